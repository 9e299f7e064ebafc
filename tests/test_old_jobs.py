"""Jobs that were made long ago, with the code of another day (`tests/data/old_jobs`), go on where they stood.

Nothing is asked, read, judged, split or published anew because the program changed.  A better cleaner reads the replies of the
ledger again, once and for free: `labels/` and what follows from it are written anew, with the same labels, and no version is made.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import runner
from pipeline.commands import verify, versions
from pipeline.core.files import file_digest
from pipeline.core.shards import read_order
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label.requests import RequestBuilder
from pipeline.versions import export, store
from tests.conftest import article, command, rows, run, stage, work_of
from tests.openai_server import Server

RUN_IDS = {
    "keyphrases": "fa9f86f9a553552c",
    "topics": "9ced4c2f8ab83860",
    "classes": "d27b59992e6e4c70",
    "extractive": "409fdf16f0f109c3",
}
STATES = {  # stage -> rows in, rows kept, of the job `keyphrases`
    "collect": (18, 17),
    "filter": (17, 14),
    "label": (14, 14),
    "clean": (14, 13),
    "review": (13, 12),
    "split": (12, 12),
    "publish": (12, 12),
}


def files(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What stages, versions and logs wrote, with what a file that is written again does not keep.

    Not what every run writes: its events, its lock, its list of sources.
    """
    kept = [path for path in sorted(folder.rglob("*")) if path.suffix in (".parquet", ".json", ".bin", ".md", ".jsonl")]
    kept = [path for path in kept if _is_of_a_shard(path) or (path.name[0] != "_" and path.name != "events.jsonl")]
    states = ((path, path.stat()) for path in kept)
    return {
        _name_of_now(path).relative_to(folder).as_posix(): (file_digest(path), state.st_ino, state.st_mtime_ns)
        for path, state in states
    }


def _is_of_a_shard(path: Path) -> bool:
    """Return whether this is a manifest under the name that it has now."""
    return path.name.startswith("_") and path.name.endswith(".manifest.json")


def _name_of_now(path: Path) -> Path:
    """Return a file's path, for a manifest under its former name (`<shard>.json`) that which a run gives to the same file."""
    beside_its_shard = path.suffix == ".json" and path.with_suffix(".parquet").exists()
    return path.with_name(f"_{path.stem}.manifest.json") if beside_its_shard else path


CLEANED = ("labels", "labels.rejected", "reviewed", "reviewed.rejected", "split.signatures")


def label_rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the files that another VERSION of the cleaner writes again."""
    paths = [path for name in CLEANED for path in (folder / name).glob("*.parquet")]
    return {path.relative_to(folder).as_posix(): pq.read_table(path).to_pylist() for path in paths}


def assert_only_cleaned_again(
    folder: Path, before: dict[str, tuple[Any, ...]], rows_before: dict[str, list[dict[str, Any]]]
) -> None:
    """Check that no file changed but those of the clean stage and what follows from them, and in these no value of a row."""
    after, rows_after = files(folder), label_rows(folder)
    assert after.keys() == before.keys()
    assert {name.partition("/")[0] for name in after if after[name] != before[name]} <= {*CLEANED}
    # a column that a newer program adds stands beside those of then
    assert {
        name: [{column: row[column] for column in old} for row, old in zip(rows_after[name], rows, strict=True)]
        for name, rows in rows_before.items()
    } == rows_before


def asked(server: Server) -> int:
    return server.listed + sum(server.seen.values())


def answers(folder: Path) -> list[Any]:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        return ledger.execute("SELECT * FROM replies ORDER BY key, ask").fetchall()


@pytest.mark.parametrize("name", RUN_IDS)
def test_nothing_is_done_again(old_jobs: Path, server: Server, name: str) -> None:
    path, folder = old_jobs / f"{name}.yaml", old_jobs / "jobs" / name
    before, labels, replies = files(folder), label_rows(folder), answers(folder)
    work = run(path)
    assert RequestBuilder(work).run_id == RUN_IDS[name]
    planned = runner.plan_version(work)
    assert planned.version is None and planned.diff.empty
    assert {row["state"] for row in runner.status(work)["stages"][:-1]} == {"done"}
    assert_only_cleaned_again(folder, before, labels)
    after = files(folder)
    run(path)
    assert files(folder) == after
    assert answers(folder) == replies
    assert asked(server) == 0


@pytest.mark.parametrize("name", RUN_IDS)
def test_lost_requests_are_made_of_the_ledger(old_jobs: Path, server: Server, name: str) -> None:
    """Each article is rendered as it was, so its request has the key that it had."""
    work = work_of(old_jobs / f"{name}.yaml")
    shards = read_order(work.articles)
    requests = [work.requests.read(shard) for shard in shards]
    before = files(work.versions)
    shutil.rmtree(work.requests.path)
    run(old_jobs / f"{name}.yaml")
    assert [work.requests.read(shard) for shard in shards] == requests
    assert asked(server) == 0
    assert files(work.versions) == before


def test_what_the_endpoint_takes_is_remembered(old_jobs: Path) -> None:
    changes = {"temperature": None, "response_format": {"type": "json_object"}}
    assert RequestBuilder(work_of(old_jobs / "classes.yaml")).provider.compatibility.changes == changes


def test_as_a_person_runs_it(old_jobs: Path, server: Server) -> None:
    path, folder = old_jobs / "keyphrases.yaml", old_jobs / "jobs" / "keyphrases"
    before, labels = files(folder), label_rows(folder)
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    assert "version 2.0.0" in done.stdout
    dry = command("publish", path, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert_only_cleaned_again(folder, before, labels)
    assert asked(server) == 0


def test_an_extractor_s_labels_make_no_version_for_the_word_that_says_so(old_jobs: Path) -> None:
    """What was called `llm` keeps the word; further labels, and those that are reviewed from the start, say `extracted`."""
    path = old_jobs / "extractive.yaml"
    shutil.rmtree(old_jobs / "jobs" / "extractive" / "reviewed")
    work = run(path)
    assert {row["label_source"] for row in rows(work, "labels")} == {"extracted"}
    assert [folder.name for folder in sorted(work.versions.glob("[0-9]*"))] == ["1.0.0"]
    assert "no row differs" in command("publish", path, "--dry-run").stdout
    first = store.read_manifest(work.versions / "1.0.0")
    assert first["label_sources"] == {"llm": 10}
    output = work.path / "x.jsonl"
    exported = command("export", path, "--format", "jsonl", "--where", "label_source=extracted", "--output", output)
    assert exported.returncode == 0, exported.stderr
    assert len(output.read_text("utf-8").splitlines()) == first["rows"]["train"]


def test_what_an_old_job_of_the_extractor_gains_says_so(old_jobs: Path) -> None:
    path = old_jobs / "extractive.yaml"
    work = run(path)
    before = {row["id"]: row for row in rows(work, "labels")}
    assert {row["label_source"] for row in before.values()} == {"llm"}
    with next(old_jobs.rglob("harbour.jsonl")).open("a", encoding="utf-8") as file:
        file.write(json.dumps({**article(1), "id": "new"}) + "\n")
    work = run(path)
    after = {row["id"]: row for row in rows(work, "labels")}
    assert {name: row["label_source"] for name, row in after.items() if name not in before} == {"new": "extracted"}
    assert after["new"]["repairs"] == []
    assert {name: after[name] for name in before} == before
    assert [folder.name for folder in sorted(work.versions.glob("[0-9]*"))] == ["1.0.0", "1.1.0"]


def test_what_people_said_holds(old_jobs: Path) -> None:
    work = run(old_jobs / "keyphrases.yaml")
    labels = {row["id"]: (row["label_source"], row["keyphrases"]) for row in rows(work, "labels")}
    assert labels.pop("h1") == ("verified", ["night ferry", "northern harbour", "ferry company", "petition"])
    assert labels.pop("h3") == ("edited", ["등대 도서관", "섬마을", "어린이 독서 모임"])
    assert labels.pop("h4") == ("edited", ["storm wall", "rubber seal", "harbour office", "sand behind the wall"])
    assert {source for source, _ in labels.values()} == {"llm"}
    assert "m4" not in labels
    assert [row["id"] for row in rows(work, "articles", rejected=True) if row["reason"] == "taken_down"] == ["h2"]
    assert [row["id"] for row in rows(work, "eval")] == ["h1", "m3"]
    assert {row["stage"]: (row["rows"], row["kept"]) for row in runner.status(work)["stages"]} == STATES


def test_people_are_shown_articles_in_the_same_order(old_jobs: Path, tmp_path: Path) -> None:
    """Who judged the first ones has judged a random sample, and goes on with the next."""
    sheet = tmp_path / "sheet.jsonl"
    assert command("review", old_jobs / "keyphrases.yaml", "--export", sheet).returncode == 0
    order = [json.loads(line)["id"] for line in sheet.read_text("utf-8").splitlines()]
    assert " ".join(order) == "h4 h10 m1 h5 h3 h11 text-4aaae5bc3c2717bc h9 m4 h8 h1 m3 h12"


def test_an_article_more_costs_one_request(old_jobs: Path, server: Server) -> None:
    """One row comes in, no other changes; so the server does count what is asked of that address."""
    body = "Forty boats raced without engines around the island. The wind was weak, and the race took seven hours. " * 2
    with (old_jobs / "harbour.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "h13", "title": "Boats race without engines", "body": body}) + "\n")
    work = run(old_jobs / "keyphrases.yaml")
    assert (sum(server.seen.values()), server.listed) == (1, 1)
    changes = store.difference(work.versions / "2.0.0", work.versions / "2.1.0")
    assert (changes.added, sum(changes.counts.values())) == (1, 1)


def test_a_crawl_is_not_read_again(old_jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its site is gone; what extracted its pages is taken for what did it then."""
    pages = pytest.importorskip("pipeline.collect.html.extract")
    pytest.importorskip("trafilatura", reason="crawling needs the extra: pip install 'labelmill[crawl]'")
    made_by = "pages-3-fast trafilatura-2.3.1 htmldate-1.11.0 lxml-6.1.3"
    monkeypatch.setattr(pages, "extractor_digest", lambda mode: made_by)
    before = files(old_jobs / "jobs" / "web")
    work = work_of(old_jobs / "web.yaml")
    runner.run(work, RunOptions(last="filter", fetch=False))
    assert files(old_jobs / "jobs" / "web") == before
    assert len(rows(work, "filtered")) == 4


# --- versions that are out ---


@pytest.mark.parametrize(("name", "there"), [("keyphrases", ["1.0.0", "2.0.0"]), ("topics", ["1.0.0"])])
def test_versions_are_as_their_manifests_say(old_jobs: Path, name: str, there: list[str]) -> None:
    work = work_of(old_jobs / f"{name}.yaml")
    listed, trouble = versions.listing(work)
    assert ([version["version"] for version in listed], trouble) == (there, "")
    for version in there:
        assert verify.verify(work, version) == {str(work.versions / version): []}


def test_two_versions_are_compared(old_jobs: Path) -> None:
    changes = store.difference(*store.all_versions(work_of(old_jobs / "keyphrases.yaml").versions))
    assert changes.counts == {"added": 3, "removed": 1, "edited": 0, "relabelled": 0, "moved": 0}
    assert (changes.samples["added"], changes.samples["removed"]) == (["h10", "h11", "h12"], ["h2"])


TARGET = "night ferry; northern harbour; ferry company; petition"


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("seq2seq", f'"target": "{TARGET}"'),
        ("chat", f'{{"role": "assistant", "content": "{TARGET}"}}'),
        ("clm", f"\\n### Keyphrases:\\n{TARGET}\\n### End"),
        ("jsonl", '"keyphrases": ["night ferry", "northern harbour", "ferry company", "petition"]'),
        ("csv", f",{TARGET},exact; exact; exact; exact,"),
    ],
)
def test_a_version_is_exported(old_jobs: Path, tmp_path: Path, form: str, wanted: str) -> None:
    output = tmp_path / "eval"
    folder = work_of(old_jobs / "keyphrases.yaml").versions
    assert export.export(folder, "1.0.0", "eval", form, output, None, export.TokenLimits()).rows == 2
    assert wanted in output.read_text("utf-8")


def test_a_version_is_loaded_with_datasets(old_jobs: Path, tmp_path: Path) -> None:
    import datasets

    folder = old_jobs / "jobs" / "keyphrases" / "versions" / "2.0.0"
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded["eval"]["id"]) == ["h1", "m3"]
    assert "; ".join(loaded["eval"][0]["keyphrases"]) == TARGET
    assert len(loaded["train"]) == 10


# --- labels of the extractor's first version ---


def more(old_jobs: Path, name: str) -> None:
    body = "Forty boats raced without engines around the island. The wind was weak, and the race took seven hours. " * 2
    with (old_jobs / "harbour.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": name, "title": "Boats race without engines", "body": body}) + "\n")


def labels_of(work: Workspace) -> dict[str, tuple[str, list[str]]]:
    return {row["id"]: (row["run_id"], row["keyphrases"]) for row in rows(work, "labels")}


def test_an_article_more_is_labelled_by_the_extractor_as_it_is_now(old_jobs: Path) -> None:
    path = old_jobs / "extractive.yaml"
    before = labels_of(work_of(path))
    more(old_jobs, "h13")
    work = run(path)
    after = labels_of(work)
    run_id, _ = after.pop("h13")
    assert after == before
    assert {run_id for run_id, _ in after.values()} == {RUN_IDS["extractive"]} != {run_id}
    label = stage(work, "label")
    assert (label["rows"], label["kept"], label["state"]) == (len(after) + 1, len(after) + 1, "done")
    counted = json.loads(command("status", path, "--json").stdout)["labels"]
    assert [(run["name"], run["run_id"], run["labels"]) for run in counted] == [
        ("extractive 1", RUN_IDS["extractive"], len(after)),
        ("extractive 2", run_id, 1),
    ]
    assert f"labels: {len(after)} by extractive 1, 1 by extractive 2\n" in command("status", path).stdout
    newest = store.latest(work.versions)
    assert newest is not None
    runs = {one["run_id"]: one for one in store.read_manifest(newest)["runs"]}
    assert runs[run_id]["parameters"]["version"] == 2 and runs[run_id]["rows"] == 1
    assert runs[RUN_IDS["extractive"]]["parameters"]["version"] == 1
    changes = store.difference(work.versions / "1.0.0", newest)
    assert (changes.added, sum(changes.counts.values())) == (1, 1)
    files_now = files(work.path)
    assert files(run(path).path) == files_now
    assert labels_of(work_of(path)) == {**after, "h13": labels_of(work)["h13"]}


def test_refit_labels_all_of_them_anew(old_jobs: Path) -> None:
    path = old_jobs / "extractive.yaml"
    before = labels_of(work_of(path))
    more(old_jobs, "h13")
    run(path)
    after = labels_of(run(path, "label.refit=true"))
    ids = {run_id for run_id, _ in after.values()}
    assert len(ids) == 1 and RUN_IDS["extractive"] not in ids
    assert after.keys() == before.keys() | {"h13"}
    assert labels_of(run(path)) == after
    assert RequestBuilder(work_of(path)).run_id in ids


def test_a_takedown_alone_can_still_be_published(old_jobs: Path) -> None:
    path = old_jobs / "extractive.yaml"
    before = labels_of(work_of(path))
    gone = next(iter(before))
    taken = command("takedown", path, "--id", gone)
    assert taken.returncode == 0
    # a better cleaner came since: `publish` alone cannot, and both say what can
    assert f"labelmill run {path} and then labelmill publish {path} make a version without it" in taken.stdout
    refused = command("publish", path)
    assert refused.returncode == 1 and f"run: labelmill run {path} --from clean" in refused.stderr
    assert command("run", path).returncode == 0
    assert command("publish", path).returncode == 0
    work = work_of(path)
    assert labels_of(work) == {name: label for name, label in before.items() if name != gone}
    newest = store.latest(work.versions)
    assert newest is not None and newest.name != "1.0.0"
    assert store.difference(work.versions / "1.0.0", newest).counts == {
        "added": 0, "removed": 1, "moved": 0, "edited": 0, "relabelled": 0
    }  # fmt: skip
