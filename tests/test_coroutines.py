"""`run_coroutine`: from plain code and from within a loop that runs, as in a notebook."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from pipeline.core.coroutines import run_coroutine
from tests.conftest import ROOT, JobMaker, article, rows, run
from tests.openai_server import Server

NAME = contextvars.ContextVar("NAME", default="")


def plainly(call: Callable[[], Any]) -> Any:
    return call()


def in_a_notebook(call: Callable[[], Any]) -> Any:
    """A cell runs in a loop, and blocks it."""

    async def cell() -> Any:
        return call()

    return asyncio.run(cell())


WHERE = pytest.mark.parametrize("where", [plainly, in_a_notebook])


@WHERE
def test_results_and_exceptions_pass_through(where: Callable[[Callable[[], Any]], Any]) -> None:
    async def work(error: BaseException | None) -> object:
        await asyncio.sleep(0)
        if error:
            raise error
        return asyncio.get_running_loop(), NAME.get()

    NAME.set("known inside")
    loop, name = where(lambda: run_coroutine(work(None)))
    assert isinstance(loop, uvloop.Loop) and name == "known inside"
    assert loop.is_closed()
    for error in (ValueError("no"), KeyboardInterrupt(), SystemExit(4), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            where(lambda error=error: run_coroutine(work(error)))  # type: ignore[misc]


def test_without_uvloop_it_is_a_loop_of_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    monkeypatch.setitem(sys.modules, "uvloop", None)
    for where in (plainly, in_a_notebook):
        assert not isinstance(where(lambda: run_coroutine(loop())), uvloop.Loop)


def child(body: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    code = f"""
import asyncio, os, signal, threading
from pipeline.core import signals
from pipeline.core.coroutines import run_coroutine
send = lambda: os.kill(os.getpid(), {int(number)})
{textwrap.dedent(body)}
async def cell():
    try:
        print(run_coroutine(work()))
    except BaseException as error:
        print(type(error).__name__)
    print(asyncio.get_running_loop().is_running())
with signals.raising_on_sigterm():
    asyncio.run(cell())
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)


@SIGNALS
def test_an_interrupt_cancels_what_runs_in_a_thread(number: signal.Signals) -> None:
    body = """
    async def work():
        threading.Timer(0.1, send).start()
        try:
            await asyncio.sleep(60)
        finally:
            print("ended")
    """
    done = child(body, number)
    error = {signal.SIGINT: "KeyboardInterrupt", signal.SIGTERM: "Terminated"}[number]
    assert (done.returncode, done.stdout.split()) == (0, ["ended", error, "True"]), done.stderr


@SIGNALS
def test_who_listens_in_a_thread_hears_of_it(number: signal.Signals) -> None:
    body = """
    async def work():
        stopped = asyncio.Event()
        heard = []
        with signals.stop_handler(asyncio.get_running_loop(), lambda name: (heard.append(name), stopped.set())):
            threading.Timer(0.1, send).start()
            await stopped.wait()
        return heard[0]
    """
    done = child(body, number)
    name = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number]
    assert (done.returncode, done.stdout.splitlines()) == (0, [name, "True"]), done.stderr


def test_a_job_runs_in_a_notebook(make_job: JobMaker, server: Server) -> None:
    path = make_job([article(n) for n in range(5)], label={"provider": "openai", "base_url": server.url})
    work = in_a_notebook(lambda: run(path))
    assert len(rows(work, "labels")) == 5
