"""What an engine is: the base class of what runs maps, in processes of this machine or on others.

A map is data: `build`, which a worker calls once to make what it needs (models, filters), and tasks, each of which says what it
is about.  Both are pickled, so `build` is a function of a module with its arguments (`functools.partial`), never a closure.  A
task may run anywhere, in any order, and again where its worker was lost: what it writes is whole or not there, and always the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.core.options import Options
from pipeline.core.plugin import Plugin

Build = Callable[[], Callable[[Any], Any]]


@dataclass(frozen=True)
class Task:
    """One call of what `build` returns: `given` is its argument, `name` what messages call it (a shard, a file)."""

    name: str
    given: Any


class EngineOptions(Options):
    """What every engine takes."""

    type: str


class Engine(Plugin):
    """Where maps run.  A plugin is a module with `Options`, an `EngineOptions`, and `Engine`."""

    memory: int | None = None
    """How many bytes the user gave the job on this machine, for folds, too; None: nothing was said."""

    def __init__(self, options: Any) -> None:
        """Take the checked options; nothing is started before there is something to run."""

    @abstractmethod
    def map(self, stage: str, build: Build, tasks: Iterable[Task], count: int) -> Iterator[Any]:
        """Yield what `build()` returns for each task, in any order; there are about `count` tasks.

        Tasks are drawn as there is room to run them, so that they are never all in memory; results come as tasks end.
        A task whose worker is lost is run again; raises LabelmillError where that happens to it again, and what a task raises.
        Nothing runs any more when the iterator ends, whatever ended it.
        """

    def close(self) -> None:
        """Free what `map` started; it may be called again afterwards."""
