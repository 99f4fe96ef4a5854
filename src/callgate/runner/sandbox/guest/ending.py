"""Why a script did not complete, as the last frame: the cause, the message, and lines of the script alone."""

from __future__ import annotations

import errno
import os
import resource
import threading
from types import CodeType, TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LINES = 20
_MOST_TEXT = 200
_MOST_MESSAGE = 4000
_SQLITE_FULL = 13


def error_frame(
    error: BaseException, filename: str, source: list[str], writable: list[str], *, network: bool
) -> dict[str, Any]:
    """The `error` frame for an exception that left the script. `network`: whether there is one."""
    kind = _kind(error, writable)
    frame: dict[str, Any] = {
        "t": "error",
        "kind": kind,
        "type": _name(error),
        "message": _message(error, kind),
        "traceback": [],
    }
    if isinstance(error, SyntaxError) and error.filename == filename and error.lineno:
        frame |= {"line": error.lineno, "column": error.offset}
        frame["traceback"] = [_line(error.lineno, "<module>", source)]
        return frame
    lines: list[dict[str, Any]] = []
    trace = error.__traceback__
    last: TracebackType | None = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filename:
            lines.append(_line(trace.tb_lineno, getattr(code, "co_qualname", code.co_name), source))
            last = trace
        trace = trace.tb_next
    if len(lines) > _LINES:
        lines[_LINES // 2 : -_LINES // 2] = []
    frame["traceback"] = lines
    if (hint := _help(error, network, lines[-1]["text"] if lines else "")) is not None:
        frame["help"] = hint
    if last is not None:
        frame |= {"line": last.tb_lineno, "column": _column(last.tb_frame.f_code, last.tb_lasti, source)}
    return frame


def refused_frame(kind: str, message: str) -> dict[str, Any]:
    """The `error` frame for results that cannot be taken: `kind` is output_vars or result_size."""
    return {
        "t": "error",
        "kind": kind,
        "type": kind,
        "message": clean(message, _MOST_MESSAGE),
        "traceback": [],
    }


def clean(text: str, most: int) -> str:
    """Text that UTF-8 can carry, and not too much of it."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else text[: most - 3] + "..."


def _line(number: int, function: str, source: list[str]) -> dict[str, Any]:
    text = source[number - 1].strip() if 0 < number <= len(source) else ""
    return {"line": number, "function": clean(function, _MOST_TEXT), "text": clean(text, _MOST_TEXT)}


def _column(code: CodeType, last: int, source: list[str]) -> int | None:
    for place, (line, _, column, _) in enumerate(code.co_positions()):
        if place == last // 2:
            if line is None or column is None or not 0 < line <= len(source):
                return None
            return len(source[line - 1].encode(errors="replace")[:column].decode(errors="replace")) + 1
    return None


def _name(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    return clean(name, _MOST_TEXT)


def _message(error: BaseException, kind: str) -> str:
    if isinstance(error, SystemExit):
        code = error.code
        return (
            f"the script ended with status {code}"
            if isinstance(code, int)
            else clean(str(code), _MOST_MESSAGE)
        )
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        text = "the exception's own message cannot be read"
    if not text and kind == "memory":
        text = "there is no more memory for the script"
    return clean(str(text), _MOST_MESSAGE)


def _kind(error: BaseException, writable: list[str]) -> str:
    """The cause as `execution.Cause` names it."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        # the other reason why a thread cannot start: no address space for its stack
        return "processes" if threading.active_count() + 8 >= most or _threads() + 2 >= most else "memory"
    if getattr(error, "sqlite_errorcode", None) == _SQLITE_FULL:
        return _full(writable)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(writable)
        if error.errno == errno.EFBIG:
            return "disk"
        if error.errno == errno.ENOMEM:
            return "memory"
    return "exception"


_REFUSED_IN = {
    "subprocess": "a script is one process and starts no other program; use Python's own libraries, or a tool",
    "multiprocessing": "a script is one process; use a ThreadPoolExecutor",
    "concurrent.futures.process": "a script is one process; use a ThreadPoolExecutor",
    "socket": "a script reaches no network but the hosts that the operator allows, and these by httpx or urllib",
    "asyncio": "a script is synchronous; use a ThreadPoolExecutor",
}


_NO_NETWORK = "scripts have no network here: call a tool instead, searchTools finds what there is"
_UNREACHED = {
    *("socket.gaierror", "urllib.error.URLError", "httpx.ConnectError", "httpx.ConnectTimeout"),
    *(
        "httpcore.ConnectError",
        "requests.exceptions.ConnectionError",
        "urllib3.exceptions.NewConnectionError",
    ),
    *("urllib3.exceptions.MaxRetryError", "aiohttp.client_exceptions.ClientConnectorError"),
}
_HIDDEN_SECRETS = "`import secrets` took the name of the granted secrets; write `import secrets as tokens`"


def _help(error: BaseException, network: bool, line: str) -> str | None:
    """What to do instead, if the script met a wall. `line` is the last of its own lines."""
    if not network and _name(error) in _UNREACHED:
        return _NO_NETWORK
    if isinstance(error, TypeError) and "secrets[" in line and "'module' object" in str(error):
        return _HIDDEN_SECRETS
    if not isinstance(error, PermissionError):
        return None
    trace = error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__"))
        hint = _REFUSED_IN.get(name) or _REFUSED_IN.get(name.partition(".")[0])
        if hint is not None:
            return _NO_NETWORK if hint is _REFUSED_IN["socket"] and not network else hint
        trace = trace.tb_next
    return None


def _full(writable: list[str]) -> str:
    for folder in writable:
        try:
            room = os.statvfs(folder)
        except OSError:
            continue
        if room.f_files and room.f_favail == 0:
            return "inodes"
    return "disk"


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0
