"""Editors' gold: articles with the key phrases of two editors, and what labels are worth to them.

accepted  share of a label's phrases that at least one editor takes; a phrase that comes twice counts once, and as wrong
agreed    share of the phrases found that both take
Two phrases are the same when they are equal after NFKC, lower case, hyphens, middle dots and apostrophes as spaces, edges without
punctuation; or without spaces; or without a final s or es of each word.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Gold:
    """An article and what its editors take."""

    id: str
    language: str
    title: str | None
    text: str
    accepted: frozenset[str]  # forms of phrases
    agreed: tuple[str, ...]  # stems of the first editor's phrases that the other one takes too

    def takes(self, phrase: str) -> bool:
        return not self.accepted.isdisjoint(forms(phrase))

    def agreed_place(self, phrase: str) -> int:
        """Return which of the agreed phrases it is, -1 for none."""
        stem = stemmed(phrase)
        return self.agreed.index(stem) if stem in self.agreed else -1

    @property
    def article(self) -> tuple[str, str | None]:
        """Text and title as a job has them: joined, with runs of white space folded."""
        title = " ".join(self.title.split()) if self.title else None
        return " ".join(f"{title or ''} {self.text}".split()), title


def normal(phrase: str) -> str:
    folded = unicodedata.normalize("NFKC", phrase).casefold()
    return re.sub(r"[\s\-‐–—·・'’]+", " ", folded).strip(" .,;:\"“”'‘()[]")


def stemmed(phrase: str) -> str:
    return " ".join(re.sub(r"(es|s)$", "", word) for word in normal(phrase).split())


def forms(phrase: str) -> set[str]:
    return {normal(phrase), normal(phrase).replace(" ", ""), stemmed(phrase)}


def load(folder: Path, language: str) -> list[Gold]:
    """Return the articles of one language."""
    with (folder / f"{language}.jsonl").open(encoding="utf-8") as lines:
        return [_gold(json.loads(line), language) for line in lines]


def _gold(row: dict[str, object], language: str) -> Gold:
    editors: list[dict[str, list[str]]] = row["editors"]  # type: ignore[assignment]
    taken = [{stemmed(phrase) for phrase in editor["gold"] + editor["also"]} for editor in editors]
    accepted = frozenset(
        form for editor in editors for phrase in editor["gold"] + editor["also"] for form in forms(phrase)
    )
    agreed = tuple(stem for stem in map(stemmed, editors[0]["gold"]) if all(stem in one for one in taken))
    return Gold(str(row["id"]), language, row["title"], str(row["text"]), accepted, agreed)  # type: ignore[arg-type]


def worth(labels: Iterable[tuple[Gold, Sequence[str]]]) -> tuple[float, float]:
    """Return accepted and agreed over all articles."""
    phrases = taken = agreed = found = 0
    for gold, label in labels:
        distinct = {stemmed(phrase): phrase for phrase in label}
        taken += sum(map(gold.takes, distinct.values()))
        phrases += len(label)
        found += len({gold.agreed_place(phrase) for phrase in label} - {-1})
        agreed += len(gold.agreed)
    return taken / max(1, phrases), found / max(1, agreed)
