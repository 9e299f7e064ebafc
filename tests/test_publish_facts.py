"""What publishing keeps for the next version changes nothing of it: caches that are stale, damaged, gone or warm."""

from __future__ import annotations

import json
import random
import re
import shutil
import string
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.core.code import digest_of_code
from pipeline.core.parquet import write_parquet
from pipeline.core.shards import read_order
from pipeline.core.types import Usage
from pipeline.job.workspace import Workspace
from pipeline.label.ledger import open_ledger
from pipeline.publish import facts
from pipeline.publish.outgoing import OutgoingRows
from pipeline.publish.spending import RunTallies
from pipeline.versions import data_files, leaks
from pipeline.versions.leaks import keys
from tests.conftest import JobMaker, article, command, run, tree, work_of, write_jsonl
from tests.test_leaks import KEYS, NO_KEYS, NO_NUMBERS, NUMBERS, PERSONS

_OF_ITS_TIME = ("release", "created_at", "history", "files", "runs", "inputs")  # the log of takedowns has the time, too


def forget(work: Workspace) -> None:
    """Take away all that publishing keeps beside the versions."""
    for folder in (work.facts.path, work.file_facts):
        shutil.rmtree(folder, ignore_errors=True)


def made(work: Workspace) -> dict[str, dict[str, Any]]:
    """What each version is, without the time when it was made."""
    found = {}
    for folder in sorted(work.versions.glob("[!.]*")):
        manifest = json.loads((folder / "manifest.json").read_text())
        about = {n: v for n, v in manifest.items() if n not in _OF_ITS_TIME}
        digests = {name: digest for name, digest in manifest["files"].items() if name.startswith("data/")}
        card = (folder / "README.md").read_text().partition("dataset_info:")[2].partition("\n---")[0]
        found[folder.name] = {**about, "digests": digests, "info": card.partition("config_name: provenance")[0]}
    return found


@pytest.mark.slow
def test_versions_are_the_same_with_what_is_kept_and_without(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grown, edited, taken down, redacted, without texts: several files, of which most stay."""
    monkeypatch.setattr(data_files, "ROWS_A_FILE", 10)
    steps: list[tuple[range, set[int], tuple[str, ...]]] = [
        (range(30), set(), ()),
        (range(40), set(), ()),
        (range(40), {3, 17}, ()),
        (range(40), {3, 17}, ("publish.redact=[email]",)),
        (range(44), {3, 17}, ("publish.redact=[email]",)),
        (range(44), {3, 17}, ("publish.text=none",)),
        (range(46), {3}, ()),
    ]
    outcomes = []
    for name in ("kept", "forgotten"):
        path = make_job([], name=name, split={"eval": 0.3}, publish={"gates": {}})
        for numbers, edited, options in steps:
            rows = [article(n) for n in numbers]
            for n in edited & set(numbers):
                rows[n]["body"] += f" Ask kim{n}@example.org for more."
            write_jsonl(tmp_path / "articles.jsonl", rows)
            if name == "forgotten":
                forget(work_of(path))
            work = run(path, *options)
            if numbers == range(40) and not edited:
                command("takedown", path, "--id", "a5")
        outcomes.append(made(work))
    kept, forgotten = ({version: {**about, "name": ""} for version, about in one.items()} for one in outcomes)
    assert list(kept) == list(forgotten) == ["1.0.0", "1.1.0", "2.0.0", "3.0.0", "3.1.0", "4.0.0", "5.0.0"]
    differing = {(v, n) for v, about in kept.items() for n, value in about.items() if forgotten[v][n] != value}
    assert not differing


@pytest.mark.slow
def test_versions_are_the_same_whatever_looks_at_the_texts(make_job: JobMaker, tmp_path: Path) -> None:
    """In this process and in two workers: what is kept of the texts, the files, what is said of them."""
    write_jsonl(tmp_path / "articles" / "zero.jsonl", [article(n) for n in range(12)])
    for name in ("one", "two"):
        rows = [{**article(n), "body": f"{article(n)['body']} Ask kim{n}@example.org."} for n in range(20, 26)]
        write_jsonl(tmp_path / "articles" / f"{name}.jsonl", [{**row, "id": f"{name}{row['id']}"} for row in rows])
    source = {"type": "files", "path": "articles/*.jsonl", "columns": {"text": "body"}}
    outcomes = []
    for workers in (1, 2):
        path = make_job(name=f"w{workers}", sources=[source], split={"eval": 0.3}, engine={"workers": 1})
        run(path, last="split")
        work = run(path, f"engine.workers={workers}", "publish.redact=[email]", first="publish")
        outcomes.append((tree(work.facts.path), tree(work.versions), made(work)["1.0.0"] | {"name": ""}))
    assert outcomes[0][2] == outcomes[1][2] and outcomes[0][0] == outcomes[1][0] and len(outcomes[0][0]) == 3
    data = [{name: file for name, file in files.items() if "/data/" in name} for _, files, _ in outcomes]
    assert data[0] == data[1] and data[0]


def test_files_that_stay_are_taken_over(make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "ROWS_A_FILE", 10)
    source = {"type": "files", "path": "articles/*.jsonl", "columns": {"text": "body"}}
    path = make_job(sources=[source], split={"eval": 0.3})
    write_jsonl(tmp_path / "articles" / "one.jsonl", [article(n) for n in range(30)])
    run(path)
    write_jsonl(tmp_path / "articles" / "two.jsonl", [article(n) for n in (30, 31)])
    reads = list[str]()
    monkeypatch.setattr(facts.rows, "index_rows", _noting(reads, facts.rows.index_rows))
    folder = run(path).versions
    first, second = tree(folder / "1.0.0"), tree(folder / "1.1.0")
    same = {name for name in first if first[name] == second.get(name) and name.startswith("data/")}
    assert len(same) >= 2 and len(second) > len(same)
    kept = folder / "1.1.0" / min(same)  # a file of its own: whoever writes into it damages no other version
    kept.chmod(0o644)
    kept.write_bytes(b"written over")
    found = {version: command("verify", path, version) for version in ("1.0.0", "1.1.0")}
    assert found["1.0.0"].returncode == 0 and found["1.1.0"].returncode == 1
    assert "a0" not in reads and "a31" in reads  # only shards that changed are looked at again


def _noting(ids: list[str], call: Any) -> Any:
    def noted(rows: pa.Table, *arguments: Any) -> Any:
        ids.extend(rows.column("id").to_pylist())
        return call(rows, *arguments)

    return noted


def test_what_labels_took_is_kept_until_the_ledger_has_more_of_them(make_job: JobMaker, tmp_path: Path) -> None:
    source = {"type": "files", "path": "articles/*.jsonl", "columns": {"text": "body"}}
    path = make_job(sources=[source], split={"eval": 0.3})
    for name, numbers in (("one", range(20)), ("two", range(20, 30))):
        write_jsonl(tmp_path / "articles" / f"{name}.jsonl", [article(n) for n in numbers])
    work = run(path, last="split")
    _, second = read_order(work.articles)
    assert sorted(_looked_up(work, keep=False)) == sorted(_looked_up(work)) == [10, 20] and _looked_up(work) == []
    with closing(open_ledger(work.ledger_target, work.config.name)) as ledger:
        key = bytes.fromhex(work.reviewed.read(second, ["key"]).column(0)[0].as_py())
        [record] = ledger.get([key])[key]
        ledger.put(
            [replace(record, ask=2, reply=replace(record.reply, usage=Usage(7, 0, 5)), finished_at="2031-01-01")]
        )
        ledger.put([replace(record, key=b"of another job")])
    assert _looked_up(work) == [10] and _looked_up(work) == []
    command("takedown", path, "--id", "a3")
    assert sorted(_looked_up(work)) == [10, 19]
    kept = json.loads((work.facts.path / "_spending.json").read_text())
    kept["newest"][2] = "2030-01-01"  # another ledger has another record there
    (work.facts.path / "_spending.json").write_text(json.dumps(kept))
    assert sorted(_looked_up(work)) == [10, 19]
    (work.facts.path / "_spending.json").write_text("{ torn")
    assert sorted(_looked_up(work)) == [10, 19]


def _looked_up(work: Workspace, keep: bool = True) -> list[int]:
    """How many keys are looked up for each shard; the sums are those without anything kept."""
    counts, sums = list[int](), list[Any]()
    with closing(open_ledger(work.ledger_target, work.config.name)) as ledger:
        outgoing, taken = OutgoingRows(work), ledger.taken
        for ledger.taken in (_counting(counts, taken), taken):  # type: ignore[method-assign]
            tallies = RunTallies(work, ledger)
            for shard in read_order(work.articles):
                tallies.add(shard, outgoing.index_of(shard))
            sums.append({run_id: vars(tally) for run_id, tally in tallies.sums.items()})
            if keep and len(sums) == 1:
                tallies.keep()
                (work.facts.path / "_spending.json").rename(tmp := work.facts.path / "_aside")
        if keep:
            tmp.rename(work.facts.path / "_spending.json")
    assert sums[0] == sums[1]
    return counts


def _counting(counts: list[int], call: Any) -> Any:
    def counted(keys: Any) -> Any:
        counts.append(len(keys))
        return call(keys)

    return counted


def test_gates_of_other_code_look_at_all_rows_anew(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [article(n) for n in range(12)]
    path = make_job(rows)
    run(path, last="split")
    command("publish", path)
    assert list(work_of(path).facts.path.glob("*.parquet"))
    write_jsonl(tmp_path / "articles.jsonl", [*rows, article(12)])
    monkeypatch.setattr(leaks, "suspects", lambda texts: set(range(len(texts))))
    monkeypatch.setattr(leaks, "count", lambda text: (int("harbour3x0" in text), 0))
    monkeypatch.setattr(facts, "digest_of_code", lambda *_: "improved")
    said = command("publish", path, "--dry-run").stdout + command("run", path).stderr
    assert "no_credentials" in said and "a3" in said


def test_code_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package_of_gates"
    package.mkdir()
    (package / "__init__.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = digest_of_code.__wrapped__(package.name)
    assert digest_of_code.__wrapped__(package.name) == before
    (package / "more.py").write_text("B = 1\n")
    assert digest_of_code.__wrapped__(package.name) != before


def test_what_is_kept_and_damaged_is_made_anew(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    for file in work.file_facts.glob("*.parquet"):
        file.write_bytes(b"PAR1 torn")
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(14)])
    assert "1.1.0" in command("run", path).stdout
    (work.facts.path / "_other.manifest.json").write_text("{}")
    assert command("publish", path).returncode == 0


def test_a_dry_run_keeps_nothing(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path, last="split")
    before = sorted(work.path.rglob("*"))
    assert "1.0.0" in command("publish", path, "--dry-run").stdout
    assert sorted(work.path.rglob("*")) == before


def test_rows_without_texts_are_as_those_with_them(make_job: JobMaker) -> None:
    """Where a shard of before has no offsets, they are made of the texts, which are read for that."""
    work = run(make_job([article(n) for n in range(12)]), "publish.text=none", last="split")
    (shard,) = read_order(work.articles)
    outgoing = OutgoingRows(work)
    expected = outgoing.of(shard).drop_columns(["title", "text"])
    assert outgoing.of(shard, with_text=False) == expected
    labels = work.reviewed.read(shard)
    at = labels.column_names.index("offsets")
    lacking = labels.set_column(at, "offsets", pa.nulls(len(labels), labels.schema.field("offsets").type))
    write_parquet(work.reviewed.file(shard), lacking, labels.schema)
    assert outgoing.of(shard, with_text=False).drop_columns(["title", "text"]) == expected
    assert any(expected.column("offsets").to_pylist())


def test_only_texts_that_leak_nothing_are_passed_over() -> None:
    """The look at all texts at once finds every text in which the look at each finds something, however it is written."""
    samples = [*KEYS, *PERSONS, *NUMBERS, *NO_KEYS, *NO_NUMBERS, "-----BEGIN RSA PRIVATE KEY-----"]
    wide = [sample.translate({code: code + 0xFEE0 for code in range(33, 127)}) for sample in samples]
    odd = [sample.replace("-", "–").replace(" ", "\u00a0") for sample in [*samples, *wide]]
    texts = [
        f"{before}{sample}{after}"
        for sample in [*samples, *wide, *odd]
        for before in ("", "열쇠는 ", "０ ")
        for after in ("", "를 쓴다")
    ]
    texts += ["", "한국", "“quoted” – 2019–20", "call 010–1234–5678", "０１０－１２３４－５６７８"]
    suspects = leaks.suspects(pa.array(texts))
    assert {number for number, text in enumerate(texts) if any(leaks.count(text))} <= suspects
    assert len(leaks.suspects(pa.array(["plain words, and no more than that"] * 9))) == 0


def test_keys_without_digits_are_not_passed_over() -> None:
    """The look at all texts finds the shortest keys of each form, made of letters wherever the form has room for them."""
    drawn = [_written_by(form, random.Random(f"{at}")) for form in keys._FORMS for at in range(5)]
    texts = [text for text in drawn if leaks.credentials(text)]
    suspects = leaks.suspects(pa.array(texts))
    assert [text for number, text in enumerate(texts) if number not in suspects] == []
    assert len(texts) > 0.85 * len(drawn)  # the others lack a digit that their form demands somewhere


def _written_by(form: tuple[tuple[str, ...], re.Pattern[str]], draw: random.Random) -> str:
    """Return a text as short as a form allows, with digits only where it demands them; what it looks ahead for is left out."""
    return "".join(_letters_of(re._parser.parse(form[1].pattern, form[1].flags), draw))


def _letters_of(parsed: Any, draw: random.Random) -> Iterator[str]:
    for kind, value in parsed:
        name = str(kind)
        if name == "LITERAL":
            yield chr(value)
        elif name in ("IN", "NOT_LITERAL", "ANY"):
            yield _sign_of(value if name == "IN" else [("NEGATE", None), (kind, value)], draw)
        elif name == "MAX_REPEAT" or name == "MIN_REPEAT":
            least, _, inner = value
            for _ in range(least):
                yield from _letters_of(inner, draw)
        elif name == "SUBPATTERN":
            yield from _letters_of(value[3], draw)
        elif name == "BRANCH":
            yield from _letters_of(draw.choice(value[1]), draw)


def _sign_of(members: Any, draw: random.Random) -> str:
    """Return one character of a class: a letter or a sign of words where it has any, else another, or a digit."""
    letters = string.ascii_letters + 8 * "-./"
    return next(
        sign for sign in [*draw.sample(letters, len(letters)), *"_+=~:%@$;& 0123456789"] if _is_in(members, sign)
    )


def _is_in(members: Any, sign: str) -> bool:
    tests = {"CATEGORY_WORD": r"\w", "CATEGORY_SPACE": r"\s", "CATEGORY_DIGIT": r"\d"}
    holds, negated = False, False
    for kind, value in members:
        name = str(kind)
        negated |= name in ("NEGATE", "ANY")
        holds |= name in ("LITERAL", "NOT_LITERAL") and ord(sign) == value
        holds |= name == "RANGE" and value[0] <= ord(sign) <= value[1]
        holds |= name == "CATEGORY" and bool(re.match(tests[str(value)], sign, re.ASCII))
    return holds != negated
