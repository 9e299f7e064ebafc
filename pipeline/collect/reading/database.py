"""Read-only access to a database through SQLAlchemy, with errors of one line without a password."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ConfigError, InputError, LabelmillError, MissingExtra

if TYPE_CHECKING:
    import sqlalchemy as sa

WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before each retry of a page when the connection broke
CONNECT_SECONDS = 20
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql",
            "mariadb": "mariadb+pymysql"}  # fmt: skip
_OURS = {"psycopg", "pymysql"}  # drivers that the extra installs
_READ_ONLY = {"mysql": "SET SESSION TRANSACTION READ ONLY", "mariadb": "SET SESSION TRANSACTION READ ONLY"}


class SourceDatabase:
    """A database to read from.

    `label` stands in messages; `where` is the address without password and options; files are relative to `folder`.  Raises
    ConfigError for an address that is none, MissingExtra without SQLAlchemy or a driver.
    """

    def __init__(self, url: str, folder: Path, label: str) -> None:
        try:
            import sqlalchemy
        except ImportError as error:
            raise MissingExtra(f"{label}: reading a database", "sql") from error
        self.sa, self.label = sqlalchemy, label
        try:
            parsed = sqlalchemy.make_url(url)
        except (sqlalchemy.exc.ArgumentError, ValueError):
            raise ConfigError("url: no database address; write it as postgresql://user@host/database") from None
        self._secrets = _secrets(url, parsed)
        self._url = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        self.where = self._url.set(password=None, query={}).render_as_string()
        self._engine = self._create(folder)

    def columns(self, rows: sa.FromClause) -> list[str]:
        """Return the names of the columns of a table or query, without reading rows; this is also the first connection."""
        statement = self.sa.select(self.sa.text("*")).select_from(rows).limit(0)
        with self.errors(), self._engine.connect() as connection:
            return list(connection.execute(statement).keys())

    def fetch(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a short statement, in a transaction of its own; a broken connection is retried a few times."""
        lost = (self.sa.exc.OperationalError, self.sa.exc.InterfaceError)
        for wait in WAITS if self._url.get_backend_name() != "sqlite" else ():
            try:
                return self._fetch(statement)
            except lost:
                time.sleep(wait)
        with self.errors():
            return self._fetch(statement)

    def tables(self, schema: str | None) -> list[str]:
        """Return the names of tables and views."""
        with self.errors():
            inspector = self.sa.inspect(self._engine)
            return [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]

    def is_unique(self, table: str, schema: str | None, column: str) -> bool:
        """Return whether a constraint or index of the database keeps a column of a table unique."""
        with self.errors():
            inspect = self.sa.inspect(self._engine)
            unique_columns: list[Any] = [inspect.get_pk_constraint(table, schema).get("constrained_columns")]
            whole_indexes = (
                i
                for i in inspect.get_indexes(table, schema)
                if not i.get("dialect_options", {}).get("postgresql_where")
            )
            unique_columns += [index["column_names"] for index in whole_indexes if index["unique"]]
            return [column] in unique_columns

    def close(self) -> None:
        """End the connection; the next call makes another."""
        self._engine.dispose()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise whatever goes wrong in the database as InputError."""
        try:
            yield
        except (self.sa.exc.SQLAlchemyError, RuntimeError) as error:  # a driver may lack a package of its own
            raise InputError(f"{self.label}: {self.where}: {self.error_line(error)}") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{self.label}: {self.where}: text that is no UTF-8 ({error.reason})") from None

    def error_line(self, error: Exception) -> str:
        """Return the first line of the server's or the driver's message, without secrets, at most 300 characters."""
        cause = getattr(error, "orig", None) or error
        text = str(cause.args[-1] if cause.args else cause).strip().partition("\n")[0]
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:300]

    def _fetch(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.execute(statement)]
        except (self.sa.exc.ProgrammingError, self.sa.exc.DataError, UnicodeDecodeError) as error:
            with self.errors():
                raise error
            raise  # never reached

    def _create(self, folder: Path) -> sa.Engine:
        kind = self._url.get_backend_name()
        options: dict[str, Any] = {"hide_parameters": True, "pool_size": 1}
        if kind == "sqlite":
            options = {"creator": _sqlite(self._url.database or "", folder), "hide_parameters": True}
        elif kind == "postgresql":
            options["execution_options"] = {"postgresql_readonly": True}
        if kind in ("postgresql", *_READ_ONLY) and "connect_timeout" not in self._url.query:
            options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        try:
            engine = self.sa.create_engine("sqlite://" if kind == "sqlite" else self._url, **options)
        except ModuleNotFoundError as error:
            raise self._no_driver(str(error.name)) from error
        except self.sa.exc.ArgumentError as error:
            raise ConfigError(f"url: {self.error_line(error)}") from None
        if kind in _READ_ONLY:
            self.sa.event.listen(engine, "connect", _command(_READ_ONLY[kind]))
        return engine

    def _no_driver(self, module: str) -> LabelmillError:
        if module.lower() in _OURS:
            return MissingExtra(f"{self.label}: the driver {module}", "sql")
        return InputError(f"{self.label}: the driver {module} is not installed; install the package that has it")


def _command(command: str) -> Any:
    def run(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(command)

    return run


def _sqlite(database: str, folder: Path) -> Any:
    """Return a function that opens an SQLite file for reading only: by itself SQLite makes an empty one where there is none."""
    import sqlite3

    path = folder / database
    if not database or not path.is_file():
        raise ConfigError(f"url: no such file: {database or '(none given)'}")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        # one value that is no UTF-8 is one bad row: lone surrogates, which no article may have
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        return connection

    return connect


def _secrets(text: str, url: sa.URL) -> list[str]:
    """Return what must not be shown, longest first: the address as a whole, passwords as they are and as they were written."""
    written = re.search(r"://[^@/]*?:(.*)@", text)
    named = [v for name, value in url.query.items() if re.search("pass|pwd|secret|token|key", name.lower())
             for v in ([value] if isinstance(value, str) else value)]  # fmt: skip
    secrets = {text, *named, str(url.password or ""), written[1] if written else ""}
    return sorted(secrets - {""}, key=len, reverse=True)
