"""Plans for images."""

from __future__ import annotations

from dataclasses import replace

from mediasense.errors import MediaTooLarge
from mediasense.media.images.fitting import ImageFit, Pixels, fit_image, tile_size
from mediasense.planning.limits import (
    cannot,
    fetches,
    joining,
    least,
    require_scheme,
)
from mediasense.planning.options import call, prompt_to
from mediasense.planning.plans import ImageWork, Plan
from mediasense.providers import ImageLimits, Provider
from mediasense.steps import LeftOut
from mediasense.types import ImageFacts, Media, Question

PIECES = 8
"""Of one image: tiles of a long screenshot, frames of an animation."""

LEGIBLE_BYTES = 100_000
"""A screen of text as JPEG, small enough to be sent and large enough to be read."""

MAX_CALLS = 12

_DESCRIBE = "Describe what this image shows."
_DESCRIBE_ALL = "Describe what each of these images shows."


def plan_images(
    media: tuple[Media, ...], question: Question, provider: Provider, listener: Provider | None
) -> Plan:
    """Decide how images reach a provider; see :func:`mediasense.planning.make_plan`."""
    del listener  # there is nothing to hear
    limits = provider.limits_for(question.model).image
    if limits is None:
        raise cannot(provider, question, "take images")
    described = _DESCRIBE_ALL if len(media) > 1 else _DESCRIBE
    prompt = prompt_to(limits, question, "image", described)
    asking = call("image", limits, question, provider, prompt)
    joined = joining(question, provider, prompt) if limits.answers else None
    several = joined is not None or not limits.answers
    calls = MAX_CALLS if several else 1
    per_call = least(limits.max_items, legible(limits)) or len(media) * PIECES
    each = max(1, per_call * calls // len(media))
    fits = tuple(_fit(item, limits, provider, each, None) for item in media)
    pieces = sum(fit.pieces for fit in fits)
    if pieces <= (limits.max_items or pieces) and _small_enough(media, fits, limits):
        per_call = pieces
    else:
        share = share_of(limits, min(per_call, pieces))
        fits = tuple(_fit(item, limits, provider, each, share) for item in media)
    if pieces > per_call * calls:
        raise MediaTooLarge(
            f"{provider.name} takes at most {_count(per_call * calls, 'image')} in "
            f"{_count(calls, 'call')}, not {pieces}",
            hint="give fewer",
        )
    return Plan(
        strategy="images",
        sends=ImageWork(fits=fits, per_call=min(per_call, pieces)),
        listening=None,
        asking=asking,
        joining=joined if pieces > 1 else None,
        left_out=_dropped(media, fits),
        warnings=(
            *_in_calls(provider, per_call, pieces),
            *_shrunk(media, fits, limits, provider),
        ),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _in_calls(provider: Provider, per_call: int, pieces: int) -> tuple[str, ...]:
    if pieces <= per_call:
        return ()
    return (
        f"{provider.name} takes {_count(per_call, 'image')} in one request: the {pieces} are "
        f"looked at in {-(-pieces // per_call)} calls",
    )


def _dropped(media: tuple[Media, ...], fits: tuple[ImageFit, ...]) -> tuple[LeftOut, ...]:
    """The frames of animations that are not sent."""
    left = []
    for name, image, fit in zip(_names(media), media, fits, strict=True):
        frames = image.facts.frames if isinstance(image.facts, ImageFacts) else 1
        if fit.work == "redraw" and fit.frames < frames:
            dropped = f"{frames - fit.frames} of {frames} frames of {name} are left out"
            left.append(LeftOut(words=dropped, channels=("picture",)))
    return tuple(left)


def _shrunk(
    media: tuple[Media, ...], fits: tuple[ImageFit, ...], limits: ImageLimits, provider: Provider
) -> tuple[str, ...]:
    """Long images that are made smaller, as there may not be more images."""
    told = []
    for name, image, fit in zip(_names(media), media, fits, strict=True):
        if fit.work != "redraw" or image.width is None or image.height is None:
            continue
        part = tile_size(Pixels(width=image.width, height=image.height), fit.tiles)
        free = _fit(image, replace(limits, answers=True), provider, PIECES, fit.max_bytes)
        if free.tiles > fit.tiles and (fit.width or 0) < part.width:
            into = f"cut into {fit.tiles} alone" if fit.tiles > 1 else "not cut"
            told.append(f"{name} is long, {into} and made smaller: small text may be illegible")
    return tuple(told)


def _names(media: tuple[Media, ...]) -> list[str]:
    if len(media) == 1:
        return ["the image"]
    return [f"image {number}" for number in range(1, len(media) + 1)]


def _small_enough(
    media: tuple[Media, ...], fits: tuple[ImageFit, ...], limits: ImageLimits
) -> bool:
    """Whether all can go into one call as they are."""
    total = sum(item.size or 0 for item in media)
    return all(fit.work != "redraw" for fit in fits) and (
        limits.max_request_bytes is None or total <= limits.max_request_bytes
    )


def _fit(
    image: Media, limits: ImageLimits, provider: Provider, most: int, share: int | None
) -> ImageFit:
    if image.uri is not None:
        if not fetches(limits, image.uri):
            require_scheme(image, limits, provider)
        return ImageFit(mime_type=image.mime_type, width=None, height=None, actions=(), work="none")
    facts = image.facts if isinstance(image.facts, ImageFacts) else None
    facts = facts or ImageFacts(width=image.width, height=image.height)
    if provider.kind == "device":
        facts = replace(facts, located=False)  # it goes nowhere
    if not limits.answers and facts.frames == 1:
        most = 1  # what is read is told with its place, which is that in the whole image
    return fit_image(
        image.mime_type,
        image.size or 0,
        facts,
        mime_types=limits.mime_types,
        max_bytes=least(limits.max_bytes, share),
        max_pixels=limits.max_pixels,
        max_side=limits.max_side,
        most=min(max(1, most), PIECES),
        name=provider.name,
    )


def legible(limits: ImageLimits) -> int | None:
    """How many images a request holds, if its bytes are to be enough for each."""
    if limits.max_request_bytes is None:
        return None
    return max(1, limits.max_request_bytes // LEGIBLE_BYTES)


def share_of(limits: ImageLimits, count: int) -> int | None:
    """Bytes of one image at most, when a call carries so many."""
    whole = limits.max_request_bytes
    return least(limits.max_bytes, None if whole is None else whole // count)
