"""What is tried after a service refused media that its limits said it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense import (
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
from mediasense.planning import Plan, make_plan
from mediasense.planning.plans import Call, FrameWork, ImageWork, SoundWork, WholeFile
from mediasense.planning.stepdown import MOST, step_down
from mediasense.types import Question, RecordingFacts

IMAGES = ImageLimits(mime_types=("image/jpeg", "image/png", "image/webp"))
VIDEOS = VideoLimits(mime_types=("video/mp4",), hears=True)
SOUNDS = AudioLimits(
    mime_types=("audio/mpeg", "audio/wav", "audio/flac", "audio/mp4"), transcribes=True
)


def provider(**takes) -> Provider:
    return Provider(**{"name": "acme", "description": "d", "default_model": "acme-eye", **takes})


def image(**facts) -> Media:
    facts = {"mime_type": "image/jpeg", "size": 1_000_000, "width": 2000, "height": 1000, **facts}
    return Media(modality="image", **facts)


def speech(**facts) -> Media:
    facts = {"mime_type": "audio/mp4", "size": 20_000_000, "seconds": 1000.0, **facts}
    return Media(modality="audio", **facts)


def video() -> Media:
    facts = RecordingFacts(
        seconds=60.0,
        width=1280,
        height=720,
        has_pictures=True,
        has_sound=True,
        video_codec="h264",
        audio_codec="aac",
    )
    return Media(
        modality="video",
        mime_type="video/mp4",
        size=5_000_000,
        seconds=60.0,
        width=1280,
        height=720,
        has_sound=True,
        facts=facts,
    )


def asking(takes: Provider, *media: Media, **asked) -> Call:
    call = make_plan(media, Question(**asked), takes).asking
    assert call is not None
    return call


def listening(takes: Provider, media: Media, **asked) -> Call:
    made = make_plan((media,), Question(**asked), takes).listening
    assert made is not None
    assert made.call is not None
    return made.call


def test_a_refused_video_becomes_frames():
    takes = provider(video=VIDEOS, image=IMAGES)
    for refusal in ("count", "size", "type"):
        lower = step_down(asking(takes, video()), refusal, (video(),), spare=False)
        assert lower == replace(takes, video=None)
        assert make_plan((video(),), Question(), lower).strategy == "frames"


def test_a_refused_type_becomes_one_that_every_server_takes():
    takes = provider(image=IMAGES)
    sent = image(mime_type="image/webp")
    lower = step_down(asking(takes, sent), "type", (sent,), spare=False)
    assert lower.image.mime_types == ("image/jpeg", "image/png")


def test_a_type_that_was_refused_is_not_sent_again():
    takes = provider(image=IMAGES)
    lower = step_down(asking(takes, image()), "type", (image(),), spare=False)
    assert lower.image.mime_types == ("image/png",)
    again = image(mime_type="image/png")
    assert step_down(asking(lower, again), "type", (again,), spare=False) is None


def test_a_refused_size_is_halved():
    takes = provider(image=IMAGES)
    lower = step_down(asking(takes, image()), "size", (image(),), spare=False)
    assert (lower.image.max_bytes, lower.image.max_pixels) == (500_000, 1_000_000)


def test_images_are_not_made_smaller_than_anything_can_be_told_on():
    tiny = image(size=30_000)
    takes = provider(image=IMAGES)
    assert step_down(asking(takes, tiny), "size", (tiny,), spare=False) is None


def test_a_refused_number_of_images_is_halved_and_their_size_kept():
    takes = provider(image=IMAGES)
    sent = (image(), image(), image())
    lower = step_down(asking(takes, *sent), "count", sent, spare=False)
    assert lower.image == replace(IMAGES, max_items=1)


def test_fewer_frames_in_a_call_become_contact_sheets_where_answers_cannot_be_joined():
    takes = provider(image=IMAGES)
    call = asking(takes, video(), frames=40)
    sent = (image(),) * 40
    lower = step_down(call, "count", sent, spare=False)
    made = make_plan((video(),), Question(frames=40), lower)
    assert isinstance(made.sends, FrameWork)
    assert (made.sends.per_call, made.sends.calls, made.sends.most) == (20, 1, 40)


def test_a_service_that_takes_no_image_at_all_is_not_asked_again():
    takes = provider(image=IMAGES)
    assert step_down(asking(takes, image()), "count", (image(),), spare=False) is None


def test_a_refused_sound_is_sent_as_one_that_every_server_takes():
    takes = provider(audio=SOUNDS)
    call = listening(takes, speech())
    lower = step_down(call, "type", (speech(),), spare=False)
    assert lower.audio.mime_types == ("audio/wav", "audio/mpeg", "audio/flac")
    assert isinstance(make_plan((speech(),), Question(), lower).listening.sends, SoundWork)


def test_a_sound_that_was_too_large_is_cut():
    takes = provider(audio=replace(SOUNDS, max_bytes=25_000_000, max_upload_bytes=25_000_000))
    call = listening(takes, speech())
    lower = step_down(call, "size", (speech(),), spare=False)
    assert (lower.audio.max_bytes, lower.audio.max_upload_bytes) == (10_000_000, 10_000_000)


def test_a_video_can_do_without_its_sound():
    takes = provider(image=IMAGES, audio=SOUNDS)
    call = listening(takes, video())
    tiny = speech(mime_type="audio/flac", size=1000)
    assert step_down(call, "size", (tiny,), spare=True) == replace(takes, audio=None)
    assert step_down(call, "size", (tiny,), spare=False) is None
    made = make_plan((video(),), Question(), replace(takes, audio=None))
    assert [left.channels for left in made.left_out] == [("sound",)]


def test_text_has_no_other_way():
    takes = provider(audio=SOUNDS, text=TextLimits())
    call = asking(takes, speech(), prompt="who?")
    assert call.modality == "text"
    for refusal in ("count", "size", "type"):
        assert step_down(call, refusal, (), spare=True) is None


def test_a_link_is_not_sent_again():
    link = Media(modality="image", mime_type="", uri="https://example.org/a")
    takes = provider(image=replace(IMAGES, uri_schemes=("https",)))
    assert step_down(asking(takes, link), "size", (link,), spare=False) is None
    lower = step_down(asking(takes, link), "type", (link,), spare=False)
    with pytest.raises(UnsupportedMedia):
        make_plan((link,), Question(), lower)


@pytest.mark.parametrize("model", [None, "acme-eye", "other"])
def test_the_limits_that_held_are_those_that_change(model):
    """Also where the default model has a rule of its own: the next plan is another one."""
    takes = provider(image=IMAGES, models=(ModelRule(pattern="acme-*", image=IMAGES),))
    call = asking(takes, image(), model=model)
    lower = step_down(call, "type", (image(),), spare=False)
    assert lower.limits_for(model).image.mime_types == ("image/png",)
    (fit,) = make_plan((image(),), Question(model=model), lower).sends.fits
    assert fit.mime_type == "image/png"


def test_the_rules_of_other_models_stay():
    other = ModelRule(pattern="other", image=replace(IMAGES, max_items=1))
    takes = provider(image=IMAGES, models=(other,))
    lower = step_down(asking(takes, image()), "type", (image(),), spare=False)
    assert lower.models == (other,)


# --- it comes to an end --------------------------------------------------------------------------

REFUSALS = (MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError)


def sent_for(call: Call, made: Plan, media: tuple[Media, ...]) -> tuple[Media, ...]:
    """The media of a call, about as the plan makes them."""
    work = made.sends if call is made.asking else made.listening.sends
    match work:
        case ImageWork():
            sent = tuple(
                replace(item, mime_type=fit.mime_type, size=min(item.size, fit.max_bytes or 10**9))
                for item, fit in zip(media, work.fits, strict=True)
            )
            return sent[: work.per_call]
        case FrameWork():
            one = image(mime_type=work.mime_type, size=min(200_000, work.max_bytes or 10**9))
            return (one,) * work.per_call
        case SoundWork():
            return (speech(mime_type=work.mime_type, size=min(9**9, work.max_bytes or 9**9)),)
        case _:
            assert isinstance(work, WholeFile) or work.clips
            return media


@given(
    media=st.sampled_from([(image(),), (image(),) * 5, (video(),), (speech(),)]),
    refusals=st.lists(st.sampled_from(["count", "size", "type"]), min_size=60, max_size=60),
    first=st.booleans(),
    rules=st.booleans(),
)
def test_every_step_down_is_another_plan_and_there_is_a_last_one(media, refusals, first, rules):
    """``MOST`` bounds it all the same; without it, refusals alone lead to an end."""
    takes = provider(image=IMAGES, video=VIDEOS, audio=SOUNDS, text=TextLimits())
    if rules:
        rule = ModelRule(pattern="*", image=IMAGES, video=VIDEOS, audio=SOUNDS, text=TextLimits())
        takes = replace(takes, models=(rule,))
    seen = []
    for refusal in refusals:
        try:
            made = make_plan(media, Question(), takes)
        except REFUSALS:
            break
        assert made not in seen
        seen.append(made)
        call = made.calls[0] if first else made.asking or made.calls[0]
        sent = sent_for(call, made, media)
        lower = step_down(call, refusal, sent, spare=call is not made.asking)
        if lower is None:
            break
        assert lower != takes
        takes = lower
    else:
        raise AssertionError("no end")


def test_a_question_is_planned_anew_a_few_times():
    assert 3 <= MOST <= 10
