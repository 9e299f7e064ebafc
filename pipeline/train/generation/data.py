"""LabelData: examples as a LightningDataModule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.core.types import Example, LabelColumn
from pipeline.train.examples import read_train, validation_part
from pipeline.train.generation.rows import IGNORED, RowEncoder, TokenRow
from pipeline.versions import store


class LabelData(lightning.LightningDataModule):
    """Batches of train, and of the validation share of it; eval is not in it.

    `cuts` tells for both what the limits cut, once `setup` has run.
    """

    def __init__(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        encoder: RowEncoder,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.batch_size, self.seed = encoder, batch_size, seed
        self._examples = {"train": train, "validation": validation}
        self._rows: dict[str, list[TokenRow]] = {}
        self.cuts: dict[str, dict[str, int]] = {}

    @classmethod
    def of_version(cls, version: str | Path, encoder: RowEncoder, validation: float = 0.1, **options: Any) -> LabelData:
        """Take the rows of a version's folder; `validation` is the share of train that exports hold out, too."""
        folder = Path(version)
        column = LabelColumn(**store.read_manifest(folder)["label"])
        return cls(*validation_part(read_train(folder, column).examples, validation), encoder, **options)

    @property
    def validation(self) -> Sequence[Example]:
        """Return the examples that are held out of train."""
        return self._examples["validation"]

    def setup(self, stage: str | None = None) -> None:
        for name, examples in self._examples.items():
            if name not in self._rows:
                self._rows[name], counts = self.encoder.rows(examples)
                self.cuts[name] = counts.as_dict()

    def train_dataloader(self) -> DataLoader[TokenRow]:
        rows = self._rows["train"]
        shuffle = SeededShuffle(len(rows), self.seed)
        # No workers: rows are token ids in memory, and to hand them from process to process costs more than to pad them.
        return DataLoader(_Rows(rows), self.batch_size, sampler=shuffle, collate_fn=self._batch)

    def val_dataloader(self) -> DataLoader[TokenRow] | list[Any]:
        rows = self._rows["validation"]
        return DataLoader(_Rows(rows), self.batch_size, collate_fn=self._batch) if rows else []

    def _batch(self, rows: list[TokenRow]) -> dict[str, torch.Tensor]:
        padding = int(self.encoder.tokenizer.pad_token_id)
        return {
            "input_ids": _padded([row.input_ids for row in rows], padding),
            "attention_mask": _padded([[1] * len(row.input_ids) for row in rows], 0),
            "labels": _padded([row.labels for row in rows], IGNORED),
        }


def _padded(rows: list[list[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


class _Rows(Dataset[TokenRow]):
    def __init__(self, rows: Sequence[TokenRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> TokenRow:
        return self._rows[number]


class SeededShuffle(Sampler[int]):
    """Another order in each epoch, the same in each run: a training that goes on after a kill sees what it would have seen."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Note the epoch; Lightning calls it before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        yield from torch.randperm(self._count, generator=generator).tolist()
