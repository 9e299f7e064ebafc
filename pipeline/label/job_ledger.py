"""The ledger of one job as the command `ledger` looks at it: what it adds up to, checked, exported, salvaged."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.job.workspace import Workspace
from pipeline.label.ledger import Ledger, open_ledger_to_read
from pipeline.label.ledger.salvage import salvage


def ledger(work: Workspace) -> dict[str, Any]:
    """Return totals, answers and cost by model and day, rejections by error class, what was asked again."""
    with opened_ledger(work) as opened:
        return {
            "ledger": opened.where,
            "totals": opened.report.totals(),
            "by_model_and_day": opened.report.by_model_and_day(),
            "errors_by_class": opened.report.errors_by_class(),
            "asked_again": opened.report.asked_again(),
        }


def check_ledger(work: Workspace) -> str:
    """Read the whole ledger; return where it is.  Raises InputError where it is damaged."""
    with opened_ledger(work) as opened:
        opened.database.check()
        return opened.where


def export_ledger(work: Workspace, path: Path) -> int:
    """Write all records to a Parquet file; return how many."""
    with opened_ledger(work) as opened:
        return opened.export(path)


def salvage_ledger(work: Workspace) -> tuple[int, Path] | None:
    """Save what can be read of a damaged SQLite ledger; return how many records, and where the damaged file is kept, None where it
    is sound."""
    target = work.ledger_target
    if not isinstance(target, Path):
        raise InputError("--salvage: a PostgreSQL ledger is restored by PostgreSQL's own tools")
    if not target.is_file():
        raise InputError(f"--salvage: there is no file {target}")
    with work.locked():
        try:
            check_ledger(work)
        except InputError:
            work.requests.keep_only([])  # the label stage looks again what is there
            return salvage(target)
        return None


def has_ledger(work: Workspace) -> bool:
    """Return whether the job has a ledger: one in PostgreSQL is taken to be there."""
    target = work.ledger_target
    return not isinstance(target, Path) or target.exists()


def opened_ledger(work: Workspace) -> closing[Ledger]:
    """Open the job's ledger to look at it, as a context.  Raises InputError where nothing was asked yet."""
    if not has_ledger(work):
        raise InputError(f"{work.ledger_target}: nothing was asked yet; run: labelmill label {work.config.in_commands}")
    return closing(open_ledger_to_read(work.ledger_target, work.config.name))
