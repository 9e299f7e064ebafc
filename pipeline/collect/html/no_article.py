"""Pages that are no article although they have text: lists of articles, "not found" with status 200, walls before the page.

Each rule needs the whole page to be so: an article about cookies, or with many related titles around it, stays one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.core.text.folding import fold_space

_RUN = 3  # words, of which runs are compared: one word of a link is anywhere
_MOSTLY_LINKS = 0.5  # share of runs that are links'; 60 real articles have 0.23 at most
_LISTED = 0.4  # share of paragraphs that are a link; real articles have 0.23 at most
_LEAST_TITLES = 4
_TEASERS = 0.5  # share of characters under headings that are links
_MESSAGE_CHARS = 900  # of a page that only says something of itself
_SAYING_CHARS = 400  # of one that says it in its text alone
_OF_HEADING = 0.3  # share of a heading; the rest is the site's name
_WORD = re.compile(r"\w+")

_NOT_FOUND = re.compile(
    r"""(?xi) \b(?:error\s?)?404\b .{0,40} (?:not\sfound|error|오류|nicht|introuvable|no\sencontrada)|
    \b(?:page|article|story|file|url|address) .{0,60}
    (?:(?:was|were|is)\snot\s(?:found|available)|(?:can(?:no|['’])t|can\snot|could\s?n[o'’]t|could\snot)\sbe\sfound|
    (?:does\snot|doesn['’]t)\sexist)|
    \b(?:page|article|file|story)\snot\sfound|^not\sfound|\b(?:no\slonger|doesn['’]t)\s(?:exists?|available)|
    (?:페이지|기사|주소|문서|요청하신)\S{0,4} .{0,30} (?:찾을\s?수\s?(?:가\s?)?없|존재하지\s?않|사라졌)
    (?!\w*[다라]고|었|았|던|다는|는다는)|
    page\s(?:est\s)?(?:introuvable|inexistante)|seite\s(?:wurde\s)?nicht\sgefunden|p[áa]gina\sn(?:o|ão)\s(?:se\s)?(?:encontrad|existe|encuentra)|
    pagina\snon\strovata|ページ.{0,12}(?:見つかりません|存在しません)|(?:页面|頁面|网页).{0,6}(?:不存在|未找到|找不到)"""
)
_CONSENT = re.compile(
    r"""(?xi) \b(?:value|respect|care\sabout)\syour\sprivacy|\b(?:accept|reject|refuse|allow|manage)\s(?:all\s)?(?:the\s)?cookies|
    \buses?\scookies|store\sand(?:/or)?\saccess\sinformation|\bour\s(?:\d+\s)?(?:\w+\s)?partners|cookie\s(?:settings|preferences|policy)|
    personali[sz]ed\s(?:ads|advertising|content)|your\s(?:consent|choices)|legitimate\sinterest|쿠키.{0,20}(?:동의|허용|사용|수락)|
    개인\s?정보.{0,20}동의|accepter\s(?:tous\s)?les\scookies|tout\s(?:accepter|refuser)|alle\s(?:cookies\s)?akzeptieren|aceptar\s(?:todas\slas\s)?cookies|
    nous\sutilisons\sdes\scookies|verwende[nt]\s.{0,20}cookies|utilizamos\s.{0,20}cookies"""
)
_SCRIPT = re.compile(
    r"""(?xi) (?:enable|turn\son|activate|allow|requires?|needs?)\s.{0,40}\bjavascript|
    javascript\b.{0,40}(?:disabled|required|needed|enabled|turned\soff|not\ssupported|désactivé|deaktiviert|desactivado|aktivieren|활성|켜|사용|필요|꺼져)|
    자바스크립트.{0,30}(?:활성|켜|사용|허용|필요|꺼져)|activer\s.{0,20}javascript|(?:active|habilite)\s.{0,20}javascript|
    (?:checking|verify(?:ing)?)\s.{0,30}(?:your\sbrowser|you\sare\s(?:a\s)?human)|are\syou\sa\srobot"""
)


def why_not(tree: Any, title: str | None, paragraphs: Sequence[str]) -> str | None:
    """Return why a page with these paragraphs is no article, None where it may be one."""
    if is_list(tree, paragraphs):
        return "a list of links to articles"
    links = set(link_texts(tree))
    text = "\n".join(each for each in paragraphs if fold_space(each) not in links)  # without a menu
    if len(text) > _MESSAGE_CHARS:
        return None
    if any(map(_says_not_found, _headings(tree, title))) or (
        len(text) <= _SAYING_CHARS and _NOT_FOUND.search(text[:200])
    ):
        return "it says that there is no such page"
    sentences = [each for each in re.split(r"(?<=[.!?。])\s+|\n", text) if each.strip() and each != title]
    asking = sum(bool(_CONSENT.search(each)) for each in sentences)
    if asking and (asking == len(sentences) or (asking > 1 and 2 * asking >= len(sentences))):
        return "it asks for consent before it shows anything"
    if len(text) <= _MESSAGE_CHARS // 2 and _SCRIPT.search(text):
        return "it asks for JavaScript before it shows anything"
    return None


def _says_not_found(heading: str) -> bool:
    """Tell whether a heading says so and little else: an article may be about pages that are not found."""
    match = _NOT_FOUND.search(heading)
    return match is not None and len(match[0]) >= _OF_HEADING * len(heading)


def _headings(tree: Any, title: str | None) -> Iterable[str]:
    yield (title or "")[:200]
    for heading in list(tree.iter("h1", "title"))[:3]:
        yield fold_space(" ".join(heading.itertext()))[:200]


def link_texts(tree: Any) -> list[str]:
    """Return the texts of a page's links, in their order."""
    return [fold_space(" ".join(link.itertext())) for link in tree.iter("a")]


def is_list(tree: Any, paragraphs: Sequence[str]) -> bool:
    """Return whether a text is made of links, of titles that are links, or of what stands under such titles."""
    lines = [fold_space(each) for each in paragraphs if each.strip()]
    if not lines:
        return False
    links = link_texts(tree)
    if link_share(links, lines) >= _MOSTLY_LINKS:
        return True
    titles = {each for each in links if len(each) > 15}
    listed = sum(each in titles for each in lines)
    if listed >= _LEAST_TITLES and listed >= _LISTED * len(lines):
        return True
    teasers = _teasers(tree) & set(lines)
    return len(teasers) >= _LEAST_TITLES and sum(map(len, teasers)) >= _TEASERS * sum(map(len, lines))


def link_share(links: Sequence[str], lines: Sequence[str]) -> float:
    """Return the share of a text's runs of three words that are those of its page's links, one after another."""
    linked = _runs(_WORD.findall(" ".join(links)))
    of_links = set(linked)
    runs = _runs(_WORD.findall(" ".join(lines)))
    return sum(run in of_links for run in runs) / len(runs) if runs else 0.0


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)]


def _teasers(tree: Any) -> set[str]:
    """Return the paragraphs that stand beside a heading which is a link, as in a list of articles."""
    teasers = set[str]()
    for heading in tree.iter("h2", "h3", "h4", "h5"):
        text = fold_space(" ".join(heading.itertext()))
        links = [link for link in heading.iter("a") if fold_space(" ".join(link.itertext())) == text]
        parent = heading.getparent()
        if not text or not (links or (parent is not None and parent.tag == "a")) or parent is None:
            continue
        paragraphs = [each for each in parent.iter("p", "div") if each.tag == "p" or len(each) == 0]
        if len(paragraphs) <= 3:  # else it is the whole page's container
            teasers |= {fold_space(" ".join(each.itertext())) for each in paragraphs}
            teasers |= {_without_links(each) for each in paragraphs}
    return teasers


def _without_links(paragraph: Any) -> str:
    """Return a paragraph without a link at its end: `Read more`."""
    parts = [paragraph.text or "", *(each.tail or "" for each in paragraph)]
    return fold_space(" ".join(parts))


# --- menus around an article ---

_LEAST_ITEMS = 3  # links one after another, which are a menu
_LEAST_LEFT = 300  # characters


def without_menus(tree: Any, lines: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the lines of a text without the runs of links that it begins and ends with, and what was removed (rule, text).

    Where hardly anything would be left, nothing is removed: it is a list.
    """
    links = set(link_texts(tree))
    is_link = [fold_space(line.strip().removeprefix("- ")) in links for line in lines]
    head = next((at for at, linked in enumerate(is_link) if not linked), len(lines))
    tail = next((at for at, linked in enumerate(reversed(is_link)) if not linked), 0)
    start, end = head if head >= _LEAST_ITEMS else 0, len(lines) - (tail if tail >= _LEAST_ITEMS else 0)
    if sum(map(len, lines[start:end])) < _LEAST_LEFT:
        return list(lines), []
    return list(lines[start:end]), [("navigation", line) for line in (*lines[:start], *lines[end:])]
