"""Which articles of a job are asked about: all, the first `--limit` of them, or as many as `label.until` needs.

With `until` articles are drawn in the order of their ranks, digests of a seed and the text: a sample of the whole corpus that
goes on where it stopped.  Nothing is drawn back: what was asked stays, and what a killed run had drawn is drawn first by the next
one, whatever was collected in between, since it may be paid.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.objects import looked_at
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.core.shards import Manifest, input_digests
from pipeline.job.workspace import Workspace
from pipeline.label.sharing.log import is_of

Array = np.ndarray[Any, Any]
Rows = range | Array
"""Numbers of rows in a shard, ascending."""

_DRAWN = pa.schema([("text_sha256", pa.string())])
_ALL = ""  # the one stratum where `until` is a number
_SURE = 3.0  # standard errors: a round draws more than is missing only as far as the share that becomes rows is sure


@dataclass
class _Judged:
    """What became of the articles of a stratum: of so many `asked`, `fallen` became no row; of those that were cleaned and reviewed
    since, `judged`, these are `judged_fallen`."""

    asked: int = 0
    fallen: int = 0
    judged: int = 0
    judged_fallen: int = 0

    def missing(self, target: int) -> int:
        """Return how many more articles to ask for `target` rows; those that are not judged yet count as rows."""
        missing = max(0, target - (self.asked - self.fallen))
        if not missing or not self.judged:
            return missing
        return max(missing, int(missing / _upper_bound(self.judged - self.judged_fallen, self.judged)))

    def expected(self, target: int, share: float) -> int:
        """Return how many more articles to ask for `target` rows where this share becomes rows, of those not judged yet, too."""
        rows = self.judged - self.judged_fallen + (self.asked - self.judged) * share
        return ceil(max(0.0, target - rows) / share) if share else 2**62

    @property
    def share(self) -> float | None:
        """Which share of the judged ones became rows, None where none was judged."""
        return (self.judged - self.judged_fallen) / self.judged if self.judged else None


@dataclass(frozen=True)
class Shortfall:
    """What `until` still lacks: articles to ask by stratum, as far as there are any; `exhausted` strata have too few."""

    to_draw: dict[str, int] = field(default_factory=dict)
    exhausted: dict[str, int] = field(default_factory=dict)  # stratum -> rows that it cannot have

    @property
    def count(self) -> int:
        """Return how many articles are to be drawn, in all."""
        return sum(self.to_draw.values())


@dataclass(frozen=True)
class Expected:
    """What `until` will take: articles in the `first_round` to come, and `in_all`, where `rows` of so many `judged` became rows."""

    first_round: int
    in_all: int
    judged: int
    rows: int


class ArticleSelection:
    """The rows of each shard that are asked about, by what was asked under `config` (the label stage's) before."""

    def __init__(self, work: Workspace, config: list[Any], shards: Sequence[str]) -> None:
        self._work, self._config, self._shards = work, config, shards
        self._options = work.config.label

    @looked_at()
    def rows(self, limit: int | None, note: bool = True) -> dict[str, Rows]:
        """Return the rows of each shard to ask about, those included that were asked before: a limit takes no label back.

        What is drawn is noted, unless it is only looked at.
        """
        if self._targets is None:
            return self._first(2**62 if limit is None else limit)
        return self._draw(limit, note)

    def shortfall(self) -> Shortfall:
        """Return what `label.until` still lacks; nothing where the job has none."""
        to_draw, exhausted = {}, {}
        for stratum, target in (self._targets or {}).items():
            judged, unasked = self._judged[stratum], self._sizes[stratum] - self._judged[stratum].asked
            if wanted := judged.missing(target):
                to_draw[stratum] = min(wanted, unasked)
            if (short := target - (judged.asked - judged.fallen) - unasked) > 0:
                exhausted[stratum] = short
        return Shortfall({stratum: count for stratum, count in to_draw.items() if count}, exhausted)

    def expected(self) -> Expected | None:
        """Return what `label.until` will take in all, by the share of the judged articles that became rows; None where it is
        reached, or where nothing was judged yet.  A stratum of which nothing was judged has the share of all."""
        tallies = self._judged if self._targets else {}
        judged = sum(tally.judged for tally in tallies.values())
        rows = judged - sum(tally.judged_fallen for tally in tallies.values())
        first = self.shortfall().count
        if not judged or not first:
            return None
        to_ask = 0
        for stratum, target in (self._targets or {}).items():
            tally = tallies[stratum]
            share = rows / judged if tally.share is None else tally.share
            to_ask += min(tally.expected(target, share), self._sizes[stratum] - tally.asked)
        return Expected(first, max(first, to_ask), judged, rows)

    # --- what was asked ---

    @cached_property
    def _of_this_labeller(self) -> dict[str, Manifest]:
        """The manifests of `requests/` by this labeller, also of shards whose articles are others since: what was asked stays."""
        manifests = ((shard, self._work.requests.manifest(shard)) for shard in self._shards)
        return {
            shard: manifest for shard, manifest in manifests if manifest and is_of(self._work, manifest, self._config)
        }

    @cached_property
    def _asked(self) -> dict[str, Rows]:
        return {shard: self._asked_in(shard) for shard in self._shards}

    @cached_property
    def _asked_ids(self) -> pa.ChunkedArray:
        """The ids of all articles that were asked about, for one may stand in another shard now."""
        parts = [self._work.requests.read(shard, ["id"]).column("id") for shard in self._of_this_labeller]
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())

    def _asked_in(self, shard: str) -> Rows:
        manifest = self._of_this_labeller.get(shard)
        is_whole = manifest is not None and manifest.inputs == input_digests([self._work.filtered], shard)
        if manifest and is_whole and manifest.kept == self._size(shard):
            return range(manifest.kept)
        if self._targets is None and not (manifest and is_whole):
            return range(0)  # the first ones are the first ones of now
        ids = self._asked_ids if self._targets else self._work.requests.read(shard, ["id"]).column("id")
        numbers = np.flatnonzero(pc.is_in(self._column(shard, "id"), ids).to_numpy(zero_copy_only=False))
        return range(len(numbers)) if len(numbers) == 0 or numbers[-1] == len(numbers) - 1 else numbers

    def _size(self, shard: str) -> int:
        manifest = self._work.filtered.manifest(shard)
        return manifest.kept if manifest else 0

    def _column(self, shard: str, name: str) -> pa.Array:
        return self._work.filtered.read(shard, [name]).column(name).combine_chunks()

    # --- the first articles of the job ---

    def _first(self, limit: int) -> dict[str, Rows]:
        chosen, remaining = {}, limit
        for shard, asked in self._asked.items():
            size = self._size(shard)
            count = max(len(asked), min(remaining, size))
            chosen[shard] = _filled(asked, count, size)
            remaining = max(0, remaining - count)
        return chosen

    # --- as many as `until` needs ---

    @cached_property
    def _targets(self) -> dict[str, int] | None:
        until = self._options.until
        return {_ALL: until} if isinstance(until, int) else until

    def _strata(self, shard: str) -> Array:
        """Return the stratum of each row of a shard."""
        if self._targets is not None and _ALL in self._targets:
            return np.full(self._size(shard), _ALL, dtype=object)
        if self._options.until_by == "topic":
            digests = self._column(shard, "text_sha256").to_pylist()
            return np.array([self._topics.get(digest) for digest in digests], dtype=object)
        return np.array(self._column(shard, self._options.until_by).to_pylist(), dtype=object)

    @cached_property
    def _topics(self) -> dict[str, str]:
        return {text: str(topic) for text, topic in self._work.topic_table.topic_of_text().items()}

    @cached_property
    def _sizes(self) -> Counter[str]:
        sizes: Counter[str] = Counter()
        for shard in self._shards:
            sizes.update(self._strata(shard).tolist())
        return sizes

    @cached_property
    def _judged(self) -> dict[str, _Judged]:
        judged = {stratum: _Judged() for stratum in self._targets or ()}
        for shard, asked in self._asked.items():
            if not len(asked):
                continue
            strata = self._strata(shard)
            is_judged, fallen = self._fallen(shard)
            numbers = pc.index_in(pa.array(fallen, pa.string()), self._column(shard, "id")).drop_null().to_numpy()
            counts, fallen_counts = Counter(strata[np.asarray(asked)].tolist()), Counter(strata[numbers].tolist())
            for stratum, tally in judged.items():
                tally.asked += counts[stratum]
                tally.fallen += fallen_counts[stratum]
                tally.judged += counts[stratum] if is_judged else 0
                tally.judged_fallen += fallen_counts[stratum] if is_judged else 0
        return judged

    def _fallen(self, shard: str) -> tuple[bool, list[str]]:
        """Return (whether what was asked in a shard is cleaned and reviewed, ids of what became no row by that).

        An article without an answer has not fallen: the next run asks it again.
        """
        labels, reviewed = self._work.labels, self._work.reviewed
        if not self._is_made_of(labels.manifest(shard), "requests", self._work.requests.manifest(shard)):
            return False, []
        rejected = labels.read_rejected(shard, ["id", "reason"]).to_pylist()
        fallen = [row["id"] for row in rejected if row["reason"] != "request_failed"]
        if not self._is_made_of(reviewed.manifest(shard), "labels", labels.manifest(shard)):
            return False, fallen
        return True, [*fallen, *reviewed.read_rejected(shard, ["id"]).column("id").to_pylist()]

    @staticmethod
    def _is_made_of(output: Manifest | None, folder: str, source: Manifest | None) -> bool:
        return output is not None and source is not None and output.inputs.get(folder) == source.digest

    def _draw(self, limit: int | None, note: bool) -> dict[str, Rows]:
        to_draw = self.shortfall().to_draw
        if limit is not None:
            to_draw = _at_most(to_draw, limit - sum(map(len, self._asked.values())))
        if not to_draw:
            return self._asked
        shards, numbers, texts, strata = self._unasked()
        before = pc.is_in(pa.array(texts, pa.string()), self._drawn_before()).to_numpy(zero_copy_only=False)
        order, chosen = np.lexsort((_ranks(self._options.until_seed, texts), ~before)), []
        for stratum, count in to_draw.items():
            chosen.append(order[strata[order] == stratum][:count])
        drawn = np.concatenate(chosen)
        if note:
            self.note(texts[before | np.isin(np.arange(len(texts)), drawn)].tolist())
        rows = dict(self._asked)
        for index in np.unique(shards[drawn]):
            shard = self._shards[index]
            more = numbers[drawn[shards[drawn] == index]]
            rows[shard] = np.union1d(np.asarray(rows[shard], dtype=np.int64), more)
        return rows

    def _unasked(self) -> tuple[Array, ...]:
        """Return (number of the shard, number of the row, digest of the text, stratum) of each article not asked about yet."""
        parts = []
        for index, shard in enumerate(self._shards):
            numbers = np.setdiff1d(np.arange(self._size(shard)), np.asarray(self._asked[shard], dtype=np.int64))
            texts = np.array(self._column(shard, "text_sha256").take(pa.array(numbers)).to_pylist(), dtype=object)
            parts.append((np.full(len(numbers), index), numbers, texts, self._strata(shard)[numbers]))
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def note(self, texts: Sequence[str]) -> None:
        """Note articles that are about to be asked about, by their texts' digests: those that a kill leaves are drawn first."""
        write_parquet(self._work.drawn_file, pa.table([pa.array(texts, pa.string())], schema=_DRAWN), _DRAWN)

    def note_further(self, texts: Sequence[str]) -> None:
        """Note articles beside those that are noted."""
        if self._targets is not None:
            self.note(sorted({*texts, *self._drawn_before().to_pylist()}))

    def _drawn_before(self) -> pa.ChunkedArray:
        file = self._work.drawn_file
        return (read_parquet(file) if file.exists() else _DRAWN.empty_table()).column("text_sha256")


def _upper_bound(passed: int, judged: int) -> float:
    """Return the upper end of Wilson's interval for a share, `_SURE` standard errors wide."""
    share, z = passed / judged, _SURE * _SURE / judged
    return min(1.0, (share + z / 2 + _SURE * sqrt(share * (1 - share) / judged + z / (4 * judged))) / (1 + z))


def _ranks(seed: int, digests: Array) -> Array:
    def rank(digest: str) -> bytes:
        return hashlib.blake2b(digest.encode(), digest_size=8, salt=str(seed).encode()[:16]).digest()

    return np.frombuffer(b"".join(map(rank, digests.tolist())), dtype=">u8").astype(np.uint64)


def _filled(asked: Rows, count: int, size: int) -> Rows:
    """Return `count` of `size` rows: those asked, and the first of the others."""
    if isinstance(asked, range):
        return range(count)
    others = np.setdiff1d(np.arange(size), np.asarray(asked))
    return np.union1d(np.asarray(asked), others[: count - len(asked)])


def _at_most(to_draw: dict[str, int], room: int) -> dict[str, int]:
    """Return as much of it as there is room for, the first strata first."""
    cut: dict[str, int] = {}
    for stratum, count in to_draw.items():
        if taken := min(count, room - sum(cut.values())):
            cut[stratum] = max(0, taken)
    return {stratum: count for stratum, count in cut.items() if count}
