"""Review items, articles as the page shows them (`card` in its API): the text in segments that say which phrases stand there,
phrases with tiers, provenance; of a blind one the article alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.core.text.folding import fold_case
from pipeline.job.workspace import Workspace
from pipeline.label.ledger import Ledger, Record, open_ledger_to_read
from pipeline.review.sample.risks import PreviousLabels, published_labels
from pipeline.versions import store

Segment = tuple[str, list[int]]
_ARTICLE = ("id", "title", "source", "url", "published_at", "language")


@dataclass(frozen=True)
class LabelHistory:
    """History of a batch of labels: ledger records by key, and the labels of the last `version` by text digest (`before`)."""

    records: Mapping[str, Record]
    version: str | None
    before: Mapping[str, list[str]]


def label_history(work: Workspace, rows: Sequence[Mapping[str, Any]], previous: PreviousLabels) -> LabelHistory:
    """Look up the history of these rows' labels; only texts whose label changed have one `before`."""
    version = store.latest(work.versions)
    changed = {row["text_sha256"] for row in rows if previous.differs(row["text_sha256"], row["phrases"])}
    labels = published_labels(work, version) if version and changed else ()
    before = {text: phrases for text, phrases in labels if text in changed}
    return LabelHistory(_records(work, rows), version.name if version else None, before)


def _records(work: Workspace, rows: Sequence[Mapping[str, Any]]) -> dict[str, Record]:
    keys = {row["key"] for row in rows if row.get("key")}
    if not keys or (isinstance(work.ledger_target, Path) and not work.ledger_target.exists()):
        return {}
    ledger: Ledger = open_ledger_to_read(work.ledger_target, work.config.name)
    try:
        records_by_key = ledger.get([bytes.fromhex(key) for key in keys])
    finally:
        ledger.close()
    return {key.hex(): records[-1] for key, records in records_by_key.items() if records}


def blind_item(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of a blind article: nothing in it depends on the label."""
    article = ArticleIndex(row["text"] or "", row["language"])
    return {
        "key": row["text_sha256"],
        **{name: row[name] for name in _ARTICLE},
        "text": segments(article.text, []),
        "phrases": [],
        "previous": None,
        "provenance": {},
    }


def review_item(
    row: Mapping[str, Any], phrases: Sequence[str], verdicts: Sequence[bool | None], history: LabelHistory
) -> dict[str, Any]:
    """Return the item of an article with its label (`row`).

    `phrases` are what is shown (a planted one among them), `verdicts` run along them.
    """
    article = ArticleIndex(row["text"] or "", row["language"])
    tiers = dict(zip(row["phrases"], row["tiers"] or [], strict=False))

    def tier(phrase: str) -> str | None:
        if row["tiers"] is None:
            return None  # a label that need not stand in the text
        return tiers.get(phrase) or article.classify(phrase)[0]

    shown = [
        {"text": phrase, "tier": tier(phrase), "verdict": right}
        for phrase, right in zip(phrases, verdicts, strict=True)
    ]
    before = history.before.get(row["text_sha256"])
    changed = before is not None and {fold_case(p) for p in before} != {fold_case(p) for p in row["phrases"]}
    return {
        "key": row["text_sha256"],
        **{name: row[name] for name in _ARTICLE},
        "text": segments(article.text, [article.spans(phrase) for phrase in phrases]),
        "phrases": shown,
        "previous": {"name": history.version, "phrases": before} if changed else None,
        "provenance": _provenance(row, history.records.get(row["key"] or "")),
    }


def _provenance(row: Mapping[str, Any], record: Record | None) -> dict[str, Any]:
    names = ("provider", "model", "prompt")
    at, cost = (record.finished_at, record.cost_usd) if record else (None, None)
    return {**{name: row[name] for name in names}, "run": row["run_id"], "asked_at": at, "cost_usd": cost}


def segments(text: str, spans: Sequence[Sequence[tuple[int, int]]]) -> list[Segment]:
    """Cut the text wherever a phrase begins or ends; each piece comes with the numbers of the phrases that it belongs to.

    `spans` has for each phrase its occurrences, in code points of `text`.
    """
    edges: dict[int, list[tuple[int, bool]]] = {}
    for number, occurrences in enumerate(spans):
        for start, end in occurrences:
            edges.setdefault(start, []).append((number, True))
            edges.setdefault(end, []).append((number, False))
    pieces: list[Segment] = []
    open_now: dict[int, int] = {}
    start_of_piece = 0
    for edge in [*sorted(edges), len(text)]:
        if edge > start_of_piece:
            pieces.append((text[start_of_piece:edge], sorted(open_now)))
            start_of_piece = edge
        for number, begins in edges.get(edge, ()):
            open_now[number] = open_now.get(number, 0) + (1 if begins else -1)
            if not open_now[number]:
                del open_now[number]
    return pieces


def foreign_phrase(row: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a phrase of other articles' labels that is wrong for this article, which has neither it nor any of its words."""
    article, own_phrases = (
        ArticleIndex(row["text"] or "", row["language"]),
        {fold_case(phrase) for phrase in row["phrases"]},
    )
    for other in others:
        for phrase in other["phrases"] if other["language"] == row["language"] else ():
            words = phrase.split()
            if fold_case(phrase) not in own_phrases and not any(map(article.spans, (phrase, *words))):
                return str(phrase)
    return None
