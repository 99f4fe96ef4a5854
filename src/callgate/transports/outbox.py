"""Bytes on their way into one file descriptor: written at once if the reader keeps up, queued if not.

Both directions of a relay need one: a relay that blocks on a write deadlocks as soon as both sides are full.
"""

import os
import stat
from collections import deque

_CHUNK = 65536


def nonblocking_output(fd: int) -> int:
    """A descriptor for the same output as `fd` that never blocks on a write; `fd` itself where it cannot block.

    O_NONBLOCK belongs to the open file description, which a parent or the server's stderr may share, so a pipe
    or terminal is opened anew. A socket cannot be, and is ours alone (Node.js gives its children sockets).
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        try:
            return os.open(f"/dev/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:
            pass
    os.set_blocking(fd, False)
    return fd


class Outbox:
    """A queue in front of one descriptor. `size` is what still waits, in bytes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = 0
        self._queue: deque[memoryview] = deque()

    def send(self, data: bytes) -> int:
        """Write or queue `data`. Returns how many bytes of all that was waiting were written now.

        Raises OSError (EPIPE and its kin) when the reader is gone.
        """
        if self._queue:
            self._queue.append(memoryview(data))
            self.size += len(data)
            return 0
        try:
            written = os.write(self.fd, data if len(data) <= _CHUNK else memoryview(data)[:_CHUNK])
        except BlockingIOError:
            written = 0
        if written < len(data):
            self._queue.append(memoryview(data)[written:])
            self.size = len(data) - written
        return written

    def flush(self) -> None:
        """Write what fits now. Raises OSError when the reader is gone."""
        while self._queue:
            head = self._queue[0]
            try:
                written = os.write(self.fd, head[:_CHUNK])
            except BlockingIOError:
                return
            self.size -= written
            if written == len(head):
                self._queue.popleft()
            else:
                self._queue[0] = head[written:]
                if written < min(len(head), _CHUNK):
                    return
