"""What people say of topics: two are one, one is called so.  It is noted in the log, for good."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_case, fold_space
from pipeline.job.workspace import Workspace
from pipeline.topics import grouping, stage
from pipeline.topics.log import BY_HAND, Topics, encoded


def merge(work: Workspace, ids: Sequence[int], is_renamed: bool = False) -> int:
    """Make some topics one, which keeps the id of the largest, and the name that a person gave; return it.

    `is_renamed`: it is given a name right away.  Raises InputError for ids that no topic has, where several have names by hand, and
    where the job drops some of them and not the others.
    """
    state = stage.opened(work)
    chosen = sorted({_known(state.topics, work, number) for number in ids})
    if len(chosen) < 2:
        raise InputError(
            f"{work.topic_table.path}: --merge needs two topics or more; {', '.join(map(str, ids))} are one"
        )
    _check_dropped(work, chosen)
    name = None if is_renamed else _name_by_hand(state.topics, work, chosen)
    rows = {number: np.flatnonzero(state.assigned.topic == number) for number in chosen}
    into = max(chosen, key=lambda number: (len(rows[number]), -number))
    middle, reach = grouping.middle_of(state.space.space, np.sort(np.concatenate(list(rows.values()))))
    event = {"event": "merged", "ids": chosen, "into": into, "centroid": encoded(middle), "reach": round(reach, 6)}
    named = [{"event": "named", "id": into, "name": name, "by": BY_HAND}] if name else []
    stage.apply_by_hand(work, event, *named)
    return into


def _check_dropped(work: Workspace, chosen: Sequence[int]) -> None:
    dropped = set(stage.options_of(work).drop) & set(chosen)
    if dropped and len(dropped) < len(chosen):
        names = ", ".join(map(str, sorted(dropped)))
        raise InputError(
            f"{work.config.file}: topics.drop names {names} and not all of {', '.join(map(str, chosen))}: name all of them, or "
            "none, before they are merged"
        )


def _name_by_hand(topics: Topics, work: Workspace, chosen: Sequence[int]) -> str | None:
    names = [topics.live[number].name for number in chosen if topics.live[number].named_by == BY_HAND]
    if len(names) > 1:
        raise InputError(
            f"{work.topic_table.path}: people named {' and '.join(map(repr, names))}; say what the merged topic is called: "
            f"--merge {','.join(map(str, chosen))} --rename {chosen[0]} NAME"
        )
    return names[0] if names else None


def rename(work: Workspace, number: int, name: str) -> None:
    """Give a topic a name.  Raises InputError for one that another topic has."""
    topics = stage.opened_log(work)
    number, name = _known(topics, work, number), fold_space(name)
    if not name:
        raise InputError(f"{work.topic_table.path}: --rename {number}: the name is empty")
    for other in topics.live.values():
        if other.id != number and fold_case(other.name) == fold_case(name):
            raise InputError(f"{work.topic_table.path}: topic {other.id} is called {other.name!r} already")
    stage.apply_by_hand(work, {"event": "named", "id": number, "name": name, "by": BY_HAND})


def _known(topics: Topics, work: Workspace, number: int) -> int:
    now = topics.now(number)
    if now not in topics.live:
        ids = ", ".join(map(str, sorted(topics.live)[:20]))
        raise InputError(f"{work.topic_table.path}: no topic {number}; there are: {ids or 'none'}")
    return now
