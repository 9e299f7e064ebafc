"""Fetching: which addresses are connected to, and servers that misbehave in every way that came to mind."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect import compression
from pipeline.collect.crawling.commit_queue import CommitQueue
from pipeline.collect.crawling.fetching import ANY, Fetcher, FetchLimits, FetchResult
from pipeline.collect.crawling.host_pace import HostState
from pipeline.collect.crawling.memory_budget import MemoryBudget, MemoryLease
from pipeline.collect.crawling.ssrf_guard import SsrfGuard
from pipeline.collect.crawling.types import CrawlOutcome, QueuedUrl
from pipeline.core.errors import ConfigError
from tests.crawl_server import CrawlServer, Page, Request, page, redirect

BROTLI = compression._brotli()  # an optional package
LOOPBACK = ("127.0.0.0/8",)
HTML = b"<!doctype html><title>t</title><p>The harbour of the city was opened.</p>"


def words(text: str) -> list[str]:
    return text.split()


class Names(AbstractResolver):
    """Resolves from a table; a list of lists is answered one after the other."""

    def __init__(self, table: dict[str, list[Any]]) -> None:
        self.table, self.asked = table, [""][:0]

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.table.get(host, [])
        if found and isinstance(found[0], list):
            found = found.pop(0)
        if not found:
            raise OSError(None, "no such name")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=0, proto=0, flags=0)  # type: ignore[typeddict-item,unused-ignore]
            for address in found
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
def connects(loopback_only: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that somebody tried to connect to."""
    import socket

    seen: list[str] = []
    connect = socket.socket.connect

    def recorded(self: socket.socket, address: Any) -> Any:
        seen.append(address[0])
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", recorded)
    return seen


@asynccontextmanager
async def fetching(
    pages: dict[str, Page] | None = None,
    allow: tuple[str, ...] = LOOPBACK,
    names: dict[str, list[Any]] | None = None,
    tls: ssl.SSLContext | None = None,
    **limits: Any,
) -> AsyncIterator[tuple[CrawlServer, Fetcher]]:
    resolver = Names(names or {})
    async with (
        CrawlServer(pages or {"/": page(HTML)}, tls) as server,
        Fetcher(
            "testbot/1.0", SsrfGuard(allow), limits=FetchLimits(**{"seconds": 5.0, **limits}), resolver=resolver
        ) as fetcher,
    ):
        yield server, fetcher


def got(answer: Page, path: str = "/", **options: Any) -> FetchResult:
    """One GET of one page."""
    arguments = {
        name: options.pop(name) for name in ("etag", "last_modified", "types", "body_bytes") if name in options
    }

    async def main() -> FetchResult:
        async with fetching({"/": answer}, **options) as (server, fetcher):
            return await fetcher.get(server.url + path, **arguments)

    return asyncio.run(main())


def asked(url: str, **options: Any) -> tuple[FetchResult, CrawlServer]:
    """A GET of `url`, in which {port} is the server's."""

    async def main() -> tuple[FetchResult, CrawlServer]:
        async with fetching(**options) as (server, fetcher):
            return await fetcher.get(url.replace("{port}", str(server.port))), server

    return asyncio.run(main())


# --- which addresses

NOT_PUBLIC = words("""127.0.0.1 127.255.0.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.100.100.200 0.0.0.0 0.1.2.3 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.7
203.0.113.9 192.88.99.1 168.63.129.16 ::1 :: ::127.0.0.1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::a00:1 64:ff9b::808:808 64:ff9b:1::a00:1 2002:7f00:1::
2002:a00:1::1 2002:a9fe:a9fe:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 100::1 4000::1 5f00::1
0x7f000001 127.1 2130706433 0177.0.0.1 010.0.0.1 localhost""")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_not_connected_to(address: str) -> None:
    assert SsrfGuard().refusal(address)


@pytest.mark.parametrize(
    "address",
    words("8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 2606:4700::1111 2a00:1450::5 2002:808:808::1"),
)
def test_public_addresses(address: str) -> None:
    assert SsrfGuard().refusal(address) is None
    assert SsrfGuard().host_refusal(address) is None


def test_the_reason_is_told() -> None:
    assert SsrfGuard().refusal("169.254.169.254") == "a link-local address"
    assert SsrfGuard().refusal("0.0.0.0") == "an unspecified address"
    assert SsrfGuard().refusal("64:ff9b::a00:1") == "a NAT64 address"
    assert SsrfGuard().refusal("2002:a00:1::1") == "a private address"


def test_what_the_job_allows() -> None:
    guard = SsrfGuard(["127.0.0.0/8", "10.1.0.0/16", "::1", "64:ff9b::/96", "Intranet.example."])
    for address in ("127.0.0.1", "10.1.2.3", "::1", "64:ff9b::808:808", "64:ff9b::a01:203"):
        assert guard.refusal(address) is None
    for address in ("10.2.0.1", "64:ff9b::c0a8:101", "::ffff:127.0.0.1", "::2"):
        assert guard.refusal(address)
    assert guard.trusts("intranet.example") and guard.trusts("INTRANET.example.")
    assert not guard.trusts("x.intranet.example") and not guard.trusts("example")
    assert SsrfGuard(["뉴스.example"]).trusts("xn--vg1b002a.example") and SsrfGuard(["localhost"]).trusts("localhost")


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "127.1", "http://x", "a b", "*", "10.0.0.0/8,::1", "x:80"])
def test_what_cannot_be_allowed(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"allow: .* neither a network"):
        SsrfGuard([entry])


LITERALS = words("""http://0x7f000001/ http://2130706433/ http://127.1/ http://0177.0.0.1/ http://127.0.0.1/ http://127.0.0.1./
http://[::1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[::]/ http://0/ http://0.0.0.0/ http://0x7f.1/
http://127.0.0.0x1/ http://１２７.0.0.1/ http://127。0。0。1/ http://①②⑦.0.0.1/ http://[fe80::1%25lo]/ http://user@10.0.0.1/
http://[64:ff9b::a00:1]/ http://[2002:7f00:1::]/ http://169.254.169.254/latest/meta-data/ https://192.168.1.1/
http://example.com@127.0.0.1/ http://127.0.0.1:80/""")


@pytest.mark.parametrize("url", LITERALS)
def test_addresses_in_urls(url: str, connects: list[str]) -> None:
    answer, server = asked(url, allow=())
    assert answer.reason == "refused_address", answer
    assert not connects and not server.connections


@pytest.mark.parametrize(
    "url", ["http://0x7f000001:{port}/", "http://127.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/"]
)
def test_odd_spellings_of_what_is_allowed(url: str, connects: list[str]) -> None:
    assert asked(url)[0].reason == "refused_address" and not connects


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "127.0.0.1",
        "0.0.0.0",
        "fd00::1",
        "127.1",
        "x",
    ],
)
def test_names_of_addresses(address: str, connects: list[str]) -> None:
    answer, server = asked("http://evil.test:{port}/", allow=(), names={"evil.test": [address, address]})
    assert (answer.reason, answer.status) == ("refused_address", None)
    assert address in answer.detail
    assert not connects and not server.connections


def test_only_the_allowed_ones_of_several_addresses(connects: list[str]) -> None:
    names = {"mixed.test": ["10.0.0.1", "::1", "127.0.0.1", "169.254.169.254"]}
    answer, _ = asked("http://mixed.test:{port}/", names=names)
    assert answer.reason is None and connects == ["127.0.0.1"]


def test_a_host_allowed_by_its_name(connects: list[str]) -> None:
    names = {"intranet.test": ["127.0.0.1"], "evil.test": ["127.0.0.1"]}
    answer, _ = asked("http://intranet.test:{port}/", allow=("intranet.test",), names=names)
    assert answer.reason is None and answer.body == HTML
    connects.clear()
    answer, _ = asked("http://evil.test:{port}/", allow=("intranet.test",), names=names)
    assert answer.reason == "refused_address" and not connects


def test_a_name_that_changes_its_address(connects: list[str]) -> None:
    """The second lookup (another port) gives a private address, and is all that counts."""

    async def main() -> None:
        names = {"rebind.test": [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]]}
        async with fetching(names=names) as (server, fetcher):
            assert (await fetcher.get(f"http://rebind.test:{server.port}/")).reason is None
            assert (await fetcher.get("http://rebind.test:1/")).reason == "refused_address"

    asyncio.run(main())
    assert connects == ["127.0.0.1"]


@pytest.mark.parametrize("target", [*LITERALS[:3], "http://evil.test/", "//10.0.0.1/x"])
def test_redirects_to_what_is_refused(target: str, connects: list[str]) -> None:
    answer, _ = asked("http://127.0.0.1:{port}/", pages={"/": redirect(target)}, names={"evil.test": ["10.0.0.1"]})
    assert answer.reason == "refused_address"
    assert len(answer.hops) == 1 and answer.hops[0] == answer.final_url
    assert connects == ["127.0.0.1"]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, connects: list[str]) -> None:
    async def main() -> None:
        async with CrawlServer({"/": page(b"from the proxy")}) as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            async with fetching(names={"evil.test": ["10.0.0.1"]}) as (server, fetcher):
                assert (await fetcher.get(server.url)).body == HTML
                assert (await fetcher.get("http://evil.test/")).reason == "refused_address"
            assert not proxy.connections

    asyncio.run(main())


def test_no_name() -> None:
    assert asked("http://nowhere.test/")[0].reason == "dns"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/", "bad_scheme"),
        ("file:///etc/passwd", "bad_scheme"),
        ("javascript:alert(1)", "bad_scheme"),
        ("HTTP+unix://x/", "bad_scheme"),
        ("", "bad_url"),
        ("/relative", "bad_url"),
        ("http://", "bad_url"),
        ("http:///x", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://[nonsense]/", "bad_url"),
        ("http://h:99999/", "bad_url"),
        ("http://h:x/", "bad_url"),
        ("http://\ud800/", "bad_url"),
        ("http://a b/", "dns"),
        ("http://" + "a" * 70 + ".test/", "dns"),
        ("http://a..b/", "dns"),
    ],
)
def test_urls_that_are_none(url: str, reason: str) -> None:
    answer, _ = asked(url)
    assert answer.reason == reason, answer
    answer.detail.encode()


# --- what comes


def test_a_page() -> None:
    async def main() -> None:
        pages: dict[str, Page] = {
            "/a": page(HTML, content_type="text/html; charset=utf-8", ETag='"1"', Set_Cookie="a=b")
        }
        async with fetching(pages) as (server, fetcher):
            for _ in range(2):
                answer = await fetcher.get(server.url + "/a")
                assert (answer.status, answer.reason, answer.body) == (200, None, HTML)
                assert answer.url == answer.final_url == server.url + "/a" and answer.hops == ()
                assert answer.headers == {"content-type": "text/html; charset=utf-8", "etag": '"1"'}
                assert 0 < answer.seconds < 1
            assert server.connections == 1
            headers = server.seen[1].headers
            assert headers["user-agent"] == "testbot/1.0"
            assert headers["accept-encoding"] == compression.codings()
            assert headers["accept"] == "application/xhtml+xml, text/html, */*;q=0.1"
            assert not {"cookie", "authorization", "if-none-match", "referer"} & headers.keys()

    asyncio.run(main())


def test_nothing_secret_is_sent() -> None:
    _, server = asked("http://user:secret@127.0.0.1:{port}/#part")
    assert "authorization" not in server.seen[0].headers and server.paths == ["/"]


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", raw_deflate),
    **({"br": ("br", BROTLI.compress)} if BROTLI else {}),
    "zstd": ("zstd", zstandard.compress),
    "none": ("identity", bytes),
    "two gzip": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "two zstd": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data[9:])),
    "gzip and zeros": ("gzip", lambda data: gzip.compress(data) + bytes(10)),
    "gzip and a letter": ("gzip", lambda data: gzip.compress(data) + b"x"),
}


@pytest.mark.parametrize("name", CODINGS)
def test_content_codings(name: str) -> None:
    coding, encode = CODINGS[name]
    text = HTML + b"".join(b"<p>Harbour %d of the city.</p>" % number for number in range(2000))
    assert got(page(encode(text), Content_Encoding=coding)).body == text

    async def slowly(_: Request, writer: asyncio.StreamWriter) -> bool:
        """Byte by byte where it is most awkward."""
        data = page(encode(HTML), Content_Encoding=coding)
        for start in range(0, len(data), 1 if len(data) < 400 else 7):
            writer.write(data[start : start + (1 if len(data) < 400 else 7)])
            await writer.drain()
            await asyncio.sleep(0)
        return True

    assert got(slowly).body == HTML


@pytest.mark.parametrize("name", [name for name in CODINGS if name != "none"])
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 50), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_decoding_in_pieces(name: str, data: bytes, cuts: list[int]) -> None:
    coding, encode = CODINGS[name]
    packed, decoder, text, turn = encode(data), compression.decoder(coding), b"", 0
    assert decoder
    while packed:
        cut = cuts[turn % len(cuts)]
        text, packed, turn = text + b"".join(decoder.feed(packed[:cut], 10**6)), packed[cut:], turn + 1
    decoder.finish()
    assert text == data
    assert compression.decode(coding, encode(data), 10**6) == data


@pytest.mark.parametrize("name", [name for name in CODINGS if name != "none" and "two" not in name])
def test_cut_off_and_not_what_is_claimed(name: str) -> None:
    coding, encode = CODINGS[name]
    if "and" not in name:
        assert got(page(encode(HTML * 5)[:-9], Content_Encoding=coding)).reason == "undecodable"
    assert got(page(b"<html>\xff\xff this is not packed", Content_Encoding=coding)).reason == "undecodable"


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "aws-chunked", "gzip\xe9"])
def test_unknown_codings(coding: str) -> None:
    answer = got(page(HTML, Content_Encoding=coding))
    assert (answer.reason, answer.status, answer.body) == ("undecodable", 200, b"")


@pytest.mark.parametrize("coding", compression.codings().split(", "))
def test_bombs(coding: str) -> None:
    """100 MB of zeros; the peak is of this whole process, server and test included."""
    zeros = bytes(100 * 2**20)
    bomb = page(
        BROTLI.compress(zeros, quality=5) if coding == "br" else CODINGS[coding][1](zeros), Content_Encoding=coding
    )
    del zeros
    tracemalloc.start()
    answer = got(bomb, body_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.reason == "too_large" and answer.body == bytes(2**20)
    assert peak < 16 * 2**20


def test_many_empty_streams() -> None:
    assert got(page(gzip.compress(b"") * 5000, Content_Encoding="gzip")).reason == "undecodable"


def endless(head: bytes, piece: bytes) -> Page:
    pieces = piece * (2**15 // len(piece) + 1)

    async def serve(_: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:
            writer.write(pieces)
            await writer.drain()

    return serve


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
GZIP_WHOLE = b"Content-Encoding: gzip\r\n\r\n%x\r\n%s\r\n" % (
    len(gzip.compress(b"<p>", mtime=0)),
    gzip.compress(b"<p>", mtime=0),
)
BIG = b"8000\r\n" + b"<p>" * 10922 + b"..\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (endless(CHUNKED + b"\r\n", BIG), "too_large"),
        (endless(UNTIL_CLOSE + b"\r\n", b"<p>" * 9999), "too_large"),
        (endless(UNTIL_CLOSE + b"Content-Length: 99999999999\r\n\r\n", b"<p>" * 9999), "too_large"),
        (endless(CHUNKED + b"Content-Encoding: gzip\r\n\r\n", b"14\r\n" + gzip.compress(b"") + b"\r\n"), "undecodable"),
        (endless(CHUNKED + GZIP_WHOLE, b"400\r\n" + bytes(1024) + b"\r\n"), "too_large"),
        (endless(UNTIL_CLOSE, b"X-Filler: some\r\n"), "too_many_headers"),
        (endless(UNTIL_CLOSE, b"X-Filler: " + b"y" * 900), "too_many_headers"),
        (endless(UNTIL_CLOSE, b"x" * 900), "too_many_headers"),
        (endless(b"HTTP/1.1 200 ", b"OK" * 900), "too_many_headers"),
        (endless(CHUNKED + b"\r\n0\r\n", b"X-Trailer: some\r\n"), "too_many_headers"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "timeout"),
        (endless(b"", b"\r\n" * 500), "timeout"),
        (endless(b"", b"y" * 500), "broken"),
    ],
    ids=words("chunks body length gzip rubbish headers value name status trailers continue lines nonsense"),
)
def test_without_end(answer: Page, reason: str) -> None:
    before = time.process_time()  # of processor, for a busy machine is no fault
    found = got(answer, seconds=0.5, body_bytes=2**20)
    assert found.reason == reason, found
    assert time.process_time() - before < 2
    tracemalloc.start()  # which takes three times as long: the clock is looked at without it
    again = got(answer, seconds=0.5, body_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert again.reason == reason, again
    assert peak < 12 * 2**20


def dripping(data: bytes, seconds: float = 0.02, first: int = 0) -> Page:
    """Byte by byte, after so many at once."""

    async def serve(_: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(data[:first])
        for start in range(first, len(data)):
            writer.write(data[start : start + 1])
            await asyncio.sleep(seconds)
        return True

    return serve


async def silence(_: Request, writer: asyncio.StreamWriter) -> bool:
    await asyncio.sleep(60)
    return False


@pytest.mark.parametrize(
    ("answer", "status"),
    [(dripping(page(HTML)), None), (dripping(page(HTML), 0.02, first=75), 200), (silence, None)],
    ids=["head", "body", "silence"],
)
def test_slow_servers(answer: Page, status: int | None) -> None:
    found = got(answer, seconds=0.3)
    assert (found.reason, found.status, found.body) == ("timeout", status, b"")
    assert 0.25 < found.seconds < 1


def test_the_time_is_for_all_hops() -> None:
    async def slow(_: Request, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.15)
        writer.write(redirect("/2"))
        return True

    answer, _ = asked("http://127.0.0.1:{port}/", pages={"/": slow, "/2": silence}, seconds=0.4)
    assert answer.reason == "timeout" and 0.35 < answer.seconds < 1 and len(answer.hops) == 1


def closing(data: bytes) -> Page:
    async def serve(_: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        return False

    return serve


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<p>cut",
        CHUNKED + b"\r\n5\r\n<p>cu",
        CHUNKED + b"\r\nZZ\r\n<p>",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<p>..",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    ],
)
def test_broken_answers(data: bytes) -> None:
    answer = got(closing(data))
    assert answer.reason == "broken" and answer.body == b""


@given(
    data=st.binary(max_size=200), head=st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 302 F\r\nLocation: ", CHUNKED])
)
@settings(max_examples=60, deadline=None)
def test_no_answer_raises(data: bytes, head: bytes) -> None:
    answer = got(closing(head + data + b"\r\n\r\n"), seconds=1)
    for text in (answer.detail, answer.final_url, *answer.headers.values()):
        text.encode()
    assert answer.reason is not None or answer.status == 200


def test_too_large() -> None:
    def of(size: int, **options: Any) -> FetchResult:
        return got(page(b"<" * size), **options)

    assert of(1000, body_bytes=1000).reason is None
    cut = of(1001, body_bytes=1000)
    assert cut.reason == "too_large" and len(cut.body) == 1000
    announced = got(page(b"<p>")[:-4].replace(b"Length: 3", b"Length: 20971521") + b"\n<p>")
    assert announced.reason == "too_large" and "20971521" in announced.detail


# --- types


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/html", b"%PDF", None),
        ("TEXT/HTML;charset=x", b"", None),
        ("text/html, text/html", b"", None),
        ("application/xhtml+xml", b"", None),
        ("application/pdf", HTML, "wrong_type"),
        ("text/plain", HTML, "wrong_type"),
        ("image/png", HTML, "wrong_type"),
        (None, HTML, None),
        ("", b" \n<!-- c --><html>", None),
        ("html", b"\xef\xbb\xbf<HTML>", None),
        (None, "\ufeff<html>".encode("utf-16-le"), None),
        (None, b'<?xml version="1.0"?><html xmlns="x">', None),
        (None, b'<?xml version="1.0"?><rss>', "wrong_type"),
        (None, b"%PDF-1.7", "wrong_type"),
        (None, b"\x89PNG\r\n", "wrong_type"),
        (None, b"plain text", "wrong_type"),
        (None, b"", "wrong_type"),
    ],
)
def test_content_types(content_type: str | None, body: bytes, reason: str | None) -> None:
    assert got(page(body, content_type=content_type)).reason == reason


def test_other_types() -> None:
    assert got(page(b"x", content_type="image/png"), types=ANY).body == b"x"
    assert got(page(b"User-agent: *", content_type=None), types=["text/plain"]).reason is None
    assert got(page(b"<?xml version='1.0'?><rss>", content_type=None), types=["application/rss+xml"]).reason is None
    assert got(page(HTML), types=["text/plain"]).reason == "wrong_type"


def test_a_body_without_type_is_looked_at_before_it_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert got(endless(head, b"\0\1\2" * 999)).reason == "wrong_type"


# --- redirects


def chain(length: int) -> dict[str, Page]:
    return {**{f"/{n}": redirect(f"/{n + 1}") for n in range(length)}, f"/{length}": page(HTML)}


def test_redirects_are_counted() -> None:
    answer, server = asked("http://127.0.0.1:{port}/0", pages=chain(5))
    assert answer.reason is None and answer.body == HTML and server.connections == 1
    assert [hop[-2:] for hop in answer.hops] == ["/1", "/2", "/3", "/4", "/5"]
    assert answer.url.endswith("/0") and answer.final_url.endswith("/5")
    answer, server = asked("http://127.0.0.1:{port}/0", pages=chain(6))
    assert (answer.reason, answer.status) == ("too_many_redirects", 302)
    assert server.paths == ["/0", "/1", "/2", "/3", "/4", "/5"] and answer.final_url.endswith("/6")


@pytest.mark.parametrize(
    ("location", "reason", "status"),
    [
        ("/", "redirect_loop", 302),
        ("#part", "redirect_loop", 302),
        ("ftp://127.0.0.1/", "bad_scheme", 302),
        ("file:///etc/passwd", "bad_scheme", 302),
        ("javascript:x", "bad_scheme", 302),
        ("http://[::1", "bad_url", 302),
        ("http://h:99999/", "bad_url", 302),
        ("", "http_302", 302),
        ("/b", None, 200),
        ("b", None, 200),
        ("?q=뉴스", None, 200),
        ("/뉴스", None, 200),
        ("/%EB%89%B4%EC%8A%A4", None, 200),
    ],
)
def test_where_redirects_lead(location: str, reason: str | None, status: int) -> None:
    pages: dict[str, Page] = {
        "/": redirect(location),
        **dict.fromkeys(["/b", "/%EB%89%B4%EC%8A%A4", "/?q=%EB%89%B4%EC%8A%A4"], page(HTML)),
    }
    answer, _ = asked("http://127.0.0.1:{port}/", pages=pages)
    assert (answer.reason, answer.status) == (reason, status), answer


def test_a_location_that_is_no_utf8() -> None:
    moved = redirect("/x").replace(b"/x", "/뉴스".encode("euc-kr"))
    _, server = asked("http://127.0.0.1:{port}/", pages={"/": moved})
    assert server.paths == ["/", "/%B4%BA%BD%BA"]


def test_a_loop_of_two() -> None:
    answer, server = asked("http://127.0.0.1:{port}/a", pages={"/a": redirect("/b", 301), "/b": redirect("/a", 308)})
    assert answer.reason == "redirect_loop" and server.paths == ["/a", "/b"]


def test_somebody_may_forbid_a_hop() -> None:
    seen = []

    async def may_follow(url: str) -> str | None:
        seen.append(url[-2:])
        await asyncio.sleep(0.3)  # is not counted
        return "robots" if url.endswith("/2") else None

    async def main() -> tuple[FetchResult, list[str]]:
        async with fetching(chain(3), seconds=0.25) as (server, fetcher):
            return await fetcher.get(server.url + "/0", may_follow=may_follow), server.paths

    answer, paths = asyncio.run(main())
    assert answer.reason == "robots" and answer.final_url.endswith("/2") and answer.seconds < 0.25
    assert seen == ["/1", "/2"] and paths == ["/0", "/1"]


# --- conditions, statuses


def test_conditional_requests() -> None:
    assert got(page(status=304), etag='"1"').reason is None
    assert got(page(status=304), last_modified="Mon, 01 Jan 2024 00:00:00 GMT").status == 304
    assert got(page(status=304)).reason == "http_304"

    async def main() -> None:
        async with fetching({"/": redirect("/b"), "/b": page(status=304)}) as (server, fetcher):
            known = {"etag": '"1"', "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT", "given_by": server.url + "/b"}
            found = await fetcher.get(server.url + "/", **known)
            assert found.status == 304 and found.reason is None
            first, second = server.seen
            assert not {"if-none-match", "if-modified-since"} & first.headers.keys()
            assert second.headers["if-none-match"] == '"1"' and "if-modified-since" in second.headers
            found = await fetcher.get(server.url + "/", **known | {"given_by": None})
            assert found.reason == "http_304" and "if-none-match" not in server.seen[-1].headers
            await fetcher.get(server.url + "/x", etag='"1"\r\nX: y', last_modified="\udc80é")
            assert not {"x", "if-none-match", "if-modified-since"} & server.seen[-1].headers.keys()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 0.0), ("-5", 0.0), ("soon", None), ("nan", 0.0), ("1e999", 604800.0),
     ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 604800.0),
     ("Mon, 01 Jan 99999999999 00:00:00 GMT", None)],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    answer = got(page(b"later", 429, Retry_After=value))
    assert (answer.reason, answer.retry_after) == ("http_429", seconds)


@pytest.mark.parametrize("status", [101, 204, 206, 300, 401, 403, 404, 410, 451, 500, 503, 599])
def test_other_statuses(status: int) -> None:
    answer = got(page(HTML if status not in (101, 204) else b"", status))
    assert (answer.reason, answer.status, answer.body) == (f"http_{status}", status, b"")


def test_a_kept_connection_that_dies_is_not_asked_again_at_once() -> None:
    async def dies(request: Request, writer: asyncio.StreamWriter) -> bool:
        return False

    async def main() -> None:
        async with fetching({"/": page(HTML), "/dies": dies}) as (server, fetcher):
            await fetcher.get(server.url + "/")
            assert (await fetcher.get(server.url + "/dies")).reason == "broken"
            assert server.paths == ["/", "/dies"]

    asyncio.run(main())


def test_a_connection_outlives_errors_but_not_long_or_slow_ones() -> None:
    async def main() -> None:
        slow = dripping(page(b"x" * 100, 404), 0.02, first=100)
        pages: dict[str, Page] = {"/": page(HTML), "/long": page(b"x" * 10**6, 404), "/slow": slow}
        async with fetching(pages, seconds=0.5) as (server, fetcher):
            for path in ("/", "/none", "/", "/none"):
                await fetcher.get(server.url + path)
            assert server.connections == 1
            assert (await fetcher.get(server.url + "/long")).reason == "http_404"
            await fetcher.get(server.url + "/")
            assert server.connections == 2
            assert (await fetcher.get(server.url + "/slow")).reason in ("http_404", "timeout")

    asyncio.run(main())


# --- TLS


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    command = words("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost")
    try:
        subprocess.run([*command, "-keyout", "key", "-out", "cert"], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def test_certificates_are_verified(self_signed: ssl.SSLContext) -> None:
    answer, server = asked("https://127.0.0.1:{port}/", tls=self_signed)
    assert answer.reason == "tls" and not server.seen
    assert asked("https://127.0.0.1:{port}/", tls=self_signed, allow=("x.test",), names={"x.test": ["127.0.0.1"]})[
        0
    ].reason
    answer, server = asked(
        "https://x.test:{port}/", tls=self_signed, allow=("x.test",), names={"x.test": ["127.0.0.1"]}
    )
    assert answer.reason == "tls" and not server.seen


def test_no_tls_and_nobody_there() -> None:
    async def main() -> FetchResult:
        def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Not in the clear\r\n\r\n")

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as plain, fetching() as (_, fetcher):
            return await fetcher.get(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/")

    assert asyncio.run(main()).reason == "tls"
    assert asked("http://127.0.0.1:1/")[0].reason == "connect"


def test_cancelling() -> None:
    async def main() -> None:
        async with fetching({"/": silence}) as (server, fetcher):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(fetcher.get(server.url), 0.1)

    asyncio.run(main())


def test_who_waits_for_memory_is_let_go_where_the_disk_is_full() -> None:
    async def go() -> None:
        async def full(group: Any) -> None:
            raise OSError("no space left")

        room, outbox = MemoryBudget(10), CommitQueue(full)
        held, late, waiting = MemoryLease(room), MemoryLease(room), MemoryLease(room)
        await held.acquire(6)
        await late.acquire(4)
        url = QueuedUrl(1, "http://a.kr/1", "a.kr", "page", 0, 0, None, None, None, False, None)
        outbox.add(HostState("a.kr"), url, CrawlOutcome(1, "failed"), held)
        with pytest.raises(OSError, match="no space left"):
            await outbox.run()
        outbox.add(HostState("a.kr"), url, CrawlOutcome(1, "failed"), late)  # it was under way
        async with asyncio.timeout(10):
            await waiting.acquire(10)

    asyncio.run(go())
