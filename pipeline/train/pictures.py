"""Picture of a learning curve, for the report and for a version's card."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core import charts, trained
from pipeline.core.errors import ModelError
from pipeline.core.trained import MANIFEST

TITLE = "What more labels are worth"


def latest(students: Path) -> dict[str, Any] | None:
    """Return the manifest of the student of a job whose learning curve was made last, None where there is no curve."""
    with_curve = []
    for file in students.glob(f"[!.]*/{MANIFEST}"):
        with suppress(ModelError):  # a folder that holds no student ends no report
            manifest = trained.read_manifest(file.parent)
            with_curve += [manifest] if manifest.get("curve") else []
    return max(with_curve, key=lambda one: str(one.get("trained_at")), default=None)


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader of another document needs of a student with a curve."""
    figures = manifest["figures"]
    measure = figures["measure"]
    return {
        "student": manifest["student"],
        "version": manifest["data"]["version"],
        "measure": measure,
        "articles": figures["articles"],
        "reached": figures["student"][measure],
        "baselines": {name: of[measure] for name, of in figures["baselines"].items()},
        "curve": manifest["curve"],
    }


def caption(summary: dict[str, Any]) -> str:
    """Say of which student a curve is, by what it is measured, and what it tells."""
    student = f"Student {summary['student']} on version {summary['version']}"
    return f"{student}, {summary['measure']} on {summary['articles']:,} rows of eval: {summary['curve']['sentence']}"


def draw(summary: dict[str, Any]) -> str:
    """Return the SVG of a student's learning curve, with what needs no training as level lines."""
    curve = summary["curve"]
    points = [(point["rows"], point["mean"], point["low"], point["high"]) for point in curve["points"]]
    levels = [(name, of["mean"]) for name, of in summary["baselines"].items()]
    return charts.curve(
        curve["sentence"], points, curve["fitted"], [*levels, ("shuffled labels", curve["floor"]["mean"])]
    )


def rows(summary: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the points as a table: labels, score, interval."""
    points = summary["curve"]["points"]
    return [
        [f"{one['rows']:,}", f"{100 * one['mean']:.1f}", f"{100 * one['low']:.1f} to {100 * one['high']:.1f}"]
        for one in points
    ]
