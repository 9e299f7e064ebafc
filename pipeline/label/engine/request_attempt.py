"""One question to the endpoint (RequestAttempt), and what became of it (Outcome)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from pipeline.core.types import Request
from pipeline.label.endings import MORE_ROOM, MORE_ROOM_FOR, repeats_itself
from pipeline.label.engine.limit_refusals import LimitRefusals
from pipeline.label.ledger import Record

_OVERHEAD = 64  # bytes: what an endpoint wraps a message into, roles included


def size_of(request: Request) -> int:
    """Return the bytes that are sent as messages, with what is put around them and the form that they must be answered in."""
    form = request.form.size if request.form else 0
    return form + sum(len(message["content"].encode()) + _OVERHEAD for message in request.messages)


def room_of(request: Request) -> int:
    """Return how many times the room of others the reply to a request may take, which is reserved for."""
    return MORE_ROOM if request.again in MORE_ROOM_FOR else 1


# Hashed by identity: attempts are keys of the timeout watch, and change while they are.
@dataclass(slots=True, eq=False)
class RequestAttempt:
    """One question to the endpoint: the first about its request, or one more for a `reason`."""

    request: Request
    number: int = 1
    reason: str | None = None
    tries: int = 0  # how often it was sent
    failures: int = 0  # tries that failed by themselves, not in an outage or by a limit
    failed_at: float | None = None  # when the first of them did, by the event loop's clock
    waits_left: float = 60.0  # seconds that it still waits because a failure said so
    refusals: LimitRefusals = field(default_factory=LimitRefusals)  # by limits
    reserved_usd: float = 0.0  # by its claim
    room: int = 1  # times as many tokens of a reply as the first question has
    raised: int = 0  # the tariff that it was reserved by
    lost_usd: float | None = None  # the most that the last try may have cost, where its reply never arrived
    note: str | None = None
    cuts: int = 0  # how often its article was made shorter to fit
    sent_tokens: int | None = None  # of the article, where it was cut
    stale: bool = False  # the claim went to another worker while this process slept
    task: asyncio.Task[None] | None = None  # in which it is sent
    _size: int | None = field(default=None, init=False)

    def once_more(self, reason: str, last: Record) -> RequestAttempt:
        """Return the next question about the same request, whose last record is no good for a reason; in another way where the
        provider has one for that."""
        # more room would only make a loop longer
        is_loop = reason == "truncated" and last.reply is not None and repeats_itself(last.reply.text)
        request = replace(self.request, again=None if is_loop else reason)
        return RequestAttempt(request, last.ask + 1, reason, room=room_of(request))

    @property
    def size(self) -> int:
        """Bytes of the request, added up once, for reservation, claim, pacing and bounds all ask; not where it is answered."""
        if self._size is None:
            self._size = size_of(self.request)
        return self._size

    def shorten(self, request: Request) -> None:
        """Ask the same about less of the article from now on."""
        self.request, self._size = request, None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What became of an attempt: its record; or a failure's code and text; or neither, where the job stopped before it was sent,
    or where it may not be sent under its claim any more (`again`)."""

    attempt: RequestAttempt
    record: Record | None = None
    spent_usd: float = 0.0
    failure: str | None = None
    detail: str = ""
    again: bool = False

    @property
    def key(self) -> bytes:
        """The key of its request."""
        return self.attempt.request.key

    @property
    def lost_usd(self) -> float | None:
        """The most that its last try may have cost, where that reply never arrived; None: nothing was lost."""
        return self.attempt.lost_usd
