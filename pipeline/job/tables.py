"""Where a job's tables, its folders of shards, lie: in the job's folder, or elsewhere (`tables: s3://bucket/prefix`).

The job's folder remembers where they are (`tables.json`), and tables elsewhere whose they are (`_job.json`).  So a job does not
begin anew in silence because `tables` is other than it was, or because a bucket is empty, and no two jobs take turns in making each
other's rows.  Both have an id, and tables that were copied to where they lie now get another one: what stays behind grows old, and
has the id of before.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError
from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.objects import AnyPath, path_of
from pipeline.job.config import JobConfig

_RECORD = "tables.json"  # in the job's folder
_OWNER = "_job.json"  # beside tables elsewhere


def of_folder(folder: Path) -> AnyPath:
    """Return where the tables of the job with this folder are."""
    record = read_json(folder / _RECORD)
    return folder if record is None or record["tables"] is None else path_of(record["tables"])


def checked(config: JobConfig) -> AnyPath:
    """Return where the job's tables lie.  Raises ConfigError where they are elsewhere, are gone, are old, or are another job's."""
    folder, record = config.tables_folder, read_json(config.job_folder / _RECORD)
    former = of_folder(config.job_folder)
    if folder != former:
        _check_moved(config, record, former, folder)
    if folder == config.job_folder:
        return folder
    owner = read_json(folder / _OWNER)
    if record is not None and folder == former:
        _check_left(config, record, folder)
        _check_no_copy(config, record)
    if owner is not None and owner["id"] not in _ids(record):
        raise ConfigError(
            f"{config.file}: tables: {folder} holds the tables of another job named {owner['job']!r}; give this job a name or a "
            f"prefix of its own (or delete {folder / _OWNER}, where that job's folder is lost and this one takes its place)"
        )
    return folder


def note(config: JobConfig) -> None:
    """Note where the job's tables are, and there, whose they are: before anything is written to them."""
    folder, file = config.tables_folder, config.job_folder / _RECORD
    record = read_json(file)
    if record is None and folder == config.job_folder:
        return
    new = {
        "tables": None if folder == config.job_folder else _address(folder),
        "folder": str(config.job_folder),
        **_new_ids(record, folder, of_folder(config.job_folder)),
    }
    if record != {**new, "is_noted_there": True}:
        write_json(file, {**new, "is_noted_there": False})
        write_json(folder / _OWNER, {"job": config.name, "id": new["id"]})
        write_json(file, {**new, "is_noted_there": True})


def _new_ids(record: dict[str, Any] | None, folder: AnyPath, former: AnyPath) -> dict[str, str]:
    """Return the id that the tables have from now on, and where they were copied, the one that came with them."""
    if record is None:
        return {"id": uuid.uuid4().hex}
    if folder != former and _has_begun(folder):
        # of what it follows, not of chance: processes that label together may all be the first to see the move
        return {"id": digest_of([record["id"], str(folder)])[:32], "id_before": record["id"]}
    return {name: record[name] for name in ("id", "id_before") if name in record}


def _ids(record: dict[str, Any] | None) -> list[str]:
    """Return the ids by which tables are the job's: that of before, too, until the new one is written there."""
    if record is None:
        return []
    return [record["id"]] if record["is_noted_there"] else [record["id"], record.get("id_before", record["id"])]


def _check_moved(config: JobConfig, record: dict[str, Any] | None, former: AnyPath, folder: AnyPath) -> None:
    """Raise ConfigError where the job has begun with tables that are not in the folder that it names now."""
    has_begun, is_ours = _has_begun(folder), (read_json(folder / _OWNER) or {}).get("id") in _ids(record)
    if has_begun and (record is None or is_ours):
        return
    if not _has_begun(former):
        if record is not None and not is_ours:
            _check_left(config, record, former)
        return
    old = f"those in {folder} are no copy of them as they are now (by their {_OWNER})"
    there = old if has_begun else f"none are in {folder}"
    back = "take `tables` out again" if former == config.job_folder else f"set it to {_address(former.parent)}"
    raise ConfigError(
        f"{config.file}: tables: the job's tables are in {former}, and {there}; copy all that is below the first to "
        f"the second, or {back} (its ledger stays in {config.job_folder}, so nothing is paid twice)"
    )


def _check_left(config: JobConfig, record: dict[str, Any], former: AnyPath) -> None:
    """Raise ConfigError where the job's tables are gone."""
    if record["is_noted_there"] and read_json(former / _OWNER) is None:
        raise ConfigError(
            f"{config.file}: tables: nothing is left of the job's tables in {former}; is it the right store and "
            f"account? To make them anew, by the answers that the ledger has, delete {config.job_folder / _RECORD}"
        )


def _check_no_copy(config: JobConfig, record: dict[str, Any]) -> None:
    """Raise ConfigError where the tables are those of a folder that the job's is a copy of."""
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
