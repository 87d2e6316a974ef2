"""Context from files: what the user names, and the files in which a project tells of itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mediasense.errors import MediaNotFound, UsageError, one_line
from mediasense.tasks.asking import MAX_CONTEXT_BYTES

PROJECT_FILES = (
    "CLAUDE.md",
    "AGENTS.md",
    ".cursorrules",
    ".cursor/rules",
    "codex.md",
    ".github/copilot-instructions.md",
    "CONVENTIONS.md",
    "ARCHITECTURE.md",
)
"""Where projects tell people and agents of themselves; a folder stands for the files in it."""

_HIDDEN_ROOTS = tuple(sorted({n.split("/")[0] for n in PROJECT_FILES if n.startswith(".")}))
"""Names with a dot that links may lead to; others, such as ``.env`` and ``.git``, hold secrets."""

_RULE_ENDINGS = (".md", ".mdc")
_MOST_RULES = 50
_ROOT_MARK = ".git"
_LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectContext:
    """What a project tells of itself.

    Attributes:
        root: The folder whose files were read.
        files: Those that are in the text, by their paths from there.
        left_out: Those that are not, or not whole, each with the reason.
        text: What they say, each below its name.
    """

    root: Path
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    text: str


def read_context(path: str | os.PathLike[str]) -> str:
    """Read a file of context.

    Args:
        path: A text file in UTF-8 of at most :data:`MAX_CONTEXT_BYTES` bytes.

    Raises:
        MediaNotFound: There is no such file.
        UsageError: It is too large, is empty, or is no text.
    """
    named = one_line(os.fspath(path), limit=200)
    try:
        data = _read(Path(path), MAX_CONTEXT_BYTES + 1)
        text = data.decode("utf-8-sig").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaNotFound(
            f"the context {named} does not exist",
            hint="check the path; for a text that begins with @, put a space before it",
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"the context {named} is no UTF-8 text", hint="give a text file") from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the context {named} cannot be read: {one_line(str(error))}", hint="check the file"
        ) from None
    if len(data) > MAX_CONTEXT_BYTES:
        raise UsageError(
            f"the context {named} is larger than {MAX_CONTEXT_BYTES // 1000} kB",
            hint="shorten it",
        )
    if not text:
        raise UsageError(f"the context {named} is empty", hint="leave it out")
    return text


def is_context_file(text: str) -> bool:
    """Whether a text is rather the path of a file than context itself.

    It is if it looks like a path, in one line with a slash or an ending, and such a file is there.
    """
    if len(text) > _LONGEST_NAME or "\n" in text or not (os.sep in text or Path(text).suffix):
        return False
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def project_context(
    folder: str | os.PathLike[str] = ".", *, room: int = MAX_CONTEXT_BYTES
) -> ProjectContext:
    """Read the files in which a project tells of itself: those of ``PROJECT_FILES``.

    They are looked for at the root of the git repository that the folder is in, or in the folder
    itself where it is in none. A link that leads out of there, or to a hidden file such as
    ``.env``, is not followed.

    Args:
        folder: A folder of the project.
        room: Bytes that they may have together; what goes beyond is cut, and said.

    Raises:
        UsageError: There is no such folder, or none of these files in it.
    """
    root = _root(folder)
    found: list[str] = []
    left_out: list[str] = []
    parts: list[str] = []
    seen: set[Path] = set()
    for path in _candidates(root):
        name = path.relative_to(root).as_posix()
        real = path.resolve()
        if real != path and (why := _astray(real, root)):
            left_out.append(f"{name}: {why}")
            continue
        if real in seen:
            continue  # AGENTS.md is often a link to CLAUDE.md
        seen.add(real)
        heading = f"Project file {name}:\n\n"
        rest = room - len(heading.encode())
        if rest <= 0:
            left_out.append(f"{name}: there is no room for more")
            continue
        try:
            data = _read(real, rest + 1)
            # A character that is cut in two at the end is no reason to call it no text.
            text = data[:rest].decode("utf-8-sig", "ignore" if len(data) > rest else "strict")
        except UnicodeDecodeError:
            left_out.append(f"{name}: no UTF-8 text")
            continue
        except (OSError, ValueError) as error:
            left_out.append(f"{name}: {one_line(str(error), limit=100)}")
            continue
        if not text.strip():
            continue
        if len(data) > rest:
            left_out.append(f"{name}: cut after {rest // 1000} kB")
        parts.append(heading + text.strip())
        found.append(name)
        room = rest - len(text.encode()) - len("\n\n")
    if not found:
        raise UsageError(
            f"none of {', '.join(PROJECT_FILES)} is in {root}",
            hint="leave out --project-context, or give another folder",
        )
    return ProjectContext(
        root=root, files=tuple(found), left_out=tuple(left_out), text="\n\n".join(parts)
    )


def _root(folder: str | os.PathLike[str]) -> Path:
    try:
        here = Path(folder).expanduser().resolve(strict=True)
        if not here.is_dir():
            raise NotADirectoryError
    except (OSError, ValueError, RuntimeError):
        named = one_line(os.fspath(folder), limit=200)
        raise UsageError(f"there is no folder {named}", hint="check the path") from None
    for above in (here, *here.parents):
        if (above / _ROOT_MARK).exists():
            return above
    return here


def _candidates(root: Path) -> Iterator[Path]:
    for name in PROJECT_FILES:
        path = root / name
        try:
            if path.is_dir():
                rules = sorted(p for p in path.iterdir() if p.suffix in _RULE_ENDINGS)
                yield from (rule for rule in rules[:_MOST_RULES] if rule.is_file())
            elif path.is_file():
                yield path
        except OSError:
            continue


def _astray(real: Path, root: Path) -> str:
    """Why what a link leads to is not read; ``""`` where it may be."""
    if not real.is_relative_to(root):
        return f"it leads out of {root}"
    first, *others = real.relative_to(root).parts
    names = others if first in _HIDDEN_ROOTS else [first, *others]
    return "it leads to a hidden file" if any(n.startswith(".") for n in names) else ""


def _read(path: Path, most: int) -> bytes:
    """The beginning of a file, and of nothing else: a pipe would wait for ever.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no file")
        return file.read(most)
