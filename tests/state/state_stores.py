"""The stores that the contract suite runs against. A new store is one more item of STORES."""

import os
import tempfile
from collections.abc import Callable

from msgspec import Struct
from redis_servers import redis

from callgate.clock import Clock
from callgate.decision import Amount, CalendarWindow, Charge, Limit, Scope, SlidingWindow, Window
from callgate.state.ledger import Ledger, Refused, Reserved
from callgate.state.memory import MemoryLedger
from callgate.state.routed import RoutedLedger
from callgate.state.sqlite import SqliteLedger

MEMORY_DISK = "/dev/shm" if os.path.isdir("/dev/shm") else None
MINUTE = SlidingWindow(60_000)
DAY = CalendarWindow("day")


class Store(Struct, frozen=True):
    """`open(clock, directory)` opens the store; twice with one directory is one store, if `durable`."""

    name: str
    open: Callable[[Clock, str], Ledger]
    durable: bool
    scope: Scope = "global"


def sqlite(clock: Clock, directory: str) -> SqliteLedger:
    return SqliteLedger(f"{directory}/state.db", clock, synchronous="NORMAL")


def routed(clock: Clock, directory: str) -> RoutedLedger:
    return RoutedLedger(MemoryLedger(clock), lambda: sqlite(clock, directory))


STORES = (
    Store("memory", lambda clock, _: MemoryLedger(clock), durable=False),
    Store("sqlite", sqlite, durable=True),
    Store("routed-session", routed, durable=False, scope="session"),
    Store("routed-global", routed, durable=True),
    Store("redis", redis, durable=True),
)


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=MEMORY_DISK)


def limit(
    maximum: Amount | None,
    window: Window = MINUTE,
    *,
    id: str = "calls",
    scope: Scope = "global",
    strict: bool = False,
    max_counters: int = 10_000,
) -> Limit:
    return Limit(
        id=id,
        max=maximum,
        window=window,
        scope=scope,
        text="",
        rule="",
        strict=strict,
        max_counters=max_counters,
    )


def charge(of: Limit, amount: Amount = 1, key: str = "") -> Charge:
    return Charge(of, f"{of.id}|{key}", amount)


def admitted(ledger: Ledger, *charges: Charge) -> str:
    result = ledger.reserve(charges)
    assert isinstance(result, Reserved), result
    return result.id


def refused(ledger: Ledger, *charges: Charge) -> Refused:
    result = ledger.reserve(charges)
    assert isinstance(result, Refused), result
    return result
