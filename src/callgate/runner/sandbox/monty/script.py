"""Drives one script through the interpreter: every question that the script asks comes by here. In the child process.

Answers tool calls, sleep and `report_progress`; everything else that the interpreter would ask its host for (files,
entropy, imports) is refused by the interpreter's own default. Values that leave the script go by the same rules as in
the other backend's guest.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic_monty import (
    FunctionSnapshot,
    MontyComplete,
    MontyRuntimeError,
    MontySession,
    NameLookupSnapshot,
)

from callgate.runner.sandbox.frames import MAX_VALUES, values_in
from callgate.runner.sandbox.guest.convert import Converter
from callgate.runner.sandbox.guest.convert_scalars import TooLarge, Unfit
from callgate.runner.sandbox.guest.output_types import ANY
from callgate.runner.sandbox.guest.results import last_frame
from callgate.runner.sandbox.monty.wire import Wire

PROGRESS = "report_progress"
EXCEPTIONS = {"denied": "PermissionError", "unknown_tool": "NameError"}
"""Kind of failure → the exception in the script; any other is a RuntimeError. Monty knows no exceptions but Python's
own, and they carry nothing but text."""

_BEFORE = """
ToolDenied = PermissionError
ToolUnknown = NameError
ToolFailed = RuntimeError
ToolError = (PermissionError, NameError, RuntimeError)

class callgate:
    ToolDenied = ToolDenied
    ToolUnknown = ToolUnknown
    ToolFailed = ToolFailed
    ToolError = ToolError
"""
"""The names that scripts catch elsewhere, so that `except callgate.ToolDenied as error` works here too."""

_MOST_ARGUMENTS = 4 << 20
_ENVELOPE_VALUES = 10
_LONGEST_SLEEP = 86_400.0 * 30


class Script:
    def __init__(self, session: MontySession, job: dict[str, Any], wire: Wire) -> None:
        self._session = session
        self._job = job
        self._wire = wire
        self._functions: dict[str, list[str]] = {
            each["name"]: list(each["parameters"]) for each in job["functions"]
        }
        self._names: dict[str, Callable[..., None]] = dict.fromkeys((*self._functions, PROGRESS), _never)
        self._seq = 0

    def run(self) -> dict[str, Any]:
        """Run the script to its end; returns the last frame. Raises MontyError."""
        inputs = {**self._job["input_vars"], "secrets": self._job["secrets"]}
        self._feed(_BEFORE, {})
        try:
            self._feed(self._job["script"], inputs)
        except MontyRuntimeError as error:
            if not (
                isinstance(error.exception(), SystemExit) and str(error.exception()) in ("", "0", "None")
            ):
                raise
        found: dict[str, Any] = {}
        for name in self._job["output_vars"]:
            snapshot = self._session.feed_start(name) if name.isidentifier() else None
            if isinstance(snapshot, MontyComplete):
                found[name] = snapshot.output
        last: dict[str, Any] = json.loads(
            last_frame(found, self._job["output_vars"], self._job["limits"]["results"])
        )
        return last

    def _feed(self, code: str, inputs: dict[str, Any]) -> None:
        snapshot = self._session.feed_start(
            code, inputs=inputs, external_lookup=self._names, print_callback=self._wire.output
        )
        while not isinstance(snapshot, MontyComplete):
            if isinstance(snapshot, FunctionSnapshot) and snapshot.object_id is None:
                snapshot = (
                    snapshot.resume(answer) if (answer := self._answer(snapshot)) else snapshot.resume_auto()
                )
            elif isinstance(snapshot, NameLookupSnapshot):
                snapshot = snapshot.resume_auto()
            else:
                raise RuntimeError("the interpreter asks something that nobody offered")

    def _answer(self, asked: FunctionSnapshot) -> Any:
        """What to resume with; None for the interpreter's default."""
        name = asked.function_name
        if asked.is_os_function:
            return self._system(name, asked.args)
        if name == PROGRESS:
            return self._progress(asked)
        if name in self._functions:
            return self._call(name, asked)
        return None

    def _system(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in ("time.sleep", "asyncio.sleep"):
            self._wire.closed.wait(min(max(float(arguments[0]), 0.0), _LONGEST_SLEEP))
            return {"return_value": None}
        if name == "os.environ":
            return {"return_value": {}}
        if name == "os.getenv":
            return {"return_value": arguments[1]}
        return None

    def _progress(self, asked: FunctionSnapshot) -> Any:
        given = {**dict(zip(("fraction", "text"), asked.args, strict=False)), **asked.kwargs}
        fraction: Any = given.get("fraction")
        text = given.get("text")
        if type(fraction) not in (int, float):
            return _raise("TypeError", "report_progress() takes a number from 0 to 1")
        if not 0 <= fraction <= 1:
            return _raise("ValueError", "report_progress() takes a number from 0 to 1")
        words = None if text is None else str(text)[:500]
        self._wire.send({"t": "progress", "fraction": float(fraction), "text": words})
        return {"return_value": None}

    def _call(self, name: str, asked: FunctionSnapshot) -> Any:
        parameters = self._functions[name]
        if len(asked.args) > len(parameters):
            return _raise("TypeError", f"{name}() takes its arguments by name")
        arguments = dict(zip(parameters, asked.args, strict=False))
        if twice := arguments.keys() & asked.kwargs.keys():
            return _raise("TypeError", f"{name}() got several values for `{min(twice)}`")
        arguments |= asked.kwargs
        try:
            sent = json.dumps(
                {
                    key: Converter(_MOST_ARGUMENTS).convert(value, ANY, key)
                    for key, value in arguments.items()
                },
                allow_nan=False,
            )
        except Unfit as error:
            return _raise("TypeError", f"{name}(): {error}")
        except TooLarge:
            return _raise("TypeError", f"{name}(): the arguments take more than {_MOST_ARGUMENTS} bytes")
        except (ValueError, RecursionError) as error:
            return _raise("TypeError", f"{name}(): the arguments cannot be written as JSON: {error}")
        if values_in(sent.encode()) > MAX_VALUES - _ENVELOPE_VALUES:
            return _raise("TypeError", f"{name}(): the arguments hold more than {MAX_VALUES:,} values")
        self._wire.send({"t": "call", "seq": self._seq, "function": name, "arguments": json.loads(sent)})
        self._seq += 1
        answer = self._wire.receive()
        failure = answer.get("failure")
        if failure is None:
            return {"return_value": answer.get("value")}
        return _raise(EXCEPTIONS.get(failure["kind"], "RuntimeError"), _wording(failure))


def _wording(failure: dict[str, Any]) -> str:
    """A failure as one line: everything that a caller may want to look at, as the exception can carry only text."""
    named = {
        "code": failure["code"],
        "rule": failure["rule"],
        "reason": failure["reason"],
        "retry after": None if failure["retry_after"] is None else f"{failure['retry_after']:g} s",
    }
    more = ", ".join(f"{name}: {value}" for name, value in named.items() if value)
    return f"{failure['message']} ({more})" if more else str(failure["message"])


def _raise(kind: str, message: str) -> Any:
    return {"exc_type": kind, "message": message}


def _never(*_: Any, **__: Any) -> None:
    """Stands for a tool function where only its name is asked for."""
    raise RuntimeError("tool functions are answered one by one")
