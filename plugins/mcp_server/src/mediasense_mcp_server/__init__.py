"""mediasense for agents: ``mediasense mcp`` is a Model Context Protocol server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from typer import Typer


@hookimpl
def register_commands(app: Typer) -> None:
    """Add ``mediasense mcp``."""
    from mediasense_mcp_server.command import mcp

    app.command("mcp", rich_help_panel="For agents")(mcp)
