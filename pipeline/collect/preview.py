"""A look at sources with nothing stored: their first rows, and whether a run would find fault with one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.collect import stage
from pipeline.collect.units import RowsSeen, SourceUnit, absent_columns, rejected_row, rows_of
from pipeline.core import plugins
from pipeline.core.contracts import Source, SourceOptions
from pipeline.core.errors import InputError
from pipeline.core.types import Article, BadRow
from pipeline.job.workspace import Workspace

_log = logging.getLogger("labelmill.collect")
_LOOK = 1000  # rows; more are read only where these leave a fault open


def preview(work: Workspace, count: int) -> Iterator[dict[str, Any]]:
    """Yield the first rows of each source; a crawl fetches no more than that, into a temporary folder."""
    for number in range(len(work.config.sources)):
        with _opened(work, number, count) as (source, options):
            seen = RowsSeen.of(options)
            rows = (row for unit in source.units() for row in rows_of(SourceUnit(unit, source, options, number), seen))
            for row in islice(rows, count):
                yield _without_given(row) if isinstance(row, Article) else rejected_row(row)
        if seen.absent and seen.fields:
            _log.warning(f"sources.{number}: {absent_columns(seen.absent, seen.fields, 'none of these rows')}")


def check(work: Workspace, number: int) -> str:
    """Return what can be read of a source.  Raises what a run would raise, for what cannot be read or has no article.

    Of a crawl, a page or two are asked for; whether there are articles among all of them is left to the run.
    """
    kind, seen = work.config.sources[number].type, _Seen()
    is_crawl = plugins.load("sources", kind).Source.prepares()
    with _opened(work, number, 2 if is_crawl else _LOOK) as (source, options):
        for unit in source.units():
            rows = RowsSeen.of(options)
            for row in rows_of(SourceUnit(unit, source, options, number), rows):
                seen.add(row)
                if seen.rows >= _LOOK and seen.kept and not seen.absent_with(rows):
                    break
            seen.end_of_unit(rows)
            if seen.rows >= _LOOK and seen.kept and not seen.absent:
                break
    if not is_crawl and (fault := seen.fault(work)):
        raise InputError(f"{work.config.file}: sources.{number}: {kind}: {fault}")
    return f"{options.title()}: can be read, {seen.kept:,} of the first {seen.rows:,} rows are articles"


@dataclass
class _Seen:
    """What a look at a source has found so far; `absent` are the columns that no unit with articles has, None before the first."""

    rows: int = 0
    kept: int = 0
    kept_before: int = 0  # when the unit began
    reasons: Counter[str] = field(default_factory=Counter)
    detail: str = ""
    absent: dict[str, str] | None = None
    fields: list[str] = field(default_factory=list)

    def add(self, row: Article | BadRow) -> None:
        self.rows += 1
        if isinstance(row, Article):
            self.kept += 1
        else:
            self.reasons[row.reason] += 1
            self.detail = self.detail or row.detail or ""

    def absent_with(self, rows: RowsSeen) -> dict[str, str]:
        """Return the columns that are still nowhere, with the rows of a unit so far."""
        former = rows.absent if self.absent is None else self.absent
        return {name: column for name, column in former.items() if name in rows.absent}

    def end_of_unit(self, rows: RowsSeen) -> None:
        if self.kept > self.kept_before:
            self.absent, self.fields, self.kept_before = self.absent_with(rows), self.fields or rows.fields, self.kept

    def fault(self, work: Workspace) -> str | None:
        if not self.rows:
            return stage.NO_ROWS
        if not self.kept:
            return stage.why_none(work, self.rows, self.reasons, self.detail)
        return absent_columns(self.absent, self.fields) if self.absent else None


@contextmanager
def _opened(work: Workspace, number: int, count: int) -> Iterator[tuple[Source, SourceOptions]]:
    """Open a source of which few rows are fetched, with its state in a temporary folder."""
    kind = work.config.sources[number].type
    options = plugins.load("sources", kind).Source.for_preview(work.config.source_options[number], count)
    with TemporaryDirectory() as state, ExitStack() as opened, stage.section_errors(work, number):
        source = stage.open_source(work, number, options, lambda path: "", opened)
        stage.prepare(work, source, Path(state), fetch=True)
        yield source, options


def _without_given(article: Article) -> dict[str, Any]:
    return {name: value for name, value in asdict(article).items() if name != "given"}
