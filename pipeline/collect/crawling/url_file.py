"""A file of addresses, one a line, as people keep it: blank lines and those that begin with `#` do not count."""

from __future__ import annotations

from pathlib import Path

from pipeline.collect.urls import normal
from pipeline.core.errors import ConfigError


def read_list(path: Path) -> tuple[list[tuple[int, str]], list[str]]:
    """Return the lines that are no address, with their numbers, and the addresses of the others.  Raises ConfigError."""
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise ConfigError(f"url_file: {path} cannot be read ({error})") from error
    bad, addresses = list[tuple[int, str]](), list[str]()
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "replace").strip()
        if not text or text.startswith("#"):
            continue
        if "\ufffd" in text or normal(text) is None:
            bad.append((number, text))
        else:
            addresses.append(text)
    return bad, addresses
