"""Students that write labels: a tiny random T5 and Llama, made on the spot, trained by Lightning as the real ones are."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.core import plugins, trained
from pipeline.core.errors import ConfigError, InputError, ModelError
from pipeline.core.student import Student, TrainingRun
from pipeline.core.types import Article, Example, LabelColumn
from pipeline.metrics.keyphrases import at_m
from pipeline.train import members, ranks
from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.rows import IGNORED, RowEncoder, phrases_of
from pipeline.train.students import clm
from tests import program, teacher
from tests.conftest import ROOT, as_in_a_process, command, reserve_port, skip_without, work_of
from tests.model_hub import COMMITS, ModelHub
from tests.test_students import made_job, version_of

skip_without("lightning", "lightning is not installed: pip install 'labelmill[train]'")
import tokenizers  # noqa: E402
import transformers  # noqa: E402

from tests import tiny_writers  # noqa: E402

IMPORTED = (  # by programs that train, before they begin
    "lightning",
    "transformers.generation.utils",
    "transformers.models.t5.modeling_t5",
    "pipeline.train.generation.fitting",
)

COLUMN = LabelColumn("keyphrases", True)
SMALL = {"batch_size": 10, "max_input_tokens": 120, "max_target_tokens": 24, "weight_decay": 0}


def example(number: int, characters: int = 120) -> Example:
    made = teacher.article(number)
    article = Article(made["id"], None, made["body"][:characters], "", language="en")
    return Example(article, tuple(teacher.label(made["body"], "nouns")), made["id"])


EXAMPLES = [example(number) for number in range(50)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "seq2seq": tiny_writers.t5(folder / "t5"),
        "seq2seq without dropout": tiny_writers.t5(folder / "t5-0", dropout=0),
        "clm": tiny_writers.llama(folder / "llama"),
    }


def student_of(kind: str, model: Path, **options: Any) -> Student:
    checked = plugins.load("students", kind).Options(model=str(model), **{"lora": 0, **SMALL, **options})
    return plugins.create("students", kind, checked, COLUMN, Path())


def run_in(folder: Path) -> TrainingRun:
    (folder / "checkpoints").mkdir(parents=True)
    return TrainingRun(0, folder / "checkpoints")


# --- rows as tokens ---


def test_a_limit_cuts_the_article_and_no_phrase() -> None:
    tokenizer, examples = tiny_writers.tokenizer(), [example(number, 1000) for number in range(50)]
    for form in ("seq2seq", "clm"):
        encoder = RowEncoder(tokenizer, form, max_input=48, max_target=20)
        rows, counts = encoder.rows(examples)
        assert counts.rows == len(rows) == counts.cut == 50 and not counts.left_out
        for row, one in zip(rows, examples, strict=True):
            learned = [label for label in row.labels if label != IGNORED]
            assert len(row.input_ids) <= 48 and 1 < len(learned) <= 20 and learned[-1] == tokenizer.eos_token_id
            written = tokenizer.decode(learned, skip_special_tokens=True)
            assert phrases_of(written, True) == list(one.phrases[: len(phrases_of(written, True))])


def test_what_has_no_token_to_learn_is_left_out() -> None:
    tokenizer = tiny_writers.tokenizer()
    long = Example(EXAMPLES[0].article, ("a phrase of many words that no limit leaves room for", "harbour"), "g")
    short = Example(EXAMPLES[0].article, ("harbour", "a phrase of many words that no limit leaves room for"), "g")
    rows, counts = RowEncoder(tokenizer, "seq2seq", max_target=8).rows([long, short])
    assert (counts.rows, counts.left_out, counts.shortened) == (1, 1, 1)
    assert tokenizer.decode(rows[0].labels, skip_special_tokens=True) == "harbour"
    assert (
        RowEncoder(tokenizer, "clm", max_input=10, max_target=8).rows([short])[1].left_out == 1
    )  # no room for the article
    assert RowEncoder(tokenizer, "clm").rows([Example(EXAMPLES[0].article, (), "g")])[1].left_out == 1


def test_a_label_that_the_vocabulary_does_not_spell_is_left_out(models: dict[str, Path], tmp_path: Path) -> None:
    words = {word: n for n, word in enumerate(["<unk>", "</s>", "<pad>", ";", "#", "End", "harbour", "ferry"])}
    by_words = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    by_words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=by_words, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    )
    known, strange = (Example(EXAMPLES[0].article, ("harbour", word), "g") for word in ("ferry", "항구"))
    rows, counts = RowEncoder(tokenizer, "seq2seq").rows([strange, known])
    assert len(rows) == 1 and (counts.left_out, counts.misspelt) == (1, 1)
    tokenizer.save_pretrained(shutil.copytree(models["seq2seq"], tmp_path / "base"))
    with pytest.raises(InputError, match="3 of 3 labels cannot be written with the vocabulary of"):
        student_of("seq2seq", tmp_path / "base", validation=0).fit([strange] * 3, [], run_in(tmp_path / "run"))


def test_a_document_has_room_for_its_article() -> None:
    with pytest.raises(ValueError, match="must be larger than max_target_tokens"):
        clm.Options(max_input_tokens=64, max_target_tokens=64)


def test_a_document_is_learned_behind_its_article_alone() -> None:
    tokenizer = tiny_writers.tokenizer()
    encoder = RowEncoder(tokenizer, "clm")
    [row], _ = encoder.rows(EXAMPLES[:1])
    prompt = encoder.prompt(EXAMPLES[0].article)
    assert row.input_ids[: len(prompt)] == prompt and row.labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert row.labels[len(prompt) :] == row.input_ids[len(prompt) :]
    assert tokenizer.decode(row.input_ids).startswith(
        "### Article:\nThe harbour"
    ) and "### Keyphrases:\nharbour; bridge\n### End" in (tokenizer.decode(row.input_ids))


@pytest.mark.parametrize(
    ("text", "many", "phrases"),
    [("a; b ;a;", True, ["a", "b"]), ("a\n### End rest", True, ["a"]), ("x; y", False, ["x; y"]), (" ", True, [])],
)
def test_phrases_are_read_of_what_was_written(text: str, many: bool, phrases: list[str]) -> None:
    assert phrases_of(text, many) == phrases


def test_options_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="4 bits"):
        GenerationOptions(model="x", quantization="nf4")


def test_torch_is_imported_by_nothing_else() -> None:
    code = (
        "import sys; import pipeline.commands.train, pipeline.label.providers.student; from pipeline.core import plugins\n"
        "[plugins.load('students', name) for name in plugins.names('students')]\n"
        "print([name for name in ('torch', 'lightning', 'sklearn', 'transformers', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


# --- trained by Lightning ---


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "epochs", "rate"), [("seq2seq", 40, 3e-3), ("clm", 50, 4e-3)])
def test_fifty_rows_are_learned_by_heart(
    kind: str, epochs: int, rate: float, models: dict[str, Path], tmp_path: Path
) -> None:
    student = student_of(
        kind, models.get(f"{kind} without dropout", models[kind]), validation=0, epochs=epochs, learning_rate=rate
    )
    told = student.fit(EXAMPLES, [], run_in(tmp_path))
    assert told["epoch"] == epochs and told["cut"]["train"] == {
        "rows": 50,
        "cut": 0,
        "shortened": 0,
        "left_out": 0,
        "misspelt": 0,
    }
    labels = student.predict([one.article for one in EXAMPLES])
    f1 = [at_m([phrase.text for phrase in label], one.phrases).f1 for label, one in zip(labels, EXAMPLES, strict=True)]
    assert sum(f1) / len(f1) >= 0.95
    assert all(0 < phrase.score <= 1 for label in labels for phrase in label)
    (tmp_path / "weights").mkdir()
    student.save(tmp_path / "weights")
    again = student_of(kind, tmp_path / "nowhere")
    again.load(tmp_path / "weights")
    assert again.predict([one.article for one in EXAMPLES[:8]]) == student.predict(
        [one.article for one in EXAMPLES[:8]]
    )
    logs = tmp_path / "logs" / "csv" / "metrics.csv"
    assert {"train_loss", "lr-AdamW"} <= set(logs.read_text().splitlines()[0].split(","))


@pytest.mark.slow
def test_the_best_checkpoint_is_that_of_the_lowest_validation_loss(models: dict[str, Path], tmp_path: Path) -> None:
    run = run_in(tmp_path)
    student = student_of("seq2seq", models["seq2seq"], epochs=12, patience=1, learning_rate=0.05, schedule="constant")
    told = student.fit(EXAMPLES[:30], EXAMPLES[30:], run)
    lines = [line.split(",") for line in (tmp_path / "logs" / "csv" / "metrics.csv").read_text().splitlines()]
    column = lines[0].index("val_loss")
    losses = [float(line[column]) for line in lines[1:] if line[column]]
    assert told["epoch"] == losses.index(min(losses)) + 1 and told["val_loss"] == pytest.approx(min(losses), abs=1e-4)
    assert len(losses) < 12  # stopped early
    (run.checkpoints / "fitted").unlink()  # as a kill just before it would have it
    last = (run.checkpoints / "last.ckpt").stat().st_mtime_ns
    again = student_of("seq2seq", models["seq2seq"], epochs=12, patience=1, learning_rate=0.05, schedule="constant")
    assert again.fit(EXAMPLES[:30], EXAMPLES[30:], run) == told
    assert (run.checkpoints / "last.ckpt").stat().st_mtime_ns == last


@pytest.mark.slow
def test_adapters_are_merged_into_what_is_kept(models: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("peft")
    student = student_of("clm", models["clm"], validation=0, epochs=2, lora=4, learning_rate=0.01)
    student.fit(EXAMPLES, [], run_in(tmp_path))
    (tmp_path / "weights").mkdir()
    student.save(tmp_path / "weights")
    names = {file.name for file in (tmp_path / "weights" / "model").iterdir()}
    assert "model.safetensors" in names and not any("adapter" in name for name in names)
    again = student_of("clm", tmp_path / "nowhere")
    again.load(tmp_path / "weights")
    assert again.predict([EXAMPLES[0].article])


@pytest.mark.slow
def test_a_plain_trainer_takes_module_and_data(tmp_path: Path, models: dict[str, Path]) -> None:
    """As docs/students.md has it for notebooks."""
    job = made_job(tmp_path, 40)
    text = (ROOT / "docs" / "students.md").read_text("utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    names = {"google-t5/t5-small": models["seq2seq"], "jobs/news/versions/1.0.0": version_of(job)}
    for name, path in names.items():
        assert name in code
        code = code.replace(name, str(path))
    code = code.replace(
        "lightning.Trainer(", f"lightning.Trainer(default_root_dir={str(tmp_path)!r}, enable_progress_bar=False, "
    )
    space: dict[str, Any] = {}
    exec(code, space)
    assert (
        space["module"].model.training is False
        and space["trainer"].current_epoch == 3
        and set(space["data"].cuts) == {"train", "validation"}
    )
    assert "val_loss" in space["trainer"].callback_metrics and space["labels"]


def test_no_code_and_no_pickle_of_a_folder_is_run(models: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models["seq2seq"], tmp_path / "weights" / "model"))
    (tmp_path / "weights" / "form.json").write_text(json.dumps({"form": "seq2seq"}))
    student = student_of("seq2seq", tmp_path / "nowhere")
    student.load(tmp_path / "weights")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": {
        "AutoConfig": "code.Config", "AutoModelForSeq2SeqLM": "code.Model"}}))  # fmt: skip
    (folder / "code.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        student.load(tmp_path / "weights")
    assert not (tmp_path / "was_run").exists()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="safetensors"):
        student.load(tmp_path / "weights")


# --- several devices, and what else the Trainer is handed ---


@pytest.mark.slow
def test_two_processes_train_one_student(tmp_path: Path, models: dict[str, Path]) -> None:
    """As `devices: 2, strategy: ddp` has it: Lightning starts the command once more, and what comes is written once."""
    job = made_job(tmp_path, 30)
    devices = "{accelerator: cpu, devices: 2, strategy: ddp}"
    arguments = [
        "train",
        job,
        "--student",
        "seq2seq",
        *settings(models["seq2seq"], 2),
        "--set",
        f"train.parameters.trainer={devices}",
    ]
    done = program.run(*arguments, imported=IMPORTED)
    assert done.returncode == 0 and done.stdout.count("judged on") == 1, done.stderr
    folder = work_of(job).students / "seq2seq-1.0.0"
    manifest = trained.read_manifest(folder)
    trained.weights_digest(folder)
    [log] = folder.glob("logs/csv/metrics.csv")
    lines = [line.split(",") for line in log.read_text().splitlines()]
    losses = [line[lines[0].index("val_loss")] for line in lines[1:]]
    assert len([loss for loss in losses if loss]) == 2  # one process writes, of both
    of_a_process = math.ceil(manifest["data"]["train"] / 2)
    assert manifest["learned"]["steps"] == manifest["learned"]["epoch"] * math.ceil(of_a_process / SMALL["batch_size"])
    assert not list(work_of(job).students.glob(".seq2seq*"))


@pytest.mark.slow
def test_processes_that_start_at_once_train_one_student(tmp_path: Path, models: dict[str, Path]) -> None:
    """As torchrun has it, where an unfinished student of other options lies about that has been trained to its end."""
    job = made_job(tmp_path, 30)
    stale = work_of(job).students / ".seq2seq-1.0.0"
    (stale / "whole").mkdir(parents=True)
    (stale / "key.json").write_text(json.dumps("of other options"))
    (stale / "whole" / "done.json").write_text(json.dumps({"train": 1, "validation": 1, "learned": {}}))
    devices = "train.parameters.trainer={accelerator: cpu, devices: 2, strategy: ddp}"
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "pipeline.cli",
    ]
    arguments = ["train", str(job), "--student", "seq2seq", *settings(models["seq2seq"], 1), "--set", devices]
    done = subprocess.run(
        [*torchrun, *arguments, "--curve", "0.5"], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0 and done.stdout.count("judged on") == 1, done.stderr
    assert done.stderr.count("an unfinished training of other data or options is thrown away") == 1
    everywhere = {**os.environ, "PYTHONPATH": str(ROOT), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    everywhere |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(reserve_port()), "TORCHELASTIC_RUN_ID": "again"}
    again = [
        program.Program(
            *arguments, env={**everywhere, "RANK": rank, "LOCAL_RANK": rank}, stdout=True, imported=IMPORTED
        )
        for rank in ("0", "1")
    ]
    ended = [process.communicate(timeout=240) for process in again]
    assert [process.returncode for process in again] == [0, 0], ended
    assert sum(out.count("judged on") for out, _ in ended) == 1, ended
    trained.weights_digest(work_of(job).students / "seq2seq-1.0.0")


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"max_epochs": 3}, "set train.parameters.epochs in its place"),
        ({"logger": False}, "it cannot be set"),
    ],
)
def test_what_is_set_elsewhere_is_not_handed_to_the_trainer(trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerationOptions(model="x", trainer=trainer)


@pytest.mark.parametrize("trainer", [{"device": 2}, {"accelerator": "cuda", "devices": 99}, {"strategy": "dpp"}])
def test_what_the_trainer_does_not_take_is_one_line(
    trainer: dict[str, Any], models: dict[str, Path], tmp_path: Path
) -> None:
    student = student_of("seq2seq", models["seq2seq"], validation=0, trainer=trainer)
    with pytest.raises(ConfigError, match=r"train\.parameters\.trainer: "):
        student.fit(EXAMPLES[:4], [], run_in(tmp_path))


@pytest.mark.slow
def test_half_precision_and_gathered_batches(models: dict[str, Path], tmp_path: Path) -> None:
    student = student_of(
        "seq2seq", models["seq2seq"], epochs=2, accumulate=2, precision="bf16-mixed", learning_rate=3e-3
    )
    told = student.fit(EXAMPLES[:40], EXAMPLES[40:], run_in(tmp_path))
    assert told["steps"] == told["epoch"] * 2  # of 4 batches an epoch
    assert student.predict([EXAMPLES[0].article]) is not None
    assert list((tmp_path / "logs" / "tensorboard").glob("events.*"))


# --- what it begins with ---


def test_another_base_model_under_the_same_name_is_another_student(models: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models["seq2seq"], tmp_path / "base"))
    student = student_of("seq2seq", folder)
    before = student.pretrained()
    assert set(before) == {"files"} and student_of("seq2seq", folder).pretrained() == before
    tiny_writers.t5(folder, dropout=0)
    assert student_of("seq2seq", folder).pretrained() != before


def test_a_name_on_the_hub_stands_for_a_commit(models: dict[str, Path], tmp_path: Path) -> None:
    with ModelHub("org/tiny", models["seq2seq"]) as hub:
        environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        with as_in_a_process(ROOT, environment):
            student = student_of("seq2seq", Path("org/tiny"))
            student.check()
            assert student.pretrained() == {"revision": COMMITS[0]}
            hub.head = COMMITS[1]
            assert student_of("seq2seq", Path("org/tiny")).pretrained() == {"revision": COMMITS[1]}
    with as_in_a_process(ROOT, environment):  # the Hub cannot be reached: the commit that was fetched last
        assert student_of("seq2seq", Path("org/tiny")).pretrained() == {"revision": COMMITS[1]}


# --- the command ---


def settings(model: Path, epochs: int) -> list[str]:
    values = {"model": model, "epochs": epochs, "validation": 0.2, "patience": 20, "learning_rate": 0.003, **SMALL}
    return [part for name, value in values.items() for part in ("--set", f"train.parameters.{name}={value}")]


@pytest.mark.slow
@pytest.mark.durable
def test_a_killed_training_goes_on_from_the_last_whole_epoch(tmp_path: Path, models: dict[str, Path]) -> None:
    import torch

    job = made_job(tmp_path, 30)
    arguments = ["train", str(job), "--student", "seq2seq", *settings(models["seq2seq"], 6)]
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    folder = work_of(job).students / "seq2seq-1.0.0"
    expected = trained.read_manifest(folder)
    assert expected["data"]["validation"] > 0 and "judged on" in done.stdout
    shutil.rmtree(folder)
    checkpoints = work_of(job).students / ".seq2seq-1.0.0" / "whole" / "checkpoints"
    threads = f"import torch; torch.set_num_threads({torch.get_num_threads()})"  # more of them add up in another order
    process = program.Program(*arguments, stderr=False, before=threads, imported=IMPORTED)
    while not (checkpoints / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not folder.exists()
    done = command(*arguments)
    assert done.returncode == 0 and "going on from the last whole epoch" in done.stderr
    manifest = trained.read_manifest(folder)
    assert manifest["weights"] == expected["weights"] and manifest["figures"] == expected["figures"]
    assert manifest["learned"]["epoch"] == expected["learned"]["epoch"]


@pytest.mark.slow
def test_who_fits_along_is_not_told_to_fit_what_is_fitted(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a kill between the last epoch and the weights one process would go on to the next training, others fit this one."""
    job, told = made_job(tmp_path, 20), list[list[str]]()
    announce = ranks.announce
    monkeypatch.setattr(ranks, "announce", lambda path, names: told.append(names) or announce(path, names))
    arguments = ["train", job, "--student", "seq2seq", *settings(models["seq2seq"], 1), "--curve", "0.9"]

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(members, "_save", killed)
        assert command(*arguments).returncode
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert told == [["whole", "0.9-0", "shuffled-0"], ["0.9-0", "shuffled-0"]]


def test_a_workspace_in_the_models_folder_is_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    job, model = made_job(tmp_path / "job", 20), Path(shutil.copytree(models["seq2seq"], tmp_path / "base"))
    work_of(job).students.parent.rename(model / "test")
    done = command("train", job, "--student", "seq2seq", *settings(model, 1), "--set", f"workspace={model}")
    assert done.returncode == 2 and "test/students is in it; name the model's own" in done.stderr, done.stderr


def test_what_cannot_be_trained_is_one_line(tmp_path: Path, models: dict[str, Path]) -> None:
    job = made_job(tmp_path, 20)
    done = command("train", job, "--student", "clm", "--set", f"train.parameters.model={tmp_path / 'nowhere'}")
    assert done.returncode == 1 and "train.parameters.model:" in done.stderr and done.stderr.count("\n") == 1
    student = student_of("seq2seq", models["seq2seq"], validation=0, max_target_tokens=1)
    with pytest.raises(InputError, match=r"raise train\.parameters\.max_input_tokens"):
        student.fit(EXAMPLES, [], run_in(tmp_path / "run"))
    (tmp_path / "form.json").write_text(json.dumps({"form": "clm"}))
    with pytest.raises(ModelError, match="no seq2seq is in it"):
        student.load(tmp_path)
