"""Token filter: keep articles of a wanted length in tokens, `min` inclusive, `max` exclusive.

Counts are exact: those of tiktoken for an OpenAI `encoding`, or those of a Hugging Face `tokenizer` (a name on the Hub
or a folder, without special tokens).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from pipeline.core import contracts
from pipeline.core.hints import did_you_mean
from pipeline.core.text.token_columns import ColumnCounter
from pipeline.core.text.tokens import ENCODINGS, QUICK, column_counter, tokenizer_counter


class Options(contracts.FilterOptions):
    in_every_key = "encoding tokenizer counter min max"
    encoding: str | None = None
    tokenizer: str | None = None
    counter: Literal["auto", "quicktok", "tiktoken"] = "auto"
    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(gt=0)] | None = None

    @classmethod
    def counted_by(cls, tokenizer: str) -> dict[str, str]:
        return {"encoding" if tokenizer in ENCODINGS else "tokenizer": tokenizer}

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None and encoding not in ENCODINGS:
            hint = did_you_mean(encoding, list(ENCODINGS))
            raise ValueError(f"unknown encoding{hint}; allowed: {', '.join(ENCODINGS)}")
        return encoding

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        if self.encoding and self.tokenizer:
            raise ValueError("give encoding or tokenizer, not both")
        if self.counter == "quicktok" and self.encoding not in (None, *QUICK):
            raise ValueError(f"quicktok has no encoding {self.encoding!r}; allowed: {', '.join(QUICK)}")
        if self.max is not None and self.max <= self.min:
            raise ValueError(f"max ({self.max}) must be above min ({self.min})")
        return self


class Filter(contracts.Filter):
    columns = pa.schema([("tokens", pa.int64())])

    def __init__(self, options: Options) -> None:
        self._options = options
        if options.tokenizer:
            count = tokenizer_counter(options.tokenizer)
            self._count: ColumnCounter = lambda texts: count(texts.to_pylist())
        else:
            self._count = column_counter(options.encoding or "cl100k_base", options.counter)

    def decide(self, articles: pa.Table) -> tuple[list[str | None], dict[str, list[Any]]]:
        counts = self._count(articles.column("text"))
        return [self._reason(count) for count in counts], {"tokens": counts}

    def _reason(self, count: int) -> str | None:
        if count < self._options.min:
            return "too_short"
        return "too_long" if self._options.max is not None and count >= self._options.max else None
