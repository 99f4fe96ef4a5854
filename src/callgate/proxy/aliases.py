"""Names that no tool has, under which a server is asked for hidden tools, and the way back. No I/O.

A hidden tool is unknown: were its name sent, a server that knows it would run it or say so.
"""

from callgate.wire import replies

MAX_PAST = 1_000
"""Answered calls of hidden tools of which the server may still speak; older ones are forgotten."""


class Aliases:
    """`token` is unguessable text that stands in nothing else: if one of these names is shown, no more is known."""

    def __init__(self, token: str) -> None:
        self.used = False
        """Whether a hidden tool was ever asked for."""
        self._live: dict[bytes, bytes] = {}
        self._past: dict[bytes, bytes] = {}
        self._count = 0
        self._mark = b"-" + token.encode()

    def make(self, tool: str) -> bytes:
        """A name to ask the server for instead of the hidden `tool`.

        It stands for `tool` until `past` is called with it, and for a while after that.
        """
        self.used = True
        self._count += 1
        # No such name is a part of another.
        alias = b"unknown-%d%b" % (self._count, self._mark)
        self._live[alias] = replies.json_text(tool)[1:-1]
        return alias

    def past(self, alias: bytes) -> None:
        """The call that asked for `alias` is over; only logs and the like may still speak of it."""
        self._past[alias] = self._live.pop(alias)
        if len(self._past) > MAX_PAST:
            del self._past[next(iter(self._past))]

    def undo(self, line: bytes) -> bytes:
        """A frame from the server with the agent's names in place of those that stood for them."""
        if self._mark not in line:
            return line
        *parts, rest = line.split(self._mark)
        shown = []
        for part in parts:
            before, found, number = part.rpartition(b"unknown-")
            if found and number.isdigit():
                alias = found + number + self._mark
                # One that is forgotten must at least not show what it was.
                name = self._live.get(alias) or self._past.get(alias, b"unknown")
                shown += [before, name]
            else:
                shown += [part, b"-unknown"]
        return b"".join([*shown, rest])
