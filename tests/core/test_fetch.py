"""Downloads, ``data:`` URIs and standard input, with real servers on this machine."""

from __future__ import annotations

import base64
import io
import logging
import os
import shutil
import socket
import ssl
import stat
import string
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from mediasense.errors import (
    CorruptMedia,
    MediaError,
    MediaNotFound,
    MediasenseError,
    MediaTooLarge,
    UnsafeEndpoint,
    UsageError,
)
from mediasense.media.fetch import download, read_data_uri, sockets, spool
from mediasense.media.fetch.addresses import is_public, parse_link

BODY = bytes(range(256)) * 4096

# The folder and the servers of one test serve all its examples.
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "private").mkdir()
    return tmp_path / "private"


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


def fails(url, folder, error=MediaError, *, allow_private=True, **options):
    """The error of a download that must leave nothing behind."""
    with pytest.raises(error) as caught:
        download(url, folder, allow_private=allow_private, **options)
    assert type(caught.value) is error
    assert list(folder.iterdir()) == []
    return caught.value


# --- what arrives --------------------------------------------------------------------------------


def test_a_file_arrives_as_it_was_sent(httpserver, folder):
    httpserver.expect_request("/a.bin").respond_with_data(BODY, content_type="Video/MP4; x=y")
    fetched = download(httpserver.url_for("/a.bin"), folder, allow_private=True)
    assert fetched.path.read_bytes() == BODY
    assert fetched.path.parent == folder
    assert fetched.size == len(BODY)
    assert fetched.mime_type == "video/mp4"


def test_the_file_is_private_and_has_a_name_of_ours(httpserver, folder):
    httpserver.expect_request("/holiday.mp4").respond_with_data(BODY)
    fetched = download(httpserver.url_for("/holiday.mp4"), folder, allow_private=True)
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o600
    assert "holiday" not in fetched.path.name


def test_what_is_reported_as_its_link_has_no_query(httpserver, folder):
    httpserver.expect_request("/a").respond_with_data(b"x")
    url = httpserver.url_for("/a")
    assert download(f"{url}?sig=secret#t", folder, allow_private=True).url == url


def test_the_query_is_sent_as_it_is(httpserver, folder):
    query = "X-Sig=a%2Fb%3D&x=[1]'"
    httpserver.expect_request("/a", query_string=query).respond_with_data(b"x")
    assert download(httpserver.url_for(f"/a?{query}"), folder, allow_private=True).size == 1


def test_a_request_tells_nothing_about_the_user(raw_server, folder, monkeypatch, empty_environment):
    (empty_environment / ".netrc").write_text("default login me password secret")
    server = raw_server(head("Content-Length: 1") + b"x")
    download(f"{server.url}/a?b#c", folder, allow_private=True)
    assert server.received[0].split(b"\r\n") == [
        b"GET /a?b HTTP/1.1",
        f"Host: {server.url.removeprefix('http://')}".encode(),
        b"User-Agent: mediasense",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"Connection: close",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        head() + b"abcde",
        head("Content-Length: 5") + b"abcdefgh",
        head("Content-Length: 5", "Content-Encoding: identity") + b"abcde",
        head("Content-Length: nonsense") + b"abcde",
        head(status="100 Continue") + head("Content-Length: 5") + b"abcde",
    ],
    ids=["chunked", "until-closed", "more-than-said", "identity", "bad-length", "continue"],
)
def test_a_body_is_read_however_it_is_framed(answer, raw_server, folder):
    fetched = download(raw_server(answer).url, folder, allow_private=True)
    assert fetched.path.read_bytes() == b"abcde"


@pytest.mark.parametrize("stated", ["", "nonsense", "a/b/c", "text html", "../../etc", "é/x"])
def test_a_type_that_is_none_is_not_passed_on(stated, raw_server, folder):
    server = raw_server(head(f"Content-Type: {stated}", "Content-Length: 1") + b"x")
    assert download(server.url, folder, allow_private=True).mime_type == ""


def test_progress_counts_up_to_the_whole(httpserver, folder):
    httpserver.expect_request("/a").respond_with_data(BODY)
    calls = []
    download(
        httpserver.url_for("/a"),
        folder,
        allow_private=True,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (len(BODY), len(BODY))
    assert calls == sorted(calls)


def test_progress_without_a_length_has_no_total(raw_server, folder):
    calls = []
    download(
        raw_server(head() + b"abc").url,
        folder,
        allow_private=True,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (3, None)


def test_a_download_that_is_interrupted_leaves_nothing(httpserver, folder):
    httpserver.expect_request("/a").respond_with_data(BODY)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(httpserver.url_for("/a"), folder, allow_private=True, on_progress=interrupt)
    assert list(folder.iterdir()) == []


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there_is_not_found(status, httpserver, folder):
    httpserver.expect_request("/a").respond_with_data(b"no", status=status)
    error = fails(httpserver.url_for("/a?sig=secret"), folder, MediaNotFound)
    assert f"/a ({status})" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "login"),
        (403, "login"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
        (400, "browser"),
        (204, "browser"),
        (206, "browser"),
        (304, "browser"),
    ],
)
def test_another_status_is_named_with_what_to_do(status, hint, httpserver, folder):
    httpserver.expect_request("/a").respond_with_data(b"", status=status)
    error = fails(httpserver.url_for("/a?sig=secret"), folder)
    assert f"/a answered {status}" in error.message
    assert hint in error.hint
    assert "secret" not in str(error)


def test_a_file_that_is_too_large_by_its_own_account_is_not_read(raw_server, folder):
    # The body never comes: waiting for it would be another error.
    server = raw_server(head("Content-Length: 1001"))
    fails(server.url, folder, MediaTooLarge, max_bytes=1000)


@pytest.mark.parametrize(
    "answer",
    [
        head() + b"x" * 1001,
        head("Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked", "Content-Length: 5")
        + b"3e9\r\n"
        + b"x" * 1001
        + b"\r\n0\r\n\r\n",
    ],
    ids=["until-closed", "chunked", "chunked-with-a-false-length"],
)
def test_a_file_that_turns_out_too_large_is_cut_off(answer, raw_server, folder):
    fails(raw_server(answer).url, folder, MediaTooLarge, max_bytes=1000)


def test_a_file_of_exactly_the_largest_size_is_taken(raw_server, folder):
    server = raw_server(head() + b"x" * 1000)
    assert download(server.url, folder, max_bytes=1000, allow_private=True).size == 1000


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, identity", "x\x1b[31m"])
def test_a_compressed_body_is_refused(encoding, raw_server, folder):
    server = raw_server(head(f"Content-Encoding: {encoding}", "Content-Length: 3") + b"abc")
    assert fails(server.url, folder).message.isprintable()


def test_a_file_that_breaks_off_is_an_error(raw_server, folder):
    error = fails(raw_server(head("Content-Length: 10") + b"abc").url, folder)
    assert "broke off at 3 of 10 bytes" in str(error)


def test_chunks_that_break_off_are_an_error(raw_server, folder):
    server = raw_server(head("Transfer-Encoding: chunked") + b"5\r\nabc")
    assert "in the middle" in str(fails(server.url, folder))


def test_chunks_without_their_end_are_an_error(raw_server, folder):
    server = raw_server(head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
    fails(server.url, folder)


@pytest.mark.parametrize("length", ["Content-Length: 0", "X-Nothing: 1"])
def test_an_empty_file_is_an_error(length, raw_server, folder):
    fails(raw_server(head(length)).url, folder, CorruptMedia)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        head("Transfer-Encoding: chunked") + b"zz\r\nabc\r\n",
        head("Transfer-Encoding: chunked") + b"-5\r\nabc\r\n",
        b"\x00" * 1000,
    ],
    ids=["nothing", "ssh", "status", "long-header", "headers", "chunk", "negative-chunk", "zeros"],
)
def test_an_answer_that_is_not_http_is_an_error_of_one_line(answer, raw_server, folder):
    error = fails(f"{raw_server(answer).url}/a?sig=secret", folder)
    assert str(error).isprintable()
    assert "secret" not in str(error)


def test_a_connection_that_is_reset_is_an_error(raw_server, folder):
    server = raw_server(head("Content-Length: 99") + b"abc", reset=True)
    assert server.url.removeprefix("http://") in str(fails(server.url, folder))


def test_nobody_there_is_an_error_that_names_host_and_cause(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = fails(f"http://127.0.0.1:{port}/a?sig=secret", folder)
    assert error.message == f"127.0.0.1:{port} cannot be read from: Connection refused"


def test_a_server_that_says_nothing_is_given_up_on(raw_server, folder):
    error = fails(raw_server(delay=30).url, folder, timeout=0.2)
    assert "no answer in 0.2 s" in str(error)


class Drip:
    """A server that sends a byte whenever nobody expects it, for ever."""

    def __init__(self, start: bytes, drop: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(start, drop), daemon=True)
        self.thread.start()

    def serve(self, start: bytes, drop: bytes) -> None:
        connection, _ = self.listener.accept()
        with connection:
            try:
                connection.sendall(start)
                while not self.stop.wait(0.05):
                    connection.sendall(drop)
            except OSError:
                pass

    def close(self) -> None:
        self.stop.set()
        self.thread.join(5)
        self.listener.close()


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (head(), b"x"),
        (head("Content-Length: 1000000"), b"x"),
        (head("Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
        (head("Transfer-Encoding: chunked") + b"0\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 ", b"2"),
        (b"", head(status="100 Continue")),
    ],
    ids=["body", "body-with-length", "chunks", "trailers", "header", "status", "continue"],
)
def test_a_server_that_drips_is_cut_off(start, drop, folder):
    server = Drip(start, drop)
    try:
        error = fails(f"{server.url}/a?sig=secret", folder, total_timeout=0.6)
    finally:
        server.close()
    assert "/a did not arrive within 0.6 s" in str(error)
    assert "secret" not in str(error)


def test_a_full_disk_is_an_error_of_ours(httpserver, folder, monkeypatch):
    httpserver.expect_request("/a").respond_with_data(BODY)
    write = os.write

    def full(descriptor, data):
        if len(data) > 1000:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    assert "No space left" in str(fails(httpserver.url_for("/a"), folder))


def test_a_folder_that_has_gone_is_an_error_of_ours(httpserver, tmp_path):
    httpserver.expect_request("/a").respond_with_data(BODY)
    with pytest.raises(MediaError, match="No such file"):
        download(httpserver.url_for("/a"), tmp_path / "gone", allow_private=True)


def test_nothing_is_logged(raw_server, folder, caplog):
    caplog.set_level(logging.DEBUG)
    server = raw_server(head("Broken header", "Content-Length: 1") + b"x")
    download(f"{server.url}/a?sig=secret", folder, allow_private=True)
    assert "secret" not in caplog.text
    assert caplog.records == []


# --- where it may go -----------------------------------------------------------------------------


@pytest.fixture
def lookups(monkeypatch):
    """Answers of the name service: ``lookups["name"] = [first answer, second answer, ...]``."""
    answers: dict[str, list[list[str]]] = {}
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        asked.append(host)
        if host not in answers:
            return real(host, port, *args, **kwargs)
        found = answers[host].pop(0)
        return [entry for address in found for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    getaddrinfo.asked = asked
    answers["asked"] = asked
    return answers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "127.1",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "127。0。0。1",
    ],
)
def test_an_address_that_is_not_public_is_refused(host, folder):
    error = fails(f"https://{host}/a", folder, UnsafeEndpoint, allow_private=False)
    assert "--allow-private" in error.hint


def test_loopback_without_encryption_needs_the_flag_too(httpserver, folder):
    fails(httpserver.url_for("/a"), folder, UnsafeEndpoint, allow_private=False)
    assert httpserver.log == []


@pytest.mark.parametrize("allow_private", [False, True])
def test_plain_http_to_another_machine_is_refused_before_it_is_looked_up(
    allow_private, folder, lookups
):
    error = fails("http://a.example/a", folder, UnsafeEndpoint, allow_private=allow_private)
    assert "--allow-http" in error.hint
    assert lookups["asked"] == []


def test_plain_http_to_another_machine_is_taken_when_asked_for(httpserver, folder, lookups):
    lookups["a.example"] = [["127.0.0.1"]]
    httpserver.expect_request("/a").respond_with_data(b"x")
    url = f"http://a.example:{httpserver.port}/a"
    assert download(url, folder, allow_private=True, allow_http=True).url == url


def test_the_server_is_told_the_name_and_not_the_address(raw_server, folder, lookups):
    server = raw_server(head("Content-Length: 1") + b"x")
    port = server.url.rpartition(":")[2]
    lookups["a.example"] = [["127.0.0.1"]]
    download(f"http://A.example:{port}/", folder, allow_private=True, allow_http=True)
    assert f"\r\nHost: a.example:{port}\r\n".encode() in server.received[0]


def test_one_private_address_among_public_ones_is_refused(folder, lookups):
    lookups["a.example"] = [["1.1.1.1", "10.0.0.1"]]
    fails("https://a.example/a", folder, UnsafeEndpoint, allow_private=False)


def test_a_name_is_looked_up_once_so_it_cannot_change(httpserver, folder, lookups):
    httpserver.expect_request("/a").respond_with_data(b"x")
    lookups["a.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    url = f"http://a.example:{httpserver.port}/a"
    seen = []
    download(url, folder, allow_http=True, allowed=lambda address: seen.append(address) or True)
    assert lookups["asked"] == ["a.example"]
    assert seen == ["127.0.0.1"]


def test_the_second_address_is_used_when_the_first_does_not_answer(httpserver, folder, lookups):
    if not socket.has_ipv6:
        pytest.skip("needs a second address of this machine")
    httpserver.expect_request("/a").respond_with_data(b"x")
    lookups["a.example"] = [["::1", "127.0.0.1"]]
    url = f"http://a.example:{httpserver.port}/a"
    assert download(url, folder, allow_private=True, allow_http=True).size == 1


def test_a_host_that_is_not_there_is_an_error(folder, monkeypatch):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = fails("https://a.example/a?sig=secret", folder)
    assert error.message == "the host a.example is not found: Name or service not known"


def test_a_password_in_the_link_is_refused(folder):
    error = fails("https://me:secret@a.example/", folder, UnsafeEndpoint)
    assert "secret" not in str(error)


# --- redirects -----------------------------------------------------------------------------------


def redirect(httpserver, path, location, status=302):
    httpserver.expect_request(path).respond_with_response(
        Response(status=status, headers={"Location": location})
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status, httpserver, folder):
    redirect(httpserver, "/a", "/b?sig=secret", status)
    httpserver.expect_request("/b", query_string="sig=secret").respond_with_data(b"x")
    fetched = download(httpserver.url_for("/a"), folder, allow_private=True)
    assert fetched.url == httpserver.url_for("/b")


def test_five_redirects_are_followed_and_a_sixth_is_not(httpserver, folder):
    for number in range(6):
        redirect(httpserver, f"/{number}", f"/{number + 1}")
    httpserver.expect_request("/6").respond_with_data(b"x")
    download(httpserver.url_for("/1"), folder, allow_private=True).path.unlink()
    assert "more than 5 times" in str(fails(httpserver.url_for("/0"), folder))


def test_a_redirect_to_itself_ends(httpserver, folder):
    redirect(httpserver, "/a", "/a")
    assert "more than 5 times" in str(fails(httpserver.url_for("/a?sig=secret"), folder))
    assert len(httpserver.log) == 6


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://10.0.0.1/",
        "//192.168.1.1:443/",
        "https://0xa9fea9fe/",
        "https://[::ffff:169.254.169.254]/",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(location, httpserver, folder):
    location = location if location.startswith("https") else f"https:{location}"
    redirect(httpserver, "/a", location)
    error = fails(
        httpserver.url_for("/a"),
        folder,
        UnsafeEndpoint,
        allow_private=False,
        allowed=lambda address: address == "127.0.0.1",
    )
    assert "--allow-private" in error.hint
    assert len(httpserver.log) == 1


def test_a_name_that_turns_private_after_a_redirect_is_refused(httpserver, folder, lookups):
    lookups["a.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    url = f"http://a.example:{httpserver.port}/a"
    redirect(httpserver, "/a", "/b")
    fails(
        url,
        folder,
        UnsafeEndpoint,
        allow_private=False,
        allow_http=True,
        allowed=lambda address: address == "127.0.0.1",
    )


def test_a_redirect_to_another_machine_without_encryption_is_refused(httpserver, folder):
    redirect(httpserver, "/a", "http://a.example/b")
    error = fails(httpserver.url_for("/a"), folder, UnsafeEndpoint)
    assert "--allow-http" in error.hint


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://a.example/", "javascript:alert(1)", "https://", "https://[::g]/"],
)
def test_a_redirect_to_what_is_no_link_is_an_error(location, raw_server, folder):
    server = raw_server(head(f"Location: {location}", status="302 Found"))
    assert "127.0.0.1 redirects: the link" in str(fails(server.url, folder))


def test_a_redirect_with_a_password_is_refused(raw_server, folder):
    server = raw_server(head("Location: https://me:secret@a.example/", status="302 Found"))
    assert "secret" not in str(fails(server.url, folder, UnsafeEndpoint))


@pytest.mark.parametrize("location", ["/b é", "/b \u00c3\u00a9", "/b%20%C3%A9"])
def test_a_redirect_that_is_not_quoted_is_understood(location, raw_server, httpserver, folder):
    httpserver.expect_request("/b é").respond_with_data(b"x")
    target = httpserver.url_for("").rstrip("/") + location
    server = raw_server(head(f"Location: {target}", status="302 Found"))
    assert download(server.url, folder, allow_private=True).size == 1


def test_a_redirect_without_a_target_is_an_error(raw_server, folder):
    assert "answered 302" in str(fails(raw_server(head(status="302 Found")).url, folder))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60))
def test_any_location_is_followed_or_an_error_of_ours(raw_server, folder, location):
    server = raw_server(head(f"Location: {location}", status="302 Found"))
    with pytest.raises(MediasenseError):
        download(server.url, folder, allowed=lambda address: address == "127.0.0.1", timeout=5)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda body: head() + body))
def test_any_answer_is_a_file_or_an_error_of_ours(raw_server, folder, answer):
    server = raw_server(answer)
    try:
        fetched = download(server.url, folder, allow_private=True, max_bytes=150)
    except MediasenseError:
        assert list(folder.iterdir()) == []
    else:
        assert 0 < fetched.path.stat().st_size == fetched.size <= 150
        fetched.path.unlink()


@settings(SHARED)
@given(st.text() | st.text().map("https://{}@127.0.0.1/".format))
def test_any_text_that_is_no_link_is_an_error_of_ours(folder, url):
    with pytest.raises(MediasenseError):
        download(url, folder, allowed=lambda _: False)


# --- encryption and proxies ----------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path):
    """A certificate of ``right.example`` that signs itself: the file, and a context to serve it."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl makes the certificate")
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    wanted = "-x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=right.example"
    names = ["-addext", "subjectAltName=DNS:right.example"]
    command = [openssl, "req", *wanted.split(), *names, "-keyout", key, "-out", file]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


@pytest.fixture
def https_server(certificate, lookups):
    with HTTPServer(host="127.0.0.1", ssl_context=certificate[1]) as server:
        server.expect_request("/a").respond_with_data(b"x")
        for name in ("right.example", "wrong.example"):
            lookups[name] = [["127.0.0.1"]]
        yield server


def test_a_certificate_is_checked_against_the_name(https_server, certificate, folder, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    right, wrong = (f"https://{n}.example:{https_server.port}/a" for n in ("right", "wrong"))
    download(right, folder, allow_private=True).path.unlink()
    assert "certificate is not trusted" in str(fails(wrong, folder))


def test_a_certificate_that_nobody_vouches_for_is_refused(https_server, folder):
    url = f"https://right.example:{https_server.port}/a?sig=secret"
    error = fails(url, folder)
    assert "certificate is not trusted" in str(error)
    assert "secret" not in str(error)


def test_a_server_without_encryption_is_no_https_server(httpserver, folder):
    url = httpserver.url_for("/a").replace("http:", "https:")
    assert "no encryption could be agreed on" in str(fails(url, folder))


@pytest.fixture
def proxy(raw_server, monkeypatch):
    server = raw_server(head(status="502 Bad Gateway"))
    monkeypatch.setenv("HTTPS_PROXY", server.url.replace("http://", "http://me:pass%20word@"))
    return server


def test_a_proxy_is_used_when_private_addresses_are_allowed(proxy, folder):
    error = fails("https://a.example/a?sig=secret", folder)
    request = proxy.received[0]
    assert request.startswith(b"CONNECT a.example:443 ")
    assert b"Basic " + base64.b64encode(b"me:pass word") in request
    assert b"secret" not in request
    assert "502" in str(error)


def test_no_proxy_is_used_otherwise_and_the_error_says_so(proxy, folder, monkeypatch):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = fails("https://a.example/a", folder, allow_private=False)
    assert "--allow-private" in error.hint
    assert proxy.received == []


def test_no_proxy_sees_what_is_not_encrypted(proxy, httpserver, folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    httpserver.expect_request("/a").respond_with_data(b"x")
    assert download(httpserver.url_for("/a"), folder, allow_private=True).size == 1
    assert proxy.received == []


def test_a_proxy_of_another_kind_is_named_as_such(folder, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    assert "HTTPS_PROXY" in str(fails("https://a.example/a", folder))


def test_a_host_can_be_checked_without_going_there(lookups):
    lookups["a.example"] = [["1.1.1.1"], ["1.1.1.1", "127.0.0.1"]]
    link = parse_link("https://a.example/")
    sockets.check_host(link, allowed=is_public, allow_http=False)
    with pytest.raises(UnsafeEndpoint):
        sockets.check_host(link, allowed=is_public, allow_http=False)
    sockets.check_host(link, allowed=None, allow_http=False)


# --- data: URIs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:,abc", b"abc"),
        ("DATA:text/plain;charset=utf-8,a%20b%00", b"a b\0"),
        ("data:;base64,YWI=", b"ab"),
        ("data:image/png;base64,YWI", b"ab"),
        ("data:image/png;x=y;BASE64,YWJj", b"abc"),
        ("data:image/png; base64 ,YWJj", b"abc"),
        ("data:;base64, YW\r\n Jj\t", b"abc"),
        ("data:;base64,YWI%3D", b"ab"),
        ("data:;base64,%2B%2F%2b%2f", b"\xfb\xff\xbf"),
        ("data:;base64,YWI=#part", b"ab"),
        ("data:,a,b", b"a,b"),
        ("data:,%zz", b"%zz"),
        ("data:base64,YWI", b"YWI"),
    ],
)
def test_a_data_uri_holds_its_bytes(uri, data):
    assert read_data_uri(uri) == data


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:SECRET",
        "data:;base64SECRET",
        "SECRET,abc",
        "https://a.org/,SECRET",
        "data:;base64,SECRET.",
        "data:;base64,SECR=ET",
        "data:;base64,SECRE",
        "data:;base64,SECRET=",
        "data:;base64,SECRETS==",
        "data:;base64,SECRET===",
        "data:;base64,SECRET-_",
        "data:;base64,SECRETé",
        "data:,SECRETé",
    ],
)
def test_a_uri_that_is_malformed_is_refused_and_not_shown(uri):
    with pytest.raises(UsageError) as caught:
        read_data_uri(uri)
    assert "SECR" not in str(caught.value)


@pytest.mark.parametrize("uri", ["data:,", "data:;base64,", "data:;base64,%20", "data:,#abc"])
def test_a_uri_that_holds_nothing_is_empty(uri):
    with pytest.raises(CorruptMedia):
        read_data_uri(uri)


@given(st.binary(min_size=1), st.booleans(), st.booleans())
def test_base64_comes_back(data, padded, quoted):
    text = base64.b64encode(data).decode()
    text = text if padded else text.rstrip("=")
    text = "".join(f"%{ord(c):02X}" for c in text) if quoted else text
    assert read_data_uri(f"data:x/y;base64,{text}", max_bytes=len(data)) == data


@given(st.binary(min_size=1), st.sampled_from(["", string.printable.replace("%", "")]))
def test_percent_signs_come_back(data, safe):
    safe = "".join(c for c in safe if not c.isspace() and c != "#")
    assert read_data_uri(f"data:,{quote_from_bytes(data, safe)}", max_bytes=len(data)) == data


@given(st.binary(min_size=1), st.integers(0, 200))
def test_a_uri_holds_no_more_than_is_taken(data, limit):
    uri = f"data:;base64,{base64.b64encode(data).decode()}"
    if len(data) <= limit:
        assert read_data_uri(uri, max_bytes=limit) == data
    else:
        with pytest.raises(MediaTooLarge):
            read_data_uri(uri, max_bytes=limit)


@given(st.text() | st.text().map("data:{}".format) | st.text().map("data:;base64,{}".format))
def test_any_text_holds_bytes_or_is_an_error_of_ours(uri):
    try:
        data = read_data_uri(uri)
    except MediasenseError:
        return
    assert 0 < len(data) <= len(uri.encode("utf-8", "surrogatepass"))


# --- standard input ------------------------------------------------------------------------------


def test_a_stream_becomes_a_private_file(folder):
    path = spool(io.BytesIO(BODY), folder)
    assert path.read_bytes() == BODY
    assert path.parent == folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_pipe_is_read_to_its_end(folder):
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as pipe:
            for start in range(0, len(BODY), 70_000):
                pipe.write(BODY[start : start + 70_000])
                pipe.flush()

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        path = spool(pipe, folder)
    thread.join()
    assert path.read_bytes() == BODY


@settings(SHARED)
@given(st.binary(max_size=3000), st.integers(0, 3000), st.integers(1, 700))
def test_a_stream_is_kept_whole_or_not_at_all(folder, data, limit, most):
    class Hesitant(io.BytesIO):
        def read(self, size=-1, /):
            return super().read(min(size, most))

    if 0 < len(data) <= limit:
        path = spool(Hesitant(data), folder, max_bytes=limit)
        assert path.read_bytes() == data
        path.unlink()
    else:
        with pytest.raises(MediaTooLarge if data else CorruptMedia):
            spool(Hesitant(data), folder, max_bytes=limit)
        assert list(folder.iterdir()) == []


def test_a_stream_that_never_ends_is_cut_off(folder):
    with (
        Path("/dev/zero").open("rb") as zeros,
        pytest.raises(MediaTooLarge, match=r"more than 3 MiB"),
    ):
        spool(zeros, folder, max_bytes=3 * 1024**2)
    assert list(folder.iterdir()) == []


def test_a_stream_that_does_not_wait_is_not_taken_for_a_short_one(folder):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(writing, "wb") as pipe, os.fdopen(reading, "rb") as stream:
        pipe.write(b"abc")
        pipe.flush()
        with pytest.raises(MediaError, match="does not wait"):
            spool(stream, folder)
    assert list(folder.iterdir()) == []


def test_a_stream_that_is_closed_is_an_error(folder):
    stream = io.BytesIO(b"abc")
    stream.close()
    with pytest.raises(MediaError, match="standard input cannot be read: it is closed"):
        spool(stream, folder)
