"""Scripts: which one most of a text is written in, and which a language is."""

from __future__ import annotations

import re

_SCRIPTS = {"ko": "hangul", "ja": "kana", "jp": "kana", "zh": "han", "ru": "cyrillic", "ar": "arabic"}
_LETTERS = {
    "hangul": re.compile("[가-힣]"), "kana": re.compile("[ぁ-ヿ]"), "han": re.compile("[一-鿿]"),
    "cyrillic": re.compile("[Ѐ-ӿ]"), "arabic": re.compile("[\u0600-ۿ]"), "latin": re.compile("[A-Za-zÀ-ɏ]"),
}  # fmt: skip
_SAMPLE = 200  # characters that decide the script


def main_script(text: str) -> str | None:
    """Return the script of most letters at the beginning of the text; kana anywhere make Han Japanese."""
    if (sample := text[:_SAMPLE]).isascii():
        return "latin" if any(map(str.isalpha, sample)) else None
    letters = _letters(sample)
    if "kana" in letters:
        letters["kana"] += letters.pop("han", [])
    # of two with as many the one that comes first
    return max(letters, key=lambda script: (len(letters[script]), -sample.index(letters[script][0])), default=None)


def script_share(text: str, script: str) -> float:
    """Return the share of a text's letters that are in a script."""
    letters = _letters(text)
    return len(letters.get(script, ())) / (sum(map(len, letters.values())) or 1)


def _letters(text: str) -> dict[str, list[str]]:
    """Return the letters of each script that the text has: six searches in C take a tenth of the time of one match a letter."""
    return {script: letters for script, letter in _LETTERS.items() if (letters := letter.findall(text))}


def language_script(language: str | None) -> str | None:
    """Return the script that a language tag (ko, ko-KR, ja ..) stands for, where it is not Latin."""
    return _SCRIPTS.get((language or "").casefold()[:2])
