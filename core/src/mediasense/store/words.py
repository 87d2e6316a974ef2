"""Words that people look for, in texts that people and models wrote."""

from __future__ import annotations

import re
import unicodedata

_MOST_WORDS = 64
"""Of one search; more would be too deep for SQLite."""

# Thai, Lao, Myanmar, Khmer, kana, Chinese characters, and those beyond the first plane: scripts
# that put no spaces between words, whose characters are searched for one by one, in a row. These
# ranges say what is in an index: with other ones, old files need a new index.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
_UNFIT = re.compile("[\0\ud800-\udfff]")
_WORD = re.compile(r"[^\W_]+")
_ACCENT = re.compile("[\u0300-\u0331]")


def searchable(text: str) -> str:
    """A text as it is given to the index: words apart, and nothing in it that SQLite cannot hold.

    The same text always gives the same: an index forgets a text by being told it once more.
    """
    if text.isascii() and "\0" not in text:
        return text
    return _UNSPACED.sub(r" \1 ", _UNFIT.sub(" ", text))


def wanted(words: str) -> tuple[str, ...]:
    """What is looked for, word by word: at most 64, and none that is punctuation alone."""
    found = [word for word in words.split() if any(map(str.isalnum, word))]
    return tuple(found[:_MOST_WORDS])


def query(words: tuple[str, ...]) -> str:
    """The words as a query of SQLite's FTS5: all of them, the last one perhaps not ended yet.

    Each is quoted, so that nothing in it is an operator (https://www.sqlite.org/fts5.html).
    """
    quoted = [searchable(word).replace('"', " ") for word in words]
    return " ".join(f'"{word}"' for word in quoted) + "*"


def holds(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text holds all the words: what the index says, where SQLite has none."""
    told = f" {_folded(text)} "
    *whole, last = (_folded(word) for word in words)
    return all(f" {word} " in told for word in whole) and f" {last}" in told


def _folded(text: str) -> str:
    """The words of a text, in small letters and without accents."""
    plain = _ACCENT.sub("", unicodedata.normalize("NFD", searchable(text)))
    return " ".join(_WORD.findall(plain.lower()))
