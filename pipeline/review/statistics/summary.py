"""Summary of a job's review without a page: for the report and the publisher's gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.job.workspace import Workspace
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.label_sets import JobLabels
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.sampling_frame import SamplingFrame
from pipeline.review.statistics.counting import SourcePart
from pipeline.review.statistics.figures import Population, Stratum, everything, figures


def of_job(work: Workspace) -> dict[str, Any] | None:
    """Return `figures.everything` of the judgements so far; None where there are none."""
    inputs = _inputs(work)
    return everything(*inputs) if inputs else None


def precision(work: Workspace) -> dict[str, Any] | None:
    """Return the precision of `figures.figures`, without the figures that read all labels once more; None where it is not known."""
    inputs = _inputs(work)
    return figures(*inputs)["precision"] if inputs else None


def _inputs(work: Workspace) -> tuple[list[Judgement], Population] | None:
    records = judgements.records(work.verdicts_file)
    if not judgements.standing(records):
        return None
    options = work.config.review
    frame = SamplingFrame(work, JobLabels(work), options)
    frame.remember([record.text_sha256 for record in records])
    lanes = Lanes(frame, options, work.config.label_column.has_tiers)
    return records, population_of(frame, lanes, frame.labels.model)


def population_of(frame: SamplingFrame, lanes: Lanes, model: str | None) -> Population:
    """Return the population that figures speak of: the articles of a sampling frame."""
    strata = frame.stratum
    rows = [
        Stratum(name, int(in_stratum.sum()), int(frame.phrases[in_stratum].sum()), int(frame.absent[in_stratum].sum()))
        for name, code in sorted((name, code) for code, name in enumerate(strata.names))
        for in_stratum in [strata.of == code]
    ]

    def stratum_of(text: str) -> str | None:
        index = frame.index_of(text)
        return None if index is None else strata.names[strata.of[index]]

    def language_of(text: str) -> str | None:
        index = frame.index_of(text)
        return None if index is None else frame.language.names[frame.language.of[index]] or None

    def turn_of(text: str) -> int | None:
        index = frame.index_of(text)
        return None if index is None or lanes.turns[index] < 0 else int(lanes.turns[index])

    def source_of(text: str) -> str | None:
        index = frame.index_of(text)
        return None if index is None else frame.source.names[frame.source.of[index]]

    return Population(
        strata=rows,
        stratum_of=stratum_of,
        phrases_of=frame.phrases_of,
        labels=frame.all_labels,
        language_of=language_of,
        overlap=lanes.has_overlap,
        model=model,
        turn_of=turn_of,
        blind=lambda text: lanes.has("blind", frame.index_of(text)),
        sources=_source_parts(frame),
        source_of=source_of,
    )


def _source_parts(frame: SamplingFrame) -> list[SourcePart]:
    """Return what each source has of each stratum, the largest source first."""
    count = len(frame.stratum.names)
    cells = frame.source.of.astype(np.int64) * count + frame.stratum.of
    articles = np.bincount(cells, minlength=len(frame.source.names) * count)
    phrases = np.bincount(cells, weights=frame.phrases, minlength=len(articles))
    by_size = np.argsort(-articles.reshape(-1, count).sum(axis=1), kind="stable")
    return [
        SourcePart(frame.source.names[code], name, int(articles[cell]), int(phrases[cell]))
        for code in map(int, by_size)
        for number, name in enumerate(frame.stratum.names)
        for cell in [code * count + number]
        if articles[cell]
    ]
