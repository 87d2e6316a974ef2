"""The same batch on a cluster: every item once, whatever happens to nodes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from mediasense.batch.cluster import RayEngine, ray_engine
from mediasense.batch.items import Item
from mediasense.batch.run import Batch, Setting
from mediasense.config import Config
from mediasense.errors import ConfigError, MediasenseError, UsageError
from mediasense.ledger import Budget
from mediasense.providers import Access
from mediasense.types import Question


@pytest.fixture
def dispatcher(empty_environment):
    from mediasense import runtime

    for lookup in (
        runtime.config,
        runtime.plugins,
        runtime.cache,
        runtime.history,
        runtime.dispatcher,
    ):
        lookup.cache_clear()
    return runtime.dispatcher()


@pytest.fixture
def question(service):
    return Question(
        prompt="what is it?",
        model="m",
        access=Access(base_url=service.url),
        cache="off",
        timeout=20,
    )


def items(paths):
    return [Item(id=f"i{n}", sources=(str(p),), prompt=f"q{n}") for n, p in enumerate(paths)]


def batch(machines, dispatcher, question, given, **setting):
    setting = Setting(engine="ray", address=machines.address, **setting)
    return Batch(iter(given), question, setting, ray_engine(dispatcher, question, setting))


def test_each_item_is_answered_once(machines, dispatcher, question, service, pictures, tmp_path):
    given = items(pictures(60))
    running = batch(machines, dispatcher, question, given, jobs=12, out=tmp_path / "out.jsonl")
    results = {result.id: result.analysis.text for result in running}
    assert results == {item.id: f"answer to {item.prompt}" for item in given}
    assert set(service.asked.values()) == {1}
    assert service.most_at_once <= 12
    standing = running.standing()
    assert (standing.answered, standing.spent.calls) == (60, 60)
    assert standing.spent.input_tokens == 660
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 60


def test_a_lost_node_loses_no_item(machines, dispatcher, question, service, pictures, tmp_path):
    given = items(pictures(150))
    service.latency = 0.2
    service.when(60, machines.kill)
    running = batch(machines, dispatcher, question, given, jobs=15, out=tmp_path / "out.jsonl")
    found = [outcome.item.id for outcome in running.outcomes()]
    assert sorted(found) == sorted(item.id for item in given)
    assert running.standing().failed == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 150
    # What the node had under way was asked again, and nothing else.
    again = service.asked.total() - 150
    assert 0 <= again <= 15
    assert max(service.asked.values()) <= 2
    assert running.standing().spent.calls == 150
    assert len(machines.alive) == 2
