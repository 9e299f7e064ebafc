"""Reader of JSON Lines."""

from __future__ import annotations

import json
from typing import BinaryIO

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows, wrong_encoding
from pipeline.core.types import BadRow, RawRow


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield one row per line that is not blank."""
    line, label = 0, item.label
    stream, encoding = item.recoded(item.encoding(options))
    with stream as file:
        try:
            while raw := file.readline(options.max_row_bytes + 1):
                line += 1
                if len(raw) > options.max_row_bytes and not raw.endswith(b"\n"):
                    size = len(raw) + _skip_line(file)
                    yield BadRow(
                        label, line, "row_too_large", f"{size} bytes; max_row_bytes is {options.max_row_bytes}"
                    )
                elif raw.strip():
                    yield parse(raw, label, line, encoding)
        except DAMAGE as error:
            yield BadRow(label, line + 1, "damaged_file", f"the rest cannot be read ({error})")


def _skip_line(file: BinaryIO) -> int:
    size = 0
    while piece := file.readline(2**20):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def parse(raw: bytes, label: str, line: int, encoding: str) -> RawRow | BadRow:
    """Return the row of one JSON object, or a BadRow."""
    try:
        value = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        return BadRow(label, line, "wrong_encoding", wrong_encoding(encoding, error.start))
    except (ValueError, RecursionError) as error:
        return BadRow(label, line, "torn_line", f"not JSON: {error}"[:200])
    if not isinstance(value, dict):
        return BadRow(label, line, "not_an_object", f"a JSON {type(value).__name__}")
    return RawRow(label, line, value)
