"""How much a request counts at most: never less than is declared, and never less for more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense import (
    AudioLimits,
    AudioRequest,
    ImageLimits,
    ImageRequest,
    Media,
    ModelRule,
    ModelsRequest,
    Provider,
    TextRequest,
    VideoLimits,
    VideoRequest,
)
from mediasense.estimates import TokenEstimate, most_tokens

ACME = Provider(name="acme", description="d", image=ImageLimits(), video=VideoLimits())
PIXELS = st.integers(1, 60_000)
SECONDS = st.floats(0, 100_000)


def picture(width: int | None = 64, height: int | None = 64) -> Media:
    return Media(modality="image", mime_type="image/png", data=b"", width=width, height=height)


def recording(kind: str = "audio", **facts) -> Media:
    return Media(modality=kind, mime_type=f"{kind}/mp4", data=b"", **facts)


def of_images(*images: Media, provider: Provider = ACME, **fields) -> TokenEstimate:
    return most_tokens(ImageRequest(provider=provider, images=images, **fields))


def of_video(video: Media, provider: Provider = ACME, **fields) -> TokenEstimate:
    return most_tokens(VideoRequest(provider=provider, video=video, **fields))


def of_audio(audio: Media, provider: Provider = ACME, **fields) -> TokenEstimate:
    return most_tokens(AudioRequest(provider=provider, audio=audio, **fields))


def test_a_listing_counts_nothing():
    assert most_tokens(ModelsRequest(provider=ACME)) == TokenEstimate(
        input_tokens=0, output_tokens=0
    )


@given(st.text(), st.text())
def test_more_text_never_counts_less(first, more):
    short = most_tokens(TextRequest(provider=ACME, prompt=first))
    long = most_tokens(TextRequest(provider=ACME, prompt=first + more))
    assert long.input_tokens >= short.input_tokens
    assert long.input_tokens >= len((first + more).encode(errors="replace")) / 3


def test_a_schema_is_sent_too():
    plain = most_tokens(TextRequest(provider=ACME, prompt="why?"))
    asked = most_tokens(TextRequest(provider=ACME, prompt="why?", json_schema="x" * 3000))
    assert asked.input_tokens == plain.input_tokens + 1000


def test_half_a_pair_is_counted_all_the_same():
    assert most_tokens(TextRequest(provider=ACME, prompt="\ud83d")).input_tokens > 0


def test_the_answer_is_as_long_as_it_may_be():
    assert most_tokens(TextRequest(provider=ACME, max_output_tokens=77)).output_tokens == 77
    assert most_tokens(TextRequest(provider=ACME)).output_tokens == 4096


# --- images --------------------------------------------------------------------------------------


@given(PIXELS, PIXELS, st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_pixels_never_count_less(width, height, wider, higher):
    small = of_images(picture(width, height)).input_tokens
    large = of_images(picture(width + wider, height + higher)).input_tokens
    assert large >= small
    assert of_images(picture(None, None)).input_tokens >= large


@pytest.mark.parametrize(
    ("width", "height", "counts"),
    [
        # As the services count, by their own formulas.
        (1024, 1024, 1024 * 1024 / 750),
        (1024, 1024, 32 * 32 * 2.46),
        (1568, 1568, 1568 * 1568 / 750),
        (2048, 2048, (2048 / 28) ** 2),
        (3000, 900, 4 * 2 * 258),
        (40, 40, 2240),
        (20, 15_360, 20 * 258),
    ],
)
def test_no_known_way_of_counting_gives_more(width, height, counts):
    assert of_images(picture(width, height)).input_tokens >= counts


def test_each_image_counts():
    one = of_images(picture()).input_tokens
    two = of_images(picture(), picture()).input_tokens
    none = of_images().input_tokens
    assert two - one == one - none > 0


@given(st.integers(1, 100_000), PIXELS)
def test_an_image_never_counts_less_than_is_declared(declared, side):
    provider = replace(ACME, image=ImageLimits(tokens=declared))
    assert of_images(picture(side, side), provider=provider).input_tokens >= declared


def test_what_is_declared_for_the_model_counts():
    rule = ModelRule(pattern="big*", image=ImageLimits(tokens=48_000))
    provider = replace(ACME, models=(rule,))
    assert of_images(picture(), provider=provider, model="big-eye").input_tokens >= 48_000
    assert of_images(picture(), provider=provider, model="eye").input_tokens < 48_000


def test_a_model_that_takes_no_images_breaks_nothing():
    provider = replace(ACME, models=(ModelRule(pattern="*"),))
    assert of_images(picture(), provider=provider, model="m").input_tokens > 0
    assert of_video(recording("video", seconds=1.0), provider, model="m").input_tokens > 0
    assert of_audio(recording(seconds=1.0), provider, model="m").input_tokens > 0


# --- recordings ----------------------------------------------------------------------------------


@given(SECONDS, SECONDS, st.none() | st.floats(0.1, 60))
def test_longer_never_counts_less(seconds, more, fps):
    short, long = recording("video", seconds=seconds), recording("video", seconds=seconds + more)
    assert of_video(long, fps=fps).input_tokens >= of_video(short, fps=fps).input_tokens
    short, long = replace(short, modality="audio"), replace(long, modality="audio")
    assert of_audio(long).input_tokens >= of_audio(short).input_tokens
    assert of_audio(long).output_tokens >= of_audio(short).output_tokens


@given(SECONDS, st.floats(0.1, 1000))
def test_a_recording_never_counts_less_than_is_declared(seconds, declared):
    provider = replace(
        ACME,
        video=VideoLimits(tokens_per_second=declared),
        audio=AudioLimits(tokens_per_second=declared),
    )
    video, audio = recording("video", seconds=seconds), recording(seconds=seconds)
    assert of_video(video, provider).input_tokens >= declared * seconds
    assert of_audio(audio, provider).input_tokens >= declared * seconds


def test_more_frames_a_second_count_more():
    video = recording("video", seconds=10.0)
    assert of_video(video, fps=10.0).input_tokens > of_video(video, fps=1.0).input_tokens
    declared = replace(ACME, video=VideoLimits(tokens_per_second=300))
    many = of_video(video, declared, fps=10.0).input_tokens
    assert many > 5 * of_video(video, declared, fps=1.0).input_tokens


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (None, None, 60.0),
        (10.0, None, 50.0),
        (None, 20.0, 20.0),
        (10.0, 20.0, 10.0),
        (10.0, 90.0, 50.0),
        (70.0, None, 0.0),
    ],
)
def test_only_the_part_that_is_listened_to_counts(start, end, part):
    assert of_audio(recording(seconds=60.0), start=start, end=end).seconds == part


def test_a_length_that_is_not_known_is_guessed_from_the_size():
    assert of_audio(recording(size=64_000)).seconds == 64.0
    assert of_audio(recording(size=640_000)).seconds == 640.0


def test_without_length_and_size_it_is_an_hour():
    assert of_audio(recording()).seconds == 3600.0
    assert of_audio(recording(), start=100.0).seconds == 3600.0
    assert of_audio(recording(), end=100.0).seconds == 100.0


def test_sound_is_told_apart():
    heard = of_audio(recording(seconds=10.0), prompt="who?")
    assert 0 < heard.audio_tokens < heard.input_tokens
    seen = of_video(recording("video", seconds=10.0, has_sound=True))
    assert 0 < seen.audio_tokens < seen.input_tokens
    assert of_video(recording("video", seconds=10.0, has_sound=False)).audio_tokens == 0
    assert of_images(picture()).audio_tokens == 0


def test_the_sound_of_a_video_is_a_part_of_what_is_declared():
    provider = replace(ACME, video=VideoLimits(tokens_per_second=1))
    seen = of_video(recording("video", seconds=1000.0), provider)
    assert seen.audio_tokens < seen.input_tokens


def test_only_sound_is_counted_in_seconds():
    assert of_video(recording("video", seconds=10.0)).seconds is None
    assert of_images(picture()).seconds is None


def test_a_long_transcript_is_a_long_answer():
    hour = recording(seconds=3600.0)
    assert of_audio(hour).output_tokens > 20_000
    assert of_audio(hour, prompt="who?").output_tokens == 4096
