"""Records for Argilla 2.x and back: what `rg.Record.from_dict` reads, and what `Record.to_dict` or a flat export writes.

A record has the fields `title`, `text` and `label` (the phrases, numbered), and the questions `accepted` (numbers of right
phrases), `marks` (spans in the text), `missing` and `note`; where a label is one string, `right` stands for the first three.

Offsets: Argilla's page counts JavaScript's UTF-16 units (`selection.anchorOffset` in its `highlighting.ts`; its issue 5729) and
its server compares them with a length in code points, so marks are converted, and left out where the server refused them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pipeline.core.errors import InputError
from pipeline.review.exchange.answers import (
    FLAGGED,
    NONE,
    ExportedArticle,
    ImportedFile,
    LabellingTask,
    ReturnedAnswer,
    ReviewerAnswer,
    article_of,
    is_as_sent,
    judgement_of,
    lines,
    reason_lines,
    spans,
    ticks,
)
from pipeline.review.exchange.entries import answers_of, packed, unpacked
from pipeline.review.log.judgements import REASONS, Judgement

_LABEL = "phrase"
_NOT_IN_AGENT = re.compile(r"[^\w:./\s-]", re.ASCII)  # what the server refuses in an agent's name
_SKIPPED = ("draft", "discarded")
_TEXT = {"use_markdown": False}
_LEAST = 7  # numbers that can be ticked, where no label has more phrases


def user_id(reviewer: str) -> str:
    """Return a reviewer's id in Argilla, which knows its users by UUIDs: always the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"labelmill:reviewer:{reviewer}"))


def in_utf16(text: str, at: int) -> int:
    """Return the UTF-16 units before an offset that is given in code points."""
    return at + sum(character > "\uffff" for character in text[:at])


def in_code_points(text: str, at: int) -> int:
    """Return the code points before an offset that is given in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * at].decode("utf-16-le", "replace"))


# --- out ---


def settings(task: LabellingTask, items: Sequence[ExportedArticle]) -> dict[str, Any]:
    """Return the settings of the dataset, as `rg.Settings.from_json` reads them."""
    fields = [_field("title", required=False), _field("text"), _field("label", task.column.name)]
    return {
        "guidelines": _GUIDE_MANY if task.column.many else _GUIDE_ONE,
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "fields": fields,
        "questions": _questions_many(items) if task.column.many else _questions_one(task),
        "vectors": [],
        "metadata": [_terms("article_id"), _terms("language")],
        "mapping": None,
    }


_GUIDE_MANY = (
    "Tick the numbers of the phrases that are right (none of them: the last one). A phrase that is missing: mark it in the text, "
    "or write it on a line of its own. Marks that are there show where phrases stand; taking one away says nothing."
)
_GUIDE_ONE = "Choose or write the label that is right."


def _questions_many(items: Sequence[ExportedArticle]) -> list[dict[str, Any]]:
    most = max([_LEAST, *(len(item.phrases) for item in items)])
    numbers = {str(number): str(number) for number in range(1, most + 1)} | {NONE: "none of them"}
    marks = {"field": "text", "allow_overlapping": True, **_options({_LABEL: _LABEL})}
    return [
        _question("accepted", "Which phrases are right?", "multi_label_selection", _options(numbers), required=True),
        _question("marks", "Where they stand; mark what is missing", "span", marks),
        _question("missing", "Missing phrases, one a line", "text", _TEXT),
        *_questions_beside(),
    ]


def _questions_beside() -> list[dict[str, Any]]:
    """Return the questions on what a reviewer says beside the verdicts."""
    flags = _options({FLAGGED: "flagged for the team", "no": "no"})
    return [
        _question("reasons", f"Why a phrase is wrong, one a line: 2 generic ({', '.join(REASONS)})", "text", _TEXT),
        _question("flag", "Flag", "label_selection", flags),
        _question("note", "Note", "text", _TEXT),
    ]


def _questions_one(task: LabellingTask) -> list[dict[str, Any]]:
    closed = _options({label: label for label in task.allowed} | {NONE: "none of them"})
    kind, how = ("label_selection", closed) if task.allowed else ("text", _TEXT)
    right = _question("right", "The right label", kind, how, required=True)
    return [right, *_questions_beside()]


def _field(name: str, title: str | None = None, required: bool = True) -> dict[str, Any]:
    return {"name": name, "title": title or name, "required": required,
            "settings": {"type": "text", "use_markdown": False}}  # fmt: skip


def _question(name: str, title: str, kind: str, how: dict[str, Any], required: bool = False) -> dict[str, Any]:
    return {"name": name, "title": title, "required": required, "settings": {"type": kind, **how}}


def _options(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"options": [{"value": value, "text": text} for value, text in labels.items()]}


def _terms(name: str) -> dict[str, Any]:
    return {"name": name, "title": name, "visible_for_annotators": True, "type": "terms", "settings": {"type": "terms"}}


def record(task: LabellingTask, item: ExportedArticle) -> dict[str, Any]:
    """Return an article as a record, with answers so far as responses."""
    many = task.column.many
    shown = "\n".join(f"{number}. {phrase}" for number, phrase in enumerate(item.phrases, 1))
    title = {"title": item.title} if item.title else {}
    label = ReviewerAnswer(item.phrases, [])
    suggested = _answers(item, label, many) | ({"marks": _marks(item)} if many and _marks(item) else {})
    agent = _NOT_IN_AGENT.sub("_", item.model)[:200]
    responses: dict[str, list[dict[str, Any]]] = {}
    for reviewer, answer in item.answers.items():
        for question, value in _answers(item, answer, many).items():
            status = "discarded" if answer.skipped else "submitted"
            responses.setdefault(question, []).append({"value": value, "user_id": user_id(reviewer), "status": status})
    language = {"language": item.language} if item.language else {}
    entries = {"judgements": json.dumps(packed(item.entries), ensure_ascii=False)} if item.entries else {}
    return {
        "id": item.key,
        "fields": {**title, "text": item.text, "label": shown if many else item.phrases[-1]},
        "metadata": {"article_id": item.id, **language, **entries},
        "suggestions": {name: {"value": value, "score": None, "agent": agent} for name, value in suggested.items()},
        "responses": responses,
        "vectors": {},
        "status": "completed" if any(not answer.skipped for answer in item.answers.values()) else "pending",
    }


def _answers(item: ExportedArticle, answer: ReviewerAnswer, many: bool) -> dict[str, Any]:
    """Return question -> value of one answer."""
    reasons, beside = reason_lines(item.phrases, answer), dict[str, Any]()
    if reasons:
        beside["reasons"] = "\n".join(reasons)
    if answer.flagged:
        beside["flag"] = FLAGGED
    if answer.note:
        beside["note"] = answer.note
    if answer.skipped:
        return {"accepted" if many else "right": None, **beside}
    if not many:
        return {"right": (answer.accepted or answer.added or [NONE])[-1], **beside}
    missing = {"missing": "\n".join(answer.added)} if answer.added else {}
    return {"accepted": ticks(item.phrases, answer.accepted), **missing, **beside}


def _marks(item: ExportedArticle) -> list[dict[str, Any]]:
    units = [(in_utf16(item.text, start), in_utf16(item.text, end)) for start, end in spans(item)]
    return [{"start": a, "end": b, "label": _LABEL} for a, b in units if b <= len(item.text)]


# --- back ---


def judgements(source: ImportedFile, name: str, exported: Any) -> Iterator[Judgement]:
    """Yield the judgements in one record; `name` stands for the record in messages."""
    nested = _nested(exported) if isinstance(exported, dict) else {}
    fields = nested.get("fields")
    if not isinstance(fields, dict) or "text" not in fields or "label" not in fields:
        raise InputError(f"{source.file}: {name}: no Argilla record that labelmill review --export wrote")
    name = f"{name} ({nested.get('id')})"
    digest = article_of(source, name, fields["text"], str(nested.get("id")).removeprefix("text-"))
    shown = _shown_phrases(source, name, fields["label"])
    given = (nested.get("metadata") or {}).get("judgements")
    entries = unpacked(source, name, digest, json.loads(given) if isinstance(given, str) else given)
    source.entries.extend(entries)
    sent = answers_of(entries, shown)
    reviewers = dict.fromkeys([*source.reviewers, *(entry.reviewer for entry in entries)])
    for reviewer, answers, status in _by_user(source, reviewers, nested.get("responses") or {}):
        judgement = judgement_of(source, name, digest, shown, _answer(fields["text"], reviewer, answers, status))
        if reviewer not in sent or not is_as_sent(sent[reviewer], judgement):
            yield judgement


def _shown_phrases(source: ImportedFile, name: str, label: Any) -> list[str]:
    if not source.task.column.many:
        return [str(label)]
    numbered = [line.partition(". ") for line in str(label).split("\n")]
    if [number for number, _, _ in numbered] != [str(number) for number in range(1, len(numbered) + 1)]:
        raise InputError(f"{source.file}: {name}: its field 'label' is not the one that was exported")
    return [phrase for _, _, phrase in numbered]


def _by_user(
    source: ImportedFile, reviewers: Iterable[str], responses: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (reviewer, question -> value, status) of each user; `Record.to_dict` writes no status."""
    names = {user_id(reviewer): reviewer for reviewer in reviewers}
    answers: dict[str, dict[str, Any]] = {}
    statuses: dict[str, str] = {}
    for question, given in responses.items():
        for response in given or []:
            user = str(response.get("user_id") or "None")
            answers.setdefault(user, {})[question] = response.get("value")
            statuses[user] = str(response.get("status") or "submitted")
    for user, values in answers.items():
        reviewer = source.reviewer if user == "None" else names.get(user, user)
        yield reviewer, values, statuses[user]


def _answer(text: str, reviewer: str, answers: Mapping[str, Any], status: str) -> ReturnedAnswer:
    right = answers.get("accepted") or answers.get("right")
    marks = [(mark["start"], mark["end"]) for mark in answers.get("marks") or []]
    return ReturnedAnswer(
        reviewer,
        [right] if isinstance(right, str) else list(right) if right else None,
        lines(answers.get("missing")),
        [text[in_code_points(text, start) : in_code_points(text, end)] for start, end in marks],
        note=str(answers.get("note") or ""),
        skipped=status in _SKIPPED,
        flagged=answers.get("flag") == FLAGGED,
        why=lines(answers.get("reasons")),
    )


def is_flat(record: Mapping[str, Any]) -> bool:
    """Return whether a record is one of `to_list(flatten=True)` or of a Hugging Face data set, where names are joined by dots."""
    return any(name.endswith((".responses", ".suggestion")) for name in record)


def _nested(record: dict[str, Any]) -> dict[str, Any]:
    if not is_flat(record):
        return record
    asked = [name.removesuffix(".responses") for name in record if name.endswith(".responses")]
    responses = {question: _responses(record, f"{question}.responses") for question in asked}
    return {"id": record.get("id"), "fields": record, "responses": responses, "metadata": record}


def _responses(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    columns = (record.get(column) or [] for column in (name, f"{name}.users", f"{name}.status"))
    return [{"value": value, "user_id": user, "status": status} for value, user, status in zip_longest(*columns)]
