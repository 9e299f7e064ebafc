"""Quality and speed of the embedded extractor beside others, on the same articles in the same run.

    python benchmarks/extraction.py [--data DIR]

Needs YAKE (`pip install yake`; GPL, used here only; without it its rows are left out). DIR holds `editors-gold/` (see `editors.py`)
and news-en.jsonl.gz and news-fr.jsonl.gz, which are KPCrowd and WikiNews: `id`, `text` (its first line is the title) and
`keyphrases`, those that people chose.

accepted, agreed  seven phrases a label against two editors, of the articles that the extractor's weights were trained on (what they
                  get on articles that were left out, `train_extractor.py` prints)
F1@5, F1@10       means over the documents; phrases are the same when their Snowball stems are
articles/s        of processor time in one thread over KPCrowd or WikiNews, or the Korean gold

TF-IDF counts documents in all texts of the language; capitalised runs come by frequency, then by place.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import log
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import editors, graphs
from pipeline.core.text.stems import stem
from pipeline.label.extractive import Settings, extract

PHRASES = 7
MOST = 10
_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
_CAPITALISED = re.compile(r"[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]+)*")

Extractor = Callable[[str, str | None, int], list[str]]


@dataclass(frozen=True)
class Document:
    """A news story with the stems of the phrases that people chose."""

    title: str
    text: str
    gold: frozenset[str]


def stems(phrase: str, language: str) -> str:
    return " ".join(stem(word, language) for word in _WORD.findall(phrase.lower()))


def documents(path: Path, language: str) -> list[Document]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Document(
            " ".join(row["text"].partition("\n")[0].split()),
            " ".join(row["text"].split()),
            frozenset(stems(phrase, language) for phrase in row["keyphrases"]) - {""},
        )
        for row in rows
    ]


# --- who is compared ---


def ours(language: str, korean: str = "rules") -> Extractor:
    def run(text: str, title: str | None, limit: int) -> list[str]:
        return extract(text, title=title, language=language, settings=Settings(limit, korean=korean))  # type: ignore[arg-type]

    return run


def yake(language: str, longest: int) -> Extractor:
    from yake import KeywordExtractor

    made = {limit: KeywordExtractor(lan=language, n=longest, top=limit) for limit in (PHRASES, MOST)}
    return lambda text, _, limit: [phrase for phrase, _ in made[limit].extract_keywords(text)]


def tf_idf(texts: list[str], language: str, longest: int) -> Extractor:
    """Words, or runs of up to `longest` words, by frequency and by the share of texts that have them."""
    grams = partial(_grams, language=language, longest=longest)
    frequency = Counter(key for text in texts for key in {key for key, _ in grams(text)})

    def run(text: str, _: str | None, limit: int) -> list[str]:
        forms: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for key, form in grams(text):
            counts[key] += 1
            forms.setdefault(key, form)
        score = {key: count * log(len(texts) / (1 + frequency[key])) for key, count in counts.items()}
        return [forms[key] for key in sorted(score, key=lambda key: -score[key])[:limit]]

    return run


def _grams(text: str, language: str, longest: int) -> Iterator[tuple[str, str]]:
    for run in graphs.runs(text, language):
        words = [word for _, word in run]
        for begin in range(len(words)):
            for end in range(begin + 1, min(len(words), begin + longest) + 1):
                form = " ".join(words[begin:end])
                yield stems(form, language), form


def capitalised(text: str, _: str | None, limit: int) -> list[str]:
    counts = Counter(match[0] for match in _CAPITALISED.finditer(text))
    return [phrase for phrase, _ in counts.most_common(limit)]


def graph(rank: Callable[[str, str, int], list[str]], language: str) -> Extractor:
    return lambda text, _, limit: rank(text, language, limit)


def extractors(language: str, texts: list[str]) -> dict[str, Extractor]:
    found = {"ours": ours(language)}
    if language == "ko":
        return found | {"ours, korean: kiwi": ours(language, "kiwi")}
    try:
        found |= {f"YAKE n={longest}": yake(language, longest) for longest in (1, 2, 3)}
    except ImportError:
        print("without YAKE: pip install yake", file=sys.stderr)
    return found | {
        "TF-IDF, words": tf_idf(texts, language, 1),
        "TF-IDF, 1-3 words": tf_idf(texts, language, 3),
        "capitalised runs": capitalised,
        "MultipartiteRank": graph(graphs.multipartite_rank, language),
        "PositionRank": graph(graphs.position_rank, language),
    }


# --- what they are worth ---


def f1(predicted: list[str], gold: frozenset[str], language: str, limit: int) -> float:
    distinct = list(dict.fromkeys(stems(phrase, language) for phrase in predicted))[:limit]
    return 2 * len(gold.intersection(distinct)) / (len(distinct) + len(gold)) if distinct else 0.0


def row(name: str, by: Extractor, golds: list[editors.Gold], news: list[Document], language: str) -> str:
    """Return one line of the table."""
    accepted, agreed = editors.worth((gold, by(*gold.article, PHRASES)) for gold in golds)
    line = f"{language:3} {name:18} {accepted:8.2f} {agreed:7.2f}"
    articles = [(one.text, one.title) for one in news] or [gold.article for gold in golds] * 3
    started = time.process_time()
    predicted = [by(text, title, MOST) for text, title in articles]
    speed = len(articles) / (time.process_time() - started)
    for limit in (5, 10) if news else ():
        scores = [f1(phrases, one.gold, language, limit) for phrases, one in zip(predicted, news, strict=True)]
        line += f" {sum(scores) / len(scores):6.3f}"
    return line + ("" if news else " " * 14) + f" {speed:10.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Embedded extractor against others.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data")
    folder = parser.parse_args().data
    print("                       accepted  agreed   F1@5  F1@10 articles/s")
    for language in ("en", "fr", "ko"):
        golds = editors.load(folder / "editors-gold", language)
        path = folder / f"news-{language}.jsonl.gz"
        news = documents(path, language) if language != "ko" else []
        for name, by in extractors(language, [one.text for one in news]).items():
            by("A first article.", None, MOST)  # what is loaded once
            print(row(name, by, golds, news, language), flush=True)


if __name__ == "__main__":
    main()
