"""Numbers of rows by columns are those of each row by itself, whatever its characters."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.text.folding import fold_case
from pipeline.versions import spans
from pipeline.versions.row_numbers import _folded

_LETTERS = [*"abcdefg ABC.,-", "한", "글", "é", "e\u0301", "é", "漢", "😀", "ﬁ", "Ａ", "ー", "\u00a0"]


def _text(draw: random.Random, most: int) -> str:
    letters = _LETTERS if draw.random() < 0.6 else _LETTERS[:10]
    return "".join(draw.choice(letters) for _ in range(draw.randrange(most)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cut", [0, 3])
def test_spans_are_compared_as_slices_of_each_text(seed: int, cut: int) -> None:
    draw = random.Random(seed)
    texts: list[Any] = [_text(draw, 60) if draw.random() < 0.95 else None for _ in range(300)]
    places = []
    for row, text in enumerate(texts):
        for _ in range(draw.randrange(4) if row % 70 else 0):
            start = draw.randrange(-1, len(text or "") + 2)
            stop = start + draw.randrange(-1, 6)
            piece = (text or "")[max(0, start) : max(0, stop)]
            places.append((row, draw.choice([piece, piece, piece[:-1] + "x", _text(draw, 5)]), start, stop))
    rows, phrases, starts, stops = (list(values) for values in zip(*places, strict=True))
    column, labels = pa.array(["x"] * cut + texts)[cut:], pa.array(["yé"] * cut + phrases)[cut:]
    lengths = np.array([len(text or "") for text in texts])
    flags = spans.verbatim(column, lengths, labels, *map(np.array, (rows, starts, stops)))
    expected = [
        0 <= start <= stop <= len(texts[row] or "") and (texts[row] or "")[start:stop] == phrase
        for row, phrase, start, stop in places
    ]
    assert flags.tolist() == expected and 50 < sum(expected) < len(expected) - 50


def test_no_texts_and_no_spans() -> None:
    none = np.array([], np.int64)
    assert not len(spans.verbatim(pa.array([], pa.string()), none, pa.array([], pa.string()), none, none, none))
    assert not len(spans.verbatim(pa.array(["a"]), np.array([1]), pa.array([], pa.string()), none, none, none))


def test_phrases_are_folded_as_one_by_one() -> None:
    """Every character of the first plane, alone, between others, doubled, and behind one that it may become one with."""
    letters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    phrases = [form for c in letters for form in (c, f"A{c}b", f"{c} {c}", f"가{c}", f"か{c}")]
    phrases += ["", " a", "a  b", "a\tb", "b ", unicodedata.normalize("NFD", "한국어"), "İI", "ǅ", "𝐀"]
    folded = _folded(pa.array(phrases)).to_pylist()
    assert [phrase for phrase, one in zip(phrases, folded, strict=True) if one != fold_case(phrase)] == []
