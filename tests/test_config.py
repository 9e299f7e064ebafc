"""The job file: what is wrong with it is said in one line with file, key path, what was found and what is allowed."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import datasets
import pytest

from pipeline.core.errors import ConfigError
from pipeline.job import label_table
from pipeline.job.job_file import load_dotenv, load_job
from tests.conftest import JobMaker, article, command, rows, run, work_of, write_jsonl


def problem(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_job(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text or text.startswith("--set")
    return text


def test_the_shape_of_the_issue_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        """
name: ko-news-keyphrases
workspace: ../jobs            # the job's folder is <workspace>/<name>
sources:
  - {type: files, path: articles/*.jsonl, columns: {id: id, title: title, text: body}, licence: CC-BY-4.0}
filters:
  - {type: language, keep: [ko], detector: auto}
  - {type: tokens, encoding: cl100k_base, min: 500, max: 1000}
  - {type: duplicates}
label:
  task: keyphrases
  prompt: keyphrases/v1
  provider: openai
  model: gpt-6-luna
  base_url: null
  parameters: {reasoning_effort: none, max_output_tokens: 128}
  limits: {requests_per_minute: null, tokens_per_minute: null, concurrency: null}
clean: {max_phrases: 7, max_label_tokens: 64, absent: flag}
split: {eval: 0.2, salt: v1}
publish: {to: folder, repo: null, private: true}
"""
    )
    config = load_job(path)
    assert config.job_folder == tmp_path.parent / "jobs" / "ko-news-keyphrases"
    assert config.label.parameters == {"reasoning_effort": "none", "max_output_tokens": 128}


@pytest.mark.parametrize(
    ("sections", "wanted"),
    [
        ({"lable": {}}, ["lable", "did you mean 'label'", "allowed: ", "sources"]),
        ({"label": {"modle": "x"}}, ["label.modle", "did you mean 'model'"]),
        ({"label": {"limits": {"rpm": 3}}}, ["label.limits.rpm", "requests_per_minute"]),
        ({"label": {"provider": "opnai"}}, ["label.provider", "'opnai'", "did you mean 'openai'"]),
        ({"label": {"provider": "extractive", "parameters": {"phrase": 1}}}, ["label.parameters.phrase", "'phrases'"]),
        ({"label": {"task": "keyphrase"}}, ["label.task", "did you mean 'keyphrases'"]),
        ({"label": {"api_key": "sk-123"}}, ["label.api_key", "${OPENAI_API_KEY}"]),
        ({"filters": [{"type": "langauge"}]}, ["filters.0.type", "did you mean 'language'"]),
        ({"filters": [{"type": "language", "keep": ["kr"]}]}, ["filters.0.keep.0", "'kr'", "did you mean 'ko'"]),
        ({"filters": [{"type": "language", "keep": ["ko"], "detector": "cld"}]}, ["filters.0.detector", "langdetect"]),
        ({"filters": [{"type": "tokens", "min": 9, "max": 9}]}, ["filters.0", "max (9) must be above min (9)"]),
        ({"filters": [{"type": "tokens", "encoding": "cl100k"}]}, ["filters.0.encoding", "did you mean 'cl100k_base'"]),
        ({"filters": [{"type": "tokens", "min": "many"}]}, ["filters.0.min", "'many'", "integer"]),
        ({"clean": {"max_phrase": 3}}, ["clean.max_phrase", "did you mean 'max_phrases'"]),
        ({"clean": {"absent": "kept"}}, ["clean.absent", "'kept'", "allowed: flag, drop"]),
        ({"split": {"eval": 2.5}}, ["split", "whole number"]),
        ({"publish": {"to": "hub"}}, ["publish.to", "publish.to: needs publish.repo: user/name"]),
        ({"sources": []}, ["sources"]),
        ({"name": "../x"}, ["name"]),
        ({"sources": [{"type": "files", "path": "a.jsonl", "columns": {"body": "text"}}]}, ["columns.body", "allowed"]),
        ({"sources": [{"type": "no.such.module"}]}, ["sources.0.type", "no module 'no'"]),
    ],
)  # fmt: skip
def test_one_line_for_each_mistake(make_job: JobMaker, sections: dict[str, Any], wanted: list[str]) -> None:
    line = problem(make_job([], **sections))
    for part in wanted:
        assert part in line


def test_yaml_mistakes_name_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("name: a\nname: b\n")
    assert ":2:1: the key 'name' is given twice" in problem(path)
    path.write_text("name: [a\n")
    assert str(path) in problem(path)
    path.write_text("- a\n")
    assert "found a list" in problem(path)


def test_a_missing_job_file_is_named_with_its_neighbour(make_job: JobMaker) -> None:
    path = make_job([])
    assert "did you mean 'job.yaml'" in problem(path.with_name("jobb.yaml"))


@pytest.mark.parametrize(
    ("comment", "encoding", "wanted"),
    [
        ("우리 신문의 기사", "cp949", ":2: saved as CP949"),
        ("우리 신문의 기사", "utf-16", ": saved as UTF-16"),
        ("우리 신문의 기사", "utf-16-be", ": saved as UTF-16"),
        ("我们报纸的文章和新闻", "gb18030", ":2: is not UTF-8"),
        ("私たちの新聞の記事です", "cp932", ":2: is not UTF-8"),
        ("nos articles déjà publiés", "latin-1", ":2: is not UTF-8"),
    ],
)
def test_a_job_file_in_another_encoding_says_in_which(
    make_job: JobMaker, comment: str, encoding: str, wanted: str
) -> None:
    path = make_job([article(1)])
    path.write_bytes(f"# job\n# {comment}\n{path.read_text()}".encode(encoding))
    assert problem(path) == f"{path}{wanted}; save the job file as UTF-8"


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/b", ".x", "a b", "", "가\u200b나", "\u3164", "가\u202e나", "．．", "com¹", "news*", "가" * 61, "a" * 101,
        "con", "NUL.x", "a.",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_job(make_job: JobMaker, name: str) -> None:
    assert ": name: " in problem(make_job([article(1)], name=name))


def test_a_folder_of_before_keeps_a_name_that_is_none_on_windows(make_job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "aux").mkdir(parents=True)
    assert load_job(make_job([], name="aux")).name == "aux"


def test_a_job_may_be_named_in_any_script(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(4)], name=unicodedata.normalize("NFD", "뉴스_핵심어.v2"))
    work = run(path)
    assert work.path == tmp_path / "jobs" / "뉴스_핵심어.v2"
    exported = command("export", path, "--format", "jsonl", "--output", tmp_path / "x.jsonl")
    assert exported.returncode == 0, exported.stderr
    splits = datasets.load_dataset(str(work.versions / "1.0.0"), cache_dir=str(tmp_path / "cache"))
    assert sum(len(split) for split in splits.values()) == 4
    assert [
        command(*arguments, path).returncode for arguments in (["status"], ["report"], ["versions"], ["ledger"])
    ] == [0] * 4


def test_two_job_files_with_one_name_do_not_share_a_folder(make_job: JobMaker, tmp_path: Path) -> None:
    first = make_job([article(1), article(2)])
    run(first)
    second = tmp_path / "second.yaml"
    second.write_text(first.read_text().replace("articles.jsonl", "other.jsonl"))
    write_jsonl(tmp_path / "other.jsonl", [article(3)])
    before = rows_of(first)
    for arguments in (["run"], ["status"], ["takedown", "--id", "a1"], ["doctor"]):
        done = command(arguments[0], second, *arguments[1:])
        assert done.returncode == 2 and f"{second}: name: {first} has the name 'test', too" in done.stderr + done.stdout
        assert done.stderr.count("\n") <= 1
    assert rows_of(first) == before
    assert command("run", second, "--set", "name=second").returncode == 0
    assert command("run", second, "--set", "workspace=elsewhere").returncode == 0
    link = tmp_path / "link.yaml"
    link.symlink_to(first)
    assert command("run", link).returncode == 0
    first.write_text(first.read_text().replace("name: test", "name: renamed"))  # its folder is free
    assert command("run", second).returncode == 0
    assert rows_of(second) != before
    # with a name that no folder can have the other file may yet be mended; and --set makes it good
    second.write_text(second.read_text().replace("name: test", "name: a/b"))
    done = command("run", first, "--set", "name=test")
    assert done.returncode == 2 and f"name: {second} has the name 'test', too" in done.stderr
    assert command("run", second, "--set", "name=good").returncode == 0


def test_a_job_that_was_moved_or_copied_with_its_folder_goes_on(make_job: JobMaker, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    write_jsonl(folder / "articles.jsonl", [article(1)])
    path = make_job([]).rename(folder / "job.yaml")
    run(path)
    shutil.copytree(folder, tmp_path / "two")
    assert command("run", tmp_path / "two" / "job.yaml").returncode == 0
    assert command("run", path.rename(folder / "other.yaml")).returncode == 0
    folder.rename(tmp_path / "three")
    assert command("run", tmp_path / "three" / "other.yaml").returncode == 0


def rows_of(path: Path) -> list[str]:
    return [row["id"] for row in rows(work_of(path), "articles")]


@pytest.mark.parametrize(
    ("of_file", "provider", "left_aside"),
    [
        (
            {"provider": "openai", "parameters": {"max_output_tokens": 64, "seed": 7}},
            "extractive",
            "max_output_tokens, seed",
        ),
        ({"parameters": {"reasoning_effort": "none"}}, "extractive", "reasoning_effort"),
        ({"provider": "extractive", "parameters": {"phrases": 5}}, "openai", "phrases"),
        ({"provider": "openai", "parameters": {"seed": 7}}, "openai", None),
        ({"provider": "openai", "parameters": {"own": 7}}, "openai", None),
        ({"provider": "extractive"}, "openai", None),
    ],
)
def test_another_provider_is_not_given_the_parameters_of_the_file_s(
    make_job: JobMaker, of_file: dict[str, Any], provider: str, left_aside: str | None
) -> None:
    path = make_job([article(1)], label=of_file)
    done = command("run", path, "--to", "filter", "--set", f"label.provider={provider}")
    line = f"labelmill: {path}: label.parameters.{left_aside}: not for {provider!r}, and left aside\n"
    assert (done.returncode, done.stderr) == (0, line if left_aside else "")


def test_what_the_command_line_says_of_parameters_holds(make_job: JobMaker) -> None:
    path = make_job([article(1)], label={"provider": "openai", "parameters": {"seed": 7}})
    assert load_job(path, ["label.parameters.phrases=3", "label.provider=extractive"]).provider_options.phrases == 3
    assert "label.parameters.sed" in problem(path, "label.provider=extractive", "label.parameters.sed=1")


def test_norwegian_is_a_language_and_not_false(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([])
    path.write_text(path.read_text() + "filters: [{type: language, keep: [no]}]\n")
    assert load_job(path).filter_options[0].keep == ["no"]


def test_overrides(make_job: JobMaker) -> None:
    path = make_job([], filters=[{"type": "tokens", "min": 1}])
    config = load_job(path, ["label.provider=openai", "label.model=m", "filters.0.min=7", "split.eval=30"])
    assert (config.label.model, config.filter_options[0].min, config.split.eval) == ("m", 7, 30)
    assert "key.path=value" in problem(path, "label.model")
    assert "no place 'filters.4.min'" in problem(path, "filters.4.min=7")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"LM_KEY=a", "a"),
        (b"\xef\xbb\xbfLM_KEY=a\r\nLM_OTHER=b\r\n", "a"),
        (b"export LM_KEY='a b' # c", "a b"),
        (b'LM_KEY="a # b"', "a # b"),
        (b"LM_OTHER=x\nLM_KEY=${LM_OTHER}y$z", "${LM_OTHER}y$z"),
        (b"# LM_KEY=no\n  LM_KEY = a=b", "a=b"),
        (b"LM_KEY=a#b", "a#b"),
        ("LM_KEY=열쇠".encode(), "열쇠"),
    ],
)
def test_forms_of_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, value: str) -> None:
    (tmp_path / ".env").write_bytes(text)
    for name in ("LM_KEY", "LM_OTHER"):
        monkeypatch.setenv(name, "")  # so that it is undone
        monkeypatch.delenv(name)
    load_dotenv(tmp_path)
    assert os.environ["LM_KEY"] == value


def test_variables_come_from_the_environment_before_dotenv(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_job([], label={"provider": "openai", "model": "${LM_MODEL}-${LM_SIZE:-mini}", "api_key": "${LM_KEY}"})
    assert "label.api_key: ${LM_KEY} is not set" in problem(path)
    (tmp_path / ".env").write_text("# comment\nexport LM_MODEL='from-file'\nLM_KEY=secret # not part of it\n")
    for name in ("LM_MODEL", "LM_KEY"):
        monkeypatch.delenv(name, raising=False)
    config = load_job(path)
    assert config.label.model == "from-file-mini"
    assert config.label.api_key is not None
    assert config.label.api_key.get_secret_value() == "secret"
    assert "secret" not in repr(config)
    monkeypatch.setenv("LM_MODEL", "from-environment")
    assert load_job(path).label.model == "from-environment-mini"
    for name in ("LM_MODEL", "LM_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{ txt }}", ["user: unknown variable 'txt'", "did you mean 'text'"]),
        ("{{ text", ["user: line 1"]),
    ],
)
def test_a_prompt_with_an_unknown_variable(
    make_job: JobMaker, tmp_path: Path, template: str, wanted: list[str]
) -> None:
    (tmp_path / "prompts" / "mine").mkdir(parents=True)
    (tmp_path / "prompts" / "mine" / "v1.yaml").write_text(f"user: '{template}'\n")
    path = make_job(
        [article(1)], label={"provider": "openai", "prompt": "mine/v1", "base_url": "http://127.0.0.1:9/v1"}
    )
    with pytest.raises(ConfigError) as caught:
        run(path)
    for part in [str(tmp_path / "prompts" / "mine" / "v1.yaml"), *wanted]:
        assert part in str(caught.value)


def test_an_unknown_prompt_is_found_before_anything_runs(make_job: JobMaker) -> None:
    path = make_job([article(1)], label={"provider": "openai", "prompt": "keyphrases/v99"})
    result = command("run", path)
    assert result.returncode == 2
    assert "keyphrases/v99" in result.stderr
    assert not (path.parent / "jobs" / "test" / "articles").exists()


def test_the_article_is_no_template(make_job: JobMaker, server: Any) -> None:
    text = "{{ 7 * 7 }} {% raw %} The harbour of the city was opened to the public in the spring of this year. " * 3
    path = make_job(
        [{"id": "1", "title": "{{ title }}", "body": text}], label={"provider": "openai", "base_url": server.url}
    )
    run(path, last="label")
    assert "{{ 7 * 7 }} {% raw %}" in server.bodies[0]["messages"][-1]["content"]
    assert label_table.schema(work_of(path)).field("keyphrases").type.value_type == "string"
