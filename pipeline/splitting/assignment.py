"""The split ledger: which article is train and which is eval, keyed by id, text and group; it only grows.

What a row is, the first that holds:

- *eval*, if its id ever was; so is a text of eval that comes back under another id.
- *out* (quarantined), if it is like an eval row, of now or of any earlier run: kept from train, and eval is not padded with
  copies.  A train row that turns out to be like an eval row goes the same way: eval wins, and no eval row was ever train.
- *train*, if its id, its text or an article like it ever was.
- drawn by a salted hash of its group, all articles of the group together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import SplitOptions
from pipeline.errors import InputError
from pipeline.splitting.groups import Rows, Signatures, groups
from pipeline.splitting.minhash import NUMBERS, signature
from pipeline.tables import read_parquet, write_parquet
from pipeline.text.folding import fold_case

TEXTS = pa.schema([("id", pa.string()), ("text_key", pa.string()), ("signature", pa.binary(2 * NUMBERS))])
_PLACE = [("group_id", pa.string()), ("split", pa.string())]
LOG = pa.schema([("id", pa.string()), ("text_key", pa.string()), ("signature", pa.binary()), *_PLACE])
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Assignment:
    """For each row its group and `train`, `eval`, or None where it is kept out, for it is like the eval row `like`."""

    group_ids: list[str]
    splits: list[str | None]
    like: list[str | None]


def texts_of(ids: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """What the split compares of articles: a digest of the folded text (32 hex digits) and its signature."""
    folded = [fold_case(text) for text in texts]
    keys = [blake2b(text.encode(), digest_size=16).hexdigest() for text in folded]
    return pa.table([list(ids), keys, [signature(text) for text in folded]], schema=TEXTS)


def assign(rows: pa.Table, log: pa.Table, options: SplitOptions) -> Assignment:
    """`rows` (TEXTS) are the articles of now in source order, `log` what earlier runs assigned (LOG)."""
    gone = log.filter(pc.invert(pc.is_in(log.column("text_key"), rows.column("text_key").combine_chunks())))
    group = groups(_signatures(rows, gone), options.similarity)  # of the rows, then of the texts that are gone
    mine, count = group[: rows.num_rows], rows.num_rows
    known = _Known(rows, log)
    is_eval = known.eval_id | _returning(rows, known)
    past_eval = np.asarray(pc.equal(gone.column("split"), "eval"), dtype=bool)
    with_eval = _among(group, np.concatenate([group[:count][is_eval], group[count:][past_eval]]))
    with_train = _among(group, np.concatenate([mine[known.any], group[count:]]))
    group_ids = _group_ids(rows, group, gone, known)
    new = ~with_eval[mine] & ~with_train[mine]
    is_eval |= _draw(group_ids, mine, new, log, options)
    out = with_eval[mine] & ~is_eval
    splits = [
        None if kept_out else "eval" if chosen else "train" for kept_out, chosen in zip(out, is_eval, strict=True)
    ]
    return Assignment(group_ids, splits, _likes(rows, gone, group, is_eval, past_eval, out))


def near_eval(rows: pa.Table, is_eval: Flags, similarity: float) -> Flags:
    """For each row (TEXTS) whether it is none of eval, and like one that is."""
    group = groups(_signatures(rows), similarity)
    return _among(group, group[is_eval])[group] & ~is_eval


class _Known:
    """What the log says of each row, by id and by text: flags, and the number of its latest entry (-1: none)."""

    def __init__(self, rows: pa.Table, log: pa.Table) -> None:
        evals = log.filter(pc.equal(log.column("split"), "eval"))
        self.eval_id, self.eval_text = (_known(rows, evals, column) for column in ("id", "text_key"))
        self.entry = _latest(rows, log, "id")
        self.any_id = self.entry >= 0
        by_text = _latest(rows, log, "text_key")
        self.entry = np.where(self.any_id, self.entry, by_text)
        self.any: Flags = self.entry >= 0
        self.group_ids = log.column("group_id").take(pa.array(self.entry, mask=~self.any)).to_pylist()


def _returning(rows: pa.Table, known: _Known) -> Flags:
    """Rows with a new id whose text was eval, where no other row of now stands for that text already."""
    here = rows.filter(pa.array(known.eval_id)).column("text_key").combine_chunks()
    taken = np.asarray(pc.is_in(rows.column("text_key"), here), dtype=bool)
    found: Flags = known.eval_text & ~known.any_id & ~taken
    at = np.flatnonzero(found)
    keys = rows.column("text_key").take(pa.array(at)).combine_chunks()
    first = np.unique(np.asarray(keys.dictionary_encode().indices), return_index=True)[1]
    once = np.zeros(len(found), dtype=bool)
    once[at[first]] = True
    return once


def _draw(group_ids: list[str], group: Rows, new: Flags, log: pa.Table, options: SplitOptions) -> Flags:
    """Which rows of new groups are eval: those of groups with a hash below the share, or of the lowest hashes up to a
    number of rows."""
    heads, sizes = np.unique(group[new], return_counts=True)
    hashes = np.array([_hash(options.salt, group_ids[head]) for head in heads], dtype=np.uint64)
    below = hashes < np.uint64(int(min(options.eval, 1) * (2**64 - 1)))
    chosen = below if options.eval < 1 else _lowest(hashes, sizes, int(options.eval), log)
    return new & np.isin(group, heads[chosen])


def _lowest(hashes: Any, sizes: Any, number: int, log: pa.Table) -> Flags:
    drawn = len(pc.unique(log.filter(pc.equal(log.column("split"), "eval")).column("id")))
    wanted = number - drawn
    chosen = np.zeros(len(hashes), dtype=bool)
    for position in np.argsort(hashes, kind="stable"):
        if sizes[position] <= wanted:
            chosen[position] = True
            wanted -= int(sizes[position])
    if wanted > 0:
        raise InputError(
            f"split.eval wants {number} rows: {drawn} are drawn already and {int(np.sum(sizes))} labelled articles are "
            "new (a train row never becomes eval); label more articles, or give a share such as 0.2"
        )
    return chosen


def _hash(salt: str, group: str) -> int:
    return int.from_bytes(blake2b(f"{salt}\0{group}".encode(), digest_size=8).digest())


def _group_ids(rows: pa.Table, group: Rows, gone: pa.Table, known: _Known) -> list[str]:
    """A row keeps the group that it was published with; a new one takes that of an article like it, else its group is
    named by the text of its first article."""
    keys = rows.column("text_key").to_pylist()
    of_group: dict[int, str] = {}
    everyone = zip(group.tolist(), known.group_ids + gone.column("group_id").to_pylist(), strict=True)
    for head, name in everyone:
        if name is not None:
            of_group.setdefault(head, name)
    for head, key in zip(group[: len(keys)].tolist(), keys, strict=True):
        of_group.setdefault(head, key)
    return [name or of_group[head] for head, name in zip(group.tolist(), known.group_ids, strict=False)]


def _likes(
    rows: pa.Table, gone: pa.Table, group: Rows, is_eval: Flags, past_eval: Flags, out: Flags
) -> list[str | None]:
    """For each row that is kept out the id of an eval row of its group."""
    ids = rows.column("id").to_pylist() + gone.column("id").to_pylist()
    evals = np.flatnonzero(np.concatenate([is_eval, past_eval]))
    of_group = {int(group[row]): ids[row] for row in evals[::-1].tolist()} if out.any() else {}
    return [of_group[int(group[row])] if kept_out else None for row, kept_out in enumerate(out)]


def _signatures(*tables: pa.Table) -> Signatures:
    """The signatures of tables one below the other: n x 128."""
    found = np.empty((sum(table.num_rows for table in tables), NUMBERS), np.uint16)
    row = 0
    for chunk in (chunk for table in tables for chunk in table.column("signature").chunks if len(chunk)):
        values = chunk.cast(TEXTS.field("signature").type)
        whole = np.frombuffer(values.buffers()[1], np.uint16).reshape(-1, NUMBERS)
        found[row : row + len(values)] = whole[values.offset : values.offset + len(values)]
        row += len(values)
    return found


def _among(group: Rows, heads: Rows) -> Flags:
    """For each number of a row whether it heads one of the groups."""
    found = np.zeros(len(group), dtype=bool)
    found[heads] = True
    return found


def _known(rows: pa.Table, log: pa.Table, column: str) -> Flags:
    return np.asarray(pc.is_in(rows.column(column), log.column(column).combine_chunks()), dtype=bool)


def _latest(rows: pa.Table, log: pa.Table, column: str) -> Rows:
    """The number of the last entry of the log with the same value, -1 where there is none."""
    backwards = log.column(column).take(pa.array(np.arange(log.num_rows)[::-1])).combine_chunks()
    found = pc.index_in(rows.column(column), backwards).fill_null(log.num_rows)
    entries: Rows = log.num_rows - 1 - np.asarray(found, dtype=np.int64)
    return entries


# --- the log: one file for each run that assigned something, never rewritten ---


def read_log(folder: Path, rows: pa.Table) -> pa.Table:
    """All entries, with the signatures of the texts that no row of now has: the others are there already."""
    here = rows.column("text_key").combine_chunks()
    tables = [LOG.empty_table()]
    for file in sorted(folder.glob("*.parquet")):
        entries = read_parquet(file)
        gone = pc.invert(pc.is_in(entries.column("text_key"), here))
        needed = pc.if_else(gone, entries.column("signature"), pa.scalar(None, pa.binary()))
        tables.append(entries.set_column(entries.schema.get_field_index("signature"), LOG.field("signature"), needed))
    return pa.concat_tables(tables)


def append_log(folder: Path, rows: pa.Table, found: Assignment, log: pa.Table) -> None:
    """Log every (id, text, group, split) that is not there yet; of a row that is kept out nothing."""
    now = rows.append_column("group_id", pa.array(found.group_ids, pa.string()))
    now = now.append_column("split", pa.array(found.splits, pa.string()))
    now = now.filter(pc.is_valid(now.column("split")))
    fresh = now.filter(pc.invert(pc.is_in(_joined(now), _joined(log))))
    if fresh.num_rows:
        write_parquet(folder / f"{len(list(folder.glob('*.parquet'))) + 1:06d}.parquet", fresh, LOG)


def _joined(rows: pa.Table) -> pa.Array:
    parts = [rows.column(name).combine_chunks() for name in ("id", "text_key", "group_id", "split")]
    return pc.binary_join_element_wise(*parts, "\t")
