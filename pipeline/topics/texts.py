"""Articles as the stage reads them: one row a text, in digest order, whatever the order of the sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.core.embedder import EmbeddedText
from pipeline.core.text.folding import begins_with
from pipeline.job.workspace import Workspace

COLUMNS = ("id", "title", "text", "language", "text_sha256")
KEY_BYTES = 16  # of a SHA-256: enough to tell texts apart, and half as long in memory
Key = bytes


@dataclass(frozen=True)
class Texts:
    """The articles of a job, read a batch at a time, as often as it takes."""

    work: Workspace
    shards: Sequence[str]

    def batches(self, columns: Sequence[str] = COLUMNS) -> Iterator[pa.RecordBatch]:
        """Yield the filtered articles in source order."""
        for shard in self.shards:
            yield from self.work.filter_output.stream(shard, columns)

    def heads(self, characters: int) -> Iterator[tuple[Key, Key, EmbeddedText]]:
        """Yield for each article the key of its text, the key of its head, and the head as an embedder is given it."""
        for batch in self.batches():
            yield from heads_of(batch, characters)

    def keys(self) -> Iterator[Key]:
        """Yield the keys of the articles' texts, in source order."""
        for batch in self.batches(["text_sha256"]):
            yield from map(key_of, batch.column("text_sha256").to_pylist())


def heads_of(batch: pa.RecordBatch, characters: int) -> Iterator[tuple[Key, Key, EmbeddedText]]:
    """Yield what `Texts.heads` does, of some articles."""
    columns = [batch.column(name).to_pylist() for name in ("title", "text", "language", "text_sha256")]
    for title, text, language, digest in zip(*columns, strict=True):
        given = EmbeddedText(head(title, text, characters), language)
        yield key_of(digest), head_key(given), given


def key_of(text_sha256: str) -> Key:
    """Return the key of a text by its digest."""
    return bytes.fromhex(text_sha256[: 2 * KEY_BYTES])


def head(title: str | None, text: str, characters: int) -> str:
    """Return an article's title and so many characters behind it; a text begins with its title as a rule."""
    if title and not begins_with(text, title):
        return f"{title}\n{text[:characters]}"
    return text[: characters + (len(title) if title else 0)]


def head_key(given: EmbeddedText) -> Key:
    """Return the key under which the vector of a head is kept."""
    return hashlib.sha256(f"{given.language or ''}\0{given.text}".encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


def numbered(keys: Iterable[Key]) -> dict[Key, int]:
    """Return the row of each text: in the order of their keys, so that no order of sources shows."""
    return {key: row for row, key in enumerate(sorted(set(keys)))}
