"""Run a plugin's own code where it can do no harm, and say in its author's words what is wrong.

Its import, its ``capabilities`` and its ``register_commands`` run when the program starts. So they
are given up when they do not end, what they print is kept from the answer, and what they are warned
of is remembered.
"""

from __future__ import annotations

import contextvars
import difflib
import inspect
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mediasense import hookspecs
from mediasense.discovery import FILE_BYTES, EntryPoint, digest, read_bytes
from mediasense.errors import MediasenseError, PluginError, one_line

PATIENCE = 10.0
"""Seconds that a plugin's import, or one of the hooks that run at the start, may take."""

_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_KEPT = 500
_TRIES = 20
_AT_LAST = 0.2
_THREAD = "plugin"
_MARK = f"{hookspecs.PROJECT}_impl"
_SPEC = f"{hookspecs.PROJECT}_spec"
_TOLD = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One piece of a plugin's code that runs at the start.

    Attributes:
        name: Short, for traces.
        subject: As what does not end, such as ``its import``.
        when: When it printed something.
    """

    name: str
    subject: str
    when: str


IMPORT = Phase(name="import", subject="its import", when="when it was imported")
CAPABILITIES = Phase(name="capabilities", subject="its capabilities()", when="in capabilities()")
COMMANDS = Phase(
    name="register_commands",
    subject="its register_commands()",
    when="in register_commands()",
)


# --- running a plugin's code ---------------------------------------------------------------------


@dataclass(slots=True)
class Watch:
    """Runs the code of one plugin, and remembers what there is to remark.

    Attributes:
        entry_point: Which plugin.
        remarks: What it printed, and what it was warned of; each one line.
        seconds: How long each phase took.
    """

    entry_point: EntryPoint
    remarks: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, act: Callable[[], Result], phase: Phase) -> Result:
        """Run some of its code on a thread of its own, and wait for it no longer than is sensible.

        Raises:
            PluginError: It does not end.
            BaseException: What the code raises.
        """
        ear = _Ear(sys.stdout)
        started = time.perf_counter()
        try:
            with self.warned(), _heard_by(ear):
                return _bounded(act, ear, phase)
        finally:
            self.seconds[phase.name] = time.perf_counter() - started
            if said := one_line(ear.said):
                self.remarks.append(f"it printed {said!r} {phase.when}")

    @contextmanager
    def warned(self) -> Iterator[None]:
        """Remember what the plugin is warned of meanwhile, and pass on all other warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for warning in caught:
            if issubclass(warning.category, _TOLD) and self._is_of_plugin(warning.filename):
                self.remarks.append(f"it is warned: {one_line(str(warning.message))}")
            else:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )

    def _is_of_plugin(self, file: str) -> bool:
        if self.entry_point.is_file:
            return file == self.entry_point.module
        module = sys.modules.get(self.entry_point.module)
        own = Path(getattr(module, "__file__", None) or "")
        return Path(file) == own or (own.name == "__init__.py" and own.parent in Path(file).parents)


class _Ear:
    """Stands in for stdout: keeps what one thread prints, and passes on what all others do."""

    def __init__(self, stdout: Any) -> None:
        self._stdout = stdout
        self.thread: int | None = None
        self.said = ""

    def write(self, text: str) -> int:
        if threading.get_ident() == self.thread:
            self.said += text[: max(0, _KEPT - len(self.said))]
        elif self._stdout is not None:
            self._stdout.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


@contextmanager
def _heard_by(ear: _Ear) -> Iterator[None]:
    before = sys.stdout
    sys.stdout = ear
    try:
        yield
    finally:
        if sys.stdout is ear:
            sys.stdout = before


def _bounded(act: Callable[[], Result], ear: _Ear, phase: Phase) -> Result:
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        ear.thread = threading.get_ident()
        try:
            results.append(act())
        except BaseException as error:  # noqa: BLE001  it is raised again where it is waited for
            errors.append(error)
        ear.thread = None

    # A thread can be left behind; the main thread, where Ctrl-C arrives, only waits.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), daemon=True, name=_THREAD)
    try:
        thread.start()
        thread.join(PATIENCE)
    except KeyboardInterrupt:
        if thread.is_alive():
            _stop(thread)
            thread.join(_AT_LAST)  # a thread that is ended amid a print takes the program down
        raise
    if thread.is_alive():
        _stop(thread)
        raise PluginError(
            f"{phase.subject} did not end in {PATIENCE:g} s",
            hint="report it to the plugin's author",
        )
    if errors:
        raise errors[0]
    return results[0]


def is_any_left_behind() -> bool:
    """Whether a plugin's code still runs though nobody waits for it any more.

    Python's own end may crash then: such a thread can hold what is flushed last.
    """
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _stop(thread: threading.Thread) -> None:
    """Have an endless loop end at its next step; what sleeps in the system is left to sleep."""
    import ctypes

    def insist() -> None:
        for _ in range(_TRIES):  # it may be caught, or come where Python passes it over
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
            )
            thread.join(0.5)
            if not thread.is_alive():
                return

    threading.Thread(target=insist, daemon=True, name="plugin-stop").start()


# --- importing -----------------------------------------------------------------------------------


def import_plugin(entry_point: EntryPoint) -> ModuleType:
    """Import a plugin's module, or run its file.

    The folder of a file is put on no path, and no bytecode is left beside it.

    Raises:
        PluginError: There is none, or it cannot be one.
        BaseException: What the module raises.
    """
    if entry_point.is_file:
        return _run_file(entry_point)
    if ":" in entry_point.module:
        raise PluginError(
            f"its entry point {entry_point.module!r} names an object", hint="name the module alone"
        )
    if not re.fullmatch(_MODULE, entry_point.module):
        what = f"{entry_point.module!r} is neither a file nor the name of a module"
        raise PluginError(what, hint="name a file as ./FILE.py, or a module")
    return import_module(entry_point.module)


def _run_file(entry_point: EntryPoint) -> ModuleType:
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_file_location

    path = entry_point.module
    code = _code(entry_point)

    class OneFile(SourceFileLoader):
        """Runs the bytes that were looked at, whatever is in the file or beside it by now."""

        def get_code(self, fullname: str) -> Any:
            del fullname
            return self.source_to_code(code, path)

    plain = "".join(c if c.isalnum() and c.isascii() else "_" for c in entry_point.name)
    name = f"mediasense_file_{plain}_{entry_point.version}"
    spec = spec_from_file_location(name, path, loader=OneFile(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _code(entry_point: EntryPoint) -> bytes:
    path = Path(entry_point.module)
    if path.is_dir():
        raise PluginError(
            f"{entry_point.distribution} is a folder", hint="name the file, or install the package"
        )
    if not path.exists():
        raise PluginError(f"there is no file {entry_point.distribution}", hint="check the path")
    code = read_bytes(path)
    if len(code) > FILE_BYTES:
        raise PluginError(
            f"it is larger than {FILE_BYTES // 1024 // 1024} MB", hint="make it a package"
        )
    if not code:
        raise PluginError("it is empty, or cannot be read", hint="check the file")
    if digest(code) != entry_point.version:
        raise PluginError("it changed while it was loaded", hint="try again")
    return code


# --- what is wrong with a plugin -----------------------------------------------------------------


def require_hooks_fit(entry_point: EntryPoint, module: Any) -> None:
    """Check what a module marks as hooks against the contract.

    Raises:
        PluginError: It marks none, or marks what the contract does not have; all of it is named.
    """
    marked = {name: found for name in dir(module) if (found := _marks(module, name)) is not None}
    if not marked:
        loose = unmarked(module)
        if loose:
            raise PluginError(f"{_and(loose)} not marked", hint="put @hookimpl above each")
        what = entry_point.distribution if entry_point.is_file else entry_point.module
        raise PluginError(f"{what} implements no hook", hint="mark its functions with @hookimpl")
    wrong = [fault for name, marks in marked.items() for fault in _faults(module, name, marks)]
    if wrong:
        message, hint = wrong[0]
        others = "".join(f"; {said}" for said, _ in wrong[1:])
        raise PluginError(message + others, hint=hint)


def unmarked(module: Any) -> tuple[str, ...]:
    """The functions of a module that are named as hooks are, and not marked as such."""
    return tuple(
        name
        for name in _hooks()
        if inspect.isfunction(found := getattr(module, name, None))
        and found.__module__ == getattr(module, "__name__", None)
        and not hasattr(found, _MARK)
    )


def cause_of(error: BaseException, entry_point: EntryPoint) -> str:
    """Why a plugin failed, in one line, with what to do where that is known."""
    if isinstance(error, MediasenseError):
        return one_line(str(error), limit=900)
    try:
        said = one_line(str(error))
    except Exception:  # noqa: BLE001  it is a stranger's __str__
        said = ""
    cause = f"{type(error).__name__}: {said}" if said else type(error).__name__
    hint = _hint(error, said, entry_point) if isinstance(error, ImportError) else ""
    return f"{cause}; {hint}" if hint else cause


def without_core(error: BaseException) -> BaseException:
    """The same error, whose traceback begins where the plugin's own code does."""
    traceback = error.__traceback__
    while traceback is not None and _is_core(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


def _is_core(file: str) -> bool:
    return file.startswith("<frozen importlib") or Path(__file__).parent in Path(file).parents


def _hint(error: ImportError, said: str, entry_point: EntryPoint) -> str:
    if error.name == hookspecs.PROJECT and said.startswith("cannot import name"):
        return f"mediasense {_version()} does not have it: {_NEWER}; {_UPGRADE}"
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if error.name.partition(".")[0] == hookspecs.PROJECT:
        return f"mediasense {_version()} does not have it: {_NEWER}; {_UPGRADE}"
    if entry_point.origin == "installed":
        return f"type: pip install {entry_point.distribution}, which brings what it needs"
    return "install the package that has it"


_NEWER = "it was written for a newer one"
_UPGRADE = f"type: pip install -U {hookspecs.PROJECT}"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(hookspecs.PROJECT)
    except PackageNotFoundError:
        return "as it is here"


def _hooks() -> dict[str, Callable[..., Any]]:
    return {name: value for name, value in vars(hookspecs).items() if hasattr(value, _SPEC)}


def _marks(module: Any, name: str) -> dict[str, Any] | None:
    marks = getattr(inspect.getattr_static(module, name, None), _MARK, None)
    return marks if isinstance(marks, dict) else None


def _faults(module: Any, name: str, marks: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with one function: the message, and what to do."""
    hook = marks.get("specname") or name
    hooks = _hooks()
    if hook not in hooks:
        if not marks.get("optionalhook"):
            near = difflib.get_close_matches(hook, hooks, 1, 0.7)
            advice = f"did you mean {near[0]}?" if near else f"mediasense {_version()} has no such"
            yield f"{hook} is no hook", advice
        return
    function = getattr(module, name)
    wraps = bool(marks.get("wrapper") or marks.get("hookwrapper"))
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield f"its {name} is async, and hooks are synchronous", "type: def, and no await"
    elif wraps != inspect.isgeneratorfunction(function):
        yield (
            (f"its {name} is marked as a wrapper and has no yield", "yield once")
            if wraps
            else (
                f"its {name} has a yield and is not marked as a wrapper",
                "return the answer, or mark it with @hookimpl(wrapper=True)",
            )
        )
    yield from _argument_faults(name, function, hooks[hook])


def _argument_faults(
    name: str, function: Callable[..., Any], spec: Callable[..., Any]
) -> Iterator[tuple[str, str]]:
    offered = list(inspect.signature(spec).parameters)
    for parameter in inspect.signature(function).parameters.values():
        taken = parameter.name
        if parameter.kind is parameter.KEYWORD_ONLY:
            yield f"its {name} takes {taken!r} by keyword alone", "leave out the * before it"
        elif (
            parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            and parameter.default is parameter.empty
            and taken not in offered
        ):
            near = difflib.get_close_matches(taken, offered, 1, 0.75)
            lacks = f"its {name} takes {taken!r}, which mediasense {_version()} does not offer"
            yield (lacks, f"did you mean {near[0]}?") if near else (f"{lacks}: {_NEWER}", _UPGRADE)


def _and(names: tuple[str, ...]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names)} are"
