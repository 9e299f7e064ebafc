"""What the ledger stores: records, and the tables that hold them and the claims."""

from __future__ import annotations

from typing import Any, Protocol

from pipeline.core.row_class import row_class
from pipeline.core.types import Reply, Usage

FORMAT = 3
READABLE = 2  # since this format all that is only looked at is there

# Portable between SQLite and PostgreSQL: {bytes} and {real} are the only types that they name differently.
TABLES = (
    """CREATE TABLE IF NOT EXISTS replies (
  key           {bytes} NOT NULL,             -- SHA-256 of endpoint, model, parameters, messages
  ask           INTEGER NOT NULL,             -- 1, or more where the same question was asked again
  reason        TEXT,                         -- why it was asked again: truncated, refusal, empty, content_filter
  status        TEXT    NOT NULL,             -- answered | rejected
  reply         TEXT,                         -- raw, as the model wrote it
  finish_reason TEXT,
  model         TEXT, tier TEXT,              -- as served
  lane          TEXT,                         -- online | batch | local
  request_id    TEXT,
  input_tokens  INTEGER, cached_tokens INTEGER, output_tokens INTEGER, cache_write_tokens INTEGER,
  cost_usd      {real},                       -- null: the price is not known
  attempts      INTEGER NOT NULL,
  seconds       {real}  NOT NULL,             -- from the first attempt to the answer
  finished_at   TEXT    NOT NULL,             -- UTC, ISO 8601
  error_code    TEXT, error TEXT,             -- why it was rejected
  note          TEXT,                         -- what was sent other than asked: "cut to 900 of 1400 tokens"
  PRIMARY KEY (key, ask)
)""",
    """CREATE TABLE IF NOT EXISTS claims (
  key          {bytes} NOT NULL PRIMARY KEY,  -- is being asked at this moment
  worker       TEXT    NOT NULL,
  reserved_usd {real}  NOT NULL,              -- the most that it may cost
  bytes        BIGINT  NOT NULL DEFAULT 0,    -- of its prompt
  raised       INTEGER NOT NULL DEFAULT 0     -- the tariff that it was reserved by
)""",
    """CREATE TABLE IF NOT EXISTS workers (
  worker        TEXT NOT NULL PRIMARY KEY,    -- one process that asked, kept for good
  host          TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL,
  started_at    {real} NOT NULL,
  lease_until   {real} NOT NULL,              -- epoch seconds; 0: it has ended
  spent_usd     {real} NOT NULL DEFAULT 0,
  lost_usd      {real} NOT NULL DEFAULT 0,    -- the most that replies which never arrived may have cost
  lost_requests INTEGER NOT NULL DEFAULT 0,
  asked         TEXT NOT NULL DEFAULT '',     -- whose tariff its reservations follow
  lost_bytes    BIGINT NOT NULL DEFAULT 0     -- of the prompts of the lost requests
)""",
    """CREATE TABLE IF NOT EXISTS tariffs (
  asked         TEXT NOT NULL PRIMARY KEY,    -- digest of endpoint, model, parameters and prices
  raised        INTEGER NOT NULL,             -- how often a reply was dearer than had been reserved for
  input_usd     {real} NOT NULL,              -- for a token, by the dearest model and tier that is known
  output_usd    {real} NOT NULL,
  ratio         {real} NOT NULL,              -- most tokens to a byte of a prompt
  output_tokens BIGINT NOT NULL,              -- most tokens of a reply
  unpriced      TEXT                          -- a model that answered, and whose price is not known
)""",
    # No new format because of these three: an older program opens the ledger all the same, and waits for what a batch holds.
    """CREATE TABLE IF NOT EXISTS batches (
  name         TEXT NOT NULL PRIMARY KEY,     -- also that of its worker, and in its metadata at the endpoint
  endpoint     TEXT NOT NULL, model TEXT,
  owner        TEXT NOT NULL,                 -- the worker that submits or settles it
  state        TEXT NOT NULL,                 -- writing | written | uploaded | posting, then as the endpoint says
  created_at   {real} NOT NULL,               -- epoch seconds
  requests     BIGINT NOT NULL DEFAULT 0, bytes BIGINT NOT NULL DEFAULT 0,
  input_file   TEXT,
  posted_at    {real}, posts INTEGER NOT NULL DEFAULT 0,
  batch_id     TEXT,
  completed    BIGINT NOT NULL DEFAULT 0, failed BIGINT NOT NULL DEFAULT 0,
  output_file  TEXT, error_file TEXT,
  settled_at   {real},                        -- null: it is under way
  answered     BIGINT NOT NULL DEFAULT 0, rejected BIGINT NOT NULL DEFAULT 0,
  limit_bytes  BIGINT,                        -- the most that a file may have, where this one did not fit into the token queue
  ratio        {real} NOT NULL DEFAULT 0,     -- most tokens to a byte of a prompt
  detail       TEXT                           -- why it failed
)""",
    """CREATE TABLE IF NOT EXISTS batch_failures (
  key          {bytes} NOT NULL PRIMARY KEY,  -- a request that failed in a batch, by itself
  failures     INTEGER NOT NULL,
  code         TEXT NOT NULL, detail TEXT NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS worker_answers (
  worker       TEXT   NOT NULL,               -- a process that asks
  slot         BIGINT NOT NULL,               -- epoch seconds by five: see `workers`
  answers      INTEGER NOT NULL,              -- stored in that time
  last_at      {real} NOT NULL,               -- epoch seconds
  PRIMARY KEY (worker, slot)
)""",
)
COLUMNS = (
    "key, ask, reason, status, reply, finish_reason, model, tier, lane, request_id, input_tokens, cached_tokens, "
    "output_tokens, cache_write_tokens, cost_usd, attempts, seconds, finished_at, error_code, error, note"
)
_MARKS = ", ".join("?" * len(COLUMNS.split(", ")))
INSERT_REPLY = f"INSERT INTO replies ({COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"  # noqa: S608
# by table: what a ledger of an earlier format lacks
NEW_COLUMNS = {
    "replies": ("reason TEXT", "tier TEXT", "lane TEXT", "note TEXT", "cache_write_tokens INTEGER"),
    "claims": ("bytes BIGINT NOT NULL DEFAULT 0", "raised INTEGER NOT NULL DEFAULT 0"),
    "workers": ("asked TEXT NOT NULL DEFAULT ''", "lost_bytes BIGINT NOT NULL DEFAULT 0"),
}


@row_class(frozen=True, slots=True)
class Record:
    """One answer, or one final refusal of the endpoint to answer (`rejected`, with `error_code`)."""

    key: bytes
    status: str
    reply: Reply | None
    attempts: int
    seconds: float
    finished_at: str
    cost_usd: float | None = None
    error_code: str | None = None
    error: str | None = None
    ask: int = 1
    reason: str | None = None  # why it was asked again
    lane: str = "online"
    note: str | None = None


class ClaimOutcome(Protocol):
    """What became of one claimed request: its record, or None where it got no answer."""

    @property
    def key(self) -> bytes: ...
    @property
    def record(self) -> Record | None: ...
    @property
    def spent_usd(self) -> float: ...
    @property
    def lost_usd(self) -> float | None: ...


def to_row(record: Record) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for a record."""
    reply = record.reply or Reply("")
    usage = reply.usage
    return (
        record.key, record.ask, record.reason, record.status, record.reply and storable(reply.text),
        reply.finish_reason, reply.model, reply.tier, record.lane, reply.request_id,
        usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.cache_write_tokens, record.cost_usd,
        record.attempts, round(record.seconds, 3), record.finished_at,
        record.error_code, record.error and storable(record.error), record.note,
    )  # fmt: skip


def from_row(row: tuple[Any, ...]) -> Record:
    """Return the record of a row of `COLUMNS`."""
    (key, ask, reason, status, text, finish, model, tier, lane, request_id, tokens_in, cached, tokens_out, written, cost,
     attempts, seconds, finished_at, code, error, note) = row  # fmt: skip
    usage = Usage(tokens_in, cached, tokens_out, written)
    reply = None if text is None else Reply(text, finish, model, request_id, usage, tier)
    lane = lane or "online"
    return Record(bytes(key), status, reply, attempts, seconds, finished_at, cost, code, error, ask, reason, lane, note)


def storable(text: str) -> str:
    """Return a text as every database takes it: lone surrogates become `?`, and PostgreSQL takes no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
