"""What is stale says so, before anything is published that its manifest would lie about; looking changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import runner
from pipeline.core.errors import InputError, Paused
from pipeline.core.files import read_json
from pipeline.core.shards import Folder
from pipeline.job.run_options import RunOptions
from pipeline.review.log.judgements import Judgement, JudgementLog
from pipeline.versions import store
from tests.conftest import JobMaker, article, command, rows, run, stage, work_of, write_jsonl
from tests.openai_server import Server
from tests.program import Program


def states(path: Path, *overrides: str) -> dict[str, str]:
    return runner.states(work_of(path, *overrides))


def edit(path: Path, **sections: Any) -> None:
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, **sections}))


def judged(work: Any, id: str, **verdict: Any) -> None:
    row = next(row for row in rows(work, "labels") if row["id"] == id)
    with JudgementLog(work.verdicts_file) as log:
        log.add([Judgement(row["text_sha256"], id, "kim", "2026-01-01T00:00:00.000+00:00", **verdict)])


# name -> (sections of the job file after the edit, the stage that becomes stale, what it says)
EDITS = {
    "filter option": (
        {"filters": [{"type": "language", "keep": ["en", "fr"]}, {"type": "duplicates"}]},
        "filter",
        "filters",
    ),
    "filter gone": ({"filters": [{"type": "language", "keep": ["en"]}]}, "filter", "filters"),
    "another task's prompt": ({"label": {"provider": "extractive", "parameters": {"phrases": 5}}}, "label", "labeller"),
    "cleaner": ({"clean": {"max_phrases": 3}}, "clean", "cleaner"),
    "eval": ({"split": {"eval": 0.5}}, "split", "split"),
    "similarity": ({"split": {"eval": 0.25, "similarity": 0.9}}, "split", "split"),
    "columns": (
        {"sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body", "url": "link"}}]},
        "collect",
        "sources",
    ),
    "licence": (
        {"sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}, "licence": "MIT"}]},
        "collect",
        "sources",
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_jsonl(folder / "articles.jsonl", [article(n) for n in range(12)])
    path = folder / "job.yaml"
    source = {"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}
    filters = [{"type": "language", "keep": ["en"]}, {"type": "duplicates"}]
    config = {"name": "test", "sources": [source], "filters": filters, "label": {"provider": "extractive"}}
    path.write_text(yaml.safe_dump({**config, "split": {"eval": 0.25}}))
    run(path)
    return path


def test_a_finished_job_is_done(finished: Path) -> None:
    assert set(states(finished).values()) == {"done"}
    assert stage(work_of(finished), "publish")["state"] == "version 1.0.0"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_job_file_is_told_and_held_against_publishing(finished: Path, name: str) -> None:
    sections, where, what = EDITS[name]
    before = finished.read_text()
    try:
        edit(finished, **sections)
        found = states(finished)
        names = list(found)
        at = names.index(where)
        assert all(found[earlier] == "done" for earlier in names[:at])
        assert found[where].startswith("stale: ") and what in found[where] and "changed" in found[where]
        assert all(found[later] == f"stale: {where} is stale" for later in names[at + 1 :])
        with pytest.raises(InputError, match=f"{where} makes.*not up to date.*--from {where}"):
            runner.run(work_of(finished), RunOptions("publish"))
        with pytest.raises(InputError, match=where):
            runner.plan_version(work_of(finished))
        if at < len(names) - 1:
            with pytest.raises(InputError, match=where):
                runner.run(work_of(finished), RunOptions(names[at + 1], "split"))
        assert [path.name for path in store.all_versions(work_of(finished).versions)] == ["1.0.0"]
    finally:
        finished.write_text(before)
    assert set(states(finished).values()) == {"done"}


def test_the_stale_stage_itself_may_run(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)], clean={"max_phrases": 5})
    run(path)
    edit(path, clean={"max_phrases": 2})
    assert "stale" in states(path)["clean"]
    run(path, first="clean", last="split")
    assert set(states(path).values()) == {"done"}
    result = command("publish", path)
    assert result.returncode == 0, result.stderr
    manifest = read_json(work_of(path).versions / "2.0.0" / "manifest.json")
    assert manifest["clean"]["max_phrases"] == 2 and all(
        len(row["keyphrases"]) <= 2 for row in rows(work_of(path), "train")
    )


def test_sources_that_come_go_or_change_places_are_stale(make_job: JobMaker, tmp_path: Path) -> None:
    def source(name: str) -> dict[str, Any]:
        return {"type": "files", "path": name, "columns": {"text": "body"}}

    for name in "ab":
        write_jsonl(tmp_path / f"{name}.jsonl", [article(ord(name) * 100 + n) for n in range(6)])
    path = make_job(sources=[source("a.jsonl"), source("b.jsonl")])
    run(path)
    for sources in (
        [source("a.jsonl")],
        [source("b.jsonl"), source("a.jsonl")],
        [source(n) for n in ("a.jsonl", "b.jsonl", "c.jsonl")],
    ):
        edit(path, sources=sources)
        assert states(path)["collect"] == "stale: sources changed"
    edit(path, sources=[source("a.jsonl"), source("b.jsonl")])
    assert states(path)["collect"] == "done"


def test_rows_made_anew_make_what_follows_stale(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(1, 14)])
    run(path, last="collect")
    found = states(path)
    assert found["collect"] == "done" and found["filter"] == "stale: articles changed"
    assert found["split"] == "stale: filter is stale"
    with pytest.raises(InputError, match="filter"):
        runner.run(work_of(path), RunOptions("label", "label"))


def test_verdicts_make_the_review_stale_until_they_are_applied(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    label = next(row for row in rows(work, "labels") if row["id"] == "a3")["keyphrases"]
    judged(work, "a3", accepted=label[1:], rejected=label[:1])
    assert states(path)["review"] == "stale: verdicts not applied" and states(path)["split"] == "stale: review is stale"
    result = command("publish", path)
    assert result.returncode == 1 and "verdicts not applied" in result.stderr and "--from review" in result.stderr
    runner.run(work_of(path))  # applies them; the change of a label needs a word
    assert set(states(path).values()) == {"done"}
    assert [version.name for version in store.all_versions(work.versions)] == ["1.0.0"]
    assert command("publish", path).returncode == 0
    assert store.latest(work.versions).name == "2.0.0"  # type: ignore[union-attr]


def test_a_takedown_alone_never_blocks_publishing(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    told = command("takedown", path, "--id", "a3").stdout
    assert f"labelmill publish {path}" in told
    assert set(states(path).values()) == {"done"}
    assert command("publish", path).returncode == 0
    last = store.latest(work.versions)
    assert last and last.name == "2.0.0"
    assert not [
        row
        for split in ("train", "eval")
        for t in store.rows_of(last, split)
        for row in t.to_pylist()
        if row["id"] == "a3"
    ]


def test_a_job_of_before_without_notes_on_folds_is_unknown_and_goes_on(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)], filters=[{"type": "duplicates"}])
    work = run(path)
    for folder in (work.filtered, work.split):
        (folder.path / "_fold.json").unlink()
    assert {states(path)[name] for name in ("filter", "split")} == {"unknown until run"}
    assert command("publish", path).returncode == 0
    before = {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")}
    run(path)
    assert set(states(path).values()) == {"done"}
    assert before == {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")}


def test_a_fold_that_was_left_half_way_is_not_done(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    with monkeypatch.context() as patched:
        keep_only = Folder.keep_only
        patched.setattr(Folder, "keep_only", lambda self, s: 1 / 0 if self == work.split else keep_only(self, s))
        with pytest.raises(ZeroDivisionError):
            run(path, "split.eval=0.5", first="split", last="split")
    assert states(path)["split"] == "unknown until run"  # its shards may be of either
    run(path, first="split")
    assert states(path)["split"] == "done" and store.latest(work.versions).name == "1.0.0"  # type: ignore[union-attr]


# --- a run makes versions that grow ---


def test_a_run_publishes_the_first_version_and_growth_and_nothing_else(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    work = work_of(path)
    assert runner.run(work) is None
    assert store.latest(work.versions).name == "1.0.0"  # type: ignore[union-attr]
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(14)])
    assert command("run", path).stdout.count("version 1.1.0") == 1
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(2, 16)])
    told = command("run", path)
    assert told.returncode == 0
    line = told.stdout.splitlines()[-1]
    assert f"labelmill publish {path} would make 2.0.0" in line and "2 rows added, 2 rows removed" in line
    assert store.latest(work.versions).name == "1.1.0"  # type: ignore[union-attr]
    assert stage(work, "publish")["state"] == "version 1.1.0, rows changed since"
    assert command("run", path, "--publish").returncode == 0
    assert store.latest(work.versions).name == "2.0.0"  # type: ignore[union-attr]


def test_a_relabelling_is_told_not_published(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    told = runner.run(work_of(path, "clean.max_phrases=1"))
    assert told and "2.0.0" in told and "rows relabelled" in told
    assert [version.name for version in store.all_versions(work.versions)] == ["1.0.0"]


def asked(server: Server, make_job: JobMaker, count: int = 12, **label: Any) -> Path:
    options = {"provider": "openai", "model": "gpt-6-luna", "base_url": server.url, **label}
    return make_job([article(n) for n in range(count)], label=options)


def test_a_trial_publishes_nothing(make_job: JobMaker, server: Server) -> None:
    path = asked(server, make_job)
    fresh = command("run", path, "--limit", "3")
    assert (
        fresh.returncode == 0 and "limited to 3" in fresh.stdout and "would make 1.0.0 (3 rows added)" in fresh.stdout
    )
    work = work_of(path)
    assert not store.all_versions(work.versions)
    assert runner.run(work_of(path)) is None
    trial = command("run", path, "--limit", "3", "--set", "label.parameters.seed=7")
    assert trial.returncode == 0 and "9 rows removed" in trial.stdout, trial.stdout + trial.stderr
    assert f"labelmill publish {path} --set label.parameters.seed=7 would make 2.0.0" in trial.stdout
    assert [version.name for version in store.all_versions(work.versions)] == ["1.0.0"]
    # the trial's other articles still wait
    rest = runner.run(work_of(path, "label.parameters.seed=7"), RunOptions("clean"))
    assert rest and "3 of 12 answered, 9 wait" in rest
    assert runner.run(work_of(path)) is None and sum(server.answered.values()) == 12 + 3


def test_requests_without_an_answer_wait_and_rejected_ones_do_not(make_job: JobMaker, server: Server) -> None:
    path = asked(server, make_job, limits={"concurrency": 1})
    run(path, last="label")
    work = work_of(path)
    [shard] = json.loads((work.articles.path / "_order.json").read_text())
    manifest = read_json(work.requests.manifest_file(shard))
    failed = {**manifest, "notes": {"answered": 11, "failed": 1}}
    work.requests.manifest_file(shard).write_text(json.dumps(failed))
    told = runner.run(work_of(path), RunOptions("clean"))
    assert told and "1 got no answer" in told and not store.all_versions(work.versions)
    rejected = {**manifest, "notes": {"answered": 11, "rejected": 1}}
    work.requests.manifest_file(shard).write_text(json.dumps(rejected))
    assert runner.run(work_of(path), RunOptions("clean")) is None and store.all_versions(work.versions)


def test_a_number_of_ones_own_needs_rows_that_differ(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    for given in ("99.0.0", "1.1.0", "2.0.0", "1.0.2"):
        result = command("publish", path, "--version", given)
        assert result.returncode == 2 and "no row differs from 1.0.0" in result.stderr
    assert command("publish", path, "--version", "1.0.1").returncode == 0  # the same rows, by the rule a patch


def test_a_version_that_nobody_has_can_be_dropped(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(14)])
    run(path)
    older = command("versions", path, "--drop", "1.0.0")
    assert older.returncode == 1 and "only the last one can be dropped (1.1.0)" in older.stderr
    assert command("versions", path, "--drop", "7.0.0").returncode == 1
    assert command("versions", path, "--drop", "1.1.0").returncode == 0
    assert [version.name for version in store.all_versions(work.versions)] == ["1.0.0"]
    assert runner.run(work_of(path)) is None and store.latest(work.versions).name == "1.1.0"  # type: ignore[union-attr]


# --- status ---


def test_a_paused_label_stage_tells_how_far_it_is(make_job: JobMaker, server: Server) -> None:
    prices = {"gpt-6-luna": {"input": 10.0, "output": 10.0}}
    path = asked(server, make_job, 30, prices=prices, budget_usd=0.02, parameters={"max_output_tokens": 16})
    with pytest.raises(Paused):
        run(path)
    label = stage(work_of(path), "label")
    answered = sum(server.answered.values())
    assert 0 < answered < 30
    assert label["state"].startswith(f"{answered} of 30 answered, {30 - answered} wait, paused: the budget of $0.02")
    assert label["rows"] == label["kept"] == answered and label["waiting"] == 30 - answered
    assert command("run", path).returncode == 3


@pytest.mark.slow
def test_a_running_label_stage_tells_its_process(make_job: JobMaker, server: Server) -> None:
    path = asked(server, make_job, 40, limits={"concurrency": 2})
    server.latency = 0.4
    process = Program("run", path)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if (label := stage(work_of(path), "label"))["rows"] >= 4:
                break
            time.sleep(0.1)
        assert f"running ({process.pid})" in label["state"] and "of 40 answered" in label["state"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        state = stage(work_of(path), "label")["state"]
        assert "of 40 answered" in state and "running" not in state
    finally:
        process.kill()
        process.wait()
    server.latency = 0
    run(path)
    assert stage(work_of(path), "label")["state"] == "done"


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("killed", [False, True])
def test_looking_writes_nothing(make_job: JobMaker, server: Server, tmp_path: Path, killed: bool) -> None:
    """Also after a kill, when the newest records are in a file beside the ledger's."""
    path = asked(server, make_job)
    work = run(path)
    judged(work, "a3", accepted=next(row for row in rows(work, "labels") if row["id"] == "a3")["keyphrases"])
    if killed:
        code = """if True:
            import os, sqlite3, sys
            opened = [sqlite3.connect(name) for name in sys.argv[1:]]
            for database in opened:
                database.execute("CREATE TABLE left_open (x)")
                database.commit()
            os._exit(9)
        """
        subprocess.run([sys.executable, "-c", code, work.path / "ledger.sqlite", work.verdicts_file], check=False)
        assert (work.path / "ledger.sqlite-wal").stat().st_size
    before = {name: state for name, state in snapshot(work.path).items() if not name.endswith("-shm")}
    for arguments in (["status"], ["status", "--json"], ["report", "--json"], ["report", "--output", tmp_path / "r.html"],
                      ["ledger"], ["versions"], ["show", "labels"]):  # fmt: skip
        result = command(arguments[0], path, *arguments[1:])
        assert result.returncode == 0, result.stderr
    after = {name: state for name, state in snapshot(work.path).items() if not name.endswith("-shm")}
    assert before.keys() == after.keys() and before == after


def test_status_of_a_folder_that_cannot_be_written(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = asked(server, make_job)
    work = run(path)
    runner.status(work)  # what it imports is imported
    for folder in [path.parent, *path.parent.rglob("*")]:
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    for parent in path.parent.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/") and parent.parent != Path("/"):
            parent.chmod(0o755)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            if os.getuid() == 0:
                os.seteuid(65534)
            with pytest.raises(OSError, match="denied"):
                (work.path / "x").write_text("x")
            code = 0 if runner.status(work)["ledger"]["answered"] == 12 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for folder in [path.parent, *path.parent.rglob("*")]:
        folder.chmod(0o755 if folder.is_dir() else 0o644)
