"""An article as headline and body, without what is no part of its story: by-lines, datelines, addresses, copyright lines.

What is taken out is blanked with as many line breaks, so that no phrase reaches across it.
"""

import re
import unicodedata
from functools import lru_cache

_READ = 100_000  # characters of an article that are read; key phrases stand early, and time stays bounded
_HEADLINE = 260  # characters within which a headline ends
_SAME = 20  # characters that must come again before more of a headline is compared
_SHORTEST_HEADLINE, _SHORTEST_BODY = 15, 200
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s가-힣]+|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]+|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/\S*",
    re.ASCII | re.IGNORECASE,
)
_ENTITY = re.compile(r"&#?\w{2,8};")  # what is left of HTML
_MONTHS = {
    "de": "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember",
    "en": "January|February|March|April|May|June|July|August|September|October|November|December|[A-Z][a-z]{2,3}\\.",
    "es": "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre",
    "fr": "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre",
    "it": "gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre",
    "nl": "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december",
    "pt": "janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro",
}
_UPPER = r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ.'’-]+(?:[ -][A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ.'’]+){0,4}"
_REGION = r"(?:, ?[A-Z][\w.]*){0,2}"
_PERSON = r"(?:[A-Z]\.?[\w.]* ){1,2}[A-Z][\w-]+"
_BYLINE = rf"(?:\b[Bb][Yy] {_PERSON}(?: (?:and|AND) {_PERSON})?,? (?=[A-Z(]))?"


def _dateline(language: str | None) -> re.Pattern[str]:
    """WASHINGTON, April 1 (UPI) -; SEATTLE: ; 12 juillet 2012. -"""
    months = _MONTHS.get(language or "", _MONTHS["en"])
    day = rf"(?:,? ?(?:(?:{months}) \d{{1,2}}|\d{{1,2}}(?:er|\.|º)? (?:de )?(?:{months})(?: (?:de )?\d{{4}})?))?"
    agency = r"\((?:[A-Z][\w-]*[ /]?){1,3}\)"
    return re.compile(
        rf"{_BYLINE}(?:(?:\b{_UPPER}{_REGION}{day},? ?)?{agency}\s*(?:[-–—:]+\s|(?=[A-Z]))"
        rf"|\b[A-ZÀ-ÖØ-Þ]{{3,}}(?: [A-ZÀ-ÖØ-Þ]{{2,}}){{0,3}}{_REGION}{day} ?(?:[-–—]+ |: ))"
        rf"|\bBy [A-Z]{{2,}}(?: [A-Z][A-Z.-]+){{1,2}}(?= [A-Z])"
        rf"|\b\d{{1,2}}(?:er|\.|º)? (?:de )?(?:{months}) (?:de )?\d{{4}}\.? ?[-–—]+ "
    )


_CAPITAL = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĻĽŁŃŅŇŌŐŒŘŚŞŠȘŢŤȚŪŮŰŲŹŻŽА-ЯЁЄІЇҐ"
_TOWN = rf"[{_CAPITAL}][\w’'-]+(?:[ /](?:d[aeio]l?s?|la|el|am|an|der|den|di|[{_CAPITAL}][\w’'.-]*)){{0,3}}"
_DAY = r"(?:,? \d{1,2}\.?º? (?:de )?[^\W\d_]{3,10}\.?(?: (?:de )?\d{4})?)?"
_SERVICE = r"(?:[(/][\w ./-]{2,20}[)/]\.?)"
_WRITTEN_BY = {
    "de": "Von",
    "es": "Por",
    "it": "[Dd]i",
    "nl": "Door(?: onze \\w+)?|Van onze \\w+",
    "pt": "Por",
    "sv": "Av|Text:",
    "da": "Af",
    "no": "Av",
    "pl": "Autor:|Autorka:|Tekst:",
    "tr": "Haber:",
    "ru": "Автор:|Текст:",
}


@lru_cache(maxsize=32)
def _opening(language: str | None) -> re.Pattern[str]:
    """By-line and dateline at the beginning of a body: Por Daniela Treviño MONTERREY.- ; Lima, 3 mar (EFE).- ; Wien – ; Faenza.

    English, French and Korean have patterns of their own.
    """
    by = _WRITTEN_BY.get(language or "")
    person = rf"[{_CAPITAL}][\w’'.-]+(?: (?:d[aei]l?|van|von|der|den|ter))*(?: [{_CAPITAL}][\w’'-]+){{1,2}}?"
    written = (
        rf"(?:(?:{by}) {person}(?: (?:und|y|e|en|och|og|i|ve|и) {person})?(?:\s*\n|(?= [{_CAPITAL}])))?" if by else ""
    )
    dash = rf"\.? ?[-–—]+ |[.:] ?[-–—]* ?(?=[{_CAPITAL}\"«„“¡¿])"
    return re.compile(rf"\s*{written}\s*(?:{_TOWN}{_DAY}(?:\.? ?{_SERVICE}\s*(?:{dash}|(?=[{_CAPITAL}]))|{dash}))?")


_TURKISH_ENDING = re.compile(r"(?<=[^\W_])['’][^\W\d_]{1,6}(?![^\W_])")  # İzmir'in
_MEASURED = frozenset(("en", "fr"))  # by editors; what they read stays
_DATELINES = {language: _dateline(language) for language in _MONTHS}
_REPORTERS = r"(?:선임|전문|수습|인턴|여행|객원|법조전문)?(?:기자|특파원)"
_KOREAN = tuple(  # what one of these words shows, and what is taken out then
    (hints.split("|"), re.compile(pattern))
    for hints, pattern in (
        # [서울=뉴스] 홍길동 기자 =
        (
            "=|·|/",
            rf"[\[【(〔][가-힣A-Za-z· ]{{1,12}}[=·/][^\]】)〕]{{1,20}}[\]】)〕] ?(?:[가-힣·]{{2,12}} ?{_REPORTERS}? ?=)?",
        ),
        # 부산=홍길동 기자 name@paper.kr
        (
            "기자|특파원",
            rf"(?:[가-힣·]{{2,8}}=)?(?:[가-힣]{{2,6}} )?[가-힣]{{2,4}}(?:·[가-힣]{{2,4}}){{0,5}} ?(?:[가-힣]{{2,5}} )?"
            rf"{_REPORTERS}(?![가-힣])(?: ?=)?",
        ),
        ("차장|부장", r"[가-힣]{2,4} [가-힣]{2,5}부 (?:차장|부장)(?=\s*$)"),
        ("=", r"(?:글·사진|사진|글|취재|영상|정리|특별취재팀)=[가-힣· ]{2,20}"),
        ("☎", r"☎ ?[\d-]+"),
        (
            "ⓒ|©|저작권자|제보|전재",
            r"(?:\[?(?:[Cc]opyright|COPYRIGHT)? ?[ⓒ©]|<저작권자|▶ ?제보|무단 ?전재)[^\n]{0,80}",
        ),
        ("(", r"\([一-龥、,· ]+\)"),  # a name's or a word's Chinese characters
    )
)
_AGENCIES = "新华社|中新社|中新网|人民网|央视网?|法新社|路透社|共同社|中央社|美联社|塔斯社|新華社|中新網|本报|本報|本刊"
_OF_CHARACTERS = {
    # 【東京=山本健太】; （時事）; [ソウル 1日 ロイター]
    "ja": re.compile(
        r"【[^】\n]{2,30}】|[\[［(（][^\]］)）\n]{0,20}(?:ロイター|共同|時事|AFP|AP|記者)[^\]］)）\n]{0,12}[\]］)）]"
    ),
    # 新华社北京10月28日电（记者 …）; 【记者…报道】; （记者 …）
    "zh": re.compile(
        rf"【[^】\n]{{2,30}}】|(?:{_AGENCIES}|(?<![^\s（(])[\u4e00-\u9fff]{{2,6}}[社报報网網台](?=[^。，,\n]{{0,16}}?[电電讯訊]?\s?[（(]))[^。，,\n]{{0,20}}?(?:[电電讯訊]|(?=[（(]))|"
        r"[（(][^（）()\n]{0,12}(?:记者|記者|通讯员|编辑)[^（）()\n]{1,30}[）)]"
    ),
}
_KOREAN_SERIES = re.compile(r"^\s*[\[【<〈(][가-힣A-Za-z0-9 &·]{1,12}[\]】>〉)]")  # [단독], [인터뷰]


def normalised(text: str) -> str:
    """Return the NFC form of what is read of a text."""
    return unicodedata.normalize("NFC", text)[:_READ]


def divide(text: str, title: str | None, language: str | None) -> tuple[str, str]:
    """Return headline and body of an article, blanked.  The title may stand at the beginning of the text, or not."""
    headline, body = map(_plain, _divided(text, title, language))
    if language == "ko":
        return _without_bylines(_KOREAN_SERIES.sub(_blank, headline)), _without_bylines(body)
    if language in _OF_CHARACTERS:
        return headline, _OF_CHARACTERS[language].sub(_blank, body[:_HEADLINE]) + body[_HEADLINE:]
    if language == "tr":
        headline, body = (_TURKISH_ENDING.sub(_spaces, part) for part in (headline, body))
    if language not in _MEASURED:
        body = _opening(language).sub(_blank, body[:_HEADLINE], count=1) + body[_HEADLINE:]
    datelines = _DATELINES.get(language or "", _DATELINES["en"])
    return headline, datelines.sub(_blank, body[:_HEADLINE]) + body[_HEADLINE:]


def _divided(text: str, title: str | None, language: str | None) -> tuple[str, str]:
    if title and title.strip():
        for written in (title, " ".join(title.split())):
            if text.startswith(written):
                return written, text[len(written) :]
        return title, text
    end = _end_of_headline(text, language)
    return text[:end], text[end:]


def _end_of_headline(text: str, language: str | None) -> int:
    """Return where the headline at the beginning of a text ends: where it comes again, a line or a dateline; else 0."""
    again = text.find(text[:_SAME].strip(), 1, 2 * _HEADLINE)
    if again > 0 and text.startswith(text[:again].strip(), again):
        return again
    line = text.find("\n", 1, _HEADLINE)
    if line > 0 and len(text) - line > _SHORTEST_BODY:
        return line
    dateline = _DATELINES.get(language or "", _DATELINES["en"]).search(text, 0, _HEADLINE)
    return dateline.start() if dateline and dateline.start() >= _SHORTEST_HEADLINE else 0


def _plain(text: str) -> str:
    """Blank addresses and what is left of HTML."""
    if "&" in text:
        text = _ENTITY.sub(_blank, text)
    if "@" in text or "/" in text or "www." in text:
        text = _ADDRESS.sub(_blank, text)
    return text


def _without_bylines(text: str) -> str:
    for hints, pattern in _KOREAN:
        if any(hint in text for hint in hints):
            text = pattern.sub(_blank, text)
    return text


def _spaces(ending: re.Match[str]) -> str:
    return " " * len(ending[0])


def _blank(match: re.Match[str]) -> str:
    return "\n" * len(match[0])
