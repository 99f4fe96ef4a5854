"""Asks the store's script, in one round trip for any number of calls. Knows the store it asked before.

Must never have a charge carried out twice: what is asked again are only calls that the answer says were not
carried out at all.
"""

import os
from collections.abc import Callable, Sequence
from hashlib import sha1, sha256
from pkgutil import get_data
from typing import Any

import hiredis

from callgate.clock import Clock
from callgate.errors import StateError
from callgate.state import window
from callgate.state.redis_failures import NOT_DONE, answer_failure, lost, odd_answer
from callgate.state.redis_link import RedisLink
from callgate.state.redis_url import RedisAddress

Notify = Callable[[StateError], None]
Ask = tuple[str, Sequence[str]]
Reply = list[Any]
"""The kind of answer, store time, the store's id, a flag, the calendar and the wall clock (µs); then its own."""

FIELDS = 6
_PARTS = ("amounts", "clock", "counters", "calls")
_FORGET_NS = 7 * 86_400 * 1_000_000_000
_LATEST_US = (1 << 62) // 1000
_LATE = [b"late"]


class RedisScript:
    """The script at `address`. `spent`: reservations that the next request says have been spent.

    `server_ns` replaces the Redis host's clock; with it, store time has no tolerance for the network.
    """

    def __init__(
        self, address: RedisAddress, clock: Clock, notify: Notify, server_ns: Callable[[], int] | None
    ) -> None:
        self.address = address
        self.link = RedisLink(address)
        self.spent: list[str] = []
        self.asked_ns = 0
        self._clock = clock
        self._notify = notify
        self._server_ns = server_ns
        self._prefix = f"{{{address.prefix}}}:"
        self._clock_key = f"{self._prefix}clock"
        self._boot = sha256((clock.boot_id() or os.urandom(16).hex()).encode()).hexdigest()[:16]
        # How long an answer is waited for at most; generous, for sending takes time too.
        self._latency_us = 0 if server_ns else round(address.timeout * 1_000_000) + 50_000
        self._text = _script()
        self._sha = sha1(self._text, usedforsecurity=False).hexdigest()
        self._store = ""
        self._seen = 0

    def ask(self, asks: Sequence[Ask], longest: int) -> list[Reply | StateError]:
        """The script's reply to each (operation, arguments), in order, or why there is none.

        `longest` is the longest window of them, in ms.
        """
        replies: list[Reply | StateError] = [[] for _ in asks]
        left = list(range(len(asks)))
        first = self._settlements()
        in_time = False
        for last in (False, False, True):
            head = self._head(longest, in_time=in_time)
            commands = [self._command(head, *asks[index]) for index in left]
            acknowledge = self._acknowledgement() if any(asks[i][0] == "reserve" for i in left) else []
            sent = [*first, *commands, *acknowledge]
            try:
                answers = self.link.exchange(sent)
            except StateError as error:
                answers = [error] * len(sent)
            too_few = self._too_few(answers.pop()) if acknowledge else None
            again = []
            for index, answer in zip(left, answers[len(first) :], strict=True):
                late = answer == _LATE
                if not last and (late or isinstance(answer, NOT_DONE)):
                    in_time = in_time or late
                    again.append(index)
                else:
                    replies[index] = self._reply(answer, too_few if asks[index][0] == "reserve" else None)
            if not again:
                break
            left = again
            first = [_packed("SCRIPT", "LOAD", self._text)]
        return replies

    def look(self) -> None:
        """Tell the operator if the server is set up so that it may forget counters."""
        try:
            (answer,) = self.link.exchange([_packed("INFO")])
        except StateError:
            return
        if not isinstance(answer, bytes):
            return  # Not every user may ask.
        said = dict(line.split(b":", 1) for line in answer.split(b"\r\n") if b":" in line)
        store = f"state store `{self.address.shown}`"
        if said.get(b"maxmemory_policy", b"noeviction") != b"noeviction":
            policy = said[b"maxmemory_policy"].decode("ascii", "replace")
            self._notify(
                StateError(
                    "STA030",
                    f"{store} removes keys when its memory is full (`{policy[:32]}`)",
                    "set its `maxmemory-policy` to `noeviction`: a counter that is removed denies its calls",
                )
            )
        if said.get(b"aof_enabled") == b"0":
            self._notify(
                StateError(
                    "STA030",
                    f"{store} forgets its counters when it restarts",
                    "set its `appendonly` to `yes`",
                )
            )

    def close(self) -> None:
        """Say which calls were made, if that can still be said, and disconnect."""
        if self.spent and self.link.mended.is_set():
            self.ask([], 0)
        self.link.close()

    def _settlements(self) -> list[bytes]:
        if not self.spent:
            return []
        names = [f"{self._prefix}r:{name}" for name in self.spent]
        self.spent = []
        return [_packed("UNLINK", *names)]

    def _head(self, longest: int, *, in_time: bool) -> tuple[str, ...]:
        """What every call says first: the gate's clocks, and the store that it knows."""
        monotonic_ns = self._clock.monotonic_ns()
        if monotonic_ns - self.asked_ns > _FORGET_NS:
            self._store, self._seen = "", 0
        self.asked_ns = monotonic_ns
        server, round_up = "", "1"
        if self._server_ns is not None:
            server = str(max(0, self._server_ns() // 1000))
            round_up = "1" if monotonic_ns % 1000 else "0"
        return (
            self._prefix,
            self._boot,
            str(monotonic_ns // 1000),
            str(max(0, min(self._clock.wall_ns() // 1000, _LATEST_US))),
            str(self._latency_us),
            round_up,
            server,
            self._store,
            str(self._seen),
            os.urandom(8).hex(),
            "1" if in_time else "0",
            "1" if self.address.goes_on else "0",
            str(longest),
            str(window.EXACT_ENTRIES),
        )

    def _command(self, head: tuple[str, ...], op: str, arguments: Sequence[str]) -> bytes:
        return _packed("EVALSHA", self._sha, "1", self._clock_key, op, *head, *arguments)

    def _acknowledgement(self) -> list[bytes]:
        if not self.address.replicas:
            return []
        # The server looks at its clock ten times a second: it must have answered before the gate gives up.
        patience_ms = max(1, round(self.address.timeout * 400))
        return [_packed("WAIT", str(self.address.replicas), str(patience_ms))]

    def _too_few(self, answer: object) -> StateError | None:
        wanted = self.address.replicas
        if isinstance(answer, int) and answer >= wanted:
            return None
        if isinstance(answer, StateError):
            return answer
        return StateError(
            "STA028",
            f"state store `{self.address.shown}` did not bring a charge to {wanted} replicas in time",
            "look at its replicas, or ask for fewer with `?replicas=`",
        )

    def _reply(self, answer: Any, too_few: StateError | None) -> Reply | StateError:
        shown = self.address.shown
        if isinstance(answer, StateError):
            return answer
        if isinstance(answer, Exception):
            return answer_failure(shown, answer)
        if answer == _LATE:
            return odd_answer(shown, "a clock was stepped while it was asked")
        try:
            kind, seen, store = answer[0], int(answer[1]), answer[2].decode()
            noticed, detail = answer[3], int(answer[FIELDS]) if kind == b"lost" else 0
        except (TypeError, ValueError, IndexError, AttributeError):
            return odd_answer(shown, "not one that the script gives")
        if noticed:
            self._tell_of_loss()
        if kind == b"ok" and too_few is not None:
            return too_few  # And no loss if a failover forgets it.
        if store != self._store or seen > self._seen:
            self._store, self._seen = store, seen
        if kind == b"lost":
            return lost(shown, detail / 1e6)
        return answer if isinstance(answer, list) else odd_answer(shown, "no list")

    def _tell_of_loss(self) -> None:
        goes_on = self.address.goes_on
        what = "counting goes on from zero" if goes_on else "limits stay closed for one window each"
        self._notify(
            StateError(
                "STA026",
                f"state store `{self.address.shown}` has lost its counters: {what}",
                "have the server keep its data (`appendonly yes`), and let nothing else write to its database",
            )
        )


def _packed(*words: str | bytes) -> bytes:
    return bytes(hiredis.pack_command(words))  # type: ignore[arg-type]


def _script() -> bytes:
    parts = [b"local PREFIX = ARGV[2]\n"]
    for name in _PARTS:
        part = get_data("callgate.state", f"lua/{name}.lua")
        if part is None:
            raise StateError(
                "STA029", "callgate is installed without its scripts for Redis", "install it again"
            )
        parts.append(part)
    return b"".join(parts)
