"""Publishing to a Hub over real HTTP: one commit and one tag a version, whatever fails, whoever else writes there."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.publish import hub as publishing_hub
from tests.conftest import ROOT, JobMaker, article, command, run, work_of, write_job, write_jsonl
from tests.hub import Hub
from tests.program import Program

REPO = "alice/news"
SPLIT = {"eval": 0.3}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub() as running:
        yield running


class Publisher:
    """A job that publishes to the hub."""

    def __init__(self, make_job: JobMaker, hub: Hub, folder: Path, **publish: Any) -> None:
        """`folder` may hold the job as far as `split_once` took it."""
        self.hub, self.folder = hub, folder
        self.env = {**hub.env, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        section = {"to": "hub", "repo": REPO, "licence": "cc0-1.0", **publish}
        self.path = make_job([], publish=section, split=SPLIT)
        self.grow(12)

    def grow(self, count: int) -> None:
        write_jsonl(self.folder / "articles.jsonl", [article(n) for n in range(count)])

    def keep(self, names: list[str]) -> None:
        write_jsonl(self.folder / "articles.jsonl", [row for n in range(12) if (row := article(n))["id"] in names])

    def rows(self, version: str, split: str) -> list[dict[str, Any]]:
        return list(
            pq.read_table(work_of(self.path).versions / version / "data" / f"{split}-00000.parquet").to_pylist()
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """`labelmill` with the job; what it said."""
        name, *rest = arguments or ("run", "--publish")
        result = command(name, self.path, *rest, **self.env)
        said = result.stdout + result.stderr
        assert result.returncode == code, said
        assert "Traceback" not in said and self.hub.token not in said
        return said

    @property
    def local(self) -> dict[str, dict[str, bytes]]:
        folder = work_of(self.path).versions
        return {
            version.parent.name: {
                file.relative_to(version.parent).as_posix(): file.read_bytes()
                for file in version.parent.rglob("*")
                if file.is_file()
            }
            for version in folder.glob("[!.]*/manifest.json")
        }

    def check(self, *versions: str) -> None:
        """Exactly these versions, here and there, each with one commit and one tag, byte for byte."""
        assert sorted(self.local) == sorted(versions)
        tags, commits = self.hub.tags(REPO), self.hub.commits(REPO)
        assert sorted(tag for tag in tags if tag[0].isdigit()) == sorted(versions)
        titles = [commit.title for commit in commits if "labelmill release" in commit.title]
        assert sorted(title.split()[1] for title in titles) == sorted(versions)
        for version, files in self.local.items():
            there = self.hub.files(REPO, version)
            assert {name: there.get(name) for name in files} == files
            assert not {name for name in there if name.startswith("data/")} - files.keys()
            commit = next(commit for commit in commits if commit.id == tags[version])
            assert json.loads(files["manifest.json"])["release"] in commit.title


@pytest.fixture(scope="session")
def split_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job of a publisher with all before publish done, which is no business of these tests."""
    folder = tmp_path_factory.mktemp("split")
    run(write_job(folder, [article(n) for n in range(12)], split=SPLIT), last="split")
    return folder


@pytest.fixture
def job(make_job: JobMaker, hub: Hub, tmp_path: Path, split_once: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    shutil.copytree(split_once, tmp_path, dirs_exist_ok=True)
    wait_of = publishing_hub.Hub.wait_of
    monkeypatch.setattr(publishing_hub.Hub, "wait_of", staticmethod(lambda *of: wait_of(*of) / 20))
    return Publisher(make_job, hub, tmp_path)


@pytest.mark.slow
def test_versions_go_out_and_load_by_their_tags(job: Publisher, tmp_path: Path) -> None:
    job.run()
    job.grow(15)
    job.run()
    job.check("1.0.0", "1.1.0")
    assert job.run("publish") and len(job.hub.commits(REPO)) == 3  # nothing changed: nothing goes out
    for version, count in (("1.0.0", 12), ("1.1.0", 15)):
        loaded = load(version, job, tmp_path)
        assert loaded.startswith(f"['eval', 'train'] {count} 1 List"), loaded


def test_growing_uploads_only_what_is_new(job: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run()
    before = {name: data for name, data in job.hub.files(REPO, "1.0.0").items() if name.endswith(".parquet")}
    sent = len(job.hub.log)
    job.run("publish", "--set", "publish.licence=mit", "--version", "1.0.1")
    job.check("1.0.0", "1.0.1")
    uploads = [entry for entry in job.hub.log[sent:] if entry.op == "lfs_upload"]
    after = job.hub.files(REPO, "1.0.1")
    assert {name: after[name] for name in before if name.startswith("data/")} == {
        name: data for name, data in before.items() if name.startswith("data/")
    }
    assert not uploads


FAULTS: dict[str, dict[str, Any]] = {
    "before": {"status": 503},
    "after": {"status": 504, "after": True},
    "drop": {"drop": True},
    "dropped_after": {"drop": True, "after": True},
    "limit": {"status": 429, "retry_after": 1},
}
LOOKING = ("refs", "commits", "tree", "preupload", "lfs_batch", "lfs_upload", "resolve")


@pytest.mark.parametrize(
    ("op", "how"),
    [(op, how) for op in ("create", "commit", "tag") for how in FAULTS] + [(op, "drop") for op in LOOKING],
)
def test_any_call_may_fail(job: Publisher, op: str, how: str) -> None:
    """At most one more run: the same command goes on."""
    job.hub.fault(op, **FAULTS[how])
    first = command("run", job.path, **job.env)
    assert "Traceback" not in first.stderr and first.stderr.count("labelmill:") <= 2
    if first.returncode:
        job.run()
    job.check("1.0.0")


@pytest.mark.parametrize("op", ["commit", "tag"])
def test_what_stays_broken_is_told_and_nothing_is_lost(job: Publisher, op: str) -> None:
    job.run("run", "--to", "split")
    job.hub.fault(op, status=401, times=1)
    said = job.run("publish", code=1)
    assert "the Hub, alice/news: no access (401): set HF_TOKEN" in said and said.count("\n") == 1
    job.run("publish")
    job.check("1.0.0")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "no access (401)"),
        ("hf_unknownunknownunknownunknownunknown", "no access (401)"),
        ("reader", "forbidden (403)"),
    ],
)
def test_who_may_not(job: Publisher, token: str, said: str) -> None:
    job.env["HF_TOKEN"] = job.hub.reader_token if token == "reader" else token
    told = job.run(code=1)
    assert said in told
    assert not token or token not in told


def test_a_full_storage(job: Publisher) -> None:
    job.hub.quota = 100
    assert "forbidden (403)" in job.run(code=1)
    job.hub.quota = None
    job.run()
    job.check("1.0.0")


def test_a_store_that_flips_a_byte_is_found(job: Publisher) -> None:
    job.hub.corrupt_uploads = 1
    said = job.run(code=1)
    assert "reads back other than it was sent: " in said and ".parquet: changed" in said
    assert not job.local  # it is not out


def test_another_writer_at_the_same_moment(job: Publisher) -> None:
    """412: what they wrote survives, ours comes on top."""
    job.run("run", "--to", "split")
    job.hub.create(REPO)
    job.hub.race = lambda repo: job.hub.edit(repo, "README.md", b"# By hand\n\nKeep this.\n")
    said = job.run("publish")
    assert "was changed meanwhile (README.md added)" in said
    job.check("1.0.0")
    card = job.hub.files(REPO, "1.0.0")["README.md"].decode()
    assert "# By hand\n\nKeep this.\n" in card and "labelmill: begin" in card
    job.grow(14)
    job.run("run", "--to", "split")
    job.hub.race = lambda repo: job.hub.edit(repo, "data/train-00000.parquet", b"theirs")
    assert "was changed meanwhile: data/train-00000.parquet changed" in job.run("publish", code=1)


def test_somebody_edited_the_repository(job: Publisher) -> None:
    job.run()
    card = (
        job.hub.files(REPO)["README.md"]
        .decode()
        .replace("---\n\n<!--", "pretty_name: News\n---\n\nWritten by hand.\n\n<!--", 1)
    )
    job.hub.edit(REPO, "README.md", card.encode())
    job.hub.edit(REPO, "extra.txt", b"mine")
    job.grow(14)
    said = job.run(code=1)
    assert "was changed since version 1.0.0: README.md changed, extra.txt added" in said and "--adopt" in said
    assert "Update README.md" in said
    job.check("1.0.0")
    job.run("publish", "--adopt")
    job.check("1.0.0", "1.1.0")
    files = job.hub.files(REPO, "1.1.0")
    assert files["extra.txt"] == b"mine"
    assert (
        b"Written by hand.\n\n<!-- labelmill: begin" in files["README.md"]
        and b"pretty_name: News" in files["README.md"]
    )
    assert files["README.md"].count(b"labelmill: begin") == 1 and b"# test 1.1.0" in files["README.md"]


def test_a_repository_of_somebody_else(job: Publisher) -> None:
    job.hub.create(REPO)
    job.hub.edit(REPO, "data/train-00000-of-00001.parquet", b"theirs")
    assert "holds data/train-00000-of-00001.parquet, no version of this job" in job.run(code=1)
    job.run("publish", "--adopt")
    job.check("1.0.0")
    assert "data/train-00000-of-00001.parquet" not in job.hub.files(REPO)


def test_another_machine_takes_a_job_over(job: Publisher, tmp_path: Path) -> None:
    """The folder is lost: the versions on the Hub are where it goes on.  No row changes sides, also of older versions, and
    what was taken down stays down."""
    job.run()
    splits = {row["id"]: split for split in ("train", "eval") for row in job.rows("1.0.0", split)}
    an_eval, a_train = (min(name for name, its in splits.items() if its == split) for split in ("eval", "train"))
    job.run("takedown", "--id", a_train)
    job.keep([name for name in splits if name != an_eval])
    job.run()  # 2.0.0: without both
    (tmp_path / "jobs").rename(tmp_path / "lost")
    job.grow(16)  # all come back, and four are new
    other = ("--set", "split.salt=other", "--set", "split.eval=0.6")
    assert "has a tag 2.0.0, a version that is not here" in job.run("run", *other, code=1)
    job.run("publish", "--adopt", *other)
    assert sorted(job.local) == [
        "1.0.0",
        "2.0.0",
        "2.1.0",
    ]  # a label is a function of its article: the run is the same
    now = {row["id"]: split for split in ("train", "eval") for row in job.rows("2.1.0", split)}
    assert {name: now[name] for name in splits if name != a_train} == {n: s for n, s in splits.items() if n != a_train}
    assert a_train not in now and {row["added_in"] for row in job.rows("2.1.0", "eval") if row["id"] in splits} >= {
        "1.0.0"
    }


def test_a_tag_is_never_moved(job: Publisher) -> None:
    job.run("run", "--to", "split")
    job.hub.create(REPO)
    job.hub.fault("tag", status=403)
    assert "forbidden (403)" in job.run("publish", code=1)
    head = job.hub.head(REPO)
    elsewhere = job.hub.commits(REPO)[-1].id
    job.hub.repos[REPO].tags["1.0.0"] = elsewhere
    said = job.run("publish", code=1)
    assert "the tag 1.0.0 is on another commit" in said
    assert job.hub.tags(REPO)["1.0.0"] == elsewhere and job.hub.head(REPO) == head


def test_what_did_not_get_out_is_made_anew_where_the_job_file_changed(job: Publisher) -> None:
    job.run("run", "--to", "split")
    job.hub.fault("commit", status=403)
    assert "forbidden (403)" in job.run("publish", code=1)
    job.run("publish", "--set", "publish.licence=mit")
    job.check("1.0.0")
    assert b"license: mit" in job.hub.files(REPO, "1.0.0")["README.md"]


def test_a_folder_goes_to_the_hub_later(job: Publisher) -> None:
    job.run("run", "--set", "publish.to=folder")
    files = job.local["1.0.0"]
    job.run("publish")
    job.check("1.0.0")
    assert job.local["1.0.0"] == files


@pytest.mark.slow
def test_kill_at_any_moment(job: Publisher) -> None:
    """SIGKILL, again and again: in the end one commit and one tag a version."""
    job.run("run", "--to", "split")
    draw, versions = random.Random(3), []
    for number in range(3):
        job.grow(12 + 2 * number)
        versions.append(f"1.{number}.0")
        job.run("run", "--to", "split")
        for _ in range(3):
            process = Program("publish", job.path, env={"PATH": "", "PYTHONPATH": str(ROOT), **job.env}, stderr=False)
            requests = len(job.hub.log) + draw.randint(1, 12)
            while process.poll() is None and len(job.hub.log) < requests:
                time.sleep(0.002)
            process.kill()
            process.wait()
        job.run("publish")
        job.check(*versions)


def test_side_by_side_and_verified(job: Publisher) -> None:
    job.run()
    job.grow(14)
    job.run("run", "--set", "publish.to=folder")
    rows = json.loads(job.run("versions", "--json"))
    assert [(row["version"], row["here"], bool(row["hub"])) for row in rows] == [
        ("1.0.0", True, True),
        ("1.1.0", True, False),
    ]
    assert "as its manifest says" in job.run("verify", "1.0.0")
    assert "alice/news, 1.1.0: not there" in job.run("verify", "1.1.0", code=1)
    commit = next(commit for commit in job.hub.commits(REPO) if commit.id == job.hub.tags(REPO)["1.0.0"])
    name = next(name for name in commit.files if name.startswith("data/"))
    commit.files[name] = commit.files[name]._replace(data=b"\0" * len(commit.files[name].data))  # a worn disk
    assert f"alice/news, 1.0.0: {name}: changed" in job.run("verify", "1.0.0", code=1)
    job.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    listed = job.run("versions")
    assert "cannot be reached" in listed and "1.1.0" in listed


# --- repositories that are not as we left them ---


def test_a_stray_tag_is_no_version(job: Publisher, tmp_path: Path) -> None:
    """A tag on the files of another version is refused with the remedy, before anything of it is believed or fetched."""
    job.run()
    job.hub.repos[REPO].tags["3.0.0"] = job.hub.tags(REPO)["1.0.0"]
    job.grow(14)
    job.run("run", "--to", "split")
    for arguments in (("publish",), ("publish", "--adopt")):
        said = job.run(*arguments, code=1)
        assert "its tag 3.0.0 is on files of version 1.0.0" in said and f"hf repos tag delete {REPO} 3.0.0" in said
    (tmp_path / "jobs").rename(tmp_path / "lost")
    job.run("run", "--to", "split")
    assert "its tag 3.0.0 is on files of version 1.0.0" in job.run("publish", "--adopt", code=1)
    assert not job.local
    del job.hub.repos[REPO].tags["3.0.0"]
    job.run("publish", "--adopt")
    job.check("1.0.0", "1.1.0")


def test_versions_of_another_job_are_not_mixed_with_these(job: Publisher, tmp_path: Path) -> None:
    job.run()
    job.grow(14)
    job.run()
    (tmp_path / "jobs").rename(tmp_path / "lost")
    job.run("run", "--set", "publish.to=folder")  # another 1.0.0
    assert "its version 1.0.0 is not this job's 1.0.0" in job.run("publish", "--adopt", code=1)
    assert list(job.local) == ["1.0.0"]


def three_versions(job: Publisher) -> list[str]:
    for count in (12, 14, 16):
        job.grow(count)
        job.run()
    job.check("1.0.0", "1.1.0", "1.2.0")
    return ["1.0.0", "1.1.0", "1.2.0"]


@pytest.mark.slow
def test_a_deleted_repository_is_made_again_only_whole(job: Publisher) -> None:
    names = three_versions(job)
    files = job.local
    del job.hub.repos[REPO]
    for arguments in (("publish",), ("run",)):
        said = job.run(*arguments, code=1)
        assert f"here are the versions 1.0.0, 1.1.0, 1.2.0; labelmill publish {job.path} --recreate brings" in said
    job.grow(18)
    job.run("run", "--to", "split")
    assert "--recreate" in job.run("publish", code=1) and REPO not in job.hub.repos
    job.run("publish", "--recreate")
    job.check(*names, "1.3.0")
    assert {name: job.local[name] for name in names} == files
    in_order = [commit.title.split()[1] for commit in reversed(job.hub.commits(REPO)) if "labelmill" in commit.title]
    assert in_order == [*names, "1.3.0"]


def test_one_version_that_was_out_is_not_made_again_unasked(job: Publisher) -> None:
    job.run()
    del job.hub.repos[REPO]
    assert f"here are the versions 1.0.0; labelmill publish {job.path} --recreate" in job.run("publish", code=1)
    job.hub.create(REPO)  # by hand, empty
    assert "does not hold the versions 1.0.0" in job.run("publish", code=1)
    job.run("publish", "--recreate")
    job.check("1.0.0")


def test_an_interrupted_recreation_goes_on(job: Publisher) -> None:
    names = three_versions(job)
    del job.hub.repos[REPO]
    job.hub.fault("commit", status=403, skip=1)
    job.run("publish", "--recreate", code=1)
    assert list(job.hub.tags(REPO)) == ["1.0.0"]
    log = json.loads((work_of(job.path).versions / ".published.json").read_text())[REPO]
    assert log["versions"] == ["1.0.0"] and log["on_their_way"] == [
        "1.1.0",
        "1.2.0",
    ]  # what is not sent is not noted as out
    said = job.run("publish", code=1)
    assert f"does not hold the versions 1.1.0, 1.2.0; labelmill publish {job.path} --recreate" in said
    job.run("publish", "--recreate")
    job.check(*names)
    log = json.loads((work_of(job.path).versions / ".published.json").read_text())[REPO]
    assert log["versions"] == names and "on_their_way" not in log


@pytest.mark.parametrize("tags", [0, 1])
def test_a_recreation_that_stopped_before_a_tag_goes_on(job: Publisher, tags: int) -> None:
    """Its commit at the head is ours, not somebody's edit."""
    job.run()
    job.grow(14)
    job.run()
    del job.hub.repos[REPO]
    job.hub.fault("tag", status=403, skip=tags)
    job.run("publish", "--recreate", code=1)
    assert list(job.hub.tags(REPO)) == ["1.0.0"][:tags]
    assert f"labelmill publish {job.path} --recreate brings" in job.run("publish", code=1)
    job.run("publish", "--recreate")
    job.check("1.0.0", "1.1.0")


def test_recreating_tells_of_what_was_taken_down(job: Publisher) -> None:
    job.run()
    job.run("takedown", "--id", job.rows("1.0.0", "train")[0]["id"])
    job.run()
    del job.hub.repos[REPO]
    assert "1.0.0: with articles that were taken down since" in job.run("publish", code=1)
    assert "1.0.0: with articles that were taken down since" in job.run("publish", "--recreate")
    job.check("1.0.0", "2.0.0")


def test_people_s_text_survives_a_recreation(job: Publisher) -> None:
    """Versions go out as they are, whoever wrote on their cards; a card of the new repository is not written over."""
    job.run()
    job.hub.edit(REPO, "README.md", job.hub.files(REPO)["README.md"] + b"\nBy hand.\n")
    job.grow(14)
    job.run("run", "--to", "split")
    job.run("publish", "--adopt")
    files = job.local
    del job.hub.repos[REPO]
    job.hub.create(REPO)
    job.hub.edit(REPO, "README.md", "---\nlicense: cc0-1.0\n---\n# Begun anew\n")
    assert "has a README.md of its own" in job.run("publish", "--recreate", code=1)
    job.hub.create(REPO)
    job.run("publish", "--recreate")
    job.check("1.0.0", "1.1.0")
    assert job.local == files and b"By hand." in job.hub.files(REPO, "1.1.0")["README.md"]


# --- a store that flips bytes ---


@pytest.mark.slow
@pytest.mark.parametrize("skip", [0, 1])
def test_after_a_broken_upload_the_next_patch_goes_out(job: Publisher, tmp_path: Path, skip: int) -> None:
    """The broken number is not used again, and none of the bytes that the store believes to have."""
    job.run()
    job.keep([f"a{n}" for n in range(1, 12)])  # rows leave: files without the version's number in any row
    job.run("run", "--to", "split")
    job.hub.corrupt_uploads_after(skip)
    said = job.run("publish", code=1)
    assert "version 2.0.0 reads back other than it was sent" in said and f"publish {job.path} --version 2.0.1" in said
    assert "version 2.0.0 reads back other" in job.run("publish", code=1)  # it is read again
    job.run("publish", "--version", "2.0.1")
    there, tags = job.local, job.hub.tags(REPO)
    assert sorted(there) == ["1.0.0", "2.0.1"] and sorted(tags) == ["1.0.0", "2.0.0", "2.0.1"]
    assert "as its manifest says" in job.run("verify", "2.0.1")
    assert (
        "Not to be used, for some of their files are damaged on the Hub: 2.0.0." in there["2.0.1"]["README.md"].decode()
    )
    job.grow(14)
    job.run()
    assert "as its manifest says" in job.run("verify", "2.1.0")
    lost = tmp_path / "lost"
    (tmp_path / "jobs").rename(lost)
    job.run("run", "--to", "split")
    job.run("publish", "--adopt")
    assert sorted(job.local) == ["1.0.0", "2.0.1", "2.1.0"]


def test_a_broken_newest_version_can_be_left_out_of_a_takeover(job: Publisher, tmp_path: Path) -> None:
    job.run()
    job.grow(14)
    job.run("run", "--to", "split")
    job.hub.corrupt_uploads_after(0)
    job.run("publish", code=1)
    (tmp_path / "jobs").rename(tmp_path / "lost")
    said = job.run("publish", "--adopt", code=1)
    assert "version 1.1.0 is not as its manifest says" in said and "--adopt --version 1.1.1" in said
    job.run("run", "--to", "split")
    job.run("publish", "--adopt", "--version", "1.1.1")
    assert sorted(job.local) == ["1.0.0", "1.1.1"]
    assert "as its manifest says" in job.run("verify", "1.1.1")
    assert "1.1.0" in json.loads(job.local["1.1.1"]["manifest.json"])["broken"]


def test_a_full_storage_is_told_at_once_by_xet_too(job: Publisher) -> None:
    """The real xet client: it hides the Hub's answer in the text of an error of the connection."""
    pytest.importorskip("hf_xet")
    job.run("run", "--to", "split")
    del job.env["HF_HUB_DISABLE_XET"]
    job.hub.quota = 100
    said = job.run("publish", code=1)
    assert (
        "forbidden (403): the token may not do this, or the storage is full; it says: Repository storage limit" in said
    )
    assert [entry.op for entry in job.hub.log].count("preupload") == 1


def head_of(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


@pytest.mark.slow
def test_what_people_wrote_on_the_card_survives(job: Publisher, tmp_path: Path) -> None:
    """Edited on the web, adopted, grown, and taken over by another machine: it is all still there, and the data loads."""
    job.run()
    card = job.hub.files(REPO)["README.md"].decode()
    head, text = head_of(card), card.split("---\n", 2)[2]
    head["tags"] = [tag for tag in head["tags"] if tag != "keyphrase-generation"] + ["harbours"]
    head |= {"task_categories": ["summarization"], "thumbnail": "https://example.org/a.png"}
    head["configs"] = [{"config_name": "extra", "data_files": "extra.csv"}, *head["configs"]]
    del head["language_creators"]
    before, after = "# 항구 소식\n\nBy Kim.\n", "\n## Contact\n\nkim at example.org\n"
    edited = f"---\n{yaml.safe_dump(head, allow_unicode=True)}---\n{before}{text}{after}"  # keys in another order
    job.hub.edit(REPO, "README.md", edited)
    job.hub.edit(REPO, "extra.csv", "a,b\n1,2\n")

    def check(version: str) -> None:
        card = job.hub.files(REPO, version)["README.md"].decode()
        now = head_of(card)
        assert now["tags"] == head["tags"] and now["task_categories"] == ["summarization"]
        assert now["thumbnail"] == "https://example.org/a.png" and "language_creators" not in now
        assert [config["config_name"] for config in now["configs"]] == ["default", "provenance", "extra"]
        assert card.split("---\n", 2)[2].lstrip().startswith(before) and card.endswith(after)
        assert card.count("labelmill: begin") == 1 and f"# test {version}" in card
        assert job.hub.files(REPO, version)["extra.csv"] == b"a,b\n1,2\n"

    job.grow(14)
    job.run("run", "--to", "split")
    job.run("publish", "--adopt")
    check("1.1.0")
    job.grow(16)
    job.run()
    check("1.2.0")
    (tmp_path / "jobs").rename(tmp_path / "lost")
    job.grow(18)
    job.run("run", "--to", "split")
    job.run("publish", "--adopt")
    check("1.3.0")
    loaded = load("1.3.0", job, tmp_path)
    assert loaded.startswith("['eval', 'train'] 18 1 List"), loaded


LOAD = """
import sys, datasets; data = datasets.load_dataset(sys.argv[1], revision=sys.argv[2])
runs = datasets.load_dataset(sys.argv[1], 'provenance', revision=sys.argv[2])['runs']
print(sorted(data), sum(map(len, data.values())), len(runs), data['train'].features['offsets'])
"""


def load(version: str, job: Publisher, folder: Path) -> str:
    """What `datasets` makes of a version, in a process of its own; its error where it fails."""
    environment = {"PATH": "", "HF_DATASETS_CACHE": str(folder / "cache"), **job.env}
    done = subprocess.run([sys.executable, "-c", LOAD, REPO, version], capture_output=True, text=True, env=environment)
    return done.stdout or done.stderr


@pytest.mark.slow
def test_croissant_is_read_by_its_address_and_from_disk(job: Publisher, tmp_path: Path) -> None:
    """mlcroissant, which loads a description by URL as well as by path; each version has the addresses of its own tag."""
    pytest.importorskip("mlcroissant")
    for count in (12, 15):
        job.grow(count)
        job.run("run", "--set", "publish.private=false")  # mlcroissant sends no token
    code = """
import sys, mlcroissant
data = mlcroissant.Dataset(sys.argv[1])
by_file = [one.uuid for one in data.metadata.record_sets if one.uuid not in ("splits", "default")]
rows = {name: [row[f"{name}/id"] for row in data.records(name)] for name in by_file}
whole = [] if sys.argv[1].startswith("http") else [len(list(data.records("default")))]
print(data.metadata.version, {name: len(ids) for name, ids in rows.items()}, len(list(data.records("splits"))), *whole)
"""
    environment = {"PATH": "", "CROISSANT_CACHE": str(tmp_path / "cache")}
    for version in ("1.0.0", "1.1.0"):
        folder = work_of(job.path).versions / version
        counts = {f"{split}-00000": len(job.rows(version, split)) for split in ("eval", "train")}
        address = f"{job.hub.url}/datasets/{REPO}/resolve/{version}/croissant.json"
        for where, whole in ((address, ""), (str(folder / "croissant.json"), f" {sum(counts.values())}")):
            done = subprocess.run([sys.executable, "-c", code, where], capture_output=True, text=True, env=environment)
            assert done.stdout == f"{version} {counts} 2{whole}\n", done.stderr
