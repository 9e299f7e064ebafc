"""Client of one data set repository on the Hugging Face Hub: every call has a time limit, every failure is a HubError of one line.

What only reads is tried again; what changes something is not, for `release` looks first whether it took effect."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from pipeline.core.errors import HubError, MissingExtra
from pipeline.core.progress import is_watched
from pipeline.core.retry_after import retry_after
from pipeline.versions.leaks import without_credentials
from pipeline.versions.numbering import is_version

_SECONDS = 300.0  # the longest wait for an answer
_ATTEMPTS = 4
_MAX_WAIT = 60.0  # of a rate limit
# xet says `HTTP status client error (403 Forbidden), domain: ...`
_STATUS_OF_XET = re.compile(r"HTTP status (?:client|server) error \((\d{3})\b")
_WORDS = {402: "payment required", 403: "forbidden", 413: "too large", 507: "no space"}
T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """State of a repository: the commit that `main` points to, and the commit of each version's tag."""

    head: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Commit:
    """One commit of `main`."""

    id: str
    title: str
    author: str


class Hub:
    """Data set repository `user/name`; the token is that of the environment (HF_TOKEN) or of `hf auth login`."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self._display_name = f"the Hub, {repo}"

    @cached_property
    def _api(self) -> Any:
        from huggingface_hub import HfApi, get_session
        from huggingface_hub.utils import disable_progress_bars, logging

        get_session().timeout = _SECONDS
        logging.set_verbosity_error()
        if not is_watched():
            disable_progress_bars()
        return HfApi(library_name="labelmill")

    # --- looking ---

    def look(self) -> State | None:
        """Return the state of the repository, None where there is none that the token may see."""
        refs = self._with_retries(lambda: self._api.list_repo_refs(self.repo, repo_type="dataset"), missing=None)
        if refs is None:
            return None
        heads = {branch.name: branch.target_commit for branch in refs.branches}
        tags = {tag.name: tag.target_commit for tag in refs.tags if is_version(tag.name)}
        return State(heads["main"], tags) if "main" in heads else None

    def commits(self) -> list[Commit]:
        """Return the commits of `main`, the newest first."""
        commits = self._with_retries(lambda: self._api.list_repo_commits(self.repo, repo_type="dataset"))
        return [Commit(c.commit_id, c.title, ", ".join(c.authors)) for c in commits]

    def files(self, revision: str) -> dict[str, str]:
        """Return path -> digest as the Hub has it: SHA-256 of large files (`sha256:...`), git's of the others."""

        def tree() -> list[Any]:
            return list(self._api.list_repo_tree(self.repo, repo_type="dataset", revision=revision, recursive=True))

        entries = [entry for entry in self._with_retries(tree) if hasattr(entry, "blob_id")]
        return {file.path: f"sha256:{file.lfs.sha256}" if file.lfs else file.blob_id for file in entries}

    def text(self, path: str, revision: str) -> str | None:
        """Return the text of a small file, None where there is none."""
        parts: list[bytes] | None = self._with_retries(lambda: list(self._stream(path, revision)), missing=None)
        return None if parts is None else b"".join(parts).decode("utf-8", "replace")

    def digest(self, path: str, revision: str) -> str | None:
        """Return the SHA-256 of a file's bytes, all of them read; None where there is none."""

        def read() -> str:
            sha256 = hashlib.sha256()
            for part in self._stream(path, revision):
                sha256.update(part)
            return sha256.hexdigest()

        return self._with_retries(read, missing=None)

    def download(self, path: str, revision: str, target: Path) -> None:
        def write() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for part in self._stream(path, revision):
                    file.write(part)

        self._with_retries(write)

    def address(self, path: str, revision: str) -> str:
        """Return the address of a file."""
        from huggingface_hub import hf_hub_url

        url: str = hf_hub_url(self.repo, path, repo_type="dataset", revision=revision, endpoint=self._api.endpoint)
        return url

    def _stream(self, path: str, revision: str) -> Iterator[bytes]:
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        url = self.address(path, revision)
        with get_session().stream("GET", url, headers=build_hf_headers(library_name="labelmill")) as response:
            if response.status_code >= 400:
                response.read()
            hf_raise_for_status(response)
            yield from response.iter_bytes()

    # --- changing ---

    def check_token(self) -> None:
        """Raise HubError where there is no token, without which nothing can be written."""
        from huggingface_hub import get_token

        if get_token() is None:
            raise self._no_token()

    def _no_token(self) -> HubError:
        return HubError(f"{self._display_name}: no token; set HF_TOKEN (see .env.example) or run: hf auth login")

    def create(self, private: bool) -> None:
        self._with_retries(
            lambda: self._api.create_repo(self.repo, repo_type="dataset", private=private, exist_ok=True)
        )

    def commit(self, title: str, add: dict[str, Path], delete: Sequence[str], parent: str) -> str:
        """Make one commit on top of `parent`; return its id."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        additions = [CommitOperationAdd(name, str(path)) for name, path in add.items()]
        # one by one: all together, xet holds 2 GB of a million rows in memory, and is no faster
        for addition in additions:
            if addition.path_in_repo.endswith(".parquet"):
                self._once(partial(self._api.preupload_lfs_files, self.repo, [addition], repo_type="dataset"))
        operations = [*additions, *(CommitOperationDelete(name) for name in delete)]
        call = partial(self._api.create_commit, self.repo, operations, repo_type="dataset")
        return str(self._once(partial(call, commit_message=title, parent_commit=parent)).oid)

    def tag(self, version: str, commit: str) -> None:
        self._once(lambda: self._api.create_tag(self.repo, repo_type="dataset", tag=version, revision=commit))

    # --- failures ---

    def _with_retries(self, call: Callable[[], T], missing: Any = ...) -> T:
        """Make a call that only reads, again while it fails for a reason that passes.

        `missing` is returned where there is no such repository or file; without it that is an error.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, HubError) and error.transient),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=lambda state: self.wait_of(state.outcome.exception() if state.outcome else None, state.attempt_number),
            reraise=True,
        )
        try:
            answer: T = retrying(self._once, call)
        except _NotFound:
            if missing is ...:
                raise
            answer = missing
        return answer

    @staticmethod
    def wait_of(error: BaseException | None, attempt: int) -> float:
        """Return the seconds before the next attempt."""
        retry_after = error.retry_after if isinstance(error, HubError) else None
        return min(_MAX_WAIT, retry_after) if retry_after is not None else min(8.0, 0.5 * 2**attempt)

    def _once(self, call: Callable[[], T]) -> T:
        with self._as_hub_errors():
            return call()

    @contextmanager
    def _as_hub_errors(self) -> Iterator[None]:
        """Raise any failure of the client as a HubError."""
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            HTTPError,
            LocalTokenNotFoundError,
            OfflineModeIsEnabled,
        )

        try:
            yield
        except HfHubHTTPError as error:
            status, headers = int(error.response.status_code), error.response.headers
            raise self._refused(status, self._server_message(error), headers) from error
        except LocalTokenNotFoundError as error:
            raise self._no_token() from error
        except OfflineModeIsEnabled as error:
            raise HubError(f"{self._display_name}: HF_HUB_OFFLINE is set; unset it to reach the Hub") from error
        except (HTTPError, ConnectionError, TimeoutError) as error:
            if refused := self._refused_by_xet(error):
                raise refused from error
            # An address in the client's text may carry a token.
            what = without_credentials(" ".join(str(error).split()))[:200] or "no answer in time"
            message = f"{self._display_name}: cannot be reached ({what}); nothing is lost: run the same command again"
            raise HubError(message, transient=True) from error
        except ImportError as error:
            if "SOCKS" not in str(error):
                raise
            raise MissingExtra(f"{self._display_name}: a SOCKS proxy (all_proxy)", "socks") from error
        except HFValidationError as error:
            raise HubError(f"publish.repo: {' '.join(str(error).split())}") from error
        except (RuntimeError, ValueError) as error:  # xet's broken transfers, answers that are no JSON
            if refused := self._refused_by_xet(error):
                raise refused from error
            what = without_credentials(" ".join(str(error).split()))[:300]
            message = f"{self._display_name}: the transfer failed ({what}); run the same command again"
            raise HubError(message, transient=True) from error

    def _refused_by_xet(self, error: BaseException) -> HubError | None:
        """Return what xet was refused: it raises errors of the connection, with the status in their text alone."""
        status = _STATUS_OF_XET.search(str(error))
        if not status:
            return None
        return self._refused(int(status[1]), self._reason_of_xet() if status[1] == "403" else "", {})

    def _reason_of_xet(self) -> str:
        """Return what the Hub says where xet may not upload: it is asked anew, for xet keeps the words to itself."""
        from huggingface_hub import get_session
        from huggingface_hub.errors import HfHubHTTPError, HTTPError
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        url = f"{self._api.endpoint}/api/datasets/{self.repo}/xet-write-token/main"
        try:
            hf_raise_for_status(get_session().get(url, headers=build_hf_headers(library_name="labelmill")))
        except HfHubHTTPError as error:
            return self._server_message(error)
        except HTTPError:
            pass
        return ""

    def _refused(self, status: int, server_message: str, headers: Mapping[str, str]) -> HubError:
        if status == 401:
            return _NotFound(
                f"{self._display_name}: no access (401): set HF_TOKEN to a token that may write there{server_message}"
            )
        if status == 404:
            return _NotFound(
                f"{self._display_name}: not found (404): check publish.repo, and that the token may see it{server_message}"
            )
        if status in (402, 403, 413, 507):
            return HubError(
                f"{self._display_name}: {_WORDS[status]} ({status}): the token may not do this, or the storage is full"
                f"{server_message}"
            )
        if status in (409, 412):
            return HubError(
                f"{self._display_name}: somebody else was faster ({status}); run the same command again{server_message}",
                conflict=True,
            )
        if status == 429:
            wait = retry_after(headers)
            message = f"{self._display_name}: too many requests (429); run the same command again in {wait or 60:.0f} s"
            return HubError(message, transient=wait is None or wait <= _MAX_WAIT, retry_after=wait)
        if status in (408, 500, 502, 503, 504):
            message = f"{self._display_name}: not available ({status}); nothing is lost: run the same command again{server_message}"
            return HubError(message, transient=True)
        return HubError(f"{self._display_name}: refused ({status}){server_message}")

    @staticmethod
    def _server_message(error: Any) -> str:
        text = error.server_message or error.response.headers.get("x-error-message") or ""
        lines = dict.fromkeys(" ".join(line.split()) for line in str(text).splitlines())  # header and body say the same
        text = without_credentials(" ".join(lines).strip())[:200]
        return f"; it says: {text}" if text else ""


class _NotFound(HubError):
    """Error of a repository, revision or file that is not there, or that the token may not see."""
