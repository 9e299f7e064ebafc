"""The Trainer that a student is fitted with: whole epochs kept, early stopping, the best checkpoint by the validation loss."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from pipeline.core.errors import ConfigError
from pipeline.core.student import TrainingRun
from pipeline.train.generation.data import LabelData
from pipeline.train.generation.module import LabelWriter

_log = logging.getLogger("labelmill.train")
_FITTED = "fitted"  # an empty file: nothing is left to fit


@dataclass(frozen=True)
class FitSettings:
    """How long and by which steps; `trainer` is handed to the Trainer as it is (devices, strategy, accelerator, ...)."""

    epochs: int = 5
    patience: int = 2
    accumulate: int = 1
    precision: Any = "32-true"
    trainer: dict[str, Any] = field(default_factory=dict)


def fit(module: LabelWriter, data: LabelData, settings: FitSettings, run: TrainingRun) -> dict[str, Any]:
    """Fit a module, from the last whole epoch where an earlier run was killed, and give it the weights of the best checkpoint.

    Without a validation share there is nothing to stop by, and the last epoch's weights are taken.
    """
    data.setup()
    has_validation = data.cuts["validation"]["rows"] > 0
    last, best = run.checkpoints / "last.ckpt", run.checkpoints / "best.ckpt"
    with _quiet():
        trainer = _trainer(data, settings, run, has_validation)
        if not is_fitted(run.checkpoints):
            if last.exists():
                _log.info("going on from the last whole epoch")
            trainer.fit(module, datamodule=data, ckpt_path=last if last.exists() else None)
            if not trainer.is_global_zero:
                return {}  # the process that writes may have put the checkpoints away by now
            (run.checkpoints / _FITTED).touch()
    chosen = best if has_validation else last
    checkpoint = _read(chosen)
    module.load_state_dict(checkpoint["state_dict"])
    return {"epoch": checkpoint["epoch"] + 1, "steps": checkpoint["global_step"], "val_loss": _best_loss(checkpoint)}


def is_fitted(checkpoints: Path) -> bool:
    """Tell whether a killed run had nothing left to fit: it was through, or had stopped early."""
    return (checkpoints / _FITTED).exists() or _has_stopped(checkpoints / "last.ckpt")


def _read(file: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=False)  # our own, of this training
    return checkpoint


def _has_stopped(last: Path) -> bool:
    """Return whether a killed run had stopped early: Lightning would train on from there, past the stop."""
    states = _read(last)["callbacks"] if last.exists() else {}
    return any(state["wait_count"] >= state["patience"] for name, state in states.items() if "EarlyStopping" in name)


def _best_loss(checkpoint: dict[str, Any]) -> float | None:
    scores = [state.get("best_model_score") for state in checkpoint["callbacks"].values() if isinstance(state, dict)]
    return next((round(float(score), 4) for score in scores if score is not None), None)


def _trainer(data: LabelData, settings: FitSettings, run: TrainingRun, has_validation: bool) -> lightning.Trainer:
    keep: dict[str, Any] = {"dirpath": run.checkpoints, "enable_version_counter": False, "save_top_k": 1}
    callbacks: list[Callback] = [_Seeded(run.seed), _Progress(run, settings.epochs), LearningRateMonitor("step")]
    if has_validation:
        callbacks += [
            EarlyStopping("val_loss", patience=settings.patience),
            ModelCheckpoint(filename="best", monitor="val_loss", **keep),
        ]
    callbacks.append(ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **keep))
    logs = run.checkpoints.parent / "logs"
    own: dict[str, Any] = {
        "max_epochs": settings.epochs, "accumulate_grad_batches": settings.accumulate, "precision": settings.precision,
        "callbacks": callbacks, "logger": _loggers(logs), "enable_progress_bar": False, "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }  # fmt: skip
    try:
        return lightning.Trainer(**({"log_every_n_steps": 10} | settings.trainer | own))
    except (TypeError, ValueError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"train.parameters.trainer: {reason}") from error


def _loggers(folder: Path) -> list[Any]:
    loggers: list[Any] = [CSVLogger(folder, name="", version="csv")]
    try:
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard"))
    except ModuleNotFoundError:
        _log.info("tensorboard is not installed: losses are in %s alone", folder / "csv")
    return loggers


class _Seeded(Callback):
    """Seeds each batch by its number, so that a training that goes on drops out what it would have dropped out.

    An epoch's seed would not do: who resumes draws numbers before the first batch that who goes through does not draw.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        number = (self._seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed(number + trainer.global_rank * 1_000_000_007)  # each device drops out others


class _Progress(Callback):
    """Shows batches of all epochs on one bar, with the time that is left."""

    def __init__(self, run: TrainingRun, epochs: int) -> None:
        self._run, self._epochs = run, epochs
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        batches = int(trainer.num_training_batches)
        self._bar = self._run.progress("train", self._epochs * batches, "batches")
        self._bar.update(trainer.current_epoch * batches)

    def on_train_batch_end(self, *_: Any) -> None:
        self._bar.update(1)

    def on_train_end(self, *_: Any) -> None:
        self._bar.close()

    def on_exception(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Lightning says of devices and workers from people: what goes wrong is raised."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("lightning.pytorch", "lightning.fabric"))}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)
