"""Entries of the log that travel with an article through another tool: whole, with who, when, why, notes, flags and seconds.

The other tools hold an answer of each reviewer, which is less than the log does.  So what people said before goes out twice: as
answers, to be seen and changed there, and as entries, which nobody there touches.  An answer that comes back as it went out is
its entries; one that was changed is a new judgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from pipeline.core.errors import InputError
from pipeline.review.exchange.answers import ImportedFile, ReviewerAnswer, answers_by_reviewer, audited
from pipeline.review.log.judgements import LANES, REASONS, Judgement, of_dict, standing

_DEFAULTS = {field.name: getattr(Judgement("", "", "", ""), field.name) for field in fields(Judgement)}
_LISTS = ("accepted", "rejected", "added")
_TEXTS = ("text_sha256", "id", "reviewer", "at", "note", "uid", "lane")


def packed(entries: Iterable[Judgement]) -> list[dict[str, Any]]:
    """Return entries as JSON, without what is at its default."""
    return [
        {name: value for name, value in asdict(entry).items() if name in _TEXTS or value != _DEFAULTS[name]}
        for entry in entries
    ]


def unpacked(source: ImportedFile, record: str, digest: str, value: Any) -> list[Judgement]:
    """Return the entries that came back with a record.  Raises InputError where they are not as they went out."""
    try:
        entries = [_entry(given) for given in value or []]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{source.file}: {record}: its 'judgements' are not those that were exported ({error})"
        ) from error
    if any(entry.text_sha256 != digest for entry in entries):
        raise InputError(f"{source.file}: {record}: its 'judgements' are of another article. Nothing was stored.")
    return entries


def _entry(given: Mapping[str, Any]) -> Judgement:
    entry = of_dict(dict(given))
    lists = [getattr(entry, name) for name in _LISTS] + [entry.typed or []]
    texts = [getattr(entry, name) for name in _TEXTS] + [text for texts in lists for text in texts]
    texts += [*entry.reasons.values(), *entry.edits.values()]
    if not all(isinstance(each, list) for each in lists) or not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is expected")
    if not entry.uid or entry.lane not in LANES or not set(entry.reasons.values()) <= set(REASONS):
        raise ValueError("uid, lane or a reason is none")
    if entry.seconds is not None:
        float(entry.seconds)
    return entry


def answers_of(entries: Sequence[Judgement], shown: Sequence[str]) -> dict[str, ReviewerAnswer]:
    """Return reviewer -> the answer that went out with these entries."""
    return answers_by_reviewer(audited(standing(entries)), shown)
