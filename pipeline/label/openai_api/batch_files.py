"""Files of answers on this machine: in which order their lines are read, and whether a download may go on."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.label.openai_api.error_body import as_dict, parse_json

_ID = re.compile(rb'"custom_id"\s*:\s*"(.{8})')
_HEAD = 1 << 20  # bytes


def may_go_on(path: Path) -> bool:
    """Return whether a file is the beginning of answers, to which the rest may be added: not a gateway's page that came for them."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        line, end, _ = file.read(_HEAD).partition(b"\n")
    return isinstance(as_dict(parse_json(line)).get("custom_id"), str) if end else line.startswith(b"{")


def by_id(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file in the order of their ids, of those with the same one the first first.

    Whoever stores some thousand answers at once then writes a few pages of an index over random keys, and not all of them: of a
    million answers each would be written anew by every group.  An id that is spelled otherwise only comes at another time.
    """
    begins, starts = array("Q"), array("q", [0])
    for line in file:
        match = _ID.search(line)
        begins.append(int.from_bytes(match[1], "big") if match else 0)
        starts.append(starts[-1] + len(line))
    for number in np.argsort(np.frombuffer(begins, np.uint64), kind="stable").tolist():
        file.seek(starts[number])
        yield file.read(starts[number + 1] - starts[number])
