"""Images on their way into calls."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.media.workspace import Workspace
from mediasense.parts.records import Part, Parts, numbered
from mediasense.planning.plans import ImageWork
from mediasense.steps import Step
from mediasense.types import Media

if TYPE_CHECKING:
    from mediasense.media.images.fitting import ImageFit
    from mediasense.media.images.pictures import Prepared


def image_parts(work: ImageWork, media: tuple[Media, ...], workspace: Workspace) -> Parts:
    """Images, each made fit for the provider."""
    images: list[Media] = []
    notes: list[str] = []
    steps = []
    for number, (image, fit) in enumerate(zip(media, work.fits, strict=True), 1):
        if fit.work == "none":
            images.append(image)
            notes.append("")
            continue
        steps.append(Step(action="prepare", words=f"image {number}: {', '.join(fit.actions)}"))
        for made in prepared(workspace.file_of(image), image.mime_type, fit, workspace):
            images.append(image_of(made))
            of = f" of image {number}" if made.words and len(media) > 1 else ""
            notes.append(made.words + of)
    if len(images) > work.per_call:
        notes = list(numbered(notes))
    groups = range(0, len(images), work.per_call)
    parts = tuple(
        Part(media=tuple(images[i : i + work.per_call]), notes=tuple(notes[i : i + work.per_call]))
        for i in groups
    )
    return Parts(parts=parts, steps=tuple(steps))


def prepared(
    source: Path, mime_type: str, fit: ImageFit, workspace: Workspace
) -> tuple[Prepared, ...]:
    """One image made fit: itself, its tiles, or its frames."""
    from mediasense.media.images.pictures import prepare_image

    work = partial(
        prepare_image, source=source, folder=workspace.subfolder(), mime_type=mime_type, fit=fit
    )
    return workspace.decode(work, "preparing the image")


def image_of(made: Prepared) -> Media:
    """An image that was made, to be sent."""
    return Media(
        modality="image",
        mime_type=made.mime_type,
        path=made.path,
        size=made.size,
        width=made.width,
        height=made.height,
        timestamp=made.timestamp,
        shows=made.shows,
    )
