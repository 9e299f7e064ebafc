"""Gates: what must hold before a version may go out.  Each names the rows that fail it, and gives a figure.

A gate of level `stop` holds the version back, one of level `warn` stands on the card; the job file may turn a warning into a stop
(`publish.gates`), and waive a gate by name, or for some of its rows, with a reason that goes into the manifest (`publish.waive`).
What leaks in a row that is out already is a warning: stopping the next version takes nothing back, a takedown does.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.metrics.intervals import ENOUGH, Share
from pipeline.versions import leaks

_SHOWN = 5
_PARTS = 16  # of ids that are looked at for one that is there twice
Level = Literal["stop", "warn"]


@dataclass(frozen=True)
class GateInputs:
    """Inputs of the gates.

    `index` has `id, text, group, split, licence` (text and group: anything that tells one from another) and of each row as
    numbers `phrases` (how many its label has), `absent` (how many are not in the text), and how many are wrong: `missing`
    (values that every row has), `repeated`, `unresolved` (offsets), `near` (1: a row of train that is like one of eval),
    `credentials`, `personal`.  `eval_before` are the ids of the last version's eval rows, `reviewed` the share of phrases
    that reviewers accepted, `max_phrases` how many a label may have (0: any number), `published` the ids of rows of which all
    that may leak is in the last version (an Arrow array: as Python's they took more memory than all else of a row).
    """

    index: pa.Table
    eval_before: pa.Array
    reviewed: Share
    max_phrases: int
    max_absent_rate: float
    min_precision: float
    published: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))


@dataclass(frozen=True)
class GateResult:
    """Result of one gate: whether it `holds`, a `figure` for people, the rows that fail it, whether that stops."""

    gate: str
    holds: bool
    figure: str
    rows: list[str]
    level: Level
    waived: str | None = None  # the reason
    waived_rows: int = 0  # rows that would fail it and are not among `rows`
    published: tuple[str, ...] = ()  # those of the rows that are out already, where what fails is a leak

    @property
    def state(self) -> str:
        return "holds" if self.holds else "waived" if self.waived else "stops" if self.level == "stop" else "warns"

    @property
    def stops(self) -> bool:
        return self.state == "stops"

    def message(self) -> str:
        """Return the gate, its figure, some of its rows, and how to take down those that are out, in one line."""
        out = self.published[:_SHOWN]
        takedown = "".join(f" --id {shlex.quote(row)}" for row in out if leaks.shown_id(row) == row)
        parts = f" ({_first_ids(self.rows)})" if self.rows else ""
        remedy = "; an id that leaks is never redacted: give columns.id another column" if self._in_ids else ""
        return f"{self.gate}: {self.figure}{parts}{remedy}" + (
            f", labelmill takedown JOB{takedown}" if takedown else ""
        )

    @property
    def _in_ids(self) -> bool:
        counts = leaks.count_in_ids(pa.array(self.rows, pa.string())) if self.gate in _LEAKS else {}
        return any(count[_LEAKS.index(self.gate)] for count in counts.values())

    def as_dict(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"state": self.state, "figure": self.figure, "rows": len(self.rows)}
        entry |= {"waived": self.waived_rows} if self.waived_rows else {}
        return entry | ({"reason": self.waived} if self.waived and not self.holds else {})


def run_gates(
    inputs: GateInputs, levels: Mapping[str, Level], waived: Mapping[str, str | Mapping[str, str]]
) -> list[GateResult]:
    """Check all gates, in the order of the table."""
    return [
        _result(gate, levels.get(gate, level), check(inputs), waived.get(gate), inputs.published)
        for gate, (level, check) in _GATES.items()
    ]


def _result(
    gate: str, level: Level, outcome: _Outcome, waived: str | Mapping[str, str] | None, published: pa.Array
) -> GateResult:
    """Return what a gate's outcome comes to: without the rows that are waived, and no stop where all that leaks is out already."""
    holds, figure, failing = outcome
    if isinstance(waived, str) or waived is None:
        rows, reason = failing, waived
    else:
        rows, reason = [row for row in failing if row not in waived], None
    if rows != failing:
        holds, figure = not rows, f"{len(rows):,} rows, and {len(failing) - len(rows):,} waived"
    failing_ids = pa.array(rows if gate in _LEAKS else [], pa.string())
    out = tuple(failing_ids.filter(pc.is_in(failing_ids, published)).to_pylist())
    if out:
        figure += f", {len(out):,} of them published already"
        level = "warn" if len(out) == len(rows) else level
    return GateResult(gate, holds, figure, rows, level, reason, len(failing) - len(rows), out)


# --- the gates: (does it hold, the figure, the rows that fail) ---

_Outcome = tuple[bool, str, list[str]]
_Check = Callable[[GateInputs], _Outcome]


def _none_of(rows: list[str]) -> _Outcome:
    return not rows, f"{len(rows):,} rows", rows


def _where(condition: Callable[[pa.Table], Any]) -> _Check:
    return lambda inputs: _none_of(_strings(inputs.index.column("id").filter(condition(inputs.index))))


def _some_of(column: str) -> _Check:
    return _where(lambda index: pc.greater(index.column(column), 0))


def _unique_ids(inputs: GateInputs) -> _Outcome:
    # Counted in parts: a table of all ids takes 150 bytes a row, more than all else that is known of one.
    ids, twice = inputs.index.column("id"), list[str]()
    digests = (crc32((row_id or "").encode()) for shard in ids.iterchunks() for row_id in shard.to_pylist())
    part_of = np.fromiter(digests, np.uint32, len(ids)) % _PARTS
    for part in range(_PARTS):
        counts = pc.value_counts(ids.filter(pa.array(part_of == part)).combine_chunks())
        twice += _strings(counts.filter(pc.greater(counts.field("counts"), 1)).field("values"))
    return _none_of(twice)


def _no_overlap(column: str) -> _Check:
    def check(inputs: GateInputs) -> _Outcome:
        values, ids = inputs.index.column(column), inputs.index.column("id")
        is_eval = pc.equal(inputs.index.column("split"), "eval")
        shared = pc.is_in(values, values.filter(is_eval).combine_chunks())
        return _none_of(_strings(ids.filter(pc.and_(shared, pc.invert(is_eval)))))

    return check


def _eval_unchanged(inputs: GateInputs) -> _Outcome:
    """Find eval rows of the last version that are train now."""
    ids = inputs.index.column("id")
    train = pc.equal(inputs.index.column("split"), "train")
    return _none_of(_strings(ids.filter(pc.and_(train, pc.is_in(ids, inputs.eval_before)))))


def _max_phrases(inputs: GateInputs) -> _Outcome:
    too_many = pc.greater(inputs.index.column("phrases"), inputs.max_phrases or 1_000_000)
    return _none_of(_strings(inputs.index.column("id").filter(too_many)))


def _absent_rate(inputs: GateInputs) -> _Outcome:
    absent, phrases = (pc.sum(inputs.index.column(name)).as_py() or 0 for name in ("absent", "phrases"))
    rate = absent / phrases if phrases else 0.0
    figure = f"{rate:.1%} of phrases are not in the text (limit {inputs.max_absent_rate:.0%})"
    return rate <= inputs.max_absent_rate, figure, []


def _reviewed_precision(inputs: GateInputs) -> _Outcome:
    """Hold the lower end of the precision's interval against the limit."""
    # the lower end: few verdicts prove nothing; nor do many where much came or changed since the audit
    reviewed = inputs.reviewed
    if not reviewed.total:
        return False, "no phrase was reviewed", []
    figure = f"{reviewed.mean:.1%} of {reviewed.total:,} reviewed phrases accepted, at least {reviewed.low:.1%} with 95% confidence"
    figure += f" (limit {inputs.min_precision:.0%})"
    if reviewed.covers < ENOUGH:
        figure += (
            f"; they speak for {reviewed.covers:.0%} of the phrases: judge on what came, changed or was skipped since"
        )
    return reviewed.low >= inputs.min_precision and reviewed.covers >= ENOUGH, figure, []


_GATES: dict[str, tuple[Level, _Check]] = {
    "schema": ("stop", _some_of("missing")),
    "unique_ids": ("stop", _unique_ids),
    "no_empty_label": ("stop", _where(lambda index: pc.equal(index.column("phrases"), 0))),
    "max_phrases": ("stop", _max_phrases),
    "no_repeated_phrase": ("stop", _some_of("repeated")),
    "offsets_resolve": ("stop", _some_of("unresolved")),
    "no_overlap_by_group": ("stop", _no_overlap("group")),
    "no_overlap_by_text": ("stop", _no_overlap("text")),
    "no_near_overlap": ("stop", _some_of("near")),
    "eval_unchanged": ("stop", _eval_unchanged),
    "no_credentials": ("stop", _some_of("credentials")),
    "licence": ("warn", _where(lambda index: pc.is_null(index.column("licence")))),
    "no_personal_data": ("warn", _some_of("personal")),
    "absent_rate": ("warn", _absent_rate),
    "reviewed_precision": ("warn", _reviewed_precision),
}  # fmt: skip
NAMES = tuple(_GATES)
_LEAKS = ("no_credentials", "no_personal_data")
_WITHOUT_ROWS = ("absent_rate", "reviewed_precision")
_ALWAYS = ("no_credentials",)  # no job file makes a warning of it; it can be waived, with a reason


def config_errors(levels: Mapping[str, Level], waived: Mapping[str, str | Mapping[str, str]]) -> Iterator[str]:
    """Yield what is wrong with a job file's `publish.gates` and `publish.waive`."""
    for key, names in (("gates", levels), ("waive", waived)):
        for name in names:
            if name not in NAMES:
                yield f"publish.{key}.{name}: no such gate; allowed: {', '.join(NAMES)}"
    for name, level in levels.items():
        if level == "warn" and name in _ALWAYS:
            yield f"publish.gates.{name}: always stops; publish.waive takes a reason"
    for name, given in waived.items():
        if not isinstance(given, str) and name in _WITHOUT_ROWS:
            yield f"publish.waive.{name}: names no rows; give one reason"
        for key, reason in (
            [(name, given)] if isinstance(given, str) else ((f"{name}.{row}", given[row]) for row in given)
        ):
            if not reason.strip():
                yield f"publish.waive.{key}: needs a reason"


def _strings(values: Any) -> list[str]:
    return [str(value) for value in values.to_pylist()]


def _first_ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(map(leaks.shown_id, ids[:_SHOWN]))}{more}"
