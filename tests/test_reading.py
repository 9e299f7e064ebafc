"""Readers: each format, archives, encodings, remote files; every row is an article or a rejected row."""

from __future__ import annotations

import bz2
import gzip
import http.server
import io
import json
import lzma
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect import charsets
from pipeline.collect.reading import json_values, tables
from pipeline.collect.reading.items import InputItem, ReadOptions
from pipeline.collect.reading.locations import RemoteFile
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.types import ARTICLE_COLUMNS, RawRow
from tests.conftest import PEAK, ROOT, JobMaker, article, command, rows, run, stage, tree, write_jsonl

pytestmark = pytest.mark.usefixtures("lasting_workers")

KOREAN = "서울시가 한강 변에 새로운 도서관을 열었다고 밝혔다."


def collect(make_job: JobMaker, path: Any, **more: Any) -> Any:
    sources = [{"type": "files", "path": path, "columns": {"text": "body"}, **more}]
    return run(make_job(sources=sources), last="collect")


def nothing(make_job: JobMaker, path: Any, **more: Any) -> str:
    """What is said of a source without one article."""
    with pytest.raises(InputError, match="rows is an article") as error:
        collect(make_job, path, **more)
    return str(error.value)


def ids(work: Any) -> list[str]:
    return [row["id"] for row in rows(work, "articles")]


def rejected(work: Any) -> list[tuple[str, int, str]]:
    return [(row["source"], row["line"], row["reason"]) for row in rows(work, "articles", rejected=True)]


# --- JSON ---


def values_of(data: bytes, limit: int = 10**6) -> list[Any]:
    item = InputItem("a.json", "a.json", lambda: io.BytesIO(data))
    return [
        row.fields if isinstance(row, RawRow) else row.reason
        for row in json_values.read(item, ReadOptions("utf-8-sig", limit, ARTICLE_COLUMNS, {}, iter))
    ]


strings = st.text(max_size=9) | st.text('"{}[],:\\ \n', max_size=9)
nested = st.recursive(
    strings | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)
rows_of_values = st.lists(st.dictionaries(strings, nested, max_size=4), max_size=6)


@given(rows_of_values, st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
@pytest.mark.slow
def test_json_is_cut_where_its_values_end(data: list[Any], chunk: int, indent: int | None, ascii: bool) -> None:
    before, json_values.CHUNK = json_values.CHUNK, chunk
    try:
        text = json.dumps(data, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
        assert values_of(b"\xef\xbb\xbf" + text) == data
        assert values_of(b"\n".join(json.dumps(value).encode() for value in data)) == data
    finally:
        json_values.CHUNK = before


@pytest.mark.parametrize("chunk", [1, 7, 2**18])
def test_json_that_is_broken(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "CHUNK", chunk)
    ok = {"a": ']\\"}, {'}
    good = json.dumps(ok).encode()
    assert values_of(b"[" + good + b', {"b": nope}, 7, ' + good + b"]") == [ok, "torn_line", "not_an_object", ok]
    assert values_of(b"[" + good + b', {"b": "xx') == [ok, "damaged_file"]
    assert values_of(b"[" + good) == ["damaged_file"]
    assert values_of(b"[" + good + b', {"b": "' + b"x" * 500 + b'"},' + good + b"]", 100) == [ok, "row_too_large", ok]
    assert values_of(b"") == values_of(b" [ ] ") == []
    assert values_of(b'[{"b": "\xff"}]') == ["wrong_encoding"]


MEMORY = (
    PEAK
    + """
from pipeline.collect.reading import json_values
from pipeline.collect.reading.items import InputItem, ReadOptions
from pipeline.core.types import ARTICLE_COLUMNS
options = ReadOptions("utf-8", 10**7, ARTICLE_COLUMNS, {}, iter)
found = json_values.read(InputItem("a.json", "a", lambda: open(sys.argv[1], "rb")), options)
next(found)
before = peak()
print(1 + sum(1 for _ in found), peak() - before)
"""
)


@pytest.mark.slow
def test_a_large_array_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for n in range(100_000):
            file.write((",\n" if n else "") + json.dumps({"id": n, "body": KOREAN * 15}, ensure_ascii=False))
        file.write("]")
    result = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, cwd=ROOT, check=True)
    count, grown = map(int, result.stdout.split())
    assert count == 100_000 and grown < 20


# --- the other formats ---


def test_the_same_articles_from_all_of_them(make_job: JobMaker, tmp_path: Path) -> None:
    data = [article(n) for n in range(5)]
    (tmp_path / "a.json").write_text(json.dumps(data, indent=1))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps(data).encode("utf-16")))
    pd.DataFrame(data).to_excel(tmp_path / "c.xlsx", index=False)
    wanted = None
    for name in ("a.json", "b.json.gz", "c.xlsx"):
        work = collect(make_job, name, encoding="auto")
        found = [{k: row[k] for k in ("id", "title", "text", "line")} for row in rows(work, "articles")]
        lines = [row.pop("line") for row in found]
        assert lines == ([2, 3, 4, 5, 6] if name == "c.xlsx" else [1, 2, 3, 4, 5])
        wanted = wanted or found
        assert found == wanted and len(found) == 5


def test_excel_sheets(make_job: JobMaker, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="extra 'excel' is not installed")
    book = openpyxl.Workbook()
    first = book.active
    first.title = "정치"
    for row in ([], [None, None], ["id", "body", None], [1, KOREAN], [], [2, None], [3, KOREAN, None, "too much"]):
        first.append(row)
    book.create_sheet("경제").append(["body", "published_at"])
    book["경제"].append([KOREAN * 2, pd.Timestamp("2026-01-02").to_pydatetime()])
    book.save(tmp_path / "a.xlsx")
    work = collect(make_job, "a.xlsx")
    assert (rows(work, "articles")[0]["source"], ids(work)[0]) == ("a.xlsx[정치]", "1")
    assert rows(work, "articles")[1]["published_at"].startswith("2026-01-02")
    assert [(line, reason) for _, line, reason in rejected(work)] == [(6, "missing_text"), (7, "wrong_column_count")]
    (tmp_path / "b.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:2000])
    assert rejected(collect(make_job, ["a.xlsx", "b.xlsx"]))[-1] == ("b.xlsx", 1, "damaged_file")


def test_excel_that_its_library_does_not_understand(make_job: JobMaker, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="extra 'excel' is not installed")
    book = openpyxl.Workbook()
    book.active.append(["body"])
    book.create_chartsheet()  # without a chart: openpyxl raises AttributeError
    book.save(tmp_path / "a.xlsx")
    write_jsonl(tmp_path / "b.jsonl", [article(1)])
    work = collect(make_job, ["a.xlsx", "b.jsonl"])
    assert (rejected(work), ids(work)) == ([("a.xlsx", 1, "damaged_file")], ["a1"])


def page(number: int) -> bytes:
    body = "".join(f"<p>The harbour {number} of the city was opened in the spring, part {n}.</p>" for n in range(9))
    title = f"Harbour {number}"
    return f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1>{body}</article></body>".encode()


def record(kind: str, url: str, content: bytes, type: str = "application/http; msgtype=response") -> bytes:
    head = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2026-01-02T03:04:05Z",
        "WARC-Record-ID: <urn:uuid:12345678-1234-1234-1234-123456789abc>",
        f"Content-Type: {type}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content + b"\r\n\r\n"


def response(url: str, body: bytes, status: str = "200 OK", type: str = "text/html; charset=utf-8") -> bytes:
    return record("response", url, f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.warc.bz2"])
def test_warc(make_job: JobMaker, tmp_path: Path, name: str) -> None:
    pytest.importorskip("fastwarc", reason="extra 'warc' is not installed")
    pytest.importorskip("trafilatura", reason="extra 'html' is not installed")
    records = [
        record("warcinfo", "x", b"software: test\r\n", "application/warc-fields"),
        record("request", "https://news.example/1", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        response("https://news.example/1", page(1)),
        response("https://news.example/2", page(2), "404 Not Found"),
        response("https://news.example/3", b"%PDF", type="application/pdf"),
        response("https://news.example/4", b"<html></html>"),
        response("https://news.example/5", b"x" * 20000),
        response("https://news.example/6", page(6)),
        record("conversion", "https://news.example/7", KOREAN.encode(), "text/plain"),
    ]
    press = {"a.warc": bytes, "a.warc.gz": gzip.compress, "a.warc.bz2": bz2.compress}[
        name
    ]  # a record is a member of its own
    (tmp_path / name).write_bytes(b"".join(map(press, records)))
    work = collect(make_job, name, max_row_bytes=10_000, columns={})
    found = rows(work, "articles")
    assert [row["url"] for row in found] == [f"https://news.example/{n}" for n in (1, 6, 7)]
    assert [row["line"] for row in found] == [3, 8, 9] and found[0]["title"] == "Harbour 1"
    wanted = ["http_status", "not_html", "no_article", "row_too_large"]
    assert [reason for _, _, reason in rejected(work)] == wanted
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    if name == "a.warc.bz2":  # whose last 8 kB go with the damage
        assert "(damaged_file 1;" in nothing(make_job, name, columns={})
    else:
        assert rows(collect(make_job, name, columns={}), "articles")
    (tmp_path / name).write_bytes(b"this is none of it")
    assert "(damaged_file 1;" in nothing(make_job, name, columns={})


def test_warc_of_other_crawlers(make_job: JobMaker, tmp_path: Path) -> None:
    """Bodies as they came over the wire, types in capitals or none, a page that would take minutes, a file that is cut."""
    pytest.importorskip("fastwarc", reason="extra 'warc' is not installed")
    pytest.importorskip("trafilatura", reason="extra 'html' is not installed")

    def sent(number: int, headers: str, body: bytes) -> bytes:
        head = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode()
        return record("response", f"https://news.example/{number}", head + body)

    def chunks(body: bytes) -> bytes:
        parts = [body[n : n + 70] for n in range(0, len(body), 70)]
        return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    html = "Content-Type: Text/HTML\r\n"
    records = [
        sent(1, html + "Transfer-Encoding: chunked", chunks(page(1))),
        sent(2, html + "Transfer-Encoding: chunked\r\nContent-Encoding: gzip", chunks(gzip.compress(page(2)))),
        sent(3, html + "Transfer-Encoding: chunked\r\nContent-Encoding: br", page(3)),  # undone, but not said
        sent(4, "Server: none", page(4)),
        sent(5, html, b"<html><body>" + b"<b>" * 200_000),
        sent(6, html, page(6)),
    ]
    (tmp_path / "a.warc").write_bytes(b"".join(records)[:-500])
    work = collect(make_job, "a.warc", columns={})
    body = " ".join(f"The harbour {{}} of the city was opened in the spring, part {n}." for n in range(9))
    assert [row["text"] for row in rows(work, "articles")] == [
        f"Harbour {n} {body.replace('{}', str(n))}" for n in range(1, 5)
    ]
    assert [(line, reason) for _, line, reason in rejected(work)] == [(5, "too_large"), (6, "damaged_file")]


# --- archives ---


def members() -> dict[str, bytes]:
    lines = "".join(json.dumps(article(n)) + "\n" for n in range(3)).encode()
    return {
        "z/first.jsonl": lines,
        "a/second.jsonl.gz": gzip.compress(lines.replace(b'"a', b'"b')),
        "a/copy.jsonl": lines,
        "뉴스/글.txt": KOREAN.encode("cp949"),
        "image.png": b"\x89PNG",
        "__MACOSX/._글.txt": b"x",
        "inner.zip": b"PK",
    }


def write_archive(path: Path) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members().items():
                archive.writestr(name, data)
        return
    modes = {".tar": "w", ".xz": "w:xz", ".tbz2": "w:bz2"}
    with tarfile.open(path, modes.get(path.suffix, "w:gz")) as tar:  # type: ignore[call-overload]
        for name, data in members().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tbz2"])
def test_archives(make_job: JobMaker, tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / name)
    work = collect(make_job, name, encoding="auto")
    assert ids(work) == ["a0", "a1", "a2", "b0", "b1", "b2"]  # a text has no 'body'
    assert rejected(work)[:3] == [(f"{name}!a/copy.jsonl", n, "duplicate_id") for n in (1, 2, 3)]
    before = tree(work.path)
    assert tree(collect(make_job, name, encoding="auto").path) == before  # the fold holds still
    work = collect(make_job, name, encoding="auto", columns={"text": "text"}, format="auto")
    assert [(row["source"], row["text"]) for row in rows(work, "articles")] == [(f"{name}!뉴스/글.txt", KOREAN)]
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 5 + 37])
    if name == "a.tar":  # alone it can be read up to the damage
        assert "damaged_file" in {reason for _, _, reason in rejected(collect(make_job, name, encoding="auto"))}
    else:
        assert "(damaged_file 1;" in nothing(make_job, name, encoding="auto")


def test_an_archive_with_nothing(make_job: JobMaker, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"")
    assert "(nothing_in_archive 1" in nothing(make_job, "a.zip")


def test_names_in_an_archive(make_job: JobMaker, tmp_path: Path) -> None:
    """Nothing is unpacked, so a path that leads out of the folder is a name like others; an archive in one is told."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../../up.jsonl", "/root.jsonl", ".hidden.jsonl", "x/.git/no.jsonl", "more.zip"):
            archive.writestr(name, json.dumps(article(len(name))))
    work = collect(make_job, "a.zip")
    assert [row["source"] for row in rows(work, "articles")] == ["a.zip!../../up.jsonl", "a.zip!/root.jsonl"]
    assert rejected(work) == [("a.zip!more.zip", 1, "archive_in_archive")]


# --- places ---


def test_patterns(make_job: JobMaker, tmp_path: Path) -> None:
    for number, name in enumerate(["a.jsonl", "in/b.jsonl", "in/deep/er/c.jsonl", "in/d.json"]):
        write_jsonl(tmp_path / name, [article(number)])
    assert ids(collect(make_job, "**/*.jsonl")) == ["a0", "a1", "a2"]
    assert ids(collect(make_job, "in")) == ["a1", "a3", "a2"]
    assert ids(collect(make_job, str(tmp_path / "in" / "[bd].json*"))) == ["a1", "a3"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("fsspec.implementations.http", reason="extra 'remote' is not installed")
    (tmp_path / "web").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_files_over_http(make_job: JobMaker, tmp_path: Path, web: str) -> None:
    write_jsonl(tmp_path / "web" / "a.jsonl", [article(1), article(2)])
    pd.DataFrame([article(3)]).to_parquet(tmp_path / "web" / "b.parquet")
    work = collect(make_job, [f"{web}/a.jsonl?signature=topsecret", f"{web}/b.parquet"])
    assert ids(work) == ["a1", "a2", "a3"]
    assert rows(work, "articles")[0]["source"] == f"{web}/a.jsonl"
    for file in work.path.rglob("*"):
        assert not file.is_file() or b"topsecret" not in file.read_bytes()
    with pytest.raises(ConfigError, match=r"sources.0.path: http.*/none.jsonl: no such file"):
        collect(make_job, f"{web}/none.jsonl?signature=topsecret")
    with pytest.raises(InputError, match=r"http://127.0.0.1:1/a.jsonl: cannot be read: ") as caught:
        collect(make_job, "http://127.0.0.1:1/a.jsonl?signature=topsecret")
    assert "\n" not in str(caught.value) and "topsecret" not in str(caught.value)


def test_addresses_that_differ_in_their_query_are_two_files() -> None:
    one, two = (RemoteFile(None, f"https://a.kr/d.jsonl?part={n}", "https", {}) for n in (1, 2))
    assert one.label == two.label and one.part != two.part and "part" not in one.part.replace(one.label, "")


def test_a_server_that_sends_whole_files_only(make_job: JobMaker, tmp_path: Path, web: str) -> None:
    """As `python -m http.server` does; fsspec asks for pieces of 5 MB."""
    write_jsonl(tmp_path / "web" / "a.jsonl", [{"id": n, "body": f"{n} {KOREAN * 100}"} for n in range(1000)])
    with zipfile.ZipFile(tmp_path / "web" / "b.zip", "w") as archive:
        archive.write(tmp_path / "web" / "a.jsonl", "c.jsonl")
    assert (tmp_path / "web" / "a.jsonl").stat().st_size > 6 * 2**20
    for name in ("a.jsonl", "b.zip"):
        assert len(ids(collect(make_job, f"{web}/{name}"))) == 1000


def test_files_of_a_store(make_job: JobMaker) -> None:
    fsspec = pytest.importorskip("fsspec", reason="extra 'remote' is not installed")
    store = fsspec.filesystem("memory")
    for n, name in enumerate(["a.jsonl", "deep/b.jsonl", "deep/c.txt"]):
        store.pipe(f"/bucket/{name}", (json.dumps(article(n)) + "\n").encode())
    try:
        work = collect(make_job, "memory://bucket/**/*.jsonl")
        assert ids(work) == ["a0", "a1"]
        assert rows(work, "articles")[1]["source"] == "memory:///bucket/deep/b.jsonl"
        assert len(ids(collect(make_job, "memory://bucket", columns={"text": "body"}))) == 2
        with pytest.raises(ConfigError, match="no such file"):
            collect(make_job, "memory://bucket/*.csv")
        store.pipe("/bucket/a.jsonl", (json.dumps(article(7)) + "\n").encode())
        assert ids(collect(make_job, "memory://bucket/**/*.jsonl")) == ["a7", "a1"]
    finally:
        store.rm("/bucket", recursive=True)


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "text", "found"),
    [
        ("utf-8", KOREAN, "utf-8"),
        ("utf-8-sig", KOREAN, "utf-8-sig"),
        ("utf-16", KOREAN, "utf-16"),
        ("utf-16-le", '{"id": 1, "body": "x"}', "utf-16-le"),
        ("utf-16-be", '{"id": 1, "body": "서울"}' * 3, "utf-16-be"),
        ("cp949", "a" * 300_000 + KOREAN, "cp949"),
        ("cp949", KOREAN * 9000, "cp949"),
        ("latin-1", "Le café est fermé depuis l'été, où ça ? À Orléans.", "cp1252"),
        ("latin-1", "Die Straße führt über Köln nach München, größer.", "cp1252"),
        ("ascii", "plain", "utf-8"),
        ("cp949", "大韓民國 憲法 第一條" * 9, "cp949"),  # no Hangul, but no Latin letters either
        ("cp949", '{"id": 1, "name": "서울"}', "cp949"),
        ("utf-32", KOREAN, "utf-32"),
        # what is valid CP949 as well, Hangul for the most part
        ("cp932", "首相は新しい経済対策を発表した。" * 3, "cp932"),
        ("euc_jp", "首相は新しい経済対策を発表した。" * 3, "euc_jp"),
        ("gb18030", "总理宣布了新的经济措施，支持地方企业发展。" * 3, "gb18030"),
        ("big5", "總理宣布了新的經濟措施，支持地方企業發展。" * 3, "big5hkscs"),
        ("cp1251", "Президент подписал указ о мерах поддержки экономики. " * 5, "cp1251"),
        ("cp874", "นายกรัฐมนตรีประกาศมาตรการใหม่ " * 5, "cp874"),
    ],
)
def test_guesses(encoding: str, text: str, found: str) -> None:
    assert charsets.guess(io.BytesIO(text.encode(encoding)).read) == found


def test_what_is_broken_or_mixed_makes_no_other_encoding() -> None:
    for encoding in ("utf-8", "cp949"):
        lines = [f"{KOREAN}\n".encode(encoding)] * 90
        assert charsets.guess(io.BytesIO(b"".join([*lines, b"\xff\n", *lines])).read) == encoding
        other = f"{KOREAN}\n".encode("cp949" if encoding == "utf-8" else "utf-8")
        assert charsets.guess(io.BytesIO(b"".join([*lines, *[other] * 20])).read) == encoding


@pytest.mark.parametrize("ending", ["gz", "xz", "bz2", "zst"])
def test_damage_before_the_guess(make_job: JobMaker, tmp_path: Path, ending: str) -> None:
    lines = "".join(json.dumps({"id": n, "body": f"{KOREAN} {n}"}, ensure_ascii=False) + "\n" for n in range(5000))
    press = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstandard.compress}[ending]
    data = press(lines.encode("cp949"))
    write_jsonl(tmp_path / "good.jsonl", [article(1)])
    for cut in (data[:-20], b"none of it"):
        (tmp_path / f"a.jsonl.{ending}").write_bytes(cut)
        work = collect(make_job, [f"a.jsonl.{ending}", "good.jsonl"], encoding="auto")
        assert rejected(work)[-1][2] == "damaged_file" and {reason for _, _, reason in rejected(work)} == {
            "damaged_file"
        }
        assert "a1" in ids(work)
    (tmp_path / f"a.jsonl.{ending}").write_bytes(data)
    assert len(ids(collect(make_job, f"a.jsonl.{ending}", encoding="auto"))) == 5000


def test_the_guess_is_kept(make_job: JobMaker, tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16", "cp949"):
        text = f"id,body\n{encoding},{KOREAN}\n"
        (tmp_path / f"{encoding}.csv").write_bytes(text.encode(encoding))
        lines = json.dumps({"id": f"l-{encoding}", "body": KOREAN}, ensure_ascii=False)
        (tmp_path / f"{encoding}.jsonl").write_bytes((lines + "\n" + lines.replace("l-", "m-")).encode(encoding))
    work = collect(make_job, ["*.csv", "*.jsonl"], encoding="auto")
    assert {row["text"] for row in rows(work, "articles")} == {KOREAN} and len(ids(work)) == 9
    notes = {}
    for file in (work.articles.path / "_units").glob("*.json"):
        notes |= json.loads(file.read_text())["notes"]
    assert notes == {f"{name}.{end}": name for name in ("utf-8", "utf-16", "cp949") for end in ("csv", "jsonl")}
    (tmp_path / "broken.jsonl").write_bytes(
        b"\xff\xfe" + '{"id": 1, "body": "x'.encode("utf-16-le") + b"\x00\xd8\x22\x00}\x00"
    )
    assert "(wrong_encoding 1" in nothing(make_job, "broken.jsonl", encoding="auto")


# --- what each source had ---


def test_each_source_says_what_it_had(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [article(1), article(2), []])
    write_jsonl(tmp_path / "b.jsonl", [article(2)])
    one = {"type": "files", "columns": {"text": "body"}}
    path = make_job(sources=[{**one, "path": "a.jsonl"}, {**one, "path": "b.jsonl"}])
    work = run(path, last="collect")
    found = json.loads(command("status", path, "--json").stdout)["by_source"]
    assert [(row["rows"], row["kept"], row["rejected"]) for row in found] == [
        (3, 2, {"not_an_object": 1}),
        (1, 0, {"duplicate_id": 1}),
    ]
    assert "duplicate_id 1" in command("status", path).stdout
    before = tree(work.path)
    (tmp_path / "b.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"job.yaml: sources.1: files: has no rows; nothing was changed"):
        run(path, last="collect")
    assert set(before) <= set(tree(work.path)) and stage(work, "collect")["kept"] == 2


# --- tables that people hand to a command ---

TABLE = [{"id": "7", "keyphrases": "서울시; 도서관"}, {"id": "8", "keyphrases": "한강"}]


def save_table(path: Path) -> Path:
    """Save TABLE as its ending says, and as programs do in Korea."""
    frame, text = pd.DataFrame(TABLE), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TABLE)
    form = path.name.partition(".")[2]
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "xlsx":
        frame.to_excel(path, index=False)
    elif form == "csv":
        frame.to_csv(path, index=False, encoding="cp949")
    elif form == "csv.gz":
        frame.to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    elif form == "tsv":
        frame.to_csv(path, index=False, sep="\t", encoding="utf-16")
    elif form == "json":
        path.write_text(json.dumps(TABLE, ensure_ascii=False), "utf-16")
    else:
        path.write_bytes(gzip.compress(text.encode()) if form == "jsonl.gz" else text.encode("utf-8-sig"))
    return path


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "json", "csv", "csv.gz", "tsv", "xlsx", "parquet", "txt"])
def test_tables_have_every_form(tmp_path: Path, form: str) -> None:
    found = list(tables.rows(save_table(tmp_path / f"gold.{form}")))
    assert [{name: str(value) for name, value in row.fields.items()} for row in found] == TABLE
    assert found[0].source.endswith(f"gold.{form}") and found[0].line < found[1].line


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("gold.jsonl", b'{"id": 1}\n{"id": ', "gold.jsonl: row 2: not JSON"),
        ("gold.jsonl", b"[1, 2]\n", "gold.jsonl: row 1: a JSON list"),
        ("gold.csv", b'id,gold\n1,"a\n', "gold.csv: row 2: not CSV"),
        ("gold.csv", b"id,gold\n1\n", "gold.csv: row 2: 1 values for 2 columns"),
        ("gold.csv.gz", gzip.compress(b"id,gold\n" + bytes(range(256)) * 99, mtime=0)[:60], "gold.csv.gz: "),
        ("gold.xlsx", b"none of it", "gold.xlsx: row 1: not readable as .xlsx"),
        ("gold.parquet", b"none of it", "gold.parquet: row 1: not readable as Parquet"),
    ],
)
def test_a_table_with_a_hole_is_an_error(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as error:
        list(tables.rows(tmp_path / name))
    assert message in str(error.value)


def test_no_table() -> None:
    with pytest.raises(InputError, match=r"nowhere.csv: .* not there"):
        list(tables.rows(Path("nowhere.csv")))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_of_a_csv_is_seen_in_its_header(make_job: JobMaker, tmp_path: Path, separator: str) -> None:
    cells = [["id", '"the; one, title"', "body"], ["1", "x", f'"{KOREAN}; a, b\tc"']]
    (tmp_path / "a.csv").write_text("\n".join(separator.join(line) for line in cells), "utf-8")
    [row] = rows(collect(make_job, "a.csv"), "articles")
    assert (row["id"], row["text"]) == ("1", f"{KOREAN}; a, b c")
