"""Queues: which articles wait for whom, lane by lane, and who has one before him or her."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from pipeline.review.log.judgements import Judgement
from pipeline.review.page.leases import Leases
from pipeline.review.page.log_index import LogIndex
from pipeline.review.page.reviewer_items import ReviewerItems
from pipeline.review.sample.lanes import Lanes, disputed, is_open
from pipeline.review.sample.sampling_frame import SamplingFrame, digest_prefix


@dataclass
class _Tally:
    """Articles that count, and how many of the index's `touched` entries they are population_of from."""

    keys: set[int] = field(default_factory=set)
    seen: int = 0


class Queues:
    """Queues of one sampling frame's lanes."""

    def __init__(
        self, frame: SamplingFrame, lanes: Lanes, index: LogIndex, items: ReviewerItems, leases: Leases, overlap: bool
    ) -> None:
        self._frame, self._lanes, self._index, self._items, self._leases = frame, lanes, index, items, leases
        self._overlap, self._model = overlap, frame.labels.model
        self._tallies = dict[tuple[str, str], _Tally]()

    def standing_of(self, prefix: int, lane: str) -> list[Judgement]:
        """Return the standing judgements of these labels of a text; for the blind lane those made blind."""
        judgements = [judgement for judgement in self._index.of(prefix) if judgement.model == self._model]
        return [j for j in judgements if self._index.is_fair(j)] if lane == "blind" else judgements

    def take(self, reviewer: str, lane: str, count: int, have: set[int]) -> list[int]:
        """Return indices of the next articles of a lane for a reviewer, who has them before him or her from now on."""
        indices = list[int]()
        for index in self._order(lane):
            prefix = int(self._frame.digest_prefixes[index])
            if prefix in have or not self._waits(lane, reviewer, prefix):
                continue
            self._leases.take(lane, prefix, reviewer)
            indices.append(int(index))
            if len(indices) == count:
                break
        return indices

    def _order(self, lane: str) -> Iterable[int]:
        """Return indices of a lane.  What somebody began comes first: the overlap, and labels that were made anew since."""
        if lane == "adjudication":
            return self._begun("audit")
        begun = {index: None for index in self._begun(lane) if lane != "triage" and self._lanes.has(lane, index)}
        return chain(begun, (int(index) for index in self._lanes.orders[lane] if int(index) not in begun))

    def _begun(self, lane: str) -> dict[int, None]:
        judgements = self._index.standing.values()
        texts = dict.fromkeys(j.text_sha256 for j in judgements if j.lane == lane and j.model == self._model)
        indices = map(self._frame.index_of, texts)
        return {index: None for index in indices if index is not None}

    def _waits(self, lane: str, reviewer: str, prefix: int) -> bool:
        """Return whether a lane waits for the reviewer's judgement, with what others have before them."""
        return self._is_open(lane, reviewer, prefix, self._leases.others(lane, prefix, reviewer))

    def _is_open(self, lane: str, reviewer: str, prefix: int, leased: int) -> bool:
        """Return whether a lane waits for the reviewer's judgement; `leased`: how many others have the article before them."""
        judgements, exposure = self.standing_of(prefix, lane), self._index.exposure(reviewer, prefix)
        if lane == "blind" and exposure.label_first:
            return False  # who has seen the label is not blind any more
        if lane == "audit" and exposure.others and not exposure.audits:
            return False  # nor does who has seen the verdicts audit on his or her own
        if not judgements:
            return lane != "adjudication" and leased < self.needed(lane, prefix)
        text = judgements[0].text_sha256
        phrases = self._frame.phrases_of(text)
        if lane == "adjudication":
            return not leased and not self._items.is_withheld(reviewer, text) and bool(disputed(judgements, phrases))
        return is_open(judgements, lane, reviewer, phrases, self.needed(lane, prefix) - leased)

    def needed(self, lane: str, prefix: int) -> int:
        return 2 if lane == "audit" and self._lanes.has_overlap(f"{prefix:016x}") else 1

    def left(self, reviewer: str) -> dict[str, int]:
        """Return how many articles of each lane wait for a reviewer; lanes that have none at all are left out."""
        orders = self._lanes.orders
        left = {lane: len(order) - len(self.closed(lane, reviewer)) for lane, order in orders.items() if len(order)}
        if self._overlap:
            left["adjudication"] = len(self.closed("adjudication", reviewer))
        return left

    def closed(self, lane: str, reviewer: str) -> set[int]:
        """Return the articles of a lane that are closed for a reviewer; of adjudication those that are open."""
        # kept between calls: only articles that were judged or shown since are looked at again
        tally = self._tallies.setdefault((lane, reviewer), _Tally())
        for prefix in dict.fromkeys(self._index.touched[tally.seen :]):
            index = self._frame.index_of_prefix(prefix)
            is_open = self._is_open(lane, reviewer, prefix, 0)
            counts = is_open if lane == "adjudication" else not is_open and self._lanes.has(lane, index)
            (tally.keys.add if index is not None and counts else tally.keys.discard)(prefix)
        tally.seen = len(self._index.touched)
        return tally.keys

    def place_of(self, reviewer: str, text: str) -> tuple[str, str]:
        """Return where an article is for a reviewer, and in which lane; ("", "") where it is not for him or her.

        `judged`: it can be opened again.  `open`: it can be judged.  `turn`: it waits until the random order comes to it.
        """
        prefix, index = digest_prefix(text), self._frame.index_of(text)
        if index is None:
            return "", ""
        if own := [j for j in self._index.of(prefix) if j.reviewer == reviewer and j.model == self._model]:
            return "judged", own[-1].lane
        given = self._leases.lane_of(prefix, reviewer)
        begun = "blind" if self._lanes.is_blind(text) and not self._items.is_withheld(reviewer, text) else None
        for lane in (given, begun, "adjudication"):
            if lane and self._waits(lane, reviewer, prefix):
                return "open", lane
        share = "blind" if self._lanes.is_blind(text) else "audit"
        in_turn = self._waits(share, reviewer, prefix)
        # who chooses what to judge draws no random sample: what is opened out of its turn is judged where no figure is fed
        may_choose = share == "audit" and (in_turn or self._lanes.has("triage", index))
        if may_choose and self._waits("triage", reviewer, prefix):
            return "open", "triage"
        return ("turn", share) if in_turn else ("", "")
