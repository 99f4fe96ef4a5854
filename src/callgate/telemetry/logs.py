"""The log of a gate that serves: lines on stderr, as JSON or for people. Never makes the loop wait for a reader.

Lines wait in a bounded queue for a thread of their own that writes them; what finds no room is dropped, counted, and
said as soon as there is room. Everything is escaped, as most of it was chosen by agents and servers. Arguments,
answers, credentials and whole session ids have no field here.
"""

import os
import select
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal

import msgspec
from msgspec import Struct

from callgate.audit.timestamp import Timestamp
from callgate.clock import Clock
from callgate.text import escape

Format = Literal["json", "text"]
LEVELS = ("debug", "info", "warning", "error")
_ALWAYS = ("banner", "notice")

MAX_WAITING = 4_096
"""Lines that may wait to be written."""

_MAX_MESSAGE = 2_000
_MAX_FIELD = 256
_SESSION = 8
"""Characters of a session id that are shown: enough to follow one, not enough to take it over."""
_BATCH = 64


class _Line(Struct, omit_defaults=True):
    time: str
    level: str
    message: str
    event: str | None = None
    server: str | None = None
    tool: str | None = None
    identity: str | None = None
    session: str | None = None
    decision: str | None = None
    code: str | None = None
    trace: str | None = None
    seconds: float | None = None


_FIELDS = _Line.__struct_fields__[3:]
_encode = msgspec.json.Encoder().encode


def _ignore(lines: int) -> None:
    pass


class Log:
    """Call it with a level (`debug`, `info`, `warning`, `error`) and a line.

    `notice` and `banner` are always written, as `info`; a `banner` is for the line that a gate begins with, which has
    no time before it where people read it.

    To be made in the process that uses it, after any fork, and used by one thread. `on_drop` is told of every dropped
    line. A descriptor that cannot be written to is nobody's concern.
    """

    def __init__(
        self,
        level: str,
        format: Format,
        clock: Clock,
        *,
        fd: int = 2,
        on_drop: Callable[[int], None] = _ignore,
    ) -> None:
        self._least = LEVELS.index(level)
        self._json = format == "json"
        self._clock = clock
        self._timestamp = Timestamp(clock)
        self._fd = fd
        self._on_drop = on_drop
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._dropped = 0
        self._thread: Thread | None = None

    def __call__(
        self,
        level: str,
        text: str,
        *,
        event: str | None = None,
        server: str | None = None,
        tool: str | None = None,
        identity: str | None = None,
        session: str | None = None,
        decision: str | None = None,
        code: str | None = None,
        trace: str | None = None,
        seconds: float | None = None,
    ) -> None:
        if level not in _ALWAYS and LEVELS.index(level) < self._least:
            return
        if self._waiting.qsize() >= MAX_WAITING:
            self._dropped += 1
            self._on_drop(1)
            return
        if self._dropped:
            self._tell_dropped()
        if self._thread is None:
            self._thread = Thread(target=self._write, name="log", daemon=True)
            self._thread.start()
        if session is not None and len(session) > _SESSION:
            session = session[:_SESSION] + "…"
        line = _Line(
            self._timestamp(),
            "info" if level in _ALWAYS else level,
            escape(text[:_MAX_MESSAGE]),
            event,
            _fit(server),
            _fit(tool),
            _fit(identity),
            _fit(session),
            _fit(decision),
            code,
            trace,
            seconds,
        )
        self._waiting.put(_encode(line) if self._json else self._as_text(line, banner=level == "banner"))

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for no longer than `timeout` seconds."""
        if self._dropped:
            self._tell_dropped()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(timeout)
            self._thread = None

    def _tell_dropped(self) -> None:
        dropped, self._dropped = self._dropped, 0
        self("warning", f"{dropped} lines of the log were dropped, as nobody read them", event="log_dropped")

    def _as_text(self, line: _Line, *, banner: bool) -> bytes:
        if banner:
            return line.message.encode()
        at = time.strftime("%H:%M:%S", time.localtime(self._clock.wall_ns() // 1_000_000_000))
        words = [f"{at}  {line.level:<7}  {line.message}"]
        for name in _FIELDS:
            value = getattr(line, name)
            if value is not None and name != "event" and not _says(line.message, name, value):
                words.append(f"{name}={value:.3f}" if type(value) is float else f"{name}={value}")
        return "  ".join((words[0], " ".join(words[1:]))).rstrip().encode()

    def _write(self) -> None:
        while True:
            lines = [self._waiting.get()]
            while len(lines) < _BATCH and lines[-1] is not None:
                try:
                    lines.append(self._waiting.get_nowait())
                except Empty:
                    break
            _write_all(self._fd, b"".join([line + b"\n" for line in lines if line is not None]))
            if lines[-1] is None:
                return


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            # Whoever shares the terminal or the pipe may have made it non-blocking.
            select.select((), (fd,), ())
        except OSError:
            return


def _says(message: str, name: str, value: object) -> bool:
    """Whether the line itself says this field: `server: what happened [CODE]`."""
    if name == "server":
        return message.startswith(f"{value}: ")
    return name == "code" and f"[{value}]" in message


def _fit(text: str | None) -> str | None:
    return None if text is None else escape(text[:_MAX_FIELD])
