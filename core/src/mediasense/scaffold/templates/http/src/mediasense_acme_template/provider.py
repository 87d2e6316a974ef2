"""What Acme Template takes, as data.

Leave out whatever you have not seen it do.
"""

from __future__ import annotations

from mediasense import Credentials, ImageLimits, Provider

PROVIDER = Provider(
    name="acme_template",
    description="Acme Template's own service",
    base_url="https://api.acme-template.example/v1",
    # The key is sent to the host of base_url, and to no other one.
    credentials=Credentials(variables=("ACME_TEMPLATE_API_KEY",)),
    default_model="acme-template-1",
    image=ImageLimits(
        # The first is the one that other images are converted to.
        mime_types=("image/png", "image/jpeg"),
        max_items=4,
        # Of one file, before it becomes base64: the service takes 10 MB of base64.
        max_bytes=7_500_000,
        # Those that client.py sends; any other option is refused before a call.
        options=("max_output_tokens", "temperature"),
    ),
)
