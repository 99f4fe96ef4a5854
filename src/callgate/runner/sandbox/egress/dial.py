"""From an allowed host to a connection: resolved once, and connected to one of the addresses that were checked.

Nothing resolves the name a second time, so a name that changes its address between check and use gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from callgate.runner.sandbox.egress.contract import EgressLimits, Resolve
from callgate.runner.sandbox.egress.entries import Entry, find, reachable
from callgate.runner.sandbox.egress.hosts import Address, Target

_LOOKUPS: Final = ThreadPoolExecutor(8, thread_name_prefix="egress-lookup")
"""Threads of their own: names that resolve slowly must not hold up what else the worker does in threads."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Refused(Exception):
    """The operator does not allow it. `why` is for the log; `told` for the script."""

    def __init__(self, why: str, told: str) -> None:
        super().__init__(why)
        self.why = why
        self.told = told


class Unreachable(Exception):
    """It is allowed, and cannot be reached. The text is fit for the script."""


async def resolve(host: str, port: int) -> list[Address]:
    """Ask the system's resolver. Raises OSError."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, ask)
    return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]


async def dial(
    entries: Sequence[Entry], target: Target, limits: EgressLimits, resolver: Resolve
) -> tuple[Streams, Address]:
    """Connect to `target`. Raises Refused and Unreachable."""
    entry = find(entries, target)
    if entry is None:
        raise Refused(
            "no entry names it", f"{target} is not among the hosts that the operator of this runner allows"
        )
    try:
        async with asyncio.timeout(limits.connect):
            addresses = (
                [target.address] if target.address is not None else await _addresses(entry, target, resolver)
            )
            return await _connect(addresses, target)
    except TimeoutError:
        raise Unreachable(f"{target} did not answer within {limits.connect:g} seconds") from None


async def _addresses(entry: Entry, target: Target, resolver: Resolve) -> list[Address]:
    try:
        found = list(dict.fromkeys(await resolver(target.host, target.port)))
    except OSError:
        raise Unreachable(f"the name of {target} does not resolve") from None
    allowed = reachable(entry, found)
    if not allowed:
        places = ", ".join(map(str, found)) or "nothing"
        raise Refused(
            f"it resolves to {places}",
            f"{target} is not allowed by the operator of this runner: it does not resolve to a public address",
        )
    return allowed


async def _connect(addresses: Sequence[Address], target: Target) -> tuple[Streams, Address]:
    for address in addresses:
        try:
            return await asyncio.open_connection(str(address), target.port), address
        except OSError:
            continue
    raise Unreachable(f"no connection to {target} can be made")
