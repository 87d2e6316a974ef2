"""What Acme Template takes, as data.

Leave out whatever you have not seen it do.
"""

from __future__ import annotations

from mediasense import Credentials, ImageLimits, Provider

PROVIDER = Provider(
    name="acme_template",
    description="Acme Template's own service",
    base_url="https://api.acme-template.example",
    # The key is sent to the host of base_url, and to no other one.
    credentials=Credentials(variables=("ACME_TEMPLATE_API_KEY",)),
    default_model="acme-template-1",
    image=ImageLimits(
        # The first is the one that other images are converted to.
        mime_types=("image/png", "image/jpeg", "image/gif", "image/webp"),
        max_items=20,
        # Of one file, before it becomes base64: the service takes 5 MB of base64.
        max_bytes=3_750_000,
        # Those that client.py sends; any other option is refused before a call.
        options=("json_schema", "max_output_tokens"),
        streaming=True,
    ),
)
