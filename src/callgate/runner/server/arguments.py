"""Holds a call's arguments against its tool's schema, and makes an execution's Spec of them. No I/O.

Arguments are hostile: every refusal names where and what was expected, never the value.
"""

import math
from difflib import get_close_matches
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind
from mcp_types import Tool

from callgate.runner.execution import Spec
from callgate.runner.jobs.contract import Refusal
from callgate.runner.server.input_schemas import MAX_SCRIPT, MAX_TIMEOUT, MAX_VARIABLES
from callgate.text import quote

MAX_DEPTH = 64
_ENDLESS = 10 * 366 * 86_400
"""Seconds after which a time-out is none: clocks of event loops have an end."""

_NOUNS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


class Arguments:
    """The arguments of one tool: checks them."""

    def __init__(self, tool: Tool) -> None:
        self._properties: dict[str, Any] = tool.input_schema["properties"]
        self._required: frozenset[str] = frozenset(tool.input_schema["required"])
        self._errors = Draft202012Validator(tool.input_schema).iter_errors

    def checked(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """The arguments, as they are to be used. Raises Refusal.

        Null stands for left out where an argument can be: many clients write it.
        """
        found = {
            name: value
            for name, value in (given or {}).items()
            if value is not None or name in self._required or name not in self._properties
        }
        _check_plain(found, "", 0)
        for error in self._errors(found):
            raise self._refusal(error)
        return found

    def _refusal(self, error: ValidationError) -> Refusal:
        kind = error.kind
        where = _path(error.instance_path)
        match kind:
            case ValidationErrorKind.AdditionalProperties(unexpected=names):
                close = get_close_matches(names[0], self._properties, n=1)
                known = ", ".join(f"`{name}`" for name in self._properties)
                help = f"did you mean `{close[0]}`?" if close else f"the arguments are {known}"
                return Refusal("RUN001", f"unknown argument {quote(names[0])}", help=help)
            case ValidationErrorKind.Required(property=name):
                return Refusal("RUN002", f"the argument `{name}` is missing")
            case ValidationErrorKind.Type(types=types):
                wanted = " or ".join(_NOUNS.get(each, each) for each in types)
                return Refusal("RUN003", f"{where} must be {wanted}, not {_noun(error.instance)}")
        return Refusal("RUN004", f"{where} {_bound(error)}")


def spec(arguments: dict[str, Any], *, waits: bool) -> Spec:
    """What is to be executed, of checked arguments; `waits`: for `executeCode`. Raises Refusal."""
    if len(arguments["script"].encode()) > MAX_SCRIPT:
        raise Refusal("RUN004", f"`script` must have at most {MAX_SCRIPT} bytes")
    variables = arguments.get("input_vars", {})
    if len(msgspec.json.encode(variables)) > MAX_VARIABLES:
        raise Refusal(
            "RUN004",
            f"`input_vars` must have at most {MAX_VARIABLES} bytes as JSON",
            help="let the script fetch the data itself, by a tool or in parts",
        )
    for name in (*variables, *arguments.get("output_vars", {})):
        if not name.isidentifier():
            raise Refusal("RUN004", f"{quote(name)} cannot be the name of a variable")
    timeout = arguments.get("timeout", MAX_TIMEOUT if waits else None)
    if timeout is not None and timeout > _ENDLESS:
        timeout = None
    return Spec(
        script=arguments["script"],
        name=arguments.get("name"),
        description=arguments.get("description"),
        session_id=arguments.get("session_id"),
        input_vars=variables,
        output_vars=arguments.get("output_vars", {}),
        required_tools=tuple(arguments.get("required_tools", ())),
        additional_imports=tuple(arguments.get("additional_imports", ())),
        local=arguments.get("local"),
        mcp_server_names=tuple(arguments.get("mcp_server_names", ())),
        timeout=None if timeout is None else float(timeout),
        required_secrets=tuple(arguments.get("required_secrets", ())),
    )


def _check_plain(value: Any, where: str, depth: int) -> None:
    """Whether a value can be kept and passed on as it is: finite, in UTF-8, not too deep, integers of 64 bits."""
    if type(value) is str:
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _not_plain(where, "holds half of a surrogate pair")
    elif type(value) is float:
        if not math.isfinite(value):
            raise _not_plain(where, "holds a number that is not finite")
    elif type(value) is int:
        if not -(1 << 63) <= value < 1 << 64:
            raise _not_plain(where, "holds an integer of more than 64 bits")
    elif depth >= MAX_DEPTH and type(value) in (dict, list):
        raise _not_plain(where, f"is nested more than {MAX_DEPTH} deep")
    elif type(value) is dict:
        for name, each in value.items():
            _check_plain(name, where or name, depth)
            _check_plain(each, where or name, depth + 1)
    elif type(value) is list:
        for each in value:
            _check_plain(each, where, depth + 1)


def _not_plain(where: str, what: str) -> Refusal:
    return Refusal("RUN005", f"the argument {quote(where)} {what}", help="pass it as a text")


def _bound(error: ValidationError) -> str:
    match error.kind:
        case ValidationErrorKind.Minimum(limit=limit):
            return f"must be at least {limit}"
        case ValidationErrorKind.ExclusiveMinimum(limit=limit):
            return f"must be more than {limit}"
        case ValidationErrorKind.Maximum(limit=limit):
            return f"must be at most {limit}"
        case ValidationErrorKind.MinLength(limit=_) | ValidationErrorKind.MinItems(limit=_):
            return "must not be empty"
        case ValidationErrorKind.MaxLength(limit=limit):
            return f"must have at most {limit} characters"
        case ValidationErrorKind.MaxItems(limit=limit) | ValidationErrorKind.MaxProperties(limit=limit):
            return f"must have at most {limit} entries"
        case ValidationErrorKind.Pattern():
            return "must be a UUID, as asyncExecuteCode answers with"
    return "is not as the tool's input schema has it"


def _path(path: list[str | int]) -> str:
    text = ""
    for each in path:
        text += f"[{each}]" if isinstance(each, int) else f".{each}" if text else each
    return quote(text) if text else "the arguments"


def _noun(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return _NOUNS[kinds[type(value)]]
