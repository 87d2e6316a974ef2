"""What the pages take from the program itself.

A line ``<!-- generated: NAME WORD... -->`` in a page is replaced by what the function of that name
in :data:`MAKERS` makes of it. So it is never out of date.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

import typer.main

from mediasense import errors, hookspecs
from mediasense.cli.app import build
from mediasense.cli.common import examples_of
from mediasense.config import Config
from mediasense.plugins import load_plugins

_MARK = re.compile(r"^<!-- generated: (\w+) ?(.*?) -->$", re.MULTILINE | re.DOTALL)
_SEVERAL = re.compile(r"^    (\w+(?:, \w+)+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def fill(_app: object, _page: str, source: list[str]) -> None:
    """Replace the marks of a page, as Sphinx's ``source-read`` wants it."""
    source[0] = _MARK.sub(lambda mark: MAKERS[mark[1]](*mark[2].split()), source[0])


# --- names ---------------------------------------------------------------------------------------


def names(module: str, *wanted: str) -> str:
    """What the docstrings of a module's public names say, in the order given."""
    found = [_directive(import_module(module), name) for name in wanted]
    return "\n".join(("```{eval-rst}", f".. py:currentmodule:: {module}", "", *found, "```"))


def _directive(module: object, name: str) -> str:
    value = getattr(module, name)
    if inspect.isroutine(value):
        return f".. autofunction:: {name}\n"
    if not inspect.isclass(value):
        return f".. autodata:: {name}\n"
    kind = "exception" if issubclass(value, BaseException) else "class"
    return f".. auto{kind}:: {name}\n   :members:\n"


def split_names(
    _app: object, _kind: str, _name: str, _it: object, _options: object, lines: list[str]
) -> None:
    """Give each name of ``start, end: Seconds.`` a line of its own, which napoleon understands."""
    text = "\n".join(lines)
    lines[:] = _SEVERAL.sub(_each, text).split("\n")


def _each(found: re.Match[str]) -> str:
    return "\n".join(f"    {name.strip()}: {found[2]}" for name in found[1].split(","))


# --- hooks ---------------------------------------------------------------------------------------


def hooks() -> dict[str, Callable[..., object]]:
    """Every hook of the contract, in its order."""
    found = inspect.getmembers(hookspecs, inspect.isfunction)
    marked = [(n, f) for n, f in found if hasattr(f, f"{hookspecs.PROJECT}_spec")]
    return dict(sorted(marked, key=lambda pair: inspect.getsourcelines(pair[1])[1]))


def signature(hook: Callable[..., object]) -> str:
    """A hook as the heading of its page names it: ``analyze_image(request, on_text)``."""
    return f"{hook.__name__}({', '.join(inspect.signature(hook).parameters)})"


def summary(value: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(value) or "").partition("\n")[0]


def hook_table() -> str:
    """Every hook, and its first line."""
    rows = [(f"[`{signature(h)}`]({n}.md)", summary(h)) for n, h in hooks().items()]
    return _table(("hook", "what it is for"), rows)


# --- the command line ----------------------------------------------------------------------------


def commands() -> str:
    """Every command, its arguments and its options."""
    root = typer.main.get_command(build())
    return "\n".join(_command(path, found) for path, found in _walk(root, ("mediasense",)))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, found in getattr(command, "commands", {}).items():
        if not found.hidden:
            yield from _walk(found, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> str:
    first, _, words = inspect.cleandoc(command.help or "").partition("\n\n")
    examples = [f"    $ {line}" for line in examples_of(command)]
    shown = [param for param in command.params if not getattr(param, "hidden", False)]
    rows = [(_usage(param), _told(param)) for param in shown]
    parts = [f"{'#' * min(len(path) + 1, 3)} `{' '.join(path)}`", _plain(first), _plain(words)]
    parts += ["\n".join(examples), _table(("", ""), rows) if rows else ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(param: Any) -> str:
    if param.param_type_name == "argument":
        name = (param.metavar or param.name.upper()).strip("[].")
        return f"`{name}`" if param.required else f"`[{name}]`"
    flag = getattr(param, "is_flag", False)
    name = "" if flag else f" {param.metavar or _kind(param)}"
    return ", ".join(f"`{option}{name}`" for option in (*param.opts, *param.secondary_opts))


def _kind(param: Any) -> str:
    wanted = getattr(getattr(param, "type_descriptor", None), "annotation", str)
    given = [kind for kind in (wanted, *get_args(wanted)) if get_origin(kind) is Literal]
    if given:
        return "|".join(get_args(given[0]))
    return "NUMBER" if float in (wanted, *get_args(wanted)) else "TEXT"


def _told(param: Any) -> str:
    told = _plain(param.help or "")
    plain = isinstance(param.default, (str, int, float)) and not isinstance(param.default, bool)
    return f"{told} (default: {param.default})" if plain and "default" not in told else told


def _plain(text: str) -> str:
    """A help text without the marks of rich."""
    return re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", text).strip()


# --- facts ---------------------------------------------------------------------------------------


def exit_codes() -> str:
    """The number of every error, from the tree of its classes."""
    rows = [("0", "", "an answer"), ("130", "", "Ctrl-C"), ("141", "", "nobody reads on")]
    rows += [
        (str(e.exit_code), f"{{py:exc}}`~mediasense.{e.__name__}`", _roles(summary(e)))
        for e in tree()
    ]
    return _table(("code", "error", "what happened"), sorted(rows, key=lambda row: int(row[0])))


def tree() -> list[type[errors.MediasenseError]]:
    """Every class of error."""
    found = [getattr(errors, name) for name in errors.__all__]
    return [e for e in found if inspect.isclass(e) and issubclass(e, errors.MediasenseError)]


def settings() -> str:
    """Every setting of the config file with its default."""
    told = _attributes(Config)
    rows = []
    for field in fields(Config):
        if field.name == "endpoints":  # the tables [providers.NAME], told beside this one
            continue
        missing = field.default is MISSING or field.default in (None, ())
        default = "" if missing else f"`{_toml(field.default)}`"
        rows.append((f"`{field.name}`", default, _roles(told.get(field.name, ""))))
    return _table(("setting", "default", "what it says"), rows)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _attributes(record: type) -> dict[str, str]:
    """What the docstring of a record says of each field."""
    text = (inspect.getdoc(record) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {
        name.strip(): " ".join(told.split()) for names, told in found for name in names.split(",")
    }


def _roles(text: str) -> str:
    """Sphinx's roles as Markdown."""
    return re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", text).replace("``", "`")


def keys() -> str:
    """Where the key of every installed provider is looked for."""
    rows = []
    for provider in load_plugins().providers.values():
        if provider.credentials is not None or provider.base_url_variables:
            found = provider.credentials
            looked = (*found.file_variables, *found.variables) if found else ()
            cells = (looked, provider.base_url_variables)
            rows.append((f"`{provider.name}`", *(", ".join(f"`{v}`" for v in c) for c in cells)))
    return _table(("provider", "credentials", "another address"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


MAKERS: dict[str, Callable[..., str]] = {
    made.__name__: made for made in (commands, exit_codes, hook_table, keys, names, settings)
}
