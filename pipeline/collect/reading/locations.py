"""Locations of files: on this machine, or behind fsspec (s3://, gs://, https://, memory://)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from unicodedata import normalize
from urllib.parse import urlsplit

from pipeline.collect.reading.items import InputItem
from pipeline.core import stores
from pipeline.core.errors import ConfigError, InputError, LabelmillError, MissingExtra
from pipeline.core.files import digest_of, file_digest, printable_path
from pipeline.core.hints import did_you_mean


class FileLocation(Protocol):
    """Location of one file: `name` has its endings, `part` is its key in a unit, `label` is shown to people."""

    name: str
    part: str
    label: str

    def digest(self) -> str:
        """Return a digest that changes with the content."""

    def open(self) -> BinaryIO:
        """Open the bytes as they are stored."""

    def errors(self) -> AbstractContextManager[None]:
        """Raise what goes wrong while it is read as an error of one line."""


def item(location: FileLocation) -> InputItem:
    """Return what a reader reads at a location."""
    return InputItem(location.name, location.label, location.open)


def is_remote(pattern: str) -> bool:
    """Return whether a pattern is a URL, for fsspec."""
    return "://" in pattern


class LocalFile:
    """A file on this machine; its digest is that of its content."""

    def __init__(self, path: Path, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self.path, self.name, self.part = path, path.name, str(path)
        shown = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        self.label = printable_path(shown)
        self._digest_of_file = digest_of_file

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_digest_of_file": file_digest}  # a cache of all files' digests stays here

    def digest(self) -> str:
        return self._digest_of_file(self.path)

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise InputError for a file that vanished or must not be read."""
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(f"{self.label}: vanished while it was read") from error
        except PermissionError as error:
            raise InputError(f"{self.label}: no permission to read it") from error


def local_files(pattern: str, folder: Path, digest_of_file: Callable[[Path], str]) -> list[LocalFile]:
    """Return the files of a path, a folder or a pattern, sorted, without hidden ones."""
    base = folder / pattern
    if not (base.exists() or pattern.isascii()):
        base = _of_another_form(folder, pattern) or base
    if base.is_file():
        return [LocalFile(base, folder, digest_of_file)]
    paths = base.rglob("*") if base.is_dir() else _glob(folder, pattern)
    files = sorted({path for path in paths if path.is_file() and not path.name.startswith(".")})
    return [LocalFile(path, folder, digest_of_file) for path in files]


def no_file_error(pattern: str, folder: Path, count: int, endings: str) -> ConfigError:
    """Return the error that none of `count` files has a known ending, or that there are none."""
    hint = "" if is_remote(pattern) else did_you_mean(Path(pattern).name, _names((folder / pattern).parent))
    message = f"none of {count} files has a known ending" if count else f"no such file{hint}"
    where = "" if is_remote(pattern) else f" in {folder}"
    return ConfigError(f"path: {shown(pattern)!r}{where}: {message}; allowed: {endings}")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*")]


def _of_another_form(folder: Path, pattern: str) -> Path | None:
    """Return the path that is the given one in NFC: macOS gives Hangul decomposed names, which people do not type."""
    return next((path for path in _glob_in_nfc(folder, pattern) if not any(mark in pattern for mark in "*?[")), None)


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    if not pattern.isascii():
        return _glob_in_nfc(folder, pattern)
    path = Path(pattern)
    return Path(path.anchor).glob(str(path.relative_to(path.anchor))) if path.anchor else folder.glob(pattern)


def _glob_in_nfc(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what matches a pattern, each once, where names are compared in NFC."""
    path = Path(normalize("NFC", pattern))
    begin, parts = (Path(path.anchor), path.parts[1:]) if path.anchor else (folder, path.parts)
    yield from dict.fromkeys(_below(begin, parts))


def _below(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    if not parts:
        yield folder
    elif parts[0] == "**":
        yield from _below(folder, parts[1:])
        for child in _children(folder):
            if child.is_dir() and not child.is_symlink():
                yield from _below(child, parts)
    elif parts[0] in ("..", "."):
        yield from _below(folder / parts[0], parts[1:])
    else:
        for child in _children(folder):
            if fnmatchcase(normalize("NFC", child.name), parts[0]):
                yield from _below(child, parts[1:])


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # no folder, or one that is not ours to read
        return []


# --- elsewhere ---

_WEB = ("http", "https")


class RemoteFile:
    """A file behind fsspec; its digest is made of what the store tells of its version: ETag, size, times."""

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
        names = (
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
        return digest_of([self.label, *(f"{name} {self._info[name]}" for name in names if self._info.get(name))])

    def open(self) -> BinaryIO:
        with errors(self.label):
            if self._is_web and not _serves_ranges(self._system, self._path):
                return cast(
                    BinaryIO, io.BufferedReader(_ForwardOnly(self._system.open(self._path, "rb", block_size=0)), 2**20)
                )
            file = self._system.open(self._path, "rb")
            # what fsspec opens has no readline with a limit
            return cast(BinaryIO, file if isinstance(file, io.BufferedIOBase) else io.BufferedReader(file, 2**20))

    def errors(self) -> AbstractContextManager[None]:
        """Raise whatever the store's library raises as InputError or ConfigError."""
        return errors(self.label)


class _ForwardOnly(io.RawIOBase):
    """A stream that can be read forward only, and says so; fsspec's own claims to be seekable."""

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


def _serves_ranges(system: Any, path: str) -> bool:
    """Return whether a web server serves ranges of a file; many send all of it, and do not say so before."""
    from fsspec.asyn import sync

    async def ask() -> bool:
        session = await system.set_session()
        async with session.get(system.encode_url(path), headers={"Range": "bytes=1-1"}) as answer:
            return bool(answer.status == 206)

    return bool(sync(system.loop, ask))


def remote_files(pattern: str) -> list[RemoteFile]:
    """Return the files of a URL, of a folder or a pattern there, sorted.  Raises MissingExtra, ConfigError, InputError."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra(f"reading {shown(pattern)}", "remote") from error
    scheme = pattern.partition("://")[0]
    if scheme in ("s3", "gs") and "@" in urlsplit(pattern).netloc:
        # no library reads them there: it would take them for the bucket's name, and tell it in its error
        raise ConfigError(
            f"path: {shown(pattern)}: write it without credentials: those are taken from where the store's own tools have them"
        )
    with errors(shown(pattern)):
        system, root = fsspec.core.url_to_fs(pattern, **_options(scheme))
        if any(mark in (root if scheme not in _WEB else urlsplit(root).path) for mark in "*["):
            info_by_path = system.glob(root, detail=True)
        elif scheme in _WEB:
            info_by_path = {root: system.info(root)}
        else:
            info_by_path = system.find(root, detail=True)
    files = [
        RemoteFile(system, path, scheme, info)
        for path, info in sorted(info_by_path.items())
        if info.get("type") != "directory"
    ]
    return [file for file in files if file.name and not file.name.startswith(".")]


def _options(scheme: str) -> dict[str, Any]:
    """Return fsspec's options: without a total timeout, for aiohttp's five minutes are too short for 20 GB."""
    if scheme not in _WEB:
        return stores.options(scheme) if scheme in stores.SCHEMES else {}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, connect=30, sock_read=120)}}


def shown(address: str) -> str:
    """Return a path as it is, an address without what may be a secret."""
    return stores.shown(address) if is_remote(address) else address


@contextmanager
def errors(label: str) -> Iterator[None]:
    """Raise what a file system raises as an error of one line: a dozen libraries raise as they like."""
    is_stored = label.partition("://")[0] in stores.SCHEMES
    try:
        with stores.errors(label, "read and list") if is_stored else nullcontext():
            yield
    except LabelmillError:
        raise
    except ImportError as error:
        raise InputError(f"{label}: {str(error).splitlines()[0]} (pip install 'labelmill[remote]')") from error
    except Exception as error:
        # fsspec raises FileNotFoundError for dead servers too, with the reason as its cause
        cause = error.__cause__ if isinstance(error, FileNotFoundError) and not is_stored else None
        is_missing = cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404
        if isinstance(error, FileNotFoundError) and is_missing:
            raise ConfigError(f"path: {label}: no such file") from None
        error = cause if isinstance(cause, Exception) else error
        raise InputError(f"{label}: cannot be read: {type(error).__name__}: {stores.one_line(error)}") from error
