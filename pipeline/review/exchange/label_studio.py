"""Tasks for Label Studio with predictions and annotations, the labelling interface that they need, and its JSON export back.

Controls: `accepted` (choices, the numbers of right phrases), `marks` (labels in the text), `missing` and `note` (text areas);
where a label is one string, `right` stands for the first three.  Choices are known by numbers (`alias`), since Label Studio takes
`$name` in a choice's own value for a variable.

Offsets: Label Studio stores code points for `Text` (`fixCodePointsInRange` in its `selection-tools.js`), as we do.  Versions before
2022 stored UTF-16 units; the text that stands beside the offsets tells which it was.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

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


# --- out ---


def interface(task: LabellingTask) -> str:
    """Return the labelling interface (Settings > Labeling Interface > Code)."""
    if task.column.many:
        asked = _ASK_MANY
    elif task.allowed:
        choices = "".join(f"\n    <Choice value={quoteattr(label)}/>" for label in [*task.allowed, NONE])
        asked = f'  <Choices name="right" toName="text" choice="single" required="true">{choices}\n  </Choices>\n'
    else:
        asked = '  <TextArea name="right" toName="text" rows="1" maxSubmissions="1" editable="true" required="true"/>\n'
    return f"{_HEAD}{asked}{_NOTE}"


_HEAD = """<View>
  <Header value="$title"/>
"""
_ASK_MANY = f"""  <Labels name="marks" toName="text">
    <Label value="{_LABEL}" hotkey="m"/>
  </Labels>
  <Choices name="accepted" toName="text" choice="multiple" value="$phrases" required="true"
           requiredMessage="Tick the right phrases, or that there is none"/>
  <TextArea name="missing" toName="text" editable="true" placeholder="A missing phrase that the text has not"/>
"""
_NOTE = f"""  <TextArea name="reasons" toName="text" editable="true"
            placeholder="Why a phrase is wrong, one a line: 2 generic ({", ".join(REASONS)})"/>
  <Choices name="flag" toName="text" choice="multiple"><Choice value="{FLAGGED}"/></Choices>
  <TextArea name="note" toName="text" maxSubmissions="1" editable="true" placeholder="Note"/>
  <Text name="text" value="$text"/>
</View>
"""


def task_of(task: LabellingTask, item: ExportedArticle) -> dict[str, Any]:
    """Return an article as a task: its label as a prediction, reviewers' answers so far as annotations."""
    entries = {"judgements": packed(item.entries)} if item.entries else {}
    data = {"text": item.text, "title": item.title, "id": item.id, "text_sha256": item.text_sha256,
            "language": item.language, "url": item.url}  # fmt: skip
    shown = {"phrases": _choices(item.phrases)} if task.column.many else {"label": item.phrases[-1]}
    return {
        "data": {**data, **shown, **entries},
        "predictions": [_prediction(task, item)],
        "annotations": [_annotation(task, item, reviewer, answer) for reviewer, answer in item.answers.items()],
    }


def _choices(phrases: Sequence[str]) -> list[dict[str, str]]:
    choices = [
        {"value": phrase, "alias": str(number)} | ({"hotkey": str(number)} if number < 10 else {})
        for number, phrase in enumerate(phrases, 1)
    ]
    escaped = [
        choice | ({"html": html.escape(choice["value"])} if "$" in choice["value"] else {}) for choice in choices
    ]
    return [*escaped, {"value": "none of these", "alias": NONE, "hotkey": "0"}]


def _prediction(task: LabellingTask, item: ExportedArticle) -> dict[str, Any]:
    """Return the label as a prediction; its score is the share of phrases in the text, to sort doubtful ones first."""
    result = _result(task, item, ReviewerAnswer(item.phrases, []))
    located = sum(part["type"] == "labels" for part in result)
    score = {"score": round(located / len(item.phrases), 4)} if task.column.many else {}
    return {"model_version": item.model, **score, "result": result}


def _annotation(task: LabellingTask, item: ExportedArticle, reviewer: str, answer: ReviewerAnswer) -> dict[str, Any]:
    """Return one reviewer's answer as an annotation."""
    # `id` comes back as `import_id`, which tells the reviewer whoever Label Studio takes the annotation for: it knows people
    # by their e-mail addresses, and gives annotations that name nobody to who imports them
    return {
        "id": annotation_id(reviewer, item.text_sha256),
        **({"completed_by": {"email": reviewer}} if "@" in reviewer else {}),
        "was_cancelled": answer.skipped,
        **({} if answer.seconds is None else {"lead_time": answer.seconds}),
        "ground_truth": False,
        "result": _remarks(item, answer) if answer.skipped else _result(task, item, answer),
    }


def annotation_id(reviewer: str, text_sha256: str) -> int:
    """Return a number for a reviewer's annotation of a text, below 2**53, which JavaScript, too, can hold."""
    return int.from_bytes(hashlib.sha256(f"{reviewer}\n{text_sha256}".encode()).digest()[:8]) >> 11


def _result(task: LabellingTask, item: ExportedArticle, answer: ReviewerAnswer) -> list[dict[str, Any]]:
    remarks = _remarks(item, answer)
    if not task.column.many:
        label = [(answer.accepted or answer.added or [NONE])[-1]]
        right = ("choices", {"choices": label}) if task.allowed else ("textarea", {"text": label})
        return [_part("right", *right), *remarks]
    marks = [
        {"start": start, "end": end, "text": item.text[start:end], "labels": [_LABEL]} for start, end in spans(item)
    ]
    return [
        *(_part("marks", "labels", mark, number) for number, mark in enumerate(marks, 1)),
        _part("accepted", "choices", {"choices": ticks(item.phrases, answer.accepted)}),
        *([_part("missing", "textarea", {"text": answer.added})] if answer.added else []),
        *remarks,
    ]


def _remarks(item: ExportedArticle, answer: ReviewerAnswer) -> list[dict[str, Any]]:
    """Return what an answer says beside its verdicts."""
    reasons = reason_lines(item.phrases, answer)
    return [
        *([_part("reasons", "textarea", {"text": reasons})] if reasons else []),
        *([_part("flag", "choices", {"choices": [FLAGGED]})] if answer.flagged else []),
        *([_part("note", "textarea", {"text": [answer.note]})] if answer.note else []),
    ]


def _part(control: str, kind: str, value: dict[str, Any], number: int | None = None) -> dict[str, Any]:
    name = control if number is None else f"{control}-{number}"
    return {"id": name, "from_name": control, "to_name": "text", "type": kind, "value": value}


# --- back ---


def judgements(source: ImportedFile, name: str, task: Any) -> Iterator[Judgement]:
    """Yield the judgements in one task; `name` stands for the task in messages."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or "text" not in data or not {"phrases", "label"} & data.keys():
        raise InputError(f"{source.file}: {name}: no Label Studio task that labelmill review --export wrote")
    name = f"{name} (article {data.get('id')})"
    digest = article_of(source, name, data["text"], str(data.get("text_sha256")))
    shown = _shown_phrases(source, name, data)
    entries = unpacked(source, name, digest, data.get("judgements"))
    source.entries.extend(entries)
    sent = answers_of(entries, shown)
    reviewers = dict.fromkeys([*source.reviewers, *(entry.reviewer for entry in entries)])
    for annotation in task.get("annotations") or []:
        if not isinstance(annotation, dict):
            raise InputError(
                f"{source.file}: {name}: its annotations are numbers, without what they say; export as JSON, with all fields"
            )
        answer = _answer(source, name, data["text"], _reviewer(source, reviewers, digest, annotation), annotation)
        judgement = judgement_of(source, name, digest, shown, answer)
        if answer.reviewer not in sent or not is_as_sent(sent[answer.reviewer], judgement):
            yield judgement


def has_numbers(task: Mapping[str, Any]) -> bool:
    """Return whether a task's predictions came back as their ids alone."""
    return any(isinstance(prediction, int) for prediction in task.get("predictions") or [])


def _shown_phrases(source: ImportedFile, name: str, data: Mapping[str, Any]) -> list[str]:
    if source.task.column.many != ("phrases" in data):
        raise InputError(f"{source.file}: {name}: it was exported for another task than {source.task.column.name!r}")
    if not source.task.column.many:
        return [str(data["label"])]
    return [str(choice["value"]) for choice in data["phrases"] if choice.get("alias") != NONE]


def _answer(source: ImportedFile, name: str, text: str, reviewer: str, annotation: Mapping[str, Any]) -> ReturnedAnswer:
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in annotation.get("result") or []:
        parts.setdefault(str(part.get("from_name")), []).append(part.get("value") or {})
    right = [one for part in (*parts.get("accepted", []), *parts.get("right", []))
             for one in (part.get("choices") or _texts(part))]  # fmt: skip
    seconds = annotation.get("lead_time")
    return ReturnedAnswer(
        reviewer,
        right or None,
        [line for part in parts.get("missing", []) for line in lines(part.get("text"))],
        [_marked(source, name, text, value) for value in parts.get("marks", [])],
        note="\n".join(text for part in parts.get("note", []) for text in _texts(part)),
        skipped=bool(annotation.get("was_cancelled")),
        flagged=any(FLAGGED in (part.get("choices") or []) for part in parts.get("flag", [])),
        why=[line for part in parts.get("reasons", []) for line in lines(part.get("text"))],
        at=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        seconds=float(seconds) if seconds else None,
        mark=[annotation.get("id"), annotation.get("updated_at")],
    )


def _texts(value: Mapping[str, Any]) -> list[str]:
    """Return the texts of a text area; Label Studio writes a list, or the one text alone."""
    texts = value.get("text") or []
    return [texts] if isinstance(texts, str) else [str(text) for text in texts]


def _reviewer(source: ImportedFile, reviewers: Iterable[str], digest: str, annotation: Mapping[str, Any]) -> str:
    ids = (annotation.get("import_id"), annotation.get("id"))
    for reviewer in reviewers:
        if annotation_id(reviewer, digest) in ids:
            return reviewer
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return source.reviewer if by is None else f"label-studio:{by}" if isinstance(by, int) else str(by)


def _marked(source: ImportedFile, name: str, text: str, value: Mapping[str, Any]) -> str:
    """Return the text under a mark.  Raises InputError where the offsets lead to another text than the one beside them."""
    start, end = int(value["start"]), int(value["end"])
    at_utf16_offsets = text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "replace")
    at_offsets, marked_text = text[start:end], value.get("text")
    if marked_text is None or at_offsets == marked_text:
        return at_offsets
    if at_utf16_offsets == marked_text:
        return at_utf16_offsets
    raise InputError(
        f"{source.file}: {name}: the mark at {start}-{end} says {marked_text!r}, the text has {at_offsets!r}"
    )
