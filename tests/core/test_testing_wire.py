"""The wire: what is sent is recorded as it came, and answered as it is told."""

import base64
import json

import pytest
import urllib3

from mediasense.testing import Call, Reply, Wire


@pytest.fixture
def client():
    with urllib3.PoolManager(retries=False) as pool:
        yield pool


def test_a_call_is_recorded_and_answered(client):
    with Wire(lambda call: Reply.of({"said": call.json["question"]})) as wire:
        reply = client.request("POST", f"{wire.url}/ask?a=1&a=2", json={"question": "ü"})
    [call] = wire.calls
    assert (call.method, call.path, call.parameters) == ("POST", "/ask", {"a": "2"})
    assert reply.json() == {"said": "ü"}


def test_media_is_found_as_it_is_and_as_base64():
    data = bytes(range(256))
    for body in (data, base64.b64encode(data), b'{"x": "' + base64.urlsafe_b64encode(data) + b'"}'):
        call = Call(method="POST", path="/", body=b'{"a": "' + body + b'"}')
        assert call.holds(data)
        assert not call.holds(data[::-1])


def test_text_is_found_wherever_it_stands():
    plain = Call(method="POST", path="/m/eye", headers={"x": "team"}, body=b"{}")
    assert [plain.mentions(text) for text in ("eye", "team", "other")] == [True, True, False]
    assert Call(method="POST", path="/", body=json.dumps("a\nü").encode()).mentions("a\nü")


def test_the_parts_of_a_form_are_told(client):
    with Wire(lambda _: Reply.of({})) as wire:
        fields = {"file": ("a.wav", b"RIFF\r\n", "audio/wav"), "model": "ear"}
        client.request("POST", wire.url, fields=fields)
    file, model = wire.calls[0].form
    assert (file.name, file.filename, file.content_type, file.data) == (
        "file", "a.wav", "audio/wav", b"RIFF\r\n",
    )  # fmt: skip
    assert (model.name, model.data) == ("model", b"ear")


def test_a_stream_arrives_piece_by_piece(client):
    with Wire(lambda _: Reply.events([{"a": 1}, "two"])) as wire:
        reply = client.request("GET", wire.url, preload_content=False)
        assert reply.read() == b'data: {"a": 1}\n\ndata: two\n\ndata: [DONE]\n\n'


def test_an_answer_can_break_off(client):
    with (
        Wire(lambda _: Reply(body=b"x" * 1000, broken=True)) as wire,
        pytest.raises(urllib3.exceptions.HTTPError),
    ):
        client.request("GET", wire.url)


def test_what_a_script_raises_is_kept_for_the_test(client):
    def fail(call: Call) -> Reply:
        raise NotImplementedError(call.path)

    with Wire(fail) as wire:
        assert client.request("GET", f"{wire.url}/who").status == 500
    assert [str(problem) for problem in wire.problems] == ["/who"]


def test_a_client_that_goes_away_is_counted(client):
    pieces = (b"x" * 100_000,) * 50
    with Wire(lambda _: Reply(pieces=pieces, pause=0.01)) as wire:
        reply = client.request("GET", wire.url, preload_content=False)
        reply.read(10)
        reply.close()
        for _ in range(500):
            if wire.left or wire.wait(0.01):
                break
        assert wire.left == 1
