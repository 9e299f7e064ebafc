"""Korean words by rule, without a morphological analyser: particles (조사) and predicates (용언).

An eojeol, the word between two spaces, is a noun with particles behind it, or an inflected verb or adjective.
Three facts decide most cases: particles stack in a fixed order, several agree with the final consonant (받침)
before them (은/는, 이/가, 을/를, 과/와, 으로/로), and the past tense shows a double ㅆ at the foot of a syllable.
A noun of two syllables is never cut to one (도로, 회의, 결과) but for the few of `_ONE_SYLLABLE`. What remains
ambiguous is decided by the list `_KEPT` below and, in the extractor, by what the other articles show.
"""

import re
from functools import lru_cache

_FIRST, _LAST = 0xAC00, 0xD7A3  # 가 .. 힣, in blocks of 28 final consonants
_RIEUL, _DOUBLE_SIOT = 8, 20  # numbers of ㄹ and ㅆ among the 28
_CACHED = 2**15  # eojeols


def final_consonant(syllable: str) -> int | None:
    """Return the number of the syllable's final consonant among the 28 (0: it ends in a vowel), or None outside Hangul."""
    code = ord(syllable)
    return (code - _FIRST) % 28 if _FIRST <= code <= _LAST else None


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


# A case particle may carry a focus particle (에서+는); the rest stands alone.
_CASE = _words(
    "에 에서 에게 에게서 한테 한테서 께 께서 으로 로 으로서 로서 으로써 로써 으로부터 로부터",
    "에서부터 과 와 이랑 하고 까지 부터 보다 처럼 만큼 대로 에다 에다가 이라고 라고 이나마",
)
_FOCUS = _words(
    "은 는 도 만 의 까지 부터 조차 마저 밖에 뿐 만큼 보다 이나 만이 만을 만은 만도",
    "까지도 까지는 까지의 뿐만 뿐이 마다",
)
_ALONE = _words(
    "이 가 을 를 이란 이라는 라는 이라며 라며 이라면 이라도 라도 이든 이든지 든지 이냐 이자 이며 이고",
    "이지만 이던 이다 이었다 였다 이라 입니다 이에요 예요 이어서 이어야 이므로 인데 커녕 은커녕 는커녕",
    "까지가 까지를 부터가 만으로 만으로는 만으로도 만이라도",
)
PARTICLES = frozenset((*_CASE, *_FOCUS, *_ALONE, *(case + focus for case in _CASE for focus in _FOCUS)))
_LONGEST = max(map(len, PARTICLES))

# What the noun must end in, read off the particle's first syllable: a consonant, a vowel, a vowel or ㄹ.
_AFTER_CONSONANT, _AFTER_VOWEL, _AFTER_VOWEL_OR_RIEUL = "은이을과으입", "는가를와라였예", "로"
# Particles that may follow a noun of one syllable, and the nouns that also carry the shortest ones.
_AFTER_ONE_SYLLABLE = re.compile(r"[을를]|[에으까부한께처보조마밖].+")
_ONE_SYLLABLE_TOO = frozenset("은는이가에도")
_ONE_SYLLABLE = frozenset("나너그꽃집돈말법책물불땅일손눈몸밤꿈팀당값빛힘삶병곳")
_NOT_AFTER_DIGITS = frozenset(_words("만 도 과 대로 만큼"))  # 30만, 10도: a unit

# Endings of longer nouns (국무회의, 조사결과) that look like a noun with a particle.
_KEPT = _words(
    "회의 협의 논의 혐의 주의 결과 효과 치과 외과 내과 투자가 국제유가 오키나와 마을 가을 노을",
    "경기도 강원도 충청도 전라도 경상도 제주도 함경도 평안도 황해도 청남도 청북도 라남도 라북도 상남도 상북도",
    "한반도 난이도 만족도 지지도 인지도 선호도 신뢰도 완성도 집중도 기여도 의존도 투명도 성숙도 여의도",
    "울릉도 거제도 영종도 백령도 연평도 강화도 철도 속도 온도 밀도 고속도로 지하차도 을지로 히어로 마이크로",
    "카스트로 몬테네그로 불만 걸프만 시아만 비아만 어린이 젊은이 늙은이 고양이 호랑이 원숭이 높이 깊이 넓이 놀이",
    "먹이 벌이 살이 걸이 볶이 풀이 잡이 받이 지킴이 쟁이 둥이 없이 같이",
)
# Bodies whose genitive looks like a meeting or an -ism: 위원회의, 국회의, 제주의 do carry 의.
_GENITIVE = re.compile(r"(?:[원협국사교대의학기총]|연합)회의|^.주의$")


def follows(base: str, particle: str) -> bool:
    """Tell whether the particle may stand behind this base, by agreement and by length."""
    last, first = final_consonant(base[-1]), particle[0]
    if last is None:  # FC도, KBS가: Latin letters tell nothing about their sound
        return not (base[-1].isnumeric() and particle in _NOT_AFTER_DIGITS)
    if last and (first in _AFTER_VOWEL or (first in _AFTER_VOWEL_OR_RIEUL and last != _RIEUL)):
        return False
    if not last and first in _AFTER_CONSONANT:
        return False
    if len(base) > 1 or _AFTER_ONE_SYLLABLE.fullmatch(particle):
        return True
    return particle in _ONE_SYLLABLE_TOO and base in _ONE_SYLLABLE


def is_kept(word: str) -> bool:
    """Tell whether a word only looks like a noun with a particle (국무회의, 제주도)."""
    return word.endswith(_KEPT) and not _GENITIVE.search(word)


@lru_cache(maxsize=_CACHED)
def split_particles(word: str) -> tuple[str, str]:
    """Split one eojeol into (noun, particles); the particles are empty where it carries none."""
    if is_kept(word):
        return word, ""
    for length in range(min(_LONGEST, len(word) - 1), 0, -1):
        base, particle = word[:-length], word[-length:]
        # 조사결과는 is 조사결과+는 and not 조사결+과는: the first syllable of a stack may belong to the noun.
        if particle in PARTICLES and follows(base, particle) and not (length > 1 and is_kept(base + particle[0])):
            return base, particle
    return word, ""


def strip_particles(word: str) -> str:
    """Return one eojeol without its trailing particles (서울에서는 -> 서울).

    Unchanged where it carries none, never empty for a non-empty word, never raises.
    """
    return split_particles(word)[0]


# Nouns that end like a predicate.
_NOT_PREDICATES = re.compile(
    r"(?:바다|캐나다|우간다|르완다|소다|판다|람다|혼다|북한|남한|권한|제한|기한|시한|무한|소한|방한|유한|상한|하한|국한|"
    r"역할|분할|관할|이해|피해|방해|손해|올해|동해|서해|남해|재해|견해|오해|공해|살해|침해|저해|화해|항해|김해|새해|북해|홍해|"
    r"중해|발해|폐해|분해|융해|자해|박해|가해|양해|행운|불운|해운|항운|기운|여운|조던|무게|가게|"
    r"[사보경광창재예신원피권최금통선상항충여남외농공학]고|냉장고)$"
)
_PREDICATES = re.compile(
    # declarative and quoting endings: 했다, 있다고, 간다며, 하냐고, 하자는, 하려는
    r"(?:다|다[고는며면가던니]|[라자]며|라던|라고|냐[고는]|자[는고]|려[고는면던]|다지만|"
    # verbs made with 하다, 되다, 시키다
    r"[하되키][고며면는던지게여자기려러니]|[하되](?:면서|도록|거나|지만)|더라도|되어|된|될|.해[서도야]|..해|..한|.할|.하|"
    # frequent stems with their endings
    r"(?:받|않|없|있|같|갖|놓|싶|얻|잃|맞|막|찾|낳|쌓|넣|늦|높|낮|좋|많|적|작|크|늘|줄|이끌|만들)[고지게던는은을]|"
    r"[지르드오나루내주쓰뜨]는|[가-힣].고|으[려러]|[져켜쳐]|[려아어러여져켜쳐]서|해주지|[밀달걸들흘열몰올내버]려|"
    r"[들늘얼열줄넘]어|[높깎많좋살같남닮]아|[줄늘만]?[어들]든|살아난|"
    # adjectives and adverbs
    r"적인|적으로|스러운|로운|..운|롭게|스럽게|르게|쉽게|크게|지게|히|"
    # connectives
    r"면서|지만|[는은]데|니까|므로|수록|도록|거나|든[지가]|자마자|으[며면니]|며|던|"
    # polite speech
    r"습니까|읍시다|[세어아해네군지예에데래]요|죠)$"
)


# Verbs that serve as postpositions.
_POSTPOSITIONS = frozenset(
    _words("위한 위해 위하여 대한 대해 통한 통해 관한 관해 의한 의해 인한 인해 따른 따라 따르면 의하면 비해 향한 향해")
)


@lru_cache(maxsize=_CACHED)
def is_predicate(word: str) -> bool:
    """Tell whether an eojeol looks like an inflected verb or adjective, or an adverb (했다, 있는, 위한, 따르면).

    By its ending only, so some nouns of more than one reading (보고, 이상한) fall on either side.
    """
    if word in _POSTPOSITIONS or any(final_consonant(syllable) == _DOUBLE_SIOT for syllable in word):
        return True
    if len(word) > 1 and final_consonant(word[-2]) and word[-1] == "는":
        return True  # a topic after a final consonant is 은, so this 는 is a verb's
    return bool(_PREDICATES.search(word)) and not _NOT_PREDICATES.search(word)
