"""Labels of the extractor in languages without editors' gold: names whole, nouns at the head, no datelines, by-lines or verbs."""

from __future__ import annotations

import pytest

from pipeline.label.extractive import Settings, extract
from pipeline.label.extractive.chinese import simplified

ARTICLES = {  # title, body, phrases that a label has, parts that none of its phrases has
    "de": (
        "Gericht stoppt Rodung im Erlacher Forst",
        "Von Jana Brückner Tannfurt. Das Verwaltungsgericht Tannfurt hat die Rodung im Erlacher Forst untersagt. "
        "Landrätin Petra Osterloh begrüßte das Urteil. Die Trinkwasserversorgung hängt an den Quellen im Erlacher Forst. "
        "Nach Ansicht der Richter wurden die Folgen für die Trinkwasserversorgung nicht geprüft. Der Kieskonzern Hagel & "
        "Söhne legte am Montagabend Beschwerde ein.",
        {"Erlacher Forst", "Verwaltungsgericht Tannfurt", "Petra Osterloh", "Trinkwasserversorgung"},
        ("Jana", "Landrätin", "Montagabend", "Ansicht", "Folgen"),
    ),
    "nl": (
        "Kabinet trekt plan voor hogere taks op fietsen in",
        "DEN HAAG (ANP) - Tienduizenden fietsers protesteerden woensdagochtend. Minister Tom Haverman van Financiën "
        "trekt de hogere taks in. Koperdiefstal bij fietsenstallingen neemt toe, zegt Reizigersvereniging Wiel. De Raad "
        "voor Mobiliteit wil meer toezicht op koperdiefstal. Voorzitter Els van Amerzoden noemt de Raad voor Mobiliteit "
        "te traag.",
        {"Tom Haverman", "Raad voor Mobiliteit", "Els van Amerzoden", "hogere taks"},
        ("trekt", "Minister", "Voorzitter", "HAAG", "woensdag"),
    ),
    "es": (
        "La sequía obliga a racionar el agua en Villanorte",
        "Por Daniela Treviño VILLANORTE.- La sequía obliga a racionar el agua potable en Villanorte. La ministra de "
        "Transportes, Óscar Robles, y el alcalde Carlos Fernando Galán visitaron la Junta de Aguas y Montes. Los médicos "
        "convocan huelga indefinida. La Junta de Aguas y Montes prevé desbloquear 10.000 millones. El agua potable "
        "llegará en camiones.",
        {"Villanorte", "agua potable", "Carlos Fernando Galán", "Junta de Aguas y Montes", "huelga indefinida"},
        ("obliga", "convocan", "desbloquear", "Treviño", "10.000"),
    ),
    "it": (
        "Il Senato approva il decreto mare tra le proteste",
        "PORTO - Il ministro dell'Interno Matteo Fiorani difende il decreto mare. Il Movimento 7 Laghi protesta. I "
        "salumifici temono il blocco. L'Unione delle Arti e dei Mestieri chiede modifiche al decreto mare. Matteo "
        "Fiorani ha incontrato il Movimento 7 Laghi a Porto Vecchio, dove lo sciopero generale indetto dai sindacati prosegue.",
        {"Matteo Fiorani", "Movimento 7 Laghi", "decreto mare", "sciopero generale"},
        ("temono", "Interno Matteo", "indetto", "PORTO"),
    ),
    "pt": (
        "Greve dos maquinistas suprime comboios na Linha de Serra",
        "Lisboa, 28 abr 2025 (Lusa) - A greve dos maquinistas suprime comboios na Linha de Serra. O Instituto dos Vinhos "
        "do Vale e do Porto Novo e a Câmara de São José dos Campos criticam a greve dos maquinistas. A presidente Marta "
        "Leiria pede serviços mínimos.",
        {"greve dos maquinistas", "Linha de Serra", "Instituto dos Vinhos do Vale e do Porto Novo", "Marta Leiria"},
        ("suprime", "Lisboa", "presidente Marta"),
    ),
    "sv": (
        "Regeringen stoppar vindkraftsparker i Östersjön",
        "STOCKHOLM (TT) Försvarsminister Pål Jonsson motiverar beslutet med störningar. Endast vindkraftsparken Poseidon "
        "får tillstånd. Branschorganisationen Svensk Vindkraft kallar beskedet en katastrof för elförsörjningen. "
        "Stockholms tingsrätt prövar saken.",
        {"Pål Jonsson", "Svensk Vindkraft", "Östersjön"},
        ("stoppar", "Försvarsminister", "Branschorganisationen", "motiverar"),
    ),
    "pl": (
        "Sejm uchwalił ustawę o rencie morskiej",
        "Warszawa (PAP) - Sejm uchwalił w piątek ustawę o rencie morskiej. Minister Agnieszka Wolna podkreśliła rolę "
        "seniorów. Burmistrz Gdyni Tomasz Nowicki poparł ustawę. Instytut Meteorologii i Gospodarki Wodnej ostrzega.",
        {"rencie morskiej", "Agnieszka Wolna", "Tomasz Nowicki", "Instytut Meteorologii i Gospodarki Wodnej"},
        ("uchwalił", "Minister", "Warszawa", "piątek"),
    ),
    "ru": (
        "В Озёрске открыли новую станцию метро",
        "ОЗЁРСК, 27 августа. /ТАСС/. Мэр Озёрска Ильсур Метелин открыл станцию метро «Академическая». Поезда поставил "
        "завод. Ильсур Метелин пообещал вторую линию метро. Гроссмейстер Полина Шувалова приехала первой.",
        {"Ильсур Метелин", "Полина Шувалова"},
        ("открыли", "Мэр", "Гроссмейстер", "ТАСС", "августа"),
    ),
    "tr": (
        "Merkez Bankası politika faizini indirdi",
        "ANKARA (AA) - Merkez Bankası politika faizini yüzde 38'e indirdi. Başkan Fatih Karaman kararı İstanbul'da "
        "açıkladı. Bakan Mehmet Şimdi, Merkez Bankası'nın politika faizini izledi. Karaman, Adnan Deniz Havalimanı'nda "
        "konuştu.",
        {"Merkez Bankası", "Fatih Karaman", "politika faizini", "Adnan Deniz Havalimanı"},
        ("indirdi", "Başkan", "ANKARA", "'"),
    ),
    "ja": (
        "港町の朝市通りに仮設店舗、地震から2年ぶり再開",
        "【金沢=山田健太】石川県の朝市通りで15日、半島地震の火災で焼失した商店街に仮設店舗がオープンした。朝市組合の冨水長毅組合長は「この日を待っていた」と話した。直木賞作家の佐々木亜希子さんも訪れ、仮設店"
        "舗で輪島塗を買った。佐々木さんは涙をぬぐった。",
        {"仮設店舗", "冨水長毅", "佐々木亜希子", "半島地震"},
        ("山田", "組合長", "さん", "朝市通", "年ぶり", "オープン"),
    ),
    "zh": (
        "云南沧海周边民宿整改引争议",
        "新华社昆明10月28日电（记者 刘东）沧海管理局称，部分民宿无证经营。客栈老板赵一海说，民宿刚开业三个月。台积"
        "星电子公司董事长魏哲家表示，台积星将支持整改。环保志愿者担心沧海水质。《沧海之歌》导演詹姆斯·海德也到场。",
        {"沧海", "民宿", "赵一海", "魏哲家", "詹姆斯·海德"},
        ("新华社", "刘东", "老板", "董事长", "表示"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", ARTICLES)
def test_names_are_whole_and_what_tells_nothing_is_left_out(language: str) -> None:
    title, body, wanted, unwanted = ARTICLES[language]
    label = extract(f"{title} {body}", title=title, language=language, settings=Settings(10))
    assert wanted <= set(label), label
    assert not [(part, phrase) for phrase in label for part in unwanted if part in phrase]


def test_traditional_characters_are_read_as_simplified_ones() -> None:
    text = "立法院三讀通過財政法。國民黨總召傅崐萁表示，財政法是還錢於民。行政院長卓榮泰說，財政法不合時宜。"
    assert {"立法院", "傅崐萁", "卓榮泰"} <= set(extract(text, language="zh"))


CHINESE = [  # a text, phrases that its label has, parts that none of its phrases has
    (  # an institution whose name holds an "and"; two institutions stay two
        "中国科学院地质与地球物理研究所公布新矿物。敦煌研究院与大英图书馆联合办展。",
        {"中国科学院地质与地球物理研究所", "敦煌研究院", "大英图书馆"},
        ("研究院与",),
    ),
    (  # of many words, and its bare noun later
        "上海市水生野生动植物保护研究中心监测到鲟鱼幼鱼。研究中心说，幼鱼来自长江。北安区人民法院昨天判决。法院认为合法。",
        {"上海市水生野生动植物保护研究中心", "北安区人民法院", "幼鱼"},
        (),
    ),
    (  # names behind titles, verbs of appointing, and with a 和 that no conjunction can be
        "免去孙立新的职务。法官陆文婷带着人员勘查。法官王芳带头。她击败张本美和。日本队由张本美和领军，张本美和，十八岁。",
        {"孙立新", "陆文婷", "王芳", "张本美和"},
        ("法官", "免去", "王芳带"),
    ),
    (  # numerals belong to a name only where they never leave it; what governs numbers and objects is a verb
        "三圣桥段铺设完成，三圣桥段涉及搬迁。中华队睽违三十年闯关，睽违30年夺牌，中华队首度登顶，利润同比增长。",
        {"三圣桥段", "中华队"},
        ("睽违", "首度", "同比"),
    ),
    ("四川大学建筑与环境学院副教授蒋蓉说，绿道很好。", {"四川大学建筑与环境学院", "蒋蓉"}, ("教授",)),
]


@pytest.mark.parametrize(("text", "wanted", "unwanted"), CHINESE)
def test_chinese_names_are_whole(text: str, wanted: set[str], unwanted: tuple[str, ...]) -> None:
    label = extract(text, language="zh", settings=Settings(12))
    assert wanted <= set(label), label
    assert not [(part, phrase) for phrase in label for part in unwanted if part in phrase]


@pytest.mark.parametrize("language", [None, "zh-TW", "zh-Hans", "zh-cn", "ZH_hant", "cmn"])
def test_chinese_is_chinese_by_any_code(language: str | None) -> None:
    text = "月壤中有新礦物。教授李獻華說，月壤樣品含水，樣品很多。教練李昱諄說，中華民國桌球協會頒獎，協會很高興。"
    label = extract(text, language="zh", settings=Settings(4))
    assert {"月壤", "李獻華", "中華民國桌球協會"} <= set(label) and "樣品" not in label  # as common as 样品
    assert extract(text, language=language, settings=Settings(4)) == label
    in_simplified = extract(simplified(text), language=language, settings=Settings(4))
    assert in_simplified == [simplified(phrase) for phrase in label]


def test_the_place_of_a_chinese_report_is_no_phrase() -> None:
    text = "绿道全线贯通\n成都日报讯（记者 袁弘 实习生 唐婧）昨日，锦江绿道全线贯通。市民在锦江绿道骑行。"
    label = extract(text, language="zh", settings=Settings(10))
    assert "锦江绿道" in label and not [
        phrase for phrase in label if "日报" in phrase or "袁弘" in phrase or "唐婧" in phrase
    ]


def test_what_verbs_are_not_told_in_is_no_phrase_once() -> None:
    """Of a language without lists only names are of several words, unless the words come again side by side."""
    text = "Zar kolo Mira Tovan brenda suli. Kasto memoru Lipa fenda groka. Memoru vista Mira Tovan kelda, suli memoru vista ona."
    found = extract(text, language="xx")
    assert "Mira Tovan" in found and "memoru vista" in [phrase.lower() for phrase in found]
    assert not {"brenda suli", "fenda groka"} & set(found)
