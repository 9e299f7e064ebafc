"""Weights -> a model on a device.  Whatever is missing for that is one line that says what to do."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pipeline.core.errors import MissingExtra, ModelError
from pipeline.label.local_model import memory
from pipeline.label.local_model.memory import GIB, Device, Shape

_log = logging.getLogger("labelmill.label")
NEEDS = ("torch", "transformers", "accelerate", "safetensors", "psutil")
# more take minutes an article on a processor: only where the job file says so
CPU_PARAMETERS = 2_000_000_000
NOT_HERE = "is no causal model of plain attention; run it behind a server (docs/served-models.md)"
DAMAGE = ("SafetensorError", "JSONDecodeError", "UnpicklingError", "error")  # error: struct's
KNOWN_ATTENTION = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What the job file says of loading."""

    quantization: Literal["nf4", "none"]
    dtype: Literal["bfloat16", "float16", "float32"]
    device: Literal["auto", "cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is loaded.  `context` in tokens; `ends` as the model's files give them; `budget`: tokens that fit into what
    memory is left.
    """

    model: Any
    tokenizer: Any
    context: int
    ends: tuple[int, ...]
    budget: int


def check_installed(quantization: str) -> None:
    """Raise MissingExtra or ModelError where a package is missing."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"label.provider llama ({', '.join(missing)})", "local")
    if quantization == "nf4" and find_spec("bitsandbytes") is None:
        raise ModelError(
            "4-bit weights need bitsandbytes: pip install 'labelmill[local]', or set label.parameters.quantization: none"
        )


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a model before it is loaded: its configuration, context in tokens, size, and where it will run."""

    config: Any
    context: int
    shape: Shape
    device: Device
    summary: str


def examine(folder: Path, name: str, settings: LoadSettings, reply_tokens: int) -> Examined:
    """Look at a model without loading it.  Raises ModelError where it would not run here."""
    with _one_line_errors(name, "configuration"), _quiet():
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    context = _context(name, config, settings)
    if reply_tokens >= context:
        raise ModelError(f"label.parameters.max_new_tokens: {reply_tokens}, but {name} holds {context} tokens in all")
    with _one_line_errors(name, "weights"):
        shape = memory.shape_of(folder, config)
    device = _choose(name, shape, settings)
    _check_memory(name, shape, settings, device, min(context, 1024 + reply_tokens))
    size = shape.bytes(settings.quantization, settings.dtype) / GIB
    return Examined(config, context, shape, device, f"{size:.1f} GiB, {context:,} tokens of context, on {device.name}")


def load(folder: Path, name: str, settings: LoadSettings, reply_tokens: int) -> Loaded:
    """Load a model.  `name` is for people; `reply_tokens`: the most that a reply may take.  Raises ModelError."""
    check_installed(settings.quantization)
    if settings.device == "cpu" or not _has_card():
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")  # a kernel for every shape adds up
    examined = examine(folder, name, settings, reply_tokens)
    with _one_line_errors(name, "tokenizer"), _quiet():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    _log.info(f"loading {name} ({examined.summary})")
    with _one_line_errors(name, "weights"), _quiet():
        model = _load_model(folder, examined.config, settings, examined.device)
    _check_attention(name, model)
    end_ids = (model.generation_config.eos_token_id, tokenizer.eos_token_id)
    ends = {token for value in end_ids for token in _as_list(value)}
    budget = int(_left_for_tokens(model, examined.device) / examined.shape.token_bytes(settings.dtype))
    return Loaded(model, tokenizer, examined.context, tuple(sorted(ends)), budget)


def _has_card() -> bool:
    import torch

    return torch.cuda.is_available()


def _left_for_tokens(model: Any, device: Device) -> float:
    """Return the bytes for keys and values, once the model is loaded."""
    if device.kind == "cpu":
        return memory.cpu().free / 2 * (1 - memory.RESERVE)
    import torch

    torch.cuda.empty_cache()  # what loading held counts as taken
    layers_on = getattr(model, "hf_device_map", {"": 0}).values()
    used = {number for number in layers_on if isinstance(number, int)} or {0}
    cards = memory.devices()
    least_free = min(cards[number].free for number in used if number < len(cards))
    # layers, and so keys and values, are spread evenly
    return least_free * len(used) * (1 - memory.RESERVE)


def _check_attention(name: str, model: Any) -> None:
    """Raise ModelError where the model computes otherwise among others, with keys and values kept, than alone: one that is
    not of plain attention, whatever its configuration says."""
    import torch

    from pipeline.label.local_model.wave import differs_among_others

    try:
        with torch.inference_mode():
            differs = differs_among_others(model)
    except torch.OutOfMemoryError as error:
        raise ModelError(f"too little memory on this card for {name}; use a smaller model") from error
    except Exception as error:  # its layers want something else
        raise ModelError(f"{name} {NOT_HERE} ({_first_line(error)})") from error
    if differs:
        raise ModelError(f"{name} {NOT_HERE} (it computes otherwise beside others than alone)")


def _load_model(folder: Path, config: Any, settings: LoadSettings, device: Device) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, settings.dtype)
    options: dict[str, Any] = {}
    if settings.quantization == "nf4" and not getattr(config, "quantization_config", None):
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=dtype,
        device_map="auto" if device.kind == "cuda" else {"": "cpu"},
        local_files_only=True,
        trust_remote_code=False,
        **options,
    ).eval()


def _choose(name: str, shape: Shape, settings: LoadSettings) -> Device:
    """Return the card, or the processor where the model is small or the job file says so."""
    devices = memory.devices()
    if devices[0].kind == "cuda" and settings.device != "cpu":
        return devices[0]
    if settings.device == "cuda":
        raise ModelError(
            "label.parameters.device: cuda, but torch sees no card here; labelmill doctor shows what it sees"
        )
    if settings.device == "auto" and shape.parameters > CPU_PARAMETERS:
        raise ModelError(
            f"no GPU here, and {name} has {shape.parameters / 1e9:.1f} billion parameters: use a machine with a card, a "
            "smaller model, a model behind a server (docs/local-models.md), or label.parameters.device: cpu and much time"
        )
    return memory.cpu()


def _check_memory(name: str, shape: Shape, settings: LoadSettings, device: Device, tokens: int) -> None:
    """Raise ModelError where the weights and one article will not fit."""
    free = sum(card.free for card in memory.devices()) if device.kind == "cuda" else device.free
    weights = shape.bytes(settings.quantization, settings.dtype)
    need = memory.needed(weights, tokens * shape.token_bytes(settings.dtype), device.kind)
    if need > free * (1 - memory.RESERVE):
        smaller = (
            "a smaller model"
            if settings.quantization == "nf4"
            else "label.parameters.quantization: nf4, a smaller model"
        )
        raise ModelError(
            f"too little memory: {name} needs {need / GIB:.1f} GiB, {device.name} has {free / GIB:.1f} of "
            f"{device.total / GIB:.1f} GiB free; use {smaller}, or close what else uses it"
        )


def _context(name: str, config: Any, settings: LoadSettings) -> int:
    """Return the context in tokens.  Raises ModelError for a model that does not attend to keys and values alone."""
    kinds = set(getattr(config, "layer_types", None) or [])
    plain = not getattr(config, "is_encoder_decoder", False) and hasattr(config, "num_attention_heads")
    if not plain or kinds - KNOWN_ATTENTION or "local" in (getattr(config, "attention_layers", None) or []):
        raise ModelError(f"{name} ({config.model_type}) {NOT_HERE}")
    experts = any(getattr(config, key, None) for key in ("num_local_experts", "num_experts", "n_routed_experts"))
    if experts and settings.quantization == "nf4":
        raise ModelError(
            f"{name}: bitsandbytes does not quantise its experts; set label.parameters.quantization: none, or run it behind a "
            "server (docs/served-models.md)"
        )
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    original = rope.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", None)
    if rope.get("rope_type", rope.get("type")) == "longrope" and original:
        # beyond it all positions turn otherwise, those of shorter prompts in the batch, too
        return int(original)
    return int(getattr(config, "max_position_embeddings", None) or 2048)


@contextmanager
def _one_line_errors(name: str, part: str) -> Iterator[None]:
    """Turn errors of loading a part of a model into a ModelError of one line."""
    import torch

    try:
        yield
    except ModelError:
        raise
    except torch.OutOfMemoryError as error:
        raise ModelError(f"too little memory on this card for {name}; use a smaller model") from error
    except Exception as error:  # a damaged file may raise anything
        if "Unrecognized configuration class" in str(error) or "trust_remote_code" in str(error):
            raise ModelError(f"{name} {NOT_HERE}") from error
        # bitsandbytes computes on cards only what lies there whole
        if "dispatched on the CPU" in str(error):
            raise ModelError(f"too little memory on the card for {name}; use a smaller model") from error
        damaged = isinstance(error, OSError | EOFError) or type(error).__name__ in DAMAGE
        advice = "fetch or copy the model anew" if damaged else "see docs/local-models.md for what runs here"
        raise ModelError(f"{name}: its {part} cannot be loaded ({_first_line(error)}); {advice}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' bars and remarks away."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    yield


def _as_list(value: Any) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
