"""What is said becomes text with true times, whoever writes it down and in however many pieces."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import Answer, AudioLimits, Media, Provider, RateLimited, Segment, Word
from mediasense.listening import Heard, listen
from mediasense.media.workspace import Workspace
from mediasense.planning.plans import Call, Listening, Plan, SoundWork, WholeFile
from mediasense.types import Question

LIMITS = AudioLimits(mime_types=("audio/wav",), transcribes=True)
EAR = Provider(name="ear", description="d", audio=LIMITS)
CALL = Call(
    provider=EAR,
    modality="audio",
    model="ear-1",
    prompt=None,
    options=(),
    streaming=False,
    limits=LIMITS,
)


def pieces(**limits) -> SoundWork:
    facts = {
        "format": "wav",
        "mime_type": "audio/wav",
        "max_bytes": None,
        "max_seconds": None,
        "pieces": 1,
        "skip_silence": False,
        "expected_bytes": 0,
    }
    return SoundWork(**facts | limits)


@pytest.fixture(autouse=True)
def decode_here(monkeypatch):
    monkeypatch.setenv("MEDIASENSE_ISOLATION", "off")


@pytest.fixture
def sound(tmp_path):
    """Write a tone that is heard in the given seconds of so many."""

    def write(seconds: float, *spoken: tuple[float, float]) -> Media:
        path = tmp_path / "talk.wav"
        samples = np.zeros(round(seconds * 16000), np.int16)
        for start, end in spoken:
            at = np.arange(round(start * 16000), round(end * 16000))
            samples[at[0] : at[-1] + 1] = np.sin(at / 8) * 8000
        with wave.open(str(path), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        size = path.stat().st_size
        return Media(modality="audio", mime_type="audio/wav", path=path, size=size, seconds=seconds)

    return write


def heard(media: Media, sends, hear, *, start=None, end=None, call=CALL, **asked) -> Heard:
    plan = Plan(
        strategy="transcript",
        sends=None,
        listening=Listening(call=call, sends=sends),
        asking=None,
        start=start,
        end=end,
    )
    with Workspace() as workspace:
        return listen(plan, media, Question(**asked), hear, workspace)


def loud(path: Path) -> list[tuple[float, float]]:
    """Where a sound is heard, in its own seconds."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    edges = np.flatnonzero(np.diff(np.abs(samples.astype(int)) > 0, prepend=False, append=False))
    spans: list[list[float]] = []
    for start, end in zip(edges[::2] / 16000, edges[1::2] / 16000, strict=True):
        if spans and start - spans[-1][1] < 0.05:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    return [(start, end) for start, end in spans]


def listener(call: Call, media: Media, prompt: str | None) -> Answer:
    """Really listens: a segment for each stretch of tone."""
    segments = tuple(Segment(start=s, end=e, text="tone") for s, e in loud(media.path))
    return Answer(text="tone " * len(segments), model="ear-1", segments=segments)


SPOKEN = ((0.5, 2.0), (6.0, 7.5), (12.0, 13.0), (18.0, 20.0))


@pytest.mark.parametrize(
    "work",
    [
        WholeFile(),
        pieces(),
        pieces(skip_silence=True),
        pieces(max_seconds=6.0),
        pieces(max_seconds=3.0, skip_silence=True),
        pieces(max_bytes=150_000),
        pieces(max_bytes=100_000, skip_silence=True),
    ],
    ids=["whole", "out", "skipped", "cut", "cut and skipped", "bytes", "bytes and skipped"],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_times_are_those_of_the_recording_however_it_is_sent(sound, work, jobs):
    found = heard(sound(20.0, *SPOKEN), work, listener, jobs=jobs)
    assert found.transcript.timed
    spans = [(s.start, s.end) for s in found.transcript.segments]
    joined: list[list[float]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] < 0.05:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    assert np.array(joined) == pytest.approx(np.array(SPOKEN), abs=0.05)


@pytest.mark.parametrize("work", [pieces(), pieces(skip_silence=True), pieces(max_seconds=3.0)])
def test_a_part_has_the_times_of_the_recording(sound, work):
    found = heard(sound(20.0, *SPOKEN), work, listener, start=5.0, end=14.0)
    spans = [(s.start, s.end) for s in found.transcript.segments]
    assert spans[0] == pytest.approx((6.0, 7.5), abs=0.05)
    assert spans[-1][1] == pytest.approx(13.0, abs=0.05)


@pytest.mark.parametrize(
    "work",
    [WholeFile(), pieces(), pieces(skip_silence=True), pieces(max_seconds=6.0)],
    ids=["whole", "out", "skipped", "cut"],
)
def test_words_have_the_times_of_the_recording(sound, work):
    def listens(call: Call, media: Media, prompt: str | None) -> Answer:
        answer = listener(call, media, prompt)
        segments = tuple(
            replace(s, words=(Word(start=s.start, end=s.end, text=s.text),))
            for s in answer.segments
        )
        return replace(answer, segments=segments)

    segments = heard(sound(20.0, *SPOKEN), work, listens).transcript.segments
    assert segments[-1].start > 17
    assert [(s.words[0].start, s.words[0].end) for s in segments] == [
        (s.start, s.end) for s in segments
    ]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_talk_keeps_its_times(sound, data):
    edges = sorted(data.draw(st.lists(st.integers(0, 150), min_size=2, max_size=8, unique=True)))
    edges = [edge / 10 for edge in edges[: len(edges) // 2 * 2]]
    spoken = list(zip(edges[::2], edges[1::2], strict=True))
    work = pieces(
        max_seconds=data.draw(st.sampled_from([None, 1.5, 4.0])),
        skip_silence=data.draw(st.booleans()),
    )
    found = heard(sound(15.0, *spoken), work, listener)
    times = [t for s in found.transcript.segments for t in (s.start, s.end)]
    assert times == sorted(times)
    covered = sum(s.end - s.start for s in found.transcript.segments)
    assert covered == pytest.approx(sum(e - s for s, e in spoken), abs=0.05 * len(times) + 0.05)
    for time in times:
        assert any(s - 0.05 <= time <= e + 0.05 for s, e in spoken)


def test_silence_costs_nothing(sound):
    def hear(*args):
        pytest.fail("it was sent")

    found = heard(sound(10.0), pieces(skip_silence=True), hear)
    assert (found.transcript.segments, found.transcript.timed, found.answers) == ((), True, ())
    assert found.warnings == ("the recording is silent: nothing was sent to be written down",)
    assert [step.action for step in found.steps] == ["extract"]


def test_where_the_service_tells_no_times_a_piece_has_its_own(sound):
    def hear(call, media, prompt):
        return Answer(text=" words ", model="m")

    found = heard(sound(20.0, *SPOKEN), pieces(max_seconds=8.0), hear)
    assert not found.transcript.timed
    starts = [s.start for s in found.transcript.segments]
    ends = [s.end for s in found.transcript.segments]
    assert starts[0] == 0
    assert starts[1:] == ends[:-1]
    assert ends[-1] == pytest.approx(20.0, abs=0.01)
    assert found.transcript.text == "\n".join(["words"] * len(starts))


def test_pieces_in_which_nothing_is_said_are_no_lines(sound):
    answers = iter(["hello", "", " "])

    def hear(call, media, prompt):
        return Answer(text=next(answers, ""), model="m")

    found = heard(sound(20.0, *SPOKEN), pieces(max_seconds=8.0), hear, jobs=1)
    assert found.transcript.text == "hello"
    assert [s.text for s in found.transcript.segments] == ["hello"]


def test_each_call_gets_the_prompt_and_the_whole_is_told(sound):
    seen = []

    def hear(call, media, prompt):
        seen.append((call, prompt, media.mime_type, media.modality))
        return listener(call, media, prompt)

    from dataclasses import replace

    asking = replace(CALL, prompt="Write it down.")
    found = heard(sound(20.0, *SPOKEN), pieces(max_seconds=8.0), hear, call=asking)
    assert set(seen) == {(asking, "Write it down.", "audio/wav", "audio")}
    extract, transcribe = found.steps
    assert (transcribe.provider, transcribe.model) == ("ear", "ear-1")
    assert transcribe.calls == len(seen) == len(found.answers)
    assert transcribe.bytes == extract.bytes > 20 * 32_000
    assert (transcribe.start, transcribe.end) == pytest.approx((0, 20), abs=0.01)


def test_a_call_that_fails_is_the_failure(sound):
    calls = []

    def hear(call, media, prompt):
        calls.append(media)
        raise RateLimited("slow down")

    with pytest.raises(RateLimited, match="slow down"):
        heard(sound(20.0, *SPOKEN), pieces(max_seconds=4.0), hear, jobs=1)
    assert len(calls) == 1


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    confidences=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=6),
    floor=st.one_of(st.none(), st.floats(0, 1)),
)
def test_what_is_left_out_is_what_is_below_the_floor(sound, confidences, floor):
    segments = tuple(
        Segment(start=n, end=n + 1, text=f"w{n}", confidence=c) for n, c in enumerate(confidences)
    )
    whole = " ".join(s.text for s in segments)

    def hear(call, media, prompt):
        return Answer(text=whole, model="m", segments=segments)

    found = heard(sound(0.1, (0, 0.1)), WholeFile(), hear, min_confidence=floor)
    kept = [s for s in segments if floor is None or s.confidence is None or s.confidence >= floor]
    assert list(found.transcript.segments) == kept
    assert found.transcript.text == " ".join(s.text for s in kept)
    judged = any(c is not None for c in confidences)
    left = len(segments) - len(kept)
    assert len(found.warnings) == (floor is not None and (not judged or left > 0))
