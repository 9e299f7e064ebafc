"""Planning of a version, with nothing written: its rows are read once, compared with the last version, checked by the gates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, read_json
from pipeline.core.shards import read_order
from pipeline.engines.mapping import map_shards
from pipeline.job import takedowns
from pipeline.job.workspace import Workspace
from pipeline.metrics.intervals import NOTHING, Share
from pipeline.publish import card, facts, gates, release_log
from pipeline.publish.languages import LanguageSample
from pipeline.publish.outgoing import OutgoingRows, looker
from pipeline.publish.published_leaks import out_already
from pipeline.publish.spending import RunTallies, SpendingReader
from pipeline.review.statistics import summary
from pipeline.train import pictures as learning
from pipeline.versions import (
    data_files,
    diff,
    file_facts,
    manifest,
    map_topics,
    numbering,
    provenance,
    rows,
    store,
)
from pipeline.versions.features import TYPES, TypeSurvey
from pipeline.versions.forms import Nfc

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class OtherStages:
    """What publishing needs of other stages; who wires them hands it in.

    `spending` opens label's ledger, to be asked what the requests of some keys took; `near_eval` is split's: of rows with the
    `signature`s in tables, which may be read again, and whether each is eval, those that are not and are like one that is.
    """

    spending: Callable[[], AbstractContextManager[SpendingReader]]
    near_eval: Callable[[Callable[[], Iterable[pa.Table]], Flags], Flags]


@dataclass(frozen=True)
class Plan:
    """Plan of what would be published: `version` is None where the rows are those of `last`, and no version was asked for.
    `index` has a row for each row that goes out, with its `file`, `added_in` and `changed_in`; `counts` tells how many are of each
    shard."""

    last: Path | None
    version: str | None
    diff: diff.Diff
    findings: list[gates.GateResult]
    manifest: dict[str, Any]
    index: pa.Table
    counts: list[int]
    kept: frozenset[str]  # files of `last` that are as they would be written

    @property
    def card(self) -> str:
        """Return the card without the release id and the sizes of files, which are not there yet."""
        return card.render(self.manifest)


def plan(work: Workspace, others: OtherStages, asked: str | None = None, keep: bool = False) -> Plan:
    """Plan a version; `asked` is its number, where that is given.  Nothing is written, but with `keep` what was found of rows.

    Raises ConfigError for a given version that promises too much, InputError where there are no labels, or those of another task.
    """
    if (last := store.latest(work.versions)) and (wrong := store.damaged(last)):
        raise InputError(
            f"{last}: it is not as its manifest says ({', '.join(wrong[:5])}); nothing is compared with it: restore it (from the "
            f"Hub: delete the folder, then labelmill publish {work.config.in_commands} --adopt)"
        )
    outgoing = OutgoingRows(work)
    previous = store.read_manifest(last) if last else None
    survey = TypeSurvey(work.config.label_column.name, work.config.task.classes(work.config.task_options), previous)
    index, counts, tallies, languages, shared = _index(work, outgoing, others, survey, keep)
    if not index.num_rows:
        raise InputError(
            f"{work.path}: no labelled article to publish; see: labelmill status {work.config.in_commands}"
        )
    before = store.state(last, outgoing.nfc, files_folder(work, outgoing.nfc))
    compared = diff.compare(before, index)
    compared = replace(compared, diff=replace(compared.diff, retyped=survey.retyped()))
    name, broken = last.name if last else None, release_log.read(work.versions, work.config.publish.repo).broken
    if asked:
        numbering.check_given(asked, name, compared.diff, broken)
    next_version = None if last and compared.diff.empty else numbering.next_version(name, compared.diff, broken)
    version = asked or next_version
    index = _with_history(index, compared, before, version or str(name))
    reviewed = _audited_share(work)
    published = out_already(work, outgoing, index, counts, compared, last)
    findings = _gate_results(work, index, before, reviewed, published)
    described = {run_id: dict(read_json(work.run_file(run_id)) or {}) for run_id in tallies}
    made = {
        "inputs": inputs_of(work),
        "runs": provenance.runs(tallies, described),
        "funnel": _funnel(work),
        "gates": {finding.gate: finding.as_dict() for finding in findings},
        "reviewed": asdict(reviewed),
        "takedowns": sorted(outgoing.takedowns.texts),
        "languages_of_a_sample": languages,
        **({"broken": broken} if broken else {}),
        **({"shared_labels": shared} if shared else {}),
        **map_topics.told(work, index.column("id"), last),
        **({"student": learning.summary(student)} if (student := learning.latest(work.students, False)) else {}),
        **({"learning_curve": learning.summary(student)} if (student := learning.latest(work.students)) else {}),
        **({TYPES: types} if (types := survey.types()) is not None else {}),
    }
    changes = manifest.changes(version or str(name), previous, compared.diff)
    about = (
        manifest.of_job(work.config)
        | changes
        | manifest.of_rows(index, work.config.split.largest_group(index.num_rows))
        | made
    )
    # a text that was brought to NFC is no change, and is written as it is now all the same
    kept = data_files.unchanged(index, compared, before) if last and not outgoing.nfc.key else frozenset()
    return Plan(last, version, compared.diff, findings, about, index, counts, kept)


def files_folder(work: Workspace, nfc: Nfc) -> file_facts.FactsFolder:
    """Return what is kept of the files of versions."""
    return file_facts.FactsFolder(work.file_facts, digest_of(facts.key_of(work, nfc)))


def _gate_results(
    work: Workspace, index: pa.Table, before: pa.Table, reviewed: Share, published: pa.ChunkedArray
) -> list[gates.GateResult]:
    options, column = work.config.publish, work.config.label_column
    evals = before.column("id").filter(pc.equal(before.column("split"), "eval")).combine_chunks()
    max_phrases = work.config.max_phrases if column.many else 1
    limits = (max_phrases, options.max_absent_rate, options.min_precision)
    inputs = gates.GateInputs(index, evals, reviewed, *limits, published.combine_chunks())
    return gates.run_gates(inputs, options.gates, options.waive)


def inputs_of(work: Workspace) -> str:
    """Return the digest of what a version is made of."""
    column = work.config.label_column
    label = column.described()  # without what is at its default: a digest does not grow with the type
    made_of: list[Any] = [label, work.config.publish.text, takedowns.digest(work.takedowns)]
    made_of += [sorted(redact)] if (redact := work.config.publish.redact) else []
    folders = (work.filtered, work.reviewed, work.split)
    return digest_of([*made_of, *([folder.digest(s) for folder in folders] for s in read_order(work.articles))])


def _index(
    work: Workspace, outgoing: OutgoingRows, others: OtherStages, survey: TypeSurvey, keep: bool
) -> tuple[pa.Table, list[int], dict[str, provenance.RunTally], dict[str, int], int]:
    """Return an index of all rows (small columns, for gates, comparison and manifest), how many are of each shard, the tally of
    each run, the languages of some texts, where no filter has found any, and how many rows share the answer about a near-copy."""
    shard_names = read_order(work.articles)
    tables, sample, shared = [rows.INDEX.empty_table()], LanguageSample(len(shard_names)), 0
    if keep:  # the texts are looked at where the job's engine says; what is read here are their facts
        progress = work.progress("publish", len(shard_names), "shards")
        map_shards(work.engine, facts.step(work, outgoing.nfc), shard_names, partial(looker, work), progress)
    with others.spending() as ledger, work.progress("publish", len(shard_names), "shards") as progress:
        tallies = RunTallies(work, ledger, outgoing.sharing)
        for shard in shard_names:
            index = outgoing.index_of(shard)
            tables.append(index)
            shared += outgoing.shared_among(shard, index.column("id"))
            if not len(index) or index.column("language").null_count == len(index):
                sample.add(outgoing.of(shard))
            survey.add(outgoing.typed(shard, survey.wants_label))
            tallies.add(shard, index)
            progress.update()
    if keep:
        tallies.keep()
    # numbers and dictionaries only, 120 bytes a row: a million rows fit in memory, their texts never do
    index = pa.concat_tables(tables).unify_dictionaries()
    # looked at anew, whatever the split says
    is_eval = np.asarray(pc.equal(index.column("split"), "eval"), dtype=bool)
    counts = [table.num_rows for table in tables[1:]]
    near = others.near_eval(lambda: _signatures(work, index, counts), is_eval)
    return (
        index.append_column("near", pa.array(near.astype(np.uint8))),
        counts,
        tallies.sums,
        dict(sample.counts.most_common()),
        shared,
    )


def _signatures(work: Workspace, index: pa.Table, counts: list[int]) -> Iterator[pa.Table]:
    """Yield the signatures of the rows of the index; `counts` has how many are of each shard."""
    start = 0
    for shard, count in zip(read_order(work.articles), counts, strict=True):
        yield rows.with_ids_of(index.slice(start, count), work.signatures.read(shard, ["id", "signature"]))
        start += count


def _with_history(index: pa.Table, compared: diff.Comparison, before: pa.Table, version: str) -> pa.Table:
    """Return the index with `file`, `added_in`, `changed_in`, and the `source` that a row was published with."""
    published = pa.array(compared.before, mask=compared.before < 0)
    old = {name: before.column(name).take(published).cast(pa.string()) for name in ("source", "added_in", "changed_in")}
    now = pa.scalar(version)
    changed_in = pc.if_else(pa.array(compared.changed), now, old["changed_in"])
    index = index.append_column("added_in", old["added_in"].fill_null(now).dictionary_encode())
    index = index.append_column("changed_in", changed_in.fill_null(now).dictionary_encode())
    files = data_files.files_of_rows(index.column("split"), compared, before)
    index = index.append_column("file", pa.array(files, pa.int32()))
    source = pc.if_else(pa.array(compared.changed), index.column("source").cast(pa.string()), old["source"])
    return index.set_column(index.schema.get_field_index("source"), "source", source.dictionary_encode())


def _funnel(work: Workspace) -> list[dict[str, Any]]:
    """Return what each stage took in, kept and rejected by reason."""
    order, funnel = read_order(work.articles), []
    folders = (work.articles, work.filtered, work.labels, work.reviewed, work.split)
    for stage, folder in zip(("collect", "filter", "label", "review", "split"), folders, strict=True):
        tally = folder.tally(order)
        funnel.append({"stage": stage, "rows": tally.rows, "kept": tally.kept, "rejected": dict(tally.rejected)})
    return funnel


def _audited_share(work: Workspace) -> Share:
    """Return the share of phrases that reviewers accepted in the audit."""
    precision = summary.precision(work)
    if not precision:
        return NOTHING
    names = ("mean", "low", "high", "phrases", "articles", "design_effect", "icc", "covers")
    return Share(*(precision[name] for name in names))
