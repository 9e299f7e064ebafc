"""Keys and values of the prompts under way: a fixed slot for each, written in place, never moved but to close a gap.

A slot has `length` columns and one more, where padding writes what nobody reads.  Rows begin at column 0 of their slot
whatever their length, so a row that ends makes room for another at once and no padding is carried along.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache


class Slots(Cache):  # type: ignore[misc]
    """The cache that a model's attention layers know: each calls `update` with its keys and values, and attends to what it returns.

    Shapes: keys and values of a call [rows, heads, tokens, head size]; of a layer's slots [slots, heads, length + 1, head size].
    """

    def __init__(self, count: int, length: int) -> None:
        super().__init__(layers=[])
        self.count, self.length = count, length
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []  # keys and values of each
        self._rows = self._columns = torch.empty(0)
        self._end, self._front = 0, 0

    def aim(self, rows: torch.Tensor, columns: torch.Tensor, end: int, front: int = 0) -> None:
        """Set where the next call of the model writes: slots `rows` [n], `columns` [n, tokens]; it reads columns below `end`.

        `front`: the rows are the first so many slots, in order."""
        self._rows, self._columns, self._end, self._front = rows[:, None], columns, end, front

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a layer's keys and values where `aim` says; return those that it attends to."""
        if layer_idx == len(self._layers):
            self._layers.append((self._empty(key_states), self._empty(value_states)))
        keys, values = self._layers[layer_idx]
        return self._write(keys, key_states), self._write(values, value_states)

    def _empty(self, states: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = states.shape
        return states.new_zeros(self.count, heads, self.length + 1, size)

    def _write(self, cached: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        rows, columns = self._rows.to(cached.device), self._columns.to(cached.device)
        cached[rows, :, columns] = states.transpose(1, 2)
        return cached[: self._front, :, : self._end] if self._front else cached[rows[:, 0], :, : self._end]

    def repeat_first(self, columns: int) -> None:
        """Copy the first columns of the first slot to all others: what all prompts begin with is computed once."""
        for layer in self._layers:
            for cached in layer:
                cached[1:, :, :columns] = cached[:1, :, :columns]

    def move(self, source: int, target: int, columns: int) -> None:
        """Copy the first columns of one slot to another."""
        for layer in self._layers:
            for cached in layer:
                cached[target, :, :columns] = cached[source, :, :columns]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many columns the next call reads."""
        return self._end
