"""``mediasense providers add``: try an endpoint, and write what it takes to the config file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mediasense import runtime
from mediasense.cli.completion import provider_names
from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import (
    AuthenticationError,
    ConfigError,
    MediasenseError,
    UnknownModel,
    UnknownProvider,
    UsageError,
)
from mediasense.names import Modality
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.document import Document
    from mediasense.plugins import Plugins
    from mediasense.providers import Limits, Provider
    from mediasense.settings_file import Toml
    from mediasense.trying.records import Attempt, Takes, Trial, Tried

TIMEOUT = 60.0

_MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")
# Said also where it is what nobody else would say: what is left out is as `like` has it.
_ALWAYS_SAID = ("mime_types", "options", "streaming", "transcribes", "answers")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Where the endpoint is, and how it wants to be asked."""

    base_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where it is, such as https://gpu.acme.example/v1.",
            rich_help_panel="Endpoint",
        ),
    ]
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="The environment variable that holds its key.",
            rich_help_panel="Endpoint",
        ),
    ] = None
    like: Annotated[
        str | None,
        typer.Option(
            metavar="PROVIDER",
            autocompletion=provider_names,
            help="Whose protocol it speaks. (default: the provider that takes any --base-url)",
            rich_help_panel="Endpoint",
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Its default model. (default: the one that it lists, if it is one)",
            rich_help_panel="Endpoint",
        ),
    ] = None
    audio_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model that writes down speech, if it is another.",
            rich_help_panel="Endpoint",
        ),
    ] = None
    description: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="One line for the table.", rich_help_panel="Endpoint"),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An HTTP header of every call; again for more.",
            rich_help_panel="Endpoint",
        ),
    ] = None
    header_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VARIABLE",
            help="The same, with a value that an environment variable holds.",
            rich_help_panel="Endpoint",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """How it is tried."""

    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="How long each call may take.")
    ] = TIMEOUT
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Allow plain http to another machine.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")
    ] = False


@spread
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.")],
    endpoint: EndpointOptions,
    trial: TrialOptions,
    listing: ListingOptions,
) -> None:
    """Try an endpoint, and write what it really takes to the config file.

    About 20 small calls are made, which may cost a little. Nothing is written of what was not
    proved, and nothing at all where the endpoint could not be reached.

    mediasense providers add lab --base-url https://lab.example.com/v1 --api-key-env LAB_KEY
    """
    from mediasense.config import config_path
    from mediasense.settings_file import add_table

    adding = _Adding(name=name, path=config_path(), options=endpoint, plugins=runtime.plugins())
    adding.require_new()
    _require_no_keys(adding.headers)
    try:
        model = _model(adding, trial)
        tried = _tried(adding, trial, model)
        text = adding.table(tried.takes, model.default, _comments(tried, model))
        adding.require_sound(adding.own_document(text))
        written = (
            None
            if trial.dry_run
            else add_table(adding.path, adding.key, text, check=adding.require_sound)
        )
    except MediasenseError:
        say("note", "nothing was written")
        raise
    _tell(adding, trial, tried, written)
    if listing.as_json:
        print_json(_record(adding, model, tried, text, written))
    elif trial.dry_run:
        write(answers(), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adding:
    """What is to be added, and where.

    Attributes:
        name: What it is called.
        path: The config file.
        options: What the user says of it.
        plugins: What is loaded.
    """

    name: str
    path: Path
    options: EndpointOptions
    plugins: "Plugins"

    @property
    def key(self) -> tuple[str, ...]:
        return "providers", self.name

    @property
    def headers(self) -> dict[str, "Toml"]:
        """The headers, as the config file has them."""
        plain = dict(_pair("--header", text) for text in self.options.header or ())
        looked_up = dict(_pair("--header-env", text) for text in self.options.header_env or ())
        return {**plain, **{name: {"env": variable} for name, variable in looked_up.items()}}

    @property
    def like(self) -> "Provider":
        """The provider whose protocol it speaks.

        Raises:
            UnknownProvider: There is none.
        """
        if self.options.like is not None:
            return runtime.dispatcher().provider(self.options.like)
        anywhere = [p for p in self.plugins.providers.values() if p.takes_any_base_url]
        if not anywhere:
            raise UnknownProvider(
                "no installed plugin takes any base URL",
                hint="type: pip install mediasense-openai-compat, or give --like PROVIDER",
            )
        return anywhere[0]

    def require_new(self) -> None:
        """Refuse a name that somebody has.

        Raises:
            ConfigError: It is in the config file; the message names the line.
            UsageError: A plugin offers it.
        """
        from mediasense.settings_file import require_new

        require_new(self.path, self.key)
        if (found := self.plugins.find(self.name)) is not None:
            owner = self.plugins.owners[found.name].entry_point
            raise UsageError(f"{owner} offers {self.name!r}", hint="choose another name")

    def table(self, takes: "Takes", model: str | None, comments: tuple[str, ...] = ()) -> str:
        """The table for the config file."""
        from mediasense.settings_file import toml_table

        said: dict[str, Toml | None] = {
            "base_url": self.options.base_url,
            "like": self.like.name,
            "api_key_env": self.options.api_key_env,
            "model": model,
            "description": self.options.description,
            "headers": self.headers or None,
        }
        values = {name: value for name, value in said.items() if value is not None}
        for modality in _MODALITIES:
            if (limits := getattr(takes, modality)) is not None:
                values[modality] = _limits(limits, getattr(self.like, modality))
        return toml_table(self.key, values, comments)

    def own_document(self, text: str) -> "Document":
        """The table alone, read as the config file is."""
        import tomllib

        from mediasense.document import Document

        return Document(Path("new"), text, tomllib.loads(text))

    def require_sound(self, document: "Document") -> "Plugins":
        """See to it that a config file can be loaded, with what is added, and load it.

        Raises:
            ConfigError: It cannot.
        """
        from mediasense.config import config_of

        try:
            loaded = self.plugins.with_endpoints(config_of(document).endpoints)
            if self.name in loaded.broken:
                raise loaded.broken[self.name]
        except ConfigError as error:
            # The table stands in no file yet, and so on no line.
            message = error.message.partition(": ")[2] or error.message
            raise UsageError(message, hint=error.hint) from None
        return loaded


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"{option} is not NAME=VALUE", hint=f"give {option} 'NAME=VALUE'")
    return name.strip(), value.strip()


def _require_no_keys(headers: dict[str, "Toml"]) -> None:
    from mediasense.masking import looks_like_key

    for name, value in headers.items():
        if isinstance(value, str) and looks_like_key(value):
            raise UsageError(
                f"the value of --header {name} looks like a key, which does not belong in a file",
                hint=f"give --header-env '{name}=VARIABLE'",
            )


# --- trying --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """Which model is asked.

    Attributes:
        name: Its name.
        listed: The models that the endpoint lists; ``None`` where it has no listing.
        named: Whether the user named it.
    """

    name: str
    listed: tuple[str, ...] | None
    named: bool

    @property
    def default(self) -> str | None:
        """What is written as the default model: nothing where there is a choice."""
        return self.name if self.named or self.listed == (self.name,) else None


def _candidate(adding: _Adding) -> "tuple[Plugins, Provider]":
    """The endpoint as it would be if it took everything that its protocol has."""
    from mediasense.trying.claims import claims

    claimed = adding.table(claims(adding.plugins, adding.like), None)
    plugins = adding.require_sound(adding.own_document(claimed))
    return plugins, plugins.providers[adding.name]


def _trial(adding: _Adding, options: TrialOptions, model: str | None) -> "Trial":
    from mediasense.providers import Access
    from mediasense.trying.records import Trial

    return Trial(
        # Named once more: a key that is named and not set is an error, on this machine too.
        access=Access(api_key_env=adding.options.api_key_env, allow_http=options.allow_http),
        model=model,
        audio_model=adding.options.audio_model,
        timeout=options.timeout,
    )


def _model(adding: _Adding, options: TrialOptions) -> _Model:
    from mediasense.trying import list_models

    named = adding.options.model
    with _hints(adding):
        listed = list_models(*_candidate(adding), _trial(adding, options, named))
    found = "there is no listing" if listed is None else f"{len(listed)} found{_some(listed)}"
    say("tries", f"models ... {found}")
    if named is not None:
        if listed and named not in listed:
            say("warning", f"{named} is not among the models that are listed")
        return _Model(name=named, listed=listed, named=True)
    if not listed:
        raise UsageError(f"{adding.name} lists no models", hint="give --model NAME")
    if len(listed) > 1:
        say(
            "warning",
            f"{listed[0]}, the first of {len(listed)} models, is tried, and no default is written; "
            "choose one with --model",
        )
    return _Model(name=listed[0], listed=listed, named=False)


def _some(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else ""


def _tried(adding: _Adding, options: TrialOptions, model: _Model) -> "Tried":
    from mediasense.trying import ABOUT_CALLS, try_provider

    say("note", f"about {ABOUT_CALLS} small calls are made, which may cost a little")
    with _hints(adding):
        return try_provider(*_candidate(adding), _trial(adding, options, model.name), _report)


@contextmanager
def _hints(adding: _Adding) -> Iterator[None]:
    """Errors whose own hints are about a provider that is there already, with hints that fit."""
    try:
        yield
    except UnknownModel as error:
        hint = "check --model, --base-url and --like"
        raise UnknownModel(error.message, hint=hint, status=error.status) from None
    except AuthenticationError as error:
        if adding.options.api_key_env is not None:
            raise
        hint = "name the variable that holds its key: --api-key-env VARIABLE"
        raise type(error)(error.message, hint=hint, status=error.status) from None


def _report(attempt: "Attempt") -> None:
    said = "answered" if attempt.taken else attempt.outcome
    say("tries", f"{attempt.name} ... {said}" + (f": {attempt.detail}" if attempt.detail else ""))


def _limits(limits: "Limits", known: "Limits | None") -> dict[str, "Toml"]:
    """What has to be said of limits, given those that hold where nothing is said."""
    said = {item.name: getattr(limits, item.name) for item in fields(limits)}
    held = known if known is not None else type(limits)()
    return {
        name: value
        for name, value in said.items()
        if value is not None
        and (value != getattr(held, name) or (name in _ALWAYS_SAID and value != ()))
    }


# --- telling -------------------------------------------------------------------------------------


def _comments(tried: "Tried", model: _Model) -> tuple[str, ...]:
    """What was tried when and of whom, for those who read the file later."""
    which = "" if model.default else f", the first of {len(model.listed or ())} that are listed"
    return (
        f"tried {time.strftime('%Y-%m-%d')} with {model.name}{which}",
        *(f"not taken: {_brief(attempt)}" for attempt in tried.attempts if not attempt.taken),
        *(f"doubtful: {a.name}: {a.doubt}" for a in tried.attempts if a.doubt),
    )


def _brief(attempt: "Attempt") -> str:
    status = f" ({attempt.status})" if attempt.status else ""
    return f"{attempt.name}: {attempt.outcome}{status}"


def _tell(adding: _Adding, trial: TrialOptions, tried: "Tried", written: Path | None) -> None:
    say(adding.name, f"takes {_described(tried.takes)}")
    for attempt in tried.attempts:
        if not attempt.taken:
            detail = f": {attempt.detail}" if attempt.detail else ""
            say("not taken", f"{_brief(attempt)}{detail}")
        if attempt.doubt:
            say("warning", f"{attempt.name}: {attempt.doubt}")
    if written is None:
        say("note", "nothing was written")
        return
    say("written to", str(written))
    say("try", _next(adding, trial, tried))


def _described(takes: "Takes") -> str:
    parts = []
    if takes.text is not None:
        parts.append("text")
    if takes.image is not None:
        most = f"up to {takes.image.max_items}: " if takes.image.max_items else ""
        parts.append(f"image ({most}{_kinds(takes.image)})")
    if takes.audio is not None:
        times = ", with times" if takes.audio.timestamps else ""
        if takes.audio.transcribes:
            parts.append(f"transcripts of sound ({_kinds(takes.audio)}{times})")
        if takes.audio.answers:
            parts.append(f"questions about sound ({_kinds(takes.audio)})")
    if takes.video is not None:
        parts.append(f"video ({_kinds(takes.video)})")
    return ", ".join(parts)


def _kinds(limits: "Limits") -> str:
    return ", ".join(mime_type.partition("/")[2] for mime_type in limits.mime_types)


def _next(adding: _Adding, trial: TrialOptions, tried: "Tried") -> str:
    takes = tried.takes
    if takes.image is not None:
        command = 'mediasense image shot.png "what is this?"'
    elif takes.video is not None:
        command = 'mediasense video clip.mp4 "what happens?"'
    elif takes.audio is not None:
        command = "mediasense audio talk.wav" + (
            "" if takes.audio.transcribes else ' "what is it?"'
        )
    else:
        return f"mediasense providers {adding.name}"
    return f"{command} --provider {adding.name}" + (" --allow-http" if trial.allow_http else "")


def _record(
    adding: _Adding, model: _Model, tried: "Tried", text: str, written: Path | None
) -> dict[str, Any]:
    return {
        "name": adding.name,
        "like": adding.like.name,
        "model": model.name,
        "listed": list(model.listed) if model.listed is not None else None,
        "takes": asdict(tried.takes),
        "attempts": [{"name": a.name, **asdict(a)} for a in tried.attempts],
        "calls": tried.calls,
        "toml": text,
        "written": str(written) if written is not None else None,
    }
