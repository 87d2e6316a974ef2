"""``mediasense doctor``: whether all is well here, and what to do where it is not."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import CheckupFailed
from mediasense.output.tables import print_table
from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.checkup import Finding


@spread
def doctor(
    listing: ListingOptions,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask endpoints, and services whose keys were found, for their models too.",
        ),
    ] = False,
) -> None:
    """Check what is installed, what can be decoded, keys, the config file and the disk.

    Nothing is sent anywhere without --online. Keys are named and never shown.

    mediasense doctor
    mediasense doctor --json
    """
    from mediasense.checkup import run_checkup

    found = run_checkup(online=online)
    if listing.as_json:
        print_json([asdict(finding) for finding in found])
    else:
        print_table(
            ("", "what", "how it is", "what to do"),
            [(f.status, f"{f.group}: {f.name}", f.detail, f.hint) for f in found],
        )
    _conclude(found)


def _conclude(found: "tuple[Finding, ...]") -> None:
    failed = [finding for finding in found if finding.status == "failed"]
    if failed:
        first = failed[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise CheckupFailed(
            f"{first.name}: {first.detail}{more}", hint=first.hint or "see the table"
        )
    warnings = sum(finding.status == "warning" for finding in found)
    say("note", f"nothing failed, and there are {warnings or 'no'} warnings")
