"""A model that many prompts go through at once, in a thread of its own: waves of prompts out of a pool.

Where memory runs out, the wave's prompts go back into the pool and half as many tokens are held from then on.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

import torch

from pipeline.generation.pool import Generated, Pool
from pipeline.generation.wave import Decoder, Wave

MOST_SLOTS = 256


class OutOfMemory(Exception):
    """A prompt does not even fit alone."""


class Generator:
    """`budget`: how many tokens, of prompts and replies, are held at once."""

    def __init__(self, decoder: Decoder, budget: int) -> None:
        self.budget = budget
        self._decoder, self._pool = decoder, Pool()
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)
        self._thread.start()

    def submit(self, prompt: list[int]) -> Future[Generated]:
        """The future's exception is OutOfMemory, Stopped, or what the model raised."""
        return self._pool.submit(prompt)

    def stop(self) -> None:
        """What has not begun never will; what is under way ends."""
        self._pool.stop()

    def close(self) -> None:
        self._pool.close()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        with torch.inference_mode():
            while self._pool.wait():
                self._run_wave()

    def _run_wave(self) -> None:
        longest, alike, prefix = self._pool.plan()
        count = max(1, min(self.budget // (longest + self._decoder.sampling.max_new_tokens), MOST_SLOTS, alike))
        wave = None
        try:
            wave = Wave(self._decoder, self._pool, count, longest, prefix)
            wave.run()
        except Exception as error:
            rows = wave.rows if wave else self._pool.take(1, longest, [])
            if not _is_out_of_memory(error):
                failure: Exception | None = error
            elif count > 1:
                failure, self.budget = None, max(1, count // 2) * (longest + self._decoder.sampling.max_new_tokens)
                self._pool.put_back(rows)
            else:
                failure = OutOfMemory(f"{longest} tokens and the reply do not fit into memory")
            for row in rows if failure else []:
                row.future.set_exception(failure)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _is_out_of_memory(error: Exception) -> bool:
    """Of a card (torch.OutOfMemoryError) or of this machine (a plain RuntimeError of torch's allocator)."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
