"""Every key of the native form, once: reader, JSON Schema and reference are made from these tables."""

from typing import Any

from msgspec import Struct


class Key(Struct, frozen=True):
    """One key of a mapping.

    `type` and `meaning` are for people, `default` says what holds if the key is left out, `example` is the
    value as YAML, `shape` is the draft-07 JSON Schema of the value, without a description.
    """

    name: str
    type: str
    meaning: str
    example: str
    shape: dict[str, Any]
    default: str = ""
    required: bool = False


def names(table: tuple[Key, ...]) -> tuple[str, ...]:
    """Return the names of the keys of a table, in its order."""
    return tuple(key.name for key in table)


def _ref(definition: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{definition}"}


_TEXT = {"type": "string"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "\\S"}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
_TRUTH = {"type": "boolean"}

TOP: tuple[Key, ...] = (
    Key(
        "description",
        "text",
        "What the policy is for. Changes nothing.",
        '"Tools of the billing agent"',
        _TEXT,
    ),
    Key(
        "default",
        "`allow` or `deny`",
        "What happens to a tool that no entry of `tools` names. Under `deny` a tool is allowed only if "
        "an entry "
        "other than `*` names it with `rules: []` or with an allow rule that applies.",
        "deny",
        {"enum": ["allow", "deny"]},
        "allow",
    ),
    Key(
        "hide",
        "list of tool names and patterns",
        "Tools that are left out of `tools/list` and answered as unknown when they are called. A tool that is only "
        "denied stays listed.",
        "[drop_database, admin_*]",
        {"type": "array", "items": _ref("pattern")},
        "[]",
    ),
    Key(
        "tools",
        "mapping: tool name or pattern → tool",
        "The rules of each tool. A pattern is anchored and case-sensitive: `*` is any text, `?` any "
        "character, "
        "`[abc]` one of these. Every entry that matches a call applies. `*` alone applies to all tools "
        "and lists none.",
        "{create_issue: {rules: [{rate_limit: 5/hour}]}}",
        {"type": "object", "propertyNames": _ref("pattern"), "additionalProperties": _ref("tool")},
        "{}",
    ),
    Key(
        "allow_methods",
        "list of method names and patterns",
        "Methods outside the protocol that may pass. Everything else that is unknown is refused. A "
        "pattern must not "
        "match a method of the protocol, such as `tools/call`.",
        "[example.com/*]",
        {"type": "array", "items": _ref("pattern")},
        "[]",
    ),
    Key(
        "per_execution",
        "mapping",
        "What one execution of `callgate runner` may do. Means nothing to `callgate run` and `callgate serve`.",
        "{max_calls: 100}",
        _ref("per_execution"),
        "no bound",
    ),
    Key(
        "grant_secrets",
        "list of names",
        "The secrets that code may hold when it asks for them (`required_secrets`). All others stay outside the "
        "sandbox. Counts only in the policy that `runner` names. Means nothing to `callgate run` and `callgate "
        "serve`.",
        "[API_TOKEN]",
        {
            "type": "array",
            "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$"},
            "uniqueItems": True,
        },
        "[]",
    ),
)

PER_EXECUTION: tuple[Key, ...] = (
    Key(
        "max_calls",
        "whole number",
        "How many calls an execution may make.",
        "100",
        _COUNT,
        "no bound",
    ),
    Key(
        "max_denied",
        "whole number",
        "How many of its calls may be refused, for whatever reason. After that every call is.",
        "20",
        _COUNT,
        "no bound",
    ),
    Key(
        "max_seconds",
        "seconds, or text such as `500ms`, `90s`, `1m`, `1.5h`, `1d`",
        "How long an execution may take. The shortest of this, the runner's `limits` and the time-out that was asked "
        "for counts.",
        "1h",
        _ref("window"),
        "no bound",
    ),
    Key(
        "tools",
        "mapping: tool name or pattern → whole number",
        "How many calls of a tool, or of all tools together that match a pattern. All that match must have room.",
        "{create_*: 5}",
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": _ref("pattern"),
            "additionalProperties": _COUNT,
        },
        "no bound",
    ),
)

TOOL: tuple[Key, ...] = (
    Key(
        "rules",
        "list of rules",
        "The rules of the tool. All that apply count, their order does not: the strictest wins. "
        "An empty list allows the tool.",
        "[{action: deny}]",
        {"type": "array", "items": _ref("rule")},
        required=True,
    ),
)

RULE: tuple[Key, ...] = (
    Key(
        "name",
        "text",
        "What records and `policy explain` call the rule.",
        "daily cap",
        _NAME,
        "its place in the file",
    ),
    Key(
        "action",
        "`allow`, `deny` or `require_approval`",
        "What the rule says of a call it applies to. An allow rule may carry limits and checks; the call "
        "must pass all. `require_approval` refuses where nobody can approve.",
        "deny",
        {"enum": ["allow", "deny", "require_approval"]},
        "allow",
    ),
    Key(
        "when",
        "mapping: path → value, list or operators",
        "The rule applies only to calls for which all of this holds. A single value means `eq`, a list "
        "means `in`, a "
        "mapping holds operators that must all hold. A condition that cannot be evaluated, or looks at a value of "
        "another type, counts as strictly as it can.",
        "{args.branch: main, args.amount: {gt: 100, lte: 5000}}",
        _ref("when"),
        "always",
    ),
    Key(
        "rate_limit",
        "rate limit, or list of them",
        "How often the tool may be called: `10/minute`, `10/60s`, or a mapping. All limits of a list "
        "must have room. "
        "Not on a deny rule.",
        "{max: 10, window: 60}",
        _ref("rate_limits"),
        "none",
    ),
    Key(
        "validate",
        "mapping",
        "What the arguments must be like. Not on a deny rule.",
        "{required_args: true}",
        _ref("validate"),
        "none",
    ),
    Key(
        "reason",
        "text",
        "What the agent reads when this rule refuses a call. What was wrong with the call follows, if it broke a "
        "check or the limit of a sum, or lacks what a condition looks at.",
        '"Refunds need a person."',
        _TEXT,
        "a text made from the rule",
    ),
)

RATE_LIMIT: tuple[Key, ...] = (
    Key(
        "max",
        "number",
        "How many calls any window may hold, or what `cost` may add up to in it. Whole unless there is a "
        "`cost`; exact.",
        "10",
        {"type": "number", "minimum": 0},
        required=True,
    ),
    Key(
        "window",
        "seconds, or text such as `500ms`, `90s`, `1m`, `1.5h`, `1d`",
        "How long the window is, from a millisecond to 366 days. It slides: no interval of this length "
        "ever holds more.",
        "1h",
        _ref("window"),
        required=True,
    ),
    Key(
        "scope",
        "`session`, `identity` or `global`",
        "Whose calls share a counter: one agent session, one identity (over stdio the local user), or everybody. "
        "Always on one server.",
        "identity",
        {"enum": ["session", "identity", "global"]},
        "session",
    ),
    Key(
        "per",
        "path, or list of paths",
        "One counter for each value of these paths. Under a pattern all matching tools share a counter "
        "unless "
        "`per` names `tool`. Texts count by their exact spelling, numbers by the double that they are read as.",
        "[args.currency]",
        {
            "anyOf": [
                _ref("path"),
                {"type": "array", "items": _ref("path"), "minItems": 1, "uniqueItems": True},
            ]
        },
        "one counter",
    ),
    Key(
        "cost",
        "path of an argument",
        "Charges the value of this argument instead of 1. A call whose value is absent, negative or no "
        "number is denied. A value that is larger when it is read as a double is charged so.",
        "args.amount",
        _ref("argument_path"),
        "1 for each call",
    ),
)

VALIDATE: tuple[Key, ...] = (
    Key(
        "required_args",
        "`true` or `false`",
        "Every argument that the tool's own input schema requires must be present and not null.",
        "true",
        _TRUTH,
        "false",
    ),
    Key(
        "schema",
        "`true` or `false`",
        "The arguments must satisfy the tool's own input schema. This fixes the types of the arguments.",
        "true",
        _TRUTH,
        "false",
    ),
    Key(
        "args",
        "mapping: argument → JSON Schema",
        "Schemas (2020-12) for single arguments, checked if the argument is present. Nothing is ever "
        "fetched, and "
        "`format` is enforced.",
        "{timeout: {type: integer, maximum: 300}}",
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["object", "boolean"]}},
        "none",
    ),
)

TABLES: dict[str, tuple[Key, ...]] = {
    "file": TOP,
    "tool": TOOL,
    "rule": RULE,
    "rate_limit": RATE_LIMIT,
    "per_execution": PER_EXECUTION,
    "validate": VALIDATE,
}
"""Mapping → its keys."""
