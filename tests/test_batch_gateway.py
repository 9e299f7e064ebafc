"""`label.via: batch` behind a gateway as LiteLLM's is: files lie where the deployment of a model does, ids tell which one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from pipeline.label.batches import calls, posting, twins
from tests.batch_server import Batch, BatchServer, Plan
from tests.conftest import JobMaker
from tests.openai_server import Running
from tests.test_batches import assert_paid_once, batch_job, finish, ledger_of

HEADER, MARK = "x-litellm-model", "bGl0ZWxsbTo"


@dataclass
class Gateway(BatchServer):
    """Encodes ids for who names a model that it knows; `files_settings`: keeps files of others as well, and knows no model."""

    files_settings: bool = False
    routes: set[str | None] = field(default_factory=set)

    def _refused(self, request: web.Request) -> web.Response | None:
        self.routes.add(request.headers.get(HEADER))
        if HEADER in request.headers and self.files_settings:
            text = "{'error': 'file upload: Invalid model name passed in model=gpt-6-luna. Call `/v1/models`'}"
            return web.json_response(
                {"error": {"message": text, "type": "invalid_request_error", "code": "400"}}, status=400
            )
        if HEADER not in request.headers and not self.files_settings:
            text = "files_settings is not set, set it on your config.yaml file."
            return web.json_response({"error": {"message": text, "type": "internal_server_error"}}, status=500)
        return None

    async def upload(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        response = await super().upload(request)
        assert isinstance(response, web.Response) and response.body
        number = json.loads(bytes(response.body))["id"]  # type: ignore[arg-type]
        self.uploaded[self._encoded(number)] = self.uploaded.pop(number)
        return web.json_response({"id": self._encoded(number)})

    async def list(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "")
        if MARK in after or HEADER not in request.headers:
            return web.json_response({"object": "list", "data": [], "has_more": False})
        response = await super().list(request)
        page = json.loads(bytes(response.body))  # type: ignore[arg-type]
        page["last_id"] = page["data"][-1]["id"].removeprefix(MARK) if page["data"] else None
        return web.json_response(page)

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        request.match_info["id"] = request.match_info["id"].removeprefix(MARK)
        return await super().retrieve(request)

    async def cancel(self, request: web.Request) -> web.Response:
        request.match_info["id"] = request.match_info["id"].removeprefix(MARK)
        return await super().cancel(request)

    async def content(self, request: web.Request) -> web.StreamResponse:
        request.match_info["id"] = request.match_info["id"].removeprefix(MARK)
        return await super().content(request)

    def _told(self, batch: Batch) -> dict[str, Any]:
        value = super()._told(batch)
        names = ("id", "output_file_id", "error_file_id")
        return {**value, **{name: self._encoded(value[name]) for name in names if value.get(name)}}

    def _encoded(self, name: str) -> str:
        return name if self.files_settings else f"{MARK}{name}"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Running(Gateway()) as running:
        yield running  # type: ignore[misc]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls.Pauses, "FIRST", 0.01)
    monkeypatch.setattr(calls, "LONGEST", 0.1)
    monkeypatch.setattr(posting, "GRACE_SECONDS", 0.3)


def test_a_gateway_is_told_whose_deployment_keeps_the_files(make_job: JobMaker, gateway: Gateway) -> None:
    path = batch_job(make_job, gateway, 10)
    finish(path)
    assert_paid_once(path, gateway, 10)
    assert gateway.routes == {"gpt-6-luna"}


def test_a_gateway_that_keeps_all_files_in_one_place_is_told_no_model(make_job: JobMaker, gateway: Gateway) -> None:
    gateway.files_settings = True
    path = batch_job(make_job, gateway, 10)
    finish(path)
    assert_paid_once(path, gateway, 10)
    assert gateway.routes == {"gpt-6-luna", None}


def test_a_header_of_the_job_file_is_the_one_that_is_sent(make_job: JobMaker, gateway: Gateway) -> None:
    path = batch_job(make_job, gateway, 4, headers={"X-LiteLLM-Model": "eu/luna"})
    finish(path)
    assert gateway.routes == {"eu/luna"}


def test_the_pages_of_its_list_go_on_by_its_own_names(make_job: JobMaker, gateway: Gateway) -> None:
    """A page holds three batches; the one that was answered into the void stands on the second page."""
    gateway.posts = [None, None, None, None, "void"]
    path = batch_job(make_job, gateway, 10, limits={"batch_requests": 2})
    finish(path)
    assert_paid_once(path, gateway, 10)
    assert len(gateway.batches) == 5


def test_what_a_gateway_posts_twice_by_itself_is_cancelled_and_counted(
    make_job: JobMaker, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create = Gateway.create

    async def twice(self: Gateway, request: web.Request) -> web.StreamResponse:
        await create(self, request)
        return await create(self, request)

    monkeypatch.setattr(Gateway, "create", twice)
    with Running(Gateway()) as running:
        server: Any = running
        path = batch_job(make_job, server, 6)
        finish(path)
        money = ledger_of(path).report.spending()
        assert money.spent + money.lost == pytest.approx(server.billed_usd) and money.lost == pytest.approx(money.spent)
    assert "was made twice" in caplog.text


@pytest.mark.parametrize("fault", ["no cancel", "never over"])
def test_a_twin_of_a_gateways_own_that_cannot_be_cancelled_holds_nothing_up(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    create = Gateway.create

    async def twice(self: Gateway, request: web.Request) -> web.StreamResponse:
        await create(self, request)
        return await create(self, request)

    async def cancel(self: Gateway, request: web.Request) -> web.Response:
        if fault == "no cancel":
            return web.json_response({"error": {"message": "batches cannot be cancelled here"}}, status=405)
        return web.json_response(self._told(self.batches["batch_0"]) | {"status": "cancelling"})

    monkeypatch.setattr(Gateway, "create", twice)
    monkeypatch.setattr(Gateway, "cancel", cancel)
    monkeypatch.setattr(twins, "LOOKS", 3)
    with Running(Gateway(plans=[Plan(seconds=3600), Plan()])) as running:
        path = batch_job(make_job, running, 6)  # type: ignore[arg-type]
        finish(path)
        ledger = ledger_of(path)
        assert ledger.report.totals()["answered"] == 6 and not ledger.batches.under_way()
        ledger.close()
    assert "made beside it, is not counted" in caplog.text
