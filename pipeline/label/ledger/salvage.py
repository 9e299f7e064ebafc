"""Saving what can be read of a damaged SQLite ledger.

First by SQL, in ranges of row numbers; then page by page, for where a page that leads to others is gone, SQL finds none
of them.  The file format: https://www.sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.label.ledger.schema import COLUMNS
from pipeline.label.ledger.sqlite import SQLite

Row = tuple[Any, ...]

_NAMES = COLUMNS.split(", ")
_STATUS, _FINISHED_AT = _NAMES.index("status"), _NAMES.index("finished_at")
_WAL_HEADER, _FRAME_HEADER = 32, 24  # bytes
_LEAF = 0x0D  # the first byte of a page that holds rows
_INTEGERS = (0, 1, 2, 3, 4, 6, 8)  # bytes of an integer, by serial type


def salvage(path: Path) -> tuple[int, Path]:
    """Move what can be read of a damaged file into a new one in its place.

    Return how many records were saved and where the damaged file is kept.  What was spent is taken from the records;
    what only unreadable ones held is not known any more.
    """
    fresh = path.with_name(f"{path.name}.salvaged")
    fresh.unlink(missing_ok=True)
    with closing(SQLite(fresh)) as target:
        saved = _copy(path, target)
    damaged = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    path.rename(damaged)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(damaged.with_name(damaged.name + suffix))
    # Last: until then the damaged file is where it was, or beside it under a name that says so.
    fresh.rename(path)
    return saved, damaged


def _copy(path: Path, target: SQLite) -> int:
    marks = ", ".join("?" * len(_NAMES))
    with target.transaction(durable=True):
        for rows in (*_by_sql(path), *_by_page(path)):
            target.executemany(
                f"INSERT INTO replies ({COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
                [row for row in rows if _is_whole(row)],
            )
        _copy_batches(path, target)
        target.execute(
            """INSERT INTO workers (worker, host, pid, born, started_at, lease_until, spent_usd)
               SELECT 'salvaged', '', 0, '', 0, 0, coalesce(sum(cost_usd), 0) FROM replies"""
        )
        return int(target.execute("SELECT count(*) FROM replies")[0][0])


def _copy_batches(path: Path, target: SQLite) -> None:
    """Copy the batches that are under way, with their claims: what they hold is answered, and paid, without anybody asking."""
    of_them = "IN (SELECT name FROM batches WHERE settled_at IS NULL)"
    queries = {
        "batches": "SELECT * FROM batches WHERE settled_at IS NULL",
        "claims": f"SELECT * FROM claims WHERE worker {of_them}",  # noqa: S608
        "workers": f"SELECT * FROM workers WHERE worker {of_them}",  # noqa: S608
    }
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source:
        for table, query in queries.items():
            with suppress(sqlite3.DatabaseError):  # damaged, or of before there were batches
                cursor = source.execute(query)
                names = [column[0] for column in cursor.description]
                marks = ", ".join("?" * len(names))
                insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
                target.executemany(insert, cursor.fetchall())
    target.execute("UPDATE workers SET spent_usd = 0")  # the records say what was spent


def _is_whole(row: Row) -> bool:
    """Return whether a row is a record, and no other table's."""
    return (
        len(row) == len(_NAMES)
        and isinstance(row[0], bytes)
        and len(row[0]) == 32
        and isinstance(row[1], int)
        and row[_STATUS] in ("answered", "rejected")
        and isinstance(row[_FINISHED_AT], str)
    )


def _by_sql(path: Path) -> Iterator[list[Row]]:
    """Yield rows by ranges of row numbers; a range that cannot be read is halved until the bad rows are left out."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as source:
        try:
            columns_there = {row[1] for row in source.execute("PRAGMA table_info(replies)")}
        except sqlite3.DatabaseError:
            return
        columns = ", ".join(name if name in columns_there else "NULL" for name in _NAMES)
        # A record has a key of 32 bytes and is never deleted, so row numbers end before this; higher ones, of rows that stand only
        # in the log, are found by its pages.
        ranges = [(0, max(path.stat().st_size // 32, 1024))]
        while ranges:
            first, last = ranges.pop()
            try:
                query = f"SELECT {columns} FROM replies NOT INDEXED WHERE rowid BETWEEN ? AND ?"  # noqa: S608
                yield source.execute(query, (first, last)).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                if first < last:
                    middle = (first + last) // 2
                    ranges += [(middle + 1, last), (first, middle)]


# --- page by page ---


def _by_page(path: Path) -> Iterator[list[Row]]:
    """Yield the rows of every page that still has any, in the file and in the log of what is not in it yet."""
    data = path.read_bytes()
    size = _page_size(data)
    log = path.with_name(f"{path.name}-wal")
    # Pages of the log are newer than those of the file.
    frames = log.read_bytes()[_WAL_HEADER:] if log.exists() else b""
    pages = [data[offset : offset + size] for offset in range(0, len(data), size)]
    newer = {}
    for offset in range(0, len(frames) - size - _FRAME_HEADER + 1, size + _FRAME_HEADER):
        number = int.from_bytes(frames[offset : offset + 4], "big")
        newer[number] = frames[offset + _FRAME_HEADER : offset + _FRAME_HEADER + size]
        yield list(_rows(newer[number], pages, newer))
    for page in pages:
        yield list(_rows(page, pages, newer))


def _page_size(data: bytes) -> int:
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size in (1 << power for power in range(9, 17)) else 4096


def _rows(page: bytes, pages: list[bytes], newer: dict[int, bytes]) -> Iterator[Row]:
    if page[:1] != bytes([_LEAF]):
        return
    for cell in range(int.from_bytes(page[3:5], "big")):
        offset = int.from_bytes(page[8 + 2 * cell : 10 + 2 * cell], "big")
        with suppress(IndexError, ValueError, struct.error):  # the damage goes through this cell
            length, offset = _varint(page, offset)
            _, offset = _varint(page, offset)
            yield _values(_payload(page, offset, length, pages, newer))


def _payload(page: bytes, offset: int, length: int, pages: list[bytes], newer: dict[int, bytes]) -> bytes:
    """Return a row's bytes: as many as fit into its page, then those of the pages that it flows over to."""
    usable = len(page)
    if not 0 < length < 1 << 30:
        raise ValueError
    if length <= usable - 35:
        return page[offset : offset + length]
    least = (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)  # bytes in this page
    local = local if local <= usable - 35 else least
    payload = bytearray(page[offset : offset + local])
    following = int.from_bytes(page[offset + local : offset + local + 4], "big")
    while len(payload) < length:
        if not following:
            raise ValueError
        overflow = newer.get(following) or pages[following - 1]
        payload += overflow[4:]
        following = int.from_bytes(overflow[:4], "big")
    return bytes(payload[:length])


def _values(payload: bytes) -> Row:
    end, offset = _varint(payload, 0)
    types = []
    while offset < end:
        kind, offset = _varint(payload, offset)
        types.append(kind)
    values = []
    for kind in types:
        value, offset = _value(payload, kind, offset)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, kind: int, offset: int) -> tuple[Any, int]:
    if kind < 7:
        size = _INTEGERS[kind]
        return (int.from_bytes(payload[offset : offset + size], "big", signed=True) if kind else None), offset + size
    if kind == 7:
        return struct.unpack(">d", payload[offset : offset + 8])[0], offset + 8
    if kind in (8, 9):
        return kind - 8, offset
    size = (kind - 12) // 2
    if kind < 12 or offset + size > len(payload):
        raise ValueError
    raw = payload[offset : offset + size]
    return (raw.decode() if kind % 2 else raw), offset + size


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """Return (value, where it ends) of a number of up to nine bytes, seven bits each."""
    value = 0
    for number in range(8):
        value = value << 7 | data[offset + number] & 0x7F
        if data[offset + number] < 0x80:
            return value, offset + number + 1
    return value << 8 | data[offset + 8], offset + 9
