"""What every plugin must hold; `mediasense plugins check acme` runs the same."""

from mediasense.testing import ProviderTests


class TestAcme(ProviderTests):
    """Acme's plugin, proved by the suite that comes with mediasense."""

    plugin = "mediasense_acme"
