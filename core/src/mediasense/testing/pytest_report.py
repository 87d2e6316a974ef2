"""A plugin for pytest: after the tests, a table of what was proved. Use it with ``-p``.

::

    [tool.pytest.ini_options]
    addopts = ["-p", "mediasense.testing.pytest_report"]
"""

from __future__ import annotations

from typing import Any

PROPERTY = "mediasense"


def pytest_configure(config: Any) -> None:
    """Keep the results of this run."""
    config.pluginmanager.register(_Table(), "mediasense_table")


class _Table:
    """Gathers what the checks found, and shows it at the end."""

    def __init__(self) -> None:
        self._found: list[dict[str, str]] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take the result out of a report; it may have come from another process."""
        if report.when == "call":
            self._found += [value for name, value in report.user_properties if name == PROPERTY]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table."""
        from mediasense.testing.checks import all_checks
        from mediasense.testing.report import Report
        from mediasense.testing.running import Result

        order = [check.name for check in all_checks()]
        for plugin in dict.fromkeys(found["plugin"] for found in self._found):
            rows = [dict(found) for found in self._found if found["plugin"] == plugin]
            rows.sort(key=lambda row: order.index(row["check"]))
            results = tuple(
                Result(**{name: row[name] for name in row if name != "plugin"})  # type: ignore[arg-type]
                for row in rows
            )
            terminalreporter.section(f"what was proved of {plugin}")
            report = Report(results=results)
            width = terminalreporter._tw.fullwidth
            colour = terminalreporter._tw.hasmarkup
            for line in report.lines(width=width, colour=colour):
                terminalreporter.line(line)
