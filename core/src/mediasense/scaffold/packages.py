"""A plugin package: what stands in it, and writing it down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediasense.errors import UsageError
from mediasense.scaffold.naming import TEMPLATE, PluginName
from mediasense.urls import checked_url

Flavour = Literal["http", "sdk", "policy"]

TEMPLATES = Path(__file__).with_name("templates")
_TEMPLATE_URL = "https://api.acme-template.example"
_TEMPLATE_CORE = "==0.0.0"
# Of a version as Python packages have them (PEP 440): what comes before a release is lower than it.
_VERSION = re.compile(
    r"(?P<release>(?P<major>\d+)(?:\.(?P<minor>\d+)(?:\.\d+)*)?)"
    r"(?P<pre>(?:(?:a|b|rc)\d+)?(?:\.dev\d+)?)"
)
_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPackage:
    """A package that is to be written.

    Attributes:
        name: Of the plugin.
        flavour: What it is made for.
        core: The version of mediasense it is written for.
        base_url: Where its provider is reached; ``None`` for an address to be filled in.
    """

    name: PluginName
    flavour: Flavour
    core: str
    base_url: str | None = None

    def __post_init__(self) -> None:
        if self.base_url is None:
            return
        if self.flavour == "policy":
            raise UsageError("rules have no --base-url", hint="leave it out")
        checked_url(self.base_url, "--base-url", allow_http=True)
        if '"' in self.base_url:
            raise UsageError("--base-url holds a quotation mark", hint="give https://HOST/PATH")

    def files(self) -> dict[Path, str]:
        """What each file says, by its path in the package."""
        return {
            Path(self._renamed(str(path))): self._renamed(file.read_text(encoding="utf-8"))
            for folder in ("shared", self.flavour)
            for path, file in _templates(TEMPLATES / folder)
        }

    def write(self, into: Path) -> Path:
        """Write the package into a new folder of a folder.

        Returns:
            The new folder.

        Raises:
            UsageError: There is something already, or it cannot be written.
        """
        folder = into / self.name.distribution
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if next(folder.iterdir(), None) is not None:
                raise UsageError(f"{folder} is not empty", hint="give --into another folder")
            for path, text in self.files().items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with (folder / path).open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be written: {error.strerror}", hint="give --into another folder"
            ) from None
        return folder

    def _renamed(self, text: str) -> str:
        """The text of a template, for this package."""
        new = self._replacements()
        # All at once: what was put in may hold what is looked for.
        return re.sub("|".join(map(re.escape, new)), lambda found: new[found[0]], text)

    def _replacements(self) -> dict[str, str]:
        """What stands in place of what; of two that begin alike, the longer one first."""
        name, url = self.name, (self.base_url or "").rstrip("/")
        return {
            **({f"{_TEMPLATE_URL}/v1": url, _TEMPLATE_URL: url} if url else {}),
            _TEMPLATE_CORE: requirement(self.core),
            TEMPLATE.distribution: name.distribution,
            TEMPLATE.module: name.module,
            TEMPLATE.variable: name.variable,
            TEMPLATE.title: name.title,
            TEMPLATE.dashed: name.dashed,
            TEMPLATE.provider: name.provider,
        }


def requirement(core: str) -> str:
    """The versions of mediasense for which a plugin that is written for this one works.

    What a minor version may change is promised: plugins go on working until the next major one.

    Args:
        core: A version, such as ``0.1.0`` or ``0.2.0rc1``.
    """
    found = _VERSION.match(core)
    assert found is not None, core
    major = int(found["major"])
    lowest = f"{major}.{found['minor'] or 0}"
    if found["pre"]:  # which no other bound lets in
        lowest = f"{found['release']}{found['pre']}"
    return f">={lowest},<{major + 1}"


def _templates(folder: Path) -> list[tuple[Path, Path]]:
    """The files of a template, by their paths in it; what tools left beside them is none."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = [(path.relative_to(folder), path) for path in found]
    return [(path, file) for path, file in inside if _CACHES.isdisjoint(path.parts)]
