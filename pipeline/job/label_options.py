"""Section `label` of a job file: who labels with which prompt, by which way, how fast, and for how much."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from pipeline.core.options import Options

_OF_THE_CLIENT = {f"content-{part}" for part in ("length", "type", "encoding")} | {
    "transfer-encoding",
    "connection",
    "accept-encoding",
}

JOB_BUDGET = "label.budget_usd"  # the whole name of the option that bounds a job


class Limits(Options):
    """Ceilings on what the endpoint is sent; null: as the endpoint allows."""

    requests_per_minute: Annotated[int, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[int, Field(gt=0)] | None = None
    concurrency: Annotated[int, Field(gt=0, le=10_000)] | None = None
    batch_requests: Annotated[int, Field(gt=0)] | None = None  # in one batch


class LongPrompts(Options):
    """What a request costs whose prompt has over `above` tokens: all its tokens at so many times the price."""

    above: Annotated[int, Field(gt=0)]
    input: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    output: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.5


class Price(Options):
    """Price in US dollars for a million tokens; `batch`, `flex` and `priority` are shares of these prices."""

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cached_input: Annotated[float, Field(ge=0)] | None = None  # null: like input
    cache_write: Annotated[float, Field(ge=0)] | None = None
    batch: Annotated[float, Field(ge=0)] = 0.5
    flex: Annotated[float, Field(ge=0)] = 0.5
    priority: Annotated[float, Field(ge=0)] = 2.0
    long_prompts: LongPrompts | None = None
    date: str | None = None
    source: str | None = None


class Brake(Options):
    """Thresholds of the quality breaker: the job pauses when more than `share` of the last `window` replies are no good, or when
    more than `wasted` of them were paid for nothing (cut off, a loop, all reasoning, about another text), asked again or not."""

    window: Annotated[int, Field(gt=0, le=100_000)] = 200
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    wasted: Annotated[float, Field(gt=0, le=1)] | None = None  # 0.05 where the job says nothing of `brake`


class PromptBefore(Options):
    """A prompt that is asked before the label's, of the same model; its answer is a variable of the prompts after it.

    Without an answer the article is rejected, or goes on with the text `otherwise`.
    """

    prompt: str
    variable: str = Field(alias="as")
    otherwise: str | None = None


class LabelOptions(Options):
    """Who labels with which prompt, how fast, and for how much."""

    task: str = "keyphrases"
    before: tuple[PromptBefore, ...] = ()  # asked in this order
    prompt: str | None = None  # the task's, where nothing is said
    variables: dict[str, str | int | float | bool] = {}  # for the prompt, beside the article's and the task's
    provider: str = "openai"
    model: str | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    headers: dict[str, SecretStr] = {}  # with every request; a value may be ${NAME}
    timeout: Annotated[float, Field(gt=0, le=86_400)] | None = None  # seconds for a reply; null: learned from others
    parameters: dict[str, Any] = {}
    limits: Limits = Limits()
    via: Literal["online", "batch"] = "online"  # batch: within hours, at a lower price
    batch_trial: Annotated[int, Field(ge=0, le=100)] = 8  # asked online before a first batch of many; 0: none
    reask_via: Literal["online", "batch"] = "online"  # what batches answered badly
    on_too_long: Literal["reject", "truncate"] = "reject"
    candidates: Annotated[int, Field(gt=0, le=50)] | None = None  # of the embedded labeller, for the prompt
    share: Literal["near_copies"] | None = None  # one request for a group of near-copies
    reask: Annotated[int, Field(ge=0, le=10)] = 1
    budget_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ledger: SecretStr | None = None  # an SQLite file, or postgresql://user:password@host/database
    prices: dict[str, Price] | None = None  # by model name or pattern; before those that labelmill knows
    brake: Brake | None = Brake(wasted=0.05)
    refit: bool = False
    until: Annotated[int, Field(gt=0)] | dict[str, Annotated[int, Field(gt=0)]] | None = (
        None  # rows of reviewed/ to reach, in all or by stratum; null: every article is asked about
    )
    until_by: Literal["language", "source", "topic"] = "language"  # what the strata of `until` are
    until_seed: int = 0  # articles are drawn in the order of a digest of it and their text

    @field_validator("until")
    @classmethod
    def _of_something(cls, until: int | dict[str, int] | None) -> int | dict[str, int] | None:
        if until == {}:
            raise ValueError("give a number of rows (5000), or one for each stratum ({ko: 3000, en: 2000})")
        return until

    @field_validator("headers", mode="before")
    @classmethod
    def _as_texts(cls, given: Any) -> Any:
        """Numbers as texts; no value is checked one by one, since a complaint would show it."""
        if not isinstance(given, dict):
            return given
        for name, value in given.items():
            if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", str(name), re.ASCII) or str(name).lower() in _OF_THE_CLIENT:
                raise ValueError(f"{name} is no header that can be set; give names such as X-Team")
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ValueError(f"the value of {name} is no text; write it in quotes, or as ${{NAME}}")
        return {name: str(value) for name, value in given.items()}
