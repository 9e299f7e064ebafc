"""Risks of a label, for the triage lane, which shows the riskiest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from pipeline.clean.cleaner import statuses
from pipeline.core.text.folding import fold_case
from pipeline.job.workspace import Workspace
from pipeline.versions import store
from pipeline.versions.rows import SPLITS

_LONG = 8  # words: more are a sentence rather than a phrase
_SERIOUS = ("truncated_tail", "article_truncated")


@dataclass(frozen=True, slots=True)
class Risk:
    """One reason to look at a label: `kind` is absent, refusal, phrases, long, changed, or the name of a repair; `count` is of
    phrases where that tells more.  The page has the words for it (strings.js)."""

    weight: float
    kind: str
    count: int | None = None


class PreviousLabels:
    """Labels of the last version, to see which have changed: 16 bytes an article."""

    def __init__(self, work: Workspace) -> None:
        last = store.latest(work.versions)
        labels = published_labels(work, last) if last else ()
        digests = ((int(text[:16], 16), _digest(phrases)) for text, phrases in labels)
        pairs = np.fromiter(digests, np.dtype([("text", np.uint64), ("label", np.uint64)]))
        self._pairs = np.sort(pairs, order="text")

    def differs(self, text_sha256: str, phrases: Sequence[str]) -> bool:
        """Return whether the text was published with another label."""
        key = np.uint64(int(text_sha256[:16], 16))
        at = int(np.searchsorted(self._pairs["text"], key))
        was_published = at < len(self._pairs) and self._pairs["text"][at] == key
        return bool(was_published) and int(self._pairs["label"][at]) != _digest(phrases)


def published_labels(work: Workspace, version: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield text digest and label of a version's rows, without those that reviewers edited."""
    # an edited label beside the present one would tell the next reviewer what was rejected and added
    column = work.config.label_column
    for split in SPLITS:
        for rows in store.rows_of(version, split, ["text_sha256", column.name, "label_source"]):
            for row in rows.to_pylist():
                if row.get("label_source", "edited") != "edited" and column.name in row:
                    yield row["text_sha256"], column.phrases(row[column.name])


def _digest(phrases: Sequence[str]) -> int:
    folded = "\n".join(sorted(fold_case(phrase) for phrase in phrases))
    return int.from_bytes(blake2b(folded.encode(), digest_size=8).digest())


def of(
    text_sha256: str, phrases: list[str], tiers: list[str] | None, repairs: list[str] | None, previous: PreviousLabels
) -> list[Risk]:
    """Return what speaks against a label; empty for one that looks like the others."""
    risks: list[Risk] = []
    absent = [phrase for phrase, tier in zip(phrases, tiers or [], strict=False) if tier == "absent"]
    if absent:
        risks.append(Risk(4 * len(absent) / len(phrases) + 1, "absent", len(absent)))
    if any(statuses.status_of_opening(phrase, None) or statuses.is_no_answer(phrase) for phrase in absent):
        risks.append(Risk(5, "refusal"))
    if tiers and len(phrases) < 3:
        risks.append(Risk(2, "phrases", len(phrases)))
    if long := sum(phrase.count(" ") >= _LONG for phrase in phrases):
        risks.append(Risk(1.5, "long", long))
    if previous.differs(text_sha256, phrases):
        risks.append(Risk(1, "changed"))
    risks += [Risk(0.5, repair) for repair in repairs or [] if repair in _SERIOUS]
    return risks


def score(risks: list[Risk]) -> float:
    """Return the sum of the risks' weights, by which triage sorts."""
    return sum(risk.weight for risk in risks)
