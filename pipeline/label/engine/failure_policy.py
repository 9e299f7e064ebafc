"""What follows a failure: the one table that the labelling engine reads.

A provider classifies: it raises RequestFailed with a kind and a code (for chat completions by the table
`openai_api.failures.RULES`).  What follows stands here, a row for each kind, and for a code where it differs from its kind.
A new kind is a word of `core.errors.FailureKind` and a row here.  The sentences are those of docs/labelling.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.core.errors import TOO_LONG, FailureKind, RequestFailed
from pipeline.core.finish import EXHAUSTED
from pipeline.label.endings import WHITESPACE_LOOP
from pipeline.label.engine.limit_refusals import REFUSED_ALONE

MAX_TRIES = 12  # attempts of one request that failed by themselves
MAX_IN_A_ROW = 20  # requests rejected or failed, with no answer between them: it is not the articles' fault
MAX_EXPLAINED_IN_A_ROW = 1000  # of those that name an article's fault, which many articles in a row may have


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """What follows one kind of failure."""

    sentence: str
    """What docs/labelling.md says of it."""

    max_tries: float = 0
    """How many attempts of a request may fail by themselves before this run gives it up; 0: it is not tried again."""

    waits_alone: bool = False
    """Whether this request waits between attempts, with a jitter; else the admission control makes everybody wait."""

    admission_hears: Literal["refusal", "failure", "nothing"] = "nothing"
    """What is learned of the endpoint: a refusal stops everybody at once, many failures with no answer between them are an outage;
    nothing: the slot is free again, and that is all."""

    rejects_article: bool = False
    """Whether the article gets no label: a record in the ledger, not asked again without `--retry-rejected`."""

    needs_a_witness: bool = False
    """Whether a rejection is held back until the endpoint has answered something else: a gateway that is misconfigured turns down
    everything, and that must not be final for anyone."""

    max_in_a_row: int = MAX_IN_A_ROW
    """How many requests may end so, with no answer between them, before the job pauses."""

    pauses_job: bool = False
    """Whether nothing more is sent, since the next request would fail like this one."""


_REJECTED = FailurePolicy(
    "final for the article, in the ledger with its reason, once the endpoint has answered something else; `--retry-rejected` "
    "asks again",
    rejects_article=True,
    needs_a_witness=True,
)
POLICIES: dict[tuple[FailureKind, str | None], FailurePolicy] = {
    ("transient", None): FailurePolicy(
        f"tried again after a jittered, growing wait, {MAX_TRIES} times at most; then `failed`: not in the ledger, rejected with "
        "its reason, asked again by the next run",
        max_tries=MAX_TRIES,
        waits_alone=True,
        admission_hears="failure",
    ),
    # A limit is nobody's fault, so refusals use up no tries: how long is too long the admission control knows.
    ("rate_limited", None): FailurePolicy(
        "everyone waits, once, for as long as the endpoint says (see Speed); costs no attempt; a request that is refused again "
        "while others are answered goes last",
        max_tries=float("inf"),
        admission_hears="refusal",
    ),
    ("rejected", None): _REJECTED,
    # These name what is wrong with the article, so many in a row are a corpus of such articles and no broken endpoint.
    ("rejected", TOO_LONG): replace(
        _REJECTED,
        sentence="as any rejection, but many in a row are no reason to pause; with `on_too_long: truncate` the end of the article "
        "is cut at a token's end, it is sent again, and the record and the label say so",
        max_in_a_row=MAX_EXPLAINED_IN_A_ROW,
    ),
    ("rejected", "content_filter"): replace(
        _REJECTED,
        sentence="as any rejection, but many in a row are no reason to pause",
        max_in_a_row=MAX_EXPLAINED_IN_A_ROW,
    ),
    ("rejected", REFUSED_ALONE): replace(
        _REJECTED,
        sentence="a limit refused this request while it let others through, and then again and again when nothing else was under "
        "way: as any rejection, but many in a row are no reason to pause",
        max_in_a_row=MAX_EXPLAINED_IN_A_ROW,
    ),
    ("fatal", None): FailurePolicy("the job pauses; what is in flight is kept", pauses_job=True),
}
# a kind that only somebody else's provider knows
_GIVEN_UP = FailurePolicy("`failed`: asked again by the next run")


def policy_of(failure: RequestFailed) -> FailurePolicy:
    """Return what follows a failure: the row of its kind and code, else that of its kind."""
    return POLICIES.get((failure.kind, failure.code)) or POLICIES.get((failure.kind, None), _GIVEN_UP)


# Replies that arrived and make no label: asked once more (`label.reask` times), since the model may say something else.  All
# others (`absent`, `echo`, ...) are what it has to say; many of them trip the quality breaker.
ASKED_AGAIN = ("truncated", "refusal", "empty", "content_filter", "none_in_article", "doubtful", WHITESPACE_LOOP)
# Asked once more only in another way (`Provider.asks_otherwise`): in the same one it would only be paid once more.
ASKED_OTHERWISE = (EXHAUSTED,)
# Paid, and no label came of it: where asking again did not help either, few of them are enough to pause (`Brake.wasted`).
WASTED = ("truncated", "none_in_article", WHITESPACE_LOOP, EXHAUSTED)
REMEDIES = {  # of what is paid for nothing, for people
    "truncated": "raise label.parameters.max_output_tokens",
    EXHAUSTED: "raise label.parameters.max_output_tokens, or set reasoning_effort to none or minimal",
    WHITESPACE_LOOP: "take a prompt without output: json_schema, or another model",
}
# Of replies that were in the ledger before a run: a verdict that the program learned since asks, and pays, for nothing anew.
ASKED_AGAIN_LATER = ASKED_AGAIN[:4]
# What the gates of the cleaner turn away: people are told after a run, with examples.
TURNED_AWAY = ("none_in_article", "doubtful", "prompt_echo", "no_answer")
