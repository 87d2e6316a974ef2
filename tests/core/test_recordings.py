"""Videos and sounds: what is in a container, whether it is whole, and what is never opened."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import tempfile
import wave
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import CorruptMedia, MediaError, UnsupportedMedia
from mediasense.media.recordings import inspect_recording
from mediasense.media.source import resolve as resolve_in
from mediasense.media.workspace import Workspace
from mediasense.types import Question

SECONDS = 2


class Here(Workspace):
    """Looks at media in this process: a child process for each file would take too long."""

    def decode(self, work, words):  # noqa: ARG002
        return work()


def resolve(source, expected=None):
    with Here() as workspace:
        return resolve_in(source, expected, Question(), workspace)


@functools.cache
def recording(
    container: str, sound: str = "", pictures: str = "", *, options: str = "", rate: int = 16000
) -> bytes:
    """Two seconds in a container, with codecs; made once."""
    import av
    import numpy as np

    muxing = dict([options.split("=")]) if options else {}
    with (
        tempfile.NamedTemporaryFile() as file,  # on disk: some options read back what was written
        av.open(file.name, "w", format=container, options=muxing) as out,
    ):
        video = audio = None
        if pictures:
            video = out.add_stream(pictures, rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if sound:
            audio = out.add_stream(sound, rate=rate, layout="mono")
        if video is not None:
            noise = np.random.default_rng(0)
            for _ in range(SECONDS * 10):
                pixels = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(video.encode())
        if audio is not None:
            samples = np.random.default_rng(0).integers(-8000, 8000, SECONDS * rate)
            frame = av.AudioFrame.from_ndarray(
                samples.astype(np.int16)[None, :], format="s16", layout="mono"
            )
            frame.sample_rate = rate
            out.mux(audio.encode(frame))
            out.mux(audio.encode())
        out.close()
        return Path(file.name).read_bytes()


FILES = {
    "wav": ("wav", "pcm_s16le", ""),
    "flac": ("flac", "flac", ""),
    "mp3": ("mp3", "libmp3lame", ""),
    "aac": ("adts", "aac", ""),
    "aiff": ("aiff", "pcm_s16be", ""),
    "opus": ("ogg", "libopus", ""),
    "m4a": ("ipod", "aac", ""),
    "mp4 sound": ("mp4", "aac", ""),
    "webm sound": ("webm", "libopus", ""),
    "mp4": ("mp4", "aac", "libx264"),
    "mp4 silent": ("mp4", "", "libx264"),
    "mov": ("mov", "aac", "libx264"),
    "mkv": ("matroska", "aac", "libx264"),
    "webm": ("webm", "libopus", "libvpx"),
    "avi": ("avi", "libmp3lame", "mpeg4"),
    "ts": ("mpegts", "aac", "libx264"),
    "flv": ("flv", "aac", "libx264"),
}


def made(name: str) -> bytes:
    container, sound, pictures = FILES[name]
    return recording(container, sound, pictures, rate=48000 if "opus" in sound else 16000)


# --- what is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("wav", "audio/wav"),
        ("flac", "audio/flac"),
        ("mp3", "audio/mpeg"),
        ("aac", "audio/aac"),
        ("aiff", "audio/aiff"),
        ("opus", "audio/ogg"),
        ("m4a", "audio/mp4"),
        ("mp4 sound", "audio/mp4"),
        ("webm sound", "audio/webm"),
        ("mp4", "video/mp4"),
        ("mp4 silent", "video/mp4"),
        ("mov", "video/quicktime"),
        ("mkv", "video/x-matroska"),
        ("webm", "video/webm"),
        ("avi", "video/x-msvideo"),
        ("ts", "video/mp2t"),
        ("flv", "video/x-flv"),
    ],
)
def test_a_whole_recording_is_what_is_in_it(name, mime_type):
    _, sound, pictures = FILES[name]
    media = resolve(made(name))
    assert media.mime_type == mime_type
    assert media.modality == ("video" if pictures else "audio") == mime_type.partition("/")[0]
    assert media.has_sound is bool(sound)
    assert (media.width, media.height) == ((64, 48) if pictures else (None, None))
    assert media.seconds == pytest.approx(SECONDS, abs=0.3)


def test_a_path_and_its_bytes_are_the_same(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(made("mkv"))
    by_path, by_bytes = resolve(path), resolve(made("mkv"))
    assert by_path.mime_type == by_bytes.mime_type
    assert by_path.seconds == by_bytes.seconds


def test_an_ogg_with_pictures_is_a_video_by_type_too():
    assert resolve(recording("ogg", "", "libvpx")).mime_type == "video/ogg"


@pytest.mark.parametrize("options", ["movflags=faststart", "movflags=frag_keyframe+empty_moov"])
def test_every_layout_of_an_mp4_is_whole(options):
    assert resolve(recording("mp4", "aac", "libx264", options=options)).modality == "video"


def tagged(mp3: bytes, cover: bytes) -> bytes:
    """An MP3 with a cover, as an ID3v2.3 tag."""
    frame_body = b"\0image/png\0\x03\0" + cover
    frame = b"APIC" + len(frame_body).to_bytes(4, "big") + b"\0\0" + frame_body
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + mp3


def test_a_song_with_a_cover_is_sound(make_image):
    media = resolve(tagged(made("mp3"), make_image()))
    assert (media.modality, media.mime_type, media.width) == ("audio", "audio/mpeg", None)


def test_a_song_with_a_cover_is_no_video(make_image):
    with pytest.raises(UnsupportedMedia, match="has sound and no pictures"):
        resolve(tagged(made("mp3"), make_image()), "video")


# --- cut -----------------------------------------------------------------------------------------


# Their index is at the end, or is lost with it.
UNREADABLE = ["m4a", "mp4", "mp4 silent", "mov"]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_recording_of_which_nothing_can_be_played_is_an_error(name, part):
    data = made(name)
    with pytest.raises(CorruptMedia) as caught:
        resolve(data[: int(len(data) * part)])
    assert "truncated" in caught.value.message
    assert caught.value.hint == "copy or export it again"


@pytest.mark.parametrize("part", [0.5, 0.8])
@pytest.mark.parametrize("name", ["wav", "flac", "aiff", "mkv", "webm", "avi", "flv"])
def test_a_recording_that_breaks_off_is_used_as_far_as_it_goes(name, part):
    data = made(name)
    media = resolve(data[: int(len(data) * part)])
    assert "breaks off" in media.facts.damage
    held = 0.4 if (name, part) == ("avi", 0.5) else SECONDS * part  # its header is half of it
    assert media.seconds == pytest.approx(held, abs=0.4)


def test_damage_says_how_long_it_should_be_and_how_long_it_is():
    data = recording("mp4", "aac", "libx264", options="movflags=faststart")
    assert data.index(b"moov") < data.index(b"mdat")
    facts = resolve(data[: len(data) // 2]).facts
    said = re.fullmatch(r"it should last (.*) s and breaks off near (.*) s", facts.damage)
    assert float(said[1]) == pytest.approx(SECONDS, abs=0.2)
    assert float(said[2]) == pytest.approx(facts.seconds, abs=0.06)
    assert 0.5 < facts.seconds < 1.5


def test_a_whole_recording_has_no_damage():
    assert {name: resolve(made(name)).facts.damage for name in FILES} == dict.fromkeys(FILES, "")


def test_pictures_that_cannot_be_decoded_leave_the_sound():
    media = resolve(made("mp4").replace(b"avc1", b"zzz1"))
    assert (media.modality, media.mime_type) == ("audio", "audio/mp4")
    assert media.facts.damage == "its pictures cannot be decoded"


def test_an_mp4_that_ends_with_its_index_and_is_cut_is_told():
    data = made("mp4")
    assert data.index(b"moov") > data.index(b"mdat")
    with pytest.raises(CorruptMedia, match="no video or sound can be read from it"):
        resolve(data[: data.index(b"moov")])


@pytest.mark.parametrize("name", ["mp3", "aac", "ts"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_what_states_no_length_is_not_called_cut(name, part):
    data = made(name)
    if name == "mp3":
        data = without_length(data)
    assert resolve(data[: int(len(data) * part)]).modality in ("audio", "video")


def without_length(mp3: bytes) -> bytes:
    """The MP3 without the frame in which LAME writes how long it is."""
    assert b"Xing" in mp3[:500] or b"Info" in mp3[:500]
    first = mp3.index(b"\xff\xf3") if b"\xff\xf3" in mp3 else mp3.index(b"\xff\xfb")
    return mp3[mp3.index(mp3[first : first + 2], first + 2) :]


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF])
def test_a_wav_that_was_streamed_is_whole(make_wav, stated):
    """Whoever writes to a pipe cannot go back to fill in the size."""
    data = bytearray(make_wav())
    data[4:8] = stated.to_bytes(4, "little")
    data[40:44] = stated.to_bytes(4, "little")
    assert resolve(bytes(data)).mime_type == "audio/wav"


def test_a_wav_without_its_padding_byte_is_whole():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(bytes(4001))
    data = bytearray(buffer.getvalue())
    data[4:8] = (len(data) - 8 + 1).to_bytes(4, "little")
    assert resolve(bytes(data)).seconds == pytest.approx(0.5, abs=0.01)


def test_tags_that_are_not_utf_8_are_no_reason_to_refuse(make_wav):
    """Old recorders write the code page of their country."""
    title = b"INFOINAM" + (6).to_bytes(4, "little") + b"caf\xe9\xff\x00"
    wav = make_wav() + b"LIST" + len(title).to_bytes(4, "little") + title
    wav = wav[:4] + (len(wav) - 8).to_bytes(4, "little") + wav[8:]
    assert resolve(wav).mime_type == "audio/wav"


def test_a_wav_of_no_length_is_told():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
    with pytest.raises(CorruptMedia):
        resolve(buffer.getvalue())


def test_a_video_of_an_unknown_codec_is_told():
    data = made("mp4 silent").replace(b"avc1", b"zzz1")
    with pytest.raises(MediaError):
        resolve(data)


def test_a_container_without_pictures_and_sound_is_told():
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as out:
        stream = out.add_data_stream("bin_data")
        packet = av.Packet(bytes(100))
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        packet.time_base = Fraction(1, 90_000)
        out.mux(packet)
    with pytest.raises(UnsupportedMedia, match="has neither pictures nor sound"):
        resolve(buffer.getvalue())


@pytest.mark.parametrize("name", ["mp4", "mkv", "flac", "avi", "mp3", "webm"])
def test_damage_is_not_reported_by_the_library_itself(name, capfd):
    data = bytearray(made(name))
    for position in range(len(data) // 3, len(data), 97):
        data[position] ^= 0xFF
    with contextlib.suppress(MediaError):
        resolve(bytes(data))
    assert capfd.readouterr() == ("", "")


# --- how long it is -------------------------------------------------------------------------------


def test_a_container_that_claims_thirty_hours_has_its_true_length():
    """The header of the movie and of its track claim it; the index has two seconds."""
    data = bytearray(made("mp4 silent"))
    for box, at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"elst", 12)):
        place = data.index(box) + at
        scale = int.from_bytes(data[place - 4 : place], "big") if box == b"mdhd" else 1000
        data[place : place + 4] = (30 * 3600 * min(scale, 30_000)).to_bytes(4, "big")
    facts = resolve(bytes(data)).facts
    assert facts.seconds == pytest.approx(SECONDS, abs=0.2)


def test_a_sound_that_claims_thirty_hours_has_its_true_length(make_wav):
    data = bytearray(make_wav(seconds=10, rate=8000))
    claimed = 30 * 3600 * 16000
    data[4:8] = (claimed + 36).to_bytes(4, "little")
    data[40:44] = claimed.to_bytes(4, "little")
    media = resolve(bytes(data))
    assert media.seconds == pytest.approx(10, abs=0.3)
    assert media.facts.damage


def live(container: str, sound: str, pictures: str) -> bytes:
    """As a browser or a pipe writes it: what was not known at the start is not filled in."""
    import av

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    whole = recording(container, sound, pictures, rate=48000)
    pipe = Pipe()
    with av.open(io.BytesIO(whole)) as source, av.open(pipe, "w", format=container) as out:
        tracks = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream_index]
                out.mux(packet)
    return bytes(pipe.data)


@pytest.mark.parametrize(
    "kind", [("matroska", "libopus", "libx264"), ("webm", "libopus", "libvpx")]
)
def test_a_length_that_is_not_stated_is_measured(kind):
    import av

    data = live(*kind)
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is None
    facts = resolve(data).facts
    assert facts.seconds == pytest.approx(SECONDS, abs=0.15)
    assert facts.damage == ""


def test_a_length_that_is_not_stated_is_measured_without_reading_it_all():
    """Of a long recording only the beginning and the end are read."""
    data = live("matroska", "libopus", "libx264")
    cluster = data.rindex(b"\x1f\x43\xb6\x75")
    void = b"\xec" + (0x10000000 | (64 << 20)).to_bytes(4, "big") + bytes(64 << 20)
    counted = Counting(data[:cluster] + void + data[cluster:])
    facts = inspect_recording(counted, "a").facts
    assert facts.seconds == pytest.approx(SECONDS, abs=0.15)
    assert counted.count < 32 << 20


class Counting(io.BytesIO):
    """Counts what is read of it."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def test_a_length_that_is_guessed_from_the_bit_rate_is_counted():
    """FFmpeg takes the rate of the first frames for that of all."""
    quiet = without_length(recording("mp3", "libmp3lame", ""))
    assert resolve(quiet * 5).seconds == pytest.approx(5 * SECONDS, abs=0.6)


# --- facts ----------------------------------------------------------------------------------------


def test_facts_of_a_video():
    facts = resolve(made("mp4")).facts
    assert (facts.video_codec, facts.audio_codec, facts.fps) == ("h264", "aac", 10)
    assert (facts.has_pictures, facts.has_sound, facts.sound_tracks) == (True, True, 1)
    assert (facts.subtitles, facts.located) == ((), False)


def test_facts_of_a_sound():
    facts = resolve(made("opus")).facts
    assert (facts.video_codec, facts.audio_codec, facts.fps) == (None, "opus", None)
    assert (facts.has_pictures, facts.width, facts.sound_tracks) == (False, None, 1)


def composed(container: str, *, size=(64, 48), pixels="yuv420p", **changes) -> bytes:
    """Half a second of pictures, and whatever else is asked for."""
    import av

    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=changes.get("options", {})) as out:
            out.metadata.update(changes.get("metadata", {}))
            video = out.add_stream("libx264", rate=10)
            video.width, video.height, video.pix_fmt = *size, pixels
            if "turned" in changes:
                video.set_display_rotation(changes["turned"])
            sounds = [
                out.add_stream("aac", rate=16000, layout="mono")
                for _ in range(changes.get("sounds", 0))
            ]
            texts = []
            for codec, language in changes.get("texts", ()):
                texts.append(out.add_mux_stream(codec))
                texts[-1].time_base = Fraction(1, 1000)
                texts[-1].metadata["language"] = language
            for tick in changes.get("ticks", range(5)):
                frame = av.VideoFrame(*size, pixels)
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.pts, frame.time_base = tick, Fraction(1, 10)
                out.mux(video.encode(frame))
            out.mux(video.encode())
            for sound in sounds:
                frame = av.AudioFrame("fltp", "mono", 8000)
                frame.planes[0].update(bytes(frame.planes[0].buffer_size))
                frame.sample_rate = 16000
                out.mux(sound.encode(frame))
                out.mux(sound.encode())
            for text in texts:
                packet = av.Packet(b"\0\2hi")
                packet.stream, packet.pts, packet.dts, packet.duration = text, 0, 0, 400
                packet.time_base = Fraction(1, 1000)
                out.mux(packet)
        return Path(file.name).read_bytes()


@pytest.mark.parametrize(
    ("turned", "size"), [(0, (64, 48)), (90, (48, 64)), (180, (64, 48)), (-90, (48, 64))]
)
def test_width_and_height_are_upright(turned, size):
    media = resolve(composed("mov", turned=turned))
    assert (media.width, media.height) == size


def test_odd_sizes_and_more_bits_are_no_trouble():
    facts = resolve(composed("matroska", size=(63, 47), pixels="yuv444p10le")).facts
    assert (facts.width, facts.height, facts.damage) == (63, 47, "")


def test_sound_tracks_are_counted():
    assert resolve(composed("matroska", sounds=3)).facts.sound_tracks == 3


def test_only_text_tracks_are_subtitles():
    """Those of discs are pictures of text."""
    texts = (("dvd_subtitle", "eng"), ("subrip", "ger"), ("subrip", "und"))
    facts = resolve(composed("matroska", texts=texts)).facts
    assert [(t.index, t.language) for t in facts.subtitles] == [(1, "ger"), (2, None)]


def test_a_text_track_of_an_mp4_is_found():
    assert len(resolve(composed("mp4", texts=(("mov_text", "eng"),))).facts.subtitles) == 1


@pytest.mark.parametrize(
    ("container", "key", "options"),
    [
        ("mov", "com.apple.quicktime.location.ISO6709", {"movflags": "use_metadata_tags"}),
        ("mp4", "location", {}),
        ("mp4", "com.android.gps", {"movflags": "use_metadata_tags"}),
        ("matroska", "LOCATION", {}),
    ],
)
def test_a_place_in_the_metadata_is_told(container, key, options):
    data = composed(container, metadata={key: "+48.2+016.3/"}, options=options)
    assert resolve(data).facts.located
    assert not resolve(
        composed(container, metadata={"title": "a walk"}, options=options)
    ).facts.located


def test_pictures_at_varying_intervals_have_an_average_rate():
    facts = resolve(composed("matroska", ticks=[0, 1, 2, 30, 59])).facts
    assert facts.seconds == pytest.approx(6, abs=0.2)
    assert 0 < facts.fps <= 10


def test_a_path_that_does_not_exist_is_a_known_error(tmp_path):
    with pytest.raises(MediaError):
        inspect_recording(tmp_path / "gone", "gone")


# --- files that name other files ------------------------------------------------------------------


def scripts(target: str) -> dict[str, str]:
    """Files that FFmpeg would follow to another."""
    return {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "master playlist": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
        "key": f'#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
        f"#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 9999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "image list": f"{target}\n",
        "reference movie": f"RTSPtext {target}\n",
    }


KINDS = sorted(scripts(""))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat", "a.mpd", "a.sdp", "a"])
def test_a_file_that_names_an_address_is_refused_unfetched(tmp_path, raw_server, kind, name):
    server = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    path = tmp_path / name
    path.write_text(scripts(f"{server.url}/secret.ts")[kind])
    with pytest.raises(UnsupportedMedia):
        resolve(path)
    with pytest.raises(UnsupportedMedia):
        resolve(path.read_bytes())
    assert server.received == []


@pytest.mark.parametrize("kind", ["playlist", "concat"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_that_names_another_file_is_refused(tmp_path, monkeypatch, kind, absolute):
    """The other file is a real recording: if it were opened, there would be an answer."""
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.ts"
    secret.write_bytes(made("ts"))
    assert resolve(secret).modality == "video"
    path = tmp_path / "a.mp4"
    path.write_text(scripts(str(secret) if absolute else "secret.ts")[kind])
    with pytest.raises(UnsupportedMedia):
        resolve(path)


def test_a_playlist_behind_the_tag_of_a_song_is_not_followed(raw_server):
    server = raw_server(b"")
    tag = b"ID3\x03\0\0\0\0\0\0"
    with pytest.raises(MediaError):
        resolve(tag + scripts(f"{server.url}/a.ts")["playlist"].encode())
    assert server.received == []


@pytest.mark.parametrize("target", ["url", "file"])
def test_a_movie_whose_data_lie_elsewhere_is_not_followed(tmp_path, raw_server, target):
    """The index of an MP4 may say that its data are in another file."""
    server = raw_server(b"")
    place = f"{server.url}/a.mp4" if target == "url" else str(tmp_path / "other.mp4")
    (tmp_path / "other.mp4").write_bytes(made("mp4 silent"))
    data = made("mp4 silent")
    own = b"\0\0\0\x0curl \0\0\0\x01"
    assert data.count(own) == 1
    elsewhere = b"url \0\0\0\0" + place.encode() + b"\0"
    moved = data.replace(own, (len(elsewhere) + 4).to_bytes(4, "big") + elsewhere)
    with contextlib.suppress(MediaError):
        resolve(moved)
    assert server.received == []


def test_a_file_named_like_a_playlist_is_what_it_is(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_bytes(made("mp4"))
    assert resolve(path).modality == "video"


def test_a_pattern_of_names_is_a_name(tmp_path, make_image):
    """``%03d.png`` would be a sequence of images to FFmpeg."""
    for number in range(3):
        (tmp_path / f"{number:03}.png").write_bytes(make_image())
    (tmp_path / "%03d.png").write_bytes(b"just text")
    with pytest.raises(UnsupportedMedia):
        resolve(tmp_path / "%03d.png")


# --- anything ------------------------------------------------------------------------------------


@st.composite
def mutated(draw, names: list[str]) -> bytes:
    """One of the files with some bytes changed, cut out or put in; both ends more often."""
    data = bytearray(made(draw(st.sampled_from(names))))
    for _ in range(draw(st.integers(1, 3))):
        reach = min(draw(st.sampled_from([60, 800, len(data)])), len(data))
        position = draw(st.integers(0, max(0, reach - 1)))
        if draw(st.booleans()):
            position = max(0, len(data) - 1 - position)
        change = draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if change == "flip" and data:
            data[position] ^= draw(st.integers(1, 255))
        if change == "cut":
            del data[position : position + draw(st.integers(1, 30))]
        if change == "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=20))
        if change == "end":
            del data[position:]
    return bytes(data)


@settings(max_examples=50, deadline=10_000)
@given(data=mutated(["wav", "mp4", "mp4 silent"]))
def test_a_changed_recording_is_one_or_a_known_error(data):
    try:
        media = resolve(data)
    except MediaError:
        return
    assert media.size == len(data)
    assert media.seconds is None or media.seconds >= 0


@settings(max_examples=50, deadline=10_000)
@given(data=mutated(["flac", "mp3", "mkv", "opus", "ts", "avi"]))
def test_a_changed_recording_of_another_sort_is_one_or_a_known_error(data):
    try:
        resolve(data)
    except MediaError:
        return


def test_a_file_is_closed_after_it_was_looked_at(tmp_path):
    """Windows cannot rename what is open; ``filterwarnings = error`` sees the rest."""
    path = tmp_path / "a.mp4"
    path.write_bytes(made("mp4"))
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("there is no list of open files")
    resolve(path)
    assert path not in [d.readlink() for d in descriptors.iterdir() if d.exists()]
