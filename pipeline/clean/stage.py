"""clean: `requests/` + the ledger's raw replies -> `labels/`.  Costs nothing; runs again whenever a rule changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clean.offsets import offsets
from pipeline.core import finish, plugins
from pipeline.core.errors import InputError
from pipeline.core.options import in_key
from pipeline.core.shards import REJECTED, Output, read_order, rejected_table
from pipeline.core.types import Article, Label, Reply
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import UNKNOWN, Step, state_of
from pipeline.job.label_table import SHARED_FROM, former_rows, schema
from pipeline.job.workspace import Workspace
from pipeline.label.job_ledger import has_ledger
from pipeline.label.ledger import Ledger, Record, open_ledger, open_ledger_to_read
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of, identified

VERSION = 1
REJECTED_LABELS = pa.schema([*REJECTED, ("reply", pa.string()), ("key", pa.string())])


def run(work: Workspace) -> None:
    """Bring `labels/` up to date with `requests/`."""
    shards, labeller = read_order(work.articles), RequestBuilder(work)
    labeller.describe(labeller.run_id)
    if isinstance(work.ledger_target, Path) and has_ledger(work):  # a file of an older format, or of a killed writer
        open_ledger(work.ledger_target, work.config.name).close()  # is brought up to date once, here
    progress = work.progress("clean", len(shards), "shards")
    map_shards(work.engine, _step(work, labeller), shards, partial(_cleaner, work), progress)


def _cleaner(work: Workspace) -> Transform:
    labeller = RequestBuilder(work)

    def clean(shard: str, _: object) -> Output:
        with closing(_ledger_of(work)) as ledger:
            return _clean(work, labeller, ledger, shard)

    return clean


def _ledger_of(work: Workspace) -> Ledger:
    """Open the ledger to read.  Raises InputError where a file is not there: an empty one in its place would lose every label."""
    if not has_ledger(work):
        raise InputError(
            f"{work.ledger_target}: there is no ledger here, and labels are made of its replies; put it back, or run: labelmill "
            f"label {work.config.in_commands} (on a cluster, label.ledger must be a file that all nodes see, or postgresql://)"
        )
    return open_ledger_to_read(work.ledger_target, work.config.name)


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return the state of `labels/` against the replies, the cleaner and its options (`steps.Step.state`)."""
    labeller = identified(work)
    return state_of([_step(work, labeller)], shards) if labeller else UNKNOWN


def _step(work: Workspace, labeller: RequestBuilder) -> Step:
    task, options = plugins.load("tasks", work.config.label.task), work.config.task_options
    # A job that names no tokenizer has the key of before there was the option: its labels are not made anew.
    cleaning = [
        VERSION,
        plugins.name_in_digests(task.__name__),
        plugins.version_of(task),
        in_key(options, mode="json"),
        *([work.config.tokenizer] if work.config.tokenizer else []),
    ]
    changed = "the cleaner, its options or the labeller changed"
    return Step(work.labels, [work.filtered, work.requests], [cleaning, labeller.run_id], changed)


def _clean(work: Workspace, labeller: RequestBuilder, ledger: Ledger, shard: str) -> Output:
    table = work.requests.read(shard)
    articles, requests = _joined(work.filtered.read(shard, ARTICLE_COLUMNS), table), table.to_pylist()
    articles = work.given.as_given(shard, articles)
    records = ledger.get(list(dict.fromkeys(bytes.fromhex(row["key"]) for row in requests)))
    kept: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for row, article in zip(requests, articles, strict=True):
        label = _label(labeller, article, row, records.get(bytes.fromhex(row["key"]), []))
        (rejected if "reason" in label else kept).append(label)
    if labeller.prompt is None:
        _forgive_lists(work, shard, kept)
    for run_id in {label["run_id"] for label in kept}:
        labeller.describe(run_id)
    unknown = sum(finish.UNKNOWN in label["repairs"] for label in (*kept, *rejected))
    notes = {finish.UNKNOWN: unknown} if unknown else {}
    columns = schema(work, shared=any(SHARED_FROM in label for label in kept))
    return Output(pa.Table.from_pylist(kept, schema=columns), rejected_table(rejected, REJECTED_LABELS), notes=notes)


def _joined(articles: pa.Table, requests: pa.Table) -> list[Article]:
    """Return the article of each request, by its id: `requests/` need not hold the first articles of a shard."""
    return articles_of(articles.take(pc.index_in(requests.column("id"), articles.column("id").combine_chunks())))


def _label(
    labeller: RequestBuilder, article: Article, request: dict[str, Any], records: list[Record]
) -> dict[str, Any]:
    """Return a row of `labels/`, or of `labels.rejected/` with its reason."""
    origin = {"id": article.id, "source": article.source, "line": article.line, "text_sha256": article.text_sha256}
    column = labeller.column
    if request["status"] == "rejected" and labeller.chain.is_lack(request["reason"]):
        # its key is that of another prompt, whose reply is no label
        kept = {name: request[name] for name in ("reason", "detail", "key")}
        return {**origin, **kept, "repairs": []}
    answers = [record for record in records if record.reply is not None]
    if not answers:
        reason = f"request_{request['status']}" if request["status"] != "answered" else "reply_not_in_ledger"
        detail = " ".join(part for part in (request["reason"], request["detail"]) if part)
        return {**origin, "reason": reason, "detail": detail, "key": request["key"], "repairs": []}
    shared_from = request.get("shared_from")
    record, reply, label = _best(answers, article, labeller.parse_shared if shared_from else labeller.parse)
    if label.status != "ok":
        detail = f"{label.detail} " if label.detail else ""
        detail += f"finish_reason={reply.finish_reason}" if reply.finish_reason else ""
        detail += f" asked {len(records)} times" if len(records) > 1 else ""
        detail += f" the answer is about {shared_from}" if shared_from else ""
        return {
            **origin,
            "reason": label.status,
            "detail": detail.strip(),
            "reply": reply.text[:1000],
            "key": None if shared_from else request["key"],  # what is shared was not paid for this article
            "repairs": label.repairs,  # for the stage's notes; a rejected row has none
        }
    return {
        "id": article.id,
        "text_sha256": article.text_sha256,
        column.name: column.value(label.phrases),
        "tiers": label.tiers,
        "offsets": offsets(label.phrases, label.tiers, article.text) if column.has_tiers else None,
        "status": label.status,
        "repairs": [*label.repairs, *(["article_truncated"] if record.note else []), *(request.get("notes") or [])],
        "provider": labeller.provider_name,
        "model": reply.model,
        "prompt": labeller.prompt.name if labeller.prompt else None,
        "prompt_sha256": labeller.prompt.digest if labeller.prompt else None,
        "run_id": labeller.run_id if shared_from else labeller.run_id_of(article, bytes.fromhex(request["key"])),
        "key": request["key"],
        **({SHARED_FROM: shared_from} if shared_from else {}),
    }


def _forgive_lists(work: Workspace, shard: str, labels: list[dict[str, Any]]) -> None:
    """Take `literal` out of the repairs of an extractor's labels: that it writes a list is as it should be."""
    former = former_rows(work.labels, shard, ["key", "repairs"])
    called_repaired = {row["key"] for row in former if "literal" in row["repairs"]}  # they stay as they are
    for label in labels:
        if label["key"] not in called_repaired:
            label["repairs"] = [name for name in label["repairs"] if name != "literal"]


def _best(
    answers: list[Record], article: Article, parse: Callable[[Reply, Article], Label]
) -> tuple[Record, Reply, Label]:
    """Return the last answer that makes a label (of a question that was asked again), else the last."""
    last = None
    for record in reversed(answers):
        assert record.reply is not None
        label = parse(record.reply, article)
        last = last or (record, record.reply, label)
        if label.status == "ok":
            return record, record.reply, label
    assert last is not None
    return last
