"""Rows as JSON, and their digests, by columns: the very bytes that `orjson.dumps` gives of a list of a row's values.

Checksums of rows stand on cards, so these bytes are for good.  Made value by value they were a fifth of what publishing took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

_ROWS = 4096  # joined at once
_ESCAPED = r'["\\\x00-\x1f]'
_NULL = pa.scalar("null")


# one of n bytes is a row of n / 4 numbers of 32 bits, the highest first
Digests = np.ndarray[Any, np.dtype[Any]]


def digests(rows: pa.Table, names: Sequence[str], first: Sequence[Any], size: int) -> Digests:
    """Return BLAKE2b of `size` bytes (a multiple of 4) of each row as a list of `first` and of the row's values."""
    parts = (rows.select(names).slice(start, _ROWS).combine_chunks() for start in range(0, rows.num_rows, _ROWS))
    return _digests((_joined(part, first) for part in parts), size)


def _digests(parts: Iterable[pa.Array], size: int) -> Digests:
    # A copy of a hash of nothing costs two thirds of what a new one does.
    whole, copy = list[bytes](), blake2b(digest_size=size).copy
    for part in parts:
        for text in _bytes_of(part):
            digest = copy()
            digest.update(text)
            whole.append(digest.digest())
    return np.frombuffer(b"".join(whole), ">u4").reshape(-1, size // 4)


def _joined(rows: pa.Table, first: Sequence[Any]) -> pa.Array:
    """Return each row as JSON."""
    # What stands around a column's values, and all of a column that has one value, is joined as one constant a row.
    head = orjson.dumps(list(first)).decode().removesuffix("]") + ("," if first else "")
    parts, before = list[Any](), head
    for number, column in enumerate(rows.columns):
        opening, values, closing = _parts(_one_chunk(column))
        before += ("," if number else "") + opening
        if values is not None:
            parts, before = [*parts, before, values], ""
        before += closing
    if not parts:
        return pa.array([f"{before}]"] * rows.num_rows, pa.string())
    return pc.binary_join_element_wise(*parts, f"{before}]", "")


def _parts(values: pa.Array) -> tuple[str, pa.Array | None, str]:
    """Return values as JSON, as what stands before and behind each of them; None: it is the same for all."""
    if pa.types.is_string(values.type) and values.null_count in (0, len(values)) and len(values):
        if values.null_count:
            return "null", None, ""
        one = values[0].as_py()
        if one == values[-1].as_py() and pc.all(pc.equal(values, one)).as_py():
            return orjson.dumps(one).decode(), None, ""
        return '"', _escaped(values), '"'
    is_texts = pa.types.is_list(values.type) and pa.types.is_string(values.type.value_type) and not values.null_count
    if is_texts and (pc.min(pc.list_value_length(values)).as_py() or 0) > 0:
        inner = values.flatten()
        if not inner.null_count and not _has_escapes(inner):
            return '["', pc.binary_join(values, '","'), '"]'
    if _are_lists_of_numbers(values):
        # what stands between the inner lists is joined with them
        numbers = values.flatten()
        inner = pc.binary_join(pa.ListArray.from_arrays(_starts(numbers), numbers.flatten().cast(pa.string())), ",")
        return "[[", pc.binary_join(pa.ListArray.from_arrays(_starts(values), inner), "],["), "]]"
    return "", _as_json(values), ""


def _are_lists_of_numbers(values: pa.Array) -> bool:
    """Tell whether values are lists of lists of whole numbers, none of them null and each outer one with an inner one."""
    is_one = pa.types.is_list(values.type) and pa.types.is_list(values.type.value_type)
    if not is_one or not pa.types.is_integer(values.type.value_type.value_type) or values.null_count:
        return False
    inner = values.flatten()
    return (
        not (inner.null_count or inner.flatten().null_count) and (pc.min(pc.list_value_length(values)).as_py() or 0) > 0
    )


def _starts(lists: pa.ListArray) -> pa.Array:
    """Return where each list begins among the values of all: of a slice, the first begins anywhere."""
    starts = np.asarray(lists.offsets)
    return pa.array(starts - starts[0], pa.int32())


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _bytes_of(texts: pa.Array) -> list[bytes]:
    """Return the bytes of each text."""
    _, ends, data = texts.buffers()
    bounds = np.frombuffer(ends, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    whole = b"" if data is None else data.to_pybytes()
    return [whole[start:end] for start, end in pairwise(bounds)]


def _as_json(values: pa.Array) -> pa.Array:
    """Return each value as JSON."""
    if pa.types.is_string(values.type):
        return _texts_as_json(values)
    if pa.types.is_integer(values.type):
        return values.cast(pa.string()).fill_null(_NULL)
    if not pa.types.is_list(values.type):
        return pa.array([orjson.dumps(value).decode() for value in values.to_pylist()], pa.string())
    starts = np.asarray(values.offsets)
    inner = _as_json(values.flatten()) if values.null_count == 0 else _as_json(values.values[starts[0] : starts[-1]])
    lists = pa.ListArray.from_arrays(_starts(values), inner)
    whole = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
    return pc.if_else(values.is_null(), _NULL, whole) if values.null_count else whole


def _texts_as_json(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', _escaped(texts), '"', "").fill_null(_NULL)


def _escaped(texts: pa.Array) -> pa.Array:
    """Return texts as JSON has them between its quotation marks."""
    if not _has_escapes(texts):
        return texts
    is_escaped = pc.match_substring_regex(texts, _ESCAPED).fill_null(False)
    escaped = [orjson.dumps(text).decode()[1:-1] for text in texts.filter(is_escaped).to_pylist()]
    return pc.replace_with_mask(texts, is_escaped, pa.array(escaped, pa.string()))


def _has_escapes(texts: pa.Array) -> bool:
    """Tell whether any text has a character that JSON escapes."""
    _, ends, data = texts.buffers()
    if data is None or not len(texts):
        return False
    bounds = np.frombuffer(ends, np.int32)
    letters = np.frombuffer(data, np.uint8)[bounds[texts.offset] : bounds[texts.offset + len(texts)]]
    return bool(((letters < 0x20) | (letters == ord('"')) | (letters == ord("\\"))).any())
