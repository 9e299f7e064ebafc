"""JSON: an object of the job's own JSON schema, whose column has the schema's type.

With `clean: {schema: {type: object, properties: {mood: {enum: [good, bad]}, people: {type: array, items: {type: string}}}}}`::

    'Sure!\\n```json\\n{"mood": "Good", "people": ["Jo",],}\\n```'  ->  {"mood": "good", "people": ["Jo"]}
    '{"mood": "so so", "people": []}'                            ->  no label (`json_enum:mood`)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from pipeline.clean.cleaner import faults, statuses
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.json_objects import fitted, object_in
from pipeline.clean.prompt_constants import NO_PROMPT, Constants
from pipeline.clean.prose import prose_of
from pipeline.core import contracts
from pipeline.core.finish import withheld
from pipeline.core.json_labels import Part, canonical, holds, part_of
from pipeline.core.options import Options as Base
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

VERSION = 2


class Options(Base):
    """`schema`: a JSON schema, inline or a JSON or YAML file beside the job file; `in_text`: paths of texts that must stand in the
    article (`people[].name`)."""

    in_files = "schema"
    shape: dict[str, Any] | str = Field(alias="schema")
    in_text: tuple[str, ...] = ()

    @field_validator("shape")
    @classmethod
    def _fits_a_column(cls, shape: dict[str, Any] | str) -> dict[str, Any]:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        if isinstance(shape, str):
            raise ValueError("the file holds no JSON schema")
        try:
            Draft202012Validator.check_schema(shape)
        except SchemaError as error:
            raise ValueError(f"{'.'.join(map(str, error.absolute_path)) or 'the schema'}: {error.message}") from None
        part_of(shape)
        return shape

    @model_validator(mode="after")
    def _has_paths(self) -> Options:
        texts = {path for path, part in _scalars(part_of(self.schema_)) if part.kind == "string"}
        for path in self.in_text:
            if path not in texts:
                raise ValueError(f"in_text: {path!r} is no text of the schema; there are: {', '.join(sorted(texts))}")
        return self

    @property
    def schema_(self) -> dict[str, Any]:
        """The schema, read."""
        assert isinstance(self.shape, dict)
        return self.shape


class Task(contracts.Task):
    column = LabelColumn("label", many=False, schema="{}")  # of the job's schema: see `column_for`
    prompt = "json/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        from jsonschema import Draft202012Validator

        self._part, self._in_text = part_of(options.schema_), options.in_text
        self._validator = Draft202012Validator(options.schema_)
        self._constants = NO_PROMPT

    @classmethod
    def column_for(cls, options: Options) -> LabelColumn:
        return LabelColumn("label", many=False, schema=json.dumps(options.schema_, ensure_ascii=False))

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"schema": json.dumps(options.schema_, ensure_ascii=False, indent=1)}

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        return options.schema_

    def take_prompt(self, texts: Sequence[str], language: str | None) -> None:
        self._constants = Constants(texts)

    def parse(self, reply: Reply, article: Article) -> Label:
        if kept_back := withheld(reply.finish_reason):
            return Label([], [], kept_back)
        text, _ = prose_of(reply.text)
        if text[:1] not in "[{" and (opening := statuses.status_of_opening(text, None)):
            return Label([], [], opening)
        label = self._label(reply.text)
        if label.status != "ok":
            return label
        if turned_away := self._turned_away(json.loads(label.phrases[0]), article):
            return Label([], [], turned_away[0], label.repairs, turned_away[1])
        return label

    def _label(self, raw: str) -> Label:
        """Return the label of a text by its structure alone."""
        reading = object_in(raw, self._part)
        if reading.status != "ok":
            return Label([], [], reading.status, reading.repairs)
        value = fitted(reading.value, self._part, reading.repairs)
        if not any(name in self._part.properties for name in value):
            return Label([], [], "no_answer" if faults.is_fault(raw) or not value else "unparseable", reading.repairs)
        if error := self._first_error(value):
            return Label([], [], f"json_{error.validator}:{_path(error)}", reading.repairs, error.message[:300])
        if not holds(value, self._part):
            return Label([], [], "json_out_of_range", reading.repairs)
        if _has_more(value, self._part):
            reading.repairs.append("further_properties")
        return Label([canonical(value, self._part)], [], "ok", reading.repairs)

    def _first_error(self, value: Any) -> ValidationError | None:
        """Return what does not fit, of several that which stands first in the schema."""
        return min(
            self._validator.iter_errors(value), key=lambda error: (_path(error), str(error.validator)), default=None
        )

    def _turned_away(self, value: Any, article: Article) -> tuple[str, str] | None:
        """Return (status, detail) of an object that says nothing of the article; None for one that does."""
        texts = [(path, text) for path, text in _texts(value, self._part) if text]
        index = ArticleIndex(article.text, article.language) if article.text.strip() else None
        if texts and all(not any(map(str.isalnum, t)) or statuses.is_placeholder(t) for _, t in texts):
            return "no_answer", "it only holds placeholders"
        if index is None:
            return None
        free = [text for _, text in texts]
        if free and all(self._constants.say(text) and not index.has(text) and not index.shares(text) for text in free):
            return "prompt_echo", "it only holds what the prompt says"
        for path, text in texts:
            if path in self._in_text and index.classify(text)[0] == "absent":
                return f"not_in_article:{path}", repr(text[:100])
        return None

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status

    def shared(self, label: Label, article: Article) -> Label:
        """Note, where the object holds more than texts of `in_text`, that nobody looked whether it holds for this article, too."""
        if all(path in self._in_text for path, _ in _scalars(self._part)):
            return label
        return replace(label, repairs=[*label.repairs, "shared_unchecked"])

    def check(self, label: str) -> str | None:
        """Return the one text of a person's JSON, None where it does not fit the schema."""
        phrases = self._label(label).phrases
        return phrases[0] if phrases else None


def _path(error: ValidationError) -> str:
    """Return where a value does not fit, with `[]` for any place in a list: `people[].name`."""
    path = ""
    for step in error.absolute_path:
        path += "[]" if isinstance(step, int) else f".{step}" if path else str(step)
    if error.validator == "required" and isinstance(error.instance, Mapping):
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{path}.{missing}" if path else str(missing)
    return path or "$"


def _scalars(part: Part, path: str = "") -> Iterator[tuple[str, Part]]:
    """Yield the path of every part that has no parts, and it."""
    if part.items is not None:
        yield from _scalars(part.items, f"{path}[]")
    for name, inner in part.properties.items():
        yield from _scalars(inner, f"{path}.{name}" if path else name)
    if part.items is None and not part.properties:
        yield path, part


def _texts(value: Any, part: Part, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of every free text in a value, and it."""
    if isinstance(value, Mapping):
        for name, inner in part.properties.items():
            yield from _texts(value.get(name), inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and part.items is not None:
        for item in value:
            yield from _texts(item, part.items, f"{path}[]")
    elif isinstance(value, str) and not part.enum:
        yield path, value


def _has_more(value: Any, part: Part) -> bool:
    """Tell whether objects in a value have names that the schema has not: the column cannot hold them."""
    if isinstance(value, Mapping):
        return bool(value.keys() - part.properties.keys()) or any(
            _has_more(value[name], inner) for name, inner in part.properties.items() if name in value
        )
    return isinstance(value, list) and part.items is not None and any(_has_more(item, part.items) for item in value)
