"""Map steps as data: what a shard is made of, so that one description runs a step and tells whether it is up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.objects import AnyPath
from pipeline.core.shards import Folder, input_digests, step_key

DONE = "done"
NOT_RUN = "not run"
UNKNOWN = "unknown until run"


@dataclass(frozen=True)
class Step:
    """A map step: the folder that it fills, and everything that a shard in it depends on.

    A shard's key is made of the digests of its `inputs`, of `config` and of `extra(shard)`, all JSON-able.  `extra` is what a
    fold or a log says of the shard.  Where only running the fold can tell that, `fold` describes what the fold itself depends
    on: it is noted beside the shards when all of them are made, and compared instead.
    """

    folder: Folder
    inputs: Sequence[Folder]
    config: Any
    # what to tell a person where a shard's config or extra is other than it was: "filters changed"
    changed: str
    extra: Callable[[str], Any] = lambda shard: None
    fold: Callable[[], dict[str, Any]] | None = None

    def key(self, shard: str) -> tuple[str, dict[str, str]]:
        """Return the key that a shard must carry and the digests of its inputs.  Raises InputError where an input is missing."""
        digests = input_digests(self.inputs, shard)
        return step_key(digests, self.config, self.extra(shard)), digests

    # --- the note on what a fold was made of ---

    @property
    def _fold_file(self) -> AnyPath:
        return self.folder.path / "_fold.json"

    def _fold_now(self) -> str:
        assert self.fold is not None
        return digest_of([self.config, self.fold()])

    def begin(self) -> None:
        """Forget the note on the former fold before the first shard of another one is written."""
        if self.fold and self._fold_file.exists() and read_json(self._fold_file) != {"key": self._fold_now()}:
            self._fold_file.unlink()

    def finish(self) -> None:
        """Note what the fold of these shards was made of, after the last of them."""
        if self.fold and read_json(self._fold_file) != (note := {"key": self._fold_now()}):
            write_json(self._fold_file, note)

    def state(self, shards: Sequence[str]) -> str:
        """Return `done`, `not run`, `2 of 5 shards`, `stale: ...` or `unknown until run`; nothing is run or written."""
        finished = [shard for shard in shards if self.folder.manifest(shard)]
        if not finished:
            return NOT_RUN if shards else DONE
        if len(finished) < len(shards):
            return f"{len(finished)} of {len(shards)} shards"
        if self.folder.others(shards):
            return f"stale: {self.inputs[0].path.name} changed"
        for shard in shards:
            if reason := self._why_stale(shard):
                return f"stale: {reason}"
        if self.fold is None:
            return DONE
        noted = read_json(self._fold_file)
        if noted is None:
            return UNKNOWN
        return DONE if noted == {"key": self._fold_now()} else f"stale: {self.changed}"

    def is_done(self, shard: str) -> bool:
        """Tell whether a shard is there as it would be made now, but for what a fold says of it."""
        return self.folder.manifest(shard) is not None and self._why_stale(shard) is None

    def _why_stale(self, shard: str) -> str | None:
        manifest = self.folder.manifest(shard)
        assert manifest is not None
        for folder in self.inputs:
            source = folder.manifest(shard)
            if source is None or manifest.inputs.get(folder.path.name) != source.digest:
                return f"{folder.path.name} changed"
        if self.fold is None and manifest.key != self.key(shard)[0]:
            return self.changed
        return None


def state_of(steps: Iterable[Step], shards: Sequence[str]) -> str:
    """Return the state of a stage: that of its first step that is not done, so a later step may count on the earlier ones."""
    for step in steps:
        try:
            state = step.state(shards)
        except InputError:  # what a fold or a log is read from is damaged, which the stage itself will tell
            return UNKNOWN
        if state != DONE:
            return state
    return DONE
