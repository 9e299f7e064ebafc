"""Workspace of a job: where each stage reads and writes, and the locks that keep processes apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core import plugins
from pipeline.core.engine import Engine
from pipeline.core.errors import InputError
from pipeline.core.exchange import Exchange
from pipeline.core.locks import ProcessLock
from pipeline.core.objects import AnyPath
from pipeline.core.progress import progress_bar
from pipeline.core.shards import Folder
from pipeline.job import owner, tables
from pipeline.job.config import JobConfig
from pipeline.job.given_texts import GivenTexts
from pipeline.job.label_options import JOB_BUDGET
from pipeline.job.topic_table import TopicTable
from pipeline.job.travelling import without_keys

if TYPE_CHECKING:
    from pydantic import SecretStr
    from tqdm import tqdm

_log = logging.getLogger("labelmill.job")
NAMING = "naming"  # the job within a job that names its topics, and its folder
_LOCKS = ".locks"  # a folder of their own, for filelock keeps links beside them where others may write to it
_LOOK_SECONDS = 0.2  # `status` holds the lock for a moment to see whether anybody else does


@dataclass(frozen=True)
class Workspace:
    """Job with its folders; each is made when something is written to it.

    A job within a job (the names of topics) spends of the budget of the one that it is `within`, where that is what bounds it.
    """

    config: JobConfig
    within: Workspace | None = None
    budget_name: str = JOB_BUDGET  # the option that bounds what it spends

    def __post_init__(self) -> None:
        """Raise ConfigError where the folder is another job file's."""
        owner.check(self.config, self._owner_file)

    @property
    def path(self) -> Path:
        return self.config.job_folder

    @cached_property
    def tables(self) -> AnyPath:
        """Return where the folders of shards lie.  Raises ConfigError where that is not where the job's are."""
        return tables.checked(self.config)

    @cached_property
    def engine(self) -> Engine:
        """Return where the job's maps run; its workers go from stage to stage, until it is closed."""
        return plugins.create("engines", self.config.engine.type, self.config.engine_options)

    @property
    def exchange(self) -> Exchange:
        """Return where folds keep what they do not hold in memory."""
        return Exchange.within(self.path, self.engine.memory)

    def __getstate__(self) -> dict[str, Any]:
        """Return all that a worker elsewhere needs, without what it would ask endpoints with, or whose money it would spend."""
        config, tables = without_keys(self.config), self.tables  # they are looked at once
        return {"config": config, "tables": tables, "budget_name": self.budget_name}

    @property
    def articles(self) -> Folder:
        return Folder(self.tables / "articles")

    @property
    def given(self) -> GivenTexts:
        """Return the texts as their source gave them, of articles that were not NFC."""
        return GivenTexts.beside(self.articles.path)

    @property
    def decisions(self) -> Folder:
        """Return what each filter decided for each article, without the texts; `filtered` is made of it."""
        return Folder(self.tables / "filtered.decisions")

    @property
    def filter_output(self) -> Folder:
        """Return what the filters kept."""
        return Folder(self.tables / "filtered")

    @property
    def filtered(self) -> Folder:
        """Return the articles that go on: what the filters kept, less the topics that the job drops."""
        return self.topics_kept if self.config.topics and self.config.topics.drop else self.filter_output

    @property
    def topics_kept(self) -> Folder:
        """Return what the filters kept and no dropped topic has; made only where `topics.drop` names some."""
        return Folder(self.tables / "topics.kept")

    @property
    def topic_table(self) -> TopicTable:
        return TopicTable(self.path / "topics", self.config.in_commands)

    @property
    def topic_vectors(self) -> Path:
        """Return the folder of the vectors of articles, by embedder."""
        return self.path / "topics.vectors"

    @property
    def vectors_ledger(self) -> Path:
        """Return the ledger of what vectors of an endpoint were asked for, and cost."""
        return self.topic_vectors / "ledger.sqlite"

    @property
    def names_ledger(self) -> Path | str:
        """Return the ledger of the names of topics that a model gave, as `ledger_target` does."""
        names = self.config.topics.names if self.config.topics else None
        return self._ledger(names.ledger if names else None, self.own_names_ledger)

    @property
    def own_names_ledger(self) -> Path:
        """Return where names lie that are in no ledger that others may share."""
        return self.topic_table.path / NAMING / "ledger.sqlite"

    @property
    def names_requests(self) -> Folder:
        """Return which names of topics were asked for, as `requests` does for labels."""
        return Folder(self.topic_table.path / NAMING / "requests")

    @property
    def requests(self) -> Folder:
        return Folder(self.tables / "requests")

    @property
    def drawn_file(self) -> Path:
        """Return the file of the articles that `label.until` drew last: a run that was killed may have asked about them."""
        return self.path / "label.drawn.parquet"

    @property
    def candidates_file(self) -> Path:
        """Return the file of the candidates that prompts were given."""
        return self.path / "label.candidates.sqlite"

    @property
    def shared_signatures(self) -> Folder:
        """Return what `label.share` compares of each article."""
        return Folder(self.tables / "label.signatures")

    @property
    def shares(self) -> Path:
        """Return the folder of the log of which article shares which answer."""
        return self.path / "label.shares"

    @property
    def labels(self) -> Folder:
        return Folder(self.tables / "labels")

    @property
    def reviewed(self) -> Folder:
        return Folder(self.tables / "reviewed")

    @property
    def signatures(self) -> Folder:
        """Return what the split compares of each labelled article."""
        return Folder(self.tables / "split.signatures")

    @property
    def split(self) -> Folder:
        return Folder(self.tables / "split")

    @property
    def ledger_target(self) -> Path | str:
        """Return the ledger's SQLite file, or PostgreSQL's URL (a secret)."""
        return self._ledger(self.config.label.ledger, self.path / "ledger.sqlite")

    def _ledger(self, option: SecretStr | None, otherwise: Path) -> Path | str:
        given = option.get_secret_value() if option else ""
        if given.startswith(("postgresql://", "postgres://")):
            return given
        return (self.config.folder / given).resolve() if given else otherwise

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def quote_file(self) -> Path:
        """Return the file of what the job was estimated to cost."""
        return self.path / "quote.json"

    @property
    def compatibility_file(self) -> Path:
        """Return the file of which parameters the endpoint takes."""
        return self.path / "dialect.json"

    def run_file(self, run_id: str) -> Path:
        """Return the file of a labelling run: its provider, model, parameters and prompt."""
        return self.path / "runs" / f"{run_id}.json"

    @property
    def models(self) -> Path:
        """Return the folder of fitted corpus statistics of local providers."""
        return self.path / "models"

    @property
    def weights_file(self) -> Path:
        """Return the file of which weights a local model's name meant when this job first asked it."""
        return self.models / "weights.json"

    @property
    def verdicts_file(self) -> Path:
        return self.path / "review" / "verdicts.sqlite"

    @property
    def keep_out(self) -> Path:
        """Return the folder of the signatures of benchmarks."""
        return self.path / "split.keep_out"

    @property
    def assignments(self) -> Path:
        """Return the folder of the sticky log of which article is train and which is eval."""
        return self.path / "split.assignments"

    @property
    def takedowns(self) -> Path:
        """Return the log of articles that must not be published any more."""
        return self.path / "takedowns.jsonl"

    @property
    def facts(self) -> Folder:
        """Return what publishing found of each row; it may be deleted, and is made again."""
        return Folder(self.tables / "publish.facts")

    @property
    def file_facts(self) -> Path:
        """Return the folder of what publishing found of the files of versions; it may be deleted."""
        return self.path / "publish.files"

    @property
    def versions(self) -> Path:
        return self.path / "versions"

    @property
    def students(self) -> Path:
        """Return the folder of the models that were trained on versions."""
        return self.path / "students"

    def progress(self, stage: str, total: int | None, unit: str) -> tqdm[Any]:
        """Return a progress bar; see `core.progress`."""
        return progress_bar(stage, total, unit)

    def worked_on_by(self) -> int | None:
        """Return the process that works on the job at this moment, None where nobody does."""
        return self._lock.holder()

    @contextmanager
    def locked(self, shared: bool = False, wait: bool = False) -> Iterator[None]:
        """Keep other processes from writing to the job; several may label it (`shared`).  The lock goes with the process.

        Raises InputError where somebody else holds it, unless told to `wait`.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._lock.held(shared, _LOOK_SECONDS))
            except TimeoutError as error:
                holder = self._lock.last_holder() or "another"
                if not wait:
                    raise InputError(
                        f"{self.path}: process {holder} is working on this job; wait for it or stop it "
                        f"(while it labels, labelmill label {self.config.in_commands} helps it)"
                    ) from error
                _log.info("waiting for process %s, which works on this job", holder)
                stack.enter_context(self._lock.held(shared))
            owner.note(self.config, self._owner_file)
            self.tables  # noqa: B018 - looked at before they are this job's
            tables.note(self.config)
            yield

    @property
    def _owner_file(self) -> Path:
        return self.path / _LOCKS / "job_file"

    @property
    def _lock(self) -> ProcessLock:
        return ProcessLock(self.path / _LOCKS / "job")

    @contextmanager
    def writing_requests(self) -> Iterator[None]:
        """Keep other processes that label the job from writing `requests/` for a moment: all write the same shards."""
        with ProcessLock(self.path / _LOCKS / "requests").held():
            yield
