"""How many tokens a request counts against a limit of tokens per minute.

OpenAI's guide to rate limits: "the maximum of max_tokens and the estimated number of tokens based on the character
count".  Sizes are bytes of messages; the estimate is bytes times what the endpoint's own counts say a byte is worth.
"""

from __future__ import annotations

from pipeline.core.types import Usage

_AT_FIRST = 0.3  # tokens to a byte, before the first reply
_CHAT_FORMAT = 11  # tokens that wrap two messages: billed, but not among the characters
_HALF_LIFE = 100.0  # replies


class TokenEstimate:
    def __init__(self, most_output: int | None) -> None:
        self._most_output = most_output or 0
        self._tokens, self._bytes = 0.0, 0.0

    def of(self, size: int) -> float:
        ratio = self._tokens / self._bytes if self._bytes else _AT_FIRST
        return max(size * ratio, self._most_output, 1.0)

    def learn(self, size: int, usage: Usage) -> None:
        if usage.input_tokens and usage.input_tokens > _CHAT_FORMAT:
            keep = 0.5 ** (1 / _HALF_LIFE)
            self._tokens = self._tokens * keep + usage.input_tokens - _CHAT_FORMAT
            self._bytes = self._bytes * keep + size
