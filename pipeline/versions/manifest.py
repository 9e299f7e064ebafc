"""`manifest.json`: the description of a version for machines, of which the card and Croissant are made."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.job.config import JobConfig
from pipeline.versions.diff import Diff
from pipeline.versions.rows import SPLITS


def of_job(config: JobConfig) -> dict[str, Any]:
    """Return what the job file says of the data set."""
    return {
        "name": config.name,
        "repo": config.publish.repo,
        "task": config.label.task,
        "label": config.label_column.described(),
        "text": config.publish.text,
        "licence": config.publish.licence,
        "clean": config.task_options.model_dump(mode="json"),
        "filters": [options.model_dump(mode="json") for options in config.filter_options],
        "source_datasets": _source_datasets(config),
        "split": config.split.model_dump(mode="json"),
        "publish": config.publish.model_dump(mode="json", exclude={"to", "repo", "private", "text", "licence"}),
    }


def _source_datasets(config: JobConfig) -> list[str]:
    """Return the data sets of the Hub that the articles are from, `original` for all that are from elsewhere."""
    names = [str(getattr(options, "name", "")) if options.type == "hub" else "" for options in config.source_options]
    return list(
        dict.fromkeys(name if re.fullmatch(r"[\w-][\w.-]*(?:/[\w.-]+)?", name) else "original" for name in names)
    )


def changes(version: str, last: dict[str, Any] | None, diff: Diff) -> dict[str, Any]:
    """Return the version's number and history; `release` is the id of this attempt to let it out."""
    now = datetime.now(UTC)
    entry = {"version": version, "date": now.date().isoformat(), **diff.counts}
    return {
        "version": version,
        "previous": last["version"] if last else None,
        "release": secrets.token_hex(8),
        "created_at": now.isoformat(timespec="seconds"),
        "diff": diff.as_dict,
        "history": [*(last.get("history", []) if last else []), entry],
    }


def of_rows(index: pa.Table, largest_group: int) -> dict[str, Any]:
    """Return what the rows of `index` add up to: see `publish.planning.Plan`.

    `largest_group` is how many near-copies may have been drawn for eval together.
    """
    splits = _counts(index, "split")
    return {
        "rows": {split: splits.get(split, 0) for split in SPLITS},
        "languages": _counts(index, "language"),
        "label_sources": _counts(index, "label_source"),
        "licences": _counts(index, "licence"),
        "figures": _figures(index) | {"large_groups": _large_groups(index, largest_group)},
    }


def _counts(index: pa.Table, column: str) -> dict[str, int]:
    value_counts = pc.value_counts(index.column(column).cast(pa.string())).to_pylist()
    counted = {row["values"] or "unknown": row["counts"] for row in value_counts}
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _large_groups(index: pa.Table, most: int) -> dict[str, int]:
    train = index.column("group").filter(pc.equal(index.column("split"), "train"))
    sizes = _sizes(train)
    large = sizes[sizes > most]
    return {"more_than": most, "groups": len(large), "rows": int(large.sum())}


def _sizes(groups: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how many rows each group has; sorted, for a table of hashes takes five times the memory."""
    ordered = np.sort(np.asarray(groups))
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, np.int64)
    return np.diff(first, append=len(ordered))


def _figures(index: pa.Table) -> dict[str, Any]:
    """Return characters a text, phrases a label, how many phrases are not in their text, groups of near-copies."""
    # as the report counts
    characters = np.quantile(np.asarray(index.column("characters")), (0.05, 0.5, 0.95), method="inverted_cdf")
    phrases, absent = (int(pc.sum(index.column(name)).as_py()) for name in ("phrases", "absent"))
    phrases_a_row = {row["values"]: row["counts"] for row in pc.value_counts(index.column("phrases")).to_pylist()}
    sizes = _sizes(index.column("group"))
    return {
        "characters": [int(value) for value in characters],
        "phrases": phrases,
        "phrases_a_row": {str(n): count for n, count in sorted(phrases_a_row.items())},
        "absent": absent,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
    }
