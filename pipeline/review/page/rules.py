"""What the desk does not take: judgements that its page would not send.  Nothing here looks at what a judgement decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.review.log.blinding import View
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.lanes import covers, disputed


@dataclass(frozen=True)
class Case:
    """What is known of an article for which a judgement comes: whether it is of the blind share, its present label, how many
    reviewers its lane wants, what stands of it (`said`), and what the sender has seen (`view`)."""

    blind: bool
    phrases: Sequence[str]
    needed: int
    said: Sequence[Judgement]
    view: View


def objection(sent: Judgement, case: Case) -> str | None:
    """Why a judgement is refused, in one line; None where it is taken."""
    if sent.undoes is not None:
        return _taking_back(sent, case)
    lane = _blind(sent, case) if sent.lane == "blind" else _open(sent, case)
    return lane or _again(sent, case)


def _taking_back(sent: Judgement, case: Case) -> str | None:
    """Who has seen in adjudication what the other said cannot judge anew without it."""
    undone = next((j for j in case.said if j.uid == sent.undoes and j.reviewer == sent.reviewer), None)
    if undone and undone.lane == "audit" and case.view.others:
        return "the other verdict was shown to you since: yours stands, settle it in the adjudication"
    return None


def _blind(sent: Judgement, case: Case) -> str | None:
    if sent.skipped:
        return None
    if not sent.typed:
        return "a blind article: your own phrases come before its label"
    if case.view.typed is not None and sent.typed != case.view.typed:
        return "your own phrases are not those that you wrote before the label was shown"
    return None if case.blind else "not an article of the blind lane"


def _open(sent: Judgement, case: Case) -> str | None:
    """Lanes that show the label at once."""
    if case.blind and case.view.typed is None:
        return "a blind article: write your own phrases in the blind lane first"
    if sent.lane == "audit" and case.view.others and not _own(sent, case):
        return "the verdicts of others on it were shown to you"
    if sent.lane == "adjudication" and not _was_asked(sent, case) and not disputed(case.said, case.phrases):
        return "nobody differs on this article"
    return None


def _again(sent: Judgement, case: Case) -> str | None:
    if any(covers(judgement, case.phrases) for judgement in _own(sent, case)):
        return "you have judged it already: take that back first"
    if sent.lane == "adjudication" or _was_asked(sent, case):
        return None  # two may have been asked at once, and one was faster
    others = {j.reviewer for j in case.said if sent.lane in (j.lane, "triage") and covers(j, case.phrases)}
    return "others have judged it already" if len(others - {sent.reviewer}) >= case.needed else None


def _own(sent: Judgement, case: Case) -> list[Judgement]:
    return [j for j in case.said if j.reviewer == sent.reviewer and j.lane == sent.lane]


def _was_asked(sent: Judgement, case: Case) -> bool:
    return sent.lane in case.view.lanes
