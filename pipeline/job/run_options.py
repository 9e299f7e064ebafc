"""Options of one run of a job, as the command line's flags or a caller in Python give them; no file holds them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """Options that `runner.run` hands to each stage; the stage takes from them what concerns it."""

    first: str = "collect"  # the stages from this one
    last: str = "publish"  # to this one
    fetch: bool = True  # collect: request pages of the web; if not, a crawl is what was crawled before
    limit: int | None = None  # label: ask about the first so many articles at most
    retry_rejected: bool = False  # label: ask again what the endpoint rejected for good
    publish: bool = False  # publish: make a version also where rows of the last one change or leave, or articles wait
    version: str | None = None  # publish: its number, instead of the one that follows from the changes
    adopt: bool = False  # publish: go on from the repository as somebody else left it
    reread: bool = False  # collect: read again what an earlier version of the program read
    rejudge: bool = False  # filter: judge again what an earlier version of a filter judged
    recreate: bool = False  # publish: bring the versions that are here to a repository that lost them
    wait: bool = False  # label: until the batches under way are over
