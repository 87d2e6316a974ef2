"""Decoding in a child process: whatever a decoder does there, the program goes on."""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense import errors
from mediasense.errors import ConfigError, CorruptMedia, MediasenseError, MediaTooLarge
from mediasense.media.isolation import wire
from mediasense.media.isolation.child import _RAISED
from mediasense.media.isolation.decoder import Decoder, DecoderError, Limits, decode
from mediasense.media.recordings import inspect_recording
from mediasense.types import Box, Segment, Word

posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this limit, or /proc")

DECOYS = '''
"""What a decoder that meets hostile media may do."""

import ctypes, os, pickle, re, struct, subprocess, sys, time
from collections.abc import Callable
from dataclasses import dataclass
from os import getpid
from pathlib import Path

from mediasense import errors
from mediasense.types import Box, Segment


def pid() -> int:
    return os.getpid()

def twice(number: int) -> int:
    return 2 * number

def crash(how: str) -> int:
    match how:
        case "segfault": ctypes.string_at(0)
        case "abort": os.abort()
        case "exit": os._exit(3)
        case "exit by exception": sys.exit(4)
        case "kill": os.kill(os.getpid(), 9)

def crash_unless_fresh(marker: Path) -> int:
    """The child that was used before is damaged; a fresh one is not."""
    pid = os.getpid()
    if str(pid) == marker.read_text():
        os.abort()
    return pid

def note_pid(marker: Path) -> int:
    marker.write_text(str(os.getpid()))
    return os.getpid()

def hang(how: str, marker: Path | None = None) -> int:
    if marker is not None:
        marker.with_suffix(".new").write_text(str(os.getpid()))
        marker.with_suffix(".new").rename(marker)
    if how == "in C":
        re.match("(a|a)*$", "a" * 200 + "b")  # holds the interpreter's lock
    while True:
        time.sleep(100)

def allocate(size: int) -> int:
    return len(bytearray(size))

def noise(number: int) -> int:
    print("out"); print("err", file=sys.stderr)
    sys.stdout.flush(); sys.stderr.flush()
    os.write(1, b"out" * 1000); os.write(2, b"err" * 1000)
    subprocess.run(["echo", "grandchild"], check=True)
    return number

def fail(kind: str, message: str, hint: str) -> int:
    raise getattr(errors, kind)(message, hint=hint)

def fail_as_subclass() -> int:
    class Special(errors.CorruptMedia): pass
    raise Special("special", hint="")

def bug() -> int:
    return {}["the missing key"]

def steps(
    values: list[float], pause: float, on_progress: Callable[[float], None] | None = None
) -> str:
    for value in values:
        if on_progress is not None:
            on_progress(value)
        time.sleep(pause)
    return "done"

def environment() -> dict[str, str]:
    return dict(os.environ)

def status() -> str:
    return Path("/proc/self/status").read_text()

def module_path() -> list[str]:
    return sys.path

def modules() -> list[str]:
    return sorted(sys.modules)

def current_folder() -> str:
    return os.getcwd()

def write_raw(data: bytes, on_progress: Callable[[float], None] | None = None) -> int:
    os.write(on_progress.replies, data)
    time.sleep(100)
    return 0

def say(json: str, on_progress: Callable[[float], None] | None = None) -> Segment:
    data = json.encode()
    os.write(on_progress.replies, struct.pack(">I", len(data)) + data)
    time.sleep(100)

def name_a_file(path: str, folder: Path, source: Path | None = None) -> Path:
    return Path(path)

def name_a_file_without_folder(path: str, source: Path) -> Path | None:
    return Path(path)

def link_outside(folder: Path, target: Path) -> Path:
    (folder / "innocent.jpg").symlink_to(target)
    return folder / "innocent.jpg"

def everything(folder: Path) -> tuple[Segment, list[Box], Path, bytes, dict[str, float | None]]:
    return (
        Segment(start=0.5, end=1, text="hi\\n", confidence=None),
        [Box(left=1, top=2, right=3, bottom=4)],
        folder / "a.flac",
        b"\\0\\xff",
        {"a": 1.5, "b": None},
    )

def too_long() -> str:
    return "x" * (17 << 20)

def lies() -> int:
    return "text"

def not_plain() -> object:
    return object()

def says_nothing():
    return 1

def _private() -> int:
    return 1

class Thing:
    def method(self) -> int:
        return 1
'''


@pytest.fixture
def decoys(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "decoys.py").write_text(DECOYS)
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("decoys")
    del sys.modules["decoys"]


@pytest.fixture
def make_decoder(decoys):
    made = []

    def make(**limits) -> Decoder:
        made.append(Decoder(prefixes=("decoys",), limits=Limits(**limits)))
        return made[-1]

    yield make
    for decoder in made:
        decoder.close()


@pytest.fixture
def decoder(make_decoder) -> Decoder:
    return make_decoder()


def alive(pid: int) -> bool:
    """Whether a process does anything; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# --- the product's own ---------------------------------------------------------------------------


def test_a_recording_is_inspected_in_a_child(tmp_path, make_video):
    source = make_video(tmp_path / "a.mp4", sound=True)
    call = partial(inspect_recording, source=source, name="a.mp4")
    assert decode(call) == call()


def test_its_errors_are_the_same_in_a_child(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    call = partial(inspect_recording, source=tmp_path / "a.mp4", name="a.mp4")
    with pytest.raises(MediasenseError) as here:
        call()
    with pytest.raises(type(here.value)) as there:
        decode(call)
    assert str(there.value) == str(here.value)


def test_relative_paths_mean_the_same_in_a_child(tmp_path, make_video, monkeypatch):
    make_video(tmp_path / "a.mp4")
    decode(partial(inspect_recording, source=tmp_path / "a.mp4", name="a"))  # a child waits
    monkeypatch.chdir(tmp_path)
    assert decode(partial(inspect_recording, source=Path("a.mp4"), name="a"))


# --- crashes, hangs, bombs -----------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("how", "ending"),
    [
        ("segfault", "signal SIGSEGV"),
        ("abort", "signal SIGABRT"),
        ("kill", "signal SIGKILL"),
        ("exit", "exit status 3"),
        ("exit by exception", "exit status 4"),
    ],
)
def test_a_crash_is_corrupt_media(decoder, decoys, how, ending):
    with pytest.raises(CorruptMedia, match=rf"crashed on the media \({ending}\)"):
        decoder.decode(partial(decoys.crash, how=how))
    assert decoder.decode(partial(decoys.twice, number=2)) == 4


def test_the_error_names_what_crashed(decoder, decoys):
    with pytest.raises(CorruptMedia) as error:
        decoder.decode(partial(decoys.name_a_file, path="", folder="", source="a\x1b[1mb.mp4"))
    assert "a [1mb.mp4" in error.value.message


@pytest.mark.parametrize("how", ["in Python", "in C"])
def test_a_child_that_stands_still_is_ended(make_decoder, decoys, how, tmp_path):
    decoder = make_decoder(idle_seconds=1.0)
    call = partial(decoys.hang, how=how, marker=tmp_path / "pid")
    with pytest.raises(CorruptMedia, match="stuck on the media: no sign of life for 1 s"):
        decoder.decode(call)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_progress_is_a_sign_of_life(make_decoder, decoys):
    decoder = make_decoder(idle_seconds=2.0)
    call = partial(decoys.steps, values=[0.1] * 12, pause=0.3)
    assert decoder.decode(call) == "done"


@linux
def test_a_bomb_is_too_large(make_decoder, decoys):
    decoder = make_decoder(memory_bytes=1 << 30)
    with pytest.raises(MediaTooLarge, match="more memory than the 1 GiB"):
        decoder.decode(partial(decoys.allocate, size=2 << 30))
    assert decoder.decode(partial(decoys.allocate, size=1 << 20)) == 1 << 20


def test_a_child_that_was_damaged_before_does_not_blame_the_next_file(decoder, decoys, tmp_path):
    old = decoder.decode(partial(decoys.note_pid, marker=tmp_path / "pid"))
    fresh = decoder.decode(partial(decoys.crash_unless_fresh, marker=tmp_path / "pid"))
    assert fresh != old


def test_a_child_that_was_killed_while_it_waited_is_replaced(decoder, decoys):
    os.kill(decoder.decode(partial(decoys.pid)), signal.SIGTERM)
    assert decoder.decode(partial(decoys.twice, number=2)) == 4


def test_without_a_program_to_start_it_says_what_to_do(decoder, decoys, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ConfigError, match="MEDIASENSE_ISOLATION=off"):
        decoder.decode(partial(decoys.pid))


def test_a_child_that_does_not_start_is_no_fault_of_the_media(decoder, decoys, monkeypatch):
    monkeypatch.setattr("mediasense.media.isolation.child._BOOT", "import nowhere")
    with pytest.raises(
        ConfigError, match=r"does not start: ModuleNotFoundError.*'nowhere'.*ISOLATION=off"
    ):
        decoder.decode(partial(decoys.pid))


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(_RAISED))
def test_an_error_arrives_as_it_was_raised(make_decoder, decoys, kind):
    expected = getattr(errors, kind)
    with pytest.raises(expected) as error:
        make_decoder().decode(partial(decoys.fail, kind=kind, message="é: 1", hint="do  it"))
    assert type(error.value) is expected
    assert (error.value.message, error.value.hint) == ("é: 1", "do  it")


def test_every_error_can_arrive():
    assert len(_RAISED) > 20
    assert "CorruptMedia" in _RAISED
    assert "one_line" not in _RAISED


def test_a_subclass_of_an_error_arrives_as_its_public_class(decoder, decoys):
    with pytest.raises(CorruptMedia, match="special"):
        decoder.decode(partial(decoys.fail_as_subclass))


def test_a_mistake_keeps_its_traceback(decoder, decoys):
    with pytest.raises(DecoderError, match="KeyError: 'the missing key'") as error:
        decoder.decode(partial(decoys.bug))
    assert 'return {}["the missing key"]' in "".join(error.value.__notes__)


def test_plain_data_arrives_whole(decoder, decoys, tmp_path):
    call = partial(decoys.everything, folder=tmp_path)
    assert decoder.decode(call) == call()


def test_a_result_that_is_too_long_is_refused(decoder, decoys):
    with pytest.raises(MediaTooLarge, match="more than 16 MiB"):
        decoder.decode(partial(decoys.too_long))


def test_a_request_that_is_too_long_is_refused(decoder, decoys):
    with pytest.raises(wire.TooLong):
        decoder.decode(partial(decoys.fail, kind="x" * (17 << 20), message="", hint=""))


def test_what_libraries_print_reaches_nobody(decoder, decoys, capfd):
    assert decoder.decode(partial(decoys.noise, number=1)) == 1
    assert decoder.decode(partial(decoys.noise, number=2)) == 2
    assert capfd.readouterr() == ("", "")


def test_progress_arrives_in_order(decoder, decoys):
    told = []
    values = [0.0, 0.25, 0.5, 1.0]
    decoder.decode(partial(decoys.steps, values=values, pause=0.1), on_progress=told.append)
    assert told == values


def test_progress_that_comes_too_fast_is_thinned_but_for_the_end(decoder, decoys):
    told = []
    values = [n / 10_000 for n in range(10_001)]
    decoder.decode(partial(decoys.steps, values=values, pause=0), on_progress=told.append)
    assert len(told) < 1000
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_a_function_without_progress_may_be_asked_for_it(decoder, decoys):
    told = []
    assert decoder.decode(partial(decoys.twice, number=1), on_progress=told.append) == 2
    assert told == []


def test_an_error_while_progress_is_told_ends_the_child(decoder, decoys):
    before = decoder.decode(partial(decoys.pid))

    def stop(done: float) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        decoder.decode(partial(decoys.steps, values=[0.5], pause=100), on_progress=stop)
    assert not alive(before)


# --- hostile answers -----------------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("hacked",))


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x04\0\xff\xfe\x80",
        b"\0\0\x60\0" + b"[" * 0x6000,
        b"\0\0\0\x04null",
        len(evil := pickle.dumps(Evil())).to_bytes(4, "big") + evil,
    ],
    ids=["empty", "endless", "garbage", "deep", "null", "pickle"],
)
def test_bytes_that_are_no_answer_are_refused(decoder, decoys, data):
    with pytest.raises(CorruptMedia, match="nonsense"):
        decoder.decode(partial(decoys.write_raw, data=data))
    assert list(Path().iterdir()) == []


def test_half_an_answer_is_waited_for_and_no_longer(make_decoder, decoys):
    with pytest.raises(CorruptMedia, match="stuck"):
        make_decoder(idle_seconds=1.0).decode(partial(decoys.write_raw, data=b"\0\0\0\x20[1"))


WORD = {"start": 0.0, "end": 1.0, "text": "a", "confidence": None}
SEGMENT = {
    "start": 0.0,
    "end": 1.0,
    "text": "a",
    "speaker": None,
    "confidence": None,
    "words": [{"record": "mediasense.types.Word", "fields": WORD}],
}


@pytest.mark.parametrize(
    "message",
    [
        ["what?"],
        ["result"],
        ["result", 1],
        ["result", {"record": "os.system", "fields": {"command": "true"}}],
        ["result", {"record": "mediasense.types.Box", "fields": SEGMENT}],
        ["result", {"record": "mediasense.types.Segment", "fields": {**SEGMENT, "text": 1}}],
        ["result", {"record": "mediasense.types.Segment", "fields": {**SEGMENT, "more": 1}}],
        ["result", {"record": "mediasense.types.Segment", "fields": {}}],
        ["result", {"record": "mediasense.types.Segment", "fields": SEGMENT, "more": 1}],
        ["error", "one_line", "message", "hint"],
        ["error", "SystemExit", "message", "hint"],
        ["error", "CorruptMedia", 1, "hint"],
        ["progress", "half"],
    ],
    ids=str,
)
def test_an_answer_that_was_not_asked_for_is_refused(decoder, decoys, message):
    with pytest.raises(CorruptMedia, match="nonsense"):
        decoder.decode(partial(decoys.say, json=json.dumps(message)))


def test_an_answer_as_it_should_be_is_taken(decoder, decoys):
    """So that the test above could fail."""
    message = ["result", {"record": "mediasense.types.Segment", "fields": SEGMENT}]
    segment = Segment(start=0.0, end=1.0, text="a", words=(Word(**WORD),))
    assert decoder.decode(partial(decoys.say, json=json.dumps(message))) == segment


def test_what_a_child_says_is_safe_to_show(decoder, decoys):
    message = ["error", "CorruptMedia", "\x1b[2J\n" + "x" * 100_000, "\x07"]
    with pytest.raises(CorruptMedia) as error:
        decoder.decode(partial(decoys.say, json=json.dumps(message)))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 10_000


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../a", "a/../../b", "a\0b", "a" * 5000 + "/../.."]
)
def test_a_result_outside_its_folder_is_refused(decoder, decoys, tmp_path, path):
    folder = tmp_path / "out"
    folder.mkdir()
    call = partial(decoys.name_a_file, path=str(folder / path), folder=folder)
    with pytest.raises(CorruptMedia, match="not its own"):
        decoder.decode(call)


@posix
def test_a_link_that_leads_out_of_the_folder_is_refused(decoder, decoys, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(CorruptMedia, match="not its own"):
        # The target is an argument; the link that stands for it is not.
        decoder.decode(partial(decoys.link_outside, folder=folder, target=tmp_path / "secret"))


def test_a_result_inside_its_folder_is_taken(decoder, decoys, tmp_path):
    path = tmp_path / "a" / "b.flac"
    call = partial(decoys.name_a_file, path=str(path), folder=tmp_path)
    assert decoder.decode(call) == path


def test_without_a_folder_a_result_names_only_what_was_given(decoder, decoys, tmp_path):
    function = decoys.name_a_file_without_folder
    source = tmp_path / "a.mp4"
    assert decoder.decode(partial(function, path=str(source), source=source)) == source
    with pytest.raises(CorruptMedia, match="not its own"):
        decoder.decode(partial(function, path=str(tmp_path / "b.mp4"), source=source))


def test_a_result_of_another_type_is_refused(decoder, decoys):
    with pytest.raises(CorruptMedia, match="str where int belongs"):
        decoder.decode(partial(decoys.lies))


def test_a_result_that_is_not_plain_is_a_mistake(decoder, decoys):
    with pytest.raises(DecoderError, match="object is not plain data"):
        decoder.decode(partial(decoys.not_plain))


def test_a_function_that_does_not_say_what_it_returns_is_a_mistake(decoder, decoys):
    with pytest.raises(TypeError, match="does not say what it returns"):
        decoder.decode(partial(decoys.says_nothing))


# --- what may be called --------------------------------------------------------------------------


def test_arguments_have_names(decoder, decoys):
    with pytest.raises(TypeError, match="by name"):
        decoder.decode(partial(decoys.twice, 2))


@pytest.mark.parametrize("name", ["_private", "getpid", "Box", "Thing.method"])
def test_only_public_functions_of_the_module_are_called(decoder, decoys, name, monkeypatch):
    def other() -> int:
        raise AssertionError

    other.__module__, other.__qualname__ = "decoys", name
    with pytest.raises(DecoderError, match="LookupError"):
        decoder.decode(partial(other))


def test_only_functions_of_the_media_modules_are_called(decoys):
    with pytest.raises(DecoderError, match=r"decoys\.twice may not be called"):
        decode(partial(decoys.twice, number=1))


# --- what a child gets ---------------------------------------------------------------------------


def test_a_child_gets_no_credentials(decoder, decoys, monkeypatch):
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "HOME", "SOMETHING"):
        monkeypatch.setenv(name, "secret")
    got = decoder.decode(partial(decoys.environment))
    assert "secret" not in got.values()
    assert got["PATH"] == os.environ["PATH"]


def test_a_child_finds_what_the_program_finds(decoder, decoys, monkeypatch):
    monkeypatch.syspath_prepend("/some/folder")
    monkeypatch.setattr(sys, "path", ["", "relative", *sys.path])
    found = decoder.decode(partial(decoys.module_path))
    assert found[:2] == [str(Path.cwd()), str(Path("relative").absolute())]
    assert found[2] == "/some/folder"


def test_a_child_imports_only_what_is_called(decoder, decoys):
    loaded = set(decoder.decode(partial(decoys.modules)))
    assert loaded.isdisjoint({"av", "numpy", "PIL", "site", "urllib3", "asyncio", "__mp_main__"})


def test_a_child_does_not_stand_in_a_folder_of_the_user_while_it_waits(decoder, decoys, tmp_path):
    decoder.decode(partial(decoys.pid))
    assert decoder.decode(partial(decoys.current_folder)) == str(Path.cwd())
    if sys.platform == "linux":
        pid = decoder.decode(partial(decoys.pid))
        assert wait_until(lambda: Path(f"/proc/{pid}/cwd").readlink() == Path("/"))


def test_a_current_folder_that_is_gone_is_no_obstacle(decoder, decoys, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert decoder.decode(partial(decoys.twice, number=1)) == 2


def test_the_core_alone_is_enough(site):
    """In a process without site-packages of its own, whose path is in a variable."""
    code = """
from functools import partial
from pathlib import Path
from mediasense.errors import MediasenseError
from mediasense.media.isolation.decoder import decode
from mediasense.media.recordings import inspect_recording
try:
    decode(partial(inspect_recording, source=Path("nowhere"), name="it"))
except MediasenseError as error:
    print(type(error).__name__)
"""
    done = site.python(code)
    assert (done.stdout, done.stderr) == ("UnsupportedMedia\n", "")


# --- the pool ------------------------------------------------------------------------------------


def test_a_child_is_used_again(decoder, decoys):
    assert len({decoder.decode(partial(decoys.pid)) for _ in range(5)}) == 1


def test_a_child_lasts(make_decoder, decoys):
    """What ends one now and then would be hidden by the next one."""
    decoder = make_decoder(calls=10_000)
    assert len({decoder.decode(partial(decoys.pid)) for _ in range(1000)}) == 1


def test_a_child_that_was_started_early_is_used(decoder, decoys, monkeypatch):
    decoder.warm_up()
    decoder.warm_up()
    monkeypatch.setattr(sys, "executable", "")  # no other can be started
    assert decoder.decode(partial(decoys.twice, number=1)) == 2


@pytest.mark.parametrize(("name", "value"), [("_BOOT", "import nowhere"), ("sys.executable", "")])
def test_a_failure_to_start_early_is_told_when_it_matters(
    decoder, decoys, monkeypatch, name, value
):
    monkeypatch.setattr(f"mediasense.media.isolation.child.{name}", value)
    decoder.warm_up()
    with pytest.raises(ConfigError):
        decoder.decode(partial(decoys.pid))


def test_nothing_is_started_early_where_nothing_will_be_used(decoder, decoys, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_ISOLATION", "off")
    monkeypatch.setattr(subprocess, "Popen", None)
    decoder.warm_up()


def test_a_child_is_replaced_after_so_many_calls(make_decoder, decoys):
    decoder = make_decoder(calls=3)
    pids = [decoder.decode(partial(decoys.pid)) for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert [alive(pid) for pid in dict.fromkeys(pids)] == [False, False, True]


def test_a_child_that_told_of_a_bad_file_goes_on(decoder, decoys):
    before = decoder.decode(partial(decoys.pid))
    with pytest.raises(CorruptMedia):
        decoder.decode(partial(decoys.fail, kind="CorruptMedia", message="", hint=""))
    assert decoder.decode(partial(decoys.pid)) == before


def test_a_child_that_made_a_mistake_is_replaced(decoder, decoys):
    before = decoder.decode(partial(decoys.pid))
    with pytest.raises(DecoderError):
        decoder.decode(partial(decoys.bug))
    assert decoder.decode(partial(decoys.pid)) != before
    assert not alive(before)


def test_threads_decode_at_once_and_few_children_stay(make_decoder, decoys):
    decoder = make_decoder(kept=2)
    together = threading.Barrier(8)
    pids = set()

    def many(start: int) -> list[int]:
        together.wait()
        pids.add(decoder.decode(partial(decoys.pid)))
        return [decoder.decode(partial(decoys.twice, number=start + n)) for n in range(20)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(many, range(0, 800, 100)))
    assert found == [[2 * (start + n) for n in range(20)] for start in range(0, 800, 100)]
    assert sum(alive(pid) for pid in pids) <= 2


def test_no_child_and_no_thread_is_left_after_closing(decoder, decoys):
    pid = decoder.decode(partial(decoys.pid))
    decoder.close()
    assert not alive(pid)
    assert not [t for t in threading.enumerate() if "mediasense" in t.name]
    assert decoder.decode(partial(decoys.pid)) != pid


def test_closing_ends_a_child_that_works(decoder, decoys, tmp_path):
    marker = tmp_path / "pid"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decoder.decode, partial(decoys.hang, how="", marker=marker))
        assert wait_until(marker.exists)
        decoder.close()
        with pytest.raises(CorruptMedia, match="SIGKILL"):
            waiting.result(20)


def test_a_decoder_that_is_forgotten_takes_its_children_along(decoys):
    decoder = Decoder(prefixes=("decoys",))
    pid = decoder.decode(partial(decoys.pid))
    decoder.close()
    del decoder
    gc.collect()
    assert not alive(pid)


@posix
def test_a_forked_program_has_children_of_its_own(decoder, decoys, tmp_path):
    mine = decoder.decode(partial(decoys.pid))
    answer = tmp_path / "answer"
    forked = os.fork()
    if not forked:
        try:
            answer.write_text(str(decoder.decode(partial(decoys.pid))))
            decoder.close()
        finally:
            os._exit(0)
    os.waitpid(forked, 0)
    assert int(answer.read_text()) not in (mine, 0)
    assert not alive(int(answer.read_text()))
    assert decoder.decode(partial(decoys.pid)) == mine


# --- the end of the program ----------------------------------------------------------------------

PROGRAM = """
import sys
sys.path[:] = {path!r}
from functools import partial
from pathlib import Path
import decoys
from mediasense.media.isolation.decoder import Decoder
decoder = Decoder(prefixes=("decoys",))
{do}
"""


@pytest.fixture
def start(decoys, heed_ctrl_c):
    """Start a program that decodes."""
    started = []

    def start(do: str) -> subprocess.Popen[str]:
        code = PROGRAM.format(path=sys.path, do=do)
        program = subprocess.Popen(
            [sys.executable, "-W", "always", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()
        program.communicate()


@linux
def test_ctrl_c_ends_the_child_at_once(start, tmp_path):
    marker = tmp_path / "pid"
    program = start(
        f"decoder.decode(partial(decoys.hang, how='in C', marker=Path({str(marker)!r})))"
    )
    assert wait_until(marker.exists)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=20)
    assert said.endswith("KeyboardInterrupt\n")
    assert not alive(int(marker.read_text()))


@linux
@pytest.mark.parametrize("how", ["in Python", "in C"])
def test_a_child_that_works_ends_with_a_program_that_is_killed(start, tmp_path, how):
    marker = tmp_path / "pid"
    program = start(
        f"decoder.decode(partial(decoys.hang, how={how!r}, marker=Path({str(marker)!r})))"
    )
    assert wait_until(marker.exists)
    pid = int(marker.read_text())
    assert alive(pid)
    program.kill()
    assert wait_until(lambda: not alive(pid))


@linux
def test_a_child_that_waits_ends_with_a_program_that_is_killed(start):
    program = start("print(decoder.decode(partial(decoys.pid)), flush=True)\ninput()")
    pid = int(program.stdout.readline())
    program.kill()
    assert wait_until(lambda: not alive(pid))


@linux
def test_a_fork_of_the_program_does_not_keep_its_children(start):
    program = start("""
print(decoder.decode(partial(decoys.pid)), flush=True)
import os, time
forked = os.fork()
if forked:
    print(forked, flush=True)
time.sleep(100)
""")
    pid, forked = int(program.stdout.readline()), int(program.stdout.readline())
    try:
        os.kill(program.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(pid))
        assert alive(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


@linux
def test_a_child_ends_with_its_program(start):
    program = start("print(decoder.decode(partial(decoys.pid)))")
    said, complaints = program.communicate(timeout=20)
    assert complaints == ""
    assert not alive(int(said))


@linux
def test_a_child_ignores_ctrl_c_while_it_waits(decoder, decoys):
    pid = decoder.decode(partial(decoys.pid))
    os.kill(pid, signal.SIGINT)
    assert decoder.decode(partial(decoys.pid)) == pid


# --- the switch ----------------------------------------------------------------------------------


def test_the_switch_decodes_here(decoder, decoys, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_ISOLATION", "off")
    told = []
    assert decoder.decode(partial(decoys.pid), on_progress=told.append) == os.getpid()
    call = partial(decoys.steps, values=[0.5, 1.0], pause=0)
    assert decoder.decode(call, on_progress=told.append) == "done"
    assert told == [0.5, 1.0]


@pytest.mark.parametrize("value", ["", "on", "OFFICE"])
def test_anything_else_does_not(decoder, decoys, monkeypatch, value):
    monkeypatch.setenv("MEDIASENSE_ISOLATION", value)
    assert decoder.decode(partial(decoys.pid)) != os.getpid()


# --- the wire ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    text: str
    number: int | None
    kind: Literal["a", "b"]
    boxes: tuple[Box, ...]
    pair: tuple[float, str]
    data: bytes
    where: Path | None
    known: dict[str, bool]


@dataclass
class Thawed:
    number: int


integers = st.integers(-(2**63), 2**63 - 1)
samples = st.builds(
    Sample,
    text=st.text(),
    number=st.none() | integers,
    kind=st.sampled_from(["a", "b"]),
    boxes=st.lists(
        st.builds(Box, left=integers, top=integers, right=integers, bottom=integers), max_size=3
    ).map(tuple),
    pair=st.tuples(st.floats(allow_nan=False), st.text()),
    data=st.binary(),
    where=st.none() | st.text().map(Path),
    known=st.dictionaries(st.text(), st.booleans(), max_size=3),
)


def anywhere(path: Path) -> bool:
    return True


def crossed(kind, value):
    return wire.read_as(kind, wire.load(wire.dump(wire.plain(value))), allowed=anywhere)


@given(samples)
def test_what_is_plain_crosses_unchanged(sample):
    assert crossed(Sample, sample) == sample


@given(st.lists(samples, max_size=2))
def test_so_do_rows_of_it(rows):
    assert crossed(list[Sample], rows) == rows


def test_numbers_that_are_none_cross():
    assert math.isnan(crossed(float, math.nan))
    assert crossed(float, 3) == 3.0
    assert type(crossed(float, 3)) is float


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["record", "fields", "path", "bytes", "pairs", "text", "number"]), inner
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_anything_else_is_nonsense(value):
    with pytest.raises(wire.Nonsense):
        wire.read_as(Sample, wire.load(json.dumps(value).encode()), allowed=anywhere)


@given(
    st.sampled_from([int, bytes, Path, dict[str, int], tuple[int, str], list[str], int | Path]),
    anything,
)
def test_what_is_read_is_of_its_type_or_nonsense(kind, value):
    with suppress(wire.Nonsense):
        found = wire.read_as(kind, value, allowed=anywhere)
        assert crossed(kind, found) == found


@given(st.binary())
def test_bytes_are_json_or_nonsense(data):
    with suppress(wire.Nonsense):
        wire.load(data)


@given(st.binary(max_size=200))
def test_a_pipe_gives_a_message_or_its_end_or_nonsense(data):
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
        os.close(writing)
        with suppress(wire.Nonsense):
            message = wire.receive(reading)
            assert message is None or len(message) == int.from_bytes(data[:4], "big")
    finally:
        os.close(reading)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**5000], ids=["up", "down", "far"])
def test_numbers_have_an_end(number):
    with pytest.raises(wire.Nonsense):
        wire.read_as(int, number, allowed=anywhere)


def test_a_truth_is_no_number():
    with pytest.raises(wire.Nonsense):
        wire.read_as(int, value=True, allowed=anywhere)


@pytest.mark.parametrize("kind", [object, set[int], type, Thawed])
def test_other_types_cannot_come_out(kind):
    with pytest.raises(TypeError):
        wire.read_as(kind, 1, allowed=anywhere)
