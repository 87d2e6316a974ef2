"""``mediasense plugins``: what is installed, and what each plugin is good for."""

from dataclasses import asdict
from typing import Any

import typer

from mediasense import runtime
from mediasense.cli.groups import WithDefault
from mediasense.cli.listings import ListingOptions, nothing_installed, print_json
from mediasense.cli.options import spread
from mediasense.output.tables import print_table
from mediasense.output.terminal import say

plugins_app = typer.Typer(
    cls=WithDefault, help="Show which plugins are loaded, and which are not and why."
)


@plugins_app.command()
@spread
def show(listing: ListingOptions) -> None:
    """Show which plugins are loaded, and which are not and why."""
    found = runtime.plugins()
    rows: list[dict[str, Any]] = [
        {
            **asdict(plugin.entry_point),
            "state": "loaded",
            "hooks": list(plugin.hooks),
            "providers": list(plugin.providers),
            "cause": "",
        }
        for plugin in found.loaded
    ]
    rows += [
        {
            **asdict(failure.entry_point),
            "state": "failed",
            "hooks": [],
            "providers": [],
            "cause": failure.cause,
        }
        for failure in found.failures
    ]
    rows += [
        {
            **asdict(entry_point),
            "state": "disabled",
            "hooks": [],
            "providers": [],
            "cause": "it is switched off",
        }
        for entry_point in found.switched_off
    ]
    if listing.as_json:
        print_json({"plugins": rows, "disabled": list(found.disabled)})
        return
    if not rows:
        raise nothing_installed()
    print_table(
        ("plugin", "distribution", "version", "state", "hooks"),
        [
            (
                row["name"],
                row["distribution"],
                row["version"],
                row["state"],
                ", ".join(row["hooks"]) or row["cause"],
            )
            for row in rows
        ],
    )
    for error in found.conflicts.values():
        say("warning", str(error))
