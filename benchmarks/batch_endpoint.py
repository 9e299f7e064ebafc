"""A Batch API for a million requests, for `batches.py`: files stay on the disk, every batch is over at once, nothing is kept.

python benchmarks/batch_endpoint.py FOLDER      # prints its address
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

REPLY = {
    "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-6-luna",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "harbour; city; spring"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
}  # fmt: skip


class Endpoint:
    """Files by number in a folder; a batch is known by that of its file."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, list[dict[str, Any]]()

    async def upload(self, request: web.Request) -> web.Response:
        async for part in await request.multipart():
            if part.name == "file":  # type: ignore[union-attr]
                with (self._folder / f"{len(self._names)}").open("wb") as file:
                    while chunk := await part.read_chunk(1 << 20):  # type: ignore[union-attr]
                        file.write(chunk)
        self._names.append({})
        return web.json_response({"id": str(len(self._names) - 1)})

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = int(body["input_file_id"])
        with (self._folder / str(number)).open("rb") as file:
            count = sum(1 for _ in file)
        self._names[number] = {
            "id": f"batch_{number}", "status": "completed", "input_file_id": str(number), "metadata": body["metadata"],
            "output_file_id": f"out-{number}", "request_counts": {"total": count, "completed": count, "failed": 0},
        }  # fmt: skip
        return web.json_response(self._names[number] | {"status": "in_progress"})

    async def retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._names[int(request.match_info["id"].removeprefix("batch_"))])

    async def content(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with (self._folder / request.match_info["id"].removeprefix("out-")).open("rb") as file:
            while lines := file.readlines(1 << 20):
                await response.write(b"".join(_answer(line) for line in lines))
        return response

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "gpt-6-luna", "object": "model"}]})


def _answer(line: bytes) -> bytes:
    custom_id = orjson.loads(line)["custom_id"]
    answer = {
        "id": "r",
        "custom_id": custom_id,
        "response": {"status_code": 200, "request_id": "q", "body": REPLY},
        "error": None,
    }
    return orjson.dumps(answer) + b"\n"


async def main() -> None:
    endpoint, app = Endpoint(Path(sys.argv[1])), web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/files", endpoint.upload)
    app.router.add_get("/v1/files/{id}/content", endpoint.content)
    app.router.add_post("/v1/batches", endpoint.create)
    app.router.add_get("/v1/batches/{id}", endpoint.retrieve)
    app.router.add_get("/v1/models", endpoint.models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps(f"http://127.0.0.1:{runner.addresses[0][1]}/v1"), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
