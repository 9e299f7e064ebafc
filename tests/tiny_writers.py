"""A tiny random T5 and a tiny random Llama with tokenizers, made on the spot: real files that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import teacher


def tokenizer() -> Any:
    """Byte pairs over bytes, trained on the teacher's articles; every text ends with `</s>`, as T5's do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    texts = [
        f"{teacher.article(n)['body']} generate keyphrases: ; ### Article: ### Keyphrases: ### End" for n in range(60)
    ]
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def t5(folder: Path, dropout: float = 0.1) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    made = tokenizer()
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(made), d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=dropout, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def llama(folder: Path) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    made = tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
