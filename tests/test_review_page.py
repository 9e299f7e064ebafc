"""The review page in a real browser (Debian's Chromium, headless), over a real server of a real job."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_jsonl
from tests.review_browser import (
    BROWSER,
    HOSTILE,
    KEYDOWN,
    PHRASES,
    SELECT,
    Opener,
    go_to,
    make_job,
    pages,
    press,
    reconfigured,
    said,
    saved,
    title,
)
from tests.review_page import ReviewServer

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


@pytest.fixture
def served(job: Path) -> Iterator[ReviewServer]:
    with ReviewServer(job) as server:
        yield server


@pytest.fixture(scope="module")
def browser(labelled: Path) -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    """Opens the page as a reviewer, in a browser of their own."""
    yield from pages(browser)


# --- the keyboard ---


def test_the_keyboard_loop(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    first = title(page)
    assert page.locator(".row .phrase").all_inner_texts() == PHRASES
    assert page.locator(".tier-absent").count() == 1
    assert {page.inner_text(f"mark[data-n='{n}']") for n in (1, 2, 3, 5)} == {
        "한강공원",
        "자전거 도로",
        "시민 안전",
        "항구 도시",
    }
    press(page, "a")
    second = title(page)
    assert second != first
    press(page, "4")
    assert page.inner_text(".reasons > kbd") == "r"  # without it the letters would say that `a` alone is a reason
    press(page, "u")
    press(page, "4 r a 2 r f 2 ArrowDown ArrowLeft r g f n")  # the second press of 2 accepts it again
    page.keyboard.insert_text("메모입니다")
    press(page, "Enter Enter")
    press(page, "x 1 a s ArrowUp ArrowRight r w a")
    saved(page)
    found = said(job)
    assert [judgement.lane for judgement in found] == ["audit"] * 5
    kept = [PHRASES, PHRASES[:2] + PHRASES[4:], PHRASES[:1], [], PHRASES[:5]]
    assert [judgement.accepted for judgement in found] == kept
    assert (found[1].reasons, found[4].reasons) == (
        {"유령 회사": "absent", "시민 안전": "generic"},
        {"봄 축제": "wrong"},
    )
    assert (found[1].flagged, found[1].note, found[1].skipped, found[3].skipped) == (True, "메모입니다", False, True)
    assert all(0 <= (judgement.seconds or 0) < 60 for judgement in found)
    assert page.inner_text("[data-lane=audit] .count") == "28"
    assert "%" in page.inner_text("#figures")


def test_a_korean_layout_and_an_ime(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    before = title(page)
    for key, code in (("Process", "Digit2"), ("ㄷ", "KeyE")):
        page.evaluate(KEYDOWN, [key, code])
    page.wait_for_selector(".row .editor input:focus")
    assert page.input_value(".row .editor input") == PHRASES[1]
    page.keyboard.press("Delete")
    ime = page.context.new_cdp_session(page)
    for text in ("ㄱ", "기", "길"):
        ime.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
        page.evaluate(KEYDOWN, ["Process", "KeyA"])
    ime.send("Input.insertText", {"text": "길"})
    page.keyboard.press("Enter")
    assert page.inner_text(".row.current .becomes") == "→ 길"
    page.keyboard.press("Control+a")  # the browser's own
    page.evaluate("getSelection().removeAllRanges()")
    assert title(page) == before
    page.evaluate(KEYDOWN, ["ㅡ", "KeyM"])
    page.keyboard.insert_text("  새로운\u1112\u1161\u11ab 구 ")  # conjoining jamo, as a Mac's file names have them
    page.keyboard.press("Enter")
    page.evaluate(SELECT)
    page.keyboard.press("m")
    press(page, "4")
    page.evaluate(KEYDOWN, ["ㅁ", "KeyA"])
    saved(page)
    [judgement] = said(job)
    assert judgement.rejected == ["자전거 도로", "유령 회사"] and judgement.reasons == {"자전거 도로": "edited"}
    assert judgement.added == ["길", "새로운한 구", "넓어진다"]
    assert judgement.note == "" and title(page) != before


def test_undo_has_no_end(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    seen = []
    for keys in ("1 a", "2 r d a", "3 e"):
        seen.append(title(page))
        press(page, keys)
    page.keyboard.insert_text("고친 구")
    press(page, "Enter")
    assert page.locator(".becomes").count() == 1
    press(page, "u u")  # the edit, then the press of 3
    assert page.locator(".row.rejected").count() == 0
    press(page, "u")
    assert title(page) == seen[1]
    assert page.get_attribute(".row.rejected .chip[aria-pressed=true]", "data-at") == "reasonduplicate"
    saved(page)
    assert [judgement.rejected for judgement in said(job)] == [PHRASES[:1]]
    page.reload()
    page.wait_for_selector(".row.rejected")
    assert title(page) == seen[1]  # with what was said of it
    press(page, "u u u")  # the reason, the press of 2, then the article before: from the server
    page.wait_for_function("title => document.querySelector('#title').textContent === title", arg=seen[0])
    assert page.locator(".row.rejected .phrase").all_inner_texts() == PHRASES[:1]
    saved(page)
    assert said(job) == []
    press(page, "u")  # nothing is left but the press of 1, which the server does not know as a step
    page.wait_for_selector("#toast[data-shown]")
    press(page, "1 a")
    saved(page)
    assert [judgement.accepted for judgement in said(job)] == [PHRASES]


def test_a_label_that_is_too_long_does_not_go_on(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served, locale="en-US")
    before = title(page)
    for text in ("새 구", "또 새 구"):
        press(page, "m")
        page.keyboard.insert_text(text)
        press(page, "Enter")
    press(page, "a")
    told = "8 phrases; the job allows 7: reject one"
    page.wait_for_function("told => document.querySelector('#live').textContent === told", arg=told)
    assert (title(page), page.inner_text(".warning")) == (before, told)
    press(page, "4 a")
    saved(page)
    assert title(page) != before
    [judgement] = said(job)
    assert (len(judgement.accepted), len(judgement.added)) == (5, 2)


def test_another_command_leaves_the_question_for_a_reason(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    press(page, "1 r 2 r Escape r ArrowDown r Enter")
    saved(page)
    [judgement] = said(job)
    assert (judgement.rejected, judgement.reasons) == (PHRASES[:2], {})


def test_a_reload_in_mid_review(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    page.clock.install()
    press(page, "a")
    before = title(page)
    page.clock.fast_forward(30_000)
    press(page, "2 r g f")
    page.reload()
    page.wait_for_selector(".row.rejected")
    assert title(page) == before
    assert page.get_attribute("[data-at=flag]", "aria-pressed") == "true"
    page.clock.fast_forward(3_600_000)  # lunch counts two minutes
    press(page, "a")
    saved(page)
    last = said(job)[-1]
    assert (last.rejected, last.reasons, last.flagged) == (PHRASES[1:2], {PHRASES[1]: "generic"}, True)
    assert 150 <= (last.seconds or 0) < 180


# --- several people, and a server that dies ---


def test_two_reviewers_at_once(served: ReviewServer, job: Path, opened: Opener) -> None:
    kim, lee = opened(served), opened(served, "lee")
    for keys in ("1 a", "a", "2 a"):
        press(kim, keys)
        press(lee, keys)
    saved(kim)
    saved(lee)
    found = said(job)
    assert sorted(judgement.reviewer for judgement in found) == ["kim"] * 3 + ["lee"] * 3
    assert len({judgement.text_sha256 for judgement in found}) == 6


def test_nothing_is_lost_when_the_server_is_killed(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    other = page.context.new_page()  # a second tab of the same reviewer
    other.goto(f"{served.url}?reviewer=kim")
    other.wait_for_selector(".row")
    press(page, "1 a")
    saved(page)
    served.kill()
    for number in range(4):  # no network on the way to the next article
        before = title(page)
        press(page, "2 a" if number % 2 else "a")
        assert title(page) != before
    press(page, "u 5 a")
    page.wait_for_selector("#saved[data-state=trouble]")
    page.close()  # as if the tab had crashed; the other one, or a later one, sends
    served.restart()
    saved(other)
    other.wait_for_function("() => !Object.keys(localStorage).some(key => key.includes('/out/'))")
    found = said(job)
    assert len(found) == len({judgement.text_sha256 for judgement in found}) == 5
    assert [judgement.rejected for judgement in found] == [PHRASES[:1], [], PHRASES[1:2], [], [PHRASES[1], PHRASES[4]]]


def test_a_refused_judgement_is_told_and_blocks_no_other(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    refused: list[str] = []

    def refuse(route: Any) -> None:
        """The server's answer to the first judgement that it ever gets: no."""
        sent = json.loads(route.request.post_data)
        refused.extend(judgement["uid"] for judgement in sent["judgements"][: not refused])
        sent["judgements"] = [judgement for judgement in sent["judgements"] if judgement["uid"] not in refused]
        answer = route.fetch(post_data=json.dumps(sent))
        route.fulfill(json=answer.json() | {"refused": dict.fromkeys(refused, "too <b>bad</b>")})

    page.route("**/api/judgements", refuse)
    first = title(page)
    press(page, "3 a")
    page.wait_for_selector("#banner .refused")
    press(page, "a")
    saved(page)
    assert "too <b>bad</b>" in page.inner_text("#banner")
    assert [judgement.accepted for judgement in said(job)] == [PHRASES]
    page.click("#banner .refused button")
    page.wait_for_function("first => document.querySelector('#title').textContent === first", arg=first)
    assert page.locator(".row.rejected .phrase").all_inner_texts() == [PHRASES[2]]
    press(page, "a")
    saved(page)
    assert [judgement.rejected for judgement in said(job)] == [[], [PHRASES[2]]]
    assert page.locator("#banner p").count() == 0


def test_a_full_browser_is_told_and_loses_nothing(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    page.route("**/api/judgements", lambda route: route.abort("connectionrefused"))
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') } }")
    press(page, "1 a")
    page.wait_for_selector("#banner:has-text('저장 공간')")
    page.unroute("**/api/judgements")
    saved(page)
    assert [judgement.rejected for judgement in said(job)] == [PHRASES[:1]]


def test_a_token_that_runs_out_keeps_all(job: Path, opened: Opener) -> None:
    with ReviewServer(job, "--token", "correct-horse-battery", "--reviewers", "김, lee") as server:
        page = opened(server, "")
        assert page.get_attribute("html", "lang") == "ko"
        page.fill("input", "correct-horse-battery")
        press(page, "Enter")
        page.click("button[value=김]")
        page.wait_for_selector(".row")
        cookies = page.context.cookies()
        page.context.clear_cookies()
        press(page, "2 a")
        page.wait_for_selector("#banner button")
        with page.expect_response("**/api/judgements"):
            press(page, "a")
        assert page.inner_text("#saved") == "2건 대기 중"
        page.context.add_cookies(cookies)
        page.click("#banner button")
        saved(page)
    assert [(judgement.reviewer, judgement.rejected) for judgement in said(job)] == [("김", PHRASES[1:2]), ("김", [])]


# --- hands that are too quick ---


def test_a_double_click_judges_no_article_that_nobody_has_seen(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    for action, times in (("accept_rest", 2), ("accept_rest", 3), ("skip", 2)):
        before = title(page)
        page.click(f"[data-at={action}]", click_count=times)
        assert title(page) != before
        assert page.locator(".row.rejected, .row.accepted, .flagged").count() == 0
        page.wait_for_timeout(600)
    for _ in range(2):
        page.mouse.click(*middle(page, "accept_rest"))  # two clicks of their own, faster than anybody reads
    saved(page)
    assert [judgement.skipped for judgement in said(job)] == [False, False, True, False]


def middle(page: Any, action: str) -> tuple[float, float]:
    box = page.locator(f"[data-at={action}]").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_finger_that_taps_twice_judges_once(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served, viewport={"width": 390, "height": 844}, has_touch=True)
    before, there = title(page), middle(page, "accept_rest")
    page.touchscreen.tap(*there)
    page.touchscreen.tap(*there)
    assert title(page) != before
    saved(page)
    assert len(said(job)) == 1


def test_quick_hands_that_mean_it_are_not_held_up(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    seen = [title(page)]
    for keys in ("a", "a", "2 Enter", "a", "1 3 a"):  # as fast as the machine can
        press(page, keys)
        seen.append(title(page))
    for row in (1, 2):
        page.click(f"[data-at=reject{row}]")  # another place: no double click
        page.click("[data-at=accept_rest]")
        seen.append(title(page))
        page.wait_for_timeout(350)
    assert len(set(seen)) == 8
    saved(page)
    rejected = [[], [], [1], [], [0, 2], [1], [2]]
    assert [judgement.rejected for judgement in said(job)] == [[PHRASES[row] for row in rows] for rows in rejected]


@pytest.mark.parametrize("key", ["a", "Enter", "s"])
def test_a_key_that_is_held_down_is_one_press(served: ReviewServer, job: Path, opened: Opener, key: str) -> None:
    page = opened(served)
    for _ in range(5):
        page.keyboard.down(key)  # behind the first these are repetitions
    page.keyboard.up(key)
    saved(page)
    assert len(said(job)) == 1


def test_enter_held_on_a_button_is_one_press(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    page.focus("[data-at=accept_rest]")
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    saved(page)
    assert len(said(job)) == 1
    press(page, "Enter")  # pressed anew it is meant
    saved(page)
    assert len(said(job)) == 2


def test_a_press_that_waited_while_the_page_was_busy_is_not_meant_for_what_came(
    served: ReviewServer, job: Path, opened: Opener
) -> None:
    page = opened(served)
    page.evaluate(
        """() => {
            const presses = [1, 2, 3].map(() => new KeyboardEvent("keydown", {key: "a", code: "KeyA", bubbles: true}));
            presses.push(new KeyboardEvent("keydown", {key: "1", code: "Digit1", bubbles: true}));
            for (let until = performance.now() + 20; performance.now() < until; );
            for (const press of presses) document.body.dispatchEvent(press);
        }"""
    )
    saved(page)
    assert len(said(job)) == 1
    assert page.locator(".row.rejected").count() == 0


def test_a_press_out_of_impatience_is_not_meant_for_what_came(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    waiting: list[Any] = []
    page.route("**/api/queue?*lane=triage*", lambda route: waiting.append(route))
    page.click("[data-lane=triage]")
    page.wait_for_selector(".nothing")
    page.evaluate(
        """() => {  // presses a key until the article is there, and four times more
            let more = 4;
            const press = () => {
                for (const key of ["a", "x"])
                    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
                if (document.querySelector(".row") && !more--) clearInterval(timer);
            };
            const timer = setInterval(press, 20);
            press(); // at least once in vain, however soon the article comes
        }"""
    )
    waiting.pop().continue_()
    page.wait_for_selector(".row")
    page.wait_for_timeout(200)
    assert page.locator(".row.rejected").count() == 0
    page.wait_for_timeout(550)
    press(page, "a")
    saved(page)
    assert [judgement.lane for judgement in said(job)] == ["triage"]


# --- phrases with strange names ---

STRANGE = ["constructor", "toString", "__proto__", "hasOwnProperty", "valueOf", "__defineGetter__"]


def test_phrases_named_like_parts_of_the_language(job: Path, opened: Opener) -> None:
    predicted = [{"id": f"a{number}", "keyphrases": STRANGE} for number in range(1, 31)]
    student = write_jsonl(job.parent / "student.jsonl", predicted)
    reasons = dict(zip(STRANGE, ("absent", "generic", "fragment", "duplicate", "wrong", "edited"), strict=True))
    with ReviewServer(job, "--predictions", str(student)) as server:
        page = opened(server)
        first = title(page)
        assert page.locator(".row .phrase").all_inner_texts() == STRANGE
        press(page, "1 r a 2 r g 3 r f 4 r d 5 r w 6 e")
        page.keyboard.insert_text("isPrototypeOf")
        press(page, "Enter m")
        page.keyboard.insert_text("propertyIsEnumerable")
        press(page, "Enter a")
        saved(page)
        [judgement] = said(job)
        assert (judgement.rejected, judgement.reasons) == (STRANGE, reasons)
        assert judgement.added == ["isPrototypeOf", "propertyIsEnumerable"]
        second = title(page)
        press(page, "a")  # a label of which nothing was said: no reason comes with a name
        saved(page)
        assert (said(job)[-1].accepted, said(job)[-1].reasons) == (STRANGE, {})
        page.reload()
        page.wait_for_selector(".row")
        for before, rejected in ((second, 0), (first, len(STRANGE))):
            press(page, "u")  # from the server
            page.wait_for_function("title => document.querySelector('#title').textContent === title", arg=before)
            assert page.locator(".row.rejected").count() == rejected
            press(page, "1")
            assert page.locator(".row.rejected").count() == abs(rejected - 1)
            press(page, "u")
            assert page.locator(".row.rejected").count() == rejected
        press(page, "1 2 j k r w ArrowLeft a")  # all keys do as ever
        saved(page)
    [judgement] = said(job)
    assert judgement.accepted == STRANGE[:1]
    assert judgement.reasons == {name: why for name, why in reasons.items() if name != STRANGE[0]} | {
        STRANGE[1]: "wrong"
    }


# --- what is shown ---


def test_hostile_text_is_text(served: ReviewServer, opened: Opener) -> None:
    page = opened(served)
    go_to(page, "script")
    assert title(page) == HOSTILE
    assert HOSTILE in page.inner_text(".text")
    assert page.locator("#article img, #article script, .facts a").count() == 0
    assert "hacked" not in page.title()


@pytest.mark.parametrize(("name", "size"), [("긴 기사 1", 5_000), ("긴 기사 2", 200_000)])
def test_a_long_article_opens_at_its_first_mark(served: ReviewServer, opened: Opener, name: str, size: int) -> None:
    page = opened(served)
    go_to(page, name)
    assert len(page.text_content(".text")) > size * 0.9
    assert page.evaluate("scrollY") > 1000
    mark = page.locator("mark").first.bounding_box()
    assert 0 < mark["y"] < 800
    press(page, "1 j")
    assert page.locator("mark.rejected").count() == 1
    assert 0 < page.locator("mark.current").first.bounding_box()["y"] < 800


def test_dark_light_and_two_languages(served: ReviewServer, opened: Opener) -> None:
    page = opened(served, color_scheme="dark", locale="en-US")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    assert "Accept the rest" in page.inner_text("#dock")
    page.click("#theme")
    assert page.evaluate(colour) != dark
    page.click("#language")
    assert "나머지 모두 승인" in page.inner_text("#dock")
    page.reload()
    page.wait_for_selector(".row")
    assert page.evaluate(colour) != dark
    assert page.get_attribute("html", "lang") == "ko"
    press(page, "?")
    assert page.is_visible("#help-dialog dl")
    press(page, "a Escape ? ?")  # in the help a letter judges nothing
    assert not page.is_visible("#help-dialog dl")
    assert page.inner_text("[data-lane=audit] .count") == "33"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (640, 400), (320, 640)])
def test_a_finger_on_a_small_screen(served: ReviewServer, job: Path, opened: Opener, width: int, height: int) -> None:
    page = opened(served, viewport={"width": width, "height": height}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    undo = page.locator("[data-at=undo]").bounding_box()
    assert undo["x"] >= 0 and undo["x"] + undo["width"] <= width
    page.tap("[data-at=chip1]")
    page.tap(".row.rejected .chip[data-at=reasongeneric]")
    page.tap(".row[data-row='2'] [data-at=edit2]")
    page.fill(".row .editor input", "도시의 안전")
    page.tap(".row .editor button[type=submit]")
    page.evaluate(SELECT)
    page.tap("#add-selected")
    page.tap("[data-at=accept_rest]")
    saved(page)
    [judgement] = said(job)
    assert judgement.reasons == {PHRASES[1]: "generic", PHRASES[2]: "edited"}
    assert len(judgement.accepted) == 4
    assert judgement.added == ["도시의 안전", "넓어진다"]


# --- the other lanes ---


def test_blind_phrases_come_before_the_label(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=0.5)) as server:
        page = opened(server, extra="&lane=blind")
        assert page.locator("mark, .row").count() == 0
        for text in ("한강공원", "봄  축제", "빠진 구", "버린 구"):
            page.keyboard.insert_text(text)
            press(page, "Enter")
        press(page, "Enter")
        page.wait_for_selector("mark")
        assert page.locator(".facts-list .kept").count() == 2
        assert page.locator(".row.offered .phrase").all_inner_texts() == ["빠진 구", "버린 구"]
        press(page, "4 7 a")
        saved(page)
    [judgement] = said(job)
    assert judgement.typed == ["한강공원", "봄 축제", "빠진 구", "버린 구"]
    assert (judgement.rejected, judgement.added) == (["유령 회사"], ["빠진 구"])


def test_what_was_revealed_is_not_undone_unawares(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=0.5)) as server:
        page = opened(server, extra="&lane=blind")
        first = title(page)
        for _ in range(2):
            page.keyboard.insert_text("봄 축제")
            press(page, "Enter Enter")
            page.wait_for_selector(".row")
            before = title(page)
            if before == first:
                press(page, "a")
        press(page, "1 u u")
        assert "되돌릴 것이 없습니다" in page.inner_text("#toast")
        assert title(page) == before
        press(page, "u")
        page.wait_for_function("first => document.querySelector('#title').textContent === first", arg=first)


def test_a_blind_phrase_that_was_not_entered_counts(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=0.5)) as server:
        page = opened(server, extra="&lane=blind")
        page.keyboard.insert_text("빠진 구")
        page.click("[data-at=reveal]")
        page.wait_for_selector(".row")
        assert page.locator(".row.offered .phrase").all_inner_texts() == ["빠진 구"]
        press(page, "a")
        saved(page)
    assert [judgement.typed for judgement in said(job)] == [["빠진 구"]]


def test_the_label_of_a_blind_article_is_not_in_the_browser_before(job: Path, opened: Opener) -> None:
    """Nor in what it fetched ahead, nor in what it keeps."""
    with ReviewServer(reconfigured(job, blind=0.5)) as server:
        page = opened(server, extra="&lane=blind")
        answers: list[Any] = []
        page.on("response", lambda response: answers.append(response) if "/api/" in response.url else None)
        with page.expect_response("**/api/queue*"):
            page.reload()
        page.wait_for_selector(".typing")
        page.keyboard.insert_text("빠진 구")
        press(page, "Enter")
        page.wait_for_function("() => Object.keys(localStorage).some((key) => key.includes('draft/blind/'))")
        stored = page.evaluate("JSON.stringify(localStorage)")
        heard = [answer.text() for answer in answers]
        assert heard and not any(PHRASES[3] in text for text in [*heard, stored, page.content()])
        page.route("**/api/reveal", lambda route: route.abort("connectionrefused"))
        press(page, "Enter")
        page.wait_for_selector("#toast[data-shown]")
        assert "서버" in page.inner_text("#toast") and page.locator(".row").count() == 0
        page.unroute("**/api/reveal")
        with page.expect_response("**/api/reveal") as answer:
            press(page, "Enter")
        assert PHRASES[3] in answer.value.text()
        page.wait_for_selector(".row")
        page.reload()  # the server knows what was written
        page.wait_for_selector(".row")
        assert page.locator(".facts-list li").all_inner_texts() == ["빠진 구"]
        press(page, "a")
        saved(page)
    assert [judgement.typed for judgement in said(job)] == [["빠진 구"]]


def test_nothing_typed_is_no_label(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, blind=0.5)) as server:
        page = opened(server, extra="&lane=blind")
        page.click("[data-at=reveal]")
        assert "먼저" in page.inner_text("#toast")
        assert page.locator(".row").count() == 0
        page.keyboard.insert_text("봄 축제")
        for _ in range(4):
            page.keyboard.down("Enter")  # held down: enters the phrase, once
        page.keyboard.up("Enter")
        assert page.locator(".typed li").all_inner_texts() == ["봄 축제\n✗"]
        page.click("[data-at=reveal]", click_count=2)
        page.wait_for_selector(".row")
        assert page.locator(".row.accepted, .row.rejected").count() == 0
        press(page, "Enter")  # out of habit: the label has just come
        assert page.locator(".row").count() > 0
    assert said(job) == []


def test_a_draft_belongs_to_its_lane(job: Path, opened: Opener) -> None:
    """Begun in triage and judged there: the audit knows nothing of it, and begins a draft of its own."""
    with ReviewServer(reconfigured(job)) as server:
        page = opened(server, extra="&lane=triage")
        first = title(page)

        def begun(lane: str) -> list[str]:
            page.goto(f"{server.url}?reviewer=kim&lane={lane}")
            page.wait_for_selector(".row")
            if lane == "audit":
                go_to(page, first)
            assert title(page) == first
            return [str(text) for text in page.locator(".row.rejected .phrase").all_inner_texts()]

        press(page, "1 r w n")
        page.keyboard.insert_text("메모")
        press(page, "Enter")
        assert begun("audit") == [] and page.locator(".note, .row.accepted").count() == 0
        press(page, "2 r g")
        assert begun("triage") == PHRASES[:1]
        assert page.inner_text(".note") == "메모"
        press(page, "a")
        saved(page)
        assert begun("audit") == PHRASES[1:2]
        press(page, "2 2 a")
        saved(page)
        page.goto(f"{server.url}?reviewer=lee&lane=audit")
        page.wait_for_selector(".row")
    lanes = {judgement.lane: judgement for judgement in said(job) if not judgement.skipped}
    assert (lanes["triage"].rejected, lanes["triage"].note) == (PHRASES[:1], "메모")
    assert (lanes["audit"].rejected, lanes["audit"].note, lanes["audit"].reasons) == (PHRASES[1:2], "", {})


def test_what_was_judged_in_another_tab_is_not_judged_again(served: ReviewServer, job: Path, opened: Opener) -> None:
    page = opened(served)
    other = page.context.new_page()
    other.goto(f"{served.url}?reviewer=kim")
    other.wait_for_selector(".row")
    assert title(other) == title(page)
    before = title(page)
    press(other, "1")
    press(page, "2 a")
    other.wait_for_function("before => document.querySelector('#title').textContent !== before", arg=before)
    assert other.locator(".row.rejected").count() == 0
    saved(page)
    press(other, "a")
    saved(other)
    assert [judgement.rejected for judgement in said(job)] == [PHRASES[1:2], []]


def test_adjudication_shows_both_without_names(job: Path, opened: Opener) -> None:
    with ReviewServer(reconfigured(job, overlap=1)) as server:
        for name, keys in (("kim", "1 4 a"), ("lee", "2 4 a")):
            page = opened(server, name)
            press(page, keys)
            saved(page)
        page = opened(server, "choi", "&lane=adjudication")
        page.wait_for_selector(".row .said")
        shown = [row.locator(".said").all_inner_texts() for row in page.locator(".row").all()]
        assert sorted(shown[0] + shown[1]) == ["A ✓", "A ✗", "B ✓", "B ✗"]
        assert (shown[2], shown[3]) == (["A ✓", "B ✓"], ["A ✗", "B ✗"])
        assert "kim" not in page.content() and "lee" not in page.content()
        press(page, "1 a")
        saved(page)
        assert "✓" in page.inner_text(".nothing")
    assert (said(job)[-1].lane, said(job)[-1].rejected) == ("adjudication", [PHRASES[0], PHRASES[3]])


def test_a_label_of_a_closed_set_is_chosen(tmp_path: Path, opened: Opener) -> None:
    classes = {"classes": {"Sports": ["스포츠"], "Politics": ["정치"], "문화": ["예술"]}}
    job = make_job(tmp_path, "Politics", label={"task": "classes"}, clean=classes)
    with ReviewServer(job) as server:
        page = opened(server)
        assert page.locator(".tier").count() == 0  # no class must stand in the text
        press(page, "e")
        page.keyboard.insert_text("문")
        assert page.locator(".choice li").all_inner_texts() == ["문화"]
        press(page, "Enter a e ArrowDown ArrowUp")
        page.keyboard.insert_text("S")
        press(page, "Enter a e Escape a")
        saved(page)
    assert [judgement.added for judgement in said(job)] == [["문화"], ["Sports"], []]
    assert [judgement.rejected for judgement in said(job)] == [["Politics"], ["Politics"], []]


def test_a_label_that_is_json_is_read_and_edited_as_such(tmp_path: Path, opened: Opener) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "what": {"type": "string"}},
        "required": ["mood"],
    }
    answer = '{"mood": "good", "what": "자전거 도로"}'
    job = make_job(tmp_path, answer, label={"task": "json"}, clean={"schema": schema})
    with ReviewServer(job) as server:
        page = opened(server)
        assert page.inner_text(".phrase.json") == '{\n  "mood": "good",\n  "what": "자전거 도로"\n}'
        press(page, "e")
        area = page.locator(".editor textarea")
        area.fill('{"mood": ')
        page.click(".editor button[type=submit]")
        assert page.inner_text(".editor .warning")  # the browser's own words: it is no JSON
        area.fill('{"mood": "so so"}')
        page.click(".editor button[type=submit]")
        page.wait_for_function("() => document.querySelector('.editor .warning').textContent.includes('clean.schema')")
        area.fill('{"what": "봄 축제", "mood": "Bad"}')
        page.click(".editor button[type=submit]")
        page.wait_for_selector(".becomes .json")
        press(page, "a")
        saved(page)
        press(page, "a")
        saved(page)
    assert [judgement.added for judgement in said(job)] == [['{"mood": "bad", "what": "봄 축제"}'], []]
    assert [judgement.rejected for judgement in said(job)] == [[answer], []]


def test_several_classes_are_judged_one_by_one_and_added_by_choice(tmp_path: Path, opened: Opener) -> None:
    classes = {"classes": {"Sports": ["스포츠"], "Politics": ["정치"], "문화": ["예술"]}, "many": True}
    job = make_job(tmp_path, '["Politics", "Sports"]', label={"task": "classes"}, clean=classes)
    with ReviewServer(job) as server:
        page = opened(server)
        assert page.locator(".phrase").all_inner_texts() == ["Politics", "Sports"]
        press(page, "2 m")
        page.keyboard.insert_text("문")
        assert page.locator(".choice li").all_inner_texts() == ["문화"]
        press(page, "Enter a")
        saved(page)
    [judgement] = said(job)
    assert (judgement.accepted, judgement.rejected, judgement.added) == (["Politics"], ["Sports"], ["문화"])


# --- behind a proxy, in any zone and direction ---


def test_behind_a_proxy_at_a_path(served: ReviewServer, job: Path, opened: Opener) -> None:
    """The proxy takes its path off, and the server knows nothing of it: judging, history and the report work."""
    with Proxy(served.port, "/tools/review") as proxy:
        page = opened(proxy)
        press(page, "a a u a")
        saved(page)
        assert len(said(job)) == 2
        page.goto(f"{proxy.url}report?reviewer=kim")
        assert "labelmill report" in page.title()
    assert all(path.startswith("/tools/review/") for path in proxy.asked) and len(proxy.asked) > 8


class Proxy:
    """A reverse proxy that shows a server at a path."""

    def __init__(self, port: int, path: str) -> None:
        self._upstream, self._path, self.asked = port, path, list[str]()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                proxy.asked.append(self.path)
                if not self.path.startswith(proxy._path + "/"):
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                upstream = http.client.HTTPConnection("127.0.0.1", proxy._upstream)
                headers = {**self.headers, "Host": "127.0.0.1"}
                upstream.request(self.command, self.path.removeprefix(proxy._path), body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{path}/"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_signs_of_direction_are_shown_and_turn_nothing(tmp_path: Path, opened: Opener) -> None:
    text = "The invoice \u202egpj.exe was sent by Harbour Lights to the council. Harbour Lights won."
    write_jsonl(tmp_path / "odd" / "odd.jsonl", [{"id": "a", "title": "Notes", "body": text, "day": "2026-05-08"}])
    source = {"type": "files", "path": "odd.jsonl", "columns": {"text": "body", "published_at": "day"}}
    job = make_job(tmp_path / "odd", "Harbour Lights; invoice", sources=[source])
    with ReviewServer(job) as server:
        page = opened(server, locale="en-US", timezone_id="America/Los_Angeles")
        assert page.locator("#article .control").get_attribute("data-code") == "U+202E"
        assert "\u202e" in (
            page.locator("#article .text").text_content() or ""
        )  # so that a phrase that is selected is found
        assert "May 8, 2026" in page.inner_text(".facts")  # a day is the same day in every zone
        first, last = (page.evaluate(WHERE, word) for word in ("The invoice", "Harbour Lights won"))
        assert first["left"] < last["right"] or first["top"] < last["top"]


WHERE = """word => {
    const walker = document.createTreeWalker(document.querySelector('#article .text'), NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
        const at = node.data.indexOf(word.split(' ')[0]);
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(node, at); range.setEnd(node, at + 1);
        return range.getBoundingClientRect();
    }
}"""
