"""Bodies of several containers, made one before extraction: of alike ones trafilatura reads the first.

News systems cut an article's body at advertisements, each piece in a container of the same class.
"""

from __future__ import annotations

import re
from typing import Any

_LEAST_CHARS = 80  # of a container's own paragraphs
_MOST_LINKED = 0.3  # of its characters
_TEASER_CHARS = 150
_OTHERS = re.compile(r"comment|reply|related|recommend|sidebar|footer|promo|newsletter|card|teaser", re.IGNORECASE)


def join(tree: Any) -> None:
    """Move what further containers of the body hold into the first, in order, and keep a lead that is called a teaser."""
    for article in tree.iter("article", "main"):
        _keep_leads(article)
    first = _first_body(tree)
    if first is None or not (names := _names(first)) or not _is_text(first):
        return
    inside = {first, *first.iterancestors(), *first.iterdescendants()}
    alike = [each for each in tree.iter(first.tag) if each not in inside and _names(each) == names]
    # held: lxml knows an element by one object for as long as there is one
    articles = list(tree.iter("article"))
    for other in alike:
        if _article_of(other, articles) is _article_of(first, articles) and _is_text(other):
            _move(other, first)


def _first_body(tree: Any) -> Any:
    from trafilatura.xpaths import BODY_XPATH

    return next(iter(BODY_XPATH[0](tree)), None)


def _names(element: Any) -> set[str]:
    return {name.rstrip("0123456789-_") for name in (element.get("class") or "").split()}


def _article_of(element: Any, articles: list[Any]) -> Any:
    return next((each for each in element.iterancestors("article") if each in articles), None)


def _is_text(element: Any) -> bool:
    """Return whether a container holds running paragraphs of the article, not cards, comments or links."""
    around = " ".join(each.get("class") or "" for each in (element, *list(element.iterancestors())[:4]))
    if _OTHERS.search(around) or element.find(".//h1") is not None:
        return False
    if any(each.tag in ("aside", "nav", "footer") for each in element.iterancestors()):
        return False
    return _own_chars(element) >= _LEAST_CHARS and _linked_share(element) <= _MOST_LINKED


def _own_chars(element: Any) -> int:
    return sum(len("".join(each.itertext()).strip()) for each in element.iter("p"))


def _linked_share(element: Any) -> float:
    whole = len("".join(element.itertext()).strip())
    return sum(len("".join(link.itertext()).strip()) for link in element.iter("a")) / whole if whole else 1.0


def _move(other: Any, first: Any) -> None:
    if (other.text or "").strip():
        paragraph = other.makeelement("p")
        paragraph.text, other.text = other.text, None
        first.append(paragraph)
    for child in list(other):
        first.append(child)


def _keep_leads(article: Any) -> None:
    """Take the class off first paragraphs in a block that is called a teaser, which is dropped as one that leads elsewhere."""
    for element in article.iter("div", "section"):
        name = element.get("class") or ""
        if "teaser" in name.lower() and element.find(".//a") is None and _own_chars(element) >= _TEASER_CHARS:
            del element.attrib["class"]
