"""LabelWriter: a language model of transformers as a LightningModule."""

from __future__ import annotations

from typing import Any, Literal

import lightning
import torch
from transformers import get_scheduler

from pipeline.train.generation.rows import IGNORED

Batch = dict[str, torch.Tensor]


class LabelWriter(lightning.LightningModule):
    """Fits a model that is given `input_ids`, `attention_mask` and `labels`, and logs `train_loss` and `val_loss`.

    The losses are means over the tokens that are learned: a batch counts by them, not by its rows.  It generates nothing while it
    fits; labels are written once, by the best checkpoint (`writing`).
    """

    def __init__(
        self,
        model: torch.nn.Module,
        learning_rate: float = 3e-4,
        schedule: Literal["linear", "cosine", "constant"] = "linear",
        warmup: float = 0.05,  # the share of all steps
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["model"])
        # `from_pretrained` gives it for use, without dropout, and a Trainer leaves that as it is
        self.model = model.train()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self._loss("train_loss", batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self._loss("val_loss", batch)

    def _loss(self, name: str, batch: Batch) -> torch.Tensor:
        loss: torch.Tensor = self.model(**batch).loss
        learned = int((batch["labels"] != IGNORED).sum())
        self.log(name, loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=learned, sync_dist=True)
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW over what is trained (of a LoRA the adapters alone), with a learning rate that changes at every step."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, self.hparams["learning_rate"], weight_decay=self.hparams["weight_decay"])
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(self.hparams["warmup"] * steps)
        schedule = get_scheduler(self.hparams["schedule"], optimizer, warmup, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
