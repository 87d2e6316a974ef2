"""From a task's file to the task; errors say in which file, on which line and of what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mediasense.document import Value, read_document
from mediasense.errors import ConfigError, UsageError, one_line
from mediasense.names import MODALITIES, MediaModality
from mediasense.schemas import read_schema
from mediasense.tasks.records import Task

MAX_PROMPT = 20_000
"""Characters of a prompt."""
SCHEMA_ENDING = ".schema.json"


def read_task(path: Path, name: str, *, own: bool) -> Task:
    """Read a task.

    Args:
        path: Its TOML file; a schema may stand beside it, as ``NAME.schema.json``.
        name: What it is called.
        own: Whether it is the user's.

    Raises:
        ConfigError: The file cannot be read, is no TOML, or says something unknown or wrong.
        FileNotFoundError: There is none.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    root = read_document(path).root
    said = root.table(_SETTINGS)
    for needed in ("description", "modalities"):
        if needed not in said:
            raise ConfigError(f"{path}: {needed} is missing", hint=f"add {needed} = ...")
    facts = {key: _SETTINGS[key](value) for key, value in said.items()}
    beside = path.with_name(name + SCHEMA_ENDING)
    if beside.is_file():
        if "schema" in said:
            raise said["schema"].error(f"there is also {beside.name}", "keep one of them")
        facts["schema"] = _schema_beside(beside)
    task = Task(name=name, path=path if own else None, **facts)
    _require_whole(task, said)
    return task


def _require_whole(task: Task, said: dict[str, Value]) -> None:
    """Refuse a task that is no question about a kind of media it is for."""
    for modality in MODALITIES:
        key = f"{modality}_prompt"
        if key in said and modality not in task.modalities:
            raise said[key].error(f"modalities does not name {modality}", "add it there")
    unasked = [kind for kind in task.modalities if task.prompt_for(kind) is None]
    if "image" in unasked:
        raise said["modalities"].error("an image cannot be asked about without a prompt")
    if unasked and task.schema is not None:
        raise said["modalities"].error(
            f"a schema is given, and no prompt for {' and '.join(unasked)}", "add a prompt"
        )
    if task.timed and len(unasked) < len(task.modalities):
        said_timed = said["timed"]
        raise said_timed.error("times are of what is said, which is asked for without a prompt")


# --- the settings --------------------------------------------------------------------------------


def _modalities(value: Value) -> tuple[MediaModality, ...]:
    found: list[MediaModality] = []
    for item in value.items():
        named = item.said()
        known = next((kind for kind in MODALITIES if kind == named), None)
        if known is None:
            raise item.error(f"{named} is no kind of media", f"known: {', '.join(MODALITIES)}")
        if known in found:
            raise item.error(f"{named} stands there twice")
        found.append(known)
    if not found:
        raise value.error("names no kind of media", f"known: {', '.join(MODALITIES)}")
    return tuple(found)


def _schema(value: Value) -> str:
    """A schema in the file: a table, or a text in the short form."""
    if not isinstance(value.value, dict | str):
        raise value.error("neither a table nor a text")
    try:
        return read_schema(value.value)
    except UsageError as wrong:
        raise value.error(one_line(wrong.message)) from None


def _schema_beside(path: Path) -> str:
    try:
        return read_schema(path)
    except UsageError as wrong:
        raise ConfigError(f"{path}: {one_line(wrong.message)}", hint="mend the file") from None


_SETTINGS: dict[str, Callable[[Value], Any]] = {
    "description": Value.said,
    "modalities": _modalities,
    "prompt": partial(Value.prose, most=MAX_PROMPT),
    "image_prompt": partial(Value.prose, most=MAX_PROMPT),
    "video_prompt": partial(Value.prose, most=MAX_PROMPT),
    "audio_prompt": partial(Value.prose, most=MAX_PROMPT),
    "schema": _schema,
    "reads": Value.flag,
    "timed": Value.flag,
}
