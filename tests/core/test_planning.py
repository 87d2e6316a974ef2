"""Plans: how anything reaches anybody, in single facts; the properties are in another file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
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
from mediasense.media.recordings.clips import encoded_bytes
from mediasense.planning import Plan, can_take, make_plan, passes_on, require_numbers
from mediasense.planning.plans import ClipWork, FrameWork, ImageWork, SoundWork, WholeFile
from mediasense.planning.sounds import HEAR
from mediasense.types import ImageFacts, Question, RecordingFacts, SubtitleTrack

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
    shown = {"width": 64, "height": 48, **facts.pop("shown", {})}
    facts = {"mime_type": "image/png", "size": 1000, "facts": ImageFacts(**shown), **facts}
    return Media(modality="image", width=shown["width"], height=shown["height"], **facts)


def recording(modality: str, mime_type: str, size: int, seconds: float | None, **found) -> Media:
    facts = {
        "width": 1280 if modality == "video" else None,
        "height": 720 if modality == "video" else None,
        "has_pictures": modality == "video",
        "has_sound": True,
        "video_codec": "h264" if modality == "video" else None,
        "audio_codec": "aac",
        **found,
    }
    known = RecordingFacts(seconds=seconds, **facts)
    return Media(
        modality=modality,
        mime_type=mime_type,
        size=size,
        seconds=seconds,
        width=known.width,
        height=known.height,
        has_sound=known.has_sound,
        facts=known,
    )


def clip(
    mime_type: str = "video/mp4", size: int = 1_000_000, seconds: float | None = 60.0, **found
) -> Media:
    return recording("video", mime_type, size, seconds, **found)


def speech(
    mime_type: str = "audio/wav", size: int = 1_000_000, seconds: float | None = 60.0, **found
) -> Media:
    return recording("audio", mime_type, size, seconds, **found)


def link(modality: str, uri: str) -> Media:
    return Media(modality=modality, mime_type="", uri=uri)


def provider(**takes) -> Provider:
    return Provider(**{"name": "acme", "description": "d", "default_model": "acme-eye", **takes})


PNG = ImageLimits(mime_types=("image/png", "image/jpeg"))
MP4 = VideoLimits(mime_types=("video/mp4",))
HEARS = AudioLimits(mime_types=("audio/wav",), transcribes=True)
ANSWERS = AudioLimits(mime_types=("audio/wav",), answers=True)
TEXT = TextLimits()
SPEECH = AudioLimits(
    mime_types=("audio/mpeg", "audio/wav", "audio/flac", "audio/mp4", "audio/ogg"),
    transcribes=True,
)
EAR = provider(name="ear", default_model="ear-1", audio=SPEECH)


def plan(takes: Provider, *media: Media, listener: Provider | None = None, **asked) -> Plan:
    if listener is not None:
        asked = {"audio_provider": listener.name, **asked}
    return make_plan(media, Question(**asked), takes, listener)


def work_of(takes: Provider, *media: Media, **asked):
    return plan(takes, *media, **asked).sends


def heard(takes: Provider, media: Media, **asked):
    listening = plan(takes, media, **asked).listening
    assert listening is not None
    return listening.sends


# --- images --------------------------------------------------------------------------------------


def test_images_go_as_they_are_in_one_call():
    made = plan(provider(image=PNG), picture(), picture(), prompt="what changed?")
    assert made.strategy == "images"
    (call,) = made.calls
    assert (call.modality, call.model, call.prompt) == ("image", "acme-eye", "what changed?")
    assert [fit.work for fit in made.sends.fits] == ["none", "none"]
    assert [step.action for step in made.steps] == ["ask"]


def test_an_image_of_another_type_is_converted():
    made = plan(provider(image=PNG), picture(mime_type="image/gif"))
    assert made.sends.fits[0].mime_type == "image/png"
    assert [step.action for step in made.steps] == ["prepare", "ask"]


def test_an_image_that_is_too_large_is_made_smaller():
    takes = provider(image=replace(PNG, max_side=63, max_bytes=999))
    (fit,) = work_of(takes, picture()).fits
    assert (fit.work, fit.max_bytes) == ("redraw", 999)
    assert max(fit.width, fit.height) <= 63


def test_too_many_images_go_in_several_calls_that_are_joined():
    takes = provider(image=replace(PNG, max_items=2), text=TEXT)
    made = plan(takes, *[picture()] * 5)
    assert (made.sends.per_call, made.joining.modality) == (2, "text")
    ask, join = made.steps
    assert (ask.calls, ask.images) == (3, 5)
    assert (join.action, join.calls) == ("join", 1)
    assert made.warnings == ("acme takes 2 images in one request: the 5 are looked at in 3 calls",)


def test_what_only_reads_is_put_one_after_the_other():
    takes = provider(image=replace(PNG, max_items=2, answers=False))
    made = plan(takes, *[picture()] * 3)
    assert (made.joining, made.sends.per_call) == (None, 2)


def test_too_many_images_are_told_where_answers_cannot_be_joined():
    takes = provider(image=replace(PNG, max_items=2))
    with pytest.raises(MediaTooLarge, match="at most 2 images in 1 call, not 3; give fewer"):
        plan(takes, picture(), picture(), picture())


def test_more_calls_than_anybody_wants_are_told():
    takes = provider(image=replace(PNG, max_items=1), text=TEXT)
    assert plan(takes, *[picture()] * 12)
    with pytest.raises(MediaTooLarge, match="at most 12 images in 12 calls, not 13; give fewer"):
        plan(takes, *[picture()] * 13)
    pairs = replace(takes, image=replace(PNG, max_items=2))
    with pytest.raises(MediaTooLarge, match="at most 24 images in 12 calls, not 25"):
        plan(pairs, *[picture()] * 25)


def test_images_that_are_too_much_together_are_each_given_their_share():
    takes = provider(image=replace(PNG, max_request_bytes=250_000))
    made = work_of(takes, picture(size=150_000), picture(size=150_000))
    assert made.per_call == 2
    assert [fit.max_bytes for fit in made.fits] == [125_000, 125_000]


def test_many_small_images_go_in_one_call():
    """What counts is what they are, not what images usually are."""
    takes = provider(image=replace(PNG, max_request_bytes=250_000))
    made = work_of(takes, *[picture(size=5000)] * 30)
    assert made.per_call == 30
    assert {fit.work for fit in made.fits} == {"none"}


def test_a_long_screenshot_goes_as_tiles_where_several_images_are_taken():
    shot = picture(shown={"width": 1000, "height": 12_000})
    takes = provider(image=replace(PNG, max_side=2000))
    assert work_of(takes, shot).fits[0].tiles > 1
    one = replace(takes, image=replace(PNG, max_side=2000, max_items=1))
    assert work_of(one, shot).fits[0].tiles == 1


LONG = picture(shown={"width": 1000, "height": 12_000})


def test_a_long_screenshot_goes_in_several_calls_where_each_takes_one():
    takes = provider(image=replace(PNG, max_side=2000, max_items=1), text=TEXT)
    made = plan(takes, LONG)
    (fit,) = made.sends.fits
    assert (made.sends.per_call, fit.tiles > 1, made.joining.modality) == (1, True, "text")
    (warning,) = made.warnings
    assert warning == (
        f"acme takes 1 image in one request: the {fit.tiles} are looked at in {fit.tiles} calls"
    )
    # Several of them share the calls that there may be.
    assert [fit.tiles for fit in work_of(takes, *[LONG] * 6).fits] == [2] * 6


def test_a_long_screenshot_that_is_made_smaller_is_told():
    takes = provider(image=replace(PNG, max_side=2000, max_items=1))
    assert plan(takes, LONG).warnings == (
        "the image is long, not cut and made smaller: small text may be illegible",
    )
    several = replace(takes, image=replace(PNG, max_side=2000, max_items=4))
    assert plan(several, picture(), LONG).warnings == (
        "image 2 is long, cut into 2 alone and made smaller: small text may be illegible",
    )
    reads = replace(takes, image=replace(PNG, max_side=2000, answers=False))
    assert "is long, not cut" in plan(reads, LONG).warnings[0]


@pytest.mark.parametrize("shown", [{}, {"width": 1000, "height": 1900}, {"width": 4000}])
def test_of_an_image_that_would_not_be_cut_nothing_is_told(shown):
    assert plan(provider(image=replace(PNG, max_side=2000)), picture(shown=shown)).warnings == ()


def test_frames_of_an_animation_that_are_dropped_are_told():
    animation = picture(mime_type="image/gif", shown={"frames": 30})
    (left,) = plan(provider(image=PNG), animation).left_out
    assert (left.words, left.channels) == (
        "22 of 30 frames of the image are left out",
        ("picture",),
    )
    one = provider(image=replace(PNG, max_items=1))
    assert plan(one, animation).left_out[0].words.startswith("29 of 30 frames")
    two = plan(provider(image=PNG), picture(), animation)
    assert two.left_out[0].words == "22 of 30 frames of image 2 are left out"
    short = picture(mime_type="image/gif", shown={"frames": 8})
    assert plan(provider(image=PNG), short).left_out == ()


def test_an_image_that_names_a_place_goes_without_it():
    located = picture(shown={"located": True})
    assert work_of(provider(image=PNG), located).fits[0].work == "strip"


# --- video as video ------------------------------------------------------------------------------


def test_a_video_goes_as_it_is():
    made = plan(provider(video=MP4), clip(has_sound=False), prompt="what?")
    assert (made.strategy, made.sends) == ("native", WholeFile())
    assert (made.asking.modality, made.asking.prompt) == ("video", "what?")
    (step,) = made.steps
    assert (step.calls, step.bytes, step.start, step.end) == (1, 1_000_000, 0.0, 60.0)


def test_a_video_in_another_container_is_copied():
    made = plan(provider(video=MP4), clip("video/x-matroska"))
    assert made.sends == ClipWork(
        encode=False, max_bytes=None, max_seconds=None, clips=1, max_side=1280, fps=10.0
    )
    assert made.strategy == "native"


def test_a_video_that_cannot_be_copied_is_encoded():
    made = plan(provider(video=MP4), clip("video/x-msvideo", video_codec="wmv3"))
    assert made.sends.encode
    assert made.warnings == (
        "the video is made smaller first, to 1280 pixels and 10 pictures a second",
    )


def test_a_video_that_is_too_large_is_encoded_smaller():
    takes = provider(video=replace(MP4, max_bytes=20_000_000))
    made = plan(takes, clip(size=200_000_000))
    assert (made.sends.encode, made.sends.max_bytes, made.sends.clips) == (True, 20_000_000, 1)
    assert [step.action for step in made.steps] == ["encode", "ask"]


@given(
    seconds=st.floats(0.1, 3600),
    width=st.integers(16, 3840),
    height=st.integers(16, 3840),
    fps=st.floats(0.2, 60),
    sound=st.booleans(),
    share=st.floats(0.8, 1.2),
)
def test_a_video_that_is_to_be_encoded_has_bytes_enough_for_the_encoder(
    seconds, width, height, fps, sound, share
):
    video = clip(
        "video/x-msvideo",
        seconds=seconds,
        width=width,
        height=height,
        fps=fps,
        has_sound=sound,
        video_codec="wmv3",
    )
    scale = min(1.0, 1280 / max(width, height))
    legible = encoded_bytes(seconds, int(width * scale), int(height * scale), min(fps, 10), sound)
    takes = provider(video=replace(MP4, max_bytes=int(legible * share)), image=PNG)
    work = work_of(takes, video)
    if isinstance(work, ClipWork):
        # The encoder's least: 4 kbit a second, and a second in which it may run ahead.
        pictures = work.max_bytes - encoded_bytes(seconds, 0, 0, min(fps, 10), sound)
        assert pictures >= 500 * (seconds + min(20, max(1, seconds / 8)))


def test_a_long_video_is_cut_where_answers_are_joined():
    takes = provider(video=replace(MP4, max_seconds=600), text=TEXT)
    made = plan(takes, clip(seconds=3000.0))
    assert (made.strategy, made.sends.encode) == ("segments", False)
    assert (made.sends.clips, made.sends.max_seconds) == (10, 600)
    assert [(step.action, step.calls) for step in made.steps] == [
        ("copy", 0),
        ("ask", 10),
        ("join", 1),
    ]


def test_a_long_video_becomes_frames_where_answers_are_not_joined():
    takes = provider(video=replace(MP4, max_seconds=600), image=PNG)
    assert plan(takes, clip(seconds=3000.0)).strategy == "frames"


def test_a_part_is_cut_out_here_where_the_service_does_not():
    asked = {"start": 5.0, "end": 15.0}
    made = plan(provider(video=MP4), clip(), **asked)
    assert isinstance(made.sends, ClipWork)
    assert made.asking.options == ()
    there = plan(provider(video=replace(MP4, options=("start_end",))), clip(), **asked)
    assert (there.sends, there.asking.options) == (WholeFile(), ("start_end",))
    assert (made.start, made.end) == (there.start, there.end) == (5.0, 15.0)


def test_the_place_where_a_video_was_made_is_not_sent():
    assert isinstance(work_of(provider(video=MP4), clip(located=True)), ClipWork)
    device = provider(video=MP4, kind="device")
    assert work_of(device, clip(located=True)) == WholeFile()


def test_where_the_place_cannot_be_taken_out_it_is_told():
    webm = provider(video=VideoLimits(mime_types=("video/webm",)))
    made = plan(webm, clip("video/webm", located=True))
    assert made.sends == WholeFile()
    assert made.warnings == ("the video is sent with the name of the place where it was made",)


def test_a_clip_that_turns_out_as_two_can_be_joined():
    """Cuts are made at key frames: the part may be longer than what was asked for."""
    takes = provider(video=replace(MP4, max_seconds=20), text=TEXT)
    made = plan(takes, clip(), start=5.0, end=24.0)
    assert (made.sends.clips, made.joining.modality, made.strategy) == (2, "text", "segments")
    assert [(step.action, step.calls) for step in made.steps] == [
        ("copy", 0),
        ("ask", 2),
        ("join", 1),
    ]
    assert made.warnings == ("the video is cut into up to 2 clips",)


def test_a_clip_that_may_turn_out_as_two_is_encoded_where_nothing_joins():
    takes = provider(video=replace(MP4, max_seconds=20))
    made = plan(takes, clip(), start=5.0, end=24.0)
    assert (made.sends.encode, made.sends.clips, made.joining) == (True, 1, None)
    # Where that would be too large, one clip is tried, and refused if there are two.
    small = provider(video=replace(MP4, max_seconds=20, max_bytes=370_000))
    tight = clip(size=800_000, seconds=60.0, width=3840, height=2160)
    made = plan(small, tight, start=5.0, end=24.0)
    assert (made.sends.encode, made.sends.clips, made.joining) == (False, 1, None)


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({}, {"start": 5.0, "end": 24.0}),
        ({"max_seconds": 100}, {"start": 5.0, "end": 24.0}),
        ({"max_bytes": 5_000_000}, {"end": 10.0}),
        ({"max_seconds": 61, "max_bytes": 2_000_000}, {"located": True}),
    ],
)
def test_a_clip_with_room_around_it_is_one(limits, asked):
    video = clip(located=asked.pop("located", False))
    made = plan(provider(video=replace(MP4, **limits), text=TEXT), video, **asked)
    assert (made.sends.encode, made.sends.clips, made.joining) == (False, 1, None)


def test_what_needs_all_the_room_there_is_may_become_two():
    takes = provider(video=replace(MP4, max_bytes=1_200_000), text=TEXT)
    assert work_of(takes, clip("video/x-matroska")).clips == 2


def test_an_upload_may_be_larger_than_what_goes_inline():
    takes = provider(video=replace(MP4, max_bytes=10, max_upload_bytes=5_000_000))
    assert work_of(takes, clip()) == WholeFile()


# --- video as frames -----------------------------------------------------------------------------


def test_a_video_goes_as_frames_where_only_images_are_taken():
    made = plan(provider(image=PNG), clip(), prompt="what?")
    assert made.strategy == "frames"
    assert (made.asking.modality, made.asking.prompt) == ("image", "what?")
    assert (made.sends.most, made.sends.per_call, made.sends.calls) == (42, 42, 1)
    assert [(step.action, step.images) for step in made.steps] == [
        ("choose frames", None),
        ("ask", 42),
    ]


@pytest.mark.parametrize("asked", [{"frames": 5}, {"every": 10.0}])
def test_the_user_may_want_frames(asked):
    takes = provider(video=MP4, image=PNG)
    assert isinstance(work_of(takes, clip()), WholeFile)
    assert isinstance(work_of(takes, clip(), **asked), FrameWork)


def test_frames_that_do_not_fit_into_a_call_go_in_several_that_are_joined():
    takes = provider(image=replace(PNG, max_items=10), text=TEXT)
    made = plan(takes, clip())
    assert (made.strategy, made.sends.calls) == ("segments", 5)
    assert [(s.action, s.calls, s.images) for s in made.steps[1:]] == [
        ("ask", 5, 42),
        ("join", 1, None),
    ]


def test_frames_go_one_by_one_where_a_call_takes_one():
    takes = provider(image=replace(PNG, max_items=1), text=TEXT)
    made = plan(takes, clip(), frames=8)
    assert (made.strategy, made.sends.per_call, made.sends.calls) == ("frame_by_frame", 1, 8)


def test_a_step_tells_the_most_calls_whatever_is_found():
    """Contact sheets make fewer calls of more frames."""
    takes = provider(image=replace(PNG, max_items=10), text=TEXT)
    made = plan(takes, clip(seconds=3600.0), frames=200)
    ask = next(step for step in made.steps if step.action == "ask")
    assert (ask.calls, ask.images) == (12, 120)


def test_a_schema_that_the_joining_call_cannot_honour_is_asked_for_in_words():
    takes = provider(image=replace(PNG, max_items=10, options=("json_schema",)), text=TEXT)
    made = plan(takes, clip(seconds=600.0), json_schema="{}")
    assert (made.strategy, made.joining.options) == ("segments", ())
    join = next(step for step in made.steps if step.action == "join")
    assert join.words.endswith("JSON is asked for, and not enforced by the service")


def test_an_option_that_only_the_joining_call_honours_is_refused():
    """With one call nothing is joined, and nothing would honour it."""
    takes = provider(image=PNG, text=TextLimits(options=("json_schema", "temperature")))
    for media in ((clip(),), (picture(), picture())):
        with pytest.raises(UsageError, match="acme does not honour"):
            plan(takes, *media, temperature=0.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("json_schema",), "the images"),
        ((), "the images; JSON is asked for, and not enforced by the service"),
    ],
)
def test_the_plan_says_whether_a_schema_is_enforced(options, words):
    made = plan(provider(image=replace(PNG, options=options)), picture(), json_schema="{}")
    assert made.steps[-1].words == words
    assert made.asking.options == options


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "array"}',
        '{"type": ["object", "null"]}',
        '{"anyOf": [{"type": "object"}]}',
        '{"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}',
        '{"type": "object", "oneOf": [{}]}',
        "true",
    ],
)
def test_only_an_object_is_enforced(schema):
    """Services refuse other schemas, so they are asked for in words."""
    takes = provider(image=replace(PNG, options=("json_schema",)))
    assert plan(takes, picture(), json_schema=schema).asking.options == ()


@pytest.mark.parametrize("media", [picture(), clip()])
def test_who_only_reads_is_not_asked_for_json(media):
    reads = provider(image=replace(PNG, answers=False), video=replace(MP4, answers=False))
    with pytest.raises(UnsupportedModality, match="acme does not answer questions, so --schema"):
        plan(reads, media, json_schema="{}", prompt="what?")


def test_a_sound_with_a_schema_is_described_and_not_written_down():
    takes = provider(audio=replace(HEARS, answers=True), text=TEXT)
    made = plan(takes, speech(), json_schema="{}")
    assert made.strategy == "native"
    assert made.asking.prompt == "Describe what is heard in this recording, and what is said in it."


def test_who_only_writes_down_sound_is_not_asked_for_json():
    with pytest.raises(UnsupportedModality, match="does not answer questions about sound"):
        plan(provider(audio=HEARS), speech(), json_schema="{}")


def test_the_estimate_counts_the_schema():
    takes = provider(image=replace(PNG, tokens=10))
    schema = json.dumps({"description": "x" * 4000})
    plain, formed = plan(takes, picture()), plan(takes, picture(), json_schema=schema)
    assert formed.tokens - plain.tokens == pytest.approx(len(schema) / 4, abs=1)


def test_frames_of_a_part_are_those_of_the_part():
    made = plan(provider(image=PNG), clip(), start=5.0, end=15.0)
    assert made.sends.most == 32
    assert (made.start, made.end, made.asking.options) == (5.0, 15.0, ())


def test_a_frame_rate_is_honoured_with_frames():
    assert work_of(provider(image=PNG), clip(), fps=2.0).every == 0.5


def test_frames_of_what_only_reads_images_are_refused_by_name():
    takes = provider(image=replace(PNG, answers=False), video=replace(MP4, answers=False))
    assert isinstance(work_of(takes, clip()), WholeFile)
    with pytest.raises(UnsupportedModality, match="acme does not answer questions about frames"):
        plan(takes, clip(), frames=3)


def test_frames_need_a_type_that_can_be_made():
    takes = provider(image=ImageLimits(mime_types=("image/webp",)))
    with pytest.raises(UnsupportedMedia, match="takes neither JPEG nor PNG"):
        plan(takes, clip())


def picture_left_out(made: Plan) -> list[str]:
    return [left.words for left in made.left_out if "picture" in left.channels]


def test_regular_frames_that_are_left_out_are_told_with_the_true_interval():
    made = plan(provider(image=PNG), clip(seconds=600.0), every=1.0)
    # A call takes 60 images, each of 16 frames: it is the usual number that limits here.
    assert picture_left_out(made) == [
        "360 of 600 frames asked for are left out: one each 2.51 s is sent, not one each 1 s; "
        "raise --frames"
    ]
    choosing = next(step for step in made.steps if step.action == "choose frames")
    assert choosing.words == "up to 240 frames, one each 2.51 s, up to 1280 x 720"
    assert made.left_out[0].words not in made.warnings


def test_frames_of_a_rate_that_are_left_out_are_told_for_the_part():
    made = plan(provider(image=PNG), clip(seconds=600.0), fps=5.0, start=100.0, end=200.0)
    (left,) = [left for left in made.left_out if "picture" in left.channels]
    assert left.words.startswith("260 of 500 frames asked for are left out")
    assert (left.start, left.end) == (100.0, 200.0)


def test_regular_frames_that_are_all_sent_are_told_as_asked():
    made = plan(provider(image=PNG), clip(), every=10.0)
    assert picture_left_out(made) == []
    assert made.steps[0].words == "up to 8 frames, one each 10 s, up to 1280 x 720"


def test_a_recording_has_no_more_frames_than_pictures():
    assert picture_left_out(plan(provider(image=PNG), clip(fps=2.0), every=0.01)) == []


@pytest.mark.parametrize(
    ("limits", "asked", "more"),
    [
        # From --frames, or the usual number: more can be had.
        (PNG, {"frames": 5}, True),
        (PNG, {}, True),
        # The provider takes no more, however many are asked for: sheets of 16 are not readable.
        (replace(PNG, max_items=3, max_side=100), {"frames": 50}, False),
        (replace(PNG, max_items=3, max_side=100), {}, False),
        (PNG, {"frames": 1000}, False),
    ],
)
def test_more_frames_are_offered_where_there_can_be_more(limits, asked, more):
    made = plan(provider(image=limits), clip(seconds=3600.0), every=0.1, **asked)
    (words,) = picture_left_out(made)
    assert words.endswith("; raise --frames") is more
    sent = made.sends.most
    assert (sent < made.sends.possible) is more


def test_fewer_frames_than_are_asked_for_are_told():
    takes = provider(image=replace(PNG, max_items=3, max_side=100))
    made = plan(takes, clip(has_sound=False), frames=50)
    assert made.warnings == ("acme takes 3 frames in all, not 50",)
    assert made.left_out == ()
    assert plan(takes, clip(has_sound=False), frames=3).warnings == ()
    assert plan(takes, clip(has_sound=False)).warnings == ()


def test_one_frame_is_no_interval():
    takes = provider(image=replace(PNG, max_items=1, max_side=100))
    made = plan(takes, clip(has_sound=False), every=10.0)
    assert picture_left_out(made) == ["5 of 6 frames asked for are left out"]


def test_an_option_that_frames_do_not_have_is_refused_for_frames():
    takes = provider(video=replace(MP4, options=("resolution",)), image=PNG)
    assert plan(takes, clip(), resolution="low").asking.options == ("resolution",)
    with pytest.raises(UsageError, match="does not honour --resolution for frames of a video"):
        plan(takes, clip(), resolution="low", frames=3)


# --- the sound of a video ------------------------------------------------------------------------


def left_out(made: Plan) -> list[str]:
    return [left.words for left in made.left_out if "sound" in left.channels]


def test_the_sound_is_written_down_beside_the_frames():
    made = plan(provider(image=PNG, audio=SPEECH), clip())
    assert (made.listening.call.modality, made.listening.call.prompt) == ("audio", None)
    assert made.listening.sends.skip_silence
    assert [step.action for step in made.steps] == [
        "extract",
        "transcribe",
        "choose frames",
        "ask",
    ]
    assert left_out(made) == []


def test_somebody_else_may_write_it_down():
    made = plan(provider(image=PNG), clip(), listener=EAR)
    assert made.listening.call.provider is EAR
    assert made.listening.call.model == "ear-1"


def test_the_models_of_two_providers_are_not_mixed():
    takes = provider(image=PNG)
    made = plan(takes, clip(), listener=EAR, model="eye-2", audio_model="ear-2")
    assert (made.asking.model, made.listening.call.model) == ("eye-2", "ear-2")
    made = plan(takes, clip(), listener=EAR, model="eye-2")
    assert made.listening.call.model == "ear-1"
    made = plan(replace(takes, text=TEXT), speech(), listener=EAR, prompt="who?", model="eye-2")
    assert [call.model for call in made.calls] == ["ear-1", "eye-2"]


def test_a_model_that_only_answers_is_asked_to_write_it_down():
    audio = replace(SPEECH, transcribes=False, answers=True, answer_model="acme-mind")
    made = plan(provider(image=PNG, audio=audio), clip())
    assert (made.listening.call.prompt, made.listening.call.model) == (HEAR, "acme-mind")


def test_what_nobody_hears_is_told():
    assert left_out(plan(provider(image=PNG), clip())) == [
        "the sound was not heard: acme does not take sound; add --audio-provider NAME to have it "
        "heard"
    ]
    assert left_out(plan(provider(video=MP4), clip())) == [
        "the sound was not heard: acme does not hear it; add --audio-provider NAME to have it heard"
    ]


def test_the_part_that_nobody_hears_is_told():
    (left,) = plan(provider(image=PNG), clip(), start=5.0, end=9.0).left_out
    assert (left.start, left.end, left.channels) == (5.0, 9.0, ("sound",))


def test_who_is_named_and_does_not_hear_is_told():
    deaf = provider(name="deaf", image=PNG)
    assert left_out(plan(provider(image=PNG), clip(), listener=deaf)) == [
        "the sound was not heard: deaf does not take sound"
    ]


def test_a_sound_that_cannot_be_made_fit_is_told():
    ear = replace(EAR, audio=replace(SPEECH, max_bytes=1000))
    assert "takes too little" in left_out(plan(provider(image=PNG), clip(), listener=ear))[0]


def test_what_only_reads_has_no_use_for_a_transcript():
    takes = provider(video=replace(MP4, answers=False))
    made = plan(takes, clip(), listener=EAR)
    assert made.listening is None
    assert left_out(made) == ["the sound was not heard: acme only reads what is shown"]


def test_a_model_that_hears_the_video_hears_it():
    made = plan(provider(video=replace(MP4, hears=True), audio=SPEECH), clip())
    assert (made.listening, left_out(made)) == (None, [])
    assert made.steps[-1].channels == ("picture", "sound")


def test_who_is_named_hears_also_what_the_model_hears():
    made = plan(provider(video=replace(MP4, hears=True)), clip(), listener=EAR)
    assert made.listening.call.provider is EAR


def test_a_silent_video_needs_nobody():
    made = plan(provider(image=PNG), clip(has_sound=False), listener=EAR)
    assert (made.listening, made.left_out) == (None, ())


def test_a_link_is_not_taken_apart_for_its_sound():
    """Whoever writes down the sound never gets the pictures."""
    ear = replace(EAR, audio=replace(SPEECH, uri_schemes=("gs",)))
    takes = provider(video=VideoLimits(uri_schemes=("gs",)))
    made = plan(takes, link("video", "gs://b/a.mp4"), listener=ear)
    assert made.listening is None
    assert "not taken out of a link" in left_out(made)[0]


def test_of_several_sound_tracks_those_that_nobody_hears_are_told():
    made = plan(provider(image=PNG, audio=SPEECH), clip(sound_tracks=3), start=5.0)
    (left,) = [left for left in made.left_out if "sound" in left.channels]
    assert left.words == "2 of the 3 sound tracks are not heard: one is taken"
    assert (left.start, left.end) == (5.0, None)
    native = provider(video=replace(MP4, hears=True))
    assert left_out(plan(native, clip("video/x-matroska", sound_tracks=2))) == [
        "1 of the 2 sound tracks is not heard: one is taken"
    ]
    encoded = clip("video/x-msvideo", video_codec="wmv3", sound_tracks=2)
    assert "1 of the 2" in left_out(plan(native, encoded))[0]
    cut = plan(provider(audio=SPEECH), speech("audio/aiff", sound_tracks=2))
    assert "1 of the 2" in left_out(cut)[0]
    asked = plan(provider(audio=replace(SPEECH, answers=True)), speech(sound_tracks=2), start=5.0)
    assert "1 of the 2" in left_out(asked)[0]


def test_a_whole_file_has_all_its_sound_tracks():
    native = provider(video=replace(MP4, hears=True), audio=SPEECH)
    assert left_out(plan(native, clip(sound_tracks=2))) == []
    assert left_out(plan(native, clip(sound_tracks=2), listener=EAR)) == []
    assert left_out(plan(provider(audio=HEARS), speech(sound_tracks=2))) == []


def test_of_sound_that_nobody_hears_no_track_is_heard():
    (words,) = left_out(plan(provider(video=MP4), clip("video/x-matroska", sound_tracks=2)))
    assert words.startswith("the sound was not heard")


# --- subtitles -----------------------------------------------------------------------------------

TRACKS = (
    SubtitleTrack(index=0, language="deu"),
    SubtitleTrack(index=1, language="eng"),
)


def test_subtitles_are_read_where_they_are_preferred():
    made = plan(provider(image=PNG, audio=SPEECH), clip(subtitles=TRACKS), subtitles="prefer")
    assert (made.listening.call, made.listening.sends, made.listening.track) == (None, None, 0)
    assert made.steps[0].action == "subtitles"
    assert made.steps[0].channels == ("sound",)
    ignored = plan(provider(image=PNG, audio=SPEECH), clip(subtitles=TRACKS))
    assert ignored.listening.track is None


def test_without_subtitles_the_sound_is_written_down():
    made = plan(provider(image=PNG, audio=SPEECH), clip(), subtitles="prefer")
    assert made.listening.call.modality == "audio"
    assert made.warnings == ("the recording has no subtitles",)


def test_subtitles_of_what_is_heard_are_read_instead_of_a_transcript():
    heard_only = replace(clip(subtitles=TRACKS), modality="audio")
    made = plan(provider(audio=SPEECH), heard_only, subtitles="prefer")
    assert (made.strategy, made.listening.track, made.calls) == ("transcript", 0, ())
    assert ([step.action for step in made.steps], made.cost) == (["subtitles"], 0.0)
    asked = plan(provider(audio=SPEECH, text=TEXT), heard_only, subtitles="prefer", prompt="who?")
    assert [call.modality for call in asked.calls] == ["text"]
    native = plan(provider(audio=ANSWERS), heard_only, subtitles="prefer", prompt="who?")
    assert (native.strategy, native.listening.track) == ("native", 0)
    assert native.steps[-1].words == "the sound, with what is said beside it"
    assert plan(provider(audio=SPEECH), speech(), subtitles="prefer").warnings == (
        "the recording has no subtitles",
    )


def test_subtitles_are_told_beside_a_video_that_is_heard():
    native = provider(video=replace(MP4, hears=True), audio=SPEECH)
    made = plan(native, clip(subtitles=TRACKS), subtitles="prefer")
    assert (made.strategy, made.listening.track, made.listening.call) == ("native", 0, None)
    assert [step.action for step in made.steps] == ["subtitles", "ask"]
    assert made.steps[-1].words == "the video, with what is said beside it"
    without = plan(native, clip(), subtitles="prefer")
    assert (without.listening, without.warnings) == (None, ("the recording has no subtitles",))
    assert plan(native, clip(subtitles=TRACKS)).listening is None


def test_a_silent_video_may_have_subtitles():
    made = plan(provider(image=PNG), clip(has_sound=False, subtitles=TRACKS), subtitles="prefer")
    assert made.listening.track == 0


def test_what_only_reads_has_no_use_for_subtitles():
    takes = provider(video=replace(MP4, answers=False))
    made = plan(takes, clip(subtitles=TRACKS), subtitles="prefer")
    assert (made.listening, len(left_out(made))) == (None, 1)
    assert plan(takes, clip(subtitles=TRACKS), subtitles="prefer", timed=True).listening.track == 0


def test_subtitles_of_images_are_refused():
    with pytest.raises(UsageError, match="--subtitles is for recordings, not for image"):
        plan(provider(image=PNG), picture(), subtitles="prefer")


def test_a_link_is_not_searched_for_subtitles():
    takes = provider(video=VideoLimits(uri_schemes=("gs",), hears=True))
    made = plan(takes, link("video", "gs://b/a.mp4"), subtitles="prefer")
    assert made.warnings == ("a link is not searched for subtitles",)


def test_models_for_what_subtitles_stand_in_for_are_no_mistake():
    """The same command is given for recordings with and without them."""
    seen = clip(subtitles=TRACKS)
    heard_only = replace(seen, modality="audio")
    ear = provider(audio=SPEECH)
    assert plan(ear, heard_only, subtitles="prefer", model="ear-2").calls == ()
    made = plan(provider(image=PNG), seen, listener=EAR, subtitles="prefer", audio_model="ear-2")
    assert made.listening.track == 0


@pytest.mark.parametrize(
    ("language", "track"), [("en", 1), ("eng", 1), ("de", 0), ("en-GB", 1), ("fr", 0), (None, 0)]
)
def test_subtitles_are_those_of_the_language(language, track):
    """Containers name it with three letters, users with two."""
    video = clip(subtitles=TRACKS)
    made = plan(provider(image=PNG), video, subtitles="prefer", language=language)
    assert made.listening.track == track
    told = "no subtitles are in fr: the first track, in deu, is read"
    assert made.warnings == ((told,) if language == "fr" else ())


# --- sound ---------------------------------------------------------------------------------------


def test_a_sound_without_a_prompt_is_written_down():
    made = plan(provider(audio=HEARS), speech())
    assert (made.strategy, made.calls[0].prompt, made.asking) == ("transcript", None, None)
    assert made.listening.sends == WholeFile()


def test_a_sound_with_a_prompt_is_asked_about():
    made = plan(provider(audio=ANSWERS), speech(), prompt="who?")
    assert (made.strategy, made.calls[0].prompt, made.sends) == ("native", "who?", WholeFile())


def test_an_empty_question_is_no_transcript():
    """Only ``None`` asks for a transcript."""
    assert plan(provider(audio=ANSWERS), speech(), prompt="").strategy == "native"


def test_a_prompt_about_sound_goes_through_a_transcript_where_it_must():
    made = plan(provider(audio=HEARS, text=TEXT), speech(), prompt="who?")
    assert made.strategy == "transcript_then_text"
    assert [(call.modality, call.prompt) for call in made.calls] == [
        ("audio", None),
        ("text", "who?"),
    ]


def test_somebody_else_may_write_down_what_is_asked_about():
    made = plan(provider(text=TEXT), speech(), prompt="who?", listener=EAR)
    assert made.strategy == "transcript_then_text"
    assert [call.provider.name for call in made.calls] == ["ear", "acme"]


@pytest.mark.parametrize(
    ("types", "form"),
    [
        (("audio/mpeg", "audio/wav", "audio/flac"), "flac"),
        (("audio/mpeg", "audio/wav"), "mp3"),
        (("audio/ogg",), "opus"),
        (("audio/mp4",), "m4a"),
        (("audio/wav",), "wav"),
    ],
)
def test_a_sound_becomes_what_loses_least(types, form):
    audio = AudioLimits(mime_types=types, transcribes=True)
    made = heard(provider(audio=audio), speech("audio/aiff"))
    assert (made.format, made.mime_type in types, made.pieces) == (form, True, 1)


def test_mp3_is_made_where_flac_would_need_more_pieces():
    takes = provider(audio=replace(SPEECH, max_bytes=25_000_000))
    assert heard(takes, speech("audio/aiff", seconds=600.0)).format == "flac"
    hour = heard(takes, speech("audio/aiff", seconds=2400.0))
    assert (hour.format, hour.pieces) == ("mp3", 1)


def test_a_sound_that_is_too_long_is_cut():
    takes = provider(audio=replace(SPEECH, max_seconds=30))
    made = plan(takes, speech("audio/flac", seconds=300.0))
    assert (made.listening.sends.pieces, made.listening.sends.max_seconds) == (20, 30)
    assert made.warnings == ("the sound is cut at pauses into up to 20 pieces",)
    assert made.steps[-1].calls == 20


def test_a_sound_that_is_too_long_to_be_asked_about_is_asked_about_in_parts():
    audio = replace(SPEECH, transcribes=False, answers=True, max_seconds=600)
    made = plan(provider(audio=audio, text=TEXT), speech(seconds=1800.0), prompt="who?")
    assert (made.strategy, made.sends.pieces, made.joining.modality) == ("segments", 6, "text")


def test_a_sound_of_too_many_parts_is_asked_about_through_its_transcript():
    audio = replace(SPEECH, answers=True, max_seconds=60)
    made = plan(provider(audio=audio, text=TEXT), speech(seconds=3600.0), prompt="who?")
    assert made.strategy == "transcript_then_text"


def test_a_sound_of_too_many_parts_is_told():
    audio = replace(SPEECH, transcribes=False, answers=True, max_seconds=60)
    with pytest.raises(MediaTooLarge, match="asked about 120 pieces of this sound, and 12 are"):
        plan(provider(audio=audio, text=TEXT), speech(seconds=3600.0), prompt="who?")
    with pytest.raises(MediaTooLarge, match="pieces of this sound, and cannot join answers"):
        plan(provider(audio=audio), speech(seconds=3600.0), prompt="who?")


@pytest.mark.parametrize("found", [{"damage": "it breaks off"}, {"located": True}])
def test_a_sound_that_is_not_plain_is_made_anew(found):
    assert isinstance(heard(provider(audio=SPEECH), speech(**found)), SoundWork)


def test_a_part_of_a_sound_is_cut_out_here_where_the_service_does_not():
    made = plan(provider(audio=HEARS), speech(), start=5.0)
    assert isinstance(made.listening.sends, SoundWork)
    assert made.listening.call.options == ()
    there = plan(provider(audio=replace(HEARS, options=("start_end",))), speech(), start=5.0)
    assert (there.listening.sends, there.listening.call.options) == (WholeFile(), ("start_end",))


def test_of_a_video_only_the_sound_is_written_down():
    """The pictures stay here, also where the service takes such files."""
    audio = replace(SPEECH, mime_types=("video/mp4", *SPEECH.mime_types))
    seen = replace(clip(), modality="audio")
    assert isinstance(heard(provider(audio=audio), seen), SoundWork)
    named_as_sound = speech("audio/mp4", has_pictures=True)
    assert isinstance(heard(provider(audio=audio), named_as_sound), SoundWork)
    unknown = replace(seen, facts=None)
    assert isinstance(heard(provider(audio=audio), unknown), SoundWork)


def test_a_sound_of_unknown_length_may_be_long():
    takes = provider(audio=replace(SPEECH, max_seconds=1800))
    assert heard(takes, speech("audio/aiff", seconds=None)).pieces == 16


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        # No piece can be shorter than a second.
        ({"max_bytes": 5000}, 60.0),
        ({"max_seconds": 0.5}, 60.0),
        ({"max_seconds": 0}, 60.0),
        # Nobody wants thousands of calls.
        ({"max_seconds": 2.0}, 3600.0),
    ],
)
def test_a_service_that_takes_too_little_at_once_is_told(limits, seconds):
    audio = replace(SPEECH, **limits)
    with pytest.raises(MediaTooLarge, match="acme takes too little"):
        plan(provider(audio=audio), speech("audio/aiff", seconds=seconds))


# --- times ---------------------------------------------------------------------------------------


def test_times_of_speech_are_refused_where_nobody_tells_them():
    with pytest.raises(UnsupportedModality, match="acme does not tell when things are said"):
        plan(provider(audio=SPEECH), speech(), timed=True)
    with pytest.raises(UnsupportedModality, match="ear does not tell when things are said"):
        plan(provider(image=PNG), clip(), timed=True, listener=EAR)
    with pytest.raises(UnsupportedModality, match="acme does not tell"):
        plan(provider(video=replace(MP4, hears=True)), clip(), timed=True)


def test_a_model_that_is_asked_to_write_it_down_tells_no_times():
    audio = replace(SPEECH, transcribes=False, answers=True, timestamps=True)
    with pytest.raises(UnsupportedModality, match="does not tell when things are said"):
        plan(provider(image=PNG, audio=audio), clip(), timed=True)


def test_times_come_from_who_tells_them():
    timed = replace(SPEECH, timestamps=True)
    ear = replace(EAR, audio=timed)
    assert plan(provider(audio=timed), speech(), timed=True)
    assert plan(provider(image=PNG), clip(), timed=True, listener=ear).listening.call
    # A model that hears tells no times: its provider's transcription does.
    native = provider(video=replace(MP4, hears=True), audio=timed)
    assert plan(native, clip(), timed=True).listening.call.modality == "audio"
    reads = provider(video=replace(MP4, answers=False))
    assert plan(reads, clip(), timed=True, listener=ear).listening.call.provider is ear


def test_subtitles_have_times():
    takes = provider(video=replace(MP4, hears=True))
    made = plan(takes, clip(subtitles=TRACKS), timed=True, subtitles="prefer")
    assert made.listening.track == 0


def test_a_rule_for_a_model_says_whether_it_tells_times():
    rule = ModelRule(pattern="whisper-*", audio=replace(SPEECH, timestamps=True))
    takes = provider(audio=SPEECH, models=(rule,))
    assert plan(takes, speech(), timed=True, model="whisper-1")
    with pytest.raises(UnsupportedModality):
        plan(takes, speech(), timed=True)


# --- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("takes", "media", "start"),
    [
        (provider(image=PNG), (picture(),), "Describe what this image"),
        (provider(image=PNG), (picture(), picture()), "Describe what each"),
        (provider(video=MP4), (clip(),), "Describe what happens"),
        (provider(image=PNG), (clip(),), "Describe what happens"),
    ],
)
def test_without_a_prompt_a_description_is_asked_for(takes, media, start):
    assert plan(takes, *media).asking.prompt.startswith(start)


@pytest.mark.parametrize(
    ("takes", "media"),
    [
        (provider(image=replace(PNG, answers=False)), picture()),
        (provider(video=replace(MP4, answers=False)), clip()),
    ],
)
def test_what_only_reads_is_not_asked_for_a_description(takes, media):
    assert plan(takes, media).asking.prompt is None


# --- models --------------------------------------------------------------------------------------


def test_the_model_that_is_named_is_asked():
    assert plan(provider(image=PNG), picture(), model="eye-2").calls[0].model == "eye-2"


def test_a_modality_has_its_own_default_model():
    takes = provider(image=replace(PNG, default_model="acme-look"))
    assert plan(takes, picture()).calls[0].model == "acme-look"


def test_a_question_about_sound_has_its_own_default_model():
    audio = replace(SPEECH, answers=True, default_model="acme-ear", answer_model="acme-mind")
    assert plan(provider(audio=audio), speech()).calls[0].model == "acme-ear"
    assert plan(provider(audio=audio), speech(), prompt="who?").calls[0].model == "acme-mind"


def test_through_a_transcript_the_named_model_is_the_one_that_answers():
    audio = replace(SPEECH, default_model="acme-ear")
    made = plan(provider(audio=audio, text=TEXT), speech(), prompt="who?", model="mind")
    assert [call.model for call in made.calls] == ["acme-ear", "mind"]


def test_a_rule_for_a_model_replaces_what_the_provider_takes():
    takes = provider(image=PNG, models=(ModelRule(pattern="text-*", text=TEXT),))
    assert plan(takes, picture(), model="eye").strategy == "images"
    with pytest.raises(UnsupportedModality, match="acme with the model text-1 does not take image"):
        plan(takes, picture(), model="text-1")


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("takes", "media", "asked", "what"),
    [
        (provider(), picture(), {}, "take images"),
        (provider(), clip(), {}, "take video"),
        (provider(audio=SPEECH), clip(), {}, "take video"),
        (provider(), speech(), {}, "write down speech"),
        (provider(audio=ANSWERS), speech(), {}, "write down speech"),
        (provider(), speech(), {"prompt": "q"}, "answer questions about sound"),
        (provider(audio=HEARS), speech(), {"prompt": "q"}, "answer questions about sound"),
        (provider(text=TEXT), speech(), {"prompt": "q"}, "answer questions about sound"),
    ],
)
def test_what_a_provider_cannot_do_is_named(takes, media, asked, what):
    with pytest.raises(UnsupportedModality, match=f"acme does not {what}"):
        plan(takes, media, **asked)
    assert not can_take(takes, (media,), Question(**asked))


@pytest.mark.parametrize("schemes", [(), ("youtube",)])
def test_a_provider_of_no_type_at_all_refuses_a_file(schemes):
    with pytest.raises(UnsupportedMedia) as caught:
        plan(provider(video=VideoLimits(uri_schemes=schemes)), clip())
    assert "youtube://" not in caught.value.hint


def test_a_type_that_is_not_taken_names_those_that_are():
    takes = provider(video=VideoLimits(mime_types=("video/webm",)))
    with pytest.raises(UnsupportedMedia, match="video/mp4 as video; convert it to video/webm"):
        plan(takes, clip())


def test_an_image_that_cannot_be_made_what_is_taken_is_told():
    takes = provider(image=ImageLimits(mime_types=("image/heic",)))
    with pytest.raises(UnsupportedMedia, match="image/png is not taken"):
        plan(takes, picture())


@pytest.mark.parametrize(
    ("limits", "media", "told"),
    [
        (VideoLimits(max_bytes=999), clip(seconds=None), "up to 1.0 kB as video, not 1.0 MB"),
        (VideoLimits(max_seconds=9.9), clip(), "takes 9.9 s of video, not 60.0 s"),
        (VideoLimits(max_upload_bytes=999), clip(), "1.0 kB"),
    ],
)
def test_what_is_too_large_is_told_with_the_limit(limits, media, told):
    takes = provider(video=replace(limits, mime_types=(media.mime_type,)))
    with pytest.raises(MediaTooLarge) as caught:
        plan(takes, media)
    assert told in caught.value.message
    assert caught.value.hint


def test_a_part_that_can_be_cut_nowhere_is_told():
    takes = provider(video=VideoLimits(mime_types=("video/webm",)))
    with pytest.raises(UnsupportedMedia, match="cannot be made what acme takes; leave out --start"):
        plan(takes, clip("video/webm"), start=5.0)
    takes = provider(audio=AudioLimits(mime_types=("audio/aiff",), transcribes=True))
    with pytest.raises(UnsupportedMedia, match="cannot be made what acme takes"):
        plan(takes, speech("audio/aiff"), start=5.0)


def test_a_file_that_is_too_large_may_go_as_a_link():
    takes = provider(video=replace(MP4, max_bytes=1, uri_schemes=("gs",)))
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
    video = link("video", uri)
    assert passes_on(video, Question(), takes, None) is taken
    if taken:
        assert plan(takes, video).strategy == "native"
        return
    with pytest.raises(UnsupportedMedia, match="download the file and give its path"):
        plan(takes, video)


def test_frames_of_a_link_are_refused_in_words():
    takes = provider(video=VideoLimits(uri_schemes=("gs",)), image=PNG)
    with pytest.raises(UnsupportedMedia, match="frames are not taken out of a link; download"):
        plan(takes, link("video", "gs://b/a"), frames=3)


@pytest.mark.parametrize("media", [(clip(), clip()), (picture(), clip()), (speech(), picture())])
def test_only_images_go_together(media):
    with pytest.raises(UsageError, match="only images can be asked about together"):
        plan(provider(image=PNG, video=MP4, audio=HEARS), *media)


def test_nothing_to_look_at_is_told():
    with pytest.raises(UsageError, match="nothing to look at; give a file"):
        plan(provider(image=PNG))


# --- links: who fetches them ---------------------------------------------------------------------

FETCHING = provider(
    image=replace(PNG, uri_schemes=("https",)),
    video=replace(MP4, uri_schemes=("https",), options=("start_end",)),
    audio=replace(SPEECH, uri_schemes=("https",)),
)
VIDEO_LINK = link("video", "https://example.org/a.mp4")
SOUND_LINK = link("audio", "https://example.org/a.mp3")


@pytest.mark.parametrize(
    "asked",
    [{"frames": 3}, {"every": 1.0}, {"timed": True}, {"listener": EAR}],
)
def test_a_video_that_is_taken_apart_is_downloaded(asked):
    listener = asked.pop("listener", None)
    assert passes_on(VIDEO_LINK, Question(), FETCHING, None)
    assert not passes_on(VIDEO_LINK, Question(**asked), FETCHING, listener)


def test_a_part_is_cut_out_of_a_link_where_the_service_does_so():
    part = Question(start=5.0)
    assert passes_on(VIDEO_LINK, part, FETCHING, None)
    assert not passes_on(SOUND_LINK, part, FETCHING, None)


def test_a_link_to_sound_is_passed_on_to_who_hears_it():
    rule = ModelRule(pattern="deaf", audio=SPEECH)
    takes = replace(FETCHING, models=(rule,))
    assert passes_on(SOUND_LINK, Question(), takes, None)
    assert not passes_on(SOUND_LINK, Question(model="deaf"), takes, None)
    assert not passes_on(SOUND_LINK, Question(), takes, EAR)
    # Through a transcript it is the default model that hears.
    assert passes_on(SOUND_LINK, Question(model="deaf", prompt="who?"), takes, None)


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", [name for name in OPTIONS if name not in ("json_schema", "start_end")]
)
def test_an_option_that_is_not_honoured_is_refused_by_its_flag(option):
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(UsageError, match=f"acme does not honour {flag} for video; leave it out"):
        plan(provider(video=MP4), clip(), **OPTIONS[option])


def test_a_part_of_an_image_is_refused():
    with pytest.raises(UsageError, match="acme does not honour --start and --end for image"):
        plan(provider(image=PNG), picture(), start=1.0)


def test_an_option_is_refused_in_the_name_of_who_would_be_asked():
    with pytest.raises(UsageError, match="ear does not honour --temperature for audio"):
        plan(provider(image=PNG), speech(), listener=EAR, temperature=0.5)


@pytest.mark.parametrize("media", [picture(), speech()])
@pytest.mark.parametrize("asked", [{"frames": 3}, {"every": 1.0}])
def test_frames_are_for_video(media, asked):
    with pytest.raises(UsageError, match="is for video, not for"):
        plan(provider(image=PNG, audio=SPEECH), media, **asked)


@pytest.mark.parametrize("asked", [{"listener": EAR}, {"min_confidence": 0.5}])
def test_options_of_sound_are_not_for_images(asked):
    with pytest.raises(UsageError, match="is for sound, not for image"):
        plan(provider(image=PNG), picture(), **asked)


def test_a_confidence_is_refused_where_nothing_is_written_down():
    native = provider(video=replace(MP4, hears=True))
    with pytest.raises(UsageError, match="--min-confidence is about what is written down"):
        plan(native, clip(), min_confidence=0.5)
    assert plan(native, clip(), min_confidence=0.5, listener=EAR)
    assert plan(native, clip(has_sound=False), min_confidence=0.5)


def test_a_model_for_sound_is_the_providers_own_when_nobody_else_is_named():
    made = plan(provider(image=PNG, audio=SPEECH), clip(), audio_model="ear-2")
    assert (made.listening.call.model, made.asking.model) == ("ear-2", "acme-eye")


def test_a_model_for_sound_is_refused_when_nobody_writes_it_down():
    with pytest.raises(UsageError, match="--audio-model names a model that writes down sound"):
        plan(provider(image=PNG), clip(), audio_model="ear-2")


def test_a_model_that_is_not_asked_is_refused():
    told = "--model foo is not asked about anything: ear ear-1 is; leave it out, or name"
    with pytest.raises(UsageError, match=told):
        plan(provider(audio=SPEECH), speech(), listener=EAR, model="foo")
    both = provider(audio=SPEECH, default_model="own")
    with pytest.raises(UsageError, match="--model foo is not asked about anything: acme own is"):
        plan(both, speech(), listener=both, model="foo")


def test_the_access_of_who_is_not_asked_is_not_looked_at():
    access = Access(project="x")
    assert plan(provider(image=PNG), speech(), listener=EAR, access=access)
    with pytest.raises(UsageError, match="acme does not take --project"):
        plan(provider(text=TEXT), speech(), listener=EAR, prompt="who?", access=access)


def test_a_service_without_a_model_for_sound_does_not_hear():
    unnamed = provider(image=PNG, audio=SPEECH, default_model=None)
    (left,) = plan(unnamed, clip(), model="eye").left_out
    assert "acme has no model of its own for sound (name one with --audio-model)" in left.words
    assert plan(unnamed, clip(), model="eye", audio_model="ear").listening.call.model == "ear"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"end": 0.0}, "--end 0 is not above 0"),
        ({"start": -1.0}, "--start -1 is not at least 0"),
        ({"start": float("nan")}, "--start nan"),
        ({"every": 0.0}, "--every 0 is not above 0"),
        ({"fps": float("inf")}, "--fps inf"),
        ({"max_output_tokens": 0}, "--max-output-tokens 0"),
        ({"temperature": -0.1}, "--temperature -0.1"),
        ({"frames": 0}, "--frames 0 is not 1 to 1000"),
        ({"frames": 1001}, "--frames 1001 is not 1 to 1000"),
        ({"jobs": 0}, "--jobs 0 is not 1 to 64"),
        ({"min_confidence": 1.1}, "--min-confidence 1.1 is not 0 to 1"),
        ({"every": 1.0, "fps": 1.0}, "--every and --fps say the same twice"),
        ({"start": 5.0, "end": 5.0}, "--start is not before --end"),
        ({"start": 60.0}, "--start 60 is behind the end: the recording lasts 60.0 s"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(asked, told):
    with pytest.raises(UsageError) as caught:
        plan(provider(image=PNG, video=MP4), clip(), **asked)
    assert told in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"frames": 3.0}, "--frames 3.0 is not a whole number"),
        ({"frames": True}, "--frames True is not a whole number"),
        ({"jobs": None}, "--jobs None is not a whole number"),
        ({"jobs": "4"}, "--jobs '4' is not a whole number"),
        ({"max_download": 1.5}, "--max-download 1.5 is not a whole number"),
        ({"max_download": 0}, "--max-download 0 is not above 0"),
        ({"max_output_tokens": 9.5}, "--max-output-tokens 9.5 is not a whole number"),
        ({"max_output_tokens": 10**5000}, "--max-output-tokens is too large"),
        ({"start": "5"}, "--start '5' is not a number"),
        ({"temperature": False}, "--temperature False is not a number"),
        ({"end": 10**400}, "--end is too large"),
        ({"subtitles": "always"}, "--subtitles 'always' is not known"),
        ({"subtitles": None}, "--subtitles None is not known"),
        ({"resolution": "huge"}, "--resolution 'huge' is not known"),
    ],
)
def test_values_that_are_none_are_refused_before_anything_is_known(asked, told):
    with pytest.raises(UsageError) as caught:
        require_numbers(Question(**asked))
    assert caught.value.message.startswith(told)
    assert caught.value.hint


def test_usual_values_are_taken():
    require_numbers(Question())
    require_numbers(Question(frames=1, jobs=64, max_download=1, max_output_tokens=10**9, start=0))
    require_numbers(Question(subtitles="prefer", resolution="high", end=5, fps=1))


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
    audio = replace(HEARS, answers=True, options=("language",), answer_options=("temperature",))
    takes = provider(audio=audio)
    assert plan(takes, speech(), language="en").calls[0].options == ("language",)
    made = plan(takes, speech(), prompt="who?", temperature=0.5)
    assert made.calls[0].options == ("temperature",)
    with pytest.raises(UsageError, match="does not honour --language"):
        plan(takes, speech(), prompt="who?", language="en")


def test_the_transcript_is_not_held_to_what_the_answer_is_asked_for():
    """A limit of tokens or a schema is meant for the answer."""
    options = ("max_output_tokens", "json_schema", "temperature")
    takes = provider(audio=replace(HEARS, options=options), text=TextLimits(options=options))
    made = plan(takes, speech(), prompt="who?", max_output_tokens=5, json_schema="{}")
    assert made.calls[0].options == ()
    assert set(made.calls[1].options) == {"max_output_tokens", "json_schema"}


@pytest.mark.parametrize("streaming", [True, False])
def test_pieces_arrive_only_where_that_is_declared(streaming):
    takes = provider(image=replace(PNG, streaming=streaming))
    assert plan(takes, picture()).calls[0].streaming is streaming


def test_a_transcript_that_is_asked_about_is_not_streamed():
    takes = provider(audio=replace(HEARS, streaming=True), text=TextLimits(streaming=True))
    assert [c.streaming for c in plan(takes, speech(), prompt="q").calls] == [False, True]


# --- what it costs -------------------------------------------------------------------------------


class Prices:
    """A dollar for a token, two for a second; nothing is known of ``dear`` models."""

    def price(self, provider, model, *, input_tokens, output_tokens, seconds):  # noqa: ARG002
        if model == "dear":
            return None
        if seconds is not None:
            return 2.0 * seconds
        return None if input_tokens is None else float(input_tokens + output_tokens)


def costed(takes: Provider, media: Media, listener: Provider | None = None, **asked) -> Plan:
    if listener is not None:
        asked["audio_provider"] = listener.name
    return make_plan((media,), Question(**asked), takes, listener, Prices())


COUNTED = provider(image=replace(PNG, tokens=100), text=TEXT)


def test_tokens_and_cost_of_an_image_are_estimated():
    made = costed(COUNTED, picture(), prompt="abcd", max_output_tokens=None)
    assert (made.tokens, made.cost) == (101, 601.0)


def test_what_counts_nobody_knows_what_is_unknown_as_a_whole():
    made = costed(provider(image=PNG), picture())
    assert (made.tokens, made.cost) == (None, None)


def test_speech_to_text_is_paid_by_the_second():
    made = costed(EAR, speech())
    assert (made.tokens, made.cost) == (None, 120.0)


def test_one_unknown_price_makes_the_whole_unknown():
    known = costed(COUNTED, clip(), EAR, prompt="abcd")
    assert known.cost == 120.0 + known.steps[-1].cost
    unknown = costed(COUNTED, clip(), EAR, prompt="abcd", audio_model="dear")
    assert unknown.steps[-1].cost == known.steps[-1].cost
    assert unknown.cost is None


def test_a_model_that_is_asked_to_write_it_down_is_paid_by_the_token():
    audio = replace(SPEECH, transcribes=False, answers=True, tokens_per_second=10)
    made = costed(replace(EAR, image=replace(PNG, tokens=1), audio=audio), clip())
    hear = next(step for step in made.steps if step.action == "transcribe")
    assert hear.tokens == 600 + -(-len(HEAR) // 4)
    assert hear.cost == hear.tokens + 500


def test_what_runs_here_costs_nothing():
    made = costed(provider(image=PNG, kind="device"), picture())
    assert (made.tokens, made.cost) == (0, 0.0)


def test_another_address_has_other_prices():
    made = costed(COUNTED, picture(), access=Access(base_url="https://models.acme.example"))
    assert (made.tokens is None, made.cost) == (False, None)


def test_what_is_prepared_here_counts_nothing():
    made = costed(COUNTED, picture(mime_type="image/gif"))
    assert [(step.tokens, step.cost) for step in made.steps[:1]] == [(None, None)]
    assert made.cost is not None


def test_images_of_a_plan_are_image_work():
    assert isinstance(work_of(provider(image=PNG), picture()), ImageWork)
