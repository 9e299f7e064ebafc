"""`type: web`, the runs after the first: what is no new state of a page, starts that leave and return, no network at all."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trafilatura", reason="crawling needs the extra: pip install 'labelmill[crawl]'")
pytest.importorskip("protego", reason="crawling needs the extra: pip install 'labelmill[crawl]'")

from pipeline import runner
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from tests.conftest import ROOT, JobMaker, command, rows, run, wait_for_handler, work_of
from tests.crawl_server import CrawlServer, Page, Request, Running, page, redirect
from tests.program import Program
from tests.test_crawl import asked, collected, html, web

pytestmark = pytest.mark.usefixtures("lasting_workers")

LOGIN = b"<html><head><title>Log in</title></head><body><form><p>Log in to read what came to the city.</p></form></body></html>"


def notes(work: Workspace) -> dict[str, list[str]]:
    """Path of a kept page -> why it is not as it was last asked."""
    found = {}
    for row in rows(work, "articles"):
        said = dict(note.split(": ", 1) for note in row["notes"] if ": " in note)
        found["/" + said["fetched"].split("/", 3)[3]] = [said[name] for name in ("not_updated",) if name in said]
    return found


TROUBLE: dict[str, tuple[bytes, str]] = {
    "/empty.html": (page(b""), "not_html"),
    "/pdf.html": (page(b"%PDF-1.7", content_type="application/pdf"), "wrong_type"),
    "/large.html": (page(html(1) * 50), "too_large"),
    "/login.html": (redirect("/login"), "redirected_away"),
    "/form.html": (redirect("/noindex"), "forbidden_by_page"),
    "/nothing.html": (page(b"<html><body><script>wait()</script></body></html>"), "no_article"),
    "/gone.html": (page(b"", 404), "http_404"),
    "/disallowed.html": (redirect("/private/login"), "robots_disallowed"),
}


def test_trouble_is_no_new_state(make_job: JobMaker) -> None:
    """What was good stays, with its article, until something else is one; the trouble is told."""
    good: dict[str, Page] = {at: page(html(number)) for number, at in enumerate(TROUBLE)}
    others: dict[str, Page] = {
        "/login": page(LOGIN),
        "/noindex": page(LOGIN, X_Robots_Tag="noindex"),
        "/robots.txt": page(b"User-agent: *\nDisallow: /private\n", content_type="text/plain"),
    }
    with Running(CrawlServer({**good, **others})) as server:
        path = web(make_job, urls=[server.url + at for at in good], max_bytes=20_000)
        first = run(path, last="collect")
        texts = {row["url"]: row["text"] for row in rows(first, "articles")}
        assert len(texts) == len(good)
        server.pages |= {at: bad for at, (bad, _) in TROUBLE.items()}
        work = run(path, last="collect")
        assert {row["url"]: row["text"] for row in rows(work, "articles")} == texts
        assert notes(work) == {at: [reason] for at, (_, reason) in TROUBLE.items()}
        server.pages |= {at: page(html(100 + number)) for number, at in enumerate(good)}
        work = run(path, last="collect")
        assert set(notes(work)) == set(good) and not any(notes(work).values())
        assert all("harbour10" in row["text"] for row in rows(work, "articles"))


def test_an_article_that_moved_is_still_that_article(make_job: JobMaker) -> None:
    with Running(CrawlServer({"/old.html": page(html(1)), "/other.html": page(html(2))})) as server:
        path = web(make_job, urls=[f"{server.url}/old.html", f"{server.url}/other.html"])
        collected(path)
        server.pages |= {
            "/old.html": redirect("/new.html", 301), "/new.html": page(html(1, head="<meta name='x'>")),
            "/other.html": redirect("/third.html"), "/third.html": page(html(3)),
        }  # fmt: skip
        work = run(path, last="collect")
        assert {row["url"].removeprefix(server.url) for row in rows(work, "articles")} == {"/new.html", "/other.html"}
        assert notes(work) == {"/old.html": [], "/other.html": ["redirected_away"]}


def test_forbidden_now(make_job: JobMaker) -> None:
    """What robots or the page itself forbid now is no article any more, however good the copy is."""
    with Running(CrawlServer({f"/{name}.html": page(html(n)) for n, name in enumerate("abc")})) as server:
        path = web(make_job, urls=[f"{server.url}/{name}.html" for name in "abc"])
        assert set(collected(path).values()) == {"kept"}
        server.pages["/a.html"] = page(b"", X_Robots_Tag="noindex")
        server.pages["/robots.txt"] = page(b"User-agent: *\nDisallow: /b\n", content_type="text/plain")
        assert collected(path) == {
            f"{server.url}/a.html": "forbidden_by_page",
            f"{server.url}/b.html": "robots_disallowed",
            f"{server.url}/c.html": "kept",
        }


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "between"])
def test_killed_while_revalidating(make_job: JobMaker, tmp_path: Path, where: str) -> None:
    """Both bodies are there until it is decided which one stays; nothing is fetched again for that."""
    with Running(CrawlServer({f"/{n}.html": page(html(n)) for n in range(6)})) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(6)])
        collected(path)
        server.pages |= {f"/{n}.html": page(b"") if n % 2 else page(html(100 + n)) for n in range(6)}
        server.seen.clear()
        code = (
            "import os, signal, pipeline.collect.crawling.revalidate as revalidate\n"
            "from pipeline.collect.crawling.frontier import Frontier\n"
            "revalidate.GROUP_PAGES, commit, calls = 2, Frontier.commit_revalidations, []\n"
            "def killed(self, verdicts, made_by):\n"
            f"    if len(calls) == {int(where == 'between')}: os.kill(os.getpid(), signal.SIGKILL)\n"
            "    calls.append(commit(self, verdicts, made_by))\n"
            "Frontier.commit_revalidations = killed\n"
            f"from pipeline.cli.main import main; main(['collect', {str(path)!r}])"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == -signal.SIGKILL
        work = run(path, last="collect")
        assert set(asked(server).values()) == {1}
        assert notes(work) == {f"/{n}.html": ["not_html"] if n % 2 else [] for n in range(6)}
        texts = {row["url"].rpartition("/")[2]: row["text"] for row in rows(work, "articles")}
        assert all((f"harbour{n}x1" if n % 2 else f"harbour{100 + n}x1") in texts[f"{n}.html"] for n in range(6))
        with sqlite3.connect(tmp_path / "jobs" / "test" / "crawl" / "web.sqlite") as frontier:
            left = frontier.execute("SELECT (SELECT count(*) FROM formers), (SELECT count(*) FROM extracts)").fetchone()
        assert left == (0, 0)


def test_what_changed_is_extracted_once(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.collect.html.workers import PageWorkers

    count = [0]
    extract = PageWorkers._one

    def counted(self: PageWorkers, *item: Any) -> Any:
        count[0] += 1
        return extract(self, *item)

    monkeypatch.setattr(PageWorkers, "_one", counted)
    with Running(CrawlServer({f"/{n}.html": page(html(n)) for n in range(4)})) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(4)])
        run(path, last="collect")
        server.pages |= {f"/{n}.html": page(html(100 + n)) for n in range(4)}
        count[0] = 0
        work = run(path, last="collect")
        assert count == [4] and all("harbour10" in row["text"] for row in rows(work, "articles"))


# --- what the job file gives no more ---


def test_an_address_that_is_taken_out_and_put_back(make_job: JobMaker) -> None:
    with Running(CrawlServer({f"/{name}.html": page(html(n)) for n, name in enumerate("abc")})) as server:
        everything = [f"{server.url}/{name}.html" for name in "abc"]
        assert set(collected(web(make_job, urls=everything))) == set(everything)
        server.seen.clear()
        assert set(collected(web(make_job, urls=everything[:2]))) == set(everything[:2])
        assert set(asked(server)) == {"/a.html", "/b.html"}
        assert collected(web(make_job, urls=everything)) == dict.fromkeys(everything, "kept")
        assert asked(server)["/c.html"] == 1


def rss(*urls: str) -> bytes:
    items = "".join(f"<item><link>{url}</link></item>" for url in urls)
    return page(f"<rss version='2.0'><channel>{items}</channel></rss>".encode(), content_type="application/rss+xml")


def test_a_feed_that_is_taken_out_and_put_back(make_job: JobMaker) -> None:
    """With it goes what only it led to, also what it names no more; what another one names too stays."""
    with Running(CrawlServer({f"/{name}.html": page(html(n)) for n, name in enumerate("abcd")})) as server:
        at = {name: f"{server.url}/{name}.html" for name in "abcd"}
        feeds = [f"{server.url}/feed1", f"{server.url}/feed2"]
        server.pages |= {"/feed1": rss(at["a"], at["b"]), "/feed2": rss(at["b"], at["c"])}
        assert set(collected(web(make_job, feeds=feeds, urls=[at["d"]]))) == set(at.values())
        server.pages["/feed1"] = rss(at["b"])  # `a` is too old for it now
        assert set(collected(web(make_job, feeds=feeds, urls=[at["d"]]))) == set(at.values())
        server.seen.clear()
        assert set(collected(web(make_job, feeds=feeds[1:], urls=[at["d"]]))) == {at["b"], at["c"], at["d"]}
        assert not {"/feed1", "/a.html"} & set(asked(server)) and set(asked(server).values()) == {1}
        assert set(collected(web(make_job, feeds=feeds, urls=[at["d"]]))) == set(at.values())


def test_a_page_that_a_site_leads_to_in_place_of_a_feed(make_job: JobMaker) -> None:
    """Its links are read then, although it did not change."""

    async def unchanged(request: Request, writer: asyncio.StreamWriter) -> None:
        known = "if-none-match" in request.headers
        writer.write(page(status=304, ETag='"1"') if known else page(html(1, ("/below.html",)), ETag='"1"'))

    with Running(CrawlServer({"/a.html": unchanged, "/below.html": page(html(2))})) as server:
        at = {name: f"{server.url}/{name}" for name in ("", "feed", "a.html", "below.html")}
        server.pages |= {"/feed": rss(at["a.html"]), "/": page(html(3, ("/a.html",)))}
        assert set(collected(web(make_job, feeds=[at["feed"]]))) == {at["a.html"]}
        found = collected(web(make_job, sites=[at[""]]))
        assert set(found) == {at[""], at["a.html"], at["below.html"]}


@pytest.mark.slow
def test_a_site_that_is_taken_out(make_job: JobMaker) -> None:
    """Its pages leave, but those that the sites that are left lead to, however deep."""
    pages: dict[str, Page] = {
        "/x/": page(html(0, ("/x/1.html", "/shared.html")), ETag='"1"'),
        "/y/": page(html(1, ("/y/1.html", "/shared.html")), ETag='"1"'),
        "/x/1.html": page(html(2)),
        "/y/1.html": page(html(3)),
        "/shared.html": page(html(4, ("/below.html",))),
        "/below.html": page(html(5)),
    }
    with Running(CrawlServer(pages)) as server:
        both = [f"{server.url}/x/", f"{server.url}/y/"]
        assert set(collected(web(make_job, sites=both))) == {server.url + at for at in pages}
        found = collected(web(make_job, sites=both[1:]))
        assert set(found) == {server.url + at for at in pages if not at.startswith("/x")}
        # as a page it leads nowhere
        assert set(collected(web(make_job, urls=both[1:]))) == {both[1]}


# --- redirects ---


def test_what_a_redirect_leads_to_is_asked_once(make_job: JobMaker) -> None:
    """Whichever of the two comes first; the other is a row that says whose copy it is."""
    pages: dict[str, Page] = {
        "/a": redirect("/1.html"), "/1.html": page(html(1, ("/3.html",))), "/2.html": page(html(2)),
        "/b": redirect("/2.html"), "/3.html": page(html(3)), "/c": redirect("/a"),
    }  # fmt: skip
    with Running(CrawlServer(pages)) as server:
        urls = [f"{server.url}{at}" for at in ("/a", "/2.html", "/b", "/c")]
        path = web(make_job, urls=urls, sites=[f"{server.url}/1.html"], connections_per_host=1)
        for _ in range(2):
            work = run(path, last="collect")
            times = asked(server)
            assert [times[f"/{number}.html"] for number in (1, 2, 3)] == [1, 1, 1]
            assert {row["url"] for row in rows(work, "articles")} == {f"{server.url}/{n}.html" for n in (1, 2, 3)}
            assert [row["reason"] for row in rows(work, "articles", rejected=True)] == ["duplicate_id"] * 3
            server.seen.clear()


@pytest.mark.parametrize("first", [0, 1])
def test_redirects_and_targets_at_the_same_moment(make_job: JobMaker, first: int) -> None:
    """Also where the redirects lead around in circles."""

    def later(answer: bytes) -> Page:
        async def send(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.02)
            writer.write(answer)

        return send

    pages: dict[str, Page] = {f"/{n}.html": later(page(html(n))) for n in range(12)}
    pages |= {f"/to{n}": later(redirect(f"/{n}.html")) for n in range(12)}
    pages |= {f"/loop{n}": later(redirect(f"/loop{(n + 1) % 3}")) for n in range(3)}
    order = sorted(pages, key=lambda at: (at[-5:-1] + at[3:], at.startswith("/to") == bool(first)))
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, urls=[server.url + at for at in order], connections_per_host=8)
        work = run(path, last="collect")
        assert {row["url"] for row in rows(work, "articles")} == {f"{server.url}/{n}.html" for n in range(12)}
        reasons = Counter(row["reason"] for row in rows(work, "articles", rejected=True))
        assert reasons == {"duplicate_id": 12, "redirect_loop": 3}
        # a target that is under way when its redirect arrives may be requested once more, never more often
        assert {asked(server)[f"/{n}.html"] for n in range(12)} <= {1, 2}


# --- signals, and no network ---


@pytest.mark.parametrize("after", [0, 0.25, 0.5, 0.8, 1.2])
def test_sigterm_at_any_time(make_job: JobMaker, after: float) -> None:
    """While libraries are imported and files are opened as well."""

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(page(html(1)))

    with Running(CrawlServer({"/a.html": slow})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html"])
        process = Program("collect", path)
        wait_for_handler(process)
        time.sleep(after)
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert process.returncode in (0, 3), said  # 0: it was over
    assert "Traceback" not in said


def test_twice_stops_at_once(make_job: JobMaker) -> None:
    """A page that never comes is not waited for; what came is kept."""

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    with Running(CrawlServer({"/a.html": page(html(1)), "/never.html": never})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html", f"{server.url}/never.html"])
        process = Program("collect", path)
        while "/never.html" not in server.paths:
            time.sleep(0.05)
        process.terminate()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
        assert process.returncode == 3 and "Traceback" not in said
        server.pages["/never.html"] = page(html(2))
        assert set(collected(path).values()) == {"kept"} and asked(server) == {"/a.html": 1, "/never.html": 2}


@pytest.mark.slow
def test_sigterm_while_extracting(make_job: JobMaker) -> None:
    with Running(CrawlServer({"/a.html": page(html(1))})) as server:
        path = web(make_job, urls=[f"{server.url}/a.html"])
        code = (
            "import os, signal, pipeline.collect.sources.web as web\n"
            "web.Source.read = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
            f"from pipeline.cli.main import main; raise SystemExit(main(['collect', {str(path)!r}]))"
        )
        stopped = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, capture_output=True, text=True)
        assert stopped.returncode == 3 and "the same command goes on" in stopped.stderr
        assert set(collected(path).values()) == {"kept"} and sum(asked(server).values()) == 1


def unit_keys(work: Workspace) -> list[str]:
    return [json.loads(file.read_text())["key"] for file in sorted((work.articles.path / "_units").glob("*.json"))]


def test_no_fetch(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extracted again of what is there, whatever the network does; the next crawl asks all again."""
    with Running(CrawlServer({f"/{n}.html": page(html(n)) for n in range(3)})) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(3)])
        missing = command("collect", path, "--no-fetch")
        assert (
            missing.returncode == 1 and missing.stderr.count("\n") == 1 and "nothing was crawled yet" in missing.stderr
        )
        before = collected(path)
        server.seen.clear()
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(3)], mode="thorough")
        again = command("collect", path, "--no-fetch")
        assert again.returncode == 0, again.stderr
        assert server.seen == []
        work = work_of(path)
        keys = unit_keys(work)
        assert len(rows(work, "articles")) == len(before) == 3
        monkeypatch.setattr("pipeline.collect.html.extract.extractor_digest", lambda mode: "newer")
        runner.run(work, RunOptions("collect", "collect", fetch=False))
        assert unit_keys(work) != keys and server.seen == []


def test_no_fetch_leaves_a_crawl_unfinished(make_job: JobMaker, tmp_path: Path) -> None:
    with Running(CrawlServer({f"/{n}.html": page(html(n)) for n in range(2)})) as server:
        path = web(make_job, urls=[f"{server.url}/{n}.html" for n in range(2)])
        collected(path)
        with sqlite3.connect(tmp_path / "jobs" / "test" / "crawl" / "web.sqlite") as frontier:
            frontier.execute("UPDATE runs SET finished_at = NULL")
            frontier.execute("UPDATE urls SET state = 'waiting' WHERE url LIKE '%/1.html'")
        server.seen.clear()
        assert command("collect", path, "--no-fetch").returncode == 0
        assert set(collected(path).values()) == {"kept"} and set(asked(server)) == {"/1.html"}


# --- sitemaps that robots.txt names, and traps ---


def urlset(*urls: str) -> bytes:
    found = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return page(f"<urlset>{found}</urlset>".encode(), content_type="application/xml")


@pytest.mark.parametrize(("depth", "wanted"), [(0, {"/"}), (1, {"/", "/m.html"}), (2, {"/", "/m.html", "/below.html"})])
def test_sitemaps_of_a_site(make_job: JobMaker, depth: int, wanted: set[str]) -> None:
    """What robots.txt names is one link away from the start, and bound as links are."""
    with Running(CrawlServer()) as server:
        url = server.url
        robots = f"User-agent: *\nAllow: /\nSitemap: {url}/map.xml\nSitemap: http://127.0.0.2:9/away.xml\n"
        server.pages |= {
            "/robots.txt": page(robots.encode(), content_type="text/plain"),
            "/": page(html(0)),
            "/map.xml": urlset(f"{url}/m.html", f"{url}/sports/n.html", "http://127.0.0.2:9/x.html"),
            "/m.html": page(html(1, ("/below.html",))),
            "/below.html": page(html(2)),
            "/sports/n.html": page(html(3)),
        }
        path = web(make_job, sites=[f"{url}/"], depth=depth, exclude=["*/sports/*"])
        assert collected(path) == {url + at: "kept" for at in wanted}


def test_traps_are_rows(make_job: JobMaker) -> None:
    """What would lead on for ever is not asked, and says so, in this run and the next."""

    async def deeper(request: Any, writer: Any) -> None:
        writer.write(page(html(len(request.path), (f"{request.path}a/b/", "/photo.jpg"))))

    pages: dict[str, Page] = {"/" + "a/b/" * n: deeper for n in range(9)}
    with Running(CrawlServer(pages)) as server:
        path = web(make_job, sites=[f"{server.url}/"], depth=20)
        for _ in range(2):
            found = {at.removeprefix(server.url): what for at, what in collected(path).items()}
            assert found == {"/": "kept", "/a/b/": "kept", "/a/b/a/b/": "kept", "/a/b/a/b/a/b/": "trap"}
            assert "/a/b/a/b/a/b/" not in asked(server)


def test_validators_go_to_the_address_that_gave_them(make_job: JobMaker) -> None:
    """An ETag says nothing of another page, which may have the same: so where a redirect leads elsewhere now."""

    def tagged(body: bytes) -> Page:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            known = request.headers.get("if-none-match") == '"same"'
            writer.write(page(status=304, ETag='"same"') if known else page(body, ETag='"same"'))

        return answer

    pages: dict[str, Page] = {
        "/e1t": tagged(html(1)),
        "/e2t": tagged(html(1).replace(b"</article>", b"<p>News!</p></article>")),
    }
    with Running(CrawlServer({**pages, "/e1": redirect("/e1t")})) as server:
        path = web(make_job, urls=[f"{server.url}/e1"])
        collected(path)
        server.seen.clear()
        collected(path)
        assert [request.headers.get("if-none-match") for request in server.seen if "/e1" in request.path] == [
            None,
            '"same"',
        ]
        server.pages["/e1"] = redirect("/e2t")
        (row,) = rows(run(path, last="collect"), "articles")
        assert row["url"] == f"{server.url}/e2t" and "News!" in row["text"]
