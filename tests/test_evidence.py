"""Gates of evidence and answers by structure: what is no label is told, whatever the language, the model and the task."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings

from pipeline import clean_reply
from pipeline.clean.cleaner.faults import is_fault
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.closed_set import ClosedSet
from pipeline.clean.prompt_constants import Constants
from pipeline.clean.tasks import classes, keyphrases, topic
from pipeline.core.text.concepts import spellings
from pipeline.core.types import Article, Reply
from pipeline.review.log.judgements import Judgement
from pipeline.review.log.verdicts import in_force
from tests.conftest import ROOT, SHARED
from tests.test_cleaner import PIECES, REPLIES

TABLE = json.loads((ROOT / "tests" / "data" / "answer_shapes.json").read_text("utf-8"))
SHAPES = TABLE["shapes"]


def label_of(shape: dict[str, Any], classes: dict[str, list[str]]) -> Any:
    text = shape["article"] if "language" in shape else TABLE["articles"][shape["article"]]["text"]
    return clean_reply(
        shape["raw"],
        text,
        language=shape.get("language") or TABLE["articles"][shape["article"]]["language"],
        finish_reason=shape.get("finish_reason", "stop"),
        prompt=shape.get("prompt"),
        task=shape["task"],
        classes=classes if shape["task"] == "classes" else None,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{at} {shape['note']}" for at, shape in enumerate(SHAPES)])
def test_the_table_of_answers(shape: dict[str, Any]) -> None:
    label = label_of(shape, TABLE["classes"])
    assert label.phrases == shape["expected"]
    assert (label.status == "ok") == bool(shape["expected"])


def test_the_shared_shapes() -> None:
    path = SHARED / "reply-shapes-2.jsonl"
    if not path.exists():
        pytest.skip(f"the shared data are not at {path}")
    names = {
        "transport": ["교통", "交通"],
        "economy": ["경제", "économie", "经济"],
        "politics": ["정치"],
        "health": ["건강"],
        "sports": ["스포츠"],
    }
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    wrong = {
        row["raw"][:60]: label.phrases for row in rows if (label := label_of(row, names)).phrases != row["expected"]
    }
    assert not wrong


# --- the label gate ---

# (language, article, a good label in base form, or in another inflection than any that the article has)
INFLECTED = [
    ("pl", "W gminach wiejskich rosną opłaty za śmieci. Mieszkańcy protestowali.", "gmina wiejska; mieszkaniec"),
    ("cs", "Ve školách chybějí učitelé fyziky. Ředitelům pomáhají studenti.", "škola; učitel fyziky"),
    ("uk", "У Харкові відремонтували міст. Мешканцям повернули тролейбуси.", "ремонт мосту; тролейбус"),
    ("fi", "Kaupungeissa rakennetaan uusia raitiotieverkkoja. Asukkailla on toiveita pysäkeistä.", "kaupunki; raitiotieverkosto"),
    ("tr", "Balıkçıların teknelerinden toplanan ağlar limandaki fabrikada işleniyor.", "balıkçı teknesi; liman"),
    ("hu", "A dunai hajókon bevezették az elektromos meghajtást. Az utasoknak tetszik.", "elektromos hajó; utas"),
    ("ru", "В школах Томска сократили уроки музыки. Родителям предложили кружки.", "школьная музыка; родитель"),
    ("ko", "어민들은 항구에서 그물을 손질했다. 시청이 보조금을 약속하였다.", "어민; 그물 손질; 보조금 약속"),
    ("ja", "漁師たちは港で網を繕った。市役所は補助金を約束した。", "漁師の網; 補助金"),
    ("zh", "渔民们在港口修补渔网。市政府承诺发放补贴。", "渔民补贴; 渔网修补"),
    ("ar", "أعلنت الحكومة عن مشروع جديد لبناء الموانئ في المدينة", "حكومة; ميناء"),
    ("el", "Οι ψαράδες της Καλαμάτας ζητούν νέο λιμάνι για τα καΐκια τους.", "ψαράς Καλαμάτα; λιμανιού"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "article", "label"), INFLECTED, ids=[language for language, _, _ in INFLECTED])
def test_a_good_label_in_another_inflection_passes(language: str, article: str, label: str) -> None:
    found = clean_reply(label, article, language=language)
    assert (found.phrases, found.status) == (label.split("; "), "ok")
    strange = clean_reply("quantum chess; velvet umbrellas; Xanadu", article, language=language)
    assert strange.status in ("none_in_article", "language_mismatch")


ARTICLE = (
    "The council of Bergen opened a tram line to the airport. Cyclists from Laksevåg complained about the narrow path."
)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("about with from their; which would", "none_in_article"),  # words that say nothing of an article
        ("velvet umbrellas; quantum chess", "none_in_article"),
        ("velvet umbrellas; cycling", "ok"),  # a cyclist cycles
        ("NATO; EU", "none_in_article"),
        ("tram", "ok"),
        ("a; b; c; 1; 12; 7", "none_in_article"),  # which any article has somewhere
        ("<html><body><h1>504 Gateway Time-out</h1></body></html>", "no_answer"),
    ],
)
def test_the_label_gate(raw: str, status: str) -> None:
    assert clean_reply(raw, ARTICLE, language="en").status == status


def test_an_abstractive_prompt_may_keep_what_the_article_lacks() -> None:
    raw = "velvet umbrellas; quantum chess"
    kept = clean_reply(raw, ARTICLE, language="en", absent="keep")
    assert (kept.phrases, kept.tiers, kept.status) == (raw.split("; "), ["absent", "absent"], "ok")
    task = keyphrases.Task(keyphrases.Options(absent="keep"), lambda texts: [len(text) for text in texts])
    article = Article("a", None, ARTICLE, "", language="en")
    assert task.parse(Reply(raw, "stop"), article).status == task.judge(Reply(raw, "stop"), article) == "ok"


@pytest.mark.parametrize(("language", "status"), [(None, "none_in_article"), ("en", "ok")])
def test_a_prompt_that_asks_for_another_language(language: str | None, status: str) -> None:
    """Its labels can share no word with the article; the language that the prompt is written in does not count."""
    task = keyphrases.Task(keyphrases.Options(), lambda texts: [1 for _ in texts])
    task.take_prompt(["Name the key phrases."], language)
    text = "어민들은 항구에서 그물을 손질했다. 시청이 보조금을 약속하였다. 부두에는 갈매기가 많았다."
    article = Article("a", None, text, "", language=language or "ko")
    raw = "fishing nets; harbour" if language else "우주 여행; 화성 탐사"
    assert task.parse(Reply(raw, "stop"), article).status == status


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("<html><body><h1>504 Gateway Time-out</h1></body></html>", "no_answer"),
        ("const lines = article.split(' ').slice(0, 7);\nconsole.log(lines);", "no_answer"),
        ("2026-11-30", "unparseable"),
        ("0.91", "unparseable"),
        ("tram " * 30, "doubtful"),
        (f"Bergen news\n{ARTICLE}", "doubtful"),
        ("Tram line", "ok"),
        ("G7 summit", "ok"),
        ("C++", "ok"),
    ],
)
def test_what_is_no_topic(raw: str, status: str) -> None:
    assert clean_reply(raw, ARTICLE, language="en", task="topic").status == status


def test_a_topic_in_other_words_is_flagged() -> None:
    task = topic.Task(topic.Options(), lambda texts: [1 for _ in texts])
    article = Article("a", None, ARTICLE, "", language="en")
    assert task.parse(Reply("Public transit", "stop"), article).repairs == ["unsupported"]
    assert task.parse(Reply("Tram to the airport", "stop"), article).repairs == []


# --- doubt ---


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("tram line; airport; velvet^3", "residue"),
        ("tram line ++ velvet ++ narrow path =x", "residue"),
        ("tramways; quantum chess; velvet umbrellas", "mostly_elsewhere"),
        ("line; quantum chess; velvet umbrellas; earrings", "mostly_elsewhere"),
        ("tram " * 30, "loop"),
        ("tram line; " * 30, "loop"),
        (f"Bergen news\n{ARTICLE}", "prose"),
        ("A tram from Bergen now serves flights all day\nPeople on bikes are cross about one narrow lane", "clauses"),
        ("Opened a tram line to the airport. Cyclists from Laksevåg complained", "prose"),
        ("Bergen opens airport tram", "prose"),
        ("What opened?\nA tram\nWho complained?\nCyclists", "questions"),
        ("tram line # opened; narrow path", "residue"),
        ("tram; path; mayor\n\nThose say too little.\n\ntram line; narrow path", "several_lists"),
        ("try one: tram; path\ntry two: tram line; narrow path", "several_lists"),
        ("tram; Bergen – no, too short. My answer: airport; narrow path", "several_lists"),
    ],
)
def test_what_cannot_be_read_with_certainty_is_doubtful(raw: str, reason: str) -> None:
    label = clean_reply(raw, ARTICLE, language="en")
    assert (label.phrases, label.status, label.repairs[-1]) == ([], "doubtful", reason)


@pytest.mark.parametrize(
    "raw",
    [
        "tram line, airport.",
        "tram line; velvet umbrellas",
        "the council of Bergen and the new tram line to its airport; cyclists; narrow path",
        "tram line; quantum chess; narrow path",
        "tram line; quantum chess; velvet umbrellas",
        "tram line, opening of the new line to the north, narrow path",
        'tram line; Yahoo! profits; Acme Corp. merger; C++; 24" displays',
        "Cyclists",
    ],
)
def test_a_list_with_some_absent_phrases_is_none_in_doubt(raw: str) -> None:
    assert clean_reply(raw, ARTICLE, language="en").phrases == [part.strip(".") for part in re.split("[;,] ", raw)]


@pytest.mark.parametrize(
    ("shares", "named"),
    [("{c}: 1, {a}: 2, {b}: 12", "c"), ("{a}: 0.2, {b}: 0.7, {c}: 0.1", "b"), ("{a}: 0.05, {b}: 0.95", "b")],
)
def test_the_greatest_share_names_the_class_and_a_rank_is_none(shares: str, named: str) -> None:
    names = {"a": "Politics", "b": "Sports", "c": "Economy"}
    raw = "{" + shares.format(**{key: f'"{name}"' for key, name in names.items()}) + "}"
    assert clean_reply(raw, ARTICLE, task="classes", classes={name: [] for name in names.values()}).phrases == [
        names[named]
    ]


def test_nothing_is_in_doubt_where_phrases_may_be_elsewhere() -> None:
    raw = "tramways; quantum chess; velvet umbrellas"
    assert clean_reply(raw, ARTICLE, language="en", absent="keep").phrases == raw.split("; ")


# --- the echo gate ---

INSTRUCTION = "Nenne die wichtigsten Begriffe des Artikels, höchstens sieben."
PROMPT = f"Du bist Redakteur. {INSTRUCTION}\n\nBeispiel: Hafenfest; Seenot\n\nArtikel:\n{{{{ text }}}}"


@pytest.mark.parametrize(
    ("raw", "phrases", "status"),
    [
        ("Hafenfest; Seenot", [], "prompt_echo"),
        ("tram line; Hafenfest", ["tram line"], "ok"),
        (f"tram line; airport\n{INSTRUCTION}\nMond; Sonne", ["tram line", "airport"], "ok"),
        (f"{INSTRUCTION}\n\ntram line; airport", ["tram line", "airport"], "ok"),
        ("Du bist Redakteur", [], "prompt_echo"),
    ],
)  # fmt: skip
def test_what_the_prompt_says_is_no_phrase(raw: str, phrases: list[str], status: str) -> None:
    for prompt in (PROMPT, [{"role": "user", "content": PROMPT.replace("{{ text }}", ARTICLE)}], Constants([PROMPT])):
        label = clean_reply(raw, ARTICLE, language="en", prompt=prompt)
        assert (label.phrases, label.status) == (phrases, status)


def test_what_the_article_has_is_a_phrase_though_the_prompt_says_it() -> None:
    label = clean_reply(
        "tram line; council of Bergen", ARTICLE, prompt="Take phrases like tram line or council of Bergen."
    )
    assert label.phrases == ["tram line", "council of Bergen"]


def test_the_answer_of_the_example_is_no_topic_unless_the_article_is_about_it() -> None:
    example = "Environmental impacts of eating meat"
    assert clean_reply(example, ARTICLE, task="topic").status == "prompt_echo"
    about = "Beef has the highest environmental impact of all meat, a study of diets says."
    assert clean_reply(example, about, task="topic").phrases == [example]


# --- the envelope gate ---


@pytest.mark.parametrize(
    "raw",
    [
        "<!DOCTYPE html><html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>",
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nValueError: council",
        '{"error": "overloaded", "code": 529}',
        '{"detail": [{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}]}',
        '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}',
        "import os\n\ndef main():\n    return os.environ\n",
        "const a = 1;\nconsole.log(a);",
    ],
)  # fmt: skip
def test_a_fault_is_no_answer(raw: str) -> None:
    assert is_fault(raw)
    assert clean_reply(raw, ARTICLE, language="en").status == "no_answer"
    assert clean_reply(raw, ARTICLE, task="topic").status != "ok"
    assert clean_reply(raw, ARTICLE, task="classes", classes=["sports", "politics"]).status != "ok"


@pytest.mark.parametrize(
    "raw",
    [
        "<html><body><ul><li>tram line</li><li>airport</li></ul></body></html>",
        'keyphrases = ["tram line", "airport"]\nprint(keyphrases)',
        '{"message": "done", "keyphrases": ["tram line", "airport"]}',
    ],
)
def test_an_answer_in_the_form_of_a_fault_is_one(raw: str) -> None:
    assert clean_reply(raw, ARTICLE, language="en").phrases == ["tram line", "airport"]


# --- one concept once ---


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("data centre", "Data-centres", False),  # a capital may make it a name
        ("data centre", "data-centres", True),
        ("class", "classes", True),
        ("house", "houses", True),
        ("company", "companies", True),
        ("기준 금리", "기준금리", True),
        ("marketing", "markets", False),
        ("Emirates", "emir", False),
        ("Reds", "red", False),
        ("economics", "economic", False),
        ("news", "new", False),
        ("plane", "plan", False),
        ("C++", "C", False),
        ("series", "serie", False),
    ],
)
def test_spellings_of_one_concept(one: str, other: str, same: bool) -> None:
    assert bool(spellings(one) & spellings(other)) == same


def test_one_concept_in_a_plain_list_stays_once() -> None:
    label = clean_reply(
        "prize; harbour tunnel; prizes", "The prize for the harbour tunnel. Two prizes went to its architects."
    )
    assert label.phrases == ["prize", "harbour tunnel"]


def test_the_form_that_the_article_has_most_often_stays() -> None:
    article = "Tram lines are dear. The city wants tram lines and one tram line more. Apple sells an apple; the apple of Apple."
    assert clean_reply("tram line; tram lines", article, language="en").phrases == ["tram lines"]
    assert clean_reply("Apple; apple", article, language="en").phrases == ["Apple", "apple"]


# --- classes ---


def test_a_way_out_and_descriptions() -> None:
    options = classes.Options.model_validate(
        {
            "classes": ["sports", "politics"],
            "other": "something else",
            "descriptions": {"sports": "matches and players"},
        }
    )
    task = classes.Task(options, lambda texts: [0])
    article = Article("a", None, ARTICLE, "")
    assert task.classes(options) == ["sports", "politics", "something else"]
    assert task.schema(options)["properties"]["label"]["enum"] == task.classes(options)
    said = [
        task.parse(Reply(raw, "stop"), article).phrases for raw in ("Something else.", "None of the above", "weather")
    ]
    assert said == [["something else"], ["something else"], []]
    assert [name.description for name in task.variables(options)["classes"]] == ["matches and players", "", ""]
    with pytest.raises(ValueError, match="'chess' is no class"):
        classes.Options.model_validate({"classes": ["a", "b"], "descriptions": {"chess": ""}})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("neither sports nor politics", []),
        ("This is not a sports, politics or art article", []),
        ("It isn't sports. It is politics", ["politics"]),
        ("It is about the art of politics.", ["art", "politics"]),
        ("Politics (art 10 %)", ["politics"]),
        ("art: 70 %, politics: 30 %", ["art"]),
        ("Kein Sport, sondern Politik", ["politics"]),
        ("예술이 아니라 정치", ["politics"]),
        ("非体育，而是政治", ["politics"]),
    ],
)
def test_what_a_sentence_says_of_classes(text: str, named: list[str]) -> None:
    names = {"sports": ["Sport", "体育"], "politics": ["Politik", "정치", "政治"], "art": ["예술"]}
    assert ClosedSet(names).named_in(text) == named


# --- what holds for every string ---


@settings(max_examples=300, deadline=None)
@given(raw=REPLIES)
def test_one_label_or_a_reason(raw: str) -> None:
    for options in ({"task": "topic"}, {"task": "classes", "classes": ["항구", "ferry", "None"]}):
        for article in (None, ARTICLE):
            label = clean_reply(raw, article, **options)
            assert (label.status == "ok") == (len(label.phrases) == 1)


UNITS = [*PIECES, "<a></a>", "<x>", "“", "„a“ ", "[1]", "Q: ?\nA: ", "key1: ", "not sports ", "<|channel|>", "【†】", "\\u00e9",
         '"x", ', "A등 ",
         "tram (1%)", "line\n\n", "thought\n", "<|", "['a' ", '{"label": ', "def f(\n", "<p>", "아니라", "▁a", "<sep>"]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("task", ["keyphrases", "topic", "classes"])
def test_a_megabyte_takes_no_time(unit: str, task: Any) -> None:
    raw = unit * (1_000_000 // len(unit))
    started = time.process_time()
    clean_reply(raw, ARTICLE, task=task, classes=["sports", "line"])
    assert time.process_time() - started < 5  # a sanity bound: it takes about 0.2 s; a backtracking pattern never ends


# --- verdicts ---


@pytest.mark.parametrize(
    ("accepted", "rejected", "label", "after", "source"),
    [
        (["tram line"], [], ["tram lines"], ["tram lines"], "verified"),
        ([], ["tram line"], ["tram lines", "path"], ["path"], "edited"),
        (
            ["tram line"],
            ["tram lines"],
            ["tram lines"],
            ["tram lines"],
            "verified",
        ),  # the other of the two is there no more
        (["tram line"], ["tram lines"], ["tram line", "tram lines"], ["tram line"], "edited"),
        (["Light-rail"], [], ["light rail", "path"], ["light rail", "path"], "llm"),
        ([], ["Reds"], ["red"], ["red"], "llm"),
    ],
)
def test_a_verdict_holds_for_the_spelling_that_stays(
    accepted: list[str], rejected: list[str], label: list[str], after: list[str], source: str
) -> None:
    judgement = Judgement("0" * 64, "a", "kim", "2026-01-01T00:00:00Z", accepted, rejected)
    assert in_force([judgement])["0" * 64].apply(label) == (after, source)


def test_a_spelling_that_a_reviewer_wrote_stays_as_written() -> None:
    edited = Judgement("0" * 64, "a", "kim", "2026-01-01T00:00:00Z", [], ["tram line"], ["tram lines"])
    verdicts = in_force([edited])["0" * 64]
    assert verdicts.apply(["tram line"]) == (["tram lines"], "edited")
    assert verdicts.apply(["tram-lines", "path"]) == (["tram lines", "path"], "edited")


def test_an_article_in_two_scripts_has_phrases_in_both() -> None:
    """The beginning of a text is not all of it: a byline in English, a page's code behind a Korean text."""
    korean = "항구 도시 20곳에서 봄 축제가 열린다. 시민 안전을 위해 자전거 도로도 넓어진다."
    byline = (
        "SEOUL, Nov. 30 -- by our staff writer in the capital, with reports from the harbour and the city hall. " * 3
    )
    for article in (
        f"{byline}\n\n{korean}",
        f"{korean} <script>document.title='x'; img.onerror='document.title'</script>",
    ):
        label = clean_reply("봄 축제; 자전거 도로; 유령 회사", article)
        assert (label.phrases, label.tiers) == (["봄 축제", "자전거 도로", "유령 회사"], ["exact", "exact", "absent"])
        assert clean_reply("지역 경제", article, task="topic").phrases == ["지역 경제"]
    assert clean_reply("봄 축제; 자전거 도로; 幽灵公司", korean).phrases == ["봄 축제", "자전거 도로"]
    assert clean_reply("Local economy", korean, task="topic").repairs == ["unsupported"]


HARBOUR = "The Federal Reserve kept interest rates in Texas. Tim Cook of Apple Inc. spoke of industrial policy, recession, Kakao."


@pytest.mark.parametrize(
    ("reply", "phrases"),
    [
        ('{"present":["interest rates","Federal Reserve"],"absent":["monetary tightening","supply shock"]}',
         ["interest rates", "Federal Reserve", "monetary tightening", "supply shock"]),
        ("interest rates, Federal Reserve, Texas\nTim Cook, industrial policy, labor market",
         ["interest rates", "Federal Reserve", "Texas", "Tim Cook", "industrial policy", "labor market"]),
        ("interest rates / Federal Reserve; Texas / Tim Cook", ["interest rates", "Federal Reserve", "Texas", "Tim Cook"]),
        ("Federal Reserve, Texas, recession. Kakao, Tim Cook.", ["Federal Reserve", "Texas", "recession", "Kakao", "Tim Cook"]),
    ],
)  # fmt: skip
def test_a_second_list_in_the_articles_language_is_no_translation(reply: str, phrases: list[str]) -> None:
    assert clean_reply(reply, HARBOUR, absent="keep").phrases == phrases


def test_a_name_is_a_topic_in_any_language() -> None:
    korean = "챗봇 회사와 넷플릭스의 주가가 올랐다. 반도체 수출도 늘었다."
    for name in ("ChatGPT", "Netflix", "K-pop (BTS)"):
        label = clean_reply(name, korean, task="topic")
        assert (label.phrases, label.status, label.repairs) == ([name], "ok", ["unsupported"])
    for language in (None, "en"):
        label = clean_reply("monetary policy", korean, task="topic", language=language)
        assert (label.phrases, label.status, label.repairs) == (["monetary policy"], "ok", ["unsupported"])


def test_items_of_many_dashes_take_no_time() -> None:
    line = "- " + "ab" * 90 + " - b - b" + " - b" * 60
    assert clean_reply("\n".join([line] * 60), HARBOUR).status != "ok"


def test_only_a_comment_that_ends_is_one() -> None:
    assert clean_reply('["interest rates" /* the main one */, "Texas"]', HARBOUR).phrases == ["interest rates", "Texas"]
    assert clean_reply('["rates "quoted" /* here", "Texas"]', HARBOUR, absent="keep").phrases[-1] == "Texas"


def test_the_greatest_of_many_shares_is_found_wherever_it_stands() -> None:
    names = [f"class number {number:02d} of them" for number in range(30)]
    lines = "\n".join(f"{name}: {90 if name == names[25] else 1}%" for name in names)
    assert len(lines) > 700 and clean_reply(lines, HARBOUR, task="classes", classes=names).phrases == [names[25]]


def test_a_topic_gives_one() -> None:
    for raw, status in (("tram line; airport", "doubtful"), ("Tram, airport, cyclists, path", "unparseable")):
        assert clean_reply(raw, ARTICLE, task="topic").status == status
    for raw in ("Trams, airports, and cyclists", "Tram line"):
        assert clean_reply(raw, ARTICLE, task="topic").phrases == [raw]


def test_a_word_for_nothing_may_be_a_name() -> None:
    article = "Basquiat painted Untitled in 1982. The painting 'Unknown' hung beside Untitled at Sotheby's."
    tasks: tuple[Any, ...] = ("topic", "keyphrases")
    for task in tasks:
        assert clean_reply("Untitled", article, task=task).phrases == ["Untitled"]
        assert clean_reply("Untitled", ARTICLE, task=task).status == "no_answer"
        assert clean_reply("N/A – insufficient information", ARTICLE, task=task).status == "no_answer"


@pytest.mark.parametrize("raw", ["nothing", "none", "unknown", "Not available", "없음", "해당 없음", "N/A", "rien"])
def test_a_word_for_nothing_is_none_though_the_article_uses_it(raw: str) -> None:
    """Any article may say that nothing is known."""
    article = f"{ARTICLE} They said {raw.lower()} of it, the cause is {raw.lower()} yet. 원인은 {raw} 상태다. Ils n'ont {raw} dit."
    tasks: tuple[Any, ...] = ("topic", "keyphrases")
    for task in tasks:
        assert clean_reply(raw, article, task=task).status == "no_answer"


@pytest.mark.parametrize("separator", ["; ", ", ", "\n"])
def test_a_number_of_each_phrase_goes_whatever_separates_them(separator: str) -> None:
    for raw in (["4th council", "5th tram line", "6th airport"], ["council 90pts", "tram line 80pts", "airport 70pts"]):
        label = clean_reply(separator.join(raw), ARTICLE, language="en")
        assert label.phrases == ["council", "tram line", "airport"], raw


def test_a_word_that_begins_with_a_number_is_refined() -> None:
    article = "新しい鉄道と道路は2030年に開通する。5G網も広がる。"
    assert clean_reply("鉄道; 道路; 2030年です", article, language="ja").phrases == ["鉄道", "道路", "2030年"]
    assert clean_reply("鉄道; 道路; 5G網など", article, language="ja").phrases == ["鉄道", "道路", "5G網"]


@pytest.mark.parametrize(
    "raw",
    [
        "politics\nWait, no: it is about sports.",
        "politics\nOn second thought, sports.",
        "politics\nCorrection: sports",
        "politics\n정정: sports",
        f"politics\n{'It may well be so. ' * 30}\nHmm, wait, sports.",
    ],
)
def test_a_class_that_a_later_line_takes_back_is_none(raw: str) -> None:
    assert clean_reply(raw, ARTICLE, task="classes", classes=["politics", "economy", "sports"]).phrases == []


def test_a_topic_with_its_evidence_or_its_category() -> None:
    evidence = "Cyclists from Laksevåg complained about the narrow path."
    for raw in (f"Tram line\n\n{evidence}", "Tram line (infrastructure)", "Tram line (transport)"):
        assert clean_reply(raw, ARTICLE, task="topic").phrases == ["Tram line"]
    raw = f"Tram line\nCyclists\n\n{evidence}"
    assert clean_reply(raw, ARTICLE, language="en").phrases[:2] == ["Tram line", "Cyclists"]


def test_a_noun_that_ends_like_a_subject_is_none() -> None:
    korean = "소비자 물가가 올라 전문가는 ai 기반 e-commerce 배송을 꺼렸다."
    phrases = ["물가", "전문가", "ai", "e-commerce 배송"]
    assert clean_reply("; ".join(phrases), korean, language="ko").phrases == phrases
    assert clean_reply("소비자 물가 상승입니다.", korean, task="topic").phrases == ["소비자 물가 상승"]


@pytest.mark.parametrize(
    "raw",
    [
        "1. tram line\nThe council of Bergen opened a tram line to the airport.\n2. narrow path\n"
        "Cyclists from Laksevåg complained about the narrow path.",
        f"tram line; narrow path\n\n{ARTICLE}",
    ],
)
def test_a_list_with_its_evidence_is_a_list(raw: str) -> None:
    assert {"tram line", "narrow path"} <= {*clean_reply(raw, ARTICLE, language="en").phrases}


# What the cleaner once changed in silence: a word of an explanation, or a form like another one's, is no sign.
@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("economy\n\nThe article discusses the revised budget for sports venues.", "economy"),
        ("Category: economy\nReason: it mentions a revised plan for politics.", "economy"),
        ("economy\nIt actually touches politics a little", "economy"),
        ("probably politics", "politics"),
        ("Health: no. Sports: yes", "sports"),
        ('SPORTS - a match; the "economy" plays no role', None),
        ("[arts | science | sports | weather]", None),
        ("sports\nLet me correct that: it is politics", None),
        ("The categories of this article are politics, economy", None),
        ("This is mainly a story about politics, also economy", None),
    ],
)
def test_an_explanation_names_no_other_class(raw: str, named: str | None) -> None:
    label = clean_reply(raw, ARTICLE, task="classes", classes=["politics", "economy", "sports"])
    assert label.phrases == ([named] if named else [])


@pytest.mark.parametrize(
    ("raw", "phrases"),
    [
        ("search terms; Google\nCyclists; airport", ["search terms", "Google", "Cyclists", "airport"]),
        (
            "People: Anna Berg, mayor\nPlaces: Bergen, airport\nTopics: tram line, airport, narrow path",
            ["Anna Berg", "mayor", "Bergen", "airport", "tram line", "narrow path"],
        ),
        ("Keyphrase,Reason\ntram line,new\nairport,place\nCyclists,cross", ["tram line", "airport", "Cyclists"]),
        ("1월 수출; 2월 수출", ["1월 수출", "2월 수출"]),
        ("tram; path\ntram line; narrow path", ["tram", "path", "tram line", "narrow path"]),
        ("Main: tram; path\nMinor: tram line; narrow path", ["tram", "path", "tram line", "narrow path"]),
        ("2026 tram; 2026 path; 2026 airport", ["2026 tram", "2026 path", "2026 airport"]),
        ("tram line~~; airport~~; narrow path~~", ["tram line", "airport", "narrow path"]),
        ("tram line ×2, airport ×1, narrow path ×1", ["tram line", "airport", "narrow path"]),
        ("- ~~tram~~ tram line\n- ~~bikes~~ (no)\n- narrow path", ["tram line", "narrow path"]),
    ],
)
def test_ordinary_lists_keep_all_their_phrases(raw: str, phrases: list[str]) -> None:
    assert (
        clean_reply(
            raw, f"{ARTICLE} Anna Berg, the mayor, uses Google for search terms in 2026. 1월 수출과 2월 수출"
        ).phrases
        == phrases
    )


@pytest.mark.parametrize(
    "raw", ["Rise of **artificial intelligence** in hospitals", "Urban transport\nThe revised plan: tram line", "G20"]
)
def test_a_topic_stays_whole(raw: str) -> None:
    assert clean_reply(raw, ARTICLE, task="topic").phrases == [raw.partition("\n")[0].replace("*", "")]


@pytest.mark.parametrize(
    ("raw", "topic"),
    [
        ("Option 1: Cyclists\nOption 2: Tram line", None),
        ("Tram line\nReason 1: it opened.\nReason 2: it is long.", "Tram line"),
        ("Ik zou zeggen: tram line", "tram line"),
        ("Public Transport: tram line", "Public Transport"),
        ("XXX", None),
    ],
)
def test_which_part_of_a_reply_is_the_topic(raw: str, topic: str | None) -> None:
    assert clean_reply(raw, ARTICLE, task="topic").phrases == ([topic] if topic else [])


# --- characters ---


@pytest.mark.parametrize(
    ("reply", "phrases"),
    [
        ("huÃ®tres creuses; Cancale", ["huîtres creuses", "Cancale"]),
        ("한국은행".encode().decode("latin-1"), ["한국은행"]),
        ("Lâ€™Ã©tÃ©; Cancale", ["L’été", "Cancale"]),
        ("waterĠbills;ĠColorado", ["water bills", "Colorado"]),
        ("Il-Ġimgħa; Għawdex", ["Il-Ġimgħa", "Għawdex"]),  # Maltese has the letter
        ("Derneğinden; đăng", ["Derneğinden", "đăng"]),
        ("huÃ®tres; 한국은행", ["huÃ®tres", "한국은행"]),  # not as a whole
        ("São Paulo; Évora", ["São Paulo", "Évora"]),
    ],
)
def test_bytes_read_as_characters_are_read_anew(reply: str, phrases: list[str]) -> None:
    assert clean_reply(reply).phrases == phrases


REMARKS = [
    "Sure! I can help you with that.",
    "Task completed.",
    "Working on it...",
    "No problem, one moment please.",
    "As requested.",
    "the; of; and; to; for",
    "it is what it is",
]


@pytest.mark.parametrize("raw", REMARKS)
def test_a_remark_is_no_label_though_any_article_has_its_words(raw: str) -> None:
    """The article shares a word with each, as most articles do."""
    article = (
        "The company that completed the task of the bridge is working with the city on what it is to cost. To problems of the"
        " moment, the mayor said, there is no answer for now, and please note the request for help."
    )
    assert clean_reply(raw, article, language="en").phrases == []


@pytest.mark.parametrize("marks", ["«{}»", "« {} »", "«\u00a0{}\u00a0»", "“{}”", "《{}》"])
def test_a_title_is_quoted_with_and_without_spaces_within_its_marks(marks: str) -> None:
    assert ArticleIndex(f"Le film {marks.format('Tu viens ?')}, dit-il, est à Lyon.", "fr").quotes("Tu viens ?")
    assert not ArticleIndex("Le film « Tu viens ? Non, dit-il, est à Lyon.", "fr").quotes("Tu viens ?")
