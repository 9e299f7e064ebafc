"""One round: what the articles of now make of the topics of before.  The first one groups them, later ones let new articles join
and found topics, a refit groups anew and carries ids over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.job.topic_options import TopicOptions
from pipeline.topics import grouping, layout
from pipeline.topics.assignments import FAR_FROM_ALL, NONE, SAYS_NOTHING, TOO_FEW_ALIKE, Assigned
from pipeline.topics.grouping import Middles
from pipeline.topics.log import Event, Topics, encoded
from pipeline.topics.space import Numbers, Space, joined
from pipeline.topics.texts import Key

_CARRIED = 0.3  # how alike (Jaccard) the articles of two topics are that are one before and after a refit
_OF_MERGED = 0.5  # the share of a group that was in a topic merged by hand: it stays in that topic
_COHESION = 0.1  # new topics hang together as well as all but this share of the old ones


@dataclass
class Round:
    """The outcome of a round: who has which topic, where, and what the log is told."""

    assigned: Assigned
    changed: Any  # rows whose topic, reason or position is another than before
    events: list[Event] = field(default_factory=list)


def middles_of(topics: Topics) -> Middles:
    """Return the middles of the topics that there are."""
    ids = sorted(topics.live)
    spaces = [topics.live[number].centroid for number in ids]
    space = joined(spaces) if spaces else Space(())
    return Middles(np.array(ids, np.int64), space, np.array([topics.live[n].reach for n in ids], np.float32))


def first(space: Space, keys: list[Key], options: TopicOptions, topics: Topics, before: Assigned) -> Round:
    """Group all articles; where there were topics before, theirs that go on under their ids."""
    says = np.flatnonzero(~space.says_nothing)
    sample = says[: options.sample]  # keys are digests: the first of them are a sample at random
    groups = grouping.grouped(space.take(sample), options, grouping.min_size(options, len(says)))
    ids = _ids_of_groups(groups.labels, before.topic[sample], topics)
    assigned = Assigned.nothing(len(space))
    assigned.topic[sample] = np.array([ids.get(int(label), NONE) for label in groups.labels], np.int64)
    events = [_founded(number, space, sample[assigned.topic[sample] == number]) for number in sorted(set(ids.values()))]
    events = [{"event": "ended", "id": number} for number in sorted(set(topics.live) - set(ids.values()))] + events
    middles = middles_of(_applied(events))
    small = np.zeros(len(space), bool)
    small[sample] = groups.labels == NONE
    _join(space, np.flatnonzero(assigned.topic == NONE), middles, assigned, small)
    grouping.settle_rest(space, assigned.topic, assigned.reason, middles, options.max_unassigned)
    assigned.position[sample] = layout.laid_out(
        space.take(sample), _own_group(assigned.topic[sample]), groups.matrix, options.seed
    )
    _place(space, keys, assigned)
    return Round(assigned, np.arange(len(space)), events)


def further(space: Space, keys: list[Key], options: TopicOptions, topics: Topics, assigned: Assigned) -> Round:
    """Let new articles join the topics that there are; those without one found new topics where enough are alike."""
    before = (assigned.topic.copy(), list(assigned.reason))
    new = np.flatnonzero(assigned.is_new)
    middles = middles_of(topics)
    _join(space, new, middles, assigned, np.zeros(len(space), bool))
    events = _new_topics(space, options, topics, assigned, middles) if len(new) else []
    if events:
        middles = middles_of(_applied(events, topics))
    if len(new):
        grouping.settle_rest(space, assigned.topic, assigned.reason, middles, options.max_unassigned)
    _place(space, keys, assigned)
    was_new = np.zeros(len(space), bool)
    was_new[new] = True
    reasons = np.array([one != other for one, other in zip(before[1], assigned.reason, strict=True)], bool)
    changed = np.flatnonzero(was_new | (before[0] != assigned.topic) | reasons)
    return Round(assigned, changed, events)


def _applied(events: list[Event], topics: Topics | None = None) -> Topics:
    """Return the topics after some events, without touching those before."""
    after = Topics(dict(topics.live), dict(topics.into)) if topics else Topics()
    for event in events:
        if event["event"] == "founded":
            after.apply({**event, "round": 0})
    return after


def _founded(number: int, space: Space, rows: Any) -> Event:
    middle, reach = grouping.middle_of(space, rows)
    return {"event": "founded", "id": number, "centroid": encoded(middle), "reach": round(reach, 6)}


def _join(space: Space, rows: Any, middles: Middles, assigned: Assigned, small: Any) -> None:
    topics, _ = grouping.joining(space, rows, middles)
    silent = space.take(rows).says_nothing
    for at, row in enumerate(rows.tolist()):
        assigned.topic[row] = NONE if silent[at] else topics[at]
        if assigned.topic[row] == NONE:
            assigned.reason[row] = SAYS_NOTHING if silent[at] else TOO_FEW_ALIKE if small[row] else FAR_FROM_ALL
        else:
            assigned.reason[row] = None


def _place(space: Space, keys: list[Key], assigned: Assigned) -> None:
    rows = np.flatnonzero(np.isnan(assigned.position[:, 0]))
    if len(rows):
        assigned.position[rows] = layout.beside(space, keys, rows, assigned.position)


def _own_group(topic: Numbers) -> Numbers:
    """Return topics as numbers from 0; those without one are a group of their own."""
    return np.asarray(np.unique(topic, return_inverse=True)[1], np.int64)


def _new_topics(
    space: Space, options: TopicOptions, topics: Topics, assigned: Assigned, middles: Middles
) -> list[Event]:
    """Return the topics that articles without one found, and give these to them."""
    loose = np.flatnonzero((assigned.topic == NONE) & ~space.says_nothing)
    least = grouping.min_size(options, len(space))
    if len(loose) < max(least, 3):
        return []
    # A number of topics that was asked for is that of the whole job: it says nothing of how many the loose ones are.
    auto = options.model_copy(update={"nr_topics": "auto"})
    loose = loose[: options.sample]
    labels = grouping.grouped(space.take(loose), auto, least).labels
    groups = [loose[labels == label] for label in range(int(labels.max(initial=NONE)) + 1)]
    bar, events = _cohesion(space, assigned, middles), list[Event]()
    together = _joined(space, [rows for rows in groups if len(rows) >= least], bar)
    for number, rows in enumerate((rows for rows in together if _hangs_together(space, rows) >= bar), topics.next_id):
        events.append(_founded(number, space, rows) | {"broad": _broad_of(space, rows, topics)})
        assigned.topic[rows] = number
        for row in rows.tolist():
            assigned.reason[row] = None
    return events


def _joined(space: Space, groups: list[Any], bar: float) -> list[Any]:
    """Return groups, those joined that hang together as one topic does: few articles are easily parted too finely."""
    kept: list[Any] = []
    for rows in groups:
        for at, other in enumerate(kept):
            both = np.sort(np.concatenate([other, rows]))
            if _hangs_together(space, both) >= bar:
                kept[at] = both
                break
        else:
            kept.append(rows)
    return kept


def _broad_of(space: Space, rows: Any, topics: Topics) -> int:
    """Return the broad topic of the topic that is nearest to some rows."""
    middles = middles_of(topics)
    nearest = int(space.centroid(rows).likeness(middles.space)[0].argmax()) if len(middles) else -1
    return topics.live[int(middles.ids[nearest])].broad if len(middles) else topics.next_id


def _hangs_together(space: Space, rows: Any) -> float:
    return float(space.take(rows).likeness(space.centroid(rows)).mean())


def _cohesion(space: Space, assigned: Assigned, middles: Middles) -> float:
    """Return how well a group must hang together to be a topic: about as well as the topics that there are."""
    values = [
        _hangs_together(space, rows)
        for number in middles.ids.tolist()
        if len(rows := np.flatnonzero(assigned.topic == number)) > 1
    ]
    return float(np.quantile(values, _COHESION)) if values else 0.0


def _ids_of_groups(labels: Numbers, before: Numbers, topics: Topics) -> dict[int, int]:
    """Return group -> topic id: that of the topic before whose articles are most alike, else a new one, the largest group first."""
    groups = range(int(labels.max(initial=NONE)) + 1)
    sizes = {group: int((labels == group).sum()) for group in groups}
    groups = [group for group in groups if sizes[group]]  # type: ignore[assignment]
    pairs = []
    for group in groups:
        theirs, counts = np.unique(before[labels == group], return_counts=True)
        for number, shared in zip(theirs.tolist(), counts.tolist(), strict=True):
            if number in topics.live:
                alike = shared / (sizes[group] + int((before == number).sum()) - shared)
                pairs.append((-alike, group, number, shared))
    ids: dict[int, int] = {}
    for alike, group, number, _ in sorted(pairs):
        if -alike >= _CARRIED and group not in ids and number not in ids.values():
            ids[group] = number
    merged = set(topics.into.values())
    for _, group, number, shared in sorted(pairs):
        if group not in ids and number in merged and shared > _OF_MERGED * sizes[group]:
            ids[group] = number  # people said that this is one topic
    number = topics.next_id
    for group in groups:
        if group not in ids:
            ids[group] = number
            number += 1
    return ids


def members(topics: Topics, topic: Numbers) -> Numbers:
    """Return the topics of rows as they are now: of merged ones the one that they are part of."""
    return np.array([topics.now(int(number)) if number != NONE else NONE for number in topic], np.int64)


def has_changed(one: Any, other: Any, share: float, members: int) -> bool:
    """Return whether so large a share of the members of a topic is another than it was, of so many: some are no articles now."""
    was, now = set(one.tolist()), set(other.tolist())
    left = max(0, members - len(was))
    return len(was ^ now) + left >= share * max(len(was) + left, 1)
