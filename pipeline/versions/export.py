"""Export of a version: its rows in a form to train with, one JSON object a line (or CSV for spreadsheets).

`views` are the forms; `jsonl` and `csv` give all columns as they are.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, TextIO

from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import is_device
from pipeline.core.text.tokens import TokenMeasure
from pipeline.versions import store
from pipeline.versions.selection import Selection
from pipeline.versions.views import VIEWS, Row, View, ViewCounts

FORMS = (*VIEWS, "jsonl", "csv")


@dataclass(frozen=True)
class TokenLimits:
    """The most tokens of a line as the model reads it (`seq2seq`: of its input), and of a target; None: any number.

    They are counted by `tokenizer` (an encoding, a Hub name or a folder).
    """

    tokenizer: str | None = None
    input: int | None = None
    target: int | None = None

    def measure(self) -> TokenMeasure | None:
        """Return what measures lines, None where nothing is limited.  Raises ConfigError for half of the options."""
        if self.input is None and self.target is None:
            if self.tokenizer is not None:
                raise ConfigError("--tokenizer needs --max-input-tokens or --max-target-tokens")
            return None
        if self.tokenizer is None:
            raise ConfigError("--max-input-tokens and --max-target-tokens need --tokenizer: whose tokens?")
        return TokenMeasure(self.tokenizer)


@dataclass(frozen=True)
class ExportOptions:
    """What is exported: rows of a `selection`, in one of FORMS, to a file."""

    form: str
    selection: Selection = field(default_factory=Selection)
    version: str | None = None  # the last one
    output: Path | None = None
    prefix: str | None = None
    conversational: bool = False
    limits: TokenLimits = field(default_factory=TokenLimits)
    weights: Mapping[str, float] | None = None  # by label source


@dataclass
class ExportResult:
    """The file that an export wrote, and its counts; `notes` are for who trains with it."""

    path: Path
    version: str
    rows: int = 0
    counts: ViewCounts = field(default_factory=ViewCounts)
    notes: list[str] = field(default_factory=list)


def chosen_version(folder: Path, version: str | None) -> Path:
    """Return the folder of a version, of the last one where none is named.  Raises InputError where there is no such one."""
    chosen = store.named(folder, version) if version else store.latest(folder)
    if chosen is None:
        raise InputError(f"{folder}: no version yet; run: labelmill publish JOB")
    return chosen


def export(
    folder: Path,
    version: str | None,
    split: str,
    form: str,
    output: Path | None = None,
    prefix: str | None = None,
    limits: TokenLimits | None = None,
) -> ExportResult:
    """Write a whole split of a version (of a job's folder of versions; the last one where none is named); see `write_view`."""
    options = ExportOptions(form, Selection(split), version, output, prefix, limits=limits or TokenLimits())
    return write_view(chosen_version(folder, version), options)


def write_view(
    version: Path, options: ExportOptions, rejected: Mapping[str, tuple[str, list[str]]] | None = None
) -> ExportResult:
    """Write rows of a version; `rejected` are labels that people changed (see `views.View`).

    Raises InputError where the version has no texts, ConfigError for options that do not go together.
    """
    manifest, form = store.read_manifest(version), options.form
    measure = options.limits.measure()
    _check(options, manifest, version.name)
    suffix = "csv" if form == "csv" else "jsonl"
    name = f"{manifest['name']}-{version.name}-{options.selection.split}-{form}.{suffix}"
    result = ExportResult(options.output or Path(name), version.name)
    rows = options.selection.rows(version)
    as_it_is = partial(_as_it_is, manifest["label"]["name"], options.selection.tiers, result.counts)
    with _written(result.path, "utf-8-sig" if form == "csv" else "utf-8") as file:
        if form == "csv":
            _write_csv(file, filter(None, map(as_it_is, rows)), store.columns_of(version), result)
        else:
            line = _line_of(options, manifest, measure, rejected or {}, result) if form in VIEWS else as_it_is
            for row in rows:
                if (shaped := line(row)) is not None:
                    file.write(json.dumps(shaped, ensure_ascii=False) + "\n")
                    result.rows += 1
    result.notes += _notes(form, measure)
    if unmet := [name for name in options.weights or {} if name not in _sources(manifest)]:
        result.notes.append(
            f"no row is {', '.join(unmet)} (--weights); there are: {', '.join(manifest['label_sources'])}"
        )
    return result


def _sources(manifest: dict[str, Any]) -> set[str]:
    """Return the label sources of a version, `llm` among them where rows are `extracted`: they were called so once."""
    sources = set(manifest["label_sources"])
    return sources | ({"llm"} if "extracted" in sources else set())


def _check(options: ExportOptions, manifest: dict[str, Any], version: str) -> None:
    form, output = options.form, options.output
    limits = options.limits
    if form in VIEWS and manifest.get("text") == "none":
        raise InputError(f"version {version} was published without texts; --format jsonl and csv have its labels")
    if form not in VIEWS and (limits.input or limits.target or options.prefix is not None or options.weights):
        raise ConfigError(
            f"--format {form} gives the rows as they are; prefix, limits, weights are for {', '.join(VIEWS)}"
        )
    if options.conversational and form not in ("prompt-completion", "preference"):
        raise ConfigError("--conversational is for --format prompt-completion and preference; chat is so by itself")
    if output is not None and (output.is_dir() or not output.name):
        raise ConfigError(f"--output {output}: is a folder; give a file")


def _line_of(
    options: ExportOptions,
    manifest: dict[str, Any],
    measure: TokenMeasure | None,
    rejected: Mapping[str, tuple[str, list[str]]],
    result: ExportResult,
) -> Callable[[Row], Row | None]:
    view = View(
        options.form,
        manifest["label"]["name"],
        manifest["label"]["many"],
        options.prefix,
        options.conversational,
        measure,
        options.limits.input,
        options.limits.target,
        options.selection.tiers,
        options.weights,
        rejected,
        manifest["label"].get("schema"),
    )
    return lambda row: view.line(row, result.counts)


def _notes(form: str, measure: TokenMeasure | None) -> list[str]:
    if form != "chat" or measure is None or not measure.is_of_a_model:
        return []
    if not measure.has_template:
        return [
            "the tokenizer has no chat template: a conversation is counted as its texts and a little for each message"
        ]
    if not measure.marks_answers:
        return [
            "its chat template marks no answers ({% generation %}), so a loss on answers alone needs --format prompt-completion"
        ]
    return []


@contextmanager
def _written(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file that will be there whole or not at all."""
    if is_device(path):
        with path.open("w", encoding=encoding, newline="") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding=encoding, newline="") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _as_it_is(label: str, tiers: frozenset[str] | None, counts: ViewCounts, row: Row) -> Row | None:
    """Return a row with all columns, but of its phrases those of some tiers alone; None where there are none of these."""
    if tiers is None:
        return row
    wanted = [tier in tiers for tier in row["tiers"]]
    if not any(wanted):
        counts.without_phrases += 1
        return None
    return row | {name: [*compress(row[name], wanted)] for name in (label, "tiers", "offsets") if name in row}


def _write_csv(file: TextIO, rows: Iterable[Row], columns: Sequence[str], result: ExportResult) -> None:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()  # of no rows, too
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
        result.rows += 1


def _cell(value: Any) -> Any:
    """Return a list of texts as people write it, any other as JSON."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, list):
        return value
    return "; ".join(value) if all(isinstance(item, str) for item in value) else json.dumps(value)
