"""The map of a corpus as one HTML file that opens from disk: plain arrays -> text.

Everything that comes from articles is in one compressed block of data, which the page's own script sets as text; the rest is
escaped here.  The page loads nothing: its security policy forbids it to.
"""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from pipeline.core.map_picture import GOLDEN, hues_of

MOST_VALUES = 60  # of a field that have a name of their own; of topics, all
_FARTHEST = 1.5  # radii: what lies farther out is drawn there
_OTHER, _NONE = "others", "-"

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]


@dataclass(frozen=True)
class MapTopic:
    """A topic: its name, the middle of its articles, and the number of the broad topic that it is part of (0 without any)."""

    name: str
    x: float
    y: float
    broad: int = 0


@dataclass(frozen=True)
class Field:
    """What points may be coloured by: a value for each article, None where it has none."""

    title: str
    values: Sequence[str | None]


@dataclass(frozen=True)
class CorpusMap:
    """All that the map shows.

    `places` is n x 2, most of them within the unit circle; `topic_of` has for each article the number of its topic in `topics`, -1
    where it has none, and `without` why.  Topics are in the order of the list beside the map.
    """

    title: str
    ids: Sequence[str]
    titles: Sequence[str]
    urls: Sequence[str | None]
    places: Floats
    topics: Sequence[MapTopic]
    broad: Sequence[MapTopic]
    topic_of: Sequence[int]
    without: Sequence[str | None]
    fields: Sequence[Field] = ()


def render(corpus: CorpusMap) -> str:
    """Return the page."""
    static = files("pipeline.topics.map") / "static"
    topics = Counter(number for number in corpus.topic_of if number >= 0)
    fallback = "".join(
        f"<li>{escape(topic.name)} ({topics[number]:,})</li>" for number, topic in enumerate(corpus.topics)
    )
    values = {
        "title": escape(corpus.title),
        "summary": f"{len(corpus.ids):,} articles, {len(corpus.topics):,} topics",
        "style": (static / "map.css").read_text("utf-8"),
        "script": (static / "map.js").read_text("utf-8"),
        "data": packed(corpus),
        "fallback": f"<ul>{fallback}</ul>",
    }
    # in one pass: nothing that is put in is looked through for further places
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], (static / "map.html").read_text("utf-8"))


def packed(corpus: CorpusMap) -> str:
    """Return the data of the page: JSON, gzipped, as base64; the same data give the same text."""
    scale = _scale(corpus.places)
    data = {
        "ids": list(corpus.ids),
        "titles": [title or "" for title in corpus.titles],
        "urls": [url or "" for url in corpus.urls],
        "places": _base64(_quantized(corpus.places, scale)),
        "topics": [_described(topic, scale) for topic in corpus.topics],
        "broad": [_described(topic, scale) for topic in corpus.broad],
        "fields": [_topic_field(corpus), *(_field(field) for field in corpus.fields)],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode()


def _scale(places: Floats) -> float:
    farthest = float(np.abs(np.nan_to_num(places)).max(initial=1.0))
    return min(max(farthest, 1.0), _FARTHEST)


def _quantized(places: Floats, scale: float) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return places as 16 bits each; y counts from the top."""
    unit = np.clip(np.nan_to_num(np.asarray(places, np.float64)) / scale, -1, 1) * [1, -1]
    return np.asarray(np.rint((unit + 1) * 32767.5), "<u2")


def _described(topic: MapTopic, scale: float) -> dict[str, Any]:
    x, y = (float(np.clip(np.nan_to_num(value) / scale, -1, 1)) for value in (topic.x, topic.y))
    return {"name": topic.name, "x": round(x, 5), "y": round(y, 5)}


def _topic_field(corpus: CorpusMap) -> dict[str, Any]:
    """Return the field of topics: those by number, then the reasons of articles without one, which have no colour."""
    reasons = sorted(
        {reason or _NONE for number, reason in zip(corpus.topic_of, corpus.without, strict=True) if number < 0}
    )
    code_of = {reason: len(corpus.topics) + number for number, reason in enumerate(reasons)}
    codes = [
        number if number >= 0 else code_of[reason or _NONE]
        for number, reason in zip(corpus.topic_of, corpus.without, strict=True)
    ]
    names = [topic.name for topic in corpus.topics] + [f"no topic: {reason}" for reason in reasons]
    hues = hues_of([topic.broad for topic in corpus.topics], len(corpus.broad))
    return _coded("topic", names, codes, len(corpus.topics), hues) | {"is_topic": True}


def _field(field: Field) -> dict[str, Any]:
    """Return a field with its most frequent values first; further ones are one value, and have no colour, like no value."""
    counts = Counter(value for value in field.values if value)
    names = [value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]]
    code_of = {name: number for number, name in enumerate(names)}
    codes = [code_of.get(value, len(names)) if value else len(names) + 1 for value in field.values]
    hues = [round(number * GOLDEN % 360, 1) for number in range(len(names))]
    return _coded(field.title, [*names, _OTHER, _NONE], codes, len(names), hues)


def _coded(title: str, names: list[str], codes: list[int], plain: int, hues: list[float]) -> dict[str, Any]:
    counts = np.bincount(np.asarray(codes, np.int64), minlength=len(names))
    column = _base64(np.asarray(codes, "<u2"))
    return {"title": title, "names": names, "codes": column, "counts": counts.tolist(), "plain": plain, "hues": hues}


def _base64(values: Any) -> str:
    return b64encode(values.tobytes()).decode()
