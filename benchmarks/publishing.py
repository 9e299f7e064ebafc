"""Splitting (near-duplicate groups included) and publishing at scale: processor time and peak memory of each stage.

    python benchmarks/publishing.py [--articles 200000] [--data FOLDER] [--baseline 10000]

Labelled articles of 3.5 kB are put where the stages expect them, one in twenty a near-copy of an earlier one.  They are split and
published to a Hub on loopback, once more with 2% more articles.  Baselines: `push_to_hub` of `datasets` with the same rows to the
same Hub, which checks nothing, as a ratio of processor time (client and its threads) and peak memory; of grouping, on fewer
articles, datasketch's MinHashLSH over word 5-grams, what a user would pick (extra `bench`), as a ratio of articles a second.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.articles import CHARACTERS, sentences
from pipeline.clean.offsets import offsets
from pipeline.core.shards import ARTICLE, MAX_SHARD_ROWS, Output, write_order
from pipeline.core.types import Reply, Usage
from pipeline.job import label_table
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace
from pipeline.label.ledger import Record, open_ledger
from pipeline.split.assignment import signatures_of, texts_of
from pipeline.split.groups import groups
from tests.hub import Hub

JOB = """name: big
engine: {workers: 1}  # all of it is measured in one process
sources: [{type: files, path: none.jsonl}]
label: {provider: extractive}
split: {eval: 3000}
publish: {to: hub, repo: tester/big, licence: cc0-1.0, waive: {no_credentials: "a benchmark"}}
"""
# A process of its own: processor seconds of all its threads, and the most megabytes that it held.
_MEASURED = """
import resource, sys, time
started = [time.process_time()]
{code}
seconds = time.process_time() - started[0]
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_STAGE = """
from pathlib import Path
from pipeline import runner
from pipeline.job.job_file import load_job
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from huggingface_hub import CommitOperationAdd, HfApi  # the baseline has imported it, too
work = Workspace(load_job(Path(sys.argv[1])))
started[0] = time.process_time()
"""
SPLIT = _STAGE + "runner.split.run(work)"
PUBLISH = _STAGE + "runner.publish.run(work, RunOptions('publish', publish=True), runner.other_stages(work))"
PUSH = """
import datasets
datasets.disable_progress_bars()
data = datasets.load_dataset(sys.argv[1])
started[0] = time.process_time()
data.push_to_hub("tester/pushed")
"""
Row = tuple[str, str, str]


class Articles:
    """Article number n, always the same; every twentieth is an earlier one with another end."""

    def __init__(self, data: Path | None) -> None:
        self._pool = sentences(data)

    def __getitem__(self, number: int) -> Row:
        if number % 20 == 19:
            return self._copy(number, random.Random(number).randrange(number))
        language = ("en", "ko")[number % 2]
        draw, lines, size = random.Random(number), list[str](), 0
        while size < CHARACTERS[language]:
            lines.append(draw.choice(self._pool[language]))
            size += len(lines[-1])
        return f"{language}-{number}", f"{lines[0][:60]} {number}", " ".join(lines)

    def _copy(self, number: int, of: int) -> Row:
        _, title, text = self[of - of % 20]
        return f"copy-{number}", title, text[: len(text) * 9 // 10] + f" Copied as {number}."


def lay_out(work: Workspace, articles: Articles, start: int, end: int) -> list[str]:
    """Write `filtered/`, `reviewed/` and the ledger as the earlier stages leave them; the names of the shards."""
    names, ledger = [], open_ledger(work.ledger_target, "big")
    columns = pa.schema([*ARTICLE, ("language", pa.string())])
    reviewed = pa.schema([*label_table.schema(work), ("label_source", pa.string())])
    for first in range(start, end, MAX_SHARD_ROWS):
        rows = [articles[number] for number in range(first, min(end, first + MAX_SHARD_ROWS))]
        kept, labels, records = [], [], []
        for row_id, title, text in rows:
            digest, key = sha256(text.encode()).hexdigest(), sha256(row_id.encode()).digest()
            kept.append(
                {
                    "id": row_id,
                    "title": title,
                    "text": text,
                    "text_sha256": digest,
                    "language": row_id[:2],
                    "source": "none.jsonl",
                }
            )
            words = list({word.casefold(): word for word in text.split()[:60:9] if word.isalpha()}.values()) or [
                text.split()[0]
            ]
            tiers = ["exact"] * len(words)
            label = {"id": row_id, "text_sha256": digest, "keyphrases": words, "tiers": tiers}
            label["offsets"] = offsets(words, tiers, text)
            labels.append(label | {"status": "ok", "run_id": "r", "key": key.hex(), "label_source": "llm"})
            records.append(
                Record(
                    key,
                    "answered",
                    Reply("; ".join(words), usage=Usage(900, 0, 30)),
                    1,
                    0.1,
                    "2026-01-01T00:00:00",
                    0.0,
                )
            )
        names.append(f"shard-{first:09d}")
        ledger.put(records)
        for folder, found, schema in ((work.filtered, kept, columns), (work.reviewed, labels, reviewed)):
            folder.write(names[-1], "made", {}, Output(pa.Table.from_pylist(found, schema=schema)), 0.0)
    ledger.close()
    return names


def measured(code: str, path: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Return processor seconds and peak megabytes of some code."""
    command = [sys.executable, "-c", _MEASURED.format(code=code), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, peak = map(float, done.stdout.splitlines()[-1].split())
    return seconds, peak


def baseline(rows: list[Row]) -> float:
    """Articles a second of datasketch's MinHashLSH."""
    from datasketch import MinHash, MinHashLSH

    started, index = time.perf_counter(), MinHashLSH(threshold=0.6, num_perm=128)
    for row_id, _, text in rows:
        words, found = text.lower().split(), MinHash(num_perm=128)
        found.update_batch([" ".join(words[at : at + 5]).encode() for at in range(max(1, len(words) - 4))])
        index.query(found)
        index.insert(row_id, found)
    return len(rows) / (time.perf_counter() - started)


def ours(rows: list[Row]) -> float:
    started = time.perf_counter()
    texts = texts_of([row[0] for row in rows], [row[2] for row in rows])
    groups(signatures_of([texts], len(rows)), 0.6)
    return len(rows) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=200_000)
    parser.add_argument(
        "--baseline", type=int, default=10_000, help="articles for the comparison with datasketch; 0: none"
    )
    parser.add_argument("--data", type=Path, help="a folder with news-*.jsonl.gz")
    options = parser.parse_args()
    articles = Articles(options.data)
    if options.baseline:
        rows = [articles[number] for number in range(options.baseline)]
        mine, theirs = ours(rows), baseline(rows)
        print(
            f"grouping {options.baseline:,}: {mine:,.0f} articles/s, datasketch {theirs:,.0f}: ratio {mine / theirs:.1f}",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as name, Hub() as hub:
        publish(Path(name), hub, articles, options.articles)


def publish(folder: Path, hub: Hub, articles: Articles, count: int) -> None:
    """Split and publish so many articles, then 2% more, and push the first version's rows by `datasets`."""
    job, environment = folder / "job.yaml", {**hub.env, "HF_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    job.write_text(JOB)
    work, shards, start, taken = Workspace(load_job(job)), list[str](), 0, dict[int, tuple[float, float]]()
    for end in (count, count * 102 // 100):
        shards += lay_out(work, articles, start, end)
        write_order(work.articles, shards)
        for stage, code in (("split", SPLIT), ("publish", PUBLISH)):
            seconds, peak = taken[end] = measured(code, job, environment)
            print(f"{end:>10,} articles  {stage:8} {seconds:>8,.1f} s  peak {peak:>6,.0f} MB", flush=True)
        start = end
    seconds, peak = measured(PUSH, work.versions / "1.0.0", environment)
    print(f"{count:>10,} articles  push_to_hub {seconds:>5,.1f} s  peak {peak:>6,.0f} MB")
    ratios = ", ".join(
        f"{name}: {own / seconds:.1f} times" for name, (own, _) in zip(("first", "+2%"), taken.values(), strict=True)
    )
    print(f"processor time against push_to_hub: {ratios}; memory {taken[count][1] / peak:.2f} times")


if __name__ == "__main__":
    main()
