"""From vectors to topics: a first grouping, articles that join what there is, and new topics of those that do not.

What is here is pure: rows of a space, numbers of groups, no disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.job.topic_options import TopicOptions
from pipeline.topics import communities
from pipeline.topics.assignments import NONE, SAYS_NOTHING
from pipeline.topics.communities import Graph
from pipeline.topics.space import Floats, Numbers, Space, joined, neighbours

_REACH = 0.05  # the share of a topic's own articles that are outside of its reach
_LEAST, _MOST, _PER_TOPIC = 3, 30, 500  # the least size of a topic: articles / 500, within bounds


@dataclass(frozen=True)
class Grouping:
    """Groups of the rows of a space: the number of a group, or `NONE`, and the weights between rows for the map."""

    labels: Numbers
    matrix: Any


def min_size(options: TopicOptions, articles: int) -> int:
    """Return how many articles make a topic."""
    if options.min_size != "auto":
        return options.min_size
    return int(np.clip(articles // _PER_TOPIC, _LEAST, _MOST))


def grouped(space: Space, options: TopicOptions, least: int) -> Grouping:
    """Group the rows of a space; those of groups that are too small have none."""
    graph = Graph(*neighbours(space, options.neighbours))
    if len(space) < least:
        labels = np.arange(len(space))
    elif len(space) == least:
        labels = np.zeros(len(space), np.int64)
    elif options.nr_topics == "auto":
        labels = communities.stable_communities(graph, least, options.seed)
    else:
        labels = communities.communities_of_number(graph, options.nr_topics, least, options.seed)
        labels = _merged_to(space, labels, options.nr_topics, least)
    counts = np.bincount(labels, minlength=1)
    return Grouping(np.where(counts[labels] >= least, labels, NONE), graph.matrix)


def _merged_to(space: Space, labels: Numbers, number: int, least: int) -> Numbers:
    """Return labels with the groups that are most alike joined until so many large ones are left."""
    labels = labels.copy()
    large = [int(group) for group in np.flatnonzero(np.bincount(labels) >= least)]
    middles = {group: space.centroid(np.flatnonzero(labels == group)) for group in large}
    while len(large) > number:
        likeness = joined([middles[group] for group in large]).likeness(joined([middles[group] for group in large]))
        np.fill_diagonal(likeness, -np.inf)
        one, other = sorted(divmod(int(likeness.argmax()), len(large)))
        labels[labels == large[other]] = large[one]
        middles[large[one]] = space.centroid(np.flatnonzero(labels == large[one]))
        del large[other]
    return communities.by_size(labels)


@dataclass(frozen=True)
class Middles:
    """The middles of topics with their reach, by the topics' ids."""

    ids: Numbers
    space: Space
    reach: Floats

    def __len__(self) -> int:
        return len(self.ids)


def middle_of(space: Space, rows: Any) -> tuple[Space, float]:
    """Return the middle of a topic's articles, and how similar an article must be to it to join."""
    middle = space.centroid(rows)
    likeness = space.take(rows).likeness(middle)[:, 0]
    return middle, float(np.quantile(likeness, _REACH))


def joining(space: Space, rows: Any, middles: Middles) -> tuple[Numbers, Floats]:
    """Return for some rows the nearest of the topics within whose reach they are, or `NONE`, and by how much they are within
    reach of the one that is nearest to having them (below 0: outside)."""
    topics, margins = np.full(len(rows), NONE, np.int64), np.full(len(rows), -np.inf, np.float32)
    if not len(middles):
        return topics, margins
    for part, likeness in space.take(rows).blocks(middles.space):
        margin = likeness - middles.reach
        best = np.where(margin >= 0, likeness, -np.inf).argmax(axis=1)
        at = np.arange(len(best))
        topics[part] = np.where(margin[at, best] >= 0, middles.ids[best], NONE)
        margins[part] = margin.max(axis=1)
    return topics, margins


def nearest(space: Space, rows: Any, middles: Middles) -> Numbers:
    """Return the topic nearest to having each row: within its reach by most, or outside by least."""
    topics = np.full(len(rows), NONE, np.int64)
    for part, likeness in space.take(rows).blocks(middles.space):
        topics[part] = middles.ids[(likeness - middles.reach).argmax(axis=1)]
    return topics


def similarity(space: Space, topic: Numbers, middles: Middles) -> Floats:
    """Return for each row how similar it is to the middle of its topic, of the nearest one where it has none."""
    values = np.full(len(space), np.nan, np.float32)
    if not len(middles):
        return values
    at = {int(number): position for position, number in enumerate(middles.ids)}
    own = np.array([at.get(int(number), -1) for number in topic])
    for part, likeness in space.blocks(middles.space):
        column = np.where(own[part] >= 0, own[part], likeness.argmax(axis=1))
        values[part] = likeness[np.arange(len(likeness)), column]
    return values


def settle_rest(space: Space, topic: Numbers, reason: list[str | None], middles: Middles, most: float) -> None:
    """Give those without a topic the nearest one until at most a share `most` is without, the nearest to a reach first; rows that
    say nothing stay without."""
    without = np.flatnonzero(topic == NONE)
    allowed = int(most * len(topic))
    able = np.array([row for row in without.tolist() if reason[row] != SAYS_NOTHING], np.int64)
    excess = len(without) - allowed
    if excess <= 0 or not len(able) or not len(middles):
        return
    margins = joining(space, able, middles)[1]
    chosen = able[np.argsort(-margins, kind="stable")[:excess]]
    topic[chosen] = nearest(space, chosen, middles)
    for row in chosen.tolist():
        reason[row] = None
