"""A worker: a process that builds what a map needs once, and then runs its tasks.

It imports nothing heavy by itself, so that `begin` can say how many threads libraries may have before they are loaded.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing import connection, parent_process
from queue import SimpleQueue
from typing import Any

Result = tuple[Any, list[logging.LogRecord]]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "ARROW_IO_THREADS")
_built: tuple[bytes, Callable[[Any], Any]] | None = None


def begin(level: int) -> None:
    """Prepare this process: one core's worth of threads, Ctrl-C is the parent's business, its end is the end."""
    for name in _THREADS:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("labelmill").setLevel(level)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End at once where the parent is gone, even killed: nobody would know of what is written from then on."""
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def run(build: bytes, given: Any) -> Result:
    """Run one task of a map, and return its result with what it logged; `build` is pickled, and called where it is another one."""
    global _built
    logger, records = logging.getLogger("labelmill"), SimpleQueue[logging.LogRecord]()
    handler = QueueHandler(records)  # it makes records of plain text, which can be sent
    logger.addHandler(handler)
    logger.propagate = False
    try:
        if _built is None or _built[0] != build:
            _built = None  # what the last map needed goes before this one's comes
            _built = (build, pickle.loads(build)())
        result = _built[1](given)
    except Exception as error:
        raise _sendable(error) from None
    finally:
        logger.removeHandler(handler)
    return result, [records.get() for _ in range(records.qsize())]


def log(result: Result) -> Any:
    """Return the result proper, after what its task logged was logged here."""
    for record in result[1]:
        logging.getLogger(record.name).handle(record)
    return result[0]


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
