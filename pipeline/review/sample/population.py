"""The labelled articles of which people are shown some: a few numbers for each, the texts stay on disk.

40 bytes an article.  A text is known by the first 64 bits of its digest (`head`); equal texts under two ids are one article.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.job.config import ReviewOptions
from pipeline.job.workspace import Workspace
from pipeline.review.sample import risks
from pipeline.review.sample.labels import Labels, rows_at

Numbers = np.ndarray[Any, np.dtype[Any]]
_COLUMNS = {"heads": np.uint64, "shard": np.int32, "row": np.int32, "article": np.int32, "phrases": np.int32, "absent": np.int32,
            "risk": np.float32, "stratum": np.int32, "language": np.int32}  # fmt: skip
_ARTICLE = ["id", "text_sha256", "title", "text", "url", "source", "published_at", "language"]


def head(text_sha256: str) -> int:
    """The first 64 bits of a digest in hex."""
    return int(text_sha256[:16], 16)


def mixed(heads: Numbers, salt: str) -> Numbers:
    """A number of 64 bits for each head that looks random and depends on nothing but the text and the salt (splitmix64,
    Steele et al. 2014)."""
    key = np.uint64(int.from_bytes(blake2b(salt.encode(), digest_size=8).digest()))
    with np.errstate(over="ignore"):
        found = (heads ^ key) + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def drawn(heads: Numbers, salt: str, share: float) -> Numbers:
    """Which texts belong to a seeded share of all: for good, however many come later."""
    return mixed(heads, salt) < np.uint64(min(int(share * 2**64), 2**64 - 1)) if share else np.zeros(len(heads), bool)


@dataclass(frozen=True)
class Codes:
    """A column of few different values."""

    names: list[str]
    of: Numbers  # an index into `names` for each article


class _Coder:
    """Makes numbers of names as they come."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __call__(self, value: str | None) -> int:
        return self._number.setdefault(value or "", len(self._number))

    def codes(self, found: Numbers) -> Codes:
        return Codes(list(self._number), found)


class Population:
    """`heads`, `shard`, `row` (in the shard's labels), `article` (its row in `filtered/`), `phrases`, `absent` (counts), `risk`,
    `stratum`, `language`: arrays over articles in the order of the job."""

    def __init__(self, work: Workspace, labels: Labels, options: ReviewOptions) -> None:
        self._work, self.labels, self._options = work, labels, options
        self.shards = read_order(work.articles)
        self.earlier, self._strata, self._languages = risks.Earlier(work), _Coder(), _Coder()
        parts = [self._scan(number) for number in range(len(self.shards))]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS} if parts else {}
        if not columns or not len(columns["heads"]):
            raise InputError(f"{work.labels.path}: no labels to review yet; run: labelmill run JOB")
        first = np.sort(np.unique(columns["heads"], return_index=True)[1])
        self.heads, self.shard, self.row, self.article, self.phrases, self.absent, self.risk, stratum, language = (
            columns[name][first] for name in _COLUMNS
        )
        self.stratum, self.language = self._strata.codes(stratum), self._languages.codes(language)
        self._sorted, self._place_of = np.argsort(self.heads), dict[int, int | None]()
        self._known: dict[int, list[str]] = {}

    def _scan(self, number: int) -> dict[str, Numbers]:
        shard, found = self.shards[number], list[tuple[Any, ...]]()
        articles = self._articles(shard)
        for row, label in self.labels.rows(shard):
            text, phrases, tiers = label["text_sha256"], label["phrases"], label["tiers"]
            if text not in articles:
                continue  # filtered out since it was labelled
            at, language, source = articles[text]
            stratum = {"source": source, "language": language, "model": label["model"]}
            risk = risks.score(risks.of(text, phrases, tiers, label["repairs"], self.earlier))
            numbers = (head(text), number, row, at, len(phrases), (tiers or []).count("absent"), risk)
            by = self._options.stratify
            found.append((*numbers, self._strata(stratum[by] if by else "all"), self._languages(language)))
        columns = zip(*found, strict=True) if found else ((),) * len(_COLUMNS)
        return {name: np.array(values, kind) for (name, kind), values in zip(_COLUMNS.items(), columns, strict=True)}

    def _articles(self, shard: str) -> dict[str, tuple[int, str | None, str | None]]:
        """Of each text the number of its row in `filtered/`, its language and source."""
        found: dict[str, tuple[int, str | None, str | None]] = {}
        at = 0
        for batch in self._work.filtered.stream(shard, ("text_sha256", "language", "source")):
            for row in batch.to_pylist():
                found.setdefault(row["text_sha256"], (at, row["language"], row["source"]))
                at += 1
        return found

    # --- one article ---

    def place(self, text_sha256: str) -> int | None:
        """The article's number, None for a text that is not (or no longer) among them."""
        return self.place_of(head(text_sha256))

    def place_of(self, key: int) -> int | None:
        """The same by the text's head; those of which something was said are asked for again and again."""
        if key not in self._place_of:
            at = int(np.searchsorted(self.heads, np.uint64(key), sorter=self._sorted))
            found = int(self._sorted[at]) if at < len(self._sorted) else -1
            self._place_of[key] = found if found >= 0 and int(self.heads[found]) == key else None
        return self._place_of[key]

    def rows(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Article and label of each place, in their order; a shard that several are in is read once."""
        found: dict[int, dict[str, Any]] = {}
        for shard in sorted({int(self.shard[place]) for place in places}):
            mine = [place for place in places if self.shard[place] == shard]
            name = self.shards[shard]
            labels = self.labels.at(name, [int(self.row[place]) for place in mine])
            articles = rows_at(self._work.filtered, name, [int(self.article[place]) for place in mine], _ARTICLE)
            for place in mine:
                article, label = articles.get(int(self.article[place])), labels.get(int(self.row[place]))
                texts = {row["text_sha256"] for row in (article, label) if row}
                if not article or not label or {head(text) for text in texts} != {int(self.heads[place])}:
                    raise InputError(f"{self._work.labels.path}: made anew since the review began; open the page again")
                found[place] = article | label
                self._known[int(self.heads[place])] = label["phrases"]
        return [found[place] for place in places]

    def phrases_of(self, text_sha256: str) -> list[str]:
        """The present label of a text; empty for a text that is not among them."""
        key = head(text_sha256)
        if key not in self._known:
            self.remember([text_sha256])
        return self._known.get(key, [])

    def remember(self, texts: Iterable[str]) -> None:
        """Have the labels of these texts at hand; each shard is read once."""
        places = [place for text in texts if (place := self.place(text)) is not None]
        for shard in sorted({int(self.shard[place]) for place in places}):
            mine = [place for place in places if self.shard[place] == shard]
            labels = self.labels.at(self.shards[shard], [int(self.row[place]) for place in mine])
            for place in mine:
                label = labels.get(int(self.row[place]))
                if label and head(label["text_sha256"]) == int(self.heads[place]):  # else it was made anew just now
                    self._known[int(self.heads[place])] = label["phrases"]

    def all_labels(self) -> Iterator[tuple[str, list[str]]]:
        """Text digest and phrases of every article."""
        for shard in self.shards:
            for _, label in self.labels.rows(shard):
                yield label["text_sha256"], label["phrases"]
