"""Peak memory of the label stage at two sizes: it must not grow with the job.

    python benchmarks/memory.py [--small 100000] [--large 1000000]

Short articles (300 bytes), a local server in a process of its own.  The baseline is the small run: the ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
JOB = """
name: run-{count}
sources: [{{type: files, path: "{count}.jsonl"}}]
label:
  provider: openai
  base_url: {url}
  parameters: {{max_output_tokens: 128}}
  limits: {{concurrency: 200}}
  brake: null
"""


def write(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            text = f"The harbour {number} of the city was opened to the public in the spring. " * 4
            file.write(json.dumps({"id": str(number), "title": f"Harbour {number}", "text": text}) + "\n")


def measured(job: Path) -> tuple[float, float]:
    """Peak megabytes and seconds of the label stage, in a process of its own."""
    code = (
        "import sys, resource, time; from pipeline.cli.main import main; t = time.time(); code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.time() - t); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "label", str(job)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    peak, seconds = map(float, out.splitlines()[-1].split())
    return peak, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    options = parser.parse_args()
    command = [sys.executable, str(ROOT / "tests" / "openai_server.py"), "--forgetful"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    url = server.stdout.readline().decode().strip()
    peaks = []
    try:
        with tempfile.TemporaryDirectory() as name:
            for count in (options.small, options.large):
                job = Path(name) / f"{count}.yaml"
                write(job.with_suffix(".jsonl"), count)
                job.write_text(JOB.format(count=count, url=url))
                earlier = [sys.executable, "-m", "pipeline.cli", "run", str(job), "--to", "filter"]
                subprocess.run(earlier, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
                peak, seconds = measured(job)
                peaks.append(peak)
                print(f"{count:>10,} articles: peak {peak:,.0f} MB, {count / seconds:,.0f} requests/s", flush=True)
    finally:
        server.kill()
    print(f"ratio {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
