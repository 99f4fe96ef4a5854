"""Ends open streams whose caller would not be let in any more: its key was taken out, its issuer's keys are others.

Must not hold up the loop: whoever has thousands of streams waits for their turn, a few at a time.
"""

from collections.abc import Callable, Set
from typing import Protocol

from callgate.http1.contract import Head, HttpRefusal
from callgate.principal import Principal
from callgate.serve.shared import Stream

AT_ONCE = 50
"""Streams that are looked at in one turn: a signature costs a fraction of a millisecond."""
_UNAVAILABLE = 503


class Soon(Protocol):
    """The event loop, as this module needs it."""

    def call_soon(self, callback: Callable[[], None]) -> object: ...


class Revoking:
    """Looks at all of `streams` after `begin`. `identify` raises HttpRefusal for who is not let in."""

    def __init__(self, loop: Soon, streams: Set[Stream], identify: Callable[[Head], Principal]) -> None:
        self._loop = loop
        self._streams = streams
        self._identify = identify
        self._left: list[Stream] = []
        self._undecided: list[Stream] = []
        self._begun = False

    def begin(self) -> None:
        """Credentials have been replaced."""
        self._left = list(self._streams)
        self._undecided = []
        self._go_on()

    def tick(self) -> None:
        """Look again at those of whom nothing could be said, as keys were being fetched. Call it once a second."""
        if not self._begun and self._undecided:
            self._left, self._undecided = self._undecided, []
            self._go_on()

    def _go_on(self) -> None:
        if not self._begun:
            self._begun = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._begun = False
        turn, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        for stream in turn:
            if stream in self._streams:
                self._check(stream)
        if self._left:
            self._go_on()

    def _check(self, stream: Stream) -> None:
        try:
            stands = self._identify(stream.head).identity == stream.caller.identity
        except HttpRefusal as refused:
            if refused.status == _UNAVAILABLE:
                self._undecided.append(stream)
                return
            stands = False
        if not stands:
            stream.expire()
