"""Plugins of another distribution, installed by pip beside labelmill: they get every service that built-in ones get."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
import subprocess
import sys
import textwrap
import zipfile
from collections import Counter
from inspect import get_annotations
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import evaluate, job_checks
from pipeline.commands import quote as quote_command
from pipeline.commands.review import _settings, _task
from pipeline.core import contracts, plugins
from pipeline.core.errors import ConfigError, Paused
from pipeline.core.shards import read_order
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace
from pipeline.label.ledger import open_ledger
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.review.sample.label_sets import label_checker
from tests.conftest import ROOT, JobMaker, article, command, rows, run, work_of, write_jsonl
from tests.openai_server import Server, completion, keyphrases

ACME = {
    "provider": '''
        """Acme's endpoint: chat completions, counted in words."""

        import json
        from urllib.request import urlopen

        import aiohttp

        from pipeline.core import contracts
        from pipeline.core.errors import EndpointError, RequestFailed
        from pipeline.core.options import Options as Base
        from pipeline.core.types import ModelInfo, RateLimits, Reply, Usage


        class Options(Base):
            most: int = 16


        class Words:
            def of_text(self, text):
                return len(text.split())

            def of_chat(self, messages):
                return sum(self.of_text(message["content"]) for message in messages)

            def cut(self, text, tokens):
                return " ".join(text.split()[:tokens])


        class Provider(contracts.Provider):
            tier = "flex"
            ruler = Words()

            def __init__(self, label, options):
                self.model, self.base_url, self.max_output_tokens = label.model, label.base_url, options.most
                self.session = None

            @property
            def identity(self):
                return {"model": self.model, "most": self.max_output_tokens}

            def remember(self, changes, on_change):
                self.changes, self.on_change = changes, on_change

            def examine(self, base):
                return f"acme's own {self.model}"

            def models(self):
                try:
                    with urlopen(self.base_url + "/models") as answer:
                        listed = json.load(answer)["data"]
                except OSError as error:
                    raise EndpointError(f"{self.base_url}: {error}") from error
                return [ModelInfo(each["id"], each.get("ends"), each.get("context")) for each in listed]

            async def open(self):
                self.session = aiohttp.ClientSession()

            async def close(self):
                if self.session:
                    await self.session.close()

            async def ask(self, request):
                body = {"model": self.model, "messages": list(request.messages), **({} if self.changes else {"odd": True})}
                async with self.session.post(self.base_url + "/chat/completions", json=body) as answer:
                    data, headers = await answer.json(), answer.headers
                if answer.status == 400 and not self.changes:
                    self.changes = {"odd": None}
                    self.on_change("acme takes no odd", self.changes)
                    return await self.ask(request)
                if answer.status == 429:
                    raise RequestFailed("rate_limited", "slow_down", "too many", retry_after=float(headers["retry-after"]))
                if "x-ratelimit-limit-requests" in headers:
                    self.advertised = RateLimits(requests=float(headers["x-ratelimit-limit-requests"]))
                choice, usage = data["choices"][0], data["usage"]
                tokens = Usage(usage["prompt_tokens"], None, usage["completion_tokens"])
                return Reply(choice["message"]["content"], choice["finish_reason"], data["model"], usage=tokens, tier="flex")
    ''',
    "local": '''
        """Acme's model in this process, which learns from the corpus."""

        import json

        from pipeline.core import contracts
        from pipeline.core.options import Options as Base
        from pipeline.core.types import Reply


        class Options(Base):
            pass


        class Provider(contracts.Provider):
            uses_prompt = False

            def __init__(self, label, options):
                self.words = None

            def identify(self, base, memory, refresh):
                memory.parent.mkdir(parents=True, exist_ok=True)
                memory.write_text("known")

            def is_identified(self, base, memory):
                return memory.exists()

            def fit(self, articles):
                return json.dumps(sorted({article.text.split()[1] for article in articles})).encode()

            def load(self, state):
                self.words = json.loads(state)

            @property
            def identity(self):
                return {"words": self.words}

            def answer(self, requests):
                return [Reply("; ".join(w for w in self.words if w in r.article.text.split()[1]), "stop") for r in requests]
    ''',
    "filter": '''
        """Keep so many articles of each title's first word."""

        from collections import Counter

        import pyarrow as pa

        from pipeline.core import contracts


        class Options(contracts.FilterOptions):
            most: int


        class Filter(contracts.Filter):
            columns = pa.schema([("first_word", pa.string())])

            def __init__(self, options):
                self.most = options.most

            def decide(self, articles):
                words = [title.split()[0] for title in articles.column("title").to_pylist()]
                return [None] * len(words), {"first_word": words}

            def fold(self, columns):
                seen, drops = Counter(), {}
                for row, word in enumerate(columns.column("first_word").to_pylist()):
                    seen[word] += 1
                    if seen[word] > self.most:
                        drops[row] = ("too_many", f"{word} {seen[word]}")
                return drops
    ''',
    "source": '''
        """Rows out of a file that `prepare` fetches."""

        from pipeline.core import contracts
        from pipeline.core.types import RawRow, Unit


        class Options(contracts.SourceOptions):
            count: int
            title: str = "Harbour"


        class Source(contracts.Source):
            def __init__(self, options, folder, digest_of_file):
                self.options, self.folder = options, folder

            @staticmethod
            def for_preview(options, count):
                return options.model_copy(update={"count": min(count, options.count)})

            def tell(self, what):
                with (self.folder / "told.txt").open("a") as file:
                    print(what, file=file)

            def prepare(self, state, progress, fetch):
                self.tell(f"prepare fetch={fetch}")
                state.mkdir(parents=True, exist_ok=True)
                self.state = state / "acme.txt"
                if fetch:
                    self.state.write_text("\\n".join(f"number {n}" for n in range(self.options.count)))
                progress.update(self.options.count)

            def units(self):
                yield Unit("acme", str(self.options.count), (str(self.state),), ("acme",))

            def read(self, unit):
                for line, text in enumerate(self.state.read_text().splitlines(), 1):
                    title = f"{self.options.title} {text}"
                    yield RawRow("acme", line, {"id": text, "title": title, "text": f"The {text} was opened to all. " * 4})
                self.notes = {"acme": "latin-1"}

            def finished(self):
                self.tell("finished")

            def close(self):
                self.tell("close")
    ''',
    "task": '''
        """A mood: one of two, as JSON or as a word."""

        import json

        from pipeline.core import contracts
        from pipeline.core.options import Options as Base
        from pipeline.core.types import Label, LabelColumn

        VERSION = 4


        class Options(Base):
            moods: list[str] = ["calm", "loud"]


        class Task(contracts.Task):
            column = LabelColumn("mood", many=False)
            prompt = "mood.yaml"

            def __init__(self, options, count):
                self.options = options

            @staticmethod
            def variables(options):
                return {"moods": options.moods}

            @staticmethod
            def schema(options):
                return {"type": "object", "properties": {"mood": {"enum": options.moods}}}

            @staticmethod
            def classes(options):
                return options.moods

            def parse(self, reply, article):
                mood = self.check(reply.text)
                return Label([mood], [], "ok") if mood else Label([], [], "unparseable")

            def judge(self, reply, article):
                return "ok" if self.check(reply.text) else "refusal"

            def check(self, label):
                return label.strip().lower() if label.strip().lower() in self.options.moods else None
    ''',
}
FILTER, PROVIDER = "class Options(contracts.FilterOptions): pass\n", "class Options(options.Options): pass\n"
NAMED = {
    "duck": f"{FILTER}class Filter:\n    columns = ()\n    def decide(self, articles): pass",
    "bare": f"{FILTER}class Filter(contracts.Filter): pass",
    "plain": "class Options: pass\nclass Filter(contracts.Filter):\n    def decide(self, articles): pass",
    "function": f"{FILTER}def Filter(options): pass",
    "none": FILTER,
    "broken": "from pipeline.core.contracts import Strainer",
    "mute": f"{PROVIDER}class Provider(contracts.Provider):\n    identity = {{}}",
    "nameless": f"{PROVIDER}class Provider(contracts.Provider):\n    async def ask(self, request): pass",
    "blank": f"{PROVIDER}class Task(contracts.Task):\n    prompt = 'p'\n    def parse(self, reply, article): pass",
    "empty": "class Options(contracts.SourceOptions): pass\nclass Source(contracts.Source):\n    def units(self): return ()",
}


def wheel(folder: Path) -> Path:
    """Build the wheel of a distribution `labelmill-acme` with the plugins above, as its build tool would."""
    path, about = folder / "labelmill_acme-1.0-py3-none-any.whl", "labelmill_acme-1.0.dist-info"
    parts = {"labelmill_acme/__init__.py": ""}
    parts |= {f"labelmill_acme/{name}.py": textwrap.dedent(text) for name, text in ACME.items()}
    parts |= {
        f"labelmill_acme/{name}.py": f"from pipeline.core import contracts, options\n{text}\n"
        for name, text in NAMED.items()
    }
    parts[f"{about}/METADATA"] = "Metadata-Version: 2.1\nName: labelmill-acme\nVersion: 1.0\n"
    parts[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for name, text in parts.items()}
    record = [
        f"{name},sha256={digests[name].decode().rstrip('=')},{len(text.encode())}" for name, text in parts.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        archive.writestr(f"{about}/RECORD", "\n".join([*record, f"{about}/RECORD,,"]))
    return path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the distribution."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), str(wheel(folder.parent))], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(site)
    return site


PRICE = (100 * 0.10 + 20 * 0.50) / 2 / 1e6  # dollars of one reply of the test server, at the tier's share
PRICES = {"acme-1": {"input": 0.10, "output": 0.50}}


@pytest.fixture
def acme(make_job: JobMaker, server: Server, installed: Path) -> JobMaker:
    """Write a job that Acme's provider labels; keyword arguments are of `label`."""
    server.models = ("acme-1",)

    def make(articles: list[Any], **label: Any) -> Path:
        asked = {"provider": "labelmill_acme.provider", "model": "acme-1", "base_url": server.url, "prices": PRICES}
        return make_job(articles, label={**asked, "parameters": {"most": 20}, **label})

    return make


def events(work: Workspace, name: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in work.events_file.read_text("utf-8").splitlines())
    return [line for line in lines if line["event"] == name]


def spent(work: Workspace) -> float:
    ledger = open_ledger(work.ledger_target, "test")
    try:
        return ledger.report.spending().spent
    finally:
        ledger.close()


# --- a provider ---


def test_a_price(acme: JobMaker, server: Server) -> None:
    work = run(acme([article(n) for n in range(6)]), last="clean")
    assert len(rows(work, "labels")) == 6
    assert spent(work) == pytest.approx(6 * PRICE)
    assert RequestBuilder(work).description["model"] == "acme-1"


def test_a_budget(acme: JobMaker, server: Server) -> None:
    path = acme([article(n) for n in range(100)], budget_usd=50 * PRICE, limits={"concurrency": 8})
    with pytest.raises(Paused, match="the budget of"):
        run(path)
    paid = spent(work_of(path))
    assert sum(server.answered.values()) * PRICE == pytest.approx(paid)
    assert 0.5 * 50 * PRICE < paid <= 50 * PRICE


@pytest.mark.parametrize(
    ("label", "lacking"),
    [({"prices": None}, "the price of 'acme-1'"), ({"model": None}, "the price of 'labelmill_acme.p")],
)
def test_a_budget_without_a_price(acme: JobMaker, server: Server, label: dict[str, Any], lacking: str) -> None:
    with pytest.raises(ConfigError, match=lacking):
        run(acme([article(1)], budget_usd=1.0, **label))
    assert not server.seen


@pytest.mark.parametrize(
    ("models", "extra", "message"),
    [
        (("acme-2",), {}, "does not offer 'acme-1' (did you mean 'acme-2'?)"),
        (("acme-1",), {"ends": "2026-01-31"}, "'acme-1' was shut down on 2026-01-31"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_had(
    acme: JobMaker, server: Server, models: tuple[str, ...], extra: dict[str, Any], message: str
) -> None:
    server.models, server.extra = models, extra
    path = acme([article(1)])
    with pytest.raises(Paused) as paused:
        run(path)
    assert f"{server.url}" in str(paused.value) and message in str(paused.value)
    assert not server.seen
    assert any(
        check.what == "endpoint" and not check.fine and message in check.state
        for check in job_checks.of_job(work_of(path))
    )


def test_an_endpoint_that_cannot_be_reached(acme: JobMaker) -> None:
    with pytest.raises(Paused, match="the endpoint cannot be reached"):
        run(acme([article(1)], base_url="http://127.0.0.1:1/v1"))


def test_doctor(acme: JobMaker, make_job: JobMaker, server: Server) -> None:
    findings = {check.what: (check.fine, check.state) for check in job_checks.of_job(work_of(acme([article(1)])))}
    assert findings["model"] == (True, "acme's own acme-1")
    assert findings["endpoint"] == (True, f"{server.url} answers and offers acme-1")
    local = make_job([article(1)], name="local", label={"provider": "labelmill_acme.local"})
    assert {check.what for check in job_checks.of_job(work_of(local))} == {"job file", "source 0"}


@pytest.mark.parametrize("policy", ["reject", "truncate"])
def test_a_context(acme: JobMaker, server: Server, policy: str) -> None:
    server.extra = {"context": 400}
    articles = [article(n, words=1600 if n == 3 else 40) for n in range(5)]
    work = run(acme(articles, on_too_long=policy), last="clean")
    assert len(rows(work, "labels")) == (4 if policy == "reject" else 5)
    assert sum(server.seen.values()) == (4 if policy == "reject" else 5)
    longest = max(len(" ".join(m["content"] for m in body["messages"]).split()) for body in server.bodies)
    assert (
        (longest < 200) if policy == "reject" else (380 - 1 <= longest <= 380)
    )  # in its own tokens, with room for the reply
    assert events(work, "preflight")[0]["context_tokens"] == 400


def test_limits(acme: JobMaker, server: Server) -> None:
    server.latency = 0.02
    run(acme([article(n) for n in range(30)], limits={"concurrency": 3}), last="label")
    assert server.most_in_flight == 3


def test_limits_that_it_tells_of(acme: JobMaker, server: Server) -> None:
    refused = Counter[str]()

    def script(body: dict[str, Any], times: int) -> Any:
        headers = {"x-ratelimit-limit-requests": "60000"}
        if sum(server.answered.values()) > 40 and not refused["once"]:
            refused["once"] += 1
            return 429, {"error": {"message": "slow"}}, {"retry-after": "0.1"}
        return 200, completion(body, keyphrases(body)), headers

    server.script = script
    work = run(acme([article(n) for n in range(80)], limits={"concurrency": 4}), last="clean")
    assert len(rows(work, "labels")) == 80
    [event] = events(work, "rate_limited")
    assert event["code"] == "slow_down" and 900 < event["requests_per_second"] <= 1000


def test_what_it_found_out_is_kept(acme: JobMaker, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        return (
            (400, {"error": {"message": "odd"}}, {}) if "odd" in body else (200, completion(body, keyphrases(body)), {})
        )

    server.script = script
    path = acme([article(n) for n in range(4)], limits={"concurrency": 1})
    run(path, last="label", limit=2)
    assert "acme takes no odd" in caplog.messages
    assert sum("odd" in body for body in server.bodies) == 1
    run(path, last="label")
    assert sum("odd" in body for body in server.bodies) == 1
    assert len(server.bodies) == 5


def test_a_quote(acme: JobMaker, server: Server) -> None:
    path = acme([article(n) for n in range(5)])
    work = run(path, last="filter")
    found = quote_command.quote(work)
    assert found.to_ask == 5 and found.price and found.price["input"] == 0.10
    words = sum(len(m["content"].split()) for a in range(5) for m in _messages(work, a))
    assert found.input_tokens == words  # as it counts them itself
    assert not server.seen


def _messages(work: Workspace, number: int) -> Any:
    [shard] = read_order(work.articles)
    return RequestBuilder(work).request(articles_of(work.filtered.read(shard, ARTICLE_COLUMNS))[number]).messages


def test_a_model_in_this_process(make_job: JobMaker, installed: Path) -> None:
    path = make_job([article(n) for n in range(4)], label={"provider": "labelmill_acme.local"})
    work = run(path, last="clean")
    assert [row["keyphrases"] for row in rows(work, "labels")] == [["number"]] * 4
    assert work.weights_file.read_text() == "known"
    assert len(list(work.models.glob("local-*.bin"))) == 1
    before = RequestBuilder(work).run_id
    assert RequestBuilder(work_of(path)).run_id == before
    assert spent(work) == 0


# --- a filter, a source, a task ---


def test_a_filter_that_folds(make_job: JobMaker, installed: Path) -> None:
    articles = [{**article(n), "title": f"{'Port' if n % 3 else 'Sea'} {n}"} for n in range(9)]
    work = run(make_job(articles, filters=[{"type": "labelmill_acme.filter", "most": 2}]), last="filter")
    assert [row["id"] for row in rows(work, "filtered")] == ["a0", "a1", "a2", "a3"]
    rejected = rows(work, "filtered", rejected=True)
    assert {row["reason"] for row in rejected} == {"too_many"} and rejected[0]["detail"] == "Port 3"
    assert "first_word" not in rows(work, "filtered")[0]


def test_a_source_that_fetches(make_job: JobMaker, installed: Path, tmp_path: Path) -> None:
    path = make_job(sources=[{"type": "labelmill_acme.source", "count": 7}])
    work = run(path, last="collect")
    assert [row["id"] for row in rows(work, "articles")] == [f"number {n}" for n in range(7)]
    assert (tmp_path / "told.txt").read_text().split("\n") == ["prepare fetch=True", "finished", "close", ""]
    assert (work.path / "crawl" / "acme.txt").exists()
    assert json.loads((work.articles.path / "_sources.json").read_text())[0]["encodings"] == {"latin-1": 1}
    preview = command("collect", path, "--preview", "2", PYTHONPATH=f"{ROOT}:{installed}")
    assert preview.returncode == 0, preview.stderr
    assert "number 1" in preview.stdout and "number 2" not in preview.stdout


def test_a_task_with_every_hook(acme: JobMaker, server: Server, tmp_path: Path) -> None:
    (tmp_path / "mood.yaml").write_text("user: '{{ moods }}: {{ text }}'\noutput: json_schema\n")
    server.script = lambda body, times: (200, completion(body, "Hm" if times == 1 else " LOUD"), {})
    path = acme([article(n) for n in range(3)], task="labelmill_acme.task")
    work = run(path, last="review")
    assert [row["mood"] for row in rows(work, "labels")] == ["loud"] * 3
    assert sum(server.seen.values()) == 6, "what judge found to be no good was asked again"
    check = label_checker(work.config)
    assert (check("Calm "), check("sad")) == ("calm", None)
    assert _settings(work, [], "").allowed == ["calm", "loud"] == _task(work).allowed
    gold = write_jsonl(tmp_path / "gold.jsonl", [{"id": "a0", "mood": "Loud"}, {"id": "a1", "mood": "calm"}])
    assert evaluate.evaluate(work, gold).metrics["accuracy"][0] == 0.5
    assert plugins.version_of(plugins.load("tasks", "labelmill_acme.task")) == 4


def test_a_task_that_reads_no_json(
    make_job: JobMaker, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = plugins.load("tasks", "labelmill_acme.task")
    monkeypatch.delattr(module.Task, "schema")
    (tmp_path / "mood.yaml").write_text("user: '{{ text }}'\noutput: json_schema\n")
    label = {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "task": "labelmill_acme.task"}
    with pytest.raises(ConfigError, match=r"label.prompt: the task 'labelmill_acme.task' reads no JSON"):
        RequestBuilder(work_of(make_job([], label=label)))


# --- what is no plugin ---


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("filters", "duck", r"filter '{0}': class {0}.Filter does not inherit from pipeline.core.contracts.Filter"),
        ("filters", "bare", r"filter '{0}': class {0}.Filter does not define decide; see pipeline.core.contracts.Filter"),
        ("filters", "plain", r"filter '{0}': class {0}.Options does not inherit from pipeline.core.options.FilterOptions"),
        ("filters", "function", r"filter '{0}': class {0}.Filter does not inherit from"),
        ("filters", "none", r"filter '{0}': the module defines no Filter"),
        ("filters", "broken", r"filter '{0}': cannot be imported \(cannot import name 'Strainer'"),
        ("filters", "missing", r"filter '{0}': no module '{0}' is installed"),
        ("providers", "mute", r"provider '{0}': class {0}.Provider does not define ask \(or answer\)"),
        ("providers", "nameless", r"provider '{0}': class {0}.Provider does not define identity"),
        ("tasks", "blank", r"task '{0}': class {0}.Task does not define column, variables"),
        ("sources", "empty", r"source '{0}': class {0}.Source does not define read"),
        ("sources", "duck", r"source '{0}': .*Source"),
        ("tasks", "filter", r"task '{0}': the module defines no Task"),
    ],
)  # fmt: skip
def test_what_is_no_plugin_is_named(installed: Path, kind: plugins.Kind, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plugins.load(kind, f"labelmill_acme.{name}")
    text = str(refused.value)
    assert "\n" not in text
    assert re.match(message.format(f"labelmill_acme.{name}"), text), text


def test_a_job_says_where_it_is_named(make_job: JobMaker, installed: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"job.yaml: filters.0.type: filter 'labelmill_acme.duck': class labelmill_acme.duck.Filter does not inherit",
    ):
        load_job(make_job([], filters=[{"type": "labelmill_acme.duck"}]))
    with pytest.raises(
        ConfigError,
        match=r"job.yaml: label.provider: provider 'labelmill_acme.mute': class labelmill_acme.mute.Provider does not define",
    ):
        load_job(make_job([], label={"provider": "labelmill_acme.mute"}))


# --- the contracts ---


@pytest.mark.parametrize("base", [contracts.Source, contracts.Filter, contracts.Task, contracts.Provider])
def test_every_hook_has_a_sentence(base: type[contracts.Plugin]) -> None:
    source = inspect.getsource(base)
    for name, hook in vars(base).items():
        if not name.startswith("_") or name == "__init__":
            function = hook.fget if isinstance(hook, property) else getattr(hook, "__func__", hook)
            if inspect.isfunction(function):
                assert function.__doc__ and len(function.__doc__) > 20, name
                assert "return" in get_annotations(function), name
    for name in get_annotations(base):
        line = next(part for part in source.split("\n\n") if part.strip().startswith(f"{name}:"))
        assert '"""' in line, name


def test_nobody_asks_a_plugin_what_it_has() -> None:
    """`hasattr` and `getattr` with a default stay where values of other libraries are looked at."""
    others = (
        "local_model/",
        "reading/",
        "crawling/",
        "api/",
        "collect/compression.py",
        "publish/hub.py",
        "core/text/tokens.py",
        "cli/main.py",
        "collect/to_article.py",
    )
    probes = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "pipeline").rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if ("hasattr(" in line or ("getattr(" in line and ", None)" in line))
        and not any(part in path.as_posix() for part in others)
    ]
    assert not probes
