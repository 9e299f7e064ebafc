"""Rows of a version in NFC, so that a text which was brought to NFC since is no other text to a comparison."""

from __future__ import annotations

from typing import Any
from unicodedata import normalize

import pyarrow as pa

from pipeline.core.files import digest_of
from pipeline.core.text.folding import begins_with
from pipeline.core.types import GivenText
from pipeline.job.given_texts import GivenTexts


class Nfc:
    """What tells which rows a job's reader brought to NFC, and brings rows of before to it; most jobs have none."""

    def __init__(self, given: GivenTexts) -> None:
        self._nfc = given.nfc
        self._became = frozenset(self._nfc.values())
        self._texts = {text.given_sha256: text for text in given.all() if text.text} if self._nfc else {}

    @property
    def key(self) -> str | None:
        """Return a digest of what was brought to NFC, None where nothing was."""
        return digest_of(self._nfc) if self._nfc else None

    def of(self, rows: pa.Table, label: str) -> pa.Table:
        """Return rows of a version with digest, title, label and its offsets as they are in NFC."""
        digests = rows.column("text_sha256").to_pylist() if self._nfc else []
        concerned = [at for at, digest in enumerate(digests) if digest in self._nfc or digest in self._became]
        if not concerned:
            return rows
        changed = rows.to_pylist()
        for at in concerned:
            self._bring(changed[at], label)
        return pa.Table.from_pylist(changed, schema=rows.schema)

    def _bring(self, row: dict[str, Any], label: str) -> None:
        given = self._texts.get(row["text_sha256"])
        row["text_sha256"] = self._nfc.get(row["text_sha256"], row["text_sha256"])
        for name in {"title", "text", label} & row.keys():
            row[name] = _in_nfc(row[name])
        if given is not None and row.get("offsets"):
            row["offsets"] = [[_place(given, at) for at in span] for span in row["offsets"]]


def _in_nfc(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_nfc(each) for each in value]
    return normalize("NFC", value) if isinstance(value, str) else value


def _place(given: GivenText, at: int) -> int:
    """Return where a place of the text as it was given is in what the reader made of it."""
    title, text = (_mended(part) for part in (given.title or "", given.text))
    before = len(_mended(given.text[:at]))
    # a title that the text begins with once more, as the reader looks: when both are in one form
    twice = begins_with(text.removeprefix(title).lstrip(), title) and before > len(title)
    return before - (len(title) + 1 if twice else 0)


def _mended(text: str) -> str:
    return normalize("NFC", text.replace("\0", ""))
