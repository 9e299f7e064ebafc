"""Forms of Korean verbs and adjectives by rule, so that their inflected forms bound a phrase (떨어진, 올려, 만든).

A stem meets an ending in three ways: as it is (-고, -지), with 으 between consonants (-면, -ㄴ), and with 아 or 어 (-서, -야),
which contracts with the stem's vowel.  Hangul syllables are computed: 가 + (initial * 21 + vowel) * 28 + final.
"""

from collections.abc import Iterable

_FIRST = 0xAC00
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_A, _EO = _VOWELS.index("ㅏ"), _VOWELS.index("ㅓ")
_N, _D, _L, _M, _B, _S, _H = 4, 7, 8, 16, 17, 19, 27  # numbers of final consonants
_RIEUL = 5  # number of the initial ㄹ
_BRIGHT = "ㅏㅑㅗ"  # vowels that take 아
_CONTRACTED = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ"}


def _endings(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


_AS_IT_IS = _endings(
    "고 지 게 기 던 도록 자 거나 지만 자마자 고서 고는 지는 지도 기도 기는 기에 기로 기를 기가 길 고자 더니 다 다가 다고 다는 다며",
    "는 는데 는지 니 니까",
)
_BETWEEN = _endings("면 며 면서 러 려 려고 려는 므로")
_AFTER_CONSONANT = _endings(
    "은 을 음 으면 으며 으면서 으려 으려고 으니 으니까 을수록 습니다 은데 을까 은지 을지 는다 는다고 는다는"
)
_CONNECTED = _endings(
    "서 야 도 라 준 줄 주는 본 볼 지는 진 질 져 지고 지면서 요 버린 온 갈 간 가는 오는 있는 둔 놓은 낸 내는 내 내고 가며 가고 오고",
    "오던",
)
_OF_IRREGULAR_B = _endings("운 울 움 우면 우며 워 워서 워진 워지 우니 우려 워도 워야")
_OF_IRREGULAR_D = _endings("은 을 으면 으며 음 으려 어 어서 아 아서")


def _syllable(initial: int, vowel: int, final: int) -> str:
    return chr(_FIRST + (initial * 21 + vowel) * 28 + final)


def _taken_apart(syllable: str) -> tuple[int, int, int]:
    number = ord(syllable) - _FIRST
    return number // 588, number // 28 % 21, number % 28


def forms(stem: str) -> set[str]:
    """Return the forms of two syllables or more of a verb or an adjective, with those of its irregular classes."""
    initial, vowel, final = _taken_apart(stem[-1])

    def ending_in(other: int) -> str:
        return stem[:-1] + _syllable(initial, vowel, other)

    inflected = _joined(stem, _AS_IT_IS)
    if final in (0, _L):
        open_stem, short = ending_in(0), ending_in(_N)
        inflected |= _joined(open_stem, ["는", "는데", "는지", "니", "니까"]) | _joined(stem, _BETWEEN)
        inflected |= _joined(short, ["", "다", "다고", "다는", "다며", "데", "지"])
        inflected |= _joined(ending_in(_L), ["", "지", "수록", "까"]) | {ending_in(_M), ending_in(_B) + "니다"}
    else:
        inflected |= _joined(stem, _AFTER_CONSONANT)
    for connected in _connected(stem):
        inflected |= _joined(connected, ("", *_CONNECTED))
    if final == _B:  # 돕다, 어렵다
        inflected |= _joined(ending_in(0), _OF_IRREGULAR_B)
    elif final == _D:  # 듣다
        inflected |= _joined(ending_in(_L), _OF_IRREGULAR_D)
    elif final == _S:  # 짓다
        inflected |= _joined(ending_in(0), _OF_IRREGULAR_D)
    elif final == _H:  # 그렇다
        inflected.add(ending_in(_N))
    return {form for form in inflected if len(form) > 1}


def _joined(stem: str, endings: Iterable[str]) -> set[str]:
    return {stem + ending for ending in endings}


def _connected(stem: str) -> list[str]:
    """Return a stem with 아 or 어: 가, 봐, 써, 몰라, 받아."""
    initial, vowel, final = _taken_apart(stem[-1])
    letter = _VOWELS[vowel]
    if final:
        return [stem + ("아" if letter in _BRIGHT else "어")]
    if stem.endswith("하"):
        return [stem[:-1] + "해", stem + "여"]
    if letter in "ㅏㅓ":
        return [stem]
    if letter in _CONTRACTED:
        return [
            stem[:-1] + _syllable(initial, _VOWELS.index(_CONTRACTED[letter]), 0),
            stem + ("아" if letter == "ㅗ" else "어"),
        ]
    if letter != "ㅡ":
        return [stem, stem + "어"] if letter in "ㅐㅔ" else [stem + "어"]
    is_bright = len(stem) > 1 and _VOWELS[_taken_apart(stem[-2])[1]] in _BRIGHT
    harmonic = _A if is_bright else _EO
    if stem.endswith("르") and len(stem) > 1:  # 모르다, 몰라
        before_initial, before_vowel, _ = _taken_apart(stem[-2])
        doubled = stem[:-2] + _syllable(before_initial, before_vowel, _L) + _syllable(_RIEUL, harmonic, 0)
        return [doubled, stem[:-1] + _syllable(_RIEUL, harmonic, 0)]
    return [stem[:-1] + _syllable(initial, harmonic, 0)]
