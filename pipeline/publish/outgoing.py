"""Rows that go out: articles with their labels and splits, shard by shard, without what was taken down."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.shards import Output, read_order
from pipeline.engines.mapping import Transform
from pipeline.job import takedowns
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.workspace import Workspace
from pipeline.publish import facts
from pipeline.versions import redaction, rows
from pipeline.versions.features import TIMES
from pipeline.versions.forms import Nfc

TAKEN_DOWN = "(taken down)"  # in place of the id of an article whose answer a row shares


class OutgoingRows:
    """Rows that go out, shard by shard: articles with their labels and splits, without what was taken down."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.takedowns = takedowns.load(work.takedowns, work.given)
        self.nfc = Nfc(work.given)
        self.sharing = frozenset(shard for shard in read_order(work.articles) if _shares(work, shard))

    def of(self, shard: str, with_text: bool = True) -> pa.Table:
        """Return a shard's rows, in source order: the columns of a version but `added_in` and `changed_in`, and `split`.

        `with_text`: title and text are needed; else they are not read where all else is there without them.
        """
        redact = self._work.config.publish.redact
        redacted = facts.redacted_of(self._work, shard, self.nfc) if redact else None
        return self._without_names_of_gone(self._staying(self._built(shard, redacted, with_text)))

    def index_of(self, shard: str) -> pa.Table:
        """Return the index (`rows.INDEX`) of a shard's rows."""
        return self._staying(facts.of_shard(self._work, shard, lambda: self._built(shard), self.nfc))

    def look(self, shard: str, _: Any) -> Output:
        """Look at a shard's rows, taken down or not, for what is kept of them (`facts`)."""
        return Output(facts.made(self._work, self._built(shard), self.nfc))

    def typed(self, shard: str, with_label: bool) -> pa.Table:
        """Return the columns of a shard's rows of which `features` tells the types, without the texts."""
        work, column = self._work, self._work.config.label_column
        splits = work.split.read(shard, ["id"])
        articles = rows.with_ids_of(splits, work.filtered.read(shard, ["id", "text_sha256", *TIMES]))
        stays = pc.invert(self.takedowns.concerns(articles))
        times = {name: articles.column(name) for name in TIMES}
        if not with_label:
            return pa.table(times).filter(stays)
        values = rows.with_ids_of(splits, work.reviewed.read(shard, ["id", column.name])).column(column.name)
        # phrases have no type, whatever they are
        if (redact := work.config.publish.redact) and not column.has_tiers:
            values = redaction.redacted_values(values, redact)
        return pa.table({column.name: values, **times}).filter(stays)

    def shared_among(self, shard: str, ids: pa.ChunkedArray) -> int:
        """Return how many of a shard's rows with some ids share the answer about a near-copy."""
        if shard not in self.sharing:
            return 0
        labels = self._work.reviewed.read(shard, ["id", SHARED_FROM])
        shared = labels.column("id").filter(labels.column(SHARED_FROM).is_valid())
        return int(pc.sum(pc.is_in(ids, shared.combine_chunks())).as_py() or 0)

    def _without_names_of_gone(self, table: pa.Table) -> pa.Table:
        """Take the ids of articles that are taken down out of what says whose answer a row shares."""
        if not self.sharing:
            return table
        column = table.column(SHARED_FROM)
        is_taken_down = pc.is_in(column, pa.array(sorted(self.takedowns.ids), pa.string()))
        return table.set_column(
            table.column_names.index(SHARED_FROM), SHARED_FROM, pc.if_else(is_taken_down, TAKEN_DOWN, column)
        )

    def _staying(self, table: pa.Table) -> pa.Table:
        """Return the rows that are not taken down."""
        looked_at = pa.table([table.column("id"), table.column(facts.ORIGINAL)], names=["id", "text_sha256"])
        stays, table = pc.invert(self.takedowns.concerns(looked_at)), table.drop_columns(facts.beside_of(table))
        # a copy of the texts only where it is needed
        return table if pc.all(stays).as_py() else table.filter(stays)

    def _built(self, shard: str, redacted: pa.ChunkedArray | None = None, with_text: bool = True) -> pa.Table:
        """Return a shard's rows, taken down or not; `redacted` tells which are to be redacted, where that is known."""
        work = self._work
        splits = work.split.read(shard, ["id", "group_id", "split"])
        labels = rows.with_ids_of(splits, work.reviewed.read(shard))
        with_text = (
            with_text or bool(work.config.publish.redact) or not rows.has_offsets(labels, work.config.label_column)
        )
        columns = None if with_text else [name for name in work.filtered.columns(shard) if name not in rows.TEXT]
        articles = rows.with_ids_of(splits, work.filtered.read(shard, columns))
        if self.sharing and shard not in self.sharing:
            labels = labels.append_column(SHARED_FROM, pa.nulls(len(labels), pa.string()))
        beside = {facts.ORIGINAL: articles.column("text_sha256")}
        if work.config.publish.redact:
            articles, labels, beside[facts.REDACTED] = self._redacted(articles, labels, redacted)
        built = rows.build(articles, labels, splits, work.config.label_column)
        for name, column in beside.items():
            built = built.append_column(name, column)
        return built

    def _redacted(
        self, articles: pa.Table, labels: pa.Table, flags: pa.ChunkedArray | None
    ) -> tuple[pa.Table, pa.Table, pa.ChunkedArray]:
        """Return articles and labels redacted, and which rows are: looked for unless `flags` are known."""
        column, kinds = self._work.config.label_column, self._work.config.publish.redact
        if flags is not None:
            return *redaction.redacted_again(articles, labels, column, kinds, flags), flags
        after = redaction.redacted(articles, labels, column, kinds)
        return *after, redaction.is_redacted((articles, labels), after, column)


def looker(work: Workspace) -> Transform:
    """Return what looks at a shard of a job for the step `facts.step`, in whatever process."""
    return OutgoingRows(work).look


def _shares(work: Workspace, shard: str) -> bool:
    """Tell whether some rows of a shard of `reviewed/` share answers: only such shards have the column."""
    return work.reviewed.file(shard).exists() and SHARED_FROM in work.reviewed.columns(shard)
