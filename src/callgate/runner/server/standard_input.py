"""Lines from the process's standard input, on the event loop: reading can be given up, and a line has an end.

The SDK's own reader waits in a thread, which nothing can interrupt while the other side is silent.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from callgate.runner.server.log import log

MAX_LINE = 16 << 20
"""Bytes of one message."""


class Lines:
    """An asynchronous iterator over lines. A line that is too long ends the conversation: it could not be answered."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._ended = False

    def end(self) -> None:
        """No further line is wanted."""
        self._ended = True
        self._reader.feed_eof()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._lines()

    async def _lines(self) -> AsyncIterator[str]:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:
                log.error("[%s] a message has more than %d bytes; the conversation ends", "RUN014", MAX_LINE)
                return
            if not line or self._ended:
                return
            yield line.decode("utf-8", "replace")


@asynccontextmanager
async def standard_input() -> AsyncIterator[Lines | None]:
    """The lines of descriptor 0, which is /dev/null meanwhile for everybody else. None where it is a file, which is
    never silent and can be read as the SDK does."""
    private = os.dup(0)
    reader = asyncio.StreamReader(limit=MAX_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(private, "rb", buffering=0)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    except (ValueError, OSError):
        pipe.close()
        yield None
        return
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        yield Lines(reader)
    finally:
        transport.close()
