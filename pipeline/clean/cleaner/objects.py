"""Phrases of a literal: which keys and values of lists and objects are phrases, and which only name or explain them."""

from __future__ import annotations

from pipeline.clean.cleaner import labels
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.literal import Bare, Collection, ParsedLiteral, Value, find_literal
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.split import split_inline
from pipeline.clean.cleaner.vocabulary import PHRASE_KEYS


def following_items(text: str, literal: ParsedLiteral, article: ArticleIndex | None) -> list[str]:
    """Return the items of the objects behind the first one (JSON lines)."""
    items: list[str] = []
    more = find_literal(text, literal.end)
    while more is not None and len(items) < 100:
        items += literal_items(more, article) or []
        more = find_literal(text, more.end)
    return items


def literal_items(literal: ParsedLiteral, article: ArticleIndex | None) -> list[str] | None:
    """Return the phrases of a literal, or None where it holds bare words only and none of them is a phrase."""
    group = literal.value
    items = _object_items(group, article) if group.keys else _list_items(group, article)
    return None if not items and any(isinstance(item, Bare) for item in group.items) else items


def _list_items(group: Collection, article: ArticleIndex | None) -> list[str]:
    """Return the strings of a list, the phrase of a nested pair (phrase, score) and that of an object."""
    items: list[str] = []
    if column := _common_column(group):
        return [
            value
            for item in group.items
            if isinstance(item, Collection)
            for key, value in _strings(item)
            if key == column
        ]
    for item in group.items:
        if isinstance(item, str):
            items.append(item)
        elif isinstance(item, Bare):
            items += [item.text] if _is_word(item.text) else []
        elif item.keys:
            items += _object_items(item, article)
        else:
            inner = _list_items(item, article)
            items += inner[:1] if any(isinstance(part, Bare) for part in item.items) else inner
    return items


def _strings(group: Collection) -> list[tuple[str, str]]:
    return [(key, value) for key, value in group.pairs() if isinstance(value, str)]


def _common_column(group: Collection) -> str | None:
    """Return the first key with text that all objects of a list share: their keys are names of columns, and no phrases."""
    objects = [item for item in group.items if isinstance(item, Collection)]
    if len(objects) < 2 or len(objects) < len(group.items):
        return None
    keys = [[key for key, _ in _strings(item)] for item in objects]
    shared = [key for key in keys[0] if all(key in others for others in keys)]
    wanted = [key for key in shared if key.strip().casefold() in PHRASE_KEYS]
    return next(iter([*wanted, *(key for key in shared if key.casefold() not in words.GLOSS_COLUMNS)]), None)


def _is_word(text: str) -> bool:
    return any(map(str.isalpha, text)) and text.casefold() not in ("null", "none", "true", "false", "nan")


def _object_items(group: Collection, article: ArticleIndex | None) -> list[str]:
    """Return the phrases of an object: lists of any key, else the value of a phrase key, else keys with scores or glosses."""
    pairs = group.pairs()
    groups = [(key, value) for key, value in pairs if isinstance(value, Collection)]
    if groups:
        heads = [(key, value) for key, value in groups if labels.is_head(key.casefold().strip(), strong=True)]
        others = [(key, value) for key, value in groups if key.casefold().strip() not in words.ASIDES]
        return [item for _, value in heads or others or groups for item in _group_items(value, article)]
    strings = [(key, value) for key, value in pairs if isinstance(value, str)]
    for key, value in strings:
        if key.strip().casefold() in PHRASE_KEYS:
            return _split_text(value, article) if _is_plural(value) else [value]
    named = [value for key, value in strings if labels.is_label_key(key)]
    if named:
        return [item for value in named for item in _split_text(value, article)]
    if strings and _prefer_values(strings, article):
        return [item for _, value in strings for item in _split_text(value, article)]
    return [key for key, _ in pairs if not labels.is_label_key(key)]


def _split_text(value: str, article: ArticleIndex | None) -> list[str]:
    return [item for line in value.split("\n") if line.strip() for item in split_inline(line, article)]


def _group_items(value: Value, article: ArticleIndex | None) -> list[str]:
    assert isinstance(value, Collection)
    return _object_items(value, article) if value.keys else _list_items(value, article)


def _is_plural(value: str) -> bool:
    return ";" in value or "\n" in value or value.count(",") > 1


def _prefer_values(strings: list[tuple[str, str]], article: ArticleIndex | None) -> bool:
    """Tell whether `{"인물": "김철수"}` names categories, as opposed to `{"금리 인상": "설명"}` that explains phrases."""
    if article is None:
        return all(key.casefold() in words.CATEGORIES for key, _ in strings)
    keys_present = sum(article.has(key) for key, _ in strings)
    return sum(article.has(value.strip()) for _, value in strings) > keys_present
