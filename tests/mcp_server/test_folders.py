"""What may be read, and what may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import Forbidden, MediaNotFound, UsageError
from mediasense_mcp_server.folders import Folders, folders_of

from .conftest import words


@pytest.fixture
def house(tmp_path: Path) -> Folders:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / "shot.png").write_bytes(b"a picture")
    (inside / "own.png").symlink_to(inside / "deep" / "shot.png")
    (inside / "out.png").symlink_to(outside / "shot.png")
    (inside / "out").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    os.mkfifo(inside / "pipe")
    return Folders(allowed=(inside.resolve(),))


@pytest.mark.parametrize(
    "named",
    [
        "deep/shot.png",
        "./deep/../deep/shot.png",
        "{inside}/deep/shot.png",
        "own.png",
        "file://{inside}/deep/shot.png",
        "file://localhost{inside}/deep/shot%2Epng",
        "FILE:{inside}/deep/shot.png",
    ],
)
def test_a_file_in_a_folder_is_read_by_any_of_its_names(house, named):
    (inside,) = house.allowed
    assert house.source(named.format(inside=inside)) == inside / "deep" / "shot.png"


@pytest.mark.parametrize(
    "named",
    [
        "../outside/shot.png",
        "deep/../../outside/shot.png",
        "{outside}/shot.png",
        "{inside}/../outside/shot.png",
        "out.png",
        "out/shot.png",
        "file://{outside}/shot.png",
        "file:///%2e%2e{outside}/shot.png",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "~/shot.png",
        "{inside}-beside/shot.png",
    ],
)
def test_a_file_elsewhere_is_not_read(house, named):
    (inside,) = house.allowed
    outside = inside.parent / "outside"
    with pytest.raises(Forbidden, match="outside of the folders"):
        house.source(named.format(inside=inside, outside=outside))


def test_whether_a_file_elsewhere_is_there_is_not_told(house):
    said = set()
    for name in ("shot.png", "nowhere.png"):
        with pytest.raises(Forbidden) as caught:
            house.source(f"../outside/{name}")
        said.add(str(caught.value).replace(name, ""))
    assert len(said) == 1


@pytest.mark.parametrize(
    "named",
    ["nowhere.png", "deep", "pipe", "loop", "", " ", "a\0b", "x" * 300, "x" * 5000, "-", "a:b",
     "file://other.example/shot.png", "file:relative.png", "file://[/x"],
)  # fmt: skip
def test_what_is_no_plain_file_is_not_found(house, named):
    with pytest.raises((MediaNotFound, Forbidden)):
        house.source(named)


@pytest.mark.parametrize(
    "link", ["https://example.com/shot.png", "http://example.com/shot.png", "HTTPS://x.example/"]
)
def test_links_are_followed_only_where_they_may_be(house, link):
    with pytest.raises(Forbidden, match="links are not fetched"):
        house.source(link)
    assert Folders(allowed=house.allowed, links=True).source(link) == link


@pytest.mark.parametrize(
    "uri", ["data:image/png;base64,AAAA", "gs://bucket/x.png", "s3://b/x", "ftp://x.example/y"]
)
def test_other_uris_are_never_followed(house, uri):
    with pytest.raises(Forbidden):
        Folders(allowed=house.allowed, links=True).source(uri)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from(
                ["..", ".", "", "deep", "out", "out.png", "own.png", "shot.png", "~", "loop",
                 "file:", "file://", "%2e%2e", "/", "//", "\\", "outside", "inside", "\n", "\0"]
            ),
            st.text(max_size=8),
        ),
        max_size=8,
    ),
    between=st.sampled_from(["/", "", "//", "\\"]),
)  # fmt: skip
def test_whatever_is_named_nothing_elsewhere_is_read(house, parts, between):
    named = between.join(parts)
    try:
        source = house.source(named)
    except (Forbidden, MediaNotFound):
        return
    assert isinstance(source, Path)
    assert source.resolve().is_relative_to(house.allowed[0])
    assert source.is_file()


def test_a_name_in_the_second_folder_is_found(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two" / "shot.png").write_bytes(b"x")
    both = folders_of([str(tmp_path / "one"), str(tmp_path / "two")], links=False)
    assert both.source("shot.png") == (tmp_path / "two" / "shot.png").resolve()


def test_a_folder_is_known_by_its_true_name(tmp_path):
    (tmp_path / "true").mkdir()
    (tmp_path / "true" / "shot.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "true")
    folders = folders_of([str(tmp_path / "link")], links=False)
    assert folders.source("shot.png") == (tmp_path / "true" / "shot.png").resolve()


def test_without_a_folder_it_is_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folders_of([], links=False).allowed == (tmp_path.resolve(),)


def test_all_there_is_may_be_read_only_where_somebody_says_so(monkeypatch, empty_environment):
    for wide in ("/", str(empty_environment)):
        monkeypatch.chdir(wide)
        with pytest.raises(UsageError, match="nobody said that all of it may be read"):
            folders_of([], links=False)
        assert folders_of([wide], links=False).allowed == (Path(wide).resolve(),)


@pytest.mark.parametrize("named", ["nowhere", "/etc/passwd"])
def test_what_is_no_folder_is_refused_at_the_start(named):
    with pytest.raises(UsageError, match="--allow"):
        folders_of([named], links=False)


def test_an_agent_is_told_what_it_may_read(agent, shared_place):
    for path in ("../outside/shot.png", str(shared_place.outside / "shot.png")):
        result = agent.call("look_at_image", path="shot.png", also=[path])
        assert result.is_error
        assert "outside of the folders" in words(result)
        assert str(shared_place.folder) in words(result)


@pytest.mark.parametrize(
    "tool", ["look_at_image", "watch_video", "listen_to_sound", "get_key_frames", "plan"]
)
def test_every_tool_with_a_path_keeps_to_the_folders(agent, tool):
    result = agent.call(tool, path="/etc/passwd")
    assert result.is_error
    assert "outside of the folders" in words(result)
    assert "links are not fetched" in words(agent.call(tool, path="https://example.com/x.mp4"))


def test_links_to_this_machine_are_not_fetched_even_where_links_are(place, httpserver):
    httpserver.expect_request("/shot.png").respond_with_data(b"x", content_type="image/png")
    with place.agent("--allow-urls") as agent:
        result = agent.call("look_at_image", path=httpserver.url_for("/shot.png"), question="?")
    assert result.is_error
    assert httpserver.log == []
