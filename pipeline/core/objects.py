"""Paths in object stores (s3://, gs://, az://): as much of `pathlib.Path` as folders of shards need, behind fsspec.

An object is there whole or not at all, so nothing is renamed or synced here.  Nothing is cached either, but within `looked_at`:
other processes write beside this one.  What goes wrong is one line that names the bucket; a missing object alone is a
FileNotFoundError, as of a `Path`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pipeline.core import stores
from pipeline.core.errors import InputError

_FILES = (".json", ".parquet")  # all that a folder of shards has; `split.signatures` is a folder


@dataclass(frozen=True, order=True)
class ObjectPath:
    """Path of an object, or of all objects below it; `path` is `bucket/key` without slashes at its ends."""

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.scheme, f"{self.path}/{name}")

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def parent(self) -> ObjectPath:
        return ObjectPath(self.scheme, self.path.rpartition("/")[0])

    def with_name(self, name: str) -> ObjectPath:
        return self.parent / name

    @property
    def bucket(self) -> str:
        return f"{self.scheme}://{self.path.partition('/')[0]}"

    def exists(self) -> bool:
        """Return whether there is such an object, or one below it."""
        if (look := self._look()) is not None:
            return self.name in look.sizes
        try:
            self._info()
        except FileNotFoundError:
            return False
        return True

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield the objects right below that have such a name; one listing, however many pages it has."""
        look = None if (looks := _looks.get()) is None else _look_of(looks, self)
        for name in list(self._sizes() if look is None else look.sizes):
            if fnmatchcase(name, pattern):
                yield self / name

    def read_bytes(self) -> bytes:
        """Return the whole object.  Raises FileNotFoundError."""
        if self.suffix == ".json" and (look := self._look()) is not None:
            return look.content(self)
        with self._errors():
            return cast(bytes, self._system.cat_file(self.path))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open the object to read parts of it: each read is a request of just these bytes."""
        assert mode == "rb", "objects are written whole"
        if (look := self._look()) is None:
            size = int(self._info()["size"])
        elif (size := look.sizes.get(self.name, -1)) < 0:
            raise FileNotFoundError(f"{self}: no such object")
        return cast(BinaryIO, _Ranges(self, size))

    def read_range(self, start: int, end: int) -> bytes:
        """Return some bytes of the object."""
        with self._errors():
            return cast(bytes, self._system.cat_file(self.path, start=start, end=end))

    def upload(self, file: Path) -> None:
        """Write the object from a file, in parts where it is large: it is there when all of them are."""
        with self._errors():
            self._system.put_file(str(file), self.path)

    def write_bytes(self, data: bytes) -> None:
        """Write the object: whole, or it stays as it was."""
        try:
            with self._errors():
                self._system.pipe_file(self.path, data)
        except FileNotFoundError as error:
            raise InputError(f"{self.bucket}: there is no such bucket; make it, or correct the address") from error
        if (look := self._look()) is not None:
            look.wrote(self.name, data)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with self._errors():
                self._system.rm_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise
        if (look := self._look()) is not None:
            look.removed(self.name)

    def remove_all(self) -> None:
        """Remove every object below."""
        for entry in self._entries():
            below = self / entry["name"].rstrip("/").rpartition("/")[2]
            if entry["type"] == "directory":
                below.remove_all()
            else:
                below.unlink(missing_ok=True)

    def read_each(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the objects right below with these names, as many at once as the store's library asks for."""
        read = dict[str, bytes]()
        with self._errors():
            contents = self._system.cat_ranges([f"{self.path}/{name}" for name in names], None, None, on_error="return")
            for name, content in zip(names, contents, strict=True):
                if isinstance(content, bytes):
                    read[name] = content
                elif not isinstance(content, FileNotFoundError):
                    raise content
        return read

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    def _look(self) -> _Look | None:
        """Return the look at the folder of this object, where the process is within one, and this has the name of a file."""
        looks = _looks.get()
        return None if looks is None or self.suffix not in _FILES else _look_of(looks, self.parent)

    def _sizes(self) -> dict[str, int]:
        files = (entry for entry in self._entries() if entry["type"] != "directory")
        return {entry["name"].rpartition("/")[2]: int(entry["size"]) for entry in files}

    @property
    def _system(self) -> Any:
        return stores.system(self.scheme, os.getpid())

    def _info(self) -> dict[str, Any]:
        with self._errors():
            self._system.invalidate_cache(self.path)
            return cast(dict[str, Any], self._system.info(self.path))

    def _entries(self) -> list[dict[str, Any]]:
        try:
            with self._errors():
                self._system.invalidate_cache(self.path)
                return sorted(self._system.ls(self.path, detail=True), key=lambda entry: str(entry["name"]))
        except FileNotFoundError:
            return []

    def _errors(self) -> AbstractContextManager[None]:
        return stores.errors(str(self), "read, write, delete and list")


AnyPath = Path | ObjectPath


def path_of(address: str) -> AnyPath:
    """Return the path of an address: of a folder of this machine where it is `file://`.  Raises ValueError for any other."""
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.strip("/"):
        return Path(unquote(parts.path))
    stores.check(address)
    return ObjectPath(parts.scheme, address.partition("://")[2].strip("/"))


class _Look:
    """What a folder held when it was looked at (sizes by name, and its JSON files), with what this process wrote since."""

    def __init__(self, folder: ObjectPath) -> None:
        self._folder, self.sizes, self._read = folder, folder._sizes(), dict[str, bytes]()

    def content(self, path: ObjectPath) -> bytes:
        """Return what is in a JSON file of the folder; with the first, all are read."""
        if path.name in self.sizes and path.name not in self._read:
            self._read |= self._folder.read_each([name for name in self.sizes if name.endswith(".json")])
        if path.name not in self._read:
            raise FileNotFoundError(f"{path}: no such object")
        return self._read[path.name]

    def wrote(self, name: str, data: bytes) -> None:
        self.sizes[name] = len(data)
        if name.endswith(".json"):
            self._read[name] = data

    def removed(self, name: str) -> None:
        self.sizes.pop(name, None)
        self._read.pop(name, None)


_looks: ContextVar[dict[ObjectPath, _Look] | None] = ContextVar("looks", default=None)


def _look_of(looks: dict[ObjectPath, _Look], folder: ObjectPath) -> _Look:
    return looks[folder] if folder in looks else looks.setdefault(folder, _Look(folder))


@contextmanager
def looked_at() -> Iterator[None]:
    """Look at each folder once: a listing, and all of its manifests at once, instead of some requests a shard.

    What other processes write meanwhile is seen after `look_again`.
    """
    if _looks.get() is not None:
        yield
        return
    token = _looks.set({})
    try:
        yield
    finally:
        _looks.reset(token)


def look_again() -> None:
    """Forget what folders held, within `looked_at`: other processes wrote to them."""
    if (looks := _looks.get()) is not None:
        looks.clear()


class _Ranges(io.RawIOBase):
    """An object as a file that reads what is asked for, and nothing ahead: columns lie apart from each other."""

    def __init__(self, path: ObjectPath, size: int) -> None:
        self._path, self._size, self._at = path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        data = self._path.read_range(self._at, end) if end > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
