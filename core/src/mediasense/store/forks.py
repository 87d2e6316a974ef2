"""What holds files open lets go of them before a fork.

SQLite keeps what it has locked in memory; a forked copy would believe that it holds the locks of
the process it came from (https://www.sqlite.org/howtocorrupt.html, 2.6). So all is closed before a
fork, and opened again on both sides when it is needed.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class LetGo(Protocol):
    """Something that holds a file open."""

    def before_fork(self) -> bool:
        """Let go, and let nobody use it; whether that could be done in time."""

    def after_fork(self) -> None:
        """Let it be used again, in the process that forked."""

    def in_child(self) -> None:
        """Let it be used again, in the new process, which has no other threads."""


class _Forks:
    """All that has to be told of forks."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[LetGo] = weakref.WeakSet()
        self._listing = threading.Lock()
        self._forking = threading.Lock()
        self._held: list[LetGo] = []
        self._told = False

    def add(self, one: LetGo) -> None:
        with self._listing:
            self._all.add(one)
            if not self._told:
                self._told = True
                os.register_at_fork(
                    before=self._before, after_in_parent=self._after, after_in_child=self._in_child
                )

    def _before(self) -> None:
        self._forking.acquire()
        with self._listing:
            everything = list(self._all)
        self._held += [one for one in everything if one.before_fork()]

    def _after(self) -> None:
        while self._held:
            self._held.pop().after_fork()
        self._forking.release()

    def _in_child(self) -> None:
        self._held.clear()
        self._listing, self._forking = threading.Lock(), threading.Lock()
        for one in list(self._all):
            one.in_child()


_forks = _Forks()


def mind_forks(one: LetGo) -> None:
    """Have something told before each fork of this process, for as long as it is in use."""
    _forks.add(one)
