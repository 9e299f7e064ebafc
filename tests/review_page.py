"""A review server of a job in a process of its own, and what a page sends to it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import reserve_port
from tests.program import Program


class ReviewServer:
    """`labelmill review JOB`; a context that ends it."""

    def __init__(self, job: Path, *arguments: str, port: int = 0) -> None:
        self._arguments = ["review", str(job), "--port", str(port), *arguments]
        self.start()

    def start(self) -> None:
        self.process = Program(*self._arguments, stdout=True, stderr=False)
        assert self.process.stdout
        found = re.search(r"http://[^/]+:(\d+)/", self.process.stdout.readline())
        assert found
        self.url, self.port = found[0], int(found[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        reserve_port(self.port)  # until it starts anew

    def restart(self) -> None:
        """On the same port."""
        self._arguments[self._arguments.index("--port") + 1] = str(self.port)
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
        return self.csrf_of("kim", **headers)

    def csrf_of(self, reviewer: str, **headers: str) -> str:
        page = self.ask(f"/?reviewer={urllib.parse.quote(reviewer)}", **headers)[1]
        found = re.search(r"csrf.{1,20}?([0-9a-f]{64})", page)
        assert found
        return found[1]


@dataclass
class Reviewer:
    """Somebody with a name who asks the server as the page does, and all that the server ever answered."""

    server: ReviewServer
    name: str
    answers: list[str] = field(default_factory=list)

    def get(self, path: str, **parameters: Any) -> Any:
        query = urllib.parse.urlencode({"reviewer": self.name, **parameters})
        return self._heard(*self.server.ask(f"{path}?{query}")[:2])

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        token = self.server.csrf()
        status, answer, _ = self.server.ask(path, {"reviewer": self.name, **body}, X_CSRF_Token=token)
        self.answers.append(json.dumps(answer, ensure_ascii=False))
        return status, answer

    def _heard(self, status: int, answer: Any) -> Any:
        assert status == 200, answer
        self.answers.append(json.dumps(answer, ensure_ascii=False))
        return answer

    def queue(self, lane: str, n: int = 50) -> list[dict[str, Any]]:
        cards: list[dict[str, Any]] = self.get("api/queue", lane=lane, n=n)["articles"]
        return cards

    def card(self, lane: str, row_id: str) -> dict[str, Any]:
        return next(card for card in self.queue(lane) if card["id"] == row_id)

    def reveal(self, card: dict[str, Any], *typed: str) -> dict[str, Any]:
        status, answer = self.post("api/reveal", key=card["key"], typed=list(typed))
        assert status == 200, answer
        revealed: dict[str, Any] = answer["card"]
        return revealed

    def send(self, *judgements: dict[str, Any]) -> dict[str, str]:
        """The refusals, by uid."""
        status, answer = self.post("api/judgements", judgements=list(judgements))
        assert status == 200, answer
        refused: dict[str, str] = answer["refused"]
        assert {j["uid"] for j in judgements} == {*answer["stored"], *refused}
        return refused

    def judge(self, card: dict[str, Any], wrong: int = 0, **more: Any) -> str:
        """Judge a card as the page would; why it is refused, "" if it is not."""
        return next(iter(self.send(judged(card, wrong, **more)).values()), "")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def judged(card: dict[str, Any], wrong: int = 0, **more: Any) -> dict[str, Any]:
    """What a page sends of a card whose first `wrong` phrases are wrong."""
    phrases = [phrase["text"] for phrase in card["phrases"]]
    value = {"uid": uuid.uuid4().hex, "key": card["key"], "id": card["id"], "lane": card["lane"], "seconds": 2.5}
    value["typed"] = card.get("typed")
    return {**value, "accepted": phrases[wrong:], "rejected": phrases[:wrong], **more}
