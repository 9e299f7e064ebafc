"""Facts of a report, as one dict of plain values: what `labelmill report --json` prints, and what the page is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import runner
from pipeline.core import plugins
from pipeline.core.objects import looked_at
from pipeline.core.shards import Folder, read_order
from pipeline.job import label_table, topic_picture
from pipeline.job.workspace import Workspace
from pipeline.report import comparison, samples, spending, words
from pipeline.report.census import Census, GroupCounts, binned, count, quantiles
from pipeline.review.statistics import summary
from pipeline.train import pictures as learning
from pipeline.versions import store

_TOP = 30
_EXAMPLES, _EXAMPLE_CHARS = 3, 120
_BEFORE_REVIEW = ("collect", "filter", "label", "clean")


@looked_at()
def gather(work: Workspace, against: str | None = None, seed: int = 0) -> dict[str, Any]:
    """Gather all facts.  Raises InputError for a job that never ran, labels of another task, an `against` that is not there."""
    facts = _facts(work, (work.reviewed, work.labels), None)
    facts |= {
        "turned_away": _turned_away(work),
        "review": _with_titles(work, summary.of_job(work)),
        "comparison": _with_titles(work, comparison.compare(work, against) if facts["labels"]["count"] else None),
        "versions": _versions(work),
        "student": learning.summary(student) if (student := learning.latest(work.students, False)) else None,
        "learning": learning.summary(student) if (student := learning.latest(work.students)) else None,
        "seed": seed,
        "samples": samples.draw(work, seed),
    }
    return {"verdict": words.headline(facts), **facts}


@looked_at()
def gather_for_reviewers(work: Workspace, review: dict[str, Any]) -> dict[str, Any]:
    """Gather what reviewers may know while they judge: `review` are the figures that the reader may see, labels are counted as
    the model gave them, and none is shown, nor what follows from what others said of one.  Raises InputError as `gather`."""
    facts = _facts(work, (work.labels,), _BEFORE_REVIEW)
    facts["labels"]["top"] = []  # in a small job it names the phrases of a blind article
    facts["review"] = {**review, "inherited": None, "notes": [], "rejected_most": [], "differences": []}
    return {"verdict": words.headline(facts, "of their quality you may not know anything yet"), **facts}


def _facts(work: Workspace, labels: Sequence[Folder], stages: Collection[str] | None) -> dict[str, Any]:
    """Gather what depends on no reviewer: labels of the first of the folders that has them; of some `stages` or all (None)."""
    read_order(work.articles)
    label_table.check_column(work.labels, work)
    census, status = count(work, labels), runner.status(work)
    rows = [row for row in status["stages"] if stages is None or row["stage"] in stages]
    log = spending.runs(work.events_file)
    labels_usd = next(row["cost_of_labels_usd"] for row in status["stages"] if row["stage"] == "label")
    cost = spending.cost(work, status["ledger"], census.labels, labels_usd)
    return {
        "job": _job(work, census, cost, status["paused"]),
        "funnel": _funnel(rows),
        "articles": _articles(census) | _map(work),
        "labels": _labels(census),
        "turned_away": {},
        "review": None,
        "cost": cost,
        "topics_cost": status["topics"],
        "speed": spending.speed(rows, log),
        "quote": spending.quote(work.quote_file, cost["usd"] if cost else 0.0, log),
        "comparison": None,
        "versions": [],
        "student": None,
        "learning": None,
        "seed": 0,
        "samples": [],
    }


def _with_titles(work: Workspace, part: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a part of the facts with the titles of the articles that it names by their ids."""
    named = {name: part[name] for name in ("notes", "differences", "examples") if part and part.get(name)}
    ids = {row["id"] for rows in named.values() for row in rows}
    if part is None or not ids:
        return part
    titles: dict[str, str | None] = {}
    for shard in read_order(work.articles):
        articles = work.filtered.read(shard, ["id", "title"])
        chosen = articles.filter(pc.is_in(articles.column("id"), pa.array(sorted(ids))))
        titles.update(zip(chosen.column("id").to_pylist(), chosen.column("title").to_pylist(), strict=True))
    return part | {name: [{**row, "title": titles.get(row["id"])} for row in rows] for name, rows in named.items()}


def _job(work: Workspace, census: Census, cost: dict[str, Any] | None, paused: str | None) -> dict[str, Any]:
    config, names = work.config, census.names
    days = sorted(row["day"] for row in cost["by_day"]) if cost else []
    uses_prompt = plugins.load("providers", config.label.provider).Provider.uses_prompt
    return {
        "name": config.name,
        "file": config.file.name,  # without its folder: the report goes to others
        "task": config.label.task,
        "label": config.label_column.name,
        "many": config.label_column.many,
        "max_phrases": config.max_phrases if config.label_column.many else 1,
        "provider": config.label.provider,
        "models": _three_most_common(names["model"]) or [name for name in [config.label.model] if name],
        "prompts": _three_most_common(names["prompt"])
        or ([config.prompt] if uses_prompt and not census.labels else []),
        "runs": _three_most_common(names["run_id"]),
        "made_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "labelled": [days[0], days[-1]] if days else None,
        "budget_usd": config.label.budget_usd,
        "paused": paused,
    }


def _three_most_common(names: Counter[str]) -> list[str]:
    return [name for name, _ in names.most_common(3)]


def _funnel(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = ("stage", "rows", "kept", "waiting", "rejected", "notes", "seconds", "state")
    return [{name: row[name] for name in wanted} for row in stages]


def _turned_away(work: Workspace) -> dict[str, list[str]]:
    """Return reason -> three replies that the clean stage turned away for it."""
    examples: dict[str, list[str]] = {}
    for shard in read_order(work.articles):
        for row in work.labels.read_rejected(shard).to_pylist():
            replies = examples.setdefault(row["reason"], [])
            if row.get("reply") and len(replies) < _EXAMPLES:
                replies.append(" ".join(row["reply"].split())[:_EXAMPLE_CHARS])
    return {reason: replies for reason, replies in examples.items() if replies}


def _articles(census: Census) -> dict[str, Any]:
    return {
        "count": census.articles,
        "unit": census.unit,
        "quantiles": dict(zip(("p5", "median", "p95"), quantiles(census.lengths, (0.05, 0.5, 0.95)), strict=False)),
        "lengths": binned(census.lengths),
        "languages": _groups(census.languages),
        "sources": _groups(census.sources),
        "topics": _groups(census.topics),
        "months": {month: census.months[month] for month in sorted(census.months)},
    }


def _map(work: Workspace) -> dict[str, Any]:
    """Return the drawing of the topics, where the job has any."""
    return {"map": topic_picture.drawing(work.topic_table)} if work.topic_table.exists else {}


def _groups(groups: dict[str, GroupCounts]) -> list[dict[str, Any]]:
    ordered = sorted(groups.items(), key=lambda item: (-item[1].articles, item[0]))
    return [{"name": name, **asdict(group)} for name, group in ordered[:100]]


def _labels(census: Census) -> dict[str, Any]:
    absent = census.tiers["absent"]
    return {
        "count": census.labels,
        "phrases": census.phrases,
        "per_label": {str(size): census.per_label[size] for size in sorted(census.per_label)},
        "mean_phrases": census.phrases / census.labels if census.labels else None,
        "tiers": dict(census.tiers.most_common()),
        "absent_rate": absent / census.phrases if census.phrases and census.tiers else None,
        "top": census.frequent.top(_TOP),
        "top_missed": census.frequent.missed,
        "repairs": dict(census.repairs.most_common(12)),
        "label_sources": dict(census.names["label_source"].most_common()),
    }


def _versions(work: Workspace) -> list[dict[str, Any]]:
    """Return the versions, the oldest first; the gates are those that the version passed when it was made."""
    versions = []
    for path in store.all_versions(work.versions):
        manifest = store.read_manifest(path)
        wanted = ("version", "created_at", "rows", "diff", "gates", "repo", "licence")
        versions.append({name: manifest.get(name) for name in wanted})
    return versions
