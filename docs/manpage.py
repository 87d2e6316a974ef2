"""The man page, made of the program itself and of the tables of the reference.

``python docs/manpage.py core/man/mediasense.1`` writes it; a test says when that is to be done.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer.main
from generated import _kind, _plain, _told, _walk, summary, tree

from mediasense.cli.app import build
from mediasense.cli.common import examples_of

REFERENCE = Path(__file__).parent / "reference"
ROOT = "mediasense"
_SHARED = ("quiet", "verbose")
_FILES = (
    ("~/.config/mediasense/config.toml", "The settings; MEDIASENSE_CONFIG names another file."),
    ("~/.config/mediasense/tasks/", "Ready questions of your own, a TOML file for each."),
    ("~/.cache/mediasense/answers.sqlite", "Answers that are kept, so that nobody pays again."),
    ("~/.cache/mediasense/models/", "The models that providers listed last, for completion."),
    ("~/.local/state/mediasense/history.sqlite", "What was asked and answered, and its cost."),
)


def manpage() -> str:
    """The whole page, as roff for the macros of man(7)."""
    root = typer.main.get_command(build())
    found = list(_walk(root, (ROOT,)))
    parts = [
        '.TH MEDIASENSE 1 "" mediasense "User commands"',
        ".SH NAME",
        f"mediasense \\- {_text(_sentence(root)).rstrip('.').lower()}",
        ".SH SYNOPSIS",
        "\n.PP\n".join(_synopsis(path, command) for path, command in found if _does(command)),
        ".SH DESCRIPTION",
        _text(_sentence(root)),
        ".PP",
        "The answer goes to standard output, and nothing else does; notes, warnings, errors and",
        "progress go to standard error.",
        *_examples(root, ".SH EXAMPLES"),
        ".SH OPTIONS",
        "These stand before the command.",
        r"Those to say less or more, \fB\-\-quiet\fR and \fB\-\-verbose\fR, may stand behind it.",
        *_options(root),
        ".SH COMMANDS",
        *(line for path, command in found[1:] for line in _command(path, command)),
        ".SH EXIT STATUS",
        *_defined([("0", "an answer"), *_failures(), ("130", "Ctrl-C")]),
        ".SH ENVIRONMENT",
        *_defined(_variables()),
        ".SH FILES",
        "On Linux, and where no variable of XDG says otherwise:",
        *_defined(_FILES),
    ]
    return "\n".join(parts) + "\n"


def _does(command: Any) -> bool:
    return not getattr(command, "commands", {})


def _synopsis(path: tuple[str, ...], command: Any) -> str:
    words = [rf"\fB{_text(' '.join(path))}\fR", r"[\fIoptions\fR]"]
    words += [_argument(param) for param in command.params if param.param_type_name == "argument"]
    return " ".join(words)


def _argument(param: Any) -> str:
    name = (param.metavar or param.name.upper()).strip("[].")
    shown = rf"\fI{_text(name)}\fR" + (r"\|.\|.\|." if param.nargs == -1 else "")
    return shown if param.required else f"[{shown}]"


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    if not _does(command):
        return
    yield f".SS {_text(' '.join(path[1:]))}"
    paragraphs = [part for part in _plain(command.help or "").split("\n\n") if part]
    yield "\n.PP\n".join(map(_text, paragraphs))
    yield from _examples(command, ".PP\nExamples:")
    yield from _options(command)


def _examples(command: Any, heading: str) -> Iterator[str]:
    found = examples_of(command)
    if found:
        yield heading
        if not heading.startswith(".SH"):
            yield ".PP"
        yield from (".nf", ".RS 4", *map(_text, found), ".RE", ".fi")


def _options(command: Any) -> Iterator[str]:
    own = [param for param in command.params if not getattr(param, "hidden", False)]
    if command.name != ROOT and command.params:
        own = [param for param in own if param.name not in _SHARED or param.expose_value]
    return _defined((_shown(param), _told(param)) for param in own)


def _shown(param: Any) -> str:
    if param.param_type_name == "argument":
        return (param.metavar or param.name.upper()).strip("[].")
    value = "" if getattr(param, "is_flag", False) else f" {param.metavar or _kind(param)}"
    return ", ".join(f"{option}{value}" for option in (*param.opts, *param.secondary_opts))


def _defined(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, told in pairs:
        yield f".TP\n\\fB{_text(name)}\\fR\n{_text(told)}"


def _failures() -> list[tuple[str, str]]:
    found = [(error.exit_code, _without_marks(summary(error))) for error in tree()]
    return [(str(code), told) for code, told in sorted(found)]


def _variables() -> list[tuple[str, str]]:
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    return [(name, _without_marks(told)) for name, told in rows]


def _sentence(command: Any) -> str:
    return (command.help or "").partition("\n")[0]


def _without_marks(text: str) -> str:
    """A text without the marks of Markdown and of Sphinx."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r":\w+:`~?\.?([^`]*)`", r"\1", text)
    return text.replace("`", "")


def _text(text: str) -> str:
    """Text as roff shows it: nothing in it is a request."""
    text = _without_marks(_plain(text)).replace("\\", r"\e").replace("-", r"\-")
    text = text.replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines if line)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(manpage(), encoding="utf-8")
