"""A causal model (Llama, polyglot and kin, by name or folder) that goes on after an article with its label, fitted by Lightning."""

from __future__ import annotations

from pydantic import model_validator

from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.student import Writer


class Options(GenerationOptions):
    """`max_input_tokens` counts all that the model reads, its label too; adapters of rank 16 in place of the whole model."""

    model: str = "Qwen/Qwen2.5-0.5B"
    lora: int = 16

    @model_validator(mode="after")
    def _with_room_for_articles(self) -> Options:
        if self.max_input_tokens <= self.max_target_tokens:
            raise ValueError("max_input_tokens: counts the label, too, and must be larger than max_target_tokens")
        return self


class Student(Writer):
    """One document of article, label and end, of which only the label is learned."""

    _form = "clm"
