"""Names of topics: by their best words, by a model that is asked, by hand; no two alike, at most six words."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.core.text.folding import fold_case
from pipeline.topics.log import BY_HAND, BY_WORDS, Event, Topic, Topics
from pipeline.topics.space import Numbers, joined
from pipeline.topics.texts import Texts

MOST_WORDS, MOST_CHARACTERS = 6, 80  # of a name
_IN_A_NAME = 3  # of the best words
_FEWEST_FOR_BROAD = 6  # topics
_DOCUMENTS, _READ = 4, 600  # articles, and characters of each, that a model is told of a topic
_SIBLINGS, _OF_A_SIBLING = 6, 5  # topics, and words of each
_SHORT = 3  # letters of words that tell no two names apart


@dataclass(frozen=True)
class Question:
    """What a model is told of a topic that it is to name."""

    topic: int
    words: list[str]
    documents: list[str]
    siblings: list[str]  # what the topics nearest to it are about
    language: str | None


def by_words(topics: Topics, wanted: Iterable[int]) -> list[Event]:
    """Return events that name topics by their best words; names that a person gave stay."""
    taken = {fold_case(topic.name) for topic in topics.live.values() if topic.name}
    events: list[Event] = []
    for number in wanted:
        topic = topics.live[number]
        if topic.named_by == BY_HAND or (topic.name and topic.named_by != BY_WORDS):
            continue
        taken.discard(fold_case(topic.name))
        name = _unique(topic, taken)
        taken.add(fold_case(name))
        events.append({"event": "named", "id": number, "name": name, "by": BY_WORDS})
    return events


def _unique(topic: Topic, taken: Collection[str]) -> str:
    words = topic.words.get("mmr") or topic.words.get("ctfidf") or []
    for count in range(_IN_A_NAME, MOST_WORDS + 1):
        name = ", ".join(words[:count])
        if name and fold_case(name) not in taken:
            return name
    return f"{', '.join(words[:_IN_A_NAME])} {topic.id}".strip() if words else f"topic {topic.id}"


def broad_events(topics: Topics, topic: Numbers) -> list[Event]:
    """Return the event that puts topics under broad ones: groups of near ones, about the root of twice their number."""
    ids = sorted(topics.live)
    sizes = {number: int((topic == number).sum()) for number in ids}
    groups = [[number] for number in ids]
    if len(ids) >= _FEWEST_FOR_BROAD:
        groups = _merged(topics, ids, sizes, round(math.sqrt(2 * len(ids))))
    of = {str(number): min(group) for group in groups for number in group}
    taken: set[str] = set()
    broad_names = {}
    for group in sorted(groups, key=lambda group: -sum(sizes[number] for number in group)):
        broad_names[str(min(group))] = _broad_name(topics, group, sizes, taken)
    return [{"event": "broad", "of": of, "names": broad_names}] if ids else []


def _merged(topics: Topics, ids: list[int], sizes: dict[int, int], number: int) -> list[list[int]]:
    """Return groups of topics: the two that are most alike, by the mean of their members' likeness, are joined again and again."""
    middles = joined([topics.live[n].centroid for n in ids])
    likeness = middles.likeness(middles).astype(np.float64)
    weight = np.array([max(sizes[n], 1) for n in ids], np.float64)
    groups = [[n] for n in ids]
    np.fill_diagonal(likeness, -np.inf)
    while len(groups) > number:
        # Large groups swallow all others unless their size counts against them.
        score = likeness - 0.02 * np.log(weight[:, None] + weight[None, :])
        one, other = sorted(divmod(int(score.argmax()), len(groups)))
        total = weight[one] + weight[other]
        likeness[one] = (weight[one] * likeness[one] + weight[other] * likeness[other]) / total
        likeness[:, one] = likeness[one]
        likeness[one, one] = -np.inf
        weight[one] = total
        groups[one] += groups[other]
        likeness = np.delete(np.delete(likeness, other, 0), other, 1)
        weight = np.delete(weight, other)
        del groups[other]
    return groups


def _broad_name(topics: Topics, group: list[int], sizes: dict[int, int], taken: set[str]) -> str:
    if len(group) == 1:
        return topics.live[group[0]].name
    score: dict[str, float] = {}
    for number in group:
        for rank, word in enumerate(topics.live[number].words.get("ctfidf", [])):
            score[word] = score.get(word, 0.0) + math.sqrt(sizes[number]) / (rank + 2)
    words = sorted(score, key=lambda word: (-score[word], word))
    for count in range(_IN_A_NAME, MOST_WORDS + 1):
        name = ", ".join(words[:count])
        if fold_case(name) not in taken:
            break
    taken.add(fold_case(name))
    return name


def needs_model(topic: Topic, has_changed: bool) -> bool:
    """Return whether a model is to name a topic: one that none named, or that is another now; never one that a person named."""
    return topic.named_by != BY_HAND and (topic.named_by == BY_WORDS or has_changed)


def questions(texts: Texts, topics: Topics, wanted: list[int]) -> list[Question]:
    """Return what a model is told about topics: their words, some articles near the middle, what the nearest topics are about."""
    representatives = {row: number for number in wanted for row in topics.live[number].representatives[:_DOCUMENTS]}
    documents: dict[int, dict[str, str]] = {number: {} for number in wanted}
    for batch in texts.batches(["id", "text"]):
        for row_id, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True):
            if row_id in representatives:
                documents[representatives[row_id]][row_id] = text[:_READ]
    siblings = _siblings(topics, wanted)
    return [
        Question(
            number,
            topics.live[number].words.get("ctfidf", []),
            [documents[number][row] for row in topics.live[number].representatives if row in documents[number]],
            siblings[number],
            topics.live[number].language,
        )
        for number in wanted
    ]


def _siblings(topics: Topics, wanted: list[int]) -> dict[int, list[str]]:
    """Return what the topics nearest to each are about, in a few words each."""
    ids = sorted(topics.live)
    middles = joined([topics.live[number].centroid for number in ids])
    likeness = joined([topics.live[number].centroid for number in wanted]).likeness(middles)
    nearest = np.argsort(-likeness, axis=1, kind="stable")
    return {
        number: [
            ", ".join(topics.live[ids[other]].words.get("ctfidf", [])[:_OF_A_SIBLING])
            for other in row.tolist()
            if ids[other] != number
        ][:_SIBLINGS]
        for number, row in zip(wanted, nearest, strict=True)
    }


def is_alike(one: str, other: str) -> bool:
    """Return whether two names would be taken for each other: alike but for case, order and the shortest words."""
    return _content(one) == _content(other)


def _content(name: str) -> frozenset[str]:
    words = re.findall(r"\w+", fold_case(name))
    return frozenset(word for word in words if len(word) > _SHORT or not word.isascii()) or frozenset(words)


def by_model(answers: dict[int, str], model: str) -> list[Event]:
    """Return the events of names that a model gave."""
    return [{"event": "named", "id": number, "name": name, "by": model} for number, name in answers.items()]
