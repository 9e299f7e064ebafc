"""Near-copies are found and go one way; what was eval stays eval, whatever merges, changes, vanishes or comes back."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.files import next_numbered
from pipeline.core.text.folding import fold_case
from pipeline.split import assignment
from pipeline.split.groups import groups, may_meet
from pipeline.split.minhash import NUMBERS, signature
from tests.conftest import JobMaker, article, command, copied, rows, run, write_job, write_jsonl

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "to", "mi", "re", "sul") for b in ("ber", "lon", "dik", "va") for c in ("n", "ts", "")
]


def prose(seed: int, words: int = 120) -> str:
    """Text that is like no other text of another seed."""
    draw = random.Random(seed)
    return " ".join("".join(draw.sample(WORDS, 2)) for _ in range(words))


def changed(text: str, share: float, seed: int = 7) -> str:
    """The text with a share of its words replaced."""
    draw, words = random.Random(seed), text.split()
    for place in draw.sample(range(len(words)), int(share * len(words))):
        words[place] = f"swapped{draw.randrange(10_000)}"
    return " ".join(words)


def matrix(texts: list[str]) -> Any:
    return np.frombuffer(b"".join(signature(fold_case(text)) for text in texts), np.uint16).reshape(-1, NUMBERS)


def test_signatures_agree_as_pieces_overlap() -> None:
    def pieces(text: str) -> set[str]:
        letters = "".join(filter(str.isalnum, text))
        return {letters[at : at + 12] for at in range(len(letters) - 11)}

    for share in (0.0, 0.02, 0.05, 0.1, 0.3, 1.0):
        off = []
        for seed in range(20):
            text, other = prose(seed), changed(prose(seed), share, seed)
            jaccard = len(pieces(text) & pieces(other)) / len(pieces(text) | pieces(other))
            off.append(float((matrix([text])[0] == matrix([other])[0]).mean()) - jaccard)
        assert abs(np.mean(off)) < 0.03 and np.std(off) < 0.08, share


@pytest.mark.parametrize("text", ["", "!", "a", "한", "…", "😀😀", "short text", "\x00", "A" * 100_000])
def test_any_text_has_a_signature(text: str) -> None:
    assert len(signature(fold_case(text))) == 2 * NUMBERS
    assert (matrix([text])[0] == matrix([text.upper() + " "])[0]).all()


def test_groups_are_what_hangs_together() -> None:
    """Against comparing all pairs, with a chain, a large cluster and a boilerplate that many share."""
    texts = [prose(n) for n in range(60)]
    texts += [changed(texts[n], 0.03) for n in range(20)] + [changed(texts[3], 0.02, seed) for seed in range(40)]
    texts += [prose(999, 30) + " " + prose(n) for n in range(200, 230)]  # a fifth in common: not alike
    found = groups(matrix(texts), 0.6)
    agree = (matrix(texts)[:, None, :] == matrix(texts)[None]).mean(axis=2) >= 0.6
    wanted = np.arange(len(texts))
    for _ in range(10):
        wanted = np.array([wanted[agree[row]].min() for row in range(len(texts))])
    assert found.tolist() == wanted.tolist()
    assert len(set(found.tolist())) == 90


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_groups_name_the_first_row(kinds: list[int]) -> None:
    table = matrix([prose(kind, 30) for kind in kinds]) if kinds else np.empty((0, NUMBERS), np.uint16)
    assert groups(table, 0.9).tolist() == [kinds.index(kind) for kind in kinds]


# --- the ledger, through the whole job ---


class Job:
    """A job of articles that are like no other, unless a test makes them so."""

    def __init__(self, make_job: JobMaker, folder: Path, **split: Any) -> None:
        self.rows = {f"r{n}": prose(n) for n in range(40)}
        self.folder = folder
        self.path = make_job([], split={"eval": 0.4} | split)

    def write(self) -> None:
        write_jsonl(self.folder / "articles.jsonl", [{"id": name, "body": text} for name, text in self.rows.items()])

    def run(self) -> dict[str, set[str]]:
        self.write()
        work = run(self.path, last="split")
        out = rows(work, "train", rejected=True)
        assert {row["reason"] for row in out} <= {"near_copy_of_eval"}
        self.like = {row["id"]: row["detail"] for row in out}
        found = {split: {row["id"] for row in rows(work, split)} for split in ("train", "eval")}
        found["out"] = set(self.like)
        assert sum(map(len, found.values())) == len(self.rows)
        return found


@pytest.fixture(scope="module")
def labelled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The articles of a job as it begins, labelled: the extractor takes longer than all that is tested here."""
    folder = tmp_path_factory.mktemp("labelled")
    job = Job(partial(write_job, folder), folder)
    job.write()
    run(job.path, last="review")
    return job.path


@pytest.fixture
def job(make_job: JobMaker, tmp_path: Path, labelled_once: Path) -> Job:
    copied(labelled_once, tmp_path)
    return Job(make_job, tmp_path)


@pytest.mark.parametrize("copies", [0, 1, 12, 300])
def test_rows_like_eval_are_those_of_a_group_with_both(copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked first, whether any row may be like one of eval, takes none away, templates and chains included."""
    draw = np.random.default_rng(copies)
    table = draw.integers(0, 2**16, (600, NUMBERS), np.uint16)
    for row in range(600 - copies, 600):
        of = draw.integers(0, row) if copies < 300 else 0
        table[row] = np.where(draw.random(NUMBERS) < 0.75, table[of], table[row])
    for share in (0.0, 0.02, 0.3, 1.0):
        is_eval = draw.random(600) < share
        group = groups(table, 0.6)
        with_eval = np.isin(group, group[is_eval]) & ~is_eval
        for rows_at_once in (7, 10_000):  # signatures come in blocks, and are looked at in parts of so many
            monkeypatch.setattr(assignment, "_AT_ONCE", rows_at_once)
            blocks = partial(np.array_split, table, 9)
            assert assignment.near_eval(blocks, is_eval, 0.6).tolist() == with_eval.tolist()
        assert may_meet(table, is_eval, 0.6) or not with_eval.any()
    apart = np.arange(600) < 100
    assert copies or not may_meet(table, apart, 0.6)


def test_near_copies_are_drawn_together(job: Job) -> None:
    job.rows |= {f"copy{n}-{share}": changed(prose(n), share) for n in range(40) for share in (0.01, 0.04)}
    found = job.run()
    for n in range(40):
        assert len({next(s for s in found if f"{name}{n}{end}" in found[s])
                    for name, end in (("r", ""), ("copy", "-0.01"), ("copy", "-0.04"))}) == 1  # fmt: skip
    assert len(found["eval"]) in range(30, 70) and not found["out"]


def test_a_new_near_copy_of_eval_is_kept_out(job: Job) -> None:
    first = job.run()
    an_eval, a_train = min(first["eval"]), min(first["train"])
    job.rows |= {
        "e2": changed(job.rows[an_eval], 0.04),
        "t2": changed(job.rows[a_train], 0.04),
        "e3": job.rows[an_eval],
    }
    second = job.run()
    assert second["out"] == {"e2", "e3"} and job.like["e2"] == f"like {an_eval}"
    assert second["eval"] == first["eval"] and second["train"] == first["train"] | {"t2"}
    del job.rows[an_eval]
    third = job.run()  # e3 is the eval row under another id now; e2 is still like an eval row, of an earlier version
    assert third["eval"] == first["eval"] - {an_eval} | {"e3"} and third["out"] == {"e2"}


def test_eval_wins_where_groups_merge(job: Job) -> None:
    first = job.run()
    an_eval, a_train = min(first["eval"]), min(first["train"])
    half, other = job.rows[an_eval].split(), job.rows[a_train].split()
    job.rows["bridge"] = " ".join(half + other[: len(other) // 8])
    job.rows[a_train] = " ".join(half[:-12] + other[-12:])  # edited: now it is like the eval row
    second = job.run()
    assert second["out"] == {"bridge", a_train} and second["eval"] == first["eval"]
    job.rows[a_train] = " ".join(other)
    assert a_train in job.run()["train"]


def test_what_eval_rows_were_is_not_forgotten(job: Job) -> None:
    first = job.run()
    an_eval = min(first["eval"])
    old = job.rows[an_eval]
    job.rows[an_eval] = prose(500)
    job.rows["n1"] = changed(old, 0.03)
    second = job.run()
    assert second["eval"] == first["eval"] and second["out"] == {"n1"}  # a model may have been measured on the old text
    del job.rows[an_eval]
    job.rows["n2"] = changed(prose(500), 0.03)
    assert job.run()["out"] == {"n1", "n2"}
    job.rows[an_eval] = prose(501)
    assert an_eval in job.run()["eval"]


@pytest.mark.parametrize("how", ["removed", "edited", "at once"])
def test_a_train_row_that_takes_a_text_of_eval(job: Job, how: str) -> None:
    """Also where nobody else has the text any more, and what is like it goes the same way."""
    first = job.run()
    an_eval, a_train = min(first["eval"]), min(first["train"])
    text = job.rows[an_eval]
    if how == "removed":
        del job.rows[an_eval]
    else:
        job.rows[an_eval] = prose(700)
    if how != "at once":
        job.run()
    job.rows |= {a_train: text, "new": changed(text, 0.03)}
    found = job.run()
    assert found["out"] == {a_train, "new"} and job.like[a_train] == f"like {an_eval}"
    assert job.run() == found


def test_eval_as_one_row(make_job: JobMaker, tmp_path: Path) -> None:
    assert len(Job(make_job, tmp_path, eval=1).run()["eval"]) == 1


def test_what_was_train_never_becomes_eval(job: Job) -> None:
    first = job.run()
    gone = {name: job.rows.pop(name) for name in first["train"]}
    job.run()
    job.rows |= {f"again-{name}": changed(text, 0.03) for name, text in gone.items()}
    assert {name for name in job.run()["train"] if name.startswith("again")} == {f"again-{name}" for name in gone}


def test_a_row_keeps_the_group_that_it_was_published_with(job: Job) -> None:
    job.run()
    work = run(job.path, last="split")
    before = {row["id"]: row["group_id"] for split in ("train", "eval") for row in rows(work, split)}
    names = sorted(before)
    job.rows = {"first": changed(job.rows[names[0]], 0.03), **job.rows}
    job.rows["joins"] = job.rows[names[0]] + " " + job.rows[names[1]]
    job.run()
    after = {row["id"]: row["group_id"] for split in ("train", "eval") for row in rows(work, split)}
    assert {name: after[name] for name in before if name in after} == before
    if "first" in after:
        assert after["first"] == before[names[0]]


def test_equal_texts_only(make_job: JobMaker, tmp_path: Path) -> None:
    job = Job(make_job, tmp_path, similarity=1)
    job.rows |= {f"near{n}": changed(prose(n), 0.02) for n in range(40)} | {f"same{n}": prose(n) for n in range(40)}
    found = job.run()
    together = [{f"r{n}", f"same{n}"} <= found[split] for split in ("train", "eval") for n in range(40)]
    assert sum(together) == 40
    assert any((f"r{n}" in found["eval"]) != (f"near{n}" in found["eval"]) for n in range(40))


def test_an_eval_that_is_empty_is_told(make_job: JobMaker) -> None:
    story = article(1, 400)
    copies = [story | {"id": f"c{n}", "body": f"{story['body']} Copy {n}."} for n in range(20)]
    path = make_job(copies, filters=[])
    told = command("run", path, "--to", "split")
    assert told.returncode == 0 and (
        "split: none of 20 articles is eval (split.eval: 0.2); groups of near-copies: 1, each" in told.stderr
    )
    assert "is eval" not in command("run", path, "--to", "split", "--set", "split.eval=0").stderr
    assert (
        "is eval" not in command("run", make_job([article(n) for n in range(20)], name="other"), "--to", "split").stderr
    )


def test_a_log_with_a_file_missing_replaces_none(tmp_path: Path) -> None:
    """Entries that are lost are one thing; those that are there decide still which rows are eval."""
    for number in (2, 3):
        (tmp_path / f"{number:06d}.parquet").write_bytes(b"")
    assert next_numbered(tmp_path, ".parquet").name == "000004.parquet"
    assert next_numbered(tmp_path / "none yet", ".parquet").name == "000001.parquet"
