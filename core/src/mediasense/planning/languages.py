"""Names of languages: users give two letters (ISO 639-1), containers mostly three (ISO 639-2)."""

from __future__ import annotations

_THREE_LETTERS = {
    "ar": "ara",
    "bg": "bul",
    "ca": "cat",
    "cs": "ces cze",
    "da": "dan",
    "de": "deu ger",
    "el": "ell gre",
    "en": "eng",
    "es": "spa",
    "et": "est",
    "fa": "fas per",
    "fi": "fin",
    "fr": "fra fre",
    "he": "heb",
    "hi": "hin",
    "hr": "hrv",
    "hu": "hun",
    "id": "ind",
    "it": "ita",
    "ja": "jpn",
    "ko": "kor",
    "lt": "lit",
    "lv": "lav",
    "ms": "msa may",
    "nl": "nld dut",
    "no": "nor nob nno",
    "pl": "pol",
    "pt": "por",
    "ro": "ron rum",
    "ru": "rus",
    "sk": "slk slo",
    "sl": "slv",
    "sr": "srp",
    "sv": "swe",
    "th": "tha",
    "tr": "tur",
    "uk": "ukr",
    "vi": "vie",
    "zh": "zho chi",
}


def same_language(one: str, other: str | None) -> bool:
    """Whether two names mean one language; ``en``, ``eng`` and ``en-GB`` do."""
    return other is not None and bool(_names(one) & _names(other))


def _names(name: str) -> set[str]:
    short = name.lower().replace("_", "-").partition("-")[0]
    return {short, *_THREE_LETTERS.get(short, "").split()}
