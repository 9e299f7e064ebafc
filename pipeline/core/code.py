"""Digest of the program's own code: a cache of what some code made is of no use once that is other code."""

from __future__ import annotations

import sys
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path


@cache
def digest_of_code(*packages: str) -> str:
    """Return the hex SHA-256 of all modules of some packages, and of the Python that runs them (its tables of Unicode)."""
    digest = sha256(sys.version.encode())
    for package in packages:
        folder = Path(str(import_module(package).__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(
                b"\0".join([package.encode(), file.relative_to(folder).as_posix().encode(), file.read_bytes()])
            )
    return digest.hexdigest()
