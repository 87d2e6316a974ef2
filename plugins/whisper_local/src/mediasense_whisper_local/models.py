"""From the name of a model to the folder that holds it: here already, or fetched once.

A name is one that faster-whisper knows, that of a folder in ``MEDIASENSE_WHISPER_MODELS``, the
``owner/name`` of a model on the Hugging Face hub, or the path of a folder, which begins with ``/``,
``.`` or ``~``. Nothing else is taken for a path.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense import ConnectionFailed, MediasenseError, PluginError, UnknownModel, one_line
from mediasense_whisper_local.provider import NAME

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo

FOLDER_VARIABLE = "MEDIASENSE_WHISPER_MODELS"
"""Names a folder of models: each is a folder of its own, and its name is the model's."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_NEEDED = ("config.json", "model.bin", "tokenizer.json")
"""Without ``tokenizer.json`` faster-whisper would fetch one, whoever forbids it."""

_MOST_FILES = 100
"""Of a folder that are looked at; a model has about six."""

_ELSEWHERE = "fetch it where there is a network, and type --model /path/to/its/folder"
_log = logging.getLogger(__name__)


def folder_of(name: str) -> Path:
    """The folder of a model; it is fetched where it is not here.

    Args:
        name: As above.

    Raises:
        UnknownModel: There is none of that name, or it is not here and may not be fetched.
        ConnectionFailed: It could not be fetched.
        PluginError: Its folder is not whole, or faster-whisper is not.
    """
    if name.startswith(("/", ".", "~")):
        return _whole(Path(name).expanduser(), name)
    own = _own(name)
    if own is not None:
        return _whole(own, name)
    if name not in known() and not _REPOSITORY.fullmatch(name):
        raise UnknownModel(
            f"{NAME} has no model {name!r}",
            hint="type: mediasense models -p whisper_local; a folder begins with / or ./",
        )
    return _kept(name) or _fetched(name)


def known() -> tuple[str, ...]:
    """The names that faster-whisper knows.

    Raises:
        PluginError: It is not installed as it should be.
    """
    return tuple(library().available_models())


def library() -> Any:
    """faster-whisper, which is loaded on first use.

    Raises:
        PluginError: It is not installed as it should be.
    """
    # huggingface_hub tells the hub which program, and which agent, it runs in, and asks it for a
    # list of agents, unless this is set before it is imported (its _detect_agent.py, 2.4).
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import faster_whisper
    except ImportError as error:
        said = one_line(f"{type(error).__name__}: {error}")
        raise PluginError(
            f"faster-whisper does not start: {said}",
            hint="type: pip install --force-reinstall mediasense-whisper-local",
        ) from error
    return faster_whisper


def listed() -> tuple[str, ...]:
    """The names of the models that are here, then of those that would be fetched.

    Raises:
        PluginError: faster-whisper is not installed as it should be.
    """
    names = known()
    here = {name: folder for name in names if (folder := _kept(name)) is not None}
    others = [name for name, folder in _on_the_hub() if folder not in here.values()]
    return tuple(dict.fromkeys((*_own_names(), *here, *others, *names)))


def _own(name: str) -> Path | None:
    """A model of that name in the user's folder of models."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not _PLAIN.fullmatch(name):
        return None
    path = Path(folder).expanduser() / name
    return path if path.is_dir() else None


def _own_names() -> list[str]:
    folder = os.environ.get(FOLDER_VARIABLE)
    try:
        found = sorted(Path(folder).expanduser().iterdir()) if folder else []
    except OSError:
        return []
    return [path.name for path in found if _PLAIN.fullmatch(path.name) and _is_whole(path)]


def state() -> str:
    """What the user's folder of models holds, as far as it tells one model from another."""
    found = []
    for name in _own_names():
        folder = _own(name)
        if folder is not None:
            found.append(stamp(folder.resolve()))
    return "; ".join(found)


def stamp(folder: Path) -> str:
    """What a folder holds, as far as it tells one model from another: each file's size and age."""
    found = [str(folder)]
    for path in sorted(folder.iterdir())[:_MOST_FILES]:
        try:
            about = path.stat()
        except OSError:
            continue
        found.append(f"{path.name} {about.st_size} {about.st_mtime_ns}")
    return ", ".join(found)


def _is_whole(folder: Path) -> bool:
    return all((folder / file).is_file() for file in _NEEDED)


def _whole(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise UnknownModel(f"{NAME} has no model {name!r}: there is no such folder")
    missing = [file for file in _NEEDED if not (folder / file).is_file()]
    if missing:
        raise PluginError(
            f"the model {name!r} has no {' and no '.join(missing)}",
            hint="convert it with: ct2-transformers-converter --copy_files tokenizer.json "
            "preprocessor_config.json",
        )
    return folder


def _kept(name: str) -> Path | None:
    """The folder of a model that was fetched before; the network is not asked."""
    try:
        folder = Path(library().download_model(name, local_files_only=True, use_auth_token=False))
    except (OSError, ValueError):
        return None
    return folder if _is_whole(folder) else None


def _on_the_hub() -> Iterator[tuple[str, Path]]:
    """The models in the hub's cache, by what they are called there."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories: frozenset[CachedRepoInfo] = scan_cache_dir().repos
    except (CacheNotFound, OSError, ValueError):
        return
    for repository in sorted(repositories, key=lambda found: found.repo_id):
        for revision in repository.revisions:
            if repository.repo_type == "model" and _is_whole(revision.snapshot_path):
                yield repository.repo_id, revision.snapshot_path


def _fetched(name: str) -> Path:
    """Fetch a model from the hub, without any token: all that are known are public."""
    _log.warning("%s: fetching the model %s from the Hugging Face hub, this once", NAME, name)
    try:
        folder = library().download_model(name, use_auth_token=False)
    except Exception as error:  # those of huggingface_hub, of its HTTP client, and of the disk
        raise _not_fetched(name, error) from error
    return _whole(Path(folder), name)


def _not_fetched(name: str, error: Exception) -> MediasenseError:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled) or isinstance(error.__cause__, OfflineModeIsEnabled):
        return UnknownModel(
            f"the model {name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            hint=_ELSEWHERE,
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return UnknownModel(
            f"the Hugging Face hub gives nobody a model {name!r} without a token",
            hint="check its name, or fetch it yourself and type --model /path/to/its/folder",
        )
    said = one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, OSError) and error.errno and not isinstance(error, HfHubHTTPError):
        return PluginError(
            f"the model {name} cannot be kept: {said}", hint="set HF_HOME to a folder with room"
        )
    return ConnectionFailed(f"cannot fetch the model {name}: {said}", hint=_ELSEWHERE)
