"""The name of a new plugin, in each of the forms a package needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mediasense.errors import UsageError
from mediasense.known import PACKAGES, package_for

# A provider's name whose other forms are legal too, and short enough that no line of a template
# becomes too long.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PluginName:
    """What a plugin is called.

    Attributes:
        provider: As users type it.
    """

    provider: str

    @property
    def distribution(self) -> str:
        """The package that is installed, such as ``mediasense-acme``."""
        return f"mediasense-{self.dashed}"

    @property
    def module(self) -> str:
        """What is imported, such as ``mediasense_acme``."""
        return "_".join(("mediasense", *self._words))

    @property
    def dashed(self) -> str:
        """Fit for a host, a package or a model."""
        return "-".join(self._words)

    @property
    def variable(self) -> str:
        """What its variables begin with, such as ``ACME``; none may begin with a digit."""
        prefix = "_" if self.provider[0].isdigit() else ""
        return prefix + "_".join(self._words).upper()

    @property
    def title(self) -> str:
        """As it stands in a sentence, such as ``Acme``."""
        return " ".join(word.capitalize() for word in self._words)

    @property
    def _words(self) -> list[str]:
        return re.split("[-_]+", self.provider)


# The name that stands in the templates.
TEMPLATE = PluginName("acme_template")


def plugin_name(text: str) -> PluginName:
    """The name of a new plugin.

    Raises:
        UsageError: It cannot be one, or somebody has it.
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is no name for a plugin",
            hint="use up to 32 lower-case letters and digits, with - or _ between them",
        )
    name = PluginName(text)
    _require_free(name)
    if name.distribution in PACKAGES:
        raise UsageError(f"there is already a package {name.distribution}", hint="take another")
    if package := package_for(text):
        raise UsageError(f"{package} offers {text!r} already", hint="take another name")
    return name


def _require_free(name: PluginName) -> None:
    """Refuse what is said already, or would be read as something else."""
    from importlib.metadata import metadata

    first, _, rest = name.dashed.partition("-")
    if first == "mediasense" and rest:
        what = f"{name.provider!r} would become {name.distribution}"
        raise UsageError(what, hint=f"type: mediasense new-plugin {rest}")
    if first == "mediasense" or name.dashed == TEMPLATE.dashed:
        raise UsageError(f"{name.provider!r} is no name of your own", hint="take another")
    if name.dashed in (metadata("mediasense").get_all("Provides-Extra") or ()):
        what = f"{name.distribution} would be taken for mediasense[{name.dashed}]"
        raise UsageError(what, hint="take another name")
