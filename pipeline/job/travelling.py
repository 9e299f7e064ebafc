"""A job's configuration as it travels to workers, who ask no endpoint for labels, names or vectors: without the keys to these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from pipeline.job.config import JobConfig
from pipeline.job.label_options import LabelOptions

_HIDDEN = "***"


def without_keys(config: JobConfig) -> JobConfig:
    """Return the configuration with a placeholder for each key and header of `label`, `topics.names` and `topics.embed`.

    The ledger's address stays, which `clean` reads, and so do `label.parameters`, which an extractive labeller works by.
    """
    changes: dict[str, Any] = {"label": _label(config.label)}
    if topics := config.topics:
        specs = zip(topics.embed, config.embedder_options, strict=True)
        embed = tuple(spec.model_copy(update=_secrets(options, plain=True)) for spec, options in specs)
        names = topics.names and _label(topics.names)
        changes["topics"] = topics.model_copy(update={"embed": embed, "names": names})
    travelling = config.model_copy(update=changes)
    vars(travelling).pop("embedder_options", None)  # checked options are kept, and were copied as they are
    return travelling


def _label(label: LabelOptions) -> LabelOptions:
    secrets = _secrets(label)
    secrets.pop("ledger", None)
    return label.model_copy(update=secrets)


def _secrets(options: BaseModel, plain: bool = False) -> dict[str, Any]:
    """Return the options that hold secrets, hidden; `plain`: as values of a section that is not checked yet."""
    hidden: Any = _HIDDEN if plain else SecretStr(_HIDDEN)
    secrets = dict[str, Any]()
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            secrets[name] = hidden
        elif isinstance(value, Mapping) and any(isinstance(one, SecretStr) for one in value.values()):
            secrets[name] = dict.fromkeys(value, hidden)
    return secrets
