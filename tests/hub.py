"""A small Hugging Face Hub for the tests: real HTTP on loopback, for the unmodified `huggingface_hub` and `datasets`.

It knows dataset repositories with one branch, tags and plain LFS, in memory, and so outlives a client that is killed.
The client reads HF_ENDPOINT when it is imported, and from 2.x on it uploads by xet, unasked, where hf_xet is installed:
`hub.env` is what a client process needs in its environment.

    with Hub() as hub:
        hub.fault("commit", status=504, after=True)  # the commit lands, the answer is lost
        subprocess.run([...], env={**os.environ, **hub.env})
        assert hub.tags("me/set") == {"v1": hub.head("me/set")}
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

REPO, REV, PATH = "([^/]+/[^/]+)", "([^/]+)", "(.+)"
API = f"/api/datasets/{REPO}"
ROUTES = {  # the kinds of requests, as faults and the log call them; each is a method of the handler
    "whoami": ("GET", "/api/whoami-v2"),
    "yaml": ("POST", "/api/validate-yaml"),
    "create": ("POST", "/api/repos/create"),
    "info": ("GET", f"{API}(?:/revision/{REV})?"),
    "refs": ("GET", f"{API}/refs"),
    "commits": ("GET", f"{API}/commits/{REV}"),
    "tree": ("GET", f"{API}/tree/{REV}(?:/{PATH})?"),
    "paths": ("POST", f"{API}/paths-info/{REV}"),
    "resolve": ("GET", f"/datasets/{REPO}/resolve/{REV}/{PATH}"),
    "preupload": ("POST", f"{API}/preupload/{REV}"),
    "lfs_batch": ("POST", rf"/datasets/{REPO}\.git/info/lfs/objects/batch"),
    "lfs_upload": ("PUT", "/lfs/([0-9a-f]{64})"),
    "commit": ("POST", f"{API}/commit/main"),
    "tag": ("POST", f"{API}/tag/{REV}"),
    "xet_token": ("GET", f"{API}/xet-write-token/{REV}"),
    "unknown": ("", ""),
}
WRITES = {"create", "preupload", "lfs_batch", "commit", "tag"}  # the upload itself goes without a token
LARGEST_BLOB = 10 * 2**20  # beyond it even a text goes to LFS
Answer = tuple[int, Any, dict[str, str]]  # status, bytes or what becomes JSON, headers


class File(NamedTuple):
    data: bytes
    digest: str = ""  # the SHA-256 that the client told, of an LFS file

    @property
    def blob(self) -> bytes:
        """What git holds: of an LFS file, a pointer."""
        lines = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.digest}\nsize {len(self.data)}\n"
        return lines.encode() if self.digest else self.data

    @property
    def etag(self) -> str:
        return self.digest or git_id(self.blob)

    def row(self, path: str) -> dict[str, Any]:
        lfs = {"lfs": {"oid": self.digest, "size": len(self.data), "pointerSize": len(self.blob)}}
        row = {"type": "file", "path": path, "oid": git_id(self.blob), "size": len(self.data)}
        return row | (lfs if self.digest else {})


class Commit(NamedTuple):
    id: str
    parent: str
    title: str
    message: str
    files: dict[str, File]


class Logged(NamedTuple):
    method: str
    path: str
    status: int  # as the client saw it; 0: cut off
    op: str


class Refused(Exception):
    """An error in the Hub's own way: the client reads the kind of error and the reason from headers."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None, **more: str):
        told = {"X-Error-Message": message.encode("ascii", "replace").decode()} | (headers or {})
        self.answer: Answer = status, {"error": message, **more}, told | ({"X-Error-Code": code} if code else {})


@dataclass
class Fault:
    """After `skip` requests, `times` of them are late, and answered by `status` or cut off (`drop`).

    With `after`, the request takes effect and its answer is lost.  For ever: `times=math.inf`.
    """

    op: str
    status: int | None = None
    times: float = 1
    after: bool = False
    drop: bool = False
    retry_after: int | None = None
    skip: int = 0
    delay: float = 0
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"

    def answer(self) -> Answer | None:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return None if self.drop else Refused(self.status or 500, self.message, headers=headers).answer


@dataclass
class Repo:
    private: bool
    head: str = ""
    history: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, title: str, message: str, files: dict[str, File]) -> str:
        """The id depends on all that is in it: clients cache by it, across the Hubs of several tests."""
        seed = [self.head, title, message, *(f"{path} {file.etag}" for path, file in sorted(files.items()))]
        id = git_id("\n".join(seed).encode())
        self.history[id] = Commit(id, self.head, title, message, files)
        self.head = id
        return id

    def at(self, revision: str = "main") -> Commit:
        found = self.history.get(self.head if revision == "main" else self.tags.get(revision, revision))
        if found is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    def log(self, revision: str = "main") -> list[Commit]:
        log = [self.at(revision)]
        while log[-1].parent:
            log.append(self.history[log[-1].parent])
        return log


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def tree(files: dict[str, File]) -> dict[str, dict[str, Any]]:
    """All folders and files of a commit, as the API describes them."""
    folders = {path[: slash.start()] for path in files for slash in re.finditer("/", path)}
    rows = {path: {"type": "directory", "path": path, "oid": git_id(path.encode()), "size": 0} for path in folders}
    return dict(sorted({**rows, **{path: file.row(path) for path, file in files.items()}}.items()))


class Hub:
    """Set `race`, `corrupt_uploads` or `quota`, or call `fault`, for trouble; `log` has every request."""

    def __init__(self) -> None:
        self.token, self.reader_token = "hf_test_writer", "hf_test_reader"
        self.roles = {self.token: "write", self.reader_token: "read"}
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # of LFS, by SHA-256
        self.log: list[Logged] = []
        self.faults: list[Fault] = []  # those of the same op happen one after another
        self.race: int | Callable[[str], object] = 0  # what to do once (given the repository), or how many commits
        self.corrupt_uploads = 0
        self.sound_uploads = 0  # before those
        self.quota: int | None = None
        self.lock = threading.RLock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.hub = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.env = {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_DISABLE_XET": "1"}

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fault(self, op: str, status: int | None = None, **more: Any) -> None:
        assert op in ROUTES, op
        self.faults.append(Fault(op, status, **more))

    def create(self, repo: str, private: bool = False) -> str:
        self.repos[repo] = Repo(private)
        return self.repos[repo].commit("initial commit", "", {".gitattributes": File(b"*.parquet filter=lfs -text\n")})

    def edit(self, repo: str, path: str, content: bytes | str, title: str = "Update README.md") -> str:
        """A commit by somebody in the web interface."""
        with self.lock:
            new = {path: File(content.encode() if isinstance(content, str) else content)}
            return self.repos[repo].commit(title, "", self.repos[repo].at().files | new)

    def head(self, repo: str) -> str:
        return self.repos[repo].head

    def commits(self, repo: str) -> list[Commit]:
        return self.repos[repo].log()  # newest first

    def tags(self, repo: str) -> dict[str, str]:
        return dict(self.repos[repo].tags)

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        return {path: file.data for path, file in self.repos[repo].at(revision).files.items()}

    def corrupt_uploads_after(self, sound: int) -> None:
        """Damage one upload, after so many sound ones."""
        self.sound_uploads, self.corrupt_uploads = sound, 1

    def due(self, op: str) -> Fault:
        """What is to happen to this request."""
        with self.lock:
            fault = next((fault for fault in self.faults if fault.op == op and fault.times > 0), Fault(op))
            if fault.skip:
                fault.skip -= 1
                return Fault(op)
            fault.times -= 1
            return fault

    def let_others_in(self, repo: str) -> None:
        race, self.race = self.race, 0
        if callable(race):
            race(repo)
        elif race and repo in self.repos:
            self.race = race - 1
            self.edit(repo, f"elsewhere-{race}.txt", "by another writer", title=f"Add elsewhere-{race}.txt")


class _Server(ThreadingHTTPServer):
    hub: Hub
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed is no news
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request per connection: none stays open to be answered by a Hub that is gone."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None: ...

    def serve(self) -> None:
        self.close_connection = True
        self.hub, url = self.server.hub, urlsplit(self.path)
        self.query = parse_qs(url.query)
        size = int(self.headers.get("Content-Length", 0))
        self.content = self.rfile.read(size)
        if len(self.content) < size:  # half an upload of a client that was killed must not count
            return
        method = "GET" if self.command == "HEAD" else self.command
        matches = ((op, re.fullmatch(pattern, url.path)) for op, (verb, pattern) in ROUTES.items() if verb == method)
        op, groups = next(((op, match.groups()) for op, match in matches if match), ("unknown", ()))
        answer = self.answer(op, [unquote(text or "") for text in groups])
        self.hub.log.append(Logged(self.command, url.path, answer[0] if answer else 0, op))
        if answer:
            self.send(*answer)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def answer(self, op: str, arguments: list[str]) -> Answer | None:
        """None is to cut the connection."""
        fault = self.hub.due(op)
        time.sleep(fault.delay)
        hidden = fault.drop or fault.status is not None
        if fault.after or not hidden:
            if op == "commit":
                self.hub.let_others_in(arguments[0])  # outside of the lock: they may be clients too
            try:
                with self.hub.lock:
                    self.authorize(op in WRITES)
                    answer = getattr(self, op)(*arguments)
            except Refused as refusal:
                answer = refusal.answer
        if hidden:
            return fault.answer()
        return answer if isinstance(answer, tuple) else (200, answer, {})

    def send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def authorize(self, write: bool) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.role = self.hub.roles.get(token)
        if token and not self.role:
            raise Refused(401, "Invalid credentials in Authorization header")
        if write and not self.role:
            raise Refused(401, "Invalid username or password.")
        if write and self.role != "write":
            raise Refused(403, "You don't have the required permissions to perform this action: use a write token")

    def repo(self, name: str) -> Repo:
        """To strangers the Hub does not tell a missing repository from a private one."""
        repo = self.hub.repos.get(name)
        if not self.role and (not repo or repo.private):
            raise Refused(401, "Invalid username or password.", "RepoNotFound")
        if not repo:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return repo

    def unknown(self) -> None:
        raise Refused(404, "The tests' Hub has no such page (nor xet: set HF_HUB_DISABLE_XET=1)")

    def whoami(self) -> Any:
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": self.role}}
        return {"type": "user", "id": "0", "name": "tester", "fullname": "Tester", "orgs": [], "auth": auth}

    def yaml(self) -> Any:
        return {"errors": [], "warnings": []}

    def create(self) -> Any:
        asked = json.loads(self.content)
        name = f"{asked.get('organization') or 'tester'}/{asked['name']}"
        url = f"{self.hub.url}/datasets/{name}"
        if name in self.hub.repos:
            raise Refused(409, "You already created this dataset repo", url=url)
        self.hub.create(name, private=asked.get("visibility") == "private" or bool(asked.get("private")))
        return {"url": url, "name": name}

    def info(self, name: str, revision: str) -> Any:
        repo = self.repo(name)
        commit = repo.at(revision or "main")
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        return {"id": name, "sha": commit.id, "private": repo.private, "tags": [], "siblings": siblings}

    def refs(self, name: str) -> Any:
        repo = self.repo(name)
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in sorted(repo.tags.items())]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}
        return {"branches": [main], "converts": [], "tags": tags, "pullRequests": []}

    def commits(self, name: str, revision: str) -> Any:
        same = {"date": "2026-01-01T00:00:00.000Z", "authors": [{"user": "tester"}]}
        return [{"id": c.id, "title": c.title, "message": c.message, **same} for c in self.repo(name).log(revision)]

    def tree(self, name: str, revision: str, folder: str) -> Any:
        prefix, deep = f"{folder}/" if folder else "", self.query.get("recursive") == ["true"]
        below = [row for path, row in tree(self.repo(name).at(revision).files).items() if path.startswith(prefix)]
        if folder and not below:
            raise Refused(404, f"{folder} does not exist on {revision}", "EntryNotFound")
        return [row for row in below if deep or "/" not in row["path"].removeprefix(prefix)]

    def paths(self, name: str, revision: str) -> Any:
        rows = tree(self.repo(name).at(revision).files)
        return [rows[path] for path in parse_qs(self.content.decode()).get("paths", []) if path in rows]

    def resolve(self, name: str, revision: str, path: str) -> Any:
        """A file, or the piece of it that is asked for: `datasets` reads parquet files by pieces."""
        commit = self.repo(name).at(revision)
        headers = {"X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
        if path not in commit.files:
            raise Refused(404, "Entry not found", "EntryNotFound", headers)
        data, etag = commit.files[path].data, f'"{commit.files[path].etag}"'
        headers |= {"ETag": etag, "X-Linked-Etag": etag, "X-Linked-Size": str(len(data))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return 200, data, headers
        first, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
        if first >= end:
            raise Refused(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{len(data)}"})
        return 206, data[first:end], {**headers, "Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}

    def preupload(self, name: str, revision: str) -> Any:
        """Which files go to LFS, and what is there already: the client leaves unchanged files out."""
        there, rows = self.repo(name).at(revision).files, json.loads(self.content)["files"]
        for row in rows:
            large = row["path"].endswith(".parquet") or row["size"] > LARGEST_BLOB
            row |= {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            row["oid"] = there[row["path"]].etag if row["path"] in there else None
        return {"files": rows}

    def lfs_batch(self, name: str) -> Any:
        self.repo(name)
        rows = [{"oid": wanted["oid"], "size": wanted["size"]} for wanted in json.loads(self.content)["objects"]]
        new = [row for row in rows if row["oid"] not in self.hub.objects]
        used = sum(map(len, self.hub.objects.values())) + sum(row["size"] for row in new)
        if self.hub.quota is not None and used > self.hub.quota:
            raise Refused(403, "Repository storage limit reached, please upgrade your plan to increase your limit")
        for row in new:
            row["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{row['oid']}"}}
        return {"transfer": "basic", "objects": rows}

    def xet_token(self, name: str, revision: str) -> Any:
        """No more of xet than that a full storage gets none."""
        if self.hub.quota is not None:
            raise Refused(403, "Repository storage limit reached, please upgrade your plan to increase your limit")
        self.unknown()

    def lfs_upload(self, digest: str) -> Any:
        data = bytearray(self.content)
        if hashlib.sha256(data).hexdigest() != digest:
            raise Refused(400, "BadDigest: the content does not match its sha256")
        if self.hub.sound_uploads:
            self.hub.sound_uploads -= 1
        elif self.hub.corrupt_uploads:
            self.hub.corrupt_uploads -= 1
            data[len(data) // 2] ^= 1
        self.hub.objects[digest] = bytes(data)
        return b""

    def commit(self, name: str) -> Any:
        repo = self.repo(name)
        files = dict(repo.at().files)
        header, *operations = [json.loads(line) for line in self.content.splitlines()]
        told = header["value"]
        if told.get("parentCommit") not in (None, repo.head):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        for operation in operations:
            self.apply(files, operation["key"], **operation["value"])
        commit = repo.commit(told["summary"], told.get("description", ""), files)
        return {"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{commit}"}

    def apply(self, files: dict[str, File], key: str, path: str, content: str = "", oid: str = "", **_: Any) -> None:
        if key == "lfsFile" and oid not in self.hub.objects:
            raise Refused(400, f"An LFS pointer pointed to a file that does not exist. Offending file: {path}")
        if key == "deletedFile" and path not in files:
            raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        if key.startswith("deleted"):
            for gone in [name for name in files if name == path or name.startswith(f"{path.rstrip('/')}/")]:
                del files[gone]
        else:
            files[path] = File(self.hub.objects[oid], oid) if key == "lfsFile" else File(base64.b64decode(content))

    def tag(self, name: str, revision: str) -> Any:
        repo, tag = self.repo(name), json.loads(self.content)["tag"]
        commit = repo.at(revision)
        if tag in repo.tags:
            raise Refused(409, f"Tag reference exists already: {tag}")
        repo.tags[tag] = commit.id
        return {"success": True, "tag": tag}
