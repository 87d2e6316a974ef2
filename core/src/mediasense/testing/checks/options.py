"""Every declared option reaches the service, or is refused: it is never dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.subject import Kind, Outcome, Subject, is_known, told
from mediasense.testing.wire import Call

_SCHEMA = (
    '{"type": "object", "properties": {"%s": {"type": "string"}}, '
    '"required": ["%s"], "additionalProperties": false}'
)
# Two settings of each that are told apart, and the text that must be in the request, if any.
_SETTINGS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], str]] = {
    "fps": ({"fps": 0.5}, {"fps": 2.0}, ""),
    "json_schema": (
        {"json_schema": _SCHEMA % ("canary_field", "canary_field")},
        {"json_schema": _SCHEMA % ("other_field", "other_field")},
        "canary_field",
    ),
    "language": ({"language": "de"}, {"language": "fr"}, ""),
    "max_output_tokens": ({"max_output_tokens": 4321}, {"max_output_tokens": 1234}, "4321"),
    "resolution": ({"resolution": "low"}, {"resolution": "high"}, ""),
    "start_end": ({"start": 0.25, "end": 0.75}, {"start": 0.0, "end": 0.5}, ""),
    "temperature": ({"temperature": 0.375}, {"temperature": 0.625}, "0.375"),
}


@check("options")
def check_every_declared_option_is_honoured(subject: Subject) -> None:
    """Each declared option changes the request to the service, or is refused in words."""
    seen = False
    for kind in subject.declared():
        for option in subject.options(kind):
            seen = True
            _require_honoured(subject, kind, option)
    if not seen:
        raise NotDeclared("it declares no option")


def _require_honoured(subject: Subject, kind: Kind, option: str) -> None:
    one, two, text = _SETTINGS[option]
    first = subject.call(subject.request(kind, **one))
    if first.error is not None and is_known(first.error) and not first.calls:
        return  # refused, and said so
    require(
        first.error is None,
        f"{kind}: with {option} it failed: {told(first.error) if first.error else ''}",
    )
    require(
        not text or first.mentions(text),
        f"{kind}: {option} is declared, and {text!r} did not reach the service: it was dropped",
    )
    others = [subject.call(subject.request(kind, **given)) for given in (two, {})]
    require(
        all(_shape(first) != _shape(other) for other in others),
        f"{kind}: {option} is declared, and the request is the same with and without it: "
        "it was dropped",
    )


def _shape(outcome: Outcome) -> list[tuple[str, str, str, bytes]]:
    return [(call.method, call.path, call.query, _body(call)) for call in outcome.calls]


def _body(call: Call) -> bytes:
    """The body, without what is drawn anew each time to part a form."""
    found = re.search(r"boundary=\"?([^\";]+)", call.headers.get("content-type", ""))
    return call.body.replace(found[1].encode(), b"") if found else call.body
