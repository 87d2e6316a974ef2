"""Videos and sounds: what is in a container, whether it is whole, and what is never opened."""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
import wave
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import CorruptMedia, MediaError, UnsupportedMedia
from mediasense.media.source import resolve

SECONDS = 2


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


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
@pytest.mark.parametrize(
    "name", ["wav", "flac", "aiff", "m4a", "mp4", "mp4 silent", "mov", "mkv", "webm", "avi", "flv"]
)
def test_a_recording_that_is_cut_is_told(name, part):
    data = made(name)
    with pytest.raises(CorruptMedia) as caught:
        resolve(data[: int(len(data) * part)])
    assert "truncated" in caught.value.message
    assert caught.value.hint == "copy or export it again"


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_an_mp4_that_begins_with_its_index_and_is_cut_is_told(part):
    data = recording("mp4", "aac", "libx264", options="movflags=faststart")
    assert data.index(b"moov") < data.index(b"mdat")
    with pytest.raises(CorruptMedia, match=r"it should last 2.. s and ends near"):
        resolve(data[: int(len(data) * part)])


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
