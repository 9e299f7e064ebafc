"""What ranking candidates by their likeness to the article is worth, beside the default of the embedded labeller.

    python benchmarks/extractive.py [FOLDER]      # of editors' gold (en.jsonl, ...); default ../shared/data/editors-gold

Prints for each language and way accepted and agreed (see editors.py) of seven phrases, and processor time an article.  Last seen:

              default       embedded, diversity 0.5   0.3           0
    en 30     .810 .482     .381 .207                 .448 .207     .486 .238
    fr 25     .811 .491     .411 .190                 .520 .252     .486 .245
    ko 30     .824 .539     .367 .144                 .386 .150     .400 .150
    ms        4-8           53-120

So the default stays what it is: an encoder of sentences knows what a text is about, but not which words editors take for a phrase.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import editors
from pipeline.core import plugins
from pipeline.core.contracts import Embedder
from pipeline.core.embedder import EmbeddedText
from pipeline.label.extractive import Encoder, Settings, extract

WAYS: dict[str, float | None] = {"default": None, "embedded 0.5": 0.5, "embedded 0.3": 0.3, "embedded 0": 0.0}


def embed(embedder: Embedder, language: str, texts: list[str]) -> object:
    return embedder.embed([EmbeddedText(text, language) for text in texts])


def main(folder: Path) -> None:
    module = plugins.load("embedders", "embedded")
    embedder = plugins.create("embedders", "embedded", module.Options(), folder)
    for language in sorted(path.stem for path in folder.glob("*.jsonl")):
        gold = editors.load(folder, language)
        encoder = Encoder(partial(embed, embedder, language), embedder.characters)
        for way, diversity in WAYS.items():
            settings = Settings() if diversity is None else Settings(diversity=diversity)
            began, labels = time.process_time(), []
            for each in gold:
                text, title = each.article
                chosen = None if diversity is None else encoder
                labels.append((each, extract(text, title=title, language=language, settings=settings, encoder=chosen)))
            accepted, agreed = editors.worth(labels)
            milliseconds = (time.process_time() - began) / len(gold) * 1000
            print(f"{language} {len(gold)}  {way:14} {accepted:.3f} {agreed:.3f}  {milliseconds:.0f} ms", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared" / "data" / "editors-gold")
