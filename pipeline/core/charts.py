"""Charts: numbers -> an SVG element as text, drawn by nothing else.

Colours are CSS variables of the page, so that a chart follows it into dark mode and onto paper.  Every text is escaped here.
Lengths are in user units; the page scales the drawing to its column.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from math import ceil, log

WIDTH = 460
WIDE = 940  # of a chart over both columns
NARROW = 288  # of a chart on a phone, where letters keep their size and bars get shorter
ROW = 26  # height of a row of bars
LABEL_WIDTH = 150  # width of the labels at the left
_LINE = 13  # height of a line of small text
_CHARACTER = 6.3  # width of a Latin letter at the size of a label

Row = tuple[str, float, str]  # name, value, the value as it is written
_most_width: ContextVar[int] = ContextVar("most_width", default=WIDE)


@contextmanager
def narrow() -> Iterator[None]:
    """Draw for a phone what is drawn meanwhile."""
    token = _most_width.set(NARROW)
    try:
        yield
    finally:
        _most_width.reset(token)


def _fit(width: float) -> int:
    return int(min(width, _most_width.get()))


def _label_width(wanted: float, width: int) -> float:
    return min(wanted, width * 0.4)


def svg(title: str, height: float, body: str, width: int = WIDTH) -> str:
    """Wrap a drawing as an SVG element, with a title for who cannot see it."""
    kind = "chart" if _most_width.get() == WIDE else "chart narrow"
    return (
        f'<svg class="{kind}" role="img" viewBox="0 0 {width} {height:g}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def text_width(text: str) -> int:
    """Return how many Latin letters wide a text is: a Hangul syllable or a Han character is two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


def shortened(text: str, most: int) -> str:
    """Return the text, or its beginning and an ellipsis, at most `most` Latin letters wide."""
    if text_width(text) <= most:
        return text
    kept, width = [], 1
    for character in text:
        width += text_width(character)
        if width > most:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def text(x: float, y: float, what: str, kind: str = "label", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(what)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str, tip: str = "", radius: float = 2) -> str:
    hint = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="{radius}">'
        f"{hint}</rect>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _name(name: str, y: float, label_width: float) -> str:
    short = shortened(name, int((label_width - 8) / _CHARACTER))
    tip = f"<title>{escape(name)}</title>" if short != name else ""
    return f'<text class="label" x="{label_width - 8:.1f}" y="{y:.1f}" text-anchor="end">{escape(short)}{tip}</text>'


# --- bars ---


def bars(
    title: str, rows: Sequence[Row], kind: str = "bar", label_width: float = LABEL_WIDTH, width: int = WIDTH
) -> str:
    """Draw a bar for each row, the name before it, the value behind it."""
    most, width = max((value for _, value, _ in rows), default=0) or 1, _fit(width)
    label_width = _label_width(label_width, width)
    bar_width = (
        width - label_width - _CHARACTER * (max((text_width(value_text) for *_, value_text in rows), default=0) + 2)
    )
    parts = []
    for number, (name, value, value_text) in enumerate(rows):
        top, wide = number * ROW, max(bar_width * value / most, 1)
        parts += [
            _name(name, top + 17, label_width),
            box(label_width, top + 5, wide, ROW - 10, kind, f"{name}: {value_text}"),
        ]
        parts.append(text(label_width + wide + 6, top + 17, value_text, "value"))
    return svg(title, max(len(rows), 1) * ROW, "".join(parts), width)


def funnel(title: str, rows: Sequence[tuple[str, int, int, int]], width: int = WIDE) -> str:
    """Draw a row for each stage (name, kept, rejected, waiting): what is kept narrows from row to row, what was lost stands at
    its right side."""
    most = max((kept + rejected + waiting for _, kept, rejected, waiting in rows), default=0) or 1
    width = _fit(width)
    label_width, height = _label_width(96.0 if width > NARROW else 60.0, width), 34.0
    bar_width = width - label_width - min(210, width * 0.42)
    parts = []
    for number, (name, kept, rejected, waiting) in enumerate(rows):
        top, wide = number * height, bar_width * kept / most
        lost, held = bar_width * rejected / most, bar_width * waiting / most
        parts.append(_name(name, top + 20, label_width))
        parts.append(box(label_width, top + 4, max(wide, 1), height - 8, f"bar step{number}", f"{name}: {kept:,} kept"))
        parts.append(
            box(label_width + wide + 1, top + 4, lost, height - 8, "bar gone", f"{name}: {rejected:,} rejected")
        )
        parts.append(
            box(label_width + wide + lost + 2, top + 4, held, height - 8, "bar wait", f"{name}: {waiting:,} waiting")
        )
        texts = [f"{kept:,}", f"−{rejected:,}" if rejected else "", f"{waiting:,} waiting" if waiting else ""]
        end = label_width + wide + lost + held + 10
        for part, kind in zip(texts, ("label", "value lost", "value"), strict=True):
            parts.append(text(end, top + 21, part, kind))
            end += 7.5 * len(part) + 6
    return svg(title, max(len(rows), 1) * height, "".join(parts), width)


# --- histograms ---


def histogram(
    title: str,
    names: Sequence[str],
    counts: Sequence[float],
    value_texts: Sequence[str],
    tall: int = 150,
    kind: str = "bar",
) -> str:
    """Draw a column for each name; `value_texts` stand above them ("": nothing), names are thinned where they would touch."""
    most, count, width = max(counts, default=0) or 1, max(len(counts), 1), _fit(WIDTH)
    step, base = width / count, tall + 16.0
    every = max(1, -(-max(map(text_width, names), default=1) * 7 // int(max(step, 1))))
    parts = [line(0, base, width, base, "axis")]
    for number, (name, value) in enumerate(zip(names, counts, strict=True)):
        left, high = number * step, tall * value / most
        parts.append(box(left + step * 0.08, base - high, step * 0.84, high, kind, f"{name}: {value:,.0f}"))
        if value_texts[number]:
            parts.append(text(left + step / 2, base - high - 5, value_texts[number], "value", "middle"))
        if number % every == 0:
            parts.append(text(left + step / 2, base + 16, name, "tick", "middle"))
    return svg(title, base + 22, "".join(parts), width)


def paired(title: str, names: Sequence[str], before: Sequence[float], after: Sequence[float], tall: int = 120) -> str:
    """Draw two columns for each name, a pale one of before and one of after, each set as shares of its own whole."""
    sums = [sum(values) or 1 for values in (before, after)]
    shares = [[value / whole for value in values] for values, whole in zip((before, after), sums, strict=True)]
    most = max((share for side in shares for share in side), default=0) or 1
    width = _fit(WIDTH)
    step, base = width / max(len(names), 1), tall + 16.0
    parts = [line(0, base, width, base, "axis")]
    for number, name in enumerate(names):
        for side, kind in ((0, "bar before"), (1, "bar")):
            left, share = number * step + step * (0.1 + 0.41 * side), shares[side][number]
            high = tall * share / most
            parts.append(box(left, base - high, step * 0.39, high, kind, f"{name}: {share:.1%}"))
            if step > 50 and share >= 0.005:
                parts.append(text(left + step * 0.195, base - high - 4, f"{share:.0%}", "tick", "middle"))
        parts.append(text(number * step + step / 2, base + 16, name, "tick", "middle"))
    return svg(title, base + 22, "".join(parts), width)


def sparkline(title: str, values: Sequence[float], first: str, last: str, tall: int = 56) -> str:
    """Draw a line over time; `first` and `last` stand below its ends."""
    width = _fit(WIDTH)
    most, step = max(values, default=0) or 1, width / max(len(values) - 1, 1)
    points = [(number * step, 4 + tall - tall * value / most) for number, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    body = f'<polygon class="area" points="0,{tall + 4} {path} {points[-1][0]:.1f},{tall + 4}"/>' if points else ""
    body += f'<polyline class="curve" points="{path}"/>' + line(0, tall + 4, width, tall + 4, "axis")
    body += text(0, tall + 20, first, "tick") + text(width, tall + 20, last, "tick", "end")
    return svg(title, tall + 26, body, width)


# --- shares ---


def stacked(title: str, parts: Sequence[tuple[str, float, str]], width: int = WIDTH) -> str:
    """Draw one bar of parts (name, value, class of its colour) that are shares of a whole, with a legend."""
    whole, width = sum(value for _, value, _ in parts) or 1, _fit(width)
    drawn, left, x, y = [], 0.0, 0.0, 56.0
    for name, value, kind in parts:
        wide, share = width * value / whole, f"{value / whole:.1%}"
        drawn.append(box(left, 0, wide - 1, 34, kind, f"{name}: {value:,.0f} ({share})"))
        if wide > 46:
            drawn.append(text(left + wide / 2, 22, share, "inside", "middle"))
        left += wide
        needed = 24 + _CHARACTER * text_width(f"{name} {share}")
        if x + needed > width:
            x, y = 0.0, y + 20
        drawn += [box(x, y - 9, 11, 11, kind), text(x + 16, y, f"{name} {share}", "tick")]
        x += needed + 12
    return svg(title, y + 8, "".join(drawn), width)


def forest(
    title: str, rows: Sequence[tuple[str, float, float, float, str]], at: float | None = None, width: int = WIDTH
) -> str:
    """Draw shares with intervals: (name, mean, low, high, what stands behind).  The scale begins at a round share below the lowest
    end; `at` is a vertical line (the whole), the last row is drawn as a diamond where `at` is given."""
    lowest = min((low for _, _, low, _, _ in rows), default=0.0)
    start = max(0.0, int(lowest * 10 - 1e-9) / 10)
    width = _fit(width)
    below = width <= NARROW  # on a phone what stands behind a row stands below it
    label_width, high = _label_width(130.0, width), ROW * (1.7 if below else 1)
    behind = 16.0 if below else _CHARACTER * (max((text_width(row[4]) for row in rows), default=0) + 2)
    bar_width, high_end = width - label_width - behind, len(rows) * high + 4

    def x_of(share: float) -> float:
        return label_width + bar_width * (share - start) / (1 - start)

    parts = []
    for step in range(round(start * 10), 11, (1 if start >= 0.5 else 2) * (2 if below else 1)):
        x = x_of(step / 10)
        parts += [line(x, 0, x, high_end, "rung"), text(x, high_end + 15, f"{step * 10}%", "tick", "middle")]
    if at is not None:
        parts.append(line(x_of(at), 0, x_of(at), high_end, "whole"))
    for number, (name, mean, low, end, value_text) in enumerate(rows):
        y, is_whole = number * high + ROW / 2 + 1, at is not None and number == len(rows) - 1
        parts += [_name(name, y + 4, label_width), text(width, y + (21 if below else 4), value_text, "value", "end")]
        if is_whole:
            corners = f"{x_of(low):.1f},{y} {x_of(mean):.1f},{y - 7} {x_of(end):.1f},{y} {x_of(mean):.1f},{y + 7}"
            parts.append(f'<polygon class="dot" points="{corners}"/>')
        else:
            parts.append(line(x_of(low), y, x_of(end), y, "span"))
            parts.append(f'<circle class="dot" cx="{x_of(mean):.1f}" cy="{y}" r="4.5"/>')
    return svg(title, high_end + 22, "".join(parts), width)


def ranged(title: str, low: float, high: float, actual: float, texts: tuple[str, str, str]) -> str:
    """Draw what was foretold (a band from low to high) and what came (a dot), from zero; `texts` are the three as written."""
    most, width = max(high, actual) * 1.08 or 1, _fit(WIDTH)
    left, right, at = (width * value / most for value in (low, high, actual))
    body = line(0, 40, width, 40, "axis") + box(
        left, 28, max(right - left, 3), 24, "bar before", f"{texts[0]} to {texts[1]}"
    )
    body += f'<circle class="dot" cx="{at:.1f}" cy="40" r="7"/>'
    middle = min(max((left + right) / 2, 90), width - 90)
    body += text(middle, 70, f"foretold {texts[0]} to {texts[1]}", "tick", "middle")
    body += text(min(max(at, 40), width - 40), 18, f"came to {texts[2]}", "value", "middle")
    return svg(title, 78, body, width)


# --- curves ---


def curve(
    title: str,
    points: Sequence[tuple[float, float, float, float]],
    fitted: Sequence[Sequence[float]],
    levels: Sequence[tuple[str, float]] = (),
    tall: int = 190,
) -> str:
    """Draw shares (0..1) over a size, on a logarithmic scale: points (size, mean, low, high), a fitted line (size, share), and
    levels (name, share) as dashed lines."""
    sizes = [size for size, *_ in (*points, *fitted)]
    first, last = log(min(sizes)), log(max(sizes))
    shares = [*(point[3] for point in points), *(share for _, share in fitted), *(share for _, share in levels)]
    top = min(1.0, ceil(max(shares, default=1.0) * 10 + 0.2) / 10) or 1.0
    width = _fit(WIDTH)
    left, right, base = 44.0, width - 14.0, tall + 8.0

    def x_of(size: float) -> float:
        return left + (right - left) * (log(size) - first) / ((last - first) or 1)

    def y_of(share: float) -> float:
        return base - tall * min(top, max(0.0, share)) / top

    parts = []
    for step in range(0, round(top * 10) + 1, 1 if top <= 0.5 else 2):
        y = y_of(step / 10)
        parts += [line(left, y, right, y, "rung"), text(left - 6, y + 4, f"{step * 10}", "tick", "end")]
    beside = base + _LINE
    for name, share in sorted(levels, key=lambda level: level[1]):
        y = y_of(share)
        beside = min(y - 4, beside - _LINE)  # names of levels that are close stand above one another
        parts += [line(left, y, right, y, "whole"), text(right, beside, f"{name} {100 * share:.1f}", "tick", "end")]
    path = " ".join(f"{x_of(size):.1f},{y_of(share):.1f}" for size, share in fitted)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    for size, mean, low, high in points:
        x = x_of(size)
        parts += [
            line(x, y_of(low), x, y_of(high), "span"),
            f'<circle class="dot" cx="{x:.1f}" cy="{y_of(mean):.1f}" r="4.5"/>',
        ]
        parts.append(text(x, base + 16, f"{size:,.0f}", "tick", "middle"))
    return svg(title, base + 22, line(left, base, right, base, "axis") + "".join(parts), width)
