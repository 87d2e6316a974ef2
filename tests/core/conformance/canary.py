"""A provider plugin that holds to the whole contract, with a transport of its own."""

import json
import math
import threading
import time  # noqa: F401  for those that are wrong on purpose
from contextlib import closing, contextmanager

from mediasense import (
    Answer,
    AudioLimits,
    Base64,
    ConnectionFailed,
    Credentials,
    ImageLimits,
    InvalidAnswer,
    Model,
    ModelRule,
    Provider,
    Segment,
    TextLimits,
    Timeout,
    Usage,
    connect,
    error_for_status,
    error_text,
    hookimpl,
    json_body,
    one_line,
    shared,
)

RULES: tuple[ModelRule, ...] = ()
RETRIED = (408, 429, 500, 502, 503, 504, 529)
KEPT = {}
LOCK = threading.Lock()


@hookimpl
def capabilities():
    return (
        Provider(
            name="canary",
            description="A service to prove the suite with",
            base_url="https://api.canary.example/v1",
            credentials=Credentials(variables=("CANARY_KEY",)),
            default_model="canary-1",
            image=ImageLimits(
                mime_types=("image/png", "image/jpeg"),
                max_items=2,
                max_bytes=100_000,
                options=("max_output_tokens", "temperature", "json_schema"),
                streaming=True,
            ),
            audio=AudioLimits(
                mime_types=("audio/wav",),
                transcribes=True,
                timestamps=True,
                max_bytes=200_000,
                max_seconds=60.0,
                options=("language",),
            ),
            text=TextLimits(options=("temperature",), streaming=True),
            models=RULES,
        ),
    )


@hookimpl
def analyze_image(request, on_text):
    pictures = [{"type": i.mime_type, "data": Base64(i)} for i in request.images]
    return ask(request, {"media": pictures}, on_text)


@hookimpl
def generate(request, on_text):
    return ask(request, {}, on_text)


@hookimpl
def analyze_audio(request):
    payload = {"model": request.model, "sound": Base64(request.audio), "name": name_of(request)}
    if request.language is not None:
        payload["language"] = request.language
    with closing(send(request, "/hear", payload)) as response:
        reply = parsed(request, response)
    segments = reply.get("segments")
    return answer(
        request,
        reply,
        segments=tuple(map(segment, segments)) if isinstance(segments, list) else (),
    )


@hookimpl
def list_models(request):
    with closing(send(request, "/models", None)) as response:
        names = parsed(request, response).get("models")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong(request)
    return tuple(Model(name=name) for name in names)


def name_of(request):
    return request.audio.filename


def ask(request, media, on_text):
    payload = {"model": request.model, "question": request.prompt, **media}
    if request.max_output_tokens is not None:
        payload["limit"] = request.max_output_tokens
    if request.temperature is not None:
        payload["temperature"] = request.temperature
    if request.json_schema is not None:
        payload["schema"] = json.loads(request.json_schema)
    payload["stream"] = on_text is not None
    with closing(send(request, "/ask", payload)) as response:
        if on_text is None:
            return answer(request, parsed(request, response))
        return streamed(request, response, on_text)


def streamed(request, response, on_text):
    text, end = "", None
    with known_errors(request):
        for event in events(request, response):
            if isinstance(event.get("piece"), str):
                text += event["piece"]
                on_text(event["piece"])
            if isinstance(event.get("end"), dict):
                end = event["end"]
    if end is None:
        raise wrong(request)
    return answer(request, {**end, "text": text})


def events(request, response):
    rest = b""
    for block in response.stream(4096):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield loaded(request, line.removeprefix(b"data: "))


def answer(request, reply, **more):
    text, model = reply.get("text"), reply.get("model")
    if not isinstance(text, str) or not isinstance(model, str):
        raise wrong(request)
    return Answer(text=text, model=model, usage=usage_of(reply.get("usage")), **more)


def usage_of(said):
    if not isinstance(said, dict):
        return None
    return Usage(input_tokens=count(said.get("in")), output_tokens=count(said.get("out")))


def count(value):
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def segment(row):
    row = row if isinstance(row, dict) else {}
    start, end = seconds(row.get("start")), seconds(row.get("end"))
    return Segment(start=start or 0.0, end=end or 0.0, text=str(row.get("text")))


def send(request, path, payload):
    connection = connect(request)
    headers = {"Accept": "application/json", **dict(connection.headers)}
    if connection.key is not None:
        headers["Authorization"] = f"Bearer {connection.key}"
    body = None
    if payload is not None:
        body = json_body(payload).content()
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(body))
    with known_errors(request):
        response = pool(connection).request(
            "GET" if body is None else "POST",
            f"{connection.base_url}{path}",
            body=body,
            headers=headers,
            redirect=False,
            preload_content=False,
        )
        if response.status < 300:
            return response
        said = response.read(1 << 16)
        response.close()
    raise error_for_status(
        response.status,
        one_line(words_of(said), connection.key),
        provider=request.provider.name,
        model=request.model,
        credential=connection.source,
        retry_after=seconds(response.headers.get("Retry-After")),
    )


@shared
def pool(connection):
    import urllib3

    retries = urllib3.Retry(
        total=connection.retries,
        redirect=0,
        status_forcelist=RETRIED,
        allowed_methods=None,
        raise_on_status=False,
    )
    timeout = urllib3.Timeout(connect=connection.timeout, read=connection.timeout)
    return urllib3.PoolManager(maxsize=16, timeout=timeout, retries=retries)


@contextmanager
def known_errors(request):
    import urllib3

    name = request.provider.name
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, urllib3.exceptions.TimeoutError):
            raise Timeout(f"{name} did not answer in time", hint="try again") from None
        raise ConnectionFailed(f"the connection to {name} broke", hint="try again") from None


def parsed(request, response):
    with known_errors(request):
        content = response.read()
    return loaded(request, content)


def loaded(request, content):
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):
        raise wrong(request) from None
    if not isinstance(reply, dict):
        raise wrong(request)
    return reply


def wrong(request):
    return InvalidAnswer(f"{request.provider.name} gave no answer", hint="check --base-url")


def words_of(content):
    try:
        return error_text(json.loads(content))
    except (ValueError, RecursionError):
        return ""


def seconds(value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < math.inf else None
