"""What every request to an endpoint carries, by which route it goes, how long it may take, and what no text tells of that."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ConfigError, EndpointError
from pipeline.core.proxies import proxy_of
from pipeline.job.job_file import load_job
from pipeline.label.engine import timeouts
from tests import proxy_server
from tests.conftest import JobMaker, command, rows, run, work_of
from tests.openai_server import Server
from tests.test_label import openai_job

# --- headers ---

HEADERS = {
    "X-Team": "${TEAM}",
    "x-gateway-token": "Bearer ${TOKEN}",
    "X-Title": "our labels",
    "X-Version": 2,
    "X-Not": "${NOT:-}",
}
SENT = {"X-Team": "team-77", "x-gateway-token": "Bearer s3cret-s3cret", "X-Title": "our labels", "X-Version": "2",
        "OpenAI-Organization": "org-abc123", "OpenAI-Project": "proj_abc123", "Authorization": "Bearer sk-0123456789"}  # fmt: skip
GIVEN = {"TEAM": "team-77", "TOKEN": "s3cret-s3cret\n", "OPENAI_ORG_ID": "org-abc123", "OPENAI_PROJECT_ID": "proj_abc123",
         "OPENAI_API_KEY": "sk-0123456789"}  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_headers_go_with_every_request(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 3, headers=HEADERS)
    assert command("run", path, "--to", "label").returncode == 0
    assert command("doctor", path).returncode == 0
    assert (len(server.headers), len(server.listed_to)) == (3, 2)
    for headers in (*server.headers, *server.listed_to):
        assert {name: headers.get(name) for name in SENT} == SENT
        assert "X-Not" not in headers


@pytest.mark.usefixtures("environment")
def test_a_header_comes_before_the_key(make_job: JobMaker, server: Server) -> None:
    run(openai_job(make_job, server, 1, headers={"authorization": "Basic ${TOKEN}"}), last="label")
    for headers in (*server.headers, *server.listed_to):
        assert [value for name, value in headers.items() if name.lower() == "authorization"] == ["Basic s3cret-s3cret"]


@pytest.mark.usefixtures("environment")
def test_a_header_is_no_part_of_a_key_and_reaches_no_file(make_job: JobMaker, server: Server) -> None:
    """The endpoint repeats all that it was sent, in each way of failing."""
    echoes = " ".join(value for name, value in SENT.items() if name not in ("X-Title", "X-Version"))

    def script(body: dict[str, Any], count: int) -> Any:
        number = int(body["messages"][-1]["content"].partition("Harbour number ")[2][0]) % 4
        answer = {"error": {"message": f"You are {echoes}", "code": "s3cret-s3cret" if number == 3 else "odd"}}
        return None if number == 0 else ((500, answer, {}) if number == 1 and count == 1 else (400, answer, {}))

    server.script = script
    path = openai_job(make_job, server, 8, headers=HEADERS)
    printed = [command("run", path), command("status", path), command("ledger", path, "--json"), command("doctor", path),
               command("show", path, "labels", "--rejected", "--json")]  # fmt: skip
    server.script = lambda *_: (401, {"error": {"message": f"You are {echoes}"}}, {})
    printed += [command("run", path, "--retry-rejected"), command("quote", path)]
    assert printed[5].returncode == 3 and "[header]" in printed[5].stderr
    work = work_of(path)
    texts = [done.stdout + done.stderr for done in printed]
    texts += [file.read_bytes().decode("latin-1") for file in work.path.rglob("*") if file.is_file()]
    for value in GIVEN.values():
        assert not [text for text in texts if value.strip() in text]
    assert any("[header]" in text for text in texts)


def test_neither_is_asked_anew_for_a_header_or_a_timeout(make_job: JobMaker, server: Server, monkeypatch: Any) -> None:
    path = openai_job(make_job, server, 4)
    labels = rows(run(path), "labels")
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    assert rows(run(path, "label.headers.X-Team=a", "label.timeout=5"), "labels") == labels
    assert sum(server.seen.values()) == 4


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X-Api-Key": "abcdef"}, r"label.headers.X-Api-Key: a secret is only named here; write \$\{NAME\}"),
        ({"Authorization": "Bearer abcdef"}, "label.headers.Authorization: a secret"),
        ({"Content-Length": "7"}, "label.headers: Content-Length is no header that can be set"),
        ({"X Team": "abcdef"}, "X Team is no header"),
        ({"X-Team": ["abcdef"]}, "label.headers: the value of X-Team is no text"),
        ({"X-Team": "${NOWHERE}"}, r"label.headers.X-Team: \$\{NOWHERE\} is not set"),
    ],
)
def test_headers_that_cannot_be_sent(make_job: JobMaker, headers: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        load_job(make_job([], label={"headers": headers}))
    assert "abcdef" not in str(raised.value)


def test_a_header_with_a_line_break_is_told_before_anything_is_sent(
    make_job: JobMaker, server: Server, monkeypatch: Any
) -> None:
    monkeypatch.setenv("TEAM", "a\r\nX-Evil: b")
    done = command("run", openai_job(make_job, server, 1, headers={"X-Team": "${TEAM}"}))
    assert (done.returncode, server.listed) == (1, 0)
    assert "the header X-Team holds a line break" in done.stderr and "Evil" not in done.stderr


# --- how long a reply may take ---


@pytest.mark.parametrize("slow", [{"parameters": {"service_tier": "flex"}}, {"timeout": 30}])
def test_a_slow_reply_is_waited_for(make_job: JobMaker, server: Server, slow: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(timeouts, "AT_FIRST", 0.1)
    server.latency = 1.2
    run(openai_job(make_job, server, 3, **slow), last="label")
    assert set(server.seen.values()) == {1}


def test_a_reply_that_takes_longer_than_is_given_is_asked_again(make_job: JobMaker, server: Server) -> None:
    server.hang = lambda _, count: count == 1
    path = openai_job(make_job, server, 2, timeout=0.2, parameters={"service_tier": "flex"})
    work = run(path, last="label")
    assert set(server.seen.values()) == {2}
    assert "no answer within 0.2 s; label.timeout waits longer" in work.events_file.read_text("utf-8")


def test_a_given_timeout_is_the_bound_whatever_others_took() -> None:
    given, learned = timeouts.AdaptiveTimeout(1200), timeouts.AdaptiveTimeout()
    for timeout in (given, learned):
        for _ in range(20):
            timeout.learn(1.0)
    assert (given.seconds(), learned.seconds()) == (1200, timeouts.LEAST)


# --- which way ---

LOCAL = {"http_proxy": "http://p:1", "https_proxy": "http://q:2", "all_proxy": "http://r:3"}


@pytest.mark.parametrize(
    ("url", "variables", "route"),
    [
        ("http://a.example/v1", LOCAL, "http://p:1"),
        ("https://a.example/v1", LOCAL, "http://q:2"),
        ("https://a.example/v1", {"ALL_PROXY": "http://r:3"}, "http://r:3"),
        ("http://a.example", {"all_proxy": "r:3"}, "http://r:3"),
        ("http://a.example", {"HTTP_PROXY": "user:pw@r:3"}, "http://user:pw@r:3"),
        ("http://a.example", {"http_proxy": "//r:3/"}, "http://r:3/"),
        ("http://a.example", {"all_proxy": "socks5h://r:3"}, "socks5h://r:3"),
        ("http://a.example", {"http_proxy": ""}, None),
        ("http://a.example", {}, None),
        ("http://[fd00::1]:8000/v1", LOCAL, "http://p:1"),
    ],
)
def test_a_proxy(monkeypatch: Any, url: str, variables: dict[str, str], route: str | None) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_of(url)
    assert (proxy and proxy.url) == route


@pytest.mark.parametrize(
    ("entry", "straight", "by_proxy"),
    [
        ("*", "a.example b.example:81 10.0.0.1 [::1]", ""),
        ("a.example", "a.example A.EXAMPLE a.example. x.a.example a.example:9", "ba.example a.example.org b.example"),
        (".a.example", "a.example x.a.example", "ba.example"),
        ("*.a.example", "a.example x.y.a.example", "ba.example"),
        ("a.example:81", "a.example:81 x.a.example:81", "a.example a.example:82"),
        ("a.example:80", "a.example", "a.example:81"),
        ("b.example, a.example", "a.example b.example", "c.example"),
        ("b.example a.example,,", "a.example b.example", "c.example"),
        ("10.0.0.0/8", "10.1.2.3 10.255.0.1:99", "11.0.0.1 10.example"),
        ("127.0.0.1", "127.0.0.1 127.0.0.1:8000", "127.0.0.2 localhost"),
        ("127.0.0.1:8000", "127.0.0.1:8000", "127.0.0.1 127.0.0.1:8001"),
        ("::1", "[::1] [::1]:8000 [0:0::1]", "[::2]"),
        ("[::1]", "[::1] [::1]:8000", "[::2]"),
        ("[::1]:8000", "[::1]:8000", "[::1]"),
        ("fd00::/8", "[fd00::7] [fdff::1]:9", "[fe00::1] 10.0.0.1"),
        ("[fd00::]/8", "[fd00::7]", "[fe00::1]"),
        ("http://a.example", "a.example", "b.example"),
        ("localhost", "localhost:11434", "127.0.0.1 notlocalhost"),
        ("300.0.0.0/8,a.example", "a.example", "10.0.0.1"),
        ("", "", "a.example 127.0.0.1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_what_needs_no_proxy(monkeypatch: Any, name: str, entry: str, straight: str, by_proxy: str) -> None:
    monkeypatch.setenv("all_proxy", "r:3")
    monkeypatch.setenv(name, entry)
    assert [host for host in straight.split() if proxy_of(f"http://{host}/v1")] == []
    assert [host for host in by_proxy.split() if not proxy_of(f"http://{host}/v1")] == []


@pytest.mark.parametrize(
    "given", ["http://", "ftp://secret:pw@r:3", "http://secret:pw@r:port", "http://secret:pw@r:99999"]
)
def test_what_is_no_proxy_is_told_without_its_user(monkeypatch: Any, given: str) -> None:
    monkeypatch.setenv("all_proxy", given)
    with pytest.raises(EndpointError, match="cannot be one; write it as http://host:port") as raised:
        proxy_of("http://a.example")
    assert "secret" not in str(raised.value)


ALL = ("ALL_PROXY", "all_proxy", "http_proxy", "HTTP_PROXY")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_checks_and_requests_take_the_same_way(make_job: JobMaker, server: Server, name: str, scheme: str) -> None:
    if name == "HTTP_PROXY" and sys.platform == "win32":
        pytest.skip("names of variables have no case there")
    with proxy_server.running() as proxy:
        path = openai_job(make_job, server, 2)
        environment = {name: scheme + proxy.where}
        assert command("run", path, "--to", "label", **environment).returncode == 0
        assert command("doctor", path, **environment).returncode == 0
        chat, models = f"{server.url}/chat/completions", f"{server.url}/models"
        assert sorted(proxy.asked) == sorted([f"GET {models}"] * 2 + [f"POST {chat}"] * 2)


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "{port}", "*"])
def test_a_local_endpoint_is_asked_straight(make_job: JobMaker, server: Server, exempt: str) -> None:
    """A proxy that cannot even be had stands in nobody's way."""
    path = openai_job(make_job, server, 2)
    exempt = exempt.format(port=server.url.removeprefix("http://").removesuffix("/v1"))
    environment = {"all_proxy": "socks5://127.0.0.1:1", "NO_PROXY": f"example.org,{exempt}"}
    assert command("run", path, "--to", "label", **environment).returncode == 0
    assert command("doctor", path, **environment).returncode == 0
    assert sum(server.seen.values()) == 2


def test_a_socks_proxy_without_its_package_is_one_line(make_job: JobMaker, server: Server, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    path = openai_job(make_job, server, 2)
    environment = {"all_proxy": "socks5://user:hidden@127.0.0.1:1"}
    line = "the SOCKS proxy 127.0.0.1:1 that the environment names needs an optional package: pip install 'labelmill[socks]'"
    for done in (command("run", path, **environment), command("doctor", path, **environment)):
        assert done.returncode == 1 and line in done.stdout + done.stderr and "hidden" not in done.stdout + done.stderr
    assert not server.seen


def test_the_hub_behind_a_socks_proxy_is_one_line_too(make_job: JobMaker, monkeypatch: Any) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setitem(sys.modules, "socksio", None)
    huggingface_hub.close_session()  # it reads the environment when it is opened
    path = make_job([], publish={"to": "hub", "repo": "user/name"})
    done = command("doctor", path, all_proxy="socks5://user:hidden@127.0.0.1:1")
    huggingface_hub.close_session()
    assert done.returncode == 1 and "pip install 'labelmill[socks]'" in done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr and "not foreseen" not in done.stderr


def test_a_socks_proxy(make_job: JobMaker, server: Server) -> None:
    pytest.importorskip("aiohttp_socks", reason="needs the extra: pip install 'labelmill[socks]'")
    with proxy_server.running_socks() as proxy:
        path = openai_job(make_job, server, 2)
        for scheme in ("socks5", "socks5h"):
            assert command("run", path, "--to", "label", all_proxy=f"{scheme}://{proxy.where}").returncode == 0
            path = openai_job(make_job, server, 3)
    assert sum(server.seen.values()) == 3 and len(proxy.asked) >= 4
    done = command("run", openai_job(make_job, server, 4), all_proxy="socks5://me:hidden@127.0.0.1:1")
    assert done.returncode == 3 and "by the proxy 127.0.0.1:1" in done.stderr and "hidden" not in done.stderr


# --- a proxy that lets nobody through ---

ASKS = "the proxy asks for a user name and password"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_who_one_is(make_job: JobMaker, server: Server, scheme: str) -> None:
    base_url = server.url.replace("http", scheme, 1)
    with proxy_server.running(user="me:pass@word") as proxy:
        path = openai_job(make_job, server, 2, base_url=base_url)
        for user in ("", "me:wr0ngpassword@"):
            environment = {f"{scheme}_proxy": f"http://{user}{proxy.where}"}
            done = command("run", path, **environment)
            assert done.returncode == 3 and ASKS in done.stderr, done.stderr
            answer = done.stderr + command("doctor", path, **environment).stdout
            assert answer.count(ASKS) == 2 and "parameters" not in answer and "wr0ng" not in answer
        assert len(proxy.asked) < 20 and not server.seen
        if scheme == "http":
            done = command("run", path, http_proxy=f"http://me:pass%40word@{proxy.where}")
            assert done.returncode == 0 and sum(server.seen.values()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [403, 503])
def test_a_proxy_that_opens_no_way(make_job: JobMaker, server: Server, refuses: int) -> None:
    with proxy_server.running(refuses=refuses) as proxy:
        path = openai_job(make_job, server, 2, base_url=server.url.replace("http", "https", 1))
        done = command("run", path, https_proxy=f"http://me:hidden@{proxy.where}")
    assert (
        done.returncode == 3
        and f"the proxy {proxy.where} does not connect to the endpoint (HTTP {refuses}" in done.stderr
    )
    assert "hidden" not in done.stderr


def test_a_proxy_that_is_not_there(make_job: JobMaker, server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
    work = openai_job(make_job, server, 2)
    done = command("run", work, http_proxy=f"me:hidden@{where}")
    assert done.returncode == 3 and f"by the proxy {where}" in done.stderr and "hidden" not in done.stderr
    texts = [Path(file).read_bytes() for file in work_of(work).path.rglob("*") if file.is_file()]
    assert not [text for text in texts if b"hidden" in text] and "http_proxy" not in os.environ
