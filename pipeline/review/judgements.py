"""What people said, one record for each time that somebody judged an article: an append-only log that outlives every run.

One SQLite file (`review/verdicts.sqlite`): a record is on the disk when `add` returns, many processes may add at once, and a
record that is sent twice (`uid`) is stored once.  Nothing is changed or deleted: taking a judgement back is a record too.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InputError
from pipeline.sqlite_reading import connected_to_read

Lane = Literal["audit", "blind", "triage", "adjudication"]
LANES: tuple[Lane, ...] = ("audit", "blind", "triage", "adjudication")
REASONS = ("absent", "generic", "fragment", "duplicate", "wrong", "edited")


@dataclass(frozen=True)
class Judgement:
    """What one reviewer said of one article's label.  Phrases as the reviewer saw or wrote them.

    All phrases that were shown are in `accepted`, `rejected` or `planted`; an edited one is rejected for the reason `edited`,
    and what became of it is in `added`.  A skipped article has none of them.
    """

    text_sha256: str
    id: str
    reviewer: str
    at: str  # UTC, ISO 8601
    accepted: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # what was missing, and what replaces an edited phrase
    note: str = ""
    uid: str = ""  # made by who sends it
    lane: Lane = "audit"  # sheets and other tools too: what is exported is a random sample, or everything
    reasons: dict[str, str] = field(default_factory=dict)  # rejected phrase -> one of REASONS
    planted: dict[str, bool] = field(
        default_factory=dict
    )  # phrase known to be wrong -> whether it was caught (rejected)
    typed: list[str] | None = None  # blind lane: written before the label was seen
    seconds: float | None = None  # that the article was before the reviewer's eyes
    flagged: bool = False
    skipped: bool = False
    model: str | None = None  # whose predictions were judged; None: the job's own labels
    undoes: str | None = None  # uid of the judgement that this record takes back; it says nothing else


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(path: Path) -> list[Judgement]:
    """All judgements that nobody took back, oldest first; none where there is no log yet.  Raises InputError for a damaged log."""
    if _before_sqlite(path).exists():
        with Log(path) as log:  # takes it over
            return standing(log.since(0))
    if not path.exists():
        return []
    with _errors(path), connected_to_read(path) as database:
        made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgements'").fetchone()
        return standing(_since(database, path, 0)) if made else []


def standing(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those that are in force: without the ones that were taken back, by whom made them."""
    found = {judgement.uid: judgement for judgement in judgements}
    for judgement in list(found.values()):
        if judgement.undoes is not None:
            undone = found.get(judgement.undoes)
            if undone and undone.reviewer == judgement.reviewer:
                del found[undone.uid]
            found.pop(judgement.uid, None)
    return list(found.values())


class Log:
    """The log, open.  Raises InputError naming the file where it is damaged, full or not to be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        old = _before_sqlite(path)
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        if old.exists():
            self.add(_of_lines(old))
            old.rename(old.with_suffix(".jsonl.taken-over"))

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, judgements: Iterable[Judgement]) -> int:
        """Store judgements durably, all or none; how many were not there yet."""
        rows = [(j.uid or uuid.uuid4().hex, json.dumps(asdict(j), ensure_ascii=False)) for j in judgements]
        with self._errors(), closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.executemany("INSERT OR IGNORE INTO judgements (uid, body) VALUES (?, ?)", rows)
                stored = cursor.rowcount
                cursor.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
        return stored

    def since(self, seq: int) -> Iterator[Judgement]:
        """Records behind number `seq`, in the order in which they were stored."""
        with self._errors():
            yield from _since(self._db, self.path, seq)

    def last(self) -> int:
        """The number of the newest record; 0 where there is none."""
        with self._errors():
            return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM judgements").fetchone()[0])

    def plant(self, text_sha256: str, phrase: str) -> None:
        """Remember that a text is shown with this phrase, which is known to be wrong."""
        with self._errors():
            self._db.execute("INSERT OR IGNORE INTO planted VALUES (?, ?)", (text_sha256, phrase))

    def planted(self, text_sha256: str) -> list[str]:
        with self._errors():
            rows = self._db.execute("SELECT phrase FROM planted WHERE text_sha256 = ? ORDER BY rowid", (text_sha256,))
            return [phrase for (phrase,) in rows]

    def _errors(self) -> AbstractContextManager[None]:
        return _errors(self.path)


def _since(database: sqlite3.Connection, path: Path, seq: int) -> Iterator[Judgement]:
    rows = database.execute("SELECT uid, body FROM judgements WHERE seq > ? ORDER BY seq", (seq,)).fetchall()
    for uid, body in rows:
        try:
            judgement = of_dict({**json.loads(body), "uid": uid})
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: the log of verdicts cannot be used (record {uid}: {error})") from error
        yield judgement


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: the log of verdicts cannot be used ({error})") from error


_TABLES = (
    "judgements (seq INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, body TEXT NOT NULL)",
    "planted (text_sha256 TEXT NOT NULL, phrase TEXT NOT NULL, UNIQUE (text_sha256, phrase))",
)
_NAMES = {entry.name for entry in fields(Judgement)}


def of_dict(value: dict[str, Any]) -> Judgement:
    """A judgement of stored fields; those that a newer labelmill wrote are left out."""
    return Judgement(**{name: item for name, item in value.items() if name in _NAMES})


# --- logs that were lines of JSON ---


def _before_sqlite(path: Path) -> Path:
    return path.with_suffix(".jsonl")


def _of_lines(path: Path) -> Iterator[Judgement]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            yield of_dict({**json.loads(line), "uid": f"{path.name}:{number}"})
        except (ValueError, TypeError):
            continue  # a torn line: its writer was killed before it had said "stored"
