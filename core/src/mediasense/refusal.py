"""What stands in the way of a plan, and leads to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense.errors import MediaRejected, MediasenseError, MediaTooLarge
from mediasense.names import Refusal
from mediasense.planning.plans import Call
from mediasense.types import Media

if TYPE_CHECKING:
    from mediasense.listening import Heard


class Refused(MediasenseError):
    """A service refused media, or they cannot be made small enough; another plan may do.

    Attributes:
        call: Which call it was, or would have been.
        cause: What went wrong.
        refusal: What of the media it was.
        sent: What was sent.
        heard: The transcript, if there is one already: it is not paid for again.
    """

    def __init__(
        self,
        call: Call,
        cause: MediaRejected | MediaTooLarge,
        sent: tuple[Media, ...],
        heard: Heard | None,
    ) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.call = call
        self.cause = cause
        self.refusal: Refusal = cause.refusal if isinstance(cause, MediaRejected) else "size"
        self.sent = sent
        self.heard = heard
