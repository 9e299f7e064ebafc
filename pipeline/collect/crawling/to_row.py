"""From a stored page and what was extracted of it to a row: an article, or the reason why there is none."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from pipeline.collect import dates
from pipeline.collect.crawling.types import StoredPage
from pipeline.collect.html.extract import Page, content_digest
from pipeline.collect.urls import host_of, normal
from pipeline.core.types import BadRow, RawRow


def row(source: str, stored: StoredPage, page: Page | None, since: str | None, until: str | None) -> RawRow | BadRow:
    """Return a stored page's row.  `page`: what was extracted of it just now; None uses what is stored with it, if anything."""
    if page is None and stored.page is not None and stored.is_usable:
        page = Page.of(json.loads(stored.page))
    if page is None:
        return BadRow(source, stored.number, stored.reason or "not_fetched", _detail(stored, stored.detail))
    if page.reason is not None:
        return BadRow(source, stored.number, page.reason, _detail(stored, page.detail))
    published, zone = page.published(stored.published_at)
    if not dates.within(published, since, until):
        return BadRow(source, stored.number, "not_of_that_time", _detail(stored, str(published)))
    fields = {
        "title": page.title, "text": page.text, "url": _own_address(page.canonical_url, stored.final_url or stored.url),
        "published_at": published, "language": page.language,
    }  # fmt: skip
    return RawRow(source, stored.number, fields, (*zone, *_notes(stored, page)))


def _notes(stored: StoredPage, page: Page) -> list[str]:
    notes = [*page.notes()]
    notes += [f"tdm_reserved: {stored.tdm_policy}"] if stored.tdm_policy is not None else []
    notes += [f"not_updated: {stored.reason}"] if stored.state == "failed" else []
    return [*notes, f"content: {content_digest(page.text)[:16]}", f"fetched: {stored.url}"]


def _own_address(canonical: str | None, url: str) -> str:
    """Return the canonical URL if it is on the same host and not the front page (which many sites name by mistake), else `url`."""
    declared = normal(canonical, url) if canonical else None
    is_believed = (
        declared
        and host_of(declared) == host_of(url)
        and (urlsplit(declared).path not in ("", "/") or urlsplit(url).path in ("", "/"))
    )
    return declared if declared and is_believed else url


def _detail(stored: StoredPage, detail: str | None) -> str:
    return f"{stored.url} {detail or ''}".strip()[:500]
