"""Share of a limit that is reached, and what is refused: a server that takes 3,000 requests a minute, counted by the second.

    python benchmarks/limits.py [--seconds 30] [--latency 0.4]

The baseline is what people write: AsyncOpenAI with tenacity, 64 at once, exponential backoff with jitter.
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

PER_MINUTE = 3000
JOB = """
name: run
sources: [{{type: files, path: articles.jsonl}}]
label: {{provider: openai, base_url: "{url}", limits: {{requests_per_minute: {limit}}}, brake: null}}
"""


def ours(server: Server, folder: Path, seconds: float, limit: str) -> None:
    (folder / "job.yaml").write_text(JOB.format(url=server.url, limit=limit))
    command = [sys.executable, "-m", "pipeline.cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    job, quiet = str(folder / "job.yaml"), {"stdout": subprocess.DEVNULL, "env": environment, "cwd": ROOT}
    subprocess.run([*command, "run", job, "--to", "filter"], check=True, **quiet)  # type: ignore[call-overload]
    process = subprocess.Popen([*command, "label", job], stderr=subprocess.DEVNULL, **quiet)  # type: ignore[call-overload]
    while not server.seen:
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    process.wait()


def loop(server: Server, seconds: float) -> None:
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

        tasks = [asyncio.create_task(guarded(number)) for number in range(int(PER_MINUTE / 60 * seconds * 1.5))]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--latency", type=float, default=0.4)
    options = parser.parse_args()
    ways = (("labelmill, limit in the job file", str(PER_MINUTE), False), ("labelmill, from headers", "null", True),
            ("labelmill, from 429s alone", "null", False), ("AsyncOpenAI + tenacity", "", False))  # fmt: skip
    print(f"{'what':36}{'of the limit':>14}{'sent for one answer':>22}")
    for what, limit, advertise in ways:
        with (
            tempfile.TemporaryDirectory() as name,
            Running(Server(latency=options.latency, quiet=True, per_minute=PER_MINUTE, advertise=advertise)) as server,
        ):
            count = int(PER_MINUTE / 60 * options.seconds * 1.5)
            lines = (
                f'{{"id": "{n}", "text": "The harbour {n} of the city was opened in spring."}}\n' for n in range(count)
            )
            (Path(name) / "articles.jsonl").write_text("".join(lines))
            if limit:
                ours(server, Path(name), options.seconds, limit)
            else:
                loop(server, options.seconds)
            answered = sum(server.answered.values())
            share = answered / (PER_MINUTE / 60 * options.seconds)
            print(f"{what:36}{share:>14.1%}{(answered + server.refused) / answered:>22.2f}", flush=True)


if __name__ == "__main__":
    main()
