"""Any OpenAI-compatible endpoint, by its chat completions.

The request goes over aiohttp (a tenth of the openai client's processor time for each request); the openai package is
used for what it is good at, the list of models.  Failures are told apart here and acted on by the labelling engine.
"""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from pydantic import ConfigDict

from pipeline.config import LabelOptions
from pipeline.config import Options as Base
from pipeline.errors import ConfigError, EndpointError, RequestFailed
from pipeline.records import Reply, Request, Usage

DEFAULT_MODEL = "gpt-6-luna"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 120
MAX_REPLY_BYTES = 8 * 2**20

# error.code (or error.type) of a 429 that no waiting mends
_SPENT = ("insufficient_quota", "credit_balance_exhausted", "spend_limit_exceeded", "usage_limit_exceeded")


# what an endpoint may say against one article; anything else holds for every request and stops the job
_OF_THE_ARTICLE = (400, 413, 422)
_OF_THE_JOB = ("unsupported_", "unknown_", "missing_required", "invalid_type", "invalid_model", "model_not_found")


class Options(Base):
    """`label.parameters`: sent as they are, except `max_output_tokens`, which chat completions spell otherwise."""

    model_config = ConfigDict(extra="allow", frozen=True)
    max_output_tokens: int | None = None


class Provider:
    uses_prompt = True

    def __init__(self, label: LabelOptions, options: Options) -> None:
        self.model = label.model or DEFAULT_MODEL
        self.base_url = (label.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise ConfigError(f"label.base_url: {self.base_url!r} is no http(s) address")
        self._key = label.api_key.get_secret_value() if label.api_key else os.environ.get("OPENAI_API_KEY", "")
        self._parameters = _as_chat(options.model_dump(exclude_none=True))
        self._proxy = _proxy_of(self.base_url)
        self._session: aiohttp.ClientSession | None = None

    @property
    def identity(self) -> dict[str, Any]:
        address = urlsplit(self.base_url)
        endpoint = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        return {"endpoint": endpoint, "model": self.model, "parameters": self._parameters}

    async def open(self) -> None:
        if not self._key and self.base_url == DEFAULT_BASE_URL:
            raise EndpointError("no API key: set OPENAI_API_KEY in the environment or in .env (see .env.example)")
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=20)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def ask(self, request: Request) -> Reply:
        """One attempt.  Raises RequestFailed."""
        assert self._session is not None, "open() comes first"
        body = {"model": self.model, "messages": list(request.messages), **self._parameters}
        try:
            async with self._session.post(
                f"{self.base_url}/chat/completions",
                data=orjson.dumps(body),
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                data = await _read_all(response.content)
                status, headers = response.status, response.headers
        except TimeoutError as error:
            raise RequestFailed("transient", "timeout", f"no answer within {TIMEOUT_SECONDS} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RequestFailed("transient", "connection", self._redact(f"{type(error).__name__}: {error}")) from error
        if status != 200:
            raise self._failure(status, data, headers)
        return _reply(data, headers)

    def models(self) -> list[str]:
        """Models that the endpoint offers, sorted.  Raises EndpointError."""
        import openai

        client = openai.OpenAI(api_key=self._key or "none", base_url=self.base_url, timeout=20, max_retries=1)
        try:
            return sorted(model.id for model in client.models.list())
        except openai.OpenAIError as error:
            raise EndpointError(self._redact(f"{self.base_url}: {type(error).__name__}: {error}")) from error

    def _redact(self, text: str) -> str:
        text = text.replace(self._key, "[key]") if self._key else text
        userinfo = urlsplit(self.base_url).netloc.rpartition("@")[0]
        return text.replace(userinfo, "[user]") if userinfo else text

    def _failure(self, status: int, data: bytes, headers: Any) -> RequestFailed:
        code, message = _error_of(data)
        text = self._redact(f"HTTP {status} {code}: {message}".replace(" :", ":"))[:300]
        if status == 429:
            if any(code.endswith(spent) for spent in _SPENT):
                return RequestFailed("fatal", code, f"the account has no credit left ({text})")
            return RequestFailed("rate_limited", code or "rate_limited", text, retry_after=retry_after(headers))
        if status in (408, 409, 425) or status >= 500:
            return RequestFailed("transient", f"http_{status}", text, retry_after=retry_after(headers))
        if status in _OF_THE_ARTICLE and not code.startswith(_OF_THE_JOB):
            return RequestFailed("rejected", code or f"http_{status}", text)
        return RequestFailed("fatal", code or f"http_{status}", f"{self._what_to_mend(status, code)} ({text})")

    def _what_to_mend(self, status: int, code: str) -> str:
        address = self._redact(self.base_url)
        if status in (401, 403):
            return "the endpoint refuses the key"
        if status == 404:
            return f"{address} has no model {self.model!r}, or is no OpenAI-compatible address (it ends in /v1)"
        if status < 400:
            return f"{address} redirects elsewhere; set label.base_url to where it leads"
        return f"{address} does not take requests of this form; see label.parameters"


def _proxy_of(address: str) -> str | None:
    """The proxy that the environment names for an address (aiohttp's `trust_env` looks it up for every request)."""
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """The whole body, however it drips in.  Raises RequestFailed for one that does not end in reasonable size."""
    pieces, size = [], 0
    async for piece in content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY_BYTES:
            raise RequestFailed("transient", "reply_too_large", f"a reply of more than {MAX_REPLY_BYTES} bytes")
    return b"".join(pieces)


def _as_chat(parameters: dict[str, Any]) -> dict[str, Any]:
    """`max_output_tokens` is the one name that every endpoint's parameter goes by in a job file."""
    renamed = {"max_output_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): value for name, value in sorted(parameters.items())}


def _reply(data: bytes, headers: Any) -> Reply:
    try:
        value = orjson.loads(data)
        choice = value["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        usage = value.get("usage") or {}
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        return Reply(
            text=str(text if text is not None else refusal or ""),
            finish_reason="refusal" if text is None and refusal else choice.get("finish_reason"),
            model=value.get("model"),
            request_id=headers.get("x-request-id") or value.get("id"),
            usage=Usage(usage.get("prompt_tokens"), cached, usage.get("completion_tokens")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise RequestFailed("transient", "broken_reply", f"not a chat completion: {data[:80]!r}") from error


def _error_of(data: bytes) -> tuple[str, str]:
    """(code, message) of an error body, which may be JSON of several shapes, or HTML."""
    try:
        value = orjson.loads(data)
    except ValueError:
        return "", data[:120].decode("utf-8", "replace").replace("\n", " ")
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return "", str(error)[:200]
    return str(error.get("code") or error.get("type") or ""), str(error.get("message") or error)[:200]


def retry_after(headers: Any) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms` before `retry-after` (seconds or a date)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        return max(0.0, float(value)) if value else None
    except ValueError:
        return _seconds_until(str(headers.get("retry-after")))


def _seconds_until(date: str) -> float | None:
    from datetime import UTC, datetime

    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
