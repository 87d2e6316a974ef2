"""Every preset holds to the contract: the conformance suite."""

from __future__ import annotations

from mediasense.testing import ProviderTests


class TestOpenAICompat(ProviderTests):
    plugin = "mediasense_openai_compat"
