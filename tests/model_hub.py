"""A Hub on loopback that holds one model, as the real client fetches it: commits, licence gates, and being down."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COMMITS = ("a" * 40, "b" * 40)


class ModelHub:
    """`mode`: open | gated (known to all, its files to nobody) | hidden (401 for everything, as without a token)."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.mode, self.head = name, folder, "open", COMMITS[0]
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                hub._answer(self)

            do_HEAD = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ModelHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path.split("?")[0])
        self.asked.append(f"{request.command} {path}")
        if self.mode == "hidden" or self.name not in path:
            return _send(request, 401, b'{"error": "no"}', {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"})
        if path.startswith(f"/api/models/{self.name}"):
            return self._tell(request, path.removeprefix(f"/api/models/{self.name}"))
        if self.mode == "gated":
            return _send(request, 403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        file = self.folder / path.rpartition("/")[2]
        if not file.is_file():
            return _send(request, 404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        etag = hashlib.sha256(file.read_bytes()).hexdigest()
        commit = next((commit for commit in COMMITS if commit in path), self.head)
        return _send(request, 200, file.read_bytes(), {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def _tell(self, request: BaseHTTPRequestHandler, rest: str) -> None:
        revision = rest.removeprefix("/revision/") if rest.startswith("/revision/") else "main"
        if revision not in ("main", *COMMITS) and not rest.startswith("/tree"):
            headers = {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev"}
            return _send(request, 404, b"{}", headers)
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        if rest.startswith("/tree"):
            found: Any = [{"type": "file", "path": f.name, "oid": "0" * 40, "size": f.stat().st_size} for f in files]
        else:
            siblings = [{"rfilename": file.name} for file in files]
            sha = self.head if revision == "main" else revision
            found = {
                "id": self.name,
                "modelId": self.name,
                "sha": sha,
                "siblings": siblings,
                "tags": [],
                "private": False,
            }
        return _send(request, 200, json.dumps(found).encode(), {"Content-Type": "application/json"})


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
