"""``mediasense new-plugin``: a package to begin with."""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mediasense.output.terminal import answers, say, write
from mediasense.scaffold.naming import plugin_name
from mediasense.scaffold.packages import Flavour, PluginPackage


def new_plugin(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the plugin, and of the provider it offers.")
    ],
    flavour: Annotated[
        Flavour,
        typer.Option(
            help="http: a service with JSON of its own. sdk: a service with an SDK. "
            "policy: rules for every call.",
        ),
    ] = "http",
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the service is reached.")
    ] = None,
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where to put the new folder.")
    ] = Path(),
) -> None:
    """Write a plugin as a package: typed, tested, and ready to be changed.

    mediasense new-plugin acme --base-url https://vision.acme.example/v2
    mediasense new-plugin house-rules --flavour policy
    """
    from importlib.metadata import version

    package = PluginPackage(
        name=plugin_name(name), flavour=flavour, core=version("mediasense"), base_url=base_url
    )
    folder = package.write(into)
    write(answers(), f"{folder}\n")
    say("note", "it runs as it stands; see for yourself, and then make it yours:")
    for line in _next(package, folder):
        typer.echo(f"  {line}", err=True)


def _next(package: PluginPackage, folder: Path) -> tuple[str, ...]:
    """What to type, in this order."""
    policy = package.flavour == "policy"
    look = "mediasense plugins" if policy else f"mediasense plugins check {package.name.provider}"
    first = "rules.py" if policy else "provider.py, client.py and service.py"
    return (
        f"cd {shlex.quote(str(folder))}",
        f"{_installer()} -e '.[test]'",
        f"{shlex.quote(sys.executable)} -m pytest",
        look,
        f"$EDITOR src/{package.name.module}   # {first}",
    )


def _installer() -> str:
    """What installs a package beside this one; environments made by uv have no pip."""
    python = shlex.quote(sys.executable)
    if find_spec("pip") is None:
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"
