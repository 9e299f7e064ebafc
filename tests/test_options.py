"""How options stand in keys: one that is added changes no key of those who do not use it."""

from __future__ import annotations

from inspect import get_annotations
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, create_model

from pipeline.core import plugins
from pipeline.core.options import _left_out_at_default, in_key
from pipeline.job.config import FilterOptions, Options, SourceOptions, SplitOptions
from pipeline.label import prompts
from pipeline.label.requests import RequestBuilder
from tests.conftest import JobMaker, run, work_of
from tests.openai_server import Server
from tests.test_old_jobs import answers, asked, assert_only_cleaned_again, files, label_rows
from tests.test_stored_digests import CASES, REQUESTS, options_of, requested, short

KINDS: tuple[plugins.Kind, ...] = ("sources", "filters", "providers", "tasks")
PLUGINS = [(kind, name) for kind in KINDS for name in plugins.names(kind)]
NEVER = {
    ("providers.llama", "device"),
    ("providers.llama", "batch_tokens"),
    ("providers.llama", "revision"),
    ("prompt", "notes"),
    ("prompt", "language"),
}

# Options that were added since keys leave defaults out, with their defaults.  A new one is written down here, once and for all:
# where its default changed, jobs that do not give it would keep their keys and yet get something else.
# ("sources.files", "option"): default
ADDED: dict[tuple[str, str], Any] = {
    ("split", "keep_out"): [],
    ("sources.files", "delimiter"): None,
    ("sources.files", "mode"): "fast",
    ("providers.extractive", "words"): None,
    ("providers.extractive", "diversity"): 0.5,
    ("providers.extractive", "candidates"): (),
    ("providers.extractive", "stop_words"): (),
    ("providers.extractive", "korean"): "rules",
    ("providers.extractive", "embedder"): None,
    ("providers.student", "student"): None,
    ("example", "when"): None,
    ("tasks.classes", "other"): None,
    ("tasks.classes", "descriptions"): {},
    ("tasks.classes", "many"): False,
    ("tasks.json", "in_text"): (),
}


def declared() -> dict[tuple[str, str], Any]:
    """Every option of ours that may stand in a key only where it is used, with its default."""
    models = {f"{kind}.{name}": plugins.load(kind, name).Options for kind, name in PLUGINS}
    models |= {
        "source": SourceOptions,
        "filter": FilterOptions,
        "split": SplitOptions,
        "prompt": prompts.PromptFile,
        "example": prompts.PromptExample,
    }
    return {
        (owner, name): model.model_fields[name].get_default(call_default_factory=True)
        for owner, model in models.items()
        for name in sorted(_left_out_at_default(model))
        if name in get_annotations(model) and (owner, name) not in NEVER
    }


def test_an_added_option_is_written_down() -> None:
    assert declared() == ADDED, "see ADDED: a new option stands there with its default, and neither ever changes"
    assert all(field.default is None for field in plugins.load("providers", "openai").Options.model_fields.values())


# --- one more option ---


class Depth(Options):
    """An options class within the new options."""

    __module__ = "pipeline.core.options"
    most: int = 3
    names: tuple[str, ...] = ()


def newer(model: type[Options], **fields: Any) -> type[Any]:
    """The class as it would be with an option more: ours, as the class is."""
    more = fields or {
        "later": (bool, False),
        "deep": (Depth, Depth()),
        "mapping": (dict[str, Any], {"a": 1, "b": [None]}),
    }
    return create_model("Options", __base__=model, __module__=model.__module__, **more)


@pytest.mark.parametrize(("kind", "name", "values", "digest"), CASES)
def test_one_more_changes_no_key_of_others(
    monkeypatch: pytest.MonkeyPatch, kind: Any, name: str, values: dict[str, Any], digest: str
) -> None:
    module = plugins.load(kind, name)
    monkeypatch.setattr(module, "Options", newer(module.Options))
    given = {"later": False, "deep": {"most": 3}, "mapping": {"b": [None], "a": 1}}
    assert short(in_key(options_of(kind, name, values), mode="json")) == digest
    assert short(in_key(options_of(kind, name, values | given), mode="json")) == digest
    others: list[dict[str, Any]] = [{"later": True}, {"deep": {"most": 4}}, {"deep": {"names": ["a"]}}, {"mapping": {}}]
    others += [{"mapping": {"a": True, "b": [None]}}, {"later": True, "deep": {"most": 4}}]
    keys = {short(in_key(options_of(kind, name, values | other), mode="json")) for other in others}
    assert len(keys) == len(others) and digest not in keys


def test_what_is_used_stands_there_alone() -> None:
    options = newer(options_of("tasks", "topic", {}).__class__)
    assert in_key(options()) == {"max_words": 6}
    assert in_key(options(later=True, deep={"names": ["a"]})) == {
        "max_words": 6,
        "later": True,
        "deep": {"names": ("a",)},
    }
    assert options().model_dump() == {
        "max_words": 6, "later": False, "deep": {"most": 3, "names": ()}, "mapping": {"a": 1, "b": [None]}
    }  # fmt: skip


def test_a_base_class_with_one_more() -> None:
    """Of a source of ours and of somebody else's, which is as old as any key."""
    base = newer(SourceOptions, later=(int, 0))
    ours = create_model("Options", __base__=base, __module__="pipeline.collect.sources.new", path=(str, "a"))
    theirs = create_model("Options", __base__=base, __module__="theirs.source", path=(str, "a"))
    always = {"type": "x", "columns": {}, "licence": None}
    assert in_key(ours(type="x")) == always
    assert in_key(ours(type="x", path="b", later=1)) == always | {"path": "b", "later": 1}
    assert in_key(theirs(type="x")) == always | {"path": "a"}
    assert in_key(theirs(type="x", later=1)) == always | {"path": "a", "later": 1}


def test_what_somebody_else_declares_stands_always() -> None:
    """Also where a class of ours comes to have an option of that name; unless they say which of theirs stand always."""
    base = newer(SourceOptions, later=(int, 0))
    theirs = create_model("Options", __base__=base, __module__="theirs.source", later=(int, 0))
    assert "later" in in_key(theirs(type="x"))

    class Own(Options):
        in_every_key = "old"
        old: int = 1
        new: int = 1

    assert in_key(Own()) == {"old": 1}
    assert in_key(Own(new=2)) == {"old": 1, "new": 2}


def test_options_that_are_no_options_of_ours() -> None:
    class Plain(BaseModel):
        a: int = 1
        deep: Depth = Depth()

    assert in_key(Plain()) == {"a": 1, "deep": {}}
    assert in_key(Plain(deep=Depth(most=4)), exclude={"a"}) == {"deep": {"most": 4}}


def test_a_default_that_is_made() -> None:
    made = newer(Options, base=(int, 2), twice=(int, Field(default_factory=lambda values: 2 * values["base"])))
    assert in_key(made(base=3)) == {"base": 3}
    assert in_key(made(base=3, twice=4)) == {"base": 3, "twice": 4}


# --- whole jobs with an option more everywhere ---


def more_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, name in PLUGINS:
        module = plugins.load(kind, name)
        monkeypatch.setattr(module, "Options", newer(module.Options))
    example = newer(prompts.PromptExample, weight=(float, 1.0))
    monkeypatch.setattr(
        prompts, "PromptFile", newer(prompts.PromptFile, examples=(tuple[example, ...], ()), later=(bool, False))
    )  # type: ignore[valid-type]


@pytest.mark.parametrize("name", ["keyphrases", "topics", "classes", "extractive"])
def test_old_jobs_go_on(old_jobs: Path, server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    more_everywhere(monkeypatch)
    folder = old_jobs / "jobs" / name
    before, labels, replies = files(folder), label_rows(folder), answers(folder)
    run(old_jobs / f"{name}.yaml")
    assert_only_cleaned_again(folder, before, labels)
    assert answers(folder) == replies
    assert asked(server) == 0


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_have_their_keys(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    more_everywhere(monkeypatch)
    assert requested(make_job, name) == REQUESTS[name][-1]


@pytest.mark.parametrize(
    ("used", "folder"),
    [
        ("sources.0.later=true", "articles"),
        ("filters.0.later=true", "filtered.decisions"),
        ("clean.later=true", "labels"),
    ],
)
def test_using_it_makes_its_stage_again(
    old_jobs: Path,
    monkeypatch: pytest.MonkeyPatch,
    used: str,
    folder: str,
) -> None:
    more_everywhere(monkeypatch)
    before = files(old_jobs / "jobs" / "keyphrases" / folder)
    run(old_jobs / "keyphrases.yaml", used, last="clean")
    assert files(old_jobs / "jobs" / "keyphrases" / folder) != before


def test_using_it_asks_again(old_jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more_everywhere(monkeypatch)
    path = old_jobs / "classes.yaml"
    ids = [RequestBuilder(work_of(path, *used)).run_id for used in ([], ["label.parameters.later=true"])]
    prompt = old_jobs / "prompts" / "sorting" / "v1.yaml"
    prompt.write_text(prompt.read_text("utf-8").replace("    assistant:", "    weight: 2\n    assistant:"), "utf-8")
    ids.append(RequestBuilder(work_of(path)).run_id)
    assert ids[0] == "d27b59992e6e4c70"
    assert len(set(ids)) == 3


# --- names of modules ---


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_modules_of_ours_have_the_names_that_they_had(kind: plugins.Kind, name: str) -> None:
    assert plugins.name_in_digests(plugins.load(kind, name).__name__) == f"pipeline.{kind}.{name}"


def test_modules_that_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    then = ".".join(("pipeline", "tasks", "topic"))  # so that nobody who moves a module rewrites it
    monkeypatch.setitem(plugins.FOLDERS, "tasks", "pipeline.some.where.tasks")
    assert plugins.name_in_digests("pipeline.some.where.tasks.topic") == then
    assert plugins.name_in_digests("theirs.tasks.topic") == "theirs.tasks.topic"
    assert plugins.name_in_digests("topic") == "topic"
