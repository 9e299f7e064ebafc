"""Scripts: which one most of a text is written in, and which a language is."""

from __future__ import annotations

import re
from collections import Counter

_SCRIPTS = {"ko": "hangul", "ja": "kana", "jp": "kana", "zh": "han", "ru": "cyrillic", "ar": "arabic"}
_SCRIPT = re.compile("(?P<hangul>[가-힣])|(?P<kana>[ぁ-ヿ])|(?P<han>[一-鿿])|(?P<cyrillic>[Ѐ-ӿ])|(?P<arabic>[\u0600-ۿ])"
                     "|(?P<latin>[A-Za-zÀ-ɏ])")  # fmt: skip
_SAMPLE = 200  # characters that decide the script


def main_script(text: str) -> str | None:
    """Return the script of most letters at the beginning of the text; kana anywhere make Han Japanese."""
    if (sample := text[:_SAMPLE]).isascii():
        return "latin" if any(map(str.isalpha, sample)) else None
    counts = Counter(match.lastgroup for match in _SCRIPT.finditer(sample))
    if counts["kana"]:
        counts["kana"] += counts.pop("han", 0)
    return max(counts, key=lambda script: counts[script]) if any(counts.values()) else None


def script_share(text: str, script: str) -> float:
    """Return the share of a text's letters that are in a script."""
    counts = Counter(match.lastgroup for match in _SCRIPT.finditer(text))
    return counts[script] / (counts.total() or 1)


def language_script(language: str | None) -> str | None:
    """Return the script that a language tag (ko, ko-KR, ja ..) stands for, where it is not Latin."""
    return _SCRIPTS.get((language or "").casefold()[:2])
