"""Samples of labels to read: the beginning of the text with the phrases marked, and the phrases with their tiers."""

from __future__ import annotations

import random
import re
from typing import Any

import pyarrow as pa

from pipeline.clean.offsets import locate
from pipeline.core.shards import read_order
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace
from pipeline.report.census import columns_in, labels_folder
from pipeline.review.log.verdicts import Verdicts, load

SHOWN = 20
_CHARACTERS = 400
_REACH = 60  # how much further to look for the end of a word
Segment = tuple[str, int | None]  # text, and the number of the phrase that it is


def draw(work: Workspace, seed: int, count: int = SHOWN) -> list[dict[str, Any]]:
    """Draw the labels of so many articles with a seed from all; they are in source order."""
    counts_by_shard = []
    for shard in read_order(work.articles):
        folder = labels_folder(work, shard)
        manifest = folder.manifest(shard) if folder else None
        counts_by_shard.append((shard, manifest.kept if manifest else 0))
    total = sum(kept for _, kept in counts_by_shard)
    chosen = sorted(random.Random(seed).sample(range(total), min(count, total)))
    verdicts, samples, start = load(work.verdicts_file) if chosen else {}, [], 0
    for shard, kept in counts_by_shard:
        rows = [number - start for number in chosen if start <= number < start + kept]
        samples += _read(work, shard, rows, verdicts) if rows else []
        start += kept
    return samples


def _read(work: Workspace, shard: str, rows: list[int], verdicts: dict[str, Verdicts]) -> list[dict[str, Any]]:
    folder, column = labels_folder(work, shard), work.config.label_column
    assert folder is not None
    names = columns_in(folder, shard, ("id", "text_sha256", column.name, "tiers", "label_source"))
    if column.name not in names:
        return []
    labels = folder.read(shard, names).take(pa.array(rows, pa.int64())).to_pylist()
    wanted = {row["id"] for row in labels}
    about = ["id", "title", "text", "source", "url", "published_at", "language"]
    table = work.filtered.read(shard, ["id"])
    at = [number for number, row_id in enumerate(table.column("id").to_pylist()) if row_id in wanted]
    articles = {row["id"]: row for row in work.filtered.read(shard, about).take(pa.array(at, pa.int64())).to_pylist()}
    return [
        _sample(articles[row["id"]], row, column, verdicts.get(row["text_sha256"]))
        for row in labels
        if row["id"] in articles
    ]


def _sample(
    article: dict[str, Any], row: dict[str, Any], column: LabelColumn, judged: Verdicts | None
) -> dict[str, Any]:
    phrases = column.phrases(row[column.name])
    tiers = (row.get("tiers") or []) if column.has_tiers else []
    title, text = article["title"] or "", article["text"] or ""
    body = text.removeprefix(title).lstrip()  # the text begins with its title
    head, to_mark = beginning(body), phrases if column.has_tiers else []
    shown = {name: article[name] for name in ("id", "title", "source", "url", "published_at", "language")}
    return {
        **shown,
        "heading": marked(title, to_mark),
        "segments": marked(head, to_mark),
        "cut": len(head) < len(body),
        "label_source": row.get("label_source"),
        "phrases": [
            {
                "text": phrase,
                "tier": tiers[number] if number < len(tiers) else None,
                "verdict": judged.of(phrase) if judged else None,
            }
            for number, phrase in enumerate(phrases)
        ],
    }


def beginning(text: str) -> str:
    """Return some 400 characters from the beginning of a text, which do not end within a word."""
    if len(text) <= _CHARACTERS:
        return text
    end = re.search(r"\s", text[_CHARACTERS : _CHARACTERS + _REACH])
    return text[: _CHARACTERS + end.start()] if end else text[:_CHARACTERS]


def marked(text: str, phrases: list[str]) -> list[Segment]:
    """Cut the text into pieces, each occurrence of a phrase with its number; of phrases that overlap the longer one is marked."""
    spans = [
        (match.start(), match.end(), at) for at, phrase in enumerate(phrases) for match in _occurrences(phrase, text)
    ]
    for at, span in enumerate(locate(phrases, text)):  # where spacing or width differs
        if span:
            spans.append((*span, at))
    taken: list[tuple[int, int, int]] = []
    for start, end, at in sorted(spans, key=lambda span: (span[0] - span[1], span[0], span[2])):
        if all(end <= other[0] or start >= other[1] for other in taken):
            taken.append((start, end, at))
    pieces: list[Segment] = []
    before = 0
    for start, end, at in sorted(taken):
        pieces += [(text[before:start], None), (text[start:end], at)]
        before = end
    return [piece for piece in [*pieces, (text[before:], None)] if piece[0]]


_SPACED = r"[^\W_\u0e00-\u1dff\u2000-\U0010ffff]"  # what `is_alphabetic` of the cleaner holds for


def _occurrences(phrase: str, text: str) -> list[re.Match[str]]:
    """Find a phrase as it is written, but for case; not within a longer word where words have spaces between them."""
    edges = [f"(?<!{_SPACED})" if phrase[:1].isascii() else "", f"(?!{_SPACED})" if phrase[-1:].isascii() else ""]
    if not phrase.strip():
        return []
    return list(re.finditer(f"{edges[0]}{re.escape(phrase)}{edges[1]}", text, re.IGNORECASE))
