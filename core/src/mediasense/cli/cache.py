"""``mediasense cache``: the answers that are kept, so that nobody pays for them again."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.errors import UsageError
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.store.cache import Cache, CachePart, CacheStats

_KINDS = {"analysis": "whole answers", "call": "answers of single calls"}

cache_app = typer.Typer(
    help="Look at the answers that are kept, or drop them.", no_args_is_help=True
)


@cache_app.command("stats")
def show_stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how much is kept, of what, and where.

    mediasense cache stats
    mediasense cache stats --json
    """
    stats = _cache().stats()
    if as_json:
        from mediasense.envelope import dumps

        facts = {**asdict(stats), "path": str(stats.path)}
        write(answers(), dumps(facts) + "\n")
        return
    print_table(("what", "entries", "size"), _rows(stats))
    write(answers(), "\n" + "\n".join(_below(stats)) + "\n")
    if not stats.entries:
        say("note", "nothing is kept yet: an answer is when it is given")


@cache_app.command("clear")
def clear_cache() -> None:
    """Drop all that is kept. Answers are paid for again, and nothing else is lost.

    mediasense cache clear
    """
    _say_gone(_cache().clear())


@cache_app.command("prune")
def prune_cache() -> None:
    """Drop what is too old, and what there is no room for; this happens by itself, too.

    mediasense cache prune
    """
    _say_gone(_cache().prune())


def _cache() -> "Cache":
    cache = runtime.cache()
    if cache is None:
        from mediasense.config import CACHE_VARIABLE, config_path

        raise UsageError(
            "the cache is switched off",
            hint=f"set {CACHE_VARIABLE}=on, or cache = true in {config_path()}",
        )
    return cache


def _say_gone(count: int) -> None:
    say("note", f"{count} {'entry is' if count == 1 else 'entries are'} dropped")


def _rows(stats: "CacheStats") -> list[tuple[str, ...]]:
    rows = [_row(_KINDS.get(part.name, part.name), part) for part in stats.kinds]
    rows += [_row(f"of {part.name}", part) for part in stats.providers]
    return [*rows, ("total", str(stats.entries), _size(stats.bytes))]


def _row(words: str, part: "CachePart") -> tuple[str, ...]:
    return (words, str(part.entries), _size(part.bytes))


def _below(stats: "CacheStats") -> list[str]:
    lines = [
        f"file: {stats.path}",
        f"kept: up to {stats.max_days:g} days, up to {_size(stats.max_bytes)}",
    ]
    if stats.oldest is not None and stats.newest is not None:
        lines.append(f"oldest: {_when(stats.oldest)}, newest: {_when(stats.newest)}")
    return lines


def _size(count: int) -> str:
    from mediasense.steps import size

    return size(count)


def _when(at: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
