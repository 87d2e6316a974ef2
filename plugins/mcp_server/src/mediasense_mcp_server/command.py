"""``mediasense mcp``: serve agents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import UsageError

if TYPE_CHECKING:
    from mediasense_mcp_server.settings import Settings

_FILES = "What may be read"
_ASKING = "Who is asked, and what it may cost"
_HTTP = "HTTP"


def mcp(
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Files in it may be read; may be repeated. (default: the current folder)",
            show_default=False,
            rich_help_panel=_FILES,
        ),
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option(
            "--allow-urls",
            help="Links that an agent names may be fetched, but none to this machine or to "
            "private networks.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            help="Who is asked where an agent names nobody.",
            rich_help_panel=_ASKING,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The model of that provider.", rich_help_panel=_ASKING),
    ] = None,
    audio_provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who writes down the sound of videos, where that is not the provider.",
            rich_help_panel=_ASKING,
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DOLLARS",
            help="What one call of a tool may cost at most.",
            rich_help_panel=_ASKING,
        ),
    ] = None,
    max_cost_total: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DOLLARS",
            help="What all calls until the server ends may cost together; needs --max-cost.",
            rich_help_panel=_ASKING,
        ),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Offer this tool only; may be repeated. (default: all)",
            show_default=False,
        ),
    ] = None,
    http: Annotated[
        bool,
        typer.Option(
            "--http",
            help="Serve over streamable HTTP instead of standard input and output.",
            rich_help_panel=_HTTP,
        ),
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Listen here. An address that other machines can reach needs a token.",
            rich_help_panel=_HTTP,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="N", help="0 takes a free one.", rich_help_panel=_HTTP
        ),
    ] = 8808,
    token_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="The environment variable with the token that callers have to show.",
            rich_help_panel=_HTTP,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The same in a file that only you may read.",
            rich_help_panel=_HTTP,
        ),
    ] = None,
) -> None:
    """Serve agents: tools to look at images, watch videos and listen to sound.

    It speaks the Model Context Protocol on standard input and output, so a host of agents starts
    it; with --http it runs by itself.

    mediasense mcp --allow ~/Pictures --allow ~/Recordings
    mediasense mcp --http --port 8808
    """
    from mediasense_mcp_server.folders import folders_of
    from mediasense_mcp_server.settings import Settings

    if not http and (token_env, token_file, host, port) != (None, None, "127.0.0.1", 8808):
        raise UsageError("--host, --port and --token-... are for HTTP", hint="add --http")
    if max_cost_total is not None and max_cost is None:
        raise UsageError("--max-cost-total needs --max-cost", hint="add --max-cost DOLLARS")
    folders = folders_of(allow or [], links=allow_urls)
    settings = Settings(
        folders=folders,
        provider=provider,
        model=model,
        audio_provider=audio_provider,
        max_cost=max_cost,
        max_cost_total=max_cost_total,
        tools=tuple(tool or ()),
    )
    code = _serve_http(settings, host, port, token_env, token_file) if http else _serve(settings)
    if code:
        raise typer.Exit(128 + code)


def _serve(settings: "Settings") -> int:
    # Before anything else is imported: none of it may write to standard output.
    from mediasense_mcp_server.streams import Streams

    streams = Streams()
    from mediasense_mcp_server.serving import serve_streams

    _tell(settings)
    return serve_streams(settings, streams)


def _serve_http(
    settings: "Settings", host: str, port: int, token_env: str | None, token_file: Path | None
) -> int:
    from mediasense_mcp_server.serving import Place, serve_http
    from mediasense_mcp_server.streams import Streams
    from mediasense_mcp_server.tokens import token_of

    Streams()  # what a plugin prints is no answer of this command, which has none
    place = Place(host=host, port=port, token=token_of(token_env, token_file))
    _tell(settings)
    return serve_http(settings, place)


def _tell(settings: "Settings") -> None:
    from mediasense_mcp_server.serving import say

    say("note", f"may read: {', '.join(map(str, settings.folders.allowed))}")
    if settings.folders.links:
        say("note", "may fetch links")
