"""The desk of the reviewers: hands out articles, takes judgements in, says how it stands.  Knows nothing of HTTP.

What a reviewer is told depends on what he or she has said: cards (`reviewer_cards`), and figures, which leave out what others said
of articles that the reviewer may still be asked to judge, for one article more tells what was said of it.
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
from pipeline.review.log.judgements import Judgement, Log, Showing
from pipeline.review.page.intake import Refused, judgement_of, typed_of
from pipeline.review.page.log_index import Memory
from pipeline.review.page.reviewer_cards import Showcase
from pipeline.review.page.rules import Case, objection
from pipeline.review.sample.labels import Labels, OwnLabels, checker
from pipeline.review.sample.lanes import Lanes, disputed, is_open
from pipeline.review.sample.population import Population, head
from pipeline.review.statistics.figures import figures, short
from pipeline.review.statistics.summary import counted

_LOOK_EVERY = 60.0  # seconds: labels may be made anew while people review
_EASE = 10.0  # times as long as making the figures takes, they are told as they were
_LEASE = 1800.0  # seconds that an article which one reviewer was given is kept from the others


@dataclass
class _Tally:
    """Articles that count, and how much of what was said they are counted from."""

    keys: set[int] = field(default_factory=set)
    seen: int = 0


class Desk:
    """Of one job and one set of labels.  Safe to be called from several threads."""

    def __init__(self, work: Workspace, labels: Labels | None = None) -> None:
        self._work, self._lock = work, threading.RLock()
        self._labels = labels or OwnLabels(work)
        self._check = checker(work.config)
        self._most = work.config.max_phrases
        self._log = Log(work.verdicts_file)
        self._memory = Memory(self._log)
        self._leases: dict[tuple[str, int], dict[str, float]] = {}  # (lane, article) -> who has it, until when
        self._figures: dict[str | None, dict[str, Any]] = {}  # by who asks
        self._short: dict[str | None, tuple[float, dict[str, Any]]] = {}  # until when they are told, by who asks
        self._look()

    @property
    def model(self) -> str | None:
        return self._labels.model

    # --- what there is ---

    def _look(self) -> None:
        """(Again) at the labels: another process may have made them anew."""
        options, self._state = self._work.config.review, self._digests()
        self._looked = time.monotonic()
        self._population = Population(self._work, self._labels, options)
        self._lanes = Lanes(self._population, options, self._work.config.label_column.many)
        self._take_in()
        self._population.remember({judgement.text_sha256 for judgement in self._memory.standing.values()})
        self._figures.clear()
        self._tallies = dict[tuple[str, str], _Tally]()
        self._showcase = Showcase(self._work, self._population, self._lanes, self._memory, self._log)

    def _digests(self) -> list[str]:
        folder = self._work.labels if self._labels.model is None else self._work.filtered
        return [folder.digest(shard) for shard in read_order(self._work.articles)]

    def _take_in(self) -> None:
        """What was said since, here or in another process."""
        if self._memory.catch_up():
            self._figures.clear()

    def _said_of(self, key: int, lane: str) -> list[Judgement]:
        """What was said of these labels of a text; for the blind lane what was said blind."""
        ours = [judgement for judgement in self._memory.of(key) if judgement.model == self.model]
        return [j for j in ours if self._memory.is_fair(j)] if lane == "blind" else ours

    # --- handing out ---

    def next(self, reviewer: str, lane: str, count: int, have: Collection[str] = ()) -> list[dict[str, Any]]:
        """The next cards of a lane for a reviewer, without those that they `have` (text digests)."""
        with self._lock:
            self._take_in()
            if time.monotonic() - self._looked > _LOOK_EVERY and self._digests() != self._state:
                self._look()
            held = {head(text) for text in have}
            return self._cards(reviewer, lane, lambda: self._open_places(reviewer, lane, count, held))

    def _cards(self, reviewer: str, lane: str, choose: Callable[[], list[int]]) -> list[dict[str, Any]]:
        """The cards of the places that are chosen; again, where the labels were made anew under our hands."""
        try:
            return self._showcase.show(reviewer, lane, choose())
        except (InputError, IndexError):
            if self._digests() == self._state:
                raise
            self._look()
            return self._showcase.show(reviewer, lane, choose())

    def _open_places(self, reviewer: str, lane: str, count: int, have: set[int]) -> list[int]:
        now, found = time.monotonic(), list[int]()
        for place in self._order(lane):
            key = int(self._population.heads[place])
            leases = self._leases.get((lane, key), {})
            others = sum(until > now for name, until in leases.items() if name != reviewer)
            if key in have or not self._is_open(lane, reviewer, key, others):
                continue
            self._leases[lane, key] = {**leases, reviewer: now + _LEASE}
            found.append(int(place))
            if len(found) == count:
                break
        return found

    def _order(self, lane: str) -> Iterable[int]:
        """Places of a lane.  What somebody began comes first: the overlap, and labels that were made anew since."""
        if lane == "adjudication":
            return self._begun("audit")
        begun = {place: None for place in self._begun(lane) if lane != "triage" and self._lanes.has(lane, place)}
        return chain(begun, (int(place) for place in self._lanes.orders[lane] if int(place) not in begun))

    def _begun(self, lane: str) -> dict[int, None]:
        said = self._memory.standing.values()
        texts = dict.fromkeys(j.text_sha256 for j in said if j.lane == lane and j.model == self.model)
        places = map(self._population.place, texts)
        return {place: None for place in places if place is not None}

    def _is_open(self, lane: str, reviewer: str, key: int, leased: int) -> bool:
        """`leased`: how many others have the article before them."""
        said, view = self._said_of(key, lane), self._memory.view(reviewer, key)
        if lane == "blind" and view.label_first:
            return False  # who has seen the label is not blind any more
        if lane == "audit" and view.others and not view.audits:
            return False  # nor does who has seen the verdicts audit on his or her own
        if not said:
            return lane != "adjudication" and leased < self._needed(lane, key)
        text = said[0].text_sha256
        phrases = self._population.phrases_of(text)
        if lane == "adjudication":
            return not leased and not self._showcase.is_withheld(reviewer, text) and bool(disputed(said, phrases))
        return is_open(said, lane, reviewer, phrases, self._needed(lane, key) - leased)

    def _needed(self, lane: str, key: int) -> int:
        return 2 if lane == "audit" and self._lanes.has_overlap(f"{key:016x}") else 1

    def left(self, reviewer: str) -> dict[str, int]:
        """How many articles of each lane wait for a reviewer; lanes that have none at all are left out."""
        with self._lock:
            self._take_in()
            orders = self._lanes.orders
            found = {
                lane: len(order) - len(self._settled(lane, reviewer)) for lane, order in orders.items() if len(order)
            }
            if self._work.config.review.overlap:
                found["adjudication"] = len(self._settled("adjudication", reviewer))
            return found

    def _settled(self, lane: str, reviewer: str) -> set[int]:
        """The articles of a lane that are closed for a reviewer; of adjudication those that are open.  Only what was said of
        since is looked at again."""
        tally = self._tallies.setdefault((lane, reviewer), _Tally())
        for key in dict.fromkeys(self._memory.touched[tally.seen :]):
            place = self._population.place_of(key)
            is_open = self._is_open(lane, reviewer, key, 0)
            counts = is_open if lane == "adjudication" else not is_open and self._lanes.has(lane, place)
            (tally.keys.add if place is not None and counts else tally.keys.discard)(key)
        tally.seen = len(self._memory.touched)
        return tally.keys

    # --- taking in ---

    def reveal(self, reviewer: str, sent: Any) -> dict[str, Any]:
        """The card of a blind article with its label, for the phrases that the reviewer wrote; the first ones stay.  Raises
        Refused."""
        key, typed = typed_of(sent)
        with self._lock:
            self._take_in()
            if not self._lanes.has("blind", self._population.place(key)):
                raise Refused("", "not an article of the blind lane")
            if self._showcase.is_withheld(reviewer, key):
                self._log.show([Showing(key, reviewer, "blind", typed)])
                self._take_in()
            card = self._card(reviewer, "blind", key)
            if not card:
                raise Refused("", "the article has no label any more; skip it")
            return card

    def _card(self, reviewer: str, lane: str, text: str) -> dict[str, Any] | None:
        """The card of a text; None for one that is not (or no longer) labelled."""

        def choose() -> list[int]:
            place = self._population.place(text)
            return [] if place is None else [place]

        return next(iter(self._cards(reviewer, lane, choose)), None)

    def store(self, reviewer: str, sent: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
        """Judgements as the page sends them: the uids that are stored (now or before), and why others are refused."""
        with self._lock:
            self._take_in()
            stored, refused = dict[str, None](), dict[str, str]()
            for value in sent:
                try:
                    stored[self._store(reviewer, value)] = None
                except Refused as error:
                    refused[error.uid] = str(error)
            return list(stored), refused

    def _store(self, reviewer: str, value: Any) -> str:
        """One at a time: whether a judgement is asked for depends on those before it.  Raises Refused."""
        planted = self._showcase.planted
        judgement = judgement_of(value, reviewer, self.model, planted, self._check, self._most)
        if judgement.uid not in self._memory.uids:
            if why := objection(judgement, self._case(judgement)):
                raise Refused(judgement.uid, why)
            self._log.add([judgement])
            self._take_in()
        self._leases.get((judgement.lane, head(judgement.text_sha256)), {}).pop(reviewer, None)
        return judgement.uid

    def _case(self, judgement: Judgement) -> Case:
        undone = self._memory.standing.get(judgement.undoes or "")
        text = (undone or judgement).text_sha256
        return Case(
            blind=self._lanes.is_blind(text),
            phrases=self._population.phrases_of(text),
            needed=self._needed(judgement.lane, head(text)),
            said=self._said_of(head(text), judgement.lane),
            view=self._memory.view(judgement.reviewer, head(text)),
        )

    def history(self, reviewer: str, before: str, count: int) -> list[dict[str, Any]]:
        """What the reviewer said last, the newest first: judgements with their cards; behind the one with uid `before`."""
        with self._lock:
            self._take_in()
            mine = [j for j in self._memory.standing.values() if j.reviewer == reviewer and j.model == self.model]
            uids = [judgement.uid for judgement in mine]
            mine = mine[: uids.index(before)] if before in uids else mine
            found = list[dict[str, Any]]()
            for judgement in reversed(mine):
                if len(found) == count:
                    break
                if card := self._card(reviewer, judgement.lane, judgement.text_sha256):
                    found.append({"card": card, "judgement": _as_sent(judgement)})
            return found

    # --- figures ---

    def figures(self, reader: str | None = None) -> dict[str, Any]:
        """All figures (see `review.statistics.figures`) as a reviewer may know them; None reads everything."""
        with self._lock:
            self._take_in()
            if reader not in self._figures:
                population = counted(self._population, self._lanes, self.model)
                self._figures[reader] = figures(self._records_for(reader), population)
            return self._figures[reader]

    def _records_for(self, reader: str | None) -> list[Judgement]:
        """The records of articles that nobody will ask the reader to judge, and the reader's own."""
        if reader is None:
            return self._memory.records
        closed = self._settled("audit", reader) | self._settled("blind", reader)

        def is_told(key: int) -> bool:
            return key in closed or self._population.place_of(key) is None

        return [r for r in self._memory.records if r.reviewer == reader or is_told(head(r.text_sha256))]

    def short(self, reader: str | None = None) -> dict[str, Any]:
        """What stands beside the queue: of a moment ago, where the figures take long to make."""
        with self._lock:
            started = time.monotonic()
            self._short = {name: entry for name, entry in self._short.items() if entry[0] > started}
            if reader not in self._short:
                told = short(self.figures(reader))
                ease = _EASE * (len(self._short) + 1)  # everybody who looks at them has figures of his or her own
                self._short[reader] = (time.monotonic() + ease * (time.monotonic() - started), told)
            return self._short[reader][1]


def _as_sent(judgement: Judgement) -> dict[str, Any]:
    caught = judgement.planted
    names = ("uid", "id", "lane", "added", "reasons", "note", "typed", "seconds", "flagged", "skipped")
    return {
        "key": judgement.text_sha256,
        **{name: getattr(judgement, name) for name in names},
        "accepted": [*judgement.accepted, *(phrase for phrase in caught if not caught[phrase])],
        "rejected": [*judgement.rejected, *(phrase for phrase in caught if caught[phrase])],
    }
