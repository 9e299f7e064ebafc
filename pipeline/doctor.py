"""doctor: is everything here that a job needs?  Never shows a secret's value."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline import plugins, prompts
from pipeline.config import JobConfig
from pipeline.errors import LabelmillError
from pipeline.labelling import preflight
from pipeline.publishing.hub import Hub

CORE = ("openai", "datasets", "huggingface-hub", "pyarrow", "pydantic", "aiohttp", "quicktok-v1", "pycld2", "tiktoken")
EXTRAS = {"html": "trafilatura", "transformers": "transformers", "postgres": "psycopg"}
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN")

Finding = tuple[bool, str, str]  # fine?, what, how it stands


def examine(config: JobConfig | None) -> Iterator[Finding]:
    """One finding after the other; with a job file also what that job needs."""
    yield True, "python", platform.python_version()
    for name in ("labelmill", *CORE):
        yield _package(name)
    for extra, name in EXTRAS.items():
        fine, _, state = _package(name)
        yield True, f"extra {extra}", state if fine else f"not installed (pip install 'labelmill[{extra}]')"
    for name in KEYS:
        yield True, name, "set" if os.environ.get(name) else "not set"
    if config:
        yield from _job(config)


def _package(name: str) -> Finding:
    try:
        return True, name, version(name)
    except PackageNotFoundError:
        return False, name, "not installed"


def _job(config: JobConfig) -> Iterator[Finding]:
    yield True, "job file", f"{config.file} is sound; its folder is {config.job_folder}"
    label = config.label
    provider: Any = plugins.create("providers", label.provider, label, config.provider_options)
    if provider.uses_prompt:
        yield _try("prompt", lambda: str(prompts.find(config.prompt, config.folder)))
    if hasattr(provider, "models"):
        yield _try("endpoint", lambda: _offered(provider))
    if config.publish.to == "hub":
        yield _try("hub", lambda: _repository(str(config.publish.repo)))
    for options in config.filter_options:
        module = importlib.import_module(type(options).__module__)
        yield _try(f"filter {options.type}", lambda module=module, options=options: _ready(module, options))


def _ready(module: Any, options: Any) -> str:
    module.Filter(options)
    return "ready"


def _repository(repo: str) -> str:
    state = Hub(repo).look()
    if state is None:
        return f"{repo} is not there yet, or the token may not see it"
    return f"{repo} answers; versions: {', '.join(sorted(state.versions)) or 'none yet'}"


def _offered(provider: Any) -> str:
    info = preflight.examine(provider, provider.models())
    if info is None:
        return f"{provider.base_url} answers; it lists no models"
    until = f" until {info.shutdown_date}" if info.shutdown_date else ""
    return f"{provider.base_url} answers and offers {provider.model}{until}"


def _try(what: str, check: Any) -> Finding:
    try:
        return True, what, check()
    except LabelmillError as error:
        return False, what, str(error)
