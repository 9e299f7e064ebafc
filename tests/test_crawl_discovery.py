"""Addresses, robots.txt and reservations, feeds, sitemaps and links: what is right, what is broken, what is hostile."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.collect.crawling.discovery import (
    FeedEntry,
    entries_of_feed,
    entries_of_sitemap,
    entry_within,
    links_of_page,
)
from pipeline.collect.crawling.robots import (
    HOLD_SECONDS,
    MAX_BYTES,
    UNREACHABLE_HOLD_SECONDS,
    Reservation,
    directives,
    forbids_use,
    parse,
    reservation,
    tdm_file,
    tdm_headers,
    tdm_meta,
    token,
)
from pipeline.collect.crawling.traps import trap
from pipeline.collect.dates import when, within
from pipeline.collect.urls import Scope, host_of, key, normal, readable

AGENT = "labelmill/1.0 (+mailto:x@y.org)"
HERE = "https://a.kr/news/index.html"
KOREAN = "https://xn--bj0bj06e.kr/%EB%89%B4%EC%8A%A4"


# --- addresses ---


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.kr/b", "https://a.kr/b"),
        ("HTTP://EXAMPLE.com:80", "http://example.com/"),
        ("https://a.kr:443/?", "https://a.kr/"),
        ("https://a.kr:8443/b#part", "https://a.kr:8443/b"),
        ("https://a.kr./", "https://a.kr/"),
        ("https://user:secret@a.kr/", "https://a.kr/"),
        ("https://a.kr/b/./c/../d/..", "https://a.kr/b/"),
        ("https://a.kr/../../b", "https://a.kr/b"),
        ("https://a.kr/%7euser/%2fb%e3%81%82", "https://a.kr/~user/%2Fb%E3%81%82"),
        ("https://a.kr/%%341", "https://a.kr/%2541"),  # decoding once, and nothing is left to decode
        ("https://한글.kr/뉴스", KOREAN),
        ("https://XN--BJ0BJ06E.kr/%eb%89%b4%ec%8a%a4", KOREAN),
        ("https://ａ.ｋｒ/", "https://a.kr/"),
        ("  https://a.kr/b c\n d\t ", "https://a.kr/b%20c%20d"),
        ("https:\\\\a.kr\\b?c\\d", "https://a.kr/b?c%5Cd"),
        ("https://good.kr\\@evil.kr/", "https://good.kr/@evil.kr/"),
        ("https://a.kr/?b=2&utm_source=x&a=1&&fbclid=3&b=1", "https://a.kr/?b=2&a=1&b=1"),
        ("https://a.kr/?utm%5Fsource=x&q=서울", "https://a.kr/?q=%EC%84%9C%EC%9A%B8"),
        ("https://a.kr/?GCLID=x", "https://a.kr/"),
        ("https://a.kr/?a[]=1|2", "https://a.kr/?a%5B%5D=1%7C2"),
        ("https://a.kr/b;jsessionid=1F?c", "https://a.kr/b?c"),
        ("https://a.kr/(S(lit3py55t21z5v55vlm25s55))/b?PHPSESSID=1", "https://a.kr/b"),
        ("https://a.kr/b?sid=0f7c2a91be6d43aa8c15&sessionid=A1B2c3D4e5F6g7H8i9J0&id=1", "https://a.kr/b?id=1"),
        ("https://a.kr/b?sid=104&session=morning", "https://a.kr/b?sid=104&session=morning"),
        ("http://[::0:1]:80/", "http://[::1]/"),
        ("http://192.168.0.1/", "http://192.168.0.1/"),
        ("http://b_c.a.kr/", "http://b_c.a.kr/"),
    ],
)
def test_one_normal_form(url: str, expected: str) -> None:
    assert normal(url) == expected
    assert normal(expected) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.kr/b", "/b", "//a.kr/b", "mailto:x@a.kr", "javascript:void(0)", "ftp://a.kr/", "data:text/html,x"),
        *("https://", "https:///b", "https://a..kr/", "https://a.kr:99999/", "https://a.kr:x/", "https://a.kr:0/"),
        *("http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://010.0.0.1/", "http://1.0xa/", "http://[::1/"),
        *("http://[fe80::1%25eth0]/", "https://-a.kr/", f"https://{'a' * 64}.kr/", "https://a%00.kr/", "https://ℂ⁄.kr/"),
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    assert normal(url) is None


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("b", "https://a.kr/news/b"),
        ("/b", "https://a.kr/b"),
        ("//c.kr/b", "https://c.kr/b"),
        ("\\\\c.kr\\b", "https://c.kr/b"),
        ("?p=2", "https://a.kr/news/index.html?p=2"),
        ("../기사\n/1 ", "https://a.kr/%EA%B8%B0%EC%82%AC/1"),
        ("http://b.kr", "http://b.kr/"),
        ("tel:1", None),
        ("http://[", None),
    ],
)
def test_relative_addresses(href: str, expected: str | None) -> None:
    assert normal(href, HERE) == expected


@given(
    st.text(st.characters() | st.sampled_from("%:/?#[]@\\.&=;%2eA")),
    st.sampled_from(["", "http://", "https://a.kr/", "//"]),
)
@example("[::1%31]/", "http://")
def test_any_string_is_an_address_or_none(text: str, before: str) -> None:
    for url in (normal(before + text), normal(before + text, HERE)):
        if url is not None:
            assert normal(url) == url
            assert url.isascii()
            assert host_of(url)
            assert not set(url) & set(' \n\t"<>\\#')
    for ask in (host_of, key, trap, readable, Scope(["*a*"], ["*한*"], ["a.kr"]).refusal):
        ask(before + text)


def test_hosts_and_keys() -> None:
    assert host_of("https://News.A.co.kr:8080/x") == "news.a.co.kr"
    assert key("http://www.a.kr/b/?y=1&x=2") == key("https://a.kr/b?x=2&y=1") == "a.kr/b?x=2&y=1"
    assert key("https://a.kr/b") != key("https://a.kr/c")
    assert readable(f"{KOREAN}?q=%EC%84%9C") == "https://한글.kr/뉴스?q=서"


def test_a_scope_is_patterns_and_hosts() -> None:
    scope = Scope(["https://*/news/*", "https://한글.kr/뉴스*"], ["*.pdf", "*[?]print=*"], ["a.kr", "한글.kr"])
    assert scope.allows("https://a.kr/news/1")
    assert scope.allows("https://www.a.kr/news/1")
    assert scope.allows(f"{KOREAN}/1")
    assert scope.refusal("https://ba.kr/news/1") == "other_host"
    assert scope.refusal("https://a.kr/news/1.pdf") == "excluded"
    assert scope.refusal("https://a.kr/news/1?print=1") == "excluded"
    assert scope.refusal("https://a.kr/sport/1") == "not_included"
    assert Scope().allows("https://anything.kr/")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a/b/a/b/a/b", "repeats"),
        ("x/a/a/a", "repeats"),
        ("2011/11/11/11", None),
        ("a/b/a/b", None),
        ("a/" * 40, "too_deep"),
        ("a" * 2000, "too_long"),
        ("calendar/2031-04", "calendar"),
        ("calendar?month=3&year=2031", "calendar"),
        ("list?tribe-bar-date=2031-04-01", "calendar"),
        ("%EB%8B%AC%EB%A0%A5/2031/04/", "calendar"),
        ("%EB%8B%AC%EB%A0%A5year=2031&month=3", "calendar"),
        ("calendar/news/1234567", None),
        ("news/2024/05/01/calendar-of-events", "calendar"),
        ("news/2024-05/1", None),
        ("photo.JPG", "file"),
        ("photo.jpg?view=page", "file"),
        ("v1.2/news.html", None),
        ("about.js.org", None),
    ],
)
def test_traps(path: str, reason: str | None) -> None:
    assert trap(f"https://a.kr/{path}") == reason


# --- robots.txt ---


def test_the_group_of_our_name_counts_and_only_that() -> None:
    ours = b"User-agent: LabelMill/2.0 # us\nDisallow: /c\nAllow: /c/d\n"
    body = b"User-agent: *\nDisallow: /\n\nUser-agent: label\nDisallow: /b\n\n" + ours
    rules = parse(200, body, AGENT)
    allowed = {path: rules.allowed(f"https://a.kr{path}") for path in ("/", "/b", "/c", "/c/d", "/robots.txt")}
    assert allowed == {"/": True, "/b": True, "/c": False, "/c/d": True, "/robots.txt": True}
    assert not parse(200, body, "other").allowed("https://a.kr/b")
    assert token(AGENT) == token("Mozilla/5.0 (compatible; LabelMill/1.0; +https://a.kr)") == "labelmill"


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /b",
        b"User-agent: *\rDisallow: /b\r",
        b"user-agent : *\r\n\r\n\r\nDISALLOW:/b # no\r\n",
        b"User-agent: x\nContent-Signal: ai-train=no\nUser-agent: labelmill\nDisallow: /b",
        b"User-agent: *\nDisallow: /a\n\nUser-agent: x\nDisallow: /\n\nUser-agent: *\nDisallow: /b",
        "User-agent: *\nDisallow: /b".encode("utf-16"),
        b"\xff\xff\x00\nUser-agent: *\nDisallow: /b\n",
        b"<html>\nUser-agent: *\nDisallow: /b",
    ],
)
def test_odd_files_are_read(body: bytes) -> None:
    rules = parse(200, body, AGENT)
    assert not rules.allowed("https://a.kr/b")
    assert rules.allowed("https://a.kr/c")


def test_wildcards_and_escapes() -> None:
    rules = parse(200, "User-agent: *\nDisallow: /*.php$\nDisallow: /뉴스\nDisallow: /a%2db\nDisallow:".encode(), AGENT)
    paths = ("/x.php", "/x.php?y", "/%EB%89%B4%EC%8A%A4/1", "/a-b", "/")
    assert [rules.allowed(f"https://a.kr{path}") for path in paths] == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("status", "allowed", "holds"),
    [
        (404, True, HOLD_SECONDS),
        (403, True, HOLD_SECONDS),
        (302, True, HOLD_SECONDS),
        (429, False, UNREACHABLE_HOLD_SECONDS),
        (503, False, UNREACHABLE_HOLD_SECONDS),
        (None, False, UNREACHABLE_HOLD_SECONDS),
    ],
)
def test_what_a_status_means(status: int | None, allowed: bool, holds: float) -> None:
    rules = parse(status, b"User-agent: *\nDisallow: /", AGENT)
    assert (rules.allowed("https://a.kr/"), rules.holds, rules.unreachable) == (allowed, holds, not allowed)


def test_delays_and_sitemaps() -> None:
    body = b"Sitemap: https://a.kr/s.xml\nsitemap: /t.xml\nSitemap: mailto:x\nUser-agent: *\nCrawl-delay: 2.5\nRequest-rate: 1/5s\n"
    rules = parse(200, body, AGENT, "https://a.kr/robots.txt")
    assert rules.sitemaps == ("https://a.kr/s.xml", "https://a.kr/t.xml")
    assert rules.delay == 5.0
    assert parse(200, b"User-agent: *\nDisallow: /b", AGENT).delay is None
    slow = b"User-agent: *\nCrawl-delay: 86400"
    assert parse(200, slow, AGENT).refusal == "too_slow"
    assert not parse(200, slow, AGENT).allowed("https://a.kr/")
    assert parse(200, slow, AGENT, max_delay=1e6).allowed("https://a.kr/")


def test_a_long_file_is_cut_between_rules() -> None:
    start = b"User-agent: *\nDisallow: /private\n"
    filler = b"#" * (MAX_BYTES - len(start) - len(b"\nDisallow: /")) + b"\nDisallow: /archive\n"
    rules = parse(200, start + filler, AGENT)
    assert rules.allowed("https://a.kr/news")
    assert not rules.allowed("https://a.kr/private")


# --- marks and reservations ---


@pytest.mark.parametrize(
    ("headers", "head", "reason"),
    [
        ({"X-Robots-Tag": "noindex, nofollow"}, b"", "x-robots-tag: noindex"),
        ({"x-robots-tag": "googlebot: noindex"}, b"", None),
        ({"x-robots-tag": "googlebot: noindex, labelmill: none"}, b"", "x-robots-tag: none"),
        ({"x-robots-tag": "unavailable_after: 25 Jun 2010 15:00:00 PST, noarchive"}, b"", "x-robots-tag: noarchive"),
        ([("X-Robots-Tag", "otherbot: nofollow"), ("X-Robots-Tag", "noindex")], b"", "x-robots-tag: noindex"),
        ({"x-robots-tag": "googlebot: noindex\nnoarchive"}, b"", "x-robots-tag: noarchive"),
        (
            {"x-robots-tag": "googlebot: noindex, max-image-preview: none, labelmill: noai noindex"},
            b"",
            "x-robots-tag: noindex",
        ),
        ({}, b"<meta title='a > b' name=robots content='noarchive nofollow'>", "meta: noarchive"),
        ({}, b"<meta name=robots content='max-image-preview: none, max-snippet:-1 all'>", None),
        ({}, "<meta name=robots content='갪max-snippet: none, 갪unavailable_after: none'>".encode(), None),
        ({}, b"<META content='NOINDEX;nofollow' Name=Robots>", "meta: noindex"),
        ({}, b"<meta name=labelmill content=none />", "meta: none"),
        ({}, b"<meta name='robots' content='index, noai, noimageai'>", "meta: noai"),
        ({}, '<meta name="robots" content="noindex">'.encode("utf-16"), "meta: noindex"),
        ({}, b"<meta name=googlebot content=noindex><meta name=robots content='index,follow'>", None),
        ({}, b"<!-- <meta name=robots content=noindex> --><meta name=x content=noindex>", None),
        ({}, b"<!-- <meta name=robots content=noindex>", None),
    ],
)
def test_pages_that_forbid_their_use(headers: Any, head: bytes, reason: str | None) -> None:
    assert forbids_use(headers, head, AGENT) == reason


TDM = b"""[{"location": "/open/", "tdm-reservation": 0}, {"location": "/*.pdf$", "tdm-reservation": 1, "tdm-policy": "/policy"},
 {"location": "/\xeb\x89\xb4", "tdm-reservation": "1"}, {"location": "/cost-%24", "tdm-reservation": 1},
 {"location": "/odd", "tdm-reservation": 2}, {"tdm-reservation": 1}, 3, {"location": "/exact$", "tdm-reservation": 1}]"""


def test_the_first_location_that_matches_decides() -> None:
    rules = tdm_file(200, TDM, "https://a.kr/.well-known/tdmrep.json")
    reserved = Reservation(True)
    expected = {
        "/open/x.pdf": Reservation(False),
        "/x/y.pdf": Reservation(True, "https://a.kr/policy"),
        "/y.pdf?z": None,
        "/%EB%89%B4%EC%8A%A4": reserved,
        "/cost-$1": reserved,
        "/odd": None,
        "/exact": reserved,
        "/exactly": None,
    }
    assert {path: rules.at(f"https://a.kr{path}") for path in expected} == expected
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b"null", b'{"location": []}'):
        assert tdm_file(200, body, HERE).at(HERE) is None
    assert tdm_file(404, TDM, HERE).at("https://a.kr/x.pdf") is None


def test_a_page_supersedes_its_header_and_that_the_file() -> None:
    head = b"<meta name='tdm-reservation' content='1'><meta name='tdm-policy' content='p.json'>"
    rules = tdm_file(200, b'[{"location": "/", "tdm-reservation": 1}]', HERE)
    assert tdm_meta(head, HERE) == Reservation(True, "https://a.kr/news/p.json")
    assert tdm_headers({"TDM-Reservation": "0"}, HERE) == Reservation(False)
    assert reservation(HERE, rules) == Reservation(True)
    assert reservation(HERE, rules, {"tdm-reservation": "0"}) == Reservation(False)
    assert reservation(HERE, rules, {"tdm-reservation": "0"}, head).reserved
    assert reservation(HERE, rules, {"tdm-reservation": "yes"}, b"<meta name=tdm-reservation content=2>").reserved
    assert reservation(HERE, None) == Reservation(False)


# --- dates ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 01 May 2024 19:00:00 +0900", "2024-05-01T10:00:00Z"),
        ("Wed, 1 May 24 10:00 GMT", "2024-05-01T10:00:00Z"),
        ("01-May-2024 19:00:00 KST", "2024-05-01T10:00:00Z"),
        ("Wed, 01 May 2024 19:00:00 GMT+0900 (KST)", "2024-05-01T10:00:00Z"),
        ("Wed, 01 May 2024 06:00:00 EDT", "2024-05-01T10:00:00Z"),
        ("Wed, 01 May 2024 10:00:00 XYZ", "2024-05-01T10:00:00Z"),
        ("Wed, 01 May 2024 10:00:00 +9900", "2024-05-01T10:00:00Z"),
        ("Wed May  1 19:00:00 KST 2024", "2024-05-01T10:00:00Z"),
        ("May 1st, 2024 3:05 PM", "2024-05-01T15:05:00Z"),
        ("2024-05-01T19:00:00.123+09:00", "2024-05-01T10:00:00Z"),
        ("20240501T190000+0900", "2024-05-01T10:00:00Z"),
        ("2024-05-01 19:00 +09", "2024-05-01T10:00:00Z"),
        ("2024-05-01", "2024-05-01T00:00:00Z"),
        ("2024-05", "2024-05-01T00:00:00Z"),
        ("2024", "2024-01-01T00:00:00Z"),
        ("2024.05.01 24:00", "2024-05-02T00:00:00Z"),
        ("2024. 5. 1. 오후 3:20", "2024-05-01T15:20:00Z"),
        ("2024년 5월 1일 오전 12:05:00", "2024-05-01T00:05:00Z"),
        ("2024.05.01 3:20PM입력", "2024-05-01T15:20:00Z"),
        ("입력May 1, 2024 3:05 PM", "2024-05-01T15:05:00Z"),
        ("2024-05-01 19:00 (한국KST기준)", "2024-05-01T10:00:00Z"),
        ("Tue, 31 Dec 2024 23:59:60 -0000", "2024-12-31T23:59:59Z"),
        *(
            (text, None)
            for text in ("", None, "yesterday", "2024-13-01", "32 May 2024", "0001-01-01T00:00+14:00", "1714557600")
        ),
    ],
)
def test_dates(text: str | None, expected: str | None) -> None:
    assert when(text) == expected


@given(st.text() | st.text("0123456789-+:.,TZ MayJun년월일오후"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = when(text)
    assert found is None or (len(found) == 20 and when(found) == found)


def test_within_includes_both_ends() -> None:
    noon = "2024-05-01T12:00:00Z"
    assert within(noon, None, None) and within(None, "2024-05-01", None)
    assert within(noon, "2024-05-01", "2024-05-01")
    assert not within(noon, "2024-05-02", None) and not within(noon, None, "2024-04-30")
    assert within(noon, noon, noon) and not within(noon, "2024-05-01T21:00:01+09:00", None)
    assert not within("2024-05-01T03:00+09:00", "2024-05-01", None)  # the 30th in UTC
    assert within("2024-05-01", "2024-05-01T10:00", "2024-05-01T11:00") and within(noon, "2024년 5월 1일", "2024-5-1")
    # changed in June: may be of May, not of July
    changed = FeedEntry("https://a.kr/", updated_at="2024-06-01T00:00:00Z")
    assert entry_within(changed, "2024-05-01", "2024-05-31") and not entry_within(changed, "2024-07-01", None)


# --- feeds ---

RSS = """<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://a.kr/rss.dtd">
<?xml-stylesheet href="x"?><!-- <item><link>https://a.kr/comment</link></item> -->
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
<title>신문</title><link>https://a.kr/</link><image><url>https://a.kr/i.png</url><link>https://a.kr/</link></image>
<item><media:title>photo</media:title><title><![CDATA[서울 &amp; <b>부산</b>]]></title><atom:link rel="self" href="/self"/>
 <link> /view?id=1&page=2&utm_source=rss </link><description>&nbsp;<p>x<br></p></description>
 <pubDate>Wed, 01 May 2024 19:00:00 +0900</pubDate></item>
<item><title>둘</title><guid>https://a.kr/2</guid></item>
<item><title>셋</title><guid isPermaLink="false">https://a.kr/3</guid></item>
<item><link><![CDATA[https://a.kr/4?a=1&b=2]]></link><dc:date>2024-05-01</dc:date><title>a &lt; b &amp;amp; c</title></item>
</channel></rss>"""


@pytest.mark.parametrize("encoding", ["utf-8", "euc-kr", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_rss(encoding: str, packed: bool) -> None:
    body = RSS.format(encoding=encoding).encode(encoding)
    assert entries_of_feed(gzip.compress(body) if packed else body, HERE) == [
        FeedEntry("https://a.kr/view?id=1&page=2", "2024-05-01T10:00:00Z", "서울 & 부산"),
        FeedEntry("https://a.kr/2", None, "둘"),
        FeedEntry("https://a.kr/4?a=1&b=2", "2024-05-01", "a < b & c"),
    ]


def test_atom() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.kr/blog/"><link rel="self" href="feed"/>
    <entry xml:base="2024/"><id>tag:b.kr,1</id><link rel="edit" href="edit"/><link rel="alternate" type="text/html" href="1"/>
    <title type="html">a &amp;lt;i&amp;gt;b&amp;lt;/i&amp;gt;</title><updated>2024-06-01T00:00:00Z</updated>
    <published>2024-05-01T19:00:00+09:00</published><source><title>other</title><link href="/other"/></source></entry>
    <entry><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">c <b>d</b></div></title><link href="/2"/>
    <updated>2024-06-01</updated><content type="xhtml"><div><a href="/no"><title>no</title></a></div></content></entry></feed>"""
    assert entries_of_feed(body, HERE) == [
        FeedEntry("https://b.kr/blog/2024/1", "2024-05-01T10:00:00Z", "a b", "2024-06-01T00:00:00Z"),
        FeedEntry("https://b.kr/2", None, "c d", "2024-06-01T00:00:00Z"),
    ]


def test_rdf() -> None:
    body = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>t</title></channel>
    <item rdf:about="https://a.kr/1"><title>one</title><dc:date>2024-05-01T00:00Z</dc:date></item></rdf:RDF>"""
    assert entries_of_feed(body, HERE) == [FeedEntry("https://a.kr/1", "2024-05-01T00:00:00Z", "one")]


@pytest.mark.parametrize(
    "body",
    [
        b"junk <rss><channel><item><link>https://a.kr/1</link></item><item><link>/2</link></item>",
        b"<rss><item><link>https://a.kr/1</link><item><link>https://a.kr/2</link></rss>",
        b"\n\n<rss>\x00\x01<item><link>https://a.kr/1</link></item><item><foo:bar>&nope;</foo:bar><link>/2</link></item></b>",
        b"\xff<item><link>/1</link></item><item><link>/2</link><title>\xff\xfe</title>",
        gzip.compress(b"<rss><item><link>/1</link></item><item><link>/2</link></item>" + b"<x/>" * 9, mtime=0)[:-8],
    ],
)
def test_broken_feeds_give_what_can_be_read(body: bytes) -> None:
    assert [entry.url for entry in entries_of_feed(body, HERE)][:2] == ["https://a.kr/1", "https://a.kr/2"]


ENTITIES = '<!ENTITY a "https://evil.kr/"><!ENTITY b SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize(
    "before",
    [
        f"<!DOCTYPE r [{ENTITIES}]>",
        f"<!doctype r [ <!-- ] --> {ENTITIES}]>",
        f"<!-- <![CDATA[ --><!DOCTYPE r [{ENTITIES}]>",
        f"<?x <![CDATA[ ?><!DOCTYPE r [{ENTITIES}]>",
        f"<?x <!-- ?><!DOCTYPE r [{ENTITIES}]>",
        f"<!DOCTYPE r SYSTEM 'file:///etc/passwd' [<!ENTITY % x SYSTEM 'http://127.0.0.1:9/'>%x;{ENTITIES}]>",
        f"<![CDATA[ <!DOCTYPE r [{ENTITIES}]> ]]>",
        f"<!DOCTYPE r [{'<!-- x -->' * 10_000}{ENTITIES}]>",
        f"<r><!DOCTYPE r [{ENTITIES}]></r>",
    ],
)
def test_entities_do_nothing(before: str) -> None:
    rest = "<r><item><link>https://a.kr/1</link><title>[&a;&b;]</title></item><item><link>&a;</link></item></r>"
    for encoding in ("utf-8", "utf-16"):
        for entry in entries_of_feed((before + rest).encode(encoding), HERE):
            assert "evil" not in entry.url and "root:" not in (entry.title or "") and "evil" not in (entry.title or "")


@pytest.mark.slow
def test_bombs_cost_little() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bombs = [
        f'<!DOCTYPE r [<!ENTITY a0 "ha">{laughs}]><r><item><link>https://a.kr/&a11;</link></item></r>'.encode(),
        gzip.compress(b"<r>" * 1_000_000, mtime=0),
        gzip.compress(b"<r><item>" + b"<title/>" * 100_000, mtime=0),
        gzip.compress(b"\0" * 20_000_000, mtime=0),
        b"<r " + b"".join(b"x%d='1' " % n for n in range(100_000)) + b"/>",
        b"<!DOCTYPE r " * 100_000,
        b"<r>" + b"<![CDATA[" * 100_000,
        b"<a href='" * 100_000,
        b"<a " + b"".join(b"x%d=1 " % n for n in range(100_000)) + b">",
        b"<!--" * 100_000,
        b"<meta " + b"a " * 500_000,
        b"<div>" * 100_000,
    ]
    for number, bomb in enumerate(bombs):
        began = time.process_time()
        entries_of_feed(bomb, HERE)
        entries_of_sitemap(bomb, HERE)
        links_of_page(bomb, HERE)
        directives({}, bomb)
        assert time.process_time() - began < 5, number


# --- sitemaps ---


def test_a_sitemap() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
    xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
    <url><loc> https://a.kr/1?a=1&amp;b=2 </loc><lastmod>2024-06-01</lastmod><image:image><image:loc>https://a.kr/i.jpg</image:loc>
    <image:title>no</image:title></image:image><news:news><news:publication><news:name>n</news:name></news:publication>
    <news:publication_date>2024-05-01T19:00:00+09:00</news:publication_date><news:title>t</news:title></news:news></url>
    <url><loc>/2?a=1&b=2</loc></url><url><loc>/2?a=1&b=2</loc></url><url><loc></loc></url><url/></urlset>"""
    assert entries_of_sitemap(body, "https://a.kr/s.xml").pages == [
        FeedEntry("https://a.kr/1?a=1&b=2", "2024-05-01T10:00:00Z", "t", "2024-06-01T00:00:00Z"),
        FeedEntry("https://a.kr/2?a=1&b=2"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"<urlset><url><loc>https://a.kr/1</loc><news:news><news:title>t</news:title></news:news></url></urlset>",
        b"<u:urlset xmlns:u='wrong'><u:url><u:loc>https://a.kr/1</u:loc><title>t</title></u:url></u:urlset>",
        b"\xef\xbb\xbf <URLSET><URL><LOC><![CDATA[https://a.kr/1]]></LOC><title>t</title></URL>",
        b"<rss><channel><item><title>t</title><link>/1</link></item></channel></rss>",
    ],
)
def test_odd_sitemaps(body: bytes) -> None:
    assert entries_of_sitemap(body, "https://a.kr/s.xml").pages == [FeedEntry("https://a.kr/1", None, "t")]


def test_an_index_and_text() -> None:
    body = b"<sitemapindex><sitemap><loc>/1.xml</loc><lastmod>2024-05</lastmod></sitemap><sitemap><loc>/2.xml.gz</loc></sitemap>"
    found = entries_of_sitemap(gzip.compress(body), "https://a.kr/s.xml")
    assert found == (
        [],
        ["https://a.kr/1.xml", "https://a.kr/2.xml.gz"],
        {"https://a.kr/1.xml": "2024-05-01T00:00:00Z"},
    )
    text = "\ufeffhttps://a.kr/1\r\n\nhttps://a.kr/뉴스\nnot one\n/relative\n".encode()
    assert [page.url for page in entries_of_sitemap(text, HERE).pages] == [
        "https://a.kr/1",
        "https://a.kr/%EB%89%B4%EC%8A%A4",
    ]
    assert entries_of_sitemap(b"<html><body>404 <a href=/x>x</a></body></html>", HERE) == ([], [], {})


def test_no_more_than_50000_entries() -> None:
    lines = b"".join(b"https://a.kr/%d\n" % n for n in range(50_100))
    assert len(entries_of_sitemap(lines, HERE).pages) == 50_000


# --- links ---


def test_links_of_a_page() -> None:
    body = """<html><head><base href="/blog/"><base href="/no/"><link rel="canonical" href="https://a.kr/c?utm_source=x">
    <link rel="alternate" type="application/rss+xml" href="rss.xml"><link rel=feed href=/f><link rel=alternate hreflang=en href=/en>
    <meta name="viewport" content="nofollow"></head><body><a href="1">1</a><a href="1#x">1</a><A HREF=' 기사 '>2</A>
    <a rel="nofollow noopener" href="/ad">ad</a><a>none</a><a href="#top">top</a><a href="mailto:x@a.kr">m</a>
    <map><area href="//b.kr/map"></map><!-- <a href="/comment"> --><script>"<a href='/script'>"</script>
    <a href="/news/index.html">me</a>
    """.encode()
    links = links_of_page(body, HERE)
    assert links.pages == ["https://a.kr/blog/1", "https://a.kr/blog/%EA%B8%B0%EC%82%AC", "https://b.kr/map"]
    assert links.feeds == ["https://a.kr/blog/rss.xml", "https://a.kr/f"]
    assert links.canonical == "https://a.kr/c"
    assert not links.nofollow
    assert links_of_page(b"<META NAME=robots content='index,NOFOLLOW'>", HERE).nofollow
    assert links_of_page(b"<meta name=labelmill content=none>", HERE, user_agent=AGENT).nofollow
    assert not links_of_page(b"<meta content=none>", HERE).nofollow


def test_links_of_a_korean_page() -> None:
    page = "<meta charset=euc-kr><a href='/뉴스'>이것은 서울에서 열린 회의의 기사이다</a>"
    for body, charset in (
        (page.encode("cp949"), None),
        (page.encode("cp949"), "euc-kr"),
        (page.encode("utf-16"), None),
    ):
        assert links_of_page(body, HERE, charset).pages == ["https://a.kr/%EB%89%B4%EC%8A%A4"]


# --- hostile bytes ---

TOKENS = st.sampled_from(
    b"""<rss> <item> </item> <link> </link> <title> </title> <url> <loc> </loc> </url> <![CDATA[ ]]> <!-- --> ]> &a; &amp; & ' " > <
    <!DOCTYPE\tr[ <!ENTITY\ta\t'b'> <?xml\t?> https://a.kr/1 \xff\xfe \x1f\x8b \x00 <a\thref= \xec\x84\x9c <base\thref=//[
    <meta\tname=robots\tcontent= User-agent:*\n Disallow: /*$ Crawl-delay: 1e999 \xe2\x80\xa8 { [ "location": "tdm-reservation":1
    encoding='idna' <x\txml:base='http://[' \xed\xa0\x80 <_> </_>""".split(b" ")
)


@given(st.lists(TOKENS | st.binary(max_size=5), max_size=40).map(b"".join), st.booleans())
def test_nothing_raises_on_bytes(body: bytes, packed: bool) -> None:
    sent = gzip.compress(body) if packed else body
    for url in (HERE, ""):
        for entry in entries_of_feed(sent, url) + entries_of_sitemap(sent, url).pages:
            assert normal(entry.url) == entry.url
        for link in links_of_page(sent, url, "idna").pages:
            assert normal(link) == link
        rules = parse(200, sent, AGENT, url)
        assert rules.allowed(HERE) in (True, False)
        rules.allowed("http://[")
        tdm_file(200, sent, url).at(HERE)
        tdm_meta(sent, url)
        forbids_use({"x-robots-tag": sent.decode("latin-1")}, sent, AGENT)
