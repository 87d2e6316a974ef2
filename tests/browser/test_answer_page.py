"""The page of an answer in a browser: what moves together, and how it looks everywhere."""

from __future__ import annotations

import pytest

import mediasense

PLAYS = "document.getElementById('player').readyState >= 1"


@pytest.fixture
def video_page(tmp_path, make_video, make_analysis):
    clip = make_video(tmp_path / "clip.mp4", seconds=4.0, sound=True)
    return mediasense.report(
        make_analysis(), tmp_path / "report.html", source=clip, question="when does it start?"
    )


@pytest.fixture
def page_alone(tmp_path, make_video, make_analysis):
    """A page whose video does not lie beside it."""
    clip = make_video(tmp_path / "clip.mp4", seconds=4.0)
    (tmp_path / "elsewhere").mkdir()
    return mediasense.report(make_analysis(), tmp_path / "elsewhere" / "report.html", source=clip)


@pytest.fixture
def image_page(tmp_path, make_image, make_image_analysis):
    (tmp_path / "shot.png").write_bytes(make_image())
    return mediasense.report(
        make_image_analysis(), tmp_path / "report.html", source=tmp_path / "shot.png"
    )


def test_the_media_beside_the_page_play(visit, video_page):
    tab = visit(video_page)
    tab.page.wait_for_function(PLAYS)
    assert tab.page.evaluate("player.videoWidth") == 160
    assert tab.said == []
    assert tab.asked == []


def test_a_click_on_a_line_seeks_and_shows_its_frame(visit, video_page):
    tab = visit(video_page)
    tab.page.wait_for_function(PLAYS)
    tab.page.get_by_text("And here it ends.").click()
    assert tab.page.evaluate("player.currentTime") == pytest.approx(2.1, abs=0.05)
    chosen = tab.page.locator("#frames figure.chosen time").text_content()
    assert chosen.startswith("0:02")
    assert tab.page.locator(".line.chosen").text_content().endswith("And here it ends.")


def test_a_time_in_the_answer_leads_to_its_moment(visit, video_page):
    tab = visit(video_page)
    tab.page.wait_for_function(PLAYS)
    tab.page.get_by_role("link", name="0:03", exact=True).click()
    assert tab.page.evaluate("player.currentTime") == pytest.approx(3.0, abs=0.05)


def test_playing_lights_up_what_is_said(visit, video_page):
    tab = visit(video_page)
    tab.page.wait_for_function(PLAYS)
    tab.page.evaluate("player.muted = true; player.currentTime = 1.3; player.play()")
    tab.page.locator(".line.chosen", has_text="Here it starts.").wait_for()


def test_a_video_that_cannot_be_loaded_gives_way_to_the_pictures(visit, video_page):
    (video_page.parent / "clip.mp4").unlink()
    tab = visit(video_page)
    tab.page.locator("#large img").wait_for()
    assert not tab.page.locator("#player").is_visible()


def test_without_the_media_the_frames_are_shown_large(visit, page_alone):
    tab = visit(page_alone)
    assert tab.page.locator("#player").count() == 0
    tab.page.get_by_text("And here it ends.").click()
    assert tab.page.locator("#large figcaption").text_content().startswith("0:02")


def test_lines_are_walked_through_with_the_arrow_keys(visit, page_alone):
    tab = visit(page_alone)
    tab.page.locator(".line").first.focus()
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    assert "Here it starts." in tab.page.locator(".line.chosen").text_content()


def test_a_line_and_its_box_belong_together(visit, image_page):
    tab = visit(image_page)
    tab.page.get_by_role("link", name="Cancel").click()
    assert tab.page.locator("rect.chosen title").text_content() == "Cancel"
    tab.page.locator("rect[data-box='0']").click()
    assert tab.page.locator(".line.chosen").text_content() == "Save"


@pytest.mark.parametrize("name", ["video_page", "page_alone", "image_page"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_scrolls_sideways(visit, request, name, width):
    tab = visit(request.getfixturevalue(name), width=width)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_dark_where_the_user_likes_it_and_can_be_switched(visit, page_alone):
    tab = visit(page_alone, dark=True)
    back = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(back)
    tab.page.get_by_role("button", name="Light").click()
    assert tab.page.evaluate(back) != dark
    assert tab.page.get_by_role("button", name="Dark").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_all_words_stand_out_from_what_is_behind_them(visit, video_page, dark):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1."""
    tab = visit(video_page, dark=dark)
    faint = tab.page.evaluate(CONTRASTS)
    assert faint == []


CONTRASTS = """() => {
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || /^(script|title)$/i.test(node.tagName)) {
      continue;
    }
    const [one, other] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faint.push(`${node.tagName} ${node.className}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


def test_it_can_be_read_without_a_script(visit, video_page):
    tab = visit(video_page, script=False)
    assert tab.page.get_by_text("And here it ends.").is_visible()
    assert tab.page.locator("#frames img").first.is_visible()
    assert not tab.page.locator("button").first.is_visible()
    tab.page.get_by_text("And here it ends.").click()
    assert tab.page.locator("figure:target time").text_content().startswith("0:02")


def test_print_shows_all_and_no_controls(visit, tmp_path, make_image, make_image_analysis):
    (tmp_path / "shot.png").write_bytes(make_image())
    found = make_image_analysis(lines=(), text='{"a": "b"}', data={"a": "b"})
    page = mediasense.report(found, tmp_path / "report.html", source=tmp_path / "shot.png")
    tab = visit(page)
    tab.page.emulate_media(media="print", color_scheme="dark")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not tab.page.locator("#theme").is_visible()
    assert tab.page.locator("details pre").is_visible()
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


def test_everything_that_can_be_pressed_has_a_name(visit, video_page):
    tab = visit(video_page)
    for element in tab.page.locator("a, button, video, input").all():
        named = element.get_attribute("aria-label") or element.text_content().strip()
        assert named or element.locator("img").get_attribute("alt")
