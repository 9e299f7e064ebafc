"""Digests that were stored on somebody's disk, as literals: where one of them changes, old work is done and paid anew.

A failing literal is never mended by writing down the new one.  An option that is added changes none (`pipeline.core.options`).
For anything else in a digest: what stood there at first stays as it is, what is new stands there only where it is used.
"""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from pipeline.collect.to_article import to_article
from pipeline.collect.units import SourceUnit, _drops_digest, _key
from pipeline.core import plugins
from pipeline.core.files import digest_of, write_bytes, write_json
from pipeline.core.options import in_key
from pipeline.core.types import Article, LabelColumn, RawRow, Unit
from pipeline.job import takedowns
from pipeline.job.config import SplitOptions
from pipeline.job.validation import check
from pipeline.label.ledger.postgres import _schema_of
from pipeline.label.local_model import weights
from pipeline.label.requests import RequestBuilder
from pipeline.review.exchange import answers, label_studio
from pipeline.review.log import verdicts
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample import sampling_frame
from pipeline.split import assignment
from pipeline.split import stage as split
from pipeline.versions import rows
from tests.conftest import JobMaker, work_of

# --- options ---

OPTIONS: dict[tuple[str, str], list[tuple[dict[str, Any], str]]] = {
    ("sources", "files"): [
        ({"path": "a.jsonl"}, "04e8d228e2ab429d"),
        (
            {"path": ["a.csv", "b/*.csv"], "format": "csv", "encoding": "cp949", "max_row_bytes": 1000, "licence": "MIT",
             "columns": {"id": "nr", "title": "t", "text": "b", "url": "u", "published_at": "d", "language": "l"}},
            "2ed7fd8aa28df781",
        ),
    ],
    ("sources", "hub"): [
        ({"name": "user/name"}, "07bab8a2005023df"),
        ({"name": "./here", "config": "ko", "split": "test", "revision": "main", "columns": {"text": "body"}}, "2b8e128e2a71b05c"),
    ],
    ("sources", "sql"): [
        ({"url": "postgresql://a:b@c/d", "table": "t", "key": "id"}, "8bed63e66bab527f"),
        ({"url": "sqlite:///x", "query": "SELECT 1", "key": "id", "changed": "at", "licence": "CC0-1.0"}, "12772d2c94fdc8dd"),
    ],
    ("sources", "web"): [
        ({"urls": ["http://127.0.0.1/"]}, "9b08c305166bd479"),
        (
            {"name": "w", "urls": ["http://a.example/"], "url_file": "list.txt", "feeds": ["http://b.example/"],
             "sitemaps": ["http://c.example/"], "sites": ["http://d.example/"], "depth": 1, "include": ["*/a/*"],
             "exclude": ["*/b/*"], "since": "2026-01-01", "until": "2026-02-01", "limit": 10,
             "contact": "a@b.example", "delay": 2, "connections": 4, "connections_per_host": 2,
             "timeout": 9, "max_bytes": 1000, "allow": ["127.0.0.0/8"],
             "tdm": "record", "mode": "thorough", "workers": 2},
            "3188c6f6c851e09e",
        ),
    ],
    ("filters", "duplicates"): [({}, "652b17dbfc43dc84")],
    ("filters", "language"): [
        ({"keep": ["ko"]}, "3a11ec70ed0de9bb"),
        ({"keep": ["en", "ko"], "detector": "langdetect"}, "5f200af0be73b3a6"),
    ],
    ("filters", "tokens"): [
        ({}, "17d3ecfdfbde482c"),
        ({"encoding": "o200k_base", "counter": "tiktoken", "min": 100, "max": 800}, "fe96b013db375d9d"),
        ({"tokenizer": "a/b", "max": 8}, "c0f92d3a87d1959c"),
    ],
    ("tasks", "keyphrases"): [
        ({}, "826d09f2348a9d64"),
        (
            {"max_phrases": 5, "max_label_tokens": None, "too_long": "reject", "korean": "kiwi", "absent": "drop"},
            "9806b3f076bd9fa6",
        ),
    ],
    ("tasks", "topic"): [({}, "9e73df65017326a6"), ({"max_words": 3}, "a55a4838c0a30475")],
    ("tasks", "classes"): [
        ({"classes": ["A", "B"]}, "7b780df4fe6aa116"),
        ({"classes": {"A": ["a", "가"], "B": []}}, "ddb4553b26fdb450"),
    ],
}  # fmt: skip
CASES = [(kind, name, values, digest) for (kind, name), cases in OPTIONS.items() for values, digest in cases]


def short(value: Any) -> str:
    """The beginning of what would be stored: enough to tell a change."""
    return digest_of(value)[:16]


def options_of(kind: Any, name: str, values: dict[str, Any]) -> Any:
    typed = {"type": name} if kind in ("sources", "filters") else {}
    return check(plugins.load(kind, name).Options, typed | values, "job.yaml")


@pytest.mark.parametrize(("kind", "name", "values", "digest"), CASES)
def test_options(kind: str, name: str, values: dict[str, Any], digest: str) -> None:
    assert short(in_key(options_of(kind, name, values), mode="json")) == digest


def test_a_unit() -> None:
    options = options_of("sources", "files", {"path": "a.jsonl", "columns": {"text": "body"}})
    unit = Unit("a-12345678", "0123456789abcdef", ("/x/a.jsonl",), ("a.jsonl",))
    assert _key(SourceUnit(unit, None, options, 0))[:16] == "500ec577a0073268"
    drops = {("b.jsonl", 2): ("id_conflict", "b.jsonl:1"), ("a.jsonl", 7): ("duplicate_id", "a.jsonl:1")}
    assert _drops_digest(drops)[:16] == "5dcce03176fd97cc"


# --- requests: who is asked what, and how the reply must look ---

ARTICLE = Article(
    "a1", "등대 opens", "The lighthouse </article> of 섬마을 opened.", "0" * 64, "https://a.example", "2026-01-01", "en"
)
ENDPOINT = {"provider": "openai", "base_url": "http://user:secret@127.0.0.1:9/v1/", "model": "m"}
AS_JSON = {**ENDPOINT, "prompt": "keyphrases/v2"}
TOPIC_AS_JSON, CLASSES_AS_JSON = ({**ENDPOINT, "task": task, "prompt": "plain"} for task in ("topic", "classes"))
SAMPLED = {"max_output_tokens": 8, "temperature": 0.5, "seed": None, "stop": ["a"]}
LLAMA = {"provider": "llama", "model": "user/name"}
COLD = {"max_new_tokens": 9, "temperature": 0, "top_p": 0.5, "top_k": 1, "repetition_penalty": 1, "first_line": True,
        "quantization": "none", "dtype": "float32", "template": {"a": [1, None, "b"]}, "revision": None, "device": "cpu",
        "batch_tokens": 5}  # fmt: skip
GIVEN = {"town": "Port", "year": 2026, "sure": True}
CLASSES = {"classes": {"Sea": ["harbour"], "Town": []}}
REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {  # label, clean; beginnings of run_id, key and prompt
    "by default": (ENDPOINT, {}, "31cc44ae741cdd36 094c5999c0a6d778 e01352bdaf43ef50"),
    "sampled": ({**ENDPOINT, "parameters": SAMPLED}, {}, "30c9079b8dbdd417 a9fa5b9dca7f0d59 e01352bdaf43ef50"),
    "five phrases": (ENDPOINT, {"max_phrases": 5, "absent": "drop"}, "31cc44ae741cdd36 fa905b794b66ec26 e01352bdaf43ef50"),
    "keyphrases/v2": (AS_JSON, {}, "92944b18a6a90c8c 152983058a572b1a b7f36e3a6e890b3b"),
    "keyphrases/v2, five": (AS_JSON, {"max_phrases": 5}, "92944b18a6a90c8c 4f62d0afb0d11f1d b7f36e3a6e890b3b"),
    "topics/v1": ({**ENDPOINT, "task": "topic"}, {}, "0561326442ea67cf aab572735834d5f0 ecf427b7103531f7"),
    "classes/v1": ({**ENDPOINT, "task": "classes"}, CLASSES, "abb12da3bc3a0d03 72455a4119206784 836bb4b69f7dda84"),
    "of one's own": ({**ENDPOINT, "prompt": "own", "variables": GIVEN}, {}, "a6035f19b83de3d3 45c7fbbdb75a296f de00b6d6a792daf5"),
    "topic, a schema": (TOPIC_AS_JSON, {"max_words": 3}, "9574c48cbd4518c5 e24e58f76c492210 8e82eda0b26bb80c"),
    "classes, a schema": (CLASSES_AS_JSON, CLASSES, "54f5138e068fa3fd fcb701634cb81c5e 8e82eda0b26bb80c"),
    "llama": (LLAMA, {}, "59230ea532b0f697 2a4371a53d274fb1 e01352bdaf43ef50"),
    "llama, one label": ({**LLAMA, "task": "topic"}, {}, "e0dae4e14f6a1968 da31e9aa89ec460f ecf427b7103531f7"),
    "llama, cold": ({**LLAMA, "parameters": COLD}, {}, "49ed37be1b3069a3 77ce130c8f2b537b e01352bdaf43ef50"),
}  # fmt: skip
OWN = {
    "own.yaml": {"system": "In {{ town }}, {{ year }}, {{ sure }}.", "user": "<text>{{ text }}</text> {{ published_at }} {{ url }}",
                 "examples": [{"user": "{{ max_phrases }}", "assistant": "a; b"}], "notes": "n", "language": "ko"},
    "plain.yaml": {"user": "{{ title }} {{ text }}", "output": "json_schema"},
}  # fmt: skip


def requested(make_job: JobMaker, name: str) -> str:
    """Return the beginnings of run_id, the article's key and the prompt's digest in a job of REQUESTS."""
    label, clean, _ = REQUESTS[name]
    path = make_job([], label=label, clean=clean)
    for file, prompt in OWN.items():
        (path.parent / "prompts").mkdir(exist_ok=True)
        (path.parent / "prompts" / file).write_text(yaml.safe_dump(prompt, allow_unicode=True), "utf-8")
    work = work_of(path)
    write_json(work.weights_file, {"asked": {"model": "user/name", "revision": None}, "commit": "c" * 40})
    labeller = RequestBuilder(work)
    assert labeller.prompt
    return f"{labeller.run_id} {labeller.request(ARTICLE).key.hex()[:16]} {labeller.prompt.digest[:16]}"


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(make_job: JobMaker, name: str) -> None:
    assert requested(make_job, name) == REQUESTS[name][-1]


def test_what_an_endpoint_was_found_to_take(make_job: JobMaker) -> None:
    """`dialect.json` is of the provider with this digest."""
    provider = RequestBuilder(work_of(make_job([], label={**ENDPOINT, "parameters": SAMPLED}))).provider
    assert short(provider.identity) == "5e4888ee75f19475"


@pytest.mark.parametrize(
    ("name", "values", "digest"),
    [
        ("keyphrases", {}, "389ac7b8461b2e54"),
        ("keyphrases", {"max_phrases": 5}, "d17d3f78760d2777"),
        ("topic", {"max_words": 3}, "6e713f3c66c3f95e"),
        ("classes", CLASSES, "64017cadf33e3c83"),
    ],
)
def test_schemas(name: str, values: dict[str, Any], digest: str) -> None:
    schema = plugins.load("tasks", name).Task.schema(options_of("tasks", name, values))
    assert short(schema) == digest


def test_extractive_of_version_1(make_job: JobMaker) -> None:
    """What it said keeps its keys, in a job that has what it counted."""
    labeller = _extractive(make_job, {})
    assert short(labeller.identity["answers"]) == "b73ef49d463b6421"
    assert (labeller.run_id, labeller.request(ARTICLE).key.hex()[:16]) == ("2936637dce6043a2", "e77596a0dbdb32e9")
    assert _extractive(make_job, {"phrases": 3}).run_id == "db2fb6c0b2bfbe45"


def _extractive(make_job: JobMaker, parameters: dict[str, Any]) -> RequestBuilder:
    """With statistics of nothing, which are the same whatever stemmer is installed."""
    work = work_of(make_job([], label={"provider": "extractive", "parameters": parameters}))
    write_bytes(work.models / "none.bin", b'{"format":1,"languages":[]}\n')
    write_json(work.models / "extractive.json", {"file": "none.bin"})
    return RequestBuilder(work)


def test_extractive(make_job: JobMaker) -> None:
    builder = RequestBuilder(work_of(make_job([], label={"provider": "extractive"})))
    assert short(builder.provider.identity) == "aaa94d785580ab4b"
    assert (builder.run_id, builder.request(ARTICLE).key.hex()[:16]) == ("5b0ac4092a2abc0e", "785c05befa06e6fb")
    used = {"words": [1, 3], "diversity": 0.2, "candidates": ["a"], "stop_words": ["b"], "korean": "kiwi"}
    ids = [
        RequestBuilder(work_of(make_job([], label={"provider": "extractive", "parameters": {name: value}}))).run_id
        for name, value in used.items()
    ]
    assert len({*ids, builder.run_id}) == len(used) + 1


def test_weights(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        (tmp_path / name).write_text(name)
    tiny = weights.identify(str(tmp_path), None, tmp_path, tmp_path / "memory" / "weights.json")
    assert tiny.identity == {"weights_sha256": "987806e4f7e5b3bec21f53654cc383e0fba601679e75062ab9e66846d754c98d"}


# --- plugins of somebody else: all of their options stand in keys, and the names of their modules ---

THEIRS = {
    "source": """
        from pydantic import BaseModel
        from pipeline.core import contracts
        from pipeline.job.config import Options as Base, SourceOptions

        class Login(Base):
            user: str = "me"
            ports: tuple[int, ...] = (80, 443)

        class Proxy(BaseModel):
            host: str = "a.example"

        class Options(SourceOptions):
            count: int = 3
            login: Login = Login()
            proxies: dict[str, list[Proxy]] = {"all": [Proxy()]}

        class Source(contracts.Source):
            units = read = None
    """,
    "mood": """
        from pipeline.clean.tasks import keyphrases

        class Options(keyphrases.Options):
            loud: bool = False

        class Task(keyphrases.Task): ...
    """,
    "again": """
        from pipeline.clean.tasks.keyphrases import Options, Task
    """,
}


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs_then").mkdir()
    for name, text in THEIRS.items():
        (tmp_path / "theirs_then" / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("kind", "name", "values", "digest"),
    [
        ("sources", "theirs_then.source", {}, "28b1a702619692e7"),
        ("sources", "theirs_then.source", {"count": 4, "login": {"user": "you"}, "proxies": {}}, "3638075074049fea"),
        ("tasks", "theirs_then.mood", {}, "c764c98a47bf1038"),
        ("tasks", "theirs_then.again", {}, "826d09f2348a9d64"),
    ],
)
@pytest.mark.usefixtures("theirs")
def test_options_of_theirs(kind: str, name: str, values: dict[str, Any], digest: str) -> None:
    assert short(in_key(options_of(kind, name, values), mode="json")) == digest


@pytest.mark.parametrize(
    ("task", "run_id"), [("theirs_then.mood", "9f3806b5074bd86a"), ("theirs_then.again", "31cc44ae741cdd36")]
)
@pytest.mark.usefixtures("theirs")
def test_runs_of_theirs(make_job: JobMaker, task: str, run_id: str) -> None:
    assert RequestBuilder(work_of(make_job([], label={**ENDPOINT, "task": task}))).run_id == run_id


# --- articles, duplicates, groups, splits ---


def test_ids_that_are_made() -> None:
    options = options_of("sources", "files", {"path": "a.jsonl"})
    with_url, without = ({"title": " A  b", "text": "Text 글", "url": url} for url in ("https://a.example/1", None))
    articles = [to_article(RawRow("a.jsonl", 1, fields), options) for fields in (with_url, without)]
    assert [row.id for row in articles] == ["url-d817b80f9a5befb9", "text-26ca970d65435631"]
    assert {row.text_sha256[:16] for row in articles} == {"26ca970d65435631"}


def test_decisions() -> None:
    """What `filtered.decisions/` holds of a text, for the fold over all shards."""
    table = pa.table({"title": ["Ｔitle", None], "text": ["Ｔitle and  body", "Body"]})
    _, columns = plugins.create("filters", "duplicates", options_of("filters", "duplicates", {})).decide(table)
    assert {name: [value and value.hex()[:8] for value in values] for name, values in columns.items()} == {
        "title_key": ["3a9a9b0a", None],
        "text_key": ["e2d16363", "239baeea"],
        "body_key": ["9cf18e12", "239baeea"],
    }


def test_the_split() -> None:
    """A text's key and signature, which lie in the log of assignments for good; who is drawn; what a shard's rows became."""
    table = assignment.texts_of(
        ["a", "b"], ["The Night ferry sails again from Monday.", "밤 배가 월요일부터 다시 다닌다."]
    )
    assert table.column("text_key").to_pylist() == [
        "c9dbbbe3565a1ad0e662c2959d411dc4",
        "f7c67e8fde0cc7c10cb5ff5c77803345",
    ]
    assert [short(value.hex()) for value in table.column("signature").to_pylist()] == [
        "08ff5bd49018a034",
        "76d9ec91256bea53",
    ]
    assert assignment._hash("v1", "0123") == 8504496486497441970
    assigned = assignment.Assignment(pa.array(["g", "h"]), np.array([0, 2], np.int8), pa.array([None, "a"]))
    assert short(in_key(SplitOptions(), mode="json")) == "0b540488da0cc234"
    assert split._digest(assigned)[:16] == "1a2ac4c276a44057"


# --- people ---


def test_verdicts() -> None:
    log = [Judgement("0" * 64, "a", "ana", "2026-01-01", ["Night  ferry"], ["Ｍoon", "fuel"], ["밤 배"])]
    [(text, in_force)] = verdicts.in_force(log).items()
    assert short({text: asdict(in_force)}) == "f6b2240e466e762e"


def test_who_is_shown_what() -> None:
    heads = np.array([sampling_frame.digest_prefix(f"{number:x}" * 16) for number in range(1, 9)], np.uint64)
    assert np.argsort(sampling_frame.seeded_hash(heads, "0 draw")).tolist() == [0, 4, 7, 6, 5, 3, 2, 1]
    assert np.flatnonzero(sampling_frame.in_seeded_share(heads, "0 blind", 0.5)).tolist() == [1, 5, 6, 7]


def test_answers_of_other_tools(tmp_path: Path) -> None:
    """An answer that comes back twice is recognised by these."""
    task = answers.LabellingTask(LabelColumn("keyphrases", many=True), [])
    source = answers.ImportedFile(tmp_path / "back.json", task, {"0" * 64: "a"}, [], "ana", "2026-01-01")
    answer = answers.ReturnedAnswer("ana", ["1"], ["밤 배"], [], mark=7)
    assert answers.judgement_of(source, "1", "0" * 64, ["night ferry", "fuel"], answer).uid[:16] == "72cbd94793cf9e64"
    assert label_studio.annotation_id("ana", "0" * 64) == 2088440863609795


# --- versions ---


def test_rows_of_a_version() -> None:
    """64 bits of what a row says of its article and of its label, by which two versions are compared."""
    column = LabelColumn("keyphrases", many=True)
    row = {
        "id": "a", "group_id": "g", "text_sha256": "0" * 64, "source": "a.jsonl", "licence": None, "url": "https://a.example",
        "published_at": None, "language": "ko", "title": "밤 배", "text": "밤 배가 다닌다", "keyphrases": ["밤 배"],
        "tiers": ["exact"], "offsets": [[0, 3]], "status": "ok", "label_source": "verified", "run_id": "0123", "split": "train",
    }  # fmt: skip
    table = pa.table({name: [value] for name, value in row.items()})
    names = ["article", "label"]  # `text` and `group` of an index are compared with those of the same index only
    [whole], [bare] = (
        rows.index_rows(table, column, with_text).select(names).to_pylist() for with_text in (True, False)
    )
    assert list(whole.values()) == [12404130715186238796, 5396964199197350057]
    assert bare == whole | {"article": 9074977116147768397}


def test_takedowns(tmp_path: Path) -> None:
    takedowns.append(tmp_path / "takedowns.jsonl", "a", ["0" * 64], "so", "2026-01-01")
    assert takedowns.digest(tmp_path / "takedowns.jsonl")[:16] == "e2587f5298d45255"
    assert takedowns.digest(tmp_path / "none")[:16] == "e3b0c44298fc1c14"


def test_a_ledger_in_postgresql() -> None:
    assert _schema_of("news") == "labelmill_news"
    assert _schema_of("n" * 60) == "labelmill_nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn_fb886b452111b2ed"
