"""One child process that decodes: how it starts, how long it may be silent, how it ends.

The other side is :mod:`mediasense.media.isolation.worker`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mediasense
from mediasense import errors
from mediasense.errors import ConfigError, CorruptMedia, MediasenseError, MediaTooLarge
from mediasense.media.isolation import wire
from mediasense.media.isolation.call import TEXT_LIMIT, Call, current_folder, printable

IDLE_SECONDS = 60.0
"""So long a child may be without a sign of life."""

MEMORY_BYTES = 6 * 1024**3
"""So much address space a child may have, on Linux."""

SWITCH = "MEDIASENSE_ISOLATION"
"""The variable that turns child processes off."""

_SLICES = 20
_END_SECONDS = 2.0
_KILLED = -9
_PIPE_BYTES = 64 * 1024
_DAMAGED = "open or play it to see whether it is damaged, or export it again"
_NO_CHILD = f"set {SWITCH}=off to decode without a child process"


# Where programs and libraries are, what letters mean and where temporary files go. Never a key.
_VARIABLES = (
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
)
# Its threads would each take address space, and nothing here multiplies matrices.
_FIXED_VARIABLES = {"OPENBLAS_NUM_THREADS": "1"}

_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from mediasense.media.isolation.worker import main; main()"
)

OnProgress = Callable[[float], None]


class DecoderError(RuntimeError):
    """A function had an error in the child that is not about media: a mistake in the program.

    The child's own traceback is its note.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may do.

    Attributes:
        idle_seconds: How long it may be without a sign of life: an answer, or progress.
        memory_bytes: Its address space; Linux only.
        calls: How many it answers before it is replaced.
        kept: How many children wait for the next call; as many as are called call.
    """

    idle_seconds: float = IDLE_SECONDS
    memory_bytes: int = MEMORY_BYTES
    calls: int = 50
    kept: int = 4


# --- a child -------------------------------------------------------------------------------------


class Crashed(Exception):
    """The child ended before it answered; ``error`` is what to tell of it."""

    def __init__(self, error: MediasenseError) -> None:
        super().__init__(error)
        self.error = error


class Child:
    """One process, and the pipes to it.

    Attributes:
        calls: How often it was given work.
        well: Whether its last answer was one: a result, or a known error.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.calls = 0
        self.well = True
        self._ready = False
        self._process = _start_process(memory_bytes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        # Its other end tells the child when this program ends. Python's own words come here too,
        # while it starts.
        self._leash = self._process.stderr

    def lives(self) -> bool:
        """Whether it runs, as far as the system knows."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it; who waits for its answer then waits no longer."""
        self._process.kill()

    def end(self) -> None:
        """Kill it, if need be, and wait until it is gone. Not while a thread reads its answer."""
        self.kill()
        self.let_go()
        self._process.wait()

    def let_go(self) -> None:
        """Close this program's ends of the pipes; a forked program has no other claim to it."""
        for pipe in (self._requests, self._replies, self._leash):
            with suppress(OSError):
                pipe.close()
        self._process.poll()

    def work(self, call: Call, limits: Limits, on_progress: OnProgress | None) -> object:
        """Let it do one thing, and wait for the answer.

        Raises:
            Crashed: It ended before it answered; a fresh one may do better.
            CorruptMedia: It stood still, or answered nonsense.
            ConfigError: It never started.
            MediasenseError, DecoderError: What the function raised.
        """
        self.calls += 1
        self.well = False
        with _patience(self._process, limits.idle_seconds) as patience:
            try:
                # A child that died before it read its work is told of by what it answers: nothing.
                with suppress(OSError):
                    wire.send(self._requests.fileno(), call.request)
                return self._answer(call, limits, patience, on_progress)
            except wire.Nonsense as error:
                raise CorruptMedia(
                    f"the decoder answered nonsense about {call.name}: {error}", hint=_DAMAGED
                ) from None
            except EOFError:
                raise self._obituary(call, limits, patience) from None

    def _answer(
        self, call: Call, limits: Limits, patience: _Patience, on_progress: OnProgress | None
    ) -> object:
        """Read what the child says, up to the answer."""
        while (message := wire.receive(self._replies.fileno())) is not None:
            patience.renew()
            match wire.load(message):
                case ["ready"]:
                    self._ready = True
                case ["progress", int() | float() as done]:
                    if on_progress is not None:
                        on_progress(min(1.0, max(0.0, float(done))))
                case ["result", result]:
                    found = wire.read_as(call.returns, result, allowed=call.allows)
                    self.well = True
                    return found
                case ["error", str() as kind, str() as what, str() as hint]:
                    error = _error(kind, what, hint)
                    self.well = True
                    raise error
                case ["memory"]:
                    raise _too_large(call, limits)
                case ["bug", str() as what, str() as trace]:
                    raise _bug(what, trace)
                case _:
                    raise wire.Nonsense("it is no answer")
        raise EOFError

    def _obituary(self, call: Call, limits: Limits, patience: _Patience) -> Exception:
        """What to tell of a child that ended."""
        code = self._code()
        if patience.ran_out:
            return CorruptMedia(
                f"the decoder got stuck on {call.name}: no sign of life for "
                f"{limits.idle_seconds:g} s",
                hint=_DAMAGED,
            )
        if not self._ready:
            said = (self._leash.read(_PIPE_BYTES) or b"").decode("utf-8", "replace").splitlines()
            cause = printable(said[-1]) if said else _ending(code)
            return ConfigError(f"the decoder's process does not start: {cause}", hint=_NO_CHILD)
        hint = f"is there enough memory? Else {_DAMAGED}" if code == _KILLED else _DAMAGED
        return Crashed(
            CorruptMedia(f"the decoder crashed on {call.name} ({_ending(code)})", hint=hint)
        )

    def _code(self) -> int:
        try:
            return self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # it only closed its pipe
            self._process.kill()
            return self._process.wait()


def _start_process(memory_bytes: int) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise ConfigError("this program has no Python to start a decoder with", hint=_NO_CHILD)
    program = Path(sys.executable).absolute()
    try:
        # Nothing of the environment and of site-packages but what is named: the path is this one's.
        return subprocess.Popen(  # noqa: S603
            [program, "-I", "-S", *_options(), "-c", _BOOT, str(memory_bytes), *_module_path()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=program.anchor,
            env=_environment(),
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"no process can be started: {error}", hint=_NO_CHILD) from error


def _options() -> Iterator[str]:
    if sys.flags.utf8_mode:
        yield from ("-X", "utf8")
    if sys.dont_write_bytecode:
        yield "-B"


def _module_path() -> list[str]:
    """Where modules are found, and last where this one was: an import hook may have found it."""
    home = str(Path(mediasense.__path__[0]).parent)
    folder = current_folder() or home
    found = [str(Path(folder, entry)) for entry in sys.path]
    return found if home in found else [*found, home]


def _environment() -> dict[str, str]:
    found = {name: os.getenv(name) for name in _VARIABLES}
    return {name: value for name, value in found.items() if value is not None} | _FIXED_VARIABLES


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


def _error(kind: str, what: str, hint: str) -> MediasenseError:
    if kind not in _RAISED:
        raise wire.Nonsense("it names no error")
    made: type[MediasenseError] = getattr(errors, kind)
    return made(printable(what), hint=printable(hint))


_RAISED = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, MediasenseError)
)


def _too_large(call: Call, limits: Limits) -> MediaTooLarge:
    return MediaTooLarge(
        f"decoding {call.name} takes more memory than the {limits.memory_bytes / 1024**3:.3g} GiB "
        "a decoder may have",
        hint="scale it down or cut it first",
    )


def _bug(what: str, trace: str) -> DecoderError:
    error = DecoderError(f"in the decoder's process: {printable(what)}")
    error.add_note("\n".join(printable(line) for line in trace[-TEXT_LIMIT:].splitlines()))
    return error


# --- patience ------------------------------------------------------------------------------------


class _Patience:
    """How long a child may still be silent.

    Time is counted in slices, so that a program that was stopped, or slept with its computer, does
    not blame the child for it.
    """

    def __init__(self) -> None:
        self.ran_out = False
        self._left = _SLICES
        self._over = threading.Event()

    def renew(self) -> None:
        self._left = _SLICES

    def stop(self) -> None:
        self._over.set()

    def watch(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Kill the child when patience runs out: that ends the wait for its pipe."""
        while not self._over.wait(seconds / _SLICES):
            self._left -= 1
            if self._left <= 0:
                self.ran_out = True
                process.kill()
                return


@contextmanager
def _patience(process: subprocess.Popen[bytes], seconds: float) -> Iterator[_Patience]:
    patience = _Patience()
    watcher = threading.Thread(
        target=patience.watch, args=(process, seconds), name="mediasense decoder", daemon=True
    )
    watcher.start()
    try:
        yield patience
    finally:
        patience.stop()
        watcher.join()
