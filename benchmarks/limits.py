"""Share of a limit that is reached, and what is refused: a server that takes 3,000 requests a minute, counted by the second.

    python benchmarks/limits.py [--seconds 30] [--latency 0.4] [--per-minute 3000] [--workers]

The baseline is what people write: AsyncOpenAI with tenacity, 64 at once, exponential backoff with jitter.  With `--workers`: one,
two and three processes of one job, begun at the same moment, all of which know the limit of the job file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.openai_server import Running, Server

JOB = """
name: run
sources: [{{type: files, path: articles.jsonl}}]
label: {{provider: openai, base_url: "{url}", limits: {{requests_per_minute: {limit}}}, brake: null}}
"""


def ours(server: Server, folder: Path, seconds: float, limit: str, workers: int = 1) -> None:
    (folder / "job.yaml").write_text(JOB.format(url=server.url, limit=limit))
    command = [sys.executable, "-m", "pipeline.cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    job, quiet = str(folder / "job.yaml"), {"stdout": subprocess.DEVNULL, "env": environment, "cwd": ROOT}
    subprocess.run([*command, "run", job, "--to", "filter"], check=True, **quiet)  # type: ignore[call-overload]
    label = [*command, "label", job]
    processes = [subprocess.Popen(label, stderr=subprocess.DEVNULL, **quiet) for _ in range(workers)]  # type: ignore[call-overload]
    while not server.seen:
        time.sleep(0.01)
    time.sleep(seconds)
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait()


def loop(server: Server, seconds: float, count: int) -> None:
    from openai import AsyncOpenAI
    from tenacity import retry, stop_after_delay, wait_random_exponential

    async def main() -> None:
        client, room = AsyncOpenAI(api_key="none", base_url=server.url, max_retries=0), asyncio.Semaphore(64)

        @retry(wait=wait_random_exponential(max=20), stop=stop_after_delay(300))
        async def one(number: int) -> None:
            messages = [{"role": "user", "content": f"Article: harbour {number}"}]
            await client.chat.completions.create(model="gpt-6-luna", messages=messages)

        async def guarded(number: int) -> None:
            async with room:
                await one(number)

        tasks = [asyncio.create_task(guarded(number)) for number in range(count)]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def measure(what: str, options: argparse.Namespace, limit: str, advertise: bool = False, workers: int = 1) -> None:
    """Print a line; `limit` is what the job file says, empty for the baseline."""
    per_second, seconds = options.per_minute / 60, options.seconds
    limited = Server(latency=options.latency, quiet=True, per_minute=options.per_minute, advertise=advertise)
    with tempfile.TemporaryDirectory() as name, Running(limited) as server:
        count = int(per_second * seconds * 1.5)
        lines = (
            f'{{"id": "{n}", "text": "The harbour {n} of the city was opened in spring."}}\n' for n in range(count)
        )
        (Path(name) / "articles.jsonl").write_text("".join(lines))
        if limit:
            ours(server, Path(name), seconds, limit, workers)
        else:
            loop(server, seconds, count)
        answered = sum(server.answered.values())
        share, refused = answered / (per_second * seconds), server.refused / answered
        print(f"{what:36}{share:>14.1%}{refused:>24.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--latency", type=float, default=0.4)
    parser.add_argument("--per-minute", type=int, default=3000)
    parser.add_argument("--workers", action="store_true")
    options = parser.parse_args()
    limit = str(options.per_minute)
    print(f"{'what':36}{'of the limit':>14}{'refusals for one answer':>24}")
    if options.workers:
        for workers in (1, 2, 3):
            measure(f"labelmill, {workers} at once", options, limit, workers=workers)
        return
    measure("labelmill, limit in the job file", options, limit)
    measure("labelmill, from headers", options, "null", advertise=True)
    measure("labelmill, from 429s alone", options, "null")
    measure("AsyncOpenAI + tenacity", options, "")


if __name__ == "__main__":
    main()
