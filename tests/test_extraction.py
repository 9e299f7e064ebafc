"""The embedded extractor: shape of its phrases, languages, what users may set, quality and cost."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import editors
from pipeline.label.extractive import Settings, extract

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
LANGUAGES = ["ko", "en", "fr", "de", "es", "it", "pt", "nl", "ja", "zh", "th", "ar", "pt-BR", "xx", "", None]

ENGLISH = (
    "Harbour tunnel opens after nine years The harbour tunnel between Northgate and the old docks opened on Monday. "
    "Engineers dug the harbour tunnel under the river bed. The city council paid 40 million for the tunnel, said the "
    "council's engineer, and the ferry service between Northgate and the docks will close. Write to info@example.org "
    "or see https://example.org/tunnel for the ferry timetable; the ferry service ends in May."
)
KOREAN = (
    "서울시, 지하철 노선 개편 서울시가 지하철 노선을 개편한다고 밝혔다. 지하철 노선은 내년부터 바뀐다. "
    "시민들은 지하철 노선 개편에 대해 환영했다. 경기도의 버스 노선과 연결되는 환승센터도 새로 짓는다. "
    "환승센터는 고속도로에서 가깝다. 국무회의에서는 예산을 논의했으며, 환승센터 예산은 국회의 심사를 거친다."
)


def phrases(
    text: str, language: str | None = None, limit: int = 10, title: str | None = None, **more: Any
) -> list[str]:
    return extract(text, title=title, language=language, settings=Settings(limit, **more))


def well_formed(phrase: str, text: str) -> bool:
    inside = phrase in unicodedata.normalize("NFC", text)
    edges = phrase[0].isalnum() and (phrase[-1].isalnum() or unicodedata.category(phrase[-1])[0] == "M")
    return inside and edges and not re.search(r"[;\n]|https?:|www\.|@", phrase) and not re.fullmatch(r"[\W\d]+", phrase)


TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="ab가나는을의에서 도.,;'’-&12@/:\n\t“”א한中かカ", max_size=300),
    st.lists(st.sampled_from([*ENGLISH.split(), *KOREAN.split()]), max_size=60).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(LANGUAGES), st.integers(0, 12), st.one_of(st.none(), st.text(max_size=30)))
def test_any_text_gives_well_formed_phrases(text: str, language: str | None, limit: int, title: str | None) -> None:
    found = phrases(text, language, limit, title)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert all(well_formed(phrase, text) for phrase in found)


@pytest.mark.parametrize("language", ["ko", "en", "ja", "zh", None])
@pytest.mark.parametrize(
    "text",
    ["", " ", "a" * 10**6, "가" * 10**6, "中" * 10**6, "a-" * 500_000, "a." * 500_000, "1," * 500_000, "@" * 10**6,
     "www." * 250_000, "😀" * 10**6, "\x00\x1f\u200b\ufeff", "\ud800", "שלום עולם " * 1000, "a'" * 500_000],
    ids=lambda text: repr(text[:6]),
)  # fmt: skip
def test_hostile_texts_are_quick_and_do_not_raise(text: str, language: str | None) -> None:
    started = time.process_time()
    phrases(text, language)
    assert time.process_time() - started < 5


def test_english_phrases() -> None:
    found = phrases(ENGLISH, "en")
    assert "harbour tunnel" in [phrase.lower() for phrase in found]
    assert "ferry service" in found
    assert "Northgate" in found
    assert not {"the", "said", "Monday"} & set(found)


CLERK = (
    "LEEDS, March 3 (Reuters) - Town clerk Mara Ellis wants the Institute for Tidal Studies to move its archive of storm "
    "maps. Ellis told Reuters that the storm maps are kept in damp boxes. The Institute for Tidal Studies, founded by the "
    "Board of Harbours and Lights (BHL), says the storm maps were drawn by hand in 1902. The BHL paid for the maps, and "
    "Ellis hopes it will pay again by Friday. Researchers are wishing the damp boxes were replaced."
)


def test_names_stand_in_full_and_once() -> None:
    found = phrases(CLERK, "en", 7)
    assert {"Mara Ellis", "Institute for Tidal Studies", "storm maps"} <= set(found)
    assert not {"Ellis", "Town clerk Mara Ellis", "Institute", "BHL", "storm"} & set(found)


def test_datelines_agencies_months_and_verbs_are_no_phrases() -> None:
    words = {word for phrase in phrases(CLERK, "en", 20) for word in phrase.split()}
    assert not words & {"LEEDS", "Reuters", "March", "Friday", "wants", "told", "wishing", "kept", "hopes", "drawn"}


def test_no_phrase_is_part_of_another() -> None:
    for text, language in ((ENGLISH, "en"), (CLERK, "en"), (KOREAN, "ko")):
        found = [set(phrase.lower().split()) for phrase in phrases(text, language, 20)]
        assert not [(one, other) for one in found for other in found if one is not other and one <= other]


def test_capitals_of_a_headline_tell_nothing() -> None:
    body = "The council closed the night ferry on Monday. Passengers of the night ferry will take a bus to Northgate."
    found = phrases(f"Council Closes Night Ferry\n{body} " + "The bus is slow. " * 12, "en")
    assert "night ferry" in found
    assert not [phrase for phrase in found if "Closes" in phrase]


def test_korean_phrases_carry_no_particles_and_no_verbs() -> None:
    found = phrases(KOREAN, "ko", 15)
    assert {"지하철 노선", "환승센터", "서울시"} <= set(found)
    assert not [phrase for phrase in found if re.search(r"(다|에서는|은|을|과)$", phrase)]


SHIPYARD = (
    "[목포=바다통신] 홍길산 기자 = 목포시가 옛 조선소를 고쳐 '돛대와 노래' 공연장을 연다고 3일 밝혔다. "
    '안도현 관장은 "공연장에서는 매주 토요일 공연을 올린다"고 말했다. 안도현 관장에겐 이번 공연장이 세 번째다. '
    "공연장의 온돌마루와 온돌마루를 데우는 지열난방은 해양에너지연구원(해에연)이 만들었다. "
    "해에연은 지열난방으로 12억 원을 아꼈다. 무단 전재 및 재배포 금지"
)


def test_korean_particles_are_cut_by_what_the_article_shows() -> None:
    found = phrases(SHIPYARD, "ko", 20)
    assert {"목포시", "안도현", "지열난방", "해양에너지연구원", "돛대와 노래"} <= {
        phrase.removesuffix(" 관장") for phrase in found
    }
    joined = " ".join(found)
    assert not re.search(r"에겐|에서는|올린|말했|아꼈|12억|홍길산|기자|바다통신|전재|토요일|3일", joined)


def test_a_noun_that_ends_like_a_particle_is_kept_whole() -> None:
    """도 is a particle and part of 위험도; several particles behind 위험도 settle it."""
    text = "지진 위험도가 높다. 지진 위험도를 낮춘다. 지진 위험도에 따라 보험료가 오른다."
    assert "지진 위험도" in phrases(text, "ko")


@pytest.mark.slow
def test_korean_by_an_analyser() -> None:
    pytest.importorskip("kiwipiepy", reason="needs the extra: pip install 'labelmill[korean]'")
    found = phrases(SHIPYARD, "ko", 20, korean="kiwi")
    assert {"목포시", "지열난방", "해양에너지연구원"} <= set(found)
    assert not re.search(r"에겐|에서는|올린|말했|아꼈|12억", " ".join(found))


def test_japanese_and_chinese_phrases() -> None:
    japanese = "東京タワーの改修工事が始まった。改修工事は来年まで続く。東京タワーは観光客に人気がある。"
    assert {"東京タワー", "改修工事"} <= set(phrases(japanese, "ja"))
    chinese = "地铁新线开通。市民乘坐地铁。地铁公司说，地铁票价不变。"
    assert "地铁" in phrases(chinese, "zh")


def test_the_script_tells_an_unnamed_language() -> None:
    assert phrases(KOREAN) == phrases(KOREAN, "ko")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", CLERK),
        (
            "fr",
            "L'usine d'Aulnay ferme. La direction de l'usine a annoncé la fermeture de l'atelier de peinture à la presse.",
        ),
        (
            "de",
            "Der Hafen wird ausgebaut. Die Arbeiten an dem Hafen sollen bis zum Herbst von der Stadt bezahlt werden.",
        ),
        (
            "es",
            "El puerto de la ciudad será ampliado. Las obras del puerto durarán hasta el otoño y las paga el ayuntamiento.",
        ),
        (
            "it",
            "Il porto della città sarà ampliato. I lavori del porto dureranno fino all'autunno e li paga il comune.",
        ),
        ("pt", "O porto da cidade será ampliado. As obras do porto vão durar até ao outono e são pagas pela câmara."),
        (
            "nl",
            "De haven van de stad wordt uitgebreid. De werken aan de haven duren tot de herfst en worden door de stad betaald.",
        ),
    ],
)
def test_function_words_tell_an_unnamed_language(language: str, text: str) -> None:
    assert phrases(text) == phrases(text, language)


def test_unknown_languages_show_their_stop_words() -> None:
    found = [phrase.lower() for phrase in phrases(ENGLISH, "xx")]
    assert found
    assert not [phrase for phrase in found if "the" in phrase.split()]


def test_elided_articles_stay_outside_french_phrases() -> None:
    text = "L'usine d'Aulnay ferme. La direction de l'usine d'Aulnay annonce la fermeture de l'usine d'Aulnay."
    found = phrases(text, "fr")
    assert "usine d'Aulnay" in found
    assert not [phrase for phrase in found if phrase.lower().startswith(("l'", "d'"))]


def test_the_title_counts_and_may_be_absent_from_the_text() -> None:
    text = "The ferry sank. A storm rose. The lighthouse stood. Later the storm, the ferry and the lighthouse were painted."
    plain = phrases(text, "en")
    titled = phrases(text, "en", title="Lighthouse painted")
    assert "Lighthouse painted" not in titled
    assert titled.index("lighthouse") < plain.index("lighthouse")


def test_phrases_are_as_long_as_asked() -> None:
    for fewest, most in ((1, 1), (2, 3), (3, 9)):
        for text, language in ((CLERK, "en"), (KOREAN, "ko")):
            found = phrases(text, language, 20, words=(fewest, most))
            assert all(fewest <= len(phrase.split()) <= most for phrase in found)
    assert "Institute for Tidal Studies" in phrases(CLERK, "en", words=(4, 4))


def test_candidates_are_all_there_is_to_choose_from() -> None:
    given = ("damp boxes", "maps", "storm maps", "Storm Map", "lighthouse", "kept in damp")
    found = phrases(CLERK, "en", candidates=given)
    assert {"damp boxes", "maps", "storm maps", "kept in damp"} == set(found)
    assert set(phrases(KOREAN, "ko", candidates=("버스 노선", "노선", "없는 말"))) == {"버스 노선", "노선"}
    assert phrases("東京の港で新しい船が進水した。船は白い。", "ja", candidates=("進水", "飛行機")) == ["進水"]


def test_stop_words_of_the_user_bound_phrases() -> None:
    assert not [phrase for phrase in phrases(CLERK, "en", 20, stop_words=frozenset({"storm"})) if "storm" in phrase]
    assert not [
        phrase for phrase in phrases(KOREAN, "ko", 20, stop_words=frozenset({"노선"})) if "노선" in phrase.split()
    ]


def test_diversity_keeps_what_shares_words_apart() -> None:
    text = (
        "The cat allergy vaccine helps. A cat allergy trial begins. The cat allergy trial and the cat allergy vaccine cost much. "
        * 3
    )
    text += "Oxford paid. The pollen count rose, and the pollen count fell."
    alike, different = phrases(text, "en", 3, diversity=0.0), phrases(text, "en", 3, diversity=1.0)
    words = [[word for phrase in found for word in phrase.split()] for found in (alike, different)]
    assert len(set(words[1])) / len(words[1]) >= len(set(words[0])) / len(words[0])
    assert alike != different


@pytest.mark.slow
def test_a_label_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from tests.test_extraction import *; "
        "print(phrases(ENGLISH, 'en'), phrases(CLERK), phrases(KOREAN, 'ko'), phrases(SHIPYARD, 'ko', 20))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "42")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("language", "accepted", "agreed"), [("en", 0.74, 0.45), ("fr", 0.76, 0.48), ("ko", 0.76, 0.49)]
)
def test_editors_take_the_labels(language: str, accepted: float, agreed: float) -> None:
    """On the articles that the weights were trained on."""
    folder = SHARED / "editors-gold"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    gold = editors.load(folder, language)
    labels = [phrases(one.article[0], language, 7, one.article[1]) for one in gold]
    assert all(len(label) >= 6 for label, one in zip(labels, gold, strict=True) if len(one.text) >= 400)
    worth = editors.worth(zip(gold, labels, strict=True))
    assert worth[0] > accepted and worth[1] > agreed


def test_korean_news_gives_nouns() -> None:
    path = SHARED / "news-ko.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no shared data at {path}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [" ".join(json.loads(line)["text"].split()) for line in lines]
    found = [phrase for text in texts for phrase in phrases(text, "ko")]
    assert len(found) > 400
    inflected = [phrase for phrase in found if re.search(r"(했다|하는|에서|에게|으로|까지|을|를|습니다)$", phrase)]
    assert len(inflected) < 0.01 * len(found)
