"""The Croissant description of a version: what it says, what it leaves out, and that mlcroissant reads rows by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.publish import croissant

TEXT = pa.string()
BEFORE = ["id", "group_id", "text_sha256", "source", "licence", "url", "published_at", "language", "title", "text"]
AFTER = ["status", "label_source", "run_id", "added_in", "changed_in"]
RUN: dict[str, Any] = {
    "run_id": "abc",
    "provider": "openai",
    "model": "m-1",
    "models_served": {"m-1": 500, "m-1-mini": 299, "unknown": 1},
    "prompt": "keyphrases",
    "prompt_sha256": "f" * 64,
    "first_at": "2026-01-01T00:00:00+00:00",
    "last_at": "2026-01-01T01:00:00+00:00",
    "rows": 800,
    "cost_usd": 0.5,
}


def schema(*label: tuple[str, pa.DataType], before: list[str] = BEFORE) -> pa.Schema:
    return pa.schema([*((name, TEXT) for name in before), *label, *((name, TEXT) for name in AFTER)])


KEYPHRASES = schema(
    ("keyphrases", pa.list_(TEXT)), ("tiers", pa.list_(TEXT)), ("offsets", pa.list_(pa.list_(pa.int32())))
)


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "name": "news",
        "version": "1.2.0",
        "previous": "1.1.0",
        "created_at": "2026-01-02T03:04:05+00:00",
        "repo": "someone/news",
        "task": "keyphrases",
        "label": {"name": "keyphrases", "many": True},
        "text": "full",
        "rows": {"train": 800, "eval": 200},
        "languages": {"ko": 900, "en": 90, "unknown": 10},
        "licence": "cc-by-4.0",
        "licences": {"CC-BY-4.0": 900, "KOGL-1": 90, "unknown": 10},
        "label_sources": {"llm": 980, "verified": 15, "edited": 5},
        "runs": [RUN],
        **changes,
    }


def render(columns: pa.Schema = KEYPHRASES, **changes: Any) -> dict[str, Any]:
    return croissant.render(manifest(**changes), columns, {"data/train-00000.parquet": "1" * 64})


def fields(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["@id"]: field for field in described["recordSet"][1]["field"]}


def test_the_data_set() -> None:
    described = render()
    assert described["@type"] == "sc:Dataset" and described["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert (described["name"], described["version"], described["isLiveDataset"]) == ("news", "1.2.0", False)
    assert described["datePublished"] == "2026-01-02T03:04:05+00:00"
    assert described["url"] == "https://huggingface.co/datasets/someone/news"
    assert described["inLanguage"] == ["en", "ko"] and described["keywords"] == ["labelmill", "keyphrases"]
    assert described["description"] == "Articles with keyphrases. Rows: train 800, eval 200."


def test_what_is_not_known_is_left_out() -> None:
    quiet = RUN | {"run_id": "def", "model": None, "models_served": {"unknown": 3}, "prompt": None}
    quiet |= {"prompt_sha256": None, "first_at": None, "last_at": None}
    described = render(repo=None, licence=None, previous=None, label_sources={"llm": 1}, runs=[quiet])
    assert not {"url", "license", "citeAs", "creator"} & described.keys()
    assert [origin["@id"] for origin in described["prov:wasDerivedFrom"]] == ["source-articles"]
    (run,) = described["prov:wasGeneratedBy"]
    assert not {"prov:startedAtTime", "prov:endedAtTime", "prov:used"} & run.keys()
    assert [agent["prov:label"] for agent in run["prov:wasAssociatedWith"]] == ["openai"]
    assert "null" not in json.dumps(described)


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("cc-by-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        ("CC-BY-NC-SA-3.0", "https://spdx.org/licenses/CC-BY-NC-SA-3.0"),
        ("cc0-1.0", "https://spdx.org/licenses/CC0-1.0"),
        ("mit", "https://spdx.org/licenses/MIT"),
        ("apache-2.0", "https://spdx.org/licenses/Apache-2.0"),
        ("Our own terms", "Our own terms"),
        ("unknown", None),
    ],
)
def test_licences(licence: str, told: str | None) -> None:
    assert render(licence=licence).get("license") == told


def test_provenance() -> None:
    described = render()
    articles, previous = described["prov:wasDerivedFrom"]
    assert articles["license"] == ["https://spdx.org/licenses/CC-BY-4.0", "KOGL-1"]
    assert (previous["prov:label"], previous["version"]) == ("news 1.1.0", "1.1.0")
    run, review = described["prov:wasGeneratedBy"]
    assert run["@type"] == "prov:Activity" and run["@id"] == "runs/abc"
    assert (run["prov:startedAtTime"], run["prov:endedAtTime"]) == (RUN["first_at"], RUN["last_at"])
    assert run["prov:used"]["sha256"] == "f" * 64 and run["prov:used"]["prov:label"] == "Prompt keyphrases"
    assert {agent["@type"] for agent in run["prov:wasAssociatedWith"]} == {"prov:SoftwareAgent"}
    assert [agent["prov:label"] for agent in run["prov:wasAssociatedWith"]] == ["openai", "m-1", "m-1-mini"]
    assert review["@type"] == "prov:Activity" and "verified 15, edited 5" in review["description"]
    label = fields(described)["default/keyphrases"]
    assert label["prov:wasGeneratedBy"] == [{"@id": "runs/abc"}]
    assert label["annotation"]["equivalentProperty"] == "prov:wasGeneratedBy"


def test_every_column_is_a_field() -> None:
    described = fields(render())
    assert list(described) == ["default/split", *(f"default/{name}" for name in KEYPHRASES.names)]
    assert all(field["description"] and field["dataType"] for field in described.values())
    assert not [name for name, field in described.items() if field["description"].startswith("Column ")]
    assert described["default/keyphrases"]["dataType"] == ["sc:Text", "cr:Label"]
    shapes = {name: field["arrayShape"] for name, field in described.items() if field.get("isArray")}
    assert shapes == {"default/keyphrases": "-1", "default/tiers": "-1", "default/offsets": "-1,-1"}
    assert described["default/offsets"]["dataType"] == "sc:Integer"


def test_one_label_without_text_and_an_empty_split() -> None:
    columns = schema(("topic", TEXT), before=[name for name in BEFORE if name not in ("title", "text")])
    told = {"task": "topic", "label": {"name": "topic", "many": False}, "text": "none", "rows": {"train": 9, "eval": 0}}
    described = render(columns, **told)
    assert not {"default/title", "default/text", "default/tiers"} & fields(described).keys()
    assert "isArray" not in fields(described)["default/topic"] and "Without the title" in described["description"]
    assert described["recordSet"][0]["data"] == [{"splits/name": "train", "splits/url": "cr:TrainingSplit"}]
    sets = {entry["@id"]: entry["includes"] for entry in described["distribution"] if entry["@type"] == "cr:FileSet"}
    assert sets == {"train-files": ["data/train-*.parquet"], "data-files": ["data/train-*.parquet"]}


def test_ids_are_unique_and_files_have_digests() -> None:
    described = render()
    (file,) = [entry for entry in described["distribution"] if entry["@type"] == "cr:FileObject"]
    assert (file["contentUrl"], file["sha256"]) == ("data/train-00000.parquet", "1" * 64)
    ids = [entry["@id"] for entry in (*described["distribution"], *described["recordSet"])]
    ids += [field["@id"] for records in described["recordSet"] for field in records["field"]]
    assert len(ids) == len(set(ids))


def write(folder: Path) -> Path:
    """A small version with its description: two train files, one of eval."""
    digests = {}
    for split, count in (("train", 2), ("eval", 1)):
        for number in range(count):
            row: dict[str, Any] = dict.fromkeys(KEYPHRASES.names, "x")
            row |= {"id": f"{split}-{number}", "url": None}
            row |= {"keyphrases": ["한국", "b"], "tiers": ["exact", "absent"], "offsets": [[0, 2], []]}
            path = folder / f"data/{split}-{number:05d}.parquet"
            path.parent.mkdir(exist_ok=True)
            pq.write_table(pa.Table.from_pylist([row], KEYPHRASES), path)
            digests[f"data/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    described = croissant.render(manifest(rows={"train": 2, "eval": 1}), KEYPHRASES, digests)
    (folder / "croissant.json").write_text(json.dumps(described), encoding="utf-8")
    return folder / "croissant.json"


def test_mlcroissant_reads_rows(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    path = write(tmp_path)
    dataset = mlcroissant.Dataset(path)
    assert not dataset.metadata.ctx.issues.errors
    assert [record["splits/name"] for record in dataset.records("splits")] == ["train", "eval"]
    found = {record["default/id"]: record for record in dataset.records("default")}
    assert {name: row["default/split"] for name, row in found.items()} == {
        b"train-0": b"train", b"train-1": b"train", b"eval-0": b"eval"
    }  # fmt: skip
    row = found[b"eval-0"]
    assert row["default/keyphrases"] == ["한국".encode(), b"b"] and row["default/offsets"] == [[0, 2], []]
    by_file = mlcroissant.Dataset(path).records("train-00001")
    assert [(row["train-00001/id"], row["train-00001/offsets"]) for row in by_file] == [(b"train-1", [[0, 2], []])]
    chosen = mlcroissant.Dataset(path).records("default", filters={"default/split": "eval"})
    assert [record["default/id"] for record in chosen] == [b"eval-0"]
