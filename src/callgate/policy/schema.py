"""The JSON Schema (draft-07, which editors read) of the native form, made from the key tables.

It accepts every file that the reader accepts. What only the reader can know (a glob's brackets, an expression,
two keys that mean the same, the schemas under `validate.args`) it leaves open.
"""

from decimal import Decimal
from typing import Any

from callgate.policy.condition_syntax import OPERANDS
from callgate.policy.findings import Findings
from callgate.policy.keys import PER_EXECUTION, RATE_LIMIT, RULE, TOOL, TOP, VALIDATE, Key
from callgate.policy.limits import UNITS, WORDS
from callgate.policy.source_text import SourceText
from callgate.policy.values import plain
from callgate.policy.yaml_tree import parse

_ARGUMENT_PATH = "^args(\\.[^.]+)+$"
_CLAIM_PATH = "^identity(\\.[^.]+)+$"
_SCALAR = {"type": ["string", "number", "boolean", "null"]}

_OPERAND_SHAPES: dict[str, dict[str, Any]] = {
    "anything": {},
    "list": {"type": "array"},
    "number": {"type": "number"},
    "true or false": {"type": "boolean"},
    "regular expression": {"type": "string"},
}


def policy_schema() -> dict[str, Any]:
    """Return the schema as plain data."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Callgate policy (native form)",
        **_mapping(TOP, "What an agent may call. Intercept and hosted files are not described here."),
        "anyOf": [
            {"required": ["default"]},
            {"required": ["hide"]},
            {"required": ["tools"]},
            {"required": ["per_execution"]},
            {"required": ["grant_secrets"]},
        ],
        "definitions": {
            "tool": _mapping(TOOL, "The rules of one tool or pattern."),
            "rule": _rule(),
            "when": _when(),
            "operators": _operators(),
            "rate_limits": _either("rate_limit", "A rate limit, or a list of them that must all have room."),
            "rate_limit": _rate_limit(),
            "window": _window(),
            "validate": {**_mapping(VALIDATE, "What the arguments must be like."), "minProperties": 1},
            "per_execution": {
                **_mapping(PER_EXECUTION, "What one execution of `callgate runner` may do."),
                "minProperties": 1,
            },
            "path": _path(),
            "argument_path": _pattern(_ARGUMENT_PATH, "An argument, or a part of one.", "args.amount"),
            "pattern": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "pattern": "\\S",
                "description": "A name, or a pattern with `*`, `?` and `[...]`.",
                "examples": ["create_issue", "delete_*"],
            },
        },
    }


def _mapping(table: tuple[Key, ...], meaning: str) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": meaning,
        "additionalProperties": False,
        "properties": {key.name: _property(key) for key in table},
    }
    required = [key.name for key in table if key.required]
    if required:
        schema["required"] = required
    return schema


def _property(key: Key) -> dict[str, Any]:
    # Draft-07 ignores what stands beside a $ref, so the reference goes into an allOf.
    shape = {"allOf": [key.shape]} if "$ref" in key.shape else key.shape
    described = {**shape, "description": key.meaning, "examples": [example_value(key)]}
    if key.default in ("allow", "session"):
        described["default"] = key.default
    elif key.default in ("true", "false"):
        described["default"] = key.default == "true"
    return described


def example_value(key: Key) -> Any:
    """Return a key's example as plain data."""
    text = SourceText("example", key.example)
    findings = Findings(text)
    node = parse(text, findings)
    if node is None:
        raise ValueError(f"the example of `{key.name}` is not YAML")
    return plain(node, findings)


def _rule() -> dict[str, Any]:
    denies = {"required": ["action"], "properties": {"action": {"const": "deny"}}}
    carries_more = {"anyOf": [{"required": ["rate_limit"]}, {"required": ["validate"]}]}
    return {**_mapping(RULE, "One rule of a tool."), "if": denies, "then": {"not": carries_more}}


def _when() -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"$ref": "#/definitions/path"},
        "additionalProperties": {"anyOf": [_SCALAR, {"type": "array"}, {"$ref": "#/definitions/operators"}]},
    }


def _operators() -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            operator: {**_OPERAND_SHAPES[operand], "description": meaning}
            for operator, (operand, meaning) in OPERANDS.items()
        },
    }


def _either(definition: str, meaning: str) -> dict[str, Any]:
    one = {"$ref": f"#/definitions/{definition}"}
    return {"description": meaning, "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _rate_limit() -> dict[str, Any]:
    units = "|".join(WORDS)
    short = _pattern(
        f"^[0-9]+ ?/ ?([0-9]+(\\.[0-9]+)?)?({units})$", "So many calls in a window.", "10/minute"
    )
    whole_without_cost = {
        "if": {"not": {"required": ["cost"]}},
        "then": {"properties": {"max": {"multipleOf": 1}}},
    }
    return {"anyOf": [short, {**_mapping(RATE_LIMIT, "A limit and its window."), **whole_without_cost}]}


def _window() -> dict[str, Any]:
    seconds = {
        "type": "number",
        "minimum": Decimal("0.001"),
        "maximum": 366 * 86_400,
        "description": "Seconds.",
        "examples": [60],
    }
    units = "|".join(UNITS)
    text = _pattern(
        f"^[0-9]+(\\.[0-9]+)?({units})$", "Milliseconds, seconds, minutes, hours or days.", "1.5h"
    )
    return {"anyOf": [seconds, text]}


def _path() -> dict[str, Any]:
    return {
        "description": "What is looked at: an argument, a claim of the caller's credential, or one of four words.",
        "examples": ["args.amount", "identity.team", "tool"],
        "anyOf": [
            {"type": "string", "pattern": _ARGUMENT_PATH},
            {"type": "string", "pattern": _CLAIM_PATH},
            {"enum": ["identity", "session", "server", "tool"]},
        ],
    }


def _pattern(expression: str, meaning: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": expression, "description": meaning, "examples": [example]}
