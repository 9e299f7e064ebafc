"""The picture of a corpus: a page that opens from disk in a real browser, and a drawing."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.core.map_picture import hues_of, map_svg
from pipeline.report import page as report
from pipeline.topics.map.page import CorpusMap, Field, MapTopic, packed, render
from pipeline.versions import store
from tests.conftest import JobMaker, command, run

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
HOSTILE = "</script><script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\"> {data}"
NAMES = ["반도체 수출", "harbour ferries", "부산 국제영화제", "budget vote in parliament", HOSTILE, "train timetable"]


def corpus(count: int, topics: int = 24, broad: int = 6) -> CorpusMap:
    """Clouds of articles with known topics; every fifteenth article has none."""
    draw = np.random.default_rng(1)
    middles = draw.normal(0, 0.35, (broad, 2))[np.arange(topics) % broad] + draw.normal(0, 0.15, (topics, 2))
    topic_of = np.sort(draw.integers(0, topics, count))
    places = middles[topic_of] + draw.normal(0, 0.03, (count, 2))
    topic_of[::15] = -1
    return CorpusMap(
        title=f"뉴스 {HOSTILE}",
        ids=[f"a{n}" for n in range(count)],
        titles=[f"기사 {n} {HOSTILE if n == 3 else 'of the harbour'}" for n in range(count)],
        urls=["javascript:document.title='hacked'" if n % 2 else f"https://news.example/{n}" for n in range(count)],
        places=places,
        topics=[MapTopic(f"{NAMES[n % len(NAMES)]} {n}", *middles[n], n % broad) for n in range(topics)],
        broad=[MapTopic(f"broad {n}", *middles[n], n) for n in range(broad)],
        topic_of=topic_of.tolist(),
        without=["far_from_all_topics" if n < 0 else None for n in topic_of],
        fields=[
            Field("source", [f"s{n % 3}" for n in range(count)]),
            Field("language", [("ko", "en", None)[n % 3] for n in range(count)]),
            Field("label", ["all phrases are in the text" if n % 4 else "no label: empty" for n in range(count)]),
        ],
    )


def drawn(shown: CorpusMap) -> str:
    hues = hues_of([topic.broad for topic in shown.topics], len(shown.broad))
    names = [(topic.name, topic.x, topic.y, hue) for topic, hue in zip(shown.topics, hues, strict=True)]
    return map_svg(shown.title, shown.places, shown.topic_of, names)


def data_of(page: str) -> dict[str, Any]:
    [text] = re.findall(r'<script id="data" type="application/octet-stream">([A-Za-z0-9+/=]+)</script>', page)
    unpacked: dict[str, Any] = json.loads(gzip.decompress(b64decode(text)))
    return unpacked


def test_a_page_has_everything_once_and_nothing_as_markup() -> None:
    shown = corpus(500)
    page = render(shown)
    assert packed(shown) == packed(corpus(500)), "the same data give the same bytes"
    data = data_of(page)
    assert data["titles"] == list(shown.titles) and data["ids"] == list(shown.ids)
    assert "<img" not in page and page.count("<script") == 2
    assert not re.search(r"""(?:src|href)=["'](?!data:,)""", page), "it loads nothing"
    places = np.frombuffer(b64decode(data["places"]), "<u2").reshape(-1, 2)
    given = np.asarray(shown.places) / max(1, np.abs(shown.places).max())
    assert np.allclose(places / 32767.5 - 1, given * [1, -1], atol=1e-4)
    topic = data["fields"][0]
    codes = np.frombuffer(b64decode(topic["codes"]), "<u2")
    assert [topic["names"][code] for code in codes[:40]] == [
        shown.topics[n].name if n >= 0 else "no topic: far_from_all_topics" for n in shown.topic_of[:40]
    ]
    assert sum(topic["counts"]) == 500 and topic["plain"] == len(shown.topics)


def test_of_many_values_the_most_frequent_have_a_name() -> None:
    shown = corpus(300)
    values = ["often"] * 100 + [f"v{n}" for n in range(150)] + [None] * 50
    field = data_of(render(CorpusMap(**{**vars(shown), "fields": [Field("source", values)]})))["fields"][1]
    assert field["names"][0] == "often" and field["counts"][0] == 100
    assert field["names"][-2:] == ["others", "-"] and field["counts"][-2:] == [150 - (field["plain"] - 1), 50]


def test_topics_of_one_broad_topic_have_hues_side_by_side() -> None:
    shown = corpus(10)
    hues = hues_of([topic.broad for topic in shown.topics], len(shown.broad))
    for number, topic in enumerate(shown.topics):
        apart = (hues[number] - topic.broad * 60 + 180) % 360 - 180
        assert abs(apart) < 30
    assert len(set(hues)) == len(hues)


def test_an_empty_corpus_and_places_that_are_none_are_drawn() -> None:
    empty = CorpusMap("empty", [], [], [], np.zeros((0, 2)), [], [], [], [])
    assert data_of(render(empty))["titles"] == []
    odd = CorpusMap(**{**vars(corpus(3)), "places": np.array([[np.nan, 0], [np.inf, 9], [0.5, -9]])})
    assert len(b64decode(data_of(render(odd))["places"])) == 12
    assert ElementTree.fromstring(drawn(odd)).tag.endswith("svg")


def test_the_drawing_is_sound_and_small_and_its_names_lie_over_none() -> None:
    shown = corpus(50_000)
    drawing = drawn(shown)
    root = ElementTree.fromstring(drawing)
    names = root.findall("{http://www.w3.org/2000/svg}text")
    assert 5 < len(names) <= len(shown.topics) and len(drawing) < 100_000
    places = [(float(name.get("x", 0)), float(name.get("y", 0))) for name in names]
    assert all(abs(a[1] - b[1]) >= 18 or abs(a[0] - b[0]) > 20 for n, a in enumerate(places) for b in places[:n])


# --- of a job ---


@pytest.fixture
def job(make_job: JobMaker) -> Path:
    pytest.importorskip("graspologic_native")
    from tests import test_topics

    articles = test_topics.corpus()
    articles[0]["title"] = HOSTILE
    options = {"embed": "tfidf", "min_size": 4, "publish": True}
    return make_job(articles, sources=test_topics.SOURCES, topics=options, publish={"licence": "CC0-1.0"})


def test_the_map_of_a_job(job: Path, tmp_path: Path) -> None:
    work = run(job)
    page, drawing = tmp_path / "map.html", tmp_path / "map.svg"
    told = command("topics", job, "--map", page)
    assert (told.returncode, told.stdout) == (0, f"{page}: 60 articles\n"), told.stderr
    data = data_of(page.read_text("utf-8"))
    names = work.topic_table.names()
    topic_of = dict(zip(*(work.topic_table.articles().column(c).to_pylist() for c in ("id", "topic_id")), strict=True))
    codes = np.frombuffer(b64decode(data["fields"][0]["codes"]), "<u2")
    shown = {row_id: data["fields"][0]["names"][code] for row_id, code in zip(data["ids"], codes, strict=True)}
    assert shown == {row_id: names.get(topic, "no topic: too_few_alike") for row_id, topic in topic_of.items()}
    assert data["titles"][0] == HOSTILE
    fields = {field["title"]: dict(zip(field["names"], field["counts"], strict=True)) for field in data["fields"]}
    assert fields["language"] == {"en": 36, "ko": 24, "others": 0, "-": 0}
    assert fields["label"]["all phrases are in the text"] == 60
    assert command("topics", job, "--map", drawing, "--json").stdout
    root = ElementTree.fromstring(drawing.read_text("utf-8"))
    assert {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")} <= {*names.values()} | {None}
    assert "--map x.png: is written as .html" in command("topics", job, "--map", "x.png").stderr
    version = store.latest(work.versions)
    assert version and (version / "pictures" / "topics.svg").read_text("utf-8").startswith("<svg")
    assert "pictures/topics.svg" in (version / "README.md").read_text("utf-8")
    assert '<svg class="map"' in report.html(work)


# --- in a browser ---

Page = Any
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium here (CHROMIUM names it)")
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """Opens a map from disk; the console must stay silent, and nothing be loaded but the file."""
    told: list[str] = []
    contexts = []

    def open_map(shown: CorpusMap, **options: Any) -> Page:
        (tmp_path / "map.html").write_text(render(shown), "utf-8")
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 800}, **options))
        page = contexts[-1].new_page()
        # a driver in software says that it is slow to be read by a test
        page.on("console", lambda message: None if "GL Driver Message" in message.text else told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: None if request.url.endswith("/map.html") else told.append(request.url))
        page.goto((tmp_path / "map.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_map
    for context in contexts:
        assert "hacked" not in [page.title() for page in context.pages]
        context.close()
    assert told == []


def place_of(page: Page, row: int) -> tuple[float, float]:
    x, y = page.evaluate("row => toScreen(xs[row], ys[row])", row)
    return x, y


def ink(page: Page) -> dict[str, int]:
    """How many pixels of the points have which colour, of the most frequent ones."""
    counts: dict[str, int] = page.evaluate("""() => {
        const canvas = document.createElement("canvas"), from = document.getElementById("points");
        canvas.width = from.width; canvas.height = from.height;
        const context = canvas.getContext("2d");
        drawer.points();
        context.drawImage(from, 0, 0);
        const data = context.getImageData(0, 0, canvas.width, canvas.height).data, counts = {};
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 150) {
            const key = [data[i] >> 5, data[i + 1] >> 5, data[i + 2] >> 5].join();
            counts[key] = (counts[key] || 0) + 1;
        }
        return counts;
    }""")
    return counts


@pytest.mark.slow
def test_a_hundred_thousand_points(opened: Opener) -> None:
    page = opened(corpus(100_000))
    assert "100,000 articles, 24 topics" in page.inner_text("#status")
    assert page.evaluate("drawer.kind") == "webgl", "a plain canvas takes a second for so many"
    assert sum(ink(page).values()) > 5_000 and len(ink(page)) > 10, "points of many colours are drawn"
    boxes = page.evaluate("placed.map(each => each.box)")
    assert len(boxes) > 5
    assert not any(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for n, a in enumerate(boxes) for b in boxes[:n]
    )
    x, y = place_of(page, 77_777)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -1800)
    page.wait_for_timeout(100)
    x, y = place_of(page, 77_777)
    page.mouse.move(x + 1, y)
    page.wait_for_selector("#tip:not([hidden])")
    over = page.evaluate("state.over")
    assert page.inner_text("#tip").startswith(f"기사 {over} ")
    assert np.hypot(*np.subtract(place_of(page, over), (x, y))) < 9
    page.mouse.click(x + 1, y)
    assert page.inner_text("#article h2").startswith(f"기사 {over} ")


@pytest.mark.slow
def test_names_get_finer_as_one_looks_nearer(opened: Opener) -> None:
    page = opened(corpus(2_000))
    far = set(page.evaluate("placed.map(each => each.name)"))
    assert {"broad 0", "broad 3"} & far
    page.evaluate("goTo(data.topics[1].x, data.topics[1].y, 12)")
    page.wait_for_timeout(100)
    near = page.evaluate("placed.map(each => each.name)")
    assert "harbour ferries 1" in near and not any(name.startswith("broad") for name in near)


@pytest.mark.slow
def test_search_and_colours_and_an_article(opened: Opener) -> None:
    page = opened(corpus(1_000))
    page.fill("#search", "기사 42 HARBOUR")
    page.wait_for_selector("#status:has-text('20 of 1,000 articles')")
    page.click("#list li button >> nth=0")
    assert "기사 42" in page.inner_text("#article h2")
    assert page.get_attribute("#article a", "href") == "https://news.example/42"
    assert "s0" in page.inner_text("#article dl")
    page.click("#list li button >> nth=5")  # a421, whose address is a script
    assert page.query_selector("#article a") is None
    page.click("text=All >> nth=-1")
    before = ink(page)
    page.select_option("#colour", label="language")
    page.wait_for_timeout(100)
    assert ink(page) != before
    assert page.inner_text("#list li >> nth=0").split("\n")[0] in ("ko", "en")
    assert list(page.locator("#colour option").all_inner_texts()) == [
        "topic",
        "source",
        "language",
        "label",
    ]


@pytest.mark.slow
def test_hands_on_a_keyboard_reach_every_article(opened: Opener) -> None:
    page = opened(corpus(900))
    page.focus("#search")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#list') !== null"):
            break
    page.keyboard.press("Enter")  # the first topic
    assert page.evaluate("document.activeElement.closest('#list') !== null")
    assert "articles: " in page.inner_text("#status")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # its first article
    assert page.evaluate("document.activeElement.id") == "article"
    assert page.inner_text("#article h2")
    tree = page.locator("body").aria_snapshot()
    assert 'complementary "Topics and articles"' in tree and "Map of the articles" in tree
    page.focus("#names")
    page.keyboard.press("0")
    before = page.evaluate("[state.x, state.zoom]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    after = page.evaluate("[state.x, state.zoom]")
    assert after[0] > before[0] and after[1] > before[1]


@pytest.mark.slow
def test_it_is_dark_and_light(opened: Opener) -> None:
    backs = []
    for scheme in ("light", "dark"):
        page = opened(corpus(200), color_scheme=scheme)
        backs.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.click("#theme")
        backs.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backs[0] == backs[3] != backs[1] == backs[2]


@pytest.mark.slow
def test_it_is_drawn_without_webgl(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "map.html").write_text(render(corpus(3_000)), "utf-8")
    page = browser.new_page()
    page.add_init_script("""const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return kind === "webgl" ? null : get.call(this, kind, ...more);
        };""")
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(300)
    assert page.evaluate("drawer.kind") == "2d" and sum(ink(page).values()) > 1_000
    page.close()
