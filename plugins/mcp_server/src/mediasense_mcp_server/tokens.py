"""The token that whoever calls over HTTP has to show."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

from mediasense import UsageError

LEAST_LETTERS = 24
_MOST_BYTES = 4096
_NEW = "make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


class Token:
    """A secret text; it is shown to nobody.

    Args:
        text: The token.
        named: Where it was found, for errors.

    Raises:
        UsageError: It is too short to be a secret, or no header could hold it.
    """

    __slots__ = ("_bytes",)

    def __init__(self, text: str, *, named: str) -> None:
        if len(text) < LEAST_LETTERS:
            raise UsageError(
                f"the token of {named} has less than {LEAST_LETTERS} characters", hint=_NEW
            )
        if not all("!" <= letter <= "~" for letter in text):
            raise UsageError(
                f"the token of {named} has characters that no HTTP header can hold", hint=_NEW
            )
        self._bytes = text.encode("ascii")

    def __repr__(self) -> str:
        return "Token(...)"

    def is_shown_by(self, header: bytes | None) -> bool:
        """Whether an ``Authorization`` header holds it; it takes the same time, right or wrong.

        Args:
            header: Its bytes; ``None`` where there is none.
        """
        scheme, _, shown = (header or b"").partition(b" ")
        right = hmac.compare_digest(shown.strip(), self._bytes)
        return right and scheme.lower() == b"bearer"


def token_of(variable: str | None, file: Path | None) -> Token | None:
    """The token that the user names.

    Args:
        variable: The environment variable that holds it; programs started from here do not get it.
        file: A file that holds it, which nobody else may read.

    Returns:
        The token; ``None`` where none is named.

    Raises:
        UsageError: Both are named, or what is named is not there or not safe.
    """
    if variable is not None and file is not None:
        raise UsageError(
            "--token-env and --token-file exclude each other", hint="leave one of them out"
        )
    if variable is not None:
        text = os.environ.pop(variable, "").strip()
        if not text:
            raise UsageError(f"{variable} is not set", hint=f"type: export {variable}=...")
        return Token(text, named=variable)
    return None if file is None else Token(_content(file), named=str(file))


def _content(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            facts = os.fstat(opened.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise UsageError(f"{file} is no plain file", hint="name another one")
            if facts.st_mode & 0o077:
                raise UsageError(f"others may read {file}", hint=f"type: chmod 600 {file}")
            return opened.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise UsageError(f"--token-file {file}: {error.strerror}", hint=_NEW) from None
