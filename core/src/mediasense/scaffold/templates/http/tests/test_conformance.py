"""What every plugin must hold.

``mediasense plugins check acme_template`` runs the same.
"""

from mediasense.testing import ProviderTests

from mediasense_acme_template.service import SERVICE


class TestConformance(ProviderTests):
    plugin = "mediasense_acme_template"
    service = SERVICE
