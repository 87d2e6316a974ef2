"""Links to sites that show media, through yt-dlp.

yt-dlp makes its own connections. While it runs, the interpreter itself refuses, in the same thread,
to connect to an address that is not public and to start other programs; so its redirects and its
second look-ups of a name are checked as well. What cannot be promised: threads and programs that
yt-dlp or its plugins start otherwise. The one program it may start is ``deno``, which YouTube
needs, and which yt-dlp runs without access to files and network.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from secrets import token_hex
from typing import Any

from mediasense.errors import MediaError, MediasenseError, UnsafeEndpoint, UsageError, one_line
from mediasense.media.fetch import (
    MAX_BYTES,
    TOTAL_SECONDS,
    WAIT_SECONDS,
    Fetched,
    OnBytes,
    too_large,
)
from mediasense.media.fetch.addresses import Link, display_url, is_public, parse_link
from mediasense.media.fetch.sockets import check_host

# One file with sound and picture, by ways that need neither FFmpeg nor another program.
_WAYS = "[protocol~='^(https?|m3u8(_native)?|http_dash_segments)$']"
_FORMAT = f"b[ext=mp4]{_WAYS}/b{_WAYS}"
_LINK = re.compile(r"https?://\S+")
_ASIDES = re.compile(r"(;|\.)? *(please report this issue|See +https://github|Use --).*", re.DOTALL)
_UPDATE = "update it: pip install -U yt-dlp"


def download_site(
    url: str,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    timeout: float = WAIT_SECONDS,
    total_timeout: float | None = TOTAL_SECONDS,
    allow_private: bool = False,
    allow_http: bool = False,
    on_progress: OnBytes | None = None,
    allowed: Callable[[str], bool] = is_public,
) -> Fetched:
    """Download the one video or sound that a page shows, with yt-dlp.

    The best single file that has sound and picture is taken; qualities that would have to be put
    together from two are not. No settings, cookies or caches of yt-dlp are used; its plugins are.
    Only with ``allow_private`` are the proxies used that the environment names.

    Args:
        url: The link of the page. What comes after a ``#`` is left out: yt-dlp takes orders there.
        folder: Where the file is put; it exists and is private. Nothing is left there on failure.
        max_bytes: The largest file that is taken.
        timeout: Seconds to wait for each step.
        total_timeout: Seconds for everything, looked at whenever a piece arrives.
        allow_private: Whether addresses may be used that are not public.
        allow_http: Whether plain http to another machine is wanted; only the first link is held
            to it.
        on_progress: Called with the bytes so far and the bytes in all, ``None`` when not known.
        allowed: Which addresses may be used, when ``allow_private`` is not given.

    Returns:
        The file. Its ``mime_type`` is ``""``: look at its bytes.

    Raises:
        UsageError: yt-dlp is not installed, or it is no such link.
        UnsafeEndpoint: It leads to an address that is not public.
        MediaTooLarge: The file is larger than ``max_bytes``.
        MediaError: Anything else went wrong: the page shows nothing, several things, or something
            that is still going on.
    """
    yt_dlp = _yt_dlp()
    link = parse_link(url)
    check_host(link, allowed=None if allow_private else allowed, allow_http=allow_http)
    watch = _Watch(
        name=link.shown,
        max_bytes=max_bytes,
        ends=None if total_timeout is None else time.monotonic() + total_timeout,
        on_progress=on_progress,
    )
    path = folder / f"site-{token_hex(8)}"
    options = _options(path, timeout, allow_private, watch)
    try:
        with _guarded(None if allow_private else allowed, link.shown):
            info = _run(yt_dlp, link, folder, options)
        if path.is_symlink() or not path.is_file():
            raise MediaError(f"yt-dlp made no file of {link.shown}", hint=_UPDATE)
        size = path.stat().st_size
        if size > max_bytes:
            raise too_large(link.shown, max_bytes)
        path.chmod(0o600)
    except BaseException:
        for left in folder.glob(f"{path.name}*"):
            left.unlink(missing_ok=True)
        raise
    shown = display_url(str(info.get("webpage_url") or link.url))
    return Fetched(path=path, size=size, mime_type="", url=shown)


def _yt_dlp() -> Any:
    try:
        return importlib.import_module("yt_dlp")
    except ImportError:
        raise UsageError(
            "links to sites need yt-dlp", hint='type: pip install "mediasense[download]"'
        ) from None


# --- what yt-dlp is told -------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Looks on while yt-dlp works: its logger, its filter and its progress hook.

    Attributes:
        name: How errors call the link.
        max_bytes: The largest file that is taken.
        ends: When to give up, on the clock of :func:`time.monotonic`.
        on_progress: Who wants to know.
        done: Bytes so far.
    """

    name: str
    max_bytes: int
    ends: float | None
    on_progress: OnBytes | None
    done: int = 0

    def debug(self, message: str) -> None:  # noqa: ARG002
        """Each step is said here first: a sign of life, and a time to look at the clock."""
        self._tick(None)

    info = warning = error = debug

    def refuse(self, info: dict[str, Any], *, incomplete: bool = False) -> None:  # noqa: ARG002
        """What yt-dlp calls a filter: asked before anything is downloaded."""
        if (info.get("n_entries") or 1) > 1:
            raise MediaError(
                f"{self.name} shows several videos or sounds", hint="give the link of one of them"
            )
        if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
            raise MediaError(f"{self.name} is live", hint="try again when it is over")

    def progress(self, state: dict[str, Any]) -> None:
        """After each piece of a file."""
        total = state.get("total_bytes")
        self.done = int(state.get("downloaded_bytes") or 0)
        if max(self.done, total or 0) > self.max_bytes:
            raise too_large(self.name, self.max_bytes)
        self._tick(int(total) if total else None)

    def _tick(self, total: int | None) -> None:
        if self.ends is not None and time.monotonic() >= self.ends:
            raise MediaError(
                f"{self.name} did not arrive in time", hint="try again, or give a file"
            )
        if self.on_progress is not None:
            self.on_progress(self.done, total)


def _options(path: Path, timeout: float, allow_private: bool, watch: _Watch) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "outtmpl": {"default": path.name},
        "nopart": True,
        "continuedl": False,
        "updatetime": False,
        "noplaylist": True,
        "playlist_items": "1:2",  # the second tells that there are several
        "match_filter": watch.refuse,
        "progress_hooks": [watch.progress],
        "logger": watch,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": {"stdout": "never", "stderr": "never"},
        "socket_timeout": timeout,
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "file_access_retries": 1,
        "skip_unavailable_fragments": False,
        "proxy": None if allow_private else "",
        "cachedir": False,
        "geo_bypass": False,
        "fixup": "never",
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        "ffmpeg_location": str(path.with_name("none")),
    }


def _run(yt_dlp: Any, link: Link, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    try:
        with yt_dlp.YoutubeDL(options, auto_init="no_verbose_header") as client:
            _use_sockets(client)
            _write_to(client, folder)
            info: dict[str, Any] = client.extract_info(link.url, download=True) or {}
            return info
    except MediasenseError:
        raise
    except Exception as error:  # noqa: BLE001  its extractors raise anything
        raise MediaError(f"{link.shown}: {_said(error)}", hint=_UPDATE) from None


def _use_sockets(client: Any) -> None:
    """Leave yt-dlp the one of its HTTP clients that connects by Python's sockets, and logs not."""
    build = client.build_request_director

    def only_urllib(handlers: Any, *rest: Any) -> Any:
        return build([each for each in handlers if each.RH_KEY == "Urllib"], *rest)

    client.build_request_director = only_urllib


def _write_to(client: Any, folder: Path) -> None:
    """Name the folder as it is: in an option, a dollar sign would start a variable."""

    def path_of(_kind: str = "", filename: str | None = None) -> str:
        return str(folder / (filename or ""))

    client.get_output_path = path_of


def _said(error: Exception) -> str:
    """What yt-dlp says about a failure, without links' queries and advice for its own options."""
    text = _ASIDES.sub("", str(error).removeprefix("ERROR: "))
    text = _LINK.sub(lambda found: display_url(found[0]), text)
    return one_line(text, limit=200) or f"yt-dlp failed ({type(error).__name__})"


# --- where it may go -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Guard:
    """Which addresses may be used, and whether another was tried."""

    allowed: Callable[[str], bool]
    refused: bool = False


_guard: ContextVar[_Guard | None] = ContextVar("mediasense_sites", default=None)


@contextmanager
def _guarded(allowed: Callable[[str], bool] | None, name: str) -> Iterator[None]:
    """Refuse other addresses and other programs to this thread; ``None`` refuses nothing."""
    if allowed is None:
        yield
        return
    _install_hook()
    guard = _Guard(allowed)
    token = _guard.set(guard)
    try:
        yield
    except MediaError:
        if guard.refused:
            raise UnsafeEndpoint(
                f"{name} leads to a private or reserved address",
                hint="add --allow-private if you trust the link",
            ) from None
        raise
    finally:
        _guard.reset(token)


@cache
def _install_hook() -> None:
    """Ask :func:`_audit` about what this process does, from now on: hooks cannot be removed."""
    sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "subprocess.Popen"):
        return
    guard = _guard.get()
    if guard is None:
        return
    if event == "subprocess.Popen":
        program = args[0] or (args[1] if isinstance(args[1], str | bytes) else args[1][0])
        if PurePath(os.fsdecode(program)).name != "deno":
            raise PermissionError("no other programs are started here")
        return
    address = args[1]
    if not (isinstance(address, tuple) and guard.allowed(str(address[0]))):
        guard.refused = True
        raise PermissionError("this address is not public")
