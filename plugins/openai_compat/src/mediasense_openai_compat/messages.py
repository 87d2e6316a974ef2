"""From a request to the payload of the protocol: pure, without the SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mediasense import AudioRequest, Base64, ImageRequest, Media, TextRequest, VideoRequest
from mediasense_openai_compat.presets import Preset
from mediasense_openai_compat.schemas import strict_version

Part = dict[str, object]


def chat_payload(
    request: TextRequest, preset: Preset, *, model: str, stream: bool
) -> dict[str, object]:
    """The body of a call to ``/chat/completions``.

    Args:
        request: What is asked; media in it become parts of the message.
        preset: How the service wants it.
        model: The model to ask.
        stream: Whether the answer shall come piece by piece.

    Returns:
        What :func:`mediasense.json_body` takes.
    """
    payload: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": _content(request, preset)}],
    }
    if request.max_output_tokens is not None:
        payload[preset.max_tokens_field] = request.max_output_tokens
    if request.temperature is not None:
        payload["temperature"] = request.temperature
    if request.json_schema is not None:
        payload["response_format"] = _response_format(json.loads(request.json_schema), preset)
        if preset.requires_parameters:
            payload["provider"] = {"require_parameters": True}
    if stream:
        payload["stream"] = True
        if preset.stream_options:
            payload["stream_options"] = {"include_usage": True}
    return payload


def transcription_fields(request: AudioRequest, preset: Preset, *, model: str) -> dict[str, str]:
    """The form fields, besides the file, of a call to ``/audio/transcriptions``."""
    fields = {"model": model}
    if request.language is not None:
        fields["language"] = request.language
    limits = request.provider.limits_for(model).audio
    if limits is not None and limits.timestamps:
        fields |= dict(preset.segment_fields)
    return fields


def _content(request: TextRequest, preset: Preset) -> str | list[Part]:
    prompt = request.prompt or ""
    match request:
        case ImageRequest(images=images):
            return [_text(prompt), *_images(images)]
        case VideoRequest():
            return [_text(prompt), _video(request, preset)]
        case AudioRequest(audio=audio, language=language):
            spoken = f"\n\nThe language spoken: {language}" if language else ""
            return [_text(prompt + spoken), _audio(audio, preset)]
        case _:
            return prompt


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _images(images: tuple[Media, ...]) -> Iterator[Part]:
    for image in images:
        if image.timestamp is not None:
            yield _text(f"Frame at {image.timestamp:.2f} s:")
        yield {"type": "image_url", "image_url": {"url": _url(image)}}


def _video(request: VideoRequest, preset: Preset) -> Part:
    video = request.video
    if preset.video_part == "input_video":
        return {"type": "input_video", "input_video": {"data": Base64(video)}}
    part: Part = {"type": "video_url", "video_url": {"url": _url(video)}}
    return part if request.fps is None else {**part, "fps": request.fps}


def _audio(audio: Media, preset: Preset) -> Part:
    data = Base64(audio)
    if preset.bare_audio:
        return {"type": "input_audio", "input_audio": data}
    kind = audio.filename.rpartition(".")[2]
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def _url(media: Media) -> str | Base64:
    return media.uri or Base64.data_uri(media)


def _response_format(schema: object, preset: Preset) -> Part:
    strict = strict_version(schema) if preset.strict_schemas else None
    described: Part = {"name": "answer", "schema": schema if strict is None else strict}
    if strict is not None:
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}
