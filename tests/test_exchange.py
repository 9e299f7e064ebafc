"""Folds bucket by bucket say what one look at all rows says, in the same bytes, and leave nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.contracts import Filter
from pipeline.core.errors import InputError
from pipeline.core.exchange import ROW, Exchange, FoldOutcomes, bucket_of, hashes, repeats
from pipeline.core.options import Options
from pipeline.core.shards import Output
from pipeline.filter import row_comparison
from pipeline.job.takedowns import Takedowns
from pipeline.job.workspace import Workspace
from pipeline.split.groups import find_groups
from pipeline.split.minhash import NUMBERS
from pipeline.split.stored_signatures import StoredSignatures
from tests.conftest import ROOT, JobMaker, article, rows, run, work_of, write_jsonl

KEYED = pa.schema([ROW, ("key", pa.string())])
LITTLE = {"type": "local", "memory": 2**20}  # buckets of 64 kB


def first_rows(exchange: Exchange, keys: list[str], count: int, at_once: int = 50) -> list[int]:
    """Return for each row the first with its key, by an exchange: what is found goes back by another."""
    shards = range(0, len(keys), at_once)
    first = list(range(len(keys)))
    schema = pa.schema([ROW, ("first", pa.int64())])
    sizes = [len(keys[begin : begin + at_once]) for begin in shards]
    with exchange.buckets(KEYED, count) as buckets, FoldOutcomes(exchange, schema, sizes) as verdicts:
        for begin in shards:
            some = keys[begin : begin + at_once]
            part = pa.table([range(begin, begin + len(some)), some], schema=KEYED)
            buckets.add(part, bucket_of(part.column("key"), count))
        for bucket in range(count):
            for later, earlier in repeats(buckets.parts(bucket), "key"):
                verdicts.add(pa.table([later.column("row"), earlier.column("row")], schema=schema))
        for number, begin in reversed(list(enumerate(shards))):
            for verdict in verdicts.of(number).to_pylist():
                first[begin + verdict["row"]] = verdict["first"]
    return first


@given(
    st.lists(st.text("ab\0é", max_size=3), max_size=200), st.integers(1, 9), st.integers(1, 60), st.integers(1, 5000)
)
def test_the_first_row_with_a_key(keys: list[str], count: int, at_once: int, bucket_bytes: int) -> None:
    """Whatever the buckets are: in memory, in the file, some rows in each, one key larger than a bucket may be."""
    exchange = Exchange(Path("/tmp"), bucket_bytes)
    assert first_rows(exchange, keys, count, at_once) == [keys.index(key) for key in keys]


def test_a_frequent_key_is_read_in_parts(tmp_path: Path) -> None:
    keys = ["untitled" if n % 3 else f"title {n % 400}" for n in range(20_000)]
    with Exchange(tmp_path, 2**14).buckets(KEYED, 8) as buckets:
        table = pa.table([range(len(keys)), keys], schema=KEYED)
        for begin in range(0, len(keys), 500):
            part = table.slice(begin, 500)
            buckets.add(part, bucket_of(part.column("key"), 8))
        hot = int(bucket_of(pa.array(["untitled"]), 8)[0])
        parts = list(buckets.parts(hot))
        assert len(parts) > 5 and max(part.nbytes for part in parts) < 3 * 2**14
        assert pa.concat_tables(parts).column("row").to_pylist() == sorted(buckets.table(hot).column("row").to_pylist())
        assert buckets.written > table.nbytes
    exchange = Exchange(tmp_path, 2**14)
    assert first_rows(exchange, keys, 8, 500) == [keys.index(key) for key in keys]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.binary(16)])
def test_hashes_are_of_the_value_alone(kind: pa.DataType) -> None:
    values = [b"%016d" % (n % 5000) for n in range(10_000)]
    array = pa.array(values, pa.binary()).cast(kind)
    found = hashes(array)
    assert len(np.unique(found)) == 5000
    assert (hashes(array.slice(777, 40)) == found[777:817]).all()
    assert (hashes(pa.chunked_array([array.slice(9000), array.slice(0, 3)]))[-3:] == found[:3]).all()
    assert len(np.unique(hashes(pa.array([1, 1, 10, None, 2])))) == 4, "numbers are keys, too"
    counts = np.bincount(bucket_of(array, 10), minlength=10)
    assert counts.min() > 800, "buckets are about as large as one another"
    assert hashes(pa.array(["abc"])).tolist() == [13170212479590232872], "workers elsewhere agree"


def test_nothing_is_left_by_a_killed_process_and_no_room_is_said(tmp_path: Path) -> None:
    code = (
        "import numpy as np, pyarrow as pa, sys, time; from pathlib import Path; from pipeline.core.exchange import *\n"
        "buckets = Exchange(Path(sys.argv[1]), 1000).buckets(pa.schema([ROW]), 2)\n"
        "buckets.add(pa.table([np.arange(1000)], names=['row']), np.arange(1000) % 2)\n"
        "print(buckets.written, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None and int(process.stdout.readline()) > 8000
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file: no temporary file can be written .*; make room"),
        Exchange(tmp_path / "file", 1000).buckets(KEYED, 2) as buckets,
    ):
        buckets.add(pa.table([range(500), ["a"] * 500], schema=KEYED), np.zeros(500))


def test_a_job_says_how_much_memory_a_bucket_may_have(make_job: JobMaker) -> None:
    def bucket_bytes(**sections: Any) -> int:
        return work_of(make_job([], **sections)).exchange.bucket_bytes

    assert bucket_bytes() == bucket_bytes(engine={"type": "local", "memory": "64GB"}) == 2**26
    assert bucket_bytes(engine=LITTLE) == 2**16
    assert bucket_bytes(engine={"type": "ray"}) == 2**26


def test_takedowns_concern_ids_and_texts_whole() -> None:
    """Also where the log is long, with ids that only begin like a row's, and rows without a text's digest."""
    ids = [f"a{number}" for number in range(3000)]
    digests = [None if number % 7 == 0 else f"{number:064x}" for number in range(3000)]
    rows = pa.table({"id": pa.chunked_array([ids[:1000], ids[1000:]]), "text_sha256": pa.array(digests, pa.string())})
    taken = Takedowns(
        frozenset(ids[::5]) | {"a1 ", "", "a\0"},
        frozenset([f"{5001:064x}", digests[8] or ""]),
        frozenset([digests[9] or ""]),
    )
    expected = [number % 5 == 0 or number in (8, 9) for number in range(3000)]
    assert taken.concerns(rows).to_pylist() == expected
    assert taken.concerns(rows.slice(7, 2)).to_pylist() == [False, True]
    assert not any(Takedowns(frozenset(), frozenset()).concerns(rows).to_pylist())


# --- near-copies ---


def signatures(kind: str, count: int) -> Any:
    """Return signatures of unrelated texts, of texts with copies and chains of copies, or of a few templates."""
    draw = np.random.default_rng(count)
    table = draw.integers(0, 2**16, (count, NUMBERS), np.uint16)
    for row in range(1, count) if kind != "unrelated" else ():
        like = row % 3 if kind == "templates" else draw.integers(0, row)
        if kind == "templates" or draw.random() < 0.4:
            table[row] = np.where(draw.random(NUMBERS) < 0.75, table[like], table[row])
    return table


@pytest.mark.parametrize("kind", ["unrelated", "copies", "templates"])
def test_groups_are_the_same_in_buckets_as_in_memory(kind: str, tmp_path: Path) -> None:
    table = signatures(kind, 1000)
    whole = find_groups(lambda: [table], len(table), 0.6, Exchange(tmp_path))
    agree = np.array([(table[:300] == row).mean(axis=1) >= 0.6 for row in table[:300]])
    first = find_groups(lambda: [table[:300]], 300, 0.6, Exchange(tmp_path)).of_all()
    assert (agree <= (first[:, None] == first)).all(), "alike texts are in one group"
    for bucket_bytes, at_once in ((2**17, 300), (2**14, 64)):
        blocks = [table[begin : begin + at_once] for begin in range(0, len(table), at_once)]
        groups = find_groups(lambda blocks=blocks: blocks, len(table), 0.6, Exchange(tmp_path, bucket_bytes))  # type: ignore[misc]
        assert (groups.of_all() == whole.of_all()).all()
    sizes = {"unrelated": (0, 0), "copies": (400, 800), "templates": (990, 1000)}[kind]
    assert sizes[0] <= len(whole.rows) <= sizes[1]
    assert (whole.positions(whole.rows) == np.arange(len(whole.rows))).all()
    assert find_groups(lambda: [], 0, 0.6, Exchange(tmp_path)).of_all().tolist() == []


def test_stored_signatures_are_those_of_the_rows(tmp_path: Path) -> None:
    table, draw = signatures("unrelated", 3000), np.random.default_rng(1)
    rows = np.flatnonzero(draw.random(3000) < 0.3)
    for bucket_bytes in (2**26, 1000):
        with StoredSignatures([table[:999], table[999:]], rows, Exchange(tmp_path, bucket_bytes)) as stored:
            for count in (0, 1, 7, 500):
                at = draw.integers(0, len(rows), count)
                assert (stored[at] == table[rows[at]]).all()
            assert (stored[np.array([0, len(rows) - 1, 0])] == table[rows[[0, -1, 0]]]).all()


# --- whole jobs ---


def test_a_filter_that_is_unique_and_folds(make_job: JobMaker, tmp_path: Path, monkeypatch: Any) -> None:
    """By numbers, of which null is like no other; its own fold sees what is left."""
    (tmp_path / "mine_x").mkdir()
    (tmp_path / "mine_x" / "lengths.py").write_text(
        "import pyarrow as pa\nfrom pipeline.core import contracts\n"
        "class Options(contracts.FilterOptions): pass\n"
        "class Filter(contracts.Filter):\n"
        "    columns = pa.schema([('length', pa.int64())])\n"
        "    unique = {'length': 'same_length'}\n"
        "    def __init__(self, options): pass\n"
        "    def decide(self, articles):\n"
        "        lengths = [len(text) for text in articles.column('text').to_pylist()]\n"
        "        return [None] * len(lengths), {'length': [n if n > 10 else None for n in lengths]}\n"
        "    def fold(self, columns):\n"
        "        return {columns.num_rows - 1: ('last', '')}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    articles = [
        {"id": f"r{n}", "title": "", "body": "x" * length} for n, length in enumerate([20, 5, 30, 20, 5, 30, 40])
    ]
    work = run(make_job(articles, filters=[{"type": "mine_x.lengths"}]), last="filter")
    rejected = {row["id"]: (row["reason"], row["detail"]) for row in rows(work, "filtered", rejected=True)}
    assert rejected == {"r3": ("same_length", "same as r0"), "r5": ("same_length", "same as r2"), "r6": ("last", "")}


def files_of(work: Workspace, *folders: str) -> dict[str, Any]:
    """Return the bytes of all shards, and the manifests without their seconds."""
    found = dict[str, Any]()
    for folder in folders:
        for file in sorted(work.path.glob(f"{folder}*/*")):
            name = str(file.relative_to(work.path))
            if file.suffix == ".parquet":
                found[name] = file.read_bytes()
            elif file.name.endswith(".manifest.json"):
                found[name] = json.loads(file.read_bytes()) | {"seconds": None}
    return found


def repetitive(count: int, seed: int) -> list[dict[str, Any]]:
    """Articles of which many have the id, the title, the text or the body of another one, some of them several at once."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        body = f"harbour {number} " * 8 if draw.random() < 0.6 else f"copied {draw.randrange(40)} " * 8
        title = draw.choice(["", "News", f"Title {number}", f"Title {draw.randrange(count)}"])
        text = f"{title} {body}" if draw.random() < 0.2 else body
        row_id = f"id-{number}" if draw.random() < 0.8 else f"id-{draw.randrange(count)}"
        made.append(
            dict(draw.choice(made)) if number and draw.random() < 0.1 else {"id": row_id, "title": title, "body": text}
        )
    return made


def dropped_ids(read: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return line -> reason and detail of what goes for its id, one by one in source order."""
    first, drops = dict[str, dict[str, Any]](), dict[str, tuple[str, str]]()
    for row in sorted(read, key=lambda row: row["line"]):
        earlier = first.setdefault(row["id"], row)
        if earlier is not row:
            reason = "duplicate_id" if row["text_sha256"] == earlier["text_sha256"] else "id_conflict"
            drops[row["line"]] = (reason, f"the id stands at articles.jsonl:{earlier['line']} already")
    return drops


def dropped_copies(articles: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return id -> reason and detail of what the duplicate filter drops, one key after the other."""
    drops = dict[str, tuple[str, str]]()
    for reason, key in (
        ("duplicate_text", lambda row: row["text"]),
        ("duplicate_text", lambda row: row["text"].removeprefix(row["title"] or "").lstrip()),
        ("duplicate_title", lambda row: row["title"]),
    ):
        first = dict[str, str]()
        for row in articles:
            if row["id"] not in drops and key(row) and first.setdefault(key(row), row["id"]) != row["id"]:
                drops[row["id"]] = (reason, f"same as {first[key(row)]}")
    return drops


def test_ids_and_duplicates_are_the_same_in_buckets_as_in_memory(make_job: JobMaker, monkeypatch: Any) -> None:
    monkeypatch.setattr("pipeline.collect.units.MAX_SHARD_ROWS", 300)
    articles = repetitive(1800, seed=4)
    sections = {"filters": [{"type": "tokens", "min": 3}, {"type": "duplicates"}]}
    outcomes = []
    for name, engine in (("memory", {"type": "local", "workers": 1}), ("buckets", LITTLE | {"workers": 1})):
        work = run(make_job(articles, name=name, engine=engine, **sections), last="filter")
        outcomes.append(files_of(work, "articles", "filtered"))
    assert len(outcomes[0]) > 20 and outcomes[0].keys() == outcomes[1].keys()
    assert outcomes[0] == outcomes[1]
    dropped = rows(work, "articles", rejected=True)
    by_id = {row["line"]: (row["reason"], row["detail"]) for row in dropped}
    assert by_id == dropped_ids(rows(work, "articles") + dropped) and len({reason for reason, _ in by_id.values()}) == 2
    rejected = {row["id"]: (row["reason"], row["detail"]) for row in rows(work, "filtered", rejected=True)}
    assert rejected == dropped_copies(rows(work, "articles")) and len(rejected) > 300
    assert not list(work.path.glob(".exchange*"))


@pytest.mark.slow
def test_the_split_is_the_same_in_buckets_as_in_memory(make_job: JobMaker) -> None:
    """Also for rows that come later, and like benchmarks; what is logged is the same, too."""
    draw = random.Random(2)
    words = [f"{a}{b}" for a in ("ka", "to", "mi", "re", "sul", "no") for b in ("berlon", "dikva", "tsun", "lam")]
    texts = [" ".join(draw.choices(words, k=60)) for _ in range(60)]
    copies = [" ".join([*texts[n % 60].split()[:55], *draw.choices(words, k=5)]) for n in range(90)]
    articles = [{"id": f"r{n}", "title": "", "body": text} for n, text in enumerate([*texts, *copies])]
    draw.shuffle(articles)
    outcomes = []
    for name, engine in (("memory", {"type": "local", "workers": 1}), ("buckets", LITTLE | {"workers": 1})):
        path = make_job(articles[:100], name=name, engine=engine, split={"eval": 0.3, "keep_out": ["benchmark.jsonl"]})
        write_jsonl(path.parent / "benchmark.jsonl", [{"question": texts[3]}])
        run(path, last="split")
        write_jsonl(path.parent / "articles.jsonl", articles)
        work = run(path, last="split")
        logs = {file.name: file.read_bytes() for file in sorted(work.assignments.glob("*.parquet"))}
        outcomes.append((files_of(work, "split"), logs))
    assert outcomes[0] == outcomes[1] and len(outcomes[0][1]) == 2
    groups = {row["group_id"] for row in rows(work, "train") + rows(work, "eval")}
    assert 40 < len(groups) < 60
    assert {row["reason"] for row in rows(work, "train", rejected=True)} >= {"near_copy_of_benchmark"}


class BothWays(Filter):
    """A filter of somebody else that compares by a column, with a name that we use ourselves, and by a fold of its own."""

    columns = pa.schema([("row", pa.dictionary(pa.int32(), pa.string()))])
    unique: ClassVar[dict[str, str]] = {"row": "same_row"}

    def decide(self, articles: pa.Table) -> tuple[Any, Any]:
        return [None] * articles.num_rows, {}

    def fold(self, columns: pa.Table) -> dict[int, tuple[str, str]]:
        return {row: ("last", id) for row, id in enumerate(columns.column("id").to_pylist()) if id == "d"}


def test_a_filter_may_compare_and_fold(make_job: JobMaker) -> None:
    work = work_of(make_job([article(1)]))
    column = pa.array(["x", "y", "x", "z"]).dictionary_encode()
    for shard, values in (("a", column.slice(1, 3)), ("b", column.slice(0, 1))):
        ids = pa.array(["b", "c", "d"] if shard == "a" else ["e"])
        rows = pa.table({"id": ids, "stop": pa.nulls(len(ids), pa.int64()), "row": values})
        work.articles.write(shard, "", {}, Output(rows.select(["id"])), 0.0)
        work.decisions.write(shard, "", {}, Output(rows.select(["stop", "row"])), 0.0)
    with row_comparison.folded(work, ["a", "b"], [BothWays], lambda position: BothWays(Options())) as drops_of:
        assert (drops_of("a"), drops_of("b")) == ({2: ("last", "d")}, {0: ("same_row", "same as c")})


def test_values_that_no_text_stands_for_are_told() -> None:
    assert len(set(hashes(pa.array([1.5, 2.5, None])).tolist())) == 3
    with pytest.raises(InputError, match="compare a text of them"):
        hashes(pa.array([[1], [2]]))
