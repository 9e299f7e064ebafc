"""The base of every section of a job file and of every plugin's options, and how options stand in stored keys.

The keys of units, shards, requests and runs are made of options, since another value gives another result.  They held all of
them once; an option that is added must not change the keys of those who do not use it, or all of their work would be done, and
paid, anew.  So:

**An option stands in a key where its value is not its default.  Those of a class's `in_every_key` stand there always.**

`in_every_key` names the options of the days when keys held all, and never grows: a new option is a field like any other.  At its
default a step must do what it did before, and the default never changes again (`tests/test_options.py` has it written down).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from inspect import get_annotations
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from pipeline.core.files import canonical_json
from pipeline.core.types import ArticleColumn

_FOR_A_KEY = "for a key"  # the context of such a dump: pydantic hands it on to options within options


class Options(BaseModel):
    """Base of every section and of every plugin's options: an unknown key is an error, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    in_every_key: ClassVar[str] = ""  # names, by spaces
    in_files: ClassVar[str] = (
        ""  # names, by spaces, of options that may be given as a JSON or YAML file beside the job file
    )

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        whole: dict[str, Any] = dump(self)
        if info.context != _FOR_A_KEY or not (optional := _left_out_at_default(type(self))):
            return whole
        defaults = {name: _default(self, name) for name in optional}
        plain: dict[str, Any] = dump(self.model_copy(update=defaults))
        return {
            name: value
            for name, value in whole.items()
            if name not in optional or canonical_json(value) != canonical_json(plain.get(name))
        }


def in_key(options: BaseModel, **how: Any) -> dict[str, Any]:
    """Return options as they stand in a key; `how` is that of pydantic's `model_dump` (`mode`, `exclude`, ...)."""
    return options.model_dump(context=_FOR_A_KEY, **how)


def _default(options: Options, name: str) -> Any:
    return type(options).model_fields[name].get_default(call_default_factory=True, validated_data=vars(options))


@lru_cache
def _left_out_at_default(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the options that stand in a key only where they differ from their default."""
    always = {name for part in model.__mro__ for name in _always_in_key(part)}
    return frozenset(
        name for name, field in model.model_fields.items() if name not in always and not field.is_required()
    )


def _always_in_key(part: type) -> Iterable[str]:
    """Return the names of the options that stand in every key, of those that one class declares.

    In somebody else's class, which may be as old as any key, they are all, unless it names its own.
    """
    own = vars(part).get("in_every_key")
    is_ours = part.__module__.partition(".")[0] == __name__.partition(".")[0]
    return get_annotations(part) if own is None and not is_ours else (own or "").split()


class SourceOptions(Options):
    """What every source takes: `columns`, our name of a column -> the source's; `licence` of its articles."""

    in_every_key = "type columns licence"
    type: str
    columns: dict[ArticleColumn, str] = {}
    licence: str | None = None

    def title(self) -> str:
        """Return what people know the source by, in a few words: a path, a name."""
        return self.type

    def for_new_units(self) -> Self:
        """Return the options that units are read with which no run has read yet, where a default is another than it was.

        The default itself stands in the keys of what was read before, and that stays as it is.
        """
        return self


class FilterOptions(Options):
    """What every filter takes."""

    in_every_key = "type"
    type: str

    @classmethod
    def counted_by(cls, tokenizer: str) -> dict[str, str]:
        """Return the options with which a filter that counts tokens counts them by the job's `tokenizer`; none else."""
        return {}

    def version_of(self, version: int) -> int:
        """Return the version by which a filter of `version` judges with these options: an earlier one where it changed nothing."""
        return version
