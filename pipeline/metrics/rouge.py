"""ROUGE-1, 2 and L (Lin 2004) of label texts, through the package rouge-score with words that every language has.

The package's own tokens are a-z and 0-9 only: Korean text would have none.  Separators between phrases do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pipeline.core.errors import MissingExtra
from pipeline.core.text.folding import fold_form
from pipeline.core.text.stems import stem

KINDS = ("rouge1", "rouge2", "rougeL")
_TOKEN = re.compile("[ぁ-ヿ一-鿿]|[^\\W_ぁ-ヿ一-鿿]+")


class StemTokenizer:
    """A tokenizer for rouge-score: words stemmed, Korean ones without particles; Japanese and Chinese by the character."""

    def __init__(self, language: str | None) -> None:
        self._language = language

    def tokenize(self, text: str) -> list[str]:
        words = _TOKEN.findall(fold_form(text).lower())
        return [stem(word, "ko" if "가" <= word[-1] <= "힣" else self._language) for word in words]


def scorer(language: str | None) -> Callable[[Sequence[str], Sequence[str]], dict[str, float]]:
    """Return a function from (predicted, gold) phrases to the F-measure of each kind.  Raises MissingExtra."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtra("ROUGE", "metrics") from error
    rouge = RougeScorer(list(KINDS), tokenizer=StemTokenizer(language))

    def measure(predicted: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
        scores = rouge.score(" ".join(gold), " ".join(predicted))
        return {kind: float(scores[kind].fmeasure) for kind in KINDS}

    return measure
