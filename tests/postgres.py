"""A PostgreSQL server of the tests' own: Debian's package, in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import reserve_port


def binary(name: str) -> str | None:
    """Debian keeps the server's programs out of PATH."""
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found if not places else str(places[-1])


def _as_user() -> list[str]:
    """The server refuses to run as root."""
    if os.geteuid():
        return []
    user = next((name for name in ("postgres", "nobody") if _exists(name)), "nobody")
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The server's address.  Raises FileNotFoundError where PostgreSQL is not installed."""
    initdb, server = binary("initdb"), binary("postgres")
    if not initdb or not server:
        raise FileNotFoundError("PostgreSQL is not installed")
    data = folder / "data"
    data.mkdir()
    user = _as_user()
    if user:
        owner = user[1].partition("=")[2]
        for place in (folder, data):
            shutil.chown(place, owner)
            place.chmod(0o700)
        for parent in folder.parents:  # pytest makes them for root alone
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*user, initdb, "-D", data, "-U", "labelmill", "--auth=trust", "-E", "UTF8"], **quiet)  # type: ignore[call-overload]
    port = reserve_port()
    command = [*user, server, "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        url = f"postgresql://labelmill:sesame@127.0.0.1:{port}/postgres"
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    import time

    import psycopg

    for _ in range(1200):
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError("PostgreSQL did not start")
