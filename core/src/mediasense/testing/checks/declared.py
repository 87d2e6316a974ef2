"""What a plugin declares: legal, pure, and quick to say."""

from __future__ import annotations

from mediasense.names import MODALITIES
from mediasense.testing.probe import probed
from mediasense.testing.registry import check, require
from mediasense.testing.subject import Subject

_MOST_CPU_SECONDS = 0.3
_LONGEST_DESCRIPTION = 100


@check("declared", needs="nothing")
def check_it_is_described_in_one_line(subject: Subject) -> None:
    """The description is one line for the table of providers."""
    text = subject.provider.description
    require(text.strip(), "the description is empty: say in a few words what the provider is")
    require(text.isprintable(), f"the description is not one line: {text!r}")
    require(
        len(text) <= _LONGEST_DESCRIPTION,
        f"the description has {len(text)} characters; at most {_LONGEST_DESCRIPTION} fit a table",
    )


@check("declared", needs="nothing")
def check_something_is_declared(subject: Subject) -> None:
    """At least one kind of media, or text, is declared, with the types of its files."""
    provider = subject.provider
    kinds = (*MODALITIES, "text")
    rules = (provider, *provider.models)
    declared = [getattr(rule, kind) for rule in rules for kind in kinds if getattr(rule, kind)]
    require(declared, "no modality is declared: give image=, video=, audio= or text=")
    for rule in rules:
        for kind in MODALITIES:
            limits = getattr(rule, kind)
            require(
                limits is None or limits.mime_types or limits.uri_schemes,
                f"{kind} is declared without mime_types: nothing could ever be sent",
            )
    audio = provider.audio
    require(
        audio is None or audio.transcribes or audio.answers,
        "audio is declared, and neither transcribes nor answers is true",
    )


@check("declared", needs="nothing")
def check_types_are_of_their_modality(subject: Subject) -> None:
    """The declared MIME types are lower-case, named once, and of their modality."""
    for rule in (subject.provider, *subject.provider.models):
        for modality in MODALITIES:
            limits = getattr(rule, modality)
            types = limits.mime_types if limits is not None else ()
            kinds = ("audio", "video") if modality == "audio" else (modality,)
            for name in types:
                require(
                    name == name.lower() and name.partition("/")[0] in kinds,
                    f"{modality} declares {name!r}, which is no MIME type of {modality}",
                )
            require(len(set(types)) == len(types), f"{modality} declares a MIME type twice")


@check("declared", needs="nothing")
def check_limits_are_positive(subject: Subject) -> None:
    """A limit is a positive number, or None where the provider states none."""
    names = ("max_bytes", "max_request_bytes", "max_items", "max_pixels", "max_side")
    more = ("max_seconds", "max_upload_bytes", "tokens", "tokens_per_second")
    for rule in (subject.provider, *subject.provider.models):
        for modality in MODALITIES:
            limits = getattr(rule, modality)
            for name in (*names, *more):
                value = getattr(limits, name, None)
                require(
                    value is None or value > 0,
                    f"{modality}.{name} is {value}: use None where there is no limit",
                )


@check("declared", needs="nothing")
def check_a_model_is_known(subject: Subject) -> None:
    """There is a default model, or a way to ask the service which models it has."""
    provider = subject.provider
    hooks = subject.source.plugins.owners[provider.name].hooks
    own = [limits for kind in MODALITIES if (limits := getattr(provider, kind)) is not None]
    named = provider.default_model or (own and all(limits.default_model for limits in own))
    require(
        named or provider.kind == "server" or "list_models" in hooks,
        "there is no default_model and no list_models: users could not know what to ask for",
    )


@check("light", needs="nothing")
def check_capabilities_are_pure(subject: Subject) -> None:
    """capabilities() reads no environment, opens no connection, writes no file, runs no program."""
    seen = probed(subject.source.named)
    require(seen.same, "capabilities() returns something else the second time: make it plain data")
    require(
        not seen.variables,
        f"capabilities() reads the environment ({', '.join(seen.variables)}): "
        "name the variables in Credentials or base_url_variables instead",
    )
    require(
        not seen.doings,
        f"importing the plugin, or capabilities(), does more than say what it offers: "
        f"{'; '.join(seen.doings)}",
    )


@check("light", needs="nothing")
def check_no_library_is_imported_at_the_start(subject: Subject) -> None:
    """The module and capabilities() import nothing but mediasense and the standard library."""
    allowed = subject.script.imports if subject.script is not None else {}
    found = [name for name in probed(subject.source.named).imported if name not in allowed]
    require(
        not found,
        f"the plugin imports {', '.join(found)} whenever the program starts: import "
        "it inside the function that needs it",
    )


@check("light", needs="nothing")
def check_it_loads_quickly(subject: Subject) -> None:
    """Importing the module and calling capabilities() takes next to no time."""
    seconds = probed(subject.source.named).seconds
    require(
        seconds <= _MOST_CPU_SECONDS,
        f"importing the plugin and capabilities() take {seconds:.2f} s of work at every start, "
        f"more than {_MOST_CPU_SECONDS} s: do it on first use",
    )
