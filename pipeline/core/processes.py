"""Processes: which of them live, and where their numbers mean the same."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

_SYNCHRONIZE, _ACCESS_DENIED, _STILL_RUNS = 0x00100000, 5, 0x102  # of the Windows API


def is_alive(pid: int) -> bool:
    """Return whether a process of this host lives; one that ended and that nobody waited for (a zombie) does not."""
    if sys.platform == "win32":  # there `os.kill(pid, 0)` is Ctrl-C for the process
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _stat(pid)[:1] != ["Z"]


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE, False, pid))
    if not process:
        return bool(ctypes.get_last_error() == _ACCESS_DENIED)  # type: ignore[attr-defined,unused-ignore]
    try:
        return bool(kernel.WaitForSingleObject(process, 0) == _STILL_RUNS)
    finally:
        kernel.CloseHandle(process)


def began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks, so that a number used again is told apart; empty where unknown."""
    stat = _stat(pid)
    return stat[19] if stat else ""


@lru_cache(maxsize=1)
def this_host() -> str:
    """Return where process numbers mean the same: host name, boot and, in containers, the process namespace."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [boot.read_text().strip(), str(namespace.readlink())]
    return "/".join(parts)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (proc(5): field 3 is the state, field 22 the start time)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
