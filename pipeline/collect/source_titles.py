"""What people know each source by, for `status`."""

from __future__ import annotations

from typing import Any

from pipeline.job.workspace import Workspace


def named(work: Workspace, by_source: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the counts by source with what people know each by; its type where the job file has others than were collected."""
    types = [options.type for options in work.config.source_options]
    same = types == [row["type"] for row in by_source]
    titles = [options.title() for options in work.config.source_options] if same else [row["type"] for row in by_source]
    return [{**row, "title": title} for row, title in zip(by_source, titles, strict=True)]
