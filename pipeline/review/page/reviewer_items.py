"""Review items for one reviewer: what of an article, its label and its judgements he or she may see now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.text.folding import fold_case
from pipeline.job.workspace import Workspace
from pipeline.review.log.judgements import Judgement, JudgementLog, Showing
from pipeline.review.log.verdicts import Verdicts
from pipeline.review.page.log_index import LogIndex
from pipeline.review.sample import review_item, risks
from pipeline.review.sample.lanes import Lanes, disputed
from pipeline.review.sample.sampling_frame import SamplingFrame, digest_prefix


class ReviewerItems:
    """Review items of one sampling frame.

    The label of a blind article is in no item of who has not written phrases for it.  Of verdicts an item has the reviewer's own
    in the same lane; adjudication alone shows those of others.
    """

    def __init__(self, work: Workspace, frame: SamplingFrame, lanes: Lanes, index: LogIndex, log: JudgementLog) -> None:
        self._work, self._frame, self._lanes = work, frame, lanes
        self._index, self._log = index, log

    def show(self, reviewer: str, lane: str, indices: Sequence[int], without: str = "") -> list[dict[str, Any]]:
        """Return the items of these indices, in their order; what they show for the first time is on the disk before they leave.

        They are as if the judgement with uid `without` had not been made.
        """
        rows = self._frame.rows(indices)
        open_rows = [row for row in rows if not self.is_withheld(reviewer, row["text_sha256"])]
        history = review_item.label_history(self._work, open_rows, self._frame.previous_labels)
        items = {row["text_sha256"]: self._open(reviewer, lane, row, history, without) for row in open_rows}
        self._remember(reviewer, lane, list(items))
        return [items.get(row["text_sha256"]) or self._blind_item(lane, row) for row in rows]

    def is_withheld(self, reviewer: str, text: str) -> bool:
        """Return whether the reviewer may not see the label of a text yet."""
        return self._lanes.is_blind(text) and self._index.exposure(reviewer, digest_prefix(text)).typed is None

    def _remember(self, reviewer: str, lane: str, texts: Sequence[str]) -> None:
        new = [text for text in texts if lane not in self._index.exposure(reviewer, digest_prefix(text)).lanes]
        if new:
            self._log.show([Showing(text, reviewer, lane) for text in new])
            self._index.catch_up()

    def _blind_item(self, lane: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return review_item.blind_item(row) | {"lane": lane, "blind": True, "typed": None, "choices": None, "why": None}

    def _open(
        self, reviewer: str, lane: str, row: Mapping[str, Any], history: review_item.LabelHistory, without: str
    ) -> dict[str, Any]:
        text = row["text_sha256"]
        judgements = [judgement for judgement in self._index.of(digest_prefix(text)) if judgement.uid != without]
        exposure = self._index.exposure(reviewer, digest_prefix(text))
        own = Verdicts()
        for judgement in judgements:  # whatever model's label was judged
            if judgement.reviewer == reviewer and judgement.lane == lane:
                own.update(judgement)
        phrases = self._with_planted(row) if lane == "audit" else list(row["phrases"])
        of_these_labels = [judgement for judgement in judgements if judgement.model == self._frame.labels.model]
        return review_item.review_item(row, phrases, [own.of(phrase) for phrase in phrases], history) | {
            "lane": lane,
            "blind": False,
            "typed": exposure.typed if lane == "blind" else None,
            "choices": _choices(disputed(of_these_labels, row["phrases"])) if lane == "adjudication" else None,
            "why": self._why(row) if lane == "triage" else None,
        }

    def _why(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        previous = self._frame.previous_labels
        label_risks = risks.of(row["text_sha256"], row["phrases"], row["tiers"], row["repairs"], previous)
        return [{"kind": risk.kind, "count": risk.count} for risk in label_risks]

    # --- phrases that are known to be wrong ---

    def planted(self, text: str) -> list[str]:
        """Return the phrases planted for a text, without those that the present label has by itself."""
        present = {fold_case(phrase) for phrase in self._frame.phrases_of(text)}
        return [phrase for phrase in self._log.planted(text) if fold_case(phrase) not in present]

    def _with_planted(self, row: Mapping[str, Any]) -> list[str]:
        """Return the phrases with one that is known to be wrong: one of another article's, which this article does not have."""
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
        index = self._frame.index_of(text)
        if index is None or len(order) < 2:
            return None
        step = 1 + self._lanes.position(text, len(order) - 1)
        others = [int(order[(index + step * number) % len(order)]) for number in range(1, 4)]
        return review_item.foreign_phrase(row, self._frame.rows([other for other in others if other != index]))


def _choices(disputed_judgements: Sequence[Judgement]) -> list[dict[str, Any]] | None:
    """Return what reviewers decided, without names, in an order that gives none away; None where nobody differs any more."""
    choices = [{"accepted": j.accepted, "rejected": j.rejected, "added": j.added} for j in disputed_judgements]
    return sorted(choices, key=lambda choice: sorted(map(fold_case, choice["accepted"]))) or None
