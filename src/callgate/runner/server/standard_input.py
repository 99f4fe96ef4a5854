"""Lines from the process's standard input, on the event loop: reading can be given up, and a line has an end.

The SDK's own reader waits in a thread, which nothing can interrupt while the other side is silent.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

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


class _FileLines:
    """The same of a file or /dev/null: they are never silent, and no event loop can wait for them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ended = False

    def end(self) -> None:
        """No further line is wanted."""
        self._ended = True

    def __aiter__(self) -> AsyncIterator[str]:
        return self._lines()

    async def _lines(self) -> AsyncIterator[str]:
        while not self._ended:
            try:
                line = self._file.readline(MAX_LINE + 1)
            except OSError:  # A directory, or a disk that fails.
                return
            if len(line) > MAX_LINE:
                log.error("[%s] a message has more than %d bytes; the conversation ends", "RUN014", MAX_LINE)
                return
            if not line:
                return
            yield line.decode("utf-8", "replace")
            # A long file must not keep everything else waiting.
            await asyncio.sleep(0)


@asynccontextmanager
async def standard_input() -> AsyncIterator[Lines | _FileLines]:
    """The lines of descriptor 0, which is /dev/null meanwhile for everybody else.

    It is given back afterwards: who started this process must not see its input closed before the process ends.
    """
    private = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        async with _lines_of(os.dup(private)) as lines:
            yield lines
    finally:
        os.dup2(private, 0)
        os.close(private)


@asynccontextmanager
async def _lines_of(descriptor: int) -> AsyncIterator[Lines | _FileLines]:
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(descriptor)):
        with os.fdopen(descriptor, "rb", closefd=True) as file:
            yield _FileLines(file)
        return
    reader = asyncio.StreamReader(limit=MAX_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        yield Lines(reader)
    finally:
        transport.close()
