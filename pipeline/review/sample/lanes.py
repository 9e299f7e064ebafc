"""Lanes: which articles reviewers are shown, and in which order; seeded, so that every start and every reviewer sees the same.

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
from pipeline.review.sample.sampling_frame import Numbers, SamplingFrame, digest_prefix, in_seeded_share, seeded_hash

MOST_TRIAGE = 20_000


class Lanes:
    """Orders of the lanes that are drawn from the frame; adjudication follows from judgements instead.

    `orders`: lane -> indices into the frame, the next one first.  `turns`: for each index how many articles of its stratum the
    audit shows before it; -1 where it does not show it.
    """

    def __init__(self, frame: SamplingFrame, options: ReviewOptions, many: bool) -> None:
        digest_prefixes, seed = frame.digest_prefixes, f"{options.seed}"
        self._seed, self._options, self._many = seed, options, many
        blind = in_seeded_share(digest_prefixes, f"{seed} blind", options.blind)
        draw = _drawn_order(seeded_hash(digest_prefixes, f"{seed} draw"), frame, options)
        risky = np.flatnonzero((frame.risk > 0) & ~blind)
        riskiest = risky[np.lexsort((seeded_hash(digest_prefixes[risky], seed), -frame.risk[risky]))]
        self.orders: dict[str, Numbers] = {
            "audit": draw[~blind[draw]],
            "blind": draw[blind[draw]],
            "triage": riskiest[:MOST_TRIAGE],
        }
        self.turns = _turns(self.orders["audit"], frame)
        self._members = {lane: _members(order, len(digest_prefixes)) for lane, order in self.orders.items()}

    def has(self, lane: str, index: int | None) -> bool:
        """Return whether an article is in a lane."""
        return index is not None and bool(self._members[lane][index])

    def has_overlap(self, text_sha256: str) -> bool:
        """Return whether two reviewers judge the text."""
        return self._is_drawn(text_sha256, "overlap", self._options.overlap)

    def is_blind(self, text_sha256: str) -> bool:
        """Return whether the text is of the blind share, also one that is not (or no longer) in the frame."""
        return self._is_drawn(text_sha256, "blind", self._options.blind)

    def has_planted(self, text_sha256: str) -> bool:
        """Return whether the text is shown with a phrase that is known to be wrong."""
        return self._many and self._is_drawn(text_sha256, "planted", self._options.planted)

    def position(self, text_sha256: str, count: int) -> int:
        """Return where among `count` phrases a planted one goes."""
        return int(
            seeded_hash(np.array([digest_prefix(text_sha256)], np.uint64), f"{self._seed} position")[0]
            % np.uint64(count)
        )

    def _is_drawn(self, text_sha256: str, what: str, share: float) -> bool:
        return bool(
            in_seeded_share(np.array([digest_prefix(text_sha256)], np.uint64), f"{self._seed} {what}", share)[0]
        )


def _drawn_order(draw: Numbers, frame: SamplingFrame, options: ReviewOptions) -> Numbers:
    """Return indices in a random order; with weights each stratum has an order of its own, and they are merged so that any
    beginning of the whole holds articles of the strata in proportion to the weights (a stratum without one counts by its size)."""
    order: Numbers = np.argsort(draw, kind="stable")
    if not options.weights:
        return order
    strata = frame.stratum
    turn = np.empty(len(order))
    for code, name in enumerate(strata.names):
        in_stratum = order[strata.of[order] == code]
        weight = options.weights.get(name, len(in_stratum) / len(order))
        turn[in_stratum] = (np.arange(len(in_stratum)) + 0.5) / weight
    return order[np.argsort(turn[order], kind="stable")]


def _members(order: Numbers, count: int) -> Numbers:
    is_member = np.zeros(count, bool)
    is_member[order] = True
    return is_member


def _turns(audit: Numbers, frame: SamplingFrame) -> Numbers:
    turns, strata = np.full(len(frame.digest_prefixes), -1), frame.stratum.of
    for code in range(len(frame.stratum.names)):
        in_stratum = audit[strata[audit] == code]
        turns[in_stratum] = np.arange(len(in_stratum))
    return turns


# --- what was said of an article ---


def is_complete(judgement: Judgement, phrases: Sequence[str]) -> bool:
    """Return whether a judgement has a verdict on every phrase of a label."""
    judged = {fold_case(phrase) for phrase in (*judgement.accepted, *judgement.rejected, *judgement.added)}
    return not judgement.skipped and all(fold_case(phrase) in judged for phrase in phrases)


def is_open(judgements: Sequence[Judgement], lane: str, reviewer: str, phrases: Sequence[str], needed: int) -> bool:
    """Return whether the reviewer should see the article in this lane: not judged or skipped by them, nor by enough others."""
    # triage: a look in any lane will do
    in_lane = [judgement for judgement in judgements if judgement.lane == lane or lane == "triage"]
    if any(j.reviewer == reviewer and (j.skipped or is_complete(j, phrases)) for j in in_lane):
        return False
    return len({j.reviewer for j in in_lane if is_complete(j, phrases)}) < needed


def disputed(judgements: Sequence[Judgement], phrases: Sequence[str]) -> list[Judgement]:
    """Return the latest audit judgements of two reviewers or more where they differ, and nobody has adjudicated; else none."""
    if any(judgement.lane == "adjudication" and is_complete(judgement, phrases) for judgement in judgements):
        return []
    latest = {j.reviewer: j for j in judgements if j.lane == "audit" and is_complete(j, phrases)}
    decisions = {_decision(judgement) for judgement in latest.values()}
    return list(latest.values()) if len(decisions) > 1 else []


def _decision(judgement: Judgement) -> Any:
    return frozenset(map(fold_case, (*judgement.accepted, *judgement.added)))
