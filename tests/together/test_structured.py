"""Structured answers with real plugins and real models: what is sent, and what comes of it."""

from __future__ import annotations

import json
import re
from typing import Literal

import pytest
from pydantic import BaseModel, field_validator
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import mediasense
from mediasense import InvalidAnswer
from mediasense_openai_compat.presets import PRESETS


class Step(BaseModel):
    action: str
    then: Step | None = None


class Report(BaseModel):
    title: str
    damage: Literal["none", "slight", "severe"]
    note: str | None = None
    steps: list[Step] = []

    @field_validator("title")
    @classmethod
    def is_short(cls, title: str) -> str:
        if len(title) > 20:
            raise ValueError("the title is longer than 20 letters")
        return title


class Plain(BaseModel):
    title: str
    note: str | None = None


@pytest.fixture
def asked(httpserver: HTTPServer, monkeypatch) -> list[dict]:
    """What a server with the OpenAI protocol is asked; it answers with the next of ``answers``."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up")
    return []


@pytest.fixture
def answers(httpserver: HTTPServer, asked) -> list[str | int]:
    texts: list[str | int] = []

    def chat(request: Request) -> Response:
        asked.append(request.get_json())
        text = texts.pop(0)
        if isinstance(text, int):
            refused = {"error": {"message": "Invalid schema for response_format"}}
            return Response(json.dumps(refused), status=text, content_type="application/json")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "a", "object": "chat.completion", "created": 0, "model": "m"}
        whole = {
            **reply,
            "choices": [choice],
            "usage": {"prompt_tokens": 5, "total_tokens": 7, "completion_tokens": 2},
        }
        return Response(json.dumps(whole), content_type="application/json")

    httpserver.expect_request(re.compile(".*/chat/completions")).respond_with_handler(chat)
    return texts


def ask(httpserver: HTTPServer, image: bytes, schema, provider: str = "openai"):
    return mediasense.analyze(
        image,
        "what is broken?",
        provider=provider,
        model="eye",
        base_url=httpserver.url_for("/v1"),
        api_key_env="OPENAI_API_KEY",
        schema=schema,
        retries=0,
    )


GOOD = {"title": "a door", "damage": "slight", "note": None, "steps": [{"action": "paint"}]}


def test_the_answer_is_an_instance_of_the_model(httpserver, answers, make_image):
    answers.append(json.dumps(GOOD))
    analysis = ask(httpserver, make_image(), Report)
    assert analysis.data == Report(title="a door", damage="slight", steps=[Step(action="paint")])
    assert json.loads(analysis.text) == GOOD


def test_what_a_validator_refuses_is_told_and_asked_again(httpserver, answers, asked, make_image):
    answers += [json.dumps({**GOOD, "title": "a door that is much too long"}), json.dumps(GOOD)]
    analysis = ask(httpserver, make_image(), Report)
    assert analysis.data.title == "a door"
    told = json.dumps(asked[1]["messages"])
    assert "the title is longer than 20 letters (at $.title)" in told
    assert analysis.usage.output_tokens == 4


def test_what_a_validator_refuses_twice_fails(httpserver, answers, make_image):
    answers += [json.dumps({**GOOD, "title": "a door that is much too long"})] * 2
    with pytest.raises(InvalidAnswer, match=r"longer than 20 letters \(at \$.title\)"):
        ask(httpserver, make_image(), Report)


def test_a_plain_model_is_enforced_strictly(httpserver, answers, asked, make_image):
    answers.append('{"title": "a door", "note": null}')
    assert ask(httpserver, make_image(), Plain).data == Plain(title="a door")
    sent = asked[0]["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["required"] == ["title", "note"]


def test_a_schema_that_is_refused_is_asked_for_in_words(httpserver, answers, asked, make_image):
    answers += [400, f"```json\n{json.dumps(GOOD)}\n```"]
    assert ask(httpserver, make_image(), Report).data.title == "a door"
    assert "response_format" in asked[0]
    assert "response_format" not in asked[1]


@pytest.mark.parametrize("name", sorted(n for n, p in PRESETS.items() if p.provider.image))
def test_every_provider_gives_the_same(httpserver, answers, make_image, name):
    answers.append(f"Here:\n```json\n{json.dumps(GOOD)}\n```")
    fields = "title, damage none|slight|severe, note?, steps list {action}"
    analysis = ask(httpserver, make_image(), fields, name)
    assert analysis.data == GOOD
