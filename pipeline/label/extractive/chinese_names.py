"""Names of Chinese texts: people by what stands beside them, institutions whose names hold an "and"."""

import re
from collections.abc import Mapping
from functools import lru_cache

from pipeline.label.extractive.lexicon import HAN, sections

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖"
    "贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤关习洪温莎柯施翁牛鲁葛岑齐庞樊殷倪章童颜梅盛傅卓赖蓝简"
    "游詹尤巫古康阮欧骆甘伍麦焦佟米柳单霍符申戚乔涂凌路邢靳祝耿窦尚裴项兰桂瞿翟岳荣晏舒曲单宗房安包"
)
_MARKS = r"，、。：；（）(),！？」』”\s"
_APPOINTED = re.compile(rf"(?:任命|免去|提名|推选|选举)([{_SURNAMES}][{HAN}]{{1,2}})(?=为|的|担任|出任)")
# 张本美和，: no conjunction stands there
_ENDS_WITH_AND = re.compile(rf"[{_SURNAMES}][{HAN}]{{1,2}}[和与](?=[{_MARKS}])")
_AND = frozenset("和与及暨")
_BODY = re.compile("(?:委员会|研究所|研究院|实验室|学院|中心|总局|协会|学会|部|局|厅)$")
_OWNER = re.compile("(?:[省市县区州国院局部]|大学|全国)$")  # what such a name begins with
_WHOLE = re.compile("中国|国家|全国|国际|世界|[省市县区州国]$")  # what begins another name
_BODIES = (
    *(
        "委员会",
        "研究所",
        "研究院",
        "实验室",
        "学院",
        "中心",
        "协会",
        "学会",
        "医院",
        "法院",
        "检察院",
        "公司",
        "博物馆",
        "图书馆",
    ),
    *("基金会", "管理局", "办公室", "常委会", "联合会", "银行", "大学", "总局", "集团"),
)
MAY_STAND_INSIDE = frozenset(  # a name; verbs elsewhere
    ("保护", "监督", "保障", "防治", "控制", "开发", "救助", "促进", "指挥", "预防", "治理", "服务", "管理", "附属")
)
_OWNERS = ("省", "市", "县", "区", "州", "国", "大学", "研究院", "科学院", "局", "部", "国家")
_NOUNS_BESIDE = 4


def people(text: str, dictionary: Mapping[str, tuple[int, int]], other: int) -> frozenset[str]:
    """Return the names of people: beside a title, a verb of saying or of appointing.  `other` is the part of function words."""
    by_title, before_verb, behind_title = _patterns()
    names = {_shortened(match[1], dictionary) for pattern in (by_title, _APPOINTED) for match in pattern.finditer(text)}
    behind_titles = {match[1] for match in behind_title.finditer(text)}
    names |= {
        name
        for shown in behind_titles
        if not shown.startswith(tuple(names)) and (name := _behind_title(shown, dictionary))
    }
    begins_clause = {match[1] for match in before_verb.finditer(text)}
    names |= {name for name in begins_clause if name not in dictionary or name in _listed()}  # no 金额, 高考
    for match in _ENDS_WITH_AND.finditer(text):
        if match[0][-2:] not in dictionary and text.count(match[0]) > 1:
            names.add(match[0])
    return frozenset(name for name in names if dictionary.get(name, (0, -1))[1] != other)


def _shortened(name: str, dictionary: Mapping[str, tuple[int, int]]) -> str:
    """Return a name without the word behind it: 王芳带头."""
    return name[:2] if len(name) > 3 and name[2:] in dictionary else name


def _behind_title(shown: str, dictionary: Mapping[str, tuple[int, int]]) -> str | None:
    """Return the name at the beginning of what stands behind a title: it ends where a word begins (王芳|带头, 陆文婷|带)."""
    if shown[:2] in dictionary or shown[:3] in dictionary or len(shown) < 3:
        return None
    if len(shown) > 3 and shown[2:4] in dictionary:
        return None if shown[1:3] in dictionary and shown[1:3] not in shown[:3] else shown[:2]
    return shown[:3]


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    """Return the people of the dictionary."""
    return frozenset(word for name, words in sections("zh").items() if name.startswith("person ") for word in words)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return what a person's name looks like: behind a title, before a verb of saying; and what begins like one behind a title."""
    lists = sections("zh")
    titles, says, may_follow = (
        "|".join(sorted(lists[name], key=lambda word: (-len(word), word))) for name in ("title", "says", "behind name")
    )
    short = f"[{_SURNAMES}][{HAN}]{{1,2}}?"
    alone = f"[{_SURNAMES}][{HAN}]{{1,3}}(?![{HAN}])"
    surely = rf"(?=(?:{says})|[{_MARKS}]|$)"
    return (
        re.compile(rf"(?:{titles})[，、]?({short}{surely}|{alone}|{short}(?={may_follow}))"),
        re.compile(rf"(?<![{HAN}])({short}(?={says}|{may_follow}))"),
        re.compile(rf"(?:{titles})(?=([{_SURNAMES}][{HAN}]{{2,3}}))"),
    )


def institution(shown: list[str], conjunction: int, common: frozenset[str]) -> tuple[int, int] | None:
    """Return the first and last word of an institution with a conjunction in its name, of words that stand side by side.

    中国科学院 地质 与 地球 物理 研究所 is one; 敦煌研究院 与 大英图书馆 are two, as the first one is whole.
    """
    if shown[conjunction] not in _AND or not 1 < conjunction < len(shown) - 1:
        return None
    before = shown[conjunction - 1]
    if _OWNER.search(before) or _BODY.search(before) or before in common or _WHOLE.search(shown[conjunction + 1]):
        return None
    behind = range(conjunction + 1, min(len(shown), conjunction + 1 + _NOUNS_BESIDE))
    last = next((index for index in behind if _BODY.search(shown[index]) and len(shown[index]) > 1), None)
    owners = range(conjunction - 2, max(-1, conjunction - 1 - _NOUNS_BESIDE), -1)
    first = next((index for index in owners if _OWNER.search(shown[index])), None)
    return None if last is None or first is None else (first, last)


def may_own(word: str) -> bool:
    """Whether a word is what names of institutions begin with: a place or a larger institution."""
    return word.endswith(_OWNERS)


def last_of_body(shown: list[str]) -> int:
    """Return which of nouns that stand side by side ends the institution that the first one begins; 0 where none does."""
    for last in range(len(shown) - 1, 0, -1):
        if shown[last].endswith(_BODIES):
            return last
    return 0
