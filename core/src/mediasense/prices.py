"""What calls cost, from the price library that others keep (genai-prices)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediasense.providers import Provider

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation


class KeptPrices:
    """The price list of genai-prices: an unknown price is ``None``, and never zero.

    Loading it takes half a second, so it is loaded for the first price that is asked for.
    """

    def price(
        self,
        provider: Provider,
        model: str | None,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        seconds: float | None,
    ) -> float | None:
        """US dollars for so many tokens, or so many seconds of speech to text.

        Args:
            provider: Who is paid; known by its own base URL.
            model: Which model.
            input_tokens: How many; ``None`` when it is not known.
            output_tokens: As ``input_tokens``.
            seconds: Of sound, when it is speech to text.
        """
        if model is None or provider.kind == "server":
            return None
        if seconds is not None:
            return _charged(provider, model, {"audio_seconds": seconds}, ("audio_hours",))
        if input_tokens is None or output_tokens is None:
            return None
        counts = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        return _charged(provider, model, counts, ("input_mtok", "output_mtok"))


def _charged(
    provider: Provider, model: str, counts: dict[str, Any], needed: tuple[str, ...]
) -> float | None:
    found = _calculated(provider, model, counts)
    if found is None:
        return None
    # The library counts what it has no price for as nothing.
    if any(getattr(found.model_price, key, None) is None for key in needed):
        return None
    return float(found.total_price)


def _calculated(provider: Provider, model: str, counts: dict[str, Any]) -> PriceCalculation | None:
    from genai_prices import Usage, calc_price

    url = provider.base_url or next((f"https://{host}" for host in provider.hosts), None)
    if url is None:
        return None
    try:
        return calc_price(Usage(**counts), model, provider_api_url=url)
    except (LookupError, ValueError):
        return None
