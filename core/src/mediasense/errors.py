"""Every error mediasense raises on purpose.

::

    MediasenseError                 1
    ├── UsageError                  2   options that contradict each other
    ├── ConfigError                 3   a config file or variable that cannot be used
    ├── PluginError                 4   a plugin that breaks the contract
    │   ├── NoPlugins               5   nothing is installed that could answer
    │   └── ProviderConflict        6   two plugins claim one provider
    ├── UnknownProvider             7
    ├── MissingCredentials          8   no key, or a credentials file that cannot be used
    ├── UnsafeEndpoint              9   a base URL that would expose a key or media
    ├── UnsupportedModality        10   the provider or model does not take this
    ├── StoreError                 11   a cache, history or journal file that cannot be used
    ├── Forbidden                  12   a rule of the house does not allow it
    ├── CheckupFailed              13   something here is not as it has to be
    ├── MediaError                 20
    │   ├── MediaNotFound          21
    │   ├── UnsupportedMedia       22   not an image, video or sound, or not one the provider takes
    │   ├── CorruptMedia           23
    │   └── MediaTooLarge          24
    ├── BudgetExceeded             30   the next call could pass the limit of cost
    ├── BatchFailed                31   some items of a batch failed
    └── ProviderError              40
        ├── AuthenticationError    41   401
        │   └── PermissionDenied   42   403
        ├── RateLimited            43   429
        ├── RequestRejected        44   400, 409, 422 and other 4xx, 3xx
        │   ├── UnknownModel       45   404
        │   └── MediaRejected      53   415; 400 and 422 that name the media
        │       └── RequestTooLarge 46  413
        ├── ContentBlocked         47   a refusal or a safety block
        ├── ProviderUnavailable    48   503, 529
        │   ├── OutOfService       54   down, or refusing all, for longer than anybody waits
        │   ├── ServerError        49   other 5xx
        │   └── ConnectionFailed   50   refused, reset, no such host, bad TLS
        ├── Timeout                51   408, 504, or no answer in time
        └── InvalidAnswer          52   an answer that is not one: HTML, broken JSON, nothing in it

The number is the exit code of the command line; Ctrl-C is 130. A message says what happened, to
what, and ends with the next thing to type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mediasense.names import Refusal

if TYPE_CHECKING:
    from typing import Self

    from mediasense.types import Usage

__all__ = [
    "AuthenticationError",
    "BatchFailed",
    "BudgetExceeded",
    "CheckupFailed",
    "ConfigError",
    "ConnectionFailed",
    "ContentBlocked",
    "CorruptMedia",
    "Forbidden",
    "InvalidAnswer",
    "MediaError",
    "MediaNotFound",
    "MediaRejected",
    "MediaTooLarge",
    "MediasenseError",
    "MissingCredentials",
    "NoPlugins",
    "OutOfService",
    "PermissionDenied",
    "PluginError",
    "ProviderConflict",
    "ProviderError",
    "ProviderUnavailable",
    "RateLimited",
    "RequestRejected",
    "RequestTooLarge",
    "ServerError",
    "StoreError",
    "Timeout",
    "UnknownModel",
    "UnknownProvider",
    "UnsafeEndpoint",
    "UnsupportedMedia",
    "UnsupportedModality",
    "UsageError",
    "error_for_status",
    "error_text",
    "one_line",
    "refused_media",
]


class MediasenseError(Exception):
    """The root: anything the command line reports in one line, without a traceback.

    Args:
        message: What happened, and to what.
        hint: The next thing to type or do; joined to the message.
    """

    exit_code: ClassVar[int] = 1
    others: tuple[MediasenseError, ...] = ()
    """What became of those who were asked instead."""
    spent: float | None = 0.0
    """US dollars that the calls of the question came to, or may have; ``None`` if nobody says."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}; {hint}" if hint else message)


class UsageError(MediasenseError):
    """Options or arguments that contradict each other."""

    exit_code = 2


class ConfigError(MediasenseError):
    """A config file or environment variable that cannot be used."""

    exit_code = 3


class PluginError(MediasenseError):
    """A plugin is broken, or breaks the contract of :mod:`mediasense.hookspecs`."""

    exit_code = 4


class NoPlugins(PluginError):
    """No installed plugin could answer."""

    exit_code = 5


class ProviderConflict(PluginError):
    """Two plugins claim one provider name."""

    exit_code = 6


class UnknownProvider(MediasenseError):
    """No installed plugin offers the provider that was asked for."""

    exit_code = 7


class MissingCredentials(MediasenseError):
    """No key was found, or a credentials file cannot be used."""

    exit_code = 8


class UnsafeEndpoint(MediasenseError):
    """A base URL that would send a key or media where it should not go."""

    exit_code = 9


class UnsupportedModality(MediasenseError):
    """The provider, or the model, does not take this kind of media or request."""

    exit_code = 10


class StoreError(MediasenseError):
    """A cache, a history or a journal that cannot be read or written."""

    exit_code = 11


class Forbidden(MediasenseError):
    """A rule of the house does not allow it; raised by plugins of house policy.

    The hint says what is allowed. Another provider may be: so a stand-in is asked, where one is
    named, and in a batch the item fails alone.
    """

    exit_code = 12


class CheckupFailed(MediasenseError):
    """Something on this machine is not as it has to be; ``mediasense doctor`` lists what."""

    exit_code = 13


class MediaError(MediasenseError):
    """Something is wrong with the media; nothing was sent."""

    exit_code = 20


class MediaNotFound(MediaError):
    """There is no readable file at that path."""

    exit_code = 21


class UnsupportedMedia(MediaError):
    """The bytes are not an image, video or sound, or not a type the provider takes."""

    exit_code = 22


class CorruptMedia(MediaError):
    """The file is truncated or damaged."""

    exit_code = 23


class MediaTooLarge(MediaError):
    """The file has more bytes, pixels or seconds than the provider takes."""

    exit_code = 24


class BudgetExceeded(MediasenseError):
    """The next call could cost more than is allowed; it was not made."""

    exit_code = 30


class BatchFailed(MediasenseError):
    """Some items of a batch failed, or were not reached."""

    exit_code = 31


class ProviderError(MediasenseError):
    """The provider was asked, and failed or refused.

    Args:
        message: What happened; never holds a key or media.
        hint: The next thing to type or do.
        status: The HTTP status, where there was one.
        retry_after: Seconds the service asked to wait, where it said.
        usage: What the service counted, and bills, although nobody can use its answer.
        cost: US dollars that the service says it charged for it.
        model: The model that gave it, as the service names it.
    """

    exit_code = 40
    repeated: bool = False
    """Whether it is the failure of another call, told to one that was not made."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        usage: Usage | None = None,
        cost: float | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.usage = usage
        self.cost = cost
        self.model = model

    def __copy__(self) -> Self:
        # What was billed was billed once, so a copy has to be known for one.
        twin = type(self).__new__(type(self), *self.args)
        vars(twin).update(vars(self), repeated=True)
        return twin


class AuthenticationError(ProviderError):
    """The provider does not accept the credentials (401)."""

    exit_code = 41


class PermissionDenied(AuthenticationError):
    """The credentials are valid and may not do this (403)."""

    exit_code = 42


class RateLimited(ProviderError):
    """Too many requests, or the quota is used up (429)."""

    exit_code = 43


class RequestRejected(ProviderError):
    """The provider does not accept the request (400, 422 and other 4xx; redirects)."""

    exit_code = 44


class UnknownModel(RequestRejected):
    """The provider does not know the model or the path (404)."""

    exit_code = 45


class MediaRejected(RequestRejected):
    """The provider does not take media of this kind, of this size or so many of them (415, 400).

    The one failure after which the same question is asked in another way.

    Args:
        message, hint, status, usage, cost, model: As for :class:`ProviderError`.
        refusal: What it does not take.
    """

    exit_code = 53

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        usage: Usage | None = None,
        cost: float | None = None,
        model: str | None = None,
        refusal: Refusal = "type",
    ) -> None:
        super().__init__(
            message,
            hint=hint,
            status=status,
            retry_after=retry_after,
            usage=usage,
            cost=cost,
            model=model,
        )
        self.refusal: Refusal = refusal


class RequestTooLarge(MediaRejected):
    """The provider does not take a request of this size (413)."""

    exit_code = 46


class ContentBlocked(ProviderError):
    """The model or a filter of the provider refused to answer."""

    exit_code = 47


class ProviderUnavailable(ProviderError):
    """The provider is overloaded, down or out of reach (503)."""

    exit_code = 48


class OutOfService(ProviderUnavailable):
    """The provider was down, or refused everybody, for longer than a batch waits."""

    exit_code = 54


class ServerError(ProviderUnavailable):
    """The provider failed inside (500 and other 5xx)."""

    exit_code = 49


class ConnectionFailed(ProviderUnavailable):
    """No connection, or one that broke before the answer was whole."""

    exit_code = 50


class Timeout(ProviderError):
    """No answer in time (408, 504, or the timeout of the request)."""

    exit_code = 51


class InvalidAnswer(ProviderError):
    """The provider answered with something that is not an answer."""

    exit_code = 52


_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: UnknownModel,
    408: Timeout,
    413: RequestTooLarge,
    429: RateLimited,
    503: ProviderUnavailable,
    504: Timeout,
    529: ProviderUnavailable,
}


def error_for_status(
    status: int,
    detail: str,
    *,
    provider: str,
    model: str | None = None,
    credential: str | None = None,
    retry_after: float | None = None,
) -> ProviderError:
    """Make the error for an HTTP status, the same for every plugin.

    Args:
        status: The HTTP status, 300 or above.
        detail: What the service said, in one line and without any key.
        provider: The provider that was asked.
        model: The model that was asked for.
        credential: The *name* of the variable or file the key came from.
        retry_after: Seconds the service asked to wait.

    Returns:
        The error to raise, of the most specific class.
    """
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else RequestRejected
    said = f": {detail}" if detail else ""
    if refusal := refused_media(status, detail):
        kind = RequestTooLarge if status == 413 else MediaRejected
        return kind(
            f"{provider} answered {status}{said}",
            hint=_hint(kind, provider, model, credential, retry_after),
            status=status,
            refusal=refusal,
        )
    return kind(
        f"{provider} answered {status}{said}",
        hint=_hint(kind, provider, model, credential, retry_after),
        status=status,
        retry_after=retry_after,
    )


_MEDIA = r"(?:images?|pictures?|photos?|videos?|audios?|media|files?|attachments?)"
_OTHERWISE = (
    r"tokens?\b|context (?:length|limit|size|window)|\bparameters?\b|unrecognized|extra (?:inputs|"
    r"fields)|response_format|\blanguage\b|timestamp|\bdetail\b|temperature|json|api.?key|quota|"
    r"safety|policy|flagged|moderation|download|fetch|"
    r"(?:invalid|unknown|unsupported|no such) model|"
    r"\bmodel\b.{0,60}(?:not found|not exist|deprecated)"
)
_COUNT = (
    rf"too many {_MEDIA}|(?:at most|up to|only|maximum of|max(?:imum)?|limit(?: is| of)?) "
    rf"(?:\d+|one|a single) {_MEDIA}\b|number of {_MEDIA}|(?:one|\d+) {_MEDIA} per |"
    rf"multiple {_MEDIA}|\d+ {_MEDIA},? exceed"
)
_SIZE = (
    rf"\b(?:{_MEDIA}|payload|request|body|entity|content)\b.{{0,60}}"
    r"(?:too (?:large|big|long)|exceed|larger than|longer than|size limit|maximum (?:\w+ )?size)|"
    rf"(?:exceed|larger than|longer than)\w*.{{0,40}}\b{_MEDIA}"
)
_TYPE = (
    rf"(?:unsupported|not support|n't support|invalid|cannot (?:process|decode|read|identify)|"
    rf"(?:failed to|unable to|could not) (?:process|decode|load|read)|unknown).{{0,40}}"
    rf"\b(?:{_MEDIA}|mime|content.?type|_url|input_audio|input_video)|"
    rf"{_MEDIA}(?:_url)?\b.{{0,60}}(?:not supported|unsupported|not allowed|invalid|corrupt|"
    r"not (?:a )?valid|cannot be|could not be|must be|not configured)|"
    r"mime.?type must be|unsupported content\[\]|should be '(?:audio|image|video)/"
)


def refused_media(status: int, detail: str) -> Refusal | None:
    """What of the media a service refuses; ``None`` when it fails for any other reason.

    Statuses alone do not say: 400 is also what many services answer to an option they do not know.
    So of 400 and 422 their words are read, and only words that name media, and nothing else that
    may be wrong, count. They are those of the services (of 2024 to 2026).

    Args:
        status: The HTTP status.
        detail: What the service said.
    """
    if status == 413:
        return "size"
    if status not in (400, 415, 422):
        return None
    import re

    said = detail.lower()
    if status != 415 and re.search(_OTHERWISE, said):
        return None
    if re.search(_COUNT, said):
        return "count"
    if re.search(_SIZE, said):
        return "size"
    return "type" if status == 415 or re.search(_TYPE, said) else None


def _hint(
    kind: type[ProviderError],
    provider: str,
    model: str | None,
    credential: str | None,
    retry_after: float | None,
) -> str:
    if issubclass(kind, PermissionDenied):
        return f"check what {credential or 'the key'} may do, or the model it may use"
    if issubclass(kind, AuthenticationError):
        return f"check {credential or 'the key'} (mediasense providers --check)"
    if issubclass(kind, RateLimited):
        wait = f"wait {retry_after:g} s" if retry_after is not None else "wait"
        return f"{wait} and try again, or check the quota"
    if issubclass(kind, UnknownModel):
        named = f"{model!r} may not exist; " if model else ""
        return f"{named}try: mediasense models --provider {provider}"
    if issubclass(kind, RequestTooLarge):
        return "send a smaller file"
    if issubclass(kind, MediaRejected):
        return "send other or fewer files, or use another --model or --provider"
    if issubclass(kind, Timeout):
        return "try again, or raise --timeout"
    if issubclass(kind, ProviderUnavailable):
        return "try again later, or use another --provider"
    return "check --model and the options"


def error_text(parsed: object) -> str:
    """The message in a service's error object, whichever of the common shapes it has."""
    for _ in range(4):
        if isinstance(parsed, list) and parsed:
            parsed = parsed[0]
        elif isinstance(parsed, dict):
            parsed = next(
                (
                    parsed[name]
                    for name in ("error", "message", "detail", "msg")
                    if parsed.get(name)
                ),
                "",
            )
        else:
            break
    return parsed if isinstance(parsed, str) else ""


def one_line(text: str, *keys: str | None, limit: int = 300) -> str:
    """A service's words, safe to show: one line, printable, of bounded length, without any key.

    A key of less than 8 characters is found where it stands alone, and one of less than 4 is none.
    """
    from mediasense.masking import masked

    text = masked(text, keys)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
