"""What hooks are called, for whoever wants to watch: who, how long, and how it ended.

Nothing of what is asked or answered is told: no media, no prompt, no key, no answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pluggy

from mediasense.errors import one_line

_OLD = "(a hookwrapper, as pluggy had them before wrapper=True)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """One piece of a plugin's work that is over.

    Attributes:
        hook: The name of the hook, or ``import``.
        plugin: Whose it is, with its version.
        seconds: Its own time: what others did inside it is not counted.
        outcome: How it ended, in words; of an error the class alone.
        provider, model: Who is asked, where somebody is.
        sent: What of, in words.
        wraps: Whether it stands around another call.
        depth: How many calls stand around it.
    """

    hook: str
    plugin: str
    seconds: float
    outcome: str
    provider: str = ""
    model: str = ""
    sent: str = ""
    wraps: bool = False
    depth: int = 0

    def __str__(self) -> str:
        who = " ".join(filter(None, ("around" * self.wraps, self.hook, self.provider, self.model)))
        asked = f"{who}, {self.sent}" if self.sent else who
        return f"{self.seconds:.3f} s {'| ' * self.depth}{asked} ({self.plugin}): {self.outcome}"


OnTrace = Callable[[Traced], None]


class Tracer:
    """Tells of the calls of hooks.

    Args:
        on_trace: Told of each call when it ends, on the thread that made it.
    """

    def __init__(self, on_trace: OnTrace) -> None:
        self.on_trace = on_trace
        self._here = _Here()

    def around(self, implementation: Any, plugin: str, hook: str) -> Callable[..., Any]:
        """A function that does what a hook's does, and is told of.

        Args:
            implementation: Of the hook, as pluggy keeps it.
            plugin: Whose it is, with its version.
            hook: The name of the hook.
        """
        function = implementation.function
        names = (*implementation.argnames, *implementation.kwargnames)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
            request = dict(zip(names, args, strict=False), **kwargs).get("request")
            return _Call(self, plugin, hook, request)

        def plain(*args: Any, **kwargs: Any) -> Any:
            call = begin(args, kwargs)
            try:
                result = call.work(partial(function, *args, **kwargs))
            except BaseException as error:
                call.end(f"raised {type(error).__name__}")
                raise
            call.end(_outcome(hook, result, call.request))
            return result

        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            call = begin(args, kwargs)
            try:
                result = yield from call.pieces(function(*args, **kwargs))
            except BaseException as error:
                verb = "passed on" if error is call.received else "raised"
                call.end(f"{verb} {type(error).__name__}", wraps=True)
                raise
            same = result is call.received
            call.end("passed it on" if same else "changed the answer", wraps=True)
            return result

        def old_wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            call = begin(args, kwargs)
            try:
                result = yield from call.pieces(function(*args, **kwargs))
            except BaseException as error:
                call.end(f"raised {type(error).__name__} {_OLD}", wraps=True)
                raise
            call.end(f"{call.left()} {_OLD}", wraps=True)
            return result

        if implementation.hookwrapper:
            return old_wrapper
        return wrapper if implementation.wrapper else plain

    def tell(self, name: str, plugin: str, seconds: float, outcome: str) -> None:
        """Tell of what a plugin did at the start."""
        self.on_trace(Traced(hook=name, plugin=plugin, seconds=seconds, outcome=outcome))


class _Here(threading.local):
    """What is under way on this thread: how many calls, and the time taken inside each piece."""

    def __init__(self) -> None:
        self.depth = 0
        self.inside: list[float] = []


class _Call:
    """One call that is under way."""

    def __init__(self, tracer: Tracer, plugin: str, hook: str, request: Any) -> None:
        self.request = request
        self.received: object = None
        self._had: object = None
        self._seconds = 0.0
        self._tracer = tracer
        self._plugin = plugin
        self._hook = hook
        self._here = tracer._here
        self._depth = self._here.depth
        self._here.depth += 1

    def work(self, act: Callable[[], Any]) -> Any:
        """Do some of it; what others do meanwhile is their own time."""
        inside = self._here.inside
        inside.append(0.0)
        started = time.perf_counter()
        try:
            return act()
        finally:
            whole = time.perf_counter() - started
            self._seconds += whole - inside.pop()
            if inside:
                inside[-1] += whole

    def pieces(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Do what a wrapper does, before and after what it stands around."""
        step: Callable[[], Any] = partial(next, generator)
        while True:
            try:
                yielded = self.work(step)
            except StopIteration as stop:
                return stop.value
            try:
                self.received = yield yielded
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # noqa: BLE001  the wrapper is told of it
                self.received = error
                step = partial(generator.throw, error)
            else:
                self._had = _holds(self.received)
                step = partial(generator.send, self.received)

    def left(self) -> str:
        """What an old wrapper did with what it was given: pluggy's result, which it may change."""
        if (holds := _holds(self.received)) is not self._had:
            return "changed the answer"
        failed = isinstance(holds, BaseException)
        return f"passed on {type(holds).__name__}" if failed else "passed it on"

    def end(self, outcome: str, *, wraps: bool = False) -> None:
        """Tell of it."""
        self._here.depth = self._depth
        provider = getattr(self.request, "provider", None)
        self._tracer.on_trace(
            Traced(
                hook=self._hook,
                plugin=self._plugin,
                seconds=self._seconds,
                outcome=outcome,
                provider=getattr(provider, "name", ""),
                model=one_line(str(getattr(self.request, "model", None) or ""), limit=80),
                sent=_sent(self.request),
                wraps=wraps,
                depth=self._depth,
            )
        )


def _holds(received: object) -> object:
    """The answer or the error that a wrapper is given; an old one is given pluggy's result."""
    if not isinstance(received, pluggy.Result):
        return received
    return received.exception if received.exception is not None else received.get_result()


def _outcome(hook: str, result: Any, request: Any) -> str:
    if hook == "prepare_request":
        return "left it as it is" if result is None or result is request else "changed it"
    if hook == "register_commands":
        return "done"
    return "answered" if result is not None else "answered nothing"


def _sent(request: Any) -> str:
    """How many media go there, and how large they are together."""
    media = [
        *getattr(request, "images", ()),
        *(found for name in ("video", "audio") if (found := getattr(request, name, None))),
    ]
    if not media:
        return ""
    kind = media[0].modality
    what = f"1 {kind}" if len(media) == 1 else f"{len(media)} {kind}s"
    sizes = [item.size for item in media]
    if None in sizes:
        return f"{what} by link"
    size = sum(sizes)
    return f"{what}, {size / 1e6:.1f} MB" if size >= 1e5 else f"{what}, {size / 1e3:.1f} kB"
