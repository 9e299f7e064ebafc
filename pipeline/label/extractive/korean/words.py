"""The words of a Korean article: each eojeol as a stem with its particles, and what it may do in a phrase.

Particles are cut by evidence: a stem that the article shows with other particles, or with none, is one; 주수도 that only ever
stands as 주수도 is not 주수 with a particle.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipeline.core.text.korean import PARTICLES, final_consonant, follows, is_kept, split_particles
from pipeline.label.extractive.korean import people, verbs
from pipeline.label.extractive.lexicon import sections

# What a word may do in a phrase.
STOP = 0  # bounds it
NOUN = 1
QUANTIFIED = 2  # begins with a number, and is no quantity: 5세대, 3차
LATIN = 3

VERBAL = "하"  # stands for the particles of a noun that 하다 or 되다 makes a verb

_HANGUL = re.compile("[가-힣]+")
_TOKEN = re.compile(
    r"[가-힣A-Za-zÀ-ÿ0-9Ⅰ-Ⅻ]+(?:[-·.,&+/](?=[가-힣A-Za-z0-9])[가-힣A-Za-zÀ-ÿ0-9Ⅰ-Ⅻ]+)*[%㎡㎞㎏㎜℃㏊㎎㎖㎿㎾㏈]?"
)
_CLOSING = frozenset((")", "'", '"', "”", "’", "」", "』", "》", "〉", ">", "’)", "')", ")'", ")’"))
_OPEN_LATIN = re.compile(r"(.*[A-Za-z0-9ⅠⅡⅢⅣⅤ])([가-힣]+)")
_MIDDLE_DOT = 2  # syllables beside a middle dot that still make one word: 원·달러
_NUMBER = re.compile(r"[\d.,·~]+")
_COUNTER = (
    "원|달러|유로|엔|위안|명|건|개|곳|군데|년|월|일|시|분|초|시간|개월|주|주년|회|차례|번|배|도|%|㎡|㎞|㎏|㎜|㎝|㏊|㎎|㎖|℃|m|km|kg|g|t|cm|mm|톤|"
    "리터|미터|킬로미터|평|가구|마리|대|채|호|권|쪽|석|살|세|번째|년째|개사|척|편|종|점|매|장|박|팀|인|표|통|그루|필지|동|층|칸|줄|구|승|패|무|타|"
    "제곱미터|세제곱미터|메가와트|메가와트시|킬로와트|킬로와트시|킬로그램|그램|밀리미터|밀리|센티미터|헥타르|안타|골|분기|학기|학년|반|교시|이닝|월호|주간|일간|년간|년대|여곳|여명|여건|bp|kV|MW|GW|kW|ha|p|포기|억원|만원|조원|천원|만명|천명|만건|"
    "포인트|퍼센트|센트|개국|개소|벌|켤레|병|잔|그릇|끼|모금|바퀴|걸음|마디|갑|상자|봉지|포대|가마|되|말|섬|자|척|리|해리|노트|볼|아웃|사|루"
)
_QUANTITY = re.compile(
    rf"[\d.,·~]+(?:조|억|만|천|백)?[\d.,]*(?:억|만|천)?여?(?:(?:{_COUNTER})+)?"
    r"(?:가량|쯤|여|씩|째|간|당|짜리|대|선|급|만|초|말|초반|중반|후반|이상|이하|미만|어치|꼴|남짓|안팎|포인트)*"
)
_NOMINAL_VERB = re.compile(
    r"([가-힣]{2,})(?:하|되|시키|당하|받)(?:고|며|면|는|던|지|게|기|여|자|려|러|니|다|면서|도록|거나|지만|는데|자며|자는|기로|기도|"
    r"기를|기에|기가|고도|는지|려고|려는|려면|자고|다고|다는|다며|느라|더라도|겠다|겠다고|겠다는)|"
    r"([가-힣]{2,})(?:한|할|함|해|했|했던|해서|해야|해도|하여|된|될|됨|돼|됐|됐던|되어|돼서|시킨|시킬|시켜|당한|당해|한다|한다고|한다는|한다며|"
    r"된다|된다고|된다는|된다며|했다|했다고|했다는|했다며|했으며|했고|했지만|했는데|했으나|됐다|됐다고|됐다는|됐다며|됐으며|됐고|됐지만|합니다|"
    r"했습니다|됩니다|됐습니다|하겠다|하겠다고|하겠다며|하겠다는|되겠다|할지|될지|한데|된데)"
)
_VERBAL_ENDING = re.compile(
    r"(?:[어아]오른|[어아여해라려져러거겨커빠춰워쪄싸터꺼켜펴]진|[어아나려타]난|[열올내걸몰팔풀밀달들흘쏠버알불시물갈딸]린|"
    r"스러운|스럽게|로운|롭게|다운|답게|[가-힣]{2}(?:받은|받는|받고|받아|받을)|적인|적으로|"
    r"[가-힣](?:습니다|입니다|됩니다|합니다|다|요|죠|까|냐|네요|군요|다고|다며|다는|라며|라는|라고|자며|자는|냐고|냐는|면서|다면|는가|은가|던가|는지|은지|지만|"
    r"더니|도록|거나|려면|려고|으며|으면|느라|자마자|고서|[어아]지는|[어아워]지고|[어아워]질|[어아여]지|[하되치리키히]지|[리히키치]며|[하되내리지치키히]면|[가-힣][려져켜쳐혀]|없이))$"
)
_NO_VERB = re.compile(
    r"(?:바다|캐나다|우간다|르완다|소다|판다|람다|혼다|북한|남한|권한|제한|기한|시한|무한|방한|유한|상한|하한|국한|역할|분할|관할|이해|피해|방해|"
    r"손해|올해|동해|서해|남해|재해|견해|오해|공해|살해|침해|저해|화해|항해|김해|새해|북해|홍해|지중해|발해|폐해|분해|융해|자해|박해|가해|양해|"
    r"필요|중요|주요|수요|개요|동요|가요|소요|강요|민요|무료|음료|사료|재료|진료|치료|의료|원료|연료|요금|네다|무효|유효|조화|고요|담요|"
    r"[동서남북]해안|고구려|경쟁력|신한|대한|유도|포함|잠수함|보관함|사물함|우편함|투표함|구급함|군함|전함|결함|구축함|호위함|항공모함)$"
)
_WEEKDAY = re.compile("[월화수목금토일]요일.*")
_DOUBLE_SIOT = 20  # ㅆ at the foot of a syllable shows the past tense
_AMBIGUOUS = frozenset("도만로나라과")  # particles that are the end of a noun as often
_COUNTED_NOUNS = frozenset(("수", "간", "값"))  # of one syllable, behind another noun: 점포 수, 지역 간
_LONGEST_PARTICLE = 6
_FULL_NAME = 3  # syllables
_LONGEST_WORD = 40  # characters; longer ones are keys, hashes and runaway text
_FINITE = frozenset(("은", "는", "도", "만", "이", "가"))


@dataclass(slots=True)
class Lists:
    stop: frozenset[str]
    particles: frozenset[str]
    verbs: frozenset[str]
    nouns: frozenset[str]


@lru_cache(maxsize=1)
def lists() -> Lists:
    read = sections("ko")
    forms = frozenset(form for stem in read["verb"] for form in verbs.forms(stem))
    particles = PARTICLES | frozenset(read["particle"])
    return Lists(frozenset(read["stop"]), particles, forms - frozenset(read["noun"]), frozenset(read["noun"]))


@dataclass(slots=True)
class KoreanWord:
    """A word of a text; `end` is that of its stem."""

    form: str
    start: int
    end: int
    gap: str  # what stands between it and the word before
    stem: str
    particles: str = ""
    kind: int = STOP


def tokens(text: str) -> list[KoreanWord]:
    """Return the words of a text, not analysed yet; lists with a middle dot come apart (서울·부산)."""
    words: list[KoreanWord] = []
    before = 0
    for match in _TOKEN.finditer(text):
        form, start, end = match[0], match.start(), match.end()
        for begin, behind in _apart(form, start) if "·" in form else ((start, end),):
            part = text[begin:behind]
            words.append(KoreanWord(part, begin, behind, text[before:begin], part))
            before = behind
    return words


def _apart(form: str, start: int) -> Iterator[tuple[int, int]]:
    parts = form.split("·")
    is_pair = len(parts) == 2 and max(map(len, parts)) <= _MIDDLE_DOT
    if is_pair or form[0].isdigit():
        yield start, start + len(form)
        return
    for part in parts:
        yield start, start + len(part)
        start += len(part) + 1


class Evidence:
    """What an article shows of its stems: with which particles each of them stands."""

    def __init__(self, words: Sequence[KoreanWord]) -> None:
        self.names = people.full_names([(word.gap, word.form) for word in words])
        self.particles: dict[str, set[str]] = defaultdict(set)
        self._count = Counter(
            word.form for word in words if len(word.form) <= _LONGEST_WORD and _HANGUL.fullmatch(word.form)
        )
        self._readings = {form: list(_readings(form)) for form in self._count}
        for readings in self._readings.values():
            for stem, particles in readings:
                self.particles[stem].add(particles)
        self._cut = {form: self._best(form) for form in self._count}

    def cut(self, form: str) -> tuple[str, str]:
        """Return the stem of a form and its particles."""
        return self._cut[form]

    def is_noun(self, stem: str) -> bool:
        """Whether it stands with two particles that verbs do not end in."""
        return len(self.particles[stem] - _FINITE - {"고", "지", "로", "다", ""}) > 1

    def _best(self, form: str) -> tuple[str, str]:
        stem, particles = self._listed(form)
        if not particles and is_kept(form) and not self._is_cut_elsewhere(form):
            return form, ""
        support = len(self.particles[stem])
        for other, rest in self._readings[form]:
            others_support = len(self.particles[other])
            if len(other) < 2 or others_support <= support or rest == particles:
                continue
            is_weak = rest in _AMBIGUOUS and others_support < 3 and not particles
            if not (is_weak and len(other) < len(stem)):
                stem, particles, support = other, rest, others_support
        if len(particles) == 1 and self._ends_in_noun(form):
            return form, ""
        is_unseen = support == 1 and self._count[form] > 1 and len(form) > 2
        return (form, "") if particles in _AMBIGUOUS and is_unseen else (stem, particles)

    def _is_cut_elsewhere(self, form: str) -> bool:
        """Whether the article shows the stem with other particles: 꿀벌이, for 꿀벌은 and 꿀벌."""
        return any(len(self.particles[stem]) > 2 for stem, rest in self._readings[form] if rest)

    def _ends_in_noun(self, form: str) -> bool:
        """Whether a shorter noun at its end has particles of its own in the article: 두리옹심이, for 옹심이를 and 옹심이는."""
        for length in range(2, min(4, len(form) - 2) + 1):
            seen = self.particles.get(form[-length:], ())
            if len(seen) > 2 and "" in seen:
                return True
        return False

    def _listed(self, form: str) -> tuple[str, str]:
        """Return the reading by rule; particles that it does not know count where the article shows the stem otherwise."""
        stem, particles = split_particles(form)
        if particles:
            return stem, particles
        for other, rest in self._readings[form]:
            if rest and rest not in PARTICLES and len(other) > 1:
                seen = self.particles[other]
                if len(rest) > 1 or (
                    len(seen) > 1 and (rest not in _AMBIGUOUS or len(seen) > len(self.particles[form]))
                ):
                    return other, rest
        return stem, particles


@lru_cache(maxsize=2**15)
def _readings(form: str) -> tuple[tuple[str, str], ...]:
    """Return every way to take a form apart into a stem and particles, the whole form first."""
    particles = lists().particles
    readings = [(form, "")]
    for length in range(1, min(_LONGEST_PARTICLE, len(form) - 1) + 1):
        stem, rest = form[:-length], form[-length:]
        if rest in particles and (follows(stem, rest) or (rest not in PARTICLES and len(stem) > 1)):
            readings.append((stem, rest))
    return tuple(readings)


@lru_cache(maxsize=2**15)
def is_verbal(form: str) -> bool:
    """Whether a form is an inflected verb or adjective by its ending."""
    listed = lists()
    if form in listed.nouns:
        return False
    if form in listed.verbs or any(final_consonant(syllable) == _DOUBLE_SIOT for syllable in form):
        return True
    if _NO_VERB.search(form):
        return False
    if len(form) == 2 and (form[1] == "고" or _is_syllable_with_particle(form)):
        return True  # 헐고; 약은: nouns of one syllable are no phrases
    if _NOMINAL_VERB.fullmatch(form) or _VERBAL_ENDING.search(form):
        return True
    return len(form) > 1 and bool(final_consonant(form[-2])) and form[-1] == "는"


def _is_syllable_with_particle(form: str) -> bool:
    """Whether a form of two syllables is one with a particle that agrees with it, and no noun on a list (마을, 놀이)."""
    closed = bool(final_consonant(form[0]))
    return form[1] in ("은을이" if closed else "는를") and not is_kept(form)


def analyse(words: list[KoreanWord], evidence: Evidence) -> None:
    """Fill stems, particles and kinds by rule."""
    listed = lists()
    for index, word in enumerate(words):
        if len(word.form) > _LONGEST_WORD:
            continue
        if word.gap in _CLOSING and word.form in listed.particles:
            continue  # what stands behind a quotation or parentheses
        if word.form[0].isdigit():
            _analyse_number(word)
        elif not _HANGUL.fullmatch(word.form):
            _analyse_mixed(word, listed)
        else:
            _analyse_hangul(word, evidence, listed, words[index - 1] if index else None)
        word.end = word.start + len(word.stem)


def is_quantity(form: str) -> bool:
    return form[0].isdigit() and bool(_QUANTITY.fullmatch(form))


def _analyse_number(word: KoreanWord) -> None:
    if _QUANTITY.fullmatch(word.form):
        return
    rest = word.form[_NUMBER.match(word.form).end() :]  # type: ignore[union-attr]
    word.stem, word.particles = split_particles(word.form)
    word.kind = STOP if _QUANTITY.fullmatch(word.stem) or not rest else QUANTIFIED


def _analyse_mixed(word: KoreanWord, lists: Lists) -> None:
    """Latin letters, with Hangul or particles behind them or not: KFX-PRO, AI는, K-뷰티."""
    ending = _OPEN_LATIN.fullmatch(word.form)
    if ending and ending[2] in lists.particles:
        word.stem, word.particles = ending[1], ending[2]
    elif ending or not word.form.isascii():
        word.stem, word.particles = split_particles(word.form)
    if len(word.stem) > 1 and "%" not in word.form:
        word.kind = NOUN if not word.stem[0].isascii() else STOP if word.stem.islower() else LATIN


def _analyse_hangul(word: KoreanWord, evidence: Evidence, lists: Lists, before: KoreanWord | None) -> None:
    form = word.form
    if form in lists.stop or _is_place_word(form, lists) or _WEEKDAY.fullmatch(form):
        if before is not None and before.kind == NOUN and not before.particles and word.gap == " ":
            _analyse_counted(word)
        return
    name = form[:_FULL_NAME]
    if name in evidence.names and (form == name or form[_FULL_NAME:] in lists.particles):
        word.stem, word.particles, word.kind = name, form[_FULL_NAME:], NOUN
        return
    if form[0] in _COUNTED_NOUNS and form[1:] in lists.particles and before is not None and before.kind == NOUN:
        _analyse_counted(word)
        return
    stem, particles = evidence.cut(form)
    if is_verbal(form) and not (evidence.is_noun(stem) and not _is_past(form)):
        _analyse_nominal(word, lists)
        return
    if particles in _FINITE and is_verbal(stem) and not evidence.is_noun(stem) and len(stem) < 4:
        return
    if stem.endswith("들") and len(stem) > 2 and not stem.endswith(("아들", "버들")):
        stem, particles = stem[:-1], "들" + particles
    if len(stem) > 1 and stem not in lists.stop:
        word.stem, word.particles, word.kind = stem, particles, NOUN


def _is_place_word(form: str, lists: Lists) -> bool:
    """안에서, 전에는: a dependent noun of one syllable with a particle of place."""
    return form[0] in lists.stop and form[1:].startswith(("에", "부터", "까지")) and form[1:] in lists.particles


def _analyse_counted(word: KoreanWord) -> None:
    """점포 수는: a noun of one syllable behind another one."""
    stem, particles = word.form[:1], word.form[1:]
    if stem in _COUNTED_NOUNS and (not particles or particles in lists().particles):
        word.stem, word.particles, word.kind = stem, particles, NOUN


def _analyse_nominal(word: KoreanWord, lists: Lists) -> None:
    """살처분했다, 재건축하는: the noun is one, where it has two syllables."""
    match = _NOMINAL_VERB.fullmatch(word.form)
    if not match:
        return
    stem = match[1] or match[2]
    if stem not in lists.stop and not is_verbal(stem):
        word.stem, word.particles, word.kind = stem, VERBAL, NOUN


def _is_past(form: str) -> bool:
    return any(final_consonant(syllable) == _DOUBLE_SIOT for syllable in form)
