"""Limits hold at their edges: what is within reaches the service, what is beyond never does."""

from __future__ import annotations

from dataclasses import replace

from mediasense.media.source import resolve
from mediasense.media.workspace import Workspace
from mediasense.planning import REFUSALS, make_plan
from mediasense.planning.plans import ImageWork, WholeFile
from mediasense.providers import AudioLimits, ImageLimits, VideoLimits
from mediasense.testing.registry import NotDeclared, Unproved, check, require
from mediasense.testing.subject import PROMPT, Kind, Subject, is_known, told
from mediasense.types import Question

_LARGEST = 32_000_000
_SENT = 1_000_000
"""Above so many bytes, what is too large is planned, and not sent: that would take seconds."""
_MOST_ITEMS = 64


@check("limits at their edges")
def check_as_many_images_as_declared_are_sent(subject: Subject) -> None:
    """max_items images reach the service in one request."""
    count = _max_items(subject)
    images = [subject.media("image", variant=number) for number in range(count)]
    outcome = subject.call(subject.request("image", *images))
    subject.answered(f"{count} images", outcome)
    blob = b"\n".join(call.contents() for call in outcome.calls)
    missing = [number for number, image in enumerate(images, 1) if image.read() not in blob]
    require(
        not missing,
        f"max_items is {count}; of so many images, number {missing[:1]} did not reach the service",
    )


@check("limits at their edges")
def check_more_images_than_declared_are_never_sent_at_once(subject: Subject) -> None:
    """One image more than max_items is refused, or asked about in several requests."""
    count = _max_items(subject)
    images = [subject.media("image", variant=number) for number in range(count + 1)]
    paths = tuple(image.path for image in images if image.path is not None)
    outcome = subject.analyze(paths, subject.question(model=subject.named_model("image")))
    require(
        outcome.error is None or is_known(outcome.error),
        f"{count + 1} images made the plugin fail: {outcome.error}",
    )
    for call in outcome.calls:
        held = sum(call.holds(image.read()) for image in images)
        require(held <= count, f"max_items is {count}, and {held} images were sent in one request")


@check("limits at their edges")
def check_a_file_as_large_as_declared_is_sent(subject: Subject) -> None:
    """A file of exactly max_bytes reaches the service."""
    sized = _sized(subject)
    tried = [(kind, most) for kind, most in sized if most <= _LARGEST]
    if not tried:
        raise Unproved(f"max_bytes is more than {_LARGEST // 1_000_000} MB: too much to try")
    for kind, most in tried:
        media = subject.media(kind, size=most)
        outcome = subject.call(subject.request(kind, media))
        subject.answered(f"{kind} of exactly max_bytes ({most})", outcome)
        require(
            sum(len(call.body) for call in outcome.calls) >= most,
            f"{kind}: of a file of exactly max_bytes ({most}), not all was sent",
        )


@check("limits at their edges")
def check_a_larger_file_is_never_sent_as_it_is(subject: Subject) -> None:
    """A file of one byte more than max_bytes is made smaller or refused."""
    for kind, most in _sized(subject):
        if getattr(subject.limits(kind), "max_upload_bytes", None):
            continue
        prompt = PROMPT if subject.prompted(kind) else None
        question = subject.question(prompt=prompt, model=subject.named_model(kind))
        if most > _SENT:
            _require_changed(subject, kind, question, most)
            continue
        media = subject.media(kind, size=most + 1)
        assert media.path is not None
        outcome = subject.analyze((media.path,), question)
        require(
            outcome.error is None or is_known(outcome.error),
            f"{kind} of max_bytes + 1 made the plugin fail: {told(outcome.error)}",
        )
        require(
            not outcome.sent(media.read()),
            f"{kind}: a file of max_bytes + 1 ({most + 1}) was sent as it is",
        )


@check("limits at their edges")
def check_a_recording_as_long_as_declared_is_sent(subject: Subject) -> None:
    """A recording of exactly max_seconds is not refused by the plugin."""
    seen = False
    for kind in subject.files("video", "transcript", "sound"):
        limits = subject.limits(kind)
        if not isinstance(limits, VideoLimits | AudioLimits) or limits.max_seconds is None:
            continue
        seen = True
        media = replace(subject.media(kind), seconds=limits.max_seconds)
        outcome = subject.call(subject.request(kind, media))
        require(
            outcome.error is None,
            f"{kind} of exactly max_seconds ({limits.max_seconds:g}) was refused: "
            f"{told(outcome.error) if outcome.error else ''}",
        )
    if not seen:
        raise NotDeclared("it declares no max_seconds")


def _require_changed(subject: Subject, kind: Kind, question: Question, most: int) -> None:
    small = subject.media(kind)
    assert small.path is not None
    with Workspace() as workspace:
        known = resolve(small.path, None, question, workspace)
    try:
        plan = make_plan((replace(known, size=most + 1),), question, subject.provider)
    except REFUSALS:
        return
    for sends in (plan.sends, plan.listening.sends if plan.listening else None):
        whole = isinstance(sends, ImageWork) and not sends.fits[0].actions
        require(
            not whole and not isinstance(sends, WholeFile),
            f"{kind}: a file of max_bytes + 1 would be sent as it is",
        )


def _max_items(subject: Subject) -> int:
    subject.files("image")
    limits = subject.limits("image")
    assert isinstance(limits, ImageLimits)
    if limits.max_items is None:
        raise NotDeclared("it declares no max_items")
    if limits.max_items > _MOST_ITEMS:
        raise Unproved(f"max_items is {limits.max_items}: too many to try")
    if limits.max_bytes is not None and limits.max_bytes < (subject.media("image").size or 0):
        raise Unproved("max_bytes is too small for a picture")
    return limits.max_items


def _sized(subject: Subject) -> list[tuple[Kind, int]]:
    declared = [
        (kind, limits.max_bytes)
        for kind in subject.files("image", "video", "transcript", "sound")
        if (limits := subject.limits(kind)) is not None and limits.max_bytes is not None
    ]
    if not declared:
        raise NotDeclared("it declares no max_bytes")
    return declared
