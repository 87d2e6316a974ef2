"""``mediasense batch``: the same question about many files."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from mediasense import runtime
from mediasense.cli.options import (
    AnswerOptions,
    KeepOptions,
    PartOptions,
    PictureOptions,
    ProviderOptions,
    SoundOptions,
    SourceOptions,
    question,
    spread,
)
from mediasense.cli.reports import BatchPages
from mediasense.errors import BatchFailed, UsageError
from mediasense.names import OnError
from mediasense.output.terminal import is_said, say

if TYPE_CHECKING:
    from mediasense.batches.items import Item, Outcome
    from mediasense.batches.run import Batch
    from mediasense.batches.tally import Tally
    from mediasense.output.standing import BatchDisplay
    from mediasense.pacing.lane import RateLimit

_SHOWN_FAILURES = 20
_COUNTING_SECONDS = 60.0
_MOST_PROMPT_BYTES = 1_000_000
_MOST_JOBS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions(SourceOptions):
    """The same for a batch, which may do more at once than one question."""

    jobs: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=_MOST_JOBS, help="Calls that may be under way at once, in all."
        ),
    ] = 8


@spread
def batch(
    *,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders, patterns such as 'clips/**/*.mp4', links, or - for a list on "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What to ask. (default: a description or a transcript)")
    ] = None,
    prompt_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds what to ask.")
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A list in JSONL or CSV: source, and where wanted id, prompt, task, schema, "
            "modality, start, end, language. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The results, a line of JSON for each item. The same command goes on where it "
            "stopped. (default: standard output)",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also write a page for each answer, and one that lists them; needs --out.",
        ),
    ] = None,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="skip: keep the failure and go on. stop: end after the first. retry: try what "
            "may pass again when all else is done.",
        ),
    ] = "skip",
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Ask only about what failed in an earlier run."),
    ] = False,
    answer: AnswerOptions,
    provider: ProviderOptions,
    fetching: JobOptions,
    keeping: KeepOptions,
    rpm: Annotated[
        str | None,
        typer.Option(
            metavar="N or NAME=N,...",
            help="Requests a minute, of all providers or of each. (default: what they let pass)",
            rich_help_panel="Rate and machines",
        ),
    ] = None,
    tpm: Annotated[
        str | None,
        typer.Option(
            metavar="N or NAME=N,...",
            help="Tokens a minute.",
            rich_help_panel="Rate and machines",
        ),
    ] = None,
    engine: Annotated[
        Literal["threads", "ray"],
        typer.Option(
            help="Who does the work: this machine, or a Ray cluster.",
            rich_help_panel="Rate and machines",
        ),
    ] = "threads",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Of the Ray cluster.", rich_help_panel="Rate and machines"
        ),
    ] = None,
    part: PartOptions,
    pictures: PictureOptions,
    sound: SoundOptions,
) -> None:
    """Ask about many files, and go on where it stopped.

    mediasense batch 'recordings/**/*.mp4' --prompt-file ask.md --out results.jsonl
    mediasense batch photos/ --prompt "what is wrong here?" --schema fault.json --out faults.jsonl
    mediasense batch --manifest rows.csv --out answers.jsonl --max-cost 5 --jobs 32
    mediasense batch 'recordings/**/*.mp4' --prompt-file ask.md --out results.jsonl --retry-failed
    """
    from mediasense.batches.engines import engine_for
    from mediasense.batches.run import Batch, Setting
    from mediasense.batches.tally import Tally

    asked = question(
        _prompt(prompt, prompt_file), provider, answer, part, pictures, sound, fetching, keeping
    )
    named, lists = tuple(sources or ()), tuple(manifest or ())
    if not named and not lists:
        raise UsageError("there is nothing to ask about", hint="give files, or --manifest FILE")
    if address is not None and engine != "ray":
        raise UsageError("--address is of a Ray cluster", hint="add --engine ray")
    _require_readable(lists)
    _require_no_question(named)
    asked = runtime.dispatcher().settled(asked)
    pages = BatchPages.of(report, out, asked)
    tally = Tally()
    setting = Setting(
        out=out,
        jobs=fetching.jobs,
        on_error=on_error,
        retry_failed=retry_failed,
        limits=_limits(rpm, tpm),
        engine=engine,
        address=address,
        ready="-" not in named and all(path.is_file() for path in lists),
        endpoint=runtime.dispatcher().endpoint_url(asked),
    )
    items = _items(named, lists, tally)
    running = Batch(
        items if pages is None else pages.heed(items),
        asked,
        setting,
        engine_for(runtime.dispatcher(), asked, setting),
    )
    _run(running, out, named, lists)
    try:
        _end(running, out, tally)
    finally:
        if pages is not None and not running.interrupted:
            pages.write()


def _run(
    running: "Batch", out: Path | None, named: tuple[str, ...], lists: tuple[Path, ...]
) -> None:
    from mediasense.batches.counts import estimate_count
    from mediasense.batches.records import line_of
    from mediasense.output.standing import BatchDisplay

    failures = 0
    count = partial(
        estimate_count, named, manifests=lists, deadline=time.monotonic() + _COUNTING_SECONDS
    )
    with BatchDisplay(running.standing, count) as display, _ctrl_c(running, display):
        for outcome in running.outcomes():
            if outcome.given_back:
                continue  # it is still to be asked about
            if out is None:
                display.write(line_of(outcome) + "\n")
            if outcome.failure is not None:
                failures += 1
                _tell(outcome, failures, display)
            else:
                _tell_answer(outcome, display)


def _tell(outcome: "Outcome", number: int, display: "BatchDisplay") -> None:
    assert outcome.failure is not None
    if number <= _SHOWN_FAILURES:
        from mediasense.media.source import source_name

        name = ", ".join(map(source_name, outcome.item.sources))
        display.say("failed", f"{name or outcome.item.id}: {outcome.failure.message}")
        if outcome.failure.trace:
            display.show(outcome.failure.trace)
    elif number == _SHOWN_FAILURES + 1:
        display.say("note", "further failures stand in the results alone")


def _tell_answer(outcome: "Outcome", display: "BatchDisplay") -> None:
    if not is_said("step") or outcome.answer is None:
        return
    from mediasense.media.source import source_name

    answer = outcome.answer
    name = ", ".join(map(source_name, outcome.item.sources)) or outcome.item.id
    whence = "from the cache" if answer.get("cached") else f"{outcome.seconds:.2f} s"
    display.say("step", f"{name}: {answer.get('provider')} ({answer.get('model')}), {whence}")


def _end(running: "Batch", out: Path | None, tally: "Tally") -> None:
    """Say what became of it, and how the command ends."""
    from mediasense.output.standing import summary

    if tally.left_out:
        files = "1 file was" if tally.left_out == 1 else f"{tally.left_out:,} files were"
        say("note", f"{files} left out: no image, video or sound")
    if tally.unused:
        say("note", f"columns not used: {', '.join(tally.unused)}")
    standing = running.standing()
    for line in summary(standing, out):
        say("batch", line)
    if running.problem is not None and running.problem.stopping:
        say("error", f"stopped: {running.problem.message}")
        raise typer.Exit(running.problem.exit_code)
    if running.interrupted:
        raise typer.Exit(130)
    if running.problem is not None:
        say("note", "stopped after the first failure, as --on-error stop says")
    failed = standing.failed + standing.left_failed
    if failed:
        again = "add --retry-failed to ask about them again" if out else "see their lines"
        raise BatchFailed(f"{failed} {'item' if failed == 1 else 'items'} failed", hint=again)
    if standing.clashes:
        raise BatchFailed(
            f"{standing.clashes} rows have an id that came before",
            hint="give each row an id of its own, or leave ids out",
        )


def _prompt(prompt: str | None, file: Path | None) -> str | None:
    if file is None:
        return prompt
    if prompt is not None:
        raise UsageError("--prompt and --prompt-file exclude each other", hint="leave one out")
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_PROMPT_BYTES + 1)
        if len(data) > _MOST_PROMPT_BYTES:
            raise UsageError(f"{file} is too large for a prompt", hint="give a shorter one")
        found = data.decode("utf-8-sig").strip()
        if not found:
            raise UsageError(f"{file} is empty", hint="leave out --prompt-file, or fill it")
        return found
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--prompt-file {file}: {error}", hint="give a text file") from None


def _items(named: tuple[str, ...], lists: tuple[Path, ...], tally: "Tally") -> "Iterator[Item]":
    from mediasense.batches.manifests import manifest_kind, read_manifest
    from mediasense.batches.sources import find_items

    for path in lists:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise UsageError(
                f"--manifest {path}: {error.strerror}", hint="check the path"
            ) from None
        with stream:
            found = read_manifest(
                stream, name=path.name, kind=manifest_kind(path.name), tally=tally
            )
            yield from found if len(lists) == 1 else _of_list(path, found)
    yield from find_items(named, stdin=_stdin(), tally=tally)


def _stdin() -> BinaryIO | None:
    if sys.stdin is None or sys.stdin.isatty():
        return None
    try:
        # Python aborts at its end when a thread still waits for a line in its own sys.stdin.
        return os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # it is none of the system's
        return sys.stdin.buffer


def _of_list(path: Path, items: "Iterator[Item]") -> "Iterator[Item]":
    """Of several lists each has a row of the same number: a bad one also says of which it is."""
    for item in items:
        if item.problem:
            yield replace(item, id=f"{path}-{item.id}", problem=f"{path}, {item.problem}")
        else:
            yield item


def _require_readable(lists: tuple[Path, ...]) -> None:
    """Refuse a list that is not there before anything is begun."""
    from mediasense.batches.manifests import manifest_kind

    for path in lists:
        manifest_kind(path.name)
        if path.is_dir() or not os.access(path, os.R_OK):
            why = "is a folder" if path.is_dir() else "cannot be read"
            raise UsageError(f"--manifest {path} {why}", hint="check the path")


def _require_no_question(named: tuple[str, ...]) -> None:
    """Refuse a question that stands where files do: all else would be asked about without it."""
    from mediasense.media.source import is_uri

    for name in named:
        asks = " " in name or name.endswith("?")
        is_place = os.sep in name or "*" in name or is_uri(name) or os.path.lexists(name)
        if asks and not is_place:
            raise UsageError(
                f"there is no file {name!r}", hint="if it is a question, give it as --prompt"
            )


def _limits(rpm: str | None, tpm: str | None) -> "dict[str, RateLimit]":
    from mediasense.pacing.lane import RateLimit

    requests, tokens = _numbers("--rpm", rpm), _numbers("--tpm", tpm)
    return {
        name: RateLimit(
            requests=requests.get(name, requests.get("")), tokens=tokens.get(name, tokens.get(""))
        )
        for name in {*requests, *tokens}
    }


def _numbers(flag: str, text: str | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in (text or "").split(","):
        name, _, number = part.strip().rpartition("=")
        if not part.strip():
            continue
        try:
            found[name and runtime.dispatcher().provider(name).name] = float(number)
        except ValueError:
            raise UsageError(
                f"{flag} {text} is no number", hint=f"give {flag} 60, or {flag} NAME=60,NAME=500"
            ) from None
    return found


@contextmanager
def _ctrl_c(running: "Batch", display: "BatchDisplay") -> Iterator[None]:
    """The first Ctrl-C ends the batch when what is under way is answered; the second at once."""
    pressed, over = threading.Event(), threading.Event()

    def press(_number: int, _frame: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    def heed() -> None:
        # On a thread of its own: the one that is interrupted may hold any lock.
        pressed.wait()
        if not over.is_set():
            running.stop()
            waiting = running.standing().running
            display.say(
                "note", f"stopping: {waiting} under way are waited for; Ctrl-C again leaves them"
            )

    threading.Thread(target=heed, daemon=True).start()
    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
        pressed.set()
