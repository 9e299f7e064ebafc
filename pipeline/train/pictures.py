"""Pictures of a student's figures and of its learning curve, for the report and for a version's card."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core import charts, trained
from pipeline.core.errors import ModelError
from pipeline.core.trained import MANIFEST

TITLE, COMPARED = "What more labels are worth", "What a student reaches"
_PARTS = 8  # of the articles that get a figure of their own here


def latest(students: Path, with_curve: bool = True) -> dict[str, Any] | None:
    """Return the manifest of the student of a job that was trained last, of those with a learning curve or all; None: no such."""
    manifests = []
    for file in students.glob(f"[!.]*/{MANIFEST}"):
        with suppress(ModelError):  # a folder that holds no student ends no report
            manifest = trained.read_manifest(file.parent)
            is_judged = bool(manifest.get("curve") if with_curve else manifest.get("figures"))
            manifests += [manifest] if is_judged else []
    return max(manifests, key=lambda one: str(one.get("trained_at")), default=None)


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader of another document needs of a student; of its curve, where it has one."""
    figures = manifest["figures"]
    measure = figures["measure"]
    return {
        "student": manifest["student"],
        "version": manifest["data"]["version"],
        "measure": measure,
        "articles": figures["articles"],
        "reached": figures["student"][measure],
        "baselines": {name: of[measure] for name, of in figures["baselines"].items()},
        **({"curve": manifest["curve"]} if manifest.get("curve") else {}),
        **({"teacher": figures["teacher"]} if figures.get("teacher") else {}),
        "by": {part: values for part, values in figures["by"].items() if values},
    }


def comparison(summary: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, figure with its interval): the student, what needs no training, the teacher against itself, then parts of the
    articles."""
    rows = [(summary["student"], summary["reached"]), *summary["baselines"].items()]
    rows += [("teacher, twice", summary["teacher"])] if "teacher" in summary else []
    for part, values in summary["by"].items():
        rows += [(f"{part} {name}", of) for name, of in list(values.items())[:_PARTS]]
    return rows


def comparison_text(summary: dict[str, Any]) -> str:
    """Say of which student figures are, by what, and what it reaches beside others."""
    others = ", ".join(f"{name} {100 * of['mean']:.1f}" for name, of in summary["baselines"].items())
    twice = (
        f"; the teacher agrees with itself by {100 * summary['teacher']['mean']:.1f}" if "teacher" in summary else ""
    )
    reached = summary["reached"]
    return (
        f"Student {summary['student']} on version {summary['version']}: {100 * reached['mean']:.1f} ({100 * reached['low']:.1f} to "
        f"{100 * reached['high']:.1f}) points of {summary['measure']} on {summary['articles']:,} rows of eval; {others}{twice}"
    )


def draw_comparison(summary: dict[str, Any]) -> str:
    """Return the SVG of a student's figures, with intervals."""
    rows = [(name, of["mean"], of["low"], of["high"], f"{100 * of['mean']:.1f}") for name, of in comparison(summary)]
    return charts.forest(comparison_text(summary), rows)


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
