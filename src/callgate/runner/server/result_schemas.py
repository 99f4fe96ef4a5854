"""What each tool answers with, as JSON Schema. Strict, and only with words that every dialect in use has.

Every answer is either what its tool is for, or `refused`: the call was not acted upon, and nothing ran.
"""

from typing import Any

from callgate.runner.execution import STATUS_OF

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MILLISECONDS: Schema = {"type": "number", "minimum": 0}
_PLACE: Schema = {"type": "integer", "minimum": 1}


def _object(properties: dict[str, Schema], required: list[str] | None = None, **more: Any) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    if required:
        found["required"] = required
    return found


_REFUSED = _object(
    {"code": _TEXT, "message": _TEXT, "line": _PLACE, "column": _PLACE, "help": _TEXT},
    ["code", "message"],
    description="Nothing ran, and why. `line` and `column` are of the script.",
)


def _answer(required: list[str], properties: dict[str, Schema]) -> Schema:
    return _object(
        {**properties, "refused": _REFUSED},
        oneOf=[{"required": ["refused"]}, {"required": required}],
    )


_TIMINGS = _object(
    {
        "created_at": _TIME,
        "started_at": _TIME,
        "ended_at": _TIME,
        "queue_ms": _MILLISECONDS,
        "run_ms": _MILLISECONDS,
    }
)

_OUTPUT = _object(
    {
        "stdout": _TEXT,
        "stderr": _TEXT,
        "offset": _COUNT,
        "next_offset": _COUNT,
        "dropped": {**_COUNT, "description": "Bytes in between that were not kept."},
        "omitted": _object(
            {"offset": _COUNT, "bytes": _COUNT},
            ["offset", "bytes"],
            description="What this answer leaves out of the middle of long output; checkCodeExecStatus gives it, with "
            "`output_offset`.",
        ),
    },
    ["stdout", "stderr", "offset", "next_offset", "dropped"],
    description="What the script wrote from `offset` to `next_offset`, counted in bytes of both streams together.",
)

_ERROR = _object(
    {
        "type": _TEXT,
        "message": _TEXT,
        "line": _PLACE,
        "column": _PLACE,
        "help": _TEXT,
        "traceback": {
            "type": "array",
            "items": _object(
                {"line": _COUNT, "function": _TEXT, "text": _TEXT}, ["line", "function", "text"]
            ),
        },
    },
    ["type", "message", "traceback"],
    description="Why the script did not complete. `traceback` has lines of the script only.",
)

EXECUTION = _answer(
    ["execution_uuid", "status", "state", "attempt", "output", "inner_calls"],
    {
        "execution_uuid": _TEXT,
        "name": _TEXT,
        "status": {
            "type": "string",
            "enum": sorted(set(STATUS_OF.values())),
            "description": "pending and running go on; completed, failed, cancelled and interrupted are final.",
        },
        "state": {"type": "string", "enum": sorted(STATUS_OF), "description": "The same, finer."},
        "cause": {**_TEXT, "description": "Why it ended as it did, such as exception, memory or wall_clock."},
        "attempt": {
            **_COUNT,
            "description": "Above 1: its worker was lost, and it was started again from its beginning; tool calls "
            "already answered are not made again.",
        },
        "timings": _TIMINGS,
        "progress": _object({"fraction": {"type": "number"}, "text": _TEXT}),
        "output": _OUTPUT,
        "results": {
            "type": "object",
            "description": "The variables of `output_vars`, once it has completed.",
        },
        "error": _ERROR,
        "usage": _object({"wall_ms": _MILLISECONDS, "cpu_ms": _MILLISECONDS, "peak_memory": _COUNT}),
        "sandbox": _object({"backend": _TEXT, "tier": _TEXT}),
        "inner_calls": _object({"made": _COUNT, "denied": _COUNT}, ["made", "denied"]),
        "in_doubt_calls": {
            "type": "array",
            "items": _object(
                {"call": _COUNT, "function": _TEXT, "started_at": _TIME}, ["call", "function", "started_at"]
            ),
            "description": "Tool calls that were begun; nobody knows whether they took effect.",
        },
        "hint": {**_TEXT, "description": "What to do next."},
    },
)

LISTED = _answer(
    ["executions"],
    {
        "executions": {
            "type": "array",
            "items": _object(
                {
                    "execution_uuid": _TEXT,
                    "name": _TEXT,
                    "session_id": _TEXT,
                    "status": {"type": "string", "enum": sorted(set(STATUS_OF.values()))},
                    "state": {"type": "string", "enum": sorted(STATUS_OF)},
                    "cause": _TEXT,
                    "timings": _TIMINGS,
                },
                ["execution_uuid", "status", "state"],
            ),
        },
        "next_cursor": _TEXT,
    },
)

_UNKNOWN = _object({"name": _TEXT, "did_you_mean": {"type": "array", "items": _TEXT}}, ["name"])

FOUND = _answer(
    ["tools", "total"],
    {
        "tools": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "server": _TEXT,
                    "signature": _TEXT,
                    "summary": _TEXT,
                    "read_only": {"type": "boolean"},
                },
                ["name", "server", "signature", "summary"],
            ),
        },
        "total": {**_COUNT, "description": "How many fit; `tools` has the best of them."},
        "unknown_servers": {
            "type": "array",
            "items": _UNKNOWN,
            "description": "Names of `mcp_server_names` that there are no servers for.",
        },
    },
)

DETAILS = _answer(
    ["tools", "unknown"],
    {
        "tools": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "server": _TEXT,
                    "tool": _TEXT,
                    "signature": _TEXT,
                    "description": _TEXT,
                    "input_schema": {"type": "object"},
                    "output_schema": {"type": "object"},
                    "annotations": {"type": "object"},
                    "never_allowed": {
                        "type": "boolean",
                        "description": "True: the policy denies every call of it.",
                    },
                },
                ["name", "server", "tool", "signature", "description", "input_schema"],
            ),
        },
        "unknown": {
            "type": "array",
            "items": _UNKNOWN,
            "description": "Names that there are no functions for.",
        },
    },
)
