"""``mediasense providers`` and ``models``: who can answer."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mediasense import runtime
from mediasense.cli.adding import add
from mediasense.cli.completion import keep_listing, provider_names
from mediasense.cli.groups import WithDefault
from mediasense.cli.listings import ListingOptions, nothing_installed, print_json
from mediasense.cli.options import ProviderOptions, question, spread
from mediasense.cli.removing import remove
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.providers import Limits, Provider

CHECK_SECONDS = 15.0

providers_app = typer.Typer(
    cls=WithDefault, help="Show who can answer, what each takes, and whether its key was found."
)


@providers_app.command()
@spread
def show(
    listing: ListingOptions,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            autocompletion=provider_names,
            help="Only these (default: all).",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Ask each for real: can it be reached, is the key refused, is the "
            "default model listed?",
        ),
    ] = False,
) -> None:
    """Show who can answer, what each takes, and whether its key was found.

    mediasense providers
    mediasense providers groq
    mediasense providers --check
    """
    chosen = _chosen(names or [])
    checks = _checks(chosen) if check else {}
    rows = [_provider_row(provider, checks.get(provider.name)) for provider in chosen]
    if listing.as_json:
        print_json(rows)
    else:
        _print_providers(rows, with_checks=check)
        _tell_endpoints(chosen if names else ())
    for error in () if names else runtime.plugins().broken.values():
        say("warning", str(error))
    if names and any(c["status"] not in ("ready", "unchecked") for c in checks.values()):
        raise typer.Exit(40)


providers_app.command()(add)
providers_app.command()(remove)


@spread
def models(provider: ProviderOptions, listing: ListingOptions) -> None:
    """Ask a provider which models it has now.

    mediasense models --provider groq
    mediasense models --provider openai --json
    """
    asked = question(None, provider)
    found = runtime.dispatcher().models(asked)
    if asked.access.base_url is None:
        keep_listing(runtime.dispatcher().settled(asked), [model.name for model in found])
    if listing.as_json:
        print_json([asdict(model) for model in found])
        return
    rows = [
        (
            model.name,
            ", ".join(model.modalities) if model.modalities is not None else "not told",
            model.retires or "",
        )
        for model in found
    ]
    print_table(("model", "takes", "retires"), rows)


def _chosen(names: list[str]) -> "tuple[Provider, ...]":
    if names:
        return tuple(runtime.dispatcher().provider(name) for name in names)
    if not runtime.plugins().providers:
        raise nothing_installed()
    return tuple(runtime.plugins().providers.values())


def _checks(chosen: "tuple[Provider, ...]") -> dict[str, dict[str, Any]]:
    from mediasense.checks import check_providers
    from mediasense.types import Question

    asked = Question(timeout=CHECK_SECONDS, retries=0)
    return {
        found.provider: {
            "status": found.status,
            "detail": found.detail,
            "seconds": round(found.seconds, 3),
        }
        for found in check_providers(runtime.dispatcher(), chosen, asked)
    }


def _provider_row(provider: "Provider", check: dict[str, Any] | None) -> dict[str, Any]:
    from mediasense.statuses import status_of

    status = status_of(provider, runtime.plugins())
    if status.problem:
        say("warning", f"{status.name}: {status.problem}")
    row: dict[str, Any] = {
        "name": status.name,
        "aliases": list(status.aliases),
        "description": status.description,
        "kind": status.kind,
        "plugin": status.plugin,
        "base_url": status.base_url,
        "like": provider.like,
        "headers": [{"name": h.name, "variable": h.variable} for h in provider.headers],
        "default_model": status.default_model,
        "credentials": {"found": status.key_found, "needed": list(status.key_names)},
        "takes": {
            name: asdict(limits) if (limits := getattr(status, name)) is not None else None
            for name in ("image", "video", "audio", "text")
        },
    }
    if check is not None:
        row["check"] = check
    return row


def _print_providers(rows: list[dict[str, Any]], *, with_checks: bool) -> None:
    columns = ["provider", "plugin", "takes", "credentials", "default model"]
    if with_checks:
        columns.append("check")
    lines = []
    for row in rows:
        provider = runtime.plugins().providers[row["name"]]
        cells = [
            row["name"],
            row["plugin"],
            describe_limits(provider),
            _describe_credentials(row["credentials"], provider),
            row["default_model"] or "none",
        ]
        if with_checks:
            found = row["check"]
            cells.append(f"{found['status']}{': ' if found['detail'] else ''}{found['detail']}")
        lines.append(tuple(cells))
    print_table(tuple(columns), lines)


def _tell_endpoints(chosen: "tuple[Provider, ...]") -> None:
    """Say of endpoints of the config file what the table has no room for; of headers no value."""
    lines = []
    for provider in chosen:
        if provider.like is None:
            continue
        headers = [
            f"{h.name} (from {h.variable})" if h.variable else h.name for h in provider.headers
        ]
        also = f"; headers: {', '.join(headers)}" if headers else ""
        lines.append(f"{provider.name}: {provider.base_url}, asked as {provider.like}{also}")
    if lines:
        write(answers(), "\n" + "\n".join(lines) + "\n")


def describe_limits(provider: "Provider") -> str:
    """What a provider takes, in a few words, such as ``image (up to 5, 4 MB), audio``."""
    from mediasense.providers import AudioLimits, ImageLimits

    parts = []
    for name in provider.modalities:
        limits: Limits = getattr(provider, name)
        notes = []
        if isinstance(limits, ImageLimits) and limits.max_items is not None:
            notes.append(f"up to {limits.max_items}")
        sizes = (limits.max_bytes, limits.max_request_bytes)
        most = getattr(limits, "max_upload_bytes", None) or min(
            (size for size in sizes if size is not None), default=None
        )
        if most is not None:
            notes.append(f"{most / 1e6:.3g} MB" if most < 1e9 else f"{most / 1e9:.3g} GB")
        if isinstance(limits, AudioLimits) and not limits.answers:
            notes.append("transcripts")
        parts.append(f"{name} ({', '.join(notes)})" if notes else name)
    return ", ".join(parts) or "text only"


def _describe_credentials(found: dict[str, Any], provider: "Provider") -> str:
    rules = provider.credentials
    if rules is None:
        return "needs none"
    if found["found"]:
        return f"{found['found']} is set"
    if rules.ambient:
        return f"{found['needed'][0]} is not set; {rules.ambient} are tried"
    if not rules.required:
        return f"{found['needed'][0]} is not set, nor needed"
    return f"{found['needed'][0]} is not set"
