"""Korean particles and predicates, and stems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.text.korean import final_consonant, is_predicate, split_particles, strip_particles
from pipeline.core.text.stems import stem


@pytest.mark.parametrize(
    ("word", "noun"),
    [
        ("서울의", "서울"),
        ("정부가", "정부"),
        ("정부는", "정부"),
        ("국민은", "국민"),
        ("대통령이", "대통령"),
        ("예산을", "예산"),
        ("서울에서는", "서울"),
        ("중국으로부터", "중국"),
        ("학생에게도", "학생"),
        ("정상회담에서의", "정상회담"),
        ("문제뿐만", "문제"),
        ("3일까지", "3일"),
        ("미국과의", "미국"),
        ("사회와도", "사회"),
        ("지하철로", "지하철"),
        ("제도로", "제도"),
        ("결과는", "결과"),
        ("조사결과는", "조사결과"),
        ("위원회의", "위원회"),
        ("협의회의", "협의회"),
        ("제주의", "제주"),
        ("경기도의", "경기도"),
        ("마을을", "마을"),
        ("어린이가", "어린이"),
        ("책을", "책"),
        ("KBS가", "KBS"),
        ("컴퓨터라는", "컴퓨터"),
    ],
)
def test_particles_and_their_stacks_are_stripped(word: str, noun: str) -> None:
    assert strip_particles(word) == noun


@pytest.mark.parametrize(
    "word",
    [
        *("이자", "도로", "과학", "회의", "국무회의", "경기도", "민주주의", "결과", "조사결과", "마을"),
        *("어린이", "제도"),
        *("고속도로", "30만", "서울", "북한", "한국인", "아르헨티나", "가", "의", "도", "news", "정부"),
    ],
)
def test_nouns_that_end_like_a_particle_stay(word: str) -> None:
    assert strip_particles(word) == word


def test_particles_agree_with_the_final_consonant() -> None:
    assert split_particles("국가") == ("국가", "")  # 가 follows a vowel only
    assert split_particles("차이") == ("차이", "")  # 이 a consonant
    assert final_consonant("가") == 0
    assert final_consonant("각") == 1
    assert final_consonant("x") is None


@pytest.mark.parametrize(
    "word",
    ["했다", "있는", "밝혔다", "위한", "따르면", "된다고", "하는", "늘어났지만", "중요한", "예정입니다", "나타나고"],
)
def test_verbs_and_adjectives_are_predicates(word: str) -> None:
    assert is_predicate(word)


@pytest.mark.parametrize("word", ["정부", "캐나다", "북한", "권한", "역할", "피해", "필요", "교통사고", "보고", "측면"])
def test_nouns_are_not_predicates(word: str) -> None:
    assert not is_predicate(word)


@given(st.text())
def test_stripping_keeps_a_beginning_of_the_word(word: str) -> None:
    base = strip_particles(word)
    assert word.startswith(base)
    assert bool(base) == bool(word)


@given(st.text(), st.sampled_from(["ko", "en", "fr", "de", "ja", "ar", "xx", "", None]))
def test_stems_never_raise_and_are_stable(word: str, language: str | None) -> None:
    assert stem(word, language) == stem(word, language)


def test_stems_follow_the_language() -> None:
    assert stem("Elections", "en") == stem("election", "en")
    assert stem("élections", "fr") == stem("élection", "fr")
    assert stem("서울에서는", "ko") == "서울"
    assert stem("Straße", None) == "strasse"
    assert stem("Running", "xx") == "running"
