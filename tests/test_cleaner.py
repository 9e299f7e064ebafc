"""The reply cleaner: shapes of untidy replies, in four languages, and what holds for every string."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import clean_reply
from pipeline.clean.offsets import locate
from tests.conftest import ROOT, SHARED

ARTICLE = (
    "서울시는 18일 전통시장 활성화 대책을 발표했다. 올해 예산은 1,000만원 늘었고, 드라마 '가시나무 꽃' 촬영지도 지원한다. "
    "한국, 미국 대화가 U.S. 대사관에서 열렸다. R&D 투자와 C# 교육, .NET 개발자, MLB.com 중계, S&P 500 지수도 다뤘다. "
    "제목: 부제 라는 이름의 책과 정·관계 로비, 2022/23시즌, 인공지능(AI) 반도체 수출이 늘었다."
)

# raw reply -> phrases, without an article
SHAPES: list[tuple[str, list[str]]] = [
    ("harbour tunnel; ferry service; old docks", ["harbour tunnel", "ferry service", "old docks"]),
    ("harbour tunnel, ferry service, old docks", ["harbour tunnel", "ferry service", "old docks"]),
    ("항구 터널; 여객선 운항; 구 부두", ["항구 터널", "여객선 운항", "구 부두"]),
    ("항구 터널, 여객선 운항, 구 부두", ["항구 터널", "여객선 운항", "구 부두"]),
    ("1. harbour tunnel\n2. ferry service\n3. old docks", ["harbour tunnel", "ferry service", "old docks"]),
    ("1) harbour tunnel\n2) ferry service", ["harbour tunnel", "ferry service"]),
    ("(1) harbour tunnel (2) ferry service (3) old docks", ["harbour tunnel", "ferry service", "old docks"]),
    ("① 항구 터널 ② 여객선 ③ 부두", ["항구 터널", "여객선", "부두"]),
    ("가. 항구 터널\n나. 여객선\n다. 부두", ["항구 터널", "여객선", "부두"]),
    ("1. harbour tunnel 2. ferry service 3. old docks", ["harbour tunnel", "ferry service", "old docks"]),
    ("- harbour tunnel\n- ferry service", ["harbour tunnel", "ferry service"]),
    ("* harbour tunnel\n* ferry service", ["harbour tunnel", "ferry service"]),
    ("• 항구 터널\n• 여객선", ["항구 터널", "여객선"]),
    ("▶ 항구 터널\n▶ 여객선", ["항구 터널", "여객선"]),
    ("・港のトンネル\n・フェリー", ["港のトンネル", "フェリー"]),
    ("港のトンネル、フェリー、埠頭", ["港のトンネル", "フェリー", "埠頭"]),
    ('{"keyphrases": ["harbour tunnel", "ferry; service"]}', ["harbour tunnel", "ferry; service"]),
    ('{"result": {"phrases": ["harbour tunnel", "ferry"]}}', ["harbour tunnel", "ferry"]),
    ('```json\n["harbour tunnel", "ferry"]\n```', ["harbour tunnel", "ferry"]),
    ('Here you go:\n```json\n{"keywords": ["harbour tunnel"]}\n```\nLet me know!', ["harbour tunnel"]),
    ('["harbour tunnel", "ferry service", "old do', ["harbour tunnel", "ferry service"]),
    ("['harbour tunnel', 'ferry service']", ["harbour tunnel", "ferry service"]),
    ("| harbour tunnel | ferry service |", ["harbour tunnel", "ferry service"]),
    ("| # | Phrase |\n|---|---|\n| 1 | harbour tunnel |\n| 2 | ferry service |", ["harbour tunnel", "ferry service"]),
    ("**harbour tunnel**; *ferry service*; `old docks`", ["harbour tunnel", "ferry service", "old docks"]),
    ("#harbour #ferry #docks", ["harbour", "ferry", "docks"]),
    ("“harbour tunnel”; ‘ferry service’", ["harbour tunnel", "ferry service"]),
    ("「항구 터널」; 『여객선』; 《부두》", ["항구 터널", "여객선", "부두"]),
    ("« tunnel du port »; « ferry »", ["tunnel du port", "ferry"]),
    ("Key phrases: harbour tunnel; ferry service", ["harbour tunnel", "ferry service"]),
    ("Keywords:\nharbour tunnel; ferry service", ["harbour tunnel", "ferry service"]),
    ("Here are the key phrases:\n\n1. harbour tunnel\n2. ferry service", ["harbour tunnel", "ferry service"]),
    ("핵심 구문: 항구 터널; 여객선", ["항구 터널", "여객선"]),
    ("기사의 핵심 구문은 다음과 같습니다:\n1. 항구 터널\n2. 여객선", ["항구 터널", "여객선"]),
    ("Mots-clés : tunnel du port; ferry", ["tunnel du port", "ferry"]),
    ("キーワード：港のトンネル、フェリー", ["港のトンネル", "フェリー"]),
    ("harbour tunnel; ferry service\n\nI hope this helps!", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel (0.92); ferry service (0.87)", ["harbour tunnel", "ferry service"]),
    ("항구 터널；여객선；부두", ["항구 터널", "여객선", "부두"]),
    ("R&amp;D; S&amp;P 500", ["R&D", "S&P 500"]),
    ("harbour tunnel\\nferry service", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; ferry service [/INST]", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; ferry service</s>", ["harbour tunnel", "ferry service"]),
    ("<think>What is it about? A tunnel.</think>harbour tunnel; ferry service", ["harbour tunnel", "ferry service"]),
    ("<keywords>harbour tunnel; ferry service</keywords>", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; Harbour Tunnel; ferry service", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; ferry service)", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; https://news.example/1; ferry service", ["harbour tunnel", "ferry service"]),
    ("harbour tunnel; desk@news.example; ferry service", ["harbour tunnel", "ferry service"]),
    ("서울\u1109\u1165; 항구\u200b 터널; 여객선\u00a0운항", ["서울서", "항구 터널", "여객선 운항"]),
    ("1,000만원; U.S.; C#; R&D; .NET", ["1,000만원", "U.S.", "C#", "R&D", ".NET"]),
    ("a1; a1; b; c; d; e; f; g; h", ["a1", "b", "c", "d", "e", "f", "g"]),
]


@pytest.mark.parametrize(("raw", "wanted"), SHAPES, ids=[raw[:30].replace("\n", "|") for raw, _ in SHAPES])
def test_shapes(raw: str, wanted: list[str]) -> None:
    assert clean_reply(raw).phrases == wanted


# raw reply -> (phrase, tier), with the article above
SETTLED: list[tuple[str, list[tuple[str, str]]]] = [
    ("한국, 미국 대화; 전통시장", [("한국, 미국 대화", "exact"), ("전통시장", "exact")]),
    ("전통시장, 예산", [("전통시장", "exact"), ("예산", "exact")]),
    ("드라마 '가시나무 꽃'; 1,000만원", [("드라마 '가시나무 꽃'", "exact"), ("1,000만원", "exact")]),
    ("제목: 부제; 2022/23시즌", [("제목: 부제", "exact"), ("2022/23시즌", "exact")]),
    ("정·관계 로비; U.S. 대사관", [("정·관계 로비", "exact"), ("U.S. 대사관", "exact")]),
    ("전통 시장 활성화", [("전통시장 활성화", "spacing")]),
    ("수출 급감; 전통시장", [("수출 급감", "absent"), ("전통시장", "exact")]),
    ("MLB.com; S&P 500; C#; .NET", [("MLB.com", "exact"), ("S&P 500", "exact"), ("C#", "exact"), (".NET", "exact")]),
]


@pytest.mark.parametrize(("raw", "wanted"), SETTLED, ids=[raw for raw, _ in SETTLED])
def test_the_article_settles_what_is_ambiguous(raw: str, wanted: list[tuple[str, str]]) -> None:
    label = clean_reply(raw, ARTICLE, language="ko")
    assert list(zip(label.phrases, label.tiers, strict=True)) == wanted


def test_absent_phrases_are_dropped_where_the_job_says_so() -> None:
    assert clean_reply("화성 탐사; 전통시장", ARTICLE, absent="drop").phrases == ["전통시장"]


def test_morphology_in_english() -> None:
    label = clean_reply("harbour tunnels", "The harbour tunnel was opened to the public.", language="en")
    assert label.tiers == ["morphological"]


@pytest.mark.parametrize(
    ("raw", "options", "status"),
    [
        ("", {}, "empty"),
        (" \n; ,", {}, "empty"),
        ("None", {}, "no_answer"),
        ("없음", {}, "no_answer"),
        ("I'm sorry, but I can't help with that.", {}, "refusal"),
        ("죄송하지만 해당 기사에서는 핵심 구문을 찾을 수 없습니다.", {}, "refusal"),
        ("Je suis désolé, je ne peux pas répondre.", {}, "refusal"),
        ("申し訳ありませんが、お答えできません。", {}, "refusal"),
        ("Sure, I can help. Please provide me with the article.", {}, "no_answer"),
        ("다양한 사람들이 특별한 시간을 보낼 수", {"finish_reason": "length"}, "truncated"),
        ("market kit; traditional market; Seoul", {"article": ARTICLE, "language": "ko"}, "language_mismatch"),
    ],
)
def test_statuses(raw: str, options: dict[str, Any], status: str) -> None:
    label = clean_reply(raw, **options)
    assert (label.status, label.phrases) == (status, [])


def test_a_cut_last_phrase_goes() -> None:
    label = clean_reply("harbour tunnel; ferry service; the old do", finish_reason="length")
    assert (label.phrases, label.status) == (["harbour tunnel", "ferry service"], "ok")
    assert "truncated_tail" in label.repairs


TABLE = json.loads((ROOT / "tests" / "data" / "reply_shapes.json").read_text("utf-8"))


@pytest.mark.parametrize(
    "shape", TABLE["shapes"], ids=[shape.get("name", shape["raw"][:40]) for shape in TABLE["shapes"]]
)
def test_the_table_of_shapes(shape: dict[str, Any]) -> None:
    """Shapes of our own writing; `article` names one of the table's articles, `text` is one in full."""
    article = TABLE["articles"].get(shape.get("article")) or shape.get("text")
    options: dict[str, Any] = {key: shape[key] for key in ("finish_reason", "absent", "language") if key in shape}
    label = clean_reply(shape["raw"], article, **options)
    assert (label.phrases, label.status) == (shape["expected"], shape.get("status", "ok"))
    assert label.tiers == shape.get("tiers", label.tiers)
    assert label.repairs == shape.get("repairs", label.repairs)


CASES = [json.loads(line) for line in (ROOT / "tests/data/reply_cases.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[case["shape"][:60] for case in CASES])
def test_cases_that_were_written_without_knowing_the_cleaner(case: dict[str, Any]) -> None:
    options = {name: case[name] for name in ("language", "finish_reason", "absent")}
    label = clean_reply(case["raw"], case["article"], **options)
    assert (label.phrases, label.status) == (case["expected"], case["status"])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_offsets_are_code_points_of_the_article_as_given(form: Any) -> None:
    article = unicodedata.normalize(form, "😀 그는 한국 은행… 84㎡ 아파트를 샀다. Café society.")
    spans = locate(["한국은행", "84㎡ 아파트", "Café society", "한국 은행", "없는 말"], article)
    found = [unicodedata.normalize("NFC", article[slice(*span)]) if span else None for span in spans]
    assert found == ["한국 은행", "84㎡ 아파트", "Café society", "한국 은행", None]


@pytest.mark.slow
def test_korean_by_an_analyser() -> None:
    article = "한국은행은 어제 기준금리를 인상하였다. 시장에서는 이를 고마워하는 분위기였다."
    told = [clean_reply("기준금리 인상", article, language="ko", korean=how).tiers for how in ("rules", "kiwi")]
    assert told == [["absent"], ["morphological"]]


@pytest.mark.parametrize("form", ["{}", "  {}\n", "Key phrases: {}", "```\n{}\n```", "<think>x</think>{}", "{}</s>"])
@pytest.mark.parametrize("separator", ["; ", ", ", "\n", "；", " | ", "\n- ", " • ", "\n\n"])
def test_every_separator_in_every_envelope(form: str, separator: str) -> None:
    phrases = ["전통시장 활성화", "R&D 투자", "U.S. 대사관", "2022/23시즌"]
    assert clean_reply(form.format(separator.join(phrases)), ARTICLE).phrases == phrases


def test_the_shared_shapes() -> None:
    path = SHARED / "untidy-replies.jsonl"
    if not path.exists():
        pytest.skip(f"the shared data are not at {path}")
    special: dict[str, dict[str, Any]] = {
        "truncated last": {"finish_reason": "length"},
        "language switch": {"article": ARTICLE, "language": "ko"},
        "hallucinated": {"article": "서울시는 항구를 열었다.", "absent": "drop"},
    }
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        assert clean_reply(row["raw"], **special.get(row["shape"], {})).phrases == row["expected"], row["shape"]


MARKS, QUOTES = frozenset(";；,、|•·▲■*`-–—:…"), frozenset("\"'“”‘’")
PIECES = ["; ", ", ", "\n", "1. ", "- ", "**", '"', "'", "(", ")", "[", "]", "{", "}", ":", "|", "<think>", "</think>", "`",
          "#", "항구 터널", "ferry", "港", "\\n", "&amp;", "Key phrases: ", "\u200b", "…", "「", "」", "0.9", "None"]  # fmt: skip
REPLIES = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


@settings(max_examples=200, deadline=None)
@given(raw=REPLIES, article=st.one_of(st.none(), st.just(ARTICLE), st.text(max_size=80)), limit=st.integers(1, 9))
def test_what_holds_for_every_reply(raw: str, article: str | None, limit: int) -> None:
    label = clean_reply(raw, article, max_phrases=limit)
    assert len(label.phrases) <= limit
    assert (label.status == "ok") == bool(label.phrases)
    assert len(label.tiers) == (len(label.phrases) if article and article.strip() else 0)
    assert len(set(label.phrases)) == len(label.phrases)
    for phrase in label.phrases:
        assert phrase == unicodedata.normalize("NFC", phrase) == phrase.strip() and phrase
        assert phrase[0] not in MARKS and phrase[-1] not in MARKS
        assert phrase[-1] not in QUOTES or re.search(r"\w ?[\"'“‘][^\"“”‘]+[\"'”’]$", phrase)  # 드라마 '가시나무 꽃'
        assert phrase[0] not in QUOTES or re.match(r"[\"'“‘][^\"“”‘]+[\"'”’] \w", phrase)


@settings(max_examples=200, deadline=None)
@given(raw=REPLIES, article=st.one_of(st.none(), st.just(ARTICLE), REPLIES), limit=st.integers(1, 9))
def test_cleaning_a_clean_label_changes_nothing(raw: str, article: str | None, limit: int) -> None:
    phrases = clean_reply(raw, article, max_phrases=limit).phrases
    assert clean_reply(json.dumps(phrases), article).phrases == phrases
    assert clean_reply(json.dumps({"keyphrases": phrases}, ensure_ascii=False), article).phrases == phrases


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "a; ",
        "[",
        '"',
        "1. ",
        "<think>",
        "|",
        "&amp;",
        "a\n",
        '{"a":',
        "**",
        "'a', ",
        "\\n",
        "```",
        "가. ",
        "「",
        "'",
        "<a>",
        "</think>",
        "\\",
        "[/INST]",
        "a: ",
        "key phrases: ",
        "| a |\n",
        "#a ",
        "\u0301\u0323",
        "(a",
        "https://",
        "a@",
        "①",
        "주제: ",
        ".",
        " ",
        "\u200b",
        "1\n",
        "A, ",
        "했다. ",
        "&",
    ],
)
def test_a_megabyte_of_anything_takes_no_time(unit: str) -> None:
    raw = unit * (1_000_000 // len(unit))
    started = time.process_time()
    clean_reply(raw, ARTICLE)
    assert time.process_time() - started < 5  # a sanity bound: it takes about 0.2 s; a backtracking pattern never ends
