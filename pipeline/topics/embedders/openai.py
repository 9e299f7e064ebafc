"""Vectors by an endpoint that speaks OpenAI's `/v1/embeddings`: a hosted model, or a server of your own.

They are asked for as labels are, by the labelling engine and through a ledger (`topics.asking`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from pydantic import Field, SecretStr

from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText, VectorEndpoint
from pipeline.core.errors import EndpointError
from pipeline.core.options import Options as Base
from pipeline.job.label_options import LabelOptions, Limits, Price
from pipeline.label.engine import preflight
from pipeline.label.openai_api.embeddings import Embeddings
from pipeline.topics.asking import asked_now

_URL = "https://api.openai.com/v1"


class EmbeddingPrice(Price):
    """Price of a model that gives vectors: there are no tokens of a reply, and no dearer tier."""

    output: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    priority: Annotated[float, Field(ge=0)] = 1.0


class Options(Base):
    model: str
    base_url: str | None = None  # else OPENAI_BASE_URL, else OpenAI's
    api_key: SecretStr | None = None  # else OPENAI_API_KEY
    headers: dict[str, SecretStr] | None = None  # with every request; a value may be ${NAME}
    dimensions: Annotated[int, Field(ge=2)] | None = None
    characters: Annotated[int, Field(ge=1)] = 300  # of an article, behind its title
    at_once: Annotated[int, Field(ge=1, le=2048)] = 128  # texts in one request
    timeout: Annotated[float, Field(gt=0)] = 120.0
    limits: Limits = Limits()
    budget_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # beside the job's label.budget_usd
    prices: dict[str, EmbeddingPrice] | None = None  # before those of label.prices


class Embedder(contracts.Embedder):
    """An endpoint; a request holds many texts."""

    def __init__(self, options: Any, folder: Path) -> None:
        self._options, self.characters, self.batch = options, options.characters, options.at_once
        self._url = (options.base_url or os.environ.get("OPENAI_BASE_URL") or _URL).rstrip("/")

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "embedder": "openai",
            "endpoint": _without_login(self._url),
            **self._options.model_dump(include={"model", "dimensions", "characters"}),
        }

    def endpoint(self, keep: Callable[[Any, np.ndarray[Any, Any]], None]) -> VectorEndpoint:
        names = ("model", "base_url", "api_key", "timeout", "limits", "budget_usd", "prices")
        headers = {name: value.get_secret_value() for name, value in (self._options.headers or {}).items()}
        given = {name: getattr(self._options, name) for name in names} | {"headers": headers}
        # One after the other where nobody says otherwise: a kill then loses what one request was answered at the most.
        given["limits"] = self._options.limits.model_copy(update={"concurrency": self._options.limits.concurrency or 1})
        section = LabelOptions(**given, brake=None, reask=0)
        return VectorEndpoint(Embeddings(section, self._options.dimensions, keep), section)

    def examine(self) -> str:
        """Return whether the endpoint answers, and takes the key; nothing is paid.  Raises Paused, EndpointError."""
        provider = self.endpoint(lambda *_: None).provider
        try:
            listed = provider.listed()
        except EndpointError as error:
            if stop := preflight.stopping(error):
                raise stop from error
            return f"{provider.where} answers, but lists no models ({error})"
        offers = any(info.id == self._options.model for info in listed)
        return f"{provider.where} answers{f' and offers {self._options.model}' if offers else ''}"

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        """Ask for vectors outside of a job: with the same retries and limits, and no ledger that lasts."""
        return asked_now(self, texts)


def _without_login(url: str) -> str:
    """Return an address without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
