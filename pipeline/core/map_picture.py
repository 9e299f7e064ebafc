"""A small picture of a map, for cards and reports: points and names -> an SVG element as text, which needs no style of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from pipeline.core.charts import shortened, text_width

WIDTH, HEIGHT = 940, 640
_MOST_POINTS = 4000  # drawn ones: an even sample of more
_LETTER = 7.2  # width of a Latin letter of a name
_LINE, _AROUND = 18, 6
_LONGEST = 28  # Latin letters of a name
_STYLE = (
    "svg.map{color:#15171a;background:#fbfbfa}svg.map path{fill:none;stroke-linecap:round;stroke-opacity:.7}"
    "svg.map text{fill:currentColor;stroke:#fbfbfa;stroke-width:3.5px;stroke-linejoin:round;paint-order:stroke;"
    "font:600 13px system-ui,'Noto Sans KR','Apple SD Gothic Neo','Malgun Gothic',sans-serif;text-anchor:middle}"
    "@media(prefers-color-scheme:dark){svg.map{color:#f2f3f5;background:#14161a}svg.map text{stroke:#14161a}}"
)

GOLDEN = 137.508  # degrees: neighbours in a list get colours that are far apart
_WITHIN = 0.7  # of the hues between two broad topics, which their topics share

Name = tuple[str, float, float, float]  # name, x, y, hue in degrees


def hues_of(broad_of: Sequence[int], broad_count: int) -> list[float]:
    """Return a hue (degrees) for each topic, by the number of the broad topic above it: those of one are near each other."""
    if broad_count < 2:
        return [round(number * GOLDEN % 360, 1) for number in range(len(broad_of))]
    between, counts, hues = 360 / broad_count, Counter(broad_of), list[float]()
    seen: Counter[int] = Counter()
    for broad in broad_of:
        offset = (seen[broad] + 0.5) / counts[broad] - 0.5
        seen[broad] += 1
        hues.append(round((broad * between + offset * between * _WITHIN) % 360, 1))
    return hues


def map_svg(title: str, places: Any, topic_of: Any, names: Sequence[Name]) -> str:
    """Draw points (n x 2, most of them within the unit circle) in the hue of their topic, and the names that have room.

    `topic_of` has for each point the number of its name, -1 for none; the first names are the most important.
    """
    points = np.clip(np.nan_to_num(np.asarray(places, np.float64)), -1.2, 1.2)
    drawn = np.arange(len(points))[:: max(1, -(-len(points) // _MOST_POINTS))]
    codes = np.asarray(topic_of, np.int64)[drawn]
    width = 2.2 if len(drawn) > 1000 else 4
    paths = [
        f'<path d="{_path(points[drawn[codes == code]])}" stroke="{_colour(code, names)}" stroke-width="{width}"/>'
        for code in np.unique(codes).tolist()
    ]
    return (
        f'<svg class="map" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(paths)}{''.join(_names(names))}</svg>"
    )


def _colour(code: int, names: Sequence[Name]) -> str:
    return f"hsl({names[code][3]:g} 60% 52%)" if 0 <= code < len(names) else "#a4a8af"


def _at(x: float, y: float) -> tuple[float, float]:
    scale = HEIGHT / 2 / 1.08
    return WIDTH / 2 + x * scale * 1.25, HEIGHT / 2 - y * scale


def _path(points: Any) -> str:
    return "".join(f"M{x:.0f} {y:.0f}h0" for x, y in (_at(*point) for point in points.tolist()))


def _names(names: Sequence[Name]) -> list[str]:
    """Return the names that lie over no earlier one."""
    boxes: list[tuple[float, float, float, float]] = []
    written = []
    for name, x, y, _ in names:
        short = shortened(name, _LONGEST)
        half = text_width(short) * _LETTER / 2 + _AROUND
        left, top = _at(float(np.clip(x, -1.2, 1.2)), float(np.clip(y, -1.2, 1.2)))
        left, top = min(max(left, half), WIDTH - half), min(max(top, _LINE), HEIGHT - _LINE)
        box = left - half, top - _LINE / 2 - 2, left + half, top + _LINE / 2 + 2
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
            boxes.append(box)
            written.append(f'<text x="{left:.0f}" y="{top + 4:.0f}">{escape(short)}</text>')
    return written
