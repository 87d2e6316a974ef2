"""Removes card numbers, e-mail addresses and keys from everything that is answered.

Promises: they are gone from the text, the segments, the lines and the warnings of every answer
before anybody sees, keeps or streams it: while this plugin is there, an answer is shown when it is
whole. Numbers of 13 to 19 digits with the check digit of cards (Luhn) are found also where they are
broken over lines or segments, or have up to six spaces, dashes, dots, slashes, stars and the like
between their groups; keys by the shapes that common services give them.

Does not: find a card number with letters in it ("four one one one", tags of HTML, escapes of JSON),
with commas, colons, bars, quotes, brackets, ``<``, ``=`` or ``>`` between its digits (these stand
between other figures, in lists and tables), or with more than six signs; a key that follows a
letter or a digit, is broken by a space or a line, or has no shape of its own, such as a password;
an address with "at" in place of the @; what a model was sent, or what stands in the words of a
failure. Some things that are none are taken for secrets: of numbers one in ten passes the check by
chance, and ``sk-`` may begin long words, too. An answer of JSON in which a card number stands as a
bare number is no JSON any more, and fails.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from mediasense import Answer, Segment, hookimpl

_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"\d+(?:(?:_|[^\w,:;|\"'()\[\]{}<=>]){1,6}\d+)*")
# Each run of characters is tried from one place, or from places that end it: a text of any length
# is read in a time that grows with it.
_SHAPES = {
    "[e-mail]": r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,63}",
    "[key]": r"(?<![A-Za-z0-9])(?:sk-|[rs]k_(?:live|test)_|gh[opsur]_|github_pat_|glpat-|xox[a-z]-"
    r"|hf_|gsk_|AIza)[\w-]{16,}|(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END)[\s\S])*",
}


@hookimpl(wrapper=True)
def analyze_image() -> Generator[None, Answer, Answer]:
    answer = yield
    (text,) = redacted([answer.text])
    spoken = redacted([segment.text for segment in answer.segments])
    read = redacted([line.text for line in answer.lines])
    return replace(
        answer,
        text=text,
        segments=tuple(map(_segment, answer.segments, spoken)),
        lines=tuple(replace(line, text=t) for line, t in zip(answer.lines, read, strict=True)),
        warnings=tuple(redacted(answer.warnings)),
    )


analyze_video = analyze_audio = generate = analyze_image


def redacted(texts: Sequence[str]) -> list[str]:
    """The texts, read as one, with a mark in place of what must not be seen."""
    whole, hidden = "\n".join(texts), dict[int, str]()
    for mark, pattern in _SHAPES.items():
        for found in re.finditer(pattern, whole):
            hidden |= dict.fromkeys(range(*found.span()), mark)
    for start, end in _cards(whole):
        hidden |= dict.fromkeys(range(start, end), "[card]")
    cleaned, begin = [], 0
    for text in texts:
        runs = groupby(range(begin, begin + len(text)), key=hidden.get)
        cleaned.append("".join(mark or "".join(whole[i] for i in run) for mark, run in runs))
        begin += len(text) + 1
    return cleaned


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for number in _NUMBER.finditer(text):
        groups = [group.span() for group in _DIGITS.finditer(text, *number.span())]
        for first, (start, _) in enumerate(groups):
            digits = ""
            for begin, end in groups[first : first + 19]:
                digits += text[begin:end]
                if len(digits) > 19:
                    break
                if len(digits) >= 13 and _luhn(digits):
                    yield start, end


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _segment(segment: Segment, text: str) -> Segment:
    if text == segment.text:
        return segment
    # Made anew, without the times of single words, which say the same again.
    return Segment(
        start=segment.start,
        end=segment.end,
        text=text,
        speaker=segment.speaker,
        confidence=segment.confidence,
    )
