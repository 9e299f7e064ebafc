"""review: `labels/` + the verdict log -> `reviewed/`.  Applies what people have said so far, never waits for more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.engines.local import map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.errors import InputError
from pipeline.interchange import formats
from pipeline.interchange.answers import Item, Source, Task, news, said_by
from pipeline.review import judgements, verdicts
from pipeline.review.judgements import Judgement, Log
from pipeline.review.labels import OwnLabels, checker
from pipeline.review.lanes import Lanes
from pipeline.review.population import Population
from pipeline.stages import clean
from pipeline.tables import Output, read_order, rejected_table
from pipeline.workspace import Workspace

VERSION = 2


def run(work: Workspace) -> None:
    """Bring `reviewed/` up to date with `labels/` and the verdicts."""
    log, shards = verdicts.load(work.verdicts_file), read_order(work.articles)
    clean.check_column(work.labels, work)
    map_shards(
        _step(work, log),
        shards,
        transform=lambda shard: _apply(work, work.labels.read(shard).to_pylist(), log),
        progress=work.progress("review", len(shards), "shards"),
    )


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Whether `reviewed/` is up to date with `labels/` and with what people have said."""
    return state_of([_step(work, verdicts.load(work.verdicts_file))], shards)


def _step(work: Workspace, log: dict[str, verdicts.Verdicts]) -> Step:
    return Step(
        work.reviewed, [work.labels], VERSION, "verdicts not applied", lambda shard: _verdicts_of(work, log, shard)
    )


def _verdicts_of(work: Workspace, log: dict[str, verdicts.Verdicts], shard: str) -> dict[str, Any]:
    """The verdicts that concern a shard: it is made again when these change, not when any do."""
    if not log:
        return {}
    digests = work.labels.read(shard, ["text_sha256"]).column("text_sha256").to_pylist()
    return {digest: asdict(log[digest]) for digest in digests if digest in log}


def _apply(work: Workspace, labels: list[dict[str, Any]], log: dict[str, verdicts.Verdicts]) -> Output:
    column, kept, rejected = work.config.label_column, [], []
    most = int(getattr(work.config.task_options, "max_phrases", 0))
    for row in labels:
        judged = log.get(row["text_sha256"], verdicts.Verdicts())
        before = column.phrases(row[column.name])
        phrases, source = judged.apply(before, most)
        if phrases:
            tiers = dict(zip(before, row.get("tiers") or [], strict=False))
            tiers_now = [tiers.get(phrase, "reviewer") for phrase in phrases]
            kept.append({**row, column.name: column.value(phrases), "tiers": tiers_now, "label_source": source})
        else:
            rejected.append({**row, "reason": "rejected_in_review", "detail": "; ".join(before)})
    reviewed = pa.schema([*clean.schema(work), ("label_source", pa.string())])  # llm | verified | edited
    return Output(pa.Table.from_pylist(kept, schema=reviewed), rejected_table(rejected))


# --- out to people, and back ---


def export_sample(work: Workspace, path: Path, form: str | None, sample: int | None) -> tuple[int, list[Path]]:
    """Write a sample of labelled articles (all, where `sample` is None) for people to judge: how many, and the files.

    It is the beginning of the audit, in its order: the page and a sheet judge the same sample, and who stops early has judged
    a random one.
    """
    form, options = form or formats.of_ending(path), work.config.review
    clean.check_column(work.labels, work)
    population = Population(work, OwnLabels(work), options)
    orders = Lanes(population, options, work.config.label_column.many).orders
    chosen = [int(place) for place in (*orders["audit"], *orders["blind"])][:sample]
    said: dict[str, list[Judgement]] = {}
    for judgement in _audited(judgements.read(work.verdicts_file)):
        said.setdefault(judgement.text_sha256, []).append(judgement)
    items = [_item(row, said) for row in population.rows(chosen)]
    return len(items), formats.write(path, form, _task(work), items)


def _item(row: dict[str, Any], said: dict[str, list[Judgement]]) -> Item:
    phrases = row["phrases"]
    model = "/".join(part for part in (row["provider"], row["model"]) if part)
    answers = said_by(said.get(row["text_sha256"], []), phrases)
    known = {name: row[name] or "" for name in ("title", "url", "language")}
    return Item(row["text_sha256"], row["id"], row["text"], phrases, model, answers, **known)


def _task(work: Workspace) -> Task:
    return Task(work.config.label_column, list(getattr(work.config.task_options, "classes", ())))


def import_verdicts(work: Workspace, path: Path, form: str | None, reviewer: str) -> tuple[int, int]:
    """Add the judgements of a file that came back to the verdict log: how many are new, and how many were known."""
    said = judgements.read(work.verdicts_file)
    reviewers = list(dict.fromkeys(judgement.reviewer for judgement in said))
    source = Source(path, _task(work), _articles(work), reviewers, reviewer, judgements.now())
    check = checker(work.config)
    found = [_in_the_tasks_words(work, check, path, judgement) for judgement in formats.read(source, form)]
    new, stored = news(found, _audited(said)), 0
    if new:
        with Log(work.verdicts_file) as log:
            stored = log.add(new)
    return stored, len(found) - stored


def _audited(said: Iterable[Judgement]) -> list[Judgement]:
    """What goes out and comes back as the audit's: not what was said of the riskiest, or of another model's labels."""
    return [judgement for judgement in said if judgement.lane == "audit" and judgement.model is None]


def _articles(work: Workspace) -> dict[str, str]:
    """Text digest -> id, of the labelled articles."""
    shards = (work.labels.read(shard, ["text_sha256", "id"]) for shard in read_order(work.articles))
    return {digest: id for table in shards for digest, id in zip(*(c.to_pylist() for c in table.columns), strict=True)}


def _in_the_tasks_words(
    work: Workspace, check: Callable[[str], str | None] | None, path: Path, judgement: Judgement
) -> Judgement:
    """Raises InputError for a corrected label that the task does not know."""
    if check is None:
        return judgement
    added = []
    for label in judgement.added:
        known = check(label)
        if known is None:
            raise InputError(
                f"{path}: {judgement.id}: {label!r} is no label of this job; see clean: in {work.config.file}"
            )
        added.append(known)
    return replace(judgement, added=[label for label in added if label not in judgement.accepted])
