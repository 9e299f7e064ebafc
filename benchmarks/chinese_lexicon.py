"""Make `pipeline/label/extractive/lexica/zh.pos.txt`: Chinese words by part of speech and frequency.

    pip install jieba hanziconv
    python benchmarks/chinese_lexicon.py

jieba's dictionary has one part of speech and a count a word; hanziconv's table tells which simplified character stands for a
traditional one.  See NOTICE.
"""

import math
import re
import textwrap
from collections import defaultdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEXICA = ROOT / "pipeline" / "label" / "extractive" / "lexica"
_PARTS = {
    "n nz nrt ng an": "noun",
    "j l": "noun",
    "nr nrfg": "person",
    "ns": "noun",
    "nt": "noun",
    "vn": "verb noun",
    "v vg vi": "verb",
    "a b": "adjective",
}
_PART = {tag: part for tags, part in _PARTS.items() for tag in tags.split()}
_FEWEST = {1: 50, 2: 80, 3: 20, 4: 20}  # occurrences by characters of a word; of longer ones as of four
_FEWEST_OF_PLACE = 20
_MOST = 8  # characters
_NO_WORDS = frozenset(("i", "z", "o", "e"))  # idioms, which hold no name, and sounds
HEAD = """\
# Chinese words by part of speech and by the logarithm (base 2) of their count, after the dictionary of jieba (see NOTICE).
"""
HANT_HEAD = """\
# Traditional characters and the simplified ones that stand for them, after the table of hanziconv (see NOTICE).
"""


def installed(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install jieba hanziconv")
    return Path(spec.origin).parent.joinpath(*parts)


def words() -> dict[str, list[str]]:
    """Return the words of each section, the more frequent sections first."""
    sections: dict[tuple[int, str], list[str]] = defaultdict(list)
    for line in installed("jieba", "dict.txt").read_text("utf-8").splitlines():
        word, count, tag = line.split()
        fewest = _FEWEST_OF_PLACE if tag in ("ns", "nt") and len(word) > 1 else _FEWEST[min(4, len(word))]
        if not re.fullmatch(f"[\u4e00-\u9fff]{{1,{_MOST}}}", word) or int(count) < fewest or tag in _NO_WORDS:
            continue
        sections[round(math.log2(int(count))), _PART.get(tag, "other")].append(word)
    return {
        f"{part} {size}": sections[size, part] for size, part in sorted(sections, key=lambda key: (-key[0], key[1]))
    }


def simplified() -> dict[str, str]:
    """Return traditional character -> simplified one, where they differ."""
    table = import_module("hanziconv.charmap")
    pairs = zip(table.traditional_charmap, table.simplified_charmap, strict=True)
    return {traditional: simple for traditional, simple in pairs if traditional != simple}


def main() -> None:
    lines = [HEAD.rstrip()]
    for name, listed in words().items():
        lines += [f"[{name}]", *textwrap.wrap(" ".join(sorted(listed)), 120, break_long_words=False)]
    (LEXICA / "zh.pos.txt").write_text("\n".join(lines) + "\n", "utf-8")
    pairs = [traditional + simple for traditional, simple in simplified().items()]
    lines = [HANT_HEAD.rstrip(), "[traditional]", *textwrap.wrap(" ".join(sorted(pairs)), 120)]
    (LEXICA / "zh.hant.txt").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
