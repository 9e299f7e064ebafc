"""Faults of a server or a model in the place of an answer: a page of HTML, a traceback, an error, a schema, a program."""

from __future__ import annotations

import re

from pipeline.clean.cleaner import vocabulary as words
from pipeline.core.text.lenient_json import find_literal

_CHARS = 2000  # that tell what a reply is
_PAGE = re.compile(r"<!doctype html|<head[\s>]|<title[\s>]|<\?xml[^<>]{0,200}\?>\s*<(?:error|html)", re.IGNORECASE)
_TRACE = re.compile(
    r"""Traceback \(most recent call last\)|^\s*File "[^"\n]{1,200}", line \d|^\s+at [\w.$<>]{1,100} ?\([^()\n]{1,100}:\d+\)"""
    r"|\bpanicked at |^goroutine \d|^\s*(?:[\w.]{1,60}\.)?[A-Z]\w{0,40}(?:Error|Exception)\b(?:\(|: )",
    re.MULTILINE,
)
_ERROR = re.compile(
    r"\s*(?:(?:HTTP(?:/\d\.\d)?|status(?: code)?)[ :]{1,2})?[45]\d\d\b[ :-]{1,3}[A-Z]"
    r"|\W{0,3}(?:(?:internal |unexpected |fatal |server |api |http )*error|exception|erreur|오류|에러|错误|エラー|fehler|errore?)\b"
    r"(?:[ :：(]{1,2}\d{3}\b|[^\n:：]{0,20}[:：])|internal server error|bad gateway|service (?:temporarily )?unavailable"
    r"|gateway time-?out|too many requests|request timed? ?out|rate limit (?:exceeded|reached)|connection (?:refused|reset|error)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+\(|import [\w.]+(?: as \w+)?;?$|from [\w.]+ import |(?:async )?function \w*\("
    r"|(?:const|let|var) \w+ ?="
    r"|(?:print|console\.log|System\.out\.println)\(|return\b.*[;()\]]|#include|public (?:static|class) |for \w+ in .*:$"
    r"|(?:if|while) .*[:{]$|\w+ ?= ?[\w.]+\(|class \w+.*[:{]$|[{}]$)",
    re.MULTILINE,
)
_SCHEMA_KEYS = {"$schema", "properties", "required", "additionalproperties", "items", "$defs"}


def is_fault(text: str) -> bool:
    """Tell whether a reply has the form of a fault.  What looks like one may still hold an answer: the article tells."""
    beginning = text[:_CHARS]
    if (
        _PAGE.search(beginning)
        or _TRACE.search(beginning)
        or _ERROR.match(beginning)
        or len(_CODE.findall(beginning)) > 1
    ):
        return True
    return beginning.lstrip("`json \n")[:1] in ("{", "[") and is_faulty_object(beginning)


def is_faulty_object(text: str) -> bool:
    """Tell whether the text is an object that tells of an error, or a JSON schema."""
    literal = find_literal(text)
    if literal is None or not literal.value.keys:
        return False
    keys = {key.casefold() for key, _ in literal.value.pairs()}
    tells_error = bool(keys & words.ERROR_KEYS) and keys <= words.ERROR_KEYS | words.BESIDE_ERRORS
    return tells_error or len(keys & _SCHEMA_KEYS) > 1 or "$schema" in keys
