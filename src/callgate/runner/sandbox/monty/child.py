"""The child process of one execution: starts the interpreter, takes one job, tells how it ended, and is gone.

Started with an empty environment, in isolated mode, with a socket as standard input. Never takes a second job. When
the runner hangs up, whatever the script is doing ends: the interpreter's process is killed and reaped, then this one
ends.
"""

import contextlib
import os
import signal
import socket
import threading
from typing import Any

from pydantic_monty import Monty, MontyCrashedError, MontyError

from callgate.runner.sandbox.monty.bounds import bound_child, bound_worker, usage
from callgate.runner.sandbox.monty.failures import failed
from callgate.runner.sandbox.monty.script import Script
from callgate.runner.sandbox.monty.wire import Wire

_MOST_SUSPENSIONS = (1 << 31) - 1
"""Calls of a script are counted by the policy, not by the interpreter."""

_LAST_WAIT = 1.0
"""Seconds for the library to notice that its worker was killed, before this process ends all the same."""


def main() -> None:
    wire = Wire(socket.socket(fileno=os.dup(0)), {"stdout": os.dup(1), "stderr": os.dup(2)})
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    worker: list[int] = []
    over = threading.Event()
    wire.start(lambda: _end(worker, over))
    with Monty(min_processes=1, max_processes=1) as pool:
        wire.send({"t": "ready", "walls": {}})
        job = wire.receive()
        bound_child(job["limits"]["memory"])
        last = _run(pool, job, wire, worker)
    over.set()
    with contextlib.suppress(OSError):
        wire.send(last)
    os._exit(0)


def _run(pool: Monty, job: dict[str, Any], wire: Wire, worker: list[int]) -> dict[str, Any]:
    """Run the job's script; returns the last frame."""
    limits = job["limits"]
    used: dict[str, Any] = {}
    try:
        with pool.checkout(
            script_name=job["filename"],
            limits={
                "max_memory": limits["memory"],
                "max_feed_duration_secs": limits["cpu_seconds"],
                "max_suspensions": _MOST_SUSPENSIONS,
            },
            os_policy={
                "sleep": "call_host",
                "random_start": {"seed": job["seed"]} if job["seed"] else "system",
            },
            assert_message_annotations=False,
        ) as session:
            pid = session.worker_pid
            if pid is None:
                raise RuntimeError("the interpreter has no process")
            worker.append(pid)
            bound_worker(pid, limits["memory"])
            try:
                last = Script(session, job, wire).run()
            finally:
                used = usage(pid)
    except MontyCrashedError as error:
        kind = "cpu_time" if error.timed_out else "crashed"
        return _failure(kind, kind, "the interpreter ended without a word", used)
    except MontyError as error:
        return {"t": "error", **failed(error), **used}
    except MemoryError:
        return _failure("memory", "MemoryError", "values that left the script took too much memory", used)
    else:
        return {**last, **used}


def _failure(kind: str, name: str, message: str, used: dict[str, Any]) -> dict[str, Any]:
    return {"t": "error", "kind": kind, "type": name, "message": message, **used}


def _end(worker: list[int], over: threading.Event) -> None:
    """The runner is gone, or wants this to end: kill the interpreter, give the library a moment to reap it, end."""
    if worker and not over.is_set():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker[0], signal.SIGKILL)
        over.wait(_LAST_WAIT)
    os._exit(1)


if __name__ == "__main__":
    main()
