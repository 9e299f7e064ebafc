"""The review server with many labelled articles: how soon it is up, its first page, what a judgement costs, peak memory.

    python benchmarks/review.py [--articles 10000] [--judgements 300]

The baseline is a page of one's own that holds the labels and texts in pandas, before it has shown anything.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.articles import write

JOB = """
name: review
sources: [{type: files, path: articles.jsonl, columns: {text: body}}]
label: {provider: extractive}
"""
BASELINE = """
import glob, resource, sys, time
started = time.time()
import pandas
files = (glob.glob(f"{sys.argv[1]}/{name}/*.parquet") for name in ("labels", "filtered"))
labels, articles = (pandas.concat(map(pandas.read_parquet, found)) for found in files)
rows = labels.merge(articles, on="id")
print(time.time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class Client:
    def __init__(self, url: str) -> None:
        self._url = url
        found = re.search(r"csrf.{1,20}?([0-9a-f]{64})", self.ask("?reviewer=kim").decode())
        assert found
        self._csrf = found[1]

    def ask(self, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-CSRF-Token": self._csrf} if data else {}
        with urllib.request.urlopen(urllib.request.Request(self._url + path, data, headers)) as answer:
            found: bytes = answer.read()
        return found

    def cards(self, count: int, have: list[str]) -> list[dict[str, Any]]:
        path = f"api/queue?reviewer=kim&lane=audit&n={count}&have={','.join(have)}"
        found: list[dict[str, Any]] = json.loads(self.ask(path))["articles"]
        return found

    def judge(self, card: dict[str, Any]) -> float:
        """Seconds until it is stored and told so."""
        phrases = [phrase["text"] for phrase in card["phrases"]]
        judgement = {"uid": uuid.uuid4().hex, "key": card["key"], "id": card["id"], "lane": "audit", "seconds": 1}
        started = time.perf_counter()
        self.ask(
            "api/judgements",
            {"reviewer": "kim", "judgements": [{**judgement, "accepted": phrases[1:], "rejected": phrases[:1]}]},
        )
        return time.perf_counter() - started


def peak(process: subprocess.Popen[str]) -> float:
    """Megabytes."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def served(job: Path, judgements: int) -> tuple[float, float]:
    """(seconds until the first page is there, peak megabytes)"""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.cli", "review", str(job), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        up = time.perf_counter() - started
        client, have = Client(found[0]), list[str]()
        cards = client.cards(8, have)
        first = time.perf_counter() - started
        seconds = list[float]()
        while len(seconds) < judgements:
            have += [card["key"] for card in cards]
            seconds += [client.judge(card) for card in cards]
            cards = client.cards(8, have[-16:])
        print(f"server up after {up:.2f} s, first page and 8 articles after {first:.2f} s")
        middle, worst = 1000 * median(seconds), 1000 * max(seconds)
        print(f"a judgement is stored in {middle:.1f} ms (median of {len(seconds)}), at most {worst:.0f} ms")
        return first, peak(process)
    finally:
        process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--judgements", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        job = Path(name) / "job.yaml"
        job.write_text(JOB)
        write(Path(name) / "articles.jsonl", options.articles)
        command = [sys.executable, "-m", "pipeline.cli", "run", str(job), "--to", "clean"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        first, megabytes = served(job, options.judgements)
        baseline = [sys.executable, "-c", BASELINE, str(Path(name) / "jobs" / "review")]
        other, others = map(float, subprocess.run(baseline, check=True, capture_output=True, text=True).stdout.split())
    print(f"peak memory {megabytes:.0f} MB; pandas {others:.0f} MB (ratio {megabytes / others:.2f})")
    print(f"first page after {first:.2f} s; pandas has read after {other:.2f} s")


if __name__ == "__main__":
    main()
