"""Embeddings on the wire, as a provider: a request is some texts, one a message, and its reply says how many vectors came.

The vectors themselves go to `keep`, before the reply is handed on: what the ledger calls paid is on disk by then.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.core.errors import LabelmillError, RequestFailed
from pipeline.core.label_section import LabelSection
from pipeline.core.types import ModelInfo, Reply, Request, Usage
from pipeline.label.openai_api import chat_completions, failures
from pipeline.label.openai_api.compatibility import refused
from pipeline.label.openai_api.endpoint import Endpoint
from pipeline.label.openai_api.error_body import as_dict, parse_json, read_error

Vectors = np.ndarray[Any, Any]
Keep = Callable[[Request, Vectors], None]
"""(request, a float32 row for each of its texts): stores them, durably; called from a thread."""


class Embeddings(Endpoint):
    """A model behind `/v1/embeddings`; `dimensions`: so many of each vector, None: as many as it makes."""

    section = "topics.embed"
    max_output_tokens = 0

    def __init__(self, label: LabelSection, dimensions: int | None, keep: Keep) -> None:
        super().__init__(label)
        self._dimensions, self._keep = dimensions, keep
        # a quarter of the bytes of decimal numbers
        self._encoding: dict[str, Any] = {"encoding_format": "base64"}

    @property
    def identity(self) -> dict[str, Any]:
        """Endpoint (without a user), model and dimensions."""
        return {"endpoint": self._endpoint, "model": self.model, "dimensions": self._dimensions}

    def models(self) -> list[ModelInfo]:
        """Return nothing: many servers list their chat models only, and nothing is paid for a request that they turn down."""
        return []

    def listed(self) -> list[ModelInfo]:
        """Return the models that the endpoint lists, which may be none that gives vectors.  Raises Paused, EndpointError."""
        return super().models()

    async def ask(self, request: Request) -> Reply:
        """Make one attempt.  Raises RequestFailed."""
        texts = [message["content"] for message in request.messages]
        given: dict[str, Any] = {"model": self.model}
        if self._dimensions is not None:
            given["dimensions"] = self._dimensions
        while True:
            encoding = self._encoding
            status, data, headers = await self._post("/embeddings", {**given, **encoding, "input": texts})
            if 200 <= status < 300:
                return await self._kept(request, given, data, headers)
            error = read_error(self._connection.redaction.without_secrets(data))
            # the texts stand where rules about a prompt look for it, and are no parameter that every request has
            sent = {**given, **encoding, "messages": request.messages}
            if not encoding or "encoding_format" not in refused(sent, status, error.parameter, error.text):
                raise self._failure(sent, status, error, headers, None)
            self._encoding = {}  # turned down unseen and unpaid: asked again at once

    async def _kept(self, request: Request, given: dict[str, Any], data: bytes, headers: Any) -> Reply:
        """Return the reply in a body of status 200, its vectors stored."""
        value = parse_json(data)
        reply = _reply(as_dict(value), headers)
        if not isinstance(as_dict(value).get("data"), list):
            raise self._no_vectors(request, given, value, reply, data, headers)
        vectors = _vectors(value["data"], len(request.messages), reply)
        try:
            await asyncio.to_thread(self._keep, request, vectors)
        except (OSError, LabelmillError) as error:
            raise RequestFailed("fatal", "not_stored", str(error), may_be_paid=True, reply=reply) from error
        return reply

    def _no_vectors(
        self, request: Request, given: dict[str, Any], value: Any, reply: Reply, data: bytes, headers: Any
    ) -> RequestFailed:
        error = failures.error_in(value, {}) if isinstance(value, dict) else None
        if error is None:
            shown = self._connection.redaction.redact(data[:80].decode("utf-8", "replace"))
            return RequestFailed("transient", "broken_reply", f"no embeddings: {shown}", may_be_paid=True, reply=reply)
        inside = failures.error_inside(value, error, reply, headers)
        body = read_error(self._connection.redaction.without_secrets(inside.body))
        return self._failure({**given, "messages": request.messages}, inside.status, body, headers, inside)


def _reply(value: dict[str, Any], headers: Any) -> Reply:
    usage = as_dict(value.get("usage"))
    counts = (chat_completions.count(usage.get(name)) for name in ("prompt_tokens", "total_tokens", "input_tokens"))
    tokens = next((count for count in counts if count is not None), None)
    rows, model = value.get("data"), value.get("model")
    return Reply(
        text=f"{len(rows) if isinstance(rows, list) else 0} vectors",
        finish_reason="stop",
        model=None if model is None else str(model),
        request_id=headers.get("x-request-id") or (str(value["id"]) if value.get("id") is not None else None),
        usage=Usage(tokens, None, 0),
        billed_usd=chat_completions.dollars_in(headers.get(chat_completions.COST_HEADER)),
    )


def _vectors(rows: list[Any], count: int, reply: Reply) -> Vectors:
    """Return the vectors in the order of the texts.  Raises RequestFailed where they are not one a text, all of one length."""
    problem = f"{count} texts were sent, and {len(rows)} vectors came back"
    if len(rows) == count:
        try:
            vectors = np.stack([_vector(row["embedding"]) for row in _in_order(rows)])
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error):
            problem = "vectors came that cannot be read, or not all of one length"
        else:
            if vectors.ndim == 2 and vectors.shape[1] and np.isfinite(vectors).all():
                return vectors
            problem = "vectors came that hold no finite numbers"
    raise RequestFailed("fatal", "broken_reply", problem, may_be_paid=True, reply=reply)


def _in_order(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: row.get("index") or 0)


def _vector(value: Any) -> Vectors:
    """Return a vector: Base64 of float32, as it was asked for, or the list of numbers that some servers give all the same."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), "<f4")
    return np.asarray(value, np.float32)
