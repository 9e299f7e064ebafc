"""What vectors of an endpoint will cost, before they are asked for; and what they and the names of topics have cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.embedder import Embedder
from pipeline.core.shards import read_order
from pipeline.core.text.tokens import counter_of, encoding_of
from pipeline.job.workspace import NAMING, Workspace
from pipeline.label.cost.prices import Prices, unknown
from pipeline.label.job_ledger import is_there
from pipeline.label.ledger import open_ledger_to_read
from pipeline.topics import stage
from pipeline.topics.asking import budget_of, options_of
from pipeline.topics.texts import Key, Texts
from pipeline.topics.vectors import VectorStore

_AT_ONCE = 1024  # texts counted together


@dataclass
class VectorQuote:
    """What is still to be asked for: texts without a vector, the tokens as they are counted here and at most (one a byte), dollars
    for both, None where a price is not known.  `paid_usd` is for the vectors that are there."""

    models: list[str] = field(default_factory=list)
    texts: int = 0
    requests: int = 0
    tokens: int = 0
    most_tokens: int = 0
    least_usd: float | None = 0.0
    most_usd: float | None = 0.0
    paid_usd: float = 0.0
    notes: list[str] = field(default_factory=list)

    def add(self, tokens: int, most: int, token_usd: float | None) -> None:
        """Add the tokens of an embedder's texts at its price."""
        self.tokens += tokens
        self.most_tokens += most
        is_known = token_usd is not None and self.least_usd is not None and self.most_usd is not None
        self.least_usd = self.least_usd + tokens * token_usd if is_known else None  # type: ignore[operator]
        self.most_usd = self.most_usd + most * token_usd if is_known else None  # type: ignore[operator]


def quote(work: Workspace) -> VectorQuote | None:
    """Return what the vectors that are missing will cost; None where no endpoint is asked for any."""
    estimate = VectorQuote()
    for embedder, name in _asked(work):
        with closing(embedder):
            _add(work, embedder, name, estimate)
    if not estimate.models:
        return None
    estimate.paid_usd = (
        _totals(work.vectors_ledger, work.config.name)["cost_usd"] if work.vectors_ledger.exists() else 0.0
    )
    return estimate


def _asked(work: Workspace) -> Iterator[tuple[Embedder, str]]:
    """Yield the embedders that ask an endpoint, with their names."""
    specs = stage.options_of(work).embed
    for spec, given in zip(specs, work.config.embedder_options, strict=True):
        if plugins.load("embedders", spec.plugin).Embedder.is_asked():
            yield plugins.create("embedders", spec.plugin, given, work.config.folder), spec.plugin.rpartition(".")[2]


def _add(work: Workspace, embedder: Embedder, name: str, estimate: VectorQuote) -> None:
    endpoint = embedder.endpoint(lambda *_: None)
    model = endpoint.provider.model or ""
    options = options_of(work, endpoint, budget_of(work, endpoint.options.budget_usd))
    price = Prices(options.prices, endpoint.provider.base_url).of(model)
    texts = Texts(work, read_order(work.articles))
    missing = _missing(work, embedder, VectorStore.at(work.topic_vectors, name, embedder.identity), texts)
    encoding = work.config.tokenizer or encoding_of(model)
    tokens = sum(map(sum, (counter_of(encoding)(some) for some in _some_at_a_time(list(missing.values())))))
    estimate.models.append(model)
    estimate.texts += len(missing)
    estimate.requests += -(-len(missing) // embedder.batch)
    estimate.add(tokens, sum(len(text.encode()) for text in missing.values()), price.input / 1e6 if price else None)
    estimate.notes.append(f"tokens are counted as {encoding} does; {model} may count more, at most one a byte")
    if price is None:
        estimate.notes.append(unknown(model))


def _missing(work: Workspace, embedder: Embedder, store: VectorStore, texts: Texts) -> dict[Key, str]:
    heads = {key: given.text or " " for _, key, given in texts.heads(embedder.characters)}
    return {key: heads[key] for key in store.missing(heads)}


def _some_at_a_time(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        yield texts[start : start + _AT_ONCE]


# --- what was paid ---


def paid(work: Workspace) -> dict[str, dict[str, Any]]:
    """Return what the ledgers of `vectors` and of the `names` of topics add up to, of those that are there."""
    ledgers = {"vectors": (work.vectors_ledger, work.config.name), "names": (work.names_ledger, NAMING)}
    return {name: _totals(*place) for name, place in ledgers.items() if is_there(place[0])}


def _totals(ledger: Path | str, job: str) -> dict[str, Any]:
    with closing(open_ledger_to_read(ledger, job)) as opened:
        return opened.report.totals()
