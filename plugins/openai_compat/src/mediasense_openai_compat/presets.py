"""Which services and servers there are, and what each really takes: data, and nothing else.

To add one, add a row to :data:`PRESETS` and run the tests: they tell what else must follow. What
its documentation does not say stays off, and is named in ``unverified``.

Every fact was read on 2026-11-22, in the place its row names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mediasense import (
    AudioLimits,
    Credentials,
    ImageLimits,
    ModelRule,
    Provider,
    TextLimits,
    VideoLimits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One endpoint: the provider it is, and where it departs from OpenAI's own protocol.

    Attributes:
        provider: What users and the core know of it.
        base_path: Added to a base URL that names only a host.
        max_tokens_field: The field that limits the length of an answer.
        stream_options: Whether ``stream_options`` may be sent, to be told the usage.
        tries_stream_options: Whether that is not known: a server that refuses it is asked without.
        streams_schemas: Whether an answer that follows a JSON Schema can be streamed.
        strict_schemas: Whether a schema is enforced only when ``strict`` is asked for.
        requires_parameters: Whether a router must be told to pick only models that follow schemas.
        video_part: The kind of message part that carries video.
        bare_audio: Whether sound is the bare base64, without an object that tells its format.
        segment_fields: The form fields that ask for a transcript with times.
        models_path: The path that lists the models.
        unlisted: Why it cannot be asked for its models, in words; empty when it can.
        unverified: What could not be verified, and is therefore off or not limited.
    """

    provider: Provider
    base_path: str = ""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_options: bool = True
    tries_stream_options: bool = False
    streams_schemas: bool = True
    strict_schemas: bool = False
    requires_parameters: bool = False
    video_part: Literal["video_url", "input_video"] = "video_url"
    bare_audio: bool = False
    segment_fields: tuple[tuple[str, str], ...] = (
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "segment"),
    )
    models_path: str = "/models"
    unlisted: str = ""
    unverified: tuple[str, ...] = ()


def _base64_of(megabytes: float) -> int:
    """Bytes of media whose base64 fits in so many megabytes, with 1 % left for the question."""
    return int(megabytes * 1e6 * 0.99 * 3 / 4)


_MB = 1_000_000
_MIB = 1 << 20

# JPEG and PNG are what every service takes.
_IMAGES = ImageLimits(
    mime_types=("image/jpeg", "image/png"),
    options=("max_output_tokens", "temperature", "json_schema"),
    streaming=True,
)
_TEXT = TextLimits(options=_IMAGES.options, streaming=True)

# For services without JSON Schema, or with which it could not be verified.
_PLAIN_IMAGES = replace(_IMAGES, options=("max_output_tokens", "temperature"))
_PLAIN_TEXT = replace(_TEXT, options=_PLAIN_IMAGES.options)

# For models that think and take no temperature but their own.
_THINKING_IMAGES = replace(_IMAGES, options=("max_output_tokens", "json_schema"))
_THINKING_TEXT = replace(_TEXT, options=_THINKING_IMAGES.options)

_VIDEO = VideoLimits(mime_types=("video/mp4",), options=_IMAGES.options, streaming=True)

# The formats of OpenAI's transcription endpoint (its API description, 2026-11); 25 MB is "the same
# cap OpenAI enforces" in OpenRouter's documentation.
_SPEECH = AudioLimits(
    mime_types=(
        "audio/mpeg",
        "audio/mp4",
        "audio/wav",
        "audio/flac",
        "audio/ogg",
        "audio/webm",
        "video/mp4",
        "video/webm",
    ),
    max_bytes=25 * _MB,
    transcribes=True,
    options=("language",),
)
_TIMED_SPEECH = replace(_SPEECH, timestamps=True)

# Sound in a chat message: OpenAI's API description knows wav and mp3.
_SOUND = AudioLimits(
    mime_types=("audio/wav", "audio/mpeg"),
    answers=True,
    options=("max_output_tokens", "language"),
    streaming=True,
)

_OPENAI_IMAGES = replace(_THINKING_IMAGES, mime_types=("image/jpeg", "image/png", "image/webp"))
_GROQ_IMAGES = replace(_IMAGES, max_request_bytes=_base64_of(4), max_pixels=33_000_000)
_MISTRAL_IMAGES = replace(
    _IMAGES,
    mime_types=("image/jpeg", "image/png", "image/webp"),
    max_items=8,
    max_bytes=10 * _MB,
    max_side=10_000,
)
_OPENROUTER_CHAT = "google/gemini-3.1-flash-lite"

_ROWS = (
    # openai 3.54.0 source, its API description, developers.openai.com/api/docs/guides.
    Preset(
        provider=Provider(
            name="openai",
            description="OpenAI: images, and speech to text",
            base_url="https://api.openai.com/v1",
            # Regions: eu.api.openai.com and six more.
            hosts=("api.openai.com",),
            credentials=Credentials(variables=("OPENAI_API_KEY",)),
            default_model="gpt-6-luna",
            image=_OPENAI_IMAGES,
            audio=replace(_SPEECH, default_model="gpt-transcribe"),
            text=_THINKING_TEXT,
            models=(
                ModelRule(pattern="whisper-*", audio=_TIMED_SPEECH),
                ModelRule(pattern="*transcribe*", audio=_SPEECH),
                ModelRule(pattern="gpt-*audio*", audio=_SOUND),
                ModelRule(pattern="gpt-[0-9]*", image=_OPENAI_IMAGES, text=_THINKING_TEXT),
            ),
        ),
        max_tokens_field="max_completion_tokens",
        strict_schemas=True,
        unverified=(
            "how many images and bytes a request may hold",
            "temperature with models that think",
            "response formats of gpt-transcribe besides json",
        ),
    ),
    # github.com/OpenRouterTeam/docs of 2026-08-22.
    Preset(
        provider=Provider(
            name="openrouter",
            description="OpenRouter: models of many makers, with video and sound",
            base_url="https://openrouter.ai/api/v1",
            credentials=Credentials(variables=("OPENROUTER_API_KEY",)),
            default_model=_OPENROUTER_CHAT,
            image=replace(
                _IMAGES, mime_types=("image/jpeg", "image/png", "image/webp", "image/gif")
            ),
            video=replace(
                _VIDEO, mime_types=("video/mp4", "video/mpeg", "video/quicktime", "video/webm")
            ),
            audio=replace(
                _SPEECH,
                mime_types=("audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/ogg"),
                answers=True,
                answer_options=_SOUND.options,
                default_model="openai/whisper-large-v3",
                answer_model=_OPENROUTER_CHAT,
            ),
            text=_TEXT,
        ),
        requires_parameters=True,
        unverified=(
            "links to videos (only some upstreams fetch them)",
            "times of transcripts (only some upstreams give them)",
        ),
    ),
    # console.groq.com/docs/vision, groq 1.6.0, litellm 1.106.
    Preset(
        provider=Provider(
            name="groq",
            description="Groq: fast images, and fast speech to text with times",
            base_url="https://api.groq.com/openai/v1",
            credentials=Credentials(variables=("GROQ_API_KEY",)),
            default_model="qwen/qwen3.8-27b",
            image=_GROQ_IMAGES,
            audio=replace(_TIMED_SPEECH, max_bytes=None, default_model="whisper-large-v3-turbo"),
            text=_TEXT,
            models=(
                ModelRule(pattern="whisper-*", audio=replace(_TIMED_SPEECH, max_bytes=None)),
                ModelRule(pattern="qwen/*", image=_GROQ_IMAGES, text=_TEXT),
            ),
        ),
        streams_schemas=False,
        unverified=(
            "how many images a request may hold",
            "that the documented image limits hold for the model of today, a preview",
            "how large a recording may be",
        ),
    ),
    # docs.x.ai, xai-sdk.
    Preset(
        provider=Provider(
            name="grok",
            description="xAI Grok: images",
            aliases=("xai",),
            base_url="https://api.x.ai/v1",
            credentials=Credentials(variables=("XAI_API_KEY", "GROK_API_KEY")),
            default_model="grok-4.3",
            image=replace(_IMAGES, max_bytes=10 * _MIB),
            text=_TEXT,
        ),
        models_path="/language-models",
        unverified=(
            "images of 10 to 20 MiB",
            "speech to text (its endpoint does not speak this protocol)",
        ),
    ),
    # inference-docs.cerebras.ai/capabilities/image-inputs, cerebras-cloud-sdk 1.91.0.
    Preset(
        provider=Provider(
            name="cerebras",
            description="Cerebras: fast images (a preview)",
            base_url="https://api.cerebras.ai/v1",
            credentials=Credentials(variables=("CEREBRAS_API_KEY",)),
            default_model="qwen-3.8-27b",
            image=replace(_IMAGES, max_items=5, max_request_bytes=_base64_of(10)),
            text=_TEXT,
        ),
        unverified=("that every account may use the preview",),
    ),
    # github.com/mistralai/platform-docs-public of 2026-08-21, mistralai 3.7.0.
    Preset(
        provider=Provider(
            name="mistral",
            description="Mistral: images, sound, and speech to text with times",
            base_url="https://api.mistral.ai/v1",
            hosts=("mistral.ai",),
            credentials=Credentials(variables=("MISTRAL_API_KEY",)),
            default_model="mistral-small-latest",
            image=_MISTRAL_IMAGES,
            # A language excludes times here; times it is.
            audio=AudioLimits(
                mime_types=_SOUND.mime_types,
                default_model="voxtral-mini-latest",
                transcribes=True,
                timestamps=True,
                max_seconds=3 * 3600,
            ),
            text=_TEXT,
            models=(
                ModelRule(
                    pattern="voxtral-small*", audio=replace(_SOUND, max_seconds=1200), text=_TEXT
                ),
                ModelRule(
                    pattern="voxtral-*",
                    audio=AudioLimits(
                        mime_types=_SOUND.mime_types,
                        transcribes=True,
                        timestamps=True,
                        max_seconds=3 * 3600,
                    ),
                ),
                ModelRule(pattern="mistral-*", image=_MISTRAL_IMAGES, text=_TEXT),
            ),
        ),
        # Its schema forbids every field it does not know.
        stream_options=False,
        bare_audio=True,
        segment_fields=(("timestamp_granularities", "segment"),),
        unverified=("formats of sound besides wav and mp3",),
    ),
    # together 3.1.1.
    Preset(
        provider=Provider(
            name="together",
            description="Together AI: images, and speech to text with times",
            aliases=("together_ai", "togetherai"),
            base_url="https://api.together.ai/v1",
            hosts=("api.together.xyz",),
            credentials=Credentials(variables=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY")),
            default_model="Qwen/Qwen3.5-9B",
            image=_PLAIN_IMAGES,
            audio=replace(
                _TIMED_SPEECH,
                mime_types=(
                    "audio/mpeg",
                    "audio/mp4",
                    "audio/wav",
                    "audio/flac",
                    "audio/ogg",
                    "audio/webm",
                    "audio/aac",
                ),
                max_bytes=80 * _MB,
                max_seconds=4 * 3600,
                default_model="openai/whisper-large-v3",
            ),
            text=_PLAIN_TEXT,
        ),
        unverified=(
            "which models take video or sound in a chat message",
            "JSON Schema",
        ),
    ),
    # docs.fireworks.ai, fireworks-ai 1.2.30.
    Preset(
        provider=Provider(
            name="fireworks",
            description="Fireworks AI: images",
            aliases=("fireworks_ai",),
            base_url="https://api.fireworks.ai/inference/v1",
            credentials=Credentials(variables=("FIREWORKS_API_KEY",)),
            default_model="accounts/fireworks/models/glm-5p3-flash",
            image=replace(
                _IMAGES,
                mime_types=("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff"),
                max_items=30,
                max_request_bytes=_base64_of(10),
            ),
            text=_TEXT,
        ),
        unverified=("which models take video", "speech to text"),
    ),
    # github.com/deepinfra/docs of 2026-07-22.
    Preset(
        provider=Provider(
            name="deepinfra",
            description="DeepInfra: images",
            base_url="https://api.deepinfra.com/v1/openai",
            credentials=Credentials(variables=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN")),
            default_model="google/gemma-4-26B-A4B-it",
            image=_IMAGES,
            text=_TEXT,
        ),
        unverified=("limits of images", "speech to text through this protocol"),
    ),
    # github.com/huggingface/hub-docs of 2026-08-22.
    Preset(
        provider=Provider(
            name="huggingface",
            description="Hugging Face: images, through the services it routes to",
            aliases=("hf",),
            base_url="https://router.huggingface.co/v1",
            credentials=Credentials(variables=("HF_TOKEN",)),
            default_model="google/gemma-4-26B-A4B-it",
            image=_PLAIN_IMAGES,
            text=_PLAIN_TEXT,
        ),
        unverified=("JSON Schema and limits (they are those of the service it routes to)",),
    ),
    # docs.nvidia.com/nim (2.1.4), models.dev of 2026-07-02.
    Preset(
        provider=Provider(
            name="nvidia",
            description="NVIDIA NIM: images",
            aliases=("nvidia_nim",),
            base_url="https://integrate.api.nvidia.com/v1",
            credentials=Credentials(variables=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY")),
            default_model="nvidia/nemotron-3-nano-omni-30b-a3b-reasoning",
            image=_PLAIN_IMAGES,
            text=_PLAIN_TEXT,
        ),
        unverified=(
            "that the default model is still hosted",
            "how large an image the hosted service takes in a message",
            "video and sound on the hosted service (a NIM of your own takes them: use vllm)",
            "JSON Schema",
        ),
    ),
    # alibabacloud.com/help/en/model-studio of 2026-10, litellm 1.106.
    Preset(
        provider=Provider(
            name="dashscope",
            description="Alibaba Cloud Model Studio (Qwen): images and video",
            aliases=("qwen", "alibaba"),
            base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            # Not the whole of aliyuncs.com: other customers' buckets and functions are there too.
            hosts=("dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com", "maas.aliyuncs.com"),
            credentials=Credentials(variables=("DASHSCOPE_API_KEY",)),
            default_model="qwen3.8-flash",
            image=_IMAGES,
            video=replace(
                _VIDEO,
                uri_schemes=("https",),
                max_bytes=_base64_of(10),
                options=(*_VIDEO.options, "fps"),
            ),
            text=_TEXT,
        ),
        unverified=(
            "local videos above 10 MB of base64",
            "sound (its omni models)",
            "limits of images",
        ),
    ),
    # platform.moonshot.ai/docs of 2026-08-22, kimi-cli.
    Preset(
        provider=Provider(
            name="moonshot",
            description="Moonshot AI Kimi: images and video",
            aliases=("moonshotai", "kimi"),
            base_url="https://api.moonshot.ai/v1",
            credentials=Credentials(variables=("MOONSHOT_API_KEY",)),
            default_model="kimi-k2.6",
            image=replace(
                _THINKING_IMAGES,
                mime_types=("image/jpeg", "image/png", "image/webp", "image/gif"),
                max_request_bytes=_base64_of(100),
            ),
            video=replace(
                _VIDEO,
                mime_types=(
                    "video/mp4",
                    "video/mpeg",
                    "video/quicktime",
                    "video/webm",
                    "video/x-msvideo",
                    "video/x-flv",
                    "video/x-ms-wmv",
                    "video/3gpp",
                ),
                max_bytes=_base64_of(100),
                options=_THINKING_IMAGES.options,
            ),
            text=_THINKING_TEXT,
        ),
        unverified=("links to images and videos",),
    ),
    # docs.z.ai (OpenAPI).
    Preset(
        provider=Provider(
            name="zai",
            description="Z.ai GLM: images, links to videos, and short speech to text",
            aliases=("z-ai", "zhipu"),
            base_url="https://api.z.ai/api/paas/v4",
            credentials=Credentials(variables=("ZAI_API_KEY", "ZHIPU_API_KEY")),
            default_model="glm-4.6v",
            image=replace(_PLAIN_IMAGES, max_bytes=5 * _MB, max_side=6000),
            video=replace(
                _VIDEO, mime_types=(), uri_schemes=("https",), options=_PLAIN_IMAGES.options
            ),
            audio=AudioLimits(
                mime_types=_SOUND.mime_types,
                max_bytes=25 * _MB,
                max_seconds=30,
                default_model="glm-asr-2512",
                transcribes=True,
            ),
            text=_PLAIN_TEXT,
        ),
        unlisted="Z.ai documents no list of models",
        unverified=("local videos", "sound in a chat message", "the language of a recording"),
    ),
    # docs.sambanova.ai, sambanova 1.13.0.
    Preset(
        provider=Provider(
            name="sambanova",
            description="SambaNova: one image at a time",
            base_url="https://api.sambanova.ai/v1",
            credentials=Credentials(variables=("SAMBANOVA_API_KEY",)),
            default_model="gemma-4-31B-it",
            image=replace(_PLAIN_IMAGES, max_items=1),
            text=_PLAIN_TEXT,
        ),
        unverified=("more than one image", "JSON Schema"),
    ),
    # api-docs.deepseek.com/guides/vision of 2026-09-10.
    Preset(
        provider=Provider(
            name="deepseek",
            description="DeepSeek: images",
            base_url="https://api.deepseek.com",
            credentials=Credentials(variables=("DEEPSEEK_API_KEY",)),
            default_model="deepseek-flash",
            image=replace(
                _IMAGES,
                mime_types=("image/jpeg", "image/png", "image/gif", "image/webp"),
                max_request_bytes=_base64_of(48 * _MIB / _MB),
                options=("max_output_tokens",),
            ),
            text=replace(_TEXT, options=("max_output_tokens",)),
        ),
        unverified=("JSON Schema", "temperature while it thinks"),
    ),
    # perplexityai 0.46.1 and its OpenAPI.
    Preset(
        provider=Provider(
            name="perplexity",
            description="Perplexity: images, with results of a web search mixed in",
            aliases=("pplx",),
            base_url="https://api.perplexity.ai",
            credentials=Credentials(variables=("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY")),
            default_model="sonar-pro",
            image=_IMAGES,
            text=_TEXT,
        ),
        models_path="/v1/models",
        unverified=("limits of images", "which models take video"),
    ),
    # learn.microsoft.com, pydantic-ai of 2026-08-22.
    Preset(
        provider=Provider(
            name="azure",
            description="Azure OpenAI: your deployments (give --model)",
            base_url_variables=("AZURE_OPENAI_ENDPOINT",),
            hosts=("openai.azure.com",),
            credentials=Credentials(variables=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY")),
            image=_OPENAI_IMAGES,
            audio=_SPEECH,
            text=_THINKING_TEXT,
        ),
        base_path="/openai/v1",
        max_tokens_field="max_completion_tokens",
        strict_schemas=True,
        unlisted="on Azure a model is the name of one of your deployments",
        unverified=("endpoints under services.ai.azure.com", "temperature with models that think"),
    ),
    # github.com/ollama/ollama of 2026-08-21, ollama.com/library/gemma4.
    Preset(
        provider=Provider(
            name="ollama",
            description="Ollama, on this machine",
            kind="server",
            base_url="http://localhost:11434/v1",
            default_model="gemma4",
            image=replace(_IMAGES, mime_types=("image/jpeg", "image/png", "image/webp")),
            audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, answers=True),
            text=_TEXT,
            # These run at ollama.com; a copy of one under another name looks like any other model.
            relayed_models=("*-cloud", "*:cloud"),
        ),
        unverified=(
            "that the size of gemma4 you have hears (the small ones do)",
            "formats of sound besides wav",
        ),
    ),
    # lmstudio.ai/docs of 2026-04-29: text and images; JPEG, PNG and WebP.
    Preset(
        provider=Provider(
            name="lmstudio",
            description="LM Studio, on this machine",
            kind="server",
            aliases=("lm_studio",),
            base_url="http://localhost:1234/v1",
            credentials=Credentials(variables=("LM_API_TOKEN",), required=False),
            image=replace(_IMAGES, mime_types=("image/jpeg", "image/png", "image/webp")),
            text=_TEXT,
            relayed_models=(),
        ),
    ),
    # docs.vllm.ai, features/multimodal_inputs.
    Preset(
        provider=Provider(
            name="vllm",
            description="vLLM, on this machine: whatever the model you serve takes",
            kind="server",
            aliases=("hosted_vllm",),
            base_url="http://localhost:8000/v1",
            credentials=Credentials(variables=("VLLM_API_KEY",), required=False),
            image=_IMAGES,
            video=replace(_VIDEO, uri_schemes=("https",)),
            audio=AudioLimits(
                mime_types=("audio/wav", "audio/mpeg", "audio/flac"),
                max_bytes=25 * _MB,
                transcribes=True,
                answers=True,
                options=("language",),
                answer_options=_SOUND.options,
            ),
            text=_TEXT,
            relayed_models=(),
        ),
        unverified=("times of transcripts", "formats of video besides mp4"),
    ),
    # github.com/ggml-org/llama.cpp, tools/server, with pull request 24269 of 2026-06-08.
    Preset(
        provider=Provider(
            name="llamacpp",
            description="llama.cpp server, on this machine: whatever the model you serve takes",
            kind="server",
            aliases=("llama-cpp",),
            base_url="http://localhost:8080/v1",
            credentials=Credentials(variables=("LLAMA_API_KEY",), required=False),
            image=_IMAGES,
            video=_VIDEO,
            audio=_SOUND,
            text=_TEXT,
            relayed_models=(),
        ),
        video_part="input_video",
        unverified=("speech to text", "formats of video besides mp4"),
    ),
    # docs.litellm.ai.
    Preset(
        provider=Provider(
            name="litellm",
            description="LiteLLM proxy, on this machine: images and speech to text",
            kind="server",
            aliases=("litellm_proxy",),
            base_url="http://localhost:4000/v1",
            credentials=Credentials(variables=("LITELLM_PROXY_API_KEY",), required=False),
            image=_PLAIN_IMAGES,
            audio=_SPEECH,
            text=_PLAIN_TEXT,
        ),
        unverified=("JSON Schema, video and sound in a message (they depend on what it leads to)",),
    ),
    # Whatever speaks the protocol: only what all the servers tried have in common.
    Preset(
        provider=Provider(
            name="custom",
            description="Any server that speaks the protocol of OpenAI: give --base-url",
            kind="server",
            takes_any_base_url=True,
            credentials=Credentials(variables=("MEDIASENSE_API_KEY",), required=False),
            image=_PLAIN_IMAGES,
            audio=AudioLimits(
                mime_types=("audio/wav", "audio/mpeg", "audio/flac"), transcribes=True
            ),
            text=_PLAIN_TEXT,
        ),
        tries_stream_options=True,
        unverified=("everything else",),
    ),
)

PRESETS: dict[str, Preset] = {preset.provider.name: preset for preset in _ROWS}
