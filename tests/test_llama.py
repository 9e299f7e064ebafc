"""provider: llama, whole jobs: a tiny model in real 4 bits on this processor; identity, kills, and what may be missing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ConfigError, EndpointError, MissingExtra, ModelError
from pipeline.label.local_model import memory, weights
from pipeline.label.requests import RequestBuilder
from tests.conftest import QUICKSTART, JobMaker, article, command, rows, run, skip_without, work_of
from tests.model_hub import COMMITS, ModelHub
from tests.program import Program

torch = pytest.importorskip("torch", reason="local models need the extra: pip install 'labelmill[local]'")
skip_without("bitsandbytes", "local models need the extra: pip install 'labelmill[local]'")

from tests import tiny_llama  # noqa: E402

pytestmark = pytest.mark.slow

IMPORTED = (  # by programs that run a model, before they begin
    "bitsandbytes",
    "accelerate",
    "transformers.generation.utils",
    "transformers.models.llama.modeling_llama",
    "pipeline.label.local_model.loading",
    "pipeline.label.local_model.pool",
)

EXACT = {"quantization": "none", "dtype": "float32", "temperature": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama.make(tmp_path_factory.mktemp("models") / "tiny")


KEEP = {"absent": "keep"}  # what the tiny model says stands in no article


def label(folder: Path | str, **parameters: Any) -> dict[str, Any]:
    return {
        "provider": "llama",
        "model": str(folder),
        "brake": None,
        "parameters": {"max_new_tokens": 24, **parameters},
    }


def ledger(path: Path) -> list[dict[str, Any]]:
    """Rows of a job's ledger, by key."""
    with sqlite3.connect(f"file:{path / 'ledger.sqlite'}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM replies ORDER BY key")]


def replies(path: Path) -> dict[bytes, str]:
    return {row["key"]: row["reply"] for row in ledger(path)}


# --- whole jobs ---


def test_the_quickstart(folder: Path, tmp_path: Path) -> None:
    """In 4 bits, sampled, through all stages, as a person runs it; a second time it loads no model."""
    shutil.copytree(QUICKSTART, tmp_path / "q")
    job = [tmp_path / "q" / "job.yaml", "--set", "label.provider=llama", "--set", f"label.model={folder}"]
    job += ["--set", "clean.absent=keep"]
    done = command("run", *job, "--set", "workspace=jobs")
    assert done.returncode == 0, done.stderr
    assert "version 1.0.0" in done.stdout and "loading tiny" in done.stderr
    found = ledger(tmp_path / "q" / "jobs" / "quickstart")
    assert len(found) == 70 and {row["lane"] for row in found} == {"local"}
    assert {(row["status"], row["model"], row["cost_usd"]) for row in found} == {("answered", "tiny", 0.0)}
    assert all(row["input_tokens"] > row["cached_tokens"] > 50 and row["output_tokens"] for row in found)
    again = command("run", *job, "--set", "workspace=jobs")
    assert again.returncode == 0 and "loading" not in again.stderr


def test_real_4_bits(folder: Path, make_job: JobMaker) -> None:
    """What is computed is what transformers computes with bitsandbytes' NF4 on its own."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    path = make_job([article(n) for n in range(6)], label=label(folder, temperature=0, dtype="float32"))
    work = run(path, last="label")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    options: Any = {"quantization_config": config, "dtype": torch.float32, "device_map": {"": "cpu"}}
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, **options), AutoTokenizer.from_pretrained(folder)
    assert type(model.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    expected = set()
    for row in rows(work, "filtered"):
        messages = RequestBuilder(work).prompt.render(_article(row))  # type: ignore[union-attr]
        ids = tokenizer.apply_chat_template(
            messages, return_tensors="pt", add_generation_prompt=True, return_dict=False
        )
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, repetition_penalty=1.1,
            temperature=None, top_p=None, pad_token_id=2,
        )  # fmt: skip
        expected.add(tokenizer.decode(made[0][ids.shape[1] :], skip_special_tokens=True))
    assert set(replies(work.path).values()) == expected


def _article(row: dict[str, Any]) -> Any:
    from pipeline.core.types import Article

    return Article(row["id"], row["title"], row["text"], row["text_sha256"])


def test_topics_take_the_first_line(folder: Path, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_job([article(1)], label={**label(folder), "task": "topic"})
    work = run(path, last="label")
    assert work.config.provider_options.first_line is None
    made = RequestBuilder(work).provider
    assert made.identity["parameters"]["first_line"] is True
    assert made.identity["parameters"]["max_new_tokens"] == 24
    fewest = RequestBuilder(work_of(path, "label.parameters={}")).provider
    assert fewest.max_output_tokens == 48
    assert (
        RequestBuilder(work_of(path, "label.task=keyphrases", "label.parameters={}")).provider.max_output_tokens == 192
    )


# --- identity ---


def test_what_is_asked_again(folder: Path, tmp_path: Path, make_job: JobMaker) -> None:
    """Other weights, another quantisation or other parameters are other questions; another place, name, device or batch
    are not."""
    copy = shutil.copytree(folder, tmp_path / "tiny")
    path = make_job([article(n) for n in range(4)], label=label(copy, **EXACT), clean=KEEP)
    work = run(path)
    before = replies(work.path)
    assert len(before) == 4
    same = shutil.copytree(folder, tmp_path / "elsewhere" / "under-another-name")
    for override in (f"label.model={same}", "label.parameters.batch_tokens=300", "label.parameters.device=cpu"):
        assert replies(run(path, override).path) == before
    for number, override in enumerate(
        ("label.parameters.quantization=nf4", "label.parameters.dtype=bfloat16", "label.parameters.top_k=3"), 2
    ):
        assert len(replies(run(path, override, last="label").path)) == 4 * number
    known = replies(work.path)
    tiny_llama.make(copy, seed=1)
    retrained = replies(run(path, last="label").path)
    assert len(retrained) == 20 and known.items() <= retrained.items()  # replies never change
    shutil.rmtree(copy)
    assert len(rows(run(path, first="clean"), "labels")) + len(rows(work, "labels", rejected=True)) == 4
    with pytest.raises(ModelError, match=r"is not there; give a model's folder"):
        run(path, "label.parameters.top_p=0.5")


def test_greedy_jobs_repeat(folder: Path, make_job: JobMaker) -> None:
    path = make_job([article(n, words=8 + 16 * n) for n in range(12)], label=label(folder, temperature=0))
    one, two = run(path, "name=one", last="label"), run(path, "name=two", last="label")
    assert replies(one.path) == replies(two.path) and len(replies(one.path)) == 12


def test_a_model_of_the_hub(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    """By name: fetched once, known by its commit, which stays the job's own although the Hub moves on."""
    path = make_job([article(n) for n in range(3)], label=label("someone/tiny", **EXACT))
    with ModelHub("someone/tiny", folder) as hub:
        known = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        assert "someone/tiny, commit aaaaaaaaaaaa" in command("doctor", path, **known).stdout
        done = command("run", path, "--to", "clean", **known)
        assert done.returncode == 0, done.stderr
        assert "loading someone/tiny" in done.stderr
        before = ledger(tmp_path / "jobs" / "test")
        assert {row["model"] for row in before} == {"someone/tiny"} and len(before) == 3
        hub.head = COMMITS[1]
        hub.asked.clear()
        assert command("run", path, "--to", "clean", **known).returncode == 0
        assert hub.asked == [] and ledger(tmp_path / "jobs" / "test") == before
        fresh = command("label", path, "--set", "label.refit=true", **known)
        assert fresh.returncode == 0 and len(ledger(tmp_path / "jobs" / "test")) == 6
    provenance = json.loads(next((tmp_path / "jobs" / "test" / "runs").glob("*.json")).read_text())
    assert provenance["model"] == "someone/tiny" and provenance["parameters"]["revision"] == COMMITS[0]
    command("run", path, "--set", "name=offline", "--to", "filter")
    offline = command("label", path, "--set", "name=offline", **known)  # the Hub is gone; the files are on this disk
    assert offline.returncode == 0, offline.stderr


# --- durability ---


MANY = 100


def slow_job(folder: Path, make_job: JobMaker) -> tuple[Path, list[str]]:
    """A job of some seconds, a few prompts at a time."""
    parameters = {**EXACT, "batch_tokens": 1200, "max_new_tokens": 64}
    path = make_job([article(n, words=16 + n % 60) for n in range(MANY)], label=label(folder, **parameters), clean=KEEP)
    return path, ["run", str(path), "--to", "label"]


def start(command: list[str]) -> Program:
    return Program(*command, start_new_session=True, imported=IMPORTED)


def wait_for(path: Path, count: int) -> None:
    """Until the ledger holds so many replies."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (path / "ledger.sqlite").exists():
            try:
                if len(ledger(path)) >= count:
                    return
            except sqlite3.OperationalError:
                pass  # not written yet
        time.sleep(0.02)
    raise AssertionError(f"no {count} replies within a minute")


def test_kill_9(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    """Killed in the middle of batches: what was answered stays as it is, and nothing is answered twice."""
    path, started = slow_job(folder, make_job)
    at, draw = tmp_path / "jobs" / "test", random.Random(5)
    before: dict[bytes, str] = {}
    for _ in range(3):
        process = start(started)
        wait_for(at, len(before) + draw.randint(5, 25))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        after = replies(at)
        assert before.items() <= after.items() and len(before) < len(after) < MANY
        before = after
    work = run(path)
    found = ledger(at)
    assert len(found) == MANY and before.items() <= replies(at).items()
    assert {row["ask"] for row in found} == {1}
    undisturbed = run(path, "name=undisturbed")
    assert replies(undisturbed.path) == replies(work.path)  # in float32 it does not matter what was computed together


def test_two_processes_share_the_work(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    path, _ = slow_job(folder, make_job)
    run(path, last="filter")
    label = ["label", str(path), "--set", "label.limits.concurrency=16"]
    processes = [start(label), start(label)]
    for process in processes:
        _, said = process.communicate(timeout=400)
        assert process.returncode == 0, said
    with sqlite3.connect(tmp_path / "jobs" / "test" / "ledger.sqlite") as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT key) FROM replies").fetchone() == (MANY, MANY)


def test_ctrl_c(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    """What is under way ends and is kept; what waits is not begun."""
    path, started = slow_job(folder, make_job)
    process = start(started)
    wait_for(tmp_path / "jobs" / "test", 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "stopped by Ctrl-C" in said and "Traceback" not in said
    kept = replies(tmp_path / "jobs" / "test")
    assert 5 <= len(kept) < MANY
    work = run(path)
    assert len(replies(work.path)) == MANY and kept.items() <= replies(work.path).items()


# --- too long, too large ---


@pytest.mark.parametrize("policy", ["reject", "truncate"])
def test_too_long_for_the_model(make_job: JobMaker, tmp_path: Path, policy: str) -> None:
    small = tiny_llama.make(tmp_path / "small", context=512)
    articles = [article(1, words=16), article(2, words=900)]
    path = make_job(articles, label={**label(small, **EXACT), "on_too_long": policy})
    work = run(path, last="label")
    found = {row["status"]: row for row in ledger(work.path)}
    if policy == "reject":
        assert found["rejected"]["error_code"] == "context_length_exceeded"
        assert "do not fit into the model's 512" in found["rejected"]["error"]
    else:
        cut = next(row for row in ledger(work.path) if row["note"])
        assert "article cut to" in cut["note"] and 400 < cut["input_tokens"] <= 512 - 24


def test_real_memory_runs_out(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    """In a process that may not have more: halved until it fits, and every article is answered."""
    parameters = {**EXACT, "max_new_tokens": 8, "batch_tokens": 10**9}
    large = tiny_llama.make(tmp_path / "large", hidden=512, heads=8, key_value_heads=8, layers=4, context=4096)
    path = make_job([article(n, words=160) for n in range(16)], label=label(large, **parameters))
    run(path, last="filter")
    before = (
        "import atexit, ctypes, resource, torch; torch.set_num_threads(1)\n"
        "ctypes.CDLL(None).mallopt(-8, 1)\n"  # one arena: each takes addresses, which are what is limited
        "from pipeline.label.local_model import loading; load = loading.load\n"
        "def limited(*a):\n"
        "    loaded = load(*a); torch.ones(9).sum()\n"
        "    used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (used + 220 * 2**20, -1)); return loaded\n"
        "loading.load = limited\n"
        "import pipeline.label.local_model.pool as pool; put = pool.Pool.put_back; halved = []\n"
        "def counted(self, rows): halved.append(len(rows)); put(self, rows)\n"
        "pool.Pool.put_back = counted\n"
        "atexit.register(lambda: print('halved', len(halved)))\n"
    )
    done = Program("label", path, stdout=True, before=before, imported=IMPORTED)
    out, err = done.communicate(timeout=200)
    assert done.returncode == 0, err[-2000:]
    assert "halved" in out and "halved 0" not in out, "the limit was not reached"
    assert len(ledger(tmp_path / "jobs" / "test")) == 16


# --- what may be missing ---


def failure(path: Path, *overrides: str, **environment: str) -> str:
    """What a person is told, in one line."""
    arguments = [argument for override in overrides for argument in ("--set", override)]
    done = command("run", path, *arguments, **environment)
    assert done.returncode not in (0, 3), done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("labelmill: ") and "loading" not in line]
    assert len(said) == 1 and "Traceback" not in done.stderr, done.stderr
    return said[0]


def test_folders_that_are_no_models(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)], label=label(folder))
    assert "is not there; give a model's folder, or its name on the Hub" in failure(
        path, f"label.model={tmp_path}/nothing"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "it has no config.json" in failure(path, f"label.model={empty}")
    shutil.copy(folder / "config.json", empty)
    assert "holds no weights" in failure(path, f"label.model={empty}")
    (empty / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    assert "holds no tokenizer" in failure(path, f"label.model={empty}")
    shutil.copy(folder / "tokenizer.json", empty)
    assert "its weights cannot be loaded" in failure(path, f"label.model={empty}")
    torn = shutil.copytree(folder, tmp_path / "torn")
    whole = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "its weights cannot be loaded" in failure(path, f"label.model={torn}")
    (torn / "model.safetensors").write_bytes(whole)
    (torn / "tokenizer.json").unlink()
    assert "holds no tokenizer" in failure(path, f"label.model={torn}")
    (torn / "tokenizer.json").write_text("{}")
    assert "its tokenizer cannot be loaded" in failure(path, f"label.model={torn}")
    config = json.loads((torn / "config.json").read_text())
    for change, said in (
        ({"model_type": "mamba"}, "is no causal model of plain attention"),
        ({"model_type": "t5"}, "is no causal model of plain attention"),
        ({"model_type": "mixtral", "num_local_experts": 4}, "bitsandbytes does not quantise its experts"),
        ({"max_position_embeddings": 20}, "max_new_tokens: 24, but torn holds 20 tokens in all"),
    ):
        (torn / "config.json").write_text(json.dumps(config | change))
        assert said in failure(path, f"label.model={torn}")


def test_models_that_the_hub_does_not_give(folder: Path, make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(1)], label=label("someone/tiny"))
    known = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "5"}
    with ModelHub("someone/tiny", folder) as hub:
        known["HF_ENDPOINT"] = hub.address
        hub.mode = "gated"
        said = failure(path, **known)
        assert "is licence-gated: accept its licence at" in said and "HF_TOKEN" in said
        said = failure(path, **known, HF_TOKEN="hf_SECRET")
        assert "of the account whose token is set" in said and "SECRET" not in said
        hub.mode = "hidden"
        said = failure(path, "name=hidden", **known)
        assert "the Hub has no model 'someone/tiny', or no HF_TOKEN is set" in said
        hub.mode = "open"
        assert "has no revision 'v9'" in failure(path, "label.parameters.revision=v9", **known)
        assert "neither a folder here nor a name on the Hub" in failure(path, "label.model=what is this", **known)
    said = failure(path, "name=down", **known)
    assert "the Hub cannot be asked" in said or "out of reach" in said


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("torch", "pip install 'labelmill[local]'"),
        ("bitsandbytes", "quantization: none"),
        ("accelerate", "labelmill[local]"),
    ],
)
def test_packages_that_are_missing(folder: Path, make_job: JobMaker, missing: str, said: str) -> None:
    path = make_job([article(1)], label=label(folder))
    run(path, last="filter")
    before = (
        "import importlib.util; find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *a: None if name == {missing!r} else find(name, *a)\n"
    )
    done = Program("run", path, before=before)
    err = done.communicate(timeout=60)[1]
    assert done.returncode == 1 and "Traceback" not in err
    assert missing in err and said in err


def test_a_large_model_without_a_card(folder: Path, monkeypatch: pytest.MonkeyPatch, make_job: JobMaker) -> None:
    path = make_job([article(1)], label=label(folder))
    monkeypatch.setattr(memory, "shape_of", lambda *_: memory.DOCUMENTED["meta-llama/Llama-2-7b-chat-hf"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ModelError, match=r"no GPU here, and tiny has 6.7 billion parameters: use a machine with a card"
    ):
        run(path)
    with pytest.raises(ModelError, match="torch sees no card here"):
        run(path, "label.parameters.device=cuda")
    small = memory.Device("cpu", "2 cores", 3 * memory.GIB, 4 * memory.GIB)
    monkeypatch.setattr(memory, "cpu", lambda: small)
    with pytest.raises(ModelError, match=r"needs 4\.\d GiB, 2 cores has 3.0 of 4.0 GiB free; use a smaller model"):
        run(path, "label.parameters.device=cpu")
    card = memory.Device("cuda", "NVIDIA T4", 5 * memory.GIB, 15 * memory.GIB)
    monkeypatch.setattr(memory, "devices", lambda: [card])
    with pytest.raises(
        ModelError, match=r"needs .* NVIDIA T4 has 5.0 of 15.0 GiB free; use label.parameters.quantization: nf4"
    ):
        run(path, "label.parameters.quantization=none")


def test_what_a_model_takes(folder: Path) -> None:
    """By its files; and the documented ones as they are known to be: 7b in 4 bits 3.6 GiB, 13b within a 16 GB card."""
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = memory.shape_of(folder, AutoConfig.from_pretrained(folder))
    assert shape.parameters == AutoModelForCausalLM.from_pretrained(folder).num_parameters()
    assert shape.token_values == 2 * 2 * 2 * 16
    seven, thirteen = (memory.DOCUMENTED[f"meta-llama/Llama-2-{size}-chat-hf"] for size in ("7b", "13b"))
    assert 3.5 < seven.bytes("nf4", "bfloat16") / memory.GIB < 3.8
    assert 12.5 < seven.bytes("none", "bfloat16") / memory.GIB < 12.6
    assert thirteen.bytes("nf4", "bfloat16") + 8192 * thirteen.token_bytes("bfloat16") < 15e9
    assert seven.token_bytes("bfloat16") == 2**19


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("label.base_url=http://127.0.0.1:1/v1", "for a server set label.provider: openai"),
        ("label.parameters.max_output_tokens=9", "unknown key"),
        ("label.parameters.quantization=gptq", "allowed: nf4, none"),
        ("label.parameters.temperature=-1", "label.parameters.temperature"),
    ],
)
def test_job_files(folder: Path, make_job: JobMaker, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RequestBuilder(work_of(make_job([article(1)], label=label(folder)), override))


def test_names_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "job"
    (tmp_path / "user" / "name").mkdir(parents=True)
    (base / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert weights.folder_of("models/mine", base) == base / "models" / "mine"  # as other paths of the job file
    assert weights.folder_of("user/name", base) == tmp_path / "user" / "name"  # it lies here
    assert weights.folder_of("user/other", base) is None
    assert weights.folder_of("./other", base) == base / "other"
    assert weights.folder_of("~/m", base) == Path("~/m").expanduser()
    assert issubclass(ModelError, Exception) and not issubclass(ModelError, EndpointError | MissingExtra)


def test_doctor(folder: Path, make_job: JobMaker) -> None:
    said = command("doctor", make_job([article(1)], label=label(folder))).stdout
    assert "ok   device" in said and "GiB free" in said
    assert "Llama-2-7b-chat-hf" in said and "Llama-2-13b-chat-hf" in said and "in 4 bits" in said
    assert f"ok   model              {folder} holds a model; 0.0 GiB, 2,048 tokens of context, on " in said
