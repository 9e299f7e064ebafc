"""Chat templates: messages to the token ids that a chat model was trained on, and ids back to text.

The form is the tokenizer's own chat template.  A tokenizer that carries none gets Llama-2's (Touvron et al. 2023; Meta's
`llama/generation.py`)::

    <s>[INST] <<SYS>>\\n{system}\\n<</SYS>>\\n\\n{user} [/INST] {assistant} </s><s>[INST] {user} [/INST]

A template writes the beginning of the sequence itself, so none is added.  What looks like a control token in an article is
text: it is spaced out before the template sees it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.errors import ModelError
from pipeline.core.types import Message

LLAMA_2 = (
    "{%- set system = messages[0].content if messages[0].role == 'system' else none -%}"
    "{%- for message in (messages if system is none else messages[1:]) -%}"
    "{%- set content = message.content -%}"
    "{%- if loop.first and system is not none -%}"
    "{%- set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + content -%}{%- endif -%}"
    "{%- if message.role == 'user' -%}{{- (bos_token or '') + '[INST] ' + content.strip() + ' [/INST]' -}}"
    "{%- else -%}{{- ' ' + content.strip() + ' ' + (eos_token or '') -}}{%- endif -%}"
    "{%- endfor -%}"
)
_INSTRUCTION_MARKS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")
_TAG = re.compile(r"<[^<>\s]{1,40}>|\[[^\[\]\s]{1,40}\]")
_MARK = "labelmill"


class Chat:
    """A tokenizer's chat template.  `ends` are the ids after which a reply is over; `arguments` go to the template."""

    def __init__(self, tokenizer: Any, ends: Sequence[int] = (), arguments: Mapping[str, Any] | None = None) -> None:
        self._tokenizer = tokenizer
        self._arguments = dict(arguments or {})
        self._lock = threading.Lock()  # it changes settings of its own while it encodes
        self._template = None if tokenizer.chat_template else LLAMA_2
        special = {str(token) for token in tokenizer.all_special_tokens}
        # runs of blanks among them, and tags such as <think>
        added = tokenizer.added_tokens_decoder.values()
        special |= {str(token) for token in added if token.special or _TAG.fullmatch(str(token))}
        source = self._template or str(tokenizer.chat_template)
        marks = special | {mark for mark in _INSTRUCTION_MARKS if mark in source}
        self._control = re.compile("|".join(map(re.escape, sorted(marks, key=len, reverse=True)))) if marks else None
        self.ends = frozenset({*ends, *self._turn_end(special)})
        self._newlines: frozenset[int] | None = None

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids up to where the reply begins.  Raises ModelError where the template does not take the messages."""
        text = self._render(messages, add_generation_prompt=True)
        return self._ids(text)

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of a reply, without control tokens."""
        with self._lock:
            return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _ids(self, text: str) -> list[int]:
        with self._lock:
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    # --- a Ruler ---

    def of_chat(self, messages: Sequence[Message]) -> int:
        """Return the tokens of a chat, the beginning of the reply included."""
        return len(self.prompt(messages))

    def of_text(self, text: str) -> int:
        """Return the tokens of a text alone."""
        return len(self._ids(text))

    def cut(self, text: str, tokens: int) -> str:
        """Return the beginning of a text that has no more than so many tokens."""
        ids = self._ids(text)
        return text if len(ids) <= tokens else self.text(ids[: max(0, tokens)]).rstrip("\N{REPLACEMENT CHARACTER}")

    def has_first_line(self, ids: Sequence[int]) -> bool:
        """Return whether the first line that says something is complete; one that ends with a colon only announces it."""
        if self._newlines is None:
            self._newlines = self._find_newlines()
        if ids[-1] not in self._newlines:
            return False
        text = self.text(ids)
        if "<think>" in text and "</think>" not in text:
            return False
        lines = (line.strip() for line in text.rpartition("</think>")[2].split("\n")[:-1])
        return any(line and not line.endswith((":", "：")) for line in lines)

    def _render(self, messages: Sequence[Message], **options: Any) -> str:
        turns = [{**message, "content": self._defused(message["content"])} for message in messages]
        tries: list[list[Message]] = [turns]
        failures: list[str] = []
        if turns[0]["role"] == "system":  # some models have no place for one
            system, first, *others = turns
            tries.append([{**first, "content": f"{system['content']}\n\n{first['content']}"}, *others])
        marks = [turn["content"].strip() for turn in turns]
        for messages_taken in tries:
            try:
                text = self._apply(messages_taken, **options)
            except Exception as error:  # a template may raise anything
                failures.append(str(error))
                continue
            if all(mark in text for mark in marks):
                return text
            failures.append("it leaves some of them out")
        raise ModelError(f"the model's chat template does not take these messages: {failures[0]}")

    def _apply(self, turns: list[dict[str, str]], **options: Any) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                turns, chat_template=self._template, tokenize=False, **self._arguments, **options
            )
        )

    def _defused(self, text: str) -> str:
        return self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text) if self._control else text

    def _turn_end(self, special: set[str]) -> list[int]:
        """Return the control token that the template puts behind a reply, where it differs from the end of all."""
        try:
            turns = [{"role": "user", "content": _MARK}, {"role": "assistant", "content": _MARK}]
            after_reply = self._apply(turns).rpartition(_MARK)[2]
        except Exception:  # a template that wants other messages
            return []
        ids = self._ids(after_reply)
        special_ids = {self._tokenizer.convert_tokens_to_ids(token) for token in special}
        return [token for token in ids if token in special_ids][:1]

    def _find_newlines(self) -> frozenset[int]:
        pieces = self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))
        return frozenset(
            number
            for number, piece in enumerate(pieces)
            if piece and ("\n" in piece or "Ċ" in piece or piece == "<0x0A>")
        )
