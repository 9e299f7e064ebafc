"""Train the weights of the embedded extractor's features on candidates that two editors took or did not.

    python benchmarks/train_extractor.py [--gold DIR]

DIR holds en.jsonl, fr.jsonl and ko.jsonl (`id, title, text, editors`; see `editors.py`).  With it the articles are judged anew and
`extraction_training.json.gz`, beside this script, is written: numbers, no text.  Without it the weights are trained on that file.

For each family of languages a logistic regression with a ridge penalty tells whether an editor takes a candidate; one that both
take counts more.  Writes `pipeline/label/extractive/weights.json`, whose family `characters` (Chinese, Japanese) was set by hand
and stays.  Prints accepted and agreed on the half of the articles that was not trained on, over random halves, and on all of them.
"""

import argparse
import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import editors
from pipeline.label.extractive import latin, ranking
from pipeline.label.extractive.korean import phrases as korean
from pipeline.label.extractive.ranking import Judged, choose
from pipeline.label.extractive.settings import Settings

TABLE = Path(__file__).with_name("extraction_training.json.gz")
WEIGHTS = Path(ranking.__file__).with_name("weights.json")
FAMILIES = {"latin": ("en", "fr"), "korean": ("ko",)}
FEATURES = {"latin": latin.FEATURES, "korean": korean.FEATURES}
RIDGE = {"latin": 10.0, "korean": 5.0}
AGREED = 2.0  # how much more a candidate counts that both editors take
HALVES = 20
SETTINGS = Settings()

Article = dict[str, Any]
Vector = npt.NDArray[np.float64]


def judged(gold: editors.Gold) -> list[Judged]:
    """Return the candidates of an article."""
    text, title = gold.article
    is_korean = gold.language == "ko"
    found = korean.judge(text, title, SETTINGS) if is_korean else latin.judge(text, title, gold.language, SETTINGS)
    return [each for each in found if each.text in text and len(each.text) > 1]


def in_numbers(gold: editors.Gold, found: list[Judged]) -> Article:
    """Return an article as what is trained on."""
    return {
        "language": gold.language,
        "features": [[round(float(value), 4) for value in each.features] for each in found],
        "taken": [int(gold.takes(each.text)) for each in found],
        "agreed": [int(gold.agreed_place(each.text) >= 0) for each in found],
    }


def logistic(articles: list[Article], ridge: float) -> Vector:
    """Return the weights of the features, by Newton's method."""
    features = np.concatenate([np.array(article["features"]) for article in articles])
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    taken = np.concatenate([np.array(article["taken"], np.float64) for article in articles])
    counts = 1 + AGREED * np.concatenate([np.array(article["agreed"]) for article in articles])
    weights = np.zeros(features.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (counts * (chance - taken)) + ridge * weights
        curve = (features * (counts * chance * (1 - chance))[:, None]).T @ features + ridge * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-7:
            break
    return weights[:-1]  # the last one is the same for all


def main() -> None:
    """Train, write and print."""
    parser = argparse.ArgumentParser(description="Train the embedded extractor's weights.")
    parser.add_argument("--gold", type=Path, help="folder of the editors' gold; judge its articles anew")
    folder = parser.parse_args().gold
    golds: list[tuple[editors.Gold, list[Judged]]] = []
    if folder:
        languages = [language for members in FAMILIES.values() for language in members]
        golds = [(gold, judged(gold)) for language in languages for gold in editors.load(folder, language)]
        articles = [in_numbers(gold, found) for gold, found in golds]
        TABLE.write_bytes(gzip.compress(json.dumps(articles, separators=(",", ":")).encode(), mtime=0))
    articles = json.loads(gzip.decompress(TABLE.read_bytes()))
    written = json.loads(WEIGHTS.read_text("utf-8"))
    for family, members in FAMILIES.items():
        own = [place for place, article in enumerate(articles) if article["language"] in members]
        weights = logistic([articles[place] for place in own], RIDGE[family])
        written[family] = {name: round(float(value), 3) for name, value in zip(FEATURES[family], weights, strict=True)}
        if golds:
            report(members, RIDGE[family], [articles[place] for place in own], [golds[place] for place in own], weights)
    WEIGHTS.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")


def report(
    languages: tuple[str, ...],
    ridge: float,
    articles: list[Article],
    golds: list[tuple[editors.Gold, list[Judged]]],
    weights: Vector,
) -> None:
    """Print what labels are worth: of articles that were left out, in the mean of random halves, and of all."""
    halves: dict[str, list[tuple[float, float]]] = {language: [] for language in languages}
    for seed in range(HALVES):
        mixed = random.Random(seed).sample(range(len(articles)), len(articles))
        half = logistic([articles[place] for place in mixed[: len(mixed) // 2]], ridge)
        for language in languages:
            halves[language].append(_worth([golds[place] for place in mixed[len(mixed) // 2 :]], language, half))
    for language in languages:
        accepted, agreed = np.mean(halves[language], axis=0)
        on_all = _worth(golds, language, weights)
        print(f"{language}: left out {accepted:.3f} / {agreed:.3f}, all {on_all[0]:.3f} / {on_all[1]:.3f}")


def _worth(golds: list[tuple[editors.Gold, list[Judged]]], language: str, weights: Vector) -> tuple[float, float]:
    own = [(gold, found) for gold, found in golds if gold.language == language]
    return editors.worth((gold, choose(found, tuple(weights), SETTINGS)) for gold, found in own)


if __name__ == "__main__":
    main()
