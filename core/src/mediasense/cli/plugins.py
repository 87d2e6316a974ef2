"""``mediasense plugins``: which are loaded and which are not, whence, and what each does."""

import difflib
from dataclasses import asdict, dataclass
from traceback import print_exception
from typing import Annotated, Any

import typer

from mediasense import runtime
from mediasense.cli.check import check
from mediasense.cli.completion import plugin_names
from mediasense.cli.groups import WithDefault
from mediasense.cli.listings import ListingOptions, nothing_installed, print_json
from mediasense.cli.options import spread
from mediasense.discovery import EntryPoint
from mediasense.errors import PluginError, UsageError, one_line
from mediasense.failures import PluginFailure
from mediasense.offers import Implementation, Plugin
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write
from mediasense.plugins import Plugins

plugins_app = typer.Typer(
    cls=WithDefault, help="Show which plugins are loaded, and which are not and why."
)

plugins_app.command()(check)

_MANY = 4
_SEEN_ANYWAY = "capabilities"


@plugins_app.command()
@spread
def show(
    listing: ListingOptions,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            autocompletion=plugin_names,
            help="Show these in full.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show which plugins are loaded, and which are not and why.

    They stand in the order in which they are asked: of two that wrap a hook, the first one stands
    around the other.

    mediasense plugins
    mediasense plugins acme
    """
    found = runtime.plugins()
    rows = _chosen(_rows(found), names or [])
    if listing.as_json:
        print_json({"plugins": [row.facts for row in rows], "disabled": list(found.disabled)})
    elif names:
        write(answers(), "\n".join(_in_full(row) for row in rows))
        _tell_causes(rows)
    else:
        _print(rows)
    if not names:
        unknown = [each.error for each in runtime.unknown_disabled()]
        for error in (*found.conflicts.values(), *found.broken.values(), *unknown):
            say("warning", str(error))
    _require_sound(rows if names and not listing.as_json else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is known of one plugin."""

    entry_point: EntryPoint
    state: str
    hooks: tuple[Implementation, ...] = ()
    plugin: Plugin | None = None
    failure: PluginFailure | None = None
    cause: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON tells them; the names stay."""
        return {
            **asdict(self.entry_point),
            "state": self.state,
            "hooks": [each.hook for each in self.hooks],
            "wrappers": [each.hook for each in self.hooks if each.wraps],
            "rules": [each.hook for each in self.hooks if each.rules],
            "tryfirst": [each.hook for each in self.hooks if each.first],
            "trylast": [each.hook for each in self.hooks if each.last],
            "providers": list(self.plugin.providers) if self.plugin else [],
            "cause": self.cause,
            "remarks": list(self.remarks),
        }

    @property
    def whence(self) -> str:
        """Who installed it, or the file or module that was named, and its version."""
        point = self.entry_point
        return f"{point.distribution} {point.version}".rstrip()

    @property
    def rank(self) -> tuple[bool, bool]:
        """Where it stands among the others, whose order is that of their names."""
        ruling = [each for each in self.hooks if each.rules]
        return not any(each.first for each in ruling), any(each.last for each in ruling)


def _rows(found: Plugins) -> list[_Row]:
    """Every plugin, in the order in which they are asked; those that are not come last."""
    loaded = [
        _Row(
            entry_point=plugin.entry_point,
            state="loaded",
            hooks=found.implementations(plugin.entry_point.name),
            plugin=plugin,
            cause="; ".join(f.cause for f in found.failures if f.entry_point == plugin.entry_point),
            failure=next((f for f in found.failures if f.entry_point == plugin.entry_point), None),
            remarks=found.remarks(plugin.entry_point),
        )
        for plugin in found.loaded
    ]
    known = [row.entry_point for row in loaded]
    failed = [
        _Row(
            entry_point=failure.entry_point,
            state="failed",
            failure=failure,
            cause=failure.cause,
            remarks=found.remarks(failure.entry_point),
        )
        for failure in found.failures
        if failure.entry_point not in known
    ]
    off = [
        _Row(entry_point=entry_point, state="disabled", cause="it is switched off")
        for entry_point in found.switched_off
    ]
    return [*sorted(loaded, key=lambda row: row.rank), *failed, *off]


def _require_sound(told: list[_Row]) -> None:
    """Check that all is well; what was told in full with these rows is told no second time."""
    try:
        runtime.require_sound_plugins()
    except PluginError as error:
        if any(row.failure is not None and row.failure.error is error.__cause__ for row in told):
            raise PluginError(error.message, hint=error.hint) from None
        raise


def _chosen(rows: list[_Row], names: list[str]) -> list[_Row]:
    known = [row.entry_point.name for row in rows]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "type: mediasense plugins"
            raise UsageError(f"no plugin is named {name!r}", hint=hint)
    return [row for row in rows if row.entry_point.name in names] if names else rows


def _print(rows: list[_Row]) -> None:
    if not rows:
        raise nothing_installed()
    print_table(
        ("plugin", "state", "from", "hooks", "providers"),
        [
            (
                row.entry_point.name,
                row.state,
                row.whence,
                ", ".join(_marked(each) for each in row.hooks if each.hook != _SEEN_ANYWAY),
                _some(row.plugin.providers if row.plugin else ()),
            )
            for row in rows
        ],
        whole=3,
    )
    below = [
        one_line(f"{row.entry_point.name}: {said}", limit=1000)
        for row in rows
        for said in (*((row.cause,) if row.failure else ()), *row.remarks)
    ]
    if below:
        write(answers(), "\n" + "\n".join(below) + "\n")


def _marked(hook: Implementation) -> str:
    marks = ("wrapper" * hook.wraps, "first" * hook.first, "last" * hook.last)
    told = ", ".join(filter(None, marks))
    return f"{hook.hook} ({told})" if told else hook.hook


def _some(providers: tuple[str, ...]) -> str:
    if len(providers) <= _MANY:
        return ", ".join(providers)
    return f"{', '.join(providers[: _MANY - 1])} and {len(providers) - _MANY + 1} more"


def _in_full(row: _Row) -> str:
    lines = [
        ("state", row.state),
        ("from", f"{row.whence} ({_ORIGINS[row.entry_point.origin]})"),
        ("module", row.entry_point.module),
        *(("hook", _marked(hook)) for hook in row.hooks),
        *(("rules", _ruling(row, hook)) for hook in row.hooks if hook.rules),
        ("providers", ", ".join(row.plugin.providers) if row.plugin else ""),
        ("cause", row.cause),
        *(("remark", said) for said in row.remarks),
    ]
    told = [f"  {what:<10}{one_line(said, limit=2000)}" for what, said in lines if said]
    return "\n".join([row.entry_point.name, *told]) + "\n"


_ORIGINS = {
    "installed": "installed",
    "config": "named by the config file",
    "option": "named by --plugin",
}


def _ruling(row: _Row, hook: Implementation) -> str:
    whose = "of its own providers" if row.plugin and row.plugin.providers else "of every provider"
    if hook.hook == "prepare_request":
        return f"may change every request {whose}"
    return f"stands around {hook.hook} {whose}"


def _tell_causes(rows: list[_Row]) -> None:
    for row in rows:
        if row.failure is not None:
            print_exception(row.failure.error)
