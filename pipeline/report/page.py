"""Page of a report: the facts as one HTML file with no outside asset, no script, every text of an article escaped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from pipeline.core import charts
from pipeline.core.files import write_bytes
from pipeline.job.workspace import Workspace
from pipeline.metrics.intervals import ENOUGH
from pipeline.report import facts as gathering
from pipeline.report import judged, pictures, students, words

FILE = "report.html"
_FILTERS: dict[str, Callable[..., Any]] = {
    "dollars": words.dollars, "percent": words.percent, "between": words.between, "seconds": words.seconds,
    "plain": words.plain, "short": words.short,
}  # fmt: skip


def html(work: Workspace, review: dict[str, Any] | None = None) -> str:
    """Return the report of a job as it is now; with `review`, the figures that a reviewer may see, as reviewers may read it.

    Raises InputError for a job that never ran.
    """
    return render(gathering.gather(work) if review is None else gathering.gather_for_reviewers(work, review))


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write the report so that it is there whole or not at all."""
    write_bytes(path, render(facts).encode())


def render(facts: dict[str, Any]) -> str:
    """Return the HTML of facts as `facts.gather` makes them."""
    sections = _sections(facts)
    with charts.narrow():
        small = _sections(facts)
    for name, drawn in sections.items():
        pairs = zip(drawn, small[name], strict=True)
        sections[name] = [replace(picture, narrow=other.chart) for picture, other in pairs]
    template = _environment().get_template("report.html")
    return template.render(facts=facts, sections=sections, tiles=tiles(facts), rates=rates(facts)).strip() + "\n"


def _sections(facts: dict[str, Any]) -> dict[str, list[pictures.Picture]]:
    return {
        "funnel": [*pictures.funnel(facts), *pictures.reasons(facts)],
        "articles": pictures.articles(facts),
        "labels": pictures.labels(facts),
        "review": judged.review(facts),
        "spending": judged.spending(facts),
        "changes": judged.changes(facts),
        "learning": students.learning(facts),
    }


def tiles(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the figures at the head of the page: (figure, what it is, what stands below it)."""
    labels, review, cost, pace = facts["labels"], facts["review"], facts["cost"], facts["speed"]["articles_per_second"]
    if not labels["count"]:
        return [(f"{facts['funnel'][0]['kept']:,}", "articles", "collected")]
    shown = [(f"{labels['count']:,}", "labels", f"{labels['phrases']:,} phrases" if facts["job"]["many"] else "")]
    if review and review["precision"]:
        share = review["precision"]
        of = "" if share["covers"] >= ENOUGH else f" of {words.percent(share['covers'])}"
        shown.append((words.percent(share["mean"]), f"accepted{of}", f"95%: {words.between(share)}"))
    if labels["absent_rate"] is not None:
        shown.append((words.percent(labels["absent_rate"]), "absent", "phrases not in their article"))
    if cost:
        per = f"{words.dollars(cost['per_1000'])} for 1,000 labels" if cost["per_1000"] else ""
        beside = "; ".join(filter(None, (per, words.in_all(cost))))
        shown.append((words.paid(cost["labels_usd"], cost["unpriced"]), "paid", beside))
    if topics := facts["topics_cost"]:
        parts = {name: words.paid(totals["cost_usd"], totals["unpriced"]) for name, totals in topics.items()}
        whole = words.paid(*(sum(totals[name] for totals in topics.values()) for name in ("cost_usd", "unpriced")))
        shown.append((whole, "paid for topics", ", ".join(f"{name} {price}" for name, price in parts.items())))
    if pace:
        shown.append((f"{pace:,.1f}" if pace < 100 else f"{pace:,.0f}", "articles a second", "while labelling"))
    return shown


def rates(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return recall, agreement and anchoring, as far as they are known: (figure, what it is, what it means)."""
    review, shown = facts["review"], []
    if not review:
        return []
    if recall := review["recall"]:
        meaning = f"of what reviewers wrote before they saw the label ({recall['articles']:,} articles)"
        kinds = (("soft", "with partial credit"), ("strict", "word by word"))
        for kind, shares in kinds[recall["soft"] == recall["strict"] :]:  # the same twice says nothing more
            detail = f"{meaning}, {shares}; 95%: {words.between(recall[kind])}"
            shown.append((words.percent(recall[kind]["mean"]), f"recall, {kind}", detail))
    if agreement := review["agreement"]:
        soft, ac1 = agreement["soft_f1"], agreement["ac1"]
        meaning = f"two reviewers, {agreement['articles']:,} articles: the sets that they accept"
        shown.append(
            (f"{soft['mean']:.2f}", "agreement, soft F1", f"{meaning}; 95%: {soft['low']:.2f}–{soft['high']:.2f}")
        )
        if agreement["masi_alpha"] is not None:
            shown.append(
                (f"{agreement['masi_alpha']:.2f}", "agreement, MASI alpha", "the same, corrected for chance; 1 is best")
            )
        if ac1:
            detail = f"accept or reject, {ac1['phrases']:,} phrases, corrected for chance; 95%: {ac1['low']:.2f}–{ac1['high']:.2f}"
            shown.append((f"{ac1['value']:.2f}", "agreement, Gwet AC1", detail))
    if anchor := review["anchoring"]:
        detail = (
            f"accepted blind {words.percent(anchor['blind'])}, after seeing the label {words.percent(anchor['assisted'])}; "
            f"95%: {_signed(anchor['low'])} to {_signed(anchor['high'])} points; below 0 the label sways who sees it"
        )
        shown.append((_signed(anchor["difference"]), "points of anchoring", detail))
    return shown


def _signed(share: float) -> str:
    """Write a difference of shares in points, with a minus that is as wide as the plus."""
    return f"{share * 100:+.1f}".replace("-", "−")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= _FILTERS
    return environment
