"""Statuses of an answer without phrases: it refuses, asks for the article, says there are none, is in another language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pipeline.clean.cleaner import labels, markers
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import is_clause
from pipeline.core.text.folding import fold_space
from pipeline.core.text.language import detector
from pipeline.core.text.lenient_json import Collection, find_literal
from pipeline.core.text.scripts import language_script, main_script

Status = Literal[
    "ok", "empty", "refusal", "content_filter", "no_answer", "truncated", "reasoning_exhausted", "language_mismatch", "unparseable",
    "none_in_article", "doubtful", "prompt_echo",
]  # fmt: skip
_MANY_MORE = re.compile(words.MANY_MORE)
_PARTS = re.compile(r"[;；\n]|[:：.] ")
_STILL_TO_DO = re.compile(words.STILL_TO_DO)
_HEAD_CHARS = 600
_REASON = re.compile(r"\s[-–—]\s|\s?[(（]")
_NO_DATA = {"error", "message", "code", "detail", "type"}  # keys of an object that tells of an error
_ENOUGH = 3  # phrases of which none is in the article: enough text for the detection of their language


def status_of_opening(answer: str, article: ArticleIndex | None) -> Literal["refusal", "no_answer"] | None:
    """Return the status of an answer that begins by declining or asking; None where a list follows or the article has it."""
    if answer[:1] in "[{":
        return _status_of_literal(answer)
    head = _head(answer)
    refuses = (head.startswith(words.REFUSALS) and not _is_bare_list(answer)) or _refuses_within(answer)
    regret = next(filter(head.startswith, words.REFUSALS), "") if head.startswith(words.REFUSALS) else ""
    asks = _asks_for_article(head.removeprefix(regret))
    if not refuses and (
        is_no_answer(answer.strip()[:_HEAD_CHARS], article) or _denies_phrases(head.strip(" .!\"'()[]<>-*:。"))
    ):
        return "no_answer"
    if not (refuses or asks) or _holds_list(answer, article):
        return None
    if article is not None and article.has_exactly(answer.partition(";")[0].strip()):
        return None
    return "no_answer" if asks else "refusal"


def _head(text: str) -> str:
    return fold_space(text[:_HEAD_CHARS]).casefold().replace("’", "'").strip(" \"'*`[(")


def _refuses_within(answer: str) -> bool:
    """Tell whether one sentence or two, and no list, refuse: `As it is violent I can't help with this article.`"""
    head = _head(answer)
    is_short = len(head) <= 200 and ";" not in head and "\n" not in answer.strip()
    return is_short and any(word in head for word in words.REFUSALS_WITHIN)


def _is_bare_list(answer: str) -> bool:
    """Tell whether short parts, none a sentence, follow: `Sorry, Justin Bieber, Purpose`. A title may begin like an apology."""
    parts = [part.strip() for part in re.split(r"[;；\n]", answer) if part.strip()]
    if len(parts) < 2:
        parts = [part.strip() for part in re.split("[,，、]", answer) if part.strip()]
    plain = all(len(part.split()) <= 6 and part[-1] not in ".!?。" and not is_clause(part) for part in parts)
    return len(parts) > 1 and plain


def _status_of_literal(answer: str) -> Literal["refusal", "no_answer"] | None:
    """Return the status of an object that declines and says nothing else; a list is data, whose strings count one by one."""
    literal = find_literal(answer)
    if literal is None or not literal.value.keys:
        return None
    if {key.casefold() for key, _ in literal.value.pairs()} <= _NO_DATA:
        refused = any(word in _head(answer) for word in (*words.REFUSALS, *words.REFUSALS_WITHIN))
        return "refusal" if refused else "no_answer"
    if any(isinstance(item, Collection) for item in literal.value.items):
        return None
    sentences = [_head(text) for text in literal.value.items if isinstance(text, str) and len(text.split()) > 2]
    return "refusal" if sentences and all(text.startswith(words.REFUSALS) for text in sentences) else None


def is_no_answer(text: str, article: ArticleIndex | None = None) -> bool:
    """Tell whether an answer or one of its phrases is a word for nothing: `None`, `해당 없음`, `There are no key phrases`; not a
    name that the article has (`Untitled`)."""
    bare = text.casefold().strip(" .!\"'()[]<>-*:。")
    says_nothing = (
        _REASON.split(bare)[0] in words.NO_ANSWERS or _STILL_TO_DO.fullmatch(bare) or _denies_label(bare.split())
    )
    says_nothing = says_nothing or (bare.startswith(words.NO_ANSWER_BEGINNINGS) and len(bare) < 200 and ";" not in bare)
    # with a capital, for any article may say nothing, unknown, 없음
    may_be_name = article is not None and text.isalpha() and any(map(str.isupper, text))
    return bool(says_nothing) and not (may_be_name and article and (article.has_name(text) or article.quotes(text)))


def _denies_label(tokens: list[str]) -> bool:
    """Tell whether a word that denies stands with one for what was asked and nothing else: `No label returned`, `분석 불가`."""
    if not 1 < len(tokens) < 7 or not any(token in words.NONE_WORDS for token in tokens):
        return False
    others = [token for token in tokens if token not in words.NONE_WORDS]
    asked = [token in words.ASKED_NOUNS or labels.is_head(token, strong=False) for token in others]
    return any(asked) and all(is_asked or token in words.FILLERS for is_asked, token in zip(asked, others, strict=True))


def is_placeholder(text: str) -> bool:
    """Tell whether a text only names what should stand in its place: `phrase1`, `<topic label>`, `your answer here`."""
    tokens = (token.strip("0123456789_.,<>[]{}()\"'#") for token in re.split(r"[-_\s]+", text.casefold()))
    named = [token for token in tokens if token]
    asked = words.ASKED_NOUNS | words.LABEL_NOUNS
    nouns = [token for token in named if token in asked or labels.is_head(token, strong=False)]
    return bool(nouns) and all(t in nouns or t in words.PLACEHOLDERS or labels.is_label_word(t) for t in named)


def _denies_phrases(sentence: str) -> bool:
    """Tell whether a short sentence with a word for key phrases ends by saying that there are none."""
    within = any(word in sentence for word in words.DENIALS_WITHIN)
    if len(sentence) > 100 or ";" in sentence or not (within or sentence.endswith(words.DENIALS)):
        return False
    if any(
        head in sentence for head in (*words.JA_HEADS, "語句", "key phrase", "expression clé", "mot clé", "mots clés")
    ):
        return True
    return any(labels.is_head(word, strong=True) for word in sentence.split())


def ends_open_list(phrase: str) -> bool:
    """Tell whether a phrase only says that there are more: `etc.`, `등`, `など`."""
    folded = phrase.casefold()
    return folded in words.ET_CETERA or _MANY_MORE.fullmatch(folded) is not None


def _asks_for_article(head: str) -> bool:
    if head.count(";") > 1:
        return False
    return any(
        any(verb in head for verb in verbs)
        and any(noun in head for noun in nouns)
        and any(end in head for end in ".!?。 ")
        for verbs, nouns in words.REQUESTS
    ) and (len(head.split()) > 3 or not head.isascii())


def _holds_list(answer: str, article: ArticleIndex | None) -> bool:
    """Tell whether phrases follow the apology: the article's own, under a label, in marked lines, or in a literal."""
    if article is not None and sum(article.has(part.strip(" .")) for part in _PARTS.split(answer)) > 1:
        return True
    if any(block.kind == "answer" and any(map(str.isalnum, block.text)) for block in labels.split_blocks(answer)[1:]):
        return True
    lines = answer.split("\n")
    if sum(map(markers.has_bullet, lines)) > 1 or find_literal(answer) is not None:
        return True
    return markers.split_numbered(answer) is not None or any(line.count(";") > 1 for line in lines[1:])


def is_other_language(
    phrases: Sequence[str], tiers: Sequence[str], article: ArticleIndex | None, language: str | None
) -> bool:
    """Tell whether all phrases are in another script or language than the article, and the article has none of them.

    Without an article the script is that of the language. Capitals alone (AI, LG) are names in any language.
    """
    if any(tier != "absent" for tier in tiers):
        return False
    if language and len(tiers) >= _ENOUGH and (detected := detector("cld2")("; ".join(phrases))):
        return detected != language.casefold()[:2]
    script = (article.script if article else None) or language_script(language)
    if script is None:
        return False
    scripts = set(filter(None, map(main_script, phrases)))
    if not scripts or script in scripts or {script, *scripts} <= {"kana", "han"}:
        return False
    return any(any(map(str.islower, phrase)) or not phrase.isascii() for phrase in phrases)
