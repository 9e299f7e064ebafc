"""Processor time for each request, and peak memory, of the label stage in batches: neither may grow with the job.

    python benchmarks/batches.py [--small 100000] [--large 1000000]

Short articles (300 bytes), a local server in a process of its own, which answers every batch at once.  Processor time is that
of all commands together (submit, then settle and judge); it is marginal: that of the large job less that of the small one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from memory import ROOT, write

JOB = """
name: run-{count}
sources: [{{type: files, path: "{count}.jsonl"}}]
label:
  provider: openai
  base_url: {url}
  via: batch
  parameters: {{max_output_tokens: 128}}
  brake: null
"""
LABEL = (
    "import sys, resource; from pipeline.cli.main import main; code = main(sys.argv[1:]);"
    "used = resource.getrusage(resource.RUSAGE_SELF);"
    "print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, code)"
)


def measured(job: Path) -> tuple[float, float]:
    """Peak megabytes of any command, and processor seconds of all, until the job is labelled."""
    peak, seconds = 0.0, 0.0
    while True:
        command = [sys.executable, "-c", LABEL, "label", str(job)]
        out = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        megabytes, used, code = out.stdout.splitlines()[-1].split()
        peak, seconds = max(peak, float(megabytes)), seconds + float(used)
        print(f"  exit {code}: peak {float(megabytes):,.0f} MB, {float(used):,.1f} s of processor", flush=True)
        if code != "3":
            return peak, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as files:
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "batch_endpoint.py"), files], stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())
        try:
            for count in (options.small, options.large):
                job = Path(name) / f"{count}.yaml"
                write(job.with_suffix(".jsonl"), count)
                job.write_text(JOB.format(count=count, url=url))
                earlier = [sys.executable, "-m", "pipeline.cli", "run", str(job), "--to", "filter"]
                subprocess.run(earlier, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
                rows.append(measured(job))
                print(
                    f"{count:>10,} articles: peak {rows[-1][0]:,.0f} MB, {rows[-1][1]:,.1f} s of processor", flush=True
                )
        finally:
            server.kill()
    each = (rows[1][1] - rows[0][1]) / (options.large - options.small) * 1000
    print(f"ratio of memory {rows[1][0] / rows[0][0]:.2f}; {each:.3f} ms of processor a request")


if __name__ == "__main__":
    main()
