"""Rejection of what is no key phrase: sentences and clauses, by-lines, addresses, and what has no letter."""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.normal import has_hangul

MAX_WORDS = 14
MAX_CHARS = 100

_FUNCTION_WORDS = {languages[0]: frozenset(listed) for languages, listed in words.FUNCTION_WORDS}
_URL = re.compile(r"(?:https?://|www\.|ftp://)\S{1,2000}|\b[\w-]{1,60}\.[a-z]{2,10}/\S{1,500}", re.IGNORECASE)
_DAMAGED = re.compile("\\w\ufffd|\ufffd\\w")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}")
_EN_BYLINE = re.compile(r"(?:By|BY|Par|PAR|Von)(?: (?:[A-ZÀ-Þ][\w'’.-]{0,30},?|and|et|und|,|of|for|with|avec)){2,8}$")
_WRITERS = r"(?:Senior |Staff |Chief |Political |Sports )?(?:Writer|Reporter|Correspondent|Editor|Journalist)"
_EN_TITLED = re.compile(rf"(?:[A-ZÀ-Þ][\w'’.-]+ ?){{2,3}}, {_WRITERS}$")
_RIGHTS = re.compile(words.RIGHTS, re.IGNORECASE)
_PAST_EVENT = re.compile(r"[A-ZÀ-Þ]\S* [a-z]{2,}ed (?!by\b)\S+ \S+")
_KO_BYLINE_REVERSED = re.compile(r"(?:기자|특파원) ?[:=]? ?([가-힣]{3})$")
_KO_BYLINE = re.compile(rf"(?:^|[\s=/)\]])([가-힣]{{2,4}}) ?(?:{'|'.join(words.REPORTERS)})(?: ?=)?$")
_JA_BYLINE = re.compile(r"[一-龥]{4}(?:記者|特派員)$")
_KO_FINITE = re.compile(words.KO_FINITE)
_KO_FINITE_LONG = re.compile(words.KO_FINITE_LONG)
_PAST = {chr(code) for code in range(0xAC00, 0xD7A4) if (code - 0xAC00) % 28 == 20}  # syllables that end in ㅆ
_JA_FINITE = re.compile(words.JA_FINITE)
_JA_PARTICLE = re.compile("[はがをに]|から|まで")
_SENTENCE_END = re.compile(r"[.!?。！？…]$")
_STOP_INSIDE = re.compile(r"[.!?]\s")
_LATIN_STOP = re.compile(r"(?<=[a-zà-ÿ][.!?])\s+(?=[A-ZÀ-Þ])")
_INNER_END = re.compile(r"[a-zà-ÿ가-힣]{3}[.!?] +[A-Z가-힣]|[。！？].")
_LATIN_WORD = re.compile(r"[^\s\"“”«»(),;:]+")


def is_phrase(text: str) -> bool:
    """Tell whether the trimmed text can be a key phrase at all."""
    if len(text) > MAX_CHARS or not any(map(str.isalnum, text)):
        return False
    return not (is_address(text) or is_byline(text) or _RIGHTS.search(text) or is_clause(text))


def is_function_words(text: str, language: str) -> bool:
    """Tell whether a text is nothing but words of closed classes (`that`, `of the`); a capital makes a name of one (`The Who`)."""
    if any(map(str.isupper, text)) or (text.isascii() and len(text) == 1):
        return False
    function_words = _FUNCTION_WORDS.get(language, frozenset())
    return all(word in function_words for word in text.casefold().replace("’", "'").replace("'", "' ").split())


def is_damaged(text: str) -> bool:
    """Tell whether letters of a word were lost: a model that writes bytes was cut within one."""
    return "\ufffd" in text and _DAMAGED.search(text) is not None


def is_address(text: str) -> bool:
    """Tell whether this is a bare URL or an e-mail address, with or without a name before it. MLB.com is a name."""
    if ("@" not in text and "/" not in text and "www" not in text.casefold()) or len(text) > 4000:
        return False
    return bool(_EMAIL.search(text) or (_URL.match(text) and " " not in text))


def strip_address(text: str) -> str:
    """Return the phrase without a URL behind it."""
    return _URL.sub("", text) if "/" in text and not _URL.fullmatch(text) else text


def is_byline(text: str) -> bool:
    """Tell whether this names a writer: `By Jane Doe`, `Par Jean Dupont`, `홍길동 기자`; not `외신 기자`, which has no name."""
    if (text[-1:] in "者員" and _JA_BYLINE.match(text)) or (", " in text and _EN_TITLED.match(text)):
        return True
    if text[:1] in "BPV" and _EN_BYLINE.fullmatch(text):
        return True
    match = _KO_BYLINE.search(text) if text.rstrip(" =").endswith(words.REPORTERS) else _KO_BYLINE_REVERSED.match(text)
    name = match[1] if match else ""
    return len(name) == 3 and name[0] in words.KO_SURNAMES and name[-1] not in "부국팀"


@lru_cache(maxsize=64)  # several steps ask it of the phrases of one reply
def is_clause(text: str) -> bool:
    """Tell whether the text is a sentence or a clause: it has a finite verb where a name would have none, or is too long."""
    tokens = text.split()
    if len(tokens) > MAX_WORDS or len(text) > MAX_CHARS:
        return True
    if text.isascii() and len(tokens) < 3:
        return False
    if has_hangul(text):
        return _is_korean_clause(text.rstrip(" .!?\"'”’"), len(tokens))
    if len(tokens) < 3:
        return _is_japanese_clause(text)
    return _is_latin_clause(text)


def _is_korean_clause(text: str, count: int) -> bool:
    last = text.rpartition(" ")[2]
    if _INNER_END.search(text) and count > 4:
        return True
    past = len(last) > 1 and last[-1] == "다" and last[-2] in _PAST
    if count >= 2 and (past or _KO_FINITE.fullmatch(last)):
        return True
    if count == 1:
        return last.endswith("습니다") or (past and len(last) > 2)
    return count >= 3 and _KO_FINITE_LONG.fullmatch(last) is not None


def ends_sentence_inside(text: str) -> bool:
    """Tell whether a sentence ends within the text and another begins."""
    return _INNER_END.search(text) is not None


def is_prose(text: str) -> bool:
    """Tell whether the text is sentences, whose commas separate clauses: Japanese, or several that begin with a clause."""
    if "。" in text:
        sentences = [sentence for sentence in re.split("[。！？]", text.strip()) if sentence.strip()]
        return all(len(sentence) > 10 and _is_japanese_clause(sentence) for sentence in sentences)
    sentences = _LATIN_STOP.split(text.strip())
    return len(sentences) > 1 and all(map(is_sentence, sentences)) and _is_latin_clause(sentences[0])


def is_sentence(text: str) -> bool:
    """Tell whether this is one sentence: seven Latin words or more, most in lower case, with a full stop at the end only."""
    if text[-1:].isalnum():
        return False
    bare = text.strip().strip("\"'”’")
    tokens = bare.split()
    if len(tokens) < 7 or has_hangul(bare) or not _SENTENCE_END.search(bare) or _STOP_INSIDE.search(bare):
        return False
    return 2 * sum(word[:1].islower() for word in tokens) > len(tokens)


def _is_japanese_clause(text: str) -> bool:
    bare = text.rstrip("。！？!?. ")
    if not any("ぁ" <= character <= "ヿ" for character in bare):
        return False
    return len(bare) > 40 or (len(bare) >= 8 and bool(_JA_FINITE.search(bare) and _JA_PARTICLE.search(bare)))


def _is_latin_clause(text: str) -> bool:
    """Tell whether a lower-case finite verb stands between other words, or a pronoun first; titles write verbs in capitals."""
    tokens = [word.strip(".!?'…") for word in _LATIN_WORD.findall(text.replace("’", "'"))]
    if len(tokens) < 3:
        return False
    first = tokens[0].casefold()
    verbs = words.EN_FINITE | words.FR_FINITE
    has_verb = any(word in verbs for word in tokens[1:])
    if (first in words.EN_SUBJECTS or first in words.FR_SUBJECTS) and (has_verb or _is_lower(tokens[1:], text)):
        return True
    if _INNER_END.search(text) and len(tokens) > 4 and any(word in verbs for word in tokens):
        return True
    if len(tokens) >= 6 and _PAST_EVENT.search(text):
        return True
    return len(tokens) >= 4 and (any(word in verbs for word in tokens[1:-1]) or _ends_sentence(text, tokens))


def _is_lower(tokens: list[str], text: str) -> bool:
    """Tell whether what follows a pronoun runs on in lower case: `Let me know if you ..`, not `You Only Live Twice`."""
    return all(word[:1].islower() for word in tokens[:2]) and (len(tokens) > 2 or bool(_SENTENCE_END.search(text)))


def _ends_sentence(text: str, tokens: list[str]) -> bool:
    """Tell whether a full stop stands behind five words or more of which most are in lower case."""
    lower = sum(word[:1].islower() for word in tokens)
    return len(tokens) >= 5 and lower >= len(tokens) - 2 and bool(_SENTENCE_END.search(text.rstrip("\"'”")))
