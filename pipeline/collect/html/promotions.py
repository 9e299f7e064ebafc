"""What leads away from within an article: paragraphs that are a link to another one, and boxes that pop up over a word.

They are found by how the page is built, with words only where a link alone is no proof: a paragraph may be a link because its
subject is. They are taken out before extraction, which would read them as sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline.core.text.folding import fold_space

_MOST = 0.34  # of an article's paragraphs; where there are more, links are its subject
_LEAST_PARAGRAPHS = 4
_LEAST_LETTERS = 12  # of a heading in capitals
_MOST_CHARS = 300
_BOX = re.compile(
    r"(?:rollover|tooltip|popover|pop-?up|hover-?card|flyout)[\w-]*?(?:block|box|body|content|card|inner|text)", re.I
)
# Words that say that something else follows: at the beginning of the paragraph, before a colon or alone.
_CUE = re.compile(
    r"""(?xi) [\W_]* (?:
    (?:read|see|watch|listen|check\sout)\s(?:more|also|next|this|the\sfull\sstory)(?:\son\s\S+)? |
    also\s(?:read|on|see|watch)(?:\s\S+)? | (?:more|further)\s(?:from|on|reading)(?:\s\S+){0,3} |
    related(?:\s(?:story|stories|article|articles|news|content|video))? | don['’]?t\smiss | recommended |
    you\s(?:may|might)\s(?:also\s)?like | click\shere(?:\s(?:to|for)\b.*)? | (?:get|download)\sthe\b.*\bapp |
    lire\s(?:aussi|également|la\ssuite) | (?:à|a)\slire\s(?:aussi|également) | voir\saussi |
    (?:lesen|sehen)\ssie\sauch | mehr\s(?:zum\sthema|dazu) | (?:lea|lee|leer|ver)\s(?:también|más) | te\spuede\sinteresar |
    leia\s(?:também|mais) | veja\s(?:também|mais) | leggi\s(?:anche|tutto) | lees\sook |
    관련\s?(?:기사|뉴스|글) | 함께\s?(?:보면|읽으면)(?:\s?좋은)?(?:\s?기사)? | (?:더|이어)\s?(?:보기|읽기) |
    あわせて読みたい | 関連(?:記事)? | 相关(?:阅读|新闻|报道)
    ) [\s:：>»→\])】·-]* """
)


def take_out(tree: Any) -> list[tuple[str, str]]:
    """Remove such parts from a page (an lxml tree); return what was removed as (rule, text), in the page's order."""
    removed = [("popup", text) for text in _drop(_boxes(tree))]
    paragraphs = [p for p in tree.iter("p") if fold_space("".join(p.itertext()))]
    promoting = [p for p in paragraphs if _leads_away(p)]
    if len(paragraphs) >= _LEAST_PARAGRAPHS and len(promoting) <= _MOST * len(paragraphs):
        removed += [("promotion", text) for text in _drop(iter(promoting))]
    return removed


def _boxes(tree: Any) -> Iterator[Any]:
    """Yield the boxes that stand within paragraphs; those around a whole paragraph are something else."""
    for paragraph in tree.iter("p"):
        for element in paragraph.iter("span", "div", "aside"):
            if _BOX.search(element.get("class") or ""):
                yield element


def _drop(elements: Iterator[Any]) -> list[str]:
    texts = list[str]()
    for element in list(elements):
        if element.getparent() is not None:
            texts.append(fold_space("".join(element.itertext()))[:_MOST_CHARS])
            element.drop_tree()
    return [text for text in texts if text]


def _leads_away(paragraph: Any) -> bool:
    """Return whether a paragraph is links alone, and says that they lead elsewhere: by a cue, or in capitals."""
    text = fold_space("".join(paragraph.itertext()))
    links = [fold_space("".join(link.itertext())) for link in paragraph.iter("a") if link.get("href")]
    if not any(links) or len(text) > _MOST_CHARS * max(1, len(links)):
        return False
    rest = text
    for link in links:
        rest = rest.replace(link, " ", 1)
    if cue := fold_space(rest):
        return _CUE.fullmatch(cue) is not None
    return _CUE.match(text) is not None or _is_in_capitals(text)


def _is_in_capitals(text: str) -> bool:
    return text == text.upper() and sum(character.isupper() for character in text) >= _LEAST_LETTERS
