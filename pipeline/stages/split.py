"""split: `reviewed/` -> `split/`, train or eval for every labelled article, for good.

Articles with the same text (after NFKC, case and white-space folding) are one group and go the same way.  An assignment
is drawn once by a salted hash of the group and kept in a log, by id and by group: growing the data, or another share
or salt, never moves an eval row.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import SplitOptions
from pipeline.engines.local import map_shards
from pipeline.errors import InputError
from pipeline.tables import Folder, Output, read_order, read_parquet, write_parquet
from pipeline.text.folding import fold_case
from pipeline.workspace import Workspace

VERSION = 1
SPLIT = pa.schema([("id", pa.string()), ("group_id", pa.string()), ("split", pa.string())])
GROUPS = pa.schema([("id", pa.string()), ("group_id", pa.string())])


def run(work: Workspace) -> None:
    """Bring `split/` up to date with `reviewed/`; new assignments are logged before anything uses them."""
    shards = read_order(work.articles)
    groups = Folder(work.path / "split.groups")
    map_shards(
        groups,
        shards,
        inputs=[work.filtered, work.reviewed],
        config=VERSION,
        transform=lambda shard: Output(_groups(work, shard)),
        progress=work.progress("split", len(shards), "shards"),
    )
    rows = pa.concat_tables([GROUPS.empty_table(), *(groups.read(shard) for shard in shards)])
    log = _read_log(work)
    chosen = assign(rows, log, work.config.split)
    _append_log(work, rows, chosen, log)
    starts = dict(zip(shards, np.cumsum([0, *(_rows(groups, shard) for shard in shards)]), strict=False))
    of_shard = {s: chosen[starts[s] : starts[s] + _rows(groups, s)].tolist() for s in shards}
    map_shards(
        work.split,
        shards,
        inputs=[groups],
        config=VERSION,
        extra=lambda shard: blake2b(bytes(of_shard[shard]), digest_size=16).hexdigest(),
        transform=lambda shard: Output(_emit(groups.read(shard), of_shard[shard])),
        progress=work.progress("split", len(shards), "shards"),
    )


def _rows(folder: Folder, shard: str) -> int:
    manifest = folder.manifest(shard)
    return manifest.kept if manifest else 0


def _groups(work: Workspace, shard: str) -> pa.Table:
    """(id, group_id) of a shard's labelled articles, in source order."""
    articles = work.filtered.read(shard, ["id", "text"])
    labelled = articles.filter(pc.is_in(articles.column("id"), work.reviewed.read(shard, ["id"]).column("id")))
    texts = labelled.column("text").to_pylist()
    return pa.table({"id": labelled.column("id"), "group_id": [group_of(text) for text in texts]}, schema=GROUPS)


def group_of(text: str) -> str:
    """Digest of a text's folded form (32 hex digits)."""
    return blake2b(fold_case(text).encode(), digest_size=16).hexdigest()


def assign(rows: pa.Table, log: pa.Table, options: SplitOptions) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each row whether it is eval.  What the log knows stays; where id and group disagree, eval wins."""
    codes = rows.column("group_id").combine_chunks().dictionary_encode()
    group_of_row, names = np.asarray(codes.indices), codes.dictionary
    is_eval, known = np.zeros(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
    for split, column in ((s, c) for s in ("train", "eval") for c in ("id", "group_id")):
        logged = log.filter(pc.equal(log.column("split"), split)).column(column)
        hit = group_of_row[np.asarray(pc.is_in(rows.column(column), logged.combine_chunks()))]
        known[hit] = True
        is_eval[hit] |= split == "eval"
    new = np.flatnonzero(~known)
    is_eval[new] = _draw([names[int(code)].as_py() for code in new], group_of_row, new, log, options)
    return is_eval[group_of_row]  # type: ignore[no-any-return]


def _draw(
    groups: Sequence[str], group_of_row: Any, codes: Any, log: pa.Table, options: SplitOptions
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which new groups become eval: those with a hash below the share, or the lowest hashes up to a number of rows."""
    hashes = np.array([_hash(options.salt, group) for group in groups], dtype=np.uint64)
    if options.eval < 1:
        return hashes < np.uint64(int(options.eval * 2**64))
    drawn = len(pc.unique(log.filter(pc.equal(log.column("split"), "eval")).column("id")))
    wanted = int(options.eval) - drawn
    sizes = np.bincount(group_of_row, minlength=int(codes.max()) + 1 if len(codes) else 0)[codes] if len(codes) else []
    chosen = np.zeros(len(groups), dtype=bool)
    for position in np.argsort(hashes, kind="stable"):
        if sizes[position] <= wanted:
            chosen[position] = True
            wanted -= int(sizes[position])
    if wanted > 0:
        have = int(np.sum(sizes))
        raise InputError(
            f"split.eval wants {int(options.eval)} rows: {drawn} are drawn already and {have} labelled articles are "
            "new (a train row never becomes eval); label more articles, or give a share such as 0.2"
        )
    return chosen


def _hash(salt: str, group: str) -> int:
    return int.from_bytes(blake2b(f"{salt}\0{group}".encode(), digest_size=8).digest())


def _emit(groups: pa.Table, is_eval: Sequence[bool]) -> pa.Table:
    splits = ["eval" if chosen else "train" for chosen in is_eval]
    return groups.append_column("split", pa.array(splits, pa.string())).cast(SPLIT)


# --- the log: one file for each run that assigned something, never rewritten ---


def _read_log(work: Workspace) -> pa.Table:
    files = sorted(work.assignments.glob("*.parquet"))
    return pa.concat_tables([SPLIT.empty_table(), *(read_parquet(file) for file in files)])


def _append_log(work: Workspace, rows: pa.Table, is_eval: Any, log: pa.Table) -> None:
    """Log every (id, group, split) that is not there yet."""
    now = _emit(rows, is_eval.tolist())
    fresh = np.asarray(pc.invert(pc.is_in(_joined(now), _joined(log))))
    if fresh.any():
        number = len(list(work.assignments.glob("*.parquet"))) + 1
        write_parquet(work.assignments / f"{number:06d}.parquet", now.filter(pa.array(fresh)), SPLIT)


def _joined(rows: pa.Table) -> pa.Array:
    parts = [rows.column(name).combine_chunks() for name in ("id", "group_id", "split")]
    return pc.binary_join_element_wise(*parts, "\t")
