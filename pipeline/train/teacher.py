"""How far a teacher agrees with itself, by labels of what it was asked about more than once: more a student cannot be asked for.

Twice is: by the same model and prompt with other parameters (a seed, a temperature), both answers in the ledger.  Where nothing was
asked so, near-copies that were each asked about stand for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core.errors import LabelmillError
from pipeline.core.shards import read_order
from pipeline.core.types import Article, Example, LabelColumn
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.workspace import Workspace
from pipeline.label.articles import ARTICLE_COLUMNS, articles_of
from pipeline.label.job_ledger import has_ledger
from pipeline.label.ledger import Ledger, Record, open_ledger_to_read
from pipeline.label.requests import RequestBuilder
from pipeline.label.runs import described_runs, finished_key, started_key
from pipeline.train.figures import interval
from pipeline.train.scores import main_measure, scores
from pipeline.versions import store

_FEWEST, _MOST = 5, 500  # pairs: of fewer no figure is given, of more these many are looked at
_ASKED = ("endpoint", "model")  # of whom
_BY_MACHINE = {"llm", "extracted", "student"}  # labels that no person has changed


class LabelPair(NamedTuple):
    """Two labels of one text, or of two near-copies; `group` is what is drawn together."""

    first: list[str]
    second: list[str]
    language: str | None
    group: str


def agreement(work: Workspace, version: Path, column: LabelColumn) -> dict[str, Any] | None:
    """Return the main measure of one label against the other, both ways, with its interval; None where little was asked twice."""
    for way, pairs in (
        ("asked again", _asked_again(work, version, column)),
        ("near-copies", _near_copies(version, column)),
    ):
        chosen = [pair for _, pair in zip(range(_MOST), pairs, strict=False)]
        if len(chosen) >= _FEWEST:
            values = [_both_ways(pair, column) for pair in chosen]
            return {"by": way, "articles": len(chosen), **interval(values, [pair.group for pair in chosen])}
    return None


def _both_ways(pair: LabelPair, column: LabelColumn) -> float:
    def one_way(predicted: list[str], gold: list[str]) -> float:
        article = Article("", None, "", "", language=pair.language)
        return scores(predicted, Example(article, tuple(gold), pair.group), column)[main_measure(column)]

    return (one_way(pair.first, pair.second) + one_way(pair.second, pair.first)) / 2


# --- the same article, asked about again ---


def _asked_again(work: Workspace, version: Path, column: LabelColumn) -> Iterator[LabelPair]:
    """Yield two labels of each article of a version that the ledger has two answers about, by one model and prompt."""
    try:
        builder = RequestBuilder(work)
        runs = {run["run_id"] for run in store.read_manifest(version).get("runs", ())}
        if work.config.label_column != column or builder.run_id not in runs:
            return  # the job asks something else by now than what the version's labels are answers to
        others = _other_parameters(work, builder)
        if not others or not has_ledger(work):
            return
        with closing(open_ledger_to_read(work.ledger_target, work.config.name)) as ledger:
            for article, group in _articles(work, version):
                labels = list(_labels(builder, others, ledger, article))
                if len(labels) > 1:
                    yield LabelPair(labels[0], labels[1], article.language, group)
    except LabelmillError:  # a job that could not ask now; what it was asked then may not be known
        return


def _other_parameters(work: Workspace, builder: RequestBuilder) -> list[dict[str, Any]]:
    """Return what further runs of the job asked the same model with, by the same prompt.

    None where prompts come before the label's, or where more than endpoint, model and parameters makes an answer.
    """
    own, prompt = builder.identity["answers"], builder.identity["prompt"]
    if builder.identity.keys() != {"provider", "answers", "prompt"} or own.keys() != {*_ASKED, "parameters"}:
        return []
    others = [
        {name: run[name] for name in own}
        for run in described_runs(work, builder.provider_name)
        if run.get("prompt_sha256") == prompt and all(run.get(name) == own[name] for name in _ASKED)
    ]
    return [other for other in others if other["parameters"] != own["parameters"]]


def _articles(work: Workspace, version: Path) -> Iterator[tuple[Article, str]]:
    """Yield the articles of a job that are in a version, with their groups."""
    tables = (table for split in ("train", "eval") for table in store.rows_of(version, split, ["id", "group_id"]))
    groups = {row["id"]: row["group_id"] for table in tables for row in table.to_pylist()}
    for shard in read_order(work.articles):
        for article in work.given.as_given(shard, articles_of(work.filtered.read(shard, ARTICLE_COLUMNS))):
            if article.id in groups:
                yield article, groups[article.id]


def _labels(
    builder: RequestBuilder, others: Iterable[dict[str, Any]], ledger: Ledger, article: Article
) -> Iterator[list[str]]:
    request = builder.request(article)
    schema = [request.form.schema] if request.form else []
    starts = [started_key(builder.provider_name, other, *schema) for other in others]
    messages = request.messages if builder.prompt else None
    keys = [request.key, *(finished_key(started, article, messages) for started in starts)]
    answers = ledger.get(keys)
    for key in dict.fromkeys(keys):
        if label := _label(builder, answers.get(key, ()), article):
            yield label


def _label(builder: RequestBuilder, records: Iterable[Record], article: Article) -> list[str]:
    """Return the phrases of the last answer that makes a label, empty where none does."""
    for record in reversed(list(records)):
        if record.reply is not None and (label := builder.parse(record.reply, article)).status == "ok":
            return label.phrases
    return []


# --- near-copies ---


def _near_copies(version: Path, column: LabelColumn) -> Iterator[LabelPair]:
    """Yield the labels of near-copies of a version that were each asked about, of the same run, two at a time."""
    by_group: dict[tuple[str, str | None], list[tuple[list[str], str | None]]] = {}
    for split in ("train", "eval"):
        for table in store.rows_of(version, split):
            for row in table.to_pylist():
                if row["label_source"] in _BY_MACHINE and row.get(SHARED_FROM) is None:
                    label = [phrase for phrase in column.phrases(row[column.name]) if phrase]
                    by_teacher = by_group.setdefault((row["group_id"], row.get("run_id")), [])
                    by_teacher.extend([(label, row["language"])] if label else [])
    for (group, _), labels in by_group.items():
        for (first, language), (second, _) in pairwise(labels):
            yield LabelPair(first, second, language, group)
