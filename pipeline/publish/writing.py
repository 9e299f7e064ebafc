"""Writing of a planned version: data files, of which those of the last one that stay are taken over, provenance, card, manifest."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.files import file_digest
from pipeline.core.parquet import open_parquet
from pipeline.core.shards import read_order
from pipeline.job import topic_picture
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.workspace import Workspace
from pipeline.publish import (
    card,
    croissant,
    dataset_info,
    pictures,
    planning,
    sample_row,
)
from pipeline.publish.hub import Hub
from pipeline.publish.outgoing import OutgoingRows
from pipeline.publish.planning import Plan
from pipeline.versions import (
    checksums,
    data_files,
    features,
    file_facts,
    map_topics,
    provenance,
    rows,
    store,
)
from pipeline.versions.forms import Nfc


def write(work: Workspace, planned: Plan, their_card: str | None) -> Path:
    """Write the planned version beside its place: data, provenance, Croissant, card, manifest."""
    path = store.begin(work.versions)
    schema, kinds = (
        rows.schema(
            work.config.label_column,
            work.config.publish.text == "full",
            "shared_labels" in planned.manifest,
            "map_topics" in planned.manifest,
        ),
        planned.manifest.get(features.TYPES),
    )
    if kinds is not None:  # a version of before has no such metadata, and its files stay byte for byte
        schema = schema.with_metadata(features.metadata_of(dataset_info.card_features(schema, kinds)))
    taken_over = _take_over(planned, path, schema, OutgoingRows(work).takedowns.ids)
    text_bytes = data_files.write(
        path / "data", schema, _parts(work, planned, schema, taken_over), _written(planned.index, taken_over)
    )
    data_files.write_whole(path / "provenance" / "runs.parquet", provenance.table(planned.manifest["runs"]))
    damaged = {digest for digests in planned.manifest.get("broken", {}).values() for digest in digests}
    digests = store.file_digests(path, taken_over)
    for name in (name for name, digest in digests.items() if digest in damaged):
        data_files.remake(path / name, planned.manifest["version"])
        digests[name] = file_digest(path / name)
    described = croissant.render(planned.manifest, schema, digests, _address(planned.manifest))
    description = json.dumps(described, ensure_ascii=False, indent=1)
    drawn = pictures.draw(planned.manifest)
    if "map_topics" in planned.manifest:
        drawn["pictures/topics.svg"] = topic_picture.TITLE, topic_picture.drawing(work.topic_table)
    of_files = _facts_of_files(work, path, planned, digests, text_bytes)
    sums = checksums.of_files(planned.manifest["version"], work.config.label_column.name, of_files)
    sizes = {name: one.num_bytes for name, one in of_files.items()}
    entries = dataset_info.entries(planned.manifest["rows"], path, digests, sums.told(), kinds or {}, sizes)
    shown = {name: title for name, (title, _) in drawn.items()}
    readme = card.render(planned.manifest, entries, sample_row.of_version(path, planned.index), shown)
    texts = {"croissant.json": description, "README.md": card.merged(readme, their_card)}
    store.seal(path, texts | {name: drawing for name, (_, drawing) in drawn.items()}, planned.manifest, digests)
    return path


def _take_over(planned: Plan, path: Path, schema: pa.Schema, taken_down: Collection[str]) -> dict[str, str]:
    """Put files of the last version that would be written as they are into the next one; return the SHA-256 of each.

    None of them names one of the articles with the ids `gone`, which were taken down.
    """
    if planned.last is None or "map_topic_id" in schema.names:  # topics change with no row that does
        return {}
    last, digests = planned.last, store.read_manifest(planned.last)["files"]
    same = [name for name in sorted(planned.kept) if _is_as_written(last / name, schema, planned.index, name)]
    same = [name for name in same if not _names_any(last / name, taken_down)]
    for name in same:
        store.take_over(last, name, path)
    return {name: digests[name] for name in same}


def _names_any(file: Path, ids: Collection[str]) -> bool:
    """Tell whether some row of a file shares the answer about one of some articles."""
    if SHARED_FROM not in pq.read_schema(file).names or not ids:
        return False
    named = pq.read_table(file, columns=[SHARED_FROM]).column(0)
    return bool(pc.any(pc.is_in(named, pa.array(sorted(ids), pa.string()))).as_py())


def _is_as_written(file: Path, schema: pa.Schema, index: pa.Table, name: str) -> bool:
    """Tell whether a file has the columns and types, and the words for who labelled, that unchanged rows are written with."""
    stored = pq.read_schema(file)
    if not stored.equals(schema, check_metadata=False) or (stored.metadata or {}) != (schema.metadata or {}):
        return False
    then = pq.read_table(file, columns=["label_source"]).column(0)  # what it was called once is no change
    return bool(
        pc.all(pc.equal(then, data_files.rows_in(index, name).column("label_source").cast(pa.string()))).as_py()
    )


def _written(index: pa.Table, taken_over: Collection[str]) -> pa.Table:
    """Return the rows of the index that are in files to be written."""
    if not taken_over:
        return index
    names = pc.binary_join_element_wise(
        index.column("split").cast(pa.string()), index.column("file").cast(pa.string()), "/"
    )
    places = [f"{split}/{int(number)}" for split, number in (Path(name).stem.split("-") for name in taken_over)]
    return index.filter(pc.invert(pc.is_in(names, pa.array(places, pa.string()))))


def _facts_of_files(
    work: Workspace, path: Path, planned: Plan, digests: dict[str, str], text_bytes: dict[str, int]
) -> dict[str, file_facts.FileFacts]:
    """Return the facts of all data files of a version, and keep them for the next one.

    `text_bytes` are those of the texts of files that were written now, which are not read back.
    """
    folder, facts_of = planning.files_folder(work, Nfc(work.given)), dict[str, file_facts.FileFacts]()
    for name in (name for name in digests if name.startswith("data/")):
        facts = folder.read(digests[name])
        if facts is None:
            facts = _read_back(
                work, path / name, planned, data_files.rows_in(planned.index, name), text_bytes.get(name)
            )
            folder.write(digests[name], facts)
        facts_of[name] = facts
    of_last = store.read_manifest(planned.last)["files"] if planned.last else {}
    folder.keep_only({*digests.values(), *of_last.values()})
    return facts_of


def _read_back(
    work: Workspace, file: Path, planned: Plan, state: pa.Table, text_bytes: int | None
) -> file_facts.FileFacts:
    """Return the facts of a file by what is in it, read a row group at a time, without its texts where their bytes are given."""
    label, kinds = work.config.label_column.name, planned.manifest.get(features.TYPES) or {}
    checksum, size = 0, text_bytes or 0
    with open_parquet(file) as stored:
        names = [name for name in stored.schema_arrow.names if text_bytes is None or name not in rows.TEXT]
        for number in range(stored.num_row_groups):
            group = stored.read_row_group(number, names, use_threads=False)  # small: threads cost more than they do
            checksum += checksums.of_rows([group.drop_columns(list({*rows.TEXT} & {*names}))], label)
            size += features.as_typed(group, kinds).nbytes
    return file_facts.FileFacts(state, checksum % checksums.MODULUS, size)


def _address(version: dict[str, Any]) -> str:
    """Return the address below which a version's files are by its tag, empty where it has no repository."""
    return Hub(version["repo"]).address("", version["version"]) if version["repo"] else ""


def _parts(
    work: Workspace, planned: Plan, schema: pa.Schema, taken_over: Collection[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield all rows that are in files to be written as they go out, each part with its slice of the index.

    Shards whose rows are all in `taken_over` files are not read.
    """
    names, outgoing, start = read_order(work.articles), OutgoingRows(work), 0
    topics = map_topics.of_job(work) if "map_topic_id" in schema.names else None
    with work.progress("publish", len(names), "shards") as progress:
        for shard, count in zip(names, planned.counts, strict=True):
            index_slice = planned.index.slice(start, count)
            start += count
            written = _written(index_slice, taken_over)
            if written.num_rows:
                outgoing_rows = outgoing.of(shard, "text" in schema.names)
                if topics is not None:
                    outgoing_rows = map_topics.added_to(outgoing_rows, topics)
                if written.num_rows < count:
                    is_written = pc.is_in(outgoing_rows.column("id"), written.column("id").combine_chunks())
                    outgoing_rows = outgoing_rows.filter(is_written)
                yield (
                    pa.table({n: (written if n in _INDEX_COLUMNS else outgoing_rows).column(n) for n in schema.names}),
                    written,
                )
            progress.update()


_INDEX_COLUMNS = ("source", "added_in", "changed_in")
