"""A job's folder: where each stage reads and writes, and the progress that a person sees."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.core.errors import InputError
from pipeline.core.shards import Folder
from pipeline.job.config import JobConfig

if TYPE_CHECKING:
    from tqdm import tqdm

_LOOKED_FOR = 0.2  # seconds: `status` holds the lock for a moment to see whether anybody else does


@dataclass(frozen=True)
class Workspace:
    """The folders of one job.  For collect: without `fetch` no page of the web is asked.  For the label stage: `limit` is the
    most articles that it may ask about, `retry_rejected` has it ask again what the endpoint rejected for good.  For
    publishing: `version` is given by hand, `adopt` takes the Hub as somebody else left it."""

    config: JobConfig
    limit: int | None = None
    retry_rejected: bool | None = None
    version: str | None = None
    adopt: bool = False
    fetch: bool = True

    @property
    def path(self) -> Path:
        return self.config.job_folder

    @property
    def articles(self) -> Folder:
        return Folder(self.path / "articles")

    @property
    def decisions(self) -> Folder:
        """What each filter found for each article, without the texts; `filtered` is made of it."""
        return Folder(self.path / "filtered.decisions")

    @property
    def filtered(self) -> Folder:
        return Folder(self.path / "filtered")

    @property
    def requests(self) -> Folder:
        return Folder(self.path / "requests")

    @property
    def labels(self) -> Folder:
        return Folder(self.path / "labels")

    @property
    def reviewed(self) -> Folder:
        return Folder(self.path / "reviewed")

    @property
    def signatures(self) -> Folder:
        """What the split compares of each labelled article."""
        return Folder(self.path / "split.signatures")

    @property
    def split(self) -> Folder:
        return Folder(self.path / "split")

    @property
    def ledger_target(self) -> Path | str:
        """The ledger's SQLite file, or PostgreSQL's URL (a secret)."""
        given = self.config.label.ledger.get_secret_value() if self.config.label.ledger else ""
        if given.startswith(("postgresql://", "postgres://")):
            return given
        return (self.config.folder / given).resolve() if given else self.path / "ledger.sqlite"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def quote_file(self) -> Path:
        """What the job was said to cost."""
        return self.path / "quote.json"

    @property
    def dialect_file(self) -> Path:
        """What the endpoint was found to take."""
        return self.path / "dialect.json"

    def run_file(self, run_id: str) -> Path:
        """What a labelling run was: its provider, model, parameters and prompt."""
        return self.path / "runs" / f"{run_id}.json"

    @property
    def models(self) -> Path:
        """Fitted corpus statistics of local providers."""
        return self.path / "models"

    @property
    def weights_file(self) -> Path:
        """Which weights a local model's name meant when this job first asked it."""
        return self.models / "weights.json"

    @property
    def verdicts_file(self) -> Path:
        return self.path / "review" / "verdicts.sqlite"

    @property
    def assignments(self) -> Path:
        """The sticky log of which article is train and which is eval."""
        return self.path / "split.assignments"

    @property
    def takedowns(self) -> Path:
        """The log of articles that must not be published any more."""
        return self.path / "takedowns.jsonl"

    @property
    def versions(self) -> Path:
        return self.path / "versions"

    def progress(self, stage: str, total: int | None, unit: str) -> tqdm[Any]:
        """A bar on standard error; silent where that is no terminal."""
        from tqdm import tqdm

        return tqdm(desc=f"{stage:>8}", total=total, unit=f" {unit}", disable=None, dynamic_ncols=True, file=sys.stderr)

    def worked_on_by(self) -> int | None:
        """The process that works on the job at this moment, None where nobody does."""
        try:
            with (self.path / ".lock").open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(file.read().strip() or 0) or None
        except FileNotFoundError:
            pass
        return None

    @contextmanager
    def locked(self, shared: bool = False, wait: bool = False) -> Iterator[None]:
        """One process writes to a job at a time; several may label it (`shared`).  The lock goes with the process.

        Raises InputError where somebody else holds it, unless told to `wait`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a+") as file:
            how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            try:
                _lock_soon(file, how)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "another"
                if not wait:
                    raise InputError(
                        f"{self.path}: process {holder} is working on this job; wait for it or stop it "
                        "(while it labels, labelmill label JOB helps it)"
                    ) from error
                print(f"labelmill: waiting for process {holder}, which works on this job", file=sys.stderr)
                fcntl.flock(file, how)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    @contextmanager
    def writing_requests(self) -> Iterator[None]:
        """For a moment: two processes that label a job write the same shard of `requests/` one after the other."""
        with (self.path / ".requests.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _lock_soon(file: IO[str], how: int) -> None:
    """Raises OSError where somebody holds the lock for longer than a look takes."""
    until = time.monotonic() + _LOOKED_FOR
    while True:
        try:
            return fcntl.flock(file, how | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
