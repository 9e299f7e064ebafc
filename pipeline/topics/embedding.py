"""From articles to the space in which they are compared: each embedder of the job, fitted once, its vectors kept."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText, Embedder
from pipeline.core.files import digest_of, write_bytes
from pipeline.job.topic_options import TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.topics.space import Space
from pipeline.topics.texts import Key, Texts
from pipeline.topics.vectors import Matrix, VectorStore, embed_missing

_FITTED_ON = 20_000  # articles, those with the smallest digests: a sample at random that no order of sources changes


@dataclass(frozen=True)
class Embedding:
    """The space of the articles, a row for each text in the order of their keys, and what it was made by."""

    space: Space
    identities: list[str]  # of the embedders


def embedded(work: Workspace, options: TopicOptions, texts: Texts, numbers: dict[Key, int], refit: bool) -> Embedding:
    """Embed what has no vector yet; return the space of all texts."""
    parts: list[Matrix] = []
    identities: list[str] = []
    for spec, given in zip(options.embed, work.config.embedder_options, strict=True):
        with closing(plugins.create("embedders", spec.plugin, given, work.config.folder)) as embedder:
            name = spec.plugin.rpartition(".")[2]
            if embedder.fits():
                embedder.load(_state(work.topic_vectors / f"{name}.state", embedder, texts, refit))
            store = VectorStore.of(work.topic_vectors, name, embedder.identity)
            identities.append(digest_of(embedder.identity))
            parts.append(_vectors(texts, embedder, store, numbers))
    return Embedding(Space(tuple(parts)), identities)


def _vectors(texts: Texts, embedder: Embedder, store: VectorStore, numbers: dict[Key, int]) -> Matrix:
    head_of: list[Key] = [b""] * len(numbers)
    for key, head, _ in texts.heads(embedder.characters):
        head_of[numbers[key]] = head
    embed_missing(texts, embedder, store, head_of)
    return store.matrix(head_of)


def _state(file: Path, embedder: Embedder, texts: Texts, refit: bool) -> bytes:
    """Return what the embedder learnt of the job's articles: once, and anew where a refit is asked for."""
    if file.exists() and not refit:
        return file.read_bytes()
    state = embedder.fit(_sample(texts, embedder.characters))
    write_bytes(file, state)
    return state


def _sample(texts: Texts, characters: int) -> Iterator[EmbeddedText]:
    heads = ((key, given) for _, key, given in texts.heads(characters))
    chosen: Sequence[tuple[Key, Any]] = heapq.nsmallest(_FITTED_ON, heads, key=lambda pair: pair[0])
    before: Key | None = None
    for key, given in chosen:
        if key != before:  # one head, one vote
            yield given
        before = key
