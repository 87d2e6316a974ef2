"""Watch a plugin being imported, in a process of its own: what it loads, and what else it does."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_CHILD = (
    "import json, sys; given = json.load(sys.stdin); sys.path[:] = given['path']; "
    "from mediasense.testing.probe import watch; watch(given['named'])"
)
_TIMEOUT = 60.0
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was seen.

    Attributes:
        imported: Packages that are neither the plugin's own, nor mediasense's, nor Python's.
        doings: What it did besides.
        variables: What capabilities() looked for in the environment.
        same: Whether it said the same twice.
        seconds: Of work, from the import to the end of capabilities().
    """

    imported: tuple[str, ...]
    doings: tuple[str, ...]
    variables: tuple[str, ...]
    same: bool
    seconds: float


@functools.cache
def probed(named: str) -> Probe:
    """Watch a plugin, once in a process."""
    given = json.dumps({"path": [str(Path(p).resolve()) for p in sys.path], "named": named})
    run = subprocess.run(  # noqa: S603  this very Python
        [sys.executable, "-B", "-c", _CHILD],
        input=given,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if run.returncode != 0:
        last = run.stderr.strip().rpartition("\n")[2]
        raise AssertionError(f"the plugin cannot be imported in a process of its own: {last}")
    seen = json.loads(run.stdout.rpartition("\n")[2])
    return Probe(
        imported=tuple(seen["imported"]),
        doings=tuple(seen["doings"]),
        variables=tuple(seen["variables"]),
        same=seen["same"],
        seconds=seen["seconds"],
    )


def watch(named: str) -> None:
    """Import the plugin, and write what was seen; runs in the child."""
    import mediasense  # what it has to have
    from mediasense.testing.sources import load, module_of

    load.cache_clear()
    for name in mediasense.__all__:
        getattr(mediasense, name)
    doings: list[str] = []
    before = set(sys.modules)
    sys.addaudithook(functools.partial(_note, doings))
    started = time.process_time()
    module = module_of(named)
    environment = _Watched(os.environ)
    os.environ = environment  # type: ignore[assignment]  # noqa: B003  it is to be replaced
    offered = _offered(module)
    seconds = time.process_time() - started
    environment.asked.sort()
    again = _offered(module)
    own = {module.__name__.partition(".")[0], "mediasense"}
    tops = {name.partition(".")[0] for name in set(sys.modules) - before}
    seen = Probe(
        imported=tuple(sorted(tops - own - sys.stdlib_module_names)),
        doings=tuple(dict.fromkeys(doings)),
        variables=tuple(dict.fromkeys(environment.asked)),
        same=offered == again,
        seconds=seconds,
    )
    sys.stdout.write("\n" + json.dumps(asdict(seen)))


def _offered(module: Any) -> object:
    capabilities = getattr(module, "capabilities", None)
    return capabilities() if capabilities is not None else ()


def _note(doings: list[str], event: str, given: tuple[Any, ...]) -> None:
    """An audit hook."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        doings.append("it uses the network")
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        doings.append("it runs a program")
    elif event == "open" and isinstance(given[0], str | bytes) and _is_written(given):
        doings.append(f"it writes {os.fsdecode(given[0])}")
    elif event in ("os.mkdir", "os.remove", "os.rename"):
        doings.append(f"it changes {os.fsdecode(given[0])}")
    elif event == "_thread.start_new_thread":
        doings.append("it starts a thread")


def _is_written(given: tuple[Any, ...]) -> bool:
    _, mode, flags = (*given, None, None)[:3]
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return True
    return isinstance(flags, int) and bool(flags & _WRITES)


class _Watched(dict[str, str]):
    """The environment, with a note of what is looked for."""

    def __init__(self, variables: Any) -> None:
        super().__init__(variables)
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.asked.append(str(name))
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """A variable, or something else."""
        self.asked.append(str(name))
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.append(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.asked.append("all of it")
        return super().__iter__()
