"""Drives one script through the interpreter: every question that the script asks comes by here. In the child process.

Answers tool calls, sleep, environment variables and `report_progress`; everything else that the interpreter would ask
its host for (files, entropy, imports) is refused by the interpreter's own default.
"""

from collections.abc import Callable
from typing import Any

from pydantic_monty import (
    FunctionSnapshot,
    MontyComplete,
    MontyRuntimeError,
    MontySession,
    NameLookupSnapshot,
)

from callgate.runner.sandbox.monty.values import Budget, NotPlain, TooLarge, plain
from callgate.runner.sandbox.monty.wire import Wire

PROGRESS = "report_progress"
_LONGEST_SLEEP = 86_400.0 * 30

_EXCEPTION = {
    "denied": "PermissionError",
    "unknown_tool": "NameError",
    "tool_error": "RuntimeError",
    "failed": "RuntimeError",
    "interrupted": "RuntimeError",
}
"""Kind of failure → the exception in the script. Monty has no classes of exceptions but Python's own."""


class OutputVarsRefused(Exception):
    """A variable that was promised is not there, or not of its type."""


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
        """Run the script to its end; returns the output variables. Raises MontyError and what this module has."""
        try:
            self._feed(self._job["script"], self._job["input_vars"])
        except MontyRuntimeError as error:
            if not (
                isinstance(error.exception(), SystemExit) and str(error.exception()) in ("", "0", "None")
            ):
                raise
        budget = Budget(self._job["limits"]["results"])
        return {name: self._output(name, budget) for name in self._job["output_vars"]}

    def _output(self, name: str, budget: Budget) -> Any:
        snapshot = self._session.feed_start(name)
        if not isinstance(snapshot, MontyComplete):
            raise OutputVarsRefused(f"the script has set no variable `{name}`")
        try:
            return plain(snapshot.output, budget)
        except NotPlain as error:
            raise OutputVarsRefused(f"`{name}` {error}") from None

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
        secrets: dict[str, str] = self._job["secrets"]
        if name in ("time.sleep", "asyncio.sleep"):
            self._wire.closed.wait(min(max(float(arguments[0]), 0.0), _LONGEST_SLEEP))
            return {"return_value": None}
        if name == "os.environ":
            return {"return_value": dict(secrets)}
        if name == "os.getenv":
            return {"return_value": secrets.get(arguments[0], arguments[1])}
        return None

    def _progress(self, asked: FunctionSnapshot) -> Any:
        given = {**dict(zip(("fraction", "text"), asked.args, strict=False)), **asked.kwargs}
        fraction, text = given.get("fraction"), given.get("text")
        if fraction is not None and not (type(fraction) in (int, float) and 0 <= fraction <= 1):
            return _raise("ValueError", "fraction must be a number from 0 to 1, or None")
        told = None if text is None else str(text)[:1_000]
        self._wire.send(
            {"t": "progress", "fraction": None if fraction is None else float(fraction), "text": told}
        )
        return {"return_value": None}

    def _call(self, name: str, asked: FunctionSnapshot) -> Any:
        parameters = self._functions[name]
        if len(asked.args) > len(parameters):
            return _raise("TypeError", f"{name}() takes its arguments by name")
        arguments = dict(zip(parameters, asked.args, strict=False))
        if twice := arguments.keys() & asked.kwargs.keys():
            return _raise("TypeError", f"{name}() got several values for `{min(twice)}`")
        try:
            sent = plain({**arguments, **asked.kwargs}, Budget(self._job["limits"]["results"]))
        except NotPlain as error:
            return _raise("TypeError", f"what {name}() is called with {error}")
        except TooLarge:
            return _raise("ValueError", f"the arguments of {name}() are too large")
        self._wire.send({"t": "call", "seq": self._seq, "function": name, "arguments": sent})
        self._seq += 1
        answer = self._wire.receive()
        failure = answer.get("failure")
        if failure is None:
            return {"return_value": answer.get("value")}
        return _raise(_EXCEPTION[failure["kind"]], _wording(failure))


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
