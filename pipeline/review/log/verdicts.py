"""Verdicts in force: what the log of judgements says of a text's phrases, and how that changes a label.

They are keyed by the text's digest and the phrase in its normal form, so a label made anew by another model or prompt inherits the
verdicts of the phrases that return.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.text.folding import fold_case
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement


@dataclass
class Verdicts:
    """Verdicts in force for one text: normalised phrase -> the phrase as written, the latest judgement winning."""

    accepted: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)

    def update(self, judgement: Judgement) -> None:
        """Add a later judgement, whose verdicts win over earlier ones."""
        # a phrase that was missing beside another model's predictions says nothing of this job's label
        added = judgement.added if judgement.model is None else []
        for target, phrases in (
            (self.accepted, judgement.accepted),
            (self.rejected, judgement.rejected),
            (self.added, added),
        ):
            for phrase in phrases:
                for other in (self.accepted, self.rejected, self.added):
                    other.pop(fold_case(phrase), None)
                target[fold_case(phrase)] = phrase

    def of(self, phrase: str) -> bool | None:
        """Return whether the phrase is right, None where nobody has said."""
        key = fold_case(phrase)
        return True if key in self.accepted or key in self.added else False if key in self.rejected else None

    def apply(self, phrases: list[str], most: int = 0) -> tuple[list[str], str]:
        """Return the label after review and its source: `llm` (not fully judged), `verified` or `edited`.

        With more than `most` phrases (0: any number) those go first that nobody has judged.
        """
        kept = [self.added.get(key, phrase) for phrase in phrases if (key := fold_case(phrase)) not in self.rejected]
        present = {fold_case(phrase) for phrase in kept}
        label = kept + [phrase for key, phrase in self.added.items() if key not in present]
        if label != phrases:
            return self._capped(label, most) if most else label, "edited"
        judged = self.accepted.keys() | self.added.keys()
        return kept, "verified" if kept and present <= judged else "llm"

    def _capped(self, label: list[str], most: int) -> list[str]:
        unjudged = [phrase for phrase in reversed(label) if self.of(phrase) is None]
        dropped = unjudged[: max(0, len(label) - most)]
        return [phrase for phrase in label if phrase not in dropped]


def in_force(standing: Iterable[Judgement]) -> dict[str, Verdicts]:
    """Return text digest -> verdicts, of judgements in the order in which they were made."""
    verdicts: dict[str, Verdicts] = {}
    for judgement in standing:
        verdicts.setdefault(judgement.text_sha256, Verdicts()).update(judgement)
    return verdicts


def load(path: Path) -> dict[str, Verdicts]:
    """Return text digest -> verdicts in force, of the log in a file.  Raises InputError where it cannot be read."""
    return in_force(judgements.read(path))
