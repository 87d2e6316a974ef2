"""Ready questions: prompts and schemas as files, asked by their name.

Each is a TOML file in this folder, or in the folder ``tasks`` beside the user's config file, which
comes first. See ``docs/how-to/tasks.md``.
"""

from __future__ import annotations

from mediasense.tasks.asking import expanded, require_kind, schema_of, with_task
from mediasense.tasks.context import ProjectContext, project_context
from mediasense.tasks.folder import copy_task, find_task, list_tasks, task_names, tasks_path
from mediasense.tasks.records import Task

__all__ = [
    "ProjectContext",
    "Task",
    "copy_task",
    "expanded",
    "find_task",
    "list_tasks",
    "project_context",
    "require_kind",
    "schema_of",
    "task_names",
    "tasks_path",
    "with_task",
]
