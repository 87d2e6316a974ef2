"""What people enter on a terminal: choices, yes or no, and keys, which are never shown."""

import sys

from mediasense.errors import UsageError
from mediasense.keys import LONGEST_KEY


def is_interactive() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str = "") -> str:
    """Ask for a line.

    Raises:
        UsageError: There is no more input.
    """
    shown = f"{question} [{default}]: " if default else f"{question}: "
    sys.stderr.write(shown)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise UsageError("nothing was entered", hint="try again")
    return line.strip() or default


def agree(question: str, *, default: bool) -> bool:
    """Ask for yes or no.

    Raises:
        UsageError: There is no more input.
    """
    while True:
        said = ask(f"{question} ({'Y/n' if default else 'y/N'})").lower()
        if not said:
            return default
        if said in ("y", "yes"):
            return True
        if said in ("n", "no"):
            return False


def enter_hidden(question: str) -> str:
    """Ask for something that is not shown while it is typed.

    Raises:
        UsageError: There is no more input.
    """
    import getpass

    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr).strip()
    except EOFError:
        raise UsageError("nothing was entered", hint="try again") from None


def read_piped() -> str:
    """A key from standard input: all of it, in one line.

    Raises:
        UsageError: It is more than one line, or too long.
    """
    text = sys.stdin.read(LONGEST_KEY + 2)
    key = text.strip()
    if len(text) > LONGEST_KEY + 1 or len(key.splitlines()) > 1:
        raise UsageError("what stands on standard input is not one key", hint="give one line")
    return key
