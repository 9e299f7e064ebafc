"""A whole run with the embedded labeller: collect, filter, label, clean, review, split, publish.

    python benchmarks/whole_run.py [--articles 100000] [--source jsonl parquet] [--labels extractive endpoint] [--last publish]
        [--data DIR]

Prints by stage seconds, articles a second, processor time, and the peak memory of all its processes together (shared pages by
their share), which two sizes compare.  The floor beside it is reading the same file line by line with the json module and writing
it to Parquet with `datasets`, in a process of its own.  With `--labels endpoint` a local server answers, which is left out of the
memory: what the other stages take of many rows is then known in a third of the time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from articles import ROOT, woven, write
from engines import LABELS, labeller, measured

STAGES = ("collect", "filter", "label", "clean", "review", "split", "publish")
JOB = """
name: whole-run
sources: [{type: files, path: "articles*.SOURCE", columns: {text: body}}]
filters:
  - {type: language, keep: [ko, en]}
  - {type: tokens, min: 100, max: 5000}
  - {type: duplicates}
label: LABEL
"""
FLOOR = "import datasets, sys; datasets.load_dataset('json', data_files=sys.argv[1], cache_dir=sys.argv[2])"


def write_parquet(folder: Path, count: int, data: Path | None) -> None:
    """Write the articles as one file of one row group: what a reader must not hold as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("id", "title", "body")])
    with pq.ParquetWriter(folder / "articles.parquet", schema, compression="zstd") as writer:
        batches, rows = list[pa.RecordBatch](), list[dict[str, str]]()
        for row in woven(count, data=data):
            rows.append(row)
            if len(rows) == 10_000:
                batches.append(pa.RecordBatch.from_pylist(rows, schema))
                rows = []
        batches.append(pa.RecordBatch.from_pylist(rows, schema))
        writer.write_table(pa.Table.from_batches(batches), row_group_size=max(1, count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--source", choices=("jsonl", "parquet"), default="jsonl")
    parser.add_argument("--labels", choices=LABELS, default=LABELS[0])
    parser.add_argument("--last", choices=STAGES, default=STAGES[-1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, labeller(options.labels) as label:
        folder = Path(name)
        if options.source == "parquet":
            write_parquet(folder, options.articles, options.data)
        else:
            write(folder / "articles.jsonl", options.articles, data=options.data)
        (folder / "job.yaml").write_text(JOB.replace("SOURCE", options.source).replace("LABEL", label))
        run_stages(folder, options.articles, STAGES[: STAGES.index(options.last) + 1])
        if options.last != STAGES[-1]:
            return
        status = [sys.executable, "-m", "pipeline.cli", "status", str(folder / "job.yaml"), "--json"]
        rows = json.loads(subprocess.run(status, check=True, capture_output=True).stdout)["stages"][-1]["rows"]
        print(f"\n{rows:,} rows published")
        if options.source == "jsonl":
            floor = measured([sys.executable, "-c", FLOOR, str(folder / "articles.jsonl"), str(folder / "cache")])
            print(f"floor: datasets.load_dataset of the same file takes {floor.clock:.1f} s, {floor.memory:,.0f} MB")


def run_stages(folder: Path, articles: int, stages: tuple[str, ...]) -> None:
    print(f"{'stage':10}{'seconds':>9}{'articles/s':>12}{'processor':>11}{'peak MB':>9}")
    command = [sys.executable, "-m", "pipeline.cli", "run", str(folder / "job.yaml")]
    for stage in stages:
        run = measured([*command, "--from", stage, "--to", stage])
        figures = f"{run.clock:>9.1f}{articles / run.clock:>12,.0f}{run.processor:>11.1f}{run.memory:>9,.0f}"
        print(f"{stage:10}{figures}", flush=True)


if __name__ == "__main__":
    main()
