"""Locks between processes, and which processes live: real processes, really killed."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core import processes
from pipeline.core.errors import InputError
from pipeline.core.locks import ProcessLock
from tests.conftest import ROOT, JobMaker, article, command, run, work_of

HOLD = """
import sys, time
from pathlib import Path
from pipeline.core.locks import ProcessLock
with ProcessLock(Path(sys.argv[1])).held(shared=sys.argv[2] == "shared", seconds=0):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock until it is killed."""
    arguments = [sys.executable, "-c", HOLD, str(path), how]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def can_be_held(path: Path, shared: bool) -> bool:
    try:
        with ProcessLock(path).held(shared, seconds=0):
            return True
    except TimeoutError:
        return False


def test_several_processes_share_it_and_one_alone_excludes_all(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "job"
    with holding(path, "shared"), holding(path, "shared"):
        assert can_be_held(path, shared=True) and not can_be_held(path, shared=False)
    with holding(path, "alone"):
        assert not can_be_held(path, shared=True) and not can_be_held(path, shared=False)
    with ProcessLock(path).held():  # two of one process as well
        assert not can_be_held(path, shared=True)
    assert can_be_held(path, shared=False)


@pytest.mark.parametrize("mode", [0o755, 0o775], ids=oct)  # where others may write, filelock locks by a link
@pytest.mark.parametrize("how", ["shared", "alone"])
def test_kill_9_frees_it(tmp_path: Path, how: str, mode: int) -> None:
    path = tmp_path / "job"
    tmp_path.chmod(mode)
    with holding(path, how) as process:
        assert ProcessLock(path).holder() == process.pid
        process.kill()
        process.wait()
        assert ProcessLock(path).holder() is None
        assert can_be_held(path, shared=False)


def test_who_holds_it_alone_is_told_from_those_who_share_it(tmp_path: Path) -> None:
    path = tmp_path / "job"
    with holding(path, "shared") as process:
        assert ProcessLock(path).holder() == process.pid and ProcessLock(path).holder(alone=True) is None
    with holding(path, "alone") as process:
        assert ProcessLock(path).holder() == ProcessLock(path).holder(alone=True) == process.pid


def test_who_waits_to_be_alone_keeps_nobody_out(tmp_path: Path) -> None:
    path, alone = tmp_path / "job", threading.Event()

    def wait() -> None:
        with ProcessLock(path).held():
            alone.set()

    waiting = threading.Thread(target=wait)
    with holding(path, "shared") as process:
        waiting.start()
        for _ in range(20):
            with ProcessLock(path).held(shared=True, seconds=5):
                assert not alone.is_set()
            time.sleep(0.005)
        process.kill()
        waiting.join(30)
    assert alone.is_set()


def test_looking_writes_nothing(tmp_path: Path) -> None:
    assert ProcessLock(tmp_path / "none" / "job").holder() is None
    assert not list(tmp_path.iterdir())


def test_a_job_that_is_worked_on_names_the_process(make_job: JobMaker) -> None:
    path = make_job([article(1)])
    work = run(path)
    with holding(work.path / ".locks" / "job", "alone") as process:
        with pytest.raises(InputError, match=f"process {process.pid} is working on this job"), work.locked():
            pass
        result = command("run", path)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert work.worked_on_by() == process.pid
        killer = threading.Timer(0.5, process.kill)
        killer.start()
        with work.locked(wait=True):
            assert process.wait() < 0
    assert work.worked_on_by() is None


def test_lock_files_of_before_do_no_harm(old_jobs: Path) -> None:
    """They were locked themselves and held a number, which may be another process's by now."""
    (old_jobs / "jobs" / "topics" / ".lock").write_text(str(os.getpid()))
    (old_jobs / "jobs" / "topics" / ".requests.lock").write_text("no database")
    work = work_of(next(old_jobs.glob("topics*.yaml")))
    assert work.path.name == "topics" and work.worked_on_by() is None
    with work.locked(), work.writing_requests():
        pass


def test_which_processes_live() -> None:
    assert processes.is_alive(os.getpid()) and processes.is_alive(os.getppid())
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.read() == b""  # it has ended, and nobody has waited for it
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(child.pid)
    child.wait()
    assert not processes.is_alive(child.pid)


class Kernel:
    """The calls of Windows that `is_alive` makes; 1 runs, 2 has ended, 3 is somebody else's, others are none."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.OpenProcess = lambda access, inherit, pid: self._opened(pid)  # a function, for it gets a `restype`

    def _opened(self, pid: int) -> int:
        self.open |= {pid} & {1, 2}
        return pid if pid in (1, 2) else 0

    def WaitForSingleObject(self, handle: ctypes.c_void_p, milliseconds: int) -> int:
        assert milliseconds == 0
        return 0x102 if handle.value == 1 else 0

    def CloseHandle(self, handle: ctypes.c_void_p) -> None:
        assert handle.value
        self.open.remove(handle.value)


def test_on_windows_no_signal_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a signal 0 is Ctrl-C."""
    kernel = Kernel()
    error = {"code": 5}
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal"))
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error["code"], raising=False)
    assert [processes.is_alive(pid) for pid in (1, 2, 3)] == [True, False, True]
    error["code"] = 87  # ERROR_INVALID_PARAMETER: there is no such process
    assert not processes.is_alive(4) and not kernel.open


def test_a_copied_job_is_held_by_nobody(make_job: JobMaker, tmp_path: Path) -> None:
    work = run(make_job([article(1)]))
    with work.locked():
        shutil.copytree(work.path, tmp_path / "jobs" / "copy")
    assert work_of(tmp_path / "job.yaml", "name=copy").worked_on_by() is None
