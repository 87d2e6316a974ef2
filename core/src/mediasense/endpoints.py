"""An endpoint without code: a provider that the config file describes, and a plugin serves.

What the file says is read into an :class:`Endpoint`; :func:`provider_of` makes the provider of it,
once it is known whose protocol it speaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from mediasense.errors import ConfigError, UnsafeEndpoint
from mediasense.masking import looks_like_key
from mediasense.names import HOOK_OF, PROVIDER_NAME, Modality
from mediasense.providers import (
    AudioLimits,
    Credentials,
    Header,
    ImageLimits,
    Limits,
    Provider,
    TextLimits,
    VideoLimits,
)
from mediasense.urls import checked_url, host_of, is_loopback

if TYPE_CHECKING:
    from mediasense.document import Value

VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,199}"
"""What an environment variable may be called, as a pattern."""

_LIMITS: dict[Modality, type[Limits]] = {
    "image": ImageLimits,
    "video": VideoLimits,
    "audio": AudioLimits,
    "text": TextLimits,
}
_MOST = 10**12
"""Bytes, pixels or seconds; nothing that is sent has more."""

# A token by RFC 9110, section 5.6.2.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_HEADER_VALUE = r"[!-~](?:[ -~]*[!-~])?"
_OF_KEYS = {"authorization", "x-goog-api-key"}
"""Headers in which a plugin sends the key."""
_SECRET = {"api-key", "cookie", "x-api-key", "x-auth-token"}
"""Headers that hold something that does not belong in a file."""
_OF_THE_CLIENT = {
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers by which HTTP itself works, some of them between two machines only (RFC 9110)."""
_PATTERNS = {
    "mime_types": (r"[a-z]+/[a-z0-9][a-z0-9.+-]*", "a MIME type, such as image/png"),
    "uri_schemes": (r"[a-z][a-z0-9+.-]*", "the scheme of a URI, such as https"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What the config file says of one endpoint.

    Attributes:
        name: The provider's name.
        base_url: Where it is.
        like: The provider whose protocol it speaks; ``None`` for the one that takes any base URL.
        api_key_env: The environment variable that holds its key; ``None`` when it needs none.
        model: The model used when the user names none.
        description: One line for the table of providers.
        headers: Extra HTTP headers.
        takes: What it takes, and for each modality the limits that differ from those of ``like``.
        places: The file and the line of each of these, for messages; ``""`` is the table's own.
    """

    name: str
    base_url: str
    like: str | None = None
    api_key_env: str | None = None
    model: str | None = None
    description: str = ""
    headers: tuple[Header, ...] = ()
    takes: Mapping[Modality, Mapping[str, object]]
    places: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def error(self, setting: str, what: str, hint: str) -> ConfigError:
        """The error that says where it stands what cannot be."""
        place = self.places.get(setting) or self.places.get("", "")
        key = f"providers.{self.name}"
        if setting and setting in self.places:
            key += f".{setting}"
        return ConfigError(f"{place}: {key}: {what}" if place else f"{key}: {what}", hint=hint)


# --- reading -------------------------------------------------------------------------------------


def read_endpoints(value: Value) -> tuple[Endpoint, ...]:
    """The endpoints of a config file.

    Args:
        value: Its table ``providers``.

    Raises:
        ConfigError: Something in it is unknown or wrong.
    """
    return tuple(read_endpoint(name, table) for name, table in value.table().items())


def read_endpoint(name: str, value: Value) -> Endpoint:
    """One endpoint, out of the table that describes it.

    Raises:
        ConfigError: Something in it is unknown or wrong.
    """
    if not re.fullmatch(PROVIDER_NAME, name):
        raise value.error("not a name for a provider", "use lower-case letters, digits, - and _")
    said = value.table(
        ("base_url", "like", "api_key_env", "model", "description", "headers", *_LIMITS)
    )
    if "base_url" not in said:
        raise value.error("base_url is missing", 'add base_url = "https://HOST/PATH"')
    takes = {m: found for m in _LIMITS if (found := _taken(m, said.get(m))) is not None}
    if not takes:
        raise value.error("it takes nothing", f"add one of: {', '.join(_LIMITS)} = true")
    return Endpoint(
        name=name,
        base_url=_base_url(said["base_url"]),
        like=_said(said, "like", PROVIDER_NAME, "the name of a provider"),
        api_key_env=_said(said, "api_key_env", VARIABLE_NAME, "the name of a variable"),
        model=_said(said, "model"),
        description=_said(said, "description") or "",
        headers=_headers(said["headers"]) if "headers" in said else (),
        takes=takes,
        places=_places(value, said),
    )


def _places(value: Value, said: Mapping[str, Value]) -> dict[str, str]:
    wanted = {"": value, **{name: said[name] for name in ("like", *_LIMITS) if name in said}}
    return {name: found.document.place(found.key) for name, found in wanted.items()}


def _said(
    said: Mapping[str, Value], name: str, pattern: str = r"\S(?:.*\S)?", what: str = ""
) -> str | None:
    return said[name].said(pattern, what) if name in said else None


def _base_url(value: Value) -> str:
    url = value.said()
    try:
        # Whether plain http is wanted is said with each call, by --allow-http.
        return checked_url(url, "it", allow_http=True)
    except UnsafeEndpoint as error:
        # What is an option of the command line is a setting here.
        hint = error.hint.replace("--api-key-env NAME", 'api_key_env = "NAME"')
        raise value.error(error.message, hint) from None


def _headers(value: Value) -> tuple[Header, ...]:
    headers = tuple(_header(name, found) for name, found in value.table().items())
    names = [header.name.lower() for header in headers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise value.error(f"{twice} is there twice", "keep one of them")
    return headers


def _header(name: str, value: Value) -> Header:
    plain = name.lower()
    if not re.fullmatch(_HEADER_NAME, name):
        raise value.error("not a name for a header", "use letters, digits and -")
    if plain in _OF_KEYS or plain.startswith("proxy-"):
        raise value.error("the key has a setting of its own", 'use api_key_env = "NAME"')
    if plain in _OF_THE_CLIENT or plain.startswith("content-"):
        raise value.error("the client sets it itself", "leave it out")
    if isinstance(value.value, dict):
        said = value.table(("env",))
        if "env" not in said:
            raise value.error("env is missing", 'write { env = "NAME" }')
        return Header(name=name, variable=said["env"].said(VARIABLE_NAME, "the name of a variable"))
    if plain in _SECRET:
        raise value.error(
            "a key does not belong in a file", 'write { env = "NAME" }, or use api_key_env'
        )
    text = value.said(_HEADER_VALUE, "a value for a header")
    if looks_like_key(text):
        raise value.error(
            "it looks like a key, which does not belong in a file",
            'name a variable that holds it: { env = "NAME" }',
        )
    return Header(name=name, value=text)


def _taken(modality: Modality, value: Value | None) -> Mapping[str, object] | None:
    """The limits that a table names; ``None`` when the endpoint does not take this."""
    if value is None or value.value is False:
        return None
    if value.value is True:
        return {}
    if not isinstance(value.value, dict):
        raise value.error("not true, false or a table", "write true to take it as `like` does")
    hints = get_type_hints(_LIMITS[modality])
    found = value.table([item.name for item in fields(_LIMITS[modality])])
    return {name: _typed(name, hints[name], limit) for name, limit in found.items()}


def _typed(name: str, hint: Any, value: Value) -> object:
    """A value of the type that the record has for it."""
    origin, inner = get_origin(hint), get_args(hint)
    if type(None) in inner:
        return _typed(name, next(kind for kind in inner if kind is not type(None)), value)
    if origin is tuple:
        return tuple(_typed(name, inner[0], item) for item in value.items())
    if origin is Literal:
        if value.value not in inner:
            raise value.error(f"not one of {', '.join(inner)}")
        return value.value
    if hint is bool:
        return value.flag()
    if hint is int:
        return value.whole(least=1, most=_MOST)
    if hint is float:
        return value.number(most=_MOST)
    if hint is str:
        return value.said(*_PATTERNS.get(name, (r"\S(?:.*\S)?",)))
    raise value.error("cannot be set in this file", "leave it out")


# --- the provider --------------------------------------------------------------------------------


def provider_of(endpoint: Endpoint, like: Provider, hooks: tuple[str, ...]) -> Provider:
    """The provider that an endpoint is.

    What belongs to the service that ``like`` is, and not to its protocol, is left behind: its keys,
    hosts, aliases, models and what it costs.

    Args:
        endpoint: What the config file says.
        like: The provider whose protocol it speaks.
        hooks: Those of the plugin that serves both.

    Raises:
        ConfigError: It cannot be; the message names the file and the line.
    """
    if like.kind == "device":
        raise endpoint.error(
            "like", f"{like.name} runs on this device and has no base URL", "name another provider"
        )
    here = is_loopback(host_of(endpoint.base_url))
    variable = endpoint.api_key_env
    rules = Credentials(variables=(variable,), required=not here) if variable else None
    takes: dict[str, Any] = {m: _limits(endpoint, m, like, hooks) for m in endpoint.takes}
    return Provider(
        name=endpoint.name,
        description=endpoint.description or f"{host_of(endpoint.base_url)}, asked as {like.name}",
        kind="server" if here else "service",
        base_url=endpoint.base_url,
        credentials=rules,
        access_options=like.access_options,
        default_model=endpoint.model,
        like=like.name,
        headers=endpoint.headers,
        **takes,
    )


def _limits(
    endpoint: Endpoint, modality: Modality, like: Provider, hooks: tuple[str, ...]
) -> Limits:
    known: Limits | None = getattr(like, modality)
    changes: dict[str, Any] = dict(endpoint.takes[modality])
    if HOOK_OF[modality] not in hooks:
        raise endpoint.error(
            modality, f"the plugin of {like.name} takes no {modality}", "leave it out"
        )
    if known is None and not changes:
        hint = "write a table with the limits of the endpoint"
        raise endpoint.error(modality, f"{like.name} takes no {modality}", hint)
    limits = replace(_without_models(known) if known else _LIMITS[modality](), **changes)
    if modality != "text" and not limits.mime_types:
        raise endpoint.error(modality, "mime_types are missing", "name the types it takes")
    if isinstance(limits, AudioLimits) and not (limits.transcribes or limits.answers):
        raise endpoint.error(
            modality, "it neither transcribes nor answers", "add transcribes = true"
        )
    return limits


def _without_models(limits: Limits) -> Limits:
    """The same without the names of models: those are of the service, not of its protocol."""
    if isinstance(limits, AudioLimits):
        return replace(limits, default_model=None, answer_model=None)
    return replace(limits, default_model=None)
