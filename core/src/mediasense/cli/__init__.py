"""The command line: one module for each group of commands; each parses, calls and prints."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

NAME = "mediasense"
"""What people type, also where Python is told to run the package."""

_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    # Nothing that is made while the program loads is garbage, and nothing need be tidied away when
    # it ends: looking for garbage then takes 7 % of a short run.
    gc.disable()
    atexit.register(_leave_memory_to_the_system)
    try:
        from mediasense.cli.app import build
        from mediasense.cli.completion import complete, is_asked

        if is_asked():
            complete(build)
        build(next(iter(sys.argv[1:]), None))(prog_name=NAME)
    except KeyboardInterrupt:
        _leave(_INTERRUPTED)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _leave(_INTERRUPTED)
        raise


def _leave(code: int) -> NoReturn:
    """End the program, at once where a plugin's code cannot be ended."""
    from mediasense.loading import is_any_left_behind
    from mediasense.output.terminal import answers

    if is_any_left_behind():
        with suppress(OSError, ValueError):
            answers().flush()
        os._exit(code)
    sys.exit(code)


def look_for_garbage() -> None:
    """Look for garbage from now on: the program and its plugins are loaded."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _leave_memory_to_the_system() -> None:
    gc.disable()
    gc.freeze()
