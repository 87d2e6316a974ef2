"""What ``--context`` names, as one text, and what ``--task`` means for the answer."""

from typing import TYPE_CHECKING

from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.types import Question


def context_of(text: str | None, folder: str | None) -> str | None:
    """The context that the options name; what is sent of files is said on stderr.

    Raises:
        MediasenseError: A file cannot be used, or it is too much.
    """
    if text is None and folder is None:
        return None
    from mediasense.tasks.asking import MAX_CONTEXT_BYTES
    from mediasense.tasks.context import is_context_file, project_context, read_context

    parts = []
    if text is not None:
        path = text[1:] if text.startswith("@") else text if is_context_file(text) else ""
        if path:
            text = read_context(path)
            say("note", f"context: {path} is sent, {len(text.encode())} bytes")
        parts.append(text)
    if folder is not None:
        taken = sum(len(part.encode()) for part in parts) + len("\n\n")
        found = project_context(folder, room=MAX_CONTEXT_BYTES - taken)
        named = ", ".join(found.files)
        say("note", f"context: of {found.root} is sent: {named}, {len(found.text.encode())} bytes")
        for left in found.left_out:
            say("warning", f"context: left out: {left}")
        parts.append(found.text)
    return "\n\n".join(parts)


def document_schema(asked: "Question") -> str | None:
    """The schema by which the answer is printed as a document; ``None`` where it is not.

    It is for a task that has one. Who gives a schema of their own wants the data.
    """
    if asked.task is None or isinstance(asked.task, str) or asked.json_schema is not None:
        return None
    return asked.task.schema


def asks_for_more(asked: "Question") -> bool:
    """Whether a task asks for something else than what is said."""
    task = asked.task
    return task is not None and not isinstance(task, str) and task.prompt_for("audio") is not None
