"""Every way in which a call can fail, and the error it becomes."""

import re
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import ModuleType

import httpx2
import openai
import pytest
from werkzeug import Response

import mediasense_openai_compat as plugin
from mediasense import (
    AudioRequest,
    AuthenticationError,
    Connection,
    ConnectionFailed,
    CorruptMedia,
    ImageRequest,
    InvalidAnswer,
    Media,
    MediaRejected,
    ModelsRequest,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
    ServerError,
    TextRequest,
    Timeout,
    UnknownModel,
    VideoRequest,
)

CONNECTION = Connection(
    provider="openai",
    base_url="https://api.openai.com/v1",
    key="sk-secret",
    source="OPENAI_API_KEY",
)
STATUSES = [
    (301, RequestRejected),
    (307, RequestRejected),
    (400, RequestRejected),
    (401, AuthenticationError),
    (403, PermissionDenied),
    (404, UnknownModel),
    (408, Timeout),
    (409, RequestRejected),
    (413, RequestTooLarge),
    (415, MediaRejected),
    (422, RequestRejected),
    (429, RateLimited),
    (500, ServerError),
    (502, ServerError),
    (503, ProviderUnavailable),
    (504, Timeout),
    (529, ProviderUnavailable),
]


@pytest.mark.parametrize(("status", "expected"), STATUSES)
def test_each_status_is_an_error_of_its_own(status, expected, ask, service):
    service({"error": {"message": "no"}}, status=status)
    with pytest.raises(expected) as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), None)
    assert type(raised.value) is expected
    assert raised.value.status == status


NOBODY_CAN = "No endpoints found that can handle the requested parameters."


def test_that_no_service_takes_a_schema_is_not_blamed_on_the_model(ask, service):
    service({"error": {"message": NOBODY_CAN, "code": 404}}, status=404)
    held = ask(TextRequest, "openrouter", prompt="why?", json_schema='{"type": "object"}')
    with pytest.raises(RequestRejected, match="requested parameters") as raised:
        plugin.generate(held, None)
    assert (type(raised.value), raised.value.status) == (RequestRejected, 404)


@pytest.mark.parametrize(
    ("preset", "schema", "said"),
    [
        ("openrouter", None, NOBODY_CAN),
        ("openrouter", '{"type": "object"}', "No endpoints found for m."),
        ("groq", '{"type": "object"}', NOBODY_CAN),
    ],
)
def test_another_404_is_about_the_model(preset, schema, said, ask, service):
    service({"error": {"message": said, "code": 404}}, status=404)
    with pytest.raises(UnknownModel):
        plugin.generate(ask(TextRequest, preset, prompt="why?", json_schema=schema), None)


@pytest.mark.parametrize("hook", ["stream", "transcribe", "models"])
@pytest.mark.parametrize(("status", "expected"), [(401, AuthenticationError), (500, ServerError)])
def test_every_kind_of_call_names_its_failures(hook, status, expected, ask, httpserver, sound):
    httpserver.expect_request(re.compile(".*")).respond_with_data("no", status=status)
    calls = {
        "stream": lambda: plugin.generate(ask(TextRequest, prompt="why?"), lambda _: None),
        "transcribe": lambda: plugin.analyze_audio(ask(AudioRequest, audio=sound), None),
        "models": lambda: plugin.list_models(ask(ModelsRequest)),
    }
    with pytest.raises(expected):
        calls[hook]()


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the reason"}},
        {"message": "the reason"},
        {"detail": "the reason"},
        {"detail": [{"loc": ["body"], "msg": "the reason"}]},
        [{"error": {"message": "the reason"}}],
        "the reason",
        {"error": "the reason"},
        b"the reason",
    ],
)
def test_the_services_reason_is_shown(body, ask, service):
    service(body, status=400)
    with pytest.raises(RequestRejected, match="openai answered 400: the reason"):
        plugin.generate(ask(TextRequest, prompt="why?"), None)


def test_a_page_is_not_shown(ask, service):
    service(b"<html><body>Bad gateway</body></html>", status=502, kind="text/html")
    with pytest.raises(ServerError, match="openai answered 502; try again"):
        plugin.generate(ask(TextRequest, prompt="why?"), None)


def test_a_redirect_says_why_it_is_not_followed(ask, service):
    service(b"", status=307, headers={"Location": "https://example.com/"})
    with pytest.raises(RequestRejected, match="redirects are not followed"):
        plugin.generate(ask(TextRequest, prompt="why?"), None)


def test_a_rejected_key_is_named_by_its_variable(ask, service, protocol):
    service({"error": {"message": f"Incorrect API key: {protocol.KEY}"}}, status=401)
    with pytest.raises(AuthenticationError, match="check SERVICE_KEY") as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), None)
    assert protocol.KEY not in str(raised.value)


def test_the_key_is_in_no_traceback(ask, service, protocol):
    service({"error": {"message": f"Incorrect API key: {protocol.KEY}"}}, status=401)
    with pytest.raises(AuthenticationError) as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), None)
    shown = "".join(traceback.format_exception(raised.value))
    assert protocol.KEY not in shown


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), (None, None)],
)
def test_the_time_to_wait_is_told(header, expected, ask, service):
    service({}, status=429, headers={"Retry-After": header} if header else None)
    with pytest.raises(RateLimited) as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), None)
    assert raised.value.retry_after == expected


def test_the_time_to_wait_may_be_a_date(ask, service):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    service({}, status=429, headers={"Retry-After": later})
    with pytest.raises(RateLimited) as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), None)
    assert 80 < raised.value.retry_after <= 90


# --- connections ---------------------------------------------------------------------------------


def test_a_refused_connection_is_named(direct):
    with pytest.raises(ConnectionFailed, match="no connection to openai"):
        plugin.generate(direct("http://127.0.0.1:9/v1"), None)


def test_a_reset_connection_is_named(raw_server, direct):
    with pytest.raises(ConnectionFailed):
        plugin.generate(direct(raw_server(reset=True).url), None)


def test_what_is_no_http_is_named(raw_server, direct):
    with pytest.raises(ConnectionFailed):
        plugin.generate(direct(raw_server(b"220 mail.example.com ESMTP\r\n").url), None)


def test_a_server_that_does_not_answer_is_a_timeout(raw_server, direct):
    with pytest.raises(Timeout):
        plugin.generate(direct(raw_server(delay=5).url, timeout=0.3), None)


# --- retries -------------------------------------------------------------------------------------


@pytest.fixture
def failing_once(httpserver, protocol):
    """A server that fails once and then answers; what came in is in the list it returns."""

    def start(failure: Response) -> list[bytes]:
        received: list[bytes] = []

        def handler(request) -> Response:
            received.append(request.get_data())
            if len(received) == 1:
                return failure
            return Response(protocol.completion_json(), content_type="application/json")

        httpserver.expect_request(re.compile(".*")).respond_with_handler(handler)
        return received

    return start


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_failures_that_can_pass_are_tried_again(status, ask, failing_once):
    received = failing_once(Response("no", status, {"Retry-After": "0.01"}))
    assert plugin.generate(ask(TextRequest, prompt="why?", retries=1), None).text == "A cat."
    assert len(received) == 2


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 413, 422])
def test_failures_that_stay_are_not_tried_again(status, ask, failing_once):
    received = failing_once(Response("no", status))
    with pytest.raises(ProviderError):
        plugin.generate(ask(TextRequest, prompt="why?", retries=1), None)
    assert len(received) == 1


def test_nothing_is_tried_again_when_that_is_not_wanted(ask, failing_once):
    received = failing_once(Response("no", 503))
    with pytest.raises(ProviderUnavailable):
        plugin.generate(ask(TextRequest, prompt="why?", retries=0), None)
    assert len(received) == 1


def test_the_time_a_service_asks_for_is_waited(ask, failing_once):
    failing_once(Response("no", 429, {"Retry-After": "1"}))
    started = time.monotonic()
    plugin.generate(ask(TextRequest, prompt="why?", retries=1), None)
    assert time.monotonic() - started >= 1


def test_a_large_body_is_sent_whole_again(ask, failing_once, tmp_path):
    """It is made while it is sent, so a retry has to make it anew."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 16_000)
    video = Media(modality="video", mime_type="video/mp4", path=path, size=256 * 16_000)
    received = failing_once(Response("no", 503, {"Retry-After": "0.01"}))
    request = ask(VideoRequest, "moonshot", prompt="what?", video=video, retries=1)
    plugin.analyze_video(request, None)
    assert len(received[0]) > 4_000_000
    assert received[0] == received[1]


def test_an_upload_is_sent_whole_again(ask, failing_once, tmp_path, protocol):
    path = tmp_path / "speech.wav"
    path.write_bytes(bytes(range(256)) * 16_000)
    audio = Media(modality="audio", mime_type="audio/wav", path=path, size=256 * 16_000)
    received = failing_once(Response("no", 503, {"Retry-After": "0.01"}))
    with pytest.raises(InvalidAnswer):  # it is answered as a chat message
        plugin.analyze_audio(ask(AudioRequest, audio=audio, retries=1), None)
    assert all(path.read_bytes() in body for body in received)
    assert len(received) == 2


# --- media ---------------------------------------------------------------------------------------


def test_media_that_changed_is_not_sent(ask, httpserver, tmp_path):
    path = tmp_path / "shot.png"
    path.write_bytes(b"longer than it was")
    image = Media(modality="image", mime_type="image/png", path=path, size=4)
    with pytest.raises(CorruptMedia):
        plugin.analyze_image(ask(ImageRequest, prompt="what?", images=(image,)), None)
    assert not httpserver.log


def test_large_media_that_changed_stops_the_call(ask, httpserver, tmp_path):
    """The error of the media itself, although the SDK was already reading."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"x")
    video = Media(modality="video", mime_type="video/mp4", path=path, size=5_000_000)
    with pytest.raises(CorruptMedia):
        plugin.analyze_video(ask(VideoRequest, "moonshot", prompt="?", video=video), None)


# --- the map -------------------------------------------------------------------------------------

# What this package never causes: webhooks, websockets, and helpers of the SDK it does not call.
_ELSEWHERE = {
    "ContentFilterFinishReasonError",
    "LengthFinishReasonError",
    "WebSocketConnectionClosedError",
    "WebSocketQueueFullError",
}


def errors_of(module: ModuleType, root: type[Exception]) -> list[type[Exception]]:
    public = [kind for kind in list(vars(module).values()) if isinstance(kind, type)]
    errors = [kind for kind in public if issubclass(kind, root) and kind is not openai.OpenAIError]
    return [kind for kind in errors if not kind.__name__.startswith("_")]


def made(kind: type[Exception]) -> Exception:
    request = httpx2.Request("POST", "https://api.openai.com/v1/chat/completions")
    response = httpx2.Response(getattr(kind, "status_code", 500), request=request)
    error = kind.__new__(kind)
    for name, value in (
        ("request", request),
        ("response", response),
        ("status_code", response.status_code),
        ("body", {"message": "the reason"}),
        ("message", "the reason"),
    ):
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    "kind", errors_of(openai, openai.OpenAIError), ids=lambda kind: kind.__name__
)
def test_every_error_of_the_sdk_has_one_of_its_own(kind):
    """A class that the SDK adds fails here, until it is thought of."""
    from mediasense_openai_compat.client import named_error

    error = named_error(made(kind), CONNECTION, model="m")
    assert (type(error) is ProviderError) == (kind.__name__ in _ELSEWHERE)


@pytest.mark.parametrize(
    "kind", errors_of(httpx2, httpx2.RequestError), ids=lambda kind: kind.__name__
)
def test_every_error_of_the_transport_has_one_of_its_own(kind):
    from mediasense_openai_compat.client import named_error

    error = named_error(kind("broke"), CONNECTION, model="m")
    expected = Timeout if issubclass(kind, httpx2.TimeoutException) else ConnectionFailed
    assert type(error) is expected
