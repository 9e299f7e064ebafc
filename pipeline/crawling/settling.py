"""Whether the new body of a page is a new state of it, or only trouble: an empty answer, a log-in page, an error that says 200.

What made an article once stays until something else does.  A copy that leads elsewhere than before counts when it is still the
same article.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from pipeline.crawling.addresses import key
from pipeline.crawling.frontier import Frontier
from pipeline.crawling.pages import Page
from pipeline.crawling.urls import Verdict
from pipeline.crawling.workers import Item, Workers

GROUP = 64  # verdicts in one commit: a kill costs no more of them
MOVED = "redirected_away"
_STILL = 0.5  # of an article that has to be there when it has moved
_PIECE = 16  # letters: long enough to be of one article alone, in any script


def settle(frontier: Frontier, workers: Callable[[], Workers]) -> Counter[str]:
    """For each page that changed in this run; why others stayed as they were."""
    changed, troubles = list(frontier.unsettled().items()), Counter[str]()
    for at in range(0, len(changed), GROUP):
        verdicts = _verdicts(frontier, workers(), dict(changed[at : at + GROUP]))
        frontier.settle(verdicts)
        troubles.update(verdict.reason for verdict in verdicts if verdict.reason)
    return troubles


def _verdicts(frontier: Frontier, workers: Workers, places: dict[int, tuple[str, str]]) -> list[Verdict]:
    moved = {number: now for number, (before, now) in places.items() if key(before) != key(now)}
    new = workers.extract_all(_items(frontier, places, former=False))
    doubtful = {number: page for number, page in new if page.reason is not None or number in moved}
    formers = workers.extract_all(_items(frontier, doubtful, former=True))
    found = {number: _verdict(number, former, doubtful[number], moved.get(number)) for number, former in formers}
    return [found.get(number) or Verdict(number) for number in places]


def _items(frontier: Frontier, numbers: Iterable[int], former: bool) -> Iterator[Item[int]]:
    for number in numbers:
        copy = frontier.copy(number, former)
        yield number, copy.body, copy.url, copy.charset


def _verdict(number: int, former: Page, new: Page, moved_to: str | None) -> Verdict:
    if former.reason is not None:  # there is nothing to lose
        return Verdict(number)
    if new.reason is not None:
        return Verdict(number, new.reason, new.detail)
    return Verdict(number, MOVED, moved_to) if moved_to and not _is_still(former, new) else Verdict(number)


def _is_still(former: Page, new: Page) -> bool:
    before = _pieces(former.text)
    return len(before & _pieces(new.text)) >= _STILL * len(before)


def _pieces(text: str) -> set[str]:
    letters = "".join(text.split())
    return {letters[at : at + _PIECE] for at in range(max(1, len(letters) - _PIECE + 1))}
