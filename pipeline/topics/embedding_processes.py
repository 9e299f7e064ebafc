"""Embedding by a model on this side, in the processes of the job's engine, with the files that one process would write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.embedder import EmbeddedText, Embedder
from pipeline.core.engine import Build, Engine, Task
from pipeline.topics.texts import Key
from pipeline.topics.vectors import Batch, EmbedAll, Matrix, quantised

_Numbered = tuple[int, list[EmbeddedText]]


def embed_all(
    embedder: Embedder, engine: Engine, plugin: str, options: Any, folder: Path, state: Path | None
) -> EmbedAll:
    """Return what embeds all batches: by the engine where the embedder allows it, else by the embedder itself."""
    if embedder.apart:
        return partial(_in_processes, engine, partial(_embedding, plugin, options, folder, state))
    return partial(_here, embedder)


def _here(embedder: Embedder, batches: Iterable[Batch], count: int) -> Iterator[tuple[list[Key], Matrix]]:
    for some in batches:
        yield [key for key, _ in some], quantised(embedder.embed([given for _, given in some]))


def _embedding(
    plugin: str, options: Any, folder: Path, state: Path | None
) -> Callable[[_Numbered], tuple[int, Matrix]]:
    """Return what embeds a numbered batch, in whatever process."""
    embedder: Embedder = plugins.create("embedders", plugin, options, folder)
    if state is not None:
        embedder.load(state.read_bytes())
    return lambda batch: (batch[0], quantised(embedder.embed(batch[1])))


def _in_processes(
    engine: Engine, build: Build, batches: Iterable[Batch], count: int
) -> Iterator[tuple[list[Key], Matrix]]:
    """Yield the vectors of batches in their order, whichever process has them first: after a kill, the first ones are there."""
    keys, done, following = dict[int, list[Key]](), dict[int, Matrix](), 0

    def tasks() -> Iterator[Task]:
        for number, some in enumerate(batches):
            keys[number] = [key for key, _ in some]
            yield Task(f"batch {number + 1}", (number, [given for _, given in some]))

    for number, vectors in engine.map("topics", build, tasks(), count):
        done[number] = vectors
        while following in done:
            yield keys.pop(following), done.pop(following)
            following += 1
