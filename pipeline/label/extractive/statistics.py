"""Corpus statistics: in how many articles of a language each stem stands, and which Korean words behave as nouns.

Stems are kept as 32-bit checksums, so the statistics are small, hold no text, and do not depend on the order of
dictionaries or articles. One stem in 40,000 meets another's count in a full table, which shifts its rarity, no more.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pipeline.core.text.korean import PARTICLES, split_particles
from pipeline.label.extractive.profiles import CONTENT
from pipeline.label.extractive.words import clean, read

_FORMAT = 1
_SAMPLE = 4_000  # articles per language that are counted: those of lowest digest, so the order does not matter
_TERMS = 100_000  # stems per language that are kept: the most frequent
_COMMON = 0.3  # share of articles above which a stem of a language without a stop word list bounds phrases
_ENOUGH = 10  # articles before that share means something
_PARTICLE_PLACE = {particle: place for place, particle in enumerate(("", *sorted(PARTICLES)))}

_Codes = npt.NDArray[np.uint32]
_Counts = npt.NDArray[np.uint16]


@lru_cache(maxsize=2**15)
def checksum(term: str) -> int:
    """The 32-bit name of a term, the same in every process."""
    return crc32(term.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Terms by ascending checksum, with a count for each."""

    codes: _Codes
    counts: _Counts

    def to_bytes(self) -> bytes:
        return self.codes.astype("<u4").tobytes() + self.counts.astype("<u2").tobytes()

    def as_dict(self) -> dict[int, int]:
        return dict(zip(self.codes.tolist(), self.counts.tolist(), strict=True))


def _empty() -> _Table:
    return _Table(np.zeros(0, np.uint32), np.zeros(0, np.uint16))


@dataclass(frozen=True, eq=False)
class LanguageStatistics:
    """What was counted over the articles of one language."""

    articles: int = 0
    terms: _Table = field(default_factory=_empty)
    nouns: _Table = field(default_factory=_empty)

    @cached_property
    def _frequencies(self) -> dict[int, int]:
        return self.terms.as_dict()

    @cached_property
    def _forms(self) -> dict[int, int]:
        return self.nouns.as_dict()

    def rarity(self, stems: list[str]) -> npt.NDArray[np.float64]:
        """Inverse document frequencies, scaled from 0 (everywhere) to 1 (in one article, or nothing fitted)."""
        frequencies = self._frequencies
        found = np.array([frequencies.get(checksum(stem), 1) for stem in stems], np.float64)
        rarity: npt.NDArray[np.float64] = 1 - np.log(found) / np.log(self.articles + 2)
        return rarity

    def is_common(self, stem: str) -> bool:
        """Whether so many articles hold the stem that it says nothing of one."""
        return self.articles >= _ENOUGH and self._frequencies.get(checksum(stem), 0) > _COMMON * self.articles

    def forms(self, word: str) -> int:
        """With how many different particles (none counts as one) a Korean word was seen; 0 below two."""
        return self._forms.get(checksum(word), 0)


_NOTHING = LanguageStatistics()


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics by language. Immutable; equal content gives equal bytes on every machine."""

    languages: dict[str, LanguageStatistics]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def of(self, language: str | None) -> LanguageStatistics:
        """The statistics of a language; empty ones where it was absent at fitting."""
        return self.languages.get(language or "", _NOTHING)

    def to_bytes(self) -> bytes:
        """A JSON line that names the tables, then the tables (little endian)."""
        entries, blocks = [], []
        for name, counted in sorted(self.languages.items()):
            tables = (counted.terms, counted.nouns)
            entries.append([name, counted.articles, *(len(table.codes) for table in tables)])
            blocks += [table.to_bytes() for table in tables]
        header = json.dumps({"format": _FORMAT, "languages": entries}, separators=(",", ":"))
        return header.encode() + b"\n" + b"".join(blocks)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Statistics":
        """What `to_bytes` wrote; ValueError for anything else."""
        line, _, body = data.partition(b"\n")
        header = json.loads(line)
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError("not statistics of this version")
        languages, at = {}, 0
        for name, articles, *sizes in header["languages"]:
            tables = []
            for size in sizes:
                codes = np.frombuffer(body, "<u4", size, at).astype(np.uint32)
                counts = np.frombuffer(body, "<u2", size, at + 4 * size).astype(np.uint16)
                tables.append(_Table(codes, counts))
                at += 6 * size
            languages[name] = LanguageStatistics(articles, *tables)
        return cls(languages)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def fit(articles: Iterable[tuple[str, str | None]]) -> Statistics:
    """Statistics over (text, language) pairs, read once.

    At most `_SAMPLE` articles of each language are counted, chosen by digest of their text: the result depends on
    the set of articles only, and memory stays below about 3 KB for each of them. Equal texts count once.
    """
    samples: dict[str, _Sample] = {}
    for text, language in articles:
        samples.setdefault(language or "", _Sample(language)).add(text)
    return Statistics({name: sample.count() for name, sample in sorted(samples.items())})


class _Sample:
    """The articles of lowest digest seen so far in one language, as checksums of their stems."""

    def __init__(self, language: str | None) -> None:
        self._language = language
        self._heap: list[int] = []  # negated digests: the highest digest is on top
        self._read: dict[int, tuple[_Codes, npt.NDArray[np.uint64]]] = {}

    def add(self, text: str) -> None:
        name = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        full = len(self._heap) >= _SAMPLE
        if name in self._read or (full and name > -self._heap[0]):
            return
        if full:
            del self._read[-heapq.heapreplace(self._heap, -name)]
        else:
            heapq.heappush(self._heap, -name)
        self._read[name] = _terms(text, self._language)

    def count(self) -> LanguageStatistics:
        terms = [terms for terms, _ in self._read.values()]
        pairs = np.unique(np.concatenate([forms for _, forms in self._read.values()]))
        return LanguageStatistics(len(terms), _counted(np.concatenate(terms)), _counted(pairs >> np.uint64(16)))


def _terms(text: str, language: str | None) -> tuple[_Codes, npt.NDArray[np.uint64]]:
    """The distinct stems of an article, and for Korean its distinct (noun, particles) pairs."""
    words = read(clean(text), language)
    stems = {key for key, kind in zip(words.keys, words.kinds, strict=True) if kind == CONTENT}
    codes = np.fromiter(map(checksum, sorted(stems)), np.uint32)
    pairs = set(_forms(words.text)) if language == "ko" else set()
    return np.unique(codes), np.fromiter(sorted(pairs), np.uint64)


def _forms(text: str) -> Iterator[int]:
    """Every eojeol as one number: checksum of the noun, then place of its particles."""
    for eojeol in text.split():
        noun, particle = split_particles(eojeol.strip("\"'“”‘’()[]<>《》〈〉「」,.?!…·~:;"))
        if noun:
            yield checksum(noun) << 16 | _PARTICLE_PLACE[particle]


def _counted(occurrences: npt.NDArray[np.uint32] | npt.NDArray[np.uint64]) -> _Table:
    """A bounded table: terms counted once say nothing, and only the most frequent are kept."""
    codes, frequency = np.unique(occurrences, return_counts=True)
    order = np.lexsort((codes, -frequency))[:_TERMS]
    order = np.sort(order[frequency[order] > 1])
    return _Table(codes[order].astype(np.uint32), np.minimum(frequency[order], 0xFFFF).astype(np.uint16))
