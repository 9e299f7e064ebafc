"""Rules by which judgements are refused that the page would not send.  Nothing here looks at what a judgement decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.review.log.blinding import Exposure
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.lanes import disputed, is_complete


@dataclass(frozen=True)
class JudgementContext:
    """Context in which a judgement arrives: whether its article is of the job (or was, when it was shown) and of the blind share,
    the article's present label, how many reviewers its lane wants, its standing judgements, and what the sender has seen
    (`exposure`)."""

    in_job: bool
    blind: bool
    phrases: Sequence[str]
    needed: int
    standing: Sequence[Judgement]
    exposure: Exposure


def objection(sent: Judgement, case: JudgementContext) -> str | None:
    """Return why a judgement is refused, in one line; None where it is accepted."""
    if sent.undoes is not None:
        return _check_undo(sent, case)
    if not case.in_job:
        return "no article of this job"
    reason = _check_blind(sent, case) if sent.lane == "blind" else _check_open(sent, case)
    return reason or _check_repetition(sent, case)


def _check_undo(sent: Judgement, case: JudgementContext) -> str | None:
    """Refuse to take back an audit after adjudication: who has seen the other verdict cannot judge anew without it."""
    undone = next((j for j in case.standing if j.uid == sent.undoes and j.reviewer == sent.reviewer), None)
    if undone and undone.lane == "audit" and case.exposure.others:
        return "the other verdict was shown to you since: yours stands, settle it in the adjudication"
    return None


def _check_blind(sent: Judgement, case: JudgementContext) -> str | None:
    if sent.skipped:
        return None
    if not sent.typed:
        return "a blind article: your own phrases come before its label"
    if case.exposure.typed is not None and sent.typed != case.exposure.typed:
        return "your own phrases are not those that you wrote before the label was shown"
    return None if case.blind else "not an article of the blind lane"


def _check_open(sent: Judgement, case: JudgementContext) -> str | None:
    """Check the lanes that show the label at once."""
    if case.blind and case.exposure.typed is None:
        return "a blind article: write your own phrases in the blind lane first"
    if sent.lane == "audit" and case.exposure.others and not _own(sent, case):
        return "the verdicts of others on it were shown to you"
    if sent.lane == "adjudication" and not _was_asked(sent, case) and not disputed(case.standing, case.phrases):
        return "nobody differs on this article"
    return None


def _check_repetition(sent: Judgement, case: JudgementContext) -> str | None:
    if any(is_complete(judgement, case.phrases) for judgement in _own(sent, case)):
        return "you have judged it already: take that back first"
    if sent.lane == "adjudication" or _was_asked(sent, case):
        return None  # two may have been asked at once, and one was faster
    others = {j.reviewer for j in case.standing if sent.lane in (j.lane, "triage") and is_complete(j, case.phrases)}
    return "others have judged it already" if len(others - {sent.reviewer}) >= case.needed else None


def _own(sent: Judgement, case: JudgementContext) -> list[Judgement]:
    return [j for j in case.standing if j.reviewer == sent.reviewer and j.lane == sent.lane]


def _was_asked(sent: Judgement, case: JudgementContext) -> bool:
    return sent.lane in case.exposure.lanes
