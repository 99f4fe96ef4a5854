"""Which addresses lead out to the internet, and which somewhere else. No I/O but one: which are this machine's own.

Source: the special-purpose registries of IANA (RFC 6890 and its updates). Of IPv6 only what is handed out as global
unicast counts as public, so that mapped (::ffff:0:0/96), translated (64:ff9b::/96) and future ranges do not.
"""

import socket
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

from callgate.runner.sandbox.egress.hosts import Address

Place = Literal["public", "private", "here", "special"]
"""`private`: an organisation's own network. `here`: this machine itself. `special`: loopback, link-local (where clouds
keep credentials), multicast, unspecified, translated, reserved."""

_PRIVATE_4: Final = tuple(
    IPv4Network(net) for net in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
)
_SPECIAL_4: Final = tuple(
    IPv4Network(net)
    for net in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24"),
        *("192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_PRIVATE_6: Final = IPv6Network("fc00::/7")
_GLOBAL_6: Final = IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


def place_of(address: Address) -> Place:
    """Where an address leads."""
    if isinstance(address, IPv6Address):
        if address in _PRIVATE_6:
            return "private"
        if address not in _GLOBAL_6 or any(address in net for net in _SPECIAL_6):
            return "special"
    elif any(address in net for net in _PRIVATE_4):
        return "private"
    elif any(address in net for net in _SPECIAL_4):
        return "special"
    return "here" if _is_ours(address) else "public"


def _is_ours(address: Address) -> bool:
    """Whether an interface of this machine has it: only then a socket can be bound to it."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
