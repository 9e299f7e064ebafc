"""Languages of texts for the card, where no filter has found them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.core.text.language import detector

_SAMPLE = 1000  # texts: a language of 1% is among them with certainty, and they take 0.1 s


class LanguageSample:
    """Languages of about a thousand texts, evenly spread over the shards whose rows have none."""

    def __init__(self, shards: int) -> None:
        self._of_a_shard, self._detect = -(-_SAMPLE // max(shards, 1)), detector("cld2")
        self.counts = Counter[str]()

    def add(self, rows: pa.Table) -> None:
        """Look at some rows of a shard, unless any of them has a language."""
        if not rows.num_rows or rows.column("language").null_count < rows.num_rows:
            return
        chosen = np.unique(np.linspace(0, rows.num_rows - 1, self._of_a_shard, dtype=np.int64))
        for text in rows.column("text").take(pa.array(chosen)).to_pylist():
            self.counts[self._detect(text or "") or "unknown"] += 1
