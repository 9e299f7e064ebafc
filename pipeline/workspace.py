"""A job's folder: where each stage reads and writes, and the progress that a person sees."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import JobConfig
from pipeline.errors import InputError
from pipeline.tables import Folder

if TYPE_CHECKING:
    from tqdm import tqdm


@dataclass(frozen=True)
class Workspace:
    """The folders of one job.  `limit` is the most articles that the label stage may ask about (`--limit`)."""

    config: JobConfig
    limit: int | None = None

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
    def split(self) -> Folder:
        return Folder(self.path / "split")

    @property
    def ledger_file(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def models(self) -> Path:
        """Fitted corpus statistics of local providers."""
        return self.path / "models"

    @property
    def verdicts_file(self) -> Path:
        return self.path / "review" / "verdicts.jsonl"

    @property
    def assignments(self) -> Path:
        """The sticky log of which article is train and which is eval."""
        return self.path / "split.assignments"

    @property
    def versions(self) -> Path:
        return self.path / "versions"

    def progress(self, stage: str, total: int | None, unit: str) -> tqdm[Any]:
        """A bar on standard error; silent where that is no terminal."""
        from tqdm import tqdm

        return tqdm(desc=f"{stage:>8}", total=total, unit=f" {unit}", disable=None, dynamic_ncols=True, file=sys.stderr)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process writes to a job at a time; the lock goes with the process.  Raises InputError if it is held."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise InputError(
                    f"{self.path}: process {holder} is working on this job; wait for it or stop it"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
