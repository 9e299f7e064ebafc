"""Answers of reviewers in other labelling tools: one article with its label and verdicts, and back to judgements.

In both tools the phrases of a label are numbered from 1 and a reviewer ticks those that are right (or NONE); a phrase that is
missing is marked in the text or written down.  Marks on a label's own phrases show where they stand and are no verdicts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clean.cleaner.normal import fold_loose
from pipeline.clean.offsets import locate
from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_case, fold_space
from pipeline.core.types import LabelColumn
from pipeline.review.log.judgements import Judgement
from pipeline.review.log.verdicts import Verdicts

NONE = "none-of-these"


@dataclass(frozen=True)
class ReviewerAnswer:
    """Answer of one reviewer to all that is shown of an article: the phrases that are right, and those that were missing."""

    accepted: list[str]
    added: list[str]
    note: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class ExportedArticle:
    """Article as other tools get it, with reviewers' `answers` so far by reviewer."""

    text_sha256: str
    id: str
    text: str
    phrases: list[str]
    model: str  # whose label it is
    answers: dict[str, ReviewerAnswer]
    title: str = ""
    url: str = ""
    language: str = ""

    @property
    def key(self) -> str:
        return f"text-{self.text_sha256}"


@dataclass(frozen=True)
class LabellingTask:
    """Task for reviewers: the label's column, and the labels that are allowed (empty: any)."""

    column: LabelColumn
    allowed: list[str]


@dataclass(frozen=True)
class ImportedFile:
    """File that comes back, and what its records are checked against; `articles`: text digest -> id of the job's articles."""

    file: Path
    task: LabellingTask
    articles: dict[str, str]
    reviewers: list[str]  # whoever is in the log
    reviewer: str  # of answers that name nobody
    at: str


def ticks(phrases: Sequence[str], right: Iterable[str]) -> list[str]:
    """Return the numbers of the right phrases as a reviewer ticks them."""
    wanted = set(right)
    return [str(number) for number, phrase in enumerate(phrases, 1) if phrase in wanted] or [NONE]


def spans(item: ExportedArticle) -> list[tuple[int, int]]:
    """Return where phrases stand first in the text, (start, end) in code points, in the text's order."""
    return sorted({span for span in locate(item.phrases, item.text) if span})


# --- answers that go out ---


def answers_by_reviewer(judgements: Iterable[Judgement], phrases: Sequence[str]) -> dict[str, ReviewerAnswer]:
    """Return reviewer -> answer on these phrases, of standing judgements of one text.

    Who has judged only some of them (the label was made anew) is left out: an answer of the other tools covers every phrase.
    """
    by_reviewer: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_reviewer.setdefault(judgement.reviewer, []).append(judgement)
    answers = {reviewer: _answer(own, phrases) for reviewer, own in by_reviewer.items()}
    return {reviewer: answer for reviewer, answer in answers.items() if answer}


def _answer(judgements: Sequence[Judgement], phrases: Sequence[str]) -> ReviewerAnswer | None:
    verdicts_of_text, note = Verdicts(), next((j.note for j in reversed(judgements) if j.note), "")
    for judgement in judgements:
        verdicts_of_text.update(judgement)
    verdicts = [verdicts_of_text.of(phrase) for phrase in phrases]
    if None in verdicts:
        return ReviewerAnswer([], [], note, skipped=True) if judgements[-1].skipped else None
    shown = {fold_case(phrase) for phrase in phrases}
    accepted = [phrase for phrase, right in zip(phrases, verdicts, strict=True) if right]
    return ReviewerAnswer(
        accepted, [phrase for key, phrase in verdicts_of_text.added.items() if key not in shown], note
    )


def new_judgements(returned: Iterable[Judgement], stored: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements that say more than the stored ones of their reviewers do.

    A verdict that went out with an export and comes back as it was is not new, nor is a row of a sheet that was imported before.
    """
    judged: dict[tuple[str, str], tuple[Verdicts, set[str]]] = {}
    for judgement in stored:
        _remember(judged, judgement)
    new = []
    for judgement in returned:
        if not _is_stored(judged, judgement):
            new.append(judgement)
            _remember(judged, judgement)
    return new


def _remember(judged: dict[tuple[str, str], tuple[Verdicts, set[str]]], judgement: Judgement) -> None:
    verdicts, notes = judged.setdefault((judgement.reviewer, judgement.text_sha256), (Verdicts(), {""}))
    verdicts.update(judgement)
    notes.add(judgement.note)


def _is_stored(judged: dict[tuple[str, str], tuple[Verdicts, set[str]]], judgement: Judgement) -> bool:
    if (judgement.reviewer, judgement.text_sha256) not in judged:
        return False
    verdicts, notes = judged[judgement.reviewer, judgement.text_sha256]
    right = all(verdicts.of(phrase) is True for phrase in (*judgement.accepted, *judgement.added))
    return right and all(verdicts.of(phrase) is False for phrase in judgement.rejected) and judgement.note in notes


# --- answers that come back ---


@dataclass(frozen=True)
class ReturnedAnswer:
    """Annotation or response that came back, in what both tools have."""

    reviewer: str
    right: list[str] | None  # ticked numbers, or the one label; None: nothing was said of the label
    written: list[str]  # missing phrases, a line each
    marked: list[str]  # the text under each mark
    note: str = ""
    skipped: bool = False
    at: str = ""
    seconds: float | None = None
    mark: Any = None  # tells this answer from an earlier one of the same person in the other tool


def article_of(source: ImportedFile, record: str, text: Any, claimed: str) -> str:
    """Return the digest of a record's text; `claimed` is the digest that it went out with.

    Raises InputError where it is no text of the job.
    """
    digest = hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()
    if digest in source.articles:
        return digest
    if claimed in source.articles:
        why = "its text is not the one that was exported; put it back, or take the record out of the file"
    else:
        why = "it is no article of this job; import it into its own job, or take it out of the file"
    raise InputError(f"{source.file}: {record}: {why}. Nothing was stored.")


def judgement_of(source: ImportedFile, record: str, digest: str, shown: list[str], answer: ReturnedAnswer) -> Judgement:
    """Return an answer as a judgement of the phrases that it was shown."""
    many = source.task.column.many
    lists = _phrases(source, record, shown, answer) if many else _one(shown, answer)
    if answer.skipped or not any(lists):
        lists = ([], [], [])
    identity = [digest, answer.reviewer, *lists, answer.skipped, answer.note, answer.mark]
    return Judgement(
        digest,
        source.articles[digest],
        answer.reviewer,
        answer.at or source.at,
        *lists,
        note=answer.note,
        uid=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        seconds=answer.seconds,
        skipped=not any(lists),
    )


_Lists = tuple[list[str], list[str], list[str]]  # accepted, rejected, added


def _phrases(source: ImportedFile, record: str, shown: list[str], answer: ReturnedAnswer) -> _Lists:
    shown_forms = {fold_loose(phrase) for phrase in shown}
    marked = [text for text in answer.marked if fold_loose(text) not in shown_forms]
    extra = {fold_case(text): fold_space(text) for text in (*answer.written, *marked) if text.strip()}
    right = {phrase for phrase in shown if fold_case(phrase) in extra}
    for tick in answer.right or []:
        if tick != NONE and not (tick.isdecimal() and 0 < int(tick) <= len(shown)):
            raise InputError(f"{source.file}: {record}: there is no phrase {tick!r}, it has {len(shown)}")
        if tick != NONE:
            right.add(shown[int(tick) - 1])
    accepted = [phrase for phrase in shown if phrase in right]
    rejected = [phrase for phrase in shown if phrase not in right] if answer.right else []
    shown_keys = {fold_case(phrase) for phrase in shown}
    return accepted, rejected, [phrase for key, phrase in extra.items() if key not in shown_keys]


def _one(shown: list[str], answer: ReturnedAnswer) -> _Lists:
    label = fold_space(answer.right[-1]) if answer.right else ""
    if not label:
        return [], [], []
    if label == NONE:
        return [], shown, []
    same = [phrase for phrase in shown if fold_case(phrase) == fold_case(label)]
    return (same, [], []) if same else ([], shown, [label])


def lines(value: Any) -> list[str]:
    """Return the lines of a text, or of a list of texts, without empty ones."""
    texts = value if isinstance(value, list) else [value or ""]
    return [line.strip() for text in texts for line in str(text).splitlines() if line.strip()]
