"""Raw model replies into key phrases.

The steps, each a module: take the answer out of its envelope, find the container and split it into candidates, settle
each candidate with the article's help (trim, drop glosses and scores), reject what is no phrase, place the rest in the
article, drop duplicates, cap.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pipeline.clean.cleaner import labels, verdict
from pipeline.clean.cleaner.closing import is_cut
from pipeline.clean.cleaner.container import Candidates, find_candidates
from pipeline.clean.cleaner.envelope import ANSWER_CHARS, has_envelope, open_envelope
from pipeline.clean.cleaner.normal import fold_loose, has_hangul
from pipeline.clean.cleaner.presence import Article, Korean
from pipeline.clean.cleaner.reject import is_phrase, is_sentence
from pipeline.clean.cleaner.settle import settle
from pipeline.clean.cleaner.short import clean_short
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.cleaner.verdict import Status
from pipeline.core.finish import UNKNOWN, finish_of, withheld
from pipeline.core.text.korean import strip_particles

__all__ = ["CleanLabel", "Status", "clean_reply", "clean_short", "locate"]

MAX_CANDIDATES = 400  # in one reply; with more than that it is no list of key phrases
_COMPLETE_ENDS = ";；,，、|\n.。!?\"'”’」』)]}"


@dataclass(frozen=True)
class CleanLabel:
    """What one reply came to.

    `tiers` runs along `phrases` (`exact`, `spacing`, `morphological`, `absent`) and is empty without an article. `status`
    is `ok` exactly where there are phrases; `repairs` names the rules that acted, in the order of the steps.
    """

    phrases: list[str]
    tiers: list[str]
    status: Status
    repairs: list[str]


def clean_reply(
    raw: str,
    article: str | None = None,
    *,
    max_phrases: int = 7,
    absent: Literal["flag", "drop"] = "flag",
    language: str | None = None,
    finish_reason: str | None = None,
    korean: Korean = "rules",
) -> CleanLabel:
    """The key phrases of one raw reply. Never raises on a string; time linear in its length.

    `article` settles what is ambiguous and gives the tiers; `absent="drop"` removes phrases that it does not have;
    `language` (ISO 639-1) chooses the stemmer and tells the script where there is no article. Where `finish_reason` says that
    the reply was cut (`finish.is_cut`) the last phrase goes, unless a separator ends it: phrases before it are whole, so the
    status stays `ok` (repair `truncated_tail`); it is `truncated` where none is left. A reply that was blocked or broken off
    has no phrases. A reply whose phrases are all dropped as absent is `empty`.  `korean` says by what inflected Korean words
    are told: `kiwi` needs the extra `korean`.
    """
    repairs: list[str] = [UNKNOWN] if finish_of(finish_reason) == "unknown" else []
    if kept_back := withheld(finish_reason):
        return CleanLabel([], [], kept_back, repairs)
    source = Article(article, language, korean) if article and article.strip() else None
    envelope = open_envelope(raw, article, repairs)
    answer = envelope.answer
    if not any(map(str.isalnum, answer)):
        return CleanLabel([], [], "truncated" if envelope.unfinished else "empty", repairs)
    opening = verdict.judge_opening(answer, source)
    if opening:
        return CleanLabel([], [], opening, repairs)

    candidates = find_candidates(answer, source)
    repairs += candidates.found
    cut = is_cut(finish_reason, raw) or len(answer) == ANSWER_CHARS
    truncated = _drop_tail(candidates, answer, cut)
    if truncated:
        repairs.append("truncated_tail")
    settled = islice(_settle_all(candidates.items, source, repairs), MAX_CANDIDATES)
    placed = _place(settled, source, absent, max(max_phrases, 0), repairs)
    phrases, tiers = [phrase for phrase, _ in placed], [tier for _, tier in placed if tier]
    if phrases and verdict.is_other_language(phrases, tiers, source, language):
        return CleanLabel([], [], "language_mismatch", repairs)
    status = "ok" if phrases else _status_without_phrases(candidates, truncated, repairs)
    return CleanLabel(phrases, tiers, status, repairs)


def locate(phrases: Iterable[str], article: str) -> list[tuple[int, int] | None]:
    """Where each phrase stands first in the article: offsets in code points of the article as given, the end not included;
    None for a phrase that it has only in another inflection, or not at all."""
    source = Article(article, None)
    spans = [source.span(phrase) for phrase in phrases]
    if source.text == article:
        return spans
    return [span and (_given(article, span[0]), _given(article, span[1])) for span in spans]


def _given(article: str, at: int) -> int:
    """The place in the article as given of a place in its NFC form."""
    return (
        bisect_right(range(len(article) + 1), at, key=lambda end: len(unicodedata.normalize("NFC", article[:end]))) - 1
    )


def _drop_tail(candidates: Candidates, answer: str, cut: bool) -> bool:
    """Drops the last candidate where the reply stopped inside it. A literal has dropped its own already."""
    if candidates.cut or not cut or not candidates.items or "literal" in candidates.found:
        return candidates.cut
    if ";" not in answer and labels.opens_preamble(labels.strip_interjection(answer)) and not candidates.found:
        candidates.items.clear()  # it only got as far as announcing the list
        return True
    last = candidates.items[-1].strip()
    if answer[-1] in _COMPLETE_ENDS or not answer.endswith(last):
        return False
    candidates.items.pop()
    return True


def _settle_all(candidates: list[str], article: Article | None, repairs: list[str]) -> Iterator[str]:
    """The phrases of all candidates, without those that are none. A repeated candidate is settled once."""
    for candidate in islice(dict.fromkeys(map(str.strip, candidates)), MAX_CANDIDATES):
        if is_sentence(candidate) and "," not in candidate and ";" not in candidate and ":" not in candidate:
            _note("not_a_phrase", repairs)
            continue
        for phrase in settle(candidate, article):
            if phrase != candidate:
                _note("trimmed", repairs)
            if verdict.says_nothing(phrase):
                _note("none_word", repairs)
            elif verdict.ends_open_list(phrase) or has_envelope(phrase):
                _note("not_a_phrase", repairs)
            elif is_phrase(phrase) or (article and article.quotes(phrase)):
                yield phrase
            else:
                _note("not_a_phrase", repairs)


def _place(
    phrases: Iterator[str], article: Article | None, absent: str, limit: int, repairs: list[str]
) -> list[tuple[str, str]]:
    """Phrases with their tiers (empty without an article): no duplicates, no more than the limit."""
    placed: dict[str, tuple[str, str]] = {}
    for phrase in phrases:
        tier, surface = article.place(phrase) if article else ("", phrase)
        if surface != phrase and trim(surface) == surface:
            phrase = surface
            _note("surface", repairs)
        if tier == "absent" and absent == "drop":
            _note("absent", repairs)
        elif (key := _key(phrase)) in placed:
            _note("duplicate", repairs)
            if (
                has_hangul(phrase)
                and len(phrase) < len(placed[key][0])
                and not phrase.count(" ") < placed[key][0].count(" ")
            ):
                placed[key] = phrase, tier  # without the particle
        elif len(placed) == limit:
            _note("cap", repairs)
            break
        else:
            placed[key] = phrase, tier
    return list(placed.values())


def _key(phrase: str) -> str:
    """Equal for phrases that differ only in case, width, spacing or, in Korean, the particle behind them."""
    head, space, last = phrase.rpartition(" ")
    return fold_loose(head + space + strip_particles(last) if has_hangul(last) else phrase)


def _status_without_phrases(candidates: Candidates, truncated: bool, repairs: list[str]) -> Status:
    if truncated:
        return "truncated"
    if "none_word" in repairs or ("literal" in candidates.found and not candidates.items):
        return "no_answer"
    return "empty" if "absent" in repairs else "unparseable"


def _note(repair: str, repairs: list[str]) -> None:
    if repair not in repairs:
        repairs.append(repair)
