"""Vectors that an endpoint makes: asked for by the labelling engine, through a ledger of their own beside them.

So they are paid once, paced and bounded as labels are.  A request's vectors are stored before its reply is in the ledger, and what
has no vector is asked for: a kill between the two costs the price of what was under way in the sums, and no vector.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline.core.contracts import Provider
from pipeline.core.embedder import EmbeddedText, Embedder, VectorEndpoint
from pipeline.core.errors import TOO_LONG, EndpointError
from pipeline.core.files import digest_of
from pipeline.core.progress import progress_bar
from pipeline.core.types import Article, Request
from pipeline.job.label_options import LabelOptions
from pipeline.job.workspace import Workspace
from pipeline.label.cost.prices import unknown
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.job_ledger import Budget, budget_beside
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.topics.texts import Key

_log = logging.getLogger("labelmill.topics")
_ABOUT_A_TEXT = ("content_filter", TOO_LONG)
_OWN = "topics.embed.budget_usd"
Head = tuple[Key, EmbeddedText]
Add = Callable[[Sequence[Key], np.ndarray[Any, Any]], None]
"""(keys, a row for each): stores vectors durably."""


def budget_of(work: Workspace, own_usd: float | None) -> Budget:
    """Return the tighter one of the embedder's budget and the job's, of which labels and names of topics spent a part."""
    return budget_beside(work, (work.vectors_ledger, work.config.name), own_usd, _OWN)


def options_of(work: Workspace, endpoint: VectorEndpoint, budget: Budget) -> LabelOptions:
    """Return what the engine is told: the embedder's limits, its prices before those of `label.prices`, the budget."""
    own = endpoint.options.prices or {}
    prices = own | {name: price for name, price in (work.config.label.prices or {}).items() if name not in own}
    options: LabelOptions = endpoint.options.model_copy(update={"prices": prices or None, "budget_usd": budget.usd})
    return options


class _Asker:
    """What the engine asks by (`label.chain.Asker`): a request is as it is, and every reply is as good as any."""

    provider_name = "openai"
    tokenizer: str | None = None
    prompt = None

    def __init__(self, endpoint: VectorEndpoint) -> None:
        self.provider: Provider = endpoint.provider

    def verdict(self, request: Request, record: Record) -> str:
        return "ok"

    def with_text(self, request: Request, text: str) -> Request:
        return request


class _Batches(Iterator[Sequence[Head]]):
    """Batches of texts; before the next one come the halves of those that were turned down, so that a text which is why is soon
    alone, and others are soon answered.

    Its end may not be the last: what is under way then may still be turned down, and leave halves.
    """

    def __init__(self, batches: Iterator[Sequence[Head]]) -> None:
        self._batches, self.halves = batches, list[Sequence[Head]]()

    def __next__(self) -> Sequence[Head]:
        return self.halves.pop() if self.halves else next(self._batches)

    def halve(self, heads: Sequence[Head]) -> None:
        middle = len(heads) // 2
        self.halves += [heads[middle:], heads[:middle]]


class Asking:
    """One run of requests for vectors, some texts in each; those that are there already have so many numbers (`width`)."""

    def __init__(self, embedder: Embedder, ledger: Ledger, add: Add, width: int = 0) -> None:
        self._ledger, self._add, self._width = ledger, add, width
        self.endpoint = embedder.endpoint(self._keep)
        self._lock, self._has_answered = threading.Lock(), False
        self._heads: dict[bytes, Sequence[Head]] = {}  # of requests under way, by key
        self._batches = _Batches(iter(()))
        self.turned_down: dict[str, list[Head]] = {}  # by what the endpoint said
        self.unanswered: Counter[str] = Counter()

    def run(self, batches: Iterator[Sequence[Head]], options: LabelOptions, monitor: Monitor, budget_name: str) -> None:
        """Ask for all of them.  Raises Paused, EndpointError, with what was answered stored."""
        context = RunContext(
            _Asker(self.endpoint), self._ledger, options, monitor, self._finished, budget_name=budget_name,
            is_divided=lambda request: len(request.messages) > 1,
        )  # fmt: skip
        self._batches = _Batches(batches)
        # not a generator, which would not go on after its end
        ask_all(map(self._requests, self._batches), context)
        while self._batches.halves:
            ask_all(map(self._requests, self._batches), context)
        if self.unanswered:
            detail = self.unanswered.most_common(1)[0][0]
            raise EndpointError(
                f"{self.endpoint.provider.where}: {self.unanswered.total():,} requests for vectors got no answer ({detail}); "
                "nothing is lost: the same command goes on"
            )
        self._store_nothing()
        self._tell(monitor, context.is_unpriced)

    def _tell(self, monitor: Monitor, is_unpriced: bool) -> None:
        """Tell people of vectors whose price is not known, and of those that another model made."""
        model = self.endpoint.provider.model or ""
        if monitor.unpriced and is_unpriced:
            _log.warning(f"topics.embed: {unknown(model)}")
        served = sorted(name for name in monitor.served if name != "-")
        if len(served) > 1 or any(model.rpartition("/")[2] not in name for name in served):
            _log.warning(f"topics.embed: {model} was asked for, and answered by {', '.join(served)}")

    def _requests(self, heads: Sequence[Head]) -> list[Request]:
        return [self._request(heads)]

    def _request(self, heads: Sequence[Head]) -> Request:
        """Return the request for some vectors: never one that was asked before, whose vectors would be there."""
        number, about = 0, [self.endpoint.provider.identity, [key.hex() for key, _ in heads]]
        while self._ledger.asked([key := hashlib.sha256(digest_of([*about, number]).encode()).digest()]):
            number += 1
        self._heads[key] = heads
        messages = tuple({"role": "user", "content": given.text or " "} for _, given in heads)
        return Request(key, Article(f"{len(heads)} texts", None, "", ""), messages)

    def _keep(self, request: Request, vectors: np.ndarray[Any, Any]) -> None:
        with self._lock:
            self._width, self._has_answered = vectors.shape[1], True
            self._add([key for key, _ in self._heads[request.key]], vectors)

    def _finished(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        heads = self._heads.pop(request.key)
        if record is None:
            self.unanswered[f"{failure}: {detail}"] += 1
        elif record.reply is None and len(heads) > 1:
            self._batches.halve(heads)  # one of its texts may be why
        elif record.reply is None:
            self.turned_down.setdefault(f"{record.error_code}: {record.error}", []).extend(heads)

    def _store_nothing(self) -> None:
        """Store nothing, in numbers, for texts that the endpoint turns down by themselves while it takes others.

        Raises EndpointError where nobody knows that it is the texts: it said of none what it has against it, and took no other.
        """
        for why, heads in self.turned_down.items():
            is_about_the_text = why.partition(":")[0] in _ABOUT_A_TEXT
            if not self._width or not (is_about_the_text or self._has_answered):
                raise EndpointError(f"{self.endpoint.provider.where}: {why}; nothing is lost: the same command goes on")
            self._add([key for key, _ in heads], np.zeros((len(heads), self._width), np.float32))
            _log.warning(f"topics.embed: {len(heads):,} texts are turned down, and say nothing from now on ({why})")


def ask_missing(
    work: Workspace, embedder: Embedder, add: Add, width: int, batches: Iterator[Sequence[Head]], requests: int
) -> None:
    """Ask for the vectors of texts that have none, in about so many requests.  Raises Paused, EndpointError."""
    with closing(open_ledger(work.vectors_ledger, work.config.name, verify=True)) as ledger:
        asking = Asking(embedder, ledger, add, width)
        budget = budget_of(work, asking.endpoint.options.budget_usd)
        ledger.claims.elsewhere_usd = budget.elsewhere_usd
        options = options_of(work, asking.endpoint, budget)
        events = EventLog(work.topic_vectors / "events.jsonl")
        with closing(events), progress_bar("topics", requests, "requests") as bar:
            monitor = Monitor(bar, events, ledger.report.spending().spent, stage="topics")
            asking.run(batches, options, monitor, budget.name)


def asked_now(embedder: Embedder, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
    """Return the vectors of texts that no job keeps."""
    rows: dict[Key, Any] = {}

    def add(keys: Sequence[Key], vectors: np.ndarray[Any, Any]) -> None:
        rows.update(zip(keys, vectors, strict=True))

    heads = [(number.to_bytes(8), given) for number, given in enumerate(texts)]
    batches = [heads[at : at + embedder.batch] for at in range(0, len(heads), embedder.batch)]
    with (
        TemporaryDirectory() as name,
        closing(EventLog(Path(name) / "events.jsonl")) as events,
        closing(open_ledger(Path(name) / "ledger.sqlite", "vectors")) as ledger,
        progress_bar("vectors", len(batches), "requests") as bar,
    ):
        asking = Asking(embedder, ledger, add)
        asking.run(iter(batches), asking.endpoint.options, Monitor(bar, events, stage="vectors"), _OWN)
    return np.stack([rows[key] for key, _ in heads])
