"""A whole run with the embedded labeller: collect, filter, label, clean, review, split, publish.

    python benchmarks/whole_run.py [--articles 100000] [--data DIR]

Prints seconds and articles a second by stage, and the peak memory of the process.  The floor beside it is reading the same
file line by line with the json module and writing it to Parquet with `datasets`, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from articles import ROOT, write

STAGES = ("collect", "filter", "label", "clean", "review", "split", "publish")
JOB = """
name: whole-run
sources: [{type: files, path: articles.jsonl, columns: {text: body}}]
filters:
  - {type: language, keep: [ko, en]}
  - {type: tokens, min: 100, max: 5000}
  - {type: duplicates}
label: {provider: extractive}
"""
FLOOR = "import datasets, sys; datasets.load_dataset('json', data_files=sys.argv[1], cache_dir=sys.argv[2])"


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a process.  Memory is the largest of all processes so far: call in rising order."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "articles.jsonl", options.articles, data=options.data)
        (folder / "job.yaml").write_text(JOB)
        print(f"{'stage':10}{'seconds':>9}{'articles/s':>12}{'peak MB':>9}")
        for stage in STAGES:
            command = [
                sys.executable,
                "-m",
                "pipeline.cli",
                "run",
                str(folder / "job.yaml"),
                "--from",
                stage,
                "--to",
                stage,
            ]
            seconds, memory = measured(command)
            print(f"{stage:10}{seconds:>9.1f}{options.articles / seconds:>12,.0f}{memory:>9,.0f}", flush=True)
        status = [sys.executable, "-m", "pipeline.cli", "status", str(folder / "job.yaml"), "--json"]
        rows = json.loads(subprocess.run(status, check=True, capture_output=True).stdout)["stages"][-1]["rows"]
        print(f"\n{rows:,} rows published; peak memory is that of the largest process so far")
        seconds, _ = measured([sys.executable, "-c", FLOOR, str(folder / "articles.jsonl"), str(folder / "cache")])
        print(f"floor: datasets.load_dataset of the same file takes {seconds:.1f} s")


if __name__ == "__main__":
    main()
