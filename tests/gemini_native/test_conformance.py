"""Both providers hold to the contract: the conformance suite."""

from __future__ import annotations

from mediasense.testing import ProviderTests


class TestGeminiNative(ProviderTests):
    plugin = "mediasense_gemini_native"
