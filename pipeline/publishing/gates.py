"""Gates: what must hold before a version may go out.  Each names the rows that fail it.

Those of `STOP` stop the version, those of `WARN` are told on the card; the job file may turn a warning into a stop
(`publish.gates`), and waive a gate by name, with a reason that goes into the manifest (`publish.waive`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

_SHOWN = 5
Level = Literal["stop", "warn"]


@dataclass(frozen=True)
class Finding:
    """What one gate found: the rows that fail it (none: it holds), and whether that stops the version."""

    gate: str
    rows: list[str]
    level: Level
    waived: str | None = None  # the reason

    @property
    def stops(self) -> bool:
        return bool(self.rows) and self.level == "stop" and self.waived is None

    def told(self) -> str:
        return f"{self.gate}: {_some(self.rows)}"

    def as_dict(self) -> dict[str, Any]:
        state = "holds" if not self.rows else "waived" if self.waived else "stops" if self.stops else "warns"
        return {"state": state, "rows": len(self.rows)} | ({"reason": self.waived} if self.waived else {})


def examine(
    index: pa.Table, last_eval: set[str], levels: Mapping[str, Level], waived: Mapping[str, str]
) -> list[Finding]:
    """All gates over all rows.  `index` has `id, text_sha256, group_id, split, licence` and of each row `phrases` (how many
    its label has), `most` (how many it may have, 0: any number), `repeated`, `credentials`, `personal` (a number each).
    `last_eval` are the ids of the last version's eval rows."""
    found = []
    for gate, (level, rows_of) in _GATES.items():
        rows = rows_of(index, last_eval)
        found.append(Finding(gate, rows, levels.get(gate, level), waived.get(gate)))
    return found


# --- the gates ---


def _unique_ids(index: pa.Table, _: set[str]) -> list[str]:
    counts = pc.value_counts(index.column("id").combine_chunks())
    return _strings(counts.filter(pc.greater(counts.field("counts"), 1)).field("values"))


def _no_overlap(column: str) -> Callable[[pa.Table, set[str]], list[str]]:
    def rows_of(index: pa.Table, _: set[str]) -> list[str]:
        sides = [index.filter(pc.equal(index.column("split"), split)) for split in ("train", "eval")]
        shared = pc.is_in(sides[0].column(column), sides[1].column(column).combine_chunks())
        return _strings(sides[0].filter(shared).column("id"))

    return rows_of


def _eval_unchanged(index: pa.Table, last_eval: set[str]) -> list[str]:
    """Eval rows of the last version that are train now."""
    train = _strings(index.filter(pc.equal(index.column("split"), "train")).column("id"))
    return [row_id for row_id in train if row_id in last_eval]


def _where(condition: Callable[[pa.Table], Any]) -> Callable[[pa.Table, set[str]], list[str]]:
    return lambda index, _: _strings(index.filter(condition(index)).column("id"))


_Gate = tuple[Level, Callable[[pa.Table, set[str]], list[str]]]
_GATES: dict[str, _Gate] = {
    "unique_ids": ("stop", _unique_ids),
    "no_empty_label": ("stop", _where(lambda index: pc.equal(index.column("phrases"), 0))),
    "max_phrases": ("stop", _where(lambda index: pc.and_(pc.greater(index.column("most"), 0),
                                                         pc.greater(index.column("phrases"), index.column("most"))))),
    "no_repeated_phrase": ("stop", _where(lambda index: pc.greater(index.column("repeated"), 0))),
    "no_overlap_by_group": ("stop", _no_overlap("group_id")),
    "no_overlap_by_text": ("stop", _no_overlap("text_sha256")),
    "eval_unchanged": ("stop", _eval_unchanged),
    "no_credentials": ("stop", _where(lambda index: pc.greater(index.column("credentials"), 0))),
    "licence": ("warn", _where(lambda index: pc.is_null(index.column("licence")))),
    "no_personal_data": ("warn", _where(lambda index: pc.greater(index.column("personal"), 0))),
}  # fmt: skip
NAMES = tuple(_GATES)
_ALWAYS = ("no_credentials",)  # no job file makes a warning of it; it can be waived, with a reason


def complaints(levels: Mapping[str, Level], waived: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a job file's `publish.gates` and `publish.waive`."""
    for key, names in (("gates", levels), ("waive", waived)):
        for name in names:
            if name not in NAMES:
                yield f"publish.{key}.{name}: no such gate; allowed: {', '.join(NAMES)}"
    for name, level in levels.items():
        if level == "warn" and name in _ALWAYS:
            yield f"publish.gates.{name}: always stops; publish.waive takes a reason"
    for name, reason in waived.items():
        if not reason.strip():
            yield f"publish.waive.{name}: needs a reason"


# --- what a row holds ---

_CREDENTIALS = re.compile(
    r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|\bhf_[A-Za-z0-9]{30,}|\bglpat-[\w-]{20,}"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
_PERSONAL = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}|\b\d{6}-[1-4]\d{6}\b|\b01[016789][- .]?\d{3,4}[- .]?\d{4}\b"
    r"|\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b"
)


def credentials(text: str) -> int:
    """How many keys, tokens and private keys a text holds, by the forms that their issuers give them."""
    return len(_CREDENTIALS.findall(text))


def personal(text: str) -> int:
    """How many e-mail addresses, mobile and international phone numbers and Korean resident numbers a text holds."""
    return len(_PERSONAL.findall(text))


def _strings(values: Any) -> list[str]:
    return [str(value) for value in values.to_pylist()]


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
