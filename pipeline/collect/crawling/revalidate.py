"""Whether the new body of a page is a new state of it, or only trouble: an empty answer, a log-in page, an error that says 200.

What made an article once stays until something else does.  A copy that leads elsewhere than before counts when it is still the
same article.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from pipeline.collect.crawling.frontier import Frontier
from pipeline.collect.crawling.types import Verdict
from pipeline.collect.html.extract import Page
from pipeline.collect.html.workers import Item, Workers
from pipeline.collect.urls import key

GROUP = 64  # verdicts in one commit: a kill costs no more of them
MOVED = "redirected_away"
_STILL = 0.5  # of an article that has to be there when it has moved
_PIECE = 16  # letters: long enough to be of one article alone, in any script


def settle(frontier: Frontier, workers: Callable[[], Workers], made_by: str) -> Counter[str]:
    """For each page that changed in this run; why others stayed as they were.  `made_by` names the extractor."""
    changed, troubles = list(frontier.unsettled().items()), Counter[str]()
    for at in range(0, len(changed), GROUP):
        verdicts = _verdicts(frontier, workers(), dict(changed[at : at + GROUP]))
        frontier.settle(verdicts, made_by)
        troubles.update(verdict.reason for verdict in verdicts if verdict.reason)
    return troubles


def _verdicts(frontier: Frontier, workers: Workers, places: dict[int, tuple[str, str]]) -> list[Verdict]:
    moved = {number: now for number, (before, now) in places.items() if key(before) != key(now)}
    new = dict(workers.extract_all(_items(frontier, places, former=False)))
    doubtful = [number for number, page in new.items() if page.reason is not None or number in moved]
    former = dict(workers.extract_all(_items(frontier, doubtful, former=True)))
    return [_verdict(number, former.get(number), page, moved.get(number)) for number, page in new.items()]


def _items(frontier: Frontier, numbers: Iterable[int], former: bool) -> Iterator[Item[int]]:
    for number in numbers:
        copy = frontier.copy(number, former)
        yield number, copy.body, copy.url, copy.charset


def _verdict(number: int, former: Page | None, new: Page, moved_to: str | None) -> Verdict:
    if former is None or former.reason is not None:  # there is no doubt, or nothing to lose
        return Verdict(number, _json(new))
    if new.reason is not None:
        return Verdict(number, _json(former), new.reason, new.detail)
    if moved_to is not None and not _is_still(former, new):
        return Verdict(number, _json(former), MOVED, moved_to)
    return Verdict(number, _json(new))


def _json(page: Page) -> str:
    return json.dumps(asdict(page))


def _is_still(former: Page, new: Page) -> bool:
    before = _pieces(former.text)
    return len(before & _pieces(new.text)) >= _STILL * len(before)


def _pieces(text: str) -> set[str]:
    letters = "".join(text.split())
    return {letters[at : at + _PIECE] for at in range(max(1, len(letters) - _PIECE + 1))}
