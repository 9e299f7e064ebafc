"""labelmill: from a pile of articles to a labelled, reviewed, versioned training set, with an LLM.

The command line is `labelmill`; from Python (docs/python.md)::

    from pipeline import labels, load_job, run
    job = load_job("job.yaml", {"label.model": "gpt-6-luna"})
    run(job, to="clean", limit=100)
    labels(job)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api.articles import label_articles
    from pipeline.api.evaluation import evaluate
    from pipeline.api.jobs import run, status
    from pipeline.api.rows import dataset, labels
    from pipeline.api.which import which_version
    from pipeline.clean.cleaner import CleanLabel, clean_reply
    from pipeline.commands.evaluate import Evaluation
    from pipeline.core.errors import LabelmillError
    from pipeline.job.config import JobConfig
    from pipeline.job.job_file import load_job
    from pipeline.job.run_options import RunOptions
    from pipeline.job.workspace import Workspace

__all__ = [
    "CleanLabel",
    "Evaluation",
    "JobConfig",
    "LabelmillError",
    "RunOptions",
    "Workspace",
    "clean_reply",
    "dataset",
    "evaluate",
    "label_articles",
    "labels",
    "load_job",
    "run",
    "status",
    "which_version",
]

_HOME = {
    "CleanLabel": "pipeline.clean.cleaner",
    "Evaluation": "pipeline.commands.evaluate",
    "JobConfig": "pipeline.job.config",
    "LabelmillError": "pipeline.core.errors",
    "RunOptions": "pipeline.job.run_options",
    "Workspace": "pipeline.job.workspace",
    "clean_reply": "pipeline.clean.cleaner",
    "dataset": "pipeline.api.rows",
    "evaluate": "pipeline.api.evaluation",
    "label_articles": "pipeline.api.articles",
    "labels": "pipeline.api.rows",
    "load_job": "pipeline.job.job_file",
    "run": "pipeline.api.jobs",
    "status": "pipeline.api.jobs",
    "which_version": "pipeline.api.which",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `labelmill --help` does not wait for libraries that it does not need."""
    if name not in _HOME:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
