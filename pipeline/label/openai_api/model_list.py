"""The models that an endpoint offers, by OpenAI's own client over our connection: same server, proxy and headers as the requests.

Imported where it is needed: the client takes half a second to come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import openai

from pipeline.core.errors import EndpointError
from pipeline.core.types import ModelInfo
from pipeline.label.openai_api import chat_completions
from pipeline.label.openai_api.connection import Connection

Refusal = Callable[[int, bytes], Exception]
"""(status, body) -> what to raise for an answer that is neither a list nor "not found"."""


async def offered(connection: Connection, model: str, refusal: Refusal) -> list[ModelInfo]:
    """Return the models by name, `model` also where it is taken and not listed; [] where the endpoint's list says nothing of it.

    Raises EndpointError where nothing arrives or what arrives is no list, and what `refusal` makes of other answers.
    """
    http_client = httpx2.AsyncClient(transport=_OverConnection(connection, refusal), trust_env=False)
    client = openai.AsyncOpenAI(
        api_key="the connection's", base_url=connection.base_url, http_client=http_client, max_retries=0
    )
    try:
        models = chat_completions.models({"data": _entries(await client.models.list())})
        if models is None:
            raise EndpointError(f"{connection.where}: lists no models", status=200)
        if models and model not in models:  # some endpoints take names that they do not list
            info = await _unlisted(client, model)
            if info is None:
                return []
            models |= {model: info} if info.id else {}
        return [models[name] for name in sorted(models)]
    except openai.APIConnectionError as error:
        raise error.__cause__ or error from None
    except openai.OpenAIError as error:  # a list that is not there, or that its client cannot read
        status = getattr(error, "status_code", 200)
        raise EndpointError(f"{connection.where}: lists no models", status=status) from error


def _entries(page: Any) -> Any:
    """Return the entries of a page of models as plain values; None where it is no such page."""
    entries = getattr(page, "data", None)
    if not isinstance(entries, list):
        return None
    return [entry.to_dict() if isinstance(entry, openai.BaseModel) else entry for entry in entries]


async def _unlisted(client: openai.AsyncOpenAI, model: str) -> ModelInfo | None:
    """Return what the endpoint says of a model that it does not list, without a name where it has none such.

    None for a server that cannot be asked about one model: its list may be of anything.
    """
    try:
        retrieved = await client.models.retrieve(model)
    except openai.NotFoundError as error:
        return None if error.body == {"detail": "Not Found"} else ModelInfo("")
    entry = retrieved.to_dict() if isinstance(retrieved, openai.BaseModel) else retrieved
    return replace(chat_completions.model_info(entry), id=model)


class _OverConnection(httpx2.AsyncBaseTransport):
    """What OpenAI's client sends by: our connection, which has headers and proxy of its own."""

    def __init__(self, connection: Connection, refusal: Refusal) -> None:
        self._connection, self._refusal = connection, refusal
        self._prefix = httpx2.URL(connection.base_url).raw_path.decode().rstrip("/")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode().removeprefix(self._prefix)
        status, data, _ = await self._connection.send(request.method, path)
        if not (200 <= status < 300 or status == 404):
            raise self._refusal(status, data)
        headers = {"content-type": "application/json"}
        return httpx2.Response(404 if status == 404 else 200, headers=headers, content=data.removeprefix(_BOM))


_BOM = b"\xef\xbb\xbf"
