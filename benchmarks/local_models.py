"""A model in this process: generated tokens a second, beside what tutorials do (one prompt at a time through `pipeline(...)`).

    python benchmarks/local_models.py                      # a small random Llama, on this processor or card
    python benchmarks/local_models.py --shape 7b           # Llama-2-7b's shape with random weights, in 4 bits: for a card
    python benchmarks/local_models.py --shape 7b --vllm    # and vLLM's offline engine, where it is installed

The same model, weights, quantisation, dtype, prompts (key phrases of woven articles, Llama-2's form) and greedy generation for all.
Random weights hardly ever end a reply, so replies have `--reply` tokens; the small model is made to end some.

The memory-bandwidth floor: to generate a token for all rows at once, the weights and the keys and values of all rows must be read
once.  Those bytes, over the bandwidth that copying a large tensor reaches on the device in this run (reading and writing
counted), are the least time that all decoding steps can take; its share of the time that they took is printed.  Prefill is
bound by arithmetic and counted apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch
from articles import woven

from pipeline.label.local_model import loading, memory
from pipeline.label.local_model.chat_template import Chat
from pipeline.label.local_model.generator import Generator
from pipeline.label.local_model.sampling import Sampling
from pipeline.label.local_model.slots import Slots
from pipeline.label.local_model.wave import Decoder
from tests import tiny_llama

SHAPES = {  # hidden, between, layers, heads, vocabulary
    "7b": (4096, 11008, 32, 32, 32000),
    "13b": (5120, 13824, 40, 40, 32000),
}
SYSTEM = "You are an editor who reads a news article and names the key phrases that say what it is about."
SHARD_BYTES = 2 * 2**30


@dataclass
class Meter:
    """Seconds and bytes of decoding, seconds of prefill, by a look at each call of the model."""

    weights: float
    token_bytes: int
    decode_seconds: float = 0.0
    decode_bytes: float = 0.0
    prefill_seconds: float = 0.0
    steps: int = 0

    def watch(self) -> None:
        logits = Decoder.logits

        def timed(decoder: Decoder, slots: Slots, ids: torch.Tensor, at: torch.Tensor, until: int) -> torch.Tensor:
            _wait_for_device()
            started = time.perf_counter()
            found = logits(decoder, slots, ids, at, until)
            _wait_for_device()
            seconds = time.perf_counter() - started
            if ids.shape[1] == 1:
                self.steps += 1
                self.decode_seconds += seconds
                self.decode_bytes += self.weights + float(at.sum()) * self.token_bytes
            else:
                self.prefill_seconds += seconds
            return found

        Decoder.logits = timed  # type: ignore[method-assign]


def _wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def random_model(folder: Path, shape: str) -> None:
    """A checkpoint of that shape with random weights, written shard by shard."""
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, between, layers, heads, vocabulary = SHAPES[shape]
    config = LlamaConfig(
        hidden_size=hidden, intermediate_size=between, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, vocab_size=vocabulary, max_position_embeddings=4096, dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )  # fmt: skip
    with torch.device("meta"):
        shapes = {name: part.shape for name, part in LlamaForCausalLM(config).state_dict().items()}
    folder.mkdir(parents=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where, shard, size = {}, {}, 0
    for number, (name, dims) in enumerate(shapes.items(), 1):
        part = (
            torch.randn(dims, device=device, dtype=torch.bfloat16) * 0.02
            if len(dims) > 1
            else torch.ones(dims).bfloat16()
        )
        shard[name], size = part.cpu(), size + part.numel() * 2
        if size > SHARD_BYTES or number == len(shapes):
            file = f"model-{number:05}.safetensors"
            save_file(shard, folder / file, metadata={"format": "pt"})
            where.update(dict.fromkeys(shard, file))
            shard, size = {}, 0
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    config.save_pretrained(folder)
    tiny_llama.tokenizer().save_pretrained(folder)


def prompts_of(chat: Chat, count: int, tokens: int) -> list[list[int]]:
    """Articles cut to `tokens` / 2 to `tokens` tokens."""
    found = []
    for number, row in enumerate(woven(count)):
        text = chat.cut(row["body"], tokens // 2 + number * 7919 % (tokens // 2))
        found.append(chat.prompt([{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]))
    return found


def naive(loaded: loading.Loaded, prompts: Sequence[list[int]], reply: int) -> tuple[int, float]:
    """(tokens, seconds) of one prompt at a time."""
    from transformers import pipeline

    ask = pipeline("text-generation", model=loaded.model, tokenizer=loaded.tokenizer)
    options: dict[str, Any] = {"max_new_tokens": reply, "do_sample": False, "repetition_penalty": 1.1, "temperature": None,
                               "top_p": None, "return_tensors": True, "add_special_tokens": False}  # fmt: skip
    texts = [loaded.tokenizer.decode(prompt) for prompt in prompts]
    ask(texts[0], **{**options, "max_new_tokens": 2})
    started, made = time.perf_counter(), 0
    for text in texts:
        ids = ask(text, **options)[0]["generated_token_ids"]
        made += len(ids) - len(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
    return made, time.perf_counter() - started


def ours(loaded: loading.Loaded, prompts: Sequence[list[int]], reply: int, budget: int | None) -> tuple[int, float]:
    ends = frozenset(loaded.ends)
    generator = Generator(
        Decoder(loaded.model, ends, Sampling(reply, 0, 1.0, 50, 1.1), lambda ids: False), budget or loaded.budget
    )
    generator.submit(prompts[0]).result()
    started = time.perf_counter()
    futures = [generator.submit(prompt) for prompt in prompts]
    made = sum(future.result().tokens for future in futures)
    seconds = time.perf_counter() - started
    generator.close()
    return made, seconds


def vllm(folder: Path, prompts: Sequence[list[int]], reply: int, quantization: str) -> tuple[int, float]:
    from vllm import LLM, SamplingParams

    options = {"quantization": "bitsandbytes"} if quantization == "nf4" else {}
    model = LLM(model=str(folder), dtype="bfloat16", max_model_len=4096, gpu_memory_utilization=0.85, **options)
    sampling = SamplingParams(temperature=0, max_tokens=reply, repetition_penalty=1.1)
    asked = [{"prompt_token_ids": prompt} for prompt in prompts]
    model.generate(asked[:1], sampling)
    started = time.perf_counter()
    made = sum(len(output.outputs[0].token_ids) for output in model.generate(asked, sampling))
    return made, time.perf_counter() - started


def bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of copying a tensor that no cache holds; the best of ten."""
    source = torch.ones(2**28 if device.type == "cuda" else 2**26, device=device)
    target, best = torch.empty_like(source), float("inf")
    for _ in range(10):
        _wait_for_device()
        started = time.perf_counter()
        target.copy_(source)
        _wait_for_device()
        best = min(best, time.perf_counter() - started)
    return 2 * source.numel() * source.element_size() / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=["small", *SHAPES], default="small")
    parser.add_argument("--model", type=Path, help="a model's folder, instead of random weights")
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--naive", type=int, default=16, help="prompts for the loop, which is slow")
    parser.add_argument("--tokens", type=int, default=600, help="of the longest article")
    parser.add_argument("--reply", type=int, default=64)
    parser.add_argument("--quantization", choices=["nf4", "none"], default="nf4")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--budget", type=int, help="tokens held at once; default: what memory holds")
    parser.add_argument("--vllm", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.model or Path(temporary) / arguments.shape
        if not arguments.model and arguments.shape == "small":
            tiny_llama.make(folder, hidden=256, layers=4, heads=8, key_value_heads=8, context=4096)
        elif not arguments.model:
            random_model(folder, arguments.shape)
        measure(folder, arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    settings = loading.LoadSettings(arguments.quantization, arguments.dtype, "auto")
    loaded = loading.load(folder, folder.name, settings, arguments.reply)
    prompts = prompts_of(Chat(loaded.tokenizer, loaded.ends), arguments.prompts, arguments.tokens)
    device = loaded.model.device
    print(f"{folder.name}, {settings.quantization}, {settings.dtype}, {memory.devices()[0].name}; {len(prompts)} prompts of "
          f"{min(map(len, prompts))}-{max(map(len, prompts))} tokens")  # fmt: skip
    count, seconds = naive(loaded, prompts[: arguments.naive], arguments.reply)
    base = count / seconds
    print(f"{'pipeline(...), one by one':28}{base:>10,.0f} tokens/s")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    count, seconds = ours(loaded, prompts, arguments.reply, arguments.budget)
    print(f"{'labelmill':28}{count / seconds:>10,.0f} tokens/s{count / seconds / base:>8.1f} times")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / memory.GIB:.1f} GiB")
    shape = memory.shape_of(folder, loaded.model.config)
    meter = Meter(shape.bytes(settings.quantization, settings.dtype), shape.token_bytes(settings.dtype))
    meter.watch()
    ours(loaded, prompts, arguments.reply, arguments.budget)
    copied = bandwidth(device)
    floor = meter.decode_bytes / copied
    print(f"decoding: {meter.steps} steps in {meter.decode_seconds:.1f} s, of which the floor at {copied / 1e9:,.0f} GB/s is "
          f"{floor / meter.decode_seconds:.0%}; prefill {meter.prefill_seconds:.1f} s")  # fmt: skip
    if arguments.vllm:
        del loaded
        torch.cuda.empty_cache()
        count, seconds = vllm(folder, prompts, arguments.reply, arguments.quantization)
        print(f"{'vLLM, offline':28}{count / seconds:>10,.0f} tokens/s{count / seconds / base:>8.1f} times")


if __name__ == "__main__":
    main()
