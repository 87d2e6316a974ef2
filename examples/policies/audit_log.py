"""Writes down who asked whom, for what, and what came of it: one line of JSON for each call.

Promises: every call that is made has its line, also one that fails, is refused by another wrapper,
is made by a stand-in or for the sound of a video. Where the line cannot be written, the call is not
made. Lines of several threads and processes do not mix; nobody else can read the file. No media, no
prompt, no answer, no words of an error and no key is in it.

Does not: see what was answered from the cache or refused by ``prepare_request``, which are no
calls; tell the tries that an SDK makes by itself apart; work on Windows.

The file is ``mediasense-audit.jsonl`` in the home folder, or what ``HOUSE_AUDIT_LOG`` names.
"""

import dataclasses
import fcntl
import getpass
import json
import os
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from mediasense import Answer, ConfigError, Media, ProviderError, TextRequest, hookimpl


@hookimpl(wrapper=True, tryfirst=True)  # around all others, so that it sees them refuse
def analyze_image(request: TextRequest) -> Generator[None, Answer, Answer]:
    user = _user()
    _append("")  # what cannot be written down is not done
    began = time.perf_counter()
    try:
        answer = yield
    except BaseException as error:
        _append(_line(user, request, type(error).__name__, error, began))
        raise
    _append(_line(user, request, "answered", answer, began))
    return answer


analyze_video = analyze_audio = generate = analyze_image


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return str(os.getuid())


def _line(
    user: str, request: TextRequest, outcome: str, end: Answer | BaseException, began: float
) -> str:
    usage = end.usage if isinstance(end, Answer | ProviderError) else None
    media = _media(request)
    told = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "user": user,
        "provider": request.provider.name,
        "model": request.model,
        "kind": type(request).__name__.removesuffix("Request").lower(),
        "items": len(media),
        "bytes": sum(item.size or 0 for item in media),
        "outcome": outcome,
        "usage": dataclasses.asdict(usage) if usage else None,
        "seconds": round(time.perf_counter() - began, 3),
    }
    return json.dumps(told) + "\n"


def _media(request: TextRequest) -> tuple[Media, ...]:
    single = [getattr(request, name) for name in ("video", "audio") if hasattr(request, name)]
    return getattr(request, "images", tuple(single))


def _append(text: str) -> None:
    path = Path(os.environ.get("HOUSE_AUDIT_LOG") or Path.home() / "mediasense-audit.jsonl")
    try:
        with open(path, "a", encoding="utf-8", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of this opening alone, so threads wait as well
            file.write(text)
    except OSError as error:
        what = f"the audit log {path} cannot be written: {error.strerror}"
        raise ConfigError(what, hint="type: export HOUSE_AUDIT_LOG=FILE") from None


def _private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # of a file that was there already
    return descriptor
