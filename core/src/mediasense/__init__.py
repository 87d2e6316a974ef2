"""Turn images, videos and sound into text, through the provider you choose.

    >>> import mediasense
    >>> mediasense.analyze("shot.png", "what is the error?", provider="groq").text

Users call :func:`analyze`, :func:`analyze_async`, :func:`batch` and :func:`plan`; plugin authors
import :data:`hookimpl`, the records and the errors. Everything public is in this one name space.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediasense.api import (
        analyze,
        analyze_async,
        batch,
        key_frames,
        list_providers,
        plan,
        report,
        stream,
        stream_async,
    )
    from mediasense.batches.items import Failure
    from mediasense.batches.records import Result
    from mediasense.batches.run import Batch, Standing
    from mediasense.body import Base64, Body, json_body, new_slot, splice
    from mediasense.connection import (
        Connection,
        base_url_of,
        connect,
        find_credential,
        shared,
    )
    from mediasense.costs import call_cost
    from mediasense.errors import (
        AuthenticationError,
        BatchFailed,
        BudgetExceeded,
        CheckupFailed,
        ConfigError,
        ConnectionFailed,
        ContentBlocked,
        CorruptMedia,
        Forbidden,
        InvalidAnswer,
        MediaError,
        MediaNotFound,
        MediaRejected,
        MediasenseError,
        MediaTooLarge,
        MissingCredentials,
        NoPlugins,
        OutOfService,
        PermissionDenied,
        PluginError,
        ProviderConflict,
        ProviderError,
        ProviderUnavailable,
        RateLimited,
        RequestRejected,
        RequestTooLarge,
        ServerError,
        StoreError,
        Timeout,
        UnknownModel,
        UnknownProvider,
        UnsafeEndpoint,
        UnsupportedMedia,
        UnsupportedModality,
        UsageError,
        error_for_status,
        error_text,
        one_line,
    )
    from mediasense.hookspecs import hookimpl
    from mediasense.http import get_json, post_json, stream_lines
    from mediasense.ledger import Spent, note_usage
    from mediasense.media.frames import BLOCK_PIXELS, Frame, changed_blocks, sample_frames
    from mediasense.media.pcm import PCM_RATE, read_pcm
    from mediasense.media.source import uri_kind
    from mediasense.names import MediaModality, Modality, OnProgress, OnText, Option, Resolution
    from mediasense.pacing.lane import RateLimit
    from mediasense.planning import Plan
    from mediasense.providers import (
        Access,
        AudioLimits,
        Credentials,
        Header,
        ImageLimits,
        ModelRule,
        Provider,
        TextLimits,
        VideoLimits,
    )
    from mediasense.run import Planned
    from mediasense.statuses import ProviderStatus
    from mediasense.steps import FrameUsed, LeftOut, Step
    from mediasense.stopping import interruptible
    from mediasense.streaming import AsyncStream, Stream
    from mediasense.tasks import ProjectContext, Task, list_tasks, project_context
    from mediasense.types import (
        Analysis,
        Answer,
        AudioRequest,
        Box,
        Fallback,
        ImageRequest,
        KeyFrame,
        Media,
        Model,
        ModelsRequest,
        Question,
        Region,
        Request,
        Segment,
        Shown,
        TextLine,
        TextRequest,
        Timings,
        Usage,
        VideoRequest,
        Word,
    )
    from mediasense.urls import is_loopback

__all__ = [
    "BLOCK_PIXELS",
    "PCM_RATE",
    "Access",
    "Analysis",
    "Answer",
    "AsyncStream",
    "AudioLimits",
    "AudioRequest",
    "AuthenticationError",
    "Base64",
    "Batch",
    "BatchFailed",
    "Body",
    "Box",
    "BudgetExceeded",
    "CheckupFailed",
    "ConfigError",
    "Connection",
    "ConnectionFailed",
    "ContentBlocked",
    "CorruptMedia",
    "Credentials",
    "Failure",
    "Fallback",
    "Forbidden",
    "Frame",
    "FrameUsed",
    "Header",
    "ImageLimits",
    "ImageRequest",
    "InvalidAnswer",
    "KeyFrame",
    "LeftOut",
    "Media",
    "MediaError",
    "MediaModality",
    "MediaNotFound",
    "MediaRejected",
    "MediaTooLarge",
    "MediasenseError",
    "MissingCredentials",
    "Modality",
    "Model",
    "ModelRule",
    "ModelsRequest",
    "NoPlugins",
    "OnProgress",
    "OnText",
    "Option",
    "OutOfService",
    "PermissionDenied",
    "Plan",
    "Planned",
    "PluginError",
    "ProjectContext",
    "Provider",
    "ProviderConflict",
    "ProviderError",
    "ProviderStatus",
    "ProviderUnavailable",
    "Question",
    "RateLimit",
    "RateLimited",
    "Region",
    "Request",
    "RequestRejected",
    "RequestTooLarge",
    "Resolution",
    "Result",
    "Segment",
    "ServerError",
    "Shown",
    "Spent",
    "Standing",
    "Step",
    "StoreError",
    "Stream",
    "Task",
    "TextLimits",
    "TextLine",
    "TextRequest",
    "Timeout",
    "Timings",
    "UnknownModel",
    "UnknownProvider",
    "UnsafeEndpoint",
    "UnsupportedMedia",
    "UnsupportedModality",
    "Usage",
    "UsageError",
    "VideoLimits",
    "VideoRequest",
    "Word",
    "analyze",
    "analyze_async",
    "base_url_of",
    "batch",
    "call_cost",
    "changed_blocks",
    "connect",
    "error_for_status",
    "error_text",
    "find_credential",
    "get_json",
    "hookimpl",
    "interruptible",
    "is_loopback",
    "json_body",
    "key_frames",
    "list_providers",
    "list_tasks",
    "new_slot",
    "note_usage",
    "one_line",
    "plan",
    "post_json",
    "project_context",
    "read_pcm",
    "report",
    "sample_frames",
    "shared",
    "splice",
    "stream",
    "stream_async",
    "stream_lines",
    "uri_kind",
]

# Where the names above live, the light modules first.
_MODULES = (
    "hookspecs",
    "names",
    "errors",
    "steps",
    "providers",
    "connection",
    "types",
    "body",
    "http",
    "media.source",
    "media.frames",
    "media.pcm",
    "planning",
    "run",
    "statuses",
    "tasks",
    "streaming",
    "stopping",
    "api",
    "ledger",
    "costs",
    "pacing.lane",
    "batches.items",
    "batches.records",
    "batches.run",
)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the command line starts without most of them."""
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"mediasense.{module}")).get(name)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'mediasense' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
