"""The review service: hands out articles, stores judgements, gives figures.  It knows nothing of HTTP.

What a reviewer is told depends on what he or she has judged: items (`reviewer_items`), and figures, which leave out what others
said of articles that the reviewer may still be asked to judge, for one article more would tell what was said of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.review.log.judgements import Judgement, JudgementLog, Showing
from pipeline.review.page.intake import (
    MOST_CHARACTERS,
    MOST_SHOWN,
    RefusedJudgement,
    as_sent,
    judgement_of,
    typed_of,
    with_digest_of_now,
)
from pipeline.review.page.log_index import LogIndex
from pipeline.review.page.reviewer_items import ReviewerItems
from pipeline.review.page.rules import JudgementContext, objection
from pipeline.review.sample.label_sets import JobLabels, LabelSet, label_checker
from pipeline.review.sample.lanes import Lanes, disputed, is_open
from pipeline.review.sample.sampling_frame import SamplingFrame, digest_prefix
from pipeline.review.statistics.figures import figures, short
from pipeline.review.statistics.summary import population_of

_RELOAD_EVERY = 60.0  # seconds between looks whether the labels were made anew while people review
_EASE = 10.0  # figures are cached for so many times as long as making them takes
_MOST_NOTED = 50
_LEASE = 1800.0  # seconds that an article which one reviewer was given is kept from the others


@dataclass
class _Tally:
    """Articles that count, and how many of the index's `touched` entries they are population_of from."""

    keys: set[int] = field(default_factory=set)
    seen: int = 0


class ReviewService:
    """Review of one job and one set of labels.  Safe to be called from several threads."""

    def __init__(self, work: Workspace, labels: LabelSet | None = None) -> None:
        self._work, self._lock = work, threading.RLock()
        self._labels = labels or JobLabels(work)
        self._check = label_checker(work.config)
        self._max_phrases = work.config.max_phrases
        # of a phrase that people write; one that is JSON is a whole label
        self._most_characters = MOST_CHARACTERS if work.config.label_column.schema is None else MOST_SHOWN
        self._log = JudgementLog(work.verdicts_file)
        self._index = LogIndex(self._log)
        self._leases: dict[tuple[str, int], dict[str, float]] = {}  # (lane, digest prefix) -> reviewer -> until when
        self._figures: dict[str | None, dict[str, Any]] = {}  # by reader
        self._short: dict[
            str | None, tuple[float, dict[str, Any]]
        ] = {}  # by reader, with the time until which they are good
        self._load()

    @property
    def model(self) -> str | None:
        return self._labels.model

    # --- what there is ---

    def _load(self) -> None:
        """Load the labels (again): another process may have made them anew."""
        options, self._label_digests = self._work.config.review, self._digests_now()
        self._loaded_at = time.monotonic()
        self._frame = SamplingFrame(self._work, self._labels, options)
        self._lanes = Lanes(self._frame, options, self._work.config.label_column.has_tiers)
        self._catch_up()
        self._frame.remember({judgement.text_sha256 for judgement in self._index.standing.values()})
        self._figures.clear()
        self._tallies = dict[tuple[str, str], _Tally]()
        self._items = ReviewerItems(self._work, self._frame, self._lanes, self._index, self._log)

    def _digests_now(self) -> list[str]:
        folder = self._work.labels if self._labels.model is None else self._work.filtered
        return [folder.digest(shard) for shard in read_order(self._work.articles)]

    def _catch_up(self) -> None:
        """Add what was judged since, here or in another process."""
        if self._index.catch_up():
            self._figures.clear()

    def _standing_of(self, prefix: int, lane: str) -> list[Judgement]:
        """Return the standing judgements of these labels of a text; for the blind lane those made blind."""
        judgements = [judgement for judgement in self._index.of(prefix) if judgement.model == self.model]
        return [j for j in judgements if self._index.is_fair(j)] if lane == "blind" else judgements

    # --- handing out ---

    def next(self, reviewer: str, lane: str, count: int, have: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return the next items of a lane for a reviewer, without those that the page has (`have`: text digests)."""
        with self._lock:
            self._catch_up()
            if time.monotonic() - self._loaded_at > _RELOAD_EVERY and self._digests_now() != self._label_digests:
                self._load()
            held = {digest_prefix(text) for text in have}
            return self._items_of(reviewer, lane, lambda: self._open_articles(reviewer, lane, count, held))

    def _items_of(self, reviewer: str, lane: str, choose: Callable[[], list[int]]) -> list[dict[str, Any]]:
        """Return the items of the articles that are chosen; chosen again, where the labels were made anew meanwhile."""
        try:
            return self._items.show(reviewer, lane, choose())
        except (InputError, IndexError):
            if self._digests_now() == self._label_digests:
                raise
            self._load()
            return self._items.show(reviewer, lane, choose())

    def _open_articles(self, reviewer: str, lane: str, count: int, have: set[int]) -> list[int]:
        now, indices = time.monotonic(), list[int]()
        for index in self._order(lane):
            prefix = int(self._frame.digest_prefixes[index])
            leases = self._leases.get((lane, prefix), {})
            leased = sum(until > now for name, until in leases.items() if name != reviewer)
            if prefix in have or not self._is_open(lane, reviewer, prefix, leased):
                continue
            self._leases[lane, prefix] = {**leases, reviewer: now + _LEASE}
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
        texts = dict.fromkeys(j.text_sha256 for j in judgements if j.lane == lane and j.model == self.model)
        indices = map(self._frame.index_of, texts)
        return {index: None for index in indices if index is not None}

    def _is_open(self, lane: str, reviewer: str, prefix: int, leased: int) -> bool:
        """Return whether a lane waits for the reviewer's judgement; `leased`: how many others have the article before them."""
        judgements, exposure = self._standing_of(prefix, lane), self._index.exposure(reviewer, prefix)
        if lane == "blind" and exposure.label_first:
            return False  # who has seen the label is not blind any more
        if lane == "audit" and exposure.others and not exposure.audits:
            return False  # nor does who has seen the verdicts audit on his or her own
        if not judgements:
            return lane != "adjudication" and leased < self._needed(lane, prefix)
        text = judgements[0].text_sha256
        phrases = self._frame.phrases_of(text)
        if lane == "adjudication":
            return not leased and not self._items.is_withheld(reviewer, text) and bool(disputed(judgements, phrases))
        return is_open(judgements, lane, reviewer, phrases, self._needed(lane, prefix) - leased)

    def _needed(self, lane: str, prefix: int) -> int:
        return 2 if lane == "audit" and self._lanes.has_overlap(f"{prefix:016x}") else 1

    def left(self, reviewer: str) -> dict[str, int]:
        """Return how many articles of each lane wait for a reviewer; lanes that have none at all are left out."""
        with self._lock:
            self._catch_up()
            orders = self._lanes.orders
            left = {
                lane: len(order) - len(self._closed(lane, reviewer)) for lane, order in orders.items() if len(order)
            }
            if self._work.config.review.overlap:
                left["adjudication"] = len(self._closed("adjudication", reviewer))
            return left

    def _closed(self, lane: str, reviewer: str) -> set[int]:
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

    # --- taking in ---

    def check(self, label: str) -> str | None:
        """Return the task's own word for a label that a person wrote, None where it is none."""
        return self._check(label) if len(label) <= self._most_characters else None

    def reveal(self, reviewer: str, sent: Any) -> dict[str, Any]:
        """Return the item of a blind article with its label, for the phrases that the reviewer wrote; the first ones stay.

        Raises RefusedJudgement.
        """
        text, typed = typed_of(with_digest_of_now(sent, self._work.given.nfc), self._most_characters)
        with self._lock:
            self._catch_up()
            if not self._lanes.has("blind", self._frame.index_of(text)):
                raise RefusedJudgement("", "not an article of the blind lane")
            if self._items.is_withheld(reviewer, text):
                self._log.show([Showing(text, reviewer, "blind", typed)])
                self._catch_up()
            item = self._item(reviewer, "blind", text)
            if not item:
                raise RefusedJudgement("", "the article has no label any more; skip it")
            return item

    def _item(self, reviewer: str, lane: str, text: str) -> dict[str, Any] | None:
        """Return the item of a text, None for one that is not (or no longer) labelled."""

        def choose() -> list[int]:
            index = self._frame.index_of(text)
            return [] if index is None else [index]

        return next(iter(self._items_of(reviewer, lane, choose)), None)

    def store(self, reviewer: str, sent: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
        """Store judgements as the page sends them; return the uids that are stored (now or before), and why others are refused."""
        with self._lock:
            self._catch_up()
            stored, refused = dict[str, None](), dict[str, str]()
            for value in sent:
                try:
                    stored[self._store(reviewer, with_digest_of_now(value, self._work.given.nfc))] = None
                except RefusedJudgement as error:
                    refused[error.uid] = str(error)
            return list(stored), refused

    def _store(self, reviewer: str, value: Any) -> str:
        """Store one judgement; whether it is asked for depends on those before it.  Raises RefusedJudgement."""
        planted = self._items.planted
        limits = self._max_phrases, self._most_characters
        judgement = judgement_of(value, reviewer, self.model, planted, self._check, *limits)
        if judgement.uid not in self._index.uids:
            if why := objection(judgement, self._context(judgement)):
                raise RefusedJudgement(judgement.uid, why)
            self._log.add([judgement])
            self._catch_up()
        self._leases.get((judgement.lane, digest_prefix(judgement.text_sha256)), {}).pop(reviewer, None)
        return judgement.uid

    def _context(self, judgement: Judgement) -> JudgementContext:
        undone = self._index.standing.get(judgement.undoes or "")
        text = (undone or judgement).text_sha256
        prefix = digest_prefix(text)
        exposure = self._index.exposure(judgement.reviewer, prefix)
        is_leased = any(name == judgement.reviewer for name in self._leases.get((judgement.lane, prefix), {}))
        return JudgementContext(
            in_job=self._frame.index_of(text) is not None
            or is_leased
            or bool(exposure.lanes or self._index.of(prefix)),
            blind=self._lanes.is_blind(text),
            phrases=self._frame.phrases_of(text),
            needed=self._needed(judgement.lane, digest_prefix(text)),
            standing=self._standing_of(digest_prefix(text), judgement.lane),
            exposure=exposure,
        )

    def history(self, reviewer: str, before: str, count: int) -> list[dict[str, Any]]:
        """Return the reviewer's last judgements with their items, the newest first; behind the one with uid `before`."""
        with self._lock:
            self._catch_up()
            own = self._own(reviewer)
            uids = [judgement.uid for judgement in own]
            return self._entries(reviewer, own[: uids.index(before)] if before in uids else own, count)

    def noted(self, reviewer: str) -> list[dict[str, Any]]:
        """Return the reviewer's own judgements with a flag or a note, as `history` has them."""
        with self._lock:
            self._catch_up()
            return self._entries(reviewer, [j for j in self._own(reviewer) if j.flagged or j.note], _MOST_NOTED)

    def _own(self, reviewer: str) -> list[Judgement]:
        return [j for j in self._index.standing.values() if j.reviewer == reviewer and j.model == self.model]

    def _entries(self, reviewer: str, judged: Sequence[Judgement], count: int) -> list[dict[str, Any]]:
        """Return the last of some judgements with their items, the newest first."""
        entries = list[dict[str, Any]]()
        for judgement in reversed(judged):
            if len(entries) == count:
                break
            if item := self._item(reviewer, judgement.lane, judgement.text_sha256):
                entries.append({"card": item, "judgement": as_sent(judgement)})
        return entries

    # --- figures ---

    def figures(self, reader: str | None = None) -> dict[str, Any]:
        """Return all figures (see `review.statistics.figures`) as a reviewer may know them; None reads everything."""
        with self._lock:
            self._catch_up()
            if reader not in self._figures:
                population = population_of(self._frame, self._lanes, self.model)
                self._figures[reader] = figures(self._records_for(reader), population)
            return self._figures[reader]

    def _records_for(self, reader: str | None) -> list[Judgement]:
        """Return the records of articles that nobody will ask the reader to judge, and the reader's own."""
        if reader is None:
            return self._index.records
        closed = self._closed("audit", reader) | self._closed("blind", reader)

        def is_visible(prefix: int) -> bool:
            return prefix in closed or self._frame.index_of_prefix(prefix) is None

        return [r for r in self._index.records if r.reviewer == reader or is_visible(digest_prefix(r.text_sha256))]

    def short(self, reader: str | None = None) -> dict[str, Any]:
        """Return the figures beside the queue: of a moment ago, where they take long to make."""
        with self._lock:
            started = time.monotonic()
            self._short = {name: entry for name, entry in self._short.items() if entry[0] > started}
            if reader not in self._short:
                queue_figures = short(self.figures(reader))
                ease = _EASE * (len(self._short) + 1)  # everybody who looks at them has figures of his or her own
                self._short[reader] = (time.monotonic() + ease * (time.monotonic() - started), queue_figures)
            return self._short[reader][1]
