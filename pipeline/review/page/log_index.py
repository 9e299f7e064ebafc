"""Index of the log of judgements in memory: by article, and kept up to date with the file."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from pipeline.review.log.blinding import Exposure, ExposureIndex
from pipeline.review.log.judgements import Judgement, JudgementLog, Showing
from pipeline.review.sample.sampling_frame import digest_prefix

_Event = tuple[tuple[int, int], Judgement | Showing]


class LogIndex:
    """Index of an open log: `records` as they came, and their `uids`; `standing` (by uid) without what was taken back; `touched`:
    digest prefixes of the texts that were judged or shown, in that order."""

    def __init__(self, log: JudgementLog) -> None:
        self._log, self._read, self._shown = log, 0, 0
        self._exposures = ExposureIndex()
        self.records: list[Judgement] = []
        self.standing: dict[str, Judgement] = {}
        self.touched: list[int] = []
        self.uids: set[str] = set()
        self._by_prefix: dict[int, dict[str, Judgement]] = {}
        self._undone: set[tuple[str, str]] = set()  # uid and reviewer: one may arrive before what it takes back
        self._unfair: set[str] = set()  # uids of what broke the rules

    def catch_up(self) -> bool:
        """Add what was judged and shown since, here or in another process; return whether something was judged."""
        before = len(self.records)
        for _, event in merge(self._judged_since(), self._shown_since(), key=lambda event: event[0]):
            if isinstance(event, Showing):
                self._exposures.add_showing(event)
                self.touched.append(digest_prefix(event.text_sha256))
            else:
                self._add(event)
        return len(self.records) > before

    def _judged_since(self) -> Iterator[_Event]:
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

    def _add(self, record: Judgement) -> None:
        prefix = digest_prefix(record.text_sha256)
        self.records.append(record)
        self.uids.add(record.uid)
        if not self._exposures.add(record):
            self._unfair.add(record.uid)
        if record.undoes is not None:
            self._undone.add((record.undoes, record.reviewer))
            undone = self.standing.get(record.undoes)
            if undone and undone.reviewer == record.reviewer:
                prefix = digest_prefix(undone.text_sha256)
                del self.standing[undone.uid], self._by_prefix[prefix][undone.uid]
        elif (record.uid, record.reviewer) not in self._undone:
            self.standing[record.uid] = record
            self._by_prefix.setdefault(prefix, {})[record.uid] = record
        self.touched.append(prefix)

    def of(self, prefix: int) -> list[Judgement]:
        """Return the standing judgements of a text, oldest first, by the text's digest prefix."""
        return list(self._by_prefix.get(prefix, {}).values())

    def exposure(self, reviewer: str, prefix: int) -> Exposure:
        """Return what a reviewer has seen of a text, by the text's digest prefix."""
        return self._exposures.of(reviewer, f"{prefix:016x}")

    def is_fair(self, judgement: Judgement) -> bool:
        """Return whether a judgement was made under the rules."""
        return judgement.uid not in self._unfair
