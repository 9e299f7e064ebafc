"""Topics: the same groups whatever the order, ids and names that last, and a folder that others read."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import runner
from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText
from pipeline.core.engine import Build, Engine, Task
from pipeline.core.errors import ConfigError, InputError
from pipeline.job.workspace import Workspace
from pipeline.topics import space as spaces
from pipeline.topics.embedders import tfidf
from pipeline.topics.space import Space, neighbours
from pipeline.topics.vectors import quantised
from pipeline.topics.words import words_of
from tests.conftest import JobMaker, command, tree, work_of, write_jsonl

pytest.importorskip("graspologic_native")

THEMES = {
    "harbour": "harbour ferry captain anchor lighthouse tide sailor cargo dock vessel pier mooring",
    "orchard": "orchard apple farmer harvest blossom cider pruning frost tractor beekeeper pear grafting",
    "clinic": "clinic nurse patient vaccine surgeon diagnosis ward fever pharmacy therapy ambulance virus",
    "항구": "항구 어선 선장 등대 부두 화물 선원 조류 방파제 어민 수산물 갈매기",
    "과수원": "과수원 사과 농부 수확 서리 비료 양봉 배나무 묘목 트랙터 과일 저장고",
}


def themed(theme: str, number: int) -> dict[str, Any]:
    """An article whose words are some of its theme's; no two are alike."""
    rng = random.Random(f"{theme}{number}")
    words = THEMES[theme].split()
    chosen = [rng.choice(words) for _ in range(60)]
    is_korean = theme in ("항구", "과수원")
    body = "에서는 ".join(chosen) + "에서 말했다." if is_korean else "The " + " and the ".join(chosen) + " were there."
    return {
        "id": f"{theme}-{number}",
        "title": f"{chosen[0]} {number}",
        "body": body,
        "language": "ko" if is_korean else "en",
    }


def corpus(count: int = 12, start: int = 0) -> list[dict[str, Any]]:
    return [themed(theme, number) for theme in THEMES for number in range(start, start + count)]


SOURCES = [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body", "language": "language"}}]


@pytest.fixture
def job(make_job: JobMaker) -> Path:
    return make_job(corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})


def topics_of(path: Path, *overrides: str, refit: bool = False) -> Workspace:
    work = work_of(path, *overrides)
    runner.run_topics(work, refit)
    return work


def groups(work: Workspace) -> dict[str, int | None]:
    table = work.topic_table.articles()
    return dict(zip(table.column("id").to_pylist(), table.column("topic_id").to_pylist(), strict=True))


def test_articles_are_grouped_by_what_they_are_about(job: Path) -> None:
    work = topics_of(job)
    by_theme: dict[str, set[int | None]] = {}
    for row_id, topic in groups(work).items():
        by_theme.setdefault(row_id.partition("-")[0], set()).add(topic)
    assert all(len(topics) == 1 for topics in by_theme.values()), by_theme
    assert len({topic for topics in by_theme.values() for topic in topics}) == len(THEMES)
    rows = {row["id"]: row for row in work.topic_table.topics()}
    for theme, topics in by_theme.items():
        row = rows[topics.pop()]
        assert row["size"] == 12 and set(row["words"]) <= set(THEMES[theme].split())  # no particles
        assert row["words_mmr"] and row["words_central"] and row["representatives"]
    assert len({row["name"] for row in rows.values()}) == len(rows)


def test_the_folder_is_as_it_is_described(job: Path) -> None:
    work = topics_of(job)
    table = work.topic_table.articles()
    x, y = (np.asarray(table.column(name)) for name in ("x", "y"))
    assert table.column("id").to_pylist() == [row["id"] for row in corpus()]
    assert x.dtype == y.dtype == np.float32 and np.isfinite(x).all() and np.isfinite(y).all()
    assert (np.hypot(x, y) <= 1.0).mean() > 0.9
    sizes = {row["id"]: row["size"] for row in work.topic_table.topics()}
    assert sum(sizes.values()) == sum(topic is not None for topic in groups(work).values())


def test_shuffled_sources_and_threads_change_nothing(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = topics_of(job)
    articles = corpus()
    random.Random(5).shuffle(articles)
    write_jsonl(tmp_path / "articles.jsonl", articles)
    monkeypatch.setattr(spaces, "cores", lambda: 1)
    after = topics_of(job, "workspace=shuffled")
    assert groups(after) == groups(before)
    assert after.topic_table.topics() == before.topic_table.topics()
    place = {}
    for work in (before, after):
        rows = work.topic_table.articles().to_pylist()
        place[work.path] = {row["id"]: (row["x"], row["y"], row["similarity"]) for row in rows}
    assert place[before.path] == place[after.path]


class Backwards(Engine):
    """An engine whose tasks end in the opposite order."""

    def map(self, stage: str, build: Build, tasks: Iterable[Task], count: int) -> Iterator[Any]:
        run = build()
        yield from reversed([run(task.given) for task in tasks])


def vectors_of(work: Workspace) -> dict[str, bytes]:
    return {name: content for name, content in tree(work.topic_vectors).items() if name.endswith(".parquet")}


def test_embedding_in_any_order_of_the_batches_gives_the_same_files(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf.Embedder, "batch", 7)
    here = topics_of(job, "engine.workers=1")
    other = work_of(job, "workspace=other")
    monkeypatch.setitem(vars(other), "engine", Backwards(None))
    runner.run_topics(other, False)
    assert vectors_of(other) == vectors_of(here) and len(vectors_of(here)) == 9
    assert groups(other) == groups(here)


@pytest.mark.slow
@pytest.mark.parametrize("embedder", ["tfidf", "embedded"])
def test_embedding_in_processes_gives_the_same_files(
    make_job: JobMaker, embedder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(corpus(), sources=SOURCES, topics={"embed": embedder, "min_size": 4})
    monkeypatch.setattr(plugins.load("embedders", embedder).Embedder, "batch", 7)
    here, there = topics_of(job, "engine.workers=1"), topics_of(job, "engine.workers=2", "workspace=there")
    assert vectors_of(here) == vectors_of(there) and len(vectors_of(here)) == 9
    assert groups(here) == groups(there)


def test_a_job_without_the_section_has_no_such_stage(make_job: JobMaker) -> None:
    path = make_job(corpus(3), sources=SOURCES)
    work = work_of(path)
    runner.run(work)
    assert "topics" not in runner.states(work)
    assert not work.topic_table.exists
    with pytest.raises(InputError, match="no topics yet"):
        work.topic_table.topics()


def test_the_stage_runs_with_the_job_and_is_done(job: Path) -> None:
    work = work_of(job)
    runner.run(work)
    assert runner.states(work)["topics"] == "done"
    before = work.topic_table.articles_file.stat().st_mtime_ns
    runner.run(work)
    assert work.topic_table.articles_file.stat().st_mtime_ns == before
    assert runner.states(work_of(job, "topics.seed=3"))["topics"].startswith("stale")


def test_the_command(job: Path) -> None:
    shown = command("topics", job)
    assert shown.returncode == 0, shown.stderr
    assert "60 articles, 5 topics" in shown.stdout
    one = command("topics", job, "--topic", "0")
    assert "c-TF-IDF" in one.stdout and "MMR" in one.stdout
    missing = command("topics", job, "--topic", "77")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1) and "no topic 77" in missing.stderr


def test_a_mistake_in_the_section_is_told(make_job: JobMaker) -> None:
    path = make_job(corpus(1), sources=SOURCES)
    with pytest.raises(ConfigError, match=r"topics.embed.0.type: unknown embedder 'tfdif' \(did you mean 'tfidf'"):
        work_of(path, "topics.embed=tfdif")
    with pytest.raises(ConfigError, match=r"topics.embed.0.dimension: unknown key"):
        work_of(path, "topics.embed=[{type: tfidf, dimension: 3}]")


# --- the parts ---


def test_neighbours_are_exact_and_the_same_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    parts = tuple(quantised(rng.standard_normal((1300, size))) for size in (33, 512))
    space = Space(parts)
    one, two = neighbours(space, 7, threads=1), neighbours(space, 7, threads=2)
    assert (one[0] == two[0]).all() and (one[1] == two[1]).all()
    unit = [part / np.linalg.norm(part.astype(np.float64), axis=1, keepdims=True) for part in parts]
    exact = sum(part @ part.T for part in unit) / 2
    np.fill_diagonal(exact, -9)
    nearest = np.sort(exact, axis=1)[:, ::-1][:, :7]
    assert np.abs(nearest - one[1]).max() < 1e-6


def test_equal_rows_are_taken_in_order() -> None:
    space = Space((np.ones((40, 5), np.int8),))
    numbers, _ = neighbours(space, 3)
    assert numbers[0].tolist() == [1, 2, 3] and numbers[30].tolist() == [0, 1, 2]


def test_products_are_whole_numbers_that_float32_holds() -> None:
    rows = quantised(np.array([[1.0] * 3000, [1e-30] * 3000, [0.0] * 3000]))
    assert int((rows[0].astype(np.int64) ** 2).sum()) < 2**24
    assert rows[1].any() and not rows[2].any()


def test_tfidf_is_a_function_of_the_articles_and_not_of_their_batches() -> None:
    texts = [EmbeddedText(row["body"], row["language"]) for row in corpus(6)]
    embedder = tfidf.Embedder(tfidf.Options(dimensions=8), Path())
    embedder.load(embedder.fit(iter(texts)))
    whole = embedder.embed(texts)
    assert (np.concatenate([embedder.embed([text]) for text in texts]) == whole).all()
    assert not embedder.embed([EmbeddedText("", None)]).any()


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("서울에서는 기준금리를 인상했다고 밝혔다", "ko", ["서울", "기준금리"]),
        ("The harbours' ferry was said to be the captain's", "en", ["harbours", "ferry", "captain"]),
        ("L'économie française et l'emploi", "fr", ["économie", "française", "emploi"]),
        ("", None, []),
    ],
)
def test_words(text: str, language: str | None, words: list[str]) -> None:
    assert list(words_of(text, language)) == words


def test_words_without_spaces() -> None:
    assert "経済" in list(words_of("日本の経済は回復した。", "ja"))
    assert list(words_of("中国经济增长", "zh"))
    assert list(words_of("中国经济增长很快，政府表示满意", None)) == list(
        words_of("中国经济增长很快，政府表示满意", "zh")
    )


@pytest.mark.slow
def test_a_number_of_topics_is_reached(make_job: JobMaker) -> None:
    path = make_job(corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})
    for number in (1, 3):
        work = topics_of(path, f"topics.nr_topics={number}", f"workspace=jobs{number}")
        assert len(work.topic_table.topics()) == number
    too_many = topics_of(path, "topics.nr_topics=50", "workspace=jobs50")
    assert too_many.topic_table.topics(), "as many as there are, not none"


def test_a_job_that_began_small_is_grouped_once_there_is_something_to_group(make_job: JobMaker) -> None:
    path = make_job(corpus(1)[:2], sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})
    assert not topics_of(path).topic_table.topics()
    write_jsonl(path.parent / "articles.jsonl", corpus())
    assert len(topics_of(path).topic_table.topics()) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("नौका दोपहर को बंदरगाह से रवाना हुई", ["नौका", "दोपहर", "बंदरगाह", "रवाना", "हुई"]),
        ("கப்பல் துறைமுகம்", ["கப்பல்", "துறைமுகம்"]),
        ("کتاب\u200cها", ["کتاب\u200cها"]),
        ("เรือ" * 11, ["เร", "รื", "ือ"]),  # 44 characters without a space
    ],
)
def test_words_of_scripts_with_vowel_signs_are_whole(text: str, words: list[str]) -> None:
    assert list(words_of(text, None))[: len(words)] == words


def test_what_an_earlier_program_learnt_is_read_by_as_it_read() -> None:
    texts = [EmbeddedText(f"दोपहर बंदरगाह {other}", "hi") for other in ("जहाज", "जहाज", "नाविक", "नाविक")]
    embedder = tfidf.Embedder(tfidf.Options(dimensions=4), Path())
    state = embedder.fit(iter(texts))
    embedder.load(state)
    assert "नाविक" in embedder._columns
    with np.load(io.BytesIO(state)) as read:
        earlier = io.BytesIO()
        np.savez(earlier, words=np.array("\n".join(["दरग", "पहर"]).encode()), projection=read["projection"][:2])
    embedder.load(earlier.getvalue())
    assert embedder.embed([EmbeddedText("दोपहर", "hi")]).any()
