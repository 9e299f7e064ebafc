"""Checks before the first paid request: does the key work, does the endpoint offer the model, for how long, how long a prompt
does it take?  An endpoint that lists no models shows it by its replies.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from urllib.parse import urlsplit

import yaml

from pipeline.core.contracts import Provider
from pipeline.core.errors import EndpointError, Paused
from pipeline.core.hints import did_you_mean
from pipeline.core.types import ModelInfo
from pipeline.label.engine.run_context import RunContext

TRIES = 3
_OPENAI = "api.openai.com"


@lru_cache(maxsize=1)
def retired() -> dict[str, str]:
    """Return model pattern -> the day on which OpenAI shut it down."""
    return dict(yaml.safe_load((files("pipeline.label.engine") / "retired.yaml").read_text("utf-8")))


async def check(context: RunContext) -> None:
    """Ask the endpoint for its models.  Raises Paused, before anything is paid, where the requests cannot succeed."""
    provider = context.provider
    context.context_fit.context = provider.context_tokens
    try:
        offered = await _list(provider)
    except EndpointError as error:
        if stop := stopping(error):
            raise stop from error
        context.monitor.events.write("preflight", models="not listed", detail=str(error))
        return
    if offered is None:
        return
    info = examine(provider, offered)
    if info and info.context_tokens:
        context.context_fit.context = info.context_tokens
    context.monitor.events.write("preflight", models=len(offered), context_tokens=context.context_fit.context)


def stopping(error: EndpointError) -> Paused | None:
    """Return what stops the job where the list of models could not be had; None where it may go on without one."""
    what = {None: "cannot be reached", 407: "cannot be reached", 401: "refuses the key"}.get(error.status)
    return Paused(f"the endpoint {what} ({error}); mend that, then run the same command again") if what else None


async def _list(provider: Provider) -> list[ModelInfo] | None:
    """Return the models, None where there is no list; a connection that fails is tried again for a little while."""
    for tries_left in reversed(range(TRIES)):
        try:
            return await asyncio.to_thread(provider.models)
        except EndpointError as error:
            # An endpoint that answered, whatever it said, will say so again; only a connection is worth another try.
            if error.status is not None or not tries_left:
                raise
            await asyncio.sleep(1.0)
    return []


def examine(provider: Provider, offered: list[ModelInfo]) -> ModelInfo | None:
    """Return what the endpoint says of the job's model.  Raises Paused where the model is not, or no longer, to be had."""
    model, today = provider.model, datetime.now(UTC).date().isoformat()
    if model is None:
        return None
    info = next((info for info in offered if info.id == model), None)
    if info and info.shutdown_date and info.shutdown_date <= today:
        raise Paused(f"{provider.where}: {model!r} was shut down on {info.shutdown_date}; set label.model to another")
    # An empty list is that of a server which lists nothing, not of one which offers nothing.
    if info or not offered:
        return info
    names = [info.id for info in offered]
    # Compatible servers go on offering names that OpenAI retired, so the day counts for OpenAI's own host alone.
    retired_on = next((day for pattern, day in retired().items() if fnmatchcase(model, pattern)), None)
    why = (
        "does not offer"
        if not retired_on or urlsplit(provider.base_url).hostname != _OPENAI
        else f"retired on {retired_on}:"
    )
    raise Paused(
        f"{provider.where} {why} {model!r}{did_you_mean(model, names)}; it offers: {', '.join(names[:20])}"
        f"{', ...' if len(names) > 20 else ''}; set label.model"
    )
