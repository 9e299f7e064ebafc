"""What `datasets` loads of a version: its own rows, whatever another job's version of the same number left in the cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.publish import card, dataset_info
from pipeline.versions import data_files
from pipeline.versions.store import file_digests
from tests.conftest import JobMaker, article, command, run, write_jsonl
from tests.hub import Hub
from tests.openai_server import Server, completion
from tests.test_hub import REPO, Publisher

# Loads each [source, keyword arguments] in turn; of every split its rows, sizes as they were counted, and types.
LOADER = """
import json, sys, datasets
datasets.disable_progress_bars()
for source, options in json.loads(sys.argv[1]):
    data = datasets.load_dataset(source, **options)
    splits = {name: split.info.splits[name] for name, split in data.items()}
    print(json.dumps({
        "rows": {name: split.to_list() for name, split in data.items()},
        "sizes": {name: [split.num_bytes, split.num_examples] for name, split in splits.items()},
        "types": {name: str(split.features) for name, split in data.items()},
        "of_files": {name: str(datasets.Features.from_arrow_schema(split.data.schema)) for name, split in data.items()},
    }))
"""


class Home:
    """One HF_HOME; each call loads in a process of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._env = {"PATH": "", **environment, "HF_HOME": str(folder)}

    def load(self, *wanted: tuple[Path | str, dict[str, Any]]) -> list[dict[str, Any]]:
        asked = json.dumps([(str(source), options) for source, options in wanted])
        done = subprocess.run([sys.executable, "-c", LOADER, asked], capture_output=True, text=True, env=self._env)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def check(self, *folders: Path) -> None:
        """Both configurations of each version are what its files hold, and its card says the right sizes and types."""
        wanted = [(folder, {"name": name}) for folder in folders for name in ("default", "provenance")]
        for (folder, options), found in zip(wanted, self.load(*wanted), strict=True):
            assert found["rows"] == as_loaded(folder, options["name"])
            assert found["types"] == found["of_files"]
            info = information(folder)[options["name"]]
            assert {split["name"]: [split["num_bytes"], split["num_examples"]] for split in info["splits"]} == found[
                "sizes"
            ]
            assert info["dataset_size"] == sum(size for size, _ in found["sizes"].values())
            assert info["download_size"] == sum(file.stat().st_size for file in files(folder, options["name"]))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    pytest.importorskip("datasets")
    return Home(tmp_path / "home", HF_HUB_OFFLINE="1")


def files(folder: Path, config: str) -> list[Path]:
    return sorted((folder / {"default": "data"}.get(config, config)).glob("*.parquet"))


def stored(folder: Path, config: str = "default") -> dict[str, list[dict[str, Any]]]:
    """The rows of a version's files, by split."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in files(folder, config):
        rows.setdefault(file.stem.split("-")[0], []).extend(pq.read_table(file).to_pylist())
    return rows


def as_loaded(folder: Path, config: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of a version's files with the numbers of their classes, where its card says that they are classes."""
    rows = stored(folder, config)
    for feature in information(folder)[config]["features"]:
        if isinstance(kind := feature.get("dtype"), dict):
            numbers = {name: int(number) for number, name in kind["class_label"]["names"].items()}
            for row in (row for split in rows.values() for row in split):
                row[feature["name"]] = numbers[row[feature["name"]]]
    return rows


def head(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1]))


def information(folder: Path) -> dict[str, Any]:
    return {info["config_name"]: info for info in head(folder)["dataset_info"]}


def releases(folder: Path) -> list[str]:
    return [config["description"] for config in head(folder)["configs"]]


def published(make_job: JobMaker, name: str, numbers: range, version: str = "1.0.0", **sections: Any) -> Path:
    sections = {"split": {"eval": 5}, **sections}
    return run(make_job([article(n) for n in numbers], name=name, **sections)).versions / version


@pytest.mark.slow
def test_each_job_loads_its_own_rows(make_job: JobMaker, home: Home) -> None:
    """Of the same number, with as many rows in each split."""
    one, two = published(make_job, "one", range(20)), published(make_job, "two", range(40, 60))
    assert {name: len(rows) for name, rows in stored(one).items()} == {"train": 15, "eval": 5}
    assert {name: len(rows) for name, rows in stored(two).items()} == {"train": 15, "eval": 5}
    home.check(one, two)
    home.check(two, one)  # out of the cache


@pytest.mark.slow
def test_a_job_that_is_made_again_loads_what_it_is_now(make_job: JobMaker, home: Home) -> None:
    """Also where only the provenance differs: the same rows, asked at another time."""
    folder = published(make_job, "news", range(20))
    first, rows = releases(folder), stored(folder)
    home.check(folder)
    shutil.rmtree(folder.parent.parent)
    assert published(make_job, "news", range(20)) == folder and stored(folder) == rows
    second = releases(folder)
    home.check(folder)
    shutil.rmtree(folder.parent.parent)
    assert published(make_job, "news", range(30, 50)) == folder
    home.check(folder)
    assert len({*first, *second, *releases(folder)}) == 3


@pytest.mark.slow
def test_versions_of_one_job_as_it_grows(
    make_job: JobMaker, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that a version takes over from the last one count in both, and row groups do not disturb."""
    monkeypatch.setattr(data_files, "ROWS_A_FILE", 10)
    monkeypatch.setattr(data_files, "ROWS_A_GROUP", 4)
    path = make_job([article(n) for n in range(26)], split={"eval": 3})
    folder = run(path).versions
    texts = [{**article(n), "url": f"https://example.org/{n}" if n % 2 else None} for n in range(26, 39)]
    write_jsonl(tmp_path / "articles.jsonl", [*(article(n) for n in range(26)), *texts])
    run(path)
    assert len(files(folder / "1.1.0", "default")) > len(files(folder / "1.0.0", "default")) > 2
    home.check(folder / "1.0.0", folder / "1.1.0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "splits"),
    [
        ({"publish": {"text": "none"}}, {"train": 15, "eval": 5}),
        ({"split": {"eval": 0.0}}, {"train": 20}),
        ({"split": {"eval": 20}}, {"eval": 20}),
    ],
    ids=["text", "no-eval", "no-train"],
)
def test_other_forms_of_a_version(
    make_job: JobMaker, home: Home, sections: dict[str, Any], splits: dict[str, int]
) -> None:
    folder = published(make_job, "news", range(20), **sections)
    assert {name: len(rows) for name, rows in stored(folder).items()} == splits
    home.check(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "reply", "clean"),
    [("topic", "Harbours", {}), ("classes", "Sports", {"classes": ["Sports", "Politics"]})],
)
def test_labels_of_one_text(
    make_job: JobMaker, home: Home, server: Server, task: str, reply: str, clean: dict[str, Any]
) -> None:
    server.script = lambda body, times: (200, completion(body, reply), {})
    label = {"task": task, "provider": "openai", "base_url": server.url}
    one = published(make_job, "one", range(12), label=label, clean=clean)
    two = published(make_job, "two", range(20, 32), label=label, clean=clean)
    assert {row[{"classes": "label"}.get(task, task)] for rows in stored(two).values() for row in rows} == {reply}
    home.check(one, two)


def as_before(folder: Path) -> None:
    """Make a version what it was before its card told how to load it."""
    readme, manifest = folder / "README.md", folder / "manifest.json"
    for file in (readme, manifest):
        file.chmod(0o644)
    _, _, body = readme.read_text("utf-8").split("---\n", 2)
    old = {key: value for key, value in head(folder).items() if key != "dataset_info"}
    old["configs"] = [{k: v for k, v in config.items() if k != "description"} for config in old["configs"]]
    readme.write_text(f"---\n{yaml.safe_dump(old, sort_keys=False, allow_unicode=True)}---\n{body}", "utf-8")
    told = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(
        json.dumps({**told, "files": file_digests(folder)}, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )


@pytest.mark.slow
def test_versions_written_before(make_job: JobMaker, home: Home, tmp_path: Path) -> None:
    """They stay as they are, no card is a reason for a new version, and `force_redownload` loads them."""
    other = published(make_job, "other", range(40, 60))
    path = make_job([article(n) for n in range(20)], name="news", split={"eval": 5})
    folder = run(path).versions / "1.0.0"
    as_before(other)
    as_before(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert command("publish", path).returncode == 0 and command("verify", path, "1.0.0").returncode == 0
    assert [version.name for version in folder.parent.iterdir()] == ["1.0.0"]
    anew = {"download_mode": "force_redownload"}
    loads = [(each, {"name": name, **anew}) for each in (other, folder) for name in ("default", "provenance")]
    found = home.load(*loads)
    assert [each["rows"] for each in found] == [stored(each, options["name"]) for each, options in loads]
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(25)])
    run(path)
    home.check(folder.parent / "1.1.0")
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
def test_versions_on_the_hub(make_job: JobMaker, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with Hub() as hub:
        job = Publisher(make_job, hub, tmp_path)
        job.run()
        folder = tmp_path / "jobs" / "test" / "versions"
        by_hand = {**head(folder / "1.0.0"), "pretty_name": "News"}
        by_hand["dataset_info"][0]["splits"][0]["num_examples"] += 1
        hub.edit(REPO, "README.md", f"---\n{yaml.safe_dump(by_hand)}---\nBy hand.\n".encode())
        job.grow(15)
        job.run("run", "--to", "split")
        job.run("publish", "--adopt")
        wanted = [(version, name) for version in ("1.0.0", "1.1.0") for name in ("default", "provenance")]
        home = Home(tmp_path / "another home", **job.env)
        found = home.load(*((REPO, {"name": name, "revision": version}) for version, name in wanted))
    assert [each["rows"] for each in found] == [stored(folder / version, name) for version, name in wanted]
    assert (
        head(folder / "1.1.0")["pretty_name"] == "News" and "By hand." in (folder / "1.1.0" / "README.md").read_text()
    )
    assert releases(folder / "1.0.0") != releases(folder / "1.1.0")


def test_the_release_is_a_digest_of_the_data_files_alone(make_job: JobMaker) -> None:
    folder = published(make_job, "news", range(12))
    [release] = set(releases(folder))
    digests = file_digests(folder)
    assert release == f"release {dataset_info.release_id(digests)}"
    assert dataset_info.release_id({**digests, "README.md": "0" * 64}) == dataset_info.release_id(digests)
    for name in ("data/train-00000.parquet", "data/eval-00000.parquet", "provenance/runs.parquet"):
        assert dataset_info.release_id({**digests, name: "0" * 64}) != dataset_info.release_id(digests)


def test_what_an_older_card_says_of_files_goes() -> None:
    """A version whose own card names no sizes must not get those of an older one."""
    ours = "---\nlicense: mit\nconfigs: [ours]\n---\n\n<!-- labelmill: begin (x) -->\nnew\n<!-- labelmill: end -->\n"
    theirs = "---\nlicense: mit\nconfigs: [theirs]\ndataset_info: {splits: []}\nsource_datasets: [mine]\n---\nAbove.\n"
    found = yaml.safe_load(card.merged(ours, theirs).split("---\n")[1])
    assert found == {"license": "mit", "source_datasets": ["mine"], "configs": ["ours"]}


def test_row_groups_end_by_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of long texts has fewer rows, and where it ends depends on the rows alone, not on how they came."""
    monkeypatch.setattr(data_files, "ROWS_A_GROUP", 5)
    monkeypatch.setattr(data_files, "BYTES_A_GROUP", 100)
    lengths = [10, 10, 10, 10, 10, 10, 60, 60, 250, 10, 40, 50, 10, 90, 10]
    rows = pa.table({"text": ["x" * length for length in lengths]})
    index = pa.table({"split": ["train"] * len(lengths), "file": [0] * len(lengths)})
    files = []
    for size in (1, 4, len(lengths)):
        folder = tmp_path / str(size)
        folder.mkdir()
        parts = ((rows.slice(at, size), index.slice(at, size)) for at in range(0, len(lengths), size))
        data_files.write(folder, rows.schema, parts, index)
        files.append((folder / "train-00000.parquet").read_bytes())
    assert files[0] == files[1] == files[2]
    with pq.ParquetFile(tmp_path / "1" / "train-00000.parquet") as file:
        groups = [
            file.read_row_group(number, ["text"]).column("text").to_pylist() for number in range(file.num_row_groups)
        ]
    assert [list(map(len, group)) for group in groups] == [
        [10, 10, 10, 10, 10], [10, 60], [60], [250], [10, 40, 50], [10, 90], [10]
    ]  # fmt: skip
