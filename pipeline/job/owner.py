"""Which job file a job's folder belongs to: two files with one name would take turns in making each other's rows anew.

The folder remembers the file that last wrote to it.  Another file is refused only while that one is still there and still names
this folder: a job that was moved or renamed, a copied workspace, and a folder of before, which remembers nobody, go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError
from pipeline.core.files import read_json, write_json
from pipeline.job.config import JobConfig, folder_name
from pipeline.job.job_file import expand
from pipeline.job.yaml_reader import parse_yaml, read_text


def check(config: JobConfig, record: Path) -> None:
    """Raise ConfigError where the job's folder is that of another job file, by its `record`."""
    owner = read_json(record)
    if owner is None or owner["folder"] != str(config.job_folder):
        return
    other = Path(owner["file"])
    try:
        if not other.is_file() or (config.file.exists() and other.samefile(config.file)):
            return
    except OSError:  # in a folder of somebody else's: nobody can tell, and it is not this one
        return
    if _named_folder(other) in (owner["named"], None):  # None: it cannot be read just now
        raise ConfigError(
            f"{config.file}: name: {other} has the name {config.name!r}, too, and {config.job_folder} is its folder; give this job "
            "a name or a workspace of its own (or delete that file where this one takes its place)"
        )


def note(config: JobConfig, record: Path) -> None:
    """Note that the job's folder is this job file's; a configuration without a file leaves no note."""
    file = config.file.resolve()
    owner = {"file": str(file), "folder": str(config.job_folder), "named": _named_folder(file)}
    if file.is_file() and read_json(record) != owner:
        write_json(record, owner)


def _named_folder(file: Path) -> str | None:
    """Return the folder that a job file names, whatever `--set` made of it; None where it cannot be read."""
    try:
        raw: dict[str, Any] = parse_yaml(read_text(file, "job file"), str(file))
        name, workspace = (expand(raw.get(key, "jobs"), str(file), key) for key in ("name", "workspace"))
        return str((file.parent / str(workspace) / folder_name(str(name))).resolve())
    except (ConfigError, AttributeError, ValueError):  # ValueError: a name that no folder can have
        return None
