"""Articles that come before a reviewer again, in a real browser: by search, after undo and a reload, of a page that was closed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.review_browser import (
    BROWSER,
    PHRASES,
    Opener,
    Page,
    make_job,
    pages,
    press,
    reconfigured,
    said,
    saved,
    title,
)
from tests.review_page import Reviewer, ReviewServer

playwright_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here (CHROMIUM names it)"),
]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_job(tmp_path_factory.mktemp("news"), "; ".join(PHRASES), clean={"absent": "flag"})


@pytest.fixture
def job(labelled: Path, tmp_path: Path) -> Path:
    """A copy of the labelled job, nothing judged yet."""
    shutil.copytree(labelled.parent, tmp_path / "news")
    return tmp_path / "news" / "job.yaml"


@pytest.fixture(scope="module")
def browser(labelled: Path) -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    yield from pages(browser)


def rows(page: Page) -> list[list[str]]:
    """What stands in each row: its state, the phrase, its tags, what it becomes, its reason."""
    return page.evaluate(
        """() => [...document.querySelectorAll('#panel .row')].map((row) => [
            [...row.classList].filter((name) => /accepted|rejected|added|offered|open/.test(name)).join(' '),
            ...[...row.querySelectorAll('.phrase, .tags > *, .becomes, .reason')].map((part) => part.innerText),
            ...[...row.querySelectorAll('.chip[aria-pressed=true]')].map((chip) => chip.dataset.at)])"""
    )


def add(page: Page, key: str, text: str) -> None:
    page.keyboard.press(key)
    page.keyboard.insert_text(text)
    page.keyboard.press("Enter")


def undone(page: Page, before: str) -> None:
    page.keyboard.press("u")
    page.wait_for_function("title => document.querySelector('#title')?.textContent === title", arg=before)


def decided(judged: list[list[str]]) -> list[list[str]]:
    """The rows after "accept the rest": what was open is accepted."""
    return [[row[0].replace("open", "accepted"), *row[1:]] for row in judged]


def test_after_reload_and_undo_all_is_as_it_was_said(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        page = opened(server, locale="en-US")
        first = title(page)
        press(page, "1 r g")
        press(page, "ArrowDown")  # the second phrase becomes one that the label has already
        page.keyboard.press("e")
        page.keyboard.insert_text(PHRASES[2])
        press(page, "Enter ArrowDown ArrowDown")
        page.keyboard.press("e")  # and the fourth another one
        page.keyboard.insert_text("새 회사")
        press(page, "Enter")
        add(page, "m", "빠진 구")
        press(page, "1")
        press(page, "1")
        press(page, "ArrowUp ArrowDown")
        was = rows(page)
        assert [row[0] for row in was] == ["rejected", "rejected", "open", "rejected", "open", "open", "added"]
        press(page, "a")
        saved(page)
        page.reload()
        page.wait_for_selector(".row")
        assert title(page) != first
        undone(page, first)
        assert sorted(map(str, rows(page))) == sorted(map(str, decided(was)))
        assert page.locator(".tag", has_text="earlier").count() == 0  # nobody judged it before
        saved(page)
        page.reload()  # the taking back is at the server
        page.wait_for_selector(".row")
        assert title(page) == first and sorted(map(str, rows(page))) == sorted(map(str, decided(was)))
        press(page, "a")
        saved(page)
    [judgement] = said(job)
    assert judgement.edits == {PHRASES[1]: PHRASES[2], PHRASES[3]: "새 회사"}
    assert judgement.added == ["새 회사", "빠진 구"] and PHRASES[2] in judgement.accepted


def test_a_verdict_of_before_is_said_to_be_one_after_reload_and_undo_too(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        kim = Reviewer(server, "kim")
        card = kim.queue("audit", 1)[0]
        some = {"accepted": PHRASES[:2], "rejected": PHRASES[2:3]}
        assert kim.judge(card, **some) == ""  # of a label that had three of the phrases
        page = opened(server, locale="en-US")
        before = rows(page)
        assert sum("verdict of an earlier review" in row for row in before) == 3
        first = title(page)
        press(page, "3 4 a")
        saved(page)
        page.reload()
        page.wait_for_selector(".row")
        undone(page, first)
        after = rows(page)
    assert [row[0] for row in after] == ["accepted"] * 3 + ["rejected"] + ["accepted"] * 2
    assert ["verdict of an earlier review" in row for row in after] == [True, True, False, False, False, False]


def test_a_reload_right_after_undo_shows_what_was_taken_back(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        page = opened(server)
        first = title(page)
        press(page, "2 a")
        saved(page)
        undone(page, first)
        page.reload()
        page.wait_for_selector(".row")
        assert title(page) == first and rows(page)[1][0] == "rejected"
        saved(page)
    assert said(job) == []


def test_search_goes_to_an_id_and_back_to_the_lane(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        page = opened(server, locale="en-US")
        first = title(page)
        press(page, "/")
        page.keyboard.insert_text("a17?")  # a question mark is written, not obeyed
        press(page, "Backspace Enter")
        page.wait_for_function("() => document.querySelector('#title').textContent.includes('17')")
        assert "feeds no figure" in page.inner_text("#panel") and not page.locator("dialog[open]").count()
        press(page, "1 a")
        page.wait_for_function("title => document.querySelector('#title').textContent === title", arg=first)
        saved(page)
        [judgement] = said(job)
        assert (judgement.id, judgement.lane, judgement.rejected) == ("a17", "triage", PHRASES[:1])
        page.click("#search")
        page.keyboard.insert_text("항구 도시 17")
        press(page, "Enter")
        page.wait_for_selector("dialog .noted li")
        [line] = page.locator("dialog .noted li").all_inner_texts()
        assert "judged by you" in line
        press(page, "Enter")  # the first one
        page.wait_for_selector(".row.rejected")
        assert rows(page)[0][0] == "rejected"
        saved(page)
    assert said(job) == []


def test_a_blind_reviewer_finds_no_label(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=1)) as server:
        page = opened(server, locale="en-US")
        for words in ("유령 회사", "a1", "기사"):  # the first is in the labels only
            press(page, "Escape")
            page.click("#search")
            page.keyboard.insert_text(words)
            press(page, "Enter")
            page.wait_for_selector("dialog .noted li" if words != "유령 회사" else "dialog .hint:not(:empty)")
            assert "유령" not in page.inner_text("dialog")
        given = page.locator("dialog .noted button").first
        given.click()  # one of those that the page was given for the lane
        page.wait_for_selector(".typing")
        assert page.locator(".row").count() == 0 and "유령" not in page.content()


def test_a_closed_tab_gives_back_what_it_had(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        first = opened(server, "kim")
        taken = title(first)
        lee = Reviewer(server, "lee")
        assert taken not in {card["title"] for card in lee.queue("audit")}
        first.goto("about:blank")
        first.wait_for_timeout(300)
        assert taken in {card["title"] for card in lee.queue("audit")}


# --- a phone ---

SMALL = """() => [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility()
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 10)
    .map((e) => e.outerHTML.slice(0, 80))"""
OUTSIDE = """() => [...document.querySelectorAll('figure svg.chart *')].filter((e) => e.checkVisibility()
    && e.getBoundingClientRect().right > e.closest('figure').getBoundingClientRect().right + 1)
    .map((e) => e.outerHTML.slice(0, 80))"""
PHONE = {"viewport": {"width": 360, "height": 740}}


def test_on_a_phone_tabs_and_figures_are_one_line_that_folds(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=0.2, overlap=0.5)) as server:
        page = opened(server, locale="en-US", **PHONE)
        height = "() => document.querySelector('.top').offsetHeight"
        folded = page.evaluate(height)
        assert folded < 60 and page.evaluate(SMALL) == []
        page.click("#more")
        assert page.is_visible("#figures") and page.locator(".lane:visible").count() >= 3
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.click("#more")
        assert page.evaluate(height) == folded


def test_a_cross_moves_no_mark(job: Path, opened: Opener) -> None:
    where = "() => [...document.querySelectorAll('mark')].map((m) => [m.offsetLeft, m.offsetTop, m.offsetWidth])"
    with ReviewServer(job) as server:
        page = opened(server)
        before = page.evaluate(where)
        press(page, "1 2 3 4 5 6")
        assert page.locator("mark.rejected").count() > 4 and page.evaluate(where) == before


def test_the_report_fits_a_phone(job: Path, opened: Opener) -> None:
    with ReviewServer(job) as server:
        kim = Reviewer(server, "kim")
        for number, card in enumerate(kim.queue("audit", 6)):
            assert kim.judge(card, wrong=number % 3) == ""
        page = opened(server, locale="en-US", **PHONE)
        page.goto(f"{server.url}report?reviewer=kim")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("figure svg.chart:visible").count() > 2
        assert page.evaluate(OUTSIDE) == [] and page.evaluate(SMALL) == []
        first = page.locator("nav.contents a").first.bounding_box()
        assert first and first["y"] < 300
