"""A real Whisper model that knows one sentence, for tests: small, made on the spot, offline.

Its weights are set by hand. The embedding of each token names its own axis, and the projection to
the next token stands on it: so whatever sounds, the same sentence is said, and where nothing
sounds, nothing. The decoder looks at the half second in which each word is "spoken", so that also
the times of words are known.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = NDArray[np.float32]

WORDS = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog.")
"""What it says, each word in half a second."""

SENTENCE = " ".join(WORDS)

LANGUAGES = ("en", "de", "jw")
"""Languages it can be told; left to itself it hears the first."""

_BREAK = 4
"""Words of the first of the two segments in which it says them."""

_SLOT = 0.5
_AXES = 64
_LOUD = _AXES - 1
_FRAMES = 1500
"""Positions of the encoder: of 20 ms, for 30 s."""

_MULTILINGUAL = ""
"""CTranslate2 4.8 takes a model for a multilingual one if its vocabulary has the empty token, as
Whisper's own have."""


def write(folder: Path) -> Path:
    """Write the model into a folder, which is made.

    Returns:
        The same folder, for ``--model``.
    """
    folder.mkdir(parents=True)
    tokens = _tokens()
    spec = _spec({token: number for number, token in enumerate(tokens)})
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [[0, 0]]
    spec.config.lang_ids = [tokens.index(f"<|{language}|>") for language in LANGUAGES]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    _write_tokenizer(folder / "tokenizer.json", tokens)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}), "utf-8")
    return folder


def _tokens() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    text = [*sorted(ByteLevel.alphabet()), *(f"Ġ{word}" for word in WORDS), _MULTILINGUAL]
    special = [
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in LANGUAGES),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{number * 0.02:.2f}|>" for number in range(1501)),
    ]
    return [*text, "<|endoftext|>", *special]


def _chain() -> list[str]:
    """The tokens in the order in which they are said."""
    words = [f"Ġ{word}" for word in WORDS]
    pause = _BREAK * _SLOT
    return [
        "<|transcribe|>",
        "<|0.00|>",
        *words[:_BREAK],
        f"<|{pause:.2f}|>",
        f"<|{pause + 0.02:.2f}|>",
        *words[_BREAK:],
        f"<|{len(words) * _SLOT:.2f}|>",
        "<|endoftext|>",
    ]


def _spec(ids: dict[str, int]) -> Any:
    import numpy as np
    from ctranslate2.specs import WhisperSpec

    spec: Any = WhisperSpec(1, 1, 1, 1)
    chain = _chain()
    axes = {token: axis for axis, token in enumerate(dict.fromkeys(chain[:-1]))}
    for token in ("<|startoftranscript|>", "<|notimestamps|>"):
        axes[token] = len(axes)

    embeddings = np.zeros((len(ids), _AXES), np.float32)
    for token, axis in axes.items():
        embeddings[ids[token], axis] = 3
    following = np.zeros((len(ids), _AXES), np.float32)
    for token, after in pairwise(chain):
        following[ids[after], axes[token]] = 40
    following[ids["<|en|>"], axes["<|startoftranscript|>"]] = 40
    following[ids[f"Ġ{WORDS[0]}"], axes["<|notimestamps|>"]] = 40
    # Where nothing sounds, the end follows at once; after the last word it follows in any case.
    following[ids["<|endoftext|>"], axes["<|0.00|>"]] = 60
    following[ids["<|endoftext|>"], _LOUD] = -40
    following[ids["<|endoftext|>"], axes[chain[-2]]] = 700

    # Whisper tells where a word is by what it looks at before it says it.
    looks = np.zeros((_AXES, _AXES), np.float32)
    looks[_LOUD, axes["<|0.00|>"]] = 50
    before = ["<|notimestamps|>", *(f"Ġ{word}" for word in WORDS)]
    for slot, token in enumerate(before):
        looks[slot, axes[token]] = 5

    _set_encoder(spec.encoder)
    _set_decoder(spec.decoder, embeddings, following, looks)
    return spec


def _set_encoder(encoder: Any) -> None:
    """Each position names its half second; one axis says how much of the spectrum is loud."""
    import numpy as np

    pairs = np.zeros((_AXES, 80, 3), np.float32)
    for band in range(80):
        pairs[band // 2, band, 1] = 4
    _set(encoder.conv1, pairs, np.full(_AXES, -2, np.float32))
    total = np.zeros((_AXES, _AXES, 3), np.float32)
    total[_LOUD, :40, 1] = 0.1
    _set(encoder.conv2, total)
    places = np.zeros((_FRAMES, _AXES), np.float32)
    places[np.arange(_FRAMES), np.arange(_FRAMES) // int(_SLOT * 50)] = 10
    encoder.position_encodings.encodings = places
    for layer in encoder.layer:
        _set_nothing(layer)
    _set_norm(encoder.layer_norm)


def _set_decoder(decoder: Any, embeddings: Weights, following: Weights, looks: Weights) -> None:
    import numpy as np

    decoder.embeddings.weight = embeddings
    decoder.position_encodings.encodings = np.zeros((448, _AXES), np.float32)
    decoder.projection.weight = following
    for layer in decoder.layer:
        _set_nothing(layer)
        attention = layer.attention
        _set_norm(attention.layer_norm)
        _set(attention.linear[0], looks)
        _set(attention.linear[1], np.vstack([np.eye(_AXES, dtype=np.float32)] * 2))
        out = np.zeros((_AXES, _AXES), np.float32)
        out[_LOUD, _LOUD] = 5
        _set(attention.linear[2], out, out[_LOUD] / 8)
    _set_norm(decoder.layer_norm)


def _set_nothing(layer: Any) -> None:
    """A layer that adds nothing to what it is given."""
    import numpy as np

    for part in (layer.self_attention, layer.ffn):
        _set_norm(part.layer_norm)
    across, out = layer.self_attention.linear
    _set(across, np.zeros((3 * _AXES, _AXES), np.float32))
    for linear in (out, layer.ffn.linear_0, layer.ffn.linear_1):
        _set(linear, np.zeros((_AXES, _AXES), np.float32))


def _set(linear: Any, weight: Weights, bias: Weights | None = None) -> None:
    import numpy as np

    linear.weight = weight
    linear.bias = np.zeros(len(weight), np.float32) if bias is None else bias


def _set_norm(norm: Any) -> None:
    import numpy as np

    norm.gamma, norm.beta = np.ones(_AXES, np.float32), np.zeros(_AXES, np.float32)


def _write_tokenizer(path: Path, tokens: list[str]) -> None:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    end = tokens.index("<|endoftext|>")
    plain = {token: number for number, token in enumerate(tokens[:end])}
    tokenizer: Any = Tokenizer(BPE(vocab=plain, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = Decoder()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens[end:]])
    tokenizer.save(str(path))
