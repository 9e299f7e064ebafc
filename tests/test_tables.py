"""Tables in an object store: the same job, byte for byte, through faults and kills; who has tables where is never guessed."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import runner
from pipeline.collect.reading.locations import remote_files
from pipeline.core import stores
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import file_digest, write_bytes
from pipeline.core.objects import look_again, looked_at, path_of
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.job import tables
from tests.conftest import JobMaker, article, command, rows, run, write_jsonl
from tests.object_store import BUCKET, Request, Store
from tests.program import Program

FILTERS = [{"type": "language", "keep": ["en"]}, {"type": "tokens", "min": 10}, {"type": "duplicates"}]
AT_STORE = f"tables=s3://{BUCKET}/some/prefix"
WRITERS = {"jsonl": "to_json", "parquet": "to_parquet", "csv": "to_csv"}
OPTIONS: dict[str, dict[str, Any]] = {
    "jsonl": {"orient": "records", "lines": True},
    "parquet": {},
    "csv": {"index": False},
}
STAYS = {"review", "versions", "runs", "models", "split.assignments", ".locks", "publish.files"}


def job(make_job: JobMaker, folder: Path, count: int = 12, **sections: Any) -> Path:
    """A job of three files with rows that each of collect and filter reject, and texts that were not NFC."""
    articles = [article(n) for n in range(count)]
    articles[4]["body"] = articles[3]["body"]  # for duplicates
    articles[5]["id"] = articles[2]["id"]  # for id_conflict
    articles[6]["title"] = "Cafe\u0301"
    for number in range(3):
        write_jsonl(folder / "in" / f"{number}.jsonl", articles[number::3])
    source = {"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}
    return make_job(sources=[source], filters=FILTERS, **{"split": {"eval": 0.4}, **sections})


def in_bucket(store: Store, folder: Any) -> dict[str, bytes]:
    prefix = str(folder).removeprefix(f"s3://{BUCKET}/") + "/"
    return {name.removeprefix(prefix): content for name, content in store.objects(prefix).items()}


def without_seconds(name: str, content: bytes) -> Any:
    return {**json.loads(content), "seconds": 0} if name.endswith(".manifest.json") else content


def tables_of(files: dict[str, bytes]) -> dict[str, Any]:
    return {
        name: without_seconds(name, content)
        for name, content in files.items()
        if "/" in name and name.partition("/")[0] not in STAYS and not name.endswith("_spending.json")  # it has times
    }


def but_news(files: dict[str, bytes]) -> dict[str, Any]:
    """Without what the last run found new, which depends on how many runs there were."""
    return {name: content for name, content in tables_of(files).items() if not name.endswith("_changes.json")}


def on_disk(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_store(store: Store, name: str = "test") -> dict[str, bytes]:
    prefix = f"some/prefix/{name}/"
    return {name.removeprefix(prefix): content for name, content in store.objects(prefix).items()}


@pytest.mark.slow
def test_a_job_is_the_same_wherever_its_tables_lie(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path = job(make_job, tmp_path)
    here = run(path, f"workspace={tmp_path / 'here'}")
    there = run(path, AT_STORE)
    local = tables_of(on_disk(here.path))
    assert tables_of(in_store(store)) == local and len(local) > 40
    assert not tables_of(on_disk(there.path)), "no table is left here"
    data = {name: content for name, content in on_disk(here.versions).items() if "/data/" in name}
    assert {name: content for name, content in on_disk(there.versions).items() if "/data/" in name} == data != {}
    for table in ("articles", "filtered", "labels", "train", "eval"):
        assert rows(there, table) == rows(here, table) != []
        assert rows(there, table, rejected=True) == rows(here, table, rejected=True)
    states = runner.states(there)
    assert states == runner.states(here) and set(states.values()) == {"done"}
    store.asked.clear()
    run(path, AT_STORE)  # what is done is not written again
    assert {target.rpartition("/")[2] for _, target in store.writes()} == {
        "_order.json",
        "_sources.json",
        "_changes.json",
    }


@pytest.mark.slow
def test_listings_are_read_to_their_end(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path, store.page = job(make_job, tmp_path), 2
    run(path, AT_STORE)
    (tmp_path / "in" / "0.jsonl").unlink()
    work, here = run(path, AT_STORE), run(path, f"workspace={tmp_path / 'here'}")
    assert any("continuation-token" in target for _, target in store.asked)
    assert but_news(in_store(store)).keys() == but_news(on_disk(here.path)).keys()
    assert set(runner.states(work).values()) == {"done"}


def test_what_goes_wrong_while_a_shard_is_read_is_not_taken_for_damage(store: Store) -> None:
    file, table = path_of(f"s3://{BUCKET}/job/labels/a.parquet"), pa.table({"id": ["a"] * 9, "n": range(9)})
    assert write_parquet(file, table, table.schema) == file_digest(file)
    store.fails = lambda request: "denied" if request[0] == "GET" else None
    for read in (partial(read_parquet, file, ["id"]), partial(read_parquet, file)):
        with pytest.raises(InputError, match=r"a\.parquet: access denied"):
            read()
    store.fails = lambda _: None
    assert read_parquet(file, ["n"]).column("n").to_pylist() == list(range(9))
    file.unlink()
    with pytest.raises(InputError, match=r"a\.parquet: not there; run the stage that writes it first"):
        read_parquet(file)


# --- faults ---


def every(number: int, *kinds: str) -> Any:
    """Let each `number`-th request meet a failure, each kind in its turn; a failure meets no request twice in a row."""
    counted = [0]

    def fails(_: Request) -> str | None:
        counted[0] += 1
        return kinds[counted[0] // number % len(kinds)] if counted[0] % number == 0 else None

    return fails


@pytest.mark.slow
def test_faults_change_nothing(
    make_job: JobMaker, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    path = job(make_job, tmp_path)
    here = run(path, f"workspace={tmp_path / 'here'}")
    store.fails = every(5, "slow", "cut", "dropped", "lost")
    run(path, AT_STORE)
    assert len(store.asked) > 100
    assert tables_of(in_store(store)) == tables_of(on_disk(here.path))


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_write(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path = job(make_job, tmp_path)
    here = run(path, f"workspace={tmp_path / 'here'}")
    for number, outcome, workers in ((4, "dropped", 1), (13, "lost", 2), (30, "dropped", 1)):
        running: list[Program] = []
        store.fails = partial(at_write, itertools.count(1), number, outcome, running)
        running.append(Program("run", path, "--set", AT_STORE, "--set", f"engine.workers={workers}", stderr=False))
        assert running[0].wait() == -signal.SIGKILL
    store.fails = lambda _: None
    run(path, AT_STORE)
    assert but_news(in_store(store)) == but_news(on_disk(here.path))


@pytest.mark.slow
def test_a_version_is_there_whole_or_not_at_all(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path = job(make_job, tmp_path, tables=f"s3://{BUCKET}/some/prefix")
    store.fails = lambda request: (
        "denied" if request[0] == "PUT" and request[1].endswith("train-00000.parquet") else None
    )
    assert command("run", path).returncode == 1
    assert (
        "versions/1.0.0/manifest.json" not in in_store(store) and not (tmp_path / "jobs/test/versions/1.0.0").exists()
    )
    store.fails = lambda _: None
    assert command("run", path).returncode == 0
    version = {
        f"versions/{name}": content for name, content in on_disk(tmp_path / "jobs" / "test" / "versions").items()
    }
    there = {name: content for name, content in in_store(store).items() if name.startswith("versions/")}
    assert there == version and len(there) >= 5
    sent = [target.rpartition("/")[2] for method, target in store.asked if method == "PUT" and "/versions/" in target]
    assert sent[-1] == "manifest.json"

    shutil.rmtree(tmp_path / "jobs" / "test" / "versions")
    assert "another version has this number there" in command("run", path, "--set", "publish.licence=mit").stderr


def at_write(counted: Iterator[int], number: int, outcome: str, running: list[Program], request: Request) -> str | None:
    """Kill the process while it waits for the answer to a certain write, which is done (`lost`) or is not (`dropped`)."""
    if request[0] not in ("PUT", "DELETE") or (count := next(counted)) < number:
        return None
    if count == number:
        os.kill(running[0].pid, signal.SIGKILL)
    return outcome


def test_sources_come_from_a_store_with_faults(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    articles = [article(n) for n in range(40)]
    for kind, some in (("jsonl", articles[:10]), ("parquet", articles[10:30]), ("csv", articles[30:])):
        getattr(pd.DataFrame(some), WRITERS[kind])(tmp_path / f"x.{kind}", **OPTIONS[kind])
        store.request("PUT", f"/{BUCKET}/in/x.{kind}", (tmp_path / f"x.{kind}").read_bytes())
    columns = {"text": "body", "id": "id", "title": "title"}
    store.fails = every(6, "cut", "slow", "dropped")
    path = make_job(
        sources=[{"type": "files", "path": f"s3://{BUCKET}/in/*", "columns": columns}], tables=f"s3://{BUCKET}/t"
    )
    found = {row["id"]: row["text"] for row in rows(run(path, last="collect"), "articles")}
    here = make_job(sources=[{"type": "files", "path": "x.*", "columns": columns}])
    assert found == {row["id"]: row["text"] for row in rows(run(here, "name=here", last="collect"), "articles")}
    assert len(found) == 40


@pytest.mark.parametrize(
    ("tables", "failure", "message"),
    [
        (
            f"s3://{BUCKET}/p",
            "denied",
            rf"s3://{BUCKET}/p/test/articles\S*: access denied \(.*\); the credentials .*",
        ),
        (
            "s3://no-such-bucket/p",
            None,
            r"s3://no-such-bucket: there is no such bucket; make it, or correct the address",
        ),
    ],
)
def test_what_the_store_refuses_is_one_line(
    make_job: JobMaker, tmp_path: Path, store: Store, tables: str, failure: str | None, message: str
) -> None:
    path = job(make_job, tmp_path, tables=tables)
    store.fails = lambda _: failure
    for arguments in (["run", path], ["status", path], ["show", path, "articles"]):
        done = command(*arguments)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert re.search(message, done.stderr), done.stderr
        assert "AKIATEST" not in done.stderr and "anybodys" not in done.stderr


def test_a_store_that_nobody_serves_is_one_line(
    make_job: JobMaker, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    path = job(make_job, tmp_path, tables=f"s3://{BUCKET}/p")
    store.fails = lambda _: "dropped"
    done = command("status", path)
    assert done.returncode == 1
    assert re.fullmatch(
        rf"labelmill: \S+: s3://{BUCKET} cannot be used \(\w+: .*\); run again when it answers, .*\n", done.stderr
    )
    assert "not-for-anybodys-eyes" not in done.stderr


@pytest.mark.parametrize(
    "tables",
    [
        "bucket/prefix",
        "s3://",
        "s3://key:secret@bucket/p",
        "s3://secret@bucket/p",
        "abfs://secret@account.dfs.core.windows.net/p",  # the account would not be heeded
        "s3://b/p?token=x",
        "http://x/y",
        "hf://buckets/user/name",
    ],
)
def test_what_is_no_address_is_told_before_anything_runs(make_job: JobMaker, tables: str) -> None:
    done = command("status", make_job([article(1)], tables=tables))
    assert done.returncode == 2 and ": tables: " in done.stderr and "write it as s3://bucket/prefix" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("path", "failure", "message"),
    [
        (
            f"s3://{BUCKET}/in/a.jsonl",
            "denied",
            rf"s3://{BUCKET}/in/a.jsonl: access denied \(.*must read and list s3://{BUCKET}",
        ),
        ("s3://no-such-bucket/a.jsonl", None, r"s3://no-such-bucket: there is no such bucket; make it"),
        (f"s3://{BUCKET}/in/a.jsonl", None, rf"path: .?s3://{BUCKET}/in/a.jsonl.?: no such file"),
        (
            f"s3://secret@{BUCKET}/in/a.jsonl",
            None,
            rf"path: s3://{BUCKET}/in/a.jsonl: write it without credentials",
        ),
    ],
)
def test_what_the_store_of_a_source_refuses_is_one_line(
    make_job: JobMaker, store: Store, path: str, failure: str | None, message: str
) -> None:
    store.fails = lambda _: failure
    done = command("run", make_job(sources=[{"type": "files", "path": path, "columns": {"text": "body"}}]))
    assert done.returncode and re.search(message, done.stderr), done.stderr
    assert "secret" not in done.stderr and "AKIATEST" not in done.stderr


def test_what_fsspec_is_told_of_a_store_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"config_kwargs": {"retries": {"total_max_attempts": 2, "mode": "standard"}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", told)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    stores.system.cache_clear()
    store.fails = lambda _: "slow"
    try:
        for read in (path_of(f"s3://{BUCKET}/a.json").read_bytes, partial(remote_files, f"s3://{BUCKET}/a.jsonl")):
            store.asked.clear()
            with pytest.raises(InputError, match="reduce your request rate"):
                read()
            assert len(store.asked) == 2 * 5  # the library above it tries five times
    finally:
        stores.system.cache_clear()
    options = stores.options("s3")
    assert options["config_kwargs"]["read_timeout"] == 60 and options["use_listings_cache"] is False


def test_no_secret_of_an_address_is_in_what_a_library_says() -> None:
    for text in (
        "no URL('https://user:pass:w@rd@x.kr/a?sig=topsecret%27topsecret') there",
        'Could not connect to "https://x.kr/a?sig=top\'topsecret&b="',
        "Max retries exceeded with url: /a?sig=topsecret (timed out)",
    ):
        line = stores.one_line(OSError(text))
        assert "secret" not in line and "pass" not in line and "rd" not in line and line
    assert stores.one_line(OSError("is it there?\n  or not?")) == "is it there? or not?"


# --- whose tables, and where ---


def begun(make_job: JobMaker, *overrides: str) -> Path:
    path = make_job([article(n) for n in range(3)])
    run(path, *overrides, last="collect")
    return path


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        run(path, *overrides, last="collect")
    return str(error.value)


def test_a_job_does_not_begin_anew_because_its_tables_are_said_to_be_elsewhere(
    make_job: JobMaker, tmp_path: Path, store: Store
) -> None:
    path = begun(make_job)
    message = refused(path, AT_STORE)
    assert (
        f"the job's tables are in {tmp_path / 'jobs' / 'test'}, and none are in s3://{BUCKET}/some/prefix/test"
        in message
    )
    assert not store.writes() and "take `tables` out again" in message
    assert command("status", path, "--set", AT_STORE).returncode == 2

    for name, content in on_disk(tmp_path / "jobs" / "test").items():  # what the message tells
        (path_of(f"s3://{BUCKET}/some/prefix/test") / name).write_bytes(content)  # type: ignore[union-attr]
    work = run(path, AT_STORE, last="filter")
    assert runner.states(work)["filter"] == "done"

    shutil.rmtree(tmp_path / "jobs" / "test" / "articles")
    assert f"the job's tables are in s3://{BUCKET}/some/prefix/test, and none are in" in refused(path)
    assert f"set it to s3://{BUCKET}/some/prefix (" in refused(path, f"tables=s3://{BUCKET}/other")


@pytest.mark.slow
def test_tables_that_stayed_behind_at_a_move_are_not_gone_on_with(
    make_job: JobMaker, tmp_path: Path, store: Store
) -> None:
    path, here = begun(make_job), tmp_path / "jobs" / "test"
    places = [f"tables=s3://{BUCKET}/{name}" for name in "ab"]
    folders = [path_of(f"s3://{BUCKET}/{name}/test") for name in "ab"]

    def copy(of: Any, to: Any) -> None:
        files = in_bucket(store, of) if of != here else on_disk(here)
        for name, content in files.items():
            if name.startswith(("articles/", "_job.json")):
                write_bytes(to / name, content)

    copy(here, folders[0])
    run(path, places[0], last="collect")
    copy(folders[0], folders[1])
    run(path, places[1], last="collect")
    told = f"the job's tables are in s3://{BUCKET}/b/test, and those in "
    for stale, place in ((here, ()), (folders[0], places[:1])):
        message = refused(path, *place)
        assert (
            f"{told}{stale} are no copy of them as they are now" in message and f"set it to s3://{BUCKET}/b" in message
        )
        assert command("status", path, *(("--set", *place) if place else ())).returncode == 2
    run(path, places[1], last="collect")  # nothing of it was noted

    copy(folders[1], here)
    run(path, last="collect")
    for number in (0, 1):
        message = refused(path, places[number])
        assert f"the job's tables are in {here}, and those in {folders[number]} are no copy" in message
    copy(here, folders[0])
    run(path, places[0], last="collect")
    store.begin_anew()
    assert f"nothing is left of the job's tables in {folders[0]}" in refused(path)


@pytest.mark.parametrize("write", [0, 1, 2])
def test_a_kill_while_a_move_is_noted(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    path, disks = begun(make_job, f"tables=file://{tmp_path}/a"), [tmp_path / name / "test" for name in "ab"]
    shutil.copytree(*disks)
    written, write_json = itertools.count(), tables.write_json

    def killed(*arguments: Any) -> None:
        if next(written) == write:
            raise KeyboardInterrupt
        write_json(*arguments)

    monkeypatch.setattr(tables, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        run(path, f"tables=file://{tmp_path}/b", last="collect")
    run(path, f"tables=file://{tmp_path}/b", last="collect")
    assert f"those in {disks[0]} are no copy" in refused(path, f"tables=file://{tmp_path}/a")


def test_tables_that_are_gone_are_not_made_anew_in_silence(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path = begun(make_job, AT_STORE)
    store.begin_anew()
    record = tmp_path / "jobs" / "test" / "tables.json"
    assert f"nothing is left of the job's tables in s3://{BUCKET}/some/prefix/test" in (
        message := refused(path, AT_STORE)
    )
    assert f"delete {record}" in message and not store.writes()
    record.unlink()
    run(path, AT_STORE, last="collect")


def test_what_is_looked_at_is_as_it_is(store: Store) -> None:
    folder = path_of(f"s3://{BUCKET}/job/split.signatures")
    assert not isinstance(folder, Path)
    (folder / "a.json").write_bytes(b"1")
    with looked_at():
        assert folder.exists() and (folder / "a.json").exists() and (folder / "a.json").read_bytes() == b"1"
        (folder / "b.json").write_bytes(b"2")
        (folder / "a.json").unlink()
        assert [path.name for path in folder.glob("*.json")] == ["b.json"] and (folder / "b.json").read_bytes() == b"2"
        assert not (folder / "a.json").exists() and (folder / "b.json").open().read() == b"2"
        with pytest.raises(FileNotFoundError):
            (folder / "a.json").read_bytes()
        store.request("PUT", f"/{BUCKET}/job/split.signatures/c.parquet", b"3")  # by another process
        look_again()
        assert (folder / "c.parquet").exists() and (folder / "b.json").read_bytes() == b"2"


def test_two_jobs_do_not_share_tables(make_job: JobMaker, tmp_path: Path, store: Store) -> None:
    path = begun(make_job, AT_STORE)
    assert "holds the tables of another job named 'test'" in refused(path, AT_STORE, f"workspace={tmp_path / 'other'}")
    shutil.copytree(tmp_path / "jobs", tmp_path / "copy")
    assert f"is a copy of {tmp_path / 'jobs' / 'test'}" in refused(path, AT_STORE, f"workspace={tmp_path / 'copy'}")
    shutil.rmtree(tmp_path / "jobs")  # then it is no copy, the job was moved
    run(path, AT_STORE, f"workspace={tmp_path / 'copy'}", last="collect")


def test_tables_may_lie_in_another_folder(make_job: JobMaker, tmp_path: Path) -> None:
    work = run(make_job([article(n) for n in range(3)]), f"tables=file://{tmp_path}/big%20disk", last="collect")
    assert (tmp_path / "big disk" / "test" / "articles" / "_order.json").is_file()
    assert not (work.path / "articles").exists() and rows(work, "articles")
