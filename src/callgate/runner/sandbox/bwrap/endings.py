"""How a run ended, from what is known of it: what the guest said last, how the process ended, why it was killed.

Pure. What the guest said is hostile, and is believed only about itself: a script that says that it failed has failed.
"""

import signal
from typing import Literal, get_args

from msgspec import Struct

from callgate.runner.execution import Cause, Ending, ScriptError, State, TracebackLine, Usage
from callgate.runner.sandbox.bwrap.spawned import Exit
from callgate.runner.sandbox.contract import MAX_ERROR_TEXT, Limits
from callgate.runner.sandbox.frames import Done, Failed

Stop = Literal[
    "wall_clock", "output", "crashed", "result_size", "guest_leaves", "disk", "inodes", "processes"
]
"""Why the host ended it. `guest_leaves`: everything had been said, and the process did not go by itself."""

_OWN = ("exception", "output_vars", "result_size")
_RESOURCES = ("memory", "disk", "inodes", "processes")
_CAUSES = get_args(Cause)
_MOST_MEMORY = 1 << 60
_MOST_MS = 1e12
_TRACEBACK = 100


class Known(Struct, frozen=True, kw_only=True):
    """Everything that is known at the end. `why` explains `stop` in words; `oom`: the system killed for memory."""

    last: Done | Failed | None
    stop: Stop | None
    why: str
    exit: Exit
    wall_seconds: float
    limits: Limits
    result_bytes: int = 0
    oom: bool = False


def ending(known: Known) -> Ending:
    """The ending of one attempt. Never `cancelled`: whoever cancels knows it."""
    usage = _usage(known)
    last, limits = known.last, known.limits
    if known.stop in ("crashed", "result_size"):
        if known.stop == "result_size":
            return _results_too_large(limits, known.why, usage)
        return _end("failed", "crashed", f"the sandbox was ended: {known.why}", usage)
    if isinstance(last, Done):
        if known.result_bytes > limits.results:
            return _results_too_large(limits, f"the results take {known.result_bytes} bytes", usage)
        return Ending(state="completed", results=last.results, usage=usage)
    if isinstance(last, Failed):
        return _said(last, usage)
    if known.stop == "wall_clock":
        return _end(
            "timed_out",
            "wall_clock",
            f"the script was still running after {_seconds(limits.wall_seconds)}",
            usage,
            "do less in one script, or use asyncExecuteCode, which has no limit of its own",
        )
    if known.stop == "output":
        return _end(
            "resource_killed",
            "output",
            f"the script wrote more than {_size(limits.output * limits.output_factor)} to stdout and stderr",
            usage,
            "print less, and return data by output_vars",
        )
    if known.stop in ("disk", "inodes", "processes"):
        return _end("resource_killed", known.stop, known.why, usage)
    return _died(known, usage)


def _said(last: Failed, usage: Usage) -> Ending:
    cause: Cause = "exception"
    state: State = "failed"
    if last.kind in _OWN:
        cause = next(each for each in _CAUSES if each == last.kind)
    elif last.kind in _RESOURCES:
        cause, state = next(each for each in _CAUSES if each == last.kind), "resource_killed"
    lines = tuple(
        TracebackLine(each.line, each.function[:MAX_ERROR_TEXT], each.text[:MAX_ERROR_TEXT])
        for each in last.traceback[-_TRACEBACK:]
    )
    error = ScriptError(
        type=last.type[:MAX_ERROR_TEXT],
        message=last.message[:MAX_ERROR_TEXT],
        traceback=lines,
        line=last.line,
        column=last.column,
        help=last.help[:MAX_ERROR_TEXT] if last.help else _HELP.get(cause),
    )
    return Ending(state=state, cause=cause, error=error, usage=usage)


_HELP: dict[Cause, str] = {
    "memory": "work on smaller pieces: read files in chunks, delete what is no longer needed",
    "disk": "write less, or remove files that are no longer needed; all files share one bounded space",
    "inodes": "make fewer files, or remove those that are no longer needed; all files share one bounded space",
    "processes": "a script is one process: use a ThreadPoolExecutor with few threads, no multiprocessing or subprocess",
    "cpu_time": "compute less in one script, or use vectorized operations of numpy or pandas",
    "result_size": "return less by output_vars: a summary, or the part that is needed",
}


def _died(known: Known, usage: Usage) -> Ending:
    """The guest is gone without a last word."""
    number, limits = known.exit.signal, known.limits
    if limits.cpu_seconds is not None and (
        number == signal.SIGXCPU
        or (number == signal.SIGKILL and not known.oom and _used(known) >= limits.cpu_seconds)
    ):
        said = f"the script used {_seconds(limits.cpu_seconds)} of processor time"
        return _end("resource_killed", "cpu_time", said, usage)
    if number == signal.SIGKILL and known.oom:
        return _end("resource_killed", "memory", "the machine ran out of memory and ended the script", usage)
    peak = known.exit.peak_memory or 0
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) and peak >= limits.memory * 0.9:
        return _end("resource_killed", "memory", f"the script needed more than {_size(limits.memory)}", usage)
    if number is not None:
        name = _signal_name(number)
        what = {
            "SIGSYS": "it made a system call that sandboxes do not have",
            "SIGSEGV": "native code failed, or aborted",
            "SIGKILL": "the script's process was killed, by itself or from outside",
        }.get(name, "native code failed, or aborted")
        return _end("failed", "crashed", f"the interpreter was ended by {name}: {what}", usage)
    return _end(
        "failed",
        "crashed",
        f"the interpreter ended with status {known.exit.code} before the script did",
        usage,
        "do not call os._exit; to end early, raise SystemExit",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _results_too_large(limits: Limits, why: str, usage: Usage) -> Ending:
    return _end("failed", "result_size", f"{why}; at most {_size(limits.results)} are kept", usage)


def _end(state: State, cause: Cause, message: str, usage: Usage, help: str | None = None) -> Ending:
    error = ScriptError(type=cause, message=message, help=help or _HELP.get(cause))
    return Ending(state=state, cause=cause, error=error, usage=usage)


def _usage(known: Known) -> Usage:
    peak = known.exit.peak_memory
    if known.last is not None and known.last.peak_memory is not None:
        peak = min(max(known.last.peak_memory, 0), _MOST_MEMORY)
    cpu_ms = known.exit.cpu_seconds * 1000 if known.exit.cpu_seconds is not None else None
    if cpu_ms is None and known.last is not None and known.last.cpu_ms is not None:
        cpu_ms = min(max(known.last.cpu_ms, 0.0), _MOST_MS)
    return Usage(
        wall_ms=round(known.wall_seconds * 1000, 3),
        cpu_ms=None if cpu_ms is None else round(cpu_ms, 3),
        peak_memory=peak,
    )


def _used(known: Known) -> float:
    """Seconds of processor time; where nobody counted them, at most those that went by."""
    return known.wall_seconds if known.exit.cpu_seconds is None else known.exit.cpu_seconds


def _seconds(value: float | None) -> str:
    return "its time" if value is None else f"{value:g} seconds"


def _size(value: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:g} {name}" if value % unit == 0 else f"{value / unit:.1f} {name}"
    return f"{value} bytes"
