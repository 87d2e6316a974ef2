"""A private folder for prepared media, for the length of one question."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from mediasense.names import OnProgress
from mediasense.turns import heavily
from mediasense.types import Media

Result = TypeVar("Result")


class Workspace:
    """The folder, made when it is first needed and removed at the end.

    Only its owner can look into it: what is in it was the user's own.

    Args:
        on_progress: Called with what is being done.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._on_progress = on_progress
        self._files = 0

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "folder" in self.__dict__:
            shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def folder(self) -> Path:
        """The folder itself."""
        return Path(tempfile.mkdtemp(prefix="mediasense-"))

    def subfolder(self) -> Path:
        """A new empty folder in it."""
        self._files += 1
        folder = self.folder / str(self._files)
        folder.mkdir(mode=0o700)
        return folder

    def report(self, words: str, share: float | None = None) -> None:
        """Tell what is being done, to whoever wants to know."""
        if self._on_progress is not None:
            self._on_progress(words, share)

    def decode(self, work: partial[Result], words: str) -> Result:
        """Do something with media in a process that may crash.

        Args:
            work: A function of :mod:`mediasense.media` with its arguments.
            words: What it does, for whoever waits.
        """
        from mediasense.media.isolation.decoder import decode

        self.report(words, None)
        with heavily():
            return decode(work, on_progress=partial(self.report, words))

    def file_of(self, media: Media) -> Path:
        """The media as a file."""
        if media.path is not None:
            return media.path
        path = self.subfolder() / media.filename
        path.write_bytes(media.read())
        return path

    def keep(self, content: BinaryIO) -> Path:
        """What a stream in memory holds, from its start, as a file."""
        path = self.subfolder() / "media"
        content.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        return path
