"""The suite that every plugin passes."""

from mediasense.testing import ProviderTests
from mediasense_whisper_local.service import SERVICE


class TestWhisperLocal(ProviderTests):
    plugin = "mediasense_whisper_local"
    service = SERVICE
