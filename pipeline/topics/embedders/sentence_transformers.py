"""Sentence vectors by a model of the Hub or of a folder (bge-small, multilingual-e5, ...), in this process.

The parts of such a model are read as sentence-transformers writes them: an encoder, and how its vectors are pooled
(`1_Pooling/config.json`; the mean, where nothing says so).  It needs the extra `local`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import MissingExtra, ModelError
from pipeline.core.options import Options as Base

_AT_ONCE = 32  # texts in one pass
_NEEDS = ("torch", "transformers")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class Options(Base):
    model: str  # its name on the Hub, or its folder
    revision: str | None = None
    prefix: str = ""  # before each text: `query: ` for models that were trained with one
    pooling: Literal["auto", "mean", "cls"] = "auto"
    characters: Annotated[int, Field(ge=1)] = 300  # of an article, behind its title
    tokens: Annotated[int, Field(ge=8)] = 256  # of a text, at most


class Embedder(contracts.Embedder):
    """The encoder of a model, its vectors pooled to one a text."""

    batch = 256

    def __init__(self, options: Any, folder: Path) -> None:
        self._options, self.characters = options, options.characters
        given = folder / options.model
        self._name = str(given) if given.is_dir() else options.model

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "embedder": "sentence-transformers",
            "weights": self._weights,
            "pooling": self._pooling,
            **self._options.model_dump(include={"prefix", "characters", "tokens"}),
        }

    def examine(self) -> str:
        """Return where the model is: in its folder, fetched already, or on the Hub.  Raises MissingExtra, ModelError."""
        if any(find_spec(name) is None for name in _NEEDS):
            raise MissingExtra(f"{self.section}: sentence-transformers", "local")
        if Path(self._name).is_dir():
            return f"{self._name}: {len(self._files)} files of weights"
        from huggingface_hub import model_info, try_to_load_from_cache
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        revision = self._options.revision
        try:
            if isinstance(try_to_load_from_cache(self._name, "config.json", revision=revision), str):
                return f"{self._name}: fetched already"
            model_info(self._name, revision=revision, timeout=10)
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise ModelError(f"{self.section}: model {self._name}: cannot be fetched ({_first_line(error)})") from error
        return f"{self._name} is on the Hub, and fetched by the first run"

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        import torch

        tokenizer, model = self._loaded
        given = [self._options.prefix + text.text for text in texts]
        # texts of one length need no filling up
        order = sorted(range(len(given)), key=lambda row: (len(given[row]), row))
        vectors: list[Any] = [None] * len(given)
        for begin in range(0, len(order), _AT_ONCE):
            rows = order[begin : begin + _AT_ONCE]
            some = [given[row] for row in rows]
            tokens = tokenizer(
                some, padding=True, truncation=True, max_length=self._options.tokens, return_tensors="pt"
            )
            with torch.inference_mode():
                states = model(**tokens.to(model.device)).last_hidden_state.float()
            pooled = self._pooled(states, tokens["attention_mask"]).cpu().numpy()
            for row, vector in zip(rows, pooled, strict=True):
                vectors[row] = vector
        return np.asarray(vectors, np.float32)

    def _pooled(self, states: Any, mask: Any) -> Any:
        if self._pooling == "cls":
            return states[:, 0]
        weight = mask.unsqueeze(-1).to(states.dtype)
        return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingExtra(f"{self.section}: sentence-transformers", "local") from error
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, trust_remote_code=False, local_files_only=True)
            model = AutoModel.from_pretrained(
                self._folder, dtype=torch.float32, trust_remote_code=False, local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.section}: model {self._name}: cannot be loaded ({_first_line(error)})") from error
        return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    @cached_property
    def _folder(self) -> Path:
        """The folder of the model's files; those of the Hub are fetched once."""
        if Path(self._name).is_dir():
            return Path(self._name)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "1_Pooling/*"]
        try:
            return Path(snapshot_download(self._name, revision=self._options.revision, allow_patterns=wanted))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            raise ModelError(f"{self.section}: model {self._name}: cannot be fetched ({_first_line(error)})") from error

    @cached_property
    def _weights(self) -> str:
        """The SHA-256 of the weights: another model under the same name has other vectors."""
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @property
    def _files(self) -> list[Path]:
        """The files of the weights.  Raises ModelError where there are none."""
        files = sorted(file for pattern in _WEIGHTS for file in self._folder.glob(pattern))
        if not files:
            raise ModelError(f"{self.section}: {self._folder}: holds no weights ({', '.join(_WEIGHTS)})")
        return files

    @cached_property
    def _pooling(self) -> str:
        if self._options.pooling != "auto":
            return str(self._options.pooling)
        path = self._folder / "1_Pooling" / "config.json"
        says = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return "cls" if says.get("pooling_mode_cls_token") else "mean"


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
