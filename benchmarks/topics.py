"""Topics of corpora whose stories are known, with BERTopic and k-means beside ours, on the same vectors in the same run.

    python benchmarks/topics.py [--data ../shared/data] [--corpus sections stories-small ...] [--without-bertopic]

A corpus of stories is made of news articles: each document of a story is some of the sentences of one article, no two documents of
a story share more than a third of theirs.  So it is known which documents belong together, and no document is a copy.  `sections`
are English articles whose section stands in their ids.  Prints AMI over all rows (those without a topic are a group of their own),
the share without a topic and the number of topics.  Needs scikit-learn, and bertopic for its lines.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from pipeline.core.embedder import EmbeddedText
from pipeline.job.topic_options import TopicOptions
from pipeline.topics import rounds
from pipeline.topics.assignments import NONE, Assigned
from pipeline.topics.embedders import embedded, tfidf
from pipeline.topics.log import Topics
from pipeline.topics.space import Space
from pipeline.topics.texts import head_key
from pipeline.topics.vectors import quantised

ROOT = Path(__file__).resolve().parents[1]
SIZES = (5, 10, 15, 25, 50)  # min_cluster_size of HDBSCAN


class Document(NamedTuple):
    text: str
    language: str
    story: str


class Shape(NamedTuple):
    """How a corpus is made: documents a story at most, sentences a document, stories at most, languages, and how many sentences of
    other articles in its language a document has beside its own."""

    documents: int
    sentences: int
    stories: int
    languages: tuple[str, ...] = ("en", "fr", "ko")
    others: int = 0


SHAPES = {
    "stories-many": Shape(40, 6, 1000),
    "stories-short": Shape(60, 3, 120),
    "stories-few": Shape(150, 5, 60),
    "stories-small": Shape(12, 6, 1000),
    "stories-korean": Shape(40, 4, 1000, ("ko",)),
    "lines": Shape(40, 1, 1000),
    "stories-mixed": Shape(35, 3, 1000, others=2),
}


def articles(data: Path, language: str) -> list[dict[str, Any]]:
    with gzip.open(data / f"news-{language}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def stories(data: Path, shape: Shape, seed: int = 0) -> list[Document]:
    """Return the documents of a corpus of stories, shuffled."""
    rng = random.Random(seed)
    sources = [(language, row) for language in shape.languages for row in articles(data, language)]
    rng.shuffle(sources)
    every = {language: [part for of, row in sources if of == language for part in sentences_of(row["text"])]
             for language in shape.languages}  # fmt: skip
    documents: list[Document] = []
    count = 0
    for language, row in sources:
        sentences = sentences_of(row["text"])
        chosen = list(_choices(len(sentences), shape, rng)) if len(sentences) >= 2 * shape.sentences else []
        if len(chosen) >= max(4, shape.documents // 4):
            for some in chosen:
                parts = [sentences[number] for number in some] + rng.sample(every[language], shape.others)
                rng.shuffle(parts)
                documents.append(Document(" ".join(parts), language, f"{count}"))
            count += 1
        if count == shape.stories:
            break
    rng.shuffle(documents)
    return documents


def sentences_of(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?。])\s+|\n+", text) if len(part.strip()) > 30]


def _choices(count: int, shape: Shape, rng: random.Random) -> Iterator[list[int]]:
    kept: list[set[int]] = []
    for _ in range(30 * shape.documents):
        some = rng.sample(range(count), shape.sentences)
        if len(kept) < shape.documents and all(len(other & set(some)) <= shape.sentences // 3 for other in kept):
            kept.append(set(some))
            yield some


def sections(data: Path) -> list[Document]:
    return [Document(row["text"], "en", row["id"].rpartition("-")[0]) for row in articles(data, "en")]


def spaces(documents: list[Document]) -> dict[str, Space]:
    """Return the vectors of documents by each embedder, and joined, rows in the order of their digests."""
    parts = {}
    for name, module in (("embedded", embedded), ("tfidf", tfidf)):
        embedder = module.Embedder(module.Options(), ROOT)
        heads = [EmbeddedText(each.text[: embedder.characters], each.language) for each in documents]
        started = time.process_time()
        if embedder.fits():
            embedder.load(embedder.fit(heads))
        parts[name] = quantised(
            np.concatenate([embedder.embed(heads[at : at + 512]) for at in range(0, len(heads), 512)])
        )
        print(f"  {name}: {len(heads) / (time.process_time() - started):,.0f} articles/s a core")
    return {"joined": Space(tuple(parts.values()))} | {name: Space((part,)) for name, part in parts.items()}


def floats(space: Space) -> Any:
    """Return the rows of a space as plain vectors, whose cosine is the space's similarity."""
    rows = [part.astype(np.float32) for part in space.parts]
    unit = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in rows]
    return np.hstack(unit) / np.sqrt(len(unit))


def ours(space: Space, keys: list[bytes]) -> Any:
    return rounds.first(space, keys, TopicOptions(), Topics(), Assigned.nothing(len(space))).assigned.topic


def bertopics(vectors: Any) -> Iterator[tuple[int, Any, float]]:
    """Yield BERTopic's topics by its usual steps, UMAP to 5 dimensions once, and HDBSCAN of each size, with the seconds of both."""
    from hdbscan import HDBSCAN
    from umap import UMAP

    started = time.process_time()
    reduced = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=42).fit_transform(
        vectors
    )
    seconds = time.process_time() - started
    for size in SIZES:
        started = time.process_time()
        labels = HDBSCAN(min_cluster_size=size, metric="euclidean", cluster_selection_method="eom").fit_predict(reduced)
        yield size, labels, seconds + time.process_time() - started


class Result(NamedTuple):
    """AMI over all rows, the share of them without a topic, how many topics."""

    ami: float
    without: float
    topics: int


def reported(name: str, truth: list[str], labels: Any, seconds: float) -> Result:
    ami = float(adjusted_mutual_info_score(truth, labels))
    without, count = float((labels == NONE).mean()), len(set(labels.tolist()) - {NONE})
    print(
        f"  {name:28}AMI {ami:.3f}  without {without:5.1%}  topics {count:5}  of {len(set(truth)):4}  {seconds:6.1f} s CPU"
    )
    return Result(ami, without, count)


def verdict(own: Result, theirs: list[Result], documents: int, stories: int) -> str:
    """Return what of the aims is reached, and whether the corpus counts: large, and not too easy for BERTopic's best of five."""
    best = max(theirs)
    counts = documents >= 5000 and best.ami < 0.9
    reached = {
        "AMI at least BERTopic's best": own.ami >= best.ami,
        "at most half of its share without": own.without <= best.without / 2,
        "topics within a factor of 1.5": stories / 1.5 <= own.topics <= stories * 1.5,
    }
    words = "; ".join(f"{aim}: {'yes' if value else 'no'}" for aim, value in reached.items())
    return f"{words} (the corpus {'counts' if counts else 'is a smoke test'}: BERTopic's best {best.ami:.3f})"


def compare(name: str, documents: list[Document], with_bertopic: bool) -> None:
    documents = sorted(documents, key=lambda each: head_key(EmbeddedText(each.text, each.language)))
    keys = [head_key(EmbeddedText(each.text, each.language)) for each in documents]
    truth = [each.story for each in documents]
    print(f"{name}: {len(documents):,} documents, {len(set(truth)):,} stories")
    by_name = spaces(documents)
    own: dict[str, Result] = {}
    for of, space in by_name.items():
        started = time.process_time()
        labels = ours(space, keys)
        own[of] = reported(f"labelmill, {of}", truth, labels, time.process_time() - started)
    vectors = floats(by_name["joined"])
    started = time.process_time()
    labels = KMeans(len(set(truth)), n_init=1, random_state=0).fit_predict(vectors)
    reported("k-means, true k", truth, labels, time.process_time() - started)
    for of in ("joined", "embedded") if with_bertopic else ():
        theirs = [
            reported(f"UMAP + HDBSCAN {size}, {of}", truth, labels, seconds)
            for size, labels, seconds in bertopics(floats(by_name[of]))
        ]
        print(f"  {of}: {verdict(own[of], theirs, len(documents), len(set(truth)))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--corpus", nargs="*", default=["sections", *SHAPES])
    parser.add_argument("--without-bertopic", action="store_true")
    given = parser.parse_args()
    for name in given.corpus:
        documents = sections(given.data) if name == "sections" else stories(given.data, SHAPES[name])
        compare(name, documents, not given.without_bertopic)


if __name__ == "__main__":
    main()
