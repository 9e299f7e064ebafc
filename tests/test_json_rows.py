"""JSON of rows by columns: the bytes that stand in checksums on cards, whatever the rows hold."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.versions import json_rows

_TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from('"\\\n\x7f\x1f')
_NUMBERS = st.none() | st.integers(-(2**31), 2**31 - 1)
_LISTS = st.none() | st.lists(_TEXTS, max_size=3)
_SPANS = st.none() | st.lists(st.none() | st.lists(_NUMBERS, max_size=2), max_size=3)
_STRUCTS = st.none() | st.fixed_dictionaries({"a": _TEXTS, "b": st.none() | st.floats(allow_nan=False)})
_ROWS = st.lists(st.tuples(_TEXTS, _LISTS, _SPANS, _STRUCTS, _NUMBERS), max_size=12)
_TYPES = [
    pa.string(),
    pa.list_(pa.string()),
    pa.list_(pa.list_(pa.int32())),
    pa.struct({"a": pa.string(), "b": pa.float64()}),
    pa.int32(),
]


def expected(rows: list[list[Any]], first: list[Any], size: int) -> list[bytes]:
    return [blake2b(orjson.dumps([*first, *row]), digest_size=size).digest() for row in rows]


@given(_ROWS, st.integers(0, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_digests_are_those_of_the_values_one_by_one(rows: list[Any], cut: int, with_first: bool) -> None:
    names, first = list("abcde"), [None, ["é"]] if with_first else []
    columns = zip(*rows, strict=True) if rows else [[]] * 5
    table = pa.table([pa.array(list(v), kind) for v, kind in zip(columns, _TYPES, strict=True)], names=names)
    parts = pa.concat_tables([table.slice(cut), table.slice(0, cut)])
    made = json_rows.digests(parts, names, first, 16)
    assert [row.tobytes() for row in made] == expected([list(row.values()) for row in parts.to_pylist()], first, 16)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_columns_of_other_libraries_are_the_same(kind: pa.DataType) -> None:
    values = ["a", None, '"', "a"] * 2000  # more than are joined at once
    table = pa.table({"a": pa.array(values, pa.string()).cast(kind)})
    assert [row.tobytes() for row in json_rows.digests(table, ["a"], [], 8)] == expected([[v] for v in values], [], 8)
