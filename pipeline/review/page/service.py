"""The review service: hands out articles, stores judgements, gives figures.  It knows nothing of HTTP.

What a reviewer is told depends on what he or she has judged: items (`reviewer_items`), and figures, which leave out what others
said of articles that the reviewer may still be asked to judge, for one article more would tell what was said of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.review.log.judgements import Judgement, JudgementLog, Showing
from pipeline.review.page import search
from pipeline.review.page.intake import (
    MOST_CHARACTERS,
    MOST_SHOWN,
    RefusedJudgement,
    as_sent,
    is_digest,
    judgement_of,
    typed_of,
    with_digest_of_now,
)
from pipeline.review.page.leases import Leases
from pipeline.review.page.log_index import LogIndex
from pipeline.review.page.queues import Queues
from pipeline.review.page.reviewer_items import ReviewerItems
from pipeline.review.page.rules import JudgementContext, objection
from pipeline.review.sample.label_sets import JobLabels, LabelSet, label_checker
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.sampling_frame import SamplingFrame, digest_prefix
from pipeline.review.statistics.figures import figures, short
from pipeline.review.statistics.summary import population_of

_RELOAD_EVERY = 60.0  # seconds between looks whether the labels were made anew while people review
_EASE = 10.0  # figures are cached for so many times as long as making them takes
_MOST_NOTED = 50


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
        self._leases = Leases()
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
        self._items = ReviewerItems(self._work, self._frame, self._lanes, self._index, self._log)
        self._queues = Queues(self._frame, self._lanes, self._index, self._items, self._leases, bool(options.overlap))

    def _digests_now(self) -> list[str]:
        folder = self._work.labels if self._labels.model is None else self._work.filtered
        return [folder.digest(shard) for shard in read_order(self._work.articles)]

    def _catch_up(self) -> None:
        """Add what was judged since, here or in another process."""
        if self._index.catch_up():
            self._figures.clear()

    # --- handing out ---

    def next(self, reviewer: str, lane: str, count: int, have: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return the next items of a lane for a reviewer, without those that the page has (`have`: text digests)."""
        with self._lock:
            self._catch_up()
            if time.monotonic() - self._loaded_at > _RELOAD_EVERY and self._digests_now() != self._label_digests:
                self._load()
            held = {digest_prefix(text) for text in have}
            self._leases.hear(reviewer)
            self._leases.renew(lane, held, reviewer)
            return self._items_of(reviewer, lane, lambda: self._queues.take(reviewer, lane, count, held))

    def _items_of(
        self, reviewer: str, lane: str, choose: Callable[[], list[int]], without: str = ""
    ) -> list[dict[str, Any]]:
        """Return the items of the articles that are chosen; chosen again, where the labels were made anew meanwhile."""
        try:
            return self._items.show(reviewer, lane, choose(), without)
        except (InputError, IndexError):
            if self._digests_now() == self._label_digests:
                raise
            self._load()
            return self._items.show(reviewer, lane, choose(), without)

    def presence(self, reviewer: str, is_open: bool) -> None:
        """Note that a reviewer's page is open, or was closed: then others are given what it had."""
        with self._lock:
            (self._leases.hear if is_open else self._leases.leave)(reviewer)

    def left(self, reviewer: str) -> dict[str, int]:
        """Return how many articles of each lane wait for a reviewer; lanes that have none at all are left out."""
        with self._lock:
            self._catch_up()
            return self._queues.left(reviewer)

    # --- searching ---

    def search(self, reviewer: str, words: str) -> list[dict[str, Any]]:
        """Return the articles with `words` that are the reviewer's, each with its `state` (see `Queues.place_of`) and lane."""
        results = list[dict[str, Any]]()
        for row in search.matches(self._work, words):  # without the lock: it reads the articles
            with self._lock:
                self._catch_up()
                state, lane = self._queues.place_of(reviewer, row["text_sha256"])
            if state:
                about = {"key": row["text_sha256"], "id": row["id"], "title": row["title"]}
                results.append({**about, "state": state, "lane": lane})
            if len(results) == search.MOST:
                break
        return results

    def article(self, reviewer: str, sent: Any) -> dict[str, Any]:
        """Return an article that the reviewer chose: its item, and what he or she said of it.  Raises RefusedJudgement."""
        text = str(with_digest_of_now(sent, self._work.given.nfc).get("key"))
        with self._lock:
            self._catch_up()
            state, lane = self._queues.place_of(reviewer, text) if is_digest(text) else ("", "")
            if state == "turn":
                raise RefusedJudgement("", f"it comes in its turn, in the lane {lane!r}, which is a random sample")
            if state == "judged":
                last = next(j for j in reversed(self._own(reviewer)) if j.text_sha256 == text)
                return next(iter(self._entries(reviewer, [last], 1)))
            item = self._item(reviewer, lane, text) if state else None
            if item is None:
                raise RefusedJudgement("", "no article that waits for you, or that you have judged")
            self._leases.take(lane, digest_prefix(text), reviewer)
            return {"card": item, "judgement": None}

    # --- taking in ---

    def check(self, label: str) -> str | None:
        """Return the task's own word for a label that a person wrote, None where it is none."""
        return self._check(label) if len(label) <= self._most_characters else None

    def reveal(self, reviewer: str, sent: Any) -> dict[str, Any]:
        """Return the item (`card`) of a blind article with its label, for the phrases that the reviewer wrote; the first ones stay.

        Raises RefusedJudgement.
        """
        text, typed = typed_of(with_digest_of_now(sent, self._work.given.nfc), self._most_characters)
        with self._lock:
            self._catch_up()
            if not self._lanes.has("blind", self._frame.index_of(text)):
                raise RefusedJudgement("", "not an article of the blind lane")
            if self._items.is_withheld(reviewer, text):
                # On the disk before the label leaves: neither a restart nor a second server forgets what was seen.
                self._log.show([Showing(text, reviewer, "blind", typed)])
                self._catch_up()
            item = self._item(reviewer, "blind", text)
            if not item:
                raise RefusedJudgement("", "the article has no label any more; skip it")
            return {"card": item}

    def _item(self, reviewer: str, lane: str, text: str, without: str = "") -> dict[str, Any] | None:
        """Return the item of a text, None for one that is not (or no longer) labelled; see `ReviewerItems.show`."""

        def choose() -> list[int]:
            index = self._frame.index_of(text)
            return [] if index is None else [index]

        return next(iter(self._items_of(reviewer, lane, choose, without)), None)

    def store(self, reviewer: str, sent: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
        """Store judgements as the page sends them; return the uids that are stored (now or before), and why others are refused."""
        with self._lock:
            self._catch_up()
            self._leases.hear(reviewer)
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
        # Sent again, since the answer was lost: it was taken before, whatever the rules say now.
        if judgement.uid not in self._index.uids:
            if why := objection(judgement, self._context(judgement)):
                raise RefusedJudgement(judgement.uid, why)
            self._log.add([judgement])
            self._catch_up()
        # Also of one that was stored before: the page has done with the article.
        self._leases.end(judgement.lane, digest_prefix(judgement.text_sha256), reviewer)
        return judgement.uid

    def _context(self, judgement: Judgement) -> JudgementContext:
        undone = self._index.standing.get(judgement.undoes or "")
        text = (undone or judgement).text_sha256
        prefix = digest_prefix(text)
        exposure = self._index.exposure(judgement.reviewer, prefix)
        return JudgementContext(
            in_job=self._frame.index_of(text) is not None
            or self._leases.was_given(judgement.lane, prefix, judgement.reviewer)
            or bool(exposure.lanes or self._index.of(prefix)),
            blind=self._lanes.is_blind(text),
            phrases=self._frame.phrases_of(text),
            needed=self._queues.needed(judgement.lane, digest_prefix(text)),
            standing=self._queues.standing_of(digest_prefix(text), judgement.lane),
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
            # as it was before this judgement, which the page takes back before it shows the article again
            if item := self._item(reviewer, judgement.lane, judgement.text_sha256, judgement.uid):
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
        closed = self._queues.closed("audit", reader) | self._queues.closed("blind", reader)

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
                # everybody who looks at them has figures of his or her own
                ease = _EASE * (len(self._short) + 1)
                self._short[reader] = (time.monotonic() + ease * (time.monotonic() - started), queue_figures)
            return self._short[reader][1]
