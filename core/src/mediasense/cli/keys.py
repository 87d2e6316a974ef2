"""``mediasense keys``: save keys, see which there are, and remove them."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.cli.entering import agree, enter_hidden, is_interactive, read_piped
from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import MissingCredentials, UsageError
from mediasense.keys import Store
from mediasense.output.tables import print_table
from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.keys.saved import Saved
    from mediasense.providers import Provider

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

_HELP = """Save keys, see which there are, and remove them.

mediasense keys set groq --stdin < key.txt
mediasense keys list
"""

keys_app = typer.Typer(help=_HELP, no_args_is_help=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What is to be saved.

    Attributes:
        variable: Under which name; ``None`` where the provider has no such variable.
        file_variable: The name for the path of a credentials file; ``None`` for the same.
    """

    variable: str | None
    file_variable: str | None


@keys_app.command("set")
def set_key(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PROVIDER|VARIABLE", help="Whose key it is, or the variable it stands for."
        ),
    ],
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the key from standard input.")
    ] = False,
    from_env: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="Take what that environment variable holds."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="A credentials file, such as a service account's; it stays there."
        ),
    ] = None,
    store: Annotated[
        Store | None,
        typer.Option(
            help="Where it is saved. (default: the system keyring if there is one, else a file "
            "of your own)"
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Save it also under a name that looks mistyped.")
    ] = False,
) -> None:
    """Save a key; it is asked for without being shown, and is never an argument.

    mediasense keys set groq --stdin < key.txt
    mediasense keys set mistral --from-env MISTRAL_API_KEY
    """
    from mediasense.keys.saved import save_key, save_path

    if sum((from_stdin, from_env is not None, file is not None)) > 1:
        raise UsageError("--stdin, --from-env and --file exclude each other", hint="give one")
    target = _target(name, any_name=yes)
    if file is not None:
        tell_saved(save_path(_file_variable(target, name), require_file(file)))
        return
    variable = _variable(target, name)
    value = _entered(variable, from_stdin=from_stdin, from_env=from_env)
    tell_saved(save_key(variable, value, store=store))
    _tell_users(variable)


@keys_app.command("list")
@spread
def list_keys(listing: ListingOptions) -> None:
    """Show which keys there are, for whom and where; nothing of the keys themselves.

    mediasense keys list
    mediasense keys list --json
    """
    from mediasense.keys.places import list_places

    places = list_places(runtime.plugins().providers.values())
    if listing.as_json:
        print_json([asdict(place) for place in places])
        return
    if not places:
        say("note", "there are no keys; type: mediasense init")
        return
    rows = [
        (
            place.variable,
            ", ".join(place.providers) or "nobody installed",
            place.where if place.where != "file" or not place.path else place.path,
            "yes" if place.used else "no: another comes first",
        )
        for place in places
    ]
    print_table(("variable", "for", "where", "used"), rows)


@keys_app.command("remove")
def remove(
    name: Annotated[
        str,
        typer.Argument(metavar="PROVIDER|VARIABLE", help="As for [bold]keys set[/bold]."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a key that was saved.

    mediasense keys remove groq
    """
    from mediasense.keys import is_in_environment
    from mediasense.keys.saved import list_saved, remove_key

    known = [saved.variable for saved in list_saved()]
    wanted = [variable for variable in _variables(name) if variable in known]
    if not wanted:
        hint = f"saved are: {', '.join(known)}" if known else "nothing is saved"
        raise UsageError(f"no key is saved for {name}", hint=hint)
    if not yes and is_interactive() and not agree(f"remove {' and '.join(wanted)}?", default=True):
        say("note", "nothing was removed")
        return
    for variable in wanted:
        remove_key(variable)
        say("note", f"{variable} is removed")
        if is_in_environment(variable):
            say("note", f"{variable} is still set in the environment")


def require_file(path: Path) -> Path:
    """A credentials file that is there.

    Raises:
        MissingCredentials: It is not.
    """
    if not path.expanduser().is_file():
        raise MissingCredentials(f"{path} is not a file", hint="check the path")
    return path


def from_environment(variable: str) -> str:
    """What an environment variable holds.

    Raises:
        MissingCredentials: Nothing.
    """
    from mediasense.keys import find_key, is_in_environment

    kept = find_key(variable) if is_in_environment(variable) else None
    if kept is None:
        raise MissingCredentials(f"{variable} is not set", hint="check the name")
    return kept.value


def tell_saved(saved: "Saved") -> None:
    """Say where something was saved, and what comes before it."""
    from mediasense.config import keys_are_on, keys_path
    from mediasense.keys import is_in_environment

    if saved.is_path:
        say("note", f"{saved.variable} names {saved.value}, says {keys_path()}")
    elif saved.store == "keyring":
        say("note", f"{saved.variable} is saved in the system keyring")
    else:
        say("note", f"{saved.variable} is saved in {keys_path()}, which only you can read")
    if saved.left_in_keyring:
        say("warning", "the system keyring cannot be asked, and may still hold an older key")
    if is_in_environment(saved.variable):
        say("warning", f"{saved.variable} is set in the environment too, which comes first")
    if not keys_are_on():
        say("warning", "MEDIASENSE_KEYS is off: what is saved is not looked for")


def _tell_users(variable: str) -> None:
    from mediasense.keys.places import users_of_variables

    users = users_of_variables(runtime.plugins().providers.values()).get(variable)
    if users:
        say("note", f"to try it, type: mediasense providers {users[0]} --check")
    else:
        say(
            "note",
            f"no installed provider looks for {variable}; use it with --api-key-env {variable}",
        )


def _entered(variable: str, *, from_stdin: bool, from_env: str | None) -> str:
    if from_env is not None:
        return from_environment(from_env)
    if from_stdin:
        return read_piped()
    if not is_interactive():
        raise UsageError("there is no terminal to ask for the key on", hint="give --stdin")
    return enter_hidden(f"{variable} (not shown)")


def _is_variable(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None


def _target(name: str, *, any_name: bool) -> _Target:
    from mediasense.keys.places import require_key_variable

    if _is_variable(name):
        providers = tuple(runtime.plugins().providers.values())
        require_key_variable(name, providers, any_name=any_name)
        rules = [p.credentials for p in providers if p.credentials is not None]
        is_key = any(name in each.variables for each in rules)
        is_file = any(name in each.file_variables for each in rules)
        return _Target(
            variable=None if is_file and not is_key else name,
            file_variable=None if is_key and not is_file else name,
        )
    return _target_of(_provider(name))


def _target_of(provider: "Provider") -> _Target:
    rules = provider.credentials
    variables = rules.variables if rules else ()
    files = rules.file_variables if rules else ()
    return _Target(
        variable=variables[0] if variables else None, file_variable=files[0] if files else None
    )


def _provider(name: str) -> "Provider":
    provider = runtime.dispatcher().provider(name)
    if provider.credentials is None:
        raise UsageError(f"{provider.name} needs no key", hint="it can be asked as it is")
    return provider


def _variables(name: str) -> tuple[str, ...]:
    from mediasense.keys.places import key_variables

    return (name,) if _is_variable(name) else key_variables(_provider(name))


def _variable(target: _Target, name: str) -> str:
    if target.variable is None:
        raise UsageError(f"{name} has no key but a credentials file", hint="give --file PATH")
    return target.variable


def _file_variable(target: _Target, name: str) -> str:
    if target.file_variable is None:
        raise UsageError(
            f"{name} takes a key and no credentials file", hint=f"type: mediasense keys set {name}"
        )
    return target.file_variable
