"""Run the checks, without pytest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mediasense.errors import UnknownProvider, UsageError
from mediasense.providers import Provider
from mediasense.testing.checks import all_checks
from mediasense.testing.registry import Check, NotDeclared, Unproved
from mediasense.testing.service import Device
from mediasense.testing.sources import Script, find_script, load
from mediasense.testing.subject import Subject, told

NO_SCRIPT = (
    "there is no script of its service: write a mediasense.testing.Service, or a Device, as "
    "SERVICE in the module `service` of the package, or in MODULE_service beside a module"
)

State = Literal["proved", "not declared", "not proved", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one check of one provider.

    Attributes:
        provider: Its name.
        check: The name of the check.
        topic: What it is about.
        state: In a word or two.
        why: The sentence that says what to mend, or why nothing was proved.
        error: What a failed check raised.
    """

    provider: str
    check: str
    topic: str
    state: State
    why: str = ""
    error: BaseException | None = None


def prove(check: Check, subject: Subject, unproved: Mapping[str, str]) -> Result:
    """Run one check of one provider.

    Args:
        check: Which.
        subject: The provider.
        unproved: The checks that are left out, with their reasons.
    """
    name = subject.provider.name
    result = Result(provider=name, check=check.name, topic=check.topic, state="proved")
    reason = unproved.get(f"{check.name}[{name}]") or unproved.get(check.name)
    if reason:
        return replace(result, state="not proved", why=reason)
    if subject.script is None and check.needs != "nothing":
        return replace(result, state="not proved", why=NO_SCRIPT)
    try:
        with subject.ready():
            check.prove(subject)
    except NotDeclared as ended:
        return replace(result, state="not declared", why=str(ended))
    except Unproved as ended:
        return replace(result, state="not proved", why=str(ended))
    except AssertionError as failed:
        return replace(result, state="failed", why=str(failed), error=failed)
    except Exception as failed:  # noqa: BLE001  a plugin may break a check in any way
        return replace(result, state="failed", why=told(failed), error=failed)
    return result


def run_checks(
    plugin: str,
    script: Script | None = None,
    providers: tuple[str, ...] | None = None,
    *,
    unproved: Mapping[str, str] | None = None,
) -> tuple[Result, ...]:
    """Prove all that can be proved of a plugin.

    Args:
        plugin: Its module, or the path of its file.
        script: The other end of its wire; by default the one that comes with it.
        providers: Which of its providers; by default all.
        unproved: Checks that are left out, with their reasons, besides those of the script.

    Raises:
        PluginError: It cannot be loaded.
        UnknownProvider: It has no provider of a name that was given.
        UsageError: A check is left out that does not exist.
    """
    source = load(plugin)
    script = script or find_script(plugin)
    left_out = left_out_by(script, unproved or {})
    results: list[Result] = []
    for name in chosen(plugin, providers):
        provider = source.plugins.providers[name]
        with Subject(source, provider, script) as subject:
            results += [prove(c, subject, left_out) for c in checks_for(provider, script)]
    return tuple(results)


def chosen(plugin: str, providers: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names of the providers that are to be proved.

    Raises:
        PluginError: The plugin cannot be loaded.
        UnknownProvider: It has no provider of a name that was given.
        UsageError: It has none at all.
    """
    offered = tuple(load(plugin).plugins.providers)
    if not offered:
        raise UsageError(
            f"{plugin} offers no provider, and only providers can be proved",
            hint="test a rule of the house through mediasense.analyze",
        )
    for name in providers or ():
        if name not in offered:
            raise UnknownProvider(
                f"{plugin} offers no provider {name!r}", hint=f"it offers {', '.join(offered)}"
            )
    return providers or offered


def left_out_by(script: Script | None, more: Mapping[str, str]) -> dict[str, str]:
    """The checks that are left out, with their reasons.

    Raises:
        UsageError: There is no such check, or no reason is given.
    """
    left_out = {**(script.unproved if script is not None else {}), **more}
    known = {check.name for check in all_checks()}
    for name, reason in left_out.items():
        if name.partition("[")[0] not in known:
            raise UsageError(
                f"unproved names {name!r}, and there is no such check",
                hint="name one as its function in mediasense.testing.checks is named",
            )
        if not reason.strip():
            raise UsageError(f"unproved gives no reason for {name}", hint="say why in a sentence")
    return left_out


def checks_for(provider: Provider, script: Script | None) -> tuple[Check, ...]:
    """The checks that are about this kind of provider: a service, or what runs in this process."""
    device = isinstance(script, Device) or (script is None and provider.kind == "device")
    other = "wire" if device else "device"
    return tuple(check for check in all_checks() if check.needs != other)
