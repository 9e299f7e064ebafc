"""Ordinary replies: every form that models write lists in, behind every heading and before every closing remark, loses no phrase.

A table of shapes has one case a shape; what was lost in silence were crossings of two shapes that each came out right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, islice

import pytest

from pipeline import clean_reply


@dataclass(frozen=True)
class Language:
    """An article with phrases that look like labels, numbers or corrections, and what a model says around a list of them."""

    code: str
    article: str
    phrases: list[str]
    heads: list[str]
    tails: list[str]
    gloss: str
    remark: str
    groups: tuple[str, str]
    others: list[str] = field(default_factory=list)  # lines of the reply that tell something else

    def around(self, body: str) -> list[str]:
        """Return the body behind each heading and before each remark, each of them once at least."""
        most = max(len(self.heads), len(self.tails))
        pairs = islice(zip(cycle(self.heads), cycle(self.tails), strict=False), most)
        thought = "<think>\nThey want key phrases; the text tells of a firm.\n</think>\n\n"
        return [head + body + tail for head, tail in pairs] + [thought + body]


ENGLISH = Language(
    "en",
    "Twitter may give stock options to a biotechnology company after the title race for its source code. Roberto F. Lopez of the"
    " disabled list said J. Front Retailing Co. and Marks and Spencer met on Monday. McMaster University studies cat allergy.",
    ["stock options", "biotechnology company", "title race", "Roberto F. Lopez", "disabled list", "Marks and Spencer",
     "cat allergy"],
    [
        "", "Key phrases: ", "Keywords:\n", "Here are the key phrases:\n\n", "**Key Phrases:**\n", "**Key phrases:** ",
        "### Key Phrases\n\n", "Sure! Here are the key phrases from the article:\n\n", "Answer: ", "Output:\n", "Assistant: ",
        "Based on the article, the key phrases are:\n\n", "Here are 7 key phrases extracted from the text:\n",
    ],
    ["", "\n\nLet me know if you need anything else!", "\n\nThese key phrases capture the main points of the article.",
     "\n\nNote: names are kept as in the text.", "\n\nI hope this helps!"],
    "the main subject of this piece",
    "It is mentioned often and central to the story.",
    ("People and organisations", "Topics"),
    ["Language: English\nKey phrases: ", "Topic: politics\nKeywords: ", "Title: A day to remember\nKey phrases:\n"],
)  # fmt: skip
KOREAN = Language(
    "ko",
    "국립해양탐사센터는 자율무인잠수정(AUV)을 공개했다. 신문사들은 기사 무단 학습을 문제 삼아 손해배상을 청구했다."
    " 5세대 실손의료보험과 10·15 대책, 기준금리 2.75% 동결 소식도 전해졌다. 남한강요의 심보원 옹이 달항아리를 빚었다.",
    ["자율무인잠수정", "기사 무단 학습", "5세대 실손의료보험", "10·15 대책", "기준금리 2.75% 동결", "심보원 옹", "달항아리"],
    [
        "", "핵심 구문: ", "키워드:\n", "다음은 기사의 핵심 구문입니다:\n\n", "**핵심 구문:**\n", "**핵심 키워드:** ",
        "### 핵심 구문\n\n",
        "네, 기사에서 추출한 핵심 구문은 다음과 같습니다.\n\n", "답변: ", "기사의 핵심 구문은 다음과 같습니다:\n\n",
        "주요 키워드는 아래와 같습니다:\n", "[핵심 구문]\n", "출력: ", "Key phrases:\n",
    ],
    ["", "\n\n더 필요한 것이 있으면 말씀해 주세요!", "\n\n이 구문들은 기사의 핵심 내용을 담고 있습니다.",
     "\n\n도움이 되셨기를 바랍니다."],
    "기사의 핵심 주제를 나타냅니다",
    "여러 번 언급되며 이야기의 중심입니다.",
    ("인물 및 기관", "주제"),
    ["언어: 한국어\n핵심 구문: ", "주제: 정치\n키워드: ", "제목: 기억할 하루\n핵심 구문:\n"],
)  # fmt: skip
FRENCH = Language(
    "fr",
    "La société supprime 520 postes et ferme l'usine d'Aulnay-sous-Bois. Le texte source du projet de loi parle de chute des"
    " ventes. Le ministère de l'Économie, des Finances et de la Souveraineté industrielle soutient Gérald Karsenti et la"
    " retraite anticipée.",
    ["520 postes", "usine d'Aulnay-sous-Bois", "texte source", "projet de loi", "chute des ventes", "Gérald Karsenti",
     "retraite anticipée"],
    [
        "", "Mots-clés : ", "Phrases clés :\n", "Voici les phrases clés :\n\n", "**Phrases clés :**\n", "**Mots-clés :** ",
        "### Mots-clés\n\n", "Bien sûr ! Voici les phrases clés de l'article :\n\n", "Réponse : ",
        "Les phrases clés de cet article sont :\n\n",
    ],
    ["", "\n\nN'hésitez pas si vous avez besoin d'autre chose !", "\n\nCes phrases résument l'article."],
    "le sujet principal de ce texte",
    "Ce point est cité souvent et se trouve au centre.",
    ("Personnes et organisations", "Thèmes"),
    ["Langue : français\nMots-clés : ", "Thème : politique\nMots-clés : ", "Titre : Un jour à retenir\nPhrases clés :\n"],
)  # fmt: skip
LANGUAGES = (ENGLISH, KOREAN, FRENCH)

Form = Callable[[list[str], Language], str]


def lines(template: str, first: int = 1) -> Form:
    """Return the form of one line a phrase; `{i}`, `{x}`, `{gloss}` and `{remark}` stand in the template."""
    return lambda phrases, language: "\n".join(
        template.format(i=i, x=x, gloss=language.gloss, remark=language.remark) for i, x in enumerate(phrases, first)
    )


def joined(separator: str, template: str = "{x}") -> Form:
    return lambda phrases, _: separator.join(template.format(x=x) for x in phrases)


def data(make: Callable[[list[str]], object], indent: int | None = None) -> Form:
    return lambda phrases, _: json.dumps(make(phrases), ensure_ascii=False, indent=indent)


def fenced(form: Form, name: str = "json") -> Form:
    return lambda phrases, language: f"```{name}\n{form(phrases, language)}\n```"


# forms of a list that any heading and any remark may stand around
LISTS: dict[str, Form] = {
    "semicolons": joined("; "),
    "glued semicolons": joined(";"),
    "commas": joined(", "),
    "lines": joined("\n"),
    "bars": joined(" | "),
    "numbers": lines("{i}. {x}"),
    "numbers)": lines("{i}) {x}"),
    "bold numbers": lines("{i}. **{x}**"),
    "from zero": lines("{i}. {x}", 0),
    "#": lines("#{i} {x}"),
    "in one line": joined(" ", "• {x}"),
    "hyphens": lines("- {x}"),
    "stars": lines("* {x}"),
    "dots": lines("• {x}"),
    "bold hyphens": lines("- **{x}**"),
    "blank lines": joined("\n\n", "- {x}"),
    "keys": lines("Key phrase {i}: {x}"),
    "array": data(list),
    "array on lines": data(list, 2),
    "object": data(lambda x: {"keyphrases": x}),
    "object on lines": data(lambda x: {"key_phrases": x}, 4),
    "string": data(lambda x: {"keywords": "; ".join(x)}),
    "objects": data(lambda x: [{"phrase": one, "score": 0.9} for one in x]),
    "fence": fenced(data(list)),
    "fenced object": fenced(data(lambda x: {"keyphrases": x}, 2)),
    "fenced lines": fenced(joined("\n"), ""),
    "quotes": joined(", ", '"{x}"'),
    "curly quotes": joined(", ", "“{x}”"),
    "single quotes": joined("; ", "'{x}'"),
    "code": joined(", ", "`{x}`"),
    "bold": joined(", ", "**{x}**"),
    "elements": joined("\n", "<keyphrase>{x}</keyphrase>"),
    "table": lambda phrases, language: "| # | Key phrase |\n|---|---|\n" + lines("| {i} | {x} |")(phrases, language),
    "dashes": lines("{i}. **{x}** - {gloss}"),
}
# forms that stand alone, or hold more than the list
REPLIES: dict[str, Form] = {
    "colon": lines("- {x}: {gloss}"),
    "bold colon": lines("{i}. **{x}**: {remark}"),
    "colon in bold": lines("{i}. **{x}:** {remark}"),
    "em dash": lines("- {x} — {gloss}"),
    "brackets": lines("{i}. {x} ({gloss})"),
    "remark below": lines("{i}. **{x}**\n   - {remark}"),
    "paragraphs": lambda phrases, language: "\n\n".join(
        f"{i}. {x}\n{language.remark}" for i, x in enumerate(phrases, 1)
    ),
    "headings": lambda phrases, language: "\n\n".join(
        f"### {i}. {x}\n{language.remark}" for i, x in enumerate(phrases, 1)
    ),
    "scores": lines("{i}. {x} (0.9{i})"),
    "scores behind colons": lines("{x}: 0.9{i}"),
    "score object": data(lambda x: dict.fromkeys(x, 0.9)),
    "reason before": data(lambda x: {"reasoning": "They stand in the first lines.", "keyphrases": x}),
    "numbered object": data(lambda x: {f"keyphrase{i}": one for i, one in enumerate(x, 1)}),
    "arguments": data(lambda x: {"name": "label", "arguments": json.dumps({"keyphrases": x}, ensure_ascii=False)}),
    "assignment": lambda phrases, _: f"keyphrases = {phrases}",
    "items": lines("<li>{x}</li>"),
    "LaTeX": lines("\\item {x}"),
    "tabs": lines("{i}\t{x}"),
    "ranks": lines("{i}: {x}"),
    "letters": lambda phrases, _: "\n".join(map("{}) {}".format, "abcdefg", phrases)),
    "Roman": lambda phrases, _: "\n".join(map("{}. {}".format, ["I", "II", "III", "IV", "V", "VI", "VII"], phrases)),
    "boxes": lines("- [x] {x}"),
    "twice": lambda phrases, _: f"{'; '.join(phrases)}\n\n{'; '.join(phrases)}",
    "end token": lambda phrases, _: f"{'; '.join(phrases)}<|im_end|>",
    "next prompt": lambda phrases, _: f"{'; '.join(phrases)}\n\nArticle: Another text.\nKey phrases: town hall; mayor",
    "draft": lambda phrases, _: f"Draft: {'; '.join(phrases[:2])}\n\nFinal answer: {'; '.join(phrases)}",
    "groups": lambda phrases, language: "\n".join(
        f"{group}: {', '.join(part)}" for group, part in zip(language.groups, (phrases[:3], phrases[3:]), strict=True)
    ),
    "other lines": lambda phrases, language: f"{language.others[0]}{'; '.join(phrases)}",
    "a topic": lambda phrases, language: f"{language.others[1]}{', '.join(phrases)}",
    "a title": lambda phrases, language: language.others[2] + lines("- {x}")(phrases, language),
}


@pytest.mark.parametrize("form", LISTS)
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_list_comes_out_whole_whatever_stands_around_it(language: Language, form: str) -> None:
    for reply in language.around(LISTS[form](language.phrases, language)):
        label = clean_reply(reply, language.article, language=language.code)
        assert (reply, label.phrases, label.status) == (reply, language.phrases, "ok")


@pytest.mark.parametrize("form", REPLIES)
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_reply_with_more_than_its_list_loses_no_phrase(language: Language, form: str) -> None:
    reply = REPLIES[form](language.phrases, language)
    label = clean_reply(reply, language.article, language=language.code, finish_reason="stop")
    assert (label.phrases, label.status) == (language.phrases, "ok")


@pytest.mark.parametrize("form", [*LISTS, *REPLIES])
def test_without_an_article_the_form_tells(form: str) -> None:
    phrases = ["stock options", "Ann Arbor", "title race", "source code", "disabled list", "reason of state"]
    reply = (LISTS | REPLIES)[form](phrases, ENGLISH)
    assert clean_reply(reply, language="en", finish_reason="stop").phrases == phrases
