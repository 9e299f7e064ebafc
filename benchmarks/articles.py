"""Articles to measure with: new ones of a wanted length, woven of the sentences of real ones (the quickstart's, or a folder
with the shared `news-*.jsonl.gz`).  The same number always gives the same articles."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHARACTERS = {"en": 3500, "fr": 3500, "ko": 1300}  # about 3.5 kB of UTF-8 each


def sentences(data: Path | None = None) -> dict[str, list[str]]:
    """Sentences by language."""
    found: dict[str, list[str]] = {}
    for language, text in _texts(data):
        found.setdefault(language, []).extend(s for s in re.split(r"(?<=[.!?])\s+", text) if len(s) > 30)
    return found


def _texts(data: Path | None) -> Iterator[tuple[str, str]]:
    if data and data.is_dir():
        for path in sorted(data.glob("news-*.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                yield from ((path.name[5:7], json.loads(line)["text"]) for line in file)
        return
    quickstart = ROOT / "data" / "quickstart"
    for line in (quickstart / "articles-ko.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        yield row["id"][:2], row["body"]
    with (quickstart / "articles-en.csv").open(encoding="utf-8", newline="") as file:
        yield from (("en", row["body"]) for row in csv.DictReader(file))


def woven(count: int, languages: tuple[str, ...] = ("en", "ko"), data: Path | None = None) -> Iterator[dict[str, str]]:
    """`count` articles (`id, title, body`), languages in turn."""
    pool = sentences(data)
    for number in range(count):
        language = languages[number % len(languages)]
        draw = random.Random(number)
        body: list[str] = []
        while sum(map(len, body)) < CHARACTERS[language]:
            body.append(draw.choice(pool[language]))
        yield {"id": f"{language}-{number}", "title": f"{body[0][:60]} {number}", "body": " ".join(body)}


def write(path: Path, count: int, languages: tuple[str, ...] = ("en", "ko"), data: Path | None = None) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for row in woven(count, languages, data):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


if __name__ == "__main__":  # python benchmarks/articles.py FILE COUNT [DATA]
    write(Path(sys.argv[1]), int(sys.argv[2]), data=Path(sys.argv[3]) if len(sys.argv) > 3 else None)
