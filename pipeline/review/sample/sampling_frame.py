"""The sampling frame: the labelled articles of which reviewers are shown some, as 44 bytes each; labels and texts stay on disk.

A text is known by the first 64 bits of its digest (`digest_prefix`); equal texts under two ids are one article.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.job.config import ReviewOptions
from pipeline.job.workspace import Workspace
from pipeline.review.sample import risks
from pipeline.review.sample.label_sets import LabelSet, rows_at

Numbers = np.ndarray[Any, np.dtype[Any]]
_COLUMNS = {"prefix": np.uint64, "shard": np.int32, "row": np.int32, "article": np.int32, "phrases": np.int32, "absent": np.int32,
            "risk": np.float32, "stratum": np.int32, "language": np.int32, "source": np.int32}  # fmt: skip
_ARTICLE = ["id", "text_sha256", "title", "text", "url", "source", "published_at", "language"]


def digest_prefix(text_sha256: str) -> int:
    """Return the first 64 bits of a digest in hex."""
    return int(text_sha256[:16], 16)


def seeded_hash(digest_prefixes: Numbers, salt: str) -> Numbers:
    """Return 64 bits for each prefix that look random and depend on nothing but text and salt (splitmix64, Steele et al. 2014)."""
    key = np.uint64(int.from_bytes(blake2b(salt.encode(), digest_size=8).digest()))
    with np.errstate(over="ignore"):
        bits = (digest_prefixes ^ key) + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def in_seeded_share(digest_prefixes: Numbers, salt: str, share: float) -> Numbers:
    """Return which texts belong to a seeded share of all; a text stays in it for good, however many come later."""
    return (
        seeded_hash(digest_prefixes, salt) < np.uint64(min(int(share * 2**64), 2**64 - 1))
        if share
        else np.zeros(len(digest_prefixes), bool)
    )


@dataclass(frozen=True)
class Categories:
    """Column of few different values: `of` has an index into `names` for each article."""

    names: list[str]
    of: Numbers


class _CategoryEncoder:
    """Encoder of names as numbers, in the order in which they come."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __call__(self, value: str | None) -> int:
        return self._number.setdefault(value or "", len(self._number))

    def categories(self, codes: Numbers) -> Categories:
        return Categories(list(self._number), codes)


class SamplingFrame:
    """Frame of one job and one set of labels: arrays over its articles, in the order of the job.

    `digest_prefixes`, `shard`, `row` (in the shard's labels), `article` (its row in `filtered/`), `phrases`, `absent` (counts),
    `risk`, `stratum`, `language`, `source`.  An index into them stands for an article everywhere in the review.
    """

    def __init__(self, work: Workspace, labels: LabelSet, options: ReviewOptions) -> None:
        self._work, self.labels, self._options = work, labels, options
        self.shards = read_order(work.articles)
        self.previous_labels, self._strata, self._languages = (
            risks.PreviousLabels(work),
            _CategoryEncoder(),
            _CategoryEncoder(),
        )
        self._sources = _CategoryEncoder()
        parts = [self._scan(number) for number in range(len(self.shards))]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS} if parts else {}
        if not columns or not len(columns["prefix"]):
            raise InputError(
                f"{work.labels.path}: no labels to review yet; run: labelmill run {work.config.in_commands}"
            )
        first = np.sort(np.unique(columns["prefix"], return_index=True)[1])
        (
            self.digest_prefixes,
            self.shard,
            self.row,
            self.article,
            self.phrases,
            self.absent,
            self.risk,
            stratum,
            language,
            sources,
        ) = (columns[name][first] for name in _COLUMNS)
        self.stratum, self.language = self._strata.categories(stratum), self._languages.categories(language)
        self.source = self._sources.categories(sources)
        self._sorted, self._index_of_prefix = np.argsort(self.digest_prefixes), dict[int, int | None]()
        self._phrases_by_prefix: dict[int, list[str]] = {}

    def _scan(self, number: int) -> dict[str, Numbers]:
        shard, records = self.shards[number], list[tuple[Any, ...]]()
        articles = self._articles(shard)
        for row, label in self.labels.rows(shard):
            text, phrases, tiers = label["text_sha256"], label["phrases"], label["tiers"]
            if text not in articles:
                continue  # filtered out since it was labelled
            at, language, source = articles[text]
            stratum = {"source": source, "language": language, "model": label["model"], "topic": self._topic_of(text)}
            risk = risks.score(risks.of(text, phrases, tiers, label["repairs"], self.previous_labels))
            numbers = (digest_prefix(text), number, row, at, len(phrases), (tiers or []).count("absent"), risk)
            by = self._options.stratify
            codes = (self._strata(stratum[by] if by else "all"), self._languages(language), self._sources(source))
            records.append((*numbers, *codes))
        columns = zip(*records, strict=True) if records else ((),) * len(_COLUMNS)
        return {name: np.array(values, kind) for (name, kind), values in zip(_COLUMNS.items(), columns, strict=True)}

    def _topic_of(self, text: str) -> str | None:
        return self._topics.get(text)

    @cached_property
    def _topics(self) -> dict[str, str]:
        """Text digest -> id of its topic, where articles are drawn by topic; empty otherwise."""
        if self._options.stratify != "topic":
            return {}
        return {text: str(topic) for text, topic in self._work.topic_table.topic_of_text().items()}

    def _articles(self, shard: str) -> dict[str, tuple[int, str | None, str | None]]:
        """Return text digest -> number of its row in `filtered/`, language and source."""
        articles: dict[str, tuple[int, str | None, str | None]] = {}
        at = 0
        for batch in self._work.filtered.stream(shard, ("text_sha256", "language", "source")):
            for row in batch.to_pylist():
                articles.setdefault(row["text_sha256"], (at, row["language"], row["source"]))
                at += 1
        return articles

    # --- one article ---

    def index_of(self, text_sha256: str) -> int | None:
        """Return the article's index, None for a text that is not (or no longer) in the frame."""
        return self.index_of_prefix(digest_prefix(text_sha256))

    def index_of_prefix(self, prefix: int) -> int | None:
        """Return the article's index by the text's digest prefix, None where it is not in the frame; answers are cached."""
        if prefix not in self._index_of_prefix:
            rank = int(np.searchsorted(self.digest_prefixes, np.uint64(prefix), sorter=self._sorted))
            index = int(self._sorted[rank]) if rank < len(self._sorted) else -1
            self._index_of_prefix[prefix] = index if index >= 0 and int(self.digest_prefixes[index]) == prefix else None
        return self._index_of_prefix[prefix]

    def rows(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return article and label of each index, in their order; a shard is read once.  Raises InputError for changed labels."""
        by_index: dict[int, dict[str, Any]] = {}
        for shard in sorted({int(self.shard[index]) for index in indices}):
            in_shard = [index for index in indices if self.shard[index] == shard]
            name = self.shards[shard]
            labels = self.labels.at(name, [int(self.row[index]) for index in in_shard])
            articles = rows_at(self._work.filtered, name, [int(self.article[index]) for index in in_shard], _ARTICLE)
            for index in in_shard:
                article, label = articles.get(int(self.article[index])), labels.get(int(self.row[index]))
                texts = {row["text_sha256"] for row in (article, label) if row}
                if (
                    not article
                    or not label
                    or {digest_prefix(text) for text in texts} != {int(self.digest_prefixes[index])}
                ):
                    raise InputError(f"{self._work.labels.path}: made anew since the review began; open the page again")
                by_index[index] = article | label
                self._phrases_by_prefix[int(self.digest_prefixes[index])] = label["phrases"]
        return [by_index[index] for index in indices]

    def phrases_of(self, text_sha256: str) -> list[str]:
        """Return the present label of a text; empty for a text that is not in the frame."""
        prefix = digest_prefix(text_sha256)
        if prefix not in self._phrases_by_prefix:
            self.remember([text_sha256])
        return self._phrases_by_prefix.get(prefix, [])

    def remember(self, texts: Iterable[str]) -> None:
        """Load the labels of these texts into memory; each shard is read once."""
        indices = [index for text in texts if (index := self.index_of(text)) is not None]
        for shard in sorted({int(self.shard[index]) for index in indices}):
            in_shard = [index for index in indices if self.shard[index] == shard]
            labels = self.labels.at(self.shards[shard], [int(self.row[index]) for index in in_shard])
            for index in in_shard:
                label = labels.get(int(self.row[index]))
                if label and digest_prefix(label["text_sha256"]) == int(
                    self.digest_prefixes[index]
                ):  # else it was made anew just now
                    self._phrases_by_prefix[int(self.digest_prefixes[index])] = label["phrases"]

    def all_labels(self) -> Iterator[tuple[str, list[str]]]:
        """Yield text digest and phrases of every article."""
        for shard in self.shards:
            for _, label in self.labels.rows(shard):
                yield label["text_sha256"], label["phrases"]
