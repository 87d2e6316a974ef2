"""The same batch on a cluster: every item once, whatever happens to nodes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

import pytest

from mediasense.batches.cluster import Prepared, RayEngine, _prepared, ray_engine
from mediasense.batches.items import STOPPED, Item
from mediasense.batches.run import Batch, Setting
from mediasense.budget import Budget
from mediasense.errors import ConfigError, MediasenseError
from mediasense.providers import Access
from mediasense.types import Question


@pytest.fixture
def dispatcher(empty_environment, monkeypatch, request):
    from mediasense import runtime

    monkeypatch.setenv("MEDIASENSE_HISTORY", getattr(request, "param", "off"))

    lookups = (
        runtime.config,
        runtime.plugins,
        runtime.cache,
        runtime.history,
        runtime.dispatcher,
    )
    for lookup in lookups:
        lookup.cache_clear()
    yield runtime.dispatcher()
    for lookup in lookups:
        lookup.cache_clear()


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


def engine(machines, dispatcher, question, errand_of=lambda errand: errand, **options):
    """The engine alone, with workers that do something else besides."""
    setting = Setting(engine="ray", address=machines.address, jobs=options.get("jobs", 8))

    def prepare(cluster) -> Prepared:
        prepared = _prepared(cluster, dispatcher, question, setting, Budget())
        return replace(prepared, errand=errand_of(prepared.errand))

    return RayEngine(prepare, **{"jobs": 8, "address": machines.address, **options})


@pytest.fixture
def travelling():
    """What this file defines is sent to the nodes, which cannot import it."""
    import sys

    from ray import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


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


def test_all_nodes_work(machines, dispatcher, question, service, pictures, travelling):
    service.latency = 0.2
    running = engine(machines, dispatcher, question, Telling, jobs=9)
    found = list(running.run(iter(items(pictures(60))), lambda _: None))
    assert len({outcome.answer["node"] for outcome in found}) == 3


@pytest.mark.parametrize("how", ["kill", "kill_workers"])
def test_a_lost_node_loses_no_item(
    machines, dispatcher, question, service, pictures, tmp_path, how
):
    given = items(pictures(150))
    service.latency = 0.2
    service.when(60, machines.kill if how == "kill" else machines.kill_workers)
    running = batch(machines, dispatcher, question, given, jobs=15, out=tmp_path / "out.jsonl")
    found = [outcome.item.id for outcome in running.outcomes()]
    assert sorted(found) == sorted(item.id for item in given)
    assert running.standing().failed == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 150
    # What the node had under way was asked again, and nothing else.
    again = service.asked.total() - 150
    assert 1 <= again <= 15
    assert max(service.asked.values()) == 2
    assert running.standing().spent.calls == 150


def test_a_node_that_comes_later_works_too(
    machines, dispatcher, question, service, pictures, travelling
):
    machines.kill()
    service.latency = 0.2
    service.when(20, machines.add)
    running = engine(machines, dispatcher, question, Telling, jobs=9)
    nodes = set()
    given = (item for item in items(pictures(400)) if len(nodes) < 3)
    for outcome in running.run(given, lambda _: None):
        nodes.add(outcome.answer["node"])
    assert len(nodes) == 3


def test_an_item_that_ends_workers_fails_alone(
    machines, dispatcher, question, service, pictures, travelling
):
    given = items(pictures(40))
    given[7] = replace(given[7], prompt="poison")
    running = engine(machines, dispatcher, question, Fragile)
    kept = []
    found = {o.item.id: o for o in running.run(iter(given), kept.extend)}
    assert sorted(found) == sorted(item.id for item in given)
    assert [o.item.id for o in found.values() if o.failure] == ["i7"]
    assert found["i7"].failure.kind == "WorkerLost"
    assert "lost 3 times" in found["i7"].failure.message
    assert len(kept) == 40


def test_relative_paths_and_missing_files(
    machines, dispatcher, question, pictures, monkeypatch, tmp_path
):
    pictures(1)
    monkeypatch.chdir(tmp_path)
    given = [Item(id="there", sources=("0000.png",)), Item(id="not", sources=("none.png",))]
    found = {o.item.id: o for o in batch(machines, dispatcher, question, given).outcomes()}
    assert found["there"].answer["text"] == "answer to what is it?"
    assert found["not"].failure.kind == "MediaNotFound"
    assert found["not"].failure.message.startswith("on ")
    assert "none.png" in found["not"].failure.message


def test_bytes_travel(machines, dispatcher, question, make_image):
    given = [Item(id="a", sources=(make_image(),))]
    (outcome,) = batch(machines, dispatcher, question, given).outcomes()
    assert outcome.answer["text"] == "answer to what is it?"
    assert outcome.item == given[0]


@pytest.mark.parametrize("dispatcher", ["on"], indirect=True)
def test_what_was_asked_is_in_the_history_of_the_driver(machines, dispatcher, question, pictures):
    list(batch(machines, dispatcher, question, items(pictures(3))).outcomes())
    past = dispatcher.desk.history.find()
    assert {entry.text for entry in past} == {"answer to q0", "answer to q1", "answer to q2"}


def test_each_node_has_a_cache(machines, dispatcher, question, service, pictures):
    question = replace(question, cache="use")
    given = items(pictures(9))
    first = list(batch(machines, dispatcher, question, given).outcomes())
    again = list(batch(machines, dispatcher, question, given, jobs=1).outcomes())
    assert [outcome.answer["cached"] for outcome in first] == [False] * 9
    assert [outcome.answer["cached"] for outcome in again] == [True] * 9
    assert service.asked.total() == 9


def test_the_rate_is_kept_by_all_nodes_together(machines, dispatcher, question, service, pictures):
    from mediasense.pacing.lane import RateLimit

    began = time.monotonic()
    given = items(pictures(12))
    limits = {"": RateLimit(requests=120)}
    running = batch(machines, dispatcher, question, given, limits=limits, jobs=12)
    assert len(list(running.outcomes())) == 12
    # 3 seconds' worth at once, then two a second: a lower bound, whatever the machine does.
    assert time.monotonic() - began >= (12 - 7) / 2
    assert service.asked.total() == 12


def test_the_engine_stops(machines, dispatcher, question, service, pictures):
    given = items(pictures(200))
    running = batch(machines, dispatcher, question, given, jobs=8)
    found = []
    for outcome in running.outcomes():
        found.append(outcome)
        if len(found) == 20:
            running.stop()
    answered = [outcome for outcome in found if outcome.answer]
    assert 20 <= len(answered) <= len(found) <= 40
    assert service.asked.total() == len(answered)
    assert {outcome.failure.kind for outcome in found if not outcome.answer} <= {STOPPED}


def test_leaving_early_leaves_the_cluster(machines, dispatcher, question, service, pictures):
    import ray

    running = batch(machines, dispatcher, question, items(pictures(50)), jobs=8)
    results = iter(running)
    next(results)
    results.close()
    assert not ray.is_initialized()
    again = batch(machines, dispatcher, question, items(pictures(2)), jobs=2)
    assert len(list(again)) == 2


def test_a_program_that_is_connected_stays_so(connected, machines, dispatcher, question, pictures):
    assert len(list(batch(machines, dispatcher, question, items(pictures(2))))) == 2
    assert connected.is_initialized()


def test_another_version_on_a_node_is_told(machines, dispatcher, question, pictures, monkeypatch):
    from mediasense.batches import crew
    from mediasense.batches.nodes import versions_here

    here = versions_here()
    monkeypatch.setattr(crew, "versions_here", lambda: {**here, "mediasense": "9.9"})
    with pytest.raises(ConfigError, match=r"mediasense 0\.\S+ there and 9\.9 here"):
        list(batch(machines, dispatcher, question, items(pictures(2))))


def test_a_worker_that_cannot_begin_ends_the_batch(
    machines, dispatcher, question, pictures, travelling
):
    running = engine(machines, dispatcher, question, Broken)
    with pytest.raises(MediasenseError, match=r"no worker could begin on .*: ValueError: no"):
        list(running.run(iter(items(pictures(2))), lambda _: None))


def test_without_room_for_a_worker_the_batch_ends(
    connected, machines, dispatcher, question, pictures
):
    """All processors of the cluster are booked by somebody else."""

    @connected.remote(num_cpus=1)
    class Other:
        def ready(self):
            return True

    others = [Other.remote() for _ in range(6)]
    connected.get([other.ready.remote() for other in others])
    running = engine(machines, dispatcher, question, patience=2.0)
    assert running.waiting == ""
    with pytest.raises(MediasenseError, match=r"3 wait for a free processor.*ray status"):
        list(running.run(iter(items(pictures(2))), lambda _: None))


def test_what_the_list_fails_with_comes_out(machines, dispatcher, question, pictures):
    def given():
        yield from items(pictures(2))
        raise OSError("the list broke")

    with pytest.raises(OSError, match="the list broke"):
        list(batch(machines, dispatcher, question, given()))


# --- workers that do something besides -----------------------------------------------------------


@dataclass
class Errand:
    """Does what another errand does, and something besides."""

    errand: object

    def begin(self, worker, where):
        import copy

        self.hand = self.errand.begin(worker, where)
        return copy.copy(self)

    def answer(self, item):
        return self.hand.answer(item)

    def stop(self):
        self.hand.stop()

    def finish(self):
        self.hand.finish()

    def share(self, calls):
        self.hand.share(calls)


class Telling(Errand):
    def answer(self, item):
        import ray

        answered = self.hand.answer(item)
        node = ray.get_runtime_context().get_node_id()
        answer = {**answered.outcome.answer, "node": node}
        return replace(answered, outcome=replace(answered.outcome, answer=answer))


class Fragile(Errand):
    def answer(self, item):
        if item.prompt == "poison":
            time.sleep(0.1)
            os._exit(1)
        return self.hand.answer(item)


class Broken(Errand):
    def begin(self, *_):
        raise ValueError("no")
