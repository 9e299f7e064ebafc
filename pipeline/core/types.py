"""Row types that flow between stages, each field explained.  Plain data, no behaviour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from pipeline.core.json_labels import canonical, parsed
from pipeline.core.row_class import row_class

# what a source may tell of an article
ArticleColumn = Literal["id", "title", "text", "url", "published_at", "language"]
ARTICLE_COLUMNS: tuple[ArticleColumn, ...] = get_args(ArticleColumn)


@dataclass(frozen=True, slots=True)
class Unit:
    """The part of a source that is read as a whole: one data file, or a run of one-article files.

    `name` is stable as long as the unit exists and is safe as a file name; `digest` changes when the content does;
    `parts` are the paths read, in order; `labels` are the same as shown to people (relative to the job file).  A unit that is
    known by its `former_name`, from days when names were made otherwise, keeps it.  The stage sets
    `as_before` where a unit was read before a default changed (see `SourceOptions.for_new_units`).
    """

    name: str
    digest: str
    parts: tuple[str, ...]
    labels: tuple[str, ...]
    as_before: bool = False
    former_name: str = ""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record as the source holds it, before columns are mapped: `fields` by the source's own names."""

    source: str
    line: int
    fields: dict[str, Any]
    # what the source noticed, or did to it: an encoding, lines that it took away
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be an article.  `reason` is machine-readable, `detail` is for people."""

    source: str
    line: int
    reason: str
    detail: str = ""
    id: str | None = None
    text_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class GivenText:
    """Title and text of an article as its source gave them, where that was not NFC, and the digest of that text."""

    given_sha256: str
    title: str | None
    text: str


@row_class(frozen=True, slots=True)
class Article:
    """One article.  `text` is title and body joined, runs of white space folded to one space, in NFC, otherwise untouched."""

    id: str
    title: str | None
    text: str
    text_sha256: str
    url: str | None = None
    published_at: str | None = None
    # as detected by the language filter, else as the source declares it (ISO 639-1)
    language: str | None = None
    source: str = ""
    line: int = 0
    licence: str | None = None
    notes: tuple[str, ...] = ()
    given: GivenText | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """An article with the label that a student learns from; near-copies of it have the same `group_id`."""

    article: Article
    phrases: tuple[str, ...]
    group_id: str
    topic: str | None = None  # on the corpus map, where the version tells it


class ScoredPhrase(NamedTuple):
    """A phrase that a student gives, and how sure it is of it (0..1, as its training had it)."""

    text: str
    score: float


Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The JSON that a reply must be: a name and a JSON schema; `size` is the schema's bytes, which count as prompt; `strict`: every
    property of it is required and no other allowed, so that an endpoint can be held to it."""

    name: str
    schema: dict[str, Any]
    size: int
    strict: bool = True


@row_class(frozen=True, slots=True)
class Request:
    """One question to a provider.

    `key` is the digest of everything that changes the answer; `messages` is the rendered chat, empty for a provider
    that takes the article itself; `form` is what the reply must look like, where the prompt asks for JSON.  `answers` are
    those to the prompts before it, by variable (`label.before`), `before` their keys, `notes` what is to be said of them.
    """

    key: bytes
    article: Article
    messages: tuple[Message, ...] = ()
    form: ResponseFormat | None = None
    again: str | None = None  # why it is asked once more; a provider may then ask in another way
    settled: bool = False  # by an earlier run: what it was answered is not judged again
    answers: Mapping[str, str] = field(default_factory=dict)
    before: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()


class Spent(NamedTuple):
    """What one request took, as the ledger has it: tokens as the endpoint counted them, dollars where the price is known."""

    model: str | None  # that answered
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    finished_at: str  # UTC, ISO 8601
    is_answered: bool


@row_class(frozen=True, slots=True)
class Usage:
    """Tokens as the endpoint counted them; None where it did not say."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cache_write_tokens: int | None = None

    @property
    def tokens(self) -> int | None:
        """Return the tokens of prompt and reply together; None where the endpoint said neither."""
        counts = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        return sum(counts) if counts else None


@row_class(frozen=True, slots=True)
class Reply:
    """One raw answer, as stored in the ledger before anything parses it."""

    text: str
    finish_reason: str | None = None
    model: str | None = None  # as served, which may differ from the model asked for
    request_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    tier: str | None = None  # the service tier that it was served at
    billed_usd: float | None = None  # US dollars, where a gateway says what it billed
    reasoning: str = ""  # what a model thought, where it said nothing else


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits per minute in the headers of an endpoint's replies; None where they name none."""

    requests: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that an endpoint offers: `shutdown_date` (ISO 8601) and context in tokens where it says so."""

    id: str
    shutdown_date: str | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The column of a task's label in a table: `many` strings or one; or, with a JSON `schema` (as text), a value of its type.

    A label is always handled as phrases: that of a `schema` as one, its JSON text.  `located`: `many` phrases stand in the
    text, so that `tiers` and `offsets` are beside them.
    """

    name: str
    many: bool
    located: bool = True
    schema: str | None = None

    @property
    def has_tiers(self) -> bool:
        """Whether `tiers` and `offsets` stand beside the label."""
        return self.many and self.located

    def value(self, phrases: list[str]) -> Any:
        """Return phrases as the column holds them."""
        if self.schema is not None:
            return json.loads(phrases[-1])
        return phrases if self.many else phrases[-1]

    def phrases(self, value: Any) -> list[str]:
        """Return the phrases of a value of the column."""
        if self.schema is not None and isinstance(value, Mapping):
            return [canonical(value, parsed(self.schema))]
        return value if isinstance(value, list) else [value]

    def described(self) -> dict[str, Any]:
        """Return it as it stands in a version's manifest, by which `LabelColumn(**...)` makes it again."""
        further = {"located": self.located, "schema": self.schema}
        default = {"located": True, "schema": None}
        return {"name": self.name, "many": self.many} | {k: v for k, v in further.items() if v != default[k]}


@dataclass(frozen=True, slots=True)
class Label:
    """A reply as a task has read it.  `status` is `ok` or the reason why there is no label."""

    phrases: list[str]
    tiers: list[str]
    status: str
    repairs: list[str] = field(default_factory=list)
    detail: str = ""  # for people, of a reply without a label
