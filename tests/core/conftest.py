"""The core alone: no provider package, fake plugins with a real wire, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from pytest_httpserver import HTTPServer

import mediasense
from mediasense import Answer, Credentials, ImageLimits, Provider, hookimpl, post_json
from mediasense.discovery import EntryPoint
from mediasense.dispatch import Dispatcher
from mediasense.plugins import Plugins, load_plugins

SOURCES = Path(mediasense.__file__).parents[1]

ACME = '''
"""A plugin with a real wire: its server is whatever ACME_URL names."""

import os

from mediasense import (
    Answer, AudioLimits, Credentials, ImageLimits, Model, Provider, get_json, hookimpl, post_json
)


@hookimpl
def capabilities():
    return (
        Provider(
            name="acme",
            description="Acme's own vision service",
            base_url_variables=("ACME_URL",),
            credentials=Credentials(variables=("ACME_KEY",)),
            default_model="acme-eye",
            image=ImageLimits(
                mime_types=("image/png",), max_items=4, options=("json_schema",), streaming=True
            ),
            audio=AudioLimits(
                mime_types=("audio/wav",), transcribes=True, options=("start_end",)
            ),
        ),
    )


@hookimpl
def analyze_image(request, on_text):
    if request.prompt == "break":
        raise KeyError("a bug of the plugin")
    reply = post_json(request, "/look", {"question": request.prompt, "model": request.model})
    for piece in reply.get("pieces", []) if on_text else []:
        on_text(piece)
    return Answer(
        text=reply["answer"], model=request.model, warnings=tuple(reply.get("warnings", []))
    )


@hookimpl
def analyze_audio(request):
    return Answer(text=post_json(request, "/hear", {})["answer"], model=request.model)


@hookimpl
def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/models")["models"])
'''


# --- plugins inside a test -----------------------------------------------------------------------


@pytest.fixture
def acme() -> Callable[..., Provider]:
    """Make a provider that takes images and sends them to a base URL."""

    def make(base_url: str | None = "https://api.acme.example/v1", **changes) -> Provider:
        facts = {
            "name": "acme",
            "description": "Acme's own vision service",
            "base_url": base_url,
            "credentials": Credentials(variables=("ACME_KEY",)),
            "default_model": "acme-eye",
            "image": ImageLimits(mime_types=("image/png",)),
        }
        return Provider(**facts | changes)

    return make


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """Load plugins written as dictionaries of hook functions: ``load(acme={"capabilities": f})``.

    A function that is not marked yet is marked with ``@hookimpl``.
    """

    def make(*, disabled: tuple[str, ...] = (), **plugins: Mapping[str, Callable]) -> Plugins:
        for name, functions in plugins.items():
            module = ModuleType(f"fake_{name}")
            for hook, function in functions.items():
                marked = hasattr(function, "mediasense_impl")
                setattr(module, hook, function if marked else hookimpl(function))
            monkeypatch.setitem(sys.modules, module.__name__, module)
        points = tuple(
            EntryPoint(name=name, module=f"fake_{name}", distribution=f"fake-{name}", version="1.0")
            for name in plugins
        )
        return load_plugins(points, disabled=disabled)

    return make


@pytest.fixture
def offers() -> Callable[..., dict[str, Callable]]:
    """Hook functions of a plugin that offers providers and posts what it is asked."""

    def make(*providers: Provider, **hooks: Callable) -> dict[str, Callable]:
        def capabilities():
            return providers

        def analyze_image(request):
            reply = post_json(request, "/look", {"question": request.prompt})
            return Answer(text=reply["answer"], model=request.model or "any")

        return {"capabilities": capabilities, "analyze_image": analyze_image, **hooks}

    return make


@pytest.fixture
def dispatcher(load, offers) -> Callable[..., Dispatcher]:
    """A dispatcher over one plugin that offers the given providers."""

    def make(*providers: Provider, **hooks: Callable) -> Dispatcher:
        return Dispatcher(load(one=offers(*providers, **hooks)))

    return make


@pytest.fixture
def threaded_server() -> Iterator[HTTPServer]:
    """A server that answers several requests at once; ``httpserver`` takes one after another."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


# --- plugins that are installed ------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A folder in which plugins are installed, with the metadata that an installer writes."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def install(
        self, name: str, source: str, *, distribution: str = "", version: str = "1.0"
    ) -> None:
        module = f"site_{name}"
        (self.folder / f"{module}.py").write_text(source)
        stem = (distribution or f"mediasense-{name}").replace("-", "_")
        metadata = self.folder / f"{stem}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or name}\nVersion: {version}\n"
        )
        (metadata / "entry_points.txt").write_text(f"[mediasense]\n{name} = {module}\n")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-S", "-m", "mediasense", *arguments]

    def start(self, *arguments: str, **options) -> subprocess.Popen[str]:
        """Start the command line in a process that sees the core and this folder only."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(
            self.command(*arguments), env={**os.environ, **self.environment}, **options
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def python(self, code: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run Python code in such a process."""
        return subprocess.run(
            [sys.executable, "-S", *options, "-c", code],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture(scope="session")
def bare_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to every installed package but the metadata of plugins."""
    links = tmp_path_factory.mktemp("packages")
    for folder in _package_folders():
        for item in folder.iterdir():
            link = links / item.name
            if item.name != "__pycache__" and not _is_plugin(item) and not link.exists():
                link.symlink_to(item)
    return links


def _package_folders() -> list[Path]:
    return [Path(path) for path in sys.path if path.endswith("site-packages")]


def _is_plugin(metadata: Path) -> bool:
    file = metadata / "entry_points.txt"
    return file.is_file() and "[mediasense]" in file.read_text()


@pytest.fixture
def site(tmp_path: Path, bare_packages: Path) -> Site:
    """An empty folder for plugins; processes started from it see no other plugin."""
    folder = tmp_path / "site"
    folder.mkdir()
    paths = [folder, bare_packages]
    if SOURCES not in _package_folders():
        paths.append(SOURCES)
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    return Site(folder, environment)


@pytest.fixture
def installed(site: Site, bare_packages: Path, monkeypatch: pytest.MonkeyPatch):
    """The same for this process: what is installed in it is found and nothing else is."""
    from mediasense import runtime

    packages = [str(folder) for folder in _package_folders()]
    others = [path for path in sys.path if path not in packages]
    monkeypatch.setattr(sys, "path", [str(site.folder), *others, str(bare_packages)])
    _forget(runtime)
    yield site
    _forget(runtime)
    for name in [name for name in sys.modules if name.startswith("site_")]:
        del sys.modules[name]


def _forget(runtime: ModuleType) -> None:
    runtime.choose(runtime.PluginChoice())
    for lookup in (
        runtime.config,
        runtime.plugins,
        runtime.cache,
        runtime.history,
        runtime.dispatcher,
    ):
        lookup.cache_clear()


class Here(Site):
    """The same folder, seen by this process: quicker, where none of its own is needed."""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end, as if nothing had been looked up before."""
        from typer.testing import CliRunner

        from mediasense import runtime
        from mediasense.cli import NAME
        from mediasense.cli.app import build

        with pytest.MonkeyPatch.context() as patch:
            for name in self.environment.keys() - {"PYTHONPATH"}:
                patch.setenv(name, self.environment[name])
            _forget(runtime)
            made = build(next(iter(arguments), None))
            done = CliRunner().invoke(made, list(arguments), prog_name=NAME)
            _forget(runtime)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def here(installed: Site) -> Here:
    """A folder for plugins that are found by this process."""
    return Here(installed.folder, installed.environment)


@pytest.fixture
def acme_here(here: Here) -> Here:
    """The same with the plugin ``acme``."""
    here.install("acme", ACME)
    return here


@pytest.fixture
def acme_site(site: Site) -> Site:
    """A folder with the plugin ``acme``, for processes."""
    site.install("acme", ACME)
    return site


@pytest.fixture
def acme_installed(installed: Site) -> Site:
    """The plugin ``acme``, found by this process."""
    installed.install("acme", ACME)
    return installed
