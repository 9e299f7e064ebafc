"""The form (NFKC, white space folded) of each text of a column, by which texts are compared that differ in width or composition.

NFKC of a whole article takes longer than all else that a key of it needs.  So a text is looked at in UTF-8, many texts at once, for
characters that NFKC may change, and only the words that hold one are brought to it.  No form reaches across a space: nothing
composes with one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.core.text.columns import Column, utf8_of
from pipeline.core.text.folding import fold_space

_ASCII = bytes(range(128))
# Characters of running text that NFKC leaves alone whatever stands beside them; tests hold them to that.
_STABLE = "!-~ £§©«®°±·»À-ıΑ-ΡΣ-Ωα-ωА-яё–—‘’“”•※→∼■-◿★☆、。〈-】ぁ-ゖァ-ヺー一-鿿가-힣"
_NONE, _ALL, _SOME = 0, 1, 2  # of the characters that begin with two bytes are stable
_LOOKED_AT = 8  # characters of a text, to see by one of them that it is not in form


def forms_utf8(texts: Column) -> Iterator[bytes]:
    """Yield the form of each text in UTF-8; one that is in NFKC stays as it is, white space, too."""
    for data, starts in utf8_of(texts):
        unstable = _unstable(np.frombuffer(data, np.uint8))
        firsts, starts = np.searchsorted(unstable, starts).tolist(), starts.tolist()
        for row, start in enumerate(starts[:-1]):
            text = data[start : starts[row + 1]]
            if firsts[row] < firsts[row + 1]:
                text = _formed(text, (unstable[firsts[row] : firsts[row + 1]] - start).tolist())
            yield text


def _unstable(data: Any) -> Any:
    """Return where characters begin that are not stable, in bytes of UTF-8."""
    stable, by_two_bytes = _tables()
    # A third of running Korean and nearly all Chinese begins with these bytes, whose characters are all stable.
    maybe = (data >= 0xC2) & (data - np.uint8(0xE5) > 4) & (data - np.uint8(0xEB) > 1)
    at = np.flatnonzero(maybe | (data < 0x20) | (data == 0x7F))
    if not len(at):
        return at
    first, second = data[at], data[np.minimum(at + 1, len(data) - 1)]
    kind = by_two_bytes[(first.astype(np.uint16) << 8) | second]
    is_unstable = kind == _NONE
    some = np.flatnonzero(kind == _SOME)  # three bytes have they all
    third = data[at[some] + 2] & 0x3F
    code = ((first[some] & 0xF).astype(np.uint16) << 12) | ((second[some] & 0x3F).astype(np.uint16) << 6) | third
    is_unstable[some] = ~stable[code]
    return at[is_unstable]


@lru_cache(maxsize=1)
def _tables() -> tuple[Any, Any]:
    """Return which characters of the first 65,536 are stable, and by the first two bytes how many of those that begin so are."""
    stable, kinds = np.zeros(0x10000, bool), np.full(0x10000, _NONE, np.int8)
    for match in re.finditer("(.)-(.)|.", _STABLE):
        stable[ord(match[1] or match[0]) : ord(match[2] or match[0]) + 1] = True
    codes, blocks = np.arange(0x80, 0x800), np.arange(0x800 >> 6, 0x10000 >> 6)
    kinds[((0xC0 | codes >> 6) << 8) | 0x80 | (codes & 0x3F)] = np.where(stable[codes], _ALL, _NONE)
    of_block = stable.reshape(-1, 64)[blocks]
    kinds[((0xE0 | blocks >> 6) << 8) | 0x80 | (blocks & 0x3F)] = np.where(
        of_block.all(1), _ALL, np.where(of_block.any(1), _SOME, _NONE)
    )
    return stable, kinds


def _formed(text: bytes, unstable: Sequence[int]) -> bytes:
    """Return the form of a text that has characters at these places that may change."""
    for at in unstable[:_LOOKED_AT]:
        if not unicodedata.is_normalized("NFKC", text[at : at + 4].decode(errors="ignore")[0]):
            return _words_in_form(text, unstable)
    beyond = text.translate(None, _ASCII).decode()  # what is in form without the ASCII is in form with it, if for sure
    is_in_form = unicodedata.is_normalized("NFKC", beyond)  # sooner than `normalize` to see that it is not
    if is_in_form and unicodedata.normalize("NFKC", beyond) is beyond:
        return text
    return _words_in_form(text, unstable)


def _words_in_form(text: bytes, unstable: Sequence[int]) -> bytes:
    """Return a text with the words that hold these characters in NFKC, and with white space folded where it must be."""
    parts, end = list[bytes](), 0
    is_folded = b"  " not in text and text[:1] != b" " != text[-1:]
    for at in unstable:
        if at >= end:
            begin, after = text.rfind(b" ", end, at) + 1 or end, text.find(b" ", at)
            after = len(text) if after < 0 else after
            word = unicodedata.normalize("NFKC", text[begin:after].decode())
            is_folded = is_folded and word.split() == [word]
            parts += (text[end:begin], word.encode())
            end = after
    form = b"".join(parts) + text[end:]
    return form if is_folded else fold_space(form.decode()).encode()
