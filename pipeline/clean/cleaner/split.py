"""Separators: one run of text is split at the strongest one that it holds outside brackets and quotes."""

from __future__ import annotations

import re
from itertools import pairwise

from pipeline.clean.cleaner import labels, markers
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import is_clause

_SEMICOLONS = re.compile("[;；﹔؛;]")
_PIPES = re.compile(r"\s*[|｜¦‖\t]\s*")
_COMMAS = re.compile("[,，、﹐､،／]")
_SPACED = tuple(
    re.compile(rf"\s{sign}\s")
    for sign in ("[·ㆍ・‧･∙]", "/{1,2}", "[→⇒>»]", r"\+{1,3}", "[-–—]{1,2}", "[=~〜～]", "&{1,2}")
)
_STOPS = re.compile("[。｡]")
_HASHTAG = re.compile(r"(?:^|(?<=[\s,;、，]))[#＃](?=[\d_]{0,9}[^\W\d_])|(?<=\w)#(?=[^\W\d]\w)")
_CONJUNCTION = re.compile(rf"\s(?:as well as|ainsi que|{words.CONJUNCTIONS})\s")
_GAPS = re.compile(r"[ \u3000]{3,50}")
_ADJACENT = re.compile(r"""(["”’』」》〉】\]*`])[ \t]{0,3}(?=["“‘『「《〈【\[*`])""")
_QUOTES = tuple("\"'“”‘’«»「」『』《》〈〉")
_QUOTED = re.compile(words.QUOTED)
_ANY_WORD = re.compile(r"\w+")
_BETWEEN_QUOTES = re.compile(
    r"[\s,;，；、/·・]*(?:(?:and|or|et|ou|und|oder|y|e|o|以及|及|和|与|與|と|や|및|과|와|이나|그리고)\s*)?"
)
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_CAPITAL = re.compile(r"(?:the |le |la |el |il |der |die |das )?[A-ZÀ-Þ][^가-힣ぁ-ヿ一-龥]*$")
_GOES_ON = re.compile(r",?\s*(?:and|or|et|ou|und|oder|&)\s|,\s*[A-ZÀ-Þ]")
_CAME_BEFORE = re.compile(r"[A-ZÀ-Þ][\w'’.-]*,\s*$")
_CLOSED_BY_SPACE = re.compile(r"""(['"])[ \t]{1,9}(?=['"]\S)""")

_SIGNS = re.compile(r"[/／·ㆍ・|&]")
_WEAK = (  # what also stands inside names
    re.compile(rf"(?<!\d)[,，]\s*|[,，](?!\d)\s*|[、;；]\s*|\s(?:{words.CONJUNCTIONS}|와|과)\s|(?<=[가-힣])[와과]\s"
               r"|(?<=[一-龥])[和与及](?=[一-龥])"),
    _SIGNS, re.compile(r"\s[-–—]\s"), re.compile(r"(?<=\w)(?<!\bvs)\.\s+"),
)  # fmt: skip
_GLUED = re.compile(r"\w+(?:;\w+)+")  # Steins;Gate
_OF = re.compile(r"\s(?:of|for|für|von|de|du|des|del|della|di|da|do|van|voor)\s", re.IGNORECASE)
_MOST_PARTS = 8  # of one name: Ministry of Housing, Communities and Local Government
_MANY = 100  # commas: no list of key phrases, and a loop would be looked up in the article pair by pair

_PROTECTED = re.compile(words.PROTECTED)
# private use: in no normal text
_HIDDEN = {ord(sign): 0xE000 + at for at, sign in enumerate(";；,，、|·/-–—&+>→=~ㆍ・")}
_SHOWN = {hidden: sign for sign, hidden in _HIDDEN.items()}


def split_inline(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the candidates of one line, in order, untrimmed. Linear; a separator in brackets or quotes does not count."""
    if _HASHTAG.search(text) and (hashtags := _split_hashtags(text)):
        return hashtags
    if bulleted := markers.split_bulleted(text.strip()):
        return bulleted
    return [part.translate(_SHOWN) for part in _split_hidden(_hide(text, article), article)]


def _hide(text: str, article: ArticleIndex | None) -> str:
    """Hide the separators in brackets, in quotes and in names that the article writes so (`Steins;Gate`)."""
    hidden: str = _PROTECTED.sub(lambda match: match[0].translate(_HIDDEN), text)
    if article is None or ";" not in hidden:
        return hidden
    return _GLUED.sub(lambda match: match[0].translate(_HIDDEN) if article.has_exactly(match[0]) else match[0], hidden)


def announced_quotes(line: str, article: ArticleIndex | None) -> list[str]:
    """Return what stands in quotes in a sentence that only leads to it: `It is about “A”, “B” and “C”.` -> A, B, C.

    The sentence names a label or says nothing of the article, and nothing but separators is between the quotes.
    """
    spans = list(_QUOTED.finditer(line))
    gaps = [line[left.end() : right.start()] for left, right in pairwise(spans)]
    outside = f"{line[: spans[0].start()]} {line[spans[-1].end() :]}" if spans else ""
    if not all(map(_BETWEEN_QUOTES.fullmatch, gaps)):
        return []
    if not any(map(str.isalnum, outside)):
        return [match[0][1:-1].strip() for match in spans] if any(map(str.isalnum, "".join(gaps))) else []
    named = any(
        labels.is_head(word, strong=False) or word in words.LABEL_NOUNS
        for word in _ANY_WORD.findall(outside.casefold())
    )
    if not (named or is_clause(line) or (article is not None and not article.shares(outside))):
        return []
    return [match[0][1:-1].strip() for match in spans]


def split_semicolons(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the parts of the text between semicolons that no bracket and no name encloses."""
    if not _SEMICOLONS.search(text):
        return [text]
    return [part.translate(_SHOWN) for part in _SEMICOLONS.split(_hide(text, article))]


def split_listed(text: str, article: ArticleIndex) -> list[list[str]]:
    """Return every way to read the text as a list joined by weak separators; the article decides whether one is meant."""
    ways = [(way, way.split(text), way.findall(text)) for way in _WEAK if way.search(text)]
    readings = [(_series if way is _SIGNS else _merged)(parts, seams, article) for way, parts, seams in ways]
    return [[part for part in reading if part.strip()] for reading in readings if len(reading) > 1]


def split_conjunction(text: str, article: ArticleIndex | None) -> list[str]:
    """Split `B and C`, the end of a list in a sentence, into B, C; not what stands in quotes, nor a name of the article."""
    parts = [text] if _QUOTED.fullmatch(text.strip(" .")) else _CONJUNCTION.split(text)
    if article is None or len(parts) < 2:
        return parts
    seams = _CONJUNCTION.findall(text)
    return _merged(parts, seams, article) if len(parts) == 2 else _series(parts, seams, article)


def _series(parts: list[str], seams: list[str], article: ArticleIndex) -> list[str]:
    """Return the parts of a series of three or more with those joined again that the article has side by side."""
    series = [parts[0].strip()]
    for seam, part in zip(seams, parts[1:], strict=True):
        pair = f"{series[-1]}{seam}{part}".strip()
        series[-1:] = [pair] if article.has_exactly(pair) else [series[-1], part]
    return series


def split_commas(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the parts between commas; neighbours that the article writes as one name (Washington, D.C.) stay one."""
    parts = _COMMAS.split(text)
    return parts if article is None else _merged(parts, _COMMAS.findall(text), article)


def _merged(parts: list[str], seams: list[str], article: ArticleIndex) -> list[str]:
    """Return the parts with those joined again, by the seams between them, that are one name in the article."""
    if not 1 < len(parts) <= _MANY:
        return parts
    joined = [_has_pair(article, *pair) for pair in zip(parts, seams, parts[1:], strict=False)]
    # A longer chain in the article is a list there as well, but for what it is the head of.
    names = {
        at for at, is_pair in enumerate(joined) if is_pair and not any((*joined[at - 1 : at], *joined[at + 1 : at + 2]))
    }
    names.update(at for start in range(len(parts)) for at in range(start, _end_of_name(parts, seams, start, article)))
    merged = [parts[0]]
    for at, (seam, part) in enumerate(zip(seams, parts[1:], strict=True)):
        merged[-1:] = [f"{merged[-1]}{seam}{part}"] if at in names else [merged[-1], part]
    return merged


def _end_of_name(parts: list[str], seams: list[str], start: int, article: ArticleIndex) -> int:
    """Return the last part of a name that the article writes so and a part begins, as one `of A, B and C` does; else that part."""
    ends = range(start + 1, min(start + _MOST_PARTS, len(parts))) if _OF.search(parts[start]) else ()
    end = next((end for end in ends if _CONJUNCTION.search(parts[end])), start)
    chain = [sign for pair in zip(parts[start:end], seams[start:end], strict=True) for sign in pair] + [parts[end]]
    return end if end > start and article.has_exactly("".join(chain).translate(_SHOWN).strip()) else start


def _has_pair(article: ArticleIndex, left: str, seam: str, right: str) -> bool:
    """Tell whether the article writes both as one name, and not only side by side in a list of its own."""
    left, right = left.strip().translate(_SHOWN), right.strip().translate(_SHOWN)
    if not (left and right):
        return False
    joined = next((pair for gap in (" ", "") if article.has_exactly(pair := f"{left}{seam}{gap}{right}")), None)
    if joined is None or (left[-1:] in _QUOTES and right[:1] in _QUOTES):
        return False
    if any(left.count(mark) % 2 and right.count(mark) % 2 for mark in "\"'“‘«「『《〈"):
        return True  # the comma stands inside quotes: a title
    if article.quotes(joined):
        return True
    if right.casefold() in words.COMMA_TAILS or (left[-1].isdigit() and _YEAR.fullmatch(right)):
        return True
    return bool(_CAPITAL.match(left) and _CAPITAL.match(right)) and _is_one_name(article.text, joined, left, right)


def _is_one_name(text: str, joined: str, left: str, right: str) -> bool:
    """Tell whether neither half stands alone anywhere, nor the pair in an enumeration (`A, B and C`; `Z, A, B`)."""
    if text.count(left) > text.count(joined) or text.count(right) > text.count(joined):
        return False
    at = text.find(joined)
    behind, before = text[at + len(joined) : at + len(joined) + 20], text[max(0, at - 20) : at]
    is_apposition = behind.startswith(",") and " " in left and " " in right  # the head of A, B C, said ...
    return not (is_apposition or _GOES_ON.match(behind) or _CAME_BEFORE.search(before))


def _split_hidden(text: str, article: ArticleIndex | None) -> list[str]:
    for separator in (_SEMICOLONS, _PIPES):
        if separator.search(text):
            return separator.split(text)
    symbols = markers.split_symbols(text)
    if sum(1 for part in symbols if part.strip()) > 1:
        return symbols
    if _COMMAS.search(text):
        return split_commas(text, article)
    return _split_weak(text, article)


def _split_weak(text: str, article: ArticleIndex | None) -> list[str]:
    """Split at separators that also stand inside names: between spaces only, and only if the article has no such name."""
    if article is not None and len(text) < 200 and article.has(text.strip().translate(_SHOWN)):
        return [text]
    for at, separator in enumerate(_SPACED):
        parts = separator.split(text)
        least = 2 if at < 3 else 3  # one dash, plus or ampersand joins a name or a gloss
        if len(parts) >= least:
            return parts
    if len(_STOPS.findall(text.rstrip("。 "))) >= 1 and all(len(part) < 25 for part in _STOPS.split(text)):
        return _STOPS.split(text)
    sentences = re.split(r"(?<=\w{2})\.\s+", text.strip(" ."))
    if len(sentences) > 2 and all(len(part) > 2 and part.count(" ") < 4 for part in sentences):
        return sentences
    adjacent = _CLOSED_BY_SPACE.sub("\\1;", _ADJACENT.sub("\\1;", text))
    if adjacent != text:
        return adjacent.split(";")
    columns = re.split("\u3000+", text.strip())
    if len(columns) > 2:
        return columns
    return _GAPS.split(text.strip()) if len(text) < 2000 else [text]


def _split_hashtags(text: str) -> list[str] | None:
    """Split hashtags, `#A #B_C` -> A, B C; None for a single sign in a list of other things."""
    parts = _HASHTAG.split(text)
    if parts[0].strip(" \n,;") or (len(parts) < 3 and len(parts[-1].split()) > 1):
        return None
    return [part.strip(" ,;、，").replace("_", " ") for part in parts]
