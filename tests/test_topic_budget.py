"""One budget over labels, vectors and names of topics: what it stops, and what it leaves alone."""

from __future__ import annotations

import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline import runner
from pipeline.commands.quote import quote
from pipeline.core.errors import InputError, Paused
from pipeline.job.label_options import JOB_BUDGET
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import NAMING, Workspace
from pipeline.label.job_ledger import budget_beside, salvage_ledger, spent_elsewhere, spent_in_job
from pipeline.label.ledger import open_ledger
from pipeline.topics import naming, stage
from tests.conftest import JobMaker, work_of
from tests.openai_server import Server, completion
from tests.test_topics import SOURCES, corpus, topics_of
from tests.test_topics_lasting import grow, naming_job, themed, topic_namer

pytest.importorskip("graspologic_native")
BOUNDED = "topics.names.parameters.max_output_tokens=20"


@pytest.fixture
def job(make_job: JobMaker) -> Path:
    return make_job(corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})


def label_by(server: Server, budget_usd: float | None) -> str:
    budget = "" if budget_usd is None else f", budget_usd: {budget_usd}"
    return f"label={{provider: openai, base_url: '{server.url}', parameters: {{max_output_tokens: 8}}{budget}}}"


def names_of(work: Workspace) -> set[str]:
    return {row["named_by"] for row in work.topic_table.topics()}


def too_long(body: dict[str, Any], _: int) -> Any:
    return 200, completion(body, "x" * 200), {}


@pytest.mark.slow
def test_names_that_are_answered_are_free_where_nothing_is_left(job: Path, server: Server) -> None:
    """Names that will not do are looked up by each run, and paid by none: a spent budget stops a new question alone."""
    server.script = too_long
    names = naming_job(job, server)
    work = topics_of(job, *names)
    spent, asked = runner.status(work)["topics"]["names"]["cost_usd"], sum(server.seen.values())
    assert spent > 0 and asked and names_of(work) == {"words"}
    for budget in (spent, spent / 2):
        assert names_of(topics_of(job, *names, label_by(server, budget))) == {"words"}
    assert sum(server.seen.values()) == asked
    grow(job, [themed("harbour", number) for number in range(100, 106)])
    with pytest.raises(Paused, match=r"spent in the job\); raise label\.budget_usd"):
        topics_of(job, *names, label_by(server, spent))
    assert sum(server.seen.values()) == asked
    topics_of(job, *names, label_by(server, 9))
    assert sum(server.seen.values()) > asked


@pytest.mark.slow
def test_names_of_another_job_in_postgresql_bound_nothing(
    job: Path, server: Server, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There all jobs' names lie in one schema: a job's labels and names are not stopped by what another job's names cost."""
    server.script = topic_namer
    shared = (*naming_job(job, server), BOUNDED, f"topics.names.ledger={postgres_url}")
    topics_of(job, *shared, "name=other", "workspace=other")
    with closing(open_ledger(postgres_url, NAMING)) as ledger:
        others = ledger.report.spending().spent
    asked = sum(server.seen.values())
    assert others > 0 and asked == 5 and not caplog.text
    tight = label_by(server, others / 2)
    grow(job, [themed("harbour", number) for number in range(100, 106)])
    work = topics_of(job, *shared, tight)
    assert sum(server.seen.values()) > asked, "its names are not bounded by the other job's"
    assert caplog.text.count("label.budget_usd does not count what they cost") == 1
    assert (spent_elsewhere(work), spent_in_job(work)) == (0.0, 0.0)
    grow(job, [themed("clinic", number) for number in range(200, 206)])
    with pytest.raises(Paused, match=r"raise topics\.names\.budget_usd"):
        topics_of(job, *shared, tight, "workspace=third", "topics.names.budget_usd=0.0000001")


@pytest.mark.parametrize("damage", ["file", "server"])
def test_a_job_without_a_budget_opens_no_ledger_but_its_own(job: Path, server: Server, damage: str) -> None:
    names, label = naming_job(job, server), label_by(server, None)
    if damage == "server":
        names += ("topics.names.ledger=postgresql://nobody@127.0.0.1:9/none",)
    work = work_of(job, *names, label)
    runner.run(work, RunOptions(last="filter"))
    for ledger in (work.vectors_ledger, work.topic_table.path / NAMING / "ledger.sqlite"):
        ledger.parent.mkdir(parents=True, exist_ok=True)
        ledger.write_bytes(b"no database at all" * 100)
    assert spent_elsewhere(work) == 0.0
    assert budget_beside(work, (work.vectors_ledger, "test"), 3.0, "own") == (3.0, "own", 0.0)
    assert quote(work, sample=1).sampled == 1
    runner.run(work_of(job, label, "topics=null"), RunOptions(first="label", last="label"))
    assert sum(server.answered.values()) > 1
    if damage == "file":
        with pytest.raises(InputError):
            spent_elsewhere(work_of(job, *names, label_by(server, 9)))


def test_a_sample_counts_what_names_cost_until_it_is_asked(
    job: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run of topics pays while a quote counts is seen: the sum is read under the lock that keeps topics away."""
    names, label = (*naming_job(job, server), BOUNDED), label_by(server, 9)
    work = work_of(job, *names, label)
    runner.run(work, RunOptions(last="filter"))
    server.script = topic_namer
    as_it_is = Workspace.progress
    spent: list[float] = []

    def counted(self: Workspace, name: str, *arguments: Any) -> Any:
        if name == "count" and not spent:
            topics_of(job, *names, label)
            spent.append(spent_elsewhere(work))
        return as_it_is(self, name, *arguments)

    monkeypatch.setattr(Workspace, "progress", counted)
    tight = work_of(job, *names, label, "label.budget_usd=0.00001")
    with pytest.raises(Paused, match=r"elsewhere in the job\); raise label\.budget_usd"):
        quote(tight, sample=1)
    assert spent[0] > 0.00001 and sum(server.answered.values()) == 5


def test_a_worker_elsewhere_knows_which_budget_it_spends_of(job: Path, server: Server) -> None:
    work = work_of(job, *naming_job(job, server), BOUNDED, "topics.names.budget_usd=2")
    runner.run(work, RunOptions(last="filter"))
    inner = naming.workspace(work, stage.options_of(work))
    assert inner is not None and pickle.loads(pickle.dumps(inner)).budget_name == "topics.names.budget_usd"
    assert pickle.loads(pickle.dumps(work)).budget_name == JOB_BUDGET


NAMER = """
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.types import Reply

class Options(Base):
    pass

class Provider(contracts.Provider):
    uses_prompt = False

    def __init__(self, label, options):
        pass

    @property
    def identity(self):
        return {"version": 1}

    def answer(self, requests):
        return [Reply("Name " + request.article.title.split(",")[0], "stop") for request in requests]
"""


@pytest.mark.slow
def test_a_spent_budget_stops_no_provider_that_answers_here(
    job: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "namer.py").write_text(NAMER)
    monkeypatch.syspath_prepend(str(tmp_path))
    server.script = topic_namer
    spent = spent_in_job(topics_of(job, *naming_job(job, server), BOUNDED))
    assert spent > 0
    grow(job, [themed("harbour", number) for number in range(100, 130)])  # another topic now, to be named anew
    asked = sum(server.seen.values())
    work = topics_of(job, "topics.names={provider: own.namer}", label_by(server, spent / 2))
    assert len(names_of(work)) == 2 and sum(server.seen.values()) == asked and not caplog.text


def test_names_in_a_file_that_jobs_share_bound_no_job(
    job: Path, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file other than the job's own is as PostgreSQL is: what another job's names cost stops no label."""
    server.script = topic_namer
    file = tmp_path / "names.sqlite"
    shared = (*naming_job(job, server), BOUNDED, f"topics.names.ledger={file}")
    topics_of(job, *shared, "name=other", "workspace=other")
    with closing(open_ledger(file, NAMING)) as ledger:
        others = ledger.report.spending().spent
    tight = label_by(server, others / 2)
    grow(job, [themed("harbour", number) for number in range(100, 106)])
    work = topics_of(job, *shared, tight)
    assert others > 0 and spent_elsewhere(work) == 0.0
    assert caplog.text.count("label.budget_usd does not count what they cost") == 1
    file.write_bytes(b"no database at all" * 100)
    assert spent_elsewhere(work) == 0.0, "another's damage stops no label"


@pytest.mark.parametrize("ledger", ["own", "label"])
def test_names_in_a_file_of_the_job_count(job: Path, server: Server, ledger: str) -> None:
    server.script = topic_namer
    work = work_of(job, *naming_job(job, server))
    file = work.own_names_ledger if ledger == "own" else work.ledger_target
    odd = Path(file).parent / ".." / Path(file).parent.name / Path(file).name  # the same file, spelled otherwise
    named = topics_of(job, *naming_job(job, server), BOUNDED, f"topics.names.ledger={odd}", label_by(server, 9))
    with closing(open_ledger(file, NAMING)) as opened:
        assert spent_in_job(named) == opened.report.spending().spent > 0


def test_a_damaged_ledger_of_names_is_salvaged(job: Path, server: Server) -> None:
    """The remedy that the error names is one: labels with a budget go on."""
    server.script = topic_namer
    work = topics_of(job, *naming_job(job, server), BOUNDED, label_by(server, 9))
    assert isinstance(work.names_ledger, Path)
    work.names_ledger.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="--salvage"):
        spent_elsewhere(work)
    [(saved, kept)] = salvage_ledger(work)
    assert saved == 0 and kept.parent == work.names_ledger.parent
    assert spent_elsewhere(work) == 0.0 and salvage_ledger(work) == []
    asked = sum(server.seen.values())
    grow(job, [themed("harbour", number) for number in range(100, 106)])  # else the topics are those of before
    work = topics_of(job, *naming_job(job, server), BOUNDED, label_by(server, 9))
    assert sum(server.seen.values()) > asked and spent_elsewhere(work) > 0


@pytest.mark.parametrize("model", ["gpt-6-luna", "nobody-knows-it"])
def test_the_warning_about_names_says_what_counts(
    job: Path, server: Server, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.script, server.models = topic_namer, (model,)
    names = f"topics.names={{provider: openai, model: {model}, base_url: '{server.url}'}}"
    work = topics_of(job, names, label_by(server, 9))
    counts = spent_elsewhere(work) > 0
    assert counts == (model == "gpt-6-luna")
    assert ("what they cost counts for labels)" in caplog.text) == counts
    assert ("give parameters.max_output_tokens" in caplog.text) == counts
    assert ("give prices and parameters.max_output_tokens" in caplog.text) != counts
