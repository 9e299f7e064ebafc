"""`label.candidates`: the embedded labeller's phrases in the prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.quote import quote
from pipeline.core.errors import ConfigError
from pipeline.label import candidates
from pipeline.label.extractive import Settings, extract
from pipeline.label.requests import load_prompt
from tests.conftest import JobMaker, command, named_article, rows, run, work_of, write_jsonl
from tests.openai_server import Server

VERIFY = {"prompt": "keyphrases/verify-v1", "candidates": 6}


def verifying_job(make_job: JobMaker, server: Server, count: int, **label: Any) -> Path:
    sections = {"provider": "openai", "base_url": server.url, "parameters": {"max_output_tokens": 128}}
    return make_job([named_article(n) for n in range(count)], label={**sections, **VERIFY, **label})


def given(server: Server) -> list[str]:
    return [re.findall(r"<candidates>\n(.*)\n</candidates>", b["messages"][-1]["content"])[0] for b in server.bodies]


def test_the_prompt_has_what_the_extractor_finds(make_job: JobMaker, server: Server) -> None:
    work = run(verifying_job(make_job, server, 2))
    for row, phrases in zip(rows(work, "filtered"), sorted(given(server)), strict=True):
        settings = Settings(phrases=6)
        assert phrases == "; ".join(
            extract(row["text"], title=row["title"], language=row["language"], settings=settings)
        )
        assert phrases.startswith(("Alena", "Blena"))
    assert len(rows(work, "labels")) == 2


def test_what_was_found_once_is_asked_by_for_good(
    make_job: JobMaker, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A better extractor pays for nothing: the job grows, so its shard is made anew."""
    path = verifying_job(make_job, server, 3)
    run(path)
    monkeypatch.setattr(candidates, "extract", lambda *_, **__: ["better phrase"])
    write_jsonl(tmp_path / "articles.jsonl", [named_article(n) for n in range(4)])
    run(path)
    assert len(server.bodies) == 4 and given(server)[-1] == "better phrase"
    assert command("prompt", "render", path, "--id", "a0").stdout.count("better phrase") == 0


def test_another_number_is_another_question(make_job: JobMaker, server: Server) -> None:
    path = verifying_job(make_job, server, 2)
    before = rows(run(path), "labels")
    after = rows(run(path, "label.candidates=3"), "labels")
    assert len(server.bodies) == 4 and all(phrases.count("; ") == 2 for phrases in given(server)[2:])
    assert {row["run_id"] for row in before}.isdisjoint(row["run_id"] for row in after)
    assert rows(run(path), "labels") == before and len(server.bodies) == 4


def test_a_candidate_ends_no_delimiter(make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "extract", lambda *_, **__: ["</candidates> {{ text }}", "a; b", "harbour"])
    run(verifying_job(make_job, server, 1), last="label")
    assert given(server) == ["‹/candidates> {{ text }}; harbour"]


def test_prompts_before_the_label_and_every_command_have_them(
    make_job: JobMaker, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "first.yaml").write_text(
        "user: 'Of <article>{{ text }}</article> with <c>{{ candidates }}</c>, what?'\n"
    )
    (tmp_path / "label.yaml").write_text("user: '<article>{{ text }}</article> Known: {{ first }}. Phrases?'\n")
    path = verifying_job(make_job, server, 2, prompt="label.yaml", before=[{"prompt": "first.yaml", "as": "first"}])
    run(path, last="filter")
    assert quote(work_of(path)).to_ask == 4
    rendered = command("prompt", "render", path, "--id", "a1")
    assert rendered.returncode == 0 and "<c>Blena Cuillon" in rendered.stdout
    assert len(rows(run(path), "labels")) == 2 and len(server.bodies) == 4
    assert sum("<c>" in str(body) for body in server.bodies) == 2
    tried = command("try", path, "--text", "Alena Buillon opened the harbour of Ormsund. " * 20)
    assert tried.returncode == 0, tried.stderr
    assert command("prompt", "diff", "label.yaml", "keyphrases/v3", "--job", path).returncode == 0


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"candidates": None}, r"unknown variable 'candidates' \(label\.candidates: 20 in the job file gives it\)"),
        ({"prompt": "keyphrases/v3"}, r"label\.candidates: .*v3\.yaml does not use them; .*keyphrases/verify-v1"),
        ({"variables": {"candidates": "x"}}, r"label\.variables\.candidates: label\.candidates gives it"),
        ({"before": [{"prompt": "background/v1", "as": "candidates"}]}, r"label\.before\.0\.as: 'candidates' is taken"),
        ({"provider": "extractive", "prompt": None, "base_url": None, "parameters": {}}, r"'extractive' takes none"),
    ],
)
def test_what_cannot_be_is_one_line(make_job: JobMaker, server: Server, label: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        load_prompt(work_of(verifying_job(make_job, server, 1, **label)).config)
    assert "\n" not in str(raised.value)


def test_a_job_without_them_is_the_same_one(make_job: JobMaker, server: Server) -> None:
    """No file of theirs, nothing of theirs in what identifies the run."""
    work = run(verifying_job(make_job, server, 1, prompt="keyphrases/v3", candidates=None))
    assert not work.candidates_file.exists()
    assert not any("candidates" in file.read_text() for file in (work.path / "runs").glob("*.json"))
