"""Ids and names of topics last: growth, refits, merges by hand, names by a model that are paid once."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import runner
from pipeline.commands import topics as commands
from pipeline.core.errors import ConfigError, InputError, Paused
from pipeline.core.shards import read_order
from pipeline.job.run_options import RunOptions
from pipeline.topics import naming, rounds, stage
from pipeline.topics.log import TopicLog
from pipeline.topics.names import is_alike
from tests.conftest import JobMaker, command, rows, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.test_topics import SOURCES, THEMES, corpus, groups, themed, topics_of

pytest.importorskip("graspologic_native")


@pytest.fixture
def job(make_job: JobMaker) -> Path:
    return make_job(corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})


def grow(job: Path, *more: list[dict[str, Any]]) -> None:
    write_jsonl(job.parent / "articles.jsonl", [*corpus(), *(row for part in more for row in part)])


def named(work: Any) -> dict[int, str]:
    return {row["id"]: row["name"] for row in work.topic_table.topics()}


def test_articles_that_come_join_and_nothing_else_moves(job: Path) -> None:
    first = topics_of(job)
    before, names, places = groups(first), named(first), first.topic_table.articles(["id", "x", "y"]).to_pylist()
    grow(job, [themed(theme, 100) for theme in THEMES])
    after = topics_of(job)
    now = groups(after)
    assert {row_id: now[row_id] for row_id in before} == before
    assert named(after) == names
    assert after.topic_table.articles(["id", "x", "y"]).to_pylist()[: len(places)] == places
    for theme in THEMES:
        assert now[f"{theme}-100"] == now[f"{theme}-1"]


def test_what_is_like_nothing_founds_a_topic_once_there_is_enough(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        THEMES, "observatory", "telescope comet astronomer eclipse nebula orbit satellite meteor planet galaxy"
    )
    first = topics_of(job)
    ids = set(named(first))
    few = [themed("observatory", number) for number in range(3)]
    for row in few:  # words that the first articles hold, so that they are somewhere and yet far from all
        row["body"] += " The harbour and the orchard and the clinic were there."
    grow(job, few)
    work = topics_of(job)
    reasons = {row["id"]: row["reason"] for row in work.topic_table.articles(["id", "reason"]).to_pylist()}
    assert set(named(work)) == ids
    assert {reasons[row["id"]] for row in few} <= {"far_from_all_topics", "says_nothing", None}


def test_a_new_theme_founds_a_topic(make_job: JobMaker) -> None:
    known = [row for row in corpus() if not row["id"].startswith("clinic")]
    hints = [
        {**themed("clinic", n), "id": f"hint-{n}"} for n in range(2)
    ]  # its words are known, and it is no topic yet
    path = make_job([*known, *hints], sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})
    before = groups(topics_of(path))
    assert before["hint-0"] is None
    write_jsonl(path.parent / "articles.jsonl", [*known, *hints, *(themed("clinic", n) for n in range(20, 29))])
    work = topics_of(path)
    now = groups(work)
    new = {topic for row_id, topic in now.items() if row_id.startswith("clinic")}
    assert len(new) == 1 and not new & set(before.values()) and None not in new
    assert now["hint-0"] in new
    assert {row_id: now[row_id] for row_id in before if before[row_id] is not None} == {
        row_id: topic for row_id, topic in before.items() if topic is not None
    }
    changes = commands.changes(work)
    assert [row["id"] for row in changes["born"]] == list(new)


def test_growing_embeds_new_articles_only(job: Path) -> None:
    topics_of(job)
    [store] = [path for path in (job.parent / "jobs" / "test" / "topics.vectors").iterdir() if path.is_dir()]
    before = {file.name: file.read_bytes() for file in store.iterdir()}
    grow(job, [themed("harbour", 500)])
    topics_of(job)
    assert {file.name: file.read_bytes() for file in store.iterdir() if file.name in before} == before
    assert len(list(store.glob("0*.parquet"))) == 2


def test_a_refit_carries_ids_over(job: Path) -> None:
    before = groups(topics_of(job))
    grow(job, corpus(14, 12))
    topics_of(job)
    work = topics_of(job, refit=True)
    now = groups(work)
    assert {row_id: now[row_id] for row_id in before} == before
    assert TopicLog(work.topic_table.path / "log.jsonl").read().rounds[-1]["kind"] == "fit"


def test_hand_made_changes_last(job: Path) -> None:
    work = topics_of(job)
    harbour, orchard = (groups(work)[f"{theme}-1"] for theme in ("harbour", "orchard"))
    assert harbour is not None and orchard is not None
    done = command("topics", job, "--merge", f"{harbour},{orchard}", "--rename", str(harbour), "Ships and apples")
    assert done.returncode == 0, done.stderr
    for refit in (False, True):
        work = topics_of(job, refit=refit)
        now = groups(work)
        [one] = {now[f"{theme}-{n}"] for theme in ("harbour", "orchard") for n in range(12)}
        assert one in (harbour, orchard) and named(work)[one] == "Ships and apples"
    assert command("topics", job, "--rename", "99", "X").returncode == 1
    taken = command("topics", job, "--rename", str(groups(work)["clinic-1"]), "ships and  apples")
    assert taken.returncode == 1 and "called 'Ships and apples' already" in taken.stderr
    assert command("topics", job, "--merge", "3;7").returncode == 2


def test_a_merged_topic_is_described_anew_and_keeps_the_name_that_a_person_gave(job: Path) -> None:
    work = topics_of(job)
    ids = sorted(one for theme in ("harbour", "orchard") if (one := groups(work)[f"{theme}-1"]) is not None)
    words = {row["id"]: set(row["words"]) for row in work.topic_table.topics()}
    into, other = ids  # of topics that are equally large the smaller id stays
    assert command("topics", job, "--rename", str(other), "Out of doors").returncode == 0
    done = command("topics", job, "--merge", f"{into},{other}")
    assert done.returncode == 0, done.stderr
    row = next(row for row in work.topic_table.topics() if row["id"] == into)
    assert (row["name"], row["named_by"], row["size"]) == ("Out of doors", "hand", 24)
    assert set(row["words"]) & words[into] and set(row["words"]) & words[other]
    for command_of in (("topics", job, "--topic", str(other)), ("show", job, "articles", "--topic", str(other))):
        shown = command(*command_of)
        assert shown.returncode == 0, shown.stderr
    third = groups(work)["clinic-1"]
    assert command("topics", job, "--rename", str(third), "Health").returncode == 0
    refused = command("topics", job, "--merge", f"{into},{third}")
    assert refused.returncode == 1 and "say what the merged topic is called" in refused.stderr
    assert command("topics", job, "--merge", f"{into},{third}", "--rename", str(third), "All").returncode == 0
    assert named(work)[into] == "All"


def test_a_topic_that_lost_its_articles_is_described_by_those_it_has(job: Path) -> None:
    work = topics_of(job)
    log = TopicLog(work.topic_table.path / "log.jsonl")
    harbour = groups(work)["harbour-1"]
    assert harbour is not None
    gone = {f"harbour-{number}" for number in (4, 5)}
    write_jsonl(job.parent / "articles.jsonl", [row for row in corpus() if row["id"] not in gone])
    topics_of(job)
    assert log.read().live[harbour].described == 1, "less than a fifth left"
    gone = {f"harbour-{number}" for number in range(6)}
    write_jsonl(job.parent / "articles.jsonl", [row for row in corpus() if row["id"] not in gone])
    work = topics_of(job)
    assert log.read().live[harbour].described == log.read().last_round > 1
    row = next(row for row in work.topic_table.topics() if row["id"] == harbour)
    assert row["size"] == 6 and set(row["representatives"]) == {f"harbour-{number}" for number in range(6, 12)}


def test_a_round_that_was_killed_does_not_count(job: Path) -> None:
    work = topics_of(job)
    before, log = groups(work), work.topic_table.path / "log.jsonl"
    whole = log.read_bytes()
    grow(job, [themed("clinic", 100)])
    topics_of(job)
    written = log.read_bytes()
    for end in (len(whole), len(whole) + 20, len(written) - 30, len(written) - 1):
        log.write_bytes(written[:end])
        now = groups(topics_of(job))
        assert {row_id: now[row_id] for row_id in before} == before
        assert now["clinic-100"] == now["clinic-1"]


def test_an_article_that_was_away_at_a_refit_joins_anew(job: Path) -> None:
    work = topics_of(job)
    ended = groups(work)["harbour-1"]
    write_jsonl(job.parent / "articles.jsonl", [row for row in corpus() if not row["id"].startswith("harbour")])
    assert ended not in named(topics_of(job, refit=True))
    write_jsonl(job.parent / "articles.jsonl", corpus())
    work = topics_of(job)
    sizes = {row["id"]: row["size"] for row in work.topic_table.topics()}
    assert Counter(topic for topic in groups(work).values() if topic is not None) == sizes
    table = work.topic_table.articles(["topic_id", "reason"]).to_pylist()
    assert ended not in sizes and all((row["topic_id"] is None) == (row["reason"] is not None) for row in table)


def test_the_lines_of_a_killed_round_stay_dead(job: Path) -> None:
    work = topics_of(job)
    log = TopicLog(work.topic_table.path / "log.jsonl")
    before, events = log.read().live.keys(), log.events()
    founded = next(event for event in events if event["event"] == "founded")
    for event in ({**founded, "id": 77, "round": 2}, {**founded, "id": 78, "round": 2}):
        log.add(event)  # whole lines of a round that was killed before its last one
    with log.path.open("ab") as file:
        file.write(b'{"event":"founded","id":79,"rou')
    grow(job, [themed("clinic", 100)])
    work = topics_of(job)
    assert log.read().last_round == 2 and log.read().live.keys() == before
    assert groups(work)["clinic-100"] == groups(work)["clinic-1"]
    old = [{key: value for key, value in event.items() if key != "lines"} for event in events]
    log.path.write_text("".join(json.dumps(event) + "\n" for event in old), "utf-8")
    assert log.read().live.keys() == before, "a log of before lines were counted"


def test_a_refit_that_was_killed_locks_nothing(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = groups(topics_of(job))
    grow(job, corpus(14, 12))
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "first", lambda *_: (_ for _ in ()).throw(Paused("stopped")))
        with pytest.raises(Paused):
            topics_of(job, refit=True)
    now = groups(topics_of(job))
    assert {row_id: now[row_id] for row_id in before} == before


def test_other_embedders_need_a_refit(job: Path) -> None:
    topics_of(job)
    with pytest.raises(InputError, match="--refit groups all articles anew"):
        topics_of(job, "topics.embed=[{type: tfidf, dimensions: 9}]")
    topics_of(job, "topics.embed=[{type: tfidf, dimensions: 9}]", refit=True)


def test_dropped_topics_go_no_further(job: Path) -> None:
    work = topics_of(job)
    harbour = groups(work)["harbour-1"]
    work = work_of(job, f"topics.drop=[{harbour}]")
    runner.run(work)
    assert not [row for row in rows(work, "labels") if row["id"].startswith("harbour")]
    assert len(rows(work, "labels")) == 48
    status = {row["stage"]: row for row in runner.status(work)["stages"]}
    assert status["topics"]["rejected"] == {"topic_dropped": 12} and status["label"]["rows"] == 48
    back = work_of(job)
    runner.run(back)
    assert len(rows(back, "labels")) == 60


def test_what_is_dropped_is_not_kept_by_a_merge(job: Path, caplog: pytest.LogCaptureFixture) -> None:
    ids = sorted(topics_of(job).topic_table.names())[:2]
    half = f"topics.drop=[{ids[1]}]"
    refused = command("topics", job, "--merge", f"{ids[0]},{ids[1]}", "--set", half)
    assert refused.returncode == 1 and f"topics.drop names {ids[1]} and not all of" in refused.stderr
    assert command("topics", job, "--merge", f"{ids[0]},{ids[1]}").returncode == 0
    with pytest.raises(InputError, match=f"topics.drop: topic {ids[1]} was merged into {ids[0]}"):
        topics_of(job, half)
    topics_of(job, f"topics.drop={ids}", f"label.until={{'{ids[1]}': 3}}", "label.until_by=topic")
    assert f"label.until: topic {ids[1]} was merged into {ids[0]}" in caplog.text
    topics_of(job, "topics.drop=[88]")
    assert "there is no topic 88" in caplog.text


def test_every_article_has_a_topic_or_a_reason(make_job: JobMaker) -> None:
    odd = [{"id": f"odd-{n}", "title": None, "body": f"{n} {n + 1} {n + 2} !? ...", "language": "en"} for n in range(6)]
    path = make_job([*corpus(), *odd], sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})
    table = topics_of(path).topic_table.articles().to_pylist()
    assert all((row["topic_id"] is None) == (row["reason"] is not None) for row in table)
    assert {row["reason"] for row in table if row["id"].startswith("odd")} == {"says_nothing"}


# --- names by a model ---


def topic_namer(body: dict[str, Any], _: int) -> Any:
    """A model that takes the first two keywords for the name."""
    material = body["messages"][-1]["content"]
    keywords = re.search(r"Keywords: (.+)", material)
    assert keywords
    return 200, completion(body, " and ".join(keywords[1].split(", ")[:2]).capitalize()), {}


def naming_job(job: Path, server: Server) -> tuple[str, ...]:
    return (f"topics.names={{provider: openai, model: gpt-6-luna, base_url: '{server.url}'}}",)


def test_a_model_names_topics_and_is_paid_once(job: Path, server: Server) -> None:
    server.script = topic_namer
    work = topics_of(job, *naming_job(job, server))
    first = named(work)
    assert all(" and " in name for name in first.values()) and len(set(first.values())) == 5
    assert {row["named_by"] for row in work.topic_table.topics()} == {"gpt-6-luna"}
    assert sum(server.answered.values()) == 5
    body = json.dumps(server.bodies[0], ensure_ascii=False)
    assert "Topics beside it" in body and "Articles:" in body
    topics_of(job, *naming_job(job, server))
    grow(job, [themed("harbour", 100)])
    assert named(topics_of(job, *naming_job(job, server))) == first
    assert sum(server.answered.values()) == 5, "a name stays unless a fifth of its articles changed"
    grow(job, [themed("harbour", number) for number in range(100, 106)])
    topics_of(job, *naming_job(job, server))
    assert sum(server.answered.values()) == 6


MORE_THEMES = {
    "school": "school teacher pupil lesson exam homework classroom library uniform timetable term essay",
    "stadium": "stadium striker goal referee coach penalty league trophy defender midfield transfer fans",
    "court": "court judge verdict lawyer witness jury appeal sentence trial prosecutor evidence plea",
}


@pytest.mark.slow
def test_broad_topics_are_named_by_the_model_too(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for theme, words in MORE_THEMES.items():
        monkeypatch.setitem(THEMES, theme, words)
    path = make_job(corpus(8), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})

    def namer(body: dict[str, Any], count: int) -> Any:
        material = body["messages"][-1]["content"]
        if "It is a broad topic" not in material:
            return topic_namer(body, count)
        return 200, completion(body, "All of " + re.search(r"Keywords: (\w+)", material)[1]), {}  # type: ignore[index]

    server.script = namer
    rows = topics_of(path, *naming_job(path, server)).topic_table.topics()
    under = Counter(row["broad_id"] for row in rows)
    broad = {row["broad_id"]: row["broad_name"] for row in rows}
    several = {number for number, count in under.items() if count > 1}
    assert len(rows) == 8 and several and sum(server.answered.values()) == 8 + len(several)
    assert {number for number, name in broad.items() if name.startswith("All of")} == several
    assert all(broad[row["broad_id"]] == row["name"] for row in rows if row["broad_id"] not in several)
    names = [row["name"] for row in rows] + [broad[number] for number in several]
    assert len({name.casefold() for name in names}) == len(names)
    material = next(text for body in server.bodies if "It is a broad topic" in (text := str(body["messages"][-1])))
    assert "Topics within it" in material and "Articles:" in material and "Topics beside it" in material
    work = work_of(path, *naming_job(path, server))
    runner.run_topics(work, refit=True)
    assert {row["broad_id"]: row["broad_name"] for row in work.topic_table.topics()} == broad
    assert sum(server.answered.values()) == 8 + len(several), "the same groups keep their names in a refit"


def broad_questions(server: Server) -> int:
    return sum("It is a broad topic" in str(body["messages"][-1]) for body in server.bodies)


@pytest.fixture
def layered(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of enough topics for broad ones above them."""
    for theme, words in MORE_THEMES.items():
        monkeypatch.setitem(THEMES, theme, words)
    return make_job(corpus(8), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})


@pytest.mark.slow
def test_broad_topics_of_an_older_log_keep_their_names(layered: Path, server: Server) -> None:
    server.script = topic_namer
    work = topics_of(layered)
    log = work.topic_table.path / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace(',"to_be_named":true', ""), "utf-8")
    before = {row["broad_id"]: row["broad_name"] for row in work.topic_table.topics()}
    several = {number for number, group in TopicLog(log).read().under().items() if len(group) > 1}
    for _ in range(2):
        rows = topics_of(layered, *naming_job(layered, server)).topic_table.topics()
        assert {row["broad_id"]: row["broad_name"] for row in rows if row["broad_id"] in several} == {
            number: before[number] for number in several
        }
        assert len(server.bodies) == 8 and not broad_questions(server)
    topics = TopicLog(log).read()
    assert {number: list(topics.broad[number].members) for number in several} == {
        number: topics.under()[number] for number in several
    }, "it is noted what must change"
    topics_of(layered, *naming_job(layered, server), refit=True)
    assert broad_questions(server) == len(several)


@pytest.mark.slow
def test_a_broad_name_that_is_refused_is_not_asked_for_whenever_articles_come(layered: Path, server: Server) -> None:
    def namer(body: dict[str, Any], count: int) -> Any:
        is_broad = "It is a broad topic" in str(body["messages"][-1])
        return (200, completion(body, "x" * 200), {}) if is_broad else topic_namer(body, count)

    server.script = namer
    before = topics_of(layered, *naming_job(layered, server)).topic_table.topics()
    asked = broad_questions(server)
    more = [themed(theme, number) for theme in THEMES for number in range(100, 104)]
    write_jsonl(layered.parent / "articles.jsonl", [*corpus(8), *more])
    after = topics_of(layered, *naming_job(layered, server)).topic_table.topics()
    assert len(server.bodies) - asked >= 16, "all of them changed, and were named anew"
    assert asked and broad_questions(server) == asked
    names = [
        {row["broad_id"]: row["broad_name"] for row in rows if ", " in row["broad_name"]} for rows in (before, after)
    ]
    assert names[0] == names[1] != {}


def test_names_that_are_alike_are_asked_again(job: Path, server: Server) -> None:
    def stubborn(body: dict[str, Any], count: int) -> Any:
        if "Names that are taken" in body["messages"][-1]["content"]:
            return topic_namer(body, count)
        return 200, completion(body, "Local news"), {}

    server.script = stubborn
    first = named(topics_of(job, *naming_job(job, server)))
    assert len({name.casefold() for name in first.values()}) == 5
    assert sum(name == "Local news" for name in first.values()) == 1


def test_a_model_that_says_too_much_leaves_the_words(job: Path, server: Server) -> None:
    server.script = lambda body, _: (200, completion(body, "one two three four five six seven eight"), {})
    work = topics_of(job, *naming_job(job, server))
    assert all(len(name.split()) <= 6 for name in named(work).values())
    server.script = lambda body, _: (200, completion(body, "x" * 200), {})
    work = topics_of(job, *naming_job(job, server))
    assert {row["named_by"] for row in work.topic_table.topics()} == {"words"}


def test_naming_goes_on_where_it_stopped(job: Path, server: Server) -> None:
    allowed = [2]

    def bounded(body: dict[str, Any], count: int) -> Any:
        if allowed[0] <= 0:
            return 401, {"error": {"message": "no", "code": "invalid_api_key"}}, {}
        allowed[0] -= 1
        return topic_namer(body, count)

    server.script = bounded
    with pytest.raises(Paused):
        topics_of(job, *naming_job(job, server))
    paid = sum(server.answered.values())
    allowed[0] = 99
    work = topics_of(job, *naming_job(job, server))
    assert sum(server.answered.values()) == 5 and paid <= 2
    assert len(set(named(work).values())) == 5


@pytest.mark.slow
def test_names_spend_of_the_jobs_budget(job: Path, server: Server) -> None:
    """What names cost bounds labels, and the other way round; a bound of their own is told by its name."""
    server.script = topic_namer
    bounded = "topics.names.parameters.max_output_tokens=20"
    label = f"label={{provider: openai, base_url: '{server.url}', parameters: {{max_output_tokens: 8}}, budget_usd: 9}}"
    names = topics_of(job, *naming_job(job, server), bounded, label)
    spent = runner.status(names)["topics"]["names"]["cost_usd"]
    asked = sum(server.answered.values())
    assert spent > 0 and asked == 5
    with pytest.raises(Paused, match=r"\(\$0.0000 spent, .* elsewhere in the job\); raise label.budget_usd"):
        runner.run(work_of(job, *naming_job(job, server), bounded, label, f"label.budget_usd={spent + 1e-9}"))
    assert sum(server.answered.values()) == asked
    labels, server.script = work_of(job, label, "workspace=labels"), None
    runner.run(labels, RunOptions(last="label"))
    server.script = topic_namer
    spent, asked = runner.status(labels)["ledger"]["cost_usd"], sum(server.answered.values())
    named = (*naming_job(job, server), bounded, label, "workspace=labels")
    with pytest.raises(Paused, match=r"\(\$0.0000 spent, .* elsewhere in the job\); raise label.budget_usd"):
        topics_of(job, *named, f"label.budget_usd={spent + 1e-9}")
    with pytest.raises(Paused, match=r"raise topics\.names\.budget_usd"):
        topics_of(job, *named, "topics.names.budget_usd=0.0000001")
    with pytest.raises(Paused, match=r"spent in the job\); raise label.budget_usd"):
        topics_of(job, *naming_job(job, server), label, "workspace=labels", f"label.budget_usd={spent * 0.99}")
    assert sum(server.answered.values()) == asked
    topics_of(job, *named)
    assert sum(server.answered.values()) == asked + 5


def test_names_that_no_budget_can_bound_are_told_of(
    job: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Jobs from before the job's budget counted for names go on; prices of the job are those of names, too."""
    server.script = topic_namer
    names = naming_job(job, server)
    work = topics_of(job, *names, "label.budget_usd=9")
    assert "label.budget_usd is not kept for names" in caplog.text and sum(server.answered.values()) == 5
    assert runner.status(work)["topics"]["names"]["cost_usd"] > 0
    with pytest.raises(
        ConfigError, match=r"topics\.names\.budget_usd: needs topics\.names\.parameters\.max_output_tokens"
    ):
        topics_of(job, *names, "workspace=own", "label.budget_usd=9", "topics.names.budget_usd=20")
    quoted = command(
        "topics", job, "--quote", "--set", *names, "--set", "label.budget_usd=9", "--set", "workspace=quoted"
    )
    assert quoted.returncode == 0, quoted.stderr
    caplog.clear()
    server.models = ("mine",)
    bounded = ("topics.names.model=mine", "topics.names.parameters.max_output_tokens=20", "workspace=priced")
    topics_of(job, *names, *bounded, "label.budget_usd=9", "label.prices={mine: {input: 1, output: 1}}")
    assert "not kept" not in caplog.text


def test_names_are_quoted(job: Path, server: Server) -> None:
    quoted = command("topics", job, "--quote", "--json", "--set", *naming_job(job, server))
    assert quoted.returncode == 0, quoted.stderr
    assert json.loads(quoted.stdout)["to_ask"] == 5
    assert not server.answered
    assert command("topics", job, "--quote").returncode == 2
    mixed = command("topics", job, "--quote", "--merge", "0,1", "--set", *naming_job(job, server))
    assert mixed.returncode == 2 and "--quote only tells a price" in mixed.stderr


def test_names_alike() -> None:
    assert is_alike("Ferries of the Harbour", "harbour ferries of the") and is_alike("A Name", "a name")
    assert not is_alike("항구의 배", "항구의 등대")


def test_the_naming_job_is_one_shard(job: Path, server: Server) -> None:
    work = topics_of(job)
    inner = naming.workspace(
        work_of(job, *naming_job(job, server)), stage.options_of(work_of(job, *naming_job(job, server)))
    )
    assert inner is not None and inner.config.prompt == naming.PROMPT
    naming.write(inner, [], [])
    assert read_order(inner.articles) == ["topics"]
    assert np.isfinite(work.topic_table.articles(["x"]).column("x").to_numpy()).all()
