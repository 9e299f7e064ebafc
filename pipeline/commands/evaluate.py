"""Command `evaluate`: scores a job's labels against those that people chose for the same articles, by id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.collect.reading import tables
from pipeline.core.errors import InputError, MissingExtra
from pipeline.core.json_labels import Part, parsed
from pipeline.core.shards import read_order
from pipeline.core.types import LabelColumn
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.label.requests import RequestBuilder
from pipeline.metrics import classes, editors, fields, keyphrases, rouge
from pipeline.metrics.intervals import bootstrap, clustered_share

_KS = (5, 7, 10)
Scores = dict[str, list[float]]  # a metric -> its value for each article that has one


@dataclass(frozen=True)
class Pair:
    """Phrases predicted for an article (empty where it has no label) and those that people chose."""

    id: str
    language: str | None
    text: str | None  # None where it is not known
    predicted: list[str]
    gold: list[str]
    editors: list[editors.Editor] = field(default_factory=list)


@dataclass
class Gold:
    """Gold labels by article id, and what each of several editors said, where the file has that; `empty` rows had none."""

    labels: dict[str, list[str]] = field(default_factory=dict)
    empty: int = 0
    editors: dict[str, list[editors.Editor]] = field(default_factory=dict)


@dataclass
class Measures:
    """Measures of some pairs: `scores` by article, what chance or one class would reach, classes one by one, notes for people."""

    scores: Scores = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)
    per_class: dict[str, classes.ClassScore] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Evaluation:
    """Result of an evaluation; `metrics`: name -> (mean over articles, lower and upper end of its 95% interval)."""

    articles: int
    unlabelled: int
    not_in_job: int
    metrics: dict[str, tuple[float, float, float]]
    baselines: dict[str, float] = field(default_factory=dict)
    per_class: dict[str, classes.ClassScore] = field(default_factory=dict)  # where an article may have several
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        named = {name: dict(zip(("mean", "low", "high"), value, strict=True)) for name, value in self.metrics.items()}
        return {**asdict(self), "metrics": named}


def evaluate(work: Workspace, gold_file: Path, porter: str = "snowball") -> Evaluation:
    """Compare the job's labels (after review, where there is one) with a gold file.  Raises InputError.

    `porter="nltk"` stems English by nltk's Porter, as most published figures do.
    """
    column = work.config.label_column
    gold = read_gold(gold_file, column, RequestBuilder(work).task.check)
    return evaluate_gold(work, gold, str(gold_file), porter)


def evaluate_gold(work: Workspace, gold: Gold, where: str, porter: str = "snowball") -> Evaluation:
    """Compare the job's labels with gold labels; `where` is what messages call these.  Raises InputError."""
    column = work.config.label_column
    pairs = list(_pairs(work, gold, column))
    if porter == "nltk":
        pairs = [replace(pair, language=keyphrases.NLTK_ENGLISH) if pair.language == "en" else pair for pair in pairs]
    if not pairs:
        raise InputError(
            f"{where}: none of its {len(gold.labels):,} ids is an article of this job; see: labelmill show "
            f"{work.config.in_commands} filtered"
        )
    evaluation = score(pairs, column, work.config.max_phrases)
    evaluation.not_in_job = len(gold.labels) - len(pairs)
    if gold.empty:
        evaluation.notes.insert(0, f"{gold.empty:,} rows of {where} have no gold label; they are left out")
    return evaluation


def score(pairs: Sequence[Pair], column: LabelColumn, max_phrases: int) -> Evaluation:
    """Score predicted labels with intervals; `max_phrases` is what a label may have, 0: any number."""
    if column.has_tiers:
        measures = _phrase_measures(pairs, max_phrases)
    elif column.schema is not None:
        measures = Measures(_json_scores(pairs, parsed(column.schema)))
    else:
        measures = _class_measures(pairs) if column.many else _label_measures(pairs)
    metrics = {name: (sum(v) / len(v), *bootstrap(v)) for name, v in measures.scores.items() if v}
    metrics |= _by_editors([pair for pair in pairs if pair.editors])
    unlabelled, further = sum(not pair.predicted for pair in pairs), (measures.baselines, measures.per_class)
    return Evaluation(len(pairs), unlabelled, 0, metrics, *further, measures.notes)


def _by_editors(pairs: Sequence[Pair]) -> dict[str, tuple[float, float, float]]:
    """Return the share of all phrases that an editor takes, and that of what the editors agree on which the labels have."""
    if not pairs:
        return {}
    taken = [editors.accepted(pair.predicted, pair.editors) for pair in pairs]
    hits = [editors.agreed_found(pair.predicted, pair.editors) for pair in pairs]
    shares = {
        "accepted": clustered_share(taken, [len(pair.predicted) for pair in pairs]),
        "agreed_found": clustered_share([hit for hit, _ in hits], [agreed for _, agreed in hits]),
    }
    return {name: (share.mean, share.low, share.high) for name, share in shares.items() if share.mean is not None}


# --- measures ---


def _phrase_measures(pairs: Sequence[Pair], max_phrases: int) -> Measures:
    by_pair = (_phrase_scores(pair, max_phrases) for pair in pairs)
    by_rouge, notes = _rouge_scores(pairs)
    sides = [pair.predicted for pair in pairs], [pair.gold for pair in pairs]
    measures = {"legacy_substring_f1@10": keyphrases.legacy_substring_f1, "legacy_jaccard": keyphrases.legacy_jaccard}
    by_chance = {name: keyphrases.random_pairs(measure, *sides) for name, measure in measures.items()}
    return Measures(_listed(chain(by_pair, by_rouge)), by_chance, notes=notes)


def _listed(by_article: Iterable[Mapping[str, float]]) -> Scores:
    """Return the values of each measure, over the articles that have one."""
    scores: Scores = {}
    for values in by_article:
        for name, value in values.items():
            scores.setdefault(name, []).append(value)
    return scores


def _phrase_scores(pair: Pair, max_phrases: int) -> dict[str, float]:
    predicted, gold, language = pair.predicted, pair.gold, pair.language
    scores = {f"f1@{k}": keyphrases.at_k(predicted, gold, k, language).f1 for k in _KS}
    scores["f1@o"] = keyphrases.at_o(predicted, gold, language).f1
    names = ("precision", "recall", "f1@m")
    scores |= dict(zip(names, keyphrases.at_m(predicted, gold, language), strict=True))
    scores["soft_f1"] = keyphrases.soft_f1(predicted, gold, language)
    if pair.text is not None:
        scores |= _scores_by_presence(pair, pair.text)
    if predicted:
        scores["duplicate_rate"] = keyphrases.duplicates(predicted, language) / len(predicted)
    scores["count_compliance"] = float(1 <= len(predicted) <= (max_phrases or len(predicted)))
    scores["legacy_substring_f1@10"] = keyphrases.legacy_substring_f1(predicted, gold)
    scores["legacy_jaccard"] = keyphrases.legacy_jaccard(predicted, gold)
    return scores


def _scores_by_presence(pair: Pair, text: str) -> dict[str, float]:
    """Return the measures of phrases that the article has, and of those that it has not."""
    scores = dict[str, float]()
    predicted_parts = keyphrases.present_and_absent(pair.predicted, text, pair.language)
    gold_parts = keyphrases.present_and_absent(pair.gold, text, pair.language)
    for kind, predicted_part, gold_part in zip(("present", "absent"), predicted_parts, gold_parts, strict=True):
        if gold_part:
            at_m = keyphrases.at_m(predicted_part, gold_part, pair.language)
            scores |= {f"{kind}_f1@m": at_m.f1, f"{kind}_recall": at_m.recall}
    if pair.predicted:
        scores["present_rate"] = len(predicted_parts[0]) / len(pair.predicted)
    return scores


def _rouge_scores(pairs: Sequence[Pair]) -> tuple[list[dict[str, float]], list[str]]:
    """Return the measures of each article, as far as there is a scorer, and what is missing where there is none."""
    scorers: dict[str | None, Any] = {}
    scores = list[dict[str, float]]()
    try:
        for pair in pairs:
            scorer = scorers.setdefault(pair.language, None) or rouge.scorer(pair.language)
            scorers[pair.language] = scorer
            scores.append(dict(scorer(pair.predicted, pair.gold)))
    except MissingExtra as missing:
        return scores, [str(missing)]
    return scores, []


def _label_measures(pairs: Sequence[Pair]) -> Measures:
    predicted = [pair.predicted[0] if pair.predicted else None for pair in pairs]
    gold = [pair.gold[0] for pair in pairs]
    same = [float(classes.is_same(a, b)) for a, b in zip(predicted, gold, strict=True)]
    soft = [keyphrases.soft_f1(pair.predicted, pair.gold, pair.language) for pair in pairs]
    return Measures({"accuracy": same, "soft_f1": soft}, {"macro_f1": classes.macro_f1(predicted, gold)})


def _class_measures(pairs: Sequence[Pair]) -> Measures:
    """Score sets of classes: whole sets, their overlap, and each class over all articles."""
    predicted, gold = [pair.predicted for pair in pairs], [pair.gold for pair in pairs]
    per_class = classes.per_class(predicted, gold)
    of_gold = [one.f1 for one in per_class.values() if one.support]
    baselines = {
        "macro_f1": sum(of_gold) / len(of_gold) if of_gold else 0.0,
        "micro_f1": classes.micro_f1(predicted, gold),
    }
    overlaps = [classes.jaccard(a, b) for a, b in zip(predicted, gold, strict=True)]
    scores = {"exact": [float(overlap == 1.0) for overlap in overlaps], "jaccard": overlaps}
    return Measures(scores, baselines, per_class)


def _json_scores(pairs: Sequence[Pair], part: Part) -> Scores:
    """Score objects as a whole, and field by field."""
    scores: Scores = {"exact": [], "fields": []}
    for pair in pairs:
        predicted, gold = (json.loads(side[0]) if side else None for side in (pair.predicted, pair.gold))
        by_field = fields.field_scores(predicted, gold, part)
        scores["exact"].append(float(fields.is_same(predicted, gold)))
        scores["fields"].append(sum(by_field.values()) / len(by_field))
        for path, value in by_field.items():
            scores.setdefault(f"field {path}", []).append(value)
    return scores


# --- what is compared ---


def _pairs(work: Workspace, gold: Gold, column: LabelColumn) -> Iterator[Pair]:
    labels = work.reviewed if work.reviewed.exists else work.labels
    label_table.check_column(labels, work)
    for shard in read_order(work.articles):
        articles = work.filtered.read(shard, ["id", "language", "text"]).to_pylist()
        labelled = labels.read(shard, ["id", column.name]).to_pylist()
        by_id = {row["id"]: column.phrases(row[column.name]) for row in labelled}
        for article in articles:
            if (wanted := gold.labels.get(article["id"])) is not None:
                predicted, editors_of_article = by_id.get(article["id"], []), gold.editors.get(article["id"], [])
                yield Pair(article["id"], article["language"], article["text"], predicted, wanted, editors_of_article)


def read_gold(path: Path, column: LabelColumn, check: Callable[[str], str | None] | None = None) -> Gold:
    """Read a gold file: JSON lines, CSV, Excel or Parquet with `id` and the label's column (or `gold`).

    Several phrases are a list, or text separated by semicolons.  In JSON `editors` may be a list of `{"gold": [..], "also": [..]}`;
    the first one's gold is the label where there is no other.  `check` is the task's.  Raises InputError naming the row.
    """
    gold = Gold()
    for row in tables.rows(path):
        where, named = f"{row.source}: row {row.line}", {str(n).strip().casefold(): v for n, v in row.fields.items()}
        names = [name for name in (column.name, "gold", "editors") if name in named]
        if "id" not in named or not names:
            raise InputError(f"{where}: needs 'id' and {column.name!r}; it has: {', '.join(map(str, row.fields))}")
        row_id, cell = str(named["id"]).strip(), named[names[0]]
        if (
            isinstance(of_editors := named.get("editors"), list)
            and of_editors
            and all(isinstance(one, dict) for one in of_editors)
        ):
            gold.editors[row_id] = [{"gold": one.get("gold", []), "also": one.get("also", [])} for one in of_editors]
            cell = cell if names[0] != "editors" else gold.editors[row_id][0]["gold"]
        phrases = tables.phrases_in(cell, column)
        if not phrases:
            gold.empty += 1
            continue
        if check and (unknown := next((phrase for phrase in phrases if check(phrase) is None), None)):
            raise InputError(f"{where}: {unknown!r} is no label of this job")
        phrases = [check(phrase) or phrase for phrase in phrases] if check else phrases
        if gold.labels.setdefault(row_id, phrases) != phrases:
            raise InputError(f"{where}: {row_id!r} has other labels in an earlier row")
    if not gold.labels:
        raise InputError(f"{path}: no gold labels in it")
    return gold
