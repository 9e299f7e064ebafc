"""Prompts are data: `prompts/<task>/<version>.yaml`, rendered by Jinja2 in its sandbox, hashed into every label.

A variable that no article has is an error when the prompt is loaded, not after a thousand requests.  The text of an
article is a value, never a template.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.core.errors import ConfigError
from pipeline.core.files import digest_of
from pipeline.core.hints import did_you_mean
from pipeline.core.options import Options, in_key
from pipeline.core.resources import PROMPTS
from pipeline.core.types import Article, Message
from pipeline.job.validation import check
from pipeline.job.yaml_reader import parse_yaml, read_text
from pipeline.label.templates import SplicedTemplate, spliced

ARTICLE_VARIABLES = ("title", "text", "language", "url", "published_at", "text_sha256")
NO_ANSWERS: Mapping[str, str] = MappingProxyType({})


class PromptExample(Options):
    """A turn of the chat that shows what is wanted; `when` names a value of the job file without which it is left out."""

    in_every_key = "user assistant"
    user: str
    assistant: str
    when: str | None = None


class PromptFile(Options):
    """What a prompt file may hold.  `system`, `user` and the examples are templates; `notes` are for people.

    `output: json_schema` asks the endpoint for JSON of the task's schema; `language` is that of the labels, where it is
    not the article's.
    """

    in_every_key = "user system examples output"
    user: str
    system: str | None = None
    examples: tuple[PromptExample, ...] = ()
    output: Literal["text", "json_schema"] = "text"
    notes: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A loaded prompt; `digest` is that of its template source, with the values that the job file gives for it; `uses` names
    the variables in it."""

    name: str
    source: PromptFile
    digest: str
    uses: frozenset[str]
    _parts: tuple[tuple[str, jinja2.Template | SplicedTemplate | str], ...]
    _values: dict[str, Any]
    _delimiters: re.Pattern[str] | None

    def render(self, article: Article, answers: Mapping[str, str] = NO_ANSWERS) -> tuple[Message, ...]:
        """Return the chat for one article; `answers` are those to prompts before this one, by variable.

        Raises ConfigError where a template fails on it.
        """
        variables = {name: self._safe(getattr(article, name)) for name in ARTICLE_VARIABLES if name in self.uses}
        variables |= self._values
        variables |= {name: self._safe(answer) for name, answer in answers.items()}
        try:
            return tuple(
                {"role": role, "content": part if isinstance(part, str) else part.render(variables)}
                for role, part in self._parts
            )
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"prompt {self.name!r} fails for article {article.id}: {error}") from error

    @property
    def constants(self) -> list[str]:
        """What it says to every article alike: its templates, and the values that the job file gives for them."""
        return [text for _, _, text in _texts(self.source) if text] + list(_strings(self._values))

    def _safe(self, text: str | None) -> str | None:
        """Return a text of an article such that it cannot end the delimiters that the prompt puts around it.

        `</article>` in it becomes `‹/article>`, a fence is spaced out.
        """
        if text is None or self._delimiters is None:
            return text
        return self._delimiters.sub(_defused, text)


_TAG = re.compile(r"<\s*/?\s*([A-Za-z][\w-]*)[^<>{}]*>|\[/?([A-Z][A-Z_]*)\]")
_FENCE = re.compile(r"""(["'`~=#*-])\1\1+|<<<+|>>>+""")
_GAP = r"[\s\u00ad\u200b-\u200f\u2060\ufeff]*"  # nobody sees the difference
_SENTINEL = Article("sentinel", "\ue000title\ue000", "\ue000text\ue000", "", "", "", "en")
_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ms": "Malay",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovene", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_WHO_GIVES = {"candidates": " (label.candidates: 20 in the job file gives it)"}
_OPENERS = str.maketrans("<[", "‹⟦")


def _delimiters(templates: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of what stands around values in a prompt: tags (`<article>`, `[ARTICLE]`) and fences (three quotes,
    backticks, ...).
    """
    text = "\n".join(templates)
    tags = sorted({tag for match in _TAG.findall(text) for tag in match if tag})
    fences = sorted({match[0][0] for match in _FENCE.finditer(text)})
    names = "|".join(tags)
    patterns = [rf"<{_GAP}/?{_GAP}(?:{names})\b|\[{_GAP}/?{_GAP}(?:{names}){_GAP}\]"] if tags else []
    patterns += [rf"{re.escape(sign)}{{3,}}" for sign in fences]
    return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None


def _defused(match: re.Match[str]) -> str:
    delimiter = match[0]
    return delimiter.translate(_OPENERS) if len(set(delimiter)) > 1 else " ".join(delimiter)


def find(name: str, folder: Path) -> Path:
    """Return the file of a prompt: a path, else `prompts/<name>.yaml` beside the job file, else a shipped one."""
    candidates = [folder / name, folder / "prompts" / f"{name}.yaml", PROMPTS / f"{name}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    hint = did_you_mean(name, names(folder))
    raise ConfigError(
        f"prompt {name!r}: not found{hint}; looked in {folder / 'prompts'} and among: {', '.join(names())}"
    )


def names(folder: Path | None = None) -> list[str]:
    """Return the names of the shipped prompts, with those beside a job file."""
    roots = [PROMPTS, *([folder / "prompts"] if folder else [])]
    return sorted(
        {path.relative_to(root).with_suffix("").as_posix() for root in roots for path in root.rglob("*.yaml")}
    )


def source_of(path: Path) -> PromptFile:
    """Read a prompt file and check it in itself.  Raises ConfigError."""
    content = parse_yaml(read_text(path, "prompt"), str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: is no prompt: it needs 'user', see docs/labels.md")
    source: PromptFile = check(PromptFile, content, str(path))
    return source


def variables_of(path: Path) -> set[str]:
    """Return the variables that a prompt file uses, those of its conditions included.  Raises ConfigError."""
    source, environment = source_of(path), _environment()
    used = [_undeclared(environment, text, f"{path}: {key}") for _, key, text in _texts(source) if text]
    return set().union(*used, {example.when for example in source.examples if example.when})


def load(
    name: str,
    folder: Path,
    task_values: dict[str, Any],
    own_values: Mapping[str, Any] | None = None,
    shared_values: Mapping[str, Any] | None = None,
    answers: Sequence[str] = (),
) -> Prompt:
    """Read and check a prompt.

    `task_values` are the task's, of which it may use any; `own_values` are given for it in the job file, of which it must use
    every one; `shared_values` for it and others; `answers` names the variables that prompts before it give.  Raises ConfigError
    naming file, key and variable.
    """
    path, own, shared = find(name, folder), dict(own_values or {}), dict(shared_values or {})
    whole = source_of(path)
    given = shared | own
    source = whole.model_copy(update={"examples": tuple(e for e in whole.examples if not e.when or given.get(e.when))})
    values, changing = task_values | given, {*ARTICLE_VARIABLES, *answers}
    environment = _environment()
    texts = [(role, f"{path}: {key}", text) for role, key, text in _texts(source) if text]
    allowed = [*ARTICLE_VARIABLES, *answers, *values]
    used = [_variables(environment, text, where, allowed) for _, where, text in texts]
    everywhere = set().union(*used, {example.when for example in whole.examples if example.when})
    _check_values(path, everywhere, given, own, task_values)
    parts = tuple(
        (role, _template(environment, text, where, names, changing, values))
        for (role, where, text), names in zip(texts, used, strict=True)
    )
    in_digest = {key: value for key, value in given.items() if key in everywhere}
    content = in_key(whole, exclude={"notes", "language"}) | ({"values": in_digest} if in_digest else {})
    unguarded = Prompt(name, source, digest_of(content), frozenset(everywhere), parts, values, None)
    marks = {answer: f"\ue000{answer}\ue000" for answer in answers}
    sent = [message["content"] for message in unguarded.render(_SENTINEL, marks)]
    if not any(mark in sent[-1] for mark in (_SENTINEL.text, str(_SENTINEL.title), *marks.values())):
        raise ConfigError(f"{path}: user: does not send the article: it needs {{{{ text }}}}")
    return replace(unguarded, _delimiters=_delimiters([*sent, *(text for _, _, text in texts)]))


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False)
    environment.filters |= {"language_name": language_name, "shuffled": shuffled}
    return environment


def is_variable(name: str) -> bool:
    """Tell whether a template can use a variable of this name, and no other offers it."""
    try:
        used = meta.find_undeclared_variables(_environment().parse("{{ " + name + " }}"))
    except jinja2.TemplateSyntaxError:
        return False
    return used == {name} and name not in ARTICLE_VARIABLES


def language_name(code: str | None) -> str:
    """Return a language by its English name (ISO 639-1), as models know it best; that of the article where it is not known."""
    return _LANGUAGES.get((code or "").casefold()[:2], "the language of the article")


def shuffled(names: Sequence[str], seed: str, last: str | None = None) -> list[str]:
    """Return names in an order that the seed decides, so that over many articles none has the first place more often.

    The class for what fits none of the others stays `last`.
    """
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest())
    return [*(name for name in order if name != last), *(name for name in order if name == last)]


def _check_values(
    path: Path, used: set[str], given: Mapping[str, Any], own: Mapping[str, Any], task_values: Mapping[str, Any]
) -> None:
    """Raise ConfigError where a value of the job file has a name that is taken, or is the prompt's own and goes nowhere."""
    for name in given:
        if name in ARTICLE_VARIABLES or name in task_values:
            whose = "the article's" if name in ARTICLE_VARIABLES else "the task's (see clean:)"
            raise ConfigError(f"label.variables.{name}: is {whose} own; give it another name")
        if name in own and name not in used:
            raise ConfigError(f"label.variables.{name}: {path} does not use it")


def _texts(source: PromptFile) -> list[tuple[str, str, str | None]]:
    """Return (role, key path, template) in the order of the chat."""
    turns: list[tuple[str, str, str | None]] = [("system", "system", source.system)]
    for number, example in enumerate(source.examples):
        turns.append(("user", f"examples.{number}.user", example.user))
        turns.append(("assistant", f"examples.{number}.assistant", example.assistant))
    return [*turns, ("user", "user", source.user)]


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in a value of any shape."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _strings(part))
    elif isinstance(value, Iterable):
        yield from (text for part in value for text in _strings(part))


def _variables(environment: jinja2.Environment, text: str, where: str, allowed: list[str]) -> set[str]:
    """Return the variables that a template uses.  Raises ConfigError for one that nothing offers."""
    used = _undeclared(environment, text, where)
    for name in sorted(used - set(allowed)):
        hint = did_you_mean(name, allowed) or _WHO_GIVES.get(name, "")
        raise ConfigError(f"{where}: unknown variable {name!r}{hint}; allowed: {', '.join(allowed)}")
    return used


def _undeclared(environment: jinja2.Environment, text: str, where: str) -> set[str]:
    try:
        return meta.find_undeclared_variables(environment.parse(text))
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"{where}: line {error.lineno}: {error.message}") from error


def _template(
    environment: jinja2.Environment,
    text: str,
    where: str,
    used: set[str],
    changing: set[str],
    values: Mapping[str, Any],
) -> jinja2.Template | SplicedTemplate | str:
    """Return a checked template; where it uses no variable of an article, the text that it always gives."""
    try:
        template = environment.from_string(text)
        # a ChainMap, walked for each article, took most of the time of rendering
        template.globals = dict(template.globals)
        return (
            spliced(template, environment.parse(text), used, changing) if used & changing else template.render(values)
        )
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{where}: {error}") from error
