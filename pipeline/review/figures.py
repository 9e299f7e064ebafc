"""The figures of a review."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.metrics.intervals import clustered_share
from pipeline.review.judgements import Judgement


@dataclass(frozen=True)
class Stratum:
    name: str
    articles: int
    phrases: int
    absent: int


@dataclass(frozen=True)
class Population:
    strata: list[Stratum]
    stratum_of: Callable[[str], str | None]
    phrases_of: Callable[[str], list[str]]
    labels: Callable[[], Iterable[tuple[str, list[str]]]]
    language_of: Callable[[str], str | None]
    overlap: Callable[[str], bool]
    model: str | None = None


def figures(said: Sequence[Judgement], population: Population) -> dict[str, Any]:
    audit = [j for j in said if j.lane == "audit" and j.model == population.model]
    found = clustered_share([len(j.accepted) for j in audit], [len(j.accepted) + len(j.rejected) for j in audit])
    precision = {"mean": found.mean, "low": found.low, "high": found.high} if found.total else None
    return {"precision": precision, "lanes": {"audit": len(audit)}, "needed": None}


def short(found: dict[str, Any]) -> dict[str, Any]:
    return {"precision": found["precision"], "judged": found["lanes"]["audit"], "needed": found["needed"]}
