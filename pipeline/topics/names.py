"""Names of topics: by their best words, by a model that is asked, by hand; no two alike, at most six words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.core.text.folding import fold_case
from pipeline.topics.log import BY_HAND, BY_WORDS, Event, Topic, Topics
from pipeline.topics.space import joined
from pipeline.topics.texts import Texts

MOST_WORDS, MOST_CHARACTERS = 6, 80  # of a name
IN_A_NAME = 3  # of the best words
DOCUMENTS, _READ = 4, 600  # articles, and characters of each, that a model is told of a topic
SIBLINGS, OF_A_SIBLING = 6, 5  # topics, and words of each
_SHORT = 3  # letters of words that tell no two names apart


@dataclass(frozen=True)
class Question:
    """What a model is told of a topic that it is to name; `topic` is its id, or that of a broad one (`broad.question_id`)."""

    topic: int
    words: list[str]
    documents: list[str]
    siblings: list[str]  # what the topics nearest to it are about
    language: str | None
    within: tuple[str, ...] = ()  # what the topics under a broad one are about


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
    for count in range(IN_A_NAME, MOST_WORDS + 1):
        name = ", ".join(words[:count])
        if name and fold_case(name) not in taken:
            return name
    return f"{', '.join(words[:IN_A_NAME])} {topic.id}".strip() if words else f"topic {topic.id}"


def needs_model(topic: Topic, has_changed: bool) -> bool:
    """Return whether a model is to name a topic: one that none named, or that is another now; never one that a person named."""
    return topic.named_by != BY_HAND and (topic.named_by == BY_WORDS or has_changed)


def questions(texts: Texts, topics: Topics, wanted: list[int]) -> list[Question]:
    """Return what a model is told about topics: their words, some articles near the middle, what the nearest topics are about."""
    documents = read(texts, {row for number in wanted for row in topics.live[number].representatives[:DOCUMENTS]})
    siblings = _siblings(topics, wanted)
    return [
        Question(
            number,
            topics.live[number].words.get("ctfidf", []),
            [documents[row] for row in topics.live[number].representatives[:DOCUMENTS] if row in documents],
            siblings[number],
            topics.live[number].language,
        )
        for number in wanted
    ]


def read(texts: Texts, ids: Collection[str]) -> dict[str, str]:
    """Return how some articles begin, by id."""
    beginnings: dict[str, str] = {}
    for batch in texts.batches(["id", "text"]) if ids else ():
        for row_id, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True):
            if row_id in ids:
                beginnings[row_id] = text[:_READ]
    return beginnings


def _siblings(topics: Topics, wanted: list[int]) -> dict[int, list[str]]:
    """Return what the topics nearest to each are about, in a few words each."""
    ids = sorted(topics.live)
    middles = joined([topics.live[number].centroid for number in ids])
    likeness = joined([topics.live[number].centroid for number in wanted]).likeness(middles)
    nearest = np.argsort(-likeness, axis=1, kind="stable")
    return {
        number: [
            ", ".join(topics.live[ids[other]].words.get("ctfidf", [])[:OF_A_SIBLING])
            for other in row.tolist()
            if ids[other] != number
        ][:SIBLINGS]
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
