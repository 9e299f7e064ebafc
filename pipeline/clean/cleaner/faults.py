"""Faults of a server or a model in the place of an answer: a page of HTML, a traceback, an error, a schema, a program."""

from __future__ import annotations

import re

from pipeline.clean.cleaner import vocabulary as words
from pipeline.core.text.lenient_json import find_literal

_CHARS = 2000  # that tell what a reply is
_PAGE = re.compile(words.PAGES, re.IGNORECASE)
_TRACE = re.compile(words.TRACES, re.MULTILINE)
_ERROR = re.compile(words.ERRORS, re.IGNORECASE)
_CODE = re.compile(words.CODE, re.MULTILINE)
_SCHEMA_KEYS = {"$schema", "properties", "required", "additionalproperties", "items", "$defs"}


def is_fault(text: str) -> bool:
    """Tell whether a reply has the form of a fault.  What looks like one may still hold an answer: the article tells."""
    beginning = text[:_CHARS]
    signs = _PAGE.search(beginning), _TRACE.search(beginning), _ERROR.match(beginning)
    code = _CODE.findall(beginning)
    if any(signs) or (len(code) > 1 and any(line.strip() not in ("{", "}") for line in code)):  # as JSON has them, too
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
