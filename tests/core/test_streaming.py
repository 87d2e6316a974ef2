"""Answers in pieces: as iterators from Python, on the command line, and when they are cut short."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import inspect
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from werkzeug import Response

import mediasense
from mediasense import RequestRejected, UsageError, runtime
from mediasense.cli.app import build

TALKER = '''
"""A plugin whose service streams: lines of JSON, the last of which says what was counted."""

import json

from mediasense import (
    Answer, AudioLimits, ImageLimits, InvalidAnswer, Provider, RequestRejected, Usage, hookimpl,
    note_usage, stream_lines,
)

IMAGE = ImageLimits(mime_types=("image/png",), streaming=True, options=("json_schema",))
SOUND = AudioLimits(mime_types=("audio/wav",), transcribes=True, streaming=True)
READS = ImageLimits(mime_types=("image/png",), streaming=True, answers=False)


@hookimpl
def capabilities():
    facts = {"description": "d", "base_url_variables": ("TALKER_URL",), "default_model": "t-1"}
    return (
        Provider(name="talker", image=IMAGE, audio=SOUND, **facts),
        Provider(name="reader", image=READS, **facts),
        Provider(name="other", image=IMAGE, **facts),
    )


@hookimpl
def analyze_image(request, on_text):
    return talk(request, on_text)


@hookimpl
def analyze_audio(request, on_text):
    return talk(request, on_text)


def talk(request, on_text):
    text, usage = "", None
    with stream_lines(request, "/talk", {"stream": on_text is not None}) as lines:
        for line in lines:
            event = json.loads(line)
            if "error" in event:
                raise RequestRejected(f"talker said: {event['error']}", hint="ask otherwise")
            if "usage" in event:
                usage = Usage(**event["usage"])
                note_usage(usage)
            text += event.get("text", "")
            if on_text is not None and "text" in event:
                on_text(event["text"])
    if usage is None:
        raise InvalidAnswer("talker did not end its answer", hint="try again")
    return Answer(text=text, model="t-1", usage=usage)
'''


class Talker:
    """The service: says its pieces, and then waits until the test lets it go on.

    Attributes:
        pieces: What it says, each an event; ``None`` waits for :attr:`go`, for long.
        asked: How often it was asked.
        left: Set when somebody who was being answered hung up.
    """

    def __init__(self) -> None:
        self.pieces: list[dict | None] = [{"text": "a "}, {"text": "cat"}, *END]
        self.asked = 0
        self.go = threading.Event()
        self.left = threading.Event()

    def __call__(self, _) -> Response:
        self.asked += 1
        return Response(self._events(), content_type="application/x-ndjson")

    def _events(self) -> Iterator[bytes]:
        import json

        try:
            for piece in self.pieces:
                while piece is None and not self.go.wait(0.02):
                    yield b"\n"  # says nothing; that somebody has gone is noticed all the same
                if piece is not None:
                    yield json.dumps(piece).encode() + b"\n"
        except GeneratorExit:
            self.left.set()
            raise


END = ({"usage": {"input_tokens": 7, "output_tokens": 2}},)
FOREVER = [{"text": "a "}, None, *END]


@pytest.fixture
def talker(threaded_server, monkeypatch) -> Iterator[Talker]:
    service = Talker()
    threaded_server.expect_request("/talk").respond_with_handler(service)
    monkeypatch.setenv("TALKER_URL", threaded_server.url_for(""))
    yield service
    service.go.set()


@pytest.fixture
def talking(installed, talker, monkeypatch) -> Talker:
    """The service, and its plugin installed in this process; the history is on."""
    installed.install("talker", TALKER)
    monkeypatch.delenv("MEDIASENSE_HISTORY")
    return talker


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


def soon(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("mediasense-stream")]


# --- an iterator ----------------------------------------------------------------------------------


def test_the_pieces_are_iterated_over_and_then_the_whole_answer_is_there(talking, picture):
    stream = mediasense.stream(picture, "what?", provider="talker")
    assert list(stream) == ["a ", "cat"]
    assert stream.analysis.text == "a cat"
    assert stream.analysis.usage == mediasense.Usage(input_tokens=7, output_tokens=2)
    assert list(stream) == []


def test_a_piece_comes_before_the_next_is_written(talking, picture):
    talking.pieces = FOREVER
    with mediasense.stream(picture, "what?", provider="talker") as stream:
        assert next(stream) == "a "
        assert not talking.go.is_set()


def test_before_its_end_there_is_no_whole_answer(talking, picture):
    talking.pieces = FOREVER
    with mediasense.stream(picture, "what?", provider="talker") as stream:
        next(stream)
        with pytest.raises(UsageError, match="the answer is not whole; iterate to the end"):
            stream.analysis  # noqa: B018


def test_an_error_is_raised_after_the_pieces_that_came(talking, picture):
    talking.pieces = [{"text": "a "}, {"error": "no more"}]
    stream = mediasense.stream(picture, "what?", provider="talker")
    assert next(stream) == "a "
    with pytest.raises(RequestRejected, match="talker said: no more"):
        next(stream)
    assert list(stream) == []


def test_a_wrong_question_is_raised_where_the_pieces_are_taken(talking, picture):
    stream = mediasense.stream(picture, "what?", provider="nobody")
    with pytest.raises(mediasense.UnknownProvider):
        next(stream)


def test_it_takes_what_analyze_takes_but_a_listener():
    for function in (mediasense.stream, mediasense.stream_async):
        taken = list(inspect.signature(function).parameters)
        assert taken == [
            name for name in inspect.signature(mediasense.analyze).parameters if name != "on_text"
        ]
        with pytest.raises(TypeError, match="leave out on_text"):
            function("a.png", on_text=print)


def test_leaving_the_loop_early_hangs_up_and_ends_the_thread(talking, picture):
    """Also where the service says nothing at all."""
    talking.pieces = FOREVER
    for _ in mediasense.stream(picture, "what?", provider="talker"):
        break
    gc.collect()
    assert soon(talking.left.is_set)
    assert soon(lambda: not threads())


def test_a_stream_that_is_forgotten_ends_its_thread(talking, picture):
    talking.pieces = [{"text": "x"}] * 5000 + [*END]
    stream = mediasense.stream(picture, "what?", provider="talker")
    next(stream)
    del stream
    gc.collect()
    assert soon(lambda: not threads())


def test_closing_wakes_a_call_that_waits_for_its_answer(talking, picture, raw_server, monkeypatch):
    server = raw_server(delay=60)
    monkeypatch.setenv("TALKER_URL", server.url)
    stream = mediasense.stream(picture, "what?", provider="talker")
    assert soon(lambda: server.received)
    stream.close()
    assert soon(lambda: not threads())
    assert list(stream) == []


def test_a_slow_reader_loses_nothing(talking, picture):
    words = [f"{n} " for n in range(2000)]
    talking.pieces = [*({"text": word} for word in words), *END]
    stream = mediasense.stream(picture, "what?", provider="talker")
    found = []
    for piece in stream:
        found.append(piece)
        if len(found) % 500 == 0:
            time.sleep(0.02)
    assert found == words


def test_where_nothing_is_streamed_the_answer_comes_in_one_piece(talking, picture):
    schema = {"type": "string"}
    talking.pieces = [{"text": '"a '}, {"text": 'cat"'}, *END]
    stream = mediasense.stream(picture, "what?", provider="talker", schema=schema)
    assert list(stream) == ['"a cat"']
    assert stream.analysis.data == "a cat"


def test_a_kept_answer_comes_in_one_piece(talking, picture, monkeypatch):
    monkeypatch.delenv("MEDIASENSE_CACHE")
    runtime.cache.cache_clear()
    runtime.config.cache_clear()
    runtime.dispatcher.cache_clear()
    assert list(mediasense.stream(picture, "what?", provider="talker")) == ["a ", "cat"]
    assert list(mediasense.stream(picture, "what?", provider="talker")) == ["a cat"]
    assert talking.asked == 1


# --- an asynchronous iterator ---------------------------------------------------------------------


def test_the_pieces_are_iterated_over_without_blocking(talking, picture):
    async def main() -> tuple[list[str], str]:
        stream = mediasense.stream_async(picture, "what?", provider="talker")
        pieces = [piece async for piece in stream]
        return pieces, stream.analysis.text

    assert asyncio.run(main()) == (["a ", "cat"], "a cat")


def test_many_streams_go_on_at_once(talking, picture):
    async def one(number: int) -> str:
        pieces = mediasense.stream_async(picture, f"what {number}?", provider="talker")
        return "".join([piece async for piece in pieces])

    async def main() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(8)))

    assert asyncio.run(main()) == ["a cat"] * 8


def test_an_error_is_raised_where_the_pieces_are_awaited(talking, picture):
    talking.pieces = [{"text": "a "}, {"error": "no more"}]

    async def main() -> None:
        stream = mediasense.stream_async(picture, "what?", provider="talker")
        assert await anext(stream) == "a "
        with pytest.raises(RequestRejected):
            await anext(stream)

    asyncio.run(main())


def test_cancelling_the_task_hangs_up(talking, picture):
    talking.pieces = FOREVER

    async def take(came: asyncio.Event) -> None:
        async for _ in mediasense.stream_async(picture, "what?", provider="talker"):
            came.set()

    async def main() -> None:
        came = asyncio.Event()
        task = asyncio.create_task(take(came))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert soon(talking.left.is_set)
    assert soon(lambda: not threads())


def test_leaving_its_block_hangs_up(talking, picture):
    talking.pieces = FOREVER

    async def main() -> None:
        async with mediasense.stream_async(picture, "what?", provider="talker") as stream:
            await anext(stream)

    asyncio.run(main())
    assert soon(talking.left.is_set)
    assert soon(lambda: not threads())


def test_cancelling_analyze_async_wakes_its_call(talking, picture, raw_server, monkeypatch):
    server = raw_server(delay=60)
    monkeypatch.setenv("TALKER_URL", server.url)
    began = time.monotonic()

    async def main() -> None:
        task = asyncio.create_task(mediasense.analyze_async(picture, "what?", provider="talker"))
        await asyncio.to_thread(soon, lambda: server.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # waits for its threads
    assert time.monotonic() - began < 30


# --- what it came to ------------------------------------------------------------------------------


def last_entry():
    (entry,) = runtime.history().find(limit=1)
    return entry


def test_of_an_answer_that_was_cut_short_the_history_keeps_what_came(talking, picture):
    talking.pieces = FOREVER
    with mediasense.stream(picture, "what?", provider="talker") as stream:
        next(stream)
    assert soon(lambda: runtime.history().find(limit=1))
    entry = last_entry()
    assert entry.text == "a "
    assert entry.failure == "it was not finished: Stopped"
    assert (entry.spent.calls, entry.spent.unpriced) == (1, 1)


def test_what_the_service_had_counted_by_then_counts(talking, picture):
    talking.pieces = [{"text": "a ", "usage": {"input_tokens": 7, "output_tokens": 1}}, None, *END]
    with mediasense.stream(picture, "what?", provider="talker") as stream:
        next(stream)
    assert soon(lambda: runtime.history().find(limit=1))
    spent = last_entry().spent
    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (1, 7, 1)


def test_of_an_answer_that_broke_off_the_history_keeps_what_came(talking, picture):
    talking.pieces = [{"text": "a "}, {"error": "no more"}]
    with pytest.raises(RequestRejected):
        list(mediasense.stream(picture, "what?", provider="talker"))
    assert (last_entry().text, last_entry().spent.unpriced) == ("a ", 1)


def test_a_call_that_fails_before_its_answer_begins_costs_nothing(talking, picture):
    talking.pieces = [{"error": "no"}]
    with pytest.raises(RequestRejected):
        list(mediasense.stream(picture, "what?", provider="talker"))
    assert runtime.history().find(limit=1) == ()


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def command(site, talker, monkeypatch, heed_ctrl_c):
    """``command(*arguments)``: start the command line with the plugin of the service."""
    site.install("talker", TALKER)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options) -> subprocess.Popen[str]:
        options = {"preexec_fn": heed_ctrl_c, **options}
        started.append(site.start(*arguments, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for end in (process.stdout, process.stderr):
            if end is not None:
                end.close()


def test_in_a_pipe_pieces_are_written_as_they_come(command, talker, picture):
    talker.pieces = FOREVER
    process = command("image", picture, "what?", "-p", "talker")
    assert os.read(process.stdout.fileno(), 100) == b"a "
    talker.go.set()
    assert process.communicate(timeout=30)[0] == "\n"
    assert process.returncode == 0


def test_without_streaming_the_answer_is_asked_for_whole(command, talker, picture):
    talker.pieces = FOREVER
    process = command("image", picture, "what?", "-p", "talker", "--no-stream")
    assert soon(lambda: talker.asked)
    assert select.select([process.stdout], [], [], 0.5)[0] == []
    talker.go.set()
    assert process.communicate(timeout=30)[0] == "a \n"


def test_with_a_stand_in_a_pipe_gets_the_whole_answer(command, talker, picture):
    """Half an answer of the first would stand before that of the second."""
    talker.pieces = [{"text": "a "}]
    process = command(
        *("image", picture, "what?", "-p", "talker", "--fallback", "other"),
    )
    stdout, stderr = process.communicate(timeout=30)
    assert stdout == ""
    assert "instead of it" in stderr or "did not end its answer" in stderr
    assert talker.asked == 2


def test_ctrl_c_keeps_what_came_and_hangs_up(command, talker, picture, monkeypatch):
    monkeypatch.delenv("MEDIASENSE_HISTORY")
    talker.pieces = FOREVER
    process = command("image", picture, "what?", "-p", "talker")
    assert os.read(process.stdout.fileno(), 100) == b"a "
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert (stdout, process.returncode) == ("\n", 130)
    assert stderr == "note: the answer was cut short; its cost is not known\n"
    assert soon(talker.left.is_set)
    shown = command("history", "show", "1")
    stdout, stderr = shown.communicate(timeout=30)
    assert stdout == "a \n"
    assert "gave no whole answer (unknown): it was not finished: KeyboardInterrupt" in stderr


def test_an_error_in_the_middle_keeps_what_came(command, talker, picture):
    talker.pieces = [{"text": "a "}, {"error": "no more"}]
    process = command("image", picture, "what?", "-p", "talker")
    stdout, stderr = process.communicate(timeout=30)
    assert (stdout, process.returncode) == ("a \n", RequestRejected.exit_code)
    assert stderr == "error: talker said: no more; ask otherwise\n"


def test_a_service_that_falls_silent_in_the_middle_keeps_what_came(command, talker, picture):
    talker.pieces = [{"text": "a "}]
    process = command("image", picture, "what?", "-p", "talker")
    stdout, stderr = process.communicate(timeout=30)
    assert (stdout, process.returncode) == ("a \n", mediasense.InvalidAnswer.exit_code)
    assert "did not end its answer" in stderr


def test_a_reader_that_has_had_enough_ends_it_quietly(command, talker, picture):
    talker.pieces = [{"text": "a\n"}, None, {"text": "b\n"}] + [{"text": "c\n"}] * 5000 + [*END]
    process = command("image", picture, "what?", "-p", "talker")
    assert os.read(process.stdout.fileno(), 100) == b"a\n"
    process.stdout.close()
    talker.go.set()
    assert process.stderr.read() == ""
    assert process.wait(30) == 141
    assert soon(talker.left.is_set)


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--schema", '{"type": "object"}'], "--stream and --schema exclude each other")],
)
def test_what_follows_a_schema_is_not_streamed(installed, picture, options, told):
    from typer.testing import CliRunner

    installed.install("talker", TALKER)
    done = CliRunner().invoke(
        build("image"), ["image", picture, "-p", "talker", "--stream", *options]
    )
    assert done.exit_code == 2
    assert told in done.stderr


# --- a terminal -----------------------------------------------------------------------------------


class Shown:
    """A terminal with a program in it.

    Attributes:
        process: The program.
        written: What it has written so far.
    """

    def __init__(self, start: Callable[..., subprocess.Popen[str]], *arguments: str) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = start(*arguments, stdout=theirs, stderr=theirs, stdin=theirs)
        os.close(theirs)
        self.written = b""

    def until(self, words: bytes) -> bytes:
        """All it has written, when these words are in it."""
        assert soon(lambda: self._reads_on() and words in self.written), self.written
        return self.written

    def rest(self) -> bytes:
        """All it has written when it has ended."""
        assert soon(lambda: not self._reads_on()), self.written
        os.close(self._mine)
        self.process.wait(30)
        return self.written

    def _reads_on(self) -> bool:
        if not select.select([self._mine], [], [], 0.02)[0]:
            return True
        try:
            block = os.read(self._mine, 65536)
        except OSError:  # nobody has the other end any more
            return False
        self.written += block
        return bool(block)


@pytest.fixture
def terminal(command, monkeypatch) -> Callable[..., Shown]:
    """``terminal(*arguments)``: the command line in a terminal of 24 lines of 80 cells."""
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")
    return partial(Shown, command)


def test_on_a_terminal_markdown_is_drawn_while_it_is_written(terminal, talker, picture):
    talker.pieces = [
        {"text": "A **red** car.\n\n"},
        {"text": "It is"},
        None,
        {"text": " *new*."},
        *END,
    ]
    shown = terminal("image", picture, "what?", "-p", "talker")
    before = shown.until(b"It is")
    assert b"A \x1b[1mred\x1b[0m car." in before
    talker.go.set()
    assert b"\x1b[3mnew\x1b[0m.\r\n" in shown.rest()
    assert shown.written.count(b"car.") == 1


def test_on_a_terminal_a_whole_answer_is_drawn_too(terminal, talker, picture):
    talker.pieces = [{"text": "A **red** car."}, *END]
    shown = terminal("image", picture, "what?", "-p", "talker", "--no-stream")
    assert b"A \x1b[1mred\x1b[0m car." in shown.rest()


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_what_is_read_is_no_markdown(terminal, talker, picture, stream):
    talker.pieces = [{"text": "1) a *b*\n  # c"}, *END]
    shown = terminal("image", picture, "-p", "reader", stream)
    assert shown.rest().endswith(b"1) a *b*\r\n  # c\r\n")


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_what_is_said_is_no_markdown(terminal, talker, tmp_path, make_wav, stream):
    talker.pieces = [{"text": "# one\n* two"}, *END]
    (tmp_path / "talk.wav").write_bytes(make_wav())
    shown = terminal("audio", str(tmp_path / "talk.wav"), "-p", "talker", stream)
    assert shown.rest().endswith(b"# one\r\n* two\r\n")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_raw_text(
    terminal, talker, picture, monkeypatch, name, value
):
    monkeypatch.setenv(name, value)
    talker.pieces = [{"text": "a **b**"}, {"text": "\x1b[31m"}, *END]
    shown = terminal("image", picture, "what?", "-p", "talker")
    assert shown.rest().endswith(b"a **b**[31m\r\n")


def test_ctrl_c_on_a_terminal_leaves_what_came(terminal, talker, picture):
    talker.pieces = [{"text": "A **red** car. It"}, None, *END]
    shown = terminal("image", picture, "what?", "-p", "talker")
    shown.until(b"It")
    shown.process.send_signal(signal.SIGINT)
    written = shown.rest()
    assert b"car. It\r\n" in written
    assert b"the answer was cut short" in written
    assert shown.process.returncode == 130
