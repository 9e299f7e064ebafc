"""The log of judgements, one record for each time that somebody judged an article: append-only, it outlives every run.

One SQLite file (`review/verdicts.sqlite`): a record is on the disk when `add` returns, many processes may add at once, and a
record that is sent twice (`uid`) is stored once.  Nothing is changed or deleted: taking a judgement back is a record too.  Beside
the records the file keeps what reviewers were shown (`Showing`), for nobody can unsee it.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline.core.errors import InputError
from pipeline.core.sqlite_reader import open_read_only
from pipeline.core.text.folding import fold_space
from pipeline.job.given_texts import GivenTexts

Lane = Literal["audit", "blind", "triage", "adjudication"]
LANES: tuple[Lane, ...] = ("audit", "blind", "triage", "adjudication")
REASONS = ("absent", "generic", "fragment", "duplicate", "wrong", "edited")


@dataclass(frozen=True)
class Judgement:
    """Judgement of one reviewer on one article's label, with phrases as the reviewer saw or wrote them.

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
    # phrase known to be wrong -> whether it was caught (rejected)
    planted: dict[str, bool] = field(default_factory=dict)
    typed: list[str] | None = None  # blind lane: written before the label was seen
    seconds: float | None = None  # that the article was before the reviewer's eyes
    flagged: bool = False
    skipped: bool = False
    model: str | None = None  # whose predictions were judged; None: the job's own labels
    undoes: str | None = None  # uid of the judgement that this record takes back; it says nothing else
    # rejected phrase -> what replaces it, which may be in the label
    edits: dict[str, str] = field(default_factory=dict)

    @property
    def from_file(self) -> bool:
        """Return whether it came back in a sheet or from another tool, by the form of its uid; the page sends 32 hex digits."""
        # By its form, for records have no field for it, and those that are stored do not change.
        return ":" in self.uid or len(self.uid) == 64


@dataclass(frozen=True)
class Showing:
    """Record of what a reviewer was shown of an article and cannot unsee: the label in a lane; in adjudication others' verdicts."""

    text_sha256: str
    reviewer: str
    lane: str
    typed: list[str] | None = None  # blind lane: the reviewer's own phrases, for which the label was shown


def now() -> str:
    """Return the time in UTC as ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(path: Path) -> list[Judgement]:
    """Return all judgements that nobody took back, oldest first; none without a log.  Raises InputError for a damaged log."""
    return standing(records(path))


def records(path: Path) -> list[Judgement]:
    """Return all records, oldest first, with the judgements that were taken back and the takings back; the log is not changed.

    Raises InputError for a damaged log.
    """
    _refuse_lines(path)
    if not path.exists():
        return []
    with _errors(path), open_read_only(path) as database:
        made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgements'").fetchone()
        return [record for _, record in _since(database, path, 0)] if made else []


def standing(records: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements that their reviewers did not take back."""
    everything = list(records)
    # With the reviewer: nobody takes back what somebody else said.
    undone = {(record.undoes, record.reviewer) for record in everything if record.undoes is not None}
    return [record for record in everything if record.undoes is None and (record.uid, record.reviewer) not in undone]


class JudgementLog:
    """Open log.  Raises InputError naming the file where it is damaged, full or not to be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_lines(path)
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Each judgement is a person's time: on the disk before the page may forget it.
            self._db.execute("PRAGMA synchronous=FULL")
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table}")

    def __enter__(self) -> JudgementLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, judgements: Iterable[Judgement]) -> int:
        """Store judgements durably, all or none; return how many were not there yet."""
        named = (replace(j, reviewer=as_name(j.reviewer)) for j in judgements)
        rows = [(j.uid or uuid.uuid4().hex, json.dumps(asdict(j), ensure_ascii=False)) for j in named]
        with self._transaction() as cursor:
            # A page that got no answer sends its judgements again.
            cursor.executemany("INSERT OR IGNORE INTO judgements (uid, body) VALUES (?, ?)", rows)
            return cursor.rowcount

    def since(self, seq: int) -> Iterator[tuple[int, Judgement]]:
        """Yield the records behind number `seq` with their numbers, in the order in which they were stored."""
        with self._errors():
            yield from _since(self._db, self.path, seq)

    def last(self) -> int:
        """Return the number of the newest record; 0 where there is none."""
        with self._errors():
            return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM judgements").fetchone()[0])

    def show(self, showings: Sequence[Showing]) -> None:
        """Remember durably what reviewers are about to be shown; the first showing in a lane counts.

        The table is made when it is first needed: reading a log of before changes no byte of it.
        """
        rows = [(s.text_sha256, s.reviewer, s.lane, _packed(s.typed), now()) for s in showings]
        with self._transaction() as cursor:
            # Within the transaction, so that a server that is killed here leaves a file as it was.
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {_SHOWINGS}")
            cursor.executemany(_SHOW, rows)

    def showings(self, number: int) -> list[tuple[int, int, Showing]]:
        """Return what was shown behind number `number`: its own number, that of the newest record of then, and the showing."""
        with self._errors():
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'showings'").fetchone():
                return []
            rows = self._db.execute(_SHOWN, (number,)).fetchall()
        nfc = _nfc(self.path) if rows else {}
        return [
            (own, behind, Showing(nfc.get(text, text), reviewer, lane, json.loads(typed) if typed else None))
            for own, behind, text, reviewer, lane, typed in rows
        ]

    def plant(self, text_sha256: str, phrase: str) -> None:
        """Remember that a text is shown with this phrase, which is known to be wrong."""
        with self._errors():
            self._db.execute("INSERT OR IGNORE INTO planted VALUES (?, ?)", (text_sha256, phrase))

    def planted(self, text_sha256: str) -> list[str]:
        texts = [text_sha256, *(given for given, nfc in _nfc(self.path).items() if nfc == text_sha256)]
        with self._errors():
            query = f"SELECT phrase FROM planted WHERE text_sha256 IN ({', '.join('?' * len(texts))}) ORDER BY rowid"  # noqa: S608
            return [phrase for (phrase,) in self._db.execute(query, texts)]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        """Commit what the block wrote, or nothing of it."""
        with self._errors(), closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def _errors(self) -> AbstractContextManager[None]:
        return _errors(self.path)


def _since(database: sqlite3.Connection, path: Path, seq: int) -> Iterator[tuple[int, Judgement]]:
    query, nfc = "SELECT seq, uid, body FROM judgements WHERE seq > ? ORDER BY seq", _nfc(path)
    for number, uid, body in database.execute(query, (seq,)).fetchall():
        try:
            judgement = of_dict({**json.loads(body), "uid": uid})
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: the log of verdicts cannot be used (record {uid}: {error})") from error
        yield number, replace(judgement, text_sha256=nfc.get(judgement.text_sha256, judgement.text_sha256))


def _nfc(path: Path) -> dict[str, str]:
    """Return the digests of texts that were judged before they were brought to NFC -> those that they have now."""
    return GivenTexts.of_job(path.parents[1]).nfc


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
# `behind`: the number of the newest record when it was shown, which tells what came first
_SHOWINGS = (
    "showings (number INTEGER PRIMARY KEY, behind INTEGER NOT NULL, text_sha256 TEXT NOT NULL, reviewer TEXT NOT NULL, "
    "lane TEXT NOT NULL, typed TEXT, at TEXT NOT NULL, UNIQUE (text_sha256, reviewer, lane))"
)
_SHOW = (
    "INSERT OR IGNORE INTO showings (behind, text_sha256, reviewer, lane, typed, at) "
    "VALUES ((SELECT coalesce(max(seq), 0) FROM judgements), ?, ?, ?, ?, ?)"
)
_SHOWN = "SELECT number, behind, text_sha256, reviewer, lane, typed FROM showings WHERE number > ? ORDER BY number"
_NAMES = {entry.name for entry in fields(Judgement)}


def _packed(typed: list[str] | None) -> str | None:
    return None if typed is None else json.dumps(typed, ensure_ascii=False)


def of_dict(value: dict[str, Any]) -> Judgement:
    """Make a judgement of stored fields; those that a newer labelmill wrote are left out."""
    # An older labelmill on the same log goes on working; the fields stay in the file.
    known_fields = {name: item for name, item in value.items() if name in _NAMES}
    return Judgement(**known_fields | {"reviewer": as_name(str(value["reviewer"]))})


def as_name(text: str) -> str:
    """Return a reviewer's name in its one spelling: some keyboards send Hangul in parts (NFD), and that is the same person."""
    return unicodedata.normalize("NFC", fold_space(text))


def _refuse_lines(path: Path) -> None:
    """Raise InputError for a log of JSON lines, which labelmill kept before its first release."""
    # not passed over: the phrases that its reviewers rejected would come back without a word
    if (old := path.with_suffix(".jsonl")).exists():
        raise InputError(
            f"{old}: a log of verdicts by a labelmill of before the first release, which is not read any more; "
            "move it away to go on without its verdicts"
        )
