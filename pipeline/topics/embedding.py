"""From articles to the space in which they are compared: each embedder of the job, fitted once, its vectors kept."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText, Embedder
from pipeline.core.files import digest_of, write_bytes
from pipeline.job.topic_options import TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.topics.asking import ask_missing
from pipeline.topics.embedding_processes import embed_all
from pipeline.topics.space import Space
from pipeline.topics.texts import Key, Texts
from pipeline.topics.vectors import EmbedAll, Matrix, VectorStore, embed_missing, in_order, quantised

# articles, those with the smallest digests: a sample at random that no order of sources changes
_FITTED_ON = 20_000


@dataclass(frozen=True)
class Embedding:
    """The space of the articles, a row for each text in the order of their keys, and what it was made by."""

    space: Space
    identities: list[str]  # of the embedders
    states: list[str | None]  # the file of what each learnt, None for one that learns nothing


def embedded(
    work: Workspace,
    options: TopicOptions,
    texts: Texts,
    numbers: dict[Key, int],
    states: Sequence[str | None] | None,
    check: Callable[[list[str]], None],
) -> Embedding:
    """Embed what has no vector yet; return the space of all texts.

    `states` names the files of what the embedders learnt at the last fit, none where its log is too old to tell; None: they are to
    learn anew.  `check` is told the identities before anything is embedded, and perhaps paid.
    """
    embedders: list[tuple[str, Embedder, EmbedAll]] = []
    learnt: list[str | None] = []
    with ExitStack() as stack:
        for number, (spec, given) in enumerate(zip(options.embed, work.config.embedder_options, strict=True)):
            made = plugins.create("embedders", spec.plugin, given, work.config.folder)
            embedder = stack.enter_context(closing(made))
            name = spec.plugin.rpartition(".")[2]
            learnt.append(None)
            state: Path | None = None
            if embedder.fits():
                kept = None if states is None else states[number] if number < len(states) else f"{name}.state"
                learnt[-1] = file = _state(work.topic_vectors, kept, name, embedder, texts)
                state = work.topic_vectors / file
                embedder.load(state.read_bytes())
            embed = embed_all(embedder, work.engine, spec.plugin, given, work.config.folder, state)
            embedders.append((name, embedder, embed))
        identities = [digest_of(embedder.identity) for _, embedder, _ in embedders]
        check(identities)
        parts = [
            _vectors(work, texts, embedder, embed, VectorStore.of(work.topic_vectors, name, embedder.identity), numbers)
            for name, embedder, embed in embedders
        ]
    return Embedding(Space(tuple(parts)), identities, learnt)


def _vectors(
    work: Workspace, texts: Texts, embedder: Embedder, embed: EmbedAll, store: VectorStore, numbers: dict[Key, int]
) -> Matrix:
    head_of: list[Key] = [b""] * len(numbers)
    for key, head, _ in texts.heads(embedder.characters):
        # a text may stand there twice, in two languages: the order of sources must not say which counts
        row = numbers[key]
        head_of[row] = min(head, head_of[row] or head)
    if missing := store.missing(head_of):
        _add_missing(work, texts, embedder, embed, store, missing)
    return store.matrix(head_of)


def _add_missing(
    work: Workspace, texts: Texts, embedder: Embedder, embed: EmbedAll, store: VectorStore, missing: set[Key]
) -> None:
    """Embed the heads that have no vector yet: by a model on this side, or by an endpoint that is asked."""
    if not embedder.is_asked():
        return embed_missing(texts, embedder, store, missing, embed)

    def add(keys: Sequence[Key], vectors: Any) -> None:
        store.add(keys, quantised(vectors))

    requests = -(-len(missing) // embedder.batch)
    ask_missing(work, embedder, add, store.width, in_order(texts, embedder, sorted(missing)), requests)


def _state(folder: Path, kept: str | None, name: str, embedder: Embedder, texts: Texts) -> str:
    """Return the file of what the embedder learnt of the job's articles: the one that was kept, else a new one.

    A new one replaces none, for a refit that is killed or paused leaves the topics as they are, and what they were found by.
    """
    if kept and (folder / kept).exists():
        return kept
    state = embedder.fit(_sample(texts, embedder.characters))
    file = f"{name}-{hashlib.sha256(state).hexdigest()[:12]}.state"
    write_bytes(folder / file, state)
    return file


def _sample(texts: Texts, characters: int) -> Iterator[EmbeddedText]:
    heads = ((key, given) for _, key, given in texts.heads(characters))
    chosen: Sequence[tuple[Key, Any]] = heapq.nsmallest(_FITTED_ON, heads, key=lambda pair: pair[0])
    before: Key | None = None
    for key, given in chosen:
        if key != before:  # one head, one vote
            yield given
        before = key
