"""Runs the Python blocks of one page, one after another in one name space; for a child process.

A line of JSON on standard input is a block; a line of JSON on the first descriptor is what it
printed, and the traceback if there is one.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import sys
import traceback
from pathlib import Path

NAMES: dict[str, object] = {"__name__": "__main__"}


def run(source: str, filename: str, line: int) -> None:
    """Run a block; it may ``await``, as in a notebook."""
    padded = "\n" * (line - 1) + source
    code = compile(padded, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, NAMES))
    else:
        exec(code, NAMES)


def main() -> None:
    """Run the blocks that come."""
    answers = os.fdopen(os.dup(1), "w")
    sys.path.insert(0, str(Path.cwd()))
    for request in sys.stdin:
        block = json.loads(request)
        printed, problem = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                run(block["source"], block["filename"], block["line"])
            except Exception:  # noqa: BLE001  the page is told
                problem = traceback.format_exc()
        answers.write(json.dumps({"printed": printed.getvalue(), "problem": problem}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
