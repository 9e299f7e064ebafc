"""Generating text with a causal model in this process, many prompts at a time.

    weights        which weights answer: a folder's digest, a Hub commit
    loading        weights -> a model on a device, in 4 bits; everything that is missing, in one line
    memory         devices, free memory, what a model needs
    chat_template  messages -> token ids, ids -> text, where a reply ends
    slots          keys and values of the prompts under way, a fixed place for each
    sampling       logits -> the next tokens
    generator      the loop: sort, admit, prefill, decode, halve where memory runs out; pool, wave

All but `weights` and `memory` need the extra `local`, and import torch: import them where they are used.
"""
