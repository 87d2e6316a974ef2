"""What a provider's limits mean for one recording, and the refusals they lead to."""

from __future__ import annotations

import math

from mediasense.errors import MediaTooLarge, UnsupportedMedia, UnsupportedModality
from mediasense.media.source import uri_kind
from mediasense.planning.options import call
from mediasense.planning.plans import Call
from mediasense.providers import AudioLimits, Limits, Provider, VideoLimits
from mediasense.steps import size
from mediasense.types import Media, Question, RecordingFacts


def fetches(limits: Limits | None, uri: str) -> bool:
    """Whether the service takes a URI as it is."""
    return limits is not None and uri_kind(uri) in limits.uri_schemes


def most_bytes(limits: Limits) -> int | None:
    """The bytes of one recording at most, whichever way it is sent."""
    if isinstance(limits, VideoLimits | AudioLimits) and limits.max_upload_bytes:
        return limits.max_upload_bytes
    return least(limits.max_bytes, limits.max_request_bytes)


def fits(media: Media, limits: VideoLimits | AudioLimits, provider: Provider) -> bool:
    """Whether a recording can be sent as it is.

    Raises:
        UnsupportedMedia: It is a URI of a scheme that the service does not fetch.
    """
    if media.uri is not None:
        require_scheme(media, limits, provider)
        return True
    most = most_bytes(limits)
    return (
        media.mime_type in limits.mime_types
        and (most is None or (media.size or 0) <= most)
        and (limits.max_seconds is None or (media.seconds or 0) <= limits.max_seconds)
    )


def require_scheme(media: Media, limits: Limits, provider: Provider) -> None:
    """Refuse a URI that neither the service fetches nor this machine can.

    Raises:
        UnsupportedMedia: It is one.
    """
    assert media.uri is not None
    if not fetches(limits, media.uri):
        kind = uri_kind(media.uri)
        where = "links to YouTube" if kind == "youtube" else f"{kind} links"
        raise UnsupportedMedia(
            f"{provider.name} does not fetch {where} to {media.modality} itself",
            hint="download the file and give its path",
        )


def too_large(media: Media, limits: VideoLimits | AudioLimits, provider: Provider) -> Exception:
    """The refusal of a recording of another type, too large or too long, or bound to be cut."""
    most = most_bytes(limits)
    fetched = [scheme for scheme in limits.uri_schemes if scheme != "youtube"]
    instead = f", or give a {fetched[0]}:// link" if fetched else ""
    if media.mime_type not in limits.mime_types:
        return UnsupportedMedia(
            f"{provider.name} does not take {media.mime_type} as {media.modality}",
            hint=_instead(limits),
        )
    if most is not None and (media.size or 0) > most:
        return MediaTooLarge(
            f"{provider.name} takes files of up to {size(most)} as {media.modality}, "
            f"not {size(media.size or 0)}",
            hint=f"make it smaller{instead}",
        )
    if limits.max_seconds is not None and (media.seconds or 0) > limits.max_seconds:
        return MediaTooLarge(
            f"{provider.name} takes {limits.max_seconds:g} s of {media.modality}, "
            f"not {media.seconds or 0:.1f} s",
            hint="cut it with --start and --end",
        )
    return UnsupportedMedia(
        f"this {media.modality} cannot be made what {provider.name} takes",
        hint="leave out --start and --end, or use another --provider",
    )


def _instead(limits: Limits) -> str:
    if limits.mime_types:
        return f"convert it to {' or '.join(limits.mime_types)}"
    links = [f"{scheme}://" for scheme in limits.uri_schemes if scheme != "youtube"]
    return f"give a link to it ({', '.join(links)})" if links else "use another --provider"


def cannot(provider: Provider, question: Question, what: str) -> UnsupportedModality:
    """The refusal of a kind of media or of request."""
    model = f" with the model {question.model}" if question.model else ""
    return UnsupportedModality(f"{provider.name}{model} does not {what}")


def joining(question: Question, provider: Provider, prompt: str | None) -> Call | None:
    """The call that makes one answer of several, where the provider has one."""
    written = provider.limits_for(question.model).text
    if written is None:
        return None
    return call("text", written, question, provider, prompt)


def cuts(question: Question) -> bool:
    """Whether only a part of the recording is asked about."""
    return question.start is not None or question.end is not None


def copied_bytes(video: Media, seconds: float) -> int:
    """How large so many seconds of a recording are, about, when they are copied into an MP4."""
    share = seconds / video.seconds if video.seconds else 1.0
    return math.ceil((video.size or 0) * share * 1.05) + 100_000


def span(media: Media, question: Question) -> float | None:
    """Seconds of the recording that are asked about; ``None`` when its length is not known."""
    end = question.end
    if media.seconds is not None:
        end = media.seconds if end is None else min(end, media.seconds)
    return None if end is None else max(0.0, end - (question.start or 0.0))


def facts(media: Media) -> RecordingFacts | None:
    """What is known of a local recording."""
    return media.facts if isinstance(media.facts, RecordingFacts) else None


def least(*numbers: int | None) -> int | None:
    """The smallest of those that are known."""
    return min((number for number in numbers if number is not None), default=None)
