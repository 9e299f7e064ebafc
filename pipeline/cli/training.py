"""Command `train`: a student on a version's labels."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli import training_output
from pipeline.cli.group import AS_JSON, FILE, QUICKSTART, Job, job_command


@job_command("train", "Train a model on a version's labels, and tell what it reaches on eval.", f"train {QUICKSTART}")
@click.option("--version", metavar="X.Y.Z", help="Default: the last one.")
@click.option(
    "--student", metavar="NAME", help="ranker (default), linear, seq2seq, clm; else train.student of the job file."
)
@click.option("--curve", metavar="SHARE,...", help="Also train on parts: what would more labels be worth? 0.1,0.3,1.0")
@click.option(
    "--predict",
    "predicted",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write its labels of the other articles, for review --predictions.",
)
@click.option(
    "--gold", type=FILE, metavar="FILE", help="Also hold its labels against those that people chose, as evaluate does."
)
@AS_JSON
def train(
    job: Job,
    version: str | None,
    student: str | None,
    curve: str | None,
    predicted: Path | None,
    gold: Path | None,
    as_json: bool,
) -> None:
    from pipeline.cli import output
    from pipeline.commands import train

    work = job.workspace(*([f"train.student={student}"] if student else []))
    labels = train.check_wanted(work, version, gold) if gold or predicted else None
    folder, manifest = train.train(work, version, curve)
    counts = train.predict(work, folder, version, predicted) if predicted else None
    judged = train.evaluate(work, folder, version, labels) if labels else None
    report = manifest | ({"gold": judged.as_dict()} if judged else {})
    output.say(report, as_json, lambda: training_output.trained(folder, manifest))
    if judged and not as_json:
        output.evaluation(judged)
    if predicted and counts and not as_json:
        training_output.predicted(predicted, counts, job.in_commands)
