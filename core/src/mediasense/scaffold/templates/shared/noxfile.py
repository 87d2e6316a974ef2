"""Every check of this plugin: ``nox`` runs them all."""

from pathlib import Path

import nox


@nox.session
def lint(session: nox.Session) -> None:
    """Style, mistakes and formatting."""
    session.install("ruff>=0.15")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("mypy>=2", ".[test]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The conformance suite, and the plugin's own tests."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it, and see that it is found."""
    session.install("build")
    out = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(out))
    session.install(*map(str, out.glob("*.whl")))
    session.run("mediasense", "--strict-plugins", "plugins")
