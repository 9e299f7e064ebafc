"""Object stores by the schemes of their addresses: what is an address, who speaks to a store, what went wrong in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.errors import InputError, LabelmillError, MissingExtra

SCHEMES = ("s3", "gs", "az", "abfs", "hf")
_ATTEMPTS = 6  # of a request, with up to 20 seconds between two: half a minute of refusals or of nobody there
_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|\?[^\s'\"]*")  # users and passwords, queries that may be signed


def check(address: str) -> None:
    """Raise ValueError for what is no address in an object store, or has credentials in it."""
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.netloc or parts.query or ":" in parts.netloc.rpartition("@")[0]:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(
            f"write it as s3://bucket/prefix ({schemes} or file:///folder), without credentials: those are taken from where the "
            "store's own tools have them"
        )


@lru_cache(maxsize=8)
def system(scheme: str, process: int) -> Any:
    """Return fsspec's file system of a scheme, one a process: a connection is no forked child's."""
    try:
        import fsspec

        return fsspec.filesystem(scheme, **options(scheme))
    except ImportError as error:
        raise MissingExtra(f"what lies at {scheme}://", "s3" if scheme == "s3" else "remote") from error


def options(scheme: str) -> dict[str, Any]:
    """Return fsspec's options of a store: no listing is kept, requests are tried again with growing pauses."""
    given: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":
        # one request an object: a shard fits into one, and to ask for its size before would be another
        given |= {"max_concurrency": 1, "config_kwargs": {"connect_timeout": 10, "read_timeout": 60}}
        if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ):
            given["config_kwargs"]["retries"] = {"total_max_attempts": _ATTEMPTS, "mode": "standard"}
    return given


@contextmanager
def errors(path: str, bucket: str) -> Iterator[None]:
    """Raise what a store's library raises as InputError, a missing object as FileNotFoundError."""
    try:
        yield
    except LabelmillError:
        raise
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise InputError(f"{bucket}: there is no such bucket; make it, or correct the address") from error
        raise FileNotFoundError(f"{path}: no such object") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: access denied ({_one_line(error)}); the credentials that are found must read, write, delete and list "
            f"{bucket}"
        ) from error
    except Exception as error:  # each store has a library, and each of those raises as it likes
        raise InputError(
            f"{path}: {bucket} cannot be used ({type(error).__name__}: {_one_line(error)}); run again when it answers, "
            "and knows the credentials that are found here"
        ) from error


def _code(error: BaseException) -> str | None:
    """Return the code by which S3 calls an error, for its library makes one exception of several."""
    causes = [vars(cause) for cause in (error.__cause__, error.__context__) if cause is not None]
    responses = [cause["response"] for cause in causes if isinstance(cause.get("response"), dict)]
    return next((response.get("Error", {}).get("Code") for response in responses), None)


def _one_line(error: BaseException) -> str:
    return _SECRETS.sub("", " ".join(str(error).split()))[:300] or type(error).__name__
