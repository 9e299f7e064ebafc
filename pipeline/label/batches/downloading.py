"""The files of a batch that is over, on this machine: whole as far as the endpoint's counts can tell, and synced."""

from __future__ import annotations

import logging
from pathlib import Path

import orjson

from pipeline.core.batch_api import BatchState
from pipeline.core.errors import RequestFailed
from pipeline.core.files import sync
from pipeline.label.batches.calls import Pauses, persist, sleep
from pipeline.label.batches.lane_context import LaneContext
from pipeline.label.ledger.batches import Batch

_TAIL = 1 << 16  # bytes
DOWNLOADS = 4  # of a file that has fewer lines than the endpoint counted
NO_ANSWERS = "no_answers"  # what a failure is called where a page came, and not the file
_log = logging.getLogger("labelmill.label")


class Downloads:
    """Brings answers here."""

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._stop = lane, lane.api, lane.stop

    async def with_files(self, state: BatchState) -> BatchState:
        """Return the state with the names of its files: some endpoints name them a moment after they say that a batch is over."""
        pauses = Pauses()
        for _ in range(DOWNLOADS):
            if not _lacks_files(state):
                break
            await sleep(self._stop, pauses.take())
            state = await persist(self._stop, self._api.retrieve, state.id)
        return state

    async def files(self, batch: Batch, state: BatchState) -> list[Path]:
        """Return the files of a batch on this machine, whole as far as the endpoint's counts can tell, and synced.

        Raises RequestFailed, also where what comes for the answers holds none (a gateway's page): they are paid, and still there.
        """
        for tries_left in reversed(range(DOWNLOADS)):
            names = {"output": state.output_file, "error": state.error_file}
            files = {kind: self._lane.path(batch, kind) for kind, name in names.items() if name}
            for kind, path in files.items():
                await persist(self._stop, self._api.download, names[kind] or "", path)
                path.touch()
                sync(path)  # the raw answers are on the disk before anything reads them
            lines = {kind: _lines(path) for kind, path in files.items()}
            is_page = "output" in files and lines["output"] > 0 and not self._has_answers(files["output"])
            is_cut = any(_is_cut(path) for path in files.values()) or _is_short(lines, state, batch.requests)
            if not is_page and not (is_cut and tries_left):
                break
            for path in files.values():
                path.unlink()
            if not tries_left:
                text = f"what the endpoint sends as its answers ({state.output_file}) holds none of them"
                raise RequestFailed("transient", NO_ANSWERS, text)
            count, expected = 0 if is_page else sum(lines.values()), state.completed or batch.requests
            _log.warning(f"batch {batch.batch_id}: {count:,} of {expected:,} answers came; once more")
            await sleep(self._stop, 1.0)
            # that of what failed may be named a moment later than that of the answers
            if None in names.values():
                state = await persist(self._stop, self._api.retrieve, state.id)
        return list(files.values())

    def _has_answers(self, path: Path) -> bool:
        return any(line is not None for line in self._api.read(path))


def _lacks_files(state: BatchState) -> bool:
    """Return whether files are still to be named, by the endpoint's counts; where it counts nothing, a completed batch has one."""
    if state.status == "completed" and not state.total and not state.completed:
        return not (state.output_file or state.error_file)
    return bool(
        (state.completed and not state.output_file) or (state.failed and not (state.error_file or state.output_file))
    )


def _is_short(lines: dict[str, int], state: BatchState, requests: int) -> bool:
    """Return whether files have fewer lines than the endpoint counted; some count what failed as completed, too, and some count
    nothing: a line stands there for every request that a completed batch had."""
    if state.status == "completed" and not state.total and not state.completed:
        return bool(lines) and sum(lines.values()) < requests
    if not lines or (state.total and sum(lines.values()) >= state.total):
        return False
    fails_short = state.status == "completed" and lines.get("error", state.failed) < state.failed
    return lines.get("output", 0) < state.completed or fails_short


def _lines(path: Path) -> int:
    """Return how many lines a file has; the last one counts, though nothing ends it."""
    count, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            count += chunk.count(b"\n")
            tail = chunk[-1:]
    return count + (tail not in (b"", b"\n", b" "))


def _is_cut(path: Path) -> bool:
    """Return whether a file ends within a line, be there as many as the endpoint counted: lines that nobody expects count, too."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        last = file.read().rpartition(b"\n")[2].strip()
    if len(last) >= _TAIL:  # too long to be read whole for this
        return not last.endswith(b"}")
    try:
        return bool(last) and not isinstance(orjson.loads(last), dict)
    except orjson.JSONDecodeError:
        return True
