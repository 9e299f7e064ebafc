"""A review server of a job in a process of its own, and what a page sends to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


class ReviewServer:
    """`labelmill review JOB`; a context that ends it."""

    def __init__(self, job: Path, *arguments: str, port: int = 0) -> None:
        self._command = [sys.executable, "-m", "pipeline.cli", "review", str(job), "--port", str(port), *arguments]
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        assert self.process.stdout
        found = re.search(r"http://[^/]+:(\d+)/", self.process.stdout.readline())
        assert found
        self.url, self.port = found[0], int(found[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """On the same port."""
        self._command[self._command.index("--port") + 1] = str(self.port)
        self.start()

    def __enter__(self) -> ReviewServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON where it is some) and headers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path.lstrip("/"), data, {k.replace("_", "-"): v for k, v in headers.items()}
        )
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=30) as answer:
                status, raw, found = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            status, raw, found = error.code, error.read(), dict(error.headers)
        found = {name.lower(): value for name, value in found.items()}
        return status, json.loads(raw) if "json" in found.get("content-type", "") else raw.decode(), found

    def csrf(self, **headers: str) -> str:
        found = re.search(r"csrf.{1,20}?([0-9a-f]{64})", self.ask("/?reviewer=kim", **headers)[1])
        assert found
        return found[1]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def judged(card: dict[str, Any], wrong: int = 0, **more: Any) -> dict[str, Any]:
    """What a page sends of a card whose first `wrong` phrases are wrong."""
    phrases = [phrase["text"] for phrase in card["phrases"]]
    value = {"uid": uuid.uuid4().hex, "key": card["key"], "id": card["id"], "lane": card["lane"], "seconds": 2.5}
    return {**value, "accepted": phrases[wrong:], "rejected": phrases[:wrong], **more}
