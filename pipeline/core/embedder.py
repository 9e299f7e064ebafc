"""What an embedder is: the base class of the plugins that turn texts into vectors; plugins take it from `contracts`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.core.plugin import Plugin

if TYPE_CHECKING:
    import numpy as np


class EmbeddedText(NamedTuple):
    """The head of an article, as an embedder is given it."""

    text: str
    language: str | None  # ISO 639-1; None: unknown


class VectorEndpoint(NamedTuple):
    """Who is asked for vectors: `provider` takes requests of one message a text, and has handed their vectors to `keep` before it
    returns a reply; `options` are those of a section `label` (limits, budget, prices)."""

    provider: Any  # a `contracts.Provider`, which the contracts have beside this
    options: Any


class Embedder(Plugin):
    """What turns texts into vectors, so that texts alike in meaning or words are near each other.

    A stage calls `fit` and `load` (only where the class has a `fit`), then `embed`, some texts at a time.  Vectors are kept by
    `identity` and text, and no text is embedded twice.
    """

    characters: int = 300
    """How much of an article it reads: its title and so many characters behind it."""

    batch: int = 1024
    """How many texts `embed` wants at once; what a call returned is on disk before the next."""

    alone: bool = False
    """Whether a vector has the same bits whatever texts are embedded with it: then articles are read once, in any order."""

    section: str = "topics.embed"
    """The option that names it, for what it says to people; who makes one that another option names sets that."""

    apart: bool = False
    """Whether `embed` may run in several processes, of the job's engine: it asks nobody, and a vector has the same bits there."""

    def __init__(self, options: Any, folder: Path) -> None:
        """Take the checked options; `folder` is what relative paths are relative to.  Raises ConfigError."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything beside the text that changes a vector, as JSON; no secrets.  It is looked at after `load`."""

    def examine(self) -> str | None:
        """Return what would embed here, in a line for `doctor`, None for nothing to say: no text is embedded, no model loaded,
        nothing paid.  Raises ModelError, MissingExtra, EndpointError, Paused: what fails here would fail a run."""
        return None

    @abstractmethod
    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        """Return a vector for each text: float32, one row a text, of any length; a text that says nothing may have zeros.

        The same texts in the same order give the same vectors.  Raises ModelError, EndpointError, MissingExtra, Paused.
        """

    def fit(self, texts: Iterable[EmbeddedText]) -> bytes:
        """Return what the embedder learns of the job's articles; it is kept until `topics --refit`."""
        raise NotImplementedError

    def load(self, state: bytes) -> None:
        """Take what `fit` returned, in this run or in an earlier one."""

    def endpoint(self, keep: Callable[[Any, np.ndarray[Any, Any]], None]) -> VectorEndpoint:
        """Return who is asked for vectors where that is an endpoint, which may cost money.

        The stage then asks it `batch` texts at a time through a ledger of the job, and does not call `embed`.  `keep(request,
        vectors)` stores vectors, a row for each message, durably.
        """
        raise NotImplementedError

    @classmethod
    def is_asked(cls) -> bool:
        """Return whether the class has an `endpoint` of its own."""
        return cls.endpoint is not Embedder.endpoint

    @classmethod
    def fits(cls) -> bool:
        """Return whether the class has a `fit` of its own."""
        return cls.fit is not Embedder.fit

    def close(self) -> None:
        """Free what the embedder holds open; called also after a failure."""
