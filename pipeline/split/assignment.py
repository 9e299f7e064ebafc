"""The assignment of articles: which one is train and which is eval, keyed by id, text and group; it only grows.

What a row is, the first that holds:

- *eval*, if its id ever was; so is a text of eval that comes back under another id.
- *kept out*, if it is like a text of a benchmark (`keep_out`), also where it was train: it was asked for.
- *out* (quarantined), if its text was eval, or is like one that is or ever was: kept from train, and eval is not padded with
  copies.  A train row that turns out to be like an eval row goes the same way: eval wins, and no eval row was ever train.
- *train*, if its id, its text or an article like it ever was.
- drawn by a salted hash of its group, all articles of the group together; a group that is larger than a tenth of what eval is to
  have is train, or one story in many copies would be most of eval, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import InputError
from pipeline.core.exchange import Exchange, Hashes
from pipeline.core.text.folding import fold_case
from pipeline.split.groups import WHEREVER, Rows, Signatures, find_groups, may_meet
from pipeline.split.minhash import NUMBERS, signature
from pipeline.split.split_log import SplitLog

TEXTS = pa.schema([("id", pa.string()), ("text_key", pa.string()), ("signature", pa.binary(2 * NUMBERS))])
_AT_ONCE = 1 << 16  # rows that are compared with those of eval, 16 MB of signatures
_NONE = np.empty((0, NUMBERS), np.uint16)
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Choose = Callable[[Hashes, Rows], Flags]  # of the hashes of new groups and how many rows they have
_CHANGES = ("text_key", "group_id", "split")  # of a row that is logged: another of one of them is a new entry
TRAIN, EVAL, OUT, KEPT_OUT = 0, 1, 2, 3  # codes of what becomes of a row


@dataclass(frozen=True)
class Assignment:
    """For each row its group, what becomes of it (a code), and where it is out the eval row or benchmark's text `like` it."""

    group_ids: pa.Array
    codes: np.ndarray[Any, np.dtype[np.int8]]
    like: pa.Array

    @property
    def splits(self) -> pa.Array:
        """Return `train`, `eval` or null for each row."""
        return pa.array(["train", "eval", None, None]).take(pa.array(self.codes))


def texts_of(ids: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """Return what the split compares of articles (TEXTS): a digest of the folded text (32 hex digits) and its signature."""
    folded = [fold_case(text) for text in texts]
    keys = [blake2b(text.encode(), digest_size=16).hexdigest() for text in folded]
    return pa.table([list(ids), keys, [signature(text) for text in folded]], schema=TEXTS)


def signatures_of(tables: Iterable[pa.Table], count: int) -> Signatures:
    """Return the column `signature` of tables with `count` rows in all: count x 128 numbers of 16 bits."""
    signatures, row = np.empty((count, NUMBERS), np.uint16), 0
    for chunk in (chunk for table in tables for chunk in table.column("signature").chunks if len(chunk)):
        values = chunk.cast(TEXTS.field("signature").type)
        whole = np.frombuffer(values.buffers()[1], np.uint16).reshape(-1, NUMBERS)
        signatures[row : row + len(values)] = whole[values.offset : values.offset + len(values)]
        row += len(values)
    return signatures


def blocks_of(tables: Iterable[pa.Table]) -> Iterator[Signatures]:
    """Yield the column `signature` of each table."""
    return (signatures_of([table], table.num_rows) for table in tables)


def assign(
    rows: pa.Table, log: pa.Table, past: pa.Table, group: Rows, salt: str, choose: Choose, benchmarks: pa.Array
) -> Assignment:
    """Return what becomes of every row, by the rules above.

    `rows` (`id, text_key`) are the articles of now in source order, `log` what earlier runs assigned (LOG), `past` its entries
    whose texts no row has any more, `group` has for each of the rows and then of `past` the lowest one that is like it.
    `benchmarks` names for each row the text of a benchmark that it is like.  All of a group are there, and all entries that
    concern it.
    """
    count = rows.num_rows
    row_group, logged = group[:count], _LogMatches(rows, log)
    is_eval = logged.eval_id | _returning(rows, logged)
    past_eval = np.asarray(pc.equal(past.column("split"), "eval"), dtype=bool)
    with_eval = _among(group, np.concatenate([row_group[is_eval | logged.eval_text], group[count:][past_eval]]))
    with_train = _among(group, np.concatenate([row_group[logged.any], group[count:]]))
    group_ids = _group_ids(rows, group, past, logged)
    is_kept_out = np.asarray(benchmarks.is_valid(), dtype=bool) & ~is_eval
    new = ~with_eval[row_group] & ~with_train[row_group] & ~is_kept_out
    # Only new groups are drawn from, also for a raised `split.eval`: a train row moved to eval would spoil every model that was
    # trained on an earlier version.
    is_eval |= _draw(group_ids, row_group, new, salt, choose)
    out = with_eval[row_group] & ~is_eval
    codes = np.where(is_kept_out, KEPT_OUT, np.where(out, OUT, np.where(is_eval, EVAL, TRAIN))).astype(np.int8)
    evals = np.concatenate([is_eval | logged.eval_text, past_eval])
    names = pc.if_else(pa.array(is_eval), rows.column("id"), logged.eval_text_id)  # a text of eval is named by its row
    names = pa.chunked_array(names.chunks + past.column("id").chunks, pa.string())
    like = names.take(pa.array(_first_of(group, np.flatnonzero(evals))[row_group], mask=~out)).combine_chunks()
    return Assignment(group_ids, codes, pc.if_else(pa.array(is_kept_out), benchmarks, like))


def near_eval(
    blocks: Callable[[], Iterable[Signatures]], is_eval: Flags, similarity: float, exchange: Exchange = WHEREVER
) -> Flags:
    """Tell for each row whether it is none of eval, and like one that is; `blocks` yields the signatures of all rows in order.

    Those of eval are held, and of the others a part at a time: 256 bytes a row are more than all else that publishing holds.
    """
    evals = np.concatenate([_NONE, *(block[flags] for block, flags in _with_flags(blocks(), is_eval))])
    others = (block[~flags] for block, flags in _with_flags(blocks(), is_eval))
    parts = _joined(others, max(_AT_ONCE, len(evals)))
    if not any(may_meet(np.concatenate([evals, part]), _first(len(evals), part), similarity) for part in parts):
        return np.zeros(len(is_eval), dtype=bool)
    group = find_groups(blocks, len(is_eval), similarity, exchange).of_all()
    return _among(group, group[is_eval])[group] & ~is_eval


def _with_flags(blocks: Iterable[Signatures], flags: Flags) -> Iterator[tuple[Signatures, Flags]]:
    """Yield each block with the flags of its rows."""
    start = 0
    for block in blocks:
        yield block, flags[start : start + len(block)]
        start += len(block)


def _first(count: int, others: Signatures) -> Flags:
    """Return flags of so many rows, which come before the others."""
    return np.arange(count + len(others)) < count


def _joined(blocks: Iterable[Signatures], rows: int) -> Iterator[Signatures]:
    """Yield blocks joined to ones of at least so many rows, but for the last: what is flagged is looked up in each of them."""
    waiting = list[Signatures]()
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= rows:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


class _LogMatches:
    """The log's entries for each row, by id and by text: flags, and the number of the latest one (-1: none)."""

    def __init__(self, rows: pa.Table, log: pa.Table) -> None:
        evals = log.filter(pc.equal(log.column("split"), "eval"))
        self.eval_id: Flags = _latest(rows, evals, "id") >= 0
        by_eval_text = _latest(rows, evals, "text_key")
        self.eval_text: Flags = by_eval_text >= 0
        self.eval_text_id = evals.column("id").take(pa.array(by_eval_text, mask=~self.eval_text))
        self.entry = _latest(rows, log, "id")
        self.any_id = self.entry >= 0
        by_text = _latest(rows, log, "text_key")
        self.entry = np.where(self.any_id, self.entry, by_text)
        self.any: Flags = self.entry >= 0
        self.group_ids = log.column("group_id").take(pa.array(self.entry, mask=~self.any))


def _returning(rows: pa.Table, logged: _LogMatches) -> Flags:
    """Flag rows with a new id whose text was eval, where no other row of now stands for that text already."""
    eval_texts = rows.filter(pa.array(logged.eval_id)).column("text_key").combine_chunks()
    taken = np.asarray(pc.is_in(rows.column("text_key"), eval_texts), dtype=bool)
    returning: Flags = logged.eval_text & ~logged.any_id & ~taken
    at = np.flatnonzero(returning)
    keys = rows.column("text_key").take(pa.array(at)).combine_chunks()
    first = np.unique(np.asarray(keys.dictionary_encode().indices), return_index=True)[1]
    once = np.zeros(len(returning), dtype=bool)
    once[at[first]] = True
    return once


def _draw(group_ids: pa.Array, group: Rows, new: Flags, salt: str, choose: Choose) -> Flags:
    """Flag the rows of new groups that are chosen."""
    heads, sizes = np.unique(group[new], return_counts=True)
    hashes = np.array([_hash(salt, name) for name in group_ids.take(pa.array(heads)).to_pylist()], dtype=np.uint64)
    return new & np.isin(group, heads[choose(hashes, sizes)])


def below_share(share: float, most: int) -> Choose:
    """Return what chooses groups with a hash below a share of all hashes, of those with at most so many rows."""
    return lambda hashes, sizes: (hashes < np.uint64(int(share % 1 * 2**64))) & (sizes <= most)


def lowest(hashes: Hashes, sizes: Rows, number: int, drawn: int, most: int) -> Flags:
    """Choose groups of the lowest hashes, of together `number` rows less those `drawn` before; those of more than `most` rows only
    where there are no others.  Raises InputError where there are too few."""
    wanted = number - drawn
    chosen = np.zeros(len(hashes), dtype=bool)
    for position in np.lexsort((hashes, np.where(sizes > most, sizes, 0))):
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
    # Not Python's own hash, which differs from process to process: a draw must be the same on every machine, for good.
    return int.from_bytes(blake2b(f"{salt}\0{group}".encode(), digest_size=8).digest())


def _group_ids(rows: pa.Table, group: Rows, past: pa.Table, logged: _LogMatches) -> pa.Array:
    """Return the `group_id` of each row.

    A row keeps the one that it was published with; a new one takes that of an article like it, else its group is named by the
    text of its first article.
    """
    count, logged_ids = rows.num_rows, logged.group_ids.chunks + past.column("group_id").chunks
    names = pa.chunked_array(logged_ids + rows.column("text_key").chunks, pa.string())
    named = np.concatenate([logged.any, np.ones(past.num_rows, dtype=bool)])
    first = _first_of(group, np.flatnonzero(named))[group[:count]]
    other = np.where(first >= 0, first, len(group) + group[:count])
    return names.take(pa.array(np.where(logged.any, np.arange(count), other))).combine_chunks()


def _first_of(group: Rows, rows: Rows) -> Rows:
    """Return for each head of a group the first of `rows` in it, -1 where there is none."""
    first = np.full(len(group), -1)
    first[group[rows[::-1]]] = rows[::-1]
    return first


def _among(group: Rows, heads: Rows) -> Flags:
    """Tell for each number of a row whether it heads one of the groups."""
    is_head = np.zeros(len(group), dtype=bool)
    is_head[heads] = True
    return is_head


def _latest(rows: pa.Table, log: pa.Table, column: str) -> Rows:
    """Return for each row the number of the last entry of the log with the same value, -1 where there is none."""
    backwards = log.column(column).take(pa.array(np.arange(log.num_rows)[::-1])).combine_chunks()
    from_end = pc.index_in(rows.column(column), backwards).fill_null(log.num_rows)
    entries: Rows = log.num_rows - 1 - np.asarray(from_end, dtype=np.int64)
    return entries


def fresh_rows(rows: pa.Table, log: pa.Table, assignment: Assignment) -> Flags:
    """Flag the rows whose text, group or split is not that of their latest entry, but those that are kept out."""
    entry = _latest(rows, log, "id")
    now = dict(zip(_CHANGES, (rows.column("text_key"), assignment.group_ids, assignment.splits), strict=True))
    latest = pa.array(entry, mask=entry < 0)
    same = [pc.equal(log.column(name).take(latest), column).fill_null(False) for name, column in now.items()]
    fresh: Flags = (assignment.codes < OUT) & ~np.logical_and.reduce([np.asarray(each, dtype=bool) for each in same])
    return fresh


def log_fresh(log: SplitLog, texts: pa.Table, assignment: Assignment) -> None:
    """Log the fresh ones of some texts (TEXTS)."""
    fresh = fresh_rows(texts, log.read(["id", *_CHANGES]), assignment)
    if fresh.any():
        entries = texts.append_column("group_id", assignment.group_ids).append_column("split", assignment.splits)
        log.add(iter([entries.filter(pa.array(fresh))]))
