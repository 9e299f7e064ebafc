"""Crawling a site on this machine, politeness off: pages a second and processor time a page, without extraction.

    python benchmarks/crawling.py [--pages 5000]      # a process of its own serves pages of 20 kB

Baseline on the same site: bare aiohttp, 64 at once, bodies thrown away.  Ours stores every body in the frontier.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGE = "<html><head><title>Harbour {number}</title></head><body><article>{text}</article></body></html>"


def serve(count: int) -> None:
    from aiohttp import web

    text = "".join(
        f"<p>The harbour of the city was opened in the spring of {n}, and many came to see it.</p>" for n in range(220)
    )

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE.format(number=request.match_info["n"], text=text), content_type="text/html")

    async def sitemap(request: web.Request) -> web.Response:
        urls = "".join(f"<url><loc>http://{request.host}/p/{n}.html</loc></url>" for n in range(count))
        return web.Response(text=f"<urlset>{urls}</urlset>", content_type="application/xml")

    app = web.Application()
    app.add_routes([web.get("/p/{n}.html", page), web.get("/sitemap.xml", sitemap)])

    async def run() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(site._server.sockets[0].getsockname()[1], flush=True)  # type: ignore[union-attr]
        await asyncio.Event().wait()

    asyncio.run(run())


class Silent:
    """A progress bar for nobody."""

    n = 0

    def update(self, count: int) -> None:
        self.n += count

    def set_postfix_str(self, said: str) -> None:
        pass


def ours(url: str, folder: Path) -> int:
    from pipeline.collect.sources.web import Options, Source

    options = Options(type="web", sitemaps=(f"{url}/sitemap.xml",), allow=("127.0.0.0/8",), delay=0, connections_per_host=64,
                      connections=64)  # fmt: skip
    source = Source(options, folder, lambda path: "")
    source.prepare(folder / "frontier", Silent())
    pages = sum(1 for first, _ in source._opened().units() for _ in source._opened().pages(first))
    source.close()
    return pages


async def bare(url: str, count: int) -> int:
    import aiohttp

    done: Counter[str] = Counter()
    addresses = iter(range(count))
    async with aiohttp.ClientSession() as session:

        async def worker() -> None:
            for number in addresses:
                async with session.get(f"{url}/p/{number}.html") as response:
                    done["bytes"] += len(await response.read())
                    done["pages"] += 1

        await asyncio.gather(*(worker() for _ in range(64)))
    return done["pages"]


def measured(name: str, call: Any) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    pages = call()
    seconds = time.perf_counter() - started
    now = resource.getrusage(resource.RUSAGE_SELF)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(
        f"{name:24}{pages / seconds:>8,.0f} pages/s{1000 * processor / pages:>8.2f} ms a page, {now.ru_maxrss // 1024} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(arguments.pages)
    command = [sys.executable, __file__, "--serve", "--pages", str(arguments.pages)]
    with (
        tempfile.TemporaryDirectory() as temporary,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        measured("labelmill, all stored", lambda: ours(url, Path(temporary)))
        measured("bare aiohttp", lambda: asyncio.run(bare(url, arguments.pages)))
        server.kill()


if __name__ == "__main__":
    main()
