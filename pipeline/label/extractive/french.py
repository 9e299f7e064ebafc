"""Forms of regular French verbs, by rule: where a verb stands, a noun phrase ends."""

import re

# finite ones and infinitive, present singular, past participles
Forms = tuple[list[str], list[str], list[str]]

_FUTURE = ("ra", "ront", "rait", "raient", "rons", "rez", "rai")
_FEMININE_PLURAL = ("", "e", "s", "es")


def first_group(verb: str) -> Forms:
    """Return the forms of a verb in -er, with what its stem does before a mute e: appelle, achète, emploie, change."""
    stem = verb[:-2]
    before_a = stem[:-1] + {"c": "ç", "g": "ge"}.get(stem[-1], stem[-1])
    mute = _before_mute_e(stem) | {stem}
    finite = [verb, stem + "ez", stem + "èrent"]
    finite += [before_a + ending for ending in ("ait", "aient", "ais", "a", "ant", "ons")]
    finite += [form + ending for form in mute for ending in ("ent", *("e" + future for future in _FUTURE))]
    present = [form + ending for form in mute for ending in ("e", "es")]
    return finite, present, [stem + "é" + ending for ending in _FEMININE_PLURAL]


def _before_mute_e(stem: str) -> set[str]:
    if accented := re.fullmatch(r"(.*)[eé]([^aeiouyéè]{1,2})", stem):
        return {accented[1] + "è" + accented[2], stem + stem[-1]}
    return {stem[:-1] + "i"} if re.search(r"[oua]y$", stem) else set()


def second_group(verb: str) -> Forms:
    """Return the forms of a verb in -ir like finir."""
    stem = verb[:-1]
    endings = ("t", "ssent", "ssait", "ssaient", "ssant", *_FUTURE)
    return [verb, *(stem + ending for ending in endings)], [], [stem + ending for ending in _FEMININE_PLURAL]


def third_group(verb: str) -> Forms:
    """Return the forms of a verb in -re like attendre."""
    stem = verb[:-2]
    endings = ("", "ent", "ait", "aient", "it", "irent", "ant", *_FUTURE)
    return [verb, *(stem + ending for ending in endings)], [], [stem + "u" + ending for ending in _FEMININE_PLURAL]
