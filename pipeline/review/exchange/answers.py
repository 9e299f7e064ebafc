"""What the formats of other labelling tools have in common: one article with its label and verdicts, and back to judgements.

In both tools the phrases of a label are numbered from 1 and a reviewer ticks those that are right (or NONE); a phrase that is
missing is marked in the text or written down.  Where a phrase stands is shown by marks, which say nothing of a verdict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clean.cleaner import locate
from pipeline.clean.cleaner.normal import fold_loose
from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_case, fold_space
from pipeline.core.types import LabelColumn
from pipeline.review.log.judgements import Judgement
from pipeline.review.log.verdicts import Verdicts

NONE = "none-of-these"


@dataclass(frozen=True)
class Said:
    """One reviewer's answer to all that is shown of an article: the phrases that are right, and those that were missing."""

    accepted: list[str]
    added: list[str]
    note: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class Item:
    """One article as other tools get it; `said` by reviewer."""

    text_sha256: str
    id: str
    text: str
    phrases: list[str]
    model: str  # whose label it is
    said: dict[str, Said]
    title: str = ""
    url: str = ""
    language: str = ""

    @property
    def key(self) -> str:
        return f"text-{self.text_sha256}"


@dataclass(frozen=True)
class Task:
    """What is asked: the label's column, and the labels that are allowed (none: any)."""

    column: LabelColumn
    allowed: list[str]


@dataclass(frozen=True)
class Source:
    """A file that comes back, and what its records are held against: text digest -> id of the job's articles."""

    file: Path
    task: Task
    articles: dict[str, str]
    reviewers: list[str]  # whoever is in the log
    reviewer: str  # of answers that name nobody
    at: str


def ticks(phrases: Sequence[str], right: Iterable[str]) -> list[str]:
    """The numbers of the right phrases as a reviewer ticks them."""
    wanted = set(right)
    return [str(number) for number, phrase in enumerate(phrases, 1) if phrase in wanted] or [NONE]


def spans(item: Item) -> list[tuple[int, int]]:
    """Where phrases stand first in the text, in code points and the text's order."""
    return sorted({span for span in locate(item.phrases, item.text) if span})


# --- what was said ---


def said_by(judgements: Iterable[Judgement], phrases: Sequence[str]) -> dict[str, Said]:
    """Each reviewer's verdicts on these phrases, of standing judgements of one text.  Who has judged only some of them (the
    label was made anew) is left out, since an answer of the other tools says something of every phrase."""
    by_reviewer: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_reviewer.setdefault(judgement.reviewer, []).append(judgement)
    answers = {reviewer: _answer(theirs, phrases) for reviewer, theirs in by_reviewer.items()}
    return {reviewer: said for reviewer, said in answers.items() if said}


def _answer(judgements: Sequence[Judgement], phrases: Sequence[str]) -> Said | None:
    found, note = Verdicts(), next((j.note for j in reversed(judgements) if j.note), "")
    for judgement in judgements:
        found.take(judgement)
    verdicts = [found.of(phrase) for phrase in phrases]
    if None in verdicts:
        return Said([], [], note, skipped=True) if judgements[-1].skipped else None
    shown = {fold_case(phrase) for phrase in phrases}
    accepted = [phrase for phrase, right in zip(phrases, verdicts, strict=True) if right]
    return Said(accepted, [phrase for key, phrase in found.added.items() if key not in shown], note)


def news(found: Iterable[Judgement], said: Iterable[Judgement]) -> list[Judgement]:
    """The judgements that say what their reviewers have not said yet: a verdict that went out with an export and comes back as
    it was is none, nor is a row of a sheet that was imported before."""
    known: dict[tuple[str, str], tuple[Verdicts, set[str]]] = {}
    for judgement in said:
        _learn(known, judgement)
    new = []
    for judgement in found:
        if not _is_known(known, judgement):
            new.append(judgement)
            _learn(known, judgement)
    return new


def _learn(known: dict[tuple[str, str], tuple[Verdicts, set[str]]], judgement: Judgement) -> None:
    theirs, notes = known.setdefault((judgement.reviewer, judgement.text_sha256), (Verdicts(), {""}))
    theirs.take(judgement)
    notes.add(judgement.note)


def _is_known(known: dict[tuple[str, str], tuple[Verdicts, set[str]]], judgement: Judgement) -> bool:
    if (judgement.reviewer, judgement.text_sha256) not in known:
        return False
    theirs, notes = known[judgement.reviewer, judgement.text_sha256]
    right = all(theirs.of(phrase) is True for phrase in (*judgement.accepted, *judgement.added))
    return right and all(theirs.of(phrase) is False for phrase in judgement.rejected) and judgement.note in notes


# --- answers that come back ---


@dataclass(frozen=True)
class Answer:
    """One annotation or response, in what both tools have: None where it says nothing of the label."""

    reviewer: str
    right: list[str] | None  # ticked numbers, or the one label
    written: list[str]  # missing phrases, a line each
    marked: list[str]  # the text under each mark
    note: str = ""
    skipped: bool = False
    at: str = ""
    seconds: float | None = None
    mark: Any = None  # tells this answer from an earlier one of the same person in the other tool


def article_of(source: Source, record: str, text: Any, claimed: str) -> str:
    """The digest of a record's text.  Raises InputError where it is no text of the job; `claimed` is the digest that it went
    out with."""
    digest = hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()
    if digest in source.articles:
        return digest
    if claimed in source.articles:
        why = "its text is not the one that was exported; put it back, or take the record out of the file"
    else:
        why = "it is no article of this job; import it into its own job, or take it out of the file"
    raise InputError(f"{source.file}: {record}: {why}. Nothing was stored.")


def judgement_of(source: Source, record: str, digest: str, shown: list[str], answer: Answer) -> Judgement:
    """What an answer says of the phrases that it was shown."""
    many = source.task.column.many
    said = _phrases(source, record, shown, answer) if many else _one(shown, answer)
    if answer.skipped or not any(said):
        said = ([], [], [])
    mark = [digest, answer.reviewer, *said, answer.skipped, answer.note, answer.mark]
    return Judgement(
        digest,
        source.articles[digest],
        answer.reviewer,
        answer.at or source.at,
        *said,
        note=answer.note,
        uid=hashlib.sha256(json.dumps(mark).encode()).hexdigest(),
        seconds=answer.seconds,
        skipped=not any(said),
    )


_Lists = tuple[list[str], list[str], list[str]]  # accepted, rejected, added


def _phrases(source: Source, record: str, shown: list[str], answer: Answer) -> _Lists:
    there = {fold_loose(phrase) for phrase in shown}
    marked = [text for text in answer.marked if fold_loose(text) not in there]
    extra = {fold_case(text): fold_space(text) for text in (*answer.written, *marked) if text.strip()}
    right = {phrase for phrase in shown if fold_case(phrase) in extra}
    for tick in answer.right or []:
        if tick != NONE and not (tick.isdecimal() and 0 < int(tick) <= len(shown)):
            raise InputError(f"{source.file}: {record}: there is no phrase {tick!r}, it has {len(shown)}")
        if tick != NONE:
            right.add(shown[int(tick) - 1])
    accepted = [phrase for phrase in shown if phrase in right]
    rejected = [phrase for phrase in shown if phrase not in right] if answer.right else []
    known = {fold_case(phrase) for phrase in shown}
    return accepted, rejected, [phrase for key, phrase in extra.items() if key not in known]


def _one(shown: list[str], answer: Answer) -> _Lists:
    label = fold_space(answer.right[-1]) if answer.right else ""
    if not label:
        return [], [], []
    if label == NONE:
        return [], shown, []
    same = [phrase for phrase in shown if fold_case(phrase) == fold_case(label)]
    return (same, [], []) if same else ([], shown, [label])


def lines(value: Any) -> list[str]:
    """The lines of a text, or of a list of texts; empty ones are none."""
    texts = value if isinstance(value, list) else [value or ""]
    return [line.strip() for text in texts for line in str(text).splitlines() if line.strip()]
