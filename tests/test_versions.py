"""What a version holds: rows that say where everything comes from, files that stay as they are, views to train with."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline import runner
from pipeline.clean.cleaner.normal import fold_loose
from pipeline.core.text.tokens import encoding_counter
from pipeline.metrics.intervals import clustered_share
from pipeline.publish import card
from pipeline.versions import data_files
from tests.conftest import JobMaker, article, command, copied, rows, run, work_of, write_job, write_jsonl
from tests.openai_server import Server, completion


def read(work: Any, version: str) -> dict[str, dict[str, Any]]:
    """id -> row, with its split and file."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((work.versions / version / "data").iterdir()):
        for row in pq.read_table(file).to_pylist():
            assert row["id"] not in found
            found[row["id"]] = {**row, "split": file.name.partition("-")[0], "file": file.name}
    return found


def manifest(work: Any, version: str) -> Any:
    return json.loads((work.versions / version / "manifest.json").read_text())


def test_rows_say_when_they_came_in_and_changed(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)], split={"eval": 0.3})
    first = read(run(path), "1.0.0")
    assert {(row["added_in"], row["changed_in"]) for row in first.values()} == {("1.0.0", "1.0.0")}
    articles = [article(n) for n in range(15)]
    articles[2]["body"] += " An edit."
    write_jsonl(tmp_path / "articles.jsonl", articles)
    second = read(run(path), "2.0.0")
    assert second["a2"]["added_in"] == "1.0.0" and second["a2"]["changed_in"] == "2.0.0"
    assert {second[f"a{n}"]["added_in"] for n in (12, 13, 14)} == {"2.0.0"}
    assert {name: row for name, row in second.items() if name in first and name != "a2"} == {
        name: row for name, row in first.items() if name != "a2"
    }
    (tmp_path / "articles.jsonl").rename(
        tmp_path / "renamed.jsonl"
    )  # what a row says did not change: it stays as it is
    work = run(path, "sources.0.path=renamed.jsonl")
    assert [folder.name for folder in sorted(work.versions.iterdir())] == ["1.0.0", "2.0.0"]


def test_offsets_lead_to_their_phrases(make_job: JobMaker, server: Server) -> None:
    phrases = "Harbour number; 항구 도시; cafe\u0301 noir; nowhere at all; openings; ＣＩＴＹ"
    server.script = lambda body, times: (200, completion(body, phrases), {})
    rows_in = [
        {
            "id": "x",
            "title": "Harbour number one",
            "body": "In 항구  도시 the Cafe\u0301 Noir 😀 opening of the city. " * 3,
        }
    ]
    work = run(make_job(rows_in, label={"provider": "openai", "base_url": server.url}))
    [row] = read(work, "1.0.0").values()
    for phrase, tier, span in zip(row["keyphrases"], row["tiers"], row["offsets"], strict=True):
        assert bool(span) == (tier in ("exact", "spacing")), (phrase, tier)
        assert not span or fold_loose(row["text"][span[0] : span[1]]) == fold_loose(phrase)
    assert {"exact", "absent"} <= set(row["tiers"])
    for folder in (work.labels, work.reviewed):  # where anybody may look without a version
        [file] = folder.path.glob("*.parquet")
        assert pq.read_table(file).column("offsets").to_pylist() == [row["offsets"]]
    [labelling] = manifest(work, "1.0.0")["runs"]
    assert labelling["models_served"] and labelling["input_tokens"] > 0 and labelling["prompt_text"]["user"]
    runs = pq.read_table(work.versions / "1.0.0" / "provenance" / "runs.parquet").to_pylist()
    assert [found["run_id"] for found in runs] == [row["run_id"]]
    assert runs[0]["prompt_sha256"] and json.loads(runs[0]["prompt_text"])["user"] in labelling["prompt_text"]["user"]
    assert "keyphrases/v1" in (work.versions / "1.0.0" / "README.md").read_text()


def test_offsets_of_shards_of_before_and_of_people(make_job: JobMaker, tmp_path: Path) -> None:
    """Shards that lack the column give the same version; phrases that a person wrote are searched when it is made."""
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    before = read(work, "1.0.0")
    for file in (*work.labels.path.glob("*.parquet"), *work.reviewed.path.glob("*.parquet")):
        pq.write_table(pq.read_table(file).drop_columns(["offsets"]), file)
    assert runner.plan_version(work).diff.empty
    sheet = tmp_path / "sheet.csv"
    command("review", path, "--export", sheet)
    lines = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"))))
    first, second, *_ = lines
    kept, *_ = first["keyphrases"].split("; ")
    first["corrected"] = f"{kept}; opened to the public"
    second["corrected"] = second["keyphrases"].split("; ")[0]
    frame = pd.DataFrame(lines)
    frame.to_csv(sheet, index=False, encoding="utf-8-sig")
    command("review", path, "--import", sheet)
    work = run(path)
    stored = {row["id"]: row["offsets"] for row in rows(work, "labels")}
    assert stored[first["id"]] is None
    command("publish", path)
    after = read(work, "2.0.0")
    added = after[first["id"]]
    [start, end] = added["offsets"][added["keyphrases"].index("opened to the public")]
    assert added["text"][start:end] == "opened to the public"
    for row in (added, after[second["id"]]):
        old = dict(zip(before[row["id"]]["keyphrases"], before[row["id"]]["offsets"], strict=True))
        assert row["offsets"][0] == old[row["keyphrases"][0]]


@pytest.mark.durable
def test_a_version_is_on_the_disk_before_its_manifest_says_so(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves no manifest beside a torn file."""
    synced: list[str] = []
    really = os.fsync

    def fsync(opened: int) -> None:
        really(opened)
        synced.append(Path(f"/proc/self/fd/{opened}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    version = run(make_job([article(n) for n in range(12)])).versions / "1.0.0"
    files = {file.name for file in version.rglob("*") if file.is_file() and file.name != "manifest.json"}
    manifest_at = next(at for at, name in enumerate(synced) if name.startswith(".manifest.json"))
    before = {
        name.removeprefix(".").rsplit(".", 2)[0] if name.endswith(".tmp") else name for name in synced[:manifest_at]
    }
    assert {file.name for file in version.rglob("*.parquet")} <= set(synced[:manifest_at]) and files <= before
    assert synced[-1] == "versions"  # the name of the folder


def test_only_labels_are_published(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)], publish={"text": "none"})
    work = run(path)
    row = next(iter(read(work, "1.0.0").values()))
    assert "text" not in row and "title" not in row and row["keyphrases"] and row["text_sha256"]
    assert all(b"harbour0x1" not in file.read_bytes() for file in (work.versions / "1.0.0").glob("*.*"))
    assert "without their texts" in (work.versions / "1.0.0" / "README.md").read_text()
    assert command("export", path, "--format", "chat").returncode == 1
    assert "2.0.0" in [folder.name for folder in run(path, "publish.text=full").versions.iterdir()]


def test_growing_leaves_full_files_as_they_are(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_files, "ROWS_A_FILE", 10)
    monkeypatch.setattr(data_files, "ROWS_A_GROUP", 4)
    path = make_job([article(n) for n in range(34)], split={"eval": 0.0})
    work = run(path)
    files = {file.name: file.read_bytes() for file in (work.versions / "1.0.0" / "data").iterdir()}
    assert sorted(files) == [f"train-0000{n}.parquet" for n in range(4)]
    assert pq.read_metadata(work.versions / "1.0.0" / "data" / "train-00000.parquet").num_row_groups == 3
    before = [article(n) for n in range(100, 109)]  # first in source order
    write_jsonl(tmp_path / "articles.jsonl", before + [article(n) for n in range(34) if n != 15])
    work = run(path)
    now = {file.name: file.read_bytes() for file in (work.versions / "2.0.0" / "data").iterdir()}
    assert sorted(now) == [f"train-0000{n}.parquet" for n in range(5)]
    assert sorted(name for name in files if files[name] != now[name]) == ["train-00001.parquet", "train-00003.parquet"]
    assert sorted(read(work, "2.0.0")) == sorted(row["id"] for row in rows(work, "train"))


# --- the card ---


def test_a_card_within_a_card() -> None:
    ours = "---\nlicense: mit\ntags:\n- a\n---\n\n<!-- labelmill: begin (x) -->\nnew\n<!-- labelmill: end -->\n"
    block = "<!-- labelmill: begin (x) -->\nold\n<!-- labelmill: end -->"
    theirs = f"---\nlicense: gpl\npretty_name: 뉴스\n---\nAbove.\n\n{block}\nBelow.\n"
    found = card.merged(ours, theirs)
    head = yaml.safe_load(found.split("---")[1])
    assert head == {"license": "mit", "pretty_name": "뉴스", "tags": ["a"]}
    assert (
        "Above.\n\n<!-- labelmill: begin (x) -->\nnew\n<!-- labelmill: end -->\nBelow.\n" in found
        and "old" not in found
    )
    assert card.merged(ours, found) == found and card.merged(ours, ours) == ours
    assert card.merged(ours, f"One.\n{block}\nTwo.\n{block}\nThree.\n").count("labelmill: begin") == 1
    torn = card.merged(ours, f"One.\n{block.partition('old')[0]}\nTwo.\n")  # an end that is gone takes nothing along
    assert "Two." in card.merged(ours, torn) and "new" in torn
    assert "One." in card.merged(ours, "---\r\na: 1\r\n---\r\nOne.\r\n")
    unknown = ours.replace("license: mit", "license: unknown")
    assert "license: gpl" in card.merged(unknown, theirs) and "license: unknown" in card.merged(unknown, None)
    assert card.merged(ours, None) == card.merged(ours, "  \n") == ours
    assert "By hand." in card.merged(ours, "By hand.") and "By hand." in card.merged(ours, "---\n: [\n---\nBy hand.")


@pytest.mark.parametrize(
    ("licence", "head"),
    [("CC-BY-4.0", {"license": "cc-by-4.0"}), (None, {"license": "unknown"}),
     ("Ask: us #1", {"license": "other", "license_name": "Ask: us #1"})],
)  # fmt: skip
def test_licences_as_the_hub_takes_them(make_job: JobMaker, licence: str | None, head: dict[str, str]) -> None:
    path = make_job([article(n) for n in range(8)], publish={"licence": licence})
    found = yaml.safe_load((run(path).versions / "1.0.0" / "README.md").read_text().split("---")[1])
    assert {key: value for key, value in found.items() if key.startswith("license")} == head


def test_a_card_tells_what_a_reader_asks(make_job: JobMaker) -> None:
    path = make_job(
        [{**article(n), "title": f"Pipe | and {n}"} for n in range(12)], publish={"repo": "a/b", "licence": "mit"}
    )
    text = (run(path).versions / "1.0.0" / "README.md").read_text()
    for part in ("load_dataset(\"a/b\", revision=\"1.0.0\")", "## How it was made", "## Quality", "`reviewed_precision` | warns",
                 "nobody has judged", "## Versions", "| 1.0.0 |", "12 articles come from a source without a stated"):  # fmt: skip
        assert part in text


def test_what_people_change_in_the_head_stays() -> None:
    """Their tags, tasks, names and configurations; what they left as it was follows ours."""
    before = {"pretty_name": "news", "tags": ["labelmill", "a"], "task_categories": ["x"], "language": ["en"]}
    note = f"<!-- labelmill: head {json.dumps(before)} -->"
    ours = {**before, "tags": ["labelmill", "a", "b"], "language": ["en", "ko"], "license": "mit"}
    config = {
        "config_name": "default",
        "default": True,
        "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
    }
    info = {"config_name": "default", "splits": []}
    our_card = card_of({**ours, "configs": [config], "dataset_info": [info]}, note)
    theirs = {**before, "pretty_name": "뉴스", "tags": ["labelmill", "a", "mine"], "task_categories": ["summarization"]}
    extra = {"config_name": "extra", "default": True, "data_files": "extra/*.csv"}
    view = {"config_name": "eval-only", "data_files": "data/eval-*.parquet"}
    stale = [{**config, "description": "release old"}, extra, view]
    infos = [{"config_name": name, "splits": [1]} for name in ("default", "extra", "eval-only")]
    their_card = card_of({**theirs, "configs": stale, "dataset_info": infos}, note)
    head = yaml.safe_load(card.merged(our_card, their_card).split("---")[1])
    assert head["pretty_name"] == "뉴스" and head["task_categories"] == ["summarization"]
    assert head["tags"] == ["labelmill", "a", "mine", "b"] and head["language"] == ["en", "ko"]
    assert head["configs"] == [config, {"config_name": "extra", "data_files": "extra/*.csv"}, view]
    assert head["dataset_info"] == [info, infos[1]]
    again = card.merged(our_card, card.merged(our_card, their_card))
    assert yaml.safe_load(again.split("---")[1]) == head


def test_a_card_of_before_says_not_what_was_ours() -> None:
    ours = card_of({"tags": ["labelmill", "a", "b"], "task_categories": ["x", "y"], "license": "mit"}, "")
    old = {"tags": ["labelmill", "a"], "task_categories": ["x"], "license": "mit"}
    assert yaml.safe_load(card.merged(ours, card_of(old, "")).split("---")[1])["task_categories"] == ["x", "y"]
    edited = card_of({**old, "tags": ["labelmill", "mine"], "task_categories": ["z"]}, "")
    head = yaml.safe_load(card.merged(ours, edited).split("---")[1])
    assert head["task_categories"] == ["z"] and set(head["tags"]) == {"labelmill", "mine", "a", "b"}


def card_of(head: dict[str, Any], note: str) -> str:
    block = f"<!-- labelmill: begin (x) -->\n{note}\ntext\n<!-- labelmill: end -->"
    return f"---\n{yaml.safe_dump(head, allow_unicode=True, sort_keys=False)}---\n\n{block}\n"


def test_a_card_by_the_job_file(make_job: JobMaker) -> None:
    options = {
        "pretty_name": "Harbours",
        "tags": ["news"],
        "language": ["zh-CN", "no"],
        "extra_gated_prompt": "Ask first.",
        "authors": ["Kim, A.", "Lee, B."],
        "limits": "Harbours only.",
        "description": "All about harbours.",
    }
    path = make_job([article(n) for n in range(12)], publish={"card": options, "repo": "a/b"})
    text = (run(path).versions / "1.0.0" / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["pretty_name"] == "Harbours" and head["extra_gated_prompt"] == "Ask first."
    assert head["language"] == ["no", "zh"] and {"labelmill", "keyphrases", "news"} <= set(head["tags"])
    assert not {"authors", "limits", "description"} & head.keys()
    for part in ("# Harbours 1.0.0\n\nAll about harbours.", "Harbours only.", "author = {Kim, A. and Lee, B.}"):
        assert part in text
    for key in ("configs", "license"):
        result = command("run", make_job([article(n) for n in range(12)], publish={"card": {key: "x"}}))
        assert result.returncode == 2 and f"publish.card.{key}: is of the version itself" in result.stderr


def test_a_card_shows_what_the_data_are(make_job: JobMaker) -> None:
    articles = [article(n) for n in range(12)]
    for number in range(11):
        articles[number]["body"] += " Write to jane.doe@example.org."
    work = run(make_job(articles, split={"eval": 0.0}))
    folder = work.versions / "1.0.0"
    text = (folder / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["language"] == ["en"] and head["multilinguality"] == ["monolingual"]  # no filter ran
    assert head["task_categories"] == ["token-classification", "text-generation"]
    assert head["annotations_creators"] == ["machine-generated"] and head["source_datasets"] == ["original"]
    assert manifest(work, "1.0.0")["languages_of_a_sample"] == {"en": 12}
    sample = json.loads(text.partition("## A row\n\n```json\n")[2].partition("```")[0])
    assert sample["id"] == "a11"  # the one in which nothing leaks
    assert sample == next(row for row in rows_of(folder) if row["id"] == "a11") | {"text": sample["text"]}
    for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text):
        assert ElementTree.parse(folder / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert name in manifest(work, "1.0.0")["files"]
    assert "1 to 5% of their words changed none" in text and "@misc{test_1_0_0," in text


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted((folder / "data").iterdir()) for row in pq.read_table(file).to_pylist()]


def test_a_damaged_version_is_no_base(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    folder = run(path).versions / "1.0.0"
    data = folder / "data" / "train-00000.parquet"
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(13)])
    result = command("run", path)
    assert result.returncode == 1
    assert "1.0.0: it is not as its manifest says (data/train-00000.parquet: changed)" in result.stderr
    (folder / "manifest.json").chmod(0o644)
    for content in ("{}", "no json"):
        (folder / "manifest.json").write_text(content)
        result = command("publish", path)
        assert result.returncode == 1 and "manifest.json: damaged" in result.stderr
    (folder / "manifest.json").unlink()
    assert "1.0.0: is there already, without a sound manifest" in command("publish", path).stderr


def test_the_text_option_relabels_nothing(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    found = manifest(run(path, "publish.text=none"), "2.0.0")["diff"]
    assert (found["edited"], found["relabelled"]) == (12, 0)


# --- reviewed labels ---


def test_reviewed_precision_counts_articles() -> None:
    """A thousand phrases of one article tell hardly more than one."""
    assert clustered_share([], []).high == 1 and clustered_share([0], [0]).clusters == 0
    one, many = clustered_share([900], [1000]), clustered_share([9] * 100, [10] * 100)
    assert one.mean == many.mean == 0.9 and one.low < 0.3 and many.low > 0.7
    all_right = clustered_share([7] * 20, [7] * 20)
    assert all_right.mean == 1 and 0.8 < all_right.low < 0.87  # 20 of 20 articles, not 140 of 140 phrases


def test_the_interval_covers_under_clustering() -> None:
    draw, covered, times = np.random.default_rng(5), 0, 600
    for _ in range(times):
        rates = draw.beta(4, 1, 60)
        sizes = draw.integers(1, 8, 60)
        found = clustered_share(draw.binomial(sizes, rates).tolist(), sizes.tolist())
        covered += found.low <= 0.8 <= found.high
    assert 0.92 < covered / times < 0.98


# --- views ---


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_job(tmp_path_factory.mktemp("published"), [article(n) for n in range(12)], split={"eval": 0.3})
    run(path)
    return path


@pytest.fixture
def published(published_once: Path, tmp_path: Path) -> Path:
    return copied(published_once, tmp_path)


def exported(path: Path, *arguments: str) -> list[dict[str, Any]]:
    out = path.parent / "out.jsonl"
    result = command("export", path, "--output", out, *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def test_views_hold_what_the_version_holds(published: Path) -> None:
    work = work_of(published)
    wanted = {row["id"]: row for row in rows(work, "eval")}
    for row in exported(published, "--format", "seq2seq", "--split", "eval", "--prefix", "find: "):
        whole = wanted[row["id"]]
        assert row["input"] == f"find: {whole['text']}" and row["target"] == "; ".join(whole["keyphrases"])
    for row in exported(published, "--format", "chat", "--split", "eval"):
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert row["messages"][0]["content"].endswith(wanted[row["id"]]["text"])
    for row in exported(published, "--format", "clm", "--split", "eval"):
        whole = wanted[row["id"]]
        target = "; ".join(whole["keyphrases"])
        assert row["text"] == f"### Article:\n{whole['text']}\n### Keyphrases:\n{target}\n### End"
    plain = exported(published, "--format", "jsonl", "--split", "eval")
    assert {row["id"]: row["offsets"] for row in plain} == {
        name: row["offsets"] for name, row in read(work, "1.0.0").items() if row["split"] == "eval"
    }
    assert command("export", published, "--format", "csv", cwd=published.parent).returncode == 0
    sheet = (published.parent / "test-1.0.0-train-csv.csv").read_bytes()
    assert sheet.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"), newline="")))
    assert {line["id"]: line["keyphrases"] for line in lines} == {
        row["id"]: "; ".join(row["keyphrases"]) for row in rows(work, "train")
    }


@pytest.mark.parametrize("form", ["seq2seq", "chat", "clm", "prompt-completion"])
def test_lengths_are_capped_by_the_tokenizer_named(published: Path, form: str) -> None:
    """All that a model reads counts, the label included."""
    count = encoding_counter("o200k_base")
    limits = ("--tokenizer", "o200k_base", "--max-input-tokens", "60", "--max-target-tokens", "9")
    found = exported(published, "--format", form, *limits)
    assert found
    for row in found:
        parts = {
            "seq2seq": [row.get("input")],
            "clm": [row.get("text")],
            "chat": [message["content"] for message in row.get("messages", [])],
            "prompt-completion": [f"{row.get('prompt')}{row.get('completion')}"],
        }
        # of a chat four for each message, and for the beginning of an answer
        assert 55 <= sum(count(parts[form])) + 12 * (form == "chat") <= 60
        if form == "seq2seq":
            assert 0 < count([row["target"]])[0] <= 9


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--format", "chat", "--max-input-tokens", "9"), 2, "need --tokenizer"),
        (("--format", "csv", "--prefix", "x"), 2, "gives the rows as they are"),
        (("--format", "chat", "--version", "9.9.9"), 1, "no version '9.9.9'; there are: 1.0.0"),
        (("--format", "chat", "--output", "/tmp"), 2, "--output /tmp: is a folder; give a file"),
        (("--format", "chat", "--output", f"{__file__}/x.jsonl"), 1, "File exists"),
        (("--format", "chat", "--tokenizer", "o200k_base"), 2, "needs --max-input-tokens"),
    ],
)
def test_exports_that_cannot_be(published: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = command("export", published, *arguments)
    assert result.returncode == code and said in result.stderr and result.stderr.count("\n") == 1


# --- takedowns ---


def test_a_takedown_holds_for_id_and_text(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    work = run(path)
    said = command("takedown", path, "--id", "a3", "--id", "a4", "--reason", "asked by the author").stdout
    assert said.count("version 1.0.0 holds it") == 2
    assert command("publish", path).returncode == 0  # also without collecting again
    assert not {"a3", "a4"} & read(work, "2.0.0").keys()
    copies = [article(n) for n in range(13)] + [{**article(3), "id": "again"}, {**article(5), "id": "a3"}]
    write_jsonl(tmp_path / "articles.jsonl", copies)
    found = read(run(path), "2.1.0")
    assert found.keys() == {f"a{n}" for n in range(13)} - {"a3", "a4"}
    out = {row["id"]: row["reason"] for row in rows(work, "articles", rejected=True)}
    assert out == {"a3": "taken_down", "a4": "taken_down", "again": "taken_down"}
    assert not any("harbour3x" in row["text"] for row in rows(work, "articles"))
    assert "a3" in read(work, "1.0.0")  # a version never changes
    assert json.loads((work.path / "takedowns.jsonl").read_text().splitlines()[0])["reason"] == "asked by the author"
    unknown = command("takedown", path, "--id", "nobody")
    assert unknown.returncode == 1 and "no article 'nobody'" in unknown.stderr


def test_an_article_that_vanished_can_be_taken_down(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(1, 12)])
    run(path)
    assert "version 1.0.0 holds it" in command("takedown", path, "--id", "a0").stdout
    write_jsonl(tmp_path / "articles.jsonl", [*(article(n) for n in range(1, 12)), {**article(0), "id": "other"}])
    work = run(path)
    assert not {"a0", "other"} & {row["id"] for row in rows(work, "articles")}
