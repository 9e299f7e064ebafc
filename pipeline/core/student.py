"""What a student is: the base class of models that learn from a version's labels; see `pipeline.core.contracts`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.core.plugin import Plugin
from pipeline.core.progress import progress_bar
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase


@dataclass(frozen=True)
class TrainingRun:
    """What a student is trained with beside rows: a seed, a folder for checkpoints that outlives a kill, and progress bars.

    `progress(name, total, unit)` returns a bar with `update(n)`, to be used in a `with`.
    """

    seed: int
    checkpoints: Path
    progress: Callable[[str, int | None, str], Any] = progress_bar


class Student(Plugin):
    """A model that learns to label from the train rows of a version, and then labels articles by itself.

    It is made with its options, then either learns (`check`, `fit`, `save`) or is read back (`load`), then predicts.  It never
    sees an eval row: whoever trains it judges it afterwards.
    """

    version: ClassVar[int] = 1
    """Raised where the same weights give other labels; it stands in the identity of the provider `student`."""

    validation: float = 0.0
    """The share of train, by groups of near-copies, that `fit` gets apart to stop by; 0: it needs none."""

    draws: ClassVar[int] = 3
    """How many random parts of train stand behind each point of a learning curve; 1 where training is dear."""

    in_processes: ClassVar[bool] = False
    """Whether `fit` may run in several processes at once, one a device, of which the first writes."""

    @classmethod
    def imports(cls, options: Any) -> tuple[str, ...]:
        """Return the modules of other packages that checked options name: to read a folder that names them would run them."""
        return ()

    def __init__(self, options: Any, column: LabelColumn, base: Path) -> None:
        """Take the checked options; `base` is what relative paths in them are relative to."""

    @classmethod
    def refusal(cls, column: LabelColumn) -> str | None:
        """Return why it cannot learn labels of such a column, and what can; None where it can."""
        return None

    def check(self) -> None:
        """Find out, before any row is read, whether it could train.  Raises MissingExtra, ModelError, ConfigError."""

    def pretrained(self) -> dict[str, Any]:
        """Return what identifies the weights that it begins with: the digest of a folder, a revision; of none, nothing.

        Another model under the same name begins another training.  It is asked behind `check`.
        """
        return {}

    def models(self) -> dict[str, Path]:
        """Return the folders that its options name as a model to begin with, by the option's full name.

        Whoever trains it refuses one in which a folder of the job's lies: all of it would be taken for the model.
        """
        return {}

    def is_fitted(self, checkpoints: Path) -> bool:
        """Tell whether `fit` would find in a killed run's checkpoints that nothing is left to fit; asked where `in_processes`."""
        return False

    @abstractmethod
    def fit(self, train: Sequence[Example], validation: Sequence[Example], run: TrainingRun) -> dict[str, Any]:
        """Learn; return what people should know of it, as JSON.

        What a whole epoch learned is kept in `run.checkpoints`, so that the same call goes on from there after a kill, to the same
        end.  Raises InputError where there is nothing to learn from.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an empty folder: plain data, no pickles, the same bytes for the same weights."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Take what `save` wrote.  Raises ModelError for files that are not so."""

    @abstractmethod
    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        """Return the label of each article, its phrases best first; an empty list where it finds none."""
