"""Odd files and pages, by the kind of fault: what can be read is read, the fault is one row with its reason, nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.collect import charsets
from tests.conftest import SHARED, JobMaker, rows, run

KOREAN = "정부는 이날 오전 예산안을 발표했다. 한국은행은 금리를 올리기로 했다고 밝혔다. 시민단체는 즉각 반발했다."
FRENCH = "Le café est fermé depuis l'été dernier, où la mairie a décidé de rénover la façade du bâtiment à Orléans."
JAPANESE = "首相は新しい経済対策を発表した。" * 4
RUSSIAN = "Президент подписал указ о мерах поддержки экономики и малых предприятий в регионах страны."


def collected(make_job: JobMaker, source: dict[str, Any]) -> Any:
    return run(make_job(sources=[{"type": "files", **source}]), last="collect")


def kept(work: Any) -> dict[str, str]:
    return {row["id"]: row["text"] for row in rows(work, "articles")}


def rejected(work: Any) -> list[tuple[str, int, str]]:
    return [(row["source"], row["line"], row["reason"]) for row in rows(work, "articles", rejected=True)]


def page(body: str | bytes, head: str = "", encoding: str = "utf-8") -> bytes:
    inside = body.encode(encoding) if isinstance(body, str) else body
    return (
        f"<!DOCTYPE html><html><head>{head}<title>A</title></head><body><article>".encode()
        + inside
        + b"</article></body></html>"
    )


# --- encodings ---

_FOREIGN = {
    "an advertisement in EUC-KR": "오늘의 특가 상품을 지금 확인하세요".encode("cp949"),
    "an emoji of two surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "a line in Latin-1": "Où est passé l'été ? À Orléans, déjà.".encode("latin-1"),
    "a character that is cut": "가".encode()[:2],
}


@pytest.mark.parametrize("name", _FOREIGN)
@pytest.mark.parametrize(
    ("meta", "header"), [('<meta charset="utf-8">', None), ("", "utf-8"), ("", None), ("", "iso-8859-1")]
)
def test_foreign_bytes_make_no_page_of_another_encoding(name: str, meta: str, header: str | None) -> None:
    extract = pytest.importorskip("pipeline.collect.html.extract")
    paragraphs = "".join(f"<p>{KOREAN} {number}</p>" for number in range(6)).encode()
    whole = page(paragraphs + b"<p>" + _FOREIGN[name] + f" {KOREAN}</p>".encode(), meta)
    read = extract.extract(whole, "https://news.example/1", header)
    assert (read.reason, read.encoding) == (None, "utf-8")
    assert read.text.count(KOREAN) == 7 and "\ufffd" in read.text
    assert any(note.startswith("undecodable: ") and str(read.unread) in note for note in read.notes())
    assert extract.extract(page(paragraphs, meta), "https://news.example/1", header).unread == 0


def test_a_page_of_the_other_kind_keeps_its_encoding() -> None:
    """Mostly EUC-KR, with an advertisement in UTF-8: by its label, for it names none other."""
    body = (
        page(f"<p>{KOREAN}</p>" * 6, '<meta charset="euc-kr">', "cp949") + "오늘의 특가 상품을 지금 확인하세요".encode()
    )
    text, encoding = charsets.decode(body, None)
    assert encoding == "cp949" and text.count(KOREAN) == 6


def test_a_page_in_no_known_encoding_is_rejected() -> None:
    """Two bytes a character, by a table that nobody has: it is no Latin text because nothing else fits."""
    extract = pytest.importorskip("pipeline.collect.html.extract")
    table = bytes.maketrans(bytes(range(128, 256)), bytes(128 + (number * 37 + 11) % 128 for number in range(128)))
    for meta in ("", '<meta charset="utf-8">'):
        read = extract.extract(page(f"<p>{KOREAN}</p>".encode().translate(table) * 9, meta), "https://news.example/1")
        assert (read.reason, read.text) == ("undecodable", "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (KOREAN, "utf-8"),
        (KOREAN, "cp949"),
        (FRENCH, "utf-8"),
        (RUSSIAN, "utf-8"),
        ("首相は新しい経済対策を発表した。" * 4, "cp932"),
    ],
)
@pytest.mark.parametrize("misread", ["latin-1", "cp1252"])
def test_mojibake_is_a_reason_of_its_own(
    make_job: JobMaker, tmp_path: Path, text: str, encoding: str, misread: str
) -> None:
    data = text.encode(encoding)
    garbled = "".join(bytes([byte]).decode(misread, "replace").replace("\ufffd", chr(byte)) for byte in data)
    quotes = f"Its name is Ãngel, says â€œthe paperâ€™sâ€ editor; {'a long English text about a quay. ' * 9}"
    fine = [KOREAN, FRENCH, RUSSIAN, quotes]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in [garbled, *fine]))
    work = collected(make_job, {"path": "a.jsonl"})
    assert rejected(work) == [("a.jsonl", 1, "mojibake")]
    assert len(kept(work)) == len(fine)


def test_real_texts_are_no_mojibake() -> None:
    if not SHARED.exists():
        pytest.skip(f"the shared data are not at {SHARED}")
    import gzip

    for name in ("news-en", "news-fr", "news-ko", "language-sentences"):
        with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            assert not [text for line in file if charsets.mojibake(text := json.loads(line)["text"])]
