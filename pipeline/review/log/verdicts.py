"""Verdicts in force: what the log of judgements says of a text's phrases, and how that changes a label.

They are keyed by the text's digest and the phrase in its normal form, so a label made anew by another model or prompt inherits the
verdicts of the phrases that return.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.text.concepts import spellings
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
        return self._of(phrase, ())

    def _of(self, phrase: str, label: Collection[str]) -> bool | None:
        """Return whether the phrase is right, by what was said of it, else of another spelling of the concept.

        The cleaner keeps one spelling of each. So one that was rejected stays where the one that was accepted beside it is in the
        label no more.
        """
        key, accepted = fold_case(phrase), self._spelled(self.accepted, phrase)
        if key in self.accepted or key in self.added:
            return True
        if key in self.rejected:
            return accepted is not None and bool(label) and fold_case(accepted) not in label
        if accepted is not None or self._spelled(self.added, phrase) is not None:
            return True
        return None if self._spelled(self.rejected, phrase) is None else False

    @staticmethod
    def _spelled(phrases: Mapping[str, str], phrase: str) -> str | None:
        """Return the one of some phrases that spells the same concept, by its key the same one first."""
        if (same := phrases.get(fold_case(phrase))) is not None or not phrases:
            return same
        keys = spellings(phrase)
        return next((other for other in phrases.values() if keys & spellings(other)), None)

    def apply(self, phrases: list[str], most: int = 0, origin: str = "llm") -> tuple[list[str], str]:
        """Return the label after review and its source: `origin` (not fully judged), `verified` or `edited`.

        With more than `most` phrases (0: any number) those go first that nobody has judged.
        """
        before = {fold_case(phrase) for phrase in phrases}
        staying = [phrase for phrase in phrases if self._of(phrase, before) is not False]
        kept = list(dict.fromkeys(self._spelled(self.added, phrase) or phrase for phrase in staying))
        present = {fold_case(phrase) for phrase in kept}
        label = kept + [phrase for key, phrase in self.added.items() if key not in present]
        if label != phrases:
            return self._capped(label, most) if most else label, "edited"
        judged = all(self._of(phrase, before) for phrase in kept)
        return kept, "verified" if kept and judged else origin

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
