"""The tool calls of one attempt: replayed, or journaled before and after they are made (docs/runner-operators.md).

No call goes on that the journal does not know of; none that was answered is made again.
"""

import asyncio
from collections import Counter
from typing import Any

from msgspec import DecodeError
from msgspec.json import Decoder, Encoder

from callgate.digest import lean as sha256
from callgate.errors import JournalError
from callgate.runner.answer import Answer, Failure
from callgate.runner.bridge.contract import Bridge, CallCounts, Parent
from callgate.runner.execution import InnerCall
from callgate.runner.jobs.parts import Log
from callgate.runner.jobs.replay import Replay
from callgate.runner.journal.contract import Claim, Journal, Lost
from callgate.runner.redaction import Redactor

_RETRY_EVERY = 0.5
_encode = Encoder(order="deterministic", decimal_format="number").encode
_decode_answer = Decoder(Answer).decode


class Stop(Exception):
    """The attempt must not go on: another has taken over (`lost`), it diverged, or the journal fails; or it need not
    (`give back`)."""

    def __init__(self, why: str, call: InnerCall | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.call = call


class InnerCalls:
    """Makes the calls of one attempt. `stopped` is set, once, when the attempt must not go on."""

    def __init__(
        self,
        claim: Claim,
        bridge: Bridge,
        journal: Journal,
        redactor: Redactor,
        log: Log,
        *,
        most: int = 100_000,
        most_bytes: int = 256 << 20,
    ) -> None:
        """`most` calls may be made, and answered with `most_bytes` together, over all attempts."""
        self._log = log
        self._fence = claim.fence
        self._parent = Parent(claim.execution.uuid, claim.execution.owner)
        self._bridge = bridge
        self._journal = journal
        self._redactor = redactor
        self._replay = Replay(claim.calls)
        self._seq = self._replay.next_seq
        self._made: Counter[tuple[str, str]] = Counter()
        self._denied: Counter[str] = Counter()
        self._most = most
        self._bytes_left = most_bytes
        for call in claim.calls:
            self._count(call.function, denied=call.state == "denied")
            self._bytes_left -= len(call.answer or b"")
        self._holding = False
        self._held = 0
        self._unrepeatable = 0
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        """As `sandbox.contract.Host.call`."""
        tool = self._bridge.known(function)
        if tool is None:
            return _failed("unknown_tool", f"there is no tool `{function[:200]}`", "RUN060")
        try:
            digest = sha256(_encode(arguments)).hexdigest()
        except (TypeError, ValueError, RecursionError):
            return _failed("failed", "the arguments are not JSON", "RUN061")
        recorded = self._replay.next(function, digest, repeatable=tool.repeatable)
        if isinstance(recorded, InnerCall):
            return _recorded_answer(recorded)
        if self._holding and not tool.repeatable:
            return await self._hold_back()
        if self._seq > self._most:
            return await self._stop(Stop(f"limit: it made {self._most} tool calls, which is all it may"))
        if self._bytes_left <= 0:
            return await self._stop(
                Stop("limit: its tool calls were answered with more than may be kept of them")
            )
        seq, self._seq = self._seq, self._seq + 1
        call = InnerCall(
            seq=seq,
            attempt=self._fence.attempt,
            function=function,
            arguments_sha256=digest,
            state="started",
            repeatable=tool.repeatable,
            started_ms=0,
        )
        if recorded == "diverged":
            return await self._stop(Stop("diverged", call))
        self._unrepeatable += not call.repeatable
        try:
            return await self._make(call, arguments)
        finally:
            self._unrepeatable -= not call.repeatable
            self._look_whether_quiet()

    def hold(self) -> None:
        """Begin no call any more that could be in doubt if it were cut off, and stop (`give back`) as soon as the
        script needs one and none is under way."""
        self._holding = True

    async def _hold_back(self) -> Answer:
        self._held += 1
        self._look_whether_quiet()
        return await _never()

    def _look_whether_quiet(self) -> None:
        if self._held and not self._unrepeatable:
            self._tell(Stop("give back"))

    async def _make(self, call: InnerCall, arguments: dict[str, Any]) -> Answer:
        started: list[str] = []

        async def before_forward(decision_id: str) -> None:
            await self._journal.call_started(self._fence, _with(call, decision_id=decision_id))
            self._count(call.function, denied=False)
            started.append(decision_id)

        counts = CallCounts(made=self._made, denied=self._denied)
        try:
            answer = await self._bridge.call(self._parent, call.function, arguments, before_forward, counts)
            answer = await self._redacted(answer)
            denied = answer.failure is not None and not started
            if denied:
                self._count(call.function, denied=True)
            ended = _with(
                call,
                state="denied" if denied else "answered",
                ended_ms=0,
                answer=_encode(answer),
                decision_id=started[0] if started else None,
            )
            self._bytes_left -= len(ended.answer)
            await self._keep(ended)
        except Lost:
            return await self._stop(Stop("lost"))
        except JournalError as error:
            return await self._stop(Stop(f"journal: {error.code}"))
        return answer

    async def _keep(self, ended: InnerCall) -> None:
        """Write what a call came to, as long as it takes: it happened, and nobody else knows. Raises Lost."""
        while True:
            try:
                await self._journal.call_ended(self._fence, ended)
            except JournalError as error:
                if ended.state == "denied":
                    raise
                self._log(
                    "error", f"execution {self._fence.uuid}: [{error.code}] {error.message}; trying again"
                )
                await asyncio.sleep(_RETRY_EVERY)
            else:
                return

    def _count(self, function: str, *, denied: bool) -> None:
        tool = self._bridge.known(function)
        server, name = (tool.server, tool.tool) if tool is not None else ("", function)
        if denied:
            self._denied[server] += 1
        else:
            self._made[server, name] += 1

    async def _redacted(self, answer: Answer) -> Answer:
        failure = answer.failure
        if failure is None:
            return Answer(value=await self._redactor.json_aside(answer.value))
        texts = {name: getattr(failure, name) for name in ("message", "reason", "code", "rule")}
        clean = {name: text and self._redactor.cut(text, len(text) + 1) for name, text in texts.items()}
        return Answer(failure=_with(failure, **clean))

    async def _stop(self, stop: Stop) -> Answer:
        """Not even answered: a script that knew could still end as if nothing had happened."""
        self._tell(stop)
        return await _never()

    def _tell(self, stop: Stop) -> None:
        if not self.stopped.done():
            self.stopped.set_result(stop)


async def _never() -> Answer:
    """Wait to be cancelled, with the sandbox."""
    waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    return await waiting


def _with(struct: Any, **changes: Any) -> Any:
    from msgspec.structs import replace

    return replace(struct, **changes)


def _recorded_answer(call: InnerCall) -> Answer:
    try:
        return _decode_answer(call.answer or b"{}")
    except DecodeError:
        return _failed("failed", "the recorded answer cannot be read", "RUN063")


def _failed(kind: Any, message: str, code: str) -> Answer:
    return Answer(failure=Failure(kind=kind, message=message, code=code, ran=False))
