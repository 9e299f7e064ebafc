"""Census of a job's articles and labels: every shard is read once, and only counts are kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.shards import Folder, read_order
from pipeline.core.text.folding import fold_case
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace

_MOST_PHRASES = 200_000  # different ones that are counted at a time
_MOST_GROUPS = 5_000
_NO_TOPIC = "without a topic"
OTHERS = "(others)"
_NAMES = ("model", "prompt", "run_id", "label_source")
_MONTH = re.compile(r"\d{4}-\d{2}")


class FrequentPhrases:
    """Counter of the most frequent phrases in bounded memory: lossy counting (Manku & Motwani 2002).

    A count is exact, or at most `missed` too low.
    """

    def __init__(self, most: int = _MOST_PHRASES) -> None:
        self._most, self.missed = most, 0
        self._counts: Counter[str] = Counter()
        self._surfaces: dict[str, str] = {}

    def add(self, phrases: Iterable[tuple[str, int]]) -> None:
        """Count phrases by their normal form; a pair is (phrase, how often)."""
        for phrase, count in phrases:
            key = fold_case(phrase)
            self._counts[key] += count
            self._surfaces.setdefault(key, phrase)
        while len(self._counts) > self._most:
            self._drop_rare(min(self._counts.values()))

    def _drop_rare(self, rarest: int) -> None:
        self.missed += rarest
        for key in [key for key, count in self._counts.items() if count <= rarest]:
            del self._counts[key], self._surfaces[key]

    def top(self, count: int) -> list[tuple[str, int]]:
        """Return the most frequent phrases as first written, with counts; ties in alphabetical order."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:count]
        return [(self._surfaces[key], number) for key, number in ranked]


@dataclass
class GroupCounts:
    """Counts of one language or one source: filtered articles, labels, phrases, and phrases not in the text."""

    articles: int = 0
    labels: int = 0
    phrases: int = 0
    absent: int = 0


@dataclass
class Census:
    """Counts over all shards.  `lengths` counts articles by tokens, or by characters where nothing has counted tokens."""

    unit: str = "tokens"
    lengths: Counter[int] = field(default_factory=Counter)
    per_label: Counter[int] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)
    names: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _NAMES})
    languages: dict[str, GroupCounts] = field(default_factory=dict)
    sources: dict[str, GroupCounts] = field(default_factory=dict)
    topics: dict[str, GroupCounts] = field(default_factory=dict)  # by name; empty where the job has none
    frequent: FrequentPhrases = field(default_factory=FrequentPhrases)

    @property
    def articles(self) -> int:
        return self.lengths.total()

    @property
    def labels(self) -> int:
        return self.per_label.total()

    @property
    def phrases(self) -> int:
        return sum(number * count for number, count in self.per_label.items())


def labels_folder(work: Workspace, shard: str) -> Folder | None:
    """Return the folder of a shard's labels: after review where that has run, None where there are none yet."""
    return first_with((work.reviewed, work.labels), shard)


def first_with(folders: Sequence[Folder], shard: str) -> Folder | None:
    """Return the first of the folders that has a shard; None where none has."""
    return next((folder for folder in folders if folder.manifest(shard)), None)


def columns_in(folder: Folder, shard: str, wanted: Iterable[str]) -> list[str]:
    """Return those of the wanted columns that a shard has."""
    present = set(folder.columns(shard))
    return [name for name in wanted if name in present]


def count(work: Workspace, labels: Sequence[Folder]) -> Census:
    """Count the filtered articles and their labels: of each shard those of the first folder that has it."""
    census, shards, topics = Census(), read_order(work.articles), _topics(work)
    with work.progress("report", len(shards), "shards") as progress:
        for shard in shards:
            if work.filtered.manifest(shard):
                _count_shard(census, work, shard, labels, topics)
            progress.update()
    return census


def _topics(work: Workspace) -> dict[str, str]:
    """Return the name of the topic of each text; empty where the job has no topics."""
    if not work.topic_table.exists:
        return {}
    names = work.topic_table.names()
    return {text: names[topic] for text, topic in work.topic_table.topic_of_text().items() if topic in names}


def _count_shard(
    census: Census, work: Workspace, shard: str, folders: Sequence[Folder], topics: dict[str, str]
) -> None:
    articles = work.filtered.read(shard, ["id", "language", "source", "tokens", "published_at", "text_sha256"])
    if topics:
        named = [topics.get(text, _NO_TOPIC) for text in articles.column("text_sha256").to_pylist()]
        articles = articles.append_column("topic", pa.array(named, pa.string()))
    _count_articles(census, work, shard, articles)
    folder, column = first_with(folders, shard), work.config.label_column
    if folder is None:
        return
    names = columns_in(folder, shard, ("id", column.name, "tiers", "repairs", *_NAMES))
    labels = folder.read(shard, names)
    if column.name in names:
        _count_labels(census, articles, labels, column)


def _count_articles(census: Census, work: Workspace, shard: str, articles: pa.Table) -> None:
    lengths = articles.column("tokens")
    if lengths.null_count:
        census.unit = "characters"
        lengths = pc.utf8_length(work.filtered.read(shard, ["text"]).column("text"))
    values, counts = np.unique(np.asarray(lengths.cast(pa.int64())), return_counts=True)
    census.lengths.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    months = (text[:7] for text in articles.column("published_at").to_pylist() if text)
    census.months.update(month for month in months if _MONTH.fullmatch(month))
    ones = pa.array(np.ones(articles.num_rows, np.int64))
    for groups, name in _groups_of(census, articles):
        _add_groups(groups, articles.column(name), {"articles": ones})


def _count_labels(census: Census, articles: pa.Table, labels: pa.Table, column: LabelColumn) -> None:
    values = _phrases(labels.column(column.name), column)
    sizes = pc.list_value_length(values) if column.many else pa.array(np.ones(labels.num_rows, np.int64))
    _update(census.per_label, sizes)
    phrases = pc.list_flatten(values) if column.many else values
    census.frequent.add(_value_counts(phrases))
    absent = pa.array(np.zeros(labels.num_rows, np.int64))
    if column.has_tiers and "tiers" in labels.column_names:
        absent = _absent(labels.column("tiers").combine_chunks())
        _update(census.tiers, pc.list_flatten(labels.column("tiers")))
    if "repairs" in labels.column_names:
        _update(census.repairs, pc.list_flatten(labels.column("repairs")))
    for name in census.names.keys() & set(labels.column_names):
        _update(census.names[name], labels.column(name))
    rows = pc.index_in(labels.column("id"), articles.column("id").combine_chunks())
    sums = {"labels": pa.array(np.ones(labels.num_rows, np.int64)), "phrases": sizes, "absent": absent}
    for groups, name in _groups_of(census, articles):
        _add_groups(groups, articles.column(name).take(rows), sums)


def _groups_of(census: Census, articles: pa.Table) -> list[tuple[dict[str, GroupCounts], str]]:
    """Return the groups by which articles are counted, with the columns that tell them."""
    groups = [(census.languages, "language"), (census.sources, "source"), (census.topics, "topic")]
    return [(group, name) for group, name in groups if name in articles.column_names]


def _phrases(values: pa.ChunkedArray, column: LabelColumn) -> pa.Array:
    """Return labels as lists of phrases, or as texts: those that are JSON by their one text."""
    if column.schema is None:
        return values.combine_chunks()
    return pa.array([column.phrases(value)[0] for value in values.to_pylist()], pa.string())


def _absent(tiers: pa.Array) -> pa.Array:
    """Return for each row how many of its phrases are not in the text."""
    parents, flat = np.asarray(pc.list_parent_indices(tiers)), pc.list_flatten(tiers)
    is_absent = np.asarray(pc.equal(flat, "absent").fill_null(False), dtype=bool)
    return pa.array(np.bincount(parents[is_absent], minlength=len(tiers)).astype(np.int64))


def _add_groups(groups: dict[str, GroupCounts], names: pa.ChunkedArray, sums: dict[str, pa.Array]) -> None:
    table = pa.table({"name": names.fill_null("unknown"), **sums})
    for row in table.group_by("name").aggregate([(name, "sum") for name in sums]).to_pylist():
        is_own_group = row["name"] in groups or len(groups) < _MOST_GROUPS
        group = groups.setdefault(row["name"] if is_own_group else OTHERS, GroupCounts())
        for name in sums:
            setattr(group, name, getattr(group, name) + row[f"{name}_sum"])


def _update(counter: Counter[Any], values: Any) -> None:
    for value, number in _value_counts(values):
        counter[value] += number


def _value_counts(values: Any) -> list[tuple[Any, int]]:
    counts = pc.value_counts(values.drop_null())
    return list(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


# --- histograms ---


def quantiles(counts: Counter[int], shares: Iterable[float]) -> list[int]:
    """Return for each share the least value that at least this share of the things does not exceed; [] where nothing is."""
    values = np.array(sorted(counts), np.int64)
    until = np.cumsum([counts[value] for value in values.tolist()])
    return [int(values[np.searchsorted(until, share * until[-1])]) for share in shares] if len(values) else []


def binned(counts: Counter[int], bins: int = 20) -> list[dict[str, int | None]]:
    """Return at most `bins` bins of a round width, `from` and below `to`; the last one has no end where few are far away."""
    if not counts:
        return []
    low, high = quantiles(counts, (0.005, 0.99))
    width = next(
        width for power in range(19) for width in (10**power, 2 * 10**power, 5 * 10**power)
        if high // width - low // width < bins
    )  # fmt: skip
    first, last = low // width, high // width
    binned_counts: Counter[int] = Counter()
    for value, number in counts.items():
        binned_counts[min(max(value // width, first), last)] += number
    starts = [min(min(counts), first * width), *(step * width for step in range(first + 1, last + 1))]
    open_end = max(counts) >= (last + 1) * width
    ends = [*starts[1:], None if open_end else (last + 1) * width]
    return [
        {"from": start, "to": end, "count": binned_counts[first + offset]}
        for offset, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
