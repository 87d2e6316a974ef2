"""What goes wrong is told to the model in one line, and never more than it should know."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import UsageError
from mediasense_mcp_server import arguments
from mediasense_mcp_server.arguments import read

from .conftest import words

KINDS = [
    arguments.LookArguments,
    arguments.WatchArguments,
    arguments.ListenArguments,
    arguments.KeyFrameArguments,
    arguments.PlanArguments,
    arguments.ProviderArguments,
]


def test_a_known_failure_says_what_to_do_next(agent):
    result = agent.call("look_at_image", path="shot.png", question="?", provider="nobody")
    assert result.is_error
    assert "nobody" in words(result)
    assert "Traceback" not in words(result)
    assert "\n" not in words(result)


def test_a_file_of_the_wrong_kind_is_named(agent):
    result = agent.call("watch_video", path="shot.png", question="?")
    assert result.is_error
    assert "shot.png is an image" in words(result)


def test_a_bug_of_a_plugin_tells_no_key_and_no_trace(place):
    with place.agent(EYE_KEY="canary-of-the-key") as agent:
        result = agent.call("look_at_image", path="shot.png", question="break")
    assert result.is_error
    told = result.model_dump_json()
    assert "canary" not in told
    assert "Traceback" not in told


def test_the_server_lives_on_after_a_failure(agent):
    assert agent.call("look_at_image", path="shot.png", question="break").is_error
    assert not agent.call("look_at_image", path="shot.png", question="what?").is_error


def test_a_tool_that_is_not_there_is_told_with_those_that_are(agent):
    result = agent.call("delete_everything")
    assert result.is_error
    assert "look_at_image" in words(result)


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("look_at_image", {}),
        ("look_at_image", {"path": 7}),
        ("look_at_image", {"path": "shot.png", "also": ["x"] * 99}),
        ("look_at_image", {"path": "shot.png", "question": "x" * 30_000}),
        ("look_at_image", {"path": "shot.png", "command": "rm"}),
        ("watch_video", {"path": "clip.mp4", "start": -1}),
        ("watch_video", {"path": "clip.mp4", "key_frames": 10_000}),
        ("get_key_frames", {"path": "clip.mp4", "most": 0}),
        ("get_key_frames", {"path": "clip.mp4", "max_side": 100_000}),
        ("plan", {"path": "clip.mp4", "kind": "smell"}),
    ],
)
def test_arguments_out_of_bounds_are_refused_by_name(agent, tool, given):
    result = agent.call(tool, **given)
    assert result.is_error
    assert "input schema" in words(result)
    assert "pydantic" not in words(result)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_names = st.sampled_from(
    ["path", "also", "question", "task", "schema", "start", "end", "frames", "key_frames", "most",
     "provider", "shape", "times"]
) | st.text(max_size=10)  # fmt: skip


@settings(max_examples=300)
@given(kind=st.sampled_from(KINDS), sent=st.dictionaries(_names, _values, max_size=6))
def test_whatever_is_sent_is_taken_or_refused_in_one_line(kind, sent):
    said = ""
    try:
        read(kind, sent)
    except UsageError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 1000
