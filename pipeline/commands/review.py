"""review: the page on which people judge a job's labels, served until somebody stops it; samples out to other tools and back."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError, InputError, MissingExtra
from pipeline.core.shards import read_order
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.review.exchange import formats
from pipeline.review.exchange.answers import Item, Source, Task, news, said_by
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement, Log
from pipeline.review.sample.labels import OwnLabels, Predictions, checker
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.population import Population

_SHORTEST_TOKEN = 12


def serve(
    work: Workspace, host: str, port: int, token: str | None, reviewers: Sequence[str], predictions: Path | None
) -> None:
    """Serve the page on `host:port` (0: any free one), and say where.  Raises ConfigError where others could reach it without a
    token, InputError where there is nothing to review or the port is taken."""
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("the review page", "review") from error
    from pipeline.review.page import access, app
    from pipeline.review.page.desk import Desk

    _check_token(host, token, access.LOOPBACK)
    names = access.names_of(reviewers)
    if reviewers and not names:
        raise ConfigError("--reviewers: names nobody; give NAME,NAME or leave it out, and any name will do")
    desk = Desk(work, Predictions(work, predictions) if predictions else OwnLabels(work))
    front = _front(work, names)
    listening = _listen(host, port)
    application = app.create(desk, front, access.secret_of(work.verdicts_file.parent), token)
    config = uvicorn.Config(application, log_level="warning", access_log=False, lifespan="off", server_header=False)
    address = f"[{host}]" if ":" in host else host
    print(
        f"review: http://{address}:{listening.getsockname()[1]}/  (Ctrl-C ends it; every verdict is stored at once)",
        flush=True,
    )
    with suppress(KeyboardInterrupt):  # the way to end it
        uvicorn.Server(config).run(sockets=[listening])


def _check_token(host: str, token: str | None, loopback: Sequence[str]) -> None:
    if token is None and host not in loopback:
        raise ConfigError(f"--host {host}: others could read the articles and judge them; give --token TEXT")
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"--token: has {len(token)} characters; {_SHORTEST_TOKEN} or more are hard to guess")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        raise InputError(
            f"{host}:{port}: cannot be served on ({error.strerror}); another --port, or 0 for any"
        ) from error


def _front(work: Workspace, reviewers: list[str]) -> Any:
    from pipeline.review.page.app import Front

    config = work.config
    return Front(
        job=config.name,
        label=config.label_column.name,
        many=config.label_column.many,
        allowed=config.task.classes(config.task_options),
        max_phrases=config.max_phrases,
        reviewers=reviewers or None,
        report=lambda review: _report(work, review),
    )


def _report(work: Workspace, review: dict[str, Any]) -> str:
    """Made in a process of its own: 90 MB that the server need not keep."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_html, work, review).result()


def _html(work: Workspace, review: dict[str, Any]) -> str:
    from pipeline.report import page

    return page.html(work, review)


# --- out to people, and back ---


def export_sample(work: Workspace, path: Path, form: str | None, sample: int | None) -> tuple[int, list[Path]]:
    """Write a sample of labelled articles (all, where `sample` is None) for people to judge: how many, and the files.

    It is the beginning of the audit, in its order: the page and a sheet judge the same sample, and who stops early has judged
    a random one.
    """
    form, options = form or formats.of_ending(path), work.config.review
    label_table.check_column(work.labels, work)
    population = Population(work, OwnLabels(work), options)
    orders = Lanes(population, options, work.config.label_column.many).orders
    chosen = [int(place) for place in (*orders["audit"], *orders["blind"])][:sample]
    said: dict[str, list[Judgement]] = {}
    for judgement in _audited(judgements.read(work.verdicts_file)):
        said.setdefault(judgement.text_sha256, []).append(judgement)
    items = [_item(row, said) for row in population.rows(chosen)]
    return len(items), formats.write(path, form, _task(work), items)


def _item(row: dict[str, Any], said: dict[str, list[Judgement]]) -> Item:
    phrases = row["phrases"]
    model = "/".join(part for part in (row["provider"], row["model"]) if part)
    answers = said_by(said.get(row["text_sha256"], []), phrases)
    known = {name: row[name] or "" for name in ("title", "url", "language")}
    return Item(row["text_sha256"], row["id"], row["text"], phrases, model, answers, **known)


def _task(work: Workspace) -> Task:
    return Task(work.config.label_column, work.config.task.classes(work.config.task_options) or [])


def import_verdicts(work: Workspace, path: Path, form: str | None, reviewer: str) -> tuple[int, int]:
    """Add the judgements of a file that came back to the verdict log: how many are new, and how many were known."""
    said = judgements.read(work.verdicts_file)
    reviewers = list(dict.fromkeys(judgement.reviewer for judgement in said))
    source = Source(path, _task(work), _articles(work), reviewers, reviewer, judgements.now())
    check = checker(work.config)
    found = [_in_the_tasks_words(work, check, path, judgement) for judgement in formats.read(source, form)]
    new, stored = news(found, _audited(said)), 0
    if new:
        with Log(work.verdicts_file) as log:
            stored = log.add(new)
    return stored, len(found) - stored


def _audited(said: Iterable[Judgement]) -> list[Judgement]:
    """What goes out and comes back as the audit's: not what was said of the riskiest, or of another model's labels."""
    return [judgement for judgement in said if judgement.lane == "audit" and judgement.model is None]


def _articles(work: Workspace) -> dict[str, str]:
    """Text digest -> id, of the labelled articles."""
    shards = (work.labels.read(shard, ["text_sha256", "id"]) for shard in read_order(work.articles))
    return {digest: id for table in shards for digest, id in zip(*(c.to_pylist() for c in table.columns), strict=True)}


def _in_the_tasks_words(
    work: Workspace, check: Callable[[str], str | None], path: Path, judgement: Judgement
) -> Judgement:
    """Raises InputError for a corrected label that the task does not know."""
    added = []
    for label in judgement.added:
        known = check(label)
        if known is None:
            raise InputError(
                f"{path}: {judgement.id}: {label!r} is no label of this job; see clean: in {work.config.file}"
            )
        added.append(known)
    return replace(judgement, added=[label for label in added if label not in judgement.accepted])
