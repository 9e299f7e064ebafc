"""Prompts that are too long for the model: rejected before they are sent where its context is known, else when the endpoint
says so; or, with `on_too_long: truncate`, sent with less of the article, cut at a token's end.

The record keeps the key of the whole question; its `note` says how much of the article was sent.
"""

from __future__ import annotations

from typing import Literal

from pipeline.core.errors import TOO_LONG, RequestFailed
from pipeline.core.text.tokens import NamedRuler, Ruler, encoding_of
from pipeline.core.types import Request
from pipeline.label.chain import Asker
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.openai_api.lengths import limit_and_count

_REPLY_TOKENS = 128  # left for the reply where no parameter says how long it may be
# An endpoint that finds every length too long would be asked for ever; each cut is a request.
_MOST_CUTS = 5
_SHORTER = 0.7  # of what was sent, where the endpoint does not say how much is too much


class ContextFit:
    """Makes prompts fit.  `context` is the model's, in tokens, once it is known; `most_output` the most tokens of a reply."""

    def __init__(self, builder: Asker, policy: Literal["reject", "truncate"], most_output: int | None) -> None:
        self.context: int | None = None
        self._builder, self._cuts = builder, policy == "truncate"
        self._reply = most_output or _REPLY_TOKENS
        self.tokenizer = builder.tokenizer or encoding_of(builder.provider.model or "")
        self._by_name = NamedRuler(self.tokenizer)

    @property
    def _ruler(self) -> Ruler:
        """Return the provider's own, once its model is loaded; else that of the job's tokenizer or of OpenAI's models."""
        return self._builder.provider.ruler or self._by_name

    def tokens(self, request: Request) -> int:
        """Return the tokens of a request's messages."""
        return self._ruler.of_chat(request.messages)

    def before_sending(self, attempt: RequestAttempt) -> RequestFailed | None:
        """Make a request fit that is known not to; return the rejection of one that will not be sent, else None."""
        if self.context is None or attempt.size + self._reply <= self.context:
            return None  # a token is a byte at least
        tokens, room = self.tokens(attempt.request), self.context - self._reply
        if tokens <= room:
            return None
        if self._cuts and self._shorten(attempt, tokens - room):
            return None
        text = f"{tokens} tokens and {self._reply} for the reply do not fit into the model's {self.context}"
        return RequestFailed("rejected", TOO_LONG, text)

    def after_failure(self, attempt: RequestAttempt, failure: RequestFailed) -> bool:
        """Make a request shorter that the endpoint found too long; return whether it may be sent again."""
        if failure.code != TOO_LONG or not self._cuts:
            return False
        tokens = self.tokens(attempt.request)
        return self._shorten(attempt, tokens - self._room(tokens, str(failure).partition(":")[2]))

    def _room(self, tokens: int, message: str) -> int:
        """Return how many of our tokens fit, as the endpoint's message has it: "maximum context length is 8192 tokens ... your
        messages resulted in 9000 tokens"."""
        limit, counted = limit_and_count(message)
        if limit is None:
            return int(tokens * _SHORTER)
        if counted is None:  # in tokens as we count them, then
            return min(max(0, limit - self._reply), int(tokens * _SHORTER))
        # Its count over ours is the rate between the two tokenizers, of the whole prompt; of the part that is kept it may be a
        # little more.
        return int(tokens * max(0, limit - self._reply) / counted * 0.98)

    def _shorten(self, attempt: RequestAttempt, excess: int) -> bool:
        """Take at least `excess` tokens off the article's end; return whether enough is left."""
        whole = self._ruler.of_text(attempt.request.article.text)
        now = attempt.sent_tokens if attempt.sent_tokens is not None else whole
        # At least one token goes, or the same request would be sent and refused again.
        keep = now - max(excess, 1)
        if keep < 1 or attempt.cuts >= _MOST_CUTS:
            return False
        attempt.cuts += 1
        attempt.sent_tokens = keep
        attempt.shorten(self._builder.with_text(attempt.request, self._ruler.cut(attempt.request.article.text, keep)))
        attempt.note = f"article cut to {keep} of {whole} tokens"
        return True
