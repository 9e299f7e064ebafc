"""Prompts are data: `prompts/<task>/<version>.yaml`, rendered by Jinja2 in its sandbox, hashed into every label.

A variable that no article has is an error when the prompt is loaded, not after a thousand requests.  The text of an
article is a value, never a template.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.config import Options, check
from pipeline.errors import ConfigError
from pipeline.plugins import did_you_mean
from pipeline.records import Article, Message
from pipeline.resources import PROMPTS
from pipeline.tables import digest_of
from pipeline.yaml_files import parse_yaml, read_text

ARTICLE_VARIABLES = ("title", "text", "language", "url", "published_at")


class Example(Options):
    user: str
    assistant: str


class PromptFile(Options):
    """What a prompt file may hold.  `system`, `user` and the examples are templates; `notes` are for people."""

    user: str
    system: str | None = None
    examples: tuple[Example, ...] = ()
    notes: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A loaded prompt; `digest` is that of its template source."""

    name: str
    source: PromptFile
    digest: str
    _parts: tuple[tuple[str, jinja2.Template | str], ...]
    _task_variables: dict[str, Any]

    def render(self, article: Article) -> tuple[Message, ...]:
        """The chat for one article.  Raises ConfigError where a template fails on it."""
        variables = {name: getattr(article, name) for name in ARTICLE_VARIABLES} | self._task_variables
        try:
            return tuple(
                {"role": role, "content": part if isinstance(part, str) else part.render(variables)}
                for role, part in self._parts
            )
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"prompt {self.name!r} fails for article {article.id}: {error}") from error


def find(name: str, folder: Path) -> Path:
    """The file of a prompt: a path, else `prompts/<name>.yaml` beside the job file, else a shipped one."""
    places = [folder / name, folder / "prompts" / f"{name}.yaml", PROMPTS / f"{name}.yaml"]
    for place in places:
        if place.is_file():
            return place
    hint = did_you_mean(name, names(folder))
    raise ConfigError(
        f"prompt {name!r}: not found{hint}; looked in {folder / 'prompts'} and among: {', '.join(names())}"
    )


def names(folder: Path | None = None) -> list[str]:
    """Names of the shipped prompts, with those beside a job file."""
    roots = [PROMPTS, *([folder / "prompts"] if folder else [])]
    return sorted(
        {path.relative_to(root).with_suffix("").as_posix() for root in roots for path in root.rglob("*.yaml")}
    )


def load(name: str, folder: Path, task_variables: dict[str, Any]) -> Prompt:
    """Read and check a prompt.  Raises ConfigError naming file, key and variable."""
    path = find(name, folder)
    source: PromptFile = check(PromptFile, parse_yaml(read_text(path, "prompt"), str(path)), str(path))
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False)
    parts = tuple(
        (role, _template(environment, text, f"{path}: {key}", task_variables))
        for role, key, text in _texts(source)
        if text
    )
    content = source.model_dump(exclude={"notes", "language"})
    return Prompt(name, source, digest_of(content), parts, task_variables)


def _texts(source: PromptFile) -> list[tuple[str, str, str | None]]:
    """(role, key path, template) in the order of the chat."""
    turns: list[tuple[str, str, str | None]] = [("system", "system", source.system)]
    for number, example in enumerate(source.examples):
        turns.append(("user", f"examples.{number}.user", example.user))
        turns.append(("assistant", f"examples.{number}.assistant", example.assistant))
    return [*turns, ("user", "user", source.user)]


def _template(
    environment: jinja2.Environment, text: str, where: str, task_variables: dict[str, Any]
) -> jinja2.Template | str:
    """A checked template; where it uses no variable of an article, the text that it always gives."""
    allowed = [*ARTICLE_VARIABLES, *task_variables]
    try:
        used = sorted(meta.find_undeclared_variables(environment.parse(text)))
        for name in used:
            if name not in allowed:
                hint = did_you_mean(name, allowed)
                raise ConfigError(f"{where}: unknown variable {name!r}{hint}; allowed: {', '.join(allowed)}")
        template = environment.from_string(text)
        return template if set(used) & set(ARTICLE_VARIABLES) else template.render(task_variables)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"{where}: line {error.lineno}: {error.message}") from error
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{where}: {error}") from error
