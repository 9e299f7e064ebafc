"""The Python interface: jobs, DataFrames and data sets, lists of texts, in scripts and where an event loop runs."""

from __future__ import annotations

import ast
import json
import logging
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import labelmill
import pipeline
from pipeline import dataset, evaluate, label_articles, labels, load_job, run, status, which_version
from pipeline.core.errors import ArgumentError, ConfigError, InputError, LabelmillError, Paused
from pipeline.job.workspace import Workspace
from tests.conftest import QUICKSTART, ROOT, JobMaker, article, write_jsonl
from tests.openai_server import Server, completion

CLASSES = {"classes": ["harbours", "trains"]}


def openai(server: Server, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "gpt-6-luna", "base_url": server.url, **more}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")


def texts(count: int) -> list[str]:
    return [article(n)["body"] for n in range(count)]


def asked(server: Server) -> int:
    return sum(server.seen.values())


def script(server: Server, reply: Callable[[dict[str, Any]], str]) -> None:
    server.script = lambda body, times: (200, completion(body, reply(body)), {})


# --- the names ---


def test_no_public_name_is_that_of_a_package_or_module() -> None:
    """An import of the package would take the name's place."""
    modules = {info.name for info in pkgutil.iter_modules(pipeline.__path__)}
    assert not modules & set(pipeline.__all__)


def test_every_public_name_is_there_and_declared_for_type_checkers() -> None:
    tree = ast.parse((ROOT / "pipeline" / "__init__.py").read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared == set(pipeline.__all__) == set(labelmill.__all__)
    for name in pipeline.__all__:
        assert getattr(labelmill, name) is getattr(pipeline, name)
        assert name in dir(labelmill) and getattr(pipeline, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'lables'"):
        labelmill.lables  # noqa: B018


def in_a_process(code: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_import_loads_nothing_slow(tmp_path: Path) -> None:
    code = """
        import sys, labelmill
        print([name for name in sys.modules if name in ("pandas", "pydantic", "pyarrow", "numpy", "datasets", "yaml")])
    """
    assert in_a_process(code, tmp_path) == "[]\n"


def test_beside_a_file_that_is_called_pipeline(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("raise SystemExit('mine')\n")
    assert in_a_process("import labelmill; print(labelmill.clean_reply('a; b').phrases)", tmp_path) == "['a', 'b']\n"
    done = subprocess.run(
        [sys.executable, "-m", "labelmill", "--version"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.startswith("labelmill "), done.stderr
    (tmp_path / "pipeline.py").write_text("")
    code = "import pipeline\ntry:\n    import labelmill\nexcept ImportError as error:\n    print(error)"
    assert "pipeline.py has the name of a package of labelmill" in in_a_process(code, tmp_path)


# --- jobs ---


def test_a_job_is_a_path_a_config_or_a_workspace(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(8)])
    job = load_job(str(path), {"split.eval": 0.5, "clean.max_phrases": 3})
    assert (job.split.eval, job.max_phrases) == (0.5, 3)
    assert load_job(path, ["split.eval=0.5", "clean.max_phrases=3"]) == job
    done = run(str(path), to="clean")
    assert done["held_back"] is None and {row["stage"]: row["state"] for row in done["stages"]}["split"] == "not run"
    for given in (path, str(path), load_job(path), Workspace(load_job(path))):
        assert status(given)["stages"][3]["kept"] == 8 and len(labels(given)) == 8
    assert "limited to 3 articles" in run(path, limit=3)["held_back"]
    assert run(path)["stages"][-1]["state"] == "version 1.0.0"


def test_overrides_hold_values_as_they_are(make_job: JobMaker) -> None:
    path = make_job([article(1)])
    job = load_job(path, {"label.variables": {}, "name": "123", "sources.0.path": str(path)})
    assert (job.name, job.sources[0].path) == ("123", str(path))  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"label.modl: unknown key \(did you mean 'model'\?\)"):
        load_job(path, {"label.modl": "x"})
    with pytest.raises(ConfigError, match=r"label\.api_key: a secret is only named here"):
        load_job(path, {"label.api_key": "sk-123"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: run(7), "a job is the path of its file, or what load_job returns; found int"),
        (lambda path: run(None), "a job is the path of its file, or what load_job returns; found None"),
        (lambda path: labels(pd.DataFrame()), "found pandas.DataFrame"),
        (lambda path: load_job(path, "label.model=x"), "overrides: give a mapping"),
        (lambda path: load_job(path, {1: 2}), "1 is no key of a job file"),
        (lambda path: load_job(3.5), "a job file is named by its path"),
        (
            lambda path: run(path, to="cleaned"),
            r"to: no stage 'cleaned' \(did you mean 'clean'\?\); there are: collect, filter",
        ),
        (lambda path: run(path, limit=0), "limit: give a whole number from 1 on; found 0"),
        (lambda path: run(path, limit=2.5), "limit: give a whole number from 1 on; found 2.5"),
        (lambda path: run(path, "clean"), "run: give options by name"),
        (lambda path: label_articles("a text"), "found str; a single text is a list of one"),
        (lambda path: label_articles({"text": "a"}), "found dict"),
        (lambda path: label_articles(["a", 3]), "articles: item 1 is no text; found int"),
        (lambda path: label_articles(pd.DataFrame({"body": ["a"]})), "have no column 'text'; name it with columns="),
        (lambda path: label_articles(["a"], columns={"txt": "a"}), "no column"),
        (lambda path: label_articles(["a"], folder=3, provider="extractive"), "folder: give a path"),
        (lambda path: label_articles(["a"], parameters="x"), "parameters: give a mapping; found str"),
        (
            lambda path: evaluate(3, [["a"]]),
            "predictions: give a DataFrame, a Dataset, a mapping, a list or a file; found int",
        ),
        (
            lambda path: which_version(3),
            "which_version: give a Dataset, a DatasetDict, a DataFrame or a path; found int",
        ),
    ],
)
def test_a_wrong_type_is_one_line(make_job: JobMaker, call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as raised:
        call(make_job([article(1)]))
    assert isinstance(raised.value, LabelmillError) and "\n" not in str(raised.value)


def test_what_is_not_there_is_one_line(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)])
    for call in (
        lambda: labels(path),
        lambda: dataset(path),
        lambda: run(tmp_path / "no.yaml"),
        lambda: which_version("no"),
    ):
        with pytest.raises(LabelmillError) as raised:
            call()
        assert "\n" not in str(raised.value)
    run(path, to="filter")
    with pytest.raises(InputError, match="has no labels yet; run the job first"):
        labels(path)


# --- DataFrames and data sets ---


def test_labels_are_a_frame_with_lists(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(6)])
    run(path, to="clean")
    frame = labels(path)
    assert frame["id"].tolist() == [f"a{n}" for n in range(6)]
    assert isinstance(frame["keyphrases"][0], list) and frame["text"][0].startswith("Harbour number 0")
    assert frame.explode("keyphrases").groupby("id").size().min() > 1
    assert "text" not in labels(path, text=False)
    assert labels(path, rejected=True).empty


def test_rejected_labels_have_reasons(make_job: JobMaker, server: Server, key: None) -> None:
    path = make_job(
        [article(n) for n in range(6)], label=openai(server, parameters={"max_output_tokens": 64}, brake=None, reask=0)
    )
    script(server, lambda body: "I'm sorry, I cannot help with that." if "number 2 " in str(body) else "harbour; city")
    run(path, to="review")
    rejected = labels(path, rejected=True)
    assert rejected["id"].tolist() == ["a2"] and rejected["reason"].tolist() == ["refusal"]
    assert len(labels(path)) == 5


def test_a_data_set_before_and_after_the_split(make_job: JobMaker) -> None:
    import datasets

    path = make_job([article(n) for n in range(12)])
    run(path, to="clean")
    whole = dataset(path)
    assert isinstance(whole, datasets.Dataset) and len(whole) == 12
    run(path)
    split = dataset(path)
    assert isinstance(split, datasets.DatasetDict) and len(split["train"]) + len(split["eval"]) == 12
    assert split["eval"].split == "eval"
    published = dataset(path, version="1.0.0")
    assert sorted(published["train"]["id"]) == sorted(split["train"]["id"])
    assert published["train"].column_names[:-2] == split["train"].column_names
    with pytest.raises(InputError, match=r"no version '2\.0\.0'"):
        dataset(path, version="2.0.0")
    with pytest.raises(InputError, match="not up to date"):
        dataset(load_job(path, {"clean.max_phrases": 2}))


DATES = {
    "zone": (["2026-05-01T09:00:00+09:00", "2026-05-02"], None),
    "days": (["2026-05-01", None, "2026-05-02"], "timestamp[s]"),
    "in a zone": (["2026-05-01T09:00:00+09:00", "2026-05-01T00:00:01Z"], "timestamp[s, tz=UTC]"),
    "one is none": (["2026-05-01", "yesterday"], None),
    "a year": (["2026", "2025"], None),
    "nothing": ([None, None], None),
}


@pytest.mark.parametrize("case", DATES)
def test_times_are_timestamps_where_every_value_is_one(make_job: JobMaker, case: str) -> None:
    values, kind = DATES[case]
    path = make_job([article(n) | {"published_at": value} for n, value in enumerate(values)])
    run(path, to="clean")
    made = dataset(path)
    assert str(made.features["published_at"].dtype) == (kind or "string")
    if case == "in a zone":
        assert [time.isoformat() for time in made["published_at"]] == [
            "2026-05-01T00:00:00+00:00",
            "2026-05-01T00:00:01+00:00",
        ]


def test_classes_are_a_class_label(make_job: JobMaker, server: Server, key: None) -> None:
    import datasets

    path = make_job([article(n) for n in range(8)], label=openai(server, task="classes"), clean=CLASSES)
    script(server, lambda body: "trains" if "number 2 " in str(body) else "harbours")
    run(path)
    made = dataset(path)
    feature = made["train"].features["label"]
    assert isinstance(feature, datasets.ClassLabel) and feature.names == CLASSES["classes"]
    words = {row["id"]: feature.int2str(row["label"]) for rows in made.values() for row in rows}
    assert words == {f"a{n}": "trains" if n == 2 else "harbours" for n in range(8)}


# --- lists of texts ---


def test_labels_come_in_the_order_given(server: Server, tmp_path: Path, key: None) -> None:
    given = [*texts(3), "", None, texts(1)[0], "  ", texts(4)[3]]
    made = label_articles(given, folder=tmp_path / "f", **openai(server))
    assert made["text"].tolist() == given
    assert made["reason"].tolist() == [
        None,
        None,
        None,
        "empty_text",
        "missing_text",
        "duplicate_text",
        "empty_text",
        None,
    ]
    assert made["keyphrases"].notna().tolist() == [True, True, True, False, False, True, False, True]
    assert made["keyphrases"][5] == made["keyphrases"][0] != made["keyphrases"][1]
    assert asked(server) == 4


def test_the_same_call_pays_nothing_and_a_longer_one_for_what_is_new(server: Server, tmp_path: Path, key: None) -> None:
    first = label_articles(texts(3), folder=str(tmp_path / "f"), **openai(server))
    again = label_articles(texts(3), folder=str(tmp_path / "f"), **openai(server))
    assert asked(server) == 3
    pd.testing.assert_frame_equal(first, again)
    more = label_articles(texts(5)[::-1], folder=str(tmp_path / "f"), **openai(server))
    assert asked(server) == 5 and more["keyphrases"].tolist()[::-1][:3] == first["keyphrases"].tolist()
    fewer = label_articles(texts(1), folder=str(tmp_path / "f"), clean={"max_label_tokens": 12}, **openai(server))
    assert asked(server) == 5 and fewer["keyphrases"][0] == first["keyphrases"][0][: len(fewer["keyphrases"][0])]
    assert 0 < len(fewer["keyphrases"][0]) < len(first["keyphrases"][0])
    assert status(tmp_path / "f" / "job.yaml")["stages"][2]["kept"] == 1


def test_a_frame_keeps_its_index_and_ids(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"nr": [7, 7, 9], "head": ["Harbour", None, "Harbour"], "body": [*texts(2), texts(1)[0]]}, index=["x", "y", "z"]
    )
    made = label_articles(
        frame, provider="extractive", folder=tmp_path, columns={"id": "nr", "title": "head", "text": "body"}
    )
    assert made.index.tolist() == ["x", "y", "z"] and made["id"].tolist() == [7, 7, 9]
    assert made["reason"].tolist() == [None, None, "duplicate_text"]
    frame["phrases"] = made["keyphrases"]
    assert frame["phrases"].map(len).min() > 0
    assert label_articles(frame["body"], provider="extractive", folder=tmp_path).index.tolist() == ["x", "y", "z"]


def test_a_data_set_and_mappings_are_articles_too(tmp_path: Path) -> None:
    import datasets

    rows = [{"text": text, "id": f"t{n}"} for n, text in enumerate(texts(3))]
    of_mappings = label_articles(rows, provider="extractive", folder=tmp_path)
    of_data_set = label_articles(datasets.Dataset.from_list(rows), provider="extractive", folder=tmp_path)
    pd.testing.assert_frame_equal(of_mappings, of_data_set)
    with pytest.raises(ArgumentError, match="of a DatasetDict give one split"):
        label_articles(datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)}), provider="extractive")  # type: ignore[arg-type]


def test_nothing_to_label(tmp_path: Path) -> None:
    for given in ([], ["", None]):
        made = label_articles(given, provider="extractive", folder=tmp_path)  # type: ignore[arg-type]
        assert len(made) == len(given) and made["keyphrases"].isna().all()


def test_without_a_folder_the_answers_last_where_a_line_says(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, key: None
) -> None:
    made = label_articles(texts(2), **openai(server))
    folder = Path(made.attrs["folder"])
    assert folder.is_relative_to(tmp_path / "cache") and (folder / "jobs" / "articles" / "ledger.sqlite").exists()
    assert str(folder) in caplog.text
    label_articles(texts(2), **openai(server))
    assert asked(server) == 2
    other = label_articles(texts(2), "classes", clean=CLASSES, **openai(server)).attrs["folder"]
    assert other != str(folder)


def test_a_budget_pauses_and_the_same_call_goes_on(server: Server, tmp_path: Path, key: None) -> None:
    call = openai(server, parameters={"max_output_tokens": 64}, label={"prices": {"*": {"input": 100, "output": 100}}})
    with pytest.raises(Paused, match="budget"):
        label_articles(texts(6), folder=tmp_path, budget_usd=0.31, **call)
    paid = asked(server)
    assert 0 < paid < 6
    made = label_articles(texts(6), folder=tmp_path, budget_usd=100, **call)
    assert asked(server) == 6 and made["keyphrases"].notna().all()


def test_a_job_of_somebody_is_not_overwritten(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)])
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match=r"job\.yaml is a job file of yours"):
        label_articles(["a text"], provider="extractive", folder=tmp_path)
    assert path.read_bytes() == before


def test_no_key_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"label\.api_key: a secret is only named here"):
        label_articles(["a text"], model="m", folder=tmp_path, label={"api_key": "sk-secret"})
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-secret" in file.read_bytes()]


# --- where an event loop runs ---

IN_A_LOOP = """
import asyncio, logging, labelmill

async def main():
    labelmill.run("job.yaml", to="clean")
    made = labelmill.label_articles(["The harbour of the city was opened."], model="gpt-6-luna", base_url={url!r}, folder="f")
    print(len(labelmill.labels("job.yaml")), made["reason"].isna().all())

asyncio.run(main())
"""


@pytest.mark.slow
def test_within_an_event_loop(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    make_job([article(n) for n in range(4)], label=openai(server))
    assert in_a_process(IN_A_LOOP.format(url=server.url), tmp_path, OPENAI_API_KEY="secret") == "4 True\n"


CELLS = (
    "from labelmill import *\nimport asyncio; assert asyncio.get_event_loop().is_running()",
    "job = load_job('job.yaml', {'split.eval': 0.25})",
    "run(job, to='clean', limit=3)['held_back']",
    "len(labels(job))",
    "run(job)['stages'][-1]['state']",
    "dataset(job)",
    "await asyncio.sleep(0); which_version(str(Workspace(job).versions / '1.0.0'))",
)


@pytest.mark.slow
def test_a_notebook_cell_by_cell(
    make_job: JobMaker, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from nbformat import v4

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    make_job([article(n) for n in range(8)], label=openai(server))
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    results = [
        [output["data"]["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]
        for cell in notebook.cells
    ]
    assert results[3:5] == [["3"], ["'version 1.0.0'"]] and results[6] == ["'1.0.0'"]
    assert "num_rows: 2" in results[5][0]
    shown = [output.get("text", "") for output in notebook.cells[2].outputs if output.output_type == "stream"]
    assert "label" in "".join(shown), "the bars are there"


def test_nothing_is_printed(
    make_job: JobMaker, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = make_job([article(n) for n in range(6)])
    caplog.set_level(logging.DEBUG, "labelmill")
    run(path)
    labels(path)
    status(path)
    assert capfd.readouterr() == ("", "")


# --- evaluate ---


@pytest.mark.slow
def test_labels_are_compared_however_they_are_given(make_job: JobMaker, tmp_path: Path) -> None:
    predicted, gold = {"a": ["harbour", "city"], "b": ["rail"]}, {"a": ["harbour"], "b": ["rail"], "c": ["left out"]}
    frame = pd.DataFrame({"id": predicted.keys(), "keyphrases": predicted.values()})
    gold_frame = pd.DataFrame({"id": gold.keys(), "gold": ["; ".join(phrases) for phrases in gold.values()]})
    file = write_jsonl(tmp_path / "gold.jsonl", [{"id": name, "keyphrases": phrases} for name, phrases in gold.items()])
    found = evaluate(predicted, gold)
    assert found.articles == 2 and found.metrics["precision"][0] == 0.75 and found.metrics["recall"][0] == 1.0
    assert "present_rate" not in found.metrics, "no texts"
    for one in (predicted, frame):
        for other in (gold, gold_frame, file, str(file)):
            assert evaluate(one, other) == found
    in_order = evaluate(list(predicted.values()), [gold["a"], gold["b"]])
    assert in_order.metrics == found.metrics
    frame["text"] = ["The harbour of the town.", "A rail."]
    assert evaluate(frame, gold).metrics["present_rate"][0] == 0.75
    with pytest.raises(ArgumentError, match="2 predictions, 3 gold labels"):
        evaluate(list(predicted.values()), list(gold.values()))
    with pytest.raises(ArgumentError, match="one side has ids"):
        evaluate(predicted, list(gold.values()))
    with pytest.raises(InputError, match="no gold label has the id of a prediction"):
        evaluate(predicted, {"z": ["x"]})


def test_a_jobs_labels_are_compared_as_the_command_does(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(6)])
    run(path)
    gold = {f"a{n}": ["harbour", "spring"] for n in range(4)} | {"zz": ["x"]}
    file = write_jsonl(tmp_path / "gold.jsonl", [{"id": name, "keyphrases": phrases} for name, phrases in gold.items()])
    by_file, by_mapping = evaluate(path, file), evaluate(load_job(path), gold)
    assert by_file == by_mapping and (by_file.articles, by_file.not_in_job) == (4, 1)
    assert evaluate(labels(path), gold).metrics["f1@5"] == by_file.metrics["f1@5"]


def test_one_label_is_compared() -> None:
    found = evaluate(["sports", "arts", None], ["sports", "sports", "arts"], task="classes")
    assert found.metrics["accuracy"][0] == pytest.approx(1 / 3)


# --- which version ---


def versions(make_job: JobMaker, tmp_path: Path) -> Path:
    """A job with versions 1.0.0 (12 articles) and 1.1.0 (15)."""
    path = make_job([article(n) for n in range(12)])
    run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(15)])
    run(path)
    return path


def test_rows_tell_their_version(make_job: JobMaker, tmp_path: Path) -> None:
    import datasets

    path = versions(make_job, tmp_path)
    folder = Workspace(load_job(path)).versions
    (tmp_path / "moved").mkdir()
    for name in ("1.0.0", "1.1.0"):
        loaded = datasets.load_dataset(str(folder / name), cache_dir=str(tmp_path / "cache"))
        kept = folder.rename(tmp_path / "away")  # nothing but what `datasets` keeps
        assert which_version(loaded) == name
        assert which_version(loaded["train"]) == which_version(loaded["train"].shuffle(seed=1)) == name
        assert which_version(datasets.concatenate_datasets([loaded["train"], loaded["eval"]])) == name
        assert which_version(loaded["train"].select(range(3))) is None
        assert which_version(loaded["train"].map(lambda row: {"text": row["text"] + " more"})) is None
        assert which_version(loaded["train"].map(lambda row: {"keyphrases": row["keyphrases"][:1]})) is None
        kept.rename(folder)


def test_files_tell_their_version(make_job: JobMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import shutil

    path = versions(make_job, tmp_path)
    folder = Workspace(load_job(path)).versions
    for name in ("1.0.0", "1.1.0"):
        assert which_version(folder / name) == which_version(str(folder / name / "data")) == name
        assert which_version(folder / name / "data" / "train-00000.parquet") == name
        frame = pd.concat([pd.read_parquet(file) for file in (folder / name / "data").glob("*.parquet")])
        assert which_version(frame) is None and "known=" in caplog.text
        assert which_version(frame, known=path) == which_version(frame, known=folder) == name
        data_only = Path(shutil.copytree(folder / name / "data", tmp_path / f"only-{name}"))
        assert which_version(data_only, known=load_job(path)) == name
        shutil.copy(folder / name / "README.md", data_only)
        assert which_version(data_only) == name, "as the Hub's cache has it: the card beside the data"
    copy = Path(shutil.copytree(folder / "1.0.0", tmp_path / "1.0.0"))
    (copy / "data" / "train-00000.parquet").chmod(0o644)
    shutil.copy(folder / "1.1.0" / "data" / "train-00000.parquet", copy / "data" / "train-00000.parquet")
    assert which_version(copy) is None and "train-00000.parquet: changed" in caplog.text


def test_versions_of_before_are_known_by_their_folder(old_jobs: Path) -> None:
    folder = old_jobs / "jobs" / "keyphrases" / "versions"
    for name in ("1.0.0", "2.0.0"):
        assert which_version(folder / name) == name
        rows = pd.read_parquet(folder / name / "data")
        assert which_version(rows) is None
        assert which_version(rows, known=folder) == name


def test_the_quickstart_in_python(tmp_path: Path) -> None:
    job = load_job(QUICKSTART / "job.yaml", {"workspace": str(tmp_path)})
    assert run(job)["stages"][-1]["state"] == "version 1.0.0"
    assert json.dumps(status(job)) and len(labels(job)) == 70


@pytest.mark.slow
def test_the_page_on_python_is_true(tmp_path: Path) -> None:
    """Its examples run one after the other, as cells; what a comment says comes out."""
    import shutil

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    shutil.copytree(QUICKSTART, tmp_path / "job")
    code = "\n".join(shown(block) for block in blocks)
    said = in_a_process(code, tmp_path / "job", HF_HOME=str(tmp_path / "hf"), XDG_CACHE_HOME=str(tmp_path))
    for wanted in ("('1.0.0', '1.0.0')", "'empty_text'", "(0.75,", "'interest rates', 'Bank of England'"):
        assert wanted in said, wanted


def shown(block: str) -> str:
    """Code that prints the expressions in it, as a notebook shows the last one of a cell."""
    tree = ast.parse(block)
    return "\n".join(
        f"print(repr({ast.unparse(node.value)}))" if isinstance(node, ast.Expr) else ast.unparse(node)
        for node in tree.body
    )
