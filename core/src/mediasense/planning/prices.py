"""What a call costs, as far as it is known."""

from __future__ import annotations

from typing import Protocol

from mediasense.providers import Provider
from mediasense.types import Usage


class Prices(Protocol):
    """A price list."""

    def price(
        self,
        provider: Provider,
        model: str | None,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        seconds: float | None,
    ) -> float | None:
        """US dollars for so many tokens, or so many seconds of speech to text; ``None`` if unknown.

        Args:
            provider: Who is paid.
            model: Which model.
            input_tokens: How many; ``None`` when it is not known.
            output_tokens: As ``input_tokens``.
            seconds: Of sound, when it is speech to text.
        """

    def charge(
        self,
        provider: Provider,
        model: str | None,
        usage: Usage | None,
        *,
        asked: str | None = None,
        with_sound: bool = False,
    ) -> float | None:
        """US dollars for what a service says it counted; ``None`` if unknown.

        Args:
            provider: Who is paid.
            model: The model that answered, as the service names it.
            usage: What the service counted.
            asked: The model that was asked for, should the other name not be known.
            with_sound: Whether sound was sent.
        """


class _NoPrices:
    def price(
        self,
        provider: Provider,  # noqa: ARG002
        model: str | None,  # noqa: ARG002
        *,
        input_tokens: int | None,  # noqa: ARG002
        output_tokens: int | None,  # noqa: ARG002
        seconds: float | None,  # noqa: ARG002
    ) -> float | None:
        return None

    def charge(
        self,
        provider: Provider,  # noqa: ARG002
        model: str | None,  # noqa: ARG002
        usage: Usage | None,  # noqa: ARG002
        *,
        asked: str | None = None,  # noqa: ARG002
        with_sound: bool = False,  # noqa: ARG002
    ) -> float | None:
        return None


NO_PRICES: Prices = _NoPrices()
