"""From a file to an answer: what fake services are really sent, and what is told of it."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    Analysis,
    Answer,
    AudioLimits,
    AuthenticationError,
    Box,
    ConnectionFailed,
    ContentBlocked,
    Credentials,
    ImageLimits,
    InvalidAnswer,
    MediaTooLarge,
    MissingCredentials,
    PermissionDenied,
    PluginError,
    Provider,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    Segment,
    ServerError,
    TextLimits,
    TextLine,
    Timeout,
    UnknownModel,
    UnsupportedMedia,
    UnsupportedModality,
    Usage,
    UsageError,
    VideoLimits,
    Word,
)
from mediasense.dispatch import Dispatcher
from mediasense.errors import MediaRejected, RequestTooLarge
from mediasense.media.keyframes import ChosenFrame
from mediasense.media.recordings import inspect_recording
from mediasense.parts.frames import grouped, thinned
from mediasense.planning.frames import arrange
from mediasense.planning.plans import FrameWork
from mediasense.prompts import UNHEARD
from mediasense.steps import clock
from mediasense.types import Media, Question, Request

JPEG = ImageLimits(mime_types=("image/jpeg",))
VIDEO = VideoLimits(mime_types=("video/mp4",), hears=True)
EAR = AudioLimits(mime_types=("audio/flac", "audio/wav"), transcribes=True, timestamps=True)
WRITES = TextLimits()


# --- real media ----------------------------------------------------------------------------------


def screen(number: int, size: tuple[int, int]):
    """A screen that looks like no other: blocks of random gray."""
    import numpy as np

    blocks = np.random.default_rng(number).integers(0, 256, (size[1] // 20, size[0] // 20))
    gray = np.kron(blocks, np.ones((20, 20))).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def write_screens(
    path: Path,
    screens: int = 3,
    *,
    each: float = 2.0,
    spoken: tuple[tuple[float, float], ...] | None = None,
    heard: float | None = None,
    fps: int = 5,
    size: tuple[int, int] = (320, 240),
    noise: bool = False,
    place: str | None = None,
) -> Path:
    """Screens that stand so many seconds each, with sound in the given seconds."""
    import av
    import numpy as np

    seconds = screens * each
    with av.open(str(path), "w") as container:
        if place is not None:
            container.metadata["location"] = place
        codec = {"preset": "ultrafast", "crf": "10" if noise else "28"}
        video = container.add_stream("libx264", rate=fps, options=codec)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.gop_size = fps
        audio = None
        if spoken is not None:
            audio = container.add_stream("aac", rate=16000, layout="mono")
        chance = np.random.default_rng(0)
        for index in range(int(seconds * fps)):
            picture = screen(int(index / fps / each), size)
            if noise:
                picture = chance.integers(0, 256, picture.shape, dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            samples = speech(heard or seconds, spoken)
            frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
            frame.sample_rate = 16000
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def speech(seconds: float, spoken: tuple[tuple[float, float], ...]):
    """Sound at 16 kHz that is heard in some seconds."""
    import numpy as np

    samples = np.zeros(int(seconds * 16000), np.int16)
    for start, end in spoken:
        at = np.arange(int(start * 16000), int(end * 16000))
        samples[at[0] : at[-1] + 1] = np.sin(at / 8) * 8000
    return samples


def write_talk(path: Path, seconds: float, *spoken: tuple[float, float]) -> Path:
    import wave

    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(speech(seconds, spoken).tobytes())
    return path


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> dict[str, Path]:
    """Recordings that were made already."""
    return {"": tmp_path_factory.mktemp("kept")}


@pytest.fixture
def screens(tmp_path, kept) -> Callable[..., Path]:
    """Make a recording, or copy one that was made already."""

    def make(count: int = 3, *, name: str = "screens.mp4", **options) -> Path:
        key = f"{count} {Path(name).suffix} {sorted(options.items())}"
        if key not in kept:
            path = kept[""] / f"{len(kept)}{Path(name).suffix}"
            kept[key] = write_screens(path, count, **options)
        return Path(shutil.copy(kept[key], tmp_path / name))

    return make


@pytest.fixture
def talk(tmp_path) -> Callable[..., Path]:
    def make(seconds: float, *spoken: tuple[float, float]) -> Path:
        return write_talk(tmp_path / "talk.wav", seconds, *spoken)

    return make


# --- services that remember ----------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call as it arrived, with the bytes that were there then."""

    hook: str
    request: Request
    media: tuple[Media, ...]
    data: tuple[bytes, ...]

    @property
    def prompt(self) -> str:
        return self.request.prompt or ""

    @property
    def times(self) -> list[float | None]:
        return [item.timestamp for item in self.media]


Says = Callable[[Call], Answer]

HOOKS = {
    "looks": "analyze_image",
    "watches": "analyze_video",
    "hears": "analyze_audio",
    "writes": "generate",
}


@dataclass
class Wire:
    """Plugins whose calls are remembered, in order of arrival."""

    calls: list[Call] = field(default_factory=list)

    def plugin(self, *providers: Provider, **says: Says):
        """Hook functions of a plugin that looks, watches, hears and writes as told."""
        hooks = {"capabilities": lambda: providers}
        for verb, hook in HOOKS.items():
            hooks[hook] = self._hook(hook, says.get(verb, said))
        return hooks

    def _hook(self, name: str, says: Says):
        def hook(request):
            single = (getattr(request, kind, None) for kind in ("video", "audio"))
            media = getattr(request, "images", None) or tuple(m for m in single if m)
            data = tuple(m.read() for m in media if m.uri is None)
            call = Call(name, request, media, data)
            self.calls.append(call)
            return says(call)

        return hook

    def to(self, hook: str) -> list[Call]:
        return [call for call in self.calls if call.hook == hook]

    @property
    def hooks(self) -> list[str]:
        return [call.hook for call in self.calls]


def said(call: Call) -> Answer:
    return Answer(text=f"said by {call.hook}", model="m", usage=Usage(input_tokens=100))


def always(text: str, model: str = "m", **facts) -> Says:
    """Answer the same whatever is asked."""

    def answer(call: Call) -> Answer:
        return Answer(text=text, model=model, **facts)

    return answer


def heard_at_the_end(call: Call) -> Answer:
    """One segment: the last half second of what was sent."""
    seconds = call.media[0].seconds
    segment = Segment(start=seconds - 0.5, end=seconds, text="the end")
    return Answer(text="the end", model="ear", segments=(segment,))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def one(load, acme, wire) -> Callable[..., Dispatcher]:
    """A dispatcher over one service that takes what is given, and answers as told."""

    def make(*, image=None, video=None, audio=None, text=None, **says) -> Dispatcher:
        provider = acme(image=image, video=video, audio=audio, text=text)
        return Dispatcher(load(acme=wire.plugin(provider, **says)))

    return make


@pytest.fixture
def service(acme) -> Callable[..., Provider]:
    """Another provider, with nothing but what is given."""

    def make(name: str, **limits) -> Provider:
        nothing = {"image": None, "default_model": f"{name}-model"}
        return acme(f"https://{name}.example", name=name, **{**nothing, **limits})

    return make


def ask(dispatcher: Dispatcher, *sources, expected=None, **asked) -> Analysis:
    question = Question(**{"provider": "acme", **asked})
    return dispatcher.analyze(sources, question, expected=expected)


def opened(data: bytes):
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


# --- frames --------------------------------------------------------------------------------------


def test_each_screen_is_sent_with_its_time_and_the_reason_is_told(one, wire, screens):
    analysis = ask(one(image=JPEG), screens(3), prompt="What happens?")
    (call,) = wire.calls
    assert call.times == [f.timestamp for f in analysis.frames]
    for time in (0, 2, 4):
        assert any(abs(sent - time) < 0.3 for sent in call.times)
    assert call.prompt.startswith("What happens?")
    assert all(clock(time) in call.prompt for time in call.times)
    reasons = [frame.reason for frame in analysis.frames]
    assert (reasons[0], reasons[1], reasons[-1]) == ("first", "new screen", "last")
    assert {opened(data).format for data in call.data} == {"JPEG"}
    assert {opened(data).size for data in call.data} == {(320, 240)}
    assert (analysis.strategy, analysis.warnings, analysis.left_out) == ("frames", (), ())


def test_frames_become_png_where_only_that_is_taken(one, wire, screens):
    ask(one(image=ImageLimits(mime_types=("image/png",), max_side=100)), screens(2))
    for media, data in zip(wire.calls[0].media, wire.calls[0].data, strict=True):
        picture = opened(data)
        assert (picture.format, media.mime_type) == ("PNG", "image/png")
        assert max(picture.size) <= 100


def test_a_part_of_a_recording_has_its_own_times(one, wire, screens):
    ask(one(image=JPEG), screens(4), start=3.0, end=7.0)
    times = wire.calls[0].times
    assert min(times) == pytest.approx(3.0, abs=0.3)
    assert max(times) <= 7.0


def test_so_many_frames_are_sent_as_are_asked_for(one, wire, screens):
    analysis = ask(one(image=JPEG), screens(4), frames=2)
    assert len(wire.calls[0].media) == len(analysis.frames) == 2
    (left,) = analysis.left_out
    assert "frames worth sending were left out; raise --frames" in left.words
    assert left.channels == ("picture",)
    assert left.words in analysis.warnings


def test_a_frame_each_so_many_seconds(one, wire, screens):
    analysis = ask(one(image=JPEG), screens(3), every=1.5)
    assert wire.calls[0].times == pytest.approx([0, 1.4, 3, 4.4], abs=0.21)
    assert {frame.reason for frame in analysis.frames} == {"asked"}
    assert analysis.steps[0].words == "4 frames, one each 1.5 s, up to 320 x 240"
    assert analysis.left_out == ()


def test_regular_frames_that_are_too_many_are_told_with_the_true_interval(one, screens):
    analysis = ask(one(image=JPEG), screens(3), every=0.5, frames=4)
    assert len(analysis.frames) == 4
    assert analysis.steps[0].words == "4 frames, one each 1.93 s, up to 320 x 240"
    (left,) = analysis.left_out
    assert left.words.startswith("8 of 12 frames asked for are left out: one each 2 s is sent")
    assert left.words.endswith("; raise --frames")
    assert left.words in analysis.warnings


def test_more_frames_are_not_offered_where_a_call_takes_no_more(one, screens):
    few = ImageLimits(mime_types=("image/jpeg",), max_items=2, max_side=100)
    analysis = ask(one(image=few), screens(4))
    (left,) = analysis.left_out
    assert left.words.endswith("frames worth sending were left out")


def test_how_frames_were_found_is_told(one, screens):
    words = ask(one(image=JPEG), screens(3)).steps[0].words
    assert "; found in " in words


# --- what is said beside the frames --------------------------------------------------------------


def test_what_is_said_stands_beside_the_frames_with_true_times(one, wire, screens):
    """The silence between is not sent, and yet the times are those of the recording."""
    path = screens(4, spoken=((0.0, 1.5), (6.5, 8.0)))
    analysis = ask(one(image=JPEG, audio=EAR, hears=heard_at_the_end), path, prompt="What?")
    heard, looked = wire.calls
    assert heard.media[0].seconds < 5
    (segment,) = analysis.segments
    assert (segment.start, segment.end) == pytest.approx((7.5, 8.0), abs=0.2)
    assert f"[{clock(segment.start)}-{clock(segment.end)}] the end" in looked.prompt
    assert UNHEARD not in looked.prompt
    assert (heard.request.prompt, heard.media[0].modality) == (None, "audio")
    assert (analysis.strategy, analysis.text) == ("frames", "said by analyze_image")
    assert [step.action for step in analysis.steps] == [
        "extract",
        "transcribe",
        "choose frames",
        "ask",
    ]
    assert "s of silence left out" in analysis.steps[0].words
    assert analysis.usage.input_tokens == 100


def test_another_provider_gets_the_sound_alone_and_nothing_that_is_not_its_own(
    load, acme, service, wire, screens, monkeypatch
):
    monkeypatch.setenv("EYE_KEY", "key-of-the-eye")
    eye = acme(image=JPEG, access_options=("project",))
    ear = service("ear", audio=EAR, credentials=Credentials(variables=("EAR_KEY",)))
    dispatcher = Dispatcher(load(eye=wire.plugin(eye), ear=wire.plugin(ear)))
    access = Access(base_url="https://proxy.example", api_key_env="EYE_KEY", project="mine")
    path = screens(2, spoken=((0.0, 4.0),), name="secret plans.mp4")
    analysis = ask(
        dispatcher,
        path,
        prompt="What?",
        audio_provider="ear",
        access=access,
        model="eye-2",
        temperature=None,
    )
    heard, looked = wire.calls
    assert heard.request.provider == ear
    assert heard.request.access == Access()
    assert heard.request.model == "ear-model"
    assert [item.modality for item in heard.media] == ["audio"]
    assert (heard.request.prompt, heard.request.language) == (None, None)
    assert (looked.request.provider, looked.request.access) == (eye, access)
    assert looked.request.model == "eye-2"
    assert analysis.provider == "acme"
    assert [(step.action, step.provider) for step in analysis.steps if step.calls] == [
        ("transcribe", "ear"),
        ("ask", "acme"),
    ]


@pytest.mark.parametrize("prompt", [None, "What?"])
def test_who_is_named_twice_is_reached_the_same_way_twice(one, wire, screens, prompt):
    access = Access(base_url="https://proxy.example", api_key_env="EYE_KEY")
    asked = {"access": access, "audio_provider": "acme", "prompt": prompt}
    dispatcher = one(image=JPEG, audio=EAR, text=WRITES)
    path = screens(2, spoken=((0.0, 4.0),))
    ask(dispatcher, path, **asked)
    ask(dispatcher, path, expected="audio", **asked)
    assert len(wire.calls) == (4 if prompt else 3)
    assert {call.request.access for call in wire.calls} == {access}


def test_the_model_that_hears_is_the_one_that_is_named(
    load, acme, service, wire, screens, monkeypatch
):
    monkeypatch.setenv("ACME_KEY", "key-of-the-eye")
    eye, ear = acme(image=JPEG), service("ear", audio=EAR)
    dispatcher = Dispatcher(load(eye=wire.plugin(eye), ear=wire.plugin(ear)))
    path = screens(2, spoken=((0.0, 4.0),))
    ask(dispatcher, path, audio_provider="ear", audio_model="ear-2", language=None)
    assert [call.request.model for call in wire.calls] == ["ear-2", "acme-eye"]


def test_sound_that_nobody_hears_is_told_to_everybody(one, wire, screens):
    analysis = ask(one(image=JPEG), screens(2, spoken=((0.0, 4.0),)), prompt="What?")
    assert UNHEARD in wire.calls[0].prompt
    (left,) = analysis.left_out
    assert left.words.startswith("the sound was not heard: acme does not take sound")
    assert "add --audio-provider NAME" in left.words
    assert left.channels == ("sound",)
    assert left.words in analysis.warnings


def test_of_a_recording_without_sound_nothing_is_said_about_sound(one, wire, screens):
    analysis = ask(one(image=JPEG, audio=EAR), screens(2))
    assert wire.hooks == ["analyze_image"]
    assert UNHEARD not in wire.calls[0].prompt
    assert (analysis.left_out, analysis.warnings) == ((), ())


def test_a_silent_recording_costs_no_call(one, wire, screens):
    analysis = ask(one(image=JPEG, audio=EAR), screens(3, spoken=()))
    assert wire.hooks == ["analyze_image"]
    assert "Nothing is said in the recording meanwhile." in wire.calls[0].prompt
    assert "the recording is silent: nothing was sent to be written down" in analysis.warnings
    assert analysis.segments == ()


def test_a_transcript_without_times_is_told_all_the_same(one, wire, screens):
    path = screens(2, spoken=((0.0, 4.0),))
    hears = always("good morning", model="ear")
    analysis = ask(one(image=JPEG, audio=EAR, hears=hears), path)
    assert "] good morning" in wire.calls[1].prompt
    assert analysis.segments == ()


def test_who_answers_about_sound_without_writing_it_down_is_asked_to(one, wire, screens):
    answers = AudioLimits(mime_types=("audio/wav",), answers=True)
    ask(one(image=JPEG, audio=answers), screens(2, spoken=((0.0, 4.0),)), prompt="What?")
    assert wire.calls[0].prompt.startswith("Write down word for word")
    assert "said by analyze_audio" in wire.calls[1].prompt


def with_subtitles(path: Path, *cues: tuple[float, float, str]) -> Path:
    """The same recording as Matroska with a text track."""
    from fractions import Fraction

    import av

    target = path.with_suffix(".mkv")
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in source.streams}
        text = out.add_mux_stream("subrip")
        text.time_base = Fraction(1, 1000)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
        for start, end, words in cues:
            packet = av.Packet(words.encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = round((end - start) * 1000)
            out.mux(packet)
    return target


def test_its_own_subtitles_cost_no_call(one, wire, screens):
    path = with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0.5, 1.5, "hello"), (2, 3, "world"))
    analysis = ask(one(image=JPEG, audio=EAR), path, subtitles="prefer", prompt="What?")
    assert wire.hooks == ["analyze_image"]
    assert "[0:00.5-0:01.5] hello\n[0:02.0-0:03.0] world" in wire.calls[0].prompt
    assert [s.text for s in analysis.segments] == ["hello", "world"]
    assert [step.action for step in analysis.steps] == ["subtitles", "choose frames", "ask"]


def test_subtitles_are_told_beside_a_video_that_is_heard(one, wire, screens):
    path = with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0.5, 1.5, "hello"))
    analysis = ask(one(video=VIDEO, image=JPEG), path, subtitles="prefer", prompt="What?")
    assert "[0:00.5-0:01.5] hello" in wire.calls[0].prompt
    assert analysis.steps[0].action == "subtitles"


def test_subtitles_are_a_transcript_that_costs_no_call(one, wire, screens):
    path = with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0.5, 1.5, "hello"))
    analysis = ask(one(audio=EAR), path, expected="audio", subtitles="prefer")
    assert (wire.calls, analysis.text, analysis.strategy) == ([], "hello", "transcript")
    assert [s.text for s in analysis.segments] == ["hello"]


def test_paying_where_subtitles_are_preferred_is_no_surprise(one, wire, talk):
    analysis = ask(one(audio=EAR), talk(1.0, (0.0, 1.0)), subtitles="prefer")
    assert wire.hooks == ["analyze_audio"]
    assert "the recording has no subtitles" in analysis.warnings


def test_subtitles_are_not_taken_unasked(one, wire, screens):
    path = with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0.5, 1.5, "hello"))
    ask(one(image=JPEG, audio=EAR), path)
    assert wire.hooks == ["analyze_audio", "analyze_image"]


# --- several calls -------------------------------------------------------------------------------

TWO = ImageLimits(mime_types=("image/jpeg",), max_items=2)
SINGLE = ImageLimits(mime_types=("image/jpeg",), max_items=1)


def numbered(call: Call) -> Answer:
    return Answer(text=f"seen at {call.times}", model="m", usage=Usage(input_tokens=10))


def test_several_calls_are_joined_and_each_is_told_its_part(one, wire, screens):
    analysis = ask(one(image=TWO, text=WRITES, looks=numbered), screens(5), prompt="What?", jobs=1)
    *looked, joined = wire.calls
    assert len(looked) >= 3
    assert {call.hook for call in looked} == {"analyze_image"}
    times = [time for call in looked for time in call.times]
    assert times == sorted(set(times)) == [frame.timestamp for frame in analysis.frames]
    for number, call in enumerate(looked, 1):
        assert f"This is part {number} of {len(looked)} of a recording, from " in call.prompt
        assert "Give times from the start of the whole recording." in call.prompt
        assert all(clock(time) in call.prompt for time in call.times)
    assert joined.hook == "generate"
    assert joined.prompt.startswith("What?\n\n")
    answers = [f"seen at {call.times}" for call in looked]
    assert [joined.prompt.index(answer) for answer in answers] == sorted(
        joined.prompt.index(answer) for answer in answers
    )
    assert (analysis.text, analysis.strategy) == ("said by generate", "segments")
    assert analysis.usage.input_tokens == 10 * len(looked) + 100
    asked, join = analysis.steps[-2:]
    assert (asked.action, asked.calls, asked.images) == ("ask", len(looked), len(times))
    assert (join.action, join.calls, join.tokens) == ("join", 1, 100)


def test_the_parts_leave_no_gap(one, wire, screens):
    ask(one(image=TWO, text=WRITES), screens(5), jobs=1)
    import re

    bounds = [
        re.search(r"from (\S+) to (\S+)\.", call.prompt).groups()
        for call in wire.to("analyze_image")
    ]
    assert bounds[0][0] == "0:00.0"
    assert bounds[-1][1] == "0:10.0"
    assert all(before[1] == after[0] for before, after in pairwise(bounds))


def test_calls_at_once_are_put_together_in_order(one, wire, screens):
    path = screens(5)
    dispatcher = one(image=TWO, text=WRITES, looks=numbered)
    ask(dispatcher, path, jobs=1)
    ask(dispatcher, path, jobs=4)
    one_by_one, at_once = wire.to("generate")
    assert one_by_one.prompt == at_once.prompt


def test_a_frame_at_a_time_is_told_what_was_found_on_the_one_before(one, wire, screens):
    analysis = ask(
        one(image=SINGLE, text=WRITES, looks=numbered), screens(3), every=2.0, prompt="What?"
    )
    *looked, _ = wire.calls
    assert [len(call.media) for call in looked] == [1, 1, 1]
    assert "the frame before" not in looked[0].prompt
    for before, call in pairwise(looked):
        note = f"Found on the frame before this one:\n\nseen at {before.times}"
        assert note in call.prompt
    assert (analysis.strategy, analysis.text) == ("frame_by_frame", "said by generate")


def test_a_new_screen_is_not_told_of_the_one_before_and_not_waited_for(one, wire, screens):
    together = threading.Barrier(2, timeout=20)

    def looks(call: Call) -> Answer:
        if call.times[0] in (0.0, 2.0):
            together.wait()
        return numbered(call)

    ask(one(image=SINGLE, text=WRITES, looks=looks), screens(3))
    fresh = [call for call in wire.to("analyze_image") if call.times[0] in (0.0, 2.0)]
    assert len(fresh) == 2
    assert all("the frame before" not in call.prompt for call in fresh)


def test_who_cannot_join_gets_contact_sheets(one, wire, screens):
    analysis = ask(one(image=TWO), screens(6, each=1.5), prompt="What?")
    (call,) = wire.calls
    assert len(call.media) <= 2
    assert len(analysis.frames) >= 6
    assert all(clock(frame.timestamp) in call.prompt for frame in analysis.frames)
    assert "one sheet, 2 in a row" in call.prompt or "one sheet, 3 in a row" in call.prompt
    assert analysis.left_out == ()
    assert "contact sheets" in analysis.steps[0].words
    assert analysis.strategy == "frames"


def test_the_parts_of_an_answer_in_json_are_notes(one, wire, screens):
    limits = ImageLimits(mime_types=("image/jpeg",), max_items=2, options=("json_schema",))
    written = TextLimits(options=("json_schema",))
    writes = always('{"a": 1}', model="m")
    dispatcher = one(image=limits, text=written, writes=writes)
    analysis = ask(dispatcher, screens(4), json_schema='{"type": "object"}')
    *looked, joined = wire.calls
    assert {call.request.json_schema for call in looked} == {None}
    assert joined.request.json_schema == '{"type": "object"}'
    assert analysis.data == {"a": 1}


def test_the_first_part_that_fails_ends_it(one, wire, screens):
    def looks(call: Call) -> Answer:
        raise RateLimited("slow down")

    with pytest.raises(RateLimited, match="slow down"):
        ask(one(image=TWO, text=WRITES, looks=looks), screens(6), jobs=1)
    assert len(wire.calls) == 1


# --- sound ---------------------------------------------------------------------------------------

TALK = ((0.0, 2.0), (2.6, 5.0), (5.6, 8.0))


def pieces_of(limits: AudioLimits, talk, one, wire, **asked) -> Analysis:
    return ask(one(audio=limits, hears=heard_at_the_end), talk(8.0, *TALK), **asked)


@pytest.mark.parametrize(
    "limits",
    [
        AudioLimits(mime_types=("audio/wav",), transcribes=True, timestamps=True, max_seconds=4.0),
        AudioLimits(
            mime_types=("audio/wav",), transcribes=True, timestamps=True, max_bytes=128_000
        ),
        AudioLimits(
            mime_types=("audio/flac", "audio/mpeg"),
            transcribes=True,
            timestamps=True,
            max_seconds=4.0,
        ),
    ],
    ids=["seconds", "bytes", "flac"],
)
def test_a_long_sound_is_cut_and_joined_with_true_times(one, wire, talk, limits):
    analysis = pieces_of(limits, talk, one, wire)
    assert len(wire.calls) >= 2
    for call in wire.calls:
        assert call.media[0].mime_type in limits.mime_types
        assert call.media[0].seconds <= (limits.max_seconds or 100)
        assert len(call.data[0]) <= (limits.max_bytes or 10**9)
    ends = [segment.end for segment in analysis.segments]
    lengths = sorted(call.media[0].seconds for call in wire.calls)
    assert ends == sorted(ends)
    assert sum(lengths) == pytest.approx(8.0, abs=0.1)
    assert ends[-1] == pytest.approx(8.0, abs=0.1)
    assert analysis.text == "\n".join(["the end"] * len(wire.calls))
    assert analysis.strategy == "transcript"
    extract, transcribe = analysis.steps
    assert (transcribe.calls, extract.bytes) == (len(wire.calls), transcribe.bytes)


def test_a_sound_that_fits_is_sent_byte_for_byte(one, wire, talk):
    path = talk(2.0, (0.0, 2.0))
    analysis = ask(one(audio=EAR), path)
    assert wire.calls[0].data == (path.read_bytes(),)
    assert [step.action for step in analysis.steps] == ["transcribe"]


def test_a_part_of_a_sound_is_cut_out_here_and_its_times_are_true(one, wire, talk):
    analysis = ask(one(audio=EAR, hears=heard_at_the_end), talk(8.0, *TALK), start=3.0, end=7.0)
    assert wire.calls[0].media[0].seconds == pytest.approx(4.0, abs=0.05)
    assert wire.calls[0].request.start is None
    assert analysis.segments[0].end == pytest.approx(7.0, abs=0.05)


def test_a_part_of_a_sound_is_left_to_who_can(one, wire, talk):
    path = talk(2.0, (0.0, 2.0))
    limits = AudioLimits(mime_types=("audio/wav",), transcribes=True, options=("start_end",))
    ask(one(audio=limits), path, start=0.5, end=1.5)
    assert wire.calls[0].data == (path.read_bytes(),)
    assert (wire.calls[0].request.start, wire.calls[0].request.end) == (0.5, 1.5)


def test_the_sound_of_a_video_is_written_down(one, wire, screens):
    analysis = ask(one(audio=EAR), screens(2, spoken=((0.0, 4.0),)), expected="audio")
    assert wire.calls[0].media[0].mime_type == "audio/flac"
    assert (analysis.strategy, analysis.text) == ("transcript", "said by analyze_audio")


def doubtful(call: Call) -> Answer:
    segments = (
        Segment(start=0, end=1, text="sure", confidence=0.9),
        Segment(start=1, end=2, text="perhaps", confidence=0.2),
        Segment(start=2, end=3, text="unknown"),
    )
    return Answer(text="sure perhaps unknown", model="ear", segments=segments)


def test_what_was_heard_with_doubt_is_left_out_where_that_is_asked_for(one, talk):
    dispatcher, path = one(audio=EAR, hears=doubtful), talk(3.0, (0.0, 3.0))
    analysis = ask(dispatcher, path, min_confidence=0.5)
    assert [s.text for s in analysis.segments] == ["sure", "unknown"]
    assert analysis.text == "sure unknown"
    assert "1 segments heard with a confidence below 0.5 were left out" in analysis.warnings
    assert ask(dispatcher, path).text == "sure perhaps unknown"


def test_a_confidence_of_zero_is_one(one, talk):
    hears = always("no", model="m", segments=(Segment(start=0, end=1, text="no", confidence=0.0),))
    analysis = ask(one(audio=EAR, hears=hears), talk(1.0, (0.0, 1.0)), min_confidence=0.5)
    assert analysis.segments == ()
    assert analysis.text == ""


def test_pieces_of_a_transcript_are_not_shown_where_some_will_be_left_out(load, service, talk):
    def analyze_audio(request, on_text):
        assert on_text is None
        return doubtful(None)

    ear = service(
        "ear", audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, streaming=True)
    )
    hooks = {"capabilities": lambda: (ear,), "analyze_audio": analyze_audio}
    pieces = []
    Dispatcher(load(ear=hooks)).analyze(
        (talk(3.0, (0.0, 3.0)),),
        Question(provider="ear", min_confidence=0.5),
        on_text=pieces.append,
    )
    assert pieces == ["sure unknown"]


def test_where_no_confidence_is_told_that_is_told(one, talk):
    analysis = ask(
        one(audio=EAR, hears=heard_at_the_end), talk(2.0, (0.0, 2.0)), min_confidence=0.5
    )
    (warning,) = analysis.warnings
    assert "the service tells no confidence" in warning


def test_times_that_nobody_tells_are_refused_before_anything_is_sent(one, wire, talk):
    limits = AudioLimits(mime_types=("audio/wav",), transcribes=True)
    with pytest.raises(UnsupportedModality, match="acme does not tell when things are said"):
        ask(one(audio=limits), talk(1.0, (0.0, 1.0)), timed=True)
    assert wire.calls == []


def test_a_transcript_that_is_wanted_with_times_and_has_none_is_told(one, talk):
    hears = always("hello", model="m")
    analysis = ask(one(audio=EAR, hears=hears), talk(2.0, (0.0, 2.0)), timed=True)
    assert analysis.segments == (Segment(start=0, end=2, text="hello"),)
    assert "acme told no times: each text stands for all that was sent" in analysis.warnings


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -5.0])
def test_times_that_are_none_do_no_harm(one, talk, odd):
    def hears(call: Call) -> Answer:
        segments = (Segment(start=odd, end=1, text="a"), Segment(start=1, end=odd, text="b"))
        return Answer(text="a b", model="m", segments=segments)

    analysis = ask(one(audio=EAR, text=WRITES, hears=hears), talk(2.0, (0.0, 2.0)), prompt="What?")
    assert [(s.start, s.end) for s in analysis.segments] == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("start", "end", "stands"),
    [
        (0.5, 1.5, (0.5, 1.5)),
        (-1.0, 9.0, (0.0, 2.0)),
        (1.5, 0.5, (1.5, 1.5)),
        (float("nan"), float("inf"), (0.0, 0.0)),
        (5.0, 6.0, (2.0, 2.0)),
    ],
)
def test_a_word_is_said_while_its_segment_is(one, talk, start, end, stands):
    word = Word(start=start, end=end, text="a")
    segment = Segment(start=0.0, end=2.0, text="a", words=(word,))
    hears = always("a", model="m", segments=(segment,))
    analysis = ask(one(audio=EAR, hears=hears), talk(2.0, (0.0, 2.0)))
    ((found,),) = (s.words for s in analysis.segments)
    assert (found.start, found.end) == stands


@pytest.mark.parametrize("words", [None, ("a",), (Word(start="0", end=1, text="a"),)])
def test_words_that_are_none_are_the_plugins_mistake(one, talk, words):
    segment = Segment(start=0.0, end=1.0, text="a", words=words)
    hears = always("a", model="m", segments=(segment,))
    with pytest.raises(PluginError, match="returned segments that are no Segments"):
        ask(one(audio=EAR, hears=hears), talk(1.0, (0.0, 1.0)))


@pytest.mark.parametrize("segments", [None, ("hello",), (Segment(start="0", end=1, text="a"),)])
def test_segments_that_are_none_are_the_plugins_mistake(one, talk, segments):
    hears = always("a", model="m", segments=segments)
    with pytest.raises(PluginError, match="returned segments that are no Segments"):
        ask(one(audio=EAR, hears=hears), talk(1.0, (0.0, 1.0)))


def test_a_part_behind_the_end_is_refused(one, wire, talk):
    with pytest.raises(UsageError, match="is behind the end"):
        ask(one(audio=EAR), talk(2.0, (0.0, 2.0)), start=5.0)
    assert wire.calls == []


def test_where_the_sound_has_ended_before_the_pictures_there_is_nothing_to_hear(one, wire, screens):
    limits = AudioLimits(mime_types=("audio/wav",), answers=True, transcribes=True)
    path = screens(3, spoken=((0.0, 2.0),), heard=2.0)
    analysis = ask(one(audio=limits), path, expected="audio", start=4.0)
    assert any("the recording is silent" in warning for warning in analysis.warnings)
    with pytest.raises(UnsupportedMedia, match="there is nothing to hear in that part"):
        ask(one(audio=limits), path, expected="audio", start=4.0, prompt="What?")
    assert wire.calls == []


def test_a_long_sound_is_asked_about_in_pieces(one, wire, talk):
    limits = AudioLimits(mime_types=("audio/wav",), answers=True, max_seconds=4.0)
    analysis = ask(one(audio=limits, text=WRITES), talk(8.0, *TALK), prompt="What?", jobs=1)
    *heard, joined = wire.calls
    assert len(heard) >= 2
    assert "part 1 of" in heard[0].prompt
    assert "Its own time 0:00 is" in heard[1].prompt
    assert joined.hook == "generate"
    assert analysis.strategy == "segments"


# --- video as video ------------------------------------------------------------------------------


def test_a_video_that_fits_is_sent_byte_for_byte(one, wire, screens):
    path = screens(2, spoken=((0.0, 4.0),))
    analysis = ask(one(video=VIDEO), path, prompt="What?")
    (call,) = wire.calls
    assert call.data == (path.read_bytes(),)
    assert call.prompt == "What?"
    assert (analysis.strategy, analysis.warnings, analysis.left_out) == ("native", (), ())


def test_the_place_where_a_video_was_made_is_not_sent(one, wire, screens):
    path = screens(2, spoken=((0.0, 4.0),), place="+52.5000+013.4000/")
    assert b"loci" in path.read_bytes()
    ask(one(video=VIDEO), path)
    (data,) = wire.calls[0].data
    assert b"loci" not in data
    assert played(data) == pytest.approx(4.0, abs=0.3)


def played(data: bytes) -> float:
    return inspect_recording(io.BytesIO(data), "it").facts.seconds


def test_another_container_is_copied_into_one_that_is_taken(one, wire, screens):
    path = screens(2, spoken=((0.0, 4.0),), name="screens.mkv")
    analysis = ask(one(video=VIDEO), path)
    assert wire.calls[0].media[0].mime_type == "video/mp4"
    assert played(wire.calls[0].data[0]) == pytest.approx(4.0, abs=0.3)
    assert [step.action for step in analysis.steps] == ["copy", "ask"]


def test_a_part_of_a_video_is_copied_out_and_told_when_it_begins(one, wire, screens):
    ask(one(video=VIDEO), screens(4, spoken=((0.0, 8.0),)), start=4.0, end=6.0)
    (call,) = wire.calls
    assert played(call.data[0]) == pytest.approx(2.0, abs=0.5)
    assert "Its own time 0:00 is 0:04.0 of the recording." in call.prompt
    assert (call.request.start, call.request.end) == (None, None)


def test_a_video_that_is_too_large_is_made_smaller(one, wire, screens):
    limits = VideoLimits(mime_types=("video/mp4",), hears=True, max_bytes=400_000)
    path = screens(2, each=1.5, noise=True, size=(320, 240), spoken=((0.0, 3.0),))
    assert path.stat().st_size > 400_000
    analysis = ask(one(video=limits), path)
    (call,) = wire.calls
    assert len(call.data[0]) <= 400_000
    assert played(call.data[0]) == pytest.approx(3.0, abs=0.5)
    assert any("made smaller first" in warning for warning in analysis.warnings)
    assert [step.action for step in analysis.steps] == ["encode", "ask"]
    assert analysis.steps[0].bytes == len(call.data[0])


def test_a_video_that_is_too_long_is_cut_into_clips_and_joined(one, wire, screens):
    limits = VideoLimits(mime_types=("video/mp4",), hears=True, max_seconds=4.0)
    path = screens(5, spoken=((0.0, 4.5), (5.5, 10.0)))
    analysis = ask(one(video=limits, text=WRITES), path, prompt="What?", jobs=1)
    *watched, joined = wire.calls
    assert len(watched) >= 3
    lengths = [played(call.data[0]) for call in watched]
    assert all(length <= 4.1 for length in lengths)
    assert sum(lengths) == pytest.approx(10.0, abs=0.5)
    assert "Its own time 0:00 is" in watched[1].prompt
    assert joined.hook == "generate"
    assert analysis.strategy == "segments"


def test_nothing_is_sent_to_the_one_while_the_key_of_the_other_is_missing(
    load, acme, service, wire, screens
):
    eye, ear = acme(image=JPEG), service("ear", audio=EAR)
    dispatcher = Dispatcher(load(eye=wire.plugin(eye), ear=wire.plugin(ear)))
    path = screens(2, spoken=((0.0, 4.0),))
    with pytest.raises(MissingCredentials, match="no key for acme"):
        ask(dispatcher, path, audio_provider="ear")
    assert wire.calls == []


SHORT = VideoLimits(mime_types=("video/mp4",), hears=True, max_seconds=2.5)


def test_a_part_that_comes_out_as_two_clips_is_within_the_plan(one, wire, screens):
    """It begins with the key frame before it, and is too long then."""
    dispatcher, path = one(video=SHORT, text=WRITES), screens(4)
    question = Question(provider="acme", start=3.5, end=5.9)
    (planned,) = [s for s in dispatcher.plan((path,), question).plan.steps if s.action == "ask"]
    analysis = dispatcher.analyze((path,), question)
    assert wire.hooks == ["analyze_video", "analyze_video", "generate"]
    assert (planned.calls, analysis.strategy) == (2, "segments")


def test_a_part_that_would_come_out_as_two_is_encoded_where_nothing_joins(one, wire, screens):
    analysis = ask(one(video=SHORT), screens(4), start=3.5, end=5.9)
    assert wire.hooks == ["analyze_video"]
    assert [step.action for step in analysis.steps] == ["encode", "ask"]


def test_a_part_that_comes_out_as_two_against_the_plan_becomes_frames(
    one, wire, screens, monkeypatch
):
    monkeypatch.setattr("mediasense.planning.videos._encoded", lambda *_: 10**12)
    limits = replace(SHORT, max_bytes=10**9)
    analysis = ask(one(video=limits, image=JPEG), screens(4), start=3.5, end=5.9)
    assert wire.hooks == ["analyze_image"]
    assert any("into 2 clips, not 1" in w and "(frames)" in w for w in analysis.warnings)


def test_a_video_that_a_model_only_sees_is_heard_by_another(
    load, acme, service, wire, screens, monkeypatch
):
    monkeypatch.setenv("ACME_KEY", "key-of-the-eye")
    blind = acme(image=None, video=VideoLimits(mime_types=("video/mp4",)))
    ear = service("ear", audio=EAR)
    dispatcher = Dispatcher(
        load(eye=wire.plugin(blind), ear=wire.plugin(ear, hears=heard_at_the_end))
    )
    ask(dispatcher, screens(2, spoken=((0.0, 4.0),)), audio_provider="ear", prompt="What?")
    heard, watched = wire.calls
    assert (heard.hook, watched.hook) == ("analyze_audio", "analyze_video")
    assert "] the end" in watched.prompt


# --- after a refusal -----------------------------------------------------------------------------


def refusing(refusal: str, *, when: Callable[[Call], bool] = bool, says=said) -> Says:
    def answer(call: Call) -> Answer:
        if when(call):
            raise MediaRejected("acme answered 400: no such media", status=400, refusal=refusal)
        return says(call)

    return answer


def test_answers_that_came_before_a_refusal_are_counted(one, wire, screens):
    """Three frames, one a call: the third is refused, when two are paid for."""
    says = refusing("type", when=lambda _: len(wire.to("analyze_image")) == 3)
    limits = ImageLimits(mime_types=("image/jpeg", "image/png"), max_items=1)
    dispatcher = one(image=limits, text=WRITES, looks=says)
    analysis = ask(dispatcher, screens(3), prompt="What?", jobs=1)
    answered = len(wire.calls) - 1
    assert analysis.usage.input_tokens == 100 * answered
    assert any("2 answers that came before" in warning for warning in analysis.warnings)


def test_a_video_that_is_refused_is_sent_as_frames(one, wire, screens):
    dispatcher = one(video=VIDEO, image=JPEG, watches=refusing("type"))
    analysis = ask(dispatcher, screens(2), prompt="What?")
    assert wire.hooks == ["analyze_video", "analyze_image"]
    assert (analysis.text, analysis.strategy) == ("said by analyze_image", "frames")
    assert any("it was asked in another way (frames)" in w for w in analysis.warnings)


@pytest.mark.parametrize("refusal", ["count", "size"])
def test_too_many_images_are_sent_in_halves(one, wire, screens, refusal):
    looks = refusing(refusal, when=lambda call: len(call.media) > 2)
    analysis = ask(one(image=JPEG, text=WRITES, looks=looks), screens(4), jobs=1)
    counts = [len(call.media) for call in wire.to("analyze_image")]
    assert counts[0] == len(analysis.frames) > 2
    taken = [call for call in wire.to("analyze_image") if len(call.media) <= 2]
    assert [t for call in taken for t in call.times] == [f.timestamp for f in analysis.frames]
    assert wire.hooks[-1] == "generate"
    assert any("were sent in halves" in warning for warning in analysis.warnings)


def test_halves_are_told_their_times_and_that_they_are_parts(one, wire, screens):
    looks = refusing("count", when=lambda call: len(call.media) > 1)
    ask(one(image=JPEG, text=WRITES, looks=looks), screens(3), every=2.0, jobs=1)
    taken = [call.prompt for call in wire.to("analyze_image") if len(call.media) == 1]
    assert all("This is one part of a recording, from " in prompt for prompt in taken)
    assert len(set(taken)) == 3


def test_images_in_halves_are_told_which_they_are(one, wire, make_image):
    limits = ImageLimits(mime_types=("image/png",))
    looks = refusing("count", when=lambda call: len(call.media) > 1)
    images = [make_image(size=(width, 20)) for width in (30, 31, 32)]
    ask(one(image=limits, text=WRITES, looks=looks), *images)
    taken = [call for call in wire.to("analyze_image") if len(call.media) == 1]
    assert [call.media[0].width for call in taken] == [30, 31, 32]
    assert ["Image 1: number 3 of 3." in call.prompt for call in taken] == [False, False, True]


def test_who_cannot_join_is_not_sent_halves(one, wire, screens):
    looks = refusing("count", when=lambda call: len(call.media) > 2)
    analysis = ask(one(image=JPEG, looks=looks), screens(4))
    assert len(wire.calls) <= 6
    assert analysis.strategy == "frames"
    assert "one sheet" in wire.calls[-1].prompt


def test_images_that_are_too_large_are_sent_smaller(one, wire, make_image):
    looks = refusing("size", when=lambda call: len(call.data[0]) > 60_000)
    photo = make_image("JPEG", (640, 480), quality=95)
    assert len(photo) > 120_000
    analysis = ask(one(image=JPEG, looks=looks), photo)
    sizes = [len(call.data[0]) for call in wire.calls]
    assert sizes == sorted(sizes, reverse=True)
    assert (len(sizes) <= 4, sizes[-1] <= 60_000) == (True, True)
    assert analysis.text == "said by analyze_image"
    assert analysis.warnings


def test_a_type_that_is_refused_is_sent_as_another(one, wire, make_image):
    limits = ImageLimits(mime_types=("image/webp", "image/png", "image/jpeg"))
    looks = refusing("type", when=lambda call: call.media[0].mime_type == "image/webp")
    ask(one(image=limits, looks=looks), make_image("WEBP"))
    _, second = wire.calls
    assert second.media[0].mime_type in ("image/jpeg", "image/png")
    assert opened(second.data[0]).format in ("JPEG", "PNG")


def test_a_sound_that_is_refused_is_sent_as_another_type(one, wire, talk):
    limits = AudioLimits(mime_types=("audio/wav", "audio/flac"), transcribes=True)
    hears = refusing("type", when=lambda call: call.media[0].mime_type == "audio/wav")
    ask(one(audio=limits, hears=hears), talk(2.0, (0.0, 2.0)))
    assert [call.media[0].mime_type for call in wire.calls] == ["audio/wav", "audio/flac"]


def test_a_sound_that_is_too_large_is_sent_in_pieces(one, wire, talk):
    hears = refusing("size", when=lambda call: len(call.data[0]) > 100_000, says=heard_at_the_end)
    limits = AudioLimits(mime_types=("audio/wav",), transcribes=True, timestamps=True)
    analysis = ask(one(audio=limits, hears=hears), talk(8.0, *TALK))
    taken = [call for call in wire.calls if len(call.data[0]) <= 100_000]
    assert analysis.text == "\n".join(["the end"] * len(taken))


def test_a_video_does_without_its_sound_where_that_is_refused(one, wire, screens):
    dispatcher = one(image=JPEG, audio=EAR, hears=refusing("type"))
    analysis = ask(dispatcher, screens(2, spoken=((0.0, 4.0),)))
    assert wire.hooks[-1] == "analyze_image"
    assert UNHEARD in wire.calls[-1].prompt
    assert any("the sound was not heard" in left.words for left in analysis.left_out)


def test_a_transcript_that_is_paid_for_is_not_made_again(one, wire, screens):
    dispatcher = one(
        video=VideoLimits(mime_types=("video/mp4",)),
        image=JPEG,
        audio=EAR,
        watches=refusing("type"),
        hears=heard_at_the_end,
    )
    path = with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0, 1, "x"))
    ask(dispatcher, path, subtitles="prefer")
    ask(dispatcher, path, audio_provider="acme")
    assert wire.hooks == [
        *("analyze_video", "analyze_image"),
        *("analyze_audio", "analyze_video", "analyze_image"),
    ]
    assert "] the end" in wire.calls[-1].prompt


def test_who_refuses_everything_is_asked_a_few_times_and_no_more(one, wire, screens, make_image):
    for refusal in ("type", "size", "count"):
        dispatcher = one(
            video=VIDEO, image=JPEG, text=WRITES, watches=refusing(refusal), looks=refusing(refusal)
        )
        for source in (screens(4), make_image("JPEG", (640, 480), quality=95)):
            wire.calls.clear()
            with pytest.raises(MediaRejected, match="no such media"):
                ask(dispatcher, source)
            assert len(wire.calls) <= 20


NO_STEP_DOWN = [
    AuthenticationError,
    ConnectionFailed,
    ContentBlocked,
    InvalidAnswer,
    PermissionDenied,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    ServerError,
    Timeout,
    UnknownModel,
]


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        *(("watches", kind) for kind in NO_STEP_DOWN),
        *(("looks", kind) for kind in (RateLimited, RequestRejected)),
        *(("hears", kind) for kind in (ServerError, RequestRejected)),
        ("writes", Timeout),
    ],
)
def test_after_any_other_failure_nothing_else_is_tried(one, wire, screens, talk, kind, where):
    failure = kind("it failed", hint="try again")

    def fails(call: Call) -> Answer:
        raise failure

    limits = {"image": JPEG, "audio": EAR, "text": WRITES}
    sources = {
        "watches": lambda: screens(1),
        "looks": lambda: screens(1),
        "hears": lambda: talk(1.0, (0.0, 1.0)),
        "writes": lambda: talk(1.0, (0.0, 1.0)),
    }
    if where == "watches":
        limits["video"] = VIDEO
    with pytest.raises(kind) as caught:
        ask(one(**limits, **{where: fails}), sources[where](), prompt="What?")
    assert caught.value is failure
    assert len(wire.to(HOOKS[where])) == 1
    assert wire.hooks[-1] == HOOKS[where]


def test_what_is_told_of_a_refusal_is_what_the_service_said(one, make_image):
    refused = RequestTooLarge("acme answered 413", hint="send a smaller file", refusal="size")

    def looks(call: Call) -> Answer:
        raise refused

    with pytest.raises(RequestTooLarge) as caught:
        ask(one(image=ImageLimits(mime_types=("image/png",)), looks=looks), make_image())
    assert caught.value is refused


# --- images --------------------------------------------------------------------------------------

PNG = ImageLimits(mime_types=("image/png",))


def picture_bytes(kind: str, mode: str = "RGB", size=(64, 48), **save) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.effect_noise(size, 64).convert("RGB").convert(mode)
    picture.save(buffer, kind, **save)
    return buffer.getvalue()


def rotated() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    return picture_bytes("JPEG", exif=exif)


def placed() -> bytes:
    """A photo that names where it was made."""
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    return picture_bytes("JPEG", exif=exif)


def heic() -> bytes:
    import pillow_heif
    from PIL import Image

    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.effect_noise((64, 48), 64).convert("RGB")).save(buffer)
    return buffer.getvalue()


def animation() -> bytes:
    from PIL import Image

    frames = [Image.new("RGB", (64, 48), (shade, 0, 0)) for shade in (0, 80, 160, 240)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=500)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_that_fits_is_sent_byte_for_byte(one, wire, kind):
    data = picture_bytes(kind)
    limits = ImageLimits(mime_types=("image/png", "image/jpeg"))
    analysis = ask(one(image=limits), data)
    assert wire.calls[0].data == (data,)
    assert [step.action for step in analysis.steps] == ["ask"]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        pytest.param(heic, (64, 48), id="heic"),
        pytest.param(lambda: picture_bytes("TIFF"), (64, 48), id="tiff"),
        pytest.param(lambda: picture_bytes("JPEG", "CMYK"), (64, 48), id="cmyk"),
        pytest.param(lambda: picture_bytes("PNG", "RGBA"), (64, 48), id="transparent"),
        pytest.param(lambda: picture_bytes("WEBP"), (64, 48), id="webp"),
        pytest.param(lambda: picture_bytes("BMP"), (64, 48), id="bmp"),
        pytest.param(rotated, (48, 64), id="rotated"),
    ],
)
@pytest.mark.parametrize("taken", ["image/png", "image/jpeg"])
def test_any_image_becomes_one_that_is_taken(one, wire, make, size, taken):
    analysis = ask(one(image=ImageLimits(mime_types=(taken,))), make())
    (call,) = wire.calls
    picture = opened(call.data[0])
    assert (picture.get_format_mimetype(), picture.size, picture.mode) == (taken, size, "RGB")
    assert call.media[0].mime_type == taken
    assert len(call.data[0]) == call.media[0].size
    assert [step.action for step in analysis.steps] == ["prepare", "ask"]
    assert analysis.steps[0].words.startswith("image 1: ")


def test_the_place_where_a_photo_was_made_is_not_sent(one, wire):
    photo = placed()
    assert b"Exif" in photo
    analysis = ask(one(image=JPEG), photo)
    (data,) = wire.calls[0].data
    assert b"Exif" not in data
    assert opened(data).tobytes() == opened(photo).tobytes()
    assert "metadata removed" in analysis.steps[0].words


def test_a_long_screenshot_is_sent_in_tiles_that_are_told(one, wire):
    data = picture_bytes("PNG", size=(300, 3000))
    limits = ImageLimits(mime_types=("image/png",), max_side=1000)
    ask(one(image=limits), data, prompt="What?")
    (call,) = wire.calls
    assert len(call.media) > 2
    assert all(max(opened(tile).size) <= 1000 for tile in call.data)
    for number in range(1, len(call.media) + 1):
        assert f"Image {number}: part {number} of {len(call.media)}" in call.prompt


def test_of_several_images_it_is_told_which_the_tiles_are_of(one, wire, make_image):
    limits = ImageLimits(mime_types=("image/png",), max_side=1000)
    ask(one(image=limits), make_image(), picture_bytes("PNG", size=(300, 3000)))
    assert "Image 1:" not in wire.calls[0].prompt
    assert "Image 2: part 1 of" in wire.calls[0].prompt
    assert "of image 2." in wire.calls[0].prompt


def test_an_animation_is_sent_as_frames_with_their_times(one, wire):
    ask(one(image=PNG), animation())
    (call,) = wire.calls
    assert len(call.media) == 4
    assert call.times == [0.0, 0.5, 1.0, 1.5]
    assert "Image 1: " in call.prompt


def test_frames_of_an_animation_that_are_not_sent_are_told(one, wire):
    limits = ImageLimits(mime_types=("image/png",), max_items=1)
    analysis = ask(one(image=limits), animation())
    assert len(wire.calls[0].media) == 1
    assert "3 of 4 frames of the image are left out" in analysis.warnings


def test_a_long_screenshot_is_looked_at_in_several_calls_where_each_takes_one(one, wire):
    data = picture_bytes("PNG", size=(300, 3000))
    limits = ImageLimits(mime_types=("image/png",), max_side=1000, max_items=1)
    analysis = ask(one(image=limits, text=WRITES), data, prompt="What?", jobs=1)
    looked = wire.to("analyze_image")
    assert len(looked) > 2
    assert "part 2 of" in looked[1].prompt
    assert wire.hooks[-1] == "generate"
    assert any("takes 1 image in one request" in w for w in analysis.warnings)


def test_more_images_than_a_request_holds_are_looked_at_in_several(one, wire, make_image):
    limits = ImageLimits(mime_types=("image/png",), max_items=2)
    images = [make_image(size=(width, 20)) for width in (30, 31, 32, 33, 34)]
    analysis = ask(one(image=limits, text=WRITES), *images, jobs=1)
    widths = [[m.width for m in call.media] for call in wire.to("analyze_image")]
    assert widths == [[30, 31], [32, 33], [34]]
    assert "Image 1: number 3 of 5.\nImage 2: number 4 of 5." in wire.calls[1].prompt
    assert wire.hooks[-1] == "generate"
    assert analysis.text == "said by generate"


def test_lines_read_in_several_calls_say_which_image_of_all(one, wire, make_image):
    box = Box(left=0, top=0, right=1, bottom=1)

    def looks(call: Call) -> Answer:
        single = len(call.media) == 1
        lines = tuple(
            TextLine(text=str(m.width), confidence=1, box=box, image=None if single else n)
            for n, m in enumerate(call.media, 1)
        )
        return Answer(text="read", model="m", lines=lines)

    limits = ImageLimits(mime_types=("image/png",), max_items=2, answers=False)
    images = [make_image(size=(width, 20)) for width in (31, 32, 33)]
    analysis = ask(one(image=limits, looks=looks), *images)
    assert [(line.text, line.image) for line in analysis.lines] == [("31", 1), ("32", 2), ("33", 3)]
    assert wire.hooks == ["analyze_image", "analyze_image"]


# --- what is left behind, and what is told -------------------------------------------------------


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("failure", [None, RateLimited("no"), KeyboardInterrupt(), KeyError("bug")])
@pytest.mark.parametrize("jobs", [1, 4])
def test_nothing_is_left_behind(one, wire, screens, temporary, failure, jobs):
    def looks(call: Call) -> Answer:
        assert list(temporary.iterdir())
        if failure is not None:
            raise failure
        return said(call)

    dispatcher = one(image=TWO, text=WRITES, audio=EAR, looks=looks)
    path = screens(3, spoken=((0.0, 6.0),))
    with contextlib.suppress(RateLimited, PluginError, KeyboardInterrupt):
        ask(dispatcher, path, jobs=jobs)
        assert failure is None
    assert wire.to("analyze_image")
    assert list(temporary.iterdir()) == []


def test_only_its_owner_can_look_into_the_folder(one, screens, temporary):
    def looks(call: Call) -> Answer:
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        return said(call)

    ask(one(image=JPEG, looks=looks), screens(1))


def test_a_plan_leaves_nothing_behind_and_asks_nobody(one, wire, screens, temporary):
    one(image=JPEG).plan((screens(1),), Question(provider="acme"))
    assert list(temporary.iterdir()) == []
    assert wire.calls == []


def test_the_name_of_a_file_is_never_sent(one, wire, screens, talk, tmp_path):
    dispatcher = one(image=JPEG, video=VIDEO, audio=EAR, text=WRITES)
    secret = screens(2, spoken=((0.0, 4.0),), name="secret.mp4")
    photo = tmp_path / "secret.tiff"
    photo.write_bytes(picture_bytes("TIFF"))
    ask(dispatcher, secret)
    ask(dispatcher, secret, frames=2)
    ask(dispatcher, secret, start=1.0)
    ask(dispatcher, photo)
    assert len(wire.calls) >= 5
    for call in wire.calls:
        assert "secret" not in call.prompt
        assert all("secret" not in item.filename for item in call.media)
        assert all(b"secret" not in data for data in call.data)


def test_a_recording_that_breaks_off_is_answered_with_a_warning(one, wire, screens, tmp_path):
    whole = screens(4, name="whole.mkv", spoken=((0.0, 8.0),)).read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole[: len(whole) * 6 // 10])
    analysis = ask(one(image=JPEG, audio=EAR), broken)
    assert analysis.text == "said by analyze_image"
    assert analysis.warnings
    assert max(wire.calls[-1].times) < 6.5


def test_the_times_of_an_answer_add_up(one, screens):
    timings = ask(one(image=TWO, text=WRITES), screens(3), jobs=4).timings
    assert timings.prepare > 0
    assert timings.provider > 0
    assert timings.prepare + timings.provider <= timings.total + 1e-9


def test_calls_at_once_are_waited_for_once(one, screens):
    """The clock stops only when the last of them is back."""
    together = threading.Barrier(2, timeout=20)

    def looks(call: Call) -> Answer:
        together.wait()
        threading.Event().wait(0.2)
        return said(call)

    timings = ask(one(image=TWO, text=WRITES, looks=looks), screens(4, each=1.0), jobs=2).timings
    assert 0.2 <= timings.provider <= timings.total


def told(steps) -> list[tuple]:
    return [(s.action, s.words, s.channels, s.start, s.end, s.provider, s.calls) for s in steps]


@pytest.mark.parametrize("case", ["native", "transcript", "images", "converted", "subtitles"])
def test_a_plan_and_an_answer_say_the_same_where_nothing_differs(one, screens, talk, case):
    dispatcher = one(image=JPEG, video=VIDEO, audio=EAR, text=WRITES)
    asked = {"provider": "acme"}
    sources = {
        "native": lambda: screens(2, spoken=((0.0, 4.0),)),
        "transcript": lambda: talk(2.0, (0.0, 2.0)),
        "images": lambda: picture_bytes("JPEG"),
        "converted": lambda: picture_bytes("TIFF"),
        "subtitles": lambda: with_subtitles(screens(2, spoken=((0.0, 4.0),)), (0, 1, "a")),
    }
    source = sources[case]()
    if case == "subtitles":
        asked |= {"subtitles": "prefer", "every": 1.0}
    question = Question(**asked)
    planned = told(dispatcher.plan((source,), question).plan.steps)
    done = told(dispatcher.analyze((source,), question).steps)
    if case == "subtitles":
        planned, done = [s for s in planned if s[0] == "subtitles"], done[:1]
    assert planned == done


def test_what_is_being_done_is_told(one, screens):
    seen: list[tuple[str, float | None]] = []
    dispatcher = one(image=JPEG, audio=EAR)
    dispatcher.analyze(
        (screens(2, spoken=((0.0, 4.0),)),),
        Question(provider="acme"),
        on_progress=lambda words, share: seen.append((words, share)),
    )
    words = list(dict.fromkeys(words for words, _ in seen))
    assert words == [
        "looking at the recording",
        "taking out the sound",
        "waiting for the transcript",
        "choosing frames",
        "waiting for the answer",
    ]
    assert all(share is None or 0 <= share <= 1 for _, share in seen)


def test_too_much_for_anybody_is_refused_before_it_is_sent(one, wire, screens):
    limits = VideoLimits(mime_types=("video/mp4",), max_bytes=1000)
    with pytest.raises(MediaTooLarge):
        ask(one(video=limits), screens(1))
    assert wire.calls == []


# --- frames parted into calls --------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    fresh=st.lists(st.booleans(), min_size=1, max_size=120),
    per_call=st.integers(1, 12),
    calls=st.integers(1, 12),
)
def test_frames_are_parted_into_no_more_calls_than_planned(fresh, per_call, calls):
    work = FrameWork(
        most=1000,
        possible=1000,
        every=None,
        wanted=None,
        apart=None,
        per_call=per_call,
        calls=calls,
        width=100,
        height=100,
        sheet_side=100,
        max_bytes=None,
    )
    found = [
        ChosenFrame(
            timestamp=float(number),
            reason="new screen" if new else "change",
            path=Path("x"),
            size=1,
            width=1,
            height=1,
        )
        for number, new in enumerate(fresh)
    ]
    arranged = arrange(len(found), work)
    frames = thinned(found, arranged.frames)
    groups = grouped(frames, arranged, work)
    assert [frame for group in groups for frame in group] == list(frames)
    assert len(groups) <= arranged.calls
    assert all(0 < len(group) <= per_call * arranged.columns**2 for group in groups)
