"""Plain files: digests, writes that are whole or not at all, append-only logs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.objects import AnyPath, ObjectPath


def digest_of(value: Any) -> str:
    """Return the hex SHA-256 of a JSON-able value in canonical form (sorted keys, no spaces, UTF-8)."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces, in UTF-8: the same bytes for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def file_digest(path: AnyPath) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    if isinstance(path, ObjectPath):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable_path(path: Path) -> str:
    r"""Return a path as text that every file can hold: a name that is no UTF-8 gets `\xe9` for its odd bytes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error of the system name the file: of a disk that is full it names none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_bytes(path: AnyPath, data: bytes, durable: bool = True) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut unless `durable` is false."""
    if isinstance(path, ObjectPath):
        return path.write_bytes(data)
    if is_device(path):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, for a rename is atomic within one file system; with the process's number, for two may write one name.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), temporary.open("wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        # BaseException: Ctrl-C in the middle must leave no half of a file, either.
        temporary.unlink(missing_ok=True)
        raise


def is_device(path: Path) -> bool:
    """Tell whether a path is a device or a pipe, such as /dev/stdout: it is written into, for a file must not take its place."""
    return path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir())


def rename(path: AnyPath, new: AnyPath) -> None:
    """Give a small file another name; an object is written anew under it."""
    if isinstance(path, Path):
        path.replace(str(new))
    else:
        write_bytes(new, path.read_bytes())
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk before anything that follows."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder, and keeps names in its journal
    opened = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows syncs only what may be written
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_tree(folder: Path) -> None:
    """Have all that a folder holds on the disk before anything that follows."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def next_numbered(folder: Path, suffix: str) -> Path:
    """Return the next file of a log whose files are numbered: not by their count, so that where one is missing none is replaced."""
    numbers = [int(file.stem) for file in folder.glob(f"*{suffix}") if file.stem.isdecimal()]
    return folder / f"{max(numbers, default=0) + 1:06d}{suffix}"


def write_json(path: AnyPath, value: Any, durable: bool = True) -> None:
    """Write a value as indented JSON, whole or not at all (see `write_bytes`)."""
    write_bytes(path, json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", durable)


def read_json(path: AnyPath) -> Any:
    """Return the value, or None where the file is missing.  Raises InputError for a file that is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); delete it and run again") from error


def recall_json(path: AnyPath) -> Any:
    """Return the value, or None where the file is missing or damaged: of what is kept only so that it need not be done again."""
    try:
        return read_json(path)
    except InputError:
        return None


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a log, durably; a torn last line of an earlier crash is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            # A torn line stays one damaged line; without an end it would swallow the next entry, too.
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line.rstrip(b"\n") + b"\n")
        file.flush()
        os.fsync(file.fileno())
