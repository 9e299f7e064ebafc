"""What this machine, or the container around this process, gives: cores, free memory; and what a process holds of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")


def cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use: by its affinity, and by its containers' shares of time (cgroup v2, v1)."""
    count = os.cpu_count() or 1
    with suppress(AttributeError):  # Linux alone has it
        count = len(os.sched_getaffinity(0))
    for quota, period in _shares(root):
        if quota > 0 and period > 0:  # -1: no bound
            count = min(count, max(1, round(quota / period)))
    return count


def free_memory(root: Path = _ROOT) -> int | None:
    """Return the bytes that are available, within the bounds of all containers; None where the system does not tell."""
    free = list[int]()
    with suppress(OSError, IndexError, ValueError):
        free.append(int((root / "proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024)
    for bound, used in _bounds(root):
        free.append(max(0, bound - used))
    return min(free, default=None)


def resident(process: int | str = "self") -> int:
    """Return the bytes of memory that a process holds, 0 where the system does not tell."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{process}/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024
    return 0


def _shares(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the microseconds of processor time and the period that they are given for, of each group that bounds them."""
    for folder in _groups(root, ""):
        with suppress(OSError, ValueError):  # without a bound it is `max`, a ValueError
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota), int(period)
    for folder in _groups(root, "cpu"):
        with suppress(OSError, ValueError):
            yield _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _bounds(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the bytes that a group may have and those that it has, without the files that the system would forget first."""
    kinds = (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for controller, bound, used, cached in kinds:
        for folder in _groups(root, controller):
            with suppress(OSError, ValueError):
                yield _number(folder / bound), _number(folder / used) - _cached(folder, cached)


def _cached(folder: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            if line.split()[:1] == [name]:
                return int(line.split()[1])
    return 0


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those around it; the controller of v2 is "".

    Where the container sees itself as the root, the path that the system tells may not be there, and the root alone bounds.
    """
    top = root / "sys/fs/cgroup" / controller
    yield top
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                group = top / path.strip("/")
                yield from (
                    folder for folder in (group, *group.parents) if folder.is_relative_to(top) and folder != top
                )


def _number(file: Path) -> int:
    return int(file.read_text())
