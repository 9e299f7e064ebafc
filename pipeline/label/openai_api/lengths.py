"""Which complaints say that one prompt is too long: by the numbers that they name, and by words for long.

Every server has its own sentence for it, so a list of them is never whole.  Most of them give a count and a limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.label.openai_api.error_body import ErrorBody

_N = r"(?<![A-Za-z0-9_.-])(\d{1,3}(?:[,_]\d{3})+|\d+)(?![\d_]|[.,-]\d)"
_NUMBER = re.compile(_N)
_LEAST = 100  # tokens: a smaller number is no limit of a context

_SUBJECT = r"(?:prompts?|inputs?|messages?|requests?|texts?|sequences?|conversations?|quer(?:y|ies)|contents?|documents?|payload|body)"
_MEASURE = (
    r"(?:tokens?|context|length|characters?|window|토큰|길이|컨텍스트|문맥|トークン|長さ|コンテキスト|长度|長度|上下文)"
)
_EXCESS = (
    r"(?:exceed\w*|too (?:long|large|big|many)|(?:longer|larger|greater|more|bigger) than|less than|at most|maximum|max\b|limit"
    r"|must be|should be|over\b|above|only (?:supports?|accepts?)|not fit|[<>]=?|reduce|shorten"
    r"|超|过长|過長|上限|초과|넘|너무 길|최대|長すぎ)"
)
_WORDS = (
    # what is too long, beside how long it may be
    rf"\b{_SUBJECT}\b[^.]{{0,60}}\b(?:too (?:long|large|big)|longer than|exceed\w*)",
    r"exceed\w*[^.]{0,60}\b(?:context|(?:max|maximum|token|input|prompt|length|model)\b[^.]{0,40}\b(?:limit|length|tokens?|size|window))",
    r"\bcontext[ _-]?(?:length|window|size|limit)(?! deadline)|maximum context|too many (?:input |prompt )?tokens",
    r"\bmax(?:imum)?[ _](?:prompt|input|context|model|sequence)\w*[ _](?:length|len|tokens?|size)|\brange of input length",
    r"\b(?:input|prompt)s?\b[^.]{0,30}\b(?:overflow|does not fit|truncat)",
    # in other languages
    r"超长|超長|过长|過長|(?:长度|長度|token|上下文|输入|輸入)[^.。]{0,20}(?:超|上限)|(?:超过|超出|超過)[^.。]{0,20}(?:长度|長度|token|上下文|限)",
    r"(?:토큰|길이|입력|컨텍스트|문맥|프롬프트)[^.]{0,20}(?:초과|넘|너무 [길긴깁]|너무 많)|(?:トークン|長さ|入力|コンテキスト)[^。]{0,20}(?:超|長すぎ|上限)",
    r"\btrop long|\bzu lang|\bdemasiado larg",
)
_TOO_LONG = re.compile("|".join(f"(?:{words})" for words in _WORDS), re.IGNORECASE)
_OF_LENGTH = re.compile(_MEASURE, re.IGNORECASE)
_TOO_MUCH = re.compile(_EXCESS, re.IGNORECASE)
_CODES = re.compile(
    r"context_?(?:length|window|size)|too_?(?:long|large)|max_?(?:context|input|prompt)|prompt_?length|^1261$",
    re.IGNORECASE,
)
_OF_THE_REPLY = re.compile(
    r"max_(?:new_|completion_|output_)?tokens|(?:completion|output|response|generated) tokens", re.IGNORECASE
)

_REQUESTED = re.compile(
    rf"\b(?:requested|request (?:of|with|has|needs?|uses?|requires?|contains?|size|tokens)|needs?|contains|requires|counts|given|got)\b[^\d.;]{{0,25}}{_N}"
    rf"|{_N} tokens?\b[^\d.;]{{0,25}}\b(?:requested|needed|required|exceed|larger|more than|is over|above)",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    rf"\b(?:limit|maximum|max|at most|allowed|allows|up to|quota|capacity|only)\b[^\d.;]{{0,25}}{_N}", re.IGNORECASE
)
_ONE_REQUEST = re.compile(
    r"\brequest (?:is |was )?too (?:large|long|big)|\b(?:message|prompt|input) (?:is |was )?too (?:large|long|big)|\bsingle request\b"
    r"|\btokens? must be reduced|\b(?:reduce|shorten) (?:the |your )?(?:\w+ )?(?:messages?|prompt|input|content|length)\b"
    r"|\bentity too large",
    re.IGNORECASE,
)


def numbers_in(text: str) -> list[int]:
    """Return the whole numbers of a text that stand by themselves, `1,024` and `1_024` among them."""
    return [int(re.sub("[,_]", "", number)) for number in _NUMBER.findall(text)]


def says_too_long(error: ErrorBody, sent: Mapping[str, Any]) -> bool:
    """Return whether an error says that this prompt does not fit; not that the most tokens of a reply are set too high."""
    if any(_CODES.search(word) for word in error.words):
        return True
    counts = {number for number in numbers_in(error.message) if number >= _LEAST}
    if _OF_THE_REPLY.search(error.text) and len(counts - _most_output(sent)) < 2:
        return False  # every request has this limit of its reply
    if _TOO_LONG.search(error.message):
        return True
    return len(counts) > 1 and bool(_OF_LENGTH.search(error.message) and _TOO_MUCH.search(error.message))


def _most_output(sent: Mapping[str, Any]) -> set[Any]:
    return {value for name, value in sent.items() if _OF_THE_REPLY.fullmatch(name)}


def says_larger_than_limit(error: ErrorBody, sent: Mapping[str, Any]) -> bool:
    """Return whether an error says that one request is larger than what is allowed in a minute: no waiting makes it fit."""
    limits, counts = _found(_LIMIT, error.message), _found(_REQUESTED, error.message)
    if limits and counts:
        return max(counts) > max(limits)
    return bool(_ONE_REQUEST.search(error.message))


def _found(pattern: re.Pattern[str], text: str) -> list[int]:
    return [
        number for match in pattern.finditer(text) for group in match.groups() if group for number in numbers_in(group)
    ]


def limit_and_count(message: str) -> tuple[int | None, int | None]:
    """Return (the most tokens that fit, how many the prompt has), as a complaint has it; None for what it does not say."""
    numbers = [number for number in numbers_in(message) if number >= _LEAST]
    if not numbers:
        return None, None
    if len(set(numbers)) == 1:
        return numbers[0], None
    most = max(numbers)
    limits = [number for number in _found(_LIMIT_NEAR, message) if _LEAST <= number < most]
    return (limits or [number for number in numbers if number < most])[0], most


_LIMIT_NEAR = re.compile(
    rf"(?:limit|maximum|max|at most|allowed|up to|only|less than|<=?|context|length (?:of|is)|longer than|exceeds?)[^\d]{{0,40}}?{_N}",
    re.IGNORECASE,
)
