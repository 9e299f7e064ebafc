"""The ledger: one durable record for each (key, ask), written before anything parses the reply.

`Ledger` is the one door to it; `open_ledger` (or `open_ledger_to_read`) finds the database: one SQLite file in the job's folder,
or PostgreSQL for many machines.  `schema` holds what is stored, `claims` who is asking what at this moment, `tariffs` what that may
cost, `report` adds up, `store` joins them; `salvage` saves what can be read of a damaged file.
"""

from __future__ import annotations

from pipeline.label.ledger.schema import Record
from pipeline.label.ledger.store import Ledger, open_ledger, open_ledger_to_read

__all__ = ["Ledger", "Record", "open_ledger", "open_ledger_to_read"]
