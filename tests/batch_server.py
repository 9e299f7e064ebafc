"""A server that speaks chat completions and the Batch API, with faults, and that counts what a client would have paid.

Files and batches behave as OpenAI documents them: answers in any order, errors in a file of their own, a batch that was
cancelled or has expired keeps (and bills) what it had answered.  Real HTTP, on loopback only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.openai_server import Server, completion, keyphrases

FINAL = ("completed", "failed", "expired", "cancelled")
Line = dict[str, Any]


@dataclass
class Plan:
    """What becomes of one batch."""

    seconds: float = 0.0  # from its making to its end
    end: str = "completed"
    share: float = 1.0  # of its requests that are answered by then
    refuse: Callable[[Line], dict[str, Any] | None] = lambda line: (
        None
    )  # -> {"status", "body"} or {"error"} of a request
    repeats: int = 0  # answers that stand in the file twice
    unknown: int = 0  # answers to nobody's question
    forget: int = 0  # answers that are billed and do not stand in the file
    loses: str = ""  # the answer to a prompt with this in it is billed and does not stand in the file, either
    counts_all: bool = False  # what failed is counted as completed, too
    no_output: bool = False  # it has answers, and names no file
    names_late: int = 0  # looks at it, once it is over, that name no file yet
    counts_nothing: bool = False  # as some gateways
    names_errors_late: int = 0  # looks at it, once it is over, that do not name the file of what failed yet
    errors: list[dict[str, Any]] | None = None  # why it failed as a whole


@dataclass
class Batch:
    """One batch; `answers` and `errors` are the lines of its files, once it is over."""

    id: str
    name: str
    file: str
    plan: Plan
    lines: list[Line]
    made: float = field(default_factory=time.time)
    status: str = "in_progress"
    answered: int = 0
    answers: list[Line] = field(default_factory=list)
    errors: list[Line] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class BatchServer(Server):
    """`plans` are taken by the batches in their order, the last one by all later ones.

    `posts`, `uploads` and `downloads` are faults, each taken by one call: `void` (done, and the connection is cut),
    a status (not done), `made 500` (done, and a 500), `cut` (half of the file), None (no fault).
    """

    plans: list[Plan] = field(default_factory=lambda: [Plan()])
    posts: list[Any] = field(default_factory=list)
    uploads: list[Any] = field(default_factory=list)
    downloads: list[Any] = field(default_factory=list)
    retrievals: list[Any] = field(default_factory=list)
    ranges: bool = True  # whether downloads can go on where they were cut
    lists: bool = True  # whether batches can be listed
    lists_after: float = 0.0  # seconds from the making of the first batch on
    keeps_metadata: bool = True
    spoil: Callable[[Line], bool] = lambda body: False  # whether a reply in a batch is cut off
    queue_bytes: int | None = None  # of all files under way, as an account's limit on enqueued tokens
    max_lines: int = 50_000
    paid: Counter[str] = field(default_factory=Counter)  # answers by their question's digest, whichever way it came
    billed_usd: float = 0.0
    uploaded: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    served: Counter[str] = field(default_factory=Counter)
    shuffle: random.Random = field(default_factory=lambda: random.Random(5))
    price: tuple[float, float] = (1.0, 10.0)  # dollars for a million tokens

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.create)
        app.router.add_get("/v1/batches", self.list)
        app.router.add_get("/v1/batches/{id}", self.retrieve)
        app.router.add_post("/v1/batches/{id}/cancel", self.cancel)
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        response = await super().chat(request)
        if response.status == 200:
            self._bill(json.loads(await request.read()), 1.0)
        return response

    def _bill(self, body: dict[str, Any], share: float) -> None:
        self.paid[question(body)] += 1
        self.billed_usd += share * (100 * self.price[0] + 20 * self.price[1]) / 1e6

    # --- files ---

    async def upload(self, request: web.Request) -> web.StreamResponse:
        self.served["upload"] += 1
        data, purpose = b"", ""
        async for part in await request.multipart():
            if part.name == "file":  # type: ignore[union-attr]
                data = bytes(await part.read())  # type: ignore[union-attr]
            else:
                purpose = await part.text()  # type: ignore[union-attr]
        fault = self.uploads.pop(0) if self.uploads else None
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "no", "type": "server_error"}}, status=fault)
        assert purpose == "batch" and data.endswith(b"\n")
        number = f"file-{len(self.uploaded)}"
        self.uploaded[number] = data
        if fault == "void":
            return await cut(request)
        return web.json_response({"id": number, "object": "file", "bytes": len(data), "purpose": purpose})

    async def content(self, request: web.Request) -> web.StreamResponse:
        self.served["content"] += 1
        kind, _, number = request.match_info["id"].partition("-")
        batch = self.batches[number]
        lines = batch.answers if kind == "output" else batch.errors
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        fault = self.downloads.pop(0) if self.downloads else None
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "no"}}, status=fault)
        if fault == "short":  # whole, by its length, and yet not all of it
            return web.Response(body=data[: len(data) // 2])
        start, status, headers = 0, 200, {}
        if self.ranges and (wanted := request.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        if fault == "cut":
            return await cut(
                request, data[start : start + max(1, (len(data) - start) // 2)], len(data) - start, status, headers
            )
        return web.Response(body=data[start:], status=status, headers=headers)

    # --- batches ---

    async def create(self, request: web.Request) -> web.StreamResponse:
        self.served["create"] += 1
        fault = self.posts.pop(0) if self.posts else None
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "not now", "type": "server_error"}}, status=fault)
        body = await request.json()
        assert body["endpoint"] == "/v1/chat/completions" and body["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.uploaded[body["input_file_id"]].splitlines()]
        plan = self.plans[min(len(self.batches), len(self.plans) - 1)]
        batch = Batch(f"batch_{len(self.batches)}", body["metadata"]["labelmill"], body["input_file_id"], plan, lines)
        self._validate(batch)
        self.batches[batch.id] = batch
        if fault == "void":
            return await cut(request)
        if fault == "made 500":
            return web.json_response({"error": {"message": "gateway"}}, status=500)
        return web.json_response(self._told(batch))

    def _validate(self, batch: Batch) -> None:
        ids = [line["custom_id"] for line in batch.lines]
        assert len(set(ids)) == len(ids) and all(len(custom_id) <= 64 for custom_id in ids)
        assert {line["url"] for line in batch.lines} == {"/v1/chat/completions"}
        if len(ids) > self.max_lines:
            batch.problems = [{"code": "too_many_tasks", "message": f"the limit is {self.max_lines}", "line": None}]
        under_way = sum(
            len(self.uploaded[other.file]) for other in self.batches.values() if self._status(other) not in FINAL
        )
        if self.queue_bytes is not None and under_way + len(self.uploaded[batch.file]) > self.queue_bytes:
            text = "Enqueued token limit reached for gpt-6-luna. Please try again once some in_progress batches are completed."
            batch.problems = [{"code": "token_limit_exceeded", "message": text, "line": None, "param": None}]
        if batch.plan.errors:
            batch.problems = batch.plan.errors
        if batch.problems:
            batch.status = "failed"

    def _status(self, batch: Batch) -> str:
        if batch.status == "in_progress" and time.time() - batch.made >= batch.plan.seconds:
            self._finish(batch, batch.plan.end, batch.plan.share)
        return batch.status

    def _finish(self, batch: Batch, end: str, share: float) -> None:
        """Answer what it comes to, bill it, and write its files in an order of its own."""
        batch.status, plan = end, batch.plan
        count = round(len(batch.lines) * share)
        for line in batch.lines[:count]:
            if refusal := plan.refuse(line):
                batch.errors.append({"custom_id": line["custom_id"], "response": None, "error": None, **refusal})
                continue
            self._bill(line["body"], 0.5)
            batch.answered += 1
            if plan.loses and plan.loses in line["body"]["messages"][-1]["content"]:
                continue
            batch.answers.append(answer(line))
            if self.spoil(line["body"]):
                choice = batch.answers[-1]["response"]["body"]["choices"][0]
                choice["finish_reason"], choice["message"]["content"] = "length", ""
        code = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(end)
        for line in batch.lines[count:] if code else ():
            error = {"code": code, "message": "This request was not run."}
            batch.errors.append({"custom_id": line["custom_id"], "response": None, "error": error})
        self.shuffle.shuffle(batch.answers)
        del batch.answers[: plan.forget]
        batch.answers += batch.answers[: plan.repeats]
        for number in range(plan.unknown):
            stranger = {
                **batch.lines[0],
                "custom_id": f"stranger-{number}" if number % 2 else "ABCDEFGH"[number] * 42 + "A-1",
            }
            batch.answers.append(answer(stranger))
        self.shuffle.shuffle(batch.answers)

    async def list(self, request: web.Request) -> web.Response:
        self.served["list"] += 1
        if not self.lists:
            return web.json_response({"detail": "Not Found"}, status=404)
        newest_first = list(reversed(self.batches.values()))
        if newest_first and time.time() < newest_first[-1].made + self.lists_after:
            newest_first = []
        ids = [batch.id for batch in newest_first]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = newest_first[start : start + min(int(request.query.get("limit", 20)), 3)]  # pages of three
        data = [self._told(batch) for batch in page]
        return web.json_response({"object": "list", "data": data, "has_more": start + len(page) < len(newest_first)})

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        self.served["retrieve"] += 1
        fault = self.retrievals.pop(0) if self.retrievals else None
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "no"}}, status=fault)
        if fault == "void":
            return await cut(request)
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return web.json_response({"error": {"message": "No batch found"}}, status=404)
        return web.json_response(self._told(batch))

    async def cancel(self, request: web.Request) -> web.Response:
        self.served["cancel"] += 1
        batch = self.batches[request.match_info["id"]]
        if self._status(batch) in FINAL:
            return web.json_response(
                {"error": {"message": f"cannot cancel a batch that is {batch.status}"}}, status=409
            )
        self._finish(batch, "cancelled", batch.plan.share)
        return web.json_response(self._told(batch) | {"status": "cancelling"})

    def _told(self, batch: Batch) -> dict[str, Any]:
        status = self._status(batch)
        is_late = status in FINAL and batch.plan.names_late > 0
        batch.plan.names_late -= is_late
        has_errors = bool(batch.errors) and batch.plan.names_errors_late <= 0
        batch.plan.names_errors_late -= status in FINAL
        output = f"output-{batch.id}" if batch.answers and not batch.plan.no_output and not is_late else None
        failed = sum(
            line["error"] is None or line["error"]["code"] not in ("batch_expired", "batch_cancelled")
            for line in batch.errors
        )
        counts = {
            "total": len(batch.lines),
            "completed": batch.answered + (failed if batch.plan.counts_all else 0),
            "failed": failed,
        }
        return {
            "id": batch.id, "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": batch.file,
            "completion_window": "24h", "status": status, "created_at": int(batch.made),
            "metadata": {"labelmill": batch.name} if self.keeps_metadata else None,
            "output_file_id": output, "error_file_id": f"error-{batch.id}" if has_errors else None,
            "errors": {"object": "list", "data": batch.problems} if batch.problems else None,
            "request_counts": None if batch.plan.counts_nothing else counts,
        }  # fmt: skip


def question(body: dict[str, Any]) -> str:
    """What is asked, whichever way."""
    return hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()


def answer(line: Line) -> Line:
    body = completion(line["body"], keyphrases(line["body"]))
    return {"id": f"r-{line['custom_id']}", "custom_id": line["custom_id"], "error": None,
            "response": {"status_code": 200, "request_id": f"q-{line['custom_id']}", "body": body}}  # fmt: skip


def refusal(status: int, code: str, message: str = "no") -> dict[str, Any]:
    return {
        "response": {"status_code": status, "request_id": "q", "body": {"error": {"message": message, "code": code}}}
    }


async def cut(
    request: web.Request, data: bytes = b"", length: int = 0, status: int = 200, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Send a part of an answer, or none, and break the connection."""
    if data:
        response = web.StreamResponse(status=status, headers={**(headers or {}), "Content-Length": str(length)})
        await response.prepare(request)
        await response.write(data)
        await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)
