"""Base models of transformers by name or folder, LoRA adapters on them, and the folder that is left of a trained one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pipeline.core.errors import MissingExtra, ModelError
from pipeline.core.files import digest_of, file_digest
from pipeline.train.generation.rows import Form

Quantization = Literal["none", "nf4"]


@dataclass(frozen=True)
class Base:
    """A model to begin with: `rank` above 0 trains LoRA adapters of that rank in its place, with `nf4` on weights in 4 bits
    (QLoRA)."""

    name: str
    form: Form
    folder: Path = Path()  # that a relative path is relative to
    rank: int = 0
    quantization: Quantization = "none"
    # a student's own folder, perhaps of somebody else: nothing but it is read, and no pickle
    is_trained: bool = False

    @property
    def where(self) -> str:
        """Return the folder of the model where there is one, else its name on the Hub."""
        local = self.folder / self.name
        return str(local) if local.is_dir() else self.name

    @property
    def content(self) -> dict[str, str]:
        """Return what tells this model from another one under its name: the digest of a folder's files, the commit of a name on
        the Hub."""
        if (folder := Path(self.where)).is_dir():
            files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
            return {"files": digest_of({file.name: file_digest(file) for file in files})}
        return self._revision

    @cached_property
    def _revision(self) -> dict[str, str]:
        """Return the commit that is loaded of a name on the Hub: tokenizer and weights are of one."""
        from transformers.utils.hub import cached_file, extract_commit_hash

        if Path(self.where).is_dir():
            return {}
        _quiet()
        with _in_a_line(self.where):
            commit = extract_commit_hash(cached_file(self.where, "config.json"), None)
        return {"revision": commit} if commit else {}

    def tokenizer(self) -> Any:
        """Return its tokenizer, which can pad.  Raises ModelError."""
        from transformers import AutoTokenizer

        tokenizer = _loaded(AutoTokenizer, self.where, local_files_only=self.is_trained, **self._revision)
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"{self.name}: its tokenizer has no token that ends a text, so a model cannot learn where a label ends"
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # it is never attended to, and never learned
        return tokenizer

    def model(self) -> Any:
        """Return the model, ready to train.  Raises ModelError, MissingExtra."""
        import torch

        quantized = {"quantization_config": _four_bits()} if self.quantization == "nf4" else {"dtype": torch.float32}
        if self.is_trained:
            quantized |= {"local_files_only": True, "use_safetensors": True}
        model = _loaded(self._kind, self.where, **quantized, **self._revision)
        return self._with_adapters(model) if self.rank else model

    @property
    def _kind(self) -> Any:
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

        return AutoModelForSeq2SeqLM if self.form == "seq2seq" else AutoModelForCausalLM

    def _with_adapters(self, model: Any) -> Any:
        peft = _peft()
        if self.quantization == "nf4":
            model = peft.prepare_model_for_kbit_training(model)
        kind = "SEQ_2_SEQ_LM" if self.form == "seq2seq" else "CAUSAL_LM"
        config = peft.LoraConfig(
            task_type=kind, r=self.rank, lora_alpha=2 * self.rank, lora_dropout=0.05, target_modules="all-linear"
        )
        return peft.get_peft_model(model, config)

    def save(self, model: Any, tokenizer: Any, folder: Path) -> None:
        """Write a trained model as a folder of its own; adapters are merged into the base, for a label needs both."""
        whole = self._merged(model) if self.rank else model
        whole.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def _merged(self, model: Any) -> Any:
        if self.quantization == "none":
            return model.merge_and_unload()
        with (
            TemporaryDirectory() as adapters
        ):  # into the base in full precision: merged in 4 bits, they lose what they learned
            model.save_pretrained(adapters)
            whole = Base(self.where, self.form).model()
            return _peft().PeftModel.from_pretrained(whole, adapters).merge_and_unload()


def _four_bits() -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("train.parameters.lora", "train") from error
    return peft


def _quiet() -> None:
    """Keep the bars and hints of transformers from people: ours is the one bar, and what goes wrong is raised."""
    from transformers.utils import logging as hints

    hints.set_verbosity_error()
    hints.disable_progress_bar()
    # which peft imports, and which misses kernels of its own
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def _loaded(kind: Any, where: str, **options: Any) -> Any:
    _quiet()
    with _in_a_line(where):
        # without a word of it transformers asks in the middle of a run whether to run a folder's code
        return kind.from_pretrained(where, trust_remote_code=False, **options)


@contextmanager
def _in_a_line(where: str) -> Iterator[None]:
    """Raise what transformers says of a model that cannot be loaded as one line."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"train.parameters.model: {where} cannot be loaded ({reason})") from error
