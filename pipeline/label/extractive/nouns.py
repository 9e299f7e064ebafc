"""What other articles show of a Korean word or of a language without a stop word list."""

import re
from collections.abc import Callable

from pipeline.label.extractive.profiles import CONTENT, STOP
from pipeline.label.extractive.statistics import LanguageStatistics
from pipeline.label.extractive.words import Words

_PARTICLES = re.compile(r"[가-힣]*")
_AMBIGUOUS = ("은", "는", "들")  # verbs and adjectives end in the first two as well
_SHORT, _SHARE = 3, 0.01  # characters; share of an article's words


def settle_korean(words: Words, forms: Callable[[str], int]) -> frozenset[str]:
    """Correct, in place, particles that are part of a noun; return the stems that never behaved as nouns.

    A noun is seen with several particles: 만족도가, 만족도를 tell that 만족도 is one, although 도 is a particle too.
    `forms` says with how many particles the fitted articles showed a word.
    """
    attested: set[str] = set()
    seen: set[str] = set()
    for place, key in enumerate(words.keys):
        if words.kinds[place] != CONTENT:
            continue
        end = words.ends[place]
        whole = _PARTICLES.match(words.text, end)
        carried = whole[0] if whole else ""
        if len(carried) == 1:
            eojeol = words.text[words.starts[place] : end + 1]
            if forms(eojeol) > forms(eojeol[:-1]):
                key = words.keys[place] = eojeol.casefold()
                words.ends[place] = end + 1
                if place + 1 < len(words.joined):
                    words.joined[place + 1] = words.text[end + 1 : words.starts[place + 1]] == " "
        seen.add(key)
        if (carried and carried not in _AMBIGUOUS) or forms(key) > 1 or not "가" <= key[-1] <= "힣":
            attested.add(key)
    return frozenset(seen - attested)


def bound_common(words: Words, counted: LanguageStatistics) -> None:
    """Make, in place, stop words of the stems that most articles of the language hold or this one repeats.

    For languages without a list: function words are frequent and short.
    """
    often = max(2, _SHARE * len(words.keys))
    counts: dict[str, int] = {}
    for key in words.keys:
        counts[key] = counts.get(key, 0) + 1
    common = {key for key, count in counts.items() if (len(key) <= _SHORT and count >= often) or counted.is_common(key)}
    for place, key in enumerate(words.keys):
        if key in common:
            words.kinds[place] = STOP
