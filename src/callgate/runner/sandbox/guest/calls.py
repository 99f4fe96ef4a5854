"""Tool calls from the script to the host, from any number of threads at once.

There is no thread of our own: of the threads that wait, one leads and reads for all, and hands the lead on when its own
answer has come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from . import wire
from .convert import Converter
from .convert_scalars import TooLarge, Unfit
from .failures import raised_for
from .output_types import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_ARGUMENTS = (8 << 20) - 4096
"""Bytes of the arguments of one call."""

MOST_VALUES = 99_000
"""Values in the arguments of one call; the host takes a few more."""


class Calls:
    """The calls that are under way."""

    def __init__(self) -> None:
        self._order = threading.Lock()
        self._arrived = threading.Condition(threading.Lock())
        self._answers: dict[int, dict[str, Any]] = {}
        self._led = False
        self._last = -1

    def call(self, function: str, arguments: dict[str, Any]) -> Any:
        """The tool's answer. Raises ToolError, or TypeError for arguments that cannot be written as JSON."""
        try:
            plain = {
                name: Converter(MOST_ARGUMENTS).convert(value, ANY, name) for name, value in arguments.items()
            }
            length = len(wire.encode(plain))
            if length > MOST_ARGUMENTS:
                raise TooLarge
            if length > MOST_VALUES and _values(plain) > MOST_VALUES:
                raise Unfit(
                    f"the arguments hold more than {MOST_VALUES} values; pass them in parts, or as text"
                )
        except Unfit as error:
            raise TypeError(f"{function}(): {error}") from None
        except TooLarge:
            raise TypeError(f"{function}(): the arguments take more than {MOST_ARGUMENTS} bytes") from None
        except (ValueError, RecursionError) as error:
            raise TypeError(f"{function}(): the arguments cannot be written as JSON: {error}") from None
        with self._order:  # frames leave in the order of their numbers
            self._last += 1
            number = self._last
            wire.send(wire.encode({"t": "call", "seq": number, "function": function, "arguments": plain}))
        answer = self._wait(number)
        failure = answer.get("failure")
        if failure is not None:
            raise raised_for(failure)
        return answer.get("value")

    def _wait(self, number: int) -> dict[str, Any]:
        while True:
            with self._arrived:
                while number not in self._answers and self._led:
                    self._arrived.wait()
                if number in self._answers:
                    return self._answers.pop(number)
                self._led = True
            frame: dict[str, Any] | None = None
            try:
                frame = wire.receive()
            finally:
                with self._arrived:
                    self._led = False
                    if frame is not None and frame.get("t") == "answer":
                        self._answers[frame["seq"]] = frame
                    self._arrived.notify_all()


def _values(value: Any) -> int:
    """How many values there are, those in lists and objects too."""
    count, left = 0, [value]
    while left:
        each = left.pop()
        count += 1
        if type(each) is dict:
            left.extend(each.values())
        elif type(each) is list:
            left.extend(each)
    return count


def tool_function(
    call: Callable[[str, dict[str, Any]], Any], name: str, description: str, parameters: Sequence[str]
) -> Callable[..., Any]:
    """The plain function `name(**arguments)` that a script calls the tool by."""

    def function(*positional: Any, **arguments: Any) -> Any:
        if len(positional) > len(parameters):
            if not parameters:
                raise TypeError(f"{name}() takes its arguments by name: {name}(name=value)")
            raise TypeError(
                f"{name}() takes at most {len(parameters)} arguments ({', '.join(parameters)}), "
                f"{len(positional)} were given"
            )
        for parameter, value in zip(parameters, positional, strict=False):
            if parameter in arguments:
                raise TypeError(f"{name}() got two values for `{parameter}`")
            arguments[parameter] = value
        return call(name, arguments)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = description
    function.__module__ = "callgate"
    return function


def report_progress(fraction: float, text: str | None = None) -> None:
    """Say how far the script is: a number from 0 to 1, and a few words. Raises TypeError or ValueError."""
    if isinstance(fraction, bool) or not hasattr(fraction, "__float__"):
        raise TypeError("report_progress() takes a number from 0 to 1")
    number = float(fraction)
    if not 0 <= number <= 1:
        raise ValueError("report_progress() takes a number from 0 to 1")
    words = None if text is None else str(text)[:500].encode(errors="replace").decode()
    wire.send(wire.encode({"t": "progress", "fraction": number, "text": words}))
