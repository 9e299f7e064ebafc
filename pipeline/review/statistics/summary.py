"""The figures of a job's review without a page: for the report and the publisher's gates."""

from __future__ import annotations

from typing import Any

from pipeline.job.workspace import Workspace
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.labels import OwnLabels
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.population import Population
from pipeline.review.statistics.figures import Population as Counted
from pipeline.review.statistics.figures import Stratum, everything, figures


def of_job(work: Workspace) -> dict[str, Any] | None:
    """`figures.everything` of what was said so far; None where nothing was."""
    found = _of_job(work)
    return everything(*found) if found else None


def precision(work: Workspace) -> dict[str, Any] | None:
    """Of `figures.figures`, without the figures that read all labels once more."""
    found = _of_job(work)
    return figures(*found)["precision"] if found else None


def _of_job(work: Workspace) -> tuple[list[Judgement], Counted] | None:
    records = judgements.records(work.verdicts_file)
    if not judgements.standing(records):
        return None
    options = work.config.review
    population = Population(work, OwnLabels(work), options)
    population.remember([record.text_sha256 for record in records])
    lanes = Lanes(population, options, work.config.label_column.many)
    return records, counted(population, lanes, population.labels.model)


def counted(population: Population, lanes: Lanes, model: str | None) -> Counted:
    """What figures need to know of all articles."""
    strata = population.stratum
    rows = [
        Stratum(name, int(mine.sum()), int(population.phrases[mine].sum()), int(population.absent[mine].sum()))
        for name, code in sorted((name, code) for code, name in enumerate(strata.names))
        for mine in [strata.of == code]
    ]

    def stratum_of(text: str) -> str | None:
        place = population.place(text)
        return None if place is None else strata.names[strata.of[place]]

    def language_of(text: str) -> str | None:
        place = population.place(text)
        return None if place is None else population.language.names[population.language.of[place]] or None

    def turn_of(text: str) -> int | None:
        place = population.place(text)
        return None if place is None or lanes.turns[place] < 0 else int(lanes.turns[place])

    return Counted(
        strata=rows,
        stratum_of=stratum_of,
        phrases_of=population.phrases_of,
        labels=population.all_labels,
        language_of=language_of,
        overlap=lanes.has_overlap,
        model=model,
        turn_of=turn_of,
        blind=lambda text: lanes.has("blind", population.place(text)),
    )
