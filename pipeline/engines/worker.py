"""A worker: a process that builds what a map needs once, and then runs its tasks.

It imports nothing heavy by itself, so that `begin` can say how many threads libraries may have before they are loaded.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterable
from logging.handlers import QueueHandler
from multiprocessing import connection, parent_process
from queue import SimpleQueue
from typing import Any

Result = tuple[Any, list[logging.LogRecord]]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "ARROW_IO_THREADS")
_RECORDS = "_labelmill_records"  # the attribute of an error that holds what its task logged before
Build = tuple[str, bytes]  # what tells this map from all others, and what is called, pickled
_built: tuple[str, Callable[[Any], Any]] | None = None


def begin(level: int) -> None:
    """Prepare this process: one core's worth of threads, Ctrl-C is the parent's business, its end is the end."""
    one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # it was started deaf, so that it could not die of Ctrl-C before it came here
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    logging.getLogger("labelmill").setLevel(level)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def one_thread() -> None:
    """Let libraries that are loaded from now on have one thread each."""
    for name in _THREADS:
        os.environ[name] = "1"


def _end_with_parent() -> None:
    """End at once where the parent is gone, even killed: nobody would know of what is written from then on."""
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def sent(build: Callable[[], Callable[[Any], Any]]) -> Build:
    """Return what workers are sent of a map: they build anew for each one, for what was built may have read what changed since."""
    return uuid.uuid4().hex, pickle.dumps(build)


def run(build: Build, given: Any) -> Result:
    """Run one task of a map, and return its result with what it logged; what a map needs is built once."""
    global _built
    logger, records = logging.getLogger("labelmill"), SimpleQueue[logging.LogRecord]()
    handler = QueueHandler(records)  # it makes records of plain text, which can be sent
    logger.addHandler(handler)
    logger.propagate = False
    try:
        if _built is None or _built[0] != build[0]:
            _built = None  # what the last map needed goes before this one's comes
            _built = (build[0], pickle.loads(build[1])())
        result = _built[1](given)
    except Exception as error:
        sendable = _sendable(error)
        sendable.__dict__[_RECORDS] = _all_of(records)
        raise sendable from None
    finally:
        logger.removeHandler(handler)
    return result, _all_of(records)


def log(result: Result) -> Any:
    """Return the result proper, after what its task logged was logged here."""
    _handle(result[1])
    return result[0]


def log_before(error: BaseException) -> None:
    """Log here what a task logged before it raised the error."""
    _handle(error.__dict__.pop(_RECORDS, ()))


def _all_of(records: SimpleQueue[logging.LogRecord]) -> list[logging.LogRecord]:
    return [records.get() for _ in range(records.qsize())]


def _handle(records: Iterable[logging.LogRecord]) -> None:
    for record in records:
        logging.getLogger(record.name).handle(record)


def _sendable(error: Exception) -> Exception:
    """Return an error as it can be sent: one of ours keeps its class, and the text that people see."""
    from pipeline.core.errors import LabelmillError

    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        plain = LabelmillError(str(error)) if isinstance(error, LabelmillError) else RuntimeError(repr(error))
        plain.__dict__.update({"exit_code": getattr(error, "exit_code", 1)})
        return plain.with_traceback(error.__traceback__)
    return error
