"""Examples as token ids, in the two forms in which a language model learns to write a label.

`seq2seq`: the encoder reads the prefix and the text, the decoder writes the phrases joined by "; ".
`clm`: one document of article, label and end; only what comes after the article is learned, the rest is masked.

A limit cuts the article, never a phrase: where a label is too long its last phrases go, and a row whose first phrase does not
fit, or that would have no token to learn from, is left out; so is one whose label its tokens do not spell (a vocabulary without
Hangul, or without braces), for a model would learn to write something else.  All are counted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.core.types import Article, Example

Form = Literal["seq2seq", "clm"]
IGNORED = -100  # the label of a token that no loss is of; it is for losses alone, and never decoded
SEPARATOR = "; "
END = "\n### End"


@dataclass(frozen=True)
class TokenRow:
    """A row as a model reads it; `labels` are token ids, IGNORED where nothing is learned."""

    input_ids: list[int]
    labels: list[int]


@dataclass
class CutCounts:
    """How many rows there are to learn from, and what the limits did: `cut` articles, `shortened` labels, `left_out` rows,
    of which `misspelt` ones have a label that the vocabulary lacks."""

    rows: int = 0
    cut: int = 0
    shortened: int = 0
    left_out: int = 0
    misspelt: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class RowEncoder:
    """Makes rows for one form, by a tokenizer of transformers; limits are in its tokens, special ones included."""

    tokenizer: Any
    form: Form
    label: str = "keyphrases"
    prefix: str | None = None  # before the article; None: as the form has it
    max_input: int = 1024  # of a clm all that it reads, the label too
    max_target: int = 64

    def rows(self, examples: Sequence[Example]) -> tuple[list[TokenRow], CutCounts]:
        """Return the rows that can be learned from, and what the limits did."""
        counts, rows = CutCounts(), list[TokenRow]()
        for example in examples:
            row = self._row(example, counts)
            if row is None or all(label == IGNORED for label in row.labels):
                counts.left_out += 1
            else:
                rows.append(row)
        counts.rows = len(rows)
        return rows, counts

    def prompt(self, article: Article) -> list[int]:
        """Return what a model reads before it writes the label of an article, cut to leave room for that."""
        return self._prompt(article.text)[0]

    def _row(self, example: Example, counts: CutCounts) -> TokenRow | None:
        fitting = self._target(example.phrases)
        if fitting is None:
            return None
        target, count = fitting
        if not self._spells(target, example.phrases[:count]):
            counts.misspelt += 1
            return None
        prompt, is_cut = self._prompt(example.article.text)
        if not prompt:
            return None
        counts.cut += is_cut
        counts.shortened += count < len(example.phrases)
        if self.form == "seq2seq":
            return TokenRow(prompt, target)
        return TokenRow(prompt + target, [IGNORED] * len(prompt) + target)

    def _target(self, phrases: Sequence[str]) -> tuple[list[int], int] | None:
        """Return the tokens of as many phrases as fit, with an end, and how many those are; None where not even one does."""
        for count in range(len(phrases), 0, -1):
            text = SEPARATOR.join(phrases[:count])
            ids = self._ids(text if self.form == "seq2seq" else text + END)
            ids = ids if ids[-1:] == [self.tokenizer.eos_token_id] else [*ids, self.tokenizer.eos_token_id]
            if len(ids) <= self.max_target and len(ids) > 1:
                return ids, count
        return None

    def _spells(self, target: list[int], phrases: Sequence[str]) -> bool:
        """Tell whether tokens read as the phrases that they were made of, but for white space and case."""
        written = self.tokenizer.decode(target, skip_special_tokens=True)
        return _letters(written).removesuffix(_letters(END)) == _letters(SEPARATOR.join(phrases))

    def _prompt(self, text: str) -> tuple[list[int], bool]:
        """Return the tokens of prefix, article and what follows it, the article cut to leave room for a label, and whether it was.

        Training leaves a label of a clm as much room as writing does, so that both read the same.
        """
        room = self.max_input - (self.max_target if self.form == "clm" else 0)
        before, behind = self._around()
        if self.form == "seq2seq":
            ids = self.tokenizer(before + text, truncation=True, max_length=room)["input_ids"]
            return ids, len(ids) == room and len(self.tokenizer(before + text)["input_ids"]) > room
        # with the token that begins a document, where the model has one
        start = self.tokenizer(before)["input_ids"]
        start = start[:-1] if start[-1:] == [self.tokenizer.eos_token_id] else start
        article, follows = self._ids(text), self._ids(behind)
        left = room - len(start) - len(follows)
        return (start + article[:left] + follows if left > 0 else []), len(article) > left

    def _around(self) -> tuple[str, str]:
        if self.form == "seq2seq":
            return (f"generate {self.label}: " if self.prefix is None else self.prefix), ""
        return ("### Article:\n" if self.prefix is None else self.prefix), f"\n### {self.label.capitalize()}:\n"

    def _ids(self, text: str) -> list[int]:
        special = self.form == "seq2seq"
        return list(self.tokenizer(text, add_special_tokens=special)["input_ids"])


def _letters(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()  # as many tokenizers write it


def phrases_of(text: str, many: bool) -> list[str]:
    """Return the phrases that a model wrote, each once, in its order."""
    written = text.split(END.strip())[0].strip()
    parts = written.split(SEPARATOR.strip()) if many else [written]
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))
