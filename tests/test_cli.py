"""The command line as a new user meets it: help, exit codes, one-line errors, the quickstart."""

from __future__ import annotations

import json
import logging
import re
import shutil
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline import runner
from pipeline.cli import looking, main, output, running
from pipeline.cli.group import labelmill
from pipeline.commands import show
from pipeline.commands.topic_costs import TopicQuote
from pipeline.label.cost.estimate import Quote
from pipeline.topics.vector_quote import VectorQuote
from tests.conftest import QUICKSTART, ROOT, JobMaker, article, command, run, write_jsonl
from tests.openai_server import Server, completion, keyphrases
from tests.program import run as run_program

COMMANDS = [*labelmill.commands, *(f"prompt {name}" for name in labelmill.commands["prompt"].commands)]  # type: ignore[attr-defined]


def test_the_lists_that_help_shows_are_those_of_the_job() -> None:
    """The command line repeats them so that help need not import the runner."""
    assert running.STAGES == runner.NAMES
    assert looking.TABLES == show.TABLES


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([*name.split(), "--help"])
    assert caught.value.code == 0
    assert f"example:\n  labelmill {name}" in capsys.readouterr().out


def test_the_table_of_the_readme_has_every_command() -> None:
    [table] = re.findall(r"## Commands\n\n(.*?)\n\n", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    documented = {name for row in table.splitlines() for name in re.findall(r"`(\w+)", row.split(" | ")[0])}
    assert documented - {"command"} == set(labelmill.commands)
    assert {*runner.NAMES, "run"} <= documented


@pytest.mark.parametrize(
    "arguments", [["rnu"], [], ["run"], ["show", "job.yaml", "lables"], ["run", "j", "--limit", "0"]]
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "names", "see"),
    [
        (["rnu"], ["'rnu'", "'run'"], ""),
        (["prompt", "lst"], ["'lst'", "'list'"], "prompt "),
        (["run", "j", "--retry-rejectd"], ["'--retry-rejectd'", "'--retry-rejected'"], "run "),
        (["run"], ["'JOB'"], "run "),
        (["export", "j"], ["'--format'", "seq2seq, chat, clm, jsonl, csv"], "export "),
        (["show", "j", "lables"], ["'lables'", "'labels'"], "show "),
        (["collect", "j", "--preview", "1", "--no-fetch"], ["--preview and --no-fetch exclude each other"], "collect "),
        (["review", "j", "--export", "a", "--import", "b"], ["--export and --import exclude each other"], "review "),
    ],
)
def test_a_usage_error_is_one_line_that_knows_what_was_meant(arguments: list[str], names: list[str], see: str) -> None:
    result = command(*arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("labelmill: ") and result.stderr.endswith(f"; see: labelmill {see}--help\n")
    assert all(name in result.stderr for name in names)


@pytest.mark.parametrize("arguments", [[], ["prompt"]])
def test_without_a_command_it_shows_its_help(arguments: list[str]) -> None:
    bare, asked = command(*arguments), command(*arguments, "--help")
    assert (bare.stdout, bare.stderr) == (asked.stdout, "")
    assert (bare.returncode, asked.returncode) == (2, 0)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_options_and_values(shell: str) -> None:
    assert "labelmill" in run_program(_LABELMILL_COMPLETE=f"{shell}_source").stdout

    def completed(*words: str) -> str:
        line, last = " ".join(words), words[-1] if shell == "fish" else str(len(words) - 1)
        return run_program(_LABELMILL_COMPLETE=f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=last).stdout

    assert "report" in completed("labelmill", "rep") and "quote" not in completed("labelmill", "rep")
    assert "--retry-rejected" in completed("labelmill", "label", "job.yaml", "--re")
    assert "filtered" in completed("labelmill", "show", "job.yaml", "fil")


def test_errors_are_one_line_and_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = command("run", tmp_path / "no.yaml")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "Traceback" in command("run", tmp_path / "no.yaml", "--debug").stderr


@pytest.mark.slow
def test_parts_log_and_the_command_line_shows_it(
    make_job: JobMaker, server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script = lambda body, times: (200, completion(body, keyphrases(body)), {})
    path = make_job([article(0)], label={"provider": "openai", "base_url": server.url})
    run(path, last="label")  # a rejection is final where the endpoint answers others
    make_job([article(n) for n in range(4)], label={"provider": "openai", "base_url": server.url})
    server.script = lambda body, times: (400, {"error": {"code": "content_filter", "message": "no, 100%s"}}, {})
    run(path, last="label")
    [message] = [record.getMessage() for record in caplog.records if record.name == "labelmill.label"]
    assert (
        message.startswith("3 articles are rejected by the endpoint for good (content_filter:") and "100%s" in message
    )
    assert capfd.readouterr() == ("", "")
    result = command("label", path, "--retry-rejected")
    assert result.stderr == f"labelmill: {message}\n"
    assert logging.getLogger("labelmill").handlers == []


def test_a_folder_that_cannot_be_written_is_said(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)])
    (tmp_path / "jobs").write_text("a file where the folder should be")
    result = command("run", path)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "jobs") in result.stderr


def test_from_and_to(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(3)])
    assert command("run", path, "--from", "split", "--to", "filter").returncode == 2
    result = command("filter", path)
    assert result.returncode == 1 and f"labelmill collect {path}" in result.stderr
    assert command("run", path, "--to", "filter").returncode == 0
    assert command("clean", path).returncode == 1
    for name in runner.NAMES[2:]:
        assert command("run", path, "--from", name, "--to", name).returncode == 0, name


def test_the_quickstart_shows_every_kind_of_row(tmp_path: Path) -> None:
    shutil.copytree(QUICKSTART, tmp_path / "quickstart")
    path = tmp_path / "quickstart" / "job.yaml"
    result = command("run", path)
    assert result.returncode == 0, result.stderr
    report = json.loads(command("status", path, "--json").stdout)
    stages = {row["stage"]: row for row in report["stages"]}
    names = [name for name in runner.NAMES if name in stages]
    for before, after in pairwise(names[:-1]):
        assert stages[after]["rows"] == stages[before]["kept"]
        assert stages[before]["rows"] == stages[before]["kept"] + sum(stages[before]["rejected"].values())
    assert set(stages["collect"]["rejected"]) == {
        "torn_line", "not_an_object", "missing_text", "empty_text", "none_text", "duplicate_id", "id_conflict",
        "wrong_encoding",
    }  # fmt: skip
    assert set(stages["filter"]["rejected"]) == {
        "language_not_wanted", "too_short", "too_long", "duplicate_text", "duplicate_title",
    }  # fmt: skip
    assert all(row["state"] == "done" for name, row in stages.items() if name != "publish")
    labels = [json.loads(line) for line in command("show", path, "labels", "--json").stdout.splitlines()]
    assert len(labels) == stages["review"]["kept"] > 60
    assert all(1 <= len(row["keyphrases"]) <= 7 for row in labels)
    rejected = [
        json.loads(line) for line in command("show", path, "filtered", "--rejected", "--json").stdout.splitlines()
    ]
    assert all(row["id"] and row["reason"] for row in rejected)
    assert len(command("show", path, "train", "-n", "3").stdout.splitlines()) == 3
    assert command("show", path, "train", "--rejected").stdout == ""  # no near-copy of an eval row


def test_init_writes_a_job_file_that_is_sound(tmp_path: Path) -> None:
    result = command("init", tmp_path / "job.yaml")
    assert result.returncode == 0
    assert command("init", tmp_path / "job.yaml").returncode == 2  # never overwrites
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "a.jsonl").write_text(json.dumps(article(1)) + "\n")
    assert command("run", tmp_path / "job.yaml", "--to", "filter").returncode == 0
    assert command("init", tmp_path / "quick", "--quickstart").returncode == 0
    assert command("run", tmp_path / "quick" / "job.yaml", "--to", "collect").returncode == 0


def test_status_names_sources_by_what_they_read(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "기사" / "a.jsonl", [article(1), {"id": "x"}])
    write_jsonl(tmp_path / "b.jsonl", [article(2)])
    columns = {"text": "body"}
    sources = [{"type": "files", "path": path, "columns": columns} for path in ("기사/*.jsonl", ["b.jsonl"])]
    path = make_job(sources=sources)
    run(path, last="collect")
    lines = command("status", path).stdout.splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines[3:5]] == ["기사/*.jsonl: missing_text 1", "b.jsonl"]
    make_job(sources=sources[:1])  # what was collected is another job file's: by its type
    assert command("status", path).returncode == 0


def test_every_command_makes_the_folder_that_its_output_lies_in(make_job: JobMaker, tmp_path: Path) -> None:
    path = run(make_job([article(n) for n in range(6)])).config.file
    outputs = [
        (command("export", path, "--format", "csv", "--output", tmp_path / "a" / "b" / "x.csv"), "a/b/x.csv"),
        (command("report", path, "--output", tmp_path / "c" / "d" / "r.html"), "c/d/r.html"),
        (command("ledger", path, "--export", tmp_path / "e" / "f" / "l.parquet"), "e/f/l.parquet"),
        (command("init", tmp_path / "g" / "h" / "job.yaml"), "g/h/job.yaml"),
        (command("init", tmp_path / "i" / "j", "--quickstart"), "i/j/job.yaml"),
    ]
    for name in ("csv", "xlsx", "jsonl", "argilla.json"):
        form = ("--format", "argilla") if name == "argilla.json" else ()
        outputs.append(
            (command("review", path, "--export", tmp_path / name / "k" / f"s.{name}", *form), f"{name}/k/s.{name}")
        )
    assert [done.stderr for done, _ in outputs if done.returncode] == []
    assert all((tmp_path / file).is_file() for _, file in outputs)


def test_a_hint_names_the_job_file_that_was_given(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)]).rename(tmp_path / "내 작업.yaml")
    write_jsonl(tmp_path / "gold.jsonl", [{"id": "nobody", "keyphrases": ["x"]}])
    quoted = f"'{path}'"  # a space stands in its name
    hints = {}
    for arguments in (
        ["filter"], ["show", "labels"], ["ledger"], ["publish"], ["review", "--export", "x.csv"], ["versions"],
        ["report"], ["export", "--format", "chat"], ["takedown", "--id", "nobody"],
        ["evaluate", "--gold", str(tmp_path / "gold.jsonl")],
    ):  # fmt: skip
        done = command(arguments[0], path, *arguments[1:])
        hints[arguments[0]] = done.stdout + done.stderr
    run(path, last="review")
    done = command("evaluate", path, "--gold", tmp_path / "gold.jsonl")
    hints["evaluate, labelled"] = done.stdout + done.stderr
    assert {name: text for name, text in hints.items() if quoted not in text or "JOB" in text} == {}


def test_doctor_never_shows_a_secret(make_job: JobMaker, server: Server) -> None:
    path = make_job([article(1)], label={"provider": "openai", "base_url": server.url})
    result = command("doctor", path, OPENAI_API_KEY="sk-very-secret")
    assert result.returncode == 0, result.stdout
    assert "OPENAI_API_KEY     set" in result.stdout
    assert "offers gpt-6-luna" in result.stdout
    assert "sk-very-secret" not in result.stdout + result.stderr
    path = make_job([article(1)], label={"provider": "openai", "base_url": server.url, "model": "gpt-6-lune"})
    result = command("doctor", path)
    assert result.returncode == 3
    assert "does not offer 'gpt-6-lune' (did you mean 'gpt-6-luna'?)" in result.stdout
    path = make_job([article(1)], label={"provider": "openai", "base_url": "http://127.0.0.1:9/v1"})
    assert command("doctor", path).returncode == 3


def test_a_wheel_carries_prompts_and_quickstart(tmp_path: Path) -> None:
    build = pytest.importorskip("hatchling.build", reason="hatchling is not installed")
    import os

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = build.build_wheel(str(tmp_path))
    finally:
        os.chdir(before)
    names = zipfile.ZipFile(tmp_path / wheel).namelist()
    for name in (
        "prompts/keyphrases/v1.yaml",
        "data/quickstart/job.yaml",
        "data/quickstart/articles-ko.jsonl",
    ):
        assert f"pipeline/shipped/{name}" in names
    assert "pipeline/label/cost/prices.yaml" in names
    assert {f"pipeline/report/templates/report.{kind}" for kind in ("html", "css")} <= set(names)
    assert not any("tests/" in name or "jobs/" in name for name in names)


def test_a_quote_of_labels_and_topics_says_which_of_its_dollars_are_an_estimate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics = TopicQuote(VectorQuote(["m"], 10, 1, 100, 300, 1.0, 3.0), None)
    bounded = Quote(
        10, 0, 10, "m", "cl100k_base", 1000, 1000, 100, None, 0.0, 2.0, 8.0, 0, None, None, None, None, None, None
    )
    output.quote_of_all(bounded, topics)
    assert "in all   $3.0000 to $11.0000 for labels and topics, at least and at most\n" in capsys.readouterr().out
    sampled = replace(bounded, sampled=5, rest_usd=(4.0, 5.0), rest_seconds=(1.0, 2.0), output_tokens=(10.0, 20.0))
    output.quote_of_all(sampled, topics)
    text = "in all   $5.0000 to $8.0000 for labels, by the sample (95%), and topics, at least and at most\n"
    assert text in capsys.readouterr().out
