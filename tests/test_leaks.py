"""Keys and personal data beside any script: a border that is ASCII, and addresses that only look like keys."""

from __future__ import annotations

import json
import random
import re
import string
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.clean.offsets import offsets
from pipeline.core.shards import OFFSETS
from pipeline.core.types import LabelColumn
from pipeline.job.config import PublishOptions
from pipeline.versions import leaks, redaction, row_numbers, store
from tests.conftest import JobMaker, article, command, run, work_of, write_jsonl
from tests.openai_server import Server, completion

HEX, LETTERS, DIGITS = "0123456789abcdef", string.ascii_letters, string.digits
BASE62, BASE64 = LETTERS + DIGITS, LETTERS + DIGITS + "-_"
DRAW = random.Random(16)


def drawn(alphabet: str, count: int) -> str:
    return "".join(DRAW.choice(alphabet) for _ in range(count))


def _sk_keys() -> dict[str, str]:
    """As the makers of models give them."""
    return {
        "old": f"sk-{drawn(BASE62, 20)}T3BlbkFJ{drawn(BASE62, 20)}",
        "project": f"sk-proj-{drawn(BASE64, 74)}T3BlbkFJ{drawn(BASE64, 74)}",
        "project of words": "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
        "service": f"sk-svcacct-{drawn(BASE64, 58)}T3BlbkFJ{drawn(BASE64, 58)}",
        "admin": f"sk-admin-{drawn(BASE64, 58)}T3BlbkFJ{drawn(BASE64, 58)}",
        "anthropic": f"sk-ant-api03-{drawn(BASE64, 93)}AA",
        "anthropic admin": f"sk-ant-admin01-{drawn(BASE64, 93)}AA",
        "anthropic short": f"sk-ant-{drawn(BASE62, 40)}",
        "openrouter": f"sk-or-v1-{drawn(HEX, 64)}",
        "deepseek": f"sk-{drawn(HEX, 32)}",
        "moonshot": f"sk-{drawn(BASE62, 48)}",
        "small letters": f"sk-{drawn(string.ascii_lowercase, 48)}",
        "langfuse": f"sk-lf-{uuid.UUID(int=DRAW.getrandbits(128))}",
        "kimi": f"sk-kimi-{drawn(BASE62, 48)}",
        "hyphens": "sk-aB3-9xQ_r7LmZ2kTq4vW8y",
    }


KEYS = [
    *_sk_keys().values(),
    f"hf_{drawn(LETTERS, 34)}",
    f"AKIA{drawn(string.ascii_uppercase + DIGITS, 16)}",
    f"ghp_{drawn(BASE62, 36)}",
    f"github_pat_{drawn(BASE62, 22)}_{drawn(BASE62, 59)}",
    f"xoxb-{drawn(DIGITS, 12)}-{drawn(BASE62, 24)}",
    f"AIza{drawn(BASE64, 35)}",
    f"glpat-{drawn(BASE62, 20)}",
    f"eyJ{drawn(BASE62, 30)}.eyJ{drawn(BASE62, 40)}.{drawn(BASE62, 43)}",
]
PERSONS = [
    "jane.doe@example.org",
    "010-1234-5678",
    "01012345678",
    "016 234 5678",
    "900101-1234567",
    "+82-10-1234-5678",
    "+44 20 7946 0958",
]
# (before, behind): Hangul, Han, kana, full-width and typographic punctuation, letters of other scripts, ASCII signs
NEIGHBOURS = [
    ("은", "로"), ("토큰", "이다"), ("ㅋ", "ㅋ"), ("钥", "的"), ("電話番号", "です"), ("キー", "ヲ"),
    ("：", "。"), ("（", "）"), ("「", "」"), ("，", "、"),
    ("“", "”"), ("ａ", "ｚ"), ("ключ", "это"), ("é", "é"), ("·", "…"), ("=", ";"), ("/", "?"), ("\n", "\n"), ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("before", "behind"), NEIGHBOURS)
def test_every_neighbour(before: str, behind: str) -> None:
    for key in KEYS:
        text = f"말 {before}{key}{behind} 말"
        assert leaks.credentials(text) == 1, text
        assert leaks.without_credentials(text) == f"말 {before}[secret]{behind} 말"
    for person in PERSONS:
        assert leaks.personal(f"말 {before}{person}{behind} 말") == 1, (before, person, behind)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/sk-hynix-posts-record-profit-on-ai-demand",
        "https://example.com/sk-hynix-q3-2026-operating-profit-hits-11-7-trillion-won",
        "https://example.com/SK-Hynix/sk-Hynix-HBM4-Samsung-NVIDIA-Q3-2026-Profit",
        "https://example.com/sk-HYNIX-HBM3E-12H-NVIDIA-RTX5090-2026?x=1",
        "https://example.com/sk-hynix-results-idUSKBN2B20AB",
        "https://example.com/sk-hynix-0f8fad5bd9cb469fa16570867728950e",
        "https://example.com/sk-hynix-wins-3f2a9c1e-1234-4abc-9def-0123456789ab",
        "기사sk-telecom-5g-6g-mwc-2026-ai-a-dot에서",
        "sk-on-posts-q3-loss-as-5-ev-makers-cut-4q26-orders",
        "sk-1q25-earnings-review-hbm3e-12hi-2h25-outlook",
        "sk_innovation sk-innovation_e-s_merger_2026_11_05",
        "sk-proj-manager-hired-in-2026-for-the-busan-site",
        "sk-admin-office-opens-in-Seoul-in-2026-with-5g",
        "sk-ant-and-dec-return-to-tv-in-2026",
        "sk-or-samsung-who-wins-the-hbm4-race-in-2026",
        "sk-20261105123456789012345",
        "sk-HynixPostsRecordProfitOnAiDemand",
        "sk-8 road, desk-based task-force-2026-a1b2c3d4e5f6a7b8c9d0e1f2",
    ],
)  # fmt: skip
def test_addresses_that_are_no_keys(text: str) -> None:
    assert leaks.credentials(text) == 0 and leaks.without_credentials(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "일련번호 1010-1234-56789는", "a010-1234-5678", "x900101-12345678", "900101-1234567890", "fe01012345678ab",
        "mask-" + "a1B2" * 6,
        "xhf_" + "a" * 34, "AKIA" + "A1" * 9, "2026-11-05 901301-5234567", "2,010 of 12345678 rows", "in 2002-2006-2010 and 2014",
    ],
)  # fmt: skip
def test_parts_of_something_longer(text: str) -> None:
    assert (leaks.credentials(text), leaks.personal(text)) == (0, 0)


# --- many kinds: what issuers and countries publish of their forms ---

# <alphabet count>: drawn anew, so that no key stands in this file
KEY_FORMS = [
    "sk_live_<62 24>", "rk_test_<62 32>", "sk_test_<62 99>", "whsec_<62 32>", "npm_<62 36>",
    "pypi-AgEIcHlwaS5vcmcCJ<64 140>", "SG.<64 22>.<64 43>",
    "https://hooks.slack.com/services/T<36 9>/B<36 10>/<62 24>", "xoxp-<10 11>-<10 11>-<10 12>-<16 32>",
    "xapp-1-A<36 10>-<10 13>-<16 64>", "glpat-<64 20>", "glrt-<62 20>", "glptt-<16 40>",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----", "PuTTY-User-Key-File-3: ssh-ed25519",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=<62 86>==;EndpointSuffix=core.windows.net",
    "<62 3>8Q~<62 34>", "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=<62 43>=",
    "https://a.blob.core.windows.net/c?sv=2025-01-05&sig=<62 42>%3D", "<10 10>:AA<64 33>", "gsk_<62 52>",
    "sk-or-v1-<16 64>", 'aws_secret_access_key = "<62 20>/<62 19>"', "AWS_SECRET_ACCESS_KEY=<62 18>+<62 21>",
    "ASIA<36 16>", "postgres://admin:<62 14>@db.example.com:5432/app",
    "mongodb+srv://root:p4ss-<62 8>@cluster0.ab1cd.mongodb.net", "redis://:<62 16>@10.0.0.5:6379/0",
    "mysql://app:<62 6>!<62 4>@localhost/shop", "https://bot:<62 20>@git.example.com/a.git", "xai-<62 80>",
    "pplx-<62 48>", "nvapi-<64 64>", "r8_<62 37>", "dapi<16 32>", "GOCSPX-<64 28>", "ya29.<64 60>",
    "dckr_pat_<64 27>", "dop_v1_<16 64>", "hvs.<62 24>", "figd_<64 40>", "lin_api_<62 40>", "ntn_<10 11><62 35>",
    "shpat_<16 32>", "xkeysib-<16 64>-<62 16>", "key-<16 32>", "<16 32>-us12", "SK<16 32>", "NRAK-<36 27>",
    "glsa_<62 32>_<16 8>", "ATATT3<64 180>", "live_sk_<62 30>", "tskey-auth-<62 12>-<62 32>",
    "AGE-SECRET-KEY-1<36 58>", "rubygems_<16 48>", "PMAK-<16 24>-<16 34>",
    "https://discord.com/api/webhooks/<10 18>/<64 68>", "M<62 25>.<62 6>.<64 38>", "Authorization: Bearer <62 40>",
    "lsv2_pt_<16 32>_<16 10>", "tvly-dev-<62 32>", "sbp_<16 40>", "client_secret: '<62 40>'", "X-Api-Key: <16 40>",
    "vcp_<62 56>", "aio_<62 28>", "cmVmd<62 59>", "2/<10 16>/<10 16>:<16 32>", "pk_<10 8>_<36 32>", "CFPAT-<64 43>",
    "duffel_live_<64 43>", "FLWSECK-<16 32>-X", "fio-u-<64 64>", "pat.<62 22>.<16 24>.<62 20>", "s-s4t2ud-<16 64>",
    "ico-<62 32>", "<62 6>_<62 29>_mmk", "API-7<36 25>", "sha256~<64 43>", "tk-us-<64 48>", "sm_pat_<62 16>",
    "snyk_uat.<16 8>.<64 60>", "bkua_<16 40>", "CCIPAT_<62 22>_<16 40>", "A3-<36 6>-<36 6>-<36 5>-<36 5>-<36 5>-<36 5>",
    f"api-{uuid.uuid5(uuid.NAMESPACE_URL, 'a')}", "ATTA<16 72>", "xau_<62 43>", "napi_<16 64>", "ls__<16 32>",
    "zpka_<16 32>_<16 8>", "re_aB3<62 5>_<62 24>", "KEY<10 32>_<62 22>", "sk_sbox_2<a 25>=", "SWMTKN-1-<16 50>-<16 25>",
    "PrivateKey = <62 43>=", "wg_private_key: '<62 43>='", "IGQVJ<64 120>", f"pat-na1-{uuid.uuid5(uuid.NAMESPACE_URL, 'b')}",
    f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={uuid.uuid5(uuid.NAMESPACE_URL, 'c')}",
    f"https://open.feishu.cn/open-apis/bot/v2/hook/{uuid.uuid5(uuid.NAMESPACE_URL, 'd')}", "dG9rO<62 50>=",
    "https://maker.ifttt.com/trigger/fire/with/key/<64 22>", "dnkey-<16 26>-<16 52>", "p8e-<16 32>", "4b1d<62 38>",
    "polar_pat_<62 43>", "apify_api_<62 36>", "unkey_aB3<62 21>", "mka_<62 40>", "secret-live-<64 35>=",
    '{"auth": "<62 40>="}', "jdbc:postgresql://db/x?user=app&password=x7<62 14>", "curl -u admin:x7<62 14> https://example.com/",
    "Server=tcp:x.database.windows.net;User ID=sa;Password=x7<62 14>!;", "token-<16 5>:<16 54>", "<16 24>:<16 64>",
    "api_live.<62 11>.<64 32>", "mlsn.<16 64>", "1000.<16 32>.<16 32>", "live_aB3-x9<62 36>", "as-aB3<62 19>",
    f"{uuid.uuid5(uuid.NAMESPACE_URL, 'e')}:<16 32>", "signkey-prod-<16 64>", "skaB3<62 150>", "e2b_<16 40>",
    "mdb_sa_sk_<64 40>", "ncp_iam_<62 30>", "st.<16 24>.<16 32>.<16 32>", "mfa.<64 84>", "oauth:<16 30>",
    "sc_<16 12>.<16 4>.acc-<16 16>.<62 60>", "xprv<b 107>", "nsec1<q 58>", "bkat_<16 40>",
    "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn", "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
]  # fmt: skip
ALPHABETS = {
    "a": string.ascii_lowercase, "b": BASE62.translate({ord(sign): None for sign in "0OIl"}),
    "q": "qpzry9x8gf2tvdw0s3jn54khce6mua7l", "10": DIGITS, "16": HEX, "36": string.ascii_uppercase + DIGITS, "62": BASE62,
    "64": BASE64,
}  # fmt: skip


@pytest.mark.parametrize("form", KEY_FORMS)
def test_every_kind_of_key(form: str) -> None:
    for before, behind in (("", ""), ("키는 ", "입니다."), ("(", ")"), ("use: `", "` for it")):
        key = re.sub(r"<(\w+) (\d+)>", lambda match: drawn(ALPHABETS[match[1]], int(match[2])), form)
        text = f"{before}{key}{behind}"
        assert leaks.credentials(text) == 1, text
        assert leaks.personal(text) == 0, text


NO_KEYS = [
    "sk-...", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "sk-your-api-key-here-1234567890", "sk-proj-XXXXXXXXXXXXXXXXXXXXXXXX",
    "OPENAI_API_KEY=sk-<your key>", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "xoxb-your-token-goes-here",
    "glpat-your-access-token-goes-here", "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "api_key: YOUR_API_KEY_GOES_HERE_123", "export AWS_SECRET_ACCESS_KEY=${SECRET_FROM_VAULT}",
    "postgres://user:password@localhost/db", "postgres://app:${DB_PASSWORD}@db/app", "https://user:****@example.com/",
    "redis://localhost:6379/0", "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "0f8fad5b-d9cb-469f-a165-70867728950e",
    "sha256:" + "9f86d081884c7d65" * 4,
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "pk_live_51H8xYzAbCdEfGhIjKlMnOpQr", "key-takeaways-from-the-2026-budget-of-seoul",
    "npm_config_registry_of_the_mirror_is_down_2026", "token: international-telecommunication-union-2026",
    "secret: https://example.com/The-Secret-Garden/Review2026/page1",
    "https://example.com/news/the-secret-of-10-year-old-password-managers-2026",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf", "SG.PA.US.2026",
    "pypi-packages-of-the-year-2026-in-review", "https://hooks.slack.com/services/YOUR/WEBHOOK/URL",
    "xoxo-gossip-girl-is-back-on-the-air", "xoxo-gossip-girl-2026", "AKIAIOSFODNN7EXAMPLE",
    "hvs.com", "dp.st.ct", "AIzawa Hiroshi won",
    "whsec_your_signing_secret_goes_here", "Authorization: Bearer <token>", "eyJhbGciOiJIUzI1NiJ9", "glpat-",
    "12:34:56:AA:BB:CC", "gsk_share_price_2026", "User Id=myUsername;Password=myPassword1;", "?user=kim&password=***",
    "live_Updates_from_the_World_Cup_2026_Final_tonight1", "re_Opening2_internationalization12345", "curl -u $USER:$PASS7777",
    "docker run -u 1000:1000 postgres:16.4", "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWm", "A3-PAPER-FORMAT-SIZES",
    "API-FIRST-COMPANIES-OF-THE-YEAR2026", "as-salamu-alaykum-greetings-2026", "npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt",
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
    "urn:uuid:550e8400-e29b-41d4-a716-446655440000:1", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "pk_test_0123456789",
    "private_key = Ed25519PrivateKey.generate()", "token-ring-network-architecture", "pat-a-cake-pat-a-cake-bakers-man",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_KEYS)
def test_no_keys(text: str) -> None:
    assert leaks.credentials(text) == leaks.credentials(f"보기: {text} 같은") == 0, text


NUMBERS = [
    "문의는jane.doe@example.org으로", "JANE+news@mail.example.co.kr",
    "홍길동<gildong_hong@example.com>", "o'brien@example.ie",
    "mailto:press.kim@example.com?subject=x", "https://example.com/?mail=jane@example.org", "12345678@qq.com",
    "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "900101-1234567", "주민번호는900101-2345678이다", "850815-5123456",
    "020304-8123456", "900101 - 1234567", "９００１０１－１２３４５６７", "9001011234568", "010-1234-5678",
    "연락처010-1234-5678로", "０１０－１２３４－５６７８", "010.1234.5678", "010)1234-5678", "010‑1234‑5678",
    "011-234-5678", "01012345678번", "090-1234-5678", "08012345678", "携帯は070-1234-5678です", "07911 123456",
    "07700 900123", "07911123456", "06 12 34 56 78", "07.12.34.56.78", "0612345678", "13812345678",
    "手机138-1234-5678", "138 1234 5678", "0151 23456789", "0171/1234567", "0176-12345678", "98765 43210",
    "call 9876543210", "09876543210", "+82-10-1234-5678", "+82 (0)10-1234-5678", "+821012345678", "+1 (202) 555-0123",
    "+1-202-555-0123", "+44 20 7946 0958", "+44 7911 123456", "+33 6 12 34 56 78", "+33.6.12.34.56.78",
    "+49 151 23456789", "+49 (0) 151 23456789", "+86 138 1234 5678", "+91 98765 43210", "+81-90-1234-5678",
    "+971 50 123 4567", "+55 11 91234-5678", "0082-10-1234-5678", "0044 7911 123456", "0033612345678",
    "0049 151 23456789", "(202) 555-0123", "202-555-0123", "4111 1111 1111 1111",
    "5500-0000-0000-0004", "378282246310005", "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819",
    "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S",
    "FR76 3000 6000 0112 3456 7890 189", "078-05-1120", "11010519491231002X", "1 84 12 76 451 089 46",
    "529.982.247-25", "2341 2341 2346", "٠١٠-١٢٣٤-٥٦٧٨", "+7 (912) 345-67-89", "+82 (10) 1234-5678", "+55 (11) 91234-5678",
    "8 (912) 345-67-89", "0532 123 45 67", "079 123 45 67", "0912 345 678", "0917-123-4567", "0812-3456-7890", "06-12345678",
    "0470 12 34 56", "070-123 45 67", "912-70-1234", "11-85-123456-12", "1-1017-01234-56-1", "12.345.678-5",
    "20-12345678-6", "85.07.30-033.28", "131052-308T", "811228-9874", "25119020045", "PESEL 88041512346",
    "kimlik no: 10203040550", "マイナンバーは1234 5678 9018", "SIN 046 454 286", "NHS number 943 476 5919", "BSN 111222333",
    "Steuer-ID 86 095 742 719", "Identity number 8001015009087",
    "756.9217.0769.85", "855730/0037", "CPR 070761-4285", "NIF 123456789", "CNP 1800101221144",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_every_kind_of_number(number: str) -> None:
    for text in (number, f"그의 연락처는 {number} 이다.", f"({number})", f"tel:{number}, or ask."):
        assert leaks.personal(text) == 1, text
        assert leaks.credentials(text) == 0, text


NO_NUMBERS = [
    "icon@2x.png", "logo@3x.jpg", "react@18.2.0", "@types/node@20.11.5", "git@github.com:user/repo.git",
    "git@host:repo", "deploy@host.example.com:/srv/app", "ssh://git@example.com/a.git",
    "https://example.com/@jane.doe", "@jane_doe", "https://medium.com/@jane/post@2026.html", "user@localhost",
    "5@3.50", "a@b", "postgres://admin:secret@db.example.com/app", "991332-1234567", "900230-2345678",
    "901301-1234567", "37.5665, 126.9780", "37.566535 126.977969",
    "+37.5665 126.9780", "+37.566535, +126.977969", "N37.5665-E126.9780", "21-19 19-21 21-18", "3-0 2-1 1-0 4-2",
    "82-79 90-88 101-99", "978-89-01-12345-6", "979-11-6224-123-4", "ISBN 9788901123456", "ISBN 89-01-12345-6",
    "ISBN 0-19-852663-6", "ISSN 1225-0112", "2026-1234567", "2026가합123456", "2026-01-0123-4567", "1:23-cv-04567",
    "Case No. 24-10-123456", "2026-11-30 2026-12-01", "20261130-20261201", "1990-01-01 12:34:56", "12:34:56.789012",
    "1,234,567,890", "1234567890123", "0.1234567890", "3.14159265358979", "1,010,123,456원", "$2,025,550,123",
    "13,812,345,678위안", "13812345678원", "10.1000/182.2026.1234", "192.168.10.123", "2001:0db8:85a3:0000",
    "+1,234.5", "+3.5% +2.1% -0.4%", "GMT+0900", "UTC+09:00", "1 + 2 = 3", "2+10000000000", "A-010-1234-5678",
    "v1.0.10.1234", "010-1234", "123-45-67890", "1588-1234", "4111 1111 1111 1112", "DE88 3704 0044 0532 0130 00",
    "110105194912310021", "1234 5678 9012", "529.982.247-24", "1700000000", "1700000000123", "0000000000000",
    "000123456789", "50,000-60,000", "1990-2000-2010-2020", "07-08-09-10-11-12", "No. 0012345678901", "7911123456789",
    "9876543210", "9,876,543,210", "2010 1234 5678 9012", "RTX 4090 24576 MB", "555-0123", "800-555-0123",
    "1-800-555-0123", "KR-010-1234-5678", "https://www.example.com/dp/0671038591",
    "https://example.com/news/01012345678", "ISBN-13: 979-8-4321-0123-4", "법인등록번호 110111-1234567", "07 08 09 10 11",
    "1-1017-01234-56-2", "12.345.678-6", "96.806.980-2", "20-12345678-7", "85.07.30-033.29", "131052-308U", "811228-9873",
    "556036-0793", "25119020046", "PESEL 88041512347", "88041512346", "1234 5678 9018", "SIN 046 454 287", "046 454 286",
    "NHS England saved 943,476,5919 pounds", "29-85-123456-12", "2026-03-123456-12",
    "756.9217.0769.86", "855730/0038", "NIF 123456780", "CNP 1800101221145", "CPR 370761-4285",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_numbers(text: str) -> None:
    assert leaks.personal(text) == leaks.personal(f"어제 {text} 라고 했다.") == 0, text


def test_no_text_takes_long() -> None:
    """What would be tried from every place of it ends soon."""
    for part in ("sk-or-", "sk-a1-", "sk-ab-cd-", "sk-1-", "sk-aB-", "sk-a", "sk--", "sk-a1b2"):
        leaks.credentials(part * 50_000)


def test_a_published_article_beside_hangul(make_job: JobMaker) -> None:
    articles = [article(n) for n in range(12)]
    articles[2]["body"] += f" 토큰은{KEYS[-8]}이고 연락처는010-1234-5678로."
    articles[4]["body"] += " https://example.com/sk-hynix-posts-record-profit-on-ai-demand"
    path = make_job(articles)
    result = command("run", path)
    assert result.returncode == 4 and "no_credentials: 1 rows (a2);" in result.stderr and KEYS[-8] not in result.stderr
    waived = ("--set", "publish.waive={no_credentials: a test}", "--set", "publish.gates={no_personal_data: stop}")
    result = command("run", path, *waived)
    assert result.returncode == 4 and "no_personal_data: 1 rows (a2);" in result.stderr


# --- a false alarm, a row that is out, and what is replaced ---


def test_what_can_be_redacted_has_one_list() -> None:
    [kinds] = get_args(PublishOptions.model_fields["redact"].annotation)
    assert get_args(kinds) == leaks.KINDS


def test_redacted() -> None:
    text = f"키는 {KEYS[0]}이고 연락처는 jane@example.org, ０１０－１２３４－５６７８, 900101-1234567이다. 카드 "
    text += "4111 1111 1111 1111."
    assert leaks.redacted(text, []) == text
    assert leaks.redacted(text, ["email", "phone"]).endswith(
        "이고 연락처는 [email], [phone], 900101-1234567이다. 카드 4111 1111 1111 1111."
    )
    everything = leaks.redacted(text, leaks.KINDS)
    assert everything == "키는 [secret]이고 연락처는 [email], [phone], [resident_number]이다. 카드 [card]."
    assert leaks.count(everything) == (0, 0)


def leaking(*ids: int) -> list[dict[str, Any]]:
    articles = [article(n) for n in range(12)]
    for number in ids:
        articles[number]["body"] += f" 토큰은{KEYS[-8]}이다."
    return articles


def test_rows_are_waived_one_by_one(make_job: JobMaker) -> None:
    path = make_job(leaking(2, 4), publish={"waive": {"credentials": {"a2": "revoked", "x": "no row has this id"}}})
    result = command("run", path)
    assert result.returncode == 4 and "no_credentials: 1 rows, and 1 waived (a4);" in result.stderr
    work = run(path, "publish.waive={no_credentials: {a2: revoked, a4: of a manual}}")
    manifest = json.loads((work.versions / "1.0.0" / "manifest.json").read_text())
    assert manifest["gates"]["no_credentials"] == {
        "state": "holds",
        "figure": "0 rows, and 2 waived",
        "rows": 0,
        "waived": 2,
    }
    assert manifest["publish"]["waive"] == {"no_credentials": {"a2": "revoked", "a4": "of a manual"}}


@pytest.mark.parametrize(
    ("waive", "message"),
    [
        ({"no_credentials": {"a2": " "}}, "publish.waive.no_credentials.a2: needs a reason"),
        ({"absent_rate": {"a2": "x"}}, "publish.waive.absent_rate: names no rows; give one reason"),
        ({"nonsense": {"a2": "x"}}, "publish.waive.nonsense: no such gate"),
    ],
)
def test_what_cannot_be_waived(make_job: JobMaker, waive: dict[str, Any], message: str) -> None:
    result = command("run", make_job(leaking(), publish={"waive": waive}))
    assert result.returncode == 2 and message in result.stderr


def test_another_label_of_a_row_that_is_out_stops_no_version(make_job: JobMaker) -> None:
    """Labels are cleaned or asked anew, and what leaks stands in the text, which is out."""
    path = make_job(leaking(2))
    run(path, "publish.waive={no_credentials: was not seen}")
    work = run(path, "clean.max_phrases=1")
    manifest = json.loads((store.latest(work.versions) / "manifest.json").read_text())  # type: ignore[operator]
    assert manifest["diff"]["relabelled"] == 12 and not manifest["diff"]["edited"]
    assert manifest["gates"]["no_credentials"]["state"] == "warns"


@pytest.mark.parametrize(("after", "state"), [("{key}; harbour", "warns"), ("{other}; {key}", "stops")])
def test_without_texts_a_label_that_leaks_what_it_leaked_before_stops_no_version(
    make_job: JobMaker, server: Server, after: str, state: str
) -> None:
    key, other = KEYS[-8], f"ghp_{drawn(BASE62, 36)}"
    label = {"provider": "openai", "base_url": server.url}
    path = make_job([{**article(n), "body": f"{article(n)['body']} {key} {other}"} for n in range(9)], label=label)
    server.script = lambda body, times: (200, completion(body, f"harbour number; {key}"), {})
    run(path, "publish.text=none", "publish.waive={no_credentials: was not seen}")
    server.script = lambda body, times: (200, completion(body, after.format(key=key, other=other)), {})
    result = command(
        "run", path, "--publish", "--set", "publish.text=none", "--set", "label.parameters.temperature=0.5"
    )
    assert result.returncode == (4 if state == "stops" else 0), result.stderr
    assert ("9 of them published already" in result.stderr) == (state == "warns")


@pytest.mark.parametrize("with_text", [True, False])
def test_a_phrase_that_leaks_what_the_published_text_does_not_is_new(with_text: bool) -> None:
    key = KEYS[-8]
    labels = [["harbour"], [f"the key {key}"], [key, "harbour"], [key]]
    texts = ["harbour", f"A harbour: the key {key}.", "harbour", ""]
    columns = {name: pa.array(["x"] * 4) for name in row_numbers._NEEDED} | {
        "title": pa.array([""] * 4),
        "text": pa.array(texts),
    }
    table = pa.table({**columns, "url": pa.nulls(4, pa.string()), "keyphrases": pa.array(labels)})
    numbers = row_numbers.row_numbers(table, LabelColumn("keyphrases", True, located=False), with_text)
    assert numbers["label_leaks"].tolist() == ([0, 0, 1, 1] if with_text else [0, 1, 1, 1])
    assert numbers["credentials"].tolist() == [0, 2 if with_text else 1, 1, 1]


def test_what_is_out_already_is_told_with_the_way_to_take_it_down(
    make_job: JobMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopping every later version for it would take nothing back."""
    path = make_job(leaking(2))
    run(path, "publish.waive={no_credentials: was not seen}")
    write_jsonl(tmp_path / "articles.jsonl", [*leaking(2), article(12)])
    result = command("run", path)
    assert result.returncode == 0, result.stderr
    line = f"no_credentials: 1 rows, 1 of them published already (a2), labelmill takedown {path} --id a2"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("labelmill")] == [line]
    card = (work_of(path).versions / "1.1.0" / "README.md").read_text()
    assert "| `no_credentials` | warns | 1 rows, 1 of them published already |" in card and "--id a2" not in card
    articles = [*leaking(2, 5), article(12)]
    articles[2]["body"] += " Edited."  # what changes is not out yet
    write_jsonl(tmp_path / "articles.jsonl", articles)
    result = command("run", path, "--publish")
    assert result.returncode == 4 and "no_credentials: 2 rows (a2, a5);" in result.stderr
    command("takedown", path, "--id", "a2")
    articles[5] = article(5)
    write_jsonl(tmp_path / "articles.jsonl", articles)
    assert command("run", path, "--publish").returncode == 0


def test_what_is_redacted_leaves_with_its_kind_in_its_place(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    phrases = "jane@example.org; kim@example.org; example.org; harbour number; opening day"
    server.script = lambda body, times: (200, completion(body, phrases), {})
    text = "The harbour number one. Ask jane@example.org or kim@example.org about the opening day of the city. " * 2
    rows_in = [
        {"id": "a0", "title": "Ask jane@example.org", "body": text},
        {**article(1), "body": text[:70] * 3 + " opening day"},
    ]
    path = make_job(rows_in, label={"provider": "openai", "base_url": server.url}, split={"eval": 0.0})
    plain = published(run(path), "1.0.0")
    work = run(path, "publish.redact=[email]")
    redacted = published(work, "2.0.0")
    for name, row in redacted.items():
        assert "@" not in json.dumps(row) and "[email]" in row["text"]
        assert row["text_sha256"] == sha256(row["text"].encode()).hexdigest() != plain[name]["text_sha256"]
        for phrase, tier, span in zip(row["keyphrases"], row["tiers"], row["offsets"], strict=True):
            assert bool(span) == (tier != "absent") and (
                not span or row["text"][slice(*span)].lower() == phrase.lower()
            )
    assert redacted["a0"]["keyphrases"] == ["example.org", "harbour number", "opening day"]
    assert plain["a0"]["tiers"] == ["exact", "exact", "exact"] and redacted["a0"]["tiers"] == [
        "absent",
        "exact",
        "exact",
    ]
    assert redacted["a0"]["title"] == "Ask [email]"
    assert [folder.name for folder in run(path, "publish.redact=[email]").versions.iterdir()].count("3.0.0") == 0
    assert command("takedown", path, "--id", "a0").returncode == 0
    assert "a0" not in published(run(path, "publish.redact=[email]"), "3.0.0")


def test_phrases_that_are_replaced_stand_once() -> None:
    articles = pa.table({"title": [None], "text": ["Ask jane@example.org or kim@example.org."], "text_sha256": ["x"]})
    labels = pa.table({"phrases": [["kim@example.org", "jane@example.org", "ask"]], "tiers": [["exact"] * 3]})
    articles, labels = redaction.redacted(articles, labels, LabelColumn("phrases", many=True), ["email"])
    assert articles.column("text").to_pylist() == ["Ask [email] or [email]."]
    assert labels.to_pylist() == [{"phrases": ["[email]", "ask"], "tiers": ["exact", "exact"]}]
    summary = pa.table({"summary": ["jane@example.org writes"]})
    assert redaction.redacted(articles, summary, LabelColumn("summary", many=False), ["email"])[1].to_pylist() == [
        {"summary": "[email] writes"}
    ]


@pytest.mark.parametrize("has_offsets", [True, False])
def test_redaction_by_columns_is_that_of_each_row(has_offsets: bool) -> None:
    """Rows that change and rows that stay, phrases twice, spans that are lost, a row whose offsets nobody has made yet."""
    column, kinds = LabelColumn("phrases", many=True), ["email"]
    plain, leaking = "The harbour of the city is open.", "The harbour: ask jane@example.org in the city."
    rows_in: list[tuple[Any, ...]] = [
        (None, plain, ["harbour", "city", "road"], ["exact", "exact", "absent"]),
        ("Ask jane@example.org", plain, ["harbour", "harbour"], ["exact", "exact"]),
        ("", leaking, ["harbour", "jane@example.org", "city"], ["exact", "exact", "exact"]),
        ("t", plain, ["kim@example.org", "city"], ["absent", "exact"]),
        ("t", plain, ["tower"], ["exact"]),  # is not there
        ("t", plain, [], []),
    ] * 2
    titles, texts, phrases, tiers = (list(values) for values in zip(*rows_in, strict=True))
    digests = [sha256(text.encode()).hexdigest() for text in texts]
    spans: list[Any] = [offsets(*row) for row in zip(phrases, tiers, texts, strict=True)]
    spans[6] = None
    articles = pa.table({"title": titles, "text": texts, "text_sha256": digests})
    labels = pa.table(
        {"phrases": pa.array(phrases, pa.list_(pa.string())), "tiers": pa.array(tiers, pa.list_(pa.string()))}
    )
    if has_offsets:
        labels = labels.append_column("offsets", pa.array(spans, OFFSETS))
    new_articles, new_labels = redaction.redacted(articles, labels, column, kinds)
    expected = [
        {name: text and leaks.redacted(text, kinds) for name, text in row.items()} for row in articles.to_pylist()
    ]
    for row in expected:
        row["text_sha256"] = sha256(row["text"].encode()).hexdigest()
    assert new_articles.to_pylist() == expected
    once = [dict.fromkeys(leaks.redacted(phrase, kinds) for phrase in row) for row in phrases]
    assert new_labels.column("phrases").to_pylist() == [list(row) for row in once]
    assert new_labels.column("tiers").to_pylist()[:5] == [
        ["exact", "exact", "absent"], ["exact"], ["exact", "exact", "exact"], ["absent", "exact"], ["absent"],
    ]  # fmt: skip
    if has_offsets:
        stayed = [span is not None for span in new_labels.column("offsets").to_pylist()]
        assert stayed == [True, False, False, False, False, True, False, False, False, False, False, True]
    flags = redaction.is_redacted((articles, labels), (new_articles, new_labels), column)
    assert flags.to_pylist()[:6] == ([False, True, True, True, True, False] if has_offsets else [True] * 6)
    assert redaction.redacted_again(articles, labels, column, kinds, flags) == (new_articles, new_labels)


def published(work: Any, version: str) -> dict[str, dict[str, Any]]:
    files = sorted((work.versions / version / "data").iterdir())
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def test_unpublished_texts_do_not_count(make_job: JobMaker) -> None:
    path = make_job(leaking(2), publish={"text": "none"})
    assert command("run", path).returncode == 0
