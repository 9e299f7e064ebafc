"""Command `topics --map`: the picture of a job's articles and topics, as one HTML page or as an SVG drawing."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.files import write_bytes
from pipeline.job.topic_picture import drawing
from pipeline.job.workspace import Workspace
from pipeline.topics.map.corpus import draw


def write(work: Workspace, file: Path) -> int:
    """Write the map of a job that has topics: a page (`.html`) or a drawing (`.svg`); return how many articles are on it.

    Raises InputError for another kind of file, or where there are no topics yet.
    """
    if file.suffix.lower() not in (".html", ".htm", ".svg"):
        raise InputError(f"--map {file}: is written as .html (the page) or .svg (a drawing for cards and reports)")
    if file.suffix.lower() != ".svg":
        return draw(work, file)
    write_bytes(file, drawing(work.topic_table).encode("utf-8", "replace"))
    count: int = work.topic_table.articles(["id"]).num_rows
    return count
