"""Keys and personal data beside any script: a border that is ASCII, and addresses that only look like keys."""

from __future__ import annotations

import random
import string
import uuid

import pytest

from pipeline.versions import leaks
from tests.conftest import JobMaker, article, command

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
        "xhf_" + "a" * 34, "AKIA" + "A1" * 9, "2026-11-05 900101-5234567", "2,010 of 12345678 rows",
    ],
)  # fmt: skip
def test_parts_of_something_longer(text: str) -> None:
    assert (leaks.credentials(text), leaks.personal(text)) == (0, 0)


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
