"""Who is spoken to, and by which page: the checks that keep web pages away from a gate (DNS rebinding, CSRF).

A page can make its visitor's browser send requests to a gate on the visitor's machine. It cannot choose what the
browser writes into `Host` and `Origin`, so these tell such requests apart (MCP, Streamable HTTP, "Security"; RFC 9110
section 7.2; https://fetch.spec.whatwg.org). Neither header says anything about clients that are no browsers.
"""

import re
from ipaddress import AddressValueError, IPv6Address

from msgspec.json import encode

from callgate.config.model import ListenConfig
from callgate.http1.contract import Head, Header, HttpRefusal

# One spelling for each kind of host: no octal, decimal or short addresses, no zone, no trailing dot, no user.
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)"
    r"(?::(?P<port>[1-9]\d{0,4}))?",
    re.ASCII,
)
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}")
_LAST_LABEL_IS_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)$")

_PARAM_HEADER = re.compile(r"mcp-param-[a-z0-9!#$%&'*+.^_`|~-]{1,100}")

_LOOKED_AT = (b"host", b"origin", b"sec-fetch-site")
_MAX_PASSED = 1024
_MAX_PARAM_HEADERS = 32

_ANY_ADDRESS = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 -- compared, never bound

_ALLOWED_HEADERS = (
    "authorization",
    "content-type",
    "accept",
    "last-event-id",
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
)
_EXPOSED = (
    b"access-control-expose-headers",
    b"Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After",
)


class Hosts:
    """The names a listener is served under, and the pages that may call it.

    Always: `localhost`, 127.0.0.0/8 and [::1]. Then `listen.hosts`, the address that is listened on unless that is
    every address, and the host of `resource`, the gate's public URL. All with any port (a tunnel or a
    container may map it), but for an entry that names one. Pages: `listen.origins`, and pages of the very host and
    port that is spoken to; never `null`.
    """

    def __init__(self, listen: ListenConfig, resource: str | None = None) -> None:
        self._names: set[str] = set()
        for entry in (*listen.hosts, listen.host, _authority_of(resource)):
            if entry not in _ANY_ADDRESS:
                self._names.add(_canonical(entry.lower()))
        self._origins = {_plain_origin(each) for each in listen.origins} - {"null", "*"}
        self._passed: set[tuple[bytes | None, bytes | None, bytes | None]] = set()

    def check(self, head: Head) -> None:
        """Return if the request may come in. Raises HttpRefusal: 421 for the host, 403 for the page."""
        headers = head.headers
        if headers.repeated:
            for name in _LOOKED_AT:
                if len(headers.all(name)) > 1:
                    raise _host_refused() if name == b"host" else _origin_refused()
        origin = headers.get(b"origin")
        key = (headers.get(b"host"), origin, headers.get(b"sec-fetch-site") if origin is None else None)
        if key in self._passed:
            return
        self._check_slowly(*key)
        # Only what passed is remembered, so hostile variety pushes nothing out.
        if len(self._passed) >= _MAX_PASSED:
            self._passed.clear()
        self._passed.add(key)

    def cors(self, head: Head) -> tuple[Header, ...]:
        """What every answer to a listed page must carry, so that the browser lets the page read it. Else empty."""
        origin = _one(head, b"origin")
        if origin is None or _text(origin) not in self._origins:
            return ()
        return ((b"access-control-allow-origin", origin), (b"vary", b"Origin"), _EXPOSED)

    def preflight(self, head: Head) -> tuple[Header, ...] | None:
        """The headers that answer (with 204) a listed page's question whether it may call; None: it is none."""
        allowed = self.cors(head)
        if not allowed or head.method != "OPTIONS" or _one(head, b"access-control-request-method") is None:
            return None
        wanted = _text(_one(head, b"access-control-request-headers") or b"").replace(" ", "").split(",")
        params = [each for each in dict.fromkeys(wanted) if _PARAM_HEADER.fullmatch(each)][
            :_MAX_PARAM_HEADERS
        ]
        return (
            *allowed,
            (b"access-control-allow-methods", b"POST, GET, DELETE"),
            (b"access-control-allow-headers", ", ".join((*_ALLOWED_HEADERS, *params)).encode("ascii")),
            (b"access-control-max-age", b"600"),
        )

    def _check_slowly(self, host: bytes | None, origin: bytes | None, site: bytes | None) -> None:
        authority = _text(host or b"")
        if not self._serves(authority):
            raise _host_refused()
        if origin is not None:
            page = _text(origin)
            if page not in self._origins and page not in (f"http://{authority}", f"https://{authority}"):
                raise _origin_refused()
        elif site is not None and site not in (b"same-origin", b"none"):
            raise _site_refused()

    def _serves(self, authority: str) -> bool:
        found = _AUTHORITY.fullmatch(authority)
        if found is None or int(found["port"] or 1) > 65_535:
            return False
        host = found["host"]
        if host.startswith("["):
            if not _is_plain_ipv6(host[1:-1]):
                return False
        elif _LAST_LABEL_IS_NUMBER.search(host):
            if _IPV4.fullmatch(host) is None:
                return False
            if host.startswith("127."):
                return True
        elif ".." in host:
            return False
        return host in ("localhost", "[::1]") or host in self._names or authority in self._names


def _is_plain_ipv6(text: str) -> bool:
    try:
        return str(IPv6Address(text)) == text
    except AddressValueError:
        return False


def _text(value: bytes) -> str:
    """Lower case; what is not ASCII fits nothing."""
    return value.decode("latin-1").lower() if value.isascii() else "\xff"


def _one(head: Head, name: bytes) -> bytes | None:
    try:
        return head.headers.get(name)
    except ValueError:
        return None


def _canonical(entry: str) -> str:
    """An IPv6 address as it must stand in `Host`; everything else as it is."""
    try:
        return f"[{IPv6Address(entry.strip('[]'))}]"
    except AddressValueError:
        return entry


def _authority_of(url: str | None) -> str:
    return (url or "").partition("://")[2].partition("/")[0]


def _plain_origin(text: str) -> str:
    """An origin as browsers write it: lower case, no default port, no slash at the end."""
    origin = text.lower().rstrip("/")
    for scheme, port in (("http://", ":80"), ("https://", ":443")):
        if origin.startswith(scheme):
            return origin.removesuffix(port)
    return origin


def _refusal(status: int, code: str, text: str) -> HttpRefusal:
    body = encode({"code": code, "error_description": text})
    return HttpRefusal(status, body, code=code, reason=text)


def _host_refused() -> HttpRefusal:
    return _refusal(421, "AUTH020", "this host is not served here")


def _origin_refused() -> HttpRefusal:
    return _refusal(403, "AUTH021", "this origin may not call")


def _site_refused() -> HttpRefusal:
    return _refusal(403, "AUTH022", "a page of another site may not call")
