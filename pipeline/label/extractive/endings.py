"""Endings of words: what those that no list has are likely to be, and the plurals that are cut off."""

import re

from pipeline.label.extractive.parts import ADJECTIVE, BREAK, NOUN, PARTICIPLE, VERB

_LISTED = {  # of words that no list has
    "en": (
        ("ly", BREAK),
        ("ed|ing", PARTICIPLE),
        ("ous|ful|ive|able|ible|less|ish", ADJECTIVE),
        ("(?:tion|ment|ness|ity|ism|ist)s?", NOUN),
    ),
    "fr": (
        ("ment", BREAK),
        ("[^t]ée?s?", PARTICIPLE),
        ("aient|ait|èrent|eront|eraient", VERB),
        ("mer|fer|hiver|cancer|leader|tier", NOUN),
        ("[^i]er", VERB),
    ),
    "es": (
        ("mente", BREAK),
        (
            "mujer|lugar|hogar|taller|militar|militares|titular|popular|familiar|alquiler|nuclear|escolar|solar|^mar|azúcar|dólar|"
            "bienestar|cáncer|poder|placer|deber|carácter|^par|^bar|altar|pilar|collar|celular|particular|regular|similar|"
            "ejemplar|insular|polar|lunar|preliminar|auxiliar|muscular|secular",
            NOUN,
        ),
        ("[^aiou][aei]r(?:se|lo|la|los|las|le)?|aron|ieron|aban?|ían|[aei]rán?|[aei]ría[ns]?|ando|iendo|ó", VERB),
        ("[ai]d[oa]s?", PARTICIPLE),
    ),
    "it": (
        ("mente", BREAK),
        (
            "^mare|popolare|militare|solare|cellulare|particolare|regolare|alimentare|parlamentare|elementare|secolare|lunare|"
            "polare|muscolare|vascolare|esemplare|altare",
            NOUN,
        ),
        ("[aei]vano?|[ei]ranno|[ei]rà|[ei]rebbero?|ando|endo|[aei]rono|[^aeiou][ai]re|[aei]r(?:si|lo|la|li|le)", VERB),
        ("[^aeiou](?:at|ut|it)[oaie]", PARTICIPLE),
    ),
    "pt": (
        ("mente", BREAK),
        (
            "mulher|lugar|militar|militares|familiar|popular|nuclear|escolar|^mar|solar|titular|poder|prazer|dever|celular|^lar|"
            "particular|regular|similar|exemplar|dólar|açúcar|câncer|caráter|^par|^bar|altar|pilar|milhar|bem-estar|colher",
            NOUN,
        ),
        ("[^aeiou][aei]r(?:-se)?|aram|eram|iram|avam?|[aei]rão|[aei]rá|[aei]riam?|ando|endo|indo|[^aeiou](?:ou|eu|iu)", VERB),
        ("[aou]iu|[aeo]i|stroem|strói", VERB),
        ("[ai]d[oa]s?", PARTICIPLE),
    ),
    "nl": (
        ("(?:maan|dins|woens|donder|vrij|zater|zon)dag(?:ochtend|morgen|middag|avond|nacht)", BREAK),
        ("lijk|lijks|honderd(?:en)?|duizend(?:en)?", BREAK), ("^(?:ge|ver|be|ont)[a-z]{3,}[dt]", PARTICIPLE),
    ),
    "sv": (("(?:mån|tis|ons|tors|fre|lör|sön)dags(?:morgon|kväll|natt|eftermiddag)(?:en)?", BREAK), ("ande|ades|des|te[sr]", VERB)),
    "da": (("ende|ede|edes", VERB),),
    "no": (("ende|et|te", VERB),),
    "pl": (
        ("dział|materiał|kapitał|wydział|zespół|skała|chwała|siła|szkoła|artykuł|tytuł|stół|kościół|ogół|protokół", NOUN),
        ("(?:a|ia|y|i)ł[ay]?|(?:a|ie|y|i)li|[aiuyeó]ć|uj[eą]|ując[aeyi]?|owano", VERB),
    ),
    "cs": (("škola|síla|skála|chvála|kapitál|festival|materiál|signál|titul", NOUN), ("[aeiyu]l[aoi]?|[aeiyu]t|uje|ují", VERB)),
    "ru": (
        ("канал|материал|генерал|капитал|зал|вокзал|журнал|отдел|раздел|предел|сигнал|школа|сила|дело|село|тыл", NOUN),
        ("[аеиыяу]л[аои]?|[аеиыяу]л(?:ся|[аои]сь)|ть|ться|ется|ются|ится|ятся|[ую]т|ает|яет|ует", VERB),
    ),
    "uk": (
        ("канал|матеріал|генерал|капітал|зал|вокзал|журнал|відділ|розділ|сигнал|школа|сила|діло|село", NOUN),
        ("[аеиіяув](?:в|ла|ло|ли)(?:ся)?|ти|тися|ється|ються|[ую]ть|ає|ує", VERB),
    ),
    "tr": (
        ("parti|kedi|vadi|adı|yedi|kendi|şimdi", NOUN),
        ("[^n]d[ıiuü]|[çfhkpsşt]t[ıiuü]|[ıiuü]yor(?:du)?|[ae]ca[kğ](?:[ıi]n?[ıi]?)?", VERB),
        ("m[ıiuü]ş(?:t[ıiuü])?|m[ae]k|d[ıiuü]l[ae]r", VERB),
    ),
    "fi": (("[iaouyäö]vat|ivät|nut|nyt|neet|taan|tään|ttiin|essa?an|nsa|nsä|ksi", BREAK),),
    "de": (("(?:e|en|er|es|em)", ADJECTIVE), ("", BREAK)),  # of words without a capital: nouns have one
}  # fmt: skip
ENDING = {
    language: tuple((re.compile(f"(?:{ending})$"), part) for ending, part in endings)
    for language, endings in _LISTED.items()
}

PLURAL = {
    "en": ((re.compile(r"(?<=[^aeiou])ies$"), "y"), (re.compile(r"(?<=[^su])s$"), "")),
    "fr": ((re.compile(r"aux$"), "al"), (re.compile(r"(?<=[^s])[sx]$"), "")),
    "es": ((re.compile(r"(?<=[^aeiou])es$"), ""), (re.compile(r"s$"), "")),
    "pt": ((re.compile(r"ões$"), "ão"), (re.compile(r"s$"), "")),
    "it": ((re.compile(r"[aeio]$"), ""),),
    "de": ((re.compile(r"(?<=...)(?:en|es|er|e|n|s)$"), ""),),
    "nl": ((re.compile(r"(?<=...)(?:en|s)$"), ""),),
}
