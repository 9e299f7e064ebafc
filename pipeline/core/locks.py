"""Locks between processes, which a process takes with it however it ends."""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.core.processes import is_alive

if TYPE_CHECKING:
    from filelock import ReadWriteLock

_EVERY_SECONDS = 0.02  # between two tries


class ProcessLock:
    """A lock that one process holds alone, or several hold together; the number of the last one is in a file beside it."""

    # The system keeps filelock's locks (SQLite's, on a file that stays empty), so not even kill -9 leaves one behind. Who waits
    # tries again and again, for a writer that filelock lets wait for its readers keeps new readers out meanwhile.

    def __init__(self, path: Path) -> None:
        self._path, self._pid_file = path, path.with_name(f"{path.name}.pid")

    @contextmanager
    def held(self, shared: bool = False, seconds: float | None = None) -> Iterator[None]:
        """Hold the lock, alone or (`shared`) with others.

        Raises TimeoutError where somebody else's hold lasts longer than `seconds`; None waits for its end.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            # with the rights that files here have; filelock would give it to its owner only
            self._path.touch()
        lock = self._opened()
        try:
            _acquire(lock, shared, seconds)
            self._pid_file.write_text(str(os.getpid()))
            yield
        finally:
            lock.close()

    def holder(self, alone: bool = False) -> int | None:
        """Return the number of the process that holds the lock, None where nobody does.  Nothing is written.

        Two who look at one moment may take each other for a holder; with `alone`, which heeds only who holds it alone, they do not.
        """
        if not self._path.exists():
            return None
        try:
            lock = self._opened()
        except (OSError, InputError):  # a folder that can only be read
            pid = self.last_holder()
            return pid if pid and is_alive(pid) else None
        try:
            (lock.acquire_read if alone else lock.acquire_write)(blocking=False)
        except TimeoutError:
            return self.last_holder()
        finally:
            lock.close()
        return None

    def last_holder(self) -> int | None:
        """Return the number of the process that took the lock last, None where it is not known."""
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _opened(self) -> ReadWriteLock:
        with warnings.catch_warnings():
            # of filelock's other locks, where the system has none
            warnings.filterwarnings("ignore", "only soft file lock")
            from filelock import ReadWriteLock
        try:
            return ReadWriteLock(self._path, is_singleton=False)
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: no lock can be had here ({error})") from error


def _acquire(lock: ReadWriteLock, shared: bool, seconds: float | None) -> None:
    acquire = lock.acquire_read if shared else lock.acquire_write
    began = time.monotonic()
    while True:
        try:
            acquire(blocking=False)
            return
        except TimeoutError:
            if seconds is not None and time.monotonic() - began > seconds:
                raise
        time.sleep(_EVERY_SECONDS)
