"""Leaks in the addresses of articles: what a part of an address is for tells a leak from an id, a slug, a digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.files import digest_of
from pipeline.core.shards import read_order
from pipeline.job import takedowns
from pipeline.publish import facts, planning
from pipeline.versions import leaks, store
from pipeline.versions.leaks import urls
from tests.conftest import JobMaker, article, command, run, work_of, write_jsonl

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk"
UUID, HEX = "3f2b8c1e-9d7a-4b6c-8e0f-1a2b3c4d5e6f", "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
# An address, and what is published of it with everything redacted.
CREDENTIALS = {
    "https://example.com/a?token=abc123def456": "https://example.com/a?token=[secret]",
    f"https://example.com/a?id=7&access_token={JWT}&x=1": "https://example.com/a?id=7&access_token=[secret]&x=1",
    f"https://example.com/a#access_token={JWT}": "https://example.com/a#access_token=[secret]",
    f"https://example.com/?authToken={UUID}": "https://example.com/?authToken=[secret]",
    "https://example.com/?apiKey=AbCd1234EfGh": "https://example.com/?apiKey=[secret]",
    "https://apis.example.kr/x?serviceKey=a%2Bb1c2d3e4f5%3D%3D": "https://apis.example.kr/x?serviceKey=[secret]",
    "https://example.com/a;token=abc123def456?x=1": "https://example.com/a;token=[secret]?x=1",
    "https://example.com/login?user=admin&password=letmein": "https://example.com/login?user=admin&password=[secret]",
    "https://zoom.example/j/123?pwd=QWx3": "https://zoom.example/j/123?pwd=[secret]",
    f"https://b.example/k?X-Amz-Credential=AKIAIOSFODNN7ABCDEFG%2F2026&X-Amz-Signature={HEX}": "https://b.example/k?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]",
    "https://user:hunter2@example.com/a": "https://secret@example.com/a",
    "ftp://kim:p%40ss@ftp.example.com/f": "ftp://secret@ftp.example.com/f",
    f"https://ghp_{HEX[:36]}@github.com/a/b": "https://secret@github.com/a/b",
    "https://hooks.slack.com/services/T01234567/B01234567/abcdefghijklmnop12345678": "https://secret",
    "https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz1234567/getMe": "https://api.telegram.org/[secret]/getMe",
    "https://example.com/r?next=https%3A%2F%2Fother.example%2F%3Ftoken%3Dabc123def456": "https://example.com/r?next=[secret]",
    f"https://example.com/?q=sk_live_{HEX[:24]}": "https://example.com/?q=[secret]",
    "  https://user:hunter2@example.com/a": "  https://secret@example.com/a",
    "//user:hunter2@example.com/a": "//secret@example.com/a",
    "https://example.com/?next=%2Freset%3Ftoken%3Dabcdef123456": "https://example.com/?next=[secret]",
    "https://example.com/?next=b.com%2Freset%3Fx%3D1%26reset_token%3Dabcdef12": "https://example.com/?next=[secret]",
    "https://example.com/?u=https%3A%2F%2Fb.com%3Fv%3Dhttps%253A%252F%252Fc.com%253Ftoken%253Dabcdef123456": "https://example.com/?u=[secret]",
    "https://example.com/?user=kim&pass=hunter22": "https://example.com/?user=kim&pass=[secret]",
    "https://example.com/?new_password=hunter22": "https://example.com/?new_password=[secret]",
    "https://example.com/?client_secret=abcd1234efgh": "https://example.com/?client_secret=[secret]",
    f"https://a.example/b?se=2026-12-01&sp=r&sig={HEX[:43]}%3D": "https://a.example/b?se=2026-12-01&sp=r&sig=[secret]",
    "https://ann%40corp.com:hunter22@h.example/feed": "https://secret@h.example/feed",
    "https://ann@corp.com:hunter22@h.example/feed": "https://secret@h.example/feed",
    "https://u:hun%2Fter22@h.example/": "https://secret@h.example/",
    "https://u:hun%20ter%2722@h.example/": "https://secret@h.example/",
    "https://u:%24ecret22xx@h.example/": "https://secret@h.example/",
    "https://u:%3Chunter22@h.example/": "https://secret@h.example/",
    "https://u%3Ahunter22@h.example/": "https://secret@h.example/",
    f"https://{'u' * 70}:{'a1B2' * 40}@h.example/": "https://secret@h.example/",
    "https://example.com/?shareholder=1&access_token=abc123def456": "https://example.com/?shareholder=1&access_token=[secret]",
    "https://example.com/?share=1&api_key=abc123def456": "https://example.com/?share=1&api_key=[secret]",
    f"https://u:%5Bsk_live_{HEX[:24]}%5D@h.example/": "https://secret@h.example/",
    "https://example.com/?sharetype=gift&user=kim&password=hunter22": "https://example.com/?sharetype=gift&user=kim&password=[secret]",
    f"https://example.com/?share_token={JWT}": "https://example.com/?share_token=[secret]",
    "https://example.com/?q=-----BEGIN%20PRIVATE%20KEY-----": "https://example.com/?q=[secret]",
}
PERSONS = {
    "mailto:kim@naver.com?subject=a": "mailto:[email]?subject=a",
    "https://example.com/?email=kim%40naver.com": "https://example.com/?email=[email]",
    "https://example.com/?cc=a@b-c.com,kim@d-e.org": "https://example.com/?cc=[email],[email]",
    "https://example.com/?share=mailto:kim@naver.com": "https://example.com/?share=mailto:[email]",
    "https://example.com/unsubscribe/kim.min@naver.com/now": "https://example.com/unsubscribe/[email]/now",
    "https://example.com/unsubscribe/kim%40naver.com": "https://example.com/unsubscribe/[email]",
    "https://example.com/c?userPhone=010-1234-5678": "https://example.com/c?userPhone=[phone]",
    "https://example.com/c?tel=%2B82%2010-1234-5678": "https://example.com/c?tel=[phone]",
    "tel:+82-10-1234-5678": "tel:[phone]",
    "https://example.com/?phone=+821012345678": "https://example.com/?phone=[phone]",
    "https://example.com/?tel=+82-10-1234-5678&x=1": "https://example.com/?tel=[phone]&x=1",
    "https://example.com/?tel=+82+10+1234+5678": "https://example.com/?tel=[phone]",
    "https://example.com/?next=%2Fa%3Femail%3Dkim%40naver.com": "https://example.com/?next=[email]",
    "https://example.com/?rrn=900101-1234568": "https://example.com/?rrn=[resident_number]",
}
INNOCENT = [
    "https://n.example.com/mnews/article/001/0014567890?sid=101", "https://www.example.com/watch?v=dQw4w9WgXcQ",
    "https://medium.com/@jane.doe/post-123", "https://www.google.com/maps/@37.5665,126.9780,15z",
    "https://example.com/a?utm_source=a&fbclid=IwAR0abcdefghijklmnopqrstuv_12345", "https://example.com/a?key=politics",
    "https://example.com/a?token=preview", "https://example.com/a?token=spring-2026-11", "https://example.com/?keyword=token+secret",
    "https://example.com/?author=kim2026lee", "https://example.com/?monkey=abc12345678", "https://example.com/reset-password?lang=ko",
    "https://example.com/?password=reset", "https://example.com/img/icon@2x.png", "https://example.com/a?id=01012345678",
    "https://example.com/a?no=4111111111111111", "https://example.com/?pageToken=CAUQAA1234", "https://example.com/?csrf_token=a1b2c3d4e5",
    "https://example.com/?token=YOUR_TOKEN_HERE1", "https://www.flickr.com/photos/12345678@N04/", "https://user@example.com/a",
    "https://mastodon.social/@kim@hachyderm.io", "https://example.com/npm/react@18.2.0/index.js", "https://example.com/?hotel=01012345678",
    "https://example.com/a?next=https://medium.com/@kim", "https://example.com/2026/ABCDEFGHIJKLMNOPQRSTUVWXYZ/",
    "https://example.com/3f2b8c1e9d7a4b6c8e0f1a2b3c4d5e6f/a.jpg", "https://example.com:8080/@user/a", "https://example.com/?auth=kakao2024",
    "https://example.com/sk-hynix-posts-record-profit-on-ai-demand-2026", "https://example.com/?contact=us", "",
    # public by design: what shares or gives away an article, says where one came from, checks an image, names a coin
    "https://example.com/?guccounter=1&guce_referrer=aHR0cHM6Ly93d3c&guce_referrer_sig=AQAAALx9mB3cVd0Q1kZ2AQAAALx9mB3cVd0Q1kZ2",
    f"https://example.com/?share_token={UUID}", "https://example.com/url?url=https://b.com/a.html&sig2=Ab1Cd2Ef3Gh4Ij5Kl6",
    "https://example.com/?ptoken=01HABCDEF0123456789", "https://example.com/?article_token=abcd1234efgh", "https://example.com/?_token=abc123def456",
    "https://example.com/?gift_token=eyJhbGciOiJIUzI1NiJ9eyJhbGciOiJIUzI1NiJ9", f"https://example.com/a.jpg?w=600&sig={HEX}",
    "https://example.com/?next=%2Fa%3Fshare_token%3DeyJhbGciOiJIUzI1NiJ9eyJhbGciOiJIUzI1NiJ9", f"https://example.com/a.jpg?auth={HEX}",
    "https://example.com/?token=0x06012c8cf97bead5deae237070f9587f8e7a266d", "https://example.com/?token=season2026pass",
    "https://example.com/?pass=season2026pass", "https://example.com/?ticket_pass=2026worldcup", "https://example.com/?cpwd=korea",
    f"https://example.com/a?accessToken=zwAAAYabcdefkYy1234&sharetype=gift&token={UUID}", "https://example.com/x?giftId=a1b2c3&token=abc123abc123",
    "https://example.com/ticket?login=true&pass=gold", "https://example.com/ticket?id=1&login=1&pass=season",
    "https://user:%24%7BPASSWORD%7D@h.example/", "https://user:$PASSWORD@h.example/", "https://user:%3Cpassword%3E@h.example/",
    "https://user:password@h.example/", "https://user:@h.example/", "https://ann%40corp.com@h.example/",
    "https://example.com/?pwd=list", "https://example.com/?password=strength", "https://example.com/?cpwd=a1b2c3d4",
]  # fmt: skip


def counted(url: str) -> tuple[int, int]:
    """Return what leaks in an address; what none is looked for in has none."""
    counts = leaks.count_in_url(url)
    assert counts == (0, 0) or leaks.suspect_urls(pa.array([None, url])) == {1}, url
    return counts


@pytest.mark.parametrize("url", CREDENTIALS)
def test_credentials(url: str) -> None:
    count, of_persons = counted(url)
    assert count >= 1 and of_persons == 0
    assert leaks.redacted_url(url, ["credentials"]) == CREDENTIALS[url]
    assert leaks.redacted_url(url, ["email", "phone"]) == url
    assert counted(CREDENTIALS[url]) == (0, 0)


@pytest.mark.parametrize("url", PERSONS)
def test_data_of_persons(url: str) -> None:
    of_keys, count = counted(url)
    assert count >= 1 and of_keys == 0
    assert leaks.redacted_url(url, leaks.KINDS) == PERSONS[url]
    assert counted(PERSONS[url]) == (0, 0)


@pytest.mark.parametrize("url", INNOCENT)
def test_innocent(url: str) -> None:
    assert counted(url) == (0, 0)
    assert leaks.redacted_url(url, leaks.KINDS) == url


def test_all_that_an_encoded_address_holds_counts_and_any_kind_of_it_can_be_redacted() -> None:
    for inner in ("email%3Dkim%40b.com%26token%3Dabcdef123456", "token%3Dabcdef123456%26email%3Dkim%40b.com"):
        url, at = f"https://example.com/?u=https%3A%2F%2Fb.com%2F%3F{inner}&v=1", "https://example.com/?u="
        assert counted(url) == (1, 1)
        for kinds in (["credentials"], ["email", "credentials"], leaks.KINDS):
            assert leaks.redacted_url(url, kinds) == f"{at}[secret]&v=1"
        assert leaks.redacted_url(url, ["email"]) == f"{at}[email]&v=1"
    beside = f"https://example.com/kim%40b.com,ghp_{HEX[:36]}/"
    assert leaks.redacted_url(beside, ["credentials"]) == "https://example.com/kim%40b.com,[secret]/"
    mixed = "https://example.com/a;token=abc123def456;email=kim%40b.com"
    assert leaks.redacted_url(mixed, ["credentials"]) == mixed.replace("abc123def456", "[secret]")


@pytest.mark.parametrize("url", [*CREDENTIALS, *PERSONS])
def test_what_is_redacted_is_still_an_address(url: str) -> None:
    before, after = urlsplit(url.strip()), urlsplit(leaks.redacted_url(url, leaks.KINDS).strip())
    assert after.scheme == before.scheme and after.hostname in (before.hostname, "secret")


def test_no_address_takes_long() -> None:
    """What would be tried from every place of it ends soon."""
    for part in ("a@", "@", "%40", "/", "&token=", "?u=http://", "?aA", "a:"):
        leaks.count_in_url("https://example.com/?" + part * 20_000)
        leaks.count_in_url("https://" + part * 20_000 + "@example.com/")


def articles(urls: dict[int, str], count: int = 12) -> list[dict[str, Any]]:
    return [{**article(n), "url": urls.get(n, f"https://example.com/{n}?sid=10{n}")} for n in range(count)]


def url_of(version: Path, row_id: str) -> Any:
    tables = [pq.read_table(file, columns=["id", "url"]) for file in (version / "data").glob("*.parquet")]
    return {row["id"]: row["url"] for table in tables for row in table.to_pylist()}[row_id]


LEAKS = {2: "https://example.com/2?token=abc123def456", 4: "https://example.com/4?mail=kim%40naver.com"}


@pytest.mark.parametrize("text", ["full", "none"])
def test_an_address_is_published_with_and_without_texts(make_job: JobMaker, text: str) -> None:
    path = make_job(articles(LEAKS), publish={"text": text, "gates": {"no_personal_data": "stop"}})
    result = command("run", path)
    assert result.returncode == 4 and "abc123def456" not in result.stderr
    assert "no_credentials: 1 rows (a2);" in result.stderr and "no_personal_data: 1 rows (a4);" in result.stderr
    work = run(path, "publish.redact=[email]", "publish.waive={credentials: {a2: of a manual}}")
    version = work.versions / "1.0.0"
    assert [url_of(version, row) for row in ("a2", "a4", "a5")] == [
        LEAKS[2],
        "https://example.com/4?mail=[email]",
        "https://example.com/5?sid=105",
    ]
    assert json.loads((version / "manifest.json").read_text())["gates"]["no_credentials"]["waived"] == 1


def test_an_address_that_is_out_already_stops_no_later_version(
    make_job: JobMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a version of before has it, in which nobody looked at addresses."""
    path = make_job(articles({2: LEAKS[2]}))
    run(path, "publish.waive={no_credentials: was not looked at}")
    write_jsonl(tmp_path / "articles.jsonl", articles({2: LEAKS[2]}, 13))
    assert command("run", path).returncode == 0
    assert caplog.messages == [
        f"no_credentials: 1 rows, 1 of them published already (a2), labelmill takedown {path} --id a2"
    ]
    assert url_of(work_of(path).versions / "1.1.0", "a2") == LEAKS[2]
    write_jsonl(tmp_path / "articles.jsonl", articles({2: LEAKS[2], 13: LEAKS[2]}, 14))
    result = command("run", path)
    assert result.returncode == 4
    assert "no_credentials: 2 rows, 1 of them published already (a2, a13)" in result.stderr


def of_ids(ids: dict[int, str], count: int = 12) -> list[dict[str, Any]]:
    """Return articles whose ids are addresses."""
    return [{**row, "id": row["url"]} for row in articles(ids, count)]


def masked(url: str) -> str:
    return f"{leaks.redacted_url(url, leaks.KINDS)} (sha256 of the id: ...{sha256(url.encode()).hexdigest()[-8:]})"


REMEDY = "an id that leaks is never redacted: give columns.id another column"


def test_an_id_that_is_the_address_is_not_redacted_and_stops(make_job: JobMaker) -> None:
    path = make_job(of_ids(LEAKS), publish={"redact": ["credentials", "email"], "gates": {"no_personal_data": "stop"}})
    result = command("run", path)
    assert result.returncode == 4 and "abc123def456" not in result.stderr and "kim%40" not in result.stderr
    assert f"no_credentials: 1 rows ({masked(LEAKS[2])}); {REMEDY}" in result.stderr
    assert f"no_personal_data: 1 rows ({masked(LEAKS[4])}); {REMEDY}" in result.stderr
    preview = command("publish", path, "--dry-run").stdout
    assert "abc123def456" not in preview and "kim%40" not in preview


def test_commands_name_only_ids_that_they_can_find(
    make_job: JobMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An id that is shown redacted would be none; one with signs of a shell is quoted."""
    rows = of_ids({**LEAKS, 6: "https://example.com/6?a=1&b=2"}, 13)
    rows[6]["body"] = "Ask kim@naver.com for it. " + rows[6]["body"]
    path = make_job(rows[:12])
    run(path, "publish.waive={no_credentials: known}")
    write_jsonl(tmp_path / "articles.jsonl", rows)
    assert command("run", path).returncode == 0
    of_persons = next(line for line in caplog.messages if line.startswith("no_personal_data"))
    assert of_persons.endswith(f"; {REMEDY}, labelmill takedown {path} --id 'https://example.com/6?a=1&b=2'")
    assert masked(LEAKS[4]) in of_persons
    assert [line for line in caplog.messages if line.startswith("no_credentials")] == [
        f"no_credentials: 1 rows, 1 of them published already ({masked(LEAKS[2])}); {REMEDY}"
    ]
    assert command("takedown", path, "--id", "https://example.com/6?a=1&b=2", "--reason", "asked").returncode == 0


@pytest.fixture
def former_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As before addresses were looked at, until it is undone."""
    with monkeypatch.context() as former:
        former.setattr(urls, "find", lambda *_: [])
        former.setattr(facts, "code", lambda: "former")
        yield former


def test_with_redact_urls_of_a_former_version_are_redacted_in_the_next_one(
    make_job: JobMaker, tmp_path: Path, former_rules: pytest.MonkeyPatch
) -> None:
    """Until then an old job is as it was: it plans nothing anew, and what waits to go out goes out."""
    path = make_job(articles({4: LEAKS[4]}), publish={"redact": ["email"]})
    work = run(path)
    former_rules.undo()
    column, folders = work.config.label_column.described(), (work.filtered, work.reviewed, work.split)
    shards = [[folder.digest(shard) for folder in folders] for shard in read_order(work.articles)]
    former = digest_of([column, "full", takedowns.digest(work.takedowns), ["email"], *shards])
    assert planning.inputs_of(work) == store.read_manifest(work.versions / "1.0.0")["inputs"] == former
    stay = run(path, first="publish")
    assert [version.name for version in store.all_versions(stay.versions)] == ["1.0.0"]
    assert url_of(stay.versions / "1.0.0", "a4") == LEAKS[4]
    write_jsonl(tmp_path / "articles.jsonl", articles({4: LEAKS[4]}, 13))
    held = command("run", path)
    assert held.returncode == 0 and "1 rows added, 1 rows edited" in held.stdout + held.stderr
    assert url_of(run(path, first="publish").versions / "2.0.0", "a4") == "https://example.com/4?mail=[email]"


def test_with_redact_a_number_of_its_own_redacts_urls_at_once(
    make_job: JobMaker, former_rules: pytest.MonkeyPatch
) -> None:
    path = make_job(articles({4: LEAKS[4]}), publish={"redact": ["email"]})
    run(path)
    former_rules.undo()
    assert command("publish", path, "--version", "2.0.0").returncode == 0
    assert url_of(work_of(path).versions / "2.0.0", "a4") == "https://example.com/4?mail=[email]"
