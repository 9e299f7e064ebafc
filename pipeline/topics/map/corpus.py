"""The map of a job's articles and topics as a page: what it shows, and where it was drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.files import file_digest, read_json, write_bytes, write_json
from pipeline.core.shards import Folder, read_order
from pipeline.job.workspace import Workspace
from pipeline.topics.map.page import CorpusMap, Field, MapTopic, render

MOST = 200_000  # articles of a page: an even sample of more
_TITLE = 120  # characters
_ABOUT = ("id", "title", "text", "url", "source", "language")


def draw(work: Workspace, file: Path) -> int:
    """Write the page of a job that has topics, and note where; return how many articles are on it.

    Raises InputError where there are no topics yet.
    """
    corpus = corpus_map(work)
    page = render(corpus).encode("utf-8", "replace")
    write_bytes(file, page)
    write_json(_notes(work), {**drawn(work), str(file.resolve()): hashlib.sha256(page).hexdigest()})
    return len(corpus.ids)


def redraw(work: Workspace) -> list[str]:
    """Draw the pages anew that still are where they were drawn, and as they were; return their paths.

    They show titles, and an article that was taken down must leave them.
    """
    pages = [path for path, is_as_drawn in _pages_there(work).items() if is_as_drawn]
    for path in pages:
        draw(work, Path(path))
    return pages


def changed(work: Workspace) -> list[str]:
    """Return the pages that are where they were drawn, and not as they were: whose they are now, only people know."""
    return [path for path, is_as_drawn in _pages_there(work).items() if not is_as_drawn]


def _pages_there(work: Workspace) -> dict[str, bool]:
    pages = {path: (Path(path), digest) for path, digest in drawn(work).items()}
    return {path: file_digest(file) == digest for path, (file, digest) in pages.items() if file.is_file()}


def drawn(work: Workspace) -> dict[str, str]:
    """Return the pages that were drawn: path -> SHA-256."""
    return read_json(_notes(work)) or {}


def _notes(work: Workspace) -> Path:
    return work.topic_table.path / "_maps.json"


def corpus_map(work: Workspace) -> CorpusMap:
    """Return what the map of a job shows.  Raises InputError where there are no topics yet."""
    table = work.topic_table.articles()
    if table.num_rows > MOST:
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, MOST).astype(np.int64)))
    columns = {name: table.column(name).to_pylist() for name in ("id", "topic_id", "reason")}
    topics = work.topic_table.topics()
    number_of = {row["id"]: number for number, row in enumerate(topics)}
    broad_ids = list(dict.fromkeys(row["broad_id"] for row in topics))
    about = _about(work, set(columns["id"]))
    texts = [about.get(row_id, {}) for row_id in columns["id"]]
    quality = _quality(work, set(columns["id"]))
    fields = [Field(name, [text.get(name) for text in texts]) for name in ("source", "language")]
    fields += [Field("label", [quality.get(row_id, "not labelled") for row_id in columns["id"]])] if quality else []
    return CorpusMap(
        title=work.config.name,
        ids=columns["id"],
        titles=[text.get("title") or "" for text in texts],
        urls=[text.get("url") for text in texts],
        places=np.stack([np.asarray(table.column(axis), np.float64) for axis in ("x", "y")], axis=1),
        topics=[MapTopic(row["name"], row["x"], row["y"], broad_ids.index(row["broad_id"])) for row in topics],
        broad=[_broad(topics, broad) for broad in broad_ids],
        topic_of=[number_of.get(topic, -1) for topic in columns["topic_id"]],
        without=columns["reason"],
        fields=[field for field in fields if any(field.values)],
    )


def _broad(topics: list[dict[str, Any]], broad: int) -> MapTopic:
    """Return a broad topic, in the middle of its topics by their sizes."""
    own = [row for row in topics if row["broad_id"] == broad]
    weights = [max(1, row["size"]) for row in own]
    x, y = (float(np.average([row[axis] for row in own], weights=weights)) for axis in ("x", "y"))
    return MapTopic(own[0]["broad_name"] or "", x, y)


def _about(work: Workspace, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return title, address, source and language of some articles, by id."""
    about = {}
    for row in _rows(work, work.filter_output, _ABOUT):
        if row["id"] in ids:
            title = " ".join((row["title"] or row.pop("text") or "").split())
            about[row["id"]] = {**row, "title": title if len(title) <= _TITLE else f"{title[:_TITLE]}…", "text": None}
    return about


def _quality(work: Workspace, ids: set[str]) -> dict[str, str]:
    """Return in words how good the label of each article is, as far as is known; nothing where nothing is labelled."""
    quality = {}
    folder = work.reviewed if work.reviewed.exists else work.labels
    for row in _rows(work, folder, ("id", "tiers", "label_source")):
        if row["id"] in ids:
            quality[row["id"]] = _words(row.get("label_source"), row.get("tiers"))
    for rejecting in {work.labels.path: work.labels, folder.path: folder}.values():
        for shard in read_order(work.articles):
            for row in rejecting.read_rejected(shard, ["id", "reason"]).to_pylist():
                if row["id"] in ids:
                    quality.setdefault(row["id"], f"no label: {row['reason']}")
    return quality


def _words(source: str | None, tiers: list[str] | None) -> str:
    if source in ("verified", "edited"):
        return "accepted by a person" if source == "verified" else "edited by a person"
    if tiers is None:
        return "labelled"
    return "some phrases are not in the text" if "absent" in tiers else "all phrases are in the text"


def _rows(work: Workspace, folder: Folder, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for shard in read_order(work.articles):
        if folder.manifest(shard):
            for batch in folder.stream(shard, columns):
                yield from batch.to_pylist()
