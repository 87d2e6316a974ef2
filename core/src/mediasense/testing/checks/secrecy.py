"""The key reaches its own service and nobody else; what the user did not ask to be sent is not."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mediasense.testing.environment import besides, variables_of, without
from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.samples import FILE_NAME
from mediasense.testing.service import KEY
from mediasense.testing.subject import Subject
from mediasense.testing.wire import Call, Reply, Wire

OWN_KEY = "canary-own-key-93b1f0c27d"
"""What the provider's own variables hold, while another base URL is asked."""

_AMBIENT = "canary-ambient-5e0b77"
_VARIABLES = (
    *("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"),
    *("AZURE_OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "GEMINI_API_KEY"),
    *("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"),
)
_ADDRESSES = (
    *("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
    *("GOOGLE_VERTEX_BASE_URL", "AZURE_OPENAI_ENDPOINT"),
    *("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
)
_FAILING = (400, 401, 403, 404, 429, 500, 503)


@check("key to its own host only")
def check_the_key_is_sent(subject: Subject) -> None:
    """The key that the user names reaches the service, in a header."""
    if subject.provider.credentials is None:
        raise NotDeclared("it declares no credentials")
    for kind in subject.declared():
        outcome = subject.call(subject.request(kind))
        subject.answered(kind, outcome)
        require(
            any(KEY in value for call in outcome.calls for value in call.headers.values()),
            f"{kind}: no request carried the key: send mediasense.connect(request).key",
        )
        require(
            not any(KEY in f"{call.path}?{call.query}" for call in outcome.calls),
            f"{kind}: the key stands in the URL, and URLs are written to logs: use a header",
        )


@check("key to its own host only")
def check_the_key_is_in_no_text(subject: Subject) -> None:
    """No error, warning, log or output shows the key, also when the service repeats it."""
    said = _Repeated(subject)
    for kind in subject.declared():
        with _Heard() as heard:
            subject.wire.answer = said.good
            subject.answered(kind, subject.call(subject.request(kind)))
            for status in _FAILING:
                said.status = status
                subject.wire.answer = said.bad
                error = subject.call(subject.request(kind)).error
                if error is not None:
                    heard.words.append("".join(traceback.format_exception(error)))
                    heard.words += [repr(error), repr(vars(error))]
        shown = next((text for text in heard.texts() if KEY in text), None)
        require(
            shown is None,
            f"{kind}: the key is shown in: {_around(shown or '')}; give every text of a service "
            "to one_line(text, key), and raise `from None`",
        )


@check("key to its own host only")
def check_its_own_key_is_kept_from_other_hosts(subject: Subject) -> None:
    """With another base URL, the key in the provider's own variable is not sent."""
    provider = subject.provider
    rules = provider.credentials
    if rules is None or not rules.variables:
        raise NotDeclared("it declares no variable that holds a key")
    if provider.takes_any_base_url or (provider.base_url is None and not provider.hosts):
        raise NotDeclared("its key belongs to whatever server the user names")
    kind = subject.declared()[0]
    access = replace(subject.access, api_key_env=None, credentials_file=None)
    own = dict.fromkeys((*rules.variables,), OWN_KEY)
    with without(("MEDIASENSE_API_KEY", *rules.file_variables)), besides(own):
        outcome = subject.call(subject.request(kind, access=access))
    require(
        not _hold(outcome.calls, OWN_KEY),
        f"{kind}: the key in {rules.variables[0]} was sent to another host: take base URL and key "
        "from mediasense.connect(request), never from the environment",
    )


@check("settings of others")
def check_variables_of_others_change_nothing(subject: Subject) -> None:
    """Keys, addresses and proxies in the environment that are another's change no request."""
    given = subject.service.environment(subject.provider, subject.wire.url, subject.folder)
    used = (*given, *(() if subject.access.api_key_env else variables_of(subject.provider)))
    with Wire(lambda _: Reply(status=500)) as trap:
        planted = {
            **dict.fromkeys(_VARIABLES, _AMBIENT),
            **dict.fromkeys(_ADDRESSES, trap.url),
        }
        with besides({name: value for name, value in planted.items() if name not in used}):
            for kind in subject.declared():
                outcome = subject.call(subject.request(kind, timeout=3.0))
                require(
                    not trap.calls,
                    f"{kind}: a variable of another program led the request to another host: "
                    "give the SDK its base URL, and trust_env=False where it has that",
                )
                subject.answered(f"{kind}, with variables of others set", outcome)
                require(
                    not _hold(outcome.calls, _AMBIENT),
                    f"{kind}: a value from a variable of another program was sent: "
                    f"{_where(outcome.calls, _AMBIENT)}",
                )


@check("file names")
def check_the_name_of_the_file_is_not_sent(subject: Subject) -> None:
    """The user's own file name is never sent: it may tell more than the user wants."""
    for kind in subject.files("image", "video", "transcript", "sound"):
        outcome = subject.call(subject.request(kind))
        subject.answered(kind, outcome)
        require(
            not _hold(outcome.calls, FILE_NAME),
            f"{kind}: the name of the user's file was sent; use media.filename where one is wanted",
        )


@check("quiet", needs="either")
def check_nothing_is_printed(subject: Subject) -> None:
    """The plugin writes neither to stdout nor to stderr, and warns of nothing."""
    import gc

    from mediasense.testing.checks.devices import asked

    gc.collect()  # what others left behind would be warned of here, and laid to its charge
    with _Heard() as heard:
        asked(subject)
    printed = heard.out.getvalue().strip()
    require(not printed, f"it prints {printed[:200]!r}: the output is the answer and nothing else")
    caught = [str(item.message) for item in heard.caught]
    require(not caught, f"it lets a warning through: {caught[:1]}")


@dataclass(slots=True)
class _Repeated:
    """A service that repeats the key in all it says of failures."""

    subject: Subject
    status: int = 400

    def good(self, call: Call) -> Reply:
        from mediasense.testing.subject import said

        return self.subject.service.answer(call, said())

    def bad(self, call: Call) -> Reply:
        reply = self.subject.service.failure(call, self.status)
        if reply.status != self.status:
            return reply
        words = {"error": {"message": f"the key {KEY} is not for this", "code": self.status}}
        return replace(reply, body=Reply.of(words).body)


@dataclass(slots=True)
class _Heard:
    """Everything that is written, logged or warned of meanwhile."""

    out: io.StringIO = field(default_factory=io.StringIO)
    words: list[str] = field(default_factory=list)
    caught: list[warnings.WarningMessage] = field(default_factory=list)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> _Heard:
        self._open.enter_context(contextlib.redirect_stdout(self.out))
        self._open.enter_context(contextlib.redirect_stderr(self.out))
        self.caught = self._open.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        self._open.enter_context(_logged(self.words))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def texts(self) -> Iterator[str]:
        yield self.out.getvalue()
        yield from self.words
        yield from (str(item.message) for item in self.caught)


@contextlib.contextmanager
def _logged(words: list[str]) -> Iterator[None]:
    """Keep what every logger says, however little it is to say otherwise."""
    root = logging.getLogger()
    keeper = _Keeper(words)
    levels = {root: root.level}
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        if logger.level:
            levels[logger] = logger.level
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    # In place of the others, who would show, or keep, what nobody asked to see.
    others, root.handlers = root.handlers, [keeper]
    try:
        yield
    finally:
        root.handlers = others
        for logger, level in levels.items():
            logger.setLevel(level)


class _Keeper(logging.Handler):
    """A handler that keeps what it is told."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        self._words.append(f"log of {record.name}: {record.getMessage()}")


def _hold(calls: tuple[Call, ...], text: str) -> bool:
    return any(call.mentions(text) or text.encode() in call.contents() for call in calls)


def _where(calls: tuple[Call, ...], text: str) -> str:
    names = [n for call in calls for n, value in call.headers.items() if text in value]
    return f"in the header {names[0]}" if names else "in a body or a URL"


def _around(text: str) -> str:
    found = re.search(rf".{{0,60}}{re.escape(KEY)}", text)
    return repr(found[0].replace(KEY, "[key]")) if found else ""
