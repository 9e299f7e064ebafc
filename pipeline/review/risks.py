"""What is risky about a label, for the lane that shows the riskiest first."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from pipeline.cleaner import verdict
from pipeline.publishing import versions
from pipeline.publishing.rows import SPLITS
from pipeline.text.folding import fold_case
from pipeline.workspace import Workspace

Risk = tuple[float, str]  # how much it weighs, what it is
_LONG = 8  # words: more are a sentence rather than a phrase
_SERIOUS = ("truncated_tail", "article_truncated")


class Earlier:
    """The labels of the last version, to see which have changed: 16 bytes an article."""

    def __init__(self, work: Workspace) -> None:
        self._of_text: dict[int, int] = {}
        if last := versions.latest(work.versions):
            column = work.config.label_column
            for split in SPLITS:
                for rows in versions.rows_of(last, split, ["text_sha256", column.name]):
                    for text, value in zip(*(rows.column(i).to_pylist() for i in range(2)), strict=True):
                        self._of_text[int(text[:16], 16)] = _digest(column.phrases(value))

    def differs(self, text_sha256: str, phrases: Sequence[str]) -> bool:
        """Whether the text had another label."""
        before = self._of_text.get(int(text_sha256[:16], 16))
        return before is not None and before != _digest(phrases)


def _digest(phrases: Sequence[str]) -> int:
    folded = "\n".join(sorted(fold_case(phrase) for phrase in phrases))
    return int.from_bytes(blake2b(folded.encode(), digest_size=8).digest())


def of(
    text_sha256: str, phrases: list[str], tiers: list[str] | None, repairs: list[str] | None, earlier: Earlier
) -> list[Risk]:
    """What speaks against a label; empty for one that looks like the others."""
    found: list[Risk] = []
    absent = [phrase for phrase, tier in zip(phrases, tiers or [], strict=False) if tier == "absent"]
    if absent:
        found.append((4 * len(absent) / len(phrases) + 1, f"absent {len(absent)}"))
    if any(verdict.judge_opening(phrase, None) or verdict.says_nothing(phrase) for phrase in absent):
        found.append((5, "refusal"))
    if tiers and len(phrases) < 3:
        found.append((2, f"{len(phrases)} phrases"))
    if any(phrase.count(" ") >= _LONG for phrase in phrases):
        found.append((1.5, "long phrase"))
    if earlier.differs(text_sha256, phrases):
        found.append((1, "changed"))
    found += [(0.5, repair) for repair in repairs or [] if repair in _SERIOUS]
    return found


def score(risks: list[Risk]) -> float:
    return sum(weight for weight, _ in risks)
