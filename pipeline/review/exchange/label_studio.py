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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from pipeline.core.errors import InputError
from pipeline.review.exchange.answers import (
    NONE,
    Answer,
    Item,
    Said,
    Source,
    Task,
    article_of,
    judgement_of,
    lines,
    spans,
    ticks,
)
from pipeline.review.log.judgements import Judgement

_LABEL = "phrase"


# --- out ---


def interface(task: Task) -> str:
    """The labelling interface (Settings > Labeling Interface > Code)."""
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
_NOTE = """  <TextArea name="note" toName="text" maxSubmissions="1" editable="true" placeholder="Note"/>
  <Text name="text" value="$text"/>
</View>
"""


def task_of(task: Task, item: Item) -> dict[str, Any]:
    """An article as a task: its label as a prediction, what people have said of it as annotations."""
    data = {"text": item.text, "title": item.title, "id": item.id, "text_sha256": item.text_sha256,
            "language": item.language, "url": item.url}  # fmt: skip
    shown = {"phrases": _choices(item.phrases)} if task.column.many else {"label": item.phrases[-1]}
    return {
        "data": {**data, **shown},
        "predictions": [_prediction(task, item)],
        "annotations": [_annotation(task, item, reviewer, said) for reviewer, said in item.said.items()],
    }


def _choices(phrases: Sequence[str]) -> list[dict[str, str]]:
    found = [
        {"value": phrase, "alias": str(number)} | ({"hotkey": str(number)} if number < 10 else {})
        for number, phrase in enumerate(phrases, 1)
    ]
    shown = [choice | ({"html": html.escape(choice["value"])} if "$" in choice["value"] else {}) for choice in found]
    return [*shown, {"value": "none of these", "alias": NONE, "hotkey": "0"}]


def _prediction(task: Task, item: Item) -> dict[str, Any]:
    """The score is the share of phrases that stand in the text, so the doubtful ones can be sorted to the front."""
    result = _result(task, item, Said(item.phrases, []))
    located = sum(part["type"] == "labels" for part in result)
    score = {"score": round(located / len(item.phrases), 4)} if task.column.many else {}
    return {"model_version": item.model, **score, "result": result}


def _annotation(task: Task, item: Item, reviewer: str, said: Said) -> dict[str, Any]:
    """`id` comes back as `import_id`, which tells the reviewer again, whoever Label Studio takes the annotation for: it knows
    people by their e-mail addresses, and gives annotations that name nobody to who imports them."""
    return {
        "id": annotation_id(reviewer, item.text_sha256),
        **({"completed_by": {"email": reviewer}} if "@" in reviewer else {}),
        "was_cancelled": said.skipped,
        "ground_truth": False,
        "result": [] if said.skipped else _result(task, item, said),
    }


def annotation_id(reviewer: str, text_sha256: str) -> int:
    """A number below 2**53, which JavaScript, too, can hold."""
    return int.from_bytes(hashlib.sha256(f"{reviewer}\n{text_sha256}".encode()).digest()[:8]) >> 11


def _result(task: Task, item: Item, said: Said) -> list[dict[str, Any]]:
    note = [_part("note", "textarea", {"text": [said.note]})] if said.note else []
    if not task.column.many:
        label = [(said.accepted or said.added or [NONE])[-1]]
        right = ("choices", {"choices": label}) if task.allowed else ("textarea", {"text": label})
        return [_part("right", *right), *note]
    marks = [
        {"start": start, "end": end, "text": item.text[start:end], "labels": [_LABEL]} for start, end in spans(item)
    ]
    return [
        *(_part("marks", "labels", mark, number) for number, mark in enumerate(marks, 1)),
        _part("accepted", "choices", {"choices": ticks(item.phrases, said.accepted)}),
        *([_part("missing", "textarea", {"text": said.added})] if said.added else []),
        *note,
    ]


def _part(control: str, kind: str, value: dict[str, Any], number: int | None = None) -> dict[str, Any]:
    name = control if number is None else f"{control}-{number}"
    return {"id": name, "from_name": control, "to_name": "text", "type": kind, "value": value}


# --- back ---


def judgements(source: Source, name: str, task: Any) -> Iterator[Judgement]:
    """What people annotated in one task; `name` is the task's for people."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or "text" not in data or not {"phrases", "label"} & data.keys():
        raise InputError(f"{source.file}: {name}: no Label Studio task that labelmill review --export wrote")
    name = f"{name} (article {data.get('id')})"
    digest = article_of(source, name, data["text"], str(data.get("text_sha256")))
    shown = _shown(source, name, data)
    for annotation in task.get("annotations") or []:
        answer = _answer(source, name, data["text"], digest, annotation)
        yield judgement_of(source, name, digest, shown, answer)


def _shown(source: Source, name: str, data: Mapping[str, Any]) -> list[str]:
    if source.task.column.many != ("phrases" in data):
        raise InputError(f"{source.file}: {name}: it was exported for another task than {source.task.column.name!r}")
    if not source.task.column.many:
        return [str(data["label"])]
    return [str(choice["value"]) for choice in data["phrases"] if choice.get("alias") != NONE]


def _answer(source: Source, name: str, text: str, digest: str, annotation: Mapping[str, Any]) -> Answer:
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in annotation.get("result") or []:
        parts.setdefault(str(part.get("from_name")), []).append(part.get("value") or {})
    right = [one for part in (*parts.get("accepted", []), *parts.get("right", []))
             for one in (part.get("choices") or _texts(part))]  # fmt: skip
    seconds = annotation.get("lead_time")
    return Answer(
        _reviewer(source, digest, annotation),
        right or None,
        [line for part in parts.get("missing", []) for line in lines(part.get("text"))],
        [_marked(source, name, text, value) for value in parts.get("marks", [])],
        note="\n".join(text for part in parts.get("note", []) for text in _texts(part)),
        skipped=bool(annotation.get("was_cancelled")),
        at=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        seconds=float(seconds) if seconds else None,
        mark=[annotation.get("id"), annotation.get("updated_at")],
    )


def _texts(value: Mapping[str, Any]) -> list[str]:
    """Of a text area: Label Studio writes a list, or the one text alone."""
    found = value.get("text") or []
    return [found] if isinstance(found, str) else [str(text) for text in found]


def _reviewer(source: Source, digest: str, annotation: Mapping[str, Any]) -> str:
    known = (annotation.get("import_id"), annotation.get("id"))
    for reviewer in source.reviewers:
        if annotation_id(reviewer, digest) in known:
            return reviewer
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return source.reviewer if by is None else f"label-studio:{by}" if isinstance(by, int) else str(by)


def _marked(source: Source, name: str, text: str, value: Mapping[str, Any]) -> str:
    """The text under a mark.  Raises InputError where the offsets lead to another text than the one beside them."""
    start, end = int(value["start"]), int(value["end"])
    units = text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "replace")
    there, said = text[start:end], value.get("text")
    if said is None or there == said:
        return there
    if units == said:
        return units
    raise InputError(f"{source.file}: {name}: the mark at {start}-{end} says {said!r}, the text has {there!r}")
