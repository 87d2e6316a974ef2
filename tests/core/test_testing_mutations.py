"""The suite is proved by plugins that are wrong on purpose: each fails the checks that it must."""

from __future__ import annotations

import itertools
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mediasense import planning, prompts
from mediasense.testing import Result, run_checks
from mediasense.testing.checks import all_checks
from mediasense.testing.sources import script_in

HERE = Path(__file__).parent / "conformance"
CANARY = (HERE / "canary.py").read_text(encoding="utf-8")
NUMBERS = itertools.count()

RULE = "RULES: tuple[ModelRule, ...] = ()"
SEND = "    connection = connect(request)\n"
ASK = '    payload["stream"] = on_text is not None\n'
TOP = "import json\n"
EMPTY = "    return (\n        Provider("
LOOK = "def ask(request, media, on_text):\n"

# Of each: what is wrong, the text that is replaced, by what, and the checks that must fail.
WRONG = [
    (
        "a long description",
        '"A service to prove the suite with"',
        '"word " * 40',
        "check_it_is_described_in_one_line",
    ),
    (
        "a rule without types",
        RULE,
        'RULES = (ModelRule(pattern="x", image=ImageLimits()),)',
        "check_something_is_declared",
    ),
    (
        "a type of another modality",
        RULE,
        'RULES = (ModelRule(pattern="x", image=ImageLimits(mime_types=("audio/wav",))),)',
        "check_types_are_of_their_modality",
    ),
    (
        "a limit of nothing",
        RULE,
        'RULES = (ModelRule(pattern="x", image=ImageLimits(mime_types=("image/png",), '
        "max_items=0)),)",
        "check_limits_are_positive",
    ),
    (
        "capabilities that read the environment",
        EMPTY,
        '    __import__("os").environ.get("CANARY_KEY")\n' + EMPTY,
        "check_capabilities_are_pure",
    ),
    (
        "capabilities that write a file",
        EMPTY,
        '    open("canary.log", "w").close()\n' + EMPTY,
        "check_capabilities_are_pure",
    ),
    (
        "capabilities that run a program",
        EMPTY,
        '    __import__("subprocess").run(["true"], check=False)\n' + EMPTY,
        "check_capabilities_are_pure",
    ),
    (
        "capabilities that use the network",
        EMPTY,
        '    s = __import__("socket").socket()\n    s.connect_ex(("127.0.0.1", 9))\n    s.close()\n'
        + EMPTY,
        "check_capabilities_are_pure",
    ),
    (
        "capabilities that are never the same",
        "max_seconds=60.0",
        "max_seconds=time.perf_counter() + 60",
        "check_capabilities_are_pure",
    ),
    (
        "a library at the top",
        TOP,
        TOP + "import referencing\n",
        "check_no_library_is_imported_at_the_start",
    ),
    ("work at the start", EMPTY, "    sum(range(40_000_000))\n" + EMPTY, "check_it_loads_quickly"),
    (
        "the first image alone",
        "for i in request.images]",
        "for i in request.images[:1]]",
        "check_several_images_are_sent_together",
        "check_as_many_images_as_declared_are_sent",
    ),
    (
        "an image that is drawn anew",
        '"data": Base64(i)',
        '"data": "iVBORw0KGgo="',
        "check_an_image_is_answered",
        "check_several_images_are_sent_together",
        "check_every_declared_type_is_sent_as_it_is",
        "check_as_many_images_as_declared_are_sent",
        "check_a_file_as_large_as_declared_is_sent",
    ),
    (
        "PNG alone, although JPEG is declared",
        "def analyze_image(request, on_text):\n",
        "def analyze_image(request, on_text):\n"
        '    if request.images[0].mime_type != "image/png":\n'
        "        raise wrong(request)\n",
        "check_every_declared_type_is_sent_as_it_is",
    ),
    (
        "a modality that is a lie",
        '    payload = {"model": request.model, "sound": Base64(request.audio), '
        '"name": name_of(request)}\n',
        '    raise NotImplementedError("later")\n    payload = {}\n',
        "check_speech_is_written_down",
        "check_transcripts_have_times",
        "check_the_answer_names_the_model_that_gave_it",
        "check_words_of_any_script_come_back",
        "check_usage_is_what_the_service_counted",
        "check_usage_is_not_made_up",
        "check_every_declared_type_is_sent_as_it_is",
        "check_a_file_as_large_as_declared_is_sent",
        "check_a_recording_as_long_as_declared_is_sent",
        "check_a_larger_file_is_never_sent_as_it_is",
        "check_another_type_is_never_sent_as_it_is",
        "check_every_declared_option_is_honoured",
        "check_listeners_get_the_answer_once",
        "check_every_status_is_its_error",
        "check_an_answer_that_is_none_is_an_error",
        "check_an_answer_that_is_cut_is_an_error",
        "check_an_answer_of_another_shape_never_breaks_the_plugin",
        "check_the_key_is_sent",
        "check_the_key_is_in_no_text",
        "check_variables_of_others_change_nothing",
        "check_the_name_of_the_file_is_not_sent",
        "check_nothing_is_printed",
        "check_extra_headers_arrive",
        "check_an_endpoint_of_the_config_file_is_served",
        "check_plain_http_to_another_machine_is_refused",
        "check_answers_belong_to_their_questions",
        "check_a_service_that_does_not_answer_is_a_timeout",
    ),
    (
        "times that are dropped",
        "segments=tuple(map(segment, segments)) if isinstance(segments, list) else ()",
        "segments=()",
        "check_transcripts_have_times",
    ),
    (
        "the model that was asked for",
        "return Answer(text=text, model=model,",
        "return Answer(text=text, model=request.model,",
        "check_the_answer_names_the_model_that_gave_it",
        "check_a_streamed_answer_is_as_complete_as_another",
    ),
    (
        "ASCII alone",
        '"question": request.prompt,',
        '"question": (request.prompt or "").encode("ascii", "replace").decode(),',
        "check_words_of_any_script_come_back",
    ),
    (
        "an answer in one line",
        "    return Answer(text=text,",
        '    return Answer(text=" ".join(text.split()),',
        "check_words_of_any_script_come_back",
    ),
    (
        "tokens the wrong way round",
        'Usage(input_tokens=count(said.get("in")), output_tokens=count(said.get("out")))',
        'Usage(input_tokens=count(said.get("out")), output_tokens=count(said.get("in")))',
        "check_usage_is_what_the_service_counted",
        "check_usage_is_not_made_up",
        "check_a_streamed_answer_is_as_complete_as_another",
    ),
    (
        "zero for what is not told",
        'output_tokens=count(said.get("out")))',
        'output_tokens=count(said.get("out")), reasoning_tokens=0)',
        "check_usage_is_not_made_up",
    ),
    (
        "a smaller limit than it declares",
        "def analyze_audio(request):\n",
        "def analyze_audio(request):\n"
        "    if request.audio.size >= 200_000:\n"
        '        raise InvalidAnswer("too large")\n',
        "check_a_file_as_large_as_declared_is_sent",
    ),
    (
        "a shorter limit than it declares",
        "def analyze_audio(request):\n",
        "def analyze_audio(request):\n"
        "    if request.audio.seconds >= 60:\n"
        '        raise InvalidAnswer("too long")\n',
        "check_a_recording_as_long_as_declared_is_sent",
    ),
    (
        "an option that is dropped",
        '        payload["temperature"] = request.temperature\n',
        "        pass\n",
        "check_every_declared_option_is_honoured",
    ),
    (
        "a language that is dropped",
        '        payload["language"] = request.language\n',
        "        pass\n",
        "check_every_declared_option_is_honoured",
    ),
    (
        "an option that breaks it",
        'payload["schema"] = json.loads(request.json_schema)',
        'payload["schema"] = request.json_schema["type"]',
        "check_every_declared_option_is_honoured",
    ),
    (
        "a stream that is kept until its end",
        '                text += event["piece"]\n                on_text(event["piece"])\n',
        '                text += event["piece"]\n',
        "check_a_stream_arrives_in_pieces",
        "check_listeners_get_the_answer_once",
        "check_pieces_belong_to_their_questions",
        "check_what_a_listener_raises_comes_out",
        "check_a_cancelled_stream_is_closed",
    ),
    (
        "a stream that comes at once",
        "    if end is None:\n        raise wrong(request)\n",
        "    if end is None:\n        raise wrong(request)\n    on_text(text)\n",
        "check_a_stream_arrives_in_pieces",
        "check_listeners_get_the_answer_once",
        "check_pieces_belong_to_their_questions",
    ),
    (
        "no usage when it is streamed",
        'return answer(request, {**end, "text": text})',
        'return answer(request, {**end, "text": text, "usage": None})',
        "check_a_streamed_answer_is_as_complete_as_another",
    ),
    (
        "the last piece for the whole",
        'return answer(request, {**end, "text": text})',
        'return answer(request, {**end, "text": event.get("piece", "pipes.")})',
        "check_a_stream_arrives_in_pieces",
        "check_pieces_belong_to_their_questions",
    ),
    (
        "one error for all statuses",
        "    raise error_for_status(\n        response.status,\n",
        "    raise error_for_status(\n        500,\n",
        "check_every_status_is_its_error",
        "check_a_failure_is_its_error_whatever_its_body_holds",
        "check_a_rate_limit_tells_how_long_to_wait",
        "check_redirects_are_not_followed",
        "check_a_refused_listing_is_an_error",
    ),
    (
        "errors that need JSON",
        "    try:\n        return error_text(json.loads(content))\n"
        "    except (ValueError, RecursionError):\n",
        "    try:\n        return error_text(json.loads(content))\n    except KeyError:\n",
        "check_a_failure_is_its_error_whatever_its_body_holds",
    ),
    (
        "a wait that is not told",
        'retry_after=seconds(response.headers.get("Retry-After")),',
        "retry_after=None,",
        "check_a_rate_limit_tells_how_long_to_wait",
    ),
    (
        "redirects that are followed",
        "        if response.status < 300:\n",
        '        if to := response.headers.get("Location"):\n'
        '            response = pool(connection).request("GET", to, preload_content=False)\n'
        "        if response.status < 300:\n",
        "check_redirects_are_not_followed",
    ),
    (
        "redirects that are followed when it is streamed",
        "        if response.status < 300:\n",
        '        to = response.headers.get("Location")\n'
        '        if to and payload and payload.get("stream"):\n'
        '            response = pool(connection).request("GET", to, preload_content=False)\n'
        "        if response.status < 300:\n",
        "check_redirects_are_not_followed",
    ),
    (
        "an error for an answer",
        "    if not isinstance(reply, dict):\n        raise wrong(request)\n",
        '    if not isinstance(reply, dict):\n        return {"text": "", "model": ""}\n',
        "check_an_answer_that_is_none_is_an_error",
    ),
    (
        "a cut answer that is mended",
        "        content = response.read()\n",
        "        try:\n            content = response.read()\n"
        "        except Exception:\n"
        '            content = b\'{"text": "half", "model": "canary"}\'\n',
        "check_an_answer_that_is_cut_is_an_error",
        "check_an_answer_that_stops_in_the_middle_is_given_up",
    ),
    (
        "a field that is taken for granted",
        '    text, model = reply.get("text"), reply.get("model")\n',
        '    text, model = reply["text"], reply.get("model")\n',
        "check_an_answer_that_is_none_is_an_error",
        "check_an_answer_of_another_shape_never_breaks_the_plugin",
    ),
    (
        "a row that is taken for granted",
        "    row = row if isinstance(row, dict) else {}\n",
        "",
        "check_an_answer_of_another_shape_never_breaks_the_plugin",
    ),
    (
        "an event that is taken for granted",
        '                yield loaded(request, line.removeprefix(b"data: "))\n',
        '                yield json.loads(line.removeprefix(b"data: "))\n',
        "check_a_stream_of_another_shape_never_breaks_the_plugin",
    ),
    (
        "a key that is not sent",
        '        headers["Authorization"] = f"Bearer {connection.key}"\n',
        "        pass\n",
        "check_the_key_is_sent",
    ),
    (
        "a key in the URL",
        '            f"{connection.base_url}{path}",\n',
        '            f"{connection.base_url}{path}?key={connection.key}",\n',
        "check_the_key_is_sent",
        "check_the_key_is_in_no_text",
    ),
    (
        "a key in an error",
        "one_line(words_of(said), connection.key)",
        "one_line(words_of(said))",
        "check_the_key_is_in_no_text",
    ),
    (
        "a key in a log",
        SEND,
        SEND + '    __import__("logging").getLogger("canary").debug("key %s", connection.key)\n',
        "check_the_key_is_in_no_text",
    ),
    (
        "a key that is printed",
        SEND,
        SEND + "    print(connection.key)\n",
        "check_the_key_is_in_no_text",
        "check_nothing_is_printed",
    ),
    (
        "a key for any host",
        SEND,
        SEND
        + "    import dataclasses, os\n"
        + '    key = connection.key or os.environ.get("CANARY_KEY")\n'
        + "    connection = dataclasses.replace(connection, key=key)\n",
        "check_its_own_key_is_kept_from_other_hosts",
    ),
    (
        "an address from the environment",
        SEND,
        SEND
        + "    import dataclasses, os\n"
        + '    url = os.environ.get("OPENAI_BASE_URL") or connection.base_url\n'
        + "    connection = dataclasses.replace(connection, base_url=url)\n",
        "check_variables_of_others_change_nothing",
    ),
    (
        "a proxy from the environment",
        "    return urllib3.PoolManager(maxsize=16, timeout=timeout, retries=retries)\n",
        "    import os\n"
        '    if proxy := os.environ.get("http_proxy"):\n'
        "        return urllib3.ProxyManager(proxy, timeout=timeout, retries=retries)\n"
        "    return urllib3.PoolManager(maxsize=16, timeout=timeout, retries=retries)\n",
        "check_variables_of_others_change_nothing",
    ),
    (
        "a header from the environment",
        "    if connection.key is not None:\n",
        '    headers["X-Org"] = __import__("os").environ.get("OPENAI_ORG_ID", "")\n'
        "    if connection.key is not None:\n",
        "check_variables_of_others_change_nothing",
    ),
    (
        "the user's file name",
        "return request.audio.filename",
        "return request.audio.path.name",
        "check_the_name_of_the_file_is_not_sent",
    ),
    ("a word on stdout", LOOK, LOOK + '    print("asking")\n', "check_nothing_is_printed"),
    (
        "a word on stderr",
        LOOK,
        LOOK + '    __import__("sys").stderr.write("asking")\n',
        "check_nothing_is_printed",
    ),
    (
        "a warning",
        LOOK,
        LOOK + '    __import__("warnings").warn("old", stacklevel=1)\n',
        "check_nothing_is_printed",
    ),
    (
        "headers of the house that are dropped",
        '{"Accept": "application/json", **dict(connection.headers)}',
        '{"Accept": "application/json"}',
        "check_extra_headers_arrive",
        "check_an_endpoint_of_the_config_file_is_served",
    ),
    (
        "the headers of the request alone",
        '{"Accept": "application/json", **dict(connection.headers)}',
        '{"Accept": "application/json", **dict(request.headers)}',
        "check_an_endpoint_of_the_config_file_is_served",
    ),
    (
        "a table by the name alone",
        SEND,
        SEND + '    {"canary": 1}[request.provider.name]\n',
        "check_an_endpoint_of_the_config_file_is_served",
    ),
    (
        "plain http to anybody",
        SEND,
        "    import dataclasses\n"
        "    access = dataclasses.replace(request.access, allow_http=True)\n"
        "    connection = connect(dataclasses.replace(request, access=access))\n",
        "check_plain_http_to_another_machine_is_refused",
    ),
    (
        "a call without a key",
        SEND,
        "    import dataclasses\n"
        "    from mediasense import MissingCredentials\n"
        "    try:\n"
        "        connection = connect(request)\n"
        "    except MissingCredentials:\n"
        "        access = dataclasses.replace(request.access, base_url='http://127.0.0.1:9')\n"
        "        connection = connect(dataclasses.replace(request, access=access))\n",
        "check_without_a_key_nothing_is_sent",
    ),
    (
        "one question for all threads",
        '    payload = {"model": request.model, "question": request.prompt, **media}\n',
        '    KEPT["asked"] = request.prompt\n'
        "    time.sleep(0.002)\n"
        '    payload = {"model": request.model, "question": KEPT["asked"], **media}\n',
        "check_answers_belong_to_their_questions",
        "check_pieces_belong_to_their_questions",
    ),
    (
        "one listener for all threads",
        '                on_text(event["piece"])\n',
        '                KEPT["on_text"] = on_text\n'
        "                time.sleep(0.002)\n"
        '                KEPT["on_text"](event["piece"])\n',
        "check_pieces_belong_to_their_questions",
    ),
    (
        "a timeout of its own",
        "urllib3.Timeout(connect=connection.timeout, read=connection.timeout)",
        "urllib3.Timeout(connect=connection.timeout, read=4.0)",
        "check_a_service_that_does_not_answer_is_a_timeout",
        "check_an_answer_that_stops_in_the_middle_is_given_up",
    ),
    (
        "a timeout that is no Timeout",
        "isinstance(reason, urllib3.exceptions.TimeoutError)",
        "False",
        "check_a_service_that_does_not_answer_is_a_timeout",
    ),
    (
        "retries of its own",
        "        total=connection.retries,\n",
        "        total=1,\n",
        "check_retries_are_as_many_as_asked",
    ),
    (
        "no retries",
        "        total=connection.retries,\n",
        "        total=0,\n",
        "check_retries_are_as_many_as_asked",
    ),
    (
        "a listener whose errors are swallowed",
        '                on_text(event["piece"])\n',
        "                try:\n"
        '                    on_text(event["piece"])\n'
        "                except Exception:\n"
        "                    pass\n",
        "check_what_a_listener_raises_comes_out",
        "check_a_cancelled_stream_is_closed",
    ),
    (
        "a list of its own",
        "    return tuple(Model(name=name) for name in names)\n",
        '    return (Model(name="canary-1"),)\n',
        "check_models_are_those_of_the_service",
    ),
    (
        "a sorted list",
        "    return tuple(Model(name=name) for name in names)\n",
        "    return tuple(Model(name=name) for name in sorted(names))\n",
        "check_models_are_those_of_the_service",
    ),
    (
        "a list that is taken for granted",
        "    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):\n"
        "        raise wrong(request)\n",
        "    names = names or ()\n",
        "check_a_refused_listing_is_an_error",
    ),
]


@pytest.fixture
def failed(tmp_path: Path) -> Iterator:
    """The checks that a plugin fails, which is the canary with a change.

    Those that it must fail are made, and every fourth of all others: another one with each change.
    """

    def run(*changes: tuple[str, str], expected: set[str]) -> set[str]:
        source = CANARY
        for before, after in changes:
            assert source.count(before) == 1, before
            source = source.replace(before, after)
        file = tmp_path / f"canary_{next(NUMBERS)}.py"
        file.write_text(source, encoding="utf-8")
        script = script_in(str(HERE / "canary_service.py"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return failures(run_checks(str(file), script, unproved=_of_others(changes, expected)))

    return run


def _of_others(changes: object, expected: set[str]) -> dict[str, str]:
    turn = zlib.crc32(repr(changes).encode())
    others = [check.name for check in all_checks() if check.name not in expected]
    return {name: "the turn of others" for n, name in enumerate(others, turn) if n % 4}


def failures(results: tuple[Result, ...]) -> set[str]:
    return {result.check for result in results if result.state == "failed"}


def test_a_plugin_that_is_right_passes_whole():
    results = run_checks(str(HERE / "canary.py"))
    assert failures(results) == set()
    assert {result.state for result in results} == {"proved", "not declared"}
    assert sum(result.state == "proved" for result in results) > 50


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [pytest.param(old, new, set(names), id=what) for what, old, new, *names in WRONG],
)
def test_a_plugin_that_is_wrong_fails_what_it_must(failed, old, new, expected):
    assert failed((old, new), expected=expected) == expected


# Of each: what is wrong, the texts that are replaced, each by what, and the checks that must fail.
WRONG_TWICE = [
    (
        "no model, and no list of them",
        [
            ("@hookimpl\ndef list_models", "def list_models"),
            ('            default_model="canary-1",\n', ""),
        ],
        {"check_a_model_is_known"},
    ),
    (
        "a cut stream for an answer",
        [
            (
                "    for block in response.stream(4096):\n",
                "    for block in whatever_comes(response):\n",
            ),
            (
                "def answer(request, reply, **more):\n",
                "def whatever_comes(response):\n"
                "    try:\n"
                "        yield from response.stream(4096)\n"
                "    except Exception:\n"
                "        pass\n\n\n"
                "def answer(request, reply, **more):\n",
            ),
            (
                "    if end is None:\n        raise wrong(request)\n",
                '    end = end or {"model": "canary"}\n',
            ),
        ],
        {"check_a_stream_that_breaks_off_is_an_error"},
    ),
    (
        "a stream that is left open",
        [
            (
                '    with closing(send(request, "/ask", payload)) as response:\n',
                '    response = send(request, "/ask", payload)\n    if True:\n',
            ),
            (
                "        for event in events(request, response):\n",
                "        found = KEPT[time.monotonic()] = events(request, response)\n"
                "        for event in found:\n",
            ),
            (
                "    for block in response.stream(4096):\n",
                "    blocks = KEPT[time.monotonic()] = response.stream(4096)\n"
                "    for block in blocks:\n",
            ),
        ],
        {"check_a_cancelled_stream_is_closed"},
    ),
    (
        "text for another model",
        [
            (
                "def generate(request, on_text):\n    return ask(request, {}, on_text)\n",
                "def generate(request, on_text):\n"
                '    return ask(request, {"model": "canary-0"}, on_text)\n',
            ),
        ],
        {"check_text_alone_is_answered", "check_an_endpoint_of_the_config_file_is_served"},
    ),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [pytest.param(changes, names, id=what) for what, changes, names in WRONG_TWICE],
)
def test_a_plugin_that_is_wrong_in_several_places_fails_what_it_must(failed, changes, expected):
    assert failed(*changes, expected=expected) == expected


def test_there_is_a_wrong_plugin_for_every_check():
    """But for those that the core holds for every plugin, the twins of others, and devices."""
    proved = {name for _, _, _, *names in WRONG for name in names}
    proved = proved.union(*(names for _, _, names in WRONG_TWICE))
    wire = {check.name for check in all_checks() if check.needs != "device"}
    assert wire - proved == HELD_BY_THE_CORE | TWINS


HELD_BY_THE_CORE = {
    "check_an_undeclared_modality_is_refused",
    "check_an_undeclared_option_is_refused",
    "check_an_undeclared_schema_is_asked_for_in_words",
    "check_more_images_than_declared_are_never_sent_at_once",
}
TWINS = {"check_a_video_is_answered", "check_a_question_about_sound_is_answered"}
"""The same function proves images and transcripts."""


def test_a_core_that_refuses_no_option_would_be_seen(monkeypatch):
    monkeypatch.setattr(planning, "require_options", lambda *_: None)
    assert failures(run_checks(TEXT_READER)) == {"check_an_undeclared_option_is_refused"}


def test_a_core_that_leaves_a_schema_out_would_be_seen(monkeypatch):
    monkeypatch.setattr(prompts, "as_json", lambda prompt, _: prompt)
    found = failures(run_checks(TEXT_READER))
    assert found == {"check_an_undeclared_schema_is_asked_for_in_words"}


def test_a_core_that_sends_any_number_of_images_would_be_seen(monkeypatch):
    plan_images = planning.plan_images

    def all_at_once(*given):
        plan = plan_images(*given)
        return replace(plan, sends=replace(plan.sends, per_call=99))

    monkeypatch.setattr(planning, "plan_images", all_at_once)
    found = failures(run_checks(str(HERE / "canary.py")))
    assert found == {"check_more_images_than_declared_are_never_sent_at_once"}


TEXT_READER = str(Path(__file__).parents[2] / "examples" / "acme_plugin" / "mediasense_acme.py")
