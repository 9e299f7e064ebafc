"""Odd feeds, sitemaps, lists and sites over real HTTP on loopback: what can be read leads on, the fault is one row."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("trafilatura", reason="crawling needs the extra: pip install 'labelmill[crawl]'")
pytest.importorskip("protego", reason="crawling needs the extra: pip install 'labelmill[crawl]'")

from tests.conftest import JobMaker, rows, run
from tests.crawl_server import CrawlServer, Page, Request, Running, page
from tests.test_crawl import asked, collected, html, web

pytestmark = pytest.mark.usefixtures("lasting_workers")

NOISE = "".join(f"<!-- {sha256(str(n).encode()).hexdigest()} -->" for n in range(9999))
OPEN, CLOSE = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">', "</urlset>"


def at(base: str, *numbers: int) -> str:
    return "".join(f"<url><loc>{base}/{number}.html</loc></url>" for number in numbers)


def pages_of(*numbers: int) -> dict[str, Page]:
    return {f"/{number}.html": page(html(number)) for number in numbers}


def test_lists_that_cannot_be_read_are_rows(make_job: JobMaker) -> None:
    whole = pages_of(1, 2, 3, 4, 5)
    with Running(CrawlServer(whole)) as server:
        base = server.url
        xml = f"{OPEN}{at(base, 1)}{CLOSE}".encode()
        lists = {
            "/twice.xml.gz": gzip.compress(gzip.compress(xml)),
            "/empty.xml": b"",
            "/blank.xml": b" \n\n",
            "/cut.xml": f"{OPEN}{at(base, 2)}<url><loc>{base}/9".encode(),
            "/cut.xml.gz": gzip.compress(f"{OPEN}{at(base, 3)}{NOISE}{CLOSE}".encode())[:60_000],
            "/other.xml": b"<?xml version='1.0'?><note><to>you</to></note>",
            "/none.xml": f"{OPEN}{CLOSE}<!-- nothing today -->".encode(),
            "/whole.xml": f"<?xml version='1.0'?>{OPEN}{at(base, 4)}{CLOSE}\n<!-- made by hand -->".encode(),
            "/lines.txt": f"{base}/5.html\n".encode(),
        }
        server.pages |= {path: page(body, content_type="application/xml") for path, body in lists.items()}
        found = collected(web(make_job, sitemaps=[f"{base}{path}" for path in lists]))
    bad = ("/twice.xml.gz", "/empty.xml", "/blank.xml", "/cut.xml", "/cut.xml.gz", "/other.xml")
    assert found == {f"{base}{path}": "unreadable" for path in bad} | {f"{base}/{n}.html": "kept" for n in (2, 3, 4, 5)}


def test_a_json_feed(make_job: JobMaker) -> None:
    items = [
        {"id": "1", "url": "/1.html", "title": "One", "date_published": "2026-05-01T10:00:00+09:00"},
        {"id": "2", "external_url": "2.html"},
        {"id": "no address", "content_text": "x"},
        "no object",
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}
    with Running(CrawlServer(pages_of(1, 2))) as server:
        server.pages["/feed.json"] = page(json.dumps(feed).encode(), content_type="application/feed+json")
        server.pages["/other.json"] = page(b'{"items": [{"url": "/1.html"}]}', content_type="application/json")
        path = web(make_job, feeds=[f"{server.url}/feed.json", f"{server.url}/other.json"])
        base, found = server.url, collected(path)
    assert found == {f"{base}/1.html": "kept", f"{base}/2.html": "kept", f"{base}/other.json": "unreadable"}
    times = [row["published_at"] for row in rows(run(path, last="filter", first="filter"), "articles")]
    assert times[0] == "2026-05-01T01:00:00Z"


@pytest.mark.parametrize(
    "title", ["&#55356;&#57118; sun", "&#xD83C; sun", "&#0; sun", "&#x110000; sun", "&#55356;&#57118;&#38; sun"]
)
def test_references_to_half_a_character_lose_no_page(make_job: JobMaker, title: str) -> None:
    with Running(CrawlServer(pages_of(1, 2, 3))) as server:
        base = server.url
        first = at(base, 1).replace("</url>", f"<title>{title}</title></url>")
        server.pages["/s.xml"] = page(f"{OPEN}{first}{at(base, 2, 3)}{CLOSE}".encode(), content_type="text/xml")
        assert collected(web(make_job, sitemaps=[f"{base}/s.xml"])) == {f"{base}/{n}.html": "kept" for n in (1, 2, 3)}


def test_bad_lines_of_a_list_are_rows(make_job: JobMaker, tmp_path: Path) -> None:
    with Running(CrawlServer(pages_of(1, 2))) as server:
        lines = [
            b"\xef\xbb\xbf# a list",
            server.url.encode() + b"/1.html",
            b"no address",
            b"ftp://a.example/",
            b"http://\xff.example/",
        ]
        (tmp_path / "list.txt").write_bytes(b"\n".join([*lines, b"", server.url.encode() + b"/2.html"]))
        path = web(make_job, url_file="list.txt")
        work = run(path, last="collect")
        assert len(rows(work, "articles")) == 2
        bad = [(row["source"], row["line"], row["reason"]) for row in rows(work, "articles", rejected=True)]
        assert bad == [("list.txt", line, "bad_url") for line in (3, 4, 5)]
        (tmp_path / "list.txt").write_text(f"{server.url}/1.html\n{server.url}/2.html\n")
        assert not rows(run(path, last="collect"), "articles", rejected=True)


def test_a_value_of_sqlite_that_is_no_text_is_a_row(make_job: JobMaker, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="databases need the extra: pip install 'labelmill[sql]'")
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as database, database:
        database.execute("CREATE TABLE news (id TEXT PRIMARY KEY, title TEXT, text TEXT)")
        for number, text in enumerate([b"one", b"caf\xe9 au lait", "두 번째".encode(), b"fo\0ur"]):
            database.execute("INSERT INTO news VALUES (?, 't', CAST(? AS TEXT))", (f"k{number}", text))
    work = run(
        make_job(sources=[{"type": "sql", "url": "sqlite:///a.sqlite", "table": "news", "key": "id"}]), last="collect"
    )
    assert {row["id"]: row["text"] for row in rows(work, "articles")} == {
        "k0": "t one",
        "k2": "t 두 번째",
        "k3": "t four",
    }
    assert [(row["id"], row["reason"]) for row in rows(work, "articles", rejected=True)] == [("k1", "wrong_encoding")]


# --- sites ---


@pytest.mark.parametrize(
    ("robots", "is_asked"), [("Disallow: /", False), ("Disallow: /.well-known/", False), ("Disallow: /x", True)]
)
def test_reservations_are_not_asked_for_where_robots_txt_forbids_it(
    make_job: JobMaker, robots: bytes, is_asked: bool
) -> None:
    with Running(
        CrawlServer(
            {**pages_of(1), "/robots.txt": page(f"User-agent: *\n{robots}".encode(), content_type="text/plain")}
        )
    ) as server:
        other = CrawlServer(pages_of(2))
        with Running(other):
            collected(web(make_job, urls=[f"{server.url}/1.html", f"{other.url}/2.html"]))
        assert ("/.well-known/tdmrep.json" in server.paths) is is_asked
        assert asked(server)["/1.html"] == (robots != "Disallow: /")


@pytest.mark.slow
def test_a_page_that_turns_out_to_be_nearer_is_asked_once(make_job: JobMaker) -> None:
    """Found first at the last depth, then nearer, before, while and after it is fetched: its links are read from what is stored."""

    def links(*numbers: int) -> tuple[str, ...]:
        return tuple(f"/{number}.html" for number in numbers)

    def slow(body: bytes) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.6)
            writer.write(page(body))

        return answer

    pages: dict[str, Page] = {
        "/": page(html(0, links(1, 2))),
        "/1.html": page(html(1, links(3))),  # the short way to 5 is the slow one
        "/2.html": slow(html(2, links(5))),
        "/3.html": page(html(3, links(5, 4))),
        "/4.html": page(html(4)),
        "/5.html": page(html(5, links(6))),
        "/6.html": page(html(6, links(7))),
        "/7.html": page(html(7)),
    }
    for connections in (1, 8):
        with Running(CrawlServer(dict(pages))) as server:
            path = web(
                make_job, sites=[server.url], depth=3, connections_per_host=connections, name=f"of-{connections}"
            )
            base, found = server.url, collected(path)
            assert found == {f"{base}/": "kept"} | {f"{base}/{n}.html": "kept" for n in range(1, 7)}
            assert set(asked(server).values()) == {1}, asked(server)


def test_a_page_whose_headers_forbid_it_leads_nowhere_also_when_it_is_nearer(make_job: JobMaker) -> None:
    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        writer.write(page(html(2, ("/5.html",))))

    pages: dict[str, Page] = {
        "/": page(html(0, ("/1.html", "/2.html"))),
        "/1.html": page(html(1, ("/5.html",))),
        "/2.html": slow,
        "/5.html": page(html(5, ("/6.html",)), X_Robots_Tag="nofollow"),
        "/6.html": page(html(6)),
    }
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, sites=[server.url], feeds=[f"{server.url}/feed"], depth=3)
        feed = f"<rss><channel><item><link>{server.url}/5.html</link></item></channel></rss>"
        server.pages["/feed"] = page(feed.encode(), content_type="application/rss+xml")
        assert f"{server.url}/6.html" not in collected(path)
