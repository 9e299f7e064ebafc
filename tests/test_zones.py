"""A time without a zone is the page's country's, by a rule that is named, or its zone is said to be unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as parser

from pipeline.collect.dates import as_stated
from pipeline.collect.html.extract import extract
from pipeline.collect.zones import country_of, placed
from tests.conftest import JobMaker, rows, run

TEXT = (
    "<p>시장은 오늘 새로운 계획을 발표했다. 시민들은 이 계획을 환영했고 전문가들은 조금 더 지켜봐야 한다고 말했다.</p>"
    * 6
)


def page(head: str, lang: str = "ko") -> bytes:
    top = f"<html lang='{lang}'><head><title>새 계획</title>{head}</head>"
    return f"{top}<body><article><h1>새 계획</h1>{TEXT}</article></body></html>".encode()


def published(head: str, lang: str = "ko", url: str = "https://news.example.com/a/1") -> tuple[str | None, str]:
    at, notes = extract(page(head, lang), url).published()
    return at, " ".join(notes)


def meta(time: str) -> str:
    return f"<meta property='article:published_time' content='{time}'>"


@pytest.mark.parametrize(
    ("time", "lang", "url", "expected", "by"),
    [
        ("2026-07-10 13:18", "ko", "https://a.co.kr/1", "2026-07-10T13:18+09:00", "KR, the page's country by its address"),
        ("2026-07-10T13:18:00", "ko-KR", "https://a.com/1", "2026-07-10T13:18:00+09:00", "by the region of its language"),
        ("2026-07-10 오후 1:18", "ko", "https://a.com/1", "2026-07-10T13:18:00+09:00", "KR, the page's country by its language"),
        ("2026-07-10T13:18:00", "de", "https://a.de/1", "2026-07-10T13:18:00+02:00", "DE"),
        ("2026-01-15T13:18:00", "de", "https://a.de/1", "2026-01-15T13:18:00+01:00", "DE"),
        ("2026-07-10T13:18:00", "en", "https://a.co.uk/1", "2026-07-10T13:18:00+01:00", "GB"),
        ("2026-07-10T13:18:00", "en-IN", "https://a.com/1", "2026-07-10T13:18:00+05:30", "IN"),
        # nothing that is stated is overruled
        ("2026-07-10T13:18:00Z", "ko", "https://a.kr/1", "2026-07-10T13:18:00Z", ""),
        ("2026-07-10T13:18:00+0200", "ko", "https://a.kr/1", "2026-07-10T13:18:00+0200", ""),
        ("2026-07-10 1:18 PM EDT", "ko", "https://a.kr/1", "2026-07-10T13:18:00-04:00", ""),
        ("2026-07-10", "ko", "https://a.kr/1", "2026-07-10", ""),
        # several zones, a template's region, no country at all
        ("2026-07-10T13:18:00", "en-US", "https://a.com/1", "2026-07-10T13:18:00", "zone is not known"),
        ("2026-07-10T13:18:00", "en-US", "https://a.co.kr/1", "2026-07-10T13:18:00", "zone is not known"),
        ("2026-07-10T13:18:00", "en", "https://a.io/1", "2026-07-10T13:18:00", "zone is not known"),
    ],
)  # fmt: skip
def test_a_time_without_a_zone(time: str, lang: str, url: str, expected: str, by: str) -> None:
    at, note = published(meta(time), lang, url)
    assert at == expected and by in note and bool(by) == bool(note)


def test_a_change_is_no_publication() -> None:
    head = meta("2026-07-10 오후 1:18") + "<meta itemprop=dateModified content='2026-07-09T23:00:00'>"
    assert published(head)[0] == "2026-07-10T13:18:00+09:00"


@pytest.mark.parametrize(
    ("local", "zone"),
    [("2026-03-29T01:59:00", "+01:00"), ("2026-03-29T03:00:00", "+02:00"), ("2026-10-25T01:59:00", "+02:00"),
     ("2026-10-25T03:00:00", "+01:00")],
)  # fmt: skip
def test_summer_time_begins_and_ends_on_last_sundays(local: str, zone: str) -> None:
    assert placed(local, {"code": "FR", "by": "its address"})[0] == local + zone


def test_before_the_rules_hold_a_zone_is_not_known() -> None:
    before = placed("1990-07-10T13:18:00", {"code": "DE", "by": "its address"})
    assert before == ("1990-07-10T13:18:00", "published_at: its zone is not known")
    assert placed(None, None) == (None, None) and placed("someday", None) == ("someday", None)


def test_the_locale_of_a_page_names_its_country() -> None:
    tree = parser.fromstring(
        "<html lang=ko><head><meta property='og:locale' content='ko_KR'></head><body>x</body></html>"
    )
    country = country_of(tree, "https://a.com/")
    assert country and (country.code, country.by) == ("KR", "the region of its language")
    assert country_of(parser.fromstring("<html><body>x</body></html>"), "") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-10 13:18:00", "2026-07-10T13:18:00"),
        ("2026-07-10", "2026-07-10"),
        ("Fri, 10 Jul 2026 13:18:00 +0900", "2026-07-10T04:18:00Z"),
        ("Fri, 10 Jul 2026 13:18:00 GMT", "2026-07-10T13:18:00Z"),
        ("Fri, 10 Jul 2026 13:18:00 XYZ", "2026-07-10T13:18:00"),
        ("soon", None),
    ],
)
def test_a_feed_says_no_more_than_it_says(text: str, expected: str | None) -> None:
    assert as_stated(text) == expected


def test_the_note_stands_with_the_article(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one.html").write_bytes(page(meta("2026-07-10 오후 1:18")))
    path = make_job(sources=[{"type": "files", "path": "pages"}])
    [row] = rows(run(path, last="collect"), "articles")
    assert row["published_at"] == "2026-07-10T13:18:00+09:00"
    assert "published_at: the zone +09:00 is that of KR, the page's country by its language" in row["notes"]
