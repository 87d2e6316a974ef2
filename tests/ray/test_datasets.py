"""Questions about the rows of a Ray Dataset."""

from __future__ import annotations

import json
import logging
import warnings

import pytest

import mediasense.ray
from mediasense.errors import UsageError
from mediasense.providers import Access
from mediasense.types import Question

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of its own code


@pytest.fixture
def data(connected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    return ray.data


@pytest.fixture
def question(service):
    return Question(
        prompt="what is it?",
        model="m",
        access=Access(base_url=service.url),
        cache="off",
        timeout=20,
    )


def test_paths(data, question, service, pictures, monkeypatch, tmp_path):
    paths = pictures(30)
    monkeypatch.chdir(tmp_path)
    rows = [{"path": p.name, "number": n, "ask": f"q{n}"} for n, p in enumerate(paths)]
    rows[3]["path"] = "none.png"
    told = mediasense.ray.analyze(
        data.from_items(rows), question, prompt_column="ask", jobs=4, batch_size=5
    )
    found = sorted(told.take_all(), key=lambda row: row["number"])
    assert [row["text"] for row in found] == [
        None if n == 3 else f"answer to q{n}" for n in range(30)
    ]
    assert found[3]["error"].startswith("MediaNotFound: ")
    assert found[3]["envelope"] is None
    assert found[4]["error"] is None
    assert found[4]["model"] == "m"
    assert found[4]["cost"] is None
    assert json.loads(found[4]["envelope"])["usage"]["input_tokens"] == 11
    assert set(service.asked.values()) == {1}
    assert service.asked.total() == 29


def test_bytes(data, question, service, pictures, tmp_path):
    pictures(12)
    rows = data.read_binary_files(str(tmp_path), include_paths=True)
    told = mediasense.ray.analyze(rows, question, column="bytes", jobs=4, workers=2)
    found = told.take_all()
    assert [row["text"] for row in found] == ["answer to what is it?"] * 12
    assert len({row["path"] for row in found}) == 12
    assert service.asked.total() == 12


@pytest.mark.parametrize("shape", ["pyarrow", "pandas", "numpy"])
def test_the_class_takes_every_shape_of_batch(data, question, make_image, shape):
    rows = data.from_items([{"picture": make_image()} for _ in range(4)])
    told = rows.map_batches(
        mediasense.ray.Analyze,
        fn_constructor_kwargs={"question": question, "column": "picture", "prefix": "ms_"},
        compute=data.ActorPoolStrategy(size=1),
        batch_format=shape,
    )
    found = told.take_all()
    assert [row["ms_text"] for row in found] == ["answer to what is it?"] * 4
    assert [row["ms_error"] for row in found] == [None] * 4
    assert [row["ms_cost"] for row in found] == [None] * 4
    assert all(row["picture"].startswith(b"\x89PNG") for row in found)


def test_a_failing_row_ends_the_dataset_only_where_it_should(data, question, pictures):
    from ray.exceptions import RayTaskError

    rows = data.from_items([{"path": "none.png"}])
    assert mediasense.ray.analyze(rows, question).take_all()[0]["error"]
    with pytest.raises(RayTaskError, match="MediaNotFound"):
        mediasense.ray.analyze(rows, question, on_error="stop").take_all()


def test_a_lost_node_loses_no_row(data, machines, question, service, pictures):
    rows = [{"path": str(p), "ask": f"q{n}"} for n, p in enumerate(pictures(90))]
    service.latency = 0.2
    service.when(30, machines.kill)
    told = mediasense.ray.analyze(
        data.from_items(rows, override_num_blocks=18),
        question,
        prompt_column="ask",
        jobs=4,
        batch_size=5,
    )
    found = sorted(row["text"] for row in told.take_all())
    assert found == sorted(f"answer to q{n}" for n in range(90))
    assert len(service.asked) == 90


def test_the_rate_is_kept_by_all_workers_together(data, question, service, pictures):
    import time

    from mediasense.pacing.lane import RateLimit

    rows = data.from_items([{"path": str(p)} for p in pictures(12)], override_num_blocks=6)
    told = mediasense.ray.analyze(
        rows, question, workers=3, batch_size=2, limits={"": RateLimit(requests=120)}
    )
    began = time.monotonic()
    assert len(told.take_all()) == 12
    assert service.asked.total() == 12
    assert time.monotonic() - began >= (12 - 7) / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [({"column": "file"}, "there is no column file"), ({}, "there is a column text already")],
)
def test_columns_that_cannot_be_used(question, options, said):
    analyze = mediasense.ray.Analyze(question, **options)
    with pytest.raises(UsageError, match=said):
        analyze({"path": ["a"], "text": ["b"]})


def test_a_row_without_a_source(question):
    batch = mediasense.ray.Analyze(question)({"path": [None]})
    assert "there is no source" in batch["error"][0]


def test_a_program_without_a_cluster(question):
    with pytest.raises(UsageError, match=r"call ray\.init"):
        mediasense.ray.analyze(None, question)
