"""Signals at moments that a clock hits once in a hundred runs: real processes that signal themselves there."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
BEGIN = """
import asyncio, atexit, os, signal, sys, threading, time, weakref
from pipeline.core import signals
number = signal.Signals(int(sys.argv[1]))
send = lambda *_: os.kill(os.getpid(), number)
"""


def child(code: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(code), str(int(number))],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip


@SIGNALS
@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize(
    "moment",
    [
        "atexit.register(send)",
        "threading.Thread(target=lambda: (time.sleep(0.3), send())).start()",  # Python waits for it before it ends
        "class Last:\n    __del__ = send\nlast = Last()",  # modules are torn down, handlers run no more
        "class Last:\n    __del__ = send\nsys.last = Last()",
        "class Last:\n    __del__ = lambda self: (send(), send())\nlast = Last()\natexit.register(send)",
    ],
    ids=["at exit", "in a thread", "teardown", "late teardown", "three times"],
)
def test_the_exit_code_of_a_command_that_is_over_stands(moment: str, code: int, number: signal.Signals) -> None:
    body = f"{moment}\nsignals.run_to_exit(lambda: print('done') or {code})"
    done = child(body, number)
    assert (done.returncode, done.stdout, done.stderr) == (code, "done\n", "")


@SIGNALS
def test_what_help_and_usage_errors_exit_with_stands(number: signal.Signals) -> None:
    done = child("atexit.register(send)\nsignals.run_to_exit(lambda: sys.exit(2))", number)
    assert (done.returncode, done.stderr) == (2, "")


@SIGNALS
def test_a_signal_in_a_callback_that_cannot_raise_is_not_lost(number: signal.Signals) -> None:
    """As in those of the import system."""
    code = """
    def command():
        try:
            it = threading.Event()
            watch = weakref.ref(it, lambda _: (send(), time.sleep(0)))
            del it
            time.sleep(100)
        except (KeyboardInterrupt, signals.Terminated):
            return 3
        return 0
    signals.run_to_exit(command)
    """
    done = child(code, number)
    assert (done.returncode, done.stderr) == (3, "")


@SIGNALS
@pytest.mark.slow
@pytest.mark.parametrize("new_loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_a_storm_of_signals_while_it_begins_and_ends_to_hear_them(number: signal.Signals, new_loop: str) -> None:
    """Each is heard by the loop or by the handler of before: none ends the process, as the system's own would."""
    code = f"""
    import uvloop
    heard, before = [], []
    begin, end = threading.Event(), threading.Event()
    async def work():
        begin.set()
        while not end.is_set():
            with signals.stop_handler(asyncio.get_running_loop(), heard.append):
                await asyncio.sleep(0)
    def storm():
        begin.wait()
        for _ in range(2000):
            send()
            time.sleep(0.0005)
        end.set()
    signal.signal(number, lambda *_: before.append(number))
    threading.Thread(target=storm).start()
    {new_loop}().run_until_complete(work())
    print(len(heard) > 10, len(before) > 10, set(heard) == {{signals.NAMES[number]}})
    """
    done = child(code, number)
    assert (done.returncode, done.stdout) == (0, "True True True\n"), done.stderr


@SIGNALS
@pytest.mark.parametrize("new_loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_a_loop_that_waits_hears_at_once(number: signal.Signals, new_loop: str) -> None:
    code = f"""
    import uvloop
    async def work():
        stopped = asyncio.Event()
        with signals.stop_handler(asyncio.get_running_loop(), lambda name: (print(name), stopped.set())):
            threading.Timer(0.2, send).start()
            await stopped.wait()
    {new_loop}().run_until_complete(work())
    """
    done = child(code, number)
    assert (done.returncode, done.stdout) == (0, {signal.SIGTERM: "SIGTERM\n", signal.SIGINT: "Ctrl-C\n"}[number])
