"""Stage topics: `filtered/` -> `topics/`: which article has which topic, where it stands on the map, and what topics are called.

Only jobs with the section `topics` have the stage; `labelmill topics JOB` runs it for any.  What is there stays: articles that came
since join topics or found new ones, and only `refit` groups all of them anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core import plugins
from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, file_digest, read_json, write_json
from pipeline.core.options import in_key
from pipeline.core.shards import read_order
from pipeline.engines.steps import NOT_RUN
from pipeline.job.topic_options import EmbedderSpec, TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.topics import broad, dropping, forgetting, names, naming, rounds, tables
from pipeline.topics.assignments import Assigned, Assignments
from pipeline.topics.describing import described
from pipeline.topics.embedding import Embedding, embedded
from pipeline.topics.log import TopicLog, Topics
from pipeline.topics.texts import Key, Texts, numbered

_log = logging.getLogger("labelmill.topics")
VERSION = 1
_OUTGROWN = 3  # times the articles of the last fit
CHANGED = 0.2  # the share of a topic's members from which on it is described and named anew
_OF_ASKING = {"headers", "limits", "budget_usd", "prices"}  # they change no vector of an embedder that is asked
_GROUPING = ("neighbours", "nr_topics", "min_size", "max_unassigned", "sample", "seed")


@dataclass
class _Stage:
    work: Workspace
    options: TopicOptions
    shards: Sequence[str]

    def __post_init__(self) -> None:
        folder = self.work.topic_table.path
        self.texts = Texts(self.work, self.shards)
        self.log, self.assignments = TopicLog(folder / "log.jsonl"), Assignments(folder / "assigned")

    @property
    def key(self) -> str:
        """What the tables are made of: the articles, the options, and everything that happened to topics."""
        inputs = [self.work.filter_output.digest(shard) for shard in self.shards]
        options = in_key(self.options, mode="json", exclude={"embed", "names", "publish", "drop"})
        given = zip(self.options.embed, self.work.config.embedder_options, strict=True)
        embedders = [in_key(each, mode="json", exclude=_no_part_of_vectors(spec)) for spec, each in given]  # masked
        log = file_digest(self.log.path) if self.log.path.exists() else None
        return digest_of([VERSION, inputs, options, embedders, sorted(self.options.drop), log])

    @property
    def grouping(self) -> dict[str, Any]:
        """The options that say how articles are grouped: another value counts from a refit on."""
        return self.options.model_dump(mode="json", include=set(_GROUPING))


def options_of(work: Workspace) -> TopicOptions:
    """Return the job's section `topics`, its defaults where it has none."""
    return work.config.topics or TopicOptions()


def _no_part_of_vectors(spec: EmbedderSpec) -> set[str]:
    """Return the options of an embedder that say how it is asked; with one that is not asked the same names mean what it likes."""
    return _OF_ASKING if plugins.load("embedders", spec.plugin).Embedder.is_asked() else set()


def run(work: Workspace, label: naming.Label | None = None, refit: bool = False) -> None:
    """Bring the topics up to date with the filtered articles; `refit`: group all of them anew.

    `label` asks and cleans what a job within the job is to ask: names of topics.  Raises Paused, with everything answered kept.
    """
    with forgetting.taken_down(work):
        _run(work, label, refit)


def forget(work: Workspace) -> None:
    """Remove what topics keep of articles that were taken down, in a job whose runs have no such stage."""
    with forgetting.taken_down(work):
        pass


def forget_vectors(work: Workspace) -> None:
    """Remove the vectors of articles that were taken down; called before their rows leave the job."""
    forgetting.forget_vectors(work)


def _run(work: Workspace, label: naming.Label | None, refit: bool) -> None:
    stage = _Stage(work, options_of(work), read_order(work.articles))
    table = work.topic_table
    if refit or (read_json(table.manifest_file) or {}).get("key") != stage.key:
        _bring_up_to_date(stage, refit)
    if label and stage.options.names:
        _name(stage, label)
    dropping.check(work, stage.options, stage.log.read())
    dropping.run(work, stage.options, stage.shards)


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return the state of `topics/` against `filtered/` and the job file."""
    stage, manifest = _Stage(work, options_of(work), shards), read_json(work.topic_table.manifest_file)
    if manifest is None:
        return NOT_RUN
    try:
        key = stage.key
    except InputError:
        return NOT_RUN
    if manifest["key"] != key:
        return "stale: articles or topics changed"
    return dropping.state(work, stage.options, shards)


@dataclass
class Opened:
    """Everything that is there of the topics of a job."""

    numbers: dict[Key, int]  # the row of each text
    topics: Topics
    space: Embedding
    assigned: Assigned


def opened(work: Workspace, refit: bool = False) -> Opened:
    """Return the topics of a job as its log leaves them, with the vectors of all articles."""
    stage = _Stage(work, options_of(work), read_order(work.articles))
    numbers, topics = numbered(stage.texts.keys()), stage.log.read()

    def check(identities: list[str]) -> None:
        if not refit and topics.rounds:
            _check_same_embedders(stage, topics, identities)

    space = embedded(work, stage.options, stage.texts, numbers, None if refit else topics.states, check)
    _tell_what_waits(stage, topics, space, refit)
    return Opened(numbers, topics, space, _assigned(stage, numbers, topics))


def opened_log(work: Workspace) -> Topics:
    """Return the topics of a job as its log leaves them."""
    return _Stage(work, options_of(work), []).log.read()


def _assigned(stage: _Stage, numbers: dict[Key, int], topics: Topics) -> Assigned:
    return _assigned_at(stage, numbers, topics, topics.last_round)


def _assigned_at(stage: _Stage, numbers: dict[Key, int], topics: Topics, number: int) -> Assigned:
    """Return what a round left assigned, under the ids of now."""
    assigned = stage.assignments.read(numbers, number, topics.fit_before(number))
    assigned.topic = rounds.members(topics, assigned.topic)
    return assigned


def _bring_up_to_date(stage: _Stage, refit: bool) -> None:
    # of few articles nothing was learnt that others should be held against
    refit = refit or not stage.log.read().live
    now = opened(stage.work, refit)
    assigned, topics = now.assigned, now.topics
    if now.numbers and (refit or _has_news(stage, now)):
        assigned, topics = _round(stage, now, refit)
    tables.write(stage.work, stage.texts, now.numbers, assigned, topics, now.space.space, stage.options.drop)
    write_json(stage.work.topic_table.manifest_file, {"key": stage.key, "rounds": topics.last_round})


def _has_news(stage: _Stage, now: Opened) -> bool:
    """Return whether there are articles that no round has seen, or topics that are others than they were described."""
    return bool(now.assigned.is_new.any() or _changed(stage, now.numbers, now.topics, now.assigned, "described"))


def _check_same_embedders(stage: _Stage, topics: Topics, identities: list[str]) -> None:
    """Raise InputError where the topics were found by other embedders."""
    if topics.last_fit["embedders"] != identities:
        raise InputError(
            f"{stage.work.topic_table.path}: the topics were found by other embedders than topics.embed names now; "
            f"labelmill topics {stage.work.config.in_commands} --refit groups all articles anew, and topics that go on keep "
            "their ids"
        )


def _tell_what_waits(stage: _Stage, topics: Topics, space: Embedding, refit: bool) -> None:
    """Tell where the job has outgrown its topics, or other options wait for a refit."""
    if refit or not topics.rounds:
        return
    fitted = topics.last_fit
    command = f"labelmill topics {stage.work.config.in_commands} --refit"
    waiting = [name for name, value in stage.grouping.items() if fitted["options"].get(name, value) != value]
    if len(space.space) >= _OUTGROWN * fitted["articles"]:
        _log.info(
            f"topics: there are {len(space.space) // fitted['articles']} times the articles that were grouped; {command}"
        )
    if waiting:
        _log.info(f"topics: {', '.join(waiting)} changed, and counts from a refit on: {command}")


def _round(stage: _Stage, now: Opened, refit: bool) -> tuple[Assigned, Topics]:
    number, keys = now.topics.last_round + 1, list(now.numbers)
    make = rounds.first if refit else rounds.further
    made = make(now.space.space, keys, stage.options, now.topics, now.assigned)
    about: dict[str, Any] = {"round": number, "kind": "fit" if refit else "growth", "articles": len(keys)}
    if refit:
        about |= {"embedders": now.space.identities, "states": now.space.states, "options": stage.grouping}
    after = stage.log.read()
    for event in made.events:
        after.apply({**event, "round": number})
    descriptions = _described(stage, now.numbers, after, now.space, made.assigned, number)
    for event in descriptions:
        after.apply({**event, "round": number})
    layers = broad.events(after, made.assigned.topic) if refit else []
    stage.assignments.write(number, keys, made.changed, made.assigned)
    stage.log.add_round([*made.events, *descriptions, *layers], about)
    return made.assigned, stage.log.read()


def _described(
    stage: _Stage, numbers: dict[Key, int], topics: Topics, space: Embedding, assigned: Assigned, number: int
) -> list[dict[str, Any]]:
    """Return the descriptions, and names by words, of topics that are new or whose members changed by a fifth."""
    wanted = _changed(stage, numbers, topics, assigned, "described")
    if not wanted:
        return []
    middles = rounds.middles_of(topics)
    by_topic = described(stage.texts, numbers, assigned.topic, space.space, middles, wanted)
    events: list[dict[str, Any]] = [
        {
            "event": "described",
            "id": topic,
            "words": each.words,
            "representatives": each.representatives,
            "language": each.language,
        }
        for topic, each in by_topic.items()
    ]
    events = _with_members(events, assigned)
    for event in events:
        topics.apply({**event, "round": number})
    return events + _with_members(names.by_words(topics, wanted), assigned)


def _with_members(events: list[dict[str, Any]], assigned: Assigned) -> list[dict[str, Any]]:
    """Return events with how many members their topics have, so that members which are no articles any more are missed."""
    return [{**event, "members": int((assigned.topic == event["id"]).sum())} for event in events]


def _changed(stage: _Stage, numbers: dict[Key, int], topics: Topics, assigned: Assigned, since: str) -> list[int]:
    """Return the topics whose members changed by a fifth since the round in which they were `described` or `named`."""
    changed: list[int] = []
    before: dict[int, Any] = {}
    for topic in sorted(topics.live.values(), key=lambda topic: topic.id):
        at = getattr(topic, since)
        if at and at not in before:
            before[at] = _assigned_at(stage, numbers, topics, at).topic
        own = np.flatnonzero(assigned.topic == topic.id)
        members = getattr(topic, f"{since}_members")
        if not at or rounds.has_changed(np.flatnonzero(before[at] == topic.id), own, CHANGED, members):
            changed.append(topic.id)
    return changed


def _name(stage: _Stage, label: naming.Label) -> None:
    """Have a model name the topics that it has not named, or whose members changed by a fifth since."""
    if stage.options.names is None:
        return
    topics, assigned, wanted = _to_be_named(stage)
    asked = _questions(stage, topics, assigned, wanted)
    layers = broad.kept(topics, broad.unnoted(topics))
    if not asked and not layers:
        return
    about = {question.topic for question in asked}
    taken = [topic.name for topic in topics.live.values() if topic.id not in about]
    taken += [topics.broad_name(number) for number in topics.under() if broad.question_id(number) not in about]
    answers, refused = naming.names_of(stage.work, stage.options, asked, taken, label)
    model = stage.options.names.model or stage.options.names.provider
    events = names.by_model({number: name for number, name in answers.items() if number >= 0}, model)
    layers += broad.by_model(topics, {number: name for number, name in answers.items() if number < 0}, model)
    layers += broad.kept(topics, [broad.question_id(number) for number in sorted(refused) if number < 0])
    for event in [*_with_members(events, assigned), *layers]:
        stage.log.add({**event, "round": topics.last_round})
    _bring_up_to_date(stage, refit=False)


def _to_be_named(stage: _Stage) -> tuple[Topics, Assigned, list[int]]:
    numbers, topics = numbered(stage.texts.keys()), stage.log.read()
    assigned = _assigned(stage, numbers, topics)
    changed = set(_changed(stage, numbers, topics, assigned, "named"))
    wanted = [topic.id for topic in topics.live.values() if names.needs_model(topic, topic.id in changed)]
    return topics, assigned, wanted


def _questions(stage: _Stage, topics: Topics, assigned: Assigned, wanted: list[int]) -> list[names.Question]:
    """Return what a model is to name: topics, and the broad ones above them, in one job, so that no two are called alike."""
    fine = names.questions(stage.texts, topics, wanted) if wanted else []
    layers = broad.wanted(topics)
    return fine + (broad.questions(stage.texts, topics, assigned.topic, layers) if layers else [])


def naming_job(work: Workspace) -> Workspace | None:
    """Return the job within the job that names topics, with those that are to be named; None where no model names them."""
    stage = _Stage(work, options_of(work), read_order(work.articles))
    job = naming.workspace(work, stage.options)
    if job is not None:
        naming.write(job, _questions(stage, *_to_be_named(stage)), [])
    return job


def apply_by_hand(work: Workspace, *events: dict[str, Any]) -> None:
    """Note what a person says of topics, for good, and bring the tables up to date."""
    stage = _Stage(work, options_of(work), read_order(work.articles))
    for event in events:
        stage.log.add({**event, "round": stage.log.read().last_round})
    _bring_up_to_date(stage, refit=False)
