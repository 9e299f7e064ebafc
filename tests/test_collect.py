"""Collect: every row of every kind of file is an article or a rejected row with file, line and reason."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import zstandard

from pipeline import runner
from pipeline.collect import dropping, units
from pipeline.collect.sources import files
from pipeline.collect.to_article import to_article
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.types import Article, BadRow, RawRow
from pipeline.job.config import SourceOptions
from tests.conftest import JobMaker, article, command, rows, run, stage, tree, work_of, write_jsonl


def collect(path: Path, *overrides: str) -> Any:
    return run(path, *overrides, last="collect")


def reasons(work: Any) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in rows(work, "articles", rejected=True)}


def test_bad_lines_cost_only_themselves(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([])
    lines = [
        json.dumps(article(1)).encode(),
        b'{"id": "torn", "body": "cut he',
        b"[1, 2]",
        b'{"id": "bytes", "body": "caf\xe9 au lait"}',
        b'{"id": "half", "body": "a lone \\ud800 surrogate"}',
        b'{"id": "null", "body": null}',
        b'{"id": "blank", "body": " \\n\\t "}',
        b'{"id": "none", "body": "None"}',
        b'{"id": "list", "body": ["a"]}',
        b'{"id": {"a": 1}, "body": "an id that is no text"}',
        b'{"body_": "no such key", "id": "absent"}',
        b"",
        b'{"id": "giant", "body": "' + b"x" * 3000 + b'"}',
        json.dumps(article(2)).encode(),
    ]
    (tmp_path / "articles.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    work = collect(path, "sources.0.max_row_bytes=2000", "sources.0.encoding=utf-8")
    assert [row["id"] for row in rows(work, "articles")] == ["a1", "a2"]
    assert reasons(work) == {
        "articles.jsonl:2": "torn_line",
        "articles.jsonl:3": "not_an_object",
        "articles.jsonl:4": "wrong_encoding",
        "half": "wrong_encoding",
        "null": "missing_text",
        "blank": "empty_text",
        "none": "none_text",
        "list": "text_not_text",
        "articles.jsonl:10": "bad_id",
        "absent": "missing_text",
        "articles.jsonl:13": "row_too_large",
    }
    assert all(row["source"] == "articles.jsonl" and row["line"] > 0 for row in rows(work, "articles", rejected=True))
    status = stage(work, "collect")
    assert status["rows"] == 13 == status["kept"] + sum(status["rejected"].values())


def test_the_earliest_of_several_rows_with_an_id_stays(make_job: JobMaker) -> None:
    same, other = article(1), {**article(1), "body": "Something else happened in the city this year."}
    work = collect(make_job([article(0), same, dict(same), other, article(2)]))
    assert [row["id"] for row in rows(work, "articles")] == ["a0", "a1", "a2"]
    rejected = rows(work, "articles", rejected=True)
    assert [(row["id"], row["line"], row["reason"]) for row in rejected] == [
        ("a1", 3, "duplicate_id"),
        ("a1", 4, "id_conflict"),
    ]
    assert "articles.jsonl:2" in rejected[0]["detail"]


def test_files_come_change_and_go(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job(sources=[{"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}])
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(1), article(2)])
    write_jsonl(tmp_path / "in" / "c.jsonl", [article(2), article(3)])
    work = collect(path)
    assert [row["id"] for row in rows(work, "articles")] == ["a1", "a2", "a3"]
    before = tree(work.path)

    write_jsonl(tmp_path / "in" / "a.jsonl", [article(3)])  # earlier in source order: takes the id over
    work = collect(path)
    assert [(row["id"], row["source"]) for row in rows(work, "articles")] == [
        ("a3", "in/a.jsonl"),
        ("a1", "in/b.jsonl"),
        ("a2", "in/b.jsonl"),
    ]
    (tmp_path / "in" / "a.jsonl").unlink()
    work = collect(path)
    assert tree(work.path) == before  # the row came back, byte for byte
    changes = json.loads((work.articles.path / "_changes.json").read_text())
    assert changes["vanished"] == 1

    write_jsonl(tmp_path / "in" / "b.jsonl", [article(9)])
    work = collect(path)
    assert [row["id"] for row in rows(work, "articles")] == ["a9", "a2", "a3"]


def test_an_unchanged_file_is_not_read_again(make_job: JobMaker) -> None:
    path = make_job([article(1), article(2)])
    work = collect(path)
    state = {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")}
    collect(path)
    assert {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")} == state


def test_every_format_gives_the_same_articles(make_job: JobMaker, tmp_path: Path) -> None:
    data = [{**article(n), "url": f"https://news.example/{n}", "published_at": "2026-01-02"} for n in range(5)]
    text = "".join(json.dumps(row) + "\n" for row in data).encode()
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(text))
    frame = pd.DataFrame(data)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    seen = []
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.tsv", "a.parquet"):
        work = collect(make_job(name=name, sources=[{"type": "files", "path": name, "columns": {"text": "body"}}]))
        found = rows(work, "articles")
        assert len(found) == 5, name
        seen.append(
            [{k: row[k] for k in ("id", "title", "text", "url", "published_at", "text_sha256")} for row in found]
        )
    assert all(other == seen[0] for other in seen)
    assert seen[0][0]["text"] == f"{data[0]['title']} {data[0]['body']}"


def test_damaged_files_keep_what_could_be_read(make_job: JobMaker, tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(article(n, 400)) + "\n" for n in range(500)).encode())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "no.parquet").write_bytes(b"PAR1 this is none")
    (tmp_path / "in" / "ok.jsonl").write_text(json.dumps(article(900)) + "\n")
    work = collect(make_job(sources=[{"type": "files", "path": "in", "columns": {"text": "body"}}]))
    kept = rows(work, "articles")
    assert 0 < len(kept) < 500
    assert kept[-1]["id"] == "a900"
    assert set(stage(work, "collect")["rejected"]) <= {"damaged_file", "torn_line"}
    assert {row["source"] for row in rows(work, "articles", rejected=True)} == {"in/cut.jsonl.gz", "in/no.parquet"}


def test_csv_with_an_open_quote_is_rejected_and_said(make_job: JobMaker, tmp_path: Path) -> None:
    good = "The harbour of the city was opened to the public."
    (tmp_path / "a.csv").write_text(
        f'id,title,body\n1,One,"{good}"\n2,"Two,{good}\n3,"Three",{good}\n4,Four,{good}\n5,Five\n6,Six,{good}\n'
    )
    work = collect(make_job(sources=[{"type": "files", "path": "a.csv", "columns": {"text": "body"}}]))
    assert [row["id"] for row in rows(work, "articles")] == ["1", "4", "6"]
    assert {row["reason"] for row in rows(work, "articles", rejected=True)} == {"torn_line", "wrong_column_count"}
    assert any("lines 3-4" in row["detail"] for row in rows(work, "articles", rejected=True))


KOREAN = "서울시가 새로운 도서관을 열었다고 밝혔다"


def test_other_encodings_are_seen_or_named(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"id,body\n1,{KOREAN}\n".encode("cp949"))
    source = {"type": "files", "path": "a.csv", "columns": {"text": "body"}}
    with pytest.raises(InputError, match=r"sources.0: files: none of its 1 rows is an article \(wrong_encoding 1"):
        collect(make_job(sources=[{**source, "encoding": "utf-8"}]))
    for given in ({"encoding": "cp949"}, {}):
        work = collect(make_job(sources=[{**source, **given}]))
        assert rows(work, "articles")[0]["text"] == KOREAN
    assert json.loads(command("status", work.config.file, "--json").stdout)["by_source"][0]["encodings"] == {"cp949": 1}
    (tmp_path / "a.csv").write_text(f"id,body\n1,{KOREAN}\n", "utf-16")
    assert rows(collect(work.config.file), "articles")[0]["text"] == KOREAN


def test_what_was_read_as_utf_8_stays_though_encodings_are_guessed_now(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, rows_of_file in (("a", [article(1)]), ("b", [article(2)])):
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", rows_of_file)
    with (tmp_path / "in" / "a.jsonl").open("ab") as file:
        file.write(f'{{"id": "old", "body": "{KOREAN * 40}"}}\n'.encode("cp949"))
    path = make_job(sources=[{"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}])
    with monkeypatch.context() as before:  # the program as it was
        before.setattr(files.Options, "for_new_units", lambda options: options)
        work = collect(path)
    assert [row["id"] for row in rows(work, "articles")] == ["a1", "a2"]
    shards = {file: file.stat().st_mtime_ns for file in work.articles.path.glob("*.parquet")}
    assert runner.states(work)["collect"] == "done"
    assert {file: file.stat().st_mtime_ns for file in collect(path).articles.path.glob("*.parquet")} == shards
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(1), article(2)])  # read again, for a row has a.jsonl's id
    write_jsonl(tmp_path / "in" / "c.jsonl", [])
    (tmp_path / "in" / "c.jsonl").write_bytes(f'{{"id": "new", "body": "{KOREAN}"}}\n'.encode("cp949"))
    work = collect(path)
    assert [row["id"] for row in rows(work, "articles")] == ["a1", "a2", "new"]
    taken = command("takedown", path, "--id", "a1")
    assert taken.returncode == 0, taken.stderr
    work = collect(path)  # a.jsonl is read again, as before
    assert [row["id"] for row in rows(work, "articles")] == ["a2", "new"]
    assert sorted(row["reason"] for row in rows(work, "articles", rejected=True)) == [
        "taken_down",
        "taken_down",
        "wrong_encoding",
    ]
    assert runner.states(work)["collect"] == "done"


def test_shards_are_named_as_their_files_are(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "사회면.jsonl"
    names = ["뉴스 기사.jsonl", "_draft.jsonl", ".hidden.jsonl", "été-2026.csv", "plain_1.jsonl", "….jsonl"]
    write_jsonl(tmp_path / "in" / old, [article(0)])
    path = make_job(sources=[{"type": "files", "path": f"in/{name}", "columns": {"text": "body"}} for name in [old]])
    with monkeypatch.context() as before:  # the program as it was
        before.setattr(files, "_slug", files._ascii_slug)
        known = shards(collect(path))
    assert [name[:4] for name in known] == ["----"]
    for number, name in enumerate(names, 1):
        if name.endswith("csv"):
            pd.DataFrame([article(number)]).to_csv(tmp_path / "in" / name, index=False)
        else:
            write_jsonl(tmp_path / "in" / name, [article(number)])
    sources = [{"type": "files", "path": f"in/{name}", "columns": {"text": "body"}} for name in [old, *names]]
    work = collect(make_job(sources=sources))
    made = shards(work)
    assert made[0] == known[0]
    assert [name[:-15] for name in made[1:]] == ["뉴스-기사", "draft", "hidden", "été-2026", "plain_1", "file"]
    assert sorted(pd.read_parquet(work.articles.path)["id"]) == [f"a{n}" for n in range(7)]
    assert shards(collect(work.config.file)) == made and runner.states(work)["collect"] == "done"


def shards(work: Any) -> list[str]:
    return json.loads((work.articles.path / "_order.json").read_text("utf-8"))


def test_text_folders_change_by_groups(make_job: JobMaker, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for n in range(600):
        (folder / f"{n:04d}.txt").write_text(f"Article number {n} about the harbour.\n\nIt has  two paragraphs.\n")
    (folder / "0600.txt").write_bytes(b"\xff\xfe\xff")
    path = make_job(sources=[{"type": "files", "path": "texts"}])
    work = collect(path)
    found = rows(work, "articles")
    assert len(found) == 600
    assert found[7]["text"] == "Article number 7 about the harbour. It has two paragraphs."
    assert found[7]["id"].startswith("text-")
    assert stage(work, "collect")["rejected"] == {"wrong_encoding": 1}
    before = {file: file.stat().st_mtime_ns for file in work.articles.path.glob("*.parquet")}
    assert len(before) > 1
    (folder / "0300a.txt").write_text("One more article in the middle.")
    work = collect(path)
    assert len(rows(work, "articles")) == 601
    after = {file: file.stat().st_mtime_ns for file in work.articles.path.glob("*.parquet")}
    assert sum(before.get(file) != time for file, time in after.items()) <= 2


def test_html_pages(make_job: JobMaker, tmp_path: Path) -> None:
    pytest.importorskip("trafilatura", reason="extra 'html' is not installed")
    body = "".join(
        f"<p>The harbour of the city was opened to the public in the spring, part {n}.</p>" for n in range(9)
    )
    page = (
        f"<html><head><title>Harbour opens</title></head><body><article><h1>Harbour opens</h1>{body}</article></body>"
    )
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.html.gz").write_bytes(gzip.compress(page.encode()))
    (tmp_path / "pages" / "b.html").write_bytes(b"")
    work = collect(make_job(sources=[{"type": "files", "path": "pages/*"}]))
    assert "part 8" in rows(work, "articles")[0]["text"]
    assert stage(work, "collect")["rejected"] == {"not_html": 1}


@pytest.mark.parametrize("path", ["nothing/*.jsonl", "article.jsonl"])
def test_a_source_that_is_not_there(make_job: JobMaker, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        collect(make_job([article(1)], sources=[{"type": "files", "path": path}]))
    assert f"job.yaml: sources.0.path: '{path}'" in str(caught.value) and "no such file" in str(caught.value)
    assert ("did you mean 'articles.jsonl'" in str(caught.value)) == (path == "article.jsonl")


def mapped(**fields: Any) -> Article | BadRow:
    return to_article(RawRow("x.jsonl", 1, fields), SourceOptions(type="files", licence="CC0"))


def test_ids_are_made_of_the_address_else_of_the_content() -> None:
    with_url, without = mapped(text="A text.", url="https://news.example/1"), mapped(text="A text.")
    assert isinstance(with_url, Article) and with_url.id.startswith("url-")
    assert isinstance(without, Article) and without.id == f"text-{without.text_sha256[:16]}"
    for given, wanted in ((7, "7"), (7.0, "7"), (" x ", "x"), ("", without.id), (float("nan"), without.id)):
        row = mapped(text="A text.", id=given)
        assert isinstance(row, Article) and row.id == wanted


def test_white_space_is_folded_and_nothing_else() -> None:
    row = mapped(title=" A\u00a0 title ", text="One\r\n\r\ntwo\t　three — “four” [서울=뉴스] 1,000만원 ")
    assert isinstance(row, Article)
    assert row.text == "A title One two three — “four” [서울=뉴스] 1,000만원"
    assert (row.title, row.licence, row.source, row.line) == ("A title", "CC0", "x.jsonl", 1)


def test_file_names_that_are_no_utf8(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with open(bytes(tmp_path / "in") + b"/caf\xe9.jsonl", "w") as file:  # noqa: PTH123
        file.write(json.dumps(article(1)) + "\n[]\n")
    work = collect(make_job(sources=[{"type": "files", "path": "in", "columns": {"text": "body"}}]))
    assert rows(work, "articles")[0]["source"] == r"in/caf\xe9.jsonl"
    assert [row["id"] for row in rows(work, "articles", rejected=True)] == [r"in/caf\xe9.jsonl:2"]


def test_columns_that_are_not_there_are_named_with_those_that_are(make_job: JobMaker, tmp_path: Path) -> None:
    pd.DataFrame({"headline": ["a"], "content": ["b"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"missing_text 1; no 'body'; the row has: headline, content"):
        collect(make_job(sources=[{"type": "files", "path": "a.parquet", "columns": {"text": "body"}}]))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "xlsx"])
@pytest.mark.parametrize(("name", "column"), [("id", "idd"), ("title", "titel"), ("url", "adress")])
def test_a_misspelt_column_is_an_error_whatever_it_is(
    make_job: JobMaker, tmp_path: Path, ending: str, name: str, column: str
) -> None:
    data = [{**article(n), "address": f"https://news.example/{n}"} for n in range(3)]
    frame = pd.DataFrame(data)
    write_jsonl(tmp_path / "기사.jsonl", data)
    frame.to_csv(tmp_path / "기사.csv", index=False, encoding="cp949")
    frame.to_parquet(tmp_path / "기사.parquet")
    frame.to_excel(tmp_path / "기사.xlsx", index=False)
    source = {"type": "files", "path": f"기사.{ending}", "encoding": "auto", "columns": {"text": "body", name: column}}
    path = make_job(sources=[source])
    right = {"idd": "id", "titel": "title", "adress": "address"}[column]
    with pytest.raises(InputError) as caught:
        collect(path)
    assert str(caught.value) == (
        f"{path}: sources.0: files: columns.{name}: no row has {column!r} (did you mean {right!r}?); the row has: id, "
        "title, body, address"
    )
    with pytest.raises(InputError):  # nothing was read anew, and it is said again
        collect(path)
    work = collect(path, f"sources.0.columns.{name}={right}")
    assert [row["id"] for row in rows(work, "articles")] == ["a0", "a1", "a2"]


def test_a_column_that_some_rows_have_is_there(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in" / "a.jsonl", [article(1), {**article(2), "link": "https://news.example/2"}])
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(3)])
    (tmp_path / "in" / "c.jsonl").write_text("{torn\n")
    work = collect(
        make_job(sources=[{"type": "files", "path": "in/*", "columns": {"text": "body", "url": "link", "id": "id"}}])
    )
    assert [row["url"] for row in rows(work, "articles")] == [None, "https://news.example/2", None]


def test_a_preview_names_columns_that_its_rows_do_not_have(make_job: JobMaker) -> None:
    path = make_job([article(1), article(2)])
    looked = command("collect", path, "--preview", "1", "--set", "sources.0.columns.id=nr")
    assert looked.returncode == 0
    assert "sources.0: columns.id: none of these rows has 'nr'; the row has: id, title, body" in looked.stderr
    assert not command("collect", path, "--preview", "1").stderr


def test_files_that_alone_lack_a_named_column_are_told_of_once_a_source(make_job: JobMaker, tmp_path: Path) -> None:
    for name, column in (("a", "nr"), ("b", "number"), ("ㄷ", "id"), ("d", "nr")):
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", [{column: name, "body": f"Text of {name}.", "kop": name}])
    write_jsonl(tmp_path / "in" / "e.jsonl", [{"number": "e"}])  # without an article: each of its rows says why
    columns = {"text": "body", "id": "nr", "title": "kop"}
    path = make_job(sources=[{"type": "files", "path": "in/*", "columns": columns}])
    for _ in range(2):  # what is read already is no less so
        looked = command("run", path, "--to", "collect")
        lines = [line for line in looked.stderr.splitlines() if "columns." in line]
        assert looked.returncode == 0 and len(lines) == 1
        assert (
            "sources.0: columns.id: no row of in/b.jsonl, in/ㄷ.jsonl has 'nr', so ids are made of the text; other"
            in lines[0]
        )
    for name in "bㄷ":
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", [{"nr": name, "body": f"Text of {name}.", "kop": name}])
    assert "columns." not in command("run", path, "--to", "collect").stderr


def test_a_vanished_file_is_told_of_once(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job(sources=[{"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}])
    for number in (1, 2):
        write_jsonl(tmp_path / "in" / f"{number}.jsonl", [article(number)])
    collect(path)
    (tmp_path / "in" / "2.jsonl").unlink()
    assert "files vanished 1, rows removed 1" in command("collect", path).stdout
    assert "files vanished 1, rows removed 1" in command("status", path).stdout
    assert "files vanished" not in command("collect", path).stdout
    assert "files vanished" not in command("status", path).stdout


# --- what an earlier version of the program read ---


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """A program of before, which wrote all titles in capitals."""

    @contextmanager
    def program() -> Iterator[None]:
        def read(raw: RawRow, options: SourceOptions) -> Article | BadRow:
            row = to_article(raw, options)
            return replace(row, title=str(row.title).upper()) if isinstance(row, Article) else row

        with monkeypatch.context() as patch:
            patch.setattr(units, "READING", 1)
            patch.setattr(units, "to_article", read)
            yield

    return program


def test_what_an_earlier_version_read_stays_until_it_is_reread(
    make_job: JobMaker, tmp_path: Path, earlier: Callable[[], AbstractContextManager[None]]
) -> None:
    write_jsonl(tmp_path / "in" / "a.jsonl", [article(1), article(2)])
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(0), article(2), article(3), article(4)])
    path = make_job(sources=[{"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}])
    with earlier():
        work = collect(path)
    before = tree(work.path)
    done = command("run", path)
    assert done.returncode == 0 and "2 of 2 units" in done.stderr, done.stderr
    assert {name: data for name, data in tree(work.path).items() if name in before} == before
    # one is taken down, and one comes back since the file goes that had it first: what stays is as it was
    assert command("takedown", path, "--id", "a3").returncode == 0
    (tmp_path / "in" / "a.jsonl").unlink()
    write_jsonl(tmp_path / "in" / "c.jsonl", [article(4), article(5)])
    collect(path)
    titles = {"a0": "HARBOUR NUMBER 0 OPENS", "a2": "Harbour number 2 opens", "a4": "HARBOUR NUMBER 4 OPENS"}
    assert {row["id"]: row["title"] for row in rows(work, "articles")} == {**titles, "a5": "Harbour number 5 opens"}
    assert [row["id"] for row in rows(work, "articles")] == ["a0", "a2", "a4", "a5"]
    assert reasons(work) == {"a3": "taken_down", "a4": "duplicate_id"}
    done = command("collect", path, "--reread")
    assert done.returncode == 0 and "reread" not in done.stderr, done.stderr
    assert all(row["title"].startswith("Harbour") for row in rows(work, "articles"))
    assert reasons(work) == {"a3": "taken_down", "a4": "duplicate_id"}
    before = tree(work.path)
    assert command("collect", path, "--reread").returncode == 0
    assert tree(work.path) == before


def test_rows_leave_and_come_back_as_if_they_were_read_so(make_job: JobMaker, tmp_path: Path) -> None:
    """In the middle of a unit of several shards and files, with rows of every kind between them."""
    for number in range(4):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.txt").write_text("" if number == 2 else f"The harbour {number} was opened.")
    numbered = [{"id": f"a{number}", "text": article(number)["body"]} for number in (0, 1, 2, 3, 4, 3)]
    write_jsonl(tmp_path / "in" / "z.jsonl", ["no object", *numbered])
    path = make_job(sources=[{"type": "files", "path": "in"}])
    first = tree(collect(path).path)
    work = work_of(path)
    ids = {row["source"]: row["id"] for row in rows(work, "articles")}
    for name in ("a0", "a3", ids["in/1.txt"]):
        assert command("takedown", path, "--id", name).returncode == 0
    taken_down = tree(collect(path).path)
    assert [row["id"] for row in rows(work, "articles")] == ["a1", "a2", "a4", ids["in/0.txt"], ids["in/3.txt"]]
    shutil.rmtree(work.articles.path)
    assert tree(collect(path).path) == taken_down
    work.takedowns.unlink()
    assert tree(collect(path).path) == first


# --- rows that come back ---


def test_a_row_that_is_read_otherwise_now_does_not_come_back_as_another(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place holds another row for a reader that counts lines otherwise: nothing stands twice, nothing stops, all is told."""
    write_jsonl(tmp_path / "in" / "a.jsonl", [article(1)])
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(2), article(1), article(3), article(4)])
    source = {"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}
    path = make_job(sources=[source])
    run(path, last="collect")
    (tmp_path / "in" / "a.jsonl").unlink()
    honest = dropping.rows_of
    monkeypatch.setattr(
        dropping, "rows_of", lambda *arguments: (replace(row, line=row.line - 1) for row in honest(*arguments))
    )
    for _ in range(2):
        work = run(path, last="collect")
        assert [row["id"] for row in rows(work, "articles")] == ["a2", "a3", "a4"]
        assert [(row["id"], row["reason"]) for row in rows(work, "articles", rejected=True)] == [
            ("a1", "not_read_again")
        ]
    monkeypatch.undo()
    assert command("collect", path, "--reread").returncode == 0
