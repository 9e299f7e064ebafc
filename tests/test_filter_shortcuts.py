"""What filters do sooner is what they would do anyway: counts by words, forms by words, Korean unasked."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect import charsets
from pipeline.core.text import form_columns, language, token_columns
from pipeline.core.text.folding import fold_space
from pipeline.core.text.form_columns import forms_utf8
from pipeline.core.text.tokens import column_counter, encoding_counter

PIECES = [
    *(
        "the",
        "harbour",
        "서울시는",
        "항구를",
        "don't",
        "I'LL",
        "1,000만원",
        "12345678",
        "東京",
        "naïve",
        "<|endoftext|>",
        "…",
    ),
    *("--", "’s", "😀👍🏽", "x1y", "3.14", "A/B", "(", "ﬁ", "e\u0301", "\u200b", "\ufeff", "한글ABC", "_", "é"),
]
SPACES = ["  ", "\n", "\t ", "\u00a0", "\u3000", " \n ", "\x1c", "\x85", "\u2028"]


def texts(count: int, odd: float) -> list[str]:
    """Texts of words one space apart, and a share of them with other white space somewhere."""
    draw = random.Random(count)
    made = []
    for _ in range(count):
        words = draw.choices(PIECES, k=draw.randint(0, 60))
        if draw.random() < odd:
            words.insert(draw.randint(0, len(words)), draw.choice(SPACES))
        made.append(" ".join(words) if draw.random() < 0.9 else draw.choice(SPACES).join(words))
    return made


@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base", "o200k_harmony"])
def test_a_column_has_the_counts_of_its_texts(encoding: str) -> None:
    given_texts = texts(600, 0.1)
    column = pa.chunked_array([pa.array(["", *given_texts[:300]]), pa.array(["not of it", *given_texts[300:], ""])[1:]])
    assert column.nbytes > token_columns._FEWEST_BYTES  # of small columns words are not counted apart
    assert column_counter(encoding)(column) == encoding_counter(encoding)(["", *given_texts, ""])


@pytest.mark.parametrize("at_once", [1, 7, 500])
def test_a_long_column_is_counted_run_by_run(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    given_texts = ["", *texts(400, 0.1), "", "", "a " * 600 + "a", ""]
    counts = column_counter("cl100k_base")(pa.chunked_array([given_texts]))
    monkeypatch.setattr(token_columns, "_AT_ONCE", at_once)
    assert column_counter("cl100k_base")(pa.chunked_array([given_texts])) == counts
    assert encoding_counter("cl100k_base")(given_texts) == counts


def test_words_that_come_again_are_counted_once() -> None:
    counted: list[list[str]] = []
    column = pa.chunked_array([["a harbour of the city of the harbour", "the city"] * 3000, ["two  spaces"]])
    count = token_columns.by_words(
        lambda words: [counted.append(list(words)) or len(word.split()) for word in words],  # type: ignore[func-returns-value]
        lambda given: [99 for _ in given],
    )
    assert count(column) == [8, 2] * 3000 + [99]
    assert sorted(counted[0]) == sorted({"a", "the", "two", " ", " harbour", " of", " the", " city", " spaces"})


def test_a_column_of_other_words_is_counted_text_by_text_and_so_are_the_next() -> None:
    seen: list[int] = []

    def count_words(words: Sequence[str]) -> list[int]:
        seen.append(len(words))
        return [1] * len(words)

    count = token_columns.by_words(count_words, lambda given: [len(text.split()) for text in given])
    other = pa.chunked_array([[" ".join(f"w{number}x{text}" for number in range(20)) for text in range(900)]])
    same = pa.chunked_array([[" ".join(f"word{number}" for number in range(20)) for _ in range(900)]])
    for column in (other, *[same] * 16):
        assert count(column) == [20] * 900
    assert seen == [20, 20]  # of the last two columns


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*PIECES, *SPACES, " ", "①", "㈜", "Å", "\u1100\u1161", "가\u11a8", "ㆍ", "½", "ﾞ", "ｶﾞ"]),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        ),
        max_size=30,
    ).map("".join)
)
def test_the_form_of_a_text_is_that_of_its_words(text: str) -> None:
    form = unicodedata.normalize("NFKC", text)
    assert [data.decode() for data in forms_utf8(pa.array([text]))] == [text if form is text else fold_space(form)]


def test_a_column_has_the_forms_of_its_texts() -> None:
    given_texts = ["", *texts(900, 0.1), "끝…", ""]
    column = pa.chunked_array([given_texts[:300], [], pa.array(["not of it", *given_texts[300:]])[1:]])
    alone = [next(forms_utf8(pa.array([text]))) for text in given_texts]
    assert list(forms_utf8(column)) == alone
    assert len({len(text) - len(form) for text, form in zip(given_texts, alone, strict=True)}) > 2


def test_white_space_is_folded_wherever_it_is() -> None:
    for code in range(0x110000):
        if chr(code).isspace() and chr(code) != " ":
            assert not chr(code).isprintable() and fold_space(f"a{chr(code)}b") == "a b"
    for text in ("", " ", "a", " a", "a ", "a  b", "a b", "한 글", "a\x00b", "a\u200bb", "a\ud800 b"):
        assert fold_space(text) == " ".join(text.split())


def test_a_text_that_cannot_be_misread_is_told_sooner() -> None:
    draw, letters = random.Random(3), "가나한글Ã¤ë¹ì„œìš¸“”’–éü한" + "a " * 20
    misread = "서울시는 올해 봄부터 시민에게 항구를".encode().decode("latin-1")
    kinds = set()
    for _ in range(1500):
        some = "".join(draw.choices(letters, k=draw.randint(0, 150)))
        text = some + misread[: draw.randint(0, 90)] * draw.randint(0, 3)
        beyond, most = charsets._beyond_and_bytes(text)
        runs = charsets._BYTES_AS_LETTERS.findall(text)
        assert beyond == sum(character > "\x7f" for character in text) and most >= sum(map(len, runs))
        kinds.add(charsets.mojibake(text))
    assert kinds >= {None, "utf-8"}
    assert {
        chr(code).encode()[0]
        for code in range(0x80, 0x3000)
        if re.match(charsets._BYTES_AS_LETTERS.pattern[:-4], chr(code))
    } == set(b"\xc2\xc3\xc5\xc6\xcb\xe2")


def _is_stable(character: str) -> bool:
    data = character.encode(errors="surrogatepass")
    return not len(form_columns._unstable(np.frombuffer(data, np.uint8)))


def test_characters_that_are_left_alone_change_nowhere() -> None:
    stable = [chr(code) for code in range(0x30000) if _is_stable(chr(code))]
    second = {
        parts[1]
        for code in range(0x110000)
        if len(parts := unicodedata.decomposition(chr(code)).split()) == 2 and "<" not in parts[0]
    }  # what composes with a character before it
    assert len(stable) > 30_000 and "…" not in stable
    for character in stable:
        assert unicodedata.normalize("NFKC", character) == character and not unicodedata.combining(character)
        assert f"{ord(character):04X}" not in second


def test_hangul_that_is_not_asked_about_is_korean() -> None:
    import pycld2

    draw = random.Random(7)
    syllables, latin = (
        [chr(code) for code in range(0xAC00, 0xD7A4)],
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    )
    among = [chr(code) for code in range(0x20, 0x3400) if language._AMONG_HANGUL.fullmatch(chr(code))]
    others, unasked = [each for each in among if each not in latin], 0
    for _ in range(1500):
        some = draw.sample(others, 5)
        share, size = draw.choice([0.1, 0.4, 0.6]), draw.choice([50, 160, 200])
        given = draw.sample(syllables, draw.choice([1, 5, 500]))
        window = [draw.choice(some if draw.random() < share else given) for _ in range(size)]
        for _ in range(draw.randint(0, 5)):
            window[draw.randrange(size)] = draw.choice(latin)
        if language._is_korean("".join(window)):
            reliable, _, ranked = pycld2.detect("".join(window), isPlainText=True, bestEffort=True)
            assert reliable and ranked[0][1] == "ko" and ranked[0][2] >= 60, "".join(window)
            unasked += 1
    assert unasked > 700
    assert not language._is_korean("항구" * 24) and not language._is_korean("항구" * 30 + "abcdef")
    assert not language._is_korean("항구" * 30 + "港")
