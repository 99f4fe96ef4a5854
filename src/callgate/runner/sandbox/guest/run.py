"""One script, in the main thread, in a module of its own; then the last frame, and the end at once.

Nothing that the script leaves behind (threads, atexit, `__del__`, patched modules) may delay or change the end, as far
as a process can see to that by itself; the host has the rest.
"""

from __future__ import annotations

import builtins
import gc
import os
import random
import sys
from types import ModuleType

from . import failures, limits, wire
from .calls import Calls, report_progress, tool_function
from .ending import error_frame
from .listener import use_proxy
from .results import last_frame, usage
from .secrets_view import SecretsView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_BUILTINS = dict(vars(builtins))
_STOP_WATCHING = (sys.setprofile, sys.settrace)
_exit = os._exit
_LAST_RESORT = (
    b'{"t":"error","kind":"exception","type":"SystemError","message":"the script broke its interpreter"}'
)


def run(job: dict[str, Any], others: int, port: int | None) -> NoReturn:
    """Run the script of a `job` frame and leave the process. `others` as in `limits.set_for_job`."""
    streams = (sys.stdout, sys.stderr)
    try:
        frame = _outcome(job, others, port)
    except BaseException:
        frame = _LAST_RESORT
    for stream in (*streams, sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: S112 - the script may have closed or replaced it
            continue
    try:
        wire.send_last(frame)
    finally:
        _exit(0)


def _outcome(job: dict[str, Any], others: int, port: int | None) -> bytes:
    filename, script = job["filename"], job["script"]
    source = script.splitlines()
    allowed, writable = job["limits"], job.get("writable", ["/work", "/tmp"])  # noqa: S108
    proxy = job.get("proxy") or (f"http://127.0.0.1:{port}" if port is not None else None)
    namespace = _prepare(job, proxy)
    limits.set_for_job(allowed, others)
    error: BaseException | None = None
    try:
        exec(compile(script, filename, "exec", dont_inherit=True), namespace)  # noqa: S102 - what all this is for
    except SystemExit as ended:
        error = ended if ended.code not in (None, 0) else None
    except BaseException as raised:
        error = raised
    for stop in _STOP_WATCHING:  # here, since a call of a function would be watched already
        try:
            stop(None)
        except BaseException:  # noqa: S112 - a hook that raises is thereby gone
            continue
    _restore()
    if error is None:
        try:
            return last_frame(namespace, job["output_vars"], allowed["results"])
        except MemoryError as raised:
            error = raised
    frame = error_frame(error, filename, source, writable, network=proxy is not None)
    return wire.encode(frame | usage())


def _prepare(job: dict[str, Any], proxy: str | None) -> dict[str, Any]:
    """The script's namespace, in an interpreter that looks as if it had been started with the script."""
    filename, script = job["filename"], job["script"]
    module = ModuleType("__main__")
    namespace = vars(module)
    namespace |= {"__builtins__": builtins, "__file__": filename, "__loader__": _Source(script)}
    namespace |= job["input_vars"]
    calls = Calls()
    for function in job["functions"]:
        name = function["name"]
        namespace[name] = tool_function(calls.call, name, function["description"], function["parameters"])
    namespace["report_progress"] = report_progress
    namespace["secrets"] = SecretsView(job["secrets"])
    public = ModuleType("callgate", "What tool calls raise, and how to report progress.")
    vars(public).update({each.__name__: each for each in failures.PUBLIC}, report_progress=report_progress)
    # A script that forgets the import must still be able to catch a denial.
    namespace["callgate"] = public
    sys.modules |= {"__main__": module, "callgate": public}
    sys.argv = [filename]
    sys.path.extend(path for path in job["packages"] if path not in sys.path)
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    if proxy:
        use_proxy(proxy)
    _seed(job["seed"])
    return namespace


class _Source:
    """Where `linecache`, `traceback` and `inspect` find the script's text: it is in no file."""

    def __init__(self, script: str) -> None:
        self._script = script

    def get_source(self, _name: str) -> str:
        return self._script


def _seed(seed: str) -> None:
    """Make every attempt draw the same numbers."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(random.Random(seed).getrandbits(32))  # noqa: S311 - repeatable is the point


def _restore() -> None:
    """Take back what the guest's own last steps need."""
    vars(builtins).update(_BUILTINS)
    sys.setrecursionlimit(10_000)
    limits.room_for_ending()
    gc.disable()
