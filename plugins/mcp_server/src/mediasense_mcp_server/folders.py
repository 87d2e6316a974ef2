"""Which files may be read: those in the folders that the user named."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mediasense import Forbidden, MediaNotFound, UsageError, one_line

_MOST_LETTERS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders whose files may be read, and whether links may be followed.

    Attributes:
        allowed: Their true paths, absolute and without symbolic links.
        links: Whether http and https links may be fetched.
    """

    allowed: tuple[Path, ...]
    links: bool = False

    def source(self, named: str) -> Path | str:
        """What to read for what an agent named.

        Args:
            named: A path, absolute or in one of the folders; a ``file://`` URI; or a link.

        Returns:
            The true path of a file that may be read, or the link.

        Raises:
            Forbidden: It lies outside of the folders, or is a link and none may be fetched.
            MediaNotFound: There is no such file, or it is no plain file.
        """
        if len(named) > _MOST_LETTERS or not named.strip() or "\0" in named:
            raise MediaNotFound("that is no path", hint="give the path of a file")
        scheme, is_uri = _scheme(named)
        if scheme in ("http", "https"):
            return self._link(named)
        if scheme == "file":
            return self._file(_path_of(named))
        if is_uri:
            raise Forbidden(
                f"{scheme}: is not read here", hint="give the path of a file in an allowed folder"
            )
        return self._file(named)

    def _link(self, link: str) -> str:
        if not self.links:
            raise Forbidden(
                "links are not fetched by this server",
                hint="download it into an allowed folder, or have the server started with "
                "--allow-urls",
            )
        return link

    def _file(self, named: str) -> Path:
        path = self._true_path(named)
        try:
            kind = path.stat().st_mode
        except OSError as error:
            raise MediaNotFound(
                f"cannot open {_shown(named)}: {error.strerror}", hint="check the path"
            ) from None
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "no plain file"
            raise MediaNotFound(f"{_shown(named)} is {what}", hint="give the path of a file")
        return path

    def _true_path(self, named: str) -> Path:
        """The path without symbolic links, in one of the folders."""
        given = os.path.expanduser(named) if named.startswith("~/") else named  # noqa: PTH111
        candidates = [
            path
            for folder in self.allowed
            if (path := _real(folder / given)) is not None and self._holds(path)
        ]
        for path in candidates:
            if os.path.exists(path):  # noqa: PTH110  a name too long is an error of Path's own
                return path
        if candidates:
            return candidates[0]
        allowed = ", ".join(map(str, self.allowed))
        raise Forbidden(
            f"{_shown(named)} is outside of the folders that may be read",
            hint=f"these may be read: {one_line(allowed, limit=1000)}",
        )

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.allowed)


def folders_of(named: list[str], *, links: bool) -> Folders:
    """The folders that a user named, or the current one.

    Args:
        named: Paths; empty for the current folder.
        links: Whether links may be fetched.

    Raises:
        UsageError: One is no folder; or none is named, and the current one is everything there is.
    """
    allowed = tuple(dict.fromkeys(map(_folder, named or ["."])))
    if not named and allowed[0] in (Path(allowed[0].anchor), _home()):
        raise UsageError(
            f"the current folder is {allowed[0]}, and nobody said that all of it may be read",
            hint="add --allow FOLDER",
        )
    return Folders(allowed=allowed, links=links)


def _folder(named: str) -> Path:
    try:
        path = Path(named).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"--allow {_shown(named)}: {reason}", hint="name a folder") from None
    if not path.is_dir():
        raise UsageError(f"--allow {_shown(named)} is no folder", hint="name a folder")
    return path


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (OSError, RuntimeError):
        return None


def _real(path: Path) -> Path | None:
    """The path without symbolic links; ``None`` where it has none, as in a loop of them."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None


def _scheme(named: str) -> tuple[str, bool]:
    """The scheme of a URI in small letters, and whether it is a URI and no path."""
    scheme, colon, rest = named.partition(":")
    if not colon or not scheme.isascii() or not scheme[:1].isalpha():
        return "", False
    if not all(letter.isalnum() or letter in "+-." for letter in scheme):
        return "", False
    is_uri = rest.startswith("//") or scheme.lower() in ("data", "file")
    return scheme.lower(), is_uri


def _path_of(uri: str) -> str:
    """The path in a ``file:`` URI of this machine."""
    try:
        parts = urlsplit(uri)
        host, path = parts.netloc.lower(), unquote(parts.path, errors="strict")
    except ValueError:
        raise MediaNotFound("that is no file: URI", hint="give the path of a file") from None
    if host not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise MediaNotFound(
            f"{_shown(uri)} names no file of this machine", hint="give the path of a file"
        )
    return path


def _shown(named: str) -> str:
    return one_line(named, limit=200)
