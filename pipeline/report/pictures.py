"""Pictures of articles and labels: a part of the facts -> charts, each with its takeaway and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.core import charts
from pipeline.report import words

Facts = dict[str, Any]
_TIERS = ("exact", "spacing", "morphological", "reviewer", "absent")
_ROWS = 10


@dataclass(frozen=True)
class Picture:
    """Chart with its takeaway; `head` and `rows` are its numbers as a table.  `wide`: it takes both columns of the page."""

    title: str
    takeaway: str
    chart: Markup
    head: list[str]
    rows: list[list[str]]
    wide: bool
    narrow: str = ""  # the same chart for a phone


def picture(title: str, takeaway: str, svg: str, head: list[str], rows: list[list[str]], wide: bool = False) -> Picture:
    return Picture(title, takeaway, Markup(svg), head, rows, wide)  # charts escape every text


def are_equal(counts: Sequence[float]) -> bool:
    """Return whether a picture of these counts says nothing that a sentence does not: they are all the same."""
    return len(set(counts)) < 2


# --- articles ---


def funnel(facts: Facts) -> list[Picture]:
    stages = [row for row in facts["funnel"] if row["state"] != "not run"]
    rows = [(row["stage"], row["kept"], sum(row["rejected"].values()), row["waiting"]) for row in stages]
    table = [[name, f"{kept + lost:,}", f"{kept:,}", f"{lost:,}", f"{waiting:,}"] for name, kept, lost, waiting in rows]
    takeaway, title = words.funnel(facts["funnel"]), "What each stage kept"
    head = ["stage", "in", "kept", "rejected", "waiting"]
    return [picture(title, takeaway, charts.funnel(f"{title}: {takeaway}", rows), head, table, wide=True)]


def reasons(facts: Facts) -> list[Picture]:
    rejections = [(row["stage"], reason, n) for row in facts["funnel"] for reason, n in row["rejected"].items()]
    rejections = sorted(rejections, key=lambda row: -row[2])
    if not rejections:
        return []
    drawn = [row for row in rejections if row[2] > 1] or rejections
    drawn = rejections if len(rejections) - len(drawn) < 3 else drawn  # single ones are counted in one row
    drawn = drawn[:_ROWS]
    shown = [(f"{stage}: {words.plain(reason)}", float(n), f"{n:,}") for stage, reason, n in drawn]
    rest = rejections[len(drawn) :]
    if rest:
        each = "1 each" if rest[0][2] == 1 else f"{rest[0][2]:,} at most"
        shown.append((words.some(len(rest), "other reason"), float(rest[0][2]), each))
    examples = {("clean", reason): "; ".join(replies) for reason, replies in facts["turned_away"].items()}
    table = [[stage, words.plain(why), f"{n:,}", examples.get((stage, why), "")] for stage, why, n in rejections]
    takeaway, head = words.reasons(rejections), ["stage", "reason", "rows", "such as"]
    svg = charts.bars(takeaway, shown, "bar gone", 220, charts.WIDE) if len(shown) > 1 else ""
    return [picture("Why articles were turned away", takeaway, svg, head, table, wide=True)]


def articles(facts: Facts) -> list[Picture]:
    about = facts["articles"]
    pictures = [_lengths(about)] if about["lengths"] else []
    if about["languages"]:
        pictures.append(_groups("Languages", about["languages"], "languages"))
        pictures.append(_groups("Sources", about["sources"], "sources"))
    if about["topics"]:
        pictures.append(_groups("Topics", about["topics"], "topics"))
    if about.get("map"):
        takeaway = "Articles that are alike lie side by side; labelmill topics JOB --map FILE.html makes a page to look around in."
        table = [[row["name"], f"{row['articles']:,}"] for row in about["topics"]]
        pictures.append(picture("Map", takeaway, about["map"], ["topic", "articles"], table, wide=True))
    if len(about["months"]) > 2:
        pictures.append(_months(about["months"]))
    return pictures


def _lengths(about: Facts) -> Picture:
    bins, takeaway = about["lengths"], words.lengths(about)
    names = [f"{bin['from']:,}" for bin in bins]
    whole = [f"{bin['from']:,} – {bin['to']:,}" if bin["to"] else f"{bin['from']:,} and more" for bin in bins]
    counts = [bin["count"] for bin in bins]
    if bins[-1]["to"] is None:
        names[-1] += "+"
    tallest = counts.index(max(counts))
    value_texts = [words.short(count) if position == tallest else "" for position, count in enumerate(counts)]
    table = [[name, f"{count:,}"] for name, count in zip(whole, counts, strict=True)]
    title = f"{about['unit'].capitalize()} an article"
    return picture(
        title, takeaway, charts.histogram(takeaway, names, counts, value_texts), [about["unit"], "articles"], table
    )


def _groups(title: str, groups: list[Facts], what: str) -> Picture:
    total, takeaway = sum(row["articles"] for row in groups), words.groups(groups, what)
    shown = [
        (row["name"], float(row["articles"]), f"{row['articles']:,} ({words.percent(row['articles'] / total)})")
        for row in groups[:_ROWS]
    ]
    table = [
        [row["name"], f"{row['articles']:,}", f"{row['labels']:,}", f"{row['phrases']:,}",
         words.percent(row["absent"] / row["phrases"] if row["phrases"] else None)] for row in groups[:30]
    ]  # fmt: skip
    return picture(
        title, takeaway, charts.bars(takeaway, shown), [what, "articles", "labels", "phrases", "absent"], table
    )


def _months(months: dict[str, int]) -> Picture:
    names = list(months)
    busiest = max(names, key=lambda name: months[name])
    takeaway = (
        f"Published from {names[0]} to {names[-1]}; the most, {words.some(months[busiest], 'article')}, in {busiest}."
    )
    svg = charts.sparkline(takeaway, list(months.values()), names[0], names[-1])
    return picture(
        "When they were published", takeaway, svg, ["month", "articles"], [[n, f"{c:,}"] for n, c in months.items()]
    )


# --- labels ---


def labels(facts: Facts) -> list[Picture]:
    about, many = facts["labels"], facts["job"]["many"]
    if not about["count"]:
        return []
    pictures = [_sizes(about, facts["job"]["max_phrases"])] if many else []
    pictures += [_tiers(about)] if about["tiers"] else []
    if set(about["label_sources"]) & {"verified", "edited"}:
        pictures.append(_label_sources(about))
    if about["top"] and about["top"][0][1] > 1:  # each once is no picture
        pictures.append(_top(about, many))
    if about["repairs"]:
        pictures.append(_repairs(about))
    return pictures


def _sizes(about: Facts, most: int) -> Picture:
    sizes = {
        number: about["per_label"].get(str(number), 0) for number in range(1, max(map(int, about["per_label"])) + 1)
    }
    value_texts = [words.short(count) if count else "" for count in sizes.values()]
    takeaway = words.sizes(about, most)
    svg = charts.histogram(
        takeaway,
        [str(number) for number in sizes],
        list(sizes.values()),
        value_texts if len(value_texts) < 13 else [""] * len(value_texts),
    )
    svg = svg if sum(count > 0 for count in sizes.values()) > 1 else ""
    return picture(
        "Phrases a label", takeaway, svg, ["phrases", "labels"], [[str(n), f"{c:,}"] for n, c in sizes.items()]
    )


def _tiers(about: Facts) -> Picture:
    counts = {tier: about["tiers"][tier] for tier in _TIERS if tier in about["tiers"]}
    counts |= {tier: n for tier, n in about["tiers"].items() if tier not in counts}
    takeaway = words.tiers(about)
    svg = charts.stacked(
        takeaway, [(tier, n, f"tier {tier if tier in _TIERS else 'other'}") for tier, n in counts.items()]
    )
    svg = svg if len(counts) > 1 else ""
    table = [[tier, f"{n:,}", words.percent(n / about["phrases"])] for tier, n in counts.items()]
    return picture("Where phrases stand", takeaway, svg, ["tier", "phrases", "share"], table)


def _top(about: Facts, many: bool) -> Picture:
    takeaway = words.top(about, many)
    shown = [(phrase, float(n), f"{n:,}") for phrase, n in about["top"][: _ROWS + 2]]
    title = "Most common phrases" if many else "Labels"
    svg = charts.bars(takeaway, shown)
    if are_equal([value for _, value, _ in shown]) and len(shown) > 2:
        takeaway, svg = words.equally_often([phrase for phrase, *_ in shown], int(shown[0][1]), "label"), ""
    return picture(title, takeaway, svg, ["phrase", "labels"], [[p, f"{n:,}"] for p, n in about["top"]])


def _repairs(about: Facts) -> Picture:
    rows = list(about["repairs"].items())
    first, count = rows[0]
    share = words.percent(count / about["count"])
    takeaway = f"What cleaning did to the raw replies; most often: {words.plain(first)}, in {share} of the labels."
    shown = [(words.plain(name), float(n), f"{n:,}") for name, n in rows[:_ROWS]]
    return picture(
        "Repairs",
        takeaway,
        charts.bars(takeaway, shown, "bar soft"),
        ["repair", "labels"],
        [[words.plain(r), f"{n:,}"] for r, n in rows],
    )


def _label_sources(about: Facts) -> Picture:
    kinds = {"llm": "bar soft", "extracted": "bar soft", "verified": "tier exact", "edited": "tier reviewer"}
    touched = sum(about["label_sources"].get(kind, 0) for kind in ("verified", "edited"))
    takeaway = f"People have verified or edited {words.some(touched, 'label')}, {words.percent(touched / about['count'])} of all."
    svg = charts.stacked(
        takeaway, [(name, n, kinds.get(name, "tier other")) for name, n in about["label_sources"].items()]
    )
    return picture(
        "Who stands behind the labels",
        takeaway,
        svg,
        ["source", "labels"],
        [[s, f"{n:,}"] for s, n in about["label_sources"].items()],
    )
