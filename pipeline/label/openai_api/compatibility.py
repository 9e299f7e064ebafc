"""Which parameters an endpoint takes: it is asked as the job file says, and what it turns down is sent otherwise or left out.

Servers differ in the name of the limit of a reply (`max_completion_tokens`, `max_tokens`), reasoning models take no
`temperature`, many know no JSON schema, the templates of some models have no place for a system message.  Each change is made once,
shown to people, and kept for the next run.  None changes a request's key: the question is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_OTHER_NAME = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
_DISPENSABLE = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "reasoning_effort",
    "verbosity",
)
_REFUSES = re.compile(
    r"unsupported|(?:not|n't) support|supported (?:values|types)|unavailable|not available|not permitted|not allowed|unrecogni[sz]ed"
    r"|unknown|unexpected|extra_forbidden|extra (?:inputs|fields)|literal_error|deprecated|enabled only|no longer|should be|must be"
    r"|\bonly\b.{0,40}\b(?:allowed|supported|accepted|permitted|valid)|only the default|only (?:supports?|accepts?|allows?)"
    r"|invalid (?:parameter|value|field|argument)|not (?:a )?valid|not implemented|does not accept|cannot be (?:used|set|specified)"
    r"|不支持|지원하지 않|サポートされていません",
    re.IGNORECASE,
)
_OF_THE_VALUE = re.compile(
    r"too (?:large|small|high|low|long)|at (?:most|least)|maximum|minimum|exceed|polic(?:y|ies)|safety"
    r"|(?:less|greater|lower|higher|smaller|larger) than|between\b|\brange\b|positive|negative|[<>]=?\s*\d",
    re.IGNORECASE,
)
_ROLE = "messages.0.role"  # the name of the change; as a parameter of the body it would be none
_NO_SYSTEM = re.compile(
    r"\b(?:system|developer)['\"`]? (?:role|message|prompt|instruction)s?\b|\brole['\"`]?:?s? .{0,40}\b(?:system|developer)\b"
    r"|\broles? .{0,60}\b(?:alternate|supported|allowed|must be)|developer instruction",
    re.IGNORECASE,
)
_NO_ROLE = re.compile(
    r"alternate|is not enabled|must (?:start|begin) with|invalid|got ['\"`]?system|only .{0,60}roles?", re.IGNORECASE
)
_JSON_OBJECT = {"type": "json_object"}


class ParameterCompatibility:
    """What was found out about an endpoint.

    `changes`: parameter -> what is sent in its place (another parameter's name, a simpler value), None for nothing.  `on_change` is
    called with each change, in words for people.
    """

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.on_change: Callable[[str], None] = lambda _: None

    def adapt(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body as this endpoint takes it."""
        if not self.changes:
            return body
        adapted = {}
        for name, value in body.items():
            change = self.changes.get(name, name)
            if isinstance(change, str):
                adapted[change] = value
            elif change is not None:
                adapted[name] = change
        if _ROLE in self.changes and _has_system(adapted):
            adapted["messages"] = _folded(adapted["messages"])
        return adapted

    def learn(self, body: dict[str, Any], status: int, parameter: str, complaint: str) -> bool:
        """Learn from a refusal; return whether something in `body` was turned down that can be sent in another way, or left out.

        `parameter` is the one that the endpoint names by itself, where it does.
        """
        if _refuses_system(body, status, parameter, complaint):
            self.changes[_ROLE] = "user"
            self.on_change("the endpoint does not take a system message: it stands before the user's, from now on")
            return True
        return any(self._change(name, body) for name in refused(body, status, parameter, complaint))

    def _change(self, name: str, body: dict[str, Any]) -> bool:
        if name == "response_format":
            schema = "json_schema" in body["response_format"]
            self._note(name, _JSON_OBJECT if schema else None, "a JSON schema" if schema else "response_format")
            return True
        if name in _OTHER_NAME:
            if name in self.changes.values():
                return False  # neither name is taken
            self._note(name, _OTHER_NAME[name], name)
            return True
        if name in _DISPENSABLE:
            self._note(name, None, name)
            return True
        return False

    def _note(self, name: str, change: Any, title: str) -> None:
        self.changes[name] = change
        instead = (
            f"sent as {change}" if isinstance(change, str) else f"{change['type']} instead" if change else "left out"
        )
        self.on_change(f"the endpoint does not take {title}: {instead}, from now on")


def _has_system(body: dict[str, Any]) -> bool:
    messages = body.get("messages") or []
    return len(messages) > 1 and messages[0]["role"] == "system"


def _folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return messages with the system's text before the first user's, as a model in this process gets them."""
    system, first, *others = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *others]


def _refuses_system(body: dict[str, Any], status: int, parameter: str, complaint: str) -> bool:
    if status not in (400, 422, 500, 501) or not _has_system(body):
        return False
    if parameter == _ROLE:
        return True
    is_refused = _REFUSES.search(complaint) or _NO_ROLE.search(complaint)
    return bool(_NO_SYSTEM.search(complaint) and is_refused) and "optional system" not in complaint


def refused(body: dict[str, Any], status: int, parameter: str, complaint: str) -> list[str]:
    """Return the parameters of a body that an endpoint does not take at all, by what it says; not those whose value is wrong."""
    if status not in (400, 404, 422, 500, 501) or _OF_THE_VALUE.search(complaint):
        return []
    refusal = _REFUSES.search(complaint)
    if not refusal or (status == 500 and "support" not in refusal[0]):
        return []
    name = parameter.partition(".")[0]
    names = [name] if name in body else _parameters_in(complaint, body)
    return [name for name in names if name not in ("model", "messages")]


def _parameters_in(complaint: str, body: dict[str, Any]) -> list[str]:
    """Return the parameters of the body that a complaint is about, in the order in which it names them."""
    matches = {name: re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", complaint) for name in body}
    positions = {name: match.start() if match else -1 for name, match in matches.items()}
    if "response_format" in body:
        first_of = [
            complaint.find(word) for word in ("response_format", "json_schema", "structured output", "json_object")
        ]
        positions["response_format"] = min((position for position in first_of if position >= 0), default=-1)
    return sorted((name for name, position in positions.items() if position >= 0), key=lambda name: positions[name])
