"""What this plugin alone does: what it sends, and how it reads what comes."""

import pytest
from mediasense import Access, Answer, ImageRequest, InvalidAnswer, Media, Usage
from mediasense.testing import Call, Reply, Wire

from mediasense_acme_template import analyze_image
from mediasense_acme_template.provider import PROVIDER


def ask(wire: Wire) -> Answer:
    image = Media(modality="image", mime_type="image/png", data=b"pixels")
    access = Access(base_url=wire.url)
    request = ImageRequest(
        provider=PROVIDER, access=access, model="eye-1", prompt="what?", images=(image,)
    )
    return analyze_image(request)


def test_a_question_in_the_service_s_own_json() -> None:
    def answer(call: Call) -> Reply:
        assert call.json == {
            "model": "eye-1",
            "question": "what?",
            "images": [{"type": "image/png", "data": "cGl4ZWxz"}],
        }
        usage = {"read": 7, "written": 2}
        return Reply.of({"answer": "a cat", "model": "eye-1b", "usage": usage})

    with Wire(answer) as wire:
        usage = Usage(input_tokens=7, output_tokens=2)
        assert ask(wire) == Answer(text="a cat", model="eye-1b", usage=usage)


@pytest.mark.parametrize("said", [{}, [], None, {"answer": "", "model": "eye-1"}])
def test_what_is_no_answer_is_said_to_be_none(said: object) -> None:
    with Wire(lambda call: Reply.of(said)) as wire, pytest.raises(InvalidAnswer):
        ask(wire)
