"""The default filter chain (language, tokens, duplicates) beside what the original job used (langdetect + tiktoken), one core.

    python benchmarks/filter.py [--articles 8000] [--baseline 150] [--data DIR]

Prints articles a second of processor time, of 3.5 kB (English and Korean in turn), and the ratio.  `read + write` is a plain
Parquet pass over the same rows, the floor of any filter.  All run in this process, one after the other, with threads off; the
best of three is taken.  Then where the time goes, in multiples of that floor: each filter, and what libraries alone take for the
same results (pycld2 for the windows that it is asked about, two digests of each text, the words of a shard counted).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from articles import ROOT, woven

os.environ["OMP_NUM_THREADS"] = "1"

import pyarrow as pa
import pyarrow.parquet as pq
import pycld2

pa.set_cpu_count(1)
pa.set_io_thread_count(1)

from pipeline.core.parquet import write_parquet
from pipeline.core.shards import ARTICLE
from pipeline.core.text.folding import fold_space
from pipeline.core.text.language import _is_korean, _words, windows
from pipeline.core.text.tokens import column_counter
from pipeline.filter import stage
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace

CHAIN = [
    {"type": "language", "keep": ["ko", "en"]},
    {"type": "tokens", "min": 100, "max": 5000},
    {"type": "duplicates"},
]
BATCH = 4096


def table(count: int, data: Path | None) -> pa.Table:
    """Rows as collect leaves them: title and body joined, white space folded."""
    rows = [
        {"id": r["id"], "title": fold_space(r["title"]), "text": fold_space(f"{r['title']} {r['body']}")}
        for r in woven(count, data=data)
    ]
    return pa.Table.from_pylist([{name: row.get(name) for name in ARTICLE.names} for row in rows], schema=ARTICLE)


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def best(work: Callable[[], object]) -> float:
    """Return the least seconds of three runs: what others do on the machine is in the others."""
    return min(seconds(work) for _ in range(3))


def workspace(folder: Path) -> Workspace:
    job = folder / "job.yaml"
    job.write_text(f"name: bench\nsources: [{{type: files, path: x.jsonl}}]\nfilters: {CHAIN}\n")
    return Workspace(load_job(job))


def ours(source: Path, target: Path, work: Workspace) -> None:
    filters = stage._LazyFilters(work)
    for number, batch in enumerate(pq.ParquetFile(source).iter_batches(batch_size=BATCH)):
        articles = pa.Table.from_batches([batch])
        decisions = stage.decide(articles, filters.all())
        output = stage.emit(articles, decisions, {}, filters)
        write_parquet(target / f"{number}.parquet", output.kept, output.kept.schema)


def parts(source: Path, work: Workspace) -> Iterator[tuple[str, float]]:
    """Yield what each filter takes of all rows, and what libraries alone take for the same results."""
    batches = [pa.Table.from_batches([batch]) for batch in pq.ParquetFile(source).iter_batches(batch_size=BATCH)]
    columns = [batch.column("text") for batch in batches]
    texts = [text for column in columns for text in column.to_pylist()]
    for spec, row_filter in zip(CHAIN, stage._LazyFilters(work).all(), strict=True):
        decide = row_filter.decide
        yield str(spec["type"]), best(lambda decide=decide: [decide(batch) for batch in batches])
    asked = [
        window for text in texts for part in windows(text)[:2] if (window := _words(part)) and not _is_korean(window)
    ]
    yield "pycld2", best(lambda: [pycld2.detect(window, isPlainText=True, bestEffort=True) for window in asked])
    data = [text.encode() for text in texts for _ in range(2)]
    yield "digests", best(lambda: [hashlib.blake2b(each, digest_size=16).digest() for each in data])
    count = column_counter("cl100k_base")
    yield "counts", best(lambda: [count(column) for column in columns])


def read_and_write(source: Path, target: Path) -> None:
    for number, batch in enumerate(pq.ParquetFile(source).iter_batches(batch_size=BATCH)):
        articles = pa.Table.from_batches([batch])
        articles.column("text").to_pylist()
        write_parquet(target / f"{number}.parquet", articles, articles.schema)


def original(texts: list[str]) -> None:
    import langdetect

    from pipeline.core.text.tokens import encoding_counter

    langdetect.DetectorFactory.seed = 0
    count = encoding_counter("cl100k_base", "tiktoken")
    for text in texts:
        langdetect.detect(text)
        count([text])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=8000)
    parser.add_argument("--baseline", type=int, default=150, help="articles for the slow baseline")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        articles, work = table(options.articles, options.data), workspace(folder)
        source = folder / "source.parquet"
        write_parquet(source, articles, articles.schema)
        texts = articles.column("text").to_pylist()
        stage._LazyFilters(work).all()
        original(texts[:5])
        floor = options.articles / best(lambda: read_and_write(source, folder / "floor"))
        chain = options.articles / best(lambda: ours(source, folder / "ours", work))
        slow = options.baseline / seconds(lambda: original(texts[: options.baseline]))
        shares = list(parts(source, work))
    kilobytes = sum(len(text.encode()) for text in texts) / len(texts) / 1000
    print(f"{options.articles} articles of {kilobytes:.1f} kB, one core\n")
    print(f"{'what':34}{'articles/s':>12}{'ratio':>10}")
    print(f"{'langdetect + tiktoken':34}{slow:>12,.0f}{1:>10.1f}")
    print(f"{'labelmill: read, filter, write':34}{chain:>12,.0f}{chain / slow:>10.1f}")
    print(f"{'read + write (floor)':34}{floor:>12,.0f}{floor / slow:>10.1f}")
    print(f"\nlabelmill takes {floor / chain:.1f} times a plain read + write")
    print(
        "of it, in the same unit: "
        + ", ".join(f"{name} {part * floor / options.articles:.2f}" for name, part in shares)
    )


if __name__ == "__main__":
    main()
