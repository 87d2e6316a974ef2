"""What goes out with a call besides what the SDK writes: the media, and extra headers.

The SDK holds inline media about five times in memory. So it is given placeholders, and the media
is joined where they stand, block by block, when the request is sent. What belongs to a call is
kept in a context variable, so threads do not meet and nothing stays behind.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2

from mediasense import Media, new_slot, splice


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one call adds to its requests, and what came back.

    Attributes:
        headers: Added to each request.
        media: By the text that stands for it in the SDK's JSON.
        responses: Those still open, to be closed when the call is over.
    """

    headers: Sequence[tuple[str, str]]
    media: dict[str, Media] = field(default_factory=dict)
    responses: list[httpx2.Response] = field(default_factory=list)

    def placeholder(self, media: Media) -> bytes:
        """Bytes to give to the SDK in place of the media: their base64 is the media's slot."""
        slot = new_slot()
        slot += "0" * (-len(slot) % 4)
        self.media[slot] = media
        return base64.b64decode(slot)


_current: ContextVar[Outgoing | None] = ContextVar("outgoing", default=None)


@contextmanager
def outgoing(headers: Sequence[tuple[str, str]]) -> Iterator[Outgoing]:
    """While this is open, requests of this thread carry what is put in it."""
    current = Outgoing(headers)
    token = _current.set(current)
    try:
        yield current
    finally:
        _current.reset(token)
        # The SDK leaves a stream open that nobody reads to its end.
        for response in current.responses:
            response.close()


def complete(request: httpx2.Request) -> None:
    """Add what the current call adds to a request: an event hook, called for every attempt."""
    current = _current.get()
    if current is None:
        return
    request.headers.update(current.headers)
    if current.media:
        body = splice(request.read(), current.media).content()
        whole = httpx2.Request(request.method, request.url, content=body)
        request.stream = whole.stream
        request.headers["Content-Length"] = whole.headers["Content-Length"]


def remember(response: httpx2.Response) -> None:
    """Keep a response with the current call: an event hook."""
    current = _current.get()
    if current is not None:
        still_open = [earlier for earlier in current.responses if not earlier.is_closed]
        current.responses[:] = [*still_open, response]
