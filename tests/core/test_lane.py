"""When a call may go: any arrivals, any answers, on a clock that is only a number."""

from __future__ import annotations

import itertools
import math
import pickle
import threading
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import UsageError
from mediasense.pacing.lane import LONGEST_RETRY_AFTER, Lane, LaneState, RateLimit
from mediasense.pacing.lanes import Event, Lanes
from mediasense.pacing.minute import Minute

WINDOW = 60.0


@dataclass(frozen=True)
class Sent:
    at: float
    tokens: int


def drive(lane: Lane, gaps: list[float], tokens: list[int], *, workers: int = 4) -> list[Sent]:
    """Admissions when so many workers ask in these gaps and come back when they are told."""
    sent: list[Sent] = []
    now = 1000.0
    due = [now] * workers
    for number, gap in enumerate(gaps):
        worker = min(range(workers), key=lambda w: due[w])
        now = max(now, due[worker])
        amount = tokens[number % len(tokens)]
        wait = lane.admit(now, amount)
        due[worker] = now + (wait or gap)
        if wait == 0:
            sent.append(Sent(now, amount))
            lane.answered(now, amount, None)
    return sent


def worst(sent: list[Sent]) -> tuple[int, int]:
    """The most requests, and the most tokens, in any 60 s; one call by itself is no breach."""
    most_requests = most_tokens = 0
    for number, first in enumerate(sent):
        inside = [s for s in sent[number:] if s.at < first.at + WINDOW]
        most_requests = max(most_requests, len(inside))
        if len(inside) > 1:
            most_tokens = max(most_tokens, sum(s.tokens for s in inside))
    return most_requests, most_tokens


gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 90)), min_size=1, max_size=150
)


@settings(max_examples=150, deadline=None)
@given(
    gaps=gaps,
    tokens=st.lists(st.integers(0, 5_000), min_size=1, max_size=5),
    requests=st.one_of(st.none(), st.floats(0.2, 200)),
    per_minute=st.one_of(st.none(), st.integers(1_000, 50_000)),
    workers=st.integers(1, 12),
)
def test_no_minute_has_more_than_the_limit(gaps, tokens, requests, per_minute, workers):
    lane = Lane(RateLimit(requests=requests, tokens=per_minute))
    most_requests, most_tokens = worst(drive(lane, gaps, tokens, workers=workers))
    assert most_requests <= max(1, requests or math.inf)
    # Calls of no tokens are none beside one that is above the limit by itself.
    largest = max(tokens) if max(tokens) > (per_minute or math.inf) else 0
    assert most_tokens <= max(per_minute or math.inf, largest)


@settings(max_examples=30, deadline=None)
@given(requests=st.integers(1, 600), workers=st.integers(1, 20))
def test_workers_that_never_rest_get_the_whole_limit(requests, workers):
    sent = drive(Lane(RateLimit(requests=requests)), [0.0] * 2000, [1], workers=workers)
    minutes = (sent[-1].at - sent[0].at) / 60
    if minutes > 1:
        assert len(sent) - 1 >= 0.9 * requests * minutes


@settings(max_examples=60, deadline=None)
@given(gaps=gaps)
def test_without_a_limit_all_are_free(gaps):
    sent = drive(Lane(), gaps, [1_000_000])
    assert len(sent) == len(gaps)


def test_calls_under_a_limit_are_spread_over_the_minute():
    sent = drive(Lane(RateLimit(requests=60)), [0.0] * 2000, [1], workers=16)
    assert len(sent) > 300
    in_a_second = [sum(first.at <= s.at < first.at + 1 for s in sent) for first in sent]
    assert max(in_a_second) <= 5
    distances = [b.at - a.at for a, b in itertools.pairwise(sent)]
    assert max(distances) < 5  # the burst is taken from the end of its minute


def test_many_who_wait_do_not_come_back_at_once():
    lane = Lane(RateLimit(requests=60))
    waits = sorted(filter(None, (lane.admit(1000, 0) for _ in range(300))))
    assert len(waits) > 290
    assert waits[-1] < 10
    assert max(sum(first <= wait < first + 0.1 for wait in waits) for first in waits) < 20


def test_a_request_above_the_limit_goes_alone():
    lane = Lane(RateLimit(tokens=100))
    assert lane.admit(0, 500) == 0
    wait = lane.admit(1, 10)
    assert 59 < wait < 61
    assert lane.admit(1 + wait, 500) == 0


@settings(max_examples=60, deadline=None)
@given(now=st.floats(0, 1e9), tokens=st.integers(0, 10**9), limit=st.floats(0.01, 1e6))
def test_a_wait_leads_somewhere(now, tokens, limit):
    """Whoever comes back when he was told is not sent away for ever."""
    lane = Lane(RateLimit(requests=limit, tokens=limit))
    for _ in range(3):
        asked = 0
        while wait := lane.admit(now, tokens):
            assert 0.001 <= wait <= 60 / limit * 1.02 + 70
            now += wait
            asked += 1
            assert asked < 10


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
def test_a_limit_that_is_none_is_an_error(limit):
    with pytest.raises(UsageError, match="above 0"):
        RateLimit(requests=limit)
    with pytest.raises(UsageError, match="above 0"):
        RateLimit(tokens=limit)


# --- tokens --------------------------------------------------------------------------------------


def test_what_was_reserved_and_not_used_is_given_back():
    lane = Lane(RateLimit(tokens=1000))
    assert lane.admit(0, 1000) == 0
    assert lane.admit(5, 900) > 50
    lane.answered(6, 1000, 50, took=6)
    assert lane.admit(6.5, 900) == 0


def test_what_was_used_beyond_the_reservation_is_owed():
    lane = Lane(RateLimit(tokens=1000))
    assert lane.admit(0, 10) == 0
    lane.answered(1, 10, 1000, took=1)
    assert 58 < lane.admit(2, 10) < 64


def test_tokens_given_back_after_their_minute_are_not_taken_from_another():
    minute = Minute()
    minute.add(0.5, requests=1, tokens=700)
    minute.add(65.0, requests=1, tokens=900)
    minute.correct(0.5, unused=700)
    assert minute.wait(66, 200, most_requests=math.inf, most_tokens=1000) > 0


@pytest.mark.parametrize("used", [-5, 10**30])
def test_senseless_usage_does_not_close_a_lane_for_ever(used):
    lane = Lane(RateLimit(tokens=1000))
    assert lane.admit(0, 10) == 0
    lane.answered(1, 10, used)
    assert lane.admit(1 + 62, 10) == 0


def test_what_is_sixty_seconds_ago_is_forgotten_and_nothing_before():
    minute = Minute()
    minute.add(0.9, requests=1)
    assert minute.wait(60.8, 0, most_requests=1, most_tokens=math.inf) > 0
    assert minute.wait(61.0, 0, most_requests=1, most_tokens=math.inf) == 0


def test_memory_is_bounded():
    minute = Minute()
    for number in range(100_000):
        minute.add(number / 1000, requests=1, tokens=1)
    assert len(minute._cells) <= 62


# --- refusals ------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    retry_after=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    later=st.lists(st.floats(0, 700), max_size=20),
)
def test_nothing_goes_before_the_service_said(retry_after, later):
    lane = Lane()
    assert lane.admit(100, 0) == 0
    lane.refused(101, retry_after, 0)
    sane = retry_after is not None and retry_after > 0
    until = 101 + (min(retry_after, LONGEST_RETRY_AFTER) if sane else 1.0)
    for after in sorted(later):
        went = lane.admit(101 + after, 0) == 0
        assert not (went and 101 + after < until)
    assert lane.state(until - 1e-6).why == "rate limited"
    assert lane.state(until + 1).pause == 0


def test_after_a_pause_calls_come_one_after_the_other():
    lane = Lane()
    for _ in range(64):
        assert lane.admit(0, 0) == 0
    for _ in range(64):
        lane.refused(0.5, 10, 0, took=0.5)
    waits = [lane.admit(1, 0) for _ in range(64)]
    assert min(waits) >= 9.5
    assert len({round(wait, 4) for wait in waits}) == 64
    assert sum(lane.admit(1 + wait, 0) == 0 for wait in sorted(waits)[:1]) == 1
    assert lane.admit(1 + min(waits), 0) > 0


def refused_at_sixty(limit: RateLimit) -> Lane:
    """A lane that did one call a second for two minutes, until one was refused at t = 120."""
    lane = Lane(limit)
    for second in range(120):
        assert lane.admit(second, 0) == 0
        lane.answered(second + 0.2, 0, None, took=0.2)
    assert lane.admit(120, 0) == 0
    lane.refused(120.1, 1, 0, took=0.1)
    return lane


def test_a_refusal_lowers_the_rate_below_what_was_done():
    rate = refused_at_sixty(RateLimit()).state(121.1).requests_per_minute
    assert 36 < rate < 48


def test_the_rate_comes_back():
    lane = refused_at_sixty(RateLimit())
    rates = [lane.state(121.1 + minute * 60).requests_per_minute for minute in (0, 0.5, 1, 2, 3)]
    assert rates == sorted(rates)
    assert 55 < rates[2] < 65
    assert rates[4] > 150
    assert lane.state(121 + 601).requests_per_minute is None


def test_near_the_known_limit_it_climbs_slowly():
    lane = refused_at_sixty(RateLimit())
    assert lane.state(121.1 + 80).requests_per_minute < 1.05 * 60


def test_calls_that_are_long_under_way_were_taken():
    """A refusal comes at once: what was sent and not refused counts before it is answered."""
    lane, now = refused_at_sixty(RateLimit()), 121.2
    before = lane.state(now).requests_per_minute
    while now < 145:
        now += lane.admit(now, 0) or 0.1
    lane.refused(now, None, 0)
    assert lane.state(now).pause == pytest.approx(1)
    assert lane.state(now + 1).requests_per_minute < before


def test_it_does_not_climb_while_everything_pauses():
    lane = Lane()
    lane.admit(0, 0)
    lane.refused(0.1, 300, 0, took=0.1)
    assert lane.state(300.1).requests_per_minute == lane.state(0.1).requests_per_minute


def test_a_rate_that_was_used_up_is_remembered_whole():
    """The mean of the minute in which it climbed is lower; again and again, it would fall."""
    lane, now = refused_at_sixty(RateLimit()), 121.2
    while now < 121.1 + 75:
        if wait := lane.admit(now, 0):
            now += wait
        else:
            lane.answered(now, 0, None)
    was = lane.state(now).requests_per_minute
    lane.refused(now, 1, 0)
    assert lane.state(now + 61).requests_per_minute == pytest.approx(was, rel=0.02)


def test_a_service_that_refused_calls_gets_no_burst():
    lane = refused_at_sixty(RateLimit())
    assert lane.admit(122, 0) == 0
    lane.answered(122.2, 0, None, took=0.2)
    assert lane.admit(150, 0) == 0
    assert lane.admit(150, 0) > 0.5


def test_it_never_climbs_above_the_users_own_limit():
    lane = refused_at_sixty(RateLimit(requests=61))
    for after in range(0, 2000, 10):
        assert lane.state(122 + after).requests_per_minute <= 61
    assert lane.state(3000).requests_per_minute == 61


def test_many_refused_at_once_lower_the_rate_once():
    once, often = Lane(), Lane()
    for lane, refusals in ((once, 1), (often, 30)):
        for number in range(64):
            assert lane.admit(number, 0) == 0
        for _ in range(refusals):
            lane.refused(64, 1, 0, took=0.5)
    rates = [lane.state(66).requests_per_minute for lane in (once, often)]
    assert rates[0] == rates[1] > 30


def test_a_pause_that_proves_too_short_grows():
    lane, now, pauses = Lane(), 0.0, []
    for _ in range(9):
        assert lane.admit(now, 0) == 0
        lane.refused(now + 0.1, None, 0, took=0.1)
        pauses.append(round(lane.state(now + 0.1).pause))
        now += 0.1 + pauses[-1] + 1
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert lane.state(now).requests_per_minute > 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_the_rate_never_falls_below_one_a_minute(gaps):
    lane, now = Lane(), 0.0
    for gap in gaps:
        now += gap
        if lane.admit(now, 0) == 0:
            lane.answered(now, 0, None)
            lane.admit(now, 0)
        lane.refused(now, 0.01, 0)
        assert (lane.state(now).requests_per_minute or 1) >= 1


# --- down ----------------------------------------------------------------------------------------


def broken(failures: int = 5) -> Lane:
    lane = Lane()
    for _ in range(failures):
        assert lane.admit(0, 0) == 0
        lane.failed(0, 0)
    return lane


def test_a_few_failures_in_a_row_pause_everything():
    assert broken(4).state(0).why == ""
    state = broken(5).state(0)
    assert (state.why, state.pause, state.failures) == ("down", 1, 5)


def test_an_answer_between_failures_forgets_them():
    lane = broken(4)
    lane.admit(0, 0)
    lane.answered(0, 0, None)
    lane.admit(0, 0)
    lane.failed(0, 0)
    assert lane.state(0).why == ""


def test_one_call_finds_out_at_growing_distances():
    lane, now, pauses = broken(), 0.0, []
    for _ in range(8):
        pause = lane.state(now).pause
        pauses.append(pause)
        assert lane.admit(now + pause - 0.01, 0) > 0
        now += pause
        assert lane.admit(now, 0) == 0
        assert lane.admit(now, 0) > 0
        lane.failed(now, 0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("alive", [True, False])
def test_a_sign_of_life_opens_the_lane(alive):
    lane = broken()
    assert lane.admit(1, 0) == 0
    lane.released(1, 0, alive=alive)
    assert lane.state(1).why == ("" if alive else "down")
    assert lane.admit(1, 0) == 0
    assert (lane.admit(1, 0) == 0) == alive


def test_a_429_is_no_sign_of_being_down():
    lane = broken()
    assert lane.admit(1, 0) == 0
    lane.refused(1, 5, 0)
    assert lane.state(1).why == "rate limited"
    assert lane.state(1).failures == 0


def test_calls_that_were_under_way_do_not_prolong_the_pause():
    lane = Lane()
    for _ in range(64):
        lane.admit(0, 0)
    for number in range(64):
        lane.failed(10 + number / 100, 0, took=10 + number / 100)
    assert lane.state(10.7).pause < 1
    assert lane.state(10.7).running == 0


def test_a_worker_that_is_lost_while_it_finds_out_does_not_close_the_lane():
    lane = broken()
    assert lane.admit(1, 0) == 0
    assert lane.admit(59, 0) > 0
    assert lane.admit(62, 0) == 0


def test_a_service_that_names_the_time_is_not_asked_before():
    lane = broken(4)
    lane.admit(0, 0)
    lane.failed(0, 0, retry_after=30)
    assert lane.admit(29.9, 0) > 0
    assert lane.admit(30, 0) == 0


def test_silence_is_told():
    lane = Lane()
    assert lane.state(5).silent == math.inf
    lane.admit(5, 0)
    lane.answered(5, 0, None)
    lane.admit(6, 0)
    lane.refused(6, 1, 0)
    assert lane.state(9).silent == 4


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answered", "refused", "failed", "released", "ask"]),
            st.floats(0, 100),
            st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
            st.integers(-10, 10**12),
        ),
        max_size=80,
    ),
    st.sampled_from([RateLimit(), RateLimit(requests=3, tokens=500)]),
)
def test_whatever_is_reported_a_lane_lives_on(events, limit):
    """Reports in any order and with any numbers; in the end it takes calls again."""
    now = 0.0
    lanes = Lanes({"": limit}, clock=lambda: now)
    for kind, gap, number, used in events:
        now += gap
        if kind == "ask":
            assert 0 <= lanes.admit("a", used) < 1000
        else:
            event = Event(kind=kind, reserved=used, used=used, retry_after=number, took=gap)
            lanes.report("a", event)
        state = lanes.states().get("a")
        assert state is None or (0 <= state.pause < LONGEST_RETRY_AFTER + 1 and state.running >= 0)
    for _ in range(100):
        wait = lanes.admit("a", 1)
        if wait == 0:
            return
        now += wait
    raise AssertionError("never again")


# --- all lanes -----------------------------------------------------------------------------------


def test_limits_are_found_by_the_name_of_the_provider():
    limits = {"acme": RateLimit(requests=7), "": RateLimit(requests=9)}
    lanes = Lanes(limits, clock=lambda: 0.0)
    for lane in ("acme", "acme https://a.example", "other https://b.example"):
        lanes.admit(lane, 0)
    assert {name: state.requests_per_minute for name, state in lanes.states().items()} == {
        "acme": 7,
        "acme https://a.example": 7,
        "other https://b.example": 9,
    }


def test_lanes_do_not_touch_each_other():
    lanes = Lanes(clock=lambda: 0.0)
    lanes.admit("a", 0)
    lanes.report("a", Event(kind="refused", reserved=0, retry_after=60))
    assert lanes.admit("a", 0) >= 60
    assert lanes.admit("b", 0) == 0


def test_what_goes_in_and_out_can_be_sent_to_another_process():
    lanes = Lanes()
    lanes.admit("a", 0)
    for record in (Event(kind="failed", reserved=3), lanes.states(), RateLimit(requests=1)):
        assert pickle.loads(pickle.dumps(record)) == record
    assert isinstance(lanes.states()["a"], LaneState)


def test_counts_of_many_threads_are_exact():
    lanes = Lanes({"a": RateLimit(requests=500, tokens=10**9)}, clock=lambda: 0.0)
    gate = threading.Barrier(16)
    went: list[int] = []

    def work() -> None:
        gate.wait(10)
        mine = sum(lanes.admit("a", 1) == 0 for _ in range(200))
        went.append(mine)
        for _ in range(mine - 1):
            lanes.report("a", Event(kind="answered", reserved=1, used=1))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    burst = sum(went)
    assert 24 <= burst <= 26  # 3 seconds' worth, at the one moment there is
    assert lanes.states()["a"].running == sum(1 for mine in went if mine)
