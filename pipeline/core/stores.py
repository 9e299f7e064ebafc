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

SCHEMES = ("s3", "gs", "az", "abfs")  # not hf: there each object written is a commit, and one removed twice an error
_ATTEMPTS = 6  # of a request, with up to 20 seconds between two: half a minute of refusals or of nobody there
# users and passwords; queries, which may be signed, to the text's end, for libraries quote and break addresses as they like
_SECRETS = re.compile(r"(?<=://)[^/\s]*@|\?\S.*", re.DOTALL)


def check(address: str) -> None:
    """Raise ValueError for what is no address in an object store, or has credentials in it."""
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.netloc or parts.query or "@" in parts.netloc:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(
            f"write it as s3://bucket/prefix ({schemes} or file:///folder), without credentials: those are taken from where the "
            "store's own tools have them"
        )


@lru_cache(maxsize=8)
def system(scheme: str, process: int) -> Any:
    """Return fsspec's file system of a scheme, one a process: a connection is no forked child's."""
    import fsspec

    return fsspec.filesystem(scheme, **options(scheme))


def options(scheme: str) -> dict[str, Any]:
    """Return fsspec's options of a store: no listing is kept, requests are tried again with growing pauses.

    What the user's own configuration of fsspec says goes before: where both say something, fsspec itself takes what it is given.
    """
    from fsspec import get_filesystem_class
    from fsspec.config import apply_config

    configured = apply_config(get_filesystem_class(scheme), {})
    given: dict[str, Any] = {}
    if scheme == "s3":
        # one request an object: a shard fits into one, and to ask for its size before would be another
        given |= {"max_concurrency": 1, "config_kwargs": {"connect_timeout": 10, "read_timeout": 60}}
        if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ):
            given["config_kwargs"]["retries"] = {"total_max_attempts": _ATTEMPTS, "mode": "standard"}
        configured["config_kwargs"] = given["config_kwargs"] | configured.get("config_kwargs", {})
    return {**given, **configured, "use_listings_cache": False}


def shown(address: str) -> str:
    """Return an address without what may be a secret: user, password, and the query of a signed link."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def errors(path: str, rights: str) -> Iterator[None]:
    """Raise what a store's library raises as InputError, a missing object as FileNotFoundError.

    `rights` are those that one needs in the bucket.
    """
    scheme, bucket = path.partition("://")[0], "/".join(path.split("/", 3)[:3])
    try:
        yield
    except LabelmillError:
        raise
    except ImportError as error:
        raise MissingExtra(f"what lies at {scheme}://", "s3" if scheme == "s3" else "remote") from error
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise InputError(f"{bucket}: there is no such bucket; make it, or correct the address") from error
        raise FileNotFoundError(f"{path}: no such object") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: access denied ({one_line(error)}); the credentials that are found must {rights} {bucket}"
        ) from error
    except Exception as error:  # each store has a library, and each of those raises as it likes
        raise InputError(
            f"{path}: {bucket} cannot be used ({type(error).__name__}: {one_line(error)}); run again when it answers, "
            "and knows the credentials that are found here"
        ) from error


def _code(error: BaseException) -> str | None:
    """Return the code by which S3 calls an error, for its library makes one exception of several."""
    causes = [vars(cause) for cause in (error.__cause__, error.__context__) if cause is not None]
    responses = [cause["response"] for cause in causes if isinstance(cause.get("response"), dict)]
    return next((response.get("Error", {}).get("Code") for response in responses), None)


def one_line(error: BaseException) -> str:
    """Return what a library says went wrong, without what may be a secret."""
    return without_secrets(" ".join(str(error).split()))[:300] or type(error).__name__


def without_secrets(text: str) -> str:
    """Return a text without the users and passwords of addresses in it, and without all that follows a query's begin."""
    return _SECRETS.sub("", text)
