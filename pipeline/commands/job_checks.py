"""Checks of everything that a run of a job needs, in the order in which `run` comes to it.

What fails here fails there, with the same words and exit code, for both ask the same parts; a model of this machine is not loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline import runner
from pipeline.collect import preview
from pipeline.core import plugins
from pipeline.core.contracts import FilterOptions, Provider
from pipeline.core.coroutines import run_coroutine
from pipeline.core.errors import EndpointError, LabelmillError
from pipeline.core.hints import with_job
from pipeline.core.shards import read_order
from pipeline.job.topic_options import EmbedderSpec, TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.label import prompts
from pipeline.label.engine import preflight
from pipeline.label.job_ledger import check_ledger_is_this_jobs
from pipeline.label.ledger import open_ledger, open_ledger_to_read
from pipeline.label.requests import RequestBuilder
from pipeline.publish.hub import Hub
from pipeline.split import keep_out
from pipeline.topics import naming
from pipeline.topics.packages import check_installed


class Check(NamedTuple):
    """Outcome of a check: whether it is fine (None: not, but nobody needs it here), and with which code `run` would end."""

    fine: bool | None
    what: str
    state: str
    exit_code: int = 0


def of_job(work: Workspace) -> Iterator[Check]:
    """Yield the checks of a job."""
    for check in _checks(work):
        yield check._replace(state=with_job(check.state, work.config.in_commands))


def _checks(work: Workspace) -> Iterator[Check]:
    config = work.config
    yield Check(True, "job file", f"{config.file} is sound; its folder is {config.job_folder}")
    prompt = list(_try("prompt", partial(_prompt, work)))
    yield from prompt
    for number in range(len(config.sources)):
        yield from _try(f"source {number}", partial(preview.check, work, number))
    for options in config.filter_options:
        yield from _try(f"filter {options.type}", partial(_ready, options))
    if config.topics is not None:
        yield from _topics(work, config.topics)
    if config.tables is not None:
        yield from _try("tables", lambda: f"{work.tables} answers")
    yield from _try("ledger", partial(_ledger, work))
    yield from _labeller(work, all(check.fine for check in prompt))
    if config.split.keep_out:
        yield from _try("split.keep_out", partial(keep_out.check, work))
    if config.publish.to == "hub":
        yield from _try("hub", lambda: _repository(str(config.publish.repo)))


def _try(what: str, check: Callable[[], str | None]) -> Iterator[Check]:
    """Yield a check's outcome, unless it has nothing to say."""
    try:
        if (state := check()) is not None:
            yield Check(True, what, state)
    except LabelmillError as error:
        yield Check(False, what, str(error), error.exit_code)
    except OSError as error:
        yield Check(False, what, f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)


def _prompt(work: Workspace) -> str | None:
    runner.check_config(work)
    config = work.config
    if not plugins.load("providers", config.label.provider).Provider.uses_prompt:
        return None
    return str(prompts.find(config.prompt, config.folder))


def _ready(options: FilterOptions) -> str:
    plugins.create("filters", options.type, options)
    return "ready"


def _topics(work: Workspace, options: TopicOptions) -> Iterator[Check]:
    """Yield whether the job's embedders are here or answer, and who names topics."""
    for number, spec in enumerate(options.embed):
        yield from _try(f"embedder {spec.type}", partial(_embedder, work, spec, number))
    naming_jobs: list[Workspace | None] = []
    yield from _try("topics.names", lambda: naming_jobs.append(naming.workspace(work, options)))
    for job in filter(None, naming_jobs):
        yield from (check._replace(what=f"topics.names: {check.what}") for check in _labeller(job, can_ask=False))


def _embedder(work: Workspace, spec: EmbedderSpec, number: int) -> str | None:
    """Examine an embedder, and then what groups by its vectors: a run would pay for these first."""
    made = plugins.create("embedders", spec.plugin, work.config.embedder_options[number], work.config.folder)
    with closing(made) as embedder:
        state: str | None = embedder.examine()
    check_installed()
    return state


def _ledger(work: Workspace) -> str | None:
    """Open the ledger as a run would; a file that is not there yet is not made."""
    target = work.ledger_target
    shards = read_order(work.articles) if (work.articles.path / "_order.json").exists() else []
    if isinstance(target, Path):
        if not target.exists():
            _check_can_be_made(target)
            check_ledger_is_this_jobs(work, None, shards)
            return None
        # the first says what is wrong with a folder
        opened = open_ledger if target.is_dir() else open_ledger_to_read
        ledger = opened(target, work.config.name)
    else:
        ledger = open_ledger(target, work.config.name)
    with closing(ledger):
        check_ledger_is_this_jobs(work, ledger, shards)
        return f"{ledger.where} can be opened"


def _check_can_be_made(path: Path) -> None:
    """Raise the OSError that making a file would meet in the nearest folder that is there."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        direct = folder == path.parent
        raise (
            FileExistsError(17, "File exists", str(folder))
            if direct
            else NotADirectoryError(20, "Not a directory", str(path.parent))
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path.parent))


def _labeller(work: Workspace, can_ask: bool) -> Iterator[Check]:
    label = work.config.label
    made: list[Provider] = []

    def create() -> None:
        made.append(plugins.create("providers", label.provider, label, work.config.provider_options))

    yield from _try("model", create)
    for provider in made:
        yield from (examined := list(_try("model", partial(provider.examine, work.config.folder))))
        if can_ask and all(check.fine for check in examined):
            yield from _try("task", partial(_task, work, provider))
        yield from _try("endpoint", partial(_offered, provider))


def _task(work: Workspace, provider: Provider) -> None:
    """Make the job's task and the form of its replies, unless weights would have to be read for that."""
    if not provider.fits() and provider.is_identified(work.config.folder, work.weights_file):
        RequestBuilder(work).task  # noqa: B018 - it is made when it is looked at


def _offered(provider: Provider) -> str | None:
    """Return what an endpoint offers of the job's model, None for a provider without a list of models."""
    if provider.base_url:
        run_coroutine(_open(provider))
    try:
        if (offered := provider.models()) is None:
            return None
        info = preflight.examine(provider, offered)
    except EndpointError as error:
        if stop := preflight.stopping(error):
            raise stop from error
        return f"{provider.where} answers, but lists no models ({error})"
    if info is None:
        return f"{provider.where} answers; {'the job names no model' if offered else 'it lists no models'}"
    until = f" until {info.shutdown_date}" if info.shutdown_date else ""
    return f"{provider.where} answers and offers {provider.model}{until}"


async def _open(provider: Provider) -> None:
    try:
        await provider.open()
    finally:
        await provider.close()


def _repository(repo: str) -> str:
    hub = Hub(repo)
    state = hub.look()
    hub.check_token()
    if state is None:
        return f"{repo} is not there yet, or the token may not see it"
    return f"{repo} answers; versions: {', '.join(sorted(state.versions)) or 'none yet'}"
