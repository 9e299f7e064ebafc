"""How many threads of the linear algebra: one where the last bits of a result count, for more than one add in another order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.errors import MissingExtra


@contextmanager
def one_thread() -> Iterator[None]:
    """Have matrix products and decompositions run on one thread meanwhile.  Raises MissingExtra."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("topics", "topics") from error
    with threadpool_limits(limits=1, user_api="blas"):
        yield
