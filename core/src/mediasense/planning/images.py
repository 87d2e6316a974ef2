"""Plans for images."""

from __future__ import annotations

from dataclasses import replace

from mediasense.errors import MediaTooLarge
from mediasense.media.images.fitting import ImageFit, fit_image
from mediasense.planning.limits import (
    cannot,
    fetches,
    joining,
    least,
    require_scheme,
)
from mediasense.planning.options import call
from mediasense.planning.plans import ImageWork, Plan
from mediasense.providers import ImageLimits, Provider
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
    prompt = question.prompt or (described if limits.answers else None)
    asking = call("image", limits, question, provider, prompt)
    most = limits.max_items or len(media) * PIECES
    per_call = min(most, legible(limits) or most)
    fits = tuple(_fit(item, limits, provider, most // len(media), None) for item in media)
    pieces = sum(fit.pieces for fit in fits)
    if pieces <= most and _small_enough(media, fits, limits):
        per_call = pieces
    else:
        each = share_of(limits, min(per_call, pieces))
        fits = tuple(_fit(item, limits, provider, most // len(media), each) for item in media)
    work = ImageWork(fits=fits, per_call=min(per_call, pieces))
    joined = joining(question, provider, prompt) if limits.answers and pieces > 1 else None
    if pieces <= per_call:
        return Plan(strategy="images", sends=work, listening=None, asking=asking, joining=joined)
    if (joined is None and limits.answers) or -(-pieces // per_call) > MAX_CALLS:
        raise MediaTooLarge(
            f"{provider.name} takes {per_call} images in one request, not {pieces}",
            hint="give fewer",
        )
    return Plan(
        strategy="images",
        sends=work,
        listening=None,
        asking=asking,
        joining=joined,
        warnings=(
            f"{provider.name} takes {per_call} images in one request: the {pieces} are looked at "
            f"in {-(-pieces // per_call)} calls",
        ),
    )


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
