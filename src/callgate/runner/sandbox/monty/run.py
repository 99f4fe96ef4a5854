"""One run as the runner sees it: the child's frames answered, its output counted, its end told as an Ending."""

import asyncio
from typing import Final, get_args

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Cause, Ending, ScriptError, State, TracebackLine, Usage
from callgate.runner.sandbox.contract import Host, Job, Stream
from callgate.runner.sandbox.frames import (
    Call,
    Done,
    Failed,
    GuestFrame,
    HostileFrame,
    Progress,
    answer_frame,
    encode,
)
from callgate.runner.sandbox.monty.process import Child
from callgate.text import escape

_STATE: Final[dict[str, State]] = {
    "memory": "resource_killed",
    "cpu_time": "resource_killed",
    "output": "resource_killed",
    "wall_clock": "timed_out",
}
"""Cause → state; every other cause is `failed`."""

_ENDED: Final = frozenset({"exception", "output_vars", "result_size", "memory", "cpu_time", "crashed"})
"""The causes that a child may name."""

assert set(get_args(Cause)) >= _ENDED  # noqa: S101 (a slip in this file, not a condition)


class _Over(Exception):
    """The run is over, by what the script wrote."""


async def run(child: Child, job: Job, host: Host) -> Ending:
    """Run `job` in `child`, to its end or its wall clock. Raises CancelledError; the caller ends the child."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(job.limits.wall_seconds):
            last = await _converse(child, job, host)
    except TimeoutError:
        last = Failed("wall_clock", "Timeout", f"it took more than {job.limits.wall_seconds:g} seconds")
    except HostileFrame as error:
        last = Failed(error.cause, "Crashed", f"the interpreter's process broke its protocol: {error.why}")
    return _ending(last, job, (loop.time() - begun) * 1000)


async def _converse(child: Child, job: Job, host: Host) -> Done | Failed:
    budget = job.limits.output * job.limits.output_factor

    async def pump(stream: Stream) -> None:
        nonlocal budget
        while data := await child.read_output(stream):
            budget -= len(data)
            host.output(stream, data)
            if budget < 0:
                raise _Over

    outputs = [asyncio.ensure_future(pump("stdout")), asyncio.ensure_future(pump("stderr"))]
    frames = asyncio.ensure_future(_answer_all(child, job, host))
    try:
        # The child leaves only after its last frame, so both streams end then, and not before.
        await asyncio.gather(*outputs, frames)
        return frames.result()
    except _Over:
        return Failed(
            "output",
            "Output",
            f"the script wrote more than {job.limits.output * job.limits.output_factor:,} bytes",
        )
    finally:
        for task in (*outputs, frames):
            task.cancel()
        await asyncio.gather(*outputs, frames, return_exceptions=True)


async def _answer_all(child: Child, job: Job, host: Host) -> Done | Failed:
    known = {function.name for function in job.functions}
    child.expect(job.limits.results + (64 << 10))
    try:
        await child.send(encode(_told(job)))
        while True:
            frame = await child.receive()
            if isinstance(frame, Done | Failed):
                return frame
            if isinstance(frame, Progress):
                host.progress(frame.fraction, frame.text)
            elif isinstance(frame, Call):
                answer = (
                    await host.call(frame.function, frame.arguments)
                    if frame.function in known
                    else Answer(failure=_unknown(frame.function))
                )
                await child.send(answer_frame(frame.seq, answer))
            else:
                return _gone(frame)
    except ConnectionError:
        return _gone(None)


def _gone(frame: GuestFrame | None) -> Failed:
    why = "ended without a word" if frame is None else "said something out of turn"
    return Failed("crashed", "Crashed", f"the interpreter's process {why}")


def _unknown(function: str) -> Failure:
    return Failure(kind="unknown_tool", message=f"there is no function `{escape(function)}`", ran=False)


def _told(job: Job) -> dict[str, object]:
    return {
        "t": "job",
        "script": job.script,
        "filename": job.filename,
        "seed": job.seed,
        "input_vars": job.input_vars,
        "output_vars": job.output_vars,
        "functions": job.functions,
        "secrets": job.secrets,
        "limits": job.limits,
    }


def _ending(last: Done | Failed, job: Job, wall_ms: float) -> Ending:
    usage = Usage(wall_ms=wall_ms, cpu_ms=last.cpu_ms, peak_memory=last.peak_memory)
    if isinstance(last, Done):
        if last.results.keys() == job.output_vars.keys():
            return Ending(state="completed", results=last.results, usage=usage)
        last = Failed(
            "crashed", "Crashed", "the interpreter's process told of other variables than asked for"
        )
    known = last.kind in _ENDED or last.kind in _STATE
    cause: Cause = last.kind if known else "crashed"  # type: ignore[assignment]  # held against the names above
    return Ending(
        state=_STATE.get(cause, "failed"),
        cause=cause,
        error=ScriptError(
            type=last.type,
            message=last.message,
            traceback=tuple(TracebackLine(each.line, each.function, each.text) for each in last.traceback),
            line=last.line,
            column=last.column,
            help=last.help,
        ),
        usage=usage,
    )
