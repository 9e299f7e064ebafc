"""Cleaning replies: labels a second on one core, and how many untidy replies come out right, beside splitting at commas.

    python benchmarks/cleaning.py

Speed: replies in five forms, seven phrases each, of 100 articles of 3.5 kB made of the quickstart's; the last form has two phrases
that no article has, which are stemmed.  Baseline: `[part.strip() for part in reply.split(",")]`, as KeyLLM does
(keybert/llm/_openai.py), on the same replies.  Right: the cases of `tests/data/reply_cases.jsonl`.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.clean.cleaner import clean_reply

Form = Callable[[list[str]], str]
FORMS: dict[str, Form] = {
    "semicolons": "; ".join,
    "numbered": lambda phrases: "\n".join(f"{number}. {phrase}" for number, phrase in enumerate(phrases, 1)),
    "JSON": lambda phrases: json.dumps({"keyphrases": phrases}, ensure_ascii=False),
    "bold bullets": lambda phrases: (
        "Here are the key phrases:\n\n" + "\n".join(f"- **{phrase}**" for phrase in phrases)
    ),
    "two absent": lambda phrases: "; ".join([*phrases[:5], phrases[5] + " thing", phrases[6][::-1]]),
}
SIZE, COUNT = 3500, 100


def articles(draw: random.Random) -> list[str]:
    lines = (ROOT / "data" / "quickstart" / "articles-ko.jsonl").read_text("utf-8").splitlines()
    bodies = [json.loads(line).get("body") for line in lines]
    words = " ".join(body for body in bodies if isinstance(body, str)).split()
    return [" ".join(draw.choices(words, k=SIZE // 3))[: SIZE // 3] for _ in range(COUNT)]


def phrases_of(article: str, draw: random.Random) -> list[str]:
    words = [word for word in article.split() if word.isalnum() and len(word) > 1]
    return draw.sample(sorted(set(words)), 7)


def split_at_commas(reply: str) -> list[str]:
    return [part.strip() for part in reply.split(",")]


def main() -> None:
    draw = random.Random(0)
    texts = articles(draw)
    print(f"{'form':14}{'labels/s':>10}{'split at commas':>18}")
    for name, form in FORMS.items():
        jobs = [(form(phrases_of(text, draw)), text) for text in texts for _ in range(10)]
        started = time.process_time()
        for reply, text in jobs:
            clean_reply(reply, text, language="ko")
        ours = len(jobs) / (time.process_time() - started)
        started = time.process_time()
        for reply, _ in jobs:
            split_at_commas(reply)
        theirs = len(jobs) / max(time.process_time() - started, 1e-9)
        print(f"{name:14}{ours:>10,.0f}{theirs:>18,.0f}")
    cases = [json.loads(line) for line in (ROOT / "tests/data/reply_cases.jsonl").read_text("utf-8").splitlines()]
    options = ("language", "finish_reason", "absent")
    ours_right = sum(
        clean_reply(case["raw"], case["article"], **{name: case[name] for name in options}).phrases == case["expected"]
        for case in cases
    )
    theirs_right = sum(split_at_commas(case["raw"]) == case["expected"] for case in cases)
    print(f"right: {ours_right} of {len(cases)}; split at commas {theirs_right}")


if __name__ == "__main__":
    main()
