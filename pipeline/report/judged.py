"""Pictures of the review, of cost and speed, and of what changed; see `pictures`."""

from __future__ import annotations

from pipeline.core import charts
from pipeline.report import words
from pipeline.report.pictures import Facts, Picture, are_equal, picture

_ROWS = 12


# --- review ---


def review(facts: Facts) -> list[Picture]:
    figures = facts["review"]
    if not figures:
        return []
    what = "phrases" if facts["job"]["many"] else "labels"
    pictures = [_precision(figures, what)] if figures["precision"] else []
    pictures += _parts(figures, what)
    pictures += [_reasons(figures["reasons"])] if figures["reasons"] else []
    if most := figures.get("rejected_most"):
        title = f"{what.capitalize()} that were rejected most"
        pictures.append(_phrases([(phrase, count) for phrase, count in most], "bar gone", title, "article"))
    pictures += [_seconds(figures["reviewers"])] if any(row["seconds_median"] for row in figures["reviewers"]) else []
    pictures += [_caught(figures["reviewers"])] if any(row["catch_rate"] for row in figures["reviewers"]) else []
    return pictures


def _precision(figures: Facts, what: str) -> Picture:
    whole, takeaway = figures["precision"], words.precision(figures, what)
    strata = [row for row in figures["strata"] if row["precision"]]
    named = [(row["name"], row["precision"]) for row in strata] if len(strata) > 1 else []
    named.append(("all" if not named else "all, weighted", whole))
    rows = [
        (name, share["mean"], share["low"], share["high"], _mean_with_interval(share)) for name, share in named[-_ROWS:]
    ]
    svg = charts.forest(f"Accepted {what}: {takeaway}", rows, whole["mean"])
    unseen = [row["name"] for row in figures["strata"] if not row["precision"]]
    if unseen and strata:
        takeaway += f" Not judged yet: {', '.join(unseen[:3])}{' …' if len(unseen) > 3 else ''}."
    weights = {row["name"]: row for row in figures["strata"]}
    table = [
        [
            name,
            words.percent(share["mean"]),
            words.between(share),
            words.percent(weights.get(name, {}).get("weight", 1)),
        ]
        for name, share in named
    ]
    return picture(
        f"{what.capitalize()} that people accepted",
        takeaway,
        svg,
        ["stratum", "accepted", "95% interval", "weight"],
        table,
    )


def _parts(figures: Facts, what: str) -> list[Picture]:
    """Draw the precision by source and over time, as far as there are several."""
    sources = [row for row in figures.get("sources") or [] if row["precision"]]
    periods = [row for row in figures.get("periods") or [] if row["precision"]]
    pictures = []
    if len(sources) > 1:
        least = min(sources, key=lambda row: row["precision"]["mean"])
        takeaway = f"Least of {words.some(len(sources), 'source')}: {least['name']}, {_mean_with_interval(least['precision'])}."
        pictures.append(_forest(f"Accepted {what} by source", takeaway, "source", sources))
    if len(periods) > 1:
        first, last = periods[0]["precision"], periods[-1]["precision"]
        apart = first["high"] < last["low"] or last["high"] < first["low"]
        takeaway = f"From {words.percent(first['mean'])} to {words.percent(last['mean'])}, by when articles were judged"
        takeaway += "." if apart else "; the intervals meet, so it may be chance."
        pictures.append(_forest(f"Accepted {what} over time", takeaway, "judged", periods))
    return pictures


def _forest(title: str, takeaway: str, what: str, parts: list[Facts]) -> Picture:
    drawn = [(row["name"], row["precision"]) for row in parts[:_ROWS]]
    rows = [(name, share["mean"], share["low"], share["high"], _mean_with_interval(share)) for name, share in drawn]
    table = [
        [
            row["name"],
            f"{row['judged_articles']:,}",
            words.percent(row["precision"]["mean"]),
            words.between(row["precision"]),
        ]
        for row in parts
    ]
    head = [what, "articles judged", "accepted", "95% interval"]
    return picture(title, takeaway, charts.forest(f"{title}: {takeaway}", rows), head, table)


def _mean_with_interval(share: Facts) -> str:
    return f"{words.percent(share['mean'])} ({words.between(share)})"


def _reasons(reasons: dict[str, int]) -> Picture:
    rows = sorted(reasons.items(), key=lambda item: -item[1])
    total = sum(reasons.values())
    takeaway = (
        f"{words.percent(rows[0][1] / total)} of {words.some(total, 'reason')} that reviewers gave: {rows[0][0]}."
    )
    shown = [(name, float(count), f"{count:,}") for name, count in rows]
    return picture(
        "Why phrases were rejected",
        takeaway,
        charts.bars(takeaway, shown, "bar gone"),
        ["reason", "phrases"],
        [[n, f"{c:,}"] for n, c in rows],
    )


def _seconds(reviewers: list[Facts]) -> Picture:
    rows = sorted((row for row in reviewers if row["seconds_median"]), key=lambda row: row["seconds_median"])
    times = [words.seconds(row["seconds_median"]) for row in rows]
    shown = [
        (row["name"], row["seconds_median"], f"{time}, {words.some(row['articles'], 'article')}")
        for row, time in zip(rows[:_ROWS], times, strict=False)
    ]
    ends = f"the fastest {times[0]}, the slowest {times[-1]}" if len(rows) > 1 else times[0]
    takeaway = f"{words.some(len(rows), 'reviewer')}; the median article takes {ends}."
    table = [
        [row["name"], f"{row['articles']:,}", f"{row['phrases']:,}", words.percent(row["accepted"]), time]
        for row, time in zip(rows, times, strict=True)
    ]
    return picture(
        "Time an article (median)",
        takeaway,
        charts.bars(takeaway, shown),
        ["reviewer", "articles", "phrases", "accepted", "seconds"],
        table,
    )


def _caught(reviewers: list[Facts]) -> Picture:
    tested = [row for row in reviewers if row["catch_rate"]]
    planted, caught = sum(row["planted"] for row in tested), sum(row["caught"] for row in tested)
    takeaway = f"Of {words.some(planted, 'planted wrong phrase')} {caught:,} were caught."
    rows = [
        (
            row["name"],
            *(row["catch_rate"][end] for end in ("mean", "low", "high")),
            f"{row['caught']} of {row['planted']}",
        )
        for row in tested[:_ROWS]
    ]
    table = [
        [name, counts, words.percent(mean), words.between({"low": low, "high": high})]
        for name, mean, low, high, counts in rows
    ]
    return picture(
        "Planted errors that were caught",
        takeaway,
        charts.forest(takeaway, rows),
        ["reviewer", "caught", "share", "95% interval"],
        table,
    )


# --- cost and speed ---


def spending(facts: Facts) -> list[Picture]:
    cost, quote = facts["cost"], facts["quote"]
    pictures = []
    if cost and cost["usd"]:
        pictures.append(_models(cost))
        pictures += [_days(cost)] if len(cost["by_day"]) > 1 else []
        pictures += [_for_nothing(cost)] if cost["paid_for_nothing"] else []
    if quote and quote["high_usd"]:
        pictures.append(_quote(quote))
    took = facts["speed"]["stages"]
    if sum(took.values()) >= 1:
        pictures.append(_stages(took))
    runs = facts["speed"]["runs"]
    line = [value for run in runs for value in run["line"]]
    if len(line) > 5:
        most, mean = max(run["most"] for run in runs), sum(line) / len(line)
        takeaway = f"Up to {most:,.0f} answers a second, {mean:,.1f} on average, over the logged runs."
        pictures.append(
            picture("Answers a second", takeaway, charts.sparkline(takeaway, line, "first run", "last"), [], [])
        )
    return pictures


def _models(cost: Facts) -> Picture:
    rows = sorted(cost["by_model"], key=lambda row: -row["cost_usd"])
    tokens = cost["totals"]["input_tokens"] + cost["totals"]["output_tokens"]
    of = f", {words.dollars(cost['labels_usd'])} of it for the labels at hand" if words.in_all(cost) else ""
    per = of if cost["per_1000"] is None else f"{of}, {words.dollars(cost['per_1000'])} for 1,000 labels"
    takeaway = f"{words.dollars(cost['usd'])} for {words.short(tokens)} tokens{per}."
    shown = [(row["model"], row["cost_usd"], words.paid(row["cost_usd"], row["unpriced"])) for row in rows[:_ROWS]]
    counts = ("answers", "input_tokens", "output_tokens")
    table = [
        [row["model"], *(f"{row[name]:,}" for name in counts), words.paid(row["cost_usd"], row["unpriced"])]
        for row in rows
    ]
    return picture(
        "Cost by model",
        takeaway,
        charts.bars(takeaway, shown),
        ["model", "answers", "tokens in", "tokens out", "cost"],
        table,
    )


def _for_nothing(cost: Facts) -> Picture:
    rows = cost["paid_for_nothing"]
    paid = sum(row["cost_usd"] for row in rows)
    share = f", {words.percent(paid / cost['usd'])} of the cost" if cost["usd"] else ""
    takeaway = f"{sum(row['replies'] for row in rows):,} replies made no label: {words.dollars(paid)}{share}."
    shown = [(row["reason"], row["cost_usd"], words.dollars(row["cost_usd"])) for row in rows[:_ROWS]]
    table = [[row["reason"], f"{row['replies']:,}", words.dollars(row["cost_usd"])] for row in rows]
    return picture("Paid for nothing", takeaway, charts.bars(takeaway, shown), ["reason", "replies", "cost"], table)


def _days(cost: Facts) -> Picture:
    rows = sorted(cost["by_day"], key=lambda row: row["day"])
    values = [row["cost_usd"] for row in rows]
    dear = max(rows, key=lambda row: row["cost_usd"])
    takeaway = f"Paid on {len(rows)} days; the most on {dear['day']}, {words.dollars(dear['cost_usd'])}."
    value_texts = [words.dollars(value) for value in values] if len(values) <= 7 else [""] * len(values)
    svg = charts.histogram(takeaway, [row["day"][5:] for row in rows], values, value_texts, 100)
    table = [[row["day"], f"{row['answers']:,}", words.dollars(row["cost_usd"])] for row in rows]
    return picture("Cost by day", takeaway, svg, ["day", "answers", "cost"], table)


def _quote(quote: Facts) -> Picture:
    takeaway = words.quote(quote)
    ends = tuple(words.dollars(quote[name]) for name in ("low_usd", "high_usd", "spent_usd"))
    table = [["dollars", ends[0], ends[1], ends[2]]]
    if quote["rest_seconds"] and quote["took_seconds"]:
        table.append(["time", *map(words.seconds, (*quote["rest_seconds"], quote["took_seconds"]))])
        low, high, took = table[1][1:]
        takeaway += f" Time: {took}, quoted {low} to {high}."
    svg = charts.ranged(takeaway, quote["low_usd"], quote["high_usd"], quote["spent_usd"], (ends[0], ends[1], ends[2]))
    return picture("Quote against actual", takeaway, svg, ["", "from", "to", "came to"], table)


def _stages(took: dict[str, float]) -> Picture:
    slow = max(took, key=lambda name: took[name])
    total = sum(took.values())
    takeaway = f"{words.seconds(total)} of work in all; {slow} took {words.percent(took[slow] / total)} of it."
    shown = [(name, value, words.seconds(value)) for name, value in took.items()]
    return picture(
        "Time by stage",
        takeaway,
        charts.bars(takeaway, shown, label_width=90),
        ["stage", "time"],
        [[n, words.seconds(v)] for n, v in took.items()],
    )


# --- what changed ---


def changes(facts: Facts) -> list[Picture]:
    comparison = facts["comparison"]
    if not comparison or not comparison["both"]:
        return []
    pictures = [_sets(comparison)]
    if facts["job"]["many"]:
        pictures.append(_sizes(comparison))
    for name, kind, title in (
        ("top_added", "tier exact", "Phrases that came"),
        ("top_removed", "bar gone", "Phrases that went"),
    ):
        if comparison[name]:
            pictures.append(_phrases(comparison[name], kind, title))
    return pictures


def _sets(comparison: Facts) -> Picture:
    same = comparison["both"] - comparison["changed"]
    parts = [("same phrases", same, "tier exact"), ("other phrases", comparison["changed"], "tier reviewer"),
             ("only now", comparison["only_now"], "bar soft"),
             (f"only in {comparison['name']}", comparison["only_then"], "bar gone")]  # fmt: skip
    takeaway = words.changes(comparison)
    shown = [(name, float(count), kind) for name, count, kind in parts if count]
    return picture(
        "Articles",
        takeaway,
        charts.stacked(takeaway, shown),
        ["", "articles"],
        [[name, f"{count:,}"] for name, count, _ in parts],
    )


def _sizes(comparison: Facts) -> Picture:
    then, now = comparison["then"], comparison["now"]
    names = [str(size) for size in range(1, max(map(int, then["per_label"].keys() | now["per_label"].keys())) + 1)]
    before, after = ([side["per_label"].get(name, 0) for name in names] for side in (then, now))
    takeaway = f"{then['mean_phrases']:.2f} phrases a label then (pale), {now['mean_phrases']:.2f} now."
    table = [[name, f"{a:,}", f"{b:,}"] for name, a, b in zip(names, before, after, strict=True)]
    return picture(
        "Phrases a label", takeaway, charts.paired(takeaway, names, before, after), ["phrases", "then", "now"], table
    )


def _phrases(rows: list[tuple[str, int]], kind: str, title: str, of: str = "label") -> Picture:
    takeaway = f"Most often {rows[0][0]}, in {words.some(rows[0][1], of)}."
    svg = charts.bars(takeaway, [(p, float(n), f"{n:,}") for p, n in rows[:8]], kind)
    if are_equal([n for _, n in rows[:8]]):
        takeaway, svg = words.equally_often([phrase for phrase, _ in rows[:8]], rows[0][1], of), ""
    return picture(
        title,
        takeaway,
        svg,
        ["phrase", f"{of}s"],
        [[p, f"{n:,}"] for p, n in rows],
    )
