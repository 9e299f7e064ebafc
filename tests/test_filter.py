"""Filters: exact, whole chains in order, folded over all shards, counts that add up."""

from __future__ import annotations

import gzip
import json
from operator import eq
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.shards import read_order
from pipeline.core.text.language import detector
from pipeline.core.text.tokens import NamedRuler, encoding_counter
from pipeline.filter.filters import language as language_filter
from tests.conftest import SHARED, JobMaker, article, command, rows, run, stage, tree, write_jsonl
from tests.openai_server import Server, completion

KOREAN = "서울시는 올해 봄부터 시민에게 항구를 개방하고 새로운 도서관을 열기로 했다고 밝혔다. " * 6
ENGLISH = "The harbour of the city was opened to the public in the spring of this year. " * 6


def test_the_chain_in_order(make_job: JobMaker) -> None:
    articles = [
        {"id": "ko", "body": KOREAN},
        {"id": "en", "body": ENGLISH},
        {"id": "digits", "body": "1234 5678 🎉🎉 90"},
        {"id": "short", "body": "서울시는 항구를 개방했다."},
        {"id": "copy", "body": "\u3000" + KOREAN.replace(" ", "  ").replace("봄", "봄")},
    ]
    filters = [
        {"type": "language", "keep": ["ko"]},
        {"type": "tokens", "min": 100, "max": 10_000},
        {"type": "duplicates"},
    ]
    work = run(make_job(articles, filters=filters), last="filter")
    assert [row["id"] for row in rows(work, "filtered")] == ["ko"]
    kept = rows(work, "filtered")[0]
    assert (kept["language"], kept["tokens"]) == ("ko", encoding_counter("cl100k_base")([kept["text"]])[0])
    rejected = {row["id"]: (row["reason"], row["detail"]) for row in rows(work, "filtered", rejected=True)}
    assert rejected["en"] == ("language_not_wanted", "language=en")
    assert rejected["digits"][0] == "language_unknown"
    assert rejected["short"][0] == "too_short"
    assert rejected["copy"] == ("duplicate_text", "same as ko")
    status = stage(work, "filter")
    assert status["rows"] == 5 == status["kept"] + sum(status["rejected"].values())


def test_min_is_inclusive_and_max_exclusive(make_job: JobMaker) -> None:
    length = encoding_counter("cl100k_base")([ENGLISH.strip()])[0]
    path = make_job([{"id": "1", "body": ENGLISH}], filters=[{"type": "tokens", "min": length, "max": length + 1}])
    assert stage(run(path, last="filter"), "filter")["kept"] == 1
    assert stage(run(path, f"filters.0.min={length + 1}", "filters.0.max=null", last="filter"), "filter")[
        "rejected"
    ] == {"too_short": 1}
    assert stage(run(path, "filters.0.min=0", f"filters.0.max={length}", last="filter"), "filter")["rejected"] == {
        "too_long": 1
    }


def test_duplicates_across_files_and_the_order_of_the_chain(make_job: JobMaker, tmp_path: Path) -> None:
    first = {**article(1), "title": "Same  Ｔitle"}
    write_jsonl(tmp_path / "in" / "a.jsonl", [first, {**article(2), "title": None}, {**article(3), "title": None}])
    write_jsonl(tmp_path / "in" / "b.jsonl", [{**article(4), "title": "Same Title"}, {**article(1), "id": "copy"}])
    source = {"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}
    path = make_job(sources=[source], filters=[{"type": "duplicates"}])
    work = run(path, last="filter")
    assert [row["id"] for row in rows(work, "filtered")] == ["a1", "a2", "a3"]
    reasons = {row["id"]: row["reason"] for row in rows(work, "filtered", rejected=True)}
    assert reasons == {"a4": "duplicate_title", "copy": "duplicate_text"}  # the same body under another title
    # the first is dropped before duplicates are looked for: the next of the kind takes its place
    write_jsonl(tmp_path / "in" / "a.jsonl", [{**first, "body": "too short"}, {**article(2), "title": None}])
    work = run(
        make_job(sources=[source], filters=[{"type": "tokens", "min": 20}, {"type": "duplicates"}]), last="filter"
    )
    assert [row["id"] for row in rows(work, "filtered")] == ["a2", "a4", "copy"]


def test_a_job_without_filters_keeps_the_sources_language(make_job: JobMaker) -> None:
    work = run(make_job([{**article(1), "language": "en"}]), last="filter")
    assert rows(work, "filtered")[0]["language"] == "en"
    assert rows(work, "filtered")[0]["tokens"] is None


@pytest.mark.parametrize("name", ["auto", "langdetect"])
def test_texts_without_a_language_do_not_crash(name: str) -> None:
    detect = detector(name)
    for text in ("", " ", "123 456", "😀😀😀", "https://news.example/a?b=c", "\x00\x01", "a\ufffeb", "…"):
        assert detect(text) is None or isinstance(detect(text), str)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400))
def test_detection_never_raises_and_repeats(text: str) -> None:
    detect = detector("auto")
    assert detect(text) == detect(text)


def test_boilerplate_of_another_language_does_not_decide() -> None:
    boilerplate = "Copyright 2026. All rights reserved. Subscribe to our newsletter for more news from the city. " * 2
    assert detector("auto")(boilerplate + KOREAN * 3 + boilerplate) == "ko"


def _shared(name: str) -> list[dict[str, Any]]:
    if not SHARED.exists():
        pytest.skip(f"the shared data are not at {SHARED}")
    with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("where", ["head", "tail", "both"])
def test_boilerplate_of_real_articles_does_not_decide(where: str, share: float) -> None:
    """`share` is the boilerplate's length at each end, of the article's own."""
    sentences: dict[str, str] = {}
    for row in _shared("language-sentences"):
        sentences[row["language"]] = f"{sentences.get(row['language'], '')}{row['text']} "
    detect, right, total = detector("auto"), 0, 0
    for language in ("ko", "en", "fr"):
        for number, row in enumerate(row for row in _shared(f"news-{language}") if len(row["text"]) >= 400):
            other = [code for code in ("ko", "en", "fr", "ja", "de", "ru") if code != language][number % 5]
            boilerplate = (sentences[other] * 9)[: int(share * len(row["text"]))]
            head, tail = (boilerplate if where in (end, "both") else "" for end in ("head", "tail"))
            right += detect(f"{head} {row['text']} {tail}") == language
            total += 1
    assert right >= 0.99 * total


def test_languages_of_single_sentences() -> None:
    detect, sentences = detector("auto"), _shared("language-sentences")
    assert sum(detect(row["text"]) == row["language"] for row in sentences) >= 0.99 * len(sentences)


def test_languages_of_real_articles() -> None:
    detect = detector("auto")
    languages = [
        (detect(row["text"]), language) for language in ("ko", "en", "fr") for row in _shared(f"news-{language}")
    ]
    right, total = sum(map(eq, *zip(*languages, strict=True))), len(languages)
    assert right >= total - 2  # one "English" row is Indonesian, one is a line of basketball scores


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base"])
def test_the_fast_counter_counts_like_tiktoken(encoding: str, text: str) -> None:
    texts = [text, text + " 서울시 1,000만원 <|endoftext|>"]
    assert encoding_counter(encoding)(texts) == encoding_counter(encoding, "tiktoken")(texts)


def test_the_fast_counter_counts_real_articles_like_tiktoken() -> None:
    if not SHARED.exists():
        pytest.skip(f"the shared data are not at {SHARED}")
    for name in ("news-ko", "news-en", "news-fr", "language-sentences"):
        with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in file]
        for encoding in ("cl100k_base", "o200k_base"):
            assert encoding_counter(encoding)(texts) == encoding_counter(encoding, "tiktoken")(texts)


@pytest.fixture
def words(tmp_path: Path) -> str:
    """The folder of a tokenizer whose tokens are words between spaces."""
    tokenizers = pytest.importorskip("tokenizers", reason="extra 'transformers' is not installed")
    transformers = pytest.importorskip("transformers", reason="extra 'transformers' is not installed")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"the": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(tmp_path / "words")
    return str(tmp_path / "words")


def test_a_hugging_face_tokenizer(make_job: JobMaker, words: str) -> None:
    path = make_job([{"id": "1", "body": ENGLISH}], filters=[{"type": "tokens", "tokenizer": words}])
    work = run(path, last="filter")
    assert rows(work, "filtered")[0]["tokens"] == len(ENGLISH.split())


def test_one_tokenizer_counts_for_the_whole_job(make_job: JobMaker, server: Server, words: str) -> None:
    """Filter, label length, quote, cutting and export count by it, and each by another where the other is named."""
    body = f"{ENGLISH.strip()} Harbour festival opens on Friday."
    label = {"provider": "openai", "base_url": server.url, "on_too_long": "truncate"}
    articles = [{"id": str(n), "body": f"{body} {n}"} for n in range(4)]
    path = make_job(
        articles,
        tokenizer=words,
        filters=[{"type": "tokens"}],
        label=label,
        clean={"max_label_tokens": 3},
    )
    server.script = lambda body, times: (200, completion(body, "harbour festival; opens on Friday"), {})
    run(path, last="filter")
    quoted = json.loads(command("quote", path, "--json").stdout)
    work = run(path)
    assert {row["tokens"] for row in rows(work, "filtered")} == {len(f"{body} 1".split())}
    contents = sum(len(message["content"].split()) for sent in server.bodies for message in sent["messages"])
    assert (quoted["input_tokens"], quoted["encoding"]) == (contents + 4 * 4 * 3, words)
    assert {tuple(row["keyphrases"]) for row in rows(work, "labels")} == {("harbour festival",)}
    output = work.config.folder / "out.jsonl"
    assert command("export", path, "--format", "clm", "--max-input-tokens", "20", "--output", output).returncode == 0
    assert all(len(json.loads(line)["text"].split()) <= 20 for line in output.read_text().splitlines())
    [count] = encoding_counter("cl100k_base")([f"{body} 1"])
    other = run(path, "filters.0.encoding=cl100k_base", last="filter")
    assert {row["tokens"] for row in rows(other, "filtered")} == {count}
    again = run(path, "tokenizer=o200k_base", "clean.max_label_tokens=1", last="review")
    assert rows(again, "labels") == []  # cleaned anew, by the other


def test_a_text_is_cut_by_a_named_tokenizer(words: str) -> None:
    ruler = NamedRuler(words)
    assert ruler.cut("the cat  sat on it", 2).split() == ["the", "cat"]
    assert ruler.cut("the cat", 9) == "the cat"
    assert ruler.of_chat([{"role": "user", "content": "the cat"}]) == 2 + 8


# --- versions of filters ---


class _Earlier(language_filter.Filter):
    """The language filter of an earlier program, for which everything is Welsh."""

    version = 1

    def decide(self, articles: pa.Table) -> tuple[list[str | None], dict[str, list[Any]]]:
        return [None] * articles.num_rows, {"language": ["cy"] * articles.num_rows}


def test_what_an_earlier_version_judged_stays_until_it_is_rejudged(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "in" / "a.jsonl", [article(1)])
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(2)])
    source = {"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}
    path = make_job(sources=[source], filters=[{"type": "language", "keep": ["en", "cy"]}])
    with monkeypatch.context() as patch:
        patch.setattr(language_filter, "Filter", _Earlier)
        work = run(path)
    before = tree(work.path)
    assert {row["language"] for row in rows(work, "filtered")} == {"cy"}
    done = command("run", path)
    assert done.returncode == 0 and "--rejudge" in done.stderr, done.stderr
    assert tree(work.path) == before
    # a shard whose articles changed is judged by the filter as it is now, the other is not
    write_jsonl(tmp_path / "in" / "b.jsonl", [article(2), article(3)])
    assert {row["id"]: row["language"] for row in rows(run(path), "filtered")} == {"a1": "cy", "a2": "en", "a3": "en"}
    assert command("filter", path, "--rejudge").returncode == 0
    assert {row["language"] for row in rows(work, "filtered")} == {"en"}
    before = tree(work.path)
    done = command("filter", path, "--rejudge")
    assert done.returncode == 0 and "rejudge" not in done.stderr
    assert tree(work.path) == before


def test_langdetect_judges_as_it_did(make_job: JobMaker) -> None:
    """Its decisions of before are those of now, so nothing is offered to be judged anew."""
    path = make_job([article(1)], filters=[{"type": "language", "keep": ["en"], "detector": "langdetect"}])
    work = run(path)
    for shard in read_order(work.articles):
        assert work.decisions.manifest(shard).notes == {}  # type: ignore[union-attr]
    done = command("filter", path)
    assert done.returncode == 0 and "rejudge" not in done.stderr
    path = make_job([article(1)], filters=[{"type": "language", "keep": ["en"]}])
    work = run(path)
    assert {work.decisions.manifest(shard).notes["language"] for shard in read_order(work.articles)} == {2}  # type: ignore[union-attr]


def test_a_takedown_does_not_judge_the_rest_anew(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's article goes; by the filter of now the others would go as well, labelled and published as they are."""
    filters = [
        {"type": "language", "keep": ["cy"]},
        {"type": "tokens", "max": 60},
        {"type": "duplicates"},
    ]
    short = [article(n, words=16) for n in range(6)]
    path = make_job([*short, article(9, words=200), {**article(8), "body": short[0]["body"]}], filters=filters)
    with monkeypatch.context() as patch:
        patch.setattr(language_filter, "Filter", _Earlier)
        work = run(path)
    before = {row["id"]: row for row in rows(work, "filtered")}
    turned_away = {row["id"]: (row["reason"], row["detail"]) for row in rows(work, "filtered", rejected=True)}
    assert len(before) >= 6 and "too_long" in {reason for reason, _ in turned_away.values()}
    assert command("takedown", path, "--id", "a3").returncode == 0
    done = command("run", path)
    assert done.returncode == 0 and "--rejudge" in done.stderr
    del before["a3"]
    assert {row["id"]: row for row in rows(work, "filtered")} == before
    after = {row["id"]: (row["reason"], row["detail"]) for row in rows(work, "filtered", rejected=True)}
    assert after == turned_away
    command("filter", path, "--rejudge")
    assert rows(work, "filtered") == []
