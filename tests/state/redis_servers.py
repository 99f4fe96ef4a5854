"""The Redis servers of these tests, and ledgers on them."""

import hashlib
import socket
from functools import cache

from tests.support.redis_server import RedisServer, wait_until

from callgate.clock import Clock
from callgate.state.redis import RedisLedger

__all__ = ["RedisServer", "free_port", "prefix_of", "redis", "shared_server", "wait_until"]


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@cache
def shared_server() -> RedisServer:
    """The one server of this process for tests that leave it alone."""
    return RedisServer().start()


def prefix_of(directory: str) -> str:
    """The store that stands for `directory`."""
    return hashlib.sha256(directory.encode()).hexdigest()[:20]


def redis(clock: Clock, directory: str) -> RedisLedger:
    """A ledger whose Redis host has `clock`'s wall clock."""
    url = shared_server().url(f"prefix={prefix_of(directory)}")
    return RedisLedger(url, clock, server_ns=clock.wall_ns)
