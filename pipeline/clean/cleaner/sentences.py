"""Sentences around an answer, which announce it, conclude it or take it back: what of them is the answer."""

from __future__ import annotations

import re
from itertools import islice

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.labels import ITEM, SEGMENT_CHARS, WORD, bare, is_head, is_label_word, opens_preamble

_CJK_ABOUT = re.compile(words.CJK_ABOUT)
_KO_HEAD, _JA_HEAD = "|".join(words.KO_STRONG_HEADS), "|".join(words.JA_HEADS)
_CJK_CONCLUSION = re.compile(
    r"(?:이|가|은|는) (?:기사의 )?(?:핵심|중심)(?: 내용)?(?:입니다|이다|임)[.]?$"
    r"|(?:(?<=[\w)]) 등(?:이|을|은|의|과|도)?|(?:이|가|은|는)(?! 등)) "
    rf"[^.;,]{{0,12}}(?:{_KO_HEAD})(?:로|으로)?[^.;,]{{0,12}}[.]?$"
    rf"|(?:など|等)?(?:が|は|是|为|為)[^。；;、，]{{0,8}}(?:{_JA_HEAD})[^。；;、，]{{0,6}}[。.]?$"
)
_QUESTION = re.compile(r"\A\s*[^\n]{0,300}[?？][ \t]*\n+\s*[^\W\d]\w{0,11}[ \t]*[.:：]\s*(?=\S)")
_JA_TOPIC = re.compile(rf"[^、。;；\s]{{0,20}}(?:{'|'.join(words.JA_HEADS)})(?:は|是|为|為|有|包括|包含)[、,]?(?=\S)")
_CORRECTS = re.compile(rf"(?<![^\W\d_ぁ-ヿ一-龥])(?:{'|'.join(map(re.escape, words.CORRECTIONS))})")
_FIRST_SENTENCE = re.compile(r"[^.!。;\n]{1,40}[.!。]\s*(?=\S)")


def strip_about(line: str) -> str:
    """Return what a sentence says the text to be about: `The article deals with A.`, `이 기사는 A에 관한 내용입니다.` -> A."""
    if match := _CJK_ABOUT.fullmatch(line.strip()):
        return str(next(filter(None, match.groups())))
    nouns = 0
    for match in islice(WORD.finditer(line), 12):
        word = match[0].casefold().strip("*_\"'.").replace("’", "'").rpartition("'")[2]
        nouns += word in words.TEXT_NOUNS
        if nouns and word in words.ABOUT:
            rest = line[match.end() :].strip()
            return rest.rstrip(".") if rest.strip(" .:,") else line
        if not (
            (nouns and (word in words.ABOUT_VERBS or word.endswith("ly")))
            or is_label_word(word)
            or word in words.TEXT_NOUNS
        ):
            break
    return line


def after_question(text: str) -> str:
    """Return the answer to a question that the model puts to itself: `Q: Which?`, `A: A; B` on the next line -> `A; B`."""
    return _QUESTION.sub("", text, count=1)


def announces(text: str) -> bool:
    """Tell whether the text only leads to what is not there: `Here is the list:`, `Sure!`."""
    bare = strip_interjection(text + " .").strip(" .!\n")
    return (
        not bare or text.rstrip()[-1:] in (":", "：") or (opens_preamble(bare) and ";" not in bare and "\n" not in bare)
    )


def after_correction(text: str) -> str:
    """Return what stands behind a remark that takes back the list before it (`Wait, .. Here is the corrected list:`)."""
    if "\n" not in text or not corrects(text):
        return text
    position = 0
    for line in text.split("\n"):
        behind = position + len(line) + 1
        remark = len(line) > 12 and not ITEM.match(line) and corrects(line)
        if remark and _is_several(text[:position]) and _is_several(text[behind:]):
            return text[behind:]
        position = behind
    return text


def corrects(text: str) -> bool:
    """Tell whether a word of the text takes back what was said; 수정 does, 무인잠수정 does not."""
    return _CORRECTS.search(text.casefold()) is not None


def _is_several(text: str) -> bool:
    return len([part for part in re.split("[\n;；]", text) if any(map(str.isalnum, part))]) > 1


def strip_interjection(text: str) -> str:
    """Remove a first sentence that only agrees: `Sure thing! A; B` -> `A; B`."""
    match = _FIRST_SENTENCE.match(text)
    return text[match.end() :] if match and text.casefold().startswith(words.INTERJECTIONS) else text


def strip_announcement(line: str, is_elsewhere: bool = False) -> str:
    """Remove an announcement: `The key phrases are A, B and C` -> `A, B and C`; other lines stay as they are.

    `is_elsewhere`: the line begins with words that the article does not have, so a weak head (terms, results) announces, too.
    """
    spans = [
        (match.start(), match.end(), match[0].casefold().strip("*_\"'"))
        for match in WORD.finditer(line[:SEGMENT_CHARS])
    ]
    japanese = _JA_TOPIC.match(line)
    if japanese:
        return line[japanese.end() :]
    heads = 0
    for start, end, word in spans[:20]:
        if not word or (not is_label_word(word) and word not in words.COPULAS):
            break
        heads += is_head(word, strong=not (is_elsewhere or opens_preamble(line)))
        topic = word.endswith(("은", "는")) and is_head(word, strong=True) and start < 40
        if heads and (word in words.COPULAS or topic) and line[end:].strip(" .:,"):
            return line[end:].strip()
    return line


def strip_conclusion(line: str) -> str:
    """Remove the end of a sentence that says what the list before is: `A, B and C are the key phrases.` -> `A, B and C`."""
    if match := _CJK_CONCLUSION.search(line):
        return line[: match.start()]
    spans = [
        (match.start(), bare(match[0]).rstrip(".")) for match in WORD.finditer(line, max(0, len(line) - SEGMENT_CHARS))
    ]
    heads = 0
    for start, word in reversed(spans):
        if heads and word in words.COPULAS:
            return line[:start].rstrip(" ,")
        if word and not is_label_word(word):
            break
        heads += is_head(word, strong=True) if word else 0
    return line
