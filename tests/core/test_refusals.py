"""What a service refuses of media, by its own words; they are those of real services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.errors import (
    MediaRejected,
    RequestRejected,
    RequestTooLarge,
    error_for_status,
    refused_media,
)

TOO_MANY = [
    "At most 5 image(s) may be provided in one request.",
    "At most 1 image(s) may be provided in one prompt.",
    "At most 0 video(s) may be provided in one prompt.",
    "Too many images in request. Max is 10.",
    "Too many images in request: 11 images provided, but the model supports a maximum of 10 "
    "images.",
    "The request contains too many images: 11 images were provided, but the model supports a "
    "maximum of 10 images.",
    "request contains 54 images, exceeding the maximum of 50 allowed per request",
    "too many images in the message, max allowed is 16",
    "at most 4 images per call (got 12)",
    "The number of images exceeds the limit of 8",
    "This model only supports one image per request",
    "Too many images provided. This model supports up to 5 images",
]

TOO_LARGE = [
    "messages.7.content.2.image.source.base64.data: At least one of the image dimensions exceed "
    "max allowed size: 8000 pixels",
    "messages.109.content.2.image.source.base64.data: At least one of the image dimensions exceed "
    "max allowed size for many-image requests: 2000 pixels",
    "messages.0.content.2.image.source.base64: image exceeds 5 MB maximum: 15908784 bytes > "
    "5242880 bytes",
    "Request payload size exceeds the limit: 20971520 bytes.",
    "Maximum content size limit (26214400) exceeded (222592852 bytes read)",
    "audio duration 1686.6 seconds is longer than 1500 seconds which is the maximum for this model",
    "Audio file exceeds maximum allowed size (104857600 bytes)",
    "Image file is too large. Maximum size is 20MB",
    "Request Entity Too Large",
    "image too large",
]

NOT_TAKEN = [
    "You uploaded an unsupported image. Please make sure your image is below 20 MB in size and is "
    "of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
    "You uploaded an unsupported image. Please make sure your image is valid.",
    "Invalid content type. image_url is only supported by certain models.",
    "Invalid file 'image': unsupported mimetype ('application/octet-stream'). Supported file "
    "formats are 'image/png'.",
    "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', "
    "'ogg', 'wav', 'webm']",
    "Could not process image",
    "Unable to process input image. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    "Provided image is not valid.",
    "Unsupported MIME type: image/jpg",
    "* GenerateContentRequest.contents[0].parts[1].inline_data.mime_type: MIME type must be "
    "image/png, image/jpeg, image/webp, image/heic, or image/heif.",
    "messages.0.content.1.image.source.media_type: Input should be 'image/jpeg', 'image/png', "
    "'image/gif' or 'image/webp'",
    "file must be one of the following types: [flac mp3 mp4 mpeg mpga m4a ogg opus wav webm]",
    "Audio file might be corrupted or unsupported",
    "The audio file could not be decoded or its format is not supported.",
    "Failed to load image or audio file",
    "image input is not supported - hint: if this is unexpected, you may need to provide the "
    "mmproj",
    "Image input detected, but the loaded model is not configured with a mmproj module.",
    "unsupported content[].type",
    "This model does not support image input",
    "cannot identify image file <_io.BytesIO object at 0x7f>",
]

SOMETHING_ELSE = [
    "",
    # Options.
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) "
    "value is supported.",
    "Unknown parameter: 'messages[0].content[0].image_url.foo'.",
    "Invalid value for 'messages[0].content[1].image_url.detail': expected 'low' or 'high'",
    "Invalid value: 'hgh'. Supported values are: 'low', 'high', 'auto', and 'original'.",
    "Unrecognized request argument supplied: response_format",
    "response_format is not supported for audio transcription with this model",
    "Invalid value for 'language': 'xx' is not supported for audio",
    "Extra inputs are not permitted: stream_options",
    "body.messages.0.detail: extra fields not permitted",
    "max_tokens must be at least 1",
    "Request body is not valid JSON",
    "Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is "
    "required to be supplied and to be false.",
    # Models.
    "Invalid model: image-preview",
    "Unknown model 'audio-preview'",
    "model 'image-eye' not found",
    "The model `gpt-4-vision-preview` has been deprecated",
    "The model image-large does not exist or you do not have access to it.",
    # Keys and quotas.
    "API key not valid. Please pass a valid API key.",
    "No connected db.",
    "You exceeded your current quota, please check your plan and billing details.",
    # How much a model reads.
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 12000 "
    "tokens. Please reduce the length of the messages.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input "
    "length or `max_tokens` and try again",
    "Your request exceeded model token limit: 131072",
    "the request exceeds the available context size, try increasing it",
    "The prompt (total length 5000) is too long to fit into the model (context length 4096). For "
    "image inputs, the number of image tokens depends on the number of images.",
    # What is shown.
    "Your request was rejected as a result of our safety system. The image may contain content "
    "that is not allowed.",
    # Links.
    "Error while downloading https://example.org/a.png. Upstream status code: 404.",
    "Timeout while downloading image",
]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("said", TOO_MANY)
def test_too_many_are_a_refusal_of_the_count(status, said):
    assert refused_media(status, said) == "count"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("said", TOO_LARGE)
def test_too_large_is_a_refusal_of_the_size(status, said):
    assert refused_media(status, said) == "size"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("said", NOT_TAKEN)
def test_what_cannot_be_read_is_a_refusal_of_the_type(status, said):
    assert refused_media(status, said) == "type"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("said", SOMETHING_ELSE)
def test_nothing_else_is_a_refusal_of_media(status, said):
    assert refused_media(status, said) is None


@pytest.mark.parametrize("said", ["", *TOO_MANY, *NOT_TAKEN, *SOMETHING_ELSE])
def test_413_is_about_the_size_whatever_is_said(said):
    assert refused_media(413, said) == "size"


@pytest.mark.parametrize("said", ["", *NOT_TAKEN, *SOMETHING_ELSE])
def test_415_is_a_refusal_whatever_is_said(said):
    assert refused_media(415, said) is not None


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 503, 504, 529])
@pytest.mark.parametrize("said", [TOO_MANY[0], TOO_LARGE[0], NOT_TAKEN[0]])
def test_no_other_status_is_a_refusal_of_media(status, said):
    assert refused_media(status, said) is None


def test_the_error_tells_what_was_refused():
    error = error_for_status(400, TOO_MANY[0], provider="acme")
    assert type(error) is MediaRejected
    assert (error.refusal, error.status) == ("count", 400)
    assert "fewer files" in error.hint


def test_a_request_that_is_too_large_is_refused_media_too():
    error = error_for_status(413, "", provider="acme")
    assert type(error) is RequestTooLarge
    assert error.refusal == "size"


def test_what_is_no_refusal_of_media_stays_what_it_was():
    assert type(error_for_status(400, SOMETHING_ELSE[1], provider="acme")) is RequestRejected


@given(status=st.integers(300, 599), said=st.text(max_size=300))
def test_any_words_are_survived(status, said):
    assert refused_media(status, said) in (None, "count", "size", "type")
