"""Training views: what is chosen, what it looks like, whether it fits; and that trainers take it as it is."""

from __future__ import annotations

import csv
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.core.errors import ConfigError
from pipeline.core.shards import read_order
from pipeline.label.prompts import PromptFile
from pipeline.review.log.judgements import Judgement, JudgementLog
from pipeline.versions.selection import Selection, parse_fold, parse_weights, parse_where
from tests.conftest import command, copied, named_article, rows, run, work_of, write_job
from tests.tiny_llama import tokenizer as tiny_tokenizer


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of 40 rows: of a0 to a9 a phrase was rejected, of a10 to a19 all are accepted; a20 to a23 are near-copies."""
    articles = [named_article(n) for n in range(40)]
    for number in range(21, 24):
        articles[number] = {**articles[20], "id": f"a{number}", "body": articles[20]["body"] + f" Number {number}."}
    path = write_job(tmp_path_factory.mktemp("judged"), articles, split={"eval": 0.2})
    work = run(path)
    with JudgementLog(work.verdicts_file) as log:
        log.add(list(_judgements(rows(work, "labels"))))
    run(path, first="review")
    return path


@pytest.fixture
def judged(judged_once: Path, tmp_path: Path) -> Path:
    return copied(judged_once, tmp_path)


def _judgements(labels: list[dict[str, Any]]) -> Any:
    for row in labels:
        number, phrases = int(row["id"][1:]), row["keyphrases"]
        if number < 10:
            yield Judgement(row["text_sha256"], row["id"], "kim", "2026-01-01T00:00:00Z", phrases[1:], phrases[:1])
        elif number < 20:
            yield Judgement(row["text_sha256"], row["id"], "kim", "2026-01-01T00:00:00Z", phrases)


def exported(path: Path, *arguments: str) -> list[dict[str, Any]]:
    out = path.parent / "out.jsonl"
    result = command("export", path, "--output", out, *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def train_of(path: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows(work_of(path), "train")}


# --- what is chosen ---


def test_rows_are_chosen_by_their_columns(judged: Path) -> None:
    train = train_of(judged)
    verified = {name for name, row in train.items() if row["label_source"] == "verified"}
    assert verified and verified == {
        r["id"] for r in exported(judged, "--format", "chat", "--where", "label_source=verified")
    }
    both = exported(judged, "--format", "jsonl", "--where", "label_source=verified,edited", "--where", "language=xx")
    assert both == []
    both = exported(judged, "--format", "jsonl", "--where", "label_source=verified,edited")
    assert {row["id"] for row in both} == {name for name, row in train.items() if row["label_source"] != "extracted"}


def test_tiers_choose_phrases(judged: Path) -> None:
    train = train_of(judged)
    for tiers in ("exact", "exact,spacing", "absent"):
        expected = {
            name: [p for p, tier in zip(row["keyphrases"], row["tiers"], strict=True) if tier in tiers.split(",")]
            for name, row in train.items()
        }
        found = exported(judged, "--format", "seq2seq", "--where", f"tiers={tiers}")
        assert {row["id"]: row["target"].split("; ") for row in found} == {n: p for n, p in expected.items() if p}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_tiers_choose_phrases_of_rows_as_they_are_too(judged: Path, form: str) -> None:
    version = work_of(judged).versions / "2.0.0"
    for file in (version / "data").glob("train-*"):
        table, first = pq.read_table(file), pa.array([["exact", "absent", "spacing"]])
        others = pa.array([["absent"] * 3] * (table.num_rows - 1))
        phrases, offsets = pa.array([["a b", "c", "d"]] * table.num_rows), [[[0, 3], [], [4, 5]]] * table.num_rows
        for name, values in (
            ("keyphrases", phrases),
            ("tiers", pa.concat_arrays([first, others])),
            ("offsets", offsets),
        ):
            at = table.column_names.index(name)
            table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
        file.chmod(0o644)
        pq.write_table(table, file)
    output = judged.with_name(f"out.{form}")
    done = command("export", judged, "--format", form, "--where", "tiers=exact,spacing", "--output", output)
    assert done.returncode == 0 and "rows without a phrase of these tiers" in done.stdout + done.stderr
    with output.open(encoding="utf-8-sig", newline="") as lines:
        (row,) = csv.DictReader(lines) if form == "csv" else map(json.loads, lines)
    found = [row[name] for name in ("keyphrases", "tiers", "offsets")]
    expected: list[Any] = [["a b", "d"], ["exact", "spacing"], [[0, 3], [4, 5]]]
    assert found == (["a b; d", "exact; spacing", "[[0, 3], [4, 5]]"] if form == "csv" else expected)


def test_a_table_of_no_rows_has_its_head(judged: Path) -> None:
    output = judged.with_name("out.csv")
    assert command("export", judged, "--format", "csv", "--where", "id=nobody", "--output", output).returncode == 0
    assert (
        output.read_text("utf-8-sig").startswith("id,group_id,text_sha256,") and output.read_bytes().count(b"\n") == 1
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_written_into(judged: Path) -> None:
    """A file that took its place would be read by nobody; as root /dev/stdout itself would be gone."""
    pipe, read = judged.with_name("pipe"), list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text("utf-8")), daemon=True)
    reader.start()
    assert command("export", judged, "--format", "chat", "--output", pipe).returncode == 0
    reader.join(timeout=20)
    assert pipe.is_fifo() and {json.loads(line)["id"] for line in read[0].splitlines()} == train_of(judged).keys()


def test_folds_part_train_by_group(judged: Path) -> None:
    train, seen = set(train_of(judged)), list[str]()
    groups = {name: row["group_id"] for name, row in train_of(judged).items()}
    for number in range(1, 5):
        parts = [
            {row["id"] for row in exported(judged, "--format", "jsonl", "--fold", f"{number}/4", "--split", split)}
            for split in ("train", "validation")
        ]
        assert parts[0] | parts[1] == train and not parts[0] & parts[1]
        assert not {groups[name] for name in parts[0]} & {groups[name] for name in parts[1]}
        seen += sorted(parts[1])
    assert sorted(seen) == sorted(train)
    held = [
        {r["id"] for r in exported(judged, "--format", "jsonl", "--validation", s, "--split", "validation")}
        for s in ("0.2", "0.6")
    ]
    assert held[0] < held[1] < train  # a larger share holds what a smaller one did
    assert not (work_of(judged).path / "versions" / "validation").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--few-shot", "2", "--split", "eval"), "--few-shot takes rows of train"),
        (("--format", "chat", "--split", "validation"), "say which, by --fold K/N or --validation SHARE"),
        (("--format", "chat", "--split", "eval", "--fold", "1/3"), "--fold parts train; eval is what it is"),
        (("--format", "chat", "--fold", "1/3", "--validation", "0.1"), "give one of them"),
        (("--format", "chat", "--fold", "4/3"), "--fold 4/3: write it as K/N"),
        (("--format", "chat", "--where", "colour=red"), "--where colour: no such column; there are: id,"),
        (("--format", "chat", "--where", "language"), "write it as COLUMN=VALUE"),
        (("--format", "chat", "--fold", "0/3"), "--fold 0/3: write it as K/N"),
        (("--format", "chat", "--weights", "llm"), "write it as verified=3"),
        (("--format", "chat", "--weights", "llm=-1"), "a weight is 0 or more"),
        (("--format", "chat", "--weights", "llm=nan"), "a weight is 0 or more"),
        (("--format", "chat", "--conversational"), "chat is so by itself"),
        (("--format", "csv", "--weights", "llm=1"), "gives the rows as they are"),
        (
            ("--format", "chat", "--few-shot", "2"),
            "give either '--format' (seq2seq, chat, clm, jsonl, csv, prompt-completion, preference) or --few-shot",
        ),
        ((), "give either '--format' (seq2seq, chat, clm, jsonl, csv, prompt-completion, preference) or --few-shot"),
    ],
)
def test_what_does_not_go_together(judged: Path, arguments: tuple[str, ...], message: str) -> None:
    result = command("export", judged, *arguments)
    assert result.returncode == 2 and message in result.stderr, result.stderr


def test_what_is_given_as_text() -> None:
    assert parse_where(["a=b,c", "d = e"]) == (("a", ("b", "c")), ("d", ("e",)))
    assert parse_fold("2/5") == (2, 5) and parse_weights("a=1,b=0.5") == {"a": 1.0, "b": 0.5}
    for wrong in ("1", "1/1", "a/5", "6/5"):
        with pytest.raises(ConfigError):
            parse_fold(wrong)
    assert Selection(where=(("tiers", ("exact",)),)).tiers == {"exact"} and Selection().tiers is None


# --- what it looks like ---


def test_a_prompt_and_its_completion(judged: Path) -> None:
    train = train_of(judged)
    for row in exported(judged, "--format", "prompt-completion", "--prefix", "Read: "):
        whole = train[row["id"]]
        assert row["prompt"] == f"Read: {whole['text']}\n\nKeyphrases:" and row["completion"] == " " + "; ".join(
            whole["keyphrases"]
        )
    for row in exported(judged, "--format", "prompt-completion", "--conversational"):
        assert [message["role"] for message in [*row["prompt"], *row["completion"]]] == ["user", "assistant"]
        assert row["completion"][0]["content"] == "; ".join(train[row["id"]]["keyphrases"])


def test_preferences_are_what_people_changed(judged: Path) -> None:
    train = train_of(judged)
    work = work_of(judged)
    before = {
        r["id"]: r["keyphrases"] for shard in read_order(work.articles) for r in work.labels.read(shard).to_pylist()
    }
    edited = {name for name, row in train.items() if row["label_source"] == "edited"}
    found = exported(judged, "--format", "preference", "--conversational")
    assert edited and {row["id"] for row in found} == edited
    for row in found:
        assert row["chosen"][0]["content"] == "; ".join(train[row["id"]]["keyphrases"])
        assert row["rejected"][0]["content"] == "; ".join(before[row["id"]]) != row["chosen"][0]["content"]
    result = command("export", judged, "--format", "preference", "--output", judged.parent / "p.jsonl")
    assert f"rows whose label nobody changed {len(train) - len(edited)}" in result.stdout


def test_rows_have_weights(judged: Path) -> None:
    train = train_of(judged)
    for row in exported(judged, "--format", "chat", "--weights", "verified=3,edited=2.5"):
        assert row["weight"] == {"verified": 3, "edited": 2.5, "extracted": 1}[train[row["id"]]["label_source"]]
    by_former_name = {row["id"]: row["weight"] for row in exported(judged, "--format", "chat", "--weights", "llm=0.5")}
    told = command(
        "export", judged, "--format", "chat", "--weights", "llm=2,verifed=3", "--output", judged.parent / "w.jsonl"
    )
    assert "no row is verifed (--weights); there are: " in told.stdout + told.stderr
    assert {by_former_name[name] for name, row in train.items() if row["label_source"] == "extracted"} == {0.5}


def test_examples_for_a_prompt(judged: Path) -> None:
    """They are of people's rows, and the prompt file takes them."""
    out = judged.parent / "examples.yaml"
    result = command("export", judged, "--few-shot", "3", "--output", out)
    assert result.returncode == 0, result.stderr
    examples = yaml.safe_load(out.read_text("utf-8"))["examples"]
    train = train_of(judged)
    of_people = [row for row in train.values() if row["label_source"] != "extracted"]
    assert len({example["user"] for example in examples}) == 3
    for example in examples:
        [row] = [row for row in of_people if row["text"] in example["user"]]
        assert example["assistant"] == "; ".join(row["keyphrases"])
    assert PromptFile(user="{{ text }}", examples=examples).examples[0].assistant == examples[0]["assistant"]
    first = out.read_bytes()
    command("export", judged, "--few-shot", "3", "--output", out)
    assert out.read_bytes() == first
    result = command("export", judged, "--few-shot", "99", "--output", out)
    assert result.returncode == 1 and "short rows of train that people accepted or edited, not 99" in result.stderr


# --- whether it fits: real tokenizers and trainers ---

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tokenizer")
    made = tiny_tokenizer(CHATML)
    made.pad_token = made.eos_token
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("form", "flags"),
    [("chat", ()), ("prompt-completion", ()), ("prompt-completion", ("--conversational",)), ("preference", ("--conversational",)),
     ("preference", ()), ("clm", ()), ("seq2seq", ())],
)  # fmt: skip
def test_a_line_fits_as_the_model_reads_it(
    judged: Path, tokenizer_folder: Path, form: str, flags: tuple[str, ...]
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)

    def size(row: dict[str, Any], answer: str) -> int:
        if form == "seq2seq":
            return len(tokenizer(row["input"]).input_ids)
        if form == "clm":
            return len(tokenizer(row["text"]).input_ids) + 1
        if form == "chat" or flags:
            messages = row["messages"] if form == "chat" else row["prompt"] + row[answer]
            return len(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False))
        return len(tokenizer(row["prompt"] + row[answer]).input_ids) + 1

    limits = ("--tokenizer", str(tokenizer_folder), "--max-input-tokens", "128")
    whole = {row["id"]: row for row in exported(judged, "--format", form, *flags)}
    answers = {"preference": ("chosen", "rejected"), "prompt-completion": ("completion",)}.get(form, ("messages",))
    found = exported(judged, "--format", form, *flags, *limits)
    assert found and {row["id"] for row in found} <= whole.keys()
    for row in found:
        assert 100 < max(size(row, answer) for answer in answers) <= 128  # cut where it must be, and no further
        for answer in answers[: form != "chat" and form not in ("clm", "seq2seq")]:
            assert row[answer] == whole[row["id"]][answer]
    assert exported(judged, "--format", form, *flags, *limits[:2], "--max-input-tokens", "3") == []


def test_who_trains_is_told_of_the_template(judged: Path, tokenizer_folder: Path) -> None:
    limits = ("--tokenizer", tokenizer_folder, "--max-input-tokens", "128")
    result = command("export", judged, "--format", "chat", "--output", judged.parent / "x.jsonl", *limits)
    assert (
        "marks no answers ({% generation %}), so a loss on answers alone needs --format prompt-completion"
        in result.stdout
    )


@pytest.fixture(scope="module")
def tiny_model(tokenizer_folder: Path) -> Any:
    pytest.importorskip("torch")
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tokenizer_folder)  # trainers load it again, as what it was before
    return lambda: (LlamaForCausalLM.from_pretrained(tokenizer_folder), AutoTokenizer.from_pretrained(tokenizer_folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "flags"),
    [("chat", ()), ("prompt-completion", ()), ("prompt-completion", ("--conversational",)), ("clm", ())],
)
def test_trl_trains_on_it(judged: Path, tiny_model: Any, tmp_path: Path, form: str, flags: tuple[str, ...]) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    model, tokenizer = tiny_model()
    exported(judged, "--format", form, *flags, "--tokenizer", tokenizer.name_or_path, "--max-input-tokens", "128")
    data = datasets.load_dataset(
        "json", data_files=str(judged.parent / "out.jsonl"), cache_dir=str(tmp_path), split="train"
    )
    settings = trl.SFTConfig(
        output_dir=str(tmp_path / "out"), max_steps=2, max_length=128, report_to=[], use_cpu=True, bf16=False
    )
    trainer = trl.SFTTrainer(model, settings, train_dataset=data, processing_class=tokenizer)
    ids = [len(row["input_ids"]) for row in trainer.train_dataset]
    assert len(ids) == len(data) and max(ids) <= 128
    learnt = [row["labels"] if form == "prompt-completion" else row["input_ids"] for row in trainer.train_dataset]
    answers = ["; ".join(row["keyphrases"]) for row in train_of(judged).values()]
    for ids in learnt:  # the label was not cut off
        text = tokenizer.decode([number for number in ids if number >= 0])
        assert any(answer in text for answer in answers), text
    assert trainer.train().training_loss > 0


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--conversational",)])
def test_trl_prefers_what_people_chose(judged: Path, tiny_model: Any, tmp_path: Path, flags: tuple[str, ...]) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    model, tokenizer = tiny_model()
    exported(
        judged, "--format", "preference", *flags, "--tokenizer", tokenizer.name_or_path, "--max-input-tokens", "128"
    )
    data = datasets.load_dataset(
        "json", data_files=str(judged.parent / "out.jsonl"), cache_dir=str(tmp_path), split="train"
    )
    settings = trl.DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=2, max_length=128, report_to=[], use_cpu=True, bf16=False
    )
    trainer = trl.DPOTrainer(model, args=settings, train_dataset=data, processing_class=tokenizer)
    assert len(trainer.train_dataset) == len(data) > 0
    assert trainer.train().training_loss > 0


@pytest.mark.slow
def test_a_seq2seq_collator_takes_it(judged: Path, tokenizer_folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoTokenizer, DataCollatorForSeq2Seq, T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    limits = ("--tokenizer", str(tokenizer_folder), "--max-input-tokens", "64", "--max-target-tokens", "16")
    found = exported(judged, "--format", "seq2seq", *limits)
    features = [{**tokenizer(row["input"]), "labels": tokenizer(text_target=row["target"]).input_ids} for row in found]
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_ff=32, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    model = T5ForConditionalGeneration(config)
    batch = DataCollatorForSeq2Seq(tokenizer, model=model)(
        [{k: f[k] for k in ("input_ids", "attention_mask", "labels")} for f in features]
    )
    assert batch["input_ids"].shape[1] <= 64 and batch["labels"].shape[1] <= 16
    assert torch.isfinite(model(**batch).loss)
