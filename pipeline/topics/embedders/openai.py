"""Vectors by an endpoint that speaks OpenAI's `/v1/embeddings`: a hosted model, or a server of your own.

A batch is on disk before the next is asked for, so what was paid for is paid once, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import base64
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from pydantic import Field, SecretStr

from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import EndpointError, Paused
from pipeline.core.options import Options as Base
from pipeline.core.retry_after import retry_after

_log = logging.getLogger("labelmill.topics")
_TIMES = 6  # that a batch is asked for
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds, doubled each time where the endpoint says nothing
_WAITS = {408, 409, 429, 500, 502, 503, 504}
_STOPS = {401, 402, 403}
_URL = "https://api.openai.com/v1"


class Options(Base):
    model: str
    base_url: str | None = None  # else OPENAI_BASE_URL, else OpenAI's
    api_key: SecretStr | None = None  # else OPENAI_API_KEY
    dimensions: Annotated[int, Field(ge=2)] | None = None
    characters: Annotated[int, Field(ge=1)] = 300  # of an article, behind its title
    at_once: Annotated[int, Field(ge=1, le=2048)] = 128  # texts in one request
    timeout: Annotated[float, Field(gt=0)] = 120.0


class Embedder(contracts.Embedder):
    """An endpoint; a request holds many texts."""

    def __init__(self, options: Any, folder: Path) -> None:
        self._options, self.characters, self.batch = options, options.characters, options.at_once
        self._url = (options.base_url or os.environ.get("OPENAI_BASE_URL") or _URL).rstrip("/")
        self._client: Any = None

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "embedder": "openai",
            "endpoint": _without_login(self._url),
            **self._options.model_dump(include={"model", "dimensions", "characters"}),
        }

    @property
    def _key(self) -> str:
        given = self._options.api_key
        return str(given.get_secret_value()) if given else os.environ.get("OPENAI_API_KEY", "")

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        body: dict[str, Any] = {
            "model": self._options.model,
            "input": [given.text or " " for given in texts],
            "encoding_format": "base64",
        }
        if self._options.dimensions is not None:
            body["dimensions"] = self._options.dimensions
        answer = self._asked(body)
        rows = sorted(answer.get("data", []), key=lambda row: row.get("index", 0))
        if len(rows) != len(texts):
            raise EndpointError(
                f"{_without_login(self._url)}/embeddings: {len(texts)} texts were sent, and {len(rows)} vectors came back"
            )
        return np.stack([_vector(row["embedding"]) for row in rows])

    def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer; what passes by itself is waited for, as long as the endpoint says."""
        wait = _FIRST_WAIT
        for turn in range(_TIMES):
            status, headers, answer = self._sent(body)
            if status == 200:
                return answer
            reason = _said(answer, status)
            message = (
                f"{_without_login(self._url)}/embeddings: {reason.replace(self._key, '***') if self._key else reason}"
            )
            if status in _STOPS or _is_out_of_money(answer):
                raise Paused(f"{message}; mend it, the same command goes on")
            if status not in _WAITS or turn == _TIMES - 1:
                raise EndpointError(f"{message}; nothing is lost: the same command goes on", status or None)
            retry_seconds = retry_after(headers)
            seconds = min(_LONGEST_WAIT, wait if retry_seconds is None else retry_seconds)
            _log.info(f"topics: {message}; asked again in {seconds:.0f} s")
            time.sleep(seconds)
            wait *= 2
        raise AssertionError

    def _sent(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, Any]]:
        import httpx2 as httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = self._client or httpx.Client(timeout=self._options.timeout)
        try:
            answer = self._client.post(f"{self._url}/embeddings", json=body, headers=headers)
        except httpx.TransportError as error:
            return 503, {}, {"error": {"message": str(error) or type(error).__name__}}
        try:
            read = answer.json()
        except ValueError:
            read = {"error": {"message": answer.text[:200]}}
        return answer.status_code, answer.headers, read if isinstance(read, dict) else {}

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _vector(value: Any) -> np.ndarray[Any, Any]:
    """Return a vector: Base64 of float32, as it was asked for, or the list of numbers that some servers give all the same."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), "<f4")
    return np.asarray(value, np.float32)


def _without_login(url: str) -> str:
    """Return an address without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _said(answer: dict[str, Any], status: int) -> str:
    error = answer.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return f"status {status}, {' '.join(str(message or 'no message').split())[:200]}"


def _is_out_of_money(answer: dict[str, Any]) -> bool:
    error = answer.get("error")
    codes = {str(error.get(name)) for name in ("code", "type")} if isinstance(error, dict) else set()
    return bool(codes & {"insufficient_quota", "budget_exceeded", "credit_balance_exhausted"})
