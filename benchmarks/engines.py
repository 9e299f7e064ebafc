"""Engines beside each other, and beside datatrove and `datasets`: the same rows, one run, ratios.

    python benchmarks/engines.py [--articles 8000] [--files 16] [--data DIR] [--engines one two ray] [--labels extractive endpoint]
        [--last split] [--no-peers]

Each stage runs by one worker, by two and on Ray, in a process of its own.  Of each run it prints the clock, processor time (of
all processes, and of the command's own) and memory (of all processes together, shared pages by their share; and RSS, where each
process counts them).  What the same command takes when nothing is left to do is subtracted, but not beside the peers: starting
Python is not the stage.  Ratios by the clock mean something on a machine with nothing else to do; `by processor` is what two free
cores would make of it: the command's own time, which nobody shares, and half of its workers'.  The peers take the same articles as
Parquet, ask pycld2 and tiktoken about each, and write Parquet; the filter chain does that and more (windows, duplicates, counts in
the table).  With `--labels endpoint` a local server answers, by which the stages after `label` are had of many rows sooner.
datatrove is no dependency of labelmill: pip install datatrove
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from articles import ROOT, woven

STAGES = ("collect", "filter", "label", "clean", "review", "split")
ENGINES = {"one": ["engine.workers=1"], "two": ["engine.workers=2"], "ray": ["engine.type=ray", "engine.address=null"]}
JOB = """
name: job
sources: [{type: files, path: "in/*.parquet", columns: {text: body}}]
filters:
  - {type: language, keep: [ko, en]}
  - {type: tokens, min: 100, max: 5000}
  - {type: duplicates}
label: LABEL
"""
LABELS = ("extractive", "endpoint")
EXTRACTIVE = "{provider: extractive}"
ENDPOINT = """{provider: openai, base_url: '%s', parameters: {max_output_tokens: 128}, limits: {concurrency: 200}}
publish: {waive: {no_repeated_phrase: "the server repeats itself"}}"""
COMMAND = (
    "import resource, sys; from pipeline.cli.main import main; code = main(sys.argv[1:]);"
    "own = resource.getrusage(resource.RUSAGE_SELF); print('own', own.ru_utime + own.ru_stime); sys.exit(code)"
)
KEPT = """
def kept(text):
    import pycld2
    from pipeline.core.text.tokens import encoding_counter
    try:
        language = pycld2.detect(text, isPlainText=True, bestEffort=True)[2][0][1]
    except pycld2.error:  # a control character
        return False
    return language in ("ko", "en") and 100 <= encoding_counter("cl100k_base", "tiktoken")([text])[0] < 5000
"""
PEERS = {
    "datatrove": """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
class Chain(BaseFilter):
    def filter(self, doc):
        return kept(doc.text)
if __name__ == "__main__":
    source, target, files = sys.argv[1:]
    steps = [ParquetReader(source, text_key="body", doc_progress=False), Chain(), ParquetWriter(target)]
    LocalPipelineExecutor(steps, tasks=int(files), workers=2, logging_dir=target + "/logs").run()
""",
    "datasets": """
import sys, datasets
if __name__ == "__main__":
    source, target, files = sys.argv[1:]
    rows = datasets.load_dataset("parquet", data_files=source + "/*.parquet", split="train", cache_dir=target)
    rows = rows.map(lambda row: {"kept": kept(row["body"])}, num_proc=2)
    rows.filter(lambda kept: kept, input_columns="kept", num_proc=2).to_parquet(target + "/out.parquet")
""",
}


@dataclass(frozen=True)
class Run:
    """What a command took: seconds by the clock and of processors, those of its own process, megabytes of all processes.

    `memory` counts shared pages by their share, so processes of others that use the same libraries make it less; `resident` counts
    them in each process.
    """

    clock: float
    processor: float
    own: float = 0.0
    memory: float = 0.0
    resident: float = 0.0

    def without(self, idle: Run) -> Run:
        """Return what is left of it without what the command takes to find that nothing is to do."""
        own, processor = max(0.0, self.own - idle.own), max(0.01, self.processor - idle.processor)
        return Run(max(0.01, self.clock - idle.clock), processor, own, self.memory, self.resident)

    def by_processors(self, count: int) -> float:
        """Return the seconds that so many free cores would take, where the command's own are nobody else's."""
        return self.own + (self.processor - self.own) / count


class Watch(threading.Thread):
    """The memory and processor time of a process and of all that come from it, looked at five times a second, later once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root, self._seconds = pid, dict[int, float]()  # of each process when it was last looked at
        self.memory, self.resident, self.over = 0.0, 0.0, threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        # Each look walks through all pages: five a second took a fifth of what two workers took of 300,000 articles.
        while not self.over.wait(0.2 if time.monotonic() - began < 5 else 1.0):
            children, seconds = dict[int, list[int]](), dict[int, float]()
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError):  # it is over
                    pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
                    children.setdefault(int(fields[1]), []).append(pid)
                    seconds[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            tree = [self._root]
            for pid in tree:
                tree += children.get(pid, [])
            held = [_megabytes(pid) for pid in tree]
            self.memory = max(self.memory, sum(each["Pss"] for each in held))
            self.resident = max(self.resident, sum(each["Rss"] for each in held))
            self._seconds |= {pid: seconds[pid] for pid in tree if pid in seconds}

    @property
    def processor(self) -> float:
        return sum(self._seconds.values())


def _megabytes(pid: int) -> dict[str, float]:
    """Return what a process holds: `Pss`, pages that it shares by their share, and `Rss`, those pages, too."""
    sizes = {"Pss": 0.0, "Rss": 0.0}
    with suppress(OSError, IndexError, ValueError):  # it is over
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, size = line.split()[:2]
            if name[:-1] in sizes:
                sizes[name[:-1]] = int(size) / 1024
    return sizes


def measured(command: Sequence[str]) -> Run:
    """Run a command.  Processes that nobody waits for (Ray's) are seen by the watch alone, those that are, by the system, too."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    watch = Watch(process.pid)
    watch.start()
    out, err = process.communicate()
    watch.over.set()
    if process.returncode:
        sys.exit(f"{' '.join(command[-6:])}\n{err[-2000:]}")
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    own = float(out.rpartition("own ")[2]) if "own " in out else 0.0
    watch.join()
    return Run(clock, max(waited, watch.processor), own, watch.memory, watch.resident)


def write_sources(folder: Path, count: int, files: int, data: Path | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    rows = list(woven(count, data=data))
    for number in range(files):
        pq.write_table(pa.Table.from_pylist(rows[number::files]), folder / f"{number:03}.parquet", compression="zstd")


def staged(folder: Path, engine: str, stages: Sequence[str]) -> tuple[dict[str, Run], dict[str, Run]]:
    """Run stages by an engine, each twice, for the second time there is nothing to do; return them net, and as they were."""
    runs, whole = dict[str, Run](), dict[str, Run]()
    for stage in stages:
        sets = [part for value in (*ENGINES[engine], f"workspace={folder / engine}") for part in ("--set", value)]
        command = [
            sys.executable,
            "-c",
            COMMAND,
            "run",
            str(folder / "job.yaml"),
            "--from",
            stage,
            "--to",
            stage,
            *sets,
        ]
        whole[stage] = measured(command)
        runs[stage] = whole[stage].without(measured(command))
        show(f"{stage} {engine}", runs[stage])
    return runs, whole


def show(name: str, run: Run) -> None:
    figures = f"{run.clock:>9.1f}{run.processor:>11.1f}{run.own:>8.1f}{run.memory:>9,.0f}{run.resident:>9,.0f}"
    print(f"{name:20}{figures}", flush=True)


@contextmanager
def labeller(kind: str) -> Iterator[str]:
    """Give the job's labeller; that of an endpoint is a server in a process of its own."""
    if kind == "extractive":
        yield EXTRACTIVE
        return
    command = [sys.executable, str(ROOT / "tests" / "openai_server.py"), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield ENDPOINT % server.stdout.readline().strip()
        finally:
            server.kill()


def compare_peers(folder: Path, articles: int, files: int, ours: Run) -> None:
    print(f"\n{'peers, two workers':20}{'clock':>9}{'processor':>11}{'own':>8}{'MB':>9}{'RSS':>9}")
    show("filter two", ours)
    for name, code in PEERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed; pip install {name}")
            continue
        script = folder / f"{name}_peer.py"
        script.write_text(KEPT + code)
        run = measured([sys.executable, str(script), str(folder / "in"), str(folder / name), str(files)])
        show(name, run)
        ratio, clock = run.processor / ours.processor, run.clock / ours.clock
        print(f"  ours: {clock:.1f} times its rows/s by the clock, {ratio:.1f} by processor time (asked: 2.5)")
        print(f"  {articles / run.clock:,.0f} rows/s against {articles / ours.clock:,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=8000)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--labels", choices=LABELS, default=LABELS[0])
    parser.add_argument("--last", choices=STAGES[1:], default=STAGES[-1], help="the last stage that runs")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, labeller(options.labels) as label:
        folder = Path(name)
        write_sources(folder / "in", options.articles, options.files, options.data)
        (folder / "job.yaml").write_text(JOB.replace("LABEL", label))
        print(f"{'':20}{'clock':>9}{'processor':>11}{'own':>8}{'MB':>9}{'RSS':>9}")
        stages = STAGES[: STAGES.index(options.last) + 1]
        runs = {engine: staged(folder, engine, stages) for engine in options.engines}
        if "one" in runs:
            compare_engines({engine: net for engine, (net, _) in runs.items()}, stages)
        if not options.no_peers and "two" in runs:
            compare_peers(folder, options.articles, options.files, runs["two"][1]["filter"])


def compare_engines(runs: dict[str, dict[str, Run]], stages: Sequence[str]) -> None:
    print("\ntimes as fast as one worker (asked: two 1.7, ray 1.4)")
    for engine in [name for name in runs if name != "one"]:
        for stage in stages:
            one, run = runs["one"][stage], runs[engine][stage]
            processors = f", {one.processor / run.by_processors(2):.2f} by processor" if engine == "two" else ""
            print(f"{stage:10}{engine:6}{one.clock / run.clock:.2f} by the clock{processors}", flush=True)


if __name__ == "__main__":
    main()
