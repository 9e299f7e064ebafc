"""Command `review`: serves the page on which people judge a job's labels; samples to other tools and back."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core.coroutines import run_coroutine
from pipeline.core.errors import ConfigError, InputError, MissingExtra
from pipeline.core.shards import read_order
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.review.exchange import formats
from pipeline.review.exchange.answers import (
    ExportedArticle,
    ImportedFile,
    LabellingTask,
    audited,
    new_judgements,
)
from pipeline.review.exchange.entries import answers_of
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement, JudgementLog
from pipeline.review.sample.label_sets import JobLabels, Predictions, label_checker
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.sampling_frame import SamplingFrame

_SHORTEST_TOKEN = 12
_MOST_GUIDELINES = 100_000  # characters


def serve(
    work: Workspace,
    host: str,
    port: int,
    token: str | None,
    reviewers: Sequence[str],
    predictions: Path | None,
    root: str,
    on_ready: Callable[[str], None],
) -> None:
    """Serve the page on `host:port` (0: any free one) until Ctrl-C; `on_ready` gets its URL; `root`: the path at a proxy.

    Raises ConfigError where others could reach it without a token, InputError where there is nothing to review or the port is
    taken.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("the review page", "review") from error
    from pipeline.review.page import access, app
    from pipeline.review.page.service import ReviewService

    _check_token(host, token, access.LOOPBACK)
    if root and not root.startswith("/"):
        raise ConfigError(f"--root-path {root}: is no path; write it as the proxy shows it: /review")
    names = access.parse_names(reviewers)
    if reviewers and not names:
        raise ConfigError("--reviewers: names nobody; give NAME,NAME or leave it out, and any name will do")
    service = ReviewService(work, Predictions(work, predictions) if predictions else JobLabels(work))
    settings = _settings(work, names, root)
    server_socket = _listen(host, port)
    application = app.create(service, settings, access.load_secret(work.verdicts_file.parent), token)
    config = uvicorn.Config(application, log_level="warning", access_log=False, lifespan="off", server_header=False)
    address = f"[{host}]" if ":" in host else host
    on_ready(f"http://{address}:{server_socket.getsockname()[1]}/")
    with suppress(KeyboardInterrupt):  # the way to end it
        run_coroutine(uvicorn.Server(config).serve(sockets=[server_socket]))


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


def _settings(work: Workspace, reviewers: list[str], root: str) -> Any:
    from pipeline.review.page.app import PageSettings

    config = work.config
    return PageSettings(
        job=config.name,
        label=config.label_column.name,
        many=config.label_column.many,
        allowed=config.task.classes(config.task_options),
        is_json=config.label_column.schema is not None,
        max_phrases=config.max_phrases,
        reviewers=reviewers or None,
        report=lambda review: _report(work, review),
        root=root,
        guidelines=_guidelines(work),
    )


def _guidelines(work: Workspace) -> str:
    """Return what the job tells its reviewers.  Raises ConfigError where its file cannot be read."""
    given = work.config.review.guidelines
    if given is None:
        return ""
    try:
        return (work.config.folder / given).read_text("utf-8")[:_MOST_GUIDELINES]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{work.config.file}: review.guidelines: {given!r} cannot be read ({error})") from error


def _report(work: Workspace, review: dict[str, Any]) -> str:
    """Return the report's HTML."""
    # made in a process of its own: 90 MB that the server need not keep
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_html, work, review).result()


def _html(work: Workspace, review: dict[str, Any]) -> str:
    from pipeline.report import page

    return page.html(work, review)


# --- out to people, and back ---


def export_sample(work: Workspace, path: Path, form: str | None, sample: int | None) -> tuple[int, list[Path]]:
    """Write a sample of labelled articles (all, where `sample` is None) for people to judge; return how many, and the files.

    It is the beginning of the audit, in its order: the page and a sheet judge the same sample, and who stops early has judged
    a random one.
    """
    form, options = form or formats.of_ending(path), work.config.review
    label_table.check_column(work.labels, work)
    frame = SamplingFrame(work, JobLabels(work), options)
    orders = Lanes(frame, options, work.config.label_column.has_tiers).orders
    indices = [int(index) for index in (*orders["audit"], *orders["blind"])][:sample]
    by_text: dict[str, list[Judgement]] = {}
    for record in judgements.records(work.verdicts_file):
        if record.model is None:
            by_text.setdefault(record.text_sha256, []).append(record)
    items = [_item(row, by_text) for row in frame.rows(indices)]
    return len(items), formats.write(path, form, _task(work), items)


def _item(row: dict[str, Any], by_text: dict[str, list[Judgement]]) -> ExportedArticle:
    phrases = row["phrases"]
    model = "/".join(part for part in (row["provider"], row["model"]) if part)
    entries = by_text.get(row["text_sha256"], [])
    answers = answers_of(entries, phrases)
    about = {name: row[name] or "" for name in ("title", "url", "language")}
    return ExportedArticle(
        row["text_sha256"], row["id"], row["text"], phrases, model, answers, **about, entries=entries
    )


def _task(work: Workspace) -> LabellingTask:
    return LabellingTask(work.config.label_column, work.config.task.classes(work.config.task_options) or [])


def import_verdicts(work: Workspace, path: Path, form: str | None, reviewer: str) -> tuple[int, int]:
    """Add the judgements of a file that came back to the log; return how many are new, and how many were there already."""
    in_log = judgements.records(work.verdicts_file)
    reviewers = list(dict.fromkeys(judgement.reviewer for judgement in in_log))
    source = ImportedFile(path, _task(work), _articles(work), reviewers, reviewer, judgements.now())
    check = label_checker(work.config)
    returned = [_with_task_labels(work, check, path, judgement) for judgement in formats.read(source, form)]
    uids, stored = {record.uid for record in in_log}, 0
    entries = sorted((entry for entry in source.entries if entry.uid not in uids), key=lambda entry: entry.at)
    for entry in entries:
        _with_task_labels(work, check, path, entry)
    new = entries + new_judgements(returned, audited(judgements.standing([*in_log, *entries])))
    if new:
        with JudgementLog(work.verdicts_file) as log:
            stored = log.add(new)
    return stored, len(source.entries) + len(returned) - stored


def _articles(work: Workspace) -> dict[str, str]:
    """Return text digest -> id of the labelled articles."""
    shards = (work.labels.read(shard, ["text_sha256", "id"]) for shard in read_order(work.articles))
    return {digest: id for table in shards for digest, id in zip(*(c.to_pylist() for c in table.columns), strict=True)}


def _with_task_labels(
    work: Workspace, check: Callable[[str], str | None], path: Path, judgement: Judgement
) -> Judgement:
    """Return a judgement with added labels as the task writes them.  Raises InputError for one that the task does not know."""
    added = []
    for label in judgement.added:
        word = check(label)
        if word is None:
            raise InputError(
                f"{path}: {judgement.id}: {label!r} is no label of this job; see clean: in {work.config.file}"
            )
        added.append(word)
    return replace(judgement, added=[label for label in added if label not in judgement.accepted])
