"""How much one prepared request counts at most, about: for limits of cost and of tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mediasense.providers import AudioLimits, ImageLimits, VideoLimits
from mediasense.types import AudioRequest, ImageRequest, Media, Request, TextRequest, VideoRequest

_BYTES_PER_TOKEN = 3
_WRAPPING = 200
"""Tokens that a service adds of its own: roles, a system prompt, the schema once more in words."""
_LABEL = 20
"""Tokens around an image: its number, its time."""
_USUAL_ANSWER = 4_096

_ABOUT = 1.25
"""What providers declare is "about": a quarter is left for that."""

_PATCH = 32
_TOKENS_PER_PATCH = 2.46
_TILE = 768
_TOKENS_PER_TILE = 258
_LEAST_OF_IMAGE = 2_240
_MOST_OF_IMAGE = 16_384

_USUAL_FPS = 2.0
_TOKENS_PER_FRAME = 1_000
_TOKENS_PER_SECOND_OF_SOUND = 50
_SPOKEN_TOKENS_PER_SECOND = 8
_LONGEST = 3_600.0
"""Seconds that a recording of unknown length and size is taken for."""
_LEAST_BYTES_PER_SECOND = {"audio": 1_000, "video": 8_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """What one call counts at most, about.

    Attributes:
        input_tokens: Of everything that is sent.
        output_tokens: Of the answer. A model that thinks may pass it where the request sets no
            limit: then 4,096 are assumed.
        audio_tokens: How many of the input tokens are sound, which often has its own price.
        seconds: Of sound that is sent, for services that count those.
    """

    input_tokens: int
    output_tokens: int
    audio_tokens: int = 0
    seconds: float | None = None


def most_tokens(request: Request) -> TokenEstimate:
    """A cautious estimate of one prepared request, from what the request holds.

    Text is a token each 3 bytes: English has 4 letters to a token, Chinese a letter or two.

    An image counts what its provider declares, and a quarter more. Where it declares nothing, the
    dearest of the ways in which services count is taken, between 2,240 and 16,384 tokens:

    * 2.46 for each patch of 32 x 32 pixels: OpenAI's dearest multiplier
      (developers.openai.com/api/docs/guides/images-vision). It is also more than Anthropic's
      pixels / 750 and Qwen's 28 x 28 pixels a token, whose most is the 16,384.
    * 258 for each tile of 768 x 768: Gemini 2 (ai.google.dev/gemini-api/docs/tokens); 2,240 is
      what Gemini 3 counts for any image at its highest resolution.

    One known model counts more, gpt-4o-mini: its provider has to declare it.

    A second of sound counts 50 tokens (Gemini 32, Qwen 25, OpenAI 10), and a frame of a video
    1,000, of which there are 2 a second where the request does not say (Gemini looks at 1 of up to
    280 tokens, Qwen at 2 of up to 768). A length that is not known is guessed from the size.

    Args:
        request: As it is handed to a plugin.
    """
    if not isinstance(request, TextRequest):
        return TokenEstimate(input_tokens=0, output_tokens=0)
    text = _of_text(request.prompt) + _of_text(request.json_schema) + _WRAPPING
    answer = request.max_output_tokens or _USUAL_ANSWER
    match request:
        case ImageRequest():
            media = _of_images(request)
            return TokenEstimate(input_tokens=text + media, output_tokens=answer)
        case VideoRequest():
            sound, both = _of_video(request)
            return TokenEstimate(input_tokens=text + both, output_tokens=answer, audio_tokens=sound)
        case AudioRequest():
            seconds = _seconds(request)
            sound = _of_sound(request, seconds)
            if request.prompt is None:
                answer = max(answer, math.ceil(seconds * _SPOKEN_TOKENS_PER_SECOND))
            return TokenEstimate(
                input_tokens=text + sound,
                output_tokens=answer,
                audio_tokens=sound,
                seconds=seconds,
            )
    return TokenEstimate(input_tokens=text, output_tokens=answer)


def _of_text(text: str | None) -> int:
    size = len((text or "").encode("utf-8", errors="replace"))
    return -(-size // _BYTES_PER_TOKEN)


# --- images --------------------------------------------------------------------------------------


def _of_images(request: ImageRequest) -> int:
    limits = request.provider.limits_for(request.model).image
    return sum(_of_image(image, limits) + _LABEL for image in request.images)


def _of_image(image: Media, limits: ImageLimits | None) -> int:
    if limits is not None and limits.tokens is not None:
        return math.ceil(_ABOUT * limits.tokens)
    if image.width is None or image.height is None:
        return _MOST_OF_IMAGE
    patches = _blocks(image.width, _PATCH) * _blocks(image.height, _PATCH)
    tiles = _blocks(image.width, _TILE) * _blocks(image.height, _TILE)
    most = max(_LEAST_OF_IMAGE, patches * _TOKENS_PER_PATCH, tiles * _TOKENS_PER_TILE)
    return math.ceil(min(most, _MOST_OF_IMAGE))


def _blocks(pixels: int, side: int) -> int:
    return max(1, -(-pixels // side))


# --- recordings ----------------------------------------------------------------------------------


def _of_video(request: VideoRequest) -> tuple[int, int]:
    """Tokens of the sound of a video, and of all of it."""
    seconds, limits = _seconds(request), request.provider.limits_for(request.model).video
    heard = request.video.has_sound is not False
    sound = math.ceil(seconds * _TOKENS_PER_SECOND_OF_SOUND) if heard else 0
    rate = _declared(limits)
    if rate is None:
        frames = math.ceil(seconds * (request.fps or _USUAL_FPS))
        return sound, sound + frames * _TOKENS_PER_FRAME
    both = math.ceil(seconds * rate * max(1.0, request.fps or 1.0))
    return min(sound, both), both


def _of_sound(request: AudioRequest, seconds: float) -> int:
    rate = _declared(request.provider.limits_for(request.model).audio)
    return math.ceil(seconds * (_TOKENS_PER_SECOND_OF_SOUND if rate is None else rate))


def _declared(limits: VideoLimits | AudioLimits | None) -> float | None:
    if limits is None or limits.tokens_per_second is None:
        return None
    return _ABOUT * limits.tokens_per_second


def _seconds(request: VideoRequest | AudioRequest) -> float:
    """How long the part is that is looked at or listened to, at most."""
    media = request.video if isinstance(request, VideoRequest) else request.audio
    start, end = request.start or 0.0, request.end
    whole = _length(media)
    if end is not None:
        whole = end if whole is None else min(end, whole)
    return max(0.0, (start + _LONGEST if whole is None else whole) - start)


def _length(media: Media) -> float | None:
    """Seconds; from the bytes, taken for the thinnest there are, where nothing else tells."""
    if media.seconds is not None:
        return media.seconds
    if media.size is None:
        return None
    return media.size / _LEAST_BYTES_PER_SECOND.get(media.modality, 1_000)
