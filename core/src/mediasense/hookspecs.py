"""The contract between the core and its plugins: every hook, and nothing else.

A plugin is a module of functions marked with :data:`mediasense.hookimpl`, named by an entry point
in the group ``mediasense``::

    [project.entry-points.mediasense]
    acme = "mediasense_acme"

Three rules keep plugins small and users safe:

* The module that the entry point names imports neither an SDK nor anything slow. Import them
  inside the function that needs them.
* A hook is called only for the plugin's own providers, with media the plugin said it takes and
  with options it said it honours. A plugin never checks ``is this mine?``.
* A hook that the plugin cannot serve is left out. There is nothing to stub.

Hook functions may leave out any argument they do not need. Hooks are synchronous and are called
from several threads at once.

A plugin that offers no provider adds house policy:

* ``prepare_request`` changes a request before it is made, or refuses it.
* A wrapper (``@hookimpl(wrapper=True)``) around any hook that answers observes, times, writes down,
  changes the answer, or refuses by raising before its ``yield``. It cannot change the request, nor
  call twice, nor answer itself. While one stands around a hook, answers come whole and not in
  pieces: nobody is shown what a rule would have changed.
* ``policy_version`` says which rule holds now, where that is not in the code: kept answers are
  given under the rule they were made under, and under no other.

To refuse, raise :class:`~mediasense.errors.Forbidden`: another provider may be allowed, so a
stand-in is asked, and in a batch the item fails alone. A rule holds for every call: of single
questions and of a batch, to a stand-in, and to whoever writes down the sound of a video.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from mediasense.names import OnText
    from mediasense.providers import Provider
    from mediasense.types import (
        Answer,
        AnyRequest,
        AudioRequest,
        ImageRequest,
        Model,
        ModelsRequest,
        TextRequest,
        VideoRequest,
    )

PROJECT = "mediasense"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# --- what a plugin offers ------------------------------------------------------------------------


@hookspec
def capabilities() -> tuple[Provider, ...]:  # type: ignore[empty-body]
    """Say which providers this plugin offers, and what they really take.

    Called once, whenever the program starts. Pure data: no SDK, no network, no environment, no
    clock. What is declared must be true; what is not known to be supported is left out.

    Example::

        @hookimpl
        def capabilities():
            return (
                Provider(
                    name="acme",
                    description="Acme's own vision service",
                    base_url="https://vision.acme.example/v2",
                    credentials=Credentials(variables=("ACME_TOKEN",)),
                    default_model="acme-eye",
                    image=ImageLimits(mime_types=("image/png", "image/jpeg"), max_items=4),
                ),
            )

    Returns:
        The providers, each name once.
    """


# --- one call to a provider ----------------------------------------------------------------------


@hookspec(firstresult=True)
def analyze_image(request: ImageRequest, on_text: OnText | None) -> Answer | None:
    """Answer a prompt about one or several still images.

    Called for providers whose ``image`` is not ``None``. Every image is of a type, and within the
    sizes, that were declared. Frames of a recording carry their ``timestamp``.

    Example::

        @hookimpl
        def analyze_image(request):
            payload = {"question": request.prompt, "images": [Base64(m) for m in request.images]}
            reply = mediasense.post_json(request, "/look", payload)
            return Answer(text=reply["answer"], model=reply["model"])

    Args:
        request: What to look at, what to ask, and how to reach the provider.
        on_text: Called with each piece of the answer as it arrives; ``None`` when nobody waits
            for pieces, and always for providers that do not declare ``streaming``. For a service
            that sends them as JSON over HTTP, ``mediasense.stream_lines`` reads them.

    Returns:
        The whole answer, also when its pieces went to ``on_text``.

    Raises:
        ProviderError: The provider was asked, and failed or refused.
    """


@hookspec(firstresult=True)
def analyze_video(request: VideoRequest, on_text: OnText | None) -> Answer | None:
    """Answer a prompt about a video, sent as video.

    Called for providers whose ``video`` is not ``None``, with a file of a declared type and size or
    with a URI of a declared scheme.

    Example::

        @hookimpl
        def analyze_video(request):
            payload = {"question": request.prompt, "clip": Base64(request.video)}
            reply = mediasense.post_json(request, "/watch", payload)
            return Answer(text=reply["answer"], model=reply["model"])

    Args:
        request: What to watch, from when to when, how closely, and what to ask.
        on_text: As for :func:`analyze_image`.

    Returns:
        The whole answer.

    Raises:
        ProviderError: The provider was asked, and failed or refused.
    """


@hookspec(firstresult=True)
def analyze_audio(request: AudioRequest, on_text: OnText | None) -> Answer | None:
    """Write down speech, or answer a prompt about sound.

    Called without a prompt for providers whose ``audio.transcribes`` is true (``text`` is then the
    transcript, ``segments`` its parts where the service gives them), and with a prompt for those
    whose ``audio.answers`` is true.

    Example::

        @hookimpl
        def analyze_audio(request):
            reply = mediasense.post_json(request, "/hear", {"sound": Base64(request.audio)})
            return Answer(text=reply["transcript"], model=reply["model"])

    Args:
        request: What to listen to, and what to ask, if anything.
        on_text: As for :func:`analyze_image`.

    Returns:
        The transcript or the answer.

    Raises:
        ProviderError: The provider was asked, and failed or refused.
    """


@hookspec(firstresult=True)
def generate(request: TextRequest, on_text: OnText | None) -> Answer | None:
    """Answer a prompt that is text alone. Optional: used to ask about a transcript.

    Called for providers whose ``text`` is not ``None``.

    Example::

        @hookimpl
        def generate(request):
            reply = mediasense.post_json(request, "/write", {"question": request.prompt})
            return Answer(text=reply["answer"], model=reply["model"])

    Args:
        request: What to ask.
        on_text: As for :func:`analyze_image`.

    Returns:
        The whole answer.

    Raises:
        ProviderError: The provider was asked, and failed or refused.
    """


@hookspec(firstresult=True)
def list_models(request: ModelsRequest) -> tuple[Model, ...] | None:
    """Ask the provider which models it has now. Optional.

    Also what ``mediasense providers --check`` uses to see whether the provider can be reached and
    accepts the credentials, so it must ask the service, not a table.

    Example::

        @hookimpl
        def list_models(request):
            reply = mediasense.get_json(request, "/models")
            return tuple(Model(name=row["id"]) for row in reply["models"])

    Args:
        request: Which provider, and how to reach it.

    Returns:
        The models in the service's own order; their modalities only where the service tells them.

    Raises:
        ProviderError: The provider was asked, and failed or refused.
    """


# --- house policy and the command line -----------------------------------------------------------


@hookspec
def prepare_request(request: AnyRequest) -> AnyRequest | None:
    """Change a request before it is made: redact, add headers, set limits. Optional.

    Called before every call, for each plugin that has it, in the order in which plugins were loaded
    (``tryfirst`` first, ``trylast`` last); each gets what the one before returned. A plugin that
    offers providers sees the requests to its own only; any other sees all. Raise any
    :class:`~mediasense.errors.MediasenseError` to refuse. The provider itself cannot be changed.

    Example::

        @hookimpl
        def prepare_request(request):
            return dataclasses.replace(request, headers=(*request.headers, ("X-Team", "blue")))

    Args:
        request: Any of the requests, complete but for the credentials.

    Returns:
        The request to make instead, or ``None`` to leave it as it is.
    """


@hookspec
def policy_version() -> str | None:
    """Say which rule holds now, where a file or a variable decides it. Optional.

    An answer that was kept is given again only while the plugins of house policy, their code and
    what they say here are the same: without it, a rule that becomes stricter would not hold for
    answers that were kept before. Called for every question, so it has to be quick. Say all that
    decides what is refused or changed, and nothing that changes by itself, such as the time.

    Example::

        @hookimpl
        def policy_version():
            return repr(sorted(ALLOWED))

    Returns:
        A short text that is another one whenever the rule is; ``None`` where the code says all.
    """


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to the command line. Optional.

    Called once, when the command line starts. Keep it as light as the module itself.

    Example::

        @hookimpl
        def register_commands(app):
            @app.command()
            def acme_quota() -> None:
                \"\"\"Show what is left of Acme's quota.\"\"\"

    Args:
        app: The Typer application.
    """
