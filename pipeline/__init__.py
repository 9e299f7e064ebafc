"""labelmill: from a pile of articles to a labelled, reviewed, versioned training set, with an LLM.

The command line is `labelmill`; from Python::

    from pipeline import RunOptions, Workspace, load_job, run
    run(Workspace(load_job(Path("job.yaml"))), RunOptions(limit=100))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.clean.cleaner import CleanLabel, clean_reply
    from pipeline.job.job_file import load_job
    from pipeline.job.run_options import RunOptions
    from pipeline.job.workspace import Workspace
    from pipeline.runner import run, status

__all__ = ["CleanLabel", "RunOptions", "Workspace", "clean_reply", "load_job", "run", "status"]

_HOME = {
    "CleanLabel": "pipeline.clean.cleaner",
    "clean_reply": "pipeline.clean.cleaner",
    "load_job": "pipeline.job.job_file",
    "RunOptions": "pipeline.job.run_options",
    "run": "pipeline.runner",
    "status": "pipeline.runner",
    "Workspace": "pipeline.job.workspace",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `labelmill --help` does not wait for libraries that it does not need."""
    if name not in _HOME:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
