"""What an earlier version of a filter decided of a shard of which rows were taken since.

A takedown changes a shard's articles, and so its decisions are made anew; what was decided of the rows that are left stays, for
they may be labelled and published.  It stands in `filtered/`, by which it is found again.
A shard with new articles is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.core.shards import Manifest, step_key
from pipeline.job.workspace import Workspace

_Key = tuple[str, str]  # id and digest of the text


@dataclass(frozen=True)
class EarlierDecisions:
    """The rows of a shard as the filters left them, by id and text; `versions` are those of the filters that decided."""

    versions: dict[str, Any]
    rows: dict[_Key, dict[str, Any]]

    def has_all(self, articles: pa.Table) -> bool:
        """Tell whether all of these articles were judged: nothing was added, at most taken."""
        return all(key in self.rows for key in _keys(articles))

    def of(self, articles: pa.Table, columns: Sequence[str]) -> list[tuple[str | None, dict[str, Any]] | None]:
        """Return for each article what the filter with these columns said of it: its reason, or None where it may stay, and its
        columns; None for an article that it was not asked about."""
        return [self._of(self.rows.get(key), columns) for key in _keys(articles)]

    def _of(self, row: dict[str, Any] | None, columns: Sequence[str]) -> tuple[str | None, dict[str, Any]] | None:
        if row is None or not columns:
            return None
        values = {name: row.get(name) for name in columns}
        if str(row.get("detail")).startswith(f"{columns[0]}="):  # see `stage._details`: whose finding it is
            return row["reason"], values
        return None if values[columns[0]] is None else (None, values)


def _keys(articles: pa.Table) -> Iterator[_Key]:
    return zip(articles.column("id").to_pylist(), articles.column("text_sha256").to_pylist(), strict=True)


def decisions(work: Workspace, shard: str, config: Any, columns: Sequence[str]) -> EarlierDecisions | None:
    """Return what is in `filtered/` of a shard by the same filters, with these columns of theirs; None where nothing is."""
    decided, emitted = work.decisions.manifest(shard), work.filter_output.manifest(shard)
    if not _is_of_these_filters(decided, config) or not _is_made_of(emitted, decided):
        return None
    assert decided is not None
    rows = dict[_Key, dict[str, Any]]()
    wanted = ["id", "text_sha256", *columns]
    for table in (work.filter_output.read(shard, wanted), work.filter_output.read_rejected(shard)):
        for row in table.select([n for n in (*wanted, "reason", "detail") if n in table.column_names]).to_pylist():
            rows[row["id"], row["text_sha256"]] = row
    return EarlierDecisions(decided.notes, rows)


def _is_of_these_filters(decided: Manifest | None, config: Any) -> bool:
    return decided is not None and decided.key == step_key(decided.inputs, config)


def _is_made_of(emitted: Manifest | None, decided: Manifest | None) -> bool:
    return emitted is not None and decided is not None and emitted.inputs.get("filtered.decisions") == decided.digest
