"""What the user allows a server, and what it does unless an agent says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from mediasense_mcp_server.folders import Folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of one server.

    Attributes:
        folders: What may be read.
        provider, model: Who is asked where an agent names nobody.
        audio_provider: Who writes down the sound of a video, where that is not the provider.
        max_cost: US dollars that one call may come to.
        max_cost_total: US dollars that all calls together may come to.
        tools: The names of the tools that are offered; empty for all.
    """

    folders: Folders
    provider: str | None = None
    model: str | None = None
    audio_provider: str | None = None
    max_cost: float | None = None
    max_cost_total: float | None = None
    tools: tuple[str, ...] = ()
