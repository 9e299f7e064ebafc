"""The log of topics: one JSON line for each thing that happened to one, only ever added to, so that ids and names last.

A round is what one run found: its lines end with `round`, written together; a round without that line was killed and does not
count.  That line says how many are its own, since those of a killed round have the number of the one that came after it.  What
people say (`merged`, `renamed`) and names that a model gave are lines of their own.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.files import append_line
from pipeline.topics.space import Space

Event = dict[str, Any]
BY_WORDS, BY_HAND = "words", "hand"


@dataclass(frozen=True)
class Topic:
    """A topic as the log leaves it.  `reach` is how similar an article must be to its middle to join it."""

    id: int
    centroid: Space
    reach: float
    founded: int  # the round
    words: dict[str, list[str]] = field(default_factory=dict)  # by kind: ctfidf, mmr, central
    representatives: tuple[str, ...] = ()
    described: int = 0  # the round of the members by which it was described
    described_members: int = 0  # so many of them, 0: the log does not tell
    name: str = ""
    named_by: str = BY_WORDS
    named: int = 0  # the round of the members by which it was named
    named_members: int = 0  # so many of them, 0: the log does not tell
    broad: int = 0
    language: str | None = None  # of most of its articles


@dataclass(frozen=True)
class Broad:
    """The name of a broad topic, who gave it, and the topics that were under it then; none where the log does not tell."""

    name: str
    by: str = BY_WORDS
    members: tuple[int, ...] = ()
    is_new: bool = False  # no model was asked yet


@dataclass
class Topics:
    """Everything that the log tells."""

    live: dict[int, Topic] = field(default_factory=dict)
    # a topic that was merged -> the one that it is part of
    into: dict[int, int] = field(default_factory=dict)
    broad: dict[int, Broad] = field(default_factory=dict)
    rounds: list[Event] = field(default_factory=list)
    next_id: int = 0

    @property
    def last_round(self) -> int:
        return self.rounds[-1]["round"] if self.rounds else 0

    @property
    def last_fit(self) -> Event:
        """Return the last round that grouped all articles; nothing where none did."""
        return next((each for each in reversed(self.rounds) if each["kind"] == "fit"), {})

    @property
    def states(self) -> list[str | None]:
        """Return the files of what the embedders of now learnt; none where the log is too old to tell."""
        states: list[str | None] = self.last_fit.get("states") or []
        return states

    def fit_before(self, number: int) -> int:
        """Return the last round, up to one of them, that grouped all articles; 0: none did."""
        return max(
            (each["round"] for each in self.rounds if each["kind"] == "fit" and each["round"] <= number), default=0
        )

    def under(self) -> dict[int, list[int]]:
        """Return the topics that there are under each broad one."""
        groups: dict[int, list[int]] = {}
        for number in sorted(self.live):
            groups.setdefault(self.live[number].broad, []).append(number)
        return groups

    def broad_name(self, number: int) -> str:
        """Return the name of a broad topic; one with one topic under it is called as that is."""
        group = self.under().get(number, [])
        broad = self.broad.get(number)
        return self.live[group[0]].name if len(group) == 1 else broad.name if broad else ""

    def now(self, topic: int) -> int:
        """Return the topic that one is part of now."""
        while topic in self.into:
            topic = self.into[topic]
        return topic

    def apply(self, event: Event) -> None:
        """Take an event of the log."""
        getattr(self, f"_{event['event']}")(event)

    def _founded(self, event: Event) -> None:
        centroid = decoded(event["centroid"])
        former = self.live.get(event["id"])
        topic = Topic(event["id"], centroid, event["reach"], event["round"], broad=event.get("broad", 0))
        if former:  # carried over by a refit: what it is called stays
            topic = replace(former, centroid=centroid, reach=event["reach"], broad=topic.broad)
        self.live[topic.id] = topic
        self.next_id = max(self.next_id, topic.id + 1)

    def _ended(self, event: Event) -> None:
        self.live.pop(event["id"], None)

    def _described(self, event: Event) -> None:
        words, near = event["words"], tuple(event["representatives"])
        at, members = event["round"], event.get("members", 0)
        language = event.get("language")
        self._change(
            event["id"], words=words, representatives=near, language=language, described=at, described_members=members
        )

    def _named(self, event: Event) -> None:
        at, members = event["round"], event.get("members", 0)
        self._change(event["id"], name=event["name"], named_by=event["by"], named=at, named_members=members)

    def _merged(self, event: Event) -> None:
        for each in event["ids"]:
            if each != event["into"]:
                self.live.pop(each, None)
                self.into[each] = event["into"]
        # the members are others, and their topics of before do not tell any more
        middle = decoded(event["centroid"])
        self._change(event["into"], centroid=middle, reach=event["reach"], described=0, named=0)

    def _broad(self, event: Event) -> None:
        before, kept = self.broad, event.get("kept", {})
        self.broad = {
            int(key): before[kept[key]] if key in kept else Broad(name, is_new=event.get("to_be_named", False))
            for key, name in event["names"].items()
        }
        for key, broad in event["of"].items():
            self._change(int(key), broad=broad)

    def _named_broad(self, event: Event) -> None:
        self.broad[event["id"]] = Broad(event["name"], event["by"], tuple(event["members"]))

    def _round(self, event: Event) -> None:
        self.rounds.append(event)

    def _change(self, topic: int, **changes: Any) -> None:
        if topic in self.live:
            self.live[topic] = replace(self.live[topic], **changes)


@dataclass(frozen=True)
class TopicLog:
    """The log of a job."""

    path: Path

    def read(self) -> Topics:
        """Return the topics as they are now."""
        topics = Topics()
        for event in self.events():
            topics.apply(event)
        return topics

    def events(self) -> list[Event]:
        """Return the events that count, in order."""
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        events = [event for line in lines if (event := _parsed(line))]
        waiting, counted = dict[int, list[int]](), set[int]()
        for at, event in enumerate(events):
            if event.get("of_round"):
                waiting.setdefault(event["round"], []).append(at)
            elif event["event"] == "round":
                own = waiting.pop(event["round"], [])
                counted.update(own[max(0, len(own) - event.get("lines", len(own))) :])
        return [event for at, event in enumerate(events) if not event.get("of_round") or at in counted]

    def add_round(self, events: list[Event], about: Event) -> None:
        """Add what a round found; it counts as a whole or not at all."""
        number = about["round"]
        lines = [{**event, "round": number, "of_round": True} for event in events]
        lines.append({**about, "event": "round", "lines": len(events)})
        append_line(self.path, b"\n".join(map(_line, lines)))

    def add(self, event: Event) -> None:
        """Add one event that counts by itself."""
        append_line(self.path, _line(event))


def _line(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _parsed(line: bytes) -> Event | None:
    try:
        value = json.loads(line)
    except ValueError:  # the torn end of a killed run
        return None
    return value if isinstance(value, dict) and "event" in value else None


def encoded(centroid: Space) -> list[str]:
    """Return a centroid as the log holds it: the int8 of each part in Base64."""
    return [base64.b64encode(part.tobytes()).decode() for part in centroid.parts]


def decoded(parts: list[str]) -> Space:
    """Return a centroid from the log."""
    return Space(tuple(np.frombuffer(base64.b64decode(part), np.int8)[None, :] for part in parts))
