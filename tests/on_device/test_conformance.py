"""The reader holds to the contract: the conformance suite."""

from __future__ import annotations

from mediasense.testing import ProviderTests


class TestOnDevice(ProviderTests):
    plugin = "mediasense_on_device"
