"""Links to other articles within one, and boxes that pop up over its words, are no text of it; links that are its subject stay."""

from __future__ import annotations

import pytest

from pipeline.collect.html.extract import Mode, Page, extract

EN = [
    "The city council voted on Monday to rebuild the harbour wall after two winters of storms had damaged it badly.",
    "Engineers had warned that the old wall, finished in 1931, would not stand another season of heavy weather.",
    "The work begins in March, takes about fourteen months and costs the city and the state eleven million in all.",
    "Fishing boats move to the northern basin meanwhile, where the port has dredged the channel to four metres.",
    "Shop owners on the quay asked for a path that stays open, and the council promised one for the whole time.",
    "The last wall took nine years to build, said the harbour master, who keeps the drawings of it in his office.",
]
KO = [
    "시의회는 두 해 겨울 폭풍으로 크게 망가진 항구 방벽을 다시 쌓기로 월요일 의결했다고 밝혔다.",
    "기술자들은 천구백삼십일년에 끝난 옛 방벽이 다음 겨울의 거친 날씨를 견디지 못한다고 경고해 왔다.",
    "공사는 삼월에 시작해 열네 달쯤 걸리고 시와 도가 함께 비용을 내기로 하였다고 담당자가 설명했다.",
    "고깃배들은 그동안 북쪽 부두로 옮겨 가며 항만은 그곳 물길을 사 미터까지 파 두었다고 전했다.",
    "부두의 상인들은 내내 열려 있는 길을 부탁했고 의회는 공사 동안 길을 막지 않겠다고 약속했다.",
]


def page(*parts: str, title: str = "Harbour wall to be rebuilt") -> bytes:
    body = "".join(part if part.startswith("<") else f"<p>{part}</p>" for part in parts)
    return f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1>{body}</article></body></html>".encode()


def read(*parts: str, mode: Mode = "fast") -> Page:
    found = extract(page(*parts), "https://news.example/1", None, mode)
    assert found.reason is None, found
    return found


def link(text: str) -> str:
    return f"<a href='https://news.example/2'>{text}</a>"


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize(
    ("texts", "promotion"),
    [
        (EN, f"<p><strong>READ MORE: {link('Storm damages three piers in the south')}</strong></p>"),
        (EN, f"<p>Related: {link('How the port was dredged in a single summer')}</p>"),
        (EN, f"<p>{link('MAYOR SAYS THAT THE QUAY STAYS OPEN ALL YEAR')}</p>"),
        (EN, f"<p><em>{link('Click here to get our newsletter every day')}</em></p>"),
        (EN, f"<p>Lire aussi : {link('Le port de la ville voisine ferme en hiver')}</p>"),
        (EN, f"<p>Lesen Sie auch: {link('Der alte Hafen und seine Boote')}</p>"),
        (KO, f"<p>[관련기사] {link('남쪽 부두 세 곳이 폭풍에 무너졌다')}</p>"),
        (KO, f"<p>{link('▶ 관련 기사: 남쪽 부두 세 곳이 폭풍에 무너졌다')}</p>"),
    ],
)
def test_a_paragraph_that_leads_elsewhere_is_taken_out(texts: list[str], promotion: str, mode: Mode) -> None:
    found = read(*texts[:3], promotion, *texts[3:], mode=mode)
    assert found.text.split("\n") == texts
    assert [rule for rule, _ in found.removed if rule == "promotion"] == ["promotion"]


@pytest.mark.parametrize(
    "stays",
    [
        f"<p>{link('The report on the harbour wall is here, and it is long and worth reading')}</p>",  # a link, but no cue
        f"<p>Read more about walls in the report, which {link('the state')} published last year in four volumes.</p>",
        "<p>RELATED WORK ON THE SOUTHERN PIER HAS BEEN STOPPED BY THE STATE FOR A YEAR.</p>",  # no link
        f"<p>{link('NATO')} and {link('the EU')} did not answer questions about the wall on Monday evening.</p>",
    ],
)
def test_what_only_looks_like_it_stays(stays: str) -> None:
    found = read(*EN[:3], stays, *EN[3:])
    assert len(found.text.split("\n")) == len(EN) + 1
    assert not any(rule == "promotion" for rule, _ in found.removed)


def test_an_article_whose_subject_is_links_keeps_them() -> None:
    deals = [f"<p>{link(f'SEE ALSO: HARBOUR LAMP NUMBER {n} FOR A QUARTER LESS')}</p>" for n in range(4)]
    seventh = (
        "Every lamp was tested for a week by two of the boats, whose crews say which of them they would buy again."
    )
    found = read(*EN[:4], *deals, *EN[4:], seventh)
    assert sum("HARBOUR LAMP" in line for line in found.text.split("\n")) == 4


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize(
    "name", ["rollover-people-block", "tooltip__content", "popover-body", "hoverCardInner hover-card-inner"]
)
def test_a_box_over_a_name_is_no_part_of_the_sentence(name: str, mode: Mode) -> None:
    box = f"<span class='{name}'><a href='/x'>Ann Lee</a> <a href='/y'>Ann Lee opens a school in the east</a></span>"
    with_box = EN[5].replace("harbour master,", f"harbour <b>master</b>{box},")
    found = read(*EN[:5], with_box, mode=mode)
    assert found.text.split("\n") == EN
    assert ("popup", "Ann Lee Ann Lee opens a school in the east") in found.removed
