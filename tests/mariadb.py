"""A MariaDB server of the tests' own: Debian's package, in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import reserve_port

PROGRAMS = ("mariadbd", "mariadb-install-db")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def binary(name: str) -> str | None:
    """Debian keeps the server out of some PATHs."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of an empty database.  Raises FileNotFoundError where MariaDB is not installed."""
    server, install = map(binary, PROGRAMS)
    if not server or not install:
        raise FileNotFoundError("MariaDB is not installed")
    user = pwd.getpwuid(os.geteuid()).pw_name
    data = folder / "data"
    common = ["--no-defaults", f"--datadir={data}"]
    subprocess.run(
        [install, *common, f"--user={user}", "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, **QUIET,
    )  # type: ignore[call-overload]  # fmt: skip
    port = reserve_port()
    setup = folder / "setup.sql"
    setup.write_text(
        "CREATE DATABASE news CHARACTER SET utf8mb4;\n"
        "CREATE USER labelmill@'127.0.0.1' IDENTIFIED BY 'sesame';\n"
        "GRANT ALL ON *.* TO labelmill@'127.0.0.1';\n"
    )
    command = [server, *common, f"--user={user}", "--bind-address=127.0.0.1", f"--port={port}", f"--init-file={setup}",
               f"--socket={folder}/s", f"--pid-file={folder}/pid", "--skip-name-resolve"]  # fmt: skip
    process = subprocess.Popen(command, **QUIET)  # type: ignore[call-overload]
    try:
        _wait(port)
        yield f"mysql://labelmill:sesame@127.0.0.1:{port}/news"
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    import pymysql

    for _ in range(1200):
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="labelmill", password="sesame", database="news").close()
            return
        except pymysql.MySQLError:
            time.sleep(0.1)
    raise TimeoutError("MariaDB did not start")
