"""Odd files and pages, by the kind of fault: what can be read is read, the fault is one row with its reason, nothing is lost."""

from __future__ import annotations

import json
import logging
import tracemalloc
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.collect import charsets
from pipeline.collect.reading import delimited
from pipeline.collect.reading.items import InputItem, ReadOptions
from pipeline.core.errors import InputError
from pipeline.core.types import BadRow, RawRow
from tests.conftest import SHARED, JobMaker, command, rows, run

KOREAN = "정부는 이날 오전 예산안을 발표했다. 한국은행은 금리를 올리기로 했다고 밝혔다. 시민단체는 즉각 반발했다."
FRENCH = "Le café est fermé depuis l'été dernier, où la mairie a décidé de rénover la façade du bâtiment à Orléans."
JAPANESE = "首相は新しい経済対策を発表した。" * 4
RUSSIAN = "Президент подписал указ о мерах поддержки экономики и малых предприятий в регионах страны."


def collected(make_job: JobMaker, source: dict[str, Any]) -> Any:
    return run(make_job(sources=[{"type": "files", **source}]), last="collect")


def kept(work: Any) -> dict[str, str]:
    return {row["id"]: row["text"] for row in rows(work, "articles")}


def rejected(work: Any) -> list[tuple[str, int, str]]:
    return [(row["source"], row["line"], row["reason"]) for row in rows(work, "articles", rejected=True)]


def page(body: str | bytes, head: str = "", encoding: str = "utf-8") -> bytes:
    inside = body.encode(encoding) if isinstance(body, str) else body
    return (
        f"<!DOCTYPE html><html><head>{head}<title>A</title></head><body><article>".encode()
        + inside
        + b"</article></body></html>"
    )


# --- encodings ---

_FOREIGN = {
    "an advertisement in EUC-KR": "오늘의 특가 상품을 지금 확인하세요".encode("cp949"),
    "an emoji of two surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "a line in Latin-1": "Où est passé l'été ? À Orléans, déjà.".encode("latin-1"),
    "a character that is cut": "가".encode()[:2],
}


@pytest.mark.parametrize("name", _FOREIGN)
@pytest.mark.parametrize(
    ("meta", "header"), [('<meta charset="utf-8">', None), ("", "utf-8"), ("", None), ("", "iso-8859-1")]
)
def test_foreign_bytes_make_no_page_of_another_encoding(name: str, meta: str, header: str | None) -> None:
    extract = pytest.importorskip("pipeline.collect.html.extract")
    paragraphs = "".join(f"<p>{KOREAN} {number}</p>" for number in range(6)).encode()
    whole = page(paragraphs + b"<p>" + _FOREIGN[name] + f" {KOREAN}</p>".encode(), meta)
    read = extract.extract(whole, "https://news.example/1", header)
    assert (read.reason, read.encoding) == (None, "utf-8")
    assert read.text.count(KOREAN) == 7 and "\ufffd" in read.text
    assert any(note.startswith("undecodable: ") and str(read.unread) in note for note in read.notes())
    assert extract.extract(page(paragraphs, meta), "https://news.example/1", header).unread == 0


def test_a_page_of_the_other_kind_keeps_its_encoding() -> None:
    """Mostly EUC-KR, with an advertisement in UTF-8: by its label, for it names none other."""
    body = (
        page(f"<p>{KOREAN}</p>" * 6, '<meta charset="euc-kr">', "cp949") + "오늘의 특가 상품을 지금 확인하세요".encode()
    )
    text, encoding = charsets.decode(body, None)
    assert encoding == "cp949" and text.count(KOREAN) == 6


def test_a_page_in_no_known_encoding_is_rejected() -> None:
    """Two bytes a character, by a table that nobody has: it is no Latin text because nothing else fits."""
    extract = pytest.importorskip("pipeline.collect.html.extract")
    table = bytes.maketrans(bytes(range(128, 256)), bytes(128 + (number * 37 + 11) % 128 for number in range(128)))
    for meta in ("", '<meta charset="utf-8">'):
        read = extract.extract(page(f"<p>{KOREAN}</p>".encode().translate(table) * 9, meta), "https://news.example/1")
        assert (read.reason, read.text) == ("undecodable", "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (KOREAN, "utf-8"),
        (KOREAN, "cp949"),
        (FRENCH, "utf-8"),
        (RUSSIAN, "utf-8"),
        ("首相は新しい経済対策を発表した。" * 4, "cp932"),
    ],
)
@pytest.mark.parametrize("misread", ["latin-1", "cp1252"])
def test_mojibake_is_a_reason_of_its_own(
    make_job: JobMaker, tmp_path: Path, text: str, encoding: str, misread: str
) -> None:
    data = text.encode(encoding)
    garbled = "".join(bytes([byte]).decode(misread, "replace").replace("\ufffd", chr(byte)) for byte in data)
    quotes = f"Its name is Ãngel, says â€œthe paperâ€™sâ€ editor; {'a long English text about a quay. ' * 9}"
    fine = [KOREAN, FRENCH, RUSSIAN, quotes]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in [garbled, *fine]))
    work = collected(make_job, {"path": "a.jsonl"})
    assert rejected(work) == [("a.jsonl", 1, "mojibake")]
    assert len(kept(work)) == len(fine)


def test_real_texts_are_no_mojibake() -> None:
    if not SHARED.exists():
        pytest.skip(f"the shared data are not at {SHARED}")
    import gzip

    for name in ("news-en", "news-fr", "news-ko", "language-sentences"):
        with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            assert not [text for line in file if charsets.mojibake(text := json.loads(line)["text"])]


# --- CSV ---

LINE = "The government published the budget plan on Monday and the central bank raised its rates"


def csv_of(count: int, open_quote: int) -> str:
    lines = [f"{n},t{n},{LINE} {n}" for n in range(1, count + 1)]
    lines[open_quote] = f'{open_quote + 1},t,"open quote {LINE}'
    return "id,title,text\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("limit", [10_000_000, 3000])
def test_every_line_that_an_open_quote_swallows_is_counted(make_job: JobMaker, tmp_path: Path, limit: int) -> None:
    (tmp_path / "a.csv").write_text(csv_of(1000, 1))
    work = collected(make_job, {"path": "a.csv", "max_row_bytes": limit})
    assert list(kept(work)) == ["1"]
    out = rows(work, "articles", rejected=True)
    assert [(row["line"], row["reason"]) for row in out] == [(line, "torn_line") for line in range(3, 1002)]
    assert "lines 3-1001" in out[0]["detail"] and all("line 3" in row["detail"] for row in out[1:])


def test_a_quote_that_closes_late_costs_what_it_swallows(make_job: JobMaker, tmp_path: Path) -> None:
    text = csv_of(9, 2).replace("\n7,t7,", '\n7,"t,7",')
    (tmp_path / "a.csv").write_text(text)
    work = collected(make_job, {"path": "a.csv"})
    assert list(kept(work)) == ["1", "2", "8", "9"]
    assert rejected(work) == [("a.csv", line, "torn_line") for line in range(4, 9)]


@pytest.mark.slow
def test_a_row_of_csv_is_never_held_beyond_its_limit(tmp_path: Path) -> None:
    """Whether it is one line, lines in a quote that is never closed, or a quote that is."""
    long = f"{LINE}\n" * 90_000
    for number, body in enumerate([f"1,{'x' * 8_000_000}\n2,b\n", f'1,"a\n{long}', f'1,"{long}"\n2,b\n']):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"id,text\n{body}")
        item = InputItem(path.name, path.name, lambda path=path: path.open("rb"))  # type: ignore[misc]
        options = ReadOptions("utf-8", 100_000, None, {}, lambda pages: iter(()))
        tracemalloc.start()
        [last] = deque(delimited.read(item, options), maxlen=1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000
        assert isinstance(last, BadRow if number == 1 else RawRow), number


def test_line_ends_of_a_mac_with_others_within_cells(make_job: JobMaker, tmp_path: Path) -> None:
    lines = ["id,title,text", '1,t,"two\nlines of it"', "2,t,hello there"]
    (tmp_path / "mac.csv").write_bytes("\r".join(lines).encode())
    work = run(make_job(sources=[{"type": "files", "path": "mac.csv"}]), last="collect")
    assert [row["id"] for row in rows(work, "articles")] == ["1", "2"] and rows(work, "articles", rejected=True) == []


@pytest.mark.parametrize(("ends", "bare"), [("\n", "\r"), ("\r\n", "\r"), ("\r", " ")])
def test_line_ends_are_those_of_the_file(make_job: JobMaker, tmp_path: Path, ends: str, bare: str) -> None:
    lines = ["id,title,text", f"1,t,foo{bare} bar", f'2,"a ""t""{bare}",hello there']
    (tmp_path / "a.csv").write_bytes(ends.join(lines).encode())
    assert kept(collected(make_job, {"path": "a.csv"})) == {"1": "t foo bar", "2": 'a "t" hello there'}


def test_two_columns_of_one_name(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,note,text,text,note\n1,x,one,two,y\n2,x,one,one,y\n3,x,,two,y\n")
    work = collected(make_job, {"path": "a.csv"})
    assert kept(work) == {"2": "one", "3": "two"}
    assert rejected(work) == [("a.csv", 2, "duplicate_column")]


def test_two_columns_of_one_name_in_excel(make_job: JobMaker, tmp_path: Path) -> None:
    book = pytest.importorskip("openpyxl").Workbook()
    lines = [
        ["id", "text", "text", None],
        [1, "one", "two"],
        [2, "one"],
        [3, "a_x000D_\nb_x005F_x000D_", None],
        [4, "#N/A"],
    ]
    for values in lines:
        book.active.append(values)
    book.save(tmp_path / "a.xlsx")
    work = collected(make_job, {"path": "a.xlsx"})
    assert kept(work) == {"2": "one", "3": "a b_x000D_"}
    assert rejected(work) == [("a.xlsx", 2, "duplicate_column"), ("a.xlsx", 5, "none_text")]


def test_what_excel_shows_without_a_result_is_no_id_and_no_title(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,text\n#N/A,#REF!,one\n#N/A,t,two\n")
    work = collected(make_job, {"path": "a.csv"})
    assert sorted(kept(work).values()) == ["one", "t two"] and not rejected(work)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_csv_in_utf16(make_job: JobMaker, tmp_path: Path, encoding: str, mark: str) -> None:
    (tmp_path / "a.csv").write_bytes(f'{mark}id,title,text\n1,제목,{KOREAN}\n2,t,"plain, English"\n'.encode(encoding))
    assert kept(collected(make_job, {"path": "a.csv"})) == {"1": f"제목 {KOREAN}", "2": "t plain, English"}


@pytest.mark.parametrize("delimiter", ["|", ";", "\x01"])
def test_a_delimiter_may_be_given(make_job: JobMaker, tmp_path: Path, delimiter: str) -> None:
    lines = (["id", "a,b", "text"], ["1", "x,y,z", "one, two three"])
    (tmp_path / "a.csv").write_text("\n".join(map(delimiter.join, lines)))
    assert kept(collected(make_job, {"path": "a.csv", "delimiter": delimiter})) == {"1": "one, two three"}


def test_nul_characters_go_and_are_told_of(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,title,text\n1,t\0t,foo\0 bar baz, and more\n".replace(b", and", b" and"))
    (tmp_path / "b.jsonl").write_text(
        '{"id": 2, "text": "a\\u0000b and more"}\n{"id": 3, "text": "a\\u0000b\\u0000c\\u0000"}\n'
    )
    work = collected(make_job, {"path": ["a.csv", "b.jsonl"]})
    assert kept(work) == {"1": "tt foo bar baz and more", "2": "ab and more"}
    assert [row["notes"] for row in rows(work, "articles")] == [
        ["removed 2 NUL characters"],
        ["removed 1 NUL characters"],
    ]
    assert rejected(work) == [("b.jsonl", 2, "wrong_encoding")]


# --- fields ---


def test_fields_within_fields(make_job: JobMaker, tmp_path: Path) -> None:
    nested = [
        {"meta": {"id": 1}, "data": {"body": "one", "parts": [{"title": "t"}]}},
        {"meta": {"id": 2}, "data": {"body": None, "parts": []}},
        {"meta": {"id": 3}, "data": "no object", "data.body": "a column of that name"},
        {"meta": {"id": 4}, "data": {"other": "x"}},
    ]
    columns = {"id": "meta.id", "text": "data.body", "title": "data.parts.0.title"}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in nested))
    work = collected(make_job, {"path": "a.jsonl", "columns": columns})
    assert kept(work) == {"1": "t one", "3": "a column of that name"}
    assert rejected(work) == [("a.jsonl", 2, "missing_text"), ("a.jsonl", 4, "missing_text")]
    pq.write_table(pa.Table.from_pylist(nested[:2]), tmp_path / "a.parquet")
    assert kept(collected(make_job, {"path": "a.parquet", "columns": columns})) == {"1": "t one"}
    with pytest.raises(InputError, match=r"columns.id: no row has 'meta.ID'"):
        collected(make_job, {"path": "a.jsonl", "columns": {**columns, "id": "meta.ID"}})


def test_a_title_stands_once_at_the_head_of_the_text(make_job: JobMaker, tmp_path: Path) -> None:
    made = [
        {"id": 1, "title": "Harbour opens", "text": "Harbour opens\n\nThe harbour opened."},
        {"id": 2, "title": "서울시", "text": "서울시가 문을 열었다."},
        {"id": 3, "title": "Harbour", "text": "The Harbour opened."},
        {"id": 4, "title": " Rates  rise ", "text": "Rates rise."},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    work = collected(make_job, {"path": "a.jsonl"})
    assert kept(work) == {
        "1": "Harbour opens The harbour opened.", "2": "서울시 서울시가 문을 열었다.", "3": "Harbour The Harbour opened.",
        "4": "Rates rise.",
    }  # fmt: skip
    assert [row["notes"] for row in rows(work, "articles")] == [
        ["removed title: Harbour opens"],
        [],
        [],
        ["removed title: Rates rise"],
    ]


@pytest.mark.parametrize("limit", [400, 10_000_000])
@pytest.mark.parametrize(
    ("wide", "reason"),
    [
        ('4,t,a pipe of 5" and more ' + "x" * 500, "row_too_large"),  # a quote within a value opens none
        ('4,t,"a value that opens ' + "x" * 500, "torn_line"),
        ('4,t,"a value of two lines\n and ""quotes"" ' + "x" * 500 + '"', "row_too_large"),
    ],
    ids=["lone quote", "open quote", "lines in quotes"],
)
def test_a_row_that_is_too_long_takes_no_other_with_it(
    make_job: JobMaker, tmp_path: Path, limit: int, wide: str, reason: str
) -> None:
    lines = ["id,title,text", *(f"{n},t,{LINE} {n}" for n in range(1, 4)), wide]
    lines += [f'{n},t,"{LINE} {n}"' for n in range(5, 9)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    work = collected(make_job, {"path": "a.csv", "max_row_bytes": limit})
    out = rejected(work)
    if reason == "row_too_large":
        assert out == ([("a.csv", 5, reason)] if limit == 400 else [])
        assert [*kept(work)] == ["1", "2", "3", *(["4"] if limit > 400 else []), "5", "6", "7", "8"]
    else:  # it ends where the next quote opens a value, and each line is told of
        assert out == [("a.csv", 5, reason), ("a.csv", 6, reason)]
        assert [*kept(work)] == ["1", "2", "3", "6", "7", "8"]


@pytest.mark.parametrize("at", range(60))
def test_two_quotes_for_one_are_one_wherever_a_piece_of_text_ends(tmp_path: Path, at: int) -> None:
    """A row that is too long is read on in pieces; the limit cuts it anywhere."""
    long = f'1,"{"x" * 40}""y"",\n""z{"w" * 40}"'
    (tmp_path / "a.csv").write_text(f"id,text\n{long}\n2,b\n")
    item = InputItem("a.csv", "a.csv", lambda: (tmp_path / "a.csv").open("rb"))
    found = list(delimited.read(item, ReadOptions("utf-8", 10 + at, None, {}, lambda pages: iter(()))))
    assert [(row.line, getattr(row, "reason", "")) for row in found] == [(2, "row_too_large"), (4, "")]


# --- archives, sheets ---


def test_a_member_of_an_archive_that_lacks_a_column_is_named(
    make_job: JobMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("one.csv", f"key,text\nk1,{LINE} 1\nk2,{LINE} 2\n")
        archive.writestr("two.csv", f"text,other\n{LINE} 3,x\n")
        archive.writestr("three.csv", f"key,text\nk4,{LINE} 4\n")
    with caplog.at_level(logging.WARNING, logger="labelmill"):
        work = collected(make_job, {"path": "all.zip", "columns": {"id": "key"}})
    assert len(kept(work)) == 4
    [line] = [record.getMessage() for record in caplog.records if "columns.id" in record.getMessage()]
    assert "no row of all.zip!two.csv has 'key', so ids are made of the text; other files have it" in line


def test_a_review_sheet_among_the_articles_is_none_of_them(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(f"id,title,text\n1,t,{LINE}\n")
    path = make_job(sources=[{"type": "files", "path": "in/*.csv"}])
    work = run(path, last="clean")
    sheet = tmp_path / "in" / "sheet.csv"
    assert command("review", path, "--export", sheet).returncode == 0
    before = kept(work)
    assert command("collect", path).returncode == 0
    assert kept(work) == before and rejected(work) == [("in/sheet.csv", 2, "review_sheet")]
