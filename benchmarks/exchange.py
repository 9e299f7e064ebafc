"""What folds cost beyond one memory: tables of ids, digests and signatures, without texts, at two sizes.

    python benchmarks/exchange.py [--small 1000000] [--large 10000000] [--folds ids duplicates groups assignment again] [--folder D]

A tenth of the rows repeats an id, a tenth a text, a twentieth a title, and a fifth are near-copies of other rows.  `assignment` is
the split's fold with its groups, `again` the same with a log that has all rows.  Each fold is one process of its own: its processor
time, its peak memory with what Python and Arrow take by themselves, and the bytes that it read and wrote.  The ratios are what
counts: of memory, and of time a row.  Ten million rows need 20 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.collect import unique_ids
from pipeline.collect.units import SourceUnit
from pipeline.core.shards import ARTICLE, MAX_SHARD_ROWS, Folder, Output, read_order, write_order
from pipeline.core.types import Unit
from pipeline.filter import row_comparison
from pipeline.filter.filters.duplicates import Filter, Options
from pipeline.job.job_file import load_job
from pipeline.job.takedowns import Takedowns
from pipeline.job.workspace import Workspace
from pipeline.split import assignment_fold
from pipeline.split.assignment import EVAL, TEXTS, blocks_of
from pipeline.split.groups import find_groups
from pipeline.split.minhash import NUMBERS

JOB = "name: tables\nsources: [{type: files, path: none.jsonl}]\n"
_UNIT_SHARDS = 64
_NEARBY = 200_000  # rows among which a near-copy is planted; more would have to be kept while tables are made


def make(folder: Path, count: int) -> Workspace:
    """Write the tables of so many articles, as the stages have them."""
    (folder / "job.yaml").write_text(JOB)
    work = Workspace(load_job(folder / "job.yaml"))
    draw, recent = np.random.default_rng(count), np.zeros((0, NUMBERS), np.uint16)
    shards = [f"shard-{number:06d}" for number in range(-(-count // MAX_SHARD_ROWS))]
    for number, shard in enumerate(shards):
        rows = np.arange(number * MAX_SHARD_ROWS, min(count, (number + 1) * MAX_SHARD_ROWS))
        ids = [f"article-{row:012d}" for row in repeating(draw, rows, 0.1)]
        digests = [f"{row:064x}" for row in repeating(draw, rows, 0.1)]
        signed, recent = signatures(draw, len(rows), recent)
        source = f"news-{number // _UNIT_SHARDS:04d}.jsonl"
        articles = {
            "id": ids,
            "text": [""] * len(rows),
            "text_sha256": digests,
            "source": [source] * len(rows),
            "line": rows,
        }
        nothing = {name: pa.nulls(len(rows), ARTICLE.field(name).type) for name in ARTICLE.names}
        write(work.articles, shard, pa.table({**nothing, **articles}, schema=ARTICLE))
        keys = {name: digests_of(repeating(draw, rows, share)) for name, share in
                (("title_key", 0.05), ("text_key", 0.1), ("body_key", 0.1))}  # fmt: skip
        write(work.decisions, shard, pa.table({"stop": pa.nulls(len(rows), pa.int16()), **keys}))
        packed = pa.FixedSizeBinaryArray.from_buffers(
            TEXTS.field("signature").type, len(rows), [None, pa.py_buffer(signed)]
        )
        texts = [[f"article-{row:012d}" for row in rows], [f"{row:032x}" for row in rows], packed]
        write(work.signatures, shard, pa.table(texts, schema=TEXTS))
    write_order(work.articles, shards)
    for begin in range(0, len(shards), _UNIT_SHARDS):
        record = {"key": "", "shards": shards[begin : begin + _UNIT_SHARDS], "files": [], "drops": ""}
        file = work.articles.path / "_units" / f"{begin:06d}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record))
    return work


def write(folder: Folder, shard: str, table: pa.Table) -> None:
    folder.write(shard, "made", {}, Output(table), 0.0)


def repeating(draw: np.random.Generator, rows: Any, share: float) -> Any:
    """Return the rows' own numbers, but for a share of them that of any row up to it."""
    return np.where(draw.random(len(rows)) < share, draw.integers(0, rows + 1), rows)


def digests_of(numbers: Any) -> pa.Array:
    """Return 16 bytes for each number, as even as those of a digest."""
    spread = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    data = np.stack([spread, numbers.astype(np.uint64)], axis=1)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(data))]
    )


def signatures(draw: np.random.Generator, count: int, recent: Any) -> tuple[Any, Any]:
    """Return signatures of which a fifth agree in 85% with a recent one, and what is recent now."""
    signed = draw.integers(0, 2**16, (count, NUMBERS), np.uint16)
    if len(recent):
        copies = np.flatnonzero(draw.random(count) < 0.2)
        of = recent[draw.integers(0, len(recent), len(copies))]
        signed[copies] = np.where(draw.random((len(copies), NUMBERS)) < 0.85, of, signed[copies])
    return signed, np.concatenate([recent, signed[:: max(1, count * 40 // _NEARBY)]])[-_NEARBY // 40 :]


# --- the folds, each in a process of its own ---


def ids(work: Workspace) -> int:
    units = sorted((work.articles.path / "_units").glob("*.json"))
    entries = [SourceUnit(Unit(file.stem, "", (), ()), None, None, 0) for file in units]  # type: ignore[arg-type]
    folded = unique_ids.fold(work.articles, entries, Takedowns(frozenset(), frozenset()), work.exchange)
    return sum(len(drops) for drops in folded)


def duplicates(work: Workspace) -> int:
    shards = read_order(work.articles)
    with row_comparison.folded(work, shards, [Filter], lambda _: Filter(Options(type="duplicates"))) as drops:
        return sum(len(drops(shard)) for shard in shards)


def groups(work: Workspace) -> int:
    shards = read_order(work.articles)

    def signed() -> Iterator[Any]:
        return blocks_of(work.signatures.read(shard, ["signature"]) for shard in shards)

    count = work.signatures.tally(shards).kept
    return len(find_groups(signed, count, work.config.split.similarity, work.exchange).rows)


def assignment(work: Workspace) -> int:
    """Assign all rows, and log that; where a run did it before, the log has an entry of each row."""
    shards = read_order(work.articles)
    with ExitStack() as opened:
        folded = assignment_fold.AssignmentFold(work, shards, opened).run()
        return sum(int((folded.of(number).codes == EVAL).sum()) for number in range(len(shards)))


FOLDS: dict[str, Callable[[Workspace], int]] = {
    "nothing": lambda _: 0,
    "ids": ids,
    "duplicates": duplicates,
    "groups": groups,
    "assignment": assignment,
    "again": assignment,
}


def measure(fold: str, folder: Path) -> None:
    """Print what a fold of this process takes, as JSON."""
    before, work = io_bytes(), Workspace(load_job(folder / "job.yaml"))
    outcome = FOLDS[fold](work)
    used = resource.getrusage(resource.RUSAGE_SELF)
    after = io_bytes()
    print(json.dumps({
        "outcome": outcome, "seconds": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024,
        "read": after["rchar"] - before["rchar"], "written": after["wchar"] - before["wchar"]}))  # fmt: skip


def io_bytes() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def measured(fold: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", fold, str(folder)]
    values: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--folds", nargs="+", default=list(FOLDS)[1:], choices=list(FOLDS))
    parser.add_argument("--folder", type=Path, help="where the tables are made; by default a temporary folder")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        taken = {count: {} for count in (options.small, options.large)}
        for count, by_fold in taken.items():
            folder = Path(name) / str(count)
            folder.mkdir()
            started = time.perf_counter()
            make(folder, count)
            print(f"{count:>12,} rows made in {time.perf_counter() - started:,.0f} s", flush=True)
            for fold in ["nothing", *options.folds]:
                by_fold[fold] = values = measured(fold, folder)
                print(
                    f"{count:>12,} {fold:10} {values['outcome']:>10,} rows {values['seconds']:>8,.1f} s "
                    f"peak {values['peak'] / 1e6:>6,.0f} MB, read {values['read'] / count:>6,.0f} and written "
                    f"{values['written'] / count:>6,.0f} bytes a row", flush=True
                )  # fmt: skip
    small, large = taken.values()
    for fold in options.folds:
        seconds = [values[fold]["seconds"] - values["nothing"]["seconds"] for values in (small, large)]
        a_row = seconds[1] / options.large / (seconds[0] / options.small)
        memory = large[fold]["peak"] / small[fold]["peak"]
        print(f"{fold:10} memory {memory:.2f} times, time a row {a_row:.2f} times")


if __name__ == "__main__":
    main()
