"""Calls that wait and are made again: threads on a clock that jumps, and simulated services."""

from __future__ import annotations

import gc
import heapq
import math
import random
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import (
    AuthenticationError,
    ConnectionFailed,
    ContentBlocked,
    InvalidAnswer,
    OutOfService,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    ServerError,
    Timeout,
)
from mediasense.pacing.lane import LaneState, RateLimit
from mediasense.pacing.lanes import Event, Lanes
from mediasense.pacing.pacer import Pacer, Stopped
from mediasense.pacing.quotas import passes

# --- a world whose time jumps --------------------------------------------------------------------


class World:
    """Threads of which one runs at a time; when all sleep, the clock jumps to the next waking."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleeping: list[tuple[float, int, threading.Semaphore]] = []
        self._order = 0
        self._over = threading.Event()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        mine = threading.Semaphore(0)
        self._put_down(seconds, mine)
        self._wake_next()
        assert mine.acquire(timeout=60)

    def run(self, *workers: Callable[[], None]) -> float:
        """Run all to their ends: how many seconds that took in this world."""
        began = self.now
        for worker in workers:
            mine = threading.Semaphore(0)
            self._put_down(0.0, mine)
            threading.Thread(target=self._live, args=(worker, mine), daemon=True).start()
        self._wake_next()
        assert self._over.wait(60)
        return self.now - began

    def _live(self, worker: Callable[[], None], mine: threading.Semaphore) -> None:
        assert mine.acquire(timeout=60)
        try:
            worker()
        finally:
            self._wake_next()

    def _put_down(self, seconds: float, sleeper: threading.Semaphore) -> None:
        self._order += 1
        heapq.heappush(self._sleeping, (self.now + seconds, self._order, sleeper))

    def _wake_next(self) -> None:
        if not self._sleeping:
            self._over.set()
            return
        self.now, _, sleeper = heapq.heappop(self._sleeping)
        sleeper.release()


@dataclass
class Service:
    """A service with a limit per minute, of whichever kind, that takes some time to answer.

    Attributes:
        per_minute: Requests it takes.
        burst: Of those, how many at once, where it counts with a bucket.
        by_the_clock: Whether it counts from one full minute to the next instead.
        tells: Whether it says when to come back.
        down: From when to when it cannot be reached.
    """

    world: World
    per_minute: float = math.inf
    burst: float = 1.0
    by_the_clock: bool = False
    tells: bool = False
    seconds: float = 0.2
    down: tuple[float, float] = (0.0, 0.0)
    failure: Callable[[], ProviderError] = lambda: ConnectionFailed("cannot connect")
    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    _level: float = 0.0
    _at: float = 0.0

    def ask(self) -> str:
        now = self.world.now
        if self.down[0] <= now - 1000.0 < self.down[1]:
            self.failed.append(now)
            self.world.sleep(0.01)
            raise self.failure()
        if wait := self._wait(now):
            self.refused.append(now)
            self.world.sleep(0.02)
            raise RateLimited("429", status=429, retry_after=wait if self.tells else None)
        self.taken.append(now)
        self.world.sleep(self.seconds)
        return "answer"

    def _wait(self, now: float) -> float:
        if math.isinf(self.per_minute):
            return 0.0
        if self.by_the_clock:
            minute = now // 60
            used = sum(1 for at in self.taken[-int(self.per_minute) :] if at // 60 == minute)
            return 0.0 if used < self.per_minute else (minute + 1) * 60 - now
        rate = self.per_minute / 60.0
        self._level = min(
            self.burst, (self._level if self._at else self.burst) + (now - (self._at or now)) * rate
        )
        self._at = now
        if self._level < 1 - 1e-9:
            return (1 - self._level) / rate
        self._level -= 1
        return 0.0


def paced(world: World, lanes: Lanes, **changes) -> Pacer:
    chance = random.Random(7).random
    return Pacer(lanes, sleep=world.sleep, clock=world.clock, chance=chance, **changes)


def through(pacer: Pacer, service: Service, **changes) -> str:
    return pacer.call("acme", 100, service.ask, used=lambda _: None, **changes)


def busy(world: World, pacer: Pacer, service: Service, *, until: float) -> Callable[[], None]:
    def work() -> None:
        while world.now < until:
            through(pacer, service)

    return work


def per_minute(times: list[float]) -> list[int]:
    counts = Counter(int((at - 1000.0) // 60) for at in times)
    return [counts[minute] for minute in range(max(counts, default=0) + 1)]


# --- services with limits ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "facts"),
    [
        (60, {"burst": 1}),
        (60, {"burst": 60, "tells": True}),
        (60, {"by_the_clock": True, "tells": True}),
        (600, {"burst": 10}),
        (600, {"burst": 600, "tells": True}),
        (600, {"by_the_clock": True, "tells": True}),
        (3000, {"burst": 50}),
    ],
)
def test_a_limit_that_nobody_knows_is_found_and_used(limit, facts):
    """64 workers for eight minutes: most of the limit is used, few calls are refused."""
    world = World()
    service = Service(world, per_minute=limit, **facts)
    pacer = paced(world, Lanes(clock=world.clock))
    world.run(*[busy(world, pacer, service, until=1000 + 8 * 60)] * 64)
    taken, refused = per_minute(service.taken), per_minute(service.refused)
    assert sum(taken[3:8]) >= 0.8 * limit * 5
    assert sum(refused[1:]) <= 0.05 * sum(taken[1:])
    assert refused[0] <= 64 + 20


def test_a_limit_that_is_raised_is_found():
    world = World()
    service = Service(world, per_minute=60, burst=5)
    pacer = paced(world, Lanes(clock=world.clock))

    def raise_it() -> None:
        world.sleep(300)
        service.per_minute = 600

    world.run(raise_it, *[busy(world, pacer, service, until=1000 + 12 * 60)] * 64)
    taken = per_minute(service.taken)
    assert taken[4] < 70
    assert sum(taken[9:12]) > 0.6 * 600 * 3


def test_a_limit_is_found_though_no_answer_comes_for_half_a_minute():
    world = World()
    service = Service(world, per_minute=300, burst=5, seconds=30.0)
    pacer = paced(world, Lanes(clock=world.clock))
    world.run(*[busy(world, pacer, service, until=1000 + 8 * 60)] * 256)
    assert sum(per_minute(service.taken)[5:8]) >= 0.75 * 300 * 3
    assert sum(per_minute(service.refused)[1:]) <= 20


def test_a_limit_the_user_knows_is_kept_and_used():
    world = World()
    service = Service(world)
    pacer = paced(world, Lanes({"acme": RateLimit(requests=300)}, clock=world.clock))
    world.run(*[busy(world, pacer, service, until=1000 + 300)] * 64)
    assert 0.95 * 300 * 5 <= len(service.taken) <= 300 * 5 + 64
    assert service.refused == []


def test_with_the_right_limit_a_service_refuses_next_to_nothing():
    world = World()
    service = Service(world, per_minute=600, burst=40)
    pacer = paced(world, Lanes({"acme": RateLimit(requests=600)}, clock=world.clock))
    world.run(*[busy(world, pacer, service, until=1000 + 300)] * 64)
    assert len(service.refused) <= 2
    assert len(service.taken) >= 0.95 * 600 * 5


# --- services that are down ----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4, 64])
@pytest.mark.parametrize(
    "failure",
    [
        lambda: ConnectionFailed("cannot connect"),
        lambda: ProviderUnavailable("503", status=503),
        lambda: ServerError("502", status=502),
    ],
)
def test_a_service_that_is_down_is_waited_for(workers, failure):
    """Down for five minutes: hardly a call is made, and every question is answered after."""
    world = World()
    service = Service(world, down=(10.0, 310.0), failure=failure)
    pacer = paced(world, Lanes(clock=world.clock))
    left = iter(range(workers * 100))
    answers: list[str] = []

    def work() -> None:
        answers.extend(through(pacer, service) for _ in left)

    seconds = world.run(*[work] * workers)
    assert answers == ["answer"] * (workers * 100)
    # Those under way when it went down, and those that find out: after 1, 2, 4 ... 60 s.
    assert len(service.failed) <= workers + 4 + 10
    assert seconds < 310 + 60 + 20 + 0.2 * 100 + 5


def test_after_a_pause_not_all_come_at_once():
    world = World()
    service = Service(world, down=(10.0, 310.0), seconds=30.0)
    pacer = paced(world, Lanes(clock=world.clock))
    world.run(*[busy(world, pacer, service, until=1000 + 315)] * 64)
    after = sorted(at for at in service.taken if at >= 1310)
    assert len(after) >= 64
    assert max(Counter(round(at, 3) for at in after).values()) <= 4


def test_one_that_never_comes_back_is_given_up():
    world = World()
    service = Service(world, down=(0.0, math.inf))
    pacer = paced(world, Lanes(clock=world.clock))
    failures: list[ProviderError] = []

    def work() -> None:
        with pytest.raises(OutOfService) as raised:
            through(pacer, service)
        failures.append(raised.value)

    seconds = world.run(*[work] * 8)
    assert len(failures) == 8
    assert len(set(map(id, failures))) == 8
    assert 900 <= seconds < 1000
    assert len(service.failed) < 40


def test_what_is_down_for_longer_than_a_call_waits_is_not_given_up_while_others_are_answered():
    world = World()
    service = Service(world, down=(0.0, 600.0))
    pacer = paced(world, Lanes(clock=world.clock))
    answers: list[str] = []
    world.run(*[lambda: answers.append(through(pacer, service))] * 16)
    assert answers == ["answer"] * 16


@pytest.mark.parametrize(
    "failure",
    [
        lambda: ServerError("500", status=500),
        lambda: Timeout("no answer in time"),
    ],
)
def test_a_question_that_breaks_the_service_is_not_tried_for_ever(failure):
    """With one worker, nobody else shows that the service is up."""
    world = World()
    service = Service(world, down=(0.0, math.inf), failure=failure)
    healthy = Service(world)
    pacer = paced(world, Lanes(clock=world.clock))

    def work() -> None:
        with pytest.raises(ProviderError):
            through(pacer, service)
        assert through(pacer, healthy) == "answer"

    seconds = world.run(work)
    assert len(service.failed) == 5
    assert seconds < 20


# --- one call ------------------------------------------------------------------------------------


class Script:
    """Answers in a row: an error is raised, anything else is the result."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.made = 0

    def __call__(self) -> object:
        self.made += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Alone:
    """A pacer in this thread, on a clock that only its sleeping moves."""

    def __init__(self, **changes) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.lanes = Lanes(clock=self.clock)
        facts = {"sleep": self.sleep, "clock": self.clock, "chance": lambda: 0.5, **changes}
        self.pacer = Pacer(self.lanes, **facts)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def call(self, make: Callable[[], object], **changes) -> object:
        return self.pacer.call("acme", 10, make, used=lambda _: 5, **changes)

    @property
    def state(self) -> LaneState:
        return self.lanes.states()["acme"]


def limited(retry_after: float | None = None, message: str = "slow down") -> RateLimited:
    return RateLimited(message, status=429, retry_after=retry_after)


def test_a_call_that_goes_well_does_not_wait():
    alone = Alone()
    assert alone.call(lambda: "yes") == "yes"
    assert alone.slept == []
    assert alone.state.running == 0


def test_a_refused_call_is_made_again_when_the_service_said():
    alone, script = Alone(), Script(limited(30), "yes")
    assert alone.call(script) == "yes"
    assert 30 <= alone.now < 31


def test_refusals_are_not_counted_as_attempts():
    alone, script = Alone(attempts=2), Script(*[limited(2)] * 12, "yes")
    assert alone.call(script) == "yes"


def test_refusals_without_end_are_given_up_after_the_patience():
    alone = Alone(patience=300)
    with pytest.raises(RateLimited, match="slow down"):
        alone.call(Script(limited()))
    assert 300 <= alone.now < 500


def test_a_few_refusals_far_apart_are_no_reason_to_give_up():
    """At a low rate with many workers each turn is long in coming."""
    alone, script = Alone(patience=10), Script(limited(6), limited(6), limited(6), "yes")

    def make() -> object:
        alone.lanes.report("acme", Event(kind="released", reserved=0, alive=True))
        return script()

    assert alone.call(make) == "yes"
    assert alone.now > 18


@dataclass
class Fixed:
    """Lanes that make everybody wait three times, and always tell the same of themselves."""

    state: LaneState
    waits: list[float] = field(default_factory=lambda: [8.0, 8.0, 8.0, 0.0])

    def admit(self, *_: object) -> float:
        return self.waits.pop(0)

    def report(self, *_: object) -> None: ...

    def states(self) -> dict[str, LaneState]:
        return {"acme": self.state}


@pytest.mark.parametrize(("why", "silent"), [("down", 30.0), ("rate limited", math.inf)])
def test_a_silent_lane_is_given_up(why, silent):
    alone = Alone()
    alone.pacer = Pacer(fixed(why, silent), patience=10, sleep=alone.sleep, clock=alone.clock)
    with pytest.raises(ProviderError, match="acme"):
        alone.call(lambda: "yes")
    assert alone.now == 16


@pytest.mark.parametrize(("why", "silent"), [("down", 3.0), ("rate limited", 3.0), ("", 30.0)])
def test_a_lane_that_answers_others_is_waited_for(why, silent):
    alone = Alone()
    alone.pacer = Pacer(fixed(why, silent), patience=10, sleep=alone.sleep, clock=alone.clock)
    assert alone.call(lambda: "yes") == "yes"


def fixed(why: str, silent: float) -> Fixed:
    return Fixed(
        LaneState(pause=8, why=why, requests_per_minute=None, running=0, failures=0, silent=silent)
    )


@pytest.mark.parametrize("retry_after", [1e9, math.inf, 901])
def test_a_time_beyond_the_patience_is_not_waited_for(retry_after):
    alone = Alone()
    with pytest.raises(RateLimited, match="go on later") as raised:
        alone.call(Script(limited(retry_after)))
    assert alone.now == 0
    assert raised.value.retry_after == retry_after
    assert raised.value.status == 429
    assert alone.state.pause == 600


@settings(max_examples=100, deadline=None)
@given(retry_after=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)))
def test_no_retry_after_makes_a_call_wait_for_ever(retry_after):
    for error in (limited(retry_after), ProviderUnavailable("503", retry_after=retry_after)):
        alone = Alone()
        try:
            assert alone.call(Script(error, "yes")) == "yes"
        except RateLimited:
            assert retry_after > 900
        assert alone.now <= 900


@pytest.mark.parametrize(
    "failure", [ServerError("500", status=500), Timeout("late"), ConnectionFailed("refused")]
)
def test_failures_are_tried_again_with_growing_pauses(failure):
    alone, script = Alone(), Script(failure, failure, failure, "yes")
    assert alone.call(script) == "yes"
    assert alone.slept == [0.25, 0.5, 1.0]


def test_failures_while_others_are_answered_are_given_up_after_the_attempts():
    alone = Alone()

    def make() -> object:
        alone.call(lambda: "somebody else's answer")
        raise ProviderUnavailable("503", status=503)

    script = Script(ProviderUnavailable("503", status=503))

    def both() -> object:
        script.made += 1
        return make()

    with pytest.raises(ProviderUnavailable):
        alone.call(both)
    assert script.made == 5


@pytest.mark.parametrize(
    ("error", "alive"),
    [
        (RequestRejected("no", status=400), True),
        (AuthenticationError("no", status=401), True),
        (ContentBlocked("no"), True),
        (InvalidAnswer("html"), False),
        (ValueError("a bug"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_every_other_error_is_raised_at_once(error, alive):
    alone, script = Alone(), Script(error)
    with pytest.raises(type(error)) as raised:
        alone.call(script)
    assert raised.value is error
    assert script.made == 1
    assert alone.state.running == 0
    assert (alone.state.silent == 0) == alive


def test_a_result_that_cannot_be_counted_is_reported_all_the_same():
    alone = Alone()
    with pytest.raises(ZeroDivisionError):
        alone.pacer.call("acme", 1, lambda: "yes", used=lambda _: 1 // 0)
    assert alone.state.running == 0
    assert alone.state.silent == 0


# --- where somebody else may answer --------------------------------------------------------------


def test_a_hopeful_call_tries_again_once():
    alone, script = Alone(), Script(ServerError("500", status=500))
    with pytest.raises(ServerError):
        alone.call(script, hopeful=True)
    assert script.made == 2
    alone, script = Alone(), Script(limited(1))
    with pytest.raises(RateLimited):
        alone.call(script, hopeful=True)
    assert script.made == 2
    assert Alone().call(Script(limited(1), "yes"), hopeful=True) == "yes"


def test_a_hopeful_call_does_not_wait_long_for_a_pause():
    alone, script = Alone(), Script(limited(30), "yes")
    with pytest.raises(RateLimited, match="slow down"):
        alone.call(script, hopeful=True)
    assert (script.made, alone.now) == (1, 0)
    with pytest.raises(RateLimited, match="slow down"):
        alone.call(script, hopeful=True)
    assert (script.made, alone.now) == (1, 0)


def test_a_hopeful_call_to_a_service_that_is_down_has_its_failure():
    alone = Alone()
    for _ in range(4):
        with pytest.raises(ConnectionFailed, match="refused"):
            alone.call(Script(ConnectionFailed("refused")), hopeful=True)
    script = Script("yes")
    assert alone.state.why == "down"
    with pytest.raises(ConnectionFailed, match="refused"):
        alone.call(script, hopeful=True)
    assert script.made == 0


def test_a_remembered_failure_keeps_nothing_of_its_call_in_memory():
    class Picture: ...

    alone, seen = Alone(), []

    def make() -> object:
        picture = Picture()
        seen.append(weakref.ref(picture))
        raise limited(30)

    with pytest.raises(RateLimited):
        alone.call(make, hopeful=True)
    gc.collect()
    assert seen[0]() is None


def test_a_lane_that_another_process_found_down_is_named():
    alone = Alone()
    for _ in range(8):
        alone.lanes.report("acme", Event(kind="failed", reserved=0))
    with pytest.raises(ProviderUnavailable, match="acme is down"):
        alone.call(Script("yes"), hopeful=True)


def test_a_hopeful_call_waits_for_its_turn_under_a_limit():
    alone = Alone()
    alone.lanes = Lanes({"acme": RateLimit(requests=2)}, clock=alone.clock)
    alone.pacer = Pacer(alone.lanes, sleep=alone.sleep, clock=alone.clock)
    for _ in range(4):
        assert alone.call(lambda: "yes", hopeful=True) == "yes"
    assert alone.now > 60


# --- the end -------------------------------------------------------------------------------------


def test_a_stop_ends_all_waiting():
    lanes = Lanes()
    lanes.admit("acme", 0)
    lanes.report("acme", Event(kind="refused", reserved=0, retry_after=500))
    pacer = Pacer(lanes)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            pacer.call("acme", 0, lambda: "yes", used=lambda _: None)
        except Stopped as stopped:
            ended.append(stopped)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    pacer.stop()
    for thread in threads:
        thread.join(10)
    assert len(ended) == 8


def test_nothing_is_begun_after_a_stop():
    alone, script = Alone(), Script("yes")
    alone.pacer.stop()
    with pytest.raises(Stopped):
        alone.call(script)
    assert script.made == 0


def test_a_stop_while_a_call_is_under_way_lets_it_end():
    alone = Alone()

    def make() -> str:
        alone.pacer.stop()
        return "yes"

    assert alone.call(make) == "yes"


def test_calls_of_many_threads_are_all_made_and_counted():
    lanes = Lanes({"acme": RateLimit(requests=1_000_000, tokens=10**12)})
    pacer = Pacer(lanes)
    lock, made = threading.Lock(), Counter()

    def make() -> str:
        with lock:
            made["calls"] += 1
            if made["calls"] % 5 == 0:
                made["rejected"] += 1
                raise RequestRejected("no", status=400)
        return "yes"

    def work() -> None:
        for _ in range(100):
            try:
                pacer.call("acme", 10, make, used=lambda _: 10)
                result = "answered"
            except RequestRejected:
                result = "raised"
            with lock:
                made[result] += 1

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made == {"calls": 1600, "rejected": 320, "raised": 320, "answered": 1280}
    assert lanes.states()["acme"].running == 0


# --- what no waiting cures -----------------------------------------------------------------------

OPENAI = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    "said",
    [
        f"openai answered 429: {OPENAI} For more information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        "Your team has either used all available credits or reached its monthly spending limit.",
        "Your credit balance is too low to access the API",
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free requests",
        "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.",
        "余额不足或无可用资源包,请充值。",
    ],
)
def test_money_that_is_used_up_is_not_waited_for(said):
    assert not passes(limited(message=said))
    alone, script = Alone(), Script(limited(message=said))
    with pytest.raises(RateLimited):
        alone.call(script)
    assert (script.made, alone.now) == (1, 0)
    assert alone.state.why == ""


@pytest.mark.parametrize(
    ("said", "retry_after"),
    [
        ("slow down", None),
        ("", None),
        (
            f"gemini answered 429: {OPENAI} For more information on this error, head to: "
            "https://ai.google.dev/gemini-api/docs/rate-limits. * Quota exceeded for metric",
            None,
        ),
        (OPENAI, 31.0),
        ("Resource has been exhausted (e.g. check quota).", None),
        ("Rate limit reached for requests. Limit: 3 / min. Please try again in 20s.", None),
        ("Rate limit reached on tokens per day (TPD): try again in 7m12s", 432.0),
        ("Too many requests; the limit is 60 per minute", None),
    ],
)
def test_a_minute_that_is_used_up_is_waited_for(said, retry_after):
    assert passes(limited(retry_after, said))
    assert Alone().call(Script(limited(retry_after, said), "yes")) == "yes"
