"""The desk of the reviewers: hands out articles, takes judgements in, says how it stands.  Knows nothing of HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pipeline.errors import InputError
from pipeline.review import cards, risks
from pipeline.review.figures import figures, short
from pipeline.review.intake import Refused, judgement_of
from pipeline.review.judgements import Judgement, Log
from pipeline.review.labels import Labels, OwnLabels, checker
from pipeline.review.lanes import Lanes, disputed, is_open
from pipeline.review.population import Population, head
from pipeline.review.summary import counted
from pipeline.review.verdicts import Verdicts
from pipeline.tables import read_order
from pipeline.text.folding import fold_case
from pipeline.workspace import Workspace

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
        self._most = int(getattr(work.config.task_options, "max_phrases", 0) or 0)
        self._log = Log(work.verdicts_file)
        self._leases: dict[tuple[str, int], dict[str, float]] = {}  # (lane, article) -> who has it, until when
        self._read, self._said, self._of_head = 0, dict[str, Judgement](), dict[int, dict[str, Judgement]]()
        self._touched = list[int]()  # articles of which something was said, as it came
        self._undone: set[tuple[str, str]] = set()  # uid and reviewer: one may arrive before what it takes back
        self._figures: dict[str, Any] | None = None
        self._short: dict[str, Any] | None = None
        self._short_until = 0.0
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
        self._figures = None
        self._take_in()
        self._population.remember({judgement.text_sha256 for judgement in self._said.values()})
        self._tallies, self._touched = dict[tuple[str, str], _Tally](), list(self._of_head)

    def _digests(self) -> list[str]:
        folder = self._work.labels if self._labels.model is None else self._work.filtered
        return [folder.digest(shard) for shard in read_order(self._work.articles)]

    def _take_in(self) -> None:
        """What was said since, here or in another process."""
        last = self._log.last()
        if last == self._read:
            return
        for judgement in self._log.since(self._read):
            key = head(judgement.text_sha256)
            if judgement.undoes is not None:
                self._undone.add((judgement.undoes, judgement.reviewer))
                undone = self._said.get(judgement.undoes)
                if undone and undone.reviewer == judgement.reviewer:
                    key = head(undone.text_sha256)
                    del self._said[undone.uid], self._of_head[key][undone.uid]
            elif (judgement.uid, judgement.reviewer) not in self._undone:
                self._said[judgement.uid] = judgement
                self._of_head.setdefault(key, {})[judgement.uid] = judgement
            self._touched.append(key)
        self._read, self._figures = last, None

    def _said_of(self, key: int) -> list[Judgement]:
        """What was said of these labels of a text."""
        return [j for j in self._of_head.get(key, {}).values() if j.model == self.model]

    # --- handing out ---

    def next(self, reviewer: str, lane: str, count: int, have: Collection[str] = ()) -> list[dict[str, Any]]:
        """The next cards of a lane for a reviewer, without those that they `have` (text digests)."""
        with self._lock:
            self._take_in()
            if time.monotonic() - self._looked > _LOOK_EVERY and self._digests() != self._state:
                self._look()
            places = self._open_places(reviewer, lane, count, {head(text) for text in have})
            try:
                return self._cards(reviewer, lane, places)
            except (InputError, IndexError):
                if self._digests() == self._state:
                    raise
                self._look()  # the labels were made anew under our hands
                return self._cards(reviewer, lane, self._open_places(reviewer, lane, count, {head(t) for t in have}))

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
        begun = self._begun(lane) if lane != "triage" else {}
        return chain(begun, (int(place) for place in self._lanes.orders[lane] if int(place) not in begun))

    def _begun(self, lane: str) -> dict[int, None]:
        texts = dict.fromkeys(j.text_sha256 for j in self._said.values() if j.lane == lane and j.model == self.model)
        places = map(self._population.place, texts)
        return {place: None for place in places if place is not None}

    def _is_open(self, lane: str, reviewer: str, key: int, leased: int) -> bool:
        """`leased`: how many others have the article before them."""
        said = self._said_of(key)
        if not said:
            return lane != "adjudication" and leased < self._needed(lane, key)
        text = said[0].text_sha256
        phrases = self._population.phrases_of(text)
        if lane == "adjudication":
            return not leased and bool(disputed(said, phrases))
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
        for key in dict.fromkeys(self._touched[tally.seen :]):
            place = self._population.place_of(key)
            is_open = self._is_open(lane, reviewer, key, 0)
            counts = is_open if lane == "adjudication" else not is_open and self._lanes.has(lane, place)
            (tally.keys.add if place is not None and counts else tally.keys.discard)(key)
        tally.seen = len(self._touched)
        return tally.keys

    # --- cards ---

    def _cards(self, reviewer: str, lane: str, places: Sequence[int]) -> list[dict[str, Any]]:
        rows = self._population.rows(places)
        behind = cards.background(self._work, rows, self._population.earlier)
        return [self._card(reviewer, lane, row, behind) for row in rows]

    def _card(self, reviewer: str, lane: str, row: Mapping[str, Any], behind: cards.Background) -> dict[str, Any]:
        text = row["text_sha256"]
        said = self._said_of(head(text))
        verdicts = Verdicts()
        second = lane == "audit" and self._lanes.has_overlap(text)  # two people judge, and one does not see the other's
        for judgement in self._of_head.get(head(text), {}).values():  # of whatever model the phrase was
            if not second or judgement.reviewer == reviewer:
                verdicts.take(judgement)
        phrases = self._with_planted(row) if lane == "audit" else list(row["phrases"])
        found = cards.card(row, phrases, [verdicts.of(phrase) for phrase in phrases], behind)
        return found | {
            "lane": lane,
            "blind": lane == "blind",
            "choices": _choices(disputed(said, row["phrases"])) if lane == "adjudication" else None,
            "why": self._why(row) if lane == "triage" else None,
        }

    def _why(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        earlier = self._population.earlier
        found = risks.of(row["text_sha256"], row["phrases"], row["tiers"], row["repairs"], earlier)
        return [{"kind": risk.kind, "count": risk.count} for risk in found]

    def _with_planted(self, row: Mapping[str, Any]) -> list[str]:
        """The phrases with one that is known to be wrong: one of another article's, which this article does not have."""
        text, phrases = row["text_sha256"], list(row["phrases"])
        planted = self._planted(text)
        if not planted and self._lanes.has_planted(text) and phrases:
            found = self._foreign(row)
            if found is None:
                return phrases
            planted = [found]
            self._log.plant(text, found)
        shown = list(phrases)
        for phrase in planted[:1]:
            shown.insert(self._lanes.position(text, len(phrases) + 1), phrase)
        return shown

    def _planted(self, text: str) -> list[str]:
        """What was planted, but for what the present label has by itself."""
        present = {fold_case(phrase) for phrase in self._population.phrases_of(text)}
        return [phrase for phrase in self._log.planted(text) if fold_case(phrase) not in present]

    def _foreign(self, row: Mapping[str, Any]) -> str | None:
        text, order = row["text_sha256"], self._lanes.orders["audit"]
        place = self._population.place(text)
        if place is None or len(order) < 2:
            return None
        step = 1 + self._lanes.position(text, len(order) - 1)
        others = [int(order[(place + step * number) % len(order)]) for number in range(1, 4)]
        return cards.foreign(row, self._population.rows([other for other in others if other != place]))

    # --- taking in ---

    def store(self, reviewer: str, sent: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
        """Judgements as the page sends them: the uids that are stored (now or before), and why others are refused."""
        with self._lock:
            taken, refused = list[Judgement](), dict[str, str]()
            for value in sent:
                try:
                    taken.append(judgement_of(value, reviewer, self.model, self._planted, self._check, self._most))
                except Refused as error:
                    refused[error.uid] = str(error)
            self._log.add(taken)
            self._take_in()
            for judgement in taken:
                self._leases.get((judgement.lane, head(judgement.text_sha256)), {}).pop(reviewer, None)
            return list(dict.fromkeys(judgement.uid for judgement in taken)), refused

    def history(self, reviewer: str, before: str, count: int) -> list[dict[str, Any]]:
        """What the reviewer said last, the newest first: judgements with their cards; behind the one with uid `before`."""
        with self._lock:
            self._take_in()
            mine = [j for j in self._said.values() if j.reviewer == reviewer and j.model == self.model]
            uids = [judgement.uid for judgement in mine]
            mine = mine[: uids.index(before)] if before in uids else mine
            found = list[dict[str, Any]]()
            for judgement in reversed(mine):
                place = self._population.place(judgement.text_sha256)
                if place is not None and len(found) < count:
                    [card] = self._cards(reviewer, judgement.lane, [place])
                    found.append({"card": card, "judgement": _as_sent(judgement)})
            return found

    # --- figures ---

    def figures(self) -> dict[str, Any]:
        """All figures; see `review.figures`."""
        with self._lock:
            self._take_in()
            if self._figures is None:
                self._figures = figures(list(self._said.values()), counted(self._population, self._lanes, self.model))
            return self._figures

    def short(self) -> dict[str, Any]:
        """What stands beside the queue: of a moment ago, where the figures take long to make."""
        with self._lock:
            if self._short is None or time.monotonic() > self._short_until:
                started = time.monotonic()
                self._short = short(self.figures())
                self._short_until = time.monotonic() + _EASE * (time.monotonic() - started)
            return self._short


def _choices(said: Sequence[Judgement]) -> list[dict[str, Any]]:
    """What reviewers decided, without their names, in an order that tells nothing."""
    found = [{"accepted": j.accepted, "rejected": j.rejected, "added": j.added} for j in said]
    return sorted(found, key=lambda choice: sorted(map(fold_case, choice["accepted"])))


def _as_sent(judgement: Judgement) -> dict[str, Any]:
    caught = judgement.planted
    names = ("uid", "id", "lane", "added", "reasons", "note", "typed", "seconds", "flagged", "skipped")
    return {
        "key": judgement.text_sha256,
        **{name: getattr(judgement, name) for name in names},
        "accepted": [*judgement.accepted, *(phrase for phrase in caught if not caught[phrase])],
        "rejected": [*judgement.rejected, *(phrase for phrase in caught if caught[phrase])],
    }
