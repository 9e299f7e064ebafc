"""What the log of judgements says, in memory: by article, and kept up to date with the file."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from pipeline.review.log.blinding import Sight, View
from pipeline.review.log.judgements import Judgement, Log, Showing
from pipeline.review.sample.population import head

_Event = tuple[tuple[int, int], Judgement | Showing]


class Memory:
    """`records` of the log as they came, and their `uids`; `standing` (by uid) without what was taken back; `touched`: heads of
    the texts of which something was said or shown, as it came."""

    def __init__(self, log: Log) -> None:
        self._log, self._read, self._shown = log, 0, 0
        self._sight = Sight()
        self.records: list[Judgement] = []
        self.standing: dict[str, Judgement] = {}
        self.touched: list[int] = []
        self.uids: set[str] = set()
        self._of_head: dict[int, dict[str, Judgement]] = {}
        self._undone: set[tuple[str, str]] = set()  # uid and reviewer: one may arrive before what it takes back
        self._unfair: set[str] = set()  # uids of what broke the rules

    def catch_up(self) -> bool:
        """Take in what was said and shown since, here or in another process; whether something was said."""
        before = len(self.records)
        for _, event in merge(self._said_since(), self._shown_since(), key=lambda event: event[0]):
            if isinstance(event, Showing):
                self._sight.show(event)
                self.touched.append(head(event.text_sha256))
            else:
                self._take(event)
        return len(self.records) > before

    def _said_since(self) -> Iterator[_Event]:
        if self._log.last() > self._read:
            for number, record in self._log.since(self._read):
                self._read = number
                yield (number, 0), record

    def _shown_since(self) -> list[_Event]:
        events = list[_Event]()
        for number, behind, showing in self._log.showings(self._shown):
            self._shown = number
            events.append(((behind, 1), showing))
        return events

    def _take(self, record: Judgement) -> None:
        key = head(record.text_sha256)
        self.records.append(record)
        self.uids.add(record.uid)
        if not self._sight.take(record):
            self._unfair.add(record.uid)
        if record.undoes is not None:
            self._undone.add((record.undoes, record.reviewer))
            undone = self.standing.get(record.undoes)
            if undone and undone.reviewer == record.reviewer:
                key = head(undone.text_sha256)
                del self.standing[undone.uid], self._of_head[key][undone.uid]
        elif (record.uid, record.reviewer) not in self._undone:
            self.standing[record.uid] = record
            self._of_head.setdefault(key, {})[record.uid] = record
        self.touched.append(key)

    def of(self, key: int) -> list[Judgement]:
        """What stands of a text, oldest first; texts are known by their heads."""
        return list(self._of_head.get(key, {}).values())

    def view(self, reviewer: str, key: int) -> View:
        """What a reviewer has seen of a text."""
        return self._sight.view(reviewer, f"{key:016x}")

    def is_fair(self, judgement: Judgement) -> bool:
        """Whether a judgement was made under the rules."""
        return judgement.uid not in self._unfair
