"""What tests of the review page have in common: a labelled job, and a reviewer's hands on a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement
from tests.conftest import work_of, write_jsonl
from tests.openai_server import Running, Server, completion
from tests.program import run as run_program
from tests.review_page import ReviewServer

Page = Any  # of Playwright, which need not be installed
AWAY = "ERR_CONNECTION|status of 401"  # what a browser says of itself when a server is gone, or wants its token
SELECT = """() => {
    const text = document.querySelector("mark[data-n='2']").nextSibling;
    getSelection().setBaseAndExtent(text, 1, text, 6);
}"""
KEYDOWN = """([key, code]) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown',
    {key, code, keyCode: key === 'Process' ? 229 : 65, bubbles: true, cancelable: true}))"""
ALL_AUDIT: dict[str, float] = {"blind": 0, "overlap": 0, "planted": 0}
# Chromium without what costs processor and shows nothing here: a card's process, a compiler for pages that live for seconds.
BROWSER = ["--no-sandbox", "--disable-gpu", "--in-process-gpu", "--renderer-process-limit=1", "--js-flags=--lite-mode"]
PHRASES = ["한강공원", "자전거 도로", "시민 안전", "유령 회사", "항구 도시", "봄 축제"]
HOSTILE = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"


def body(number: int, length: int = 0) -> str:
    text = f"{number}월 한강공원 옆 자전거 도로가 넓어진다. 시민 안전을 위해서다.\n\n항구 도시 {number}곳에서 봄 축제가 열린다."
    filler = "".join(f"{line}번째 줄은 아무 말도 하지 않고 조용히 지나간다.\n" for line in range(length // 28))
    return filler + text


def articles() -> list[dict[str, Any]]:
    rows = [{"id": f"a{n}", "title": f"기사 {n}", "body": body(n)} for n in range(1, 31)]
    rows.append({"id": "hostile", "title": HOSTILE, "body": f"{body(20)} {HOSTILE}", "url": "javascript:alert(1)"})
    rows += [
        {"id": f"long{n}", "title": f"긴 기사 {n}", "body": body(30 + n, size)}
        for n, size in ((1, 5_000), (2, 200_000))
    ]
    return rows


def make_job(folder: Path, answer: str, **sections: Any) -> Path:
    """A labelled job: every article has the same label, from the protocol server."""
    write_jsonl(folder / "articles.jsonl", articles())
    with Running(Server()) as server:
        server.script = lambda asked, times: (200, completion(asked, answer), {})
        config: dict[str, Any] = {
            "name": "news",
            "sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}],
            "label": {"provider": "openai", "base_url": server.url, **sections.pop("label", {})},
            "review": ALL_AUDIT,
            **sections,
        }
        path = folder / "job.yaml"
        path.write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
        result = run_program("run", path)  # Playwright runs a loop in this one
        assert result.returncode == 0, result.stderr
    return path


def reconfigured(job: Path, **review: Any) -> Path:
    """The job with other lanes."""
    config = yaml.safe_load(job.read_text("utf-8"))
    job.write_text(yaml.safe_dump(config | {"review": ALL_AUDIT | review}), "utf-8")
    return job


Opener = Callable[..., Page]


def pages(browser: Any) -> Iterator[Opener]:
    """Gives a function that opens the page; the console must stay silent but for a server that is away."""
    errors: list[str] = []
    contexts = []

    def tell(message: Any) -> None:
        if message.type in ("error", "warning") and not re.search(AWAY, message.text):
            errors.append(message.text)

    def open_page(server: ReviewServer, reviewer: str = "kim", extra: str = "", **options: Any) -> Page:
        contexts.append(
            browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "ko-KR"} | options)
        )
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.on("console", tell)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{server.url}?reviewer={reviewer}{extra}")
        page.wait_for_selector("#title" if reviewer else "main.card")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == [], errors  # this is no test module: pytest does not show them


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def saved(page: Page) -> None:
    page.wait_for_selector("#saved[data-state=saved]")


def title(page: Page) -> str:
    return str(page.inner_text("#title"))


def said(job: Path) -> list[Judgement]:
    return judgements.read(work_of(job).verdicts_file)


def go_to(page: Page, wanted: str) -> None:
    """Skip until an article is shown."""
    for _ in range(40):
        if wanted in title(page):
            return
        before = title(page)
        page.keyboard.press("s")
        page.wait_for_function(
            "before => (document.querySelector('#title')?.textContent ?? before) !== before", arg=before
        )
    raise AssertionError(f"{wanted} was not shown")
