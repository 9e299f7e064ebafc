"""Answers of reviewers in other labelling tools: one article with its label and verdicts, and back to judgements.

In both tools the phrases of a label are numbered from 1 and a reviewer ticks those that are right (or NONE); a phrase that is
missing is marked in the text or written down.  Marks on a label's own phrases show where they stand and are no verdicts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.clean.cleaner.normal import fold_loose
from pipeline.clean.offsets import locate
from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_case, fold_space
from pipeline.core.types import LabelColumn
from pipeline.review.log.judgements import REASONS, Judgement
from pipeline.review.log.verdicts import Verdicts

NONE = "none-of-these"
FLAGGED = "flagged"


@dataclass(frozen=True)
class ReviewerAnswer:
    """Answer of one reviewer to all that is shown of an article: the phrases that are right, and those that were missing."""

    accepted: list[str]
    added: list[str]
    note: str = ""
    skipped: bool = False
    flagged: bool = False
    reasons: dict[str, str] = field(default_factory=dict)  # phrase that is not right -> why
    seconds: float | None = None


@dataclass(frozen=True)
class ExportedArticle:
    """Article as other tools get it, with reviewers' `answers` so far by reviewer, and the `entries` of the log behind them."""

    text_sha256: str
    id: str
    text: str
    phrases: list[str]
    model: str  # whose label it is
    answers: dict[str, ReviewerAnswer]
    title: str = ""
    url: str = ""
    language: str = ""
    entries: list[Judgement] = field(default_factory=list)

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
    """File that comes back, and what its records are checked against; `articles`: text digest -> id of the job's articles.

    Readers put into `entries` what of a log came back with the records (`exchange.entries`).
    """

    file: Path
    task: LabellingTask
    articles: dict[str, str]
    reviewers: list[str]  # whoever is in the log
    reviewer: str  # of answers that name nobody
    at: str
    entries: list[Judgement] = field(default_factory=list)


def ticks(phrases: Sequence[str], right: Iterable[str]) -> list[str]:
    """Return the numbers of the right phrases as a reviewer ticks them."""
    wanted = set(right)
    return [str(number) for number, phrase in enumerate(phrases, 1) if phrase in wanted] or [NONE]


def spans(item: ExportedArticle) -> list[tuple[int, int]]:
    """Return where phrases stand first in the text, (start, end) in code points, in the text's order."""
    return sorted({span for span in locate(item.phrases, item.text) if span})


def audited(judged: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements that go out as answers: the audit's, not triage's, nor those of another model's labels."""
    return [judgement for judgement in judged if judgement.lane == "audit" and judgement.model is None]


def reason_lines(phrases: Sequence[str], answer: ReviewerAnswer) -> list[str]:
    """Return the reasons of an answer as people write them: a phrase's number and the reason, one a line."""
    return [f"{number} {answer.reasons[p]}" for number, p in enumerate(phrases, 1) if p in answer.reasons]


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
    last: dict[str, Any] = {"flagged": judgements[-1].flagged, "seconds": judgements[-1].seconds}
    if None in verdicts:
        return ReviewerAnswer([], [], note, True, **last) if judgements[-1].skipped else None
    shown = {fold_case(phrase) for phrase in phrases}
    accepted = [phrase for phrase, right in zip(phrases, verdicts, strict=True) if right]
    added = [phrase for key, phrase in verdicts_of_text.added.items() if key not in shown]
    why = {fold_case(phrase): reason for j in judgements for phrase, reason in j.reasons.items()}
    wrong = [phrase for phrase, right in zip(phrases, verdicts, strict=True) if not right]
    reasons = {phrase: why[fold_case(phrase)] for phrase in wrong if fold_case(phrase) in why}
    return ReviewerAnswer(accepted, added, note, reasons=reasons, **last)


def is_as_sent(sent: ReviewerAnswer, returned: Judgement) -> bool:
    """Return whether an answer came back as it went out."""
    if (sent.skipped, sent.note, sent.flagged) != (returned.skipped, returned.note, returned.flagged):
        return False
    lists = ((sent.accepted, returned.accepted), (sent.added, returned.added))
    same = all({fold_case(p) for p in one} == {fold_case(p) for p in other} for one, other in lists)
    return same and sent.reasons == returned.reasons


def new_judgements(returned: Iterable[Judgement], stored: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements that say more than the stored ones of their reviewers do.

    A verdict that went out with an export and comes back as it was is not new, nor is a row of a sheet that was imported before.
    """
    judged: _Judged = {}
    for judgement in stored:
        _remember(judged, judgement)
    new = []
    for judgement in returned:
        if not _is_stored(judged, judgement):
            new.append(judgement)
            _remember(judged, judgement)
    return new


# (reviewer, text) -> verdicts and remarks so far
_Judged = dict[tuple[str, str], tuple[Verdicts, set[tuple[str, str]]]]


def _remember(judged: _Judged, judgement: Judgement) -> None:
    verdicts, remarks = judged.setdefault((judgement.reviewer, judgement.text_sha256), (Verdicts(), set()))
    verdicts.update(judgement)
    remarks |= _remarks(judgement)


def _remarks(judgement: Judgement) -> set[tuple[str, str]]:
    """Return what a judgement says beside its verdicts."""
    reasons = {(fold_case(phrase), reason) for phrase, reason in judgement.reasons.items()}
    return (
        reasons
        | ({("note", judgement.note)} if judgement.note else set())
        | ({("flag", "")} if judgement.flagged else set())
    )


def _is_stored(judged: _Judged, judgement: Judgement) -> bool:
    if (judgement.reviewer, judgement.text_sha256) not in judged:
        return False
    verdicts, remarks = judged[judgement.reviewer, judgement.text_sha256]
    right = all(verdicts.of(phrase) is True for phrase in (*judgement.accepted, *judgement.added))
    wrong = all(verdicts.of(phrase) is False for phrase in judgement.rejected)
    return right and wrong and _remarks(judgement) <= remarks


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
    flagged: bool = False
    why: list[str] = field(default_factory=list)  # a phrase's number and the reason, a line each
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
    reasons, remarks = _reasons(shown, lists[1], answer.why)
    note = "\n".join(filter(None, [answer.note, *remarks]))
    identity = [digest, answer.reviewer, *lists, answer.skipped, note, answer.mark]
    if reasons or answer.flagged:  # not of files of before, which were imported already
        identity += [reasons, answer.flagged]
    return Judgement(
        digest,
        source.articles[digest],
        answer.reviewer,
        answer.at or source.at,
        *lists,
        note=note,
        reasons=reasons,
        flagged=answer.flagged,
        uid=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        seconds=answer.seconds,
        skipped=not any(lists),
    )


def _reasons(shown: Sequence[str], rejected: Sequence[str], why: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the reasons of rejected phrases, and the lines that are no reason of one: they are kept as a note."""
    reasons, remarks = dict[str, str](), list[str]()
    for line in why:
        number, _, word = re.sub(r"[.:)\s]+", " ", line).strip().partition(" ")
        phrase = shown[int(number) - 1] if number.isdecimal() and 0 < int(number) <= len(shown) else None
        if phrase in rejected and word.lower() in REASONS:
            reasons[str(phrase)] = word.lower()
        else:
            remarks.append(line)
    return reasons, remarks


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
