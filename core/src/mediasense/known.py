"""The packages of this project and the providers each offers, for hints about what to install.

The only provider names in the core. A test holds them against what the packages declare.
"""

from __future__ import annotations

PACKAGES: dict[str, tuple[str, ...]] = {
    "mediasense-on-device": ("on_device",),
    "mediasense-whisper-local": ("whisper_local",),
    "mediasense-gemini-native": ("gemini", "vertex"),
    "mediasense-openai-compat": (
        "openai",
        "openrouter",
        "groq",
        "grok",
        "cerebras",
        "mistral",
        "together",
        "fireworks",
        "deepinfra",
        "huggingface",
        "nvidia",
        "dashscope",
        "moonshot",
        "zai",
        "sambanova",
        "deepseek",
        "perplexity",
        "azure",
        "ollama",
        "lmstudio",
        "vllm",
        "llamacpp",
        "litellm",
        "custom",
    ),
}


def package_for(provider: str) -> str | None:
    """The package that offers a provider of that name."""
    return next((package for package, names in PACKAGES.items() if provider in names), None)
