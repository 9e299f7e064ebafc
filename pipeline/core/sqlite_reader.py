"""Reading of an SQLite file that others may be writing, without a trace: no file appears or changes, in a read-only folder, too."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a connection to the file as it stands.  Raises sqlite3.Error where it is damaged.

    A file in WAL mode is more than one: while somebody has it open, or after a kill, `-wal` holds its newest pages, and opening
    it even to read makes `-shm`.  Without a `-wal` nobody writes, so the file is read as one that never changes; with one the
    shared files are used as they are, and where that is not possible (a read-only folder) a copy is read.
    """
    wal, shared = (path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm"))
    if not (wal.exists() and wal.stat().st_size):
        with closing(_connect(path, "immutable=1")) as database:
            yield database
        return
    if shared.exists():
        database = _connect(path, "mode=ro")
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:  # the folder, or the shared file, cannot be written
            database.close()
        else:
            with closing(database):
                yield database
            return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, copy.with_name(wal.name))
        with closing(sqlite3.connect(copy, isolation_level=None, check_same_thread=False)) as database:
            yield database


def _connect(path: Path, how: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?{how}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=60)
