"""Refinement of one candidate into the phrases it holds, with the article's help: what is a name, and what decoration.

Each rule proposes a shorter reading. It is taken unless the article has the text as it is; so a rule may be bold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from pipeline.clean.cleaner import labels
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.markers import strip_number
from pipeline.clean.cleaner.normal import fold_width, has_hangul
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import is_clause, strip_address
from pipeline.clean.cleaner.split import split_listed, split_semicolons
from pipeline.clean.cleaner.trim import trim
from pipeline.core.text.korean import strip_particles

_SCORE = re.compile(words.SCORES, re.IGNORECASE)
_LEADING_SCORE = re.compile(r"[(\[]?(?:0?\.\d+|1\.0+)[)\]]?[\s:|,–—-]{1,3}(?=[^\W\d])")
_FOOTNOTE = re.compile(r"(?<=[^\W\d_])(?<![ckm]m)[¹²³⁴-⁹⁰]{1,3}$")
_GLOSS = re.compile(r"\s*：\s*|:\s+|\s+:\s*|\s+[-–—]{1,2}\s+|\s+(?:=|=>|->|→|⇒)\s+")
_AROUND_COLON = re.compile(r"[\w'’-]+ ?: ?[^\W\d][\w'’-]*")
_GLUED_COLON = re.compile(r"(?<=\D)[:：](?=\D)")
_REMARK = re.compile(r"\s*[(（\[]([^()（）\[\]]{1,120})[)）\]]$")
_CONJUNCTION = re.compile(
    r"(?:and|et|und|및|그리고|또는|または|そして) +(?=\S)|(?:および|または|そして)(?=[^ぁ-ん])", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[^\s.][.!?])(?<!\b[A-Z]\.)\s+|(?<=[。！？])")
_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏ가-힣ぁ-んァ-ヴー一-龥"
PLAIN_WORD = f"[{_LETTERS}0-9]+"
_PLAIN = re.compile(rf"[{_LETTERS}][{_LETTERS}0-9]*(?: {PLAIN_WORD})*|[A-Za-z0-9]+")
_JOINED = re.compile(words.JOINED, re.IGNORECASE)
_ET_CETERA = re.compile(words.OPEN_ENDS)
_NEWS_TAG = re.compile(r"\A(?:\[[가-힣A-Z ]{2,8}\d{0,2}\]|【[^【】]{1,12}】) ?(?=\w)")
COPULA = re.compile(r" ?(?:입니다|이에요|예요|です|である)[.。]?$")
_SUBJECT, _JA_SUBJECT = re.compile("([가-힣]{1,12}[은는이가]) "), re.compile("[はがを]")
_LAST_SIGNS = tuple("?!。♂♀☆★")
_SPACE, _FEW = re.compile(r"\s+"), 12
_LOOP = 4  # repetitions; Duran Duran and Bye Bye Bye are names
_MAX_DEPTH = 12


def refine(candidate: str, article: ArticleIndex | None, depth: int = 0) -> Iterator[str]:
    """Yield the phrases of one candidate; none where it holds nothing but marks. Refining a phrase again gives that phrase."""
    if is_plain(candidate):
        yield candidate
        return
    candidate = _without_loop(candidate)
    signed = _with_sign(candidate, article)
    text = signed or trim(candidate)
    if not text:
        return
    if not signed and depth < _MAX_DEPTH:
        for rule in _RULES:
            parts = rule(text, article)
            if parts is None:
                continue
            if article is not None and rule is not _conjunction and article.has(text):
                break
            for part in parts:
                yield from refine(part, article, depth + 1)
            return
    yield text


def is_plain(candidate: str) -> bool:
    """Tell whether the candidate is words with single spaces and nothing else: no rule has anything to do. Most are."""
    return _PLAIN.fullmatch(candidate) is not None and candidate.count(" ") < _LOOP and not _JOINED.search(candidate)


def _without_loop(candidate: str) -> str:
    """Undo the repetition of a model that goes on without separators: `A B A B A B A B` -> `A B`."""
    tokens = candidate.split()
    if len(tokens) < _LOOP or tokens.count(tokens[0]) < _LOOP:
        return candidate
    period = tokens.index(tokens[0], 1)
    repeated = all(token == tokens[at % period] for at, token in enumerate(tokens))
    return " ".join(tokens[:period]) if repeated and len(tokens) >= _LOOP * period else candidate


def _with_sign(candidate: str, article: ArticleIndex | None) -> str:
    """Keep a sign that the article has, too: it looks like a bullet (`-5도`, `#MeToo`), or ends a title in quotes; else empty."""
    text = candidate.strip()
    if article is not None and text[-1:] in _LAST_SIGNS and (article.quotes(text) or article.goes_on(text)):
        return text
    if article is None or text[:1] not in ("¿", "¡", "-", "#", "+", "−", "'", "’", "*") or not text[1:2].isalnum():
        return ""
    bare = trim(text)
    if article.quotes(bare) or text[-1] == text[0]:
        return ""
    return text[0] + bare if article.has_exactly(text[0] + bare) else ""


def _semicolons(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Split a list inside an item. One semicolon may belong to a title, two separate."""
    parts = split_semicolons(text, article)
    return parts if len(parts) > 2 else None


def _copula(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Remove a copula, the end of a list in a Korean or Japanese sentence: `A입니다` -> A; a sentence is left whole."""
    match = COPULA.search(text)
    if match is None or not match.start():
        return None
    bare = text[: match.start()]
    alone = len(bare.split()) <= 3 and not has_subject(bare, article)
    return [bare] if alone or (article is not None and article.has(trim(bare))) else None


def has_subject(text: str, article: ArticleIndex | None) -> bool:
    """Tell whether a word has the particle of a subject; a noun that only ends so (물가) has its own in the article."""
    subjects = (word for word in _SUBJECT.findall(text) if strip_particles(word) != word)
    return _JA_SUBJECT.search(text) is not None or any(
        article is None or not article.inflects(word) for word in subjects
    )


def _score(text: str, article: ArticleIndex | None) -> list[str] | None:
    if leading := _LEADING_SCORE.match(text):
        return [text[leading.end() :]]
    match = _SCORE.search(text)
    return [text[: match.start()]] if match and any(map(str.isalpha, text[: match.start()])) else None


def _conjunction(text: str, article: ArticleIndex | None) -> list[str] | None:
    match = _CONJUNCTION.match(text)
    return [text[match.end() :]] if match and text[0].islower() | (text[0] > "\u3000") else None


def _remark_behind(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Remove a sentence behind the phrase: `A. I hope this helps!` -> A."""
    if " " not in text and "。" not in text:
        return None
    head, *rest = _SENTENCE.split(text, maxsplit=1)
    if not rest or not any(map(str.isalnum, head)):
        return None
    if rest[0].casefold().startswith(words.CHATTER):
        return [head]
    tells_nothing = article is not None and " " in rest[0] and not article.shares(rest[0]) and article.shares(head)
    return (
        [head] if article is not None and (article.has(trim(head)) or (tells_nothing and not is_clause(head))) else None
    )


def _remark_before(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Remove sentences before the phrase: `Well, it is about rails. A` -> A."""
    *remarks, last = _SENTENCE.split(text)
    if not remarks or not any(map(str.isalnum, last)) or is_clause(last):
        return None
    if article is None:
        return [last] if all(map(is_clause, remarks)) else None
    tells_nothing = all(is_clause(part) or not article.has(trim(part).rpartition(" ")[0] or part) for part in remarks)
    return [last] if tells_nothing and article.has(trim(last)) else None  # not of Katie Taylor vs. Amanda Serrano


def _words_before(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Remove words of no phrase before the article's own: `The key phrases would be A`, `다음과 같아요~ A` -> A."""
    if article is None or not (is_clause(text) or labels.opens_preamble(text)):
        return None
    for space in islice(_SPACE.finditer(text), _FEW):
        if article.shares(text[: space.start()]):
            return None
        if article.has(trim(text[space.end() :])):
            return [text[space.end() :]]
    return None


def _gloss(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Choose a side of a colon or dash: `A: what it is` -> A; `Category: A` -> A. The one that the article has wins."""
    match = _GLOSS.search(text) or (_GLUED_COLON.search(text) if article is not None else None)
    if match is None:
        return None
    head, tail = text[: match.start()], text[match.end() :]
    if not any(map(str.isalnum, head)) or not any(map(str.isalnum, tail)) or (article and has_own_colon(text, article)):
        return None
    colon = ":" in match[0] or "：" in match[0]
    if article is not None and (article.has(trim(head)) or article.has(trim(tail))):
        return [head] if article.has(trim(head)) and not _is_category(head) else [tail]
    if not colon:
        return _dash_gloss(head, tail)
    if match[0] in (":", "：") and match.re is _GLUED_COLON:
        return None
    return [tail] if _is_category(head) else [head]


def has_own_colon(text: str, article: ArticleIndex) -> bool:
    """Tell whether the article has the words around a colon as they are, so that it is a title: `Star Trek: Picard`."""
    return (middle := _AROUND_COLON.search(text)) is not None and article.has_exactly(middle[0])


def _dash_gloss(head: str, tail: str) -> list[str] | None:
    """Return the head before a dash, which is part of the name, without an article, unless a whole explanation follows."""
    return [head] if len(tail.split()) >= 3 and len(tail.split()) > len(head.split()) else None


def _is_category(text: str) -> bool:
    bare = text.casefold().strip(" 0123456789.")
    return (
        bare in words.CATEGORIES | words.ASIDES or labels.is_head(bare, strong=False) or not any(map(str.isalpha, bare))
    )


def _bracket_gloss(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Remove a remark in brackets, `A (what it is)` -> A, where the article has A only, or it translates or is a sentence."""
    match = _REMARK.search(text)
    if match is None or not match.start():
        return None
    head = text[: match.start()]
    if article is not None:
        return [head] if article.has(trim(head)) else None
    translated = has_hangul(head) and match[1].isascii() and match[1].islower() and text[match.start()].isspace()
    return [head] if translated or (len(match[1].split()) > 3 and is_clause(match[1])) else None


def _listed(text: str, article: ArticleIndex | None) -> list[str] | None:
    """Split `A, B` where the article has A and B, but not side by side."""
    if article is None:
        return None
    for parts in split_listed(text, article):
        trimmed = [trim(part) for part in parts]
        if len(parts) > 1 and all(len(part) > 1 and article.has(part) for part in trimmed):
            return parts
    return None


Rule = Callable[[str, ArticleIndex | None], list[str] | None]


def _rule(shorten: Callable[[str], str]) -> Rule:
    """Return the rule that proposes a shorter text, where there is one."""

    def propose(text: str, article: ArticleIndex | None) -> list[str] | None:
        shorter = shorten(text)
        return [shorter] if shorter != text and any(map(str.isalnum, shorter)) else None

    return propose


_RULES: tuple[Rule, ...] = (  # [속보] A -> A; A³ -> A; A 등 -> A; snake_case -> snake case
    _rule(_without_loop), _semicolons, _rule(strip_number), _rule(partial(_NEWS_TAG.sub, "")), _rule(strip_address), _score,
    _rule(partial(_FOOTNOTE.sub, "")), _conjunction, _copula, _rule(partial(_ET_CETERA.sub, "")), _listed, _remark_behind,
    _remark_before, _words_before, _gloss, _bracket_gloss, _rule(lambda text: fold_width(text).replace("_", " ")),
)  # fmt: skip
