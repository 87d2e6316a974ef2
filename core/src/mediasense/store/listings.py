"""The models that providers listed last, kept for the completion of names: names, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mediasense.names import PROVIDER_NAME
from mediasense.private import make_folder, replace_file

_MOST_NAMES = 2000
_LONGEST = 200
_MOST_BYTES = 1 << 20


class Listings:
    """A folder with a small file for each provider.

    Args:
        folder: Where; it is made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, provider: str, models: Iterable[str]) -> None:
        """Keep which models a provider has, in place of those it had; a full disk is no matter.

        Args:
            provider: Its name.
            models: Their names.
        """
        path = self._path(provider)
        if path is None:
            return
        names = [name for name in models if len(name) <= _LONGEST and name.isprintable()]
        with suppress(OSError):
            make_folder(self._folder)
            replace_file(path, json.dumps(names[:_MOST_NAMES]).encode())

    def models(self, provider: str) -> tuple[str, ...]:
        """Which models a provider listed last; none where nothing sound is kept.

        Args:
            provider: Its name.
        """
        path = self._path(provider)
        if path is None:
            return ()
        try:
            with path.open("rb") as file:
                found = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return ()
        if not isinstance(found, list):
            return ()
        return tuple(n for n in found[:_MOST_NAMES] if isinstance(n, str) and n.isprintable())

    def _path(self, provider: str) -> Path | None:
        if re.fullmatch(PROVIDER_NAME, provider) is None:
            return None
        return self._folder / f"{provider}.json"
