"""A model that many prompts go through at once, in a thread of its own: waves of prompts out of a pool.

Where memory runs out, the wave's prompts go back into the pool and half as many tokens are held from then on.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

import torch

from pipeline.label.local_model.pool import Generated, Pool, Row
from pipeline.label.local_model.wave import Decoder, Wave

MOST_SLOTS = 256
# of all slots at once, five numbers of four bytes each while the next tokens are chosen
MOST_SCORES = 2**25


class OutOfMemory(Exception):
    """A prompt does not even fit alone."""


class Generator:
    """Generates replies in a thread of its own.  `budget`: how many tokens, of prompts and replies, are held at once."""

    def __init__(self, decoder: Decoder, budget: int) -> None:
        self.budget = budget
        self._decoder, self._pool = decoder, Pool()
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)
        self._thread.start()

    def submit(self, prompt: list[int]) -> Future[Generated]:
        """Add a prompt; the future's exception is OutOfMemory, Stopped, or what the model raised."""
        return self._pool.submit(prompt)

    def stop(self) -> None:
        """Begin nothing more; what is under way ends."""
        self._pool.stop()

    def close(self) -> None:
        """Give up what is under way, and wait for the thread to end."""
        self._pool.close()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        with torch.inference_mode():
            while self._pool.wait():
                self._run_wave()

    def _run_wave(self) -> None:
        longest, alike, prefix = self._pool.plan()
        length = longest + self._decoder.sampling.max_new_tokens
        vocabulary = self._decoder.model.get_output_embeddings().weight.shape[0]
        count = max(1, min(self.budget // length, MOST_SLOTS, MOST_SCORES // vocabulary, alike))
        rows, error = self._try(count, longest, prefix)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # the next wave's slots have another shape
        if error and _is_out_of_memory(error) and count > 1:
            self.budget = count // 2 * length
            self._pool.put_back(rows)
        elif error:
            for row in rows or self._pool.take(1, longest, []):  # one must fail, or it would go on for ever
                size = f"{len(row.prompt)} tokens and the reply"
                advice = "take a smaller model, or filter by length"
                too_large = OutOfMemory(f"{size} do not fit into memory; {advice}")
                row.future.set_exception(too_large if _is_out_of_memory(error) else error)

    def _try(self, count: int, longest: int, prefix: list[int]) -> tuple[list[Row], Exception | None]:
        """Run a wave; return the rows that were under way when something failed, and the error.

        The wave's memory is free on return.
        """
        rows: list[Row] = []
        try:
            wave = Wave(self._decoder, self._pool, count, longest, prefix)
            rows = wave.rows
            wave.run()
        except Exception as error:
            return rows, error.with_traceback(None) if _is_out_of_memory(error) else error
        return [], None


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, of a card (torch.OutOfMemoryError, or what CUDA's libraries say) or of this machine (torch's
    allocator).
    """
    phrases = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in phrases)
    )
