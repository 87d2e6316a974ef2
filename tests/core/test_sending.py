"""How much of a request is sent, and how much of a download has come, in words."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from mediasense import Access, Base64, ImageRequest, Media, post_json
from mediasense.body import json_body
from mediasense.sending import FIGURES, Sending, Transfer, sent

LARGE = 3_000_000


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float | None]] = []

    def __call__(self, words: str, share: float | None) -> None:
        self.lines.append((words, share))

    @property
    def shares(self) -> list[float]:
        return [share for _, share in self.lines if share is not None]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def picture(tmp_path) -> Media:
    path = tmp_path / "large.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(LARGE))
    return Media(modality="image", mime_type="image/png", path=path, size=path.stat().st_size)


# --- words ----------------------------------------------------------------------------------------


def test_the_figures_stand_behind_the_words_for_what_is_done():
    assert Transfer("downloading a.mp4", Clock()).told(1_200_000, None) == (
        f"downloading a.mp4{FIGURES}1.2 MB"
    )


def test_of_how_much_is_told_where_it_is_known():
    assert Transfer("sending", Clock()).told(12_000_000, 345_000_000).endswith("12.0 of 345 MB")


def test_the_rate_is_told_after_a_second():
    clock = Clock()
    transfer = Transfer("sending", clock)
    clock.now = 2.0
    assert transfer.told(5_000_000, 10_000_000).endswith(f"5.0 of 10.0 MB{FIGURES}2.5 MB/s")


def test_what_changes_all_the_time_is_told_ten_times_a_second():
    clock = Clock()
    transfer = Transfer("sending", clock)
    due = []
    for clock.now in (0.0, 0.05, 0.11, 0.15, 0.22):
        due.append(transfer.is_due())
    assert due == [True, False, True, False, True]


# --- several bodies -------------------------------------------------------------------------------


def test_bodies_that_are_sent_at_once_are_told_of_together(told):
    clock = Clock()
    with Sending(told, clock).to("acme"):
        for clock.now, body, done in ((0.0, "one", 50), (1.0, "two", 0), (2.0, "one", 100)):
            sent(body, done, 100)
    assert told.shares == [0.5, 0.25, 0.5]


def test_what_a_broken_call_did_not_send_is_forgotten(told):
    clock = Clock()
    sending = Sending(told, clock)
    for clock.now, body in ((0.0, "one"), (1.0, "two")):
        with sending.to("acme"):
            sent(body, 50, 100)
    assert told.shares == [0.5, 0.5]


def test_when_all_is_sent_the_answer_is_waited_for(told):
    with Sending(told).to("acme"):
        sent("body", 5_000_000, 10_000_000)
        sent("body", 10_000_000, 10_000_000)
    assert told.lines == [
        (f"sending to acme{FIGURES}5.0 of 10.0 MB", 0.5),
        ("waiting for the answer", None),
    ]


def test_what_is_sent_in_one_piece_is_not_told(told):
    with Sending(told).to("acme"):
        sent(object(), 100, 100)
    assert told.lines == []


def test_what_nobody_sends_is_not_told(told):
    Sending(told)
    sent(object(), 50, 100)
    assert told.lines == []


@given(
    reads=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1000), st.integers(1, 1000)), max_size=40
    )
)
def test_a_share_is_never_below_nothing_or_above_all(reads):
    told = Told()
    bodies = [object() for _ in range(4)]
    sending = Sending(told)
    with sending.to("acme"):
        for number, done, whole in reads:
            sent(bodies[number], min(done, whole), whole)
    assert all(0 <= share < 1 for share in told.shares)


# --- the real bodies ------------------------------------------------------------------------------


def test_a_body_tells_how_far_it_is_read(told, picture):
    body = json_body({"image": Base64(picture)})
    with Sending(told).to("acme"):
        while body.read(1 << 16):
            pass
    assert told.shares == sorted(told.shares)
    assert told.lines[0][0].startswith("sending to acme · ")
    assert told.lines[-1] == ("waiting for the answer", None)


def test_media_that_are_sent_as_they_are_tell_it_too(told, picture):
    with Sending(told).to("acme"), picture.open() as file:
        while file.read(1 << 16):
            pass
    assert told.lines[-1] == ("waiting for the answer", None)


def test_media_that_are_only_looked_at_tell_nothing(told, picture):
    with picture.open() as file:
        assert isinstance(file, io.BufferedReader)
        assert type(file) is io.BufferedReader


def test_media_in_a_body_are_counted_once(told, picture):
    body = json_body({"image": Base64(picture)})
    with Sending(told).to("acme"):
        body.read(1 << 20)
    whole = len(body) / 1e6
    assert f"of {whole:.1f} MB" in told.lines[0][0]


def test_a_request_over_the_wire_tells_how_much_is_sent(
    told, picture, acme, httpserver: HTTPServer, monkeypatch
):
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    request = _request(acme(), httpserver, picture)
    with Sending(told).to("acme"):
        assert post_json(request, "/look", {"image": Base64(picture)}) == {"answer": "a cat"}
    assert told.shares
    assert told.lines[-1] == ("waiting for the answer", None)
    assert not any("sk-acme" in words for words, _ in told.lines)


def _request(provider, httpserver, picture) -> ImageRequest:
    return ImageRequest(
        provider=provider,
        access=Access(base_url=httpserver.url_for(""), api_key_env="ACME_KEY"),
        images=(picture,),
        prompt="what is it?",
        model="acme-eye",
        timeout=10.0,
        retries=0,
    )
