"""One provider under test, with the other end of its wire in the hands of the checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from mediasense.dispatch import Dispatcher
from mediasense.errors import MediasenseError, PluginError
from mediasense.hooks import Hooks
from mediasense.media.source import Source as MediaSource
from mediasense.names import MediaModality, Modality, OnText
from mediasense.planning.options import call as planned_call
from mediasense.providers import Access, AudioLimits, ImageLimits, Limits, Provider
from mediasense.testing.environment import only
from mediasense.testing.registry import NotDeclared, Unproved, require
from mediasense.testing.samples import sample
from mediasense.testing.service import Device, Said, Sample, Service
from mediasense.testing.sources import Script, Source
from mediasense.testing.wire import Call, Reply, Wire
from mediasense.types import (
    Answer,
    AudioRequest,
    ImageRequest,
    Media,
    ModelsRequest,
    Question,
    Request,
    Segment,
    TextRequest,
    Usage,
    VideoRequest,
)

Kind = Literal["image", "video", "transcript", "sound", "text"]
"""What can be asked of a provider: about images, video, sound or text, or to write down speech."""

KINDS: tuple[Kind, ...] = ("image", "video", "transcript", "sound", "text")
MODALITY_OF: dict[Kind, Modality] = {
    "image": "image",
    "video": "video",
    "transcript": "audio",
    "sound": "audio",
    "text": "text",
}
TIMEOUT = 20.0
PROMPT = "What is shown here? (canary-prompt-41c7)"

_PIECES = ("The canary ", "sings of ", "forty-two bright ", "pipes.")


def said(**changes: Any) -> Said:
    """What the service says, unless a check wants something else."""
    plain = Said(
        text="".join(_PIECES),
        pieces=_PIECES,
        model="canary-model-2042",
        usage=Usage(
            input_tokens=143,
            output_tokens=29,
            reasoning_tokens=7,
            cached_tokens=11,
            cache_write_tokens=5,
            image_tokens=41,
            video_tokens=43,
            audio_tokens=47,
            seconds=4.0,
        ),
        segments=(
            Segment(start=0.0, end=1.5, text="The canary sings of"),
            Segment(start=1.5, end=4.0, text="forty-two bright pipes."),
        ),
        models=("canary-model-b", "canary-model-a", "canary-model-c"),
    )
    return replace(plain, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call.

    Attributes:
        value: What the plugin returned; ``None`` when it raised.
        error: What it raised.
        calls: What it sent.
        pieces: What went to ``on_text``.
        seconds: How long it took.
    """

    value: Any
    error: BaseException | None
    calls: tuple[Call, ...]
    pieces: tuple[str, ...]
    seconds: float

    def sent(self, data: bytes) -> bool:
        """Whether the bytes were sent."""
        return any(call.holds(data) for call in self.calls)

    def mentions(self, text: str) -> bool:
        """Whether the text was sent."""
        return any(call.mentions(text) for call in self.calls)


class Subject:
    """A provider of a plugin that is loaded alone, as the checks see it.

    Attributes:
        source: The plugin.
        provider: The provider.
        script: The other end; ``None`` when nobody wrote one.
    """

    def __init__(self, source: Source, provider: Provider, script: Script | None) -> None:
        self.source = source
        self.provider = provider
        self.script = script
        self.hooks = Hooks(source.plugins)
        self.dispatcher = Dispatcher(source.plugins)
        self._open = ExitStack()
        self._folder: Path | None = None
        self._wire: Wire | None = None
        self._lock = threading.Lock()
        self._shown: dict[MediaModality, Sample] = {}

    def __enter__(self) -> Self:
        self._folder = Path(
            self._open.enter_context(TemporaryDirectory(prefix="mediasense_testing_"))
        )
        if isinstance(self.script, Service):
            self._wire = self._open.enter_context(Wire(lambda _: Reply(status=500)))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The state in which a check begins: an environment of its own, a service that is well."""
        with only(self._environment(), tuple(self.source.plugins.providers.values())):
            if self._wire is not None:
                self._wire.clear()
                self.says(said())
            yield

    # --- what is there -----------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where files are made."""
        require(self._folder is not None, "the subject is not open: use it as a context manager")
        assert self._folder is not None
        return self._folder

    @property
    def wire(self) -> Wire:
        """The service's end of the wire."""
        if self._wire is None:
            raise Unproved("there is no script of its service to prove it with")
        return self._wire

    @property
    def service(self) -> Service:
        """The script, of a provider that is reached over HTTP."""
        if not isinstance(self.script, Service):
            raise Unproved("there is no script of its service to prove it with")
        return self.script

    @property
    def device(self) -> Device:
        """The script, of a provider that runs in this process."""
        if not isinstance(self.script, Device):
            raise Unproved("there is no Device that shows it something")
        return self.script

    @property
    def access(self) -> Access:
        """How the provider is reached."""
        if self._wire is None:
            return Access()
        return self.service.access(self.provider, self._wire.url)

    # --- what the service does ---------------------------------------------------------------

    def says(self, words: Said) -> None:
        """Have the service answer well."""
        self.wire.answer = lambda call: self.service.answer(call, words)

    def fails(self, status: int, change: Callable[[Reply], Reply] = lambda reply: reply) -> None:
        """Have the service fail.

        Args:
            status: With this status.
            change: What becomes of the reply; one that is no failure, such as a token that the
                script hands out all the same, stays as it is.
        """

        def answer(call: Call) -> Reply:
            reply = self.service.failure(call, status)
            return change(reply) if reply.status == status else reply

        self.wire.answer = answer

    def fails_with(self, body: bytes) -> None:
        """Have the service answer 200 with something that is no answer."""
        self.wire.answer = lambda _: Reply(body=body)

    # --- what can be asked -------------------------------------------------------------------

    def limits(self, kind: Kind) -> Limits | None:
        """What the provider declares of a kind, with the model that is asked; or ``None``."""
        modality = MODALITY_OF[kind]
        limits: Limits | None = getattr(self.provider.limits_for(self.named_model(kind)), modality)
        if isinstance(limits, AudioLimits):
            wanted = limits.transcribes if kind == "transcript" else limits.answers
            return limits if wanted else None
        return limits

    def declared(self, *among: Kind) -> tuple[Kind, ...]:
        """The kinds that the provider declares.

        Raises:
            NotDeclared: None of those asked for.
        """
        found = tuple(kind for kind in among or KINDS if self.limits(kind) is not None)
        if not found:
            raise NotDeclared(f"{self.provider.name} does not declare {' or '.join(among)}")
        return found

    def files(self, *among: Kind) -> tuple[Kind, ...]:
        """Those of the declared kinds that take files, and not links alone.

        Raises:
            NotDeclared: None does.
        """
        found = tuple(k for k in self.declared(*among) if getattr(self.limits(k), "mime_types", ()))
        if not found:
            raise NotDeclared(f"{self.provider.name} takes no file, only links")
        return found

    def options(self, kind: Kind) -> tuple[str, ...]:
        """The options that are honoured with a kind."""
        limits = self.limits(kind)
        if kind == "sound" and isinstance(limits, AudioLimits):
            return limits.options if limits.answer_options is None else limits.answer_options
        return limits.options if limits is not None else ()

    def prompted(self, kind: Kind) -> bool:
        """Whether a question is asked with a kind."""
        if kind == "transcript":
            return False
        return bool(getattr(self.limits(kind), "answers", True))

    def media(self, kind: Kind, *, variant: int = 0, size: int | None = None) -> Media:
        """Media of the type that is declared first, or a link where only links are taken.

        Raises:
            Unproved: None of the declared types can be made here.
        """
        limits = self.limits(kind)
        types = limits.mime_types if limits is not None else ()
        if limits is not None and not types:
            return _link(kind, limits)
        reason = "it declares no type of file"
        for mime_type in types:
            try:
                return self.sample(kind, mime_type, variant=variant, size=size)
            except Unproved as error:
                reason = str(error)
        raise Unproved(f"{kind}: {reason}")

    def sample(
        self, kind: Kind, mime_type: str, *, variant: int = 0, size: int | None = None
    ) -> Media:
        """Media of a type; see :func:`mediasense.testing.samples.sample`."""
        modality = MODALITY_OF[kind]
        assert modality != "text"
        return sample(modality, mime_type, self.folder, variant=variant, size=size)

    def shown(self, modality: MediaModality) -> Sample:
        """What a provider that runs in this process is shown; made once, for all threads."""
        with self._lock:
            if modality not in self._shown:
                try:
                    shown = self.device.sample(self.provider, modality, self.folder)
                except NotImplementedError:
                    raise Unproved(f"its Device has no sample of {modality}") from None
                self._shown[modality] = shown
            return self._shown[modality]

    def request(self, kind: Kind, *media: Media, **changes: Any) -> Request:
        """A complete request, as the core makes it.

        Args:
            kind: What is asked.
            media: Of what; by default one file of the type declared first.
            changes: Fields of the request.
        """
        if kind != "text" and not media:
            media = (self.media(kind),)
        prompt = changes.pop("prompt", PROMPT) if self.prompted(kind) else None
        chosen: dict[str, Any] = {
            "provider": self.provider,
            "model": self._model(kind),
            "access": self.access,
            "timeout": TIMEOUT,
            "retries": 0,
            "prompt": prompt,
            **changes,
        }
        if kind == "image":
            return ImageRequest(images=media, **chosen)
        if kind == "video":
            return VideoRequest(video=media[0], **chosen)
        if kind == "text":
            return TextRequest(**chosen)
        return AudioRequest(audio=media[0], **chosen)

    def models_request(self, **changes: Any) -> ModelsRequest:
        """A request for the list of models.

        Raises:
            NotDeclared: The plugin lists none.
        """
        if "list_models" not in self.source.plugins.owners[self.provider.name].hooks:
            raise NotDeclared("it has no list_models")
        plain: dict[str, Any] = {"access": self.access, "timeout": TIMEOUT, "retries": 0}
        return ModelsRequest(provider=self.provider, **{**plain, **changes})

    def question(self, **changes: Any) -> Question:
        """A question as a user asks it."""
        plain: dict[str, Any] = {
            "provider": self.provider.name,
            "access": self.access,
            "timeout": TIMEOUT,
            "retries": 0,
            "prompt": PROMPT,
        }
        return Question(**{**plain, **changes})

    # --- asking ------------------------------------------------------------------------------

    def call(
        self, request: Request, on_text: OnText | None = None, *, hooks: Hooks | None = None
    ) -> Outcome:
        """Call the plugin's hook with a request, through the core."""
        chosen = hooks or self.hooks
        return self._outcome(lambda heard: chosen.call(request, heard), on_text)

    def stream(self, request: Request) -> Outcome:
        """The same, with the answer piece by piece."""
        return self.call(request, lambda _: None)

    def analyze(
        self, sources: tuple[MediaSource, ...], question: Question, *, listen: bool = False
    ) -> Outcome:
        """Ask as a user does: with all that the core does to media before."""
        return self._outcome(
            lambda heard: self.dispatcher.analyze(sources, question, on_text=heard),
            (lambda _: None) if listen else None,
        )

    def answered(self, what: str, outcome: Outcome) -> Answer:
        """The answer, where there has to be one."""
        if outcome.error is not None:
            raise AssertionError(
                f"{what}: it failed, although the service answered well: {told(outcome.error)}"
            ) from outcome.error
        require(
            isinstance(outcome.value, Answer),
            f"{what}: it returned {type(outcome.value).__name__}, and not an Answer",
        )
        assert isinstance(outcome.value, Answer)
        return outcome.value

    def _outcome(self, ask: Callable[[OnText | None], Any], on_text: OnText | None) -> Outcome:
        calls = self._wire.calls if self._wire is not None else []
        before, pieces, started = len(calls), list[str](), time.perf_counter()

        def hear(text: str) -> None:
            pieces.append(text)
            if on_text is not None:
                on_text(text)

        value, error = None, None
        try:
            value = ask(hear if on_text is not None else None)
        except (Exception, SystemExit) as raised:  # noqa: BLE001  what it is, is what is checked
            error = raised
        seconds = time.perf_counter() - started
        self._require_script()
        return Outcome(
            value=value,
            error=error,
            calls=tuple(calls[before:]),
            pieces=tuple(pieces),
            seconds=seconds,
        )

    def _require_script(self) -> None:
        if self._wire is None or not self._wire.problems:
            return
        problem = self._wire.problems[0]
        if isinstance(problem, NotImplementedError):
            raise AssertionError(f"the script of the service has no answer to {problem}")
        raise AssertionError(
            f"the script of the service failed: {type(problem).__name__}: {problem}"
        ) from problem

    def named_model(self, kind: Kind) -> str | None:
        """The model that the script names; ``None`` for the provider's own default."""
        if self.script is None:
            return None
        asked = MODALITY_OF[kind]
        # Scripts are asked about media alone.
        first: MediaModality = next(iter(self.provider.modalities), "image")
        return self.script.model(self.provider, first if asked == "text" else asked)

    def _model(self, kind: Kind) -> str | None:
        limits = self.limits(kind)
        require(limits is not None, f"{self.provider.name} does not declare {kind}")
        assert limits is not None
        asked = Question(model=self.named_model(kind))
        prompt = PROMPT if self.prompted(kind) else None
        return planned_call(MODALITY_OF[kind], limits, asked, self.provider, prompt).model

    def _environment(self) -> dict[str, str]:
        if isinstance(self.script, Service):
            return dict(self.script.environment(self.provider, self.wire.url, self.folder))
        if isinstance(self.script, Device):
            return dict(self.script.environment(self.provider, self.folder))
        return {}


def _link(kind: Kind, limits: Limits) -> Media:
    scheme = next(iter(limits.uri_schemes), "https")
    uri = f"{scheme}://media.example/canary"
    if scheme == "youtube":
        uri = "https://www.youtube.com/watch?v=canary00000"
    modality = MODALITY_OF[kind]
    assert modality != "text"
    return Media(modality=modality, mime_type="", uri=uri)


def told(error: BaseException | None) -> str:
    """An error in a line: its class, and its words; of a plugin's own mistake, that mistake."""
    if error is None:
        return "no error"
    if isinstance(error, PluginError) and error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def is_known(error: BaseException | None) -> bool:
    """Whether it is an error that users are told in one line."""
    return isinstance(error, MediasenseError) and not isinstance(error, PluginError)


def several(limits: ImageLimits) -> int:
    """How many images are sent where several may be."""
    return min(limits.max_items or 3, 3)
