"""What a round did to topics: which were born, which died, which were split or merged, by where their articles went."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.job.workspace import Workspace
from pipeline.topics import rounds
from pipeline.topics.assignments import NONE, Assignments
from pipeline.topics.log import TopicLog
from pipeline.topics.space import Numbers
from pipeline.topics.texts import Texts, numbered

_PART = 0.2  # of a topic's articles: from there on they are a part of it


def last_changes(work: Workspace, shards: list[str]) -> dict[str, Any]:
    """Return what became of topics since the round before the last one, merges by hand included."""
    folder = work.topic_table.path
    log = TopicLog(folder / "log.jsonl")
    topics, names = log.read(), _all_names(log)
    numbers = numbered(Texts(work, shards).keys())
    assignments = Assignments(folder / "assigned")
    last = topics.last_round
    now = rounds.members(topics, assignments.read(numbers, last, topics.fit_before(last)).topic)
    before = assignments.read(numbers, last - 1, topics.fit_before(last - 1)).topic
    flows = _flows(before, now)
    events = log.events()
    founded = {event["id"] for event in events if event["event"] == "founded" and event["round"] == last}
    earlier = {event["id"] for event in events if event["event"] == "founded" and event["round"] < last}
    ended = {event["id"] for event in events if event["event"] == "ended" and event["round"] == last}
    return {
        "round": last,
        "kind": topics.rounds[-1]["kind"] if topics.rounds else None,
        "born": _told(sorted(founded - earlier), names),
        "died": _told(sorted(ended), names),
        "split": [{**each, "into": _told(parts, names)} for each, parts in _parted(flows, names)],
        "merged": [{**each, "of": _told(parts, names)} for each, parts in _joined(flows, names)],
        "merged_by_hand": [
            {"id": one, "into": topics.now(one), "name": names.get(one, "")} for one in sorted(topics.into)
        ],
    }


def _all_names(log: TopicLog) -> dict[int, str]:
    return {event["id"]: event["name"] for event in log.events() if event["event"] == "named"}


def _told(ids: list[int], names: dict[int, str]) -> list[dict[str, Any]]:
    return [{"id": number, "name": names.get(number, "")} for number in ids]


def _flows(before: Numbers, now: Numbers) -> dict[int, dict[int, float]]:
    """Return topic before -> topic now -> the share of its articles that went there."""
    flows: dict[int, dict[int, float]] = {}
    for number in np.unique(before[before != NONE]).tolist():
        there, counts = np.unique(now[before == number], return_counts=True)
        whole = counts.sum()
        flows[number] = {
            to: count / whole for to, count in zip(there.tolist(), counts.tolist(), strict=True) if to != NONE
        }
    return flows


def _parted(flows: dict[int, dict[int, float]], names: dict[int, str]) -> list[tuple[dict[str, Any], list[int]]]:
    parts = {number: sorted(to for to, share in went.items() if share >= _PART) for number, went in flows.items()}
    return [({"id": number, "name": names.get(number, "")}, some) for number, some in parts.items() if len(some) > 1]


def _joined(flows: dict[int, dict[int, float]], names: dict[int, str]) -> list[tuple[dict[str, Any], list[int]]]:
    """Return the topics to which most articles of several topics went."""
    sources: dict[int, list[int]] = {}
    for number, went in flows.items():
        for to, share in went.items():
            if share > 0.5:
                sources.setdefault(to, []).append(number)
    return [({"id": to, "name": names.get(to, "")}, some) for to, some in sorted(sources.items()) if len(some) > 1]
