"""The way to an endpoint: what every request to it carries, and the proxy between (`redaction`: what no text may tell).

Every call goes through `Connection.send`, so that checks and requests reach the same server as the same user.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from pipeline.core.errors import EndpointError, MissingExtra, RequestFailed
from pipeline.core.proxies import PROXY_ASKS, Proxy, proxy_of
from pipeline.label.openai_api.redaction import Redaction, without_user

CONNECT_SECONDS = 20  # how long a reply may take is the labelling engine's business
MAX_REPLY_BYTES = 8 * 2**20
MAX_HEADER_BYTES = 2**18  # of one header: gateways pass on whole policies and traces in them
# As OpenAI's own client does, to whichever address: a gateway in front of their API needs them, and neither is a credential.
_OF_ENVIRONMENT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


class Connection:
    """An endpoint's address, the key and the headers of the job file; a session while it is open."""

    def __init__(self, base_url: str, key: str, headers: Mapping[str, str]) -> None:
        self.base_url, self._key, self._as_given = base_url, key, headers
        self._given = {name: value for name, value in headers.items() if value}
        named = {name.lower() for name in self._given}
        environment = {name: os.environ.get(variable, "").strip() for name, variable in _OF_ENVIRONMENT.items()}
        own = {"Authorization": f"Bearer {key}" if key else "", **environment}
        self._headers = {name: value for name, value in own.items() if value and name.lower() not in named}
        self._headers |= self._given
        secrets = [*self._given.values(), *filter(None, environment.values())]
        self.redaction = Redaction(key, secrets, [urlsplit(base_url).netloc.rpartition("@")[0]])
        self._proxy: Proxy | None = None
        self._session: aiohttp.ClientSession | None = None

    def another(self) -> Connection:
        """Return one more to the same endpoint: an open one belongs to its event loop."""
        return Connection(self.base_url, self._key, self._as_given)

    @property
    def is_authorised(self) -> bool:
        """Whether requests say who asks."""
        return any(re.search("auth|key|token", name, re.IGNORECASE) for name in self._headers)

    def sends(self, header: str) -> bool:
        """Return whether every request carries a header, whatever its case."""
        return header.lower() in map(str.lower, self._headers)

    async def open(self, seconds: float | None = None) -> None:
        """Open the session; a request that takes more than so many `seconds` is given up.

        Raises EndpointError for a key or a header that cannot be one, and for a proxy; MissingExtra where that needs a package.
        """
        self._check()
        self._proxy = proxy_of(self.base_url)
        self.redaction.add_users(self._proxy.secrets if self._proxy else ())
        self._session = aiohttp.ClientSession(
            connector=_connector(self._proxy),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
            headers=self._headers,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    def _check(self) -> None:
        if not self._key.isascii() or any(map(str.isspace, self._key)):
            raise EndpointError("the API key holds a blank, a line break or a letter that no key has; copy it anew")
        for name, value in self._headers.items():
            if not value.isascii() or not value.isprintable():
                raise EndpointError(
                    f"the header {name} holds a line break or a letter that no header has; copy it anew"
                )

    async def close(self) -> None:
        """Close the session."""
        if self._session:
            await self._session.close()

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes, Any]:
        """Return (status, body, headers) of a request; `body` is sent as JSON.  Raises RequestFailed where nothing arrives."""
        assert self._session is not None, "open() comes first"
        is_sent = False
        # orjson, a proxy that is looked up once, and no tenacity for what succeeds (`engine.retries`): together they brought a
        # request from 3.1 times bare aiohttp's processor time down to 1.3
        data = None if body is None else aiohttp.BytesPayload(orjson.dumps(body), content_type="application/json")
        try:
            async with self._session.request(
                method,
                f"{self.base_url}{path}",
                data=data,
                # a redirect would send article and key to an address that nobody named
                allow_redirects=False,
                proxy=self._proxy_url,
            ) as response:
                is_sent = True
                return response.status, await _read_all(response.content), response.headers
        except RequestFailed:
            raise
        except Exception as error:
            failure = self._translated(error, is_sent)
            if failure is None:
                raise
            raise failure from error

    @asynccontextmanager
    async def exchange(self, method: str, path: str, **arguments: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the response of a request with arguments of aiohttp's, to be read bit by bit.

        Raises RequestFailed where nothing, or not all of it, arrives.
        """
        assert self._session is not None, "open() comes first"
        is_sent = False
        try:
            async with self._session.request(
                method, f"{self.base_url}{path}", allow_redirects=False, proxy=self._proxy_url, **arguments
            ) as response:
                is_sent = True
                yield response
        except RequestFailed:
            raise
        except Exception as error:
            if is_sent and not isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError):
                raise  # by who reads it: its disk is full
            failure = self._translated(error, is_sent)
            if failure is None:
                raise
            raise failure from error

    @property
    def _proxy_url(self) -> str | None:
        return self._proxy.url if self._proxy and not self._proxy.is_socks else None

    def _translated(self, error: Exception, is_sent: bool) -> RequestFailed | None:
        """Return the failure that an error on the way is; None for an error of another kind."""
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return self._refused_by_proxy(error)
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return self._not_reached(error, may_be_paid=False)
        if isinstance(error, aiohttp.ClientError | OSError):
            # a connection that the server had closed while idle never carried the request, so it cannot be billed
            never_read = not is_sent and isinstance(error, ConnectionResetError | BrokenPipeError)
            return self._not_reached(error, may_be_paid=not never_read)
        if self._proxy and self._proxy.is_socks:
            return self._not_reached(error, may_be_paid=False)  # its package has errors of its own
        return None

    def _refused_by_proxy(self, error: aiohttp.ClientHttpProxyError) -> RequestFailed:
        """Return the failure of a proxy that does not connect to the endpoint: nothing was sent there."""
        if error.status == 407:
            return RequestFailed("fatal", "proxy", PROXY_ASKS)
        text = self.redaction.redact(
            f"{self.through} does not connect to the endpoint (HTTP {error.status} {error.message})"
        )
        return RequestFailed("transient" if error.status >= 500 or error.status == 429 else "fatal", "proxy", text)

    def _not_reached(self, error: Exception, may_be_paid: bool) -> RequestFailed:
        by = f", by {self.through}" if self._proxy else ""
        text = self.redaction.redact(f"{type(error).__name__}: {error}{by}")
        return RequestFailed("transient", "connection", text, may_be_paid=may_be_paid)

    @property
    def where(self) -> str:
        """The endpoint's address, without a user."""
        return without_user(self.base_url)

    @property
    def through(self) -> str:
        """The proxy, in words."""
        return f"the proxy {self._proxy.where}" if self._proxy else "no proxy"


def _connector(proxy: Proxy | None) -> aiohttp.BaseConnector:
    """Return what makes connections: any number of them, through a SOCKS proxy where there is one."""
    if proxy is None or not proxy.is_socks:
        return aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
    try:
        from aiohttp_socks import ProxyConnector
    except ImportError as error:
        raise MissingExtra(f"the SOCKS proxy {proxy.where} that the environment names", "socks") from error
    scheme, _, rest = proxy.url.partition("://")
    # an h or an a at the end: the proxy looks names up
    connector: aiohttp.BaseConnector = ProxyConnector.from_url(
        f"{scheme.rstrip('ah')}://{rest}", rdns=scheme[-1] in "ah", limit=0, ttl_dns_cache=300
    )
    return connector


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
