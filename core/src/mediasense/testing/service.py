"""What a plugin's author writes for the conformance suite: the other end of the plugin.

For a provider that is reached over HTTP, a :class:`Service` says what its service answers. For one
that runs in this process, a :class:`Device` says what it is to be shown and what it then must find.

By convention it comes with the plugin, so that ``mediasense plugins check NAME`` finds it: as
``SERVICE`` in the module ``service`` of a package, or in the module ``MODULE_service`` beside a
plugin of one module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mediasense.providers import Access, Provider
from mediasense.testing.wire import Call, Reply
from mediasense.types import Media, Segment, Usage

if TYPE_CHECKING:
    from mediasense.names import MediaModality

KEY = "canary-0f8fad5bd9cb469fa165"
"""The key that is given to plugins under test; it must turn up on their own wire alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the service is to say to the next good call.

    Attributes:
        text: The answer.
        pieces: The same, in the pieces in which a stream brings it.
        model: The model that the service says has answered.
        usage: What it says it counted; a script tells the fields that its service has.
        segments: Of a transcript with times.
        models: What the service lists.
    """

    text: str
    pieces: tuple[str, ...]
    model: str
    usage: Usage
    segments: tuple[Segment, ...] = ()
    models: tuple[str, ...] = ()


class Service:
    """The script of a service that is reached over HTTP. Subclass it, and write :meth:`answer`.

    Attributes:
        unproved: Checks that cannot hold for this service, each with the reason; they are shown in
            the report as not proved. A check is named as its function is; of one provider alone,
            as ``check_name[provider]``.
        imports: Packages, besides the plugin's own, that it imports whenever the program starts,
            each with the reason.
        usage_fields: The fields of :class:`~mediasense.Usage` that the service tells.
    """

    unproved: ClassVar[Mapping[str, str]] = {}
    imports: ClassVar[Mapping[str, str]] = {}
    usage_fields: ClassVar[tuple[str, ...]] = ("input_tokens", "output_tokens")

    def answer(self, call: Call, said: Said) -> Reply:
        """What the service answers to a call that is right.

        Args:
            call: What the plugin sent. It may be one of several that make one request, such as an
                upload before the question; answer each.
            said: What the answer, the stream or the listing must say.

        Raises:
            NotImplementedError: The script knows no answer to such a call; the test fails.
        """
        raise NotImplementedError(f"{call.method} {call.path}")

    def failure(self, call: Call, status: int) -> Reply:
        """What the service answers with a status that is a failure.

        Args:
            call: What the plugin sent.
            status: From 300 to 599.
        """
        del call
        headers = (("Retry-After", "0"),) if status in (429, 503) else ()
        said = {"error": {"message": f"the service says {status}", "code": status}}
        return Reply.of(said, status=status, headers=headers)

    def access(self, provider: Provider, url: str) -> Access:
        """How the plugin is told to reach the wire.

        Args:
            provider: Which of the plugin's providers is asked.
            url: The wire's base URL.
        """
        del provider
        return Access(base_url=url, api_key_env="MEDIASENSE_API_KEY")

    def environment(self, provider: Provider, url: str, folder: Path) -> Mapping[str, str]:
        """The variables that the plugin finds, and nothing else of its own.

        Args:
            provider: As above.
            url: As above.
            folder: An empty folder, for files of credentials.
        """
        del provider, url, folder
        return {"MEDIASENSE_API_KEY": KEY}

    def model(self, provider: Provider, modality: MediaModality) -> str | None:
        """The model that is asked; ``None`` for the provider's own default."""
        del provider, modality
        return None


class Device:
    """What is shown to a provider that runs in this process, and what it must find.

    Attributes:
        unproved: As for :class:`Service`.
        imports: As for :class:`Service`.
    """

    unproved: ClassVar[Mapping[str, str]] = {}
    imports: ClassVar[Mapping[str, str]] = {}

    def sample(self, provider: Provider, modality: MediaModality, folder: Path) -> Sample:
        """Media whose content is known.

        Args:
            provider: Which of the plugin's providers is asked.
            modality: What kind of media it gets.
            folder: An empty folder, for files.
        """
        raise NotImplementedError(modality)

    def environment(self, provider: Provider, folder: Path) -> Mapping[str, str]:
        """The variables that the plugin finds, such as one that names its model."""
        del provider, folder
        return {}

    def model(self, provider: Provider, modality: MediaModality) -> str | None:
        """As for :class:`Service`."""
        del provider, modality
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Media to be shown, and what must be found in it.

    Attributes:
        media: The media.
        expected: A stretch of text that the answer must hold, whatever its case; ``""`` for none,
            where any answer will do.
    """

    media: Media
    expected: str = field(default="")
