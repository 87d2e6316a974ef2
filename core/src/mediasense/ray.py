"""Questions about the rows of a Ray Dataset, for those who have one already.

    >>> import mediasense.ray
    >>> rows = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)
    >>> told = mediasense.ray.analyze(rows, "what is wrong here?", column="bytes")
    >>> told.write_parquet("s3://bucket/answers")

Each worker has one set of clients and asks about several rows at once. Media are read where the
worker runs: paths must lead to the same file on every node, and keys must be set there. For files
without a Dataset, :func:`mediasense.batch` with ``engine="ray"`` also keeps a journal.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mediasense.errors import MediasenseError, UsageError
from mediasense.names import MediaModality
from mediasense.tasks import with_task
from mediasense.types import Question

if TYPE_CHECKING:
    from mediasense.batches.items import Outcome
    from mediasense.batches.work import Worker
    from mediasense.config import Config
    from mediasense.pacing.lane import RateLimit

_ALIVE = 10.0
"""Seconds between signs of life to those who hold the limits."""
_ROWS_PER_JOB = 8
"""Rows of a batch for each call at once: at the end of a batch some calls are idle."""

COLUMNS = ("text", "data", "provider", "model", "cost", "error", "envelope")
"""What :class:`Analyze` adds to each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a dataset is put together; :func:`analyze` makes it.

    Attributes:
        config: The user's settings there.
        folder: Where relative paths begin.
        versions: Of mediasense and its plugins there; workers must have the same.
        limits: The process that holds the limits of rate and cost for all workers.
    """

    config: Config
    folder: str
    versions: Mapping[str, str]
    limits: Any


class Analyze:
    """Asks about each row, for ``Dataset.map_batches``.

    >>> rows.map_batches(
    ...     mediasense.ray.Analyze,
    ...     fn_constructor_kwargs={"question": "what is it?", "column": "path", "jobs": 16},
    ...     compute=ray.data.ActorPoolStrategy(size=4),
    ...     batch_size=128,
    ...     batch_format="pyarrow",
    ... )

    These columns are added: ``text``; ``data``, the answer by a schema, as JSON text;
    ``provider``; ``model``; ``cost``, US dollars, null when it is not known; ``error``, null when
    all went well; ``envelope``, all that is known of the answer, as JSON text.

    Args:
        question: What is asked, of whom and how; a text is the prompt alone.
        column: Holds paths, links or bytes; lists of them are images that are asked about together.
        prompt_column: Holds a prompt for each row, in place of the question's; null is none.
        modality: What the media must be, such as ``"audio"`` for the sound of videos.
        jobs: How many rows are asked about at once in each worker.
        on_error: ``skip`` says in the row what failed; ``stop`` ends the dataset.
        prefix: Begins the names of the added columns.
        origin: Where the dataset is put together, as :func:`analyze` has it. Without it each worker
            learns the rate of a provider by itself, and has ``max_cost`` to itself.

    Raises:
        ConfigError: This node has another mediasense than where the dataset is put together.
    """

    def __init__(
        self,
        question: Question | str | None = None,
        *,
        column: str = "path",
        prompt_column: str | None = None,
        modality: MediaModality | None = None,
        jobs: int = 8,
        on_error: Literal["skip", "stop"] = "skip",
        prefix: str = "",
        origin: Origin | None = None,
    ) -> None:
        self._column = column
        self._prompt_column = prompt_column
        self._modality = modality
        self._on_error = on_error
        self._prefix = prefix
        self._folder = origin.folder if origin is not None else ""
        asked = question if isinstance(question, Question) else Question(prompt=question)
        self._worker = _worker(asked, jobs, origin)
        # One set of threads for all batches: their connections stay open.
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="mediasense")

    def __call__(self, batch: Any) -> Any:
        """Ask about the rows of one batch.

        Args:
            batch: A ``pyarrow.Table``, a ``pandas.DataFrame`` or a dict of arrays.

        Returns:
            The same, with the columns added.

        Raises:
            UsageError: A column is missing, or there already.
            MediasenseError: A row failed, and ``on_error`` is ``stop``.
        """
        sources = _column(batch, self._column)
        prompts = (
            _column(batch, self._prompt_column)
            if self._prompt_column is not None
            else [None] * len(sources)
        )
        names = {name: self._prefix + name for name in COLUMNS}
        for name in names.values():
            if name in _names(batch):
                raise UsageError(f"there is a column {name} already", hint="give a prefix")
        rows = [self._row(outcome) for outcome in self._outcomes(sources, prompts)]
        return _with(batch, {names[name]: [row[name] for row in rows] for name in COLUMNS})

    def _outcomes(self, sources: list[Any], prompts: list[Any]) -> list[Outcome]:
        from mediasense.batches.limits import Adrift, LimitsLost

        try:
            return list(self._threads.map(self._ask, sources, prompts))
        except LimitsLost as error:
            raise Adrift(str(error)) from None

    def _ask(self, source: Any, prompt: object) -> Outcome:
        from mediasense.batches.items import Item

        sources = list(source) if _is_list(source) else [source]
        problem = "" if sources and None not in sources else "there is no source"
        return self._worker.answer(
            Item(
                id="",
                sources=() if problem else tuple(map(self._source, sources)),
                prompt=None if prompt is None else str(prompt),
                modality=self._modality,
                problem=problem,
            )
        )

    def _source(self, source: Any) -> Any:
        from mediasense.media.source import plain_path

        if isinstance(source, bytearray | memoryview):
            return bytes(source)
        path = plain_path(source)
        return source if path is None else str(Path(self._folder) / path)

    def _row(self, outcome: Outcome) -> dict[str, object]:
        failure, answer = outcome.failure, outcome.answer
        if failure is not None and self._on_error == "stop":
            raise MediasenseError(f"{failure.kind}: {failure.message}")
        if answer is None:
            row: dict[str, object] = dict.fromkeys(COLUMNS)
            row["cost"] = None if outcome.spent.unpriced else outcome.spent.cost
            row["error"] = failure and f"{failure.kind}: {failure.message}"
            return row
        data = answer["data"]
        return {
            **{name: answer[name] for name in ("text", "provider", "model", "cost")},
            "data": None if data is None else json.dumps(data),
            "error": None,
            "envelope": json.dumps(answer),
        }


def analyze(
    dataset: Any,
    question: Question | str | None = None,
    *,
    column: str = "path",
    prompt_column: str | None = None,
    modality: MediaModality | None = None,
    jobs: int = 8,
    workers: int | tuple[int, int] | None = None,
    batch_size: int | None = None,
    on_error: Literal["skip", "stop"] = "skip",
    prefix: str = "",
    limits: Mapping[str, RateLimit] | None = None,
) -> Any:
    """Ask about each row of a Ray Dataset.

    Limits of rate and ``max_cost`` count for all workers together. As with all of Ray Data nothing
    happens before the rows are wanted; a worker that is lost takes up its rows anew, and what it
    had been answered is paid again, unless its node kept it.

    Args:
        dataset: A ``ray.data.Dataset``.
        question: What is asked, of whom and how; a text is the prompt alone.
        column: As for :class:`Analyze`.
        prompt_column: As for :class:`Analyze`.
        modality: As for :class:`Analyze`.
        jobs: As for :class:`Analyze`: in each worker.
        workers: How many processes, or the fewest and the most; ``None`` for one on each node.
        batch_size: Rows that a worker takes at once; ``None`` for 8 for each job.
        on_error: As for :class:`Analyze`.
        prefix: As for :class:`Analyze`.
        limits: Requests and tokens a minute by the name of the provider; ``""`` is any other.

    Returns:
        A ``ray.data.Dataset`` with the columns of :class:`Analyze` added.

    Raises:
        UsageError: Ray is not installed, an option is wrong, there is no such task, or a plugin of
            this program is not one that is installed.
    """
    from mediasense import runtime
    from mediasense.batches.limits import Limits
    from mediasense.batches.nodes import Cluster, versions_here

    if jobs < 1:
        raise UsageError(f"{jobs} jobs are not 1 or more", hint="give jobs=8")
    runtime.require_installed_plugins()
    # The nodes have no tasks of this user: the task itself goes there, and not its name.
    asked = with_task(question if isinstance(question, Question) else Question(prompt=question))
    cluster = Cluster.of_this_program()
    if workers is None:
        workers = max(1, len(cluster.nodes()))
    origin = Origin(
        config=runtime.config(),
        folder=str(Path.cwd()),
        versions=versions_here(),
        limits=cluster.start_here(Limits, dict(limits or {}), asked.max_cost, 0.0),
    )
    data: Any = importlib.import_module("ray.data")
    fewest, most = (workers, workers) if isinstance(workers, int) else workers
    return dataset.map_batches(
        Analyze,
        fn_constructor_kwargs={
            "question": asked,
            "column": column,
            "prompt_column": prompt_column,
            "modality": modality,
            "jobs": jobs,
            "on_error": on_error,
            "prefix": prefix,
            "origin": origin,
        },
        compute=data.ActorPoolStrategy(min_size=fewest, max_size=most),
        batch_size=batch_size or _ROWS_PER_JOB * jobs,
        batch_format="pyarrow",
    )


def _worker(question: Question, jobs: int, origin: Origin | None) -> Worker:
    """Who answers the rows in this process; what they come to is told by the rows themselves."""
    from mediasense import runtime
    from mediasense.batches.limits import FarLanes, FarPurse
    from mediasense.batches.local import worker_of
    from mediasense.budget import Budget
    from mediasense.pacing.lanes import Lanes

    here = runtime.dispatcher()
    dispatcher = replace(here, desk=replace(here.desk, history=None))
    if origin is None:
        lanes, budget = Lanes(), Budget(question.max_cost)
        worker = worker_of(dispatcher, question, jobs=jobs, lanes=lanes, budget=budget)
    else:
        _require_same(origin)
        number = int.from_bytes(os.urandom(6))
        plugins = here.plugins.with_endpoints(origin.config.endpoints)
        threading.Thread(target=partial(_live, origin.limits, number), daemon=True).start()
        worker = worker_of(
            replace(dispatcher, plugins=plugins, config=origin.config),
            question,
            jobs=jobs,
            lanes=FarLanes(origin.limits),
            budget=FarPurse(origin.limits, number, question.max_cost),
        )
    # Ray ends workers without notice: what is kept is written at once.
    desk = replace(worker.dispatcher.desk, cache=here.desk.cache)
    return replace(worker, dispatcher=replace(worker.dispatcher, desk=desk))


def _require_same(origin: Origin) -> None:
    from mediasense.batches.nodes import require_same, sight_here

    require_same(sight_here(), origin.versions)


def _live(limits: Any, number: int) -> None:
    """Give signs of life, so that what a lost worker had put aside does not stay so for ever."""
    with suppress(Exception):  # then Ray is about to end
        while True:
            limits.live.remote(number)
            time.sleep(_ALIVE)


# --- the three shapes of a batch -----------------------------------------------------------------


def _names(batch: Any) -> Sequence[str]:
    if isinstance(batch, Mapping):
        return tuple(batch)
    return tuple(getattr(batch, "column_names", None) or batch.columns)


def _column(batch: Any, name: str) -> list[Any]:
    names = _names(batch)
    if name not in names:
        raise UsageError(f"there is no column {name}", hint=f"there are: {', '.join(names)}")
    column = batch[name]
    for way in ("to_pylist", "tolist"):
        if hasattr(column, way):
            return list(getattr(column, way)())
    return list(column)


def _with(batch: Any, added: Mapping[str, list[Any]]) -> Any:
    if hasattr(batch, "append_column"):
        pyarrow: Any = importlib.import_module("pyarrow")
        for name, values in added.items():
            kind = pyarrow.float64() if name.endswith("cost") else pyarrow.string()
            batch = batch.append_column(name, pyarrow.array(values, kind))
        return batch
    if isinstance(batch, Mapping):
        numpy: Any = importlib.import_module("numpy")
        return {**batch, **{k: numpy.array(v, dtype=object) for k, v in added.items()}}
    return batch.assign(**added)


def _is_list(source: object) -> bool:
    return hasattr(source, "__iter__") and not isinstance(
        source, str | bytes | bytearray | memoryview | os.PathLike
    )
