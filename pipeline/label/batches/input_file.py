"""The file of a batch: a line for each request, under the key that it has in the ledger."""

from __future__ import annotations

import base64
import binascii
import os
import re
import uuid
from pathlib import Path
from typing import BinaryIO

from pipeline.core.files import naming

_KEY_BYTES = 32
_STANDARD = bytes.maketrans(b"-_", b"+/")  # base64url in letters of base64


def batch_name(job: str) -> str:
    """Return a new name for a batch of a job: it is that of its worker in the ledger, and stands in its metadata."""
    return f"{re.sub('[^A-Za-z0-9._-]', '', job)[:40] or 'job'}-{uuid.uuid4().hex[:16]}"


def custom_id(key: bytes, ask: int) -> str:
    """Return what a request is called in a batch: its ledger key in base64url, and which ask this is; 64 characters at most."""
    return f"{base64.urlsafe_b64encode(key).rstrip(b'=').decode()}-{ask}"


def key_of(name: str) -> tuple[bytes, int] | None:
    """Return (ledger key, ask) of a `custom_id`; None for what is none of ours."""
    encoded, _, ask = name.rpartition("-")
    try:
        # what `base64.b64decode` does, which makes a table each time
        padded = encoded.encode() + b"=" * (-len(encoded) % 4)
        key = binascii.a2b_base64(padded.translate(_STANDARD), strict_mode=True)
    except ValueError:
        return None
    return (key, int(ask)) if len(key) == _KEY_BYTES and ask.isdecimal() and 0 < int(ask) < 1000 else None


class InputFile:
    """A file of requests that is being written.  `requests` and `size` (bytes) are bounded by `most_requests` and `most_bytes`."""

    def __init__(self, path: Path, most_requests: int, most_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._most_requests, self._most_bytes = path, most_requests, most_bytes
        self._file: BinaryIO = path.open("wb", buffering=1 << 20)
        self.requests, self.size = 0, 0

    def room(self, lines: list[bytes]) -> int:
        """Return how many of these lines still fit, the first ones first; a file that is empty takes one of any size."""
        size, count = self.size, 0
        for line in lines[: max(0, self._most_requests - self.requests)]:
            size += len(line)
            # Alone a line goes in whatever its size: the endpoint may take it, and otherwise says why not.
            if size > self._most_bytes and self.requests + count:
                break
            count += 1
        return count

    def write(self, lines: list[bytes]) -> None:
        """Append lines."""
        with naming(self.path):
            self._file.writelines(lines)
        self.requests += len(lines)
        self.size += sum(map(len, lines))

    def close(self) -> None:
        """Have all of it on the disk."""
        with naming(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
