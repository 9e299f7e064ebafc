"""Counts of tokens, exact: the same numbers from every counter, the fastest by default.

`quicktok` counts like tiktoken (tests hold it to that) and carries its vocabularies; `tiktoken` is the choice for other
encodings; a Hugging Face tokenizer (name or local path) counts for models that are not OpenAI's.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.core.errors import ConfigError, InputError, MissingExtra
from pipeline.core.text.token_columns import ColumnCounter, by_words
from pipeline.core.types import Message

Counter = Callable[[Sequence[str]], list[int]]
QUICK = ("cl100k_base", "o200k_base", "o200k_harmony")
ENCODINGS = (*QUICK, "gpt2", "r50k_base", "p50k_base", "p50k_edit")  # all that tiktoken has
_RANKS = {"cl100k_base": 100_256, "o200k_base": 199_998}  # how many lines tiktoken's rank files have
_MESSAGE_TOKENS = 4  # what chat formats add to a message, and some to spare
_TIKTOKEN_URL = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"


@lru_cache(maxsize=8)
def encoding_counter(encoding: str, counter: str = "auto") -> Counter:
    """Return a function that counts the tokens of many texts (special tokens are counted as text).

    `counter` is `auto` (quicktok where it has the encoding, else tiktoken), `quicktok` or `tiktoken`.
    Raises ConfigError for an unknown encoding, InputError where its ranks cannot be had.
    """
    if counter != "tiktoken" and encoding in QUICK:
        return _quicktok(encoding)
    return _tiktoken(encoding)


@lru_cache(maxsize=8)
def column_counter(encoding: str, counter: str = "auto") -> ColumnCounter:
    """Return a function that counts the tokens of each text of a column: the numbers of `encoding_counter`, sooner."""
    count = encoding_counter(encoding, counter)
    if counter == "tiktoken" or encoding not in QUICK:
        return lambda texts: count(texts.to_pylist())
    import quicktok

    tokenizer = quicktok.get_encoding(encoding)
    return by_words(lambda words: np.diff(tokenizer.encode_batch(words, 1)[1]), count)


@lru_cache(maxsize=8)
def tokenizer_counter(tokenizer: str) -> Counter:
    """Return a function that counts the tokens of many texts by a Hugging Face tokenizer, without special tokens.

    `tokenizer` is a name on the Hub or a local folder.  Raises MissingExtra, or InputError where it cannot be loaded.
    """
    loaded = _loaded(tokenizer)
    backend = getattr(loaded, "backend_tokenizer", None)
    if backend is None:
        return lambda texts: [len(loaded.encode(text, add_special_tokens=False)) for text in texts]
    backend.no_truncation()
    return lambda texts: [len(e) for e in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


@lru_cache(maxsize=8)
def _loaded(tokenizer: str) -> Any:
    """Return a Hugging Face tokenizer.  Raises MissingExtra, or InputError where it cannot be loaded."""
    try:
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra(f"the tokenizer {tokenizer!r}", "transformers") from error
    try:
        return AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"tokenizer {tokenizer!r}: cannot be loaded ({first}); give a Hub name or a folder") from error


def counter_of(name: str) -> Counter:
    """Return the counter of an encoding or of a Hugging Face tokenizer, whichever `name` names."""
    return encoding_counter(name) if name in ENCODINGS else tokenizer_counter(name)


def encoding_of(model: str) -> str:
    """Return the encoding of an OpenAI model by its name (as in tiktoken's table); the newest for other names."""
    older = ("gpt-4-", "gpt-3.5", "text-embedding")
    return "cl100k_base" if model == "gpt-4" or model.startswith(older) else "o200k_base"


def is_encoding_of(model: str) -> bool:
    """Return whether `encoding_of` is a model's own, for its name is one of OpenAI's."""
    return bool(re.match(r"(?:gpt-\d|gpt-oss|chatgpt-|o\d(?:-|$))", model.rpartition("/")[2].lower()))


class TokenMeasure:
    """Measure of what a model reads in training, by an encoding or a Hugging Face tokenizer, with all that it adds to a text."""

    def __init__(self, name: str) -> None:
        self._count = counter_of(name)
        self.is_of_a_model = name not in ENCODINGS
        self._tokenizer = _loaded(name) if self.is_of_a_model else None
        self._added = self._tokenizer.num_special_tokens_to_add(pair=False) if self._tokenizer else 0
        template = str(getattr(self._tokenizer, "chat_template", None) or "")
        self.has_template, self.marks_answers = bool(template), "generation %}" in template

    def text(self, text: str, ended: bool = False) -> int:
        """Return the tokens of a text, with one behind it where it is `ended` by a trainer."""
        return self._count([text])[0] + self._added + (ended and self.is_of_a_model)

    def chat(self, messages: Sequence[Message]) -> int:
        """Return the tokens of a conversation in the tokenizer's template, an estimate where it has none."""
        if self.has_template and self._tokenizer is not None:
            whole = self._tokenizer.apply_chat_template([dict(message) for message in messages], tokenize=False)
            return self._count([whole])[0]
        return sum(self._count([message["content"] for message in messages])) + _MESSAGE_TOKENS * (len(messages) + 1)


class Ruler(Protocol):
    """A measure of prompts in a model's tokens."""

    def of_chat(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the contents and of what wraps them."""

    def of_text(self, text: str) -> int:
        """Return the tokens of a bare text."""

    def cut(self, text: str, tokens: int) -> str:
        """Return the first `tokens` tokens of a text, less a character that the cut would tear apart."""


class NamedRuler:
    """A ruler by an encoding of tiktoken or a Hugging Face tokenizer: exact for the models that use it, else an estimate."""

    def __init__(self, name: str) -> None:
        self._name = name

    def of_chat(self, messages: Sequence[Message]) -> int:
        contents = [message["content"] for message in messages]
        return sum(counter_of(self._name)(contents)) + _MESSAGE_TOKENS * (len(contents) + 1)

    def of_text(self, text: str) -> int:
        return counter_of(self._name)([text])[0]

    def cut(self, text: str, tokens: int) -> str:
        if self._name not in ENCODINGS:
            return _longest_prefix(text, tokens, self.of_text)
        import quicktok

        coder = quicktok.get_encoding(self._name if self._name in QUICK else QUICK[0])
        ids = coder.encode(text)
        return (
            text if len(ids) <= tokens else str(coder.decode(ids[: max(0, tokens)])).rstrip("\N{REPLACEMENT CHARACTER}")
        )


def _longest_prefix(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """Return the longest beginning of at most so many tokens, by bisection: not every tokenizer tells where a token ends."""
    fits, too_long = 0, len(text) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        fits, too_long = (middle, too_long) if count(text[:middle]) <= tokens else (fits, middle)
    return text[:fits]


def _quicktok(encoding: str) -> Counter:
    import quicktok

    tokenizer = quicktok.get_encoding(encoding)
    return lambda texts: [tokenizer.count(text) for text in texts]


def _tiktoken(encoding: str) -> Counter:
    import tiktoken

    if encoding not in ENCODINGS:
        raise ConfigError(f"unknown encoding {encoding!r}; allowed: {', '.join(ENCODINGS)}")
    cache = str(Path(tempfile.gettempdir()) / f"labelmill-ranks-{getattr(os, 'getuid', str)()}")
    if encoding in _RANKS and os.environ.setdefault("TIKTOKEN_CACHE_DIR", cache) == cache:
        _write_offline_ranks(encoding, Path(cache))
    try:
        loaded = tiktoken.get_encoding(encoding)
    except Exception as error:
        raise InputError(
            f"tiktoken cannot get the ranks of {encoding!r} ({type(error).__name__}): it downloads them at first use; "
            "point TIKTOKEN_CACHE_DIR at a folder that holds them"
        ) from error
    return lambda texts: [len(ids) for ids in loaded.encode_ordinary_batch(list(texts), num_threads=1)]


def _write_offline_ranks(encoding: str, folder: Path) -> None:
    """Write tiktoken's rank file from quicktok's copy of the same vocabulary, under the name that tiktoken looks for.

    tiktoken itself checks the file's SHA-256 against the one that it expects, so a wrong copy cannot pass.
    """
    import quicktok

    path = folder / hashlib.sha1(_TIKTOKEN_URL.format(name=encoding).encode()).hexdigest()
    if not path.exists():
        tokenizer = quicktok.get_encoding(encoding)
        ranks = range(_RANKS[encoding])
        lines = (base64.b64encode(tokenizer.decode_single_token_bytes(rank)) + b" %d\n" % rank for rank in ranks)
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(b"".join(lines))
        temporary.replace(path)
