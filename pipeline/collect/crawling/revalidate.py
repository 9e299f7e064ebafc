"""Revalidation of changed pages: a new body may be a new state, or an empty answer, a log-in page, an error with status 200.

A body that made an article stays until another one makes one.  A body from another address than before counts only where it is
still the same article.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from pipeline.collect.crawling.frontier import Frontier
from pipeline.collect.crawling.types import Revalidation
from pipeline.collect.html.extract import Page
from pipeline.collect.html.workers import Item, PageWorkers
from pipeline.collect.urls import key

GROUP_PAGES = 64  # in one commit: a kill costs no more of them
MOVED = "redirected_away"
_LEAST_SHARED = 0.5  # share of the former article's pieces that an article at another address must have
_PIECE_LETTERS = 16  # long enough to occur in one article alone, in any script


def revalidate(frontier: Frontier, workers: Callable[[], PageWorkers], made_by: str) -> Counter[str]:
    """Choose the body of each page that changed in this run; return how many kept the former one, by reason.

    `made_by` names the extractor.
    """
    changed, reasons = list(frontier.changed_pages().items()), Counter[str]()
    for start in range(0, len(changed), GROUP_PAGES):
        revalidations = _revalidate_group(frontier, workers(), dict(changed[start : start + GROUP_PAGES]))
        frontier.commit_revalidations(revalidations, made_by)
        reasons.update(revalidation.reason for revalidation in revalidations if revalidation.reason)
    return reasons


def _revalidate_group(
    frontier: Frontier, workers: PageWorkers, addresses: dict[int, tuple[str, str]]
) -> list[Revalidation]:
    moved = {number: now for number, (before, now) in addresses.items() if key(before) != key(now)}
    new = dict(workers.extract_all(_items(frontier, addresses, former=False)))
    doubtful = [number for number, page in new.items() if page.reason is not None or number in moved]
    former = dict(workers.extract_all(_items(frontier, doubtful, former=True)))
    return [_revalidation(number, former.get(number), page, moved.get(number)) for number, page in new.items()]


def _items(frontier: Frontier, numbers: Iterable[int], former: bool) -> Iterator[Item[int]]:
    for number in numbers:
        stored = frontier.stored_body(number, former)
        yield number, stored.body, stored.url, stored.charset


def _revalidation(number: int, former: Page | None, new: Page, moved_to: str | None) -> Revalidation:
    # nothing speaks against it, or there is nothing to lose
    if former is None or former.reason is not None:
        return Revalidation(number, _json(new))
    if new.reason is not None:
        return Revalidation(number, _json(former), new.reason, new.detail)
    if moved_to is not None and not _is_same_article(former, new):
        return Revalidation(number, _json(former), MOVED, moved_to)
    return Revalidation(number, _json(new))


def _json(page: Page) -> str:
    return json.dumps(asdict(page))


def _is_same_article(former: Page, new: Page) -> bool:
    former_pieces = _pieces(former.text)
    return len(former_pieces & _pieces(new.text)) >= _LEAST_SHARED * len(former_pieces)


def _pieces(text: str) -> set[str]:
    letters = "".join(text.split())
    return {letters[at : at + _PIECE_LETTERS] for at in range(max(1, len(letters) - _PIECE_LETTERS + 1))}
