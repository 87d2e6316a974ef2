"""What is not declared is refused, or made what is declared, before anything is sent."""

from __future__ import annotations

import json

from mediasense.errors import UnsupportedModality, UsageError
from mediasense.names import MediaModality
from mediasense.testing.registry import NotDeclared, Unproved, check, require
from mediasense.testing.samples import sample
from mediasense.testing.subject import Kind, Subject, is_known, said, told

_FIELD = "canary_field"
_SCHEMA = json.dumps({"type": "object", "properties": {_FIELD: {}}, "required": [_FIELD]})
_TYPES: dict[MediaModality, tuple[str, ...]] = {
    "image": ("image/bmp", "image/gif", "image/tiff", "image/webp", "image/png"),
    "video": ("video/x-msvideo", "video/x-matroska", "video/webm", "video/mp4"),
    "audio": ("audio/aiff", "audio/flac", "audio/wav"),
}


@check("refusals", needs="either")
def check_an_undeclared_modality_is_refused(subject: Subject) -> None:
    """Media of a kind that is not declared is refused, and nothing is sent."""
    seen = False
    for modality in ("image", "video", "audio"):
        if _is_taken(subject, modality):
            continue
        seen = True
        media = sample(modality, _TYPES[modality][-1], subject.folder)
        assert media.path is not None
        outcome = subject.analyze((media.path,), subject.question(model=_model(subject)))
        require(
            isinstance(outcome.error, UnsupportedModality),
            f"{modality} is not declared, and asking about it gave "
            f"{told(outcome.error) if outcome.error else 'an answer'}",
        )
        require(not outcome.calls, f"{modality} is not declared, and something was sent")
    if not seen:
        raise NotDeclared("it takes every kind of media")


@check("file types")
def check_every_declared_type_is_sent_as_it_is(subject: Subject) -> None:
    """A file of every declared MIME type reaches the service unchanged."""
    reasons = []
    for kind in subject.files("image", "video", "transcript", "sound"):
        limits = subject.limits(kind)
        for mime_type in limits.mime_types if limits is not None else ():
            try:
                media = subject.sample(kind, mime_type)
            except Unproved as error:
                reasons.append(str(error))
                continue
            outcome = subject.call(subject.request(kind, media))
            subject.answered(f"{kind} of {mime_type}", outcome)
            require(
                outcome.sent(media.read()),
                f"{kind}: {mime_type} is declared, and its bytes did not reach the service",
            )
    if reasons:
        raise Unproved("; ".join(dict.fromkeys(reasons)))


@check("file types")
def check_another_type_is_never_sent_as_it_is(subject: Subject) -> None:
    """A file of a type that is not declared is converted or refused."""
    seen = False
    for kind in subject.files("image", "video", "transcript"):
        limits = subject.limits(kind)
        assert limits is not None
        modality: MediaModality = "audio" if kind == "transcript" else kind  # type: ignore[assignment]
        other = next((t for t in _TYPES[modality] if t not in limits.mime_types), None)
        if other is None:
            continue
        seen = True
        media = sample(modality, other, subject.folder)
        assert media.path is not None
        prompt = None if kind == "transcript" else subject.question().prompt
        question = subject.question(prompt=prompt, model=_model(subject))
        outcome = subject.analyze((media.path,), question)
        require(
            outcome.error is None or is_known(outcome.error),
            f"{kind}: a file of {other} made the plugin fail: {outcome.error}",
        )
        require(
            not outcome.sent(media.read()),
            f"{kind}: {other} is not declared, and was sent as it is",
        )
    if not seen:
        raise NotDeclared("it takes every type there is to try")


@check("options")
def check_an_undeclared_option_is_refused(subject: Subject) -> None:
    """An option that is not declared is refused, and nothing is sent."""
    given = {"max_output_tokens": 4321, "temperature": 0.375}
    kinds: tuple[Kind, ...] = subject.files("image")
    undeclared = [name for name in given if name not in subject.options("image")]
    if not undeclared:
        raise NotDeclared("it declares every option there is to try")
    media = subject.media(kinds[0])
    assert media.path is not None
    for name in undeclared:
        question = subject.question(model=_model(subject), **{name: given[name]})
        outcome = subject.analyze((media.path,), question)
        require(
            isinstance(outcome.error, UsageError) and not outcome.calls,
            f"image: {name} is not declared, and asking with it was not refused",
        )


@check("options")
def check_an_undeclared_schema_is_asked_for_in_words(subject: Subject) -> None:
    """A schema is asked for in the prompt where it is not declared, and the answer still fits."""
    kinds = subject.files("image")
    if "json_schema" in subject.options("image"):
        raise NotDeclared("it declares json_schema")
    media = subject.media(kinds[0])
    assert media.path is not None
    said_so = f'{{"{_FIELD}": "forty-two pipes"}}'
    subject.says(said(text=said_so, pieces=(said_so,)))
    question = subject.question(model=_model(subject), json_schema=_SCHEMA)
    outcome = subject.analyze((media.path,), question)
    if not subject.prompted("image"):
        require(
            isinstance(outcome.error, UnsupportedModality) and not outcome.calls,
            "image: no question is answered, and asking with a schema was not refused",
        )
        return
    require(
        outcome.error is None,
        f"image: json_schema is not declared, and asking with one failed: {told(outcome.error)}",
    )
    require(
        outcome.mentions(_FIELD),
        "image: json_schema is not declared, and the prompt that asks for it did not reach the "
        "service: send request.prompt as it is",
    )
    require(
        outcome.value.data == json.loads(said_so),
        f"image: the service said {said_so!r}, and the data of the answer is {outcome.value.data}",
    )


def _is_taken(subject: Subject, modality: MediaModality) -> bool:
    """Whether the core finds any way: it sends a video as images or as sound, too."""
    takes = {
        "image": ("image",),
        "video": ("video", "image", "audio"),
        "audio": ("audio",),
    }[modality]
    rules = subject.provider.limits_for(_model(subject))
    return any(getattr(rules, name) is not None for name in takes)


def _model(subject: Subject) -> str | None:
    return subject.named_model("image")
