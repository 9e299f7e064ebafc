"""Phrases of a literal: which keys and values of lists and objects are phrases, and which only name or explain them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.clean.cleaner import labels
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.lines import without_translations
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.sentences import corrects
from pipeline.clean.cleaner.split import split_inline
from pipeline.clean.cleaner.vocabulary import PHRASE_KEYS
from pipeline.core.text.lenient_json import Bare, Collection, ParsedLiteral, Value, find_literal

_MOST = 100  # literals in one reply


def chosen_literal(text: str) -> tuple[ParsedLiteral | None, list[ParsedLiteral]]:
    """Return the literal that is the answer, and those that go on with it: lines of JSON, several arrays in a row.

    What is called rejected or a candidate before it is no answer where another is there; one that is called final is the answer.
    """
    literals: list[tuple[str, ParsedLiteral]] = []
    start = 0
    while len(literals) < _MOST and (literal := find_literal(text, start)) is not None:
        literals.append((text[start : literal.begin], literal))
        start = literal.end
    kinds = [labels.kind_of_lead(lead) for lead, _ in literals]
    if (best := labels.best_kind(kinds)) is None:
        return None, []
    first = kinds.index(best)
    chosen = literals[first][1]
    rest: list[ParsedLiteral] = []
    for lead, literal in literals[first + 1 :]:
        if corrects(lead):
            chosen, rest = literal, []
            continue
        is_list = chosen.value.opener == "["
        if any(map(str.isalnum, lead)) and (is_list or labels.kind_of_lead(lead) != "answer"):
            break
        rest.append(literal)
    return chosen, rest


def literal_items(literal: ParsedLiteral, article: ArticleIndex | None) -> list[str] | None:
    """Return the phrases of a literal, or None where it holds bare words only and none of them is a phrase."""
    group = literal.value
    items = _object_items(group, article) if group.keys else _list_items(group, article)
    return None if not items and any(isinstance(item, Bare) for item in group.items) else items


def _list_items(group: Collection, article: ArticleIndex | None) -> list[str]:
    """Return the strings of a list, the phrase of a nested pair (phrase, score) and that of an object."""
    items: list[str] = []
    if columns := _common_columns(group):
        return without_translations(columns, article)[0]
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


def _common_columns(group: Collection) -> list[list[str]]:
    """Return the texts under each key that all objects of a list share, the likeliest first: such keys are no phrases."""
    objects = [dict(_strings(item)) for item in group.items if isinstance(item, Collection)]
    if len(objects) < 2 or len(objects) < len(group.items):
        return []
    shared = [key for key in objects[0] if all(key in others for others in objects)]
    wanted = [key for key in shared if key.strip().casefold() in PHRASE_KEYS]
    free = [key for key in shared if key.casefold() not in words.GLOSS_COLUMNS]
    return [[texts[key] for texts in objects] for key in wanted or free]


def _is_word(text: str) -> bool:
    return any(map(str.isalpha, text)) and text.casefold() not in ("null", "none", "true", "false", "nan")


def _object_items(group: Collection, article: ArticleIndex | None) -> list[str]:
    """Return the phrases of an object: values of keys that name them, else lists of any key, else keys with scores or glosses."""
    pairs = answer_pairs(group)
    named = [
        value for key, value in pairs if labels.is_head(labels.folded_key(key), strong=True) and _holds_text(value)
    ]
    groups = [value for _, value in pairs if isinstance(value, Collection)]
    if named and (groups or len(pairs) > 1):
        return [item for value in named for item in _value_items(value, article)]
    if groups:
        lists: Sequence[list[str]] = [_value_items(value, article) for value in groups]
        if words.CATEGORIES.isdisjoint(key.casefold() for key, _ in pairs):
            lists = without_translations(lists, article)
        return [item for items in lists for item in items]
    strings = [(key, value) for key, value in pairs if isinstance(value, str)]
    for key, value in strings:
        if key.strip().casefold() in PHRASE_KEYS:
            return _split_text(value, article) if _is_plural(value) else [value]
    labelled = [value for key, value in strings if labels.is_label_key(key)]
    if labelled:
        return [item for value in labelled for item in _split_text(value, article)]
    if strings and _prefer_values(strings, article):
        return [item for _, value in strings for item in _split_text(value, article)]
    return [key for key, _ in pairs if not labels.is_label_key(key) or " " in key.strip()]


def answer_pairs(group: Collection) -> list[tuple[str, Value]]:
    """Return the pairs of an object that may hold its answer, strings that are JSON themselves read (the arguments of a call).

    Reasoning, rejected ones, and candidates beside those that were selected are left out.
    """
    pairs = [(key, _read_inside(value)) for key, value in group.pairs()]
    if carried := [pair for pair in pairs if pair[0].casefold() in words.CARRIERS and isinstance(pair[1], Collection)]:
        return carried
    kinds = [labels.kind_of_key(key) for key, _ in pairs]
    # of asides all: a key that only explains may be the phrase itself, where it stands alone
    best = labels.best_kind(kinds)
    return [pair for pair, kind in zip(pairs, kinds, strict=True) if kind == best]


def _read_inside(value: Value) -> Value:
    """Return what a string holds that is JSON itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    literal = find_literal(value.strip())
    return value if literal is None or literal.cut else literal.value


def _holds_text(value: Value) -> bool:
    return isinstance(value, Collection) or (isinstance(value, str) and bool(value.strip()))


def _value_items(value: Value, article: ArticleIndex | None) -> list[str]:
    if isinstance(value, Collection):
        return _object_items(value, article) if value.keys else _list_items(value, article)
    return _split_text(value, article) if isinstance(value, str) else []


def _split_text(value: str, article: ArticleIndex | None) -> list[str]:
    return [item for line in value.split("\n") if line.strip() for item in split_inline(line, article)]


def _is_plural(value: str) -> bool:
    return ";" in value or "\n" in value or value.count(",") > 1


def _prefer_values(strings: list[tuple[str, str]], article: ArticleIndex | None) -> bool:
    """Tell whether `{"인물": "김철수"}` names categories, as opposed to `{"금리 인상": "설명"}` that explains phrases."""
    if article is None:
        return all(key.casefold() in words.CATEGORIES for key, _ in strings)
    keys_present = sum(article.has(key) for key, _ in strings)
    return sum(article.has(value.strip()) for _, value in strings) > keys_present
