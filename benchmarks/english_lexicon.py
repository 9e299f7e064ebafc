"""Make `pipeline/label/extractive/lexica/en.pos.txt`: English words by their most frequent part of speech.

    pip install textblob lemminflect
    python benchmarks/english_lexicon.py

textblob has the lexicon of Brill's tagger with one part of speech a word; lemminflect's dictionary tells which of its words exist,
and which are nouns and verbs both.  See NOTICE.
"""

import csv
import gzip
import re
import textwrap
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEXICON = ROOT / "pipeline" / "label" / "extractive" / "lexica" / "en.pos.txt"
VERBS, PARTICIPLES = ("VB", "VBP", "VBZ", "VBD"), ("VBG", "VBN")
ADJECTIVES, NOUNS = ("JJ", "JJR", "JJS"), ("NN", "NNS")
OTHERS = ("RB", "RBR", "RBS", "MD", "UH", "CC", "IN", "WRB", "WP")
HEAD = """\
# English words by their most frequent part of speech, after the lexicon of Brill's tagger (see NOTICE): lower case, without
# regular plurals and adverbs in -ly.
"""


def installed(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install textblob lemminflect")
    return Path(spec.origin).parent.joinpath(*parts)


def tags() -> dict[str, str]:
    """Return the most frequent tag of each word in lower case."""
    found = {}
    for line in installed("textblob", "en", "en-lexicon.txt").read_text("utf-8").splitlines():
        word, _, tag = line.partition(" ")
        if re.fullmatch("[a-z]{2,18}", word):
            found[word] = tag
    return found


def dictionary() -> dict[str, set[str]]:
    """Return what a word may be: noun, verb, adj, adv, aux."""
    found: dict[str, set[str]] = defaultdict(set)
    with gzip.open(installed("lemminflect", "resources", "lemma_lu.csv.gz"), "rt", encoding="utf-8") as lines:
        for word, part, _ in csv.reader(lines):
            found[word].add(part)
    return found


def section(word: str, tag: str, may_be: set[str], tagged: dict[str, str]) -> str | None:
    """Return the section that a word stands in, None where it is left out."""
    if tag in VERBS:
        return "verb or noun" if "noun" in may_be and tag != "VBD" else "verb"
    if tag in PARTICIPLES:
        return "participle"
    if tag in ADJECTIVES:
        return "adjective"
    if tag in OTHERS:
        return None if word.endswith("ly") else "adverb"
    is_plural = tag == "NNS" and word.endswith("s") and tagged.get(word[:-1]) == "NN"
    if tag not in NOUNS or (is_plural and "verb" not in may_be):
        return None
    return "noun or verb" if "verb" in may_be else "noun"


def main() -> None:
    """Write the file."""
    tagged, known = tags(), dictionary()
    sections: dict[str, list[str]] = {
        name: [] for name in ("verb", "verb or noun", "participle", "adjective", "adverb", "noun or verb", "noun")
    }
    for word, tag in sorted(tagged.items()):
        if word in known and (name := section(word, tag, known[word], tagged)):
            sections[name].append(word)
    lines = [HEAD.rstrip("\n")]
    for name, words in sections.items():
        lines += [f"[{name}]", *textwrap.wrap(" ".join(words), 118, break_on_hyphens=False)]
    LEXICON.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
