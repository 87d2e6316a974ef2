"""Carry out a plan: prepare the media, make the calls, join the answers, and note what was done."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mediasense import prompts
from mediasense.errors import MediaRejected, MediasenseError, MediaTooLarge
from mediasense.filling import Ask, Filler, call_step
from mediasense.forms import Form
from mediasense.given import Asked, Given, heading, put_together
from mediasense.media.workspace import Workspace
from mediasense.names import OnText, Strategy
from mediasense.pacing.pacer import Stopped
from mediasense.parts import Part, Parts, make_parts
from mediasense.planning.plans import Call, ClipWork, FrameWork, ImageWork, Plan
from mediasense.planning.steps import asked_words, channels_of, form_words
from mediasense.providers import Provider
from mediasense.refusal import Refused
from mediasense.requests import make_request
from mediasense.steps import FrameUsed, LeftOut, Step
from mediasense.sums import cost_of, tokens_of
from mediasense.together import together
from mediasense.types import Answer, Media, Question

if TYPE_CHECKING:
    from mediasense.listening import Heard

_NOTE_LETTERS = 600
"""Of the answer about one frame, so much is told with the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a plan.

    Attributes:
        strategy: What it came to; fewer frames than planned may have fitted into one call.
        answer: The last answer; ``None`` where nothing was asked.
        answers: Of all calls, in order.
        data: What the answer says, where it was wanted in a form.
        heard: What was said in the recording.
        steps, frames, left_out, warnings: As in :class:`mediasense.Analysis`.
    """

    strategy: Strategy
    answer: Answer | None
    answers: tuple[Answer, ...]
    heard: Heard | None
    steps: tuple[Step, ...]
    frames: tuple[FrameUsed, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    data: object = None

    @property
    def text(self) -> str:
        """The answer, or the transcript."""
        if self.answer is not None and (self.heard is None or self.strategy != "transcript"):
            return self.answer.text
        return self.heard.transcript.text if self.heard else ""


class Execution:
    """Carries out one plan.

    Args:
        plan: What to do.
        media: What the question is about.
        question: What is asked.
        provider: Who is asked; how to reach it is not told to whoever else writes down the sound.
        ask: Makes one call.
        workspace: Where prepared media are kept.
        on_text: Called with the pieces of the answer, where they can come in pieces.
        heard: What was said in the recording, where that is known already.
        form: What the answer must be; ``None`` for text.
    """

    def __init__(
        self,
        plan: Plan,
        media: tuple[Media, ...],
        question: Question,
        *,
        provider: Provider,
        ask: Ask,
        workspace: Workspace,
        on_text: OnText | None = None,
        heard: Heard | None = None,
        form: Form | None = None,
    ) -> None:
        self._plan = plan
        self._media = media
        self._question = question
        self._provider = provider
        self._ask = ask
        self._workspace = workspace
        self._on_text = on_text
        self._heard = heard
        self._form = form
        self._warnings: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> Done:
        """Do it.

        Raises:
            Refused: A service refused the media, and another plan may fare better.
            MediasenseError: Of the class that fits the failure.
        """
        plan = self._plan
        if plan.listening is not None and self._heard is None:
            from mediasense.listening import listen

            self._heard = listen(plan, self._media[0], self._question, self._hear, self._workspace)
        if plan.asking is None:
            return self._done(None, [], Parts(parts=()), ())
        found = self._parts(plan.asking)
        asked = self._ask_all(found.parts)
        steps = [self._asking_step(plan.asking, asked)]
        joined = None
        if len(asked) > 1:
            joined = self._join(asked)
            if plan.joining is not None:
                words = f"{len(asked)} answers to one{form_words(plan.joining, self._question)}"
                steps.append(call_step("join", words, plan.joining, joined.answers[0]))
        last = joined or asked[0]
        steps += last.filled.steps if last.filled is not None else ()
        return self._done(joined, asked, found, steps)

    def _parts(self, call: Call) -> Parts:
        try:
            return make_parts(self._plan, self._media, self._workspace)
        except MediaTooLarge as error:
            if not isinstance(self._plan.sends, ClipWork):
                raise
            raise Refused(call, error, self._media, self._heard) from error

    # --- calls -----------------------------------------------------------------------------------

    def _hear(self, call: Call, sound: Media, prompt: str | None) -> Answer:
        """Have one sound written down."""
        own = call.provider.name == self._provider.name
        # What is doubted is left out of the whole answer, so its pieces cannot be shown before.
        sure = self._question.min_confidence is None
        alone = self._plan.asking is None and sound is self._media[0] and sure
        request = make_request(call, self._question, prompt, (sound,), own=own)
        try:
            return self._ask(request, self._on_text if alone and call.streaming else None)
        except MediaRejected as error:
            raise Refused(call, error, (sound,), None) from error

    def _ask_all(self, parts: Sequence[Part]) -> list[Asked]:
        """Ask about every part; those that do not build on each other at once."""
        self._workspace.report("waiting for the answer")
        functions = [partial(self._ask_chain, chain, len(parts)) for chain in self._chains(parts)]
        # After a refusal there is another plan; what is under way is paid for, and counted, first.
        chains = together(functions, jobs=self._question.jobs, settles=(MediasenseError, Stopped))
        return [one for chain in chains for one in chain]

    def _chains(self, parts: Sequence[Part]) -> list[list[tuple[int, Part]]]:
        """Parts, numbered, that are asked one after the other: each is told of the one before."""
        chains: list[list[tuple[int, Part]]] = []
        for number, part in enumerate(parts, 1):
            if not chains or part.fresh or self._plan.strategy != "frame_by_frame":
                chains.append([])
            chains[-1].append((number, part))
        return chains

    def _ask_chain(self, chain: Sequence[tuple[int, Part]], count: int) -> list[Asked]:
        asked: list[Asked] = []
        note = ""
        for number, part in chain:
            asked += self._ask_part(part, number, count, note)
            if self._plan.strategy == "frame_by_frame":
                note = asked[-1].answer.text[:_NOTE_LETTERS]
        return asked

    def _ask_part(self, part: Part, number: int, count: int, note: str) -> list[Asked]:
        """Ask about one part; in halves where the service takes fewer images than were sent."""
        call = self._plan.asking
        assert call is not None
        alone = count == 1
        prompt = self._prompt(call, part, number, count, note)
        try:
            if alone and self._form is not None:
                filled = self._filler(self._form).fill(call, prompt, part.media)
                return [Asked(part=part, answer=filled.answer, filled=filled)]
            asking = call if alone or not self._joins else _for_a_part(call)
            request = make_request(asking, self._question, prompt, part.media)
            answer = self._ask(request, self._on_text if alone and call.streaming else None)
        except MediaRejected as error:
            if not self._may_halve(part, error):
                raise Refused(call, error, part.media, self._heard) from error
            self._warn(
                f"{call.provider.name} refused {len(part.media)} images in one request: they were "
                "sent in halves"
            )
            halves = part.halves()
            return [one for half in halves for one in self._ask_part(half, 0, count + 1, note)]
        return [Asked(part=part, answer=answer)]

    def _may_halve(self, part: Part, error: MediaRejected) -> bool:
        return (
            len(part.media) > 1
            and error.refusal in ("count", "size")
            and isinstance(self._plan.sends, FrameWork | ImageWork)
            and (self._joins or not _reasons(self._plan))
        )

    @property
    def _joins(self) -> bool:
        return self._plan.joining is not None

    def _join(self, asked: Sequence[Asked]) -> Given:
        """One answer of several: by the model, or one after the other where it only reads."""
        headings = [heading(one.part, number) for number, one in enumerate(asked, 1)]
        call = self._plan.joining
        if call is None:
            return Given(answer=put_together(headings, asked))
        self._workspace.report("joining the answers")
        texts = [one.answer.text for one in asked]
        prompt = prompts.join(call.prompt or "", headings, texts)
        if self._form is not None:
            filled = self._filler(self._form).fill(call, prompt)
            return Given(answer=filled.answer, filled=filled)
        request = make_request(call, self._question, prompt)
        return Given(answer=self._ask(request, self._on_text if call.streaming else None))

    def _filler(self, form: Form) -> Filler:
        return Filler(form, self._question, ask=self._ask, report=self._workspace.report)

    # --- what is told ----------------------------------------------------------------------------

    def _prompt(self, call: Call, part: Part, number: int, count: int, note: str) -> str | None:
        if call.prompt is None:
            return None
        which = prompts.part_of(number, count, part.start, part.end)
        asked = call.prompt
        if self._form is not None and count > 1:
            asked = prompts.noting_for(asked, self._form.schema)
        match self._plan.sends:
            case ImageWork():
                told = prompts.about_images(asked, part.notes)
            case FrameWork():
                told = prompts.about_frames(asked, part.notes, self._said(part), which)
            case None:
                assert self._heard is not None
                return prompts.about_transcript(asked, self._heard.transcript)
            case _:
                begins = ""
                if isinstance(self._plan.sends, ClipWork) or count > 1:
                    begins = prompts.begins_at(part.start or 0.0)
                told = prompts.about_clip(asked, self._said(part), which, begins)
        return prompts.with_note(told, note)

    def _said(self, part: Part) -> str:
        """What is said meanwhile, or that nobody listened."""
        if self._heard is not None:
            return prompts.what_is_said(self._heard.transcript.between(part.start, part.end))
        unheard = isinstance(self._plan.sends, FrameWork) and self._media[0].has_sound is not False
        return prompts.UNHEARD if unheard else ""

    def _warn(self, warning: str) -> None:
        with self._lock:
            self._warnings.append(warning)

    # --- the end ---------------------------------------------------------------------------------

    def _done(
        self,
        joined: Given | None,
        asked: Sequence[Asked],
        found: Parts,
        steps: Sequence[Step],
    ) -> Done:
        plan, heard = self._plan, self._heard
        answers = [answer for one in asked for answer in one.answers]
        every = (
            *(heard.answers if heard else ()),
            *answers,
            *(joined.answers if joined else ()),
        )
        last = joined or (asked[0] if asked else None)
        filled = last.filled if last is not None else None
        left_out = (*plan.left_out, *found.left_out)
        warnings = (
            *plan.warnings,
            *(heard.warnings if heard else ()),
            *found.warnings,
            *self._warnings,
            *(left.words for left in left_out),
            *(warning for answer in answers for warning in answer.warnings),
            *(joined.answer.warnings if joined else ()),
            *(filled.warnings if filled else ()),
        )
        return Done(
            strategy=self._strategy(len(asked)),
            answer=every[-1] if every else None,
            answers=every,
            heard=heard,
            steps=(*(heard.steps if heard else ()), *found.steps, *steps),
            frames=found.frames,
            left_out=left_out,
            warnings=tuple(dict.fromkeys(warnings)),
            data=filled.data if filled else None,
        )

    def _asking_step(self, call: Call, asked: Sequence[Asked]) -> Step:
        media = [item for one in asked for item in one.part.media]
        # What was asked again has a step of its own.
        answers = [one.answers[0] for one in asked]
        words = asked_words(call, heard=self._heard is not None)
        if len(asked) == 1:
            words += form_words(call, self._question)
        sizes = [item.size for item in media]
        return Step(
            action="ask",
            words=words,
            channels=channels_of(call, self._media[0]),
            start=asked[0].part.start,
            end=asked[-1].part.end,
            provider=call.provider.name,
            model=asked[-1].answer.model,
            calls=len(asked),
            images=len(media) if call.modality == "image" else None,
            bytes=None if None in sizes else sum(size or 0 for size in sizes),
            tokens=tokens_of(answers),
            cost=cost_of(answers),
            cached=sum(answer.cached for answer in answers),
        )

    def _strategy(self, calls: int) -> Strategy:
        if isinstance(self._plan.sends, FrameWork):
            single = self._plan.strategy == "frame_by_frame"
            return "frames" if calls == 1 else "frame_by_frame" if single else "segments"
        if self._plan.strategy == "segments" and calls == 1:
            return "native"
        return self._plan.strategy


def _reasons(plan: Plan) -> bool:
    """Whether a model answers the question; some providers only read what is there."""
    return plan.asking is not None and plan.asking.prompt is not None


def _for_a_part(call: Call) -> Call:
    """The call for a part: the whole answer follows the schema, its parts are notes."""
    return replace(call, options=tuple(o for o in call.options if o != "json_schema"))
