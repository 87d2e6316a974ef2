"""``mediasense providers remove``: take an endpoint out of the config file."""

from typing import Annotated

import typer

from mediasense.cli.entering import agree, is_interactive
from mediasense.errors import UsageError
from mediasense.output.terminal import say


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the endpoint.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take an endpoint out of the config file; all else in it stays as it is.

    mediasense providers remove lab --yes
    """
    from mediasense.config import config_path
    from mediasense.document import read_document
    from mediasense.settings_file import remove_table

    path = config_path()
    try:
        document = read_document(path)
    except FileNotFoundError:
        raise UsageError(f"there is no {path}, and so no endpoint", hint="nothing to do") from None
    tables = document.settings.get("providers")
    names = tuple(tables) if isinstance(tables, dict) else ()
    if name not in names:
        hint = f"it describes {', '.join(names)}" if names else "it describes no endpoint"
        raise UsageError(f"{path} describes no endpoint {name!r}", hint=hint)
    place = document.place(("providers", name))
    if not yes:
        if not is_interactive():
            raise UsageError(f"{name} stands in {place}", hint="add --yes to take it out")
        if not agree(f"take {name} out of {place}?", default=False):
            say("note", "nothing was changed")
            return
    remove_table(path, ("providers", name))
    say("note", f"{name} is taken out of {path}")
    if document.settings.get("provider") == name:
        say(
            "warning",
            f"the setting provider still names {name}; type: mediasense config unset provider",
        )
