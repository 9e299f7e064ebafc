"""Messages of the parts of labelmill, shown as lines on standard error; the parts themselves only log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.progress import is_watched

_BARE = "labelmill.progress"  # lines that stand for a progress bar


class _Lines(logging.Handler):
    """Handler that writes to what is standard error at the moment, above the progress bars there."""

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage() if record.name == _BARE else f"labelmill: {record.getMessage()}"
        if is_watched() and "tqdm" in sys.modules:
            from tqdm import tqdm

            tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def shown() -> Iterator[None]:
    """Show messages while a command runs; what is of interest only to who waits (DEBUG), only on a terminal."""
    logger, handler = logging.getLogger("labelmill"), _Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if is_watched() else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
