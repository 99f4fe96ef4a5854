"""One script, from its job to its end, in one sandbox. Everything that comes out of it is drained as it comes.

The output is counted and handed on, calls are made as tasks, and whatever breaks a bound ends the sandbox. Never
waits for a reader: a script that is not read from could otherwise wait for ever.
"""

import asyncio
import contextlib
import time

import msgspec

from callgate.runner.execution import Ending
from callgate.runner.sandbox.bwrap.command import package_folder
from callgate.runner.sandbox.bwrap.endings import Known, Stop, ending
from callgate.runner.sandbox.bwrap.sandbox import Sandbox
from callgate.runner.sandbox.contract import Host, Job, Stream
from callgate.runner.sandbox.frames import (
    Call,
    Done,
    Failed,
    FrameReader,
    GuestFrame,
    HostileFrame,
    Progress,
    answer_frame,
    encode,
)

_LEAVING_SECONDS = 2.0
_UNREAD = 64 << 20
_HELD = 64 << 20
"""Bytes that the arguments of calls under way may take here; a script with more has to wait for an answer."""

_PROGRESS_SECONDS = 0.1
_ENVELOPE = 64 << 10


class Run:
    """Carries `job` through `sandbox`, which nobody else uses. `proxy` is the URL that it may reach the network by."""

    def __init__(self, sandbox: Sandbox, job: Job, host: Host, proxy: str | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._sandbox = sandbox
        self._process = sandbox.process
        self._job = job
        self._host = host
        self._proxy = proxy
        self._frames = FrameReader(job.limits.results + _ENVELOPE)
        self._last: Done | Failed | None = None
        self._result_bytes = 0
        self._stop: Stop | None = None
        self._why = ""
        self._output = 0
        self._most_output = job.limits.output * job.limits.output_factor
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._held = 0
        self._fault: BaseException | None = None
        self._told: Progress | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def ending(self) -> Ending:
        """Run it. Raises CancelledError, and what `Host.call` should not have raised; the sandbox is dead then.

        Otherwise the guest is, and the last of its namespaces may still be going.
        """
        process, limits = self._process, self._job.limits
        process.reply.take = self._reply
        process.out.take = lambda data: self._wrote("stdout", data)
        process.err.take = lambda data: self._wrote("stderr", data)
        oom = _oom_kills()
        began = time.monotonic()
        try:
            if limits.wall_seconds is not None:
                self._timers.append(self._loop.call_later(limits.wall_seconds, self._end, "wall_clock"))
            process.job.write(self._first_frame())
            exit = await asyncio.shield(process.exited)
        finally:
            await self._give_back()
        wall = time.monotonic() - began
        if self._fault is not None:
            raise self._fault
        return ending(
            Known(
                last=self._last,
                stop=self._stop,
                why=self._why,
                exit=exit,
                wall_seconds=wall,
                limits=limits,
                result_bytes=self._result_bytes,
                oom=exit.signal == 9 and self._stop is None and _oom_kills() > oom,
            )
        )

    def _first_frame(self) -> bytes:
        job = self._job
        return encode(
            {
                "t": "job",
                "script": job.script,
                "filename": job.filename,
                "seed": job.seed,
                "input_vars": dict(job.input_vars),
                "output_vars": dict(job.output_vars),
                "functions": [msgspec.to_builtins(function) for function in job.functions],
                "secrets": dict(job.secrets),
                "limits": msgspec.to_builtins(job.limits),
                "packages": [package_folder(packages) for packages in job.packages],
                "proxy": self._proxy,
            }
        )

    async def _give_back(self) -> None:
        """End what is left of it: timers, calls under way, the sandbox."""
        for timer in self._timers:
            timer.cancel()
        self._tell()
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        try:
            await self._sandbox.over()
        finally:
            if calls:
                await asyncio.wait(calls)

    def _end(self, stop: Stop, why: str = "") -> None:
        """The host ends it. The first reason counts; after the last word, only that it was odd does."""
        if self._stop is None and (self._last is None or stop != "wall_clock"):
            self._stop, self._why = stop, why
        self._process.kill()

    def _wrote(self, stream: Stream, data: bytes) -> None:
        if self._output >= self._most_output:
            return
        data = data[: self._most_output - self._output]
        self._output += len(data)
        self._host.output(stream, data)
        if self._output >= self._most_output:
            self._end("output")

    def _reply(self, data: bytes) -> None:
        if self._stop is not None:
            return
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
        except HostileFrame as odd:
            self._end("result_size" if odd.cause == "result_size" else "crashed", odd.why)

    def _take(self, frame: GuestFrame) -> None:
        if self._last is not None:
            raise HostileFrame("it went on after its last message")
        if isinstance(frame, Call):
            self._call(frame)
        elif isinstance(frame, Progress):
            self._told = frame
            if self._telling is None:
                self._telling = self._loop.call_later(_PROGRESS_SECONDS, self._tell)
        elif isinstance(frame, Done | Failed):
            if isinstance(frame, Done) and frame.results.keys() != self._job.output_vars.keys():
                raise HostileFrame("its results are not those that it was asked for")
            self._last = frame
            if isinstance(frame, Done):
                self._result_bytes = len(msgspec.json.encode(frame.results))
            self._timers.append(self._loop.call_later(_LEAVING_SECONDS, self._end, "guest_leaves"))
        else:
            raise HostileFrame("it said twice that it is ready")

    def _tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._told is not None:
            told, self._told = self._told, None
            self._host.progress(told.fraction, told.text)

    def _call(self, call: Call) -> None:
        if call.seq in self._calls or len(self._calls) > self._job.limits.threads:
            raise HostileFrame("it made more calls at once than it has threads")
        if self._process.job.waiting > _UNREAD:
            raise HostileFrame("it makes calls and does not read the answers")
        task = self._loop.create_task(self._serve(call))
        self._calls[call.seq] = task
        cost = self._frames.cost
        self._held += cost
        if self._held > _HELD:
            self._process.reply.pause()
        task.add_done_callback(lambda _: self._answered(call.seq, cost))

    def _answered(self, seq: int, cost: int) -> None:
        self._calls.pop(seq, None)
        waited = self._held > _HELD
        self._held -= cost
        if waited and self._held <= _HELD:
            self._process.reply.resume()

    async def _serve(self, call: Call) -> None:
        try:
            answer = await self._host.call(call.function, call.arguments)
        except Exception as fault:
            self._fault = self._fault or fault
            self._process.kill()
        else:
            self._process.job.write(answer_frame(call.seq, answer))


def _oom_kills() -> int:
    """How often this machine has ended a process for want of memory; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/vmstat", "rb") as file:
        return int(file.read().split(b"\noom_kill ")[1].split(b"\n", 1)[0])
    return 0
