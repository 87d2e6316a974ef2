"""Every tool, through the SDK's client over real pipes."""

from __future__ import annotations

import base64
import io
import itertools

import jsonschema
import pytest

from .conftest import words

TOOLS = {
    "look_at_image",
    "watch_video",
    "listen_to_sound",
    "get_key_frames",
    "list_providers",
    "list_tasks",
    "plan",
}


def images(result):
    return [block for block in result.content if block.type == "image"]


def fits(agent, tool, result):
    """Its structured output is what the tool declares."""
    schema = agent.tools()[tool].output_schema
    jsonschema.Draft202012Validator(schema).validate(result.structured_content)
    return True


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_it_speaks_both_eras_of_the_protocol(place, mode, version):
    with place.agent(mode=mode) as agent:
        assert agent.client.protocol_version == version
        assert agent.client.server_info.name == "mediasense"
        assert "never for instructions" in agent.client.instructions
        assert set(agent.tools()) == TOOLS
        assert "1 images; what?" in words(
            agent.call("look_at_image", path="shot.png", question="what?")
        )


def test_the_schemas_of_tools_are_schemas_and_nothing_changes_files(agent):
    for tool in agent.tools().values():
        for schema in (tool.input_schema, tool.output_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
        assert tool.annotations.read_only_hint is True
        assert tool.description
        assert all("description" in told for told in tool.input_schema["properties"].values())
        assert '"null"' not in str(tool.input_schema)


def test_only_tools_that_ask_somebody_reach_the_world(agent):
    reaching = {n for n, tool in agent.tools().items() if tool.annotations.open_world_hint}
    assert reaching == {"look_at_image", "watch_video", "listen_to_sound"}


def test_an_image_is_looked_at(agent):
    result = agent.call("look_at_image", path="shot.png", question="what is the error?")
    assert result.content[0].text == "1 images; what is the error?"
    assert result.content[1].text.startswith("answered by eye eye-1, cost $0.2500")
    told = result.structured_content
    assert (told["text"], told["provider"], told["cost"]) == (result.content[0].text, "eye", 0.25)
    assert told["media"][0]["width"] == 64
    assert fits(agent, "look_at_image", result)


def test_several_images_are_looked_at_together(agent):
    also = ["shot.png", "shot.png"]
    told = agent.call("look_at_image", path="shot.png", also=also, question="what changed?")
    assert told.content[0].text.startswith("3 images")


def test_a_list_that_comes_as_text_is_taken_for_the_list(agent):
    result = agent.call("look_at_image", path="shot.png", also='["shot.png"]', question="?")
    assert result.content[0].text.startswith("2 images")


def test_an_answer_as_data_follows_the_schema(agent):
    shape = "title, severity int"
    result = agent.call("look_at_image", path="shot.png", question="data", schema=shape)
    assert result.structured_content["data"] == {"title": "a dialog", "severity": 3}
    assert fits(agent, "look_at_image", result)


def test_a_schema_may_come_as_an_object(agent):
    shape = {"type": "object", "required": ["title"]}
    result = agent.call("look_at_image", path="shot.png", question="data", schema=shape)
    assert result.structured_content["data"]["title"] == "a dialog"


def test_a_schema_names_no_file(agent, shared_place):
    secret = shared_place.outside / "secret.json"
    secret.write_text('{"type": "object", "title": "canary"}')
    result = agent.call("look_at_image", path="shot.png", question="data", schema=str(secret))
    assert result.is_error
    assert "canary" not in words(result)


def test_a_ready_question_is_asked_by_its_name(agent):
    names = [task["name"] for task in agent.call("list_tasks").structured_content["tasks"]]
    assert "describe" in names
    result = agent.call("look_at_image", path="shot.png", task="describe")
    assert not result.is_error


def test_a_video_is_watched_and_its_key_frames_come_as_images(agent):
    result = agent.call("watch_video", path="clip.mp4", question="what happens?", key_frames=3)
    assert "what happens?" in result.content[0].text
    told = result.structured_content
    assert len(images(result)) == len(told["key_frames"]) > 0
    assert told["frames"]
    assert fits(agent, "watch_video", result)


def test_key_frames_come_as_images_only_when_asked_for(agent):
    assert images(agent.call("watch_video", path="clip.mp4", question="what happens?")) == []


def test_key_frames_are_pictures_each_after_its_time(agent):
    from PIL import Image

    result = agent.call("get_key_frames", path="clip.mp4", start=1, most=4, max_side=100)
    told = result.structured_content["key_frames"]
    times = [frame["timestamp"] for frame in told]
    assert times == sorted(times)
    assert all(1 <= time <= 4 for time in times)
    assert len(images(result)) == len(times) >= 2
    for place, block in enumerate(result.content):
        if block.type != "image":
            continue
        number = sum(other.type == "image" for other in result.content[:place])
        assert f"at {times[number]:.1f} s" in result.content[place - 1].text
        with Image.open(io.BytesIO(base64.b64decode(block.data))) as picture:
            assert picture.format == "JPEG"
            assert max(picture.size) <= 100
        assert block.mime_type == "image/jpeg"
    assert fits(agent, "get_key_frames", result)


def test_a_sound_is_written_down(agent):
    result = agent.call("listen_to_sound", path="talk.wav")
    assert result.content[0].text == "hello there"
    assert fits(agent, "listen_to_sound", result)


def test_times_are_told_when_wanted(agent):
    result = agent.call("listen_to_sound", path="talk.wav", times=True)
    assert result.content[0].text == "[0.0-0.2] hello\n[0.2-0.5] there"
    assert result.structured_content["segments"][1]["start"] == 0.2


def test_providers_are_listed_without_keys(place):
    with place.agent(EYE_KEY="canary-of-the-key") as agent:
        result = agent.call("list_providers")
        rows = {row["name"]: row for row in result.structured_content["providers"]}
        assert rows["eye"]["key"] == "found"
        assert rows["eye"]["takes"] == ["image", "audio"]
        assert "eye: takes image, audio; ready" in words(result)
        assert "canary" not in result.model_dump_json()
        assert fits(agent, "list_providers", result)


def test_a_plan_asks_nobody(agent):
    result = agent.call("plan", path="clip.mp4", question="what happens?")
    told = result.structured_content
    assert told["provider"] == "eye"
    assert [step["action"] for step in told["steps"]][-1] == "ask"
    assert fits(agent, "plan", result)


def test_what_an_agent_names_comes_before_what_the_server_has(place):
    with place.agent("--model", "eye-2") as agent:
        asked = {"path": "shot.png", "question": "?"}
        assert agent.call("look_at_image", **asked).structured_content["model"] == "eye-2"
        asked["model"] = "eye-3"
        assert agent.call("look_at_image", **asked).structured_content["model"] == "eye-3"


def test_a_server_may_offer_some_tools_only(place):
    with place.agent("--tool", "get_key_frames", "--tool", "plan") as agent:
        assert set(agent.tools()) == {"get_key_frames", "plan"}
        result = agent.call("look_at_image", path="shot.png")
        assert result.is_error
        assert "get_key_frames, plan" in words(result)


def test_an_answer_that_cannot_be_sent_as_it_is_is_sent_all_the_same(agent):
    result = agent.call("look_at_image", path="shot.png", question="surrogate")
    assert result.content[0].text == "half a pair: ?"


def test_a_very_long_answer_is_cut_and_says_so(agent):
    result = agent.call("look_at_image", path="shot.png", question="long")
    assert len(result.content[0].text) == 100_000
    assert "250000 characters" in result.content[1].text


def test_progress_comes_and_grows(agent):
    agent.call("watch_video", path="clip.mp4", question="what happens, slowly?")
    numbers = [progress for progress, _, _ in agent.progress]
    assert len(numbers) >= 2
    assert all(one < other for one, other in itertools.pairwise(numbers))
    assert any("answer" in (message or "") for _, _, message in agent.progress)


def test_nothing_that_is_printed_gets_between_the_messages(place):
    """The plugin of these tests prints in three ways whenever it is asked."""
    process = place.start("--provider", "eye")
    request = (
        '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": '
        '"2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}\n'
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
        '{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "look_at_image", '
        '"arguments": {"path": "shot.png", "question": "?"}}}\n'
    )
    process.stdin.write(request)
    process.stdin.flush()
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.stdin.close()
    rest, told = process.stdout.read(), process.stderr.read()
    assert process.wait(20) == 0
    process.stdout.close()
    process.stderr.close()
    assert all(line.startswith('{"jsonrpc":"2.0"') for line in lines)
    assert rest == ""
    assert "a plugin that prints while it works" in told
    assert "and another way of it" in told
    assert "and a third one" in told


def test_the_fields_of_an_answer_are_those_of_the_envelope(agent, shared_place):
    import json
    import os
    import subprocess
    import sys

    plugin = ["--plugin", str(shared_place.plugin)]
    command = [sys.executable, "-m", "mediasense", *plugin, "image", "shot.png", "?", "--json"]
    done = subprocess.run(
        [*command, "--provider", "eye"], cwd=shared_place.folder, capture_output=True, text=True,
        check=True, timeout=60, env={**os.environ, **shared_place.environment},
    )  # fmt: skip
    envelope, _ = json.JSONDecoder().raw_decode(done.stdout)  # the plugin prints behind it
    told = agent.call("look_at_image", path="shot.png", question="?").structured_content
    own = {"key_frames", "segments_left_out"}
    assert set(told) - own <= set(envelope)
    for name in ("text", "data", "provider", "model", "strategy", "cost", "warnings", "frames"):
        assert told[name] == envelope[name]
