"""From logits to the next tokens: repetition penalty, temperature, the k most likely, the nucleus; or the most likely one.

The same arithmetic, in the same order, as transformers' generation (its `RepetitionPenaltyLogitsProcessor` counts the prompt,
too), but without padding among what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

COLDEST = 1e-3  # below it is greedy: dividing by less overflows


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.  `temperature` 0: greedy.  `top_k` 0 and `top_p` 1: no bounds."""

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float


def pick(logits: torch.Tensor, seen: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Return the next token of each row.  `logits` [rows, vocabulary], `seen` the same in bool: tokens of prompt and reply."""
    scores = logits.float()
    if sampling.repetition_penalty != 1.0:
        penalty = sampling.repetition_penalty
        scores = torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
    if sampling.temperature < COLDEST:
        return scores.argmax(-1)
    scores = scores / sampling.temperature
    if 0 < sampling.top_k < scores.shape[-1]:
        least = scores.topk(sampling.top_k, -1).values[:, -1:]
        scores = scores.masked_fill(scores < least, float("-inf"))
    if sampling.top_p < 1.0:
        scores = _nucleus(scores, sampling.top_p)
    return torch.multinomial(scores.softmax(-1), 1)[:, 0]


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the fewest most likely tokens that together have the probability `top_p` (Holtzman et al. 2019)."""
    ordered, tokens = scores.sort(-1)
    beyond = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    beyond[:, -1] = False
    return scores.masked_fill(beyond.scatter(-1, tokens, beyond), float("-inf"))
