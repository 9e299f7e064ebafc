"""The embedded labeller: key phrases out of the article itself, without a model, a key or a network.

Names in full and noun phrases, by form, frequency and place (see `pipeline.label.extractive`).  Useful as it is, as a baseline for
a model's labels and as a generator of candidates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from pipeline.core import contracts, plugins
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import ConfigError, MissingExtra
from pipeline.core.files import digest_of, file_digest, read_json
from pipeline.core.options import Options as Base
from pipeline.core.options import in_key
from pipeline.core.types import Article, Reply, Request
from pipeline.job.label_options import LabelOptions
from pipeline.job.validation import check
from pipeline.label.extractive import Encoder, Settings, extract
from pipeline.label.extractive.settings import Korean

VERSION = 2  # of the method: a higher number gives other phrases
_PHRASES_OF_FIRST = 10  # which version 1 gave where nothing was asked for

Phrase = Annotated[str, Field(min_length=1)]


class Options(Base):
    """How many phrases an article gets, and of what kind; see `Settings`."""

    in_every_key = "phrases"
    phrases: Annotated[int, Field(gt=0, le=50)] = 7
    words: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0, le=20)]] | None = None
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.5
    candidates: tuple[Phrase, ...] | str = ()  # phrases, or a file of them beside the job file, one a line
    stop_words: tuple[Phrase, ...] = ()
    korean: Korean = "rules"
    # ranks by likeness to the article: embedded, or {type: embedded, ...}
    embedder: str | dict[str, Any] | None = None

    @field_validator("words")
    @classmethod
    def _in_order(cls, words: tuple[int, int] | None) -> tuple[int, int] | None:
        if words and words[0] > words[1]:
            raise ValueError("the first number is the fewest words of a phrase, the second the most")
        return words


class Provider(contracts.Provider):
    """Extracts in this process."""

    uses_prompt = False

    def __init__(self, label: LabelOptions, options: Options) -> None:
        if label.task in ("topic", "classes"):
            raise ConfigError(
                f"label.provider: extractive finds key phrases, no {label.task}; set label.provider: openai"
            )
        if options.korean == "kiwi" and find_spec("kiwipiepy") is None:
            raise MissingExtra("label.parameters.korean: kiwi", "korean")
        self._options = options
        self._embedder: contracts.Embedder | None = None
        self._settings = _settings(options, options.candidates if isinstance(options.candidates, tuple) else ())

    def identify(self, base: Path, memory: Path, refresh: bool) -> None:
        """Read the file of candidates."""
        if isinstance(self._options.candidates, str):
            self._settings = _settings(self._options, _lines(base / self._options.candidates))
        if self._options.embedder is not None:
            self._embedder = _embedder(self._options.embedder, base)

    def examine(self, base: Path) -> str | None:
        """Return what would embed here.  Raises what the embedder's `examine` does."""
        return None if self._options.embedder is None else _embedder(self._options.embedder, base).examine()

    @property
    def identity(self) -> dict[str, Any]:
        options = in_key(self._options, exclude={"candidates", "embedder"})
        options |= {"embedder": self._embedder.identity} if self._embedder else {}
        given = {"candidates": digest_of(list(self._settings.candidates))} if self._settings.candidates else {}
        return {"version": VERSION, **options, **given}

    def earlier(self, models: Path) -> dict[str, Any] | None:
        """Version 1 left what it had counted over the job's articles."""
        fitted = read_json(models / "extractive.json")
        if not fitted:
            return None
        asked = {"phrases": _PHRASES_OF_FIRST} if "phrases" not in self._options.model_fields_set else {}
        rest = {name: value for name, value in self.identity.items() if name != "version"}
        digest = fitted.get("sha256") or file_digest(models / fitted["file"])
        return {"version": 1, "statistics": digest, **rest, **asked}

    in_processes = True

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        return [Reply(json.dumps(self._extract(request.article), ensure_ascii=False), "stop") for request in requests]

    def _extract(self, article: Article) -> list[str]:
        encoder = None
        if embedder := self._embedder:

            def embed(texts: list[str]) -> Any:
                return embedder.embed([EmbeddedText(text, article.language) for text in texts])

            encoder = Encoder(embed, embedder.characters)
        return extract(
            article.text, title=article.title, language=article.language, settings=self._settings, encoder=encoder
        )


def _embedder(given: str | dict[str, Any], folder: Path) -> contracts.Embedder:
    """Return the embedder of `label.parameters.embedder`.  Raises ConfigError."""
    section = {"type": given} if isinstance(given, str) else dict(given)
    name, where = str(section.pop("type", "embedded")), "label.parameters.embedder"
    try:
        module = plugins.load("embedders", name)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if module.Embedder.fits():
        raise ConfigError(
            f"{where}: {name} learns from a job's articles, and a label is of its article alone; take embedded"
        )
    embedder = plugins.create("embedders", name, check(module.Options, section, where), folder)
    embedder.section = where
    return embedder


def _settings(options: Options, candidates: tuple[str, ...]) -> Settings:
    stop_words = frozenset(word.lower() for word in options.stop_words)
    return Settings(options.phrases, options.words, options.diversity, candidates, stop_words, options.korean)


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"label.parameters.candidates: {path} cannot be read as text: {error}") from error
    phrases = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not phrases:
        raise ConfigError(f"label.parameters.candidates: {path} has no phrase, one a line")
    return phrases
