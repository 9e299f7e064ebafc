"""Sections of a job file, checked whole before anything runs.

Every problem is one line: file, key path, the value, what is allowed.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipeline.core import contracts, plugins
from pipeline.core.contracts import FilterOptions as FilterOptions  # plugins of others import them from here
from pipeline.core.contracts import SourceOptions as SourceOptions
from pipeline.core.errors import ConfigError
from pipeline.core.objects import AnyPath, path_of
from pipeline.core.options import Options as Options
from pipeline.core.types import LabelColumn
from pipeline.job.label_options import LabelOptions
from pipeline.job.topic_options import TopicOptions
from pipeline.job.validation import check, dotted
from pipeline.job.yaml_reader import parse_yaml, read_text

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


_NAME_CHARACTERS = ("L", "M", "Nd")  # categories: letters, their marks, digits
_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0"
_NAME_BYTES = 180  # a file system takes 255, and exports are named by the job with more behind it
_NO_FOLDER_OF_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?|.*\.", re.IGNORECASE)


def folder_name(name: str) -> str:
    """Return a job's name as its folder has it: composed (NFC), for a Mac may hand it over in pieces.

    Raises ValueError for what could lead elsewhere, cannot be seen, or is too long for a folder.
    """
    name = unicodedata.normalize("NFC", name)
    kinds = [unicodedata.category(c)[:2] for c in name if c not in "._-"]
    allowed = all(kind.startswith(_NAME_CHARACTERS) for kind in kinds) and not set(_INVISIBLE_LETTERS) & set(name)
    if not allowed or not name[:1].isalnum():
        raise ValueError("a name is made of letters, digits, '-', '_' and '.', and begins with a letter or a digit")
    if len(name.encode()) > _NAME_BYTES:
        raise ValueError("a name has at most 60 characters of Hangul, 100 of ASCII")
    return name


def _address(tables: str) -> str:
    path_of(tables)
    return tables


class SplitOptions(Options):
    """Size of eval, and what counts as a near-copy.

    `eval` below 1 is a share of the groups, from 1 on a number of rows.  Articles that share at least `similarity` of their pieces
    (Jaccard) are one group; 1: equal texts only.
    """

    in_every_key = "eval salt similarity"
    eval: float = Field(default=0.2, ge=0, allow_inf_nan=False)
    salt: str = "v1"
    similarity: Annotated[float, Field(ge=0.3, le=1, allow_inf_nan=False)] = 0.6
    # benchmarks, files or data sets of the Hub: rows like theirs are kept out of train
    keep_out: list[str] = []

    def largest_group(self, rows: int) -> int:
        """Return how many rows a group of near-copies has at most that may be drawn for eval, of so many rows in all."""
        target = self.eval * rows if self.eval < 1 else self.eval
        return max(1, int(target / 10))

    @model_validator(mode="after")
    def _whole_number(self) -> SplitOptions:
        if self.eval >= 1 and self.eval != int(self.eval):
            raise ValueError("eval is a share below 1 (0.2) or a whole number of rows (3000)")
        return self


class PublishOptions(Options):
    """Where versions go, what they hold, and which gates they must pass."""

    repo: str | None = None  # user/name
    to: Literal["folder", "hub"] = "folder"
    private: bool = True
    text: Literal["full", "none"] = "full"  # none: addresses, digests and labels only
    licence: str | None = None  # of the published data set, for its card
    gates: dict[str, Literal["stop", "warn"]] = {}  # by name; see docs/publishing.md
    waive: dict[
        str, str | dict[str, str]
    ] = {}  # gate -> the reason why it need not hold, or row -> why that one need not
    card: dict[str, Any] = {}  # keys of the card's head, and some of its texts; see docs/publishing.md
    redact: list[Literal["credentials", "email", "phone", "resident_number", "national_id", "card", "iban"]] = []
    max_absent_rate: Annotated[float, Field(ge=0, le=1)] = 0.3  # of the gate absent_rate
    min_precision: Annotated[float, Field(ge=0, le=1)] = 0.8  # of the gate reviewed_precision

    @field_validator("repo")
    @classmethod
    def _as_the_hub_names_it(cls, repo: str | None) -> str | None:
        if repo is not None and (
            not re.fullmatch(r"[\w.-]+/[\w.-]{1,96}", repo, re.ASCII) or re.search(r"--|\.\.|\.git$", repo)
        ):
            raise ValueError("write it as user/name, in letters, digits, -, _ and .")
        return repo

    @field_validator("gates", "waive", mode="before")
    @classmethod
    def _by_the_names_of_gates(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {f"no_{name}" if name in ("credentials", "personal_data") else name: of for name, of in given.items()}

    @field_validator("to")
    @classmethod
    def _with_a_repository(cls, to: str, info: ValidationInfo) -> str:
        if to == "hub" and info.data.get("repo", "") is None:
            raise ValueError("needs publish.repo: user/name")
        return to


class ReviewOptions(Options):
    """Sample that people are shown.  Shares are of the articles; weights say how many of a stratum are drawn beside others."""

    seed: int = 0
    blind: Share = 0.1  # of them the reviewer writes phrases before the label is seen
    overlap: Share = 0.1  # are judged by two reviewers
    planted: Share = 0.05  # carry a phrase that is known to be wrong
    stratify: Literal["source", "language", "model", "topic"] | None = None
    weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}  # default: by the strata's sizes
    guidelines: str | None = None  # a text file beside the job file, which the page shows to reviewers

    @field_validator("weights")
    @classmethod
    def _of_strata(cls, weights: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if weights and info.data.get("stratify", "") is None:
            raise ValueError("needs review.stratify: source, language, model or topic")
        return weights


class TrainOptions(Options):
    """Which student `labelmill train` trains, and how; `parameters` are the student's."""

    student: str = "ranker"
    parameters: dict[str, Any] = {}
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class PluginSpec(BaseModel):
    """Section `{type: name, ...}` before the plugin that it names has checked the rest of it."""

    model_config = ConfigDict(extra="allow")
    type: str


class EngineSpec(PluginSpec):
    """Section `engine` before the engine that it names has checked the rest of it."""

    type: str = "local"


class JobConfig(Options):
    """Checked job file.  `file` is where it was read from; relative paths in it are relative to its folder.

    What belongs to a plugin is checked by the plugin's own `Options`: see `source_options` and its siblings.
    """

    name: Annotated[str, Field(max_length=100), AfterValidator(folder_name)]
    workspace: Path = Path("jobs")
    tables: Annotated[str, AfterValidator(_address)] | None = (
        None  # where the folders of shards lie; null: in the job's folder
    )
    tokenizer: str | None = (
        None  # an encoding, a Hub name or a folder: what counts tokens wherever nothing else is named
    )
    sources: Annotated[list[PluginSpec], Field(min_length=1, repr=False)]  # an address may hold a password
    filters: list[PluginSpec] = []
    topics: TopicOptions | None = None  # null: no stage of this name
    label: LabelOptions = LabelOptions()
    clean: dict[str, Any] = {}
    review: ReviewOptions = ReviewOptions()
    split: SplitOptions = SplitOptions()
    publish: PublishOptions = PublishOptions()
    train: TrainOptions = TrainOptions()
    engine: EngineSpec = EngineSpec()
    file: Path = Path("job.yaml")

    @cached_property
    def source_options(self) -> list[Any]:
        return [self._options("sources", s.type, s.model_dump(), ("sources", i)) for i, s in enumerate(self.sources)]

    @cached_property
    def filter_options(self) -> list[Any]:
        return [self._options("filters", f.type, self._counted(f), ("filters", i)) for i, f in enumerate(self.filters)]

    def _counted(self, spec: PluginSpec) -> dict[str, Any]:
        """Return a filter's section, with the job's tokenizer where it counts tokens and says nothing of how."""
        values = spec.model_dump()
        if self.tokenizer is None or {"encoding", "tokenizer"} & set(values):
            return values
        with suppress(ConfigError):  # an unknown filter is an error with its place, in `_options`
            model = plugins.load("filters", spec.type).Options
            values = (model.counted_by(self.tokenizer) if issubclass(model, FilterOptions) else {}) | values
        return values

    @cached_property
    def embedder_options(self) -> list[Any]:
        """Return the options of the embedders that `topics.embed` names, those of a job without the section by default."""
        specs = (self.topics or TopicOptions()).embed
        return [
            self._options("embedders", spec.plugin, spec.values, ("topics", "embed", i)) for i, spec in enumerate(specs)
        ]

    @cached_property
    def provider_options(self) -> Any:
        """Return `label.parameters`, checked by the provider."""
        return self._options("providers", self.label.provider, self.label.parameters, ("label", "parameters"))

    @cached_property
    def task_options(self) -> Any:
        """Return `clean`, checked by the task."""
        return self._options("tasks", self.label.task, self._with_files(self.clean), ("clean",))

    @cached_property
    def student_options(self) -> Any:
        """Return `train.parameters`, checked by the student."""
        return self._options("students", self.train.student, self.train.parameters, ("train", "parameters"))

    def _with_files(self, section: dict[str, Any]) -> dict[str, Any]:
        """Return the section `clean` with the content of the files that it names, for options that may be such."""
        names: list[str] = []
        with suppress(ConfigError):  # an unknown task is an error with its place, in `_options`
            names = plugins.load("tasks", self.label.task).Options.in_files.split()
        files = {name: value for name, value in section.items() if name in names and isinstance(value, str)}
        return section | {name: self._content(name, file) for name, file in files.items()}

    def _content(self, name: str, file: str) -> Any:
        path = self.folder / file
        if not path.is_file():
            raise ConfigError(f"{self.file}: clean.{name}: there is no file {path}")
        return parse_yaml(read_text(path, f"clean.{name}"), str(path))

    @property
    def task(self) -> type[contracts.Task]:
        """Return the class of the job's task."""
        return plugins.load("tasks", self.label.task).Task

    @property
    def label_column(self) -> LabelColumn:
        return self.task.column_for(self.task_options)

    @property
    def max_phrases(self) -> int:
        """Return the most phrases of a label; 0: any number."""
        return self.task.max_phrases(self.task_options)

    @property
    def prompt(self) -> str:
        """Return the name of the job's prompt: its own, else the task's."""
        return self.label.prompt or self.task.prompt_for(self.task_options)

    @cached_property
    def engine_options(self) -> Any:
        return self._options("engines", self.engine.type, self.engine.model_dump(), ("engine",))

    def _options(self, kind: plugins.Kind, name: str, values: dict[str, Any], at: tuple[str | int, ...]) -> Any:
        try:
            model = plugins.load(kind, name).Options
        except ConfigError as error:
            keys = {"providers": "label.provider", "tasks": "label.task", "students": "train.student"}
            key = keys.get(kind, f"{dotted(at)}.type")
            raise ConfigError(f"{self.file}: {key}: {error}") from error
        return check(model, values, str(self.file), at)

    @property
    def in_commands(self) -> str:
        """Return the job file as a command in a hint names it: quoted where its name needs that."""
        return shlex.quote(str(self.file))

    @property
    def folder(self) -> Path:
        """Return the folder that the job file lies in."""
        return self.file.parent

    @property
    def can_be_folder(self) -> bool:
        """Return whether the folder is there, or can be made on every system: `aux` and `a.` are none on Windows."""
        return self.job_folder.exists() or not _NO_FOLDER_OF_WINDOWS.fullmatch(self.name)

    @property
    def job_folder(self) -> Path:
        return (self.folder / self.workspace / self.name).resolve()

    @property
    def tables_folder(self) -> AnyPath:
        """Return the folder that the job file gives its folders of shards."""
        return self.job_folder if self.tables is None else path_of(self.tables) / self.name
