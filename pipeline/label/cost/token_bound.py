"""The most tokens that an endpoint may count in prompts that are counted here with another tokenizer."""

from __future__ import annotations

from math import ceil

from pipeline.core.types import Request
from pipeline.label.cost.cost_bound import MARGIN, SURE_AFTER

COMPARED = 200  # answers, enough to see by how much the endpoint counts otherwise


class TokenBound:
    """A bound on the tokens of a job's prompts.  `is_own`: they are counted here with the model's own tokenizer.

    A token is a byte at least, which bounds every tokenizer, also those that spell rare letters byte by byte: many count a Korean
    text twice or three times as long as OpenAI's do.  Once some answers tell what the endpoint counted, the highest ratio does.
    """

    def __init__(self, is_own: bool) -> None:
        self.is_own, self._has_forms = is_own, False
        self._ratios: list[float] = []
        self.longest = 0  # prompt, in tokens here

    def most_of(self, request: Request, tokens: int, size: int) -> int:
        """Return the most tokens of a prompt of so many `tokens` here, and of `size` bytes in all."""
        form = request.form.size if request.form else 0  # a schema is sent beside the messages, and counted
        self._has_forms = self._has_forms or bool(form)
        self.longest = max(self.longest, tokens)
        return tokens + form if self.is_own else max(tokens, size)

    @property
    def wants_more(self) -> bool:
        """Whether further answers would tell more."""
        return len(self._ratios) < COMPARED

    def compare(self, counted: int, tokens: int) -> None:
        """Take note of what the endpoint counted for a prompt of so many `tokens` here."""
        if tokens:
            self._ratios.append(counted / tokens)

    @property
    def is_measured(self) -> bool:
        """Whether enough answers tell how the endpoint counts."""
        return len(self._ratios) >= SURE_AFTER

    def most(self, tokens: int, most: int) -> int:
        """Return the most tokens of prompts of so many `tokens` here, whose bounds add up to `most`."""
        if not self.is_measured:
            return most
        learned = tokens * max(self._ratios)
        return max(most, ceil(learned)) if self.is_own else max(tokens, min(most, ceil(learned * MARGIN)))

    def note(self, model: str | None, tokenizer: str) -> str | None:
        """Return what people should know of the count, None where it is exact."""
        if self.is_measured:
            ratios = sorted(self._ratios)
            if ratios[-1] <= 1 or (self.is_own and ratios[-1] < 1.02):
                return None
            times = f"{ratios[len(ratios) // 2]:.2f} times the tokens of {tokenizer}, {ratios[-1]:.2f} at most"
            return f"in {len(ratios):,} answers the endpoint counted {times}"
        if self.is_own:
            return "the JSON schema counts as well, at most one token a byte" if self._has_forms else None
        return (
            f"tokens are counted as {tokenizer} does; {model} may count more, at most one a byte (`tokenizer` in the job file "
            "names its own; --sample 200 measures it)"
        )
