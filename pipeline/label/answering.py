"""Answers of providers that compute them here, in as many processes as the job's engine has."""

from __future__ import annotations

from functools import partial
from typing import Any

from pipeline.job.workspace import Workspace
from pipeline.label.engine.run_context import Answering, answerer
from pipeline.label.requests import RequestBuilder


def in_processes(work: Workspace) -> Answering:
    """Return what answers batches by the job's engine, each process with a provider of its own."""
    return partial(work.engine.map, "label", partial(_answerer, work))


def _answerer(work: Workspace) -> Any:
    return answerer(RequestBuilder(work).provider)
