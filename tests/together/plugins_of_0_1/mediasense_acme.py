"""Acme's own vision service: a private endpoint with a JSON protocol of its own."""

import mediasense
from mediasense import Answer, Base64, Credentials, ImageLimits, Model, Provider, Usage, hookimpl


@hookimpl
def capabilities():
    pictures = ImageLimits(mime_types=("image/png", "image/jpeg"), max_items=4, max_bytes=5_000_000)
    return (
        Provider(
            name="acme",
            description="Acme's own vision service",
            base_url="https://vision.acme.example/api",
            credentials=Credentials(variables=("ACME_TOKEN",)),
            default_model="acme-eye-2",
            image=pictures,
        ),
    )


@hookimpl
def analyze_image(request):
    pictures = [{"kind": image.mime_type, "bytes": Base64(image)} for image in request.images]
    task = {"eye": request.model, "question": request.prompt, "pictures": pictures}
    reply = mediasense.post_json(request, "/look", task, key_header="X-Acme-Token")
    usage = Usage(input_tokens=reply["cost"]["read"], output_tokens=reply["cost"]["written"])
    return Answer(text=reply["finding"], model=reply["eye"], usage=usage)


@hookimpl
def list_models(request):
    reply = mediasense.get_json(request, "/eyes", key_header="X-Acme-Token")
    return tuple(Model(name=eye["name"], modalities=("image",)) for eye in reply["eyes"])
