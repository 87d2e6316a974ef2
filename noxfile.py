"""Every check of the project; ``nox`` runs them all, ``nox -l`` lists them."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEST_TOOLS = SETTINGS["dependency-groups"]["test"]

CORE = "./core"
PLUGINS = {
    path.parent.name: f"./{path.parent.relative_to(ROOT)}"
    for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))
}
PACKAGES = {"core": CORE, **PLUGINS}
EXAMPLE = "./examples/acme_plugin"
POLICIES = "./examples/policies"
# Half of the time a test waits: for a process, a server or a timeout.
WORKERS = str(2 * (os.cpu_count() or 1))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: style, mistakes, formatting."""
    session.install(*SETTINGS["dependency-groups"]["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, with every SDK installed."""
    session.install(*SETTINGS["dependency-groups"]["types"], "nox", *TEST_TOOLS, *PACKAGES.values())
    sources = [f"{folder}/src" for folder in PACKAGES.values()]
    session.run("mypy", *sources, "noxfile.py")
    session.run("mypy", *map(str, sorted(Path(POLICIES).glob("*.py"))))


@nox.session
@nox.parametrize("package", [nox.param(name, id=name) for name in PACKAGES])
def tests(session: nox.Session, package: str) -> None:
    """The tests of one package with only the core beside it."""
    core = f"{CORE}[download]" if package == "core" else CORE
    session.install(*TEST_TOOLS, core, *{PACKAGES[package]} - {CORE})
    _pytest(session, f"tests/{package}")


@nox.session
def together(session: nox.Session) -> None:
    """Everything at once, with the example plugin, found through real entry points."""
    session.install(*TEST_TOOLS, *PACKAGES.values(), EXAMPLE)
    _pytest(session, "tests/together")


@nox.session
def browser(session: nox.Session) -> None:
    """Reports in a headless Chromium: what moves in them, how they look, that nothing else runs."""
    session.install(*TEST_TOOLS, *SETTINGS["dependency-groups"]["browser"], CORE)
    # Says why, where it is skipped since no Chromium is installed.
    _pytest(session, "tests/browser", "-rs")


@nox.session
def scaffold(session: nox.Session) -> None:
    """What ``mediasense new-plugin`` writes: installed, checked, tested and used as it stands."""
    session.install(*TEST_TOOLS, CORE, "uv")
    session.run("python", "-m", "pytest", "tests/scaffold", *session.posargs, env=_environment())


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation: built with warnings as errors, and every code block run."""
    session.install(*SETTINGS["dependency-groups"]["docs"], *TEST_TOOLS, *PACKAGES.values())
    pages = Path(session.virtualenv.location).resolve() / "pages" / "html"
    build = ("sphinx-build", "-q", "-W", "--keep-going", "-n", "-E", "-b", "html")
    session.run(*build, "-d", str(pages.with_name("trees")), "docs", str(pages))
    session.log(f"the pages are in {pages}")
    _pytest(session, "tests/docs")


@nox.session
def policies(session: nox.Session) -> None:
    """The examples of house policy: each as a file, and all as a package that is installed."""
    session.install(*TEST_TOOLS, CORE, PACKAGES["openai_compat"], PACKAGES["gemini_native"])
    installed = Path(session.create_tmp()).resolve() / "policies"
    shutil.rmtree(installed, ignore_errors=True)
    # Beside the environment: in it, every rule would hold in every test.
    session.install("--no-deps", "--target", str(installed), POLICIES)
    environment = {**_environment(), "MEDIASENSE_TESTED_POLICIES": str(installed)}
    arguments = ("-n", WORKERS, "tests/policies", *session.posargs)
    session.run("python", "-m", "pytest", *arguments, env=environment)


@nox.session
def ray(session: nox.Session) -> None:
    """A batch on a real cluster of three nodes, some of which are lost."""
    session.install(*TEST_TOOLS, f"{CORE}[ray]", "ray[data]", PACKAGES["openai_compat"])
    # Not at once: there is one cluster.
    session.run("python", "-m", "pytest", "tests/ray", *session.posargs, env=_environment())


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every package, install the wheels with pip in a clean environment, and use them."""
    session.install("build", "uv")
    out = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(out, ignore_errors=True)
    for folder in PACKAGES.values():
        build = ("python", "-m", "build", "--installer", "uv", "--outdir", str(out))
        session.run(*build, folder, silent=True)
    environment = out.parent / "clean"
    shutil.rmtree(environment, ignore_errors=True)
    session.run("python", "-m", "venv", str(environment))
    pip = str(environment / "bin" / "pip")
    session.run(pip, "install", "-q", *map(str, sorted(out.glob("*.whl"))), external=True)
    python = str(environment / "bin" / "python")
    session.run(python, "tests/try_installed.py", external=True)


def _pytest(session: nox.Session, folder: str, *options: str) -> None:
    spread = ("-n", WORKERS, "--dist", "worksteal")  # a long one at the end waits for nobody
    arguments = ("python", "-m", "pytest", *spread, folder, *options, *session.posargs)
    session.run(*arguments, env=_environment())


def _environment() -> dict[str, str | None]:
    # The tests run what is installed, never the source tree. They start the program hundreds of
    # times: what was compiled once need not be compiled again.
    return {
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": None,
        "HOME": os.environ.get("HOME", ""),
    }
