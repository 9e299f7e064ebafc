"""Broad topics: groups of near topics above the fine ones, named by their topics' best words, or by the model that names these."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.core.text.folding import fold_case
from pipeline.topics.log import BY_WORDS, Event, Topics
from pipeline.topics.names import DOCUMENTS, IN_A_NAME, MOST_WORDS, OF_A_SIBLING, SIBLINGS, Question, read
from pipeline.topics.space import Numbers, joined
from pipeline.topics.texts import Texts

_FEWEST_FOR_BROAD = 6  # topics
_WORDS = 10
_SAME = 0.8  # of the topics of two groups together: so much alike they are one, whose name stays


def events(topics: Topics, topic: Numbers) -> list[Event]:
    """Return the event that puts topics under broad ones: groups of near ones, about the root of twice their number."""
    ids = sorted(topics.live)
    sizes = {number: int((topic == number).sum()) for number in ids}
    groups = [[number] for number in ids]
    if len(ids) >= _FEWEST_FOR_BROAD:
        groups = _merged(topics, ids, sizes, round(math.sqrt(2 * len(ids))))
    of = {str(number): min(group) for group in groups for number in group}
    taken = {fold_case(each.name) for each in topics.live.values()}
    names, kept = {}, {}
    for group in sorted(groups, key=lambda group: -sum(sizes[number] for number in group)):
        number = str(min(group))
        if former := _former(topics, group):
            names[number], kept[number] = former
        else:
            names[number] = _by_words(topics, group, sizes, taken)
        taken.add(fold_case(names[number]))
    event = {"event": "broad", "of": of, "names": names, "to_be_named": True}
    return [event | ({"kept": kept} if kept else {})] if ids else []


def _former(topics: Topics, group: list[int]) -> tuple[str, int] | None:
    """Return the name that a model gave a broad topic of before, and its id, where nearly the same topics are under it."""
    for number, broad in topics.broad.items():
        if broad.by != BY_WORDS and _likeness(broad.members, group) >= _SAME:
            return broad.name, number
    return None


def _likeness(one: Iterable[int], other: Iterable[int]) -> float:
    first, second = set(one), set(other)
    return len(first & second) / max(len(first | second), 1)


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


def _by_words(topics: Topics, group: list[int], sizes: Mapping[int, int], taken: set[str]) -> str:
    if len(group) == 1:
        return topics.live[group[0]].name
    words = _best_words(topics, group, sizes)
    for count in range(IN_A_NAME, MOST_WORDS + 1):
        name = ", ".join(words[:count])
        if fold_case(name) not in taken:
            break
    return name


def _best_words(topics: Topics, group: Iterable[int], sizes: Mapping[int, int]) -> list[str]:
    score: dict[str, float] = {}
    for number in group:
        for rank, word in enumerate(topics.live[number].words.get("ctfidf", [])):
            score[word] = score.get(word, 0.0) + math.sqrt(sizes[number]) / (rank + 2)
    return sorted(score, key=lambda word: (-score[word], word))


# --- names by a model ---


def question_id(broad: int) -> int:
    """Return the id of the question about a broad topic, which no topic has; of such a one, the broad topic."""
    return -1 - broad


def wanted(topics: Topics) -> list[int]:
    """Return the broad topics that a model is to name: of several topics, that are new, or of others by a fifth now.

    Those of a log that is older than such questions are not new: nobody who runs a job again has started to pay for them.
    """
    return [
        number
        for number, group in sorted(topics.under().items())
        if len(group) > 1
        and (
            (broad := topics.broad.get(number)) is None
            or broad.is_new
            or (broad.members and _likeness(broad.members, group) < _SAME)
        )
    ]


def unnoted(topics: Topics) -> list[int]:
    """Return the broad topics that have a name, of a log that does not tell what was under them when it was given."""
    return [number for number, broad in sorted(topics.broad.items()) if not broad.is_new and not broad.members]


def kept(topics: Topics, numbers: Iterable[int]) -> list[Event]:
    """Return the events by which the names of broad topics stay until a fifth of what is under them now has changed."""
    groups = topics.under()
    return [
        {
            "event": "named_broad",
            "id": number,
            "name": topics.broad[number].name if number in topics.broad else "",
            "by": topics.broad[number].by if number in topics.broad else BY_WORDS,
            "members": groups[number],
        }
        for number in numbers
        if number in groups
    ]


def questions(texts: Texts, topics: Topics, topic: Numbers, numbers: list[int]) -> list[Question]:
    """Return what a model is told of broad topics: their best words, an article of each topic under them, what those are about."""
    groups = topics.under()
    sizes = {number: int((topic == number).sum()) for number in topics.live}
    largest = {number: sorted(group, key=lambda each: (-sizes[each], each)) for number, group in groups.items()}
    shown = {
        number: [row for each in largest[number] for row in topics.live[each].representatives[:1]][:DOCUMENTS]
        for number in numbers
    }
    documents = read(texts, {row for rows in shown.values() for row in rows})
    words = {number: _best_words(topics, group, sizes) for number, group in groups.items()}
    return [
        Question(
            question_id(number),
            words[number][:_WORDS],
            [documents[row] for row in shown[number] if row in documents],
            [", ".join(words[other][:OF_A_SIBLING]) for other in sorted(groups) if other != number][:SIBLINGS],
            topics.live[largest[number][0]].language,
            tuple(", ".join(topics.live[each].words.get("ctfidf", [])[:OF_A_SIBLING]) for each in largest[number]),
        )
        for number in numbers
    ]


def by_model(topics: Topics, answers: Mapping[int, str], model: str) -> list[Event]:
    """Return the events of names that a model gave broad topics, by the ids of their questions."""
    groups = topics.under()
    return [
        {
            "event": "named_broad",
            "id": question_id(number),
            "name": name,
            "by": model,
            "members": groups[question_id(number)],
        }
        for number, name in answers.items()
    ]
