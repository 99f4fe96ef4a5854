"""Limits in Redis or Valkey: any number of gates on any number of machines share them and admit `max` together.

Every reservation is one script that the server carries out as a whole (`lua/`): all of a call's charges or none.
Its time is the store's own, moved by the server's clock and bounded by the gates' monotonic ones
(`lua/clock.lua`). Must never answer from memory, never send a charge twice, and never let in what a loss of
counters may have used up, unless told to. For one thread.
"""

import os
from collections.abc import Callable, Sequence

from callgate.clock import Clock
from callgate.decision import Amount, CalendarWindow, Charge, Guard, Limit, Window
from callgate.errors import StateError
from callgate.state import amounts
from callgate.state.ledger import Refused, Reserved
from callgate.state.redis_amounts import amount_text, guard_text, limit_text
from callgate.state.redis_failures import odd_answer
from callgate.state.redis_script import FIELDS, Ask, Notify, RedisScript, Reply
from callgate.state.redis_url import read_url
from callgate.state.window import UNIT_NS, Now, calendar_wait, seconds, storable_key

_KNOWN_LIMITS = 4096
_UNSETTLED = 1024
_ID_LENGTH = 32
_Batch = Sequence[tuple[Sequence[Charge], Sequence[Guard]]]


class RedisLedger:
    """A `Ledger` at a Redis URL (see `redis_url`), reached by the first call.

    `notify` is told what an operator should know while calls go on. `server_ns` replaces the server's clock; with
    it, store time has no tolerance for the network. Ids are 32 hex digits. What `settle` says of calls that were
    made travels with the next request; if the gate ends before, they are spent all the same.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        notify: Notify | None = None,
        server_ns: Callable[[], int] | None = None,
    ) -> None:
        self._exact_ns = server_ns is not None
        self._script = RedisScript(read_url(url), clock, notify or _ignore, server_ns)
        self._limits: dict[int, tuple[Limit, tuple[str, str, str, str, str]]] = {}

    def open(self) -> None:
        """Find out now whether the store can be used, StateError if not, and whether it may forget."""
        self._ask("used", ("", "60000"), 60_000)
        self._script.look()

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        (answer,) = self.reserve_many([(charges, guards)])
        if isinstance(answer, StateError):
            raise answer
        return answer

    def reserve_many(self, batch: _Batch) -> list[Reserved | Refused | StateError]:
        if not batch:
            return []
        names = [os.urandom(_ID_LENGTH // 2).hex() for _ in batch]
        asks: list[Ask] = [
            ("reserve", [name, *self._call(*call)]) for name, call in zip(names, batch, strict=True)
        ]
        answers: list[Reserved | Refused | StateError] = []
        replies = self._script.ask(asks, _longest(batch))
        for name, reply, (charges, guards) in zip(names, replies, batch, strict=True):
            try:
                if isinstance(reply, StateError):
                    raise reply
                answers.append(self._refused(reply, charges, guards) or Reserved(name))
            except StateError as error:
                answers.append(error)
        return answers

    def check(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Refused | None:
        """Why `reserve` would refuse now; None if it would not. Spends nothing."""
        reply = self._ask("check", ("", *self._call(charges, guards)), _longest([(charges, guards)]))
        return self._refused(reply, charges, guards)

    def settle(self, reservation: str, *, spent: bool) -> None:
        self.settle_many([(reservation, spent)])

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        asks: list[Ask] = []
        refunded: set[str] = set()
        for reservation, spent in settlements:
            if len(reservation) != _ID_LENGTH or not reservation.isascii():
                continue
            if not spent:
                refunded.add(reservation)
                asks.append(("refund", (reservation,)))
            elif reservation not in refunded:
                self._script.spent.append(reservation)
        if asks or len(self._script.spent) >= _UNSETTLED:
            for reply in self._script.ask(asks, 0):
                if isinstance(reply, StateError):
                    raise reply

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        reply = self._ask("used", (storable_key(key), _unit(window)), _milliseconds(window))
        amount = self._amount(reply, FIELDS)
        if not amount:
            return 0, 0.0
        return amount, seconds(self._wait_ns(reply, FIELDS + 1, window))

    def close(self) -> None:
        self._script.close()

    def _ask(self, op: str, arguments: Sequence[str], longest: int) -> Reply:
        (reply,) = self._script.ask([(op, arguments)], longest)
        if isinstance(reply, StateError):
            raise reply
        return reply

    def _call(self, charges: Sequence[Charge], guards: Sequence[Guard]) -> list[str]:
        """The arguments that `call` in the script takes, after the reservation's id."""
        found = [str(len(guards))]
        for guard in guards:
            op, values = guard_text(guard)
            found += (storable_key(guard.key), _unit(guard.window), op, str(len(values)), *values)
        found.append(str(len(charges)))
        for charge in charges:
            unit, name, maximum, strict, most = self._limit(charge.limit)
            amount = amount_text(charge.amount, charge.limit)
            found += (storable_key(charge.key), unit, name, amount, maximum, strict, most)
        return found

    def _limit(self, limit: Limit) -> tuple[str, str, str, str, str]:
        """What the script has to know of `limit`; worked out once for each."""
        known = self._limits.get(id(limit))
        if known is None or known[0] is not limit:
            if len(self._limits) >= _KNOWN_LIMITS:
                self._limits.clear()
            texts = (_unit(limit.window), storable_key(limit.id), *limit_text(limit), str(limit.max_counters))
            known = self._limits[id(limit)] = (limit, texts)
        return known[1]

    def _refused(self, reply: Reply, charges: Sequence[Charge], guards: Sequence[Guard]) -> Refused | None:
        """Why nothing was spent; None if all was. StateError if an amount cannot be counted."""
        kind = reply[0]
        if kind == b"ok":
            return None
        if kind == b"odd":
            raise amounts.uncountable()
        index, used = int(reply[FIELDS]) - 1, self._amount(reply, FIELDS + 1)
        if kind == b"guard":
            return Refused(used=used, retry_after=None, guard=guards[index])
        limit = charges[index].limit
        if kind == b"crowded":
            return Refused(used=used, retry_after=None, limit=limit, too_many_counters=True)
        if kind != b"wait":
            return Refused(used=used, retry_after=None, limit=limit)
        longest = -1
        for at in range(FIELDS, len(reply), 3):
            found = charges[int(reply[at]) - 1].limit
            wait = self._wait_ns(reply, at + 2, found.window)
            if wait > longest:
                longest, limit, used = wait, found, self._amount(reply, at + 1)
        return Refused(used=used, retry_after=seconds(longest), limit=limit)

    def _amount(self, reply: Reply, at: int) -> Amount:
        try:
            return amounts.from_text(reply[at].decode())
        except (ValueError, AttributeError, IndexError):
            raise odd_answer(self._script.address.shown, "an amount is missing") from None

    def _wait_ns(self, reply: Reply, at: int, window: Window) -> int:
        """The wait in the reply; where it is a calendar's, the reply has when its window began."""
        if isinstance(window, CalendarWindow):
            now = Now(int(reply[1]) * 1000, int(reply[4]) * 1000, int(reply[5]) * 1000)
            wait = calendar_wait(now, int(reply[at]) * 1000 + UNIT_NS[window.unit])
            # While the calendar drifts towards the wall clock, it moves in steps of 1 µs.
            return wait if now.calendar_ns == now.wall_ns else wait + 2_000
        return int(reply[at]) * 1000 - (self._script.asked_ns % 1000 if self._exact_ns else 0)


def _ignore(_: StateError) -> None:
    return


def _unit(window: Window) -> str:
    return window.unit if isinstance(window, CalendarWindow) else str(window.milliseconds)


def _milliseconds(window: Window) -> int:
    return UNIT_NS[window.unit] // 1_000_000 if isinstance(window, CalendarWindow) else window.milliseconds


def _longest(batch: _Batch) -> int:
    return max((_milliseconds(charge.limit.window) for charges, _ in batch for charge in charges), default=0)
