"""Links to sites, with yt-dlp itself and pages of this machine."""

from __future__ import annotations

import logging
import socket
import stat
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug import Response

from mediasense.errors import (
    MediaError,
    MediasenseError,
    MediaTooLarge,
    UnsafeEndpoint,
    UsageError,
)
from mediasense.media.fetch.sites import download_site

# yt-dlp closes neither its file nor its connection when it is stopped in the middle.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
needs_yt_dlp = pytest.mark.usefixtures("yt_dlp")


@pytest.fixture
def yt_dlp():
    return pytest.importorskip("yt_dlp", reason="the download extra is not installed")


@pytest.fixture
def without_yt_dlp(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "yt_dlp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yt_dlp", None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "private").mkdir()
    return tmp_path / "private"


@pytest.fixture
def clip(tmp_path, make_video):
    return make_video(tmp_path / "clip.mp4", sound=True).read_bytes()


@pytest.fixture
def page(httpserver, clip):
    """Serve pages: ``page("/a", "first.mp4", "second.mp4")`` is the link of one that shows both."""

    def serve(path, *videos):
        tags = "".join(f'<video src="{video}"></video>' for video in videos)
        html = f"<html><head><title>A page</title></head><body>{tags}</body></html>"
        httpserver.expect_request(path).respond_with_data(html, content_type="text/html")
        for video in videos:
            if "//" not in video:
                httpserver.expect_request(f"/{video.partition('?')[0]}").respond_with_data(
                    clip, content_type="video/mp4"
                )
        return httpserver.url_for(path)

    return serve


def fails(url, folder, error=MediaError, *, allow_private=True, **options):
    """The error of a download that must leave nothing behind."""
    with pytest.raises(error) as caught:
        download_site(url, folder, allow_private=allow_private, **options)
    assert type(caught.value) is error
    assert list(folder.iterdir()) == []
    return caught.value


@needs_yt_dlp
def test_the_video_of_a_page_arrives(page, folder, clip):
    url = page("/a", "holiday.mp4")
    fetched = download_site(f"{url}?sig=secret", folder, allow_private=True)
    assert fetched.path.read_bytes() == clip
    assert fetched.path.parent == folder
    assert (fetched.size, fetched.mime_type, fetched.url) == (len(clip), "", url)
    assert list(folder.iterdir()) == [fetched.path]


@needs_yt_dlp
def test_the_file_is_private_and_has_a_name_of_ours(page, folder):
    fetched = download_site(page("/a", "holiday.mp4"), folder, allow_private=True)
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o600
    assert "holiday" not in fetched.path.name
    assert "page" not in fetched.path.name


@needs_yt_dlp
def test_a_folder_with_odd_characters_is_taken_as_it_is(page, tmp_path):
    folder = tmp_path / "100%(title)s $HOME ~"
    folder.mkdir()
    fetched = download_site(page("/a", "holiday.mp4"), folder, allow_private=True)
    assert fetched.path.parent == folder


@needs_yt_dlp
def test_nothing_is_printed_or_logged(page, folder, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    fails(page("/b"), folder)
    download_site(page("/a", "holiday.mp4"), folder, allow_private=True)
    assert capfd.readouterr() == ("", "")
    assert {record.name for record in caplog.records} <= {"werkzeug"}


@needs_yt_dlp
def test_settings_and_home_are_left_alone(page, folder, empty_environment, monkeypatch):
    for name in (".config/yt-dlp", ".config", ""):
        (empty_environment / name).mkdir(parents=True, exist_ok=True)
        (empty_environment / name / "yt-dlp.conf").write_text("--format nothing --exec false")
    (empty_environment / ".config/yt-dlp/config").write_text("--format nothing --write-info-json")
    before = sorted(empty_environment.rglob("*"))
    download_site(page("/a", "holiday.mp4"), folder, allow_private=True)
    assert sorted(empty_environment.rglob("*")) == before


@needs_yt_dlp
def test_progress_counts_up_to_the_whole(page, folder, clip):
    calls = []
    download_site(
        page("/a", "holiday.mp4"),
        folder,
        allow_private=True,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[0] == (0, None)
    assert (len(clip), len(clip)) in calls
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@needs_yt_dlp
def test_pieces_of_a_stream_are_joined_without_another_program(httpserver, folder, monkeypatch):
    def popen(*args, **kwargs):
        raise AssertionError("no program is started")

    monkeypatch.setattr(subprocess, "Popen", popen)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXT-X-PLAYLIST-TYPE:VOD"]
    for number in range(3):
        lines += ["#EXTINF:1,", f"{number}.ts"]
        httpserver.expect_request(f"/{number}.ts").respond_with_data(bytes([number]) * 188)
    listed = "\n".join([*lines, "#EXT-X-ENDLIST"])
    kind = "application/vnd.apple.mpegurl"
    httpserver.expect_request("/a.m3u8").respond_with_data(listed, content_type=kind)
    fetched = download_site(httpserver.url_for("/a.m3u8"), folder, allow_private=True)
    assert fetched.path.read_bytes() == b"".join(bytes([n]) * 188 for n in range(3))
    assert list(folder.iterdir()) == [fetched.path]


@needs_yt_dlp
def test_a_stream_with_a_missing_piece_is_an_error(httpserver, folder):
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "0.ts", "#EXTINF:1,", "1.ts"]
    listed = "\n".join([*lines, "#EXT-X-ENDLIST"])
    kind = "application/vnd.apple.mpegurl"
    httpserver.expect_request("/a.m3u8").respond_with_data(listed, content_type=kind)
    httpserver.expect_request("/0.ts").respond_with_data(b"x" * 188)
    fails(httpserver.url_for("/a.m3u8"), folder)


@needs_yt_dlp
def test_what_is_still_going_on_is_refused(httpserver, folder):
    listed = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1,\n0.ts\n"
    kind = "application/vnd.apple.mpegurl"
    httpserver.expect_request("/a.m3u8").respond_with_data(listed, content_type=kind)
    httpserver.expect_request("/0.ts").respond_with_data(b"x" * 188)
    assert "is live" in str(fails(httpserver.url_for("/a.m3u8"), folder))


@needs_yt_dlp
def test_a_page_with_several_videos_is_refused(page, folder):
    error = fails(page("/a", "first.mp4", "second.mp4"), folder)
    assert "shows several" in str(error)


@needs_yt_dlp
def test_a_page_with_nothing_to_show_is_an_error_of_one_line(page, folder):
    error = fails(f"{page('/a')}?sig=secret", folder)
    assert error.hint == "update it: pip install -U yt-dlp"
    assert str(error).isprintable()
    assert "secret" not in str(error)
    assert "ERROR" not in str(error)


@needs_yt_dlp
def test_a_page_that_is_not_there_is_an_error(httpserver, folder):
    assert "/a: " in str(fails(httpserver.url_for("/a?sig=secret"), folder))


@needs_yt_dlp
def test_a_file_that_says_it_is_too_large_is_refused(page, folder, clip):
    fails(page("/a", "holiday.mp4"), folder, MediaTooLarge, max_bytes=len(clip) - 1)


@needs_yt_dlp
def test_a_file_that_turns_out_too_large_is_cut_off(httpserver, folder):
    def stream(request):
        return Response((b"x" * 1000 for _ in range(1000)), content_type="video/mp4")

    httpserver.expect_request("/a.mp4").respond_with_handler(stream)
    fails(httpserver.url_for("/a.mp4"), folder, MediaTooLarge, max_bytes=10_000)


@needs_yt_dlp
def test_a_time_that_is_over_ends_it(page, folder):
    assert "in time" in str(fails(page("/a", "holiday.mp4"), folder, total_timeout=0.0))


@needs_yt_dlp
def test_a_server_that_says_nothing_is_given_up_on(raw_server, folder):
    fails(raw_server(delay=30).url, folder, timeout=0.2)


@needs_yt_dlp
def test_an_interruption_leaves_nothing(page, folder):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_site(page("/a", "h.mp4"), folder, allow_private=True, on_progress=interrupt)
    assert list(folder.iterdir()) == []


# --- where it may go -----------------------------------------------------------------------------


@needs_yt_dlp
def test_a_page_at_a_private_address_is_refused(httpserver, folder):
    error = fails(httpserver.url_for("/a"), folder, UnsafeEndpoint, allow_private=False)
    assert "--allow-private" in error.hint
    assert httpserver.log == []


@needs_yt_dlp
def test_plain_http_to_another_machine_is_refused(folder):
    error = fails("http://a.example/a", folder, UnsafeEndpoint)
    assert "--allow-http" in error.hint


def only_127(address):
    return address == "127.0.0.1"


@pytest.fixture
def other_address():
    """Another address of this machine: private, and not the one that is allowed."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return "[::1]"
    except OSError:
        pytest.skip("this machine has no IPv6")


@needs_yt_dlp
def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(httpserver, folder, other_address):
    target = f"http://{other_address}:{httpserver.port}/b"
    httpserver.expect_request("/a").respond_with_response(
        Response(status=302, headers={"Location": target})
    )
    url = f"http://127.0.0.1:{httpserver.port}/a"
    error = fails(url, folder, UnsafeEndpoint, allow_private=False, allowed=only_127)
    assert "--allow-private" in error.hint
    assert len(httpserver.log) >= 1


@needs_yt_dlp
def test_a_video_at_an_address_that_is_not_allowed_is_refused(
    page, folder, httpserver, other_address
):
    page("/a", f"http://{other_address}:{httpserver.port}/b.mp4")
    url = f"http://127.0.0.1:{httpserver.port}/a"
    fails(url, folder, UnsafeEndpoint, allow_private=False, allowed=only_127)


@needs_yt_dlp
def test_a_name_that_turns_private_is_refused(page, folder, httpserver, monkeypatch, other_address):
    page("/a", "holiday.mp4")
    answers = [["127.0.0.1"], [other_address.strip("[]")]]
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host != "a.example":
            return real(host, port, *args, **kwargs)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in found for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"http://a.example:{httpserver.port}/a"
    fails(url, folder, UnsafeEndpoint, allow_private=False, allow_http=True, allowed=only_127)


@needs_yt_dlp
def test_what_is_allowed_is_reached_while_the_guard_is_up(page, folder, httpserver, clip):
    page("/a", "holiday.mp4")
    url = f"http://127.0.0.1:{httpserver.port}/a"
    assert download_site(url, folder, allowed=only_127).size == len(clip)


@needs_yt_dlp
def test_the_guard_comes_down_afterwards(page, folder, httpserver, other_address):
    fails(httpserver.url_for("/a"), folder, UnsafeEndpoint, allow_private=False)
    url = f"http://127.0.0.1:{httpserver.port}/none"
    fails(url, folder, MediaError, allow_private=False, allowed=only_127)
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        socket.create_connection(server.getsockname()[:2]).close()


@needs_yt_dlp
def test_no_program_is_started_while_the_guard_is_up(page, folder, httpserver):
    page("/a", "holiday.mp4")
    url = f"http://127.0.0.1:{httpserver.port}/a"
    started = []

    def start(done, total):
        if not started:
            with pytest.raises(PermissionError):
                subprocess.run([sys.executable, "-c", ""], check=False)
            started.append(True)

    download_site(url, folder, allowed=only_127, on_progress=start)
    assert started


@needs_yt_dlp
def test_no_proxy_is_used_unless_private_addresses_are_allowed(
    page, folder, httpserver, raw_server, monkeypatch
):
    page("/a", "holiday.mp4")
    proxy = raw_server(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    download_site(f"http://127.0.0.1:{httpserver.port}/a", folder, allowed=only_127)
    assert proxy.received == []


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(url=st.text() | st.text().map("https://{}@127.0.0.1/".format))
@needs_yt_dlp
def test_any_text_that_is_no_link_is_an_error_of_ours(folder, url):
    with pytest.raises(MediasenseError):
        download_site(url, folder, allowed=lambda _: False)


# --- without yt-dlp -------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_yt_dlp")
def test_without_yt_dlp_the_error_says_what_to_install(folder):
    with pytest.raises(UsageError) as caught:
        download_site("https://www.youtube.com/watch?v=dQw4w9WgXcQ", folder)
    assert caught.value.hint == 'type: pip install "mediasense[download]"'
