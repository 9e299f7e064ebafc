"""Jobs in Python: what the commands `run` and `status` do, with values in place of flags and printed tables."""

from __future__ import annotations

import os
from typing import Any

from pipeline import runner
from pipeline.core.errors import ArgumentError
from pipeline.core.hints import did_you_mean
from pipeline.job.config import JobConfig
from pipeline.job.job_file import load_job
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace

Job = str | os.PathLike[str] | JobConfig | Workspace


def workspace_of(job: Job) -> Workspace:
    """Return the workspace of a job, however it is given.  Raises ArgumentError for what is no job."""
    if isinstance(job, Workspace):
        return job
    if isinstance(job, JobConfig):
        return Workspace(job)
    if isinstance(job, str | os.PathLike):
        return Workspace(load_job(job))
    raise ArgumentError(f"a job is the path of its file, or what load_job returns; found {kind_of(job)}")


def run(
    job: Job,
    options: RunOptions | None = None,
    *,
    to: str = runner.NAMES[-1],
    first: str = runner.NAMES[0],
    limit: int | None = None,
    fetch: bool = True,
    retry_rejected: bool = False,
    publish: bool = False,
    wait: bool = False,
) -> dict[str, Any]:
    """Run the stages of a job from `first` to `to`; what is done already is not done, asked or paid again.

    `limit` labels the first so many articles at most, and makes no version; `publish` makes one also where rows of the last
    one change or articles wait; `wait` waits for batches (`label.via: batch`).  Works where an event loop runs, as in a
    notebook.  Returns `status(job)`, with `held_back`: why no version was made, or None.  Raises Paused (budget, key, endpoint,
    Ctrl-C, batches under way), with everything answered kept: the same call goes on.
    """
    work = workspace_of(job)
    if options is None:
        stages = _stage("first", first), _stage("to", to)
        options = RunOptions(*stages, fetch, _limit(limit), retry_rejected, publish=publish, wait=wait)
    elif not isinstance(options, RunOptions):
        raise ArgumentError(f'run: give options by name, run(job, to="clean"); found {kind_of(options)}')
    held_back = runner.run(work, options)
    return {**runner.status(work), "held_back": held_back}


def status(job: Job) -> dict[str, Any]:
    """Return rows in, kept and rejected by reason for each stage, cost and state, as `labelmill status --json` prints it."""
    return runner.status(workspace_of(job))


def _stage(argument: str, name: str) -> str:
    if name not in runner.NAMES:
        hint = did_you_mean(str(name), list(runner.NAMES))
        raise ArgumentError(f"{argument}: no stage {name!r}{hint}; there are: {', '.join(runner.NAMES)}")
    return name


def _limit(limit: int | None) -> int | None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ArgumentError(f"limit: give a whole number from 1 on; found {limit!r}")
    return limit


def kind_of(value: object) -> str:
    """Return what a wrong argument is, in a few words."""
    module, name = type(value).__module__, type(value).__qualname__
    return "None" if value is None else name if module == "builtins" else f"{module.partition('.')[0]}.{name}"
