"""Trying a provider: what proves that something is taken, and what proves nothing."""

from __future__ import annotations

import threading

import pytest

from mediasense import (
    Answer,
    AudioLimits,
    AuthenticationError,
    ConnectionFailed,
    ContentBlocked,
    ImageLimits,
    InvalidAnswer,
    MediaRejected,
    Model,
    ModelRule,
    PermissionDenied,
    PluginError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    ServerError,
    TextLimits,
    Timeout,
    UnknownModel,
    UnsupportedModality,
    Usage,
    VideoLimits,
)
from mediasense.media.sniff import sniff
from mediasense.specimens import PICTURE_TYPES, SOUND_TYPES, VIDEO_TYPE, picture, sound, video
from mediasense.trying import list_models, try_provider
from mediasense.trying.claims import claims, proved
from mediasense.trying.records import Attempt, Trial

TRIAL = Trial(model="acme-eye", timeout=5)
OPTIONS = ("json_schema", "max_output_tokens", "temperature")


@pytest.fixture
def world(load, acme):
    """Plugins with a provider that claims all there is, answered by functions of the test."""

    def make(answer, *, listing=None, **changes):
        claimed = {
            "text": TextLimits(options=OPTIONS, streaming=True),
            "image": ImageLimits(mime_types=PICTURE_TYPES, options=OPTIONS, streaming=True),
            "video": VideoLimits(mime_types=(VIDEO_TYPE,)),
            "audio": AudioLimits(
                mime_types=SOUND_TYPES,
                transcribes=True,
                answers=True,
                timestamps=True,
                options=("language",),
            ),
        }
        provider = acme(**claimed | changes)

        def hook(request, on_text):
            return answer(request, on_text)

        def listed(request):
            return listing()

        hooks = dict.fromkeys(("analyze_image", "analyze_video", "analyze_audio", "generate"), hook)
        if listing is not None:
            hooks["list_models"] = listed
        return load(acme={"capabilities": lambda: (provider,), **hooks}), provider

    return make


def good(request, on_text):
    """Answers everything as it should be."""
    if on_text is not None:
        for piece in ("one, ", "two"):
            on_text(piece)
    if getattr(request, "json_schema", None):
        return Answer(text='{"numbers": [1]}', model="m")
    if request.max_output_tokens is not None:
        return Answer(text="one, two", model="m", finish_reason="length")
    return Answer(text="green and purple", model="m")


def refusing(kind, error):
    """Like ``good``, but of requests of one kind it raises an error."""

    def answer(request, on_text):
        if type(request).__name__ == kind:
            raise error
        return good(request, on_text)

    return answer


# --- the media -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PICTURE_TYPES)
@pytest.mark.parametrize("side", [1, 64])
def test_a_picture_is_what_it_is_said_to_be(kind, side):
    made = picture(kind, side=side, colour="green")
    assert (sniff(made.data), made.width, made.size) == (kind, side, len(made.data))
    assert made.size < 1000


@pytest.mark.parametrize("kind", SOUND_TYPES)
def test_a_sound_is_what_it_is_said_to_be(kind):
    made = sound(kind)
    assert sniff(made.data) == kind
    assert made.size < 20_000


def test_the_video_is_one():
    made = video("purple")
    assert sniff(made.data) == "video/mp4"
    assert made.size < 10_000


# --- what is proved ------------------------------------------------------------------------------


def test_what_answers_everything_takes_everything(world):
    plugins, provider = world(good)
    tried = try_provider(plugins, provider, TRIAL)
    takes = tried.takes
    assert takes.text == TextLimits(options=OPTIONS, streaming=True)
    assert takes.image == ImageLimits(mime_types=PICTURE_TYPES, options=OPTIONS, streaming=True)
    assert takes.video == VideoLimits(mime_types=("video/mp4",))
    assert takes.audio.transcribes
    assert takes.audio.answers
    assert not takes.audio.timestamps
    assert 15 <= tried.calls <= 25


def test_every_attempt_is_reported(world):
    plugins, provider = world(good)
    reported: list[Attempt] = []
    lock = threading.Lock()

    def report(attempt):
        with lock:
            reported.append(attempt)

    tried = try_provider(plugins, provider, TRIAL, report)
    assert sorted(a.name for a in reported) == sorted(a.name for a in tried.attempts)


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("no", status=400),
        RequestRejected("no", status=422),
        MediaRejected("no", status=415),
        UnknownModel("no", status=404),
        UnsupportedModality("no"),
        InvalidAnswer("no"),
        ContentBlocked("no"),
        ServerError("no", status=500),
        PermissionDenied("no", status=403),
    ],
)
@pytest.mark.parametrize("kind", ["ImageRequest", "VideoRequest", "AudioRequest"])
def test_what_is_refused_or_fails_is_not_taken(world, error, kind):
    plugins, provider = world(refusing(kind, error))
    tried = try_provider(plugins, provider, TRIAL)
    name = {"ImageRequest": "image", "VideoRequest": "video", "AudioRequest": "audio"}[kind]
    assert getattr(tried.takes, name) is None
    assert tried.takes.text is not None
    (attempt, *_) = [a for a in tried.attempts if a.modality == name]
    assert attempt.outcome in ("refused", "failed")
    assert attempt.status == getattr(error, "status", None)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no", status=401),
        RateLimited("no", status=429),
        Timeout("no"),
        ConnectionFailed("no"),
        ProviderUnavailable("no", status=503),
        ServerError("no", status=502),
        RequestRejected("a redirect", status=307),
        RequestRejected("no money", status=402),
        ProviderError("no"),
    ],
)
@pytest.mark.parametrize("kind", ["TextRequest", "ImageRequest", "VideoRequest", "AudioRequest"])
def test_what_says_nothing_of_what_is_taken_ends_it(world, error, kind):
    plugins, provider = world(refusing(kind, error))
    with pytest.raises(type(error)) as raised:
        try_provider(plugins, provider, TRIAL)
    assert raised.value is error


def test_a_key_that_may_do_nothing_ends_it(world):
    plugins, provider = world(refusing("TextRequest", PermissionDenied("no", status=403)))
    with pytest.raises(PermissionDenied):
        try_provider(plugins, provider, TRIAL)


def test_a_bug_of_the_plugin_ends_it(world):
    plugins, provider = world(refusing("ImageRequest", KeyError("x")))
    with pytest.raises(PluginError):
        try_provider(plugins, provider, TRIAL)


def test_where_nothing_is_taken_the_first_refusal_is_raised(world):
    def refuse(request, on_text):
        raise RequestRejected(type(request).__name__, status=400)

    plugins, provider = world(refuse)
    with pytest.raises(RequestRejected, match="TextRequest"):
        try_provider(plugins, provider, TRIAL)


def options_of(world, answer) -> tuple[tuple[str, ...], bool]:
    plugins, provider = world(answer, video=None, audio=None, image=None)
    text = try_provider(plugins, provider, TRIAL).takes.text
    return text.options, text.streaming


def test_an_answer_that_does_not_fit_the_schema_proves_none(world):
    def answer(request, on_text):
        if request.json_schema is None:
            return good(request, on_text)
        return Answer(text="one, two", model="m")

    assert options_of(world, answer)[0] == ("max_output_tokens", "temperature")


def test_an_answer_that_goes_on_and_on_proves_no_limit(world):
    def answer(request, on_text):
        if request.max_output_tokens is None:
            return good(request, on_text)
        return Answer(text="one hundred and " * 40, model="m", finish_reason="stop")

    assert options_of(world, answer)[0] == ("json_schema", "temperature")


def test_a_model_that_thinks_until_the_limit_keeps_to_it(world):
    def answer(request, on_text):
        if request.max_output_tokens is None:
            return good(request, on_text)
        raise InvalidAnswer("it thought", usage=Usage(output_tokens=16))

    assert "max_output_tokens" in options_of(world, answer)[0]


def test_an_answer_in_one_piece_is_no_stream(world):
    def answer(request, on_text):
        if on_text is not None:
            on_text("all at once")
        return good(request, None)

    assert options_of(world, answer) == (OPTIONS, False)


def test_segments_prove_times(world):
    from mediasense import Segment

    def answer(request, on_text):
        if request.prompt is None and request.provider.audio.timestamps:
            spoken = (Segment(start=0, end=0.5, text="beep"),)
            return Answer(text="beep", model="m", segments=spoken)
        return good(request, on_text)

    plugins, provider = world(answer)
    assert try_provider(plugins, provider, TRIAL).takes.audio.timestamps


def test_speech_is_sent_to_its_own_model(world):
    def answer(request, on_text):
        if hasattr(request, "audio"):
            wanted = "acme-ear" if request.prompt is None else "acme-eye"
            assert request.model == wanted
        return good(request, on_text)

    plugins, provider = world(answer)
    trial = Trial(model="acme-eye", audio_model="acme-ear")
    audio = try_provider(plugins, provider, trial).takes.audio
    assert (audio.default_model, audio.answer_model) == ("acme-ear", "acme-eye")


@pytest.mark.parametrize("smallest", [1, 64])
def test_the_smallest_picture_is_tried_first(world, smallest):
    sides = []

    def answer(request, on_text):
        if hasattr(request, "images"):
            sides.append(request.images[0].width)
            if request.images[0].width < smallest:
                raise RequestRejected("too small", status=400)
        return good(request, on_text)

    plugins, provider = world(answer, video=None, audio=None)
    assert try_provider(plugins, provider, TRIAL).takes.image.mime_types == PICTURE_TYPES
    assert sides[0] == 1
    assert set(sides) == {1, 64}


def test_a_model_that_says_that_it_sees_nothing_is_doubted(world):
    def answer(request, on_text):
        return Answer(text="I cannot see it", model="m")

    plugins, provider = world(answer)
    tried = try_provider(plugins, provider, TRIAL)
    doubts = {a.modality: a.doubt for a in tried.attempts if a.doubt}
    assert "does the model see?" in doubts["image"]
    assert tried.takes.image is not None


def test_types_of_sound_hold_for_questions_and_transcripts_alike():
    spoken = [
        Attempt(modality="audio", what="transcript", outcome="taken", mime_types=(kind,))
        for kind in ("audio/wav", "audio/mpeg", "audio/flac")
    ]
    asked = Attempt(modality="audio", what="question", outcome="taken", mime_types=("audio/mpeg",))
    assert proved((*spoken, asked)).audio.mime_types == ("audio/mpeg",)
    assert len(proved(tuple(spoken)).audio.mime_types) == 3


# --- what is claimed -----------------------------------------------------------------------------


def test_no_more_is_claimed_than_the_plugin_has_code_for(world):
    text = TextLimits(options=("temperature",))
    plugins, provider = world(good, text=text, video=None, audio=None)
    claimed = claims(plugins, provider)
    assert claimed.text == text
    assert claimed.video is claimed.audio is None


def test_what_one_model_of_the_plugin_takes_is_claimed(world):
    rule = ModelRule(pattern="acme-film", video=VideoLimits(mime_types=("video/mp4",)))
    plugins, provider = world(good, video=None, models=(rule,))
    assert claims(plugins, provider).video is not None


# --- the listing ---------------------------------------------------------------------------------


def test_models_are_listed_by_name(world):
    plugins, provider = world(good, listing=lambda: (Model(name="b"), Model(name="a")))
    assert list_models(plugins, provider, TRIAL) == ("b", "a")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 201, "\u2028"])
def test_names_that_are_no_line_are_left_out(world, name):
    plugins, provider = world(good, listing=lambda: (Model(name=name), Model(name="a")))
    assert list_models(plugins, provider, TRIAL) == ("a",)


def _raise(error):
    raise error


@pytest.mark.parametrize(
    "error", [UnknownModel("no", status=404), UnsupportedModality("no"), InvalidAnswer("a page")]
)
def test_a_listing_may_be_missing(world, error):
    plugins, provider = world(good, listing=lambda: _raise(error))
    assert list_models(plugins, provider, TRIAL) is None


def test_a_plugin_may_have_no_listing(world):
    plugins, provider = world(good)
    assert list_models(plugins, provider, TRIAL) is None


@pytest.mark.parametrize(
    "error", [RequestRejected("moved", status=307), AuthenticationError("no"), Timeout("late")]
)
def test_a_listing_that_cannot_be_asked_for_ends_it(world, error):
    plugins, provider = world(good, listing=lambda: _raise(error))
    with pytest.raises(type(error)):
        list_models(plugins, provider, TRIAL)
