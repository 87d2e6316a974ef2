"""Any facts, limits and question: a plan that keeps every promise, or a refusal in words."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from hypothesis import HealthCheck, event, given, settings
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
from mediasense.media.sound.encoders import fitting_samples
from mediasense.media.sound.resampling import RATE
from mediasense.planning import Plan, can_take, make_plan, passes_on
from mediasense.planning.frames import SINGLE_CALLS, arrange
from mediasense.planning.images import MAX_CALLS
from mediasense.planning.plans import (
    Call,
    ClipWork,
    FrameWork,
    ImageWork,
    Sending,
    SoundWork,
    WholeFile,
)
from mediasense.planning.sounds import MAX_PIECES
from mediasense.providers import Limits
from mediasense.requests import make_request
from mediasense.types import ImageFacts, Question, RecordingFacts, SubtitleTrack

REFUSALS = (MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError)
ANY_LIMITS = settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow])

# --- anything ------------------------------------------------------------------------------------

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/tiff")
VIDEO_TYPES = ("video/mp4", "video/webm", "video/x-matroska", "video/x-msvideo")
SOUND_TYPES = ("audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4", "audio/aiff")
OPTIONS = {
    ImageLimits: ("json_schema", "max_output_tokens", "temperature"),
    VideoLimits: (
        "fps",
        "json_schema",
        "max_output_tokens",
        "resolution",
        "start_end",
        "temperature",
    ),
    AudioLimits: ("json_schema", "language", "max_output_tokens", "start_end", "temperature"),
    TextLimits: ("json_schema", "max_output_tokens", "temperature"),
}
URIS = ("https://example.org/a", "gs://b/a", "https://youtu.be/a", "s3://b/a")

sizes = st.sampled_from(
    [1, 1000, 30_000, 500_000, 5_000_000, 24_999_999, 400_000_000, 50_000_000_000]
) | st.integers(1, 50_000_000_000)
sides = st.sampled_from([1, 2, 320, 1080, 1920, 7680]) | st.integers(1, 30_000)
lengths = st.sampled_from([0.04, 1.0, 59.9, 600.0, 3601.0, 36_000.0]) | st.floats(0.01, 200_000)
truth = st.booleans()


def mostly(usual: st.SearchStrategy, other: st.SearchStrategy, often: int) -> st.SearchStrategy:
    """``often`` times the usual, and once the other."""
    return st.integers(0, often).flatmap(lambda n: other if n == often else usual)


def some_of(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    few = st.lists(st.sampled_from(values), unique=True).map(tuple)
    return mostly(st.just(values), few, 5)


most_bytes = mostly(st.none(), sizes, 1)
most_seconds = mostly(st.none(), lengths, 1)


def common(kind: type[Limits], types: tuple[str, ...]) -> dict[str, st.SearchStrategy]:
    return {
        "mime_types": some_of(types),
        "max_bytes": most_bytes,
        "max_request_bytes": most_bytes,
        "uri_schemes": some_of(("https", "gs", "youtube")),
        "default_model": st.none() | st.just("own"),
        "options": some_of(OPTIONS[kind]),
        "streaming": truth,
    }


IMAGES = st.builds(
    ImageLimits,
    **common(ImageLimits, IMAGE_TYPES),
    answers=truth,
    max_items=st.none() | st.integers(1, 100),
    max_pixels=st.none() | st.integers(1, 50_000_000),
    max_side=st.none() | st.integers(1, 10_000),
    tokens=st.none() | st.just(258),
)
VIDEOS = st.builds(
    VideoLimits,
    **common(VideoLimits, VIDEO_TYPES),
    answers=truth,
    hears=truth,
    max_seconds=most_seconds,
    max_upload_bytes=most_bytes,
    tokens_per_second=st.none() | st.just(300.0),
)
SOUNDS = st.builds(
    AudioLimits,
    **common(AudioLimits, (*SOUND_TYPES, "video/mp4")),
    transcribes=truth,
    answers=truth,
    timestamps=truth,
    max_seconds=most_seconds,
    max_upload_bytes=most_bytes,
    answer_model=st.none() | st.just("mind"),
    answer_options=st.none() | some_of(OPTIONS[AudioLimits]),
    tokens_per_second=st.none() | st.just(32.0),
)
TEXTS = st.builds(TextLimits, options=some_of(OPTIONS[TextLimits]), streaming=truth)


def perhaps(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return mostly(strategy, st.none(), 5)


TAKES = {
    "image": perhaps(IMAGES),
    "video": perhaps(VIDEOS),
    "audio": perhaps(SOUNDS),
    "text": perhaps(TEXTS),
}
RULES = st.builds(ModelRule, pattern=st.sampled_from(["m*", "acme-*", "own"]), **TAKES)


def providers(name: str) -> st.SearchStrategy[Provider]:
    return st.builds(
        Provider,
        name=st.just(name),
        description=st.just("d"),
        kind=st.sampled_from(["service", "service", "server", "device"]),
        default_model=st.none() | st.just("acme-eye"),
        models=mostly(st.just(()), st.lists(RULES, max_size=2).map(tuple), 2),
        **TAKES,
    )


@st.composite
def images(draw) -> Media:
    if draw(st.integers(0, 7)) == 0:
        return Media(modality="image", mime_type="", uri=draw(st.sampled_from(URIS)))
    closed = draw(st.integers(0, 7)) == 0
    facts = ImageFacts(
        width=None if closed else draw(sides),
        height=None if closed else draw(sides),
        frames=draw(st.sampled_from([1, 1, 2, 500])),
        upright=draw(truth),
        plain=draw(truth),
        located=draw(truth),
    )
    return Media(
        modality="image",
        mime_type=draw(st.sampled_from(IMAGE_TYPES)),
        size=draw(sizes),
        width=facts.width,
        height=facts.height,
        facts=facts,
    )


@st.composite
def recordings(draw, modality: str) -> Media:
    if draw(st.integers(0, 7)) == 0:
        return Media(modality=modality, mime_type="", uri=draw(st.sampled_from(URIS)))
    pictures = modality == "video" or draw(st.integers(0, 3)) == 0
    tracks = draw(st.lists(st.sampled_from([None, "eng", "deu"]), max_size=2))
    facts = RecordingFacts(
        seconds=draw(st.none() | lengths),
        width=draw(sides) if pictures else None,
        height=draw(sides) if pictures else None,
        has_pictures=pictures,
        has_sound=modality == "audio" or draw(truth),
        fps=draw(st.none() | st.floats(0.1, 240)) if pictures else None,
        video_codec=draw(st.sampled_from(["h264", "wmv3", None])) if pictures else None,
        audio_codec=draw(st.sampled_from(["aac", "wmav2", None])),
        sound_tracks=draw(st.integers(0, 3)),
        subtitles=tuple(SubtitleTrack(index=n, language=name) for n, name in enumerate(tracks)),
        located=draw(truth),
        damage=draw(st.sampled_from(["", "", "it breaks off"])),
    )
    types = VIDEO_TYPES if pictures else SOUND_TYPES
    known = draw(st.integers(0, 9)) > 0
    return Media(
        modality=modality,
        mime_type=draw(st.sampled_from(types)),
        size=draw(sizes),
        width=facts.width,
        height=facts.height,
        seconds=facts.seconds,
        has_sound=facts.has_sound if known else None,
        facts=facts if known else None,
    )


rarely = st.sampled_from([False] * 15 + [True])


@st.composite
def questions(draw) -> Question:
    chosen = {
        name: draw(strategy)
        for name, strategy in {
            "model": st.sampled_from(["m1", "acme-2", "x"]),
            "max_output_tokens": st.integers(1, 9999),
            "temperature": st.floats(0, 2),
            "json_schema": st.just("{}"),
            "start": lengths,
            "end": lengths,
            "fps": st.floats(0, 1e300, exclude_min=True),
            "resolution": st.just("low"),
            "language": st.sampled_from(["en", "de"]),
            "frames": st.integers(1, 1000),
            "every": st.floats(0, 1e300, exclude_min=True),
            "audio_model": st.just("m-ear"),
            "min_confidence": st.floats(0, 1),
            "timed": st.sampled_from([True]),
            "subtitles": st.just("prefer"),
            "access": st.just(Access(base_url="https://models.acme.example")),
        }.items()
        if draw(rarely)
    }
    return Question(prompt=draw(st.sampled_from([None, "what?", ""])), **chosen)


@st.composite
def cases(draw) -> tuple[tuple[Media, ...], Question, Provider, Provider | None]:
    modality = draw(st.sampled_from(["image", "video", "video", "audio"]))
    if modality == "image":
        media = tuple(draw(st.lists(images(), min_size=1, max_size=30)))
    else:
        media = (draw(recordings(modality)),)
    asked, listener = draw(questions()), None
    if modality != "image" and draw(truth):
        listener = draw(providers("ear"))
        asked = replace(asked, audio_provider="ear")
    return media, asked, draw(providers("acme")), listener


class Prices:
    """A dollar for everything that is known."""

    def price(self, provider, model, *, input_tokens, output_tokens, seconds):  # noqa: ARG002
        if input_tokens is None and seconds is None:
            return None
        return 1.0


def planned(case) -> Plan | None:
    media, asked, takes, listener = case
    try:
        made = make_plan(media, asked, takes, listener, Prices())
    except REFUSALS as error:
        event(type(error).__name__)
        return None
    event(f"{media[0].modality} {made.strategy}")
    return made


# --- whom it asks --------------------------------------------------------------------------------


@ANY_LIMITS
@given(case=cases())
def test_a_plan_is_made_or_refused_and_always_the_same(case):
    media, asked, takes, listener = case
    made = planned(case)
    assert planned(case) == made
    assert can_take(takes, media, asked, listener) is (made is not None)
    hash(made)
    assert all(passes_on(item, asked, takes, listener) in (True, False) for item in media)


@ANY_LIMITS
@given(case=cases())
def test_everybody_is_asked_what_he_can_answer(case):
    media, asked, takes, listener = case
    if (made := planned(case)) is None:
        return
    for call in made.calls:
        limits = call.limits
        assert limits in [
            getattr(record, call.modality) for record in (call.provider, *call.provider.models)
        ]
        if isinstance(limits, AudioLimits):
            assert limits.transcribes if call.prompt is None else limits.answers
        possible = limits.options
        if isinstance(limits, AudioLimits) and call.prompt is not None:
            possible = limits.options if limits.answer_options is None else limits.answer_options
        assert set(call.options) <= set(possible)
        assert make_request(call, asked, call.prompt, media)
    hear = made.listening.call if made.listening else None
    assert all(call.provider is takes for call in made.calls if call is not hear)
    if hear is not None:
        assert hear.provider is (listener or takes)
        assert hear.modality == "audio"
        assert isinstance(made.listening.sends, WholeFile | SoundWork)
    if listener is not None and media[0].modality == "audio":
        assert made.listening is not None


@ANY_LIMITS
@given(case=cases())
def test_whoever_is_named_for_the_sound_never_gets_pictures(case):
    media, asked, _, listener = case
    made = planned(case)
    if made is None or made.listening is None or listener is None:
        return
    if isinstance(made.listening.sends, WholeFile):
        assert media[0].modality == "audio"
        assert media[0].facts is None or not media[0].facts.has_pictures
    if made.listening.call is not None:
        request = make_request(made.listening.call, asked, None, media, own=False)
        assert request.access == Access()
        assert request.model != asked.model or asked.model in (None, asked.audio_model)


@ANY_LIMITS
@given(case=cases())
def test_every_option_that_is_given_is_honoured(case):
    media, asked, _, _ = case
    if (made := planned(case)) is None:
        return
    calls = [call for call in made.calls if call is not made.joining]
    carried = {option for call in calls for option in call.options}
    works = (made.sends, made.listening.sends if made.listening else None)
    subtitled = made.listening is not None and made.listening.track is not None
    for name in ("max_output_tokens", "resolution", "temperature"):
        assert getattr(asked, name) is None or name in carried
    # A schema is enforced, or asked for in words: either way somebody answers.
    assert asked.json_schema is None or made.asking.prompt is not None
    assert asked.language is None or "language" in carried or subtitled
    frames = isinstance(made.sends, FrameWork)
    assert asked.fps is None or "fps" in carried or (frames and made.sends.every)
    if asked.start is not None or asked.end is not None:
        assert (made.start, made.end) == (asked.start, asked.end)
        cut = any(isinstance(work, FrameWork | ClipWork | SoundWork) for work in works)
        assert "start_end" in carried or cut or subtitled
    if asked.frames is not None or asked.every is not None:
        assert frames
        assert made.sends.most <= (asked.frames or 240)
    if asked.timed and media[0].modality != "image":
        call = made.listening.call
        assert call is None or (call.limits.timestamps and call.prompt is None)


# --- what it sends -------------------------------------------------------------------------------


def above(value: float | None, most: float | None) -> bool:
    return value is not None and most is not None and value > most


def largest(limits: Limits) -> int | None:
    """Bytes of one recording at most, as the records document them."""
    upload = getattr(limits, "max_upload_bytes", None)
    if upload is not None:
        return upload
    known = [n for n in (limits.max_bytes, limits.max_request_bytes) if n is not None]
    return min(known, default=None)


def broken(work: Sending | None, media: tuple[Media, ...], call: Call) -> list[str]:
    """Every limit that what is sent may break."""
    limits = call.limits
    match work:
        case None:
            return []
        case ImageWork():
            return broken_by_images(work, media, limits)
        case FrameWork():
            return broken_by_frames(work, limits)
        case WholeFile():
            return broken_by_file(media[0], limits)
        case ClipWork():
            wrong = [] if "video/mp4" in limits.mime_types else ["type"]
            wrong += ["bytes"] * (work.max_bytes != largest(limits))
            wrong += ["seconds"] * (work.max_seconds != limits.max_seconds)
            return wrong + ["calls"] * (not 1 <= work.clips <= MAX_CALLS)
        case SoundWork():
            wrong = [] if work.mime_type in limits.mime_types else ["type"]
            wrong += ["bytes"] * (work.max_bytes != largest(limits))
            wrong += ["seconds"] * (work.max_seconds != limits.max_seconds)
            wrong += ["less than a second"] * above(1, work.max_seconds)
            if work.max_bytes is not None:
                wrong += ["too few bytes"] * (fitting_samples(work.format, work.max_bytes) < RATE)
            return wrong + ["calls"] * (not 1 <= work.pieces <= MAX_PIECES)


def broken_by_file(item: Media, limits: Limits) -> list[str]:
    if item.uri is not None:
        scheme = "youtube" if "youtu.be" in item.uri else item.uri.partition(":")[0]
        return [] if scheme in limits.uri_schemes else ["scheme"]
    wrong = [] if item.mime_type in limits.mime_types else ["type"]
    wrong += ["bytes"] * above(item.size, largest(limits))
    return wrong + ["seconds"] * above(item.seconds, limits.max_seconds)


def broken_by_images(work: ImageWork, media: tuple[Media, ...], limits: ImageLimits) -> list[str]:
    wrong = ["items"] * above(work.per_call, limits.max_items)
    sent = []
    for item, fit in zip(media, work.fits, strict=True):
        if item.uri is not None:
            wrong += broken_by_file(item, limits)
            sent.append(0)
            continue
        each = fit.max_bytes if fit.work == "redraw" else item.size
        sent += [each] * fit.pieces
        wrong += ["type"] * (fit.mime_type not in limits.mime_types)
        wrong += ["unbounded"] * (each is None and limits.max_bytes is not None)
        wrong += ["bytes"] * above(each, limits.max_bytes)
        if fit.width is not None:
            wrong += ["side"] * above(max(fit.width, fit.height), limits.max_side)
            wrong += ["pixels"] * above(fit.width * fit.height, limits.max_pixels)
    for start in range(0, len(sent), work.per_call):
        group = sent[start : start + work.per_call]
        if limits.max_request_bytes is not None:
            wrong += ["bytes together"] * (None in group or sum(group) > limits.max_request_bytes)
    calls = -(-len(sent) // work.per_call)
    return wrong + ["calls"] * (calls > MAX_CALLS)


def broken_by_frames(work: FrameWork, limits: ImageLimits) -> list[str]:
    wrong = ["type"] * (work.mime_type not in limits.mime_types)
    wrong += ["items"] * above(work.per_call, limits.max_items)
    wrong += ["unbounded"] * (work.max_bytes is None and limits.max_bytes is not None)
    wrong += ["bytes"] * above(work.max_bytes, limits.max_bytes)
    wrong += ["side"] * above(max(work.width, work.height, work.sheet_side), limits.max_side)
    area = max(work.width * work.height, work.sheet_side**2)
    wrong += ["pixels"] * above(area, limits.max_pixels)
    if limits.max_request_bytes is not None:
        together = work.max_bytes is None or work.per_call * work.max_bytes
        wrong += ["bytes together"] * (together is True or together > limits.max_request_bytes)
    counts = {0, 1, 2, work.per_call, work.per_call * work.calls, work.most // 2, work.most}
    for count in counts | {work.per_call * work.calls + 1, *range(0, work.most, 37)}:
        if count > work.most:
            continue
        made = arrange(count, work)
        wrong += ["per call"] * (made.per_call > work.per_call)
        wrong += ["calls"] * (made.calls > work.calls)
        wrong += ["frames lost"] * (made.frames < count)
    most = SINGLE_CALLS if work.per_call == 1 else MAX_CALLS
    return wrong + ["calls"] * (not 1 <= work.calls <= most)


@ANY_LIMITS
@given(case=cases())
def test_no_plan_breaks_a_limit(case):
    media, _, _, _ = case
    if (made := planned(case)) is None:
        return
    if made.asking is not None:
        assert broken(made.sends, media, made.asking) == []
    if made.listening is not None and made.listening.call is not None:
        assert broken(made.listening.sends, media, made.listening.call) == []


@ANY_LIMITS
@given(case=cases())
def test_several_calls_are_joined(case):
    if (made := planned(case)) is None:
        return
    asked = next((step for step in made.steps if step.action == "ask"), None)
    if asked is None or asked.calls == 1:
        return
    if made.joining is None:
        # One after the other, where nobody answers.
        assert isinstance(made.sends, ImageWork)
        assert made.asking.limits.answers is False
    else:
        assert made.joining.modality == "text"


# --- what it tells -------------------------------------------------------------------------------


PARTLY = re.compile(r"^\d+ of (the )?\d+ (frames|sound tracks) ")


@ANY_LIMITS
@given(case=cases())
def test_frames_and_tracks_that_are_not_sent_are_told(case):
    media, _, _, _ = case
    made = planned(case)
    if made is None:
        return
    words = [item.words for item in made.left_out if PARTLY.search(item.words)]
    if media[0].modality == "image":
        sent = zip(media, made.sends.fits, strict=True)
        dropped = [
            item
            for item, fit in sent
            if item.uri is None and fit.work == "redraw" and fit.frames < item.facts.frames
        ]
        assert len(words) == len(dropped)
        return
    frames = [word for word in words if "frames" in word]
    if isinstance(made.sends, FrameWork):
        work = made.sends
        assert work.most <= work.possible
        few = work.wanted is not None and work.wanted > work.most
        assert len(frames) == few
        if few and work.most > 1:
            assert work.apart > work.every
    else:
        assert frames == []
    tracks = media[0].facts.sound_tracks if media[0].facts else 0
    heard = made.listening.sends if made.listening else None
    taken = isinstance(heard, SoundWork) or (
        isinstance(made.sends, SoundWork | ClipWork)
        and any(step.action == "ask" and "sound" in step.channels for step in made.steps)
    )
    if tracks < 2:
        assert [word for word in words if "tracks" in word] == []
    elif taken and made.sends != WholeFile() and media[0].has_sound is not False:
        assert any("sound tracks" in word for word in words)


@ANY_LIMITS
@given(case=cases())
def test_nothing_of_a_recording_is_lost_in_silence(case):
    media, asked, _, _ = case
    made = planned(case)
    if made is None or media[0].modality == "image":
        return
    told = [step for step in made.steps if step.calls or step.action == "subtitles"]
    start = asked.start or 0.0
    for channel in ("picture", "sound"):
        covering = [step for step in told if channel in step.channels]
        for step in covering:
            assert step.start == start
            if media[0].seconds is not None:
                last = media[0].seconds if asked.end is None else min(asked.end, media[0].seconds)
                assert abs(step.end - last) < 1e-6 * (1 + last)
            else:
                assert step.end == asked.end
        left = [item for item in made.left_out if channel in item.channels]
        assert len({item.words for item in left}) == len(left)
        for item in left:
            assert (item.start, item.end) == (asked.start, asked.end)
            assert item.words
        # Some of a channel may be left out, where the rest is in a step.
        left = [item for item in left if not PARTLY.search(item.words)]
        silent = channel == "sound" and media[0].has_sound is False
        none = channel == "picture" and media[0].modality == "audio"
        if not silent and not none:
            assert covering or left
        assert not (covering and left)
        if channel == "picture":
            assert not left


@ANY_LIMITS
@given(case=cases())
def test_steps_tell_what_is_done(case):
    media, asked, takes, listener = case
    if (made := planned(case)) is None:
        return
    assert made.steps
    asks = {step.action: step for step in made.steps if step.calls}
    actions = [step.action for step in made.steps]
    assert ("ask" in asks) == (made.asking is not None)
    if made.asking is not None:
        step = asks["ask"]
        assert (step.provider, step.model) == (takes.name, made.asking.model)
        check_numbers(step, made.sends, media)
    if made.listening is not None and made.listening.call is not None:
        step = asks["transcribe"]
        assert step.provider == (listener or takes).name
        assert step.model == made.listening.call.model
        check_numbers(step, made.listening.sends, media)
    assert ("join" in asks) == (made.joining is not None and asks["ask"].calls > 1)
    order = ["subtitles", "extract", "transcribe", "prepare", "choose frames", "copy", "encode"]
    order += ["ask", "join"]
    if media[0].modality == "video":
        assert actions == sorted(actions, key=order.index)
    for step in made.steps:
        assert step.words
        assert (step.provider is None) == (step.calls == 0)
        assert all(n is None or n >= 0 for n in (step.images, step.bytes, step.tokens, step.cost))
    assert all(step.start is None for step in made.steps if media[0].modality == "image")
    calls = [step for step in made.steps if step.calls]
    unknown = [step for step in calls if step.tokens is None]
    assert made.tokens == (None if unknown else sum(step.tokens for step in calls))
    unpriced = [step for step in calls if step.cost is None]
    assert made.cost == (None if unpriced else sum(step.cost for step in calls))
    if asked.access.base_url is not None and takes.kind != "device":
        assert all(step.cost is None for step in calls if step.action in ("ask", "join"))


def check_numbers(step, work: Sending | None, media: tuple[Media, ...]) -> None:
    match work:
        case None:
            assert (step.calls, step.images, step.bytes) == (1, None, 0)
        case WholeFile():
            assert (step.calls, step.images, step.bytes) == (1, None, media[0].size)
        case ImageWork():
            pieces = sum(fit.pieces for fit in work.fits)
            assert (step.calls, step.images) == (-(-pieces // work.per_call), pieces)
            if step.bytes is not None:
                kept = [f.work != "redraw" for f in work.fits]
                least = sum(m.size or 0 for m, k in zip(media, kept, strict=True) if k)
                assert step.bytes >= least
        case FrameWork():
            for count in (1, work.per_call * work.calls, work.most):
                made = arrange(min(count, work.most), work)
                sheets = -(-made.frames // made.columns**2)
                assert made.calls <= step.calls <= work.calls
                assert sheets <= step.images <= work.per_call * work.calls
        case ClipWork():
            assert (step.calls, step.images) == (work.clips, None)
            if step.bytes is not None and work.max_bytes is not None:
                assert step.bytes <= work.max_bytes * work.clips
        case SoundWork():
            assert (step.calls, step.bytes) == (work.pieces, work.expected_bytes)


def test_the_options_here_are_all_there_are():
    """A new limit or option is one that these properties must hear of."""
    named = {name for kind in OPTIONS.values() for name in kind}
    assert named == {
        "fps",
        "json_schema",
        "language",
        "max_output_tokens",
        "resolution",
        "start_end",
        "temperature",
    }
    assert {item.name for item in fields(Question)} == {
        "access",
        "allow_private",
        "audio_model",
        "audio_provider",
        "cache",
        "context",
        "end",
        "every",
        "fallback",
        "fps",
        "frames",
        "jobs",
        "json_schema",
        "language",
        "max_cost",
        "max_download",
        "max_output_tokens",
        "min_confidence",
        "model",
        "prompt",
        "provider",
        "resolution",
        "retries",
        "start",
        "subtitles",
        "task",
        "temperature",
        "timed",
        "timeout",
    }
