"""A page as it is kept, and what was extracted of it -> a row: an article, or why there is none."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from pipeline.collect.crawling import dates
from pipeline.collect.crawling.types import Kept
from pipeline.collect.html.extract import Page, content_digest
from pipeline.collect.urls import host_of, normal
from pipeline.core.types import BadRow, RawRow


def row(source: str, kept: Kept, page: Page | None, since: str | None, until: str | None) -> RawRow | BadRow:
    """`page`: what was extracted of it just now, if anything was."""
    if page is None and kept.page is not None and kept.is_usable:
        page = Page.of(json.loads(kept.page))
    if page is None:
        return BadRow(source, kept.number, kept.reason or "not_fetched", _detail(kept, kept.detail))
    if page.reason is not None:
        return BadRow(source, kept.number, page.reason, _detail(kept, page.detail))
    published = kept.published_at or page.published_at
    if not dates.within(published, since, until):
        return BadRow(source, kept.number, "not_of_that_time", _detail(kept, str(published)))
    fields = {
        "title": page.title, "text": page.text, "url": _own_address(page.canonical_url, kept.final_url or kept.url),
        "published_at": published, "language": page.language,
    }  # fmt: skip
    return RawRow(source, kept.number, fields, tuple(_notes(kept, page)))


def _notes(kept: Kept, page: Page) -> list[str]:
    notes = [*page.notes()]
    notes += [f"tdm_reserved: {kept.tdm_policy}"] if kept.tdm_policy is not None else []
    notes += [f"not_updated: {kept.reason}"] if kept.state == "failed" else []
    return [*notes, f"content: {content_digest(page.text)[:16]}", f"fetched: {kept.url}"]


def _own_address(canonical: str | None, url: str) -> str:
    """The canonical address where it may be believed: on the same host, and not the front page, which many sites name
    everywhere by mistake."""
    said = normal(canonical, url) if canonical else None
    believed = (
        said
        and host_of(said) == host_of(url)
        and (urlsplit(said).path not in ("", "/") or urlsplit(url).path in ("", "/"))
    )
    return said if said and believed else url


def _detail(kept: Kept, detail: str | None) -> str:
    return f"{kept.url} {detail or ''}".strip()[:500]
