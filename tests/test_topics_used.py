"""Topics where they are used: published rows, the review's sample, `label.until`, `show`, report and card."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import runner
from pipeline.core.errors import ConfigError
from pipeline.job.run_options import RunOptions
from pipeline.review.sample.label_sets import JobLabels
from pipeline.review.sample.sampling_frame import SamplingFrame
from pipeline.versions import map_topics, store
from tests.conftest import JobMaker, command, rows, work_of, write_jsonl
from tests.test_topics import SOURCES, THEMES, corpus, groups, themed, topics_of

pytest.importorskip("graspologic_native")


@pytest.fixture
def job(make_job: JobMaker) -> Path:
    return make_job(
        corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4, "publish": True},
    )  # fmt: skip


def published(work: Any) -> dict[str, dict[str, Any]]:
    last = store.latest(work.versions)
    assert last
    files = sorted((last / "data").glob("*.parquet"))
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def test_published_rows_tell_their_topic_and_no_digest_holds_it(job: Path) -> None:
    work = work_of(job)
    runner.run(work, RunOptions(publish=True))
    first = published(work)
    topic_of, names = groups(work), work.topic_table.names()
    assert {row_id: row["map_topic_id"] for row_id, row in first.items()} == topic_of
    assert all(row["map_topic"] == names[row["map_topic_id"]] for row in first.values())
    card = (store.latest(work.versions) / "README.md").read_text("utf-8")  # type: ignore[operator]
    assert "5 topics" in card and "`map_topic_id`" in card
    described = json.loads((store.latest(work.versions) / "croissant.json").read_text("utf-8"))  # type: ignore[operator]
    assert "map_topic_id" in json.dumps(described)

    harbour, orchard = topic_of["harbour-1"], topic_of["orchard-1"]
    assert command("topics", job, "--merge", f"{harbour},{orchard}").returncode == 0
    plan = runner.plan_version(work)
    assert plan.diff.empty and plan.version is None
    assert plan.manifest["map_topics"]["moved"] == 12
    assert "12  rows have another one" in command("publish", job, "--dry-run").stdout

    write_jsonl(job.parent / "articles.jsonl", [*corpus(), themed("harbour", 50)])
    runner.run(work, RunOptions(publish=True))
    second = published(work)
    assert len(second) == 61 and len({second[row]["map_topic_id"] for row in second}) == 4
    assert second["harbour-1"]["added_in"] == first["harbour-1"]["added_in"]
    assert {row["map_topic_id"] for row_id, row in second.items() if row_id.startswith(("harbour", "orchard"))} == {
        topic for topic in (harbour, orchard) if topic in work.topic_table.names()
    }


def test_a_job_that_does_not_ask_publishes_no_topics(make_job: JobMaker) -> None:
    path = make_job(corpus(4), sources=SOURCES, topics={"embed": "tfidf", "min_size": 3})
    work = work_of(path)
    runner.run(work, RunOptions(publish=True))
    assert "map_topic" not in next(iter(published(work).values()))


def test_names_are_no_markup_on_the_card() -> None:
    sizes = [{"id": 0, "name": "<img src=x> [a](b)\n# c|d", "rows": 3}]
    shown = map_topics.in_words({"sizes": sizes, "without": 0})
    assert shown == r"1 topics: \<img src=x\> \[a\](b) # c\|d (3)."


def test_what_goes_by_topic_needs_the_section(make_job: JobMaker) -> None:
    path = make_job(corpus(1), sources=SOURCES)
    for given in (("label.until={'1': 3}", "label.until_by=topic"), ("review.stratify=topic",)):
        with pytest.raises(ConfigError, match="topic needs the section topics"):
            work_of(path, *given)
        work_of(path, *given, "topics={}")


def test_show_and_report_by_topic(job: Path) -> None:
    work = work_of(job)
    runner.run(work)
    harbour = groups(work)["harbour-1"]
    shown = command("show", job, "articles", "--topic", str(harbour), "--json")
    ids = {json.loads(line)["id"] for line in shown.stdout.splitlines()}
    assert ids == {f"harbour-{n}" for n in range(12)}
    assert command("show", job, "labels", "--topic", "88").returncode == 1
    report = json.loads(command("report", job, "--json").stdout)
    sizes = {row["name"]: row["articles"] for row in report["articles"]["topics"]}
    assert sizes == dict.fromkeys(work.topic_table.names().values(), 12)
    assert command("report", job).returncode == 0


def test_labels_are_drawn_by_topic(job: Path) -> None:
    work = topics_of(job)
    harbour, clinic = (groups(work)[f"{theme}-1"] for theme in ("harbour", "clinic"))
    work = work_of(job, f"label.until={{'{harbour}': 3, '{clinic}': 5}}", "label.until_by=topic")
    runner.run(work, RunOptions(last="review"))
    topic_of = groups(work)
    assert Counter(topic_of[row["id"]] for row in rows(work, "labels")) == {harbour: 3, clinic: 5}


def test_the_review_draws_by_topic(job: Path) -> None:
    work = work_of(job, "review.stratify=topic")
    runner.run(work, RunOptions(last="clean"))
    frame = SamplingFrame(work, JobLabels(work), work.config.review)
    sizes = Counter(frame.stratum.names[number] for number in frame.stratum.of.tolist())
    assert sizes == {str(topic): 12 for topic in set(groups(work).values())}
    assert len(sizes) == len(THEMES)
