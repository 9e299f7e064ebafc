"""`labelmill review JOB`: the review page of a job, served until somebody stops it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, InputError, MissingExtra
from pipeline.review.labels import OwnLabels, Predictions
from pipeline.workspace import Workspace

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
    from pipeline.review import access, app
    from pipeline.review.desk import Desk

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
    from pipeline.review.app import Front

    config = work.config
    variables = config.task.variables(config.task_options)
    return Front(
        job=config.name,
        label=config.label_column.name,
        many=config.label_column.many,
        allowed=variables.get("classes"),
        max_phrases=int(getattr(config.task_options, "max_phrases", 0) or 0),
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
    from pipeline.reporting import page

    return page.html(work, review)
