"""Parquet is read in memory that does not grow with the file."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import PEAK, ROOT

READ = """
from pathlib import Path
from pipeline.collect.reading import parquet
from pipeline.collect.reading.items import InputItem, ReadOptions
import pyarrow.parquet
def rows(path):
    item = InputItem(path.name, path.name, lambda: path.open("rb"))
    return sum(1 for _ in parquet.read(item, ReadOptions("auto", 10**7, None, {}, None)))
rows(Path(sys.argv[1])), (before := peak())
print(rows(Path(sys.argv[2])), peak() - before)
"""
_TEXT, _LARGE = 4000, 30_000  # characters a row; rows


@pytest.mark.slow
@pytest.mark.parametrize("rows_a_group", [1000, 100_000])
def test_a_file_is_read_in_flat_memory(tmp_path: Path, rows_a_group: int) -> None:
    """Also where it is one row group, as pandas writes it."""
    hexadecimal = random.Random(0).randbytes(_LARGE * _TEXT // 2).hex()  # which nothing compresses below its half
    for name, count in (("small.parquet", 1000), ("large.parquet", _LARGE)):
        texts = [hexadecimal[_TEXT * number : _TEXT * (number + 1)] for number in range(count)]
        table = pa.table({"id": range(count), "text": texts})
        pq.write_table(table, tmp_path / name, row_group_size=rows_a_group, compression="zstd")
    assert (tmp_path / "large.parquet").stat().st_size > 60e6
    files = [str(tmp_path / name) for name in ("small.parquet", "large.parquet")]
    result = subprocess.run(
        [sys.executable, "-c", PEAK + READ, *files], capture_output=True, text=True, cwd=ROOT, check=True
    )
    count, megabytes = map(int, result.stdout.split())
    assert count == _LARGE and megabytes < 50
