"""What a report says of the media it is about: names without folders, links beside the page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mediasense.media.inspecting import display_name
from mediasense.media.source import Source, plain_path, source_name
from mediasense.types import Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A source as a report shows it.

    Attributes:
        name: What it is called, without the folder it is in.
        link: Its address relative to the page; ``None`` where it cannot be reached from there.
        readable: What its pictures can be read from; ``None`` when it is not here any more.
        why: Why it cannot be read.
    """

    name: str
    link: str | None = None
    readable: Source | None = None
    why: str = ""


class Sources:
    """The media of an answer.

    Args:
        given: What the user named, where that is known.
        media: What the answer says of them.
        page: Where the page will be.
    """

    def __init__(self, given: Sequence[Source], media: Sequence[Media], page: Path) -> None:
        self._folders: dict[str, str] = {}
        self.shown = tuple(self._shown(source, page) for source in given) or tuple(
            self._of_media(item, page) for item in media
        )

    def plain(self, words: str) -> str:
        """Words without the folders of the media: a page may be given to others."""
        for path, name in self._folders.items():
            words = words.replace(path, name)
        return words

    def _shown(self, source: Source, page: Path) -> Shown:
        path = plain_path(source)
        if path is not None:
            return self._file(path, page)
        name = source_name(source)
        if isinstance(source, bytes) or name == "the data: URI":
            return Shown(name=name, readable=source)
        why = "it came from standard input" if name == "standard input" else "it is a link"
        return Shown(name=name, why=f"{why}, and is not read again for a report")

    def _of_media(self, media: Media, page: Path) -> Shown:
        if media.path is not None and media.path.is_file():
            return self._file(media.path, page)
        if media.data is not None:
            return Shown(name=media.name or "the data", readable=media.data)
        path = Path(media.name)
        if "://" not in media.name and os.sep in media.name:
            return self._file(path, page)
        why = "it is not known where it is; give the report its source"
        return Shown(name=media.name or media.uri or "the data", why=why)

    def _file(self, path: Path, page: Path) -> Shown:
        self._remember(path)
        name = display_name(Path(path.name)) or display_name(path)
        if not path.is_file():
            return Shown(name=name, why="it is not where it was")
        return Shown(name=name, link=_relative(path, page), readable=path)

    def _remember(self, path: Path) -> None:
        name = display_name(Path(path.name))
        forms: list[str] = [str(path), display_name(path)]
        with suppress(OSError, RuntimeError, ValueError):
            forms += [str(path.absolute()), str(path.resolve())]
        found = {form for form in forms if os.sep in form}
        # The longest first: the others may be its end.
        self._folders |= dict.fromkeys(sorted(found, key=len, reverse=True), name)


def _relative(path: Path, page: Path) -> str | None:
    """A file's address from a page, where that tells nothing of the folders above the two.

    That is below the page's folder, or below the current folder when the page is there too.
    """
    try:
        file, folder = path.resolve(), page.absolute().parent.resolve()
        here = Path.cwd().resolve()
    except (OSError, RuntimeError, ValueError):
        return None
    both = file.is_relative_to(here) and folder.is_relative_to(here)
    if not (file.is_relative_to(folder) or both):
        return None
    try:
        address = os.path.relpath(file, folder).replace(os.sep, "/")
        return _address(address)
    except ValueError:  # another drive
        return None


def _address(path: str) -> str:
    """A relative path as a URL: no part of it can be taken for a scheme, a query or a fragment."""
    encoded = quote(os.fsencode(path), safe="/")
    return encoded if encoded.startswith("../") else f"./{encoded}"


def names_of(shown: Iterable[Shown]) -> str:
    """All names in one line."""
    return ", ".join(source.name for source in shown)
