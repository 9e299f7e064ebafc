"""What a user sets of a model that writes labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.options import Options

Count = Annotated[int, Field(gt=0)]
_ELSEWHERE = {"max_epochs": "epochs", "accumulate_grad_batches": "accumulate", "precision": "precision"}
_OURS = (
    "callbacks",
    "logger",
    "enable_progress_bar",
    "enable_model_summary",
    "num_sanity_val_steps",
    "enable_checkpointing",
)


class GenerationOptions(Options):
    """`model`: a name on the Hub, or a folder; `lora`: the rank of adapters, 0 trains the whole model; `trainer`: arguments of
    Lightning's Trainer, as they are (devices, strategy, accelerator, gradient_clip_val)."""

    model: Annotated[str, Field(min_length=1)]
    prefix: str | None = (
        None  # before the article; null: "generate keyphrases: ", by the label's name; of a clm its first line
    )
    max_input_tokens: Count = 1024
    max_target_tokens: Count = 64
    epochs: Count = 5
    batch_size: Count = 8
    accumulate: Count = 1  # batches behind each step
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3e-4
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05  # the share of all steps
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    precision: Literal["32-true", "bf16-mixed", "bf16-true", "16-mixed"] = "32-true"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1  # the share of train to stop by; 0: the last epoch is taken
    patience: Count = 2  # epochs without a lower validation loss
    lora: Annotated[int, Field(ge=0)] = 0
    quantization: Literal["none", "nf4"] = "none"  # of the base below adapters
    beams: Count = 1
    trainer: dict[str, Any] = {}

    @field_validator("trainer")
    @classmethod
    def _of_others(cls, trainer: dict[str, Any]) -> dict[str, Any]:
        for name in trainer:
            if name in _ELSEWHERE:
                raise ValueError(f"{name}: set train.parameters.{_ELSEWHERE[name]} in its place")
            if name in _OURS:
                raise ValueError(f"{name}: resuming, stopping and progress depend on it; it cannot be set")
        return trainer

    @model_validator(mode="after")
    def _with_adapters(self) -> GenerationOptions:
        if self.quantization != "none" and not self.lora:
            raise ValueError("quantization: a base in 4 bits cannot be trained itself; give lora: 16")
        return self
