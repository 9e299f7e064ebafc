"""Which charts a report has: a part of the facts -> pictures, each with its takeaway and its numbers as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.report import charts, words

Facts = dict[str, Any]
_TIERS = ("exact", "spacing", "morphological", "reviewer", "absent")
_ROWS = 10


@dataclass(frozen=True)
class Picture:
    """A chart with what it shows: `head` and `rows` are its numbers.  `wide`: it takes both columns of the page."""

    title: str
    takeaway: str
    chart: Markup
    head: list[str]
    rows: list[list[str]]
    wide: bool


def picture(title: str, takeaway: str, svg: str, head: list[str], rows: list[list[str]], wide: bool = False) -> Picture:
    return Picture(title, takeaway, Markup(svg), head, rows, wide)  # charts escape every text


# --- articles ---


def funnel(facts: Facts) -> list[Picture]:
    stages = [row for row in facts["funnel"] if row["state"] != "not run"]
    rows = [(row["stage"], row["kept"], sum(row["rejected"].values()), row["waiting"]) for row in stages]
    table = [[name, f"{kept + lost:,}", f"{kept:,}", f"{lost:,}", f"{waiting:,}"] for name, kept, lost, waiting in rows]
    said, title = words.funnel(facts["funnel"]), "What each stage kept"
    head = ["stage", "in", "kept", "rejected", "waiting"]
    return [picture(title, said, charts.funnel(f"{title}: {said}", rows), head, table, wide=True)]


def reasons(facts: Facts) -> list[Picture]:
    found = [(row["stage"], reason, n) for row in facts["funnel"] for reason, n in row["rejected"].items()]
    found = sorted(found, key=lambda row: -row[2])
    if not found:
        return []
    shown = [(f"{stage}: {words.plain(reason)}", float(n), f"{n:,}") for stage, reason, n in found[:_ROWS]]
    table = [[stage, words.plain(reason), f"{n:,}"] for stage, reason, n in found]
    said = words.reasons(found)
    svg = charts.bars(said, shown, "bar gone", 220, charts.WIDE)
    return [picture("Why articles were turned away", said, svg, ["stage", "reason", "rows"], table, wide=True)]


def articles(facts: Facts) -> list[Picture]:
    found = facts["articles"]
    pictures = [_lengths(found)] if found["lengths"] else []
    if found["languages"]:
        pictures.append(_groups("Languages", found["languages"], "languages"))
        pictures.append(_groups("Sources", found["sources"], "sources"))
    if len(found["months"]) > 2:
        pictures.append(_months(found["months"]))
    return pictures


def _lengths(found: Facts) -> Picture:
    bins, said = found["lengths"], words.lengths(found)
    names = [f"{bin['from']:,}" for bin in bins]
    whole = [f"{bin['from']:,} – {bin['to']:,}" if bin["to"] else f"{bin['from']:,} and more" for bin in bins]
    counts = [bin["count"] for bin in bins]
    if bins[-1]["to"] is None:
        names[-1] += "+"
    tallest = counts.index(max(counts))
    told = [words.short(count) if at == tallest else "" for at, count in enumerate(counts)]
    table = [[name, f"{count:,}"] for name, count in zip(whole, counts, strict=True)]
    title = f"{found['unit'].capitalize()} an article"
    return picture(title, said, charts.histogram(said, names, counts, told), [found["unit"], "articles"], table)


def _groups(title: str, groups: list[Facts], what: str) -> Picture:
    total, said = sum(row["articles"] for row in groups), words.groups(groups, what)
    shown = [
        (row["name"], float(row["articles"]), f"{row['articles']:,} ({words.percent(row['articles'] / total)})")
        for row in groups[:_ROWS]
    ]
    table = [
        [row["name"], f"{row['articles']:,}", f"{row['labels']:,}", f"{row['phrases']:,}",
         words.percent(row["absent"] / row["phrases"] if row["phrases"] else None)] for row in groups[:30]
    ]  # fmt: skip
    return picture(title, said, charts.bars(said, shown), [what, "articles", "labels", "phrases", "absent"], table)


def _months(months: dict[str, int]) -> Picture:
    names = list(months)
    busiest = max(names, key=lambda name: months[name])
    said = (
        f"Published from {names[0]} to {names[-1]}; the most, {words.some(months[busiest], 'article')}, in {busiest}."
    )
    svg = charts.sparkline(said, list(months.values()), names[0], names[-1])
    return picture(
        "When they were published", said, svg, ["month", "articles"], [[n, f"{c:,}"] for n, c in months.items()]
    )


# --- labels ---


def labels(facts: Facts) -> list[Picture]:
    found, many = facts["labels"], facts["job"]["many"]
    if not found["count"]:
        return []
    pictures = [_sizes(found, facts["job"]["max_phrases"])] if many else []
    pictures += [_tiers(found)] if found["tiers"] else []
    if set(found["label_sources"]) - {"llm"}:
        pictures.append(_label_sources(found))
    if found["top"]:
        pictures.append(_top(found, many))
    if found["repairs"]:
        pictures.append(_repairs(found))
    return pictures


def _sizes(found: Facts, most: int) -> Picture:
    sizes = {
        number: found["per_label"].get(str(number), 0) for number in range(1, max(map(int, found["per_label"])) + 1)
    }
    told = [words.short(count) if count else "" for count in sizes.values()]
    said = words.sizes(found, most)
    svg = charts.histogram(
        said, [str(number) for number in sizes], list(sizes.values()), told if len(told) < 13 else [""] * len(told)
    )
    return picture("Phrases a label", said, svg, ["phrases", "labels"], [[str(n), f"{c:,}"] for n, c in sizes.items()])


def _tiers(found: Facts) -> Picture:
    counts = {tier: found["tiers"][tier] for tier in _TIERS if tier in found["tiers"]}
    counts |= {tier: n for tier, n in found["tiers"].items() if tier not in counts}
    said = words.tiers(found)
    svg = charts.stacked(said, [(tier, n, f"tier {tier if tier in _TIERS else 'other'}") for tier, n in counts.items()])
    table = [[tier, f"{n:,}", words.percent(n / found["phrases"])] for tier, n in counts.items()]
    return picture("Where phrases stand", said, svg, ["tier", "phrases", "share"], table)


def _top(found: Facts, many: bool) -> Picture:
    said = words.top(found, many)
    shown = [(phrase, float(n), f"{n:,}") for phrase, n in found["top"][: _ROWS + 2]]
    title = "Most common phrases" if many else "Labels"
    return picture(
        title, said, charts.bars(said, shown), ["phrase", "labels"], [[p, f"{n:,}"] for p, n in found["top"]]
    )


def _repairs(found: Facts) -> Picture:
    rows = list(found["repairs"].items())
    first, count = rows[0]
    share = words.percent(count / found["count"])
    said = f"What cleaning did to the raw replies; most often: {words.plain(first)}, in {share} of the labels."
    shown = [(words.plain(name), float(n), f"{n:,}") for name, n in rows[:_ROWS]]
    return picture(
        "Repairs",
        said,
        charts.bars(said, shown, "bar soft"),
        ["repair", "labels"],
        [[words.plain(r), f"{n:,}"] for r, n in rows],
    )


def _label_sources(found: Facts) -> Picture:
    kinds = {"llm": "bar soft", "verified": "tier exact", "edited": "tier reviewer"}
    touched = found["count"] - found["label_sources"].get("llm", 0)
    said = f"People have verified or edited {words.some(touched, 'label')}, {words.percent(touched / found['count'])} of all."
    svg = charts.stacked(said, [(name, n, kinds.get(name, "tier other")) for name, n in found["label_sources"].items()])
    return picture(
        "Who stands behind the labels",
        said,
        svg,
        ["source", "labels"],
        [[s, f"{n:,}"] for s, n in found["label_sources"].items()],
    )
