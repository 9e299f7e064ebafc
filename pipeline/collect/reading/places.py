"""Where files lie: on this machine, or behind fsspec (s3://, gs://, https://, memory://)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from pipeline.collect.reading.items import Item
from pipeline.core.errors import ConfigError, InputError, LabelmillError, MissingExtra
from pipeline.core.files import digest_of, printable_path
from pipeline.core.hints import did_you_mean


class Place(Protocol):
    """One file: `name` has its endings, `part` finds it again, `label` is how it is shown."""

    name: str
    part: str
    label: str

    def digest(self) -> str: ...

    def open(self) -> BinaryIO: ...

    def errors(self) -> AbstractContextManager[None]:
        """What may go wrong while it is read, in one line."""


def item(place: Place) -> Item:
    return Item(place.name, place.label, place.open)


def is_remote(pattern: str) -> bool:
    return "://" in pattern


class Local:
    """A file on this machine; its digest is that of its content."""

    def __init__(self, path: Path, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self.path, self.name, self.part = path, path.name, str(path)
        shown = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        self.label = printable_path(shown)
        self._digest_of_file = digest_of_file

    def digest(self) -> str:
        return self._digest_of_file(self.path)

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises InputError for a file that vanished or must not be read."""
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(f"{self.label}: vanished while it was read") from error
        except PermissionError as error:
            raise InputError(f"{self.label}: no permission to read it") from error


def local(pattern: str, folder: Path, digest_of_file: Callable[[Path], str]) -> list[Local]:
    """Files of a path, a folder or a pattern, sorted; hidden ones are left out.  Empty where there are none."""
    base = folder / pattern
    if base.is_file():
        return [Local(base, folder, digest_of_file)]
    found = base.rglob("*") if base.is_dir() else _glob(folder, pattern)
    files = sorted({path for path in found if path.is_file() and not path.name.startswith(".")})
    return [Local(path, folder, digest_of_file) for path in files]


def nothing(pattern: str, folder: Path, count: int, endings: str) -> ConfigError:
    """That none of `count` files is one to read."""
    near = "" if is_remote(pattern) else did_you_mean(Path(pattern).name, _names((folder / pattern).parent))
    found = f"none of {count} files has a known ending" if count else f"no such file{near}"
    where = "" if is_remote(pattern) else f" in {folder}"
    return ConfigError(f"path: {shown(pattern)!r}{where}: {found}; allowed: {endings}")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*")]


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    return Path(path.anchor).glob(str(path.relative_to(path.anchor))) if path.anchor else folder.glob(pattern)


# --- elsewhere ---

_WEB = ("http", "https")


class Remote:
    """A file behind fsspec.  Its digest is that of what the store tells of its version: ETag, size, times."""

    def __init__(self, system: Any, path: str, scheme: str, info: dict[str, Any]) -> None:
        self._system, self._path, self._info = system, path, info
        self._is_web = scheme in _WEB
        address = path if "://" in path else f"{scheme}://{path}"
        self.label = shown(address)
        self.part = (
            f"{self.label} {digest_of(address)[:16]}"  # the label leaves the query out, which may hold a signature
        )
        self.name = urlsplit(address).path.rpartition("/")[2]

    def digest(self) -> str:
        wanted = (
            "ETag",
            "etag",
            "size",
            "LastModified",
            "mtime",
            "updated",
            "created",
            "md5Hash",
            "Content-MD5",
            "Digest",
        )
        return digest_of([self.label, *(f"{name} {self._info[name]}" for name in wanted if self._info.get(name))])

    def open(self) -> BinaryIO:
        with errors(self.label):
            if self._is_web and not _gives_pieces(self._system, self._path):
                return cast(
                    BinaryIO, io.BufferedReader(_Once(self._system.open(self._path, "rb", block_size=0)), 2**20)
                )
            file = self._system.open(self._path, "rb")
            # what fsspec opens has no readline with a limit
            return cast(BinaryIO, file if isinstance(file, io.BufferedIOBase) else io.BufferedReader(file, 2**20))

    def errors(self) -> AbstractContextManager[None]:
        """Raises InputError whatever the store's library raised."""
        return errors(self.label)


class _Once(io.RawIOBase):
    """What can be read from beginning to end only; fsspec says of it that one can go back."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        super().close()
        self._file.close()


def _gives_pieces(system: Any, path: str) -> bool:
    """Whether a web server sends a part of a file where it is asked for one: many send all, and do not say so before."""
    from fsspec.asyn import sync

    async def ask() -> bool:
        session = await system.set_session()
        async with session.get(system.encode_url(path), headers={"Range": "bytes=1-1"}) as answer:
            return bool(answer.status == 206)

    return bool(sync(system.loop, ask))


def remote(pattern: str) -> list[Remote]:
    """Files of an address, of a folder or a pattern there, sorted."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra(f"reading {shown(pattern)}", "remote") from error
    scheme = pattern.partition("://")[0]
    with errors(shown(pattern)):
        system, root = fsspec.core.url_to_fs(pattern, **_options(scheme))
        if any(mark in (root if scheme not in _WEB else urlsplit(root).path) for mark in "*["):
            found = system.glob(root, detail=True)
        elif scheme in _WEB:
            found = {root: system.info(root)}
        else:
            found = system.find(root, detail=True)
    files = [
        Remote(system, path, scheme, info) for path, info in sorted(found.items()) if info.get("type") != "directory"
    ]
    return [file for file in files if file.name and not file.name.startswith(".")]


def _options(scheme: str) -> dict[str, Any]:
    """aiohttp gives any answer five minutes, also one of 20 GB."""
    if scheme not in _WEB:
        return {}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, connect=30, sock_read=120)}}


def shown(address: str) -> str:
    """An address without what may be a secret: user, password, and the query of a signed link."""
    if not is_remote(address):
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def errors(label: str) -> Iterator[None]:
    """What a file system raises, in one line: a dozen libraries raise as they like."""
    try:
        yield
    except LabelmillError:
        raise
    except ImportError as error:
        raise InputError(f"{label}: {str(error).splitlines()[0]} (pip install 'labelmill[remote]')") from error
    except Exception as error:
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else None  # fsspec says so of dead servers too
        missing = cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404
        if isinstance(error, FileNotFoundError) and missing:
            raise ConfigError(f"path: {label}: no such file") from None
        error = cause if isinstance(cause, Exception) else error
        told = " ".join(str(error).split()).partition("?")[0][:200]  # the query of a signed link is a secret
        raise InputError(f"{label}: cannot be read: {type(error).__name__}: {told}") from error
