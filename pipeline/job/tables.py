"""Where a job's tables, its folders of shards, lie: in the job's folder, or elsewhere (`tables: s3://bucket/prefix`).

The job's folder remembers where they are (`tables.json`), and tables elsewhere whose they are (`_job.json`).  So a job does not
begin anew in silence because `tables` is other than it was, or because a bucket is empty, and no two jobs take turns in making each
other's rows.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError
from pipeline.core.files import read_json, write_json
from pipeline.core.objects import AnyPath, path_of
from pipeline.job.config import JobConfig

_RECORD = "tables.json"  # in the job's folder
_OWNER = "_job.json"  # beside tables elsewhere


def of_folder(folder: Path) -> AnyPath:
    """Return where the tables of the job with this folder are."""
    record = read_json(folder / _RECORD)
    return folder if record is None else path_of(record["tables"])


def checked(config: JobConfig) -> AnyPath:
    """Return where the job's tables lie.  Raises ConfigError where they are elsewhere, are gone, or are another job's."""
    folder, record = config.tables_folder, read_json(config.job_folder / _RECORD)
    former = of_folder(config.job_folder)
    if folder != former:
        _check_moved(config, former, folder)
    if folder == config.job_folder:
        return folder
    owner = read_json(folder / _OWNER)
    if record is not None and folder == former:
        _check_there(config, record, owner)
    if owner is not None and owner["id"] != (record or {}).get("id"):
        raise ConfigError(
            f"{config.file}: tables: {folder} holds the tables of another job named {owner['job']!r}; give this job a name or a "
            f"prefix of its own (or delete {folder / _OWNER}, where that job's folder is lost and this one takes its place)"
        )
    return folder


def note(config: JobConfig) -> None:
    """Note where the job's tables are, and there, whose they are: before anything is written to them."""
    folder, file = config.tables_folder, config.job_folder / _RECORD
    record = read_json(file)
    if folder == config.job_folder:
        file.unlink(missing_ok=True)
        return
    new = {
        "tables": _address(folder),
        "folder": str(config.job_folder),
        "id": (record or {}).get("id") or uuid.uuid4().hex,
    }
    if record != {**new, "is_noted_there": True}:
        write_json(file, {**new, "is_noted_there": False})
        write_json(folder / _OWNER, {"job": config.name, "id": new["id"]})
        write_json(file, {**new, "is_noted_there": True})


def _check_moved(config: JobConfig, former: AnyPath, folder: AnyPath) -> None:
    """Raise ConfigError where the job has begun with tables that are not in the folder that it names now."""
    if _has_begun(folder) or not _has_begun(former):
        return
    back = "take `tables` out again" if former == config.job_folder else f"set it to {_address(former.parent)}"
    raise ConfigError(
        f"{config.file}: tables: the job's tables are in {former}, and none are in {folder}; copy all that is below the first to "
        f"the second, or {back} (its ledger stays in {config.job_folder}, so nothing is paid twice)"
    )


def _check_there(config: JobConfig, record: dict[str, Any], owner: Any) -> None:
    """Raise ConfigError where tables are gone, or are those of a folder that this one is a copy of."""
    if owner is None and record["is_noted_there"]:
        raise ConfigError(
            f"{config.file}: tables: nothing is left of the job's tables in {config.tables_folder}; is it the right store and "
            f"account? To make them anew, by the answers that the ledger has, delete {config.job_folder / _RECORD}"
        )
    original = Path(record["folder"])
    if original != config.job_folder and (read_json(original / _RECORD) or {}).get("id") == record["id"]:
        raise ConfigError(
            f"{config.file}: tables: {config.job_folder} is a copy of {original}, and {config.tables_folder} holds the tables of "
            "that; name others for this one"
        )


def _has_begun(folder: AnyPath) -> bool:
    return (folder / "articles" / "_order.json").exists()


def _address(folder: AnyPath) -> str:
    return folder.as_uri() if isinstance(folder, Path) else str(folder)
