"""What calls cost, from the price library that others keep (genai-prices)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mediasense.providers import Provider
from mediasense.types import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as Seller

# Nobody sends so much in one call: a service that says so is not to be believed.
_MOST_COUNTED = 1_000_000_000
_LONGEST_NAME = 200

_MODALITIES = ("image", "video", "audio")
_ALWAYS = {"input_mtok", "output_mtok", "audio_hours", "requests_kcount"}
_COUNTED = _ALWAYS | {
    "cache_read_mtok",
    "cache_write_mtok",
    "output_reasoning_mtok",
    *(f"input_{name}_mtok" for name in _MODALITIES),
    *(f"cache_{name}_read_mtok" for name in _MODALITIES),
}
# Prices of what no request of ours ever asks for: tools, answers that are no text, and a cache that
# keeps for a time that is asked for. Any other price is one of something that happened, and was not
# counted.
_NEVER_ASKED_FOR = {
    "cache_write_5m_mtok",
    "cache_write_1h_mtok",
    "code_executions_kcount",
    "input_audio_hours",  # the same hours as audio_hours
    "output_audio_mtok",
    "output_image_mtok",
    "output_video_mtok",
    "storage_searches_kcount",
    "web_searches_kcount",
}


class KeptPrices:
    """The price list of genai-prices: an unknown price is ``None``, and never zero.

    Loading it takes a quarter of a second, so it is loaded for the first price that is asked for.
    It is safe for many threads. What runs on this machine costs nothing; see
    :attr:`Provider.relayed_models`.
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
        counted = Usage(input_tokens=input_tokens, output_tokens=output_tokens, seconds=seconds)
        return self.charge(provider, model, counted)

    def charge(
        self,
        provider: Provider,
        model: str | None,
        usage: Usage | None,
        *,
        asked: str | None = None,
        with_sound: bool = False,
    ) -> float | None:
        """US dollars for what a service says it counted; ``None`` is unknown.

        Of input that was cached and is sound, the list asks how much was both. No service tells,
        so as little of the sound as possible is taken to be cached: never too cheap. What is
        written into the cache is taken to be no sound; where some of it must be, the cost is
        unknown.

        Args:
            provider: Who is paid; known by its base URL, else by its hosts.
            model: The model that answered, as the service names it.
            usage: What the service counted.
            asked: The model that was asked for, should the list not know the other name.
            with_sound: Whether sound was sent. Where it has a price of its own, and the service
                does not say how many of the tokens it was, the cost is unknown.
        """
        if _is_free(provider, (model, asked)):
            return 0.0
        if provider.kind != "service" or usage is None or not _believable(usage):
            return None
        found = _found(_addresses(provider), (model, asked))
        if found is None:
            return None
        seller, sold = found
        prices = sold.get_prices(datetime.now(tz=UTC))
        counts = _counts(usage, _keys(prices), with_sound=with_sound)
        return None if counts is None else _total(seller, sold, prices, counts)


def priced_models(provider: Provider) -> tuple[str, ...]:
    """The models of a provider that the price list has; none where it does not know the provider.

    Args:
        provider: Known as for :meth:`KeptPrices.charge`.
    """
    from genai_prices.data_snapshot import get_snapshot

    kept = get_snapshot()
    for address in _addresses(provider):
        with suppress(LookupError, ValueError):
            seller = kept.find_provider(None, None, address)
            return tuple(model.id for model in seller.models if not model.deprecated)
    return ()


# --- what costs nothing --------------------------------------------------------------------------


def _is_free(provider: Provider, names: tuple[str | None, ...]) -> bool:
    if provider.kind == "device":
        return True
    relayed = provider.relayed_models
    if provider.kind != "server" or relayed is None or not _is_here(provider.base_url):
        return False
    known = [name for name in names if name is not None]
    if not known:
        return not relayed
    return not any(fnmatchcase(name.lower(), pattern) for name in known for pattern in relayed)


def _is_here(url: str | None) -> bool:
    try:
        host = urlsplit(url or "").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- whose price it is ---------------------------------------------------------------------------


def _addresses(provider: Provider) -> tuple[str, ...]:
    own = (provider.base_url,) if provider.base_url else ()
    return (*own, *(f"https://{host}" for host in provider.hosts))


@lru_cache(maxsize=1024)
def _found(
    addresses: tuple[str, ...], names: tuple[str | None, ...]
) -> tuple[Seller, ModelInfo] | None:
    """The first of those names that the list has for one of those addresses."""
    from genai_prices.data_snapshot import get_snapshot

    kept = get_snapshot()
    for name in _spellings(names):
        for address in addresses:
            try:
                return kept.find_provider_model(name, None, None, address)
            except (LookupError, ValueError):
                continue
    return None


def _spellings(names: tuple[str | None, ...]) -> Iterator[str]:
    for name in names:
        if name and len(name) <= _LONGEST_NAME:
            yield name
            # Google's services name a model by its path.
            if "models/" in name:
                yield name.rpartition("models/")[2]


# --- what was counted, and what of it has a price ------------------------------------------------


def _believable(usage: Usage) -> bool:
    counts = (getattr(usage, name) for name in Usage.__dataclass_fields__)
    return all(count is None or 0 <= count <= _MOST_COUNTED for count in counts)


def _keys(prices: ModelPrice) -> set[str]:
    return {name for name, value in vars(prices).items() if value is not None}


def _counts(usage: Usage, priced: set[str], *, with_sound: bool) -> dict[str, float] | None:
    """What is to be paid for, by the library's names; ``None`` when that is not known."""
    if not priced or priced - _COUNTED - _NEVER_ASKED_FOR:
        return None
    counts: dict[str, float] = {}
    if "audio_hours" in priced:
        if usage.seconds is None:
            return None
        counts["audio_seconds"] = usage.seconds
        if not priced & {"input_mtok", "output_mtok"}:
            return counts  # tokens are counted there too, and not paid for
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    if usage.input_tokens and "input_mtok" not in priced:
        return None
    if usage.output_tokens and "output_mtok" not in priced:
        return None
    if with_sound and "input_audio_mtok" in priced and not _tells_modalities(usage):
        return None
    counts |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.reasoning_tokens and "output_reasoning_mtok" in priced:
        counts["output_reasoning_tokens"] = usage.reasoning_tokens
    return counts | _parts_of_input(usage, priced)


def _tells_modalities(usage: Usage) -> bool:
    return any(getattr(usage, f"{name}_tokens") is not None for name in _MODALITIES)


def _parts_of_input(usage: Usage, priced: set[str]) -> dict[str, float]:
    """The tokens in that have another price than text that is sent for the first time."""
    parts = {
        name: count
        for name in _MODALITIES
        if f"input_{name}_mtok" in priced and (count := getattr(usage, f"{name}_tokens"))
    }
    counts: dict[str, float] = {f"input_{name}_tokens": count for name, count in parts.items()}
    if usage.cache_write_tokens and "cache_write_mtok" in priced:
        counts["cache_write_tokens"] = usage.cache_write_tokens
    cached = usage.cached_tokens
    if not cached or "cache_read_mtok" not in priced:
        return counts
    counts["cache_read_tokens"] = cached
    both = max(0, cached + sum(parts.values()) - (usage.input_tokens or 0))
    for name, count in parts.items():
        share = min(both, count)
        counts[f"cache_{name}_read_tokens"] = share
        both -= share
    return counts


def _total(
    seller: Seller, sold: ModelInfo, prices: ModelPrice, counts: Mapping[str, float]
) -> float | None:
    from dataclasses import replace

    from genai_prices import Usage as Counted
    from genai_prices.types import ModelPrice

    # The library works through every price it is given: most of them are of nothing.
    wanted = _ALWAYS | {f"{name.removesuffix('_tokens')}_mtok" for name in counts}
    given = {name: value for name, value in vars(prices).items() if name in wanted}
    needed = replace(sold, prices=ModelPrice(**given), price_variants=None)
    try:
        return float(needed.calc_price(Counted(**counts), seller).total_price)
    except (ArithmeticError, TypeError, ValueError):
        return None
