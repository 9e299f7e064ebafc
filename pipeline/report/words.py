"""Wording of numbers and findings as a person reads them: one line each, most important first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics.intervals import ENOUGH

_COMMON = 0.5  # from which share on something is "most"


def dollars(amount: float) -> str:
    return (
        f"${amount:,.2f}"
        if amount >= 0.1 or amount == 0
        else f"${amount:.4f}"
        if amount >= 0.0001
        else f"${amount:.6f}"
    )


def paid(usd: float, unpriced: int) -> str:
    """Write dollars, with `unknown` where replies have no price: they are not free."""
    parts = [dollars(usd)] if usd or not unpriced else []
    return " + ".join([*parts, *(["unknown"] if unpriced else [])])


def percent(share: float | None) -> str:
    """Write a share as a percentage; 99.97% stays below 100%, and 0.02% above 0%."""
    if share is None:
        return "-"
    rounded = f"{share:.1%}"
    if rounded in ("100.0%", "0.0%"):
        return f"{share:.0%}" if share in (0, 1) else f"{share:.2%}"
    return rounded


def between(share: dict[str, Any]) -> str:
    """Write an interval of shares: 91.8–95.9%."""
    return f"{share['low'] * 100:.1f}–{share['high'] * 100:.1f}%"


def seconds(count: float) -> str:
    if count < 60:
        return f"{count:.1f} s"
    minutes, left = divmod(round(count), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {left} s"


def short(count: float) -> str:
    """Write a count as it fits above a column: 1,234 or 12.3k or 4.5M."""
    if count >= 1e6:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.1f}k" if count >= 1e4 else f"{count:,.0f}"


def plain(name: str) -> str:
    """Write a reason such as `too_short` as people do."""
    return name.replace("_", " ")


def equally_often(phrases: Sequence[str], count: int, of: str) -> str:
    """Return a sentence on phrases that occur equally often."""
    return f"In {some(count, of)} each: {', '.join(phrases)}."


def some(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


# --- findings ---


def headline(facts: dict[str, Any], unjudged: str = "nobody has judged a random sample of them yet") -> str:
    """Return the whole report in a sentence; `unjudged` stands in it where there is no precision."""
    labels, cost, review = facts["labels"], facts["cost"], facts["review"]
    if not labels["count"]:
        return f"{some(facts['articles']['count'] or facts['funnel'][0]['kept'], 'article')} collected; nothing is labelled yet."
    parts = [f"{some(labels['count'], 'article')} labelled{_price(cost)}"]
    if review and review["precision"]:
        share = review["precision"]
        judged = some(share["articles"], "article")
        unit = "phrases" if facts["job"]["many"] else "labels"
        whole = "" if share["covers"] >= ENOUGH else f", which speaks for {percent(share['covers'])} of them"
        whose = (
            f"the labeller's {unit} were accepted"  # before review: those that were rejected are in no label any more
        )
        parts.append(f"{percent(share['mean'])} of {whose} (95%: {between(share)}, {judged} judged){whole}")
        if (left := review.get("published")) and review["inherited"]["phrases_judged"] > review["inherited"][
            "phrases_accepted"
        ]:
            parts.append(f"of those that review left, {percent(left['mean'])} are right (95%: {between(left)})")
    else:
        parts.append(unjudged)
    if labels["absent_rate"] is not None:
        parts.append(f"{percent(labels['absent_rate'])} of phrases are not in their article")
    return "; ".join(parts) + "."


def _price(cost: dict[str, Any] | None) -> str:
    if not cost:
        return ""
    if cost["usd"] == 0:
        return " at a price not known" if cost["unpriced"] else " free of charge"
    beside = f" ({in_all(cost)})" if in_all(cost) else ""
    return f" for {dollars(cost['labels_usd'])}{beside}" + (
        " and replies at an unknown price" if cost["unpriced"] else ""
    )


def in_all(cost: dict[str, Any]) -> str:
    """Return what was paid beside the labels at hand, too, for other models, prompts and articles; "" where nothing was."""
    whole = dollars(cost["usd"])
    return f"{whole} with all that was ever asked" if whole != dollars(cost["labels_usd"]) else ""


def funnel(stages: list[dict[str, Any]]) -> str:
    came = stages[0]["rows"]
    ran = [row for row in stages if row["state"] != "not run"]
    if not came or not ran:
        return "Nothing was read."
    worst = max(ran, key=lambda row: sum(row["rejected"].values()))
    lost = sum(worst["rejected"].values())
    last = ran[-1]
    sentence = (
        f"{last['kept']:,} of {came:,} articles read ({percent(last['kept'] / came)}) came through to {last['stage']}"
    )
    return (
        f"{sentence}; {worst['stage']} turned away the most, {lost:,}."
        if lost
        else f"{sentence}; none was turned away."
    )


def reasons(rows: list[tuple[str, str, int]]) -> str:
    total = sum(count for *_, count in rows)
    stage, reason, count = rows[0]
    return f"The most common of {total:,} rejections: {plain(reason)} ({stage}), {percent(count / total)}."


def lengths(articles: dict[str, Any]) -> str:
    ends = articles["quantiles"]
    return (
        f"Half of the articles have {ends['median']:,} {articles['unit']} or fewer; "
        f"nine of ten lie between {ends['p5']:,} and {ends['p95']:,}."
    )


def groups(rows: list[dict[str, Any]], what: str) -> str:
    total, first = sum(row["articles"] for row in rows), rows[0]
    if len(rows) == 1:
        return f"All {total:,} articles: {first['name']}."
    return (
        f"{first['name']} is the largest of {len(rows):,} {what}: {percent(first['articles'] / total)} of the articles."
    )


def sizes(labels: dict[str, Any], most: int) -> str:
    full = labels["per_label"].get(str(most), 0) / labels["count"]
    sentence = f"{labels['mean_phrases']:.1f} phrases a label on average"
    return (
        f"{sentence}; {percent(full)} of the labels have the {most} that are allowed."
        if most and full
        else f"{sentence}."
    )


def tiers(labels: dict[str, Any]) -> str:
    exact = labels["tiers"].get("exact", 0) / labels["phrases"]
    absent = percent(labels["absent_rate"])
    return f"{percent(exact)} of the phrases stand in their article letter by letter; {absent} do not stand there."


def top(labels: dict[str, Any], many: bool) -> str:
    phrase, count = labels["top"][0]
    share = count / labels["count"]
    if not many:
        return f"The most common label, {phrase}, is that of {percent(share)} of the articles."
    worry = ": too general to tell articles apart?" if share > 0.1 and labels["count"] > 50 else "."
    return f"The most common phrase, {phrase}, is in {percent(share)} of the labels{worry}"


def precision(review: dict[str, Any], what: str) -> str:
    needed, share = review["needed"], review["precision"]
    sentence = f"{share['phrases']:,} {what} of {some(share['articles'], 'article')} were judged"
    if share["covers"] < ENOUGH:
        speaks = f"{sentence}. They speak for {percent(share['covers'])} of all {what}"
        return f"{speaks}: other articles came, got other labels or were passed over, and wait for their audit."
    if not needed:
        return f"{sentence}."
    more = some(needed["articles"], "more article")
    return f"{sentence}; with about {more} the interval is about ±{needed['half_width'] * 100:g} points."


def quote(quoted: dict[str, Any]) -> str:
    state = {True: "within what was quoted", False: "outside what was quoted", None: "the quote had no price"}
    return f"{dollars(quoted['spent_usd'])} spent: {state[quoted['within']]}."


def changes(comparison: dict[str, Any]) -> str:
    both = comparison["both"]
    if not both:
        return "No article has a label in both."
    return (
        f"{percent(comparison['changed'] / both)} of {both:,} common articles have other phrases; "
        f"{comparison['phrases_added']:,} phrases came, {comparison['phrases_removed']:,} went."
    )
