"""Making the calls of a trial."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from mediasense.errors import MediasenseError
from mediasense.hooks import Hooks
from mediasense.names import Modality
from mediasense.providers import Provider
from mediasense.specimens import picture, sound, video
from mediasense.trying.judging import TAKEN, failed
from mediasense.trying.records import Attempt, Judge, Report, Trial, What
from mediasense.types import (
    Answer,
    AnyRequest,
    AudioRequest,
    ImageRequest,
    Media,
    TextRequest,
    VideoRequest,
)


class Asking:
    """Makes the calls, and counts them.

    Attributes:
        hooks: Through what.
        provider: Whom.
        trial: How.
        failures: What every attempt failed of that failed, in the order of time.
        calls: How many were made.
    """

    def __init__(
        self, hooks: Hooks, provider: Provider, trial: Trial, report: Report = lambda _: None
    ) -> None:
        self.hooks = hooks
        self.provider = provider
        self.trial = trial
        self.failures: list[MediasenseError] = []
        self.calls = 0
        self._answered = False
        self._report = report
        self._lock = threading.Lock()

    def request(self, kind: type[AnyRequest], **values: Any) -> AnyRequest:
        """A request, complete but for what is asked."""
        common: dict[str, Any] = {
            "provider": self.provider,
            "model": self.trial.model,
            "access": self.trial.access,
            "timeout": self.trial.timeout,
            "retries": self.trial.retries,
        }
        return kind(**common | values)

    def text(self) -> TextRequest:
        """A call about text alone."""
        return self.request(TextRequest)

    def picture(self, kind: str, side: int) -> TextRequest:
        """A call about a green picture of that type, with sides of so many pixels."""
        return self.pictures((picture(kind, side=side, colour="green"),))

    def pictures(self, pictures: tuple[Media, ...]) -> TextRequest:
        """A call about several pictures."""
        return self.request(ImageRequest, images=pictures)

    def video(self) -> TextRequest:
        """A call about a green video."""
        return self.request(VideoRequest, video=video("green"))

    def sound(self, kind: str, what: What, *, timed: bool = False) -> AudioRequest:
        """A call about a short sound of that type; ``timed`` for a transcript with times."""
        audio = self.provider.audio
        assert audio is not None
        # Whether times are asked for, a plugin reads in what its provider claims.
        provider = replace(self.provider, audio=replace(audio, timestamps=timed))
        trial = self.trial
        model = trial.model if what == "question" else trial.audio_model or trial.model
        return self.request(AudioRequest, provider=provider, model=model, audio=sound(kind))

    def said(self, attempt: Attempt) -> Attempt:
        """Report an attempt."""
        self._report(attempt)
        return attempt

    def ask(
        self,
        modality: Modality,
        what: What,
        request: TextRequest,
        prompt: str | None,
        *,
        kinds: tuple[str, ...] = (),
        judge: Judge | None = None,
        pieces: list[str] | None = None,
        heard: list[Answer] | None = None,
    ) -> Attempt:
        """Make one call, and judge what comes back.

        Args:
            modality: What kind of thing is sent.
            what: What is tried.
            request: The call.
            prompt: What is asked.
            kinds: The types of what is sent.
            judge: Says of an answer what it shows; without one, that there is any.
            pieces: Where the pieces of the answer go; without it, none are asked for.
            heard: Where the answer goes.

        Raises:
            MediasenseError: What came back says nothing of what is taken.
        """
        with self._lock:
            self.calls += 1
        try:
            answer = self.hooks.call(
                replace(request, prompt=prompt), pieces.append if pieces is not None else None
            )
        except MediasenseError as error:
            found = failed(error, what, answered=self._answered)
            self.failures.append(error)
        else:
            if not isinstance(answer, Answer) or not isinstance(answer.text, str):
                raise self.hooks.broken(self.provider, "what it returned is no Answer")
            self._answered = True
            if heard is not None:
                heard.append(answer)
            found = judge(answer) if judge else TAKEN
        return self.said(replace(found, modality=modality, what=what, mime_types=kinds))
