"""Pages into articles: encodings, extraction, boilerplate, workers that may be killed.  The pages are made up."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.collect.charsets import canonical, decode
from pipeline.collect.html import boilerplate
from pipeline.collect.html import extract as extraction
from pipeline.collect.html.extract import Page, content_digest, extract, extractor_digest
from pipeline.collect.html.workers import AHEAD_BYTES, PageWorkers
from pipeline.core.errors import LabelmillError
from tests.conftest import ROOT, SHARED
from tests.page_workers import WorkerShelf

pytest.importorskip("trafilatura")

URL = "http://news.localhost/1"
KOREAN = (
    "항만공사는 3일 새 부두의 시운전을 마쳤다고 밝혔다. 부두는 길이 400미터로 대형 화물선 두 척이 함께 들어올 수 있다.",
    "공사 관계자는 “다음 달부터 정기 노선이 들어오면 물동량이 지금보다 두 배로 늘어날 것”이라고 말했다.",
    "주민들은 소음과 먼지를 걱정하고 있다. 시는 가을까지 방음벽을 세우고 매달 측정 결과를 공개하기로 했다.",
)
ENGLISH = (
    "The harbour authority said on Tuesday that trials of its new quay were over, two months ahead of schedule.",
    "The quay is 400 metres long and can take two large freighters at a time. Regular services are to begin in June.",
    "Residents worry about noise and dust. The city promised a sound barrier by autumn, and monthly measurements.",
)
FRENCH = "L’autorité portuaire a déclaré que les essais étaient terminés. Le quai mesure 400 mètres. Les riverains s’inquiètent."
RUSSIAN = "Управление порта сообщило во вторник, что испытания нового причала завершены на два месяца раньше срока."


def html(paragraphs: Sequence[str], title: str = "새 부두 시운전 끝", head: str = "", language: str = "ko") -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    menu = "<nav><ul><li><a href='/a'>Home</a></li><li><a href='/b'>Sport</a></li></ul></nav>"
    return (
        f"<!DOCTYPE html><html lang='{language}'><head>{head}<title>{title}</title></head>"
        f"<body>{menu}<article><h1>{title}</h1>{body}</article><footer>About us</footer></body></html>"
    )


# --- encodings ---


@pytest.mark.parametrize(
    "label", [None, "euc-kr", "ISO-8859-1", "utf-8", "windows-1252", "shift_jis", "nonsense", "idna"]
)
@pytest.mark.parametrize("meta", ["", "euc-kr", "utf-8", "iso-8859-1"])
@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_korean_whatever_the_labels_say(encoding: str, meta: str, label: str | None) -> None:
    page = html(
        KOREAN, "펲시와 똠얌의 뷁", f"<meta charset='{meta}'>" if meta else ""
    )  # syllables that EUC-KR proper lacks
    assert decode(page.encode(encoding), label) == (page, encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("label", [None, "utf-8", "euc-kr"])
def test_utf_16_with_and_without_its_mark(encoding: str, mark: bool, label: str | None) -> None:
    page = html(KOREAN, head="<meta charset='euc-kr'>")
    assert decode(("\ufeff" if mark else "").encode(encoding) + page.encode(encoding), label) == (page, encoding)


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        (FRENCH, "cp1252", None),
        (FRENCH, "cp1252", "iso-8859-1"),
        (FRENCH, "cp1252", "utf-8"),
        (FRENCH, "utf-8", "iso-8859-1"),
        (RUSSIAN * 3, "cp1251", "windows-1251"),
        (RUSSIAN * 3, "cp1251", "iso-8859-1"),
        (RUSSIAN * 3, "koi8-r", "koi8-r"),
        ("港湾局は火曜日、新しい埠頭の試験運転が終わったと発表した。", "cp932", "iso-8859-1"),
        ("港湾局は火曜日、新しい埠頭の試験運転が終わったと発表した。", "euc_jp", "shift_jis"),
        ("港湾局は火曜日、新しい埠頭の試験運転が終わったと発表した。", "iso2022_jp", None),
        ("港务局说，新码头的试运行在这个月已经结束，他们下个月要来这里开通航线。", "gb18030", "iso-8859-1"),
        ("港務局說，新碼頭的試運行在這個月已經結束，他們下個月要來這裡開通航線。", "big5hkscs", "utf-8"),
    ],
)  # fmt: skip
def test_other_scripts(text: str, encoding: str, label: str | None) -> None:
    page = html([text], text[:8])
    assert decode(page.encode(encoding), label) == (page, encoding)


def test_a_stray_byte_or_a_cut_does_not_change_the_encoding() -> None:
    whole = html(KOREAN).encode()
    assert decode(whole[: whole.index("주민".encode()) + 2], "euc-kr")[1] == "utf-8"
    text, encoding = decode(html(KOREAN).encode("cp949").replace(b"<footer>", b"<footer>\xff\xfe "), None)
    assert encoding == "cp949" and KOREAN[1] in text


def test_header_goes_before_meta_where_both_fit() -> None:
    page = html(
        [FRENCH], "Un quai", "<meta http-equiv='Content-Type' content='text/html; charset=windows-1250'>"
    ).encode("cp1252")
    assert decode(page, "windows-1252")[1] == "cp1252"
    assert decode(page, None)[1] == "cp1250"


def test_names_of_encodings() -> None:
    known = {
        "EUC-KR": "cp949",
        "ks_c_5601-1987": "cp949",
        "x-windows-949": "cp949",
        '"utf-8"': "utf-8",
        "latin1": "cp1252",
    }
    assert {label: canonical(label) for label in known} == known
    for label in (None, "", "idna", "unicode_escape", "punycode", "zlib", "rot13", "utf-7", "undefined", "\0"):
        assert canonical(label) is None


# --- extraction ---


def test_the_fields_of_a_page() -> None:
    head = (
        '<link rel="canonical" href="http://news.localhost/2024/05/quay">'
        '<meta property="og:title" content="New quay passes its trials"><meta name="author" content="Jane Roe">'
        '<meta property="article:published_time" content="2024-05-02T09:30:00+09:00">'
    )
    page = extract(html(ENGLISH, "New quay passes its trials | Daily Example", head, "en").encode(), URL)
    assert page == Page(
        title="New quay passes its trials",
        text="\n".join(ENGLISH),
        author="Jane Roe",
        published_at="2024-05-02T09:30:00+09:00",
        language="en",
        canonical_url="http://news.localhost/2024/05/quay",
        encoding="utf-8",
        removed=page.removed,
    )


@pytest.mark.parametrize(
    ("head", "published"),
    [
        ('<script type="application/ld+json">{"datePublished":"2024-05-02T09:30Z"}</script>', "2024-05-02T09:30Z"),
        ('<meta property="article:published_time" content="2024-05-02">', "2024-05-02"),
        ('<meta property="article:published_time" content="2024-05-02 09:30:00">', "2024-05-02T09:30:00"),
        ("", None),
    ],
)  # fmt: skip
def test_time_of_publication(head: str, published: str | None) -> None:
    assert extract(html(ENGLISH, head=head).encode(), "http://news.localhost/quay").published_at == published


@pytest.mark.parametrize(
    ("words", "published"),
    [
        ("기사입력 2026. 5. 8. 오전 9:30", "2026-05-08"),
        ("Copyright 2026", None),  # a year is no day
        ("January 1, 2026", "2026-01-01"),
        ("2026.01.01", "2026-01-01"),
    ],
)
def test_a_day_as_koreans_write_it(words: str, published: str | None) -> None:
    body = "".join(f"<p>{text}</p>" for text in KOREAN)
    html = f"<html><head><title>부두</title></head><body><div>{words}</div><article>{body}</article></body></html>"
    assert extract(html.encode(), URL).published_at == published


@pytest.mark.parametrize("date", ['<meta name="date" content="2026-01-01">', ""])
def test_a_first_of_january_that_is_stated(date: str) -> None:
    body = "".join(f"<p>{text}</p>" for text in KOREAN)
    html = f"<html><head><title>부두</title>{date}</head><body><article>{body}</article></body></html>"
    url = URL if date else "http://news.localhost/2026/01/01/quay"
    assert extract(html.encode(), url).published_at == "2026-01-01"


@pytest.mark.parametrize(
    ("head", "author"),
    [
        ('<meta name="author" content="홍길동">', "홍길동"),
        (
            '<script type="application/ld+json">{"author": {"@type": "Person", "name": "\\ud64d\\uae38\\ub3d9"}}</script>',
            "홍길동",
        ),
        ('<meta property="article:author" content="https://example.org/hong">', None),
        ('<meta name="author" content="아무일보"><meta property="og:site_name" content="아무일보">', None),
    ],
)
def test_authors_of_one_word(head: str, author: str | None) -> None:
    body = "".join(f"<p>{text}</p>" for text in KOREAN)
    html = f"<html><head><title>부두</title>{head}</head><body><article>{body}</article></body></html>"
    assert extract(html.encode(), URL).author == author


def test_language_is_the_texts() -> None:
    assert extract(html(KOREAN, language="en").encode("cp949"), URL, "iso-8859-1").language == "ko"


@pytest.mark.parametrize("mode", ["fast", "thorough"])
def test_korean_page_in_both_modes(mode: extraction.Mode) -> None:
    paragraphs = (
        "(부산=아무통신) 홍길동 기자 = " + KOREAN[0],
        *KOREAN[1:],
        "홍길동 기자 hong@example.com",
        "무단 전재 및 재배포 금지",
    )
    page = extract(html(paragraphs).encode("cp949"), URL, "utf-8", mode)
    assert page.reason is None and page.text == "\n".join(KOREAN) and page.encoding == "cp949"
    assert [rule for rule, _ in page.removed if rule != "title"] == ["dateline", "reporter", "rights"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_html"),
        (b" \n\0\0", "not_html"),
        (b"\0" * 5000, "not_html"),
        (b"%PDF-1.7 <html><body><p>", "not_html"),
        (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40, "not_html"),
        (b'{"title": "a quay", "body": "a text"}', "not_html"),
        (b"Just a text about a quay, with 3 < 4.", "not_html"),
        (b'<?xml version="1.0"?><rss><channel><item><p>News of the quay</p></item></channel></rss>', "not_html"),
        (b"<html><body><p>" + bytes(range(128, 160)) * 200, "undecodable"),
        (b"<html><head><title>Nothing</title></head><body><script>1</script></body></html>", "no_article"),
        (b"<p>" + b"a" * extraction.MAX_BYTES, "too_large"),
        (b"<html><body>" + b"<div></div>" * 60_000, "too_large"),
    ],
)
def test_what_is_no_article(body: bytes, reason: str) -> None:
    page = extract(body, URL)
    assert page.reason == reason and page.detail and not page.text


POISON = {
    "nested": b"<html><body>" + b"<div>" * 99_000 + b"deep",
    "nested tables": b"<html><body>" + b"<table><tr><td>" * 30_000 + b"deep",
    "unclosed": b"<html><body><p>" + b"<b><i>" * 40_000 + b"deep",
    "comments": b"<html><body>" + b"<!--" * 90_000,
    "NULs": html(KOREAN).encode().replace(b"<p>", b"<p>\0\0").replace(b"</p>", b"\0</p>"),
    "surrogates": b"<html><body><p>" + b"&#xD800;&#0;&#x1;&#xFFFF; words of it " * 50,
    "dates": b"<html><title>" + b"1-" * 50_000 + b"</title><body><p>" + b"2019-" * 50_000,
    "JSON": b'<html><script type="application/ld+json">' + b'{"a":[' * 50_000 + b"</script><body><p>words of it</p>",
    "one word": b"<html><body><p>" + b"a" * 500_000,
    "spaces": b"<html><body><p>a" + b" " * 500_000 + b"b</p>",
}


@pytest.mark.parametrize("name", POISON)
def test_poisoned_pages_in_this_process(name: str) -> None:
    page = extract(POISON[name], URL)
    assert page.reason in (None, "no_article", "not_html")
    json.dumps(page.text, ensure_ascii=False).encode()
    assert name != "NULs" or page.text == "\n".join(KOREAN)


def test_an_error_below_costs_the_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, reason in ((RecursionError("deep"), "failed"), (MemoryError(), "out_of_memory")):

        def broken(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(extraction, "_article", broken)
        assert extract(html(ENGLISH).encode(), URL).reason == reason


def test_digests() -> None:
    assert content_digest("A quay,\nnew — and ＬＯＮＧ.") == content_digest("a quay new and long")
    assert content_digest("a quay") != content_digest("a key")
    assert extractor_digest("fast") != extractor_digest("thorough") and "trafilatura-" in extractor_digest()


# --- boilerplate ---

_BEGINNINGS = """
dateline | (서울=연합뉴스) 홍길동 기자 =
dateline | (서울=연합뉴스) 홍길동 김철수 기자 =
dateline | [서울=뉴시스] 홍길동 기자 =
dateline | [부산=뉴시스]홍길동 기자 =
dateline | 【세종=뉴시스】 홍길동 기자 =
dateline | (대전=뉴스1) 홍길동 기자 =
dateline | [아무데일리 홍길동 기자]
dateline | [아무경제=홍길동 기자]
dateline | [아무경제(부산)=홍길동 기자]
dateline | [아무스포츠 | 홍길동기자]
dateline | [아무일보 홍길동 기자 hong@example.com]
dateline | 홍길동 기자 =
dateline | 부산=홍길동 기자 =
dateline | (서울=연합뉴스)
dateline | (도쿄=연합뉴스) 홍길동 특파원 =
dateline | [아무뉴스 홍길동 선임기자]
dateline | WASHINGTON (Reuters) -
dateline | (Reuters) -
dateline | LONDON, Nov. 19 (Reuters) -
dateline | SEOUL, Nov 19 (Yonhap) --
dateline | NEW YORK (AP) —
dateline | Nov 19 (Reuters) -
dateline | ST. LOUIS, Mo., June 1, 2024 /PRNewswire/ --
dateline | PARIS (AFP) –
"""
_HEAD = """
byline | By Jane Roe
byline | By JANE ROE and JOHN DOE
byline | By Jane Roe, Associated Press
byline | Jane Roe, Staff Writer
share | 공유하기
share | 페이스북 트위터 카카오톡
share | Share this article
share | Share
"""
_HEAD_OR_TAIL = """
reporter | 홍길동 기자
reporter | 홍길동 기자 hong@example.com
reporter | [홍길동 기자 hong@example.com]
reporter | 홍길동·김철수 기자
reporter | 글 홍길동 기자/사진 김철수 기자
reporter | 아무일보 홍길동 기자
reporter | 기자 : 홍길동
caption | 사진=아무통신
caption | [사진=아무엔터 제공]
caption | /사진제공=아무엔터
caption | 아무엔터 사진제공
caption | ▲ 시장이 기념식에서 축사를 하고 있다. (사진=아무시 제공)
caption | ▲ 새 부두 조감도
caption | 시민들이 다리를 건너고 있다. (연합뉴스)
caption | 게티이미지뱅크
caption | 로이터=연합뉴스
caption | 사진 | 게티이미지코리아
caption | (자료사진)
caption | Photo: Jane Roe
caption | A ferry leaves the harbour, May 1, 2024. REUTERS/Jane Roe
caption | (AP Photo/Jane Roe)
caption | Photo by Jane Roe/Getty Images
caption | Jane Roe/Getty Images
caption | A ferry at the quay. (Jane Roe/Getty Images)
caption | Getty Images
caption | FILE PHOTO: A ferry leaves the harbour. REUTERS/Jane Roe/File Photo
caption | Image credit: Example Museum
timestamp | 입력 2024.05.02 10:00
timestamp | 기사입력 2024-05-02 오전 10:00:12 최종수정 2024-05-02 11:00
timestamp | Updated at 1:23 p.m.
timestamp | Published May 2, 2024 at 9:30 AM EDT
timestamp | UPDATED: Thu., May 2, 2024
"""
_TAIL = """
reporter | 아무 뉴스 홍길동입니다.
email | hong@example.com
email | E-mail: jane.roe@example.com
email | twitter.com/janeroe
rights | 무단 전재 및 재배포 금지
rights | 무단전재-재배포 금지
rights | <저작권자(c) 아무통신, 무단 전재-재배포, AI 학습 및 활용 금지>
rights | 저작권자 ⓒ 아무일보, 무단전재 및 재배포금지
rights | [ⓒ 아무신문(www.example.com), 무단전재 배포금지]
rights | ⓒ 아무일보
rights | Copyright ⓒ 아무일보 All rights reserved.
rights | Copyrights ⓒ 아무일보. 무단 전재 및 재배포를 금지합니다.
rights | 본 기사의 무단 전재 및 재배포를 금합니다.
rights | 이 기사의 저작권은 아무일보에 있습니다.
rights | Copyright 2024 The Associated Press. All rights reserved. This material may not be published or rewritten.
rights | © 2024 Daily Example, Inc. All rights reserved.
rights | © 2024 Daily Example
rights | All rights reserved.
rights | Copyright (c) 2024 Daily Example. All Rights Reserved
tips | ▷ 카카오톡 : '아무제보' 검색, 채널 추가
tips | 여러분의 제보를 기다립니다
tips | ※ 제보는 카카오톡 '아무뉴스'로 받습니다.
subscribe | ▶ 아무뉴스 채널 구독하기
subscribe | 네이버에서 아무일보 구독하기
subscribe | ☞ 아무일보 홈페이지 바로가기
subscribe | [카카오톡에서 아무뉴스 채널 추가]
newsletter | Subscribe to the Morning newsletter
newsletter | Click here to subscribe to our newsletter
newsletter | Sign up for our daily briefing.
newsletter | CLICK HERE TO GET THE EXAMPLE NEWS APP
newsletter | Get the day’s top headlines delivered to your inbox every morning.
follow | Follow us on Twitter and Facebook.
follow | Follow Jane Roe on X @janeroe
follow | Twitter: @janeroe
follow | Follow AP's full coverage of the harbour at https://example.com/harbour
share | Comments
share | 0 comments
share | Like this story? Share it with a friend!
share | 좋아요 0
share | 댓글 쓰기
related | [관련기사] 부두 공사 시작
related | 관련기사 : 부두 공사 시작
related | Read more: Work on the quay begins
related | Related: Work on the quay begins
wire_credit | (Reporting by Jane Roe in Seoul; Editing by John Doe)
wire_credit | Reporting by Jane Roe and J. van Dyk; additional reporting by John Doe; Editing by Mary Major
wire_credit | Additional reporting by John Doe
wire_credit | Associated Press writers Jane Roe and John Doe contributed to this report.
wire_credit | Our Standards: The Thomson Reuters Trust Principles.
source | SOURCE: Example News
source | 출처: 통계청
source | 자료=통계청
end_mark | (끝)
end_mark | ###
end_mark | <끝>
"""
_ENDS = """
reporter | 홍길동 기자 hong@example.com
reporter | /홍길동 기자
reporter | [아무일보 홍길동 기자]
reporter | 부산=홍길동 기자 hong@example.com
email | hong@example.com
email | (hong@example.com)
rights | <저작권자(c) 아무통신, 무단 전재-재배포 금지>
rights | ⓒ 아무일보 무단전재 및 재배포 금지
wire_credit | (Reporting by Jane Roe; Editing by John Doe)
end_mark | (끝)
"""
# What looks like boilerplate and is the article.
_SENTENCES = """
홍길동 기자는 지난 3일 부두에서 관계자를 만났다.
홍길동 기자가 현장을 다녀왔다.
취재에 응한 김 기자의 말은 달랐다.
기자협회는 3일 무단 전재 및 재배포 금지를 요구하는 성명을 냈다.
저작권자는 무단 전재 및 재배포 금지를 요구했다고 밝혔다.
저작권법은 무단 전재를 금지하고 있다.
신문협회는 “무단 전재 및 재배포 금지” 문구가 효력이 없다고 말했다.
제보는 이메일로 접수됐다.
경찰은 카카오톡 제보를 받고 현장에 나갔다.
사진=증거라는 공식은 깨졌다고 그는 말했다.
사진은 새 부두를 보여 준다. 시민들이 다리를 건너고 있다.
관련 기사는 곧바로 삭제됐다.
구독하기 버튼을 누르는 사람이 늘었다.
네이버는 구독 서비스를 접기로 했다.
입력 오류로 2024년 자료가 사라졌다.
문의는 hong@example.com으로 하면 된다.
서울=세계 도시라는 말이 나온다.
(서울에서) 홍길동 씨가 말했다.
[단독] 부두가 문을 열었다.
공유하기 어려운 자료라고 그는 말했다.
출처가 분명하지 않은 자료였다.
게티이미지는 소송을 냈다.
▲부두 ▲방음벽 ▲도로를 새로 만든다.
By Monday everyone had left the quay.
By the time Jane Roe arrived, the quay was empty.
Jane Roe was a staff writer for ten years.
Copyright law is a mess, the judge said.
Copyright 2024 was the title of the exhibition, and nobody came.
Under the clause he has all rights reserved.
The label read “All rights reserved.”
The case was brought by Getty Images.
Reporting by the commission showed that the quay was unsafe.
Editing by committee has ruined the report.
A faulty valve contributed to this report of an accident.
Several factors contributed to this story.
Follow the money, the former head of Facebook said.
“Sign up for a newsletter and you are lost,” she said.
Related to this, the court held that the quay was public.
Share prices fell by a third.
Comments by the mayor made it worse.
Sources: three officials spoke. They asked not to be named.
Photographs by Jane Roe hang in the hall.
More ships are to come.
Reuters reported that the quay would open in June.
The Reuters (Reuters) agency - the oldest - was first.
Updated figures for 2024 are expected on Monday.
Subscribe to the theory or not, the facts remain.
Jane Roe can be reached at jane@example.com.
She wrote to editor@example.com and waited for two months.
Video: it changed the way in which we look at the quay. Nobody had expected that.
The statement was released via AP.
"""


def _cases(*tables: str) -> list[tuple[str, str]]:
    return [
        (rule, text)
        for table in tables
        for rule, _, text in (line.partition(" | ") for line in table.split("\n")[1:-1])
    ]


@pytest.mark.parametrize(("rule", "text"), _cases(_BEGINNINGS))
def test_beginnings_go(rule: str, text: str) -> None:
    assert boilerplate.strip([f"{text} {KOREAN[0]}", *KOREAN[1:]]) == (list(KOREAN), [(rule, text)])
    assert boilerplate.strip([text, *ENGLISH])[0] == list(ENGLISH)


@pytest.mark.parametrize(("rule", "text"), _cases(_HEAD, _HEAD_OR_TAIL))
def test_paragraphs_of_the_head_go(rule: str, text: str) -> None:
    assert boilerplate.strip([text, *KOREAN]) == (list(KOREAN), [(rule, text)])


@pytest.mark.parametrize(("rule", "text"), _cases(_TAIL, _HEAD_OR_TAIL))
def test_paragraphs_of_the_tail_go(rule: str, text: str) -> None:
    assert boilerplate.strip([*ENGLISH, text]) == (list(ENGLISH), [(rule, text)])


@pytest.mark.parametrize(("rule", "text"), _cases(_ENDS))
def test_ends_go(rule: str, text: str) -> None:
    assert boilerplate.strip([*KOREAN[:-1], f"{KOREAN[-1]} {text}"]) == (list(KOREAN), [(rule, text)])


@pytest.mark.parametrize("sentence", _SENTENCES.strip().split("\n"))
def test_sentences_of_the_article_stay(sentence: str) -> None:
    for article in ([sentence, *KOREAN], [*ENGLISH, sentence], [ENGLISH[0], sentence]):
        assert boilerplate.strip(article) == (article, [])


@pytest.mark.parametrize(("rule", "text"), _cases(_TAIL, _HEAD_OR_TAIL))
def test_the_middle_stays(rule: str, text: str) -> None:
    article = [KOREAN[0], text, *KOREAN[1:]]
    assert boilerplate.strip(article) == (article, [])


def test_a_whole_article_is_peeled_in_order() -> None:
    head = ["새 부두 시운전 끝", "입력 2024.05.02 10:00", "▲ 시운전 모습. (사진=항만공사)"]
    tail = [
        "홍길동 기자 hong@example.com",
        "<저작권자(c) 아무통신, 무단 전재-재배포 금지>",
        "많이 본 뉴스",
        "- 부두 공사 시작",
        "방음벽 언제 세우나",
        "▶ 아무뉴스 구독하기",
    ]
    kept, removed = boilerplate.strip(
        [*head, "(부산=아무통신) 홍길동 기자 = " + KOREAN[0], *KOREAN[1:], *tail], "새 부두 시운전 끝 - 아무일보"
    )
    assert kept == list(KOREAN)
    assert [rule for rule, _ in removed] == [
        "title",
        "timestamp",
        "caption",
        "dateline",
        "reporter",
        "rights",
        *["related"] * 4,
    ]
    assert [text for _, text in removed if text != "(부산=아무통신) 홍길동 기자 ="] == [*head, *tail]


def test_lists_titles_and_nothing_but_boilerplate() -> None:
    appointments = ["▲ 기획실장 홍길동 (사진=총무과)", "▲ 총무과장 김철수", "▲ 홍보실장 이영희 제공"]
    assert boilerplate.strip(appointments) == (appointments, [])
    only = ["홍길동 기자 hong@example.com", "무단 전재 및 재배포 금지"]
    assert boilerplate.strip(only) == (only, [])
    article = [
        *ENGLISH,
        "Related stories",
        "The mayor resigned on Monday, and the quay was closed.",
    ]  # that is a sentence
    assert boilerplate.strip(article) == (article, [])
    assert boilerplate.strip(["New quay", *ENGLISH], "New quayside bars")[1] == []


def test_no_paragraph_takes_long() -> None:
    latin = ("A", "Aa ", "1", "1:", "[", "a@", "a.", "A, ", "- ", "WASHINGTON, ", "Share ", "and ", "x", "Getty/")
    korean = ("가나 ", "홍길동 ", "▶", "무단 전재", "ⓒ", "사진=", "[가나=", "제보 카톡 ", "<저작권자 ⓒ ", "있다 ")
    starts = ("", "Reporting by ", "입력 ", "Follow ", "▲ ", "(", "© ", "Photo: ", "제보는 ", "By ")
    nasty = [
        start + piece * (size // len(piece)) + "!"
        for start in starts
        for piece in latin + korean
        for size in (110, 380, 20_000)
    ]
    start = time.process_time()
    for text in nasty:
        boilerplate.strip([text, *KOREAN, text])
        boilerplate.strip([text + ENGLISH[0], KOREAN[0] + " " + text])
    assert time.process_time() - start < 5  # 3,000 paragraphs; one that backtracks takes minutes


# --- workers ---

SLOW = (
    b"<html><body><div " + b" ".join(b"a%d='b'" % number for number in range(150_000)) + b">slow</div>"
)  # quadratic in C


def _items(bodies: Sequence[bytes]) -> Iterator[tuple[int, bytes, str, str | None]]:
    for number, body in enumerate(bodies):
        yield number, body, f"{URL}?{number}", "utf-8"


def test_workers_answer_in_order_as_extract_does() -> None:
    bodies = [html([f"{number}. {ENGLISH[0]}", *ENGLISH[1:]]).encode() for number in range(20)]
    with PageWorkers(2, pages_a_worker=7) as workers:  # each is replaced on the way
        found = list(workers.extract_all(_items(bodies)))
    assert found == [(key, extract(body, url, charset)) for key, body, url, charset in _items(bodies)]


@pytest.mark.slow
def test_bad_pages_cost_themselves_only() -> None:
    good = html(KOREAN).encode("cp949")
    bodies = [good, *POISON.values(), b"", SLOW, good, good]
    with PageWorkers(2, seconds=1.5) as workers:
        found = [page for _, page in workers.extract_all(_items(bodies))]
    assert len(found) == len(bodies)
    assert [found[place].text for place in (0, -2, -1)] == ["\n".join(KOREAN)] * 3
    assert found[-3].reason == "too_slow" and found[-4].reason == "not_html"


def test_memory_is_limited() -> None:
    good = html(KOREAN).encode()
    with PageWorkers(1, megabytes=150) as workers:
        found = [
            page for _, page in workers.extract_all(_items([good, b"<html><p>" + "가나 ".encode() * 1_200_000, good]))
        ]
    assert [page.reason for page in found] == [None, "out_of_memory", None]
    with pytest.raises(LabelmillError, match="did not start"), PageWorkers(1, megabytes=30) as workers:
        next(workers.extract_all(_items([b""])))


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def _lives(pid: int) -> bool:
    """A dead child of a dead parent may wait as a zombie for a lazy init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")


def test_what_the_parent_holds_does_not_count() -> None:
    """Linux tells a child's peak by what its parent held when it was started."""
    held = b"x" * (700 * 2**20)
    with PageWorkers(1) as workers:
        assert [page.reason for _, page in workers.extract_all(_items([b"", html(KOREAN).encode()]))] == [
            "not_html",
            None,
        ]
    assert len(held)


@linux
def test_a_worker_that_dies_costs_its_page() -> None:
    before = set(_children(os.getpid()))
    with PageWorkers(1) as workers:
        found = workers.extract_all(_items([html(KOREAN).encode(), SLOW, html(KOREAN).encode()]))
        assert next(found)[1].reason is None
        time.sleep(0.2)  # the slow one is under way
        (child,) = set(_children(os.getpid())) - before
        os.kill(child, signal.SIGKILL)
        assert [page.reason for _, page in found] == ["crashed", None]
        (child,) = set(_children(os.getpid())) - before
        os.kill(child, signal.SIGKILL)  # idle: no page is to blame
        time.sleep(0.1)
        assert [page.reason for _, page in workers.extract_all(_items([html(KOREAN).encode()]))] == [None]
    assert set(_children(os.getpid())) <= before


def test_reading_ahead_is_bounded() -> None:
    read, body = 0, b"%PDF-" + b"x" * 2**20

    def items() -> Iterator[tuple[int, bytes, str, str | None]]:
        nonlocal read
        for read in range(1, 400):
            yield read, SLOW if read == 1 else body, URL, None

    with PageWorkers(1, seconds=1) as workers:
        next(workers.extract_all(items()))
    assert read <= AHEAD_BYTES / len(body) + 2


@linux
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "slow.html").write_bytes(SLOW)
    script = """
        import pathlib
        from pipeline.collect.html.workers import PageWorkers
        body = pathlib.Path("slow.html").read_bytes()
        with PageWorkers(2, seconds=3) as workers:
            list(workers.extract_all((n, body, "http://localhost/", None) for n in range(9)))
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(children := _children(parent.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(parent.pid, how)
    _, error = parent.communicate(timeout=60)
    assert (b"KeyboardInterrupt" in error) == (how == signal.SIGINT)
    while any(map(_lives, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) == 2 and not any(map(_lives, children))


# --- against the real pages, by the measure of their benchmark ---


def _shingles(text: str, size: int) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return Counter(tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))


def _f1(pairs: Sequence[tuple[str, str]], size: int) -> float:
    """Precision and recall averaged over pages, then their harmonic mean."""
    precisions, recalls = [], []
    for truth, found in pairs:
        wanted, got = _shingles(truth, size), _shingles(found, size)
        both = (wanted & got).total()
        precisions.append(both / got.total())
        recalls.append(both / wanted.total())
    precision, recall = sum(precisions) / len(pairs), sum(recalls) / len(pairs)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.slow
def test_quality_on_real_pages() -> None:
    import trafilatura

    folder = SHARED / "html-pages"
    if not folder.exists():
        pytest.skip(f"the shared data are not at {folder}")
    truth = json.loads((folder / "ground-truth.json").read_text("utf-8"))
    items = [
        (name, gzip.decompress((folder / f"{name}.html.gz").read_bytes()), row["url"], None)
        for name, row in truth.items()
    ]
    theirs = [
        (truth[name]["articleBody"], trafilatura.bare_extraction(body, url=url, fast=True).text)
        for name, body, url, _ in items
    ]
    for mode in ("fast", "thorough"):
        with PageWorkers(2, mode=mode) as workers:
            found = list(workers.extract_all(items))
        assert all(page.reason is None for _, page in found)
        ours = [(truth[name]["articleBody"], page.text) for name, page in found]
        for size in (1, 4):
            assert _f1(ours, size) >= _f1(theirs, size)


# --- processes that tests hand on ---


def test_a_process_is_handed_on_to_a_crawl_that_would_start_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(WorkerShelf()) as shelf, monkeypatch.context() as patch:
        shelf.install(patch)
        page = (1, b"<html><body><p>The harbour.</p></body></html>", URL, None)
        with PageWorkers(1) as workers:
            list(workers.extract_all([page]))
            [first] = [worker._process for worker in workers._all]
        assert len(shelf) == 1
        with PageWorkers(1) as workers:
            closed = workers._all[0]
            closed.close(for_good=True)
            with pytest.raises(LabelmillError, match="did not start: closed"):
                closed.extract(*page[1:])
            assert closed._process is None and len(shelf) == 1
        with PageWorkers(1) as workers:
            list(workers.extract_all([page]))
            assert [worker._process for worker in workers._all] == [first] and len(shelf) == 0
        patch.setenv("SOMETHING_ELSE", "1")
        with PageWorkers(1) as workers:
            list(workers.extract_all([page]))
            assert [worker._process for worker in workers._all] != [first] and len(shelf) == 1
        assert len(shelf) == 2
    assert len(shelf) == 0 and first is not None and first.poll() is not None
