"""The words that models put around key phrases, by language: data only, casefolded.

A language is added by adding its words here. Where a language writes without spaces or hangs particles on its words
(Japanese, Korean), the entry is a beginning or a part of the word.
"""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# ---- labels: what stands before a colon -------------------------------------------------------------------------

# Nouns that name the answer for certain, also in the middle of a line ("A; B keyphrases generated: C").
STRONG_HEADS = _words(
    "keyphrase keyphrases key-phrase key-phrases keyword keywords key-word key-words phrases hashtags",
    "mots-clés mots-clefs mot-clé phrases-clés expressions-clés palabras schlüsselwörter schlagwörter stichwörter",
)
# Nouns that name it at the beginning of a line only.
WEAK_HEADS = _words(
    "phrase key_phrases key_phrase topic topics term terms tag tags answer answers output response result results",
    "entity entities theme themes concept concepts subject subjects words expressions highlights list kp draft",
    "thème thèmes sujet sujets terme termes mots clés réponse résultat résultats liste themen begriffe frases",
    "temas respuesta resultado assistant ébauche brouillon 초안 下書き",
)
# Words that may stand around such a noun without telling it from a phrase.
FILLERS = _words(
    "the a an of for from in on to by this that these those your my our its and or with about as at per",
    "article articles article's news text story document content passage piece report",
    "here are is were below above following follows include includes including i've i have found find picked chosen",
    "main most important top key major significant extracted generated identified selected suggested relevant final",
    "present absent based list semicolon-separated semicolon separated comma-separated up seven five ten english korean french",
    "japanese sure okay ok certainly course great absolutely model can be it says summary summarizing represent",
    "voici les des de du la le l' un une dans cet ce cette l'article suivants suivantes suivant sont principaux",
    "principales importants importantes extraits extraites plus bien sûr clef clefs clé clave première premier initiale",
    "die der das aus dem wichtigsten sind las los del artículo",
)
COPULAS = _words("are is include includes were : sont son sind")
# A sentence that says what the text is about: its subject, its verb with the preposition behind it.
TEXT_NOUNS = _words(
    "article document text story news piece report passage topic subject texte article document sujet reportage artikel text bericht thema",
    "artículo texto noticia documento tema articolo testo notizia artigo notícia matéria documento assunto",
)
ABOUT = _words(
    "about discusses covers describes concerns addresses examines explores highlights on with over around sur von über um de du d' sobre",
    "di su dei del della behandelt beschreibt concerne aborde évoque décrit aborda describe riguarda descrive",
)
ABOUT_VERBS = _words(
    "is are was deals talks focuses reports centers centres speaks treats mainly porte parle traite s'agit handelt geht es habla trata",
    "tratta parla fala est ist es è é fundamentalmente principalmente",
)
# What a short label may be called, before a colon or as a key.
LABEL_NOUNS = _words(
    "title label labels name category class type classification section genre titre catégorie classe étiquette libellé nom rubrique",
    "titel kategorie klasse rubrik etikett thema bezeichnung título categoría clase etiqueta tema nombre sección titolo categoria",
    "argomento etichetta nome assunto rótulo onderwerp categorie temat kategoria ämne",
    "제목 분류 범주 주제 주제명 라벨 레이블 카테고리 클래스 분야 タイトル 分類 カテゴリ カテゴリー ラベル 主题 主題 标题 標題 类别 類別 标签 標籤 分类",
)
OPENERS = (
    "here ", "here's", "sure", "certainly", "of course", "below", "the following", "based on", "okay", "absolutely",
    "these are", "i have", "i've", "after ", "from the article", "following are", "as requested",
    "다음", "아래", "네,", "물론", "이 기사", "해당 기사", "기사에서", "본 기사", "제공", "주어진", "요청", "위 기사",
    "voici", "bien sûr", "d'accord", "ci-dessous", "à partir", "après ", "d'après", "les mots", "les expressions",
    "以下", "この記事", "記事", "次の", "はい", "承知", "わかりました", "hier sind", "aquí",
)  # fmt: skip
INTERJECTIONS = (
    "sure", "certainly", "of course", "okay", "ok!", "ok.", "absolutely", "great", "네", "물론", "알겠습니다", "bien sûr", "d'accord",
    "はい", "承知", "わかりました", "gerne", "claro",
)  # fmt: skip
# Korean eojeols by their beginning: heads first, fillers second.
KO_STRONG_HEADS = ("핵심구문", "키워드", "구문", "핵심어", "주제어", "키프레이즈", "핵심문구", "해시태그")
KO_WEAK_HEADS = (
    "주제",
    "문구",
    "어구",
    "토픽",
    "태그",
    "답변",
    "답",
    "정답",
    "결과",
    "출력",
    "응답",
    "단어",
    "표현",
    "용어",
)
KO_FILLERS = (
    "이", "해당", "본", "위", "기사", "뉴스", "핵심", "주요", "중요", "중심", "다음", "아래", "같습니다", "같은", "추출", "선정",
    "정리", "요약", "입니다", "총", "개", "개의", "최종", "네", "물론", "생성", "관련", "목록", "리스트", "대표", "한국어",
    "영어", "내용", "본문", "나타내는", "뽑은", "제시", "요청", "및", "에서", "으로", "를", "을", "의", "은", "는", "한", "된",
)  # fmt: skip
JA_HEADS = (
    "キーワード", "キーフレーズ", "重要語句", "フレーズ", "トピック", "回答", "重要語", "ハッシュタグ", "主題", "主要語句",
    "关键词", "关键短语", "關鍵詞", "关键字",
)  # fmt: skip
JA_FILLERS = (
    "以下",
    "次",
    "この記事",
    "記事",
    "主な",
    "重要",
    "です",
    "通り",
    "とおり",
    "最終",
    "結果",
    "出力",
    "抽出",
    "は",
)
FINAL = (
    "final",
    "최종",
    "revised",
    "corrected",
    "수정",
    "finale",
    "最終",
    "selected",
    "chosen",
    "선정된",
    "선택",
    "最终",
    "endgültig",
)
# A model takes back the list before: the one behind counts.
CORRECTIONS = (
    "corrected", "correction", "revised", "wait,", "apolog", "수정", "다시 정리", "정정", "訂正", "修正", "失礼", "corrig", "rectifi",
)  # fmt: skip

# A language as the heading of its list: the same answer once more, mostly.
LANGUAGES = _words(
    "english korean french japanese german spanish 영어 한국어 일본어 영문 국문 英語 日本語 韓国語 anglais français coréen"
)

# Labels of a category: their line is a list of phrases, and all such lines count.
CATEGORIES = _words(
    "people person persons place places location locations organization organizations organisation organisations",
    "company companies event events product products date dates country countries economy politics sports society",
    "culture technology business names name who where what when",
    "personnes personne lieux lieu organisations organisation événements événement entreprises pays dates",
    "인물 인명 장소 지역 지명 기관 단체 조직 기업 회사 사건 행사 제품 날짜 국가 분야 경제 정치 사회 문화 스포츠 과학 기술 분류",
    "카테고리 이벤트 인물명 기관명 지명 작품 작품명 사람 人物 場所 組織 企業 地名 団体 出来事 製品 分野 経済 政治 話題 人名",
    "category categories catégorie",
)
# Labels whose text is no answer at all.
ASIDES = _words(
    "note notes explanation explanations reason reasons reasoning rationale article text title headline summary",
    "translation translations english-translation traduction 번역 翻訳",
    "utilisateur humain 思考過程 思考 推論 사고과정 disclaimer context thought thoughts thinking analysis instruction instructions user human system question input",
    "source sources url prompt",
    "remarque explication explications raisonnement résumé titre analyse texte question",
    "참고 설명 이유 근거 기사 본문 제목 요약 비고 주의 분석 사고 과정 원문 출처 지시 사용자 해설 추론",
    "注 備考 説明 理由 要約 記事 タイトル 本文 解説 補足 分析 ユーザー",
)
# The same where they stand alone before the colon: a phrase may have one behind it ("A (score: 0.9)").
MEASURES = _words("confidence score confiance 信頼度 신뢰도")
# Headings of a reasoning, where they are the first line.
THOUGHTS = (
    "사고 ?과정",
    "생각",
    "思考(?:過程|过程)?",
    "推論",
    "pensée",
    "réflexion",
    "gedanken",
    "pensamiento",
    "ragionamento",
)
# Phrases that the model thought of and does not give: never an answer, or one where there is no other.
REJECTED = _words(
    "not non rejected excluded discarded omitted ignored unused removed irrelevant wrong rejetés rejeté rejetées écartés exclus",
    "descartadas descartados excluidas rechazadas ausgeschlossen verworfen abgelehnt scartate escluse descartados",
    "제외 제외된 탈락 배제 제외한 除外 不採用 排除 剔除",
)
DRAFTS = _words(
    "candidate candidates considered possible options 후보 候補 候选 candidats candidatas candidatos kandidaten candidati"
)
# Another try, or the next turn: nothing after it belongs to the first answer.
ALTERNATIVES = _words(
    "q example examples 질문 예시 예제 質問 exemple alternatively alternative or 또는 혹은 다른 別案 または ou autrement"
)

# ---- data structures ------------------------------------------------------------------------------------------

PHRASE_KEYS = _words(
    "phrase keyphrase key_phrase key-phrase keyword text name term topic value label entity expression title",
    "texte terme mot nom libellé",
    "구문 키워드 핵심구문 핵심_구문 핵심어 주제어 단어 용어 フレーズ キーワード 語句 名称 mot_clé mot-clé",
)
GLOSS_COLUMNS = _words(
    "description explanation score relevance reason weight count frequency confidence rank no no. # importance type",
    "category number meaning note notes context rationale index id reasoning comment",
    "설명 점수 이유 빈도 번호 순위 중요도 신뢰도 의미 비고 유형 분류 근거 횟수 순번 スコア 説明 番号 理由 重要度 順位 解説",
    "explication raison pertinence fréquence rang numéro n° définition",
)

# ---- statuses --------------------------------------------------------------------------------------------------

REFUSALS = (
    "i'm sorry", "i am sorry", "im sorry", "sorry, ", "sorry but", "i apologize", "i apologise", "my apologies",
    "unfortunately", "i cannot ", "i can not ", "i'm unable", "i am unable", "i'm not able", "i am not able",
    "i won't", "as an ai", "as a language model", "as a large language model", "i must decline", "i can't help", "i can't assist", "i can't provide", "i can't fulfill",
    "i can't comply", "i can't extract", "i can't identify", "i can't find", "i can't access", "i can't do",
    "i can't answer", "i can't generate", "i can't process", "i can't create", "i do not feel", "i'm afraid",
    "죄송", "미안하지만", "미안합니다", "유감", "저는 ai", "인공지능 언어 모델", "요청하신 내용은 제공할 수 없",
    "도와드릴 수 없", "해당 요청", "ai 언어 모델", "저는 인공지능",
    "je suis désolé", "je regrette", "désolé", "je ne peux pas", "je ne suis pas en mesure", "malheureusement",
    "je suis dans l'impossibilité", "en tant qu'ia", "en tant que modèle", "en tant qu'assistant", "en tant qu'intelligence", "toutes mes excuses", "je m'excuse",
    "申し訳ありません", "申し訳ございません", "申し訳", "すみません", "ごめん", "恐れ入りますが", "残念ながら", "お答えできません", "対応できません", "抱歉", "对不起",
    "很抱歉", "es tut mir leid", "lo siento", "tut mir leid",
)  # fmt: skip
# The same somewhere in the first sentence.
REFUSALS_WITHIN = (
    "도와드릴 수 없", "수행할 수 없", "응할 수 없", "처리할 수 없", "제공할 수 없", "お応えすることができません", "お手伝いできません",
    "対応できません", "お応えできません", "対応いたしかねます", "can't help with", "cannot help with", "can't assist with",
    "cannot assist with", "unable to process", "ne peux pas traiter", "ne puis", "not able to help",
)  # fmt: skip
# The model asks for the article: one part of each pair must be in the reply.
REQUESTS = (
    (("please provide", "please share", "please paste", "please send", "could you provide", "could you share",
      "could you please", "can you provide", "can you share", "you haven't provided", "you have not provided",
      "not provided", "provide me with", "provide the", "share the", "paste the", "no article", "didn't provide",
      "did not provide", "don't see", "do not see", "go ahead and", "seems to be missing", "is missing", "is empty",
      "send me", "come through", "could you paste", "can you paste", "could you send"),
     ("article", "text", "content", "story", "document", "passage")),
    (("제공해", "입력해", "보내 주", "보내주", "공유해", "알려 주", "알려주", "붙여넣", "붙여 넣", "첨부해", "제공되지", "없어",
      "올려주", "올려 주", "주시면", "주어지지", "제시해", "비어 있", "누락"),
     ("기사", "본문", "텍스트", "내용", "원문")),
    (("fournir", "fournissez", "partager", "envoyer", "coller", "aucun article", "n'avez pas fourni", "pas d'article",
      "transmettre", "n'a été fourni"),
     ("article", "texte", "contenu")),
    (("提供", "教えて", "送って", "貼り付け", "入力して", "共有", "お送り", "見当たりません", "含まれていません", "ありません"),
     ("記事", "本文", "テキスト", "文章")),
)  # fmt: skip
# Words for nothing are composed: a word that denies with one for what was asked, and fillers (`No label returned`).
NONE_WORDS = _words(
    "no none not without nothing missing unavailable failed blocked filtered removed withheld omitted pending empty unable",
    "aucun aucune pas sans rien néant kein keine keinen ohne nichts sin ningún ninguna ninguno nessun nessuna nessuno senza",
    "nenhum nenhuma sem geen zonder brak нет без ei",
    "없음 불가 불가능 미정 미상 실패 없다 없습니다 오류 미분류 미제공 불명 공란",
)
ASKED_NOUNS = _words(
    "label labels answer answers response responses reply result results output topic topics category class content data information",
    "info match matches tag tags phrase phrases keyword keywords keyphrase keyphrases key-phrase key-phrases key article text input",
    "found returned available given provided generated assigned identified applicable possible detected extracted yet determined",
    "étiquette étiquettes réponse résultat mot mots clé clés mot-clé mots-clés expression expressions trouvé trouvée disponible sujet",
    "thème etikett antwort ergebnis schlüsselwörter stichwörter schlagwörter thema gefunden verfügbar vorhanden kategorie",
    "etiqueta etiquetas respuesta resultado resultados palabras clave palabra tema frases disponible encontrado encontrada asignada",
    "etichetta risposta risultato parole chiave parola trovato trovata disponibile argomento rótulo resposta palavras chave",
    "encontrada encontrado disponível assunto categoria categoría antwoord etykiety odpowiedzi",
    "라벨 레이블 키워드 구문 핵심 핵심구문 주제 태그 결과 정보 내용 답변 응답 답 분석 추출 분류 판단 생성 처리 확인 데이터 값 해당 사항",
)
PLACEHOLDERS = (
    ASKED_NOUNS
    | LABEL_NOUNS
    | _words("your the a an first second third here example placeholder insert n one two three string value")
)
# What is still to be done: `to be labeled`, `à compléter`, `待标注`.
STILL_TO_DO = (
    r"(?:to be|needs to be|must be|yet to be) (?:re-?)?(?:label|annotat|determin|fill|complet|add|defin|assign|decid|provid|translat|confirm)\w*(?: in)?"
    r"|(?:à|a|da|por|zu|noch zu|zum|te) (?:compléter|définir|déterminer|étiqueter|annoter|remplir|venir|completar|definir|etiquetar|determinar"
    r"|asignar|completare|definire|etichettare|rotular|anotar|preencher|ergänzen|bestimmen|beschriften|labeln|ausfüllen|bepalen)"
    r"|待(?:标注|標註|標注|定|补充|補充|填写|填|分类|确认|确定|处理|添加)|(?:라벨|레이블|추후|작성|입력|분류)(?:링)? ?(?:예정|대기|필요|미정|미완료?|전)"
    r"|未(?:标注|標註|分类|分類|定|定义|設定|记入|記入|入力)|(?:ラベル|分類)(?:付け)?(?:待ち|前|未定)|要(?:確認|入力|ラベル付け)"
    r"|(?:暂无|暫無|没有|沒有|无|無|无可用)(?:相关|可用)?(?:关键词|關鍵詞|关键短语|关键字|标签|標籤|内容|內容|结果|結果|答案|主题|主題|分类|类别|数据)"
    r"|(?:ラベル|キーワード|キーフレーズ|回答|答え|結果|主題|トピック|カテゴリー?|該当|データ)(?:は|が)?(?:なし|無し|ありません|不明|未定)"
    r"|(?:无法|無法|不能|不可)(?:分析|提取|识别|分类|回答|标注|生成|确定)"
)
NO_ANSWERS = frozenset(
    (
        "none", "n/a", "na", "null", "nil", "nothing", "not applicable", "no answer", "not available", "undefined",
        "empty", "unknown", "no keywords", "no key phrases", "no keyphrases", "no key-phrases", "none found",
        "no phrases", "no phrases found", "no key phrases found", "no keyphrases found", "no keywords found", "nan",
        "no result", "no results", "none.", "tbd",
        "없음", "해당 없음", "해당없음", "해당사항 없음", "해당 사항 없음", "없습니다", "핵심 구문 없음", "키워드 없음", "없다",
        "미제공", "무", "핵심 구문이 없습니다", "추출된 구문 없음", "결과 없음", "정보 없음",
        "aucun", "aucune", "néant", "rien", "aucun mot-clé", "aucune expression", "aucun résultat", "sans objet",
        "なし", "該当なし", "特になし", "該当する語句はありません", "無し", "該当無し", "ありません", "无", "無", "没有", "keine",
        "ninguno", "ninguna",
    )
)  # fmt: skip
NO_ANSWER_BEGINNINGS = (
    "there are no ", "there is no ", "no key phrase", "no key-phrase", "no keyphrase", "no keyword", "no relevant",
    "핵심 구문이 없", "키워드가 없", "핵심 구문을 찾을 수 없", "il n'y a pas", "il n'y a aucun", "aucun mot", "aucune expression", "aucune phrase", "pas de mots-clés", "pas de mot-clé",
    "該当する", "キーワードはありません", "해당하는 구문이 없", "기사가 없", "기사 내용이 없", "기사 본문이 없",
)  # fmt: skip

# How a sentence about key phrases ends that says there are none.
DENIALS = (
    "없습니다", "없음", "없다", "없어요", "않았습니다", "못했습니다", "없었습니다", "ありません", "ありませんでした", "見つかりません",
    "見つかりませんでした", "ない", "were found", "could be found", "be identified", "trouvée", "trouvé", "identifiée",
)  # fmt: skip

DENIALS_WITHIN = (
    "not contain", "n't contain", "contains no", "no clear", "ne contient", "n'en contient", "ne comporte", "含まれていません", "含まれない",
    "포함되어 있지 않", "포함하지 않",
)  # fmt: skip

# What stands behind a comma within a name: Washington, D.C.; Acme, Inc.; the states of the USA and a few places like them.
COMMA_TAILS = frozenset(
    ["d.c.", "dc", "inc.", "inc", "ltd.", "ltd", "llc", "corp.", "co.", "jr.", "jr", "sr.", "sr", "ph.d.", "m.d.", "esq.", "u.s.", "u.k.", "alabama", "alaska", "arizona", "arkansas", "california", "colorado", "connecticut", "delaware", "florida", "georgia", "hawaii", "idaho", "illinois", "indiana", "iowa", "kansas", "kentucky", "louisiana", "maine", "maryland", "massachusetts", "michigan", "minnesota", "mississippi", "missouri", "montana", "nebraska", "nevada", "ohio", "oklahoma", "oregon", "pennsylvania", "tennessee", "texas", "utah", "vermont", "virginia", "washington", "wisconsin", "wyoming", "ontario", "quebec", "alberta", "manitoba"]
) | frozenset(
    ("new hampshire", "new jersey", "new mexico", "new york", "north carolina", "north dakota", "rhode island", "south carolina",
     "south dakota", "west virginia", "british columbia", "nova scotia")
)  # fmt: skip

# What ends an open list.
ET_CETERA = frozenset(
    (
        "etc", "etc.", "many more", "and many more", "among others", "u.a.", "usw.", "usw", "entre autres", "entre otros", "ecc.", "等等", "ほか", "and", "or", "et", "ou", "more", "others", "and more", "and others", "end", "fin", "및", "그리고", "또는",
        "등", "기타", "그 외", "끝", "이상", "および", "など", "その他", "等", "以上", "終わり",
    )
)  # fmt: skip

# ---- sentences -------------------------------------------------------------------------------------------------

# How a model begins the sentence that it adds after the last phrase.
CHATTER = (
    "i hope", "hope ", "let me know", "these ", "this ", "please ", "note", "feel free", "if you", "would you", "the ",
    "i ", "is there", "they ", "all ", "each ", "in this", "based on",
    "도움이", "이 ", "위 ", "이상", "추가", "더 ", "필요", "참고", "이러한", "이것", "궁금", "기사",
    "n'hésitez", "ces ", "j'espère", "si vous", "cet ", "ce ", "以上", "これら", "お役", "他に", "ご", "何か",
)  # fmt: skip
# Finite verbs that a key phrase in lower case does not hold.
EN_FINITE = _words(
    "is are was were has have had will would said says say can could should does did announced told reported isn't",
    "aren't wasn't weren't don't doesn't didn't can't won't becomes became been",
)
EN_SUBJECTS = _words(
    "i we he she they it this these those there you here i'm i've it's we've that's let let's hope please feel"
)
FR_FINITE = _words(
    "est sont était étaient ont sera seront été peut peuvent doit doivent avait avaient n'est n'ont fait font va vont",
    "indique explique affirme précise souligne annonce déclare estime rappelle évoque raconte",
    "c'est s'est déclaré annoncé vont",
)
FR_SUBJECTS = _words("je nous il elle ils elles on vous ce cela c'est j'ai j'espère")
ABBREVIATIONS = _words("inc. corp. co. ltd. jr. sr. st. bros. etc. vs. dr. mr. mrs. ms. prof. gen. gov. sen. rep. no.")
KO_SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길"
    "위표명기반왕금옥육인맹제모탁국어은편용"
)
REPORTERS = ("기자", "특파원", "선임기자", "인턴기자", "수습기자", "객원기자", "記者")
# Words of four letters or more, of two Hangul, that say nothing of an article: sharing one is no evidence.
FUNCTION_WORDS = _words(
    "about above after again against also although among another because been before being below between both cannot could does",
    "during each either even ever every from further have having here herself himself however into itself just like made make many might",
    "more most much must neither never only other otherwise ours over said same several shall should since some still such than that",
    "their them themselves then there these they thing things this those though through thus together toward under until upon very",
    "well were what when where whether which while whose will with within without would your yours please some first last",
    "alors apres aussi autre autres avant avec avoir cela celle celui ceux cette chez comme comment contre dans depuis deux donc elle",
    "elles encore entre etaient etait etre fait leur leurs mais meme nous notre parce pendant peut plus pour pourquoi quand quel",
    "quelle sans sera ses sont sous tout toute toutes tous tres vers votre vous aber alle auch beim bereits damit dann dass dein deine denn",
    "deren dies diese diesem diesen dieser dieses doch dort durch eine einem einen einer eines etwas fur habe haben hatte hier ihre ihrem",
    "ihren ihrer jede kann kein keine konnen mehr mein mit nach nicht noch oder ohne schon sehr sein seine seit sich sie sind soll",
    "uber unter viel vom war waren was wegen weil welche wenn werden wie wird wurde wurden zwischen ademas algo ante antes aquel",
    "aqui cada como con contra cual cuando desde donde durante ella ellos entre era esta estaba estas este esto estos fue hace hacia hasta",
    "mas mientras misma mismo mucho muy nada otra otro otros para pero poco porque puede que quien segun sera sido sobre solo son",
    "tambien tanto tiene toda todas todo todos una unos anche ancora avere della delle dello degli dalla dalle dopo fatto loro molto negli",
    "nella nelle nostro ogni oltre perche piu poi prima quale quando quella quello questa queste questo quindi senza sono stata stato",
    "sull sulla tutti tutto ainda alem apenas assim ate com das desde dos ela eles essa esse isso mais mesmo muito nao nas nos numa",
    "pela pelo quando quem sem seu sua tambem voce bylo byly byla jego jest jako ktora ktore ktory lecz oraz ponad przed przez przy",
    "takze tego tylko wiele wiec jeho jejich ktera ktere kteri jsou pouze proto take jako nebo который которая которые когда если будет были",
    "было этого этот также только после перед через более чтобы может для как что это або буде було були його який яка яке які також тільки",
    "icin gibi daha kadar olarak olan ancak bile veya cok ve bir mutta myos olla ovat oli olivat kuin joka jotka tama hogy volt voltak",
    "mint vagy csak amely minden 그리고 그러나 하지만 이것 그것 있는 있다 없는 없다 대한 위한 관련 통해 때문 이번 지난 따라 또한 경우 여러 가장",
)
