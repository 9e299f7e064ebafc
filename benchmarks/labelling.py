"""Processor time for each request of the label stage, beside a hand-written loop and beside bare aiohttp.

    python benchmarks/labelling.py [--small 1000] [--large 5000] [--in-flight 200]

All post the same bodies to the same local server (its own process), 200 in flight.  The figure is marginal: processor time
of a run with `large` requests less that of one with `small`, by request, so start-up does not count.  `labelmill` is
the whole stage: reading shards, rendering prompts, ledger, progress, `requests/`.  The loop is what people write:
AsyncOpenAI with tenacity, one task for each article, answers kept in a dictionary.
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

JOB = """
name: run-{count}
sources: [{{type: files, path: "{count}.jsonl", columns: {{text: body}}}}]
label:
  provider: openai
  base_url: {url}
  api_key: ${{BENCH_KEY:-none}}
  parameters: {{max_output_tokens: 128}}
  limits: {{concurrency: {in_flight}}}
"""


def bodies(folder: Path, count: int) -> list[dict[str, object]]:
    """The request bodies that the job sends, rendered beforehand."""
    from pipeline.core.shards import read_order
    from pipeline.job.job_file import load_job
    from pipeline.job.workspace import Workspace
    from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of

    work = Workspace(load_job(folder / f"{count}.yaml"))
    labeller = RequestBuilder(work)
    tables = [work.filtered.read(shard, ARTICLE_COLUMNS) for shard in read_order(work.articles)]
    requests = [labeller.request(article) for table in tables for article in articles_of(table)]
    return [{"model": "gpt-6-luna", "messages": list(r.messages), "max_completion_tokens": 128} for r in requests]


def aiohttp_bare(url: str, payloads: list[dict[str, object]], in_flight: int) -> None:
    import asyncio

    import aiohttp

    async def main() -> None:
        room = asyncio.Semaphore(in_flight)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one(data: bytes) -> None:
                async with room, session.post(f"{url}/chat/completions", data=data) as response:
                    await response.read()

            await asyncio.gather(*(one(json.dumps(payload).encode()) for payload in payloads))

    asyncio.run(main())


def openai_loop(url: str, payloads: list[dict[str, object]], in_flight: int) -> None:
    import asyncio

    from openai import AsyncOpenAI
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    async def main() -> None:
        client = AsyncOpenAI(api_key="none", base_url=url)
        room, answers = asyncio.Semaphore(in_flight), {}

        @retry(stop=stop_after_attempt(6), wait=wait_random_exponential(max=60))
        async def one(number: int, payload: dict[str, object]) -> None:
            async with room:
                reply = await client.chat.completions.create(**payload)
            answers[number] = reply.choices[0].message.content

        await asyncio.gather(*(one(number, payload) for number, payload in enumerate(payloads)))

    asyncio.run(main())


def child(what: str, folder: Path, count: int, url: str, in_flight: int) -> None:
    """One measured run: prints processor and wall-clock seconds."""
    payloads = bodies(folder, count) if what != "labelmill" else []
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if what == "labelmill":
        from pipeline.cli.main import main

        code = main(["run", str(folder / f"{count}.yaml"), "--from", "label", "--to", "label"])
        assert code == 0
    else:
        {"aiohttp": aiohttp_bare, "openai": openai_loop}[what](url, payloads, in_flight)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([cpu, time.perf_counter() - started]))


def measured(what: str, folder: Path, count: int, url: str, in_flight: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--child", what, str(folder), str(count), url, str(in_flight)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, wall = json.loads(out.splitlines()[-1])
    return cpu, wall


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        what, folder, count, url, in_flight = sys.argv[2:]
        return child(what, Path(folder), int(count), url, int(in_flight))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=200)
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "openai_server.py"), "--quiet"], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    url = server.stdout.readline().decode().strip()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for count in (options.small, options.large):
                write(folder / f"{count}.jsonl", count)
                (folder / f"{count}.yaml").write_text(JOB.format(count=count, url=url, in_flight=options.in_flight))
                command = [sys.executable, "-m", "pipeline.cli", "run", str(folder / f"{count}.yaml"), "--to", "filter"]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            report(folder, url, options)
    finally:
        server.kill()
    return None


def report(folder: Path, url: str, options: argparse.Namespace) -> None:
    rows = {}
    for what in ("aiohttp", "labelmill", "openai"):
        cpu_small, _ = measured(what, folder, options.small, url, options.in_flight)
        cpu_large, wall = measured(what, folder, options.large, url, options.in_flight)
        rows[what] = ((cpu_large - cpu_small) / (options.large - options.small) * 1000, options.large / wall)
    names = {"aiohttp": "aiohttp, bare", "labelmill": "labelmill, whole stage", "openai": "AsyncOpenAI + tenacity loop"}
    print(f"{options.in_flight} in flight, {options.large} requests\n")
    print(f"{'what':30}{'ms CPU/request':>16}{'ratio':>8}{'requests/s':>12}")
    for what, (cpu, rate) in rows.items():
        print(f"{names[what]:30}{cpu:>16.2f}{cpu / rows['aiohttp'][0]:>8.1f}{rate:>12,.0f}")


if __name__ == "__main__":
    main()
