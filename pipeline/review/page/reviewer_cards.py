"""Making the cards of a reviewer: what of an article, its label and what was said he or she may see now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.text.folding import fold_case
from pipeline.job.workspace import Workspace
from pipeline.review.log.judgements import Judgement, Log, Showing
from pipeline.review.log.verdicts import Verdicts
from pipeline.review.page.log_index import Memory
from pipeline.review.sample import cards, risks
from pipeline.review.sample.lanes import Lanes, disputed
from pipeline.review.sample.population import Population, head


class Showcase:
    """Cards of one population.  The label of a blind article is in no card of who has not written phrases for it, and of what
    people said a card has the reviewer's own words in the same lane; adjudication alone shows what others said."""

    def __init__(self, work: Workspace, population: Population, lanes: Lanes, memory: Memory, log: Log) -> None:
        self._work, self._population, self._lanes = work, population, lanes
        self._memory, self._log = memory, log

    def show(self, reviewer: str, lane: str, places: Sequence[int]) -> list[dict[str, Any]]:
        """The cards of these places, in their order.  What they show for the first time is remembered before they leave."""
        rows = self._population.rows(places)
        open_rows = [row for row in rows if not self.is_withheld(reviewer, row["text_sha256"])]
        behind = cards.background(self._work, open_rows, self._population.earlier)
        shown = {row["text_sha256"]: self._open(reviewer, lane, row, behind) for row in open_rows}
        self._remember(reviewer, lane, list(shown))
        return [shown.get(row["text_sha256"]) or self._withheld(lane, row) for row in rows]

    def is_withheld(self, reviewer: str, text: str) -> bool:
        """Whether the reviewer may not see the label of a text yet."""
        return self._lanes.is_blind(text) and self._memory.view(reviewer, head(text)).typed is None

    def _remember(self, reviewer: str, lane: str, texts: Sequence[str]) -> None:
        new = [text for text in texts if lane not in self._memory.view(reviewer, head(text)).lanes]
        if new:
            self._log.show([Showing(text, reviewer, lane) for text in new])
            self._memory.catch_up()

    def _withheld(self, lane: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return cards.withheld(row) | {"lane": lane, "blind": True, "typed": None, "choices": None, "why": None}

    def _open(self, reviewer: str, lane: str, row: Mapping[str, Any], behind: cards.Background) -> dict[str, Any]:
        text = row["text_sha256"]
        said, view = self._memory.of(head(text)), self._memory.view(reviewer, head(text))
        own = Verdicts()
        for judgement in said:  # of whatever model the phrase was
            if judgement.reviewer == reviewer and judgement.lane == lane:
                own.take(judgement)
        phrases = self._with_planted(row) if lane == "audit" else list(row["phrases"])
        ours = [judgement for judgement in said if judgement.model == self._population.labels.model]
        return cards.card(row, phrases, [own.of(phrase) for phrase in phrases], behind) | {
            "lane": lane,
            "blind": False,
            "typed": view.typed if lane == "blind" else None,
            "choices": _choices(disputed(ours, row["phrases"])) if lane == "adjudication" else None,
            "why": self._why(row) if lane == "triage" else None,
        }

    def _why(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        earlier = self._population.earlier
        found = risks.of(row["text_sha256"], row["phrases"], row["tiers"], row["repairs"], earlier)
        return [{"kind": risk.kind, "count": risk.count} for risk in found]

    # --- phrases that are known to be wrong ---

    def planted(self, text: str) -> list[str]:
        """What was planted, but for what the present label has by itself."""
        present = {fold_case(phrase) for phrase in self._population.phrases_of(text)}
        return [phrase for phrase in self._log.planted(text) if fold_case(phrase) not in present]

    def _with_planted(self, row: Mapping[str, Any]) -> list[str]:
        """The phrases with one that is known to be wrong: one of another article's, which this article does not have."""
        text, phrases = row["text_sha256"], list(row["phrases"])
        planted = self.planted(text)
        if not planted and self._lanes.has_planted(text) and phrases:
            foreign = self._foreign(row)
            if foreign is None:
                return phrases
            planted = [foreign]
            self._log.plant(text, foreign)
        shown = list(phrases)
        for phrase in planted[:1]:
            shown.insert(self._lanes.position(text, len(phrases) + 1), phrase)
        return shown

    def _foreign(self, row: Mapping[str, Any]) -> str | None:
        text, order = row["text_sha256"], self._lanes.orders["audit"]
        place = self._population.place(text)
        if place is None or len(order) < 2:
            return None
        step = 1 + self._lanes.position(text, len(order) - 1)
        others = [int(order[(place + step * number) % len(order)]) for number in range(1, 4)]
        return cards.foreign(row, self._population.rows([other for other in others if other != place]))


def _choices(said: Sequence[Judgement]) -> list[dict[str, Any]] | None:
    """What reviewers decided, without their names, in an order that tells nothing; None where nobody differs any more."""
    found = [{"accepted": j.accepted, "rejected": j.rejected, "added": j.added} for j in said]
    return sorted(found, key=lambda choice: sorted(map(fold_case, choice["accepted"]))) or None
