"""A trained model writes the labels of articles, a batch at a time, with how sure it was of each phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.core.types import Article, ScoredPhrase
from pipeline.train.generation.rows import END, SEPARATOR, RowEncoder, phrases_of


@torch.inference_mode()
def write(
    model: Any, encoder: RowEncoder, articles: Sequence[Article], many: bool, batch_size: int = 8, beams: int = 1
) -> list[list[ScoredPhrase]]:
    """Return the label of each article, in their order; the longest articles go first, so that what is too much fails at once."""
    model.eval()
    prompts = [encoder.prompt(article) for article in articles]
    order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
    labels: list[list[ScoredPhrase]] = [[] for _ in articles]
    for at in range(0, len(order), batch_size):
        numbers = order[at : at + batch_size]
        for number, label in zip(
            numbers, _written(model, encoder, [prompts[n] for n in numbers], many, beams), strict=True
        ):
            labels[number] = label
    return labels


def _written(
    model: Any, encoder: RowEncoder, prompts: list[list[int]], many: bool, beams: int
) -> list[list[ScoredPhrase]]:
    tokenizer, width = encoder.tokenizer, max(map(len, prompts))
    padding = [[tokenizer.pad_token_id] * (width - len(prompt)) for prompt in prompts]
    is_left = encoder.form == "clm"  # it goes on at the end of a prompt, so all must end together
    ids = [pad + prompt if is_left else prompt + pad for pad, prompt in zip(padding, prompts, strict=True)]
    mask = [
        [0] * len(pad) + [1] * len(prompt) if is_left else [1] * len(prompt) + [0] * len(pad)
        for pad, prompt in zip(padding, prompts, strict=True)
    ]
    device = next(model.parameters()).device
    written = model.generate(
        input_ids=torch.tensor(ids, device=device), attention_mask=torch.tensor(mask, device=device),
        max_new_tokens=encoder.max_target, num_beams=beams, do_sample=False, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    logs = model.compute_transition_scores(
        written.sequences, written.scores, written.get("beam_indices"), normalize_logits=True
    )
    new = written.sequences[:, -logs.shape[1] :] if logs.shape[1] else written.sequences[:, :0]
    return [
        _scored(tokenizer, tokens, log, many)
        for tokens, log in zip(new.tolist(), logs.float().exp().tolist(), strict=True)
    ]


def _scored(tokenizer: Any, tokens: list[int], sure: list[float], many: bool) -> list[ScoredPhrase]:
    """Return the phrases with the mean probability of their tokens; where a phrase is written twice, the first counts."""
    if tokenizer.eos_token_id in tokens:
        tokens = tokens[: tokens.index(tokenizer.eos_token_id)]
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    phrases, mark = phrases_of(text, many), SEPARATOR.strip()
    parts: list[list[float]] = [[]]
    for number in range(len(tokens)):
        if many and len(phrases) > 1:
            begun = tokenizer.decode(tokens[: number + 1], skip_special_tokens=True).count(mark)
            parts += [[] for _ in range(begun + 1 - len(parts))]
        parts[-1].append(sure[number])
    scores, pieces = dict[str, float](), text.split(END.strip())[0].split(mark) if many else phrases
    for part, piece in zip(parts, pieces, strict=False):
        scores.setdefault(piece.strip(), sum(part) / len(part) if part else 0.0)
    return [ScoredPhrase(phrase, round(min(1.0, scores.get(phrase, 0.0)), 4)) for phrase in phrases]
