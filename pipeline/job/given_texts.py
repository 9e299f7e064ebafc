"""Texts as their source gave them, of articles that were brought to NFC as they were read.

A decomposed text (as macOS writes Hangul) was once taken as it came: takedowns, verdicts, answers and versions of then stand under
its digest.  The files here tell, for each article of a shard that was another text before NFC, what it was, so that all of these
are found again.  Most jobs have none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from pipeline.core.objects import AnyPath
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.core.types import Article, GivenText
from pipeline.job import tables

_COLUMNS = ("text_sha256", "given_sha256", "title", "text")  # of the NFC, and three of what was given
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])


@dataclass(frozen=True)
class GivenTexts:
    """The files of a job, one beside each shard of articles that has such texts."""

    path: AnyPath

    @classmethod
    def beside(cls, articles: AnyPath) -> GivenTexts:
        """Return those of the articles in a folder."""
        return cls(articles.with_name(f"{articles.name}.given"))

    @classmethod
    def of_job(cls, folder: Path) -> GivenTexts:
        """Return those of the job with this folder, wherever its tables lie."""
        return cls.beside(tables.of_folder(folder) / "articles")

    def _file(self, shard: str) -> AnyPath:
        return self.path / f"{shard}.parquet"

    def _files(self) -> list[AnyPath]:
        return sorted(self.path.glob("*.parquet"), key=str)

    @cached_property
    def nfc(self) -> dict[str, str]:
        """Digest of each text as it was given -> that of its NFC."""
        digests = dict[str, str]()
        for file in self._files():
            table = read_parquet(file, ["given_sha256", "text_sha256"])
            digests.update(zip(*(column.to_pylist() for column in table.columns), strict=True))
        return digests

    def all(self) -> Iterator[GivenText]:
        """Yield all that was given."""
        for file in self._files():
            yield from self.of_shard(file.stem).values()

    def of_shard(self, shard: str) -> dict[str, GivenText]:
        """Return the digest of each text's NFC -> what was given."""
        if not self._file(shard).exists():
            return {}
        return {row.pop("text_sha256"): GivenText(**row) for row in read_parquet(self._file(shard)).to_pylist()}

    def write(self, shard: str, articles: Iterable[Article], further: bool = False) -> None:
        """Write what was given of a shard's articles, or no file; `further`: beside what stands there."""
        texts = self.of_shard(shard) if further else {}
        texts |= {article.text_sha256: article.given for article in articles if article.given is not None}
        if not texts:
            return self._file(shard).unlink(missing_ok=True)
        rows = [
            {"text_sha256": digest, **{name: getattr(text, name) for name in _COLUMNS[1:]}}
            for digest, text in texts.items()
        ]
        write_parquet(self._file(shard), pa.Table.from_pylist(rows, schema=_SCHEMA), _SCHEMA)

    def forget(self, digests: Collection[str]) -> None:
        """Remove the titles and texts of these articles (digests of the text, as given or in NFC); that they were given stays."""
        for file in self._files() if digests else ():
            rows = read_parquet(file).to_pylist()
            removed = [row for row in rows if row["text"] and {row["text_sha256"], row["given_sha256"]} & set(digests)]
            for row in removed:
                row["title"], row["text"] = None, ""
            if removed:
                write_parquet(file, pa.Table.from_pylist(rows, schema=_SCHEMA), _SCHEMA)

    def keep_only(self, shards: Sequence[str]) -> None:
        """Remove the files of other shards."""
        for file in self._files():
            if file.stem not in shards:
                file.unlink()
        if isinstance(self.path, Path) and self.path.exists() and not any(self.path.iterdir()):
            self.path.rmdir()

    def as_given(self, shard: str, articles: list[Article]) -> list[Article]:
        """Return articles of a shard with what was given of them, as the reader had them."""
        if not (texts := self.of_shard(shard)):
            return articles
        return [replace(article, given=texts.get(article.text_sha256)) for article in articles]
