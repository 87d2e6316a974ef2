"""``mediasense tasks``: the questions that are ready to be asked."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mediasense.cli.completion import task_names
from mediasense.cli.groups import WithDefault
from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import UsageError
from mediasense.names import MODALITIES
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.errors import ConfigError
    from mediasense.tasks import Task

tasks_app = typer.Typer(
    cls=WithDefault, help="Show the ready questions for --task, or make one of them your own."
)


@tasks_app.command()
@spread
def show(
    listing: ListingOptions,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            autocompletion=task_names,
            help="The task to show whole. (default: a list of all)",
        ),
    ] = None,
) -> None:
    """List the ready questions, or show one with its prompt and schema.

    mediasense tasks
    mediasense tasks show bug-report
    """
    if name is None:
        _list(as_json=listing.as_json)
        return
    from mediasense.tasks import find_task

    task = find_task(name)
    if listing.as_json:
        print_json(_whole(task))
    else:
        write(answers(), _told(task))


@tasks_app.command("copy")
def copy(
    name: Annotated[
        str,
        typer.Argument(autocompletion=task_names, help="The task to copy.", show_default=False),
    ],
) -> None:
    """Copy a task into your own folder, where it comes before the one it was copied from.

    mediasense tasks copy summary
    """
    from mediasense.tasks import copy_task

    made = copy_task(name)
    write(answers(), f"{made}\n")
    say("note", f"change this file, and --task {name} asks what it says")


def _list(*, as_json: bool) -> None:
    from mediasense.tasks import list_tasks, tasks_path

    problems: list[ConfigError] = []
    found = list_tasks(on_problem=problems.append)
    if as_json:
        print_json([_facts(task) for task in found])
    else:
        print_table(("task", "for", "answer", "whose", "what"), [_row(task) for task in found])
        write(answers(), f"\nyour own: {tasks_path()}/NAME.toml\n")
    for problem in problems:
        say("warning", str(problem))
    if problems:
        raise UsageError("some tasks cannot be used", hint="mend their files")


def _row(task: "Task") -> tuple[str, ...]:
    kinds = ", ".join(task.modalities)
    shape = "text" if task.schema is None else "data"
    return (
        task.name,
        kinds,
        shape,
        "mediasense" if task.path is None else "yours",
        task.description,
    )


def _facts(task: "Task") -> dict[str, Any]:
    return {
        "name": task.name,
        "description": task.description,
        "modalities": list(task.modalities),
        "structured": task.schema is not None,
        "path": None if task.path is None else str(task.path),
    }


def _whole(task: "Task") -> dict[str, Any]:
    return {
        **_facts(task),
        "prompts": {kind: task.prompt_for(kind) for kind in task.modalities},
        "schema": None if task.schema is None else json.loads(task.schema),
        "reads": task.reads,
        "timed": task.timed,
    }


def _told(task: "Task") -> str:
    """A task for people: its prompts, each with what it is for, and its schema."""
    whose = "comes with mediasense" if task.path is None else str(task.path)
    lines = [f"{task.name}: {task.description}", f"for {', '.join(task.modalities)} ({whose})"]
    prompts: dict[str | None, list[str]] = {}
    for kind in MODALITIES:
        if kind in task.modalities:
            prompts.setdefault(task.prompt_for(kind), []).append(kind)
    for prompt, kinds in prompts.items():
        head = "prompt" if len(prompts) == 1 else f"prompt for {' and '.join(kinds)}"
        lines += ["", f"{head}:", "", prompt or "(none: it asks for what is said)"]
    if task.schema is not None:
        lines += [
            "",
            "schema:",
            "",
            json.dumps(json.loads(task.schema), indent=2, ensure_ascii=False),
        ]
    return "\n".join(lines) + "\n"
