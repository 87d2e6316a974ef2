"""Every declared modality works: media and question arrive, and the answer comes back."""

from __future__ import annotations

from mediasense.providers import ImageLimits
from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.subject import PROMPT, Kind, Outcome, Subject, said, several
from mediasense.types import AudioRequest, ImageRequest, Media, Request, VideoRequest


@check("images")
def check_an_image_is_answered(subject: Subject) -> None:
    """An image and the question reach the service, and its words come back."""
    _require_answer(subject, "image")


@check("several images")
def check_several_images_are_sent_together(subject: Subject) -> None:
    """Several images reach the service in one request, each of them, in order."""
    subject.files("image")
    limits = subject.limits("image")
    assert isinstance(limits, ImageLimits)
    count = several(limits)
    if count < 2:
        raise NotDeclared("it takes one image a request")
    images = [subject.media("image", variant=number) for number in range(count)]
    outcome = subject.call(subject.request("image", *images))
    subject.answered("several images", outcome)
    for number, image in enumerate(images, 1):
        require(
            outcome.sent(image.read()),
            f"image {number} of {count} did not reach the service: send all of request.images",
        )
    asking = [call for call in outcome.calls if call.mentions(PROMPT)]
    require(
        len(asking) <= 1,
        f"{count} images were asked about in {len(asking)} requests: they belong into one",
    )


@check("video")
def check_a_video_is_answered(subject: Subject) -> None:
    """A video and the question reach the service, and its words come back."""
    _require_answer(subject, "video")


@check("sound")
def check_a_question_about_sound_is_answered(subject: Subject) -> None:
    """A recording and the question reach the service, and its words come back."""
    _require_answer(subject, "sound")


@check("transcripts")
def check_speech_is_written_down(subject: Subject) -> None:
    """A recording reaches the service without a question, and the transcript comes back."""
    _require_answer(subject, "transcript")


@check("times")
def check_transcripts_have_times(subject: Subject) -> None:
    """The transcript comes with the segments that the service tells, with start and end."""
    subject.declared("transcript")
    if not getattr(subject.limits("transcript"), "timestamps", False):
        raise NotDeclared("it does not declare timestamps")
    answer = subject.answered("transcript", subject.call(subject.request("transcript")))
    wanted = [(s.start, s.end, s.text.strip()) for s in said().segments]
    found = [(s.start, s.end, s.text.strip()) for s in answer.segments]
    require(
        found == wanted,
        f"timestamps are declared; the service told {wanted}, and the segments are {found}",
    )


@check("text")
def check_text_alone_is_answered(subject: Subject) -> None:
    """A question about text alone reaches the service, and its words come back."""
    _require_answer(subject, "text")


@check("answers")
def check_the_answer_names_the_model_that_gave_it(subject: Subject) -> None:
    """Answer.model is what the service says has answered, not what was asked for."""
    for kind in subject.declared():
        request = subject.request(kind)
        answer = subject.answered(kind, subject.call(request))
        # Few services say which model wrote a transcript down.
        allowed = {said().model, *([request.model] if kind == "transcript" else [])}
        require(
            answer.model in allowed,
            f"{kind}: the service says {said().model!r} has answered, and Answer.model is "
            f"{answer.model!r}",
        )


@check("answers")
def check_words_of_any_script_come_back(subject: Subject) -> None:
    """Text beyond ASCII, quotes and line breaks survive the way there and back."""
    text = 'Größe: "5 µm"\n日本語 \U0001f44d\\'
    words = said(text=text, pieces=(text,))  # some SDKs always stream
    question = 'Was heißt "日本\U0001f44d"?\nSag\\es'
    subject.says(words)
    for kind in subject.declared():
        outcome = subject.call(subject.request(kind, prompt=question))
        answer = subject.answered(kind, outcome)
        require(
            answer.text.strip() == words.text.strip(),
            f"{kind}: the service said {words.text!r}, and the answer is {answer.text!r}",
        )
        if subject.prompted(kind):
            require(
                _mentions(outcome, question),
                f"{kind}: the question {question!r} did not arrive as it was asked",
            )


@check("usage")
def check_usage_is_what_the_service_counted(subject: Subject) -> None:
    """Usage holds what the service counted, and nothing where it counted nothing."""
    fields = subject.service.usage_fields
    if not fields:
        raise NotDeclared("its service tells no usage")
    for kind in subject.declared():
        answer = subject.answered(kind, subject.call(subject.request(kind)))
        for name in fields:
            wanted = getattr(said().usage, name)
            found = getattr(answer.usage, name, None)
            require(
                found == wanted,
                f"{kind}: the service counted {name}={wanted}, and Answer.usage says {found}",
            )


@check("usage")
def check_usage_is_not_made_up(subject: Subject) -> None:
    """A field of Usage that the service does not tell stays None; it is never zero."""
    for kind in subject.declared():
        answer = subject.answered(kind, subject.call(subject.request(kind)))
        for name in ("input_tokens", "output_tokens", "reasoning_tokens", "seconds"):
            found = getattr(answer.usage, name, None)
            require(
                found is None or found == getattr(said().usage, name),
                f"{kind}: Answer.usage.{name} is {found}, which the service never said",
            )


def _require_answer(subject: Subject, kind: Kind) -> None:
    subject.declared(kind)
    request = subject.request(kind)
    outcome = subject.call(request)
    answer = subject.answered(kind, outcome)
    require(outcome.calls, f"{kind}: there is an answer, and nothing was sent to the service")
    media = _media(request)
    require(
        media is None or media.uri is None or outcome.mentions(media.uri),
        f"{kind}: the link did not reach the service: send media.uri where there is one",
    )
    require(
        media is None or media.uri is not None or outcome.sent(media.read()),
        f"{kind}: the bytes of the file did not reach the service, neither as they are nor as "
        "base64",
    )
    require(
        not subject.prompted(kind) or outcome.mentions(PROMPT),
        f"{kind}: the question did not reach the service: send request.prompt",
    )
    require(
        request.model is None or outcome.mentions(request.model),
        f"{kind}: the model {request.model!r} did not reach the service: send request.model",
    )
    wanted = said().text
    require(
        answer.text.strip() == wanted,
        f"{kind}: the service said {wanted!r}, and the answer is {answer.text!r}",
    )


def _mentions(outcome: Outcome, question: str) -> bool:
    import json

    raw = json.dumps(question, ensure_ascii=False)[1:-1].encode()
    return outcome.mentions(question) or any(raw in call.body for call in outcome.calls)


def _media(request: Request) -> Media | None:
    match request:
        case ImageRequest():
            return request.images[0]
        case VideoRequest():
            return request.video
        case AudioRequest():
            return request.audio
    return None
