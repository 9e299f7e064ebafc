"""Labelling runs: what raw replies are made by, and under which spellings of it a job's ledger may have its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.core.contracts import Provider
from pipeline.core.files import canonical_json, read_json
from pipeline.core.types import Article, Message
from pipeline.job.workspace import Workspace
from pipeline.label.sharing.log import is_of

VERSION = 1  # of `requests/`: stands in the key of each of its shards


@dataclass(frozen=True)
class Run:
    """What raw replies are made by: it stands in their keys, and names them in labels and versions."""

    identity: dict[str, Any]  # provider and prompt: what a shard of `requests/` depends on beside its articles
    run_id: str  # short digest of it
    key: Any  # a started SHA-256, to be copied

    @property
    def step(self) -> list[Any]:
        """What a shard of `requests/` depends on beside its articles."""
        return [VERSION, self.identity]


def started_key(provider: str, answers: dict[str, Any], *schema: dict[str, Any]) -> Any:
    """Return the SHA-256 that the keys of one kind of requests begin with, to be copied."""
    return hashlib.sha256(canonical_json([provider, answers, *schema]))


def finished_key(started: Any, article: Article, messages: Sequence[Message] | None) -> bytes:
    """Return the key of a request: what it began with, and its messages; None: the provider takes the article itself."""
    # Neither the prompt's name nor limits are in it: a prompt that is renamed, or that renders the same, is not paid again.
    digest = started.copy()
    if messages is None:
        digest.update(orjson.dumps([article.title, article.text, article.language]))
    else:
        digest.update(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS))
    key: bytes = digest.digest()
    return key


def identities(work: Workspace, provider: Provider) -> list[dict[str, Any]]:
    """Return the provider's identity, then others that ask the same: those of earlier runs of the job, and those that the provider
    guesses."""
    own = provider.identity
    guesses = list(provider.spellings())
    if not guesses:
        return [own]
    question = canonical_json(provider.question(own))
    earlier = [
        identity for identity in _of_earlier_runs(work) if canonical_json(provider.question(identity)) == question
    ]
    return list({canonical_json(identity): identity for identity in (own, *earlier, *guesses)}.values())


def _of_earlier_runs(work: Workspace) -> Iterator[dict[str, Any]]:
    """Yield the identities (endpoint, model, parameters) of the runs that stand beside the job."""
    for described in described_runs(work, work.config.label.provider):
        yield {name: described.get(name) for name in ("endpoint", "model", "parameters")}


def described_runs(work: Workspace, provider: str) -> Iterator[dict[str, Any]]:
    """Yield what is told of the runs that stand beside the job, of those of a provider that have parameters."""
    for file in sorted(work.run_file("*").parent.glob("*.json")):
        described = read_json(file) or {}
        if described.get("provider") == provider and isinstance(described.get("parameters"), dict):
            yield described


def run_of_requests(work: Workspace, runs: Sequence[Run]) -> Run:
    """Return the run that the job's `requests/` were made by; the first where that is none of these.

    So an edit of the job file that asks nothing else leaves every shard, label and run as it is.
    """
    for shard in read_json(work.articles.path / "_order.json") or []:
        if manifest := work.requests.manifest(shard):
            return next((run for run in runs if is_of(work, manifest, run.step)), runs[0])
    return runs[0]
