"""Which weights answer: a folder by the digest of its files, a model on the Hub by its commit.

Both are identified once for a job and remembered beside it: a folder is read again when a file's size or time changes, a name on
the Hub keeps its commit although the Hub moves on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core.errors import ModelError
from pipeline.core.files import digest_of, file_digest, read_json, write_json

_log = logging.getLogger("labelmill.label")
SUFFIXES = (".json", ".jinja", ".model", ".txt", ".tiktoken", ".safetensors", ".bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
_ANNOUNCED_FROM = 2**30  # bytes: reading them takes a while


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that answer.  `name` is for people: a Hub name, or a folder's own; `digest` of a folder, or `commit` on the Hub,
    identifies them."""

    name: str
    digest: str | None = None
    commit: str | None = None

    @property
    def identity(self) -> dict[str, str]:
        """What changes the answers: where a folder lies, and what it is called, does not."""
        return {"weights_sha256": self.digest} if self.digest else {"model": self.name, "revision": str(self.commit)}


def folder_of(model: str, base: Path) -> Path | None:
    """Return the folder that a model's name means, None for a name on the Hub: a path from `base` (the job file's folder), or
    else from here; or `user/name` that lies at either.
    """
    path = Path(model).expanduser()
    candidates = [base / path, Path.cwd() / path]
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    folder = next((candidate for candidate in candidates if candidate.is_dir()), None)
    return folder or (candidates[0] if looks_like_path else None)


def identify(model: str, revision: str | None, base: Path, memory: Path, refresh: bool = False) -> Weights:
    """Return, or remember from file `memory`, which weights `model` means.  Raises ModelError."""
    folder = folder_of(model, base)
    remembered = read_json(memory) or {}
    if folder is None:
        asked = {"model": model, "revision": revision}
        if refresh or remembered.get("asked") != asked:
            remembered = {"asked": asked, "commit": commit_of(model, revision)}
            write_json(memory, remembered)
        return Weights(model, commit=remembered["commit"])
    folder = folder.absolute()
    files = _files(folder)
    on_disk = {"model": str(folder), "files": files}
    # no error for a folder that is not there any more: what it answered still is
    if folder.is_dir() or remembered.get("asked", {}).get("model") != on_disk["model"]:
        check_folder(folder)
        if refresh or remembered.get("asked") != on_disk:
            remembered = {"asked": on_disk, "digest": _digest(folder, files)}
            write_json(memory, remembered)
    return Weights(folder.resolve().name, digest=remembered["digest"])


def is_remembered(model: str, revision: str | None, base: Path, memory: Path) -> bool:
    """Return whether `identify` would answer out of file `memory`, without the Hub and without reading weights."""
    asked = (read_json(memory) or {}).get("asked", {})
    folder = folder_of(model, base)
    if folder is None:
        return bool(asked == {"model": model, "revision": revision})
    folder = folder.absolute()
    if not folder.is_dir():
        return bool(asked.get("model") == str(folder))
    return bool(asked == {"model": str(folder), "files": _files(folder)})


def describe(model: str, revision: str | None, base: Path) -> str:
    """Return, in a line, what the name means at this moment.  Raises ModelError."""
    if folder := folder_of(model, base):
        check_folder(folder.absolute())
        return f"{folder} holds a model"
    return f"{model}, commit {commit_of(model, revision)[:12]}"


def commit_of(model: str, revision: str | None) -> str:
    """Return the commit that a model's branch or tag stands at, by the Hub; by what is on this disk where it cannot be asked."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(model, revision=revision, timeout=20).sha)
    except Exception as error:
        if commit := _commit_on_disk(model, revision):
            return commit
        raise hub_error(model, revision, error) from error


def download(model: str, commit: str) -> Path:
    """Return the folder of a model's files at a commit, fetched where they are not on this disk yet.  Raises ModelError."""
    from huggingface_hub import HfApi, snapshot_download

    fetch = partial(snapshot_download, model, revision=commit, ignore_patterns=["*/*"])
    kinds = [f"*{suffix}" for suffix in SUFFIXES]
    try:
        if any(name.endswith(".safetensors") for name in HfApi().list_repo_files(model, revision=commit)):
            kinds.remove("*.bin")
        return Path(fetch(allow_patterns=kinds))
    except Exception as error:
        try:
            return Path(fetch(local_files_only=True))
        except Exception:
            raise hub_error(model, commit, error) from error


def hub_error(model: str, revision: str | None, error: Exception) -> ModelError:
    """Return the error, in one line, for what the Hub says, or why it cannot be asked."""
    from huggingface_hub import constants, errors, get_token

    page = f"{constants.ENDPOINT}/{model}"
    with_token = "of the account whose token is set" if get_token() else "and set HF_TOKEN to a token of your account"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{model} is licence-gated: accept its licence at {page} {with_token}; or set label.model to another"
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
        token = "the token may not see it" if get_token() else "no HF_TOKEN is set (see .env.example)"
        return ModelError(f"the Hub has no model {model!r}, or {token}; check label.model, or give a local folder")
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(f"{model} has no revision {revision!r} on the Hub; check label.parameters.revision")
    if isinstance(error, errors.HFValidationError):
        return ModelError(f"label.model: {model!r} is neither a folder here nor a name on the Hub (user/name)")
    if isinstance(error, errors.OfflineModeIsEnabled | errors.LocalEntryNotFoundError):
        return ModelError(f"{model} is not on this disk and HF_HUB_OFFLINE is set, or the Hub is out of reach")
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return ModelError(f"{model}: the Hub cannot be asked ({reason}); try again, or set label.model to a local folder")


def _commit_on_disk(model: str, revision: str | None) -> str | None:
    """Return the commit that a branch was at when it was last fetched; where only commits were, the newest of them."""
    from huggingface_hub import constants, errors, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    try:
        path = try_to_load_from_cache(model, "config.json", revision=revision or constants.DEFAULT_REVISION)
    except errors.HFValidationError:
        return None
    if isinstance(path, str):
        return Path(path).parent.name
    snapshots = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=model, repo_type="model"), "snapshots")
    commits = (
        sorted(snapshots.iterdir(), key=lambda folder: folder.stat().st_mtime)
        if snapshots.is_dir() and not revision
        else []
    )
    return commits[-1].name if commits else None


def check_folder(folder: Path) -> None:
    """Raise ModelError where a folder holds no model."""
    if not folder.is_dir():
        raise ModelError(f"label.model: {folder} is not there; give a model's folder, or its name on the Hub")
    if not (folder / "config.json").is_file():
        raise ModelError(f"label.model: {folder} is no model's folder: it has no config.json")
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise ModelError(f"label.model: {folder} holds no weights (*.safetensors or *.bin)")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelError(f"label.model: {folder} holds no tokenizer ({', '.join(TOKENIZERS)})")


def _files(folder: Path) -> list[list[Any]]:
    """Return [name, bytes, times] of each file that counts; a link counts as what it leads to."""
    if not folder.is_dir():
        return []
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    states = [(path.name, path.stat()) for path in paths]
    return [[name, state.st_size, state.st_mtime_ns, state.st_ctime_ns] for name, state in states]


def _digest(folder: Path, files: list[list[Any]]) -> str:
    if sum(file[1] for file in files) > _ANNOUNCED_FROM:
        _log.info(f"reading {folder.name} once, to tell its weights from others")
    return digest_of([[file[0], file_digest(folder / file[0])] for file in files])
