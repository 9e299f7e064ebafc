"""Texts that train must be without: those of public benchmarks (`split.keep_out`), and the rows that are like them.

A benchmark is a table file (JSON lines, CSV, Parquet, ...), relative to the job file, or a data set of the Hub (`user/name`, or
`user/name:configuration`), of which all splits are read.  Its signatures are kept in the job's folder, so a data set of the Hub
is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.collect.reading import tables
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import digest_of, file_digest
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.job.workspace import Workspace
from pipeline.split.assignment import blocks_of, texts_of
from pipeline.split.groups import Signed, find_groups

_LEAST = 100  # characters: shorter fields are questions, names, labels
_BATCH = 1024
BENCHMARK = pa.schema([("name", pa.string()), ("signature", pa.binary())])


def digests(work: Workspace) -> list[list[str]]:
    """Return for each benchmark its name and the digest of its file (of a data set of the Hub: none)."""
    named = [(name, work.config.folder / name) for name in work.config.split.keep_out]
    return [[name, file_digest(path) if path.is_file() else ""] for name, path in named]


def check(work: Workspace) -> str:
    """Return what is kept out.  Raises what `load` would, by the first row of each."""
    for name, digest in digests(work):
        next(iter(_rows(name, work.config.folder / name, bool(digest))), None)
    return ", ".join(work.config.split.keep_out)


def load(work: Workspace) -> pa.Table:
    """Return the texts of all benchmarks (BENCHMARK): where each is from, and its signature.

    Raises ConfigError for what is neither a file nor a data set, InputError where it cannot be read.
    """
    parts = [BENCHMARK.empty_table()]
    for name, digest in digests(work):
        stored = work.keep_out / f"{digest_of([name, digest])[:16]}.parquet"
        if not stored.exists():
            write_parquet(stored, _signed(name, _rows(name, work.config.folder / name, bool(digest))), BENCHMARK)
        parts.append(read_parquet(stored))
    return pa.concat_tables(parts)


def like_benchmarks(work: Workspace, signed: Signed, rows: int) -> pa.Array:
    """Return for each of some rows the name of a benchmark's text that it is like, null where there is none."""
    benchmarks, similarity = load(work), work.config.split.similarity
    count = benchmarks.num_rows
    both = find_groups(lambda: chain(blocks_of([benchmarks]), signed()), count + rows, similarity, work.exchange)
    heads = both.of_all()[count:]  # a group is named by its first row, and benchmarks come first
    return benchmarks.column("name").take(pa.array(heads, mask=heads >= count)).combine_chunks()


def _signed(name: str, rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[pa.Table]:
    texts = ((f"{name}, {origin}", text) for origin, fields in rows for text in _texts(fields))
    while batch := list(islice(texts, _BATCH)):
        signed = texts_of([origin for origin, _ in batch], [text for _, text in batch])
        yield pa.table([signed.column("id"), signed.column("signature").cast(pa.binary())], schema=BENCHMARK)


def _texts(fields: dict[str, Any]) -> list[str]:
    """Return the fields that may be an article; where none is long enough, all of them as one."""
    values = [" ".join(map(str, value)) if isinstance(value, list) else value for value in fields.values()]
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    whole = " ".join(texts)
    return [text for text in texts if len(text) >= _LEAST] or ([whole] if len(whole) >= _LEAST else [])


def _rows(name: str, path: Path, is_file: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    if is_file:
        for row in tables.rows(path):
            yield f"row {row.line}", row.fields
    elif "/" not in name or name.startswith((".", "/", "~")) or path.suffix:
        raise ConfigError(f"split.keep_out: {name}: no such file; a data set of the Hub is user/name")
    else:
        yield from _rows_of_the_hub(name)


def _rows_of_the_hub(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    import datasets

    datasets.disable_progress_bars()
    repository, _, config = name.partition(":")
    try:
        splits = datasets.load_dataset(repository, config or None, streaming=True)
        for split, rows in splits.items():
            for number, fields in enumerate(rows, 1):
                yield f"{split} {number}", fields
    except Exception as error:  # readers of a dozen formats raise as they like
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"split.keep_out: {name}: cannot be read ({reason})") from error
