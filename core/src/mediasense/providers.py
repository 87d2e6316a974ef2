"""Who can be asked: providers, what each takes, and how it is reached. Data, all of it frozen."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from mediasense.names import MODALITIES, AccessOption, MediaModality, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What every modality says. A limit of ``None`` is one the provider does not state.

    Attributes:
        mime_types: MIME types the provider takes, the preferred one first.
        max_bytes: Bytes of one item, before any encoding.
        max_request_bytes: Bytes of all items of one request together, before any encoding.
        uri_schemes: Schemes of URIs the service fetches itself, such as ``https`` or ``gs``;
            ``youtube`` stands for https links to YouTube.
        default_model: The model for this modality, where it is not the provider's default.
        options: The request options this provider honours; the core refuses every other one. A
            schema is enforced where ``json_schema`` is among them, and else asked for in the
            prompt; the core checks answers either way.
        streaming: Whether the answer can arrive piece by piece.
    """

    mime_types: tuple[str, ...] = ()
    max_bytes: int | None = None
    max_request_bytes: int | None = None
    uri_schemes: tuple[str, ...] = ()
    default_model: str | None = None
    options: tuple[Option, ...] = ()
    streaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits(Limits):
    """What a provider takes of still images.

    Attributes:
        answers: Whether a prompt is answered. ``False``: it reads what is there, whatever is asked.
        max_items: Images in one request.
        max_pixels: Width times height of one image.
        max_side: The longer side of one image, in pixels.
        tokens: Input tokens that one image counts, about; ``None`` when the service does not say.
    """

    answers: bool = True
    max_items: int | None = None
    max_pixels: int | None = None
    max_side: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLimits(Limits):
    """What a provider takes of video as video; frames are images.

    Attributes:
        answers: As for :class:`ImageLimits`.
        max_seconds: Length of one video.
        max_upload_bytes: Bytes of one file through the provider's own file storage, where it has
            one that the plugin uses; ``max_bytes`` is then the limit of what goes inline.
        hears: Whether the model hears the sound of the video, and is not only shown its pictures.
        tokens_per_second: Input tokens that a second counts, about; ``None`` when it is not known.
    """

    answers: bool = True
    hears: bool = False
    max_seconds: float | None = None
    max_upload_bytes: int | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLimits(Limits):
    """What a provider takes of sound.

    Attributes:
        transcribes: A request without a prompt gives the speech as text.
        answers: A request with a prompt gives an answer about the sound.
        timestamps: Transcripts come with segments that carry start and end.
        words: The segments come with their words, which carry start and end.
        max_seconds: Length of one recording.
        max_upload_bytes: As for :class:`VideoLimits`.
        answer_model: The model for prompted requests, where it is not ``default_model``.
        answer_options: The options of prompted requests, where they are not ``options``.
        tokens_per_second: As for :class:`VideoLimits`.
    """

    transcribes: bool = False
    answers: bool = False
    timestamps: bool = False
    words: bool = False
    max_seconds: float | None = None
    max_upload_bytes: int | None = None
    answer_model: str | None = None
    answer_options: tuple[Option, ...] | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLimits(Limits):
    """What a provider takes of text alone (``generate``). There is nothing to limit yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """What the models of one name pattern take, in place of what the provider says.

    Attributes:
        pattern: A shell-style pattern over the model name, such as ``gpt-audio*``.
        image, video, audio, text: The whole truth for these models; ``None`` is "cannot".
    """

    pattern: str
    image: ImageLimits | None = None
    video: VideoLimits | None = None
    audio: AudioLimits | None = None
    text: TextLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where a provider's key may be found.

    Attributes:
        variables: Environment variables that hold a key, the first one set wins.
        file_variables: Environment variables that name a credentials file.
        required: Whether a call without credentials is refused before it is made. Never for a
            server on this machine.
        ambient: What the provider's SDK can find by itself, in words; empty for nothing.
    """

    variables: tuple[str, ...] = ()
    file_variables: tuple[str, ...] = ()
    required: bool = True
    ambient: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """An extra HTTP header of every call to a provider.

    Attributes:
        name: As it is sent.
        value: What it says; ``None`` where a variable says it.
        variable: The environment variable that holds the value, which is looked up for each call
            and shown to nobody.
    """

    name: str
    value: str | None = None
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One service, server or engine that a user can name, and what it really takes.

    A modality of ``None`` means "cannot". Anything not known to be supported is left out.

    Attributes:
        name: What users type after ``--provider``: lower-case letters, digits, ``_`` and ``-``.
        description: One line for the table of providers.
        kind: ``service`` (somebody else's machine, needs credentials), ``server`` (a server the
            user runs) or ``device`` (this very process; nothing leaves it).
        aliases: Other names for the same provider.
        base_url: Where requests go unless the user says otherwise.
        base_url_variables: Environment variables that name another base URL.
        hosts: Domains, besides that of ``base_url``, to which this provider's key belongs.
        takes_any_base_url: Whether this is the provider for ``--base-url`` given alone.
        credentials: Where its key is found; ``None`` when it needs none.
        access_options: The options of :class:`Access` this provider honours besides base URL and
            key.
        default_model: The model used when the user names none; ``None`` when the server is asked
            which models it has.
        image, video, audio, text: What it takes.
        models: Exceptions by model name; the first matching rule holds.
        relayed_models: Of a ``server``: patterns of the models that it passes on to somebody else,
            who may charge. ``()``: it runs every model itself, so on this machine it costs
            nothing. ``None``: nobody knows, and so its cost is unknown.
        like: Of an endpoint that the config file describes: the provider whose protocol it speaks,
            and whose plugin serves it. A plugin that keeps tables by provider name looks up
            ``provider.like or provider.name``.
        headers: Extra HTTP headers, sent to its own base URL only; :func:`mediasense.connect`
            gives them with the values of their variables.
    """

    name: str
    description: str
    kind: Literal["service", "server", "device"] = "service"
    aliases: tuple[str, ...] = ()
    base_url: str | None = None
    base_url_variables: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    takes_any_base_url: bool = False
    credentials: Credentials | None = None
    access_options: tuple[AccessOption, ...] = ()
    default_model: str | None = None
    image: ImageLimits | None = None
    video: VideoLimits | None = None
    audio: AudioLimits | None = None
    text: TextLimits | None = None
    models: tuple[ModelRule, ...] = ()
    relayed_models: tuple[str, ...] | None = None
    like: str | None = None
    headers: tuple[Header, ...] = ()

    def limits_for(self, model: str | None) -> Provider | ModelRule:
        """The record that says what ``model`` takes: the first matching rule, or the provider."""
        if model is not None:
            for rule in self.models:
                if fnmatchcase(model, rule.pattern):
                    return rule
        return self

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        """The kinds of media it takes with its default models."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the user wants a provider reached. Names only, never a key.

    Attributes:
        base_url: In place of the provider's own.
        api_key_env: The environment variable that holds the key.
        credentials_file: A credentials file, such as a service account's JSON.
        project, location: Of a cloud provider.
        api_version: Of the provider's API, where it has several.
        allow_http: Whether plain http to another machine is wanted.
    """

    base_url: str | None = None
    api_key_env: str | None = None
    credentials_file: str | None = None
    project: str | None = None
    location: str | None = None
    api_version: str | None = None
    allow_http: bool = False
