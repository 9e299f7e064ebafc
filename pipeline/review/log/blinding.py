"""Who has seen what, in the order in which it happened: what is blind, and which records were made under the rules.

Nobody sees another's verdict on an article, or the label of a blind one, before his or her own.  So a blind record counts only
where its reviewer wrote phrases before any label of the text was before the eyes, and an audit only where its reviewer had not
seen in adjudication what others said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pipeline.review.log.judgements import Judgement, Showing


@dataclass
class View:
    """What one reviewer has seen of one text."""

    typed: list[str] | None = (
        None  # what the reviewer wrote first for a blind article; it belongs to the text, as verdicts do
    )
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


class Sight:
    """The views of all reviewers.  Feed it records and showings in the order in which they were made."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], View] = {}

    def view(self, reviewer: str, text_sha256: str) -> View:
        """The view so far; the first 16 digits of the text's digest are enough."""
        return self._views.get((reviewer, text_sha256[:16])) or View()

    def show(self, showing: Showing) -> None:
        """Take in that a label was shown."""
        self._change(showing.reviewer, showing.text_sha256).see(showing.lane, showing.typed)

    def take(self, record: Judgement) -> bool:
        """Take in the next record of the log; whether it was made under the rules."""
        view = self._change(record.reviewer, record.text_sha256)
        if record.undoes is not None:
            view.audits.discard(record.undoes)
            return True
        if record.lane == "blind":
            return self._take_blind(view, record)
        fair = record.lane != "audit" or not view.others or bool(view.audits)
        view.see(record.lane, None)  # the label was before the eyes of who skipped it, too
        if record.lane == "audit" and not record.skipped:
            view.audits.add(record.uid)
        return fair

    def _take_blind(self, view: View, record: Judgement) -> bool:
        if record.skipped:
            return True  # it may have been skipped unseen, and it says nothing
        view.see("blind", record.typed)
        return bool(record.typed) and not view.label_first

    def _change(self, reviewer: str, text_sha256: str) -> View:
        return self._views.setdefault((reviewer, text_sha256[:16]), View())


def countable(records: Iterable[Judgement], is_blind: Callable[[str], bool]) -> list[Judgement]:
    """The standing judgements of a log that figures may count; `is_blind` tells the texts of the blind share.

    Left out are those that broke the rules when they were made, and what was said in another lane of a blind article by who had
    written nothing first.  Sheets are asked for with everything in them, so what came back in one counts.  A blind judgement has
    the phrases that its reviewer wrote first, whatever came later.
    """
    everything, sight, found = list(records), Sight(), list[Judgement]()
    undone = {(record.undoes, record.reviewer) for record in everything if record.undoes is not None}
    for record in everything:
        fair = sight.take(record)
        if record.undoes is not None or (record.uid, record.reviewer) in undone or not fair:
            continue
        typed = sight.view(record.reviewer, record.text_sha256).typed
        if record.lane == "blind":
            found.append(record if record.skipped or record.typed == typed else replace(record, typed=typed))
        elif record.from_file or typed is not None or not is_blind(record.text_sha256):
            found.append(record)
    return found
