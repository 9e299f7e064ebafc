"""Sources beside plain files: databases."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ConfigError, InputError, LabelmillError
from pipeline.core.shards import read_order
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace
from tests import mariadb, postgres
from tests.conftest import PEAK, ROOT, JobMaker, rows, run, stage, tree, work_of

sa = pytest.importorskip("sqlalchemy", reason="extra 'sql' is not installed")

from pipeline.collect.reading import database as databases  # noqa: E402
from pipeline.collect.sources import sql  # noqa: E402

KOREAN = "서울시가 한강 변에 새로운 도서관을 열었다고 밝혔다."


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with postgres.running(tmp_path_factory.mktemp("pg")) as url:
            yield url
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mariadb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("pymysql")
    try:
        with mariadb.running(tmp_path_factory.mktemp("my")) as url:
            yield url
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database without our tables."""
    monkeypatch.setattr(databases, "WAITS", (0.2, 0.5))
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/news.db"
    found = str(request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url"))
    with closing(engine(found)) as db:
        for table in ("articles", "sections"):
            db.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
        db.commit()
    return found


def engine(url: str) -> Any:
    drivers = {"postgresql:": "postgresql+psycopg:", "mysql:": "mysql+pymysql:"}
    return sa.create_engine(re.sub(r"^\w+:", lambda m: drivers.get(m[0], m[0]), url), poolclass=sa.NullPool).connect()


def table(url: str, key: str = "BIGINT PRIMARY KEY") -> None:
    execute(url, f"CREATE TABLE articles (id {key}, headline VARCHAR(200), body TEXT, seen VARCHAR(30))")


def execute(url: str, statement: str, values: Any = None) -> None:
    with closing(engine(url)) as db:
        db.execute(sa.text(statement), values)
        db.commit()


def insert(url: str, keys: Any, text: str = KOREAN) -> None:
    insert = "INSERT INTO articles VALUES (:id, :headline, :body, :seen)"
    data = [{"id": key, "headline": f"제목 {key}", "body": f"{text} {key}", "seen": "1"} for key in keys]
    execute(url, insert, data)


def source(**more: Any) -> dict[str, Any]:
    columns = {"title": "headline", "text": "body"}
    return {"type": "sql", "url": "${DATABASE_URL}", "table": "articles", "key": "id", "columns": columns, **more}


@pytest.fixture
def collect(make_job: JobMaker, url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workspace]:
    monkeypatch.setenv("DATABASE_URL", url)
    return lambda **more: run(make_job(sources=[source(**more)]), last="collect")


def ids(work: Workspace) -> list[str]:
    return [row["id"] for row in rows(work, "articles")]


def times(work: Workspace) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in work.articles.path.glob("*.parquet")}


def test_rows_of_a_table(url: str, collect: Callable[..., Workspace]) -> None:
    table(url)
    insert(url, [7, 3, 2**40])
    execute(url, "INSERT INTO articles VALUES (5, 'no body', NULL, '1')")
    work = collect()
    [first, *_] = found = rows(work, "articles")
    assert [row["id"] for row in found] == ["3", "7", str(2**40)]
    assert (first["title"], first["text"]) == ("제목 3", f"제목 3 {KOREAN} 3")
    assert (first["source"], first["line"]) == ("sql:articles", 3)
    assert [(row["line"], row["reason"]) for row in rows(work, "articles", rejected=True)] == [(5, "missing_text")]
    for file in work.path.rglob("*"):
        assert not file.is_file() or b"sesame" not in file.read_bytes()


def test_shards_of_a_table_of_another_script_can_be_read_and_those_of_before_keep_their_names(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"sqlite:///{tmp_path}/news.db"
    for name in ("기사", "뉴스"):
        execute(where, f'CREATE TABLE "{name}" (id INTEGER PRIMARY KEY, headline TEXT, body TEXT)')
        execute(where, f"INSERT INTO \"{name}\" VALUES ({ord(name[0])}, '제목', '{KOREAN} {name}')")  # noqa: S608
    one = {**source(), "url": where}
    path = make_job(sources=[{**one, "table": "기사"}, {**one, "table": "뉴스"}])
    with monkeypatch.context() as before:  # the names that units had
        before.setattr(sql, "readable", lambda text: re.sub(r"[^A-Za-z0-9_]+", "-", text))
        former = read_order(run(path, last="collect").articles)
    assert all(shard.isascii() for shard in former)
    files = tree(run(path, last="collect").path)
    assert read_order(work_of(path).articles) == former and tree(work_of(path).path) == files
    shutil.rmtree(work_of(path).path)
    shards = read_order(run(path, last="collect").articles)
    assert [shard.split("-")[:2] for shard in shards] == [["sql", "기사"], ["sql", "뉴스"]]


def test_a_query(url: str, collect: Callable[..., Workspace]) -> None:
    table(url)
    insert(url, range(20))
    query = "SELECT id AS n, body, '12:30 :x' AS headline FROM articles WHERE headline LIKE '%제목 1%' ; -- half"
    work = collect(table=None, query=query.replace(" ; -- half", " -- half"), key="n")
    assert [row["line"] for row in rows(work, "articles")] == [1, *range(10, 20)]
    assert rows(work, "articles")[0]["title"] == "12:30 :x"
    assert ids(collect(table=None, query=query.replace(" -- half", ""), key="n")) == ids(work)


@pytest.mark.slow
def test_only_what_changed_is_read_again(
    url: str, collect: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "RANGE_MEAN", 50)
    monkeypatch.setattr(sql, "KEYS_A_PAGE", 70)
    monkeypatch.setattr(sql, "ROWS_A_PAGE", 30)
    table(url)
    insert(url, range(1, 1001))
    work = collect(changed="seen")
    assert ids(work) == [str(n) for n in range(1, 1001)]
    before = times(work)
    assert len(before) > 10
    assert times(collect(changed="seen")) == before

    insert(url, range(1001, 1003))  # it grew: the last range only
    assert len(set(times(collect(changed="seen")).items()) - set(before.items())) == 1
    before = times(work)
    execute(url, "UPDATE articles SET body = 'It has another text now.', seen = '2' WHERE id = 500")
    work = collect(changed="seen")
    assert len(set(times(work).items()) - set(before.items())) == 1
    assert rows(work, "articles")[499]["text"] == "제목 500 It has another text now."
    before = times(work)
    execute(url, "DELETE FROM articles WHERE id = 700")
    work = collect(changed="seen")
    assert len(ids(work)) == 1001
    assert len(set(times(work).items()) - set(before.items())) <= 2

    work, before = collect(), tree(work.path)  # without the column a changed row is not noticed
    execute(url, "UPDATE articles SET body = 'And another one.' WHERE id = 500")
    assert tree(collect().path) == tree(work.path)


def test_text_keys(url: str, collect: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "ROWS_A_PAGE", 7)
    monkeypatch.setattr(sql, "KEYS_A_PAGE", 9)
    monkeypatch.setattr(sql, "RANGE_MEAN", 30)
    table(url, "VARCHAR(50) PRIMARY KEY")
    keys = [f"기사-{n:03d}" for n in range(60)] + [f"{c}{n}'%:x" for c in "abXYé" for n in range(9)]
    insert(url, keys)
    work = collect()
    assert sorted(ids(work)) == sorted(keys)
    places = {(row["source"], row["line"]) for row in rows(work, "articles")}
    assert len(places) == len(keys)
    assert all(re.fullmatch(r"sql:articles\[.+\]", place) for place, _ in places)
    insert(url, ["기사-030x"])
    assert len(ids(collect())) == len(keys) + 1


def test_keys_that_are_null_or_stand_twice(url: str, collect: Callable[..., Workspace]) -> None:
    table(url, "BIGINT")
    insert(url, [1, None, 2, None])
    work = collect()
    assert ids(work) == ["1", "2"]
    assert stage(work, "collect")["rejected"] == {"null_key": 2}
    insert(url, [2])
    with pytest.raises(ConfigError, match=r"sources.0.key: 'id' of sql:articles is not unique \(2 stands in 2 rows\)"):
        collect()


def test_two_sources_with_the_same_ids(url: str, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    table(url, "VARCHAR(20) PRIMARY KEY")
    insert(url, "abc")
    query = source(table=None, query="SELECT * FROM articles WHERE id > 'a'")
    path = make_job(sources=[source(), query])
    work = run(path, last="collect")
    assert ids(work) == ["a", "b", "c"]
    assert stage(work, "collect")["rejected"] == {"duplicate_id": 2}
    assert tree(run(path, last="collect").path) == tree(work.path)


def test_a_connection_that_is_cut(url: str, collect: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    if url.startswith("sqlite"):
        pytest.skip("there is no connection")
    monkeypatch.setattr(sql, "ROWS_A_PAGE", 10)
    table(url)
    insert(url, range(1, 101))
    fetch, calls = databases.SourceDatabase.fetch, []

    def cut(self: Any, statement: Any) -> Any:
        calls.append(1)
        if len(calls) in (5, 8):  # whoever is connected is thrown out
            kill_others(url)
        return fetch(self, statement)

    monkeypatch.setattr(databases.SourceDatabase, "fetch", cut)
    assert ids(collect()) == [str(n) for n in range(1, 101)]
    assert len(calls) > 10


def kill_others(url: str) -> None:
    with closing(engine(url)) as db:
        if url.startswith("postgresql"):
            others = "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            db.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity " + others))  # noqa: S608
        else:
            found = db.execute(
                sa.text(
                    "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND user = 'labelmill'"
                )
            )
            for (number,) in found.all():
                db.execute(sa.text(f"KILL {number}"))


def test_mistakes_are_one_line(url: str, collect: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    table(url)
    for more, wanted in (
        ({"table": "article"}, r"sources.0.table: no table 'article' in .*did you mean 'articles'"),
        ({"key": "uid"}, r"sources.0.key: sql:articles has no column 'uid'.*allowed: id, headline, body, seen"),
        ({"changed": "sen"}, r"sources.0.changed: .*did you mean 'seen'"),
        ({"columns": {"text": "text_body"}}, r"sources.0.columns.text: .* no column 'text_body'"),
        ({"table": None, "query": "SELEC 1"}, r"sql:query-\w+: .*(syntax|SELEC)"),
        ({"table": None}, r"give either table or query"),
    ):  # fmt: skip
        with pytest.raises(LabelmillError) as caught:
            collect(**more)
        message = str(caught.value)
        assert re.search(wanted, message) and "\n" not in message and "sesame" not in message, message


def test_the_source_cannot_write(url: str, tmp_path: Path) -> None:
    table(url)
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        database = databases.SourceDatabase(url, tmp_path, "sql:articles")
        with database._engine.connect() as connection:
            connection.execute(sa.text("INSERT INTO articles VALUES (1, 'x', 'y', 'z')"))


@pytest.mark.parametrize("kind", ["postgres_url", "mariadb_url"])
def test_a_wrong_password_and_a_server_that_is_down(
    request: pytest.FixtureRequest, kind: str, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue(kind)
    monkeypatch.setattr(databases, "WAITS", ())
    down = re.sub(r":\d+/", ":1/", url)
    wrong = url.replace("sesame", "p%40ss:w0rd")
    for address, wanted in ((wrong, "denied|authentication"), (down, "refused|can't connect")):
        if address is wrong and kind == "postgres_url":
            continue  # the tests' server trusts everybody
        monkeypatch.setenv("DATABASE_URL", address)
        with pytest.raises(InputError, match=f"(?i)sql:articles: .*({wanted})") as caught:
            run(make_job(sources=[source()]), last="collect")
        assert "\n" not in str(caught.value)
        assert not re.search("sesame|p%40ss|p@ss", str(caught.value))


def test_a_password_is_only_named(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        "postgresql://me:secret@host/db",
        "mysql://host/db?user=me&password=secret",
        "${X:-pg://me:secret@h/d}",
    ):
        with pytest.raises(ConfigError, match=r"sources.0.url: a password is only named here") as caught:
            load_job(make_job(sources=[source(url=address)]))
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("PW", "secret")
    job = load_job(make_job(sources=[source(url="postgresql://me:${PW}@host/db")]))
    assert "secret" not in str(job.source_options)
    assert "secret" not in repr(job)


def test_addresses_that_are_none(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address, wanted in (
        ("nonsense", "sources.0.url: no database address"),
        ("sqlite:///none.db", "sources.0.url: no such file: none.db"),
        ("oracle://me@host/db", "the driver \\w+ is not installed"),
        ("nosuch://me@host/db", "sources.0.url: Can't load plugin"),
    ):
        with pytest.raises(LabelmillError, match=wanted):
            run(make_job(sources=[source(url=address)]), last="collect")
    assert not (tmp_path / "none.db").exists()


MEMORY = (
    PEAK
    + """
from pathlib import Path
from pydantic import SecretStr
from pipeline.collect.sources import sql
options = sql.Options(type="sql", url=SecretStr(sys.argv[1]), table="articles", key="id", columns={"text": "body"})
source = sql.Source(options, Path("."), str)
units = list(source.units())
next(source.read(units[0]))
before = peak()
print(sum(1 for unit in units for _ in source.read(unit)), peak() - before)
"""
)


@pytest.mark.slow
def test_many_rows_in_flat_memory(url: str) -> None:
    table(url)
    insert(url, range(100_000), KOREAN * 10)  # 140 MB of text
    result = subprocess.run([sys.executable, "-c", MEMORY, url], capture_output=True, text=True, cwd=ROOT, check=True)
    count, grown = map(int, result.stdout.split())
    assert count == 100_000 and grown < 30


def test_a_key_without_an_exact_order_is_told(
    mariadb_url: str, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB orders an ENUM by its numbers and compares it as text."""
    execute(mariadb_url, "DROP TABLE IF EXISTS articles")
    table(mariadb_url, "ENUM('z','a','m') PRIMARY KEY")
    insert(mariadb_url, ["z", "a", "m"])
    monkeypatch.setenv("DATABASE_URL", mariadb_url)
    with pytest.raises(InputError, match=r"3 keys were counted and 0 read; .* 'id' has no exact order"):
        run(make_job(sources=[source()]), last="collect")


def test_a_source_without_an_article_is_an_error(make_job: JobMaker) -> None:
    path = make_job([{"id": str(n), "titel": "a"} for n in range(3)])
    with pytest.raises(InputError, match=r"sources.0: files: none of its 3 rows is an article \(missing_text 3;"):
        run(path, last="collect")
    assert [row["reason"] for row in rows(work_of(path), "articles", rejected=True)] == ["missing_text"] * 3
