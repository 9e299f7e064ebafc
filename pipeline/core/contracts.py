"""What a plugin is: the base classes of sources, filters, tasks, providers, embedders and students, with every hook that is called.

A plugin is a module with `Options`, which checks its section of the job file, and one class, which inherits from the base of its
kind here.  What is abstract or has no value here must be given; every other hook has a default, so that a plugin writes down
what differs.  Stages call hooks without asking whether they are there: a plugin of another package gets what a built-in one gets.

    sources     Options(SourceOptions)   Source     units, read
    filters     Options(FilterOptions)   Filter     decide
    tasks       Options                  Task       column, prompt, variables, parse
    providers   Options                  Provider   identity, and ask or answer
    embedders   Options                  Embedder   identity, embed
    students    Options                  Student    fit, save, load, predict

No base class has a state of its own: an `__init__` need not call that of its base.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from pipeline.core.batch_api import BatchApi as BatchApi
from pipeline.core.embedder import Embedder as Embedder
from pipeline.core.label_section import LabelSection as LabelSection  # plugins take theirs from here
from pipeline.core.options import FilterOptions as FilterOptions
from pipeline.core.options import SourceOptions as SourceOptions
from pipeline.core.plugin import Plugin as Plugin
from pipeline.core.student import Student as Student
from pipeline.core.student import TrainingRun as TrainingRun
from pipeline.core.types import Article, BadRow, Label, LabelColumn, ModelInfo, RateLimits, RawRow, Reply, Request, Unit

if TYPE_CHECKING:
    from pipeline.core.text.tokens import Counter, Ruler

Reasons = list[str | None]  # why each row may not stay, None where it may
Columns = dict[str, list[Any]]  # a value for each row, by the column's name


class Source(Plugin):
    """Where articles come from.  It maps no columns and cleans no text: the collect stage does, alike for all sources.

    A stage calls `prepare`, `units`, `read` for units that changed (or of what `apart` returns), `finished` where all rows are
    stored, `close` always.  Each may raise ConfigError, whose text begins with the option at fault, or InputError."""

    notes: Mapping[str, str] = MappingProxyType({})
    """What `read` guessed about the unit that it read last, as label -> encoding; it stands in the unit's record."""

    def __init__(self, options: Any, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        """Take the checked options; `folder` is what relative paths are relative to, `digest_of_file` gives the SHA-256 of a file's
        content and reads an unchanged file once."""

    @staticmethod
    def for_preview(options: Any, count: int) -> Any:
        """Return options that fetch no more than `count` rows, for a look at the first of them; by default, `options`."""
        return options

    def prepare(self, state: Path, progress: Any, fetch: bool) -> None:
        """Bring what is read up to date (a crawl), with files of its own in the folder `state`, and `progress.update(rows)`.

        With `fetch` false only open what an earlier run left there.  May raise Paused where the user stopped it."""

    @classmethod
    def prepares(cls) -> bool:
        """Return whether the class has a `prepare` of its own: its progress is shown."""
        return cls.prepare is not Source.prepare

    @abstractmethod
    def units(self) -> Iterable[Unit]:
        """Yield what is read as a whole, in source order, cheaply: a unit with a new digest is read again."""

    @abstractmethod
    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Yield a RawRow for each record of a unit, in a stable order, a BadRow for one that cannot be an article."""

    def apart(self, unit: Unit) -> Source | None:
        """Return a source that `read`s this unit in another process, to which it is pickled; None: only this one can."""
        return None

    def finished(self) -> None:
        """Note that all rows of this run are stored."""

    def close(self) -> None:
        """Free what the source holds open; called also after a failure."""


class Filter(Plugin):
    """What articles may stay."""

    columns: ClassVar[pa.Schema] = pa.schema([])
    """The columns that it adds to each row; those of a filter that folds stay out of `filtered/`."""

    version: ClassVar[int] = 1
    """Raised where it judges otherwise; shards that were judged before keep what it said until `labelmill filter JOB --rejudge`."""

    def __init__(self, options: Any) -> None:
        """Take the checked options; load models here, for a filter is made once a shard must be judged."""

    @abstractmethod
    def decide(self, articles: pa.Table) -> tuple[Reasons, Columns]:
        """Return for each row of a shard a machine-readable reason to reject it, or None, and the values of `columns`."""

    unique: ClassVar[dict[str, str]] = {}
    """Columns -> reasons: of rows with one value (but null) the first in source order stays; each among those still there."""

    def fold(self, columns: pa.Table) -> dict[int, tuple[str, str]]:
        """Return row -> (reason, detail) for what must go; `columns`: `id`, `stop`, its own, of all rows still there, in order."""
        return {}

    @classmethod
    def folds(cls) -> bool:
        """Return whether the class looks across shards, by `unique` or a `fold` of its own."""
        return bool(cls.unique) or cls.fold is not Filter.fold


class Task(Plugin):
    """What a label is.  Pure: no disk, no network.

    A module constant `VERSION` (1 where there is none) stands in the key of every cleaned shard: a higher one cleans all again."""

    column: ClassVar[LabelColumn]
    """How the label stands in tables: its name, and whether it is many phrases or one."""

    prompt: ClassVar[str]
    """The name of the prompt that is taken where the job file names none."""

    @classmethod
    def column_for(cls, options: Any) -> LabelColumn:
        """Return how the label stands in tables, where that depends on the options; by default, `column`."""
        return cls.column

    @classmethod
    def prompt_for(cls, options: Any) -> str:
        """Return the prompt that is taken where the job file names none, as the options have it; by default, `prompt`."""
        return cls.prompt

    def __init__(self, options: Any, count: Counter) -> None:
        """Take the checked section `clean`; `count` returns the tokens of each of some texts."""

    @staticmethod
    @abstractmethod
    def variables(options: Any) -> dict[str, Any]:
        """Return what a prompt may use beside the article's fields, by name."""

    @staticmethod
    def schema(options: Any) -> dict[str, Any] | None:
        """Return the JSON schema of a reply to a prompt with `output: json_schema`; None: the task reads no JSON."""
        return None

    @staticmethod
    def classes(options: Any) -> list[str] | None:
        """Return the closed set that labels are of, in the order in which people see it; None: any phrase may be one."""
        return None

    @staticmethod
    def max_phrases(options: Any) -> int:
        """Return the most phrases of a label, where `column` is of many; 0: as many as there are."""
        return 0

    def take_prompt(self, texts: Sequence[str], language: str | None) -> None:
        """Hear, before any `parse`, what the prompt says to every article, and the language that it asks for, if any."""

    @abstractmethod
    def parse(self, reply: Reply, article: Article) -> Label:
        """Return the label that a raw reply holds; its status says why where it holds none."""

    def judge(self, reply: Reply, article: Article) -> str:
        """Return quickly what a reply is worth: `ok`, or why it is no good (`empty`, `refusal`, `absent`, ...); for some of these
        reasons the question is asked again (`label.reask`), and many of them pause the job."""
        return "ok"

    def shared(self, label: Label, article: Article) -> Label:
        """Return the label, parsed for an article, of a reply that was asked for about a near-copy of it: without what the article
        lacks; a status other than `ok` says why nothing is left: it is asked about itself."""
        return label

    def check(self, label: str) -> str | None:
        """Return the task's own word for a label that a person wrote, None where it is no label of the task."""
        return label


class Provider(Plugin):
    """Who answers requests: `ask` one at a time, many of them in flight at once, or `answer` a batch in this process, for free.

    A stage calls `identify`, `load`, `remember`; then, where there is something to ask, `open`, `models`, `ask` and `close`."""

    uses_prompt: ClassVar[bool] = True
    """Whether requests carry rendered messages; else only the article."""

    model: str | None = None
    """The model that is asked, for prices, limits of length and people; None where it has no name."""

    base_url: str = ""
    """The address that is asked, for messages; empty where there is none."""

    max_output_tokens: int | None = None
    """The most tokens of a reply, which a budget needs; None: nothing bounds it."""

    tier: str | None = None
    """The service tier that is asked for (`batch`, `flex`, `priority`), which has a price of its own."""

    reply_seconds: float | None = None
    """How many seconds a reply may take before it counts as lost; None: learned from how long others took."""

    context_tokens: int | None = None
    """How many tokens a prompt and its reply may have together, once `open` returned; None: known by `models`, or unknown."""

    ruler: Ruler | None = None
    """How long prompts are in the model's own tokens, once `open` returned; None: as OpenAI's models count."""

    advertised: RateLimits | None = None
    """The limits per minute that the last reply told of; None: they are learned from refusals."""

    pool: int | None = None
    """How many requests a model in this process wants at once, to batch them itself: they are not paced, cut off or paid for;
    None: `ask` goes to an endpoint."""

    asks_otherwise: tuple[str, ...] = ()
    """Reasons (`reasoning_exhausted`) for which `ask` has another way where they are a request's `again`."""

    repeats: bool = False
    """Whether the same question gets the same reply: a bad one is not asked again."""

    label_source: ClassVar[str | None] = None
    """What published rows call the source of its labels; None: `llm` where it takes a prompt, else `extracted`."""

    def __init__(self, label: LabelSection, options: Any) -> None:
        """Take the job file's section `label` and the checked `label.parameters`.  Raises ConfigError."""

    @classmethod
    def lacks(cls) -> list[str]:
        """Return what the class must define and does not, sorted."""
        is_mute = cls.ask is Provider.ask and not cls.batches()
        return super().lacks() + (["ask (or answer)"] if is_mute else [])

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything beside the messages that changes an answer, as JSON: part of every ledger key; no secrets.

        It is looked at after `identify` and `load`."""

    @property
    def where(self) -> str:
        """What messages call the one that answers: its address, else its module."""
        return self.base_url or type(self).__module__

    # --- before the first request ---

    def identify(self, base: Path, memory: Path, refresh: bool) -> None:
        """Find out which weights answer, and remember it in the job's file `memory`; `base` is the folder of the job file, with
        `refresh` what is remembered does not count.  Raises ModelError."""

    def is_identified(self, base: Path, memory: Path) -> bool:
        """Return whether `identify` would ask nobody and read no weights."""
        return True

    def fit(self, articles: Iterable[Article]) -> bytes:
        """Return statistics over the job's articles; they are kept, and made anew only by `label.refit`."""
        raise NotImplementedError

    def load(self, state: bytes) -> None:
        """Take what `fit` returned, in this run or in an earlier one."""

    @classmethod
    def fits(cls) -> bool:
        """Return whether the class has a `fit` of its own."""
        return cls.fit is not Provider.fit

    def earlier(self, models: Path) -> dict[str, Any] | None:
        """Return the `identity` with which an earlier version answered in this job, None where none did.

        `models` is the job's folder of fitted states.  Its answers stay until `label.refit`; other articles get this version's."""
        return None

    def spellings(self) -> Iterable[dict[str, Any]]:
        """Yield further identities under which the ledger may have answers to the same questions, the likeliest first: what is
        there is not asked anew, and keeps its `run_id`."""
        return ()

    def question(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return what an identity of this provider asks, in one spelling: two that are alike here ask the same."""
        return identity

    def remember(self, changes: dict[str, Any], on_change: Callable[[str, dict[str, Any]], None]) -> None:
        """Take what earlier runs found the endpoint to accept (JSON, empty at first), which changes no key; `on_change(message, all
        changes)` shows a new finding to people and keeps it beside the job."""

    def examine(self, base: Path) -> str | None:
        """Return what would answer here, in a line for `doctor`, None for nothing to say.  Raises ModelError, MissingExtra."""
        return None

    def models(self) -> list[ModelInfo] | None:
        """Return the models that the endpoint offers, by name, before the first paid request: one that does not offer `model`
        pauses the job.  An empty list: it lists none; None: there is no list.  Raises EndpointError, with the `status` of the
        answer where there was one."""
        return None

    async def open(self) -> None:
        """Get ready for `ask`: a session, a model.  Raises EndpointError, ModelError, MissingExtra."""

    async def ask(self, request: Request) -> Reply:
        """Make one attempt.  Raises RequestFailed, whose `kind` says what follows: waiting, another attempt, an end."""
        raise NotImplementedError

    def stop(self) -> None:
        """Begin nothing more; what is under way ends."""

    async def close(self) -> None:
        """Free what `open` took; called also where that failed."""

    def batch_api(self) -> BatchApi | None:
        """Return the endpoint's Batch API, for `label.via: batch`; None: it has none."""
        return None

    in_processes: ClassVar[bool] = False
    """Whether several may `answer` at once, each in a process of its own (`engine` of the job file)."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the replies to a batch, in its order, computed in this process."""
        raise NotImplementedError

    @classmethod
    def batches(cls) -> bool:
        """Return whether the class has an `answer` of its own, which is called instead of `ask`."""
        return cls.answer is not Provider.answer
