"""Makes `jobs/` of the job files here, once: it was run with the code of commit 7ab1970, whose work later code must go on with.

    git worktree add /tmp/then 7ab1970 && PYTHONPATH=/tmp/then:. python tests/data/old_jobs/make.py

Never run it to make a test pass: what it wrote then is what people have.  A model's part is played by `tests/openai_server.py`, as
a proxy, so that the jobs' `base_url` is an address at which nobody is: a test need not know on which port a server once was.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.openai_server import Running, Server, completion

HERE = Path(__file__).parent
WHERE = Path("/tmp/old_jobs")  # what a job keeps of where it lay is the path of no machine
NAMES = ("keyphrases", "topics", "classes", "extractive")
BEFORE = 9  # articles of harbour.jsonl in the first versions

PHRASES = {
    "Night ferry": "night ferry; northern harbour; ferry company; petition; fuel subsidy",
    "Tide mill": "1. tide mill\n2. rye flour\n3. falling tide\n4. volunteers\n5. water wheel\n6. town forest\n7. weekly market",
    "등대": "등대 도서관; 섬마을; 주민들; 난방 공사; 어린이 독서 모임",
    "Storm wall": "**Key phrases:** storm wall; eleven storms; rubber seal; harbour office; closed quarry",
    "해녀": '["해녀 학교", "신입생 스무 명", "물질 기술을", "바다 지킴이", "전복"]',
    "Choir": "choir; fishermen; cold store; fish market; harbour festival",
    "Seaweed": "seaweed roof; boat museum; dried seaweed; roofers; seaweed ropes",
    "crane": "harbour crane; glass cabin; look-out; town council",
    "저어새": "저어새; 염전; 갯벌; 환경 단체; 전망대",
    "bicycles": "night shift; shipyard; bicycles; repair van; earlier bus",
    "Market hall": "coffee roaster; market hall; roasting drum; sailing ship",
    "apiculteurs": "apiculteurs; ruches; miel; écoles",
    "Repair table": "repair table; retired engineers; two tonnes of waste; broken things",
    "Goats": "goats; railway bank; railway company; rare orchids",
    "Town clock": "town clock; three minutes late; commuters; watchmaker",
}
TOPICS = {
    "bus driver": "Topic: Kindness of a bus driver",
    "lamps": '"Light along the canal path"',
    "library close": "Library opening hours",
    "island cup": "Girls' football",
    "bridge toll": "I'm sorry, I cannot help with that.",  # asked again
    "Painter": "Paintings of boats",
}
CLASSES = {"ferry": "Sea", "mill": '{"label": "Town"}', "wall": "**Sea**", "Choir": "harbour", "roof": "Nature",
           "crane": "The article belongs to Town.", "bicycles": "Weather", "Short note": "Sea"}  # fmt: skip


def answer(body: dict[str, Any], times: int) -> tuple[int, dict[str, Any], dict[str, str]]:
    text = body["messages"][-1]["content"]
    if body["model"] == "small-model":
        if "temperature" in body:
            return refused("temperature")
        if body["response_format"]["type"] == "json_schema":
            return refused("response_format")
        return 200, completion(body, _of(CLASSES, text)), {}
    if "Old well" in text:
        return 400, {"error": {"message": "flagged", "code": "content_filter"}}, {}
    if "name the topic" in text.lower():
        return 200, completion(body, "A toll on a bridge" if times > 1 else _of(TOPICS, text)), {}
    if "Choir" in text and times == 1:
        return 200, completion(body, ""), {}  # asked again
    return 200, completion(body, _of(PHRASES, text)), {}


def refused(parameter: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    error = {"message": f"{parameter} is not supported", "code": "unsupported_parameter", "param": parameter}
    return 400, {"error": error}, {}


def _of(replies: dict[str, str], text: str) -> str:
    return next(reply for word, reply in replies.items() if word in text)


def labelmill(*arguments: str, proxy: str) -> None:
    environment = {**os.environ, "http_proxy": proxy, "no_proxy": "", "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    print("$ labelmill", *arguments, flush=True)
    subprocess.run(command, check=True, cwd=WHERE, env=environment)


def review() -> None:
    """A filled sheet: a label accepted, one with a phrase corrected, one whose phrases are all wrong."""
    path = WHERE / "sheet.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        if row["id"] == "h1":
            row["verdict"] = "accept"
        elif row["id"] == "h4":
            row["corrected"] = "storm wall; rubber seal; harbour office; sand behind the wall"
        elif row["id"] == "m4":
            row["verdict"], row["note"] = "reject", "says nothing"
        elif row["id"] == "h3":
            row["corrected"] = "등대 도서관; 섬마을; 어린이 독서 모임"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def make(proxy: str) -> None:
    whole = (WHERE / "harbour.jsonl").read_text("utf-8")
    (WHERE / "harbour.jsonl").write_text("".join(whole.splitlines(keepends=True)[:BEFORE]), "utf-8")
    labelmill("quote", "keyphrases.yaml", proxy=proxy)
    labelmill("run", "keyphrases.yaml", "--to", "clean", proxy=proxy)
    labelmill("review", "keyphrases.yaml", "--export", "sheet.jsonl", proxy=proxy)
    review()
    labelmill("review", "keyphrases.yaml", "--import", "sheet.jsonl", "--reviewer", "ana", proxy=proxy)
    labelmill("run", "keyphrases.yaml", proxy=proxy)
    labelmill("takedown", "keyphrases.yaml", "--id", "h2", "--reason", "asked by the author", proxy=proxy)
    (WHERE / "harbour.jsonl").write_text(whole, "utf-8")
    for name in NAMES:
        labelmill("run", f"{name}.yaml", proxy=proxy)
        labelmill("status", f"{name}.yaml", proxy=proxy)


class Village(BaseHTTPRequestHandler):
    """A site of three articles and a page that is gone."""

    def do_GET(self) -> None:
        content = PAGES.get(self.path)
        body = f"<html><head><title>{self.path}</title></head><body>{content}</body></html>".encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


PAGES = {
    "/": (
        '<p>News of the village: <a href="/bees.html">bees</a>, <a href="/bells.html">bells</a>, <a '
        'href="/snow.html">snow</a>.</p>'
    ),
    "/bees.html": (
        "<article><h1>Bees in the bell tower</h1><p>A swarm of bees has moved into the bell tower of the village. "
        "The beekeeper wants to leave the bees where they are until autumn, since they harm nobody "
        "there.</p><p>The bells ring more softly meanwhile, with a leather cap on each clapper.</p></article>"
    ),
    "/bells.html": (
        "<article><h1>벌과 종</h1><p>마을 종탑에 벌 떼가 들어왔다. 양봉가는 가을까지 벌을 그대로 두자고 말했다. "
        "종은 그동안 가죽을 씌워 조용히 울린다.</p><p>아이들은 종소리가 부드러워져 좋다고 했다.</p></article>"
    ),
    "/snow.html": (
        "<article><h1>Snow ploughs wait</h1><p>The two snow ploughs of the village have not moved this winter, "
        "for no snow fell. The drivers mended fences instead, and painted the ploughs green.</p><p>The village "
        "saved salt for two winters.</p></article>"
    ),
}


def crawl(proxy: str) -> None:
    site = ThreadingHTTPServer(("127.0.0.1", 18917), Village)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    labelmill("run", "web.yaml", "--to", "filter", proxy=proxy)
    site.shutdown()


def tidy() -> None:
    """Without this machine's name, and in one file each."""
    for path in WHERE.glob("jobs/*/ledger.sqlite"):
        with sqlite3.connect(path) as ledger:
            ledger.execute("UPDATE workers SET host = 'then'")
        ledger.close()
    for path in WHERE.rglob("*.sqlite"):
        with sqlite3.connect(path, isolation_level=None) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("VACUUM")
        database.close()


def main() -> None:
    shutil.rmtree(WHERE, ignore_errors=True)
    shutil.copytree(HERE, WHERE, ignore=shutil.ignore_patterns("jobs", "make.py", "README.md", "__pycache__"))
    with Running(Server(models=("gpt-6-luna", "small-model"), script=answer)) as server:
        make(server.url.removesuffix("/v1"))
        crawl(server.url.removesuffix("/v1"))
    tidy()
    shutil.copytree(WHERE / "jobs", HERE / "jobs")
    shutil.rmtree(WHERE)


if __name__ == "__main__":
    main()
