"""Candidates of an article for its prompts (`label.candidates`): what the embedded labeller finds, as `{{ candidates }}`.

What was found once is kept beside the job and used for good: candidates stand in the rendered prompt, so a better extractor of a
later version would have old articles asked, and paid, anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import orjson

from pipeline.core.types import Article
from pipeline.label.extractive import Settings, extract

VARIABLE = "candidates"
BETWEEN = "; "
_TABLE = "CREATE TABLE IF NOT EXISTS candidates (article BLOB PRIMARY KEY, phrases TEXT NOT NULL) WITHOUT ROWID"
_WAIT_SECONDS = 60.0  # for another process that writes
_LOOKED_UP = 500  # articles in one query


class CandidateStore:
    """At most `count` candidates an article, best first; several processes may use one file."""

    def __init__(self, file: Path, count: int) -> None:
        self._file, self._settings = file, Settings(phrases=count)
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def of(self, articles: Sequence[Article]) -> list[str]:
        """Return the candidates of each article as a text, separated by semicolons; empty where there are none."""
        keys = [self._key(article) for article in articles]
        with self._lock:
            stored = self._stored(keys)
            missing = {key: article for key, article in zip(keys, articles, strict=True) if key not in stored}
            if missing:
                rows = [(key, BETWEEN.join(self._extract(article))) for key, article in missing.items()]
                self._database.executemany("INSERT OR IGNORE INTO candidates VALUES (?, ?)", rows)
                self._database.commit()
                stored |= self._stored(list(missing))  # another process may have been first
        return [stored[key] for key in keys]

    def _key(self, article: Article) -> bytes:
        made_of = [self._settings.phrases, article.title, article.text_sha256, article.language]
        return sha256(orjson.dumps(made_of)).digest()

    def _extract(self, article: Article) -> list[str]:
        phrases = extract(article.text, title=article.title, language=article.language, settings=self._settings)
        return [phrase for phrase in phrases if BETWEEN.strip() not in phrase]

    def _stored(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        stored = dict[bytes, str]()
        for start in range(0, len(keys), _LOOKED_UP):
            part = keys[start : start + _LOOKED_UP]
            query = f"SELECT article, phrases FROM candidates WHERE article IN ({', '.join('?' * len(part))})"  # noqa: S608
            stored |= dict(self._database.execute(query, part))
        return stored

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._opened = sqlite3.connect(self._file, timeout=_WAIT_SECONDS, check_same_thread=False)
            self._opened.execute("PRAGMA journal_mode=WAL")
            self._opened.execute("PRAGMA synchronous=NORMAL")
            self._opened.execute(_TABLE)
        return self._opened
