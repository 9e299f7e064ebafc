"""Rules of `boilerplate`, by name: the words that show that a paragraph, or a part of one, is no article.

A pattern accounts for all of what it removes. It is written over several lines, whose edges do not count; <NAME> stands for one
of `_PARTS`; a space between two Hangul syllables may be missing in the page. Repetitions are bounded, or possessive where
they could be split in several ways, so that no paragraph takes long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_PARTS = {
    "MAIL": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}",
    "OPEN": r"[\s<\[(【〈《*※■▶▷☞-]*+",
    "CLOSE": r"[\s>\])】〉》.!~▶☞]*+",
    "MARK": r"[▶▷►☞◆◇■□●○◎※★☆▼→➡👉]",
    "CLAUSE": r"(?:[^.!?]|\.(?=\S)|(?<=Inc|Ltd)\.|(?<=Co)\.|(?<=Corp)\.)",  # one character of what is no more than one sentence
    # Nobody is quoted as saying it
    "UNSPOKEN": r"(?!.*(?:[\"“”]|\b(?:said|says|told|wrote)\b))",
    # 홍길동 기자, 홍길동·김철수 선임기자, 홍길동기자; no syllable may follow, so neither 기자가 nor 기자는
    "REPORTER": r"""
        [가-힣]{2,4}(?:\s?[·,/]\s?[가-힣]{2,4}| [가-힣]{2,4}){0,3}?\s?
        <BEAT>(?:기자|특파원|통신원|논설위원|PD)(?![가-힣])
    """,
    "BEAT": r"""
        (?:온라인|인턴|수습|선임|객원|편집|사진|영상|의학|과학|경제|정치|문화|스포츠|국제|방송|취재|대)?
        (?:뉴스|전문)?\s?
    """,
    # 서울=   스포츠한국 |   아무일보   아무경제(부산)=
    "DESK": r"(?:[\w가-힣.&·]{2,12}(?:\([가-힣]{2,6}\))?(?:\s?[=|ㅣ/]\s?|\s))?",
    # Jane Roe in Seoul and J. van Dyk
    "NAMES": r"<NAME>(?:[\s,;&/]++<NAME>)*",
    "NAME": r"(?:[A-ZÀ-Þ][\w.'’-]*+|(?:and|in|of|de|la|van|von|bin|al)\b)",
    "MONTH": r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?",
    "TIME": r"""
        (?:[\d:./,()\[\]~|@\s-]|[년월일시분]|오전|오후|[월화수목금토일]요일|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*+|
        <MONTH>|[ap]\.?m\b\.?|at\b|on\b|[ecmp][sd]?t\b|gmt|utc|kst|bst)
    """,
    "AGENCY": r"""
        (?:Reuters|Thomson Reuters Foundation|AP|AFP|Yonhap|Xinhua|UPI|Bloomberg|Kyodo|dpa|DPA|IANS|ANI|PTI|CNN|
        PRNewswire|Business Wire|BUSINESS WIRE|GLOBE NEWSWIRE)
    """,
    "WIRES": r"(?:연합뉴스|뉴시스|뉴스1|게티 이미지(?:뱅크|코리아)?|AP|AFP|로이터|EPA|신화)",
    "NETWORK": r"(?:Twitter|X|Facebook|Instagram|Telegram|WhatsApp|YouTube|LinkedIn|Threads|Bluesky|TikTok|Google News)",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that accounts for a whole paragraph of at most `longest` characters."""

    name: str
    where: Literal["head", "tail", "both"]
    longest: int
    pattern: re.Pattern[str]


def _compiled(pattern: str) -> re.Pattern[str]:
    while reference := re.search(r"<([A-Z]+)>", pattern):
        pattern = pattern.replace(reference[0], _PARTS[reference[1]])
    joined = "".join(line.strip() for line in pattern.split("\n"))
    return re.compile(re.sub(r"(?<=[가-힣]) (?=[가-힣])", r"\\s?", joined))


def _rule(name: str, where: Literal["head", "tail", "both"], longest: int, pattern: str) -> Rule:
    return Rule(name, where, longest, _compiled(pattern))


_WHO_AND_WHEN = (
    # 홍길동 기자 hong@example.com   [스포츠한국 | 홍길동기자]   서울=홍길동 기자
    _rule("reporter", "both", 120, r"""
        [\[(<]?<DESK><REPORTER>(?:\s?[·,/&]\s?<REPORTER>)?[\])>]?[\s=/|(<\[]*+(?:<MAIL>[\s,/·]*+){0,3}[\])>=.]*+
    """),
    # 글 홍길동 기자/사진 김철수 기자
    _rule("reporter", "both", 60, r"""
        (?:글|사진|글·사진|영상)\s?[=:]?\s?<REPORTER>(?:[\s/,]+(?:사진|영상|그래픽)\s?[=:]?\s?<REPORTER>)?
    """),
    _rule("reporter", "both", 60, r"기자\s?[:=]\s?[가-힣]{2,4}\s*(?:\(?<MAIL>\)?)?"),
    # 아무 뉴스 홍길동입니다.
    _rule("reporter", "tail", 60, r"[가-힣A-Z]{2,8}\s?뉴스,?\s[가-힣]{2,4}입니다\.?(?:\s*\(?<MAIL>\)?)?"),
    _rule("byline", "head", 120, r"(?:By|BY|Written by|Story by)\s<NAMES>(?:\s?\|\s?<NAMES>)?(?:\s\(?<MAIL>\)?)?"),
    _rule("byline", "both", 120, r"<NAMES>[,|]?\s(?:[Ss]taff [Ww]riter|STAFF WRITER|[Ss]taff [Rr]eporter|[Cc]orrespondent)"),
    _rule("email", "both", 100, r"(?i:(?:e-?mail|이메일|contact)\s?[:=]?\s?)?[\[(<]?<MAIL>[\])>]?"),
    _rule("email", "tail", 100, r"(?i:(?:https?://)?(?:www\.)?(?:twitter|x|facebook|instagram)\.com/[\w./-]+)"),
    # 기사입력 2024-05-01 10:00   Updated at 1:23 p.m.
    _rule("timestamp", "both", 120, r"""
        (?i:(?:기사 ?)?(?:입력|승인|송고|등록|최종 수정|수정|업데이트|발행)(?: ?일시| ?시간| ?일)?|
        first published|published|last updated|updated|posted|modified)\s?(?=.{0,16}\d)
        (?i:<TIME>|입력|승인|등록|최종|수정|업데이트|updated|published)++
    """),
)  # fmt: skip

_INVITATIONS = (
    # ■ 제보하기 ▷ 카카오톡 : '아무제보' 검색   여러분의 제보를 기다립니다 (no sentence that ends in plain 다)
    _rule("tips", "tail", 200, r"""
        (?=.*(?:카카오톡|카톡|이메일|전화|@|검색|기다립니다|받습니다|☎))(?!.*[^니]다\.?$)
        <OPEN>(?:[\w가-힣]{1,8} )?(?:뉴스 )?(?:기사 ?|사진·?영상 ?|여러분의 ?)?제보(?:는 |하기|를 (?:기다|받)|[·:\])]| ▷).*
    """),
    _rule("tips", "tail", 100, r"<MARK>\s?(?:카카오톡|카톡|이메일|전화|유튜브|네이버|라인)[^.!?:]{0,12}:\s?[^!?]{1,60}"),
    # Sign up for our daily newsletter.   CLICK HERE TO GET THE APP
    _rule("newsletter", "both", 200, r"""
        <UNSPOKEN>(?i:(?:please |click here to )?(?:subscribe to (?:the|our|my)|
        (?:sign up|register)(?: here| now| today)? (?:for|to) (?:the|our|a|my)|get (?:the|our)|join our|download (?:the|our))\b
        [^.!?]{0,60}\b(?:newsletters?|inbox|briefing|alerts|app|channel|on the go)\b[^.!?]{0,90}[.!]?)
    """),
    _rule("newsletter", "both", 120, r"""
        <UNSPOKEN>(?i:(?:click|tap) here to (?:subscribe|sign up|join)\b[^.!?]{0,80}[.!]?|
        get [^.!?]{3,40} on the go by clicking here[.!]?)
    """),
    _rule("newsletter", "tail", 200, r"""
        (?i:(?:there's plenty more where that came from\.|enjoyed this (?:article|story)\?) (?:sign up|subscribe)\b.*)
    """),
    # Follow us on Twitter and Facebook.   Follow Jane Roe on X @janeroe
    _rule("follow", "both", 160, r"""
        (?:You can )?(?:[Ff]ollow|FOLLOW|[Ff]ind|[Jj]oin|[Ll]ike)\s
        (?:us|me|(?:the )?<NAME>(?: <NAME>){0,3}|@\w+),? (?:@\w+ )?(?:on|at|via) (?:our )?<NETWORK>
        (?:[\s,:]++(?:(?:and|or|at|for|on|more|the|latest|updates|news)\b|@\w+|https?:\S+|<NETWORK>))*+[.!]?
    """),
    _rule("follow", "tail", 160, r"(?:Follow|More) (?:AP|Reuters)\b[^.!?]{0,60}:? ?(?:at )?https?://\S+(?: and https?://\S+)?"),
    _rule("follow", "tail", 80, r"""
        (?i:follow|on twitter|twitter|instagram|facebook|트위터|페이스북|인스타그램)\s?:?\s*@\w{2,20}(?:[ ,]+@\w{2,20}){0,3}\.?
    """),
    # Share this article   공유하기 페이스북 트위터   Comments
    _rule("share", "both", 100, r"""
        (?i:(?:(?:share|post|like|print|save|email)(?: this(?: (?:article|story|post|page)| on <NETWORK>)?)?|tweet|
        facebook|twitter|whatsapp|linkedin|pinterest|copy link|(?:leave a )?comments?|view comments|
        공유(?:하기)?|이 기사를 공유합니다|페이스북|트위터|카카오톡|카카오스토리|URL ?복사|인쇄(?:하기)?|글자 크기|스크랩|
        좋아요|댓글(?: ?쓰기| ?보기)?|추천해요)[\s,|/·0-9+-]*+)++
    """),
    _rule("share", "tail", 100, r"""
        (?i:\d+ comments?|(?:like|enjoy|enjoyed|love) this (?:story|article|post)\? (?:share|tell|pass) [^.!?]{0,50}[.!]?)
    """),
    # ▶ 아무뉴스 채널 구독하기   네이버에서 아무일보 구독하세요
    _rule("subscribe", "both", 140, r"""
        \[?\s?<MARK>++[^.!?]{0,90}(?:구독(?:하기|하세요|해 주세요)?|바로 가기|팔로우(?:하기)?|채널 추가(?:하기)?|친구 추가|
        더 보기|다운로드|클릭(?:하세요)?|만나보세요|받아보세요)<CLOSE>
    """),
    _rule("subscribe", "both", 100, r"""
        \[?(?:네이버|카카오톡?|유튜브|구글|텔레그램)[^.!?]{0,60}
        (?:구독(?:하기|하세요|해 주세요)|바로 가기|팔로우하기|채널 추가(?:하기)?|친구 추가)<CLOSE>
    """),
    # [관련기사] 제목   Read more: a title
    _rule("related", "both", 160, r"""
        <OPEN>(?i:관련 ?(?:기사|뉴스)|related(?: (?:story|stories|articles?|posts?|coverage|video))?|also on [\w.]{3,30}|
        read (?:more|also|next)|also read|see also|more|watch|don['’]t miss)\s?
        (?:[:=|\])>]|☞|▶)\s?(?:[^.!]|\.(?=\S)){3,140}
    """),
)  # fmt: skip

_RIGHTS_AND_CREDITS = (
    # <저작권자(c) 아무통신, 무단 전재 및 재배포 금지>   ⓒ 아무일보, 무단전재 금지   무단 전재를 금합니다.
    _rule("rights", "both", 220, r"""
        <OPEN>(?i:(?:저작권자?\s?(?=[ⓒ©(:<\[\s])|copyrights?\b|ⓒ|©|\(c\)|(?:본|이) (?:기사|콘텐츠)).{0,140}|)
        무단 ?(?:전재|복제|배포|사용|도용|수집|이용).{0,60}(?:금지|금합니다|불허)(?:합니다|함|됩니다)?<CLOSE>
    """),
    # © 2024 Daily Example. All rights reserved.
    _rule("rights", "both", 220, r"""
        <OPEN>(?i:(?:copyrights?|저작권자?)?\s?(?:ⓒ|©)|(?:copyrights?|저작권자?)\s?(?:\(c\)|:))
        <CLAUSE>{1,110}?(?:[.,]?\s?(?i:all rights? reserved))?(?:\.\s(?i:this material may not be )<CLAUSE>{5,90})?<CLOSE>
    """),
    # Copyright 2024 The Associated Press. All rights reserved. This material may not be published, ...
    _rule("rights", "both", 220, r"""
        <OPEN>(?i:copyright) (?:19|20)\d\d(?:-\d{2,4})?,? (?:(?:by|the) ){0,2}<NAMES>
        (?:[.,]?\s?(?i:all rights? reserved))?(?:\.\s(?i:this material may not be )<CLAUSE>{5,90})?<CLOSE>
    """),
    _rule("rights", "both", 120, r"(?:<NAMES>[.,]?\s)?(?i:all rights reserved)<CLOSE>"),
    _rule("rights", "tail", 250, r"""
        (?i:this (?:material|article|story) (?:may|can) ?not be (?:published|reproduced|copied|republished)\b.*)|
        (?:이|본) (?:기사|콘텐츠|저작물)의 (?:모든 ?)?저작권은 .{1,40}에 있(?:습니다|으며).*
    """),
    # (Reporting by Jane Roe in Seoul; Editing by J. van Dyk)
    _rule("wire_credit", "tail", 400, r"""
        (?=.{0,60}\b[Bb]y )\(?(?:(?:With )?[Aa]dditional |Further )?
        (?:[Rr]eporting|[Ww]riting|[Ee]diting|[Cc]ompiled|[Tt]ranslation|[Gg]raphics?)\b
        (?:[\s,;&/.]++(?:<NAME>|(?:by|additional|further|reporting|writing|editing|the|with|from)\b))++[.)]*+
    """),
    # Associated Press writer Jane Roe contributed to this report.
    _rule("wire_credit", "tail", 300, r"""
        \(?(?:(?:<NAME>|(?:staff|news|also|the|writers?|reporters?|journalists?|correspondents?)\b)[\s,;&/]++)++
        contributed to this (?:report|story|article)(?: from <NAMES>)?[.)]*+
    """),
    _rule("wire_credit", "tail", 80, r"Our Standards:\s?The Thomson Reuters Trust Principles.{0,20}"),
    _rule("source", "tail", 70, r"(?:SOURCES?|Sources?|출처|자료 ?출처|자료)\s?[:=]\s?[^.!?]{2,60}"),
    _rule("end_mark", "tail", 12, r"[(<\[]\s?(?:끝|END|end|ENDS|ends)\s?[)>\]]|-\s?(?:30|END|ends?)\s?-|###"),
)  # fmt: skip

_PICTURES = (
    # 사진=아무통신   [그래픽=홍길동]   /사진제공=아무엔터
    _rule("caption", "both", 80, r"""
        (?!.*다\.?$)[▲△◀▶/\[(<]?\s?(?:사진|그래픽|이미지|자료 ?사진|일러스트|삽화)(?: ?제공)?\s?[=:|/ㅣ]\s?[^.!?]{1,60}[.\])>]*+
    """),
    # 아무엔터 사진제공   (자료사진)
    _rule("caption", "both", 60, r"""
        [\[(</]?\s?(?:[\w가-힣·&/]{1,16} ){0,2}(?:사진 제공|제공 사진|자료 사진|홈페이지 캡처|방송 화면 캡처|유튜브 캡처)
        (?:\s?[=:/]\s?[^.!?]{1,30})?[\])>]*+
    """),
    # ▲ 시장이 기념식에서 축사를 하고 있다. (사진=아무시 제공)
    _rule("caption", "both", 200, r"""
        [▲△▼◀]\s?[^▲△]{2,150}
        (?:모습|있다|장면|전경|조감도|포스터|캡처|제공|(?:사진|그래픽|출처|제공|자료)\s?[=:/]\s?[^.!?]{1,40}|[ⓒ©/]\s?[^.!?]{1,30})
        [.\])>\s]*+
    """),
    # 시민들이 다리를 건너고 있다. 연합뉴스 (in brackets or behind a stroke)
    _rule("caption", "both", 160, r"""
        [^.!?]{5,110}(?:있다|모습(?:이다)?|장면|전경)\.?\s?[\[(</]\s?(?:사진\s?[=:/]\s?)?
        (?:(?:<WIRES>[ =/·]?){1,2}|(?:사진 )?공동취재단|자료 사진|[\w가-힣 ]{2,16} 제공|[가-힣]{2,4} 기자)[\])>.]*+
    """),
    _rule("caption", "both", 40, r"[\[(</ⓒ©]*+\s?(?:<WIRES>[ =/·]?){1,2}\s?(?:제공)?[\])>]*+"),
    # Photo: Jane Roe   Image credit: Example Museum   Photos by Jane Roe
    _rule("caption", "both", 110, r"""
        [\[(]?\s?(?i:(?:file )?photos?|images?|pictures?|illustrations?|video|(?:photo |image |picture )?credits?)
        (?: courtesy(?: of)?)?(?:\s?[:|]\s?[^.!?]{2,80}| by <NAMES>)[.\])]*+
    """),
    # A ferry leaves the harbour, May 1, 2024. REUTERS/Jane Roe   (Jane Roe/Getty Images)
    _rule("caption", "both", 280, r"""
        (?:[^.!?]{5,200}[.!?]?\s)?
        (?:[\[(]?(?:REUTERS|AP Photo) ?/ ?<NAMES>|[\[(]?Photo(?:graph)? by <NAME>(?: <NAME>){1,3}(?:/[\w ]{2,20})?|
        \((?:<NAMES>/)?(?:Getty Images|Shutterstock|iStock)\b|<NAME>(?: <NAME>){0,3}/(?:Getty Images|AFP|AP|Shutterstock)\b)
        (?: via (?:Getty Images|AP|REUTERS|Reuters))?(?:, (?:[Ff]ile|FILE))?[\]).]*+
    """),
    _rule("caption", "both", 40, r"(?:Getty Images|Shutterstock|iStock(?:photo)?|via (?:AP|Reuters|Getty Images))"),
)  # fmt: skip

PARAGRAPHS = (*_WHO_AND_WHEN, *_INVITATIONS, *_RIGHTS_AND_CREDITS, *_PICTURES)

# A heading of the tail behind which only titles stand.
RELATED_HEADING = _compiled(r"""
    <OPEN>(?i:관련 ?(?:기사|뉴스)|(?:오늘의 ?|이 시각 ?|실시간 ?)?(?:많이 본|주요|인기|추천|핫|이슈|최신|함께 본) ?(?:뉴스|기사)|
    이 기자의 다른 기사|related(?: (?:stories|articles|posts|coverage|content|news|topics|links))?|you (?:may|might) also like|
    most (?:read|popular|viewed)|recommended(?: for you)?|read (?:more|next|also)|trending(?: now)?|don['’]t miss|also read|
    more (?:on this(?: story)?|stories|news|from [\w .'’&-]{2,40})|see also|top stories|editor['’]s picks?)[\s:.…]*+<CLOSE>
""")

# Beginnings of the first paragraph, up to the article's first word.
BEGINNINGS = (
    # (서울=연합뉴스) 홍길동 기자 =   [부산=뉴시스]홍길동 기자 =
    ("dateline", _compiled(r"""
        \s*[\[(【]\s?[\w가-힣·,. ]{1,24}[=/|ㅣ]\s?[\w가-힣 ]{2,16}[\])】]\s?
        (?:<REPORTER>\s?){0,2}(?:\(?<MAIL>\)?\s?)?[=—–-]\s?
    """)),
    ("dateline", _compiled(r"\s*[\[(【]\s?[가-힣]{2,8}\s?=\s?<WIRES>\s?[\])】]\s?")),
    # [아무일보 홍길동 기자]   [아무경제=홍길동 기자]
    ("dateline", _compiled(r"\s*[\[(【]\s?<DESK><DESK><REPORTER>(?:\s<MAIL>)?\s?[\])】]\s?=?\s?")),
    # 홍길동 기자 =   부산=홍길동 기자 =
    ("dateline", _compiled(r"\s*(?:[가-힣]{2,6}\s?=\s?)?<REPORTER>(?:\s?\(?<MAIL>\)?)?\s?[=|]\s?")),
    # WASHINGTON, Nov. 19 (Reuters) -   (AP) —   PARIS, June 1, 2024 /PRNewswire/ --
    ("dateline", _compiled(r"""
        \s*(?:[A-Z][\w.’' -]{1,30}+(?:, [A-Z][\w.’' -]{1,30}?)?(?:,? <MONTH> \d{1,2}(?:, \d{4})?)?\s?)?
        [(/]\s?<AGENCY>(?:/<AGENCY>)?\s?[)/]\s?[-–—]{1,3}\s?
    """)),
)  # fmt: skip

# Ends of the last paragraph; `boilerplate` sees to it that a sentence ends before them.
ENDS = (
    # / 홍길동 기자 hong@example.com   [아무일보 홍길동 기자]
    ("reporter", _compiled(r"""
        [\[(/=]?\s?(?:[\w가-힣]{2,10}[ =]\s?)?<REPORTER>\s?[=/(<\[]*+\s?(?:<MAIL>[\s,/]*+){0,2}[\])>]*+\.?$
    """)),
    ("email", _compiled(r"[\[(/]?<MAIL>[\])]?$")),
    ("rights", _compiled(r"[<\[(【]\s?(?i:저작권|copyright|ⓒ|©|\(c\))[^<\[【]{1,160}[>\])】]\.?$")),
    ("rights", _compiled(r"(?i:저작권자?\s?|copyrights?\s?)?(?:ⓒ|©)[^ⓒ©]{1,120}(?:금지|(?i:reserved))[.>\])】]*+$")),
    ("rights", _compiled(r"무단 전재[^.]{0,40}금지[.>\])】]*+$")),
    ("wire_credit", _compiled(r"\((?i:additional )?(?i:reporting|writing|editing|compiled)(?: and \w+)? by [^()]{3,200}\)\.?$")),
    ("end_mark", _compiled(r"[(<\[]\s?(?:끝|END|end)\s?[)>\]]\.?$")),
)  # fmt: skip
