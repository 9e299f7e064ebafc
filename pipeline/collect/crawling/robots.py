"""Rules for robots: robots.txt (RFC 9309), marks on a page, and TDM reservations (W3C TDMRep).

Pure: the caller fetches and caches, for as long as an answer `holds`.  Nothing here raises on bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from pipeline.collect.urls import encoded, normal

if TYPE_CHECKING:
    from protego import Protego

MAX_BYTES = 500 * 1024  # of a robots.txt that are read, as RFC 9309 asks at least
HOLD_SECONDS = 24 * 3600.0  # seconds that an answer may be kept
UNREACHABLE_HOLD_SECONDS = 3600.0  # seconds until an unreachable robots.txt is requested again
MAX_DELAY = 60.0  # seconds: a host that asks for more between two requests is left alone
HEAD_BYTES = 256 * 1024  # of a page, in which marks are searched
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

_LINE_END = re.compile(r"\r\n?|\n")
# Python splits lines at these, RFC 9309 does not
_NO_LINE_END = re.compile("[\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_TOKEN = re.compile(r"([^\s/;,()]+)")
_COMPATIBLE = re.compile(r"\(compatible;\s*([^\s/;,()]+)", re.IGNORECASE)
_RULE_LINE = re.compile(r"\s*(?:di|allow|crawl|request|site-?map)", re.IGNORECASE)  # protego knows common misspellings
_AGENT_LINE = re.compile(r"\s*user[ -]?agent(?:\s*:|\s)\s*([^\s/#;,()]*)", re.IGNORECASE)
# stands for all agents but labelmill, of which protego would take `label` for a name
_OTHER = "User-agent: 0"

_UNUSABLE = ("noindex", "none", "noarchive", "noai", "noimageai")
_WITH_VALUE = re.compile(
    r"(?a:\b)(?:max-(?:snippet|(?:image|video)-preview)\s*:\s*[^\s,;]*|unavailable_after\s*:[^,;]*)"
)
_META = re.compile(r"""<meta[\s/]((?:=\s*(?:"[^"]*"|'[^']*')|[^>])*+)""", re.IGNORECASE)  # a value may hold a >
_ATTRIBUTE = re.compile(r"""(?<![^\s"'/])([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def token(user_agent: str) -> str:
    """Return the product token of a user agent, as groups of a robots.txt name it: `labelmill/1.0 (+...)` -> `labelmill`.

    `Mozilla/5.0 (compatible; labelmill/1.0)` is labelmill too.
    """
    match = _COMPATIBLE.search(user_agent) or _TOKEN.search(user_agent)
    return match[1].lower() if match else ""


@dataclass(frozen=True, slots=True)
class Robots:
    """A robots.txt, for our agent.

    `delay`: seconds between requests, None where it states none.  `refusal`: why nothing is allowed (`unreachable`,
    `too_slow`), or None.  `holds`: seconds after which to request it again.  `sitemaps`: in normal form.
    """

    delay: float | None = None
    sitemaps: tuple[str, ...] = ()
    refusal: str | None = None
    holds: float = HOLD_SECONDS
    rules: Protego | None = None
    agent: str = ""

    @property
    def unreachable(self) -> bool:
        """Return whether it could not be fetched: until then nothing is allowed (RFC 9309, but for ever)."""
        return self.refusal == "unreachable"

    def allowed(self, url: str) -> bool:
        """Return whether a URL may be requested."""
        if self.refusal is not None:
            return False
        if self.rules is None:
            return True
        try:
            return self.rules.can_fetch(url, self.agent)
        except ValueError:  # no URL
            return False


def parse(
    status: int | None, body: bytes, user_agent: str, url: str | None = None, max_delay: float = MAX_DELAY
) -> Robots:
    """Return the rules of an answer to a request for robots.txt, redirects followed.

    `status` is None where nothing answered.  2xx is read; 5xx, 429 and no answer allow nothing for an hour; all else (4xx, and a
    3xx that was left over after five redirects) allows everything.  A delay beyond `max_delay` seconds refuses the host: it is
    neither crawled faster than it asks nor for years.  `url`: its own URL, to resolve relative sitemaps.
    """
    if status is None or status == 429 or status >= 500:
        return Robots(refusal="unreachable", holds=UNREACHABLE_HOLD_SECONDS)
    if not 200 <= status < 300:
        return Robots()
    from protego import Protego

    agent = token(user_agent)
    rules = Protego.parse("\n".join(_lines(body, agent)))
    delay = _delay(rules, agent)
    named = dict.fromkeys(address for text in rules.sitemaps if (address := normal(text, url)))
    refusal = "too_slow" if delay is not None and delay > max_delay else None
    return Robots(delay, tuple(named), refusal, HOLD_SECONDS, rules, agent)


def _lines(body: bytes, agent: str) -> Iterator[str]:
    """Yield the lines of a robots.txt with every group named `*`, ours or another's."""
    # UTF-8 is asked for; a file that is in UTF-16 says so by its mark.
    text = body[:MAX_BYTES].decode("utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    lines = _LINE_END.split(_NO_LINE_END.sub(lambda match: quote(match[0]), text))
    if len(body) >= MAX_BYTES:
        del lines[-1]  # half a rule may match more than the whole
    for line in lines:
        match = _AGENT_LINE.match(line)
        if match is None:
            if _RULE_LINE.match(line):  # unknown lines must not end a group
                yield line
        else:
            name = match[1].lower()
            is_ours = name == "*" or name.rstrip("*") == agent
            yield f"User-agent: {'*' if name == '*' else agent}" if is_ours else _OTHER


def _delay(rules: Protego, agent: str) -> float | None:
    """Return the seconds between two requests, the longer one of Crawl-delay and Request-rate, or None."""
    rate = rules.request_rate(agent)
    delays = (rules.crawl_delay(agent), rate.seconds / rate.requests if rate else None)
    return max((seconds for seconds in delays if seconds is not None), default=None)


# --- marks on a page ---


def directives(headers: Headers, head: bytes, user_agent: str = "") -> dict[str, str]:
    """Return the directives of X-Robots-Tag and `<meta name="robots">` (or our own name): in lower case -> where it stands.

    In a line of a header an agent's name holds until the next one; without a name all agents are meant.
    """
    agent = token(user_agent)
    sources: dict[str, str] = {}
    for name, value in _pairs(headers):
        if name == "x-robots-tag":
            for line in value.split("\n"):
                sources.update(dict.fromkeys(_for_us(line, agent), "x-robots-tag"))
    for name, content in metas(head):
        if name == "robots" or (agent and name == agent):
            for word in words(content):
                sources.setdefault(word, "meta")
    return sources


def forbids_use(headers: Headers, body_head: bytes, user_agent: str = "") -> str | None:
    """Return why a page may not be kept, such as `meta: noindex` (or none, noarchive, noai, noimageai), or None."""
    sources = directives(headers, body_head, user_agent)
    return next((f"{sources[word]}: {word}" for word in _UNUSABLE if word in sources), None)


def words(content: str) -> list[str]:
    """Return the directives in a `content`, in lower case, without those that have a value (which may be `none`)."""
    return re.split(r"[\s,;]+", _WITH_VALUE.sub("", content.lower()).strip())


def _for_us(value: str, agent: str) -> Iterator[str]:
    is_ours = True
    for part in _WITH_VALUE.sub("", value.lower()).split(","):
        name, colon, rest = part.rpartition(":")
        if colon:
            is_ours = name.strip() in ("*", "robots", agent)
        if is_ours:
            yield from words(rest)


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        yield name.lower(), value


def metas(head: bytes) -> Iterator[tuple[str, str]]:
    """Yield (name in lower case, content) of the `<meta>`s at the head of a page, comments left out."""
    # NULs: UTF-16 without them is ASCII enough for this.
    text = _without_comments(head[:HEAD_BYTES].replace(b"\0", b"").decode("latin-1"))
    for tag in _META.finditer(text):
        # reversed: of a name that stands twice the first counts
        attributes = {name.lower(): a or b or c for name, a, b, c in reversed(_ATTRIBUTE.findall(tag[1]))}
        if "name" in attributes and "content" in attributes:
            yield attributes["name"].strip().lower(), unescape(attributes["content"])


def _without_comments(text: str) -> str:
    kept, *rest = text.split("<!--")  # a pattern would take quadratic time where none is closed
    return kept + "".join(part.partition("-->")[2] for part in rest)


# --- TDM reservations ---


class Reservation(NamedTuple):
    """State of the rights to text and data mining: whether they are `reserved`, and the URL of a `policy`, if one is named."""

    reserved: bool
    policy: str | None = None


class TdmRules:
    """Rules of a site's `/.well-known/tdmrep.json`: the first one whose location matches decides."""

    def __init__(self, rules: Iterable[tuple[str, Reservation]] = ()) -> None:
        self._rules = [(_location(location), reservation) for location, reservation in rules]

    def at(self, url: str) -> Reservation | None:
        """Return the reservation of a URL in normal form, or None where no rule matches."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        path = _plain((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return next((reservation for location, reservation in self._rules if _matches(location, path)), None)


def tdm_file(status: int | None, body: bytes, url: str) -> TdmRules:
    """Return the rules of an answer to a request for `/.well-known/tdmrep.json` at `url`; malformed rules are skipped."""
    if status is None or not 200 <= status < 300:
        return TdmRules()
    try:
        rows: Any = json.loads(body[:MAX_BYTES])
    except (ValueError, RecursionError):
        return TdmRules()
    rules = []
    for row in rows if isinstance(rows, list) else [rows]:
        location = row.get("location") if isinstance(row, dict) else None
        if isinstance(location, str):
            reservation = _reservation(row.get("tdm-reservation"), row.get("tdm-policy"), url)
            rules += [(location, reservation)] if reservation else []
    return TdmRules(rules)


def tdm_headers(headers: Headers, url: str) -> Reservation | None:
    """Return the reservation in the headers `tdm-reservation` and `tdm-policy`, or None."""
    values = dict(_pairs(headers))
    return _reservation(values.get("tdm-reservation"), values.get("tdm-policy"), url)


def tdm_meta(body_head: bytes, url: str) -> Reservation | None:
    """Return the reservation in `<meta name="tdm-reservation" content="1">` and `tdm-policy`, or None."""
    values = dict(metas(body_head))
    return _reservation(values.get("tdm-reservation"), values.get("tdm-policy"), url)


def reservation(url: str, rules: TdmRules | None, headers: Headers = (), body_head: bytes = b"") -> Reservation:
    """Return a page's reservation: its own mark counts before the header, and that before the site's file."""
    stated = tdm_meta(body_head, url) or tdm_headers(headers, url) or (rules.at(url) if rules else None)
    return stated or Reservation(False)


def _reservation(value: object, policy: object, url: str) -> Reservation | None:
    """Return a reservation; None for a value other than 0, 1 and true, for the specification has errors ignored."""
    is_reserved = {"0": False, "1": True, "true": True}.get(
        str(value).strip().lower() if isinstance(value, int | str) else ""
    )
    if is_reserved is None:
        return None
    return Reservation(is_reserved, normal(policy, url) if is_reserved and isinstance(policy, str) else None)


def _location(pattern: str) -> tuple[list[str], bool]:
    """Return a location as the runs between its `*`s, and whether it is anchored by `$`."""
    pattern = pattern.partition("#")[0].strip()
    anchored = pattern.endswith("$")
    path = re.sub(r"\*+", "*", pattern.removesuffix("$"))
    return [_plain(part) for part in path.split("*")], anchored


def _plain(text: str) -> str:
    """Return the form in which both sides are compared; a location may escape the two characters with a meaning in it."""
    return encoded(text).replace("%24", "$").replace("%2A", "*")


def _matches(location: tuple[list[str], bool], path: str) -> bool:
    """Return whether a path matches a location, in linear time: each run is taken as early as it stands."""
    (first, *others), anchored = location
    if not path.startswith(first):
        return False
    end = len(first)
    for part in others[:-1] if anchored else others:
        start = path.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    if not anchored:
        return True
    return path[end:].endswith(others[-1]) if others else end == len(path)
