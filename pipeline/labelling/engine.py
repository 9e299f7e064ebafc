"""The labelling engine: requests in, durable answers out.

Two lanes behind one function: a provider with `ask` has many requests in flight at once, a provider with `answer` is
given batches.  Either way an answer is in the ledger, synced, before the caller hears of it.  What a failure means is
decided here and nowhere else:

    transient, rate_limited   tried again with growing, jittered waits, at most `ATTEMPTS` times; then *failed*: not in
                              the ledger, asked again by the next run
    rejected                  final for this article, in the ledger
    fatal                     the job pauses: nothing more is sent, what is in flight is kept; so do many failures in a
                              row
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from pipeline.config import Limits
from pipeline.errors import Paused, RequestFailed
from pipeline.labelling.ledger import Ledger, Record
from pipeline.labelling.limiter import Limiter
from pipeline.labelling.prices import cost_usd
from pipeline.records import Reply, Request

ATTEMPTS = 6
CONCURRENCY = 64  # in flight, where the job file says nothing
GROUP = 256  # replies in one commit, at most
GROUP_SECONDS = 0.05  # and how long the first of them waits for the others
BATCH = 64  # requests given at once to a provider that answers batches
GIVE_UP_AFTER = 20  # requests in a row without an answer, each after all its attempts: it is not the articles' fault
MAX_RETRY_AFTER = 120.0  # a server that says "come back tomorrow" is asked again earlier


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: its ledger record, or `failed` with a code and no record."""

    request: Request
    record: Record | None
    failure: str | None = None
    detail: str = ""


OnOutcome = Callable[[Outcome], None]


def ask_all(requests: Iterator[Request], provider: Any, ledger: Ledger, limits: Limits, on_outcome: OnOutcome) -> None:
    """Ask everything.  `requests` is drawn only as fast as there is room; `on_outcome` hears of each request once.

    Raises Paused when the endpoint or the user stopped the job; all that was answered is in the ledger by then.
    """
    if hasattr(provider, "answer"):
        _answer_batches(requests, provider, ledger, on_outcome)
    else:
        asyncio.run(_Online(provider, ledger, limits, on_outcome).run(requests))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _answered(request: Request, reply: Reply, attempts: int, seconds: float) -> Record:
    cost = cost_usd(reply.model, reply.usage)
    return Record(request.key, "answered", reply, attempts, seconds, _now(), cost)


# --- batches in this process ---


def _answer_batches(requests: Iterator[Request], provider: Any, ledger: Ledger, on_outcome: OnOutcome) -> None:
    while batch := list(islice(requests, BATCH)):
        started = time.monotonic()
        replies = provider.answer(batch)
        seconds = (time.monotonic() - started) / len(batch)
        pairs = zip(batch, replies, strict=True)
        records = [Record(request.key, "answered", reply, 1, seconds, _now(), cost_usd=0.0) for request, reply in pairs]
        ledger.append(records)
        for request, record in zip(batch, records, strict=True):
            on_outcome(Outcome(request, record))


# --- many in flight over the network ---


class _Online:
    def __init__(self, provider: Any, ledger: Ledger, limits: Limits, on_outcome: OnOutcome) -> None:
        self._provider, self._ledger, self._on_outcome = provider, ledger, on_outcome
        self._limiter = Limiter(limits.requests_per_minute, limits.tokens_per_minute, self._sleep)
        self._room = asyncio.Semaphore(limits.concurrency or CONCURRENCY)
        self._done: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._stop: str | None = None  # why nothing more is sent
        self._stopped = asyncio.Event()
        self._broken: BaseException | None = None  # what went wrong here, not at the endpoint
        self._can_store = True
        self._failed_in_a_row = 0
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception(self._may_try_again),
            sleep=self._sleep,
            reraise=True,
        )

    async def run(self, requests: Iterator[Request]) -> None:
        restore = self._listen_for_interrupts()
        committer = asyncio.create_task(self._commit_groups())
        try:
            await self._provider.open()
            async with asyncio.TaskGroup() as tasks:
                await self._send(requests, tasks)
        except asyncio.CancelledError:
            if not self._stop:  # else it is the second Ctrl-C
                raise
        finally:
            await self._provider.close()
            await self._done.put(None)
            await committer
            restore()
        if self._broken:
            raise self._broken
        if self._stop:
            raise Paused(f"{self._stop}; every answer is kept: the same command goes on where it stopped")

    async def _send(self, requests: Iterator[Request], tasks: asyncio.TaskGroup) -> None:
        try:
            for request in requests:
                await self._room.acquire()
                if self._stop:
                    return
                tasks.create_task(self._one(request))
        except Exception as error:  # a shard that cannot be read must not cost what is in flight
            self._break_off(error)

    def _halt(self, why: str) -> None:
        """Send nothing more; nobody waits any longer to try again."""
        self._stop = self._stop or why
        self._stopped.set()

    def _break_off(self, error: BaseException) -> None:
        self._broken = self._broken or error
        self._halt(str(error))

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not when the job stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def _one(self, request: Request) -> None:
        started, attempts = time.monotonic(), 0

        async def attempt() -> Reply:
            nonlocal attempts
            await self._limiter.turn(_tokens(request))
            if self._stop:
                raise RequestFailed("fatal", "stopped", self._stop)
            attempts += 1
            return await self._ask(request)

        try:
            reply = await self._with_retries(attempt)
            self._failed_in_a_row = 0
            await self._done.put(Outcome(request, _answered(request, reply, attempts, time.monotonic() - started)))
        except RequestFailed as failure:
            await self._settle_failure(request, failure, attempts, time.monotonic() - started)
        finally:
            self._room.release()

    async def _with_retries(self, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
        """Nearly every request is answered at once: only those that are not pay for tenacity (0.1 ms each)."""
        try:
            return await attempt()
        except RequestFailed as failure:
            if not self._may_try_again(failure):
                raise
            first = [failure]

        async def counted() -> Reply:
            if first:
                raise first.pop()
            return await attempt()

        reply: Reply = await self._retrying(counted)
        return reply

    async def _ask(self, request: Request) -> Reply:
        try:
            return await self._provider.ask(request)  # type: ignore[no-any-return]
        except RequestFailed as failure:
            if failure.kind == "rate_limited":
                self._limiter.pause(min(failure.retry_after or 1.0, MAX_RETRY_AFTER))
            raise
        except Exception as error:  # a provider that is not ours may raise anything; the answers so far must be kept
            text = f"the provider failed ({type(error).__name__}: {error})"
            raise RequestFailed("fatal", "provider_error", text) from error

    async def _settle_failure(self, request: Request, failure: RequestFailed, attempts: int, seconds: float) -> None:
        if failure.kind == "fatal":
            self._halt(str(failure))
            return
        record = None
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= GIVE_UP_AFTER and not self._stop:
            self._halt(f"{GIVE_UP_AFTER} requests in a row got no answer ({failure.code}: {failure})")
        if failure.kind == "rejected":
            code, text = failure.code, str(failure)
            record = Record(request.key, "rejected", None, attempts, seconds, _now(), error_code=code, error=text)
        await self._done.put(Outcome(request, record, failure.code, str(failure)))

    def _may_try_again(self, error: BaseException) -> bool:
        return isinstance(error, RequestFailed) and error.kind in ("transient", "rate_limited") and not self._stop

    async def _commit_groups(self) -> None:
        """Group commit: the ledger is synced once for all answers that came in within a short while."""
        open_ended = True
        while open_ended:
            group = [await self._done.get()]
            deadline = time.monotonic() + GROUP_SECONDS
            while group[-1] is not None and len(group) < GROUP:
                try:
                    async with asyncio.timeout(deadline - time.monotonic()):
                        group.append(await self._done.get())
                except TimeoutError:
                    break
            open_ended = group[-1] is not None
            outcomes = [outcome for outcome in group if outcome is not None]
            if self._can_store:
                await self._store(outcomes)

    async def _store(self, outcomes: list[Outcome]) -> None:
        """Ledger first, then the caller.  Where that fails (a full disk) nothing more is sent."""
        try:
            if records := [outcome.record for outcome in outcomes if outcome.record]:
                await asyncio.to_thread(self._ledger.append, records)
            for outcome in outcomes:
                self._on_outcome(outcome)
        except Exception as error:
            self._can_store = False
            self._break_off(error)

    def _listen_for_interrupts(self) -> Callable[[], None]:
        """Ctrl-C once: send nothing more, keep what is in flight; twice: stop now."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupted() -> None:
            if self._stop and task:
                task.cancel()
            self._halt("stopped by Ctrl-C")

        with suppress(NotImplementedError, RuntimeError, ValueError):  # no signals outside the main thread
            loop.add_signal_handler(signal.SIGINT, interrupted)

        def restore() -> None:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(signal.SIGINT)

        return restore


_backoff = wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: RetryCallState) -> float:
    """Exponential with full jitter; never sooner than the server asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None) or 0.0
    return max(_backoff(state), min(asked, MAX_RETRY_AFTER))


def _tokens(request: Request) -> int:
    """A rough size of a request, for pacing by tokens: about 3 bytes of UTF-8 are a token."""
    return sum(len(message["content"].encode()) for message in request.messages) // 3
