"""A tiny random Llama and its tokenizer, made on the spot: real files that transformers loads as it loads the real ones.

The tokenizer is of Llama-2's kind (byte-pair encoding over `▁`, with bytes for what it does not know), trained in a second on
the quickstart's articles and the shipped prompts.  The weights are random: its replies are gibberish, and always the same.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# As meta-llama/Llama-2-7b-chat-hf carries it, in tokenizer_config.json.
LLAMA_2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)


def texts() -> list[str]:
    """What the tokenizer is trained on."""
    folder = ROOT / "data" / "quickstart"
    korean = [
        json.loads(line) for line in (folder / "articles-ko.jsonl").read_text("utf-8").splitlines() if line.strip()
    ]
    with (folder / "articles-en.csv").open(encoding="utf-8", newline="") as file:
        english = [row.get("body") or "" for row in csv.DictReader(file)]
    # of these only: what a random model says depends on each word of its tokenizer's, and tests on where that ends
    prompts = [
        path.read_text("utf-8")
        for path in sorted((ROOT / "prompts").rglob("*.yaml"))
        if path.relative_to(ROOT / "prompts").as_posix() not in ("keyphrases/verify-v1.yaml", "topic-names/v1.yaml")
    ]
    return [*(row.get("body") or "" for row in korean if isinstance(row, dict)), *english, *prompts]


def tokenizer(template: str | None = LLAMA_2_TEMPLATE, vocabulary: int = 2000) -> Any:
    """A tokenizer as Llama-2's: `<unk> <s> </s>`, 256 bytes, then pieces; BOS is put before what it encodes by itself."""
    from tokenizers import Tokenizer, models, normalizers, trainers
    from transformers import LlamaTokenizer

    raw = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, max_token_length=12, show_progress=False
    )
    words = (word for text in texts() for word in text.replace("\n", " ").split())
    raw.train_from_iterator(words, trainer)
    model = json.loads(raw.to_str())["model"]
    made = LlamaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], add_bos_token=True)
    made.chat_template = template
    return made


def make(
    folder: Path, template: str | None = LLAMA_2_TEMPLATE, *, hidden: int = 64, layers: int = 2, context: int = 2048,
    heads: int = 4, key_value_heads: int = 2, seed: int = 0, ending: float = 2.0,
) -> Path:  # fmt: skip
    """Write a model's folder; `ending`: how strongly it tends to end its replies.  Raises ImportError without the extra
    `local`."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    made = tokenizer(template)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_value_heads, max_position_embeddings=context,
        bos_token_id=made.bos_token_id, eos_token_id=made.eos_token_id, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[made.eos_token_id] *= ending
    model.generation_config = GenerationConfig(
        bos_token_id=1, eos_token_id=2, do_sample=True, temperature=0.6, top_p=0.9
    )
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    import sys

    print(make(Path(sys.argv[1])))
