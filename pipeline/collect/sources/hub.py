"""Source of articles from a data set of the Hugging Face Hub, or a folder that `datasets` can load, streamed.

`revision` (a branch, a tag, a commit) is looked up once a run; the commit it stands for is what is read, and stands in
every row's source.  The files of a split are units of their own, so that a killed run goes on with the file it was at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.collect.fields import needed
from pipeline.collect.unit_names import readable
from pipeline.core import contracts
from pipeline.core.errors import ConfigError, HubError, InputError, LabelmillError
from pipeline.core.files import digest_of
from pipeline.core.hints import did_you_mean
from pipeline.core.types import ARTICLE_COLUMNS, RawRow, Unit

_SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves


class Options(contracts.SourceOptions):
    in_every_key = "name config split revision"
    name: str = Field(min_length=1)  # user/name on the Hub, or a folder (./name)
    config: str | None = None
    split: str = "train"
    revision: str | None = None  # null: the main branch as it is now

    def title(self) -> str:
        return f"hub:{self.name}"


class Source(contracts.Source):
    """Articles of a data set; a name that is a folder (relative to `folder`) means that folder."""

    def __init__(self, options: Options, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self._options, self._digest_of_file = options, digest_of_file
        path = folder / options.name
        self._local = path.resolve() if path.is_dir() else None
        if not self._local and (options.name.startswith((".", "/", "~")) or options.name.count("/") > 1):
            raise ConfigError(f"name: no such folder: {options.name}")
        if self._local and options.revision:
            raise ConfigError(f"revision: {options.name} is a folder here, which has none; leave it out")
        self._rows: Any = None
        self._names: list[str] | None = None
        self._columns: list[str] = []

    def units(self) -> Iterator[Unit]:
        """Yield a unit for each file of the split.  Raises ConfigError for a data set, split or column that is not there,
        HubError where the Hub fails."""
        with self._errors():
            commit = self._commit()
            self._rows = self._open(commit)
            self._names = self._rows.column_names or list(next(iter(self._rows), {}))
        self._check_columns()
        count, options = self._rows.num_shards, self._options
        what = "/".join(filter(None, (options.config, options.split)))
        shown = Path(options.name).name if self._local else options.name
        whole = f"hub-{shown}-{what}"
        slug, former = readable(whole)[:60], re.sub(r"[^A-Za-z0-9_]+", "-", whole)[:60]
        for number in range(count):
            label = f"hub:{shown}@{commit[:12]}/{what}" + (f"#{number}" if count > 1 else "")
            digest = digest_of([options.name, options.config, options.split, commit, number, count])
            end = f"{digest_of([options.name, options.config, options.split])[:8]}-{number:05d}"
            yield Unit(f"{slug}-{end}", digest, (str(number),), (label,), former_name=f"{former}-{end}")

    def read(self, unit: Unit) -> Iterator[RawRow]:
        """Yield rows in the file's order; the line is the number of the row in it.  Raises HubError or InputError where it
        cannot be read to its end."""
        rows = self._rows.shard(num_shards=self._rows.num_shards, index=int(unit.parts[0]))
        if self._columns:
            rows = rows.select_columns(self._columns)
        # columns that are not read are null, so that an error can name them
        blank: dict[str, Any] = dict.fromkeys(self._names or ())
        with self._errors():
            for line, fields in enumerate(rows, 1):
                yield RawRow(unit.labels[0], line, blank | fields)

    def _commit(self) -> str:
        """Return what fixes the content: a commit, or the digest of a folder's files."""
        if self._local:
            files = sorted(p for p in self._local.rglob("*") if p.is_file() and not p.name.startswith("."))
            digests = [(p.relative_to(self._local).as_posix(), self._digest_of_file(p)) for p in files]
            return digest_of(digests)
        from huggingface_hub import HfApi

        return str(HfApi().dataset_info(self._options.name, revision=self._options.revision).sha)

    def _open(self, commit: str) -> Any:
        """Open the split as `datasets` streams it."""
        import datasets

        datasets.disable_progress_bars()
        options = self._options
        if self._local and any((self._local / name).is_file() for name in _SAVED):
            saved = datasets.load_from_disk(str(self._local))
            if isinstance(saved, dict):
                if options.split not in saved:
                    raise ConfigError(f"split: no {options.split!r} in {options.name}; allowed: {', '.join(saved)}")
                saved = saved[options.split]
            return saved.to_iterable_dataset()
        revision = None if self._local else commit
        name = str(self._local or options.name)
        return datasets.load_dataset(name, options.config, split=options.split, revision=revision, streaming=True)

    def _check_columns(self) -> None:
        names = self._names or []
        for field, column in self._options.columns.items():
            if column not in names and column.partition(".")[0] not in names:
                columns_hint = f"allowed: {', '.join(names)}"[:300]
                raise ConfigError(f"columns.{field}: no column {column!r}{did_you_mean(column, names)}; {columns_hint}")
        wanted = needed([*self._options.columns.values(), *ARTICLE_COLUMNS])
        self._columns = [name for name in names if name in wanted]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what `datasets` and the Hub's client raise as our errors."""
        try:
            yield
        except LabelmillError:
            raise
        except Exception as error:  # readers of a dozen formats raise as they like; the rows' consumer is outside
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> LabelmillError:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        name = self._options.name
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & {"RevisionNotFoundError"}:
            return ConfigError(f"revision: {name} has no {self._options.revision!r}")
        if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError", "GatedRepoError", "HFValidationError"}:
            return ConfigError(
                f"name: no data set {name!r} on the Hub that you may read, nor a folder (HF_TOKEN?): {text}"
            )
        if isinstance(error, ValueError) and "plit" in text:
            return ConfigError(f"split: {text}")
        if (isinstance(error, ValueError) and "BuilderConfig" in text) or "Config name is missing" in text:
            return ConfigError(f"config: {text}")
        if kinds & {"DataFilesNotFoundError", "EmptyDatasetError"}:
            return ConfigError(f"name: {text}")
        if self._local:
            return InputError(f"hub:{name}: {text}")
        return HubError(f"hub:{name}: {text}", transient=isinstance(error, OSError))
