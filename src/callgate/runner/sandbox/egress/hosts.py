"""Hosts and ports as clients write them, read in one way only. No I/O.

Every resolver has its own idea of `127.1`, `0x7f.1` or `2130706433`. Here they are no hosts at all: a host is a name of
letters, digits, hyphens and underscores whose last label is not a number (WHATWG URL, "ends in a number"), an IPv4
address of four plain numbers, or an IPv6 address in brackets.
"""

import re
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
_IPV4 = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}\Z")

Address = IPv4Address | IPv6Address


class NoHost(ValueError):
    """What was asked for is no host, or no port. The text says why; it repeats nothing of what was asked."""


class Target(Struct, frozen=True):
    """A host in its one spelling: lower case, no dot at the end. `address` is set if it is no name."""

    host: str
    port: int
    address: Address | None = None

    def __str__(self) -> str:
        return (
            f"[{self.host}]:{self.port}"
            if isinstance(self.address, IPv6Address)
            else f"{self.host}:{self.port}"
        )


def read_host(text: str) -> tuple[str, Address | None]:
    """Return the host of `text` in its one spelling, and its address if it is one. Raises NoHost."""
    if not text.isascii():
        raise NoHost("the host holds characters that are not ASCII; write it as IDNA (`xn--…`)")
    if text.startswith("["):
        if not text.endswith("]") or "%" in text:
            raise NoHost("the host is no IPv6 address")
        try:
            address = IPv6Address(text[1:-1])
        except ValueError:
            raise NoHost("the host is no IPv6 address") from None
        return str(address), address
    name = text.lower().removesuffix(".")
    if _IPV4.match(name):
        try:
            return name, IPv4Address(name)
        except ValueError:
            raise NoHost("the host is no IPv4 address") from None
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise NoHost("the host is no name that DNS could hold")
    if _NUMBER.match(labels[-1]):
        raise NoHost("the host is a number, but not an IPv4 address of four numbers")
    return name, None


def read_target(text: str, default_port: int | None = None) -> Target:
    """Return host and port of `HOST:PORT`; the port may be missing if there is a default. Raises NoHost."""
    if "@" in text:
        raise NoHost("user names and passwords do not belong before a host")
    split = text.rfind(":")
    if split > text.rfind("]"):
        host, port = text[:split], text[split + 1 :]
        if not _PORT.match(port) or int(port) > 0xFFFF:
            raise NoHost("the port is no number from 1 to 65535")
        number = int(port)
    elif default_port is not None:
        host, number = text, default_port
    else:
        raise NoHost("there is no port")
    name, address = read_host(host)
    return Target(name, number, address)
