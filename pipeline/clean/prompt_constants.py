"""What a prompt says to every article alike, so that a reply which only repeats it is told from an answer.

No word list decides here: it holds for any prompt, language and model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pipeline.core.resources import PROMPTS
from pipeline.core.text.folding import fold_form
from pipeline.core.text.language import detector
from pipeline.job.yaml_reader import parse_yaml, read_text

Prompt = str | Sequence[Any]
"""The name of a shipped prompt, or its text or messages; the article in it does not count."""

_ANY_WORD = re.compile(r"[^\W\d_]+")  # a number is filled in
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<\|[^<>|]*\|>", re.DOTALL)
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SPACELESS = "\u0e00"  # the first letter of the scripts that put no spaces between words, or few
_SHARE = 0.8  # of the runs of three words, which make a text the prompt's
_FOLDERS = {"topic": "topics"}  # of shipped prompts, where it is not the task's name


def asks_for_other_language(asked: str | None, article: str) -> bool:
    """Tell whether a prompt asks for labels in another language than the article's; its own language is no matter."""
    if not asked:
        return False
    language = detector("cld2")(article)
    return language is not None and language != asked.casefold()[:2]


class Constants:
    """What a prompt says whatever the article: its instruction, the answers of its examples, its lists of classes."""

    def __init__(self, texts: Iterable[str]) -> None:
        lines = [
            _ANY_WORD.findall(line.casefold()) for text in texts for line in _TEMPLATE.sub("\n", text).split("\n\n")
        ]
        self._text = "\n".join(f" {' '.join(line)} " for line in lines)
        self._loose = "".join(fold_form(self._text).split())
        self._triples = {triple for line in lines for triple in zip(line, line[1:], line[2:], strict=False)}

    def say(self, text: str) -> bool:
        """Tell whether the words of the text stand here side by side, or most of its runs of three words do."""
        words = _ANY_WORD.findall(text.casefold())
        if not words:
            return False
        if f" {' '.join(words)} " in self._text:
            return True
        triples = list(zip(words, words[1:], words[2:], strict=False))
        if triples and sum(triple in self._triples for triple in triples) >= _SHARE * len(triples):
            return True
        return not text.isascii() and len(words[0]) > 3 and "".join(words) in self._loose

    def is_line(self, line: str) -> bool:
        """Tell whether a line is the prompt's own: three words at least, or as much of a script without spaces."""
        letters = "".join(words := _ANY_WORD.findall(line))
        return (len(words) > 2 or (len(letters) > 7 and min(letters) >= _SPACELESS)) and self.say(line)


NO_PROMPT = Constants([])


def constants_of(prompt: Prompt | None, task: str, article: str | None) -> Constants:
    """Return what a prompt says to every article; None stands for those that are shipped for the task."""
    if prompt is None:
        return shipped(_FOLDERS.get(task, task))
    if isinstance(prompt, str) and _NAME.fullmatch(prompt) and (PROMPTS / f"{prompt}.yaml").is_file():
        return shipped(prompt)
    texts = [prompt] if isinstance(prompt, str) else [_content(message) for message in prompt]
    return Constants(text.replace(article, "\n\n") if article else text for text in texts)


def _content(message: Any) -> str:
    return str(message.get("content") or "") if isinstance(message, Mapping) else str(message)


@cache
def shipped(name: str) -> Constants:
    """Return the constants of a shipped prompt, or of all in a folder of them."""
    folder = PROMPTS / name
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else [PROMPTS / f"{name}.yaml"]
    return Constants(text for path in files for text in _strings(parse_yaml(read_text(path, "prompt"), str(path))))


def _strings(value: Any) -> list[str]:
    """Return the texts of a prompt file that are sent."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [
            text for key, part in value.items() if key not in ("notes", "output", "language") for text in _strings(part)
        ]
    return [text for part in value for text in _strings(part)] if isinstance(value, list) else []
