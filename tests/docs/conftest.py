"""The pages of ``docs/``, and the world they are run in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "docs")]

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import samples

    return samples.make(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    import world

    with world.world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def run(
    samples: Path,
    variables: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> Callable[[Path], None]:
    """Run every block of a page, and note what was left out."""
    import pages

    def run_page(path: Path) -> None:
        with pages.opened(tmp_path / "page", samples, variables) as page:
            for line, reason in pages.run(path, page):
                record_property("left out", f"{path.name}:{line}: {reason}")

    return run_page


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which blocks were not run, and why."""
    for report in terminalreporter.getreports("passed"):
        for name, words in report.user_properties:
            if name == "left out":
                terminalreporter.write_line(f"not run: {words}")
