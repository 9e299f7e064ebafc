"""Command `doctor`: checks whether everything is here that a job needs.  It never shows a secret's value."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from pipeline.core import plugins
from pipeline.core.contracts import FilterOptions, Provider
from pipeline.core.errors import EndpointError, LabelmillError
from pipeline.job.config import JobConfig
from pipeline.job.workspace import Workspace
from pipeline.label import prompts
from pipeline.label.engine import preflight
from pipeline.label.local_model import memory
from pipeline.label.local_model.memory import GIB, Device, Shape
from pipeline.publish.hub import Hub

CORE = ("datasets", "huggingface-hub", "pyarrow", "pydantic", "aiohttp", "quicktok-v1", "pycld2", "tiktoken")
EXTRAS = {"html": "trafilatura", "transformers": "transformers", "postgres": "psycopg", "local": "bitsandbytes"}
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HF_TOKEN")

LOCAL_NEEDS = ("torch", "psutil")
_TOKENS = 1024  # of an article and its reply

Check = tuple[bool, str, str]  # fine?, what, how it stands


def examine(work: Workspace | None) -> Iterator[Check]:
    """Yield one check after the other; with a job file also what that job needs."""
    yield True, "python", platform.python_version()
    for name in ("labelmill", *CORE):
        yield _package(name)
    for extra, name in EXTRAS.items():
        fine, _, state = _package(name)
        yield True, f"extra {extra}", state if fine else f"not installed (pip install 'labelmill[{extra}]')"
    for name in KEYS:
        yield True, name, "set" if os.environ.get(name) else "not set"
    yield from _local()
    if work:
        yield from _job(work.config)


def _package(name: str) -> Check:
    try:
        return True, name, version(name)
    except PackageNotFoundError:
        return False, name, "not installed"


def _local() -> Iterator[Check]:
    """Yield the devices that local models would run on, and which of the documented models fit."""
    if any(find_spec(name) is None for name in LOCAL_NEEDS):
        return
    devices = memory.devices()
    for device in devices:
        free, total = device.free / GIB, device.total / GIB
        yield True, "device", f"{device.kind}: {device.name}, {free:.1f} of {total:.1f} GiB free"
    for name, shape in memory.DOCUMENTED.items():
        yield True, name.rpartition("/")[2], _fits(devices, shape)


def _fits(devices: list[Device], shape: Shape) -> str:
    free = sum(device.free for device in devices)
    weights, article = shape.bytes("nf4", "bfloat16"), _TOKENS * shape.token_bytes("bfloat16")
    need = memory.needed(weights, article, devices[0].kind)
    needs_text = f"{need / GIB:.1f} GiB in 4 bits with one article of {_TOKENS:,} tokens"
    if need > free:
        return f"does not fit: needs {needs_text}"
    slow = "; but there is no card: minutes an article, with device: cpu" if devices[0].kind == "cpu" else ""
    return (
        f"fits: needs {needs_text}; room for {1 + int((free - need) * (1 - memory.RESERVE) // article):,} at once{slow}"
    )


def _job(config: JobConfig) -> Iterator[Check]:
    yield True, "job file", f"{config.file} is sound; its folder is {config.job_folder}"
    label = config.label
    provider = plugins.create("providers", label.provider, label, config.provider_options)
    if provider.uses_prompt:
        yield from _try("prompt", lambda: str(prompts.find(config.prompt, config.folder)))
    yield from _try("model", lambda: provider.examine(config.folder))
    yield from _try("endpoint", lambda: _offered(provider))
    if config.publish.to == "hub":
        yield from _try("hub", lambda: _repository(str(config.publish.repo)))
    for options in config.filter_options:
        yield from _try(f"filter {options.type}", partial(_ready, options))


def _ready(options: FilterOptions) -> str:
    plugins.create("filters", options.type, options)
    return "ready"


def _repository(repo: str) -> str:
    state = Hub(repo).look()
    if state is None:
        return f"{repo} is not there yet, or the token may not see it"
    return f"{repo} answers; versions: {', '.join(sorted(state.versions)) or 'none yet'}"


def _offered(provider: Provider) -> str | None:
    """Return what an endpoint offers of the job's model, None for a provider without a list of models."""
    try:
        if (offered := provider.models()) is None:
            return None
        info = preflight.examine(provider, offered)
    except EndpointError as error:
        if error.status in (None, 401, 407):
            raise
        return f"{provider.where} answers, but lists no models ({error})"
    if info is None:
        return f"{provider.where} answers; {'the job names no model' if offered else 'it lists no models'}"
    until = f" until {info.shutdown_date}" if info.shutdown_date else ""
    return f"{provider.where} answers and offers {provider.model}{until}"


def _try(what: str, check: Callable[[], str | None]) -> Iterator[Check]:
    """Yield a check's outcome, unless it has nothing to say."""
    try:
        if (state := check()) is not None:
            yield True, what, state
    except LabelmillError as error:
        yield False, what, str(error)
