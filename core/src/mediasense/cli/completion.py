"""What a shell offers to complete: names of providers, models, tasks and plugins.

Typer speaks with the shells; here is what there is to be named. All of it is looked up on this
machine: nothing is sent, no key is read, and whatever fails completes nothing and says nothing.
"""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from mediasense.cli import NAME
from mediasense.output.terminal import answers, write

if TYPE_CHECKING:
    from mediasense.providers import Provider
    from mediasense.types import Question

VARIABLE = "_MEDIASENSE_COMPLETE"
"""Set by the script in a user's shell when something is to be completed."""

_NOTHING_FOUND = 1


def is_asked() -> bool:
    """Whether a shell asks what could be typed, and nobody wants anything done."""
    return VARIABLE in os.environ


def complete(build: Callable[[], typer.Typer]) -> NoReturn:
    """Answer a shell, and end; without a word where something is wrong.

    Args:
        build: Makes the application.
    """
    with suppress(Exception, KeyboardInterrupt):  # a shell that waits has nobody to tell
        _hush()
        offered = io.StringIO()
        before = _join_words() if os.environ[VARIABLE].endswith("bash") else ""
        try:
            with redirect_stdout(offered):
                build()(prog_name=NAME)
        finally:
            for line in offered.getvalue().splitlines():
                write(answers(), line.removeprefix(before) + "\n")
    sys.exit(_NOTHING_FOUND)


def _join_words() -> str:
    """Put together again what bash takes for several words: it parts them at ``:`` and ``=``.

    Returns:
        What stands already before the part that bash completes; it wants that part alone.
    """
    words = os.environ["COMP_WORDS"].split("\n")
    if len(words) == 1:  # they are joined by something else
        return ""
    at = int(os.environ["COMP_CWORD"])
    joined: list[str] = []
    for number, word in enumerate(words[: at + 1]):
        earlier = words[number - 1] if number else ""
        if word == "=" and earlier.startswith("--"):
            continue
        if joined and (word == ":" or earlier == ":"):
            joined[-1] += word
        else:
            joined.append(word)
    last = joined[-1] if joined else ""
    if ":" not in last:
        if words[at : at + 1] == ["="]:
            joined.append("")
        last = ""
    os.environ["COMP_WORDS"] = "\n".join(joined)
    os.environ["COMP_CWORD"] = str(max(0, len(joined) - 1))
    return last[: last.rindex(":") + 1] if last else ""


def _hush() -> None:
    """Let nothing be read from the terminal, and nothing be written but completions."""
    for number in (0, 2):
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, number)
        os.close(nowhere)


def provider_names(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Providers, their aliases where no name fits, and what each is."""
    found = [(p.name, p.description) for p in _providers()]
    fitting = [pair for pair in found if pair[0].startswith(incomplete)]
    others = ((alias, p.description) for p in _providers() for alias in p.aliases)
    yield from _new(ctx, fitting or others)


def provider_lists(incomplete: str) -> Iterator[str]:
    """Providers as ``--fallback`` takes them, several with commas between them."""
    before, mark, _ = incomplete.rpartition(",")
    for provider in _providers():
        if provider.name not in before.split(","):
            yield f"{before}{mark}{provider.name}"


def plugin_names(ctx: typer.Context) -> Iterator[tuple[str, str]]:
    """Plugins, those that are switched off too, and where each comes from."""
    from mediasense import runtime

    found = runtime.plugins()
    points = [plugin.entry_point for plugin in found.loaded]
    points += [failure.entry_point for failure in found.failures]
    points += found.switched_off
    yield from _new(ctx, ((point.name, point.distribution) for point in points))


def model_names(ctx: typer.Context) -> Iterator[str]:
    """Models of the provider that is named, as far as they are known here."""
    yield from _models(ctx.params.get("provider"))


def audio_model_names(ctx: typer.Context) -> Iterator[str]:
    """The same of whoever writes down what is said."""
    yield from _models(ctx.params.get("audio_provider") or ctx.params.get("provider"))


def task_names() -> Iterator[tuple[str, str]]:
    """Ready questions, and what each asks for."""
    from mediasense.tasks import list_tasks

    for task in list_tasks(on_problem=lambda _: None):
        yield task.name, task.description


def keep_listing(asked: "Question", models: list[str]) -> None:
    """Keep which models a provider listed just now, for the next completion.

    Args:
        asked: The question they were listed for.
        models: Their names.
    """
    from mediasense import runtime
    from mediasense.config import listings_path
    from mediasense.store.listings import Listings

    if asked.provider is not None and runtime.config().cache:
        Listings(listings_path()).keep(asked.provider, models)


def _providers() -> "tuple[Provider, ...]":
    from mediasense import runtime

    return tuple(runtime.plugins().providers.values())


def _new(ctx: typer.Context, found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What is not typed yet, where several names may be; and the commands that may stand there."""
    typed = ctx.params.get("names") or ()
    if not typed and ctx.parent is not None and ctx.info_name == "show":
        group: Any = ctx.parent.command
        yield from ((n, c.get_short_help_str()) for n, c in group.commands.items() if n != "show")
    for name, told in found:
        if name not in typed:
            yield name, told


def _models(name: str | None) -> Iterator[str]:
    from mediasense import runtime
    from mediasense.config import PROVIDER_VARIABLE

    name = name or os.environ.get(PROVIDER_VARIABLE) or runtime.config().provider
    if name is None:
        found = [model for provider in _providers() for model in _declared(provider)]
    else:
        named = [p for p in _providers() if name in (p.name, *p.aliases)]
        found = [model for provider in named for model in (*_declared(provider), *_kept(provider))]
    yield from dict.fromkeys(found)


def _declared(provider: "Provider") -> Iterator[str]:
    """The models that a plugin itself names."""
    limits = (provider.image, provider.video, provider.audio, provider.text)
    for model in (
        provider.default_model,
        *(each.default_model for each in limits if each is not None),
        provider.audio.answer_model if provider.audio is not None else None,
        *(rule.pattern for rule in provider.models),
    ):
        if model is not None and not set("*?[") & set(model):
            yield model


def _kept(provider: "Provider") -> tuple[str, ...]:
    """The models that it listed last, or else those that the price list has."""
    from mediasense import runtime
    from mediasense.config import listings_path
    from mediasense.store.listings import Listings

    folder = listings_path()
    if listed := Listings(folder).models(provider.name):
        return listed
    from importlib.metadata import version

    # The price list takes a third of a second to load: longer than people wait for a completion.
    priced = Listings(folder / f"prices-{version('genai-prices')}")
    if known := priced.models(provider.name):
        return known
    from mediasense.prices import priced_models

    found = priced_models(provider)
    if runtime.config().cache:
        priced.keep(provider.name, found)
    return found
