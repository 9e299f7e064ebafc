"""What a provider's Batch API is: requests in one file, answered within hours at a lower price."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.core.errors import RequestFailed
from pipeline.core.row_class import row_class
from pipeline.core.types import Reply, Request

BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "cancelling", "completed", "failed", "expired", "cancelled"
]
FINAL: tuple[BatchStatus, ...] = ("completed", "failed", "expired", "cancelled")  # nothing more happens to such a batch


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as its endpoint tells of it: how many of its requests are answered, and where the answers are."""

    id: str
    status: BatchStatus
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file: str | None = None  # its answers
    error_file: str | None = None  # its requests that failed
    problem: RequestFailed | None = None  # why it failed as a whole
    queue_full: bool = False  # it failed because more tokens are under way than the account may have
    created_at: float = 0.0  # epoch seconds

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in FINAL


@row_class(frozen=True, slots=True)
class BatchLine:
    """What became of one request of a batch: a reply, or why there is none."""

    custom_id: str
    reply: Reply | None = None
    failure: RequestFailed | None = None


class BatchApi(ABC):
    """The Batch API of an endpoint.  Each coroutine makes one attempt, and raises RequestFailed, whose `kind` says what follows.

    `open` is called before any other coroutine, `close` always.  A batch is known by the name that is given to `create`.
    """

    where: str
    """The address of the endpoint, without a user: batches of the same one are looked after by every run."""

    max_requests: int = 50_000
    """How many requests a file may hold."""

    max_bytes: int = 200_000_000
    """How large a file may be."""

    window: str = "24h"
    """Within which time a batch is answered, for people."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready.  Raises EndpointError."""

    @abstractmethod
    async def close(self) -> None:
        """Free what `open` took; called also where that failed."""

    @abstractmethod
    def line(self, custom_id: str, request: Request) -> bytes:
        """Return the line of a request in the file, which ends with a line break."""

    @abstractmethod
    async def upload(self, path: Path) -> str:
        """Upload a file of requests, by streaming; return its id.  A file alone costs nothing, so this may be tried again."""

    @abstractmethod
    async def create(self, input_file: str, name: str) -> BatchState:
        """Make a batch of an uploaded file.

        Where nobody knows whether it was made (no answer arrived), the RequestFailed has `may_be_paid`.
        """

    @abstractmethod
    async def retrieve(self, batch_id: str) -> BatchState:
        """Return how far a batch is."""

    @abstractmethod
    async def find(self, input_file: str, name: str, since: float) -> list[BatchState]:
        """Return the batches that were made under a name, the oldest first.

        Pages of the endpoint's list are looked at as far as they may hold one that was made after `since` (epoch seconds, ours).

        Raises RequestFailed of kind `fatal` with the code `no_list` where the endpoint does not list batches.
        """

    @abstractmethod
    async def cancel(self, batch_id: str) -> BatchState:
        """Have a batch cancelled; return how far it is.  One that is over stays as it is."""

    @abstractmethod
    async def download(self, file: str, path: Path) -> None:
        """Append to `path` what it lacks of a file; where that cannot be had alone, write it from the start.

        What arrived before a connection was cut stays.
        """

    @abstractmethod
    def read(self, path: Path) -> Iterator[BatchLine | None]:
        """Yield what a downloaded file tells, a line at a time; None for a line that tells nothing."""
