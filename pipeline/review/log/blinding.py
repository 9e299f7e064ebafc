"""Exposure of reviewers to labels, in the order in which it happened: what is blind, and which records were made under the rules.

Nobody sees another's verdict on an article, or the label of a blind one, before his or her own.  So a blind record counts only
where its reviewer wrote phrases before any label of the text was before the eyes, and an audit only where its reviewer had not
seen in adjudication what others said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pipeline.review.log.judgements import Judgement, Showing


@dataclass
class Exposure:
    """Exposure of one reviewer to one text."""

    # written before the label of a blind article was seen; it belongs to the text, as verdicts do
    typed: list[str] | None = None
    label_first: bool = False  # a label was seen before that
    others: bool = False  # other people's verdicts were seen
    lanes: set[str] = field(default_factory=set)  # in which the label was shown
    audits: set[str] = field(default_factory=set)  # uids of the reviewer's audits that stand

    def see(self, lane: str, typed: list[str] | None) -> None:
        """Note that the label was shown in a lane; `typed` counts in the blind lane only."""
        if self.typed is None:
            if lane == "blind" and typed:
                self.typed = typed
            else:
                self.label_first = True
        self.others = self.others or lane == "adjudication"
        self.lanes.add(lane)


class ExposureIndex:
    """Exposures of all reviewers; to be fed with records and showings in the order in which they were made."""

    def __init__(self) -> None:
        self._exposures: dict[tuple[str, str], Exposure] = {}

    def of(self, reviewer: str, text_sha256: str) -> Exposure:
        """Return the exposure so far; the first 16 digits of the text's digest are enough."""
        return self._exposures.get((reviewer, text_sha256[:16])) or Exposure()

    def add_showing(self, showing: Showing) -> None:
        """Note that a label was shown to its reviewer."""
        self._exposure(showing.reviewer, showing.text_sha256).see(showing.lane, showing.typed)

    def add(self, record: Judgement) -> bool:
        """Add the next record of the log; return whether it was made under the rules."""
        exposure = self._exposure(record.reviewer, record.text_sha256)
        if record.undoes is not None:
            exposure.audits.discard(record.undoes)
            return True
        if record.lane == "blind":
            return self._add_blind(exposure, record)
        fair = record.lane != "audit" or not exposure.others or bool(exposure.audits)
        exposure.see(record.lane, None)  # the label was before the eyes of who skipped it, too
        if record.lane == "audit" and not record.skipped:
            exposure.audits.add(record.uid)
        return fair

    def _add_blind(self, exposure: Exposure, record: Judgement) -> bool:
        if record.skipped:
            return True  # it may have been skipped unseen, and it says nothing
        exposure.see("blind", record.typed)
        return bool(record.typed) and not exposure.label_first

    def _exposure(self, reviewer: str, text_sha256: str) -> Exposure:
        return self._exposures.setdefault((reviewer, text_sha256[:16]), Exposure())


def countable(records: Iterable[Judgement], is_blind: Callable[[str], bool]) -> list[Judgement]:
    """Return the standing judgements of a log that figures may count; `is_blind` tells the texts of the blind share.

    Left out are those that broke the rules when they were made, and what was said in another lane of a blind article by who had
    written nothing first.  Sheets are asked for with everything in them, so what came back in one counts.  A blind judgement has
    the phrases that its reviewer wrote first, whatever came later.
    """
    log, exposures, kept = list(records), ExposureIndex(), list[Judgement]()
    undone = {(record.undoes, record.reviewer) for record in log if record.undoes is not None}
    for record in log:
        fair = exposures.add(record)
        if record.undoes is not None or (record.uid, record.reviewer) in undone or not fair:
            continue
        typed = exposures.of(record.reviewer, record.text_sha256).typed
        if record.lane == "blind":
            kept.append(record if record.skipped or record.typed == typed else replace(record, typed=typed))
        elif record.from_file or typed is not None or not is_blind(record.text_sha256):
            kept.append(record)
    return kept
