"""What a job's topics take from `filtered/` to the map, in a process of its own: processor time and peak memory.

    python benchmarks/topics_whole.py --articles 500 2500 --language ko   # the default embedders, on one core
    python benchmarks/topics_whole.py --vectors 100000 1000000 --sample 5000   # vectors given: grouping, joining, words, the map

Two sizes tell the start (packages, the encoder: some 3 s) from what an article takes.

Articles are the sentences of news articles in other orders.  Vectors are 300 groups of 512 and of 128 numbers, made by an embedder
that is this file; they are stored before anything is measured.  `--folder` keeps the jobs, and `--prepare` only makes them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import runner
from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText
from pipeline.core.options import Options as Base
from pipeline.job.job_file import load_job
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.topics import stage

ROOT = Path(__file__).resolve().parents[1]
GROUPS, SPREAD = 300, 0.8
FILE, JOB = "articles.jsonl", "job.json"


class Options(Base):
    dimensions: int = 512


class Embedder(contracts.Embedder):
    """Vectors by the numbers in a text: a group's middle, and something of the article's own."""

    alone = True

    def __init__(self, options: Any, folder: Path) -> None:
        self._width = options.dimensions
        self._middles = np.random.default_rng(0).standard_normal((GROUPS, self._width), np.float32)

    @property
    def identity(self) -> dict[str, Any]:
        return {"embedder": "benchmark", "dimensions": self._width}

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        numbers = [int(given.text.split(maxsplit=1)[0]) for given in texts]
        own = [np.random.default_rng(number).standard_normal(self._width, np.float32) for number in numbers]
        return np.asarray(self._middles[np.array(numbers) % GROUPS] + SPREAD * np.array(own), np.float32)


def numbered(count: int) -> Iterator[dict[str, Any]]:
    """Yield short articles of made-up words, some of their group and some of everybody."""
    for number in range(count):
        rng, group = random.Random(number), number % GROUPS
        words = [f"g{group}w{rng.randrange(30)}" for _ in range(12)] + [
            f"common{rng.randrange(2000)}" for _ in range(12)
        ]
        yield {"id": str(number), "text": f"{number} {' '.join(words)}", "language": "en"}


def of_news(count: int, data: Path, language: str) -> Iterator[dict[str, Any]]:
    """Yield the sentences of news articles in other orders."""
    from benchmarks.topics import articles, sentences_of

    rng, rows = random.Random(0), articles(data, language)
    for number in range(count):
        sentences = sentences_of(rng.choice(rows)["text"])
        yield {"id": str(number), "text": " ".join(rng.sample(sentences, len(sentences))), "language": language}


def prepared(folder: Path, rows: Iterator[dict[str, Any]], topics: dict[str, Any]) -> Path:
    """Make a job in a folder, up to `filtered/`, unless it is there; return its file."""
    job = folder / JOB
    if not job.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        columns = {"text": "text", "id": "id", "language": "language"}
        source = {"type": "files", "path": FILE, "columns": columns}
        sections = {"sources": [source], "topics": topics, "engine": {"workers": 1}}
        job.write_text(json.dumps({"name": "whole", **sections}))
        runner.run(Workspace(load_job(job)), RunOptions(last="filter"))
    return job


def measured(job: Path, *more: str) -> tuple[float, float, float]:
    """Return the processor seconds, seconds and peak megabytes of the command `topics`."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    paths = {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "topics", str(job), "--json", *more],
        stdout=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **paths, **threads},
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"topics ended with {status}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, nargs="*", default=[])
    parser.add_argument("--language", nargs="*", default=["en", "ko"])
    parser.add_argument("--vectors", type=int, nargs="*", default=[])
    parser.add_argument("--sample", type=int, default=50_000, help="topics.sample: so many are grouped, the rest joins")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        jobs = {}
        for count in given.articles:
            for language in given.language:
                rows = of_news(count, given.data, language)
                job = prepared(folder / f"{count}-{language}", rows, {})
                shutil.rmtree(Workspace(load_job(job)).topic_vectors, ignore_errors=True)  # of a measurement before
                jobs[f"{count:,} articles, {language}"] = count, job
        for count in given.vectors:
            embed = [{"type": "benchmarks.topics_whole", "dimensions": width} for width in (512, 128)]
            job = prepared(folder / f"{count}-vectors", numbered(count), {"embed": embed})
            stage.opened(Workspace(load_job(job)), refit=True)
            jobs[f"{count:,} articles, vectors given"] = count, job
        for name, (count, job) in jobs.items() if not given.prepare else ():
            used, seconds, megabytes = measured(job, "--refit", "--set", f"topics.sample={given.sample}")
            print(
                f"{name}: {used:.1f} s CPU = {count / used:,.0f} articles/s a core, {seconds:.1f} s, {megabytes:,.0f} MB"
            )


if __name__ == "__main__":
    main()
