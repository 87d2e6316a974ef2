"""The regions are black in every picture that leaves, and what cannot be blackened stays here."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import mediasense
from mediasense import ConfigError, Forbidden, Question

TOP = "0,0,1,0.25"


@pytest.fixture
def blurred(house, monkeypatch):
    """A bar along the top is black."""
    monkeypatch.setenv("HOUSE_REGIONS", TOP)
    house.install("blur_before_sending")
    return house


def sent(house) -> list[np.ndarray]:
    """Every picture that was sent."""
    media = [item for call in house.wire.calls for item in call.json["media"]]
    opened = [Image.open(io.BytesIO(base64.b64decode(item))) for item in media]
    return [np.asarray(picture.convert("RGB")) for picture in opened]


def png(shade: int = 200, size: tuple[int, int] = (64, 48), kind: str = "PNG", **save) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade,) * 3).save(buffer, kind, **save)
    return buffer.getvalue()


@pytest.fixture
def bright(tmp_path):
    """Three seconds of a bright, changing picture, large enough for contact sheets."""
    import av

    path = tmp_path / "bright.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for index in range(30):
            shade = np.full((480, 640, 3), 160 + 3 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_an_image(blurred):
    mediasense.analyze(png(), "what?", provider="near")
    [picture] = sent(blurred)
    assert (picture[:12] == 0).all()
    assert (picture[12:] == 200).all()


def test_every_image_of_several(blurred):
    mediasense.analyze([png(200), png(100, kind="JPEG")], "what?", provider="near")
    assert [picture[:12].max() < 8 < picture[20:].min() for picture in sent(blurred)] == [True] * 2


def test_several_regions(blurred, monkeypatch):
    monkeypatch.setenv("HOUSE_REGIONS", "0,0,0.5,0.5; 0.5,0.5,1,1")
    mediasense.analyze(png(), "what?", provider="near")
    [picture] = sent(blurred)
    halves = picture[:24, :32], picture[24:, 32:], picture[:24, 32:], picture[24:, :32]
    assert [int(half.max()) for half in halves] == [0, 0, 200, 200]


def test_the_smallest_region_blackens_every_pixel_that_it_touches(blurred, monkeypatch):
    monkeypatch.setenv("HOUSE_REGIONS", "0.5,0.5,0.501,0.501")
    mediasense.analyze(png(), "what?", provider="near")
    [picture] = sent(blurred)
    assert np.argwhere(picture[:, :, 0] == 0).tolist() == [[24, 32]]


def test_a_photo_that_is_turned_when_it_is_shown(blurred):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    mediasense.analyze(png(kind="JPEG", exif=exif), "what?", provider="near")
    [picture] = sent(blurred)
    assert picture.shape[:2] == (64, 48)
    assert picture[:15].max() < 10 < picture[20:].min()


def test_a_transparent_picture_shows_nothing_below_the_black(blurred):
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 48), (200, 0, 0, 0)).save(buffer, "PNG")
    mediasense.analyze(buffer.getvalue(), "what?", provider="near")
    [picture] = sent(blurred)
    assert (picture[:12] == 0).all()


def test_the_metadata_stays_here(blurred):
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    mediasense.analyze(png(kind="JPEG", exif=exif), "what?", provider="near")
    assert not blurred.wire.calls[0].holds(b"a secret place")


def test_what_is_sent_says_its_own_size_and_type(blurred, house):
    house.add("look", LOOK)
    mediasense.analyze(png(kind="JPEG", size=(80, 60)), "what?", provider="near")
    [call] = house.wire.calls
    data = base64.b64decode(call.json["media"][0])
    assert call.headers["x-seen"] == f"image/jpeg {len(data)} 80x60"


LOOK = """
from dataclasses import replace
from mediasense import hookimpl


@hookimpl(trylast=True)
def prepare_request(request):
    [image] = request.images
    seen = f"{image.mime_type} {image.size} {image.width}x{image.height}"
    return replace(request, headers=(("X-Seen", seen),))
"""


# --- frames, sheets and tiles --------------------------------------------------------------------


def test_frames_of_a_video(blurred, bright):
    mediasense.analyze(bright, "what?", provider="near", every=0.5)
    pictures = sent(blurred)
    assert len(pictures) > 4
    for picture in pictures:
        height = len(picture)
        assert picture[: height // 4 - 2].max() < 16
        assert picture[height // 4 + 8 :].min() > 120


def test_every_frame_on_a_contact_sheet(blurred, bright):
    answer = mediasense.analyze(bright, "what?", provider="sheet", every=0.5)
    assert any("contact sheet" in step.words for step in answer.steps)
    [picture] = sent(blurred)
    dark = (picture.max(axis=2) < 16).sum() / picture.size * 3
    light = ((picture.min(axis=2) > 120) & (picture.max(axis=2) < 250)).sum() / picture.size * 3
    # Of each frame one part in four is black, and three are as bright as they were.
    assert dark / (dark + light) == pytest.approx(0.25, abs=0.02)


def test_without_the_rule_nothing_on_the_sheet_is_black(house, bright):
    mediasense.analyze(bright, "what?", provider="sheet", every=0.5)
    [picture] = sent(house)
    assert (picture.max(axis=2) < 16).sum() / picture.size < 0.01


@pytest.mark.parametrize(("size", "region"), [((400, 4000), TOP), ((4000, 400), "0,0,0.25,1")])
def test_the_tiles_of_a_long_picture_have_the_region_once(blurred, monkeypatch, size, region):
    monkeypatch.setenv("HOUSE_REGIONS", region)
    mediasense.analyze(png(size=size), "what?", provider="tall", jobs=1)
    pictures = sent(blurred)
    along = 0 if size[1] > size[0] else 1
    dark = [(picture == 0).mean() for picture in pictures]
    # The first is all in it, the next two in part, and the others are not.
    assert dark[0] == 1 > dark[1] > dark[2] > 0 == sum(dark[3:])
    assert len(dark) == 8
    assert (np.take(pictures[1], 0, axis=along) == 0).all()


def test_a_photo_of_several_pictures(blurred):
    """As telephones make them: a JPEG with others behind it."""
    more = [Image.new("RGB", (64, 48), (90, 90, 90))]
    mediasense.analyze(png(kind="MPO", save_all=True, append_images=more), "what?", provider="near")
    [picture] = sent(blurred)
    assert picture[:8].max() < 10 < picture[20:].min()
    assert len(base64.b64decode(blurred.wire.calls[0].json["media"][0])) < 2000


# --- what stays here -----------------------------------------------------------------------------


def test_video_is_not_sent_as_it_is(blurred, clip):
    with pytest.raises(Forbidden, match="add --frames 20"):
        mediasense.analyze(clip, "what?", provider="film")
    assert blurred.asked == []


def test_what_the_error_says_helps(blurred, bright):
    mediasense.analyze(bright, "what?", provider="film", frames=20)
    assert all(picture[:20].max() < 16 for picture in sent(blurred))


def test_in_place_of_who_takes_video_somebody_is_asked_who_takes_frames(blurred, bright):
    answer = mediasense.analyze(bright, "what?", provider="film", fallback="near")
    assert (answer.provider, set(blurred.asked)) == ("near", {"near"})
    assert all(picture[:20].max() < 16 for picture in sent(blurred))


def test_sound_is_not_sent(blurred, clip):
    with pytest.raises(Forbidden, match="add --audio-provider on_device"):
        mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=1)
    with pytest.raises(Forbidden):
        mediasense.analyze(clip, provider="ear", modality="audio")
    assert blurred.asked == []


def test_with_a_listener_on_this_device_the_frames_are_sent(blurred, clip):
    answer = mediasense.analyze(clip, "what?", provider="near", audio_provider="dark", frames=2)
    assert set(blurred.asked) == {"near"}
    assert any("sound was not heard" in left.words for left in answer.left_out)


def test_what_is_read_on_this_device_is_left_as_it_is(blurred, monkeypatch):
    monkeypatch.delenv("HOUSE_REGIONS")
    monkeypatch.setenv("MEDIASENSE_CACHE", "off")
    assert mediasense.analyze(png(), "what?", provider="dark").text == "read in the dark"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_cannot_be_read_is_not_sent(blurred, kind):
    blurred.add("spoil", SPOIL)
    with pytest.raises(Forbidden, match="cannot be read is not sent"):
        mediasense.analyze(png(kind=kind), "what?", provider="near")
    assert blurred.asked == []


SPOIL = """
from dataclasses import replace
from mediasense import hookimpl


@hookimpl(tryfirst=True)
def prepare_request(request):
    [image] = request.images
    return replace(request, images=(replace(image, data=b"no picture", path=None, size=10),))
"""


@pytest.mark.parametrize(
    "text", ["", "0,0,1", "0,0,0,1", "1,0,0,1", "0,0,2,1", "a,b,c,d", "nan,0,1,1"]
)
def test_without_regions_nothing_is_sent(blurred, monkeypatch, text):
    monkeypatch.setenv("HOUSE_REGIONS", text)
    with pytest.raises(ConfigError, match="export HOUSE_REGIONS"):
        mediasense.analyze(png(), "what?", provider="near")
    assert blurred.asked == []


# --- everywhere else -----------------------------------------------------------------------------


def test_a_stand_in(blurred):
    blurred.down["near"] = 503
    mediasense.analyze(png(), "what?", provider="near", fallback="far", retries=0)
    assert [int(picture[:12].max()) for picture in sent(blurred)] == [0, 0]


def test_an_answer_about_what_was_seen_before_the_rule_is_not_given(house, kept, shot, monkeypatch):
    mediasense.analyze(shot, "what?", provider="near")
    monkeypatch.setenv("HOUSE_REGIONS", TOP)
    house.install("blur_before_sending")
    for cached in (False, True):
        assert mediasense.analyze(shot, "what?", provider="near").cached is cached
    monkeypatch.setenv("HOUSE_REGIONS", "0,0,1,0.5")
    assert not mediasense.analyze(shot, "what?", provider="near").cached


def test_a_batch(blurred, shots):
    list(mediasense.batch(shots, Question(prompt="what?", provider="near")))
    assert [int(picture[:12].max()) for picture in sent(blurred)] == [0] * 4


def test_the_batch_of_the_command_line(blurred, shots, bright, tmp_path):
    out = tmp_path / "out.jsonl"
    run = blurred.run(
        *("batch", bright, *shots, "--prompt", "what?", "-p", "film", "--out", out),
        *("--fallback", "near"),
    )
    assert run.returncode == 0, run.stderr
    assert all(picture[: len(picture) // 4 - 2].max() < 16 for picture in sent(blurred))
    assert len(sent(blurred)) > 4


def test_the_command_line_refuses_what_it_cannot_look_into(blurred, clip):
    assert blurred.run("video", clip, "what?", "-p", "film").returncode == 12
    assert blurred.asked == []
