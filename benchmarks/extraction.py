"""Quality and speed of the embedded extractor beside YAKE, on the same articles in the same run.

    python benchmarks/extraction.py [--data DIR]

Needs YAKE (`pip install yake`; GPL, used here only). DIR holds news-en.jsonl.gz and news-fr.jsonl.gz: `id`, `text`
(its first line is the title) and `keyphrases`, those that people chose.

F1@10: each side gives at most ten phrases. A phrase matches a gold phrase when their words are equal after lower
casing and Snowball stemming; gold and predicted phrases are deduplicated after stemming. Precision is hits over the
phrases given (fewer than ten keep their own denominator), recall hits over the gold phrases. F1 is averaged over the
documents of the odd rows: the weights of the extractor were chosen on the even ones. Statistics are fitted on all
texts of a file, without their gold, as a job does. YAKE runs as it comes (`KeywordExtractor(top=10)`, whose language is
English) and told the language (`lan=`). Speed is articles per second of processor time in one thread over
all rows, fitting not included; it is given apart.
"""

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.core.text.stems import stem
from pipeline.label.extractive import extract, fit

_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
Row = dict[str, Any]


def normalise(phrase: str, language: str) -> str:
    """A phrase as its stems."""
    return " ".join(stem(word, language) for word in _WORD.findall(phrase.lower()))


def load(path: Path, language: str) -> list[Row]:
    """Rows with folded `text`, `title` and `gold` stems."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        {
            "title": " ".join(row["text"].partition("\n")[0].split()),
            "text": " ".join(row["text"].split()),
            "gold": {normalise(phrase, language) for phrase in row["keyphrases"]} - {""},
        }
        for row in rows
    ]


def f1(predicted: list[str], gold: set[str], language: str) -> float:
    """F1@10 of one document, 0 to 1."""
    stems = list(dict.fromkeys(normalise(phrase, language) for phrase in predicted))[:10]
    hits = len(gold.intersection(stems))
    return 2 * hits / (len(stems) + len(gold)) if stems else 0.0


def measure(rows: list[Row], language: str, predict: Callable[[Row], list[str]]) -> tuple[float, float]:
    """Macro F1@10 over the odd rows, and articles per second over all."""
    started = time.process_time()
    predictions = [predict(row) for row in rows]
    speed = len(rows) / (time.process_time() - started)
    held_out = list(zip(rows, predictions, strict=True))[1::2]
    return sum(f1(phrases, row["gold"], language) for row, phrases in held_out) / len(held_out), speed


def compare(rows: list[Row], language: str) -> str:
    """One line of the table."""
    import yake

    as_it_comes = yake.KeywordExtractor(top=10)
    told = yake.KeywordExtractor(lan=language, top=10)
    started = time.process_time()
    statistics = fit((row["text"], language) for row in rows)
    fitting = len(rows) / (time.process_time() - started)
    ours_f1, ours_speed = measure(
        rows,
        language,
        lambda row: extract(row["text"], title=row["title"], language=language, statistics=statistics),
    )
    line = f"{language:8} {ours_f1:8.3f}"
    for theirs in (as_it_comes, told):
        yake_f1, yake_speed = measure(
            rows, language, lambda row, by=theirs: [p for p, _ in by.extract_keywords(row["text"])]
        )
        line += f" {yake_f1:8.3f} {ours_f1 / yake_f1:7.2f}"
    return f"{line} {ours_speed:10.0f} {yake_speed:8.0f} {ours_speed / yake_speed:7.1f} {fitting:8.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Embedded extractor against YAKE.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of news-*.jsonl.gz")
    folder = parser.parse_args().data
    print("         ------------- F1@10, held-out half -------------  ------ articles/s, one core ------")
    print("language     ours     yake   ratio  yake+lan   ratio       ours     yake   ratio      fit")
    for language in ("en", "fr"):
        print(compare(load(folder / f"news-{language}.jsonl.gz", language), language))


if __name__ == "__main__":
    main()
