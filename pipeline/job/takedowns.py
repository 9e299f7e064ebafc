"""Takedowns: an append-only log of articles that must not be published any more, by id and by text digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.exchange import Hashes, hashes
from pipeline.core.files import append_line
from pipeline.job.given_texts import GivenTexts


@dataclass(frozen=True)
class Takedowns:
    """Ids and text digests of articles; a row that has either is not published.  `nfc`: those of `texts` after they were brought
    to NFC."""

    ids: frozenset[str]
    texts: frozenset[str]
    nfc: frozenset[str] = frozenset()

    def concerns(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return for each row (`id, text_sha256`) whether it is taken down; the time does not grow with the log."""
        flags = np.zeros(rows.num_rows, bool)
        for column, values, sorted_hashes in (
            ("id", self.ids, self._id_hashes),
            ("text_sha256", self.texts | self.nfc, self._text_hashes),
        ):
            if len(sorted_hashes):
                row_hashes = hashes(rows.column(column))
                at = np.minimum(np.searchsorted(sorted_hashes, row_hashes), len(sorted_hashes) - 1)
                # Hashes may collide, so the few that match are compared by their values.
                some = np.flatnonzero(sorted_hashes[at] == row_hashes)
                row_values = rows.column(column).take(pa.array(some)).to_pylist()
                flags[some] |= np.array([value in values for value in row_values], bool)
        return pa.chunked_array([pa.array(flags)])

    @cached_property
    def _id_hashes(self) -> Hashes:
        return np.sort(hashes(pa.array(list(self.ids), pa.string())))

    @cached_property
    def _text_hashes(self) -> Hashes:
        return np.sort(hashes(pa.array(list(self.texts | self.nfc), pa.string())))


def append(path: Path, row_id: str, texts: list[str], reason: str, at: str) -> None:
    """Take an article down, durably: its id, and every text (SHA-256) that it is known to have had."""
    entry = {"id": row_id, "text_sha256": texts, "reason": reason, "at": at}
    append_line(path, json.dumps(entry, ensure_ascii=False).encode())


def load(path: Path, given: GivenTexts | None = None) -> Takedowns:
    """Read the log; texts of it are recognised in NFC too, where `given` tells which they became.  Raises InputError for a damaged
    line."""
    entries = [_entry(path, number, line) for number, line in enumerate(_lines(path), 1)]
    texts = frozenset(text for entry in entries for text in entry["text_sha256"])
    nfc = frozenset(given.nfc[text] for text in texts & given.nfc.keys()) if given and texts else frozenset[str]()
    return Takedowns(frozenset(entry["id"] for entry in entries), texts, nfc)


def digest(path: Path) -> str:
    """Return the hex SHA-256 of the log's lines."""
    return sha256(b"\n".join(_lines(path))).hexdigest()


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        return {"id": str(entry["id"]), "text_sha256": list(entry["text_sha256"])}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}:{number}: damaged line ({error}); say the takedown again and take the line out"
        ) from error


def now() -> str:
    """Return the time as the log has it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
