"""Classes: one of a closed set, given in the job file with the other words by which a model may call each.

With `clean: {classes: {sports: [sport, 스포츠], politics: [정치]}}` replies as models really write them become::

    "**Sports**"              ->  "sports"
    "Category: 스포츠입니다."  ->  "sports"
    "Weather"                 ->  no label (`unparseable`)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.closed_set import ClosedSet, folded
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

VERSION = 4


def _or_names_alone(schema: dict[str, Any]) -> None:
    """Let the schema of `classes` take a list of names, too, as the validator does."""
    by_name = {name: schema.pop(name) for name in ("type", "additionalProperties")}
    schema["anyOf"] = [by_name, {"type": "array", "items": {"type": ["string", "number", "boolean"]}}]


class Options(Base):
    """`classes`: names, or names with the other words for each; `other`: the name of one more, for what fits none of them;
    `descriptions`: what belongs to a class, by its name, for prompts that say it (classes/v2); `many`: an article may belong to
    several, and its label is a list in the order of the job file."""

    in_every_key = "classes"
    classes: Annotated[dict[str, list[str]], Field(json_schema_extra=_or_names_alone)]
    other: str | None = None
    descriptions: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    many: bool = False

    @field_validator("classes", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        return {str(name): [] for name in value} if isinstance(value, list) else value

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: dict[str, list[str]]) -> dict[str, list[str]]:
        if len(classes) < 2:
            raise ValueError("give two classes or more")
        owner: dict[str, str] = {}
        for name, others in classes.items():
            for word in {folded(word) for word in (name, *others)}:
                if not word:
                    raise ValueError(f"a word for {name!r} has no letters")
                if owner.setdefault(word, name) != name:
                    raise ValueError(f"{word!r} stands for both {owner[word]!r} and {name!r}")
        return classes

    @model_validator(mode="after")
    def _known(self) -> Options:
        for name in self.descriptions:
            if name not in self.names():
                raise ValueError(f"descriptions: {name!r} is no class; there are: {', '.join(self.names())}")
        return self

    def names(self) -> list[str]:
        """Return all classes in the order of the job file, that for what fits none of them last."""
        return [*self.classes, *([self.other] if self.other and self.other not in self.classes else [])]


class ClassName(str):
    """The name of a class as prompts have it: a text, with its `description` (empty where the job file gives none)."""

    description = ""


class ClassNames(list[ClassName]):
    """All classes in the order of the job file; `other` is the one for what fits none of the others."""

    other: str | None = None


class Task(contracts.Task):
    column = LabelColumn("label", many=False)
    prompt = "classes/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        self._set, self._many = ClosedSet(options.classes, options.other), options.many

    @classmethod
    def column_for(cls, options: Options) -> LabelColumn:
        return LabelColumn("labels", many=True, located=False) if options.many else cls.column

    @classmethod
    def prompt_for(cls, options: Options) -> str:
        return "classes/v2-many" if options.many else cls.prompt

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        names = ClassNames(map(ClassName, options.names()))
        names.other = options.other
        for name in names:
            name.description = options.descriptions.get(name, "")
        return {"classes": names}

    @staticmethod
    def classes(options: Options) -> list[str]:
        return options.names()

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        one = {"type": "string", "enum": options.names()}
        return object_of({"labels": {"type": "array", "items": one}} if options.many else {"label": one})

    def parse(self, reply: Reply, article: Article) -> Label:
        index = ArticleIndex(article.text, article.language) if article.text.strip() else None
        if self._many:
            names, status, repairs = self._set.read_many(reply.text, reply.finish_reason, index)
            return Label(names, [], status, repairs)
        name, status = self._set.read(reply.text, reply.finish_reason, index)
        return Label([name] if name else [], [], status)

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status

    def shared(self, label: Label, article: Article) -> Label:
        """Note that nobody looked whether the class of a near-copy is this article's, too: no text says so by itself."""
        return replace(label, repairs=[*label.repairs, "shared_unchecked"])

    def check(self, label: str) -> str | None:
        """Return the class that a person's word stands for, None where it is none of the set."""
        return self._set.get(label)
