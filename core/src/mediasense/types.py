"""The frozen records that cross the boundary between core, plugins and users.

Plugins describe what they take with the records of :mod:`mediasense.providers`; the core hands them
a prepared :class:`ImageRequest`, :class:`VideoRequest`, :class:`AudioRequest`, :class:`TextRequest`
or :class:`ModelsRequest`; they return an :class:`Answer`. Users get an :class:`Analysis`.

No record ever holds a key: :class:`Access` holds the *names* of variables and files, and
:func:`mediasense.connect` looks the key up when the call is made.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar

from mediasense.errors import CorruptMedia, MediaNotFound
from mediasense.names import CacheUse, MediaModality, Modality, Resolution, Strategy, Subtitles
from mediasense.providers import Access, Provider
from mediasense.sending import open_to_send
from mediasense.steps import FrameUsed, LeftOut, Step

if TYPE_CHECKING:
    from mediasense.tasks import Task

# --- media ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of an image besides its type and size.

    Attributes:
        width, height: Pixels, as it is shown; ``None`` for formats that cannot be opened here.
        frames: How many pictures it holds; more than 1 is an animation.
        upright: Whether the pixels lie as they are shown, without a note to turn them.
        plain: Whether every service shows the pixels alike: 8 bits each, gray or RGB, opaque.
        located: Whether it carries metadata that may name the place where it was made.
    """

    width: int | None
    height: int | None
    frames: int = 1
    upright: bool = True
    plain: bool = True
    located: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleTrack:
    """A text track of a recording.

    Attributes:
        index: Which of the container's subtitle tracks, 0 for the first.
        language: As the container names it, or ``None``.
    """

    index: int
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """What is known of a recording besides its type and size.

    Attributes:
        seconds: Its length, as far as it can be played; ``None`` when that is not known.
        width, height: Of the picture in pixels, upright; ``None`` without one.
        has_pictures: Whether it has a picture track; the cover of a song is none.
        has_sound: Whether it has a sound track.
        fps: Pictures a second, on average.
        video_codec, audio_codec: FFmpeg's names, such as ``h264`` and ``aac``.
        sound_tracks: How many sound tracks it has; the first, or the default one, is heard.
        subtitles: Its text tracks.
        located: Whether its metadata names the place where it was made.
        damage: What is wrong with it, when a part can be played all the same; else ``""``.
    """

    seconds: float | None
    width: int | None
    height: int | None
    has_pictures: bool
    has_sound: bool
    fps: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sound_tracks: int = 0
    subtitles: tuple[SubtitleTrack, ...] = ()
    located: bool = False
    damage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a picture; by default, all of it.

    Attributes:
        left, top, right, bottom: In fractions of its sides, from its top left corner.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Where a picture, or a part of one, stands on an image that was made of it.

    Attributes:
        place: Where on the image.
        part: Which part of the picture.
    """

    place: Region = Region()
    part: Region = Region()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One image, video or sound: checked bytes on disk or in memory, or a URI.

    Attributes:
        modality: What the bytes are, not what the name says.
        mime_type: The true MIME type. Of a URI: what its path suggests, or ``""``.
        path: The local file.
        data: The bytes, for small files and for media made in memory.
        uri: A URI the service fetches itself; then there are no bytes here.
        size: Bytes; ``None`` for a URI.
        width, height: Pixels, of images and pictures.
        seconds: Length of a recording, where its container says.
        has_sound: Of a video: whether it has a sound track; ``None`` when not looked at.
        timestamp: Of a frame: seconds from the start of its recording.
        shows: Of a contact sheet, or of a tile of a long picture: what stands where on it. ``()``
            is one whole picture.
        name: What the user called it, fit to be printed; never sent.
        facts: What the media engine found out besides; plugins do not need it.
    """

    modality: MediaModality
    mime_type: str
    path: Path | None = None
    data: bytes | None = field(default=None, repr=False)
    uri: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    has_sound: bool | None = None
    timestamp: float | None = None
    shows: tuple[Shown, ...] = ()
    name: str = field(default="", repr=False)
    facts: ImageFacts | RecordingFacts | None = field(default=None, repr=False)

    @property
    def filename(self) -> str:
        """A neutral name with the right extension, for services that want one.

        The user's own file name is never sent: it may say more than the user wants to tell.
        """
        return f"{self.modality}.{_EXTENSIONS.get(self.mime_type) or _subtype(self.mime_type)}"

    def open(self) -> BinaryIO:
        """Open the bytes for reading.

        Raises:
            MediaNotFound: The file has gone since it was checked.
            CorruptMedia: The file has another size than when it was checked.
        """
        if self.data is not None:
            return io.BytesIO(self.data)
        if self.path is None:
            raise MediaNotFound(f"{self.uri} has no local bytes", hint="pass a local file")
        try:
            file = open_to_send(self.path)
        except OSError as error:
            raise MediaNotFound(
                f"cannot open {self.path}: {error.strerror}", hint="check the path"
            ) from error
        if self.size is not None and file.seek(0, io.SEEK_END) != self.size:
            file.close()
            raise CorruptMedia(f"{self.path} changed while it was read", hint="try again")
        file.seek(0)
        return file

    def read(self) -> bytes:
        """The bytes, whole. For files that may be large, prefer :meth:`open`."""
        if self.data is not None:
            return self.data
        with self.open() as file:
            return file.read()


_EXTENSIONS = {
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "image/jpeg": "jpg",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}


def _subtype(mime_type: str) -> str:
    return mime_type.partition("/")[2].removeprefix("x-") or "bin"


# --- what is asked -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What every call carries.

    Attributes:
        provider: The provider that was chosen; one of the plugin's own.
        model: The model; ``None`` only where the provider has no default.
        access: How to reach it; give the request to :func:`mediasense.connect`.
        timeout: Seconds to wait for the service: for the connection, and for each read.
        retries: How often the SDK may try again after a failure that can pass.
        headers: Extra HTTP headers, such as those added by a ``prepare_request`` hook.
    """

    provider: Provider
    model: str | None = None
    access: Access = Access()
    timeout: float = 600.0
    retries: int = 2
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsRequest(Request):
    """Ask which models there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest(Request):
    """Ask about text alone.

    Attributes:
        prompt: The question; for audio ``None`` asks for a transcript.
        max_output_tokens: At most so many tokens of answer.
        temperature: Sampling temperature.
        json_schema: The JSON Schema of the answer, as JSON text; an object at its root. A service
            that rejects it is asked again without, if :class:`RequestRejected` tells its status.
    """

    prompt: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    json_schema: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest(TextRequest):
    """Ask about one or several images.

    Attributes:
        images: In the order the question means; frames of a recording carry their timestamp.
    """

    images: tuple[Media, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest(TextRequest):
    """Ask about a video that the provider takes as video.

    Attributes:
        video: The file or the URI.
        start, end: The part to look at, in seconds from the start of the recording.
        fps: Frames a second the service should look at.
        resolution: How closely the service should look at each frame.
    """

    video: Media
    start: float | None = None
    end: float | None = None
    fps: float | None = None
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRequest(TextRequest):
    """Ask for a transcript (no prompt) or for an answer about sound (a prompt).

    Attributes:
        audio: The file or the URI.
        language: The language spoken, as an ISO 639-1 code, where the user knows it.
        start, end: The part to listen to, in seconds.
    """

    audio: Media
    language: str | None = None
    start: float | None = None
    end: float | None = None


AnyRequest = TypeVar("AnyRequest", bound=Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A provider that may stand in for another.

    Attributes:
        provider: Its name or alias.
        model: Its model; ``None`` for its default.
    """

    provider: str
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a user asks, before a provider is chosen and anything is planned.

    Attributes:
        prompt: The question; ``None`` for a description, or a transcript of sound. Besides a task:
            what is asked in particular.
        task: A ready question, or its name.
        context: What helps to understand the media; the model is told that it is data, and no
            instructions.
        provider: The provider's name or alias; ``None`` lets the core choose.
        model: The model; ``None`` for the provider's default.
        access, timeout, retries: As in :class:`Request`.
        max_output_tokens, temperature, json_schema: As in :class:`TextRequest`.
        start, end, fps, resolution: As in :class:`VideoRequest`.
        language: As in :class:`AudioRequest`.
        frames: Send at most so many frames of a video, as images.
        every: Send a frame each so many seconds, instead of choosing them.
        audio_provider: Who writes down the sound of a video; ``None`` for the provider itself.
        audio_model: The model that does; ``None`` for that provider's default.
        subtitles: ``prefer`` takes a video's own subtitles instead of paying for a transcript.
        min_confidence: Leave out what was heard with less, 0 to 1, where the service tells.
        timed: Whether what is said is wanted with its times, as for subtitles.
        jobs: How many calls may be under way at once.
        cache: ``use`` takes answers that were kept, ``refresh`` asks anew and keeps the answer,
            ``off`` does neither.
        fallback: Who is asked where ``provider`` fails in a way that somebody else could cure.
        max_cost: US dollars: the call that could pass it is not made.
        allow_private: Whether links to this machine and to private networks may be downloaded.
        max_download: Bytes of a download at most.
    """

    prompt: str | None = None
    task: Task | str | None = None
    context: str | None = None
    provider: str | None = None
    model: str | None = None
    access: Access = Access()
    timeout: float = 600.0
    retries: int = 2
    max_output_tokens: int | None = None
    temperature: float | None = None
    json_schema: str | None = None
    start: float | None = None
    end: float | None = None
    fps: float | None = None
    resolution: Resolution | None = None
    language: str | None = None
    frames: int | None = None
    every: float | None = None
    audio_provider: str | None = None
    audio_model: str | None = None
    subtitles: Subtitles = "ignore"
    min_confidence: float | None = None
    timed: bool = False
    jobs: int = 4
    cache: CacheUse = "use"
    fallback: tuple[Fallback, ...] = ()
    max_cost: float | None = None
    allow_private: bool = False
    max_download: int = 2_000_000_000


# --- what comes back -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the service says it counted. ``None`` is "not reported", never zero.

    Attributes:
        input_tokens, output_tokens: Tokens in and out; ``output_tokens`` includes reasoning.
        reasoning_tokens: Tokens of hidden reasoning, part of ``output_tokens``.
        cached_tokens: Input tokens the service had in its cache.
        cache_write_tokens: Input tokens the service wrote into its cache.
        image_tokens, video_tokens, audio_tokens: Parts of ``input_tokens`` by modality.
        seconds: Seconds of sound or video that were billed.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None
    audio_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, or what stands for one where a language does not part them.

    Attributes:
        start, end: Seconds from the start of the recording.
        text: The word, with its punctuation and without spaces around it.
        confidence: Between 0 and 1, where the service reports one.
    """

    start: float
    end: float
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start, end: Seconds from the start of the recording.
        text: What is said.
        speaker: Who says it, where the service tells speakers apart.
        confidence: Between 0 and 1, where the service reports one.
        words: Its words with their times, where the service tells them.
    """

    start: float
    end: float
    text: str
    speaker: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An upright rectangle in pixels of the picture; the origin is its top left corner."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """A line of text read in a picture.

    Attributes:
        text: As it is read.
        confidence: Between 0 and 1.
        box: Where it stands.
        image: Of several images, which one: 1 for the first.
        start, end: Of a video: first and last second it was seen.
    """

    text: str
    confidence: float
    box: Box
    image: int | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a plugin returns for one call.

    Attributes:
        text: The answer.
        model: The model that gave it, as the service names it.
        usage: What the service counted; ``None`` when it says nothing.
        finish_reason: ``stop``, or ``length`` for an answer cut short by a limit.
        segments: Of a transcript.
        lines: Text read in pictures.
        language: The language heard, as the service names it.
        warnings: What the user should know about this answer, one sentence each.
        cost: US dollars that the service says it charged; where it says nothing, the core fills
            in what the kept price list says, or leaves ``None`` for unknown.
        cached: Whether it was given before, and kept; set by the core.
        may_be_cut: Whether the service ended it without saying that it is whole. It is told to the
            user with a warning, and is not kept: it would be given again for ever.
    """

    text: str
    model: str
    usage: Usage | None = None
    finish_reason: Literal["stop", "length"] | None = None
    segments: tuple[Segment, ...] = ()
    lines: tuple[TextLine, ...] = ()
    language: str | None = None
    warnings: tuple[str, ...] = ()
    cost: float | None = None
    cached: bool = False
    may_be_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds on the clock.

    Attributes:
        total: From the question to the answer.
        prepare: Reading, checking, planning and preparing: all but waiting for providers.
        provider: Waiting for providers; calls that are under way together count once.
    """

    total: float
    prepare: float
    provider: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An answer, and how it was made.

    Attributes:
        text: The answer.
        provider, model: Who gave it.
        strategy: How the media reached the model; see ``mediasense.planning``.
        usage: All calls together; ``None`` when the service reported nothing.
        data: The parsed answer, when a JSON schema was asked for.
        segments, lines, language, finish_reason, warnings: As in :class:`Answer`.
        timings: How long it took.
        media: What was looked at, without its bytes.
        steps: What was done, in order.
        frames: The frames of a recording that were sent, with their times and reasons.
        left_out: What of the media no model saw or heard, and why.
        cost: US dollars that all calls cost now; ``None`` is unknown, and an answer from the cache
            costs nothing.
        cached: Whether it was given before, and kept.
    """

    text: str
    provider: str
    model: str
    strategy: Strategy
    timings: Timings
    media: tuple[Media, ...]
    usage: Usage | None = None
    data: object = None
    finish_reason: Literal["stop", "length"] | None = None
    segments: tuple[Segment, ...] = ()
    lines: tuple[TextLine, ...] = ()
    language: str | None = None
    warnings: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    frames: tuple[FrameUsed, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    cost: float | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame:
    """A picture that stands for a stretch of a video.

    Attributes:
        timestamp: Seconds from the start of the recording since when it is on screen.
        reason: Why it was chosen; as in :class:`FrameUsed`.
        image: The picture as JPEG, with its bytes in ``data``.
    """

    timestamp: float
    reason: str
    image: Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One row of a provider's live listing.

    Attributes:
        name: What to give as ``--model``.
        modalities: What it takes, where the service tells; ``None`` when it does not.
        retires: The date it is switched off, as the service writes it.
    """

    name: str
    modalities: tuple[Modality, ...] | None = None
    retires: str | None = None
