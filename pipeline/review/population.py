"""The labelled articles of which people are shown some: a few numbers for each, the texts stay on disk.

30 bytes an article.  A text is known by the first 64 bits of its digest (`head`); equal texts under two ids are one article.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import ReviewOptions
from pipeline.errors import InputError
from pipeline.review import risks
from pipeline.review.labels import Labels
from pipeline.tables import read_order
from pipeline.workspace import Workspace

Numbers = np.ndarray[Any, np.dtype[Any]]
_ARTICLE = ["id", "text_sha256", "title", "text", "url", "source", "published_at", "language"]


def head(text_sha256: str) -> int:
    return int(text_sha256[:16], 16)


def mixed(heads: Numbers, salt: str) -> Numbers:
    """A number of 64 bits for each head that looks random and depends on nothing but the text and the salt (splitmix64,
    Steele et al. 2014)."""
    from hashlib import blake2b

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

    def __call__(self, values: Sequence[str | None]) -> Numbers:
        number = self._number
        return np.array([number.setdefault(value or "", len(number)) for value in values], np.int32)

    def codes(self, found: Numbers) -> Codes:
        return Codes(list(self._number), found)


class Population:
    """`heads`, `shard`, `row` (in the shard's labels), `phrases`, `absent` (counts), `risk`, `stratum`, `language`: arrays over
    articles in the order of the job."""

    def __init__(self, work: Workspace, labels: Labels, options: ReviewOptions) -> None:
        self._work, self.labels, self._options = work, labels, options
        self.shards = read_order(work.articles)
        self.earlier, self._strata, self._languages = risks.Earlier(work), _Coder(), _Coder()
        parts = [self._scan(number) for number in range(len(self.shards))]
        whole: dict[str, list[Any]] = {name: [part[name] for part in parts] for name in (parts[0] if parts else {})}
        columns = {name: np.concatenate(values) for name, values in whole.items()}
        if not columns or not len(columns["heads"]):
            raise InputError(f"{work.labels.path}: no labels to review yet; run: labelmill run JOB")
        first = np.sort(np.unique(columns["heads"], return_index=True)[1])
        self.heads, self.shard, self.row = (columns[name][first] for name in ("heads", "shard", "row"))
        self.phrases, self.absent, self.risk = (columns[name][first] for name in ("phrases", "absent", "risk"))
        self.stratum = self._strata.codes(columns["stratum"][first])
        self.language = self._languages.codes(columns["language"][first])
        self._sorted = np.argsort(self.heads)
        self._known: dict[int, list[str]] = {}
        pa.default_memory_pool().release_unused()

    def _scan(self, number: int) -> dict[str, Numbers]:
        labels = self.labels.read(self.shards[number])
        articles = self._work.filtered.read(self.shards[number], ["text_sha256", "language", "source"])
        places = pc.index_in(labels.column("text_sha256"), articles.column("text_sha256").combine_chunks())
        articles = articles.take(places.combine_chunks())
        strata = {"source": articles, "language": articles, "model": labels}
        by = self._options.stratify
        phrases, tiers = labels.column("phrases").to_pylist(), labels.column("tiers").to_pylist()
        texts = labels.column("text_sha256").to_pylist()
        found = zip(texts, phrases, tiers, labels.column("repairs").to_pylist(), strict=True)
        all_of = ["all"] * len(texts)
        return {
            "heads": np.array([head(text) for text in texts], np.uint64),
            "shard": np.full(len(texts), number, np.int32),
            "row": np.arange(len(texts), dtype=np.int32),
            "phrases": np.array([len(row) for row in phrases], np.int32),
            "absent": np.array([(row or []).count("absent") for row in tiers], np.int32),
            "risk": np.array([risks.score(risks.of(*row, self.earlier)) for row in found], np.float32),
            "stratum": self._strata(strata[by].column(by).to_pylist() if by else all_of),
            "language": self._languages(articles.column("language").to_pylist()),
        }

    # --- one article ---

    def place(self, text_sha256: str) -> int | None:
        """The article's number, None for a text that is not (or no longer) among them."""
        number = head(text_sha256)
        at = int(np.searchsorted(self.heads, np.uint64(number), sorter=self._sorted))
        found = int(self._sorted[at]) if at < len(self._sorted) else -1
        return found if found >= 0 and int(self.heads[found]) == number else None

    def rows(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Article and label of each place, in their order; a shard that several are in is read once."""
        found: dict[int, dict[str, Any]] = {}
        for shard in sorted({int(self.shard[place]) for place in places}):
            mine = [place for place in places if self.shard[place] == shard]
            name = self.shards[shard]
            labels = self.labels.read(name).take(pa.array([int(self.row[place]) for place in mine]))
            articles = self._work.filtered.read(name, _ARTICLE)
            at = pc.index_in(labels.column("text_sha256"), articles.column("text_sha256").combine_chunks())
            articles = articles.take(at.combine_chunks())
            for place, label, article in zip(mine, labels.to_pylist(), articles.to_pylist(), strict=True):
                if head(label["text_sha256"]) != self.heads[place]:
                    raise InputError(f"{self._work.labels.path}: made anew since the review began; open the page again")
                found[place] = article | label
                self._known[int(self.heads[place])] = label["phrases"]
        pa.default_memory_pool().release_unused()  # a shard's texts are 10 MB, of which a few cards remain
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
            phrases = self.labels.read(self.shards[shard]).column("phrases")
            for place in places:
                if self.shard[place] == shard:
                    self._known[int(self.heads[place])] = phrases[int(self.row[place])].as_py()

    def all_labels(self) -> Iterator[tuple[str, list[str]]]:
        """Text digest and phrases of every article."""
        for shard in self.shards:
            found = self.labels.read(shard)
            yield from zip(found.column("text_sha256").to_pylist(), found.column("phrases").to_pylist(), strict=True)
