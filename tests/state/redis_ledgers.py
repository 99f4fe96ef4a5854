"""Ledgers on Redis servers that tests maltreat, and what is asked of them."""

from collections.abc import Callable, Iterator

import pytest
from redis_servers import RedisServer
from state_stores import MINUTE, charge, limit

from callgate.clock import ManualClock, SystemClock
from callgate.errors import StateError
from callgate.state.redis import RedisLedger

CALLS = limit(100)
Opened = Callable[..., RedisLedger]


def new_server() -> Iterator[RedisServer]:
    found = RedisServer().start()
    yield found
    found.remove()


def opened_ledgers() -> Iterator[Opened]:
    """Opens ledgers, and closes them in the end."""
    made: list[RedisLedger] = []

    def open(url: str, *told: list[StateError], clock: ManualClock | None = None) -> RedisLedger:
        server_ns = None if clock is None else clock.wall_ns
        notify = told[0].append if told else None
        made.append(RedisLedger(url, clock or SystemClock(), notify=notify, server_ns=server_ns))
        return made[-1]

    yield open
    for ledger in made:
        ledger.close()


def failure(ledger: RedisLedger) -> StateError:
    with pytest.raises(StateError) as caught:
        ledger.reserve([charge(CALLS)])
    assert caught.value.help
    assert "\n" not in caught.value.message
    return caught.value


def spent(ledger: RedisLedger) -> int:
    return int(ledger.used("calls|", MINUTE)[0])


def mended(ledger: RedisLedger) -> None:
    assert ledger._script.link.mended.wait(20)
