"""Refuses calls once those of this day have cost the team more than allowed.

Promises: what all threads and processes that share the file have spent since midnight (UTC) is
counted, with the failures that are billed; from the limit on nothing is sent that could cost more.
What a call cost is what the core counts. Where that is unknown (no price, no usage, no answer in
time, a plugin or another wrapper that fails over the answer) a flat rate is counted in its place,
so that it is never free. Without a key nothing is sent, and nothing counted.

Does not: know what a call will cost. Those under way together when the limit is reached are paid,
so it can be passed by as much as they cost; ``--max-cost`` is what stops before. Calls that end by
Ctrl-C are not counted. It trusts everybody who can write the file.

``HOUSE_TEAM_DOLLARS`` is the limit of a day, ``HOUSE_UNKNOWN_DOLLARS`` the flat rate (0.05), and
``HOUSE_TEAM_FILE`` the file (``mediasense-team.sqlite`` in the home folder).
"""

import math
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mediasense import (
    Answer,
    BudgetExceeded,
    ConfigError,
    MissingCredentials,
    ProviderError,
    TextRequest,
    call_cost,
    hookimpl,
)


@hookimpl(wrapper=True)
def analyze_image(request: TextRequest) -> Generator[None, Answer, Answer]:
    if request.provider.kind == "device":
        return (yield)
    limit, spent = _dollars("HOUSE_TEAM_DOLLARS"), _pay(0.0)
    if spent >= limit:
        raise BudgetExceeded(
            f"the team's calls of this day cost ${spent:.2f} of ${limit:.2f}",
            hint="go on tomorrow, or ask on this device: --provider on_device",
        )
    flat = _dollars("HOUSE_UNKNOWN_DOLLARS", "0.05")
    try:
        answer = yield
    except MissingCredentials:
        raise
    except Exception as error:  # it may come after an answer that is billed
        cost = call_cost(request, error) if isinstance(error, ProviderError) else None
        _pay(flat if cost is None else cost)
        raise
    cost = call_cost(request, answer)
    _pay(flat if cost is None else cost)
    return answer


analyze_video = analyze_audio = generate = analyze_image


def _pay(dollars: float) -> float:
    """Count an amount; what this day has come to then."""
    path = os.environ.get("HOUSE_TEAM_FILE") or Path.home() / "mediasense-team.sqlite"
    today = datetime.now(UTC).date().isoformat()
    try:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as file:
            file.execute("CREATE TABLE IF NOT EXISTS spent (day TEXT PRIMARY KEY, dollars REAL)")
            if dollars:
                file.execute(
                    "INSERT INTO spent VALUES (?1, ?2)"
                    " ON CONFLICT DO UPDATE SET dollars = dollars + ?2",
                    (today, dollars),
                )
            row = file.execute("SELECT dollars FROM spent WHERE day = ?", (today,)).fetchone()
    except sqlite3.Error as error:
        what = f"what the team spends cannot be kept in {path}: {error}"
        raise ConfigError(what, hint="type: export HOUSE_TEAM_FILE=FILE") from None
    return float(row[0]) if row else 0.0


def _dollars(name: str, usual: str = "") -> float:
    text = os.environ.get(name) or usual
    try:
        dollars = float(text)
    except ValueError:
        dollars = -1.0
    if not 0 <= dollars < math.inf:
        raise ConfigError(f"{name} is no amount: {text!r}", hint=f"type: export {name}=25")
    return dollars
