"""The ledger of one job as the command `ledger` looks at it: what it adds up to, checked, exported, salvaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.core.errors import InputError
from pipeline.core.finish import finish_of
from pipeline.core.objects import looked_at
from pipeline.core.shards import read_order
from pipeline.job.label_options import JOB_BUDGET
from pipeline.job.workspace import NAMING, Workspace
from pipeline.label.endings import of_cut
from pipeline.label.ledger import Ledger, open_ledger_to_read
from pipeline.label.ledger.salvage import salvage
from pipeline.label.ledger.sqlite import DamagedLedger

Place = tuple[Path | str, str]
"""Where a ledger is (a file, or PostgreSQL's URL), and the job whose it is there."""
Numbers = np.ndarray[Any, np.dtype[np.uint64]]
_NO_NUMBERS: Numbers = np.zeros(0, np.uint64)
_AT_ONCE = 4096  # keys looked at, and looked up


def ledger(work: Workspace) -> dict[str, Any]:
    """Return totals, answers and cost by model and day, rejections by error class, what was asked again."""
    with opened_ledger(work) as opened:
        return {
            "ledger": opened.where,
            "totals": opened.report.totals(),
            "by_model_and_day": opened.report.by_model_and_day(),
            "errors_by_class": opened.report.errors_by_class(),
            "asked_again": opened.report.asked_again(),
            "paid_for_nothing": _paid_for_nothing(work, opened),
        }


def _paid_for_nothing(work: Workspace, opened: Ledger) -> list[dict[str, Any]]:
    """Return the replies that no label came of, and what they cost, by reason, the dearest first: those that were asked again,
    and the last ones of articles that `labels.rejected/` has."""
    replies: defaultdict[str, int] = defaultdict(int)
    dollars: defaultdict[str, float] = defaultdict(float)
    for row in opened.report.replaced():
        replies[row["reason"]] += row["replies"]
        dollars[row["reason"]] += row["cost_usd"] or 0.0
    for shard in read_order(work.articles):
        if work.labels.manifest(shard) is None:
            continue
        rejected = work.labels.read_rejected(shard).to_pylist()  # a table without rows has no keys
        reasons = {bytes.fromhex(row["key"]): row["reason"] for row in rejected if row.get("key")}
        for key, records in opened.get(list(reasons)).items():
            if (reply := records[-1].reply) is not None:
                is_cut = finish_of(reply.finish_reason) == "cut"
                reason = of_cut(reply.text) if is_cut and reasons[key] == "truncated" else reasons[key]
                replies[reason] += 1
                dollars[reason] += records[-1].cost_usd or 0.0
    by_cost = sorted(replies, key=lambda reason: (-dollars[reason], -replies[reason], reason))
    return [{"reason": reason, "replies": replies[reason], "cost_usd": dollars[reason]} for reason in by_cost]


class Budget(NamedTuple):
    """What may be spent through one ledger: so many dollars with what was spent `elsewhere`, as an option of that name says."""

    usd: float | None
    name: str
    elsewhere_usd: float = 0.0


def budget_beside(work: Workspace, ledger: Place, own_usd: float | None, own_name: str) -> Budget:
    """Return the tighter one of a budget that vectors or names of topics have for themselves, and the job's, of which others spent
    a part; `ledger` is theirs.  In one that is not the job's own other jobs' names may lie: their own budget bounds them."""
    of_job = work.config.label.budget_usd
    if of_job is None or not is_own(work, ledger[0]):  # no other ledger need be sound, or there
        return Budget(own_usd, own_name)
    spent = _spent_beside(work, ledger)
    if own_usd is not None and own_usd < of_job - spent:
        return Budget(own_usd, own_name)
    return Budget(of_job, JOB_BUDGET, spent)


def spent_elsewhere(work: Workspace) -> float:
    """Return the most that the job's other ledgers may hold of the budget that a job's labels are asked by, in US dollars."""
    if work.budget_name != JOB_BUDGET or work.config.label.budget_usd is None:
        return 0.0
    return _spent_beside(work.within or work, (work.ledger_target, work.config.name))


def spent_in_job(work: Workspace) -> float:
    """Return the most that all of a job, or of the one that it is within, may have cost so far, in US dollars."""
    return _spent_beside(work.within or work, None)


def _spent_beside(work: Workspace, own: Place | None) -> float:
    """Return what labels, vectors of an endpoint and names may have cost, but for one ledger; what is under way counts."""
    name = work.config.name
    places: set[Place] = {(work.ledger_target, name), (work.vectors_ledger, name)}
    if is_own(work, work.names_ledger):
        places.add((work.names_ledger, NAMING))
    others = {_one(place) for place in places} - ({_one(own)} if own else set())
    return sum(_spent(*place) for place in sorted(others, key=str) if is_there(place[0]))


def is_own(work: Workspace, target: Path | str) -> bool:
    """Return whether a ledger of vectors or names is a file of the job's own, which counts for its budget."""
    # in one that is given, a file or PostgreSQL, names of several jobs may lie, and none says whose it is
    files = (work.ledger_target, work.vectors_ledger, work.own_names_ledger)
    return isinstance(target, Path) and target.resolve() in {file.resolve() for file in files if isinstance(file, Path)}


def _one(place: Place) -> Place:
    """Return a ledger's place in one spelling: a file is one ledger, whichever jobs name it."""
    return (place[0].resolve(), "") if isinstance(place[0], Path) else place


def _spent(target: Path | str, job: str) -> float:
    with closing(open_ledger_to_read(target, job)) as opened:
        money = opened.report.spending()
        return money.spent + money.lost + money.reserved


def check_ledger(work: Workspace) -> str:
    """Read the whole ledger; return where it is.  Raises InputError where it is damaged."""
    with opened_ledger(work) as opened:
        opened.database.check()
        return opened.where


def cost_of_labels(work: Workspace, ledger: Ledger, shards: Sequence[str], totals: dict[str, Any]) -> dict[str, Any]:
    """Return what the answers of `requests/` cost, other than all that was ever asked, and the models whose price is not known."""
    # `requests/` has the keys of now; another model's or prompt's answers are in the ledger beside them
    made = [shard for shard in shards if work.requests.manifest(shard)]
    # sorted in place: numpy's own `unique` takes five times the memory
    questions = np.concatenate([_NO_NUMBERS, *(_numbers(keys) for keys in _keys(work, made))])
    questions.sort()
    is_first = np.ones(len(questions), bool)
    is_first[1:] = questions[1:] != questions[:-1]
    cost = totals["cost_usd"]
    # else these are all that was ever asked, and a million keys need not be looked up
    if np.count_nonzero(is_first) != totals["articles"]:
        cost = _cost_of(work, ledger, made, questions[is_first])
    models = {row["model"] for row in ledger.report.by_model_and_day() if row["unpriced"]}
    return {"cost_of_labels_usd": cost, "unpriced_models": sorted(models)}


@looked_at()
def check_ledger_is_this_jobs(work: Workspace, ledger: Ledger | None, shards: Sequence[str]) -> None:
    """Raise InputError where the job had answers and the ledger has none, or is not there: it would all be paid again."""
    manifests = [work.requests.manifest(shard) for shard in shards]
    answered = sum(manifest.notes.get("answered", 0) for manifest in manifests if manifest)
    if answered and (ledger is None or ledger.is_empty()):
        where = ledger.where if ledger else work.ledger_target
        raise InputError(
            f"{where}: holds no answers, but this job got {answered:,}: put the ledger back (see label.ledger), or delete "
            f"{work.requests.path} to ask, and pay, for all of them again"
        )


def _cost_of(work: Workspace, ledger: Ledger, shards: Sequence[str], questions: Numbers) -> float:
    """Return what the answers to these questions cost, each counted once: articles with the same text have the same key."""
    cost, is_counted = 0.0, np.zeros(len(questions), bool)
    for keys in _keys(work, shards):
        places, rows = np.unique(np.searchsorted(questions, _numbers(keys)), return_index=True)
        fresh = [keys[row] for row in rows[~is_counted[places]]]
        is_counted[places] = True
        cost += sum(usd or 0.0 for *_, usd, _, _ in ledger.taken([bytes.fromhex(key) for key in fresh]))
    return cost


def _keys(work: Workspace, shards: Sequence[str]) -> Iterator[list[str]]:
    """Yield the keys of requests, some thousand at a time, with those of the prompts before the label's, which were paid for the
    label too."""
    for shard in shards:
        for batch in work.requests.stream(shard, ["key", "before"], _AT_ONCE):
            before = batch.column("before").flatten().to_pylist() if "before" in batch.schema.names else []
            yield batch.column("key").to_pylist() + before


def _numbers(keys: Sequence[str]) -> Numbers:
    """Return the first 64 bits of each key: enough to tell a million digests apart, in a tenth of the memory of a set of them."""
    return np.frombuffer(bytes.fromhex("".join(keys)), np.dtype(">u8"))[::4].astype(np.uint64)


def export_ledger(work: Workspace, path: Path) -> int:
    """Write all records to a Parquet file; return how many."""
    with opened_ledger(work) as opened:
        return opened.export(path)


def salvage_ledger(work: Workspace) -> list[tuple[int, Path]]:
    """Save what can be read of the job's damaged SQLite ledgers: of labels, vectors and names.

    Return how many records of each were saved, and where the damaged file is kept; nothing where all are sound.
    """
    targets = dict.fromkeys([work.ledger_target, work.vectors_ledger, work.names_ledger])
    files = [target for target in targets if isinstance(target, Path) and target.is_file()]
    saved = []
    for file in files:
        with work.locked():
            if _is_sound(file):
                continue
            for target, requests in ((work.ledger_target, work.requests), (work.names_ledger, work.names_requests)):
                if file == target:
                    requests.keep_only([])  # whoever asks looks again what is there
            saved.append(salvage(file))
    if not saved and not isinstance(work.ledger_target, Path):
        raise InputError("--salvage: a PostgreSQL ledger is restored by PostgreSQL's own tools")
    if not files:
        raise InputError(f"--salvage: there is no file {work.ledger_target}")
    return saved


def _is_sound(file: Path) -> bool:
    try:
        with closing(open_ledger_to_read(file, "")) as opened:
            opened.database.check()
    except DamagedLedger:  # one that a newer labelmill wrote is sound, and none of this one's business
        return False
    return True


def has_ledger(work: Workspace) -> bool:
    """Return whether the job has a ledger."""
    return is_there(work.ledger_target)


def is_there(ledger: Path | str) -> bool:
    """Return whether there is a ledger: one in PostgreSQL is taken to be there."""
    return not isinstance(ledger, Path) or ledger.exists()


def opened_ledger(work: Workspace) -> closing[Ledger]:
    """Open the job's ledger to look at it, as a context.  Raises InputError where nothing was asked yet."""
    if not has_ledger(work):
        raise InputError(f"{work.ledger_target}: nothing was asked yet; run: labelmill label {work.config.in_commands}")
    return closing(open_ledger_to_read(work.ledger_target, work.config.name))
