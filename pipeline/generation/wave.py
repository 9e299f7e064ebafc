"""Prompts of like length through the model at once: prefill, then a token each at every step.

A reply that ends leaves its slot to the next prompt at once.  What all prompts begin with is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.errors import ModelError
from pipeline.generation.pool import Generated, Pool, Row
from pipeline.generation.sampling import Sampling, pick
from pipeline.generation.slots import Slots

PREFILL_TOKENS = 4096  # in one call, padding included: activations take memory, too
LEAST_PREFILL = 512  # tokens: below that, a call costs more than padding does
WORTH_PADDING = 0.8  # of the longest: shorter ones get a call of their own
REFILL = 8  # slots are filled again when an eighth of them is free


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model and how it is asked.  `is_done(ids)`: whether a reply is over although the model did not end it."""

    model: Any
    ends: frozenset[int]
    sampling: Sampling
    is_done: Callable[[Sequence[int]], bool]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    def logits(self, slots: Slots, ids: torch.Tensor, at: torch.Tensor, until: int) -> torch.Tensor:
        """[rows, vocabulary] behind the last of `ids` [rows, tokens], which stand at columns `at`; each sees the columns up
        to its own.  Padding stands in the scratch column, and its output goes nowhere."""
        mask = torch.arange(until, device=at.device) <= at[:, None, :, None]
        if self.model.config._attn_implementation != "sdpa":  # adds its mask to the scores
            mask = torch.where(mask, 0.0, torch.finfo(self.model.dtype).min).to(self.model.dtype)
        output = self.model(
            input_ids=ids, attention_mask=mask, position_ids=at.clamp(max=until - 1), past_key_values=slots,
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        scores: torch.Tensor = output.logits[:, -1]
        return scores


class Wave:
    """`count` slots for prompts of up to `longest` tokens that begin with `prefix`."""

    def __init__(self, decoder: Decoder, pool: Pool, count: int, longest: int, prefix: list[int]) -> None:
        self._decoder, self._pool, self._prefix, self._longest = decoder, pool, prefix, longest
        self.rows: list[Row] = []  # under way; the first row has the first slot
        self.count = count
        self._most = decoder.sampling.max_new_tokens
        device, vocabulary = decoder.device, decoder.model.get_output_embeddings().weight.shape[0]
        self._slots = Slots(count, longest + self._most)
        self._next = torch.zeros(count, dtype=torch.long, device=device)  # the last token of each, not computed yet
        self._seen = torch.zeros(count, vocabulary, dtype=torch.bool, device=device)
        self._all = torch.arange(count, device=device)

    def run(self) -> None:
        """Until no prompt that fits is left."""
        if self._prefix:
            self._compute_prefix()
        self._admit()
        while self.rows and not self._pool.closed:
            self._step()
            self._admit()

    def _compute_prefix(self) -> None:
        ids = torch.tensor([self._prefix], device=self._all.device)
        at = torch.arange(len(self._prefix), device=self._all.device)[None]
        self._slots.aim(self._all[:1], at, len(self._prefix))
        self._decoder.logits(self._slots, ids, at, len(self._prefix))
        self._slots.repeat_first(len(self._prefix))

    def _admit(self) -> None:
        """Fill free slots, and go on filling as long as replies end with their first token."""
        while (free := self.count - len(self.rows)) and (not self.rows or free >= max(1, self.count // REFILL)):
            rows = self._pool.take(free, self._longest, self._prefix)
            if not rows:
                return
            first = len(self.rows)
            self.rows += rows  # from now on they are put back where something fails
            while first < len(self.rows):
                first += self._prefill(first)
            self._settle()

    def _prefill(self, first: int) -> int:
        """Compute prompts from slot `first` on, as many as one call takes; how many."""
        width = len(self.rows[first].prompt) - len(self._prefix)
        rows = self._like(first, width)
        ids, at = self._padded([row.prompt for row in rows], width)
        slots = self._all[first : first + len(rows)]
        self._slots.aim(slots, at, len(self._prefix) + width)
        logits = self._decoder.logits(self._slots, ids, at, len(self._prefix) + width)
        if not torch.isfinite(logits).all():
            raise ModelError(
                f"the model computes no numbers in {self._decoder.model.dtype}; set label.parameters.dtype: float32"
            )
        self._seen[slots] = False
        for slot, row in enumerate(rows, first):
            self._seen[slot, torch.tensor(row.prompt, device=self._all.device)] = True
            row.length = len(row.prompt)
        self._note(logits, first, rows)
        return len(rows)

    def _like(self, first: int, width: int) -> list[Row]:
        """Rows from `first` on that are worth padding to `width`; they stand the longest first."""
        rows: list[Row] = []
        for row in self.rows[first:]:
            much = (len(rows) + 1) * width > PREFILL_TOKENS
            shorter = len(row.prompt) - len(self._prefix) < WORTH_PADDING * width
            if rows and (much or (shorter and len(rows) * width >= LEAST_PREFILL)):
                break
            rows.append(row)
        return rows

    def _padded(self, prompts: list[list[int]], width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(ids, columns) of what stands behind the prefix, padded on the left, so that each ends in the last place."""
        begin, scratch = len(self._prefix), self._slots.length
        ids = [[0] * (begin + width - len(prompt)) + prompt[begin:] for prompt in prompts]
        at = [[scratch] * (begin + width - len(prompt)) + list(range(begin, len(prompt))) for prompt in prompts]
        device = self._all.device
        return torch.tensor(ids, device=device), torch.tensor(at, device=device)

    def _step(self) -> None:
        """A token more for each row."""
        count = len(self.rows)
        at = torch.tensor([[row.length] for row in self.rows], device=self._all.device)
        until = max(row.length for row in self.rows) + 1
        self._slots.aim(self._all[:count], at, until, front=count)
        logits = self._decoder.logits(self._slots, self._next[:count, None], at, until)
        for row in self.rows:
            row.length += 1
        self._note(logits, 0, self.rows)
        self._settle()

    def _note(self, logits: torch.Tensor, first: int, rows: list[Row]) -> None:
        """Choose the next token of rows that begin at slot `first`."""
        slots = self._all[first : first + len(rows)]
        picked = pick(logits, self._seen[first : first + len(rows)], self._decoder.sampling)
        self._next[slots] = picked
        self._seen[slots, picked] = True
        for row, token in zip(rows, picked.tolist(), strict=True):
            row.reply.append(token)

    def _settle(self) -> None:
        """Hand over the replies that are over; the last rows move up into their slots."""
        for slot in range(len(self.rows) - 1, -1, -1):
            row = self.rows[slot]
            if finish := self._finish(row):
                ended = row.reply[-1] in self._decoder.ends
                last = self.rows.pop()
                if last is not row:
                    self._move(last, len(self.rows), slot)
                ids = row.reply[:-1] if ended else row.reply
                row.future.set_result(Generated(ids, len(row.reply), len(self._prefix), finish))

    def _finish(self, row: Row) -> str | None:
        if row.reply[-1] in self._decoder.ends or self._decoder.is_done(row.reply):
            return "stop"
        return "length" if len(row.reply) >= self._most else None

    def _move(self, row: Row, source: int, target: int) -> None:
        self.rows[target] = row
        self._slots.move(source, target, row.length)
        self._next[target], self._seen[target] = self._next[source], self._seen[source]
