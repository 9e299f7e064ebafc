"""Failures of chat completions: which kind of failure an error is, by one table.

What follows a failure of each kind: `label.engine.failure_policy`.  What error bodies say: `error_body`, `lengths`, `rate_limits`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from pipeline.core.errors import NOT_SERVED, TOO_LONG, TOO_LONG_TO_WAIT, FailureKind, RequestFailed
from pipeline.core.proxies import PROXY_ASKS
from pipeline.core.retry_after import in_future, retry_after
from pipeline.core.types import Reply
from pipeline.label.openai_api.error_body import ErrorBody, as_dict, is_name, read_error
from pipeline.label.openai_api.lengths import says_larger_than_limit, says_too_long
from pipeline.label.openai_api.rate_limits import is_daily, unit_of, wait_of

ANY = range(1000)
SERVER = range(500, 1000)
ARTICLE = (400, 413, 422)  # what an endpoint may say against one article
MODERATED = (*ARTICLE, 403, 451)
LIMITED = (*ARTICLE, 403, 429)
ADDRESS = (404, 405, 406, 410, 411, 415, 426)  # what is said of an address or a form that nobody serves

Sent = Mapping[str, Any]  # the body of the request


@dataclass(frozen=True, slots=True)
class FailureRule:
    """A line of the table: errors that look like this are failures of this `kind`.

    All that is given must fit: one of the `statuses`, and the patterns, of which `code` may stand in any of the error's words for
    machines (codes, types), and `message` in its message, unless the prompt says the same: some errors repeat the article, and
    one about a budget that was exceeded must not pause the job.  Case does not count.
    """

    kind: FailureKind
    statuses: Container[int] = ANY
    code: str = ""
    message: str = ""
    when: Callable[[ErrorBody, Sent], bool] | None = None
    """What numbers, or names of parameters, tell of the error, beside the body that was sent."""
    reported_as: str | None = None
    """The code of the failure, where it is not the error's own."""
    remedy: str = ""
    """What a person is told, and may do, of a failure that pauses the job; may use {where} and {model}."""

    def fits(self, status: int, error: ErrorBody, sent: Sent) -> bool:
        """Return whether an error is one of these."""
        return (
            status in self.statuses
            and (not self.code or self.word(error) is not None)
            and (not self.message or self._says(error, sent))
            and (self.when is None or self.when(error, sent))
        )

    def _says(self, error: ErrorBody, sent: Sent) -> bool:
        prompt = " ".join(message["content"] for message in sent.get("messages", ())).casefold()
        matches = re.finditer(self.message, error.message, re.IGNORECASE)
        return any(match[0].casefold() not in prompt for match in matches)

    def word(self, error: ErrorBody) -> str | None:
        """Return the error's word that the rule is about."""
        if not self.code:
            return None
        return next((word for word in error.words if re.search(self.code, word, re.IGNORECASE)), None)


def names_no_model(error: ErrorBody, sent: Sent) -> bool:
    """Return whether an error about a request to a model speaks of none: then it is the address that nobody serves."""
    text, model = f"{error.text} {error.parameter}".casefold(), str(sent.get("model") or "").casefold()
    return bool(model) and model not in text and not re.search(r"model|deployment|engine", text)


def is_about_the_model(error: ErrorBody, sent: Sent) -> bool:
    """Return whether it is the model that an error finds fault with, not one that it only mentions."""
    if error.parameter.partition(".")[0] == "model":
        return True
    model = re.escape(str(sent.get("model") or ""))
    return bool(model) and bool(
        re.search(_OF_THE_MODEL.format(f"(?<![\\w./-]){model}(?![\\w/-]|\\.\\w)"), error.message, re.IGNORECASE)
    )


_LACKING = (
    r"(?:(?:was|were|is|are|has|have|does|do|could|can|been|be|currently|yet|a|an)\b\s*|n't\s*|can(?:no|')t\s*){{0,5}}"
    r"(?:not (?:be )?(?:\w+ ){{0,2}}(?:found|available|loaded|served|exist|supported|recogni[sz]ed|valid|known|deployed|enabled)"
    r"|unknown|invalid|unavailable|no longer|deprecated|decommissioned|retired|pinned)"
)
_OF_THE_MODEL = (
    r"model\b[^.;]{{0,20}}{0}[^\w]{{0,3}}\s*" + _LACKING + r"|{0}[^\w]{{0,3}}\s*" + _LACKING + r"[^.;]{{0,15}}\bmodel"
    r"|(?:unknown|invalid|no such|unsupported|unrecogni[sz]ed|not find|not found)[^.;]{{0,10}}model\b[^.;]{{0,40}}{0}"
    r"|pinned to[^;]*{0}"
)


def names_a_parameter(error: ErrorBody, sent: Sent) -> bool:
    """Return whether an error names, by itself and not in its message, a parameter that every request has."""
    name = error.parameter.partition(".")[0]
    return name in sent and name not in ("model", "messages")


_NOT_THERE = "{where} has no model {model!r}, or is no OpenAI-compatible address (it ends in /v1)"
_FORM = "{where} does not take requests of this form; see label.parameters"
_SPENT = (
    r"^(insufficient_(quota|balance|credits?|funds?)|exceeded_current_quota_error|billing_\w+|arrearage|1113|credits?_exhausted)$"
    r"|(credit_balance|credits?)_exhausted$|(spend|usage|spending)_limit_(exceeded|reached)$|budget_(exceeded|limit)|exceeded_?budget"
)
_SPENT_WORDS = (
    r"budget has been exceeded|exceededbudget|(over|exceeded|crossed|exceeds) (your |the |its )?(\w+ )?budget|max(imum)? budget:"
    r"|credit balance is too low|insufficient (account )?(balance|credits?|funds)|(out of|no|used all available|more) credits\b.{0,40}"
    r"(required|left|remaining|available|limit)|monthly spending limit|spending cap|欠费|余额不足|잔액이? ?부족|크레딧이? ?부족|good standing"
)
_NO_CREDIT = "the account has no credit left"
_KEY = "the endpoint refuses the key"
_FILTERED = (
    r"content_?(filter|policy|violation|moderat)|responsible_?ai|data_?inspection|moderation|flagged|sensitive_|^safety|safety_"
    r"|prohibited|guardrail|inappropriate|^1301$|high_?risk"
)
_FILTERED_WORDS = (
    r"\bflagged\b|content (management|filter|policy|violat|exists risk|moderation)|usage (polic|guidelines)|safety (system|check|polic|reason)"
    r"|inappropriate content|considered high risk|moderation|sensitive (content|information|words?)|guardrail|content ?polic|contentpolicy"
    r"|prohibited content|violat\w+ .{0,40}(polic|guideline|terms)|敏感|不安全|违规|违反|유해|부적절|안전 정책|不適切"
)
_SUSPENDED = r"\b(account|organi[sz]ation|project|api key|key|subscription)\b.{0,40}\b(suspended|deactivated|disabled|terminated|banned)\b"
RULES = (  # the first that fits counts
    # no waiting mends these
    FailureRule("fatal", (402,), remedy=_NO_CREDIT),
    FailureRule("fatal", LIMITED, code=_SPENT, remedy=_NO_CREDIT),
    FailureRule("fatal", LIMITED, message=_SPENT_WORDS, remedy=_NO_CREDIT),
    FailureRule("fatal", LIMITED, message=_SUSPENDED, remedy="the account, or its key, is not in use any more"),
    # one article is larger than what is allowed in a minute: waiting does not mend that either
    FailureRule("rejected", (429,), when=says_larger_than_limit, reported_as=TOO_LONG),
    FailureRule("rejected", (413,), reported_as=TOO_LONG),
    FailureRule("fatal", (429,), reported_as="daily_limit", remedy="a limit is used up that is not one per minute",
                when=lambda error, _: is_daily(error)),
    FailureRule("rate_limited", (429,)),
    FailureRule("rate_limited", LIMITED, code=r"rate_?limit|too_?many_?requests|throttl"),
    # the endpoint's own trouble, and JSON of the model's that is none
    FailureRule("transient", (408, 409, 423, 424, 425, 499)),
    FailureRule("rejected", SERVER, code="^exceed_context|^context_length_exceeded$", reported_as=TOO_LONG),
    FailureRule("rejected", SERVER, message=r"context (size|length|window) (has been |was |is )?exceeded|exceeds the (available )?context (size|length)",
                reported_as=TOO_LONG),
    FailureRule("transient", SERVER),
    FailureRule("transient", code="^json_validate_failed$"),
    # every request has these: key, address
    FailureRule("fatal", (401,), remedy=_KEY),
    FailureRule("fatal", (407,), remedy=PROXY_ASKS),
    FailureRule("fatal", (400, 403), code="^(api_key_invalid|invalid_api_key)$", remedy=_KEY),
    FailureRule("fatal", (400, 403), message=r"\b(invalid|incorrect|wrong) api key|api key (is )?(not valid|invalid|expired)", remedy=_KEY),
    FailureRule("fatal", (404,), when=names_no_model, reported_as=NOT_SERVED, remedy=_NOT_THERE),
    FailureRule("fatal", (405,), when=names_no_model, reported_as=NOT_SERVED, remedy=_FORM),
    FailureRule("fatal", (404,), remedy=_NOT_THERE),
    FailureRule("fatal", range(400), remedy="{where} redirects elsewhere; set label.base_url to where it leads"),
    # only this article has these
    FailureRule("rejected", MODERATED, code=_FILTERED, reported_as="content_filter"),
    FailureRule("rejected", MODERATED, message=_FILTERED_WORDS, reported_as="content_filter"),
    FailureRule("rejected", ARTICLE, when=says_too_long, reported_as=TOO_LONG),
    # every request has this model and these parameters
    FailureRule("fatal", ARTICLE, when=is_about_the_model, remedy=_FORM),
    FailureRule("fatal", ARTICLE, remedy=_FORM,
                code="^(unsupported_|unknown_|missing_required|invalid_type|invalid_model|model_not_)"),
    FailureRule("fatal", ARTICLE, when=names_a_parameter, remedy=_FORM),
    FailureRule("fatal", ADDRESS, remedy=_FORM),
    # a firewall, a moderation, or a key that may do nothing: whether others are answered tells
    FailureRule("rejected", (403,), remedy="the endpoint denies access, to this article or to this key, model or country"),
    FailureRule("rejected", range(400, 500)),
    FailureRule("fatal", remedy=_FORM),
)  # fmt: skip
# The status that an error in a reply of status 200 would have been sent with, by the words of its code or type; what none names
# is a 500.
_STATUS_WORDS = (
    (429, r"rate_?limit|too_many|resource_exhausted|throttl|quota|budget|(spend|usage)_limit|credit_balance|^(tokens|requests)$"),
    (402, r"insufficient_(balance|credit|fund)|billing"),
    (401, r"api_key|authenticat|unauthori[sz]ed"),
    (413, r"too_(large|long)"),
    (403, r"permission|forbidden|access_denied"),
    (404, r"not_?found"),
    (408, r"time_?out|timed_out|deadline"),
    (400, r"(bad|invalid)_(request|argument|model|prompt|type|value|parameter)|context_(length|window|size)|content_(filter|policy)"
     r"|responsible_?ai|^(unsupported|unknown)_|missing_required|validation|unprocessable"),
)  # fmt: skip
_STATUS_NAMES = {status.name.lower(): status.value for status in HTTPStatus if status >= 400}


def failure_of(
    status: int, error: ErrorBody, text: str, headers: Any, sent: Sent | None = None, where: str = "the endpoint"
) -> RequestFailed:
    """Return the failure that an error is, by its status and what its body says; `text` is for people, `sent` the request's body."""
    body = sent or {}
    rule = next(rule for rule in RULES if rule.fits(status, error, body))
    kind, wait = (
        rule.kind,
        wait_of(error, headers) if status == 429 or rule.kind == "rate_limited" else retry_after(headers),
    )
    if rule.reported_as == "daily_limit" and wait is not None and wait <= TOO_LONG_TO_WAIT:
        kind = "rate_limited"  # a day that rolls on gives a little back soon
    if kind == "rate_limited":
        return RequestFailed(kind, error.code or kind, text, retry_after=wait, unit=unit_of(error, headers))
    if kind == "transient":
        return RequestFailed(kind, f"http_{status}", text, retry_after=wait)
    if rule.remedy:
        text = f"{rule.remedy.format(where=where, model=body.get('model', ''))}{_comes_back(rule, wait)} ({text})"
    return RequestFailed(kind, rule.reported_as or rule.word(error) or error.code or f"http_{status}", text)


def _comes_back(rule: FailureRule, wait: float | None) -> str:
    if rule.reported_as != "daily_limit":
        return ""
    return f"; it is whole again at {in_future(wait)}" if wait is not None else "; the endpoint does not say until when"


# --- errors in a reply of status 200 ---


class ErrorInside(RequestFailed):
    """An error in a reply of status 200, as routers in front of several endpoints send it.

    `status` is what it would have been sent with, `body` the error as a body of its own.
    """

    status: int = 500
    body: bytes = b""


def error_in(value: dict[str, Any], choice: dict[str, Any]) -> Any:
    """Return the error that a body of status 200 tells of: its own, its choice's, or in the words of other servers; or None."""
    for error in (value.get("error"), choice.get("error")):
        if any(error.values()) if isinstance(error, dict) else error:
            return error
    is_error = "detail" in value or ("message" in value and any(name in value for name in ("code", "type", "status")))
    return value if not value.get("choices") and (is_error or value.get("object") == "error") else None


def error_inside(value: dict[str, Any], error: Any, arrived: Reply, headers: Any) -> ErrorInside:
    """Return the failure that an error is with the status that it names: what its code, or its type, would have been sent with."""
    status, body = _status_of(error, value), orjson.dumps({"error": error}, default=str)
    error_body = read_error(body)
    failed = failure_of(status, error_body, f"HTTP 200 with an error: {error_body.code} {error_body.message}", headers)
    billed = bool(arrived.usage.tokens) or (arrived.usage.tokens is None and bool(arrived.text))
    inside = ErrorInside(
        failed.kind, failed.code, str(failed), retry_after=failed.retry_after, unit=failed.unit, may_be_paid=billed,
        reply=arrived,
    )  # fmt: skip
    inside.status, inside.body = status, body
    return inside


def _status_of(error: Any, value: dict[str, Any]) -> int:
    fields = as_dict(error) or {"code": error}
    names = ("code", "status", "status_code", "statusCode", "http_status")
    values = [*(fields.get(name) for name in names), *(value.get(name) for name in names)]
    numbers = [int(number) for number in map(str, values) if number.isdecimal() and len(number) == 3]
    if statuses := [number for number in numbers if 400 <= number < 600]:
        return statuses[0]
    named = (fields.get(name) for name in ("code", "type", "status"))
    words = [_snake(word) for word in named if isinstance(word, str) and is_name(word)]
    if exact := [_STATUS_NAMES[word] for word in words if word in _STATUS_NAMES]:
        return exact[0]
    return next((status for word in words for status, pattern in _STATUS_WORDS if re.search(pattern, word)), 500)


def _snake(word: str) -> str:
    """Return `rate_limit_error` for `RateLimitError` and for `Rate limit error`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word[:80]).lower()).strip("_")
