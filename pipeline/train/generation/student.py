"""What the students `seq2seq` and `clm` are but for their form: options -> a base model, fitted, saved, read back, writing.

Torch is imported by the parts that are imported here, once something is trained or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pipeline.core import contracts
from pipeline.core.errors import InputError, MissingExtra, ModelError
from pipeline.core.files import read_json, write_json
from pipeline.core.student import TrainingRun
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase
from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.rows import Form, RowEncoder

_FORM, _MODEL = "form.json", "model"


class Writer(contracts.Student):
    """A language model that writes labels; `_form`: how it reads and writes (see `rows`)."""

    _form: ClassVar[Form]
    draws = 1
    in_processes = True

    def __init__(self, options: GenerationOptions, column: LabelColumn, base: Path) -> None:
        self.validation = options.validation
        self._options, self._column, self._folder = options, column, base
        self._model: Any = None
        self._tokenizer: Any = None

    def check(self) -> None:
        """Raise MissingExtra where a package is not there, ModelError where the model has no tokenizer that fits."""
        self.check_installed()
        self._base().tokenizer()

    def models(self) -> dict[str, Path]:
        return {"train.parameters.model": self._folder / self._options.model}

    def check_installed(self) -> None:
        """Raise MissingExtra where a package is not there."""
        try:
            import lightning  # noqa: F401
            import torch  # noqa: F401
            import transformers  # noqa: F401

            if self._options.lora:
                import peft  # noqa: F401
        except ImportError as error:
            raise MissingExtra(f"the student {self._form}", "train") from error

    def pretrained(self) -> dict[str, Any]:
        return dict(self._base().content)

    def fit(self, train: Sequence[Example], validation: Sequence[Example], run: TrainingRun) -> dict[str, Any]:
        """Fit the base model.  Raises InputError where the limits leave no row."""
        import lightning

        from pipeline.train.generation import fitting
        from pipeline.train.generation.data import LabelData
        from pipeline.train.generation.module import LabelWriter

        options, base = self._options, self._base()
        lightning.seed_everything(run.seed, verbose=False)
        self._tokenizer, self._model = base.tokenizer(), base.model()
        data = LabelData(train, validation, self._encoder(), options.batch_size, run.seed)
        data.setup()
        for name, examples in (("train", train), ("validation", validation)):
            if 2 * data.cuts[name]["misspelt"] > len(examples):
                raise InputError(
                    f"{name}: {data.cuts[name]['misspelt']:,} of {len(examples):,} labels cannot be written with the vocabulary of "
                    f"{options.model}; name a model of their language in train.parameters.model"
                )
            if examples and not data.cuts[name]["rows"]:
                raise InputError(
                    f"{name}: none of its {len(examples):,} rows fits into {options.max_input_tokens:,} tokens of input and "
                    f"{options.max_target_tokens:,} of label; raise train.parameters.max_input_tokens or max_target_tokens"
                )
        module = LabelWriter(self._model, options.learning_rate, options.schedule, options.warmup, options.weight_decay)
        settings = fitting.FitSettings(
            options.epochs, options.patience, options.accumulate, options.precision, options.trainer
        )
        return fitting.fit(module, data, settings, run) | {"cut": data.cuts}

    def is_fitted(self, checkpoints: Path) -> bool:
        from pipeline.train.generation import fitting

        return fitting.is_fitted(checkpoints)

    def save(self, folder: Path) -> None:
        self._base().save(self._model, self._tokenizer, folder / _MODEL)
        write_json(folder / _FORM, {"form": self._form, "label": self._column.name})

    def load(self, folder: Path) -> None:
        if (read_json(folder / _FORM) or {}).get("form") != self._form:
            raise ModelError(f"{folder}: no {self._form} is in it; train it again")
        self.check_installed()
        from pipeline.train.generation.models import Base

        base = Base(str((folder / _MODEL).absolute()), self._form, is_trained=True)
        self._tokenizer, self._model = base.tokenizer(), base.model()

    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        import torch

        from pipeline.train.generation.writing import write

        if torch.cuda.is_available():
            self._model.to("cuda")
        many = self._column.many and self._column.schema is None
        return write(self._model, self._encoder(), articles, many, self._options.batch_size, self._options.beams)

    def _encoder(self) -> RowEncoder:
        options = self._options
        return RowEncoder(
            self._tokenizer,
            self._form,
            self._column.name,
            options.prefix,
            options.max_input_tokens,
            options.max_target_tokens,
        )

    def _base(self) -> Any:
        from pipeline.train.generation.models import Base

        return Base(self._options.model, self._form, self._folder, self._options.lora, self._options.quantization)
