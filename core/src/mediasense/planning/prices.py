"""What a call costs, as far as it is known."""

from __future__ import annotations

from typing import Protocol

from mediasense.providers import Provider


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


NO_PRICES: Prices = _NoPrices()
