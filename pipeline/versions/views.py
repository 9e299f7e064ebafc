"""Training views of a row: the forms that trainers take, and how they are made to fit a model.

- `seq2seq`: `input` (a prefix and the text), `target` (the phrases joined by "; ")
- `chat`: `messages`, user and assistant
- `prompt-completion`: `prompt` and `completion`, texts or (conversational) lists of messages
- `preference`: `prompt`, `chosen` and `rejected`, texts or lists of messages
- `clm`: `text`, one document with markers: "### Article:", "### Keyphrases:" (or the task's label), "### End"

A limit counts all that the model reads of a row, with what its tokenizer adds: special tokens, and the chat template's.  The
article is cut until the row fits, the label never; a row in which there is no room for any of the article is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.text.tokens import TokenMeasure
from pipeline.core.types import LabelColumn

Row = dict[str, Any]
Chat = list[dict[str, str]]
_END = "\n### End"
PREFIXES = {
    "seq2seq": "{label}: ",
    "chat": "Give the {label} of this article{many}.\n\n",
    "prompt-completion": "Give the {label} of this article{many}.\n\n",
    "preference": "Give the {label} of this article{many}.\n\n",
    "clm": "### Article:\n",
}
VIEWS = tuple(PREFIXES)


@dataclass
class ViewCounts:
    """Counts of what a view did to its rows.

    `cut` texts are shorter than in the version, `shortened` targets too; rows are `left_out` where there is no room for any of the
    text or for the first phrase, `unpaired` where nobody changed their label, `without_phrases` where no phrase has a tier that was
    asked for.
    """

    cut: int = 0
    shortened: int = 0
    left_out: int = 0
    unpaired: int = 0
    without_phrases: int = 0
    left_out_ids: list[str] = field(default_factory=list)  # the first of them


@dataclass(frozen=True)
class View:
    """How a row becomes a line: `form` is one of VIEWS; `rejected` has for ids the digest of a text and the label it had before
    people changed it."""

    form: str
    label: str
    many: bool
    prefix: str | None = None
    conversational: bool = False
    measure: TokenMeasure | None = None
    max_input: int | None = None
    max_target: int | None = None
    tiers: frozenset[str] | None = None
    weights: Mapping[str, float] | None = None
    rejected: Mapping[str, tuple[str, list[str]]] = field(default_factory=dict)
    schema: str | None = None  # of a label that is JSON: its target is the JSON text

    def line(self, row: Row, counts: ViewCounts) -> Row | None:
        """Return a row's line, None where there is none; why is counted."""
        phrases = self._phrases(row)
        if not phrases:
            counts.without_phrases += 1
            return None
        before = self._before(row, phrases)
        if self.form == "preference" and before is None:
            counts.unpaired += 1
            return None
        target = self._target(phrases)
        other = self._target(before) if before else None
        text = target and (other or not before) and self._cut(row["text"], target, other)
        if not target or not text:
            counts.left_out += 1
            counts.left_out_ids += [row["id"]] if len(counts.left_out_ids) < 5 else []
            return None
        counts.cut += len(text) < len(row["text"])
        counts.shortened += target != "; ".join(phrases)
        line = {"id": row["id"], **self._shaped(text, target, other)}
        return line | ({"weight": _weight(row["label_source"], self.weights)} if self.weights else {})

    def _phrases(self, row: Row) -> list[str]:
        column = LabelColumn(self.label, self.many, schema=self.schema)
        if not self.many or "tiers" not in row:
            return column.phrases(row[self.label])
        phrases, tiers = row[self.label], row["tiers"]
        return [one for one, tier in zip(phrases, tiers, strict=True) if self.tiers is None or tier in self.tiers]

    def _before(self, row: Row, phrases: list[str]) -> list[str] | None:
        """Return the label that people changed into this one; None where nobody did."""
        digest, before = self.rejected.get(row["id"], ("", []))
        return before if digest == row["text_sha256"] and before and before != phrases else None

    def _target(self, phrases: Sequence[str]) -> str | None:
        """Join as many phrases as there is room for; None where there is none for the first."""
        for count in range(len(phrases), 0, -1):
            target = "; ".join(phrases[:count])
            if self.max_target is None or self.measure is None or self.measure.text(target) <= self.max_target:
                return target
        return None

    def _cut(self, text: str, target: str, other: str | None) -> str:
        """Return the longest beginning of the text with which the line fits, by bisection: tokenizers differ in how they tell a
        token's end."""
        if self._fits(text, target, other):
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(text[:middle].rstrip(), target, other) else (low, middle - 1)
        return text[:low].rstrip()

    def _fits(self, text: str, target: str, other: str | None) -> bool:
        if self.max_input is None or self.measure is None:
            return True
        targets = [target, *([other] if other else [])]
        return all(self._size(self._shaped(text, one, one), self.measure) <= self.max_input for one in targets)

    def _size(self, line: Row, measure: TokenMeasure) -> int:
        """Return the tokens that a model reads of a line: of an encoder the input alone, else all of it."""
        if self.form == "seq2seq":
            return measure.text(line["input"])
        if self.form == "clm":
            return measure.text(line["text"], ended=True)
        prompt, answer = _PARTS[self.form](line)
        if isinstance(prompt, list):
            return measure.chat([*prompt, *answer])
        return measure.text(f"{prompt}{answer}", ended=True)

    def _shaped(self, text: str, target: str, other: str | None) -> Row:
        before = f"{self._begin}{text}"
        if self.form == "seq2seq":
            return {"input": before, "target": target}
        if self.form == "clm":
            return {"text": f"{before}{self._label_line}{target}{_END}"}
        if self.form == "chat":
            return {"messages": [_message("user", before), _message("assistant", target)]}
        names = ("completion",) if self.form == "prompt-completion" else ("chosen", "rejected")
        answers = dict(zip(names, (target, other or ""), strict=False))
        if self.conversational:
            turns = {name: [_message("assistant", answer)] for name, answer in answers.items()}
            return {"prompt": [_message("user", before)], **turns}
        # a space begins the answer, not ends the prompt: a token may begin with one, hardly any ends with one
        return {"prompt": f"{before}\n\n{self._title}:", **{name: f" {answer}" for name, answer in answers.items()}}

    @property
    def _begin(self) -> str:
        many = ", separated by semicolons" if self.many else " as JSON" if self.schema is not None else ""
        return PREFIXES[self.form].format(label=self.label, many=many) if self.prefix is None else self.prefix

    @property
    def _title(self) -> str:
        return self.label.capitalize()

    @property
    def _label_line(self) -> str:
        return f"\n### {self._title}:\n"


_PARTS: dict[str, Callable[[Row], tuple[Any, Any]]] = {
    "chat": lambda line: (line["messages"][:1], line["messages"][1:]),
    "prompt-completion": lambda line: (line["prompt"], line["completion"]),
    "preference": lambda line: (line["prompt"], line["chosen"]),
}


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _weight(source: str, weights: Mapping[str, float]) -> float:
    """Return the weight of a label source; `extracted` was called `llm` once, and has its weight where it has none."""
    former = "llm" if source == "extracted" else source
    return weights.get(source, weights.get(former, 1.0))
