"""``mediasense init``: choose a provider, give it a key, try it, and keep both."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.cli.entering import agree, ask, enter_hidden, is_interactive, read_piped
from mediasense.cli.keys import from_environment, require_file, tell_saved
from mediasense.cli.listings import nothing_installed
from mediasense.cli.options import spread
from mediasense.cli.settings import write_setting
from mediasense.cli.trials import try_out
from mediasense.errors import (
    AuthenticationError,
    MediasenseError,
    MissingCredentials,
    UnknownProvider,
    UsageError,
)
from mediasense.keys import Store
from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.providers import Provider

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """What need not be asked for."""

    provider: Annotated[
        str | None, typer.Option("--provider", "-p", help="Which one. (default: it is asked for)")
    ] = None
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input.")
    ] = False
    from_env: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="Save what that environment variable holds."),
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A credentials file, such as a service account's."),
    ] = None
    store: Annotated[
        Store | None, typer.Option(help="Where the key is saved, as for [bold]keys set[/bold].")
    ] = None
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Try it for real before it is saved; that may cost a fraction of a cent.",
        ),
    ] = True
    default: Annotated[
        bool | None,
        typer.Option(
            "--default/--no-default", help="Make it the provider when none is named. (default: ask)"
        ),
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: what is not given is left as it is.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entered:
    """What is to be saved.

    Attributes:
        variable: Under which name.
        value: The key, or the path of a credentials file.
        is_path: Which of them.
    """

    variable: str
    value: str = field(repr=False)
    is_path: bool = False


@spread
def init(options: InitOptions) -> None:
    """Choose a provider, give it a key, try it for real, and keep both.

    Without options everything is asked for. To try a key, one tiny question is asked with it, which
    may cost a fraction of a cent.

    mediasense init --provider groq --key-stdin --yes < key.txt
    mediasense init --provider groq --from-env GROQ_API_KEY --yes --no-default
    """
    if sum((options.key_stdin, options.from_env is not None, options.file is not None)) > 1:
        raise UsageError("--key-stdin, --from-env and --file exclude each other", hint="give one")
    interactive = not options.yes and not options.key_stdin and is_interactive()
    provider = _provider(options.provider, interactive=interactive)
    if provider.kind == "device":
        say("note", f"{provider.name} runs on this machine, and needs neither key nor network")
    else:
        _set_up(provider, options, interactive=interactive)
    is_default = _make_default(provider, options, interactive=interactive)
    say(
        "note", f"now type: {_next(provider)}{'' if is_default else f' --provider {provider.name}'}"
    )


# --- who -----------------------------------------------------------------------------------------


def _provider(name: str | None, *, interactive: bool) -> "Provider":
    providers = tuple(runtime.plugins().providers.values())
    if not providers:
        raise nothing_installed()
    if name is not None:
        return runtime.dispatcher().provider(name)
    if not interactive:
        raise UsageError("there is nobody to ask for the provider", hint="give --provider NAME")
    _show(providers)
    while True:
        said = ask("number or name")
        try:
            if said.isdecimal() and 0 < int(said) <= len(providers):
                return providers[int(said) - 1]
            return runtime.dispatcher().provider(said)
        except UnknownProvider as error:
            say("error", str(error))


def _show(providers: "tuple[Provider, ...]") -> None:
    width = max(len(p.name) for p in providers)
    for number, provider in enumerate(providers, start=1):
        line = f"{number:>3}  {provider.name:<{width}}  {_needs(provider)}; {provider.description}"
        typer.echo("".join(c if c.isprintable() else " " for c in line), err=True)


def _needs(provider: "Provider") -> str:
    if provider.kind == "device":
        return "runs here, needs no key"
    try:
        found = _found(provider)
    except MediasenseError:
        found = None
    if found is not None:
        return f"key found ({found})"
    if provider.credentials is None or not provider.credentials.required:
        return "a server of yours" if provider.kind == "server" else "needs no key"
    return "needs a key"


def _found(provider: "Provider") -> str | None:
    from mediasense.connection import find_credential

    credential = find_credential(provider)
    return credential.source if credential is not None else None


# --- the key -------------------------------------------------------------------------------------


def _set_up(provider: "Provider", options: InitOptions, *, interactive: bool) -> None:
    _require_address(provider)
    entered = _given(provider, options)
    found = _found(provider) if entered is None else None
    if found is not None:
        say("note", f"{provider.name}: {found} is there")
    needs = provider.credentials is not None and provider.credentials.required
    if entered is None and found is None and needs and not interactive:
        assert provider.credentials is not None
        if not provider.credentials.ambient:
            raise MissingCredentials(
                f"no key for {provider.name}", hint="give --key-stdin, --from-env or --file"
            )
    for left in range(_TRIES - 1, -1, -1):
        if entered is None and found is None and needs and interactive:
            entered = _ask_for_key(provider)
        error = _tried(provider, entered, interactive=interactive) if options.check else None
        if error is None:
            break
        again = isinstance(error, AuthenticationError) and interactive and left > 0
        if not again:
            say("note", "nothing was saved")
            raise error
        say("error", str(error))
        entered = found = None
    if not options.check:
        say("note", f"{provider.name} was not tried")
    if entered is not None:
        _save(entered, options.store)


def _tried(
    provider: "Provider", entered: _Entered | None, *, interactive: bool
) -> MediasenseError | None:
    """Try it with what was entered; the reason why it is of no use, or ``None``."""
    from mediasense.keys import tried_out

    held = nullcontext() if entered is None else tried_out(entered.variable, entered.value)
    with held:
        return try_out(provider, entered.variable if entered else None, interactive=interactive)


def _require_address(provider: "Provider") -> None:
    from mediasense.connection import base_url_of
    from mediasense.providers import Access

    try:
        base_url_of(provider, Access(allow_http=True))
    except UsageError as error:
        raise UsageError(
            error.message,
            hint="set it, or type: mediasense providers add NAME --base-url URL",
        ) from None


def _given(provider: "Provider", options: InitOptions) -> _Entered | None:
    """What the options give."""
    if options.file is not None:
        path = require_file(options.file).expanduser().absolute()
        return _Entered(variable=_file_variable(provider), value=str(path), is_path=True)
    if options.key_stdin:
        return _key(provider, read_piped())
    if options.from_env is not None:
        return _key(provider, from_environment(options.from_env))
    return None


def _ask_for_key(provider: "Provider") -> _Entered | None:
    rules = provider.credentials
    assert rules is not None
    if not rules.variables:
        return _ask_for_another(provider)
    others = " or Enter alone to name a variable or a file"
    said = enter_hidden(f"{rules.variables[0]} (not shown;{others})")
    return _key(provider, said) if said else _ask_for_another(provider)


def _ask_for_another(provider: "Provider") -> _Entered | None:
    rules = provider.credentials
    assert rules is not None
    files = ", the path of a credentials file" if rules.file_variables else ""
    said = ask(f"the name of the variable that holds it{files}, or Enter to go without")
    if not said:
        return None
    if rules.file_variables and Path(said).expanduser().is_file():
        path = Path(said).expanduser().absolute()
        return _Entered(variable=_file_variable(provider), value=str(path), is_path=True)
    return _key(provider, from_environment(said))


def _key(provider: "Provider", value: str) -> _Entered:
    from mediasense.keys.saved import require_key

    rules = provider.credentials
    if rules is None:
        raise UsageError(f"{provider.name} needs no key", hint="leave it out")
    if not rules.variables:
        raise UsageError(f"{provider.name} has no key but a credentials file", hint="give --file")
    require_key(rules.variables[0], value)
    return _Entered(variable=rules.variables[0], value=value)


def _file_variable(provider: "Provider") -> str:
    rules = provider.credentials
    if rules is None or not rules.file_variables:
        raise UsageError(f"{provider.name} takes no credentials file", hint="give a key")
    return rules.file_variables[0]


def _save(entered: _Entered, store: Store | None) -> None:
    from mediasense.keys.saved import save_key, save_path

    if entered.is_path:
        tell_saved(save_path(entered.variable, Path(entered.value)))
    else:
        tell_saved(save_key(entered.variable, entered.value, store=store))


# --- the setting ---------------------------------------------------------------------------------


def _make_default(provider: "Provider", options: InitOptions, *, interactive: bool) -> bool:
    """Make it the default if that is wanted; whether it is now."""
    now = runtime.config().provider
    if now == provider.name:
        return True
    wanted = options.default
    if wanted is None and now is None:
        wanted = options.yes or not interactive or _agreed(provider, None)
    elif wanted is None:
        wanted = interactive and _agreed(provider, now)
        if not wanted:
            say("note", f"{now} stays the provider when none is named")
    if wanted:
        write_setting("provider", (provider.name,))
    return bool(wanted)


def _agreed(provider: "Provider", now: str | None) -> bool:
    question = f"ask {provider.name} when no provider is named?"
    return agree(f"{question} (now {now})" if now else question, default=now is None)


def _next(provider: "Provider") -> str:
    if provider.image is not None:
        return 'mediasense image shot.png "what is this?"'
    if provider.video is not None:
        return 'mediasense video clip.mp4 "what happens?"'
    if provider.audio is not None:
        return "mediasense audio talk.wav"
    return f"mediasense providers {provider.name}"
