"""The subtitles that recordings carry: plain text at its true time, whatever is in them."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import MediasenseError, UnsupportedMedia
from mediasense.media.recordings import tracks
from mediasense.media.recordings.tracks import plain_text, read_subtitles


def timed_text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def event(text: str) -> bytes:
    """As Matroska holds an event of SubStation Alpha."""
    return f"0,0,Default,,0,0,0,,{text}".encode()


def write(path, codec: str, cues, *, container="matroska", before=0):
    """A recording of ten seconds with a text track: (start, seconds, packet) for each subtitle."""
    import av

    with av.open(str(path), "w", format=container) as out:
        video = out.add_stream("libx264" if container in ("mp4", "mov") else "libvpx", rate=2)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        other = [out.add_mux_stream(codec) for _ in range(before)]
        text = out.add_mux_stream(codec)
        for stream in (*other, text):
            stream.time_base = Fraction(1, 1000)
        for _ in range(20):
            frame = av.VideoFrame(32, 32, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for start, seconds, data in cues:
            packet = av.Packet(data)
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = round(seconds * 1000)
            out.mux(packet)
    return path


def told(segments):
    return [(s.start, s.end, s.text) for s in segments]


# --- kinds of track ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec", "packed"),
    [
        ("matroska", "subrip", str.encode),
        ("matroska", "ass", event),
        ("webm", "webvtt", str.encode),
        ("mp4", "mov_text", timed_text),
        ("mov", "mov_text", timed_text),
    ],
)
def test_every_kind_of_text_track_is_read(tmp_path, container, codec, packed):
    cues = [(1.0, 2.0, packed("one")), (4.5, 1.25, packed("two"))]
    path = write(tmp_path / "a", codec, cues, container=container)
    assert told(read_subtitles(path)) == [(1.0, 3.0, "one"), (4.5, 5.75, "two")]


def test_subtitles_that_stand_at_once_are_all_kept(tmp_path):
    cues = [(1.0, 5.0, b"one"), (2.0, 1.0, b"two")]
    path = write(tmp_path / "a", "subrip", cues)
    assert told(read_subtitles(path)) == [(1.0, 6.0, "one"), (2.0, 3.0, "two")]


def test_empty_subtitles_are_left_out(tmp_path):
    cues = [(1.0, 1.0, b"<i> </i>"), (2.0, 1.0, b"two"), (3.0, 1.0, b"{\\an8}")]
    assert told(read_subtitles(write(tmp_path / "a", "subrip", cues))) == [(2.0, 3.0, "two")]


def test_the_track_that_is_asked_for_is_read(tmp_path):
    path = write(tmp_path / "a", "subrip", [(1.0, 1.0, b"mine")], before=2)
    assert read_subtitles(path, track=0) == ()
    assert told(read_subtitles(path, track=2)) == [(1.0, 2.0, "mine")]


def test_a_part_has_the_subtitles_that_stand_in_it(tmp_path):
    cues = [(float(second), 1.5, str(second).encode()) for second in range(9)]
    path = write(tmp_path / "a", "subrip", cues)
    assert [s.text for s in read_subtitles(path, start=3.0, end=5.0)] == ["2", "3", "4"]
    assert told(read_subtitles(path, start=3.0, end=5.0))[0] == (2.0, 3.5, "2")


def test_a_subtitle_without_a_length_stands_until_the_next(tmp_path):
    cues = [(1.0, 0.0, b"one"), (3.0, 0.0, b"two")]
    segments = told(read_subtitles(write(tmp_path / "a", "subrip", cues)))
    assert segments == [(1.0, 3.0, "one"), (3.0, 8.0, "two")]


def test_a_track_that_is_not_there_is_told(tmp_path):
    path = write(tmp_path / "a", "subrip", [])
    for track in (1, -1, 10**9):
        with pytest.raises(UnsupportedMedia, match="none with the number"):
            read_subtitles(path, track=track)


def test_pictures_of_text_are_told(tmp_path):
    path = write(tmp_path / "a", "dvd_subtitle", [(1.0, 1.0, bytes(9))])
    with pytest.raises(UnsupportedMedia, match="is not text"):
        read_subtitles(path)


def test_a_recording_without_subtitles_is_told(make_video, tmp_path):
    with pytest.raises(UnsupportedMedia, match="has 0 subtitle tracks"):
        read_subtitles(make_video(tmp_path / "a.mp4"))


def test_progress_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_PROGRESS_SECONDS", 0.0)
    seen: list[float] = []
    read_subtitles(write(tmp_path / "a", "subrip", [(1.0, 1.0, b"a")]), on_progress=seen.append)
    assert seen
    assert all(0 <= part <= 1 for part in seen)


def test_an_endless_track_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_MOST_SEGMENTS", 7)
    cues = [(index / 100, 1.0, b"a") for index in range(50)]
    assert len(read_subtitles(write(tmp_path / "a", "subrip", cues))) == 7


def test_endless_text_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_MOST_TEXT", 20_000)
    cues = [(index / 10, 1.0, b"a" * 100_000) for index in range(50)]
    segments = read_subtitles(write(tmp_path / "a", "subrip", cues))
    assert sum(len(s.text) for s in segments) <= 20_000 + 4_000


# --- markup --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "codec", "text"),
    [
        (b"<i>Hello</i>\r\n<font color='#fff'>you</font>", "subrip", "Hello you"),
        (b"{\\an8}up there", "subrip", "up there"),
        (b"a set {1, 2} and 3 < 4 > 2", "subrip", "a set {1, 2} and 3 < 4 > 2"),
        (b"AT&amp;T &lt;b&gt; caf&eacute;", "subrip", "AT&T <b> café"),
        (b"<v Anna>Hi <00:01.000><c.red>there</c>", "webvtt", "Hi there"),
        (b"\0\0\0\x16vttc\0\0\0\x0epayl<b>Hi", "webvtt", "Hi"),
        (b"\0\0\0\x08vtte", "webvtt", ""),
        (timed_text("<b>bold</b> plain") + b"\0\0\0\x0cstyl\0\0\0\0", "mov_text", "bold plain"),
        (b"\0\x06\xfe\xff\0h\0i", "mov_text", "hi"),
        (b"\0\0", "mov_text", ""),
        (b"", "mov_text", ""),
        (event("{\\i1}one{\\i0}\\Ntwo, three\\hfour"), "ass", "one two, three four"),
        (event("{\\p1}m 0 0 l 100 100{\\p0}seen"), "ass", "seen"),
        (event("{\\pos(1,2)\\p2}m 0 0 l 9 9"), "ass", ""),
        (event("{\\pos(400,570)}kept"), "ssa", "kept"),
        (b"caf\xe9 \xff", "subrip", "caf\ufffd \ufffd"),
        ("a\x1b[31mred\x07\x00 \u202eevil\u202c\u2066x".encode(), "subrip", "a [31mred evilx"),
        ("👩\u200d💻 خانه\u200cها".encode(), "subrip", "👩\u200d💻 خانه\u200cها"),
    ],
)
def test_what_remains_of_a_subtitle_is_what_it_says(packet, codec, text):
    assert plain_text(packet, codec) == text


CODECS = ["ass", "mov_text", "subrip", "text", "webvtt"]


@settings(deadline=2000)
@given(data=st.binary(max_size=300), codec=st.sampled_from(CODECS))
def test_any_bytes_become_one_line_that_can_be_shown(data, codec):
    text = plain_text(data, codec)
    assert text == " ".join(text.split())
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    text.encode()


@settings(max_examples=30, deadline=5000)
@given(
    codec=st.sampled_from(CODECS),
    piece=st.sampled_from(["<", "{", "{\\p", "&", "<a ", "{\\p1}", "\\N", "</", "&#", "<0:"]),
)
def test_no_markup_takes_long(codec, piece):
    plain_text((piece * 60_000)[:60_000].encode(), codec)


# --- anything ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("tracks")
    cues = [(second / 2, 0.4, event(f"line {second}" + " and so on" * 40)) for second in range(15)]
    mkv = write(folder / "a", "ass", cues)
    texts = [(start, seconds, timed_text("line" * 40)) for start, seconds, _ in cues]
    mp4 = write(folder / "b", "mov_text", texts, container="mp4")
    return {"mkv": mkv.read_bytes(), "mp4": mp4.read_bytes()}


@settings(max_examples=60, deadline=10_000)
@given(
    kind=st.sampled_from(["mkv", "mp4"]),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4),
    kept=st.floats(0.3, 1),
)
def test_a_changed_file_gives_segments_or_a_known_error(
    whole, tmp_path_factory, kind, places, kept
):
    data = bytearray(whole[kind])
    for place, change in places:
        data[int(place * (len(data) - 1))] ^= change
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(data[: int(len(data) * kept)])
    try:
        segments = read_subtitles(path)
    except MediasenseError:
        return
    assert all(0 <= s.start <= s.end and s.text for s in segments)
    assert segments == tuple(sorted(segments, key=lambda s: (s.start, s.end)))


def test_what_can_be_read_of_a_track_that_breaks_off_is_given(whole, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(whole["mkv"][: len(whole["mkv"]) * 3 // 4])
    assert 5 < len(read_subtitles(path)) < 15
