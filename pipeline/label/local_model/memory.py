"""Devices, their free memory, and what a model takes of it.  Bytes everywhere."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

GIB = 2**30
# NF4 with double quantisation: 4 bits a weight, and a scale of 8 bits for 64 weights, itself scaled in 32 bits for 256
# scales (Dettmers et al. 2023, QLoRA, section 3): 0.127 bits more.
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
RESERVE = 0.1  # of what is free: activations, fragments
CARD_BYTES = 0.5 * GIB  # CUDA's own, kernels, a prefill's activations


class Device(NamedTuple):
    """Where a model computes; `free` and `total` in bytes, `kind` is cuda or cpu."""

    kind: str
    name: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model: weights that are quantised (linear layers), the others, and the bytes of keys and values that a
    token takes in two-byte numbers."""

    linear: int
    other: int
    token_values: int  # keys and values of a token, in numbers

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear + self.other

    def bytes(self, quantization: str, dtype: str) -> float:
        """Return the bytes that the weights take."""
        size = DTYPE_BYTES[dtype]
        return self.linear * (NF4_BYTES if quantization == "nf4" else size) + self.other * size

    def token_bytes(self, dtype: str) -> int:
        """Return the bytes that keys and values of a token take."""
        return self.token_values * DTYPE_BYTES[dtype]


# The models that the documentation names: (parameters in linear layers, in others, layers * 2 * key-value heads * head size),
# by the configuration files that they come with.
DOCUMENTED: Mapping[str, Shape] = {
    "meta-llama/Llama-2-7b-chat-hf": Shape(6_476_005_376, 262_410_240, 32 * 2 * 32 * 128),
    "meta-llama/Llama-2-13b-chat-hf": Shape(12_687_769_600, 328_094_720, 40 * 2 * 40 * 128),
    "meta-llama/Llama-2-70b-chat-hf": Shape(68_451_041_280, 525_606_912, 80 * 2 * 8 * 128),
}


def needed(weights: float, tokens: float, kind: str) -> float:
    """Return the bytes that a model and the keys and values of some tokens take."""
    return weights + tokens + (CARD_BYTES if kind == "cuda" else 0.0)


def devices() -> list[Device]:
    """Return the cards, else this machine's memory.  Needs torch."""
    import torch

    if not torch.cuda.is_available():
        return [cpu()]
    cards = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        cards.append(Device("cuda", torch.cuda.get_device_name(number), free, total))
    return cards


def cpu() -> Device:
    """Return the processor with this machine's memory.  Needs psutil."""
    import psutil

    memory = psutil.virtual_memory()
    return Device("cpu", f"{psutil.cpu_count(logical=False) or 1} cores", memory.available, memory.total)


def shape_of(folder: Path, config: Any) -> Shape:
    """Return the size of a model by the headers of its safetensors files; where it has none, by the size of its files."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    values = config.num_hidden_layers * 2 * heads * size
    tensors = [shape for path in sorted(folder.glob("*.safetensors")) for shape in _tensors(path).items()]
    if not tensors:
        return Shape(sum(path.stat().st_size for path in folder.glob("*.bin")) // 2, 0, values)
    linear = sum(
        prod(dims)
        for name, dims in tensors
        if len(dims) == 2 and not name.startswith("lm_head") and "embed" not in name
    )
    return Shape(linear, sum(prod(dims) for _, dims in tensors) - linear, values)


def _tensors(path: Path) -> dict[str, list[int]]:
    """Return name -> dimensions (https://huggingface.co/docs/safetensors: a length in 8 bytes, then that much JSON)."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length)) if length < 2**27 else {}
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
