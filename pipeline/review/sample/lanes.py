"""In which order people are shown articles, and which of them: seeded, so that every start and every reviewer sees the same.

- *audit*: a random order over the articles outside the blind share (within strata, merged by their weights).  Whatever was judged
  of it so far is a random sample; nothing need be kept but the seed.
- *blind*: the rest, a seeded share, in random order.  No other lane shows them, for there the label is seen at once.
- *triage*: the riskiest first, outside the blind share.
- *adjudication*: articles of the overlap on which two reviewers differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.core.text.folding import fold_case
from pipeline.job.config import ReviewOptions
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.population import Numbers, Population, drawn, head, mixed

MOST_TRIAGE = 20_000


class Lanes:
    """`orders`: lane -> places of the population, the next one first.  Adjudication follows from what was said.  `turns`:
    for each place how many of its stratum the audit shows before it; -1 where it does not show it."""

    def __init__(self, population: Population, options: ReviewOptions, many: bool) -> None:
        heads, seed = population.heads, f"{options.seed}"
        self._seed, self._options, self._many = seed, options, many
        blind = drawn(heads, f"{seed} blind", options.blind)
        draw = _drawn_order(mixed(heads, f"{seed} draw"), population, options)
        risky = np.flatnonzero((population.risk > 0) & ~blind)
        riskiest = risky[np.lexsort((mixed(heads[risky], seed), -population.risk[risky]))]
        self.orders: dict[str, Numbers] = {
            "audit": draw[~blind[draw]],
            "blind": draw[blind[draw]],
            "triage": riskiest[:MOST_TRIAGE],
        }
        self.turns = _turns(self.orders["audit"], population)
        self._members = {lane: _members(order, len(heads)) for lane, order in self.orders.items()}

    def has(self, lane: str, place: int | None) -> bool:
        """Whether an article is one of a lane's."""
        return place is not None and bool(self._members[lane][place])

    def has_overlap(self, text_sha256: str) -> bool:
        """Whether two reviewers judge the text."""
        return self._is_drawn(text_sha256, "overlap", self._options.overlap)

    def is_blind(self, text_sha256: str) -> bool:
        """Whether the text is of the blind share, also one that is not (or no longer) in the population."""
        return self._is_drawn(text_sha256, "blind", self._options.blind)

    def has_planted(self, text_sha256: str) -> bool:
        """Whether the text is shown with a phrase that is known to be wrong."""
        return self._many and self._is_drawn(text_sha256, "planted", self._options.planted)

    def position(self, text_sha256: str, count: int) -> int:
        """Where among `count` places a planted phrase goes."""
        return int(mixed(np.array([head(text_sha256)], np.uint64), f"{self._seed} position")[0] % np.uint64(count))

    def _is_drawn(self, text_sha256: str, what: str, share: float) -> bool:
        return bool(drawn(np.array([head(text_sha256)], np.uint64), f"{self._seed} {what}", share)[0])


def _drawn_order(draw: Numbers, population: Population, options: ReviewOptions) -> Numbers:
    """A random order; with weights each stratum has its own, and they are merged so that any beginning of the whole holds
    articles of the strata in proportion to the weights (a stratum without one counts by its size)."""
    order: Numbers = np.argsort(draw, kind="stable")
    if not options.weights:
        return order
    strata = population.stratum
    turn = np.empty(len(order))
    for code, name in enumerate(strata.names):
        mine = order[strata.of[order] == code]
        weight = options.weights.get(name, len(mine) / len(order))
        turn[mine] = (np.arange(len(mine)) + 0.5) / weight
    return order[np.argsort(turn[order], kind="stable")]


def _members(order: Numbers, count: int) -> Numbers:
    found = np.zeros(count, bool)
    found[order] = True
    return found


def _turns(audit: Numbers, population: Population) -> Numbers:
    found, strata = np.full(len(population.heads), -1), population.stratum.of
    for code in range(len(population.stratum.names)):
        mine = audit[strata[audit] == code]
        found[mine] = np.arange(len(mine))
    return found


# --- what was said of an article ---


def covers(judgement: Judgement, phrases: Sequence[str]) -> bool:
    """Whether a judgement says of every phrase of a label whether it is right."""
    said = {fold_case(phrase) for phrase in (*judgement.accepted, *judgement.rejected, *judgement.added)}
    return not judgement.skipped and all(fold_case(phrase) in said for phrase in phrases)


def is_open(said: Sequence[Judgement], lane: str, reviewer: str, phrases: Sequence[str], needed: int) -> bool:
    """Whether the reviewer should see the article in this lane: not judged or skipped by them, nor by enough others.  The
    riskiest need no second look where any lane had one."""
    same = [judgement for judgement in said if judgement.lane == lane or lane == "triage"]
    if any(j.reviewer == reviewer and (j.skipped or covers(j, phrases)) for j in same):
        return False
    return len({j.reviewer for j in same if covers(j, phrases)}) < needed


def disputed(said: Sequence[Judgement], phrases: Sequence[str]) -> list[Judgement]:
    """The latest judgements of two reviewers or more in the audit lane, where they differ and nobody has settled it since."""
    if any(judgement.lane == "adjudication" and covers(judgement, phrases) for judgement in said):
        return []
    latest = {j.reviewer: j for j in said if j.lane == "audit" and covers(j, phrases)}
    decisions = {_decision(judgement) for judgement in latest.values()}
    return list(latest.values()) if len(decisions) > 1 else []


def _decision(judgement: Judgement) -> Any:
    return frozenset(map(fold_case, (*judgement.accepted, *judgement.added)))
