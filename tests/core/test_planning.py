"""Plans: never beyond a declared limit, never without a given option, always the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    AudioLimits,
    ImageLimits,
    Media,
    MediaTooLarge,
    ModelRule,
    Provider,
    TextLimits,
    UnsupportedMedia,
    UnsupportedModality,
    UsageError,
    VideoLimits,
)
from mediasense.planning import Plan, can_take, make_plan
from mediasense.providers import Limits
from mediasense.types import Question

REFUSALS = (MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError)
OPTIONS = {
    "fps": {"fps": 2.0},
    "json_schema": {"json_schema": "{}"},
    "language": {"language": "en"},
    "max_output_tokens": {"max_output_tokens": 9},
    "resolution": {"resolution": "low"},
    "start_end": {"start": 1.0},
    "temperature": {"temperature": 0.0},
}


def picture(**facts) -> Media:
    facts = {"mime_type": "image/png", "size": 1000, "width": 64, "height": 48, **facts}
    return Media(modality="image", **facts)


def clip(**facts) -> Media:
    facts = {"mime_type": "video/mp4", "size": 1000, "seconds": 10.0, "has_sound": True, **facts}
    return Media(modality="video", **facts)


def speech(**facts) -> Media:
    facts = {"mime_type": "audio/wav", "size": 1000, "seconds": 10.0, **facts}
    return Media(modality="audio", **facts)


def link(modality: str, uri: str) -> Media:
    return Media(modality=modality, mime_type="", uri=uri)


def provider(**takes) -> Provider:
    return Provider(**{"name": "acme", "description": "d", "default_model": "acme-eye", **takes})


PNG = ImageLimits(mime_types=("image/png",))
MP4 = VideoLimits(mime_types=("video/mp4",))
HEARS = AudioLimits(mime_types=("audio/wav",), transcribes=True)
ANSWERS = AudioLimits(mime_types=("audio/wav",), answers=True)


def plan(takes: Provider, *media: Media, **asked) -> Plan:
    return make_plan(media, Question(**asked), takes)


# --- each strategy -------------------------------------------------------------------------------


def test_images_go_as_they_are_in_one_call():
    made = plan(provider(image=PNG), picture(), picture(), prompt="what changed?")
    assert made.strategy == "images"
    (call,) = made.calls
    assert (call.modality, call.model, call.prompt) == ("image", "acme-eye", "what changed?")


def test_a_video_goes_as_it_is():
    made = plan(provider(video=MP4), clip(), prompt="what?")
    assert (made.strategy, made.calls[0].modality, made.calls[0].prompt) == (
        "native",
        "video",
        "what?",
    )


def test_a_sound_without_a_prompt_is_written_down():
    made = plan(provider(audio=HEARS), speech())
    assert (made.strategy, made.calls[0].prompt) == ("transcript", None)


def test_a_sound_with_a_prompt_is_asked_about():
    made = plan(provider(audio=ANSWERS), speech(), prompt="who?")
    assert (made.strategy, made.calls[0].prompt) == ("native", "who?")


def test_a_prompt_about_sound_goes_through_a_transcript_where_it_must():
    made = plan(provider(audio=HEARS, text=TextLimits()), speech(), prompt="who?")
    assert made.strategy == "transcript_then_text"
    assert [(call.modality, call.prompt) for call in made.calls] == [
        ("audio", None),
        ("text", "who?"),
    ]


def test_an_empty_sound_question_is_no_transcript():
    """Only ``None`` asks for a transcript."""
    assert plan(provider(audio=ANSWERS), speech(), prompt="").strategy == "native"


@pytest.mark.parametrize(
    ("takes", "media", "start"),
    [
        (provider(image=PNG), (picture(),), "Describe what this image"),
        (provider(image=PNG), (picture(), picture()), "Describe what each"),
        (provider(video=MP4), (clip(),), "Describe what happens"),
    ],
)
def test_without_a_prompt_a_description_is_asked_for(takes, media, start):
    assert plan(takes, *media).calls[0].prompt.startswith(start)


@pytest.mark.parametrize(
    ("takes", "media"),
    [
        (provider(image=ImageLimits(mime_types=("image/png",), answers=False)), picture()),
        (provider(video=VideoLimits(mime_types=("video/mp4",), answers=False)), clip()),
    ],
)
def test_what_only_reads_is_not_asked_for_a_description(takes, media):
    assert plan(takes, media).calls[0].prompt is None


# --- models --------------------------------------------------------------------------------------


def test_the_model_that_is_named_is_asked():
    assert plan(provider(image=PNG), picture(), model="eye-2").calls[0].model == "eye-2"


def test_a_modality_has_its_own_default_model():
    takes = provider(image=ImageLimits(mime_types=("image/png",), default_model="acme-look"))
    assert plan(takes, picture()).calls[0].model == "acme-look"


def test_a_question_about_sound_has_its_own_default_model():
    audio = AudioLimits(
        mime_types=("audio/wav",),
        transcribes=True,
        answers=True,
        default_model="acme-ear",
        answer_model="acme-mind",
    )
    assert plan(provider(audio=audio), speech()).calls[0].model == "acme-ear"
    assert plan(provider(audio=audio), speech(), prompt="who?").calls[0].model == "acme-mind"


def test_through_a_transcript_the_named_model_is_the_one_that_answers():
    audio = AudioLimits(mime_types=("audio/wav",), transcribes=True, default_model="acme-ear")
    made = plan(provider(audio=audio, text=TextLimits()), speech(), prompt="who?", model="mind")
    assert [call.model for call in made.calls] == ["acme-ear", "mind"]


def test_a_rule_for_a_model_replaces_what_the_provider_takes():
    takes = provider(image=PNG, models=(ModelRule(pattern="text-*", text=TextLimits()),))
    assert plan(takes, picture(), model="eye").strategy == "images"
    with pytest.raises(UnsupportedModality, match="acme with the model text-1 does not take image"):
        plan(takes, picture(), model="text-1")


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("takes", "media", "asked", "what"),
    [
        (provider(), picture(), {}, "take images"),
        (provider(), clip(), {}, "take video"),
        (provider(), speech(), {}, "write down speech"),
        (provider(audio=ANSWERS), speech(), {}, "write down speech"),
        (provider(), speech(), {"prompt": "q"}, "answer questions about sound"),
        (provider(audio=HEARS), speech(), {"prompt": "q"}, "answer questions about sound"),
        (provider(text=TextLimits()), speech(), {"prompt": "q"}, "answer questions about sound"),
    ],
)
def test_what_a_provider_cannot_do_is_named(takes, media, asked, what):
    with pytest.raises(UnsupportedModality, match=f"acme does not {what}"):
        plan(takes, media, **asked)


def test_a_type_that_is_not_taken_names_those_that_are():
    with pytest.raises(UnsupportedMedia, match=r"image/gif as image; convert it to .*image/png"):
        plan(provider(image=PNG), picture(mime_type="image/gif"))


@pytest.mark.parametrize("schemes", [(), ("youtube",)])
def test_a_provider_of_no_type_at_all_refuses_a_file(schemes):
    with pytest.raises(UnsupportedMedia) as caught:
        plan(provider(video=VideoLimits(uri_schemes=schemes)), clip())
    assert "youtube://" not in caught.value.hint


@pytest.mark.parametrize(
    ("limits", "media", "told"),
    [
        (ImageLimits(max_bytes=999), picture(), "1.0 kB"),
        (ImageLimits(max_request_bytes=999), picture(), "1.0 kB"),
        (ImageLimits(max_side=63), picture(), "63 pixels a side, not 64 x 48"),
        (ImageLimits(max_side=63), picture(width=48, height=64), "not 48 x 64"),
        (ImageLimits(max_pixels=3071), picture(), "not 64 x 48"),
        (VideoLimits(max_bytes=999), clip(), "1.0 kB"),
        (VideoLimits(max_seconds=9.9), clip(), "takes 9.9 s of video, not 10.0 s"),
        (VideoLimits(max_upload_bytes=999), clip(), "1.0 kB"),
        (AudioLimits(transcribes=True, max_seconds=9.5), speech(), "9.5 s of audio, not 10.0 s"),
    ],
)
def test_what_is_too_large_is_told_with_the_limit(limits, media, told):
    from dataclasses import replace

    takes = provider(**{media.modality: replace(limits, mime_types=(media.mime_type,))})
    with pytest.raises(MediaTooLarge) as caught:
        plan(takes, media)
    assert told in caught.value.message
    assert caught.value.hint


def test_too_many_images_are_told():
    takes = provider(image=ImageLimits(mime_types=("image/png",), max_items=2))
    with pytest.raises(MediaTooLarge, match="takes 2 images in one request, not 3; give fewer"):
        plan(takes, picture(), picture(), picture())


def test_images_that_are_too_much_together_are_told():
    takes = provider(image=ImageLimits(mime_types=("image/png",), max_request_bytes=250_000))
    with pytest.raises(MediaTooLarge, match=r"takes 0.2 MB in one request, not 0.3 MB"):
        plan(takes, picture(size=150_000), picture(size=150_000))


def test_an_upload_may_be_larger_than_what_goes_inline():
    takes = provider(
        video=VideoLimits(mime_types=("video/mp4",), max_bytes=10, max_upload_bytes=5000)
    )
    assert plan(takes, clip()).strategy == "native"


def test_a_file_that_is_too_large_may_go_as_a_link():
    takes = provider(video=VideoLimits(mime_types=("video/mp4",), max_bytes=1, uri_schemes=("gs",)))
    with pytest.raises(MediaTooLarge, match="or give a gs:// link"):
        plan(takes, clip())


@pytest.mark.parametrize(
    ("schemes", "uri", "taken"),
    [
        (("https",), "https://example.org/a", True),
        (("https",), "HTTPS://example.org/a", True),
        (("https",), "https://youtu.be/a", False),
        (("youtube",), "https://www.youtube.com/watch?v=a", True),
        (("youtube",), "https://example.org/a", False),
        (("gs",), "gs://bucket/a", True),
        ((), "https://example.org/a", False),
    ],
)
def test_a_link_is_taken_where_its_scheme_is(schemes, uri, taken):
    takes = provider(video=VideoLimits(uri_schemes=schemes))
    if taken:
        assert plan(takes, link("video", uri)).strategy == "native"
        return
    with pytest.raises(UnsupportedMedia, match="download the file and give its path"):
        plan(takes, link("video", uri))


@pytest.mark.parametrize("media", [(clip(), clip()), (picture(), clip()), (speech(), picture())])
def test_only_images_go_together(media):
    with pytest.raises(UsageError, match="only images can be asked about together"):
        plan(provider(image=PNG, video=MP4, audio=HEARS), *media)


def test_nothing_to_look_at_is_told():
    with pytest.raises(UsageError, match="nothing to look at; give a file"):
        plan(provider(image=PNG))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_not_honoured_is_refused_by_its_flag(option):
    flags = {"json_schema": "--schema", "start_end": "--start and --end"}
    flag = flags.get(option, f"--{option.replace('_', '-')}")
    with pytest.raises(UsageError, match=f"acme does not honour {flag} for video; leave it out"):
        plan(provider(video=MP4), clip(), **OPTIONS[option])


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("api_version", "--api-version"),
        ("credentials_file", "--credentials"),
        ("location", "--location"),
        ("project", "--project"),
    ],
)
def test_an_option_of_the_access_is_taken_or_refused(name, flag):
    asked = {"access": Access(**{name: "x"})}
    with pytest.raises(UsageError, match=f"acme does not take {flag}"):
        plan(provider(image=PNG), picture(), **asked)
    assert plan(provider(image=PNG, access_options=(name,)), picture(), **asked)


def test_a_question_about_sound_may_honour_other_options_than_a_transcript():
    audio = AudioLimits(
        mime_types=("audio/wav",),
        transcribes=True,
        answers=True,
        options=("language",),
        answer_options=("temperature",),
    )
    takes = provider(audio=audio)
    assert plan(takes, speech(), language="en").calls[0].options == ("language",)
    assert plan(takes, speech(), prompt="who?", temperature=0.5).calls[0].options == (
        "temperature",
    )
    with pytest.raises(UsageError, match="does not honour --language"):
        plan(takes, speech(), prompt="who?", language="en")


def test_the_transcript_is_not_held_to_what_the_answer_is_asked_for():
    """A limit of tokens or a schema is meant for the answer."""
    options = ("max_output_tokens", "json_schema", "temperature")
    takes = provider(
        audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, options=options),
        text=TextLimits(options=options),
    )
    made = plan(takes, speech(), prompt="who?", max_output_tokens=5, json_schema="{}")
    assert made.calls[0].options == ()
    assert set(made.calls[1].options) == {"max_output_tokens", "json_schema"}


# --- streaming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
def test_pieces_arrive_only_where_that_is_declared(streaming):
    takes = provider(image=ImageLimits(mime_types=("image/png",), streaming=streaming))
    assert plan(takes, picture()).calls[0].streaming is streaming


def test_a_transcript_that_is_asked_about_is_not_streamed():
    takes = provider(
        audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, streaming=True),
        text=TextLimits(streaming=True),
    )
    assert [c.streaming for c in plan(takes, speech(), prompt="q").calls] == [False, True]


# --- properties ----------------------------------------------------------------------------------

MIMES = {
    "image": ("image/png", "image/jpeg", "image/gif"),
    "video": ("video/mp4", "video/webm"),
    "audio": ("audio/wav", "audio/mpeg"),
}
SCHEMES = ("https", "gs", "youtube")
URIS = ("https://example.org/a", "gs://b/a", "https://youtu.be/a", "s3://b/a")
small = st.integers(1, 40)
# Mostly above what media have, so that about half of the plans are found.
maybe = st.sampled_from([None, None, None, 20, 39, 40, 60, 500, 2000])


def most_of(values) -> st.SearchStrategy[tuple]:
    """All of them, or all but the first."""
    return st.sampled_from([tuple(values), tuple(values), tuple(values)[1:]])


def common(modality: str) -> dict[str, st.SearchStrategy]:
    return {
        "mime_types": most_of(MIMES[modality]),
        "max_bytes": maybe,
        "max_request_bytes": maybe,
        "uri_schemes": most_of(SCHEMES),
        "options": most_of(sorted(OPTIONS)),
        "streaming": st.booleans(),
    }


IMAGES = st.builds(
    ImageLimits,
    **common("image"),
    max_items=st.sampled_from([None, 1, 2, 3]),
    max_pixels=maybe,
    max_side=maybe,
)
VIDEOS = st.builds(VideoLimits, **common("video"), max_seconds=maybe, max_upload_bytes=maybe)
SOUNDS = st.builds(
    AudioLimits,
    **common("audio"),
    transcribes=st.booleans(),
    answers=st.booleans(),
    max_seconds=maybe,
    max_upload_bytes=maybe,
)
LIMITS = {"image": IMAGES, "video": VIDEOS, "audio": SOUNDS}
TEXTS = st.builds(TextLimits, options=most_of(sorted(OPTIONS)))


def media_of(modality: str) -> st.SearchStrategy[Media]:
    pictured, lasting = modality != "audio", modality != "image"
    files = st.builds(
        Media,
        modality=st.just(modality),
        mime_type=st.sampled_from(MIMES[modality]),
        size=small,
        width=small if pictured else st.none(),
        height=small if pictured else st.none(),
        seconds=maybe if lasting else st.none(),
    )
    links = st.builds(
        Media, modality=st.just(modality), mime_type=st.just(""), uri=st.sampled_from(URIS)
    )
    return files | links


def providers_for(modality: str) -> st.SearchStrategy[Provider]:
    takes = {modality: LIMITS[modality], "text": st.sampled_from([None, TextLimits()]) | TEXTS}
    rules = st.builds(ModelRule, pattern=st.just("m"), **takes)
    return st.builds(
        Provider,
        name=st.just("acme"),
        description=st.just("d"),
        models=st.lists(rules, max_size=1).map(tuple),
        **takes,
    )


@st.composite
def cases(draw) -> tuple[Provider, tuple[Media, ...], Question]:
    """A provider, media of a kind that it may take, and a question."""
    modality = draw(st.sampled_from(list(LIMITS)))
    count = draw(st.integers(1, 3)) if modality == "image" else 1
    media = tuple(draw(media_of(modality)) for _ in range(count))
    return draw(providers_for(modality)), media, draw(QUESTIONS)


QUESTIONS = st.builds(
    lambda prompt, model, options: Question(
        prompt=prompt,
        model=model,
        **{name: value for option in options for name, value in OPTIONS[option].items()},
    ),
    st.sampled_from([None, "what?"]),
    st.sampled_from([None, None, "m"]),
    st.lists(st.sampled_from(sorted(OPTIONS)), unique=True, max_size=2),
)


def scheme_of(uri: str) -> str:
    return "youtube" if "youtu.be" in uri else uri.partition(":")[0]


def above(most: float | None, value: float) -> bool:
    return most is not None and value > most


def broken(media: tuple[Media, ...], limits: Limits) -> list[str]:
    """Every declared limit that these media break, as the records document them."""
    found = [limit for item in media for limit in broken_by(item, limits)]
    if isinstance(limits, ImageLimits):
        if above(limits.max_items, len(media)):
            found.append("items")
        if above(limits.max_request_bytes, sum(item.size or 0 for item in media)):
            found.append("bytes together")
    return found


def broken_by(item: Media, limits: Limits) -> Iterator[str]:
    if item.uri is not None:
        if scheme_of(item.uri) not in limits.uri_schemes:
            yield "scheme"
        return
    if item.mime_type not in limits.mime_types:
        yield "type"
    upload = getattr(limits, "max_upload_bytes", None)
    inline = [limits.max_bytes, limits.max_request_bytes]
    if any(above(most, item.size) for most in ([upload] if upload is not None else inline)):
        yield "bytes"
    if above(getattr(limits, "max_side", None), max(item.width or 0, item.height or 0)):
        yield "side"
    if above(getattr(limits, "max_pixels", None), (item.width or 0) * (item.height or 0)):
        yield "pixels"
    if above(getattr(limits, "max_seconds", None), item.seconds or 0):
        yield "seconds"


def limits_of(takes: Provider, question: Question, made: Plan) -> Limits:
    """The limits that the media of a plan are held to."""
    first = made.calls[0].modality
    if made.strategy == "transcript_then_text":
        return takes.audio
    return getattr(takes.limits_for(question.model), first)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_a_plan_breaks_no_declared_limit(case):
    takes, media, question = case
    try:
        made = make_plan(media, question, takes)
    except REFUSALS as error:
        event(type(error).__name__)
        return
    event(made.strategy)
    assert broken(media, limits_of(takes, question, made)) == []


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_every_option_that_is_given_is_carried_or_refused(case):
    takes, media, question = case
    try:
        made = make_plan(media, question, takes)
    except REFUSALS:
        return
    given_options = {
        option
        for option, fields in OPTIONS.items()
        if any(getattr(question, name) is not None for name in fields)
    }
    carried = {option for call in made.calls for option in call.options}
    assert carried == given_options
    for call in made.calls:
        limits = getattr(
            takes
            if made.strategy == "transcript_then_text" and call.modality == "audio"
            else takes.limits_for(question.model),
            call.modality,
        )
        assert set(call.options) <= set(limits.options)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_the_same_question_gives_the_same_plan(case):
    takes, media, question = case

    def outcome() -> object:
        try:
            return make_plan(media, question, takes)
        except REFUSALS as error:
            return type(error), str(error)

    first = outcome()
    assert outcome() == first
    assert can_take(takes, media, question) is isinstance(first, Plan)


@settings(max_examples=100, deadline=None)
@given(modality=st.sampled_from(list(LIMITS)), data=st.data())
def test_nothing_is_refused_that_breaks_no_limit(modality, data):
    media = (data.draw(media_of(modality)),)
    limits = data.draw(LIMITS[modality])
    assume(not broken(media, limits))
    assume(modality != "audio" or limits.transcribes)
    assert make_plan(media, Question(), provider(**{modality: limits}))
