"""Training views of a version: its rows in the formats that trainers take, one JSON object a line (or CSV for spreadsheets).

- `seq2seq`: `input` (a prefix and the text), `target` (the phrases joined by "; ")
- `chat`: `messages`, user and assistant, as SFT libraries take them
- `clm`: `text`, one document with markers: "### Article:", "### Keyphrases:" (or the task's label), "### End"
- `jsonl`, `csv`: all columns as they are
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pipeline.core.errors import ConfigError, InputError
from pipeline.core.text.tokens import Counter, counter_of
from pipeline.versions import store

Row = dict[str, Any]


@dataclass(frozen=True)
class TokenLimits:
    """The most tokens of an input (`clm`: of a whole document) and of a target; None: any number.

    They are counted by `tokenizer` (an encoding, a Hub name or a folder) without special tokens.
    """

    tokenizer: str | None = None
    input: int | None = None
    target: int | None = None

    def counter(self) -> Counter | None:
        """Return the counter of tokens, None where nothing is limited.  Raises ConfigError for half of the options."""
        if self.input is None and self.target is None:
            if self.tokenizer is not None:
                raise ConfigError("--tokenizer needs --max-input-tokens or --max-target-tokens")
            return None
        if self.tokenizer is None:
            raise ConfigError("--max-input-tokens and --max-target-tokens need --tokenizer: whose tokens?")
        return counter_of(self.tokenizer)


@dataclass
class ExportResult:
    """The file that an export wrote and its counts.

    `cut` texts are shorter than in the version, `shortened` targets too; rows are left out where there is no room for any of
    the text, or for the first phrase.
    """

    path: Path
    version: str
    rows: int = 0
    cut: int = 0
    shortened: int = 0
    left_out: int = 0


def export(
    folder: Path,
    version: str | None,
    split: str,
    form: str,
    output: Path | None,
    prefix: str | None,
    limits: TokenLimits,
) -> ExportResult:
    """Write a split of a version (of a job's folder of versions; the last one where none is named).

    Raises InputError where there is no such version, ConfigError for options that do not go together.
    """
    chosen = store.named(folder, version) if version else store.latest(folder)
    if chosen is None:
        raise InputError(f"{folder}: no version yet; run: labelmill publish JOB")
    manifest, count = store.read_manifest(chosen), limits.counter()
    if form in _FORMS and manifest.get("text") == "none":
        raise InputError(f"version {chosen.name} was published without texts; --format jsonl and csv have its labels")
    if form not in _FORMS and (count or prefix is not None):
        raise ConfigError(f"--format {form} gives the rows as they are; prefix and limits are for {', '.join(_FORMS)}")
    if output is not None and (output.is_dir() or not output.name or not output.parent.is_dir()):
        raise ConfigError(f"--output {output}: give a file in a folder that is there")
    suffix = "csv" if form == "csv" else "jsonl"
    result = ExportResult(output or Path(f"{manifest['name']}-{chosen.name}-{split}-{form}.{suffix}"), chosen.name)
    rows = (row for table in store.rows_of(chosen, split) for row in table.to_pylist())
    with _written(result.path, "utf-8-sig" if form == "csv" else "utf-8") as file:
        if form == "csv":
            _write_csv(file, rows, result)
        else:
            shape = _shape(form, manifest, prefix, limits, count, result) if form in _FORMS else _as_it_is
            for row in rows:
                if (shaped := shape(row)) is not None:
                    file.write(json.dumps(shaped, ensure_ascii=False) + "\n")
                    result.rows += 1
    return result


@contextmanager
def _written(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file that will be there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding=encoding, newline="") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _as_it_is(row: Row) -> Row:
    return row


def _write_csv(file: TextIO, rows: Iterator[Row], result: ExportResult) -> None:
    writer = None
    for row in rows:
        writer = writer or csv.DictWriter(file, list(row))
        if not result.rows:
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
        result.rows += 1


def _cell(value: Any) -> Any:
    """Return a list of texts as people write it, any other as JSON."""
    if not isinstance(value, list):
        return value
    return "; ".join(value) if all(isinstance(item, str) for item in value) else json.dumps(value)


# --- the forms ---


def _seq2seq(row: Row, before: str, target: str) -> Row:
    return {"id": row["id"], "input": before, "target": target}


def _chat(row: Row, before: str, target: str) -> Row:
    return {
        "id": row["id"],
        "messages": [{"role": "user", "content": before}, {"role": "assistant", "content": target}],
    }


def _clm(row: Row, before: str, target: str) -> Row:
    return {"id": row["id"], "text": f"{before}{target}{_END}"}


_END = "\n### End"
_FORMS: dict[str, Callable[[Row, str, str], Row]] = {"seq2seq": _seq2seq, "chat": _chat, "clm": _clm}
_PREFIXES = {
    "seq2seq": "{label}: ",
    "chat": "Give the {label} of this article{many}.\n\n",
    "clm": "### Article:\n",
}


def _shape(
    form: str,
    manifest: dict[str, Any],
    prefix: str | None,
    limits: TokenLimits,
    count: Counter | None,
    result: ExportResult,
) -> Callable[[Row], Row | None]:
    """Return a function from a row to its training view, None where there is no room for it; it counts into `result`."""
    label, many = manifest["label"]["name"], manifest["label"]["many"]
    begin = (
        prefix
        if prefix is not None
        else _PREFIXES[form].format(label=label, many=", separated by semicolons" if many else "")
    )
    end = f"\n### {label.capitalize()}:\n" if form == "clm" else ""

    def shape(row: Row) -> Row | None:
        phrases = list(row[label]) if many else [row[label]]
        target = _target(phrases, limits.target, count)
        if target is None:
            result.left_out += 1
            return None
        text = _cut(row["text"], begin, f"{end}{target}{_END}" if form == "clm" else end, limits.input, count)
        if not text:
            result.left_out += 1
            return None
        result.cut += len(text) < len(row["text"])
        result.shortened += target != "; ".join(phrases)
        return _FORMS[form](row, f"{begin}{text}{end}", target)

    return shape


def _target(phrases: list[str], most: int | None, count: Counter | None) -> str | None:
    """Join as many phrases as there is room for; None where there is none for the first."""
    while phrases:
        target = "; ".join(phrases)
        if most is None or count is None or count([target])[0] <= most:
            return target
        phrases = phrases[:-1]
    return None


def _cut(text: str, begin: str, end: str, most: int | None, count: Counter | None) -> str:
    """Return the longest beginning of the text that fits, by bisection: tokenizers differ in how they tell a token's end."""
    if most is None or count is None or count([f"{begin}{text}{end}"])[0] <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = count([f"{begin}{text[:middle].rstrip()}{end}"])[0] <= most
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip()
