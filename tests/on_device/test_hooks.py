"""The hooks as the core calls them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import mediasense_on_device
from mediasense import CorruptMedia, Media, Model, ModelsRequest, UnknownModel

from .conftest import media, page, record

SIGN_IN = page((60, 60, "Sign in"), (60, 120, "E-mail address"))
EXPIRED = page((60, 60, "Sign in"), (60, 120, "E-mail address"), (60, 220, "Session expired"))


def test_it_offers_one_provider_that_needs_nothing(provider):
    assert (provider.name, provider.kind) == ("on_device", "device")
    assert provider.credentials is provider.base_url is provider.audio is provider.text is None
    assert provider.default_model == "pp-ocrv6-small"
    assert provider.modalities == ("image", "video")


def test_what_it_declares_it_reads_is_no_service():
    (provider,) = mediasense_on_device.capabilities()
    assert provider.image.uri_schemes == provider.video.uri_schemes == ()
    assert not provider.image.streaming
    assert not provider.video.streaming
    assert provider.image.options == ()


def test_it_says_that_it_does_not_answer(provider):
    """So the core sends no question of its own, and only a user's own is told to be unused."""
    assert not provider.image.answers
    assert not provider.video.answers


def test_it_lists_the_one_model_it_has(provider):
    rows = mediasense_on_device.list_models(request=ModelsRequest(provider=provider))
    assert rows == (Model(name="pp-ocrv6-small", modalities=("image", "video")),)


@pytest.mark.parametrize("model", [None, "pp-ocrv6-small"])
def test_its_model_is_the_default(read, model):
    answer = read(media(SIGN_IN), model=model)
    assert answer.text == "Sign in\n\nE-mail address"
    assert answer.model == "pp-ocrv6-small"


def test_another_model_is_unknown(read, tmp_path):
    with pytest.raises(UnknownModel, match="no model 'gpt-x'; type --model pp-ocrv6-small"):
        read(media(SIGN_IN), model="gpt-x")
    with pytest.raises(UnknownModel):
        read(record(tmp_path / "a.mp4", [(0, SIGN_IN)], 0.3), model="gpt-x")


def test_images_are_read_in_their_order(read):
    answer = read(media(SIGN_IN, timestamp=1.0), media(EXPIRED, "JPEG", timestamp=65.0))
    first, second = answer.text.split("\n\n1:05\n\n")
    assert first.startswith("0:01\n\nSign in")
    assert second.endswith("Session expired")


def test_a_prompt_gets_the_text_and_a_notice(read):
    answer = read(media(SIGN_IN), prompt="What does the user do?")
    assert answer.text.startswith("Sign in")
    assert answer.warnings[0].startswith("on_device reads text and does not reason")


def test_a_damaged_image_is_an_error(read):
    with pytest.raises(CorruptMedia):
        read(Media(modality="image", mime_type="image/png", data=b"\x89PNG\r\n\x1a\n nonsense"))


# --- recordings ----------------------------------------------------------------------------------

TYPES = {
    "video/mp4": ("mp4", "libx264", None),
    "video/quicktime": ("mov", "libx264", None),
    "video/webm": ("webm", "libvpx", None),
    "video/x-matroska": ("mkv", "libx264", None),
    "video/x-msvideo": ("avi", "mpeg4", None),
    "video/mpeg": ("mpg", "mpeg2video", None),
    "video/mp2t": ("ts", "libx264", "mpegts"),
    "video/3gpp": ("3gp", "mpeg4", None),
    "video/x-flv": ("flv", "flv", None),
    "video/x-ms-asf": ("asf", "wmv2", "asf"),
    "video/x-ms-wmv": ("wmv", "wmv2", "asf"),
    "video/ogg": ("ogv", "libvpx", "ogg"),
}


@pytest.mark.parametrize("mime_type", TYPES)
def test_every_declared_type_of_recording_is_read(read, tmp_path, mime_type):
    suffix, codec, container = TYPES[mime_type]
    shot = page((30, 40, "Session expired"), size=(320, 120))
    video = record(
        tmp_path / f"a.{suffix}", [(0, shot)], 0.4, fps=25, codec=codec, container=container
    )
    assert "Session expired" in read(video).text


def test_every_declared_type_is_tried(provider):
    assert set(TYPES) == set(provider.video.mime_types)


def test_a_message_that_came_and_went_is_told_with_its_time(read, tmp_path):
    video = record(tmp_path / "a.mp4", [(0, SIGN_IN), (2, EXPIRED), (4, SIGN_IN)], 6)
    answer = read(video)
    assert answer.text == (
        "0:00–0:06  Sign in\n0:00–0:06  E-mail address\n\n0:02–0:04  Session expired"
    )
    (message,) = (it for it in answer.lines if it.text == "Session expired")
    assert abs(message.start - 2) <= 0.3
    assert abs(message.end - 4) <= 0.3
    assert 210 < message.box.top < 225


def test_a_part_of_a_recording_keeps_the_recording_s_time(read, tmp_path):
    video = record(tmp_path / "a.mp4", [(0, SIGN_IN), (2, EXPIRED), (4, SIGN_IN)], 6)
    answer = read(video, start=2.5, end=5)
    assert "0:02–0:04  Session expired" in answer.text
    assert {it.end for it in answer.lines if it.text == "Sign in"} == {5}


def test_looking_more_often_sees_what_is_short(read, tmp_path):
    video = record(tmp_path / "a.mp4", [(0, SIGN_IN), (1.1, EXPIRED), (1.2, SIGN_IN)], 3, fps=20)
    assert "Session expired" not in read(video, fps=1).text
    assert "Session expired" in read(video, fps=20).text


def test_bytes_in_memory_are_read(read, tmp_path):
    data = record(tmp_path / "a.mp4", [(0, SIGN_IN)], 0.3).read()
    answer = read(Media(modality="video", mime_type="video/mp4", data=data, size=len(data)))
    assert "Sign in" in answer.text


def test_a_damaged_recording_is_read_as_far_as_it_goes(read, tmp_path):
    video = record(tmp_path / "a.mov", [(0, SIGN_IN)], 1, codec="png", pixels="rgb24")
    whole = bytearray(video.read())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = bytes(2000)
    (tmp_path / "a.mov").write_bytes(whole)
    answer = read(video)
    assert "Sign in" in answer.text
    assert answer.warnings[0].startswith("The recording cannot be read to its end: ")


def test_what_is_no_recording_is_an_error(read):
    with pytest.raises(CorruptMedia):
        read(Media(modality="video", mime_type="video/mp4", data=b"nonsense" * 99))


def test_a_recording_without_text_says_so(read, tmp_path):
    video = record(tmp_path / "a.mp4", [(0, Image.new("RGB", (320, 240), "navy"))], 0.5)
    assert read(video).text == "No readable text found in 1 screen."


# --- the package ---------------------------------------------------------------------------------

HEAVY = {"PIL", "av", "cv2", "numpy", "onnxruntime", "rapidocr"}


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, mediasense_on_device; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_only_the_engine_knows_the_engine():
    modules = Path(mediasense_on_device.__file__).parent.glob("*.py")
    knowing = {
        module.name
        for module in modules
        if re.search(r"^\s*(import|from) (cv2|onnxruntime|rapidocr)\b", module.read_text(), re.M)
    }
    assert knowing == {"engine.py"}
