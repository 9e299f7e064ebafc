"""Metrics: by hand, and against independent implementations."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics import classes, editors, keyphrases, rouge
from pipeline.metrics.intervals import bootstrap
from pipeline.metrics.matching import matched
from tests.conftest import SHARED, JobMaker, command, rows, run
from tests.openai_server import Server, completion
from tests.test_label import openai_job

GOLD = ["neural network", "deep learning", "image"]


def test_f1_by_hand() -> None:
    """Predicted: 2 of 4 right after stemming and duplicates gone (networks = network); gold 3."""
    found = ["Neural networks", "deep learning", "neural network", "cats", "dogs"]
    assert keyphrases.at_m(found, GOLD, "en") == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert keyphrases.at_k(found, GOLD, 5, "en") == pytest.approx((2 / 5, 2 / 3, 0.5))
    assert keyphrases.at_k(found, GOLD, 5, "en", pad=False).precision == pytest.approx(0.5)
    assert keyphrases.at_k(found, GOLD, 1, "en") == pytest.approx((1.0, 1 / 3, 0.5))
    assert keyphrases.at_o(found, GOLD, "en") == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert keyphrases.at_m([], GOLD) == keyphrases.at_m(GOLD, []) == (0.0, 0.0, 0.0)


def test_porter_is_the_stemmer_of_the_protocol() -> None:
    """Porter (1980), his examples: it differs from Snowball's English in some."""
    assert keyphrases.normal("relational hopefulness", "en") == "relat hope"
    assert keyphrases.normal("generously", "en") == "gener"


def test_korean_spacing_and_particles_do_not_count() -> None:
    assert keyphrases.at_m(["기준 금리를"], ["기준금리"], "ko").f1 == 1.0
    assert keyphrases.at_m(["기준 금리"], ["대출금리"], "ko").f1 == 0.0


def test_present_and_absent() -> None:
    article = "Interest rates rose. A bank said so."
    assert keyphrases.present_and_absent(["interest rate", "bank run", "ban"], article, "en") == (
        ["interest rate"],
        ["bank run", "ban"],
    )
    assert keyphrases.present_and_absent(["기준 금리", "물가"], "기준금리를 올렸다", "ko") == (["기준 금리"], ["물가"])


def test_soft_f1_by_hand() -> None:
    """Dice(interest rate, interest rates) = 1, Dice(central bank, bank) = 2/3; matched 5/3 of 2 and 2."""
    found = keyphrases.soft_f1(["interest rate", "central bank"], ["bank", "interest rates"], "en")
    assert found == pytest.approx(5 / 6)
    assert keyphrases.soft_f1(["a"], ["b"], "en") == 0.0 == keyphrases.soft_f1([], ["b"], "en")
    assert keyphrases.soft_f1(["기준금리"], ["기준금리 인상"], "ko") == pytest.approx(2 * 3 / (3 + 5))


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_matching_is_the_best_of_all(similarity: list[list[float]]) -> None:
    wide = similarity if len(similarity) <= 3 else [list(row) for row in zip(*similarity, strict=True)]
    by_hand = max(
        sum(row[column] for row, column in zip(wide, columns, strict=True))
        for columns in itertools.permutations(range(len(wide[0])), len(wide))
    )
    assert sum(matched(similarity)) == pytest.approx(by_hand)


def test_legacy_measures_and_their_floor() -> None:
    assert keyphrases.legacy_substring_f1(["rate"], ["interest rate", "bank"]) == pytest.approx(2 * 0.5 / 1.5)
    assert keyphrases.legacy_jaccard(["a", "b"], ["b", "c"]) == pytest.approx(1 / 3)
    predicted, gold = [["a"], ["b"], ["c"]], [["a"], ["b"], ["c"]]
    assert keyphrases.random_pairs(keyphrases.legacy_jaccard, predicted, gold) == 0.0
    assert keyphrases.random_pairs(keyphrases.legacy_jaccard, [["a"]] * 3, [["a"]] * 3) == 1.0


def test_rouge_counts_korean_words_and_no_separators() -> None:
    score = rouge.scorer("ko")
    assert score(["기준금리를 인상", "물가"], ["기준금리 인상", "물가"])["rouge1"] == 1.0
    assert score(["물가", "금리"], ["금리", "물가"]) == pytest.approx({"rouge1": 1.0, "rouge2": 0.0, "rougeL": 0.5})


def test_rouge_agrees_with_its_package_on_english() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(list(rouge.KINDS)).score("the bank raised rates", "rates of the bank")
    ours = rouge.scorer(None)(["rates of the bank"], ["the bank raised rates"])
    assert ours == pytest.approx({kind: theirs[kind].fmeasure for kind in rouge.KINDS})


def test_classes() -> None:
    assert classes.is_same(" Sports", "sports") and not classes.is_same(None, "sports")
    assert classes.macro_f1(["a", "a", None], ["a", "b", "b"]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.slow
def test_intervals_cover() -> None:
    """95% intervals of the mean of 60 values hold the true mean 95 times of 100, give or take."""
    draw = random.Random(7)
    inside = 0
    for trial in range(200):
        low, high = bootstrap([draw.random() < 0.3 for _ in range(60)], seed=trial)
        inside += low <= 0.3 <= high
    assert 0.90 <= inside / 200 <= 0.99


def test_evaluate_over_a_job(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = openai_job(make_job, server, 10)
    labels = rows(run(path), "labels")
    gold = tmp_path / "gold.jsonl"
    lines = [{"id": row["id"], "keyphrases": row["keyphrases"][: n + 1]} for n, row in enumerate(labels[:4])]
    gold.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"id": "elsewhere", "keyphrases": ["x"]}]))
    found = json.loads(command("evaluate", path, "--gold", gold, "--json").stdout)
    assert (found["articles"], found["unlabelled"], found["not_in_job"]) == (4, 0, 1)
    recall, precision = found["metrics"]["recall"], found["metrics"]["precision"]
    assert recall["mean"] == 1.0 and precision["low"] <= precision["mean"] <= precision["high"] < 1.0
    sizes = [len(row["keyphrases"]) for row in labels[:4]]
    assert precision["mean"] == pytest.approx(sum((n + 1) / size for n, size in enumerate(sizes)) / 4)
    assert found["metrics"]["count_compliance"]["mean"] == 1.0
    packed = tmp_path / "gold.jsonl.gz"
    packed.write_bytes(gzip.compress(gold.read_bytes()))
    assert json.loads(command("evaluate", path, "--gold", packed, "--json").stdout) == found
    csv = tmp_path / "gold.csv"
    csv.write_text("id,keyphrases\n" + "".join(f"{line['id']},{'; '.join(line['keyphrases'])}\n" for line in lines))
    assert "articles with gold labels: 4;" in command("evaluate", path, "--gold", csv).stdout
    csv.write_text("ID;Keyphrases\n" + "".join(f"{line['id']};{line['keyphrases']}\n" for line in lines) + "a9;\n")
    again = json.loads(command("evaluate", path, "--gold", csv, "--json").stdout)
    assert again["metrics"] == found["metrics"]
    assert "1 rows of" in again["notes"][0]
    csv.write_text("id,keyphrases\na1,x\na1,y\n")
    assert "'a1' has other labels in an earlier row" in command("evaluate", path, "--gold", csv).stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.jsonl", None, "not there"),
        ("bad.jsonl", "{", "not JSON"),
        ("bad.jsonl", '{"id": "1"}\n', "needs 'id' and 'keyphrases'; it has: id"),
        ("empty.jsonl", "", "no gold labels in it"),
        ("other.jsonl", '{"id": "nobody", "keyphrases": ["x"]}', "none of its 1 ids is an article of this job"),
    ],
)
def test_a_gold_file_that_is_none(
    make_job: JobMaker, server: Server, tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    path = openai_job(make_job, server, 2)
    run(path, last="clean")
    if text is not None:
        (tmp_path / name).write_text(text)
    result = command("evaluate", path, "--gold", tmp_path / name)
    assert result.returncode == 1 and said in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("phrase", "form"),
    [
        ("warrior's", "warrior s"),
        ("S&P 500", "s p 500"),
        ("C++", "c++"),
        ("C#", "c#"),
        ("C", "c"),
        ("C++ code", "c++ code"),
    ],
)
def test_a_word_without_a_stem_stays(phrase: str, form: str) -> None:
    assert keyphrases.normal(phrase, "en") == form


def test_porter_as_published_and_as_nltk_has_it() -> None:
    pytest.importorskip("nltk")
    words = ["dying", "happy", "relational"]
    assert [keyphrases.normal(word, "en") for word in words] == ["dy", "happi", "relat"]
    assert [keyphrases.normal(word, keyphrases.NLTK_ENGLISH) for word in words] == ["die", "happi", "relat"]


def test_acceptance_by_editors_is_as_their_scorer_defines_it() -> None:
    """The scorer beside the gold is the definition; labels of both kinds: an editor's own, and strange ones."""
    folder = SHARED / "editors-gold"
    if not folder.exists():
        pytest.skip(f"the shared data are not at {folder}")
    scorer = runpy.run_path(str(folder / "score.py"))["score"]
    for language in ("en", "fr", "ko"):
        gold = [json.loads(line) for line in (folder / f"{language}.jsonl").read_text("utf-8").splitlines()]
        labels = {row["id"]: [*row["editors"][1]["gold"][:4], *row["text"].split()[:4], "data-centres"] for row in gold}
        wanted = scorer(labels, gold)
        given = [(labels[row["id"]], row["editors"]) for row in gold]
        taken = sum(editors.accepted(*pair) for pair in given) / sum(len(phrases) for phrases, _ in given)
        found = [editors.agreed_found(*pair) for pair in given]
        assert taken == pytest.approx(wanted["accepted"])
        assert sum(hit for hit, _ in found) / sum(agreed for _, agreed in found) == pytest.approx(
            wanted["agreed_found"]
        )


def test_evaluate_against_editors(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    server.script = lambda body, times: (200, completion(body, "harbour; city council"), {})
    work = run(path := openai_job(make_job, server, 12), "clean.absent=keep", last="clean")
    ids = [row["id"] for row in rows(work, "labels")]
    said = [{"gold": ["Harbours"], "also": ["boats"]}, {"gold": ["harbour", "city"], "also": []}]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps({"id": name, "editors": said}) + "\n" for name in ids), "utf-8")
    for extra in ([], ["--porter", "nltk"]):
        found = command("evaluate", path, "--gold", gold, "--json", "--set", "clean.absent=keep", *extra)
        metrics = json.loads(found.stdout)["metrics"]
        assert (metrics["accepted"]["mean"], metrics["agreed_found"]["mean"]) == (0.5, 1.0)
        assert 0 <= metrics["f1@m"]["mean"] < 1  # the first editor's gold
