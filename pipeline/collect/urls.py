"""URLs: their normal form, their host, and the scope of a crawl.

The normal form is what is fetched, stored and compared.  It is ASCII: hosts in IDNA, paths and queries percent-encoded as UTF-8.
Nothing here raises on a string, and nothing looks a name up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

_SCHEMES = {"http": 80, "https": 443}

# what browsers strip around a URL; inside they drop tabs and line ends
_EDGES = "".join(map(chr, range(33)))
_LINE_ENDS = str.maketrans("", "", "\t\r\n")
# Normal already: no escapes, no dot segments, nothing that could be dropped.  Nine links of ten.
_NORMAL = re.compile(
    r"https?://(?=[^/]{4,253}/)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?:/(?!\.)[A-Za-z0-9._~-]*+)++"
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SESSION = re.compile(r";(?:jsessionid|phpsessid)=[^/;]*|/\(S\([a-z0-9]{24}\)\)(?=/)", re.IGNORECASE)
# Parameters of campaigns, clicks and sessions: the page is the same without.
_TRACKING = re.compile(
    r"(?:utm|mtm|pk|hsa|stm)_\w*|at_(?:medium|campaign|custom\d*|link_\w*|ptr_\w*)|ns_(?:mchannel|source|campaign|linkname|fee)|"
    r"(?:fb|g|d|ms|y|tw|tt|sc|rdt_|li_fat_|ir)?clid|gbraid|wbraid|gclsrc|gad_source|igshid|igsh|mc_[ce]id|_g[al]|_hs(?:enc|mi)|"
    r"__hs(?:tc|sc|fp)|mkt_tok|oly_(?:anon|enc)_id|vero_(?:id|conv)|wickedid|ref_src|phpsessid|jsessionid|aspsessionid\w*",
    re.IGNORECASE,
)
# A session is recognised by name and value: `sid=12` may be a section.
_SESSION_PARAMETER = re.compile(
    r"(?:sid|s?ess(?:ion)?_?id|session|zenid|oscsid)=(?=[^=]*[0-9])(?=[^=]*[a-z])[a-z0-9,-]{20,}", re.IGNORECASE
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def normal(url: str, base: str | None = None) -> str | None:
    """Return the normal form of a URL, resolved against `base` where it is relative.

    None for what is no URL of a web page: another scheme, no host, a bad host or port.
    """
    url = url.strip(_EDGES).translate(_LINE_ENDS)
    if _NORMAL.fullmatch(url):
        return url
    try:
        url = _forward(url)
        parts = urlsplit(urljoin(base, url) if base else url)
        port = parts.port
    except ValueError:
        return None
    host = _host(parts.netloc.rpartition("@")[2])
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES or host is None or port == 0:
        return None
    authority = host if port in (None, _SCHEMES[scheme]) else f"{host}:{port}"
    return f"{scheme}://{authority}{_path(parts.path)}{_query(parts.query)}"


def _forward(url: str) -> str:
    """Replace backslashes before the query by slashes, as browsers do."""
    if "\\" not in url:
        return url
    end = min((at for at in (url.find("?"), url.find("#")) if at >= 0), default=len(url))
    return url[:end].replace("\\", "/") + url[end:]


@lru_cache(maxsize=4096)
def _host(authority: str) -> str | None:
    """Return a host in lower-case ASCII, or None; `authority` may carry a port, which was checked already."""
    try:
        if authority.startswith("["):
            literal = authority[1 : authority.index("]")]
            return None if "%" in literal else f"[{IPv6Address(literal).compressed}]"
        name = unquote(authority.partition(":")[0])
        if not name.isascii():
            import idna

            name = idna.encode(name, uts46=True).decode("ascii")
        name = name.lower().removesuffix(".")
        labels = name.split(".")
        # 127.1 and 0x7f000001 would be addresses in disguise
        if labels[-1].isdigit() or labels[-1].startswith("0x"):
            return str(IPv4Address(name))
    except (AddressValueError, ValueError, IndexError):  # idna's errors are ValueErrors
        return None
    return name if len(name) <= 253 and all(map(_LABEL.fullmatch, labels)) else None


def _path(path: str) -> str:
    path = _SESSION.sub("", encoded(path))
    return _without_dots(path) if "/." in path else path or "/"


def _without_dots(path: str) -> str:
    """Remove dot segments (RFC 3986, 5.2.4); `//` stays, for it may have a meaning on a server."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    """Return the query with its `?`, in its order, without empty and tracking parameters."""
    if not query:
        return ""
    parts = encoded(query).split("&")
    kept = [part for part in parts if part and not _is_noise(part)]
    return f"?{'&'.join(kept)}" if kept else ""


def _is_noise(parameter: str) -> bool:
    return bool(_TRACKING.fullmatch(parameter.partition("=")[0]) or _SESSION_PARAMETER.fullmatch(parameter))


def encoded(text: str) -> str:
    """Return a piece of a path or query in normal form: escapes where needed, and in upper case."""
    text = _UNSAFE.sub(_quoted, text)
    return _ESCAPE.sub(_escape, text) if "%" in text else text


def _escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _quoted(match: re.Match[str]) -> str:
    # A lone surrogate is no Unicode, but a string may hold one.
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def host_of(url: str) -> str:
    """Return the host of a URL, without its port; empty where there is none."""
    parts = _split(url)
    return (parts.hostname or "") if parts else ""


def key(url: str) -> str:
    """Return a key that is equal for URLs of nearly always one page; for comparing, not for fetching.

    http and https, with and without `www.` and a last slash, parameters in any order are alike.
    """
    parts = _split(normal(url) or url)
    if parts is None:
        return url
    authority, path = parts.netloc.removeprefix("www."), parts.path.rstrip("/")
    query = "&".join(sorted(parts.query.split("&"))) if "&" in parts.query else parts.query
    return f"{authority}{path}?{query}" if query else f"{authority}{path}"


def readable(url: str) -> str:
    """Return a URL as a person writes it: its host and escapes above ASCII as characters, where they are any."""
    parts = _split(url)
    if parts is None or not ("%" in url or "xn--" in parts.netloc):
        return url
    authority = parts.netloc
    if "xn--" in authority:
        import idna

        try:
            authority = idna.decode(authority.partition(":")[0]) + "".join(authority.partition(":")[1:])
        except ValueError:
            authority = parts.netloc
    path = unquote(parts.path, errors="replace")
    return f"{parts.scheme}://{authority}{path}" + (f"?{unquote(parts.query, errors='replace')}" if parts.query else "")


class Scope:
    """The URLs that may be crawled: shell patterns over the whole URL, and hosts.

    In a pattern `*` stands for any run of characters, `?` for one, `[ab]` for a or b; it has to match all of the URL.  A
    pattern above ASCII is held against the URL as a person reads it (`https://한글.kr/뉴스/*`).  A host stands for itself and
    for what is below it.
    Nothing given means no limit; what is both included and excluded is out.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self._include, self._exclude = _Patterns(include), _Patterns(exclude)
        named = [host.strip().removeprefix("*.").strip(".") for host in hosts]
        self._hosts = frozenset(_host(host) or host.lower() for host in named)

    def refusal(self, url: str) -> str | None:
        """Return why a URL (in normal form) is out: `other_host`, `excluded` or `not_included`; None where it is in."""
        if not self.has_host(url):
            return "other_host"
        if self._exclude and self._exclude.match(url):
            return "excluded"
        return "not_included" if self._include and not self._include.match(url) else None

    def allows(self, url: str) -> bool:
        """Return whether a URL (in normal form) is in."""
        return self.refusal(url) is None

    def has_host(self, url: str) -> bool:
        """Return whether a URL's host is allowed; patterns do not count."""
        return not self._hosts or self._is_allowed_host(host_of(url))

    def _is_allowed_host(self, host: str) -> bool:
        while host not in self._hosts:
            _, dot, host = host.partition(".")
            if not dot:
                return False
        return True


class _Patterns:
    """Shell patterns over whole URLs."""

    def __init__(self, patterns: Iterable[str]) -> None:
        compiled = [(pattern.isascii(), re.compile(translate(pattern))) for pattern in patterns]
        self._ascii = [pattern for is_ascii, pattern in compiled if is_ascii]
        self._readable = [pattern for is_ascii, pattern in compiled if not is_ascii]

    def __bool__(self) -> bool:
        return bool(self._ascii or self._readable)

    def match(self, url: str) -> bool:
        if any(pattern.match(url) for pattern in self._ascii):
            return True
        seen = readable(url) if self._readable else ""
        return any(pattern.match(seen) for pattern in self._readable)
