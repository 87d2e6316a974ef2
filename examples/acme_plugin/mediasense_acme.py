"""Acme's own vision service: a private endpoint with a JSON protocol of its own."""

import mediasense
from mediasense import Answer, Base64, Credentials, ImageLimits, Model, Provider, hookimpl


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
    match reply:
        case {"finding": str(text), "eye": str(eye), "cost": {"read": int(i), "written": int(o)}}:
            usage = mediasense.Usage(input_tokens=i, output_tokens=o)
            return Answer(text=text, model=eye, usage=usage)
    raise mediasense.InvalidAnswer("acme answered without a finding", hint="check --base-url")


@hookimpl
def list_models(request):
    match mediasense.get_json(request, "/eyes", key_header="X-Acme-Token"):
        case {"eyes": [*eyes]} if all(isinstance(eye, dict) and eye.get("name") for eye in eyes):
            return tuple(Model(name=eye["name"], modalities=("image",)) for eye in eyes)
    raise mediasense.InvalidAnswer("acme answered without its eyes", hint="check --base-url")
