"""`type: web`, whole crawls over real HTTP on loopback: exactly once, what changed, manners, refusals, kills."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trafilatura", reason="crawling needs the extra: pip install 'labelmill[crawl]'")
pytest.importorskip("protego", reason="crawling needs the extra: pip install 'labelmill[crawl]'")

from pipeline.core.errors import ConfigError, InputError
from pipeline.core.shards import read_order
from tests.conftest import PEAK, ROOT, JobMaker, command, rows, run
from tests.crawl_server import CrawlServer, Page, Request, Running, page, redirect
from tests.program import Program

pytestmark = pytest.mark.usefixtures("lasting_workers")

POLITE_TO_NOBODY = {"allow": ["127.0.0.0/8"], "delay": 0, "connections_per_host": 8, "workers": 1}


def html(number: int, links: tuple[str, ...] = (), head: str = "") -> bytes:
    """An article that is like no other."""
    lines = "".join(
        f"<p>The harbour{number}x{i} of the city was opened to the public in the spring, and many came to see it.</p>"
        for i in range(8)
    )
    anchors = "".join(f'<a href="{link}">more</a> ' for link in links)
    title = f"<title>Harbour {number}</title>{head}"
    return f"<html><head>{title}</head><body><article>{lines}</article>{anchors}</body></html>".encode()


def web(make_job: JobMaker, **options: Any) -> Path:
    source = {"type": "web", **POLITE_TO_NOBODY, **options}
    return make_job(sources=[source], label={"provider": "extractive"})


def collected(path: Path) -> dict[str, str]:
    """URL as it was asked -> `kept`, or the reason why not."""
    work = run(path, last="collect")
    found = {next(n for n in row["notes"] if n.startswith("fetched: "))[9:]: "kept" for row in rows(work, "articles")}
    return found | {row["detail"].split(" ")[0]: row["reason"] for row in rows(work, "articles", rejected=True)}


def nothing(path: Path) -> str:
    """Why a crawl brought no article at all."""
    with pytest.raises(InputError, match="rows is an article") as error:
        run(path, last="collect")
    return str(error.value).partition("is an article (")[2]


def asked(server: CrawlServer) -> Counter[str]:
    """Requests for pages."""
    return Counter(path for path in server.paths if path not in ("/robots.txt", "/.well-known/tdmrep.json"))


def test_a_crawl_may_have_a_name_of_any_script(make_job: JobMaker) -> None:
    with Running(CrawlServer({"/1": page(html(1))})) as server:
        work = run(web(make_job, name="뉴스-1", urls=[f"{server.url}/1"]), last="collect")
    assert (work.path / "crawl" / "뉴스-1.sqlite").exists()
    assert [row["source"] for row in rows(work, "articles")] == ["web:뉴스-1"]
    assert all(shard.startswith("뉴스-1-") for shard in read_order(work.articles))


def test_a_site_and_what_changed(make_job: JobMaker) -> None:
    """Links are followed; each page is asked once; the second run asks on a condition, and takes what is new."""

    def once(body: bytes, etag: str) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            known = request.headers.get("if-none-match") == etag
            writer.write(page(status=304, ETag=etag) if known else page(body, ETag=etag))

        return answer

    pages: dict[str, Page] = {
        "/": once(html(0, ("/1.html", "/2.html", "http://127.0.0.2:9/away", "/photo.jpg")), '"0"'),
        "/1.html": once(html(1, ("/", "/2.html#part", "/3.html")), '"1"'),
        "/2.html": once(html(2, ("/1.html?utm_source=x",)), '"2"'),
        "/3.html": once(html(3, ("/4.html",)), '"3"'),
    }
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, sites=[server.url], depth=2)
        found = collected(path)
        assert found == {f"{server.url}{at}": "kept" for at in ("/", "/1.html", "/2.html", "/3.html")}
        assert asked(server) == {"/": 1, "/1.html": 1, "/2.html": 1, "/3.html": 1}
        server.seen.clear()
        server.pages["/2.html"] = once(html(22), '"22"')
        work = run(path, last="collect")
        again = [request for request in server.seen if request.path in found or request.path.endswith(("/", ".html"))]
        assert len(again) == 4 and all("if-none-match" in request.headers for request in again)
        texts = {row["url"]: row["text"] for row in rows(work, "articles")}
        assert len(texts) == 4 and "harbour22x1" in texts[f"{server.url}/2.html"]


def test_feeds_sitemaps_and_lists(make_job: JobMaker, tmp_path: Path) -> None:
    with Running(CrawlServer()) as server:
        url = server.url
        feed = f"""<rss version="2.0"><channel>
          <item><title>A</title><link>{url}/a.html</link><pubDate>Tue, 05 May 2026 10:00:00 +0900</pubDate></item>
          <item><title>Old</title><link>{url}/old.html</link><pubDate>Tue, 05 May 2015 10:00:00 GMT</pubDate></item>
        </channel></rss>"""
        index = f"<sitemapindex><sitemap><loc>{url}/map.xml</loc></sitemap></sitemapindex>"
        urlset = f"<urlset><url><loc>{url}/b.html</loc></url><url><loc>{url}/shop/c.html</loc></url></urlset>"
        server.pages |= {
            "/feed": page(feed.encode(), content_type="application/rss+xml"),
            "/index.xml": page(index.encode(), content_type="application/xml"),
            "/map.xml": page(urlset.encode(), content_type="text/xml"),
            **{f"/{name}.html": page(html(n)) for n, name in enumerate(("a", "b", "d", "e", "old"))},
        }
        (tmp_path / "list.txt").write_text(f"# mine\n{url}/d.html\n\n{url}/d.html#again\n", "utf-8")
        path = web(
            make_job, feeds=[f"{url}/feed"], sitemaps=[f"{url}/index.xml"], urls=[f"{url}/e.html", f"{url}/none.html"],
            url_file="list.txt", since="2026-01-01", exclude=["*/shop/*"],
        )  # fmt: skip
        assert collected(path) == {
            **{f"{url}/{name}.html": "kept" for name in "abde"}, f"{url}/none.html": "http_404",
        }  # fmt: skip
        dates = {row["url"]: row["published_at"] for row in rows(run(path, last="collect"), "articles")}
        assert dates[f"{url}/a.html"] == "2026-05-05T01:00:00Z"


def test_what_a_site_asks_for(make_job: JobMaker) -> None:
    """robots.txt, marks on pages, and reserved rights; each is a row with its reason."""
    pages: dict[str, Page] = {
        "/robots.txt": page(b"User-agent: labelmill\nDisallow: /private/\n", content_type="text/plain"),
        "/.well-known/tdmrep.json": page(
            b'[{"location": "/reserved/*", "tdm-reservation": 1}]', content_type="application/json"
        ),
        "/open.html": page(html(1)),
        "/private/a.html": page(html(2)),
        "/reserved/a.html": page(html(3)),
        "/header.html": page(html(4), X_Robots_Tag="noindex"),
        "/meta.html": page(html(5, head='<meta name="tdm-reservation" content="1">')),
        "/leads.html": redirect("/private/a.html"),
    }
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[server.url + at for at in pages if at.endswith(".html")])
        assert collected(path) == {
            f"{server.url}/open.html": "kept",
            f"{server.url}/private/a.html": "robots_disallowed",
            f"{server.url}/reserved/a.html": "tdm_reserved",
            f"{server.url}/header.html": "forbidden_by_page",
            f"{server.url}/meta.html": "tdm_reserved",
            f"{server.url}/leads.html": "robots_disallowed",
        }
        assert "/private/a.html" not in server.paths


def test_robots_that_cannot_be_had(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 5xx allows nothing, and is asked again by the next run; a 404 allows everything."""
    for module in ("request", "robots_cache"):
        monkeypatch.setattr(f"pipeline.collect.crawling.{module}.RETRY_SECONDS", (0.05, 0.05))
    with Running(CrawlServer({"/a.html": page(html(1)), "/robots.txt": page(b"no", 503)})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html"])
        assert nothing(path).startswith("robots_unreachable 1;")
        assert asked(server) == {}
        server.pages["/robots.txt"] = page(b"none", 404)
        assert collected(path) == {f"{server.url}/a.html": "kept"}


def test_what_goes_wrong_for_a_while(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """5xx and cut connections are tried again; Retry-After is kept to; others are final for this run."""
    for module in ("request", "robots_cache"):
        monkeypatch.setattr(f"pipeline.collect.crawling.{module}.RETRY_SECONDS", (0.05, 0.05))
    times: list[float] = []
    tries: Counter[str] = Counter()

    def failing(first: bytes, until: int) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> bool:
            tries[request.path] += 1
            times.append(time.monotonic())
            writer.write(first if tries[request.path] < until else page(html(len(request.path))))
            return bool(first) or tries[request.path] >= until

        return answer

    pages: dict[str, Page] = {
        "/busy.html": failing(page(b"", 503), 3),
        "/cut-.html": failing(b"", 2),
        "/never--.html": failing(page(b"", 500), 99),
        "/gone.html": page(b"", 410),
        "/image": page(b"GIF89a", content_type="image/gif"),
        "/large": page(html(1) * 50),
        "/empty.html": page(b""),
    }
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[server.url + at for at in pages], max_bytes=20_000)
        found = {at.removeprefix(server.url): what for at, what in collected(path).items()}
    assert found.pop("/empty.html") in ("not_html", "no_article")
    assert found == {
        "/busy.html": "kept", "/cut-.html": "kept", "/never--.html": "http_500", "/gone.html": "http_410",
        "/image": "wrong_type", "/large": "too_large",
    }  # fmt: skip
    assert tries["/never--.html"] == 3


@pytest.mark.slow
def test_a_pace_for_a_host(make_job: JobMaker) -> None:
    """One at a time, and a pause between the end of one and the beginning of the next; Crawl-delay where it is longer."""
    at: list[tuple[str, float]] = []

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        at.append(("begin", time.monotonic()))
        await asyncio.sleep(0.05)
        at.append(("end", time.monotonic()))
        writer.write(page(html(len(at))))

    pages: dict[str, Page] = {f"/{n}.html": slow for n in range(4)}
    pages["/robots.txt"] = page(b"User-agent: *\nCrawl-delay: 0.4\n", content_type="text/plain")
    with Running(CrawlServer(pages)) as server:
        urls = [f"{server.url}/{n}.html" for n in range(4)]
        collected(web(make_job, urls=urls, delay=0.1, connections_per_host=1))
    assert [what for what, _ in at] == ["begin", "end"] * 4
    gaps = [begin - end for (_, end), (_, begin) in zip(at[1::2], at[2::2], strict=False)]
    assert min(gaps) >= 0.39


def test_guarded(make_job: JobMaker) -> None:
    """Without the allow-list not even loopback is asked, and no redirect leads around it."""
    with Running(CrawlServer({"/a.html": redirect("http://127.0.0.2:1/secret"), "/b.html": page(html(1))})) as server:
        path = web(make_job, urls=[f"{server.url}/b.html"], allow=[])
        assert nothing(path).startswith("refused_address 1;")
        assert server.seen == []
        path = web(make_job, urls=[f"{server.url}/a.html", f"{server.url}/b.html"], allow=["127.0.0.1"], name="again")
        assert collected(path) == {f"{server.url}/a.html": "refused_address", f"{server.url}/b.html": "kept"}


def test_limit(make_job: JobMaker) -> None:
    pages: dict[str, Page] = {f"/{n}.html": page(html(n)) for n in range(30)}
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[server.url + at for at in pages], limit=7)
        assert Counter(collected(path).values()) == {"kept": 7}
        assert sum(asked(server).values()) == 7
        assert Counter(collected(path).values()) == {"kept": 7}  # asked again, and no others
        assert len(asked(server)) == 7


def test_limit_where_pages_fail(make_job: JobMaker) -> None:
    pages: dict[str, Page] = {f"/{n}.html": page(html(n), 404 if n in (1, 3) else 200) for n in range(12)}
    with Running(CrawlServer(pages)) as server:
        found = collected(web(make_job, urls=[server.url + at for at in pages], limit=6))
    assert Counter(found.values()) == {"kept": 6, "http_404": 2}


def test_limit_spares_sitemaps(make_job: JobMaker) -> None:
    pages: dict[str, Page] = {f"/{n}.html": page(html(n)) for n in range(90)}
    with Running(CrawlServer(pages)) as server:

        def listed(root: str, child: str, names: list[str]) -> Page:
            locs = "".join(f"<{child}><loc>{server.url}/{name}</loc></{child}>" for name in names)
            return page(f"<{root}>{locs}</{root}>".encode(), content_type="application/xml")

        maps = [f"map{n}.xml" for n in range(90)]
        server.pages["/index.xml"] = listed("sitemapindex", "sitemap", maps)
        server.pages |= {f"/{name}": listed("urlset", "url", [f"{n}.html"]) for n, name in enumerate(maps)}
        found = collected(web(make_job, sitemaps=[f"{server.url}/index.xml"], limit=3))
        assert Counter(found.values()) == {"kept": 3}
        assert [path for path in asked(server) if path.startswith("/map")] == ["/map0.xml", "/map1.xml", "/map2.xml"]


def test_redirects_keep_to_the_pace(make_job: JobMaker) -> None:
    """Whatever leads to a host, it is asked once in a while; robots.txt and what follows it, too."""
    times: dict[str, list[float]] = {}

    async def target(request: Request, writer: asyncio.StreamWriter) -> None:
        times.setdefault("all", []).append(time.monotonic())
        writer.write(page(html(len(times["all"]))))

    target_pages: dict[str, Page] = {f"/{n}.html": target for n in range(3)}
    target_pages |= {"/robots.txt": target, "/.well-known/tdmrep.json": target}
    with Running(CrawlServer(target_pages)) as there, Running(CrawlServer()) as here:
        away = there.url.replace("127.0.0.1", "localhost")
        here.pages |= {f"/{n}": redirect(f"{away}/{n}.html") for n in range(3)}
        collected(
            web(
                make_job,
                urls=[f"{here.url}/{n}" for n in range(3)],
                delay=0.2,
                connections_per_host=3,
                allow=["127.0.0.0/8", "::1"],
            )
        )
    gaps = [b - a for a, b in zip(times["all"], times["all"][1:], strict=False)]
    assert len(gaps) == 4 and min(gaps) > 0.18


def test_hosts_that_ask_for_too_much(make_job: JobMaker) -> None:
    """An hour between two requests, or until the next one: the run does not wait for that, and asks nothing more."""
    slow: dict[str, Page] = {f"/{n}.html": page(html(n)) for n in range(3)}
    slow["/robots.txt"] = page(b"User-agent: *\nCrawl-delay: 3600\n", content_type="text/plain")
    busy: dict[str, Page] = {f"/{n}.html": page(b"", 429, Retry_After="3600") for n in range(30)}
    started = time.monotonic()
    with Running(CrawlServer(slow)) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(3)])
        assert nothing(path).startswith("robots_too_slow 3;") and asked(server) == {}
    with Running(CrawlServer(busy)) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(30)], connections_per_host=1, name="busy")
        assert nothing(path).startswith("http_429 1;") and sum(asked(server).values()) == 1
    assert time.monotonic() - started < 20


def test_what_a_site_takes_back(make_job: JobMaker) -> None:
    """Rights that are reserved after a page was fetched count although it did not change; and back again."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        known = request.headers.get("if-none-match") == '"1"'
        writer.write(page(status=304, ETag='"1"') if known else page(html(1), ETag='"1"'))

    with Running(CrawlServer({"/a.html": answer, "/b.html": page(html(2))})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html", f"{server.url}/b.html"])
        everything = {f"{server.url}/{name}.html": "kept" for name in "ab"}
        assert collected(path) == everything
        server.pages["/.well-known/tdmrep.json"] = page(
            b'[{"location": "/a*", "tdm-reservation": 1}]', content_type="application/json"
        )
        assert collected(path) == everything | {f"{server.url}/a.html": "tdm_reserved"}
        del server.pages["/.well-known/tdmrep.json"]
        assert collected(path) == everything


@pytest.mark.parametrize("answer", ["long", "leads astray"])
def test_odd_robots(make_job: JobMaker, answer: str) -> None:
    """The head of one of 30 MB counts; one that leads to an address that is refused does not hide what is reserved."""
    long = page(b"User-agent: *\nDisallow: /a.html\n#").replace(b"Length: ", b"Length: 3000000")
    pages: dict[str, Page] = {
        "/robots.txt": long if answer == "long" else redirect("file:///etc/passwd"),
        "/.well-known/tdmrep.json": page(b'[{"location": "/", "tdm-reservation": 1}]'),
        "/a.html": page(html(1)),
    }

    async def robots(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(long + b"x" * 2**20)  # more than is read
        return False

    if answer == "long":
        pages["/robots.txt"] = robots
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[f"{server.url}/a.html"])
        said = "robots_disallowed" if answer == "long" else "tdm_reserved"
        assert nothing(path).startswith(f"{said} 1;")


def test_every_request_keeps_the_pace(make_job: JobMaker) -> None:
    """Also those behind robots.txt, and behind a redirect to another host."""
    at: list[float] = []

    async def robots(request: Request, writer: asyncio.StreamWriter) -> None:
        at.append(time.monotonic())
        slow = request.headers["host"].startswith("localhost")
        writer.write(page(b"User-agent: *\nCrawl-delay: 0.5", content_type="text/plain") if slow else page(status=404))

    async def target(request: Request, writer: asyncio.StreamWriter) -> None:
        at.append(time.monotonic())
        writer.write(page(html(1) if "1" in request.path else html(2)))

    async def reserved(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.headers["host"].startswith("localhost"):
            at.append(time.monotonic())
        writer.write(page(status=404))

    with Running(CrawlServer({"/robots.txt": robots, "/.well-known/tdmrep.json": reserved})) as server:
        for n in (1, 2):
            server.pages[f"/{n}"] = redirect(f"http://localhost:{server.port}/to{n}")
            server.pages[f"/to{n}"] = target
        path = web(make_job, urls=[f"{server.url}/1", f"{server.url}/2"], connections_per_host=1)
        assert set(collected(path).values()) == {"kept"}
    _, *there = at  # the first is of the host that redirects
    assert len(there) == 4 and min(b - a for a, b in pairwise(there)) > 0.48


def test_without_a_contact_no_stranger_is_asked(make_job: JobMaker) -> None:
    """Whoever names it: a feed, a redirect of a page or of robots.txt.  Refused before any name is looked up."""
    away = "http://news.example.invalid/1.html"
    feed = f"<rss><channel><item><link>{away}</link></item></channel></rss>".encode()
    pages: dict[str, Page] = {"/feed": page(feed), "/leads.html": redirect(away), "/a.html": page(html(1))}
    with Running(CrawlServer(pages)) as server:
        pages["/robots.txt"] = redirect(away)
        here = server.url
        found = collected(web(make_job, feeds=[f"{here}/feed"], urls=[f"{here}/leads.html", f"{here}/a.html"]))
        assert found == {away: "no_contact", f"{here}/leads.html": "no_contact", f"{here}/a.html": "kept"}


def test_what_breaks_a_library_costs_one_page(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.collect.crawling.outcomes import OutcomeBuilder

    def of(self: OutcomeBuilder, url: Any, *rest: Any) -> Any:
        return as_it_is(self, url, *rest) if url.url.endswith("/a.html") else 1 / 0

    as_it_is = OutcomeBuilder.build
    monkeypatch.setattr(OutcomeBuilder, "build", of)
    with Running(CrawlServer({"/a.html": page(html(1)), "/b.html": page(html(2))})) as server:
        found = collected(web(make_job, urls=[f"{server.url}/a.html", f"{server.url}/b.html"]))
        assert found == {f"{server.url}/a.html": "kept", f"{server.url}/b.html": "failed"}


@pytest.mark.slow
def test_other_bounds(make_job: JobMaker) -> None:
    """A wider scope is found although nothing changed; a narrower one drops what is out."""

    def once(body: bytes) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(page(status=304, ETag='"x"') if "if-none-match" in request.headers else page(body, ETag='"x"'))

        return answer

    pages: dict[str, Page] = {f"/{n}.html": once(html(n, (f"/{n + 1}.html",))) for n in range(6)}
    with Running(CrawlServer(pages)) as server:
        start = f"{server.url}/0.html"
        assert len(collected(web(make_job, sites=[start], depth=1))) == 2
        assert len(collected(web(make_job, sites=[start], depth=4))) == 5
        found = collected(web(make_job, sites=[start], depth=4, exclude=["*/3.html"]))
        assert found[f"{server.url}/3.html"] == "excluded" and Counter(found.values())["kept"] == 4
        server.seen.clear()
        assert collected(web(make_job, sites=[start], depth=4, exclude=["*/3.html"])) == found
        assert "/3.html" not in server.paths  # nor is it asked by the run after that
        assert Counter(collected(web(make_job, sites=[start], depth=4)).values()) == {"kept": 5}


def test_canonical_addresses(make_job: JobMaker) -> None:
    """Two addresses of one page are one article; a front page, or another host, that all pages name is not believed."""

    def names(number: int, canonical: str) -> bytes:
        return page(html(number, head=f'<link rel="canonical" href="{canonical}">'))

    with Running(CrawlServer()) as server:
        pages: dict[str, Page] = {
            "/1.html?from=feed": names(1, f"{server.url}/1.html"),
            "/1.html": names(1, f"{server.url}/1.html"),
            "/2.html": names(2, f"{server.url}/"),
            "/3.html": names(3, f"{server.url}/"),
            "/4.html": names(4, "http://evil.example.com/"),
            "/5.html?page=all": names(5, "5.html"),
        }
        server.pages |= pages
        work = run(web(make_job, urls=[server.url + at for at in pages]), last="collect")
        assert {row["url"] for row in rows(work, "articles")} == {f"{server.url}/{n}.html" for n in (1, 2, 3, 4, 5)}
        assert [row["reason"] for row in rows(work, "articles", rejected=True)] == ["duplicate_id"]


def test_where_nothing_came_the_rows_say_why(make_job: JobMaker) -> None:
    with Running(CrawlServer()) as server:
        server.pages["/2"] = page(b"", status=410)
        path = web(make_job, urls=[f"{server.url}/1", f"{server.url}/2"])
        with pytest.raises(
            InputError, match=r"\(http_404 1, http_410 1; .*see: labelmill show .*job.yaml articles --rejected"
        ):
            run(path, last="collect")
        shown = command("show", path, "articles", "--rejected").stdout
        assert "http_404" in shown and "http_410" in shown
        server.pages["/2"] = page(html(2))
        assert collected(path) == {f"{server.url}/1": "http_404", f"{server.url}/2": "kept"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"urls": ["https://news.example.com/"]}, "contact: needed before news.example.com is asked"),
        ({"urls": ["ftp://127.0.0.1/"]}, "is no http"),
        ({}, "give urls, url_file, feeds, sitemaps or sites"),
        ({"urls": ["http://127.0.0.1/"], "allow": ["no network at all"]}, "neither a network"),
        ({"url_file": "nothing.txt"}, "url_file: .* cannot be read"),
        ({"urls": ["http://127.0.0.1/"], "since": "yesterday"}, "since: 'yesterday' is no date"),
        (
            {"urls": ["http://127.0.0.1/"], "since": "2026-10-01", "until": "2026-5-1"},
            "until: '2026-5-1' is before since",
        ),
        ({"urls": ["http://127.0.0.1/"], "contact": "a@b\nX: y"}, "contact"),
    ],
)
def test_job_files(make_job: JobMaker, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(web(make_job, **options), last="collect")


@pytest.mark.slow
def test_kill_9_and_ctrl_c(make_job: JobMaker, tmp_path: Path) -> None:
    """What was stored is never asked again; what was under way is, and nothing is left out."""
    pages: dict[str, Page] = {}
    count = 400

    def slowly(body: bytes) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.02)
            writer.write(page(body))

        return answer

    for number in range(count):
        pages[f"/{number}.html"] = slowly(html(number, (f"/{2 * number + 1}.html", f"/{2 * number + 2}.html")))
    draw = random.Random(2)
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, sites=[f"{server.url}/0.html"], depth=30, include=[f"{server.url}/*.html"])
        frontier = tmp_path / "jobs" / "test" / "crawl" / "web.sqlite"
        stored: set[str] = set()
        for number in range(4):
            process = Program("collect", path, start_new_session=True)
            wanted = len(stored) + draw.randint(10, 40)
            until = time.monotonic() + 30
            while len(done(frontier)) < wanted:
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL) if number < 3 else process.send_signal(signal.SIGINT)
            said = process.communicate()[1]
            assert stored <= done(frontier)
            stored = done(frontier)
        assert process.returncode == 3 and "pages are kept" in said and "Traceback" not in said
        before = asked(server)
        found = collected(path)
        after = asked(server)
    real = {at for at in found if int(at.rpartition("/")[2].removesuffix(".html")) < count}
    assert len(real) == count and {found[at] for at in real} == {"kept"}
    assert all(after[at.removeprefix(server.url)] == before[at.removeprefix(server.url)] for at in stored)
    twice = [at for at, times in after.items() if times > 1]
    assert len(twice) <= 3 * (8 + 64), "no more than what was under way, and one group, at each kill"


@pytest.mark.slow
def test_killed_while_extracting(make_job: JobMaker, tmp_path: Path) -> None:
    """What was fetched is not fetched again: a run ends when its articles are there."""
    pages: dict[str, Page] = {f"/{n}.html": page(html(n)) for n in range(20)}
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[server.url + at for at in pages])
        code = (
            "import os, signal, pipeline.collect.sources.web as web\n"
            "web.Source.read = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"from pipeline.cli.main import main; main(['collect', {str(path)!r}])"
        )
        killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
        assert killed.returncode == -signal.SIGKILL and sum(asked(server).values()) == 20
        assert set(collected(path).values()) == {"kept"}
        assert sum(asked(server).values()) == 20


def done(frontier: Path) -> set[str]:
    if not frontier.exists():
        return set()
    try:
        with sqlite3.connect(f"file:{frontier}?mode=ro", uri=True) as connection:
            return {url for (url,) in connection.execute("SELECT url FROM urls WHERE state = 'done'")}
    except sqlite3.OperationalError:
        return set()


def test_preview(make_job: JobMaker, tmp_path: Path) -> None:
    """A few pages are fetched, and nothing is stored."""
    pages: dict[str, Page] = {f"/{n}.html": page(html(n)) for n in range(30)}
    with Running(CrawlServer(pages)) as server:
        shown = command("collect", web(make_job, urls=[server.url + at for at in pages]), "--preview", "3")
        assert shown.returncode == 0, shown.stderr
        assert len(shown.stdout.splitlines()) == 3 and "Harbour 0" in shown.stdout
        assert sum(asked(server).values()) == 3
    assert (
        not (tmp_path / "jobs" / "test" / "crawl").exists() and not (tmp_path / "jobs" / "test" / "articles").exists()
    )


def test_the_command_line(make_job: JobMaker) -> None:
    with Running(CrawlServer({"/a.html": page(html(1))})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html"])
        finished = command("run", path, "--to", "clean")
        assert finished.returncode == 0, finished.stderr
        assert {request.headers["user-agent"].split("/")[0] for request in server.seen} == {"labelmill"}


@pytest.mark.slow
def test_long_pages_wait_for_memory(make_job: JobMaker) -> None:
    """Packed, 40 pages of 19 MB arrive at the same moment; decoded they would be 760 MB."""
    long = page(gzip.compress(html(1) + b"<!-- 000 -->" * (19 * 2**20 // 12), 1), Content_Encoding="gzip")
    pages: dict[str, Page] = {f"/{n}.html": long for n in range(40)}
    with Running(CrawlServer({**pages, "/a.html": page(html(2))})) as server:
        path = web(make_job, urls=[server.url + at for at in server.pages], connections_per_host=50)
        code = "from pipeline.cli.main import main; assert main() == 0; print(peak())"
        child = [sys.executable, "-c", PEAK + code, "collect", str(path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(child, env=environment, capture_output=True, text=True, check=True)
        assert int(done.stdout.split()[-1]) < 450
        assert all(count == 1 for count in asked(server).values())


def test_feeds_and_sitemaps_that_cannot_be_used_are_told(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.collect.crawling.request.SITEMAP_BYTES", 10_000)
    pages: dict[str, Page] = {
        "/robots.txt": page(b"User-agent: *\nDisallow: /private\n", content_type="text/plain"),
        "/html": page(b"<?xml version='1.0'?><!-- x -->\n<!DOCTYPE html><html><body>Sorry</body></html>"),
        "/long.xml": page(b"<urlset>" + b" " * 20_000 + b"</urlset>"),
        "/a.html": page(html(1)),
    }
    why = {"/none": "http_404", "/private/feed": "robots_disallowed", "/html": "wrong_type", "/long.xml": "too_large"}
    with Running(CrawlServer(pages)) as server:
        url = server.url
        wanted = {url + at: reason for at, reason in why.items()}
        bad = {"feeds": [f"{url}/none", f"{url}/private/feed", f"{url}/html"], "sitemaps": [f"{url}/long.xml"]}
        path = web(make_job, urls=[f"{url}/a.html"], **bad)
        assert collected(path) == wanted | {f"{url}/a.html": "kept"}
        feed = f"<rss><channel><item><link>{url}/a.html</link></item></channel></rss>"
        server.pages["/none"] = page(feed.encode(), content_type="application/rss+xml")
        del wanted[f"{url}/none"]
        assert collected(path) == wanted | {f"{url}/a.html": "kept"}
        assert "http_404 1" in nothing(web(make_job, feeds=[f"{url}/nowhere"], name="alone"))


def test_a_smaller_depth_drops_what_is_deeper(make_job: JobMaker) -> None:
    pages: dict[str, Page] = {"/": page(html(0, ("/1.html",)))}
    pages |= {f"/{n}.html": page(html(n, (f"/{n + 1}.html",))) for n in range(1, 4)}
    with Running(CrawlServer(pages)) as server:
        assert Counter(collected(web(make_job, sites=[server.url], depth=3)).values()) == {"kept": 4}
        server.seen.clear()
        found = collected(web(make_job, sites=[server.url], depth=1))
        assert Counter(found.values()) == {"kept": 2, "excluded": 2} and found[f"{server.url}/2.html"] == "excluded"
        assert asked(server) == {"/": 1, "/1.html": 1}
        assert Counter(collected(web(make_job, sites=[server.url], depth=3)).values()) == {"kept": 4}


def test_what_a_page_says_to_robots_in_odd_forms(make_job: JobMaker) -> None:
    heads = {
        "/spaces.html": '<meta name="robots" content="noindex nofollow">',
        "/bracket.html": '<meta data-x="a > b" name="robots" content="noindex">',
        "/preview.html": '<meta name="robots" content="max-image-preview: none">',
        "/named.html": '<meta name="labelmill" content="nofollow">',
    }
    with Running(CrawlServer({"/": page(html(0, tuple(heads)))})) as server:
        server.pages |= {at: page(html(n, (f"/to{n}.html",), head)) for n, (at, head) in enumerate(heads.items(), 1)}
        server.pages |= {f"/to{n}.html": page(html(10 + n)) for n in range(1, 5)}
        found = collected(web(make_job, sites=[server.url], depth=2))
        assert {at.removeprefix(server.url): why for at, why in found.items()} == {
            "/": "kept", "/spaces.html": "forbidden_by_page", "/bracket.html": "forbidden_by_page",
            "/preview.html": "kept", "/to3.html": "kept", "/named.html": "kept",
        }  # fmt: skip


def test_a_user_name_is_no_other_origin(make_job: JobMaker) -> None:
    with Running(CrawlServer({"/b.html": page(html(1))})) as server:
        server.pages["/a.html"] = redirect(f"http://user:word@127.0.0.1:{server.port}/b.html")
        work = run(web(make_job, urls=[f"{server.url}/a.html"]), last="collect")
        assert [row["url"] for row in rows(work, "articles")] == [f"{server.url}/b.html"]
        assert server.paths.count("/robots.txt") == 1


@pytest.mark.parametrize("slow", [False, True])
def test_a_page_of_a_feed_that_a_site_links_to_is_followed(make_job: JobMaker, slow: bool) -> None:
    """In the same run, whether it was fetched already or is under way when the link is found."""
    leads = page(html(1, ("/b.html",)))

    async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        writer.write(leads)

    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3 if slow else 0.8)
        writer.write(page(html(0, ("/a.html",))))

    with Running(CrawlServer({"/": late, "/a.html": slowly if slow else leads, "/b.html": page(html(2))})) as server:
        feed = f"<rss><channel><item><link>{server.url}/a.html</link></item></channel></rss>"
        server.pages["/feed"] = page(feed.encode(), content_type="application/rss+xml")
        found = collected(web(make_job, feeds=[f"{server.url}/feed"], sites=[server.url], depth=2))
        assert found == {f"{server.url}{at}": "kept" for at in ("/", "/a.html", "/b.html")}
        assert asked(server)["/a.html"] == 1  # its links are read from what is stored
