"""The ledger at size: append, open, look up, report.

    python benchmarks/ledger.py [--records 1000000]

The baseline beside it is a Python dictionary in a pickle, the original's way to keep replies: it must be written and read
as a whole.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from articles import ROOT  # noqa: F401  (finds the package in a checkout)

from pipeline.core.types import Reply, Usage
from pipeline.label.ledger import Record, open_ledger

TEXT = "harbour tunnel; ferry service; old docks; city council; public transport; Northgate; timetable"


def record(number: int) -> Record:
    reply = Reply(f"{number} {TEXT}", "stop", "gpt-6-luna", f"req-{number}", Usage(900, 0, 30))
    return Record(key(number), "answered", reply, 1, 0.5, f"2026-11-{number % 20 + 1:02d}T00:00:00.000+00:00", 0.0001)


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def timed(what: str, work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    print(f"{what:52}{time.perf_counter() - started:>8.2f} s", flush=True)
    return result


def fill(path: Path, count: int) -> None:
    ledger = open_ledger(path, "benchmark")
    for start in range(0, count, 256):
        ledger.put([record(number) for number in range(start, min(start + 256, count))])
    ledger.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    count = parser.parse_args().records
    wanted = [key(number) for number in random.Random(1).sample(range(count), min(100_000, count))]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ledger.sqlite"
        timed(f"append {count:,} records, a sync for each 256", lambda: fill(path, count))
        ledger = timed("open", lambda: open_ledger(path, "benchmark"))
        found = timed(f"look up {len(wanted):,} keys", lambda: ledger.get(wanted))
        assert len(found) == len(wanted)
        timed(
            "totals, by model and day, by error class",
            lambda: (ledger.report.totals(), ledger.report.by_model_and_day()),
        )
        timed("check the whole file", ledger.check)
        replies = {key(number): record(number) for number in range(count)}
        dump = Path(name) / "replies.pickle"
        timed("baseline: pickle them all (for one more reply)", lambda: dump.write_bytes(pickle.dumps(replies)))
        timed("baseline: unpickle them all", lambda: pickle.loads(dump.read_bytes()))


if __name__ == "__main__":
    main()
