"""Verdicts: an append-only log, keyed by the text's digest and the phrase, so that they outlive a run.

A label made anew by another model or prompt inherits the verdicts of the phrases that return.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.errors import InputError
from pipeline.tables import append_line
from pipeline.text.folding import fold_case


@dataclass(frozen=True)
class Judgement:
    """What one reviewer said of one article's label.  Phrases as the reviewer saw or wrote them."""

    text_sha256: str
    id: str
    reviewer: str
    at: str  # UTC, ISO 8601
    accepted: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    note: str = ""


@dataclass
class Verdicts:
    """What is in force for one text: normalised phrase -> the phrase as written, the latest judgement winning."""

    accepted: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)

    def apply(self, phrases: list[str]) -> tuple[list[str], str]:
        """The label after review and its source: `llm` (not fully judged), `verified` or `edited`."""
        kept = [phrase for phrase in phrases if fold_case(phrase) not in self.rejected]
        present = {fold_case(phrase) for phrase in kept}
        new = [phrase for key, phrase in self.added.items() if key not in present]
        if new or len(kept) < len(phrases):
            return kept + new, "edited"
        judged = self.accepted.keys() | self.added.keys()
        return kept, "verified" if kept and present <= judged else "llm"


def append(path: Path, judgements: Iterable[Judgement]) -> None:
    """Add judgements to the log, durably."""
    for judgement in judgements:
        append_line(path, json.dumps(asdict(judgement), ensure_ascii=False).encode())


def load(path: Path) -> dict[str, Verdicts]:
    """Text digest -> verdicts in force.  Raises InputError for a line in the middle of the log that is damaged."""
    verdicts: dict[str, Verdicts] = {}
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            judgement = Judgement(**json.loads(line))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                break  # a torn last line: its writer was killed before it had said "stored"
            raise InputError(f"{path}:{number}: damaged line ({error}); take it out and run again") from error
        _take(verdicts.setdefault(judgement.text_sha256, Verdicts()), judgement)
    return verdicts


def _take(verdicts: Verdicts, judgement: Judgement) -> None:
    for target, phrases in (
        (verdicts.accepted, judgement.accepted),
        (verdicts.rejected, judgement.rejected),
        (verdicts.added, judgement.added),
    ):
        for phrase in phrases:
            for other in (verdicts.accepted, verdicts.rejected, verdicts.added):
                other.pop(fold_case(phrase), None)
            target[fold_case(phrase)] = phrase
