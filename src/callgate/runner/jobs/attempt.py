"""One attempt: a claimed execution, from its preparation to the journal's last word about it.

Whatever goes wrong, the end that is written is true: nothing is called completed that did not complete, and nothing
that may have happened is called not done.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from callgate.errors import CallgateError, JournalError, PackagesError, SandboxError
from callgate.runner.answer import Answer
from callgate.runner.execution import Ending, InnerCall, ScriptError
from callgate.runner.jobs.inner_calls import InnerCalls, Stop
from callgate.runner.jobs.output import OutputKeeper
from callgate.runner.jobs.parts import Parts
from callgate.runner.jobs.preparing import NotPrepared, prepare
from callgate.runner.jobs.replay import in_doubt
from callgate.runner.journal.contract import Claim, Lost
from callgate.runner.sandbox.contract import MAX_ERROR_TEXT, Job, Stream

_FLUSH_EVERY = 0.1
_MAX_PROGRESS = 500
_RETRY_EVERY = 0.5
_UNWRITABLE = Ending(
    state="failed",
    cause="output_vars",
    error=ScriptError(type="ValueError", message="the results hold text that is not Unicode"),
)


class Attempt:
    """Runs one claim to its end. `cancel`, `lost` and `give_back` may be called at any time while it runs."""

    def __init__(self, claim: Claim, parts: Parts, changed: Callable[[str], None]) -> None:
        self.fence = claim.fence
        self._claim = claim
        self._execution = claim.execution
        self._parts = parts
        self._changed = changed
        self._redactor = parts.secrets.redactor()
        self._stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._progress: tuple[float | None, str | None] | None = None
        self._calls: InnerCalls | None = None
        self._holding = False
        self._no_longer = asyncio.Event()
        self.given_back = False
        """Whether another may take it up at once."""

    def cancel(self) -> None:
        """The owner asked for its end."""
        self._stop_for("cancel")

    def lost(self) -> None:
        """Somebody else holds the execution now: nothing may be written any more."""
        self._no_longer.set()
        self._stop_for("lost")

    def hold(self) -> None:
        """This worker ends soon: give back at the next call that could be in doubt, rather than in the middle of it."""
        self._holding = True
        if self._calls is not None:
            self._calls.hold()

    def give_back(self) -> None:
        """This worker ends: another may go on with it at once."""
        self._no_longer.set()
        self._stop_for("give back")

    async def run(self) -> None:
        """Never raises but CancelledError."""
        try:
            ending = self._hopeless() or await self._run()
            if ending is not None:
                await self._finish(ending)
        except Lost:
            self._parts.log(
                "warning", f"execution {self.fence.uuid}: attempt {self.fence.attempt} lost its lease"
            )
        except JournalError as error:
            self._parts.log("error", f"execution {self.fence.uuid}: [{error.code}] {error.message}")
            await self._leave()
        finally:
            self._stop.cancel()
            self._changed(self.fence.uuid)

    def _hopeless(self) -> Ending | None:
        """What earlier attempts left no way on from."""
        doubtful = in_doubt(self._claim.calls)
        if doubtful:
            return _interrupted("in_doubt_call", _doubt(doubtful[0]))
        if self.fence.attempt > self._parts.options.max_attempts:
            tried = self._parts.options.max_attempts
            return _interrupted("attempts", f"the execution was begun {tried} times and never came to an end")
        return None

    async def _run(self) -> Ending | None:
        async with contextlib.AsyncExitStack() as in_use:
            return await self._prepared(in_use)

    async def _prepared(self, in_use: contextlib.AsyncExitStack) -> Ending | None:
        preparing = asyncio.create_task(prepare(self._claim, self._parts, in_use))
        stop = await self._first(preparing)
        if stop is not None:
            return await self._stopped(stop)
        try:
            job = preparing.result()
        except NotPrepared as error:
            return error.ending
        except PackagesError as error:
            return _failed("packages", error)
        except CallgateError as error:
            self._parts.log("error", f"execution {self.fence.uuid}: [{error.code}] {error.message}")
            return _failed("servers", error)
        return await self._in_sandbox(job)

    async def _in_sandbox(self, job: Job) -> Ending | None:
        parts = self._parts
        backend = parts.backend
        why_not = backend.refuses(job)
        if why_not is not None:
            return Ending(
                state="failed", cause="sandbox", error=ScriptError(type="Unsupported", message=why_not)
            )
        await parts.journal.running(self.fence, backend=backend.name, tier=backend.tier)
        self._changed(self.fence.uuid)
        calls = self._calls = InnerCalls(
            *(self._claim, parts.bridge, parts.journal, self._redactor, parts.log),
            most=parts.options.calls,
            most_bytes=parts.options.answers,
        )
        if self._holding:
            calls.hold()
        keeper = OutputKeeper(
            job.limits.output,
            self._redactor,
            lambda pieces: parts.journal.append_output(self.fence, pieces),
            lambda before, after: parts.journal.drop_output(self.fence, before, after),
        )
        calls.stopped.add_done_callback(self._calls_stopped)
        running = asyncio.create_task(backend.run(job, _Host(self, calls, keeper)))
        ended = asyncio.Event()
        writing = asyncio.create_task(self._write_along(keeper, ended))
        try:
            stop = await self._first(running)
        finally:
            ended.set()
            await writing
            calls.stopped.cancel()
        if stop is None or stop.why not in ("lost", "give back"):
            await self._persist(keeper.finish)
        if stop is not None:
            return await self._stopped(stop)
        try:
            return await self._redacted(running.result())
        except SandboxError as error:
            parts.log("error", f"execution {self.fence.uuid}: [{error.code}] {error.message}")
            return _failed("sandbox", error)

    async def _first(self, task: "asyncio.Task[Any]") -> Stop | None:
        """Wait for the task, or for a reason to stop: then the task is ended first, with all that it holds."""
        try:
            await asyncio.wait({task, self._stop}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(task)
            raise
        if task.done():
            return None
        await _end(task)
        return self._stop.result()

    async def _stopped(self, stop: Stop) -> Ending | None:
        if stop.why == "cancel":
            error = ScriptError(type="Cancelled", message="cancelled by its owner")
            return Ending(state="cancelled", cause="cancelled", error=error)
        if stop.why == "diverged" and stop.call is not None:
            text = (
                f"run again after a lost worker, the script called `{stop.call.function}` otherwise than before: "
                "it was stopped, so that nothing is done twice"
            )
            return _interrupted("diverged", text)
        limit, _, text = stop.why.partition(": ")
        if limit == "limit":
            error = ScriptError(type="LimitReached", message=text, help="make fewer calls, or split the work")
            return Ending(state="resource_killed", cause="journal_limit", error=error)
        if stop.why == "lost":
            raise Lost
        if stop.why != "give back":
            # The journal failed before a call: it was not made, and a later attempt goes on.
            self._parts.log("error", f"execution {self.fence.uuid} is left to a later attempt: {stop.why}")
        await self._leave()
        return None

    async def _leave(self) -> None:
        """Give it back; if that cannot be written before this worker ends, its lease runs out."""
        with contextlib.suppress(Lost):
            await self._persist(lambda: self._parts.journal.release(self.fence))
            self.given_back = True

    async def _finish(self, ending: Ending) -> None:
        spec = self._execution.spec
        session_vars = ending.results if spec.session_id is not None and ending.state == "completed" else None

        async def write() -> None:
            try:
                await self._parts.journal.finish(self.fence, ending, session_vars)
            except ValueError:
                # Nothing that a script returned may keep the journal from saying that it ended.
                await self._parts.journal.finish(self.fence, _UNWRITABLE)

        await self._persist(write)

    async def _persist(self, write: Callable[[], Any]) -> None:
        """Write what must not be lost, as long as it takes, or until this worker ends. Raises Lost."""
        while True:
            try:
                await write()
            except JournalError as error:
                told = f"execution {self.fence.uuid}: [{error.code}] {error.message}"
                if self._no_longer.is_set():
                    self._parts.log("error", f"{told}; it is left to a later attempt")
                    raise Lost from None
                self._parts.log("error", f"{told}; trying again")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_EVERY):
                        await self._no_longer.wait()
            else:
                return

    async def _write_along(self, keeper: OutputKeeper, ended: asyncio.Event) -> None:
        """Never cut off: what is being written then would be neither written nor waiting."""
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_EVERY):
                    await ended.wait()
            try:
                if keeper.waiting:
                    await keeper.flush()
                    self._changed(self.fence.uuid)
                if self._progress is not None:
                    (fraction, text), self._progress = self._progress, None
                    await self._parts.journal.progress(self.fence, fraction, text)
                    self._changed(self.fence.uuid)
            except Lost:
                self.lost()
                return
            except JournalError as error:
                self._parts.log("warning", f"execution {self.fence.uuid}: [{error.code}] {error.message}")

    async def _redacted(self, ending: Ending) -> Ending:
        error = ending.error
        if error is not None:
            error = replace(
                error,
                type=self._cut(error.type),
                message=self._cut(error.message),
                traceback=tuple(
                    replace(line, function=self._cut(line.function), text=self._cut(line.text))
                    for line in error.traceback
                ),
                help=None if error.help is None else self._cut(error.help),
            )
        return replace(ending, results=await self._redactor.json_aside(ending.results), error=error)

    def _cut(self, text: str) -> str:
        return self._redactor.cut(text, MAX_ERROR_TEXT)

    def _stop_for(self, why: str) -> None:
        if not self._stop.done():
            self._stop.set_result(Stop(why))

    def _calls_stopped(self, stopped: "asyncio.Future[Stop]") -> None:
        if not stopped.cancelled() and not self._stop.done():
            self._stop.set_result(stopped.result())

    def note_progress(self, fraction: float | None, text: str | None) -> None:
        """Keep the latest; it is written with the next batch."""
        self._progress = (fraction, None if text is None else self._redactor.cut(text, _MAX_PROGRESS))


class _Host:
    """What the sandbox sees of all this."""

    def __init__(self, attempt: Attempt, calls: InnerCalls, keeper: OutputKeeper) -> None:
        self._calls = calls
        self._keeper = keeper
        self._attempt = attempt

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        return await self._calls.call(function, arguments)

    def output(self, stream: Stream, data: bytes) -> None:
        self._keeper.feed(stream, data)

    def progress(self, fraction: float | None, text: str | None) -> None:
        self._attempt.note_progress(fraction, text)


async def _end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, CallgateError):
        await task


def _doubt(call: InnerCall) -> str:
    return (
        f"the worker was lost while `{call.function}` was being called: whether that call took effect is not known, "
        "and it may not be made twice"
    )


def _interrupted(cause: Any, message: str) -> Ending:
    return Ending(state="interrupted", cause=cause, error=ScriptError(type="Interrupted", message=message))


def _failed(cause: Any, error: CallgateError) -> Ending:
    told = ScriptError(type=error.code, message=error.message, help=error.help)
    return Ending(state="failed", cause=cause, error=told)
