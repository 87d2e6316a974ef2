"""``mediasense history``: what was asked before, what was answered, and what it cost."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from mediasense import runtime
from mediasense.cli.completion import provider_names
from mediasense.cli.options import spread
from mediasense.errors import UsageError
from mediasense.output.money import cost_words, dollars
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.ledger import Spent
    from mediasense.store.history import Entry, History, Past, SpentOn

By = Literal["provider", "day"]

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SOURCE_WIDTH = 40
_ANSWER_WIDTH = 60


class ListsByDefault(TyperGroup):
    """``mediasense history --limit 5`` is ``mediasense history list --limit 5``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the name of the command that is left out."""
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not args or (args[0].startswith("-") and not asks_for_help):
            args = ["list", *args]
        return super().parse_args(ctx, args)


history_app = typer.Typer(
    cls=ListsByDefault,
    help="Look at past answers, and at what they cost. Alone it lists the newest.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOptions:
    """Which past answers, and how they are printed."""

    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=provider_names,
            help="Only what it answered.",
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Only since then: 2026-11-01, or 7d or 12h for so long ago."
        ),
    ] = None
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="At most so many.")] = (
        20
    )
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


@history_app.command("list")
@spread
def list_answers(options: FindOptions) -> None:
    """List past answers, the newest first.

    mediasense history list --provider groq --since 7d
    """
    _print_found("", options)


@history_app.command("search")
@spread
def search_answers(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS...",
            help="What the question, the answer or the name of the source holds.",
            show_default=False,
        ),
    ],
    options: FindOptions,
) -> None:
    """Search past answers for words: all of them, the last may be a beginning.

    mediasense history search red car
    mediasense history search IMG_2034 --json
    """
    _print_found(" ".join(words), options)


@history_app.command("show")
def show_answer(
    number: Annotated[
        int, typer.Argument(metavar="N", help="Its number in the list.", show_default=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer and how it was made, as JSON.")
    ] = False,
) -> None:
    """Print a past answer once more.

    mediasense history show 1
    mediasense history show 1 --json
    """
    past = _history().get(number)
    if past is None:
        raise UsageError(
            f"there is no answer {number} in the history", hint="type: mediasense history"
        )
    if as_json:
        write(answers(), _envelope(past) + "\n")
        return
    question = f": {past.prompt}" if past.prompt is not None else ""
    say("note", f"asked {_when(past.at)} about {', '.join(past.sources)}{question}")
    if past.failure:
        whole = "whole " if past.text else ""
        say("note", f"{past.provider} gave no {whole}answer ({_cost(past)}): {past.failure}")
        if past.text:
            write(answers(), past.text.rstrip("\n") + "\n")
        return
    say("note", f"answered by {past.provider} ({past.model}): {_cost(past)}")
    write(answers(), past.text.rstrip("\n") + "\n")


@history_app.command("costs")
def show_costs(
    by: Annotated[By, typer.Option("--by", help="One line for each of these.")] = "provider",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was spent: by provider or by day.

    Calls whose price nobody knows are counted, and never as nothing.

    mediasense history costs
    mediasense history costs --by day --json
    """
    spent = _history().spent(by)
    if as_json:
        _print_json([_spent_facts(on, by) for on in spent])
        return
    if not spent:
        _say_empty()
        return
    rows = [_spent_row(on) for on in spent]
    if len(spent) > 1:
        rows.append(_spent_row(_sum(spent)))
    columns = (by, "answers", "calls", "input tokens", "output tokens", "cost")
    print_table(columns, rows)


@history_app.command("clear")
def clear_history(
    before: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Only what is older: 2026-11-01, or 30d for so long ago."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Really do it.")] = False,
) -> None:
    """Forget past answers, and what they cost.

    mediasense history clear --before 30d --yes
    mediasense history clear --yes
    """
    history, moment = _history(), None if before is None else _moment("--before", before)
    if not yes:
        which = f" --before {before}" if before else ""
        raise UsageError(
            f"what was asked and answered{' before' if before else ''} would be gone for good",
            hint=f"type: mediasense history clear{which} --yes",
        )
    gone = history.clear(before=moment)
    say("note", f"{gone} {'entry is' if gone == 1 else 'entries are'} forgotten")


# --- what is looked at ---------------------------------------------------------------------------


def _history() -> "History":
    history = runtime.history()
    if history is None:
        from mediasense.config import HISTORY_VARIABLE, config_path

        raise UsageError(
            "the history is switched off",
            hint=f"set {HISTORY_VARIABLE}=on, or history = true in {config_path()}",
        )
    return history


def _print_found(words: str, options: FindOptions) -> None:
    found = _history().find(
        words,
        provider=_full_name(options.provider),
        since=None if options.since is None else _moment("--since", options.since),
        limit=options.limit,
    )
    if options.as_json:
        _print_json([_facts(past) for past in found])
    elif found:
        columns = ("number", "when", "provider", "cost", "source", "answer")
        print_table(columns, [_row(past) for past in found])
    elif words or options.provider or options.since:
        say("note", "no past answer fits; type: mediasense history")
    else:
        _say_empty()


def _say_empty() -> None:
    say("note", 'the history is empty; type: mediasense image FILE "what is it?"')


def _full_name(provider: str | None) -> str | None:
    """The name of a provider that was named by another of its names."""
    for known in runtime.plugins().providers.values():
        if provider in known.aliases:
            return known.name
    return provider


def _moment(option: str, text: str) -> float:
    """A moment in seconds since 1970: of a date, here, or so long ago.

    Raises:
        UsageError: It is neither.
    """
    from datetime import UTC, datetime, timedelta

    amount, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and amount.isdecimal():
            ago = timedelta(seconds=float(amount) * _UNITS[unit])
            return (datetime.now(UTC) - ago).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} {text!r} is no date", hint="give one such as 2026-11-01, 7d or 12h"
        ) from None


# --- for people ----------------------------------------------------------------------------------


def _row(past: "Past") -> tuple[str, ...]:
    source = past.sources[0] if past.sources else ""
    others = f" and {len(past.sources) - 1} more" if len(past.sources) > 1 else ""
    answer = f"failed: {past.failure}" if past.failure else past.text
    return (
        str(past.number),
        _when(past.at),
        past.provider,
        _short_cost(past),
        _end(source) + others,
        _beginning(answer),
    )


def _end(name: str) -> str:
    """The end of a path or link is what tells it from others."""
    return name if len(name) <= _SOURCE_WIDTH else f"…{name[1 - _SOURCE_WIDTH :]}"


def _beginning(text: str) -> str:
    line = " ".join(text[: 10 * _ANSWER_WIDTH].split())
    return line if len(line) <= _ANSWER_WIDTH else f"{line[: _ANSWER_WIDTH - 1]}…"


def _when(at: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _cost(entry: "Entry") -> str:
    return _words(entry.spent)


def _short_cost(entry: "Entry") -> str:
    spent = entry.spent
    if not 0 < spent.unpriced < spent.calls:
        return _words(spent)
    return f"at least {dollars(spent.cost)}" if spent.cost >= 0.0001 else "unknown"


def _words(spent: "Spent") -> str:
    return cost_words(spent.cost, calls=spent.calls, unpriced=spent.unpriced)


def _spent_row(on: "SpentOn") -> tuple[str, ...]:
    spent = on.spent
    tokens = (spent.input_tokens, spent.output_tokens)
    return (
        on.name,
        str(on.answers),
        str(spent.calls),
        *(str(count) if count or not spent.calls else "not told" for count in tokens),
        _words(spent),
    )


def _sum(spent: "tuple[SpentOn, ...]") -> "SpentOn":
    from mediasense.ledger import Spent
    from mediasense.store.history import SpentOn

    return SpentOn(
        name="total",
        answers=sum(on.answers for on in spent),
        spent=sum((on.spent for on in spent), Spent()),
    )


# --- for programs --------------------------------------------------------------------------------


def _envelope(past: "Past") -> str:
    """The answer as ``--json`` printed it; of a failure, what is known."""
    import json

    from mediasense.envelope import dumps

    if not past.envelope:
        return dumps(_facts(past))
    try:
        return dumps(json.loads(past.envelope))
    except (ValueError, RecursionError):
        return past.envelope


def _facts(past: "Past") -> dict[str, Any]:
    facts = asdict(past)
    del facts["envelope"]
    paid = [{"provider": one.provider, **asdict(one.spent)} for one in past.paid]
    spent = past.spent
    cost = None if spent.unpriced else spent.cost
    return {**facts, "at": _iso(past.at), "paid": paid, "cost": cost}


def _spent_facts(on: "SpentOn", by: By) -> dict[str, Any]:
    return {by: on.name, "answers": on.answers, **asdict(on.spent)}


def _iso(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _print_json(value: object) -> None:
    from mediasense.envelope import dumps

    write(answers(), dumps(value) + "\n")
