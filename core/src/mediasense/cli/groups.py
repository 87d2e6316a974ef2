"""Groups of commands of which one is meant when none is named."""

from typing import Any

from typer.core import TyperGroup

_DEFAULT = "show"
_HELP = ("-h", "--help")


class WithDefault(TyperGroup):
    """A group whose ``show`` is run where no other of its commands is named.

    So ``mediasense providers groq --check`` means ``mediasense providers show groq --check``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # typer's own click is private
        """Put the default before what names no command."""
        if not args or (args[0] not in self.commands and args[0] not in _HELP):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)
