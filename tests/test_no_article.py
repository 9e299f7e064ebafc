"""Pages that are no article: lists, soft 404, walls; and articles that look a little like them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trafilatura", reason="pages need the extra: pip install 'labelmill[html]'")

from pipeline.collect.html.extract import extract
from tests.conftest import SHARED, JobMaker, rows, run

pytestmark = pytest.mark.usefixtures("lasting_workers")

TITLES = [f"Council approves the new harbour plan number {n} after a long debate" for n in range(14)]
TEASERS = [
    f"The council voted on Monday evening to approve plan {n}, which residents had opposed for more than two years."
    for n in range(14)
]
BODY = [
    f"The harbour{n} of the city was opened to the public in the spring, and many came to see it, the mayor said."
    for n in range(9)
]


def cards(form: str) -> str:
    return "".join(
        form.format(n=n, title=title, teaser=teaser)
        for n, (title, teaser) in enumerate(zip(TITLES, TEASERS, strict=True))
    )


SECTION = "<section><h2><a href=/{n}>{title}</a></h2><p>{teaser}</p></section>"
LISTS = {
    "list": f"<ul>{cards('<li><a href=/{n}>{title}</a></li>')}</ul>",
    "cards": cards('<article class="card"><h2><a href="/{n}">{title}</a></h2><p>{teaser}</p></article>'),
    "read more": cards("<div><h3><a href=/{n}>{title}</a></h3><p>{teaser} <a href=/{n}>Read more</a></p></div>"),
    "linked cards": cards("<div><a href=/{n}><h3>{title}</h3><p>{teaser}</p></a></div>"),
    "sections": f"<main>{cards(SECTION)}</main>",
    "table": f"<table>{cards('<tr><td>{n}</td><td><a href=/{n}>{title}</a></td></tr>')}</table>",
}
MESSAGES = {
    "404": "<h1>404</h1><p>Page not found. The page that you were looking for does not exist or was moved.</p>",
    "404 ko": "<h1>페이지를 찾을 수 없습니다</h1><p>요청하신 페이지가 삭제되었거나 주소가 변경되었습니다.</p>",
    "404 fr": "<h1>Page introuvable</h1><p>La page que vous cherchez n'existe plus. Retournez à l'accueil du site.</p>",
    "404 article": "<h1>Sorry</h1><p>This article is no longer available. Try our search, or go to the front page.</p>",
    "cookies": "<p>We value your privacy. We and our 842 partners store and access information on a device. "
    "Accept all cookies to go on.</p>",
    "cookies ko": "<p>이 사이트는 쿠키를 사용합니다. 쿠키 사용에 동의하시면 계속 이용하실 수 있습니다.</p>",
    "script": "<p>Please enable JavaScript in your browser to read this page, then reload it.</p>",
    "script ko": "<p>이 페이지를 보려면 자바스크립트를 활성화해 주세요. 브라우저 설정에서 켤 수 있습니다.</p>",
    "robot": "<p>We are checking your browser before you go on, one moment please. This takes some seconds only.</p>",
}
LINKED = '<p>{} <a href="/x">The mayor</a> <a href="/y">of the city</a> said so.</p>'
ARTICLES = {
    "about cookies": "".join(f"<p>{each} Publishers ask readers to accept all cookies.</p>" for each in BODY),
    "about 404": "<h1>Why error 404 not found became a joke</h1>" + "".join(f"<p>{each}</p>" for each in BODY),
    "short, about script": f"<p>The page needs JavaScript, the agency said. {' '.join(BODY[:5])}</p>",
    "with a list": "".join(f"<p>{each}</p>" for each in BODY) + f"<h3>Related</h3>{LISTS['list']}",
    "with links": "".join(map(LINKED.format, BODY)),
    "what somebody did not find": "<p>시는 지난해 창고에서 기록 문서를 찾을 수 없다고 12일 밝혔다. "
    "담당 공무원은 이사 과정에서 상자 세 개가 사라졌다며, 보관 규정을 고치겠다고 말했다. 시민 단체는 감사를 요구했다.</p>",
    "what somebody found": "<p>The missing article was found by police on Monday in a cellar near the harbour. It had been "
    "stolen from the museum in May, when thieves came through the roof, and is worth two million dollars.</p>",
    "a fine": "<p>The shop uses cookies without consent, the agency said on Friday. It must pay 40,000 dollars within "
    "a month, and may appeal against the decision in court. Its lawyers said that they would read it first.</p>",
    "an author": "<p>The new reader works without JavaScript, its author says, and shows a page of the paper in half the time. "
    "The city library puts it on all of its machines this summer, a clerk said.</p>",
    "withdrawn": "<h1>Harbour plan</h1><p>This article was withdrawn by the editors as its main source was wrong.</p>",
}


def page(body: str, title: str = "News") -> bytes:
    nav = '<nav><a href="/">Home</a> <a href="/sports">Sports</a> <a href="/politics">Politics and more</a></nav>'
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return (
        f"<!DOCTYPE html><html>{head}<body>{nav}<h1>{title}</h1>{body}<footer>About us</footer></body></html>".encode()
    )


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize("name", [*LISTS, *MESSAGES])
def test_what_is_no_article(name: str, mode: Any) -> None:
    read = extract(page({**LISTS, **MESSAGES}[name]), "https://news.example/news/", None, mode)
    assert read.reason == "no_article" and read.detail and not read.text, read.text


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize("name", ARTICLES)
def test_what_looks_like_it_and_is_one(name: str, mode: Any) -> None:
    body = ARTICLES[name]
    read = extract(page(f"<article>{body}</article>", "Harbour plan"), "https://news.example/1", None, mode)
    assert read.reason is None, (read.reason, read.detail)


def test_an_article_may_be_about_pages_that_are_not_found() -> None:
    title = "Online shops lose money where an old page not found error greets their customers"
    read = extract(
        page(f"<article><p>{BODY[0]}</p><p>{BODY[1]}</p></article>", title), "https://news.example/1", None, "fast"
    )
    assert read.reason is None, (read.reason, read.detail)


@pytest.mark.slow
def test_real_articles_are_some() -> None:
    folder = SHARED / "html-pages"
    if not folder.exists():
        pytest.skip(f"the shared data are not at {folder}")
    truth = json.loads((folder / "ground-truth.json").read_text("utf-8"))
    pages = {
        name: extract(gzip.decompress((folder / f"{name}.html.gz").read_bytes()), row["url"])
        for name, row in truth.items()
    }
    assert not {name: each.detail for name, each in pages.items() if each.reason}


def test_the_mode_of_files(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(page(f"<article>{ARTICLES['about 404']}</article>"))
    for mode in ("fast", "thorough"):
        work = run(make_job(sources=[{"type": "files", "path": "a.html", "mode": mode}]), last="collect")
        assert BODY[3] in rows(work, "articles")[0]["text"]


# --- bodies of several pieces, and menus beside them ---


def pieces(name: str, between: str = '<div class="ad"><p>Advertisement</p></div>') -> str:
    parts = (BODY[at : at + 3] for at in (0, 3, 6))
    return between.join(f'<div class="{name}">{"".join(f"<p>{each}</p>" for each in part)}</div>' for part in parts)


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize(
    "body",
    [
        f"<article>{pieces('body article__body grid')}</article>",
        f"<article><div class=chunks><div>{pieces('article-body')}</div></div></article>",
        f"<main>{pieces('story article-body__content')}</main>",
        f"<article><div class='teaser-content'><p>{BODY[0]}</p><p>{BODY[1]}</p><p>{BODY[2]}</p></div>"
        f"<div class='body'>{''.join(f'<p>{each}</p>' for each in BODY[3:])}</div></article>",
    ],
)
def test_a_body_in_several_containers_is_whole(body: str, mode: Any) -> None:
    read = extract(page(body, "Harbour plan"), "https://news.example/1", None, mode)
    assert [line for line in read.text.split("\n") if line in BODY] == BODY


@pytest.mark.parametrize("mode", ["fast", "thorough"])
def test_another_article_and_comments_are_no_part_of_it(mode: Any) -> None:
    said = "<p>I was there myself, and it rained all day long, from the morning on until the boats came back.</p>"
    comment = f"<div class='comment'><div class='comment-body article-body'>{said}</div></div>"
    tell = "<p>Another article of the endless page, paragraph {}, tells of a quite different town.</p>"
    other = "".join(map(tell.format, range(4)))
    body = f"<article>{pieces('article-body')}</article><article><div class='article-body'>{other}</div></article>{comment * 4}"
    read = extract(page(body, "Harbour plan"), "https://news.example/1", None, mode)
    assert "".join(BODY) == "".join(read.text.split("\n")[: len(BODY)]) and "Another article" not in read.text
    assert "rained all day" not in read.text


@pytest.mark.parametrize("mode", ["fast", "thorough"])
def test_menus_around_an_article_are_no_text(mode: Any) -> None:
    items = "".join(f'<div><a href="/{n}">Section of the {n}th kind</a></div>' for n in range(40))
    body = f"<div>{items}</div><div>{'<br><br>'.join(BODY)}</div><div>{items}</div>"
    read = extract(page(body, "Harbour plan"), "https://news.example/1", None, mode)
    assert read.reason is None and all(each in read.text for each in BODY)
    assert "th kind" not in read.text
