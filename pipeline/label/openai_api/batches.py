"""The Batch API as OpenAI has it, and gateways like it: `/files` and `/batches`, a line of JSON for each request.

https://platform.openai.com/docs/api-reference/batch.  Key, headers, proxy and the words for failures are the provider's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from pipeline.core.batch_api import BatchApi, BatchLine, BatchState, BatchStatus
from pipeline.core.errors import RequestFailed
from pipeline.core.files import naming
from pipeline.core.types import Reply, Request
from pipeline.label.openai_api import batch_files, chat_completions, failures
from pipeline.label.openai_api.connection import Connection
from pipeline.label.openai_api.error_body import as_dict, parse_json, read_error

PATH = "/v1/chat/completions"  # what each line asks for; not the address of a gateway, which may have a prefix
PAGE = 100  # batches in one page of the list
MAX_PAGES = 1000
MOST_ERROR_BYTES = 1 << 20
_SECONDS = 120.0  # without a byte, before a connection counts as lost
_CHUNK = 1 << 18
_CLOCKS_DIFFER = 86400.0  # seconds at most, between the endpoint's clock and ours
_STATUSES: dict[str, BatchStatus] = {  # by the words of other servers
    "success": "completed", "succeeded": "completed", "done": "completed", "ended": "completed", "complete": "completed",
    "error": "failed", "canceled": "cancelled", "canceling": "cancelling", "cancellation_requested": "cancelling",
    "timeout_exceeded": "expired", "queued": "validating", "pending": "validating", "created": "validating",
}  # fmt: skip
_OURS: tuple[BatchStatus, ...] = (
    "validating", "in_progress", "finalizing", "cancelling", "completed", "failed", "expired", "cancelled",
)  # fmt: skip
_QUEUE_FULL = re.compile(
    r"token_limit_exceeded|enqueued[ _-]?tokens?|token[ _-]?queue|batch[ _-]?queue|(?:queue|enqueued)\b.{0,40}\b(?:full|limit|quota|exceeded)"
    r"|too many (?:\w+ )?batches|batch(?:es)? limit",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"too[ _]many[ _](?:tasks|lines|requests in|records)|too[ _]large|(?:exceed\w*|maximum|max|limit)\b.{0,40}\b(?:lines|requests|size|bytes|MB)\b",
    re.IGNORECASE,
)
# LiteLLM's gateway keeps files where the deployment of a model does, and asks for it beside the file; nobody else knows the header
_ROUTE = "x-litellm-model"
_UNKNOWN_ROUTE = re.compile(r"invalid model name passed", re.IGNORECASE)
_NOT_RUN = ("batch_expired", "batch_cancelled", "batch_canceled")  # of a request that nobody came to


@dataclass(frozen=True)
class ProviderHooks:
    """What a provider lends its Batch API."""

    where: str
    """Its address, without a user."""
    connection: Connection
    check: Callable[[], None]
    """Raises EndpointError where it cannot be asked."""
    body: Callable[[Request | None], dict[str, Any]]
    """The body of a request as the endpoint takes it; None: what all of them have."""
    failure: Callable[[dict[str, Any], int, bytes, Any, failures.ErrorInside | None], RequestFailed]
    """(body that was sent, status, the error's body, headers, ...) -> which failure that is."""


class OpenAIBatches(BatchApi):
    """Batches of chat completions."""

    def __init__(self, endpoint: ProviderHooks) -> None:
        self._endpoint, self.where = endpoint, endpoint.where
        model = str(endpoint.body(None).get("model") or "")
        is_needed = model.isascii() and model.isprintable() and not endpoint.connection.sends(_ROUTE)
        self._route = {_ROUTE: model} if model and is_needed else {}

    async def open(self) -> None:
        self._endpoint.check()
        await self._endpoint.connection.open()

    async def close(self) -> None:
        await self._endpoint.connection.close()

    def line(self, custom_id: str, request: Request) -> bytes:
        body = self._endpoint.body(request)
        value = {"custom_id": custom_id, "method": "POST", "url": PATH, "body": body}
        # a copy, for what orjson returns holds the buffer that it grew in, ten times as large: thousands of lines are held at once
        return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)))

    async def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("purpose", "batch")
            form.add_field("file", file, filename=path.name, content_type="application/jsonl")
            value = await self._call("POST", "/files", data=form)
        if not value.get("id"):
            raise RequestFailed("transient", "broken_reply", "the endpoint took a file and gave it no id")
        return str(value["id"])

    async def create(self, input_file: str, name: str) -> BatchState:
        body = {
            "input_file_id": input_file,
            "endpoint": PATH,
            "completion_window": self.window,
            "metadata": {"labelmill": name},
        }
        return self._state(await self._call("POST", "/batches", json=body), made=True)

    async def retrieve(self, batch_id: str) -> BatchState:
        return self._state(await self._call("GET", f"/batches/{_in_path(batch_id)}"))

    async def find(self, input_file: str, name: str, since: float) -> list[BatchState]:
        states: dict[str, BatchState] = {}
        after: str | None = None
        for _ in range(MAX_PAGES):
            query = {"limit": str(PAGE), **({"after": after} if after else {})}
            page = await self._page(query)
            batches = [value for value in page.get("data") or [] if isinstance(value, dict) and value.get("id")]
            for value in batches:
                # a gateway may keep no metadata; the file is in no other batch, for each upload is one batch's
                is_named = as_dict(value.get("metadata")).get("labelmill") == name
                if is_named or (input_file and value.get("input_file_id") == input_file):
                    states[str(value["id"])] = self._state(value)
            # a gateway may call a batch otherwise than the list that it passes on
            last = str(page.get("last_id") or batches[-1]["id"]) if batches else None
            made = [self._state(value).created_at for value in batches]
            if not page.get("has_more") or last in (None, after) or _are_all_before(made, since - _CLOCKS_DIFFER):
                break
            after = last
        return sorted(states.values(), key=lambda state: (state.created_at, state.id))

    async def _page(self, query: dict[str, str]) -> dict[str, Any]:
        try:
            page = await self._call("GET", "/batches", params=query)
        except RequestFailed as failure:
            if failure.code in ("not_found", "http_405", "http_501"):
                raise RequestFailed("fatal", "no_list", f"the endpoint does not list batches ({failure})") from failure
            raise
        if not isinstance(page.get("data"), list):
            raise RequestFailed("fatal", "no_list", "the endpoint does not list batches (its answer is no list)")
        return page

    async def cancel(self, batch_id: str) -> BatchState:
        try:
            return self._state(await self._call("POST", f"/batches/{_in_path(batch_id)}/cancel"))
        except RequestFailed as failure:
            if failure.kind in ("transient", "rate_limited") and failure.code != "http_409":
                raise
            # what is over cannot be cancelled, and some say so by an error
            state = await self.retrieve(batch_id)
            if not state.is_over and state.status != "cancelling":
                raise
            return state

    async def download(self, file: str, path: Path) -> None:
        there = path.stat().st_size if batch_files.may_go_on(path) else 0
        # no compression: a range is one of bytes as they are stored
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {}), **self._route}
        async with self._endpoint.connection.exchange(
            "GET", f"/files/{_in_path(file)}/content", headers=headers, timeout=_timeout()
        ) as got:
            if got.status == 416 and there:  # nothing is missing; or the file is another than it was
                if got.headers.get("Content-Range", "").rpartition("/")[2] == str(there):
                    return
                path.unlink()
                raise RequestFailed("transient", "range", "the file is shorter than what was downloaded of it")
            if got.status not in (200, 206):
                raise await self._failure_of(got, {})
            is_rest = got.status == 206 and got.headers.get("Content-Range", "").startswith(f"bytes {there}-")
            if got.status == 206 and not is_rest:
                path.unlink(missing_ok=True)
                raise RequestFailed("transient", "range", "the endpoint sent another part of the file than asked for")
            with path.open("ab" if is_rest else "wb") as target:
                async for chunk in got.content.iter_chunked(_CHUNK):
                    with naming(path):
                        target.write(chunk)

    # --- on the wire ---

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Return the JSON object that answers a call.  Raises RequestFailed."""
        made = method == "POST" and path == "/batches"
        sent = arguments.get("json") or {}
        async with self._endpoint.connection.exchange(
            method, path, headers=self._route, timeout=_timeout(), **arguments
        ) as response:
            if not 200 <= response.status < 300:
                failure = await self._failure_of(response, sent)
                # a gateway that fails may have handed the request on
                failure.may_be_paid = made and failure.kind == "transient" and failure.code != "route"
                raise failure
            value = parse_json(await response.read())
        if not isinstance(value, dict):
            text = f"{method} {path}: an answer that is no JSON object"
            raise RequestFailed("transient", "broken_reply", text, may_be_paid=made)
        return value

    async def _failure_of(self, response: aiohttp.ClientResponse, sent: dict[str, Any]) -> RequestFailed:
        data = self._endpoint.connection.redaction.without_secrets(await response.content.read(MOST_ERROR_BYTES))
        failure = self._endpoint.failure(sent, response.status, data, response.headers, None)
        if self._route and response.status < 500 and _UNKNOWN_ROUTE.search(read_error(data).text):
            # a gateway that keeps all files in one place, and knows the model by another name
            self._route = {}
            return RequestFailed("transient", "route", str(failure))
        if response.status == 404:  # the table speaks of a model
            text = f"HTTP 404: {response.url.path} is not there ({read_error(data).message[:200]})"
            return RequestFailed("fatal", "not_found", text)
        if response.status in (405, 501):
            return RequestFailed("fatal", f"http_{response.status}", str(failure))
        if response.status == 413 or _QUEUE_FULL.search(read_error(data).text):
            return RequestFailed("rate_limited", "queue_full", str(failure), retry_after=failure.retry_after)
        return failure

    # --- what it says ---

    def _state(self, value: dict[str, Any], made: bool = False) -> BatchState:
        if not value.get("id"):
            raise RequestFailed("transient", "broken_reply", "the endpoint's answer names no batch", may_be_paid=made)
        word = str(value.get("status") or "").strip().lower()
        status = _STATUSES.get(word, next((ours for ours in _OURS if ours == word), "in_progress"))
        counts = as_dict(value.get("request_counts"))
        total, completed, failed = (_count(counts.get(name)) for name in ("total", "completed", "failed"))
        problem, queue_full = self._problem(value) if status == "failed" else (None, False)
        output, errors = value.get("output_file_id"), value.get("error_file_id")
        created = value.get("created_at")
        return BatchState(
            str(value["id"]), status, total, completed, failed, str(output) if output else None,
            str(errors) if errors else None, problem, queue_full,
            float(created) if isinstance(created, int | float) else 0.0,
        )  # fmt: skip

    def _problem(self, value: dict[str, Any]) -> tuple[RequestFailed, bool]:
        """Return why a batch failed as a whole, and whether that is the token queue."""
        errors = value.get("errors")
        entries = errors.get("data") if isinstance(errors, dict) else errors
        rows = [as_dict(entry) for entry in entries] if isinstance(entries, list) else []
        texts = [f"{_at_line(row)}{row.get('code') or 'error'}: {row.get('message') or ''}" for row in rows]
        text = "; ".join(texts[:3]) + (f" and {len(texts) - 3:,} more" if len(texts) > 3 else "")
        text = (
            self._endpoint.connection.redaction.without_secrets(text.encode()).decode()[:500]
            or "the endpoint does not say why"
        )
        code = str(rows[0].get("code") or "batch_failed") if rows else "batch_failed"
        too_large = _QUEUE_FULL.search(text) or (not any(row.get("line") for row in rows) and _TOO_LARGE.search(text))
        return RequestFailed("fatal", code[:60], text), bool(too_large)

    # --- answers ---

    def read(self, path: Path) -> Iterator[BatchLine | None]:
        with path.open("rb") as file:
            for line in batch_files.by_id(file):
                if line.strip():
                    yield self._line(line)

    def _line(self, line: bytes) -> BatchLine | None:
        value = parse_json(line)
        if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
            return None
        try:
            return BatchLine(value["custom_id"], self._reply(value, line))
        except RequestFailed as failure:
            return BatchLine(value["custom_id"], failure=failure)

    def _reply(self, value: dict[str, Any], line: bytes) -> Reply:
        """Return the reply of a line.  Raises RequestFailed where it tells of a failure."""
        response, error = as_dict(value.get("response")), value.get("error")
        body, status = response.get("body"), response.get("status_code")
        body = parse_json(body.encode()) if isinstance(body, str) else body
        status = status if isinstance(status, int) else 200 if body is not None and not error else 500
        request_id = response.get("request_id")
        headers = {"x-request-id": str(request_id)} if request_id else {}
        if 200 <= status < 300 and body is not None:
            try:
                return chat_completions.reply_of(body, line, headers)
            except failures.ErrorInside as inside:
                data = self._endpoint.connection.redaction.without_secrets(inside.body)
                raise self._endpoint.failure(self._endpoint.body(None), inside.status, data, headers, inside) from None
            except RequestFailed as failure:
                text = self._endpoint.connection.redaction.without_secrets(str(failure).encode()).decode()
                paid = failure.may_be_paid
                raise RequestFailed(failure.kind, failure.code, text, may_be_paid=paid, reply=failure.reply) from None
        error_body = body if body is not None and not error else {"error": error}
        if isinstance(error, dict) and error.get("code") in _NOT_RUN:
            raise RequestFailed("transient", "not_run", str(error.get("message") or error["code"])[:300])
        data = self._endpoint.connection.redaction.without_secrets(orjson.dumps(error_body, default=str))
        raise self._endpoint.failure(self._endpoint.body(None), status, data, headers, None)


def _in_path(name: str) -> str:
    """Return an id as it stands in an address; those of gateways may hold anything."""
    return quote(name, safe="")


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=_SECONDS)


def _are_all_before(made: list[float], since: float) -> bool:
    """Tell whether a page, and so those behind it, is of batches before `since`: only where it shows that the newest come first."""
    return len(set(made)) > 1 and made == sorted(made, reverse=True) and made[-1] > 0 and made[0] < since


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _at_line(row: dict[str, Any]) -> str:
    return f"line {row['line']}: " if row.get("line") is not None else ""
