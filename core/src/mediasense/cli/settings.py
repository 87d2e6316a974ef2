"""``mediasense config``: the settings, and the file they stand in."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mediasense import runtime
from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import ConfigError
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.settings import Settings

_HELP = """Show the settings and where each is said, and change them.

mediasense config show
mediasense config set provider groq
"""

config_app = typer.Typer(help=_HELP, no_args_is_help=True)


@config_app.command("path")
def show_path() -> None:
    """Print where the config file is, or would be.

    mediasense config path
    """
    from mediasense.config import config_path

    write(answers(), f"{config_path()}\n")


@config_app.command("show")
@spread
def show_settings(listing: ListingOptions) -> None:
    """Show every setting, what it is and where that is said; also of a file that is broken.

    mediasense config show
    mediasense config show --json
    """
    from mediasense.settings import list_settings

    found = list_settings()
    if listing.as_json:
        print_json(_record(found))
    else:
        print_table(
            ("setting", "value", "from"),
            [(s.name, "wrong" if s.problem else _shown(s.value), s.source) for s in found.settings],
        )
        _tell(found)
    problem = found.problem or next((s.problem for s in found.settings if s.problem), "")
    if problem:
        raise ConfigError(problem)


@config_app.command("set")
def set_setting(
    name: Annotated[str, typer.Argument(metavar="SETTING", help="Such as provider or timeout.")],
    value: Annotated[
        list[str], typer.Argument(metavar="VALUE...", help="Several for a list of names.")
    ],
) -> None:
    """Set a setting in the config file; all else in it stays as it is.

    mediasense config set provider groq
    mediasense config set timeout 120
    mediasense config set cache off
    """
    write_setting(name, tuple(value))
    if name == "provider":
        _warn_of_unknown(value[0])


@config_app.command("unset")
def unset_setting(
    name: Annotated[str, typer.Argument(metavar="SETTING", help="Such as provider or timeout.")],
) -> None:
    """Take a setting out of the config file, so that it is what it is by default.

    mediasense config unset timeout
    """
    from mediasense import settings_file
    from mediasense.config import config_path
    from mediasense.settings import require_setting

    require_setting(name)
    path = config_path()
    if settings_file.unset_setting(path, name):
        say("note", f"{name} is taken out of {path}")
    else:
        say("note", f"{name} is not in {path}")


def write_setting(name: str, words: tuple[str, ...]) -> None:
    """Set a setting, as somebody typed it, and say so.

    Raises:
        UsageError: There is no such setting, or it cannot be that.
        ConfigError: The file cannot be read, changed or written.
    """
    from mediasense import settings_file
    from mediasense.config import config_path, told_by_variable
    from mediasense.settings import require_setting, value_of

    require_setting(name)
    path = config_path()
    value: Any = value_of(name, words, path)
    written = settings_file.set_setting(path, name, value)
    say("note", f"{name} = {settings_file.toml_value(value)} is written to {written}")
    if (told := told_by_variable(name)) is not None:
        say("warning", f"{told.variable} is set, which comes before the file")


def _warn_of_unknown(provider: str) -> None:
    try:
        known = runtime.plugins().find(provider) is not None
    except ConfigError:
        known = True
    if not known:
        say("warning", f"no installed plugin offers {provider!r}; type: mediasense providers")


def _shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tell(found: "Settings") -> None:
    there = "" if found.exists else " (not there yet)"
    lines = [f"file: {found.path}{there}"]
    if found.endpoints:
        lines.append(f"endpoints: {', '.join(found.endpoints)} (type: mediasense providers)")
    write(answers(), "\n" + "\n".join(lines) + "\n")


def _record(found: "Settings") -> dict[str, Any]:
    return {
        "path": str(found.path),
        "exists": found.exists,
        "problem": found.problem,
        "settings": [
            {"name": s.name, "value": s.value, "from": s.source, "problem": s.problem}
            for s in found.settings
        ],
        "endpoints": list(found.endpoints),
    }
