"""How the interpreter's errors are told. Runs in the child process."""

from typing import Any

from pydantic_monty import MontyError, MontyRuntimeError, MontySyntaxError

_MOST_LINES = 30
_MOST_TEXT = 200
_MOST_MESSAGE = 8_000

_SUBSET = (
    "this runner's interpreter knows a part of Python: no inheritance, no generators, no `del`, and of the standard "
    "library only a few modules; use functions, plain classes, lists and dicts"
)


def failed(error: MontyError) -> dict[str, Any]:
    """Return kind, type, message, lines and place of `error`, as the frame `error` has them.

    That a limit was reached is known by the interpreter's own wording. A script can raise the same words, and so
    choose what its own end is called; nothing depends on it.
    """
    cause = error.exception()
    name = type(cause).__name__
    message = str(cause)
    told: dict[str, Any] = {"kind": "exception", "type": name, "message": message[:_MOST_MESSAGE]}
    if isinstance(cause, MemoryError) and "memory limit" in message:
        told["kind"] = "memory"
    elif isinstance(cause, TimeoutError) and message.startswith("feed time limit exceeded"):
        told["kind"] = "cpu_time"
    elif isinstance(cause, NotImplementedError | ModuleNotFoundError):
        told["help"] = _SUBSET
    if isinstance(error, MontySyntaxError | MontyRuntimeError):
        lines = error.traceback()
        told["traceback"] = [
            {
                "line": each.line,
                "function": each.function_name or "<module>",
                "text": (each.source_line or "").strip()[:_MOST_TEXT],
            }
            for each in lines[-_MOST_LINES:]
        ]
        if lines:
            told["line"] = lines[-1].line
            told["column"] = lines[-1].column
    return told
