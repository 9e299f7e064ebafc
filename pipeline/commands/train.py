"""Command `train`: trains a student on a version of a job, and tells what it reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.job.workspace import Workspace
from pipeline.train import curve, predictions, training
from pipeline.train.training import Training
from pipeline.versions.export import chosen_version


def train(work: Workspace, version: str | None = None, fractions: str | None = None) -> tuple[Path, dict[str, Any]]:
    """Train the student that the job names on a version (the last one); return its folder and manifest.

    `fractions`: shares of train for a learning curve, such as `0.1,0.3,1.0`.  Raises as `train.training.train`.
    """
    config = work.config
    shares = curve.parse(fractions) if fractions else ()
    chosen = chosen_version(work.versions, version)
    plan = Training(work, chosen, config.train.student, config.student_options, config.train.seed, shares)
    return plan.folder, training.train(plan)


def predict(work: Workspace, student: Path, version: str | None, file: Path) -> dict[str, int]:
    """Write what a trained student says of the job's other articles; see `train.predictions.write`."""
    return predictions.write(work, student, chosen_version(work.versions, version), file)
