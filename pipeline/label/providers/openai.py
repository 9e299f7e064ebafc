"""Any OpenAI-compatible endpoint, by its chat completions.

The request goes over aiohttp (a tenth of the openai client's processor time for each request); the openai package is used for
what it is good at, the list of models.  Failures are classified (`openai_api.failures`) and acted on by the labelling engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from pydantic import ConfigDict, Field, model_validator

from pipeline.core import contracts
from pipeline.core.errors import ConfigError, EndpointError, RequestFailed
from pipeline.core.options import Options as Base
from pipeline.core.options import in_key
from pipeline.core.types import ModelInfo, Reply, Request
from pipeline.job.config import LabelOptions
from pipeline.label.openai_api import chat_completions, failures, rate_limits, spellings
from pipeline.label.openai_api.compatibility import ParameterCompatibility, refused
from pipeline.label.openai_api.error_body import ErrorBody, read_error

DEFAULT_MODEL = "gpt-6-luna"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 20  # how long a reply may take is the labelling engine's business
MAX_REPLY_BYTES = 8 * 2**20
MAX_HEADER_BYTES = 2**18  # of one header: gateways pass on whole policies and traces in them
_NOT_PARAMETERS = {
    "model": "set label.model",
    "messages": "they come from the prompt, label.prompt",
    "stream": "replies are read whole",
    "stream_options": "replies are read whole",
    "n": "one reply to a request; label.reask asks again",
}


class Options(Base):
    """The section `label.parameters`: sent as they are, except `max_output_tokens`, which chat completions spell otherwise.

    What stands in a key is what is sent, and null is neither: an option that is added here has the default null.
    """

    in_every_key = "max_output_tokens max_completion_tokens max_tokens"
    model_config = ConfigDict(extra="allow", frozen=True)
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    max_completion_tokens: Annotated[int, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _no_others_business(self) -> Options:
        for name, instead in _NOT_PARAMETERS.items():
            if name in (self.model_extra or {}):
                raise ValueError(f"{name!r} is no parameter here: {instead}")
        return self


class Provider(contracts.Provider):
    """A model behind chat completions."""

    def __init__(self, label: LabelOptions, options: Options) -> None:
        self.model: str = label.model or DEFAULT_MODEL
        self.base_url = (label.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https"):
            raise ConfigError(f"label.base_url: {self.base_url!r} is no http(s) address")
        if address.query or address.fragment:
            raise ConfigError("label.base_url: an address with '?' or '#' cannot be completed; it ends like .../v1")
        key = label.api_key.get_secret_value() if label.api_key else os.environ.get("OPENAI_API_KEY", "")
        self._key = key.strip()
        self._parameters = chat_completions.as_chat(in_key(options, exclude_none=True))
        self._proxy = _proxy_of(self.base_url)
        self._session: aiohttp.ClientSession | None = None
        self.max_output_tokens = chat_completions.most_output(self._parameters)
        self.tier = self._parameters.get("service_tier")
        self._limit_headers: tuple[str | None, ...] = ()
        self.compatibility = ParameterCompatibility()

    @property
    def identity(self) -> dict[str, Any]:
        """Endpoint (without a user), model and parameters."""
        address = urlsplit(self.base_url)
        endpoint = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        return {"endpoint": endpoint, "model": self.model, "parameters": self._parameters}

    def spellings(self) -> Iterator[dict[str, Any]]:
        """Yield identities with the parameters as earlier job files may have spelled them."""
        for parameters in spellings.spellings(self._parameters):
            yield {**self.identity, "parameters": parameters}

    def question(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return an identity without what only says how requests are served, and with one spelling of numbers."""
        return {**identity, "parameters": spellings.plain(identity["parameters"])}

    def remember(self, changes: dict[str, Any], on_change: Callable[[str, dict[str, Any]], None]) -> None:
        """Ask with the parameters that the endpoint was found to take."""
        self.compatibility.changes = changes
        self.compatibility.on_change = lambda message: on_change(message, self.compatibility.changes)

    async def open(self) -> None:
        """Open the session.  Raises EndpointError for a key that is missing or cannot be one."""
        if not self._key and self.base_url == DEFAULT_BASE_URL:
            raise EndpointError("no API key: set OPENAI_API_KEY in the environment or in .env (see .env.example)")
        self._check_key()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=headers,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    def _check_key(self) -> None:
        """Raise EndpointError for a key that cannot stand in a header."""
        if not self._key.isascii() or any(map(str.isspace, self._key)):
            raise EndpointError("the API key holds a blank, a line break or a letter that no key has; copy it anew")

    async def close(self) -> None:
        """Close the session."""
        if self._session:
            await self._session.close()

    async def ask(self, request: Request) -> Reply:
        """Make one attempt.  Raises RequestFailed."""
        body = {"model": self.model, "messages": list(request.messages), **self._parameters}
        if request.form:
            body["response_format"] = chat_completions.response_format(request.form)
        while True:
            sent = self.compatibility.adapt(body)
            status, data, headers = await self._post(sent)
            inside = None
            if 200 <= status < 300:
                try:
                    return chat_completions.reply(data, headers)
                except failures.ErrorInside as found:
                    status, data, inside = found.status, found.body, found
                except RequestFailed:  # for the same reason, in a text without the key
                    return chat_completions.reply(self._without_key(data), headers)
            error = read_error(self._without_key(data))
            if not self._may_adapt(body, sent, status, error):
                raise self._failure(sent, status, error, headers, inside)

    def _may_adapt(self, body: dict[str, Any], sent: dict[str, Any], status: int, error: ErrorBody) -> bool:
        """Return whether to ask again at once with other parameters: the endpoint turned one down, unseen and unpaid."""
        if self.compatibility.adapt(body) != sent:
            return True  # others have found out meanwhile
        return self.compatibility.learn(sent, status, error.parameter, error.text)

    async def _post(self, body: dict[str, Any]) -> tuple[int, bytes, Any]:
        """Return (status, body, headers).  Raises RequestFailed where nothing arrives."""
        assert self._session is not None, "open() comes first"
        is_sent = False
        try:
            async with self._session.post(
                f"{self.base_url}/chat/completions",
                # orjson, a proxy that is looked up once, and no tenacity for what succeeds (`engine.retries`): together they
                # brought a request from 3.1 times bare aiohttp's processor time down to 1.3
                data=aiohttp.BytesPayload(orjson.dumps(body), content_type="application/json"),
                # a redirect would send article and key to an address that nobody named
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                is_sent = True
                data = await _read_all(response.content)
                status, headers = response.status, response.headers
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._not_reached(error, may_be_paid=False) from error
        except (aiohttp.ClientError, OSError) as error:
            # a connection that the server had closed while idle never carried the request, so it cannot be billed
            never_read = not is_sent and isinstance(error, ConnectionResetError | BrokenPipeError)
            raise self._not_reached(error, may_be_paid=not never_read) from error
        self._note_limits(headers)
        return status, data, headers

    def _not_reached(self, error: Exception, may_be_paid: bool) -> RequestFailed:
        text = self._redact(f"{type(error).__name__}: {error}")
        return RequestFailed("transient", "connection", text, may_be_paid=may_be_paid)

    def _note_limits(self, headers: Any) -> None:
        """Parse the limits in the headers, only when they change."""
        values = tuple(headers.get(name) for name in rate_limits.LIMIT_HEADERS)
        if values != self._limit_headers and any(values):
            self._limit_headers, self.advertised = values, rate_limits.limits(headers)

    def models(self) -> list[ModelInfo]:
        """Return the models that the endpoint offers, by name.  Raises EndpointError."""
        import openai

        self._check_key()
        client = openai.OpenAI(api_key=self._key or "none", base_url=self.base_url, timeout=10, max_retries=0)
        try:
            offered = {model.id: chat_completions.model_info(model) for model in client.models.list()}
            if offered and self.model not in offered:
                try:  # some endpoints take names that they do not list
                    model = client.models.retrieve(self.model)
                    offered[self.model] = replace(chat_completions.model_info(model), id=self.model)
                except openai.NotFoundError as error:
                    if error.body == {"detail": "Not Found"}:
                        return []  # a server that cannot be asked about one model; its list may be of anything
            return [offered[name] for name in sorted(offered)]
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            text = self._redact(f"{self.base_url}: {str(cause) or type(cause).__name__}")[:300]
            raise EndpointError(text) from error
        except openai.OpenAIError as error:
            text = self._redact(f"{self.base_url}: {type(error).__name__}: {error}")[:300]
            raise EndpointError(text, status=getattr(error, "status_code", 200)) from error
        except (AttributeError, TypeError, ValueError, KeyError) as error:  # an answer, but no list of models
            raise EndpointError(f"{self._redact(self.base_url)}: lists no models", status=200) from error

    def _without_key(self, data: bytes) -> bytes:
        """Take an echoed key out of the body of a failure, before a part that is cut out of it can hold half of it.

        Bodies of answers stay as they are: a server that needs no key is often given a word for one (`none`).
        """
        return data.replace(self._key.encode(), b"[key]") if self._key else data

    def _redact(self, text: str) -> str:
        """Take the key and the user of the address out of a text for people."""
        text = text.replace(self._key, "[key]") if self._key else text
        userinfo = urlsplit(self.base_url).netloc.rpartition("@")[0]
        return text.replace(userinfo, "[user]") if userinfo else text

    def _failure(
        self, body: dict[str, Any], status: int, error: ErrorBody, headers: Any, inside: failures.ErrorInside | None
    ) -> RequestFailed:
        """Return the failure that an error is, be it the answer's status or `inside` one of status 200."""
        if status < 500 and refused(body, status, error.parameter, error.text):
            # every request has it, so the code is one of those that pause the job
            code = error.code if error.code.startswith("unsupported_") else f"unsupported_{error.code or 'parameter'}"
            error = replace(error, code=code, words=(code, *error.words))
        sent_as = f"HTTP {status}" if inside is None else "HTTP 200 with an error"
        text = self._redact(f"{sent_as} {error.code}: {error.message}".replace(" :", ":"))[:300]
        failure = failures.failure_of(status, error, text, headers, body, self._redact(self.base_url))
        if inside is not None:
            failure.may_be_paid, failure.reply = inside.may_be_paid, inside.reply
        return failure


def _proxy_of(address: str) -> str | None:
    """Return the proxy that the environment names for an address (aiohttp's `trust_env` looks it up for every request)."""
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """Return the whole body, however it drips in.  Raises RequestFailed for one that does not end in reasonable size."""
    chunks, size = [], 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise RequestFailed(
                "transient", "reply_too_large", f"a reply of more than {MAX_REPLY_BYTES} bytes", may_be_paid=True
            )
    return b"".join(chunks)
