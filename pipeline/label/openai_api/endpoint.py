"""An OpenAI-compatible address as a provider, whatever it is asked: who asks it, its limits, its models, what its errors mean.

All goes over one `connection`, on aiohttp.  Failures are classified (`failures`) and acted on by the labelling engine.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pipeline.core import contracts
from pipeline.core.coroutines import run_coroutine
from pipeline.core.errors import ConfigError, EndpointError, Paused, RequestFailed
from pipeline.core.label_section import LabelSection
from pipeline.core.proxies import PROXY_ASKS
from pipeline.core.types import ModelInfo
from pipeline.label.openai_api import failures, rate_limits
from pipeline.label.openai_api.compatibility import refused
from pipeline.label.openai_api.connection import Connection
from pipeline.label.openai_api.error_body import ErrorBody, read_error

DEFAULT_MODEL = "gpt-6-luna"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
LIST_SECONDS = 10
_NO_KEY = "no API key: set OPENAI_API_KEY"


class Endpoint(contracts.Provider):
    """What is the same for chat completions and for embeddings.  `section` is where the job file names the address."""

    section: ClassVar[str] = "label"

    def __init__(self, label: LabelSection) -> None:
        self.model: str = label.model or DEFAULT_MODEL
        self.base_url = (label.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https"):
            raise ConfigError(f"{self.section}.base_url: {self.base_url!r} is no http(s) address")
        if address.query or address.fragment:
            raise ConfigError(
                f"{self.section}.base_url: an address with '?' or '#' cannot be completed; it ends like .../v1"
            )
        key = label.api_key.get_secret_value() if label.api_key else os.environ.get("OPENAI_API_KEY", "")
        headers = {name: value.get_secret_value().strip() for name, value in label.headers.items()}
        self._connection = Connection(self.base_url, key.strip(), headers)
        self._limit_headers: tuple[str | None, ...] = ()

    @property
    def _endpoint(self) -> str:
        """The address without a user."""
        address = urlsplit(self.base_url)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"

    async def open(self) -> None:
        """Open the session.  Raises Paused for a key that is missing, EndpointError for one that cannot be one."""
        self._check_key()
        await self._connection.open()

    def _check_key(self) -> None:
        """Raise Paused where there is no key for OpenAI itself; another server may need none."""
        if self.base_url == DEFAULT_BASE_URL and not self._connection.is_authorised:
            raise Paused(f"{_NO_KEY} (in the environment, or in .env beside the job file)")

    async def close(self) -> None:
        """Close the session."""
        await self._connection.close()

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes, Any]:
        """Return (status, body, headers).  Raises RequestFailed where nothing arrives."""
        answer = await self._connection.send("POST", path, body)
        self._note_limits(answer[2])
        return answer

    def _note_limits(self, headers: Any) -> None:
        """Parse the limits in the headers, only when they change."""
        values = tuple(headers.get(name) for name in rate_limits.LIMIT_HEADERS)
        if values != self._limit_headers and any(values):
            self._limit_headers, self.advertised = values, rate_limits.limits(headers)

    def models(self) -> list[ModelInfo]:
        """Return the models that the endpoint offers, by name.  Raises EndpointError."""
        return run_coroutine(self._models())

    async def _models(self) -> list[ModelInfo]:
        from pipeline.label.openai_api import model_list

        self._check_key()
        connection = self._connection.another()
        await connection.open(LIST_SECONDS)
        try:
            return await model_list.offered(connection, self.model, lambda *answer: _refusal(connection, *answer))
        except RequestFailed as failure:
            raise EndpointError(f"{connection.where}: {failure}"[:300]) from failure
        finally:
            await connection.close()

    def _failure(
        self, body: dict[str, Any], status: int, error: ErrorBody, headers: Any, inside: failures.ErrorInside | None
    ) -> RequestFailed:
        """Return the failure that an error is, be it the answer's status or `inside` one of status 200."""
        if status < 500 and refused(body, status, error.parameter, error.text):
            # every request has it, so the code is one of those that pause the job
            code = error.code if error.code.startswith("unsupported_") else f"unsupported_{error.code or 'parameter'}"
            error = replace(error, code=code, words=(code, *error.words))
        sent_as = f"HTTP {status}" if inside is None else "HTTP 200 with an error"
        text = self._connection.redaction.redact(f"{sent_as} {error.code}: {error.message}".replace(" :", ":"))[:300]
        if status == 401 and not self._connection.is_authorised:
            return RequestFailed("fatal", "no_api_key", _key_is_missing(self._connection, text))
        failure = failures.failure_of(status, error, text, headers, body, self._connection.where)
        if inside is not None:
            failure.may_be_paid, failure.reply = inside.may_be_paid, inside.reply
        return failure


def _key_is_missing(connection: Connection, answer: str) -> str:
    return f"{_NO_KEY}, for {connection.where} asks for one ({answer})"[:400]


def _refusal(connection: Connection, status: int, data: bytes) -> Exception:
    """Return what to raise for a refused list of models."""
    message = PROXY_ASKS if status == 407 else read_error(connection.redaction.without_secrets(data)).message
    if status == 401 and not connection.is_authorised:
        return Paused(_key_is_missing(connection, connection.redaction.redact(f"HTTP 401: {message}")))
    return EndpointError(
        f"{connection.where}: {connection.redaction.redact(f'HTTP {status}: {message}')}"[:300], status=status
    )
