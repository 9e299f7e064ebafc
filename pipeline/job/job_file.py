"""Reader of job files: YAML, the overrides of `--set`, the environment.

`${VAR}` reads the environment (and `.env` beside the job file or in the current folder); a secret can only be given that way.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.errors import ArgumentError, ConfigError
from pipeline.job.config import JobConfig
from pipeline.job.label_options import LabelOptions
from pipeline.job.validation import check, kind_of
from pipeline.job.yaml_reader import parse_yaml, read_text

Overrides = Mapping[str, Any] | Iterable[str]
_log = logging.getLogger("labelmill.job")


def load_dotenv(folder: Path) -> None:
    """Put the names of `folder/.env` into the environment; what is set there already wins, `$` in a value means nothing.

    Raises ConfigError for a file that cannot be read.
    """
    from dotenv import dotenv_values

    path = folder / ".env"
    if path.is_file():
        # a byte order mark is no part of the first name
        text = StringIO(read_text(path, "environment file"))
        for name, value in dotenv_values(stream=text, interpolate=False).items():
            if value is not None:
                os.environ.setdefault(name, value)


def load_job(path: str | os.PathLike[str], overrides: Overrides = ()) -> JobConfig:
    """Read a job file and check it.

    `overrides` are `key.path=value`, or a mapping of key paths to values as they are: `{"label.model": "gpt-6-luna"}`.  Raises
    ConfigError, a line for each problem.
    """
    path = _path_of(path)
    raw = parse_yaml(read_text(path, "job file"), str(path))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a job file is a mapping with 'name' and 'sources'; found {kind_of(raw)}")
    pairs = list(_pairs(overrides))
    if isinstance(provider := dict(pairs).get("label.provider"), str):
        _leave_aside(raw, provider, path)
    for key, value in pairs:
        _override(raw, key, value)
    forbid_plain_secret(raw, path)
    load_dotenv(path.parent)
    load_dotenv(Path.cwd())
    raw = expand(raw, str(path), "")
    if "file" in raw:
        raise ConfigError(f"{path}: file: unknown key")
    config: JobConfig = check(JobConfig, {**raw, "file": path}, str(path))
    if not config.can_be_folder:
        raise ConfigError(f"{path}: name: {config.name!r} is no name of a folder on Windows; give another")
    for section in (
        "source_options",
        "filter_options",
        "provider_options",
        "task_options",
        "student_options",
        "engine_options",
    ):
        getattr(config, section)
    if config.topics is not None:
        config.embedder_options  # noqa: B018 - checked, and kept
    else:
        _check_no_topics(config, path)
    return config


def _check_no_topics(config: JobConfig, path: Path) -> None:
    """Raise ConfigError where something goes by topic and no stage of the job keeps topics up to date."""
    by_topic = {"label.until_by": config.label.until_by, "review.stratify": config.review.stratify}
    for key, value in by_topic.items():
        if value == "topic":
            raise ConfigError(f"{path}: {key}: topic needs the section topics; add it: topics: {{}}")


def _leave_aside(raw: dict[str, Any], provider: str, path: Path) -> None:
    """Take what only the file's provider takes out of `label.parameters`, and say so: `--set` names another provider."""
    label = raw.get("label")
    parameters = label.get("parameters") if isinstance(label, dict) else None
    if not isinstance(label, dict) or not isinstance(parameters, dict):
        return
    former = label.get("provider", LabelOptions.model_fields["provider"].default)
    try:
        theirs, ours = (plugins.load("providers", name).Options for name in (former, provider))
    except ConfigError:
        return  # the check of the whole says which provider is none
    takes_any = ours.model_config.get("extra") == "allow"
    others = [
        name for name in parameters if name not in ours.model_fields and (name in theirs.model_fields or not takes_any)
    ]
    if former != provider and others:
        label["parameters"] = {name: value for name, value in parameters.items() if name not in others}
        _log.warning(f"{path}: label.parameters.{', '.join(others)}: not for {provider!r}, and left aside")


def _path_of(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentError(f"a job file is named by its path, a str or Path; found {kind_of(path)}")
    return Path(path)


def _pairs(overrides: Overrides) -> Iterator[tuple[str, Any]]:
    """Yield key paths and their values.  Raises ConfigError."""
    if isinstance(overrides, Mapping):
        yield from overrides.items()
        return
    if isinstance(overrides, str) or not isinstance(overrides, Iterable):
        raise ArgumentError(
            f'overrides: give a mapping {{"label.model": "x"}} or a list ["label.model=x"]; found {kind_of(overrides)}'
        )
    for override in overrides:
        path, equals, text = override.partition("=") if isinstance(override, str) else ("", "", "")
        if not equals or not path:
            raise ConfigError(f"--set {override}: write it as key.path=value, e.g. --set label.model=gpt-6-luna")
        yield path, parse_yaml(text, f"--set {path}")


def _override(raw: dict[str, Any], path: str, value: Any) -> None:
    if not isinstance(path, str):
        raise ArgumentError(f"overrides: {path!r} is no key of a job file; write it as text, e.g. 'label.model'")
    *parents, last = path.split(".")
    node: Any = raw
    try:
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
            if node is None:
                raise TypeError
        node[int(last) if isinstance(node, list) else last] = value
    except (TypeError, ValueError, IndexError, AttributeError):
        raise ConfigError(f"--set {path}: the job file has no place {path!r}") from None


_PASSWORD = re.compile(r"://[^@/]*:[^@$/{]+@|[?&](?:password|passwd)=[^$]")  # one that stands in an address
_SECRET_HEADER = re.compile(r"auth|cookie|key|token|secret|passw|credential|signature", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def expand(value: Any, where: str, path: str) -> Any:
    """Return a value with `${VAR}` and `${VAR:-default}` replaced in every text of it; `path` is its key, for errors."""
    if isinstance(value, dict):
        return {key: expand(item, where, f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, where, f"{path}.{index}") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        text = os.environ.get(match[1], match[2])
        if text is None:
            raise ConfigError(f"{where}: {path}: ${{{match[1]}}} is not set, neither in the environment nor in .env")
        return text

    return _VARIABLE.sub(replace, value)


def forbid_plain_secret(raw: dict[str, Any], path: Path) -> None:
    """Raise ConfigError where a key or a password stands in the file, not the name of a variable."""
    label = raw.get("label")
    key = label.get("api_key") if isinstance(label, dict) else None
    if key is not None and not (isinstance(key, str) and _VARIABLE.fullmatch(key)):
        raise ConfigError(f"{path}: label.api_key: a secret is only named here; write ${{OPENAI_API_KEY}}")
    headers = label.get("headers") if isinstance(label, dict) else None
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if _SECRET_HEADER.search(str(name)) and value is not None and not _VARIABLE.search(str(value)):
            raise ConfigError(
                f"{path}: label.headers.{name}: a secret is only named here; write ${{NAME}}, e.g. Bearer ${{NAME}}"
            )
    ledger = label.get("ledger") if isinstance(label, dict) else None
    if isinstance(ledger, str) and _PASSWORD.search(ledger):
        raise ConfigError(f"{path}: label.ledger: a password is only named here; write ${{LEDGER_URL}}")
    sources = raw.get("sources")
    for number, source in enumerate(sources if isinstance(sources, list) else []):
        for key, value in source.items() if isinstance(source, dict) else ():
            if any(
                isinstance(text, str) and _PASSWORD.search(text)
                for text in (value if isinstance(value, list) else [value])
            ):
                raise ConfigError(
                    f"{path}: sources.{number}.{key}: a password is only named here; write ${{DATABASE_URL}}"
                )
