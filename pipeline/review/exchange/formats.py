"""Formats in which a sample goes out to people and their verdicts come back: one table, by the name on the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.collect.reading import tables
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import file_digest, write_bytes
from pipeline.review.exchange import argilla, label_studio, sheet
from pipeline.review.exchange.answers import ExportedArticle, ImportedFile, LabellingTask
from pipeline.review.log.judgements import Judgement

_log = logging.getLogger("labelmill.review")


@dataclass(frozen=True)
class ExchangeFormat:
    """File format of one tool: how a sample is written, and how judgements are read back."""

    ending: str
    write: Callable[[Path, LabellingTask, Sequence[ExportedArticle]], list[Path]]  # returns the files that it wrote
    read: Callable[[ImportedFile], Iterator[Judgement]]


def of_ending(path: Path) -> str:
    """Return the format of a file's ending.  Raises ConfigError where there are several, or none."""
    fitting = [name for name, form in FORMATS.items() if form.ending == path.suffix]
    if len(fitting) != 1:
        raise ConfigError(f"{path}: say what it is: --format {' or '.join(fitting or FORMATS)}")
    return fitting[0]


def write(path: Path, name: str, task: LabellingTask, items: Sequence[ExportedArticle]) -> list[Path]:
    """Write the sample, and what the other tool needs beside it; return the files, the sample first."""
    form = FORMATS[name]
    if path.suffix != form.ending:
        raise ConfigError(f"{path}: --format {name} writes a file that ends in {form.ending}")
    return form.write(path, task, items)


def read(source: ImportedFile, name: str | None = None) -> Iterator[Judgement]:
    """Yield the judgements in a file that came back.  Raises InputError naming the record."""
    return FORMATS[name or _detect(source.file)].read(source)


def _detect(path: Path) -> str:
    """Return the format by what is in the file, whatever its name.  Raises InputError for none of them."""
    if tables.form(path) not in ("json", "jsonl"):
        return "csv"
    first = next(tables.rows(path), None)
    fields = first.fields if first is not None else {}
    if "row_key" in fields:
        return "jsonl"
    if "data" in fields:
        return "label-studio"
    if "fields" in fields or argilla.is_flat(fields):
        return "argilla"
    raise InputError(f"{path}: neither a review sheet nor records of Argilla or tasks of Label Studio; say --format")


def _write_json(path: Path, value: Any) -> None:
    write_bytes(path, json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))


# --- sheets ---


def _write_sheet(path: Path, task: LabellingTask, items: Sequence[ExportedArticle]) -> list[Path]:
    column = task.column
    rows = ({**vars(item), column.name: column.value(item.phrases)} for item in items)
    sheet.write(path, column.name, rows)
    return [path]


def _read_sheet(source: ImportedFile) -> Iterator[Judgement]:
    """Yield the judgements of a sheet."""
    # uids are made of the file's bytes and the row: the same file says nothing twice, whatever was judged in between
    digest = file_digest(source.file)
    returned = sheet.read(source.file, source.task.column, source.reviewer, source.at)
    for number, judgement in enumerate(returned):
        if judgement.text_sha256 not in source.articles:
            raise InputError(f"{source.file}: {judgement.id}: is no article of this job. Nothing was stored.")
        yield replace(judgement, uid=f"{digest[:32]}:{number}:{source.reviewer}")


# --- other tools ---


def _write_argilla(path: Path, task: LabellingTask, items: Sequence[ExportedArticle]) -> list[Path]:
    settings = path.with_suffix(".settings.json")
    # a record's id is its text's: Argilla refuses one that returns
    texts = {item.text_sha256: item for item in items}
    _write_json(path, [argilla.record(task, item) for item in texts.values()])
    _write_json(settings, argilla.settings(task, items))
    return [path, settings]


def _write_label_studio(path: Path, task: LabellingTask, items: Sequence[ExportedArticle]) -> list[Path]:
    interface = path.with_suffix(".xml")
    _write_json(path, [label_studio.task_of(task, item) for item in items])
    write_bytes(interface, label_studio.interface(task).encode())
    return [path, interface]


def _reader(
    judgements: Callable[[ImportedFile, str, Any], Iterator[Judgement]],
    has_numbers: Callable[[Mapping[str, Any]], bool] = lambda record: False,
) -> Callable[[ImportedFile], Iterator[Judgement]]:
    """Return a reader of records; `has_numbers` tells one whose predictions came back as their ids alone."""

    def read(source: ImportedFile) -> Iterator[Judgement]:
        number = as_numbers = 0
        for number, record in enumerate(tables.rows(source.file), 1):
            try:
                as_numbers += has_numbers(record.fields)
                yield from judgements(source, f"record {number}", record.fields)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                why = f"not as the other tool writes it ({type(error).__name__}: {error})"
                raise InputError(f"{source.file}: record {number}: {why}") from error
        if not number:
            raise InputError(f"{source.file}: has no records")
        if as_numbers:
            _log.warning(
                "%s: predictions of %d record(s) came back as numbers. They are the labels that went out, and no verdicts.",
                source.file,
                as_numbers,
            )

    return read


FORMATS = {
    "csv": ExchangeFormat(".csv", _write_sheet, _read_sheet),
    "xlsx": ExchangeFormat(".xlsx", _write_sheet, _read_sheet),
    "jsonl": ExchangeFormat(".jsonl", _write_sheet, _read_sheet),
    "argilla": ExchangeFormat(".json", _write_argilla, _reader(argilla.judgements)),
    "label-studio": ExchangeFormat(
        ".json", _write_label_studio, _reader(label_studio.judgements, label_studio.has_numbers)
    ),
}
