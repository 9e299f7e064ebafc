"""Keys and values of the prompts under way: a fixed place (slot) for each, written in place, never moved but to close a gap.

A slot has `length` columns and one more, where padding writes what nobody reads.  Rows begin at column 0 of their slot
whatever their length, so a row that ends makes room for another at once and no padding is carried along.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache


class Slots(Cache):  # type: ignore[misc]
    """As a model's attention layers know it: each calls `update` with its keys and values, and attends to what it returns.

    Shapes: keys and values of a call [rows, heads, tokens, head size]; of a layer's slots [slots, heads, length + 1, head size].
    """

    def __init__(self, count: int, length: int) -> None:
        super().__init__(layers=[])
        self.count, self.length = count, length
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []  # a layer's keys and values
        self._rows = self._at = torch.empty(0)
        self._until, self._front = 0, 0

    def aim(self, rows: torch.Tensor, at: torch.Tensor, until: int, front: int = 0) -> None:
        """Where the next call of the model writes: slots `rows` [n], columns `at` [n, tokens]; it reads columns below
        `until`.  `front`: the rows are the first so many slots, in order."""
        self._rows, self._at, self._until, self._front = rows[:, None], at, until, front

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if layer_idx == len(self._kept):
            self._kept.append((self._room(key_states), self._room(value_states)))
        return self._write(self._kept[layer_idx][0], key_states), self._write(self._kept[layer_idx][1], value_states)

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = states.shape
        return states.new_zeros(self.count, heads, self.length + 1, size)

    def _write(self, kept: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        rows, at = self._rows.to(kept.device), self._at.to(kept.device)
        kept[rows, :, at] = states.transpose(1, 2)
        return kept[: self._front, :, : self._until] if self._front else kept[rows[:, 0], :, : self._until]

    def repeat_first(self, columns: int) -> None:
        """Copy the first columns of the first slot to all others: what all prompts begin with is computed once."""
        for kept in self._kept:
            for part in kept:
                part[1:, :, :columns] = part[:1, :, :columns]

    def move(self, source: int, target: int, columns: int) -> None:
        for kept in self._kept:
            for part in kept:
                part[target, :, :columns] = part[source, :, :columns]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._until
