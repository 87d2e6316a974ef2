"""How Acme Template is asked: its JSON, made and read."""

from __future__ import annotations

import mediasense
from mediasense import (
    Answer,
    Base64,
    ImageRequest,
    InvalidAnswer,
    Model,
    ModelsRequest,
    Request,
    Usage,
)


def ask(request: ImageRequest) -> Answer:
    """Answer a question about images.

    A service that sends its answer in pieces is read with ``mediasense.stream_lines``: declare
    ``streaming`` in the limits, take ``on_text`` in the hook, and call it with each piece.

    Raises:
        ProviderError: The service failed or refused.
    """
    payload: dict[str, object] = {
        "model": request.model,
        "question": request.prompt,
        "images": [{"type": i.mime_type, "data": Base64(i)} for i in request.images],
    }
    if request.max_output_tokens is not None:
        payload["max_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        payload["temperature"] = request.temperature
    reply = mediasense.post_json(request, "/look", payload)
    match reply:
        case {"answer": str(text), "model": str(model)} if text.strip():
            return Answer(text=text, model=model, usage=_usage(reply.get("usage")))
    raise _not_understood(request, "an answer")


def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """Ask which models there are.

    Raises:
        ProviderError: The service failed or refused.
    """
    match mediasense.get_json(request, "/models"):
        case {"models": [*names]} if all(isinstance(name, str) for name in names):
            return tuple(Model(name=name) for name in names)
    raise _not_understood(request, "a list of models")


def _usage(reported: object) -> Usage | None:
    match reported:
        case {"read": int(read), "written": int(written)}:
            return Usage(input_tokens=read, output_tokens=written)
    return None


def _not_understood(request: Request, wanted: str) -> InvalidAnswer:
    name = request.provider.name
    return InvalidAnswer(f"{name} answered with something that is not {wanted}", hint="try again")
