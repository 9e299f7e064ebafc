"""Any OpenAI-compatible endpoint, by its chat completions.

All goes over one `openai_api.connection`, on aiohttp: a tenth of the openai client's processor time for each request.  The
openai package is used for what it is good at, the list of models.  Failures are classified (`openai_api.failures`) and acted on by
the labelling engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from pipeline.core.batch_api import BatchApi
from pipeline.core.errors import RequestFailed
from pipeline.core.finish import EXHAUSTED
from pipeline.core.options import Options as Base
from pipeline.core.options import in_key
from pipeline.core.types import Article, Reply, Request
from pipeline.job.label_options import LabelOptions
from pipeline.label.openai_api import batches, chat_completions, failures, spellings
from pipeline.label.openai_api.compatibility import ParameterCompatibility, refused
from pipeline.label.openai_api.endpoint import Endpoint
from pipeline.label.openai_api.error_body import ErrorBody, read_error
from pipeline.label.openai_api.other_ways import other_ways

# what OpenAI gives a reply of its flex tier; cut off sooner it is billed, sent again, and billed again
FLEX_SECONDS = 900.0
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


class Provider(Endpoint):
    """A model behind chat completions."""

    asks_otherwise = (EXHAUSTED,)

    def __init__(self, label: LabelOptions, options: Options) -> None:
        super().__init__(label)
        self._parameters = chat_completions.as_chat(in_key(options, exclude_none=True))
        self.max_output_tokens = chat_completions.most_output(self._parameters)
        self.tier = self._parameters.get("service_tier")
        self.reply_seconds = FLEX_SECONDS if self.tier == "flex" else None
        self.compatibility = ParameterCompatibility()

    @property
    def identity(self) -> dict[str, Any]:
        """Endpoint (without a user), model and parameters."""
        return {"endpoint": self._endpoint, "model": self.model, "parameters": self._parameters}

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

    async def ask(self, request: Request) -> Reply:
        """Make one attempt.  Raises RequestFailed."""
        body = self._body(request)
        for other in other_ways(body, request.again):
            if self.compatibility.adapt(other) == self.compatibility.adapt(body):
                continue
            try:
                return await self._ask(other, frozenset(name for name in other if other[name] != body.get(name)))
            except RequestFailed as failure:
                if failure.kind != "rejected" or failure.may_be_paid:
                    raise  # else the endpoint does not take it so: unpaid
        if request.again == EXHAUSTED:
            text = "its room went to reasoning, and the endpoint takes no way to have less or more: raise max_output_tokens"
            raise RequestFailed("rejected", EXHAUSTED, text)
        return await self._ask(body)

    async def _ask(self, body: dict[str, Any], tentative: frozenset[str] = frozenset()) -> Reply:
        """Post a body, changed as the endpoint takes it.  Of the parameters that are `tentative` nothing is learned."""
        while True:
            sent = self.compatibility.adapt(body)
            status, data, headers = await self._post("/chat/completions", sent)
            inside = None
            if 200 <= status < 300:
                try:
                    return chat_completions.reply(data, headers)
                except failures.ErrorInside as error_inside:
                    status, data, inside = error_inside.status, error_inside.body, error_inside
                except RequestFailed:  # for the same reason, in a text without the key
                    return chat_completions.reply(self._connection.redaction.without_secrets(data), headers)
            error = read_error(self._connection.redaction.without_secrets(data))
            if tentative.intersection((error.parameter, *refused(sent, status, error.parameter, error.text))):
                raise RequestFailed("rejected", "unsupported_parameter", error.message[:300])
            if not self._may_adapt(body, sent, status, error):
                raise self._failure(sent, status, error, headers, inside)

    def _body(self, request: Request) -> dict[str, Any]:
        """Return the body of a request, as the job file says it."""
        body = {"model": self.model, "messages": list(request.messages), **self._parameters}
        if request.form:
            body["response_format"] = chat_completions.response_format(request.form)
        return body

    def _may_adapt(self, body: dict[str, Any], sent: dict[str, Any], status: int, error: ErrorBody) -> bool:
        """Return whether to ask again at once with other parameters: the endpoint turned one down, unseen and unpaid."""
        if self.compatibility.adapt(body) != sent:
            return True  # others have found out meanwhile
        return self.compatibility.learn(sent, status, error.parameter, error.text)

    # --- the Batch API ---

    def batch_api(self) -> BatchApi:
        """Return the endpoint's Batch API, by the same address, key, headers and proxy."""
        connection = self._connection.another()
        lent = batches.ProviderHooks(
            self._endpoint, connection, self._check_key, self._batched_body, self._batched_failure
        )
        return batches.OpenAIBatches(lent)

    def _batched_body(self, request: Request | None) -> dict[str, Any]:
        shared = Request(b"", Article("", None, "", "")) if request is None else request
        asked = self._body(shared)
        body = next(other_ways(asked, shared.again), asked)
        # a tier is one of requests that are asked at once
        return {name: value for name, value in self.compatibility.adapt(body).items() if name != "service_tier"}

    def _is_sent_otherwise(self, sent: dict[str, Any], status: int, error: ErrorBody) -> bool:
        """Return whether a refusal is of something that is sent in another way from now on: all lines of a batch tell of it."""
        if self.compatibility.learn(sent, status, error.parameter, error.text):
            return True
        as_given = self._body(Request(b"", Article("", None, "", "")))
        names = refused(as_given, status, error.parameter, error.text)
        return any(name in self.compatibility.changes for name in names)

    def _batched_failure(
        self, sent: dict[str, Any], status: int, data: bytes, headers: Any, inside: failures.ErrorInside | None
    ) -> RequestFailed:
        error = read_error(data)
        if "messages" in sent and self._is_sent_otherwise(sent, status, error):
            return RequestFailed("transient", "parameter", error.message[:300])
        return self._failure(sent, status, error, headers, inside)
