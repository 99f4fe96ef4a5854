"""Whom a client talks to, read from a URL. No I/O."""

import re
from urllib.parse import urlsplit

from msgspec import Struct

_TARGET = re.compile(r"/[!-~]*")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True):
    """Scheme, host and port of a server. `host` has no brackets, also if it is an IPv6 address."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """What stands in the Host header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def secure(self) -> bool:
        return self.scheme == "https"


def read_url(url: str) -> tuple[Origin, str]:
    """The origin that `url` names, and the target to ask there (its path and query).

    Raises ValueError, with a text that never quotes the URL, for anything but an absolute http or https URL:
    user names and fragments are refused rather than left out.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the URL cannot be read") from None
    if parts.scheme not in _PORTS:
        raise ValueError("the URL does not begin with `http://` or `https://`")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name or a password; give credentials as a header")
    if "#" in url:
        raise ValueError("the URL has a fragment (`#…`), which no server ever sees")
    host = parts.hostname or ""
    if not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise ValueError("the URL has no host name in ASCII")
    if port == 0:
        raise ValueError("the URL names port 0")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target):
        raise ValueError("the URL's path has characters that must be written as `%XX`")
    return Origin(parts.scheme, host, port or _PORTS[parts.scheme]), target


def _is_ipv6(host: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(host)
    except ValueError:
        return False
    # A zone would have to be left out of the Host header.
    return "%" not in host
