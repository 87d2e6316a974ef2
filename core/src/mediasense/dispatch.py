"""Choose a provider, plan, ask it through its hooks, join the answers."""

from __future__ import annotations

import difflib
import json
import math
import os
import time
from dataclasses import dataclass, field, fields, replace
from typing import Any, NoReturn

from mediasense.config import MAX_RETRIES, MAX_TIMEOUT, PROVIDER_VARIABLE, Config
from mediasense.connection import find_credential
from mediasense.errors import (
    InvalidAnswer,
    MissingCredentials,
    NoPlugins,
    UnknownProvider,
    UnsupportedModality,
    UsageError,
    one_line,
)
from mediasense.hooks import Hooks
from mediasense.known import PACKAGES, package_for
from mediasense.media.source import Source, resolve
from mediasense.names import MediaModality, OnText
from mediasense.planning import (
    Call,
    can_take,
    make_plan,
    require_access_options,
    require_one_kind,
)
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.schemas import first_misfit, require_schema
from mediasense.types import (
    Analysis,
    Answer,
    AudioRequest,
    ImageRequest,
    Media,
    Model,
    ModelsRequest,
    Question,
    Request,
    TextRequest,
    Timings,
    Usage,
    VideoRequest,
)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Answers questions about media through the plugins.

    Attributes:
        plugins: What is loaded.
        config: The user's settings.
    """

    plugins: Plugins
    config: Config = Config()
    _hooks: Hooks = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hooks", Hooks(self.plugins))

    def analyze(
        self,
        sources: tuple[Source, ...],
        question: Question,
        *,
        expected: MediaModality | None = None,
        on_text: OnText | None = None,
    ) -> Analysis:
        """Answer a question about one video, one sound, or one or more images.

        Args:
            sources: Paths, URIs or bytes.
            question: What is asked, of whom, and how.
            expected: The kind of media they must be; ``None`` takes them for what they are.
            on_text: Called with each piece of the answer as it arrives, where the provider can.

        Raises:
            MediasenseError: Of the class that fits the failure.
        """
        started = time.perf_counter()
        _require_patience(question)
        require_schema(question.json_schema)
        named = self._named(question)
        media = tuple(resolve(source, expected) for source in sources)
        require_one_kind(media)
        provider = named or self._choose(media, question)
        try:
            plan = make_plan(media, question, provider)
        except UnsupportedModality as error:
            raise UnsupportedModality(
                error.message, hint=self._who_can(media, question, provider)
            ) from None
        prepared = time.perf_counter()
        streamed = on_text is not None and self._streams(plan.calls[-1], provider)
        answers: list[Answer] = []
        for call in plan.calls:
            request = _request(call, media, question, provider, answers)
            in_pieces = streamed and call is plan.calls[-1]
            answers.append(self._ask(request, on_text if in_pieces else None))
        finished = time.perf_counter()
        last = answers[-1]
        if on_text is not None and not streamed:
            on_text(last.text)
        return Analysis(
            text=last.text,
            provider=provider.name,
            model=last.model,
            strategy=plan.strategy,
            timings=Timings(
                total=finished - started, prepare=prepared - started, provider=finished - prepared
            ),
            media=tuple(replace(item, data=None) for item in media),
            usage=_total([answer.usage for answer in answers]),
            data=_data(last, question, provider),
            finish_reason=last.finish_reason,
            segments=tuple(segment for answer in answers for segment in answer.segments),
            lines=last.lines,
            language=next((a.language for a in answers if a.language), None),
            warnings=tuple(dict.fromkeys(w for answer in answers for w in answer.warnings)),
        )

    def models(self, question: Question) -> tuple[Model, ...]:
        """Ask a provider which models it has now.

        Raises:
            UnsupportedModality: The provider has no listing.
            ProviderError: It was asked, and failed.
        """
        provider = self._named(question)
        if provider is None:
            raise UsageError("no provider is named", hint="add --provider NAME")
        if "list_models" not in self.plugins.owners[provider.name].hooks:
            raise UnsupportedModality(
                f"{provider.name} has no listing of its models", hint="see its documentation"
            )
        request = ModelsRequest(
            provider=provider,
            access=question.access,
            timeout=question.timeout,
            retries=question.retries,
        )
        _require_patience(question)
        require_access_options(question, provider)
        found = self._hooks.call(request)
        if not isinstance(found, tuple | list) or not all(isinstance(m, Model) for m in found):
            what = "list_models returned something that is no tuple of Model"
            raise self._hooks.broken(provider, what)
        return tuple(found)

    def provider(self, name: str) -> Provider:
        """The provider of that name or alias.

        Raises:
            ProviderConflict: Two plugins claim it.
            UnknownProvider: None offers it; the message says what to install, or what failed.
        """
        found = self.plugins.find(name)
        if found is not None:
            return found
        package = package_for(name)
        failed = next((f for f in self.plugins.failures if _is_from(f.entry_point, package)), None)
        if failed is not None:
            raise UnknownProvider(
                f"{failed.entry_point} offers {name!r} and failed to load: {failed.cause}",
                hint="type: mediasense plugins",
            )
        if package is not None and not any(
            _is_from(plugin.entry_point, package) for plugin in self.plugins.loaded
        ):
            off = [name for name in self.plugins.disabled if package.endswith(_dashed(name))]
            hint = f"{off[0]} is switched off" if off else f"type: pip install {package}"
            raise UnknownProvider(f"no installed plugin offers {name!r}", hint=hint)
        raise UnknownProvider(f"no installed plugin offers {name!r}", hint=self._did_you_mean(name))

    def _did_you_mean(self, name: str) -> str:
        known = [n for p in self.plugins.providers.values() for n in (p.name, *p.aliases)]
        near = difflib.get_close_matches(name, known, 3)
        return f"did you mean {' or '.join(near)}?" if near else "type: mediasense providers"

    def _named(self, question: Question) -> Provider | None:
        """The provider the user, the environment or the config names, if any does."""
        if question.provider is not None:
            return self.provider(question.provider)
        if question.access.base_url is not None:
            anywhere = [p for p in self.plugins.providers.values() if p.takes_any_base_url]
            if not anywhere:
                raise UnknownProvider(
                    "no installed plugin takes --base-url alone",
                    hint="type: pip install mediasense-openai-compat",
                )
            return anywhere[0]
        name = os.environ.get(PROVIDER_VARIABLE) or self.config.provider
        if name:
            return self.provider(name)
        if question.access.api_key_env or question.access.credentials_file:
            # Whoever is chosen would be sent a key that is somebody else's.
            raise UsageError(
                "a key is named, and not whose it is", hint="add --provider NAME or --base-url URL"
            )
        return None

    def _choose(self, media: tuple[Media, ...], question: Question) -> Provider:
        """The first service with credentials that takes this, or else what runs on the device."""
        providers = self.plugins.providers.values()
        if not providers:
            raise NoPlugins(
                "no provider plugin is installed",
                hint=f"type: pip install {next(iter(PACKAGES))} (works without a key)",
            )
        free = [p for p in providers if p.name not in self.plugins.conflicts]
        keyed = [p for p in free if p.kind == "service" and _has_credentials(p)]
        local = [p for p in free if p.kind == "device"]
        for provider in (*keyed, *local):
            if can_take(provider, media, question):
                return provider
        for provider in (*keyed, *local):
            # Nobody can: the first one's own reason says why.
            make_plan_error = _reason(provider, media, question)
            if not isinstance(make_plan_error, UnsupportedModality):
                raise make_plan_error
        raise UnsupportedModality(
            f"no provider with credentials takes this {media[0].modality}",
            hint=self._who_can(media, question, None),
        )

    def _who_can(
        self, media: tuple[Media, ...], question: Question, provider: Provider | None
    ) -> str:
        """What to type instead: providers that are installed, or packages that are not."""
        modality = media[0].modality
        asked = replace(question, model=None)
        able = [
            p.name
            for p in self.plugins.providers.values()
            if p is not provider and can_take(p, media, asked)
        ]
        if able:
            return f"try --provider {' or '.join(able[:4])}"
        installed = {plugin.entry_point.distribution for plugin in self.plugins.loaded}
        missing = [p for p in PACKAGES if p not in installed and p != "mediasense-on-device"]
        if missing:
            return f"for {modality}, type: pip install {missing[0]}"
        return "no installed provider takes it"

    def _streams(self, call: Call, provider: Provider) -> bool:
        """Whether pieces of this call's answer may be shown before it is whole."""
        return call.streaming and not self._hooks.changes_answers(call.modality, provider)

    def _ask(self, request: Request, on_text: OnText | None) -> Answer:
        answer = self._hooks.call(request, on_text)
        if not (
            isinstance(answer, Answer)
            and isinstance(answer.text, str)
            and isinstance(answer.model, str)
        ):
            returned = f"returned {type(answer).__name__}, not an Answer with a text and a model"
            raise self._hooks.broken(request.provider, returned)
        return answer


def _request(
    call: Call,
    media: tuple[Media, ...],
    question: Question,
    provider: Provider,
    answers: list[Answer],
) -> Request:
    """The request for one call of a plan."""
    chosen: dict[str, Any] = {
        "provider": provider,
        "model": call.model,
        "access": question.access,
        "timeout": question.timeout,
        "retries": question.retries,
        "prompt": call.prompt,
    }
    for option in call.options:
        for name in ("start", "end") if option == "start_end" else (option,):
            chosen[name] = getattr(question, name)
    if call.modality == "image":
        return ImageRequest(images=media, **chosen)
    if call.modality == "video":
        return VideoRequest(video=media[0], **chosen)
    if call.modality == "audio":
        return AudioRequest(audio=media[0], **chosen)
    chosen["prompt"] = _about_transcript(call.prompt or "", answers[-1])
    return TextRequest(**chosen)


def _about_transcript(prompt: str, transcript: Answer) -> str:
    lines = [f"[{s.start:.1f}-{s.end:.1f} s] {s.text.strip()}" for s in transcript.segments]
    text = "\n".join(lines) or transcript.text
    return f"{prompt}\n\nThis is the transcript of the recording:\n\n{text}"


def _reason(provider: Provider, media: tuple[Media, ...], question: Question) -> Exception:
    try:
        make_plan(media, question, provider)
    except Exception as error:  # noqa: BLE001  it is looked at and raised by the caller
        return error
    raise AssertionError("a plan was found")


def _data(answer: Answer, question: Question, provider: Provider) -> object:
    """The parsed answer, when a schema was asked for; it fits the schema."""
    if question.json_schema is None:
        return None
    try:
        data: object = json.loads(answer.text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidAnswer(
            f"{provider.name} was asked for JSON and answered with something else",
            hint="try again, or another --model",
        ) from None
    if misfit := first_misfit(data, question.json_schema):
        raise InvalidAnswer(
            f"the answer of {provider.name} does not fit the schema: {one_line(misfit)}",
            hint="try again, or another --model",
        )
    return data


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _require_patience(question: Question) -> None:
    if not 0 < question.timeout <= MAX_TIMEOUT:
        raise UsageError(
            f"a timeout of {question.timeout:g} s is not above 0 and up to {MAX_TIMEOUT:g} s",
            hint="give --timeout SECONDS",
        )
    if not 0 <= question.retries <= MAX_RETRIES:
        raise UsageError(
            f"{question.retries} retries are not 0 to {MAX_RETRIES}", hint="give --retries N"
        )


def _has_credentials(provider: Provider) -> bool:
    try:
        return find_credential(provider) is not None
    except MissingCredentials:  # a key that cannot be one: this provider is not chosen unasked
        return False


def _total(usages: list[Usage | None]) -> Usage | None:
    """The sum of what was reported; a count that nobody reported stays unknown."""
    reported = [usage for usage in usages if usage is not None]
    if not reported:
        return None
    sums: dict[str, Any] = {}
    for item in fields(Usage):
        counts = [getattr(usage, item.name) for usage in reported]
        known = [count for count in counts if count is not None]
        sums[item.name] = sum(known) if known else None
    return Usage(**sums)


def _is_from(entry_point: Any, package: str | None) -> bool:
    return bool(entry_point.distribution == package)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
