"""The signals that ask the process to end, as an event."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_ENDING = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def ending_signals(given: asyncio.Event | None) -> AsyncIterator[asyncio.Event]:
    """The event `given`, or one that SIGTERM and SIGINT set meanwhile."""
    if given is not None:
        yield given
        return
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in _ENDING:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
