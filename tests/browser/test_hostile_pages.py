"""Whatever a model, a service or a file says: nothing of it runs, and nothing is fetched."""

from __future__ import annotations

import json

import pytest

import mediasense
from mediasense import FrameUsed, LeftOut, Question, Segment, Step, Word
from mediasense.types import Media

ATTACKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onfocus=alert(1) autofocus tabindex=1 x="',
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data='javascript:alert(1)'>",
    "<a href='javascript:alert(1)' id=clickme>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](https://evil.example/x.png)",
    "![x](x\" onerror=\"alert(1))",
    "<https://x.example/\"onmouseover=alert(1)>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "<form action=https://evil.example/><input name=q autofocus onfocus=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<math><mtext></math><img src=x onerror=alert(1)>",
    "<!--<img src=--><img src=x onerror=alert(1)>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#x3C;script&#x3E;alert(1)&#x3C;/script&#x3E;",
    "\u2028\u2029<script>alert(1)</script>",
    "`</code></pre><script>alert(1)</script>`",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "${alert(1)} {{alert(1)}} <%= alert(1) %> $style $script $body",
    "javascript:alert(1)",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
]  # fmt: skip


def hostile(make_analysis, said: str, **changes):
    """An answer with the same in every field."""
    facts = {
        "text": said,
        "provider": said,
        "model": said,
        "language": said,
        "warnings": (said,),
        "left_out": (LeftOut(words=f"{said} left", start=0, end=1),),
        "segments": (
            Segment(start=0, end=1, text=said, speaker=said),
            Segment(start=1, end=2, text=said, words=(Word(start=1, end=2, text=said),)),
        ),
        "steps": (Step(action="ask", words=said, provider=said, model=said, calls=1),),
        "frames": (FrameUsed(timestamp=0.0, reason=said),),
        "data": {said: [said, {said: said}]},
    }
    return make_analysis(**facts | changes)


def require_harmless(tab) -> None:
    tab.page.wait_for_timeout(50)
    assert tab.dialogs == []
    assert tab.said == []
    assert tab.asked == []
    assert (
        tab.page.evaluate("document.querySelectorAll('iframe, object, embed, form, base').length")
        == 0
    )
    assert "mediasense" in tab.page.title()


@pytest.fixture
def clip(tmp_path, make_video):
    return make_video(tmp_path / "clip.mp4")


@pytest.mark.parametrize("half", [0, 1])
def test_no_field_of_a_video_answer_runs_anything(visit, tmp_path, make_analysis, half):
    tab = None
    for number, attack in enumerate(ATTACKS[half::2]):
        page = mediasense.report(
            hostile(make_analysis, attack),
            tmp_path / f"{number}.html",
            question=Question(prompt=attack, task=attack, context=attack),
        )
        if tab is None:
            tab = visit(page)
        else:
            tab.page.goto(page.as_uri())
        require_harmless(tab)


def test_no_field_beside_pictures_runs_anything(visit, tmp_path, make_analysis, clip):
    said = " ".join(ATTACKS)
    page = mediasense.report(hostile(make_analysis, said), tmp_path / "a.html", source=clip)
    tab = visit(page)
    require_harmless(tab)
    assert tab.page.locator("#frames img").count() == 1


def test_all_attacks_at_once_on_an_image_and_its_name(visit, tmp_path, make_image_analysis):
    said = "\n\n".join(ATTACKS)
    name = "<img src=x onerror=alert(1)>.png"
    media = Media(modality="image", mime_type=said, name=said, uri=said)
    found = hostile(make_image_analysis, said, media=(media,), segments=(), frames=())
    page = mediasense.report(found, tmp_path / "a.html", source=tmp_path / name, question=said)
    tab = visit(page)
    require_harmless(tab)
    assert name in tab.page.locator("h1").text_content()


def test_a_page_that_was_broken_into_still_runs_nothing(visit, tmp_path, make_analysis, clip):
    """The policy holds by itself, also where the escaping would fail."""
    page = mediasense.report(make_analysis(), tmp_path / "a.html", source=clip)
    attack = (
        "<script>document.title = 'taken'</script>"
        "<img src=x onerror=\"document.title = 'taken'\">"
        "<img src='https://evil.example/x.png'>"
        "<style>body { display: none }</style>"
    )
    page.write_text(page.read_text().replace("</main>", f"{attack}</main>"))
    tab = visit(page)
    tab.page.wait_for_timeout(100)
    assert "taken" not in tab.page.title()
    assert tab.page.locator("h1").is_visible()
    assert sum("Content Security Policy" in line for line in tab.said) >= 4


def test_no_row_of_a_batch_runs_anything(visit, tmp_path, make_analysis):
    from mediasense.envelope import to_plain
    from mediasense.reports.batch import BatchReport, write_batch

    results = tmp_path / "results.jsonl"
    with results.open("w") as file:
        for number, attack in enumerate(ATTACKS):
            failure = {"kind": attack, "message": attack, "exit_code": 1}
            envelope = to_plain(hostile(make_analysis, attack))
            line = {
                "id": f"{number}{attack}",
                "source": attack,
                "answer": envelope if number % 2 else None,
                "error": None if number % 2 else failure,
                "seconds": 1.0,
            }
            file.write(json.dumps(line) + "\n")
    asked = Question(prompt=ATTACKS[0])
    write_batch(BatchReport(folder=tmp_path / "report", results=results, question=asked))
    tab = visit(tmp_path / "report" / "index.html")
    require_harmless(tab)
    assert tab.page.locator("tbody tr").count() == len(ATTACKS)
    tab.page.locator("tbody a").first.click()
    require_harmless(tab)
