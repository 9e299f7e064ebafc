"""Command `doctor`: checks whether everything is here that a job needs.  It never shows a secret's value."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from pipeline.commands.job_checks import Check, of_job
from pipeline.job.workspace import Workspace
from pipeline.label.local_model import memory
from pipeline.label.local_model.memory import GIB, Device, Shape

CORE = ("datasets", "huggingface-hub", "pyarrow", "pydantic", "aiohttp", "quicktok-v1", "pycld2", "tiktoken")
NO_EXTRAS_OF_USERS = ("test", "dev", "bench")
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HF_TOKEN")

LOCAL_NEEDS = ("torch", "psutil")
_DOES_NOT_FIT = "does not fit"
_TOKENS = 1024  # of an article and its reply

_EXTRA = re.compile(r"([A-Za-z0-9._-]+).*;.*extra == ['\"](\w+)['\"]")


def examine(work: Workspace | None) -> Iterator[Check]:
    """Yield one check after the other; with a job file also what that job needs."""
    yield Check(True, "python", platform.python_version())
    for name in ("labelmill", *CORE):
        yield _package(name)
    yield from _extras()
    for name in KEYS:
        is_set = bool(os.environ.get(name))
        yield Check(is_set or None, name, "set" if is_set else "not set")  # a fault only where a job needs it
    yield from _local()
    if work:
        yield from of_job(work)


def _package(name: str) -> Check:
    try:
        return Check(True, name, version(name))
    except PackageNotFoundError:
        return Check(False, name, "not installed", 1)


def _extras() -> Iterator[Check]:
    """Yield the extras, as the package declares them; one that is not there is a fault only where a job needs it."""
    packages: dict[str, list[str]] = {}
    for requirement in _requirements():
        if (match := _EXTRA.match(requirement)) and match[2] not in NO_EXTRAS_OF_USERS:
            packages.setdefault(match[2], []).append(match[1])
    for extra, names in sorted(packages.items()):
        states = [_package(name) for name in names]
        missing = [check.what for check in states if not check.fine]
        if missing:
            yield Check(
                None, f"extra {extra}", f"not installed: {', '.join(missing)} (pip install 'labelmill[{extra}]')"
            )
        else:
            yield Check(True, f"extra {extra}", ", ".join(f"{check.what} {check.state}" for check in states))


def _requirements() -> list[str]:
    try:
        return requires("labelmill") or []
    except PackageNotFoundError:  # a checkout that is not installed, which is told above
        return []


def _local() -> Iterator[Check]:
    """Yield the devices that local models would run on, and which of the documented models fit."""
    if any(find_spec(name) is None for name in LOCAL_NEEDS):
        return
    devices = memory.devices()
    for device in devices:
        free, total = device.free / GIB, device.total / GIB
        yield Check(True, "device", f"{device.kind}: {device.name}, {free:.1f} of {total:.1f} GiB free")
    for name, shape in memory.DOCUMENTED.items():
        state = _fits(devices, shape)
        yield Check(None if state.startswith(_DOES_NOT_FIT) else True, name.rpartition("/")[2], state)


def _fits(devices: list[Device], shape: Shape) -> str:
    free = sum(device.free for device in devices)
    weights, article = shape.bytes("nf4", "bfloat16"), _TOKENS * shape.token_bytes("bfloat16")
    need = memory.needed(weights, article, devices[0].kind)
    needs_text = f"{need / GIB:.1f} GiB in 4 bits with one article of {_TOKENS:,} tokens"
    if need > free:
        return f"{_DOES_NOT_FIT}: needs {needs_text}"
    slow = "; but there is no card: minutes an article, with device: cpu" if devices[0].kind == "cpu" else ""
    return (
        f"fits: needs {needs_text}; room for {1 + int((free - need) * (1 - memory.RESERVE) // article):,} at once{slow}"
    )
