"""What topics will cost, for `quote` and `topics --quote`: vectors of an endpoint, and names by a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.commands import quote as quoting
from pipeline.core.errors import ConfigError
from pipeline.core.shards import read_order
from pipeline.engines.steps import DONE
from pipeline.job.workspace import Workspace
from pipeline.label.cost.estimate import Quote
from pipeline.label.requests import RequestBuilder
from pipeline.topics import stage, vector_quote
from pipeline.topics.vector_quote import VectorQuote

_NAMES_LATER = "names of topics: their price is known once the topics are found (labelmill topics JOB)"


@dataclass(frozen=True)
class TopicQuote:
    """Quotes of vectors and of names; None where nothing is asked, or where that is not known yet."""

    vectors: VectorQuote | None
    names: Quote | None
    notes: list[str] = field(default_factory=list)

    @property
    def usd(self) -> tuple[float, float] | None:
        """What is still to be paid, at least and at most; None where a price is not known."""
        low = high = 0.0
        if self.vectors:
            if self.vectors.least_usd is None or self.vectors.most_usd is None:
                return None
            low, high = low + self.vectors.least_usd, high + self.vectors.most_usd
        if self.names:
            if self.names.input_usd is None or self.names.most_usd is None:
                return None
            low, high = low + self.names.input_usd, high + self.names.most_usd
        return low, high

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON: the quote of the names, as any job's, and beside it that of the vectors."""
        names = asdict(self.names) if self.names else {}
        vectors = asdict(self.vectors) if self.vectors else None
        return {**names, "vectors": vectors, "notes": [*names.get("notes", ()), *self.notes]}


def quote(work: Workspace, find: Callable[[], None]) -> TopicQuote:
    """Quote what topics are still to cost, once the articles are filtered.  Raises ConfigError where they cost nothing.

    `find` finds them, of which the price of their names follows; it is not called where an endpoint would be paid for vectors.
    """
    vectors = vector_quote.quote(work)
    if vectors is None and stage.options_of(work).names is None:
        raise ConfigError(
            f"{work.config.file}: topics.names: no model is named, and no endpoint for vectors: topics cost nothing"
        )
    if vectors is None or not vectors.texts:
        find()
    return _with_names(work, vectors)


def quote_of_run(work: Workspace) -> TopicQuote | None:
    """Quote what topics are still to cost in a run; None where the job has none, or they cost nothing."""
    if work.config.topics is None:
        return None
    vectors = vector_quote.quote(work)
    return None if vectors is None and work.config.topics.names is None else _with_names(work, vectors)


def _with_names(work: Workspace, vectors: VectorQuote | None) -> TopicQuote:
    if stage.options_of(work).names is None:
        return TopicQuote(vectors, None)
    if (vectors and vectors.texts) or stage.state(work, read_order(work.articles)) != DONE:
        return TopicQuote(vectors, None, [_NAMES_LATER])
    naming = stage.naming_job(work)
    return TopicQuote(vectors, quoting.quote(naming) if naming else None)


def are_labels_paid(work: Workspace) -> bool:
    """Return whether labels are asked for by a prompt, so that `quote` has something to say of them."""
    return RequestBuilder(work).prompt is not None
