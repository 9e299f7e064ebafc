"""MinHash signatures: a text as 128 small numbers, of which two texts share about as many as their pieces overlap (Jaccard).

One-permutation MinHash with densification by rotation (Li, Owen, Zhang 2012; Shrivastava & Li 2014).  Pieces are runs of
12 bytes of the folded text without ASCII punctuation and spaces: two or three words of a Latin script, four syllables of
Hangul, so no script needs a word splitter, and another layout or punctuation changes little.  A rolling hash over bytes is four
passes of numpy; with sorted 64-bit hashes and `searchsorted` into the bins that makes 4,000 to 8,000 signatures a second a core,
so no MinHash library was needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.core.exchange import mixed

NUMBERS = 128
# Bytes a piece.  With 8 more changed words are forgiven (J 0.6 in place of 0.52 at 10% changed), but texts woven of a small
# vocabulary look alike; 12 keep unrelated real articles below 0.2.
WIDTH = 12
_Words = np.ndarray[Any, np.dtype[np.uint64]]
_DROPPED = bytes(code for code in range(128) if not chr(code).isalnum())
_BASE = 0x9E3779B97F4A7C15
_POWERS = {n: np.uint64(pow(_BASE, n, 2**64)) for n in (1, 2, 4)}
_BINS = np.arange(NUMBERS)
_BOUNDS = _BINS.astype(np.uint64) << np.uint64(64 - 7)


def signature(folded: str) -> bytes:
    """Return 128 numbers of 16 bits (256 bytes) of a folded text (`fold_case`)."""
    hashes = np.sort(mixed(_pieces(_letters(folded))))
    first = np.searchsorted(hashes, _BOUNDS)
    filled = np.flatnonzero(first < np.append(first[1:], len(hashes)))
    # an empty bin takes the next one's lowest hash
    lender = filled[np.searchsorted(filled, _BINS) % len(filled)]
    distance = (lender - _BINS) % NUMBERS
    lowest = (hashes[first[lender]] >> np.uint64(8)).astype(np.uint16)
    return (lowest + (distance * 0x3D4D).astype(np.uint16)).tobytes()


def _letters(folded: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    whole = folded.encode()
    kept = whole.translate(None, _DROPPED) or whole
    return np.frombuffer(kept.ljust(WIDTH, b"\0"), np.uint8)


def _pieces(letters: np.ndarray[Any, np.dtype[np.uint8]]) -> _Words:
    """Return a polynomial hash of every run of 12 bytes, made of those of 2, 4 and 8."""
    ones = letters.astype(np.uint64)
    twos = ones[:-1] * _POWERS[1] + ones[1:]
    fours = twos[:-2] * _POWERS[2] + twos[2:]
    eights = fours[:-4] * _POWERS[4] + fours[4:]
    return eights[:-4] * _POWERS[4] + fours[8:]
