"""Whether all is well here: what is installed, what it can decode, keys, endpoints and the disk.

Nothing is sent anywhere unless that is asked for. Each check stands alone: one that fails in a way
that nobody thought of is a finding too, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable

from mediasense.checkup.access import access_checks
from mediasense.checkup.installation import installation_checks
from mediasense.checkup.media import media_checks
from mediasense.checkup.records import Check, Finding
from mediasense.checkup.storage import storage_checks
from mediasense.errors import MediasenseError, one_line

__all__ = ["Finding", "run_checkup"]


def run_checkup(
    *, online: bool = False, on_finding: Callable[[Finding], None] = lambda _: None
) -> tuple[Finding, ...]:
    """Look at everything.

    Args:
        online: Whether services and servers are asked for their models, for 15 seconds at most.
        on_finding: Called with each finding as it is made.
    """
    found: list[Finding] = []
    checks = (
        *installation_checks(),
        *media_checks(),
        *access_checks(online=online),
        *storage_checks(),
    )
    for check in checks:
        for finding in _findings(check):
            if _is_told(finding, found):
                continue
            found.append(finding)
            on_finding(finding)
    return tuple(found)


def _is_told(finding: Finding, found: list[Finding]) -> bool:
    """Whether another check failed for the very same reason, such as a broken config file."""
    return finding.status == "failed" and any(
        (other.status, other.detail) == (finding.status, finding.detail) for other in found
    )


def _findings(check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check.run())
    except MediasenseError as error:
        found.append(
            Finding(
                group=check.group,
                name=check.name,
                status="failed",
                detail=error.message,
                hint=error.hint,
            )
        )
    except Exception as error:  # noqa: BLE001  the other checks go on
        detail = one_line(f"the check itself failed: {type(error).__name__}: {error}")
        found.append(Finding(group=check.group, name=check.name, status="failed", detail=detail))
    return found
